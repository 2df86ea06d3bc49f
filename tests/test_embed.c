/* mn_embed: a tiny encoder with a vocabulary. The vector is lm's over the tokens, of length 1, the same on any number
 * of threads; long texts are refused or cut; wrong models are refused; every allocation may fail. */
#include "failing.h"
#include "lm_fixture.h"
#include "minnow.h"
#include "tok/tok.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { VOCAB = 256, WIDTH = 32 };
static char path[64] = "/tmp/minnow-test-embed-XXXXXX";

/* [PAD] [UNK] [CLS] [SEP], letters that begin a word, letters that go on, words w0, w1, ... */
static void put_vocab(gguf_writer *w) {
  static char text[VOCAB][16];
  base_slice token[VOCAB];
  for (unsigned i = 0; i < VOCAB; i++) {
    static const char *const marks[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
    if (i < 4) base_format(text[i], 16, "%s", marks[i]);
    else if (i < 30) base_format(text[i], 16, "\xE2\x96\x81%c", 'a' + (char)(i - 4));
    else if (i < 56) base_format(text[i], 16, "%c", 'a' + (char)(i - 30));
    else base_format(text[i], 16, "\xE2\x96\x81word%u", i);
    token[i] = base_slice_of(text[i]);
  }
  gguf_put_string(w, "tokenizer.ggml.model", BASE_LITERAL("bert"));
  gguf_put_strings(w, "tokenizer.ggml.tokens", token, VOCAB);
  gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 1);
  gguf_put_u32(w, "tokenizer.ggml.cls_token_id", 2);
  gguf_put_u32(w, "tokenizer.ggml.seperator_token_id", 3); /* as files spell it */
  gguf_put_u32(w, "tokenizer.ggml.padding_token_id", 0);
}

static bool write_model(void) {
  gguf_file *from = NULL;
  gguf_writer *w = gguf_writer_new(NULL);
  base_error err = {0};
  int fd = mkstemp(path);
  bool ok = fd >= 0 && fixture_open(&from, "bert", &err) == BASE_OK;
  for (size_t i = 0; ok && i < gguf_value_count(from); i++) gguf_put_value(w, gguf_value_at(from, i));
  if (ok) put_vocab(w);
  for (size_t i = 0; ok && i < gguf_tensor_count(from); i++) {
    const gguf_tensor *t = gguf_tensor_at(from, i);
    char name[96];
    base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
    gguf_put_tensor(w, name, t->type, t->n_dims, t->dim, t->data);
  }
  ok = ok && gguf_writer_save(w, path, &err) == BASE_OK;
  TAP_OK(ok, "model: %s", err.text);
  if (fd >= 0) close(fd);
  gguf_writer_free(w);
  gguf_close(from);
  return ok;
}

static const char sentence[] = "Hello word80 word81, there!";

/* What lm gives for the tokens. */
static void expected_vector(float *out) {
  lm_options o = {.reference = true, .cache = LM_CACHE_F32};
  tok_scratch scratch = {0};
  tok_vocab *v = NULL;
  uint32_t ids[64];
  size_t n = 0;
  run r = {0};
  base_error err = {0};
  base_status st = gguf_open(&r.file, path, NULL, &err);
  if (!st) st = run_start(&r, &o, &err);
  if (!st) st = tok_vocab_open(&v, r.file, NULL, &err);
  tok_input in = {.text = sentence, .len = sizeof sentence - 1, .flags = TOK_ADD_SPECIAL};
  if (!st) st = tok_encode(v, &scratch, &in, ids, 64, &n, &err);
  TAP_OK(!st && ids[0] == 2 && ids[n - 1] == 3, "tokens: %zu, %s", n, err.text);
  if (!st) st = lm_embed(r.model, ids, n, true, out, NULL, &err);
  TAP_OK(!st, "%s", err.text);
  tok_vocab_close(v);
  tok_scratch_free(&scratch);
  run_close(&r);
}

