/* The inside of value: tokens of a text, the lexicon, and the parsers the readers and the finder share.
 * Every parser has the shape `size_t parse(scan, at, out)`: it reads from token `at` and returns the index
 * behind what it read, 0 when there is nothing of its kind there. Parsers never look further than a fixed
 * number of tokens, so a text of n tokens costs O(n). */
#ifndef VALUE_INTERNAL_H
#define VALUE_INTERNAL_H

#include "value/value.h"

#define VALUE_READ_LIMIT 512  /* bytes a whole-text reader takes */
#define VALUE_FIND_LIMIT 4096 /* bytes a finder looks at */

/* ---- tokens: runs of letters, runs of digits, single signs ---- */
typedef enum value_token_kind { VALUE_T_WORD, VALUE_T_DIGITS, VALUE_T_SIGN } value_token_kind;

typedef struct value_token {
  uint16_t start, len; /* bytes of the text */
  uint16_t lex;        /* index into the lexicon, VALUE_NO_LEX */
  uint8_t kind;
  bool glued; /* no white space before it */
} value_token;
#define VALUE_NO_LEX UINT16_MAX

/* A text being read. `loose`: the whole text is one value (a slot), so a bare "7" may be an hour. */
typedef struct value_scan {
  base_slice text;
  const value_token *tok;
  size_t n;
  bool loose;
  const value_context *cx; /* may be NULL where the kind needs none */
  bool *over;              /* set when something was left unread because no int64 holds it; may be NULL */
} value_scan;

/* ---- lexicon ---- */
typedef enum value_class {
  VALUE_W_NONE,
  VALUE_W_UNIT,     /* 0..9 */
  VALUE_W_TEEN,     /* 10..19 */
  VALUE_W_TENS,     /* 20..90 */
  VALUE_W_SCALE,    /* a power of ten as its exponent: hundred 2, thousand 3, lakh 5 ... */
  VALUE_W_SUFFIX,   /* the same when glued to digits: k, mm, bn */
  VALUE_W_DOZEN,    /* 12, 20 (score) */
  VALUE_W_ORDINAL,  /* first 1 ... also a denominator from 3 on */
  VALUE_W_FRACTIONS,/* thirds 3, halves 2, quarters 4: a denominator in the plural */
  VALUE_W_HALF,     /* a denominator with its own name: half 2, quarter 4 */
  VALUE_W_COUNT,    /* couple 2, few 3, several 3 */
  VALUE_W_MONTH,    /* 1..12 */
  VALUE_W_WEEKDAY,  /* 0 Monday .. 6 */
  VALUE_W_TIMEUNIT, /* value_time_unit */
  VALUE_W_RELDAY,   /* days from today: tomorrow 1 */
  VALUE_W_PART,     /* value_part */
  VALUE_W_MERIDIEM, /* 1 am, 2 pm */
  VALUE_W_CLOCK,    /* a clock time by name, minutes of the day: noon 720 */
  VALUE_W_SHIFT,    /* next 1, this 0, last -1, coming 2, past -2 */
  VALUE_W_EVERY,    /* every, each */
  VALUE_W_OFTEN,    /* daily: a value_freq; biweekly etc. carry interval * 16 */
  VALUE_W_SUFFIXORD,/* st nd rd th */
  VALUE_W_FILLER    /* carries no meaning around a value */
} value_class;

typedef enum value_time_unit {
  VALUE_U_SECOND, VALUE_U_MINUTE, VALUE_U_HOUR, VALUE_U_DAY, VALUE_U_WEEK, VALUE_U_FORTNIGHT, VALUE_U_WEEKEND,
  VALUE_U_MONTH, VALUE_U_QUARTER, VALUE_U_YEAR, VALUE_U_DECADE, VALUE_U_CENTURY
} value_time_unit;

/* Parts of a day: the hour a moment in it defaults to, and its span, are in clock.c. */
typedef enum value_part {
  VALUE_P_NONE, VALUE_P_MORNING, VALUE_P_AFTERNOON, VALUE_P_EVENING, VALUE_P_NIGHT, VALUE_P_TONIGHT,
  VALUE_P_BREAKFAST, VALUE_P_LUNCH, VALUE_P_DINNER, VALUE_P_DAYTIME
} value_part;

typedef struct value_word {
  const char *text;
  uint8_t cls, cls2;
  int16_t val, val2;
} value_word;

size_t value_lexicon_size(void);
const value_word *value_lexicon_at(size_t index);

/* Cuts `text` (at most max_bytes) into tokens; at most max. Returns how many. */
size_t value_scan_text(base_slice text, bool loose, value_token *tok, size_t max);
bool value_is(const value_scan *s, size_t i, value_class cls, int *val);
bool value_word_is(const value_scan *s, size_t i, const char *lower);
bool value_any(const value_scan *s, size_t i, const char *words); /* one of "to|until|till" */
bool value_sign_is(const value_scan *s, size_t i, char c);
bool value_digits(const value_scan *s, size_t i, size_t min_len, size_t max_len, int *out); /* max_len <= 9 */
bool value_glued(const value_scan *s, size_t i); /* token i exists and touches the one before it */
/* words and signs, space separated; last word may be plural */
char value_first(const value_scan *s, size_t i); /* first letter of token i, lower case; 0 behind the end */
size_t value_match(const value_scan *s, size_t at, const char *phrase);
size_t value_skip_sign(const value_scan *s, size_t at, char c); /* at, or behind the sign */

