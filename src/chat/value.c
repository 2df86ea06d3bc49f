/* chat/value: memory, text with marks, lists, dicts, and what Python says about truth, equality and order. */
#include "chat/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- memory ---- */

enum { BLOCK_BYTES = 64 * 1024, MAX_STEPS = 20 * 1000 * 1000 };

struct chat_block {
  chat_block *next;
  size_t size; /* of the whole block */
};

#define ALIGN 16
#define HEADER ((sizeof(chat_block) + ALIGN - 1) / ALIGN * ALIGN)

static bool add_block(chat_heap *h, size_t bytes) {
  size_t size = HEADER + (bytes > BLOCK_BYTES - HEADER ? bytes : BLOCK_BYTES - HEADER);
  if (size > h->limit - h->total) return false;
  chat_block *b = base_alloc(h->allocator, size);
  if (b == NULL) return false;
  *b = (chat_block){h->block, size};
  h->block = b;
  h->total += size;
  h->used = HEADER;
  return true;
}

void *chat_take(chat_heap *h, size_t count, size_t bytes) {
  size_t total;
  h->failed = h->failed || !base_mul_size(count, bytes, &total) || total > h->limit;
  if (h->failed) return NULL;
  total = (total + ALIGN - 1) / ALIGN * ALIGN;
  h->failed = (h->block == NULL || total > h->block->size - h->used) && !add_block(h, total);
  if (h->failed) return NULL;
  void *out = (char *)h->block + h->used;
  h->used += total;
  return memset(out, 0, total);
}

void chat_heap_free(chat_heap *h) {
  while (h->block != NULL) {
    chat_block *b = h->block;
    h->block = b->next;
    base_free(h->allocator, b, b->size);
  }
  h->used = h->total = 0;
}

/* ---- failing ---- */

chat_value chat_fail(chat_run *r, base_status code, const char *fmt, ...) {
  char text[200];
  va_list args;
  if (r->status != BASE_OK) return chat_undefined();
  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  r->status = base_fail(r->err, code, r->name, "line %u: %s", (unsigned)r->line, text);
  return chat_undefined();
}

static void fail_memory(chat_run *r) {
  (void)chat_fail(r, BASE_ENOMEM, "no memory, or the template needs more than %zu bytes", r->heap.limit);
}

static void *take(chat_run *r, size_t count, size_t bytes) {
  void *out = chat_take(&r->heap, count, bytes);
  if (out == NULL) fail_memory(r);
  return out;
}

bool chat_work(chat_run *r, size_t n) {
  if (r->status != BASE_OK) return false;
  r->steps += n;
  if (r->steps <= MAX_STEPS) return true;
  (void)chat_fail(r, BASE_ELIMIT, "the template takes too many steps");
  return false;
}

/* ---- strings ---- */

chat_value chat_real(double v) {
  return (chat_value){CHAT_FLOAT, {.real = v}};
}

chat_value chat_text(chat_run *r, const char *ptr, size_t len, bool marked) {
  chat_string *s = len <= UINT32_MAX ? take(r, 1, sizeof *s) : NULL;
  if (s == NULL) return chat_undefined();
  *s = (chat_string){.ptr = ptr != NULL ? ptr : "", .len = (uint32_t)len, .marked = marked};
  return (chat_value){CHAT_STRING, {.string = s}};
}

chat_value chat_literal(chat_run *r, const char *terminated) {
  return chat_text(r, terminated, strlen(terminated), false);
}

chat_value chat_part(chat_run *r, const chat_string *s, size_t start, size_t end) {
  chat_value v = chat_text(r, s->ptr + start, end - start, s->marked);
  if (v.kind == CHAT_STRING && s->mark != NULL) v.as.string->mark = s->mark + start;
  if (v.kind == CHAT_STRING) v.as.string->safe = s->safe;
  return v;
}

chat_value chat_safe(chat_value string) {
  if (string.kind == CHAT_STRING) string.as.string->safe = true;
  return string;
}

