/* GGUF: round trips, typed access, a table of malformed files with the sentence each must get, truncation at
 * every byte, and memory that runs out. */
#include "gguf/gguf.h"

#include "failing.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files from recipes ----
 * Words separated by blanks: "GGUF" and other plain words are their bytes; u8:N u32:N u64:N numbers; s:TEXT a
 * string with its length; f32:N a float; pad:N zeros up to a multiple of N; zeros:N that many; "|" is only
 * for the eye. */

static void put(base_buf *b, uint64_t v, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) base_buf_putc(b, (char)(unsigned char)(v >> (8 * i)));
}

static void cook_word(base_buf *b, base_slice word) {
  base_slice argument = word, kind;
  (void)base_slice_split(&argument, ':', &kind);
  uint64_t n = kind.len < word.len ? strtoull(argument.ptr, NULL, 0) : 0;
  if (base_slice_equal(word, BASE_LITERAL("|"))) return;
  if (base_slice_equal(kind, BASE_LITERAL("u8"))) {
    put(b, n, 1);
  } else if (base_slice_equal(kind, BASE_LITERAL("u32"))) {
    put(b, n, 4);
  } else if (base_slice_equal(kind, BASE_LITERAL("u64"))) {
    put(b, n, 8);
  } else if (base_slice_equal(kind, BASE_LITERAL("s"))) {
    put(b, argument.len, 8);
    base_buf_add(b, argument.ptr, argument.len);
  } else if (base_slice_equal(kind, BASE_LITERAL("pad"))) {
    while (b->len % n != 0) base_buf_putc(b, 0);
  } else if (base_slice_equal(kind, BASE_LITERAL("zeros"))) {
    for (uint64_t i = 0; i < n; i++) base_buf_putc(b, 0);
  } else {
    base_buf_add(b, word.ptr, word.len);
  }
}

static void cook(base_buf *b, const char *recipe) {
  base_slice rest = base_slice_of(recipe), word;
  base_buf_clear(b);
  base_buf_puts(b, "");
  while (base_slice_split(&rest, ' ', &word)) {
    if (word.len > 0) cook_word(b, word);
  }
}

/* Opens a copy that is aligned and ends where the bytes end, so that a sanitizer sees any read beyond. */
typedef struct opened {
  gguf_file *f;
  void *block;
} opened;

static base_status open_copy(opened *o, const void *bytes, size_t len, const base_allocator *a,
                             base_error *err) {
  size_t room = len > 0 ? len : 1;
  o->f = NULL;
  o->block = NULL;
  if (posix_memalign(&o->block, 64, room) != 0) abort();
  if (len > 0) memcpy(o->block, bytes, len);
  return gguf_open_bytes(&o->f, o->block, len, "test", a, err);
}

static void close_copy(opened *o) {
  gguf_close(o->f);
  free(o->block);
}

#define HEAD "GGUF u32:3 "
#define ONE_KEY HEAD "u64:0 u64:1 "
#define ONE_TENSOR HEAD "u64:1 u64:0 "

