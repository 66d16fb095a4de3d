/* Distance kernels: one table [element][distance], chosen at start for the CPU at hand.
 *
 * Every kernel returns a raw distance where smaller is nearer; `score` turns it into what the API
 * returns. `many` gives bit for bit what `one` gives for each pair, so an index and an exact scan
 * never disagree about a score. Accumulation is in float32 (uint8: int32, exact). A vector holding
 * NaN or infinity never gets this far. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum distance {
    DISTANCE_COSINE,
    DISTANCE_DOT,
    DISTANCE_EUCLID,
    DISTANCE_MANHATTAN,
    DISTANCE_COUNT
};
/* Stored values of a dimension. The numbers are in files; new ones go last.
 * Requests and schemas do not know bfloat16 yet. */
enum element {
    ELEMENT_F32,
    ELEMENT_F16,
    ELEMENT_U8,
    ELEMENT_BF16,
    ELEMENT_TURBO4, /* 4 bits after a rotation, and factors: see turbo4.h */
    ELEMENT_COUNT
};

struct kernel {
    const char *name; /* "euclid/f32/avx2" */
    /* `b` and `vectors` are stored vectors, `a` and `query` may be queries (vector_prepare_query).
     */
    float (*one)(const void *a, const void *b, size_t dim);
    /* out[i] = one(query, vectors[i]); prefetches ahead. */
    void (*many)(const void *query, const void *const *vectors, size_t count, size_t dim,
                 float *out);
};
/* Raw distances: dot and cosine on normalised vectors: minus the dot product; Euclid: squared;
 * Manhattan: the sum. uint8 cosine is not normalised when stored, so its kernel divides by both
 * norms (0 when one is zero). Of turbo4 the distances are those between the restored vectors; its
 * cosine is their dot product. */
void kernel_init(void); /* once, before threads; safe to call again */
const struct kernel *kernel_get(enum distance distance, enum element element);
const struct kernel *kernel_scalar(enum distance distance,
                                   enum element element); /* the reference */
/* Names of the instruction sets: best one in use ("avx2"), for telemetry. */
const char *kernel_isa(void);
/* The sets that this CPU runs, from the plainest to the best; NULL when `index` is past the last.
 */
const char *kernel_set_usable(size_t index);
/* For tests and benchmarks: every cell compiled in for this CPU; false when `index` is past the
 * last. */
bool kernel_cell(size_t index, enum distance *distance, enum element *element,
                 const struct kernel **out);

/* Bytes of a stored vector, and of a query: at least as many. */
size_t row_bytes(enum element element, size_t dim);
size_t query_bytes(enum element element, size_t dim);
const char *distance_name(enum distance distance); /* "Cosine": the contract's word */
/* Raw distance to API score and back. Cosine, dot: larger is better; Euclid, Manhattan: smaller is
 * better. */
float distance_score(enum distance distance, float raw);
float distance_raw(enum distance distance, float score);
bool distance_larger_is_better(enum distance distance);

/* From the client's float32 to the stored form: normalises for cosine (in double; not for uint8; a
 * zero vector stays), then converts. uint8: rounds toward zero and clamps to 0..255, as the
 * contract does. False when a value is not finite or does not fit the element (float16 or bfloat16
 * overflow, 2^110 for turbo4); `out` may then be partly written. */
bool vector_prepare(enum distance distance, enum element element, const float *in, size_t dim,
                    void *out);
/* The same for a vector that is only searched for: finer than the stored form where that is coarse
 * (turbo4), otherwise equal to it. May stand wherever a stored vector is compared or restored, but
 * not be stored. */
bool vector_prepare_query(enum distance distance, enum element element, const float *in, size_t dim,
                          void *out);
/* Stored form, or a query, back to float32. */
void vector_restore(enum distance distance, enum element element, const void *in, size_t dim,
                    float *out);
