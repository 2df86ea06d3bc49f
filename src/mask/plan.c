/* mask/plan: what a set of nodes asks of one value, in three-valued truth.
 *
 * A plan holds the nodes that apply to the value and all the nodes that those apply to the same value (allOf, anyOf,
 * $ref ...), children before parents. Each has a part of its own (its assertions) that is open, failed or done. From
 * the own parts follows the truth of the whole, bottom up. A situation is a plan with what is settled so far; equal
 * situations are one, so whatever is worked out for one is worked out once. */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"

enum { MAX_LOCALS = 20000, FALSE_ = 0, OPEN = 1, TRUE_ = 2 };

void mask_fail(mask_rule *r, base_status code) {
  if (r->failed == BASE_OK) r->failed = code;
}

void *mask_take(mask_rule *r, size_t bytes) {
  void *out = mask_pool_take(&r->pool, bytes);
  if (out == NULL) mask_fail(r, r->pool.failed);
  return out;
}

static bool put(mask_rule *r, mask_map *m, uint64_t key, void *value) {
  if (mask_map_put(m, &r->pool, key, value)) return true;
  mask_fail(r, r->pool.failed);
  return false;
}

/* ---- building ---- */

typedef struct builder {
  mask_rule *r;
  local *locals;
  uint32_t n, cap;
} builder;

static uint32_t build(builder *b, uint32_t id);

/* One group with constants folded in. False: the node can never hold. *drop: the group says nothing. */
static bool build_group(builder *b, const group *g, local_group *out, bool *drop) {
  uint32_t n = 0;
  *drop = false;
  *out = (local_group){.kind = g->kind, .key = g->key};
  out->child = mask_take(b->r, (g->n_children + 1) * sizeof(uint32_t));
  if (out->child == NULL) return false;
  for (uint32_t i = 0; i < g->n_children; i++) {
    uint32_t c = build(b, g->child[i]);
    bool constant = c == LOCAL_TRUE || c == LOCAL_FALSE;
    if (constant && g->kind == GROUP_ALL && c == LOCAL_FALSE) return false;
    if (constant && g->kind == GROUP_ANY && c == LOCAL_TRUE) *drop = true;
    if (constant && g->kind == GROUP_NOT && c == LOCAL_TRUE) return false;
    if (constant && g->kind == GROUP_ALL) continue;
    if (c == LOCAL_FALSE && (g->kind == GROUP_ANY || g->kind == GROUP_ONE || g->kind == GROUP_NOT)) continue;
    if (c == LOCAL_TRUE && g->kind == GROUP_KEY) continue;
    out->child[n++] = c;
  }
  out->n_children = n;
  if (n == 0 && (g->kind == GROUP_ANY || g->kind == GROUP_ONE)) return *drop;
  if (n == 0) *drop = true;
  if (n == 1 && (g->kind == GROUP_ANY || (g->kind == GROUP_ONE && out->child[0] < LOCAL_FALSE))) out->kind = GROUP_ALL;
  return true;
}

/* What a node asks beside its kind, by groups without what is settled; LOCAL_TRUE, LOCAL_FALSE or one child's local
 * where that is all of it, MASK_NONE where it needs a local of its own. */
static uint32_t build_groups(builder *b, const node *n, local *l) {
  bool own = n->kinds != KINDS_ALL || n->asserts != 0, drop;
  l->groups = n->n_groups > 0 ? mask_take(b->r, n->n_groups * sizeof *l->groups) : NULL;
  for (uint32_t i = 0; i < n->n_groups && b->r->failed == BASE_OK; i++) {
    if (!build_group(b, &n->groups[i], &l->groups[l->n_groups], &drop)) return LOCAL_FALSE;
    if (!drop) l->n_groups++;
  }
  if (own) return MASK_NONE;
  if (l->n_groups == 0) return LOCAL_TRUE;
  bool alone = l->n_groups == 1 && l->groups[0].kind == GROUP_ALL && l->groups[0].n_children == 1;
  return alone ? l->groups[0].child[0] : MASK_NONE;
}

static uint32_t add_local(builder *b, local l) {
  mask_rule *r = b->r;
  if (b->n >= MAX_LOCALS) mask_fail(r, BASE_ELIMIT);
  local *grown = b->n < MAX_LOCALS ? mask_pool_grow(&r->pool, b->locals, sizeof *grown, b->n, &b->cap) : NULL;
  if (grown == NULL) {
    mask_fail(r, r->pool.failed);
    return LOCAL_FALSE;
  }
  b->locals = grown;
  b->locals[b->n] = l;
  return b->n++;
}

