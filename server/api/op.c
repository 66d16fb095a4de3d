/* The table of operations, made from ops.def. A row that begins with OP_READ takes run_<id>; one
 * that begins with OP_WRITE takes propose_<id>, reply_<id> and wait_<id>. A missing function is an
 * error of the linker. */
#include "server/api/op.h"

#include "collections.pb-c.h"
#include "command.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/api/ops.h"

/* The first word of a row's flags, pasted to KIND_, tells reads from writes. */
#define KIND_OP_READ        READ,
#define KIND_OP_WRITE       WRITE,
#define FIRST_OF(a, ...)    a
#define FIRST(...)          FIRST_OF(__VA_ARGS__)
#define PASTE_(a, b)        a##b
#define PASTE(a, b)         PASTE_(a, b)
#define FUNCTIONS_READ(id)  .run = run_##id
#define FUNCTIONS_WRITE(id) .propose = propose_##id, .reply = reply_##id, .wait = wait_##id

/* Changes of the catalog are answered when they are applied. */
#define wait_create_collection NULL
#define wait_update_collection NULL
#define wait_delete_collection NULL
#define wait_change_aliases    NULL
#define wait_update_quotas     NULL
#define wait_clear_issues      NULL

#define X(id, method_text, path_text, grpc_text, flag_bits, input_name, output_name, result)       \
    {.name = #id,                                                                                  \
     .method = method_text,                                                                        \
     .path = path_text,                                                                            \
     .grpc = grpc_text,                                                                            \
     .flags = flag_bits,                                                                           \
     .input = &input_name##__descriptor,                                                           \
     .output = &output_name##__descriptor,                                                         \
     PASTE(FUNCTIONS_, FIRST(KIND_##flag_bits))(id)},
const struct op op_table[] = {
#include "server/api/ops.def"
};
#undef X
const size_t op_count = sizeof(op_table) / sizeof(op_table[0]);

const struct op *op_find(const char *name)
{
    for (size_t i = 0; i < op_count; i++) {
        if (strcmp(op_table[i].name, name) == 0) {
            return &op_table[i];
        }
    }
    return NULL;
}
