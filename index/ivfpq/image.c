/* The image of an index, used in place when opened.
 *
 * Layout, little-endian, every part beginning at a multiple of 4096 and filled with zeros:
 *   head:    0 u32 magic "IVPQ"   4 u32 format version   8 u32 dim  12 u32 distance << 8 | element
 *           16 u64 seed          24 u32 offsets done    28 u32 entries   32 u64 lists
 *           40 u64 checksum of the parts after the head, 4088 u64 checksum of the head before it
 *   model:   struct model_head and the arrays of model_place
 *   coarse:  centroids and their blocks
 *   counts:  u32 a list
 *   lists:   one after another as list_at has them
 * Whatever was built, equal contents give equal bytes.
 *
 * Loading trusts nothing: besides the checksums, sizes follow from counts that are checked against
 * the image, ids are below the offsets done, floats are finite. Codes may be any bytes.
 *
 * Threads: saving runs beside searches and builds, for it holds a table. Failures: CORRUPT. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <math.h>
#include <string.h>

static const uint32_t MAGIC = 0x51505649;
enum { PAGE_BYTES = 4096, HEAD_SUM_AT = PAGE_BYTES - 8, LISTS_MAX = 1 << 28 };

static void put_padding(struct buffer *out, size_t start)
{
    static const uint8_t zeros[PAGE_BYTES];
    size_t used = (out->size - start) % PAGE_BYTES;
    buffer_append(out, zeros, used > 0 ? PAGE_BYTES - used : 0);
}

static void put_u64_at(struct buffer *out, size_t at, uint64_t value)
{
    for (size_t i = 0; i < 8 && !out->failed; i++) {
        out->data[at + i] = (uint8_t)(value >> (8 * i));
    }
}

static void put_model(const struct table *table, struct buffer *out)
{
    const struct model *model = &table->model;
    size_t size = model_bytes(model->space, model->dim);
    uint8_t *bytes = mem_zalloc(size);
    struct model copy;
    model_place(&copy, model->space, model->dim, bytes);
    memcpy(bytes, &model->head, sizeof model->head);
    memcpy((float *)copy.mean, model->mean, model->dim * sizeof(float));
    memcpy((float *)copy.rest_step, model->rest_step, model->dim * sizeof(float));
    memcpy((float *)copy.fine.words, model->fine.words, pq_words(&model->fine) * sizeof(float));
    memcpy((float *)copy.coarse.words, model->coarse.words,
           pq_words(&model->coarse) * sizeof(float));
    buffer_append(out, bytes, size);
    mem_free(bytes);
}

static void put_lists(const struct table *table, struct buffer *out, size_t start)
{
    for (size_t i = 0; i < table->lists_count; i++) {
        buffer_append_u32(out, table->lists[i].count);
    }
    put_padding(out, start);
    for (size_t i = 0; i < table->lists_count; i++) {
        const struct list *list = &table->lists[i];
        buffer_append(out, list->blocks, list_layout(&table->model, list->count).total);
    }
    put_padding(out, start);
}

static void put_image(const struct ivfpq *ivfpq, const struct table *table, struct buffer *out)
{
    size_t start = out->size;
    buffer_append_u32(out, MAGIC);
    buffer_append_u32(out, IVFPQ_FORMAT_VERSION);
    buffer_append_u32(out, (uint32_t)ivfpq->vectors->dim);
    buffer_append_u32(out, (uint32_t)ivfpq->vectors->distance << 8 | ivfpq->vectors->element);
    buffer_append_u64(out, ivfpq->seed);
    buffer_append_u32(out, table->linked);
    buffer_append_u32(out, table->entries);
    buffer_append_u64(out, table->lists_count);
    buffer_append_u64(out, 0);
    put_padding(out, start);
    size_t body = out->size;
    if (table->lists_count > 0) {
        put_model(table, out);
        put_padding(out, start);
        buffer_append(out, table->coarse.centroids,
                      coarse_bytes(&table->model, table->coarse.count));
        put_padding(out, start);
        put_lists(table, out, start);
    }
    if (!out->failed) {
        put_u64_at(out, start + 40, checksum64(slice_of(out->data + body, out->size - body)));
        put_u64_at(out, start + HEAD_SUM_AT, checksum64(slice_of(out->data + start, HEAD_SUM_AT)));
    }
}

enum status ivfpq_save(const struct vindex *index, struct buffer *out, struct error *err)
{
    const struct ivfpq *ivfpq = (const struct ivfpq *)index;
    struct table *table = table_pin(ivfpq);
    put_image(ivfpq, table, out);
    table_unref(table);
    return out->failed ? error_set(err, STATUS_TOO_LARGE, "no room for the index image")
                       : STATUS_OK;
}

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, "the ivfpq index image is damaged: %s", what);
}

struct loading {
    const struct ivfpq *ivfpq;
    struct reader reader;
    struct slice image;
    uint32_t linked, entries;
    uint64_t lists;
};

static enum status load_head(struct loading *loading, struct error *err)
{
    const struct vectors *vectors = loading->ivfpq->vectors;
    struct slice head = {loading->image.data, PAGE_BYTES};
    if (loading->image.size < PAGE_BYTES) {
        return corrupt(err, "its head is cut off");
    }
    struct reader reader;
    reader_init(&reader, slice_of(head.data + HEAD_SUM_AT, 8));
    if (reader_u64(&reader) != checksum64(slice_of(head.data, HEAD_SUM_AT))) {
        return corrupt(err, "its head");
    }
    reader_init(&reader, head);
    if (reader_u32(&reader) != MAGIC || reader_u32(&reader) != IVFPQ_FORMAT_VERSION) {
        return corrupt(err, "not of this format");
    }
    bool same = reader_u32(&reader) == vectors->dim;
    same = reader_u32(&reader) == ((uint32_t)vectors->distance << 8 | vectors->element) && same;
    same = reader_u64(&reader) == loading->ivfpq->seed && same;
    if (!same) {
        return error_set(err, STATUS_CORRUPT, "the ivfpq index image has other parameters");
    }
    loading->linked = reader_u32(&reader);
    loading->entries = reader_u32(&reader);
    loading->lists = reader_u64(&reader);
    uint64_t sum = reader_u64(&reader);
    struct slice body = slice_of(head.data + PAGE_BYTES, loading->image.size - PAGE_BYTES);
    if (sum != checksum64(body)) {
        return corrupt(err, "its checksum");
    }
    if (loading->linked > vectors_count(vectors) || loading->lists > LISTS_MAX ||
        (loading->lists == 0) != (loading->entries == 0)) {
        return corrupt(err, "its counts");
    }
    reader_init(&loading->reader, body);
    return STATUS_OK;
}

/* A part of `size` bytes and its padding; NULL: cut off. */
static const uint8_t *next_part(struct loading *loading, size_t size)
{
    if (size > reader_left(&loading->reader)) {
        return NULL;
    }
    struct slice part = reader_bytes(&loading->reader, size);
    size_t used = (size_t)(loading->reader.at - loading->image.data) % PAGE_BYTES;
    size_t padding = used > 0 ? PAGE_BYTES - used : 0;
    if (padding > reader_left(&loading->reader)) {
        return NULL;
    }
    (void)reader_bytes(&loading->reader, padding);
    return part.data;
}

