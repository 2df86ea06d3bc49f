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

uint8_t base_cursor_u8(base_cursor *c) {
  const unsigned char *p = base_cursor_bytes(c, 1);
  return p != NULL ? p[0] : 0;
}

uint16_t base_cursor_u16(base_cursor *c) {
  const unsigned char *p = base_cursor_bytes(c, 2);
  if (p == NULL) return 0;
  return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t base_cursor_u32(base_cursor *c) {
  const unsigned char *p = base_cursor_bytes(c, 4);
  return p != NULL ? base_load_u32(p) : 0;
}

uint64_t base_cursor_u64(base_cursor *c) {
  const unsigned char *p = base_cursor_bytes(c, 8);
  return p != NULL ? base_load_u64(p) : 0;
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
