/* base/cursor: little-endian reads from untrusted bytes. One rule keeps every parser safe: the first read
 * past the end fails the cursor for good, and a failed cursor gives zeros. */
#include "base/base.h"

#include <string.h>

base_cursor base_cursor_of(const void *bytes, size_t len) {
  return (base_cursor){bytes, len, 0, false};
}

const void *base_cursor_bytes(base_cursor *c, size_t len) {
  if (c->failed || len > c->len - c->pos) {
    c->failed = true;
    return NULL;
  }
  if (c->ptr == NULL) return NULL;
  const unsigned char *at = c->ptr + c->pos;
  c->pos += len;
  return at;
}

void base_cursor_skip(base_cursor *c, size_t len) {
  (void)base_cursor_bytes(c, len);
}

/* Assembled byte by byte: right on every machine, and compilers make one load of it. */
static uint64_t read_le(base_cursor *c, size_t bytes) {
  const unsigned char *p = base_cursor_bytes(c, bytes);
  uint64_t v = 0;
  if (p == NULL) return 0;
  for (size_t i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

uint8_t base_cursor_u8(base_cursor *c) {
  return (uint8_t)read_le(c, 1);
}

uint16_t base_cursor_u16(base_cursor *c) {
  return (uint16_t)read_le(c, 2);
}

uint32_t base_cursor_u32(base_cursor *c) {
  return (uint32_t)read_le(c, 4);
}

uint64_t base_cursor_u64(base_cursor *c) {
  return read_le(c, 8);
}

float base_cursor_f32(base_cursor *c) {
  uint32_t bits = base_cursor_u32(c);
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

double base_cursor_f64(base_cursor *c) {
  uint64_t bits = base_cursor_u64(c);
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
