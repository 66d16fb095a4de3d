/* Keys of the key-value store. This comment is the on-disk key format, version 1.
 *
 * All integers in keys are big-endian, so bytewise order is numeric order. `collection` is the
 * number a collection was given when it was made, never used twice. `offset` is a point's place in
 * its collection. `slot` is the number of a named vector of a collection. Sizes in bytes follow the
 * colon.
 *
 *   space        key                             value
 *   KV_META      'V'                             format version, u32 little-endian
 *                'A' collection:4                how far the log is applied; the caller's bytes
 *                'C' collection:4                collection configuration; the caller's bytes
 *                'N'                             catalog: names, aliases; the caller's bytes
 *   KV_IDS       collection:4 id:9 or 17         offset, u32 little-endian
 *   KV_POINTS    collection:4 offset:4           the point's row, segment_write.c of index/segment
 *                                                has it byte by byte; empty: a tombstone
 *   KV_PAYLOAD   collection:4 offset:4           payload, JSON text
 *   KV_VECTORS   collection:4 slot:2 offset:4    the vector as stored, one row
 *
 * The id key is index/point_id.h's; here it is bytes. kv_open writes 'V' into a new store and
 * refuses a newer one. A change of anything above is a new KEY_FORMAT_VERSION. */
#pragma once
#include "storage/base/slice.h"

#include <stdint.h>

enum { KEY_FORMAT_VERSION = 1, KEY_SIZE_MAX = 32, KEY_ID_SIZE_MAX = 24 };

struct key {
    uint8_t bytes[KEY_SIZE_MAX];
    uint8_t size;
};
/* Borrowed from the key: valid while `key` is. */
struct slice key_slice(const struct key *key);

/* KV_META */
struct key key_format(void);
struct key key_catalog(void);
struct key key_applied(uint32_t collection);
struct key key_config(uint32_t collection);
/* All of 'C': [begin, end). */
struct key key_config_begin(void);
struct key key_config_end(void);

struct key key_id(uint32_t collection,
                  struct slice id); /* KV_IDS; id of at most KEY_ID_SIZE_MAX bytes */
struct key key_point(uint32_t collection, uint32_t offset);                 /* KV_POINTS */
struct key key_payload(uint32_t collection, uint32_t offset);               /* KV_PAYLOAD */
struct key key_vector(uint32_t collection, uint16_t slot, uint32_t offset); /* KV_VECTORS */

/* Ranges [begin, end) for cursors and kv_delete_range. A collection's range holds in every space
 * but KV_META. */
struct key key_collection_begin(uint32_t collection);
struct key key_collection_end(uint32_t collection);
struct key key_vector_begin(uint32_t collection, uint16_t slot);
struct key key_vector_end(uint32_t collection, uint16_t slot);

/* Parts of a key read from the store (made by the functions above: anything shorter is our bug). */
uint32_t key_offset_parse(struct slice key); /* last 4 bytes: KV_POINTS, KV_PAYLOAD, KV_VECTORS */
uint32_t key_collection_parse(struct slice key);      /* first 4 bytes: any space but KV_META */
uint32_t key_meta_collection_parse(struct slice key); /* KV_META: 'A' and 'C' */