static bool all_finite(const float *values, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        finite = isfinite(values[i]) && finite;
    }
    return finite;
}

static bool is_sound(const struct model *model)
{
    const struct model_head *head = &model->head;
    bool sound = head->trained_count > 0 && head->probes_default > 0 && head->keep_default > 0 &&
                 isfinite(head->rest_error) && head->rest_error >= 0 && isfinite(head->reach) &&
                 head->reach >= 0 && isfinite(head->usual_distance) && head->usual_distance >= 0;
    const struct addends *addends[] = {&head->addends, &head->coarse_addends};
    for (int i = 0; i < 2; i++) {
        sound = sound && isfinite(addends[i]->low) && isfinite(addends[i]->step) &&
                addends[i]->step > 0;
    }
    sound = sound && all_finite(model->mean, model->dim) &&
            all_finite(model->rest_step, model->dim) &&
            all_finite(model->fine.words, pq_words(&model->fine)) &&
            all_finite(model->coarse.words, pq_words(&model->coarse));
    for (size_t d = 0; d < model->dim && sound; d++) {
        sound = model->rest_step[d] > 0;
    }
    return sound;
}

static enum status load_model(struct loading *loading, struct table *table, struct error *err)
{
    const struct vectors *vectors = loading->ivfpq->vectors;
    enum space space = space_of(vectors->distance);
    const uint8_t *bytes = next_part(loading, model_bytes(space, vectors->dim));
    if (bytes == NULL) {
        return corrupt(err, "its model is cut off");
    }
    model_place(&table->model, space, vectors->dim, (uint8_t *)bytes);
    if (!is_sound(&table->model)) {
        return corrupt(err, "its model");
    }
    /* A list has a centroid and a count, so sizes cannot overflow once they have been compared. */
    if (loading->lists > reader_left(&loading->reader) / (vectors->dim * sizeof(float))) {
        return corrupt(err, "its centroids are cut off");
    }
    size_t count = loading->lists;
    bytes = next_part(loading, coarse_bytes(&table->model, count));
    if (bytes == NULL) {
        return corrupt(err, "its centroids are cut off");
    }
    coarse_place(&table->coarse, &table->model, (uint8_t *)bytes, count);
    return all_finite(table->coarse.centroids, count * vectors->dim) &&
                   all_finite(table->coarse.spreads, count)
               ? STATUS_OK
               : corrupt(err, "its centroids");
}

