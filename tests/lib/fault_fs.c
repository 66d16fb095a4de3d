/* A file system in memory that fails and crashes on request.
 *
 * Two sets of names lead to inodes: those of now, and those that a crash would leave ("durable"). A
 * change of a name goes to the first at once and into a list of changes; sync_dir carries the
 * changes of its folder over to the second. An inode has its bytes of now, those of its last sync,
 * and the smallest size it had since.
 *
 * One mutex guards everything; the delay of a sync runs outside of it. */
#include "tests/lib/fault_fs.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 4096, CHANGES_MAX = 16384, GARBLED_MAX = 16 };

struct inode {
    struct buffer now;
    struct buffer synced;
    size_t low; /* smallest size since the last sync */
    unsigned refs;
};

struct name {
    char *path;
    struct inode *inode; /* NULL: a folder */
};

struct names {
    struct name *items;
    size_t count;
};

struct change {
    char *path; /* gets the inode, or loses its name when that is NULL */
    struct inode *inode;
    char *from; /* of a rename: loses its name in the same step */
};

struct order {
    uint64_t left; /* calls until the failure; 0: none */
    enum status status;
    bool forever;
};

struct fault_fs {
    struct file_system table;
    pthread_mutex_t lock; /* guards all below, the inodes and the open files */
    struct names now;
    struct names durable;
    struct change *changes;
    size_t changes_count;
    struct order orders[FAULT_CALL_COUNT];
    uint64_t calls[FAULT_CALL_COUNT];
    uint64_t failures;
    uint64_t epoch; /* counts crashes */
    unsigned open_count;
    unsigned sync_delay_ms;
    struct random random;
};

struct fault_file {
    struct fault_fs *fs;
    struct inode *inode;
    uint64_t epoch; /* of the opening; an older one is dead */
    bool writable;
};

/* --- names and inodes --- */

static void inode_unref(struct inode *inode)
{
    if (inode && --inode->refs == 0) {
        buffer_deinit(&inode->now);
        buffer_deinit(&inode->synced);
        mem_free(inode);
    }
}

static struct inode *inode_ref(struct inode *inode)
{
    if (inode) {
        inode->refs++;
    }
    return inode;
}

static struct inode *inode_create(void)
{
    struct inode *inode = mem_zalloc(sizeof(*inode));
    buffer_init(&inode->now, 0);
    buffer_init(&inode->synced, 0);
    inode->refs = 1;
    return inode;
}

static void inode_sync(struct inode *inode)
{
    buffer_clear(&inode->synced);
    buffer_append_slice(&inode->synced, buffer_slice(&inode->now));
    inode->low = inode->now.size;
}

/* One form for each path: no "./" at the start, no doubled or last slash. */
static void normalize(const char *path, char out[PATH_MAX])
{
    size_t size = 0;
    while (strncmp(path, "./", 2) == 0) {
        path += 2;
    }
    for (; *path; path++) {
        if (*path == '/' && (path[1] == '/' || (path[1] == '\0' && size > 0))) {
            continue;
        }
        ASSERT(size + 1 < PATH_MAX);
        out[size++] = *path;
    }
    out[size] = '\0';
}

static void folder_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 1;
    size = size ? size : 1; /* "/" itself */
    memcpy(out, slash ? path : ".", size);
    out[size] = '\0';
}

