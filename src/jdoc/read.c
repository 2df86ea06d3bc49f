/* jdoc/read: text to nodes, one pass, no recursion. While a container is open its `link` holds its parent, so
 * that the way back up needs no stack:
 *
 *   value ── scalar ──────────────► after ── , ──► (key) value
 *     └── { [ ── empty ── } ] ──────► after ── } ] ──► after, one level up, or the end
 *          └── not empty ──► (key) value                                                        */
#include "jdoc/internal.h"

#include <string.h>

enum {
  DEFAULT_BYTES = 1 << 28,
  DEFAULT_DEPTH = 1 << 14,
  DEFAULT_NODES = 1 << 26,
  FEW_KEYS = 8 /* up to this many are compared pairwise */
};

typedef struct reader {
  const char *p;
  size_t len, at;
  jdoc_node *node;
  size_t n, cap;
  uint32_t open; /* the container being read, JDOC_NONE outside */
  size_t depth, max_depth;
  bool repeated_keys;
  const jdoc_space *space; /* fixed memory, or NULL */
  base_buf *strings;       /* decoded strings when memory is not fixed */
  size_t n_decoded;        /* bytes used of space->decoded */
  const base_allocator *allocator;
  uint32_t *slot; /* scratch for duplicate keys */
  size_t n_slots;
  base_status status;
  const char *problem; /* the first one, NULL so far */
  size_t problem_at;
} reader;

static bool give_up(reader *r, base_status status, const char *problem) {
  if (r->problem == NULL) {
    r->status = status;
    r->problem = problem;
    r->problem_at = r->at;
  }
  return false;
}

static bool malformed(reader *r, const char *problem) {
  return give_up(r, BASE_EFORMAT, problem);
}

static void skip_space(reader *r) {
  while (r->at < r->len) {
    char c = r->p[r->at];
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    r->at++;
  }
}

static bool take(reader *r, char wanted) {
  if (r->at >= r->len || r->p[r->at] != wanted) return false;
  r->at++;
  return true;
}

static bool add_node(reader *r, size_t start, jdoc_kind kind) {
  if (r->n == r->cap) return give_up(r, BASE_ELIMIT, "it has too many values");
  r->node[r->n++] = (jdoc_node){(uint32_t)start, (uint32_t)(r->at - start), 0, (uint32_t)kind};
  return true;
}

/* ---- scalars ---- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool take_digits(reader *r) {
  size_t start = r->at;
  while (r->at < r->len && is_digit(r->p[r->at])) r->at++;
  return r->at > start;
}

static bool read_number(reader *r) {
  size_t start = r->at;
  (void)take(r, '-');
  if (take(r, '0')) {
    if (r->at < r->len && is_digit(r->p[r->at])) return malformed(r, "a number starts with a needless 0");
  } else if (!take_digits(r)) {
    return malformed(r, "a value is missing or misspelt");
  }
  if (take(r, '.') && !take_digits(r)) return malformed(r, "a number ends after its point");
  if (take(r, 'e') || take(r, 'E')) {
    if (!take(r, '+')) (void)take(r, '-');
    if (!take_digits(r)) return malformed(r, "a number ends after its exponent's e");
  }
  return add_node(r, start, JDOC_NUMBER);
}

static bool read_word(reader *r, const char *word, jdoc_kind kind) {
  size_t n = strlen(word), start = r->at;
  if (r->len - r->at < n || memcmp(r->p + r->at, word, n) != 0)
    return malformed(r, "a value is missing or misspelt");
  r->at += n;
  return add_node(r, start, kind);
}

/* Four hex digits; above 0xFFFF when they are not. */
static uint32_t hex4(const char *p, size_t len) {
  uint32_t v = 0;
  if (len < 4) return 0x10000;
  for (size_t i = 0; i < 4; i++) {
    char c = p[i], small = (char)(c | 0x20);
    uint32_t digit = is_digit(c)                      ? (uint32_t)(c - '0')
                     : small >= 'a' && small <= 'f' ? (uint32_t)(small - 'a' + 10)
                                                      : 0x10000;
    v = v << 4 | digit;
  }
  return v;
}

