/* base/buf: the growing byte buffer. One sticky flag instead of a status per append, so writers of
 * documents read as the document does. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

/* Room for `extra` more bytes and the terminator; growth is geometric. */
static bool reserve(base_buf *b, size_t extra) {
  size_t need, cap = b->cap < 32 ? 64 : b->cap;
  if (b->failed) return false;
  bool countable = base_add_size(b->len, extra, &need) && base_add_size(need, 1, &need);
  if (countable && need <= b->cap) return true;
  while (countable && cap < need) countable = base_mul_size(cap, 2, &cap);
  const base_allocator *a = b->allocator != NULL ? b->allocator : base_allocator_libc();
  char *ptr = countable ? a->resize(a->ctx, b->ptr, b->cap, cap) : NULL;
  b->failed = ptr == NULL;
  if (b->failed) return false;
  b->ptr = ptr;
  b->cap = cap;
  return true;
}

void base_buf_add(base_buf *b, const void *bytes, size_t len) {
  if (!reserve(b, len)) return;
  if (len > 0) memcpy(b->ptr + b->len, bytes, len);
  b->len += len;
  b->ptr[b->len] = 0;
}

void base_buf_puts(base_buf *b, const char *terminated) {
  base_buf_add(b, terminated, strlen(terminated));
}

void base_buf_putc(base_buf *b, char c) {
  base_buf_add(b, &c, 1);
}

void base_buf_printf(base_buf *b, const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  if (n < 0) {
    b->failed = true;
  } else if (reserve(b, (size_t)n)) {
    (void)vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
    b->len += (size_t)n;
  }
  va_end(again);
}

static void json_char(base_buf *b, const char *s, size_t n, uint32_t c) {
  switch (c) {
    case '"': base_buf_puts(b, "\\\""); return;
    case '\\': base_buf_puts(b, "\\\\"); return;
    case '\b': base_buf_puts(b, "\\b"); return;
    case '\f': base_buf_puts(b, "\\f"); return;
    case '\n': base_buf_puts(b, "\\n"); return;
    case '\r': base_buf_puts(b, "\\r"); return;
    case '\t': base_buf_puts(b, "\\t"); return;
    default: break;
  }
  if (c < 0x20 || c == 0x7F) {
    base_buf_printf(b, "\\u%04x", (unsigned)c);
  } else {
    base_buf_add(b, s, n);
  }
}

void base_buf_json(base_buf *b, base_slice text) {
  base_buf_putc(b, '"');
  for (size_t at = 0; at < text.len;) {
    uint32_t c;
    size_t n = base_utf8_decode(text.ptr + at, text.len - at, &c);
    if (n == 0) {
      base_buf_puts(b, "\xEF\xBF\xBD");
      at++;
    } else {
      json_char(b, text.ptr + at, n, c);
      at += n;
    }
  }
  base_buf_putc(b, '"');
}

void base_buf_clear(base_buf *b) {
  b->len = 0;
  b->failed = false;
  if (b->ptr != NULL) b->ptr[0] = 0;
}

void base_buf_free(base_buf *b) {
  if (b->ptr != NULL) base_free(b->allocator, b->ptr, b->cap);
  b->ptr = NULL;
  b->len = b->cap = 0;
  b->failed = false;
}
