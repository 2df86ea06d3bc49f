/* tok/bpe: the vocabulary in memory and greedy encoding: in each word the pair with the lowest rank is merged
 * until none is left. Words are short, so the next pair is found by looking at all of them. */
#include "tok/bpe.h"

#include "tok/split.h"

#include <string.h>

/* No vocabulary that was trained comes near this; a file made to collide is refused instead of slowing every
 * request (at half load the longest probe is about ln(n) / 0.19, so 57 of 65,000). */
enum { MAX_PROBE = 256 };

static const char *const special_name[TOK_FIRST_BYTE] = {"<pad>", "<cls>", "<mask>", "<unk>"};

static uint32_t pair_of(uint32_t left, uint32_t right) {
  return left << 16 | right;
}

/* Fibonacci hashing: the high bits of a product with 2^32 / golden ratio. */
static size_t slot_of(const tok_bpe *t, uint32_t pair) {
  return (size_t)((pair * UINT32_C(0x9E3779B1)) >> t->slot_shift);
}

/* The id of the token that merges this pair; 0 when there is none. */
static uint32_t find_merge(const tok_bpe *t, uint32_t left, uint32_t right) {
  uint32_t pair = pair_of(left, right);
  for (size_t i = slot_of(t, pair);; i = (i + 1) & t->slot_mask) {
    if (t->slot[i].id == 0) return 0;
    if (t->slot[i].pair == pair) return t->slot[i].id;
  }
}

/* ---- building ---- */

static void lay_out(tok_bpe *t, base_arena *arena, size_t merges, size_t raw_size) {
  size_t slots = 512;
  unsigned shift = 32 - 9;
  while (slots < 2 * merges) {
    slots *= 2;
    shift--;
  }
  t->max_vocab = TOK_FIRST_MERGE + merges;
  t->slot_shift = shift;
  t->slot_mask = slots - 1;
  t->raw_size = raw_size;
  t->slot = base_arena_take(arena, slots, sizeof *t->slot);
  t->offset = base_arena_take(arena, t->max_vocab + 1, sizeof *t->offset);
  t->merge = base_arena_take(arena, merges, sizeof *t->merge);
  t->raw = base_arena_take(arena, raw_size, 1);
}

static void add_token(tok_bpe *t, const void *bytes, size_t len) {
  uint32_t start = t->offset[t->vocab];
  memcpy(t->raw + start, bytes, len);
  t->offset[++t->vocab] = start + (uint32_t)len;
}

base_status tok_bpe_new(tok_bpe **out, size_t merges, size_t merge_bytes, const base_allocator *allocator,
                        base_error *err) {
  *out = NULL;
  if (allocator == NULL) allocator = base_allocator_libc();
  if (merges > TOK_MAX_VOCAB - TOK_FIRST_MERGE || merge_bytes > merges * TOK_MAX_TOKEN_BYTES) {
    return base_fail(err, BASE_ELIMIT, "tokenizer", "a vocabulary has at most %d tokens", (int)TOK_MAX_VOCAB);
  }
  size_t raw_size = 256 + merge_bytes;
  for (int i = 0; i < TOK_FIRST_BYTE; i++) raw_size += strlen(special_name[i]);

  tok_bpe plan = {.allocator = *allocator};
  base_arena arena;
  base_arena_init(&arena, NULL, 0);
  (void)base_arena_take(&arena, 1, sizeof plan);
  lay_out(&plan, &arena, merges, raw_size);
  size_t block_bytes = arena.used;
  void *block = base_calloc(allocator, block_bytes, 1);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "tokenizer", "no memory for the vocabulary");
  memcpy(block, &plan,
         sizeof plan); /* the struct lies at the block's start, wherever the arena aligns the rest */
  tok_bpe *t = block;
  base_arena_init(&arena, (char *)block + sizeof plan, block_bytes - sizeof plan);
  lay_out(t, &arena, merges, raw_size);
  t->block_bytes = block_bytes;
  for (int i = 0; i < TOK_FIRST_BYTE; i++) add_token(t, special_name[i], strlen(special_name[i]));
  for (int i = 0; i < 256; i++) add_token(t, &(unsigned char){(unsigned char)i}, 1);
  *out = t;
  return BASE_OK;
}

bool tok_bpe_add_merge(tok_bpe *t, uint32_t left, uint32_t right) {
  base_slice a = tok_bpe_token(t, left), b = tok_bpe_token(t, right);
  unsigned char joined[TOK_MAX_TOKEN_BYTES];
  if (t->vocab == t->max_vocab || a.len + b.len > sizeof joined) return false;
  if (a.len + b.len > t->raw_size - t->offset[t->vocab]) return false;
  uint32_t pair = pair_of(left, right);
  size_t i = slot_of(t, pair);
  for (int probe = 0; t->slot[i].id != 0; probe++) {
    if (t->slot[i].pair == pair || probe == MAX_PROBE) return false;
    i = (i + 1) & t->slot_mask;
  }
  t->slot[i] = (tok_pair_slot){pair, (uint32_t)t->vocab};
  t->merge[t->vocab - TOK_FIRST_MERGE] = (tok_pair){(uint16_t)left, (uint16_t)right};
  memcpy(joined, a.ptr, a.len);
  memcpy(joined + a.len, b.ptr, b.len);
  add_token(t, joined, a.len + b.len);
  return true;
}

