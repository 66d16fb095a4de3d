/* Names of the collections, and whether one exists. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status run_list_collections(struct call *call, const void *input, void *output)
{
    (void)input;
    Qdrant__ListCollectionsResponse *response = output;
    const char *const *names = NULL;
    size_t count = 0;
    if (engine_collections(call->engine, call->arena, &names, &count) != STATUS_OK) {
        return api_no_memory(call);
    }
    response->collections =
        arena_new_array(call->arena, Qdrant__CollectionDescription *, count + 1);
    if (!response->collections) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count; i++) {
        Qdrant__CollectionDescription *description =
            api_new(call, &qdrant__collection_description__descriptor);
        if (!description) {
            return api_no_memory(call);
        }
        description->name = (char *)names[i];
        response->collections[response->n_collections++] = description;
    }
    return STATUS_OK;
}

enum status run_collection_exists(struct call *call, const void *input, void *output)
{
    const Qdrant__CollectionExistsRequest *request = input;
    Qdrant__CollectionExistsResponse *response = output;
    response->result = api_new(call, &qdrant__collection_exists__descriptor);
    if (!response->result) {
        return api_no_memory(call);
    }
    response->result->exists = engine_exists(call->engine, request->collection_name);
    return STATUS_OK;
}
