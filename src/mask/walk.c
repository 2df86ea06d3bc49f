/* mask/walk: masks. The trie is walked from a state, a subtree skipped where a byte is refused; whole masks are kept
 * by state. */
#include <string.h>

#include "mask/internal.h"

enum { MAX_MASKS = 768 };

typedef struct kept_mask {
  uint64_t key;
  uint32_t *words;
} kept_mask;

/* Masks by the hash of their state; when full, the oldest goes. */
typedef struct mask_tables {
  kept_mask kept[MAX_MASKS];
  uint32_t n_kept, oldest;
  uint32_t bucket[2 * 1024]; /* open addressing; 0 empty, else index + 1 */
  point *points; /* by depth */
} mask_tables;

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
  if (f->s != NULL) h = mask_mix(h, relevant_count(f));
  h = mask_mix_bytes(h, f->words, f->n_words * sizeof(uint64_t));
  for (const free_key *k = f->keys; k != NULL; k = k->next) h = mask_mix_bytes(h, run->text.ptr + k->start, k->len);
  for (const item_hash *i = f->items; i != NULL; i = i->next) h = mask_mix(h, i->hash);
  return f->hash = h | 1;
}

static uint64_t point_hash(const mask_run *run, const point *p) {
  uint64_t h = mask_mix(mask_frame_hash(run, p->top), p->mode | (uint64_t)p->gap << 8);
  switch (p->mode) {
    case MODE_STRING: return mask_mix(h, p->in.text->id);
    case MODE_KEY:
      h = mask_mix(h, p->in.text->id);
      /* what has been typed of the key matters only where it might repeat one that was free */
      return p->top->keys == NULL ? h : mask_mix_bytes(h, run->text.ptr + p->start, run->len - p->start);
    case MODE_NUMBER: return mask_mix(h, (uintptr_t)p->in.number);
    case MODE_LITERAL: return mask_mix(h, (uintptr_t)p->in.rest);
    case MODE_PATTERN: return mask_mix(h, p->in.pattern);
    default: return h;
  }
}

/* ---- the walk ---- */

static void allow(const mask_vocab *v, uint32_t node_index, uint32_t *words) {
  for (uint32_t i = v->first[node_index], n = mask_node_tokens(v, node_index); n > 0; n--, i++)
    words[v->token[i] >> 5] |= 1u << (v->token[i] & 31);
}

static void walk(mask_run *run, const point *from, uint32_t *words) {
  const mask_vocab *v = run->vocab;
  point *points = run->tables->points;
  mask_mark mark = mask_pool_mark(&run->pool);
  points[0] = *from;
  for (uint32_t i = 0; i < v->n_nodes;) {
    uint32_t depth = v->depth[i];
    run->text.ptr[run->len + depth - 1] = (char)v->byte[i];
    points[depth] = points[depth - 1];
    if (!mask_step(run, &points[depth], run->len + depth - 1)) {
      i = v->end[i];
      continue;
    }
    allow(v, i, words);
    i++;
  }
  mask_pool_back(&run->pool, mark);
}

/* ---- tables ---- */

static bool open_tables(mask_run *run) {
  if (run->tables != NULL) return true;
  mask_tables *t = base_calloc(run->allocator, 1, sizeof *t);
  point *points = base_alloc(run->allocator, (MASK_MAX_PIECE + 2) * sizeof *points);
  if (t == NULL || points == NULL) {
    base_free(run->allocator, t, sizeof *t);
    base_free(run->allocator, points, (MASK_MAX_PIECE + 2) * sizeof *points);
    run->failed = BASE_ENOMEM;
    return false;
  }
  t->points = points;
  run->tables = t;
  return true;
}

void mask_tables_close(mask_run *run) {
  mask_tables *t = run->tables;
  if (t == NULL) return;
  for (uint32_t i = 0; i < t->n_kept; i++) base_free(run->allocator, t->kept[i].words, run->vocab->n_words * sizeof(uint32_t));
  base_free(run->allocator, t->points, (MASK_MAX_PIECE + 2) * sizeof *t->points);
  base_free(run->allocator, t, sizeof *t);
  run->tables = NULL;
}

size_t mask_tables_bytes(const mask_run *run) {
  return run->tables == NULL ? 0 : sizeof *run->tables + run->tables->n_kept * run->vocab->n_words * sizeof(uint32_t);
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
  walk(run, p, m->words);
  return m->words;
}
