/* Tables: what a search sees at a moment, and the shared memory it hangs from.
 *
 * Reference counts go up under the index's lock or from a reference already held, so the last
 * unref is really the last. Failures: NULL or false when there is no memory. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    ALIGN = 64,
    MAPPED_MIN = 1 << 20,
    HUGE_BYTES = 2 << 20,
    FILE_MIN = 64 << 10,
    PATH_BYTES_MAX = 4096,
};

static size_t padded(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static bool map(struct memory *memory, size_t size)
{
    memory->size = (size + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    void *bytes =
        mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return false;
    }
    (void)madvise(bytes, memory->size, MADV_HUGEPAGE); /* advice */
    memory->bytes = bytes;
    return true;
}

/* Room on the disk is taken at once: later there is nobody to tell that there is none. */
static bool map_file(struct memory *memory, const char *folder, size_t size)
{
    char path[PATH_BYTES_MAX];
    if (snprintf(path, sizeof path, "%s/lists-XXXXXX", folder) >= (int)sizeof path) {
        return false;
    }
    int file = mkstemp(path);
    if (file < 0) {
        return false;
    }
    (void)unlink(path); /* it stays as long as it is mapped */
    void *bytes = MAP_FAILED;
    if (posix_fallocate(file, 0, (off_t)size) == 0) {
        bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    (void)close(file);
    memory->size = size;
    memory->bytes = bytes;
    return bytes != MAP_FAILED;
}

struct memory *memory_create(const char *folder, size_t size)
{
    struct memory *memory = mem_zalloc(sizeof *memory);
    atomic_init(&memory->refs, 1);
    bool in_file = folder != NULL && size >= FILE_MIN;
    memory->mapped = in_file || size >= MAPPED_MIN;
    if (memory->mapped) {
        if (in_file ? map_file(memory, folder, size) : map(memory, size)) {
            return memory;
        }
        mem_free(memory);
        return NULL;
    }
    mem_free(memory);
    memory = mem_try_alloc(padded(sizeof *memory) + size + ALIGN);
    if (memory == NULL) {
        return NULL;
    }
    uintptr_t start = (uintptr_t)memory + sizeof *memory;
    *memory = (struct memory){.size = size, .bytes = (uint8_t *)(start + (ALIGN - start % ALIGN))};
    atomic_init(&memory->refs, 1);
    memset(memory->bytes, 0, size);
    return memory;
}

struct memory *memory_ref(struct memory *memory)
{
    if (memory != NULL) {
        atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
    }
    return memory;
}

void memory_unref(struct memory *memory)
{
    if (memory == NULL || atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (memory->mapped) {
        ASSERT(munmap(memory->bytes, memory->size) == 0);
    }
    mem_free(memory);
}

struct table *table_create(const char *folder, size_t lists_count)
{
    struct table *table = mem_try_alloc(sizeof *table + lists_count * sizeof table->lists[0]);
    if (table != NULL) {
        memset(table, 0, sizeof *table + lists_count * sizeof table->lists[0]);
        atomic_init(&table->refs, 1);
        table->folder = folder;
        table->lists_count = lists_count;
    }
    return table;
}

struct table *table_copy(const struct table *from, size_t lists_count)
{
    ASSERT(lists_count >= from->lists_count);
    struct table *table = table_create(from->folder, lists_count);
    if (table == NULL) {
        return NULL;
    }
    memcpy(table->lists, from->lists, from->lists_count * sizeof table->lists[0]);
    table->model = from->model;
    table->coarse = from->coarse;
    table->region = memory_ref(from->region);
    table->region_bytes = from->region_bytes;
    table->own_bytes = from->own_bytes;
    table->linked = from->linked;
    table->entries = from->entries;
    table->list_max = from->list_max;
    memory_ref(table->model.memory);
    memory_ref(table->coarse.memory);
    for (size_t i = 0; i < from->lists_count; i++) {
        memory_ref(table->lists[i].memory);
    }
    return table;
}

void table_unref(struct table *table)
{
    if (table == NULL || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < table->lists_count; i++) {
        memory_unref(table->lists[i].memory);
    }
    memory_unref(table->region);
    memory_unref(table->coarse.memory);
    memory_unref(table->model.memory);
    mem_free(table);
}

struct table *table_pin(const struct ivfpq *ivfpq)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&ivfpq->lock;
    ASSERT(pthread_mutex_lock(lock) == 0);
    struct table *table = ivfpq->current;
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    ASSERT(pthread_mutex_unlock(lock) == 0);
    return table;
}

void table_publish(struct ivfpq *ivfpq, struct table *table)
{
    ASSERT(pthread_mutex_lock(&ivfpq->lock) == 0);
    struct table *old = ivfpq->current;
    ivfpq->current = table;
    ASSERT(pthread_mutex_unlock(&ivfpq->lock) == 0);
    table_unref(old);
}

enum space space_of(enum distance distance)
{
    switch (distance) {
    case DISTANCE_EUCLID:
    case DISTANCE_COSINE: /* rows have length 1 */
        return SPACE_SQUARE;
    case DISTANCE_MANHATTAN:
        return SPACE_ABSOLUTE;
    case DISTANCE_DOT:
    case DISTANCE_COUNT:
        break;
    }
    return SPACE_INNER;
}

struct list_layout list_layout(const struct model *model, size_t count)
{
    bool square = model->space == SPACE_SQUARE;
    size_t block_bytes = fastscan_block_bytes(model->fine.subs / 2, square);
    struct list_layout layout = {
        .blocks = (count + FASTSCAN_BLOCK - 1) / FASTSCAN_BLOCK * block_bytes,
        .rests = count * ((model->dim + 1) / 2) + FASTSCAN_REST_STEP,
        .points = count * sizeof(point_offset),
        .addends = square ? count * sizeof(float) : 0,
    };
    layout.blocks = padded(layout.blocks);
    layout.rests = padded(layout.rests);
    layout.points = padded(layout.points);
    layout.addends = padded(layout.addends);
    layout.total = layout.blocks + layout.rests + layout.points + layout.addends;
    return layout;
}

struct list list_at(const struct model *model, uint8_t *bytes, size_t count)
{
    struct list_layout layout = list_layout(model, count);
    struct list list = {.blocks = bytes, .rests = bytes + layout.blocks, .count = (uint32_t)count};
    bytes += layout.blocks + layout.rests;
    list.points = (const point_offset *)(const void *)bytes;
    if (layout.addends > 0) {
        list.addends = (const float *)(const void *)(bytes + layout.points);
    }
    return list;
}

size_t model_bytes(enum space space, size_t dim)
{
    (void)space;
    struct pq pq = pq_shape(dim);
    return padded(sizeof(struct model_head)) + 2 * padded(dim * sizeof(float)) +
           2 * padded(pq_words(&pq) * sizeof(float));
}

void model_place(struct model *model, enum space space, size_t dim, uint8_t *bytes)
{
    *model = (struct model){.space = space, .dim = dim, .fine = pq_shape(dim)};
    memcpy(&model->head, bytes, sizeof model->head);
    bytes += padded(sizeof model->head);
    model->mean = (const float *)(const void *)bytes;
    bytes += padded(dim * sizeof(float));
    model->rest_step = (const float *)(const void *)bytes;
    bytes += padded(dim * sizeof(float));
    model->coarse = model->fine;
    model->fine.words = (const float *)(const void *)bytes;
    bytes += padded(pq_words(&model->fine) * sizeof(float));
    model->coarse.words = (const float *)(const void *)bytes;
}

size_t coarse_bytes(const struct model *model, size_t count)
{
    size_t block_bytes = fastscan_block_bytes(model->coarse.subs / 2, coarse_has_addends(model));
    return padded(count * model->dim * sizeof(float)) + padded(count * sizeof(float)) +
           (count + FASTSCAN_BLOCK - 1) / FASTSCAN_BLOCK * block_bytes;
}

void coarse_place(struct coarse *coarse, const struct model *model, uint8_t *bytes, size_t count)
{
    uint8_t *spreads = bytes + padded(count * model->dim * sizeof(float));
    *coarse = (struct coarse){
        .centroids = (const float *)(const void *)bytes,
        .spreads = (const float *)(const void *)spreads,
        .blocks = spreads + padded(count * sizeof(float)),
        .count = count,
    };
}

bool table_compact(struct table *table)
{
    size_t total = 0;
    for (size_t i = 0; i < table->lists_count; i++) {
        total += list_layout(&table->model, table->lists[i].count).total;
    }
    struct memory *region = memory_create(table->folder, total);
    if (region == NULL) {
        return false;
    }
    uint8_t *at = region->bytes;
    for (size_t i = 0; i < table->lists_count; i++) {
        struct list *list = &table->lists[i];
        size_t size = list_layout(&table->model, list->count).total;
        memcpy(at, list->blocks, size);
        memory_unref(list->memory);
        *list = list_at(&table->model, at, list->count);
        at += size;
    }
    memory_unref(table->region);
    table->region = region;
    table->region_bytes = total;
    table->own_bytes = 0;
    return true;
}
