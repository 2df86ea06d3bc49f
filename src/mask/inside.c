/* mask/inside: the trie walked from inside a string or key. What lies inside comes from tables: of the vocabulary for
 * plain strings, else of the state of the string's automaton. Behind the closing quote the document goes on; there the
 * tokens that have the quote at different places are walked at once where the same follows them. */
#include "mask/memo.h"

enum { MAX_MEMO_BYTES = 96 << 20, SMALL_SUBTREE = 4 };

/* ---- behind the quote ---- */

/* One exit by itself: its quote, then its subtree. */
static void walk_exit(mask_run *run, const point *p, uint32_t at, text_state *state, uint32_t *words) {
  const mask_vocab *v = run->vocab;
  uint32_t depth = v->depth[at];
  mask_enter(run, p);
  point *q = &run->tables->points[depth];
  *q = *p;
  if (state != NULL) q->in.text = state;
  mask_spell_node(run, at);
  if (!mask_step(run, q, run->len + depth - 1)) return;
  mask_allow(v->token, v->first[at], v->first[at] + mask_node_tokens(v, at), words);
  mask_walk_nodes(run, at + 1, v->end[at], words);
}

static void allow_passing(const mask_run *run, const memo_tails *t, uint32_t from, uint32_t to, uint32_t *words) {
  for (uint32_t i = from; i < to; i++)
    if (run->tables->pass[t->exit[i]]) words[t->token[i] >> 5] |= 1u << (t->token[i] & 31);
}

