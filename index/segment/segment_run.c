/* Carrying out a plan. A search of the index may give up, or find fewer points than there are; the
 * next way is taken then, last of all a scan of the matches, so an answer is never short. What a
 * failed step found is found again by the next, so it serves as a bound only.
 *
 * Threads: the caller's. Failures: those of the index; INTERNAL when there is no memory for bits.
 */
#include "index/segment/segment_run.h"

#include "storage/base/assert.h"
#include "storage/base/clock.h"

#include <math.h>

/* Of all points, that may be met while each is checked: checking costs far more than comparing. */
static const double CHECKED_PART_MAX = 0.5;
static const double HOPS_PART_DEFAULT = 0.4;

static void make_plan(struct searching *s)
{
    struct search_report *report = s->report;
    struct plan_query query = {.index = s->index,
                               .args = &s->args,
                               .vectors = s->vectors,
                               .links = s->links,
                               .cold = s->cold,
                               .matches = report->estimated_matches,
                               .points = s->args.count,
                               .hops = s->matches ? s->hops : HOPS_NEVER,
                               .hops_part = s->hops_part > 0 ? s->hops_part : HOPS_PART_DEFAULT};
    plan_make(&query, &report->plan);
    if (s->index && !s->matches) {
        report->plan.chosen = SEARCH_INDEX;
    }
    report->plan.chosen = s->forced ? s->first : report->plan.chosen;
}

static void count_matches(struct searching *s)
{
    struct search_report *report = s->report;
    report->filtered = s->filtered;
    report->sampled = s->filtered && !s->matches;
    report->points = s->args.count;
    report->estimated_matches = s->present;
    if (s->matches) {
        report->estimated_matches = match_set_count(s->matches);
    } else if (s->filtered) {
        report->estimated_matches = (uint64_t)(s->selectivity * s->args.count);
    }
}

/* The test, and for a walk the bits and how much it may do. */
static enum status prepare_walk(struct searching *s, struct error *err)
{
    s->accept = (struct accept){.test = s->test, .ctx = s->ctx, .selectivity = s->selectivity};
    s->args.accept = s->filtered || s->test_all ? &s->accept : NULL;
    s->args.work_max = 0;
    if (!s->filtered) {
        return STATUS_OK;
    }
    if (!s->matches) {
        s->args.work_max = (uint64_t)(CHECKED_PART_MAX * s->args.count) + 1;
        return STATUS_OK;
    }
    if (!match_set_expand(s->matches)) {
        return error_set(err, STATUS_INTERNAL, "no memory for a set of %u points", s->args.count);
    }
    s->accept.bits = s->matches->words;
    s->accept.bits_count = s->matches->bits;
    s->accept.selectivity =
        (double)match_set_count(s->matches) / (double)((uint64_t)s->args.count + 1);
    s->args.work_max = s->report->plan.work_max;
    return STATUS_OK;
}

/* The index below what is linked; then the rows of the tail: the index goes on growing, and no
 * point may come twice. */
static enum status search_index(struct searching *s, struct search_step *step, struct error *err)
{
    struct search_args *args = &s->args;
    point_offset linked = s->index->kind->linked(s->index);
    point_offset count = args->count;
    args->count = linked < count ? linked : count;
    enum status status = STATUS_OK;
    if (step->operator== SEARCH_SCAN_CODES) {
        status = scan_codes(s, args->count, err);
    } else {
        args->walk = step->operator== SEARCH_HOPS ? FILTER_HOPS : FILTER_POSTCHECK;
        status = s->index->kind->search(s->index, args, s->top, err);
    }
    args->count = count;
    if (status == STATUS_OK && step->trace.gave_up == GAVE_UP_NOT && !s->indexed_only &&
        linked < count) {
        s->report->tail = count - linked;
        status = scan_rows(s, linked, &step->trace, err);
    }
    return status;
}

/* Fewer than were asked for although there are more? */
static bool is_short(const struct searching *s)
{
    uint64_t most = s->matches ? match_set_count(s->matches) : s->present;
    return !s->indexed_only && s->top->count < s->args.limit && s->top->count < most;
}

/* Did the step hold? */
static enum status take_step(struct searching *s, enum search_operator operator, bool * held,
                             struct error *err)
{
    struct search_report *report = s->report;
    ASSERT(report->steps_count < SEARCH_STEPS_MAX);
    struct search_step *step = &report->steps[report->steps_count++];
    *step =
        (struct search_step){.operator= operator, .estimated_ns = report->plan.cost_ns[operator] };
    uint64_t start = clock_monotonic_ns();
    bool walks = operator== SEARCH_HOPS || operator== SEARCH_INDEX;
    enum status status = walks ? prepare_walk(s, err) : STATUS_OK;
    s->args.trace = &step->trace;
    if (status == STATUS_OK && operator== SEARCH_SCAN) {
        status = scan_rows(s, 0, &step->trace, err);
    } else if (status == STATUS_OK) {
        status = search_index(s, step, err);
    }
    step->is_short = walks && is_short(s);
    step->took_ns = clock_monotonic_ns() - start;
    *held = step->trace.gave_up == GAVE_UP_NOT && !step->is_short;
    return status;
}

/* Empties the answer. Estimates are no bound for distances. */
static void start_again(struct searching *s)
{
    s->bound = s->args.codes == CODES_ONLY ? INFINITY : topk_bound(s->top);
    s->args.bound = &s->bound;
    s->top->count = 0;
}

enum status search_run(struct searching *s, bool *unfinished, struct error *err)
{
    const struct plan *plan = &s->report->plan;
    bool again = s->report->steps_count > 0;
    *unfinished = false;
    count_matches(s);
    make_plan(s);
    enum search_operator operator= plan->chosen;
    if (again && operator== SEARCH_INDEX) {
        operator= plan_scan(plan); /* it failed with points being checked; it would again */
    }
    bool held = false;
    for (;;) {
        enum status status = take_step(s, operator, & held, err);
        if (status != STATUS_OK || held) {
            return status;
        }
        start_again(s);
        if (s->filtered && !s->matches) {
            *unfinished = true;
            return STATUS_OK;
        }
        bool index = operator== SEARCH_HOPS && !again && plan_index_after_hops(plan);
        operator= index ? SEARCH_INDEX : plan_scan(plan);
    }
}
