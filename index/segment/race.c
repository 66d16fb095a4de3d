/* A race between kinds of index on a sample of the vectors.
 *
 * A kind's speed at a recall depends on the data in ways that no formula over size and dimensions
 * tells: on word vectors lists are nearly three times as fast as a graph, on sentence embeddings
 * the graph is twice as fast as lists. So a sample is drawn, each contender built over it, and
 * searched for other points of the collection with rising effort until it finds 0.95 of the true
 * neighbours; its time there, between the two efforts around it, is scaled up to the whole by the
 * contender's growth.
 *
 * Everything is the caller's thread's (builds may use more); memory is the sample's and the
 * indexes'.
 */
#include "index/segment/race.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <math.h>

enum {
    SAMPLE = 20000,
    SAMPLE_MIN = 2000,
    QUERIES = 200,
    LIMIT = 10,
    EFFORT_FIRST = 10,
    EFFORT_LAST = 2000,
    ROUNDS = 3, /* the fastest counts */
    DRAWS_PER_ROW = 64,
};
static const double RECALL = 0.95;
static const uint64_t SEED = 7;

struct course {
    const struct race *race;
    struct vectors sample;
    const void *queries[QUERIES];
    float farthest[QUERIES]; /* distance of the last of the true neighbours */
};

/* Rows drawn without a vector being drawn twice: from even parts of the whole. */
static enum status draw(struct course *course, struct error *err)
{
    const struct vectors *all = course->race->vectors;
    size_t count = vectors_count(all);
    size_t wanted = SAMPLE + QUERIES;
    size_t queries = 0;
    struct random random;
    random_init(&random, SEED);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < wanted && status == STATUS_OK; i++) {
        size_t from = i * count / wanted;
        size_t until = (i + 1) * count / wanted;
        point_offset at = 0;
        bool found = false;
        for (int tries = 0; tries < DRAWS_PER_ROW && !found && until > from; tries++) {
            at = (point_offset)(from + random_below(&random, until - from));
            found = vectors_has(all, at);
        }
        if (!found) {
            continue;
        }
        if (i % (wanted / QUERIES) == 0 && queries < QUERIES) {
            course->queries[queries++] = vectors_at(all, at);
        } else {
            point_offset next = (point_offset)vectors_count(&course->sample);
            status = vectors_put(&course->sample, next, vectors_at(all, at), err);
        }
    }
    if (status == STATUS_OK && (queries < QUERIES || vectors_count(&course->sample) < SAMPLE_MIN)) {
        status = error_set(err, STATUS_BAD_INPUT, "too few vectors to compare kinds of index");
    }
    return status;
}

static void find_truth(struct course *course)
{
    const struct vectors *sample = &course->sample;
    size_t count = vectors_count(sample);
    const void **rows = mem_alloc(count * sizeof(*rows));
    float *distances = mem_alloc(count * sizeof(*distances));
    for (size_t i = 0; i < count; i++) {
        rows[i] = vectors_at(sample, (point_offset)i);
    }
    for (size_t q = 0; q < QUERIES; q++) {
        struct scored items[LIMIT];
        struct topk top;
        topk_init(&top, items, LIMIT, NULL);
        sample->kernel->many(course->queries[q], rows, count, sample->dim, distances);
        for (size_t i = 0; i < count; i++) {
            topk_push(&top, distances[i], (point_offset)i);
        }
        course->farthest[q] = topk_bound(&top);
    }
    mem_free(distances);
    mem_free(rows);
}

struct runner {
    const struct vindex_kind *kind;
    const struct vindex *index;
};
struct lap {
    double recall, time_us; /* of a search */
};

static enum status run_lap(const struct course *course, const struct runner *runner,
                           uint32_t effort, struct lap *out, struct error *err)
{
    out->time_us = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        size_t hits = 0;
        uint64_t began = clock_monotonic_ns();
        for (size_t q = 0; q < QUERIES; q++) {
            struct scored items[LIMIT];
            struct topk top;
            topk_init(&top, items, LIMIT, NULL);
            const struct search_args args = {.query = course->queries[q],
                                             .limit = LIMIT,
                                             .effort = effort,
                                             .cancelled = course->race->cancelled,
                                             .count = UINT32_MAX};
            enum status status = runner->kind->search(runner->index, &args, &top, err);
            if (status != STATUS_OK) {
                return status;
            }
            for (size_t i = 0; i < top.count; i++) {
                hits += items[i].distance <= course->farthest[q];
            }
        }
        double took_us = (double)(clock_monotonic_ns() - began) / 1000.0 / QUERIES;
        out->time_us = took_us < out->time_us ? took_us : out->time_us;
        out->recall = (double)hits / (QUERIES * LIMIT);
    }
    return STATUS_OK;
}

/* The time at the recall asked for, over the sample; 0: not reached. */
static enum status time_at_recall(const struct course *course, const struct runner *runner,
                                  double *time_us, struct error *err)
{
    struct lap last = {0};
    *time_us = 0;
    for (uint32_t effort = EFFORT_FIRST; effort <= EFFORT_LAST; effort += effort / 2) {
        struct lap lap;
        enum status status = run_lap(course, runner, effort, &lap, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (lap.recall >= RECALL) {
            double part = last.time_us > 0 && lap.recall > last.recall
                              ? (RECALL - last.recall) / (lap.recall - last.recall)
                              : 1;
            double before = last.time_us > 0 ? last.time_us : lap.time_us;
            *time_us = before + part * (lap.time_us - before);
            return STATUS_OK;
        }
        last = lap;
    }
    return STATUS_OK;
}

static enum status run_contender(const struct course *course, struct contender *contender,
                                 struct error *err)
{
    const struct race *race = course->race;
    const struct vindex_kind *kind = contender->kind;
    size_t count = vectors_count(&course->sample);
    struct vindex *index = NULL;
    enum status status =
        kind->open(&course->sample, &contender->params, slice_of(NULL, 0), &index, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct build_job job = {
        .threads = race->threads, .cancelled = race->cancelled, .until = (point_offset)count};
    double time_us = 0;
    status = kind->build(index, &job, err);
    if (status == STATUS_OK) {
        const struct runner runner = {.kind = kind, .index = index};
        status = time_at_recall(course, &runner, &time_us, err);
    }
    kind->close(index);
    double scale = (double)vectors_count(race->vectors) / (double)count;
    contender->time_us = scale > 1 ? time_us * pow(scale, contender->growth) : time_us;
    return status;
}

enum status race_run(const struct race *race, struct error *err)
{
    struct course course = {.race = race};
    const struct vectors *all = race->vectors;
    enum status status = vectors_init(&course.sample, all->distance, all->element, all->dim, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = draw(&course, err);
    if (status == STATUS_OK) {
        find_truth(&course);
    }
    for (size_t i = 0; i < race->count && status == STATUS_OK; i++) {
        status = run_contender(&course, &race->contenders[i], err);
    }
    vectors_deinit(&course.sample);
    return status;
}
