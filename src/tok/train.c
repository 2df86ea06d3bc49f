/* tok/train: learns the merges. Distinct words are counted first; then the most frequent pair of symbols is
 * merged in every word that has it, and only the counts around those places change.
 *
 * Counts live in a hash table; a heap orders the pairs by a count that may be too high by now. A pair popped
 * with an old count goes back with the true one, so the heap's top with a true count is the best pair: counts
 * of known pairs only fall, and pairs with the new symbol are pushed when their counting is complete. */
#include "tok/bpe.h"

#include "tok/split.h"

#include <string.h>

/* ---- growing arrays of plain elements ---- */

typedef struct array {
  void *ptr;
  size_t len, cap, each; /* elements; bytes of one */
} array;

/* Room for `more` elements behind len; false when out of memory. New memory is not cleared. */
static bool array_reserve(const base_allocator *a, array *v, size_t more) {
  size_t need;
  if (!base_add_size(v->len, more, &need)) return false;
  if (need <= v->cap) return true;
  void *grown = base_grow(a, v->ptr, &v->cap, need, v->each);
  if (grown != NULL) v->ptr = grown;
  return grown != NULL;
}

static void array_free(const base_allocator *a, array *v) {
  base_free(a, v->ptr, v->cap * v->each);
}

/* ---- state ---- */

enum { NO_LINK = UINT32_MAX };

/* A distinct word; its symbols are symbol[start, start + len). */
typedef struct word {
  uint64_t hash;
  uint32_t start, len;
  uint64_t count; /* occurrences in the text */
} word;

/* A pair of neighbours; `words` is the head of a list of words that had it at some time. */
typedef struct pair_info {
  uint32_t pair;
  uint32_t words; /* link, NO_LINK at the end */
  uint64_t count;
} pair_info;

typedef struct link {
  uint32_t word, next;
} link;

typedef struct heap_entry {
  uint64_t count;
  uint32_t pair;
  uint32_t info; /* index into pairs */
} heap_entry;

/* An open-addressing table of indices + 1, at most half full. */
typedef struct table {
  uint32_t *slot;
  size_t slots;
} table;

typedef struct trainer {
  const base_allocator *a;
  array words, symbols; /* word; uint16_t */
  array pairs, links;   /* pair_info; link */
  array heap;           /* heap_entry */
  array fresh;          /* uint32_t: pairs first seen during this merge */
  table word_table, pair_table;
} trainer;

static word *words_of(const trainer *tr) {
  return tr->words.ptr;
}

static uint16_t *symbols_of(const trainer *tr) {
  return tr->symbols.ptr;
}

static pair_info *pairs_of(const trainer *tr) {
  return tr->pairs.ptr;
}

static uint64_t pair_hash(uint32_t pair) {
  uint64_t h = (pair + 1) * UINT64_C(0x9E3779B97F4A7C15);
  return h ^ (h >> 32);
}

/* Doubles a table that is about to be more than half full. `hash_of` gives an element's hash. */
static bool table_grow(trainer *tr, table *t, size_t len,
                       uint64_t (*hash_of)(const trainer *tr, size_t index)) {
  if (t->slots >= 2 * (len + 1)) return true;
  size_t slots = t->slots > 0 ? 2 * t->slots : 1024;
  uint32_t *slot = base_calloc(tr->a, slots, sizeof *slot);
  if (slot == NULL) return false;
  for (size_t i = 0; i < len; i++) {
    size_t at = (size_t)hash_of(tr, i) & (slots - 1);
    while (slot[at] != 0) at = (at + 1) & (slots - 1);
    slot[at] = (uint32_t)i + 1;
  }
  base_free(tr->a, t->slot, t->slots * sizeof *t->slot);
  t->slot = slot;
  t->slots = slots;
  return true;
}

static uint64_t hash_of_word(const trainer *tr, size_t index) {
  return words_of(tr)[index].hash;
}

static uint64_t hash_of_pair(const trainer *tr, size_t index) {
  return pair_hash(pairs_of(tr)[index].pair);
}

