/* The first look at a request: are these bytes text, and how much of it. White space is made plain, so that
 * everything after works on one line. */
#include "guard/guard.h"

static bool is_control(uint32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

/* Tab, line ends and every blank of Unicode. U+0085 is a line end too. */
static bool is_blank(uint32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || c == 0x85 || base_utf8_is_space(c);
}

static base_status bad_bytes(base_error *err, size_t at, const char *what) {
  return base_fail(err, BASE_EFORMAT, "request", "byte %zu is %s; send the request as plain UTF-8 text",
                   at + 1, what);
}

base_status guard_request(base_slice text, char *out, size_t *out_len, base_error *err) {
  size_t n = 0, step;
  bool gap = false;
  *out_len = 0;
  out[0] = '\0';
  for (size_t i = 0; i < text.len; i += step) {
    uint32_t c;
    step = base_utf8_decode(text.ptr + i, text.len - i, &c);
    if (step == 0) return bad_bytes(err, i, "not UTF-8");
    if (is_blank(c)) {
      gap = n > 0;
      continue;
    }
    if (is_control(c)) return bad_bytes(err, i, "a control character");
    if (n + step + (gap ? 1 : 0) > GUARD_MAX_REQUEST_BYTES)
      return base_fail(err, BASE_ELIMIT, "request",
                       "the text is too long; at most %d bytes are read, shorten it",
                       GUARD_MAX_REQUEST_BYTES);
    if (gap) out[n++] = ' ';
    gap = false;
    for (size_t j = 0; j < step; j++)
      out[n++] = text.ptr[i + j];
  }
  if (n == 0) return base_fail(err, BASE_EARGUMENT, "request", "the text is empty; say what should be done");
  out[n] = '\0';
  *out_len = n;
  return BASE_OK;
}
