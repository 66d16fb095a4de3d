/* Reading points in time, by hand: the forms are few, and the C library's parser knows neither
 * fractions nor offsets.
 *
 * One cursor runs over the text from left to right; each reader moves it or fails. Pure functions;
 * any thread. */
#include "index/payload/datetime.h"

enum { TEXT_BYTES_MAX = 256 };

struct cursor {
    const uint8_t *at, *end;
};
struct civil {
    int year, month, day, hour, minute, second;
    int64_t fraction_us;
    int offset_minutes;
};

static bool is_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static bool read_number(struct cursor *cursor, int digits_min, int digits_max, int *out)
{
    int value = 0, digits_count = 0;
    for (; digits_count < digits_max && is_digit(cursor); digits_count++)
        value = value * 10 + (*cursor->at++ - '0');
    *out = value;
    return digits_count >= digits_min;
}

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != (uint8_t)c)
        return false;
    cursor->at++;
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool read_date(struct cursor *cursor, struct civil *out)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!read_number(cursor, 4, 4, &out->year) || !take(cursor, '-') ||
        !read_number(cursor, 1, 2, &out->month) || !take(cursor, '-') ||
        !read_number(cursor, 1, 2, &out->day))
        return false;
    if (out->year < 1 || out->month < 1 || out->month > 12 || out->day < 1)
        return false;
    return out->day <= days[out->month - 1] + (out->month == 2 && is_leap(out->year) ? 1 : 0);
}

static bool read_fraction(struct cursor *cursor, struct civil *out)
{
    int64_t scale_us = 100000;
    if (!is_digit(cursor))
        return false;
    for (; is_digit(cursor); cursor->at++) {
        out->fraction_us += (*cursor->at - '0') * scale_us;
        scale_us /= 10;
    }
    return true;
}

static bool read_offset(struct cursor *cursor, struct civil *out)
{
    (void)take(cursor, ' ');
    if (cursor->at == cursor->end)
        return false;
    if (take(cursor, 'Z') || take(cursor, 'z'))
        return true;
    if (take(cursor, 'U'))
        return take(cursor, 'T') && take(cursor, 'C') && cursor->at[-4] == ' ';
    int sign = *cursor->at == '-' ? -1 : 1;
    int hours, minutes = 0;
    if (!take(cursor, '+') && !take(cursor, '-'))
        return false;
    if (!read_number(cursor, 2, 2, &hours) || hours > 23)
        return false;
    bool colon = take(cursor, ':');
    if ((colon || is_digit(cursor)) && (!read_number(cursor, 2, 2, &minutes) || minutes > 59))
        return false;
    out->offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

/* Behind the date: nothing, or a time; an offset needs seconds before it. */
static bool read_time(struct cursor *cursor, struct civil *out)
{
    if (cursor->at == cursor->end)
        return true;
    if (!take(cursor, 'T') && !take(cursor, ' '))
        return false;
    if (!read_number(cursor, 1, 2, &out->hour) || !take(cursor, ':') ||
        !read_number(cursor, 1, 2, &out->minute) || out->hour > 23 || out->minute > 59)
        return false;
    if (cursor->at == cursor->end)
        return true;
    if (!take(cursor, ':') || !read_number(cursor, 1, 2, &out->second) || out->second > 59)
        return false;
    if (take(cursor, '.') && !read_fraction(cursor, out))
        return false;
    return cursor->at == cursor->end || (read_offset(cursor, out) && cursor->at == cursor->end);
}

/* Days from 1970-01-01 in the Gregorian calendar, counting years from March so that the leap day is
 * the last. */
static int64_t days_of(const struct civil *civil)
{
    enum { DAYS_TO_EPOCH = 719468, DAYS_PER_400_YEARS = 146097 };
    int64_t year = civil->year - (civil->month <= 2 ? 1 : 0);
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = civil->month > 2 ? civil->month - 3 : civil->month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + civil->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_400_YEARS + day_of_era - DAYS_TO_EPOCH;
}

bool datetime_parse(struct slice text, int64_t *out_us)
{
    struct cursor cursor = {.at = text.data, .end = text.data + text.size};
    struct civil civil = {0};
    while (cursor.at < cursor.end &&
           (*cursor.at == ' ' || (*cursor.at >= '\t' && *cursor.at <= '\r')))
        cursor.at++;
    if (!read_date(&cursor, &civil) || !read_time(&cursor, &civil))
        return false;
    int64_t seconds = days_of(&civil) * 86400 + civil.hour * 3600 + civil.minute * 60 +
                      civil.second - civil.offset_minutes * 60;
    *out_us = seconds * 1000000 + civil.fraction_us;
    return true;
}

bool datetime_of_value(struct json_view value, int64_t *out_us)
{
    uint8_t text[TEXT_BYTES_MAX];
    if (json_view_kind(value) != JSON_STRING)
        return false;
    struct slice raw = json_view_raw_string(value);
    if (raw.size > sizeof(text))
        return false;
    return datetime_parse(slice_of(text, json_string_unescape(raw, text)), out_us);
}
