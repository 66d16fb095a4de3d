/* Images of indexes on disk: one file a slot, "<slot>.index" in the collection's index folder.
 * Storage is the truth; an image that is missing, damaged or of another history is refused, and the
 * index is built anew.
 *
 * File: head, padded with zeros to HEAD_BYTES, then the index kind's own image. Head: magic
 * "SGINDEX2", checksum u64 of the rest of the head, size and checksum of the kind's image, u64
 * each, kind u32 (its place in kinds.def), m, ef_construct, quantization { kind, quantile as bits
 * of a float, compression, half_bits, query_encoding } u32 each, samples u32, samples x { offset
 * u32, zero u32, checksum of the vector u64 }. The samples tell whether the index was built over
 * the vectors at hand. Integers are little endian.
 *
 * The file is mapped privately and used in place: opening does not copy it, and the index may write
 * to the pages, which then are its own. */
#include "index/segment/segment_int.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COLD_IMAGE_BYTES_MAX = 64 << 20,
    SAMPLES_MAX = 64,
    PATH_BYTES_MAX = 4096,
    HEAD_BYTES = 4096
};
static const char MAGIC[8] = "SGINDEX2";

static enum status image_path(const struct segment *segment, uint32_t slot,
                              char path[PATH_BYTES_MAX], struct error *err)
{
    int size = snprintf(path, PATH_BYTES_MAX, "%s/%u.index", segment->index_path, slot);
    return size < PATH_BYTES_MAX ? STATUS_OK
                                 : error_set(err, STATUS_IO, "path of the data folder is too long");
}

static uint64_t row_checksum(const struct slot *slot, point_offset offset)
{
    return checksum64(slice_of(vectors_at(&slot->vectors, offset), vector_bytes(slot)));
}

static void write_spec(const struct index_spec *spec, struct buffer *head)
{
    uint32_t kind = 0;
    while (vindex_kind_at(kind) != spec->kind) {
        kind++;
    }
    const struct quant_params *quant = &spec->params.quant;
    uint32_t quantile = 0;
    memcpy(&quantile, &quant->quantile, sizeof(quantile));
    buffer_append_u32(head, kind);
    buffer_append_u32(head, spec->params.m);
    buffer_append_u32(head, spec->params.ef_construct);
    buffer_append_u32(head, quant->kind);
    buffer_append_u32(head, quantile);
    buffer_append_u32(head, quant->compression);
    buffer_append_u32(head, quant->half_bits);
    buffer_append_u32(head, quant->query_encoding);
}

