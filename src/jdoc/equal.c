/* jdoc/equal: whether two values are the same, and hashes that agree with it. */
#include "jdoc/internal.h"

#include <string.h>

/* Objects whose members stand in another order are compared with one level of recursion each. */
enum { MAX_REORDERED = 1000, HASHED_DEPTH = 64 };

typedef struct pair {
  const jdoc *a, *b;
  uint64_t *steps;
} pair;

static bool spend(const pair *p, uint64_t work) {
  if (p->steps == NULL) return true;
  *p->steps = *p->steps > work ? *p->steps - work : 0;
  return *p->steps > 0;
}

static bool equal_scalars(const pair *p, uint32_t i, uint32_t j) {
  jdoc_kind kind = jdoc_kind_at(p->a, i);
  if (kind == JDOC_STRING) return base_slice_equal(jdoc_text(p->a, i), jdoc_text(p->b, j));
  if (kind != JDOC_NUMBER) return true;
  base_slice x = jdoc_raw(p->a, i), y = jdoc_raw(p->b, j);
  if (base_slice_equal(x, y)) return true;
  jdoc_number m = jdoc_number_of(x), n = jdoc_number_of(y);
  return jdoc_number_compare(&m, &n) == 0;
}

static bool equal_values(const pair *p, uint32_t i, uint32_t j, int reordered);

/* The member of object j with that key, looked for from `hint` on, all around. */
static uint32_t find_from(const pair *p, uint32_t j, uint32_t hint, base_slice key) {
  uint32_t end = jdoc_next(p->b, j), k = hint;
  for (uint32_t n = jdoc_count(p->b, j); n > 0 && spend(p, 1); n--) {
    if (k == end) k = j + 1;
    if (base_slice_equal(jdoc_text(p->b, k), key)) return k;
    k = jdoc_next(p->b, k + 1);
  }
  return JDOC_NONE;
}

static bool equal_reordered(const pair *p, uint32_t i, uint32_t j, int reordered) {
  uint32_t k = i + 1, hint = j + 1;
  if (reordered == MAX_REORDERED && p->steps != NULL) *p->steps = 0;
  if (reordered == MAX_REORDERED) return false;
  for (uint32_t n = jdoc_count(p->a, i); n > 0; n--, k = jdoc_next(p->a, k + 1)) {
    uint32_t found = find_from(p, j, hint, jdoc_text(p->a, k));
    if (found == JDOC_NONE || !equal_values(p, k + 1, found + 1, reordered + 1)) return false;
    hint = jdoc_next(p->b, found + 1);
  }
  return true;
}

static bool same_keys_in_order(const pair *p, uint32_t i, uint32_t j) {
  uint32_t k = i + 1, l = j + 1;
  for (uint32_t n = jdoc_count(p->a, i); n > 0; n--) {
    if (!base_slice_equal(jdoc_text(p->a, k), jdoc_text(p->b, l))) return false;
    k = jdoc_next(p->a, k + 1);
    l = jdoc_next(p->b, l + 1);
  }
  return true;
}

/* Both lists of nodes side by side, until an object has its members in another order; that one goes by key. */
static bool equal_values(const pair *p, uint32_t i, uint32_t j, int reordered) {
  uint32_t end = jdoc_next(p->a, i);
  while (i < end) {
    jdoc_kind kind = jdoc_kind_at(p->a, i);
    if (!spend(p, 1) || kind != jdoc_kind_at(p->b, j)) return false;
    if (kind < JDOC_ARRAY) {
      if (!equal_scalars(p, i, j)) return false;
    } else if (jdoc_count(p->a, i) != jdoc_count(p->b, j)) {
      return false;
    } else if (kind == JDOC_OBJECT && !same_keys_in_order(p, i, j)) {
      if (!equal_reordered(p, i, j, reordered)) return false;
      i = jdoc_next(p->a, i);
      j = jdoc_next(p->b, j);
      continue;
    }
    i++;
    j++;
  }
  return true;
}

bool jdoc_equal(const jdoc *a, uint32_t i, const jdoc *b, uint32_t j, uint64_t *steps) {
  pair p = {a, b, steps};
  return equal_values(&p, i, j, 0);
}

/* ---- hashes ---- */

static uint64_t mix(uint64_t h) {
  h = (h ^ h >> 32) * UINT64_C(0x9E3779B97F4A7C15);
  return h ^ h >> 29;
}

uint64_t jdoc_text_hash(base_slice s) {
  uint64_t h = s.len * UINT64_C(0xD6E8FEB86659FD93), v;
  for (; s.len >= 8; s = base_slice_sub(s, 8, s.len)) {
    memcpy(&v, s.ptr, 8);
    h = mix(h ^ v);
  }
  v = 0;
  if (s.len > 0) memcpy(&v, s.ptr, s.len);
  return mix(mix(h ^ v));
}

static uint64_t hash_number(base_slice raw) {
  jdoc_number n = jdoc_number_of(raw);
  uint64_t h = mix((uint64_t)n.exponent * 2 + n.negative);
  for (size_t i = 0; i < n.span; i++)
    if (n.digit[i] != '.') h = mix(h ^ (uint64_t)n.digit[i]);
  return h;
}

/* Below HASHED_DEPTH only the number of items counts. */
static uint64_t hash_value(const jdoc *d, uint32_t i, int depth) {
  jdoc_kind kind = jdoc_kind_at(d, i);
  if (kind == JDOC_NUMBER) return hash_number(jdoc_raw(d, i));
  if (kind == JDOC_STRING) return jdoc_text_hash(jdoc_text(d, i)) + 1;
  uint64_t h = mix((uint64_t)kind + 3);
  if (kind < JDOC_ARRAY) return h;
  uint32_t count = jdoc_count(d, i), v = i + 1;
  h = mix(h + count);
  for (uint32_t n = depth < HASHED_DEPTH ? count : 0; n > 0; n--) {
    if (kind == JDOC_ARRAY) {
      h = mix(h ^ hash_value(d, v, depth + 1));
      v = jdoc_next(d, v);
    } else { /* a sum, so that order does not matter */
      h += mix(jdoc_text_hash(jdoc_text(d, v)) ^ mix(hash_value(d, v + 1, depth + 1)));
      v = jdoc_next(d, v + 1);
    }
  }
  return h;
}

uint64_t jdoc_hash(const jdoc *d, uint32_t i) {
  return hash_value(d, i, 0);
}
