/* Strict mode and quotas as requests meet them: through guard_run and guard_propose. */
#include "server/api/guard.h"
#include "server/api/strict.h"
#include "storage/base/clock.h"
#include "tests/unit/api_fixture.h"

#include <pthread.h>

static const float right[4] = {1, 2, 3, 4};

struct fake_reading {
    struct quota_reading reading;
};

static void read_fake(void *ctx, struct quota_reading *out)
{
    *out = ((struct fake_reading *)ctx)->reading;
}

/* A collection `c` with these limits. */
static Qdrant__StrictModeConfig *begin(struct fixture *f)
{
    f->call.guard = guard_create(&f->settings);
    Qdrant__StrictModeConfig *strict = NEW(f, strict_mode_config);
    strict->_enabled_case = QDRANT__STRICT_MODE_CONFIG___ENABLED_ENABLED;
    strict->enabled = true;
    return strict;
}

/* Sets an option of a whole number. */
static void set(Qdrant__StrictModeConfig *strict, const char *option, uint64_t value)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(strict->base.descriptor, option);
    assert_non_null(field);
    void *present = (char *)strict + field->quantifier_offset;
    void *at = (char *)strict + field->offset;
    *(uint32_t *)present = field->id;
    if (field->type == PROTOBUF_C_TYPE_UINT64) {
        *(uint64_t *)at = value;
    } else {
        assert_int_equal(field->type, PROTOBUF_C_TYPE_UINT32);
        *(uint32_t *)at = (uint32_t)value;
    }
}

static void create(struct fixture *f, Qdrant__StrictModeConfig *strict)
{
    Qdrant__CreateCollection *request =
        make_create(f, "c", NULL, make_params(f, 4, QDRANT__DISTANCE__Dot));
    request->strict_mode_config = strict;
    run_ok(f, "create_collection", request);
}

static void end(struct fixture *f)
{
    guard_destroy(f->call.guard);
}

static Qdrant__UpsertPoints *upsert_of(struct fixture *f, uint64_t first, size_t count,
                                       const char *payload)
{
    Qdrant__UpsertPoints *request = make_upsert(f, "c", NULL);
    request->points = arena_new_array(f->arena, Qdrant__PointStruct *, count + 1);
    for (size_t i = 0; i < count; i++) {
        request->points[i] = make_point(f, make_id(f, first + i),
                                        make_vectors(f, NULL, make_dense(f, right, 4)), payload);
    }
    request->n_points = count;
    return request;
}

/* Proposes and applies; the hold is released after that. */
static enum status write_through(struct fixture *f, const char *name, const void *input)
{
    const struct op *op = op_find(name);
    struct buffer command;
    struct hold hold;
    struct fsm_result result = {0};
    buffer_init(&command, 0);
    f->err = (struct error){0};
    enum status status = guard_propose(&f->call, op, input, &command, &hold);
    if (status == STATUS_OK && command.size > 0) {
        engine_apply(f->engine, ++f->index, buffer_slice(&command), &result);
        status = result.code;
    } else if (status != STATUS_OK) {
        assert_int_equal(command.size, 0);
        assert_null(hold.budget);
    }
    budget_release(&hold);
    buffer_deinit(&command);
    return status;
}

static void assert_refused(struct fixture *f, enum status status, const char *const *words)
{
    assert_int_equal(status, STATUS_BAD_REQUEST);
    for (; *words; words++) {
        if (!strstr(f->err.message, *words)) {
            fail_msg("`%s` is not in `%s`", *words, f->err.message);
        }
    }
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Points: up to the limit, and what replaces others is free; ids that come twice count once. */
static void test_points_count(void **state)
{
    struct fixture *f = *state;
    Qdrant__StrictModeConfig *strict = begin(f);
    set(strict, "max_points_count", 10);
    create(f, strict);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 7, NULL)), STATUS_OK);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 8, 4, NULL)),
                   WORDS("max_points_count", "11 > 10", "Help: "));
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 6, 5, NULL)), STATUS_OK);
    assert_int_equal(count_points(f, "c"), 10);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 10, NULL)), STATUS_OK);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 11, 1, NULL)), WORDS("11 > 10"));
    Qdrant__DeletePoints *drop = NEW(f, delete_points);
    drop->collection_name = (char *)"c";
    drop->points = make_ids(f, (const uint64_t[]){1}, 1);
    assert_int_equal(write_through(f, "delete_points", drop), STATUS_OK);
    Qdrant__UpsertPoints *twice = upsert_of(f, 11, 2, NULL);
    twice->points[1]->id = make_id(f, 11);
    assert_int_equal(write_through(f, "upsert", twice), STATUS_OK);
    assert_int_equal(count_points(f, "c"), 10);
    Qdrant__UpsertPoints *update = upsert_of(f, 50, 1, NULL);
    update->_update_mode_case = QDRANT__UPSERT_POINTS___UPDATE_MODE_UPDATE_MODE;
    update->update_mode = QDRANT__UPDATE_MODE__UpdateOnly;
    assert_int_equal(write_through(f, "upsert", update), STATUS_OK);
    assert_int_equal(count_points(f, "c"), 10);
    end(f);
}

