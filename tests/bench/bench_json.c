/* Speed of REST bodies: an upsert of 100 points of 768 floats is decoded, and an answer with as
 * many is encoded. Prints a JSON line a case with the MB/s of JSON text, best of the rounds. Build
 * and run: make bench-json. Usage: bench_json [rounds]. */
#include "collections.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/api/op.h"
#include "server/rest/rest.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 100, DIMENSION = 768, ROUNDS = 100, SEED = 1 };

static void make_body(struct buffer *body, int digits)
{
    struct random random;
    random_init(&random, SEED);
    buffer_append_text(body, "{\"points\":[");
    for (int i = 0; i < POINTS; i++) {
        buffer_printf(body,
                      "%s{\"id\":%d,\"payload\":{\"name\":\"point %d\",\"rank\":%d},\"vector\":",
                      i ? "," : "", i, i, i);
        for (int j = 0; j < DIMENSION; j++) {
            double number = random_double(&random) * 2 - 1;
            number = digits == 9 ? (double)(float)number : number;
            buffer_printf(body, "%c%.*g", j ? ',' : '[', digits, number);
        }
        buffer_append_text(body, "]}");
    }
    buffer_append_text(body, "]}");
    static const uint8_t padding[REST_PADDING];
    buffer_append(body, padding, sizeof(padding));
    body->size -= sizeof(padding);
}

static const Qdrant__UpsertPoints *decode(struct slice body, struct rest_parser *parser,
                                          struct arena *arena)
{
    struct rest_request request = {.body = body};
    struct error err;
    ProtobufCMessage *out;
    arena_reset(arena);
    enum status status = rest_decode(&op_table[OP_upsert], &request, parser, arena, &out, &err);
    ASSERT(status == STATUS_OK);
    return (const Qdrant__UpsertPoints *)out;
}

static void report(const char *what, size_t bytes, uint64_t ns)
{
    printf("{\"bench\":\"json\",\"case\":\"%s\",\"bytes\":%zu,\"mb_per_s\":%.0f}\n", what, bytes,
           (double)bytes / (double)ns * 1e3);
}

static void bench_decode(const char *what, int digits, int rounds)
{
    struct buffer body;
    struct rest_parser *parser = rest_parser_create();
    struct arena *arena = arena_create(0);
    uint64_t best = UINT64_MAX;
    buffer_init(&body, 0);
    make_body(&body, digits);
    for (int i = 0; i < rounds; i++) {
        uint64_t start = clock_monotonic_ns();
        const Qdrant__UpsertPoints *message = decode(buffer_slice(&body), parser, arena);
        uint64_t ns = clock_monotonic_ns() - start;
        ASSERT(message->n_points == POINTS);
        best = ns < best ? ns : best;
    }
    report(what, body.size, best);
    buffer_deinit(&body);
    arena_destroy(arena);
    rest_parser_destroy(parser);
}

static void bench_encode(int rounds)
{
    static float numbers[DIMENSION];
    Qdrant__PointId id = QDRANT__POINT_ID__INIT;
    Qdrant__DenseVector dense = QDRANT__DENSE_VECTOR__INIT;
    Qdrant__VectorOutput vector = QDRANT__VECTOR_OUTPUT__INIT;
    Qdrant__VectorsOutput vectors = QDRANT__VECTORS_OUTPUT__INIT;
    Qdrant__RetrievedPoint point, *points[POINTS];
    Qdrant__GetResponse response = QDRANT__GET_RESPONSE__INIT;
    struct random random;
    struct buffer out;
    const char *type;
    uint64_t best = UINT64_MAX;
    random_init(&random, SEED);
    for (size_t i = 0; i < DIMENSION; i++)
        numbers[i] = (float)(random_double(&random) * 2 - 1);
    qdrant__retrieved_point__init(&point);
    dense.data = numbers;
    dense.n_data = DIMENSION;
    vector.vector_case = QDRANT__VECTOR_OUTPUT__VECTOR_DENSE;
    vector.dense = &dense;
    vectors.vectors_options_case = QDRANT__VECTORS_OUTPUT__VECTORS_OPTIONS_VECTOR;
    vectors.vector = &vector;
    point.id = &id;
    point.vectors = &vectors;
    for (size_t i = 0; i < POINTS; i++)
        points[i] = &point;
    response.result = points;
    response.n_result = POINTS;
    buffer_init(&out, 0);
    for (int i = 0; i < rounds; i++) {
        buffer_clear(&out);
        uint64_t start = clock_monotonic_ns();
        (void)rest_encode(&op_table[OP_get_points], &response.base, 0, &out, &type);
        uint64_t ns = clock_monotonic_ns() - start;
        best = ns < best ? ns : best;
    }
    report("encode floats", out.size, best);
    buffer_deinit(&out);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : ROUNDS;
    if (rounds < 1)
        rounds = 1;
    bench_decode("decode 17 digits", 17, rounds);
    bench_decode("decode 9 digits", 9, rounds);
    bench_encode(rounds);
    return 0;
}