/* `at` is behind "\u". */
static bool read_unicode(reader *r, uint32_t *out) {
  uint32_t unit = hex4(r->p + r->at, r->len - r->at);
  if (unit > 0xFFFF) return malformed(r, "\\u needs four hex digits");
  r->at += 4;
  *out = unit;
  if (unit < 0xD800 || unit > 0xDFFF) return true;
  if (unit > 0xDBFF || !take(r, '\\') || !take(r, 'u')) return malformed(r, "a string has half a character");
  uint32_t low = hex4(r->p + r->at, r->len - r->at);
  if (low < 0xDC00 || low > 0xDFFF) return malformed(r, "a string has half a character");
  r->at += 4;
  *out = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  return true;
}

/* `at` is behind the backslash. */
static bool read_escape(reader *r, uint32_t *out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (r->at >= r->len) return malformed(r, "a string has no end");
  char kind = r->p[r->at];
  const char *known = kind != 0 ? strchr(from, kind) : NULL;
  if (kind != 'u' && known == NULL) return malformed(r, "a string has an unknown escape");
  r->at++;
  if (kind == 'u') return read_unicode(r, out);
  *out = (uint32_t)to[known - from];
  return true;
}

static bool add_decoded(reader *r, const char *bytes, size_t len) {
  if (r->space == NULL) {
    base_buf_add(r->strings, bytes, len);
    return !r->strings->failed || give_up(r, BASE_ENOMEM, "there is no memory for its strings");
  }
  if (len > r->space->n_decoded - r->n_decoded)
    return give_up(r, BASE_ELIMIT, "its strings with escapes are too long");
  if (len > 0) memcpy(r->space->decoded + r->n_decoded, bytes, len);
  r->n_decoded += len;
  return true;
}

/* Moves over characters that stand for themselves, eight plain ASCII ones at a time. */
static bool skip_plain(reader *r) {
  const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
  while (r->at < r->len) {
    while (r->len - r->at >= 8) {
      uint64_t v;
      memcpy(&v, r->p + r->at, 8);
      uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
      uint64_t stop = ((v - ones * 0x20) | (quote - ones) | (slash - ones) | v) & high;
      if (stop) break;
      r->at += 8;
    }
    if (r->at == r->len) break;
    unsigned char b = (unsigned char)r->p[r->at];
    uint32_t code_point;
    size_t n = 1;
    if (b == '"' || b == '\\') return true;
    if (b < 0x20) return malformed(r, "a string has a control character");
    if (b >= 0x80 && (n = base_utf8_decode(r->p + r->at, r->len - r->at, &code_point)) == 0)
      return malformed(r, "a string is not UTF-8");
    r->at += n;
  }
  return malformed(r, "a string has no end");
}

/* From the first escape on, `at` being on its backslash. */
static bool read_escaped(reader *r, size_t start) {
  size_t first = r->space != NULL ? r->n_decoded : r->strings->len;
  if (!add_decoded(r, r->p + start + 1, r->at - start - 1)) return false;
  while (r->p[r->at] == '\\') {
    uint32_t code_point;
    char bytes[4];
    r->at++;
    if (!read_escape(r, &code_point)) return false;
    if (!add_decoded(r, bytes, base_utf8_encode(code_point, bytes))) return false;
    size_t plain = r->at;
    if (!skip_plain(r) || !add_decoded(r, r->p + plain, r->at - plain)) return false;
  }
  r->at++;
  if (!add_node(r, start, JDOC_STRING)) return false;
  size_t end = r->space != NULL ? r->n_decoded : r->strings->len;
  jdoc_node *n = &r->node[r->n - 1];
  n->link = (uint32_t)first;
  n->bits |= JDOC_ESCAPED | (uint32_t)(end - first) << JDOC_COUNT_SHIFT;
  return true;
}

