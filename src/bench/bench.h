/* bench: what this machine can do and what the engine makes of it: bandwidth of memory, peak of the arithmetic, tokens
 * per second of a model; and model files of given shapes to measure with. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "os/os.h"

typedef struct bench_spread {
  double median, min, max;
} bench_spread;
/* Of n > 0 samples, which are sorted; the median of an even number is half way between the middle two. */
bench_spread bench_spread_of(double *samples, size_t n);

/* ---- the machine ---- */

/* Bytes a second that the team reads together, each worker its own part of `bytes` in all, read again and again:
 * the median of `samples` measurements of about 50 ms. Parts of less than a core's cache measure that cache. */
base_status bench_bandwidth(const cpu_kernels *kernels, os_team *team, size_t bytes, size_t samples, double *out,
                            base_error *err);
/* Integer operations (a product and a sum are two) a second of one core on int8, and float operations. */
void bench_peak(const cpu_kernels *kernels, double *i8_ops, double *f32_ops);

/* ---- model files ---- */

/* Shapes: d, layers, heads, heads of keys and values, ff, vocabulary, output tied to the embedding or not. */
typedef struct bench_shape {
  const char *name;
  uint32_t d, layers, heads, kv_heads, ff, vocab;
  bool tied;
} bench_shape;
const bench_shape *bench_shape_at(size_t index); /* NULL at the end */

/* A llama file of random weights: `type` "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K_M", ... Types are laid out over
 * tensors as llama.cpp's quantize does it: the output in Q6_K, some values and downs of Q4_K_M in Q6_K, Q5_0 and Q8_0
 * where rows are no multiple of 256. */
base_status bench_write_shape(const char *name, const char *type, const char *path, base_error *err);

/* ---- the engine ---- */

typedef struct bench_engine_options {
  const char *path;
  const cpu_kernels *kernels;
  int threads;
  uint32_t prompt, generate; /* tokens read at once, tokens generated from an empty context; 0: not measured */
  uint32_t samples;          /* of each, 1 to 64 */
  bool (*stop)(void *ctx);   /* NULL, or asked between samples */
  void *stop_ctx;
} bench_engine_options;

typedef struct bench_engine_result {
  double open_ms;            /* file mapped, checked, packed */
  double first_token_ms;     /* from the call to the logits behind one token */
  bench_spread prefill, decode; /* tokens a second */
  double weight_bytes;       /* read for one token */
  double bandwidth;          /* bytes a second that this machine reads from as large a block, measured here */
  uint64_t file_bytes, resident_bytes;
} bench_engine_result;

/* Runs the model on made-up tokens. Everything but the bandwidth is measured after one run that is not counted. */
base_status bench_engine(const bench_engine_options *o, bench_engine_result *out, base_error *err);

#endif
