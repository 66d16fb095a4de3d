/* Points to ids of values.
 *
 * A word a point, in pages: all ones when there is none, the id when there is one, otherwise the
 * upper bit and the place of a list. A list is a count and its ids, in a run of units of the pool.
 * Runs have sizes of two a doubling (1, 2, 3, 4, 6, 8, 12 ... units), so the count alone tells the
 * size; freed runs are chained by size. The pool never shrinks: what updates free, they use. */
#include "index/field/column.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

enum { PAGE_POINTS = 4096, UNIT_WORDS = 4 };
#define NONE      UINT32_MAX
#define LIST_FLAG 0x80000000U
#define UNITS_MAX (LIST_FLAG - 1) /* the last place would look like NONE */

void column_init(struct column *column)
{
    *column = (struct column){0};
}

void column_deinit(struct column *column)
{
    for (size_t i = 0; i < column->pages_count; i++) {
        mem_free(column->pages[i]);
    }
    mem_free(column->pages);
    mem_free(column->pool);
}

/* ---- lists ---- */

static size_t class_units(unsigned class)
{
    if (class == 0) {
        return 1;
    }
    return class % 2 ? (size_t)2 << (class / 2) : (size_t)3 << (class / 2 - 1);
}

/* The smallest that holds a list of so many ids. */
static unsigned class_of(size_t count)
{
    size_t units = (count + UNIT_WORDS) / UNIT_WORDS; /* a word more for the count */
    unsigned class = 0;
    while (class_units(class) < units) {
        class ++;
    }
    return class;
}

static uint32_t *list_at(const struct column *column, uint32_t unit)
{
    return column->pool + (size_t)unit * UNIT_WORDS;
}

static uint32_t list_take(struct column *column, unsigned class)
{
    if (column->free_lists[class] != 0) {
        uint32_t unit = column->free_lists[class] - 1;
        column->free_lists[class] = *list_at(column, unit);
        return unit;
    }
    size_t units = class_units(class);
    size_t needed = column->pool_units + units;
    ASSERT(needed < UNITS_MAX); /* 32 GiB of lists in one segment */
    if (needed > column->pool_capacity) {
        size_t capacity = needed + needed / 2;
        column->pool_capacity = (uint32_t)(capacity < UNITS_MAX ? capacity : UNITS_MAX);
        column->pool = mem_realloc(column->pool, (size_t)column->pool_capacity * UNIT_WORDS *
                                                     sizeof(column->pool[0]));
    }
    uint32_t unit = column->pool_units;
    column->pool_units = (uint32_t)needed;
    return unit;
}

static void list_give(struct column *column, uint32_t unit, unsigned class)
{
    *list_at(column, unit) = column->free_lists[class];
    column->free_lists[class] = unit + 1;
}

/* Makes room for one id more in a list; says where it is now. */
static uint32_t list_grow(struct column *column, uint32_t unit)
{
    uint32_t count = *list_at(column, unit);
    unsigned class = class_of(count);
    unsigned wanted = class_of((size_t)count + 1);
    if (class == wanted) {
        return unit;
    }
    uint32_t moved = list_take(column, wanted);
    memcpy(list_at(column, moved), list_at(column, unit), (count + 1U) * sizeof(uint32_t));
    list_give(column, unit, class);
    return moved;
}

/* ---- points ---- */

static uint32_t *find_entry(const struct column *column, uint32_t point)
{
    size_t page = point / PAGE_POINTS;
    if (page >= column->pages_count || !column->pages[page]) {
        return NULL;
    }
    return &column->pages[page][point % PAGE_POINTS];
}

static uint32_t *make_entry(struct column *column, uint32_t point)
{
    size_t page = point / PAGE_POINTS;
    if (page >= column->pages_count) {
        size_t count = page + page / 2 + 1;
        column->pages = mem_realloc(column->pages, count * sizeof(column->pages[0]));
        memset(&column->pages[column->pages_count], 0,
               (count - column->pages_count) * sizeof(column->pages[0]));
        column->pages_count = count;
    }
    if (!column->pages[page]) {
        column->pages[page] = mem_alloc(PAGE_POINTS * sizeof(uint32_t));
        memset(column->pages[page], 0xff, PAGE_POINTS * sizeof(uint32_t));
        column->pages_used++;
    }
    return &column->pages[page][point % PAGE_POINTS];
}

struct column_values column_get(const struct column *column, uint32_t point)
{
    const uint32_t *entry = find_entry(column, point);
    if (!entry || *entry == NONE) {
        return (struct column_values){0};
    }
    if (*entry & LIST_FLAG) {
        const uint32_t *list = list_at(column, *entry & ~LIST_FLAG);
        return (struct column_values){.ids = list + 1, .count = *list};
    }
    return (struct column_values){.ids = entry, .count = 1};
}

void column_add(struct column *column, uint32_t point, uint32_t id)
{
    ASSERT(id < LIST_FLAG);
    uint32_t *entry = make_entry(column, point);
    if (*entry == NONE) {
        *entry = id;
        return;
    }
    uint32_t unit;
    if (*entry & LIST_FLAG) {
        unit = list_grow(column, *entry & ~LIST_FLAG);
    } else {
        unit = list_take(column, class_of(2));
        list_at(column, unit)[0] = 1;
        list_at(column, unit)[1] = *entry;
    }
    uint32_t *list = list_at(column, unit);
    list[++list[0]] = id;
    *entry = unit | LIST_FLAG;
}

void column_clear(struct column *column, uint32_t point)
{
    uint32_t *entry = find_entry(column, point);
    if (!entry) {
        return;
    }
    if (*entry != NONE && *entry & LIST_FLAG) {
        uint32_t unit = *entry & ~LIST_FLAG;
        list_give(column, unit, class_of(*list_at(column, unit)));
    }
    *entry = NONE;
}

size_t column_memory(const struct column *column)
{
    return column->pages_count * sizeof(column->pages[0]) +
           column->pages_used * PAGE_POINTS * sizeof(uint32_t) +
           (size_t)column->pool_capacity * UNIT_WORDS * sizeof(uint32_t);
}