static struct name *names_find(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void names_set(struct names *names, const char *path, struct inode *inode)
{
    struct name *name = names_find(names, path);
    if (name) {
        (void)inode_ref(inode);
        inode_unref(name->inode);
        name->inode = inode;
        return;
    }
    ASSERT(names->count < NAMES_MAX);
    names->items[names->count++] =
        (struct name){.path = mem_strdup(path), .inode = inode_ref(inode)};
}

static void names_drop(struct names *names, const char *path)
{
    struct name *name = names_find(names, path);
    if (name) {
        inode_unref(name->inode);
        mem_free(name->path);
        *name = names->items[--names->count];
    }
}

static void names_clear(struct names *names)
{
    while (names->count) {
        struct name *name = &names->items[--names->count];
        inode_unref(name->inode);
        mem_free(name->path);
    }
}

/* --- changes of names that no sync_dir has made durable yet --- */

static void note_change(struct fault_fs *fs, const char *path, struct inode *inode,
                        const char *from)
{
    ASSERT(fs->changes_count < CHANGES_MAX);
    fs->changes[fs->changes_count++] = (struct change){
        .path = mem_strdup(path),
        .inode = inode_ref(inode),
        .from = from ? mem_strdup(from) : NULL,
    };
}

static void change_deinit(struct change *change)
{
    inode_unref(change->inode);
    mem_free(change->path);
    mem_free(change->from);
}

static void change_keep(struct fault_fs *fs, const struct change *change)
{
    if (change->inode) {
        names_set(&fs->durable, change->path, change->inode);
    } else {
        names_drop(&fs->durable, change->path);
    }
    if (change->from) {
        names_drop(&fs->durable, change->from);
    }
}

static void keep_changes_of(struct fault_fs *fs, const char *folder)
{
    size_t left = 0;
    for (size_t i = 0; i < fs->changes_count; i++) {
        char parent[PATH_MAX];
        folder_of(fs->changes[i].path, parent);
        if (strcmp(parent, folder) == 0) {
            change_keep(fs, &fs->changes[i]);
            change_deinit(&fs->changes[i]);
        } else {
            fs->changes[left++] = fs->changes[i];
        }
    }
    fs->changes_count = left;
}

/* --- faults --- */

static bool order_fires(struct order *order)
{
    if (order->left == 0) {
        return false;
    }
    if (order->left > 1) {
        order->left--;
        return false;
    }
    order->left = order->forever ? 1 : 0;
    return true;
}

/* Counts the call; the status it must fail with, or OK. Both orders count it, whichever fires. */
static enum status enter(struct fault_fs *fs, enum fault_call call, struct error *err)
{
    fs->calls[call]++;
    fs->calls[FAULT_ANY]++;
    bool own = order_fires(&fs->orders[call]);
    bool any = order_fires(&fs->orders[FAULT_ANY]);
    if (!own && !any) {
        return STATUS_OK;
    }
    fs->failures++;
    enum status status = fs->orders[own ? call : FAULT_ANY].status;
    return error_set(err, status, "fault %llu: call %d was made to fail",
                     (unsigned long long)fs->failures, (int)call);
}

static struct fault_fs *fs_of(const struct file_system *table)
{
    return table->self;
}

static struct fault_file *file_of(struct file *file)
{
    return (struct fault_file *)(void *)file;
}

/* Locks; a file opened before a crash is dead. Unlocks on failure. */
static enum status enter_file(struct fault_file *file, enum fault_call call, struct error *err)
{
    pthread_mutex_lock(&file->fs->lock);
    enum status status = enter(file->fs, call, err);
    if (file->epoch != file->fs->epoch) {
        status = error_set(err, STATUS_IO, "the file was open during a crash");
    }
    if (status && call != FAULT_APPEND) {
        pthread_mutex_unlock(&file->fs->lock);
    }
    return status;
}

static enum status leave(struct fault_fs *fs, enum status status)
{
    pthread_mutex_unlock(&fs->lock);
    return status;
}

/* --- the table --- */

static bool is_folder(const struct fault_fs *fs, const char *path)
{
    const struct name *name = names_find(&fs->now, path);
    return strcmp(path, ".") == 0 || strcmp(path, "/") == 0 || (name && !name->inode);
}

static enum status open_locked(struct fault_fs *fs, const char *path, enum file_mode mode,
                               struct inode **out, struct error *err)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    const struct name *name = names_find(&fs->now, path);
    if (is_folder(fs, path)) {
        return error_set(err, STATUS_IO, "%s is a folder", path);
    }
    if (!name && (mode == FILE_READ || !is_folder(fs, folder))) {
        return error_set(err, STATUS_NOT_FOUND, "cannot open %s: no such file", path);
    }
    if (name) {
        *out = inode_ref(name->inode);
    } else {
        *out = inode_create();
        names_set(&fs->now, path, *out);
        note_change(fs, path, *out, NULL);
    }
    if (mode == FILE_WRITE_NEW) {
        buffer_clear(&(*out)->now);
        (*out)->low = 0;
    }
    return STATUS_OK;
}

static enum status fault_open(const struct file_system *table, const char *path,
                              enum file_mode mode, struct file **out, struct error *err)
{
    struct fault_fs *fs = fs_of(table);
    char normal[PATH_MAX];
    normalize(path, normal);
    pthread_mutex_lock(&fs->lock);
    enum status status = enter(fs, FAULT_OPEN, err);
    struct inode *inode = NULL;
    if (status == STATUS_OK) {
        status = open_locked(fs, normal, mode, &inode, err);
    }
    if (status == STATUS_OK) {
        struct fault_file *file = mem_alloc(sizeof(*file));
        *file = (struct fault_file){
            .fs = fs, .inode = inode, .epoch = fs->epoch, .writable = mode != FILE_READ};
        fs->open_count++;
        *out = (struct file *)(void *)file;
    }
    return leave(fs, status);
}

