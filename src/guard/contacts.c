/* Names of the user's contacts, wherever they stand in a text: kept as lower-case runs of words, sorted,
 * found by bisection at each word. */
#include <string.h>

#include "guard/model.h"

enum { MAX_WORDS = 6, MAX_KEY = 160 };

struct guard_contacts {
  char *text; /* keys, each terminated */
  size_t text_bytes, n, words; /* words: of the longest key */
  uint32_t *at;                /* [n] offsets into text, in the order of the keys */
};

/* A run of words as a key: folded letters, other scripts' letters in lower case, one blank between words. */
typedef struct key {
  char c[MAX_KEY];
  size_t n;
} key;

static bool key_char(key *k, const guard_view *v, size_t i) {
  char bytes[4] = {(char)v->low[i]};
  size_t n = 1;
  if (v->low[i] == GUARD_LETTER) {
    uint32_t c;
    (void)base_utf8_decode(v->text.ptr + v->at[i], v->text.len - v->at[i], &c);
    n = base_utf8_encode(base_utf8_lower(c), bytes);
  }
  if (k->n + n >= MAX_KEY) return false;
  memcpy(k->c + k->n, bytes, n);
  k->n += n;
  return true;
}

/* Adds the word at i; returns its end, 0 when there is no room. */
static size_t key_word(key *k, const guard_view *v, size_t i) {
  if (k->n > 0) {
    if (k->n + 1 >= MAX_KEY) return 0;
    k->c[k->n++] = ' ';
  }
  for (; guard_is_alnum(v->f[i]); i++)
    if (!key_char(k, v, i)) return 0;
  k->c[k->n] = '\0';
  return i;
}

/* Where the next word of the same name may begin: behind one or two blanks, a hyphen, a dot or an apostrophe. */
static size_t next_word(const guard_view *v, size_t i) {
  for (size_t step = 1; step <= 2; step++) {
    uint8_t c = v->f[i + step - 1];
    if (c != ' ' && c != '-' && c != '.' && c != '\'') return 0;
    if (guard_is_alnum(v->f[i + step])) return i + step;
  }
  return 0;
}

/* ---- the list ---- */

static const char *key_at(const guard_contacts *c, size_t i) { return c->text + c->at[i]; }

/* 2: a contact; 1: some contact's name goes on from here; 0 neither. */
static int look_up(const guard_contacts *c, const key *k) {
  size_t lo = 0, hi = c->n;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (strcmp(key_at(c, mid), k->c) < 0) lo = mid + 1;
    else hi = mid;
  }
  if (lo == c->n || strncmp(key_at(c, lo), k->c, k->n) != 0) return 0;
  return key_at(c, lo)[k->n] == '\0' ? 2 : 1;
}

void guard_contacts_run(guard *g, const guard_view *v, guard_hits *h) {
  const guard_contacts *c = g->contacts;
  if (c == NULL) return;
  for (size_t i = 0; i < v->n; i++) {
    if (!guard_is_alnum(v->f[i]) || (i > 0 && guard_is_alnum(v->f[i - 1]))) continue;
    key k = {.n = 0};
    size_t end = 0;
    for (size_t at = i, words = 0; at > 0 || words == 0; words++) {
      size_t stop = words < c->words ? key_word(&k, v, at) : 0;
      int found = stop > 0 ? look_up(c, &k) : 0;
      if (found == 2) end = stop;
      at = found > 0 ? next_word(v, stop) : 0;
    }
    if (end == 0) continue;
    guard_hit(h, v, i, end, GUARD_PERSON, 0.99F, "contact");
    i = end - 1;
  }
}

/* ---- making it ---- */

static bool key_of(guard *g, base_slice name, key *k, size_t *words) {
  guard_view v;
  size_t i = 0;
  k->n = 0;
  *words = 0;
  if (guard_view_of(g, name, &v, NULL) != BASE_OK) return false;
  while (i < v.n && *words < MAX_WORDS) {
    if (!guard_is_alnum(v.f[i])) {
      i++;
      continue;
    }
    if ((i = key_word(k, &v, i)) == 0) return false;
    (*words)++;
  }
  return *words > 1 || (*words == 1 && k->n >= 3);
}

static void sift(guard_contacts *c, size_t i, size_t n) {
  for (size_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && strcmp(key_at(c, child), key_at(c, child + 1)) < 0) child++;
    if (strcmp(key_at(c, i), key_at(c, child)) >= 0) return;
    uint32_t t = c->at[i];
    c->at[i] = c->at[child];
    c->at[child] = t;
  }
}

static void sort_keys(guard_contacts *c) {
  for (size_t i = c->n / 2; i-- > 0;) sift(c, i, c->n);
  for (size_t n = c->n; n > 1; n--) {
    uint32_t t = c->at[0];
    c->at[0] = c->at[n - 1];
    c->at[n - 1] = t;
    sift(c, 0, n - 1);
  }
}

/* First counts, then fills: n and text_bytes are what fits. */
static void take_names(guard *g, guard_contacts *c, const base_slice *names, size_t n) {
  size_t used = 0, count = 0, words;
  key k;
  for (size_t i = 0; i < n; i++) {
    if (!key_of(g, names[i], &k, &words)) continue;
    if (c->text != NULL) {
      memcpy(c->text + used, k.c, k.n + 1);
      c->at[count] = (uint32_t)used;
    }
    if (words > c->words) c->words = words;
    used += k.n + 1;
    count++;
  }
  c->text_bytes = used;
  c->n = count;
}

void guard_contacts_free(guard_contacts *c, const base_allocator *a) {
  if (c == NULL) return;
  base_free(a, c->text, c->text_bytes);
  base_free(a, c->at, c->n * sizeof *c->at);
  base_free(a, c, sizeof *c);
}

base_status guard_set_contacts(guard *g, const base_slice *names, size_t n, base_error *err) {
  guard_contacts *c = NULL;
  if (n > 1000000) return base_fail(err, BASE_ELIMIT, "contacts", "%zu names are too many", n);
  if (n > 0) {
    c = base_calloc(&g->allocator, 1, sizeof *c);
    if (c == NULL) return base_fail(err, BASE_ENOMEM, "contacts", "no memory");
    take_names(g, c, names, n);
    c->text = base_alloc(&g->allocator, c->text_bytes > 0 ? c->text_bytes : 1);
    c->at = base_calloc(&g->allocator, c->n > 0 ? c->n : 1, sizeof *c->at);
    if (c->text_bytes == 0) c->text_bytes = 1;
    if (c->text == NULL || c->at == NULL) {
      base_free(&g->allocator, c->text, c->text != NULL ? c->text_bytes : 0);
      base_free(&g->allocator, c->at, c->at != NULL ? (c->n > 0 ? c->n : 1) * sizeof *c->at : 0);
      base_free(&g->allocator, c, sizeof *c);
      return base_fail(err, BASE_ENOMEM, "contacts", "no memory");
    }
    take_names(g, c, names, n);
    sort_keys(c);
  }
  guard_contacts_free(g->contacts, &g->allocator);
  g->contacts = c;
  return BASE_OK;
}