chat_value chat_escaped(chat_run *r, chat_value v) {
  static const char from[] = "&<>\"'";
  static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
  chat_value s = chat_str(r, v);
  chat_builder b = {.r = r};
  if (s.kind != CHAT_STRING || s.as.string->safe) return s;
  for (uint32_t i = 0; i < s.as.string->len && r->status == BASE_OK; i++) {
    const char *at = s.as.string->ptr[i] != 0 ? strchr(from, s.as.string->ptr[i]) : NULL;
    if (at == NULL)
      chat_add_part(&b, s.as.string, i, i + 1);
    else
      chat_add(&b, to[at - from], strlen(to[at - from]), true);
  }
  return chat_safe(chat_built(&b));
}

base_slice chat_slice(const chat_string *s) {
  return (base_slice){s->ptr, s->len};
}

bool chat_string_is(chat_value v, const char *text) {
  return v.kind == CHAT_STRING && base_slice_equal(chat_slice(v.as.string), base_slice_of(text));
}

/* Room for len more bytes; marks lie behind the text's room. */
static bool grow(chat_builder *b, size_t len) {
  if (b->r->status != BASE_OK) return false;
  if (len <= b->cap - b->len) return true;
  size_t cap = 2 * b->cap + len + 32;
  char *ptr = take(b->r, 2, cap);
  if (ptr == NULL) return false;
  if (b->len > 0) {
    memcpy(ptr, b->ptr, b->len);
    memcpy(ptr + cap, b->mark, b->len);
  }
  b->ptr = ptr;
  b->mark = (uint8_t *)ptr + cap;
  b->cap = cap;
  return true;
}

void chat_add(chat_builder *b, const char *ptr, size_t len, bool marked) {
  if (len == 0 || !chat_work(b->r, 1 + len / 64) || !grow(b, len)) return;
  memcpy(b->ptr + b->len, ptr, len);
  memset(b->mark + b->len, marked, len);
  b->len += len;
}

void chat_add_part(chat_builder *b, const chat_string *s, size_t start, size_t end) {
  size_t at = b->len;
  chat_add(b, s->ptr + start, end - start, s->marked);
  if (s->mark != NULL && b->len == at + (end - start) && end > start)
    memcpy(b->mark + at, s->mark + start, end - start);
}

void chat_add_string(chat_builder *b, const chat_string *s) {
  chat_add_part(b, s, 0, s->len);
}

chat_value chat_built(chat_builder *b) {
  chat_value v = chat_text(b->r, b->len > 0 ? b->ptr : "", b->len, false);
  if (v.kind == CHAT_STRING && b->len > 0) v.as.string->mark = b->mark;
  return v;
}

/* ---- lists and dicts ---- */

chat_value chat_list_new(chat_run *r, size_t cap) {
  chat_list *l = take(r, 1, sizeof *l);
  if (l == NULL) return chat_undefined();
  l->cap = cap;
  l->item = cap > 0 ? take(r, cap, sizeof *l->item) : NULL;
  return cap > 0 && l->item == NULL ? chat_undefined() : (chat_value){CHAT_LIST, {.list = l}};
}

void chat_list_add(chat_run *r, chat_value list, chat_value item) {
  if (list.kind != CHAT_LIST || !chat_work(r, 1)) return;
  chat_list *l = list.as.list;
  if (l->n == l->cap) {
    size_t cap = 2 * l->cap + 4;
    chat_value *grown = take(r, cap, sizeof *grown);
    if (grown == NULL) return;
    if (l->n > 0) memcpy(grown, l->item, l->n * sizeof *grown);
    l->item = grown;
    l->cap = cap;
  }
  l->item[l->n++] = item;
}

chat_value chat_list_as(chat_value list, chat_sequence kind) {
  if (list.kind == CHAT_LIST) list.as.list->kind = kind;
  return list;
}

bool chat_is_sequence(chat_value v, chat_sequence last) {
  return v.kind == CHAT_LIST && v.as.list->kind <= last;
}

chat_value chat_list_take(chat_list *l) {
  if (l->n == 0) return chat_undefined();
  l->n--;
  l->cap--;
  return *l->item++;
}

chat_value chat_dict_new(chat_run *r, chat_kind kind) {
  chat_dict *d = take(r, 1, sizeof *d);
  return d == NULL ? chat_undefined() : (chat_value){kind, {.dict = d}};
}

