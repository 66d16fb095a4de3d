/* What protects a running server from its clients: strict mode of collections, quotas of the node,
 * and advice about slow requests. Every request goes through here on its way to its operation. */
#pragma once
#include "server/api/budget.h"
#include "server/api/issues.h"
#include "server/api/op.h"
#include "server/api/quota.h"

struct settings;

struct guard {
    struct budgets *budgets;
    struct quota *quota;
    struct issues *issues;
    uint64_t slow_ns; /* reads that take longer are looked at */
};
struct guard *guard_create(const struct settings *settings);
void guard_destroy(struct guard *guard); /* no request is open */

/* Runs a read, when it is allowed. */
enum status guard_run(struct call *call, const struct op *op, const void *input, void *output);
/* Makes the command of a write, when it is allowed. On success the write holds what it may add to
 * its collection until budget_release, after it was applied or when nothing is to be logged. */
enum status guard_propose(struct call *call, const struct op *op, const void *input,
                          struct buffer *command, struct hold *out);