static void fault_close(struct file *handle)
{
    struct fault_file *file = file_of(handle);
    struct fault_fs *fs = file->fs;
    pthread_mutex_lock(&fs->lock);
    inode_unref(file->inode);
    fs->open_count--;
    pthread_mutex_unlock(&fs->lock);
    mem_free(file);
}

static enum status fault_read_at(struct file *handle, uint64_t offset, void *data, size_t size,
                                 size_t *read, struct error *err)
{
    struct fault_file *file = file_of(handle);
    enum status status = enter_file(file, FAULT_READ_AT, err);
    if (status) {
        return status;
    }
    const struct buffer *now = &file->inode->now;
    size_t left = offset < now->size ? now->size - offset : 0;
    *read = size < left ? size : left;
    if (*read) {
        memcpy(data, now->data + offset, *read);
    }
    return leave(file->fs, STATUS_OK);
}

static enum status fault_append(struct file *handle, struct slice data, struct error *err)
{
    struct fault_file *file = file_of(handle);
    enum status status = enter_file(file, FAULT_APPEND, err);
    ASSERT(file->writable);
    if (file->epoch == file->fs->epoch) {
        size_t kept = status ? random_below(&file->fs->random, data.size + 1) : data.size;
        buffer_append(&file->inode->now, data.data, kept);
    }
    return leave(file->fs, status);
}

static enum status fault_truncate(struct file *handle, uint64_t size, struct error *err)
{
    struct fault_file *file = file_of(handle);
    enum status status = enter_file(file, FAULT_TRUNCATE, err);
    if (status) {
        return status;
    }
    ASSERT(file->writable);
    struct inode *inode = file->inode;
    while (inode->now.size < size) {
        buffer_append_byte(&inode->now, 0);
    }
    inode->now.size = size;
    inode->low = size < inode->low ? size : inode->low;
    return leave(file->fs, STATUS_OK);
}

static enum status fault_sync(struct file *handle, struct error *err)
{
    struct fault_file *file = file_of(handle);
    enum status status = enter_file(file, FAULT_SYNC, err);
    if (status) {
        return status;
    }
    inode_sync(file->inode);
    unsigned delay_ms = file->fs->sync_delay_ms;
    pthread_mutex_unlock(&file->fs->lock);
    if (delay_ms) {
        (void)usleep(delay_ms * 1000);
    }
    return STATUS_OK;
}

static enum status fault_size(struct file *handle, uint64_t *out, struct error *err)
{
    struct fault_file *file = file_of(handle);
    enum status status = enter_file(file, FAULT_SIZE, err);
    if (status) {
        return status;
    }
    *out = file->inode->now.size;
    return leave(file->fs, STATUS_OK);
}

static enum status fault_rename(const struct file_system *table, const char *from, const char *to,
                                struct error *err)
{
    struct fault_fs *fs = fs_of(table);
    char normal_from[PATH_MAX];
    char normal_to[PATH_MAX];
    char folder[PATH_MAX];
    normalize(from, normal_from);
    normalize(to, normal_to);
    folder_of(normal_to, folder);
    pthread_mutex_lock(&fs->lock);
    enum status status = enter(fs, FAULT_RENAME, err);
    if (status) {
        return leave(fs, status);
    }
    const struct name *name = names_find(&fs->now, normal_from);
    if (!name || !is_folder(fs, folder)) {
        return leave(fs, error_set(err, STATUS_NOT_FOUND, "cannot rename %s: no such file", from));
    }
    ASSERT(name->inode); /* folders are never renamed */
    struct inode *inode = inode_ref(name->inode);
    if (strcmp(normal_from, normal_to) != 0) {
        names_set(&fs->now, normal_to, inode);
        names_drop(&fs->now, normal_from);
        note_change(fs, normal_to, inode, normal_from);
    }
    inode_unref(inode);
    return leave(fs, STATUS_OK);
}

static enum status fault_remove(const struct file_system *table, const char *path,
                                struct error *err)
{
    struct fault_fs *fs = fs_of(table);
    char normal[PATH_MAX];
    normalize(path, normal);
    pthread_mutex_lock(&fs->lock);
    enum status status = enter(fs, FAULT_REMOVE, err);
    if (status == STATUS_OK && names_find(&fs->now, normal)) {
        names_drop(&fs->now, normal);
        note_change(fs, normal, NULL, NULL);
    }
    return leave(fs, status);
}

