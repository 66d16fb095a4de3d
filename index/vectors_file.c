/* Sealing rows: from a mapping that the system writes when it likes to a file that the next start
 * can trust.
 *
 * vectors_seal syncs the file, sums up the pieces that have grown, and replaces the record. Opening
 * reads the record alone; the rows come into memory when they are touched. Whether they are still
 * what was sealed is found out piece by piece in the background, by reading the file itself.
 *
 * Threads: the record and the checksums belong to the thread that seals, verifies and gives rows
 * back; only `sealed` is read by others.
 *
 * Failures: a sync that failed makes the file worthless for sealing until it is opened again; the
 * process goes on with what it has in memory, and the next start loads the rest from storage. */
#include "index/vectors_file.h"

#include "index/vectors_int.h"
#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"

#include <stdio.h>
#include <string.h>

enum { PIECE_BYTES_MAX = 4 << 20, PATH_BYTES_MAX = 4096 };
static const char MAGIC[8] = "SGSEAL01";

struct seal {
    char *path;
    const struct file_system *fs;
    uint32_t piece_shift;
    atomic_uint sealed;
    uint64_t *checksums; /* of the pieces that hold sealed rows */
    size_t pieces;
    point_offset opened;   /* sealed when the file was opened */
    size_t verified;       /* pieces compared since */
    uint8_t *piece_buffer; /* while verifying */
};

void seal_destroy(struct seal *seal)
{
    mem_free(seal->path);
    mem_free(seal->checksums);
    mem_free(seal->piece_buffer);
    mem_free(seal);
}

static size_t pieces_of(const struct seal *seal, point_offset rows)
{
    return ((size_t)rows + ((size_t)1 << seal->piece_shift) - 1) >> seal->piece_shift;
}

point_offset vectors_sealed(const struct vectors *vectors)
{
    return vectors->seal != NULL ? atomic_load(&vectors->seal->sealed) : 0;
}

/* ---- the record ---- */

static void make_record(const struct vectors *vectors, point_offset sealed,
                        const uint64_t *checksums, struct buffer *out)
{
    const struct seal *seal = vectors->seal;
    struct buffer rest;
    buffer_init(&rest, 0);
    buffer_append_u32(&rest, (uint32_t)vectors->dim);
    buffer_append_u32(&rest, (uint32_t)vectors->element);
    buffer_append_u32(&rest, (uint32_t)vectors->rows.stride);
    buffer_append_u32(&rest, seal->piece_shift);
    buffer_append_u32(&rest, sealed);
    buffer_append_u32(&rest, 0);
    for (size_t i = 0; i < pieces_of(seal, sealed); i++) {
        buffer_append_u64(&rest, checksums[i]);
    }
    for (size_t first = 0; first < sealed; first += 8) {
        unsigned bits = 0;
        for (size_t i = first; i < first + 8 && i < sealed; i++) {
            bits |= (unsigned)is_filled(vectors, (point_offset)i) << (i - first);
        }
        buffer_append_byte(&rest, (uint8_t)bits);
    }
    buffer_append(out, MAGIC, sizeof(MAGIC));
    buffer_append_u64(out, checksum64(buffer_slice(&rest)));
    buffer_append_slice(out, buffer_slice(&rest));
    buffer_deinit(&rest);
}

/* Takes the checksums when it succeeds. */
static enum status replace_record(struct vectors *vectors, point_offset sealed, uint64_t *checksums,
                                  struct error *err)
{
    struct seal *seal = vectors->seal;
    struct buffer record;
    buffer_init(&record, 0);
    make_record(vectors, sealed, checksums, &record);
    enum status status = file_write_atomic(seal->fs, seal->path, buffer_slice(&record), err);
    buffer_deinit(&record);
    if (status == STATUS_OK) {
        mem_free(seal->checksums);
        seal->checksums = checksums;
        seal->pieces = pieces_of(seal, sealed);
        atomic_store(&seal->sealed, sealed);
    }
    return status;
}