/* ---- counting words ---- */

static bool same_word(const trainer *tr, const word *w, uint64_t hash, const tok_piece *piece) {
  if (w->hash != hash || w->len != piece->len) return false;
  const uint16_t *s = symbols_of(tr) + w->start;
  for (size_t i = 0; i < piece->len; i++) {
    if (s[i] != TOK_FIRST_BYTE + piece->bytes[i]) return false;
  }
  return true;
}

static bool count_piece(trainer *tr, const tok_piece *piece) {
  uint64_t hash = base_hash(BASE_HASH_START, piece->bytes, piece->len);
  if (!table_grow(tr, &tr->word_table, tr->words.len, hash_of_word)) return false;
  size_t mask = tr->word_table.slots - 1, at = (size_t)hash & mask;
  for (; tr->word_table.slot[at] != 0; at = (at + 1) & mask) {
    word *w = &words_of(tr)[tr->word_table.slot[at] - 1];
    if (!same_word(tr, w, hash, piece)) continue;
    w->count++;
    return true;
  }
  if (tr->words.len >= UINT32_MAX - 1 || tr->symbols.len > UINT32_MAX - TOK_MAX_TOKEN_BYTES) return false;
  if (!array_reserve(tr->a, &tr->words, 1) || !array_reserve(tr->a, &tr->symbols, piece->len)) return false;
  words_of(tr)[tr->words.len] = (word){hash, (uint32_t)tr->symbols.len, (uint32_t)piece->len, 1};
  for (size_t i = 0; i < piece->len; i++) {
    symbols_of(tr)[tr->symbols.len++] = (uint16_t)(TOK_FIRST_BYTE + piece->bytes[i]);
  }
  tr->word_table.slot[at] = (uint32_t)++tr->words.len;
  return true;
}

static bool count_line(trainer *tr, base_slice line) {
  tok_walk walk = {line.ptr, line.len, 0, false};
  tok_unit unit;
  tok_piece piece;
  while (tok_walk_next(&walk, &unit)) {
    size_t at = unit.start;
    while (tok_piece_next(line.ptr, &at, &unit, &piece)) {
      if (!count_piece(tr, &piece)) return false;
    }
  }
  return true;
}

/* ---- the heap: larger count first, then the smaller pair ---- */

static bool heap_before(heap_entry x, heap_entry y) {
  return x.count != y.count ? x.count > y.count : x.pair < y.pair;
}

static bool heap_push(trainer *tr, heap_entry e) {
  if (!array_reserve(tr->a, &tr->heap, 1)) return false;
  heap_entry *h = tr->heap.ptr;
  size_t at = tr->heap.len++;
  while (at > 0 && heap_before(e, h[(at - 1) / 2])) {
    h[at] = h[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  h[at] = e;
  return true;
}

static heap_entry heap_pop(trainer *tr) {
  heap_entry *h = tr->heap.ptr, top = h[0], moving = h[--tr->heap.len];
  size_t at = 0, n = tr->heap.len;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= n) break;
    if (child + 1 < n && heap_before(h[child + 1], h[child])) child++;
    if (!heap_before(h[child], moving)) break;
    h[at] = h[child];
    at = child;
  }
  h[at] = moving;
  return top;
}

/* ---- counting pairs ---- */

/* The pair's entry, made when new; NULL when out of memory. Valid until the next call. */
static pair_info *pair_entry(trainer *tr, uint32_t pair) {
  if (!table_grow(tr, &tr->pair_table, tr->pairs.len, hash_of_pair)) return NULL;
  size_t mask = tr->pair_table.slots - 1, at = (size_t)pair_hash(pair) & mask;
  for (; tr->pair_table.slot[at] != 0; at = (at + 1) & mask) {
    pair_info *info = &pairs_of(tr)[tr->pair_table.slot[at] - 1];
    if (info->pair == pair) return info;
  }
  if (!array_reserve(tr->a, &tr->pairs, 1) || !array_reserve(tr->a, &tr->fresh, 1)) return NULL;
  ((uint32_t *)tr->fresh.ptr)[tr->fresh.len++] = (uint32_t)tr->pairs.len;
  pair_info *info = &pairs_of(tr)[tr->pairs.len];
  *info = (pair_info){pair, NO_LINK, 0};
  tr->pair_table.slot[at] = (uint32_t)++tr->pairs.len;
  return info;
}

