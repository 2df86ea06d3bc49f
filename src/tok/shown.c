/* tok/shown: strings of a vocabulary file as they may stand in a message. */
#include "tok/shown.h"

tok_shown tok_show(base_slice s) {
  tok_shown out;
  size_t n = s.len < TOK_SHOWN_BYTES ? s.len : TOK_SHOWN_BYTES;
  for (size_t i = 0; i < n; i++) out.text[i] = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7F ? s.ptr[i] : '?';
  (void)base_format(out.text + n, sizeof out.text - n, "%s", s.len > n ? "..." : "");
  return out;
}
