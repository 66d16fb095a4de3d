/* A load generator for HTTP/1: keeps N connections busy with one request each and prints one JSON
 * line.
 *
 *   load [--host 127.0.0.1] [--port 6333] [--method POST] --path /collections/c/points/search
 *        [--bodies FILE] [--connections 8] [--duration 10] [--warmup 1] [--requests N]
 *        [--pid SERVER_PID] [--save FILE] [--header "Name: value"]
 *        [--vectors FILE.f32 --dim N [--batch POINTS | --ef EF]]
 *
 * --bodies FILE has one body a line; --vectors makes the bodies from rows of float32: upserts of
 * --batch points, or a query for each row. Connections take the bodies in turn. With --save every
 * body is sent once, in order, and the answers' bodies are written to FILE one a line, in the order
 * of the requests: what a recall computation needs. --pid adds the server's CPU seconds, so that
 * both ends of the same machine can be told apart.
 *
 * Requests are built before the clock starts. One thread and epoll: it takes a few microseconds of
 * CPU a request, which is reported as client_cpu_sec. Latencies are kept exactly (4 bytes each, up
 * to LATENCIES_MAX). An answer other than 2xx is an error and counted. Failures: any socket error
 * ends the program with a message and exit code 1. */
#define _GNU_SOURCE /* memmem */
#include "tests/bench/bodies.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, LATENCIES_MAX = 50 * 1000 * 1000, READ_SIZE = 256 << 10 };

struct bytes {
    char *data;
    size_t size;
};

struct options {
    const char *host, *method, *path, *bodies, *save, *header;
    uint16_t port;
    struct bodies_options vectors;
    long connections, pid, requests;
    double duration_sec, warmup_sec;
};

struct connection {
    int fd;
    size_t request; /* number of the request under way */
    size_t written;
    uint64_t begun_ns;
    char *data; /* the answer so far */
    size_t size, capacity;
    size_t head_size, body_size; /* known once the head is there */
    bool busy;
};

struct load {
    struct options options;
    struct bytes *requests;
    size_t requests_count, requests_capacity;
    struct bytes *answers; /* with --save */
    struct connection *connections;
    int epoll;
    size_t next, done, failed; /* since the measurement began: done, failed */
    bool measuring;
    uint32_t *latencies_us10; /* tenths of microseconds */
    size_t latencies_count;
    uint64_t begun_ns, stop_ns;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    exit(1);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        die("memory");
    }
    return memory;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static struct bytes build_request(const struct options *options, const char *body, size_t size)
{
    size_t room = size + strlen(options->path) + strlen(options->header) + 256;
    struct bytes request = {.data = must(malloc(room))};
    int head = snprintf(request.data, room,
                        "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s%s"
                        "Content-Length: %zu\r\n\r\n",
                        options->method, options->path, options->host, options->header,
                        options->header[0] != '\0' ? "\r\n" : "", size);
    if (head < 0 || (size_t)head + size > room) {
        die("a request's head");
    }
    if (size > 0) {
        memcpy(request.data + head, body, size);
    }
    request.size = (size_t)head + size;
    return request;
}

static void add_request(struct load *load, const char *body, size_t size)
{
    if (load->requests_count == load->requests_capacity) {
        load->requests_capacity = load->requests_capacity * 2 + 64;
        load->requests =
            must(realloc(load->requests, load->requests_capacity * sizeof(struct bytes)));
    }
    load->requests[load->requests_count++] = build_request(&load->options, body, size);
}

static void requests_from_lines(struct load *load, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        die(path);
    }
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size = getline(&line, &room, file); size > 0; size = getline(&line, &room, file)) {
        size -= line[size - 1] == '\n' ? 1 : 0;
        add_request(load, line, (size_t)size);
    }
    free(line);
    (void)fclose(file);
}

static void requests_from_vectors(struct load *load, const struct bodies_options *options)
{
    struct bodies bodies;
    const char *body = NULL;
    size_t size = 0;
    if (!bodies_open(&bodies, options)) {
        die(options->path);
    }
    while (bodies_next(&bodies, &body, &size)) {
        add_request(load, body, size);
    }
    bodies_close(&bodies);
}

static void build_requests(struct load *load)
{
    const struct options *options = &load->options;
    if (options->vectors.path != NULL) {
        requests_from_vectors(load, &options->vectors);
    } else if (options->bodies != NULL) {
        requests_from_lines(load, options->bodies);
    } else {
        add_request(load, "", 0);
    }
    if (load->requests_count == 0) {
        die("no bodies in the file");
    }
}

static void watch(struct load *load, struct connection *connection, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(load->epoll, how, connection->fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void dial(struct load *load, struct connection *connection)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load->options.port)};
    if (inet_pton(AF_INET, load->options.host, &to.sin_addr) != 1) {
        die("the host must be a numeric IPv4 address");
    }
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        die("connect");
    }
    connection->capacity = READ_SIZE;
    connection->data = must(malloc(connection->capacity));
    watch(load, connection, EPOLLIN, EPOLL_CTL_ADD);
}

