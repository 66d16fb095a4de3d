/* The index engine alone over a set of make_data.py: builds, opens, searches, inserts, as it is
 * told.
 *
 * Usage: bench_index build FOLDER NAME DIM DISTANCE KIND QUANT THREADS
 *        bench_index serve FOLDER NAME DIM DISTANCE KIND QUANT
 *        bench_index churn FOLDER NAME DIM DISTANCE KIND QUANT POINTS EFFORT SECONDS
 *        bench_index list
 * KIND is a name of index/kinds.def; QUANT: `none`, or codes of quants[] below. The engine is then
 * called sagitta-KIND[-QUANT], and its image FOLDER/NAME.sagitta-KIND[-QUANT].
 *
 * build: links all points, writes the image, prints a JSON line.
 * serve: puts the rows into memory, maps the image and opens it in place, prints a JSON line. Then
 *   each line "EFFORT[:OVERSAMPLING] THREADS SECONDS" of the standard input is answered with one:
 *   a pass over all queries warms the caches and gives the recall, then SECONDS are timed, by the
 *   clock on the wall (`qps`) and in processor time (`cpu_s`). SECONDS 0: that one pass is timed.
 * churn: an index over the first POINTS rows, then searches beside inserts; see churn.h.
 *
 * list: the engines that make sense, one a line: a graph over rows or codes, and other kinds.
 *
 * Threads take the queries in turn, one query a call. m = 16, ef_construct = 200.
 */
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "tests/bench/churn.h"
#include "tests/bench/set.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 256, NAME_SIZE = 64 };

static const struct {
    const char *name;
    struct quant_params params;
} quants[] = {
    {"none", {.kind = QUANT_NONE}},
    {"scalar", {.kind = QUANT_SCALAR}},
    {"product16", {.kind = QUANT_PRODUCT, .compression = 16}},
    {"binary", {.kind = QUANT_BINARY, .half_bits = 2}},
    {"rotated1", {.kind = QUANT_ROTATED, .half_bits = 2}},
    {"rotated2", {.kind = QUANT_ROTATED, .half_bits = 4}},
    {"rotated4", {.kind = QUANT_ROTATED, .half_bits = 8}},
    {"rotated8", {.kind = QUANT_ROTATED, .half_bits = 16}},
};

struct bench {
    struct set set;
    const struct vindex_kind *kind;
    struct vindex_params params;
    char engine[NAME_SIZE];
    char path[4096]; /* of the image */
    struct vindex *index;
    struct mapped image;
};

void effort_parse(const char *text, struct effort *out)
{
    char *end;
    *out = (struct effort){.text = text, .effort = (uint32_t)strtoul(text, &end, 10)};
    if (*end == ':') {
        out->oversampling = strtod(end + 1, &end);
    }
    if (*end != '\0' || !(out->oversampling >= 0 && out->oversampling <= 10000)) {
        die("EFFORT is a number, or two with a colon");
    }
}

void search_query(const struct set *set, const struct vindex *index, size_t query,
                  const struct effort *effort, point_offset count, struct topk *out)
{
    struct error err;
    struct search_args args = {
        .query = set->queries + query * set->dim,
        .limit = SET_LIMIT,
        .effort = effort->effort,
        .count = count,
        .codes = CODES_RESCORED,
        .oversampling = effort->oversampling,
    };
    check(index->kind->search(index, &args, out, &err), &err);
}

static void choose(struct bench *bench, const char *kind, const char *quant)
{
    bench->kind = vindex_kind_find(kind);
    bench->params = (struct vindex_params){.m = 16, .ef_construct = 200, .seed = 42};
    size_t at = 0;
    while (at < sizeof quants / sizeof quants[0] && strcmp(quants[at].name, quant) != 0) {
        at++;
    }
    if (bench->kind == NULL || at == sizeof quants / sizeof quants[0]) {
        die("KIND or QUANT is not known");
    }
    bench->params.quant = quants[at].params;
    bool codes = quants[at].params.kind != QUANT_NONE;
    snprintf(bench->engine, sizeof bench->engine, "sagitta-%s%s%s", kind, codes ? "-" : "",
             codes ? quant : "");
    snprintf(bench->path, sizeof bench->path, "%s/%s.%s", bench->set.folder, bench->set.name,
             bench->engine);
}

