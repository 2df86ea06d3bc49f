/* mask/memo: tables of the insides of strings, and subtrees of the trie laid over each other. */
#include "mask/memo.h"

#include <stdlib.h>

enum { FEW_EXITS = 48, MAX_OVERLAY = 1 << 16 };

bool mask_memo_add_tokens(memo_builder *b, uint32_t from, uint32_t to, uint32_t length) {
  memo *m = b->m;
  for (uint32_t i = from; i < to; i++) {
    uint32_t cap = b->cap_tokens, cap_lengths = b->cap_tokens;
    uint32_t *tokens = mask_pool_grow(b->pool, m->token, sizeof *tokens, m->n_tokens, &cap);
    uint16_t *lengths = mask_pool_grow(b->pool, m->length, sizeof *lengths, m->n_tokens, &cap_lengths);
    if (tokens == NULL || lengths == NULL) return false;
    b->cap_tokens = cap;
    m->token = tokens;
    m->length = lengths;
    m->token[m->n_tokens] = b->v->token[i];
    m->length[m->n_tokens++] = (uint16_t)(length < UINT16_MAX ? length : UINT16_MAX);
  }
  return true;
}

bool mask_memo_add_range(memo_builder *b, uint32_t from, uint32_t to, uint32_t needs) {
  memo_range *last = b->m->n_ranges > 0 ? &b->m->range[b->m->n_ranges - 1] : NULL;
  if (from == to) return true;
  if (last != NULL && last->to == from && last->needs == needs) {
    last->to = to;
    return true;
  }
  memo_range *grown = mask_pool_grow(b->pool, b->m->range, sizeof *grown, b->m->n_ranges, &b->cap_ranges);
  if (grown == NULL) return false;
  b->m->range = grown;
  b->m->range[b->m->n_ranges++] = (memo_range){from, to, needs};
  return true;
}

bool mask_memo_add_exit(memo_builder *b, uint32_t node_index, uint32_t length, text_state *state) {
  memo_exit *grown = mask_pool_grow(b->pool, b->m->exit, sizeof *grown, b->m->n_exits, &b->cap_exits);
  if (grown == NULL) return false;
  b->m->exit = grown;
  b->m->exit[b->m->n_exits++] = (memo_exit){node_index, length, state};
  return true;
}

static memo_group *group_of(memo *m, uint32_t needs) {
  for (uint32_t i = 0; i < m->n_groups; i++)
    if (m->group[i].needs == needs) return &m->group[i];
  if (m->n_groups == MEMO_GROUPS) return NULL;
  m->group[m->n_groups] = (memo_group){.needs = needs};
  return &m->group[m->n_groups++];
}

/* A group of more than half of the tokens is made by what is not in it. */
static bool fill_group(memo_builder *b, memo_group *g, const uint32_t *inside) {
  const mask_vocab *v = b->v;
  const memo *m = b->m;
  uint32_t size = 0, gap = 0, all = v->first[v->n_nodes];
  for (uint32_t i = 0; i < m->n_ranges; i++)
    if (m->range[i].needs == g->needs) size += m->range[i].to - m->range[i].from;
  g->words = mask_pool_take(b->pool, v->n_words * sizeof *g->words);
  if (g->words == NULL) return false;
  bool most = size > all / 2;
  if (most) memcpy(g->words, inside, v->n_words * sizeof *g->words);
  for (uint32_t i = 0; i <= m->n_ranges; i++) {
    if (i < m->n_ranges && m->range[i].needs != g->needs) continue;
    uint32_t from = i < m->n_ranges ? m->range[i].from : all, to = i < m->n_ranges ? m->range[i].to : all;
    for (uint32_t k = gap; most && k < from; k++) g->words[v->token[k] >> 5] &= ~(1u << (v->token[k] & 31));
    if (!most) mask_allow(v->token, from, to, g->words);
    gap = to;
  }
  for (uint32_t w = 0; w < v->n_words; w++) g->words[w] &= inside[w];
  return true;
}

bool mask_memo_group(memo_builder *b, const uint32_t *inside) {
  memo *m = b->m;
  for (uint32_t i = 0; i < m->n_ranges; i++)
    if (group_of(m, m->range[i].needs) == NULL) {
      m->n_groups = 0;
      return true;
    }
  for (uint32_t g = 0; g < m->n_groups; g++)
    if (!fill_group(b, &m->group[g], inside)) return false;
  return true;
}

/* ---- subtrees laid over each other ---- */

typedef struct overlay {
  const mask_vocab *v;
  mask_pool *pool;
  memo_tails *t;
  uint32_t cap_nodes, cap_ends, cap_depths, cap_first, cap_tokens, cap_exits, n_tokens;
  struct branch {
    uint32_t at, exit; /* node of the vocabulary's trie; below which exit */
    uint8_t byte;
  } *branches; /* a stack: the children of the level in work */
  uint32_t n_branches, cap_branches;
  bool failed;
} overlay;

