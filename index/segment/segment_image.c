/* Images of graphs on disk: one file a slot, "<slot>.graph" in the collection's index folder.
 * Storage is the truth; an image that is missing, damaged or of another history is refused, and the
 * graph is built anew.
 *
 * File: magic "SGGRAPH1", m u32, ef_construct u32, samples u32, samples x { offset u32, zero u32,
 * checksum of the vector u64 }, checksum u64 of all that follows the magic but itself, then the
 * index kind's own image. The samples tell whether the graph was built over the vectors at hand.
 * Integers are little endian. */
#include "index/segment/segment_int.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"

#include <stdio.h>

enum { SAMPLES_MAX = 64, PATH_BYTES_MAX = 4096 };
static const char MAGIC[8] = "SGGRAPH1";

static enum status image_path(const struct segment *segment, uint32_t slot,
                              char path[PATH_BYTES_MAX], struct error *err)
{
    int size = snprintf(path, PATH_BYTES_MAX, "%s/%u.graph", segment->index_path, slot);
    return size < PATH_BYTES_MAX ? STATUS_OK
                                 : error_set(err, STATUS_IO, "path of the data folder is too long");
}

static uint64_t row_checksum(const struct slot *slot, point_offset offset)
{
    return checksum64(slice_of(vectors_at(&slot->vectors, offset), vector_bytes(slot)));
}

static void write_samples(const struct slot *slot, point_offset linked, struct buffer *head)
{
    struct buffer samples;
    buffer_init(&samples, 0);
    uint32_t count = 0;
    for (uint32_t i = 0; i < SAMPLES_MAX && linked > 0; i++) {
        point_offset offset = (point_offset)((uint64_t)i * linked / SAMPLES_MAX);
        if (vectors_has(&slot->vectors, offset)) {
            buffer_append_u32(&samples, offset);
            buffer_append_u32(&samples, 0);
            buffer_append_u64(&samples, row_checksum(slot, offset));
            count++;
        }
    }
    buffer_append_u32(head, count);
    buffer_append_slice(head, buffer_slice(&samples));
    buffer_deinit(&samples);
}

enum status segment_image_save(struct segment *segment, uint32_t number, struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct index_ref *ref = slot_pin(slot);
    if (!ref) {
        return STATUS_OK;
    }
    char path[PATH_BYTES_MAX];
    struct buffer head;
    struct buffer body;
    buffer_init(&head, 0);
    buffer_init(&body, 0);
    point_offset linked = ref->index->kind->linked(ref->index);
    enum status status = image_path(segment, number, path, err);
    if (status == STATUS_OK && linked != atomic_load(&ref->saved)) {
        /* An image is only good beside rows that are at least as new. */
        status = kv_flush(segment->kv, err);
        if (status == STATUS_OK) {
            status = ref->index->kind->save(ref->index, &body, err);
        }
        buffer_append_u32(&head, ref->m);
        buffer_append_u32(&head, ref->ef_construct);
        write_samples(slot, linked, &head);
        uint64_t checksum = checksum64_seeded(buffer_slice(&body), checksum64(buffer_slice(&head)));
        struct buffer file;
        buffer_init(&file, 0);
        buffer_append(&file, MAGIC, sizeof(MAGIC));
        buffer_append_slice(&file, buffer_slice(&head));
        buffer_append_u64(&file, checksum);
        buffer_append_slice(&file, buffer_slice(&body));
        if (status == STATUS_OK) {
            status = file_system_real()->make_dirs(file_system_real(), segment->index_path, err);
        }
        if (status == STATUS_OK) {
            status = file_write_atomic(file_system_real(), path, buffer_slice(&file), err);
        }
        buffer_deinit(&file);
        if (status == STATUS_OK) {
            atomic_store(&ref->saved, linked);
        }
    }
    buffer_deinit(&head);
    buffer_deinit(&body);
    slot_unpin(ref);
    return status;
}

static enum status open_image(struct segment *segment, struct slot *slot, struct slice file,
                              struct error *err)
{
    struct reader reader;
    reader_init(&reader, file);
    struct slice magic = reader_bytes(&reader, sizeof(MAGIC));
    if (reader.failed || memcmp(magic.data, MAGIC, sizeof(MAGIC)) != 0) {
        return error_set(err, STATUS_CORRUPT, "not a graph image of this version");
    }
    const uint8_t *head = reader.at;
    struct vector_spec built = slot->spec;
    built.m = reader_u32(&reader);
    built.ef_construct = reader_u32(&reader);
    uint32_t samples = reader_u32(&reader);
    bool same_history = samples <= SAMPLES_MAX;
    for (uint32_t i = 0; i < samples && same_history && !reader.failed; i++) {
        point_offset offset = reader_u32(&reader);
        (void)reader_u32(&reader);
        uint64_t checksum = reader_u64(&reader);
        same_history =
            offset < vectors_count(&slot->vectors) &&
            (!vectors_has(&slot->vectors, offset) || row_checksum(slot, offset) == checksum);
    }
    struct slice head_bytes = slice_of(head, (size_t)(reader.at - head));
    uint64_t checksum = reader_u64(&reader);
    struct slice body = reader_bytes(&reader, reader_left(&reader));
    if (reader.failed || checksum64_seeded(body, checksum64(head_bytes)) != checksum) {
        return error_set(err, STATUS_CORRUPT, "checksum of the graph image does not match");
    }
    if (!same_history) {
        return error_set(err, STATUS_CORRUPT, "graph image belongs to other vectors");
    }
    struct vindex_params params = {
        .m = built.m, .ef_construct = built.ef_construct, .seed = SEGMENT_GRAPH_SEED};
    struct vindex *index = NULL;
    enum status status = vindex_hnsw.open(&slot->vectors, &params, body, &index, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct index_ref *ref = index_ref_create(index, &built);
    point_offset linked = index->kind->linked(index);
    atomic_store(&ref->saved, linked);
    if (linked > segment_next_offset(segment)) {
        slot_unpin(ref);
        return error_set(err, STATUS_CORRUPT, "graph image has more points than the collection");
    }
    slot_set_index(slot, ref);
    return STATUS_OK;
}

enum status segment_image_load(struct segment *segment, uint32_t number, struct error *err)
{
    char path[PATH_BYTES_MAX];
    struct buffer file;
    buffer_init(&file, 0);
    enum status status = image_path(segment, number, path, err);
    if (status == STATUS_OK) {
        status = file_read_whole(file_system_real(), path, &file, err);
    }
    if (status == STATUS_OK) {
        status = open_image(segment, &segment->slots[number], buffer_slice(&file), err);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    buffer_deinit(&file);
    return status;
}
