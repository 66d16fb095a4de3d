/* The key-value store: opening, reading, committing, checkpoints, numbers. Batches are in
 * kv_batch.c, cursors in kv_cursor.c, settings in kv_options.c.
 *
 * RocksDB reports a failure as one text; its beginning tells the kind. After a failed background
 * write RocksDB refuses writes until it is opened again; the log has all that was not flushed.
 *
 * Thread-safe, as RocksDB is. */
#include "storage/kv/kv.h"

#include "storage/base/assert.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"
#include "storage/kv/keys.h"
#include "storage/kv/kv_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/statvfs.h>

enum { GET_MANY_CHUNK = 128 };

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

enum status kv_error(struct error *err, const char *doing, char *message)
{
    enum status status = STATUS_IO;
    if (begins(message, "Corruption: ") || strstr(message, "Column families not opened"))
        status = STATUS_CORRUPT; /* column families we do not know: not our store, or a newer one */
    else if (strstr(message, "No space left on device") || strstr(message, "NoSpace"))
        status = STATUS_NO_SPACE;
    else if (begins(message, "IO error: lock ") || begins(message, "IO error: While lock file") ||
             strstr(message, "Directory exists"))
        status = STATUS_ALREADY_EXISTS;
    error_set(err, status, "storage: cannot %s: %s", doing, message);
    rocksdb_free(message);
    return status;
}

static enum status write_format(struct kv *kv, struct error *err)
{
    struct kv_batch *batch = kv_batch_create();
    struct key key = key_format();
    struct buffer value;
    buffer_init(&value, 0);
    buffer_append_u32(&value, KEY_FORMAT_VERSION);
    kv_put(batch, KV_META, key_slice(&key), buffer_slice(&value));
    enum status status = kv_commit(kv, batch, err);
    if (!status)
        status = kv_flush(kv, err);
    buffer_deinit(&value);
    kv_batch_destroy(batch);
    return status;
}

static enum status store_is_empty(struct kv *kv, bool *empty, struct error *err)
{
    bool found = false;
    for (int i = 0; i < KV_SPACE_COUNT && !found; i++) {
        struct kv_cursor *cursor =
            kv_cursor_open(kv, (enum kv_space)i, (struct slice){0}, (struct slice){0});
        found = kv_cursor_valid(cursor);
        enum status status = kv_cursor_status(cursor, err);
        kv_cursor_close(cursor);
        if (status)
            return status;
    }
    *empty = !found;
    return STATUS_OK;
}

/* Writes the format version into a new store; refuses a store of another format. */
static enum status check_format(struct kv *kv, const char *path, struct error *err)
{
    struct arena *arena = arena_create(0);
    struct key key = key_format();
    struct slice value;
    enum status status = kv_get(kv, KV_META, key_slice(&key), arena, &value, err);
    bool empty = false;
    if (status == STATUS_NOT_FOUND) {
        status = store_is_empty(kv, &empty, err);
        if (!status && empty)
            status = write_format(kv, err);
        else if (!status)
            status = error_set(err, STATUS_CORRUPT,
                               "%s: the format version of the store is missing", path);
    } else if (!status) {
        struct reader reader;
        reader_init(&reader, value);
        uint32_t version = reader_u32(&reader);
        if (reader.failed || reader_left(&reader) != 0 || version == 0)
            status = error_set(err, STATUS_CORRUPT,
                               "%s: the format version of the store is damaged", path);
        else if (version > KEY_FORMAT_VERSION)
            status = error_set(err, STATUS_CORRUPT,
                               "%s: the store has format %u, made by a newer version of this "
                               "server; this one knows formats up to %d",
                               path, version, KEY_FORMAT_VERSION);
    }
    arena_destroy(arena);
    return status;
}

static enum status check_room(const struct kv_options *options, struct error *err)
{
    struct statvfs disk;
    if (statvfs(options->path, &disk) != 0)
        return error_set(err, STATUS_IO, "%s: cannot tell the room on the disk: %s", options->path,
                         strerror(errno));
    uint64_t room;
    if (!__builtin_mul_overflow((uint64_t)disk.f_bavail, (uint64_t)disk.f_frsize, &room) &&
        room < options->free_bytes_min)
        return error_set(err, STATUS_NO_SPACE,
                         "%s: %" PRIu64 " bytes are free on the disk; opening the store needs "
                         "%" PRIu64,
                         options->path, room, options->free_bytes_min);
    return STATUS_OK;
}

enum status kv_open(const struct kv_options *options, struct kv **out, struct error *err)
{
    const struct file_system *fs = file_system_real();
    enum status status = fs->make_dirs(fs, options->path, err);
    if (!status)
        status = check_room(options, err);
    if (status)
        return status;
    struct kv *kv = mem_zalloc(sizeof(*kv));
    kv->cache = rocksdb_cache_create_lru(options->cache_bytes);
    kv->read = rocksdb_readoptions_create();
    kv->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(kv->write, 1);
    struct kv_config config;
    status = kv_config_init(&config, options, kv->cache, err);
    if (status)
        goto fail;
    char *message = NULL;
    kv->db = rocksdb_open_column_families(config.db, options->path, KV_SPACE_COUNT, KV_SPACE_NAMES,
                                          (const rocksdb_options_t *const *)config.spaces,
                                          kv->spaces, &message);
    kv_config_deinit(&config); /* RocksDB has its own copy */
    if (message)
        status = kv_error(err, "open the store", message);
    if (!status)
        status = check_format(kv, options->path, err);
    if (status)
        goto fail;
    *out = kv;
    return STATUS_OK;
fail:
    kv_close(kv);
    return status;
}

