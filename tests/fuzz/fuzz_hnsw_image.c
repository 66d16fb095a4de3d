/* Opening a graph image made of any bytes: refused, or an index that searches and saves without a
 * fault.
 *
 * The input is an image whose checksums are made right first, so that the checks behind them are
 * reached; its first byte says whether to do so, and whether the index has scalar codes. The
 * vectors are fixed.
 */
#include "index/vindex.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <string.h>

enum { DIM = 4, POINTS = 64, PAGE_BYTES = 4096, HEAD_SIZES = 76, SECTIONS = 5 };
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

static uint64_t page_end(uint64_t at)
{
    return (at + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* Makes the checksums right. The quantizer has one of its own in its last eight bytes. */
static void seal_all(uint8_t *image, size_t size)
{
    if (size < PAGE_BYTES) {
        return;
    }
    size_t next = PAGE_BYTES;
    for (size_t i = 0; i < SECTIONS; i++) {
        uint8_t *head = image + HEAD_SIZES + 16 * i;
        uint64_t bytes;
        memcpy(&bytes, head, sizeof bytes);
        if (bytes > size || page_end(bytes) > size - next) {
            return;
        }
        if (i == 0 && bytes >= 8) {
            seal(image + next + bytes - 8, image + next, bytes - 8);
        }
        seal(head + 8, image + next, page_end(bytes));
        next += page_end(bytes);
    }
    seal(image + HEAD_SIZES + 16 * SECTIONS, image, HEAD_SIZES + 16 * SECTIONS);
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
    static const struct vindex_params params[2] = {
        {.m = 4, .ef_construct = 16, .seed = 3},
        {.m = 4, .ef_construct = 16, .seed = 3, .quant = {.kind = QUANT_SCALAR}},
    };
    if (vectors.kernel == NULL) {
        make_vectors();
    }
    if (size < 2) {
        return 0;
    }
    /* Page aligned, as an image is when it is used in place. */
    size_t image_size = size - 1;
    uint8_t *memory = mem_alloc(image_size + PAGE_BYTES);
    uint8_t *image = memory + (PAGE_BYTES - (uintptr_t)memory % PAGE_BYTES);
    memcpy(image, data + 1, image_size);
    if ((data[0] & 1) != 0) {
        seal_all(image, image_size);
    }
    struct vindex *index;
    if (vindex_hnsw.open(&vectors, &params[data[0] >> 1 & 1], slice_of(image, image_size), &index,
                         NULL) == STATUS_OK) {
        use(index);
    }
    mem_free(memory);
    return 0;
}
