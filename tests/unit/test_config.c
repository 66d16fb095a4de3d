/* server/config: sources in order, checks of values, YAML, and what is printed. */
#include "server/config.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static const char *write_file(const char *text)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/config.yaml", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static enum status load(struct settings *settings, const char *yaml, const char *variable,
                        const char *variable2, const char *option, struct error *err)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "--config=%s", write_file(yaml));
    char *argv[] = {(char *)(uintptr_t) "sagitta", path, (char *)(uintptr_t)option, NULL};
    char *environment[] = {(char *)(uintptr_t)variable, (char *)(uintptr_t)variable2, NULL};
    enum config_action action = CONFIG_HELP;
    err->message[0] = '\0';
    return config_load(settings, option != NULL ? 3 : 2, argv, environment, &action, err);
}

static void test_defaults(void **state)
{
    /* Proves: every row's default is inside its range, zeros that mean "cores" are replaced. */
    (void)state;
    struct settings settings;
    struct error err;
    assert_int_equal(load(&settings, "", NULL, NULL, NULL, &err), STATUS_OK);
    assert_string_equal(settings.service.host, "127.0.0.1");
    assert_int_equal(settings.service.http_port, 6333);
    assert_int_equal(settings.service.max_request_size_mb, 32);
    assert_int_equal(settings.storage.hnsw_index.m, 16);
    assert_int_equal(settings.storage.hnsw_index.ef_construct, 100);
    assert_int_equal(settings.storage.hnsw_index.full_scan_threshold_kb, 10000);
    assert_true(settings.storage.optimizers.deleted_threshold > 0.19);
    assert_true(settings.service.max_workers >= 1);
    assert_true(settings.service.io_threads >= 1);
    assert_true(settings.storage.performance.max_search_threads >= 1);
    assert_true(settings.service.enable_cors);
    assert_string_equal(settings.service.api_key, "");
    assert_int_equal(settings.notes.size, 0);
    config_deinit(&settings);
}

static void test_order(void **state)
{
    /* Proves: file < QDRANT__ < SAGITTA__ < command line, one step at a time. */
    (void)state;
    struct settings settings;
    struct error err;
    const char *yaml = "service:\n  http_port: 1001\n";
    const char *first = "QDRANT__SERVICE__HTTP_PORT=1002";
    const char *second = "SAGITTA__SERVICE__HTTP_PORT=1003";
    const char *option = "--service.http_port=1004";
    assert_int_equal(load(&settings, yaml, NULL, NULL, NULL, &err), STATUS_OK);
    assert_int_equal(settings.service.http_port, 1001);
    config_deinit(&settings);
    assert_int_equal(load(&settings, yaml, first, NULL, NULL, &err), STATUS_OK);
    assert_int_equal(settings.service.http_port, 1002);
    config_deinit(&settings);
    assert_int_equal(load(&settings, yaml, second, first, NULL, &err), STATUS_OK);
    assert_int_equal(settings.service.http_port, 1003);
    config_deinit(&settings);
    assert_int_equal(load(&settings, yaml, second, first, option, &err), STATUS_OK);
    assert_int_equal(settings.service.http_port, 1004);
    config_deinit(&settings);
}

