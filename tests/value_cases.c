/* Reads lines "kind<TAB>now<TAB>text" on stdin and prints, a line each, the values value_find sees in the text as
 * JSON: [{"start","end","kind","text","value"...}]. Each line is run twice, resolved to the past and to the future, so
 * that both readings of an ambiguous date are seen. tools/recognizers.py scores the output. */
#include "value/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUND_MAX = 256, LINE_MAX_BYTES = 1 << 16 };

static const char *const kind_names[] = {"number",    "ordinal",  "percent",    "money",   "temperature",
                                         "dimension", "age",      "duration",   "date",    "time",
                                         "datetime",  "interval", "recurrence", "relative"};

static void add_moment(base_buf *b, const char *name, const value_datetime *t) {
  char text[VALUE_TEXT_BOUND];
  value_write_datetime(t, text);
  base_buf_printf(b, ",\"%s\":\"%s\"", name, text);
}

static void add_value(base_buf *b, const value_found *f) {
  char text[VALUE_TEXT_BOUND];
  switch (f->kind) {
  case VALUE_NUMBER:
  case VALUE_PERCENT:
    value_write_decimal(f->as.number, text);
    base_buf_printf(b, ",\"value\":\"%s\"", text);
    break;
  case VALUE_ORDINAL:
  case VALUE_RELATIVE:
    base_buf_printf(b, ",\"value\":\"%lld\"", (long long)f->as.ordinal);
    break;
  case VALUE_MONEY:
    value_write_money(&f->as.money, text);
    base_buf_printf(b, ",\"value\":\"%s\",\"unit\":\"%s\"", text + 4, f->as.money.currency);
    break;
  case VALUE_TEMPERATURE:
  case VALUE_DIMENSION:
  case VALUE_AGE:
    value_write_decimal(f->as.quantity.amount, text);
    base_buf_printf(b, ",\"value\":\"%s\",\"unit\":\"%s\"", text, f->as.quantity.unit);
    break;
  case VALUE_DURATION:
    value_write_duration(f->as.duration, text);
    base_buf_printf(b, ",\"value\":\"%s\"", text);
    break;
  case VALUE_RECURRENCE:
    value_write_recurrence(&f->as.recurrence, text);
    base_buf_printf(b, ",\"value\":\"%s\"", text);
    break;
  case VALUE_INTERVAL:
    if (f->as.interval.has_start) add_moment(b, "from", &f->as.interval.start);
    if (f->as.interval.has_end) add_moment(b, "to", &f->as.interval.end);
    break;
  default:
    add_moment(b, "value", &f->as.datetime);
    break;
  }
}

static void print_found(base_buf *b, base_slice text, unsigned kinds, const value_context *cx) {
  value_found found[FOUND_MAX];
  size_t n = value_find(text, kinds, cx, found, FOUND_MAX);
  base_buf_puts(b, "[");
  for (size_t i = 0; i < n; i++) {
    base_buf_printf(b, "%s{\"start\":%zu,\"end\":%zu,\"kind\":\"%s\",\"text\":", i > 0 ? "," : "",
                    base_utf8_count(text.ptr, found[i].start), base_utf8_count(text.ptr, found[i].end),
                    kind_names[found[i].kind]);
    base_buf_json(b, base_slice_sub(text, found[i].start, found[i].end));
    add_value(b, &found[i]);
    base_buf_puts(b, "}");
  }
  base_buf_puts(b, "]");
}

/* "number,percent" to a bit set; 0 for a name that is no kind. */
static unsigned parse_kinds(base_slice names) {
  unsigned kinds = 0;
  base_slice name;
  while (base_slice_split(&names, ',', &name)) {
    unsigned bit = 0;
    for (unsigned k = 0; k < sizeof kind_names / sizeof kind_names[0]; k++)
      if (base_slice_equal(name, base_slice_of(kind_names[k]))) bit = 1u << k;
    if (bit == 0) return 0;
    kinds |= bit;
  }
  return kinds;
}

int main(void) {
  static char line[LINE_MAX_BYTES];
  while (fgets(line, sizeof line, stdin) != NULL) {
    base_slice rest = {line, strcspn(line, "\n")}, kinds, now;
    value_context cx = {.default_currency = "USD"};
    if (!base_slice_split(&rest, '\t', &kinds) || !base_slice_split(&rest, '\t', &now) ||
        parse_kinds(kinds) == 0 || value_parse_datetime(now, &cx.now, NULL) != BASE_OK) {
      fprintf(stderr, "value_cases: a line must be KINDS<TAB>NOW<TAB>TEXT: %s\n", line);
      return 1;
    }
    base_buf out = {0};
    base_buf_puts(&out, "[");
    cx.resolve = VALUE_PAST;
    print_found(&out, rest, parse_kinds(kinds), &cx);
    base_buf_puts(&out, ",");
    cx.resolve = VALUE_FUTURE;
    print_found(&out, rest, parse_kinds(kinds), &cx);
    base_buf_puts(&out, "]");
    puts(out.ptr);
    base_buf_free(&out);
  }
  return 0;
}
