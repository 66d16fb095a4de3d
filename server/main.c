/* The server: wires all modules together and takes them apart.
 *
 * Story: read the settings; lock the data folder; open the log, the engine and the replica, which
 * replays the log; start the compute threads and the event loops; then wait for a signal. Each step
 * needs the ones before it, so stopping goes backwards: connections drain, requests end, loops end,
 * the replica applies what is logged, the engine saves and closes, the log syncs and closes.
 *
 * Signals: SIGTERM and SIGINT are blocked in every thread and taken with sigwait in this one. The
 * first starts the stop; a second ends the process at once, which loses nothing that was
 * acknowledged. SIGPIPE is ignored: a peer that is gone is an error of a write.
 *
 * Failures: any step that fails ends the start with one line on standard error and exit code 1. */
#define _GNU_SOURCE /* environ */
#include "index/collection/engine.h"
#include "replication/replica.h"
#include "server/net/net.h"
#include "server/request.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/log/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_SIZE_MAX = 4096 };
#define SECOND_NS UINT64_C(1000000000)
#define REFUSAL_503                                                                                \
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n"                  \
    "connection: close\r\n\r\n"

/* Everything that is open, in the order of opening. */
struct server {
    struct settings settings;
    struct server_info info;
    struct file_lock *lock;
    struct log *log;
    struct engine *engine;
    struct replica *replica;
    struct metrics *metrics;
    struct request_service *service;
    struct net *net;
};

static enum status data_open(struct server *server, struct error *err)
{
    const struct settings *settings = &server->settings;
    const struct file_system *fs = file_system_real();
    const char *data = settings->storage.storage_path;
    char path[PATH_SIZE_MAX];
    enum status status = fs->make_dirs(fs, data, err);
    if (status != STATUS_OK) {
        return error_wrap(err, "data folder %s", data);
    }
    (void)snprintf(path, sizeof(path), "%s/lock", data);
    status = file_lock_take(path, &server->lock, err);
    if (status != STATUS_OK) {
        return error_wrap(err, "data folder %s", data);
    }
    /* A request's numbers can take twice the room as a command that they took as text. */
    uint64_t record_mb = settings->service.max_request_size_mb * 2 + 16;
    struct log_options log = {
        .fs = fs,
        .path = path,
        .segment_bytes = settings->storage.wal.wal_capacity_mb << 20,
        .record_bytes_max = record_mb < 4095 ? (uint32_t)(record_mb << 20) : UINT32_MAX - 4096,
        .queue_bytes_max = settings->storage.log_queue_mb << 20,
        .drop_damaged_tail = settings->storage.wal.drop_damaged_tail,
    };
    (void)snprintf(path, sizeof(path), "%s/log", data);
    status = log_open(&log, &server->log, err);
    if (status != STATUS_OK) {
        return error_wrap(err, "log %s", path);
    }
    struct engine_options engine = {
        .path = data,
        .cache_bytes = settings->storage.cache_mb << 20,
        .write_buffer_bytes = settings->storage.write_buffer_mb << 20,
        .build_threads = (uint32_t)settings->storage.hnsw_index.max_indexing_threads,
        .defaults =
            {
                .m = (uint32_t)settings->storage.hnsw_index.m,
                .ef_construct = (uint32_t)settings->storage.hnsw_index.ef_construct,
                .full_scan_threshold_kb = settings->storage.hnsw_index.full_scan_threshold_kb,
                .indexing_threshold_kb = settings->storage.optimizers.indexing_threshold_kb,
                .deleted_threshold = settings->storage.optimizers.deleted_threshold,
                .vacuum_min_points = settings->storage.optimizers.vacuum_min_vector_number,
                .flush_interval_sec = settings->storage.optimizers.flush_interval_sec,
                .wal_capacity_mb = settings->storage.wal.wal_capacity_mb,
                .on_disk_payload = settings->storage.on_disk_payload,
            },
    };
    status = engine_open(&engine, &server->engine, err);
    if (status != STATUS_OK) {
        return error_wrap(err, "data folder %s", data);
    }
    struct replica_options replica = {
        .log = server->log,
        .engine = server->engine,
        .apply_threads = (uint32_t)settings->storage.apply_threads,
        .checkpoint_log_bytes = settings->storage.checkpoint_log_mb << 20,
        .checkpoint_seconds = 0,
        .drop_damaged_tail = settings->storage.wal.drop_damaged_tail,
    };
    return replica_open(&replica, &server->replica, err);
}

/* One of each for every loop. */
struct loop_parts {
    struct http_loop http;
    struct request_front *front;
};

static void *on_loop_open(void *ctx, struct mailbox *home)
{
    struct server *server = ctx;
    const struct settings *settings = &server->settings;
    struct loop_parts *parts = mem_zalloc(sizeof(*parts));
    parts->front = request_front_create(server->service, home);
    parts->http = (struct http_loop){
        .service = &request_http_service,
        .self = parts->front,
        .head_bytes_max = (size_t)settings->service.max_header_kb << 10,
        .idle_timeout_ns = settings->service.idle_timeout_sec * SECOND_NS,
        .header_timeout_ns = settings->service.header_timeout_sec * SECOND_NS,
        .body_timeout_ns = settings->service.body_timeout_sec * SECOND_NS,
        .cors = settings->service.enable_cors,
    };
    return parts;
}

