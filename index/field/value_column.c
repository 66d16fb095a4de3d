/* Values by point, in pages of 256.
 *
 * A page knows by a bit a point who has a value and who several, and has the slots of the first in
 * their order; a slot's place is the number of bits before it. Points mostly come in ascending
 * order, so slots are mostly appended. Room grows by a quarter. The slot of a point with several
 * values has a pointer to a list. */
#include "index/field/value_column.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdbool.h>
#include <string.h>

enum {
    PAGE_POINTS = 256,
    PAGE_WORDS = PAGE_POINTS / 64,
    CHUNK_PAGES = 256,
    SLOTS_MIN = 4,
    VALUE_BYTES_MAX = 16
};

struct value_list {
    uint32_t count, capacity;
    uint8_t values[];
};
struct page {
    uint64_t used[PAGE_WORDS], several[PAGE_WORDS];
    uint64_t count, capacity;
    uint8_t slots[];
};
struct value_chunk {
    uint32_t pages_count;
    struct page *pages[CHUNK_PAGES];
};

void value_column_init(struct value_column *column, size_t value_size)
{
    ASSERT(value_size >= sizeof(struct value_list *) && value_size <= VALUE_BYTES_MAX);
    *column = (struct value_column){.value_size = value_size};
}

static bool get_bit(const uint64_t *words, uint32_t at)
{
    return words[at >> 6] >> (at & 63) & 1;
}

static size_t count_before(const struct page *page, uint32_t at)
{
    size_t count = 0;
    for (uint32_t i = 0; i < at >> 6; i++)
        count += (size_t)__builtin_popcountll(page->used[i]);
    uint64_t below = (UINT64_C(1) << (at & 63)) - 1;
    return count + (size_t)__builtin_popcountll(page->used[at >> 6] & below);
}

static struct page *find_page(const struct value_column *column, uint32_t point)
{
    size_t at = point / (PAGE_POINTS * CHUNK_PAGES);
    if (at >= column->chunks_count || !column->chunks[at])
        return NULL;
    return column->chunks[at]->pages[point / PAGE_POINTS % CHUNK_PAGES];
}

static uint8_t *slot_of(const struct value_column *column, struct page *page, uint32_t point)
{
    return page->slots + count_before(page, point % PAGE_POINTS) * column->value_size;
}

static struct value_list *list_in(const uint8_t *slot)
{
    struct value_list *list;
    memcpy(&list, slot, sizeof(struct value_list *));
    return list;
}

size_t value_column_get(const struct value_column *column, uint32_t point, const void **values)
{
    struct page *page = find_page(column, point);
    if (!page || !get_bit(page->used, point % PAGE_POINTS))
        return 0;
    const uint8_t *slot = slot_of(column, page, point);
    if (!get_bit(page->several, point % PAGE_POINTS)) {
        *values = slot;
        return 1;
    }
    const struct value_list *list = list_in(slot);
    *values = list->values;
    return (size_t)list->count;
}

/* Where the page of the point is, or is to be: NULL. */
static struct page **place_of_page(struct value_column *column, uint32_t point)
{
    size_t at = point / (PAGE_POINTS * CHUNK_PAGES);
    if (at >= column->chunks_count) {
        size_t size = sizeof(struct value_chunk *);
        column->chunks = mem_realloc(column->chunks, (at + 1) * size);
        memset(column->chunks + column->chunks_count, 0, (at + 1 - column->chunks_count) * size);
        column->chunks_count = at + 1;
    }
    if (!column->chunks[at])
        column->chunks[at] = mem_zalloc(sizeof(struct value_chunk));
    return &column->chunks[at]->pages[point / PAGE_POINTS % CHUNK_PAGES];
}

static struct page *page_grow(struct page *page, size_t value_size)
{
    uint64_t capacity = page ? page->capacity : 0;
    capacity += capacity / 4 > SLOTS_MIN ? capacity / 4 : SLOTS_MIN;
    capacity = capacity < PAGE_POINTS ? capacity : PAGE_POINTS;
    struct page *grown = mem_realloc(page, sizeof(*page) + capacity * value_size);
    if (!page)
        memset(grown, 0, sizeof(*grown));
    grown->capacity = capacity;
    return grown;
}

