/* What a JSON Schema cannot say of a document: the member "x-check" of the schema, a list of checks of values named
 * by JSON Pointer. A bill adds up to the minor unit, an amount is in range, a day is in the calendar and not over, an
 * address has the form of one, what is named exists in the app. docs/checks.md is the user's side. The same checks
 * judge what the device writes and what the cloud answers. A value that is not there passes: "required" says what has
 * to be. */
#include <string.h>

#include "handoff/internal.h"

static const char keyword[] = "x-check";

enum { MOST_QUOTED = 60 }; /* bytes of a value in a sentence */

/* One document under one check. */
typedef struct judging {
  const handoff_judge *judge;
  const jdoc *rules, *doc;
  uint32_t rule; /* the check, in rules */
} judging;

/* ---- the checks' own form ---- */

#define POINTER "{\"type\":\"string\",\"pattern\":\"^(/.*)?$\",\"maxLength\":200}"
#define NAME "{\"type\":\"string\",\"minLength\":1,\"maxLength\":60}"
#define AMOUNT "{\"type\":\"string\",\"maxLength\":30}"
#define DAY "{\"type\":\"string\",\"format\":\"date\"}"
#define KEY(name, schema) "\"" name "\":" schema

static const char form[] =
    "{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    KEY("bill", POINTER) "," KEY("amount", NAME) "," KEY("quantity", NAME) "," KEY("price", NAME) ","
    KEY("subtotal", POINTER) "," KEY("tax", POINTER) "," KEY("discount", POINTER) "," KEY("total", POINTER) ","
    KEY("money", POINTER) "," KEY("currency", NAME) "," KEY("least", AMOUNT) "," KEY("most", AMOUNT) ","
    KEY("date", POINTER) "," KEY("not_past", "{\"type\":\"boolean\"}") ","
    KEY("not_future", "{\"type\":\"boolean\"}") ","
    KEY("first", DAY) "," KEY("last", DAY) ","
    KEY("phone", POINTER) "," KEY("email", POINTER) "," KEY("exists", POINTER) "," KEY("kind", NAME) "},"
    "\"oneOf\":[{\"required\":[\"bill\"]},{\"required\":[\"money\"]},{\"required\":[\"date\"]},"
    "{\"required\":[\"phone\"]},"
    "{\"required\":[\"email\"]},{\"required\":[\"exists\",\"kind\"]}]}}";

/* ---- reading values ---- */

/* A member's text; empty where there is none. */
static base_slice text_of(const jdoc *d, uint32_t object, const char *key) {
  uint32_t v = jdoc_member(d, object, key);
  return v != JDOC_NONE && jdoc_kind_at(d, v) == JDOC_STRING ? jdoc_text(d, v) : (base_slice){0};
}

static base_slice option(const judging *j, const char *key) { return text_of(j->rules, j->rule, key); }

static bool flagged(const judging *j, const char *key) {
  uint32_t v = jdoc_member(j->rules, j->rule, key);
  return v != JDOC_NONE && jdoc_kind_at(j->rules, v) == JDOC_TRUE;
}

static uint32_t named(const judging *j, const char *key) {
  base_slice pointer = option(j, key);
  return jdoc_member(j->rules, j->rule, key) == JDOC_NONE ? JDOC_NONE : jdoc_at_pointer(j->doc, 0, pointer);
}

/* The currency of amounts that name none: the check's, in so many letters or where a pointer says; without one any
 * that has two decimals, since only the sums count then. */
static void currency_of(const judging *j, char out[4]) {
  base_slice said = option(j, "currency");
  if (said.len > 0 && said.ptr[0] == '/') {
    uint32_t v = jdoc_at_pointer(j->doc, 0, said);
    said = v != JDOC_NONE && jdoc_kind_at(j->doc, v) == JDOC_STRING ? jdoc_text(j->doc, v) : (base_slice){0};
  }
  base_format(out, 4, "%s", "USD");
  if (said.len == 3) base_format(out, 4, "%.3s", said.ptr);
}

/* A value that does not fit, told with as much of it as a sentence has room for. */
static base_status misfit(base_error *err, const char *where, base_slice value, const char *what, const char *more) {
  base_slice shown = base_slice_sub(value, 0, value.len < MOST_QUOTED ? value.len : MOST_QUOTED);
  while (shown.len < value.len && shown.len > 0 && ((unsigned char)value.ptr[shown.len] & 0xc0) == 0x80) shown.len--;
  return base_fail(err, BASE_EMISMATCH, where, "%.*s is %s%s", (int)shown.len, shown.ptr, what, more);
}

