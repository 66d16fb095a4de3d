/* Images of graphs: round trip, use in place and growth after it, forged and foreign images. */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { DIM = 8, PAGE_BYTES = 4096 };
static const uint64_t SEED = 1618;
static const struct vindex_params ROWS = {.m = 4, .ef_construct = 32, .seed = 5};
static const struct vindex_params SCALAR = {
    .m = 4, .ef_construct = 32, .seed = 5, .quant = {.kind = QUANT_SCALAR}};

static void fill(struct vectors *vectors, size_t count)
{
    struct random random;
    random_init(&random, SEED + vectors_count(vectors));
    for (size_t i = 0; i < count; i++) {
        float row[DIM];
        for (size_t d = 0; d < DIM; d++) {
            row[d] = (float)(2.0 * random_double(&random) - 1.0);
        }
        assert_int_equal(vectors_put(vectors, (point_offset)vectors_count(vectors),
                                     i % 9 == 8 ? NULL : row, NULL),
                         STATUS_OK);
    }
}

static struct vindex *open_empty(struct vectors *vectors, const struct vindex_params *params)
{
    struct vindex *index;
    assert_int_equal(vectors_init(vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL), STATUS_OK);
    assert_int_equal(vindex_hnsw.open(vectors, params, (struct slice){0}, &index, NULL), STATUS_OK);
    return index;
}

static void build(struct vindex *index)
{
    const struct vectors *vectors = ((struct hnsw *)index)->vectors;
    struct build_job job = {.threads = 1, .until = (point_offset)vectors_count(vectors)};
    assert_int_equal(vindex_hnsw.build(index, &job, NULL), STATUS_OK);
}

static void save(const struct vindex *index, struct buffer *out)
{
    buffer_init(out, 0);
    assert_int_equal(vindex_hnsw.save(index, out, NULL), STATUS_OK);
}