/* All exits that pass, at once; p is before the quote. */
static void walk_tails(mask_run *run, const point *p, const memo_tails *t, uint32_t *words) {
  point *points = run->tables->tail_points;
  uint32_t i = 0;
  size_t at = run->len + 1;
  mask_enter(run, p);
  points[0] = *p;
  run->vague = true;
  run->text.ptr[at - 1] = '"';
  if (mask_step(run, &points[0], at - 1)) {
    allow_passing(run, t, 0, t->n_direct, words);
    while (i < t->n) {
      uint32_t depth = t->depth[i];
      run->text.ptr[at + depth - 1] = (char)t->byte[i];
      points[depth] = points[depth - 1];
      if (!mask_step(run, &points[depth], at + depth - 1)) {
        i = t->end[i];
        continue;
      }
      allow_passing(run, t, t->first[i], t->first[i + 1], words);
      i++;
    }
  }
  run->vague = false;
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

static bool clear_pass(mask_tables *t, uint32_t n) {
  if (n > t->cap_pass) {
    uint8_t *grown = mask_pool_take(&t->pool, n);
    if (grown == NULL) return false;
    t->pass = grown;
    t->cap_pass = n;
  }
  if (n > 0) memset(t->pass, 0, n);
  return true;
}

/* Exits whose strings have a length that is allowed. `p` counts up to where the memo begins. `state`: before every
 * quote, where the memo is the vocabulary's. */
static bool walk_exits(mask_run *run, const point *p, const memo *m, text_state *state, uint32_t *words) {
  uint32_t room = room_of(p), lack = lack_of(p), passing = MASK_NONE;
  bool shared = m->tails != NULL && !p->top->exact;
  point q = *p;
  for (int alone = 1; alone >= 0; alone--) {
    /* what is walked alone may come here again and use the same scratch, so it goes first */
    if (!alone && !clear_pass(run->tables, m->n_exits)) return false;
    for (uint32_t i = 0; i < m->n_exits; i++) {
      const memo_exit *e = &m->exit[i];
      if ((state == NULL && e->state == NULL) || e->length < lack || e->length > room) continue;
      if ((shared && mask_memo_alike(e, &m->exit[m->shared])) == alone) continue;
      q.count = p->count + e->length;
      if (alone) walk_exit(run, &q, e->at, state != NULL ? state : e->state, words);
      else run->tables->pass[passing = i] = 1;
    }
  }
  if (passing == MASK_NONE) return true;
  q.count = p->count + m->exit[passing].length;
  q.in.text = state != NULL ? state : m->exit[passing].state;
  walk_tails(run, &q, m->tails, words);
  return true;
}

/* ---- what stays inside ---- */

/* Those tokens of a mask that have at most so many characters; `inside`: they all lie inside a string. */
static bool allow_at_most(mask_run *run, const uint32_t *from, uint32_t most, uint32_t *words) {
  mask_vocab *v = run->vocab;
  const uint32_t *table = mask_memo_at_most(v, most, false);
  if (table == NULL) return false;
  for (uint32_t w = 0; w < v->n_words; w++) words[w] |= from[w] & table[w];
  for (uint32_t i = 0; most >= MEMO_LENGTHS && i < v->n_very_long; i++) {
    uint32_t token = v->token[v->very_long[i]];
    if (v->length[v->very_long[i]] > most) words[token >> 5] &= ~(1u << (token & 31));
  }
  return true;
}

static void allow_ranges(const mask_vocab *v, const memo *m, const uint32_t *inside, uint32_t room, uint32_t *words) {
  for (uint32_t k = 0; k < m->n_ranges; k++)
    for (uint32_t i = m->range[k].from; i < m->range[k].to; i++) {
      uint32_t token = v->token[i];
      if ((uint64_t)v->length[i] + m->range[k].needs > room) continue;
      words[token >> 5] |= inside[token >> 5] & 1u << (token & 31);
    }
}

static bool allow_inside(mask_run *run, const memo *m, bool key, uint32_t room, uint32_t *words) {
  const mask_vocab *v = run->vocab;
  for (uint32_t i = 0; i < m->n_tokens; i++)
    if (m->length[i] <= room) words[m->token[i] >> 5] |= 1u << (m->token[i] & 31);
  for (uint32_t g = 0; g < m->n_groups; g++) {
    uint32_t needs = m->group[g].needs;
    if (room == MASK_NONE)
      for (uint32_t w = 0; w < v->n_words; w++) words[w] |= m->group[g].words[w];
    else if (needs <= room && !allow_at_most(run, m->group[g].words, room - needs, words))
      return false;
  }
  if (m->n_groups > 0 || m->n_ranges == 0) return true;
  const uint32_t *inside = mask_memo_at_most(run->vocab, MASK_NONE, key);
  if (inside != NULL) allow_ranges(v, m, inside, room, words);
  return inside != NULL;
}

/* A string of which nothing is asked but its length. */
static bool walk_free(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  const memo *m = mask_memo_free(run->vocab, at, false);
  uint32_t room = room_of(p);
  if (m == NULL) return false;
  if (at != MASK_NONE) {
    if (!allow_inside(run, m, false, room, words)) return false;
  } else {
    const uint32_t *all = mask_memo_at_most(run->vocab, MASK_NONE, false);
    if (all == NULL || !allow_at_most(run, all, room, words)) return false;
  }
  return walk_exits(run, p, m, p->in.text, words);
}

/* ---- tables by state ---- */

/* What of a key is asked besides its text: see memo_key. */
static bool may_go_on(mask_run *run, const point *p, text_state *next) {
  if (next == &mask_text_dead) return false;
  if (p->mode == MODE_STRING) return true;
  if (next->alive == p->in.text->alive && next->trie == p->in.text->trie && next->lexical == TEXT_CHAR) return true;
  return mask_key_is_alive(run, p->top, next);
}

/* The slot of a key (no name) that ends in s; NULL: there is none. */
static const slot *free_slot(mask_run *run, const point *p, text_state *s) {
  situation *then = mask_situation_for_key(run, p->top, MASK_NONE);
  return then != NULL ? mask_slot_of_key(run->rule, then, MASK_NONE, s) : NULL;
}

static bool may_close(mask_run *run, const point *p, text_state *s) {
  if (p->mode == MODE_STRING || s->trie != TRIE_OFF) return s->may_close;
  const slot *of = free_slot(run, p, s);
  return of != NULL && of->after != NULL;
}

/* Is all at node i and below it, come to from s, taken? The node's own tokens come first in *own. */
static bool takes_subtree(const mask_vocab *v, uint32_t i, text_state *s, text_state *next, bool *own,
                          uint32_t *needs) {
  uint64_t below = v->below[i] & ~(UINT64_C(1) << BYTE_BAD);
  *own = s->lexical == TEXT_CHAR && next->lexical != TEXT_CHAR;
  if (*own) {
    uint64_t kinds = v->byte[i] == '\\'           ? UINT64_C(1) << BYTE_ESCAPE
                     : mask_node_tokens(v, i) > 0 ? mask_wide_kinds(&v->byte[i], 1)
                                                  : 0;
    return mask_text_takes_all(s, below | kinds, v->height[i] + 1u, needs);
  }
  if (next->lexical != TEXT_CHAR || v->end[i] - i <= SMALL_SUBTREE || v->byte[i] == '\\') return false;
  return mask_text_takes_all(next, below, v->height[i], needs);
}

/* The whole trie. Tokens that are no inside of any string are left out by mask_memo_group, so that subtrees are taken
 * whatever else they have. */
static bool fill_whole(mask_run *run, const point *p, memo_builder *b) {
  const mask_vocab *v = run->vocab;
  text_state *states[MASK_MAX_PIECE + 1];
  states[0] = p->in.text;
  for (uint32_t i = 0; i < v->n_nodes;) {
    uint32_t d = v->depth[i], needs = 0;
    text_state *s = states[d - 1];
    text_state *next = states[d] =
        s->lexical == TEXT_CHAR && v->byte[i] == '"' ? &mask_text_dead : mask_text_step(s, v->byte[i]);
    bool own;
    if (!may_go_on(run, p, next)) {
      i = v->end[i];
      continue;
    }
    uint32_t behind = v->first[i] + mask_node_tokens(v, i);
    bool all = takes_subtree(v, i, s, next, &own, &needs);
    if (!mask_memo_add_range(b, v->first[i], behind, all && own ? needs : p->mode == MODE_KEY ? 0 : next->needs))
      return false;
    if (all && !mask_memo_add_range(b, behind, v->first[v->end[i]], needs)) return false;
    i = all ? v->end[i] : i + 1;
  }
  return true;
}

/* The exits of plain strings, each with where it leads from this state. */
static bool fill_exits(mask_run *run, const point *p, memo_builder *b) {
  const mask_vocab *v = run->vocab;
  const memo *plain = mask_memo_free(run->vocab, MASK_NONE, p->mode == MODE_KEY);
  if (plain == NULL) return false;
  for (uint32_t i = 0; i < plain->n_exits; i++) {
    base_slice piece = v->pieces[v->token[v->first[plain->exit[i].at]]];
    text_state *s = p->in.text;
    for (uint32_t k = 0; k + 1 < v->depth[plain->exit[i].at] && s != &mask_text_dead; k++)
      s = mask_text_step(s, (uint8_t)piece.ptr[k]);
    bool fine = s != &mask_text_dead && may_close(run, p, s);
    if (!mask_memo_add_exit(b, plain->exit[i].at, plain->exit[i].length, fine ? s : NULL)) return false;
  }
  b->m->tails = plain->tails;
  return true;
}

static uint32_t characters(base_slice piece, uint32_t from) {
  uint32_t n = 0;
  for (uint32_t i = from; i < piece.len; i++) n += ((uint8_t)piece.ptr[i] & 0xC0) != 0x80;
  return n;
}

/* The subtree below `at`, or the whole trie where p stands inside a character. */
static bool fill_subtree(mask_run *run, const point *p, uint32_t at, memo_builder *b) {
  const mask_vocab *v = run->vocab;
  text_state *states[MASK_MAX_PIECE + 1];
  uint16_t length[MASK_MAX_PIECE + 1];
  uint32_t base = at == MASK_NONE ? 0 : v->depth[at], last = at == MASK_NONE ? v->n_nodes : v->end[at];
  states[0] = p->in.text;
  length[0] = 0;
  for (uint32_t i = at == MASK_NONE ? 0 : at + 1; i < last;) {
    uint32_t d = v->depth[i] - base, needs = 0;
    text_state *s = states[d - 1], *next;
    if (v->byte[i] == '"' && s->lexical == TEXT_CHAR) {
      if (may_close(run, p, s) && !mask_memo_add_exit(b, i, length[d - 1], s)) return false;
      i = v->end[i];
      continue;
    }
    next = states[d] = mask_text_step(s, v->byte[i]);
    if (!may_go_on(run, p, next)) {
      i = v->end[i];
      continue;
    }
    length[d] = (uint16_t)(length[d - 1] + (s->lexical == TEXT_CHAR));
    uint32_t own = v->first[i] + mask_node_tokens(v, i), end = v->first[v->end[i]];
    if (!mask_memo_add_tokens(b, v->first[i], own, length[d] + (p->mode == MODE_KEY ? 0 : next->needs))) return false;
    bool all = v->end[i] - i > SMALL_SUBTREE && next->lexical == TEXT_CHAR && !(v->below[i] >> BYTE_ESCAPE & 1) &&
               mask_text_takes_all(next, v->below[i], v->height[i], &needs);
    for (uint32_t k = own; all && k < end; k++)
      if (!mask_memo_add_tokens(b, k, k + 1, length[d] + characters(v->pieces[v->token[k]], v->depth[i]) + needs))
        return false;
    i = all ? v->end[i] : i + 1;
  }
  return true;
}

/* Keys: one state for each slot, so that exits behind which the same follows are seen to be alike. */
static void join_slots(mask_run *run, const point *p, memo *m) {
  for (uint32_t i = 0; i < m->n_exits; i++) {
    text_state *s = m->exit[i].state;
    if (s == NULL || s->trie != TRIE_OFF) continue;
    const slot *of = free_slot(run, p, s);
    for (uint32_t k = 0; k < i; k++) {
      text_state *before = m->exit[k].state;
      if (before == NULL || before->trie != TRIE_OFF || free_slot(run, p, before) != of) continue;
      m->exit[i].state = before;
      break;
    }
  }
}

static memo *build_memo(mask_run *run, const point *p, uint32_t at) {
  mask_pool *pool = &run->tables->pool;
  memo *m = mask_pool_take(pool, sizeof *m);
  memo_builder b = {.v = run->vocab, .pool = pool, .m = m};
  if (m == NULL) return NULL;
  if (at == MASK_NONE && p->in.text->lexical == TEXT_CHAR) {
    const uint32_t *inside = mask_memo_at_most(run->vocab, MASK_NONE, p->mode == MODE_KEY);
    if (inside == NULL || !fill_whole(run, p, &b) || !mask_memo_group(&b, inside) || !fill_exits(run, p, &b))
      return NULL;
  } else if (!fill_subtree(run, p, at, &b)) {
    return NULL;
  }
  if (p->mode == MODE_KEY) join_slots(run, p, m);
  return mask_memo_finish(&b) ? m : NULL;
}

/* A table is of the text alone, and for a key of the object's situation; `names`: and of the keys that are there. */
static uint64_t memo_key(mask_run *run, const point *p, uint32_t at, bool names) {
  uint64_t key = mask_mix(mask_mix(11, at), p->in.text->id ^ (uint64_t)p->part << 48); /* ids are a rule's own */
  const frame *f = p->top;
  if (p->mode == MODE_STRING) return key;
  if (!names) return mask_mix(key, (uintptr_t)mask_situation_for_key(run, f, MASK_NONE));
  key = mask_mix(key, (uintptr_t)f->s);
  key = mask_mix(key, (f->s->plan->names->bounded ? f->count : 0) | (uint64_t)f->passed << 32);
  return mask_mix_bytes(key, f->words, f->n_words * sizeof(uint64_t));
}

static const memo *memo_of(mask_run *run, const point *p, uint32_t at, bool names) {
  mask_tables *t = run->tables;
  uint64_t key = memo_key(run, p, at, names);
  memo *m = mask_map_get(&t->memos, key);
  if (m != NULL) return m;
  if (t->pool.held > MAX_MEMO_BYTES / 2) {
    mask_pool_free(&t->pool);
    t->pool.failed = BASE_OK;
    t->memos = (mask_map){0};
    t->cap_pass = 0;
  }
  m = build_memo(run, p, at);
  if (m != NULL && mask_map_put(&t->memos, &t->pool, key, m)) return m;
  t->pool.failed = BASE_OK; /* a walk does without */
  return NULL;
}

static bool walk_by_state(mask_run *run, const point *p, uint32_t at, bool names, uint32_t *words) {
  const memo *m = memo_of(run, p, at, names);
  return m != NULL && allow_inside(run, m, p->mode == MODE_KEY, room_of(p), words) &&
         walk_exits(run, p, m, NULL, words);
}

/* ---- keys ---- */

/* An exit that tables took for the end of a key that is no name: what they said of the tokens behind it is taken
 * back. */
static void take_back(const mask_vocab *v, uint32_t at, uint32_t *words) {
  for (uint32_t i = v->first[at]; i < v->first[v->end[at]]; i++) words[v->token[i] >> 5] &= ~(1u << (v->token[i] & 31));
}

/* The trie's node behind these bytes from node `at`, MASK_NONE when there is none. */
static uint32_t descend(const mask_vocab *v, uint32_t at, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    at = mask_vocab_child(v, at, (uint8_t)bytes[i]);
    if (at == MASK_NONE) break;
  }
  return at;
}

