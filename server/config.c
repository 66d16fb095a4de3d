/* Settings: the table, and the sources that fill it.
 *
 * Story of config_load: look for --help and --config on the command line; set the defaults from the
 * table; read the YAML file (server/config_yaml.c); walk the environment twice, QDRANT__ then
 * SAGITTA__; walk the command line; check relations between settings; replace "0 = number of cores"
 * by the number. Every source goes through config_set, so a value is checked in one place and the
 * message always names key, value, source and what was expected.
 *
 * Keys that nobody knows are noted and ignored in files and environment, because configurations
 * made for other servers of the same contract hold many; on the command line they are an error.
 * Settings that would promise something this server does not do (TLS, cluster, tokens) can only be
 * off: turning them on is an error. Threads: start only. Failures: BAD_INPUT, IO for an unreadable
 * file. */
#include "server/config.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_PATH_DEFAULT "./config/config.yaml"
enum { KEY_SIZE_MAX = 128 };

enum setting_type { TYPE_BOOL, TYPE_OFF, TYPE_UINT, TYPE_REAL, TYPE_TEXT, TYPE_SECRET, TYPE_WORD };

struct setting {
    const char *key;
    enum setting_type type;
    size_t offset;
    const char *value; /* default */
    uint64_t min, max; /* UINT and REAL; TEXT: bytes */
    const char *words; /* WORD: " a b c " */
    const char *help;
};

#define AT(field) offsetof(struct settings, field)
#define KB_MAX    ((uint64_t)1 << 40)
#define STRICT(name, type, value, max, help)                                                       \
    {                                                                                              \
        "storage.collection.strict_mode." #name, type, AT(storage.collection.strict_mode.name),    \
            value, 0, max, NULL, help                                                              \
    }
