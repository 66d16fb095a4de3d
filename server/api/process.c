/* Memory and machine figures, from the C library's allocator and from /proc. A figure that cannot
 * be read is 0: these are for display only. */
#include "server/api/process.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t page_bytes(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (uint64_t)size : 0;
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) {
        return 0;
    }
    if (fscanf(file, "%llu %llu", &total, &resident) != 2) {
        resident = 0;
    }
    (void)fclose(file);
    return (uint64_t)resident * page_bytes();
}

void process_memory(struct process_memory *out)
{
    struct mallinfo2 info = mallinfo2();
    out->allocated = (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
    out->active = (uint64_t)info.arena + (uint64_t)info.hblkhd;
    out->metadata = 0; /* the C library keeps it inside what it counts as allocated */
    out->retained = (uint64_t)info.fordblks;
    out->resident = resident_bytes();
}

uint64_t process_ram_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (uint64_t)pages * page_bytes() : 0;
}

/* A number in a file; UINT64_MAX: no such file, or a word. */
static uint64_t read_number(const char *path)
{
    unsigned long long number = 0;
    FILE *file = fopen(path, "re");
    if (!file) {
        return UINT64_MAX;
    }
    bool good = fscanf(file, "%llu", &number) == 1;
    (void)fclose(file);
    return good ? (uint64_t)number : UINT64_MAX;
}

/* The smallest limit of the group and those above it (version 2), or of the group's root as a
 * container sees it (version 1). */
static uint64_t group_memory_bytes(void)
{
    char line[512], path[600];
    uint64_t least = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    FILE *file = fopen("/proc/self/cgroup", "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, "0::/", 4) == 0;
    }
    if (file) {
        (void)fclose(file);
    }
    char *group = line + 3; /* "/a/b", or "/" */
    while (found) {
        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
        uint64_t bytes = read_number(path);
        least = bytes < least ? bytes : least;
        char *slash = strrchr(group, '/');
        found = slash != NULL;
        if (slash) {
            *slash = '\0';
        }
    }
    return least;
}

uint64_t process_memory_max_bytes(void)
{
    uint64_t group = group_memory_bytes();
    uint64_t ram = process_ram_bytes();
    return ram == 0 || group < ram ? group : ram;
}

uint32_t process_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (uint32_t)cores : 1;
}

bool process_in_container(void)
{
    return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
}
