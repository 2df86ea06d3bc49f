/* chat/method: what values have by name or index: members, methods of strings and dicts, items, slices. */
#include "chat/value.h"

#include <string.h>

typedef chat_value method_fn(chat_run *r, chat_value self, const chat_args *a);

/* ---- strings ---- */

static bool is_text(const chat_value *v) {
  return v != NULL && v->kind == CHAT_STRING;
}

/* The set of characters to strip: white space unless given (ASCII sets, as templates have them). */
static bool strips(const chat_value *set, const char *p, size_t n) {
  uint32_t c;
  if (is_text(set)) return memmem(set->as.string->ptr, set->as.string->len, p, n) != NULL;
  return base_utf8_decode(p, n, &c) > 0 && (base_utf8_is_space(c) || (c >= 0x1C && c <= 0x1F));
}

static size_t char_before(const char *p, size_t at) {
  size_t start = at - 1;
  while (start > 0 && at - start < 4 && ((unsigned char)p[start] & 0xC0) == 0x80) start--;
  return at - start;
}

static size_t char_at(const char *p, size_t len) {
  uint32_t c;
  size_t n = base_utf8_decode(p, len, &c);
  return n > 0 ? n : 1;
}

static chat_value strip(chat_run *r, const chat_string *s, const chat_value *set, bool left, bool right) {
  size_t start = 0, end = s->len;
  if (set != NULL && set->kind == CHAT_NONE) set = NULL;
  if (!chat_work(r, 1 + s->len / 16)) return chat_undefined();
  while (left && start < end) {
    size_t n = char_at(s->ptr + start, end - start);
    if (!strips(set, s->ptr + start, n)) break;
    start += n;
  }
  while (right && end > start) {
    size_t n = char_before(s->ptr, end);
    if (!strips(set, s->ptr + end - n, n)) break;
    end -= n;
  }
  return chat_part(r, s, start, end);
}

static chat_value m_strip(chat_run *r, chat_value self, const chat_args *a) {
  return strip(r, self.as.string, chat_arg(a, 0, "chars"), true, true);
}

static chat_value m_lstrip(chat_run *r, chat_value self, const chat_args *a) {
  return strip(r, self.as.string, chat_arg(a, 0, "chars"), true, false);
}

static chat_value m_rstrip(chat_run *r, chat_value self, const chat_args *a) {
  return strip(r, self.as.string, chat_arg(a, 0, "chars"), false, true);
}

/* Where `part` is in s from `from` on; SIZE_MAX when nowhere. */
static size_t find_text(chat_run *r, const chat_string *s, const chat_string *part, size_t from) {
  if (!chat_work(r, 1 + (s->len - from) / 16)) return SIZE_MAX;
  if (part->len == 0) return from;
  const char *found = memmem(s->ptr + from, s->len - from, part->ptr, part->len);
  return found != NULL ? (size_t)(found - s->ptr) : SIZE_MAX;
}

static size_t find_last(chat_run *r, const chat_string *s, const chat_string *part, size_t end) {
  if (!chat_work(r, 1 + end / 4)) return SIZE_MAX;
  for (size_t at = end >= part->len ? end - part->len + 1 : 0; at > 0; at--) {
    if (memcmp(s->ptr + at - 1, part->ptr, part->len) == 0) return at - 1;
  }
  return SIZE_MAX;
}

static int64_t most_splits(const chat_args *a) {
  const chat_value *most = chat_arg(a, 1, "maxsplit");
  return most != NULL && most->kind == CHAT_INT && most->as.integer >= 0 ? most->as.integer : INT64_MAX;
}

/* split() without a separator: at runs of white space, none at the ends. */
static chat_value split_spaces(chat_run *r, const chat_string *s, int64_t most) {
  chat_value out = chat_list_new(r, 0);
  size_t at = 0, start;
  for (;;) {
    while (at < s->len && strips(NULL, s->ptr + at, char_at(s->ptr + at, s->len - at)))
      at += char_at(s->ptr + at, s->len - at);
    if (at >= s->len || r->status != BASE_OK) return out;
    start = at;
    if (most-- <= 0) {
      chat_list_add(r, out, chat_part(r, s, start, s->len));
      return out;
    }
    while (at < s->len && !strips(NULL, s->ptr + at, char_at(s->ptr + at, s->len - at)))
      at += char_at(s->ptr + at, s->len - at);
    chat_list_add(r, out, chat_part(r, s, start, at));
  }
}

