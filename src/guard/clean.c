/* Text that may leave, and the way back. A value taken out stands in the vault under its placeholder [CLASS_N];
 * placeholders are recognised by one reader, lenient within bounds, both in answers and in texts to be cleaned: what
 * already looks like a placeholder is itself taken out (class word LITERAL), so restoring cannot mistake it. */
#include <string.h>

#include "guard/model.h"

enum { CLASS_LITERAL = GUARD_CLASSES, CLASS_WORDS, MAX_NUMBER = 99999 };

typedef struct entry {
  uint16_t cls; /* guard_class or CLASS_LITERAL */
  uint32_t number;
  size_t start, len; /* in values */
  uint64_t hash;
} entry;

struct guard_vault {
  base_allocator allocator;
  entry *entries;
  size_t n, cap;
  char *values;
  size_t used, room;
  uint32_t last[CLASS_WORDS]; /* numbers given so far */
};

struct guard_clean {
  base_allocator allocator;
  size_t bytes, len, redacted;
  char text[];
};

static const char *const words[] = {
#define GUARD_CLASS(name, word, rule) #name,
#include "guard/class.def"
#undef GUARD_CLASS
    "LITERAL"};

/* The compiler may not leave this out. */
void guard_wipe(void *bytes, size_t n) {
  volatile unsigned char *p = bytes;
  for (size_t i = 0; i < n; i++) p[i] = 0;
}

/* ---- the vault ---- */

guard_vault *guard_vault_new(const base_allocator *a) {
  if (a == NULL) a = base_allocator_libc();
  guard_vault *v = base_calloc(a, 1, sizeof *v);
  if (v != NULL) v->allocator = *a;
  return v;
}

void guard_vault_free(guard_vault *v) {
  if (v == NULL) return;
  base_allocator a = v->allocator;
  if (v->values != NULL) guard_wipe(v->values, v->room);
  if (v->entries != NULL) guard_wipe(v->entries, v->cap * sizeof *v->entries);
  base_free(&a, v->values, v->room);
  base_free(&a, v->entries, v->cap * sizeof *v->entries);
  base_free(&a, v, sizeof *v);
}

size_t guard_vault_count(const guard_vault *v) { return v->n; }

/* A larger block with the old one's bytes, without leaving a copy of them behind, which resize might. */
static void *grow(const base_allocator *a, void *old, size_t old_bytes, size_t new_bytes) {
  void *fresh = base_alloc(a, new_bytes);
  if (fresh == NULL || old == NULL) return fresh;
  memcpy(fresh, old, old_bytes);
  guard_wipe(old, old_bytes);
  base_free(a, old, old_bytes);
  return fresh;
}

static bool vault_room(guard_vault *v, size_t len) {
  if (v->used + len > v->room) {
    size_t room = (v->used + len) * 2 + 64;
    char *fresh = grow(&v->allocator, v->values, v->room, room);
    if (fresh == NULL) return false;
    v->values = fresh;
    v->room = room;
  }
  if (v->n == v->cap) {
    size_t cap = v->cap * 2 + 8;
    entry *fresh = grow(&v->allocator, v->entries, v->cap * sizeof *fresh, cap * sizeof *fresh);
    if (fresh == NULL) return false;
    v->entries = fresh;
    v->cap = cap;
  }
  return true;
}

static const entry *vault_put(guard_vault *v, unsigned cls, base_slice value) {
  uint64_t hash = base_hash(BASE_HASH_START ^ cls, value.ptr, value.len);
  for (size_t i = 0; i < v->n; i++) {
    const entry *e = &v->entries[i];
    if (e->hash == hash && e->cls == cls && base_slice_equal((base_slice){v->values + e->start, e->len}, value))
      return e;
  }
  if (!vault_room(v, value.len)) return NULL;
  if (value.len > 0) memcpy(v->values + v->used, value.ptr, value.len);
  v->entries[v->n] = (entry){(uint16_t)cls, ++v->last[cls], v->used, value.len, hash};
  v->used += value.len;
  return &v->entries[v->n++];
}

static const entry *vault_get(const guard_vault *v, unsigned cls, uint32_t number) {
  for (size_t i = 0; i < v->n; i++)
    if (v->entries[i].cls == cls && v->entries[i].number == number) return &v->entries[i];
  return NULL;
}

