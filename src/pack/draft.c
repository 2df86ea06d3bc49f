/* Spans to arguments. The model says where a value is; what it is, code reads: exactly, or it is called
 * unclear. The arguments are written into the draft's own array, so that nothing is allocated. */
#include <inttypes.h>
#include <string.h>

#include "pack/internal.h"
#include "pack/open.h"

enum { MAX_JOINED_BYTES = 1024 };

/* ---- writing JSON into a fixed array ---- */

typedef struct writer {
  char *out;
  size_t len, size;
  bool full; /* sticky */
} writer;

static void put(writer *w, const char *bytes, size_t n) {
  if (w->full || w->len + n >= w->size) {
    w->full = true;
    return;
  }
  memcpy(w->out + w->len, bytes, n);
  w->len += n;
  w->out[w->len] = 0;
}

static void puts_text(writer *w, const char *terminated) { put(w, terminated, strlen(terminated)); }

static void put_character(writer *w, const char *bytes, size_t n, uint32_t c) {
  char escape[8];
  if (c == '"' || c == '\\') {
    put(w, "\\", 1);
  } else if (c < 0x20 || c == 0x7f) {
    base_format(escape, sizeof escape, "\\u%04x", (unsigned)c);
    puts_text(w, escape);
    return;
  }
  put(w, bytes, n);
}

static void put_string(writer *w, base_slice s) {
  put(w, "\"", 1);
  for (size_t at = 0; at < s.len;) {
    uint32_t c;
    size_t n = base_utf8_decode(s.ptr + at, s.len - at, &c);
    if (n > 0) put_character(w, s.ptr + at, n, c);
    else put(w, "\xEF\xBF\xBD", 3);
    at += n > 0 ? n : 1;
  }
  put(w, "\"", 1);
}

static void put_quoted(writer *w, const char *terminated) { put_string(w, base_slice_of(terminated)); }

/* ---- texts ---- */

static bool is_edge(uint32_t c) {
  return c <= ' ' || (c < 0x80 && strchr("\"'`.,;:!?", (int)c) != NULL) || (c >= 0x2018 && c <= 0x201f) ||
         c == 0xab || c == 0xbb || c == 0x2026 || base_utf8_is_space(c);
}

/* Without surrounding quotes, punctuation and spaces. */
static base_slice trim_text(base_slice s) {
  uint32_t c;
  size_t n;
  while (s.len > 0 && (n = base_utf8_decode(s.ptr, s.len, &c)) > 0 && is_edge(c))
    s = base_slice_sub(s, n, s.len);
  while (s.len > 0) {
    size_t start = s.len - 1;
    while (start > 0 && ((unsigned char)s.ptr[start] & 0xc0) == 0x80)
      start--;
    n = base_utf8_decode(s.ptr + start, s.len - start, &c);
    if (n != s.len - start || !is_edge(c)) break;
    s.len = start;
  }
  return s;
}

/* Slots that name people: "Anna's" there is Anna. Elsewhere the ending may belong to the name ("Levi's"). */
static bool names_people(const pack_slot *slot) {
  return strstr(slot->name, "person") != NULL || strstr(slot->name, "people") != NULL ||
         strstr(slot->name, "name") != NULL || strcmp(slot->name, "to") == 0 ||
         strcmp(slot->name, "artist") == 0;
}

static base_slice drop_possessive(base_slice s) {
  static const base_slice endings[] = {{"'s", 2}, {"'S", 2}, {"\xE2\x80\x99s", 4}};
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
    if (s.len > endings[i].len && memcmp(s.ptr + s.len - endings[i].len, endings[i].ptr, endings[i].len) == 0)
      return base_slice_sub(s, 0, s.len - endings[i].len);
  return s;
}

static base_slice clean_text(const pack_slot *slot, base_slice s) {
  s = trim_text(s);
  return names_people(slot) ? trim_text(drop_possessive(s)) : s;
}