static const struct {
  const char *recipe;
  base_status status;
  const char *text; /* part of the sentence */
} malformed[] = {
    {"", BASE_EFORMAT, "no GGUF file"},
    {"GG", BASE_EFORMAT, "no GGUF file"},
    {"ELF! u32:3 u64:0 u64:0", BASE_EFORMAT, "does not begin"},
    {"GGUF", BASE_EFORMAT, "ends inside the header"},
    {"GGUF u32:3 u64:0", BASE_EFORMAT, "ends inside the header"},
    {"GGUF u32:1 u64:0 u64:0", BASE_EUNSUPPORTED, "version 1"},
    {"GGUF u32:4 u64:0 u64:0", BASE_EUNSUPPORTED, "version 4"},
    {"GGUF u32:0x03000000 u64:0 u64:0", BASE_EUNSUPPORTED, "big-endian"},
    {HEAD "u64:0 u64:1", BASE_EFORMAT, "1 metadata keys do not fit"},
    {HEAD "u64:0 u64:0xffffffffffffffff", BASE_EFORMAT, "metadata keys do not fit"},
    {HEAD "u64:0xffffffffffffffff u64:0", BASE_EFORMAT, "tensors do not fit"},
    {HEAD "u64:1 u64:0 zeros:32", BASE_EFORMAT, "1 tensors do not fit"},
    {HEAD "u64:0 u64:65537 zeros:1000000", BASE_ELIMIT, "at most 65536"},
    {ONE_KEY "u64:0 u32:4 u32:1", BASE_EFORMAT, "key number 0 is empty"},
    {ONE_KEY "u64:99 abcdefghijkl", BASE_EFORMAT, "ends inside the metadata keys"},
    {ONE_KEY "u64:0xffffffffffffffff zeros:30", BASE_EFORMAT, "ends inside the metadata keys"},
    {ONE_KEY "s:a\x01 u32:4 u32:1 ", BASE_EFORMAT, "not printable"},
    {ONE_KEY "s:a\xFF u32:4 u32:1 ", BASE_EFORMAT, "not printable"},
    {ONE_KEY "s:a u32:13 u32:1 ", BASE_EFORMAT, "\"a\" has type 13"},
    {ONE_KEY "s:a u32:0xffffffff u32:1 ", BASE_EFORMAT, "type 4294967295"},
    {ONE_KEY "s:key u32:4 u8:1", BASE_EFORMAT, "inside the value of key \"key\""},
    {ONE_KEY "s:key u32:12 u32:1", BASE_EFORMAT, "inside the value of key \"key\""},
    {ONE_KEY "s:k u32:7 u8:2", BASE_EFORMAT, "neither 0 nor 1"},
    {ONE_KEY "s:k u32:8 u64:3 ab", BASE_EFORMAT, "inside the value of key \"k\""},
    {ONE_KEY "s:k u32:8 u64:0xfffffffffffffff0 ab", BASE_EFORMAT, "inside the value of key \"k\""},
    {ONE_KEY "s:k u32:9 u32:4", BASE_EFORMAT, "inside the value of key \"k\""},
    {ONE_KEY "s:k u32:9 u32:4 u64:2 u32:1", BASE_EFORMAT, "2 elements, which do not fit"},
    {ONE_KEY "s:k u32:9 u32:4 u64:0x4000000000000001 u32:1", BASE_EFORMAT, "do not fit"},
    {ONE_KEY "s:k u32:9 u32:8 u64:0x2000000000000000 u64:0", BASE_EFORMAT, "do not fit"},
    {ONE_KEY "s:k u32:9 u32:8 u64:2 s:abcdefgh", BASE_EFORMAT, "inside the value"},
    {ONE_KEY "s:k u32:9 u32:8 u64:1 u64:99", BASE_EFORMAT, "inside the value"},
    {ONE_KEY "s:k u32:9 u32:9 u64:0 u64:0", BASE_EUNSUPPORTED, "array of type 9"},
    {ONE_KEY "s:k u32:9 u32:77 u64:0", BASE_EFORMAT, "array of type 77"},
    {ONE_KEY "s:k u32:9 u32:7 u64:2 u8:1 u8:9", BASE_EFORMAT, "neither 0 nor 1"},
    {HEAD "u64:0 u64:2 s:k u32:4 u32:1 s:k u32:4 u32:2", BASE_EFORMAT, "\"k\" is there twice"},
    {HEAD "u64:0 u64:3 s:k u32:4 u32:1 s:j u32:4 u32:2 s:k u32:0 u8:2", BASE_EFORMAT, "\"k\" is there twice"},
    {ONE_KEY "s:general.alignment u32:4 u32:0", BASE_EFORMAT, "alignment is 0"},
    {ONE_KEY "s:general.alignment u32:4 u32:48", BASE_EFORMAT, "alignment is 48"},
    {ONE_KEY "s:general.alignment u32:4 u32:16", BASE_EFORMAT, "alignment is 16"},
    {ONE_KEY "s:general.alignment u32:4 u32:131072", BASE_EFORMAT, "alignment is 131072"},
    {ONE_KEY "s:general.alignment u32:8 s:32", BASE_EFORMAT, "whole number"},
    {ONE_KEY "s:k u32:4 u32:1 pad:32 zeros:32", BASE_EFORMAT, "32 bytes follow the last tensor"},
    {ONE_TENSOR "u64:0 u32:1 u64:4 u32:0 u64:0 zeros:40", BASE_EFORMAT, "name of tensor number 0"},
    {ONE_TENSOR "s:0123456789012345678901234567890123456789012345678901234567890123x u32:1 u64:4 u32:0 u64:0",
     BASE_EFORMAT, "over 64 bytes"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:0 u32:0", BASE_EFORMAT, "1 tensors do not fit"},
    {ONE_TENSOR "s:tensor u32:2 u64:4 u64:4 u32:0", BASE_EFORMAT, "ends inside the list of tensors"},
    {ONE_TENSOR "s:t u32:0 u64:4 u32:0 u64:0 zeros:16", BASE_EFORMAT, "0 dimensions"},
    {ONE_TENSOR "s:t u32:5 u64:4 u32:0 u64:0 zeros:64", BASE_EFORMAT, "5 dimensions"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:4 u64:0 pad:32 zeros:32", BASE_EUNSUPPORTED, "element type 4"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:23 u64:0 pad:32 zeros:32", BASE_EUNSUPPORTED, "element type 23 (IQ4_XS)"},
    {ONE_TENSOR "s:t u32:1 u64:0 u32:0 u64:0 pad:32 zeros:32", BASE_EFORMAT, "impossible shape"},
    {ONE_TENSOR "s:t u32:2 u64:4 u64:0 u32:0 u64:0 pad:32", BASE_EFORMAT, "impossible shape"},
    {ONE_TENSOR "s:t u32:1 u64:33 u32:8 u64:0 pad:32 zeros:64", BASE_EFORMAT, "impossible shape"},
    {ONE_TENSOR "s:t u32:2 u64:0x8000000000000000 u64:2 u32:0 u64:0 pad:32", BASE_EFORMAT,
     "impossible shape"},
    {ONE_TENSOR "s:t u32:1 u64:0x4000000000000000 u32:0 u64:0 pad:32", BASE_EFORMAT, "impossible shape"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:0 u64:8 pad:32 zeros:64", BASE_EFORMAT, "not aligned to 32"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:0 u64:0 pad:32 zeros:15", BASE_EFORMAT, "beyond the end"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:0 u64:0", BASE_EFORMAT, "beyond the end"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:0 u64:0xffffffffffffffe0 pad:32 zeros:64", BASE_EFORMAT,
     "beyond the end"},
    {ONE_TENSOR "s:t u32:1 u64:4 u32:0 u64:0 pad:32 zeros:16 zeros:32", BASE_EFORMAT, "32 bytes follow"},
    {HEAD "u64:2 u64:0 s:t u32:1 u64:4 u32:0 u64:0 s:t u32:1 u64:4 u32:0 u64:32 pad:32 zeros:64",
     BASE_EFORMAT, "\"t\" is there twice"},
    {HEAD "u64:2 u64:0 s:t u32:1 u64:16 u32:0 u64:0 s:u u32:1 u64:4 u32:0 u64:32 pad:32 zeros:64",
     BASE_EFORMAT, "\"u\" overlaps"},
    {HEAD "u64:2 u64:0 s:t u32:1 u64:4 u32:0 u64:32 s:u u32:1 u64:4 u32:0 u64:32 pad:32 zeros:64",
     BASE_EFORMAT, "overlaps"},
    {HEAD "u64:1 u64:1 s:general.alignment u32:4 u32:64 s:t u32:1 u64:4 u32:0 u64:32 pad:64 zeros:64",
     BASE_EFORMAT, "not aligned to 64"},
};

static void test_malformed(void) {
  base_buf b = {0};
  for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
    base_error err = {0};
    opened o;
    cook(&b, malformed[i].recipe);
    base_status status = open_copy(&o, b.ptr, b.len, NULL, &err);
    TAP_OK(status == malformed[i].status && err.code == status &&
               strstr(err.text, malformed[i].text) != NULL && o.f == NULL && !strcmp(err.where, "test"),
           "case %zu (%s): %d \"%s\"", i, malformed[i].text, (int)status, err.text);
    close_copy(&o);
  }
  base_buf_free(&b);
}

