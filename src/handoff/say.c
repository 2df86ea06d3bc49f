/* Sentences for people: what an action will do with which arguments, and what is asked when something is missing.
 * Values are read back from the drafted JSON, so that what a person confirms is what the app gets. No allocation. */
#include "handoff/internal.h"

#include <string.h>

/* A text that grows in a caller's array; cut at a character when full. */
typedef struct line {
  char *out;
  size_t len, size;
} line;

static line line_of(char *out, size_t size) {
  out[0] = '\0';
  return (line){out, 0, size};
}

static void put(line *l, base_slice s) {
  size_t n = s.len, room = l->size - 1 - l->len;
  if (n > room) {
    n = room;
    while (n > 0 && ((unsigned char)s.ptr[n] & 0xC0) == 0x80)
      n--;
  }
  memcpy(l->out + l->len, s.ptr, n);
  l->len += n;
  l->out[l->len] = '\0';
}

static void puts_to(line *l, const char *s) { put(l, base_slice_of(s)); }

/* ---- reading arguments: a JSON object that fits the action's schema, drafted here or sent by a service ---- */

static bool is_between(char c) { return c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* The end of the value that starts at `at`. */
static size_t skip_value(base_slice json, size_t at) {
  size_t depth = 0;
  bool quoted = false;
  for (; at < json.len; at++) {
    char c = json.ptr[at];
    if (quoted) {
      if (c == '\\') at++;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
      return at;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return json.len;
}

/* The next value of an object or array; *at starts behind the bracket. With `key`, also the member's name. */
static bool next_value(base_slice json, size_t *at, base_slice *key, base_slice *value) {
  while (*at < json.len && is_between(json.ptr[*at]))
    (*at)++;
  if (*at >= json.len || json.ptr[*at] == '}' || json.ptr[*at] == ']') return false;
  if (key != NULL) {
    size_t start = *at + 1, end = start;
    while (end < json.len && json.ptr[end] != '"')
      end++;
    *key = base_slice_sub(json, start, end);
    *at = end + 1;
    while (*at < json.len && is_between(json.ptr[*at]))
      (*at)++;
  }
  size_t end = skip_value(json, *at);
  *value = base_slice_trim(base_slice_sub(json, *at, end));
  *at = end;
  return true;
}

static bool find_member(base_slice object, const char *name, base_slice *value) {
  base_slice key;
  for (size_t at = 1; next_value(object, &at, &key, value);)
    if (base_slice_equal(key, base_slice_of(name))) return true;
  return false;
}

static uint32_t hex4(base_slice s, size_t at) {
  uint32_t v = 0;
  for (size_t i = at; i < at + 4 && i < s.len; i++) {
    char c = s.ptr[i];
    v = v * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  return v;
}

/* A JSON string's characters. */
static void put_string(line *l, base_slice json) {
  base_slice s = base_slice_sub(json, 1, json.len - 1);
  for (size_t i = 0; i < s.len; i++) {
    char utf8[4];
    if (s.ptr[i] != '\\' || i + 1 >= s.len) {
      size_t end = i + 1;
      while (end < s.len && s.ptr[end] != '\\')
        end++;
      put(l, base_slice_sub(s, i, end));
      i = end - 1;
      continue;
    }
    uint32_t c = (unsigned char)s.ptr[++i];
    if (c == 'u') {
      c = hex4(s, i + 1);
      i += 4;
      if (c >= 0xD800 && c < 0xDC00 && i + 6 < s.len + 1) {
        c = 0x10000 + ((c - 0xD800) << 10) + (hex4(s, i + 3) - 0xDC00);
        i += 6;
      }
    } else if (c == 'n' || c == 't' || c == 'r' || c == 'b' || c == 'f') {
      c = ' ';
    }
    put(l, (base_slice){utf8, base_utf8_encode(c, utf8)});
  }
}

/* ---- one value ---- */

/* "milk, eggs and bread" */
static void put_list(line *l, base_slice json) {
  base_slice value, following;
  size_t at = 1, next;
  bool first = true;
  while (next_value(json, &at, NULL, &value)) {
    next = at;
    if (!first) puts_to(l, next_value(json, &next, NULL, &following) ? ", " : " and ");
    put_string(l, value);
    first = false;
  }
}

static void put_money(line *l, base_slice json) {
  char text[VALUE_SAY_BOUND];
  value_money m = {{0}, 0};
  base_slice currency, minor;
  if (!find_member(json, "currency", &currency) || !find_member(json, "minor", &minor) || currency.len != 5)
    return;
  memcpy(m.currency, currency.ptr + 1, 3);
  if (!base_parse_int(minor, &m.minor)) return;
  value_say_money(&m, text);
  puts_to(l, text);
}

static void put_temperature(line *l, base_slice json) {
  base_slice value, unit;
  if (!find_member(json, "value", &value)) return;
  put(l, value);
  puts_to(l, " degrees");
  if (!find_member(json, "unit", &unit)) return;
  puts_to(l, " ");
  put_string(l, unit);
}

static void put_datetime(line *l, base_slice json, const value_context *cx) {
  char text[VALUE_SAY_BOUND];
  value_datetime v;
  if (value_parse_datetime(base_slice_sub(json, 1, json.len - 1), &v, NULL) != BASE_OK) return;
  value_say_datetime(&v, cx, text);
  puts_to(l, text);
}

static void put_duration(line *l, base_slice json) {
  char text[VALUE_SAY_BOUND];
  value_duration v;
  if (value_parse_duration(base_slice_sub(json, 1, json.len - 1), &v, NULL) != BASE_OK) return;
  value_say_duration(v, text);
  puts_to(l, text);
}

/* The user's own words for a slot, in order. */
static void put_words(line *l, const handoff_said *s, size_t slot) {
  bool first = true;
  for (size_t i = 0; i < s->result->n_spans; i++) {
    const head_span *span = &s->result->spans[i];
    if (span->slot != slot) continue;
    if (!first) puts_to(l, " ");
    put(l, base_slice_trim(base_slice_sub(s->text, span->start, span->end)));
    first = false;
  }
}

/* An interval without the user's words: "tomorrow at 7:00 to tomorrow at 9:00". */
static void put_interval(line *l, base_slice json, const value_context *cx) {
  base_slice start, end;
  if (find_member(json, "start", &start)) put_datetime(l, start, cx);
  if (!find_member(json, "end", &end)) return;
  puts_to(l, " to ");
  put_datetime(l, end, cx);
}

/* A recurrence without the user's words: "FREQ=WEEKLY;BYDAY=MO" is "every Monday". One that is more than can be said
 * stands as it is: who confirms must not be told less than what will be done. */
static void put_recurrence(line *l, base_slice json) {
  char text[VALUE_SAY_BOUND];
  value_recurrence v;
  if (value_parse_recurrence(base_slice_sub(json, 1, json.len - 1), &v, NULL) != BASE_OK) {
    put_string(l, json);
    return;
  }
  value_say_recurrence(&v, text);
  puts_to(l, text);
}

static void put_value(line *l, const handoff_said *s, size_t slot, base_slice json) {
  switch (s->manifest->slot[slot].type) {
    case PACK_LIST: put_list(l, json); break;
    case PACK_MONEY_AMOUNT: put_money(l, json); break;
    case PACK_TEMPERATURE: put_temperature(l, json); break;
    case PACK_DATETIME:
    case PACK_DATE:
    case PACK_TIME: put_datetime(l, json, s->context); break;
    case PACK_DURATION: put_duration(l, json); break;
    case PACK_INTERVAL:
      if (s->result != NULL) put_words(l, s, slot);
      else put_interval(l, json, s->context);
      break;
    case PACK_RECURRENCE:
      if (s->result != NULL) put_words(l, s, slot);
      else put_recurrence(l, json);
      break;
    case PACK_PERCENT:
      put(l, json);
      puts_to(l, "%");
      break;
    default:
      if (json.len > 1 && json.ptr[0] == '"') put_string(l, json);
      else put(l, json);
  }
}

/* ---- sentences ---- */

/* Underscores are blanks to a person. */
static void put_name(line *l, const char *name) {
  for (; *name != '\0'; name++)
    put(l, (base_slice){*name == '_' ? " " : name, 1});
}

/* The next argument in JSON order with its slot. */
static bool next_argument(const handoff_said *s, size_t *at, size_t *slot, base_slice *value) {
  base_slice key, object = base_slice_of(s->arguments);
  while (next_value(object, at, &key, value)) {
    int found = pack_find_slot(s->manifest, key);
    if (found < 0) continue;
    *slot = (size_t)found;
    return true;
  }
  return false;
}

void handoff_say_summary(const handoff_said *s, char *out, size_t out_size) {
  line l = line_of(out, out_size);
  base_slice value;
  for (size_t at = 1, slot; next_argument(s, &at, &slot, &value);) {
    if (l.len > 0) puts_to(&l, ", ");
    put_name(&l, s->manifest->slot[slot].name);
    puts_to(&l, " ");
    put_value(&l, s, slot, value);
  }
}

/* How a slot hangs on a title that starts with a verb: "Send money" + person gives "to Emma". */
static const char *preposition(const char *title, const char *slot) {
  static const struct {
    const char *verb, *slot, *word;
  } table[] = {
      {"send", "person", " to "},      {"send", "people", " to "},     {"pay", "person", " to "},
      {"request", "person", " from "}, {"transfer", "person", " to "}, {"forward", "to", " to "},
      {"delete", "people", " with "},  {"delete", "period", " from "},
  };
  base_slice rest = base_slice_of(title), verb;
  if (!base_slice_split(&rest, ' ', &verb)) return NULL;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (base_slice_equal_nocase(verb, base_slice_of(table[i].verb)) && strcmp(slot, table[i].slot) == 0)
      return table[i].word;
  return NULL;
}

/* The title; an amount stands in for a last word "money": "Send $20". Returns the slot used up, or -1. */
static int put_title(line *l, const handoff_said *s) {
  base_slice title = base_slice_of(s->action->title), money = BASE_LITERAL(" money"), value;
  size_t stem = title.len > money.len ? title.len - money.len : 0;
  bool about_money = stem > 0 && base_slice_equal_nocase(base_slice_sub(title, stem, title.len), money);
  for (size_t at = 1, slot; about_money && next_argument(s, &at, &slot, &value);) {
    if (s->manifest->slot[slot].type != PACK_MONEY_AMOUNT) continue;
    put(l, base_slice_sub(title, 0, stem + 1));
    put_value(l, s, slot, value);
    return (int)slot;
  }
  put(l, title);
  return -1;
}

/* ": front door" for one argument that is left, ": time tomorrow at 7:00, label gym" for several. */
static void put_rest(line *l, const handoff_said *s, uint64_t joined) {
  base_slice value;
  size_t left = 0, put_so_far = 0;
  for (size_t at = 1, slot; next_argument(s, &at, &slot, &value);)
    left += (joined >> slot & 1) == 0;
  for (size_t at = 1, slot; next_argument(s, &at, &slot, &value);) {
    if ((joined >> slot & 1) != 0) continue;
    puts_to(l, put_so_far++ == 0 ? ": " : ", ");
    if (left > 1) {
      put_name(l, s->manifest->slot[slot].name);
      puts_to(l, " ");
    }
    put_value(l, s, slot, value);
  }
}

void handoff_say_confirm(const handoff_said *s, char *out, size_t out_size) {
  line l = line_of(out, out_size);
  base_slice value;
  int used = put_title(&l, s);
  uint64_t joined = used >= 0 ? UINT64_C(1) << used : 0;
  for (size_t at = 1, slot; next_argument(s, &at, &slot, &value);) {
    const char *word = preposition(s->action->title, s->manifest->slot[slot].name);
    if (word == NULL || (joined >> slot & 1) != 0) continue;
    joined |= UINT64_C(1) << slot;
    puts_to(&l, word);
    put_value(&l, s, slot, value);
  }
  put_rest(&l, s, joined);
  puts_to(&l, "?");
}

void handoff_say_action(handoff_action *a, const value_datetime *now) {
  const pack_manifest *m = pack_manifest_of(a->pack);
  value_context context = {0};
  handoff_said said = {.manifest = m, .action = &m->action[a->action], .arguments = a->arguments, .context = &context};
  if (now != NULL) context.now = *now;
  handoff_say_summary(&said, a->summary, sizeof a->summary);
  a->prompt[0] = '\0';
  if (a->decision == HANDOFF_CONFIRM) handoff_say_confirm(&said, a->prompt, sizeof a->prompt);
}

void handoff_say_ask(const handoff_said *s, int slot, char *out, size_t out_size) {
  line l = line_of(out, out_size);
  const char *question = s->action->ask[slot] != NULL ? s->action->ask[slot] : s->manifest->slot[slot].ask;
  if (question != NULL) {
    puts_to(&l, question);
    return;
  }
  puts_to(&l, s->action->title);
  puts_to(&l, ": which ");
  put_name(&l, s->manifest->slot[slot].name);
  puts_to(&l, "?");
}

void handoff_say_unclear(const handoff_said *s, int slot, char *out, size_t out_size) {
  line l = line_of(out, out_size);
  puts_to(&l, "I could not read \"");
  put_words(&l, s, (size_t)slot);
  puts_to(&l, "\" as the ");
  put_name(&l, s->manifest->slot[slot].name);
  puts_to(&l, ". ");
  handoff_say_ask(s, slot, l.out + l.len, l.size - l.len);
}
