/* Codes of one to eight bits a dimension around a centre: what the kinds `binary` and `rotated`
 * share. The first rotates nothing and takes a coarse query, the second is RaBitQ. */
#pragma once
#include "index/kernel/rotation.h"
#include "index/quant/quant_int.h"

enum { BITS_HIGH_MAX = 3, BITS_LEVELS_MAX = 256 };

/* How the levels of a row lie in its code, after the factors. */
struct bits_layout {
    size_t dim;
    uint32_t half_bits;
    uint32_t bits;   /* of a level: 2 for half_bits 3 */
    size_t factors;  /* bytes before the levels */
    size_t half_dim; /* half_bits 3: dimensions of the first half, */
    size_t half_at;  /* and the place of the second half's first bit among those of s */
    struct code_shape main;
    enum code_sum sum;
    size_t high_count; /* bits 5 to 7: the bits above the low four, a plane each */
    struct code_shape high[BITS_HIGH_MAX];
};

struct bits {
    struct quantizer base;
    struct bits_layout layout;
    bool rotated;
    uint32_t query_planes; /* 0: the query has bytes */
    uint64_t seed;         /* of the rotation */
    struct rotation rotation;
    float *centre; /* not rotated */
    float step;    /* Manhattan: what one of 256 levels is wide */
    const struct code_kernel *kernel, *high_kernel, *levels_kernel;
};

static inline const struct bits *bits_of(const struct quantizer *quantizer)
{
    return (const struct bits *)(const void *)quantizer;
}

void bits_layout_init(struct bits_layout *layout, size_t dim, uint32_t half_bits, size_t factors);
/* A byte a dimension to and from a code (behind its factors; unused bits become zero). For
 * half_bits 3 levels are such that of each pair one is 0 or 3, the other 1 or 2. */
void bits_pack(const struct bits_layout *layout, const uint8_t *levels, void *code);
void bits_unpack(const struct bits_layout *layout, const void *code, uint8_t *levels);
/* The bit of dimension d among those of s. */
static inline size_t bits_place(const struct bits_layout *layout, size_t d)
{
    return layout->half_bits != 3 || d < layout->half_dim ? d
                                                          : layout->half_at + d - layout->half_dim;
}
/* How many bits the planes of a query cover. */
size_t bits_places(const struct bits_layout *layout);
/* The centred row's levels with steps of `step`. */
void bits_levels(const struct bits_layout *layout, const float *row, float step, uint8_t *levels);
/* The step that suits normally distributed values of deviation 1 best. */
float bits_normal_step(uint32_t bits);

/* Memory for floats and bytes of a row, on the stack when it fits. */
enum { BITS_STACK_DIM = 2048 };
struct bits_scratch {
    float *row;     /* dim */
    int8_t *levels; /* dim, or dim + 64 */
    float floats[BITS_STACK_DIM];
    int8_t bytes[BITS_STACK_DIM];
};
void bits_scratch_init(struct bits_scratch *scratch, size_t dim);
void bits_scratch_deinit(struct bits_scratch *scratch);

/* The kinds' functions. */
enum status bits_init(struct quantizer *quantizer, struct error *err);
enum status bits_train(struct quantizer *quantizer, const struct sample *sample, struct error *err);
void bits_deinit(struct quantizer *quantizer);
void bits_encode(const struct quantizer *quantizer, const float *row, void *code);
void bits_decode(const struct quantizer *quantizer, const void *code, float *out);
void bits_query(const struct quantizer *quantizer, const float *row, void *state);
void bits_many(const struct quantizer *quantizer, const void *state, const void *const *codes,
               size_t count, float *out);
void bits_units(const struct quantizer *quantizer, const void *state, const void *const *codes,
                size_t count, const float *estimates, float *units);
/* With half_bits 2, 3 and 4. */
double bits_oversampling(const struct quantizer *quantizer);
void bits_save(const struct quantizer *quantizer, struct buffer *out);
enum status bits_load(struct quantizer *quantizer, struct reader *reader, struct error *err);

/* Manhattan, see quant_bits_manhattan.c. */
void bits_manhattan_train(struct bits *bits, const struct sample *sample);
void bits_manhattan_encode(const struct bits *bits, const float *row, void *code);
void bits_manhattan_decode(const struct bits *bits, const void *code, float *out);
void bits_manhattan_query(const struct bits *bits, const float *row, void *state);
void bits_manhattan_many(const struct bits *bits, const void *state, const void *const *codes,
                         size_t count, float *out);
size_t bits_manhattan_state_bytes(const struct bits *bits);
