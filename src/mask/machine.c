/* mask/machine: one byte at a time.
 *
 *   VALUE --{--> FIRST_KEY --"--> KEY --"--> COLON --:--> VALUE      VALUE --[--> FIRST_ITEM --> VALUE
 *   VALUE --"--> STRING, --0-9 - --> NUMBER, --t f n--> LITERAL;     their end, and } and ], --> finish_value
 *   finish_value --> AFTER --,--> NEXT_KEY --"--> KEY   or   --,--> VALUE;   for the whole document --> END    */
#include <string.h>

#include "mask/internal.h"

enum { ANY_GAP = 20 };

static void *take(mask_run *run, size_t bytes) {
  void *out = mask_pool_take(&run->pool, bytes);
  if (out == NULL && run->failed == BASE_OK) run->failed = run->pool.failed;
  return out;
}

static frame *copy_frame(mask_run *run, const frame *f) {
  frame *out = take(run, sizeof *f + f->n_words * sizeof(uint64_t));
  if (out == NULL) return NULL;
  memcpy(out, f, sizeof *f + f->n_words * sizeof(uint64_t));
  out->hash = 0;
  return out;
}

uint64_t *mask_local_set(mask_run *run, const plan *p, uint64_t *small, uint32_t n_small) {
  if (p->words > n_small) return take(run, p->words * sizeof(uint64_t));
  memset(small, 0, p->words * sizeof *small);
  return small;
}

/* ---- white space ---- */

static bool take_space(const mask_run *run, point *p, uint8_t b) {
  mask_space space = run->rule->options.space;
  if (space == MASK_SPACE_NONE || p->top->s == NULL) return false;
  if (space == MASK_SPACE_ANY) {
    if ((b != ' ' && b != '\n' && b != '\t' && b != '\r') || p->gap >= ANY_GAP) return false;
  } else {
    bool after_mark = p->mode == MODE_NEXT_KEY || p->mode == MODE_VALUE;
    /* behind [ a value is MODE_FIRST_ITEM, so MODE_VALUE stands behind a comma or a colon */
    if (b != ' ' || !after_mark || p->gap >= 1) return false;
  }
  p->gap++;
  return true;
}

/* ---- keys ---- */

static text_state *step_text(text_state *s, const char *bytes, size_t len) {
  for (size_t i = 0; i < len && s != &mask_text_dead; i++) s = mask_text_step(s, (uint8_t)bytes[i]);
  return s;
}

size_t mask_spell_key_byte(unsigned char c, char out[6]) {
  static const char hex[] = "0123456789abcdef", letters[] = "btn\vfr";
  out[0] = (char)c;
  if (c >= 0x20 && c != '"' && c != '\\') return 1;
  out[0] = '\\';
  out[1] = (char)c;
  if (c >= 0x20) return 2;
  if (c >= 8 && c <= 13 && c != 11) {
    out[1] = letters[c - 8];
    return 2;
  }
  out[1] = 'u';
  out[2] = out[3] = '0';
  out[4] = hex[c >> 4];
  out[5] = hex[c & 15];
  return 6;
}

/* Where the automaton of keys is behind name i, written in its one spelling. */
text_state *mask_state_of_name(mask_rule *r, object_names *names, uint32_t i) {
  if (names->state[i] != NULL) return names->state[i];
  text_state *s = mask_text_start(names->automaton);
  base_slice name = names->name[i];
  for (size_t k = 0; k < name.len && s != &mask_text_dead; k++) {
    char spelt[6];
    s = step_text(s, spelt, mask_spell_key_byte((unsigned char)name.ptr[k], spelt));
  }
  if (r->failed == BASE_OK) names->state[i] = s;
  return s;
}

bool mask_name_is_possible(mask_run *run, const frame *f, uint32_t name) {
  object_names *names = f->s->plan->names;
  if (bit_has(f->words, name)) return false;
  text_state *k = mask_state_of_name(run->rule, names, name);
  if (k == &mask_text_dead) return false;
  situation *then = mask_situation_for_key(run, f, name);
  slot *s = then != NULL ? mask_slot_of_key(run->rule, then, name, k) : NULL;
  return s != NULL && s->after != NULL;
}