static void add_tokens(overlay *o, uint32_t node_index, uint32_t exit) {
  for (uint32_t i = o->v->first[node_index], n = mask_node_tokens(o->v, node_index); n > 0; n--, i++) {
    uint32_t *tokens = mask_pool_grow(o->pool, o->t->token, sizeof *tokens, o->n_tokens, &o->cap_tokens);
    uint32_t *exits = mask_pool_grow(o->pool, o->t->exit, sizeof *exits, o->n_tokens, &o->cap_exits);
    if (tokens == NULL || exits == NULL) {
      o->failed = true;
      return;
    }
    o->t->token = tokens;
    o->t->exit = exits;
    exits[o->n_tokens] = exit;
    tokens[o->n_tokens++] = o->v->token[i];
  }
}

static void add_children(overlay *o, uint32_t node_index, uint32_t exit) {
  const mask_vocab *v = o->v;
  for (uint32_t c = node_index + 1; c < v->end[node_index] && !o->failed; c = v->end[c]) {
    struct branch *grown = mask_pool_grow(o->pool, o->branches, sizeof *grown, o->n_branches, &o->cap_branches);
    if (grown == NULL || o->n_branches > MAX_OVERLAY) {
      o->failed = true;
      return;
    }
    o->branches = grown;
    grown[o->n_branches++] = (struct branch){c, exit, v->byte[c]};
  }
}

static uint32_t add_node(overlay *o, uint8_t byte, uint32_t depth) {
  memo_tails *t = o->t;
  uint8_t *bytes = mask_pool_grow(o->pool, t->byte, sizeof *bytes, t->n, &o->cap_nodes);
  uint16_t *depths = mask_pool_grow(o->pool, t->depth, sizeof *depths, t->n, &o->cap_depths);
  uint32_t *ends = mask_pool_grow(o->pool, t->end, sizeof *ends, t->n, &o->cap_ends);
  uint32_t *first = mask_pool_grow(o->pool, t->first, sizeof *first, t->n + 1, &o->cap_first);
  if (bytes == NULL || depths == NULL || ends == NULL || first == NULL) {
    o->failed = true;
    return 0;
  }
  t->byte = bytes;
  t->depth = depths;
  t->end = ends;
  t->first = first;
  t->byte[t->n] = byte;
  t->depth[t->n] = (uint16_t)depth;
  t->first[t->n] = o->n_tokens;
  return t->n++;
}

static int compare_branches(const void *x, const void *y) {
  const struct branch *a = x, *b = y;
  if (a->byte != b->byte) return a->byte < b->byte ? -1 : 1;
  return (a->at > b->at) - (a->at < b->at);
}

/* The branches from `from` up are one level. Depth is at most that of the vocabulary: 512. */
static void lay_level(overlay *o, uint32_t from, uint32_t depth) {
  uint32_t to = o->n_branches;
  if (to - from > 1) qsort(o->branches + from, to - from, sizeof *o->branches, compare_branches);
  for (uint32_t i = from; i < to && !o->failed;) {
    uint8_t byte = o->branches[i].byte;
    uint32_t alike = i, node_index = add_node(o, byte, depth);
    for (; i < to && o->branches[i].byte == byte; i++) add_tokens(o, o->branches[i].at, o->branches[i].exit);
    for (uint32_t k = alike; k < i && !o->failed; k++) add_children(o, o->branches[k].at, o->branches[k].exit);
    if (o->n_branches > to) lay_level(o, to, depth + 1);
    o->n_branches = to;
    if (!o->failed) o->t->end[node_index] = o->t->n;
  }
}

/* The exits that are like `like`. */
static bool lay_over(memo_builder *b, const memo_exit *like) {
  const memo *m = b->m;
  memo_tails *tails = mask_pool_take(b->pool, sizeof *tails);
  overlay o = {.v = b->v, .pool = b->pool, .t = tails};
  if (tails == NULL) return false;
  for (uint32_t i = 0; i < m->n_exits; i++)
    if (mask_memo_alike(&m->exit[i], like)) add_tokens(&o, m->exit[i].at, i);
  tails->n_direct = o.n_tokens;
  for (uint32_t i = 0; i < m->n_exits; i++)
    if (mask_memo_alike(&m->exit[i], like)) add_children(&o, m->exit[i].at, i);
  lay_level(&o, 0, 1);
  if (o.failed) return b->pool->failed == BASE_OK;
  if (tails->n > 0) tails->first[tails->n] = o.n_tokens;
  b->m->tails = tails;
  return true;
}

/* ---- finishing ---- */

/* For values what their end says, for keys their state. */
static uintptr_t outcome(const text_state *s) {
  if (s == NULL) return 0;
  return s->automaton->is_key ? (uintptr_t)s : (uintptr_t)s->failed;
}

