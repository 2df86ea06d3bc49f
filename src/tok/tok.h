/* tok: text to token ids. Byte-level BPE over lower-cased text with a case feature (our own trunks). */
#ifndef TOK_TOK_H
#define TOK_TOK_H

#include "base/base.h"
#include "gguf/gguf.h"

/* Our vocabulary: ids 0..3 are TOK_PAD, TOK_CLS, TOK_MASK, TOK_UNK (unused); then the 256 bytes, then merges
 * in rank order. At most TOK_MAX_VOCAB ids, so that one fits 16 bits. */
enum { TOK_PAD, TOK_CLS, TOK_MASK, TOK_UNK, TOK_FIRST_BYTE, TOK_FIRST_MERGE = TOK_FIRST_BYTE + 256 };
enum { TOK_MAX_VOCAB = 65535, TOK_MAX_TOKEN_BYTES = 64 };
enum { TOK_CASE_LOWER, TOK_CASE_TITLE, TOK_CASE_UPPER, TOK_CASE_COUNT };

/* A unit of text that is tagged as a whole: a run of letters (with inner apostrophes: "bob's" is "bob" +
 * "'s"), a run of digits, or one other character (an ideograph counts as such). White space separates units
 * and belongs to none. */
typedef struct tok_word {
  uint32_t start, end;  /* bytes in the text */
  uint32_t first_token; /* index into the tokens */
} tok_word;

typedef struct tok_result {
  /* the caller's arrays and their room */
  uint16_t *ids;
  uint8_t *cases; /* TOK_CASE_*, one a token; all tokens of a word have the same */
  size_t max_tokens;
  tok_word *words;
  size_t max_words;
  /* filled */
  size_t n_tokens, n_words; /* ids[0] is TOK_CLS */
  bool truncated;           /* did not fit: what is there is whole words */
} tok_result;

typedef struct tok_bpe tok_bpe;

/* Splits into words; no vocabulary needed. Returns how many (stops at max). Never fails: bytes that are not
 * UTF-8 are single words. first_token is 0. */
size_t tok_split(const char *text, size_t len, tok_word *words, size_t max_words);

/* From a GGUF file's `tokenizer.ggml.model` = "minnow-bpe", `tokenizer.ggml.tokens`, `tokenizer.ggml.merges`
 * (strings with GPT-2's printable stand-ins for bytes, so that they are UTF-8). A word that follows white
 * space or begins the text carries a leading space byte in BPE. The file may be closed afterwards. */
base_status tok_bpe_open(tok_bpe **out, const gguf_file *f, const base_allocator *allocator, base_error *err);
void tok_bpe_close(tok_bpe *t); /* NULL is harmless */
/* True when t was opened from a file with this file's vocabulary: packs of one trunk may then share t, which
 * takes a tenth of the time of opening another. */
bool tok_bpe_same(const tok_bpe *t, const gguf_file *f);
size_t tok_bpe_vocab(const tok_bpe *t);
uint64_t tok_bpe_fingerprint(const tok_bpe *t); /* equal for equal vocabularies */
/* True when the file says it holds this very vocabulary (`tokenizer.minnow.fingerprint`): it need not be read
 * again. */
bool tok_bpe_matches(const tok_bpe *t, const gguf_file *f);
void tok_bpe_save(const tok_bpe *t, gguf_writer *w); /* puts the four keys; failures stick in w */
/* No allocation. dropout in [0,1) skips merges at random (BPE-dropout, Provilkov et al. 2020) and needs rng;
 * 0 with NULL otherwise. */
void tok_bpe_encode(const tok_bpe *t, const char *text, size_t len, float dropout, base_rng *rng,
                    tok_result *out);
/* The bytes of a token (lower-cased text); special tokens give their names; an id out of range gives none. */
base_slice tok_bpe_token(const tok_bpe *t, uint32_t id);

/* Learns merges from lines of text (Sennrich et al. 2016) until `vocab` tokens, or fewer when no pair occurs
 * twice any more. Ties go to the smaller pair of ids. The same lines give the same vocabulary. */
base_status tok_bpe_train(tok_bpe **out, const base_slice *lines, size_t n_lines, size_t vocab,
                          const base_allocator *allocator, base_error *err);

#endif
