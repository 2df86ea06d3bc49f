/* jdoc/walk: looking around in a document: members, pointers, order, writing. */
#include "jdoc/internal.h"

#include <string.h>

uint32_t jdoc_find(const jdoc *d, uint32_t object, base_slice key) {
  uint32_t k = object + 1;
  for (uint32_t n = jdoc_count(d, object); n > 0; n--, k = jdoc_next(d, k + 1))
    if (base_slice_equal(jdoc_text(d, k), key)) return k + 1;
  return JDOC_NONE;
}

/* ---- pointers (RFC 6901) ---- */

/* The pointer's step equals the key, '~0' standing for '~' and '~1' for '/'. */
static bool step_is(base_slice step, base_slice key) {
  size_t i = 0, k = 0;
  for (; i < step.len && k < key.len; i++, k++) {
    char c = step.ptr[i];
    if (c == '~' && i + 1 < step.len && (step.ptr[i + 1] == '0' || step.ptr[i + 1] == '1'))
      c = step.ptr[++i] == '0' ? '~' : '/';
    if (c != key.ptr[k]) return false;
  }
  return i == step.len && k == key.len;
}

static uint32_t step_member(const jdoc *d, uint32_t i, base_slice step) {
  uint32_t k = i + 1;
  for (uint32_t n = jdoc_count(d, i); n > 0; n--, k = jdoc_next(d, k + 1))
    if (step_is(step, jdoc_text(d, k))) return k + 1;
  return JDOC_NONE;
}

static uint32_t step_item(const jdoc *d, uint32_t i, base_slice step) {
  size_t index;
  if (step.len == 0 || (step.len > 1 && step.ptr[0] == '0') || !base_parse_size(step, &index) ||
      index >= jdoc_count(d, i))
    return JDOC_NONE;
  uint32_t v = i + 1;
  for (; index > 0; index--) v = jdoc_next(d, v);
  return v;
}

uint32_t jdoc_at_pointer(const jdoc *d, uint32_t i, base_slice pointer) {
  base_slice step;
  if (pointer.len == 0) return i;
  if (pointer.ptr[0] != '/') return JDOC_NONE;
  pointer = base_slice_sub(pointer, 1, pointer.len);
  bool more = true; /* base_slice_split does not give the empty piece behind a last '/' */
  while (more && i != JDOC_NONE) {
    const char *slash = pointer.len > 0 ? memchr(pointer.ptr, '/', pointer.len) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - pointer.ptr) : pointer.len;
    step = base_slice_sub(pointer, 0, n);
    more = slash != NULL;
    pointer = base_slice_sub(pointer, n + 1, pointer.len);
    jdoc_kind kind = jdoc_kind_at(d, i);
    i = kind == JDOC_OBJECT ? step_member(d, i, step) : kind == JDOC_ARRAY ? step_item(d, i, step) : JDOC_NONE;
  }
  return i;
}

uint32_t jdoc_member(const jdoc *d, uint32_t i, const char *key) {
  if (i == JDOC_NONE || jdoc_kind_at(d, i) != JDOC_OBJECT) return JDOC_NONE;
  return jdoc_find(d, i, base_slice_of(key));
}

bool jdoc_is_text(const jdoc *d, uint32_t i, const char *text) {
  return i != JDOC_NONE && jdoc_kind_at(d, i) == JDOC_STRING &&
         base_slice_equal(jdoc_text(d, i), base_slice_of(text));
}

void jdoc_put_pointer(base_buf *b, base_slice key) {
  base_buf_putc(b, '/');
  for (size_t i = 0; i < key.len; i++) {
    if (key.ptr[i] == '~') base_buf_puts(b, "~0");
    else if (key.ptr[i] == '/') base_buf_puts(b, "~1");
    else base_buf_putc(b, key.ptr[i]);
  }
}

/* ---- order ---- */

static bool text_before(const void *doc, uint32_t a, uint32_t b) {
  return base_slice_compare(jdoc_text(doc, a), jdoc_text(doc, b)) < 0;
}

void jdoc_sort_texts(const jdoc *d, uint32_t *index, size_t n) {
  base_sort_u32(index, n, text_before, d);
}

/* ---- writing ---- */

/* Values stand in the order of the text, so that writing walks the nodes once. What closes where is known from
 * the ends of the containers; instead of a stack of them, the raw text between two values says it. */
static void put_closings(base_buf *b, const jdoc *d, size_t from, size_t to) {
  for (size_t at = from; at < to; at++)
    if (strchr("]},:", d->text[at]) != NULL && d->text[at] != 0) base_buf_putc(b, d->text[at]);
}

void jdoc_put(base_buf *b, const jdoc *d, uint32_t i) {
  uint32_t end = jdoc_next(d, i);
  size_t stop = d->node[i].start + d->node[i].len, at = d->node[i].start;
  for (; i < end; i++) {
    const jdoc_node *n = &d->node[i];
    put_closings(b, d, at, n->start);
    at = n->start + n->len;
    switch (jdoc_kind_at(d, i)) {
      case JDOC_STRING: base_buf_json(b, jdoc_text(d, i)); break;
      case JDOC_ARRAY:
      case JDOC_OBJECT:
        base_buf_putc(b, d->text[n->start]);
        at = n->start + 1;
        break;
      default: base_buf_add(b, d->text + n->start, n->len); break;
    }
  }
  put_closings(b, d, at, stop);
}
