/* convert/family: what distinguishes the architectures: names of tensors and keys, and config.json both ways.
 */
#ifndef CONVERT_FAMILY_H
#define CONVERT_FAMILY_H

#include <jansson.h>

#include "gguf/gguf.h"

enum {
  LLAMA = 1,
  QWEN2 = 2,
  QWEN3 = 4,
  GEMMA = 8,
  GEMMA2 = 16,
  GEMMA3 = 32,
  PHI3 = 64,
  OPENELM = 128,
  BERT = 256,
  NOMIC = 512,
  MINNOW = 1024
};
enum { OPTIONAL = 1, ROTARY = 2, PLUS_ONE = 4, FIRST = 8, SECOND = 16 };
enum { CONVERT_MAX_LAYERS = 1024, CONVERT_MAX_ROPE = 512 };

typedef struct convert_family {
  unsigned bit;
  const char *arch, *class_name, *model_type;
} convert_family;

typedef struct convert_name {
  unsigned families;
  const char *gguf, *hf;
  unsigned flags;
} convert_name;

/* A row of key.def. */
typedef struct convert_key {
  unsigned families;
  bool whole; /* else a float */
  const char *gguf, *hf;
  bool needed;
  bool null_when_absent; /* config.json says null then, where its own default is a number */
} convert_key;

const convert_key *convert_keys(size_t *count);
/* The family of a GGUF file, its class chosen by what the metadata says; NULL with the error recorded. */
const convert_family *convert_find_arch(const gguf_file *f, base_error *err);
/* Llama 3.1's divisors of the n rotary frequencies of a head. */
void convert_llama3_factors(float *out, size_t n, double base, double factor, double low, double high,
                            double original);
/* Our own models that understand have their int8 layout from the trainer and nothing of a Hugging Face model; a trunk
 * that writes is like any other. */
base_status convert_refuse_pack(const gguf_file *f, base_error *err);
/* All rows of name.def. */
const convert_name *convert_names(size_t *count);
/* Of how many layers the last one sees everything, where a file does not say: 0: all layers have the window. */
uint32_t convert_window_period(const convert_family *f);
/* Whether a layer has the window then. */
bool convert_window_of(uint32_t period, uint32_t layer);
/* `pattern` with '#' as the layer. False when it does not fit. */
bool convert_fill_name(char *out, size_t out_size, const char *pattern, uint32_t layer);
bool convert_name_has_layer(const convert_name *n);

/* What config.json says that others need. */
typedef struct convert_config {
  const convert_family *family;
  uint32_t layers, heads, kv_heads, head_dim, hidden, vocab;
  bool tied;
  /* tensors that come from the configuration: divisors of the rotary frequencies */
  float rope_freqs[CONVERT_MAX_ROPE], rope_long[CONVERT_MAX_ROPE], rope_short[CONVERT_MAX_ROPE];
  size_t n_freqs, n_long, n_short;
} convert_config;

/* The row of the class that config.json names; NULL with the error recorded. */
const convert_family *convert_find_family(const json_t *root, const char *where, base_error *err);
/* config.json to metadata. `pooling`: an encoder's, as in GGUF. `where` is for errors. Keys are added to `root`. */
base_status convert_config_read(convert_config *c, json_t *root, uint32_t pooling, gguf_writer *w,
                                const char *where, base_error *err);
/* Metadata to config.json, to be freed by json_decref; NULL with the error recorded. */
json_t *convert_config_write(convert_config *c, const gguf_file *f, base_error *err);

#endif