static bool is_dict(chat_value v) {
  return v.kind == CHAT_DICT || v.kind == CHAT_NAMESPACE;
}

chat_value *chat_dict_get(const chat_value *dict, base_slice key) {
  chat_dict *d = dict->as.dict;
  for (size_t i = 0; i < d->n; i++) {
    if (d->member[i].key.kind == CHAT_STRING && base_slice_equal(chat_slice(d->member[i].key.as.string), key))
      return &d->member[i].value;
  }
  return NULL;
}

bool chat_can_be_key(chat_run *r, chat_value v) {
  if (v.kind != CHAT_DICT && (v.kind != CHAT_LIST || v.as.list->kind != CHAT_ITEMS)) return true;
  (void)chat_fail(r, BASE_EARGUMENT, "%s cannot be a key", chat_kind_name(v));
  return false;
}

chat_value *chat_dict_find(chat_run *r, chat_value dict, chat_value key) {
  if (!is_dict(dict) || !chat_work(r, 1 + dict.as.dict->n / 8)) return NULL;
  if (key.kind == CHAT_STRING) return chat_dict_get(&dict, chat_slice(key.as.string));
  for (size_t i = 0; i < dict.as.dict->n; i++) {
    if (chat_equal(r, dict.as.dict->member[i].key, key)) return &dict.as.dict->member[i].value;
  }
  return NULL;
}

void chat_dict_put(chat_run *r, chat_value dict, chat_value key, chat_value value) {
  if (!is_dict(dict)) return;
  chat_value *found = chat_dict_find(r, dict, key);
  chat_dict *d = dict.as.dict;
  if (found != NULL) {
    *found = value;
    return;
  }
  if (r->status != BASE_OK) return;
  if (d->n == d->cap) {
    size_t cap = 2 * d->cap + 4;
    chat_member *grown = take(r, cap, sizeof *grown);
    if (grown == NULL) return;
    if (d->n > 0) memcpy(grown, d->member, d->n * sizeof *grown);
    d->member = grown;
    d->cap = cap;
  }
  d->member[d->n++] = (chat_member){key, value};
}

void chat_dict_set(chat_run *r, chat_value dict, const char *key, chat_value value) {
  chat_dict_put(r, dict, chat_literal(r, key), value);
}

/* ---- truth, equality, order ---- */

bool chat_is_true(chat_value v) {
  switch (v.kind) {
    case CHAT_UNDEFINED:
    case CHAT_NONE: return false;
    case CHAT_BOOL: return v.as.truth;
    case CHAT_INT: return v.as.integer != 0;
    case CHAT_FLOAT: return v.as.real < 0 || v.as.real > 0 || isnan(v.as.real);
    case CHAT_STRING: return v.as.string->len > 0;
    case CHAT_LIST: return v.as.list->n > 0 || v.as.list->kind == CHAT_ONCE;
    case CHAT_DICT: return v.as.dict->n > 0;
    default: return true;
  }
}

bool chat_number(chat_value v, double *out) {
  if (v.kind == CHAT_INT)
    *out = (double)v.as.integer;
  else if (v.kind == CHAT_FLOAT)
    *out = v.as.real;
  else if (v.kind == CHAT_BOOL)
    *out = v.as.truth ? 1 : 0;
  else
    return false;
  return true;
}

static bool lists_equal(chat_run *r, const chat_list *a, const chat_list *b) {
  if (a->kind == CHAT_VIEW && b->kind == CHAT_VIEW)
    (void)chat_fail(r, BASE_EUNSUPPORTED, "views of dicts are not compared");
  if (a->kind != b->kind || a->kind == CHAT_ONCE) return a == b;
  if (a->n != b->n) return false;
  for (size_t i = 0; i < a->n; i++) {
    if (!chat_equal(r, a->item[i], b->item[i])) return false;
  }
  return true;
}

static bool dicts_equal(chat_run *r, chat_value a, chat_value b) {
  if (a.as.dict->n != b.as.dict->n) return false;
  for (size_t i = 0; i < a.as.dict->n; i++) {
    chat_value *other = chat_dict_find(r, b, a.as.dict->member[i].key);
    if (other == NULL || !chat_equal(r, a.as.dict->member[i].value, *other)) return false;
  }
  return true;
}