/* The local of a node, its children first; LOCAL_TRUE or LOCAL_FALSE where it is settled whatever the value. */
static uint32_t build(builder *b, uint32_t id) {
  mask_rule *r = b->r;
  const node *n = r->nodes[id];
  local l = {.n = n};
  if (r->failed != BASE_OK || n->kinds == 0) return LOCAL_FALSE;
  if (r->stamp_of[id] == r->stamp) return r->local_of[id];
  uint32_t result = build_groups(b, n, &l);
  if (result == MASK_NONE) result = add_local(b, l);
  r->stamp_of[id] = r->stamp;
  r->local_of[id] = result;
  return result;
}

static void mark_children(const local *l, uint32_t *reached) {
  for (uint32_t g = 0; g < l->n_groups; g++)
    for (uint32_t i = 0; i < l->groups[g].n_children; i++)
      if (l->groups[g].child[i] < LOCAL_FALSE) reached[l->groups[g].child[i]] = 1;
}

static void move_locals(uint32_t *locals, uint32_t n, const uint32_t *place) {
  for (uint32_t i = 0; i < n; i++)
    if (locals[i] < LOCAL_FALSE) locals[i] = place[locals[i]];
}

/* Takes out the locals that no root reaches: where a group came to be settled ({} stands in an anyOf), its other
 * children stay behind. What is left keeps its order. */
static bool drop_unreached(mask_rule *r, plan *p) {
  uint32_t kept = 0;
  mask_mark mark = mask_pool_mark(&r->pool);
  uint32_t *place = mask_take(r, p->n_locals * sizeof *place); /* not 0: reached; then where it comes to stand */
  if (place == NULL) return false;
  for (uint32_t i = 0; i < p->n_roots; i++)
    if (p->root_local[i] < LOCAL_FALSE) place[p->root_local[i]] = 1;
  for (uint32_t i = p->n_locals; i-- > 0;)
    if (place[i] != 0) mark_children(&p->locals[i], place);
  for (uint32_t i = 0; i < p->n_locals; i++) {
    if (place[i] == 0) continue;
    local *l = &p->locals[kept];
    *l = p->locals[i];
    for (uint32_t g = 0; g < l->n_groups; g++) move_locals(l->groups[g].child, l->groups[g].n_children, place);
    place[i] = kept++;
  }
  move_locals(p->root_local, p->n_roots, place);
  p->n_locals = kept;
  mask_pool_back(&r->pool, mark);
  return true;
}

static bool is_plain(const plan *p) {
  for (uint32_t i = 0; i < p->n_locals; i++)
    if (p->locals[i].n_groups > 0) return false;
  for (uint32_t i = 0; i < p->n_roots; i++)
    if (p->root_local[i] == LOCAL_FALSE) return false;
  return true;
}

plan *mask_plan_of(mask_rule *r, const uint32_t *roots, uint32_t n_roots, uint32_t n_all, bool one_needed) {
  uint64_t key = mask_mix(mask_mix(n_all, one_needed), n_roots);
  for (uint32_t i = 0; i < n_roots; i++) key = mask_mix(key, roots[i]);
  plan *p = mask_map_get(&r->plans, key);
  if (p != NULL || r->failed != BASE_OK) return p;
  if (r->stamp_of == NULL) {
    r->stamp_of = mask_take(r, r->n_nodes * sizeof(uint32_t));
    r->local_of = mask_take(r, r->n_nodes * sizeof(uint32_t));
  }
  p = mask_take(r, sizeof *p);
  if (p == NULL || r->failed != BASE_OK) return NULL;
  r->stamp++;
  builder b = {.r = r};
  p->roots = mask_take(r, (n_roots + 1) * sizeof(uint32_t));
  p->root_local = mask_take(r, (n_roots + 1) * sizeof(uint32_t));
  if (r->failed != BASE_OK) return NULL;
  memcpy(p->roots, roots, n_roots * sizeof(uint32_t));
  for (uint32_t i = 0; i < n_roots; i++) p->root_local[i] = build(&b, roots[i]);
  p->n_roots = n_roots;
  p->n_all = n_all;
  p->one_needed = one_needed;
  p->locals = b.locals;
  p->n_locals = b.n;
  if (r->failed != BASE_OK || !drop_unreached(r, p)) return NULL;
  p->words = bit_words(p->n_locals > 0 ? p->n_locals : 1);
  p->plain = is_plain(p);
  p->id = ++r->ids;
  if (r->cap_truth < p->n_locals) {
    r->cap_truth = 2 * p->n_locals + 16;
    r->truth = mask_take(r, r->cap_truth);
  }
  if (r->failed != BASE_OK || !put(r, &r->plans, key, p)) return NULL;
  return p;
}