static chat_value m_split(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *by = chat_arg(a, 0, "sep");
  const chat_string *s = self.as.string;
  int64_t most = most_splits(a);
  if (!is_text(by)) return split_spaces(r, s, most);
  if (by->as.string->len == 0) return chat_fail(r, BASE_EARGUMENT, "split by an empty string");
  chat_value out = chat_list_new(r, 0);
  size_t start = 0, at;
  while (most-- > 0 && (at = find_text(r, s, by->as.string, start)) != SIZE_MAX) {
    chat_list_add(r, out, chat_part(r, s, start, at));
    start = at + by->as.string->len;
  }
  chat_list_add(r, out, chat_part(r, s, start, s->len));
  return out;
}

static void reverse(chat_list *l) {
  for (size_t i = 0; i < l->n / 2; i++) {
    chat_value v = l->item[i];
    l->item[i] = l->item[l->n - 1 - i];
    l->item[l->n - 1 - i] = v;
  }
}

static chat_value m_rsplit(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *by = chat_arg(a, 0, "sep");
  const chat_string *s = self.as.string;
  int64_t most = most_splits(a);
  if (!is_text(by) || by->as.string->len == 0) return m_split(r, self, a);
  chat_value out = chat_list_new(r, 0);
  size_t end = s->len, at;
  while (most-- > 0 && (at = find_last(r, s, by->as.string, end)) != SIZE_MAX) {
    chat_list_add(r, out, chat_part(r, s, at + by->as.string->len, end));
    end = at;
  }
  chat_list_add(r, out, chat_part(r, s, 0, end));
  if (out.kind == CHAT_LIST) reverse(out.as.list);
  return out;
}

/* The bytes of a line's end at `at`, as Python's splitlines knows them; 0 when there is none. */
static size_t line_end(base_slice s, size_t at) {
  unsigned char c = (unsigned char)s.ptr[at], next = at + 1 < s.len ? (unsigned char)s.ptr[at + 1] : 0;
  if (c == '\r' && next == '\n') return 2;
  if ((c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E)) return 1;
  if (c == 0xC2 && next == 0x85) return 2;
  return c == 0xE2 && next == 0x80 && at + 2 < s.len && ((unsigned char)s.ptr[at + 2] & 0xFE) == 0xA8 ? 3 : 0;
}

size_t chat_line(base_slice s, size_t start, size_t *end) {
  size_t at = start, n = 0;
  while (at < s.len && (n = line_end(s, at)) == 0) at++;
  *end = at;
  return at + n;
}

static chat_value m_splitlines(chat_run *r, chat_value self, const chat_args *a) {
  const chat_string *s = self.as.string;
  chat_value out = chat_list_new(r, 0);
  bool keep = chat_arg_true(a, 0, "keepends");
  for (size_t start = 0, at, end; start < s->len && r->status == BASE_OK; start = at) {
    at = chat_line(chat_slice(s), start, &end);
    chat_list_add(r, out, chat_part(r, s, start, keep ? at : end));
  }
  return out;
}

static bool affix(const chat_string *s, chat_value part, bool front) {
  if (chat_is_sequence(part, CHAT_TUPLE)) {
    for (size_t i = 0; i < part.as.list->n; i++) {
      if (part.as.list->item[i].kind == CHAT_STRING && affix(s, part.as.list->item[i], front)) return true;
    }
    return false;
  }
  if (part.kind != CHAT_STRING || part.as.string->len > s->len) return false;
  const char *at = front ? s->ptr : s->ptr + s->len - part.as.string->len;
  return memcmp(at, part.as.string->ptr, part.as.string->len) == 0;
}

static chat_value affix_arg(chat_run *r, chat_value self, const chat_args *a, bool front) {
  const chat_value *part = chat_arg(a, 0, front ? "prefix" : "suffix");
  if (part == NULL || (part->kind != CHAT_STRING && !(part->kind == CHAT_LIST && part->as.list->kind == CHAT_TUPLE)))
    return chat_fail(r, BASE_EARGUMENT, "startswith and endswith need a string or a tuple of them");
  return chat_bool(affix(self.as.string, *part, front));
}

static chat_value m_startswith(chat_run *r, chat_value self, const chat_args *a) {
  return affix_arg(r, self, a, true);
}

static chat_value m_endswith(chat_run *r, chat_value self, const chat_args *a) {
  return affix_arg(r, self, a, false);
}