static bool read_spec(struct reader *reader, struct index_spec *out)
{
    uint32_t kind = reader_u32(reader);
    *out = (struct index_spec){.params = {.seed = SEGMENT_INDEX_SEED}};
    out->params.m = reader_u32(reader);
    out->params.ef_construct = reader_u32(reader);
    struct quant_params *quant = &out->params.quant;
    quant->kind = (enum quant_kind)reader_u32(reader);
    uint32_t quantile = reader_u32(reader);
    memcpy(&quant->quantile, &quantile, sizeof(quantile));
    quant->compression = reader_u32(reader);
    quant->half_bits = reader_u32(reader);
    quant->query_encoding = (enum query_encoding)reader_u32(reader);
    if (reader->failed || !vindex_kind_at(kind)) {
        return false;
    }
    out->kind = vindex_kind_at(kind);
    return true;
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

/* HEAD_BYTES into `out`. */
static void make_head(const struct slot *slot, const struct index_ref *ref, point_offset linked,
                      struct slice body, struct buffer *out)
{
    static const uint8_t zeros[HEAD_BYTES];
    struct buffer rest;
    buffer_init(&rest, 0);
    buffer_append_u64(&rest, body.size);
    buffer_append_u64(&rest, checksum64(body));
    write_spec(&ref->spec, &rest);
    write_samples(slot, linked, &rest);
    buffer_append(&rest, zeros, HEAD_BYTES - sizeof(MAGIC) - sizeof(uint64_t) - rest.size);
    buffer_append(out, MAGIC, sizeof(MAGIC));
    buffer_append_u64(out, checksum64(buffer_slice(&rest)));
    buffer_append_slice(out, buffer_slice(&rest));
    buffer_deinit(&rest);
}

/* The file is old or new, never half. */
static enum status write_image(const char *path, struct slice head, struct slice body,
                               struct error *err)
{
    const struct file_system *fs = file_system_real();
    char temporary[PATH_BYTES_MAX + 8];
    (void)snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    struct file *file = NULL;
    enum status status = fs->open(fs, temporary, FILE_WRITE_NEW, &file, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = fs->append(file, head, err);
    status = status == STATUS_OK ? fs->append(file, body, err) : status;
    status = status == STATUS_OK ? fs->sync(file, err) : status;
    fs->close(file);
    if (status == STATUS_OK) {
        status = fs->rename(fs, temporary, path, err);
    } else {
        (void)fs->remove(fs, temporary, NULL);
    }
    return status;
}

/* An image is made in memory as a whole: too much where rows are on disk because there is little.
 * The next start builds such an index anew. */
static bool is_too_large(const struct slot *slot, const struct index_ref *ref)
{
    return slot->spec.placement == PLACEMENT_COLD &&
           ref->index->kind->memory(ref->index) > COLD_IMAGE_BYTES_MAX;
}

enum status segment_image_save(struct segment *segment, uint32_t number, struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct index_ref *ref = slot_pin(slot);
    if (!ref) {
        return STATUS_OK;
    }
    if (is_too_large(slot, ref)) {
        atomic_store(&ref->saved, ref->index->kind->linked(ref->index));
        slot_unpin(ref);
        return STATUS_OK;
    }
    const struct file_system *fs = file_system_real();
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
        if (status == STATUS_OK) {
            make_head(slot, ref, linked, buffer_slice(&body), &head);
            status = fs->make_dirs(fs, segment->index_path, err);
        }
        if (status == STATUS_OK) {
            status = write_image(path, buffer_slice(&head), buffer_slice(&body), err);
        }
        if (status == STATUS_OK) {
            status = fs->sync_dir(fs, segment->index_path, err);
        }
        if (status == STATUS_OK) {
            atomic_store(&ref->saved, linked);
        }
    }
    buffer_deinit(&head);
    buffer_deinit(&body);
    slot_unpin(ref);
    return status;
}

static bool same_history(const struct slot *slot, struct reader *reader)
{
    uint32_t samples = reader_u32(reader);
    bool same = samples <= SAMPLES_MAX;
    for (uint32_t i = 0; i < samples && same && !reader->failed; i++) {
        point_offset offset = reader_u32(reader);
        (void)reader_u32(reader);
        uint64_t checksum = reader_u64(reader);
        same = offset < vectors_count(&slot->vectors) &&
               (!vectors_has(&slot->vectors, offset) || row_checksum(slot, offset) == checksum);
    }
    return same && !reader->failed;
}

/* Looks at the head; *body is the kind's image. */
static enum status check_head(const struct slot *slot, struct slice file, struct index_spec *spec,
                              struct slice *body, struct error *err)
{
    if (file.size < HEAD_BYTES || memcmp(file.data, MAGIC, sizeof(MAGIC)) != 0) {
        return error_set(err, STATUS_CORRUPT, "not an index image of this version");
    }
    struct reader reader;
    reader_init(&reader, slice_of(file.data, HEAD_BYTES));
    (void)reader_bytes(&reader, sizeof(MAGIC));
    uint64_t head_checksum = reader_u64(&reader);
    struct slice rest = slice_of(reader.at, reader_left(&reader));
    uint64_t size = reader_u64(&reader);
    uint64_t checksum = reader_u64(&reader);
    if (checksum64(rest) != head_checksum || !read_spec(&reader, spec)) {
        return error_set(err, STATUS_CORRUPT, "head of the index image is damaged");
    }
    *body = slice_of((const uint8_t *)file.data + HEAD_BYTES, file.size - HEAD_BYTES);
    if (body->size != size || checksum64(*body) != checksum) {
        return error_set(err, STATUS_CORRUPT, "checksum of the index image does not match");
    }
    return same_history(slot, &reader)
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT, "index image belongs to other vectors");
}

/* Takes the mapping when it succeeds. */
static enum status open_image(struct segment *segment, struct slot *slot, struct slice file,
                              struct error *err)
{
    struct index_spec spec;
    struct slice body;
    enum status status = check_head(slot, file, &spec, &body, err);
    if (status != STATUS_OK) {
        return status;
    }
    spec.params.cold = slot->spec.placement == PLACEMENT_COLD;
    spec.params.folder = segment->index_path;
    struct vindex *index = NULL;
    status = spec.kind->open(&slot->vectors, &spec.params, body, &index, err);
    if (status != STATUS_OK) {
        return status;
    }
    point_offset linked = index->kind->linked(index);
    if (linked > segment_next_offset(segment)) {
        index->kind->close(index);
        return error_set(err, STATUS_CORRUPT, "index image has more points than the collection");
    }
    struct index_ref *ref = index_ref_create(index, &spec, (void *)file.data, file.size);
    atomic_store(&ref->saved, linked);
    slot_set_index(slot, ref);
    slot_note_choice(slot, spec.kind);
    return STATUS_OK;
}

/* NOT_FOUND (err untouched): no such file. */
static enum status map_image(const char *path, struct slice *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return STATUS_NOT_FOUND;
    }
    struct stat info = {0};
    if (fd < 0 || fstat(fd, &info) != 0) {
        error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return STATUS_IO;
    }
    size_t size = (size_t)info.st_size;
    void *data = size ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (data == MAP_FAILED) {
        return error_set(err, STATUS_CORRUPT, "%s: cannot be mapped", path);
    }
    *out = slice_of(data, size);
    return STATUS_OK;
}

enum status segment_image_load(struct segment *segment, uint32_t number, struct error *err)
{
    char path[PATH_BYTES_MAX];
    struct slice file = {0};
    enum status status = image_path(segment, number, path, err);
    if (status == STATUS_OK) {
        status = map_image(path, &file, err);
    }
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = open_image(segment, &segment->slots[number], file, err);
        if (status != STATUS_OK) {
            munmap((void *)file.data, file.size);
        }
    }
    return status;
}

void segment_image_remove(struct segment *segment, uint32_t number)
{
    char path[PATH_BYTES_MAX];
    struct error err = {0};
    if (image_path(segment, number, path, &err) == STATUS_OK &&
        file_system_real()->remove(file_system_real(), path, &err) != STATUS_OK) {
        log_warn("index/segment", "old index image cannot be removed: %s", err.message);
    }
}