/* ---- spans ---- */

typedef struct drafting {
  const pack_manifest *m;
  const pack_action *action;
  base_slice text;
  const head_result *r;
  const value_context *cx;
  pack_draft *out;
  writer w;
  uint64_t present; /* slots that have an argument */
} drafting;

static size_t span_count(const drafting *d) {
  return d->r->n_spans < HEAD_MAX_SPANS ? d->r->n_spans : HEAD_MAX_SPANS;
}

static bool is_read_together(pack_slot_type t) {
  return t == PACK_DATETIME || t == PACK_DATE || t == PACK_TIME || t == PACK_INTERVAL || t == PACK_RECURRENCE;
}

/* A span of a time that stops short of its "a m" ends behind that, unless another span begins there. */
static size_t end_of_span(const drafting *d, const head_span *span) {
  if (!is_read_together(d->m->slot[span->slot].type)) return span->end;
  size_t end = pack_words_end_of_time(d->text, span->start, span->end);
  for (size_t i = 0; i < span_count(d); i++)
    if (d->r->spans[i].start >= span->end && d->r->spans[i].start < end) return span->end;
  return end;
}

/* "5 minutes, no, make it 10": the span before another of its slot is taken back. */
static bool is_taken_back(const drafting *d, const head_span *span) {
  for (size_t i = 0; i < span_count(d); i++) {
    const head_span *later = &d->r->spans[i];
    if (later->slot == span->slot && later->start >= span->end &&
        pack_words_take_back(base_slice_sub(d->text, span->end, later->start)))
      return true;
  }
  return false;
}

/* The words of span i when it is of this slot, lies in the text and stands. */
static bool span_words(const drafting *d, size_t i, size_t slot, base_slice *words) {
  const head_span *span = &d->r->spans[i];
  if (span->slot != slot || span->start >= span->end || span->end > d->text.len || is_taken_back(d, span)) return false;
  *words = base_slice_sub(d->text, span->start, end_of_span(d, span));
  return true;
}

/* The most probable span of a slot that is not in `tried`; -1 when there is none. */
static int best_span(const drafting *d, size_t slot, uint32_t tried) {
  int best = -1;
  base_slice words;
  for (size_t i = 0; i < span_count(d); i++)
    if (!(tried >> i & 1) && span_words(d, i, slot, &words) &&
        (best < 0 || d->r->spans[i].probability > d->r->spans[best].probability))
      best = (int)i;
  return best;
}

/* All spans of a slot, in order, with spaces between and without a last "'s" ("yesterday's"); what does not
 * fit is cut, which no reader will take for a value. */
static base_slice join_spans(const drafting *d, size_t slot, char buffer[MAX_JOINED_BYTES]) {
  base_slice words;
  size_t len = 0;
  for (size_t i = 0; i < span_count(d); i++) {
    if (!span_words(d, i, slot, &words)) continue;
    if (len > 0 && len < MAX_JOINED_BYTES) buffer[len++] = ' ';
    size_t n = words.len < MAX_JOINED_BYTES - len ? words.len : MAX_JOINED_BYTES - len;
    memcpy(buffer + len, words.ptr, n);
    len += n;
  }
  return drop_possessive((base_slice){buffer, len});
}

/* ---- one value each: to JSON, or a failure ---- */

static base_status put_interval(writer *w, const value_interval *v, base_error *err) {
  char text[VALUE_TEXT_BOUND];
  if (!v->has_start && !v->has_end)
    return base_fail(err, BASE_EFORMAT, "interval", "neither a start nor an end was said");
  puts_text(w, "{");
  if (v->has_start) {
    value_write_datetime(&v->start, text);
    puts_text(w, "\"start\":");
    put_quoted(w, text);
  }
  if (v->has_end) {
    value_write_datetime(&v->end, text);
    puts_text(w, v->has_start ? ",\"end\":" : "\"end\":");
    put_quoted(w, text);
  }
  puts_text(w, "}");
  return BASE_OK;
}

