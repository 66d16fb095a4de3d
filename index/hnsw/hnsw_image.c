/* The image of a graph: its arrays as they lie in memory, so that they are used where they are.
 *
 * Integers are little-endian. The first page:
 *   0  u32 magic "HNSW"    4  u32 format version      8 u32 m             12 u32 ef_construct
 *  16  u64 seed           24  u32 dim                28 u32 distance << 8 | element
 *  32  u32 offsets done   36  u32 nodes in the graph 40 u64 entry (level << 32 | offset; all ones:
 * none) 48 u32 rows above level 0   52 u32 bytes from code to code; 0: no codes
 *  56  u32 kind of codes  60  f32 quantile           64 u32 compression  68 u32 half_bits
 *  72  u32 encoding of queries
 *  76  for each section u64 size, u64 checksum with the zeros after it
 *      then u64 checksum of the bytes before, zeros
 * Sections follow in this order, each beginning a page, zeros between: the quantizer as it saves
 * itself; nodes, a struct node an offset; the rows of level 0 by offset; the rows above, in order
 * of node and level; codes by offset. Offsets that are not in the graph have zeros for all of them.
 *
 * Opening takes whole blocks of rows in place and copies the last of each (see blocks_adopt).
 * It trusts nothing: checksums keep accidents out, but states, ids and levels are checked one by
 * one as well, so that a forged image gives CORRUPT and never a wild read. Codes may be any bytes.
 * Memory asked for is bounded by the image and the vectors at hand.
 *
 * Threads: saving runs beside searches, not beside build. Every linked node's neighbours must be
 * linked then.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/assert.h"
#include "storage/base/bitmap.h"
#include "storage/base/checksum.h"

#include <string.h>

static const uint32_t MAGIC = 0x57534e48;
enum { PAGE_BYTES = 4096 };
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are saved as they are");

enum section { QUANTIZER, NODES, ROWS0, UPPER_ROWS, CODES, SECTIONS };

struct head {
    uint32_t offsets, nodes;
    uint64_t entry;
    uint32_t upper_count;
    uint32_t code_stride; /* 0: no codes */
    uint64_t size[SECTIONS];
    uint64_t checksum[SECTIONS];
};