/* In an escape the names below the trie's node are not what may come, but those that one of its ends leads to. */
static bool escape_is_alive(mask_run *run, const frame *f, text_state *k) {
  for (const char *b = "\"\\nrtbfu0123456789abcdef"; *b != '\0'; b++) {
    text_state *next = mask_text_step(k, (uint8_t)*b);
    if (next != &mask_text_dead && mask_key_is_alive(run, f, next)) return true;
  }
  return false;
}

bool mask_key_is_alive(mask_run *run, const frame *f, text_state *k) {
  const object_names *names = f->s->plan->names;
  if (mask_text_in_escape(k)) return escape_is_alive(run, f, k);
  situation *then = mask_situation_for_key(run, f, MASK_NONE);
  if (then != NULL && mask_key_may_be_free(run->rule, then, k)) return true;
  if (k->trie == TRIE_OFF) return false;
  const trie_node *n = &names->automaton->trie.nodes[k->trie];
  for (uint32_t i = n->first; i < n->last; i++)
    if (mask_name_is_possible(run, f, i)) return true;
  return false;
}

static bool open_key(mask_run *run, point *p, size_t at) {
  object_names *names = p->top->s->plan->names;
  p->in.text = mask_text_start(names->automaton);
  p->mode = MODE_KEY;
  p->start = (uint32_t)at + 1;
  return p->in.text != &mask_text_dead && mask_key_is_alive(run, p->top, p->in.text);
}

/* Locals of which nothing but `required` is left to ask hold for certain once all of it is there. */
static bool settle_required(const frame *f, uint64_t *done) {
  const plan *p = f->s->plan;
  bool any = false;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (bit_has(f->s->failed, i) || bit_has(f->s->done, i)) continue;
    if (n->n_properties + n->n_patterns + n->n_dependencies + n->min_properties > 0 || n->additional != MASK_NONE ||
        n->names != MASK_NONE || n->max_properties != MASK_NONE || mask_frame_misses(f, i, MASK_NONE) > 0)
      continue;
    bit_set(done, i);
    any = true;
  }
  return any;
}

/* In a vague walk the key's text is not known: who walks sees to it that it is no repeat. Should the same object get
 * another key in that walk, that one is refused. (A token would have to hold two keys.) */
static bool add_free_key(mask_run *run, frame *f, const point *p, size_t at) {
  uint32_t len = (uint32_t)at - p->start;
  const char *key = run->text.ptr + p->start;
  for (const free_key *k = f->keys; k != NULL; k = k->next)
    if (k->len == MASK_NONE || (!run->vague && k->len == len && memcmp(run->text.ptr + k->start, key, len) == 0))
      return false;
  free_key *k = take(run, sizeof *k);
  if (k == NULL) return false;
  *k = (free_key){p->start, run->vague ? MASK_NONE : len, f->keys};
  f->keys = k;
  return true;
}

static bool close_key(mask_run *run, point *p, size_t at) {
  const frame *old = p->top;
  object_names *names = old->s->plan->names;
  text_state *k = p->in.text;
  const trie_node *t = k->trie == TRIE_OFF ? NULL : &names->automaton->trie.nodes[k->trie];
  uint32_t name = t != NULL && t->ends ? t->first : MASK_NONE;
  uint64_t small[8], *set;
  if (name != MASK_NONE && bit_has(old->words, name)) return false;
  situation *then = mask_situation_for_key(run, old, name);
  slot *s = then != NULL ? mask_slot_of_key(run->rule, then, name, k) : NULL;
  if (s == NULL || s->after == NULL) return false;
  frame *f = copy_frame(run, old);
  if (f == NULL) return false;
  if (name == MASK_NONE && !add_free_key(run, f, p, at)) return false;
  f->s = s->after;
  f->slot = s;
  if (names->order != NULL) f->passed = mask_order_behind(names->order, name);
  if (name != MASK_NONE) bit_set(f->words, name);
  f->count++;
  if (f->s != NULL && !f->s->plan->plain) {
    set = mask_local_set(run, f->s->plan, small, 8);
    if (set == NULL) return false;
    if (settle_required(f, set)) f->s = mask_situation_with(run->rule, f->s, NULL, set);
  }
  p->top = f;
  p->mode = MODE_COLON;
  p->gap = 0;
  return f->s != NULL && !f->s->dead;
}