enum { MAX_DEPTH = 200 };

/* Values may nest as deep as a template can build them; recursion may not. */
static bool enter(chat_run *r) {
  if (!chat_work(r, 1)) return false;
  if (++r->depth <= MAX_DEPTH) return true;
  (void)chat_fail(r, BASE_ELIMIT, "values nest too deep");
  r->depth--;
  return false;
}

bool chat_equal(chat_run *r, chat_value a, chat_value b) {
  double x, y;
  if (a.kind == CHAT_INT && b.kind == CHAT_INT) return a.as.integer == b.as.integer;
  if (chat_number(a, &x) && chat_number(b, &y)) return !(x < y) && !(x > y) && x - x <= y - y;
  if (is_dict(a) && is_dict(b) && a.kind == b.kind) {
    if (!enter(r)) return false;
    bool same = dicts_equal(r, a, b);
    r->depth--;
    return same;
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case CHAT_UNDEFINED:
    case CHAT_NONE: return true;
    case CHAT_STRING:
      return chat_work(r, 1 + a.as.string->len / 64) &&
             base_slice_equal(chat_slice(a.as.string), chat_slice(b.as.string));
    case CHAT_LIST: {
      if (!enter(r)) return false;
      bool same = lists_equal(r, a.as.list, b.as.list);
      r->depth--;
      return same;
    }
    default: return a.as.macro == b.as.macro;
  }
}

const char *chat_kind_name(chat_value v) {
  static const char *const lists[] = {"a list", "a tuple", "a range", "a view of a dict", "a generator"};
  if (v.kind == CHAT_LIST) return lists[v.as.list->kind];
  static const char *const names[] = {"undefined",   "none",     "a truth value", "a number",
                                      "a number",    "a string", "a list",        "a dict",
                                      "a namespace", "a macro",  "a function",    "a method"};
  return names[v.kind];
}

int chat_compare(chat_run *r, chat_value a, chat_value b) {
  double x, y;
  if (a.kind == CHAT_INT && b.kind == CHAT_INT)
    return (a.as.integer > b.as.integer) - (a.as.integer < b.as.integer);
  if (chat_number(a, &x) && chat_number(b, &y)) return (x > y) - (x < y);
  if (a.kind == CHAT_STRING && b.kind == CHAT_STRING) {
    size_t n = a.as.string->len < b.as.string->len ? a.as.string->len : b.as.string->len;
    int order = n > 0 ? memcmp(a.as.string->ptr, b.as.string->ptr, n) : 0;
    if (!chat_work(r, 1 + n / 64)) return 0;
    return order != 0 ? (order > 0) - (order < 0)
                      : (a.as.string->len > b.as.string->len) - (a.as.string->len < b.as.string->len);
  }
  if (chat_is_sequence(a, CHAT_TUPLE) && chat_is_sequence(b, CHAT_TUPLE) && a.as.list->kind == b.as.list->kind &&
      enter(r)) {
    int order = 0;
    for (size_t i = 0; order == 0 && i < a.as.list->n && i < b.as.list->n; i++)
      order = chat_compare(r, a.as.list->item[i], b.as.list->item[i]);
    r->depth--;
    return order != 0 ? order : (a.as.list->n > b.as.list->n) - (a.as.list->n < b.as.list->n);
  }
  (void)chat_fail(r, BASE_EARGUMENT, "%s and %s have no order", chat_kind_name(a), chat_kind_name(b));
  return 0;
}

static bool has_text(chat_run *r, base_slice whole, base_slice part) {
  if (part.len == 0) return true;
  if (!chat_work(r, 1 + whole.len / 16)) return false;
  return memmem(whole.ptr, whole.len, part.ptr, part.len) != NULL;
}