static enum status fault_make_dirs(const struct file_system *table, const char *path,
                                   struct error *err)
{
    struct fault_fs *fs = fs_of(table);
    char normal[PATH_MAX];
    normalize(path, normal);
    pthread_mutex_lock(&fs->lock);
    enum status status = enter(fs, FAULT_MAKE_DIRS, err);
    for (char *at = normal; status == STATUS_OK && *at; at++) {
        if (at[1] != '/' && at[1] != '\0') {
            continue;
        }
        char kept = at[1];
        at[1] = '\0';
        const struct name *name = names_find(&fs->now, normal);
        if (name && name->inode) {
            status = error_set(err, STATUS_IO, "cannot make folder %s: it is a file", normal);
        } else if (!name) {
            names_set(&fs->now, normal, NULL);
            names_set(&fs->durable, normal, NULL);
        }
        at[1] = kept;
    }
    return leave(fs, status);
}

static enum status fault_sync_dir(const struct file_system *table, const char *path,
                                  struct error *err)
{
    struct fault_fs *fs = fs_of(table);
    char normal[PATH_MAX];
    normalize(path, normal);
    pthread_mutex_lock(&fs->lock);
    enum status status = enter(fs, FAULT_SYNC_DIR, err);
    if (status == STATUS_OK && !is_folder(fs, normal)) {
        status = error_set(err, STATUS_NOT_FOUND, "cannot sync %s: no such folder", path);
    }
    if (status == STATUS_OK) {
        keep_changes_of(fs, normal);
    }
    return leave(fs, status);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status fault_list(const struct file_system *table, const char *path,
                              void (*each)(void *ctx, const char *name), void *ctx,
                              struct error *err)
{
    struct fault_fs *fs = fs_of(table);
    char normal[PATH_MAX];
    normalize(path, normal);
    pthread_mutex_lock(&fs->lock);
    enum status status = enter(fs, FAULT_LIST, err);
    if (status == STATUS_OK && !is_folder(fs, normal)) {
        status = error_set(err, STATUS_NOT_FOUND, "cannot list %s: no such folder", path);
    }
    if (status) {
        return leave(fs, status);
    }
    char **found = mem_alloc((fs->now.count + 1) * sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < fs->now.count; i++) {
        char folder[PATH_MAX];
        const char *full = fs->now.items[i].path;
        folder_of(full, folder);
        if (strcmp(folder, normal) == 0 && strcmp(full, normal) != 0) {
            const char *slash = strrchr(full, '/');
            found[count++] = mem_strdup(slash ? slash + 1 : full);
        }
    }
    pthread_mutex_unlock(&fs->lock); /* `each` may call the file system */
    qsort(found, count, sizeof(char *), compare_texts);
    for (size_t i = 0; i < count; i++) {
        each(ctx, found[i]);
        mem_free(found[i]);
    }
    mem_free(found);
    return STATUS_OK;
}

static const struct file_system TABLE = {
    .open = fault_open,
    .read_at = fault_read_at,
    .append = fault_append,
    .truncate = fault_truncate,
    .sync = fault_sync,
    .size = fault_size,
    .close = fault_close,
    .rename = fault_rename,
    .remove = fault_remove,
    .make_dirs = fault_make_dirs,
    .sync_dir = fault_sync_dir,
    .list = fault_list,
};

/* --- what the tests call --- */

struct fault_fs *fault_fs_create(uint64_t seed)
{
    struct fault_fs *fs = mem_zalloc(sizeof(*fs));
    fs->table = TABLE;
    fs->table.self = fs;
    fs->now.items = mem_alloc(NAMES_MAX * sizeof(struct name));
    fs->durable.items = mem_alloc(NAMES_MAX * sizeof(struct name));
    fs->changes = mem_alloc(CHANGES_MAX * sizeof(struct change));
    random_init(&fs->random, seed);
    pthread_mutex_init(&fs->lock, NULL);
    return fs;
}

void fault_fs_destroy(struct fault_fs *fs)
{
    ASSERT(fs->open_count == 0);
    names_clear(&fs->now);
    names_clear(&fs->durable);
    while (fs->changes_count) {
        change_deinit(&fs->changes[--fs->changes_count]);
    }
    mem_free(fs->now.items);
    mem_free(fs->durable.items);
    mem_free(fs->changes);
    pthread_mutex_destroy(&fs->lock);
    mem_free(fs);
}

const struct file_system *fault_fs_system(struct fault_fs *fs)
{
    return &fs->table;
}

void fault_fs_fail(struct fault_fs *fs, enum fault_call call, uint64_t nth, enum status status,
                   bool forever)
{
    pthread_mutex_lock(&fs->lock);
    fs->orders[call] = (struct order){.left = nth, .status = status, .forever = forever};
    pthread_mutex_unlock(&fs->lock);
}

uint64_t fault_fs_calls(struct fault_fs *fs, enum fault_call call)
{
    pthread_mutex_lock(&fs->lock);
    uint64_t calls = fs->calls[call];
    pthread_mutex_unlock(&fs->lock);
    return calls;
}

uint64_t fault_fs_failures(struct fault_fs *fs)
{
    pthread_mutex_lock(&fs->lock);
    uint64_t failures = fs->failures;
    pthread_mutex_unlock(&fs->lock);
    return failures;
}

void fault_fs_set_sync_delay(struct fault_fs *fs, unsigned delay_ms)
{
    pthread_mutex_lock(&fs->lock);
    fs->sync_delay_ms = delay_ms;
    pthread_mutex_unlock(&fs->lock);
}

/* What a power loss leaves of one file. */
static void inode_crash(struct inode *inode, struct random *random)
{
    bool was_cut = inode->low < inode->synced.size;
    size_t base = was_cut ? inode->low : inode->synced.size;
    if (was_cut && random_below(random, 2)) {
        buffer_clear(&inode->now); /* the truncation and all after it are lost */
        buffer_append_slice(&inode->now, buffer_slice(&inode->synced));
    } else {
        size_t tail = inode->now.size > base ? inode->now.size - base : 0;
        size_t kept = random_below(random, tail + 1);
        inode->now.size = inode->now.size - tail + kept;
        size_t garbled = kept && random_below(random, 2) ? random_below(random, GARBLED_MAX) : 0;
        garbled = garbled < kept ? garbled : kept;
        for (size_t i = 0; i < garbled; i++) {
            inode->now.data[inode->now.size - 1 - i] = (uint8_t)random_u64(random);
        }
    }
    inode_sync(inode);
}

void fault_fs_crash(struct fault_fs *fs, uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    pthread_mutex_lock(&fs->lock);
    for (size_t i = 0; i < fs->changes_count; i++) {
        if (random_below(&random, 2)) {
            change_keep(fs, &fs->changes[i]);
        }
        change_deinit(&fs->changes[i]);
    }
    fs->changes_count = 0;
    names_clear(&fs->now);
    for (size_t i = 0; i < fs->durable.count; i++) {
        const struct name *name = &fs->durable.items[i];
        if (name->inode) {
            inode_crash(name->inode, &random);
        }
        names_set(&fs->now, name->path, name->inode);
    }
    fs->epoch++;
    pthread_mutex_unlock(&fs->lock);
}

static struct inode *must_find(struct fault_fs *fs, const char *path)
{
    char normal[PATH_MAX];
    normalize(path, normal);
    const struct name *name = names_find(&fs->now, normal);
    ASSERT(name && name->inode);
    return name->inode;
}

bool fault_fs_exists(struct fault_fs *fs, const char *path)
{
    char normal[PATH_MAX];
    normalize(path, normal);
    pthread_mutex_lock(&fs->lock);
    bool found = names_find(&fs->now, normal) != NULL;
    pthread_mutex_unlock(&fs->lock);
    return found;
}

struct slice fault_fs_data(struct fault_fs *fs, const char *path)
{
    pthread_mutex_lock(&fs->lock);
    struct slice data = buffer_slice(&must_find(fs, path)->now);
    pthread_mutex_unlock(&fs->lock);
    return data;
}

void fault_fs_put(struct fault_fs *fs, const char *path, struct slice data)
{
    char normal[PATH_MAX];
    normalize(path, normal);
    struct inode *inode = inode_create();
    buffer_append_slice(&inode->now, data);
    inode_sync(inode);
    char folder[PATH_MAX];
    folder_of(normal, folder);
    pthread_mutex_lock(&fs->lock);
    keep_changes_of(fs, folder); /* an older change of this name must not come back later */
    names_set(&fs->now, normal, inode);
    names_set(&fs->durable, normal, inode);
    inode_unref(inode);
    pthread_mutex_unlock(&fs->lock);
}

void fault_fs_flip(struct fault_fs *fs, const char *path, uint64_t offset, uint8_t mask)
{
    pthread_mutex_lock(&fs->lock);
    struct inode *inode = must_find(fs, path);
    ASSERT(offset < inode->now.size);
    inode->now.data[offset] ^= mask;
    inode_sync(inode);
    pthread_mutex_unlock(&fs->lock);
}

void fault_fs_cut(struct fault_fs *fs, const char *path, uint64_t size)
{
    pthread_mutex_lock(&fs->lock);
    struct inode *inode = must_find(fs, path);
    ASSERT(size <= inode->now.size);
    inode->now.size = size;
    inode_sync(inode);
    pthread_mutex_unlock(&fs->lock);
}
