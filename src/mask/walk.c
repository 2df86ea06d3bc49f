/* mask/walk: masks. The trie is walked from a state, a subtree skipped where a byte is refused; whole masks are kept
 * by state. */
#include <string.h>

#include "mask/memo.h"

/* A subtree of fewer nodes is walked rather than looked up. */
enum { MAX_MASKS = 768, SMALL_SUBTREE = 24, MAX_MEMO_BYTES = 96 << 20 };

typedef struct kept_mask {
  uint64_t key;
  uint32_t *words;
} kept_mask;

/* Masks by the hash of their state; when full, the oldest goes. */
typedef struct mask_tables {
  kept_mask kept[MAX_MASKS];
  uint32_t n_kept, oldest;
  uint32_t bucket[2 * 1024]; /* open addressing; 0 empty, else index + 1 */
  point *points, *tail_points; /* by depth */
  mask_map memos;
  mask_pool pool; /* of the memos */
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

static void allow(const mask_vocab *v, uint32_t node_index, uint32_t *words) {
  for (uint32_t i = v->first[node_index], n = mask_node_tokens(v, node_index); n > 0; n--, i++)
    words[v->token[i] >> 5] |= 1u << (v->token[i] & 31);
}

static void allow_list(const uint32_t *token, uint32_t from, uint32_t to, uint32_t *words) {
  for (uint32_t i = from; i < to; i++) words[token[i] >> 5] |= 1u << (token[i] & 31);
}

static bool walk_inside(mask_run *run, const point *p, uint32_t at, uint32_t *words);

/* The text as it is when the trie's node has been reached. */
static void spell_node(mask_run *run, uint32_t at) {
  const mask_vocab *v = run->vocab;
  memcpy(run->text.ptr + run->len, v->pieces[v->token[v->first[at]]].ptr, v->depth[at]);
}


/* The nodes first..last - 1; points[depth of first - 1] is the state they start from. */
static void walk(mask_run *run, uint32_t first, uint32_t last, uint32_t *words) {
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
    allow(v, i, words);
    if (p->mode == MODE_FORM && (v->below[i] & ~mask_form_stays(run->whole->form, p)) == 0) {
      allow_list(v->token, v->first[i], v->first[v->end[i]], words);
      i = v->end[i];
      continue;
    }
    bool inside = (p->mode == MODE_STRING || p->mode == MODE_KEY) && p->in.text->lexical == TEXT_CHAR;
    if (inside && v->end[i] - i > SMALL_SUBTREE && walk_inside(run, p, i, words)) {
      spell_node(run, i); /* the walk inside wrote over it */
      i = v->end[i];
    } else {
      i++;
    }
  }
}

/* ---- behind the quote ---- */

/* One exit by itself: its quote, then its subtree. */
static void walk_exit(mask_run *run, const point *p, const memo_exit *e, uint32_t *words) {
  const mask_vocab *v = run->vocab;
  uint32_t depth = v->depth[e->at];
  point *q = &run->tables->points[depth];
  *q = *p;
  if (e->state != NULL) q->in.text = e->state;
  spell_node(run, e->at);
  if (!mask_step(run, q, run->len + depth - 1)) return;
  allow(v, e->at, words);
  walk(run, e->at + 1, v->end[e->at], words);
}

/* All shared exits at once. */
static void walk_tails(mask_run *run, const point *p, const memo *m, text_state *state, uint32_t *words) {
  const memo_tails *t = &m->tails;
  point *points = run->tables->tail_points;
  uint32_t i = 0;
  size_t at = run->len + 1;
  points[0] = *p;
  if (state != NULL) points[0].in.text = state;
  run->vague = true;
  run->text.ptr[at - 1] = '"';
  if (mask_step(run, &points[0], at - 1)) {
    allow_list(t->token, 0, t->n_direct, words);
    while (i < t->n) {
      uint32_t depth = t->depth[i];
      run->text.ptr[at + depth - 1] = (char)t->byte[i];
      points[depth] = points[depth - 1];
      if (!mask_step(run, &points[depth], at + depth - 1)) {
        i = t->end[i];
        continue;
      }
      allow_list(t->token, t->first[i], t->first[i + 1], words);
      i++;
    }
  }
  run->vague = false;
}

/* Would the key that ends at this exit be one that the object has already? */
static bool repeats_key(mask_run *run, const point *p, uint32_t at) {
  if (p->top->keys == NULL) return false;
  spell_node(run, at);
  const char *key = run->text.ptr + p->start;
  size_t len = run->len + run->vocab->depth[at] - 1 - p->start;
  for (const free_key *k = p->top->keys; k != NULL; k = k->next)
    if (k->len == len && memcmp(run->text.ptr + k->start, key, len) == 0) return true;
  return false;
}