static void put_money(writer *w, const value_money *v) {
  char text[VALUE_TEXT_BOUND];
  base_format(text, sizeof text, "{\"currency\":\"%.3s\",\"minor\":%" PRId64 "}", v->currency, v->minor);
  puts_text(w, text);
}

static void put_temperature(writer *w, const value_quantity *v) {
  char text[VALUE_TEXT_BOUND];
  value_write_decimal(v->amount, text);
  puts_text(w, "{\"value\":");
  puts_text(w, text);
  if (v->unit[0] != 0) {
    puts_text(w, ",\"unit\":");
    put_quoted(w, v->unit);
  }
  puts_text(w, "}");
}

/* The recurrence that the action's own slot of that type was given. */
static bool said_recurrence(const drafting *d, value_recurrence *v) {
  char buffer[MAX_JOINED_BYTES];
  for (size_t i = 0; i < d->m->n_slots; i++)
    if (d->m->slot[i].type == PACK_RECURRENCE && (d->action->slots >> i & 1) && best_span(d, i, 0) >= 0 &&
        value_read_recurrence(join_spans(d, i, buffer), d->cx, v, NULL) == BASE_OK)
      return true;
  return false;
}

/* The first such time of day after now. */
static value_datetime next_at(value_time at, const value_datetime *now) {
  value_datetime t = *now;
  t.time = at;
  return value_compare(&t, now) > 0 ? t : value_add(t, (value_duration){0, 1, 0});
}

/* A time of day without a day, of something that repeats: an open hour is read as on a day that is named, not as the
 * next one that a clock shows, so that "every day at 7" is the same at any hour of asking. */
static bool read_daily_time(base_slice words, value_context cx, value_datetime *out) {
  value_datetime now = cx.now;
  value_time at;
  cx.now.time = cx.morning ? (value_time){0, 0, 0} : (value_time){5, 59, 59};
  if (value_read_time(words, &cx, &at, NULL)) return false;
  *out = next_at(at, &now);
  return true;
}

/* "At seven", said of every weekday on a Friday evening, is Monday's. */
static base_status read_datetime(const drafting *d, base_slice words, const value_context *cx, value_datetime *out,
                                 base_error *err) {
  value_recurrence repeat;
  if (cx->resolve != VALUE_FUTURE || !said_recurrence(d, &repeat)) return value_read_datetime(words, cx, out, err);
  base_status st = read_daily_time(words, *cx, out) ? BASE_OK : value_read_datetime(words, cx, out, err);
  if (!st) *out = value_first_of(&repeat, *out);
  return st;
}

/* Values that are dates, times or lengths of time. */
static base_status read_time_value(drafting *d, size_t slot, base_slice words, const value_context *cx,
                                   base_error *err) {
  char text[VALUE_TEXT_BOUND];
  union {
    value_datetime datetime;
    value_interval interval;
    value_duration duration;
    value_recurrence recurrence;
  } v = {{{0}, {0}, false, false}};
  base_status st = BASE_OK;
  switch (d->m->slot[slot].type) {
    case PACK_DATE:
      st = value_read_date(words, cx, &v.datetime.date, err);
      v.datetime.has_date = true;
      break;
    case PACK_TIME:
      st = value_read_time(words, cx, &v.datetime.time, err);
      v.datetime.has_time = true;
      break;
    case PACK_DATETIME: st = read_datetime(d, words, cx, &v.datetime, err); break;
    case PACK_INTERVAL:
      st = value_read_interval(words, cx, &v.interval, err);
      return st ? st : put_interval(&d->w, &v.interval, err);
    case PACK_DURATION:
      st = value_read_duration(words, &v.duration, err);
      if (st) return st;
      value_write_duration(v.duration, text);
      put_quoted(&d->w, text);
      return BASE_OK;
    default:
      st = value_read_recurrence(words, cx, &v.recurrence, err);
      if (st) return st;
      value_write_recurrence(&v.recurrence, text);
      put_quoted(&d->w, text);
      return BASE_OK;
  }
  if (st) return st;
  value_write_datetime(&v.datetime, text);
  put_quoted(&d->w, text);
  return BASE_OK;
}

