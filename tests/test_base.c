/* Status, memory, text, UTF-8, cursor, random numbers. */
#include "base/base.h"

#include "failing.h"
#include "tap.h"

#include <math.h>
#include <string.h>

static base_slice lit(const char *s) {
  return base_slice_of(s);
}

static void test_status(void) {
  base_error err = {0};
  TAP_OK(base_fail(&err, BASE_EFORMAT, "file", "bad %d", 7) == BASE_EFORMAT, "the code comes back");
  TAP_OK(base_fail(&err, BASE_EIO, "later", "worse") == BASE_EIO, "the later code comes back too");
  TAP_OK(err.code == BASE_EFORMAT && !strcmp(err.where, "file") && !strcmp(err.text, "bad 7"),
         "the first one sticks");
  TAP_OK(base_fail(NULL, BASE_EIO, NULL, "x") == BASE_EIO, "without an error");
  char longer[600];
  memset(longer, 'y', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  err = (base_error){0};
  (void)base_fail(&err, BASE_EIO, longer, "%s", longer);
  TAP_OK(strlen(err.where) == sizeof err.where - 1 && strlen(err.text) == sizeof err.text - 1,
         "long text is cut");
  for (int code = 0; code <= BASE_ECANCELLED; code++) {
    TAP_OK(base_status_text((base_status)code)[0] != 0, "status %d has a text", code);
  }
  TAP_OK(!strcmp(base_status_text(BASE_OK), "ok"), "ok");
  TAP_OK(!strcmp(base_status_text((base_status)999), "unknown status"), "an unknown status");
}

static void test_memory(void) {
  void *p = base_calloc(NULL, 3, 5);
  TAP_OK(p != NULL && ((char *)p)[14] == 0, "zeroed");
  base_free(NULL, p, 15);
  TAP_OK(base_calloc(NULL, SIZE_MAX / 2, 3) == NULL, "a product that overflows");
  p = base_alloc(NULL, 0);
  TAP_OK(p != NULL, "an empty block has an address");
  base_free(NULL, p, 0);
  base_free(NULL, NULL, 10);

  base_arena count, fill;
  base_arena_init(&count, NULL, 0);
  TAP_OK(base_arena_take(&count, 10, 7) == NULL && base_arena_take(&count, 1, 1) == NULL,
         "counting gives nothing");
  char *block = base_calloc(NULL, count.used + 1, 1);
  for (size_t shift = 0; shift < 2; shift++) { /* a block at an odd address is enough too */
    base_arena_init(&fill, block + shift, count.used);
    char *a = base_arena_take(&fill, 10, 7), *b = base_arena_take(&fill, 1, 1);
    TAP_OK(a != NULL && b == a + 128 && ((uintptr_t)a & 63) == 0 && !fill.overflow, "aligned, and it fits");
    TAP_OK(base_arena_take(&fill, 2, 64) == NULL && fill.overflow, "full");
    TAP_OK(base_arena_take(&fill, 0, 1) == NULL, "and it stays full");
  }
  base_arena_init(&count, NULL, 0);
  TAP_OK(base_arena_take(&count, SIZE_MAX, 2) == NULL && count.overflow, "a count that overflows");
  base_arena_init(&fill, block + 1, 3);
  TAP_OK(fill.overflow || base_arena_take(&fill, 1, 1) == NULL, "a block too small to align");
  base_free(NULL, block, 0);
  size_t n;
  TAP_OK(base_mul_size(3, 4, &n) && n == 12 && !base_mul_size(SIZE_MAX, 2, &n), "products");
  TAP_OK(base_add_size(3, 4, &n) && n == 7 && !base_add_size(SIZE_MAX, 1, &n), "sums");
}

/* An array that grows by one, then by many, and what stays of it when there is no memory. */
static void test_grow(void) {
  failing f;
  base_allocator a = failing_allocator(&f, 100);
  uint64_t *items = NULL;
  size_t cap = 0;
  bool ok = true;
  for (size_t i = 0; i < 1000 && ok; i++) {
    uint64_t *grown = base_grow(&a, items, &cap, i + 1, sizeof *items);
    ok = grown != NULL && cap > i && f.held == cap * sizeof *items;
    if (!ok) break;
    items = grown;
    items[i] = i;
  }
  TAP_OK(ok && items[0] == 0 && items[999] == 999 && f.left > 90, "1,000 items, in few steps");
  size_t before = cap;
  TAP_OK(base_grow(&a, items, &cap, 5, sizeof *items) == items && cap == before, "there is room");
  f.left = 0;
  TAP_OK(base_grow(&a, items, &cap, before + 1, sizeof *items) == NULL && cap == before && items[7] == 7, "no memory");
  f.left = 100;
  TAP_OK(base_grow(&a, items, &cap, SIZE_MAX / 4, sizeof *items) == NULL && cap == before, "a size that overflows");
  items = base_grow(&a, items, &cap, 5000, sizeof *items);
  TAP_OK(items != NULL && cap == 5000 && items[999] == 999, "many at once");
  base_free(&a, items, cap * sizeof *items);
  TAP_OK(f.held == 0, "%zu bytes are left", f.held);
}

static void test_slices(void) {
  TAP_OK(base_slice_equal(lit("abc"), lit("abc")) && !base_slice_equal(lit("abc"), lit("abd")), "equal");
  TAP_OK(base_slice_equal(lit(""), lit(NULL)) && !base_slice_equal(lit("a"), lit("")), "empty");
  TAP_OK(base_slice_compare(lit("a"), lit("b")) < 0 && base_slice_compare(lit("b"), lit("aa")) > 0, "by bytes");
  TAP_OK(base_slice_compare(lit("a"), lit("ab")) < 0 && base_slice_compare(lit(NULL), lit("a")) < 0, "a prefix first");
  TAP_OK(base_slice_compare(lit("ab"), lit("ab")) == 0 && base_slice_compare(lit(NULL), lit("")) == 0, "the same");
  TAP_OK(base_slice_compare(lit("\xC3\xA9"), lit("z")) > 0, "by code points");
  TAP_OK(base_slice_equal_nocase(lit("AbC-1"), lit("aBc-1")) && !base_slice_equal_nocase(lit("a"), lit("b")),
         "case");
  TAP_OK(base_slice_starts(lit("abc"), lit("ab")) && base_slice_starts(lit("abc"), lit("")), "starts");
  TAP_OK(!base_slice_starts(lit("a"), lit("ab")), "does not start");
  TAP_OK(base_slice_equal(base_slice_trim(lit(" \t a b\r\n ")), lit("a b")), "trim");
  TAP_OK(base_slice_trim(lit(" \n ")).len == 0 && base_slice_trim(lit(NULL)).len == 0, "trim to nothing");
  TAP_OK(base_slice_equal(base_slice_sub(lit("abcdef"), 2, 4), lit("cd")), "sub");
  TAP_OK(base_slice_sub(lit("abc"), 2, 99).len == 1 && base_slice_sub(lit("abc"), 9, 2).len == 0,
         "sub is clamped");
  TAP_OK(base_slice_sub(lit(NULL), 1, 2).len == 0, "sub of nothing");

  static const struct {
    const char *text, *pieces;
  } splits[] = {{"a,b", "[a][b]"}, {"a,,b,", "[a][][b]"}, {",", "[]"}, {"", ""}, {"abc", "[abc]"}};
  for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
    base_slice rest = lit(splits[i].text), piece;
    base_buf b = {0};
    base_buf_puts(&b, "");
    while (base_slice_split(&rest, ',', &piece)) base_buf_printf(&b, "[%.*s]", (int)piece.len, piece.ptr);
    TAP_OK(!strcmp(b.ptr, splits[i].pieces), "split \"%s\": %s", splits[i].text, b.ptr);
    base_buf_free(&b);
  }
  TAP_OK(base_slice_among(lit("b"), "a b cd") && base_slice_among(lit("cd"), "a b cd") && base_slice_among(lit("a"), "a"),
         "one of the words");
  TAP_OK(!base_slice_among(lit("c"), "a b cd") && !base_slice_among(lit("cd"), "") && !base_slice_among(lit(""), "a b") &&
             !base_slice_among(lit("a b"), "a b"),
         "none of them");
}

