/* The file below blocks: its room on disk, its mappings, holes.
 *
 * Room is allocated in steps, ahead of the rows, an eighth of what there is at a time. On a full
 * disk the step is cut down to what the row at hand needs before the write is refused. A step never
 * goes over the end of a block's rows: between them and the next block lies nothing.
 *
 * Huge pages make random walks over the rows faster, but what is not in memory is then read 2 MiB
 * at a time: only files that are small beside the memory we may use ask for them.
 *
 * MADV_DONTNEED on a shared mapping of a file forgets no byte: the pages stay dirty in the system's
 * cache. PINNED blocks are locked page by page as they are touched; where that is not allowed they
 * are read in at the start and left to the system, which is logged once.
 *
 * Threads: see blocks.c. */
#define _GNU_SOURCE /* fallocate, mlock2 */
#include "index/blocks_int.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE_FILE = 0640, STEP_MIN = 64 << 10, STEP_MAX = 16 << 20, STEP_PART = 8 };
enum { HUGE_PART = 8, GROUP_BYTES_MAX = 4096 };

static int real_allocate(int fd, uint64_t offset, uint64_t size)
{
    int code;
    do {
        code = posix_fallocate(fd, (off_t)offset, (off_t)size);
    } while (code == EINTR);
    return code;
}

