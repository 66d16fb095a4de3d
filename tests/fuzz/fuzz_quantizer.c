/* Loading a quantizer made of any bytes: refused, or one that encodes, decodes and estimates
 * without a fault.
 *
 * The first byte chooses the vectors, and whether the checksum of the rest is made right, so that
 * the checks behind it are reached.
 */
#include "index/quant/quantizer.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { DIM = 5, ROWS = 3, ALIGN = 64, CHECKSUM = 8 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct quantizer *quantizer, enum element element)
{
    float rows[ROWS][DIM];
    uint8_t stored[ROWS][DIM * sizeof(float)];
    uint8_t *codes = mem_alloc(ROWS * quantizer_code_bytes(quantizer));
    const void *pointers[ROWS];
    for (int i = 0; i < ROWS; i++) {
        for (int d = 0; d < DIM; d++) {
            rows[i][d] = (float)(i * 3 + d) - (element == ELEMENT_U8 ? 0.0f : 4.5f);
        }
        if (!vector_prepare(DISTANCE_EUCLID, element, rows[i], DIM, stored[i])) {
            __builtin_trap();
        }
        uint8_t *code = codes + (size_t)i * quantizer_code_bytes(quantizer);
        quantizer_encode(quantizer, stored[i], code);
        pointers[i] = code;
    }
    void *memory = mem_alloc(quantizer_state_bytes(quantizer) + ALIGN);
    void *state = (uint8_t *)memory + (ALIGN - (uintptr_t)memory % ALIGN);
    float estimates[ROWS];
    float errors[ROWS];
    quantizer_query(quantizer, stored[0], state);
    quantizer_bounds(quantizer, state, pointers, ROWS, estimates, errors);
    quantizer_decode(quantizer, pointers[1], rows[0]);
    struct buffer image;
    buffer_init(&image, 0);
    quantizer_save(quantizer, &image);
    buffer_deinit(&image);
    mem_free(memory);
    mem_free(codes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 + CHECKSUM) {
        return 0;
    }
    kernel_init();
    enum distance distance = (enum distance)(data[0] % DISTANCE_COUNT);
    enum element element = (enum element)(data[0] / DISTANCE_COUNT % (ELEMENT_U8 + 1));
    uint8_t *image = mem_alloc(size - 1);
    memcpy(image, data + 1, size - 1);
    if (data[0] < 128) {
        uint64_t sum = checksum64(slice_of(image, size - 1 - CHECKSUM));
        memcpy(image + size - 1 - CHECKSUM, &sum, sizeof sum);
    }
    struct quantizer *quantizer;
    if (quantizer_load(slice_of(image, size - 1), distance, element, DIM, &quantizer, NULL) ==
        STATUS_OK) {
        use(quantizer, element);
        quantizer_free(quantizer);
    }
    mem_free(image);
    return 0;
}
