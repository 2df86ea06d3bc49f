/* convert: model files into other model files: GGUF to another quantisation, a Hugging Face folder or
 * llama2.c's format to GGUF and GGUF back to a folder, and what is in a file. Tensors are streamed: memory
 * needed is the metadata's, not the weights'. The same input gives the same bytes for any number of threads.
 */
#ifndef CONVERT_CONVERT_H
#define CONVERT_CONVERT_H

#include "base/base.h"
#include "os/os.h"

/* All may be zero. */
typedef struct convert_hooks {
  os_pool *pool; /* threads; NULL: the caller alone */
  /* Called between pieces of work, bytes of the output; false cancels. */
  bool (*progress)(void *ctx, const char *tensor, uint64_t done, uint64_t all);
  void (*note)(void *ctx, const char *text); /* one sentence about a choice that was made */
  void *ctx;
} convert_hooks;

/* GGUF to GGUF with the element types of `target` (target.def, any case). Norms and one-dimensional tensors
 * become F32; mixes and fallbacks are llama.cpp's. */
base_status convert_quantize(const char *in, const char *out, const char *target, const convert_hooks *hooks,
                             base_error *err);

/* A Hugging Face folder (config.json, *.safetensors, tokenizer.json or tokenizer.model), or llama2.c's
 * checkpoint with its tokenizer file, to GGUF. `target` NULL: F16. `tokenizer`: for a checkpoint of llama2.c,
 * else NULL. */
base_status convert_import(const char *in, const char *tokenizer, const char *out, const char *target,
                           const convert_hooks *hooks, base_error *err);

/* GGUF to a Hugging Face folder, made if needed: config.json, model.safetensors, tokenizer files. Floats keep
 * their type, quantised tensors become F16, or everything with two dimensions `target` (F32, F16, BF16). */
base_status convert_export(const char *in, const char *out_dir, const char *target,
                           const convert_hooks *hooks, base_error *err);

/* What a GGUF or safetensors file holds, as a JSON object (docs/files.md) added to `json`. `context`: tokens
 * to count the cache for; 0: the file's own. */
base_status convert_inspect(const char *path, uint64_t context, base_buf *json, base_error *err);

#endif
