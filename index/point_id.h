/* A point's id: an unsigned 64-bit number or a UUID. Numbers sort before UUIDs; the order of ids is
 * the order of pages. */
#pragma once
#include "storage/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct point_id {
    uint64_t high; /* UUID: first 8 bytes, big-endian; number: 0 */
    uint64_t low;  /* UUID: last 8 bytes; number: the number */
    bool is_uuid;
};
enum { POINT_ID_KEY_BYTES = 17, POINT_ID_TEXT_BYTES = 40 };

static inline struct point_id point_id_number(uint64_t number)
{
    return (struct point_id){.low = number};
}
int point_id_compare(struct point_id a, struct point_id b);
uint64_t point_id_hash(struct point_id id);
/* Simple (32 digits), hyphenated, braced and urn:uuid: forms, any case. False: none of them. */
bool point_id_parse_uuid(struct slice text, struct point_id *out);
/* A number in decimal or a UUID; for path parameters. */
bool point_id_parse(struct slice text, struct point_id *out);
/* NUL-terminated; UUIDs hyphenated, lower case. */
void point_id_format(struct point_id id, char out[POINT_ID_TEXT_BYTES]);
/* Sortable key bytes: 0 + number, or 1 + UUID, big-endian, zero padded. Returns the size (9 or 17).
 */
size_t point_id_encode(struct point_id id, uint8_t out[POINT_ID_KEY_BYTES]);
bool point_id_decode(struct slice key, struct point_id *out);
