/* Recovery: reads all segments of a folder, checks every record, and leaves a log that can be
 * appended to. */
#pragma once
#include "storage/log/log.h"
#include "storage/log/segment.h"

#include <stdint.h>

/* More segments than any log has; a folder with more is refused. */
enum { SEGMENTS_MAX = 1 << 20 };

struct recovered {
    struct segment_info *segments; /* oldest first; the caller mem_free()s it */
    size_t count;                  /* 0: no log yet */
    uint64_t next_index;           /* of the next record to be appended */
};
enum status log_recover(const struct log_options *options, struct recovered *out,
                        struct error *err);