/* `at` is on the opening quote. */
static bool read_string(reader *r) {
  size_t start = r->at++;
  if (!skip_plain(r)) return false;
  if (r->p[r->at] == '\\') return read_escaped(r, start);
  r->at++;
  if (!add_node(r, start, JDOC_STRING)) return false;
  r->node[r->n - 1].bits |= (uint32_t)(r->at - start - 2) << JDOC_COUNT_SHIFT;
  return true;
}

/* ---- keys ---- */

static const char *decoded_bytes(const reader *r) {
  return r->space != NULL ? r->space->decoded : r->strings->ptr;
}

static jdoc so_far(const reader *r) {
  return (jdoc){.text = r->p, .node = r->node, .n_nodes = r->n, .decoded = decoded_bytes(r)};
}

static bool twice(reader *r, uint32_t key) {
  r->at = r->node[key].start;
  return malformed(r, "an object has this key twice");
}

static bool check_few_keys(reader *r, const jdoc *d, uint32_t object) {
  uint32_t end = (uint32_t)r->n;
  for (uint32_t i = object + 1; i < end; i = jdoc_next(d, i + 1))
    for (uint32_t j = jdoc_next(d, i + 1); j < end; j = jdoc_next(d, j + 1))
      if (base_slice_equal(jdoc_text(d, i), jdoc_text(d, j))) return twice(r, j);
  return true;
}

static bool need_slots(reader *r, size_t n) {
  if (n <= r->n_slots) return true;
  size_t bytes = n * sizeof *r->slot;
  void *fresh = r->allocator->resize(r->allocator->ctx, r->slot, r->n_slots * sizeof *r->slot, bytes);
  if (fresh == NULL) return give_up(r, BASE_ENOMEM, "there is no memory to compare its keys");
  r->slot = fresh;
  r->n_slots = n;
  return true;
}

/* Keys whose hashes collide by design would make a table quadratic; sorting never is. */
static bool check_sorted_keys(reader *r, const jdoc *d, uint32_t object) {
  size_t n = 0;
  for (uint32_t k = object + 1; k < r->n; k = jdoc_next(d, k + 1)) r->slot[n++] = k;
  jdoc_sort_texts(d, r->slot, n);
  for (size_t i = 1; i < n; i++)
    if (base_slice_equal(jdoc_text(d, r->slot[i - 1]), jdoc_text(d, r->slot[i])))
      return twice(r, r->slot[i - 1] > r->slot[i] ? r->slot[i - 1] : r->slot[i]);
  return true;
}

static bool check_many_keys(reader *r, const jdoc *d, uint32_t object, size_t count) {
  size_t slots = 4 * FEW_KEYS, probes = 0;
  while (slots < 2 * count) slots *= 2;
  if (!need_slots(r, slots)) return false;
  memset(r->slot, 0xFF, slots * sizeof *r->slot);
  for (uint32_t k = object + 1; k < r->n; k = jdoc_next(d, k + 1)) {
    size_t at = (size_t)jdoc_text_hash(jdoc_text(d, k)) & (slots - 1);
    for (; r->slot[at] != JDOC_NONE; at = (at + 1) & (slots - 1)) {
      if (base_slice_equal(jdoc_text(d, r->slot[at]), jdoc_text(d, k))) return twice(r, k);
      if (++probes > 16 * count) return check_sorted_keys(r, d, object);
    }
    r->slot[at] = k;
  }
  return true;
}

static bool check_keys(reader *r, uint32_t object) {
  jdoc d = so_far(r);
  size_t count = jdoc_count(&d, object);
  r->node[object].link = (uint32_t)r->n;
  if (count < 2 || r->repeated_keys) return true;
  if (count <= FEW_KEYS || r->space != NULL) return check_few_keys(r, &d, object);
  return check_many_keys(r, &d, object, count);
}

/* ---- structure ---- */

static bool read_key(reader *r) {
  skip_space(r);
  if (r->at >= r->len || r->p[r->at] != '"') return malformed(r, "an object's key is missing");
  if (!read_string(r)) return false;
  skip_space(r);
  return take(r, ':') || malformed(r, "a ':' is missing");
}

