/* A thread's working memory for graph walks.
 *
 * Made at the first walk of a thread, grown when a walk needs more, freed by the destructor of a
 * thread key. Nothing is shared, so nothing is locked. Growth asks for sizes that follow from the
 * graph and the request's ef (never above the number of nodes); it fails with TOO_LARGE and leaves
 * what there was.
 */
#include "index/hnsw/scratch.h"

#include "storage/base/mem.h"

#include <pthread.h>
#include <string.h>

enum { SEEN_ROOM = 1 << 16, STATE_ALIGN = 64 };

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static void scratch_destroy(void *arg)
{
    struct scratch *scratch = arg;
    mem_free(scratch->visited.words);
    mem_free(scratch->visited.seen);
    mem_free(scratch->pool.items);
    mem_free(scratch->frontier.items);
    mem_free(scratch->accepted);
    mem_free(scratch->errors);
    mem_free(scratch->state_memory);
    mem_free(scratch);
}

static void make_key(void)
{
    ASSERT(pthread_key_create(&thread_key, scratch_destroy) == 0);
}

struct scratch *scratch_of_thread(void)
{
    ASSERT(pthread_once(&thread_once, make_key) == 0);
    struct scratch *scratch = pthread_getspecific(thread_key);
    if (scratch == NULL) {
        scratch = mem_zalloc(sizeof *scratch);
        scratch->visited.seen = mem_alloc((SEEN_ROOM + 1) * sizeof *scratch->visited.seen);
        scratch->visited.seen_room = SEEN_ROOM;
        ASSERT(pthread_setspecific(thread_key, scratch) == 0);
    }
    return scratch;
}

void visited_clear(struct visited *visited)
{
    size_t words = (visited->bits + 63) / 64;
    /* Clearing by the list touches a cache line a node; clearing all streams. */
    if (visited->seen_count > visited->seen_room || visited->seen_count > words / 16) {
        memset(visited->words, 0, words * sizeof *visited->words);
    } else {
        for (size_t i = 0; i < visited->seen_count; i++) {
            visited->words[visited->seen[i] >> 6] = 0;
        }
    }
    visited->seen_count = 0;
}

/* More bits, all clear. A third more than asked for, so that a growing graph does not come back at
 * every search. */
static enum status visited_reserve(struct visited *visited, size_t nodes, struct error *err)
{
    if (nodes <= visited->bits) {
        return STATUS_OK;
    }
    size_t words = (nodes + nodes / 3 + 63) / 64;
    uint64_t *grown = mem_try_realloc(visited->words, words * sizeof *grown);
    if (grown == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory for a walk over %zu nodes", nodes);
    }
    memset(grown, 0, words * sizeof *grown);
    visited->words = grown;
    visited->bits = words * 64;
    visited->seen_count = 0;
    return STATUS_OK;
}

enum status scratch_reserve(struct scratch *scratch, size_t ef, size_t nodes, struct error *err)
{
    if (ef > scratch->pool_room) {
        struct candidate *items = mem_try_realloc(scratch->pool.items, ef * sizeof *items);
        if (items == NULL) {
            return error_set(err, STATUS_TOO_LARGE, "no memory for ef %zu", ef);
        }
        scratch->pool.items = items;
        scratch->pool_room = ef;
    }
    return visited_reserve(&scratch->visited, nodes, err);
}

enum status scratch_reserve_accepted(struct scratch *scratch, size_t ef, struct error *err)
{
    if (ef > scratch->accepted_room) {
        struct scored *items = mem_try_realloc(scratch->accepted, ef * sizeof *items);
        if (items == NULL) {
            return error_set(err, STATUS_TOO_LARGE, "no memory for ef %zu", ef);
        }
        scratch->accepted = items;
        float *errors = mem_try_realloc(scratch->errors, ef * sizeof *errors);
        if (errors == NULL) {
            return error_set(err, STATUS_TOO_LARGE, "no memory for ef %zu", ef);
        }
        scratch->errors = errors;
        scratch->accepted_room = ef;
    }
    return STATUS_OK;
}

enum status scratch_reserve_state(struct scratch *scratch, size_t bytes, struct error *err)
{
    if (bytes > scratch->state_bytes) {
        uint8_t *memory = mem_try_alloc(bytes + STATE_ALIGN);
        if (memory == NULL) {
            return error_set(err, STATUS_TOO_LARGE, "no memory for a query of %zu bytes", bytes);
        }
        mem_free(scratch->state_memory);
        scratch->state_memory = memory;
        scratch->state = memory + (STATE_ALIGN - (uintptr_t)memory % STATE_ALIGN);
        scratch->state_bytes = bytes;
    }
    return STATUS_OK;
}

bool frontier_push(struct frontier *frontier, struct candidate candidate)
{
    if (frontier->count == frontier->room) {
        size_t room = frontier->room == 0 ? 1024 : frontier->room * 2;
        struct candidate *items = mem_try_realloc(frontier->items, room * sizeof *items);
        if (items == NULL) {
            return false;
        }
        frontier->items = items;
        frontier->room = room;
    }
    size_t at = frontier->count++;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (frontier->items[parent].distance <= candidate.distance) {
            break;
        }
        frontier->items[at] = frontier->items[parent];
        at = parent;
    }
    frontier->items[at] = candidate;
    return true;
}

bool frontier_pop(struct frontier *frontier, struct candidate *out)
{
    if (frontier->count == 0) {
        return false;
    }
    struct candidate *items = frontier->items;
    *out = items[0];
    struct candidate last = items[--frontier->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= frontier->count) {
            break;
        }
        if (child + 1 < frontier->count && items[child + 1].distance < items[child].distance) {
            child++;
        }
        if (items[child].distance >= last.distance) {
            break;
        }
        items[at] = items[child];
        at = child;
    }
    if (frontier->count > 0) {
        items[at] = last;
    }
    return true;
}
