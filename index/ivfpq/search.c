/* Searching: the query's tables, how far to look, and the order of the stages; see ivfpq_int.h.
 *
 * Threads: a search holds one table by its reference and works in its thread's scratch. Failures:
 * CANCELLED, TOO_LARGE when there is no memory for the scratch. */
#include "index/ivfpq/searching.h"
#include "storage/base/assert.h"

#include <math.h>
#include <string.h>

enum { USUAL_LIMIT = 10, KEEP_PER_RESULT = 3, PROBES_GROWTH = 4 };
static const double TOLERANCE = 1.3; /* of a filter's estimate */
/* With a filter recall is worth more than time, of which the scan of its matches takes far more:
 * measured on a million clustered vectors, 0.99 at any selectivity instead of 0.92. */
static const double FILTERED_PROBES = 2.5;
static const double FILTERED_KEEP = 1.5;

/* How many times more lists must be probed when only a part of the points is accepted. The same
 * number of accepted points needs 1 / part times as many lists; but they are spread over more
 * lists then, so somewhat fewer hold the same part of the neighbours (measured). */
double filter_factor(double part)
{
    part = part > 1e-6 ? part : 1e-6;
    return part < 1 ? pow(part, -0.8) : 1;
}

static struct plan plan_of(const struct table *table, const struct search_args *args)
{
    const struct model_head *head = &table->model.head;
    double effort = args->effort > 0 ? args->effort / (double)EFFORT_DEFAULT : 1.0;
    double limit = args->limit > USUAL_LIMIT ? args->limit / (double)USUAL_LIMIT : 1.0;
    double probes = head->probes_default * effort * sqrt(limit);
    double keep = head->keep_default * (effort < 1 ? 0.5 + effort / 2 : effort) +
                  (double)KEEP_PER_RESULT * args->limit;
    if (args->accept != NULL && args->accept->bits != NULL) {
        probes *= FILTERED_PROBES;
        keep *= FILTERED_KEEP;
    }
    double usual = probes;
    double accepted = args->accept != NULL ? args->accept->selectivity : 1.0;
    if (args->count < table->linked) {
        accepted *= args->count / (double)table->linked;
    }
    probes *= filter_factor(accepted);
    if (args->codes == CODES_IGNORED) {
        keep *= 2;
    }
    double entries = table->entries;
    struct plan plan = {
        .probes = probes < (double)table->lists_count ? (size_t)probes : table->lists_count,
        .keep = keep < entries ? (size_t)keep : table->entries,
        .accepted = accepted,
        .usual = usual,
    };
    plan.probes = plan.probes > 0 ? plan.probes : 1;
    plan.keep = plan.keep > 0 ? plan.keep : 1;
    return plan;
}

/* The query times the steps of the rests, in bytes. */
static void weigh_rests(struct searching *s)
{
    const struct model *model = &s->table->model;
    const float *query = s->scratch->query;
    float scale = model->space == SPACE_SQUARE ? -2.0f : -1.0f;
    float widest = 0;
    for (size_t d = 0; d < model->dim; d++) {
        float weight = fabsf(query[d] * model->rest_step[d]);
        widest = weight > widest ? weight : widest;
    }
    float unit = widest > 0 ? widest / INT8_MAX : 1;
    size_t bytes = (model->dim + 1) / 2;
    size_t steps = (bytes + FASTSCAN_REST_STEP - 1) / FASTSCAN_REST_STEP;
    int8_t *weights = s->scratch->rest_weights;
    memset(weights, 0, steps * 2 * FASTSCAN_REST_STEP);
    int32_t sum = 0;
    for (size_t d = 0; d < model->dim; d++) {
        size_t byte = d / 2;
        size_t step = byte / FASTSCAN_REST_STEP;
        size_t from = step * FASTSCAN_REST_STEP;
        if (from + FASTSCAN_REST_STEP > bytes && bytes > FASTSCAN_REST_STEP) {
            from = bytes - FASTSCAN_REST_STEP;
        }
        float weight = query[d] * model->rest_step[d] / unit;
        int8_t rounded = (int8_t)lrintf(weight);
        weights[step * 2 * FASTSCAN_REST_STEP + d % 2 * FASTSCAN_REST_STEP + byte - from] = rounded;
        sum += rounded;
    }
    s->rest_scale = scale * unit;
    /* Nibbles stand for the middles of steps around zero: n - 7.5. */
    s->rest_bias = (int32_t)((int64_t)sum * 15 / 2);
}

static void make_tables(struct searching *s)
{
    const struct model *model = &s->table->model;
    struct scratch *scratch = s->scratch;
    bool square = model->space == SPACE_SQUARE;
    bool absolute = model->space == SPACE_ABSOLUTE;
    float scale = absolute ? 1.0f : square ? -2.0f : -1.0f;
    /* The points' tables come last: those of floats stay. */
    const struct pq *pqs[] = {&model->coarse, &model->fine};
    const struct addends *addends[] = {&model->head.coarse_addends, &model->head.addends};
    struct fastscan_query *queries[] = {&s->coarse, &s->fine};
    struct fastscan_quantized *units[] = {&s->coarse_units, &s->fine_units};
    uint8_t *tables[] = {scratch->coarse_tables, scratch->tables};
    /* Addends are in the units of the sums for Euclid; for dot the centroids' are spreads, whose
     * weight is the query's norm. */
    float spread_weight = square ? 1 : absolute ? 0 : model->head.reach * s->query_norm;
    const float weights[] = {spread_weight, square ? 1 : 0};
    for (int i = 0; i < 2; i++) {
        const struct pq *pq = pqs[i];
        float addend_step = weights[i] * addends[i]->step;
        s->kernel->tables(scratch->query, pq->words, pq->subs, pq->width, scale, absolute,
                          scratch->float_tables);
        float step_min = addend_step / 255;
        *units[i] = s->kernel->quantize(scratch->float_tables, pq->subs, step_min, tables[i]);
        float addend_scale = addend_step / units[i]->step * 256;
        *queries[i] = (struct fastscan_query){
            .tables = tables[i],
            .pairs = pq->subs / 2,
            .has_addends = i == 1 ? square : coarse_has_addends(model),
            .addend_scale =
                addend_scale < UINT16_MAX ? (uint16_t)(addend_scale + 0.5f) : UINT16_MAX,
        };
    }
}

