/* A two-way run of bytes and its user, without sockets: connections implement it, tests and fuzzers
 * fake it.
 *
 * Everything happens on the thread of the stream's loop. Neither side frees the other inside a
 * call: after close() the stream calls closed() from the loop, and that is the last call of either.
 */
#pragma once
#include "storage/base/slice.h"

struct stream;
struct stream_ops {
    /* Sends head, then body. The head is copied if it cannot go at once. `memory` (may be NULL)
     * holds the body and is mem_free()d when sent or when the stream closes. After close() this
     * does nothing but free. */
    void (*send)(struct stream *stream, struct slice head, struct slice body, void *memory);
    size_t (*unsent)(
        const struct stream *stream); /* bytes that the peer's window has not taken yet */
    void (*pause)(struct stream *stream, bool paused);
    void (*finish)(
        struct stream *stream); /* all is sent: tell the peer that no more comes; reading goes on */
    void (*close)(struct stream *stream);
};
struct stream {
    const struct stream_ops *ops;
};

struct stream_user;
struct stream_user_ops {
    /* Where the next bytes should be read to; NULL: anywhere. */
    uint8_t *(*room)(struct stream_user *user, size_t *size);
    void (*read)(struct stream_user *user, struct slice bytes);
    void (*sent)(struct stream_user *user); /* what send() could not send at once is out now */
    void (*ended)(struct stream_user
                      *user); /* the peer has left or the socket failed; the stream closes itself */
    void (*closed)(struct stream_user *user);
    void (*sweep)(struct stream_user *user, uint64_t now_ns); /* now and then, for time limits */
    void (*drain)(
        struct stream_user *user); /* the server stops: finish what is begun, then close */
};
struct stream_user {
    const struct stream_user_ops *ops;
};