/* ---- truth ---- */

static uint8_t of_child(const uint8_t *truth, uint32_t child) {
  return child == LOCAL_TRUE ? TRUE_ : child == LOCAL_FALSE ? FALSE_ : truth[child];
}

static uint8_t of_one(const uint8_t *truth, const local_group *g) {
  uint32_t held = 0, open = 0;
  for (uint32_t i = 0; i < g->n_children; i++) {
    uint8_t t = of_child(truth, g->child[i]);
    held += t == TRUE_;
    open += t == OPEN;
  }
  if (held > 1 || (held == 0 && open == 0)) return FALSE_;
  return open > 0 ? OPEN : TRUE_;
}

static uint8_t of_if(const uint8_t *truth, const local_group *g) {
  uint8_t condition = of_child(truth, g->child[0]), yes = of_child(truth, g->child[1]),
          no = of_child(truth, g->child[2]);
  if (condition == TRUE_) return yes;
  if (condition == FALSE_) return no;
  return yes == no ? yes : OPEN;
}

/* `present`: 0 no, 1 yes, 2 not known: is the group's key in the object. */
static uint8_t of_group(const uint8_t *truth, const local_group *g, int present) {
  uint8_t out;
  switch (g->kind) {
    case GROUP_ALL:
      out = TRUE_;
      for (uint32_t i = 0; i < g->n_children && out != FALSE_; i++) {
        uint8_t t = of_child(truth, g->child[i]);
        if (t < out) out = t;
      }
      return out;
    case GROUP_ANY:
      out = FALSE_;
      for (uint32_t i = 0; i < g->n_children && out != TRUE_; i++) {
        uint8_t t = of_child(truth, g->child[i]);
        if (t > out) out = t;
      }
      return out;
    case GROUP_ONE: return of_one(truth, g);
    case GROUP_NOT: return (uint8_t)(TRUE_ - of_child(truth, g->child[0]));
    case GROUP_IF: return of_if(truth, g);
    default:
      if (present == 0) return TRUE_;
      out = of_child(truth, g->child[0]);
      return present == 1 || out == TRUE_ ? out : OPEN;
  }
}

static int is_present(const plan *p, const local_group *g, const uint64_t *seen) {
  if (g->kind != GROUP_KEY) return 0;
  if (seen == NULL || p->names == NULL) return 2;
  uint32_t name = mask_names_find(p->names, g->key);
  return name != MASK_NONE && bit_has(seen, name);
}

/* Fills r->truth. own_done NULL: what has not failed holds. */
static void judge_all(mask_rule *r, const plan *p, const uint64_t *failed, const uint64_t *done, const uint64_t *seen) {
  uint8_t *truth = r->truth;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const local *l = &p->locals[i];
    uint8_t t = bit_has(failed, i) ? FALSE_ : done == NULL || bit_has(done, i) ? TRUE_ : OPEN;
    for (uint32_t g = 0; g < l->n_groups && t != FALSE_; g++) {
      int present = is_present(p, &l->groups[g], seen);
      if (present == 0 && done != NULL && l->groups[g].kind == GROUP_KEY) present = 2;
      uint8_t one = of_group(truth, &l->groups[g], present);
      if (one < t) t = one;
    }
    truth[i] = t;
  }
}

bool mask_plan_is_lost(mask_rule *r, plan *p, const uint64_t *own_failed, const uint64_t *own_done) {
  judge_all(r, p, own_failed, own_done, NULL);
  for (uint32_t i = 0; i < p->n_all; i++)
    if (of_child(r->truth, p->root_local[i]) == FALSE_) return true;
  if (!p->one_needed) return false;
  for (uint32_t i = p->n_all; i < p->n_roots; i++)
    if (of_child(r->truth, p->root_local[i]) != FALSE_) return false;
  return true;
}

