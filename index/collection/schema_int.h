/* Shared by the files that make schemas. */
#pragma once
#include "index/collection/schema.h"

/* What `params`, the parameters of the vector `name`, say together with the collection's own
 * settings; `name` is borrowed. BAD_INPUT names what cannot be served. */
enum status vector_spec_read(const Qdrant__CreateCollection *config, const char *name,
                             const Qdrant__VectorParams *params, struct vector_spec *spec,
                             struct error *err);
/* Fills fields and filtering from the configuration's payload indexes. BAD_INPUT names the key. */
enum status schema_read_fields(struct schema *schema, struct arena *arena, struct error *err);
void schema_free_fields(struct schema *schema); /* what the arena does not own */