static void on_loop_close(void *ctx, void *loop)
{
    (void)ctx;
    struct loop_parts *parts = loop;
    request_front_destroy(parts->front);
    mem_free(parts);
}

static struct stream_user *on_accept(void *loop, struct stream *stream)
{
    struct loop_parts *parts = loop;
    return session_open(&parts->http, stream);
}

static enum status service_open(struct server *server, struct error *err)
{
    const struct settings *settings = &server->settings;
    server->info.log = server->log;
    server->info.replica = server->replica;
    struct request_options request = {
        .ops = op_table,
        .ops_count = op_count,
        .engine = server->engine,
        .replica = server->replica,
        .info = &server->info,
    };
    enum status status = request_service_create(&request, &server->service, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct net_options net = {
        .host = settings->service.host,
        .port = (uint16_t)settings->service.http_port,
        .loops = (uint32_t)settings->service.io_threads,
        .connections_max = settings->service.max_connections,
        .refusal = SLICE_LITERAL(REFUSAL_503),
        .counters = &server->info.counters,
        .ctx = server,
        .loop_open = on_loop_open,
        .loop_close = on_loop_close,
        .accept = on_accept,
    };
    return net_open(&net, &server->net, err);
}

/* Closes what is open, in the order that the head comment tells. */
static void server_close(struct server *server)
{
    if (server->net != NULL) {
        net_drain(server->net, server->settings.service.shutdown_timeout_sec * 1000);
    }
    if (server->service != NULL) {
        request_service_stop(server->service);
    }
    if (server->net != NULL) {
        net_close(server->net);
    }
    if (server->replica != NULL) {
        replica_close(server->replica);
    }
    if (server->service != NULL) {
        request_service_destroy(server->service);
    }
    if (server->engine != NULL) {
        engine_close(server->engine);
    }
    if (server->log != NULL) {
        log_close(server->log);
    }
    if (server->lock != NULL) {
        file_lock_release(server->lock);
    }
    if (server->metrics != NULL) {
        metrics_destroy(server->metrics);
    }
}

static void logger_open(const struct settings *settings)
{
    enum log_level level = LOG_INFO;
    (void)log_level_parse(settings->log_level, &level); /* the settings know only good words */
    bool json = strcasecmp(settings->logger.format, "json") == 0;
    logger_init(level, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    const char *line = (const char *)settings->notes.data;
    const char *end = line + settings->notes.size;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop != NULL ? stop : end;
        log_info("server/config", "%.*s", (int)(stop - line), line);
        line = stop + 1;
    }
}

/* Blocks the signals that stop the server, in this thread and those it will start. */
static void signals_block(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void on_second_signal(int number)
{
    static const char text[] = "sagitta: stopped at once by a second signal\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(128 + number);
}

static void signals_wait(const sigset_t *set)
{
    int number = 0;
    (void)sigwait(set, &number);
    log_info("server", "signal %d: the server stops", number);
    (void)signal(SIGTERM, on_second_signal);
    (void)signal(SIGINT, on_second_signal);
    (void)pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* From open settings to the end of the server. */
/* Every vector of every collection has a file open, besides storage and connections. */
static void raise_files_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: fewer collections fit */
    }
}

static int server_run(struct server *server)
{
    struct error err = {.code = STATUS_OK};
    sigset_t signals;
    logger_open(&server->settings);
    signals_block(&signals);
    raise_files_limit();
    server->metrics = metrics_create(op_count);
    server_info_init(&server->info, &server->settings, server->metrics);
    enum status status = data_open(server, &err);
    if (status == STATUS_OK) {
        status = service_open(server, &err);
    }
    if (status != STATUS_OK) {
        log_error("server", "%s", err.message);
        (void)fprintf(stderr, "sagitta: %s\n", err.message);
        server_close(server);
        return 1;
    }
    atomic_store(&server->info.ready, true);
    log_info("server", "sagitta %s listens on %s port %u, data in %s", server->info.version,
             server->settings.service.host, net_port(server->net),
             server->settings.storage.storage_path);
    signals_wait(&signals);
    atomic_store(&server->info.ready, false);
    uint64_t begun_ns = clock_monotonic_ns();
    server_close(server);
    log_info("server", "stopped in %.3f s", (double)(clock_monotonic_ns() - begun_ns) / 1e9);
    return 0;
}

int main(int argc, char **argv)
{
    struct server server = {.lock = NULL};
    struct error err = {.code = STATUS_OK};
    enum config_action action = CONFIG_RUN;
    int code = 0;
    if (config_load(&server.settings, argc, argv, environ, &action, &err) != STATUS_OK) {
        (void)fprintf(stderr, "sagitta: %s\n", err.message);
        code = 1;
    } else if (action == CONFIG_HELP) {
        config_help(stdout);
    } else if (action == CONFIG_VERSION) {
        (void)printf("sagitta %s\n", SAGITTA_VERSION);
    } else if (action == CONFIG_PRINT) {
        config_print(&server.settings, stdout);
    } else {
        code = server_run(&server);
    }
    config_deinit(&server.settings);
    return code;
}
