/* Fuzz target: every reader and the finder on the same bytes. Beyond not crashing, what is read must survive its
 * canonical text: write, parse, write gives the same again; spans lie in the text, in order. */
#include "value/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
  if (!ok) abort();
}

static void check_moment(const value_datetime *t) {
  char text[VALUE_TEXT_BOUND], again[VALUE_TEXT_BOUND];
  value_datetime back;
  if (!t->has_date && !t->has_time) return;
  require(!t->has_date || value_date_exists(t->date));
  value_write_datetime(t, text);
  require(value_parse_datetime(base_slice_of(text), &back, NULL) == BASE_OK);
  value_write_datetime(&back, again);
  require(strcmp(text, again) == 0);
}

static void check_duration(value_duration d) {
  char text[VALUE_TEXT_BOUND], again[VALUE_TEXT_BOUND];
  value_duration back;
  value_write_duration(d, text);
  if (d.months < 0 || d.days < 0 || d.seconds < 0) return;
  require(value_parse_duration(base_slice_of(text), &back, NULL) == BASE_OK);
  value_write_duration(back, again);
  require(strcmp(text, again) == 0);
}

static void check_recurrence(const value_recurrence *v) {
  char text[VALUE_TEXT_BOUND], again[VALUE_TEXT_BOUND];
  value_recurrence back;
  value_write_recurrence(v, text);
  require(value_parse_recurrence(base_slice_of(text), &back, NULL) == BASE_OK);
  value_write_recurrence(&back, again);
  require(strcmp(text, again) == 0);
}

static void check_decimal(value_decimal v) {
  char text[VALUE_TEXT_BOUND], again[VALUE_TEXT_BOUND];
  value_decimal back;
  value_write_decimal(v, text);
  if (strlen(text) > 17) return; /* past 18 digits the reader refuses what the writer may write */
  require(value_read_number(base_slice_of(text), &back, NULL) == BASE_OK);
  value_write_decimal(back, again);
  require(strcmp(text, again) == 0);
}

static void read_times(base_slice s, const value_context *cx) {
  char say[VALUE_SAY_BOUND];
  value_datetime t;
  value_time clock;
  value_date day;
  value_interval span;
  value_duration d;
  value_recurrence rule;
  if (value_read_datetime(s, cx, &t, NULL) == BASE_OK) {
    check_moment(&t);
    value_say_datetime(&t, cx, say);
    value_datetime now = cx->now;
    if (!t.has_time) now.time = t.time = (value_time){0, 0, 0};
    require(cx->resolve != VALUE_FUTURE || value_compare(&t, &now) >= 0);
  }
  value_read_time(s, cx, &clock, NULL);
  value_read_date(s, cx, &day, NULL);
  if (value_read_interval(s, cx, &span, NULL) == BASE_OK) {
    if (span.has_start) check_moment(&span.start);
    if (span.has_end) check_moment(&span.end);
  }
  if (value_read_duration(s, &d, NULL) == BASE_OK) {
    check_duration(d);
    value_say_duration(d, say);
  }
  if (value_read_recurrence(s, cx, &rule, NULL) == BASE_OK) {
    value_say_recurrence(&rule, say);
    require(rule.freq != VALUE_FREQ_NONE && rule.interval >= 1);
    check_recurrence(&rule);
  }
  if (value_parse_recurrence(s, &rule, NULL) == BASE_OK) check_recurrence(&rule);
}

static void read_amounts(base_slice s, const value_context *cx) {
  char text[512];
  value_decimal v;
  value_money m, m2;
  value_quantity q;
  int64_t n;
  if (value_read_number(s, &v, NULL) == BASE_OK) check_decimal(v);
  if (value_read_percent(s, &v, NULL) == BASE_OK) check_decimal(v);
  value_read_integer(s, &n, NULL);
  value_read_ordinal(s, &n, NULL);
  if (value_read_temperature(s, &q, NULL) == BASE_OK) check_decimal(q.amount);
  if (value_read_money(s, cx, &m, NULL) == BASE_OK) {
    value_write_money(&m, text);
    if (strlen(text) < 20)
      require(value_read_money(base_slice_of(text), cx, &m2, NULL) == BASE_OK && m.minor == m2.minor &&
              strcmp(m.currency, m2.currency) == 0);
    value_say_money(&m, text);
  }
  value_read_phone(s, text, 8, NULL);
  value_read_phone(s, text, sizeof text, NULL);
  value_read_email(s, text, sizeof text, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  value_context cx = {
      .now = {{2026, 1 + data[0] % 12, 1 + data[1] % 28}, {data[0] % 24, data[1] % 60, 0}, true, true},
      .default_currency = "USD"};
  cx.resolve = (value_resolve)(data[0] / 16 % 3);
  cx.morning = data[1] >= 128;
  base_slice s = {(const char *)data + 2, size - 2};
  read_times(s, &cx);
  read_amounts(s, &cx);
  value_found found[64];
  size_t n = value_find(s, ~0u, &cx, found, 64), last = 0;
  for (size_t i = 0; i < n; i++) {
    require(found[i].start >= last && found[i].start < found[i].end && found[i].end <= s.len);
    last = found[i].end;
    if (found[i].kind == VALUE_DURATION) check_duration(found[i].as.duration);
    if (found[i].kind == VALUE_DATE || found[i].kind == VALUE_DATETIME || found[i].kind == VALUE_TIME)
      check_moment(&found[i].as.datetime);
  }
  return 0;
}
