/* slice: the point belongs to part `index` of `total` disjoint parts of all ids, so that several
 * readers can share a scroll. The contract fixes the part: SipHash-2-4 (Aumasson and Bernstein,
 * 2012) with a zero key over the id's bytes, a number in 8 little-endian bytes and a UUID in its
 * 16, modulo `total`. An element of a nested condition is in no slice. */
#include "index/filter/filter_int.h"

struct cond_slice {
    struct cond base;
    uint32_t total, index;
};
struct sip {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_rounds(struct sip *sip, unsigned count)
{
    uint64_t *v = sip->v;
    for (unsigned i = 0; i < count; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(struct sip *sip, uint64_t word)
{
    sip->v[3] ^= word;
    sip_rounds(sip, 2);
    sip->v[0] ^= word;
}

static uint64_t id_hash(struct point_id id)
{
    struct sip sip = {{UINT64_C(0x736f6d6570736575), UINT64_C(0x646f72616e646f6d),
                       UINT64_C(0x6c7967656e657261), UINT64_C(0x7465646279746573)}};
    /* Words are read little-endian; a UUID's halves are kept big-endian. */
    if (id.is_uuid) {
        sip_word(&sip, __builtin_bswap64(id.high));
        sip_word(&sip, __builtin_bswap64(id.low));
    } else {
        sip_word(&sip, id.low);
    }
    sip_word(&sip, (uint64_t)(id.is_uuid ? 16 : 8) << 56);
    sip.v[2] ^= 0xff;
    sip_rounds(&sip, 4);
    return sip.v[0] ^ sip.v[1] ^ sip.v[2] ^ sip.v[3];
}

static bool slice_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_slice *self = (const struct cond_slice *)cond;
    return !checker->inside_nested && id_hash(checker->point->id) % self->total == self->index;
}

static const struct cond_kind slice_kind = {.name = "slice", .check = slice_check};

enum status cond_slice_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__SliceCondition *message = wire;
    if (message->total < 1)
        return compiler_refuse(compiler, "slice.total: value 0 invalid, must be 1 or larger");
    if (message->index >= message->total)
        return compiler_refuse(compiler, "slice.index: value %u invalid, must be from 0 to %u",
                               message->index, message->total - 1);
    struct cond_slice *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.kind = &slice_kind;
    self->total = message->total;
    self->index = message->index;
    *out = &self->base;
    return STATUS_OK;
}