static const struct setting table[] = {
    /* key, type, place, default, min, max, words, help */
    {"log_level", TYPE_WORD, AT(log_level), "INFO", 0, 0, " trace debug info warn error off ",
     "least severe log lines to write"},
    {"logger.format", TYPE_WORD, AT(logger.format), "text", 0, 0, " text json ",
     "log lines for people or for machines"},
    {"telemetry_disabled", TYPE_BOOL, AT(telemetry_disabled), "false", 0, 0, NULL,
     "accepted; this server never reports to anyone"},
    {"service.host", TYPE_TEXT, AT(service.host), "127.0.0.1", 1, 255, NULL,
     "address to listen on; 0.0.0.0 for all"},
    {"service.http_port", TYPE_UINT, AT(service.http_port), "6333", 0, 65535, NULL,
     "REST port; 0 takes any free one"},
    {"service.grpc_port", TYPE_UINT, AT(service.grpc_port), "0", 0, 65535, NULL,
     "gRPC port; accepted, not listened on yet"},
    {"service.max_request_size_mb", TYPE_UINT, AT(service.max_request_size_mb), "32", 1, 4095, NULL,
     "largest request body, after decompression"},
    {"service.max_workers", TYPE_UINT, AT(service.max_workers), "0", 0, 1024, NULL,
     "compute threads; 0: number of cores"},
    {"service.io_threads", TYPE_UINT, AT(service.io_threads), "0", 0, 64, NULL,
     "event loops; 0: two, or one on a single core"},
    {"service.max_connections", TYPE_UINT, AT(service.max_connections), "10000", 1, 1000000, NULL,
     "connections at once; more are answered 503"},
    {"service.queue_length_max", TYPE_UINT, AT(service.queue_length_max), "4096", 1, 1000000, NULL,
     "requests waiting for a compute thread; more are answered 503"},
    {"service.max_header_kb", TYPE_UINT, AT(service.max_header_kb), "64", 4, 1024, NULL,
     "request line and headers of a request; more is answered 431"},
    {"service.request_memory_mb", TYPE_UINT, AT(service.request_memory_mb), "1024", 1, 65536, NULL,
     "memory that one request may use besides its body"},
    {"service.body_memory_mb", TYPE_UINT, AT(service.body_memory_mb), "1024", 1, 1048576, NULL,
     "memory for request bodies of all connections together; past it requests are answered 503"},
    {"service.idle_timeout_sec", TYPE_UINT, AT(service.idle_timeout_sec), "60", 1, 86400, NULL,
     "a connection without a request is closed after this"},
    {"service.header_timeout_sec", TYPE_UINT, AT(service.header_timeout_sec), "15", 1, 86400, NULL,
     "time for the request line and headers"},
    {"service.body_timeout_sec", TYPE_UINT, AT(service.body_timeout_sec), "30", 1, 86400, NULL,
     "time for a request body beyond a steady 16 KiB a second, and for a stalled reader"},
    {"service.shutdown_timeout_sec", TYPE_UINT, AT(service.shutdown_timeout_sec), "30", 0, 3600,
     NULL, "time that requests have to finish when the server is told to stop"},
    {"service.slow_query_secs", TYPE_REAL, AT(service.slow_query_secs), "1.2", 0, 86400, NULL,
     "a read that takes longer is looked at for GET /issues"},
    {"service.enable_cors", TYPE_BOOL, AT(service.enable_cors), "true", 0, 0, NULL,
     "let web pages of any origin call this server"},
    {"service.enable_tls", TYPE_OFF, AT(service.enable_tls), "false", 0, 0, NULL,
     "TLS is not available yet: put a proxy in front"},
    {"service.jwt_rbac", TYPE_OFF, AT(service.jwt_rbac), "false", 0, 0, NULL,
     "tokens are not available yet: use the keys below"},
    {"service.api_key", TYPE_SECRET, AT(service.api_key), "", 0, 4096, NULL,
     "key for everything; empty: no key is asked for"},
    {"service.alt_api_key", TYPE_SECRET, AT(service.alt_api_key), "", 0, 4096, NULL,
     "a second key for everything, to change keys without a gap"},
    {"service.read_only_api_key", TYPE_SECRET, AT(service.read_only_api_key), "", 0, 4096, NULL,
     "key that may only read"},
    {"storage.storage_path", TYPE_TEXT, AT(storage.storage_path), "./data", 1, 4000, NULL,
     "data folder"},
    {"storage.snapshots_path", TYPE_TEXT, AT(storage.snapshots_path), "./snapshots", 1, 4000, NULL,
     "folder for snapshots"},
    {"storage.on_disk_payload", TYPE_BOOL, AT(storage.on_disk_payload), "true", 0, 0, NULL,
     "default of collections that do not say"},
    {"storage.wal.wal_capacity_mb", TYPE_UINT, AT(storage.wal.wal_capacity_mb), "32", 1, 4095, NULL,
     "size of a log segment"},
    {"storage.wal.drop_damaged_tail", TYPE_BOOL, AT(storage.wal.drop_damaged_tail), "false", 0, 0,
     NULL, "cut the log at damage instead of refusing to start; what follows is lost"},
    {"storage.hnsw_index.m", TYPE_UINT, AT(storage.hnsw_index.m), "16", 0, 512, NULL,
     "links of a point in the graph"},
    {"storage.hnsw_index.ef_construct", TYPE_UINT, AT(storage.hnsw_index.ef_construct), "100", 4,
     65536, NULL, "candidates looked at while a graph is built"},
    {"storage.hnsw_index.full_scan_threshold_kb", TYPE_UINT,
     AT(storage.hnsw_index.full_scan_threshold_kb), "10000", 0, KB_MAX, NULL,
     "vectors smaller than this are scanned instead of walked"},
    {"storage.hnsw_index.max_indexing_threads", TYPE_UINT,
     AT(storage.hnsw_index.max_indexing_threads), "0", 0, 1024, NULL,
     "threads of one graph build; 0: number of cores"},
    {"storage.optimizers.deleted_threshold", TYPE_REAL, AT(storage.optimizers.deleted_threshold),
     "0.2", 0, 1, NULL, "share of deleted points that starts a clean-up"},
    {"storage.optimizers.vacuum_min_vector_number", TYPE_UINT,
     AT(storage.optimizers.vacuum_min_vector_number), "1000", 0, UINT64_MAX, NULL,
     "points below which nothing is cleaned up"},
    {"storage.optimizers.default_segment_number", TYPE_UINT,
     AT(storage.optimizers.default_segment_number), "0", 0, 1024, NULL, "0: as few as possible"},
    {"storage.optimizers.max_segment_size_kb", TYPE_UINT,
     AT(storage.optimizers.max_segment_size_kb), "0", 0, KB_MAX, NULL, "0: no limit"},
    {"storage.optimizers.indexing_threshold_kb", TYPE_UINT,
     AT(storage.optimizers.indexing_threshold_kb), "10000", 0, KB_MAX, NULL,
     "vectors above which a graph is built"},
    {"storage.optimizers.flush_interval_sec", TYPE_UINT, AT(storage.optimizers.flush_interval_sec),
     "5", 1, 86400, NULL,
     "time between writes of what is in memory; the log protects it meanwhile"},
    {"storage.optimizers.max_optimization_threads", TYPE_UINT,
     AT(storage.optimizers.max_optimization_threads), "0", 0, 1024, NULL, "0: number of cores"},
    {"storage.performance.max_search_threads", TYPE_UINT,
     AT(storage.performance.max_search_threads), "0", 0, 1024, NULL,
     "compute threads; 0: as service.max_workers says"},
    STRICT(enabled, TYPE_BOOL, "false", 0,
           "strict mode of new collections that do not say; the limits below belong to it"),
    STRICT(max_query_limit, TYPE_UINT, "0", UINT32_MAX,
           "largest limit of a read; 0, here and below: no limit"),
    STRICT(max_timeout, TYPE_UINT, "0", UINT32_MAX, "longest timeout of a request, seconds"),
    STRICT(unindexed_filtering_retrieve, TYPE_BOOL, "true", 0,
           "may reads filter on keys without an index"),
    STRICT(unindexed_filtering_update, TYPE_BOOL, "true", 0,
           "may updates filter on keys without an index"),
    STRICT(search_max_hnsw_ef, TYPE_UINT, "0", UINT32_MAX, "largest hnsw_ef of a search"),
    STRICT(search_allow_exact, TYPE_BOOL, "true", 0, "may searches be exact"),
    STRICT(search_max_oversampling, TYPE_REAL, "0", 1000000, "largest oversampling of a search"),
    STRICT(upsert_max_batchsize, TYPE_UINT, "0", UINT64_MAX, "points in an upsert"),
    STRICT(search_max_batchsize, TYPE_UINT, "0", UINT64_MAX, "searches in a batch"),
    STRICT(max_collection_vector_size_bytes, TYPE_UINT, "0", UINT64_MAX, "bytes of stored vectors"),
    STRICT(read_rate_limit, TYPE_UINT, "0", UINT32_MAX, "reads a minute"),
    STRICT(write_rate_limit, TYPE_UINT, "0", UINT32_MAX, "updates a minute"),
    STRICT(max_collection_payload_size_bytes, TYPE_UINT, "0", UINT64_MAX, "bytes of payloads"),
    STRICT(max_points_count, TYPE_UINT, "0", UINT64_MAX, "points"),
    STRICT(filter_max_conditions, TYPE_UINT, "0", UINT64_MAX, "conditions in a filter"),
    STRICT(condition_max_size, TYPE_UINT, "0", UINT64_MAX, "values in a condition"),
    STRICT(max_payload_index_count, TYPE_UINT, "0", UINT64_MAX, "payload indexes"),
    STRICT(max_resident_memory_percent, TYPE_UINT, "0", 100,
           "resident memory past which updates are refused"),
    {"storage.cache_mb", TYPE_UINT, AT(storage.cache_mb), "256", 8, 16777216, NULL,
     "cache of storage blocks"},
    {"storage.write_buffer_mb", TYPE_UINT, AT(storage.write_buffer_mb), "64", 1, 16384, NULL,
     "storage's memory for writes before they go to disk"},
    {"storage.checkpoint_log_mb", TYPE_UINT, AT(storage.checkpoint_log_mb), "256", 1, 1048576, NULL,
     "log written since the last checkpoint that starts a new one"},
    {"storage.log_queue_mb", TYPE_UINT, AT(storage.log_queue_mb), "256", 1, 65536, NULL,
     "writes waiting for the disk; past it writers wait"},
    {"storage.apply_threads", TYPE_UINT, AT(storage.apply_threads), "2", 1, 64, NULL,
     "threads that apply writes; collections in parallel"},
    {"cluster.enabled", TYPE_OFF, AT(cluster.enabled), "false", 0, 0, NULL,
     "clusters are not available yet"},
};
enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]) };