/* ---- writing and reading back ---- */

static const float floats[6] = {1, 2, 3, 4, 5, 6};
static const int8_t bytes_of_tensor[70] = {1, -2, 3};

static void fill(gguf_writer *w) {
  static const base_slice strings[] = {{"one", 3}, {"", 0}, {"a\0b", 3}};
  static const uint32_t numbers[] = {7, 8, 0xFFFFFFFF};
  gguf_put_string(w, "general.architecture", BASE_LITERAL("minnow"));
  gguf_put_u32(w, "minnow.layers", 12);
  gguf_put_f32(w, "minnow.epsilon", 1e-5F);
  gguf_put_strings(w, "minnow.names", strings, 3);
  gguf_put_f32s(w, "minnow.floats", floats, 6);
  gguf_put_u32s(w, "minnow.numbers", numbers, 3);
  gguf_put_strings(w, "minnow.none", NULL, 0);
  gguf_put_tensor(w, "a.weight", GGUF_T_F32, 2, (uint64_t[]){2, 3}, floats);
  gguf_put_tensor(w, "b", GGUF_T_I8, 1, (uint64_t[]){70}, bytes_of_tensor);
  gguf_put_tensor(w, "c", GGUF_T_Q8_0, 2, (uint64_t[]){32, 2}, bytes_of_tensor);
}

