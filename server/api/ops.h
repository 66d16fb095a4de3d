/* What ops.def's rows name: the functions of the operations. A function's op_<name>.c tells about
 * it. */
#pragma once
#include "server/api/op.h"

enum status run_root(struct call *call, const void *input, void *output);
enum status run_healthz(struct call *call, const void *input, void *output);
enum status run_livez(struct call *call, const void *input, void *output);
enum status run_readyz(struct call *call, const void *input, void *output);
enum status run_metrics(struct call *call, const void *input, void *output);
enum status run_telemetry(struct call *call, const void *input, void *output);
enum status run_get_quotas(struct call *call, const void *input, void *output);
enum status propose_update_quotas(struct call *call, const void *input, struct buffer *command);
enum status reply_update_quotas(struct call *call, const void *input,
                                const struct fsm_result *result, void *output);
enum status run_get_issues(struct call *call, const void *input, void *output);
enum status propose_clear_issues(struct call *call, const void *input, struct buffer *command);
enum status reply_clear_issues(struct call *call, const void *input,
                               const struct fsm_result *result, void *output);
enum status run_list_collections(struct call *call, const void *input, void *output);
enum status run_get_collection(struct call *call, const void *input, void *output);
enum status run_collection_exists(struct call *call, const void *input, void *output);
enum status propose_create_collection(struct call *call, const void *input, struct buffer *command);
enum status reply_create_collection(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output);
enum status propose_update_collection(struct call *call, const void *input, struct buffer *command);
enum status reply_update_collection(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output);
enum status propose_delete_collection(struct call *call, const void *input, struct buffer *command);
enum status reply_delete_collection(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output);
enum status run_optimizations(struct call *call, const void *input, void *output);
enum status propose_change_aliases(struct call *call, const void *input, struct buffer *command);
enum status reply_change_aliases(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output);
enum status run_collection_aliases(struct call *call, const void *input, void *output);
enum status run_list_aliases(struct call *call, const void *input, void *output);
enum status propose_create_field_index(struct call *call, const void *input,
                                       struct buffer *command);
enum status reply_create_field_index(struct call *call, const void *input,
                                     const struct fsm_result *result, void *output);
bool wait_create_field_index(const void *input);
enum status propose_delete_field_index(struct call *call, const void *input,
                                       struct buffer *command);
enum status reply_delete_field_index(struct call *call, const void *input,
                                     const struct fsm_result *result, void *output);
bool wait_delete_field_index(const void *input);
enum status run_get_point(struct call *call, const void *input, void *output);
enum status run_get_points(struct call *call, const void *input, void *output);
enum status propose_upsert(struct call *call, const void *input, struct buffer *command);
enum status reply_upsert(struct call *call, const void *input, const struct fsm_result *result,
                         void *output);
bool wait_upsert(const void *input);
enum status propose_delete_points(struct call *call, const void *input, struct buffer *command);
enum status reply_delete_points(struct call *call, const void *input,
                                const struct fsm_result *result, void *output);
bool wait_delete_points(const void *input);
enum status propose_update_vectors(struct call *call, const void *input, struct buffer *command);
enum status reply_update_vectors(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output);
bool wait_update_vectors(const void *input);
enum status propose_delete_vectors(struct call *call, const void *input, struct buffer *command);
enum status reply_delete_vectors(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output);
bool wait_delete_vectors(const void *input);
enum status propose_set_payload(struct call *call, const void *input, struct buffer *command);
enum status reply_set_payload(struct call *call, const void *input, const struct fsm_result *result,
                              void *output);
bool wait_set_payload(const void *input);
enum status propose_overwrite_payload(struct call *call, const void *input, struct buffer *command);
enum status reply_overwrite_payload(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output);
bool wait_overwrite_payload(const void *input);
enum status propose_delete_payload(struct call *call, const void *input, struct buffer *command);
enum status reply_delete_payload(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output);
bool wait_delete_payload(const void *input);
enum status propose_clear_payload(struct call *call, const void *input, struct buffer *command);
enum status reply_clear_payload(struct call *call, const void *input,
                                const struct fsm_result *result, void *output);
bool wait_clear_payload(const void *input);
enum status propose_update_batch(struct call *call, const void *input, struct buffer *command);
enum status reply_update_batch(struct call *call, const void *input,
                               const struct fsm_result *result, void *output);
bool wait_update_batch(const void *input);
enum status run_scroll(struct call *call, const void *input, void *output);
enum status run_count(struct call *call, const void *input, void *output);
enum status run_query(struct call *call, const void *input, void *output);
enum status run_query_batch(struct call *call, const void *input, void *output);
enum status run_search(struct call *call, const void *input, void *output);
enum status run_search_batch(struct call *call, const void *input, void *output);
enum status run_facet(struct call *call, const void *input, void *output);
enum status run_search_groups(struct call *call, const void *input, void *output);
enum status run_query_groups(struct call *call, const void *input, void *output);
enum status run_matrix_pairs(struct call *call, const void *input, void *output);
enum status run_matrix_offsets(struct call *call, const void *input, void *output);
