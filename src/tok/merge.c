/* tok/merge: pairs of neighbours merged, best first, until none merges: the core of both kinds of BPE. A heap
 * holds (order, left symbol) of every pair that could merge; what a merge made stale is recognised when it
 * comes up, by asking for its order again. n symbols take n log n, whatever the text. */
#include "tok/vocab.h"

#include <string.h>

#define NO_SYMBOL UINT32_MAX

/* A stretch of the text that is one token so far; `id` TOK_NONE when no token has these bytes. */
typedef struct symbol {
  uint32_t start, len, id;
  uint32_t prev, next; /* NO_SYMBOL at the ends */
} symbol;

typedef struct merger {
  const tok_vocab *v;
  const char *text;
  symbol *sym;
  uint64_t *heap; /* order << 32 | left: smallest first, leftmost among equals */
  size_t n_heap;
} merger;

/* len - 1 entries at first; each of at most len - 1 merges takes one and adds at most two. */
size_t tok_merge_bytes(size_t len) {
  return len * (sizeof(symbol) + 2 * sizeof(uint64_t)) + sizeof(uint64_t);
}

/* ---- what merges ---- */

/* The order of merging sym[left] with its right neighbour, smaller first, and the token it makes. */
static uint32_t order_of(const merger *m, uint32_t left, uint32_t *id) {
  const symbol *a = &m->sym[left];
  if (a->next == NO_SYMBOL) return TOK_NONE;
  const symbol *b = &m->sym[a->next];
  if (m->v->kind == TOK_KIND_BPE) {
    uint32_t rank = tok_vocab_rank(m->v, a->id, b->id);
    if (rank != TOK_NONE) *id = m->v->merged[rank];
    return rank;
  }
  *id = tok_vocab_find(m->v, (base_slice){m->text + a->start, (size_t)a->len + b->len});
  return *id != TOK_NONE ? m->v->order[*id] : TOK_NONE;
}

/* ---- heap ---- */

static void push(merger *m, uint64_t key) {
  size_t at = m->n_heap++;
  for (size_t up; at > 0 && m->heap[up = (at - 1) / 2] > key; at = up) m->heap[at] = m->heap[up];
  m->heap[at] = key;
}

static uint64_t pop(merger *m) {
  uint64_t top = m->heap[0], moving = m->heap[--m->n_heap];
  size_t at = 0;
  for (size_t child; (child = 2 * at + 1) < m->n_heap; at = child) {
    if (child + 1 < m->n_heap && m->heap[child + 1] < m->heap[child]) child++;
    if (m->heap[child] >= moving) break;
    m->heap[at] = m->heap[child];
  }
  m->heap[at] = moving;
  return top;
}

static void offer(merger *m, uint32_t left) {
  uint32_t id, order = order_of(m, left, &id);
  if (order != TOK_NONE) push(m, (uint64_t)order << 32 | left);
}

/* ---- merging ---- */

/* Bytes for byte-level BPE, characters for SentencePiece. */
static size_t first_symbols(merger *m, const char *text, size_t len) {
  size_t n = 0;
  for (size_t at = 0, step; at < len; at += step, n++) {
    uint32_t c, id;
    step = 1;
    if (m->v->kind == TOK_KIND_BPE) {
      id = m->v->byte_id[(unsigned char)text[at]];
    } else {
      step = base_utf8_decode(text + at, len - at, &c);
      if (step == 0) step = 1;
      id = tok_vocab_find(m->v, (base_slice){text + at, step});
    }
    m->sym[n] = (symbol){(uint32_t)at, (uint32_t)step, id, (uint32_t)n - 1, (uint32_t)n + 1};
  }
  m->sym[n - 1].next = NO_SYMBOL;
  return n;
}

static void join(merger *m, uint32_t left, uint32_t id) {
  symbol *a = &m->sym[left], *b = &m->sym[a->next];
  a->len += b->len;
  a->id = id;
  a->next = b->next;
  b->len = 0; /* no part of the chain any more */
  if (a->next != NO_SYMBOL) m->sym[a->next].prev = left;
}

/* A symbol without a token: its bytes one by one, or unk. */
static void emit_bytes(const tok_vocab *v, const char *bytes, size_t len, tok_sink *out) {
  bool known = true;
  for (size_t i = 0; i < len; i++) known = known && v->byte_id[(unsigned char)bytes[i]] != TOK_NONE;
  if (known) {
    for (size_t i = 0; i < len; i++) tok_emit(out, v->byte_id[(unsigned char)bytes[i]]);
  } else if (v->specials.unk != TOK_NONE) {
    tok_emit(out, v->specials.unk);
  }
}

void tok_merge(const tok_vocab *v, void *memory, const char *text, size_t len, tok_sink *out) {
  if (len == 0) return;
  merger m = {.v = v, .text = text, .heap = memory, .sym = (symbol *)((uint64_t *)memory + 2 * len)};
  size_t n = first_symbols(&m, text, len);
  for (size_t i = 0; i + 1 < n; i++) offer(&m, (uint32_t)i);
  while (m.n_heap > 0) {
    uint64_t key = pop(&m);
    uint32_t left = (uint32_t)key, id;
    if (m.sym[left].len == 0 || order_of(&m, left, &id) != key >> 32) continue;
    join(&m, left, id);
    if (m.sym[left].prev != NO_SYMBOL) offer(&m, m.sym[left].prev);
    offer(&m, left);
  }
  for (uint32_t i = 0; i != NO_SYMBOL; i = m.sym[i].next) {
    if (m.sym[i].id != TOK_NONE) {
      tok_emit(out, m.sym[i].id);
    } else {
      emit_bytes(v, text + m.sym[i].start, m.sym[i].len, out);
    }
  }
}
