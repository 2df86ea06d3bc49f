/* mask/walk: masks. The trie is walked from a state, a subtree skipped where a byte is refused; whole masks are kept
 * by state. */
#include <string.h>

#include "mask/memo.h"

/* A subtree of fewer nodes is walked rather than looked up. */
enum { SMALL_SUBTREE = 24, MAX_MEMO_BYTES = 96 << 20 };

/* ---- the hash of a state: equal hashes are taken for equal futures ---- */

static uint64_t relevant_count(const frame *f) {
  const situation *s = f->s;
  uint32_t cap = 0;
  for (uint32_t i = 0; i < s->plan->n_locals; i++) {
    const node *n = s->plan->locals[i].n;
    if (s->kind == JDOC_OBJECT) {
      if (n->min_properties > cap) cap = n->min_properties;
      if (n->max_properties != MASK_NONE) return f->count;
    } else {
      if (n->n_prefix > cap) cap = n->n_prefix;
      if (n->min_items > cap) cap = n->min_items;
      if (n->max_items != MASK_NONE) return f->count;
    }
  }
  return f->count < cap ? f->count : cap;
}

uint64_t mask_frame_hash(const mask_run *run, frame *f) {
  if (f == NULL) return 1;
  if (f->hash != 0) return f->hash;
  uint64_t h = mask_mix(mask_frame_hash(run, f->up), (uintptr_t)f->s);
  h = mask_mix(h, (uintptr_t)f->slot);
  if (f->s != NULL) h = mask_mix(h, relevant_count(f) | (uint64_t)f->passed << 32);
  h = mask_mix_bytes(h, f->words, f->n_words * sizeof(uint64_t));
  for (const free_key *k = f->keys; k != NULL; k = k->next) h = mask_mix_bytes(h, run->text.ptr + k->start, k->len);
  for (const item_hash *i = f->items; i != NULL; i = i->next) h = mask_mix(h, i->hash);
  return f->hash = h | 1;
}

/* The number of characters as far as it matters: far from both bounds it does not. */
static uint32_t counted(const point *p) {
  const text_automaton *t = p->in.text->automaton;
  uint32_t least = p->count < t->min_length ? p->count : t->min_length;
  bool near = t->max_length != MASK_NONE && (uint64_t)p->count + 2 * MASK_MAX_PIECE > t->max_length;
  return near ? p->count : least;
}

static uint64_t point_hash(const mask_run *run, const point *p) {
  uint64_t h = mask_mix(mask_frame_hash(run, p->top), p->mode | (uint64_t)p->gap << 8);
  /* where items are compared, or the validator has the last word, all of the text is part of the state */
  if (p->top->exact) h = mask_mix_bytes(h, run->text.ptr, run->len);
  switch (p->mode) {
    case MODE_STRING: return mask_mix(mask_mix(h, p->in.text->id), counted(p));
    case MODE_KEY:
      h = mask_mix(h, p->in.text->id);
      /* what has been typed of the key matters only where it might repeat one that was free */
      return p->top->keys == NULL ? h : mask_mix_bytes(h, run->text.ptr + p->start, run->len - p->start);
    case MODE_NUMBER: return mask_mix(h, (uintptr_t)p->in.number);
    case MODE_LITERAL: return mask_mix(h, (uintptr_t)p->in.rest);
    case MODE_GRAMMAR: return mask_mix(h, (uintptr_t)p->in.grammar);
    case MODE_PATTERN: return mask_mix(h, p->in.pattern);
    case MODE_FORM: return mask_mix_bytes(h, &p->in.form, sizeof p->in.form);
    default: return h;
  }
}

/* ---- the walk ---- */

/* The nodes first..last - 1; points[depth of first - 1] is the state they start from. */
void mask_walk_nodes(mask_run *run, uint32_t first, uint32_t last, uint32_t *words) {
  const mask_vocab *v = run->vocab;
  point *points = run->tables->points;
  for (uint32_t i = first; i < last;) {
    uint32_t depth = v->depth[i];
    point *p = &points[depth];
    run->text.ptr[run->len + depth - 1] = (char)v->byte[i];
    *p = points[depth - 1];
    if (!mask_step(run, p, run->len + depth - 1)) {
      i = v->end[i];
      continue;
    }
    mask_allow(v->token, v->first[i], v->first[i] + mask_node_tokens(v, i), words);
    if (p->mode == MODE_FORM && (v->below[i] & ~mask_form_stays(run->whole->form, p)) == 0) {
      mask_allow(v->token, v->first[i], v->first[v->end[i]], words);
      i = v->end[i];
      continue;
    }
    bool inside = (p->mode == MODE_STRING || p->mode == MODE_KEY) && p->in.text->lexical == TEXT_CHAR;
    if (inside && v->end[i] - i > SMALL_SUBTREE && mask_walk_inside(run, p, i, words)) {
      mask_spell_node(run, i); /* the walk inside wrote over it */
      i = v->end[i];
    } else {
      i++;
    }
  }
}