bool chat_contains(chat_run *r, chat_value whole, chat_value part) {
  if (whole.kind == CHAT_STRING) {
    if (part.kind == CHAT_STRING) return has_text(r, chat_slice(whole.as.string), chat_slice(part.as.string));
    (void)chat_fail(r, BASE_EARGUMENT, "'in' asks whether %s is in a string", chat_kind_name(part));
    return false;
  }
  if (is_dict(whole)) return chat_can_be_key(r, part) && chat_dict_find(r, whole, part) != NULL;
  if (whole.kind == CHAT_LIST && whole.as.list->kind == CHAT_ONCE) {
    while (whole.as.list->n > 0 && r->status == BASE_OK)
      if (chat_equal(r, chat_list_take(whole.as.list), part)) return true;
    return false;
  }
  if (whole.kind == CHAT_LIST) {
    for (size_t i = 0; i < whole.as.list->n && r->status == BASE_OK; i++) {
      if (chat_equal(r, whole.as.list->item[i], part)) return true;
    }
    return false;
  }
  if (whole.kind != CHAT_UNDEFINED)
    (void)chat_fail(r, BASE_EARGUMENT, "'in' asks about %s", chat_kind_name(whole));
  return false;
}

/* ---- str and repr ---- */

/* As Python writes a float: the shortest digits that read back as it. */
static void add_float(chat_builder *b, double v) {
  char text[40];
  if (isnan(v) || isinf(v)) {
    const char *name = isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
    chat_add(b, name, strlen(name), false);
    return;
  }
  double back = 0;
  for (int digits = 1; digits <= 17; digits++) {
    (void)base_format(text, sizeof text, "%.*e", digits - 1, v);
    if (base_parse_double(base_slice_of(text), &back) && !(back < v) && !(back > v)) break;
  }
  char *e = strchr(text, 'e');
  int64_t exponent = 0;
  (void)base_parse_int(base_slice_of(e + 1), &exponent);
  int digits = (int)(e - text) - (text[0] == '-') - (strchr(text, '.') != NULL && strchr(text, '.') < e);
  if (exponent >= -4 && exponent < 16) {
    int after = digits - 1 - (int)exponent;
    (void)base_format(text, sizeof text, "%.*f", after > 1 ? after : 1, v);
  }
  chat_add(b, text, strlen(text), false);
}

static void add_quoted(chat_builder *b, const chat_string *s) {
  bool single = memchr(s->ptr, '\'', s->len) != NULL && memchr(s->ptr, '"', s->len) == NULL;
  char quote = single ? '"' : '\'';
  chat_add(b, &quote, 1, false);
  for (uint32_t i = 0; i < s->len && b->r->status == BASE_OK; i++) {
    char c = s->ptr[i], escaped[5] = {'\\', c, 0, 0, 0};
    if (c == '\n')
      escaped[1] = 'n';
    else if (c == '\r')
      escaped[1] = 'r';
    else if (c == '\t')
      escaped[1] = 't';
    else if ((unsigned char)c < 0x20 || c == 0x7F)
      (void)base_format(escaped, sizeof escaped, "\\x%02x", (unsigned)c);
    else if (c != '\\' && c != quote)
      escaped[0] = 0;
    if (escaped[0] == 0)
      chat_add_part(b, s, i, i + 1);
    else
      chat_add(b, escaped, strlen(escaped), s->marked || (s->mark != NULL && s->mark[i]));
  }
  chat_add(b, &quote, 1, false);
}

static void add_items(chat_builder *b, chat_value v) {
  bool tuple = v.as.list->kind == CHAT_TUPLE;
  chat_add(b, tuple ? "(" : "[", 1, false);
  for (size_t i = 0; i < v.as.list->n && b->r->status == BASE_OK; i++) {
    if (i > 0) chat_add(b, ", ", 2, false);
    chat_add_repr(b, v.as.list->item[i]);
  }
  if (tuple && v.as.list->n == 1) chat_add(b, ",", 1, false);
  chat_add(b, tuple ? ")" : "]", 1, false);
}

static void add_members(chat_builder *b, chat_value v) {
  chat_add(b, "{", 1, false);
  for (size_t i = 0; i < v.as.dict->n && b->r->status == BASE_OK; i++) {
    if (i > 0) chat_add(b, ", ", 2, false);
    chat_add_repr(b, v.as.dict->member[i].key);
    chat_add(b, ": ", 2, false);
    chat_add_repr(b, v.as.dict->member[i].value);
  }
  chat_add(b, "}", 1, false);
}

