/* regex/term: the algebra. Terms are hash-consed: building one that exists gives its number, so that equality is
 * one comparison and derivatives of equal terms are shared. The constructors keep a normal form (lists sorted and
 * flat, void and all absorbed, concatenation to the right), which is what keeps the number of states small. */
#include "regex/internal.h"

#include <stdlib.h>
#include <string.h>

/* MAX_DEPTH bounds the recursion of building and deriving, MAX_LIST the members of a union. */
enum { MAX_TERMS = 2000000, MAX_DEPTH = 6000, MAX_LIST = 4000, MEMO = 4096 };

void *regex_grow(regex *r, void *ptr, size_t unit, uint32_t *cap, uint32_t need) {
  uint32_t to = *cap == 0 ? 64 : *cap;
  while (to < need) to *= 2;
  if (to == *cap) return ptr;
  size_t old_bytes = *cap * unit, bytes = to * unit;
  if (r->held - old_bytes + bytes > r->max_bytes) {
    if (r->failed == BASE_OK) r->failed = BASE_ELIMIT;
    return NULL;
  }
  void *grown = r->allocator->resize(r->allocator->ctx, ptr, old_bytes, bytes);
  if (grown == NULL) {
    if (r->failed == BASE_OK) r->failed = BASE_ENOMEM;
    return NULL;
  }
  r->held += bytes - old_bytes;
  *cap = to;
  return grown;
}

static uint32_t fail(regex *r, base_status code) {
  if (r->failed == BASE_OK) r->failed = code;
  return REGEX_VOID;
}

bool regex_works(regex *r, uint32_t amount) {
  r->work += amount;
  if (r->work > REGEX_MAX_WORK) fail(r, BASE_ELIMIT);
  return r->failed == BASE_OK;
}

/* ---- hash-consing ---- */

static uint32_t hash_term(const regex *r, const regex_term *t) {
  uint64_t h = t->op * UINT64_C(0x9E3779B97F4A7C15);
  if (t->op == REGEX_T_OR || t->op == REGEX_T_AND) {
    for (uint32_t i = 0; i < t->b; i++) h = (h ^ r->lists[t->a + i]) * UINT64_C(0xff51afd7ed558ccd);
  } else {
    h = (h ^ t->a) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ t->b) * UINT64_C(0xc4ceb9fe1a85ec53);
    h = (h ^ t->min ^ ((uint64_t)t->max << 32)) * UINT64_C(0xff51afd7ed558ccd);
  }
  return (uint32_t)(h ^ (h >> 32));
}

static bool same_term(const regex *r, const regex_term *x, const regex_term *y) {
  if (x->op != y->op || x->b != y->b) return false;
  if (x->op == REGEX_T_OR || x->op == REGEX_T_AND)
    return memcmp(r->lists + x->a, r->lists + y->a, x->b * sizeof(uint32_t)) == 0;
  return x->a == y->a && x->min == y->min && x->max == y->max;
}

static bool rehash(regex *r, uint32_t n_buckets) {
  size_t bytes = n_buckets * sizeof(uint32_t);
  uint32_t *buckets = base_alloc(r->allocator, bytes);
  if (buckets == NULL) {
    fail(r, BASE_ENOMEM);
    return false;
  }
  memset(buckets, 0xFF, bytes);
  for (uint32_t i = 0; i < r->n_terms; i++) {
    uint32_t at = hash_term(r, &r->terms[i]) & (n_buckets - 1);
    while (buckets[at] != REGEX_NONE) at = (at + 1) & (n_buckets - 1);
    buckets[at] = i;
  }
  base_free(r->allocator, r->buckets, r->n_buckets * sizeof(uint32_t));
  r->held += bytes - r->n_buckets * sizeof(uint32_t);
  r->buckets = buckets;
  r->n_buckets = n_buckets;
  return true;
}