static void walk_all(mask_run *run, const point *p, uint32_t *words) {
  mask_mark mark = mask_pool_mark(&run->pool);
  mask_enter(run, p);
  bool inside = p->mode == MODE_STRING || p->mode == MODE_KEY;
  if (!inside || !mask_walk_inside(run, p, MASK_NONE, words)) {
    run->tables->points[0] = *p;
    mask_walk_nodes(run, 0, run->vocab->n_nodes, words);
  }
  mask_pool_back(&run->pool, mark);
}

/* ---- tables ---- */

static bool open_tables(mask_run *run) {
  if (run->tables != NULL) return true;
  size_t n_points = 2 * (MASK_MAX_PIECE + 2);
  mask_tables *t = base_calloc(run->allocator, 1, sizeof *t);
  point *points = base_alloc(run->allocator, n_points * sizeof *points);
  if (t == NULL || points == NULL) {
    base_free(run->allocator, t, sizeof *t);
    base_free(run->allocator, points, n_points * sizeof *points);
    run->failed = BASE_ENOMEM;
    return false;
  }
  mask_pool_init(&t->pool, run->allocator, MAX_MEMO_BYTES);
  t->points = points;
  t->tail_points = points + MASK_MAX_PIECE + 2;
  run->tables = t;
  return true;
}

void mask_tables_close(mask_run *run) {
  mask_tables *t = run->tables;
  if (t == NULL) return;
  for (uint32_t i = 0; i < t->n_kept; i++)
    base_free(run->allocator, t->kept[i].words, run->vocab->n_words * sizeof(uint32_t));
  mask_pool_free(&t->pool);
  base_free(run->allocator, t->points, 2 * (MASK_MAX_PIECE + 2) * sizeof *t->points);
  base_free(run->allocator, t, sizeof *t);
  run->tables = NULL;
}

size_t mask_tables_bytes(const mask_run *run) {
  return run->tables == NULL ? 0
                             : sizeof *run->tables + run->tables->pool.held +
                                   run->tables->n_kept * run->vocab->n_words * sizeof(uint32_t);
}

static const uint32_t n_buckets = 2 * 1024;

static uint32_t *bucket_of(mask_tables *t, uint64_t key) {
  uint32_t at = (uint32_t)key & (n_buckets - 1);
  while (t->bucket[at] != 0 && t->kept[t->bucket[at] - 1].key != key) at = (at + 1) & (n_buckets - 1);
  return &t->bucket[at];
}

static void rebuild(mask_tables *t) {
  memset(t->bucket, 0, sizeof t->bucket);
  for (uint32_t i = 0; i < t->n_kept; i++) *bucket_of(t, t->kept[i].key) = i + 1;
}

/* A place for the mask of `key`, emptied. */
static kept_mask *new_mask(mask_run *run, uint64_t key) {
  mask_tables *t = run->tables;
  kept_mask *m;
  if (t->n_kept < MAX_MASKS) {
    m = &t->kept[t->n_kept];
    m->words = base_alloc(run->allocator, run->vocab->n_words * sizeof(uint32_t));
    if (m->words == NULL) {
      run->failed = BASE_ENOMEM;
      return NULL;
    }
    m->key = key;
    *bucket_of(t, key) = ++t->n_kept;
  } else {
    m = &t->kept[t->oldest++ % MAX_MASKS];
    m->key = key;
    rebuild(t);
  }
  memset(m->words, 0, run->vocab->n_words * sizeof(uint32_t));
  return m;
}

uint32_t *mask_tables_find(mask_run *run, const point *p) {
  if (!open_tables(run)) return NULL;
  uint64_t key = point_hash(run, p);
  uint32_t found = *bucket_of(run->tables, key);
  if (found != 0) return run->tables->kept[found - 1].words;
  kept_mask *m = new_mask(run, key);
  if (m == NULL) return NULL;
  walk_all(run, p, m->words);
  return m->words;
}