static void add_slot(struct value_column *column, uint32_t point, const void *value)
{
    struct page **place = place_of_page(column, point);
    size_t size = column->value_size;
    uint32_t at = point % PAGE_POINTS;
    if (!*place)
        column->chunks[point / (PAGE_POINTS * CHUNK_PAGES)]->pages_count++;
    if (!*place || (*place)->count == (*place)->capacity)
        *place = page_grow(*place, size);
    struct page *page = *place;
    size_t before = count_before(page, at);
    uint8_t *slot = page->slots + before * size;
    memmove(slot + size, slot, (size_t)(page->count - before) * size);
    memcpy(slot, value, size);
    page->used[at >> 6] |= UINT64_C(1) << (at & 63);
    page->count++;
}

static size_t list_size(const struct value_column *column, uint32_t capacity)
{
    return sizeof(struct value_list) + (size_t)capacity * column->value_size;
}

static struct value_list *list_resize(struct value_column *column, struct value_list *list,
                                      uint32_t capacity)
{
    column->list_bytes -= list ? list_size(column, list->capacity) : 0;
    column->list_bytes += list_size(column, capacity);
    list = mem_realloc(list, list_size(column, capacity));
    list->capacity = capacity;
    return list;
}

void value_column_add(struct value_column *column, uint32_t point, const void *value)
{
    struct page *page = find_page(column, point);
    uint32_t at = point % PAGE_POINTS;
    size_t size = column->value_size;
    if (!page || !get_bit(page->used, at)) {
        add_slot(column, point, value);
        return;
    }
    uint8_t *slot = slot_of(column, page, point);
    struct value_list *list;
    if (get_bit(page->several, at)) {
        list = list_in(slot);
        if (list->count == list->capacity)
            list = list_resize(column, list, list->capacity * 2);
    } else {
        list = list_resize(column, NULL, 2);
        list->count = 1;
        memcpy(list->values, slot, size);
        page->several[at >> 6] |= UINT64_C(1) << (at & 63);
    }
    memcpy(list->values + list->count * size, value, size);
    list->count++;
    memcpy(slot, &list, sizeof(struct value_list *));
}

static void drop_page(struct value_column *column, uint32_t point, struct page *page)
{
    struct value_chunk **chunk = &column->chunks[point / (PAGE_POINTS * CHUNK_PAGES)];
    mem_free(page);
    (*chunk)->pages[point / PAGE_POINTS % CHUNK_PAGES] = NULL;
    if (--(*chunk)->pages_count == 0) {
        mem_free(*chunk);
        *chunk = NULL;
    }
}

void value_column_remove(struct value_column *column, uint32_t point)
{
    struct page *page = find_page(column, point);
    uint32_t at = point % PAGE_POINTS;
    size_t size = column->value_size;
    if (!page || !get_bit(page->used, at))
        return;
    uint8_t *slot = slot_of(column, page, point);
    uint64_t bit = UINT64_C(1) << (at & 63);
    if (page->several[at >> 6] & bit) {
        column->list_bytes -= list_size(column, list_in(slot)->capacity);
        mem_free(list_in(slot));
    }
    size_t behind = (size_t)page->count - count_before(page, at) - 1;
    memmove(slot, slot + size, behind * size);
    page->used[at >> 6] &= ~bit;
    page->several[at >> 6] &= ~bit;
    if (--page->count == 0)
        drop_page(column, point, page);
}

static void free_page(struct page *page, size_t value_size)
{
    size_t slot = 0;
    for (uint32_t at = 0; at < PAGE_POINTS; at++) {
        if (get_bit(page->several, at))
            mem_free(list_in(page->slots + slot * value_size));
        slot += get_bit(page->used, at) ? 1 : 0;
    }
    mem_free(page);
}

void value_column_deinit(struct value_column *column)
{
    for (size_t i = 0; i < column->chunks_count; i++) {
        for (size_t j = 0; column->chunks[i] && j < CHUNK_PAGES; j++) {
            if (column->chunks[i]->pages[j])
                free_page(column->chunks[i]->pages[j], column->value_size);
        }
        mem_free(column->chunks[i]);
    }
    mem_free(column->chunks);
    value_column_init(column, column->value_size);
}

size_t value_column_memory(const struct value_column *column)
{
    size_t bytes = column->chunks_count * sizeof(struct value_chunk *) + column->list_bytes;
    for (size_t i = 0; i < column->chunks_count; i++) {
        const struct value_chunk *chunk = column->chunks[i];
        bytes += chunk ? sizeof(*chunk) : 0;
        for (size_t j = 0; chunk && j < CHUNK_PAGES; j++) {
            if (chunk->pages[j])
                bytes +=
                    sizeof(struct page) + (size_t)chunk->pages[j]->capacity * column->value_size;
        }
    }
    return bytes;
}
