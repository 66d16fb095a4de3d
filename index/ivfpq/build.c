/* Building: all points below job->until into the index, by training or by appending.
 *
 * The first points, and every fourfold growth since, train a table of all points; others are
 * appended some thousands at a time, so that a cancelled build keeps what is done. Vacuum copies
 * the lists without their dead points to a new region.
 *
 * Threads: one builder; searches go on over the tables they hold. Failures: CANCELLED, TOO_LARGE;
 * the index stays valid. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

enum { APPEND_POINTS = 16384 };

static bool is_skipped(const struct build_job *job, point_offset point)
{
    return job->skip != NULL && job->skip(job->ctx, point);
}

/* Present and not skipped points from `from` on, at most `most`; *next is where to go on. */
static size_t collect(const struct ivfpq *ivfpq, const struct build_job *job, point_offset from,
                      size_t most, point_offset *points, point_offset *next)
{
    size_t count = 0;
    point_offset point = from;
    for (; point < job->until && count < most; point++) {
        if (vectors_has(ivfpq->vectors, point) && !is_skipped(job, point)) {
            points[count++] = point;
        }
    }
    *next = point;
    return count;
}

static void show_progress(const struct build_job *job, point_offset linked)
{
    if (job->progress != NULL) {
        atomic_store_explicit(job->progress, linked, memory_order_relaxed);
    }
}

static enum status train_all(struct ivfpq *ivfpq, const struct build_job *job, struct error *err)
{
    point_offset *points = mem_try_alloc(job->until * sizeof *points);
    if (points == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to train an index");
    }
    point_offset next;
    size_t count = collect(ivfpq, job, 0, job->until, points, &next);
    struct table *table = NULL;
    enum status status = STATUS_OK;
    show_progress(job, 0);
    if (count > 0) {
        status = ivfpq_train(ivfpq, job, points, count, &table, err);
    } else {
        table = table_create(ivfpq->folder, 0);
        if (table == NULL) {
            status = error_set(err, STATUS_TOO_LARGE, "no memory for an index");
        }
    }
    mem_free(points);
    if (status == STATUS_OK) {
        table->linked = job->until;
        table_publish(ivfpq, table);
        show_progress(job, job->until);
    }
    return status;
}

static enum status append_some(struct ivfpq *ivfpq, const struct build_job *job,
                               const struct table *table, point_offset *points, struct error *err)
{
    point_offset next;
    size_t count = collect(ivfpq, job, table->linked, APPEND_POINTS, points, &next);
    struct table *grown = NULL;
    enum status status = ivfpq_append(ivfpq, job, table, points, count, &grown, err);
    if (status == STATUS_OK) {
        grown->linked = next;
        table_publish(ivfpq, grown);
        show_progress(job, next);
    }
    return status;
}

static enum status append_all(struct ivfpq *ivfpq, const struct build_job *job, struct error *err)
{
    point_offset *points = mem_alloc(APPEND_POINTS * sizeof *points);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && ivfpq->current->linked < job->until) {
        if (job->cancelled != NULL && atomic_load_explicit(job->cancelled, memory_order_relaxed)) {
            status = error_set(err, STATUS_CANCELLED, "the build was cancelled");
            break;
        }
        struct table *table = table_pin(ivfpq);
        status = append_some(ivfpq, job, table, points, err);
        table_unref(table);
    }
    mem_free(points);
    return status;
}

enum status ivfpq_build(struct vindex *index, struct build_job *job, struct error *err)
{
    struct ivfpq *ivfpq = (struct ivfpq *)index;
    ASSERT(job->until <= vectors_count(ivfpq->vectors));
    const struct table *table = ivfpq->current; /* only the builder changes it */
    if (job->until <= table->linked) {
        return STATUS_OK;
    }
    uint64_t coming = (uint64_t)table->entries + (job->until - table->linked);
    bool retrain =
        table->entries == 0 || coming >= (uint64_t)RETRAIN_GROWTH * table->model.head.trained_count;
    return retrain ? train_all(ivfpq, job, err) : append_all(ivfpq, job, err);
}

/* The list's points that stay, in memory of their own layout. */
static struct list copy_living(const struct model *model, const struct build_job *job,
                               const struct list *from, uint8_t *bytes, size_t living)
{
    size_t pairs = model->fine.subs / 2;
    bool square = model->space == SPACE_SQUARE;
    size_t block_bytes = fastscan_block_bytes(pairs, square);
    size_t rest_bytes = (model->dim + 1) / 2;
    struct list list = list_at(model, bytes, living);
    uint32_t to = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        if (is_skipped(job, from->points[i])) {
            continue;
        }
        const uint8_t *source = from->blocks + i / FASTSCAN_BLOCK * block_bytes;
        uint8_t *block = (uint8_t *)list.blocks + to / FASTSCAN_BLOCK * block_bytes;
        for (size_t s = 0; s < model->fine.subs; s++) {
            fastscan_put(block, to % FASTSCAN_BLOCK, s,
                         fastscan_code(source, i % FASTSCAN_BLOCK, s));
        }
        if (square) {
            block[pairs * FASTSCAN_BLOCK + to % FASTSCAN_BLOCK] =
                source[pairs * FASTSCAN_BLOCK + i % FASTSCAN_BLOCK];
            ((float *)list.addends)[to] = from->addends[i];
        }
        memcpy((uint8_t *)list.rests + to * rest_bytes, from->rests + i * rest_bytes, rest_bytes);
        ((point_offset *)list.points)[to++] = from->points[i];
    }
    ASSERT(to == living);
    return list;
}

static bool copy_all_living(struct table *table, const struct build_job *job,
                            const uint32_t *living)
{
    size_t total = 0;
    for (size_t i = 0; i < table->lists_count; i++) {
        total += list_layout(&table->model, living[i]).total;
    }
    struct memory *region = memory_create(table->folder, total);
    if (region == NULL) {
        return false;
    }
    uint8_t *at = region->bytes;
    table->entries = 0;
    table->list_max = 0;
    for (size_t i = 0; i < table->lists_count; i++) {
        struct list *list = &table->lists[i];
        struct memory *own = list->memory;
        *list = copy_living(&table->model, job, list, at, living[i]);
        memory_unref(own);
        at += list_layout(&table->model, living[i]).total;
        table->entries += living[i];
        table->list_max = living[i] > table->list_max ? living[i] : table->list_max;
    }
    memory_unref(table->region);
    table->region = region;
    table->region_bytes = total;
    table->own_bytes = 0;
    return true;
}

enum status ivfpq_vacuum(struct vindex *index, struct build_job *job, struct error *err)
{
    struct ivfpq *ivfpq = (struct ivfpq *)index;
    const struct table *current = ivfpq->current;
    uint32_t *living = mem_zalloc((current->lists_count + 1) * sizeof *living);
    uint32_t entries = 0;
    for (size_t i = 0; i < current->lists_count; i++) {
        const struct list *list = &current->lists[i];
        for (uint32_t p = 0; p < list->count; p++) {
            living[i] += !is_skipped(job, list->points[p]);
        }
        entries += living[i];
    }
    enum status status = STATUS_OK;
    if (entries < current->entries) {
        struct table *table = table_copy(current, current->lists_count);
        if (table == NULL || !copy_all_living(table, job, living)) {
            table_unref(table);
            status = error_set(err, STATUS_TOO_LARGE, "no memory to copy an index");
        } else {
            table_publish(ivfpq, table);
        }
    }
    mem_free(living);
    return status;
}