static chat_value m_removeprefix(chat_run *r, chat_value self, const chat_args *a) {
  if (!is_text(chat_arg(a, 0, "prefix"))) return chat_fail(r, BASE_EARGUMENT, "removeprefix needs a string");
  chat_value has = affix_arg(r, self, a, true);
  if (!chat_is_true(has)) return self;
  return chat_part(r, self.as.string, chat_arg(a, 0, "prefix")->as.string->len, self.as.string->len);
}

static chat_value m_removesuffix(chat_run *r, chat_value self, const chat_args *a) {
  if (!is_text(chat_arg(a, 0, "suffix"))) return chat_fail(r, BASE_EARGUMENT, "removesuffix needs a string");
  chat_value has = affix_arg(r, self, a, false);
  if (!chat_is_true(has)) return self;
  return chat_part(r, self.as.string, 0, self.as.string->len - chat_arg(a, 0, "suffix")->as.string->len);
}

/* Upper case of the alphabets that base lowers: the inverse is looked for nearby. */
static uint32_t upper_of(uint32_t c) {
  static const int32_t away[] = {32, 1, 80, 37, 38, 63, 64, 8};
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (c == 0xFF) return 0x178;
  for (size_t i = 0; i < sizeof away / sizeof away[0]; i++) {
    uint32_t up = c - (uint32_t)away[i];
    if (up < c && up >= 0x80 && base_utf8_lower(up) == c) return up;
  }
  return c;
}

/* TITLE is the method, WORDS the filter of that name: it begins a word behind white space, "-" and brackets only. */
typedef enum casing { UPPER, LOWER, CAPITALIZE, TITLE, WORDS } casing;

static chat_value change_case(chat_run *r, const chat_string *s, casing how) {
  chat_builder b = {.r = r};
  bool inside = false;
  for (size_t at = 0, n; at < s->len && r->status == BASE_OK; at += n) {
    uint32_t c = (unsigned char)s->ptr[at];
    char utf8[4];
    n = base_utf8_decode(s->ptr + at, s->len - at, &c);
    if (n == 0) {
      n = 1;
      chat_add_part(&b, s, at, at + 1);
      continue;
    }
    bool up = how == UPPER || (how >= CAPITALIZE && !inside);
    inside = how == TITLE   ? base_utf8_is_letter(c)
             : how == WORDS ? !strips(NULL, s->ptr + at, n) && (n > 1 || strchr("-({[<", s->ptr[at]) == NULL)
                            : true;
    size_t len = base_utf8_encode(up ? upper_of(c) : base_utf8_lower(c), utf8);
    chat_add(&b, utf8, len, s->marked || (s->mark != NULL && s->mark[at]));
  }
  return s->safe && how != WORDS ? chat_safe(chat_built(&b)) : chat_built(&b);
}

chat_value chat_title(chat_run *r, const chat_string *s) { return change_case(r, s, WORDS); }

static chat_value m_upper(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return change_case(r, self.as.string, UPPER);
}

static chat_value m_lower(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return change_case(r, self.as.string, LOWER);
}

static chat_value m_capitalize(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return change_case(r, self.as.string, CAPITALIZE);
}

static chat_value m_title(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return change_case(r, self.as.string, TITLE);
}

static chat_value m_replace(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *from = chat_arg(a, 0, "old"), *to = chat_arg(a, 1, "new"),
                   *count = chat_arg(a, 2, "count");
  const chat_string *s = self.as.string;
  if (!is_text(from) || !is_text(to)) return chat_fail(r, BASE_EARGUMENT, "replace needs two strings");
  int64_t left =
      count != NULL && count->kind == CHAT_INT && count->as.integer >= 0 ? count->as.integer : INT64_MAX;
  if (from->as.string->len == 0) return chat_fail(r, BASE_EUNSUPPORTED, "replace of an empty string");
  if (s->safe) return chat_fail(r, BASE_EUNSUPPORTED, "the method replace of what is marked as safe");
  chat_builder b = {.r = r};
  size_t start = 0, at;
  while (left-- > 0 && (at = find_text(r, s, from->as.string, start)) != SIZE_MAX) {
    chat_add_part(&b, s, start, at);
    chat_add_string(&b, to->as.string);
    start = at + from->as.string->len;
  }
  chat_add_part(&b, s, start, s->len);
  return chat_built(&b);
}

static chat_value found_at(const chat_string *s, size_t at) {
  return chat_int(at == SIZE_MAX ? -1 : (int64_t)base_utf8_count(s->ptr, at));
}

