/* Fuzz target: any bytes as a config.json (when they begin with a brace) or as a GGUF file whose metadata becomes one.
 * What is refused is said; what was read and can be written is read again. */
#include "convert/convert.h"
#include "convert/family.h"
#include "convert/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_TOKENS = 1 << 16 };

static void require(bool condition) {
  if (!condition) abort();
}

/* The metadata with an embedding of as many rows, which is where a vocabulary's size is read from. */
static gguf_file *reopen(gguf_writer *w, uint32_t vocab, void **block) {
  const uint64_t dim[2] = {1, vocab};
  base_buf bytes = {0};
  gguf_file *f;
  float *rows = calloc(vocab, sizeof *rows);
  require(rows != NULL);
  gguf_put_tensor(w, "token_embd.weight", GGUF_T_F32, 2, dim, rows);
  require(gguf_writer_bytes(w, &bytes, NULL) == BASE_OK);
  require(posix_memalign(block, 64, bytes.len) == 0);
  memcpy(*block, bytes.ptr, bytes.len);
  require(gguf_open_bytes(&f, *block, bytes.len, "fuzz", NULL, NULL) == BASE_OK);
  free(rows);
  base_buf_free(&bytes);
  return f;
}

static void write_back(const gguf_file *f, bool must_read) {
  convert_config c;
  base_error err = {0};
  json_t *root = convert_config_write(&c, f, &err);
  require(root != NULL || err.text[0] != '\0');
  gguf_writer *w = gguf_writer_new(NULL);
  require(w != NULL);
  base_status st = root != NULL ? convert_config_read(&c, root, 1, w, "fuzz", &err) : BASE_OK;
  require(st == BASE_OK || (!must_read && err.text[0] != '\0'));
  gguf_writer_free(w);
  json_decref(root);
}

/* As convert_load_json reads a file: what can be read as it stands can be read softened. */
static json_t *load(const uint8_t *data, size_t size, base_error *err) {
  char *text = malloc(size);
  require(text != NULL);
  memcpy(text, data, size);
  convert_soften_integers(text, size);
  json_t *as_it_stands = memchr(data, 0, size) == NULL ? convert_parse_json((const char *)data, size, "fuzz", NULL) : NULL;
  json_t *root = convert_parse_json(text, size, "fuzz", err);
  require(root != NULL || as_it_stands == NULL);
  json_decref(as_it_stands);
  free(text);
  return root;
}

static void read_config(const uint8_t *data, size_t size) {
  convert_config c;
  base_error err = {0};
  json_t *root = load(data, size, &err);
  gguf_writer *w = gguf_writer_new(NULL);
  require(w != NULL && (root != NULL || err.text[0] != '\0'));
  base_status st = root != NULL ? convert_config_read(&c, root, 1, w, "fuzz", &err) : BASE_EFORMAT;
  require(st == BASE_OK || err.text[0] != '\0');
  if (st == BASE_OK && c.vocab > 0 && c.vocab <= MOST_TOKENS) {
    void *block;
    gguf_file *f = reopen(w, c.vocab, &block);
    write_back(f, true);
    gguf_close(f);
    free(block);
  }
  gguf_writer_free(w);
  json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  gguf_file *f = NULL;
  if (size > 0 && data[0] == '{') {
    read_config(data, size);
    return 0;
  }
  void *block;
  if (size == 0 || posix_memalign(&block, 64, size) != 0) return 0;
  memcpy(block, data, size);
  if (gguf_open_bytes(&f, block, size, "fuzz", NULL, NULL) == BASE_OK) write_back(f, false);
  gguf_close(f);
  free(block);
  return 0;
}
