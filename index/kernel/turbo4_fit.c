/* Choosing the codes of a vector: the scale decides which level each coordinate gets, so scales are
 * tried and the best is kept.
 *
 * A trial gives every coordinate its nearest level; the scale that fits those levels best by least
 * squares starts the next trial (Lloyd's iteration for one vector). It goes downhill to the nearest
 * valley, so there are a few starts. With 64 dimensions this loses a fifth less of the direction
 * than one trial, with 768 a thirtieth. Loops take four values at a time, which all processors
 * can; what the padding adds comes off. No state, no failures.
 */
#include "index/kernel/turbo4.h"
#include "storage/base/assert.h"

enum { LANES = TURBO4_PAD, PASSES = 2, PLAIN_PASSES = 3 };
#define FLOATS float __attribute__((vector_size(LANES * sizeof(float))))
#define INTS   int32_t __attribute__((vector_size(LANES * sizeof(float))))

/* Half way between neighbours of the positive levels, and how much higher the next one is. */
static const float bounds[] = {6.0f, 12.0f, 18.5f, 25.5f, 33.5f, 43.0f, 56.0f};
static const float rises[] = {6.0f, 6.0f, 7.0f, 7.0f, 9.0f, 10.0f, 16.0f};
enum { BOUNDS = sizeof bounds / sizeof bounds[0], LEVEL_LEAST = 3 };

/* What one trial gives: sums over magnitudes and their levels. */
struct trial {
    double products, squares;
};

static struct trial try_rotated(const float *values, size_t count, float inverse)
{
    FLOATS products = {0};
    FLOATS squares = {0};
    size_t padded = turbo4_padded(count);
    for (size_t i = 0; i < padded; i += LANES) {
        FLOATS value;
        memcpy(&value, values + i, sizeof value);
        FLOATS magnitude = (FLOATS)((INTS)value & INT32_MAX);
        FLOATS scaled = magnitude * inverse;
        FLOATS level = (FLOATS){0} + LEVEL_LEAST;
        for (size_t b = 0; b < BOUNDS; b++) {
            FLOATS rise = (FLOATS){0} + rises[b];
            level += (FLOATS)((INTS)rise & (scaled > bounds[b]));
        }
        products += magnitude * level;
        squares += level * level;
    }
    struct trial sums = {.squares = -LEVEL_LEAST * LEVEL_LEAST * (double)(padded - count)};
    for (size_t lane = 0; lane < LANES; lane++) {
        sums.products += (double)products[lane];
        sums.squares += (double)squares[lane];
    }
    return sums;
}

float turbo4_fit_rotated(const float *values, size_t count, uint8_t *codes)
{
    /* Where the largest level is: the one of a normal distribution is at 2.73 deviations. A few
     * coordinates that stand out are better met by the largest of them. */
    static const struct {
        double deviations, peaks;
    } starts[] = {
        {0.8 * 2.73, 0.0}, {0.95 * 2.73, 0.0}, {1.1 * 2.73, 0.0}, {0.0, 0.85}, {0.0, 1.0}};
    double squares = 0.0;
    float peak = 0.0f;
    for (size_t i = 0; i < count; i++) {
        float magnitude = fabsf(values[i]);
        squares += (double)magnitude * (double)magnitude;
        peak = magnitude > peak ? magnitude : peak;
    }
    ASSERT(squares > 0.0);
    double deviation = sqrt(squares / (double)count);
    double best = 0.0;
    double best_scale = 1.0;
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        double most = starts[s].deviations * deviation + starts[s].peaks * (double)peak;
        double scale = most / TURBO4_LEVEL_MOST;
        for (int pass = 0; pass < PASSES; pass++) {
            struct trial trial = try_rotated(values, count, (float)(1.0 / scale));
            double quality = trial.products * trial.products / trial.squares;
            if (quality > best) {
                best = quality;
                best_scale = scale;
            }
            scale = trial.products / trial.squares;
        }
    }
    float inverse = (float)(1.0 / best_scale);
    static const int8_t levels[] = {TURBO4_LEVEL_LIST};
    int64_t own = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t place = 0;
        for (size_t b = 0; b < BOUNDS; b++) {
            place += fabsf(values[i]) * inverse > bounds[b];
        }
        codes[i] = (uint8_t)(values[i] < 0.0f ? 7 - place : 8 + place);
        own += levels[codes[i]] * levels[codes[i]];
    }
    return (float)sqrt(squares / (double)own);
}

