/* The parts of a parsed path, shared by the readers and the editors of payload. */
#pragma once
#include "index/payload/path.h"

enum { PATH_PARTS_MAX = 128 };
enum path_part_kind { PART_KEY, PART_INDEX, PART_WILDCARD };

struct path_part {
    enum path_part_kind kind;
    struct slice key;     /* PART_KEY: unescaped */
    uint64_t index_value; /* PART_INDEX, from 0 */
};
/* The first part is always a key; there are 1..PATH_PARTS_MAX of them. */
struct path {
    size_t count;
    struct path_part parts[];
};
