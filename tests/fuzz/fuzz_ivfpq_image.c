/* Opening a partition index image made of any bytes: refused, or an index that searches, grows,
 * saves and takes points out without a fault.
 *
 * The first byte of the input says whether the checksums are made right first, so that the checks
 * behind them are reached, and which distance it is. The vectors are fixed. */
#include "index/vindex.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <string.h>

enum { DIM = 4, POINTS = 64, LATER = 8, PAGE = 4096, BODY_SUM_AT = 40, HEAD_SUM_AT = PAGE - 8 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vectors vectors[DISTANCE_COUNT];

static void make_vectors(void)
{
    kernel_init();
    for (int d = 0; d < DISTANCE_COUNT; d++) {
        if (vectors_init(&vectors[d], (enum distance)d, ELEMENT_F32, DIM, NULL) != STATUS_OK) {
            __builtin_trap();
        }
        for (point_offset i = 0; i < POINTS + LATER; i++) {
            float row[DIM] = {(float)(i % 7), (float)(i % 5), (float)(i % 3), (float)i};
            if (vectors_put(&vectors[d], i, row, NULL) != STATUS_OK) {
                __builtin_trap();
            }
        }
    }
}

static void seal_all(uint8_t *image, size_t size)
{
    if (size < PAGE) {
        return;
    }
    uint64_t sum = checksum64(slice_of(image + PAGE, size - PAGE));
    memcpy(image + BODY_SUM_AT, &sum, sizeof sum);
    sum = checksum64(slice_of(image, HEAD_SUM_AT));
    memcpy(image + HEAD_SUM_AT, &sum, sizeof sum);
}

static bool skip_some(const void *ctx, point_offset point)
{
    (void)ctx;
    return point % 3 == 0;
}

static void search(const struct vindex *index, enum codes_use codes)
{
    const float query[DIM] = {1, 2, 1, 20};
    struct scored items[8];
    struct topk out;
    topk_init(&out, items, 8, NULL);
    const struct search_args args = {
        .query = query, .limit = 8, .count = UINT32_MAX, .codes = codes};
    (void)index->kind->search(index, &args, &out, NULL);
}

static void use(struct vindex *index)
{
    search(index, CODES_RESCORED);
    search(index, CODES_ONLY);
    struct build_job job = {.threads = 1, .skip = skip_some, .until = POINTS + LATER};
    (void)index->kind->build(index, &job, NULL);
    (void)index->kind->vacuum(index, &job, NULL);
    search(index, CODES_IGNORED);
    struct buffer image;
    buffer_init(&image, 0);
    (void)index->kind->save(index, &image, NULL);
    buffer_deinit(&image);
    index->kind->close(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vindex_params params = {.seed = 3};
    if (vectors[0].kernel == NULL) {
        make_vectors();
    }
    if (size < 2) {
        return 0;
    }
    uint8_t *image = mem_alloc(size - 1);
    memcpy(image, data + 1, size - 1);
    if (data[0] & 1) {
        seal_all(image, size - 1);
    }
    const struct vectors *rows = &vectors[data[0] / 2 % DISTANCE_COUNT];
    struct vindex *index;
    if (vindex_ivfpq.open(rows, &params, slice_of(image, size - 1), &index, NULL) == STATUS_OK) {
        use(index);
    }
    mem_free(image);
    return 0;
}