/* ---- as they are ---- */

struct plain_trial {
    double levels, squares, products; /* of levels; with values */
};

static const float MOST_LEVEL = TURBO4_LEVELS - 1;

/* The level as a whole number, for a value that is already in steps from the base. */
static inline float plain_level(float steps)
{
    float level = steps + 0.5f;
    level = level > 0.0f ? level : 0.0f;
    level = level < MOST_LEVEL ? level : MOST_LEVEL;
    return (float)(int32_t)level;
}

static struct plain_trial try_plain(const float *values, size_t count, struct turbo4_grid grid)
{
    FLOATS levels = {0};
    FLOATS squares = {0};
    FLOATS products = {0};
    float inverse = 1.0f / grid.scale;
    size_t padded = turbo4_padded(count);
    for (size_t i = 0; i < padded; i += LANES) {
        FLOATS value;
        memcpy(&value, values + i, sizeof value);
        FLOATS level = (value - grid.base) * inverse + 0.5f;
        level = (FLOATS)((INTS)level & (level > 0.0f));
        INTS above = level > MOST_LEVEL;
        level = (FLOATS)(((INTS)level & ~above) | ((INTS)((FLOATS){0} + MOST_LEVEL) & above));
        level = __builtin_convertvector(__builtin_convertvector(level, INTS), FLOATS);
        levels += level;
        squares += level * level;
        products += level * value;
    }
    double none = (double)plain_level(-grid.base * inverse); /* of what pads */
    double pads = (double)(padded - count);
    struct plain_trial sums = {.levels = -none * pads, .squares = -none * none * pads};
    for (size_t lane = 0; lane < LANES; lane++) {
        sums.levels += (double)levels[lane];
        sums.squares += (double)squares[lane];
        sums.products += (double)products[lane];
    }
    return sums;
}

/* The grid that fits the levels of a trial best, and how much of the squares it leaves. */
static struct turbo4_grid refit(struct plain_trial t, double sum, double squares, double count,
                                double *error)
{
    double divisor = count * t.squares - t.levels * t.levels;
    double scale = divisor > 0.0 ? (count * t.products - t.levels * sum) / divisor : 0.0;
    double base = (sum - scale * t.levels) / count;
    *error = squares - base * sum - scale * t.products;
    return (struct turbo4_grid){.scale = (float)scale, .base = (float)base};
}

struct turbo4_grid turbo4_fit_plain(const float *values, size_t count, uint8_t *codes)
{
    static const float parts[] = {1.0f, 0.85f, 0.7f}; /* of the range; few values are at its ends */
    float least = values[0];
    float most = values[0];
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        least = fminf(least, values[i]);
        most = fmaxf(most, values[i]);
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    struct turbo4_grid best = {0};
    double best_error = (double)INFINITY;
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        float cut = (1.0f - parts[p]) / 2.0f * (most - least);
        struct turbo4_grid grid = {.scale = (most - least) * parts[p] / (TURBO4_LEVELS - 1),
                                   .base = least + cut};
        for (int pass = 0; pass < PLAIN_PASSES && grid.scale > 0.0f; pass++) {
            double error;
            struct plain_trial trial = try_plain(values, count, grid);
            grid = refit(trial, sum, squares, (double)count, &error);
            if (error < best_error && grid.scale > 0.0f) {
                best_error = error;
                best = grid;
            }
        }
    }
    float inverse = best.scale > 0.0f ? 1.0f / best.scale : 0.0f;
    for (size_t i = 0; i < count; i++) {
        codes[i] = (uint8_t)plain_level((values[i] - best.base) * inverse);
    }
    return best;
}