/* Sets of failed roots are kept once each: they are few. */
static const uint64_t *kept_set(mask_rule *r, const plan *p, const uint64_t *set) {
  uint32_t words = bit_words(p->n_roots);
  uint64_t key = mask_mix_bytes(p->id, set, words * sizeof *set);
  uint64_t *kept = mask_map_get(&r->failed_sets, key);
  if (kept != NULL) return kept;
  kept = mask_take(r, words * sizeof *set);
  if (kept == NULL) return NULL;
  memcpy(kept, set, words * sizeof *set);
  return put(r, &r->failed_sets, key, kept) ? kept : NULL;
}

const uint64_t *mask_plan_judge(mask_rule *r, plan *p, const uint64_t *own_failed, const uint64_t *seen, bool *fatal) {
  bool any = false, held = false;
  uint64_t small[4] = {0}, *set = small;
  *fatal = false;
  if (p->plain) {
    for (uint32_t w = 0; w < p->words; w++) any = any || own_failed[w] != 0;
    if (!any) return NULL;
    any = false;
  }
  judge_all(r, p, own_failed, NULL, seen);
  if (p->n_roots > 256) set = mask_take(r, bit_words(p->n_roots) * sizeof *set);
  if (set == NULL) return NULL;
  for (uint32_t i = 0; i < p->n_roots; i++) {
    if (of_child(r->truth, p->root_local[i]) != FALSE_) {
      held = held || i >= p->n_all;
      continue;
    }
    if (i < p->n_all) *fatal = true;
    bit_set(set, i);
    any = true;
  }
  if (p->one_needed && !held) *fatal = true;
  return any && !*fatal ? kept_set(r, p, set) : NULL;
}

/* ---- the start of a value ---- */

/* Own parts of a value of this kind: failed for a wrong kind, done where nothing else is asked. */
static void own_parts(const plan *p, jdoc_kind kind, uint64_t *failed, uint64_t *done) {
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (!(n->kinds & KIND_BIT(kind))) bit_set(failed, i);
    else if (!(n->asserts & KIND_BIT(kind))) bit_set(done, i);
  }
}

beginning *mask_plan_start(mask_rule *r, plan *p, jdoc_kind kind) {
  beginning *s = &p->starts[kind];
  if (s->known || r->failed != BASE_OK) return s;
  uint64_t *failed = mask_take(r, p->words * sizeof *failed), *done = mask_take(r, p->words * sizeof *done);
  if (failed == NULL || done == NULL) return s;
  s->known = true;
  own_parts(p, kind, failed, done);
  s->dead = mask_plan_is_lost(r, p, failed, done);
  if (s->dead) return s;
  switch (kind) {
    case JDOC_NUMBER: s->number = mask_number_start(r, p, failed); break;
    case JDOC_STRING: {
      text_automaton *t = mask_text_of_plan(r, p, failed, false);
      s->text = t != NULL ? mask_text_start(t) : NULL;
      if (s->text == NULL || s->text == &mask_text_dead || !mask_length_allows(s->text, 0)) s->dead = true;
      break;
    }
    case JDOC_ARRAY: case JDOC_OBJECT:
      s->situation = mask_situation_of(r, p, kind, failed, done);
      break;
    default: s->failed = mask_plan_judge(r, p, failed, NULL, &s->dead); break;
  }
  if (r->failed != BASE_OK) s->dead = true;
  return s;
}

/* ---- situations ---- */

situation *mask_situation_of(mask_rule *r, plan *p, jdoc_kind kind, const uint64_t *failed, const uint64_t *done) {
  size_t bytes = p->words * sizeof *failed;
  uint64_t key = mask_mix_bytes(mask_mix_bytes((uint64_t)kind, failed, bytes), done, bytes);
  situation *s = mask_map_get(&p->situations, key);
  if (s != NULL) return s;
  s = mask_take(r, sizeof *s);
  uint64_t *sets = mask_take(r, 4 * bytes);
  if (s == NULL || sets == NULL) return NULL;
  s->plan = p;
  s->kind = kind;
  s->failed = sets;
  s->done = sets + p->words;
  s->vital = sets + 2 * p->words;
  s->vital_known = sets + 3 * p->words;
  memcpy(s->failed, failed, bytes);
  memcpy(s->done, done, bytes);
  s->dead = mask_plan_is_lost(r, p, failed, done);
  s->plain = p->plain && p->n_locals == 1 && p->n_all == 1 && p->n_roots == 1;
  return put(r, &p->situations, key, s) ? s : NULL;
}

