/* What a collection's name and configuration may be. */
#pragma once
#include "server/api/api.h"

enum status config_check_name(struct call *call, const char *name);
/* Limits of numbers, and what this version does not serve. */
enum status config_check_create(struct call *call, const Qdrant__CreateCollection *request);
enum status config_check_update(struct call *call, const Qdrant__UpdateCollection *request);
