/* Cursors over a range of one space. RocksDB's iterator holds the state of the store at the moment
 * it was made; it borrows the bounds, so the cursor owns copies. One thread at a time. */
#include "storage/base/mem.h"
#include "storage/kv/kv_int.h"

struct kv_cursor {
    rocksdb_readoptions_t *read;
    rocksdb_iterator_t *iterator;
    char *from, *to;
};

static char *copy(struct slice bytes)
{
    char *out = mem_alloc(bytes.size + 1);
    if (bytes.size)
        memcpy(out, bytes.data, bytes.size);
    return out;
}

struct kv_cursor *kv_cursor_open(struct kv *kv, enum kv_space space, struct slice from,
                                 struct slice to)
{
    struct kv_cursor *cursor = mem_alloc(sizeof(*cursor));
    cursor->from = copy(from);
    cursor->to = copy(to);
    cursor->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(cursor->read, 1);
    if (from.size)
        rocksdb_readoptions_set_iterate_lower_bound(cursor->read, cursor->from, from.size);
    if (to.size)
        rocksdb_readoptions_set_iterate_upper_bound(cursor->read, cursor->to, to.size);
    cursor->iterator = rocksdb_create_iterator_cf(kv->db, cursor->read, kv->spaces[space]);
    /* A range the wrong way round is empty; RocksDB itself would not say so. */
    if (to.size && slice_compare(from, to) >= 0)
        rocksdb_iter_seek_for_prev(cursor->iterator, cursor->from, 0);
    else
        rocksdb_iter_seek_to_first(cursor->iterator);
    return cursor;
}

bool kv_cursor_valid(const struct kv_cursor *cursor)
{
    return rocksdb_iter_valid(cursor->iterator);
}

struct slice kv_cursor_key(const struct kv_cursor *cursor)
{
    size_t size;
    const char *data = rocksdb_iter_key(cursor->iterator, &size);
    return slice_of(data, size);
}

struct slice kv_cursor_value(const struct kv_cursor *cursor)
{
    size_t size;
    const char *data = rocksdb_iter_value(cursor->iterator, &size);
    return slice_of(data, size);
}

void kv_cursor_next(struct kv_cursor *cursor)
{
    rocksdb_iter_next(cursor->iterator);
}

enum status kv_cursor_status(const struct kv_cursor *cursor, struct error *err)
{
    char *message = NULL;
    rocksdb_iter_get_error(cursor->iterator, &message);
    return message ? kv_error(err, "read a range", message) : STATUS_OK;
}

void kv_cursor_close(struct kv_cursor *cursor)
{
    rocksdb_iter_destroy(cursor->iterator);
    rocksdb_readoptions_destroy(cursor->read);
    mem_free(cursor->from);
    mem_free(cursor->to);
    mem_free(cursor);
}
