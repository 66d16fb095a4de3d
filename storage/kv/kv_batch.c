/* Batches: our own run of bytes, so a batch is made without a store, and turned into RocksDB's form
 * when it is committed. A change is: what, space, key size, value size, key, value; a deleted range
 * has its end as the value. One thread at a time. */
#include "storage/base/assert.h"
#include "storage/base/buffer.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"
#include "storage/kv/kv_int.h"

enum change { CHANGE_PUT, CHANGE_DELETE, CHANGE_DELETE_RANGE };
enum { BATCH_KEEP_BYTES = 4 << 20 };

struct kv_batch {
    struct buffer changes;
};

struct kv_batch *kv_batch_create(void)
{
    struct kv_batch *batch = mem_alloc(sizeof(*batch));
    buffer_init(&batch->changes, 0);
    return batch;
}

void kv_batch_destroy(struct kv_batch *batch)
{
    if (!batch)
        return;
    buffer_deinit(&batch->changes);
    mem_free(batch);
}

void kv_batch_clear(struct kv_batch *batch)
{
    buffer_clear(&batch->changes);
    if (batch->changes.capacity > BATCH_KEEP_BYTES) {
        buffer_deinit(&batch->changes);
        buffer_init(&batch->changes, 0);
    }
}

size_t kv_batch_bytes(const struct kv_batch *batch)
{
    return batch->changes.size;
}

static void add(struct kv_batch *batch, enum change change, enum kv_space space, struct slice key,
                struct slice value)
{
    ASSERT(space < KV_SPACE_COUNT && key.size <= UINT32_MAX && value.size <= UINT32_MAX);
    struct buffer *out = &batch->changes;
    buffer_append_byte(out, (uint8_t)change);
    buffer_append_byte(out, (uint8_t)space);
    buffer_append_u32(out, (uint32_t)key.size);
    buffer_append_u32(out, (uint32_t)value.size);
    buffer_append_slice(out, key);
    buffer_append_slice(out, value);
}

void kv_put(struct kv_batch *batch, enum kv_space space, struct slice key, struct slice value)
{
    add(batch, CHANGE_PUT, space, key, value);
}

void kv_delete(struct kv_batch *batch, enum kv_space space, struct slice key)
{
    add(batch, CHANGE_DELETE, space, key, (struct slice){0});
}

void kv_delete_range(struct kv_batch *batch, enum kv_space space, struct slice from,
                     struct slice to)
{
    if (slice_compare(from, to) < 0) /* RocksDB takes a range the wrong way round for an error */
        add(batch, CHANGE_DELETE_RANGE, space, from, to);
}

rocksdb_writebatch_t *kv_batch_build(const struct kv *kv, const struct kv_batch *batch)
{
    rocksdb_writebatch_t *out = rocksdb_writebatch_create();
    struct reader reader;
    reader_init(&reader, buffer_slice(&batch->changes));
    while (reader_left(&reader) > 0) {
        uint8_t change = reader_u8(&reader);
        rocksdb_column_family_handle_t *space = kv->spaces[reader_u8(&reader)];
        uint32_t key_size = reader_u32(&reader), value_size = reader_u32(&reader);
        const char *key = (const char *)reader_bytes(&reader, key_size).data;
        const char *value = (const char *)reader_bytes(&reader, value_size).data;
        if (change == CHANGE_PUT)
            rocksdb_writebatch_put_cf(out, space, key, key_size, value, value_size);
        else if (change == CHANGE_DELETE)
            rocksdb_writebatch_delete_cf(out, space, key, key_size);
        else
            rocksdb_writebatch_delete_range_cf(out, space, key, key_size, value, value_size);
    }
    ASSERT(!reader.failed);
    return out;
}
