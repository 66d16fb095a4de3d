/* Files beside a segment that stand for one state of it: a magic, a checksum, the rest. */
#pragma once
#include "index/segment/segment.h"
#include "storage/base/buffer.h"
#include "storage/base/reader.h"

enum { FRAME_MAGIC_BYTES = 8 };
/* The file is old or new, never half. */
enum status segment_frame_write(const struct segment *segment, const char *name,
                                const char magic[FRAME_MAGIC_BYTES], struct slice rest,
                                struct error *err);
/* NOT_FOUND (err untouched): there is no such file. CORRUPT names it. *rest lies in `file`. */
enum status segment_frame_read(const struct segment *segment, const char *name,
                               const char magic[FRAME_MAGIC_BYTES], struct buffer *file,
                               struct reader *rest, struct error *err);
