/* Fuzz target: any bytes as a tokenizer.json (when they begin with a brace) or a SentencePiece
 * tokenizer.model. What is read becomes GGUF, and those keys can be opened again. */
#include "convert/vocab.h"
#include "convert/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static void reopen(gguf_writer *w, size_t tokens) {
  base_buf bytes = {0};
  void *block;
  gguf_file *f;
  uint64_t n;
  base_cursor items;
  require(gguf_writer_bytes(w, &bytes, NULL) == BASE_OK);
  require(posix_memalign(&block, 64, bytes.len) == 0);
  memcpy(block, bytes.ptr, bytes.len);
  require(gguf_open_bytes(&f, block, bytes.len, "fuzz", NULL, NULL) == BASE_OK);
  require(gguf_get_strings(f, "tokenizer.ggml.tokens", &n, &items, NULL) == BASE_OK && n == tokens);
  gguf_close(f);
  free(block);
  base_buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  convert_vocab v;
  base_error err = {0};
  base_status status = BASE_EFORMAT;
  convert_vocab_init(&v);
  if (size > 0 && data[0] == '{') {
    json_t *root = convert_parse_json((const char *)data, size, "fuzz", &err);
    if (root != NULL) status = convert_vocab_read_json(&v, root, "fuzz", &err);
    json_decref(root);
  } else {
    status = convert_vocab_read_model(&v, data, size, "fuzz", &err);
  }
  require(status == BASE_OK || err.text[0] != 0);
  /* an id far off makes a list of holes: allowed, and slow to write */
  if (status == BASE_OK && v.n < 4096 && convert_vocab_pad(&v, v.n + 1, "fuzz", &err) == BASE_OK) {
    gguf_writer *w = gguf_writer_new(NULL);
    require(w != NULL && convert_vocab_put(&v, w, NULL) == BASE_OK);
    reopen(w, v.n);
    gguf_writer_free(w);
  }
  convert_vocab_free(&v);
  return 0;
}