static const struct setting *find(const char *key)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].key, key) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

bool config_known(const char *key)
{
    return find(key) != NULL;
}

static void *place(struct settings *settings, const struct setting *row)
{
    return (char *)settings + row->offset;
}

static const void *place_const(const struct settings *settings, const struct setting *row)
{
    return (const char *)settings + row->offset;
}

static bool is_text(enum setting_type type)
{
    return type == TYPE_TEXT || type == TYPE_SECRET || type == TYPE_WORD;
}

/* What a row accepts, in words. */
static const char *expected(const struct setting *row, char *out, size_t size)
{
    switch (row->type) {
    case TYPE_BOOL:
        return "true or false";
    case TYPE_OFF:
        (void)snprintf(out, size, "false (%s)", row->help);
        return out;
    case TYPE_UINT:
        if (row->max == UINT64_MAX) {
            (void)snprintf(out, size, "a whole number of at least %llu",
                           (unsigned long long)row->min);
        } else {
            (void)snprintf(out, size, "a whole number from %llu to %llu",
                           (unsigned long long)row->min, (unsigned long long)row->max);
        }
        return out;
    case TYPE_REAL:
        (void)snprintf(out, size, "a number from %llu to %llu", (unsigned long long)row->min,
                       (unsigned long long)row->max);
        return out;
    case TYPE_WORD:
        (void)snprintf(out, size, "one of:%.*s", (int)strlen(row->words) - 1, row->words);
        return out;
    case TYPE_TEXT:
    case TYPE_SECRET:
        (void)snprintf(out, size, "a text of %llu to %llu bytes", (unsigned long long)row->min,
                       (unsigned long long)row->max);
        return out;
    }
    return "";
}