static chat_value m_find(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *part = chat_arg(a, 0, "sub");
  if (!is_text(part) || a->n > 1) return chat_fail(r, BASE_EUNSUPPORTED, "find needs one string");
  return found_at(self.as.string, find_text(r, self.as.string, part->as.string, 0));
}

static chat_value m_rfind(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *part = chat_arg(a, 0, "sub");
  if (!is_text(part) || a->n > 1) return chat_fail(r, BASE_EUNSUPPORTED, "rfind needs one string");
  return found_at(self.as.string, find_last(r, self.as.string, part->as.string, self.as.string->len));
}

static chat_value m_count(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *part = chat_arg(a, 0, "sub");
  int64_t n = 0;
  if (!is_text(part) || part->as.string->len == 0)
    return chat_fail(r, BASE_EARGUMENT, "count needs a string");
  for (size_t at = 0; (at = find_text(r, self.as.string, part->as.string, at)) != SIZE_MAX;
       at += part->as.string->len)
    n++;
  return chat_int(n);
}

static chat_value m_join(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *items = chat_arg(a, 0, "iterable");
  chat_builder b = {.r = r};
  chat_value list =
      items != NULL ? chat_iterate(r, *items) : chat_fail(r, BASE_EARGUMENT, "join needs a list");
  for (size_t i = 0; list.kind == CHAT_LIST && i < list.as.list->n && r->status == BASE_OK; i++) {
    if (list.as.list->item[i].kind != CHAT_STRING) return chat_fail(r, BASE_EARGUMENT, "join needs strings");
    if (i > 0) chat_add_string(&b, self.as.string);
    chat_value one = self.as.string->safe ? chat_escaped(r, list.as.list->item[i]) : list.as.list->item[i];
    if (one.kind == CHAT_STRING) chat_add_string(&b, one.as.string);
  }
  return self.as.string->safe ? chat_safe(chat_built(&b)) : chat_built(&b);
}

/* The argument of a field of format: the next one, one by number, one by name; NULL when there is none. */
static const chat_value *format_field(const chat_args *a, base_slice field, size_t *next) {
  size_t positional = a->n - a->n_named, at;
  if (field.len == 0) return *next < positional ? &a->value[(*next)++] : NULL;
  if (base_parse_size(field, &at)) return at < positional ? &a->value[at] : NULL;
  for (size_t i = 0; i < a->n_named; i++)
    if (base_slice_equal(a->name[i], field)) return &a->value[positional + i];
  return NULL;
}

/* str.format with fields that are whole arguments: "{}", "{0}", "{name}". */
static chat_value m_format(chat_run *r, chat_value self, const chat_args *a) {
  const chat_string *s = self.as.string;
  chat_builder b = {.r = r};
  size_t next = 0;
  if (s->safe) return chat_fail(r, BASE_EUNSUPPORTED, "the method format of what is marked as safe");
  for (size_t i = 0; i < s->len && r->status == BASE_OK; i++) {
    char c = s->ptr[i];
    bool twice = i + 1 < s->len && s->ptr[i + 1] == c;
    if (c != '{' && c != '}') {
      chat_add_part(&b, s, i, i + 1);
    } else if (twice) {
      chat_add_part(&b, s, i, i + 1);
      i++;
    } else {
      const char *end = c == '{' ? memchr(s->ptr + i, '}', s->len - i) : NULL;
      size_t to = end != NULL ? (size_t)(end - s->ptr) : i;
      const chat_value *v = format_field(a, (base_slice){s->ptr + i + 1, to > i ? to - i - 1 : 0}, &next);
      if (end == NULL || v == NULL)
        return chat_fail(r, BASE_EUNSUPPORTED, "format has a field that is no argument, or one with a form of its own");
      chat_add_str(&b, *v);
      i = to;
    }
  }
  return chat_built(&b);
}

/* All characters, and at least one, are ASCII digits or letters of these. */
static bool all_of(const chat_string *s, bool digits, bool letters) {
  for (size_t at = 0, n; at < s->len; at += n) {
    uint32_t c = 0;
    n = base_utf8_decode(s->ptr + at, s->len - at, &c);
    if (n == 0 || !((digits && base_utf8_is_digit(c)) || (letters && base_utf8_is_letter(c)))) return false;
  }
  return s->len > 0;
}

static chat_value m_isdigit(chat_run *r, chat_value self, const chat_args *a) {
  (void)r;
  (void)a;
  return chat_bool(all_of(self.as.string, true, false));
}

static chat_value m_isalpha(chat_run *r, chat_value self, const chat_args *a) {
  (void)r;
  (void)a;
  return chat_bool(all_of(self.as.string, false, true));
}