/* Fills the presence bytes from the record. */
static enum status read_record(struct vectors *vectors, struct slice bytes, point_offset count_max,
                               struct error *err)
{
    struct seal *seal = vectors->seal;
    struct reader reader;
    reader_init(&reader, bytes);
    struct slice magic = reader_bytes(&reader, sizeof(MAGIC));
    uint64_t checksum = reader_u64(&reader);
    if (reader.failed || memcmp(magic.data, MAGIC, sizeof(MAGIC)) != 0 ||
        checksum64(slice_of(reader.at, reader_left(&reader))) != checksum) {
        return error_set(err, STATUS_CORRUPT, "the record is damaged");
    }
    bool fits = reader_u32(&reader) == vectors->dim;
    fits = reader_u32(&reader) == (uint32_t)vectors->element && fits;
    fits = reader_u32(&reader) == vectors->rows.stride && fits;
    fits = reader_u32(&reader) == seal->piece_shift && fits;
    point_offset sealed = reader_u32(&reader);
    (void)reader_u32(&reader);
    if (!fits || sealed > count_max) {
        return error_set(err, STATUS_CORRUPT, "the record is of other vectors");
    }
    size_t pieces = pieces_of(seal, sealed);
    size_t bits_bytes = ((size_t)sealed + 7) / 8;
    if (reader.failed || reader_left(&reader) != pieces * sizeof(uint64_t) + bits_bytes) {
        return error_set(err, STATUS_CORRUPT, "the record is damaged");
    }
    enum status status = blocks_grow(&vectors->present, sealed, err);
    status = status == STATUS_OK ? blocks_keep(&vectors->rows, sealed, err) : status;
    if (status != STATUS_OK) {
        return status;
    }
    seal->checksums = mem_alloc((pieces + 1) * sizeof(seal->checksums[0]));
    for (size_t i = 0; i < pieces; i++) {
        seal->checksums[i] = reader_u64(&reader);
    }
    const uint8_t *bits = reader_bytes(&reader, bits_bytes).data;
    for (size_t i = 0; i < sealed; i++) {
        uint8_t state = bits[i / 8] >> (i % 8) & 1 ? DEAD : ABSENT;
        atomic_store_explicit(presence_at(vectors, (point_offset)i), state, memory_order_relaxed);
    }
    seal->pieces = pieces;
    seal->opened = sealed;
    atomic_store(&seal->sealed, sealed);
    atomic_store_explicit(&vectors->count, sealed, memory_order_release);
    return STATUS_OK;
}

/* ---- opening ---- */

enum status vectors_restart(struct vectors *vectors, struct error *err)
{
    struct seal *seal = vectors->seal;
    for (size_t i = 0; i < vectors_count(vectors); i++) {
        atomic_store_explicit(presence_at(vectors, (point_offset)i), ABSENT, memory_order_relaxed);
    }
    atomic_store(&vectors->count, 0);
    atomic_store(&seal->sealed, 0);
    seal->opened = 0;
    seal->pieces = 0;
    enum status status = seal->fs->remove(seal->fs, seal->path, err);
    return status == STATUS_OK ? blocks_keep(&vectors->rows, 0, err) : status;
}

static enum status open_seal(struct vectors *vectors, const char *path, point_offset count_max,
                             struct error *err)
{
    struct seal *seal = vectors->seal;
    struct buffer record;
    buffer_init(&record, 0);
    struct error why = {0};
    enum status status = file_read_whole(seal->fs, path, &record, &why);
    if (status == STATUS_OK) {
        status = read_record(vectors, buffer_slice(&record), count_max, &why);
    }
    buffer_deinit(&record);
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    if (status == STATUS_NO_SPACE || status == STATUS_TOO_LARGE) {
        return error_set(err, status, "%s", why.message);
    }
    if (status != STATUS_NOT_FOUND) {
        log_warn("index/vectors", "the rows beside %s are loaded from storage: %s", path,
                 why.message);
    }
    return vectors_restart(vectors, err);
}