/* A private writable mapping with the image's bytes. */
static uint8_t *map(struct slice image)
{
    uint8_t *mapped =
        mmap(NULL, image.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(mapped != MAP_FAILED);
    memcpy(mapped, image.data, image.size);
    return mapped;
}

static size_t search(const struct vindex *index, const void *query, uint32_t limit,
                     struct scored *items)
{
    struct search_args args = {.query = query, .limit = limit, .count = UINT32_MAX};
    struct topk out;
    topk_init(&out, items, limit, NULL);
    assert_int_equal(vindex_hnsw.search(index, &args, &out, NULL), STATUS_OK);
    topk_sort(&out);
    return out.count;
}

/* What is opened answers and is saved as what was saved, from a mapping and from bytes anywhere. */
static void test_round_trip(void **state)
{
    (void)state;
    const struct vindex_params *params[2] = {&ROWS, &SCALAR};
    for (int i = 0; i < 4; i++) {
        struct vectors vectors;
        struct vindex *index = open_empty(&vectors, params[i / 2]);
        fill(&vectors, 700);
        build(index);
        struct buffer image;
        struct buffer again;
        save(index, &image);
        assert_int_equal(image.size % PAGE_BYTES, 0);
        bool aligned = i % 2 == 0;
        uint8_t *bytes = aligned ? map(buffer_slice(&image)) : mem_alloc(image.size + 1);
        uint8_t *at = aligned ? bytes : bytes + 1;
        memcpy(at, image.data, image.size);
        struct vindex *opened;
        assert_int_equal(
            vindex_hnsw.open(&vectors, params[i / 2], slice_of(at, image.size), &opened, NULL),
            STATUS_OK);
        save(opened, &again);
        assert_true(slice_equal(buffer_slice(&image), buffer_slice(&again)));
        struct scored items[2][10];
        const void *query = vectors_at(&vectors, 3);
        assert_int_equal(search(index, query, 10, items[0]), 10);
        assert_int_equal(search(opened, query, 10, items[1]), 10);
        assert_memory_equal(items[0], items[1], sizeof items[0]);
        assert_int_equal(vindex_hnsw.memory(opened), vindex_hnsw.memory(index));
        /* Both go on in the same way. */
        fill(&vectors, 200);
        build(index);
        build(opened);
        buffer_deinit(&again);
        buffer_deinit(&image);
        save(index, &image);
        save(opened, &again);
        assert_true(slice_equal(buffer_slice(&image), buffer_slice(&again)));
        buffer_deinit(&again);
        buffer_deinit(&image);
        vindex_hnsw.close(opened);
        vindex_hnsw.close(index);
        if (aligned) {
            munmap(bytes, image.size);
        } else {
            mem_free(bytes);
        }
        vectors_deinit(&vectors);
    }
}

/* A ring with the longest rows: a block holds few of them, so whole blocks lie in the image. */
static void make_ring(struct hnsw *hnsw, point_offset count)
{
    assert_int_equal(rows_grow(hnsw, count, NULL), STATUS_OK);
    uint64_t entry = 0;
    for (point_offset i = 0; i < count; i++) {
        assert_int_equal(upper_rows_allot(hnsw, i, NULL), STATUS_OK);
        uint64_t level = level_of(hnsw, i);
        entry = level > entry >> 32 ? level << 32 | i : entry;
        atomic_store(&node_at(hnsw, i)->state, NODE_LINKED);
        row_set(row_at(hnsw, i, 0), 0, (i + 1) % count);
        row_set(row_at(hnsw, i, 0), 1, (i + count / 2) % count);
    }
    atomic_store(&hnsw->entry, entry);
    atomic_store(&hnsw->planned, count);
    atomic_store(&hnsw->claimed, count);
    atomic_store(&hnsw->linked, count);
    atomic_store(&hnsw->in_graph, count);
}

/* Whole blocks are used where they are; a build after that changes the mapping and goes on in fresh
 * blocks. */
static void test_in_place(void **state)
{
    (void)state;
    enum { COUNT = 17000, MORE = 40, M = 512 };
    struct vindex_params params = {.m = M, .ef_construct = 8, .seed = 5};
    struct vectors vectors;
    struct vindex *index = open_empty(&vectors, &params);
    for (point_offset i = 0; i < COUNT + MORE; i++) {
        float row[DIM] = {(float)(i % 131), (float)(i % 17), (float)(i / 131)};
        assert_int_equal(vectors_put(&vectors, i, row, NULL), STATUS_OK);
    }
    make_ring((struct hnsw *)index, COUNT);
    struct buffer image;
    save(index, &image);
    vindex_hnsw.close(index);
    uint8_t *mapped = map(buffer_slice(&image));
    struct vindex *opened;
    assert_int_equal(
        vindex_hnsw.open(&vectors, &params, slice_of(mapped, image.size), &opened, NULL),
        STATUS_OK);
    struct hnsw *hnsw = (struct hnsw *)opened;
    assert_int_equal(hnsw->rows0.adopted, 1);
    uint8_t *first = (uint8_t *)row_at(hnsw, 0, 0);
    uint8_t *last = (uint8_t *)row_at(hnsw, COUNT - 1, 0);
    assert_true(first > mapped && first < mapped + image.size);
    assert_true(last < mapped || last >= mapped + image.size);
    build(opened);
    assert_int_equal(vindex_hnsw.linked(opened), COUNT + MORE);
    struct buffer again;
    save(opened, &again);
    struct vindex *third;
    assert_int_equal(vindex_hnsw.open(&vectors, &params, buffer_slice(&again), &third, NULL),
                     STATUS_OK);
    struct scored items[1];
    for (point_offset i = COUNT; i < COUNT + MORE; i++) {
        struct search_args args = {.query = vectors_at(&vectors, i),
                                   .limit = 1,
                                   .effort = COUNT + MORE,
                                   .count = UINT32_MAX};
        struct topk out;
        topk_init(&out, items, 1, NULL);
        assert_int_equal(vindex_hnsw.search(i % 2 ? opened : third, &args, &out, NULL), STATUS_OK);
        assert_int_equal(items[0].point, i);
    }
    vindex_hnsw.close(third);
    vindex_hnsw.close(opened);
    munmap(mapped, image.size);
    buffer_deinit(&again);
    buffer_deinit(&image);
    vectors_deinit(&vectors);
}

enum { HEAD_SIZES = 76, SECTIONS = 5, SECTION_NODES = 1, SECTION_ROWS0 = 2 };

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void seal(uint8_t *at, const uint8_t *from, size_t size)
{
    uint64_t sum = checksum64(slice_of(from, size));
    memcpy(at, &sum, sizeof sum);
}

/* Makes all checksums right again, as an attacker would. */
static void seal_all(uint8_t *image, size_t size)
{
    size_t next = PAGE_BYTES;
    for (size_t i = 0; i < SECTIONS; i++) {
        uint8_t *head = image + HEAD_SIZES + 16 * i;
        uint64_t bytes = get_u64(head);
        if (bytes > size || (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES > size - next) {
            return; /* cut off now: refused anyway */
        }
        bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        seal(head + 8, image + next, bytes);
        next += bytes;
    }
    seal(image + HEAD_SIZES + 16 * SECTIONS, image, HEAD_SIZES + 16 * SECTIONS);
}

struct flips {
    size_t done, refused;
};

/* Where a section's bytes are. */
static size_t section_at(const uint8_t *image, size_t section, size_t *size)
{
    size_t at = PAGE_BYTES;
    for (size_t i = 0; i < section; i++) {
        uint64_t bytes = get_u64(image + HEAD_SIZES + 16 * i);
        at += (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    }
    *size = get_u64(image + HEAD_SIZES + 16 * section);
    return at;
}

/* Changes a bit in each byte of a part, one image after the other. */
static struct flips flip_all(struct vectors *vectors, const struct vindex_params *params,
                             struct slice image, size_t from, size_t size)
{
    struct flips flips = {0};
    uint8_t *copy = map(image);
    for (size_t at = from; at < from + size; at++, flips.done++) {
        memcpy(copy, image.data, image.size);
        copy[at] ^= (uint8_t)(1u << (at * 5 % 8));
        seal_all(copy, image.size);
        struct vindex *opened;
        enum status status =
            vindex_hnsw.open(vectors, params, slice_of(copy, image.size), &opened, NULL);
        if (status == STATUS_OK) {
            struct scored items[10];
            search(opened, vectors_at(vectors, 3), 10, items);
            vindex_hnsw.close(opened);
            continue;
        }
        assert_int_equal(status, STATUS_CORRUPT);
        flips.refused++;
    }
    munmap(copy, image.size);
    return flips;
}

/* Forged images with right checksums are refused or give an index that can be searched; never a
 * crash. Nodes are known to the last bit, a head nearly so, rows may only name nodes. */
static void test_forged(void **state)
{
    (void)state;
    const struct vindex_params *params[2] = {&ROWS, &SCALAR};
    for (int i = 0; i < 2; i++) {
        struct vectors vectors;
        struct vindex *index = open_empty(&vectors, params[i]);
        fill(&vectors, 120);
        build(index);
        struct buffer image;
        save(index, &image);
        size_t size;
        size_t at = section_at(image.data, SECTION_NODES, &size);
        struct flips flips = flip_all(&vectors, params[i], buffer_slice(&image), at, size);
        assert_int_equal(flips.refused, flips.done);
        at = section_at(image.data, SECTION_ROWS0, &size);
        flips = flip_all(&vectors, params[i], buffer_slice(&image), at, size);
        assert_true(flips.refused > flips.done * 3 / 4);
        at = section_at(image.data, SECTION_ROWS0 + 1, &size);
        flips = flip_all(&vectors, params[i], buffer_slice(&image), at, size);
        assert_true(flips.refused > flips.done / 3); /* half is padding */
        flips = flip_all(&vectors, params[i], buffer_slice(&image), 0, PAGE_BYTES);
        /* Checksums were made right again; another entry of the same level is as good. */
        assert_in_range(flips.refused, flips.done - 6 * 8 - 8, flips.done - 6 * 8);
        at = section_at(image.data, SECTION_ROWS0 + 2, &size);
        flips = flip_all(&vectors, params[i], buffer_slice(&image), at, size);
        assert_int_equal(flips.refused, 0); /* any code is a code */
        at = section_at(image.data, 0, &size);
        flip_all(&vectors, params[i], buffer_slice(&image), at, size);
        buffer_deinit(&image);
        vindex_hnsw.close(index);
        vectors_deinit(&vectors);
    }
}

static void refuse(const struct vectors *vectors, const struct vindex_params *params,
                   struct slice image)
{
    struct vindex *opened;
    struct error err;
    assert_int_equal(vindex_hnsw.open(vectors, params, image, &opened, &err), STATUS_CORRUPT);
}

/* An image of other parameters, another distance, or more vectors than there are is refused. */
static void test_foreign(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vindex *index = open_empty(&vectors, &SCALAR);
    fill(&vectors, 50);
    build(index);
    struct buffer image;
    save(index, &image);
    refuse(&vectors, &ROWS, buffer_slice(&image));
    struct vindex_params other = SCALAR;
    other.m = 5;
    refuse(&vectors, &other, buffer_slice(&image));
    other = SCALAR;
    other.quant.quantile = 0.9f;
    refuse(&vectors, &other, buffer_slice(&image));
    struct vectors fewer;
    assert_int_equal(vectors_init(&fewer, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL), STATUS_OK);
    fill(&fewer, 49);
    refuse(&fewer, &SCALAR, buffer_slice(&image));
    vectors_deinit(&fewer);
    assert_int_equal(vectors_init(&fewer, DISTANCE_DOT, ELEMENT_F32, DIM, NULL), STATUS_OK);
    fill(&fewer, 50);
    refuse(&fewer, &SCALAR, buffer_slice(&image));
    vectors_deinit(&fewer);
    buffer_deinit(&image);
    vindex_hnsw.close(index);
    vectors_deinit(&vectors);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