static base_status read_count(drafting *d, const pack_slot *slot, base_slice words, base_error *err) {
  char text[VALUE_TEXT_BOUND];
  int64_t whole = 0;
  value_decimal decimal = {0, 0};
  base_status st;
  if (slot->type == PACK_INTEGER) st = value_read_integer(words, &whole, err);
  else if (slot->type == PACK_ORDINAL) st = value_read_ordinal(words, &whole, err);
  else if (slot->type == PACK_PERCENT) st = value_read_percent(words, &decimal, err);
  else st = value_read_number(words, &decimal, err);
  if (st) return st;
  if (slot->type == PACK_INTEGER || slot->type == PACK_ORDINAL)
    base_format(text, sizeof text, "%" PRId64, whole);
  else value_write_decimal(decimal, text);
  puts_text(&d->w, text);
  return BASE_OK;
}

static base_status read_quantity(drafting *d, const pack_slot *slot, base_slice words,
                                 const value_context *cx, base_error *err) {
  value_money money = {{0}, 0};
  value_quantity quantity = {{0, 0}, {0}};
  base_status st;
  if (slot->type == PACK_MONEY_AMOUNT) {
    st = value_read_money(words, cx, &money, err);
    if (!st) put_money(&d->w, &money);
  } else {
    st = value_read_temperature(words, &quantity, err);
    if (!st) put_temperature(&d->w, &quantity);
  }
  return st;
}

static base_status read_address(drafting *d, const pack_slot *slot, base_slice words, base_error *err) {
  char text[320];
  base_status st = slot->type == PACK_PHONE ? value_read_phone(words, text, sizeof text, err)
                                            : value_read_email(words, text, sizeof text, err);
  if (!st) put_quoted(&d->w, text);
  return st;
}

static base_status read_enum(drafting *d, const pack_slot *slot, base_slice words, base_error *err) {
  int i = pack_enum_find(slot, words);
  if (i < 0)
    return base_fail(err, BASE_EFORMAT, slot->name, "'%.*s' is none of its values",
                     (int)(words.len < 80 ? words.len : 80), words.ptr);
  put_quoted(&d->w, slot->value[i]);
  return BASE_OK;
}

static bool says_morning(const drafting *d, const pack_slot *slot) {
  for (size_t i = 0; i < slot->n_morning; i++)
    if (pack_words_have(d->text, slot->morning[i])) return true;
  return false;
}

/* The words of one value to JSON. */
static base_status read_words(drafting *d, size_t index, base_slice words, base_error *err) {
  const pack_slot *slot = &d->m->slot[index];
  value_context cx = *d->cx;
  cx.resolve = slot->resolve;
  cx.morning = cx.morning || says_morning(d, slot);
  if (slot->type != PACK_TEXT && slot->type != PACK_LIST) words = pack_words_without_pictures(words);
  if (slot->currency[0] != 0) memcpy(cx.default_currency, slot->currency, sizeof cx.default_currency);
  switch (slot->type) {
    case PACK_TEXT:
    case PACK_LIST:
      words = clean_text(slot, words);
      if (words.len == 0) return base_fail(err, BASE_EFORMAT, slot->name, "there are no words in it");
      put_string(&d->w, words);
      return BASE_OK;
    case PACK_ENUM: return read_enum(d, slot, words, err);
    case PACK_INTEGER:
    case PACK_NUMBER:
    case PACK_PERCENT:
    case PACK_ORDINAL: return read_count(d, slot, words, err);
    case PACK_MONEY_AMOUNT:
    case PACK_TEMPERATURE: return read_quantity(d, slot, words, &cx, err);
    case PACK_PHONE:
    case PACK_EMAIL: return read_address(d, slot, words, err);
    default: return read_time_value(d, index, words, &cx, err);
  }
}

