/* Fuzz target: any bytes as a GGUF file. What opens is walked to its last byte, its tensors are decoded,
 * and it is read as a tokenizer and as a model to export. */
#include "convert/family.h"
#include "gguf/gguf.h"
#include "quant/quant.h"
#include "tok/tok.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

/* Adds up every byte, so that a sanitizer sees one that is not there. */
static unsigned touch(const void *bytes, size_t len) {
  unsigned sum = 0;
  for (size_t i = 0; i < len; i++) sum += ((const unsigned char *)bytes)[i];
  return sum;
}

static unsigned walk_values(const gguf_file *f) {
  unsigned sum = 0;
  for (size_t i = 0; i < gguf_value_count(f); i++) {
    const gguf_value *v = gguf_value_at(f, i);
    char key[256];
    uint32_t u;
    float x;
    sum += touch(v->key.ptr, v->key.len) + touch(v->bytes, v->len);
    if (!base_format(key, sizeof key, "%.*s", (int)v->key.len, v->key.ptr)) continue;
    require(gguf_find(f, key) == v);
    (void)gguf_get_u32(f, key, &u, NULL);
    (void)gguf_get_f32(f, key, &x, NULL);
    uint64_t count;
    base_cursor items;
    if (gguf_get_strings(f, key, &count, &items, NULL) != BASE_OK) continue;
    for (uint64_t k = 0; k < count; k++) {
      base_slice s = gguf_next_string(&items);
      require(!items.failed);
      sum += touch(s.ptr, s.len);
    }
  }
  return sum;
}

static unsigned walk_tensors(const gguf_file *f) {
  unsigned sum = 0;
  for (size_t i = 0; i < gguf_tensor_count(f); i++) {
    const gguf_tensor *t = gguf_tensor_at(f, i);
    char name[80];
    require(base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr));
    require(gguf_find_tensor(f, name) == t);
    require(((uintptr_t)t->data & 31) == 0);
    sum += touch(t->data, t->bytes);
    float first[256];
    size_t block = gguf_block_elements(t->type);
    quant_decode_row(t->type, t->data, block, first);
    sum += touch(first, block * sizeof *first);
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  void *block;
  gguf_file *f;
  tok_bpe *t;
  base_error err = {0};
  if (posix_memalign(&block, 64, size > 0 ? size : 1) != 0) return 0;
  if (size > 0) memcpy(block, data, size);
  base_status status = gguf_open_bytes(&f, block, size, "fuzz", NULL, &err);
  require((status == BASE_OK) == (f != NULL) && (status == BASE_OK || err.text[0] != 0));
  if (f != NULL) {
    volatile unsigned sink = walk_values(f) + walk_tensors(f);
    (void)sink;
    convert_config config;
    json_decref(convert_config_write(&config, f, NULL));
    if (tok_bpe_open(&t, f, NULL, &err) == BASE_OK) {
      uint16_t ids[64];
      uint8_t cases[64];
      tok_word words[32];
      tok_result r = {.ids = ids, .cases = cases, .max_tokens = 64, .words = words, .max_words = 32};
      tok_bpe_encode(t, "Wake me up at 7:30", 18, 0.0F, NULL, &r);
      require(r.n_words == 7 && r.n_tokens <= 64);
      require(tok_bpe_same(t, f));
    }
    tok_bpe_close(t);
  }
  gguf_close(f);
  free(block);
  return 0;
}