/* {"currency","minor"} as actions have it, a number, or a text such as "12.50" or "$12.50". */
static base_status read_money(const judging *j, uint32_t v, value_money *out, base_error *err) {
  value_context cx = {0};
  const jdoc *d = j->doc;
  jdoc_kind kind = jdoc_kind_at(d, v);
  currency_of(j, cx.default_currency);
  if (kind == JDOC_OBJECT) {
    base_slice currency = text_of(d, v, "currency");
    uint32_t minor = jdoc_member(d, v, "minor");
    if (currency.len == 3) base_format(out->currency, sizeof out->currency, "%.3s", currency.ptr);
    if (currency.len == 3 && minor != JDOC_NONE && base_parse_int(jdoc_raw(d, minor), &out->minor)) return BASE_OK;
  } else if (kind == JDOC_STRING || kind == JDOC_NUMBER) {
    base_slice text = kind == JDOC_STRING ? jdoc_text(d, v) : jdoc_raw(d, v);
    if (value_read_money(text, &cx, out, NULL) == BASE_OK) return BASE_OK;
  }
  return misfit(err, "amount", jdoc_raw(d, v), "no exact amount of ", cx.default_currency);
}

static base_status read_decimal(const jdoc *d, uint32_t v, value_decimal *out, base_error *err) {
  base_slice text = jdoc_kind_at(d, v) == JDOC_STRING ? jdoc_text(d, v) : jdoc_raw(d, v);
  if (value_read_number(text, out, NULL) == BASE_OK) return BASE_OK;
  return misfit(err, "quantity", text, "no number", "");
}

/* ---- bills ---- */

/* The member that the check names, or the usual one. */
static uint32_t member(const judging *j, uint32_t line, const char *key, const char *usual) {
  base_slice name = option(j, key);
  if (name.len == 0) name = base_slice_of(usual);
  return jdoc_kind_at(j->doc, line) == JDOC_OBJECT ? jdoc_find(j->doc, line, name) : JDOC_NONE;
}

/* A line without a price costs what it says. */
static base_status read_line(const judging *j, uint32_t v, guard_line *out, base_error *err) {
  uint32_t total = member(j, v, "amount", "amount"), price = member(j, v, "price", "price");
  uint32_t quantity = member(j, v, "quantity", "quantity");
  if (total == JDOC_NONE) return base_fail(err, BASE_EMISMATCH, "line", "it has no amount");
  base_status st = read_money(j, total, &out->total, err);
  out->quantity = (value_decimal){1, 0};
  out->price = out->total;
  if (!st && price != JDOC_NONE) st = read_money(j, price, &out->price, err);
  if (!st && price != JDOC_NONE && quantity != JDOC_NONE) st = read_decimal(j->doc, quantity, &out->quantity, err);
  return st;
}

static base_status read_lines(const judging *j, uint32_t list, guard_line *lines, base_error *err) {
  base_status st = BASE_OK;
  uint32_t v = list + 1;
  for (uint32_t i = 0, n = jdoc_count(j->doc, list); i < n && !st; i++, v = jdoc_next(j->doc, v)) {
    base_error inner = {0};
    st = read_line(j, v, &lines[i], &inner);
    if (st) base_fail(err, st, "line", "line %u: %s", i + 1, inner.text);
  }
  return st;
}

static base_status check_bill(const judging *j, base_error *err) {
  const base_allocator *a = j->judge->allocator;
  uint32_t list = named(j, "bill");
  bool lists = list != JDOC_NONE && jdoc_kind_at(j->doc, list) == JDOC_ARRAY;
  guard_bill bill = {.n_lines = lists ? jdoc_count(j->doc, list) : 0};
  guard_line *lines = NULL;
  value_money amounts[4];
  const value_money **const to[] = {&bill.subtotal, &bill.tax, &bill.discount, &bill.total};
  static const char *const keys[] = {"subtotal", "tax", "discount", "total"};
  base_status st = BASE_OK;
  if (bill.n_lines > 0) {
    lines = base_calloc(a, bill.n_lines, sizeof *lines);
    if (lines == NULL) return base_fail(err, BASE_ENOMEM, "bill", "no memory for its lines");
    st = read_lines(j, list, lines, err);
  }
  bill.lines = lines;
  for (size_t i = 0; i < 4 && !st; i++) {
    uint32_t v = named(j, keys[i]);
    if (v == JDOC_NONE) continue;
    st = read_money(j, v, &amounts[i], err);
    *to[i] = &amounts[i];
  }
  bool any = bill.n_lines > 0 || bill.subtotal != NULL || bill.total != NULL;
  if (!st && any) st = guard_check_bill(&bill, err);
  base_free(a, lines, bill.n_lines * sizeof *lines);
  return st;
}

