/* server/worker: every job runs once, bounds hold, mail reaches its loop in order. */
#include "server/worker.h"
#include "storage/base/mem.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <uv.h>

enum { JOBS = 20000, POSTERS = 4 };

struct counted {
    struct job job;
    atomic_int runs;
    int poster, number;
};

static void count_run(struct job *job, void *local)
{
    atomic_fetch_add((atomic_int *)local, 1);
    atomic_fetch_add(&((struct counted *)job)->runs, 1);
}

static atomic_int locals_alive;
static atomic_int runs_seen;

static void *local_create(void *ctx)
{
    assert_string_equal(ctx, "ctx");
    atomic_fetch_add(&locals_alive, 1);
    return &runs_seen;
}

static void local_destroy(void *ctx, void *local)
{
    (void)ctx;
    assert_ptr_equal(local, &runs_seen);
    atomic_fetch_sub(&locals_alive, 1);
}

struct submitter {
    pthread_t thread;
    struct worker_pool *pool;
    struct counted *jobs;
};

static void *submit_all(void *arg)
{
    struct submitter *submitter = arg;
    for (int i = 0; i < JOBS; i++) {
        while (!worker_pool_submit(submitter->pool, &submitter->jobs[i].job)) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_every_job_once(void **state)
{
    /* Proves: jobs of several submitters through a short queue all run exactly once, also those
     * queued at the stop. */
    (void)state;
    struct worker_pool_options options = {.threads = 3,
                                          .queue_max = 64,
                                          .local_create = local_create,
                                          .local_destroy = local_destroy,
                                          .ctx = (void *)(uintptr_t) "ctx"};
    struct worker_pool *pool = NULL;
    struct error err;
    assert_int_equal(worker_pool_create(&options, &pool, &err), STATUS_OK);
    struct submitter submitters[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        submitters[i].pool = pool;
        submitters[i].jobs = mem_zalloc(JOBS * sizeof(struct counted));
        for (int j = 0; j < JOBS; j++) {
            submitters[i].jobs[j].job.run = count_run;
        }
        assert_int_equal(pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]),
                         0);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(submitters[i].thread, NULL);
    }
    worker_pool_stop(pool);
    worker_pool_destroy(pool);
    assert_int_equal(atomic_load(&runs_seen), POSTERS * JOBS);
    assert_int_equal(atomic_load(&locals_alive), 0);
    for (int i = 0; i < POSTERS; i++) {
        for (int j = 0; j < JOBS; j++) {
            assert_int_equal(atomic_load(&submitters[i].jobs[j].runs), 1);
        }
        mem_free(submitters[i].jobs);
    }
}

static atomic_bool gate_open;
static atomic_int order_next;
static int order[8];

static void gate_run(struct job *job, void *local)
{
    (void)job;
    (void)local;
    while (!atomic_load(&gate_open)) {
        sched_yield();
    }
}

static void order_run(struct job *job, void *local)
{
    (void)local;
    order[atomic_fetch_add(&order_next, 1)] = ((struct counted *)job)->number;
}

static void test_bound(void **state)
{
    /* Proves: past the bound new work is refused and the second half of old work is not; order is
     * that of arrival. */
    (void)state;
    struct worker_pool_options options = {.threads = 1, .queue_max = 3};
    struct worker_pool *pool = NULL;
    struct error err;
    assert_int_equal(worker_pool_create(&options, &pool, &err), STATUS_OK);
    struct job gate = {.run = gate_run};
    assert_true(worker_pool_submit(pool, &gate));
    while (worker_pool_queue_length(pool) > 0) {
        sched_yield();
    }
    struct counted jobs[5] = {0};
    for (int i = 0; i < 5; i++) {
        jobs[i].number = i;
        jobs[i].job.run = order_run;
    }
    assert_true(worker_pool_submit(pool, &jobs[0].job));
    assert_true(worker_pool_submit(pool, &jobs[1].job));
    assert_true(worker_pool_submit(pool, &jobs[2].job));
    assert_false(worker_pool_submit(pool, &jobs[3].job));
    worker_pool_resume(pool, &jobs[4].job);
    assert_int_equal(worker_pool_queue_length(pool), 4);
    atomic_store(&gate_open, true);
    worker_pool_stop(pool);
    worker_pool_destroy(pool);
    const int wanted[] = {0, 1, 2, 4};
    assert_int_equal(atomic_load(&order_next), 4);
    assert_memory_equal(order, wanted, sizeof(wanted));
}

static struct mailbox *mailbox;
static pthread_t loop_thread;
static int mail_seen[POSTERS];
static int mail_total;

static void mail_run(struct job *job, void *local)
{
    struct counted *mail = (struct counted *)job;
    assert_null(local);
    assert_true(pthread_equal(pthread_self(), loop_thread));
    assert_int_equal(mail->number, mail_seen[mail->poster]); /* the poster's order */
    mail_seen[mail->poster]++;
    if (++mail_total == POSTERS * JOBS) {
        mailbox_close(mailbox);
    }
    mem_free(mail);
}

static void *post_all(void *arg)
{
    for (int i = 0; i < JOBS; i++) {
        struct counted *mail = mem_zalloc(sizeof(*mail));
        mail->job.run = mail_run;
        mail->poster = *(int *)arg;
        mail->number = i;
        mailbox_post(mailbox, &mail->job);
    }
    return NULL;
}

static void test_mailbox(void **state)
{
    /* Proves: mail of several threads all arrives on the loop's thread, each poster's in order, and
     * nothing is lost. */
    (void)state;
    uv_loop_t uv;
    struct error err;
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(mailbox_create(&uv, &mailbox, &err), STATUS_OK);
    loop_thread = pthread_self();
    pthread_t threads[POSTERS];
    int numbers[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &numbers[i]), 0);
    }
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(mail_seen[i], JOBS);
    }
    assert_int_equal(uv_loop_close(&uv), 0);
    mailbox_destroy(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_once),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_mailbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