situation *mask_situation_with(mask_rule *r, situation *s, const uint64_t *failed, const uint64_t *done) {
  plan *p = s->plan;
  bool same = true;
  uint64_t small[8], *sets = 2 * p->words <= 8 ? small : mask_take(r, 2 * p->words * sizeof *sets);
  if (sets == NULL) return NULL;
  for (uint32_t w = 0; w < p->words; w++) {
    sets[w] = s->failed[w] | (failed != NULL ? failed[w] : 0);
    sets[p->words + w] = s->done[w] | (done != NULL ? done[w] : 0);
    same = same && sets[w] == s->failed[w] && sets[p->words + w] == s->done[w];
  }
  return same ? s : mask_situation_of(r, p, s->kind, sets, sets + p->words);
}

/* Would the failure of local i fail the document? */
static bool is_vital(mask_rule *r, situation *s, uint32_t i) {
  if (!bit_has(s->vital_known, i)) {
    bool was = bit_has(s->failed, i);
    bit_set(s->failed, i);
    if (mask_plan_is_lost(r, s->plan, s->failed, s->done)) bit_set(s->vital, i);
    if (!was) s->failed[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    bit_set(s->vital_known, i);
  }
  return bit_has(s->vital, i);
}

bool mask_local_may_hold(mask_rule *r, situation *s, uint32_t i) {
  bool lost, was = bit_has(s->done, i);
  if (s->plan->plain) return true;
  bit_set(s->done, i);
  lost = mask_plan_is_lost(r, s->plan, s->failed, s->done);
  if (!was) s->done[i >> 6] &= ~(UINT64_C(1) << (i & 63));
  return !lost;
}

/* ---- names of objects ---- */

uint32_t mask_names_find(const object_names *names, base_slice name) {
  const base_slice *found =
      names->n_names == 0 ? NULL : bsearch(&name, names->name, names->n_names, sizeof name, mask_compare_slices);
  return found != NULL ? (uint32_t)(found - names->name) : MASK_NONE;
}

/* The enum that propertyNames of d is, if it is one: names that there are, and no others. */
static const node *enum_of_names(mask_rule *r, const node *d) {
  plan *p = d->names != MASK_NONE ? mask_plan_of(r, &d->names, 1, 1, false) : NULL;
  return p != NULL && p->plain && p->n_locals == 1 && p->locals[0].n->has_enum ? p->locals[0].n : NULL;
}

/* Writes every name that the plan's objects mention (into NULL: only counts). */
static uint32_t put_names(mask_rule *r, const plan *p, base_slice *out) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *d = p->locals[i].n, *listed = enum_of_names(r, d);
    for (uint32_t k = 0; listed != NULL && k < listed->n_values; k++) {
      if (jdoc_kind_at(&r->doc, listed->values[k]) != JDOC_STRING) continue;
      if (out != NULL) out[n] = jdoc_text(&r->doc, listed->values[k]);
      n++;
    }
    for (uint32_t k = 0; k < d->n_properties; k++, n++)
      if (out != NULL) out[n] = d->properties[k].name;
    for (uint32_t k = 0; k < d->n_required; k++, n++)
      if (out != NULL) out[n] = d->required[k];
    for (uint32_t k = 0; k < d->n_dependencies; k++) {
      if (out != NULL) out[n] = d->dependencies[k].key;
      n++;
      for (uint32_t j = 0; j < d->dependencies[k].n_needs; j++, n++)
        if (out != NULL) out[n] = d->dependencies[k].needs[j];
    }
    for (uint32_t k = 0; k < p->locals[i].n_groups; k++) {
      if (p->locals[i].groups[k].kind != GROUP_KEY) continue;
      if (out != NULL) out[n] = p->locals[i].groups[k].key;
      n++;
    }
  }
  return n;
}

static uint32_t index_of(uint32_t *list, uint32_t *n, uint32_t value) {
  for (uint32_t i = 0; i < *n; i++)
    if (list[i] == value) return i;
  list[*n] = value;
  return (*n)++;
}

