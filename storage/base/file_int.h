/* Shared by the files of this folder that call the operating system. */
#pragma once
#include "storage/base/status.h"

/* "cannot <verb> <path>: <the system's words for errno `code`>", as NOT_FOUND, NO_SPACE or IO. */
enum status file_fail(struct error *err, int code, const char *verb, const char *path);