void kv_close(struct kv *kv)
{
    if (kv->db) {
        for (int i = 0; i < KV_SPACE_COUNT; i++)
            rocksdb_column_family_handle_destroy(kv->spaces[i]);
        rocksdb_close(kv->db);
    }
    rocksdb_readoptions_destroy(kv->read);
    rocksdb_writeoptions_destroy(kv->write);
    rocksdb_cache_destroy(kv->cache);
    mem_free(kv);
}

/* Copies a pinned value and lets it go. An empty value is not NULL: NULL means missing. */
static enum status take_value(rocksdb_pinnableslice_t *pinned, struct arena *arena,
                              struct slice *out, struct error *err)
{
    size_t size;
    const char *data = rocksdb_pinnableslice_value(pinned, &size);
    struct slice value = slice_text("");
    if (size > 0)
        value = slice_of(arena_memdup(arena, data, size), size);
    rocksdb_pinnableslice_destroy(pinned);
    if (!value.data)
        return error_set(err, STATUS_TOO_LARGE,
                         "a stored value of %zu bytes is over the memory limit of the request",
                         size);
    *out = value;
    return STATUS_OK;
}

enum status kv_get(struct kv *kv, enum kv_space space, struct slice key, struct arena *arena,
                   struct slice *out, struct error *err)
{
    char *message = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(
        kv->db, kv->read, kv->spaces[space], (const char *)key.data, key.size, &message);
    if (message)
        return kv_error(err, "read", message);
    if (!pinned)
        return STATUS_NOT_FOUND;
    return take_value(pinned, arena, out, err);
}

static enum status get_chunk(struct kv *kv, enum kv_space space, const struct slice *keys,
                             size_t count, struct arena *arena, struct slice *out,
                             struct error *err)
{
    const char *data[GET_MANY_CHUNK];
    size_t sizes[GET_MANY_CHUNK];
    rocksdb_pinnableslice_t *values[GET_MANY_CHUNK];
    char *messages[GET_MANY_CHUNK];
    for (size_t i = 0; i < count; i++) {
        data[i] = (const char *)keys[i].data;
        sizes[i] = keys[i].size;
    }
    rocksdb_batched_multi_get_cf(kv->db, kv->read, kv->spaces[space], count, data, sizes, values,
                                 messages, false);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct slice){0};
        if (messages[i] && status)
            rocksdb_free(messages[i]);
        else if (messages[i])
            status = kv_error(err, "read", messages[i]);
        else if (values[i] && status)
            rocksdb_pinnableslice_destroy(values[i]);
        else if (values[i])
            status = take_value(values[i], arena, &out[i], err);
    }
    return status;
}

enum status kv_get_many(struct kv *kv, enum kv_space space, const struct slice *keys, size_t count,
                        struct arena *arena, struct slice *out, struct error *err)
{
    for (size_t at = 0; at < count; at += GET_MANY_CHUNK) {
        size_t chunk = count - at < GET_MANY_CHUNK ? count - at : GET_MANY_CHUNK;
        enum status status = get_chunk(kv, space, keys + at, chunk, arena, out + at, err);
        if (status)
            return status;
    }
    return STATUS_OK;
}

enum status kv_commit(struct kv *kv, struct kv_batch *batch, struct error *err)
{
    rocksdb_writebatch_t *built = kv_batch_build(kv, batch);
    char *message = NULL;
    rocksdb_write(kv->db, kv->write, built, &message);
    rocksdb_writebatch_destroy(built);
    return message ? kv_error(err, "write", message) : STATUS_OK;
}

enum status kv_flush(struct kv *kv, struct error *err)
{
    char *message = kv_shim_flush(kv->db, kv->spaces, KV_SPACE_COUNT);
    return message ? kv_error(err, "flush", message) : STATUS_OK;
}

enum status kv_checkpoint(struct kv *kv, const char *path, struct error *err)
{
    char *message = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(kv->db, &message);
    if (message)
        return kv_error(err, "make a checkpoint", message);
    /* 0: flush first, whatever the size of RocksDB's own log, which is empty. */
    rocksdb_checkpoint_create(checkpoint, path, 0, &message);
    rocksdb_checkpoint_object_destroy(checkpoint);
    return message ? kv_error(err, "make a checkpoint", message) : STATUS_OK;
}

static uint64_t property(struct kv *kv, const char *name)
{
    uint64_t sum = 0;
    for (int i = 0; i < KV_SPACE_COUNT; i++) {
        uint64_t value;
        int failed = rocksdb_property_int_cf(kv->db, kv->spaces[i], name, &value);
        ASSERT(!failed);
        sum += value;
    }
    return sum;
}

void kv_usage(struct kv *kv, uint64_t *memory_bytes, uint64_t *disk_bytes)
{
    *memory_bytes = property(kv, "rocksdb.size-all-mem-tables") +
                    property(kv, "rocksdb.estimate-table-readers-mem") +
                    rocksdb_cache_get_usage(kv->cache);
    *disk_bytes = property(kv, "rocksdb.total-sst-files-size");
}