/* Patterns and propertyNames of all locals, for the automaton of keys. */
static bool add_key_rules(mask_rule *r, plan *p, object_names *names) {
  uint32_t n_patterns = 0, n_subs = 0, n_regexes = 0;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    n_patterns += p->locals[i].n->n_patterns;
    n_subs += p->locals[i].n->names != MASK_NONE;
  }
  uint32_t *index = mask_take(r, (n_patterns + 1) * sizeof *index);
  regex **regexes = mask_take(r, (n_patterns + 1) * sizeof *regexes);
  text_state **subs = mask_take(r, (n_subs + 1) * sizeof *subs);
  names->pattern = mask_take(r, (p->n_locals + 1) * sizeof *names->pattern);
  names->sub = mask_take(r, (p->n_locals + 1) * sizeof *names->sub);
  names->listed = mask_take(r, (p->n_locals + 1) * sizeof *names->listed);
  if (r->failed != BASE_OK) return false;
  n_subs = 0;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    names->sub[i] = MASK_NONE;
    names->listed[i] = enum_of_names(r, n) != NULL;
    if (n->n_patterns > 0) names->pattern[i] = mask_take(r, n->n_patterns * sizeof(uint32_t));
    for (uint32_t k = 0; k < n->n_patterns && r->failed == BASE_OK; k++)
      names->pattern[i][k] = index_of(index, &n_regexes, n->patterns[k].regex);
    if (n->names == MASK_NONE) continue;
    plan *of_names = mask_plan_of(r, &n->names, 1, 1, false);
    if (of_names == NULL) return false;
    beginning *s = mask_plan_start(r, of_names, JDOC_STRING);
    names->sub[i] = n_subs;
    subs[n_subs] = &mask_text_dead;
    if (!s->dead) {
      text_automaton *t = mask_text_of_plan(r, of_names, s->text->automaton->own_failed, true);
      if (t != NULL) subs[n_subs] = mask_text_start(t);
    }
    n_subs++;
  }
  for (uint32_t i = 0; i < n_regexes; i++) regexes[i] = r->regexes[index[i]];
  if (r->failed != BASE_OK) return false;
  names->automaton = mask_text_of_keys(r, names, regexes, n_regexes, subs, n_subs);
  return names->automaton != NULL;
}

object_names *mask_plan_names(mask_rule *r, plan *p) {
  if (p->names != NULL) return p->names;
  object_names *names = mask_take(r, sizeof *names);
  bool ordered = r->options.order == MASK_ORDER_SCHEMA;
  uint32_t n = put_names(r, p, NULL), n_declared = ordered ? mask_order_names(r, p, NULL) : 0, kept = 0;
  if (names == NULL) return NULL;
  names->name = mask_take(r, ((size_t)n + n_declared + 1) * sizeof *names->name);
  names->required = mask_take(r, (p->n_locals + 1) * sizeof *names->required);
  if (r->failed != BASE_OK) return NULL;
  put_names(r, p, names->name);
  if (ordered) n += mask_order_names(r, p, names->name + n);
  if (n > 1) qsort(names->name, n, sizeof *names->name, mask_compare_slices);
  for (uint32_t i = 0; i < n; i++)
    if (kept == 0 || mask_compare_slices(&names->name[kept - 1], &names->name[i]) != 0)
      names->name[kept++] = names->name[i];
  names->n_names = kept;
  names->state = mask_take(r, (kept + 1) * sizeof *names->state);
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *d = p->locals[i].n;
    if (d->max_properties != MASK_NONE) names->bounded = true;
    if (d->n_required == 0) continue;
    names->required[i] = mask_take(r, d->n_required * sizeof(uint32_t));
    for (uint32_t k = 0; k < d->n_required && r->failed == BASE_OK; k++)
      names->required[i][k] = mask_names_find(names, d->required[k]);
  }
  if (r->failed != BASE_OK || (ordered && !mask_order_make(r, p, names)) || !add_key_rules(r, p, names)) return NULL;
  p->names = names;
  return names;
}

/* ---- slots ---- */

/* A subschema asked of the child, and by whom. */
typedef struct demand {
  uint32_t node, local;
  bool vital, counts;
} demand;

typedef struct demands {
  mask_rule *r;
  demand *list;
  uint32_t n, cap;
  uint64_t *failed; /* locals that the key or item itself fails */
} demands;

static void add_demand(demands *d, uint32_t node_id, uint32_t local_index, bool counts) {
  if (node_id == NODE_ANY && !counts) return;
  if (node_id == NODE_NEVER && !counts) {
    bit_set(d->failed, local_index);
    return;
  }
  demand *grown = mask_pool_grow(&d->r->pool, d->list, sizeof *grown, d->n, &d->cap);
  if (grown == NULL) {
    mask_fail(d->r, d->r->pool.failed);
    return;
  }
  d->list = grown;
  d->list[d->n++] = (demand){node_id, local_index, false, counts};
}