static uint64_t page_end(uint64_t at)
{
    return (at + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What an image and the index that opens it must agree in. */
static void put_parameters(const struct hnsw *hnsw, struct buffer *out)
{
    buffer_append_u32(out, MAGIC);
    buffer_append_u32(out, HNSW_FORMAT_VERSION);
    buffer_append_u32(out, hnsw->m);
    buffer_append_u32(out, hnsw->ef_construct);
    buffer_append_u64(out, hnsw->seed);
    buffer_append_u32(out, (uint32_t)hnsw->vectors->dim);
    buffer_append_u32(out, (uint32_t)hnsw->vectors->distance << 8 | hnsw->vectors->element);
}

static void put_quant_params(const struct quant_params *quant, struct buffer *out)
{
    buffer_append_u32(out, (uint32_t)quant->kind);
    buffer_append_u32(out, float_bits(quant->quantile));
    buffer_append_u32(out, quant->compression);
    buffer_append_u32(out, quant->half_bits);
    buffer_append_u32(out, (uint32_t)quant->query_encoding);
}

static void put_head(const struct hnsw *hnsw, const struct head *head, struct buffer *out)
{
    size_t start = out->size;
    put_parameters(hnsw, out);
    buffer_append_u32(out, head->offsets);
    buffer_append_u32(out, head->nodes);
    buffer_append_u64(out, head->entry);
    buffer_append_u32(out, head->upper_count);
    buffer_append_u32(out, head->code_stride);
    put_quant_params(&hnsw->quant, out);
    for (int i = 0; i < SECTIONS; i++) {
        buffer_append_u64(out, head->size[i]);
        buffer_append_u64(out, head->checksum[i]);
    }
    if (!out->failed) {
        buffer_append_u64(out, checksum64(slice_of(out->data + start, out->size - start)));
    }
}

/* The node as an image has it: all bytes are zero but for these. */
static void put_node(bool linked, uint32_t upper, struct node *out)
{
    memset(out, 0, sizeof *out);
    atomic_init(&out->upper, upper);
    atomic_init(&out->state, linked ? NODE_LINKED : NODE_LEFT_OUT);
}

static bool is_linked(const struct hnsw *hnsw, point_offset point)
{
    return node_state_of(hnsw, point) == NODE_LINKED;
}

/* Sections are written into memory that is zero. */
static void put_nodes(const struct hnsw *hnsw, uint32_t offsets, uint8_t *to)
{
    uint32_t upper = 0;
    for (point_offset point = 0; point < offsets; point++) {
        uint32_t level = is_linked(hnsw, point) ? level_of(hnsw, point) : 0;
        struct node node;
        put_node(is_linked(hnsw, point), level > 0 ? upper + 1 : 0, &node);
        memcpy(to + point * sizeof node, &node, sizeof node);
        upper += level;
    }
}

static void put_rows(const struct hnsw *hnsw, const struct blocks *blocks, uint32_t offsets,
                     uint8_t *to)
{
    for (point_offset point = 0; point < offsets; point++) {
        if (is_linked(hnsw, point)) {
            memcpy(to + point * blocks->stride, blocks_at(blocks, point), blocks->stride);
        }
    }
}

static void put_upper_rows(const struct hnsw *hnsw, uint32_t offsets, uint8_t *to)
{
    size_t stride = hnsw->upper_rows.stride;
    for (point_offset point = 0; point < offsets; point++) {
        uint32_t top = is_linked(hnsw, point) ? level_of(hnsw, point) : 0;
        for (uint32_t level = 1; level <= top; level++, to += stride) {
            memcpy(to, row_at(hnsw, point, level), stride);
        }
    }
}

static void put_sections(const struct hnsw *hnsw, const struct head *head, struct slice quantizer,
                         uint8_t *const at[SECTIONS])
{
    if (quantizer.size > 0) {
        memcpy(at[QUANTIZER], quantizer.data, quantizer.size);
    }
    put_nodes(hnsw, head->offsets, at[NODES]);
    put_rows(hnsw, &hnsw->rows0, head->offsets, at[ROWS0]);
    put_upper_rows(hnsw, head->offsets, at[UPPER_ROWS]);
    if (head->code_stride > 0) {
        put_rows(hnsw, &hnsw->codes, head->offsets, at[CODES]);
    }
}

static void set_sizes(const struct hnsw *hnsw, struct head *head, size_t quantizer)
{
    head->size[QUANTIZER] = quantizer;
    head->size[NODES] = head->offsets * sizeof(struct node);
    head->size[ROWS0] = (uint64_t)head->offsets * hnsw->rows0.stride;
    head->size[UPPER_ROWS] = (uint64_t)head->upper_count * hnsw->upper_rows.stride;
    head->size[CODES] = (uint64_t)head->offsets * head->code_stride;
}

static struct head head_of(const struct hnsw *hnsw)
{
    struct head head = {
        .offsets = atomic_load_explicit(&hnsw->linked, memory_order_acquire),
        .entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire),
        .code_stride = hnsw_quantizer(hnsw) != NULL ? (uint32_t)hnsw->codes.stride : 0,
    };
    for (point_offset point = 0; point < head.offsets; point++) {
        head.nodes += is_linked(hnsw, point);
        head.upper_count += is_linked(hnsw, point) ? level_of(hnsw, point) : 0;
    }
    return head;
}

enum status hnsw_save(const struct vindex *index, struct buffer *out, struct error *err)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    struct head head = head_of(hnsw);
    struct buffer quantizer;
    buffer_init(&quantizer, 0);
    if (head.code_stride > 0) {
        quantizer_save(hnsw_quantizer(hnsw), &quantizer);
    }
    set_sizes(hnsw, &head, quantizer.size);
    uint64_t total = PAGE_BYTES;
    for (int i = 0; i < SECTIONS; i++) {
        total += page_end(head.size[i]);
    }
    uint8_t *image = buffer_reserve(out, total);
    if (image != NULL) {
        memset(image, 0, total);
        uint8_t *at[SECTIONS];
        uint8_t *next = image + PAGE_BYTES;
        for (int i = 0; i < SECTIONS; i++) {
            at[i] = next;
            next += page_end(head.size[i]);
        }
        put_sections(hnsw, &head, buffer_slice(&quantizer), at);
        for (int i = 0; i < SECTIONS; i++) {
            head.checksum[i] = checksum64(slice_of(at[i], page_end(head.size[i])));
        }
        struct buffer first;
        buffer_init(&first, 0);
        put_head(hnsw, &head, &first);
        memcpy(image, first.data, first.size);
        buffer_deinit(&first);
        buffer_commit(out, total);
    }
    buffer_deinit(&quantizer);
    return out->failed ? error_set(err, STATUS_TOO_LARGE, "no room for the index image")
                       : STATUS_OK;
}

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, "the hnsw index image is damaged: %s", what);
}

/* True: the image goes on with what put_* would write for this index. */
static bool same_bytes(struct reader *reader, const struct buffer *expected)
{
    struct slice found = reader_bytes(reader, expected->size);
    return !reader->failed && slice_equal(found, buffer_slice(expected));
}

static bool is_zero_to_page_end(struct reader *reader)
{
    size_t left = reader_left(reader) % PAGE_BYTES;
    struct slice rest = reader_bytes(reader, left);
    uint8_t any = 0;
    for (size_t i = 0; i < rest.size; i++) {
        any |= rest.data[i];
    }
    return any == 0;
}

