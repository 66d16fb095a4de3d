/* The parts that limits are made of, with a clock and readings of our own: token bucket, quotas,
 * walks over messages, the list of issues. */
#include "server/api/guard.h"
#include "server/api/message_walk.h"
#include "server/api/quota_json.h"
#include "server/api/strict.h"
#include "server/api/token_bucket.h"
#include "storage/base/random.h"
#include "tests/unit/api_fixture.h"

#define SECOND UINT64_C(1000000000)

/* A full bucket gives a minute's worth at once; then it says when the next token is there, and not
 * a moment earlier it is. */
static void test_bucket_refills(void **state)
{
    (void)state;
    struct token_bucket bucket = {0};
    for (int i = 0; i < 30; i++) {
        assert_int_equal(token_bucket_take(&bucket, 30, 1, SECOND), 0);
    }
    assert_int_equal(token_bucket_take(&bucket, 30, 1, SECOND), 2); /* one every two seconds */
    assert_int_equal(token_bucket_take(&bucket, 30, 10, SECOND), 20);
    assert_int_equal(token_bucket_take(&bucket, 30, 1, 3 * SECOND - 1000), 1);
    assert_int_equal(token_bucket_take(&bucket, 30, 1, 3 * SECOND), 0);
    assert_int_equal(token_bucket_take(&bucket, 30, 1, 3 * SECOND), 2);
    assert_int_equal(token_bucket_take(&bucket, 30, 31, 1000 * SECOND), TOKEN_WAIT_NEVER);
    assert_int_equal(token_bucket_take(&bucket, 30, 30, 1000 * SECOND), 0);
    /* An older time, from a thread that came late, gives nothing back and takes nothing. */
    assert_int_equal(token_bucket_take(&bucket, 30, 1, 3 * SECOND), 2);
}

/* Another rate makes a full bucket of that rate. */
static void test_bucket_changes_rate(void **state)
{
    (void)state;
    struct token_bucket bucket = {0};
    assert_int_equal(token_bucket_take(&bucket, 2, 2, 0), 0);
    assert_int_equal(token_bucket_take(&bucket, 2, 1, 0), 30);
    assert_int_equal(token_bucket_take(&bucket, 600, 600, 0), 0);
    assert_int_equal(token_bucket_take(&bucket, 600, 1, 0), 1);
}

/* Whatever comes when: in no span of time does it give more than a bucket and what flowed in, and
 * what was promised is kept. */
static void test_bucket_random(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 20261125;
    random_init(&random, seed);
    for (int round = 0; round < 200; round++) {
        uint32_t rate = 1 + (uint32_t)(random_u64(&random) % 1000);
        struct token_bucket bucket = {0};
        uint64_t now = SECOND, taken = 0;
        for (int i = 0; i < 500; i++) {
            now += random_u64(&random) % (2 * SECOND);
            uint64_t cost = 1 + random_u64(&random) % (rate / 4 + 1);
            uint32_t wait = token_bucket_take(&bucket, rate, cost, now);
            if (wait > 0) {
                now += wait * SECOND;
                wait = token_bucket_take(&bucket, rate, cost, now);
            }
            if (wait > 0) {
                fail_msg("seed %llu, round %d: a promise was not kept", (unsigned long long)seed,
                         round);
            }
            taken += cost;
            double most = rate + (double)(now - SECOND) * rate / 60e9 + 1e-6 * rate;
            if ((double)taken > most) {
                fail_msg("seed %llu, round %d: %llu tokens, at most %f", (unsigned long long)seed,
                         round, (unsigned long long)taken, most);
            }
        }
    }
}