/* The number of a term equal to t. A list's members are the last in r->lists and are taken back if it is known. */
static uint32_t intern(regex *r, regex_term t) {
  bool list = t.op == REGEX_T_OR || t.op == REGEX_T_AND;
  uint32_t at = hash_term(r, &t) & (r->n_buckets - 1);
  for (; r->buckets[at] != REGEX_NONE; at = (at + 1) & (r->n_buckets - 1)) {
    if (!same_term(r, &r->terms[r->buckets[at]], &t)) continue;
    if (list) r->n_lists = t.a;
    return r->buckets[at];
  }
  if (r->n_terms >= MAX_TERMS || t.depth > MAX_DEPTH) return fail(r, BASE_ELIMIT);
  void *grown = regex_grow(r, r->terms, sizeof(regex_term), &r->cap_terms, r->n_terms + 1);
  if (grown == NULL) return REGEX_VOID;
  r->terms = grown;
  r->terms[r->n_terms] = t;
  r->buckets[at] = r->n_terms++;
  if (2 * r->n_terms > r->n_buckets && !rehash(r, 2 * r->n_buckets)) return REGEX_VOID;
  return r->n_terms - 1;
}

static uint16_t deeper(uint32_t x, uint32_t y) {
  uint32_t most = x > y ? x : y;
  return (uint16_t)(most < UINT16_MAX ? most + 1 : UINT16_MAX);
}

/* ---- constructors ---- */

uint32_t regex_term_bytes(regex *r, const regex_bytes_set *set) {
  uint32_t i = 0;
  if ((set->bits[0] | set->bits[1] | set->bits[2] | set->bits[3]) == 0) return REGEX_VOID;
  while (i < r->n_sets && memcmp(&r->sets[i], set, sizeof *set) != 0) i++;
  if (i == r->n_sets) {
    void *grown = regex_grow(r, r->sets, sizeof *set, &r->cap_sets, r->n_sets + 1);
    if (grown == NULL) return REGEX_VOID;
    r->sets = grown;
    r->sets[r->n_sets++] = *set;
  }
  return intern(r, (regex_term){.op = REGEX_T_BYTE, .a = i, .depth = 1});
}

uint32_t regex_term_cat(regex *r, uint32_t a, uint32_t b) {
  if (a == REGEX_VOID || b == REGEX_VOID || r->failed != BASE_OK) return REGEX_VOID;
  if (a == REGEX_EMPTY) return b;
  if (b == REGEX_EMPTY || (a == REGEX_ALL && b == REGEX_ALL)) return a;
  const regex_term x = r->terms[a];
  if (x.op == REGEX_T_CAT) return regex_term_cat(r, x.a, regex_term_cat(r, x.b, b));
  const regex_term y = r->terms[b];
  if (a == REGEX_ALL && y.op == REGEX_T_CAT && y.a == REGEX_ALL) return b;
  return intern(r, (regex_term){.op = REGEX_T_CAT, .a = a, .b = b, .nullable = x.nullable && y.nullable,
                                .logical = x.logical || y.logical, .depth = deeper(x.depth, y.depth)});
}

uint32_t regex_term_repeat(regex *r, uint32_t a, uint32_t min, uint32_t max) {
  if (r->failed != BASE_OK) return REGEX_VOID;
  if (max == 0 || a == REGEX_EMPTY) return REGEX_EMPTY;
  if (a == REGEX_VOID) return min == 0 ? REGEX_EMPTY : REGEX_VOID;
  const regex_term x = r->terms[a];
  if (x.nullable) min = 0;
  if (min == 1 && max == 1) return a;
  if (a == REGEX_ALL) return a;
  if (min == 0 && max == REGEX_UNBOUNDED) {
    if (a == r->any) return REGEX_ALL;
    if (x.op == REGEX_T_REP && x.min <= 1 && x.max == REGEX_UNBOUNDED) return regex_term_repeat(r, x.a, 0, max);
  }
  return intern(r, (regex_term){.op = REGEX_T_REP, .a = a, .min = min, .max = max, .nullable = min == 0,
                                .logical = x.logical, .depth = deeper(x.depth, 0)});
}

uint32_t regex_term_not(regex *r, uint32_t a) {
  if (r->failed != BASE_OK) return REGEX_VOID;
  const regex_term x = r->terms[a];
  if (x.op == REGEX_T_NOT) return x.a;
  return intern(r, (regex_term){.op = REGEX_T_NOT, .a = a, .nullable = !x.nullable, .logical = true,
                                .depth = deeper(x.depth, 0)});
}

