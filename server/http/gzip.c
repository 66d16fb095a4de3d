/* Packing and unpacking of bodies with zlib.
 *
 * Packing uses the fastest level: answers are made once and read once. Unpacking grows its output
 * as it goes and stops at the limit, so a small body that unpacks to a huge one costs no more than
 * the limit. Several gzip members in a row are one body, as the format allows.
 *
 * Threads: one owner. Failures: see the header. */
#include "server/http/gzip.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <limits.h>
#include <zlib.h>

enum { WINDOW_GZIP = 15 + 16, MEMORY_LEVEL = 8, STEP_SIZE_MIN = 16 << 10 };

struct gzip {
    z_stream packer, unpacker;
    bool packer_ready, unpacker_ready;
};

struct gzip *gzip_create(void)
{
    return mem_zalloc(sizeof(struct gzip));
}

void gzip_destroy(struct gzip *gzip)
{
    if (gzip->packer_ready) {
        (void)deflateEnd(&gzip->packer);
    }
    if (gzip->unpacker_ready) {
        (void)inflateEnd(&gzip->unpacker);
    }
    mem_free(gzip);
}

static bool packer_prepare(struct gzip *gzip)
{
    if (gzip->packer_ready) {
        return deflateReset(&gzip->packer) == Z_OK;
    }
    gzip->packer_ready = deflateInit2(&gzip->packer, Z_BEST_SPEED, Z_DEFLATED, WINDOW_GZIP,
                                      MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    return gzip->packer_ready;
}

static bool unpacker_prepare(struct gzip *gzip)
{
    if (gzip->unpacker_ready) {
        return inflateReset(&gzip->unpacker) == Z_OK;
    }
    gzip->unpacker_ready = inflateInit2(&gzip->unpacker, WINDOW_GZIP) == Z_OK;
    return gzip->unpacker_ready;
}

bool gzip_pack(struct gzip *gzip, struct slice plain, struct buffer *out)
{
    if (plain.size > UINT_MAX / 2 || !packer_prepare(gzip)) {
        return false;
    }
    z_stream *z = &gzip->packer;
    uLong bound = deflateBound(z, plain.size);
    uint8_t *room = buffer_reserve(out, bound);
    if (room == NULL || bound > UINT_MAX) {
        return false;
    }
    z->next_in = (z_const Bytef *)(uintptr_t)plain.data; /* zlib does not write there */
    z->avail_in = (uInt)plain.size;
    z->next_out = room;
    z->avail_out = (uInt)bound;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) {
        return false;
    }
    buffer_commit(out, bound - z->avail_out);
    return true;
}

/* Room for more plain bytes: twice as much each time, up to one byte over the limit, by which a
 * longer body is noticed. */
static uint8_t *unpack_room(struct buffer *out, size_t begun_at, size_t plain_max, size_t padding,
                            size_t *size)
{
    size_t have = out->size - begun_at;
    size_t step = have > STEP_SIZE_MIN ? have : STEP_SIZE_MIN;
    *size = step < plain_max + 1 - have ? step : plain_max + 1 - have;
    return buffer_reserve(out, *size + padding);
}

enum status gzip_unpack(struct gzip *gzip, struct slice packed, size_t plain_max, size_t padding,
                        struct buffer *out, struct error *err)
{
    ASSERT(plain_max < SIZE_MAX / 4);
    size_t begun_at = out->size;
    if (packed.size > UINT_MAX || !unpacker_prepare(gzip)) {
        return error_set(err, STATUS_TOO_LARGE, "Payload cannot be unpacked: no memory");
    }
    z_stream *z = &gzip->unpacker;
    z->next_in = (z_const Bytef *)(uintptr_t)packed.data;
    z->avail_in = (uInt)packed.size;
    for (;;) {
        size_t size = 0;
        uint8_t *room = unpack_room(out, begun_at, plain_max, padding, &size);
        if (room == NULL) {
            return error_set(err, STATUS_TOO_LARGE, "Payload is larger than %zu bytes unpacked",
                             plain_max);
        }
        z->next_out = room;
        z->avail_out = (uInt)(size < UINT_MAX ? size : UINT_MAX);
        size_t offered = z->avail_out;
        int rc = inflate(z, Z_NO_FLUSH);
        buffer_commit(out, offered - z->avail_out);
        if (out->size - begun_at > plain_max) {
            return error_set(err, STATUS_TOO_LARGE, "Payload is larger than %zu bytes unpacked",
                             plain_max);
        }
        if (rc == Z_STREAM_END && z->avail_in == 0) {
            break;
        }
        if (rc == Z_STREAM_END) {
            rc = inflateReset(z); /* another member follows; next_in and avail_in stay */
        }
        if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
            return error_set(err, STATUS_FORMAT, "Format error in body: this is not whole gzip");
        }
    }
    uint8_t *tail = buffer_reserve(out, padding);
    if (padding > 0) {
        ASSERT(tail != NULL);
        memset(tail, 0, padding);
    }
    return STATUS_OK;
}