/* What is proposed and not applied yet counts, until it was applied or given up. */
static void test_under_way(void **state)
{
    struct fixture *f = *state;
    Qdrant__StrictModeConfig *strict = begin(f);
    set(strict, "max_points_count", 10);
    create(f, strict);
    const struct op *op = op_find("upsert");
    struct buffer command;
    struct hold first;
    buffer_init(&command, 0);
    assert_int_equal(guard_propose(&f->call, op, upsert_of(f, 1, 6, NULL), &command, &first),
                     STATUS_OK);
    assert_non_null(first.budget);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 11, 5, NULL)), WORDS("11 > 10"));
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 11, 4, NULL)), STATUS_OK);
    budget_release(&first); /* it was given up */
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 21, 6, NULL)), STATUS_OK);
    assert_int_equal(count_points(f, "c"), 10);
    /* A write that its operation refuses holds nothing. */
    Qdrant__UpsertPoints *bad = upsert_of(f, 21, 1, NULL);
    bad->points[0]->vectors = make_vectors(f, "x", make_dense(f, right, 4));
    assert_int_equal(write_through(f, "upsert", bad), STATUS_BAD_INPUT);
    buffer_deinit(&command);
    end(f);
}

/* Stored bytes of vectors, exactly; a vector that takes another's place is free. */
static void test_vector_bytes(void **state)
{
    struct fixture *f = *state;
    Qdrant__StrictModeConfig *strict = begin(f);
    set(strict, "max_collection_vector_size_bytes", 48);
    create(f, strict);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 1, 4, NULL)),
                   WORDS("max_collection_vector_size_bytes", "64 > 48"));
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 3, NULL)), STATUS_OK);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 2, 2, NULL)), STATUS_OK);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 4, 1, NULL)), WORDS("64 > 48"));
    Qdrant__UpdatePointVectors *update = NEW(f, update_point_vectors);
    Qdrant__PointVectors *part = NEW(f, point_vectors);
    update->collection_name = (char *)"c";
    update->points = &part;
    update->n_points = 1;
    part->id = make_id(f, 1);
    part->vectors = make_vectors(f, NULL, make_dense(f, right, 4));
    assert_int_equal(write_through(f, "update_vectors", update), STATUS_OK);
    /* A point without a vector is no vector. */
    Qdrant__UpsertPoints *bare = upsert_of(f, 4, 1, NULL);
    bare->points[0]->vectors = NULL;
    assert_int_equal(write_through(f, "upsert", bare), STATUS_OK);
    part->id = make_id(f, 4);
    assert_refused(f, write_through(f, "update_vectors", update), WORDS("64 > 48"));
    end(f);
}

static Qdrant__SetPayloadPoints *set_payload(struct fixture *f, const char *json,
                                             Qdrant__PointsSelector *selector)
{
    Qdrant__SetPayloadPoints *request = NEW(f, set_payload_points);
    request->collection_name = (char *)"c";
    request->_payload_json_case = QDRANT__SET_PAYLOAD_POINTS___PAYLOAD_JSON_PAYLOAD_JSON;
    request->payload_json.data = (uint8_t *)json;
    request->payload_json.len = strlen(json);
    request->points_selector = selector;
    return request;
}