static void test_numbers(void) {
  int64_t i;
  size_t z;
  double d;
  TAP_OK(base_parse_int(lit("0"), &i) && i == 0, "0");
  TAP_OK(base_parse_int(lit("-9223372036854775808"), &i) && i == INT64_MIN, "the least");
  TAP_OK(base_parse_int(lit("+9223372036854775807"), &i) && i == INT64_MAX, "the most");
  static const char *const not_ints[] = {"",
                                         "-",
                                         "+",
                                         "1 ",
                                         " 1",
                                         "1.0",
                                         "--1",
                                         "9223372036854775808",
                                         "0x1",
                                         "1e3",
                                         "-9223372036854775809",
                                         "99999999999999999999",
                                         "\xC2\xB2"};
  for (size_t k = 0; k < sizeof not_ints / sizeof not_ints[0]; k++) {
    TAP_OK(!base_parse_int(lit(not_ints[k]), &i), "\"%s\" is no integer", not_ints[k]);
  }
  TAP_OK(base_parse_size(lit("18446744073709551615"), &z) == (SIZE_MAX == UINT64_MAX), "the largest size");
  TAP_OK(!base_parse_size(lit("-1"), &z) && !base_parse_size(lit("+1"), &z), "a size has no sign");
  static const struct {
    const char *text;
    double value;
  } doubles[] = {{"0", 0},         {"-1.5", -1.5},
                 {"+.25", 0.25},   {"5.", 5},
                 {"1e3", 1000},    {"1E-2", 0.01},
                 {"0.1", 0.1},     {"-0", -0.0},
                 {"1e308", 1e308}, {"4.9e-324", 4.9e-324},
                 {"1e-400", 0.0},  {"123456789012345678901234567890", 123456789012345678901234567890.0}};
  for (size_t k = 0; k < sizeof doubles / sizeof doubles[0]; k++) {
    TAP_OK(base_parse_double(lit(doubles[k].text), &d) && memcmp(&d, &doubles[k].value, 8) == 0, "%s",
           doubles[k].text);
  }
  static const char *const not_doubles[] = {"",      ".",   "-",  "e3", "1e",    "1e+",   "inf", "nan",
                                            "0x1p3", "1,5", "1 ", " 1", "1e999", "1.2.3", "--1", "1f"};
  for (size_t k = 0; k < sizeof not_doubles / sizeof not_doubles[0]; k++) {
    TAP_OK(!base_parse_double(lit(not_doubles[k]), &d), "\"%s\" is no number", not_doubles[k]);
  }
  char long_text[1000];
  memset(long_text, '1', sizeof long_text);
  TAP_OK(!base_parse_double((base_slice){long_text, sizeof long_text}, &d), "a thousand digits");
  char out[4];
  TAP_OK(base_format(out, sizeof out, "%d", 123) && !base_format(out, sizeof out, "%d", 1234), "format");
  TAP_OK(!strcmp(out, "123"), "what fitted is there");
}

