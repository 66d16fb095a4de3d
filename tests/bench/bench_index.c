/* The graph index alone: builds it over a file of make_data.py, then measures recall and one
 * thread's searches per second.
 *
 * Usage: bench_index FOLDER NAME DIM EF[,EF...] [ROUNDS [THREADS]]
 * Reads FOLDER/NAME-base.f32 and NAME-queries.f32 (raw little-endian float32). The exact answers
 * (from the flat index) and the graph's image are kept beside them; delete NAME-exact.u32 or
 * NAME.hnsw to make them anew. m = 16, ef_construct = 200, Cosine, the ten nearest. Writes one JSON
 * line for the build and one for each ef: the median of ROUNDS,
 * in processor time of the searching thread.
 */
#include "index/vindex.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIMIT = 10, ROUNDS_MAX = 99 };

struct bench {
    const char *folder, *name;
    size_t dim;
    struct vectors vectors;
    float *queries; /* prepared */
    size_t queries_count;
    point_offset *exact; /* LIMIT a query */
    struct vindex *hnsw;
};

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench_index: %s\n", what);
    exit(1);
}

static void check(enum status status, const struct error *err)
{
    if (status != STATUS_OK) {
        die(err->message);
    }
}

/* NULL: there is no such file. */
static void *read_file(const struct bench *bench, const char *suffix, size_t *size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", bench->folder, bench->name, suffix);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) != 0) {
        die(path);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    void *data = mem_alloc(*size);
    if (fread(data, 1, *size, file) != *size) {
        die(path);
    }
    fclose(file);
    return data;
}

static void write_file(const struct bench *bench, const char *suffix, const void *data, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", bench->folder, bench->name, suffix);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        die(path);
    }
}

static void load_vectors(struct bench *bench)
{
    struct error err;
    size_t size;
    float *base = read_file(bench, "-base.f32", &size);
    if (base == NULL) {
        die("no base file: run make_data.py");
    }
    size_t count = size / (bench->dim * sizeof *base);
    float *row = mem_alloc(bench->dim * sizeof *row);
    check(vectors_init(&bench->vectors, DISTANCE_COSINE, ELEMENT_F32, bench->dim, &err), &err);
    for (size_t i = 0; i < count; i++) {
        vector_prepare(DISTANCE_COSINE, ELEMENT_F32, base + i * bench->dim, bench->dim, row);
        check(vectors_put(&bench->vectors, (point_offset)i, row, &err), &err);
    }
    mem_free(base);
    mem_free(row);
    bench->queries = read_file(bench, "-queries.f32", &size);
    if (bench->queries == NULL) {
        die("no query file: run make_data.py");
    }
    bench->queries_count = size / (bench->dim * sizeof *bench->queries);
    for (size_t i = 0; i < bench->queries_count; i++) {
        float *query = bench->queries + i * bench->dim;
        vector_prepare(DISTANCE_COSINE, ELEMENT_F32, query, bench->dim, query);
    }
}

static void search(const struct bench *bench, const struct vindex *index, size_t query, uint32_t ef,
                   struct topk *out, struct scored *items)
{
    struct error err;
    struct search_args args = {
        .query = bench->queries + query * bench->dim,
        .limit = LIMIT,
        .effort = ef,
        .count = (point_offset)vectors_count(&bench->vectors),
    };
    topk_init(out, items, LIMIT, NULL);
    check(index->kind->search(index, &args, out, &err), &err);
}

static void find_exact(struct bench *bench)
{
    size_t size;
    bench->exact = read_file(bench, "-exact.u32", &size);
    if (bench->exact != NULL) {
        return;
    }
    struct error err;
    struct vindex *flat;
    struct vindex_params params = {0};
    check(vindex_flat.open(&bench->vectors, &params, (struct slice){0}, &flat, &err), &err);
    size = bench->queries_count * LIMIT * sizeof *bench->exact;
    bench->exact = mem_zalloc(size);
    for (size_t q = 0; q < bench->queries_count; q++) {
        struct topk out;
        struct scored items[LIMIT];
        search(bench, flat, q, 0, &out, items);
        for (size_t i = 0; i < out.count; i++) {
            bench->exact[q * LIMIT + i] = items[i].point;
        }
    }
    flat->kind->close(flat);
    write_file(bench, "-exact.u32", bench->exact, size);
}

