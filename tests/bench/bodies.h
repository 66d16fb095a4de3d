/* Request bodies out of a file of vectors, so that a benchmark needs no files of JSON text: writing
 * those would keep the disk busy that is about to be measured. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct bodies_options {
    const char *path; /* raw little-endian float32 rows */
    size_t dim;
    size_t batch; /* points of an upsert; 0: each row is a query */
    long ef;      /* of a query */
};

struct bodies {
    struct bodies_options options;
    FILE *file;
    float *row;
    size_t next_row;
    char *text;
    size_t size, capacity;
};

/* False: the file cannot be read; errno says why. */
bool bodies_open(struct bodies *bodies, const struct bodies_options *options);
/* The next body, valid until the next call: up to `batch` points whose ids are the numbers of their
 * rows, or a query for the ten nearest. False: there are no more rows. */
bool bodies_next(struct bodies *bodies, const char **text, size_t *size);
void bodies_close(struct bodies *bodies);