/* Name i, which p's text begins: its tokens, and what follows behind it. Where it may not come, tables may have taken
 * it for a key that is no name. */
static void walk_name(mask_run *run, const point *p, uint32_t at, uint32_t i, uint32_t *words) {
  object_names *names = p->top->s->plan->names;
  const mask_vocab *v = run->vocab;
  base_slice name = names->name[i];
  uint32_t e = at;
  mask_enter(run, p); /* the walk may have left the document and gone into another */
  bool possible = mask_name_is_possible(run, p->top, i);
  for (size_t k = names->automaton->trie.nodes[p->in.text->trie].depth; k < name.len; k++) {
    char spelt[6];
    size_t n = mask_spell_key_byte((unsigned char)name.ptr[k], spelt);
    for (size_t j = 0; j < n; j++) {
      e = mask_vocab_child(v, e, (uint8_t)spelt[j]);
      if (e == MASK_NONE) return;
      if (possible) mask_allow(v->token, v->first[e], v->first[e] + mask_node_tokens(v, e), words);
    }
  }
  e = mask_vocab_child(v, e, '"');
  if (e == MASK_NONE) return;
  take_back(v, e, words);
  if (possible) walk_exit(run, p, e, mask_state_of_name(run->rule, names, i), words);
}

static void walk_names(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  const text_state *s = p->in.text;
  if (s->trie == TRIE_OFF) return;
  const trie_node *t = &p->top->s->plan->names->automaton->trie.nodes[s->trie];
  for (uint32_t i = t->first; i < t->last; i++) walk_name(run, p, at, i, words);
}