/* What every whole-text reader starts with: checks the size, cuts, drops fillers at both ends. */
typedef struct value_reading {
  value_scan scan;
  size_t at; /* first token that is no filler */
  bool over; /* what scan.over points to */
  value_token tok[VALUE_READ_LIMIT];
} value_reading;
base_status value_reading_open(value_reading *r, base_slice text, const value_context *cx, const char *what,
                               base_error *err);
base_status value_refuse(base_slice text, const char *what, base_error *err);
/* EFORMAT, or ELIMIT when over */
base_status value_reading_refuse(const value_reading *r, const char *what, base_error *err);
void value_over(const value_scan *s);

/* ---- numbers ---- */
typedef struct value_ratio { int64_t num, den; } value_ratio; /* den > 0, lowest terms */
bool value_ratio_make(int64_t num, int64_t den, value_ratio *out);
bool value_ratio_mul(value_ratio a, value_ratio b, value_ratio *out);
bool value_ratio_add(value_ratio a, value_ratio b, value_ratio *out);
bool value_ratio_scaled(value_ratio a, int exponent, value_ratio *out); /* * 10^exponent */
bool value_ratio_to_decimal(value_ratio r, value_decimal *out); /* exact, or 15 significant digits */
bool value_ratio_to_int(value_ratio r, int64_t *out);
int64_t value_pow10(int exponent); /* 0..18 */

size_t value_scan_small(const value_scan *s, size_t at, int *out);            /* words, 0..99 */
size_t value_scan_cardinal(const value_scan *s, size_t at, value_ratio *out); /* no sign, no fraction */
size_t value_scan_number(const value_scan *s, size_t at, value_ratio *out);
/* also "a couple of", "a few" */
size_t value_scan_count(const value_scan *s, size_t at, value_ratio *out);
size_t value_scan_ordinal(const value_scan *s, size_t at, int64_t *out);
size_t value_scan_percent(const value_scan *s, size_t at, value_ratio *out);

/* ---- amounts with a unit ---- */
size_t value_scan_money(const value_scan *s, size_t at, value_money *out);
size_t value_scan_temperature(const value_scan *s, size_t at, value_quantity *out);
size_t value_scan_dimension(const value_scan *s, size_t at, value_quantity *out);
size_t value_scan_age(const value_scan *s, size_t at, value_quantity *out);

/* ---- time ---- */
size_t value_scan_duration(const value_scan *s, size_t at, value_duration *out);
bool value_duration_of(value_ratio amount, value_time_unit unit, value_duration *out);

/* What was said about a moment, before "now" settles the rest. */
enum {
  VALUE_H_DATE = 1,     /* `days` is the day itself */
  VALUE_H_MONTH = 2, VALUE_H_DAY = 4, VALUE_H_YEAR = 8, VALUE_H_WEEKDAY = 16,
  VALUE_H_CLOCK = 32, VALUE_H_PART = 64,
  VALUE_H_WEEK = 128,   /* `week` weeks from this one, for a weekday */
  VALUE_H_MOMENT = 256, /* `moment` is the whole answer */
  VALUE_H_MONTHS = 512  /* `month_shift` months from this one, for a day of the month */
};
typedef struct value_when {
  unsigned has;
  int64_t days;
  int year, month, day, weekday;
  int shift; /* of the weekday, as VALUE_W_SHIFT; 99 bare */
  int week, month_shift;
  int hour, minute, second;
  int meridiem; /* 0 not said, 1 am, 2 pm, 3 does not matter (24-hour clock) */
  value_part part;
  int part_slice; /* 1 early, 3 late: half of the part */
  value_datetime moment;
} value_when;

size_t value_scan_meridiem(const value_scan *s, size_t at, int *out);
size_t value_scan_clock(const value_scan *s, size_t at, value_when *w);
size_t value_scan_part(const value_scan *s, size_t at, value_when *w);
size_t value_scan_day(const value_scan *s, size_t at, value_when *w);
size_t value_scan_when(const value_scan *s, size_t at, value_when *w); /* day and clock in any order */
bool value_when_settle(const value_when *w, const value_scan *s, value_datetime *out);
bool value_when_day(const value_when *w, const value_scan *s, int64_t *days);
void value_part_span(value_part part, int *start_hour, int *end_hour);
int value_part_hour(value_part part);
value_when value_when_merge(const value_when *a, const value_when *b);
size_t value_scan_year(const value_scan *s, size_t at, int *out);
/* A stretch of the calendar; `yearless`: a month whose year was settled from now alone. */
typedef struct value_period {
  value_interval span;
  int unit;  /* value_time_unit where it is one */
  int month; /* 1..12 when a month was named */
  int slice; /* 0 whole, 1 early, 2 mid, 3 late, 4 earlier, 5 later */
  bool yearless;
} value_period;
size_t value_scan_period(const value_scan *s, size_t at, value_period *out);
bool value_period_month(int month, int year, value_period *out);
bool value_period_days(value_period *out, int64_t from, int64_t to); /* false when empty */
size_t value_scan_stretch(const value_scan *s, size_t at, value_interval *out); /* only a slot has these */
size_t value_scan_interval(const value_scan *s, size_t at, value_interval *out);
size_t value_scan_recurrence(const value_scan *s, size_t at, value_recurrence *out);

int64_t value_today(const value_scan *s);
value_datetime value_at(int64_t days, int seconds); /* both parts; seconds may leave the day */

#endif
