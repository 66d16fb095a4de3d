/* Random filters over random payloads, against a slow evaluator that works on trees and shares no
 * code with the filters. */
/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
/* clang-format on */

#include "tests/unit/filter_random.h"

enum { ROUNDS = 3000, PAYLOADS = 12 };

static struct slice read_payload(struct point_view *self)
{
    return buffer_slice(self->ctx);
}

/* The compiled filter and the evaluator agree on every payload, and both answers occur often. */
static void test_agrees_with_evaluator(void **state)
{
    (void)state;
    const uint64_t seed = 55501;
    size_t yes = 0, no = 0;
    random_init(&rng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    arena = arena_create(0);
    for (int round = 0; round < ROUNDS; round++) {
        struct rule *rule = arena_new(arena, struct rule);
        struct filter *filter;
        struct error err;
        rule->kind = FILTER;
        Qdrant__Filter *wire = make_clause(rule, 3);
        assert_int_equal(filter_compile(wire, NULL, arena, &filter, &err), STATUS_OK);
        for (int i = 0; i < PAYLOADS; i++) {
            struct node *payload = make_payload();
            struct buffer text;
            buffer_init(&text, 0);
            write_node(&text, payload);
            struct point_view point = {.payload = read_payload, .ctx = &text};
            bool expected = evaluate(rule, payload), got = filter_check(filter, &point);
            if (got != expected)
                fail_msg("round %d, payload %d: %.*s: %d", round, i, (int)text.size,
                         (char *)text.data, got);
            *(got ? &yes : &no) += 1;
            buffer_deinit(&text);
        }
        arena_reset(arena);
    }
    arena_destroy(arena);
    print_message("%zu accepted, %zu not\n", yes, no);
    assert_true(yes > ROUNDS && no > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agrees_with_evaluator)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
