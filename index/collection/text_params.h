/* From the contract's parameters of a text index to a tokenizer's. */
#pragma once
#include "collections.pb-c.h"

#include "index/text/tokenizer.h"
#include "storage/base/arena.h"

/* `wire` NULL: all defaults, which are whole words in lower case, of any length, without stop words
 * and stemming. What *out points to lies in the arena. BAD_INPUT names the parameter. */
enum status text_params_read(const Qdrant__TextIndexParams *wire, struct arena *arena,
                             struct tokenizer_params *out, bool *phrases, struct error *err);