static int compare_demands(const void *x, const void *y) {
  const demand *a = x, *b = y;
  if (a->vital != b->vital) return a->vital ? -1 : 1;
  if (a->node != b->node) return a->node < b->node ? -1 : 1;
  return (a->local > b->local) - (a->local < b->local);
}

/* A node that one vital demand asks for is vital whoever else asks. */
static void settle_vital(mask_rule *r, situation *s, demands *d) {
  for (uint32_t i = 0; i < d->n; i++) d->list[i].vital = !d->list[i].counts && is_vital(r, s, d->list[i].local);
  if (d->n > 1) qsort(d->list, d->n, sizeof *d->list, compare_demands);
}

static bool all_lost_together(mask_rule *r, situation *s, const demands *d) {
  uint32_t optional = 0;
  uint64_t *failed = mask_take(r, s->plan->words * sizeof *failed);
  if (failed == NULL) return false;
  memcpy(failed, s->failed, s->plan->words * sizeof *failed);
  for (uint32_t i = 0; i < d->n; i++) {
    if (d->list[i].vital || d->list[i].counts) continue;
    bit_set(failed, d->list[i].local);
    optional++;
  }
  return optional > 0 && mask_plan_is_lost(r, s->plan, failed, s->done);
}

/* Demands to a plan: vital nodes first, each node once; links from the others back to who asked. */
static slot *make_slot(mask_rule *r, situation *s, demands *d) {
  slot *out = mask_take(r, sizeof *out);
  if (out == NULL) return NULL;
  situation *after = mask_situation_with(r, s, d->failed, NULL);
  if (after == NULL || after->dead) return out;
  uint32_t kept = 0, n_roots = 0, n_all = 0;
  bool counts = false;
  for (uint32_t i = 0; i < d->n; i++)
    if (!bit_has(after->failed, d->list[i].local)) d->list[kept++] = d->list[i];
  d->n = kept;
  settle_vital(r, after, d);
  uint32_t *roots = mask_take(r, (d->n + 1) * sizeof *roots);
  out->links = mask_take(r, (d->n + 1) * sizeof *out->links);
  if (r->failed != BASE_OK) return NULL;
  for (uint32_t i = 0; i < d->n; i++) {
    const demand *one = &d->list[i];
    uint32_t root = MASK_NONE;
    for (uint32_t k = one->vital ? 0 : n_all; k < n_roots && root == MASK_NONE; k++)
      if (roots[k] == one->node) root = k;
    if (root == MASK_NONE) {
      root = n_roots;
      roots[n_roots++] = one->node;
      if (one->vital) n_all = n_roots;
    }
    if (!one->vital) out->links[out->n_links++] = (link){root, one->local, one->counts};
    counts = counts || one->counts;
  }
  bool one_needed = n_roots > n_all && !counts && all_lost_together(r, after, d);
  out->plan = mask_plan_of(r, roots, n_roots, n_all, one_needed);
  out->after = after;
  out->simple = !counts;
  return r->failed == BASE_OK ? out : NULL;
}

static uint32_t property_of(const node *n, base_slice name) {
  property key = {.name = name};
  uint32_t low = 0, high = n->n_properties;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    int order = mask_compare_slices(&key.name, &n->properties[middle].name);
    if (order == 0) return n->properties[middle].node;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return MASK_NONE;
}

static bool key_matches(const text_state *key, uint32_t pattern) {
  return regex_accepts(key->automaton->regexes[pattern], key->regex[pattern]);
}

static bool name_is_refused(const object_names *names, const text_state *key, uint32_t i) {
  if (names->sub[i] == MASK_NONE) return false;
  const text_state *sub = key->subs[names->sub[i]];
  return sub == &mask_text_dead || !sub->may_close || sub->failed != NULL;
}

static void demand_of_key(demands *d, const situation *s, uint32_t i, uint32_t name, const text_state *key) {
  const object_names *names = s->plan->names;
  const node *n = s->plan->locals[i].n;
  bool known = false;
  if (name_is_refused(names, key, i)) bit_set(d->failed, i);
  uint32_t child = name != MASK_NONE ? property_of(n, names->name[name]) : MASK_NONE;
  if (child != MASK_NONE) {
    add_demand(d, child, i, false);
    known = true;
  }
  for (uint32_t k = 0; k < n->n_patterns; k++) {
    if (!key_matches(key, names->pattern[i][k])) continue;
    add_demand(d, n->patterns[k].node, i, false);
    known = true;
  }
  if (!known && n->additional != MASK_NONE) add_demand(d, n->additional, i, false);
}