static chat_value m_isalnum(chat_run *r, chat_value self, const chat_args *a) {
  (void)r;
  (void)a;
  return chat_bool(all_of(self.as.string, true, true));
}

/* ---- dicts ---- */

static chat_value m_get(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *key = chat_arg(a, 0, "key"), *otherwise = chat_arg(a, 1, "default");
  if (key == NULL) return chat_fail(r, BASE_EARGUMENT, "get needs a key");
  if (!chat_can_be_key(r, *key)) return chat_undefined();
  chat_value *found = chat_dict_find(r, self, *key);
  if (found != NULL) return *found;
  return otherwise != NULL ? *otherwise : chat_none();
}

static chat_value members(chat_run *r, chat_value self, bool keys, bool values) {
  chat_dict *d = self.as.dict;
  chat_value out = chat_list_new(r, d->n);
  for (size_t i = 0; i < d->n && r->status == BASE_OK; i++) {
    if (!keys || !values) {
      chat_list_add(r, out, keys ? d->member[i].key : d->member[i].value);
      continue;
    }
    chat_value pair = chat_list_as(chat_list_new(r, 2), CHAT_TUPLE);
    chat_list_add(r, pair, d->member[i].key);
    chat_list_add(r, pair, d->member[i].value);
    chat_list_add(r, out, pair);
  }
  return chat_list_as(out, CHAT_VIEW);
}

static chat_value m_items(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return members(r, self, true, true);
}

static chat_value m_keys(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return members(r, self, true, false);
}

static chat_value m_values(chat_run *r, chat_value self, const chat_args *a) {
  (void)a;
  return members(r, self, false, true);
}

/* ---- lists ---- */

static chat_value m_index(chat_run *r, chat_value self, const chat_args *a) {
  const chat_value *item = chat_arg(a, 0, "value");
  for (size_t i = 0; item != NULL && i < self.as.list->n && r->status == BASE_OK; i++) {
    if (chat_equal(r, self.as.list->item[i], *item)) return chat_int((int64_t)i);
  }
  return chat_fail(r, BASE_EARGUMENT, "index: the value is not in the list");
}

static const struct {
  chat_kind kind;
  const char *name;
  method_fn *call;
} methods[] = {
    {CHAT_STRING, "strip", m_strip},
    {CHAT_STRING, "lstrip", m_lstrip},
    {CHAT_STRING, "rstrip", m_rstrip},
    {CHAT_STRING, "split", m_split},
    {CHAT_STRING, "rsplit", m_rsplit},
    {CHAT_STRING, "splitlines", m_splitlines},
    {CHAT_STRING, "startswith", m_startswith},
    {CHAT_STRING, "endswith", m_endswith},
    {CHAT_STRING, "removeprefix", m_removeprefix},
    {CHAT_STRING, "removesuffix", m_removesuffix},
    {CHAT_STRING, "upper", m_upper},
    {CHAT_STRING, "lower", m_lower},
    {CHAT_STRING, "capitalize", m_capitalize},
    {CHAT_STRING, "title", m_title},
    {CHAT_STRING, "replace", m_replace},
    {CHAT_STRING, "find", m_find},
    {CHAT_STRING, "rfind", m_rfind},
    {CHAT_STRING, "count", m_count},
    {CHAT_STRING, "format", m_format},
    {CHAT_STRING, "join", m_join},
    {CHAT_STRING, "isdigit", m_isdigit},
    {CHAT_STRING, "isalpha", m_isalpha},
    {CHAT_STRING, "isalnum", m_isalnum},
    {CHAT_DICT, "get", m_get},
    {CHAT_DICT, "items", m_items},
    {CHAT_DICT, "keys", m_keys},
    {CHAT_DICT, "values", m_values},
    {CHAT_LIST, "index", m_index},
};

chat_value chat_method_of(chat_run *r, chat_value self, base_slice name) {
  if (self.kind == CHAT_LIST && !chat_is_sequence(self, CHAT_RANGE)) return chat_undefined();
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    if (methods[i].kind != self.kind || !base_slice_equal(name, base_slice_of(methods[i].name))) continue;
    chat_method *m = chat_take(&r->heap, 1, sizeof *m);
    if (m == NULL) return chat_fail(r, BASE_ENOMEM, "no memory for a call");
    *m = (chat_method){self, (int)i};
    return (chat_value){CHAT_METHOD, {.method = m}};
  }
  return chat_undefined();
}