/* ---- single values ---- */

/* A bound of an amount in minor units. */
static base_status bound(base_slice text, const char currency[4], int64_t open, int64_t *out, base_error *err) {
  value_context cx = {0};
  value_money m;
  *out = open;
  if (text.len == 0) return BASE_OK;
  base_format(cx.default_currency, sizeof cx.default_currency, "%s", currency);
  if (value_read_money(text, &cx, &m, NULL))
    return base_fail(err, BASE_EARGUMENT, "amount", "the bound \"%.*s\" is no amount", (int)text.len, text.ptr);
  *out = m.minor;
  return BASE_OK;
}

static base_status check_money(const judging *j, uint32_t v, base_error *err) {
  char currency[4];
  int64_t least, most;
  value_money m;
  bool given = option(j, "currency").len > 0;
  currency_of(j, currency);
  base_status st = read_money(j, v, &m, err);
  if (!st) st = bound(option(j, "least"), m.currency, INT64_MIN, &least, err);
  if (!st) st = bound(option(j, "most"), m.currency, INT64_MAX, &most, err);
  return st ? st : guard_check_money(&m, given ? currency : "", least, most, err);
}

static void read_day(base_slice text, value_date *out) {
  value_datetime t;
  if (text.len > 0 && !value_parse_datetime(text, &t, NULL) && t.has_date) *out = t.date;
}

static base_status check_date(const judging *j, uint32_t v, base_error *err) {
  guard_date_rule rule = {0};
  value_datetime t;
  if (jdoc_kind_at(j->doc, v) != JDOC_STRING || value_parse_datetime(jdoc_text(j->doc, v), &t, NULL))
    return misfit(err, "date", jdoc_raw(j->doc, v), "no day of the calendar written like 2026-11-21", "");
  if (j->judge->now != NULL) {
    rule.now = *j->judge->now;
    rule.not_past = flagged(j, "not_past");
    rule.not_future = flagged(j, "not_future");
  }
  read_day(option(j, "first"), &rule.first);
  read_day(option(j, "last"), &rule.last);
  return guard_check_date(&t, &rule, err);
}

static base_status check_text(const judging *j, uint32_t v, base_error *err, const char *what,
                              base_status (*check)(base_slice text, base_error *err)) {
  if (jdoc_kind_at(j->doc, v) != JDOC_STRING) return base_fail(err, BASE_EMISMATCH, what, "it is no text");
  return check(jdoc_text(j->doc, v), err);
}

static base_status check_phone(const judging *j, uint32_t v, base_error *err) {
  return check_text(j, v, err, "phone", guard_check_phone);
}

static base_status check_email(const judging *j, uint32_t v, base_error *err) {
  return check_text(j, v, err, "email", guard_check_email);
}

static base_status check_exists(const judging *j, uint32_t v, base_error *err) {
  base_slice raw = jdoc_kind_at(j->doc, v) == JDOC_STRING ? jdoc_text(j->doc, v) : jdoc_raw(j->doc, v);
  return guard_check_exists(&j->judge->lookup, option(j, "kind"), raw, err);
}

/* ---- all of them ---- */

typedef base_status (*value_check)(const judging *j, uint32_t v, base_error *err);

