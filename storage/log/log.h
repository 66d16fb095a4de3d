/* The write-ahead log: the only one. What is in it is the truth; storage is its replay.
 *
 * Segment files in one folder, named by the index of their first record. The head comment of
 * record.h is the format. Appends are grouped: many waiting appends share one write and one
 * fdatasync. A record is durable when `done` says OK, and not before. Indexes grow by one from 1
 * and are never used twice.
 *
 * Threads: log_append may be called from any thread. One log thread writes, syncs, and calls `done`
 * in index order. */
#pragma once
#include "storage/base/file.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <stdint.h>

struct log;
struct log_options {
    const struct file_system *fs;
    const char *path;          /* folder, made when missing */
    uint64_t segment_bytes;    /* a new segment file is begun past this */
    uint32_t record_bytes_max; /* a larger record is refused: TOO_LARGE */
    uint64_t queue_bytes_max;  /* appends that wait for the disk; past it log_append blocks */
    bool drop_damaged_tail;    /* the way out: cut the log at damage before the tail instead of
                                  refusing to start */
};
/* Recovers: cuts a torn tail of the last segment (a record that a crash left half written); refuses
 * with CORRUPT, naming file, offset and index and the way out, when damage lies before the tail, or
 * a segment is missing. */
enum status log_open(const struct log_options *options, struct log **out, struct error *err);
/* Stops the log thread after all accepted appends are synced. */
void log_close(struct log *log);

/* `done(ctx, status, index, record)` is called exactly once, on the log thread, in index order,
 * never before log_append returns. The bytes of `record` must stay valid until then. When a write
 * or sync fails, the log stops: this and all later appends get IO, and the process should be
 * restarted. */
struct log_append;
struct log_append {
    struct slice record;
    uint64_t term;
    void (*done)(struct log_append *append, enum status status, const struct error *err);
    uint64_t index;          /* filled before done */
    struct log_append *next; /* the log's */
};
void log_append(struct log *log, struct log_append *append);

uint64_t log_first_index(const struct log *log); /* oldest record kept; last + 1 when empty */
uint64_t log_last_index(const struct log *log);  /* newest durable record; 0 when none ever */
/* Calls `each` for all records from `first` in order; it returns false to stop. Ends with what was
 * durable when the call began. CORRUPT on damage, NOT_FOUND when `first` was truncated away. */
enum status log_read(struct log *log, uint64_t first,
                     bool (*each)(void *ctx, uint64_t index, uint64_t term, struct slice record),
                     void *ctx, struct error *err);
/* Segments whose records all lie below `index` may go. The newest segment always stays. */
enum status log_truncate_before(struct log *log, uint64_t index, struct error *err);
/* Lets all records go and gives the next one `index`, which is past the last one's plus one: for a
 * log that was cut below what storage holds, so that no index is used twice. Before the first
 * append only. */
enum status log_restart(struct log *log, uint64_t index, struct error *err);

struct log_stats {
    uint64_t appends, syncs, bytes; /* since open */
    uint64_t sync_ns_sum, sync_ns_max;
    uint64_t segments, disk_bytes;
};
void log_stats(const struct log *log, struct log_stats *out);
/* A write or sync failed: all appends are refused until a restart. Never waits for the disk. */
bool log_failed(const struct log *log);
