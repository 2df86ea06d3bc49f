/* tok/spm: SentencePiece BPE. Spaces are part of the tokens (U+2581 in the file, plain spaces in memory), a space is
 * put before the text where the vocabulary asks, and characters without a token are spelled in bytes. */
#include "tok/vocab.h"

#include <string.h>

size_t tok_spm_bytes(size_t len) {
  return tok_merge_bytes(len + 1) + len + 1;
}

bool tok_encode_spm(const tok_vocab *v, tok_scratch *s, const char *text, size_t len, bool prefix,
                    tok_sink *out) {
  unsigned char *memory = tok_scratch_take(s, tok_spm_bytes(len));
  if (memory == NULL) return false;
  char *plain = (char *)memory + tok_merge_bytes(len + 1);
  size_t n = 0;
  if (prefix) plain[n++] = ' ';
  for (size_t i = 0; i < len; i++) {
    bool mark = len - i >= 3 && memcmp(text + i, "\xE2\x96\x81", 3) == 0;
    plain[n++] = mark ? ' ' : text[i];
    if (mark) i += 2;
  }
  tok_merge(v, memory, plain, n, out);
  return true;
}
