/* JSON numbers: read as written, compared without rounding.
 *
 * Digits without point or exponent that fit 64 bits stay integers. A real with at most 19 digits
 * whose mantissa is below 2^53 and whose power of ten is within 10^22 is one exact multiplication
 * or division (Clinger, "How to read floating point numbers accurately", 1990); all others go to
 * strtod. Pure functions; the process keeps the C locale. */
#include "index/payload/json_view.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum { DIGITS_EXACT_MAX = 19, POWER_EXACT_MAX = 22, EXPONENT_MAX = 100000, TEXT_BYTES_MAX = 128 };

struct parts {
    uint64_t mantissa;
    unsigned digits_count; /* significant ones, leading zeros not counted */
    int exponent;          /* power of ten of the mantissa */
    bool negative, is_real, overflow;
};

static void add_digit(struct parts *parts, uint8_t digit)
{
    if (__builtin_mul_overflow(parts->mantissa, UINT64_C(10), &parts->mantissa) ||
        __builtin_add_overflow(parts->mantissa, (uint64_t)digit, &parts->mantissa))
        parts->overflow = true;
    if (parts->mantissa != 0 || parts->overflow)
        parts->digits_count++;
}

static int read_exponent(const uint8_t *at, const uint8_t *end)
{
    bool negative = at < end && *at == '-';
    int value = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    for (; at < end && *at >= '0' && *at <= '9' && value < EXPONENT_MAX; at++)
        value = value * 10 + (*at - '0');
    return negative ? -value : value;
}

static struct parts read_parts(struct slice text)
{
    struct parts parts = {0};
    const uint8_t *at = text.data, *end = at + text.size;
    if (at < end && *at == '-') {
        parts.negative = true;
        at++;
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        add_digit(&parts, (uint8_t)(*at - '0'));
    if (at < end && *at == '.') {
        parts.is_real = true;
        for (at++; at < end && *at >= '0' && *at <= '9'; at++) {
            add_digit(&parts, (uint8_t)(*at - '0'));
            if (parts.exponent > -EXPONENT_MAX)
                parts.exponent--;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        parts.is_real = true;
        parts.exponent += read_exponent(at + 1, end);
    }
    return parts;
}

static double read_slowly(struct slice text)
{
    char local[TEXT_BYTES_MAX];
    char *copy = text.size < sizeof(local) ? local : mem_alloc(text.size + 1);
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    double value = strtod(copy, NULL);
    if (copy != local)
        mem_free(copy);
    return value;
}

static double read_real(struct slice text, const struct parts *parts)
{
    static const double powers[POWER_EXACT_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool exact = !parts->overflow && parts->digits_count <= DIGITS_EXACT_MAX &&
                 parts->mantissa <= (UINT64_C(1) << 53) && parts->exponent >= -POWER_EXACT_MAX &&
                 parts->exponent <= POWER_EXACT_MAX;
    if (!exact)
        return read_slowly(text);
    double value = (double)parts->mantissa;
    if (parts->exponent < 0)
        value /= powers[-parts->exponent];
    else
        value *= powers[parts->exponent];
    return parts->negative ? -value : value;
}

struct json_number json_view_number(struct json_view number)
{
    enum { SIGNED_MAX_PLUS_1_SHIFT = 63 };
    const uint64_t limit = UINT64_C(1) << SIGNED_MAX_PLUS_1_SHIFT;
    ASSERT(json_view_kind(number) == JSON_NUMBER);
    struct parts parts = read_parts(number.text);
    struct json_number out = {.kind = NUMBER_SIGNED};
    if (parts.is_real || parts.overflow || (parts.negative && parts.mantissa > limit)) {
        out.kind = NUMBER_REAL;
        out.real_value = read_real(number.text, &parts);
    } else if (parts.negative) {
        /* Two steps, so that INT64_MIN needs no overflow. */
        out.signed_value = parts.mantissa == 0 ? 0 : -(int64_t)(parts.mantissa - 1) - 1;
    } else if (parts.mantissa < limit) {
        out.signed_value = (int64_t)parts.mantissa;
    } else {
        out.kind = NUMBER_UNSIGNED;
        out.unsigned_value = parts.mantissa;
    }
    return out;
}

static int order_real(double a, double b)
{
    return (a > b) - (a < b);
}

/* Cut towards zero, the real becomes an integer that a double holds exactly; what was cut off
 * decides a tie. */
static int compare_signed_real(int64_t integer, double real)
{
    if (real >= 0x1p63)
        return -1;
    if (real < -0x1p63)
        return 1;
    int64_t whole = (int64_t)real;
    if (integer != whole)
        return integer > whole ? 1 : -1;
    return order_real((double)whole, real);
}

static int compare_unsigned_real(uint64_t integer, double real)
{
    if (real >= 0x1p64)
        return -1;
    if (real < 0x1p63) /* an unsigned number is above INT64_MAX */
        return 1;
    uint64_t whole = (uint64_t)real;
    if (integer != whole)
        return integer > whole ? 1 : -1;
    return order_real((double)whole, real);
}

static int compare_integers(struct json_number a, struct json_number b)
{
    if (a.kind != b.kind)
        return a.kind == NUMBER_UNSIGNED ? 1 : -1;
    if (a.kind == NUMBER_SIGNED)
        return (a.signed_value > b.signed_value) - (a.signed_value < b.signed_value);
    return (a.unsigned_value > b.unsigned_value) - (a.unsigned_value < b.unsigned_value);
}

static int compare_with_real(struct json_number integer, double real)
{
    return integer.kind == NUMBER_SIGNED ? compare_signed_real(integer.signed_value, real)
                                         : compare_unsigned_real(integer.unsigned_value, real);
}

/* A small number may come marked unsigned from outside; one number has one form. */
static struct json_number normalise(struct json_number number)
{
    if (number.kind == NUMBER_UNSIGNED && number.unsigned_value <= INT64_MAX)
        return (struct json_number){.kind = NUMBER_SIGNED,
                                    .signed_value = (int64_t)number.unsigned_value};
    return number;
}

int json_number_compare(struct json_number a, struct json_number b)
{
    a = normalise(a);
    b = normalise(b);
    if (a.kind == NUMBER_REAL && b.kind == NUMBER_REAL)
        return order_real(a.real_value, b.real_value);
    if (b.kind == NUMBER_REAL)
        return compare_with_real(a, b.real_value);
    if (a.kind == NUMBER_REAL)
        return -compare_with_real(b, a.real_value);
    return compare_integers(a, b);
}