/* ---- the end of a value ---- */

/* Is the item equal to one before? Hashes of the values as JSON Schema compares them. */
static bool is_repeat(mask_run *run, frame *f, size_t start_at, size_t end) {
  jdoc d = {0};
  base_slice text = {run->text.ptr + start_at, end - start_at};
  if (jdoc_open(&d, text, NULL, "item", run->allocator, NULL) != BASE_OK) {
    run->failed = BASE_ENOMEM;
    return true;
  }
  uint64_t hash = jdoc_hash(&d, 0);
  jdoc_close(&d);
  for (const item_hash *i = f->items; i != NULL; i = i->next)
    if (i->hash == hash) return true;
  item_hash *item = take(run, sizeof *item);
  if (item == NULL) return true;
  *item = (item_hash){hash, f->items};
  f->items = item;
  return false;
}

static bool asks_unique(const situation *s) {
  if (s->kind != JDOC_ARRAY) return false;
  for (uint32_t i = 0; i < s->plan->n_locals; i++)
    if (s->plan->locals[i].n->unique && !bit_has(s->failed, i)) return true;
  return false;
}

/* What the value's truth does to the frame around it. */
static bool apply(mask_run *run, frame *f, const uint64_t *failed_roots, uint64_t *set) {
  const slot *s = f->slot;
  bool any = false;
  for (uint32_t i = 0; i < s->n_links; i++) {
    const link *l = &s->links[i];
    bool held = failed_roots == NULL || !bit_has(failed_roots, l->root);
    if (l->counts && held && ++f->words[l->local] <= f->s->plan->locals[l->local].n->max_contains) continue;
    if (l->counts ? !held : held) continue;
    bit_set(set, l->local);
    any = true;
  }
  (void)run;
  return any;
}

/* What cannot be decided byte by byte the validator decides at the document's last one. */
static bool is_valid(mask_run *run, size_t start_at, size_t end) {
  jdoc d = {0};
  base_slice text = {run->text.ptr + start_at, end - start_at};
  base_status status = jdoc_open(&d, text, NULL, "document", run->allocator, NULL);
  if (status == BASE_OK) status = constrain_validate(run->rule->validator, &d, NULL, run->allocator, NULL);
  jdoc_close(&d);
  if (status == BASE_ENOMEM) run->failed = status;
  return status == BASE_OK;
}

static bool finish_value(mask_run *run, point *p, const uint64_t *failed_roots, size_t start_at, size_t end) {
  const frame *old = p->top;
  uint64_t small[8], *set;
  p->gap = 0;
  if (old->s == NULL) {
    p->mode = MODE_END;
    bool valid = run->rule->validator == NULL || is_valid(run, start_at, end);
    if (p->part > 0) mask_form_after(run, p);
    return valid;
  }
  p->mode = MODE_AFTER;
  bool unique = asks_unique(old->s);
  if (failed_roots == NULL && old->slot->simple && !unique) return true;
  frame *f = copy_frame(run, old);
  set = mask_local_set(run, old->s->plan, small, 8);
  if (f == NULL || set == NULL) return false;
  bool any = apply(run, f, failed_roots, set);
  if (unique && is_repeat(run, f, start_at, end)) {
    for (uint32_t i = 0; i < f->s->plan->n_locals; i++)
      if (f->s->plan->locals[i].n->unique) bit_set(set, i);
    any = true;
  }
  if (any) f->s = mask_situation_with(run->rule, f->s, set, NULL);
  p->top = f;
  return f->s != NULL && !f->s->dead && run->failed == BASE_OK;
}

static bool misses_dependency(const frame *f, const node *n) {
  const object_names *names = f->s->plan->names;
  for (uint32_t k = 0; k < n->n_dependencies; k++) {
    const dependency *d = &n->dependencies[k];
    if (!bit_has(f->words, mask_names_find(names, d->key))) continue;
    for (uint32_t i = 0; i < d->n_needs; i++)
      if (!bit_has(f->words, mask_names_find(names, d->needs[i]))) return true;
  }
  return false;
}