static void test_buf(void) {
  base_buf b = {0};
  base_buf_puts(&b, "a");
  base_buf_putc(&b, 0);
  base_buf_printf(&b, "%s-%d", "x", 42);
  TAP_OK(b.len == 6 && memcmp(b.ptr, "a\0x-42", 7) == 0 && !b.failed, "pieces");
  base_buf_clear(&b);
  TAP_OK(b.len == 0 && b.cap > 0 && b.ptr[0] == 0, "clear keeps the memory");
  for (int i = 0; i < 10000; i++) base_buf_printf(&b, "%04d", i % 10000);
  TAP_OK(b.len == 40000 && !memcmp(b.ptr + 39996, "9999", 5), "grows");
  base_buf_clear(&b);
  base_buf_json(&b, (base_slice){"a\"\\\n\t\x01\0\x7F\xC3\xA9\xFF\xED\xA0\x80"
                                 "z",
                                 15});
  TAP_OK(!strcmp(b.ptr,
                 "\"a\\\"\\\\\\n\\t\\u0001\\u0000\\u007f\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF"
                 "\xBDz\""),
         "json: %s", b.ptr);
  base_buf_free(&b);
  TAP_OK(b.ptr == NULL && b.cap == 0, "free");
  base_buf_free(&b);

  for (int n = 0; n < 4; n++) {
    failing f;
    base_allocator allocator = failing_allocator(&f, n);
    base_buf c = {.allocator = &allocator};
    for (int i = 0; i < 100; i++) base_buf_puts(&c, "0123456789");
    TAP_OK(c.failed && c.len < 1000 && (c.ptr == NULL || c.ptr[c.len] == 0), "failure %d is sticky", n);
    base_buf_free(&c);
    TAP_OK(f.held == 0, "and nothing is held");
  }
}

