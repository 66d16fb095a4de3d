/* simdjson behind a C interface: the only C++ of this folder.
 *
 * A dom::element is a pair (document, position on the tape); dom_value carries the same two words,
 * so values cross the border by copy and nothing is allocated per value. Errors are codes, never
 * exceptions. Threads: a parser has one user at a time. What can fail: parsing (bad text, depth,
 * memory); everything later works on a checked document. */
#include "server/rest/json_shim.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <type_traits>

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

namespace
{

constexpr size_t CAPACITY_START = 64 * 1024;
constexpr size_t CAPACITY_KEEP = 8 * 1024 * 1024; /* a larger parser is dropped after its request */
constexpr size_t COUNT_SATURATED = 0xFFFFFF;      /* the tape counts no further */
constexpr size_t PADDING = 64;

static_assert(simdjson::SIMDJSON_PADDING <= PADDING);
static_assert(sizeof(dom_value) == sizeof(element) && std::is_trivially_copyable<element>::value);
static_assert(sizeof(dom_value) == sizeof(array) && sizeof(dom_value) == sizeof(object));
static_assert(sizeof(dom_value) == sizeof(array::iterator));
static_assert(sizeof(dom_value) == sizeof(object::iterator));

template <typename T> T from_value(dom_value value)
{
    T out;
    std::memcpy(static_cast<void *>(&out), &value, sizeof(value));
    return out;
}

template <typename T> dom_value to_value(const T &in)
{
    dom_value out;
    std::memcpy(&out, &in, sizeof(out));
    return out;
}

size_t with_point(double number, char *out, char *end)
{
    size_t size = static_cast<size_t>(end - out);
    if (std::isfinite(number) && std::memchr(out, '.', size) == nullptr &&
        std::memchr(out, 'e', size) == nullptr) {
        std::memcpy(out + size, ".0", 2);
        size += 2;
    }
    return size;
}

const char *error_text(simdjson::error_code code)
{
    switch (code) {
    case simdjson::EMPTY:
        return "EOF while parsing a value";
    case simdjson::DEPTH_ERROR:
        return "nesting is deeper than 64 levels";
    case simdjson::NUMBER_ERROR:
        return "invalid number, or number out of range";
    case simdjson::UTF8_ERROR:
        return "invalid UTF-8";
    case simdjson::STRING_ERROR:
        return "invalid escape in a string";
    case simdjson::UNCLOSED_STRING:
        return "EOF while parsing a string";
    case simdjson::UNESCAPED_CHARS:
        return "control character in a string";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
        return "expected true, false or null";
    case simdjson::CAPACITY:
        return "document is too large";
    case simdjson::MEMALLOC:
        return "no memory for the document";
    default:
        return "syntax error";
    }
}

} // namespace

struct dom_parser {
    simdjson::dom::parser *parser;
};

static bool start_parser(dom_parser *parser)
{
    parser->parser = new (std::nothrow) simdjson::dom::parser();
    if (parser->parser == nullptr)
        return false;
    /* simdjson counts the root among the levels. */
    return parser->parser->allocate(CAPACITY_START, DOM_DEPTH_MAX + 1) == simdjson::SUCCESS;
}

extern "C" struct dom_parser *dom_parser_create(void)
{
    dom_parser *parser = new (std::nothrow) dom_parser();
    if (parser != nullptr && !start_parser(parser)) {
        dom_parser_destroy(parser);
        return nullptr;
    }
    return parser;
}

extern "C" void dom_parser_destroy(struct dom_parser *parser)
{
    if (parser == nullptr)
        return;
    delete parser->parser;
    delete parser;
}

extern "C" const char *dom_parse(struct dom_parser *parser, struct slice text, dom_value *root)
{
    if (parser->parser == nullptr && !start_parser(parser))
        return error_text(simdjson::MEMALLOC);
    element parsed;
    simdjson::error_code code =
        parser->parser->parse(reinterpret_cast<const char *>(text.data), text.size, false)
            .get(parsed);
    if (code != simdjson::SUCCESS)
        return error_text(code);
    *root = to_value(parsed);
    return nullptr;
}

extern "C" void dom_parser_trim(struct dom_parser *parser)
{
    if (parser->parser == nullptr || parser->parser->capacity() <= CAPACITY_KEEP)
        return;
    delete parser->parser;
    parser->parser = nullptr;
}