static bool are_below(const point_offset *points, uint32_t count, point_offset linked)
{
    bool below = true;
    for (uint32_t i = 0; i < count; i++) {
        below = points[i] < linked && below;
    }
    return below;
}

static enum status load_lists(struct loading *loading, struct table *table, struct error *err)
{
    const uint8_t *counts = next_part(loading, table->lists_count * sizeof(uint32_t));
    if (counts == NULL) {
        return corrupt(err, "its counts are cut off");
    }
    struct reader reader;
    reader_init(&reader, slice_of(counts, table->lists_count * sizeof(uint32_t)));
    uint64_t entries = 0;
    const uint8_t *start = loading->reader.at;
    for (size_t i = 0; i < table->lists_count; i++) {
        uint32_t count = reader_u32(&reader);
        size_t size = list_layout(&table->model, count).total;
        if (size > reader_left(&loading->reader)) {
            return corrupt(err, "a list is cut off");
        }
        struct list *list = &table->lists[i];
        *list = list_at(&table->model, (uint8_t *)loading->reader.at, count);
        (void)reader_bytes(&loading->reader, size);
        if (!are_below(list->points, count, loading->linked)) {
            return corrupt(err, "a point of a list");
        }
        if (list->addends != NULL && !all_finite(list->addends, count)) {
            return corrupt(err, "an addend of a list");
        }
        entries += count;
        table->list_max = count > table->list_max ? count : table->list_max;
    }
    if (entries != loading->entries) {
        return corrupt(err, "its entries");
    }
    table->region_bytes = (size_t)(loading->reader.at - start);
    return next_part(loading, 0) != NULL ? STATUS_OK : corrupt(err, "its end is cut off");
}

enum status ivfpq_load(struct ivfpq *ivfpq, struct slice image, struct error *err)
{
    struct loading loading = {.ivfpq = ivfpq, .image = image};
    enum status status = load_head(&loading, err);
    if (status != STATUS_OK) {
        return status;
    }
    /* Memory for the table only after the centroids have shown that there are so many lists. */
    struct table *head = mem_zalloc(sizeof *head);
    if (loading.lists > 0) {
        status = load_model(&loading, head, err);
    }
    struct table *table = status == STATUS_OK ? table_create(ivfpq->folder, loading.lists) : NULL;
    if (status == STATUS_OK && table == NULL) {
        status = error_set(err, STATUS_TOO_LARGE, "no memory for an index");
    }
    if (status == STATUS_OK) {
        table->model = head->model;
        table->coarse = head->coarse;
        table->linked = loading.linked;
        table->entries = loading.entries;
        if (loading.lists > 0) {
            status = load_lists(&loading, table, err);
        }
    }
    mem_free(head);
    if (status == STATUS_OK && reader_left(&loading.reader) != 0) {
        status = corrupt(err, "bytes after its end");
    }
    if (status != STATUS_OK) {
        table_unref(table);
        return status;
    }
    ivfpq->current = table;
    return STATUS_OK;
}
