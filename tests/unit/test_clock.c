/* Clocks: they advance, and times are printed as the wire contract wants them. */
#include "storage/base/clock.h"
#include "tests/lib/unit.h"

static void check_format(uint64_t ms, const char *want)
{
    char out[32];
    clock_format_utc(ms, out);
    assert_string_equal(out, want);
}

static void test_format(void **state)
{
    /* Proves dates around leap days, the start and the last year that fits. */
    (void)state;
    check_format(0, "1970-01-01T00:00:00.000Z");
    check_format(999, "1970-01-01T00:00:00.999Z");
    check_format(951782399999, "2000-02-28T23:59:59.999Z");
    check_format(951782400000, "2000-02-29T00:00:00.000Z");
    check_format(1769860800000, "2026-01-31T12:00:00.000Z");
    check_format(253402300799999, "9999-12-31T23:59:59.999Z");
    check_format(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void test_clocks_advance(void **state)
{
    /* Proves that the monotonic clock never steps back and the real-time clock is of this century.
     */
    (void)state;
    uint64_t last = clock_monotonic_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_realtime_ms() > 1700000000000);
    assert_true(clock_realtime_ms() < 4102444800000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_clocks_advance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
