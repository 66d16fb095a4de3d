/* Strict mode's limits on written vectors: rows of a multivector, entries of a sparse vector. */
#pragma once
#include "server/api/api.h"

/* `vectors` of one point, or NULL. BAD_REQUEST. */
enum status strict_check_vectors(struct call *call, const Qdrant__StrictModeConfig *config,
                                 const Qdrant__Vectors *vectors);