/* Bytes of payloads as JSON text, exactly, after changes and deletes too. */
static void test_payload_bytes(void **state)
{
    struct fixture *f = *state;
    Qdrant__StrictModeConfig *strict = begin(f);
    set(strict, "max_collection_payload_size_bytes", 30);
    create(f, strict);
    const char *ten = "{\"k\":\"va\"}";
    assert_int_equal(strlen(ten), 10);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 1, 4, ten)),
                   WORDS("max_collection_payload_size_bytes", "40 > 30"));
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 3, ten)), STATUS_OK);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 3, ten)), STATUS_OK);
    assert_refused(f, write_through(f, "upsert", upsert_of(f, 4, 1, "{}")), WORDS("32 > 30"));
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 4, 1, NULL)), STATUS_OK);
    const uint64_t one[] = {4};
    assert_refused(f, write_through(f, "set_payload", set_payload(f, ten, make_ids(f, one, 1))),
                   WORDS("40 > 30"));
    Qdrant__DeletePoints *drop = NEW(f, delete_points);
    drop->collection_name = (char *)"c";
    drop->points = make_ids(f, (const uint64_t[]){1, 2}, 2);
    assert_int_equal(write_through(f, "delete_points", drop), STATUS_OK);
    assert_int_equal(write_through(f, "set_payload", set_payload(f, ten, make_ids(f, one, 1))),
                     STATUS_OK);
    /* What a filter selects is counted: one of two points has k = va and the new payload is 10. */
    Qdrant__PointsSelector *selector = NEW(f, points_selector);
    selector->points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER;
    selector->filter = make_filter(f, "k", "none");
    assert_int_equal(write_through(f, "set_payload", set_payload(f, ten, selector)), STATUS_OK);
    selector->filter = make_filter(f, "k", "va");
    assert_refused(f, write_through(f, "set_payload", set_payload(f, ten, selector)),
                   WORDS("40 > 30"));
    end(f);
}

struct writer {
    struct fixture own; /* with an arena and an error of its own */
    uint64_t *index;    /* of the last command, for all */
    uint64_t first;
    pthread_mutex_t *apply_lock;
    unsigned accepted;
};

static void *write_many(void *at)
{
    struct writer *writer = at;
    struct fixture *f = &writer->own;
    f->arena = arena_create(0);
    f->call.arena = f->arena;
    f->call.err = &f->err;
    for (uint64_t i = 0; i < 100; i++) {
        struct buffer command;
        struct hold hold;
        struct fsm_result result;
        buffer_init(&command, 0);
        if (guard_propose(&f->call, op_find("upsert"), upsert_of(f, writer->first + i, 1, NULL),
                          &command, &hold) == STATUS_OK) {
            writer->accepted++;
            pthread_mutex_lock(writer->apply_lock);
            engine_apply(f->engine, ++*writer->index, buffer_slice(&command), &result);
            pthread_mutex_unlock(writer->apply_lock);
        }
        budget_release(&hold);
        buffer_deinit(&command);
        arena_reset(f->arena);
    }
    arena_destroy(f->arena);
    return NULL;
}

/* Threads that write at the same time do not pass a limit together, and fill it. */
static void test_many_writers(void **state)
{
    enum { WRITERS = 4, POINTS = 150 };
    struct fixture *f = *state;
    Qdrant__StrictModeConfig *strict = begin(f);
    set(strict, "max_points_count", POINTS);
    create(f, strict);
    pthread_mutex_t apply_lock = PTHREAD_MUTEX_INITIALIZER;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned accepted = 0;
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){
            .own = *f, .index = &f->index, .first = i * 1000, .apply_lock = &apply_lock};
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        accepted += writers[i].accepted;
    }
    assert_int_equal(accepted, POINTS);
    assert_int_equal(count_points(f, "c"), POINTS);
    assert_int_equal(budgets_count(f->call.guard->budgets), 1);
    end(f);
}

/* Budgets that nobody uses go, those that something is held of stay. */
static void test_idle_budgets(void **state)
{
    struct fixture *f = *state;
    create(f, begin(f));
    struct budgets *budgets = f->call.guard->budgets;
    struct buffer command;
    struct hold hold;
    buffer_init(&command, 0);
    assert_int_equal(budgets_count(budgets), 0);
    assert_int_equal(
        guard_propose(&f->call, op_find("upsert"), upsert_of(f, 1, 1, NULL), &command, &hold),
        STATUS_OK);
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t later_ns = now_ns + UINT64_C(700) * 1000000000;
    budgets_forget_idle(budgets, later_ns);
    assert_int_equal(budgets_count(budgets), 1);
    budget_release(&hold);
    budgets_forget_idle(budgets, now_ns);
    assert_int_equal(budgets_count(budgets), 1);
    budgets_forget_idle(budgets, later_ns);
    assert_int_equal(budgets_count(budgets), 0);
    buffer_deinit(&command);
    end(f);
}