/* The same of "ten, no, fifteen minutes": what cannot be read is read from its last correction on. */
static base_status read_value(drafting *d, size_t index, base_slice words, base_error *err) {
  const writer before = d->w;
  base_status st = read_words(d, index, words, err);
  base_slice corrected = pack_words_corrected(words);
  if (!st || corrected.len == 0) return st;
  d->w = before;
  if (read_words(d, index, corrected, NULL)) return st;
  if (err != NULL) *err = (base_error){0};
  return BASE_OK;
}

/* ---- lists ---- */

/* The last " and " or " & " of s at which a spoken list would end; s.len when there is none. */
static size_t find_and(base_slice s, size_t *behind) {
  for (size_t i = s.len; i-- > 0;) {
    base_slice rest = base_slice_sub(s, i, s.len);
    *behind = base_slice_starts(rest, BASE_LITERAL(" and ")) ? 5
              : base_slice_starts(rest, BASE_LITERAL(" & ")) ? 3
                                                             : 0;
    if (*behind > 0) return i;
  }
  return s.len;
}

static void put_item(drafting *d, const pack_slot *slot, base_slice item, size_t *count) {
  item = clean_text(slot, item);
  if (base_slice_starts(item, BASE_LITERAL("and "))) item = trim_text(base_slice_sub(item, 4, item.len));
  if (item.len == 0) return;
  puts_text(&d->w, *count > 0 ? "," : "[");
  put_string(&d->w, item);
  ++*count;
}

/* One span is one item, as the training sentences have it, so "mac and cheese" stays whole; but a span with
 * commas is a list of its own, whose last piece may be two items ("milk, eggs and bread"). */
static void put_items(drafting *d, const pack_slot *slot, base_slice words, size_t *count) {
  bool listed = false;
  size_t behind;
  while (words.len > 0) {
    size_t at = 0;
    while (at + 1 < words.len && !(words.ptr[at] == ',' && words.ptr[at + 1] == ' '))
      at++;
    if (at + 1 >= words.len) break;
    put_item(d, slot, base_slice_sub(words, 0, at), count);
    words = base_slice_sub(words, at + 2, words.len);
    listed = true;
  }
  size_t at = listed ? find_and(words, &behind) : words.len;
  put_item(d, slot, base_slice_sub(words, 0, at), count);
  if (at < words.len) put_item(d, slot, base_slice_sub(words, at + behind, words.len), count);
}

static base_status read_list(drafting *d, size_t slot, base_error *err) {
  base_slice words;
  size_t count = 0;
  for (size_t i = 0; i < span_count(d); i++)
    if (span_words(d, i, slot, &words)) put_items(d, &d->m->slot[slot], words, &count);
  if (count == 0) return base_fail(err, BASE_EFORMAT, d->m->slot[slot].name, "there are no words in it");
  puts_text(&d->w, "]");
  return BASE_OK;
}

/* ---- the arguments ---- */

/* The value of a slot that has at least one span. */
static base_status read_slot(drafting *d, size_t slot, base_error *err) {
  char buffer[MAX_JOINED_BYTES];
  base_slice words;
  uint32_t tried = 0;
  base_status st = BASE_EFORMAT;
  pack_slot_type type = d->m->slot[slot].type;
  if (type == PACK_LIST) return read_list(d, slot, err);
  if (is_read_together(type)) return read_value(d, slot, join_spans(d, slot, buffer), err);
  /* the most probable one that can be read */
  for (int i; st && (i = best_span(d, slot, tried)) >= 0;) {
    tried |= UINT32_C(1) << i;
    if (span_words(d, (size_t)i, slot, &words)) st = read_value(d, slot, words, err);
  }
  return st;
}