static void check_vectors(void) {
  float expected[WIDTH], first[WIDTH], out[WIDTH];
  expected_vector(expected);
  for (uint32_t threads = 1; threads <= 3; threads++) {
    mn_embedder_options o;
    mn_embedder *e = NULL;
    mn_error err = {0};
    mn_embedder_options_init(&o);
    o.threads = threads;
    o.reference = true;
    TAP_OK(mn_embedder_open(&e, path, &o, &err) == MN_OK && mn_embedder_width(e) == WIDTH, "%s", err.text);
    TAP_OK(mn_embedder_context(e) == 64, "%u tokens", mn_embedder_context(e));
    TAP_OK(mn_embed(e, sentence, 0, out, WIDTH, &err) == MN_OK, "%s", err.text);
    TAP_OK(memcmp(out, expected, sizeof out) == 0, "the vector of the tokens, %u threads", threads);
    if (threads == 1) memcpy(first, out, sizeof first);
    TAP_OK(memcmp(out, first, sizeof out) == 0, "%u threads", threads);
    TAP_OK(mn_embed(e, "other words", 5, out, WIDTH, &err) == MN_OK && memcmp(out, first, sizeof out) != 0,
           "another text");
    TAP_OK(mn_embed(e, sentence, 0, out, WIDTH - 1, NULL) == MN_EARGUMENT, "no room");
    mn_embedder_close(e);
  }
  double length = 0;
  for (size_t i = 0; i < WIDTH; i++) length += (double)first[i] * (double)first[i];
  TAP_OK(fabs(length - 1.0) < 1e-5, "length %g", sqrt(length));
}

static void check_limits(void) {
  mn_embedder_options o;
  mn_embedder *e = NULL;
  mn_error err = {0};
  float a[WIDTH], b[WIDTH];
  char text[1000];
  memset(text, 'a', sizeof text);
  for (size_t i = 1; i < sizeof text; i += 2) text[i] = ' ';
  mn_embedder_options_init(&o);
  TAP_OK(mn_embedder_open(&e, path, &o, NULL) == MN_OK && mn_embed(e, text, sizeof text, a, WIDTH, &err) == MN_ELIMIT,
         "%s", err.text);
  mn_embedder_close(e);
  o.cut = true;
  TAP_OK(mn_embedder_open(&e, path, &o, NULL) == MN_OK && mn_embed(e, text, sizeof text, a, WIDTH, NULL) == MN_OK,
         "cut");
  TAP_OK(mn_embed(e, text, 2 * 62, b, WIDTH, NULL) == MN_OK && memcmp(a, b, sizeof a) == 0,
         "62 words and two marks fit");
  mn_embedder_close(e);
  o.memory_bytes = 1000;
  TAP_OK(mn_embedder_open(&e, path, &o, &err) == MN_ELIMIT && e == NULL, "memory");
  err = (mn_error){0};
  TAP_OK(mn_embedder_open(&e, "tests/lm/llama.gguf", NULL, &err) == MN_EUNSUPPORTED, "%s", err.text);
  TAP_OK(mn_embedder_open(&e, "tests/lm/bert.gguf", NULL, NULL) != MN_OK && e == NULL, "no vocabulary");
  TAP_OK(mn_embedder_open(&e, "/nowhere", NULL, NULL) != MN_OK && e == NULL, "no file");
}

static void check_failing_allocations(void) {
  float out[WIDTH];
  int st = MN_ENOMEM, n = 0;
  for (; st != MN_OK && n < 200; n++) {
    failing count;
    base_allocator a = failing_allocator(&count, n);
    mn_embedder_options o;
    mn_embedder *e = NULL;
    mn_embedder_options_init(&o);
    o.threads = 1;
    o.resize = a.resize;
    o.resize_ctx = a.ctx;
    st = mn_embedder_open(&e, path, &o, NULL);
    if (st == MN_OK) st = mn_embed(e, sentence, 0, out, WIDTH, NULL);
    TAP_OK(st == MN_OK || st == MN_ENOMEM, "allocation %d: %d", n, st);
    mn_embedder_close(e);
    TAP_OK(count.held == 0, "allocation %d leaves %zu bytes", n, count.held);
  }
  TAP_OK(n > 5 && n < 200, "%d allocations", n);
}

int main(void) {
  if (write_model()) {
    check_vectors();
    check_limits();
    check_failing_allocations();
  }
  (void)unlink(path);
  return tap_done("test_embed");
}
