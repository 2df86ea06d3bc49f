/* The set itself: text blocks, interned names, rows with checked spans, value lists. */
#include "data/data.h"

#include <string.h>

/* Text lives in blocks that never move, so slices into them stay good. */
struct data_block {
  struct data_block *next;
  size_t used, size;
  char bytes[];
};

enum { BLOCK_BYTES = 1 << 18, MAX_NAMES = 65000 };

void data_init(data_set *s, const base_allocator *a) {
  *s = (data_set){.allocator = a ? a : base_allocator_libc()};
}

static void names_free(const data_set *s, data_names *names) {
  base_free(s->allocator, names->name, names->cap * sizeof *names->name);
}

void data_free(data_set *s) {
  if (s->allocator == NULL) return;
  for (size_t i = 0; i < s->n_lists; i++) names_free(s, &s->lists[i].values);
  base_free(s->allocator, s->lists, s->lists_cap * sizeof *s->lists);
  names_free(s, &s->labels);
  names_free(s, &s->slots);
  base_free(s->allocator, s->rows, s->rows_cap * sizeof *s->rows);
  base_free(s->allocator, s->spans, s->spans_cap * sizeof *s->spans);
  while (s->blocks != NULL) {
    struct data_block *b = s->blocks;
    s->blocks = b->next;
    base_free(s->allocator, b, sizeof *b + b->size);
  }
  *s = (data_set){0};
}

base_slice data_keep(data_set *s, base_slice text) {
  struct data_block *b = s->blocks;
  if (b == NULL || b->size - b->used < text.len) {
    size_t size = text.len > BLOCK_BYTES ? text.len : BLOCK_BYTES;
    b = base_alloc(s->allocator, sizeof *b + size);
    if (b == NULL) return (base_slice){0};
    *b = (struct data_block){.next = s->blocks, .size = size};
    s->blocks = b;
  }
  char *at = b->bytes + b->used;
  if (text.len) memcpy(at, text.ptr, text.len);
  b->used += text.len;
  return (base_slice){at, text.len};
}

/* Makes room for one more element; false when out of memory. */
static bool grow(const data_set *s, void **array, size_t n, size_t *cap, size_t element) {
  void *grown = base_grow(s->allocator, *array, cap, n + 1, element);
  if (grown != NULL) *array = grown;
  return grown != NULL;
}

/* ---- names and lists ---- */

int data_find_name(const data_names *names, base_slice name) {
  for (size_t i = 0; i < names->n; i++)
    if (base_slice_equal(names->name[i], name)) return (int)i;
  return -1;
}

static int add_name(data_set *s, data_names *names, base_slice name) {
  if (names->n >= MAX_NAMES || !grow(s, (void **)&names->name, names->n, &names->cap, sizeof *names->name))
    return -1;
  base_slice kept = data_keep(s, name);
  if (kept.ptr == NULL) return -1;
  names->name[names->n] = kept;
  return (int)names->n++;
}

int data_name(data_set *s, data_names *names, base_slice name) {
  int found = data_find_name(names, name);
  return found >= 0 ? found : add_name(s, names, name);
}

int data_list_of(data_set *s, base_slice name) {
  for (size_t i = 0; i < s->n_lists; i++)
    if (base_slice_equal(s->lists[i].name, name)) return (int)i;
  if (s->n_lists >= DATA_NO_LIST || !grow(s, (void **)&s->lists, s->n_lists, &s->lists_cap, sizeof *s->lists))
    return -1;
  base_slice kept = data_keep(s, name);
  if (kept.ptr == NULL) return -1;
  s->lists[s->n_lists] = (data_list){.name = kept};
  return (int)s->n_lists++;
}

base_status data_list_add(data_set *s, int list, base_slice value, base_error *err) {
  if (data_name(s, &s->lists[list].values, value) >= 0) return BASE_OK;
  return base_fail(err, BASE_ENOMEM, "value list", "no room for '%.*s'",
                   (int)(value.len < 60 ? value.len : 60), value.ptr);
}

