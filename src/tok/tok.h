/* tok: text to token ids. First byte-level BPE over lower-cased text with a case feature (our own trunks),
 * then the vocabularies of other people's models. */
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

/* ---- vocabularies that people's models bring ----
 *
 * tok_vocab is read from the metadata of a GGUF file (`tokenizer.ggml.*`) or from a file of byte-pair ranks,
 * and is immutable: threads may share one, each with a tok_scratch of its own. Ids are 32 bits. Nothing of
 * the file is borrowed; it may be closed afterwards. */

typedef enum tok_kind {
  TOK_KIND_BPE,       /* "gpt2": byte-level BPE behind a pre-split rule (Radford et al. 2019) */
  TOK_KIND_SPM,       /* "llama": SentencePiece BPE: merges by score, bytes for unknown characters */
  TOK_KIND_UNIGRAM,   /* "t5": SentencePiece unigram (Kudo 2018), best segmentation by Viterbi */
  TOK_KIND_WORDPIECE, /* "bert": greedy longest match in each word (Devlin et al. 2019), uncased */
} tok_kind;

/* What a token is; numbers as in `tokenizer.ggml.token_type`. */
typedef enum tok_type {
  TOK_TYPE_NORMAL = 1,
  TOK_TYPE_UNKNOWN,
  TOK_TYPE_CONTROL, /* shapes the prompt; never shown */
  TOK_TYPE_USER,    /* added later: found in any text before it is split further */
  TOK_TYPE_UNUSED,
  TOK_TYPE_BYTE, /* one byte, for characters that have no token */
} tok_type;

#define TOK_NONE UINT32_MAX
enum { TOK_MAX_EOG = 32, TOK_MAX_VOCAB_TOKENS = (1 << 20) - 1, TOK_MAX_PIECE_BYTES = 1024 };

/* Ids with a meaning; TOK_NONE where there is none. For WordPiece bos is [CLS] and eos is [SEP]. */
typedef struct tok_specials {
  uint32_t bos, eos, eot, unk, sep, pad, cls, mask;
  uint32_t fim_prefix, fim_suffix, fim_middle;
  bool add_bos, add_eos;     /* what TOK_ADD_SPECIAL adds */
  bool add_space_prefix;     /* SentencePiece: text begins as if a space stood before it */
  uint32_t eog[TOK_MAX_EOG]; /* each ends a generation: eos, eot and their kin */
  size_t n_eog;
} tok_specials;

typedef struct tok_vocab tok_vocab;

/* Errors name the key or token: EFORMAT for contradictions, EUNSUPPORTED for a tokenizer model or a pre-split
 * rule that is not known. 8,192 tokens open in under a millisecond, 128,000 in some tens. */
base_status tok_vocab_open(tok_vocab **out, const gguf_file *f, const base_allocator *allocator,
                           base_error *err);
/* What that takes of its allocator, from the counts in the file alone; 0 for a file that it would refuse by them. */
size_t tok_vocab_bytes(const gguf_file *f);
/* From the lines "base64 rank" of tiktoken's rank files: byte-level BPE in which any two tokens merge whose
 * bytes together are a token, lowest rank first. `rule` is a pre-split rule ("llama-bpe"); the control tokens
 * `special` get the ids that follow the ranks, bos and eos among them by their names. `name` is used in
 * errors. All is copied. */
base_status tok_vocab_open_ranks(tok_vocab **out, base_slice file, const char *name, const char *rule,
                                 const base_slice *special, size_t n_special, const base_allocator *allocator,
                                 base_error *err);
void tok_vocab_close(tok_vocab *v); /* NULL is harmless */

size_t tok_vocab_size(const tok_vocab *v); /* ids are 0 .. size - 1 */
/* The bytes that a token stands for in text: with the space of SentencePiece's U+2581, the byte of a byte
 * token, WordPiece's word start as a space. A control token gives its name, "<s>". Not always UTF-8. Empty
 * when out of range. Valid as long as v. */
base_slice tok_vocab_piece(const tok_vocab *v, uint32_t id);
tok_type tok_vocab_type(const tok_vocab *v, uint32_t id); /* UNUSED when out of range */
const tok_specials *tok_vocab_specials(const tok_vocab *v);
bool tok_vocab_is_eog(const tok_vocab *v, uint32_t id);
/* The control, user-defined or unknown token of this name; TOK_NONE when there is none. */
uint32_t tok_vocab_special(const tok_vocab *v, base_slice name);
/* The normal token that has exactly these bytes; TOK_NONE when there is none. */
uint32_t tok_vocab_find(const tok_vocab *v, base_slice bytes);

/* ---- encoding ---- */

enum {
  TOK_ADD_SPECIAL = 1,   /* bos and eos as the vocabulary asks */
  TOK_PARSE_SPECIAL = 2, /* names of control tokens in the text are those tokens; else they are text */
  TOK_CONTINUE = 4       /* the text goes on from other text: no SentencePiece space before it */
};

/* Working memory that grows to the longest word seen (SentencePiece, unigram: the longest text) and is used
 * again. Zero-initialised; one a thread. */
typedef struct tok_scratch {
  const base_allocator *allocator; /* NULL: libc */
  unsigned char *block;
  size_t bytes;
} tok_scratch;
void tok_scratch_free(tok_scratch *s);
/* Makes room for texts of up to text_len bytes, so that encoding them allocates nothing (unigram: unless the file's
 * normalisation makes them more than four times as long). */
base_status tok_scratch_reserve(tok_scratch *s, const tok_vocab *v, size_t text_len, base_error *err);

/* A stretch of text from someone who may not write control tokens: with TOK_PARSE_SPECIAL no token that is
 * control or looks like markup is recognised in it or across its border. */
typedef struct tok_span {
  size_t start, end;
} tok_span;

typedef struct tok_input {
  const char *text; /* any bytes; what is no UTF-8 becomes byte tokens or unk, never an error */
  size_t len;
  unsigned flags;
  const tok_span *untrusted; /* sorted, disjoint, inside the text */
  size_t n_untrusted;
} tok_input;

/* More ids than this never come of len bytes. */
size_t tok_encode_bound(const tok_vocab *v, size_t len);
/* Writes at most `room` ids; *n is how many the text has. ELIMIT when they do not fit (ids may be NULL with
 * room 0, to count), ENOMEM when the scratch cannot grow. Time is len * log(len) at most. */
base_status tok_encode(const tok_vocab *v, tok_scratch *s, const tok_input *in, uint32_t *ids, size_t room,
                       size_t *n, base_error *err);

/* ---- decoding ---- */

/* The bytes of a whole sequence, control tokens left out, appended to `out` (its failure is sticky). For
 * vocabularies with all bytes this gives back exactly what was encoded. */
void tok_decode(const tok_vocab *v, const uint32_t *ids, size_t n, base_buf *out);

/* Decodes token by token and never hands out a part of a character: its bytes wait until they are complete;
 * bytes that can be no UTF-8 come out as U+FFFD. */
typedef struct tok_stream {
  const tok_vocab *v;
  bool at_start; /* SentencePiece: the next text loses the space that encoding put before it */
  bool show_control;
  unsigned char held[4];
  size_t n_held;
  char out[3 * (TOK_MAX_PIECE_BYTES + 4)];
} tok_stream;
/* at_start: the first token begins a text, rather than going on after other text. */
void tok_stream_init(tok_stream *s, const tok_vocab *v, bool at_start);
/* What this token completes, maybe nothing; valid until the next call. */
base_slice tok_stream_next(tok_stream *s, uint32_t id);
base_slice tok_stream_finish(tok_stream *s); /* what still waited, as U+FFFD */

#endif