static bool any_repeats(mask_run *run, const point *p, const memo *m) {
  for (uint32_t i = m->shared; i < m->shared_end && p->top->keys != NULL; i++)
    if (repeats_key(run, p, m->exit[i].at)) return true;
  return false;
}

/* How many characters may, and must, still come. */
static uint32_t room_of(const point *p) {
  uint32_t most = p->in.text->automaton->max_length;
  if (p->mode == MODE_KEY || most == MASK_NONE) return MASK_NONE;
  return most > p->count ? most - p->count : 0;
}

static uint32_t lack_of(const point *p) {
  uint32_t least = p->mode == MODE_KEY ? 0 : p->in.text->automaton->min_length;
  return least > p->count ? least - p->count : 0;
}

/* Exits of a memo whose strings have a length that is allowed. `p` counts up to where the memo begins. */
static void walk_exits(mask_run *run, const point *p, const memo *m, uint32_t *words) {
  uint32_t room = room_of(p), lack = lack_of(p);
  bool shared = m->tails.n + m->tails.n_direct > 0 && !p->top->exact && room >= MASK_MAX_PIECE;
  if (shared && p->mode == MODE_KEY && any_repeats(run, p, m)) shared = false;
  if (shared && m->least_shared < lack) shared = false;
  point q = *p;
  for (uint32_t i = 0; i < m->n_exits; i++) {
    const memo_exit *e = &m->exit[i];
    if (shared && i == m->shared) {
      q.count = p->count + lack;
      walk_tails(run, &q, m, e->state, words);
      i = m->shared_end - 1;
    } else if (e->length >= lack && e->length <= room) {
      q.count = p->count + e->length;
      walk_exit(run, &q, e, words);
    }
  }
}

/* ---- inside strings ---- */

/* A string of which nothing is asked but its length. */
static bool walk_free(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  const memo *m = mask_memo_free(run->vocab, at, false);
  uint32_t room = room_of(p);
  if (m == NULL) return false;
  if (at == MASK_NONE && (room >= MASK_MAX_PIECE || room < MEMO_LENGTHS)) {
    const uint32_t *table = mask_memo_at_most(run->vocab, room, false);
    if (table == NULL) return false;
    for (uint32_t w = 0; w < run->vocab->n_words; w++) words[w] |= table[w];
  } else {
    for (uint32_t i = 0; i < m->n_tokens; i++)
      if (m->length[i] <= room) words[m->token[i] >> 5] |= 1u << (m->token[i] & 31);
  }
  walk_exits(run, p, m, words);
  return true;
}

/* The trie's node behind these bytes from node `at` (MASK_NONE: the root), MASK_NONE when there is none. */
static uint32_t descend(const mask_vocab *v, uint32_t at, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    uint32_t c = at == MASK_NONE ? 0 : at + 1, last = at == MASK_NONE ? v->n_nodes : v->end[at];
    while (c < last && v->byte[c] != (uint8_t)bytes[i]) c = v->end[c];
    if (c >= last) return MASK_NONE;
    at = c;
  }
  return at;
}

/* An exit that shared tables took for a new key's: what they said of the tokens behind it is taken back. */
static void take_back(const mask_vocab *v, uint32_t at, uint32_t *words) {
  for (uint32_t i = v->first[at]; i < v->first[v->end[at]]; i++) words[v->token[i] >> 5] &= ~(1u << (v->token[i] & 31));
}

static void correct_names(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  mask_enter(run, p); /* the walk may have left the document and gone into another */
  object_names *names = p->top->s->plan->names;
  const text_state *s = p->in.text;
  if (s->trie == TRIE_OFF) return;
  const trie_node *t = &names->automaton->trie.nodes[s->trie];
  for (uint32_t i = t->first; i < t->last; i++) {
    uint32_t e = at;
    base_slice name = names->name[i];
    char spelt[6];
    for (size_t k = t->depth; k <= name.len && (e != MASK_NONE || k == t->depth); k++) {
      if (k == name.len) e = descend(run->vocab, e, "\"", 1);
      else e = descend(run->vocab, e, spelt, mask_spell_key_byte((unsigned char)name.ptr[k], spelt));
    }
    if (e == MASK_NONE) continue;
    take_back(run->vocab, e, words);
    memo_exit out = {e, 1, mask_state_of_name(run->rule, names, i)};
    if (out.state != &mask_text_dead) walk_exit(run, p, &out, words);
    mask_enter(run, p);
  }
}

