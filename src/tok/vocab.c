/* tok/vocab: the block of a vocabulary, its two hash tables, and what can be asked of it. Both tables probe linearly at
 * two thirds load and refuse a file that was made to collide, instead of letting it slow every request. */
#include "tok/vocab.h"

#include <string.h>

/* At two thirds load the longest probe is about ln(n) / 0.07: 190 for a million entries. */
enum { MAX_PROBE = 1024, ID_BITS = 20 };
#define ID_MASK ((UINT32_C(1) << ID_BITS) - 1)
#define FREE_SLOT UINT32_MAX

/* ---- building ---- */

static size_t slots_for(size_t n) {
  return n + n / 2 + 8;
}

static void lay_out(tok_vocab *v, base_arena *a, const tok_vocab_sizes *z) {
  v->n_slots = slots_for(z->n);
  v->n_pairs = z->n_merges > 0 ? slots_for(z->n_merges) : 0;
  v->offset = base_arena_take(a, z->n + 1, sizeof *v->offset);
  v->type = base_arena_take(a, z->n, sizeof *v->type);
  v->score = z->scores ? base_arena_take(a, z->n, sizeof *v->score) : NULL;
  v->order = z->orders ? base_arena_take(a, z->n, sizeof *v->order) : NULL;
  v->slot = base_arena_take(a, v->n_slots, sizeof *v->slot);
  v->pair = v->n_pairs > 0 ? base_arena_take(a, v->n_pairs, sizeof *v->pair) : NULL;
  v->merged = base_arena_take(a, z->n_merges, sizeof *v->merged);
  v->special = base_arena_take(a, z->n_special, sizeof *v->special);
  v->charsmap.unit = base_arena_take(a, z->charsmap_bytes, 1);
  v->blob = base_arena_take(a, z->blob_bytes, 1);
}

size_t tok_vocab_block_bytes(const tok_vocab_sizes *sizes) {
  tok_vocab counted = {0};
  base_arena a;
  base_arena_init(&a, NULL, 0);
  lay_out(&counted, &a, sizes);
  return a.overflow ? SIZE_MAX : a.used + sizeof counted;
}

base_status tok_vocab_new(tok_vocab **out, const tok_vocab_sizes *sizes, const char *name,
                          const base_allocator *allocator, base_error *err) {
  tok_vocab *v;
  base_arena a;
  *out = NULL;
  if (allocator == NULL) allocator = base_allocator_libc();
  if (sizes->n == 0 || sizes->n > TOK_MAX_VOCAB_TOKENS || sizes->blob_bytes > UINT32_MAX) {
    return base_fail(err, BASE_ELIMIT, name, "the vocabulary has %zu tokens; 1 to %d are read", sizes->n,
                     (int)TOK_MAX_VOCAB_TOKENS);
  }
  size_t block_bytes = tok_vocab_block_bytes(sizes);
  v = block_bytes == SIZE_MAX ? NULL : base_alloc(allocator, block_bytes);
  if (v == NULL) return base_fail(err, BASE_ENOMEM, name, "no memory for the vocabulary");
  *v = (tok_vocab){.allocator = *allocator, .block_bytes = block_bytes};
  base_arena_init(&a, v + 1, block_bytes - sizeof *v);
  lay_out(v, &a, sizes);
  v->offset[0] = 0;
  memset(v->slot, 0xFF, v->n_slots * sizeof *v->slot);
  if (v->n_pairs > 0) memset(v->pair, 0xFF, v->n_pairs * sizeof *v->pair);
  memset(v->byte_id, 0xFF, sizeof v->byte_id);
  tok_specials *s = &v->specials;
  s->bos = s->eos = s->eot = s->unk = s->sep = s->pad = s->cls = s->mask = TOK_NONE;
  s->fim_prefix = s->fim_suffix = s->fim_middle = TOK_NONE;
  *out = v;
  return BASE_OK;
}

void tok_vocab_close(tok_vocab *v) {
  if (v == NULL) return;
  base_allocator allocator = v->allocator;
  base_free(&allocator, v, v->block_bytes);
}

void tok_vocab_add(tok_vocab *v, const void *bytes, size_t len, tok_type type) {
  uint32_t start = v->offset[v->n];
  if (len > 0) memcpy(v->blob + start, bytes, len);
  v->type[v->n] = (uint8_t)type;
  v->offset[++v->n] = start + (uint32_t)len;
}

/* ---- text -> id ---- */

/* FNV's high bits know little of the last bytes; this spreads them. */
static uint64_t spread(uint64_t h) {
  h ^= h >> 32;
  h *= UINT64_C(0xD6E8FEB86659FD93);
  return h ^ h >> 29;
}

