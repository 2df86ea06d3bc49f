/* Fuzz target: any bytes as text, for the small vocabularies of tests/vocab. Vocabularies with all bytes give
 * the text back; an untrusted text never has a control token. */
#include "tok/tok.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEXT = 4096, KINDS = 4 };

static void require(bool condition) {
  if (!condition) abort();
}

static tok_vocab *open_vocab(const char *path) {
  gguf_file *f = NULL;
  tok_vocab *v = NULL;
  require(gguf_open(&f, path, NULL, NULL) == BASE_OK && tok_vocab_open(&v, f, NULL, NULL) == BASE_OK);
  gguf_close(f);
  return v;
}

/* SentencePiece writes U+2581 as a space. */
static bool gives_text_back(size_t kind, const char *text, size_t len) {
  return kind == 0 || (kind == 1 && memmem(text, len, "\xE2\x96\x81", 3) == NULL);
}

static void check(const tok_vocab *v, size_t kind, const char *text, size_t len) {
  size_t room = tok_encode_bound(v, len), n = 0;
  uint32_t *ids = malloc(room * sizeof *ids);
  tok_scratch s = {0};
  base_buf out = {0};
  const tok_span all = {0, len};
  tok_input in = {.text = text, .len = len, .flags = TOK_PARSE_SPECIAL, .untrusted = &all, .n_untrusted = 1};
  require(ids != NULL && tok_encode(v, &s, &in, ids, room, &n, NULL) == BASE_OK);
  for (size_t i = 0; i < n; i++) {
    require(ids[i] < tok_vocab_size(v));
    require(tok_vocab_type(v, ids[i]) != TOK_TYPE_CONTROL || ids[i] == tok_vocab_specials(v)->unk);
  }
  tok_decode(v, ids, n, &out);
  if (gives_text_back(kind, text, len))
    require(out.len == len && (len == 0 || memcmp(out.ptr, text, len) == 0));
  in.n_untrusted = 0;
  require(tok_encode(v, &s, &in, ids, room, &n, NULL) == BASE_OK);
  base_buf_free(&out);
  tok_scratch_free(&s);
  free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const path[KINDS] = {"tests/vocab/bpe.gguf", "tests/vocab/spm.gguf",
                                          "tests/vocab/unigram.gguf", "tests/vocab/wordpiece.gguf"};
  static tok_vocab *v[KINDS];
  for (size_t i = 0; i < KINDS; i++) {
    if (v[i] == NULL) v[i] = open_vocab(path[i]);
    check(v[i], i, (const char *)data, size < MAX_TEXT ? size : MAX_TEXT);
  }
  return 0;
}
