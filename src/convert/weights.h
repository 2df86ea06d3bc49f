/* convert/weights: safetensors files, read strictly and written; a folder's shards as one set. */
#ifndef CONVERT_WEIGHTS_H
#define CONVERT_WEIGHTS_H

#include <jansson.h>

#include "gguf/gguf.h"
#include "os/os.h"

enum { CONVERT_MAX_DIMS = 8 };

/* Shapes as Python has them: the last dimension is contiguous. */
typedef struct convert_weight {
  const char *name;  /* owned by the file's header */
  const char *dtype; /* "BF16" */
  bool readable;     /* `type` is one of ours */
  gguf_tensor_type type;
  int n_dims;
  uint64_t shape[CONVERT_MAX_DIMS];
  uint64_t elements;
  const unsigned char *data;
  size_t bytes;
} convert_weight;

/* One mapped file. */
typedef struct convert_shard {
  os_map map;
  json_t *header;
  char name[256]; /* as the index has it; "" for a single file */
} convert_shard;

typedef struct convert_weights {
  convert_shard *shards;
  size_t n_shards, cap_shards;
  convert_weight *items; /* sorted by name */
  size_t n, cap;
} convert_weights;

/* A file; `w` is zeroed before, and to be closed also after a failure. */
base_status convert_weights_open_file(convert_weights *w, const char *path, base_error *err);
/* The bytes of a file, kept alive by the caller. */
base_status convert_weights_open_bytes(convert_weights *w, const void *bytes, size_t len, const char *name,
                                       base_error *err);
/* model.safetensors of a folder, or the shards that model.safetensors.index.json names. */
base_status convert_weights_open_dir(convert_weights *w, const char *dir, base_error *err);
void convert_weights_close(convert_weights *w);
const convert_weight *convert_weights_find(const convert_weights *w, const char *name); /* NULL when absent */
/* True when the bytes begin like a safetensors file: a length that fits and a brace. */
bool convert_looks_like_weights(const void *bytes, size_t len);

/* Whole numbers that 64 bits do not hold become reals of the same length: "no limit" is written as
 * 1000000000000000019884624838656 in nearly every tokenizer_config.json. Jansson refuses such an integer. */
void convert_soften_integers(char *text, size_t len);
/* A JSON file of at most max_bytes, an object, no key twice; NULL with the error recorded. */
json_t *convert_load_json(const char *path, size_t max_bytes, base_error *err);
json_t *convert_parse_json(const char *text, size_t len, const char *name, base_error *err);
/* "DIR/NAME" */
base_status convert_join(char *out, size_t out_size, const char *dir, const char *name, base_error *err);

#endif