static void test_utf8(void) {
  char out[4];
  uint32_t c;
  size_t wrong = 0;
  for (uint32_t code = 0; code < 0x120000; code++) {
    size_t n = base_utf8_encode(code, out);
    bool valid = code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
    if ((n > 0) != valid) wrong++;
    if (n > 0 && (base_utf8_decode(out, n, &c) != n || c != code)) wrong++;
    if (n > 1 && base_utf8_decode(out, n - 1, &c) != 0) wrong++;
    if (n > 0) {
      char lower[4];
      if (base_utf8_encode(base_utf8_lower(code), lower) > n) wrong++;
      if (base_utf8_lower(base_utf8_lower(code)) != base_utf8_lower(code)) wrong++;
      if (base_utf8_is_letter(code) + base_utf8_is_space(code) + base_utf8_is_digit(code) > 1) wrong++;
    }
  }
  TAP_OK(wrong == 0, "every code point: %zu wrong", wrong);
  static const char *const bad[] = {"\x80",
                                    "\xC0\x80",
                                    "\xC1\xBF",
                                    "\xE0\x9F\xBF",
                                    "\xED\xA0\x80",
                                    "\xF0\x8F\xBF\xBF",
                                    "\xF4\x90\x80\x80",
                                    "\xF5\x80\x80\x80",
                                    "\xFF",
                                    "\xC3",
                                    "\xE2\x82",
                                    "\xF0\x9F\x98",
                                    "\xC3(",
                                    "\xE2(\xA1",
                                    "\xF8\x88\x80\x80\x80"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    TAP_OK(base_utf8_decode(bad[i], strlen(bad[i]), &c) == 0 && !base_utf8_valid(bad[i], strlen(bad[i])),
           "bad %zu", i);
  }
  TAP_OK(base_utf8_valid("", 0) && base_utf8_valid("a\xC3\xA9\xF0\x9F\x98\x80", 7), "valid");
  TAP_OK(base_utf8_count("a\xC3\xA9\xF0\x9F\x98\x80\xFF", 8) == 4, "count");
  TAP_OK(base_utf8_offset("a\xC3\xA9z", 4, 2) == 3 && base_utf8_offset("a\xC3\xA9z", 4, 99) == 4, "offset");

  static const struct {
    uint32_t upper, lower;
  } pairs[] = {{'A', 'a'},     {'Z', 'z'},     {'1', '1'},     {0xC9, 0xE9},     {0xD7, 0xD7},
               {0xDF, 0xDF},   {0x100, 0x101}, {0x101, 0x101}, {0x130, 'i'},     {0x131, 0x131},
               {0x138, 0x138}, {0x139, 0x13A}, {0x147, 0x148}, {0x149, 0x149},   {0x14A, 0x14B},
               {0x178, 0xFF},  {0x17D, 0x17E}, {0x17F, 0x17F}, {0x386, 0x3AC},   {0x38F, 0x3CE},
               {0x391, 0x3B1}, {0x3A3, 0x3C3}, {0x3C2, 0x3C2}, {0x3A2, 0x3A2},   {0x401, 0x451},
               {0x410, 0x430}, {0x42F, 0x44F}, {0x430, 0x430}, {0x4C0, 0x4CF},   {0x4C1, 0x4C2},
               {0x4C2, 0x4C2}, {0x4D0, 0x4D1}, {0x482, 0x482}, {0x4E2D, 0x4E2D}, {0x180, 0x180}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    TAP_OK(base_utf8_lower(pairs[i].upper) == pairs[i].lower, "U+%04X", (unsigned)pairs[i].upper);
  }
  static const uint32_t letters[] = {'a',   'Z',   0xE9,  0x148, 0x301,  0x3B1,
                                     0x43F, 0x5D0, 0x627, 0x915, 0x4E2D, 0xAC00};
  static const uint32_t others[] = {'1',     '_',    '\'',   0xD7,   0xF7,   0xB0,   0x37E,
                                    0x60C,   0x964,  0x2019, 0x2014, 0x20AC, 0x3001, 0xFF01,
                                    0x1F600, 0xFE0F, 0x200D, 0xE000, 0};
  for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
    TAP_OK(base_utf8_is_letter(letters[i]), "U+%04X is a letter", (unsigned)letters[i]);
  }
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    TAP_OK(!base_utf8_is_letter(others[i]), "U+%04X is none", (unsigned)others[i]);
  }
  TAP_OK(base_utf8_is_space(' ') && base_utf8_is_space('\n') && base_utf8_is_space(0xA0) &&
             base_utf8_is_space(0x3000),
         "spaces");
  TAP_OK(!base_utf8_is_space('a') && !base_utf8_is_space(0) && !base_utf8_is_space(0x200B), "no spaces");
}