/* Writes what the socket takes of the request under way. */
static void write_some(struct load *load, struct connection *connection)
{
    const struct bytes *request = &load->requests[connection->request % load->requests_count];
    while (connection->written < request->size) {
        ssize_t size = send(connection->fd, request->data + connection->written,
                            request->size - connection->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) {
            watch(load, connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        if (size < 0) {
            die("send");
        }
        connection->written += (size_t)size;
    }
}

static bool more_to_send(const struct load *load)
{
    if (load->answers != NULL) {
        return load->next < load->requests_count;
    }
    return load->options.requests == 0 || load->next < (size_t)load->options.requests;
}

static void begin(struct load *load, struct connection *connection)
{
    connection->busy = more_to_send(load) && now_ns() < load->stop_ns;
    if (!connection->busy) {
        return;
    }
    connection->request = load->next++;
    connection->written = connection->size = connection->head_size = connection->body_size = 0;
    connection->begun_ns = now_ns();
    write_some(load, connection);
}

static void parse_head(struct connection *connection)
{
    char *end = memmem(connection->data, connection->size, "\r\n\r\n", 4);
    if (end == NULL) {
        return;
    }
    connection->head_size = (size_t)(end - connection->data) + 4;
    static const char name[] = "\r\ncontent-length:";
    for (char *at = connection->data; at < end; at++) {
        if (strncasecmp(at, name, sizeof(name) - 1) == 0) {
            connection->body_size = strtoul(at + sizeof(name) - 1, NULL, 10);
            return;
        }
    }
}

static void finish(struct load *load, struct connection *connection)
{
    uint64_t spent_ns = now_ns() - connection->begun_ns;
    bool good = connection->size > 9 && connection->data[9] == '2';
    if (load->answers != NULL) {
        struct bytes *answer = &load->answers[connection->request];
        answer->size = connection->body_size;
        answer->data = must(malloc(answer->size + 1));
        memcpy(answer->data, connection->data + connection->head_size, answer->size);
    }
    if (load->measuring) {
        load->done++;
        load->failed += good ? 0 : 1;
        if (load->latencies_count < LATENCIES_MAX) {
            uint64_t tenths = spent_ns / 100;
            load->latencies_us10[load->latencies_count++] =
                tenths < UINT32_MAX ? (uint32_t)tenths : UINT32_MAX;
        }
    }
    begin(load, connection);
}

static void read_some(struct load *load, struct connection *connection)
{
    if (connection->capacity - connection->size < READ_SIZE / 2) {
        connection->capacity *= 2;
        connection->data = must(realloc(connection->data, connection->capacity));
    }
    ssize_t size = recv(connection->fd, connection->data + connection->size,
                        connection->capacity - connection->size, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) {
        return;
    }
    if (size <= 0) {
        errno = size == 0 ? ECONNRESET : errno;
        die("recv");
    }
    connection->size += (size_t)size;
    if (connection->head_size == 0) {
        parse_head(connection);
    }
    if (connection->head_size > 0 &&
        connection->size >= connection->head_size + connection->body_size) {
        finish(load, connection);
    }
}

static double own_cpu_sec(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double cpu_sec_of(long pid)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = pid > 0 ? fopen(path, "r") : NULL;
    if (file == NULL) {
        return 0;
    }
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    /* Fields 14 and 15, counted from the end of the name, which may hold blanks. */
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 14; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return 0;
    }
    char *end = NULL;
    unsigned long user = strtoul(at, &end, 10);
    unsigned long system = strtoul(end, NULL, 10);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const struct load *load, double share)
{
    if (load->latencies_count == 0) {
        return 0;
    }
    size_t at = (size_t)(share * (double)(load->latencies_count - 1));
    return (double)load->latencies_us10[at] / 1e4;
}

static bool any_busy(const struct load *load)
{
    for (long i = 0; i < load->options.connections; i++) {
        if (load->connections[i].busy) {
            return true;
        }
    }
    return false;
}

/* Serves events until `until_ns`, or until nothing is under way. */
static void run(struct load *load, uint64_t until_ns)
{
    struct epoll_event events[256];
    while (now_ns() < until_ns && any_busy(load)) {
        int count = epoll_wait(load->epoll, events, 256, 100);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0) {
                watch(load, connection, EPOLLIN, EPOLL_CTL_MOD);
                write_some(load, connection);
            }
            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                read_some(load, connection);
            }
        }
    }
}

static void save(const struct load *load)
{
    FILE *file = fopen(load->options.save, "w");
    if (file == NULL) {
        die(load->options.save);
    }
    for (size_t i = 0; i < load->requests_count; i++) {
        (void)fwrite(load->answers[i].data, 1, load->answers[i].size, file);
        (void)fputc('\n', file);
    }
    if (fclose(file) != 0) {
        die(load->options.save);
    }
}

