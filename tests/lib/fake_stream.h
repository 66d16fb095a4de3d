/* A stream without a socket: what is sent is collected, and tests say when the peer reads, writes
 * and leaves. */
#pragma once
#include "server/net/stream.h"
#include "storage/base/buffer.h"

struct fake_stream {
    struct stream stream; /* first */
    struct stream_user *user;
    struct buffer sent;
    size_t window; /* bytes that the peer still takes at once; what is over is unsent until
                      fake_stream_drain */
    size_t unsent;
    bool paused, finished, closing;
};
void fake_stream_init(struct fake_stream *fake);
/* The user came from session_open. */
void fake_stream_attach(struct fake_stream *fake, struct stream_user *user);
/* The peer writes. The bytes go where the user wants them, as a real connection does it. */
void fake_stream_feed(struct fake_stream *fake, struct slice bytes);
void fake_stream_text(struct fake_stream *fake, const char *text);
/* The peer reads everything. */
void fake_stream_drain(struct fake_stream *fake);
/* The peer leaves, if the stream is not closing; then the last callback comes, and the memory goes.
 */
void fake_stream_deinit(struct fake_stream *fake);
