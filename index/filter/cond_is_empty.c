/* is_empty: the key reaches nothing, or only null and empty arrays. Both as a condition of its own
 * and as a part of a field condition, where `false` asks for the opposite. */
#include "index/filter/filter_int.h"
#include "index/payload/presence.h"

static bool is_empty_check(const struct cond *cond, struct checker *checker)
{
    return payload_is_empty(cond->path, checker_payload(checker)) == cond->query->wanted;
}

static const struct cond_kind is_empty_kind = {
    .name = "is_empty", .needs_payload = true, .check = is_empty_check};

enum status cond_is_empty_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__IsEmptyCondition *message = wire;
    struct path *path;
    enum status status = compiler_path(compiler, message->key, &path);
    if (status == STATUS_OK)
        status = cond_presence_create(compiler, &is_empty_kind, QUERY_EMPTY, path, true, out);
    return status == STATUS_OK ? cond_locate(compiler, *out, message->key) : status;
}

enum status part_is_empty_compile(struct compiler *compiler, const struct path *path,
                                  const Qdrant__FieldCondition *wire, struct cond **out)
{
    return cond_presence_create(compiler, &is_empty_kind, QUERY_EMPTY, path, wire->is_empty != 0,
                                out);
}