uint32_t regex_term_text(regex *r, uint32_t a) {
  return r->terms[a].op == REGEX_T_NOT ? regex_term_and(r, REGEX_ALL, a) : a;
}

/* Its own depth says nothing of how deep deriving it goes: all loops together stay in the bound. */
uint32_t regex_term_loop(regex *r, bool nullable) {
  if (r->failed != BASE_OK) return REGEX_VOID;
  void *grown = regex_grow(r, r->loops, sizeof(uint32_t), &r->cap_loops, r->n_loops + 1);
  if (grown == NULL) return REGEX_VOID;
  r->loops = grown;
  r->loops[r->n_loops] = REGEX_VOID;
  return intern(
      r, (regex_term){.op = REGEX_T_LOOP, .a = r->n_loops++, .nullable = nullable, .logical = true, .depth = 1});
}

void regex_term_define(regex *r, uint32_t loop, uint32_t is) {
  if (r->failed != BASE_OK) return;
  r->loops[r->terms[loop].a] = is;
  r->loops_depth += r->terms[is].depth;
  if (r->loops_depth > MAX_DEPTH) fail(r, BASE_ELIMIT);
}

/* ---- unions and intersections: sorted lists without repeats ---- */

static int compare_terms(const void *x, const void *y) {
  uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
  return (a > b) - (a < b);
}

/* Appends a's members (or a itself) to the end of r->lists. */
static bool spill(regex *r, uint8_t op, uint32_t a) {
  const regex_term t = r->terms[a];
  uint32_t n = t.op == op ? t.b : 1;
  void *grown = regex_grow(r, r->lists, sizeof(uint32_t), &r->cap_lists, r->n_lists + n);
  if (grown == NULL) return false;
  r->lists = grown;
  if (t.op == op) memcpy(r->lists + r->n_lists, r->lists + t.a, n * sizeof(uint32_t));
  else r->lists[r->n_lists] = a;
  r->n_lists += n;
  return true;
}

/* All the byte sets of a list become one, at its end. False on failure. */
static bool join_bytes(regex *r, uint8_t op, uint32_t from) {
  regex_bytes_set joined = {{0}};
  uint32_t out = from, found = 0;
  for (uint32_t i = from; i < r->n_lists; i++) {
    const regex_term *t = &r->terms[r->lists[i]];
    if (t->op != REGEX_T_BYTE) {
      r->lists[out++] = r->lists[i];
      continue;
    }
    for (int w = 0; w < 4; w++) {
      uint64_t bits = r->sets[t->a].bits[w];
      joined.bits[w] = found == 0 ? bits : op == REGEX_T_OR ? joined.bits[w] | bits : joined.bits[w] & bits;
    }
    found++;
  }
  if (found == 0) return true;
  uint32_t term = regex_term_bytes(r, &joined);
  r->lists[out++] = term;
  r->n_lists = out;
  return r->failed == BASE_OK;
}

/* Sorted, without repeats; returns how many. */
static uint32_t tidy(regex *r, uint32_t from) {
  uint32_t n = r->n_lists - from, out = 0;
  (void)regex_works(r, n); /* every list that is made comes here */
  uint32_t *list = r->lists + from;
  qsort(list, n, sizeof *list, compare_terms);
  for (uint32_t i = 0; i < n; i++)
    if (out == 0 || list[out - 1] != list[i]) list[out++] = list[i];
  r->n_lists = from + out;
  return out;
}

static bool contains(const uint32_t *list, uint32_t n, uint32_t term) {
  return bsearch(&term, list, n, sizeof term, compare_terms) != NULL;
}

static uint32_t intern_list(regex *r, uint8_t op, uint32_t from) {
  regex_term t = {.op = op, .a = from, .b = r->n_lists - from, .nullable = op == REGEX_T_AND,
                  .logical = op == REGEX_T_AND};
  uint32_t depth = 0;
  if (t.b > MAX_LIST) return fail(r, BASE_ELIMIT);
  if (t.b == 0) return fail(r, BASE_ELIMIT);
  if (t.b == 1) {
    r->n_lists = from;
    return r->lists[from];
  }
  for (uint32_t i = 0; i < t.b; i++) {
    const regex_term *x = &r->terms[r->lists[from + i]];
    t.nullable = op == REGEX_T_OR ? t.nullable || x->nullable : t.nullable && x->nullable;
    t.logical = t.logical || x->logical;
    if (x->depth > depth) depth = x->depth;
  }
  t.depth = deeper(depth, 0);
  return intern(r, t);
}

