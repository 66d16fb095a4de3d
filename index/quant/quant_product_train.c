/* Training of product codes: k-means for each group of dimensions.
 *
 * Groups are independent of each other: threads claim them one by one, and what comes out depends
 * on the sample and the seed alone. Within a group: start words are rows of the sample; each pass
 * assigns all values to their nearest word and moves words to the means; a word that got nothing
 * takes the place of the value that lies farthest from its word. Passes end early when nothing
 * moves. CANCELLED is looked for between passes.
 */
#include "index/quant/quant_product.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <pthread.h>
#include <string.h>

enum { ROWS_MAX = 8192, PASSES = 12, THREADS_MAX = 256 };

struct pass {
    const struct product *product;
    const struct sample *sample;
    size_t rows_count;
    const float *rows; /* rows_count x dim */
    atomic_size_t claimed;
};
/* One group's working memory. */
struct group_training {
    float *values; /* rows_count x dims */
    uint32_t *assigned;
    float *distances;
    size_t rows_count, dims;
    float *words;
};

static void set_word(const struct group_training *training, size_t word, const float *values)
{
    for (size_t d = 0; d < training->dims; d++) {
        training->words[d * CODEWORDS + word] = values[d];
    }
}

static void choose_start(const struct group_training *training, uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    /* Rows from even parts of the sample: the same row twice only when there are too few. */
    for (size_t word = 0; word < CODEWORDS; word++) {
        size_t from = word * training->rows_count / CODEWORDS;
        size_t until = (word + 1) * training->rows_count / CODEWORDS;
        size_t row = from + (until > from ? (size_t)random_below(&random, until - from) : 0);
        set_word(training, word, training->values + row * training->dims);
    }
}

/* True when an assignment changed. */
static bool assign(const struct group_training *training, code_nearest *nearest)
{
    bool changed = false;
    for (size_t i = 0; i < training->rows_count; i++) {
        uint32_t word = nearest(training->values + i * training->dims, training->dims,
                                training->words, &training->distances[i]);
        changed |= word != training->assigned[i];
        training->assigned[i] = word;
    }
    return changed;
}

/* The value farthest from its word; it counts as taken afterwards. */
static const float *take_farthest(const struct group_training *training)
{
    size_t farthest = 0;
    for (size_t i = 1; i < training->rows_count; i++) {
        farthest = training->distances[i] > training->distances[farthest] ? i : farthest;
    }
    training->distances[farthest] = 0.0f;
    return training->values + farthest * training->dims;
}

static void move_words(const struct group_training *training)
{
    enum { GROUP_DIM_MAX = 16 };
    double sums[CODEWORDS][GROUP_DIM_MAX];
    size_t counts[CODEWORDS] = {0};
    memset(sums, 0, sizeof sums);
    for (size_t i = 0; i < training->rows_count; i++) {
        uint32_t word = training->assigned[i];
        counts[word]++;
        for (size_t d = 0; d < training->dims; d++) {
            sums[word][d] += (double)training->values[i * training->dims + d];
        }
    }
    for (size_t word = 0; word < CODEWORDS; word++) {
        if (counts[word] == 0) {
            set_word(training, word, take_farthest(training));
            continue;
        }
        for (size_t d = 0; d < training->dims; d++) {
            training->words[d * CODEWORDS + word] = (float)(sums[word][d] / (double)counts[word]);
        }
    }
}

static void train_group(const struct pass *pass, size_t group)
{
    const struct product *product = pass->product;
    struct group_training training = {
        .rows_count = pass->rows_count,
        .dims = group_dims(product, group),
        .words = group_words(product, group),
    };
    size_t dim = pass->sample->dim;
    training.values = mem_alloc(training.rows_count * training.dims * sizeof(float));
    training.assigned = mem_alloc(training.rows_count * sizeof *training.assigned);
    training.distances = mem_alloc(training.rows_count * sizeof *training.distances);
    for (size_t i = 0; i < training.rows_count; i++) {
        memcpy(training.values + i * training.dims,
               pass->rows + i * dim + group * product->group_dim, training.dims * sizeof(float));
        training.assigned[i] = UINT32_MAX;
    }
    choose_start(&training, pass->sample->training->seed + group);
    for (int p = 0; p < PASSES && !sample_cancelled(pass->sample); p++) {
        if (!assign(&training, product->nearest)) {
            break;
        }
        move_words(&training);
    }
    mem_free(training.distances);
    mem_free(training.assigned);
    mem_free(training.values);
}

static void *train_groups(void *ctx)
{
    struct pass *pass = ctx;
    for (;;) {
        size_t group = atomic_fetch_add_explicit(&pass->claimed, 1, memory_order_relaxed);
        if (group >= pass->product->groups || sample_cancelled(pass->sample)) {
            return NULL;
        }
        train_group(pass, group);
    }
}

enum status product_train(struct quantizer *quantizer, const struct sample *sample,
                          struct error *err)
{
    struct pass pass = {
        .product = (const struct product *)(const void *)quantizer,
        .sample = sample,
        .rows_count = sample->count < ROWS_MAX ? sample->count : ROWS_MAX,
    };
    size_t bytes = pass.rows_count * sample->dim * sizeof(float);
    float *rows = mem_try_alloc(bytes);
    if (rows == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory for a sample of %zu bytes", bytes);
    }
    for (size_t i = 0; i < pass.rows_count; i++) {
        sample_row(sample, i * sample->count / pass.rows_count, rows + i * sample->dim);
    }
    pass.rows = rows;
    uint32_t wanted = sample->training->threads;
    wanted = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    pthread_t threads[THREADS_MAX];
    uint32_t started = 0;
    while (started + 1 < wanted &&
           pthread_create(&threads[started], NULL, train_groups, &pass) == 0) {
        started++;
    }
    train_groups(&pass);
    for (uint32_t t = 0; t < started; t++) {
        pthread_join(threads[t], NULL);
    }
    mem_free(rows);
    if (sample_cancelled(sample)) {
        return error_set(err, STATUS_CANCELLED, "training of a quantizer was cancelled");
    }
    return STATUS_OK;
}