static void make(base_buf *b) {
  gguf_writer *w = gguf_writer_new(NULL);
  fill(w);
  base_error err = {0};
  TAP_OK(gguf_writer_bytes(w, b, &err) == BASE_OK, "written: %s", err.text);
  gguf_writer_free(w);
}

static void check_values(const gguf_file *f) {
  uint32_t u;
  float x;
  base_slice s;
  uint64_t count;
  const void *raw;
  base_cursor items;
  TAP_OK(gguf_value_count(f) == 8 && gguf_tensor_count(f) == 3, "counts");
  TAP_OK(!gguf_get_u32(f, "minnow.layers", &u, NULL) && u == 12, "u32");
  TAP_OK(!gguf_get_f32(f, "minnow.epsilon", &x, NULL) && x == 1e-5F, "f32");
  TAP_OK(!gguf_get_string(f, "general.architecture", &s, NULL) && base_slice_equal(s, BASE_LITERAL("minnow")),
         "string");
  TAP_OK(!gguf_get_strings(f, "minnow.names", &count, &items, NULL) && count == 3, "strings");
  TAP_OK(base_slice_equal(gguf_next_string(&items), BASE_LITERAL("one")), "first");
  TAP_OK(gguf_next_string(&items).len == 0 && !items.failed, "second");
  TAP_OK(base_slice_equal(gguf_next_string(&items), (base_slice){"a\0b", 3}), "third");
  TAP_OK(gguf_next_string(&items).len == 0 && items.failed, "no fourth");
  TAP_OK(!gguf_get_strings(f, "minnow.none", &count, &items, NULL) && count == 0, "no strings");
  TAP_OK(!gguf_get_f32s(f, "minnow.floats", &raw, &count, NULL) && count == 6 && !memcmp(raw, floats, 24),
         "floats");
  TAP_OK(!gguf_get_u32s(f, "minnow.numbers", &raw, &count, NULL) && count == 3, "numbers");
  TAP_OK(gguf_value_at(f, 0) != NULL && gguf_value_at(f, 8) == NULL && gguf_tensor_at(f, 3) == NULL,
         "bounds");
  TAP_OK(gguf_find(f, "nothing") == NULL && gguf_find(f, "") == NULL && gguf_find_tensor(f, "x") == NULL,
         "absent");

  base_error err = {0};
  TAP_OK(gguf_get_u32(f, "nothing", &u, &err) == BASE_EFORMAT && strstr(err.text, "\"nothing\""), "%s",
         err.text);
  err = (base_error){0};
  TAP_OK(gguf_get_u32(f, "minnow.epsilon", &u, &err) == BASE_EFORMAT && strstr(err.text, "epsilon"), "%s",
         err.text);
  TAP_OK(gguf_get_f32(f, "minnow.layers", &x, NULL) == BASE_EFORMAT, "no float");
  TAP_OK(gguf_get_string(f, "minnow.layers", &s, NULL) == BASE_EFORMAT, "no string");
  TAP_OK(gguf_get_strings(f, "minnow.floats", &count, &items, NULL) == BASE_EFORMAT, "no strings");
  TAP_OK(gguf_get_f32s(f, "minnow.numbers", &raw, &count, NULL) == BASE_EFORMAT, "no floats");
  TAP_OK(gguf_get_u32s(f, "nothing", &raw, &count, NULL) == BASE_EFORMAT, "nothing");
}

