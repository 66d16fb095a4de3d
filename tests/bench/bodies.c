/* Request bodies out of a file of vectors: a row becomes a query, or some rows an upsert. Numbers
 * have nine digits, which is what it takes to keep a float32 exactly. Threads: one. Failures: no
 * memory ends the program, as everywhere in these tools. */
#include "tests/bench/bodies.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 10, NUMBER_SIZE_MAX = 24, HEAD_SIZE_MAX = 96 };

static void *must(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "bodies: no memory\n");
        exit(1);
    }
    return memory;
}

/* The caller has made room. */
__attribute__((format(printf, 2, 3))) static void add(struct bodies *bodies, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    int size =
        vsnprintf(bodies->text + bodies->size, bodies->capacity - bodies->size, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= bodies->capacity - bodies->size) {
        (void)fprintf(stderr, "bodies: no room for a number\n");
        exit(1);
    }
    bodies->size += (size_t)size;
}

static void add_row(struct bodies *bodies)
{
    for (size_t i = 0; i < bodies->options.dim; i++) {
        add(bodies, "%c%.9g", i > 0 ? ',' : '[', (double)bodies->row[i]);
    }
    add(bodies, "]");
}

static bool read_row(struct bodies *bodies)
{
    size_t dim = bodies->options.dim;
    return fread(bodies->row, sizeof(float), dim, bodies->file) == dim;
}

bool bodies_open(struct bodies *bodies, const struct bodies_options *options)
{
    *bodies = (struct bodies){.options = *options, .file = fopen(options->path, "rb")};
    if (bodies->file == NULL) {
        return false;
    }
    size_t rows = options->batch > 0 ? options->batch : 1;
    bodies->capacity = rows * (options->dim * NUMBER_SIZE_MAX + HEAD_SIZE_MAX) + HEAD_SIZE_MAX;
    bodies->row = must(malloc(options->dim * sizeof(float)));
    bodies->text = must(malloc(bodies->capacity));
    return true;
}

static bool next_query(struct bodies *bodies)
{
    if (!read_row(bodies)) {
        return false;
    }
    add(bodies, "{\"limit\":%d,\"params\":{\"hnsw_ef\":%ld},\"query\":", LIMIT, bodies->options.ef);
    add_row(bodies);
    add(bodies, "}");
    return true;
}

static bool next_upsert(struct bodies *bodies)
{
    size_t rows = 0;
    add(bodies, "{\"points\":[");
    for (; rows < bodies->options.batch && read_row(bodies); rows++) {
        add(bodies, "%s{\"id\":%zu,\"vector\":", rows > 0 ? "," : "", bodies->next_row++);
        add_row(bodies);
        add(bodies, "}");
    }
    add(bodies, "]}");
    return rows > 0;
}

bool bodies_next(struct bodies *bodies, const char **text, size_t *size)
{
    bodies->size = 0;
    if (!(bodies->options.batch > 0 ? next_upsert(bodies) : next_query(bodies))) {
        return false;
    }
    *text = bodies->text;
    *size = bodies->size;
    return true;
}

void bodies_close(struct bodies *bodies)
{
    (void)fclose(bodies->file);
    free(bodies->row);
    free(bodies->text);
}