/* ---- reading placeholders ---- */

static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

/* The longest class word at p ("IP" must not take what "IPX" would be; none begins another but by letters). */
static size_t word_at(const char *p, const char *end, unsigned *cls) {
  size_t best = 0;
  for (unsigned c = 0; c < CLASS_WORDS; c++) {
    size_t n = strlen(words[c]), k = 0;
    while (k < n && p + k < end && upper(p[k]) == words[c][k])
      k++;
    if (k == n && n > best) {
      best = n;
      *cls = c;
    }
  }
  return best;
}

/* What joins word and number: "_", "\_", "-", " ", nothing. Bare placeholders need "_" or "\_". */
static const char *skip_joint(const char *p, const char *end, bool bare) {
  if (p < end && *p == '\\') p++;
  if (p < end && *p == '\\') p++; /* Markdown's escape inside JSON */
  if (p < end && *p == '_') return p + 1;
  if (bare) return NULL;
  return p < end && (*p == '-' || *p == ' ') ? p + 1 : p;
}

static const char *read_number(const char *p, const char *end, uint32_t *number) {
  const char *start = p;
  *number = 0;
  while (p < end && *p >= '0' && *p <= '9' && *number <= MAX_NUMBER)
    *number = *number * 10 + (uint32_t)(*p++ - '0');
  return p > start && *start != '0' && *number <= MAX_NUMBER ? p : NULL;
}

static const char *skip_blanks(const char *p, const char *end) {
  for (int k = 0; k < 2 && p < end && *p == ' '; k++)
    p++;
  return p;
}

/* The bytes a placeholder takes at p, 0 when there is none. */
static size_t placeholder_at(const char *p, const char *end, unsigned *cls, uint32_t *number) {
  static const char open[] = "[({<", shut[] = "])}>";
  const char *start = p, *bracket = memchr(open, *p, 4);
  if (bracket != NULL) p = skip_blanks(p + 1, end);
  size_t n = p < end ? word_at(p, end, cls) : 0;
  if (n == 0 || (p = skip_joint(p + n, end, bracket == NULL)) == NULL) return 0;
  if ((p = read_number(p, end, number)) == NULL) return 0;
  if (bracket == NULL) return (size_t)(p - start);
  p = skip_blanks(p, end);
  return p < end && *p == shut[bracket - open] ? (size_t)(p + 1 - start) : 0;
}

/* ---- making clean text ---- */

void guard_rules_init(guard_rules *r) {
  static const guard_rule defaults[] = {
#define GUARD_CLASS(name, word, rule) GUARD_##rule,
#include "guard/class.def"
#undef GUARD_CLASS
  };
  memcpy(r->of, defaults, sizeof defaults);
  r->threshold = 0.3F;
}

static bool goes_out(const guard_rules *r, const guard_span *s) {
  return r->of[s->cls] == GUARD_REDACT && s->confidence >= r->threshold;
}

/* What is left between values: literal placeholders go to the vault. */
static bool put_rest(base_buf *b, guard_vault *v, base_slice rest, size_t *redacted) {
  const char *p = rest.ptr, *end = rest.ptr + rest.len;
  while (p < end) {
    unsigned cls;
    uint32_t number;
    size_t n = placeholder_at(p, end, &cls, &number);
    if (n == 0) {
      base_buf_putc(b, *p++);
      continue;
    }
    const entry *e = vault_put(v, CLASS_LITERAL, (base_slice){p, n});
    if (e == NULL) return false;
    base_buf_printf(b, "[LITERAL_%u]", e->number);
    (*redacted)++;
    p += n;
  }
  return true;
}

static bool redact(base_buf *b, guard_vault *v, const guard_rules *r, base_slice text, const guard_hits *h,
                   size_t *redacted) {
  size_t at = 0;
  for (size_t i = 0; i < h->n; i++) {
    const guard_span *s = &h->span[i];
    if (!goes_out(r, s)) continue;
    if (!put_rest(b, v, base_slice_sub(text, at, s->start), redacted)) return false;
    const entry *e = vault_put(v, s->cls, base_slice_sub(text, s->start, s->end));
    if (e == NULL) return false;
    base_buf_printf(b, "[%s_%u]", words[s->cls], e->number);
    (*redacted)++;
    at = s->end;
  }
  return put_rest(b, v, base_slice_sub(text, at, text.len), redacted) && !b->failed;
}