static void test_cursor(void) {
  static const unsigned char bytes[] = {1,    2,    3, 4, 5, 6, 7, 8, 0xFF, 0,   0,
                                        0x80, 0x3F, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F};
  base_cursor c = base_cursor_of(bytes, sizeof bytes);
  TAP_OK(base_cursor_u64(&c) == UINT64_C(0x0807060504030201), "u64");
  TAP_OK(base_cursor_u8(&c) == 255, "u8");
  TAP_OK(base_cursor_f32(&c) == 1.0F && base_cursor_f64(&c) == 1.0 && !c.failed, "floats");
  TAP_OK(base_cursor_bytes(&c, 0) != NULL && !c.failed, "nothing at the end is fine");
  TAP_OK(base_cursor_u8(&c) == 0 && c.failed, "past the end");
  c = base_cursor_of(bytes, 3);
  TAP_OK(base_cursor_u16(&c) == 0x0201 && base_cursor_u32(&c) == 0 && c.failed, "cut in a number");
  TAP_OK(base_cursor_u8(&c) == 0 && base_cursor_bytes(&c, 0) == NULL, "failure is sticky");
  c = base_cursor_of(bytes, 3);
  base_cursor_skip(&c, SIZE_MAX);
  TAP_OK(c.failed, "a skip that would wrap");
  c = base_cursor_of(NULL, 0);
  TAP_OK(base_cursor_u8(&c) == 0 && c.failed, "no bytes at all");
}

/* Larger numbers first; counts how often it was asked. */
static bool larger_first(const void *ctx, uint32_t a, uint32_t b) {
  ++*(size_t *)(uintptr_t)ctx;
  return a > b;
}

static void test_sort(void) {
  enum { MOST = 300 };
  uint32_t v[MOST];
  base_rng rng;
  base_rng_seed(&rng, 5);
  for (size_t n = 0; n < MOST; n++)
    for (uint32_t kind = 0; kind < 4; kind++) { /* upwards, downwards, few values, any */
      size_t asked = 0, bound = 0, wrong = 0;
      uint64_t sum = 0;
      for (size_t i = 0; i < n; i++) {
        v[i] = kind == 0 ? (uint32_t)i : kind == 1 ? (uint32_t)(n - i) : base_rng_below(&rng, kind == 2 ? 3 : 1u << 30);
        sum += (uint64_t)v[i] * v[i];
      }
      for (size_t m = n; m > 0; m /= 2) bound += 2 * n;
      base_sort_u32(v, n, larger_first, &asked);
      for (size_t i = 0; i < n; i++) {
        wrong += i > 0 && v[i - 1] < v[i];
        sum -= (uint64_t)v[i] * v[i];
      }
      TAP_OK(wrong == 0 && sum == 0 && asked <= 2 * bound, "%zu of kind %u: %zu wrong, asked %zu times", n, kind, wrong,
             asked);
    }
}