/* Rates by the bucket of the collection: what is refused says when to come again. */
static void test_rates(void **state)
{
    struct fixture *f = *state;
    Qdrant__StrictModeConfig *strict = begin(f);
    uint32_t retry_after_sec = 0;
    f->call.retry_after_sec = &retry_after_sec;
    set(strict, "read_rate_limit", 2);
    set(strict, "write_rate_limit", 1);
    create(f, strict);
    Qdrant__CountPoints *count = NEW(f, count_points);
    count->collection_name = (char *)"c";
    void *output = api_new(&f->call, op_find("count")->output);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 1, NULL)), STATUS_OK);
    assert_int_equal(guard_run(&f->call, op_find("count"), count, output), STATUS_OK);
    assert_int_equal(guard_run(&f->call, op_find("count"), count, output), STATUS_OK);
    assert_int_equal(retry_after_sec, 0);
    assert_int_equal(guard_run(&f->call, op_find("count"), count, output), STATUS_RATE_LIMITED);
    assert_in_range(retry_after_sec, 1, 30);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 2, 1, NULL)), STATUS_RATE_LIMITED);
    assert_in_range(retry_after_sec, 31, 60);
    Qdrant__QueryBatchPoints *batch = NEW(f, query_batch_points);
    Qdrant__QueryPoints *parts[3] = {NEW(f, query_points), NEW(f, query_points),
                                     NEW(f, query_points)};
    batch->collection_name = (char *)"c";
    batch->query_points = parts;
    batch->n_query_points = 3;
    output = api_new(&f->call, op_find("query_batch")->output);
    assert_int_equal(guard_run(&f->call, op_find("query_batch"), batch, output),
                     STATUS_RATE_LIMITED);
    assert_int_equal(retry_after_sec, 60);
    assert_int_equal(count_points(f, "c"), 1);
    end(f);
}

/* Every kind of read and update has its kind and its cost. */
static void test_kinds(void **state)
{
    struct fixture *f = *state;
    uint64_t cost = 0;
    Qdrant__QueryBatchPoints *batch = NEW(f, query_batch_points);
    batch->n_query_points = 3;
    assert_int_equal(strict_kind(&batch->base, &cost), REQUEST_READ);
    assert_int_equal(cost, 3);
    Qdrant__UpdateBatchPoints *updates = NEW(f, update_batch_points);
    Qdrant__PointsUpdateOperation *drop = NEW(f, points_update_operation);
    Qdrant__PointsUpdateOperation *operations[] = {drop, drop};
    drop->operation_case = QDRANT__POINTS_UPDATE_OPERATION__OPERATION_DELETE_POINTS;
    updates->operations = operations;
    updates->n_operations = 2;
    assert_int_equal(strict_kind(&updates->base, &cost), REQUEST_UPDATE);
    assert_int_equal(cost, 2);
    operations[1] = NEW(f, points_update_operation);
    operations[1]->operation_case = QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPSERT;
    assert_int_equal(strict_kind(&updates->base, &cost), REQUEST_GROWTH);
    /* Every operation on points is known. */
    for (size_t i = 0; i < op_count; i++) {
        const struct op *op = &op_table[i];
        if (strstr(op->path, "/points") || strstr(op->path, "/facet")) {
            ProtobufCMessage *input = api_new(&f->call, op->input);
            if (strict_kind(input, &cost) == REQUEST_OTHER) {
                fail_msg("%s has no kind", op->name);
            }
        }
    }
}

/* A filter that is nested without end is refused, not followed. */
static void test_nested_filter(void **state)
{
    struct fixture *f = *state;
    create(f, begin(f));
    Qdrant__CountPoints *count = NEW(f, count_points);
    count->collection_name = (char *)"c";
    count->filter = make_filter(f, "k", "v");
    for (int i = 0; i < 2000; i++) {
        Qdrant__Filter *outer = make_filter(f, "k", "v");
        outer->must[0]->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FILTER;
        outer->must[0]->filter = count->filter;
        count->filter = outer;
    }
    void *output = api_new(&f->call, op_find("count")->output);
    f->err = (struct error){0};
    assert_refused(f, guard_run(&f->call, op_find("count"), count, output),
                   WORDS("nested too deeply"));
    end(f);
}