static enum status load_head(const struct hnsw *hnsw, struct slice image, struct head *head,
                             struct error *err)
{
    struct reader reader;
    reader_init(&reader, image);
    struct buffer parameters;
    struct buffer quant;
    buffer_init(&parameters, 0);
    buffer_init(&quant, 0);
    put_parameters(hnsw, &parameters);
    put_quant_params(&hnsw->quant, &quant);
    bool same = same_bytes(&reader, &parameters);
    head->offsets = reader_u32(&reader);
    head->nodes = reader_u32(&reader);
    head->entry = reader_u64(&reader);
    head->upper_count = reader_u32(&reader);
    head->code_stride = reader_u32(&reader);
    same = same_bytes(&reader, &quant) && same;
    buffer_deinit(&parameters);
    buffer_deinit(&quant);
    for (int i = 0; i < SECTIONS; i++) {
        head->size[i] = reader_u64(&reader);
        head->checksum[i] = reader_u64(&reader);
    }
    size_t size = (size_t)(reader.at - image.data);
    uint64_t sum = reader_u64(&reader);
    if (!same) {
        return error_set(err, STATUS_CORRUPT,
                         "the hnsw index image has another format or other parameters");
    }
    if (reader.failed || sum != checksum64(slice_of(image.data, size)) ||
        !is_zero_to_page_end(&reader)) {
        return corrupt(err, "its head");
    }
    if (head->offsets > vectors_count(hnsw->vectors) || head->offsets > OFFSETS_MAX) {
        return corrupt(err, "it has more points than there are vectors");
    }
    return STATUS_OK;
}

/* Finds the sections and checks that they fill the image. */
static enum status find_sections(const struct hnsw *hnsw, struct slice image,
                                 const struct head *head, uint8_t *at[SECTIONS], struct error *err)
{
    struct head expected = *head;
    set_sizes(hnsw, &expected, head->size[QUANTIZER]);
    uint64_t next = PAGE_BYTES;
    for (int i = 0; i < SECTIONS; i++) {
        if (head->size[i] != expected.size[i] || next > image.size || head->size[i] > image.size ||
            page_end(head->size[i]) > image.size - next) {
            return corrupt(err, "a section's size");
        }
        at[i] = (uint8_t *)(uintptr_t)(image.data + next);
        if (checksum64(slice_of(at[i], page_end(head->size[i]))) != head->checksum[i]) {
            return corrupt(err, "a section's checksum");
        }
        next += page_end(head->size[i]);
    }
    return next == image.size ? STATUS_OK : corrupt(err, "bytes after it");
}

static enum status load_nodes(const struct hnsw *hnsw, const struct head *head,
                              struct bitmap *linked, struct error *err)
{
    uint32_t nodes = 0;
    uint64_t upper = 0;
    for (point_offset point = 0; point < head->offsets; point++) {
        const struct node *node = node_at(hnsw, point);
        bool in_graph = atomic_load_explicit(&node->state, memory_order_relaxed) == NODE_LINKED;
        uint32_t level = in_graph ? level_of(hnsw, point) : 0;
        struct node expected;
        put_node(in_graph, level > 0 ? (uint32_t)upper + 1 : 0, &expected);
        if (memcmp(node, &expected, sizeof expected) != 0) {
            return corrupt(err, "a node");
        }
        if (in_graph) {
            bitmap_set(linked, point);
        }
        nodes += in_graph;
        upper += level;
    }
    if (nodes != head->nodes || upper != head->upper_count) {
        return corrupt(err, "its nodes");
    }
    bool none = head->entry == NO_ENTRY;
    point_offset entry = (point_offset)head->entry;
    if (none ? nodes > 0
             : (!bitmap_get(linked, entry) || level_of(hnsw, entry) != head->entry >> 32)) {
        return corrupt(err, "its entry");
    }
    return STATUS_OK;
}

/* A run of linked nodes, none of them `point`, then zeros. */
static bool is_row_sound(const struct bitmap *linked, const _Atomic uint32_t *row,
                         uint32_t capacity, point_offset point)
{
    const uint32_t *values = (const uint32_t *)row; /* nobody else has the index yet */
    uint32_t i = 0;
    bool sound = true;
    for (; i < capacity && values[i] != 0; i++) {
        uint32_t id = values[i] - 1;
        sound = sound && id != point && bitmap_get(linked, id);
    }
    uint32_t rest = 0;
    for (; i < capacity; i++) {
        rest |= values[i];
    }
    return sound && rest == 0;
}

