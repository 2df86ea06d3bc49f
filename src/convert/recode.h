/* convert/recode: which element type each tensor gets (mix.c), and turning numbers of one type into another
 * while a file is written (recode.c). */
#ifndef CONVERT_RECODE_H
#define CONVERT_RECODE_H

#include "convert/convert.h"
#include "gguf/gguf.h"

/* ---- which type ---- */

typedef struct convert_target {
  const char *name;
  uint32_t file_type; /* general.file_type */
  gguf_tensor_type type;
} convert_target;

/* NULL, with the error recorded, for a name that is none. */
const convert_target *convert_find_target(const char *name, base_error *err);

/* What the choice depends on besides the tensor. */
typedef struct convert_model_facts {
  uint32_t layers, heads, kv_heads;
  bool has_output; /* a matrix of its own for the output, else the embedding is used twice */
} convert_model_facts;

convert_model_facts convert_facts_of(const gguf_file *f);

/* The type of tensor `name` with this shape; `current` is kept for what is not quantised unless it is a block
 * type. *fallback is set when the rows do not fit the type that was wanted. */
gguf_tensor_type convert_choose_type(const convert_target *target, const convert_model_facts *facts,
                                     base_slice name, int n_dims, const uint64_t *dim,
                                     gguf_tensor_type current, bool *fallback);

/* ---- numbers ---- */

/* Numbers in memory or in a mapped file, and what happens to them on the way. */
typedef struct convert_source {
  gguf_tensor_type type;
  const unsigned char *data;
  uint64_t cols, count; /* elements of a row, of all */
  uint32_t head_rows;   /* not 0: rows of each head of so many rows are permuted */
  bool interleave;      /* halves to pairs (as llama.cpp wants queries and keys), else pairs to halves */
  float add;            /* added to every number */
} convert_source;

/* One tensor on its way into a file; the context of convert_make_tensor. */
typedef struct convert_job {
  convert_source source;
  gguf_tensor_type type;
  char name[80];
  struct convert_run *run;
} convert_job;

/* What the jobs of one file share. */
typedef struct convert_run {
  const convert_hooks *hooks;
  uint64_t done, all; /* bytes written, bytes to write */
  unsigned char *out; /* buffers of one batch */
  float *floats;
} convert_run;

/* `all` is the sum of the tensors' bytes. */
base_status convert_run_open(convert_run *run, const convert_hooks *hooks, uint64_t all, base_error *err);
void convert_run_close(convert_run *run);

/* Hands the job's bytes on, piece by piece. */
typedef base_status convert_emit_fn(void *ctx, const void *bytes, size_t len, base_error *err);
base_status convert_recode(convert_job *job, convert_emit_fn *emit, void *ctx, base_error *err);
/* The same as gguf_put_made_tensor wants it; ctx is a convert_job. */
base_status convert_make_tensor(void *ctx, gguf_sink *sink, base_error *err);

void convert_note(const convert_hooks *hooks, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