static void build(struct bench *bench, uint32_t threads)
{
    struct error err;
    struct set *set = &bench->set;
    set_fill(set, set->base_count);
    set_release_base(set);
    size_t points = vectors_count(&set->vectors);
    check(bench->kind->open(&set->vectors, &bench->params, (struct slice){0}, &bench->index, &err),
          &err);
    struct build_job job = {.threads = threads, .until = (point_offset)points};
    double cpu = process_cpu_sec();
    uint64_t start = clock_monotonic_ns();
    check(bench->kind->build(bench->index, &job, &err), &err);
    double seconds = (double)(clock_monotonic_ns() - start) * 1e-9;
    cpu = process_cpu_sec() - cpu;
    struct buffer out;
    buffer_init(&out, 0);
    check(bench->kind->save(bench->index, &out, &err), &err);
    file_write(bench->path, out.data, out.size);
    buffer_deinit(&out);
    printf("{\"build\":\"%s\",\"set\":\"%s\",\"points\":%zu,\"build_s\":%.2f,\"build_cpu_s\":%.2f,"
           "\"build_threads\":%" PRIu32 "}\n",
           bench->engine, set->name, points, seconds, cpu, threads);
}

/* Searches by some threads, which take the queries in turn. */
struct pass {
    const struct bench *bench;
    struct effort effort;
    uint32_t threads;
    uint64_t stop_ns; /* 0: each query once */
    _Atomic size_t next, done, hits;
};

static void *run_searches(void *arg)
{
    struct pass *pass = arg;
    const struct set *set = &pass->bench->set;
    point_offset count = (point_offset)vectors_count(&set->vectors);
    size_t done = 0;
    size_t hits = 0;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pass->next, 1, memory_order_relaxed);
        if (pass->stop_ns > 0 ? clock_monotonic_ns() >= pass->stop_ns : i >= set->queries_count) {
            break;
        }
        struct topk found;
        struct scored items[SET_LIMIT];
        topk_init(&found, items, SET_LIMIT, NULL);
        search_query(set, pass->bench->index, i % set->queries_count, &pass->effort, count, &found);
        hits += set_hits(set, i % set->queries_count, &found);
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

static void measure(const struct bench *bench, const char *effort, uint32_t threads, double seconds)
{
    struct pass warm = {.bench = bench, .threads = threads};
    effort_parse(effort, &warm.effort);
    struct pass timed = {.bench = bench, .threads = threads, .effort = warm.effort};
    double cpu = process_cpu_sec();
    uint64_t start = clock_monotonic_ns();
    run_pass(&warm);
    size_t done = warm.done;
    if (seconds > 0) {
        cpu = process_cpu_sec();
        start = clock_monotonic_ns();
        timed.stop_ns = start + (uint64_t)(seconds * 1e9);
        run_pass(&timed);
        done = timed.done;
    }
    double took = (double)(clock_monotonic_ns() - start) * 1e-9;
    cpu = process_cpu_sec() - cpu;
    printf("{\"engine\":\"%s\",\"set\":\"%s\",\"effort\":\"%s\",\"threads\":%" PRIu32
           ",\"recall\":%.4f,\"qps\":%.1f,\"searches\":%zu,\"seconds\":%.3f,\"cpu_s\":%.3f}\n",
           bench->engine, bench->set.name, effort, threads,
           (double)warm.hits / (double)(bench->set.queries_count * SET_LIMIT), (double)done / took,
           done, took, cpu);
    fflush(stdout);
}

/* The efforts worth trying: a ladder of the first number; of the second too where codes are
 * searched. */
static void print_efforts(const struct bench *bench)
{
    static const uint32_t graph[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900};
    static const uint32_t lists[] = {2, 4, 8, 16, 32, 64, 128, 256, 512};
    static const char *const factors[] = {"", ":1", ":2", ":4", ":8", ":16", ":32", ":64"};
    bool is_graph = strcmp(bench->kind->name, "hnsw") == 0;
    bool codes = !is_graph || bench->params.quant.kind != QUANT_NONE;
    const uint32_t *efforts = is_graph ? graph : lists;
    size_t count = is_graph ? sizeof graph / sizeof graph[0] : sizeof lists / sizeof lists[0];
    size_t factors_count = codes ? (is_graph ? 5 : sizeof factors / sizeof factors[0]) : 1;
    for (size_t i = 0; i < count * factors_count; i++) {
        printf("%s\"%" PRIu32 "%s\"", i > 0 ? "," : "", efforts[i / factors_count],
               factors[i % factors_count]);
    }
}