bool searching_begin(struct searching *s, const struct ivfpq *ivfpq, const struct table *table,
                     const struct search_args *args, const struct plan *plan)
{
    const struct model *model = &table->model;
    *s = (struct searching){
        .ivfpq = ivfpq, .table = table, .args = args, .plan = *plan, .kernel = fastscan_get()};
    const struct scratch_sizes sizes = {
        .padded = pq_padded(&model->fine),
        .subs = model->fine.subs,
        .rest_weights = ((model->dim + 1) / 2 + FASTSCAN_REST_STEP) * 2,
        .lists = table->lists_count,
        .list_max = table->list_max,
        .found = plan->keep * 2 + 16 + table->list_max,
    };
    s->scratch = ivfpq_scratch(&sizes);
    if (s->scratch == NULL) {
        return false;
    }
    float *query = s->scratch->query;
    memset(query, 0, sizes.padded * sizeof *query);
    ivfpq_row(ivfpq, model, args->query, query);
    float norm = 0;
    for (size_t d = 0; d < model->dim; d++) {
        norm += query[d] * query[d];
    }
    s->query_norm = sqrtf(norm);
    s->precise = args->codes == CODES_ONLY || ivfpq->cold;
    make_tables(s);
    weigh_rests(s);
    return true;
}

/* After a scan: how many times more lists it takes, because the filter accepted less than it was
 * said to, or around the query less than elsewhere. 1: none. */
static double more_probes(const struct searching *s)
{
    if (s->plan.probes >= s->table->lists_count || s->work.gave_up != GAVE_UP_NOT) {
        return 1;
    }
    double factor = s->found_count < s->plan.keep ? PROBES_GROWTH : 1;
    if (s->behind && !s->closed) {
        factor = PROBES_GROWTH;
    }
    if (s->tested > 0) {
        double accepted = (double)(s->accepted + 1) / (double)(s->tested + 1);
        double lacking = filter_factor(accepted) / filter_factor(s->plan.accepted);
        if (lacking > TOLERANCE && lacking > factor) {
            factor = lacking;
        }
    }
    return factor;
}

/* Probes and scans, twice or more often when a filter makes it necessary. False: cancelled. */
static bool look(struct searching *s)
{
    for (;;) {
        searching_probe(s);
        if (!searching_scan(s)) {
            return false;
        }
        double factor = more_probes(s);
        if (factor <= 1) {
            return true;
        }
        double probes = (double)s->plan.probes * factor + 1;
        size_t lists = s->table->lists_count;
        s->plan.probes = probes < (double)lists ? (size_t)probes : lists;
        s->plan.accepted = (double)(s->accepted + 1) / (double)(s->tested + 1);
    }
}

static void note_work(const struct searching *s)
{
    struct search_trace *trace = s->args->trace;
    if (trace != NULL) {
        trace->checked += s->work.checked;
        trace->compared += s->work.compared;
        trace->rescored += s->work.rescored;
        trace->hops += s->work.hops;
        trace->gave_up = s->work.gave_up;
    }
}

enum status ivfpq_search(const struct vindex *index, const struct search_args *args,
                         struct topk *out, struct error *err)
{
    const struct ivfpq *ivfpq = (const struct ivfpq *)index;
    enum status status = STATUS_OK;
    struct table *table = table_pin(ivfpq);
    if (table->entries > 0 && args->limit > 0 && args->count > 0) {
        struct plan plan = plan_of(table, args);
        struct searching searching;
        if (!searching_begin(&searching, ivfpq, table, args, &plan)) {
            status = error_set(err, STATUS_TOO_LARGE, "no memory to search an index");
        } else {
            if (look(&searching)) {
                searching_refine(&searching);
                searching_finish(&searching, out);
                note_work(&searching);
            } else {
                status = error_set(err, STATUS_CANCELLED, "the search was cancelled");
            }
        }
    }
    table_unref(table);
    return status;
}

double ivfpq_cost(const struct vindex *index, const struct search_args *args)
{
    const struct ivfpq *ivfpq = (const struct ivfpq *)index;
    struct table *table = table_pin(ivfpq);
    double cost = 0;
    if (table->entries > 0) {
        struct plan plan = plan_of(table, args);
        double entries = table->entries;
        double scanned = entries * (double)plan.probes / (double)table->lists_count;
        /* A code costs about a twentieth of a distance to a row, and so does looking its bit up. */
        bool filtered = args->accept != NULL && args->accept->bits != NULL;
        scanned *= filtered ? 2 : 1;
        cost = (scanned + (double)table->lists_count) / 20 + (double)plan.keep / 2;
        cost = cost < entries ? cost : entries;
        cost = cost > 1 ? cost : 1;
    }
    table_unref(table);
    return cost;
}