/* Keys that are there already, among those that are no names. */
static void correct_repeats(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  size_t begun = run->len + (at == MASK_NONE ? 0 : run->vocab->depth[at]) - p->start;
  for (const free_key *k = p->top->keys; k != NULL; k = k->next) {
    const char *key = run->text.ptr + k->start;
    if (k->len < begun || memcmp(key, run->text.ptr + p->start, begun) != 0) continue;
    uint32_t e = k->len == begun ? at : descend(run->vocab, at, key + begun, k->len - begun);
    if (e == MASK_NONE && !(k->len == begun && at == MASK_NONE)) continue;
    e = descend(run->vocab, e, "\"", 1);
    if (e != MASK_NONE) take_back(run->vocab, e, words);
  }
}

/* A key of an object that takes any: tables of the vocabulary, then the exceptions. */
static bool walk_open_key(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  const text_automaton *t = p->in.text->automaton;
  const object_names *names = p->top->s->plan->names;
  if (t->n_regexes + t->n_subs > 0 || names->bounded || p->top->exact) return false;
  if (!mask_key_may_be_free(run->rule, p->top->s, p->in.text)) return false;
  text_state *other = mask_text_nameless(p->in.text->automaton);
  const memo *m = mask_memo_free(run->vocab, at, true);
  if (m == NULL || other == &mask_text_dead) return false;
  const uint32_t *table = at == MASK_NONE ? mask_memo_at_most(run->vocab, MASK_NONE, true) : NULL;
  if (at == MASK_NONE && table == NULL) return false;
  for (uint32_t w = 0; table != NULL && w < run->vocab->n_words; w++) words[w] |= table[w];
  if (table == NULL) allow_list(m->token, 0, m->n_tokens, words);
  for (uint32_t i = 0; i < m->n_exits; i++) {
    memo_exit e = m->exit[i];
    e.state = other;
    if (i >= m->shared && i < m->shared_end) {
      walk_tails(run, p, m, other, words);
      i = m->shared_end - 1;
    } else {
      run->vague = true;
      walk_exit(run, p, &e, words);
      run->vague = false;
    }
  }
  correct_names(run, p, at, words);
  if (at != MASK_NONE) spell_node(run, at);
  correct_repeats(run, p, at, words);
  return true;
}

/* Bytes of the trie's path to node `at` that begin a character: what the tokens below it have too many. */
static int32_t lengths_before(const mask_vocab *v, uint32_t at) {
  int32_t n = 0;
  if (at == MASK_NONE) return 0;
  base_slice piece = v->pieces[v->token[v->first[at]]];
  for (uint32_t i = 0; i < v->depth[at]; i++) n += ((uint8_t)piece.ptr[i] & 0xC0) != 0x80;
  return n;
}

static bool fill_memo(mask_run *run, const point *p, uint32_t at, memo_builder *b) {
  const mask_vocab *v = run->vocab;
  text_state *states[MASK_MAX_PIECE + 1];
  uint16_t length[MASK_MAX_PIECE + 1], leads[MASK_MAX_PIECE + 1]; /* characters; bytes that begin one */
  uint32_t base = at == MASK_NONE ? 0 : v->depth[at], last = at == MASK_NONE ? v->n_nodes : v->end[at];
  int32_t before = lengths_before(v, at);
  bool key = p->mode == MODE_KEY;
  states[0] = p->in.text;
  length[0] = leads[0] = 0;
  for (uint32_t i = at == MASK_NONE ? 0 : at + 1; i < last;) {
    uint32_t d = v->depth[i] - base;
    text_state *s = states[d - 1], *next;
    if (v->byte[i] == '"' && s->lexical == TEXT_CHAR) {
      if (s->may_close && !mask_memo_add_exit(b, i, length[d - 1], s)) return false;
      i = v->end[i];
      continue;
    }
    next = states[d] = mask_text_step(s, v->byte[i]);
    if (next == &mask_text_dead || (key && !mask_key_is_alive(run, p->top, next))) {
      i = v->end[i];
      continue;
    }
    length[d] = (uint16_t)(length[d - 1] + (s->lexical == TEXT_CHAR));
    leads[d] = (uint16_t)(leads[d - 1] + ((v->byte[i] & 0xC0) != 0x80));
    /* where all that lies below leads back to this state, there is nothing to walk */
    bool stays = !key && next->lexical == TEXT_CHAR && v->end[i] - i > 4 && (v->below[i] & ~mask_text_stays(next)) == 0;
    uint32_t to = stays ? v->first[v->end[i]] : v->first[i] + mask_node_tokens(v, i);
    /* an escape is one character but several bytes: what its bytes count too much is taken off */
    int32_t extra = leads[d] - length[d];
    if (!mask_memo_add_range(b, v->first[i], to, (key ? 0 : (int32_t)next->needs) - before - extra)) return false;
    i = stays ? v->end[i] : i + 1;
  }
  return true;
}