chat_value chat_method_call(chat_run *r, const chat_method *m, const chat_args *a) {
  return methods[m->method].call(r, m->self, a);
}

/* ---- members and items ---- */

static chat_value missing(const char *name) {
  return (chat_value){CHAT_UNDEFINED, {.missing = name}};
}

static chat_value fail_undefined(chat_run *r) {
  return chat_fail(r, BASE_EARGUMENT, "something undefined is asked for a member");
}

/* Python's getattr first, then the item: a method hides a key of its name. */
chat_value chat_attribute(chat_run *r, chat_value v, base_slice name) {
  if (v.kind == CHAT_UNDEFINED) return fail_undefined(r);
  chat_value method = chat_method_of(r, v, name);
  if (method.kind != CHAT_UNDEFINED || r->status != BASE_OK) return method;
  if (v.kind == CHAT_DICT || v.kind == CHAT_NAMESPACE) {
    chat_value *found = chat_dict_get(&v, name);
    if (found != NULL) return *found;
  }
  return missing(NULL);
}

chat_value chat_item(chat_run *r, chat_value v, chat_value key) {
  if (v.kind == CHAT_UNDEFINED) return fail_undefined(r);
  if (v.kind == CHAT_DICT) {
    chat_value *found = chat_dict_find(r, v, key);
    if (found != NULL) return *found;
  }
  if (key.kind == CHAT_STRING) return chat_attribute(r, v, chat_slice(key.as.string));
  if (key.kind != CHAT_INT || (!chat_is_sequence(v, CHAT_RANGE) && v.kind != CHAT_STRING)) return missing(NULL);
  int64_t n = (int64_t)chat_length(r, v), at = key.as.integer < 0 ? key.as.integer + n : key.as.integer;
  if (at < 0 || at >= n) return missing(NULL);
  if (v.kind == CHAT_LIST) return v.as.list->item[at];
  size_t start = base_utf8_offset(v.as.string->ptr, v.as.string->len, (size_t)at);
  return chat_part(r, v.as.string, start,
                   start + char_at(v.as.string->ptr + start, v.as.string->len - start));
}

/* A bound of a slice as Python clamps it. */
static int64_t bound_of(chat_value v, int64_t n, int64_t open, int64_t low, int64_t high) {
  if (v.kind != CHAT_INT) return open;
  int64_t at = v.as.integer < 0 ? v.as.integer + n : v.as.integer;
  return at < low ? low : at > high ? high : at;
}

chat_value chat_sliced(chat_run *r, chat_value v, chat_value start, chat_value stop, chat_value step) {
  if (!chat_is_sequence(v, CHAT_RANGE) && v.kind != CHAT_STRING)
    return v.kind == CHAT_UNDEFINED ? fail_undefined(r)
                                    : chat_fail(r, BASE_EARGUMENT, "%s has no slices", chat_kind_name(v));
  int64_t by = step.kind == CHAT_INT ? step.as.integer : 1;
  if (by == 0 || by == INT64_MIN) return chat_fail(r, BASE_EARGUMENT, "a slice has the step 0");
  int64_t n = (int64_t)chat_length(r, v);
  int64_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
  int64_t from = bound_of(start, n, by > 0 ? 0 : n - 1, low, high),
          to = bound_of(stop, n, by > 0 ? n : -1, low, high);
  if (v.kind == CHAT_STRING && by == 1) {
    size_t a = base_utf8_offset(v.as.string->ptr, v.as.string->len, (size_t)from);
    size_t b = base_utf8_offset(v.as.string->ptr, v.as.string->len, (size_t)(to > from ? to : from));
    return chat_work(r, 1 + v.as.string->len / 16) ? chat_part(r, v.as.string, a, b) : chat_undefined();
  }
  chat_value items = chat_iterate(r, v), out = chat_list_new(r, 0);
  if (items.kind != CHAT_LIST) return chat_undefined();
  for (int64_t at = from; (by > 0 ? at < to : at > to) && r->status == BASE_OK;) {
    chat_list_add(r, out, items.as.list->item[at]);
    if (by > 0 ? by > to - at : by < to - at) break;
    at += by;
  }
  if (v.kind == CHAT_LIST) return chat_list_as(out, v.as.list->kind);
  if (out.kind != CHAT_LIST) return out;
  chat_builder b = {.r = r};
  for (size_t i = 0; i < out.as.list->n; i++) chat_add_string(&b, out.as.list->item[i].as.string);
  return v.as.string->safe ? chat_safe(chat_built(&b)) : chat_built(&b);
}
