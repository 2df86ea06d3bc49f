/* uniqueItems in near linear time, and contents of strings. */
#include "constrain/internal.h"

#include <string.h>

enum { FEW_ITEMS = 12 };

static constrain_verdict twice(constrain_run *r, const constrain_frame *f, const constrain_op *o) {
  return constrain_report(r, f, o, "this list has an item twice");
}

static constrain_verdict compare_pairs(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  uint32_t end = jdoc_next(r->v, f->value);
  for (uint32_t i = f->value + 1; i < end; i = jdoc_next(r->v, i))
    for (uint32_t j = jdoc_next(r->v, i); j < end && r->steps > 0; j = jdoc_next(r->v, j))
      if (jdoc_equal(r->v, i, r->v, j, &r->steps)) return twice(r, f, o);
  return CONSTRAIN_PASS;
}

/* A table of hashes and items behind the marks; items made to collide cost steps. */
static constrain_verdict compare_hashes(constrain_run *r, constrain_frame *f, const constrain_op *o,
                                        size_t n_slots) {
  uint32_t *slot = (uint32_t *)r->mark.ptr + r->mark.n, end = jdoc_next(r->v, f->value);
  memset(slot, 0xFF, 2 * n_slots * sizeof *slot);
  for (uint32_t i = f->value + 1; i < end && r->steps > 0; i = jdoc_next(r->v, i)) {
    uint64_t hash = jdoc_hash(r->v, i);
    uint32_t short_hash = (uint32_t)(hash >> 32);
    size_t at = (size_t)hash & (n_slots - 1);
    for (; slot[2 * at + 1] != CONSTRAIN_NONE && r->steps > 0; at = (at + 1) & (n_slots - 1), r->steps--)
      if (slot[2 * at] == short_hash && jdoc_equal(r->v, slot[2 * at + 1], r->v, i, &r->steps))
        return twice(r, f, o);
    slot[2 * at] = short_hash;
    slot[2 * at + 1] = i;
  }
  return CONSTRAIN_PASS;
}

constrain_verdict constrain_unique(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  size_t count = jdoc_count(r->v, f->value), n_slots = 32;
  if (count <= FEW_ITEMS || r->a == NULL) return compare_pairs(r, f, o);
  while (n_slots < 2 * count) n_slots *= 2;
  if (!constrain_vec_need(&r->mark, 2 * n_slots, sizeof(uint32_t), r->a))
    return constrain_stop(r, BASE_ENOMEM, "no memory to compare the items of a list");
  return compare_hashes(r, f, o, n_slots);
}

/* ---- contents ---- */

static int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4: whole groups of four, '=' only at the end. */
static bool decode_base64(base_slice s, base_buf *out) {
  if (s.len % 4 != 0) return false;
  for (size_t i = 0; i < s.len; i += 4) {
    size_t n = 4;
    uint32_t group = 0;
    while (n > 2 && i + 4 == s.len && s.ptr[i + n - 1] == '=') n--;
    for (size_t k = 0; k < 4; k++) {
      int digit = k < n ? base64_digit(s.ptr[i + k]) : 0;
      if (digit < 0) return false;
      group = group << 6 | (uint32_t)digit;
    }
    const char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
    base_buf_add(out, bytes, n - 1);
  }
  return true;
}

/* x: base64, y: JSON. */
constrain_verdict constrain_content(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  base_slice text = jdoc_text(r->v, f->value);
  base_buf plain = {.allocator = r->a};
  constrain_verdict v = CONSTRAIN_PASS;
  if (o->x) {
    if (!decode_base64(text, &plain)) v = constrain_report(r, f, o, "this must be base64");
    if (plain.failed) v = constrain_stop(r, BASE_ENOMEM, "no memory for the content of a string");
    text = (base_slice){plain.ptr, plain.len};
  }
  if (v == CONSTRAIN_PASS && o->y) {
    jdoc d;
    jdoc_limits l = {.repeated_keys = true};
    base_status st = jdoc_open(&d, text, &l, "content", r->a, NULL);
    if (st == BASE_ENOMEM) v = constrain_stop(r, st, "no memory for the content of a string");
    else if (st) v = constrain_report(r, f, o, "the content must be JSON");
    else jdoc_close(&d);
  }
  base_buf_free(&plain);
  return v;
}