static void allow_ranges(const mask_vocab *v, const memo *m, uint32_t room, uint32_t *words) {
  for (uint32_t k = 0; k < m->n_ranges; k++)
    for (uint32_t i = m->range[k].from; i < m->range[k].to; i++)
      if (room == MASK_NONE || (int64_t)v->length[i] + m->range[k].plus <= (int64_t)room)
        words[v->token[i] >> 5] |= 1u << (v->token[i] & 31);
}

/* Any other string or key: the states of its automaton over the subtree. */
static memo *build_memo(mask_run *run, const point *p, uint32_t at) {
  mask_pool *pool = &run->tables->pool;
  memo *m = mask_pool_take(pool, sizeof *m);
  memo_builder b = {.v = run->vocab, .pool = pool, .m = m};
  if (m == NULL || !fill_memo(run, p, at, &b)) return NULL;
  if (at == MASK_NONE) {
    m->words = mask_pool_take(pool, run->vocab->n_words * sizeof *m->words);
    if (m->words == NULL) return NULL;
    allow_ranges(run->vocab, m, MASK_NONE, m->words);
  }
  return mask_memo_finish(&b) ? m : NULL;
}

static uint64_t memo_key(const point *p, uint32_t at) {
  uint64_t key = mask_mix(mask_mix(11, at), p->in.text->id ^ (uint64_t)p->part << 48); /* ids are a rule's own */
  if (p->mode == MODE_STRING) return key;
  const frame *f = p->top;
  key = mask_mix(key, (uintptr_t)f->s);
  /* an open object takes any key; elsewhere it matters which are left */
  const text_automaton *t = p->in.text->automaton;
  const object_names *names = f->s->plan->names;
  if (t->n_regexes + t->n_subs == 0 && !names->bounded && f->s->plan->locals != NULL) {
    bool closed = false;
    for (uint32_t i = 0; i < f->s->plan->n_locals; i++) closed = closed || f->s->plan->locals[i].n->additional == NODE_NEVER;
    if (!closed) return key;
  }
  key = mask_mix(key, names->bounded ? f->count : 0);
  return mask_mix_bytes(key, f->words, f->n_words * sizeof(uint64_t));
}

static bool walk_inside(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  mask_tables *t = run->tables;
  if (p->in.text->is_free && p->in.text->lexical == TEXT_CHAR && walk_free(run, p, at, words)) return true;
  if (p->mode == MODE_KEY && p->in.text->lexical == TEXT_CHAR && walk_open_key(run, p, at, words)) return true;
  uint64_t key = memo_key(p, at);
  memo *m = mask_map_get(&t->memos, key);
  if (m == NULL) {
    if (t->pool.held > MAX_MEMO_BYTES / 2) {
      mask_pool_free(&t->pool);
      t->pool.failed = BASE_OK;
      t->memos = (mask_map){0};
    }
    m = build_memo(run, p, at);
    if (m == NULL || !mask_map_put(&t->memos, &t->pool, key, m)) {
      t->pool.failed = BASE_OK; /* a walk does without */
      return false;
    }
  }
  uint32_t room = room_of(p);
  if (m->words != NULL && (room == MASK_NONE || room >= 2 * MASK_MAX_PIECE)) {
    for (uint32_t w = 0; w < run->vocab->n_words; w++) words[w] |= m->words[w];
  } else {
    allow_ranges(run->vocab, m, room, words);
  }
  walk_exits(run, p, m, words);
  return true;
}

static void walk_all(mask_run *run, const point *p, uint32_t *words) {
  mask_mark mark = mask_pool_mark(&run->pool);
  mask_enter(run, p);
  bool inside = p->mode == MODE_STRING || p->mode == MODE_KEY;
  if (!inside || !walk_inside(run, p, MASK_NONE, words)) {
    run->tables->points[0] = *p;
    walk(run, 0, run->vocab->n_nodes, words);
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
  for (uint32_t i = 0; i < t->n_kept; i++) base_free(run->allocator, t->kept[i].words, run->vocab->n_words * sizeof(uint32_t));
  mask_pool_free(&t->pool);
  base_free(run->allocator, t->points, 2 * (MASK_MAX_PIECE + 2) * sizeof *t->points);
  base_free(run->allocator, t, sizeof *t);
  run->tables = NULL;
}

size_t mask_tables_bytes(const mask_run *run) {
  return run->tables == NULL ? 0 : sizeof *run->tables + run->tables->pool.held + run->tables->n_kept * run->vocab->n_words * sizeof(uint32_t);
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