/* Every value that the pointer names from `v` on; "*" is every item of an array. */
static base_status each_named(const judging *j, uint32_t v, base_slice pointer, value_check check, base_error *err) {
  static const char every[] = "/*";
  size_t at = 0, len = sizeof every - 1;
  base_status st = BASE_OK;
  for (; at + len <= pointer.len; at++)
    if (memcmp(pointer.ptr + at, every, len) == 0 && (at + len == pointer.len || pointer.ptr[at + len] == '/')) break;
  bool stars = at + len <= pointer.len;
  uint32_t found = jdoc_at_pointer(j->doc, v, stars ? base_slice_sub(pointer, 0, at) : pointer);
  if (found == JDOC_NONE) return BASE_OK;
  if (!stars) return check(j, found, err);
  if (jdoc_kind_at(j->doc, found) != JDOC_ARRAY) return BASE_OK;
  base_slice rest = base_slice_sub(pointer, at + len, pointer.len);
  uint32_t item = found + 1;
  for (uint32_t n = jdoc_count(j->doc, found); n > 0 && !st; n--, item = jdoc_next(j->doc, item))
    st = each_named(j, item, rest, check, err);
  return st;
}

static base_status run_check(const judging *j, base_error *err) {
  static const struct {
    const char *key;
    value_check check;
  } kinds[] = {{"money", check_money}, {"date", check_date},     {"phone", check_phone},
               {"email", check_email}, {"exists", check_exists}};
  base_error inner = {0};
  base_status st = BASE_OK;
  const char *where = "bill";
  base_slice pointer = option(j, "bill");
  if (jdoc_member(j->rules, j->rule, "bill") != JDOC_NONE) st = check_bill(j, &inner);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !st; i++) {
    if (jdoc_member(j->rules, j->rule, kinds[i].key) == JDOC_NONE) continue;
    where = kinds[i].key;
    pointer = option(j, where);
    st = each_named(j, 0, pointer, kinds[i].check, &inner);
  }
  if (st == BASE_ELIMIT) st = BASE_EMISMATCH; /* a sum that no integer holds */
  return st ? base_fail(err, st, where, "%.*s: %s: %s", (int)pointer.len, pointer.ptr, inner.where, inner.text)
            : BASE_OK;
}

static uint32_t checks_of(const jdoc *schema) { return jdoc_member(schema, 0, keyword); }

base_status handoff_check_document(const handoff_judge *judge, const jdoc *schema, const jdoc *doc, base_error *err) {
  uint32_t list = checks_of(schema);
  judging j = {.judge = judge, .rules = schema, .doc = doc, .rule = list + 1};
  base_status st = BASE_OK;
  if (list == JDOC_NONE) return BASE_OK;
  for (uint32_t n = jdoc_count(schema, list); n > 0 && !st; n--, j.rule = jdoc_next(schema, j.rule))
    st = run_check(&j, err);
  return st;
}

base_status handoff_check_checks(const jdoc *schema, const base_allocator *a, base_error *err) {
  uint32_t list = checks_of(schema);
  constrain_schema *s = NULL;
  jdoc alone = {0};
  base_error inner = {0};
  if (list == JDOC_NONE) return BASE_OK;
  base_status st = constrain_schema_compile(&s, base_slice_of(form), NULL, keyword, a, err);
  if (!st) st = jdoc_open(&alone, jdoc_raw(schema, list), NULL, keyword, a, err);
  if (!st) st = constrain_validate(s, &alone, NULL, a, &inner);
  if (inner.code)
    st = base_fail(err, st == BASE_ENOMEM ? st : BASE_EARGUMENT, "schema", "/%s%s: %s", keyword,
                   strcmp(inner.where, "/") == 0 ? "" : inner.where, inner.text);
  jdoc_close(&alone);
  constrain_schema_close(s);
  return st;
}

void handoff_put_schema(const jdoc *schema, base_buf *out) {
  bool first = true;
  if (checks_of(schema) == JDOC_NONE) {
    base_slice all = jdoc_raw(schema, 0);
    base_buf_add(out, all.ptr, all.len);
    return;
  }
  base_buf_putc(out, '{');
  uint32_t key = 1;
  for (uint32_t n = jdoc_count(schema, 0); n > 0; n--, key = jdoc_next(schema, key + 1)) {
    base_slice name = jdoc_raw(schema, key), value = jdoc_raw(schema, key + 1);
    if (jdoc_is_text(schema, key, keyword)) continue;
    if (!first) base_buf_putc(out, ',');
    base_buf_add(out, name.ptr, name.len);
    base_buf_putc(out, ':');
    base_buf_add(out, value.ptr, value.len);
    first = false;
  }
  base_buf_putc(out, '}');
}
