/* The file below blocks: see blocks_file.c. Shared by blocks.c and blocks_file.c only. */
#pragma once
#include "index/blocks.h"

enum { BLOCK_PAGE = 4096, BLOCK_HUGE_PAGE = 2 << 20, BLOCK_HUGE_FROM = 4 << 20 };

struct blocks_file {
    int fd;
    char *path;
    enum placement placement;
    const struct blocks_system *system;
    uint64_t region;      /* bytes of the file for each block */
    uint64_t used;        /* of them for rows */
    uint64_t allocated;   /* there is room on disk for all that will be written below this */
    uint64_t room;        /* bytes allocated so far, about; paces the next step */
    uint64_t huge_max;    /* a file up to this size asks for huge pages */
    bool huge;            /* its blocks do */
    atomic_bool unsynced; /* a sync failed */
};

/* `region`, `used`: bytes of each block in the file, and of its rows. */
enum status blocks_file_open(const struct blocks_file_options *options, uint64_t region,
                             uint64_t used, struct blocks_file **out, struct error *err);
void blocks_file_close(struct blocks_file *file);
enum status blocks_file_size(const struct blocks_file *file, uint64_t *out, struct error *err);
/* Cuts the file off at `end`, rounded up to a page, and makes sure of that page. */
enum status blocks_file_cut(struct blocks_file *file, uint64_t end, struct error *err);
/* Room for the bytes from `begin` to `end`; nothing between what has room already and `begin` will
 * be written. */
enum status blocks_file_allocate(struct blocks_file *file, uint64_t begin, uint64_t end,
                                 struct error *err);
/* Maps block `number` over `at`, an address range that is ours. */
enum status blocks_file_map(struct blocks_file *file, uint32_t number, void *at, struct error *err);
/* Asks the system for huge pages for the blocks, or not to, as fits the file's size by now. */
void blocks_file_advise(struct blocks_file *file, const struct blocks *blocks);
/* Whole pages. */
enum status blocks_file_punch(struct blocks_file *file, uint64_t offset, uint64_t size,
                              struct error *err);
