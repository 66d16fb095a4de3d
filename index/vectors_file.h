/* Vectors whose rows are in a file, and the record that says how far the file can be trusted.
 *
 * Rows lie in "<base>.rows" as in memory: block after block, each of 2^shift rows of `stride`
 * bytes, its beginning aligned to 2 MiB (blocks.c). The file is a copy of what storage has: it may
 * be deleted at any time, and what the record does not cover is loaded again.
 *
 * The record, "<base>.seal", written whole or not at all; integers are little endian:
 *   magic "SGSEAL01", checksum u64 of what follows, dim u32, element u32, stride u32, piece_shift
 *   u32, sealed u32, zero u32, one checksum u64 for each piece of 2^piece_shift rows, one bit for
 *   each sealed row: is it filled?
 * A piece's checksum is the chain over the bytes of its filled rows. Rows below `sealed` are on
 * disk, and never change but from filled to not filled; then the record changes first.
 *
 * Whoever seals must know that storage holds the rows on its disk too, so that no later life of the
 * collection gives their offsets to others. */
#pragma once
#include "index/vectors.h"
#include "storage/base/file.h"

struct vectors_file_options {
    const char *base; /* path without ".rows" and ".seal"; its folder exists */
    enum placement placement;
    point_offset count_max;             /* a record of more rows is of another history */
    const struct file_system *fs;       /* of the record; NULL: the real one */
    const struct blocks_system *system; /* of the rows; NULL: the real one */
};
/* Sealed rows are there at once, as dead ones: see vectors_revive. A record that is missing or does
 * not fit means no rows, the latter with a line in the log. */
enum status vectors_open(struct vectors *vectors, enum distance distance, enum element element,
                         size_t dim, const struct vectors_file_options *options, struct error *err);
/* ---- while opening, before any reader ---- */
/* The row's point is there. False: the file does not hold the row. */
bool vectors_revive(struct vectors *vectors, point_offset offset);
/* The file is of no use: no rows. */
enum status vectors_restart(struct vectors *vectors, struct error *err);

/* ---- one thread at a time, beside the writer and readers ---- */
point_offset vectors_sealed(const struct vectors *vectors); /* any thread */
/* Brings rows below `until` to disk and into the record. After an error the old record holds. */
enum status vectors_seal(struct vectors *vectors, point_offset until, struct error *err);
/* Compares the next piece of those that were sealed when the file was opened with its checksum. OK:
 * *more says whether there is another. CORRUPT: the rows from *first on, *count of them, are not
 * what was sealed. */
enum status vectors_verify(struct vectors *vectors, bool *more, point_offset *first,
                           uint32_t *count, struct error *err);
/* A damaged row's bytes; `stored` NULL: it is lost, its offset absent. Then vectors_mend. */
void vectors_rewrite(struct vectors *vectors, point_offset offset, const void *stored);
bool vectors_is_filled(const struct vectors *vectors, point_offset offset);
/* Brings a piece whose rows were rewritten to disk and into the record. */
enum status vectors_mend(struct vectors *vectors, point_offset first, struct error *err);