/* Drops `term` from the list when it is there. */
static void drop(regex *r, uint32_t from, uint32_t term) {
  uint32_t out = from;
  for (uint32_t i = from; i < r->n_lists; i++)
    if (r->lists[i] != term) r->lists[out++] = r->lists[i];
  r->n_lists = out;
}

uint32_t regex_term_or(regex *r, uint32_t a, uint32_t b) {
  if (r->failed != BASE_OK) return REGEX_VOID;
  if (a == b || b == REGEX_VOID) return a;
  if (a == REGEX_VOID) return b;
  if (a == REGEX_ALL || b == REGEX_ALL) return REGEX_ALL;
  uint32_t from = r->n_lists;
  if (!spill(r, REGEX_T_OR, a) || !spill(r, REGEX_T_OR, b) || !join_bytes(r, REGEX_T_OR, from)) {
    r->n_lists = from;
    return REGEX_VOID;
  }
  uint32_t n = tidy(r, from);
  if (contains(r->lists + from, n, REGEX_EMPTY))
    for (uint32_t i = 0; i < n; i++)
      if (r->lists[from + i] != REGEX_EMPTY && r->terms[r->lists[from + i]].nullable) {
        drop(r, from, REGEX_EMPTY);
        break;
      }
  return intern_list(r, REGEX_T_OR, from);
}

/* x and its complement in one intersection. */
static bool contradicts(const regex *r, const uint32_t *list, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    const regex_term *t = &r->terms[list[i]];
    if (list[i] == REGEX_VOID) return true;
    if (t->op == REGEX_T_NOT && (t->a == REGEX_ALL || contains(list, n, t->a))) return true;
  }
  return false;
}

uint32_t regex_term_and(regex *r, uint32_t a, uint32_t b) {
  if (r->failed != BASE_OK || a == REGEX_VOID || b == REGEX_VOID) return REGEX_VOID;
  if (a == b) return a;
  if (a == REGEX_EMPTY || b == REGEX_EMPTY)
    return r->terms[a].nullable && r->terms[b].nullable ? REGEX_EMPTY : REGEX_VOID;
  uint32_t from = r->n_lists;
  if (!spill(r, REGEX_T_AND, a) || !spill(r, REGEX_T_AND, b) || !join_bytes(r, REGEX_T_AND, from)) {
    r->n_lists = from;
    return REGEX_VOID;
  }
  uint32_t n = tidy(r, from);
  if (contradicts(r, r->lists + from, n)) {
    r->n_lists = from;
    return REGEX_VOID;
  }
  /* "all" says that it is text; so does every other member that is no complement */
  for (uint32_t i = 0; i < n; i++) {
    if (r->lists[from + i] == REGEX_ALL || r->terms[r->lists[from + i]].op == REGEX_T_NOT) continue;
    drop(r, from, REGEX_ALL);
    break;
  }
  for (uint32_t i = from; r->n_lists - from > 1 && i < r->n_lists; i++) {
    const regex_term *t = &r->terms[r->lists[i]];
    if (t->op == REGEX_T_NOT && t->a == REGEX_VOID) drop(r, from, r->lists[i]);
  }
  return intern_list(r, REGEX_T_AND, from);
}

/* ---- one character of a set, as UTF-8 ---- */

static regex_bytes_set bytes_between(uint32_t first, uint32_t last) {
  regex_bytes_set s = {{0}};
  for (uint32_t b = first; b <= last; b++) s.bits[b >> 6] |= UINT64_C(1) << (b & 63);
  return s;
}

static uint32_t bytes_term(regex *r, uint32_t first, uint32_t last) {
  regex_bytes_set s = bytes_between(first, last);
  return regex_term_bytes(r, &s);
}

