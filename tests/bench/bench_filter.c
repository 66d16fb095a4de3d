/* Filtered search of the index engine over a set of make_data.py and filters of make_filters.py:
 * what the plan does, and each of its ways alone.
 *
 * Usage: bench_filter FOLDER NAME DIM DISTANCE KIND QUANT-IMAGE
 * IMAGE is the ending of the image that bench_index has built: FOLDER/NAME.IMAGE. Rows are put into
 * memory, the image is mapped and opened in place. Then each line "FILTER PART OPERATOR EFFORT
 * REPEATS" of the standard input is answered with a JSON line: all queries of the filter, one after
 * another by one thread, REPEATS times. OPERATOR: `planned`, or a name of search_operator_name, as
 * which the first step is then taken whatever the plan says.
 *
 * FOLDER/NAME-FILTER-PART.bits holds a row of bits for each of the first queries. What is right
 * comes from the plain scan of the matches, which is timed as `scan`. Times are processor time, the
 * least of the repeats; `slower_worst` is the largest over the queries of time / time of the plain
 * scan.
 */
#include "index/segment/segment_run.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "tests/bench/set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_SIZE = 512, LIMIT = SET_LIMIT };

struct filter_file {
    char name[128]; /* FILTER-PART */
    struct mapped bits;
    size_t words, queries;
    struct scored *exact; /* LIMIT a query */
    size_t *exact_counts;
    double *scan_us; /* of the plain scan, for each query */
};
struct bench {
    struct set set;
    struct vindex *index;
    uint32_t links;
    struct mapped image;
    struct filter_file filter;
};
struct measured { /* of one search */
    double us;
    size_t count;
    struct scored found[LIMIT];
    struct search_report report;
};