static bool pair_add(trainer *tr, uint16_t left, uint16_t right, uint32_t word_index) {
  pair_info *info = pair_entry(tr, (uint32_t)left << 16 | right);
  if (info == NULL || !array_reserve(tr->a, &tr->links, 1)) return false;
  link *links = tr->links.ptr;
  info->count += words_of(tr)[word_index].count;
  if (info->words != NO_LINK && links[info->words].word == word_index) return true;
  if (tr->links.len >= NO_LINK) return false;
  links[tr->links.len] = (link){word_index, info->words};
  info->words = (uint32_t)tr->links.len++;
  return true;
}

static bool pair_remove(trainer *tr, uint16_t left, uint16_t right, uint32_t word_index) {
  pair_info *info = pair_entry(tr, (uint32_t)left << 16 | right);
  if (info == NULL) return false;
  info->count -= words_of(tr)[word_index].count;
  return true;
}

/* Pushes the pairs that were first seen since the last call. */
static bool push_fresh(trainer *tr) {
  for (size_t i = 0; i < tr->fresh.len; i++) {
    uint32_t index = ((uint32_t *)tr->fresh.ptr)[i];
    pair_info *info = &pairs_of(tr)[index];
    if (info->count >= 2 && !heap_push(tr, (heap_entry){info->count, info->pair, index})) return false;
  }
  tr->fresh.len = 0;
  return true;
}

static bool count_pairs(trainer *tr) {
  for (size_t i = 0; i < tr->words.len; i++) {
    word w = words_of(tr)[i];
    for (uint32_t k = 0; k + 1 < w.len; k++) {
      const uint16_t *s = symbols_of(tr) + w.start + k;
      if (!pair_add(tr, s[0], s[1], (uint32_t)i)) return false;
    }
  }
  return push_fresh(tr);
}

/* ---- merging ---- */

/* Replaces every left, right of a word by `merged`. All its pairs are taken back and counted anew: words are
 * short, and this has no special cases for runs like "aaa". */
static bool merge_in_word(trainer *tr, uint32_t index, uint16_t left, uint16_t right, uint16_t merged) {
  word *w = &words_of(tr)[index];
  uint16_t *s = symbols_of(tr) + w->start;
  uint32_t n = 0;
  bool found = false;
  for (uint32_t k = 0; k + 1 < w->len && !found; k++) found = s[k] == left && s[k + 1] == right;
  if (!found) return true; /* an old link */
  for (uint32_t k = 0; k + 1 < w->len; k++) {
    if (!pair_remove(tr, s[k], s[k + 1], index)) return false;
  }
  for (uint32_t k = 0; k < w->len; n++) {
    bool here = k + 1 < w->len && s[k] == left && s[k + 1] == right;
    s[n] = here ? merged : s[k];
    k += here ? 2 : 1;
  }
  w->len = n;
  for (uint32_t k = 0; k + 1 < n; k++) {
    if (!pair_add(tr, s[k], s[k + 1], index)) return false;
  }
  return true;
}

static bool merge_everywhere(trainer *tr, uint32_t info, uint16_t merged) {
  uint32_t pair = pairs_of(tr)[info].pair;
  for (uint32_t at = pairs_of(tr)[info].words; at != NO_LINK;) {
    link l = ((link *)tr->links.ptr)[at];
    if (!merge_in_word(tr, l.word, (uint16_t)(pair >> 16), (uint16_t)pair, merged)) return false;
    at = l.next;
  }
  return push_fresh(tr);
}

