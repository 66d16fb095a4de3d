/* Payload indexes of a segment: kept exact by the commands, filled in the background when they are
 * new, saved at the end. */
#pragma once
#include "index/segment/segment.h"

/* segment_fields.c; for the segment's own files */
void segment_fields_open(struct segment *segment, uint64_t applied);
/* A command was committed: its payloads go in, before searches see it. */
void segment_fields_commit(struct segment *segment);
/* These points have gone for good. */
void segment_fields_forget(struct segment *segment, const point_offset *points, size_t count);
/* Adds, replaces and drops indexes as the schema says. */
void segment_fields_change(struct segment *segment, const struct schema *schema);
bool segment_fields_due(struct segment *segment);
/* Adds what is being filled, if anything is. */
void segment_fields_stats(struct segment *segment, struct segment_stats *out);
/* Fills a bounded number of points. */
enum status segment_fields_fill(struct segment *segment, const atomic_bool *cancelled,
                                struct error *err);
/* segment_fields_image.c */
/* Takes over what the image has of the schema's fields; the others are filled. */
void segment_fields_load(struct segment *segment, const struct schema *schema, uint64_t applied);
