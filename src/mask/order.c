/* mask/order: what the coming of a key says of an object before the key's own schema is asked: is there room for it
 * (maxProperties), and, where properties come in the schema's order, what can then not come any more.
 *
 * The order of an object: schemas that apply to it are read from the first byte to the last, references followed where
 * they stand, and each name counts where `properties` has it first. Conditions (`not`, `if`) declare nothing. What is
 * not declared comes behind all that is, in any order. */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"

/* ---- the order of a plan's names ---- */

typedef struct declaring {
  mask_rule *r;
  void (*each)(struct declaring *d, base_slice name);
  base_slice *out;     /* put_name: NULL only counts */
  object_names *names; /* rank_name */
  uint32_t n;
} declaring;

static void put_name(declaring *d, base_slice name) {
  if (d->out != NULL) d->out[d->n] = name;
  d->n++;
}

static void rank_name(declaring *d, base_slice name) {
  uint32_t at = mask_names_find(d->names, name);
  if (d->names->order->rank[at] == MASK_NONE) d->names->order->rank[at] = d->n++;
}

static void declare(declaring *d, uint32_t id);

static void declare_group(declaring *d, const group *g) {
  if (g->kind == GROUP_NOT) return;
  for (uint32_t i = g->kind == GROUP_IF ? 1 : 0; i < g->n_children; i++) declare(d, g->child[i]);
}

static void declare(declaring *d, uint32_t id) {
  mask_rule *r = d->r;
  const node *n = r->nodes[id];
  if (r->stamp_of[id] == r->stamp) return;
  r->stamp_of[id] = r->stamp;
  for (uint32_t g = 0; g < n->n_groups && g < n->groups_before; g++) declare_group(d, &n->groups[g]);
  for (uint32_t k = 0; k < n->n_properties; k++) d->each(d, n->properties[n->in_order[k]].name);
  for (uint32_t g = n->groups_before; g < n->n_groups; g++) declare_group(d, &n->groups[g]);
}

typedef struct place {
  uint32_t at, node; /* at: in the document */
} place;

static int compare_places(const void *x, const void *y) {
  const place *a = x, *b = y;
  return a->at != b->at ? (a->at > b->at) - (a->at < b->at) : (a->node > b->node) - (a->node < b->node);
}

static bool declare_all(declaring *d, const plan *p) {
  mask_rule *r = d->r;
  place *roots = mask_take(r, (p->n_roots + 1) * sizeof *roots);
  if (roots == NULL) return false;
  for (uint32_t i = 0; i < p->n_roots; i++) roots[i] = (place){r->nodes[p->roots[i]]->at, p->roots[i]};
  if (p->n_roots > 1) qsort(roots, p->n_roots, sizeof *roots, compare_places);
  r->stamp++;
  for (uint32_t i = 0; i < p->n_roots; i++) declare(d, roots[i].node);
  return true;
}

uint32_t mask_order_names(mask_rule *r, const plan *p, base_slice *out) {
  declaring d = {.r = r, .each = put_name, .out = out};
  return declare_all(&d, p) ? d.n : 0;
}

static int compare_numbers(const void *x, const void *y) {
  const uint32_t *a = x, *b = y;
  return (*a > *b) - (*a < *b);
}

bool mask_order_make(mask_rule *r, const plan *p, object_names *names) {
  object_order *o = names->order = mask_take(r, sizeof *o);
  if (o == NULL) return false;
  o->rank = mask_take(r, (names->n_names + 1) * sizeof *o->rank);
  o->due = mask_take(r, (p->n_locals + 1) * sizeof *o->due);
  o->n_due = mask_take(r, (p->n_locals + 1) * sizeof *o->n_due);
  if (r->failed != BASE_OK) return false;
  memset(o->rank, 0xFF, names->n_names * sizeof *o->rank);
  declaring d = {.r = r, .each = rank_name, .names = names};
  if (!declare_all(&d, p)) return false;
  o->n = d.n;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    o->depends |= n->n_dependencies > 0;
    o->least |= n->min_properties > 0;
    if (n->n_required == 0) continue;
    o->due[i] = mask_take(r, n->n_required * sizeof(uint32_t));
    if (o->due[i] == NULL) return false;
    for (uint32_t k = 0; k < n->n_required; k++) {
      uint32_t rank = o->rank[names->required[i][k]];
      if (rank != MASK_NONE) o->due[i][o->n_due[i]++] = rank;
    }
    if (o->n_due[i] > 1) qsort(o->due[i], o->n_due[i], sizeof(uint32_t), compare_numbers);
  }
  return true;
}

/* ---- a key comes ---- */

uint32_t mask_frame_misses(const frame *f, uint32_t i, uint32_t but) {
  const plan *p = f->s->plan;
  const uint32_t *required = p->names->required[i];
  uint32_t n = 0;
  for (uint32_t k = 0; k < p->locals[i].n->n_required; k++)
    n += required[k] != but && !bit_has(f->words, required[k]);
  return n;
}

