/* From method and target to an operation and its parameters. */
#pragma once
#include "server/api/op.h"
#include "server/rest/rest.h"

enum { ROUTE_SEGMENTS_MAX = 12, ROUTE_QUERY_MAX = 32 };

struct router;
/* `ops` is borrowed. Paths are patterns: "/collections/{collection_name}/points". */
struct router *router_create(const struct op *ops, size_t count);
void router_destroy(struct router *router);

enum route_result {
    ROUTE_FOUND,
    ROUTE_UNKNOWN,    /* no such path */
    ROUTE_BAD_METHOD, /* the path is there, under other methods: see `methods` */
    ROUTE_BAD_TARGET, /* not a path, or bad percent signs, or not UTF-8, or too many parameters */
};
struct route {
    const struct op *op;
    struct rest_param path[ROUTE_SEGMENTS_MAX];
    size_t path_count;
    struct rest_param query[ROUTE_QUERY_MAX];
    size_t query_count;
    char methods[64]; /* "GET, PUT" */
};
/* Doubled and trailing slashes do not matter; a literal segment wins over a parameter. HEAD finds
 * the row of GET. Decoded values live in the arena. A query that is over the limits is
 * ROUTE_BAD_TARGET. */
enum route_result router_find(const struct router *router, const char *method, struct slice target,
                              struct arena *arena, struct route *out);
