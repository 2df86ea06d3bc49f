/* jdoc: strict JSON text (RFC 8259, UTF-8) read once into a flat list of values that lies in one block, with
 * exact decimal numbers. Iterative: depth costs no stack. Bounded: bytes, depth and values have limits, and the
 * time is near linear in the text whatever the text is. (jansson, which owns the prefix `json`, rounds numbers.) */
#ifndef JDOC_JDOC_H
#define JDOC_JDOC_H

#include "base/base.h"

typedef enum jdoc_kind {
  JDOC_NULL,
  JDOC_FALSE,
  JDOC_TRUE,
  JDOC_NUMBER,
  JDOC_STRING,
  JDOC_ARRAY,
  JDOC_OBJECT
} jdoc_kind;

/* One value. Values stand in the order of the text: the first item of the container at i is at i + 1; the items
 * of an object are key, value, key, value, keys being strings. Read it with the functions below. */
typedef struct jdoc_node {
  uint32_t start, len; /* the raw text, quotes included */
  uint32_t link;       /* container: index behind its last item; string with escapes: where it lies decoded */
  uint32_t bits;       /* kind, escaped, then the number of items or members, or bytes of the decoded string */
} jdoc_node;

enum { JDOC_KIND_MASK = 7, JDOC_ESCAPED = 8, JDOC_COUNT_SHIFT = 4, JDOC_NONE = 0xFFFFFFFF };

typedef struct jdoc {
  const char *text; /* borrowed from the caller of jdoc_open: has to outlive the document */
  const jdoc_node *node;
  size_t n_nodes; /* the root is node 0 */
  const char *decoded;
  /* private: what jdoc_close gives back */
  base_allocator allocator;
  jdoc_node *block;
  size_t block_bytes;
  base_buf strings;
} jdoc;

/* Zero means the default: 256 MiB (at most that), 16,384 deep, 2^26 values (keys count too). */
typedef struct jdoc_limits {
  size_t bytes, depth, nodes;
  bool repeated_keys; /* accept a key twice in an object (RFC 8259 allows it): both members stay */
} jdoc_limits;

/* Reads `text` (borrowed). Refuses with BASE_EFORMAT, line and column what is not one JSON value in UTF-8,
 * lone surrogates in escapes, a byte order mark, and, unless allowed, a key twice in an object; with
 * BASE_ELIMIT what is over a limit. `where` names the text in errors. Memory: 16 bytes a value, the decoded
 * bytes of the strings that have escapes, and while reading 8 bytes a member of the largest object. */
base_status jdoc_open(jdoc *out, base_slice text, const jdoc_limits *limits, const char *where,
                      const base_allocator *a, base_error *err);
void jdoc_close(jdoc *d); /* harmless on a zeroed or closed one */

/* The same without allocating, into the caller's memory, which the document then borrows; BASE_ELIMIT when it
 * is too small. Meant for small texts: duplicate keys are looked for pairwise. */
typedef struct jdoc_space {
  jdoc_node *node;
  size_t n_nodes;
  char *decoded; /* for strings with escapes */
  size_t n_decoded;
} jdoc_space;
base_status jdoc_read(jdoc *out, base_slice text, const jdoc_limits *limits, const jdoc_space *space,
                      const char *where, base_error *err);

/* ---- values: `i` is the index of a node ---- */

static inline jdoc_kind jdoc_kind_at(const jdoc *d, uint32_t i) {
  return (jdoc_kind)(d->node[i].bits & JDOC_KIND_MASK);
}
static inline base_slice jdoc_raw(const jdoc *d, uint32_t i) {
  return (base_slice){d->text + d->node[i].start, d->node[i].len};
}
/* Items of an array, members of an object. */
static inline uint32_t jdoc_count(const jdoc *d, uint32_t i) {
  return d->node[i].bits >> JDOC_COUNT_SHIFT;
}
/* The index behind value i and all it holds: its next sibling, if it has one. */
static inline uint32_t jdoc_next(const jdoc *d, uint32_t i) {
  return (d->node[i].bits & JDOC_KIND_MASK) >= JDOC_ARRAY ? d->node[i].link : i + 1;
}
/* A string's (or a key's) characters, decoded, UTF-8; may hold NUL. */
static inline base_slice jdoc_text(const jdoc *d, uint32_t i) {
  const jdoc_node *n = &d->node[i];
  const char *at = n->bits & JDOC_ESCAPED ? d->decoded + n->link : d->text + n->start + 1;
  return (base_slice){at, n->bits >> JDOC_COUNT_SHIFT};
}
/* for (uint32_t v = i + 1, n = jdoc_count(d, i); n > 0; n--, v = jdoc_next(d, v))                    items
 * for (uint32_t k = i + 1, n = jdoc_count(d, i); n > 0; n--, k = jdoc_next(d, k + 1))    keys k, values k + 1 */

/* The value of a member, JDOC_NONE when there is none. Linear in the members. */
uint32_t jdoc_find(const jdoc *d, uint32_t object, base_slice key);
/* The same for any value, JDOC_NONE too, which has no members unless it is an object. */
uint32_t jdoc_member(const jdoc *d, uint32_t i, const char *key);
/* Is it a string, this one? JDOC_NONE is none. */
bool jdoc_is_text(const jdoc *d, uint32_t i, const char *text);
/* What an RFC 6901 pointer ("" or "/a/0") names below node i, JDOC_NONE when nothing. */
uint32_t jdoc_at_pointer(const jdoc *d, uint32_t i, base_slice pointer);
/* Adds "/key" with '~' and '/' escaped (RFC 6901). */
void jdoc_put_pointer(base_buf *b, base_slice key);
/* Writes value i without white space: strings encoded anew, numbers as they stand. */
void jdoc_put(base_buf *b, const jdoc *d, uint32_t i);

/* Equal as JSON Schema means it: numbers by value, objects whatever the order of members. `steps` (may be NULL)
 * is counted down by the work done; at 0 the answer is false and the count stays 0. */
bool jdoc_equal(const jdoc *a, uint32_t i, const jdoc *b, uint32_t j, uint64_t *steps);
/* Equal values have equal hashes. Not for storing: it may change. */
uint64_t jdoc_hash(const jdoc *d, uint32_t i);
uint64_t jdoc_text_hash(base_slice text);

/* ---- numbers, exactly ---- */

/* +-0.DIGITS * 10^exponent, no zero at either end of the digits; no digits is zero, never negative. Points
 * into the text. Exponents are clamped at 10^15, far beyond any comparison that text of this size can tell. */
typedef struct jdoc_number {
  const char *digit; /* `span` bytes, a point may stand among them */
  size_t span, digits;
  int64_t exponent;
  bool negative;
} jdoc_number;

jdoc_number jdoc_number_of(base_slice raw);
int jdoc_number_compare(const jdoc_number *a, const jdoc_number *b); /* -1, 0, 1 */
bool jdoc_number_is_integer(const jdoc_number *n);
/* A whole number, 0 or more, that fits; larger ones are clamped to SIZE_MAX. False for what is none. */
bool jdoc_number_to_size(const jdoc_number *n, size_t *out);

/* n divided by `of`, which is above 0, is whole; exact whatever the exponents. A divisor may have at most
 * JDOC_MAX_DIVISOR_DIGITS digits, beyond the answer is false: refuse such ones before. Linear in n's digits. */
enum { JDOC_MAX_DIVISOR_DIGITS = 1024 };
bool jdoc_number_is_multiple(const jdoc_number *n, const jdoc_number *of);

#endif