static bool parse_bool(const char *value, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool parse_uint(const struct setting *row, const char *value, uint64_t *out)
{
    if (!isdigit((unsigned char)value[0])) {
        return false;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno != 0 || *end != '\0' || number < row->min || number > row->max) {
        return false;
    }
    *out = number;
    return true;
}

static bool parse_real(const struct setting *row, const char *value, double *out)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || errno != 0 || !isfinite(number) ||
        number < (double)row->min || number > (double)row->max) {
        return false;
    }
    *out = number;
    return true;
}

static bool word_known(const struct setting *row, const char *value)
{
    char word[32];
    int size = snprintf(word, sizeof(word), " %s ", value);
    if (size < 3 || (size_t)size >= sizeof(word) || strchr(value, ' ') != NULL) {
        return false;
    }
    for (char *c = word; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return strstr(row->words, word) != NULL;
}

static bool parse_text(const struct setting *row, const char *value, char **out)
{
    size_t size = strlen(value);
    bool good =
        row->type == TYPE_WORD ? word_known(row, value) : size >= row->min && size <= row->max;
    if (good) {
        mem_free(*out);
        *out = mem_strdup(value);
    }
    return good;
}

static bool parse_value(struct settings *settings, const struct setting *row, const char *value)
{
    switch (row->type) {
    case TYPE_BOOL:
        return parse_bool(value, place(settings, row));
    case TYPE_OFF: {
        bool on = true;
        return parse_bool(value, &on) && !on;
    }
    case TYPE_UINT:
        return parse_uint(row, value, place(settings, row));
    case TYPE_REAL:
        return parse_real(row, value, place(settings, row));
    case TYPE_TEXT:
    case TYPE_SECRET:
    case TYPE_WORD:
        return parse_text(row, value, place(settings, row));
    }
    return false;
}

enum status config_set(struct settings *settings, const char *key, const char *value,
                       const char *source, struct error *err)
{
    const struct setting *row = find(key);
    if (row == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "no setting is called '%.100s' (%.100s)", key,
                         source);
    }
    if (!parse_value(settings, row, value)) {
        char words[200];
        return error_set(err, STATUS_BAD_INPUT, "setting %s: '%.60s' (%.100s) is not %s", key,
                         row->type == TYPE_SECRET ? "the value" : value, source,
                         expected(row, words, sizeof(words)));
    }
    return STATUS_OK;
}