bool mask_memo_alike(const memo_exit *a, const memo_exit *b) {
  return (a->state == NULL) == (b->state == NULL) && outcome(a->state) == outcome(b->state);
}

/* The exits that are alike are few kinds: each is counted when it is first met. */
static uint32_t most_alike(memo *m, mask_pool *pool) {
  uint32_t best = 0;
  uint8_t *counted = mask_pool_take(pool, m->n_exits);
  for (uint32_t i = 0; counted != NULL && i < m->n_exits; i++) {
    uint32_t n = 0;
    if (counted[i]) continue;
    for (uint32_t k = i; k < m->n_exits; k++) {
      if (counted[k] || !mask_memo_alike(&m->exit[i], &m->exit[k])) continue;
      counted[k] = 1;
      n++;
    }
    if (n <= best || (m->exit[i].state == NULL && n < m->n_exits)) continue;
    best = n;
    m->shared = i;
  }
  return best;
}

bool mask_memo_finish(memo_builder *b) {
  if (b->pool->failed != BASE_OK) return false;
  uint32_t n = most_alike(b->m, b->pool);
  if (b->pool->failed != BASE_OK) return false;
  if (b->m->tails != NULL || n < FEW_EXITS) return true;
  memo_exit like = b->m->exit[b->m->shared];
  return lay_over(b, &like);
}

/* ---- plain strings ---- */

/* The nodes below `at`, spelt from the start of a string's inside (or the middle: that is the same). */
static bool spell_subtree(memo_builder *b, uint32_t first, uint32_t last, uint32_t base, bool key) {
  const mask_vocab *v = b->v;
  uint8_t lexical[MASK_MAX_PIECE + 1] = {0};
  uint16_t length[MASK_MAX_PIECE + 1] = {0};
  for (uint32_t i = first; i < last;) {
    uint32_t d = v->depth[i] - base;
    bool counts;
    uint32_t next = mask_text_spell(lexical[d - 1], v->byte[i], key, &counts);
    if (next == TEXT_CLOSED && !mask_memo_add_exit(b, i, length[d - 1], NULL)) return false;
    if (next >= TEXT_CLOSED) {
      i = v->end[i];
      continue;
    }
    lexical[d] = (uint8_t)next;
    length[d] = (uint16_t)(length[d - 1] + counts);
    if (!mask_memo_add_tokens(b, v->first[i], v->first[i] + mask_node_tokens(v, i), length[d])) return false;
    i++;
  }
  return true;
}

const memo *mask_memo_free(mask_vocab *v, uint32_t at, bool key) {
  uint64_t hash = mask_mix(key, at);
  memo *m = mask_map_get(&v->free_by_node, hash);
  if (m != NULL) return m;
  m = mask_pool_take(&v->pool, sizeof *m);
  memo_builder b = {.v = v, .pool = &v->pool, .m = m};
  if (m == NULL) return NULL;
  bool fine = at == MASK_NONE ? spell_subtree(&b, 0, v->n_nodes, 0, key)
                              : spell_subtree(&b, at + 1, v->end[at], v->depth[at], key);
  if (fine && at == MASK_NONE && m->n_exits > 0) fine = lay_over(&b, &m->exit[0]);
  if (!fine || !mask_memo_finish(&b) || !mask_map_put(&v->free_by_node, &v->pool, hash, m)) return NULL;
  return m;
}

static bool find_very_long(mask_vocab *v) {
  uint32_t cap = 0;
  for (uint32_t i = 0; i < v->first[v->n_nodes]; i++) {
    if (v->length[i] <= MEMO_LENGTHS) continue;
    uint32_t *grown = mask_pool_grow(&v->pool, v->very_long, sizeof *grown, v->n_very_long, &cap);
    if (grown == NULL) return false;
    v->very_long = grown;
    grown[v->n_very_long++] = i;
  }
  return true;
}

const uint32_t *mask_memo_at_most(mask_vocab *v, uint32_t n, bool key) {
  if (n > MEMO_LENGTHS || key) n = MEMO_LENGTHS;
  uint32_t which = key ? MEMO_LENGTHS + 1 : n;
  if (v->at_most == NULL) {
    v->at_most = mask_pool_take(&v->pool, (MEMO_LENGTHS + 2) * sizeof *v->at_most);
    if (v->at_most == NULL || !find_very_long(v)) return NULL;
  }
  if (v->at_most[which] != NULL) return v->at_most[which];
  const memo *m = mask_memo_free(v, MASK_NONE, key);
  uint32_t *words = mask_pool_take(&v->pool, v->n_words * sizeof *words);
  if (m == NULL || words == NULL) return NULL;
  for (uint32_t i = 0; i < m->n_tokens; i++)
    if (m->length[i] <= n || n == MEMO_LENGTHS) words[m->token[i] >> 5] |= 1u << (m->token[i] & 31);
  return v->at_most[which] = words;
}
