/* gzip for bodies. A packer keeps its memory between uses; one per thread. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

struct gzip;
struct gzip *gzip_create(void);
void gzip_destroy(struct gzip *gzip);

/* Appends the packed form. False: no memory; `out` may hold a part. */
bool gzip_pack(struct gzip *gzip, struct slice plain, struct buffer *out);
/* Appends the plain form of at most `plain_max` bytes, then `padding` zero bytes that do not count
 * in out->size. FORMAT: this is not gzip, or it is cut off. TOO_LARGE: over the limit. */
enum status gzip_unpack(struct gzip *gzip, struct slice packed, size_t plain_max, size_t padding,
                        struct buffer *out, struct error *err);
