/* The graph index alone: builds it over a file of make_data.py, then measures searches a second and
 * recall, as it is told.
 *
 * Usage: bench_index FOLDER NAME DIM [BUILD_THREADS]
 * Reads FOLDER/NAME-base.f32, NAME-queries.f32 (raw little-endian float32) and NAME-exact.u32 (the
 * ten nearest of each query); the graph's image is kept beside them as NAME.hnsw, and opened
 * instead of built when it is there. m = 16, ef_construct = 200, Cosine, the ten nearest. Writes a
 * JSON line when the graph is ready. Then each line "EF THREADS SECONDS" of the standard input is
 * answered with a JSON line: one pass over all queries warms the caches and gives the recall, then
 * SECONDS are timed, by the clock on the wall (`qps`) and in processor time of the process
 * (`cpu_s`).
 */
#include "index/vindex.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIMIT = 10, THREADS_MAX = 256 };

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

static void search(const struct bench *bench, size_t query, uint32_t ef, struct topk *out,
                   struct scored *items)
{
    struct error err;
    struct search_args args = {
        .query = bench->queries + query * bench->dim,
        .limit = LIMIT,
        .effort = ef,
        .count = (point_offset)vectors_count(&bench->vectors),
    };
    topk_init(out, items, LIMIT, NULL);
    check(bench->hnsw->kind->search(bench->hnsw, &args, out, &err), &err);
}

static void load_exact(struct bench *bench)
{
    size_t size;
    bench->exact = read_file(bench, "-exact.u32", &size);
    if (bench->exact == NULL || size != bench->queries_count * LIMIT * sizeof *bench->exact) {
        die("no file of exact answers: run make_data.py");
    }
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
    double seconds = 0;
    if (size == 0) {
        struct build_job job = {.threads = threads,
                                .until = (point_offset)vectors_count(&bench->vectors)};
        uint64_t start = clock_monotonic_ns();
        check(vindex_hnsw.build(bench->hnsw, &job, &err), &err);
        seconds = (double)(clock_monotonic_ns() - start) * 1e-9;
        struct buffer out;
        buffer_init(&out, 0);
        check(vindex_hnsw.save(bench->hnsw, &out, &err), &err);
        write_file(bench, ".hnsw", out.data, out.size);
        buffer_deinit(&out);
    }
    size_t points = vectors_count(&bench->vectors);
    printf("{\"build\":\"sagitta\",\"data\":\"%s\",\"points\":%zu,\"build_s\":%.1f,"
           "\"build_threads\":%" PRIu32 ",\"vector_bytes\":%zu,\"index_bytes\":%zu}\n",
           bench->name, points, seconds, threads, points * bench->dim * sizeof(float),
           vindex_hnsw.memory(bench->hnsw));
    fflush(stdout);
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

/* Searches by some threads, which take the queries in turn. */
struct pass {
    const struct bench *bench;
    uint32_t ef, threads;
    uint64_t stop_ns; /* 0: each query once */
    _Atomic size_t next, done, hits;
};

static void *run_searches(void *arg)
{
    struct pass *pass = arg;
    const struct bench *bench = pass->bench;
    size_t done = 0;
    size_t hits = 0;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pass->next, 1, memory_order_relaxed);
        if (pass->stop_ns > 0 ? clock_monotonic_ns() >= pass->stop_ns : i >= bench->queries_count) {
            break;
        }
        struct topk found;
        struct scored items[LIMIT];
        search(bench, i % bench->queries_count, pass->ef, &found, items);
        hits += hits_of(bench, i % bench->queries_count, &found);
        done++;
    }
    atomic_fetch_add(&pass->done, done);
    atomic_fetch_add(&pass->hits, hits);
    return NULL;
}

static void run_pass(struct pass *pass)
{
    pthread_t threads[THREADS_MAX];
    for (uint32_t i = 1; i < pass->threads; i++) {
        if (pthread_create(&threads[i], NULL, run_searches, pass) != 0) {
            die("a thread cannot be started");
        }
    }
    run_searches(pass);
    for (uint32_t i = 1; i < pass->threads; i++) {
        pthread_join(threads[i], NULL);
    }
}

static double processor_seconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0) {
        die("no clock of the process");
    }
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void measure(const struct bench *bench, uint32_t ef, uint32_t threads, double seconds)
{
    struct pass warm = {.bench = bench, .ef = ef, .threads = threads};
    run_pass(&warm);
    struct pass timed = {.bench = bench, .ef = ef, .threads = threads};
    double cpu = processor_seconds();
    uint64_t start = clock_monotonic_ns();
    timed.stop_ns = start + (uint64_t)(seconds * 1e9);
    run_pass(&timed);
    double took = (double)(clock_monotonic_ns() - start) * 1e-9;
    cpu = processor_seconds() - cpu;
    printf("{\"engine\":\"sagitta\",\"data\":\"%s\",\"ef\":%" PRIu32 ",\"threads\":%" PRIu32
           ",\"recall\":%.4f,\"qps\":%.1f,\"searches\":%zu,\"seconds\":%.3f,\"cpu_s\":%.3f}\n",
           bench->name, ef, threads, (double)warm.hits / (double)(bench->queries_count * LIMIT),
           (double)timed.done / took, (size_t)timed.done, took, cpu);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        die("usage: bench_index FOLDER NAME DIM [BUILD_THREADS]");
    }
    struct bench bench = {.folder = argv[1], .name = argv[2], .dim = strtoul(argv[3], NULL, 10)};
    uint32_t build_threads = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 2;
    if (bench.dim == 0 || bench.dim > 65536) {
        die("DIM out of range");
    }
    kernel_init();
    load_vectors(&bench);
    load_exact(&bench);
    make_graph(&bench, build_threads);
    uint32_t ef, threads;
    double seconds;
    while (scanf("%" SCNu32 " %" SCNu32 " %lf", &ef, &threads, &seconds) == 3) {
        if (ef == 0 || threads == 0 || threads > THREADS_MAX || !(seconds > 0 && seconds < 3600)) {
            die("EF, THREADS or SECONDS out of range");
        }
        measure(&bench, ef, threads, seconds);
    }
    bench.hnsw->kind->close(bench.hnsw);
    vectors_deinit(&bench.vectors);
    mem_free(bench.queries);
    mem_free(bench.exact);
    return 0;
}