enum status vectors_open(struct vectors *vectors, enum distance distance, enum element element,
                         size_t dim, const struct vectors_file_options *options, struct error *err)
{
    char path[PATH_BYTES_MAX];
    int size = snprintf(path, sizeof(path), "%s.rows", options->base);
    if (size >= (int)sizeof(path)) {
        return error_set(err, STATUS_IO, "path of the data folder is too long");
    }
    enum status status = vectors_prepare(vectors, distance, element, dim, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct blocks_file_options rows = {
        .path = path, .placement = options->placement, .system = options->system};
    status = blocks_open(&vectors->rows, vectors_stride(dim, element), &rows, err);
    if (status == STATUS_OK) {
        memcpy(path + size - strlen(".rows"), ".seal", sizeof(".seal"));
        struct seal *seal = mem_zalloc(sizeof(*seal));
        seal->path = mem_strdup(path);
        seal->fs = options->fs != NULL ? options->fs : file_system_real();
        while (seal->piece_shift < vectors->rows.shift &&
               (vectors->rows.stride << (seal->piece_shift + 1)) <= PIECE_BYTES_MAX) {
            seal->piece_shift++;
        }
        vectors->seal = seal;
        status = open_seal(vectors, path, options->count_max, err);
    }
    if (status != STATUS_OK) {
        vectors_deinit(vectors);
    }
    return status;
}

bool vectors_revive(struct vectors *vectors, point_offset offset)
{
    if (offset >= vectors_count(vectors) || presence_state(vectors, offset) != DEAD) {
        return false;
    }
    atomic_store_explicit(presence_at(vectors, offset), PRESENT, memory_order_relaxed);
    return true;
}

bool vectors_is_filled(const struct vectors *vectors, point_offset offset)
{
    return offset < vectors_count(vectors) && is_filled(vectors, offset);
}

/* ---- sealing ---- */

/* The chain over the filled rows from `first` to `end`, as found at `rows`. */
static uint64_t checksum_rows(const struct vectors *vectors, size_t first, size_t end,
                              const uint8_t *rows)
{
    uint64_t checksum = 0;
    for (size_t i = first; i < end; i++) {
        if (is_filled(vectors, (point_offset)i)) {
            const uint8_t *row = rows + (i - first) * vectors->rows.stride;
            checksum = checksum64_seeded(slice_of(row, row_bytes(vectors->element, vectors->dim)),
                                         checksum);
        }
    }
    return checksum;
}

static uint64_t checksum_piece(const struct vectors *vectors, size_t piece, point_offset sealed)
{
    size_t first = piece << vectors->seal->piece_shift;
    size_t end = (piece + 1) << vectors->seal->piece_shift;
    end = end < sealed ? end : sealed;
    return checksum_rows(vectors, first, end, blocks_at(&vectors->rows, first));
}

static uint64_t *copy_checksums(const struct seal *seal, size_t pieces)
{
    uint64_t *copy = mem_alloc((pieces + 1) * sizeof(copy[0]));
    size_t kept = seal->pieces < pieces ? seal->pieces : pieces;
    if (kept > 0) {
        memcpy(copy, seal->checksums, kept * sizeof(copy[0]));
    }
    return copy;
}

enum status vectors_seal(struct vectors *vectors, point_offset until, struct error *err)
{
    struct seal *seal = vectors->seal;
    point_offset old = atomic_load(&seal->sealed);
    size_t count = vectors_count(vectors);
    until = until < count ? until : (point_offset)count;
    if (until <= old) {
        return STATUS_OK;
    }
    enum status status = blocks_sync(&vectors->rows, err);
    if (status != STATUS_OK) {
        return status;
    }
    size_t pieces = pieces_of(seal, until);
    uint64_t *checksums = copy_checksums(seal, pieces);
    for (size_t i = old >> seal->piece_shift; i < pieces; i++) {
        checksums[i] = checksum_piece(vectors, i, until);
    }
    status = replace_record(vectors, until, checksums, err);
    if (status != STATUS_OK) {
        mem_free(checksums);
    } else if (blocks_placement(&vectors->rows) == PLACEMENT_COLD) {
        blocks_let_go(&vectors->rows, until);
    }
    return status;
}

enum status seal_without_freed(struct vectors *vectors, struct error *err)
{
    struct seal *seal = vectors->seal;
    point_offset sealed = atomic_load(&seal->sealed);
    uint64_t *checksums = copy_checksums(seal, seal->pieces);
    size_t changed = 0;
    for (size_t piece = 0; piece < seal->pieces; piece++) {
        size_t end = (piece + 1) << seal->piece_shift;
        end = end < sealed ? end : sealed;
        bool freed = false;
        for (size_t i = piece << seal->piece_shift; i < end && !freed; i++) {
            freed = presence_state(vectors, (point_offset)i) == FREED;
        }
        if (freed) {
            checksums[piece] = checksum_piece(vectors, piece, sealed);
            changed++;
        }
    }
    enum status status = changed > 0 ? replace_record(vectors, sealed, checksums, err) : STATUS_OK;
    if (changed == 0 || status != STATUS_OK) {
        mem_free(checksums);
    }
    return status;
}

/* ---- verifying ---- */

enum status vectors_verify(struct vectors *vectors, bool *more, point_offset *first,
                           uint32_t *count, struct error *err)
{
    struct seal *seal = vectors->seal;
    *more = false;
    if (seal == NULL || seal->verified >= pieces_of(seal, seal->opened)) {
        return STATUS_OK;
    }
    if (seal->piece_buffer == NULL) {
        seal->piece_buffer = mem_alloc(vectors->rows.stride << seal->piece_shift);
    }
    point_offset sealed = atomic_load(&seal->sealed);
    size_t piece = seal->verified++;
    size_t begin = piece << seal->piece_shift;
    size_t end = (piece + 1) << seal->piece_shift;
    end = end < sealed ? end : sealed;
    struct error why = {0};
    enum status status = blocks_read(&vectors->rows, begin, end - begin, seal->piece_buffer, &why);
    bool is_whole = status == STATUS_OK && checksum_rows(vectors, begin, end, seal->piece_buffer) ==
                                               seal->checksums[piece];
    *more = seal->verified < pieces_of(seal, seal->opened);
    if (!*more) {
        mem_free(seal->piece_buffer);
        seal->piece_buffer = NULL;
    }
    if (is_whole) {
        return STATUS_OK;
    }
    *first = (point_offset)begin;
    *count = (uint32_t)(end - begin);
    return error_set(err, STATUS_CORRUPT, "rows %zu to %zu of %s: %s", begin, end - 1,
                     blocks_path(&vectors->rows),
                     status == STATUS_OK ? "checksum does not match" : why.message);
}

void vectors_rewrite(struct vectors *vectors, point_offset offset, const void *stored)
{
    ASSERT(offset < vectors_count(vectors));
    if (stored != NULL) {
        memcpy(blocks_at(&vectors->rows, offset), stored,
               row_bytes(vectors->element, vectors->dim));
    } else {
        atomic_store_explicit(presence_at(vectors, offset), ABSENT, memory_order_release);
    }
}

enum status vectors_mend(struct vectors *vectors, point_offset first, struct error *err)
{
    struct seal *seal = vectors->seal;
    enum status status = blocks_sync(&vectors->rows, err);
    if (status != STATUS_OK) {
        return status;
    }
    size_t piece = first >> seal->piece_shift;
    uint64_t *checksums = copy_checksums(seal, seal->pieces);
    checksums[piece] = checksum_piece(vectors, piece, atomic_load(&seal->sealed));
    status = replace_record(vectors, atomic_load(&seal->sealed), checksums, err);
    if (status != STATUS_OK) {
        mem_free(checksums);
    }
    return status;
}
