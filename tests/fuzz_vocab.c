/* Fuzz target: any bytes as a GGUF file with a vocabulary. What opens encodes some texts; ids are in range,
 * pieces are readable, and no text has more tokens than the bound. */
#include "tok/tok.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 4096 };

static void require(bool condition) {
  if (!condition) abort();
}

static void use(const tok_vocab *v, const char *text, size_t len, tok_scratch *s) {
  static const tok_span span[] = {{2, 5}};
  uint32_t ids[ROOM];
  size_t n;
  base_buf out = {0};
  tok_input in = {.text = text,
                  .len = len,
                  .flags = TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL,
                  .untrusted = span,
                  .n_untrusted = len >= 5};
  base_status st = tok_encode(v, s, &in, ids, ROOM, &n, NULL);
  require(st == BASE_OK && n <= tok_encode_bound(v, len));
  for (size_t i = 0; i < n; i++) require(ids[i] < tok_vocab_size(v));
  tok_decode(v, ids, n, &out);
  tok_stream stream;
  tok_stream_init(&stream, v, true);
  for (size_t i = 0; i < n; i++) {
    base_slice piece = tok_stream_next(&stream, ids[i]);
    require(base_utf8_valid(piece.ptr, piece.len));
  }
  (void)tok_stream_finish(&stream);
  base_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const texts[] = {"", "a", "ab aab <s>ab</s>\n",
                                      ("\xC3\xA9\xF0\x9F\x98\x80 \xE2\x96\x81"
                                       "b \xFF 123")};
  gguf_file *f = NULL;
  tok_vocab *v = NULL;
  tok_scratch s = {0};
  void *block = aligned_alloc(64, (size + 64) / 64 * 64);
  if (block == NULL) abort();
  if (size > 0) memcpy(block, data, size);
  if (gguf_open_bytes(&f, block, size, "fuzz", NULL, NULL) == BASE_OK) {
    base_error err = {0};
    base_status st = tok_vocab_open(&v, f, NULL, &err);
    require((st == BASE_OK) == (v != NULL) && (st == BASE_OK || err.text[0] != '\0'));
  }
  gguf_close(f);
  for (size_t i = 0; v != NULL && i < sizeof texts / sizeof texts[0]; i++)
    use(v, texts[i], strlen(texts[i]), &s);
  for (uint32_t id = 0; v != NULL && id <= tok_vocab_size(v); id++) {
    base_slice piece = tok_vocab_piece(v, id);
    require(piece.len <= 2 * TOK_MAX_PIECE_BYTES && base_hash(BASE_HASH_START, piece.ptr, piece.len) != 0);
  }
  tok_scratch_free(&s);
  tok_vocab_close(v);
  free(block);
  return 0;
}
