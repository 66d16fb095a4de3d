/* Which index a slot should have.
 *
 * What the client asks for is done: a kind, codes. Where it leaves the choice, a graph serves while
 * there are few points. From LISTS_POINTS_MIN on it is partition lists at first, because they are
 * built in a fraction of a graph's time; once all points are in them, both kinds race on a sample
 * (race.h), and where the graph wins clearly it takes the lists' place. The race is run again when
 * there are RACE_GROWTH times the points. A graph walks over rotated codes of 4 bits unless its
 * rows are bytes already, or so few that they are in the processor's cache anyway.
 *
 * slot_wanted_index is a pure function of the slot; the builder asks it whenever it looks for work.
 */
#include "index/segment/race.h"
#include "index/segment/segment_int.h"
#include "storage/base/logger.h"

enum {
    LISTS_POINTS_MIN = 20000,   /* fewer do not fill lists */
    LISTS_POINTS_LEAVE = 10000, /* lists that shrank below are given up */
    CODES_BYTES_MIN = 8 << 20,  /* smaller sets of rows are walked as they are */
    CODES_HALF_BITS = 8,
    RACE_GROWTH = 4,
};
/* A search's time over the number of points: lists grow with its root, a graph with its logarithm.
 */
static const double LISTS_GROWTH = 0.5;
static const double GRAPH_GROWTH = 0.25;
/* The graph costs more memory and time to build: it must be this much faster. */
static const double GRAPH_ADVANTAGE = 1.2;

struct vector_spec slot_spec(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct vector_spec spec = slot->spec;
    pthread_mutex_unlock(&slot->lock);
    return spec;
}

static bool is_free(const struct vector_spec *spec)
{
    return !spec->kind && spec->m > 0 && spec->quant.kind == QUANT_NONE;
}

/* m = 0 is the contract's way to say: no graph. With payload_m it means graphs inside the groups
 * that a payload value makes; lists serve those as well, for a filter selects within them. */
static const struct vindex_kind *wanted_kind(struct slot *slot, const struct vector_spec *spec,
                                             const struct index_ref *now)
{
    uint64_t points = atomic_load(&slot->present);
    if (spec->kind) {
        return spec->kind;
    }
    if (spec->m == 0) {
        return spec->payload_m == 0 ? &vindex_flat : &vindex_ivfpq;
    }
    bool has_lists = now && now->spec.kind == &vindex_ivfpq;
    if (!is_free(spec) || points < (has_lists ? LISTS_POINTS_LEAVE : LISTS_POINTS_MIN)) {
        return &vindex_hnsw;
    }
    const struct vindex_kind *chosen = atomic_load(&slot->chosen);
    return chosen ? chosen : &vindex_ivfpq;
}

static struct vindex_params graph_params(struct slot *slot, const struct vector_spec *spec,
                                         const struct index_ref *now)
{
    struct vindex_params params = {.m = spec->m,
                                   .ef_construct = spec->ef_construct,
                                   .seed = SEGMENT_INDEX_SEED,
                                   .quant = spec->quant,
                                   .cold = spec->placement == PLACEMENT_COLD};
    bool had_codes =
        now && now->spec.kind == &vindex_hnsw && now->spec.params.quant.kind != QUANT_NONE;
    uint64_t bytes = (uint64_t)atomic_load(&slot->present) * vector_bytes(slot);
    if (spec->quant.kind == QUANT_NONE && (had_codes || bytes >= CODES_BYTES_MIN) &&
        spec->element != ELEMENT_U8 && spec->element != ELEMENT_TURBO4) {
        params.quant = (struct quant_params){.kind = QUANT_ROTATED, .half_bits = CODES_HALF_BITS};
    }
    return params;
}

struct index_spec slot_wanted_index(struct slot *slot, const struct index_ref *now)
{
    struct vector_spec spec = slot_spec(slot);
    struct index_spec wanted = {
        .kind = wanted_kind(slot, &spec, now),
        .params = {.seed = SEGMENT_INDEX_SEED, .cold = spec.placement == PLACEMENT_COLD}};
    if (wanted.kind == &vindex_hnsw) {
        wanted.params = graph_params(slot, &spec, now);
    }
    return wanted;
}

bool slot_race_due(struct slot *slot)
{
    struct vector_spec spec = slot_spec(slot);
    uint64_t points = atomic_load(&slot->present);
    return is_free(&spec) && spec.placement != PLACEMENT_COLD && points >= LISTS_POINTS_MIN &&
           points >= (uint64_t)RACE_GROWTH * atomic_load(&slot->raced_at);
}

void slot_note_choice(struct slot *slot, const struct vindex_kind *kind)
{
    struct vector_spec spec = slot_spec(slot);
    if (is_free(&spec) && atomic_load(&slot->present) >= LISTS_POINTS_MIN) {
        atomic_store(&slot->chosen, kind);
        atomic_store(&slot->raced_at, atomic_load(&slot->present));
    }
}

enum status slot_race(struct segment *segment, struct slot *slot, const atomic_bool *cancelled,
                      struct error *err)
{
    enum { LISTS, GRAPH };
    struct vector_spec spec = slot_spec(slot);
    unsigned points = atomic_load(&slot->present);
    struct contender contenders[] = {
        [LISTS] = {.kind = &vindex_ivfpq,
                   .params = {.seed = SEGMENT_INDEX_SEED},
                   .growth = LISTS_GROWTH},
        [GRAPH] = {.kind = &vindex_hnsw,
                   .params = graph_params(slot, &spec, NULL),
                   .growth = GRAPH_GROWTH},
    };
    struct race race = {.vectors = &slot->vectors,
                        .threads = segment->build_threads,
                        .cancelled = cancelled,
                        .contenders = contenders,
                        .count = sizeof(contenders) / sizeof(contenders[0])};
    enum status status = race_run(&race, err);
    const double lists_us = contenders[LISTS].time_us;
    const double graph_us = contenders[GRAPH].time_us;
    if (status == STATUS_CANCELLED) {
        return status;
    }
    bool graph = graph_us > 0 && (!(lists_us > 0) || graph_us * GRAPH_ADVANTAGE < lists_us);
    if (status == STATUS_OK) {
        log_info(
            "index/segment",
            "collection %u: a search in %u vectors would take %.0f us with lists, %.0f us with "
            "a graph: %s",
            segment->collection, points, lists_us, graph_us, graph ? "a graph" : "lists");
    }
    atomic_store(&slot->chosen, graph ? &vindex_hnsw : &vindex_ivfpq);
    atomic_store(&slot->raced_at, points);
    return STATUS_OK;
}

bool index_spec_equal(const struct index_spec *a, const struct index_spec *b)
{
    return a->kind == b->kind && a->params.m == b->params.m &&
           a->params.ef_construct == b->params.ef_construct && a->params.cold == b->params.cold &&
           quant_params_equal(&a->params.quant, &b->params.quant);
}