/* Locals for which there would be no room for what they require. */
static bool exceed(const frame *f, uint32_t name, uint64_t *failed) {
  const plan *p = f->s->plan;
  bool any = false;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    uint32_t most = p->locals[i].n->max_properties;
    if (most == MASK_NONE || bit_has(f->s->failed, i)) continue;
    if ((uint64_t)f->count + 1 + mask_frame_misses(f, i, name) <= most) continue;
    bit_set(failed, i);
    any = true;
  }
  return any;
}

/* Is a rank from `from` to to - 1 among those that local i requires? */
static bool is_due(const object_order *o, uint32_t i, uint32_t from, uint32_t to) {
  uint32_t low = 0, high = o->n_due[i];
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (o->due[i][middle] < from) low = middle + 1;
    else high = middle;
  }
  return low < o->n_due[i] && o->due[i][low] < to;
}

static bool is_there(const frame *f, uint32_t name, uint32_t coming) {
  return name == coming || bit_has(f->words, name);
}

/* Does a property that is there need one that can not come any more? */
static bool needs_what_is_past(const frame *f, const node *n, uint32_t coming, uint32_t passed) {
  const object_names *names = f->s->plan->names;
  for (uint32_t k = 0; k < n->n_dependencies; k++) {
    const dependency *d = &n->dependencies[k];
    if (!is_there(f, mask_names_find(names, d->key), coming)) continue;
    for (uint32_t i = 0; i < d->n_needs; i++) {
      uint32_t need = mask_names_find(names, d->needs[i]);
      if (names->order->rank[need] < passed && !is_there(f, need, coming)) return true;
    }
  }
  return false;
}

uint32_t mask_order_behind(const object_order *o, uint32_t name) {
  return name == MASK_NONE || o->rank[name] == MASK_NONE ? o->n : o->rank[name] + 1;
}

/* Locals that ask for what the key would leave behind. */
static bool skip(const frame *f, uint32_t name, uint64_t *failed) {
  const plan *p = f->s->plan;
  const object_order *o = p->names->order;
  uint32_t passed = mask_order_behind(o, name),
           to = name != MASK_NONE && o->rank[name] != MASK_NONE ? passed - 1 : passed;
  bool any = false;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    if (bit_has(f->s->failed, i) || bit_has(failed, i)) continue;
    if (!is_due(o, i, f->passed, to) && !(o->depends && needs_what_is_past(f, p->locals[i].n, name, passed))) continue;
    bit_set(failed, i);
    any = true;
  }
  return any;
}

/* How many names, at most `enough`, may still come behind name in situation s. */
static uint32_t names_behind(mask_run *run, const frame *f, situation *s, uint32_t name, uint32_t enough) {
  object_names *names = f->s->plan->names;
  uint32_t passed = mask_order_behind(names->order, name), n = 0;
  for (uint32_t i = 0; i < names->n_names && n < enough; i++) {
    if (is_there(f, i, name) || names->order->rank[i] < passed) continue;
    text_state *k = mask_state_of_name(run->rule, names, i);
    slot *of = k == &mask_text_dead ? NULL : mask_slot_of_key(run->rule, s, i, k);
    n += of != NULL && of->after != NULL;
  }
  return n;
}

/* Locals that ask for more properties than may still come. */
static bool starve(mask_run *run, const frame *f, situation *s, uint32_t name, uint64_t *failed) {
  const plan *p = s->plan;
  bool any = false;
  if (mask_key_may_be_free(run->rule, s, mask_text_start(p->names->automaton))) return false;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    uint32_t least = p->locals[i].n->min_properties;
    if (least <= f->count + 1 || bit_has(s->failed, i)) continue;
    if (f->count + 1 + names_behind(run, f, s, name, least) >= least) continue;
    bit_set(failed, i);
    any = true;
  }
  return any;
}

situation *mask_situation_for_key(mask_run *run, const frame *f, uint32_t name) {
  const object_names *names = f->s->plan->names;
  uint64_t small[8], *failed;
  situation *s = f->s;
  if (!names->bounded && names->order == NULL) return s;
  if (names->order != NULL && mask_order_behind(names->order, name) <
                                  f->passed + (name != MASK_NONE && names->order->rank[name] != MASK_NONE))
    return NULL;
  failed = mask_local_set(run, s->plan, small, 8);
  if (failed == NULL) return NULL;
  bool any = names->bounded && exceed(f, name, failed);
  if (names->order != NULL) any = skip(f, name, failed) || any;
  if (any) s = mask_situation_with(run->rule, s, failed, NULL);
  if (s != NULL && !s->dead && names->order != NULL && names->order->least && starve(run, f, s, name, failed))
    s = mask_situation_with(run->rule, s, failed, NULL);
  return s == NULL || s->dead ? NULL : s;
}