static size_t place_of(uint64_t h, size_t slots) {
  return (size_t)(((h >> 32) * slots) >> 32);
}

static uint64_t hash_of(const char *bytes, size_t len) {
  uint64_t h = TOK_HASH_START;
  for (size_t i = 0; i < len; i++) h = tok_hash_step(h, (unsigned char)bytes[i]);
  return h;
}

/* Tokens are short: a call costs more than the comparison. */
static bool same_bytes(const char *a, const char *b, size_t len) {
  if (len > 16) return memcmp(a, b, len) == 0;
  for (size_t i = 0; i < len; i++) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

/* The slot that holds these bytes, or the free one where they belong; n_slots when the probe gets too long. */
static size_t find_slot(const tok_vocab *v, uint64_t hash, const char *bytes, size_t len) {
  uint64_t h = spread(hash);
  uint32_t tag = (uint32_t)(h & 0xFFF);
  size_t i = place_of(h, v->n_slots);
  for (int probe = 0; probe < MAX_PROBE; probe++) {
    uint32_t s = v->slot[i];
    if (s == FREE_SLOT) return i;
    if (s >> ID_BITS == tag) {
      uint32_t id = s & ID_MASK, start = v->offset[id];
      if (v->offset[id + 1] - start == len && same_bytes((const char *)v->blob + start, bytes, len)) return i;
    }
    if (++i == v->n_slots) i = 0;
  }
  return v->n_slots;
}

bool tok_vocab_index(tok_vocab *v, uint32_t id) {
  const char *bytes = (const char *)v->blob + v->offset[id];
  size_t len = v->offset[id + 1] - v->offset[id];
  if (len == 0) return true;
  uint64_t hash = hash_of(bytes, len);
  size_t i = find_slot(v, hash, bytes, len);
  if (i == v->n_slots) return false;
  if (v->slot[i] == FREE_SLOT) v->slot[i] = (uint32_t)(spread(hash) & 0xFFF) << ID_BITS | id;
  if (len > v->max_piece) v->max_piece = len;
  return true;
}

uint32_t tok_vocab_lookup(const tok_vocab *v, uint64_t hash, const char *bytes, size_t len) {
  size_t i = find_slot(v, hash, bytes, len);
  return i == v->n_slots || v->slot[i] == FREE_SLOT ? TOK_NONE : v->slot[i] & ID_MASK;
}

uint32_t tok_vocab_find(const tok_vocab *v, base_slice bytes) {
  if (bytes.len == 0 || bytes.len > v->max_piece) return TOK_NONE;
  return tok_vocab_lookup(v, hash_of(bytes.ptr, bytes.len), bytes.ptr, bytes.len);
}

/* ---- merges ---- */

static size_t find_pair(const tok_vocab *v, uint32_t left, uint32_t right) {
  uint64_t h = spread(((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15));
  size_t i = place_of(h, v->n_pairs);
  for (int probe = 0; probe < MAX_PROBE; probe++) {
    const tok_pair_entry *p = &v->pair[i];
    if (p->left == TOK_NONE || (p->left == left && p->right == right)) return i;
    if (++i == v->n_pairs) i = 0;
  }
  return v->n_pairs;
}

bool tok_vocab_add_merge(tok_vocab *v, uint32_t left, uint32_t right, uint32_t merged) {
  size_t i = find_pair(v, left, right);
  if (i == v->n_pairs) return false;
  if (v->pair[i].left == TOK_NONE) v->pair[i] = (tok_pair_entry){left, right, (uint32_t)v->n_merges};
  v->merged[v->n_merges++] = merged;
  return true;
}

uint32_t tok_vocab_rank(const tok_vocab *v, uint32_t left, uint32_t right) {
  if (v->n_pairs == 0) return TOK_NONE;
  size_t i = find_pair(v, left, right);
  return i == v->n_pairs || v->pair[i].left == TOK_NONE ? TOK_NONE : v->pair[i].rank;
}

/* ---- special tokens ---- */

static bool piece_before(const void *vocab, uint32_t a, uint32_t b) {
  return base_slice_compare(tok_vocab_piece(vocab, a), tok_vocab_piece(vocab, b)) < 0;
}

void tok_vocab_sort_specials(tok_vocab *v) {
  uint32_t *ids = v->special;
  size_t n = v->n_special;
  base_sort_u32(ids, n, piece_before, v);
  for (size_t i = 0; i < n; i++) {
    unsigned char first = v->blob[v->offset[ids[i]]];
    v->special_first[first / 8] |= (uint8_t)(1U << first % 8);
  }
}

uint32_t tok_vocab_special(const tok_vocab *v, base_slice name) {
  size_t low = 0, high = v->n_special;
  while (low < high) {
    size_t mid = (low + high) / 2;
    base_slice at = tok_vocab_piece(v, v->special[mid]);
    int order = memcmp(at.ptr, name.ptr, at.len < name.len ? at.len : name.len);
    if (order == 0 && at.len == name.len) return v->special[mid];
    if (order < 0 || (order == 0 && at.len < name.len)) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return TOK_NONE;
}

/* The first of these names that is a special token, for files that do not list the id. */
void tok_vocab_find_named(const tok_vocab *v, const char *const *names, uint32_t *id) {
  for (; *names != NULL && *id == TOK_NONE; names++) *id = tok_vocab_special(v, base_slice_of(*names));
}

/* Files do not list these ids; by their names they are known. */
static void find_by_names(tok_vocab *v) {
  static const char *const eot[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|EOT|>", NULL};
  static const char *const prefix[] = {"<|fim_prefix|>",
                                       "<fim_prefix>",
                                       "<fim-prefix>",
                                       "<PRE>",
                                       " <PRE>",
                                       "<\xEF\xBD\x9C"
                                       "fim\xE2\x96\x81"
                                       "begin\xEF\xBD\x9C>",
                                       NULL};
  static const char *const suffix[] = {"<|fim_suffix|>",
                                       "<fim_suffix>",
                                       "<fim-suffix>",
                                       "<SUF>",
                                       " <SUF>",
                                       "<\xEF\xBD\x9C"
                                       "fim\xE2\x96\x81hole\xEF\xBD\x9C>",
                                       NULL};
  static const char *const middle[] = {"<|fim_middle|>",
                                       "<fim_middle>",
                                       "<fim-middle>",
                                       "<MID>",
                                       " <MID>",
                                       "<\xEF\xBD\x9C"
                                       "fim\xE2\x96\x81"
                                       "end\xEF\xBD\x9C>",
                                       NULL};
  tok_vocab_find_named(v, eot, &v->specials.eot);
  tok_vocab_find_named(v, prefix, &v->specials.fim_prefix);
  tok_vocab_find_named(v, suffix, &v->specials.fim_suffix);
  tok_vocab_find_named(v, middle, &v->specials.fim_middle);
}

static void add_eog(tok_vocab *v, uint32_t id) {
  tok_specials *s = &v->specials;
  if (id != TOK_NONE && s->n_eog < TOK_MAX_EOG && !tok_vocab_is_eog(v, id)) s->eog[s->n_eog++] = id;
}

/* With the names of the tokens by which the families end a turn or a text: no file lists them all. */
void tok_vocab_find_markers(tok_vocab *v) {
  static const char *const names[] = {"<|eot_id|>",
                                      "<|eom_id|>",
                                      "<|im_end|>",
                                      "<|end|>",
                                      "<end_of_turn>",
                                      "<|endoftext|>",
                                      "<|end_of_text|>",
                                      "<EOT>",
                                      "_<EOT>",
                                      "<|EOT|>",
                                      "</s>",
                                      "<eos>",
                                      "[EOT]",
                                      "[EOS]",
                                      "<|END_OF_TURN_TOKEN|>",
                                      "<end_of_utterance>",
                                      ("<\xEF\xBD\x9C"
                                       "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>")};
  find_by_names(v);
  add_eog(v, v->specials.eos);
  add_eog(v, v->specials.eot);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    add_eog(v, tok_vocab_special(v, base_slice_of(names[i])));
}

/* ---- questions ---- */

size_t tok_vocab_size(const tok_vocab *v) {
  return v->n;
}

base_slice tok_vocab_piece(const tok_vocab *v, uint32_t id) {
  if (id >= v->n) return (base_slice){"", 0};
  return (base_slice){(const char *)v->blob + v->offset[id], v->offset[id + 1] - v->offset[id]};
}

tok_type tok_vocab_type(const tok_vocab *v, uint32_t id) {
  return id < v->n ? (tok_type)(v->type[id] & ~TOK_STRIP) : TOK_TYPE_UNUSED;
}

const tok_specials *tok_vocab_specials(const tok_vocab *v) {
  return &v->specials;
}

bool tok_vocab_is_eog(const tok_vocab *v, uint32_t id) {
  for (size_t i = 0; i < v->specials.n_eog; i++) {
    if (v->specials.eog[i] == id) return true;
  }
  return false;
}