slot *mask_slot_of_key(mask_rule *r, situation *s, uint32_t name, text_state *key) {
  const text_automaton *t = key->automaton;
  uint64_t sign = mask_mix(1, name);
  for (uint32_t k = 0; k < t->n_regexes; k++)
    if (key_matches(key, k)) sign = mask_mix(sign, k);
  for (uint32_t k = 0; k < t->n_subs; k++)
    sign = mask_mix(sign, key->subs[k] != &mask_text_dead && key->subs[k]->may_close && key->subs[k]->failed == NULL);
  slot *known = mask_map_get(&s->slots, sign);
  if (known != NULL || r->failed != BASE_OK) return known;
  demands d = {.r = r};
  d.failed = mask_take(r, s->plan->words * sizeof *d.failed);
  if (d.failed == NULL) return NULL;
  for (uint32_t i = 0; i < s->plan->n_locals; i++)
    if (!bit_has(s->failed, i) && (s->plan->locals[i].n->asserts & KIND_BIT(JDOC_OBJECT)))
      demand_of_key(&d, s, i, name, key);
  slot *out = make_slot(r, s, &d);
  return out != NULL && put(r, &s->slots, sign, out) ? out : NULL;
}

slot *mask_slot_of_item(mask_rule *r, situation *s, uint32_t index) {
  plan *p = s->plan;
  uint64_t sign = 2;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (!(n->asserts & KIND_BIT(JDOC_ARRAY)) || bit_has(s->failed, i)) continue;
    sign = mask_mix(sign, (uint64_t)(index < n->n_prefix ? index : n->n_prefix) * 2 + (index >= n->max_items));
  }
  slot *known = mask_map_get(&s->slots, sign);
  if (known != NULL || r->failed != BASE_OK) return known;
  demands d = {.r = r};
  d.failed = mask_take(r, p->words * sizeof *d.failed);
  if (d.failed == NULL) return NULL;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (!(n->asserts & KIND_BIT(JDOC_ARRAY)) || bit_has(s->failed, i)) continue;
    if (index >= n->max_items) bit_set(d.failed, i);
    if (index < n->n_prefix) add_demand(&d, n->prefix[index], i, false);
    else if (n->items != MASK_NONE) add_demand(&d, n->items, i, false);
    if (n->contains != MASK_NONE) add_demand(&d, n->contains, i, true);
  }
  slot *out = make_slot(r, s, &d);
  return out != NULL && put(r, &s->slots, sign, out) ? out : NULL;
}

/* ---- keys that are no name ---- */

/* May a key that begins as `key` still become one that no name is? Only what is closed (additionalProperties false)
 * with no pattern still alive, and propertyNames, speak against it: always where that is a list of names. */
bool mask_key_may_be_free(mask_rule *r, situation *s, const text_state *key) {
  void *known = mask_map_get(&s->free_by, key->alive);
  if (known != NULL) return known == (void *)s;
  const object_names *names = s->plan->names;
  uint64_t *failed = mask_take(r, s->plan->words * sizeof *failed);
  bool any = false, fine = true;
  if (failed == NULL) return false;
  memcpy(failed, s->failed, s->plan->words * sizeof *failed);
  for (uint32_t i = 0; i < s->plan->n_locals; i++) {
    const node *n = s->plan->locals[i].n;
    if (!(n->asserts & KIND_BIT(JDOC_OBJECT)) || bit_has(failed, i)) continue;
    bool lost = n->additional == NODE_NEVER;
    for (uint32_t k = 0; k < n->n_patterns && lost; k++) lost = key->regex[names->pattern[i][k]] == REGEX_DEAD;
    if (names->sub[i] != MASK_NONE && (names->listed[i] || key->subs[names->sub[i]] == &mask_text_dead)) lost = true;
    if (lost) bit_set(failed, i);
    any = any || lost;
  }
  if (any) fine = !mask_plan_is_lost(r, s->plan, failed, s->done);
  put(r, &s->free_by, key->alive, fine ? (void *)s : (void *)names);
  return fine;
}