static void check_tensors(const gguf_file *f) {
  const gguf_tensor *t = gguf_find_tensor(f, "a.weight");
  base_error err = {0};
  TAP_OK(t != NULL && t->n_dims == 2 && t->dim[0] == 2 && t->dim[1] == 3 && t->dim[2] == 1 && t->bytes == 24,
         "shape");
  TAP_OK(t != NULL && !memcmp(t->data, floats, 24) && ((uintptr_t)t->data & 63) == 0, "data, aligned");
  t = gguf_find_tensor(f, "b");
  TAP_OK(t != NULL && t->bytes == 70 && !memcmp(t->data, bytes_of_tensor, 70), "int8");
  t = gguf_find_tensor(f, "c");
  TAP_OK(t != NULL && t->bytes == 68, "two blocks");
  TAP_OK(!gguf_need_tensor(f, "a.weight", GGUF_T_F32, 2, 3, &t, NULL), "need");
  TAP_OK(!gguf_need_tensor(f, "a.weight", GGUF_T_F32, 0, 0, &t, NULL), "need of any shape");
  TAP_OK(gguf_need_tensor(f, "x", GGUF_T_F32, 0, 0, &t, &err) == BASE_EFORMAT && strstr(err.text, "missing"),
         "absent");
  err = (base_error){0};
  TAP_OK(gguf_need_tensor(f, "a.weight", GGUF_T_I8, 0, 0, &t, &err) == BASE_EFORMAT, "type: %s", err.text);
  err = (base_error){0};
  TAP_OK(gguf_need_tensor(f, "a.weight", GGUF_T_F32, 2, 4, &t, &err) == BASE_EMISMATCH &&
             strstr(err.text, "[2, 3]"),
         "shape: %s", err.text);
}