static void test_shuffle(void) {
  uint32_t counts[27] = {0}, most = 0, least = UINT32_MAX;
  base_rng rng;
  base_rng_seed(&rng, 6);
  base_rng_shuffle(&rng, NULL, 0);
  for (int i = 0; i < 60000; i++) {
    uint32_t v[3] = {0, 1, 2};
    base_rng_shuffle(&rng, v, 3);
    counts[v[0] * 9 + v[1] * 3 + v[2]]++;
  }
  for (size_t i = 0; i < 27; i++) {
    bool order = i / 9 != i / 3 % 3 && i / 3 % 3 != i % 3 && i / 9 != i % 3;
    TAP_OK(order || counts[i] == 0, "%zu is no order", i);
    if (order && counts[i] > most) most = counts[i];
    if (order && counts[i] < least) least = counts[i];
  }
  TAP_OK(least > 9600 && most < 10400, "six orders, each 10,000 times: %u to %u", least, most);
}

static void test_rng(void) {
  base_rng a, b;
  base_rng_seed(&a, 42);
  base_rng_seed(&b, 42);
  TAP_OK(base_rng_next(&a) == base_rng_next(&b), "same seed, same numbers");
  base_rng_seed(&b, 43);
  TAP_OK(base_rng_next(&a) != base_rng_next(&b), "another seed, others");
  /* splitmix64(0) is published: e220a8397b1dcdaf 6e789e6aa1b965f4 06c45d188009454f f88bb8a8724c81ec */
  base_rng_seed(&a, 0);
  TAP_OK(a.s[0] == UINT64_C(0xe220a8397b1dcdaf) && a.s[3] == UINT64_C(0xf88bb8a8724c81ec), "splitmix64");
  a = (base_rng){{1, 2, 3, 4}}; /* by hand: rotl(2 * 5, 7) * 9 = 11520, then s[1] = 0 gives 0 */
  TAP_OK(base_rng_next(&a) == 11520 && base_rng_next(&a) == 0, "xoshiro256**");
  int counts[7] = {0};
  for (int i = 0; i < 70000; i++) counts[base_rng_below(&a, 7)]++;
  for (int i = 0; i < 7; i++)
    TAP_OK(counts[i] > 9500 && counts[i] < 10500, "below(7) = %d: %d", i, counts[i]);
  TAP_OK(base_rng_below(&a, 1) == 0, "below 1");
  double sum = 0, squares = 0, fourth = 0, unit = 0;
  int beyond = 0;
  bool inside = true;
  for (int i = 0; i < 200000; i++) {
    double x = (double)base_rng_normal(&a), u = (double)base_rng_unit(&a);
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond += fabs(x) > 3;
    unit += u;
    inside = inside && u >= 0 && u < 1;
  }
  TAP_OK(fabs(sum / 200000) < 0.01 && fabs(squares / 200000 - 1) < 0.02 && fabs(fourth / 200000 - 3) < 0.1,
         "normal");
  TAP_OK(beyond > 400 && beyond < 680, "0.27 %% beyond three sigma: %d", beyond);
  TAP_OK(inside && fabs(unit / 200000 - 0.5) < 0.005, "unit");
  base_rng_seed(&a, 7);
  uint64_t h = BASE_HASH_START;
  for (int i = 0; i < 1000; i++) {
    float x = base_rng_normal(&a);
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    unsigned char le[4] = {bits & 255, bits >> 8 & 255, bits >> 16 & 255, (unsigned char)(bits >> 24)};
    h = base_hash(h, le, 4);
  }
  TAP_OK(h == UINT64_C(0xe56cb5d9d62b9546), "a thousand normals have the same bits on every machine: %016llx",
         (unsigned long long)h);
  TAP_OK(base_hash(BASE_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c), "FNV-1a of \"a\"");
  TAP_OK(base_hash(BASE_HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8), "FNV-1a of \"foobar\"");
}

int main(void) {
  test_status();
  test_memory();
  test_grow();
  test_slices();
  test_numbers();
  test_buf();
  test_utf8();
  test_cursor();
  test_rng();
  test_sort();
  test_shuffle();
  return tap_done("base");
}
