/* A set of make_data.py in memory: see set.h. Reads NAME-base.f32, NAME-queries.f32 (raw
 * little-endian float32) and NAME-exact.u32. One thread. */
#include "tests/bench/set.h"

#include "storage/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void check(enum status status, const struct error *err)
{
    if (status != STATUS_OK) {
        die(err->message);
    }
}

bool file_map(const char *path, struct mapped *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &stat) != 0 || stat.st_size <= 0) {
        die(path);
    }
    out->size = (size_t)stat.st_size;
    out->data = mmap(NULL, out->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    if (out->data == MAP_FAILED) {
        die(path);
    }
    return true;
}

void file_unmap(struct mapped *mapped)
{
    if (mapped->data != NULL) {
        munmap(mapped->data, mapped->size);
    }
    *mapped = (struct mapped){0};
}

void file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        die(path);
    }
}

static void map_part(const struct set *set, const char *suffix, struct mapped *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%s", set->folder, set->name, suffix);
    if (!file_map(path, out)) {
        fprintf(stderr, "bench: no file %s: run make_data.py\n", path);
        exit(1);
    }
}

static void load_queries(struct set *set)
{
    struct mapped queries, exact;
    map_part(set, "queries.f32", &queries);
    map_part(set, "exact.u32", &exact);
    set->queries_count = queries.size / (set->dim * sizeof *set->queries);
    if (exact.size != set->queries_count * SET_LIMIT * sizeof *set->exact) {
        die("queries and exact answers do not fit each other");
    }
    set->queries = mem_alloc(queries.size);
    for (size_t i = 0; i < set->queries_count; i++) {
        const float *query = (const float *)queries.data + i * set->dim;
        vector_prepare(set->distance, ELEMENT_F32, query, set->dim, set->queries + i * set->dim);
    }
    set->exact = mem_alloc(exact.size);
    memcpy(set->exact, exact.data, exact.size);
    file_unmap(&queries);
    file_unmap(&exact);
}

void set_open(struct set *set, const char *folder, const char *name, size_t dim,
              const char *distance)
{
    *set = (struct set){.folder = folder, .name = name, .dim = dim, .distance = DISTANCE_COUNT};
    for (enum distance i = 0; i < DISTANCE_COUNT; i++) {
        if (strcasecmp(distance, distance_name(i)) == 0) {
            set->distance = i;
        }
    }
    if (set->distance == DISTANCE_COUNT || dim == 0 || dim > 65536) {
        die("DISTANCE or DIM is not known");
    }
    struct error err;
    check(vectors_init(&set->vectors, set->distance, ELEMENT_F32, dim, &err), &err);
    map_part(set, "base.f32", &set->base);
    set->base_count = set->base.size / (dim * sizeof(float));
    load_queries(set);
}

void set_fill(struct set *set, size_t until)
{
    struct error err;
    float *row = mem_alloc(set->dim * sizeof *row);
    for (size_t i = vectors_count(&set->vectors); i < until; i++) {
        const float *raw = (const float *)set->base.data + i * set->dim;
        vector_prepare(set->distance, ELEMENT_F32, raw, set->dim, row);
        check(vectors_put(&set->vectors, (point_offset)i, row, &err), &err);
    }
    mem_free(row);
}

void set_release_base(struct set *set)
{
    file_unmap(&set->base);
}

void set_close(struct set *set)
{
    set_release_base(set);
    vectors_deinit(&set->vectors);
    mem_free(set->queries);
    mem_free(set->exact);
}

size_t set_hits(const struct set *set, size_t query, const struct topk *found)
{
    size_t hits = 0;
    for (size_t i = 0; i < found->count; i++) {
        for (size_t j = 0; j < SET_LIMIT; j++) {
            hits += found->items[i].point == set->exact[query * SET_LIMIT + j];
        }
    }
    return hits;
}

size_t process_bytes(const char *field)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    size_t size = strlen(field);
    size_t bytes = 0;
    if (file == NULL) {
        die("/proc/self/status cannot be read");
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, size) == 0 && line[size] == ':') {
            bytes = (size_t)strtoul(line + size + 1, NULL, 10) * 1024;
        }
    }
    fclose(file);
    return bytes;
}

double process_cpu_sec(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0) {
        die("no clock of the process");
    }
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