static void test_round_trip(void) {
  base_buf a = {0}, b = {0};
  make(&a);
  make(&b);
  TAP_OK(a.len == b.len && !memcmp(a.ptr, b.ptr, a.len), "the same calls give the same bytes");
  opened o;
  base_error err = {0};
  TAP_OK(open_copy(&o, a.ptr, a.len, NULL, &err) == BASE_OK, "opens: %s", err.text);
  if (o.f != NULL) {
    check_values(o.f);
    check_tensors(o.f);
  }
  close_copy(&o);

  char path[] = "/tmp/minnow-test-gguf-XXXXXX";
  int fd = mkstemp(path);
  TAP_OK(fd >= 0, "a file of our own");
  gguf_writer *w = gguf_writer_new(NULL);
  fill(w);
  TAP_OK(gguf_writer_save(w, path, &err) == BASE_OK, "saved: %s", err.text);
  gguf_writer_free(w);
  base_buf c = {0};
  TAP_OK(!os_read_file(path, 1 << 20, &c, NULL) && c.len == a.len && !memcmp(c.ptr, a.ptr, a.len),
         "as in memory");
  gguf_file *f;
  TAP_OK(gguf_open(&f, path, NULL, &err) == BASE_OK && !strcmp(gguf_path(f), path), "mapped: %s", err.text);
  check_tensors(f);
  gguf_close(f);
  (void)os_remove(path, NULL);
  TAP_OK(gguf_open(&f, path, NULL, NULL) == BASE_ENOTFOUND && f == NULL, "a missing file");
  TAP_OK(gguf_open_bytes(&f, a.ptr + 1, 3, "odd", NULL, NULL) == BASE_EARGUMENT,
         "bytes that are not aligned");

  size_t opened_short = 0;
  for (size_t len = 0; len < a.len; len++) {
    err = (base_error){0};
    if (open_copy(&o, a.ptr, len, NULL, &err) == BASE_OK) {
      opened_short += len < a.len - 60; /* the last tensor's padding may be missing, nothing else */
    } else {
      opened_short += err.text[0] == 0;
    }
    close_copy(&o);
  }
  TAP_OK(opened_short == 0, "cut anywhere, it is refused with a sentence (%zu)", opened_short);
  base_buf_free(&a);
  base_buf_free(&b);
  base_buf_free(&c);
}

/* Every integer type converts when it fits. */
static void test_integers(void) {
  static const struct {
    const char *value;
    bool ok;
    uint32_t want;
  } cases[] = {{"u32:0 u8:200", true, 200},
               {"u32:1 u8:100", true, 100},
               {"u32:1 u8:200", false, 0},
               {"u32:2 u8:0 u8:255", true, 65280},
               {"u32:3 u8:255 u8:255", false, 0},
               {"u32:4 u32:0xffffffff", true, 0xFFFFFFFF},
               {"u32:5 u32:0x7fffffff", true, 0x7FFFFFFF},
               {"u32:5 u32:0xffffffff", false, 0},
               {"u32:10 u64:0xffffffff", true, 0xFFFFFFFF},
               {"u32:10 u64:0x100000000", false, 0},
               {"u32:10 u64:0xffffffffffffffff", false, 0},
               {"u32:11 u64:77", true, 77},
               {"u32:11 u64:0xffffffffffffffff", false, 0},
               {"u32:6 u32:0", false, 0},
               {"u32:7 u8:1", false, 0},
               {"u32:12 u64:0", false, 0}};
  base_buf b = {0};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char recipe[128];
    (void)base_format(recipe, sizeof recipe, "%ss:k %s", ONE_KEY, cases[i].value);
    cook(&b, recipe);
    opened o;
    uint32_t v = 0;
    base_error err = {0};
    TAP_OK(open_copy(&o, b.ptr, b.len, NULL, &err) == BASE_OK, "%s opens: %s", cases[i].value, err.text);
    bool ok = o.f != NULL && gguf_get_u32(o.f, "k", &v, NULL) == BASE_OK;
    TAP_OK(ok == cases[i].ok && (!ok || v == cases[i].want), "%s gives %u", cases[i].value, (unsigned)v);
    close_copy(&o);
  }
  cook(&b, ONE_KEY "s:k u32:12 u64:0x3ff8000000000000");
  opened o;
  float x = 0;
  TAP_OK(!open_copy(&o, b.ptr, b.len, NULL, NULL) && !gguf_get_f32(o.f, "k", &x, NULL) && x == 1.5F,
         "a double");
  close_copy(&o);
  base_buf_free(&b);
}