/* Another pair may make the same bytes ("a" + "bc", "ab" + "c"); the file format wants every token once. */
static bool token_exists(const tok_bpe *t, uint32_t left, uint32_t right) {
  base_slice a = tok_bpe_token(t, left), b = tok_bpe_token(t, right);
  for (uint32_t id = TOK_FIRST_MERGE; id < t->vocab; id++) {
    if (t->offset[id + 1] - t->offset[id] != a.len + b.len) continue;
    const char *p = (const char *)t->raw + t->offset[id];
    if (memcmp(p, a.ptr, a.len) == 0 && memcmp(p + a.len, b.ptr, b.len) == 0) return true;
  }
  return false;
}

/* Adds merges until the vocabulary is full or no pair occurs twice. False when out of memory. */
static bool learn(trainer *tr, tok_bpe *t) {
  while (t->vocab < t->max_vocab && tr->heap.len > 0) {
    heap_entry top = heap_pop(tr);
    uint64_t count = pairs_of(tr)[top.info].count;
    uint16_t left = (uint16_t)(top.pair >> 16), right = (uint16_t)top.pair;
    if (count < 2) continue;
    if (count != top.count) {
      if (!heap_push(tr, (heap_entry){count, top.pair, top.info})) return false;
      continue;
    }
    if (token_exists(t, left, right)) continue;
    if (!tok_bpe_add_merge(t, left, right)) continue;
    if (!merge_everywhere(tr, top.info, (uint16_t)(t->vocab - 1))) return false;
  }
  return true;
}

static void trainer_free(trainer *tr) {
  array *arrays[] = {&tr->words, &tr->symbols, &tr->pairs, &tr->links, &tr->heap, &tr->fresh};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) array_free(tr->a, arrays[i]);
  base_free(tr->a, tr->word_table.slot, tr->word_table.slots * sizeof *tr->word_table.slot);
  base_free(tr->a, tr->pair_table.slot, tr->pair_table.slots * sizeof *tr->pair_table.slot);
}

/* A copy of `from` in a block of the size its tokens need. */
static base_status shrink(tok_bpe **out, const tok_bpe *from, const base_allocator *a, base_error *err) {
  size_t merges = from->vocab - TOK_FIRST_MERGE;
  size_t bytes = from->offset[from->vocab] - from->offset[TOK_FIRST_MERGE];
  base_status status = tok_bpe_new(out, merges, bytes, a, err);
  if (status) return status;
  for (size_t i = 0; i < merges; i++)
    (void)tok_bpe_add_merge(*out, from->merge[i].left, from->merge[i].right);
  return BASE_OK;
}

base_status tok_bpe_train(tok_bpe **out, const base_slice *lines, size_t n_lines, size_t vocab,
                          const base_allocator *allocator, base_error *err) {
  *out = NULL;
  if (vocab < TOK_FIRST_MERGE || vocab > TOK_MAX_VOCAB) {
    return base_fail(err, BASE_EARGUMENT, "vocabulary", "%zu tokens asked for; %d to %d are possible", vocab,
                     (int)TOK_FIRST_MERGE, (int)TOK_MAX_VOCAB);
  }
  if (allocator == NULL) allocator = base_allocator_libc();
  trainer tr = {.a = allocator,
                .words.each = sizeof(word),
                .symbols.each = sizeof(uint16_t),
                .pairs.each = sizeof(pair_info),
                .links.each = sizeof(link),
                .heap.each = sizeof(heap_entry),
                .fresh.each = sizeof(uint32_t)};
  tok_bpe *big = NULL;
  size_t merges = vocab - TOK_FIRST_MERGE;
  base_status status = tok_bpe_new(&big, merges, merges * TOK_MAX_TOKEN_BYTES, allocator, err);
  if (status) goto done;
  bool ok = true;
  for (size_t i = 0; i < n_lines && ok; i++) ok = count_line(&tr, lines[i]);
  if (!ok || !count_pairs(&tr) || !learn(&tr, big)) {
    status =
        base_fail(err, BASE_ENOMEM, "vocabulary", "no memory to learn a vocabulary from %zu lines", n_lines);
    goto done;
  }
  status = shrink(out, big, allocator, err);
done:
  trainer_free(&tr);
  tok_bpe_close(big);
  return status;
}
