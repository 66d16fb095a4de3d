/* Z-order keys of places. Pure functions; nothing fails. */
#include "index/field/geo_key.h"

#include <math.h>

static const double steps = 4294967296.0;  /* of a longitude's 360 degrees, a latitude's 180 */
static const double margin_degrees = 1e-9; /* for the rounding of a place to its step */

/* Puts a zero before each bit. */
static uint64_t spread_bits(uint32_t value)
{
    uint64_t out = value;
    out = (out | out << 16) & UINT64_C(0x0000FFFF0000FFFF);
    out = (out | out << 8) & UINT64_C(0x00FF00FF00FF00FF);
    out = (out | out << 4) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    out = (out | out << 2) & UINT64_C(0x3333333333333333);
    return (out | out << 1) & UINT64_C(0x5555555555555555);
}

static uint32_t gather_bits(uint64_t value)
{
    uint64_t out = value & UINT64_C(0x5555555555555555);
    out = (out | out >> 1) & UINT64_C(0x3333333333333333);
    out = (out | out >> 2) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    out = (out | out >> 4) & UINT64_C(0x00FF00FF00FF00FF);
    out = (out | out >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    return (uint32_t)(out | out >> 16);
}

/* Keys are signed: the lowest code is the least of them. */
static int64_t key_of_code(uint64_t code)
{
    return (int64_t)(code ^ UINT64_C(1) << 63);
}

static uint32_t step_of(double part)
{
    return (uint32_t)fmax(fmin(part * steps, steps - 1), 0);
}

int64_t geo_key(struct geo_point point)
{
    uint32_t x = step_of((point.lon + 180) / 360), y = step_of((point.lat + 90) / 180);
    return key_of_code(spread_bits(x) << 1 | spread_bits(y));
}

struct geo_cell geo_cell_of_key(int64_t key)
{
    return (struct geo_cell){.level = GEO_LEVEL_MAX,
                             .first_code = (uint64_t)key ^ UINT64_C(1) << 63};
}

int64_t geo_cell_low(struct geo_cell cell)
{
    return key_of_code(cell.first_code);
}

int64_t geo_cell_high(struct geo_cell cell)
{
    uint64_t rest = cell.level == 0 ? UINT64_MAX : (UINT64_C(1) << (64 - 2 * cell.level)) - 1;
    return key_of_code(cell.first_code | rest);
}

struct geo_box geo_cell_box(struct geo_cell cell)
{
    double width = 360 / (double)(UINT64_C(1) << cell.level);
    double west = gather_bits(cell.first_code >> 1) * (360 / steps) - 180 - margin_degrees;
    double south = gather_bits(cell.first_code) * (180 / steps) - 90 - margin_degrees;
    double east = west + width + 2 * margin_degrees;
    double north = south + width / 2 + 2 * margin_degrees;
    return (struct geo_box){.west = west > -180 ? west : -180,
                            .south = south > -90 ? south : -90,
                            .east = east < 180 ? east : 180,
                            .north = north < 90 ? north : 90};
}

struct geo_cell geo_cell_quarter(struct geo_cell cell, unsigned quarter)
{
    uint32_t level = cell.level + 1;
    return (struct geo_cell){.level = level,
                             .first_code = cell.first_code | (uint64_t)quarter << (64 - 2 * level)};
}