void config_defaults(struct settings *settings)
{
    memset(settings, 0, sizeof(*settings));
    buffer_init(&settings->notes, (size_t)64 << 10);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        bool good = parse_value(settings, &table[i], table[i].value);
        ASSERT(good); /* a default outside its own range */
    }
}

void config_deinit(struct settings *settings)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (is_text(table[i].type)) {
            mem_free(*(char **)place(settings, &table[i]));
        }
    }
    buffer_deinit(&settings->notes);
    memset(settings, 0, sizeof(*settings));
}

/* "SERVICE__HTTP_PORT" to "service.http_port"; false: longer than any key. */
static bool key_of_variable(const char *name, size_t size, char out[KEY_SIZE_MAX])
{
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        if (at + 1 >= KEY_SIZE_MAX) {
            return false;
        }
        if (name[i] == '_' && i + 1 < size && name[i + 1] == '_') {
            out[at++] = '.';
            i++;
        } else {
            out[at++] = (char)tolower((unsigned char)name[i]);
        }
    }
    out[at] = '\0';
    return true;
}

static enum status read_environment(struct settings *settings, char *const *environment,
                                    const char *prefix, struct error *err)
{
    size_t prefix_size = strlen(prefix);
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals == NULL || strncmp(*environment, prefix, prefix_size) != 0) {
            continue;
        }
        const char *name = *environment + prefix_size;
        char key[KEY_SIZE_MAX];
        if (equals < name || !key_of_variable(name, (size_t)(equals - name), key) ||
            find(key) == NULL) {
            buffer_printf(&settings->notes, "environment variable %.*s is not known, ignored\n",
                          (int)(equals - *environment), *environment);
            continue;
        }
        char source[KEY_SIZE_MAX + 32];
        (void)snprintf(source, sizeof(source), "environment variable %.*s",
                       (int)(equals - *environment), *environment);
        enum status status = config_set(settings, key, equals + 1, source, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* What the command line says besides settings. */
struct command_line {
    enum config_action action;
    const char *path; /* NULL: the default, if it is there */
};

static bool is_config_option(const char *name)
{
    return strcmp(name, "--config") == 0 || strcmp(name, "--config-path") == 0;
}

/* One argument that is not a setting. Returns false when it is none of those either. */
static bool take_option(struct command_line *line, const char *name, const char *value)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        line->action = CONFIG_HELP;
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        line->action = CONFIG_VERSION;
    } else if (strcmp(name, "--print-config") == 0) {
        line->action = CONFIG_PRINT;
    } else if (is_config_option(name)) {
        line->path = value;
    } else {
        return strcmp(name, "--disable-telemetry") == 0;
    }
    return true;
}

static bool takes_value(const char *name)
{
    return is_config_option(name) || (strncmp(name, "--", 2) == 0 && find(name + 2) != NULL);
}