static void make_graph(struct bench *bench, uint32_t threads)
{
    struct error err;
    struct vindex_params params = {.m = 16, .ef_construct = 200, .seed = 42};
    size_t size = 0;
    void *image = read_file(bench, ".hnsw", &size);
    enum status status =
        vindex_hnsw.open(&bench->vectors, &params, slice_of(image, size), &bench->hnsw, &err);
    if (status != STATUS_CORRUPT) {
        check(status, &err);
    } else {
        check(vindex_hnsw.open(&bench->vectors, &params, (struct slice){0}, &bench->hnsw, &err),
              &err);
        size = 0;
    }
    mem_free(image);
    if (size > 0) {
        return;
    }
    struct build_job job = {.threads = threads,
                            .until = (point_offset)vectors_count(&bench->vectors)};
    uint64_t start = clock_monotonic_ns();
    check(vindex_hnsw.build(bench->hnsw, &job, &err), &err);
    double seconds = (double)(clock_monotonic_ns() - start) * 1e-9;
    printf(
        "{\"engine\": \"sagitta\", \"data\": \"%s\", \"build_s\": %.1f, \"build_threads\": %" PRIu32
        ", \"graph_mb\": %.1f}\n",
        bench->name, seconds, threads, (double)vindex_hnsw.memory(bench->hnsw) / 1e6);
    struct buffer out;
    buffer_init(&out, 0);
    check(vindex_hnsw.save(bench->hnsw, &out, &err), &err);
    write_file(bench, ".hnsw", out.data, out.size);
    buffer_deinit(&out);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t hits_of(const struct bench *bench, size_t query, const struct topk *found)
{
    size_t hits = 0;
    for (size_t i = 0; i < found->count; i++) {
        for (size_t j = 0; j < LIMIT; j++) {
            hits += found->items[i].point == bench->exact[query * LIMIT + j];
        }
    }
    return hits;
}

/* Processor time of this thread: on a busy machine the clock on the wall measures the neighbours.
 */
static double thread_seconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) {
        die("no thread clock");
    }
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void measure(const struct bench *bench, uint32_t ef, size_t rounds)
{
    double seconds[ROUNDS_MAX];
    size_t hits = 0;
    for (size_t round = 0; round < rounds; round++) {
        hits = 0;
        double start = thread_seconds();
        for (size_t q = 0; q < bench->queries_count; q++) {
            struct topk found;
            struct scored items[LIMIT];
            search(bench, bench->hnsw, q, ef, &found, items);
            hits += hits_of(bench, q, &found);
        }
        seconds[round] = thread_seconds() - start;
    }
    qsort(seconds, rounds, sizeof *seconds, compare_doubles);
    printf("{\"engine\": \"sagitta\", \"data\": \"%s\", \"ef\": %" PRIu32
           ", \"recall\": %.4f, \"qps\": %.1f}\n",
           bench->name, ef, (double)hits / (double)(bench->queries_count * LIMIT),
           (double)bench->queries_count / seconds[rounds / 2]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        die("usage: bench_index FOLDER NAME DIM EF[,EF...] [ROUNDS [THREADS]]");
    }
    struct bench bench = {.folder = argv[1], .name = argv[2], .dim = strtoul(argv[3], NULL, 10)};
    size_t rounds = argc > 5 ? strtoul(argv[5], NULL, 10) : 3;
    uint32_t threads = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 2;
    if (bench.dim == 0 || bench.dim > 65536 || rounds == 0 || rounds > ROUNDS_MAX) {
        die("DIM or ROUNDS out of range");
    }
    kernel_init();
    load_vectors(&bench);
    find_exact(&bench);
    make_graph(&bench, threads);
    for (const char *at = argv[4]; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        measure(&bench, (uint32_t)strtoul(at, NULL, 10), rounds);
    }
    bench.hnsw->kind->close(bench.hnsw);
    vectors_deinit(&bench.vectors);
    mem_free(bench.queries);
    mem_free(bench.exact);
    return 0;
}