static int real_sync(int fd)
{
    int result;
    do {
        result = fdatasync(fd);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static int real_punch(int fd, uint64_t offset, uint64_t size)
{
    int result;
    do {
        result =
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

const struct blocks_system *blocks_system_real(void)
{
    static const struct blocks_system real = {
        .allocate = real_allocate, .sync = real_sync, .punch = real_punch};
    return &real;
}

/* A small file's text; false: there is none. */
static bool read_text(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t size = read(fd, text, room - 1);
    (void)close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static uint64_t read_limit(const char *folder, const char *group, const char *name)
{
    char path[GROUP_BYTES_MAX];
    char text[32];
    int size = snprintf(path, sizeof(path), "%s%s/%s", folder, group, name);
    bool is_number = size < (int)sizeof(path) && read_text(path, text, sizeof(text)) &&
                     text[0] >= '0' && text[0] <= '9';
    return is_number ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* The machine's memory, or what our control group lets us use of it. */
static uint64_t memory_max(void)
{
    static const struct {
        const char *line, *folder, *name;
    } kinds[] = {{"0::", "/sys/fs/cgroup", "memory.max"},
                 {":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"}};
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
    char groups[GROUP_BYTES_MAX] = "";
    (void)read_text("/proc/self/cgroup", groups, sizeof(groups));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint64_t limit = read_limit(kinds[i].folder, "", kinds[i].name);
        memory = limit < memory ? limit : memory;
        char *group = strstr(groups, kinds[i].line);
        if (group != NULL) {
            group += strlen(kinds[i].line);
            size_t size = strcspn(group, "\n");
            char own[GROUP_BYTES_MAX];
            memcpy(own, group, size);
            own[size] = '\0';
            limit = read_limit(kinds[i].folder, own, kinds[i].name);
            memory = limit < memory ? limit : memory;
        }
    }
    return memory;
}

static enum status fail(const struct blocks_file *file, int code, const char *verb,
                        struct error *err)
{
    bool is_full = code == ENOSPC || code == EDQUOT;
    return error_set(err, is_full ? STATUS_NO_SPACE : STATUS_IO, "cannot %s %s: %s", verb,
                     file->path, strerror(code));
}

enum status blocks_file_open(const struct blocks_file_options *options, uint64_t region,
                             uint64_t used, struct blocks_file **out, struct error *err)
{
    int fd;
    do {
        fd = open(options->path, O_RDWR | O_CREAT | O_CLOEXEC, MODE_FILE);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return error_set(err, errno == ENOSPC ? STATUS_NO_SPACE : STATUS_IO, "cannot open %s: %s",
                         options->path, strerror(errno));
    }
    struct blocks_file *file = mem_zalloc(sizeof(*file));
    file->fd = fd;
    file->path = mem_strdup(options->path);
    file->placement = options->placement;
    file->system = options->system != NULL ? options->system : blocks_system_real();
    file->region = region;
    file->used = used;
    file->huge_max = memory_max() / HUGE_PART;
    *out = file;
    return STATUS_OK;
}

void blocks_file_close(struct blocks_file *file)
{
    (void)close(file->fd);
    mem_free(file->path);
    mem_free(file);
}

enum status blocks_file_size(const struct blocks_file *file, uint64_t *out, struct error *err)
{
    struct stat facts;
    if (fstat(file->fd, &facts) != 0) {
        return fail(file, errno, "examine", err);
    }
    *out = (uint64_t)facts.st_size;
    return STATUS_OK;
}

enum status blocks_file_cut(struct blocks_file *file, uint64_t end, struct error *err)
{
    uint64_t rounded = (end + BLOCK_PAGE - 1) / BLOCK_PAGE * BLOCK_PAGE;
    int result;
    do {
        result = ftruncate(file->fd, (off_t)rounded);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return fail(file, errno, "cut", err);
    }
    /* The rows next to come share the last page, which may have been a hole. */
    int code = rounded > 0 ? file->system->allocate(file->fd, rounded - BLOCK_PAGE, BLOCK_PAGE) : 0;
    if (code != 0) {
        return fail(file, code, "allocate room for", err);
    }
    file->allocated = rounded;
    file->room = rounded;
    return STATUS_OK;
}

/* From `allocated` to `end`, both within one block; more when there is plenty. */
static enum status allocate_step(struct blocks_file *file, uint64_t end, struct error *err)
{
    uint64_t block_end = file->allocated / file->region * file->region + file->used;
    uint64_t step = file->room / STEP_PART;
    step = step < STEP_MIN ? STEP_MIN : step;
    step = step > STEP_MAX ? STEP_MAX : step;
    uint64_t ahead = end + step < block_end ? end + step : block_end;
    uint64_t unit = step >= BLOCK_HUGE_PAGE ? BLOCK_HUGE_PAGE : BLOCK_PAGE;
    ahead = (ahead + unit - 1) / unit * unit;
    uint64_t needed = (end + BLOCK_PAGE - 1) / BLOCK_PAGE * BLOCK_PAGE;
    int code = file->system->allocate(file->fd, file->allocated, ahead - file->allocated);
    if ((code == ENOSPC || code == EDQUOT) && ahead > needed) {
        ahead = needed;
        code = file->system->allocate(file->fd, file->allocated, ahead - file->allocated);
    }
    if (code != 0) {
        return fail(file, code, "allocate room for", err);
    }
    file->room += ahead - file->allocated;
    file->allocated = ahead;
    return STATUS_OK;
}

enum status blocks_file_allocate(struct blocks_file *file, uint64_t begin, uint64_t end,
                                 struct error *err)
{
    begin = begin / BLOCK_PAGE * BLOCK_PAGE;
    if (end <= file->allocated) {
        return STATUS_OK;
    }
    uint64_t kept = file->allocated;
    file->allocated = begin > kept ? begin : kept;
    while (file->allocated < end) {
        uint64_t block = file->allocated / file->region * file->region;
        if (file->allocated >= block + file->used) {
            file->allocated = block + file->region;
            continue;
        }
        uint64_t until = end < block + file->used ? end : block + file->used;
        enum status status = allocate_step(file, until, err);
        if (status != STATUS_OK) {
            file->allocated = kept; /* what was skipped may be asked for yet */
            return status;
        }
    }
    return STATUS_OK;
}

static void lock_pages(void *at, size_t size)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (mlock2(at, size, MLOCK_ONFAULT) != 0 && !atomic_flag_test_and_set(&told)) {
        log_warn("index/blocks",
                 "vectors with memory `pinned` are read in but not locked: %s (see the limit on "
                 "locked memory)",
                 strerror(errno));
    }
}

enum status blocks_file_map(struct blocks_file *file, uint32_t number, void *at, struct error *err)
{
    off_t offset = (off_t)(number * file->region);
    void *mapped =
        mmap(at, file->region, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file->fd, offset);
    if (mapped == MAP_FAILED) {
        return fail(file, errno, "map", err);
    }
    ASSERT(mapped == at);
    if (file->placement == PLACEMENT_COLD) {
        (void)madvise(at, file->region, MADV_RANDOM);
    } else if (file->placement == PLACEMENT_PINNED) {
        lock_pages(at, file->region);
        uint64_t size = 0;
        if (blocks_file_size(file, &size, NULL) == STATUS_OK && size > (uint64_t)offset) {
            uint64_t here = size - (uint64_t)offset;
            here = here < file->region ? here : file->region;
            (void)madvise(at, here, MADV_POPULATE_READ); /* advice; absent before Linux 5.14 */
        }
    }
    return STATUS_OK;
}

void blocks_file_advise(struct blocks_file *file, const struct blocks *blocks)
{
    if (file->placement == PLACEMENT_COLD || (file->room < BLOCK_HUGE_FROM && !file->huge)) {
        return;
    }
    bool wanted = file->room <= file->huge_max;
    for (uint32_t i = 0; i < blocks->blocks_count; i++) {
        /* Advice only: file systems that cannot do it go on with small pages. */
        void *block = atomic_load_explicit(&blocks->block[i], memory_order_relaxed);
        (void)madvise(block, file->region, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    }
    file->huge = true;
}

enum status blocks_file_punch(struct blocks_file *file, uint64_t offset, uint64_t size,
                              struct error *err)
{
    int code = file->system->punch(file->fd, offset, size);
    return code == 0 ? STATUS_OK : fail(file, code, "give back room of", err);
}