static bool is_object(const reader *r, uint32_t i) {
  return (r->node[i].bits & JDOC_KIND_MASK) == JDOC_OBJECT;
}

static bool open_container(reader *r, jdoc_kind kind) {
  if (r->depth == r->max_depth) return give_up(r, BASE_ELIMIT, "it is nested too deep");
  size_t start = r->at++;
  if (!add_node(r, start, kind)) return false;
  r->node[r->n - 1].link = r->open;
  r->open = (uint32_t)r->n - 1;
  r->depth++;
  return true;
}

/* `at` is behind the closing bracket. */
static bool close_container(reader *r) {
  uint32_t closed = r->open;
  jdoc_node *n = &r->node[closed];
  r->open = n->link;
  r->depth--;
  n->len = (uint32_t)(r->at - n->start);
  n->link = (uint32_t)r->n;
  return (n->bits & JDOC_KIND_MASK) != JDOC_OBJECT || check_keys(r, closed);
}

/* Counts the value that starts here with its container. */
static void count_value(reader *r) {
  if (r->open != JDOC_NONE) r->node[r->open].bits += 1U << JDOC_COUNT_SHIFT;
}

/* Reads a scalar, an empty container (*complete), or the opening of one, with its first key. */
static bool read_value(reader *r, bool *complete) {
  *complete = true;
  skip_space(r);
  count_value(r);
  char first = r->at < r->len ? r->p[r->at] : 0;
  switch (first) {
    case '"': return read_string(r);
    case 't': return read_word(r, "true", JDOC_TRUE);
    case 'f': return read_word(r, "false", JDOC_FALSE);
    case 'n': return read_word(r, "null", JDOC_NULL);
    case '{':
    case '[': break;
    default: return read_number(r);
  }
  if (!open_container(r, first == '{' ? JDOC_OBJECT : JDOC_ARRAY)) return false;
  skip_space(r);
  if (take(r, first == '{' ? '}' : ']')) return close_container(r);
  *complete = false;
  return first == '[' || read_key(r);
}

/* Behind a value: closes what ends here; *more when a comma announces another value. */
static bool read_after(reader *r, bool *more) {
  *more = false;
  while (r->open != JDOC_NONE) {
    bool object = is_object(r, r->open);
    skip_space(r);
    if (take(r, ',')) {
      *more = true;
      return !object || read_key(r);
    }
    if (!take(r, object ? '}' : ']'))
      return malformed(r, r->at < r->len ? object ? "a ',' or '}' is missing" : "a ',' or ']' is missing"
                          : object       ? "an object has no end"
                                         : "an array has no end");
    if (!close_container(r)) return false;
  }
  return true;
}

static bool read_document(reader *r) {
  bool more = true, complete;
  if (r->len >= 3 && memcmp(r->p, "\xEF\xBB\xBF", 3) == 0)
    return malformed(r, "it starts with a byte order mark");
  while (more) {
    if (!read_value(r, &complete)) return false;
    if (complete && !read_after(r, &more)) return false;
  }
  skip_space(r);
  return r->at == r->len || malformed(r, "something follows the value");
}

/* ---- the two ways in ---- */

static base_status report(const reader *r, const char *where, base_error *err) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < r->problem_at; i++) {
    bool continuation = ((unsigned char)r->p[i] & 0xC0) == 0x80;
    if (r->p[i] == '\n') line++, column = 1;
    else column += !continuation;
  }
  const char *is = r->status == BASE_EFORMAT ? "this is not JSON" : "this JSON cannot be read";
  return base_fail(err, r->status, where, "%s: line %zu, column %zu: %s", is, line, column, r->problem);
}

static base_status check_limits(base_slice text, const jdoc_limits *wanted, jdoc_limits *out,
                                const char *where, base_error *err) {
  *out = wanted != NULL ? *wanted : (jdoc_limits){0};
  if (out->bytes == 0 || out->bytes > DEFAULT_BYTES) out->bytes = DEFAULT_BYTES;
  if (out->depth == 0) out->depth = DEFAULT_DEPTH;
  if (out->nodes == 0 || out->nodes > DEFAULT_NODES) out->nodes = DEFAULT_NODES;
  if (text.len <= out->bytes) return BASE_OK;
  return base_fail(err, BASE_ELIMIT, where, "the JSON is longer than %zu bytes", out->bytes);
}

