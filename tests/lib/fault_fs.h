/* A file system in memory for tests: it can make any call fail, counts calls, and models a crash.
 *
 * What counts as durable: a file's bytes after sync; a file's name (made, renamed, removed) after
 * sync_dir of its folder; folders as soon as they are made. Thread-safe. Random choices come from
 * the seeds, so a run can be repeated. */
#pragma once
#include "storage/base/file.h"

#include <stdint.h>

enum fault_call {
    FAULT_OPEN,
    FAULT_READ_AT,
    FAULT_APPEND,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_SIZE,
    FAULT_RENAME,
    FAULT_REMOVE,
    FAULT_MAKE_DIRS,
    FAULT_SYNC_DIR,
    FAULT_LIST,
    FAULT_ANY, /* all of the above together */
    FAULT_CALL_COUNT
};

struct fault_fs;
struct fault_fs *fault_fs_create(uint64_t seed);
void fault_fs_destroy(struct fault_fs *fs); /* all files must be closed */
const struct file_system *fault_fs_system(struct fault_fs *fs);

/* The `nth` call of this kind from now on (1: the next one) fails with `status` (IO or NO_SPACE),
 * and with `forever` all later ones too. One order per kind: a new one replaces it; nth 0 takes it
 * back. A failing append leaves a random prefix of its bytes in the file; a failing sync makes
 * nothing durable; the other calls do nothing. */
void fault_fs_fail(struct fault_fs *fs, enum fault_call call, uint64_t nth, enum status status,
                   bool forever);
uint64_t fault_fs_calls(struct fault_fs *fs,
                        enum fault_call call);   /* since create, failed ones too */
uint64_t fault_fs_failures(struct fault_fs *fs); /* calls made to fail since create */
void fault_fs_set_sync_delay(struct fault_fs *fs,
                             unsigned delay_ms); /* each sync takes this long */

/* Power loss. Of each file stay the durable bytes and a random prefix of what was appended since,
 * whose last bytes may be garbled; a truncation that was not synced may be undone; each change of a
 * name that was not synced is kept or lost by chance. Files still open answer every call with IO
 * from then on and must be closed. */
void fault_fs_crash(struct fault_fs *fs, uint64_t seed);

/* For damage and for looking: bytes as they are now, or durably written by the test. */
bool fault_fs_exists(struct fault_fs *fs, const char *path);
struct slice fault_fs_data(struct fault_fs *fs,
                           const char *path); /* borrowed until the next write; ASSERTs existence */
void fault_fs_put(struct fault_fs *fs, const char *path, struct slice data); /* replaces; durable */
void fault_fs_flip(struct fault_fs *fs, const char *path, uint64_t offset,
                   uint8_t mask);                                        /* xor one byte; durable */
void fault_fs_cut(struct fault_fs *fs, const char *path, uint64_t size); /* shorten; durable */