static bool own_part_fails(const frame *f, uint32_t i) {
  const node *n = f->s->plan->locals[i].n;
  if (f->s->kind == JDOC_ARRAY)
    return f->count < n->min_items || (n->contains != MASK_NONE && f->words[i] < n->min_contains);
  return f->count < n->min_properties || mask_frame_misses(f, i, MASK_NONE) > 0 || misses_dependency(f, n);
}

static bool close_frame(mask_run *run, point *p, size_t at) {
  const frame *f = p->top;
  const plan *of = f->s->plan;
  uint64_t small[8], *failed = mask_local_set(run, of, small, 8);
  bool fatal = false;
  if (failed == NULL) return false;
  for (uint32_t i = 0; i < of->n_locals; i++)
    if (bit_has(f->s->failed, i) || (!bit_has(f->s->done, i) && own_part_fails(f, i))) bit_set(failed, i);
  const uint64_t *roots =
      mask_plan_judge(run->rule, f->s->plan, failed, f->s->kind == JDOC_OBJECT ? f->words : NULL, &fatal);
  if (fatal || run->rule->failed != BASE_OK) return false;
  p->top = f->up;
  return finish_value(run, p, roots, f->start, at + 1);
}

/* ---- the start of a value ---- */

static bool has_contains(const plan *p) {
  for (uint32_t i = 0; i < p->n_locals; i++)
    if (p->locals[i].n->contains != MASK_NONE) return true;
  return false;
}

static bool push(mask_run *run, point *p, situation *s, size_t at) {
  plan *of = s->plan;
  uint32_t words = 0;
  if (s->kind == JDOC_OBJECT) {
    const object_names *names = mask_plan_names(run->rule, of);
    if (names == NULL) return false;
    words = bit_words(names->n_names);
  } else if (has_contains(of)) {
    words = of->n_locals;
  }
  frame *f = take(run, sizeof *f + words * sizeof(uint64_t));
  if (f == NULL) return false;
  f->up = p->top;
  f->s = s;
  f->start = (uint32_t)at;
  f->n_words = words;
  f->exact = p->top->exact || asks_unique(s);
  p->top = f;
  p->mode = s->kind == JDOC_OBJECT ? MODE_FIRST_KEY : MODE_FIRST_ITEM;
  return true;
}

static jdoc_kind kind_of(uint8_t b) {
  switch (b) {
    case '{': return JDOC_OBJECT;
    case '[': return JDOC_ARRAY;
    case '"': return JDOC_STRING;
    case 't': return JDOC_TRUE;
    case 'f': return JDOC_FALSE;
    case 'n': return JDOC_NULL;
    default: return JDOC_NUMBER;
  }
}

static bool begin_value(mask_run *run, point *p, size_t at, uint8_t b) {
  jdoc_kind kind = kind_of(b);
  if (kind == JDOC_NUMBER && b != '-' && (b < '0' || b > '9')) return false;
  const beginning *s = mask_plan_start(run->rule, p->top->slot->plan, kind);
  if (s->dead || !s->known) return false;
  p->gap = 0;
  p->start = (uint32_t)at;
  switch (kind) {
    case JDOC_OBJECT: case JDOC_ARRAY: return push(run, p, s->situation, at);
    case JDOC_STRING:
      p->mode = MODE_STRING;
      p->count = 0;
      p->in.text = s->text;
      return true;
    case JDOC_NUMBER:
      p->mode = MODE_NUMBER;
      p->in.number = mask_number_step(run->rule, s->number, b);
      return p->in.number != &mask_number_dead;
    default:
      p->mode = MODE_LITERAL;
      p->in.rest = kind == JDOC_TRUE ? "rue" : kind == JDOC_FALSE ? "alse" : "ull";
      p->failed = s->failed;
      return true;
  }
}

/* The next item of an array comes. */
static bool begin_item(mask_run *run, point *p) {
  slot *s = mask_slot_of_item(run->rule, p->top->s, p->top->count);
  if (s == NULL || s->after == NULL) return false;
  frame *f = copy_frame(run, p->top);
  if (f == NULL) return false;
  f->s = s->after;
  f->slot = s;
  f->count++;
  p->top = f;
  p->mode = MODE_VALUE;
  p->gap = 0;
  return true;
}

