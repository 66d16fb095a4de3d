/* is_null: the key reaches null, or an array with a null among its items. A missing key is not
 * null. Both as a condition of its own and as a part of a field condition, where `false` asks for
 * the opposite. */
#include "index/filter/filter_int.h"
#include "index/payload/presence.h"

static bool is_null_check(const struct cond *cond, struct checker *checker)
{
    return payload_is_null(cond->path, checker_payload(checker)) == cond->query->wanted;
}

static const struct cond_kind is_null_kind = {
    .name = "is_null", .needs_payload = true, .check = is_null_check};

enum status cond_is_null_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__IsNullCondition *message = wire;
    struct path *path;
    enum status status = compiler_path(compiler, message->key, &path);
    if (status == STATUS_OK)
        status = cond_presence_create(compiler, &is_null_kind, QUERY_NULL, path, true, out);
    return status == STATUS_OK ? cond_locate(compiler, *out, message->key) : status;
}

enum status part_is_null_compile(struct compiler *compiler, const struct path *path,
                                 const Qdrant__FieldCondition *wire, struct cond **out)
{
    return cond_presence_create(compiler, &is_null_kind, QUERY_NULL, path, wire->is_null != 0, out);
}
