/* convert/vocab: a tokenizer between formats: tokens with scores and types, merges, special tokens. Read from
 * tokenizer.json or tokenizer.model and what stands beside them; put into GGUF; written back from GGUF. */
#ifndef CONVERT_VOCAB_H
#define CONVERT_VOCAB_H

#include <jansson.h>

#include "gguf/gguf.h"

enum { CONVERT_MAX_TOKENS = 1 << 20, CONVERT_MAX_TOKENIZER = 64 << 20 };

/* tokenizer.ggml.token_type */
enum { TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE };

typedef struct convert_token {
  size_t at, len; /* in text; len SIZE_MAX: an id that nothing has claimed yet */
  float score;
  int32_t type;
} convert_token;

/* The special tokens of tokenizer_config.json and their keys in GGUF. */
#define CONVERT_SPECIALS(X)                 \
  X(BOS, "bos_token", "bos_token_id")       \
  X(EOS, "eos_token", "eos_token_id")       \
  X(UNK, "unk_token", "unknown_token_id")   \
  X(PAD, "pad_token", "padding_token_id")   \
  X(SEP, "sep_token", "seperator_token_id") \
  X(CLS, "cls_token", "cls_token_id")       \
  X(MASK, "mask_token", "mask_token_id")

enum {
#define X(id, hf, gguf) SPECIAL_##id,
  CONVERT_SPECIALS(X)
#undef X
      SPECIALS
};

typedef struct convert_vocab {
  const char *model; /* "gpt2", "llama", "t5", "bert" */
  const char *pre;
  base_buf text, merge_text, charsmap, chat_template;
  convert_token *tokens;
  size_t n, cap;
  size_t n_own; /* the first of n, which the tokenizer's model has itself; the others were added to it */
  size_t n_merges;                                             /* in merge_text, each ended by a 0 */
  int64_t special[SPECIALS];                                   /* -1: none */
  int add_bos, add_eos, add_space_prefix, remove_extra_spaces; /* -1: not said */
} convert_vocab;

/* Which special token and key stand where, for both directions. */
const char *convert_special_name(int special);
const char *convert_special_key(int special);

void convert_vocab_init(convert_vocab *v);
void convert_vocab_free(convert_vocab *v);
/* Everything that the folder says of its tokenizer. */
base_status convert_vocab_read(convert_vocab *v, const char *dir, base_error *err);
/* The parts, from memory. */
base_status convert_vocab_read_json(convert_vocab *v, const json_t *root, const char *where, base_error *err);
/* Of tokenizer.json only the tokens that were added, with ids of `from` and above. */
base_status convert_vocab_read_added(convert_vocab *v, const json_t *root, size_t from, const char *where,
                                     base_error *err);
base_status convert_vocab_read_model(convert_vocab *v, const void *bytes, size_t len, const char *where,
                                     base_error *err);
/* Pads with unused tokens up to the rows of the embedding. Added tokens beyond them are dropped (Gemma 3's text models
 * have the token of the image model's tokenizer); that the model's own have no rows is an error. */
base_status convert_vocab_pad(convert_vocab *v, uint64_t rows, const char *where, base_error *err);
base_status convert_vocab_put(const convert_vocab *v, gguf_writer *w, base_error *err);

/* One token at `id`. */
base_status convert_vocab_set(convert_vocab *v, uint64_t id, base_slice text, float score, int32_t type,
                              const char *where, base_error *err);
/* A token that was added, by what its entry says: control tokens are not always called special. */
int32_t convert_added_type(base_slice text, bool special);
int64_t convert_vocab_find(const convert_vocab *v, base_slice text); /* -1 when absent; walks all */
base_slice convert_vocab_text(const convert_vocab *v, size_t id);

/* GGUF to tokenizer.json or tokenizer.model, tokenizer_config.json, generation_config.json in `dir`. */
base_status convert_vocab_export(const gguf_file *f, const char *dir, base_error *err);
base_status convert_save_json(const json_t *root, const char *dir, const char *name, base_error *err);
/* Name, digits first and expression of a row of presplit.def; false past the end. */
bool convert_presplit(size_t index, const char **name, bool *digits, const char **expression);

#endif