extern "C" enum dom_type dom_type(struct dom_value value)
{
    switch (from_value<element>(value).type()) {
    case element_type::ARRAY:
        return DOM_ARRAY;
    case element_type::OBJECT:
        return DOM_OBJECT;
    case element_type::INT64:
        return DOM_SIGNED;
    case element_type::UINT64:
        return DOM_UNSIGNED;
    case element_type::DOUBLE:
        return DOM_REAL;
    case element_type::STRING:
        return DOM_STRING;
    case element_type::BOOL:
        return DOM_BOOL;
    case element_type::NULL_VALUE:
        break;
    }
    return DOM_NULL;
}

template <typename T> static T get(struct dom_value value)
{
    T out{};
    simdjson::error_code code = from_value<element>(value).get(out);
    return code == simdjson::SUCCESS ? out : T{};
}

extern "C" bool dom_bool(struct dom_value value)
{
    return get<bool>(value);
}

extern "C" int64_t dom_signed(struct dom_value value)
{
    return get<int64_t>(value);
}

extern "C" uint64_t dom_unsigned(struct dom_value value)
{
    return get<uint64_t>(value);
}

extern "C" double dom_real(struct dom_value value)
{
    return get<double>(value);
}

extern "C" struct slice dom_string(struct dom_value value)
{
    std::string_view text = get<std::string_view>(value);
    return slice_of(text.data(), text.size());
}

extern "C" size_t dom_count(struct dom_value container)
{
    element value = from_value<element>(container);
    if (value.type() == element_type::ARRAY) {
        array items = get<array>(container);
        if (items.size() < COUNT_SATURATED)
            return items.size();
        size_t count = 0;
        for (auto item = items.begin(); item != items.end(); ++item)
            count++;
        return count;
    }
    object members = get<object>(container);
    if (members.size() < COUNT_SATURATED)
        return members.size();
    size_t count = 0;
    for (auto member = members.begin(); member != members.end(); ++member)
        count++;
    return count;
}

extern "C" struct dom_cursor dom_items(struct dom_value value)
{
    array items = get<array>(value);
    return dom_cursor{to_value(items.begin()), to_value(items.end()).index};
}

extern "C" bool dom_next_item(struct dom_cursor *cursor, struct dom_value *item)
{
    if (cursor->at.index == cursor->end)
        return false;
    auto at = from_value<array::iterator>(cursor->at);
    *item = to_value(*at);
    ++at;
    cursor->at = to_value(at);
    return true;
}

extern "C" struct dom_cursor dom_members(struct dom_value value)
{
    object members = get<object>(value);
    return dom_cursor{to_value(members.begin()), to_value(members.end()).index};
}

extern "C" bool dom_next_member(struct dom_cursor *cursor, struct slice *key,
                                struct dom_value *value)
{
    if (cursor->at.index == cursor->end)
        return false;
    auto at = from_value<object::iterator>(cursor->at);
    std::string_view text = at.key();
    *key = slice_of(text.data(), text.size());
    *value = to_value(at.value());
    ++at;
    cursor->at = to_value(at);
    return true;
}

extern "C" enum dom_fault dom_floats(struct dom_value value, float *out, size_t *fault_index)
{
    size_t index = 0;
    for (element item : get<array>(value)) {
        double number = 0;
        if (item.get(number) != simdjson::SUCCESS) {
            *fault_index = index;
            return DOM_NOT_NUMBER;
        }
        float narrow = static_cast<float>(number);
        if (!std::isfinite(narrow)) {
            *fault_index = index;
            return DOM_OUT_OF_RANGE;
        }
        out[index++] = narrow;
    }
    return DOM_FINE;
}

extern "C" enum dom_fault dom_uints(struct dom_value value, uint32_t *out, size_t *fault_index)
{
    size_t index = 0;
    for (element item : get<array>(value)) {
        uint64_t number = 0;
        simdjson::error_code code = item.get(number);
        if (code != simdjson::SUCCESS || number > UINT32_MAX) {
            *fault_index = index;
            return code == simdjson::INCORRECT_TYPE ? DOM_NOT_NUMBER : DOM_OUT_OF_RANGE;
        }
        out[index++] = static_cast<uint32_t>(number);
    }
    return DOM_FINE;
}

extern "C" size_t dom_float_text(float number, char out[DOM_NUMBER_TEXT_MAX])
{
    return with_point(static_cast<double>(number), out,
                      std::to_chars(out, out + DOM_NUMBER_TEXT_MAX - 2, number).ptr);
}

extern "C" size_t dom_double_text(double number, char out[DOM_NUMBER_TEXT_MAX])
{
    return with_point(number, out, std::to_chars(out, out + DOM_NUMBER_TEXT_MAX - 2, number).ptr);
}