static enum status put_quotas(struct fixture *f, uint32_t memory, uint32_t disk, uint32_t margin)
{
    Sagitta__Quotas *quotas = api_new(&f->call, &sagitta__quotas__descriptor);
    quotas->_enabled_case = SAGITTA__QUOTAS___ENABLED_ENABLED;
    quotas->enabled = true;
    if (memory) {
        quotas->_max_resident_memory_percent_case =
            SAGITTA__QUOTAS___MAX_RESIDENT_MEMORY_PERCENT_MAX_RESIDENT_MEMORY_PERCENT;
        quotas->max_resident_memory_percent = memory;
    }
    if (disk) {
        quotas->_max_disk_usage_percent_case =
            SAGITTA__QUOTAS___MAX_DISK_USAGE_PERCENT_MAX_DISK_USAGE_PERCENT;
        quotas->max_disk_usage_percent = disk;
    }
    quotas->_release_margin_percent_case =
        SAGITTA__QUOTAS___RELEASE_MARGIN_PERCENT_RELEASE_MARGIN_PERCENT;
    quotas->release_margin_percent = margin;
    return write_through(f, "update_quotas", quotas);
}

/* Over a quota what grows is refused, with or without strict mode, and reads and deletes are not;
 * a batch is refused when one of its parts grows. */
static void test_quotas_refuse(void **state)
{
    struct fixture *f = *state;
    struct fake_reading fake = {
        .reading = {
            .memory_known = true, .disk_known = true, .memory_percent = 50, .disk_percent = 60}};
    create(f, begin(f));
    quota_destroy(f->call.guard->quota);
    f->call.guard->quota = quota_create("/tmp", read_fake, &fake);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 1, 1, NULL)), STATUS_OK);
    assert_int_equal(put_quotas(f, 50, 0, 1), STATUS_OK);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 2, 1, NULL)), STATUS_NO_SPACE);
    assert_non_null(strstr(f->err.message, "max_resident_memory_percent = 50"));
    const uint64_t one[] = {1};
    assert_int_equal(write_through(f, "set_payload", set_payload(f, "{}", make_ids(f, one, 1))),
                     STATUS_NO_SPACE);
    assert_int_equal(put_quotas(f, 51, 60, 1), STATUS_OK);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 2, 1, NULL)), STATUS_NO_SPACE);
    assert_non_null(strstr(f->err.message, "max_disk_usage_percent = 60"));
    Qdrant__DeletePoints *drop = NEW(f, delete_points);
    drop->collection_name = (char *)"c";
    drop->points = make_ids(f, one, 1);
    assert_int_equal(write_through(f, "delete_points", drop), STATUS_OK);
    Qdrant__CountPoints *count = NEW(f, count_points);
    count->collection_name = (char *)"c";
    void *output = api_new(&f->call, op_find("count")->output);
    assert_int_equal(guard_run(&f->call, op_find("count"), count, output), STATUS_OK);
    assert_int_equal(put_quotas(f, 51, 61, 1), STATUS_OK);
    assert_int_equal(write_through(f, "upsert", upsert_of(f, 2, 1, NULL)), STATUS_OK);
    end(f);
}

/* Quotas are the catalog's: they are there again when the engine is opened anew. */
static void test_quotas_persist(void **state)
{
    struct fixture *f = *state;
    struct quota_limits limits;
    create(f, begin(f));
    assert_int_equal(put_quotas(f, 70, 80, 3), STATUS_OK);
    struct engine_options options = {.path = f->path,
                                     .cache_bytes = 8 << 20,
                                     .write_buffer_bytes = 8 << 20,
                                     .build_threads = 1,
                                     .defaults = *engine_defaults(f->engine)};
    assert_int_equal(engine_checkpoint(f->engine, f->index, &f->err), STATUS_OK);
    arena_destroy(f->arena);
    f->arena = arena_create(0);
    f->call.arena = f->arena;
    engine_close(f->engine);
    assert_int_equal(engine_open(&options, &f->engine, &f->err), STATUS_OK);
    f->call.engine = f->engine;
    engine_quotas(f->engine, &limits);
    assert_true(limits.enabled && limits.has_margin);
    assert_int_equal(limits.memory_percent_max, 70);
    assert_int_equal(limits.disk_percent_max, 80);
    assert_int_equal(limits.margin_percent, 3);
    end(f);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_points_count),  WITH(test_under_way),      WITH(test_vector_bytes),
        WITH(test_payload_bytes), WITH(test_many_writers),   WITH(test_idle_budgets),
        WITH(test_rates),         WITH(test_kinds),          WITH(test_nested_filter),
        WITH(test_quotas_refuse), WITH(test_quotas_persist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