void tok_bpe_close(tok_bpe *t) {
  if (t == NULL) return;
  base_allocator allocator = t->allocator;
  base_free(&allocator, t, t->block_bytes);
}

/* ---- looking ---- */

size_t tok_bpe_vocab(const tok_bpe *t) {
  return t->vocab;
}

base_slice tok_bpe_token(const tok_bpe *t, uint32_t id) {
  if (id >= t->vocab) return (base_slice){NULL, 0};
  return (base_slice){(const char *)t->raw + t->offset[id], t->offset[id + 1] - t->offset[id]};
}

/* The merges say everything: the tokens before them are fixed and those after are made of them. */
uint64_t tok_bpe_fingerprint(const tok_bpe *t) {
  uint64_t h = BASE_HASH_START;
  for (size_t i = 0; i < t->vocab - TOK_FIRST_MERGE; i++) {
    unsigned char bytes[4] = {
        (unsigned char)(t->merge[i].left & 0xFF), (unsigned char)(t->merge[i].left >> 8),
        (unsigned char)(t->merge[i].right & 0xFF), (unsigned char)(t->merge[i].right >> 8)};
    h = base_hash(h, bytes, sizeof bytes);
  }
  return h;
}

/* ---- encoding ---- */

/* The symbols of one piece. rank[i] is the id that symbols i and i + 1 would merge to, or UINT32_MAX. */
typedef struct symbols {
  size_t n;
  uint32_t id[TOK_MAX_TOKEN_BYTES];
  uint32_t rank[TOK_MAX_TOKEN_BYTES];
} symbols;

static void rank_pair(const tok_bpe *t, symbols *s, size_t i) {
  uint32_t id = i + 1 < s->n ? find_merge(t, s->id[i], s->id[i + 1]) : 0;
  s->rank[i] = id != 0 ? id : UINT32_MAX;
}

static void merge_at(const tok_bpe *t, symbols *s, size_t i) {
  s->id[i] = s->rank[i];
  s->n--;
  for (size_t j = i + 1; j < s->n; j++) {
    s->id[j] = s->id[j + 1];
    s->rank[j] = s->rank[j + 1];
  }
  rank_pair(t, s, i);
  if (i > 0) rank_pair(t, s, i - 1);
}

static void encode_piece(const tok_bpe *t, const tok_piece *piece, float dropout, base_rng *rng, symbols *s) {
  s->n = piece->len;
  for (size_t i = 0; i < s->n; i++) s->id[i] = (uint32_t)(TOK_FIRST_BYTE + piece->bytes[i]);
  for (size_t i = 0; i < s->n; i++) rank_pair(t, s, i);
  for (;;) {
    uint32_t best = UINT32_MAX;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < s->n; i++) {
      if (s->rank[i] >= best) continue;
      if (dropout > 0.0F && base_rng_unit(rng) < dropout) continue;
      best = s->rank[i];
      best_at = i;
    }
    if (best == UINT32_MAX) return;
    merge_at(t, s, best_at);
  }
}

/* Appends a word's tokens; false, with nothing appended, when they do not fit. */
static bool encode_word(const tok_bpe *t, const char *text, const tok_unit *unit, float dropout,
                        base_rng *rng, tok_result *out) {
  size_t n = out->n_tokens, at = unit->start;
  uint8_t word_case = tok_case_of(text + unit->start, unit->end - unit->start);
  tok_piece piece;
  symbols s;
  while (tok_piece_next(text, &at, unit, &piece)) {
    encode_piece(t, &piece, dropout, rng, &s);
    if (s.n > out->max_tokens - n) return false;
    for (size_t i = 0; i < s.n; i++, n++) {
      out->ids[n] = (uint16_t)s.id[i];
      out->cases[n] = word_case;
    }
  }
  out->words[out->n_words++] =
      (tok_word){(uint32_t)unit->start, (uint32_t)unit->end, (uint32_t)out->n_tokens};
  out->n_tokens = n;
  return true;
}

void tok_bpe_encode(const tok_bpe *t, const char *text, size_t len, float dropout, base_rng *rng,
                    tok_result *out) {
  tok_walk walk = {text, len < UINT32_MAX ? len : UINT32_MAX, 0, false};
  tok_unit unit;
  out->n_words = 0;
  out->n_tokens = 0;
  out->truncated = out->max_tokens == 0;
  if (out->truncated) return;
  out->ids[0] = TOK_CLS;
  out->cases[0] = TOK_CASE_LOWER;
  out->n_tokens = 1;
  while (tok_walk_next(&walk, &unit)) {
    if (out->n_words == out->max_words || !encode_word(t, text, &unit, dropout, rng, out)) {
      out->truncated = true;
      return;
    }
  }
}
