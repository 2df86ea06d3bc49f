/* Fuzz target: any bytes as a brain's file. What opens as a brain answers a few texts: it must end, stay
 * inside its memory, and give probabilities that are ones and spans that lie inside the text. */
#include <stdlib.h>
#include <string.h>

#include "head/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static bool is_probability(float p) { return p >= 0.0f && p <= 1.0f; }

static void check(const head_brain *b, const head_result *r, size_t len) {
  const head_weights *w = head_brain_weights(b);
  require(r->label < w->n_labels && r->runner_up < w->n_labels && r->n_spans <= HEAD_MAX_SPANS);
  require(is_probability(r->probability) && is_probability(r->runner_up_probability) &&
          is_probability(r->confidence));
  for (size_t i = 0; i < r->n_spans; i++) {
    const head_span *s = &r->spans[i];
    require(s->start < s->end && s->end <= len && s->slot < w->n_slots && is_probability(s->probability));
    require(i == 0 || s->start >= r->spans[i - 1].end);
  }
}

static void run(const head_brain *b) {
  static const char *const texts[] = {
      "", "wake me at 7:30", "Play \"caf\xc3\xa9\" by A\xff\x01\xf0\x9f now, at once",
      "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m"};
  const model_shape *shape = &head_brain_trunk(b)->shape;
  head_scratch *s = head_scratch_new(shape, shape->max_tokens, NULL);
  if (s == NULL) return;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    head_result r;
    head_brain_run(b, cpu_best(), base_slice_of(texts[i]), s, &r);
    check(b, &r, strlen(texts[i]));
  }
  head_scratch_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  void *block;
  gguf_file *f = NULL;
  head_brain *b = NULL;
  base_error err = {0};
  if (posix_memalign(&block, 64, size > 0 ? size : 1) != 0) return 0;
  if (size > 0) memcpy(block, data, size);
  if (gguf_open_bytes(&f, block, size, "fuzz", NULL, &err) == BASE_OK) {
    base_status st = head_brain_open(&b, f, NULL, NULL, &err);
    require((st == BASE_OK) == (b != NULL) && (st == BASE_OK || err.text[0] != 0));
    if (b != NULL) run(b);
  }
  head_brain_close(b);
  gguf_close(f);
  free(block);
  return 0;
}