/* Every value but the first stands behind one of these. Too many when strings hold them, never too few. */
static size_t most_values(base_slice text) {
  size_t n = 1;
  for (size_t i = 0; i < text.len;) {
    size_t end = text.len - i < 255 ? text.len : i + 255;
    uint8_t block = 0; /* bytes add up in vectors of bytes */
    for (; i < end; i++) {
      char c = text.ptr[i];
      block = (uint8_t)(block + (uint8_t)((c == ',') | (c == ':') | (c == '[') | (c == '{')));
    }
    n += block;
  }
  return n;
}

/* The block was made for the most values that the text could have. */
static void shrink(jdoc *d) {
  size_t bytes = d->n_nodes * sizeof *d->block;
  if (bytes + bytes / 4 >= d->block_bytes) return;
  void *fresh = d->allocator.resize(d->allocator.ctx, d->block, d->block_bytes, bytes);
  if (fresh == NULL) return; /* the larger one is as good */
  d->block = fresh;
  d->block_bytes = bytes;
  d->node = d->block;
}

base_status jdoc_open(jdoc *out, base_slice text, const jdoc_limits *limits, const char *where,
                      const base_allocator *a, base_error *err) {
  jdoc_limits l;
  *out = (jdoc){0};
  base_status st = check_limits(text, limits, &l, where, err);
  if (st) return st;
  out->allocator = a != NULL ? *a : *base_allocator_libc();
  out->strings.allocator = &out->allocator;
  size_t cap = most_values(text);
  if (cap > l.nodes) cap = l.nodes;
  out->block_bytes = cap * sizeof *out->block;
  out->block = base_alloc(&out->allocator, out->block_bytes);
  if (out->block == NULL) return base_fail(err, BASE_ENOMEM, where, "no memory for %zu JSON values", cap);
  reader r = {.p = text.len > 0 ? text.ptr : "",
              .len = text.len,
              .node = out->block,
              .cap = cap,
              .open = JDOC_NONE,
              .max_depth = l.depth,
              .repeated_keys = l.repeated_keys,
              .strings = &out->strings,
              .allocator = &out->allocator};
  if (!read_document(&r)) st = report(&r, where, err);
  if (r.slot != NULL) base_free(&out->allocator, r.slot, r.n_slots * sizeof *r.slot);
  out->text = r.p;
  out->node = out->block;
  out->n_nodes = r.n;
  out->decoded = out->strings.ptr;
  if (st) jdoc_close(out);
  else shrink(out);
  out->strings.allocator = NULL; /* the document may be moved; jdoc_close knows */
  return st;
}

void jdoc_close(jdoc *d) {
  if (d->block != NULL) base_free(&d->allocator, d->block, d->block_bytes);
  d->strings.allocator = &d->allocator;
  base_buf_free(&d->strings);
  *d = (jdoc){0};
}

base_status jdoc_read(jdoc *out, base_slice text, const jdoc_limits *limits, const jdoc_space *space,
                      const char *where, base_error *err) {
  jdoc_limits l;
  *out = (jdoc){0};
  base_status st = check_limits(text, limits, &l, where, err);
  if (st) return st;
  reader r = {.p = text.len > 0 ? text.ptr : "",
              .len = text.len,
              .node = space->node,
              .cap = space->n_nodes < l.nodes ? space->n_nodes : l.nodes,
              .open = JDOC_NONE,
              .max_depth = l.depth,
              .repeated_keys = l.repeated_keys,
              .space = space};
  if (!read_document(&r)) return report(&r, where, err);
  out->text = r.p;
  out->node = space->node;
  out->n_nodes = r.n;
  out->decoded = space->decoded;
  return BASE_OK;
}
