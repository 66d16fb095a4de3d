/* JSON documents (simdjson's DOM) for C, and numbers as text.
 *
 * A parser owns one document at a time; its values and strings live until the next dom_parse or the
 * end of the parser. A document was checked whole when it was parsed: UTF-8, numbers, depth. One
 * thread at a time uses a parser. */
#pragma once
#include "storage/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DOM_DEPTH_MAX = 64,       /* levels of arrays and objects in a document */
    DOM_NUMBER_TEXT_MAX = 32, /* room that a number's text needs */
};
enum dom_type {
    DOM_NULL,
    DOM_BOOL,
    DOM_SIGNED,
    DOM_UNSIGNED, /* above INT64_MAX */
    DOM_REAL,
    DOM_STRING,
    DOM_ARRAY,
    DOM_OBJECT,
};
struct dom_value {
    const void *document;
    size_t index;
};
struct dom_cursor {
    struct dom_value at;
    size_t end;
};
struct dom_parser;

struct dom_parser *dom_parser_create(void); /* NULL: no memory */
void dom_parser_destroy(struct dom_parser *parser);
/* `text` is followed by 64 readable bytes. NULL on success, else what is wrong with the text. */
const char *dom_parse(struct dom_parser *parser, struct slice text, struct dom_value *root);
/* Gives the buffers back when they have grown past what most requests need; the document is gone
 * then. */
void dom_parser_trim(struct dom_parser *parser);

enum dom_type dom_type(struct dom_value value);
/* Each of these expects its type. Strings end with a NUL that is not counted. */
bool dom_bool(struct dom_value value);
int64_t dom_signed(struct dom_value value);
uint64_t dom_unsigned(struct dom_value value);
double dom_real(struct dom_value value); /* any number */
struct slice dom_string(struct dom_value value);
size_t dom_count(struct dom_value container); /* items or members */
struct dom_cursor dom_items(struct dom_value array);
bool dom_next_item(struct dom_cursor *cursor, struct dom_value *item);
struct dom_cursor dom_members(struct dom_value object);
bool dom_next_member(struct dom_cursor *cursor, struct slice *key, struct dom_value *value);

enum dom_fault { DOM_FINE, DOM_NOT_NUMBER, DOM_OUT_OF_RANGE };
/* All items of an array of `count` numbers at once. A fault names the first item at fault by its
 * index. */
enum dom_fault dom_floats(struct dom_value array, float *out, size_t *fault_index);
enum dom_fault dom_uints(struct dom_value array, uint32_t *out, size_t *fault_index);

/* The shortest text that reads back as the same number; an integral one keeps ".0". Not
 * NUL-terminated. The number is finite. */
size_t dom_float_text(float number, char out[DOM_NUMBER_TEXT_MAX]);
size_t dom_double_text(double number, char out[DOM_NUMBER_TEXT_MAX]);

#ifdef __cplusplus
}
#endif
