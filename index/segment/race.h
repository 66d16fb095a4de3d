/* How fast does each kind of index serve these vectors? Measured, not guessed. */
#pragma once
#include "index/vindex.h"

struct contender {
    const struct vindex_kind *kind;
    struct vindex_params params;
    double growth;  /* a search's time grows with the number of points to this power */
    double time_us; /* out: of a search, expected over all vectors; 0: it cannot reach the recall */
};
struct race {
    const struct vectors *vectors;
    uint32_t threads; /* to build with */
    const atomic_bool *cancelled;
    struct contender *contenders;
    size_t count;
};
/* Builds each contender over a sample, finds the effort that gives recall@10 of 0.95 on points that
 * are not in it, and times searches at that effort, one thread: contender->time_us. Takes seconds.
 * CANCELLED; BAD_INPUT: too few vectors for a sample. */
enum status race_run(const struct race *race, struct error *err);
