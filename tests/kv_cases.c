/* What a cheaper cache or cheaper weights cost a language model: kv_cases FILE [TOKENS [SEQUENCES]]. Sequences are
 * drawn from the model itself in 32-bit floats (temperature 1, seeded); every other way to run it reads the same
 * tokens and is held against the float distribution: mean KL divergence in nats a token, and how often the
 * likeliest token is another. */
#include "lm/lm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct how {
  const char *name;
  bool reference;
  lm_cache_type cache;
} how;

typedef struct texts {
  size_t tokens, sequences;
  uint32_t vocab;
  lm_token *token; /* [sequences][tokens] */
  float *log_p;    /* [sequences][tokens][vocab] of the float model */
} texts;

static void log_softmax(float *x, size_t n) {
  float max = x[0];
  double sum = 0;
  for (size_t i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
  for (size_t i = 0; i < n; i++) sum += exp((double)(x[i] - max));
  for (size_t i = 0; i < n; i++) x[i] = (float)((double)(x[i] - max) - log(sum));
}

static uint32_t draw(const float *log_p, size_t n, float u) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    if ((sum += exp((double)log_p[i])) >= (double)u) return (uint32_t)i;
  return (uint32_t)n - 1;
}

static base_status open_model(lm_model **m, lm_cache **c, const gguf_file *f, const texts *t, how h,
                              base_error *err) {
  lm_options o = {.context = (uint32_t)t->tokens, .reference = h.reference, .cache = h.cache};
  base_status st = lm_model_open(m, f, &o, err);
  return st ? st : lm_cache_open(c, *m, err);
}

/* Draws the texts, and keeps the distributions they were drawn from. */
static base_status write_texts(texts *t, const gguf_file *f, base_error *err) {
  lm_model *m = NULL;
  lm_cache *c = NULL;
  base_rng rng;
  base_rng_seed(&rng, 1);
  base_status st = open_model(&m, &c, f, t, (how){"", true, LM_CACHE_F32}, err);
  for (size_t s = 0; s < t->sequences && !st; s++) {
    uint32_t id = 1;
    lm_cache_truncate(c, 0, 0);
    for (size_t i = 0; i < t->tokens && !st; i++) {
      size_t at = s * t->tokens + i;
      t->token[at] = (lm_token){id, 0, true};
      st = lm_forward(m, c, &t->token[at], 1, t->log_p + at * t->vocab, NULL, err);
      log_softmax(t->log_p + at * t->vocab, t->vocab);
      id = draw(t->log_p + at * t->vocab, t->vocab, base_rng_unit(&rng));
    }
  }
  lm_cache_close(c);
  lm_model_close(m);
  return st;
}

static size_t best_of(const float *x, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
  return best;
}

static base_status measure(const texts *t, const gguf_file *f, how h, base_error *err) {
  lm_model *m = NULL;
  lm_cache *c = NULL;
  float *q = malloc(t->tokens * t->vocab * sizeof *q);
  double divergence = 0;
  size_t others = 0, n = t->tokens * t->sequences;
  base_status st = q != NULL ? open_model(&m, &c, f, t, h, err) : base_fail(err, BASE_ENOMEM, "logits", "no memory");
  for (size_t s = 0; s < t->sequences && !st; s++) {
    lm_cache_truncate(c, 0, 0);
    st = lm_forward(m, c, t->token + s * t->tokens, t->tokens, q, NULL, err);
    for (size_t i = 0; i < t->tokens && !st; i++) {
      const float *p = t->log_p + (s * t->tokens + i) * t->vocab;
      float *other = q + i * t->vocab;
      log_softmax(other, t->vocab);
      for (size_t v = 0; v < t->vocab; v++) divergence += exp((double)p[v]) * (double)(p[v] - other[v]);
      others += best_of(p, t->vocab) != best_of(other, t->vocab);
    }
  }
  if (!st) printf("%-24s KL %.6f nats a token, another likeliest token %.2f %%\n", h.name, divergence / (double)n,
                  100.0 * (double)others / (double)n);
  free(q);
  lm_cache_close(c);
  lm_model_close(m);
  return st;
}

int main(int argc, char **argv) {
  static const how ways[] = {{"float, cache f32", true, LM_CACHE_F32}, {"float, cache f16", true, LM_CACHE_F16},
                             {"float, cache int8", true, LM_CACHE_I8}, {"packed, cache f32", false, LM_CACHE_F32},
                             {"packed, cache f16", false, LM_CACHE_F16}, {"packed, cache int8", false, LM_CACHE_I8}};
  texts t = {.tokens = 256, .sequences = 16};
  base_error err = {0};
  gguf_file *f = NULL;
  if (argc < 2 || (argc > 2 && !base_parse_size(base_slice_of(argv[2]), &t.tokens)) ||
      (argc > 3 && !base_parse_size(base_slice_of(argv[3]), &t.sequences))) {
    fprintf(stderr, "usage: kv_cases FILE [TOKENS [SEQUENCES]]\n");
    return 2;
  }
  base_status st = gguf_open(&f, argv[1], NULL, &err);
  const gguf_tensor *e = f != NULL ? gguf_find_tensor(f, "token_embd.weight") : NULL;
  t.vocab = e != NULL ? (uint32_t)e->dim[1] : 0;
  t.token = calloc(t.tokens * t.sequences, sizeof *t.token);
  t.log_p = calloc(t.tokens * t.sequences * (t.vocab > 0 ? t.vocab : 1), sizeof *t.log_p);
  if (!st) st = t.token != NULL && t.log_p != NULL ? write_texts(&t, f, &err) : BASE_ENOMEM;
  for (size_t i = 0; i < sizeof ways / sizeof ways[0] && !st; i++) st = measure(&t, f, ways[i], &err);
  if (st) fprintf(stderr, "kv_cases: %s: %s\n", err.where, err.text);
  free(t.token);
  free(t.log_p);
  gguf_close(f);
  return st != BASE_OK;
}