/* A required point in time that no span names, out of a recurrence with a time of day: "every weekday at seven" also
 * says when an alarm first rings. */
static bool read_from_recurrence(drafting *d, size_t slot) {
  char text[VALUE_TEXT_BOUND];
  value_recurrence v;
  if (d->m->slot[slot].type != PACK_DATETIME || !(d->action->required >> slot & 1)) return false;
  if (!said_recurrence(d, &v) || !v.has_at || v.freq < VALUE_DAILY || v.freq == VALUE_YEARLY) return false;
  value_datetime t = value_first_of(&v, next_at(v.at, &d->cx->now));
  value_write_datetime(&t, text);
  put_quoted(&d->w, text);
  return true;
}

/* Writes "name":value of a slot; takes it back when there is none or its words cannot be read. */
static void draft_slot(drafting *d, size_t slot) {
  base_error err = {0};
  writer before = d->w;
  bool said = best_span(d, slot, 0) >= 0;
  puts_text(&d->w, d->present != 0 ? "," : "");
  put_quoted(&d->w, d->m->slot[slot].name);
  puts_text(&d->w, ":");
  if (said ? read_slot(d, slot, &err) == BASE_OK : read_from_recurrence(d, slot)) {
    d->present |= UINT64_C(1) << slot;
    return;
  }
  d->w = before;
  d->w.out[d->w.len] = 0;
  if (!said || d->out->unclear >= 0) return;
  d->out->unclear = (int)slot;
  d->out->problem = err;
}

/* A slot with words that could not be read is unclear, not missing. */
static int find_missing(const drafting *d) {
  uint64_t said = d->present;
  for (size_t i = 0; i < d->m->n_slots; i++)
    if (best_span(d, i, 0) >= 0) said |= UINT64_C(1) << i;
  for (size_t i = 0; i < d->m->n_slots; i++)
    if (d->action->required & ~said & UINT64_C(1) << i) return (int)i;
  return d->action->any_of != 0 && !(d->action->any_of & said) ? d->action->any_of_first : -1;
}

void pack_draft_action(const pack *p, base_slice text, const head_result *r, const value_context *cx,
                       pack_draft *out) {
  const pack_manifest *m = p->manifest;
  out->action = out->missing = out->unclear = -1;
  out->valid = false;
  out->problem = (base_error){0};
  base_format(out->arguments, sizeof out->arguments, "{");
  drafting d = {.m = m, .text = text, .r = r, .cx = cx, .out = out};
  d.w =
      (writer){out->arguments, 1, sizeof out->arguments - 1, false}; /* room for the closing brace is kept */
  if (!m->is_gate && r->label < m->n_actions) {
    out->action = r->label;
    d.action = &m->action[r->label];
    for (size_t i = 0; i < m->n_slots; i++)
      if (d.action->slots >> i & 1) draft_slot(&d, i);
    out->missing = find_missing(&d);
  }
  out->arguments[d.w.len] = '}';
  out->arguments[d.w.len + 1] = 0;
  if (out->action < 0) return;
  if (d.w.full) {
    base_format(out->arguments, sizeof out->arguments, "{}");
    out->problem = (base_error){0};
    (void)base_fail(&out->problem, BASE_ELIMIT, d.action->name, "the arguments are longer than %d bytes",
                    PACK_MAX_ARGUMENTS);
    return;
  }
  bool whole = out->missing < 0 && out->unclear < 0;
  base_error problem = {0};
  base_slice arguments = base_slice_of(out->arguments);
  const constrain_schema *schema = p->schema[out->action];
  base_status st = whole ? constrain_check(schema, arguments, &problem)
                         : constrain_check_part(schema, arguments, &problem);
  out->valid = st == BASE_OK;
  if (!out->valid && out->unclear < 0) out->problem = problem;
}