/* What the writer refuses, at the save. */
static void test_writer_errors(void) {
  static const char *const wanted[] = {
      "key was put twice", "key was put twice", "tensor was put twice", "shape", "shape", "64 bytes",
      "printable",         "own reason"};
  uint64_t dim[2] = {4, 0};
  for (int i = 0; i < 8; i++) {
    gguf_writer *w = gguf_writer_new(NULL);
    base_buf out = {0};
    base_error err = {0};
    gguf_put_u32(w, "k", 1);
    gguf_put_tensor(w, "t", GGUF_T_I8, 1, dim, floats);
    if (i == 0) gguf_put_f32(w, "k", 1);
    if (i == 1) gguf_put_u32(w, "general.alignment", 32);
    if (i == 2) gguf_put_tensor(w, "t", GGUF_T_I8, 1, dim, floats);
    if (i == 3) gguf_put_tensor(w, "u", GGUF_T_I8, 2, dim, floats);
    if (i == 4) gguf_put_tensor(w, "u", GGUF_T_Q8_0, 1, dim, floats);
    if (i == 5) gguf_put_tensor(w, "", GGUF_T_I8, 1, dim, floats);
    if (i == 6) gguf_put_u32(w, "a\n", 1);
    if (i == 7) gguf_writer_fail(w, BASE_ENOMEM, "me", "own reason");
    base_status status = gguf_writer_bytes(w, &out, &err);
    TAP_OK(status == (i == 7 ? BASE_ENOMEM : BASE_EARGUMENT) && strstr(err.text, wanted[i]), "%d: %s", i,
           err.text);
    base_buf_free(&out);
    gguf_writer_free(w);
  }
  gguf_writer_free(NULL);
  gguf_writer *w = gguf_writer_new(NULL);
  TAP_OK(gguf_writer_save(w, "/no/such/folder/x.gguf", NULL) == BASE_ENOTFOUND, "a folder that is not there");
  gguf_writer_free(w);
}

static void test_memory(void) {
  base_buf b = {0};
  make(&b);
  bool done = false;
  for (int n = 0; n < 100 && !done; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    opened o;
    base_error err = {0};
    base_status status = open_copy(&o, b.ptr, b.len, &a, &err);
    done = status == BASE_OK;
    TAP_OK(done || (status == BASE_ENOMEM && err.text[0] != 0 && f.held == 0), "open, allocation %d: %s", n,
           err.text);
    close_copy(&o);
    TAP_OK(f.held == 0, "open: nothing is held after allocation %d", n);
    TAP_OK(f.most <= 16 * b.len, "no request beyond what %zu bytes justify: %zu", b.len, f.most);
  }
  TAP_OK(done, "opens when there is memory");
  done = false;
  for (int n = 0; n < 100 && !done; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    base_buf out = {0};
    gguf_writer *w = gguf_writer_new(&a);
    base_status status = BASE_ENOMEM;
    if (w != NULL) {
      fill(w);
      status = gguf_writer_bytes(w, &out, NULL);
    }
    done = status == BASE_OK;
    gguf_writer_free(w);
    TAP_OK((done || status == BASE_ENOMEM) && f.held == 0, "write, allocation %d: %d", n, (int)status);
    TAP_OK(!done || (out.len == b.len && !memcmp(out.ptr, b.ptr, b.len)), "and the bytes are right");
    base_buf_free(&out);
  }
  TAP_OK(done, "writes when there is memory");
  base_buf_free(&b);
}

/* ---- a model in several files ---- */

static char folder[] = "/tmp/minnow-gguf-XXXXXX";

static const char *part_path(int no, int of) {
  static char path[128];
  (void)base_format(path, sizeof path, "%s/m-%05d-of-%05d.gguf", folder, no, of);
  return path;
}

/* Part `no` (from 1) of `of`, saying so; of 0: without any such key. `tensors`: single letters. */
static void save_part(int no, uint32_t says_no, uint32_t of, const char *tensors, uint32_t all) {
  static const float numbers[32];
  gguf_writer *w = gguf_writer_new(NULL);
  base_error err = {0};
  if (no == 1) gguf_put_string(w, "general.architecture", BASE_LITERAL("llama"));
  if (of > 0) gguf_put_u32(w, "split.no", says_no - 1);
  if (of > 0) gguf_put_u32(w, "split.count", of);
  if (all > 0) gguf_put_u32(w, "split.tensors.count", all);
  for (; *tensors != 0; tensors++) {
    char name[2] = {*tensors, 0};
    gguf_put_tensor(w, name, GGUF_T_F32, 1, (uint64_t[]){(uint64_t)(*tensors - 'a' + 1), 1, 1, 1}, numbers);
  }
  TAP_OK(gguf_writer_save(w, part_path(no, 3), &err) == BASE_OK, "part %d: %s", no, err.text);
  gguf_writer_free(w);
}