/* Code points first..last that all take `extra` continuation bytes, where both ends share no more than the lead:
 * split by the lead's payload into an uneven start, a whole middle and an uneven end. */
static uint32_t sequence_term(regex *r, uint32_t lead, uint32_t first, uint32_t last, int extra) {
  if (extra == 0) return bytes_term(r, lead | first, lead | last);
  uint32_t unit = 1u << (6 * extra), whole = unit - 1;
  uint32_t low = first / unit, high = last / unit, out = REGEX_VOID;
  if (low == high)
    return regex_term_cat(r, bytes_term(r, lead | low, lead | low),
                          sequence_term(r, 0x80, first & whole, last & whole, extra - 1));
  if ((first & whole) != 0) {
    out = regex_term_cat(r, bytes_term(r, lead | low, lead | low),
                         sequence_term(r, 0x80, first & whole, whole, extra - 1));
    low++;
  }
  if ((last & whole) != whole) {
    out = regex_term_or(r, out, regex_term_cat(r, bytes_term(r, lead | high, lead | high),
                                               sequence_term(r, 0x80, 0, last & whole, extra - 1)));
    high--;
  }
  if (low > high) return out;
  return regex_term_or(r, out, regex_term_cat(r, bytes_term(r, lead | low, lead | high),
                                              sequence_term(r, 0x80, 0, whole, extra - 1)));
}

uint32_t regex_term_set(regex *r, const regex_set *s) {
  static const struct {
    uint32_t first, last, lead;
    int extra;
  } form[] = {{0, 0x7F, 0, 0},          {0x80, 0x7FF, 0xC0, 1},       {0x800, 0xD7FF, 0xE0, 2},
              {0xE000, 0xFFFF, 0xE0, 2}, {0x10000, 0x10FFFF, 0xF0, 3}};
  uint32_t out = REGEX_VOID;
  regex_bytes_set ascii = {{0}};
  for (uint32_t i = 0; i < s->count; i++) {
    for (size_t f = 0; f < sizeof form / sizeof *form; f++) {
      uint32_t first = s->ranges[i].first > form[f].first ? s->ranges[i].first : form[f].first;
      uint32_t last = s->ranges[i].last < form[f].last ? s->ranges[i].last : form[f].last;
      if (first > last) continue;
      if (form[f].extra > 0) {
        out = regex_term_or(r, out, sequence_term(r, form[f].lead, first, last, form[f].extra));
        continue;
      }
      regex_bytes_set part = bytes_between(first, last);
      for (int w = 0; w < 4; w++) ascii.bits[w] |= part.bits[w];
    }
  }
  return regex_term_or(r, regex_term_bytes(r, &ascii), out);
}

/* ---- derivatives ---- */

static uint32_t derive_list(regex *r, const regex_term *t, uint32_t byte_class) {
  uint32_t out = regex_term_derive(r, r->lists[t->a], byte_class);
  for (uint32_t i = 1; i < t->b; i++) {
    if (t->op == REGEX_T_AND && out == REGEX_VOID) return out;
    uint32_t next = regex_term_derive(r, r->lists[t->a + i], byte_class);
    out = t->op == REGEX_T_OR ? regex_term_or(r, out, next) : regex_term_and(r, out, next);
  }
  return out;
}

static uint32_t derive_repeat(regex *r, const regex_term *t, uint32_t byte_class) {
  uint32_t rest = regex_term_repeat(r, t->a, t->min > 0 ? t->min - 1 : 0,
                                    t->max == REGEX_UNBOUNDED ? t->max : t->max - 1);
  return regex_term_cat(r, regex_term_derive(r, t->a, byte_class), rest);
}