/* Walks the command line. With `settings` NULL only the options are looked at. */
static enum status read_command_line(struct settings *settings, int argc, char *const *argv,
                                     struct command_line *line, struct error *err)
{
    for (int i = 1; i < argc; i++) {
        char name[KEY_SIZE_MAX + 2];
        const char *equals = strchr(argv[i], '=');
        size_t size = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        if (size >= sizeof(name)) {
            return error_set(err, STATUS_BAD_INPUT, "option '%.60s...' is not known", argv[i]);
        }
        memcpy(name, argv[i], size);
        name[size] = '\0';
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (value == NULL && takes_value(name)) {
            if (i + 1 >= argc) {
                return error_set(err, STATUS_BAD_INPUT, "option %s needs a value", name);
            }
            value = argv[++i];
        }
        if (take_option(line, name, value)) {
            continue;
        }
        if (!takes_value(name)) {
            return error_set(err, STATUS_BAD_INPUT, "option '%s' is not known (see --help)", name);
        }
        enum status status = settings == NULL
                                 ? STATUS_OK
                                 : config_set(settings, name + 2, value, "the command line", err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static void resolve(struct settings *settings)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t cores = online > 0 ? (uint64_t)online : 1;
    if (settings->service.max_workers == 0) {
        settings->service.max_workers = cores;
    }
    if (settings->service.io_threads == 0) {
        settings->service.io_threads = cores < 2 ? cores : 2;
    }
    if (settings->storage.performance.max_search_threads == 0) {
        settings->storage.performance.max_search_threads = settings->service.max_workers;
    }
}

enum status config_load(struct settings *settings, int argc, char *const *argv,
                        char *const *environment, enum config_action *action, struct error *err)
{
    config_defaults(settings);
    struct command_line line = {.action = CONFIG_RUN};
    enum status status = read_command_line(NULL, argc, argv, &line, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (line.action == CONFIG_HELP || line.action == CONFIG_VERSION) {
        *action = line.action;
        return STATUS_OK;
    }
    if (line.path != NULL || access(CONFIG_PATH_DEFAULT, F_OK) == 0) {
        status =
            config_read_yaml(settings, line.path != NULL ? line.path : CONFIG_PATH_DEFAULT, err);
    }
    if (status == STATUS_OK) {
        status = read_environment(settings, environment, "QDRANT__", err);
    }
    if (status == STATUS_OK) {
        status = read_environment(settings, environment, "SAGITTA__", err);
    }
    if (status == STATUS_OK) {
        status = read_command_line(settings, argc, argv, &line, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    resolve(settings);
    *action = line.action;
    return STATUS_OK;
}

static void print_value(const struct settings *settings, const struct setting *row, FILE *out)
{
    const void *at = place_const(settings, row);
    switch (row->type) {
    case TYPE_BOOL:
    case TYPE_OFF:
        (void)fputs(*(const bool *)at ? "true" : "false", out);
        break;
    case TYPE_UINT:
        (void)fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case TYPE_REAL:
        (void)fprintf(out, "%g", *(const double *)at);
        break;
    case TYPE_SECRET:
        (void)fputs(**(const char *const *)at != '\0' ? "'***'" : "''", out);
        break;
    case TYPE_TEXT:
    case TYPE_WORD:
        (void)fputc('\'', out);
        for (const char *c = *(const char *const *)at; *c != '\0'; c++) {
            (void)fputs(*c == '\'' ? "''" : (char[2]){*c, '\0'}, out);
        }
        (void)fputc('\'', out);
        break;
    }
}

void config_print(const struct settings *settings, FILE *out)
{
    char section[KEY_SIZE_MAX] = ""; /* the one that was printed last, with its closing dot */
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const char *key = table[i].key;
        int depth = 0;
        size_t begin = 0;
        for (size_t at = 0; key[at] != '\0'; at++) {
            if (key[at] != '.') {
                continue;
            }
            if (strncmp(section, key, at + 1) != 0) {
                (void)fprintf(out, "%*s%.*s:\n", depth * 2, "", (int)(at - begin), key + begin);
            }
            begin = at + 1;
            depth++;
        }
        (void)fprintf(out, "%*s%s: ", depth * 2, "", key + begin);
        print_value(settings, &table[i], out);
        (void)fputc('\n', out);
        memcpy(section, key, begin);
        section[begin] = '\0';
    }
}

void config_help(FILE *out)
{
    (void)fputs("sagitta: a vector database server\n\n"
                "usage: sagitta [--config FILE] [--SETTING=VALUE ...]\n\n"
                "  --config FILE     YAML file of settings (" CONFIG_PATH_DEFAULT " if there)\n"
                "  --print-config    print the settings in force, and stop\n"
                "  --version         print the version, and stop\n"
                "  --help            print this, and stop\n\n"
                "A setting is also read from the environment: service.http_port from\n"
                "SAGITTA__SERVICE__HTTP_PORT or QDRANT__SERVICE__HTTP_PORT. The command line wins\n"
                "over the environment, and the environment over the file.\n\n"
                "settings (default in brackets):\n",
                out);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        char words[200];
        (void)fprintf(out, "  --%s [%s]\n        %s%s%s\n", table[i].key, table[i].value,
                      expected(&table[i], words, sizeof(words)),
                      table[i].type == TYPE_OFF ? "" : "; ",
                      table[i].type == TYPE_OFF ? "" : table[i].help);
    }
}