/* ---- the step ---- */

static bool step_after(mask_run *run, point *p, size_t at, uint8_t b) {
  bool object = p->top->s->kind == JDOC_OBJECT;
  if (b == ',') {
    if (!object) return begin_item(run, p);
    p->mode = MODE_NEXT_KEY;
    p->gap = 0;
    return mask_key_is_alive(run, p->top, mask_text_start(p->top->s->plan->names->automaton));
  }
  if (b == (object ? '}' : ']')) return close_frame(run, p, at);
  return take_space(run, p, b);
}

static bool step_text_byte(mask_run *run, point *p, size_t at, uint8_t b) {
  if (b == '"' && p->in.text->lexical == TEXT_CHAR) {
    if (p->mode == MODE_KEY) return close_key(run, p, at);
    return mask_text_may_close(p->in.text, p->count) && finish_value(run, p, p->in.text->failed, p->start, at + 1);
  }
  if (p->in.text->lexical == TEXT_CHAR) p->count++;
  p->in.text = mask_text_step(p->in.text, b);
  if (p->in.text == &mask_text_dead) return false;
  return p->mode == MODE_STRING ? mask_length_allows(p->in.text, p->count) : mask_key_is_alive(run, p->top, p->in.text);
}

static bool step_number(mask_run *run, point *p, size_t at, uint8_t b) {
  number_state *now = p->in.number, *next = mask_number_step(run->rule, now, b);
  if (next != &mask_number_dead) {
    p->in.number = next;
    return true;
  }
  if (!now->may_end || !finish_value(run, p, now->failed, p->start, at) || p->mode == MODE_END) return false;
  if (p->mode == MODE_FORM) return mask_form_step(run, p, b);
  return step_after(run, p, at, b);
}

static bool step_literal(mask_run *run, point *p, size_t at, uint8_t b) {
  if ((uint8_t)*p->in.rest != b) return false;
  if (*++p->in.rest != '\0') return true;
  return finish_value(run, p, p->failed, p->start, at + 1);
}

bool mask_step(mask_run *run, point *p, size_t at) {
  uint8_t b = (uint8_t)run->text.ptr[at];
  mask_enter(run, p);
  switch (p->mode) {
    case MODE_STRING: case MODE_KEY: return step_text_byte(run, p, at, b);
    case MODE_NUMBER: return step_number(run, p, at, b);
    case MODE_LITERAL: return step_literal(run, p, at, b);
    case MODE_VALUE: return take_space(run, p, b) || begin_value(run, p, at, b);
    case MODE_FIRST_ITEM:
      if (b == ']') return close_frame(run, p, at);
      return take_space(run, p, b) || (begin_item(run, p) && begin_value(run, p, at, b));
    case MODE_FIRST_KEY:
      if (b == '}') return close_frame(run, p, at);
      return b == '"' ? open_key(run, p, at) : take_space(run, p, b);
    case MODE_NEXT_KEY: return b == '"' ? open_key(run, p, at) : take_space(run, p, b);
    case MODE_COLON:
      if (b != ':') return take_space(run, p, b);
      p->mode = MODE_VALUE;
      p->gap = 0;
      return true;
    case MODE_AFTER: return step_after(run, p, at, b);
    case MODE_PATTERN:
      p->in.pattern = regex_next(run->rule->whole, p->in.pattern, b);
      return p->in.pattern != REGEX_DEAD;
    case MODE_GRAMMAR:
      p->in.grammar = mask_grammar_step(run->rule->grammar, p->in.grammar, b);
      return p->in.grammar != NULL;
    case MODE_FORM: return mask_form_step(run, p, b);
    default: return false;
  }
}

bool mask_point_may_end(const mask_run *run, const point *p) {
  if (p->mode == MODE_PATTERN) return regex_accepts(run->rule->whole, p->in.pattern);
  if (p->mode == MODE_GRAMMAR) return mask_grammar_accepts(p->in.grammar);
  if (run->whole->form != NULL) return mask_form_may_end(run->whole->form, p);
  return p->mode == MODE_END || (p->mode == MODE_NUMBER && p->top->s == NULL && p->in.number->may_end);
}
