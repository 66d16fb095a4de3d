/* One index over some points with payloads, for tests of the kinds: what it finds is compared with
 * the condition's check of every payload. */
#pragma once
#include "index/field/field_int.h"
#include "index/filter/filter_int.h"
#include "storage/base/random.h"
#include "tests/unit/filter_wire.h"

enum { WORLD_POINTS = 120 };

struct world {
    struct field *field;
    struct buffer payloads[WORLD_POINTS];
    bool put[WORLD_POINTS];
};
struct tally { /* of conditions, and of points */
    size_t asked, answered, exact, sure, unsure;
};

static struct random rng;

MAKER int64_t pick(int64_t bound)
{
    return (int64_t)random_below(&rng, (uint64_t)bound);
}

/* Offsets with gaps, in several chunks of 65,536. */
MAKER point_offset offset_of(size_t i)
{
    return (point_offset)(i * 3001 + i % 7);
}

MAKER void world_init(struct world *world, enum field_type type, const char *key)
{
    struct field_spec spec = {.key = key, .type = type, .lookup = true, .range = true};
    assert_int_equal(field_create(&spec, &world->field, NULL), STATUS_OK);
    for (size_t i = 0; i < WORLD_POINTS; i++) {
        buffer_init(&world->payloads[i], 0);
        world->put[i] = false;
    }
}

MAKER void world_deinit(struct world *world)
{
    for (size_t i = 0; i < WORLD_POINTS; i++)
        buffer_deinit(&world->payloads[i]);
    field_destroy(world->field);
}

MAKER void world_put(struct world *world, size_t i, void (*write)(struct buffer *out))
{
    if (world->put[i])
        field_remove(world->field, offset_of(i));
    buffer_clear(&world->payloads[i]);
    write(&world->payloads[i]);
    field_add(world->field, offset_of(i), json_view_of(buffer_slice(&world->payloads[i])));
    world->put[i] = true;
}

/* Puts and removes; most points are there in the end. */
MAKER void world_stir(struct world *world, size_t steps, void (*write)(struct buffer *out))
{
    for (size_t step = 0; step < steps; step++) {
        size_t i = (size_t)pick(WORLD_POINTS);
        if (pick(5) > 0) {
            world_put(world, i, write);
        } else if (world->put[i]) {
            field_remove(world->field, offset_of(i));
            world->put[i] = false;
        }
    }
}

static struct slice world_payload(struct point_view *self)
{
    return buffer_slice(self->ctx);
}

static void found_free(struct field_found *found)
{
    roaring_bitmap_free(found->sure);
    if (found->possible)
        roaring_bitmap_free(found->possible);
}

/* Sure points match; points that match are possible. */
MAKER void world_ask(const struct world *world, Qdrant__Condition *wire, struct tally *tally)
{
    struct filter *filter;
    struct field_found found;
    struct error err;
    if (filter_compile(filter_of('m', wire, NULL), NULL, arena, &filter, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    const struct cond *cond = filter->must.conds[0];
    tally->asked++;
    if (!cond->query || !field_find(world->field, cond->query, &found))
        return;
    tally->answered++;
    tally->exact += found.possible ? 0 : 1;
    const roaring_bitmap_t *possible = found.possible ? found.possible : found.sure;
    uint64_t sure_count = 0, possible_count = 0;
    for (size_t i = 0; i < WORLD_POINTS; i++) {
        struct point_view point = {.payload = world_payload,
                                   .ctx = (void *)(uintptr_t)&world->payloads[i]};
        bool matches = world->put[i] && filter_check(filter, &point);
        bool sure = roaring_bitmap_contains(found.sure, offset_of(i));
        bool may = roaring_bitmap_contains(possible, offset_of(i));
        if ((sure && !matches) || (matches && !may) || (may && !world->put[i]))
            fail_msg("%.*s: put %d, matches %d, sure %d, possible %d", (int)world->payloads[i].size,
                     (char *)world->payloads[i].data, world->put[i], matches, sure, may);
        sure_count += sure ? 1 : 0;
        possible_count += may ? 1 : 0;
    }
    assert_int_equal(roaring_bitmap_get_cardinality(found.sure), sure_count);
    assert_int_equal(roaring_bitmap_get_cardinality(possible), possible_count);
    tally->sure += sure_count;
    tally->unsure += possible_count - sure_count;
    found_free(&found);
}

/* A field that is loaded from the image of this one, and saves the same image again. */
MAKER struct field *world_reload(const struct field *field)
{
    struct buffer image, again;
    struct reader reader;
    struct field *copy;
    buffer_init(&image, 0);
    buffer_init(&again, 0);
    field_save(field, &image);
    reader_init(&reader, buffer_slice(&image));
    assert_int_equal(field_create(field_spec(field), &copy, NULL), STATUS_OK);
    assert_int_equal(field_load(copy, &reader, NULL), STATUS_OK);
    assert_int_equal(reader_left(&reader), 0);
    field_save(copy, &again);
    assert_true(slice_equal(buffer_slice(&image), buffer_slice(&again)));
    buffer_deinit(&image);
    buffer_deinit(&again);
    return copy;
}

/* Loads damaged images of the kind's values: each is refused, or gives an index that can be used.
 * Returns how many were refused. */
MAKER size_t world_damage(const struct field *field, size_t rounds,
                          void (*use)(struct field *field))
{
    struct buffer image;
    size_t refused = 0;
    buffer_init(&image, 0);
    field->kind->save(field, &image);
    for (size_t round = 0; round < rounds; round++) {
        /* In memory of its own, so that reading beyond it is found. */
        size_t size = pick(3) == 0 ? (size_t)pick((int64_t)image.size) : image.size;
        uint8_t *bytes = malloc(size ? size : 1);
        struct reader reader;
        struct field *copy;
        struct error err;
        memcpy(bytes, image.data, size);
        for (int64_t i = size ? pick(4) : 0; i > 0; i--)
            bytes[pick(pick(2) || size < 16 ? (int64_t)size : 16)] ^= (uint8_t)(1 << pick(8));
        reader_init(&reader, slice_of(bytes, size));
        assert_int_equal(field_create(field_spec(field), &copy, NULL), STATUS_OK);
        enum status status = copy->kind->load(copy, &reader, &err);
        if (status == STATUS_OK) {
            use(copy);
        } else {
            assert_int_equal(status, STATUS_CORRUPT);
            refused++;
        }
        field_destroy(copy);
        free(bytes);
    }
    buffer_deinit(&image);
    return refused;
}
