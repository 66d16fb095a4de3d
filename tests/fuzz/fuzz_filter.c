/* Fuzzes filters from the wire: whatever unpacks must compile or be refused, and a compiled one
 * must check.
 *
 * protobuf-c unpacks by recursion without a limit, so the allocator says no when the stack below
 * the entry grows past a bound; it also bounds the bytes of one message. */
#include "index/filter/filter.h"

#include <stdio.h>
#include <stdlib.h>

enum { STACK_BYTES_MAX = 256 * 1024, ARENA_BYTES_MAX = 16 * 1024 * 1024 };

struct guard {
    struct arena *arena;
    const char *stack_start;
};

static void *guard_alloc(void *data, size_t size)
{
    struct guard *guard = data;
    const char *here = __builtin_frame_address(0);
    if (guard->stack_start - here > STACK_BYTES_MAX)
        return NULL;
    return arena_alloc(guard->arena, size, _Alignof(max_align_t));
}

static void guard_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer; /* the arena frees it */
}

static struct slice read_payload(struct point_view *self)
{
    (void)self;
    return SLICE_LITERAL(
        "{\"a\":[1,2.5,null,\"x\\u00e9 Y\",true,{\"b\":[{\"c\":1},{\"c\":18446744073709551615}]}],"
        "\"d\":\"2024-06-15T12:30:45.5+02:00\",\"g\":{\"lon\":179.5,\"lat\":-17},\"s\":\"\",\"n\":"
        "null,"
        "\"k\":\"the quick brown fox\",\"e\":[],\"o\":{}}");
}

static bool has_vector(struct point_view *self, struct slice name)
{
    (void)self;
    return name.size == 0;
}

/* Named by the fuzzer's contract. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guard guard = {.arena = arena_create(ARENA_BYTES_MAX),
                          .stack_start = __builtin_frame_address(0)};
    ProtobufCAllocator allocator = {
        .alloc = guard_alloc, .free = guard_free, .allocator_data = &guard};
    Qdrant__Filter *wire = qdrant__filter__unpack(&allocator, size, data);
    struct filter *filter = NULL;
    struct error err = {0};
    if (wire) {
        enum status status = filter_compile(wire, NULL, guard.arena, &filter, &err);
        if (status == STATUS_OK) {
            struct point_view point = {
                .id = point_id_number(7), .payload = read_payload, .has_vector = has_vector};
            struct point_view other = point;
            const struct point_id *ids;
            size_t count;
            bool first = filter_check(filter, &point);
            if (filter_check(filter, &other) != first)
                abort(); /* the same question has one answer */
            (void)filter_ids(filter, &ids, &count);
        } else if (status != STATUS_BAD_INPUT && status != STATUS_TOO_LARGE) {
            fprintf(stderr, "%s: %s\n", status_name(status), err.message);
            abort();
        }
    }
    arena_destroy(guard.arena);
    return 0;
}