static long number(const char *text, long min, long max)
{
    char *end = NULL;
    errno = 0;
    long value = text != NULL ? strtol(text, &end, 10) : min - 1;
    if (text == NULL || *end != '\0' || errno != 0 || value < min || value > max) {
        errno = EINVAL;
        die(text != NULL ? text : "an option without a value");
    }
    return value;
}

static void parse_options(int argc, char **argv, struct options *out)
{
    *out = (struct options){.host = "127.0.0.1",
                            .method = "POST",
                            .header = "",
                            .port = 6333,
                            .connections = 8,
                            .duration_sec = 10,
                            .warmup_sec = 1};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        if (strcmp(name, "--host") == 0) {
            out->host = value;
        } else if (strcmp(name, "--port") == 0) {
            out->port = (uint16_t)number(value, 1, 65535);
        } else if (strcmp(name, "--method") == 0) {
            out->method = value;
        } else if (strcmp(name, "--path") == 0) {
            out->path = value;
        } else if (strcmp(name, "--bodies") == 0) {
            out->bodies = value;
        } else if (strcmp(name, "--connections") == 0) {
            out->connections = number(value, 1, CONNECTIONS_MAX);
        } else if (strcmp(name, "--duration") == 0) {
            out->duration_sec = strtod(value, NULL);
        } else if (strcmp(name, "--warmup") == 0) {
            out->warmup_sec = strtod(value, NULL);
        } else if (strcmp(name, "--requests") == 0) {
            out->requests = number(value, 0, INT32_MAX);
        } else if (strcmp(name, "--pid") == 0) {
            out->pid = number(value, 1, INT32_MAX);
        } else if (strcmp(name, "--vectors") == 0) {
            out->vectors.path = value;
        } else if (strcmp(name, "--dim") == 0) {
            out->vectors.dim = (size_t)number(value, 1, 65536);
        } else if (strcmp(name, "--batch") == 0) {
            out->vectors.batch = (size_t)number(value, 0, 10000);
        } else if (strcmp(name, "--ef") == 0) {
            out->vectors.ef = number(value, 1, INT32_MAX);
        } else if (strcmp(name, "--save") == 0) {
            out->save = value;
        } else if (strcmp(name, "--header") == 0) {
            out->header = value;
        } else {
            errno = EINVAL;
            die(name);
        }
    }
    if (out->path == NULL || argc % 2 == 0 ||
        (out->vectors.path != NULL && out->vectors.dim == 0)) {
        (void)fprintf(stderr, "usage: load --path /collections/... [--bodies FILE] [--port 6333] "
                              "[--method POST]\n    [--connections 8] [--duration 10] [--warmup 1] "
                              "[--requests N] [--pid PID] [--save FILE]\n    [--header LINE] "
                              "[--host 127.0.0.1]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct load load = {.epoll = epoll_create1(0)};
    parse_options(argc, argv, &load.options);
    const struct options *options = &load.options;
    build_requests(&load);
    bool once =
        options->save != NULL || options->requests > 0; /* a number of requests, not a time */
    if (options->save != NULL) {
        load.answers = must(calloc(load.requests_count, sizeof(struct bytes)));
    }
    load.latencies_us10 = must(malloc(LATENCIES_MAX * sizeof(uint32_t)));
    load.connections = must(calloc((size_t)options->connections, sizeof(struct connection)));
    for (long i = 0; i < options->connections; i++) {
        dial(&load, &load.connections[i]);
    }
    uint64_t start_ns = now_ns();
    uint64_t warm_ns = once ? 0 : (uint64_t)(options->warmup_sec * 1e9);
    load.stop_ns = once ? UINT64_MAX : start_ns + warm_ns + (uint64_t)(options->duration_sec * 1e9);
    load.measuring = once;
    for (long i = 0; i < options->connections; i++) {
        begin(&load, &load.connections[i]);
    }
    run(&load, start_ns + warm_ns);
    load.measuring = true;
    load.begun_ns = now_ns();
    double server_cpu = cpu_sec_of(options->pid);
    double own_cpu = own_cpu_sec();
    run(&load, UINT64_MAX);
    double seconds = (double)(now_ns() - load.begun_ns) / 1e9;
    server_cpu = cpu_sec_of(options->pid) - server_cpu;
    own_cpu = own_cpu_sec() - own_cpu;
    qsort(load.latencies_us10, load.latencies_count, sizeof(uint32_t), by_value);
    if (options->save != NULL) {
        save(&load);
    }
    (void)printf(
        "{\"path\":\"%s\",\"connections\":%ld,\"seconds\":%.3f,\"requests\":%zu,"
        "\"errors\":%zu,\"requests_per_sec\":%.1f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,"
        "\"p99_ms\":%.3f,\"max_ms\":%.3f,\"client_cpu_sec\":%.3f,\"server_cpu_sec\":%.3f}\n",
        options->path, options->connections, seconds, load.done, load.failed,
        (double)load.done / seconds, percentile_ms(&load, 0.5), percentile_ms(&load, 0.9),
        percentile_ms(&load, 0.99), percentile_ms(&load, 1.0), own_cpu, server_cpu);
    return load.failed > 0 ? 1 : 0;
}
