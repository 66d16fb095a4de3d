/* Opening a graph image made of any bytes: refused, or an index that searches and saves without a
 * fault.
 *
 * The input is an image whose checksums are made right first, so that the checks behind them are
 * reached; its first byte says whether to do so. The vectors are fixed.
 */
#include "index/vindex.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <string.h>

enum { DIM = 4, POINTS = 64, HEAD = 48, SECTIONS = 3 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vectors vectors;

static void make_vectors(void)
{
    kernel_init();
    if (vectors_init(&vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL) != STATUS_OK) {
        __builtin_trap();
    }
    for (point_offset i = 0; i < POINTS; i++) {
        float row[DIM] = {(float)(i % 7), (float)(i % 5), (float)(i % 3), (float)i};
        if (vectors_put(&vectors, i, row, NULL) != STATUS_OK) {
            __builtin_trap();
        }
    }
}

static void seal(uint8_t *at, const uint8_t *from, size_t size)
{
    uint64_t sum = checksum64(slice_of(from, size));
    memcpy(at, &sum, sizeof sum);
}

static void seal_all(uint8_t *image, size_t size)
{
    if (size < HEAD + 8) {
        return;
    }
    seal(image + HEAD, image, HEAD);
    size_t head = HEAD + 8;
    for (int i = 0; i < SECTIONS && size - head >= 16; i++) {
        uint64_t length;
        memcpy(&length, image + head, sizeof length);
        if (length > size - head - 16) {
            return;
        }
        seal(image + head + 8, image + head + 16, length);
        head += 16 + length;
    }
    if (size - head >= 8) {
        seal(image + head, image, head);
    }
}

static void use(struct vindex *index)
{
    const float query[DIM] = {1, 2, 1, 20};
    struct scored items[8];
    struct topk out;
    topk_init(&out, items, 8, NULL);
    struct search_args args = {.query = query, .limit = 8, .count = UINT32_MAX};
    (void)index->kind->search(index, &args, &out, NULL);
    struct build_job job = {.threads = 1, .until = POINTS};
    (void)index->kind->build(index, &job, NULL);
    struct buffer image;
    buffer_init(&image, 0);
    (void)index->kind->save(index, &image, NULL);
    buffer_deinit(&image);
    index->kind->close(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vindex_params params = {.m = 4, .ef_construct = 16, .seed = 3};
    if (vectors.kernel == NULL) {
        make_vectors();
    }
    if (size < 2) {
        return 0;
    }
    uint8_t *image = mem_alloc(size - 1);
    memcpy(image, data + 1, size - 1);
    if (data[0] != 0) {
        seal_all(image, size - 1);
    }
    struct vindex *index;
    if (vindex_hnsw.open(&vectors, &params, slice_of(image, size - 1), &index, NULL) == STATUS_OK) {
        use(index);
    }
    mem_free(image);
    return 0;
}
