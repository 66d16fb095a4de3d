/* The field indexes of a segment, behind one lock. */
#include "index/field/field_set.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <pthread.h>

struct entry {
    struct field *field;
    bool ready;
    point_offset filled; /* all points below are in it; not used once it is ready */
};
struct field_set {
    pthread_rwlock_t lock; /* guards all */
    struct entry *entries;
    size_t count;
    roaring_bitmap_t *points;
};

struct field_set *field_set_create(void)
{
    struct field_set *set = mem_zalloc(sizeof(*set));
    pthread_rwlockattr_t attributes;
    ASSERT(pthread_rwlockattr_init(&attributes) == 0);
    ASSERT(pthread_rwlockattr_setkind_np(&attributes,
                                         PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    ASSERT(pthread_rwlock_init(&set->lock, &attributes) == 0);
    pthread_rwlockattr_destroy(&attributes);
    set->points = roaring_bitmap_create();
    return set;
}

void field_set_destroy(struct field_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        field_destroy(set->entries[i].field);
    }
    roaring_bitmap_free(set->points);
    pthread_rwlock_destroy(&set->lock);
    mem_free(set->entries);
    mem_free(set);
}

void field_set_lock_read(struct field_set *set)
{
    ASSERT(pthread_rwlock_rdlock(&set->lock) == 0);
}

void field_set_unlock_read(struct field_set *set)
{
    ASSERT(pthread_rwlock_unlock(&set->lock) == 0);
}

void field_set_lock_write(struct field_set *set)
{
    ASSERT(pthread_rwlock_wrlock(&set->lock) == 0);
}

void field_set_unlock_write(struct field_set *set)
{
    ASSERT(pthread_rwlock_unlock(&set->lock) == 0);
}

/* ---- fields ---- */

static struct entry *find(const struct field_set *set, const struct path *path)
{
    for (size_t i = 0; i < set->count; i++) {
        if (path_equal(field_path(set->entries[i].field), path)) {
            return &set->entries[i];
        }
    }
    return NULL;
}

static void add(struct field_set *set, struct field *field, bool ready)
{
    struct entry *entry = find(set, field_path(field));
    if (entry) {
        field_destroy(entry->field);
    } else {
        set->entries = mem_realloc(set->entries, (set->count + 1) * sizeof(set->entries[0]));
        entry = &set->entries[set->count++];
    }
    *entry = (struct entry){.field = field, .ready = ready};
}

void field_set_add(struct field_set *set, struct field *field)
{
    add(set, field, roaring_bitmap_is_empty(set->points));
}

void field_set_add_ready(struct field_set *set, struct field *field)
{
    add(set, field, true);
}

bool field_set_drop(struct field_set *set, const struct path *path)
{
    struct entry *entry = find(set, path);
    if (!entry) {
        return false;
    }
    field_destroy(entry->field);
    *entry = set->entries[--set->count];
    return true;
}

size_t field_set_count(const struct field_set *set)
{
    return set->count;
}

const struct field *field_set_at(const struct field_set *set, size_t i)
{
    return set->entries[i].field;
}

bool field_set_is_ready(const struct field_set *set, size_t i)
{
    return set->entries[i].ready;
}

const struct field *field_set_find(const struct field_set *set, const struct path *path)
{
    const struct entry *entry = find(set, path);
    return entry && entry->ready ? entry->field : NULL;
}

const struct field *field_set_find_whole(const struct field_set *set, const struct path *items)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->entries[i].ready && path_is_items(items, field_path(set->entries[i].field))) {
            return set->entries[i].field;
        }
    }
    return NULL;
}

bool field_set_covers(const struct field_set *set, const struct path *path)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct path *own = field_path(set->entries[i].field);
        if (path_equal(path, own) || path_is_items(path, own)) {
            return true;
        }
    }
    return false;
}

const roaring_bitmap_t *field_set_points(const struct field_set *set)
{
    return set->points;
}

/* ---- points ---- */

void field_set_note(struct field_set *set, point_offset point)
{
    roaring_bitmap_add(set->points, point);
}

void field_set_put(struct field_set *set, point_offset point, struct slice payload)
{
    bool known = !roaring_bitmap_add_checked(set->points, point);
    struct json_view view = json_view_of(payload);
    for (size_t i = 0; i < set->count; i++) {
        struct entry *entry = &set->entries[i];
        if (!entry->ready && point >= entry->filled) {
            continue;
        }
        if (known) {
            field_remove(entry->field, point);
        }
        field_add(entry->field, point, view);
    }
}

void field_set_remove(struct field_set *set, point_offset point)
{
    if (!roaring_bitmap_remove_checked(set->points, point)) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        field_remove(set->entries[i].field, point);
    }
}

void field_set_fill(struct field_set *set, point_offset point, struct slice payload)
{
    struct json_view view = json_view_of(payload);
    for (size_t i = 0; i < set->count; i++) {
        struct entry *entry = &set->entries[i];
        if (!entry->ready && point >= entry->filled) {
            field_add(entry->field, point, view);
        }
    }
}

void field_set_filled(struct field_set *set, point_offset upto, bool ready)
{
    for (size_t i = 0; i < set->count; i++) {
        struct entry *entry = &set->entries[i];
        if (!entry->ready && upto > entry->filled) {
            entry->filled = upto;
        }
        entry->ready = entry->ready || ready;
    }
}

point_offset field_set_fill_from(const struct field_set *set)
{
    point_offset from = POINT_NONE;
    for (size_t i = 0; i < set->count; i++) {
        const struct entry *entry = &set->entries[i];
        if (!entry->ready && entry->filled < from) {
            from = entry->filled;
        }
    }
    return from;
}
