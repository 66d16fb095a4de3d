/* Strict mode of collections that do not say: from the settings. */
#pragma once
#include "server/api/api.h"

struct settings;

/* Sets the options that are not present and that the settings know. */
void strict_defaults(const struct settings *settings, Qdrant__StrictModeConfig *config);
