/* The running side of strict mode: how often a collection may still be asked, and how much it may
 * still take. One budget for each collection with strict mode, made when it is first asked; it
 * ends with the server, or when nobody asked for it for long.
 *
 * Thread-safe. An update holds what it may add from its admission until it was applied, so that
 * many under way do not pass a limit together. */
#pragma once
#include "server/api/growth.h"

struct budgets;
struct budgets *budgets_create(void);
void budgets_destroy(struct budgets *budgets); /* none is held any more */
size_t budgets_count(struct budgets *budgets);
/* Frees those that nothing is held of and nobody asked for in the last ten minutes; done by itself
 * when there are many. */
void budgets_forget_idle(struct budgets *budgets, uint64_t now_ns);

/* What an update holds; zeroed: nothing. */
struct hold {
    struct budgets *budgets;
    struct budget *budget;
    struct growth growth;
};
struct budget_request {
    const struct view *view;
    const Qdrant__StrictModeConfig *config;
    const ProtobufCMessage *message;
    uint64_t cost; /* operations */
    bool grows;
};
/* RATE_LIMITED (call->retry_after_sec says when to come again). */
enum status budget_read(struct budgets *budgets, struct call *call,
                        const struct budget_request *request);
/* The same, or BAD_REQUEST when the collection would hold too much. */
enum status budget_update(struct budgets *budgets, struct call *call,
                          const struct budget_request *request, struct hold *out);
/* Any thread, once. */
void budget_release(struct hold *hold);
