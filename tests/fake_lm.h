/* A stand-in for a language model: logits are a hash of all tokens of a sequence, so that a cache that holds
 * one wrong token shows; some of the time the token five places back is favoured, so that text repeats. With
 * it a vocabulary of the 256 bytes and "<end>". */
#ifndef TESTS_FAKE_LM_H
#define TESTS_FAKE_LM_H

#include "gen/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_VOCAB = 257, FAKE_END = 256, FAKE_CONTEXT = 96, FAKE_BLOCK = 16, FAKE_SEQUENCES = 3 };

typedef struct fake_lm {
  uint32_t tokens[FAKE_SEQUENCES][FAKE_CONTEXT], n[FAKE_SEQUENCES];
  uint32_t passes, tokens_run, copied; /* counted */
  uint32_t last_of[FAKE_SEQUENCES];    /* tokens of a sequence in the last pass */
  uint32_t fail_at;                    /* the pass that fails; 0: none */
  uint32_t stop_after;                 /* tokens after which `stop` is asked; 0: only before the first */
  atomic_bool *cancel;                 /* set when `stop` is about to be asked */
  uint64_t fingerprint;
  uint32_t window;                     /* how far back from the furthest a sequence can go on; 0: any way */
  uint32_t furthest[FAKE_SEQUENCES];   /* length since it was last empty */
  bool nan;                            /* the weights are damaged */
} fake_lm;

static uint64_t fake_mix(uint64_t h) {
  h = (h ^ (h >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
  return h ^ (h >> 29);
}

static void fake_logits(const uint32_t *tokens, uint32_t n, bool broken, float *out) {
  uint64_t h = base_hash(BASE_HASH_START, tokens, n * sizeof *tokens);
  for (uint32_t v = 0; v < FAKE_VOCAB; v++)
    out[v] = broken ? (float)(0.0 / 0.0) : (float)(fake_mix(h + v) >> 40) * 0x1p-24F * 3.0F;
  if (n >= 5 && h % 8 < 6) out[tokens[n - 5]] += 8.0F;
  if (!broken) out[FAKE_END] = h % 211 == 0 ? 30.0F : -10.0F;
}

static base_status fake_forward(void *ctx, const lm_token *t, size_t n, float *logits, const lm_watch *watch,
                                base_error *err) {
  fake_lm *m = ctx;
  memset(m->last_of, 0, sizeof m->last_of);
  if (++m->passes == m->fail_at) return base_fail(err, BASE_EIO, "fake", "the disk is on fire");
  for (size_t i = 0; i < n; i++) {
    uint32_t s = t[i].sequence;
    if (i == m->stop_after && m->cancel != NULL) *m->cancel = true;
    if (i == m->stop_after && watch->stop(watch->ctx)) return base_fail(err, BASE_ECANCELLED, "fake", "stopped");
    if (m->n[s] == FAKE_CONTEXT) return base_fail(err, BASE_ELIMIT, "fake", "sequence %u is full", s);
    m->tokens[s][m->n[s]++] = t[i].id;
    if (m->furthest[s] < m->n[s]) m->furthest[s] = m->n[s];
    m->last_of[s]++;
    m->tokens_run++;
    if (!t[i].logits) continue;
    fake_logits(m->tokens[s], m->n[s], m->nan, logits);
    logits += FAKE_VOCAB;
  }
  return BASE_OK;
}

static uint32_t fake_length(void *ctx, uint32_t s) { return ((fake_lm *)ctx)->n[s]; }

static uint32_t fake_keeps(void *ctx, uint32_t s, uint32_t length) {
  fake_lm *m = ctx;
  return m->window == 0 || m->furthest[s] <= length + m->window ? length : 0;
}

static void fake_truncate(void *ctx, uint32_t s, uint32_t length) {
  fake_lm *m = ctx;
  if (length > m->n[s]) abort();
  m->n[s] = length < m->n[s] ? fake_keeps(ctx, s, length) : length;
  if (m->n[s] == 0) m->furthest[s] = 0;
}

static void fake_copy(void *ctx, uint32_t from, uint32_t to, uint32_t length) {
  fake_lm *m = ctx;
  if (length > m->n[from] || fake_keeps(ctx, from, length) != length) abort();
  m->furthest[to] = m->furthest[from];
  memcpy(m->tokens[to], m->tokens[from], length * sizeof(uint32_t));
  m->n[to] = length;
  m->copied += length;
}

static size_t fake_export_bytes(void *ctx, uint32_t length) {
  (void)ctx;
  return (length + 1) * sizeof(uint32_t);
}

static void fake_export(void *ctx, uint32_t s, uint32_t length, void *out) {
  fake_lm *m = ctx;
  memcpy(out, &length, sizeof length);
  memcpy((char *)out + sizeof length, m->tokens[s], length * sizeof(uint32_t));
}

static base_status fake_import(void *ctx, uint32_t s, const void *bytes, size_t len, base_error *err) {
  fake_lm *m = ctx;
  uint32_t n = FAKE_CONTEXT;
  if (len >= sizeof n) memcpy(&n, bytes, sizeof n);
  if (n > FAKE_CONTEXT || len != (n + 1) * sizeof n) return base_fail(err, BASE_EFORMAT, "fake", "cut");
  memcpy(m->tokens[s], (const char *)bytes + sizeof n, n * sizeof n);
  for (uint32_t i = 0; i < n; i++)
    if (m->tokens[s][i] >= FAKE_VOCAB) return base_fail(err, BASE_EFORMAT, "fake", "damaged");
  m->n[s] = m->furthest[s] = n;
  return BASE_OK;
}

static uint64_t fake_fingerprint(void *ctx) { return ((fake_lm *)ctx)->fingerprint; }

static gen_backend fake_backend(fake_lm *m) {
  memset(m, 0, sizeof *m);
  return (gen_backend){.ctx = m,
                       .vocab = FAKE_VOCAB,
                       .context = FAKE_CONTEXT,
                       .block = FAKE_BLOCK,
                       .sequences = FAKE_SEQUENCES,
                       .forward = fake_forward,
                       .length = fake_length,
                       .keeps = fake_keeps,
                       .truncate = fake_truncate,
                       .copy = fake_copy,
                       .export_bytes = fake_export_bytes,
                       .export = fake_export,
                       .import = fake_import,
                       .fingerprint = fake_fingerprint};
}

/* Byte tokens in the order of their values, then "<end>". */
static tok_vocab *fake_vocab(void) {
  static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  base_slice special = BASE_LITERAL("<|endoftext|>");
  base_buf ranks = {0};
  tok_vocab *v = NULL;
  base_error err = {0};
  for (unsigned b = 0; b < 256; b++) base_buf_printf(&ranks, "%c%c== %u\n", digit[b >> 2], digit[(b & 3) << 4], b);
  if (tok_vocab_open_ranks(&v, (base_slice){ranks.ptr, ranks.len}, "fake", "llama-bpe", &special, 1, NULL, &err))
    printf("fake vocabulary: %s: %s\n", err.where, err.text);
  base_buf_free(&ranks);
  return v;
}

#endif
