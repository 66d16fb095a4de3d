/* The fake stream. Reads are cut to what the user has room for, as a connection's are. */
#include "tests/lib/fake_stream.h"

#include "storage/base/mem.h"

static struct fake_stream *fake_of(const struct stream *stream)
{
    return (struct fake_stream *)(uintptr_t)stream; /* the first member */
}

static void fake_send(struct stream *stream, struct slice head, struct slice body, void *memory)
{
    struct fake_stream *fake = fake_of(stream);
    if (!fake->closing) {
        buffer_append_slice(&fake->sent, head);
        if (body.size > 0) {
            buffer_append_slice(&fake->sent, body);
        }
        size_t size = head.size + body.size;
        fake->unsent += size > fake->window ? size - fake->window : 0;
        fake->window -= size > fake->window ? fake->window : size;
    }
    mem_free(memory);
}

static size_t fake_unsent(const struct stream *stream)
{
    return fake_of(stream)->unsent;
}

static void fake_pause(struct stream *stream, bool paused)
{
    fake_of(stream)->paused = paused;
}

static void fake_finish(struct stream *stream)
{
    fake_of(stream)->finished = true;
}

static void fake_close(struct stream *stream)
{
    fake_of(stream)->closing = true;
}

void fake_stream_init(struct fake_stream *fake)
{
    static const struct stream_ops ops = {
        .send = fake_send,
        .unsent = fake_unsent,
        .pause = fake_pause,
        .finish = fake_finish,
        .close = fake_close,
    };
    *fake = (struct fake_stream){.stream = {.ops = &ops}, .window = SIZE_MAX / 2};
    buffer_init(&fake->sent, 0);
}

void fake_stream_attach(struct fake_stream *fake, struct stream_user *user)
{
    fake->user = user;
}

void fake_stream_feed(struct fake_stream *fake, struct slice bytes)
{
    while (bytes.size > 0 && !fake->closing) {
        size_t size = 0;
        uint8_t *room = fake->user->ops->room(fake->user, &size);
        size_t step = room == NULL || size > bytes.size ? bytes.size : size;
        /* A copy of exactly the size, so that reading past it is found. */
        uint8_t *copy = room != NULL ? room : mem_alloc(step);
        memcpy(copy, bytes.data, step);
        fake->user->ops->read(fake->user, slice_of(copy, step));
        if (room == NULL) {
            mem_free(copy);
        }
        bytes = slice_of(bytes.data + step, bytes.size - step);
    }
}

void fake_stream_text(struct fake_stream *fake, const char *text)
{
    fake_stream_feed(fake, slice_text(text));
}

void fake_stream_drain(struct fake_stream *fake)
{
    fake->window = SIZE_MAX / 2;
    if (fake->unsent > 0) {
        fake->unsent = 0;
        fake->user->ops->sent(fake->user);
    }
}

void fake_stream_deinit(struct fake_stream *fake)
{
    if (!fake->closing) {
        fake->closing = true;
        fake->user->ops->ended(fake->user);
    }
    fake->user->ops->closed(fake->user);
    buffer_deinit(&fake->sent);
}
