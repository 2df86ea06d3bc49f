/* A prompt through the trunk: mean hidden states of the whole, of the question and of its options, each of its first
 * and last tokens in one pass. What a question's options look like says nearly as much about subjects never seen as
 * all the rest. */
#include <string.h>

#include "route/internal.h"

enum { ROOM = ROUTE_MAX_TOKENS + 1, TEXT_TOKENS = 16384 };

struct route_reader {
  base_allocator allocator;
  model_trunk trunk;
  tok_bpe *tok;
  model_scratch *scratch;
  size_t room; /* tokens of a pass, the class token among them */
  uint16_t ids[TEXT_TOKENS], read[ROOM];
  uint8_t cases[TEXT_TOKENS], read_cases[ROOM];
  tok_word words[TEXT_TOKENS];
};

base_status route_reader_open(route_reader **out, const gguf_file *f, const base_allocator *a, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  route_reader *r = base_calloc(a, 1, sizeof *r);
  *out = NULL;
  if (r == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for the trunk");
  r->allocator = *a;
  base_status st = model_trunk_bind(&r->trunk, f, err);
  if (!st) st = tok_bpe_open(&r->tok, f, a, err);
  if (!st && tok_bpe_vocab(r->tok) > r->trunk.shape.vocab)
    st = base_fail(err, BASE_EMISMATCH, gguf_path(f), "the tokenizer has more tokens than the trunk");
  if (!st && (r->trunk.shape.cases < TOK_CASE_COUNT || r->trunk.shape.max_tokens < 2 ||
              r->trunk.shape.d * ROUTE_MEANS > ROUTE_MAX_DENSE - ROUTE_SURFACE))
    st = base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "a router cannot use a trunk of this shape");
  if (!st) {
    r->room = r->trunk.shape.max_tokens < ROOM ? r->trunk.shape.max_tokens : ROOM;
    r->scratch = model_scratch_new(&r->trunk.shape, r->room, a);
    if (r->scratch == NULL) st = base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for the trunk");
  }
  if (st) route_reader_close(r);
  else *out = r;
  return st;
}

void route_reader_close(route_reader *r) {
  if (r == NULL) return;
  base_allocator a = r->allocator;
  model_scratch_free(r->scratch);
  tok_bpe_close(r->tok);
  base_free(&a, r, sizeof *r);
}

size_t route_reader_width(const route_reader *r) { return r->trunk.shape.d; }

/* The class token, then all tokens, or the first and last that fit. */
static size_t choose(route_reader *r, base_slice text) {
  tok_result t = {.ids = r->ids, .cases = r->cases, .max_tokens = TEXT_TOKENS, .words = r->words,
                  .max_words = TEXT_TOKENS};
  tok_bpe_encode(r->tok, text.ptr, text.len, 0.0f, NULL, &t);
  size_t head = t.n_tokens, tail = 0;
  if (t.n_tokens > r->room) {
    head = r->room / 2;
    tail = r->room - head;
  }
  memcpy(r->read, r->ids, head * sizeof *r->ids);
  memcpy(r->read_cases, r->cases, head);
  memcpy(r->read + head, r->ids + t.n_tokens - tail, tail * sizeof *r->ids);
  memcpy(r->read_cases + head, r->cases + t.n_tokens - tail, tail);
  return head + tail;
}

static void read_mean(route_reader *r, const cpu_kernels *k, base_slice text, float *out) {
  size_t d = r->trunk.shape.d, t = choose(r, text);
  memset(out, 0, d * sizeof *out);
  if (t < 2) return;
  const float *hidden = model_trunk_forward(&r->trunk, k, r->read, r->read_cases, t, r->scratch);
  for (size_t i = 1; i < t; i++)
    for (size_t j = 0; j < d; j++) out[j] += hidden[i * d + j];
  for (size_t j = 0; j < d; j++) out[j] /= (float)(t - 1);
}

/* Where the line of the first option begins, or the end. */
static size_t options_from(base_slice prompt) {
  for (size_t i = 0; i + 4 <= prompt.len; i++)
    if (memcmp(prompt.ptr + i, "\nA. ", 4) == 0) return i;
  return prompt.len;
}

void route_reader_means(route_reader *r, const cpu_kernels *k, base_slice prompt, float *out) {
  size_t d = r->trunk.shape.d;
  prompt = base_slice_sub(prompt, 0, ROUTE_MAX_PROMPT_BYTES);
  size_t at = options_from(prompt);
  read_mean(r, k, prompt, out);
  read_mean(r, k, base_slice_sub(prompt, 0, at), out + d);
  read_mean(r, k, base_slice_sub(prompt, at, prompt.len), out + 2 * d);
}