static const guard_span *find_kept(const guard_rules *r, const guard_hits *h) {
  for (size_t i = 0; i < h->n; i++)
    if (r->of[h->span[i].cls] == GUARD_KEEP) return &h->span[i];
  return NULL;
}

static guard_clean *clean_new(const base_allocator *a, const base_buf *b, size_t redacted) {
  guard_clean *c = base_alloc(a, sizeof *c + b->len + 1);
  if (c == NULL) return NULL;
  *c = (guard_clean){.allocator = *a, .bytes = sizeof *c + b->len + 1, .len = b->len, .redacted = redacted};
  if (b->len > 0) memcpy(c->text, b->ptr, b->len);
  c->text[b->len] = '\0';
  return c;
}

/* Redaction can bring pieces together that read as a value again ("4111 [PERSON_1] ..." cannot, brackets stand
 * between, but what the threshold let through may): the result is searched once more for what is kept. */
static base_status check_kept(guard *g, base_slice text, const guard_rules *r, guard_hits *h, guard_class *kept,
                              base_error *err) {
  guard_view v;
  base_status st = guard_view_of(g, text, &v, err);
  h->n = 0;
  if (!st) st = guard_find_in(g, &v, h, err);
  const guard_span *s = st ? NULL : find_kept(r, h);
  if (s == NULL) return st;
  if (kept != NULL) *kept = s->cls;
  return base_fail(err, BASE_EMISMATCH, "text", "it holds a value of class %s, which never leaves the device",
                   guard_class_name(s->cls));
}

base_status guard_clean_make(guard *g, base_slice text, const guard_rules *r, guard_vault *v,
                             guard_clean **out, guard_class *kept, base_error *err) {
  guard_hits h = {g->span, 0, GUARD_MAX_SPANS, false};
  base_buf b = {.allocator = &g->allocator};
  size_t redacted = 0;
  *out = NULL;
  base_status st = check_kept(g, text, r, &h, kept, err);
  if (st) goto done;
  if (!redact(&b, v, r, text, &h, &redacted)) {
    st = base_fail(err, BASE_ENOMEM, "text", "no memory to redact it");
    goto done;
  }
  if (redacted > 0 && (st = check_kept(g, (base_slice){b.ptr, b.len}, r, &h, kept, err)) != BASE_OK) goto done;
  *out = clean_new(&g->allocator, &b, redacted);
  if (*out == NULL) st = base_fail(err, BASE_ENOMEM, "text", "no memory for the clean text");
done:
  base_buf_free(&b);
  return st;
}

void guard_clean_free(guard_clean *c) {
  if (c == NULL) return;
  base_allocator a = c->allocator;
  base_free(&a, c, c->bytes);
}

base_slice guard_clean_text(const guard_clean *c) { return (base_slice){c->text, c->len}; }
size_t guard_clean_redacted(const guard_clean *c) { return c->redacted; }

/* ---- restoring ---- */

static void put_value(base_buf *out, base_slice value, guard_form form) {
  if (form == GUARD_TEXT) {
    base_buf_add(out, value.ptr, value.len);
    return;
  }
  base_buf quoted = {.allocator = out->allocator};
  base_buf_json(&quoted, value);
  if (quoted.failed) out->failed = true;
  else base_buf_add(out, quoted.ptr + 1, quoted.len - 2);
  if (quoted.ptr != NULL) guard_wipe(quoted.ptr, quoted.cap);
  base_buf_free(&quoted);
}

base_status guard_restore(const guard_vault *v, base_slice answer, guard_form form, base_buf *out,
                          base_error *err) {
  const char *p = answer.ptr, *end = answer.ptr + answer.len;
  while (p < end) {
    unsigned cls = 0;
    uint32_t number = 0;
    size_t n = placeholder_at(p, end, &cls, &number);
    const entry *e = n > 0 ? vault_get(v, cls, number) : NULL;
    if (e == NULL) {
      base_buf_putc(out, *p++);
      continue;
    }
    put_value(out, (base_slice){v->values + e->start, e->len}, form);
    p += n;
  }
  return out->failed ? base_fail(err, BASE_ENOMEM, "answer", "no memory to put values back") : BASE_OK;
}
