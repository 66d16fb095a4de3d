/* Makes and reads the keys described at the top of keys.h. Pure functions on values: no threads, no
 * failures besides assertions on sizes that only our own code gives. */
#include "storage/kv/keys.h"

#include "storage/base/assert.h"

static void put(struct key *key, const void *bytes, size_t size)
{
    ASSERT(size <= (size_t)KEY_SIZE_MAX - key->size);
    if (size > 0)
        memcpy(key->bytes + key->size, bytes, size);
    key->size = (uint8_t)(key->size + size);
}

static void put_u8(struct key *key, uint8_t value)
{
    put(key, &value, 1);
}

static void put_u16(struct key *key, uint16_t value)
{
    put_u8(key, (uint8_t)(value >> 8));
    put_u8(key, (uint8_t)value);
}

static void put_u32(struct key *key, uint32_t value)
{
    put_u16(key, (uint16_t)(value >> 16));
    put_u16(key, (uint16_t)value);
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->size);
}

static struct key tagged(uint8_t tag)
{
    struct key key = {0};
    put_u8(&key, tag);
    return key;
}

struct key key_format(void)
{
    return tagged('V');
}

struct key key_catalog(void)
{
    return tagged('N');
}

struct key key_applied(uint32_t collection)
{
    struct key key = tagged('A');
    put_u32(&key, collection);
    return key;
}

struct key key_config(uint32_t collection)
{
    struct key key = tagged('C');
    put_u32(&key, collection);
    return key;
}

struct key key_config_begin(void)
{
    return tagged('C');
}

struct key key_config_end(void)
{
    return tagged('C' + 1);
}

struct key key_id(uint32_t collection, struct slice id)
{
    ASSERT(id.size > 0 && id.size <= KEY_ID_SIZE_MAX);
    struct key key = key_collection_begin(collection);
    put(&key, id.data, id.size);
    return key;
}

struct key key_point(uint32_t collection, uint32_t offset)
{
    struct key key = key_collection_begin(collection);
    put_u32(&key, offset);
    return key;
}

struct key key_payload(uint32_t collection, uint32_t offset)
{
    return key_point(collection, offset);
}

struct key key_vector(uint32_t collection, uint16_t slot, uint32_t offset)
{
    struct key key = key_vector_begin(collection, slot);
    put_u32(&key, offset);
    return key;
}

struct key key_collection_begin(uint32_t collection)
{
    struct key key = {0};
    put_u32(&key, collection);
    return key;
}

struct key key_collection_end(uint32_t collection)
{
    if (collection < UINT32_MAX)
        return key_collection_begin(collection + 1);
    /* The last number has no successor; no key is as long as this. */
    struct key key = {.size = KEY_SIZE_MAX};
    memset(key.bytes, 0xff, sizeof(key.bytes));
    return key;
}

struct key key_vector_begin(uint32_t collection, uint16_t slot)
{
    struct key key = key_collection_begin(collection);
    put_u16(&key, slot);
    return key;
}

struct key key_vector_end(uint32_t collection, uint16_t slot)
{
    return slot < UINT16_MAX ? key_vector_begin(collection, (uint16_t)(slot + 1))
                             : key_collection_end(collection);
}

uint32_t key_offset_parse(struct slice key)
{
    ASSERT(key.size >= 8);
    return get_u32(key.data + key.size - 4);
}

uint32_t key_collection_parse(struct slice key)
{
    ASSERT(key.size >= 4);
    return get_u32(key.data);
}

uint32_t key_meta_collection_parse(struct slice key)
{
    ASSERT(key.size == 5 && (key.data[0] == 'A' || key.data[0] == 'C'));
    return get_u32(key.data + 1);
}
