/* A set of make_data.py in memory, and what the benchmark programs share. Every failure ends the
 * program with a message: there is nothing to save. */
#pragma once
#include "index/vindex.h"

enum { SET_LIMIT = 10 }; /* neighbours asked for, and in the file of exact answers */

_Noreturn void die(const char *what);
void check(enum status status, const struct error *err); /* dies unless OK */

/* A file mapped private and writable. */
struct mapped {
    void *data;
    size_t size;
};
/* False: there is no such file. */
bool file_map(const char *path, struct mapped *out);
void file_unmap(struct mapped *mapped);
void file_write(const char *path, const void *data, size_t size);

struct set {
    const char *folder, *name;
    size_t dim;
    enum distance distance;
    struct mapped base; /* the raw rows; unmapped by set_release_base */
    size_t base_count;
    struct vectors vectors;
    float *queries; /* prepared */
    size_t queries_count;
    point_offset *exact; /* SET_LIMIT a query */
};
/* Folder and name are borrowed. `vectors` is empty afterwards. */
void set_open(struct set *set, const char *folder, const char *name, size_t dim,
              const char *distance);
/* Appends the rows of the base up to `until`, as they are stored. */
void set_fill(struct set *set, size_t until);
void set_release_base(struct set *set);
void set_close(struct set *set);
size_t set_hits(const struct set *set, size_t query, const struct topk *found);

/* Bytes of this process out of /proc/self/status: "RssAnon", "RssFile". */
size_t process_bytes(const char *field);
double process_cpu_sec(void);
