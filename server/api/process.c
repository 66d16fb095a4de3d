/* Memory and machine figures, from the C library's allocator and from /proc. A figure that cannot
 * be read is 0: these are for display only. */
#include "server/api/process.h"

#include <malloc.h>
#include <stdio.h>
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

uint32_t process_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (uint32_t)cores : 1;
}

bool process_in_container(void)
{
    return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
}