base_status data_lists_from_spans(data_set *s, base_error *err) {
  for (size_t i = 0; i < s->n_rows; i++)
    for (uint32_t k = 0; k < s->rows[i].n_spans; k++) {
      data_span *span = &s->spans[s->rows[i].first_span + k];
      int list = data_list_of(s, s->slots.name[span->slot]);
      if (list < 0) return base_fail(err, BASE_ENOMEM, "value lists", "no memory");
      base_status st = data_list_add(s, list, base_slice_sub(s->rows[i].text, span->start, span->end), err);
      if (st) return st;
      span->list = (uint16_t)list;
    }
  return BASE_OK;
}

/* ---- rows ---- */

static base_status check_spans(base_slice text, const data_span *spans, size_t n, base_error *err) {
  uint32_t before = 0;
  for (size_t i = 0; i < n; i++) {
    const data_span *p = &spans[i];
    if (p->start < before || p->start >= p->end || p->end > text.len)
      return base_fail(err, BASE_EFORMAT, "span",
                       "span %zu (%u to %u) is empty, overlaps or lies outside the text", i + 1, p->start,
                       p->end);
    if (((unsigned char)text.ptr[p->start] & 0xc0) == 0x80 ||
        (p->end < text.len && ((unsigned char)text.ptr[p->end] & 0xc0) == 0x80))
      return base_fail(err, BASE_EFORMAT, "span", "span %zu cuts a character in two", i + 1);
    before = p->end;
  }
  return BASE_OK;
}

/* Letters and digits, lower-cased; runs of anything else count as one space. */
static uint64_t hash_words(uint64_t h, base_slice s, bool *gap) {
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c >= 'A' && c <= 'Z') c = (unsigned char)(c + 32);
    bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
    if (word && *gap) h = base_hash(h, " ", 1);
    *gap = !word && c != '\'';
    if (word) h = base_hash(h, &c, 1);
  }
  return h;
}

static uint32_t phrasing(base_slice text, const data_span *spans, size_t n) {
  uint64_t h = BASE_HASH_START;
  uint32_t at = 0;
  bool gap = false;
  for (size_t i = 0; i <= n; i++) {
    uint32_t end = i < n ? spans[i].start : (uint32_t)text.len;
    h = hash_words(h, base_slice_sub(text, at, end), &gap);
    if (i == n) break;
    h = base_hash(h, &spans[i].slot, sizeof spans[i].slot);
    at = spans[i].end;
  }
  return (uint32_t)(h ^ (h >> 32));
}

base_status data_add(data_set *s, base_slice text, int label, const data_span *spans, size_t n_spans,
                     base_error *err) {
  base_status st = check_spans(text, spans, n_spans, err);
  if (st) return st;
  if (text.len >= DATA_MAX_TEXT || n_spans > DATA_MAX_SPANS)
    return base_fail(err, BASE_ELIMIT, "row",
                     "a text of %zu bytes and %zu spans; at most %d and %d are supported", text.len, n_spans,
                     DATA_MAX_TEXT - 1, DATA_MAX_SPANS);
  bool room = grow(s, (void **)&s->rows, s->n_rows, &s->rows_cap, sizeof *s->rows);
  for (size_t i = 0; i < n_spans && room; i++) {
    room = grow(s, (void **)&s->spans, s->n_spans + i, &s->spans_cap, sizeof *s->spans);
    if (room) s->spans[s->n_spans + i] = spans[i];
  }
  base_slice kept = room ? data_keep(s, text) : (base_slice){0};
  if (!room || kept.ptr == NULL) return base_fail(err, BASE_ENOMEM, "row", "no memory for the text");
  s->rows[s->n_rows++] = (data_row){
      .text = kept,
      .label = label < 0 ? DATA_NO_LABEL : (uint16_t)label,
      .first_span = (uint32_t)s->n_spans,
      .n_spans = (uint32_t)n_spans,
      .phrasing = phrasing(text, spans, n_spans),
  };
  s->n_spans += n_spans;
  return BASE_OK;
}
