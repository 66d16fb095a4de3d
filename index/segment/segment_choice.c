/* Which index a slot should have.
 *
 * What the client asks for is done: a kind, codes. Where it leaves the choice, partition lists
 * serve collections of some size, because they are built in a fraction of a graph's time, need a
 * fraction of its memory and answer faster (the figures are in tests/bench/README.md); while there
 * are too few points to train lists, and where codes of a certain make are asked for, it is a
 * graph. A graph walks over codes unless it is small enough to be in the processor's cache anyway.
 *
 * Pure functions of the slot; the builder asks them whenever it looks for work. */
#include "index/segment/segment_int.h"

enum {
    LISTS_POINTS_MIN = 20000,   /* fewer do not fill lists */
    LISTS_POINTS_LEAVE = 10000, /* lists that shrank below are given up */
    CODES_BYTES_MIN = 8 << 20,  /* smaller sets of rows are walked as they are */
};

struct vector_spec slot_spec(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct vector_spec spec = slot->spec;
    pthread_mutex_unlock(&slot->lock);
    return spec;
}

/* m = 0 is the contract's way to say: no graph. With payload_m it means graphs inside the groups
 * that a payload value makes; lists serve those as well, for a filter selects within them. */
static const struct vindex_kind *wanted_kind(const struct vector_spec *spec, uint64_t points,
                                             const struct index_ref *now)
{
    if (spec->kind) {
        return spec->kind;
    }
    const struct vindex_kind *lists = vindex_kind_find("ivfpq");
    if (spec->m == 0) {
        return spec->payload_m == 0 || !lists ? &vindex_flat : lists;
    }
    bool has_lists = now && now->spec.kind == lists;
    bool enough = points >= (has_lists ? LISTS_POINTS_LEAVE : LISTS_POINTS_MIN);
    return lists && enough && spec->quant.kind == QUANT_NONE ? lists : &vindex_hnsw;
}

struct index_spec slot_wanted_index(struct slot *slot, const struct index_ref *now)
{
    struct vector_spec spec = slot_spec(slot);
    uint64_t points = atomic_load(&slot->present);
    struct index_spec wanted = {
        .kind = wanted_kind(&spec, points, now),
        .params = {.seed = SEGMENT_INDEX_SEED, .cold = spec.placement == PLACEMENT_COLD}};
    if (wanted.kind == &vindex_hnsw) {
        wanted.params.m = spec.m;
        wanted.params.ef_construct = spec.ef_construct;
        wanted.params.quant = spec.quant;
        bool had_codes =
            now && now->spec.kind == &vindex_hnsw && now->spec.params.quant.kind != QUANT_NONE;
        if (spec.quant.kind == QUANT_NONE &&
            (had_codes || points * vector_bytes(slot) >= CODES_BYTES_MIN) &&
            spec.element != ELEMENT_U8 && spec.element != ELEMENT_TURBO4) {
            wanted.params.quant = (struct quant_params){.kind = QUANT_SCALAR};
        }
    }
    return wanted;
}

bool index_spec_equal(const struct index_spec *a, const struct index_spec *b)
{
    return a->kind == b->kind && a->params.m == b->params.m &&
           a->params.ef_construct == b->params.ef_construct && a->params.cold == b->params.cold &&
           quant_params_equal(&a->params.quant, &b->params.quant);
}
