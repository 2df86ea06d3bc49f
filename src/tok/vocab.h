/* tok/vocab: a vocabulary as it lies in memory: one block, flat arrays, two hash tables. Private to the room.
 */
#ifndef TOK_VOCAB_H
#define TOK_VOCAB_H

#include "tok/presplit.h"
#include "tok/tok.h"

/* In `type`: white space behind this special token belongs to it. */
enum { TOK_STRIP = 0x80 };

/* Two tokens that merge; the index of the merge is its rank. Linear probing. */
typedef struct tok_pair_entry {
  uint32_t left, right; /* left TOK_NONE: free */
  uint32_t rank;
} tok_pair_entry;

/* A double array of precompiled normalisation rules (SentencePiece's precompiled_charsmap). */
typedef struct tok_charsmap {
  uint32_t *unit;
  size_t n_units;
  const char *text; /* 0-terminated replacements */
  size_t text_len;
} tok_charsmap;

struct tok_vocab {
  base_allocator allocator;
  size_t block_bytes;
  tok_kind kind;
  const tok_rule *rule; /* BPE */
  tok_specials specials;
  bool trim_spaces; /* unigram: runs of spaces are one */
  uint32_t n;
  uint32_t *offset; /* n + 1: token i is blob[offset[i], offset[i + 1]) */
  uint8_t *type;    /* n: tok_type, with TOK_STRIP */
  float *score;     /* n, for SPM and unigram; NULL otherwise */
  uint32_t *order;  /* n, for SPM: smaller merges first */
  unsigned char *blob;
  uint32_t *slot; /* text -> id: tag << 20 | id */
  size_t n_slots;
  tok_pair_entry *pair;
  size_t n_pairs;   /* slots */
  uint32_t *merged; /* rank -> id */
  size_t n_merges;
  uint32_t byte_id[256]; /* TOK_NONE where a byte has no token */
  uint32_t *special;     /* ids of control, user-defined and unknown tokens, sorted by name */
  size_t n_special;
  uint8_t special_first[32]; /* a bit for each first byte of their names */
  size_t max_piece;          /* bytes of the longest token that has a slot */
  float unknown_score;       /* unigram */
  tok_charsmap charsmap;     /* unigram; no units: none */
};

/* What a vocabulary needs, for the block. */
typedef struct tok_vocab_sizes {
  size_t n, blob_bytes, n_merges, n_special, charsmap_bytes;
  bool scores, orders;
} tok_vocab_sizes;

size_t tok_vocab_block_bytes(const tok_vocab_sizes *sizes); /* what tok_vocab_new takes; SIZE_MAX: too much */
base_status tok_vocab_new(tok_vocab **out, const tok_vocab_sizes *sizes, const char *name,
                          const base_allocator *allocator, base_error *err);
/* Tokens are added in order of their ids. */
void tok_vocab_add(tok_vocab *v, const void *bytes, size_t len, tok_type type);
/* Files the token under its bytes; the first of equal ones keeps the place. False when the table was made to
 * collide. */
bool tok_vocab_index(tok_vocab *v, uint32_t id);
/* Appends the merge of the next rank; false when the table was made to collide. A pair that is there already
 * keeps its rank. */
bool tok_vocab_add_merge(tok_vocab *v, uint32_t left, uint32_t right, uint32_t merged);
void tok_vocab_sort_specials(tok_vocab *v);
/* The first of these names (up to NULL) that is a special token, when *id is TOK_NONE. */
void tok_vocab_find_named(const tok_vocab *v, const char *const *names, uint32_t *id);
/* Fills what files leave out: eot and the fim ids by their names, eog from eos, eot and names. Specials are
 * sorted. */
void tok_vocab_find_markers(tok_vocab *v);

/* ---- hash of bytes, byte by byte, so that all prefixes of a text are hashed in one walk ---- */

#define TOK_HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t tok_hash_step(uint64_t h, unsigned char byte) {
  return (h ^ byte) * UINT64_C(0x100000001b3);
}

/* The id of a text whose bytes have this hash; TOK_NONE when there is none. */
uint32_t tok_vocab_lookup(const tok_vocab *v, uint64_t hash, const char *bytes, size_t len);
/* The rank of a merge; TOK_NONE when these do not merge. */
uint32_t tok_vocab_rank(const tok_vocab *v, uint32_t left, uint32_t right);

/* ---- encoding ---- */

/* Where ids go; those beyond the room are only counted. */
typedef struct tok_sink {
  uint32_t *ids;
  size_t room, n;
} tok_sink;

static inline void tok_emit(tok_sink *out, uint32_t id) {
  if (out->n < out->room) out->ids[out->n] = id;
  out->n++;
}

/* At least `bytes` in the scratch, contents lost; NULL when out of memory. */
void *tok_scratch_take(tok_scratch *s, size_t bytes);

/* Unigram: the bytes of the file's precompiled_charsmap, and that map and the score of unknown characters
 * read. */
size_t tok_unigram_charsmap_bytes(const gguf_file *f);
base_status tok_unigram_prepare(tok_vocab *v, const gguf_file *f, base_error *err);

/* Bytes of scratch for one piece of text of len bytes. */
size_t tok_merge_bytes(size_t len);
size_t tok_spm_bytes(size_t len);
size_t tok_wordpiece_bytes(const tok_vocab *v, size_t len);
size_t tok_unigram_bytes(const tok_vocab *v, size_t len);

/* Merges one piece of byte-level BPE, or a whole SentencePiece text (spaces for U+2581), in memory of
 * tok_merge_bytes(len). */
void tok_merge(const tok_vocab *v, void *memory, const char *text, size_t len, tok_sink *out);
/* Each encodes text between two special tokens; false when the scratch cannot grow. */
bool tok_encode_spm(const tok_vocab *v, tok_scratch *s, const char *text, size_t len, bool prefix,
                    tok_sink *out);
bool tok_encode_wordpiece(const tok_vocab *v, tok_scratch *s, const char *text, size_t len, tok_sink *out);
bool tok_encode_unigram(const tok_vocab *v, tok_scratch *s, const char *text, size_t len, bool prefix,
                        tok_sink *out);

#endif