static void open_image(struct bench *bench)
{
    struct error err;
    struct set *set = &bench->set;
    size_t anonymous = process_bytes("RssAnon");
    set_fill(set, set->base_count);
    set_release_base(set);
    size_t mapped = process_bytes("RssFile");
    uint64_t start = clock_monotonic_ns();
    if (!file_map(bench->path, &bench->image)) {
        die("no image: build first");
    }
    struct slice image = slice_of(bench->image.data, bench->image.size);
    check(bench->kind->open(&set->vectors, &bench->params, image, &bench->index, &err), &err);
    double open_ms = (double)(clock_monotonic_ns() - start) * 1e-6;
    struct pass pass = {.bench = bench, .threads = 1};
    effort_parse("0", &pass.effort);
    run_pass(&pass); /* what is made or mapped by searches counts too */
    printf("{\"serve\":\"%s\",\"set\":\"%s\",\"calls\":\"one\",\"open_ms\":%.3f,"
           "\"memory_bytes\":%zu,\"mapped_bytes\":%zu,\"file_bytes\":%zu,\"vector_bytes\":%zu,"
           "\"index_bytes\":%zu,\"version\":\"sagitta\",\"cpu_features\":\"%s\","
           "\"threads_max\":%d,\"efforts\":[",
           bench->engine, set->name, open_ms, process_bytes("RssAnon") - anonymous,
           process_bytes("RssFile") - mapped, bench->image.size, vectors_memory(&set->vectors),
           bench->kind->memory(bench->index), kernel_isa(), (int)THREADS_MAX);
    print_efforts(bench);
    printf("]}\n");
    fflush(stdout);
}

static void serve(struct bench *bench)
{
    char effort[NAME_SIZE];
    uint32_t threads;
    double seconds;
    open_image(bench);
    while (scanf("%63s %" SCNu32 " %lf", effort, &threads, &seconds) == 3) {
        if (threads == 0 || threads > THREADS_MAX || !(seconds >= 0 && seconds < 3600)) {
            die("THREADS or SECONDS out of range");
        }
        measure(bench, effort, threads, seconds);
    }
}

static void churn(struct bench *bench, size_t points, const char *effort, double seconds)
{
    struct error err;
    struct effort parsed;
    effort_parse(effort, &parsed);
    if (points == 0 || points >= bench->set.base_count || !(seconds > 0 && seconds < 3600)) {
        die("POINTS or SECONDS out of range");
    }
    set_fill(&bench->set, points);
    check(bench->kind->open(&bench->set.vectors, &bench->params, (struct slice){0}, &bench->index,
                            &err),
          &err);
    struct build_job job = {.threads = 2, .until = (point_offset)points};
    check(bench->kind->build(bench->index, &job, &err), &err);
    churn_run(&bench->set, bench->index, bench->engine, &parsed, seconds);
}

static void list(void)
{
    for (size_t i = 0; i < sizeof quants / sizeof quants[0]; i++) {
        printf("sagitta-hnsw%s%s\n", i > 0 ? "-" : "", i > 0 ? quants[i].name : "");
    }
    if (vindex_kind_find("ivfpq") != NULL) {
        printf("sagitta-ivfpq\n");
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    const char *mode = argc > 1 ? argv[1] : "";
    static const char *const modes[] = {"build", "serve", "churn"};
    static const int arguments[] = {9, 8, 11};
    size_t at = 0;
    while (at < 3 && (strcmp(mode, modes[at]) != 0 || argc != arguments[at])) {
        at++;
    }
    if (at == 3) {
        die("usage: bench_index list|build|serve|churn FOLDER NAME DIM DISTANCE KIND QUANT\n"
            "    build: THREADS; churn: POINTS EFFORT SECONDS");
    }
    struct bench bench = {0};
    kernel_init();
    set_open(&bench.set, argv[2], argv[3], strtoul(argv[4], NULL, 10), argv[5]);
    choose(&bench, argv[6], argv[7]);
    if (at == 0) {
        build(&bench, (uint32_t)strtoul(argv[8], NULL, 10));
    } else if (at == 1) {
        serve(&bench);
    } else {
        churn(&bench, strtoul(argv[8], NULL, 10), argv[9], strtod(argv[10], NULL));
    }
    bench.kind->close(bench.index);
    file_unmap(&bench.image);
    set_close(&bench.set);
    return 0;
}