static bool holds(const void *ctx, point_offset point)
{
    return vectors_has(ctx, point);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

static void search(struct bench *bench, size_t query, const char *operator, uint32_t effort,
                   struct measured *out)
{
    struct set *set = &bench->set;
    const struct filter_file *filter = &bench->filter;
    struct topk top;
    struct error err;
    bool unfinished;
    topk_init(&top, out->found, LIMIT, NULL);
    memset(&out->report, 0, sizeof out->report);
    const uint64_t *words = (const uint64_t *)filter->bits.data + query * filter->words;
    point_offset count = (point_offset)vectors_count(&set->vectors);
    struct bitmap bits = {.words = (uint64_t *)words, .bits = count};
    struct match_set matches;
    match_set_init(&matches);
    matches.words = words;
    matches.bits = count;
    matches.count = bitmap_count(&bits);
    struct searching s = {.vectors = &set->vectors,
                          .index = bench->index,
                          .links = bench->links,
                          .args = {.query = set->queries + query * set->dim,
                                   .limit = LIMIT,
                                   .effort = effort,
                                   .count = count},
                          .test = holds,
                          .ctx = &set->vectors,
                          .filtered = true,
                          .matches = &matches,
                          .present = count,
                          .top = &top,
                          .report = &out->report,
                          .forced = strcmp(operator, "planned") != 0};
    while (s.forced && strcmp(operator, search_operator_name(s.first)) != 0) {
        s.first++;
        if (s.first == SEARCH_OPERATORS) {
            die("OPERATOR is not known");
        }
    }
    double start = now_us();
    check(search_run(&s, &unfinished, &err), &err);
    topk_sort(&top);
    out->us = now_us() - start;
    out->count = top.count;
}

static void filter_close(struct filter_file *filter)
{
    if (filter->bits.data != NULL) {
        file_unmap(&filter->bits);
    }
    mem_free(filter->exact);
    mem_free(filter->exact_counts);
    mem_free(filter->scan_us);
    *filter = (struct filter_file){0};
}

static void filter_open(struct bench *bench, const char *name)
{
    char path[4096];
    struct filter_file *filter = &bench->filter;
    if (strcmp(filter->name, name) == 0) {
        return;
    }
    filter_close(filter);
    snprintf(filter->name, sizeof filter->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s-%s.bits", bench->set.folder, bench->set.name, name);
    if (!file_map(path, &filter->bits)) {
        die("no such filter");
    }
    filter->words = (vectors_count(&bench->set.vectors) + 63) / 64;
    filter->queries = filter->bits.size / (filter->words * sizeof(uint64_t));
    filter->exact = mem_alloc(filter->queries * LIMIT * sizeof *filter->exact);
    filter->exact_counts = mem_alloc(filter->queries * sizeof *filter->exact_counts);
    filter->scan_us = mem_alloc(filter->queries * sizeof *filter->scan_us);
    for (size_t query = 0; query < filter->queries; query++) {
        struct measured measured;
        filter->scan_us[query] = 1e18;
        for (int repeat = 0; repeat < 2; repeat++) {
            search(bench, query, "scan", 0, &measured);
            double us = measured.us;
            filter->scan_us[query] = us < filter->scan_us[query] ? us : filter->scan_us[query];
        }
        memcpy(filter->exact + query * LIMIT, measured.found, sizeof measured.found);
        filter->exact_counts[query] = measured.count;
    }
}

/* The part of the right answers that are there; points as near as the last one count. */
static double recall_of(const struct filter_file *filter, size_t query,
                        const struct measured *measured)
{
    size_t wanted = filter->exact_counts[query];
    if (wanted == 0) {
        return 1;
    }
    float last = filter->exact[query * LIMIT + wanted - 1].distance;
    size_t hits = 0;
    for (size_t i = 0; i < measured->count; i++) {
        hits += measured->found[i].distance <= last;
    }
    return (double)(hits < wanted ? hits : wanted) / (double)wanted;
}

struct sums {
    double us, scan_us, recall, recall_min, slower_worst, slower_sum;
    double estimated_us;
    uint64_t matches, checked, compared, hops, rescored, failed, shorter;
    uint64_t chosen[SEARCH_OPERATORS], gave_up[GAVE_UP_ISLAND + 1];
};

static void add(struct sums *sums, const struct filter_file *filter, size_t query,
                const struct measured *measured)
{
    const struct search_report *report = &measured->report;
    double recall = recall_of(filter, query, measured);
    double slower = measured->us / filter->scan_us[query];
    sums->us += measured->us;
    sums->scan_us += filter->scan_us[query];
    sums->recall += recall;
    sums->recall_min = recall < sums->recall_min ? recall : sums->recall_min;
    sums->slower_worst = slower > sums->slower_worst ? slower : sums->slower_worst;
    sums->slower_sum += slower;
    sums->shorter += measured->count < filter->exact_counts[query];
    sums->matches += report->estimated_matches;
    sums->estimated_us += report->steps[0].estimated_ns * 1e-3;
    sums->chosen[report->steps[0].operator]++;
    sums->failed += report->steps_count > 1;
    sums->gave_up[report->steps[0].trace.gave_up]++;
    for (size_t i = 0; i < report->steps_count; i++) {
        sums->checked += report->steps[i].trace.checked;
        sums->compared += report->steps[i].trace.compared;
        sums->hops += report->steps[i].trace.hops;
        sums->rescored += report->steps[i].trace.rescored;
    }
}

static void print(const struct bench *bench, const char *operator, uint32_t effort,
                  const struct sums *sums)
{
    double queries = (double)bench->filter.queries;
    printf("{\"filter\":\"%s\",\"operator\":\"%s\",\"effort\":%" PRIu32 ",\"matches\":%.0f,"
           "\"us\":%.1f,\"scan_us\":%.1f,\"estimated_us\":%.1f,\"recall\":%.4f,"
           "\"recall_min\":%.2f,\"slower\":%.3f,\"slower_worst\":%.2f,\"shorter\":%" PRIu64 ",",
           bench->filter.name, operator, effort, (double)sums->matches / queries,
           sums->us / queries, sums->scan_us / queries, sums->estimated_us / queries,
           sums->recall / queries, sums->recall_min, sums->slower_sum / queries, sums->slower_worst,
           sums->shorter);
    printf("\"checked\":%.0f,\"compared\":%.0f,\"hops\":%.0f,\"rescored\":%.1f,\"failed\":%" PRIu64
           ",\"budget\":%" PRIu64 ",\"opposed\":%" PRIu64 ",\"island\":%" PRIu64 "",
           (double)sums->checked / queries, (double)sums->compared / queries,
           (double)sums->hops / queries, (double)sums->rescored / queries, sums->failed,
           sums->gave_up[GAVE_UP_BUDGET], sums->gave_up[GAVE_UP_OPPOSED],
           sums->gave_up[GAVE_UP_ISLAND]);
    for (int i = 0; i < SEARCH_OPERATORS; i++) {
        printf(",\"%s\":%" PRIu64, search_operator_name((enum search_operator)i), sums->chosen[i]);
    }
    printf("}\n");
    fflush(stdout);
}

static void answer(struct bench *bench, const char *line)
{
    char filter[64], part[32], operator[32];
    uint32_t effort, repeats;
    if (sscanf(line, "%63s %31s %31s %" SCNu32 " %" SCNu32, filter, part, operator, & effort,
               &repeats) != 5) {
        die("a line is: FILTER PART OPERATOR EFFORT REPEATS");
    }
    char name[128];
    snprintf(name, sizeof name, "%s-%s", filter, part);
    filter_open(bench, name);
    struct sums sums = {.recall_min = 1};
    for (size_t query = 0; query < bench->filter.queries; query++) {
        struct measured best = {.us = 1e18};
        for (uint32_t repeat = 0; repeat < repeats; repeat++) {
            struct measured measured;
            search(bench, query, operator, effort, &measured);
            best = measured.us < best.us ? measured : best;
        }
        add(&sums, &bench->filter, query, &best);
    }
    print(bench, operator, effort, &sums);
}

static void open_index(struct bench *bench, const char *kind_name, const char *image)
{
    static const struct {
        const char *name;
        struct quant_params params;
    } quants[] = {
        {"none", {.kind = QUANT_NONE}},
        {"scalar", {.kind = QUANT_SCALAR}},
        {"rotated1", {.kind = QUANT_ROTATED, .half_bits = 2}},
        {"rotated4", {.kind = QUANT_ROTATED, .half_bits = 8}},
    };
    struct error err;
    char path[4096];
    const struct vindex_kind *kind = vindex_kind_find(kind_name);
    size_t at = 0;
    while (at < sizeof quants / sizeof quants[0] && strcmp(quants[at].name, image) != 0) {
        at++;
    }
    if (kind == NULL || at == sizeof quants / sizeof quants[0]) {
        die("KIND or QUANT is not known");
    }
    struct vindex_params params = {
        .m = 16, .ef_construct = 200, .seed = 42, .quant = quants[at].params};
    snprintf(path, sizeof path, "%s/%s.sagitta-%s%s%s", bench->set.folder, bench->set.name,
             kind_name, at > 0 ? "-" : "", at > 0 ? image : "");
    if (!file_map(path, &bench->image)) {
        die("there is no such image: bench_index makes it");
    }
    check(kind->open(&bench->set.vectors, &params, slice_of(bench->image.data, bench->image.size),
                     &bench->index, &err),
          &err);
    bench->links = kind == &vindex_hnsw ? 2 * params.m : 0;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        die("usage: bench_filter FOLDER NAME DIM DISTANCE KIND QUANT");
    }
    kernel_init();
    struct bench bench = {0};
    set_open(&bench.set, argv[1], argv[2], (size_t)strtoul(argv[3], NULL, 10), argv[4]);
    set_fill(&bench.set, bench.set.base_count);
    set_release_base(&bench.set);
    open_index(&bench, argv[5], argv[6]);
    printf("{\"open\":\"%s\",\"points\":%zu}\n", argv[6], vectors_count(&bench.set.vectors));
    fflush(stdout);
    char line[LINE_SIZE];
    while (fgets(line, sizeof line, stdin) != NULL) {
        answer(&bench, line);
    }
    filter_close(&bench.filter);
    bench.index->kind->close(bench.index);
    file_unmap(&bench.image);
    set_close(&bench.set);
    return EXIT_SUCCESS;
}
