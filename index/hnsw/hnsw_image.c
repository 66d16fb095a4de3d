/* The image of a graph, and reading one back with suspicion.
 *
 * Layout, all integers little-endian:
 *   0  u32 magic "HNSW"    4  u32 format version      8 u32 m             12 u32 ef_construct
 *  16  u64 seed           24  u32 dim                28 u32 distance << 8 | element
 *  32  u32 offsets done   36  u32 nodes in the graph 40 u64 entry (level << 32 | offset; all ones:
 * none) 48  u64 checksum of the bytes before then three sections, each u64 size, u64 checksum,
 * bytes: nodes: a bit an offset, set when in the graph rows of level 0: for each node u16 count,
 * count x u32 id upper rows: for each node, for each level from 1 to its own, the same then u64
 * checksum of everything before.
 *
 * Loading trusts nothing: checksums keep accidents out, but ids, counts and levels are checked one
 * by one as well, so that a forged image gives CORRUPT and never a wild read. Memory asked for is
 * bounded by the vectors at hand.
 *
 * Threads: saving runs beside searches, not beside build.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/checksum.h"

static const uint32_t MAGIC = 0x57534e48;
enum { SECTION_HEAD = 16, SECTIONS = 3 };

static void put_u64_at(struct buffer *out, size_t at, uint64_t value)
{
    for (size_t i = 0; i < 8 && !out->failed; i++) {
        out->data[at + i] = (uint8_t)(value >> (8 * i));
    }
}

static void put_checksum(struct buffer *out, size_t from)
{
    if (!out->failed) {
        buffer_append_u64(out, checksum64(slice_of(out->data + from, out->size - from)));
    }
}

static void put_row(const struct hnsw *hnsw, point_offset point, uint32_t level, struct buffer *out)
{
    _Atomic uint32_t *row = row_at(hnsw, point, level);
    uint32_t capacity = row_capacity(hnsw, level);
    point_offset ids[ROW_MAX];
    uint32_t count = 0;
    while (count < capacity && row_get(row, count, &ids[count])) {
        count++;
    }
    buffer_append_byte(out, (uint8_t)count);
    buffer_append_byte(out, (uint8_t)(count >> 8));
    for (uint32_t i = 0; i < count; i++) {
        buffer_append_u32(out, ids[i]);
    }
}

static void put_nodes(const struct hnsw *hnsw, uint32_t offsets, struct buffer *out)
{
    for (point_offset at = 0; at < offsets; at += 8) {
        uint8_t byte = 0;
        for (uint32_t bit = 0; bit < 8 && at + bit < offsets; bit++) {
            bool linked = node_state_of(hnsw, at + bit) == NODE_LINKED;
            byte = (uint8_t)(byte | (uint8_t)linked << bit);
        }
        buffer_append_byte(out, byte);
    }
}

static void put_rows0(const struct hnsw *hnsw, uint32_t offsets, struct buffer *out)
{
    for (point_offset point = 0; point < offsets; point++) {
        if (node_state_of(hnsw, point) == NODE_LINKED) {
            put_row(hnsw, point, 0, out);
        }
    }
}

static void put_upper_rows(const struct hnsw *hnsw, uint32_t offsets, struct buffer *out)
{
    for (point_offset point = 0; point < offsets; point++) {
        uint32_t top = node_state_of(hnsw, point) == NODE_LINKED ? level_of(hnsw, point) : 0;
        for (uint32_t level = 1; level <= top; level++) {
            put_row(hnsw, point, level, out);
        }
    }
}

enum status hnsw_save(const struct vindex *index, struct buffer *out, struct error *err)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    static void (*const put_section[SECTIONS])(const struct hnsw *, uint32_t, struct buffer *) = {
        put_nodes, put_rows0, put_upper_rows};
    uint32_t offsets = atomic_load_explicit(&hnsw->linked, memory_order_acquire);
    size_t start = out->size;
    buffer_append_u32(out, MAGIC);
    buffer_append_u32(out, HNSW_FORMAT_VERSION);
    buffer_append_u32(out, hnsw->m);
    buffer_append_u32(out, hnsw->ef_construct);
    buffer_append_u64(out, hnsw->seed);
    buffer_append_u32(out, (uint32_t)hnsw->vectors->dim);
    buffer_append_u32(out, (uint32_t)hnsw->vectors->distance << 8 | hnsw->vectors->element);
    buffer_append_u32(out, offsets);
    buffer_append_u32(out, atomic_load_explicit(&hnsw->in_graph, memory_order_relaxed));
    buffer_append_u64(out, atomic_load_explicit(&hnsw->entry, memory_order_acquire));
    put_checksum(out, start);
    for (size_t i = 0; i < SECTIONS; i++) {
        size_t head = out->size;
        buffer_append_u64(out, 0);
        buffer_append_u64(out, 0);
        put_section[i](hnsw, offsets, out);
        if (!out->failed) {
            size_t size = out->size - head - SECTION_HEAD;
            struct slice body = slice_of(out->data + head + SECTION_HEAD, size);
            put_u64_at(out, head, size);
            put_u64_at(out, head + 8, checksum64(body));
        }
    }
    put_checksum(out, start);
    return out->failed ? error_set(err, STATUS_TOO_LARGE, "no room for the index image")
                       : STATUS_OK;
}

struct loading {
    struct hnsw *hnsw;
    struct reader reader;
    uint32_t offsets, nodes;
    uint64_t entry;
};

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, "the hnsw index image is damaged: %s", what);
}

static enum status load_head(struct loading *loading, struct slice image, struct error *err)
{
    const struct hnsw *hnsw = loading->hnsw;
    struct reader *reader = &loading->reader;
    bool ours = reader_u32(reader) == MAGIC && reader_u32(reader) == HNSW_FORMAT_VERSION;
    if (!ours || reader->failed) {
        return corrupt(err, "not of this format");
    }
    bool same = reader_u32(reader) == hnsw->m;
    same = reader_u32(reader) == hnsw->ef_construct && same;
    same = reader_u64(reader) == hnsw->seed && same;
    same = reader_u32(reader) == hnsw->vectors->dim && same;
    uint32_t kind = (uint32_t)hnsw->vectors->distance << 8 | hnsw->vectors->element;
    same = reader_u32(reader) == kind && same;
    loading->offsets = reader_u32(reader);
    loading->nodes = reader_u32(reader);
    loading->entry = reader_u64(reader);
    size_t head = (size_t)(reader->at - image.data);
    uint64_t sum = reader_u64(reader);
    if (reader->failed || sum != checksum64(slice_of(image.data, head))) {
        return corrupt(err, "its head");
    }
    if (!same) {
        return error_set(err, STATUS_CORRUPT, "the hnsw index image has other parameters");
    }
    if (loading->offsets > vectors_count(hnsw->vectors) || loading->offsets > OFFSETS_MAX) {
        return corrupt(err, "it has more points than there are vectors");
    }
    return STATUS_OK;
}

static enum status next_section(struct loading *loading, struct reader *out, struct error *err)
{
    uint64_t size = reader_u64(&loading->reader);
    uint64_t sum = reader_u64(&loading->reader);
    if (loading->reader.failed || size > reader_left(&loading->reader)) {
        return corrupt(err, "a section is cut off");
    }
    struct slice bytes = reader_bytes(&loading->reader, size);
    if (checksum64(bytes) != sum) {
        return corrupt(err, "a section's checksum");
    }
    reader_init(out, bytes);
    return STATUS_OK;
}

static enum status load_nodes(struct loading *loading, struct reader *section, struct error *err)
{
    struct hnsw *hnsw = loading->hnsw;
    enum status status = rows_grow(hnsw, loading->offsets, err);
    uint32_t nodes = 0;
    uint8_t byte = 0;
    for (point_offset point = 0; status == STATUS_OK && point < loading->offsets; point++) {
        byte = point % 8 == 0 ? reader_u8(section) : byte;
        bool linked = (byte >> (point % 8) & 1) != 0;
        nodes += linked;
        if (linked) {
            status = upper_rows_allot(hnsw, point, err);
        }
        atomic_store_explicit(&node_at(hnsw, point)->state, linked ? NODE_LINKED : NODE_LEFT_OUT,
                              memory_order_relaxed);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (section->failed || reader_left(section) != 0 || nodes != loading->nodes) {
        return corrupt(err, "its nodes");
    }
    bool none = loading->entry == NO_ENTRY;
    point_offset entry = (point_offset)loading->entry;
    if (none ? nodes > 0
             : (entry >= loading->offsets || node_state_of(hnsw, entry) != NODE_LINKED ||
                level_of(hnsw, entry) != loading->entry >> 32)) {
        return corrupt(err, "its entry");
    }
    return STATUS_OK;
}

static bool load_row(struct loading *loading, struct reader *section, point_offset point,
                     uint32_t level)
{
    struct hnsw *hnsw = loading->hnsw;
    _Atomic uint32_t *row = row_at(hnsw, point, level);
    uint32_t count = reader_u8(section);
    count |= (uint32_t)reader_u8(section) << 8;
    if (count > row_capacity(hnsw, level)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        point_offset id = reader_u32(section);
        if (section->failed || id >= loading->offsets || id == point ||
            node_state_of(hnsw, id) != NODE_LINKED || level_of(hnsw, id) < level) {
            return false;
        }
        row_set(row, i, id);
    }
    return !section->failed;
}

static enum status load_rows(struct loading *loading, struct reader *section, bool upper,
                             struct error *err)
{
    struct hnsw *hnsw = loading->hnsw;
    for (point_offset point = 0; point < loading->offsets; point++) {
        if (node_state_of(hnsw, point) != NODE_LINKED) {
            continue;
        }
        uint32_t first = upper ? 1 : 0;
        uint32_t last = upper ? level_of(hnsw, point) : 0;
        for (uint32_t level = first; level <= last; level++) {
            if (!load_row(loading, section, point, level)) {
                return corrupt(err, "a row of neighbours");
            }
        }
    }
    return reader_left(section) == 0 ? STATUS_OK : corrupt(err, "bytes after the rows");
}

enum status hnsw_load(struct hnsw *hnsw, struct slice image, struct error *err)
{
    struct loading loading = {.hnsw = hnsw};
    reader_init(&loading.reader, image);
    enum status status = load_head(&loading, image, err);
    for (int i = 0; status == STATUS_OK && i < SECTIONS; i++) {
        struct reader section;
        status = next_section(&loading, &section, err);
        if (status == STATUS_OK) {
            status = i == 0 ? load_nodes(&loading, &section, err)
                            : load_rows(&loading, &section, i == 2, err);
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    size_t whole = (size_t)(loading.reader.at - image.data);
    uint64_t sum = reader_u64(&loading.reader);
    if (loading.reader.failed || reader_left(&loading.reader) != 0 ||
        sum != checksum64(slice_of(image.data, whole))) {
        return corrupt(err, "its checksum");
    }
    atomic_store_explicit(&hnsw->planned, loading.offsets, memory_order_relaxed);
    atomic_store_explicit(&hnsw->claimed, loading.offsets, memory_order_relaxed);
    atomic_store_explicit(&hnsw->linked, loading.offsets, memory_order_relaxed);
    atomic_store_explicit(&hnsw->in_graph, loading.nodes, memory_order_relaxed);
    atomic_store_explicit(&hnsw->entry, loading.entry, memory_order_release);
    return STATUS_OK;
}
