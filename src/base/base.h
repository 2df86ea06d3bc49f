/* base: what every other folder stands on. Status codes and errors, an arena, a growing
 * byte buffer, a bounds-checked cursor, UTF-8, a random generator. No I/O, no clock, no globals. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- status ---- */

typedef enum base_status {
#define BASE_STATUS(name, text) BASE_##name,
#include "base/status.def"
#undef BASE_STATUS
} base_status;

/* Where a failure is described. The caller owns it, zeroes it, and may pass NULL instead.
 * The first failure sticks: base_fail leaves an error that already has a code alone. */
typedef struct base_error {
  base_status code;
  char where[96]; /* a file, a field, a line: what the text is about */
  char text[256]; /* one sentence: what is wrong and what to do */
} base_error;

/* Records a failure and returns `code`, so that callers can write `return base_fail(...)`. */
base_status base_fail(base_error *err, base_status code, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* One short lower-case English phrase for a status; never NULL. */
const char *base_status_text(base_status code);

/* ---- memory ---- */

/* The one way this library gets memory. `resize` behaves like realloc and is told the old size:
 * (NULL, 0, n) allocates, (p, n, 0) frees and returns NULL. Tests bring one that fails on demand. */
typedef struct base_allocator {
  void *(*resize)(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes);
  void *ctx;
} base_allocator;

/* malloc, realloc and free. */
const base_allocator *base_allocator_libc(void);
void *base_alloc(const base_allocator *a, size_t bytes); /* uninitialised; NULL when out of memory */
void *base_calloc(const base_allocator *a, size_t count, size_t bytes); /* zeroed; NULL also on overflow */
void base_free(const base_allocator *a, void *ptr, size_t bytes);
/* An array of *cap items of `bytes` each with room for `need` of them, one at least: at least twice as many as before
 * where it must grow. NULL without memory: the array and *cap are then as they were. */
void *base_grow(const base_allocator *a, void *array, size_t *cap, size_t need, size_t bytes);

/* A bump allocator over one block whose size is known before (STYLE 10). Everything in it is
 * 64-byte aligned; nothing is freed alone. With `block` NULL it only counts: run the same code
 * once to size the block and once to fill it. `used` is then the size that fits a block at any address. */
typedef struct base_arena {
  unsigned char *block;
  size_t size, used;
  bool overflow; /* sticky: something did not fit */
} base_arena;

void base_arena_init(base_arena *arena, void *block, size_t size);
void *base_arena_take(base_arena *arena, size_t count, size_t bytes); /* NULL when counting or full */

/* ---- text ---- */

/* Borrowed bytes; not terminated. */
typedef struct base_slice {
  const char *ptr;
  size_t len;
} base_slice;

#define BASE_LITERAL(s) ((base_slice){(s), sizeof(s) - 1})
base_slice base_slice_of(const char *terminated); /* NULL gives an empty slice */
bool base_slice_equal(base_slice a, base_slice b);
bool base_slice_equal_nocase(base_slice a, base_slice b); /* ASCII case only */
int base_slice_compare(base_slice a, base_slice b); /* by bytes, which is by code points: < 0, 0, > 0 */
bool base_slice_starts(base_slice s, base_slice prefix);
base_slice base_slice_trim(base_slice s); /* without ASCII white space at both ends */
base_slice base_slice_sub(base_slice s, size_t start, size_t end); /* clamped */
/* The next piece of *rest before `sep`; moves *rest behind it. False at the end: "a,,b," has the pieces
 * a, empty, b. */
bool base_slice_split(base_slice *rest, char sep, base_slice *piece);
/* Is it one of the words "a b c", which a single space separates? */
bool base_slice_among(base_slice word, const char *words);

/* A growing byte buffer, always 0-terminated once anything was added. Failure is sticky, so a
 * whole document may be written before `failed` is looked at. */
typedef struct base_buf {
  char *ptr;
  size_t len, cap;
  bool failed;
  const base_allocator *allocator; /* NULL: libc */
} base_buf;

void base_buf_add(base_buf *b, const void *bytes, size_t len);
void base_buf_puts(base_buf *b, const char *terminated);
void base_buf_putc(base_buf *b, char c);
void base_buf_printf(base_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void base_buf_json(base_buf *b, base_slice text); /* as a JSON string with quotes; bad UTF-8 becomes U+FFFD */
void base_buf_clear(base_buf *b);                 /* length 0, not failed, memory kept */
void base_buf_free(base_buf *b);

/* snprintf into `out` that reports truncation: true when everything fitted. */
bool base_format(char *out, size_t out_size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Strict decimal readers over a whole slice (sign allowed for the first two); false on anything else. */
bool base_parse_int(base_slice s, int64_t *out);
bool base_parse_double(base_slice s, double *out); /* locale-free, finite only */
bool base_parse_size(base_slice s, size_t *out);

/* ---- UTF-8 (RFC 3629) ---- */

/* Length in bytes of the character at s (1-4) and its code point; 0 when the bytes are not UTF-8. */
size_t base_utf8_decode(const char *s, size_t len, uint32_t *code_point);
size_t base_utf8_encode(uint32_t code_point, char out[4]); /* 0 for surrogates and out of range */
bool base_utf8_valid(const char *s, size_t len);
size_t base_utf8_count(const char *s, size_t len); /* characters; an invalid byte counts as one */
/* Byte offset of character `index` (clamped to len). */
size_t base_utf8_offset(const char *s, size_t len, size_t index);
/* Simple one-to-one lower-casing: ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic; others unchanged. */
uint32_t base_utf8_lower(uint32_t code_point);
/* Letters of the blocks above, combining marks, and every code point >= 0x370 that is no punctuation, symbol,
 * emoji or space. */
bool base_utf8_is_letter(uint32_t code_point);
bool base_utf8_is_space(uint32_t code_point);
bool base_utf8_is_digit(uint32_t code_point); /* ASCII 0-9 */

/* ---- cursor: reads untrusted bytes ---- */

/* Little-endian numbers from unaligned bytes, assembled byte by byte: right on every machine. Each as one expression,
 * of which compilers make one load; of a loop they do not. */
static inline uint32_t base_load_u32(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t base_load_u64(const unsigned char *p) {
  return (uint64_t)base_load_u32(p) | (uint64_t)base_load_u32(p + 4) << 32;
}

/* All multi-byte reads are little-endian. The first read beyond the end sets `failed`; from then on
 * every read gives 0. So a whole header may be read before the flag is looked at. */
typedef struct base_cursor {
  const unsigned char *ptr;
  size_t len, pos;
  bool failed;
} base_cursor;

base_cursor base_cursor_of(const void *bytes, size_t len);
const void *base_cursor_bytes(base_cursor *c, size_t len); /* NULL past the end */
void base_cursor_skip(base_cursor *c, size_t len);
uint8_t base_cursor_u8(base_cursor *c);
uint16_t base_cursor_u16(base_cursor *c);
uint32_t base_cursor_u32(base_cursor *c);
uint64_t base_cursor_u64(base_cursor *c);
float base_cursor_f32(base_cursor *c);
double base_cursor_f64(base_cursor *c);

/* ---- checked sizes ---- */

bool base_mul_size(size_t a, size_t b, size_t *out); /* false on overflow */
bool base_add_size(size_t a, size_t b, size_t *out);

/* ---- sorting ---- */

typedef bool base_before(const void *ctx, uint32_t a, uint32_t b); /* is a to stand before b */
/* Numbers, most often indices of what ctx has, in place; n log n steps at the most. */
void base_sort_u32(uint32_t *v, size_t n, base_before *before, const void *ctx);

/* ---- random numbers: xoshiro256** seeded by splitmix64 (Blackman, Vigna 2018) ---- */

typedef struct base_rng {
  uint64_t s[4];
} base_rng;

void base_rng_seed(base_rng *r, uint64_t seed);
uint64_t base_rng_next(base_rng *r);
uint32_t base_rng_below(base_rng *r, uint32_t bound); /* uniform in [0, bound), unbiased; bound > 0 */
float base_rng_unit(base_rng *r);                     /* uniform in [0, 1), 24 bits */
float base_rng_normal(base_rng *r);                   /* mean 0, variance 1; same bits everywhere */
void base_rng_shuffle(base_rng *r, uint32_t *v, size_t n); /* all orders alike (Fisher, Yates) */

/* ---- hash: FNV-1a, 64 bits ---- */

#define BASE_HASH_START UINT64_C(0xcbf29ce484222325)
/* Goes on from `start`: the hash of a text in pieces is that of the whole. */
uint64_t base_hash(uint64_t start, const void *bytes, size_t len);

#endif