static void save_parts(void) {
  save_part(1, 1, 3, "", 4);
  save_part(2, 2, 3, "db", 0);
  save_part(3, 3, 3, "ca", 0);
}

static void check_parts(const char *path, base_status status, const char *says) {
  gguf_file *f = NULL;
  base_error err = {0};
  base_status got = gguf_open(&f, path, NULL, &err);
  TAP_OK(got == status && f == NULL && strstr(err.text, says), "%s: %s", says, err.text);
}

static void test_parts(void) {
  gguf_file *f = NULL;
  base_error err = {0};
  int n = 0;
  char other[128];
  if (mkdtemp(folder) == NULL) exit(1);
  save_parts();
  TAP_OK(gguf_open(&f, part_path(1, 3), NULL, &err) == BASE_OK && gguf_tensor_count(f) == 4, "joined: %s", err.text);
  for (const char *c = "abcd"; *c != 0 && f != NULL; c++) {
    const gguf_tensor *t = gguf_find_tensor(f, (char[]){*c, 0});
    TAP_OK(t != NULL && t->dim[0] == (uint64_t)(*c - 'a' + 1) && *(const float *)t->data == 0, "tensor %c", *c);
    if (t != NULL) gguf_forget(f, t->data, t->bytes);
  }
  gguf_forget_all(f);
  gguf_close(f);
  for (base_status st = BASE_ENOMEM; st != BASE_OK && n < 100; n++) {
    failing count;
    base_allocator a = failing_allocator(&count, n);
    st = gguf_open(&f, part_path(1, 3), &a, &err);
    if (st == BASE_OK) gguf_close(f);
    TAP_OK((st == BASE_OK || st == BASE_ENOMEM) && count.held == 0, "allocation %d: %zu bytes stay", n, count.held);
  }
  TAP_OK(n > 10 && n < 100, "%d allocations", n);
  check_parts(part_path(2, 3), BASE_EARGUMENT, "part 2 of 3; name the first");
  (void)base_format(other, sizeof other, "%s/other.gguf", folder);
  TAP_OK(rename(part_path(1, 3), other) == 0, "another name");
  check_parts(other, BASE_EARGUMENT, "has to end in \"-00001-of-00003.gguf\"");
  (void)os_remove(other, NULL);
  save_parts();
  save_part(3, 2, 3, "ca", 0);
  check_parts(part_path(1, 3), BASE_EMISMATCH, "part 2 of 3, not 3 of 3");
  save_part(3, 3, 0, "ca", 0);
  check_parts(part_path(1, 3), BASE_EMISMATCH, "no part of a model");
  save_part(3, 3, 3, "cb", 0);
  check_parts(part_path(1, 3), BASE_EFORMAT, "\"b\" is there twice");
  save_part(3, 3, 3, "c", 0);
  check_parts(part_path(1, 3), BASE_EMISMATCH, "3 tensors; it says 4");
  save_part(1, 1, 5000, "", 0);
  check_parts(part_path(1, 3), BASE_ELIMIT, "5000 parts");
  save_parts();
  (void)os_remove(part_path(3, 3), NULL);
  check_parts(part_path(1, 3), BASE_ENOTFOUND, "cannot open");
  for (int i = 1; i <= 2; i++) (void)os_remove(part_path(i, 3), NULL);
  (void)rmdir(folder);
}

int main(void) {
  test_malformed();
  test_round_trip();
  test_integers();
  test_writer_errors();
  test_memory();
  test_parts();
  return tap_done("gguf");
}
