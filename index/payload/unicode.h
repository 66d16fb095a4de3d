/* Character classes for text conditions and payload paths, by the C library's Unicode tables. */
#pragma once
#include "storage/base/slice.h"
#include "storage/base/status.h"

/* Loads the tables once; INTERNAL when the system has no C.UTF-8 locale. Calls below need it only
 * for code points above 127; without it they ASSERT. */
NODISCARD enum status unicode_init(struct error *err);
/* The code point at the start of `text`, and its size in `*size` (at least 1). Bytes that are not
 * UTF-8 read as U+FFFD. */
uint32_t unicode_next(struct slice text, size_t *size);
bool unicode_is_alphanumeric(uint32_t code);
uint32_t unicode_lower(uint32_t code);