static bool is_row_on_level(const struct hnsw *hnsw, _Atomic uint32_t *row, uint32_t level)
{
    point_offset id;
    for (uint32_t i = 0; i < hnsw->m && row_get(row, i, &id); i++) {
        if (level_of(hnsw, id) < level) {
            return false;
        }
    }
    return true;
}

static enum status check_rows(const struct hnsw *hnsw, const struct bitmap *linked,
                              uint32_t offsets, struct error *err)
{
    static const _Atomic uint32_t empty[2 * M_MAX];
    for (point_offset point = 0; point < offsets; point++) {
        const _Atomic uint32_t *row0 = row_at(hnsw, point, 0);
        if (!bitmap_get(linked, point)) {
            if (memcmp((const void *)row0, (const void *)empty, hnsw->m0 * sizeof *row0) != 0) {
                return corrupt(err, "neighbours of a point that is not in the graph");
            }
            continue;
        }
        bool sound = is_row_sound(linked, row0, hnsw->m0, point);
        uint32_t top = level_of(hnsw, point);
        for (uint32_t level = 1; sound && level <= top; level++) {
            _Atomic uint32_t *row = row_at(hnsw, point, level);
            sound = is_row_sound(linked, row, hnsw->m, point) && is_row_on_level(hnsw, row, level);
        }
        if (!sound) {
            return corrupt(err, "a row of neighbours");
        }
    }
    return STATUS_OK;
}

static enum status load_codes(struct hnsw *hnsw, const struct head *head,
                              uint8_t *const at[SECTIONS], struct error *err)
{
    if (head->code_stride == 0) {
        bool needless = hnsw->quant.kind == QUANT_NONE || head->nodes == 0;
        return needless && head->size[QUANTIZER] == 0 ? STATUS_OK : corrupt(err, "no codes");
    }
    if (hnsw->quant.kind == QUANT_NONE) {
        return corrupt(err, "codes of nothing");
    }
    const struct vectors *vectors = hnsw->vectors;
    struct quantizer *quantizer;
    enum status status =
        quantizer_load(slice_of(at[QUANTIZER], head->size[QUANTIZER]), vectors->distance,
                       vectors->element, vectors->dim, &quantizer, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (!quant_params_equal(quantizer_params(quantizer), &hnsw->quant)) {
        quantizer_free(quantizer);
        return corrupt(err, "a quantizer with other parameters");
    }
    status = hnsw_codes_init(hnsw, quantizer, err);
    if (status != STATUS_OK) {
        quantizer_free(quantizer);
        return status;
    }
    if (hnsw->codes.stride != head->code_stride) {
        return corrupt(err, "the size of its codes");
    }
    hnsw->coded = head->offsets;
    return blocks_adopt(&hnsw->codes, at[CODES], head->offsets, err);
}

static enum status load_graph(struct hnsw *hnsw, const struct head *head,
                              uint8_t *const at[SECTIONS], struct error *err)
{
    struct bitmap linked;
    bitmap_init(&linked);
    enum status status = bitmap_resize(&linked, head->offsets)
                             ? STATUS_OK
                             : error_set(err, STATUS_TOO_LARGE, "no memory to open the graph");
    if (status == STATUS_OK) {
        status = blocks_adopt(&hnsw->nodes, at[NODES], head->offsets, err);
    }
    if (status == STATUS_OK) {
        status = load_nodes(hnsw, head, &linked, err);
    }
    if (status == STATUS_OK) {
        status = blocks_adopt(&hnsw->rows0, at[ROWS0], head->offsets, err);
    }
    if (status == STATUS_OK) {
        status = blocks_adopt(&hnsw->upper_rows, at[UPPER_ROWS], head->upper_count, err);
    }
    if (status == STATUS_OK) {
        hnsw->upper_count = head->upper_count;
        status = check_rows(hnsw, &linked, head->offsets, err);
    }
    bitmap_deinit(&linked);
    return status;
}

enum status hnsw_load(struct hnsw *hnsw, struct slice image, struct error *err)
{
    struct head head;
    uint8_t *at[SECTIONS];
    enum status status = load_head(hnsw, image, &head, err);
    if (status == STATUS_OK) {
        status = find_sections(hnsw, image, &head, at, err);
    }
    if (status == STATUS_OK) {
        status = load_codes(hnsw, &head, at, err);
    }
    if (status == STATUS_OK) {
        status = load_graph(hnsw, &head, at, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    atomic_store_explicit(&hnsw->planned, head.offsets, memory_order_relaxed);
    atomic_store_explicit(&hnsw->claimed, head.offsets, memory_order_relaxed);
    atomic_store_explicit(&hnsw->linked, head.offsets, memory_order_relaxed);
    atomic_store_explicit(&hnsw->in_graph, head.nodes, memory_order_relaxed);
    atomic_store_explicit(&hnsw->entry, head.entry, memory_order_release);
    return STATUS_OK;
}