static uint32_t derive(regex *r, const regex_term *t, uint32_t byte_class) {
  uint32_t byte = r->representative[byte_class];
  switch (t->op) {
    case REGEX_T_BYTE: return r->sets[t->a].bits[byte >> 6] >> (byte & 63) & 1 ? REGEX_EMPTY : REGEX_VOID;
    case REGEX_T_ALL: return regex_term_cat(r, regex_term_derive(r, r->any, byte_class), REGEX_ALL);
    case REGEX_T_CAT: {
      uint32_t out = regex_term_cat(r, regex_term_derive(r, t->a, byte_class), t->b);
      if (!r->terms[t->a].nullable) return out;
      return regex_term_or(r, out, regex_term_derive(r, t->b, byte_class));
    }
    case REGEX_T_REP: return derive_repeat(r, t, byte_class);
    case REGEX_T_OR: case REGEX_T_AND: return derive_list(r, t, byte_class);
    case REGEX_T_NOT: return regex_term_not(r, regex_term_derive(r, t->a, byte_class));
    case REGEX_T_LOOP: return regex_term_derive(r, r->loops[t->a], byte_class);
    default: return REGEX_VOID;
  }
}

uint32_t regex_term_derive(regex *r, uint32_t term, uint32_t byte_class) {
  if (term <= REGEX_EMPTY || r->failed != BASE_OK) return REGEX_VOID;
  struct regex_memo *memo = &r->memo[(term * 0x9E3779B1u ^ byte_class * 0x85EBCA77u) >> 7 & (r->n_memo - 1)];
  if (memo->term == term && memo->byte_class == byte_class) return memo->result;
  const regex_term t = r->terms[term];
  if (!regex_works(r, 1)) return REGEX_VOID;
  uint32_t out = derive(r, &t, byte_class);
  if (r->failed != BASE_OK) return REGEX_VOID;
  *memo = (struct regex_memo){term, byte_class, out};
  return out;
}

/* ---- life ---- */

bool regex_terms_init(regex *r) {
  static const regex_range all[] = {{0, 0x10FFFF}};
  regex_set every = {.ranges = (regex_range *)(uintptr_t)all, .count = 1};
  if (!rehash(r, 256)) return false;
  r->memo = base_alloc(r->allocator, MEMO * sizeof *r->memo);
  if (r->memo == NULL) {
    fail(r, BASE_ENOMEM);
    return false;
  }
  r->n_memo = MEMO;
  r->held += MEMO * sizeof *r->memo;
  memset(r->memo, 0xFF, MEMO * sizeof *r->memo);
  intern(r, (regex_term){.op = REGEX_T_VOID});
  intern(r, (regex_term){.op = REGEX_T_EMPTY, .nullable = true});
  intern(r, (regex_term){.op = REGEX_T_ALL, .nullable = true, .depth = 1});
  r->any = regex_term_set(r, &every);
  return r->failed == BASE_OK;
}

void regex_terms_free(regex *r) {
  base_free(r->allocator, r->terms, r->cap_terms * sizeof(regex_term));
  base_free(r->allocator, r->lists, r->cap_lists * sizeof(uint32_t));
  base_free(r->allocator, r->loops, r->cap_loops * sizeof(uint32_t));
  base_free(r->allocator, r->buckets, r->n_buckets * sizeof(uint32_t));
  base_free(r->allocator, r->sets, r->cap_sets * sizeof(regex_bytes_set));
  base_free(r->allocator, r->memo, r->n_memo * sizeof *r->memo);
}

/* Bytes that no set tells apart are one class: refine the one class of all bytes by each set in turn. */
void regex_terms_classify(regex *r) {
  uint32_t n = 1;
  memset(r->byte_class, 0, sizeof r->byte_class);
  for (uint32_t i = 0; i < r->n_sets; i++) {
    int16_t inside[256];
    bool outside[256] = {false};
    memset(inside, 0xFF, sizeof inside);
    for (uint32_t b = 0; b < 256; b++)
      if (!(r->sets[i].bits[b >> 6] >> (b & 63) & 1)) outside[r->byte_class[b]] = true;
    for (uint32_t b = 0; b < 256; b++) {
      uint8_t c = r->byte_class[b];
      if (!(r->sets[i].bits[b >> 6] >> (b & 63) & 1) || !outside[c]) continue;
      if (inside[c] < 0) inside[c] = (int16_t)n++;
      r->byte_class[b] = (uint8_t)inside[c];
    }
  }
  for (uint32_t b = 256; b-- > 0;) r->representative[r->byte_class[b]] = (uint8_t)b;
  r->n_classes = n;
}
