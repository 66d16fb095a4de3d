/* Patterns of strings over RE2: the only C++ of this folder.
 *
 * A substring is found by memmem. A wildcard becomes an expression that must take all of the text.
 * Both tell directly which pieces a string must have.
 *
 * Of an expression RE2's filter tells atoms (texts in lower case) and, for a given set of atoms,
 * whether a string with just those could match. That is a function that only grows with the set, so
 * it is an AND of ORs: a set of atoms without which nothing matches is one clause ("one of these
 * must be there"). For each atom the set of all is thinned out, from the others to itself, as long
 * as nothing matches without it; what is left is a clause.
 *
 * Memory: RE2 is given a limit, for the program and for what matching keeps; past it the same
 * answer takes longer. Threads: matching locks inside of RE2. What can fail: creating. */
#include "index/text/pattern.h"

#include "index/text/trigram.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <re2/filtered_re2.h>
#include <re2/re2.h>
#include <string>
#include <unicode/utf8.h>
#include <vector>

namespace
{

/* With more atoms than this only one clause is made: any of them. */
constexpr size_t ATOMS_SPLIT_MAX = 32;
constexpr uint64_t TEST_COST = 64;         /* a test of an empty text */
constexpr uint64_t PROGRAM_SIZE_UNIT = 64; /* so many instructions slow matching down by one */

struct clause {
    std::vector<std::vector<uint32_t>> grams; /* of each piece */
    std::vector<struct pattern_piece> pieces; /* views of them */
};

const char *kind_text(enum pattern_kind kind)
{
    switch (kind) {
    case PATTERN_SUBSTRING:
        return "substring";
    case PATTERN_WILDCARD:
        return "wildcard";
    default:
        return "regular expression";
    }
}

bool is_utf8(const std::string &text)
{
    size_t at = 0;
    while (at < text.size()) {
        UChar32 code;
        U8_NEXT(text.data(), at, text.size(), code);
        if (code < 0)
            return false;
    }
    return true;
}

void add_gram(void *ctx, uint32_t gram)
{
    static_cast<std::vector<uint32_t> *>(ctx)->push_back(gram);
}

std::vector<uint32_t> grams_of(const std::string &text)
{
    std::vector<uint32_t> grams;
    trigram_each(slice_of(text.data(), text.size()), add_gram, &grams);
    std::sort(grams.begin(), grams.end());
    grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
    return grams;
}

/* Adds "one of these texts"; nothing when one of them has no trigrams. */
void add_clause(std::vector<clause> &clauses, const std::vector<std::string> &texts)
{
    clause added;
    for (const std::string &text : texts) {
        added.grams.push_back(grams_of(text));
        if (added.grams.back().empty())
            return;
    }
    clauses.push_back(std::move(added));
}

/* What RE2 knows of an expression. */
class atoms_filter
{
  public:
    atoms_filter(const std::string &text, const RE2::Options &options) : filter_(TRIGRAM_BYTES)
    {
        int id = 0;
        usable_ = filter_.Add(text, options, &id) == RE2::NoError;
        if (usable_)
            filter_.Compile(&atoms_);
    }
    const std::vector<std::string> &atoms() const
    {
        return atoms_;
    }
    /* Could a string match that has none of the missing atoms, but all the others? */
    bool passes_without(const std::vector<bool> &missing) const
    {
        std::vector<int> there, passed;
        for (size_t i = 0; i < atoms_.size(); i++) {
            if (!missing[i])
                there.push_back(static_cast<int>(i));
        }
        filter_.AllPotentials(there, &passed);
        return !passed.empty();
    }
    bool tells_anything() const
    {
        return usable_ && !atoms_.empty() &&
               !passes_without(std::vector<bool>(atoms_.size(), true));
    }

  private:
    re2::FilteredRE2 filter_;
    std::vector<std::string> atoms_;
    bool usable_;
};

/* A set of atoms one of which must be there; with `wanted` in it if there is such a set. */
std::vector<bool> thin_out(const atoms_filter &filter, size_t wanted)
{
    size_t count = filter.atoms().size();
    std::vector<bool> missing(count, true);
    for (size_t step = 1; step <= count; step++) {
        size_t at = (wanted + step) % count; /* the wanted one last */
        missing[at] = false;
        if (filter.passes_without(missing))
            missing[at] = true;
    }
    return missing;
}

void add_needs(std::vector<clause> &clauses, const std::string &text, const RE2::Options &options)
{
    atoms_filter filter(text, options);
    if (!filter.tells_anything())
        return;
    const std::vector<std::string> &atoms = filter.atoms();
    if (atoms.size() > ATOMS_SPLIT_MAX) {
        add_clause(clauses, atoms);
        return;
    }
    std::vector<bool> covered(atoms.size(), false);
    for (size_t wanted = 0; wanted < atoms.size(); wanted++) {
        if (covered[wanted])
            continue;
        std::vector<bool> set = thin_out(filter, wanted);
        if (!set[wanted])
            continue; /* with or without this one, it is no help */
        std::vector<std::string> texts;
        for (size_t i = 0; i < atoms.size(); i++) {
            if (set[i])
                texts.push_back(atoms[i]);
            covered[i] = covered[i] || set[i];
        }
        add_clause(clauses, texts);
    }
}

/* A wildcard as an expression, and its plain parts as clauses. False: it ends in a backslash. */
bool translate(const std::string &wildcard, std::string &expression, std::vector<clause> &clauses)
{
    std::string plain;
    bool in_run = false; /* the expression ends in that of a `*` */
    auto flush = [&]() {
        expression += RE2::QuoteMeta(plain);
        add_clause(clauses, {plain});
        plain.clear();
    };
    for (size_t i = 0; i < wildcard.size(); i++) {
        char c = wildcard[i];
        bool is_run = c == '*';
        if (c == '\\') {
            if (++i == wildcard.size())
                return false;
            plain += wildcard[i];
        } else if (is_run || c == '?') {
            flush();
            expression += !is_run ? "." : in_run ? "" : ".*";
        } else {
            plain += c;
        }
        in_run = is_run;
    }
    flush();
    return true;
}

} // namespace