static void test_wrong_values(void **state)
{
    /* Proves: a wrong value is refused wherever it stands, and the message names key, value and
     * what was expected. */
    (void)state;
    static const struct {
        const char *yaml, *variable, *option, *words[3];
    } cases[] = {
        {"service: {http_port: abc}", NULL, NULL, {"service.http_port", "'abc'", "0 to 65535"}},
        {"service: {http_port: 65536}", NULL, NULL, {"'65536'", "line 1", "whole number"}},
        {"service: {http_port: -1}", NULL, NULL, {"'-1'", "service.http_port", "65535"}},
        {"service: {http_port: 1.5}", NULL, NULL, {"'1.5'", "service.http_port", "65535"}},
        {"service: {http_port: [1]}", NULL, NULL, {"service.http_port", "list", "single value"}},
        {"service: {enable_cors: maybe}", NULL, NULL, {"enable_cors", "'maybe'", "true or false"}},
        {"service: {enable_tls: true}", NULL, NULL, {"enable_tls", "'true'", "TLS"}},
        {"cluster: {enabled: true}", NULL, NULL, {"cluster.enabled", "'true'", "false"}},
        {"log_level: loud", NULL, NULL, {"log_level", "'loud'", "trace debug info"}},
        {"storage: {optimizers: {deleted_threshold: 2}}",
         NULL,
         NULL,
         {"deleted_threshold", "'2'", "0 to 1"}},
        {"storage: {storage_path: ''}", NULL, NULL, {"storage_path", "''", "1 to"}},
        {"",
         "QDRANT__SERVICE__HTTP_PORT=x",
         NULL,
         {"service.http_port", "'x'", "environment variable QDRANT__SERVICE__HTTP_PORT"}},
        {"", NULL, "--service.http_port=x", {"service.http_port", "'x'", "command line"}},
        {"", NULL, "--service.htp_port=1", {"--service.htp_port", "not known", "--help"}},
        {"", NULL, "--service.http_port", {"--service.http_port", "needs a value", ""}},
        {"a: [", NULL, NULL, {"config.yaml", "line", ""}},
        {"- 1", NULL, NULL, {"config.yaml", "not a mapping", ""}},
        {"service: {api_key: [secret]}", NULL, NULL, {"service.api_key", "list", ""}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings settings;
        struct error err;
        enum status status =
            load(&settings, cases[i].yaml, cases[i].variable, NULL, cases[i].option, &err);
        if (status != STATUS_BAD_INPUT) {
            print_error("case %zu: %s\n", i, cases[i].yaml);
        }
        assert_int_equal(status, STATUS_BAD_INPUT);
        for (size_t j = 0; j < 3; j++) {
            if (strstr(err.message, cases[i].words[j]) == NULL) {
                print_error("case %zu: '%s' lacks '%s'\n", i, err.message, cases[i].words[j]);
                fail();
            }
        }
        config_deinit(&settings);
    }
}

static void test_unknown_keys(void **state)
{
    /* Proves: keys of other servers' configurations are noted and ignored; nulls leave the default.
     */
    (void)state;
    struct settings settings;
    struct error err;
    const char *yaml = "log_level: INFO\nstorage:\n  snapshots_config: {snapshots_storage: local}\n"
                       "  optimizers: {max_segment_size_kb: null, default_segment_number: 0}\n"
                       "  wal: {wal_segments_ahead: 0}\n  shards: [1, 2]\nservice:\n  api_key: ~\n";
    assert_int_equal(load(&settings, yaml, "QDRANT__NO__SUCH=1", "PATH=/bin", NULL, &err),
                     STATUS_OK);
    buffer_append_byte(&settings.notes, 0);
    const char *notes = (const char *)settings.notes.data;
    assert_non_null(strstr(notes, "storage.snapshots_config.snapshots_storage"));
    assert_non_null(strstr(notes, "storage.wal.wal_segments_ahead"));
    assert_non_null(strstr(notes, "storage.shards"));
    assert_non_null(strstr(notes, "QDRANT__NO__SUCH"));
    assert_null(strstr(notes, "PATH"));
    assert_null(strstr(notes, "max_segment_size_kb"));
    assert_string_equal(settings.service.api_key, "");
    config_deinit(&settings);
}

static void test_print(void **state)
{
    /* Proves: what --print-config prints is YAML that sets the same values, and no key is in it. */
    (void)state;
    struct settings settings;
    struct error err;
    assert_int_equal(load(&settings,
                          "service: {http_port: 7000, api_key: sesame, host: '::1'}\n"
                          "storage: {storage_path: '/it''s here', optimizers: {deleted_threshold: "
                          "0.5}}\n",
                          NULL, NULL, NULL, &err),
                     STATUS_OK);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_print(&settings, out);
    (void)fclose(out);
    config_deinit(&settings);
    assert_null(strstr(text, "sesame"));
    assert_int_equal(load(&settings, text, NULL, NULL, NULL, &err), STATUS_OK);
    assert_int_equal(settings.service.http_port, 7000);
    assert_string_equal(settings.storage.storage_path, "/it's here");
    assert_true(settings.storage.optimizers.deleted_threshold > 0.49);
    assert_int_equal(settings.notes.size, 0);
    config_deinit(&settings);
    free(text);
}

static void test_help(void **state)
{
    /* Proves: the help names settings, and asking for it reads no other source. */
    (void)state;
    struct settings settings;
    struct error err;
    char *argv[] = {(char *)(uintptr_t) "sagitta", (char *)(uintptr_t) "--help", NULL};
    char *environment[] = {(char *)(uintptr_t) "QDRANT__SERVICE__HTTP_PORT=x", NULL};
    enum config_action action = CONFIG_RUN;
    assert_int_equal(config_load(&settings, 2, argv, environment, &action, &err), STATUS_OK);
    assert_int_equal(action, CONFIG_HELP);
    config_deinit(&settings);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_help(out);
    (void)fclose(out);
    assert_non_null(strstr(text, "--service.http_port [6333]"));
    assert_non_null(strstr(text, "--storage.wal.wal_capacity_mb [32]"));
    assert_non_null(strstr(text, "--cluster.enabled"));
    free(text);
}

static void test_missing_file(void **state)
{
    /* Proves: a configuration file that was named but is not there stops the start. */
    (void)state;
    struct settings settings;
    struct error err;
    char *argv[] = {(char *)(uintptr_t) "sagitta", (char *)(uintptr_t) "--config",
                    (char *)(uintptr_t) "/nowhere/config.yaml", NULL};
    char *environment[] = {NULL};
    enum config_action action = CONFIG_RUN;
    assert_int_not_equal(config_load(&settings, 3, argv, environment, &action, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "/nowhere/config.yaml"));
    config_deinit(&settings);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_config_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/config.yaml", folder);
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_print),        cmocka_unit_test(test_help),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
