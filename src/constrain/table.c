/* Vectors, the table of names, and the tables of facts that are lists in .def files. */
#include "constrain/internal.h"

#include <string.h>

bool constrain_vec_need(constrain_vec *v, size_t extra, size_t bytes, const base_allocator *a) {
  size_t need;
  if (!base_add_size(v->n, extra, &need)) return false;
  if (need <= v->cap) return true;
  void *grown = a != NULL ? base_grow(a, v->ptr, &v->cap, need, bytes) : NULL;
  if (grown != NULL) v->ptr = grown;
  return grown != NULL;
}

void constrain_vec_free(constrain_vec *v, size_t bytes, const base_allocator *a) {
  if (v->ptr != NULL) base_free(a, v->ptr, v->cap * bytes);
  *v = (constrain_vec){0};
}

/* ---- names ---- */

enum { MOST_PROBES = 1000 }; /* at a load of a half, chance does not come near it */

static size_t first_slot(const constrain_names *t, uint64_t scope, base_slice text) {
  uint64_t h = jdoc_text_hash(text) + scope * UINT64_C(0x9E3779B97F4A7C15);
  return (size_t)(h ^ h >> 31) & (t->n_slots - 1);
}

/* The slot of the name, or the empty one where it belongs; false when it is too far. */
static bool find_slot(const constrain_names *t, uint64_t scope, base_slice text, size_t *out) {
  size_t at = first_slot(t, scope, text);
  for (size_t probes = 0; probes < MOST_PROBES; probes++, at = (at + 1) & (t->n_slots - 1)) {
    *out = at;
    if (t->slot[at] == 0) return true;
    const constrain_name *e = (const constrain_name *)t->entry.ptr + (t->slot[at] - 1);
    if (e->scope == scope && base_slice_equal(e->text, text)) return true;
  }
  return false;
}

static base_status grow_names(constrain_names *t, const base_allocator *a) {
  constrain_names larger = {.entry = t->entry, .n_slots = t->n_slots > 0 ? 2 * t->n_slots : 64};
  larger.slot = base_calloc(a, larger.n_slots, sizeof *larger.slot);
  if (larger.slot == NULL) return BASE_ENOMEM;
  for (size_t i = 0; i < t->entry.n; i++) {
    const constrain_name *e = (const constrain_name *)t->entry.ptr + i;
    size_t at;
    if (!find_slot(&larger, e->scope, e->text, &at)) {
      base_free(a, larger.slot, larger.n_slots * sizeof *larger.slot);
      return BASE_ELIMIT;
    }
    larger.slot[at] = (uint32_t)i + 1;
  }
  base_free(a, t->slot, t->n_slots * sizeof *t->slot);
  *t = larger;
  return BASE_OK;
}

base_status constrain_names_add(constrain_names *t, uint64_t scope, base_slice text, uint32_t value,
                                bool *added,
                                const base_allocator *a) {
  size_t at;
  if (added != NULL) *added = false;
  if (2 * (t->entry.n + 1) > t->n_slots) {
    base_status st = grow_names(t, a);
    if (st) return st;
  }
  if (!find_slot(t, scope, text, &at)) return BASE_ELIMIT;
  if (t->slot[at] != 0) return BASE_OK;
  if (!constrain_vec_need(&t->entry, 1, sizeof(constrain_name), a)) return BASE_ENOMEM;
  ((constrain_name *)t->entry.ptr)[t->entry.n++] = (constrain_name){scope, text, value};
  t->slot[at] = (uint32_t)t->entry.n;
  if (added != NULL) *added = true;
  return BASE_OK;
}

uint32_t constrain_names_find(const constrain_names *t, uint64_t scope, base_slice text) {
  size_t at;
  if (t->n_slots == 0 || !find_slot(t, scope, text, &at) || t->slot[at] == 0) return CONSTRAIN_NONE;
  return ((const constrain_name *)t->entry.ptr)[t->slot[at] - 1].value;
}

void constrain_names_free(constrain_names *t, const base_allocator *a) {
  constrain_vec_free(&t->entry, sizeof(constrain_name), a);
  if (t->slot != NULL) base_free(a, t->slot, t->n_slots * sizeof *t->slot);
  *t = (constrain_names){0};
}

/* ---- keywords ---- */

const constrain_keyword_info constrain_keyword_table[CONSTRAIN_KEYWORDS] = {
#define CONSTRAIN_KEYWORD(id, name, shape, drafts, vocabulary) \
  {name, CONSTRAIN_SHAPE_##shape, drafts, CONSTRAIN_V_##vocabulary},
#include "constrain/keyword.def"
#undef CONSTRAIN_KEYWORD
};

constrain_keyword constrain_keyword_of(base_slice name, constrain_dialect d) {
  for (size_t i = 0; i < CONSTRAIN_KEYWORDS; i++) {
    const constrain_keyword_info *k = &constrain_keyword_table[i];
    if (name.len == 0 || k->name[0] != name.ptr[0] || !base_slice_equal(name, base_slice_of(k->name))) continue;
    return (k->drafts & d.draft) && (k->vocabulary & d.vocabulary) ? (constrain_keyword)i : CONSTRAIN_KEYWORDS;
  }
  return CONSTRAIN_KEYWORDS;
}