/* A resource is over from its limit on, and stays so until it is below limit less margin. */
static void test_quota_margin(void **state)
{
    (void)state;
    const struct {
        bool enabled;
        uint32_t max;
        bool has_margin;
        uint32_t margin;
        uint32_t percents[6];
        bool over[6];
    } rows[] = {
        {true, 80, true, 10, {79, 80, 75, 70, 69, 79}, {false, true, true, true, false, false}},
        {true, 80, true, 0, {80, 79, 80, 81, 79, 100}, {true, false, true, true, false, true}},
        {true, 80, false, 0, {80, 76, 75, 74, 80, 1}, {true, true, true, false, true, false}},
        {true, 3, true, 50, {3, 2, 1, 0, 2, 3}, {true, true, true, false, false, true}},
        {true, 1, false, 0, {0, 1, 0, 0, 1, 1}, {false, true, false, false, true, true}},
        {false, 80, true, 10, {80, 90, 100, 70, 80, 80}, {0}},
        {true, 0, true, 10, {80, 90, 100, 70, 80, 80}, {0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct quota_limits limits = {.enabled = rows[i].enabled,
                                      .memory_percent_max = rows[i].max,
                                      .has_margin = rows[i].has_margin,
                                      .margin_percent = rows[i].margin};
        struct quota_limits disk_limits = limits;
        disk_limits.disk_percent_max = limits.memory_percent_max;
        disk_limits.memory_percent_max = 0;
        struct quota_state memory = {0}, disk = {0};
        for (size_t step = 0; step < 6; step++) {
            struct quota_reading reading = {.memory_known = true,
                                            .disk_known = true,
                                            .memory_percent = rows[i].percents[step],
                                            .disk_percent = rows[i].percents[step]};
            quota_judge(&memory, &limits, &reading);
            quota_judge(&disk, &disk_limits, &reading);
            if (memory.memory_over != rows[i].over[step] || disk.disk_over != rows[i].over[step]) {
                fail_msg("row %zu, step %zu", i, step);
            }
            assert_false(memory.disk_over || disk.memory_over);
        }
    }
}

struct fake_reading {
    struct quota_reading reading;
    int count;
};

static void read_fake(void *ctx, struct quota_reading *out)
{
    struct fake_reading *fake = ctx;
    fake->count++;
    *out = fake->reading;
}

/* The system is asked once a second at most, however often the quota is; other limits are judged
 * anew at once. */
static void test_quota_reads_seldom(void **state)
{
    (void)state;
    struct fake_reading fake = {.reading = {.memory_known = true, .memory_percent = 50}};
    struct quota *quota = quota_create("/tmp", read_fake, &fake);
    struct quota_limits limits = {.enabled = true, .memory_percent_max = 50};
    struct quota_reading reading;
    struct quota_state over;
    for (uint64_t now = SECOND; now < 3 * SECOND; now += SECOND / 100) {
        quota_look(quota, &limits, now, &reading, &over);
        assert_true(over.memory_over);
        assert_int_equal(reading.memory_percent, 50);
    }
    assert_int_equal(fake.count, 2);
    limits.memory_percent_max = 51;
    quota_look(quota, &limits, 3 * SECOND - 1, &reading, &over);
    assert_false(over.memory_over); /* not even for the margin: it was over by other limits */
    assert_int_equal(fake.count, 2);
    fake.reading.memory_percent = 60;
    quota_look(quota, &limits, 3 * SECOND, &reading, &over);
    assert_true(over.memory_over);
    fake.reading.memory_percent = 47;
    quota_look(quota, &limits, 4 * SECOND, &reading, &over);
    assert_true(over.memory_over);
    fake.reading.memory_percent = 45;
    quota_look(quota, &limits, 5 * SECOND, &reading, &over);
    assert_false(over.memory_over);
    fake.reading.memory_known = false;
    fake.reading.memory_percent = 100;
    quota_look(quota, &limits, 6 * SECOND, &reading, &over);
    assert_false(over.memory_over);
    quota_destroy(quota);
}

/* The system's own figures can be read here, and are percent. */
static void test_quota_reads_system(void **state)
{
    (void)state;
    struct quota *quota = quota_create("/tmp", NULL, NULL);
    struct quota_limits limits = {0};
    struct quota_reading reading;
    struct quota_state over;
    quota_look(quota, &limits, SECOND, &reading, &over);
    assert_true(reading.memory_known && reading.disk_known);
    assert_in_range(reading.memory_percent, 0, 100);
    assert_in_range(reading.disk_percent, 0, 100);
    quota_destroy(quota);
}

/* null stands for what is not limited or not known. */
static void test_quota_json(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    struct quota_limits limits = {.enabled = true, .memory_percent_max = 80};
    struct quota_reading reading = {.memory_known = true, .disk_known = true};
    struct quota_state over = {.memory_over = true};
    quota_json_config(&limits, &out);
    quota_json_exceeded(&limits, &reading, &over, &out);
    limits = (struct quota_limits){.disk_percent_max = 9, .has_margin = true};
    quota_json_config(&limits, &out);
    quota_json_exceeded(&limits, &reading, &over, &out);
    buffer_append_byte(&out, 0);
    assert_string_equal((const char *)out.data,
                        "{\"enabled\":true,\"max_resident_memory_percent\":80,"
                        "\"max_disk_usage_percent\":null,\"release_margin_percent\":null}"
                        "{\"resident_memory\":true,\"disk_usage\":null}"
                        "{\"enabled\":false,\"max_resident_memory_percent\":null,"
                        "\"max_disk_usage_percent\":9,\"release_margin_percent\":0}"
                        "{\"resident_memory\":null,\"disk_usage\":null}");
    buffer_deinit(&out);
}

static enum walk_step count_all(void *ctx, const ProtobufCMessage *message)
{
    (void)message;
    ++*(size_t *)ctx;
    return WALK_IN;
}

/* Filters within filters, `depth` of them. */
static Qdrant__Filter *nest(struct fixture *f, size_t depth)
{
    Qdrant__Filter *filter = make_filter(f, "k", "v");
    for (size_t i = 0; i < depth; i++) {
        Qdrant__Filter *outer = make_filter(f, "k", "v");
        outer->must[0]->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FILTER;
        outer->must[0]->filter = filter;
        filter = outer;
    }
    return filter;
}

/* A walk sees every message once, does not follow arms that are not set, and gives up on a
 * message that is nested without end. */
static void test_walk(void **state)
{
    struct fixture *f = *state;
    size_t count = 0;
    Qdrant__Filter *filter = nest(f, 0);
    assert_true(message_walk(&filter->base, count_all, &count));
    assert_int_equal(count, 4); /* filter, condition, field condition, match */
    filter = nest(f, 20);
    count = 0;
    assert_true(message_walk(&filter->base, count_all, &count));
    assert_int_equal(count, 4 + 20 * 2);
    filter = nest(f, WALK_DEPTH_MAX);
    assert_false(message_walk(&filter->base, count_all, &count));
}

/* Numbers and texts are read by name; what is not present is not read. */
static void test_fields_by_name(void **state)
{
    struct fixture *f = *state;
    double number = -1;
    Qdrant__QueryPoints *query = NEW(f, query_points);
    assert_false(message_number(&query->base, "limit", &number));
    query->_limit_case = QDRANT__QUERY_POINTS___LIMIT_LIMIT;
    query->limit = 77;
    assert_true(message_number(&query->base, "limit", &number));
    assert_true(number == 77);
    assert_true(message_number(&query->base, "prefetch", &number));
    assert_true(number == 0);
    assert_false(message_number(&query->base, "filter", &number));
    assert_false(message_number(&query->base, "no such field", &number));
    query->collection_name = (char *)"c";
    assert_string_equal(message_text(&query->base, "collection_name"), "c");
    assert_null(message_text(&query->base, "limit"));
    assert_null(message_text(&query->base, "using"));
}

static size_t issues_in(struct fixture *f, struct issues *issues, const char *word)
{
    struct buffer out;
    size_t count = 0;
    buffer_init(&out, 0);
    issues_write(issues, &f->call, &out);
    buffer_append_byte(&out, 0);
    for (const char *at = strstr((const char *)out.data, word); at; at = strstr(at + 1, word)) {
        count++;
    }
    buffer_deinit(&out);
    return count;
}

/* Issues are one for each key, at most so many, the oldest going first; those of a collection that
 * was dropped, or made anew under the same name, are not shown. */
static void test_issues(void **state)
{
    struct fixture *f = *state;
    struct issues *issues = issues_create();
    struct view view;
    char key[32];
    run_ok(f, "create_collection",
           make_create(f, "c", NULL, make_params(f, 4, QDRANT__DISTANCE__Dot)));
    assert_int_equal(api_pin(&f->call, "c", &view), STATUS_OK);
    for (int i = 0; i < ISSUES_MAX + 10; i++) {
        (void)snprintf(key, sizeof(key), "key%d_", i);
        issues_note(issues, &view, key, FIELD_KEYWORD);
        issues_note(issues, &view, key, FIELD_INTEGER);
    }
    assert_int_equal(issues_in(f, issues, "\"id\""), ISSUES_MAX);
    assert_int_equal(issues_in(f, issues, "\"id\":\"UNINDEXED_FIELD/c/key10_\""), 1);
    assert_int_equal(issues_in(f, issues, "key9_"), 0);
    assert_int_equal(issues_in(f, issues, "\"field_schema\":\"integer\""), ISSUES_MAX);
    assert_int_equal(issues_in(f, issues, "\"field_schema\":\"keyword\""), 0);
    Qdrant__DeleteCollection *drop = NEW(f, delete_collection);
    drop->collection_name = (char *)"c";
    run_ok(f, "delete_collection", drop);
    assert_int_equal(issues_in(f, issues, "\"id\""), 0);
    run_ok(f, "create_collection",
           make_create(f, "c", NULL, make_params(f, 4, QDRANT__DISTANCE__Dot)));
    assert_int_equal(issues_in(f, issues, "\"id\""), 0);
    assert_int_equal(api_pin(&f->call, "c", &view), STATUS_OK);
    issues_note(issues, &view, "odd \"key\"\n", FIELD_TEXT);
    assert_int_equal(issues_in(f, issues, "\"field_name\":\"odd \\\"key\\\"\\u000a\""), 1);
    issues_clear(issues);
    assert_int_equal(issues_in(f, issues, "\"id\""), 0);
    issues_destroy(issues);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_refills),
        cmocka_unit_test(test_bucket_changes_rate),
        cmocka_unit_test(test_bucket_random),
        cmocka_unit_test(test_quota_margin),
        cmocka_unit_test(test_quota_reads_seldom),
        cmocka_unit_test(test_quota_reads_system),
        cmocka_unit_test(test_quota_json),
        cmocka_unit_test_setup_teardown(test_walk, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_fields_by_name, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_issues, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