/* Keys that are there already, among those that are no names. */
static void correct_repeats(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  size_t begun = run->len + (at == MASK_NONE ? 0 : run->vocab->depth[at]) - p->start;
  if (at != MASK_NONE) mask_spell_node(run, at);
  for (const free_key *k = p->top->keys; k != NULL; k = k->next) {
    const char *key = run->text.ptr + k->start;
    if (k->len < begun || k->len == MASK_NONE || memcmp(key, run->text.ptr + p->start, begun) != 0) continue;
    uint32_t e = descend(run->vocab, at, key + begun, k->len - begun);
    if (e == MASK_NONE && !(k->len == begun && at == MASK_NONE)) continue;
    e = mask_vocab_child(run->vocab, e, '"');
    if (e != MASK_NONE) take_back(run->vocab, e, words);
  }
}

/* Keys that are no names first, as if there were none; then the names. */
static bool walk_key(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  const text_automaton *t = p->in.text->automaton;
  point free = *p;
  if (p->in.text->lexical != TEXT_CHAR) return walk_by_state(run, p, at, true, words);
  free.in.text = mask_text_nameless(p->in.text);
  if (free.in.text == &mask_text_dead) return false;
  situation *then = mask_situation_for_key(run, p->top, MASK_NONE);
  if (then != NULL && mask_key_may_be_free(run->rule, then, free.in.text)) {
    const memo *m =
        t->n_regexes + t->n_subs == 0 ? mask_memo_free(run->vocab, at, true) : memo_of(run, &free, at, false);
    const uint32_t *all = m != NULL && at == MASK_NONE ? mask_memo_at_most(run->vocab, MASK_NONE, true) : NULL;
    bool plain = t->n_regexes + t->n_subs == 0;
    if (m == NULL || (plain && at == MASK_NONE && all == NULL)) return false;
    if (plain && at == MASK_NONE)
      for (uint32_t w = 0; w < run->vocab->n_words; w++) words[w] |= all[w];
    else if (!allow_inside(run, m, true, MASK_NONE, words))
      return false;
    if (!walk_exits(run, &free, m, plain ? free.in.text : NULL, words)) return false;
    correct_repeats(run, p, at, words);
  }
  walk_names(run, p, at, words);
  return true;
}

bool mask_walk_inside(mask_run *run, const point *p, uint32_t at, uint32_t *words) {
  if (p->mode == MODE_KEY) return walk_key(run, p, at, words);
  if (p->in.text->is_free && p->in.text->lexical == TEXT_CHAR) return walk_free(run, p, at, words);
  return walk_by_state(run, p, at, false, words);
}