struct pattern {
    enum pattern_kind kind;
    std::string text;
    RE2 *expression; /* NULL: substring */
    uint64_t slowness;
    std::vector<clause> clauses;
    std::vector<struct pattern_clause> views;
};

static enum status refuse(const struct pattern *pattern, const char *what, struct error *err)
{
    return error_set(err, STATUS_BAD_INPUT, "The %s '%.100s' is not valid: %s",
                     kind_text(pattern->kind), pattern->text.c_str(), what);
}

static enum status compile(struct pattern *pattern, struct error *err)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(PATTERN_MEMORY_MAX);
    std::string expression = pattern->text;
    if (pattern->kind == PATTERN_WILDCARD) {
        options.set_dot_nl(true);
        expression.clear();
        if (!translate(pattern->text, expression, pattern->clauses))
            return refuse(pattern, "it ends in a backslash", err);
    }
    pattern->expression = new (std::nothrow) RE2(expression, options);
    if (pattern->expression == nullptr)
        return error_set(err, STATUS_TOO_LARGE, "no memory for a pattern");
    if (!pattern->expression->ok())
        return refuse(pattern, pattern->expression->error().c_str(), err);
    pattern->slowness =
        1 + static_cast<uint64_t>(pattern->expression->ProgramSize()) / PROGRAM_SIZE_UNIT;
    if (pattern->kind == PATTERN_REGEX)
        add_needs(pattern->clauses, expression, options);
    return STATUS_OK;
}

static enum status fill(struct pattern *pattern, struct error *err)
{
    if (pattern->text.size() > PATTERN_BYTES_MAX)
        return error_set(err, STATUS_BAD_INPUT,
                         "The %s '%.40s...' has %zu bytes, more than the %d that are allowed",
                         kind_text(pattern->kind), pattern->text.c_str(), pattern->text.size(),
                         static_cast<int>(PATTERN_BYTES_MAX));
    if (!is_utf8(pattern->text))
        return error_set(err, STATUS_BAD_INPUT, "A %s is not valid UTF-8",
                         kind_text(pattern->kind));
    if (pattern->kind == PATTERN_SUBSTRING) {
        add_clause(pattern->clauses, {pattern->text});
        return STATUS_OK;
    }
    return compile(pattern, err);
}

/* From here on nothing moves any more. */
static void make_views(struct pattern *pattern)
{
    for (clause &one : pattern->clauses) {
        for (const std::vector<uint32_t> &grams : one.grams)
            one.pieces.push_back({grams.data(), grams.size()});
        pattern->views.push_back({one.pieces.data(), one.pieces.size()});
    }
}

extern "C" enum status pattern_create(enum pattern_kind kind, struct slice text,
                                      struct pattern **out, struct error *err)
{
    struct pattern *pattern = new (std::nothrow) struct pattern();
    if (pattern == nullptr)
        return error_set(err, STATUS_TOO_LARGE, "no memory for a pattern");
    pattern->kind = kind;
    pattern->slowness = 1;
    if (text.size > 0)
        pattern->text.assign(reinterpret_cast<const char *>(text.data), text.size);
    enum status status = fill(pattern, err);
    if (status != STATUS_OK) {
        pattern_destroy(pattern);
        return status;
    }
    make_views(pattern);
    *out = pattern;
    return STATUS_OK;
}

extern "C" void pattern_destroy(struct pattern *pattern)
{
    if (pattern == nullptr)
        return;
    delete pattern->expression;
    delete pattern;
}

extern "C" bool pattern_matches(const struct pattern *pattern, struct slice text)
{
    const char *data = text.size > 0 ? reinterpret_cast<const char *>(text.data) : "";
    if (pattern->kind == PATTERN_SUBSTRING)
        return memmem(data, text.size, pattern->text.data(), pattern->text.size()) != nullptr;
    RE2::Anchor anchor = pattern->kind == PATTERN_WILDCARD ? RE2::ANCHOR_BOTH : RE2::UNANCHORED;
    return pattern->expression->Match(re2::StringPiece(data, text.size), 0, text.size, anchor,
                                      nullptr, 0);
}

extern "C" uint64_t pattern_cost(const struct pattern *pattern, uint64_t texts_count,
                                 uint64_t texts_bytes)
{
    return (texts_count * TEST_COST + texts_bytes) * pattern->slowness;
}

extern "C" struct pattern_needs pattern_needs(const struct pattern *pattern)
{
    struct pattern_needs needs = {pattern->views.data(), pattern->views.size()};
    return needs;
}