void chat_add_repr(chat_builder *b, chat_value v) {
  if (v.kind == CHAT_STRING) {
    if (v.as.string->safe) chat_add(b, "Markup(", 7, false);
    add_quoted(b, v.as.string);
    if (v.as.string->safe) chat_add(b, ")", 1, false);
  } else if (v.kind == CHAT_UNDEFINED) {
    chat_add(b, "Undefined", 9, false);
  } else {
    chat_add_str(b, v);
  }
}

void chat_add_str(chat_builder *b, chat_value v) {
  char text[32];
  if (v.kind == CHAT_LIST && !chat_is_sequence(v, CHAT_TUPLE)) {
    (void)chat_fail(b->r, BASE_EARGUMENT, "%s is no text", chat_kind_name(v));
    return;
  }
  switch (v.kind) {
    case CHAT_UNDEFINED: return;
    case CHAT_NONE: chat_add(b, "None", 4, false); return;
    case CHAT_BOOL: chat_add(b, v.as.truth ? "True" : "False", v.as.truth ? 4 : 5, false); return;
    case CHAT_INT:
      (void)base_format(text, sizeof text, "%lld", (long long)v.as.integer);
      chat_add(b, text, strlen(text), false);
      return;
    case CHAT_FLOAT: add_float(b, v.as.real); return;
    case CHAT_STRING: chat_add_string(b, v.as.string); return;
    case CHAT_LIST:
    case CHAT_DICT:
      if (!enter(b->r)) return;
      if (v.kind == CHAT_LIST)
        add_items(b, v);
      else
        add_members(b, v);
      b->r->depth--;
      return;
    default: (void)chat_fail(b->r, BASE_EARGUMENT, "%s is no text", chat_kind_name(v));
  }
}

chat_value chat_str(chat_run *r, chat_value v) {
  if (v.kind == CHAT_STRING) return v;
  chat_builder b = {.r = r};
  chat_add_str(&b, v);
  return chat_built(&b);
}

/* ---- iterating ---- */

size_t chat_length(chat_run *r, chat_value v) {
  switch (v.kind) {
    case CHAT_UNDEFINED: return 0;
    case CHAT_STRING:
      return chat_work(r, 1 + v.as.string->len / 16) ? base_utf8_count(v.as.string->ptr, v.as.string->len)
                                                     : 0;
    case CHAT_DICT: return v.as.dict->n;
    case CHAT_LIST:
      if (v.as.list->kind != CHAT_ONCE) return v.as.list->n;
      __attribute__((fallthrough));
    default: (void)chat_fail(r, BASE_EARGUMENT, "%s has no length", chat_kind_name(v)); return 0;
  }
}

chat_value chat_iterate(chat_run *r, chat_value v) {
  uint32_t c;
  chat_value out;
  switch (v.kind) {
    case CHAT_LIST:
      if (v.as.list->kind != CHAT_ONCE) return v;
      out = chat_list_new(r, 0);
      if (out.kind != CHAT_LIST) return out;
      *out.as.list = *v.as.list;
      *v.as.list = (chat_list){.kind = CHAT_ONCE};
      return chat_list_as(out, CHAT_ITEMS);
    case CHAT_UNDEFINED: return chat_list_new(r, 0);
    case CHAT_DICT:
      out = chat_list_new(r, v.as.dict->n);
      for (size_t i = 0; i < v.as.dict->n; i++) chat_list_add(r, out, v.as.dict->member[i].key);
      return out;
    case CHAT_STRING:
      out = chat_list_new(r, 0);
      for (size_t at = 0, n; at < v.as.string->len && r->status == BASE_OK; at += n) {
        n = base_utf8_decode(v.as.string->ptr + at, v.as.string->len - at, &c);
        if (n == 0) n = 1;
        chat_value one = chat_part(r, v.as.string, at, at + n);
        if (one.kind == CHAT_STRING) one.as.string->safe = false;
        chat_list_add(r, out, one);
      }
      return out;
    default: return chat_fail(r, BASE_EARGUMENT, "%s cannot be gone through", chat_kind_name(v));
  }
}
