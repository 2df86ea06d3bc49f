/* Fuzz target: any bytes as a GGUF file, opened as a language model. What opens runs one token (or one text of two,
 * through an encoder), within a bound on memory. */
#include "gguf/gguf.h"
#include "lm/lm.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static void run_model(const gguf_file *f) {
  lm_options o = {.context = 8, .block = 4, .memory_limit_bytes = 64 << 20};
  lm_memory need;
  lm_model *m;
  lm_cache *c = NULL;
  base_error err = {0};
  base_status st = lm_need(&need, NULL, f, &o, &err);
  require((st == BASE_OK) == (err.text[0] == 0));
  st = lm_model_open(&m, f, &o, &err);
  require((st == BASE_OK) == (m != NULL) && (st == BASE_OK || err.text[0] != 0));
  if (m == NULL) return;
  lm_info info = lm_model_info(m);
  uint32_t ids[2] = {0, info.vocab - 1};
  float *out = malloc((info.vocab > info.width ? info.vocab : info.width) * sizeof *out);
  require(out != NULL && info.context <= 8);
  if (info.encoder) {
    (void)lm_embed(m, ids, info.context > 1 ? 2 : 1, true, out, NULL, &err);
  } else if (lm_cache_open(&c, m, &err) == BASE_OK) {
    lm_token token = {ids[1], 0, true};
    require(lm_forward(m, c, &token, 1, out, NULL, NULL) == BASE_OK);
  }
  free(out);
  lm_cache_close(c);
  lm_model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  void *block;
  gguf_file *f;
  if (posix_memalign(&block, 64, size > 0 ? size : 1) != 0) return 0;
  if (size > 0) memcpy(block, data, size);
  if (gguf_open_bytes(&f, block, size, "fuzz", NULL, NULL) == BASE_OK) run_model(f);
  gguf_close(f);
  free(block);
  return 0;
}
