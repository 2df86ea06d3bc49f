/* The JSON reader: what is JSON and what is not, decoded strings, pointers, limits, exact numbers, equality, memory. */
#include "jdoc/jdoc.h"
#include "counting.h"
#include "failing.h"
#include "tap.h"

#include <string.h>

static base_status open_text(jdoc *d, const char *text, base_error *err) {
  return jdoc_open(d, base_slice_of(text), NULL, "test", NULL, err);
}

/* ---- texts ---- */

static void test_accepted(void) {
  static const char *const good[] = {"null", " true ", "false", "0", "-0", "-0.0e-0", "1E+2", "\"\"", "[]", "{}",
                                     "\t[\n1 ,\r2]", "{\"a\":{\"a\":1},\"b\":[{}]}", "\"\\u0000\"", "{\"\":0}",
                                     "\"\\ud83d\\ude00\"", "\"\xF4\x8F\xBF\xBF\"", "\"\x7F\"", "[[],[[]],{\"a\":[]}]"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    base_error err = {0};
    jdoc d;
    TAP_OK(open_text(&d, good[i], &err) == BASE_OK, "%s: %s", good[i], err.text);
    jdoc_close(&d);
  }
}

static void test_refused(void) {
  static const char *const bad[] = {"", " ", "{", "}", "[1,]", "[,1]", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\" 1}", "{\"a\"}",
                                    "{\"a\":}", "{1:1}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "01", "-01", "1.",
                                    ".5", "1e", "1e+", "+1", "-", "--1", "NaN", "Infinity", "nul", "truee", "True",
                                    "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800x\"",
                                    "\"\x80\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"",
                                    "\"a\nb\"", "\"\t\"", "\"", "\"\\", "\"\\u12", "1 2", "[1 2]", "'a'", "[", "[1", "{\"a\"",
                                    "{\"a\":", "{\"a\":1", "\x01", "\xEF\xBB\xBF{}", "[1}", "{\"a\":1]", "/**/1", "\"abcdefgh\x1f\"",
                                    "1\f", "0x1", "]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    base_error err = {0};
    jdoc d;
    jdoc_node node[64];
    char decoded[64];
    jdoc_space space = {node, 64, decoded, 64};
    TAP_OK(open_text(&d, bad[i], &err) == BASE_EFORMAT && err.text[0] != 0 && d.block == NULL, "%s", bad[i]);
    TAP_OK(jdoc_read(&d, base_slice_of(bad[i]), NULL, &space, "t", NULL) == BASE_EFORMAT, "%s in place", bad[i]);
  }
  base_error err = {0};
  jdoc d;
  TAP_OK(jdoc_open(&d, BASE_LITERAL("1\0"), NULL, "t", NULL, &err) == BASE_EFORMAT, "a NUL behind the value");
  err = (base_error){0};
  (void)open_text(&d, "{\"a\": 1,\n \"\xC3\xA9\": x}", &err);
  TAP_OK(strstr(err.text, "line 2, column 7") != NULL, "the place: %s", err.text);
}

static void test_repeated_keys(void) {
  jdoc_limits l = {.repeated_keys = true};
  jdoc d;
  TAP_OK(jdoc_open(&d, BASE_LITERAL("{\"a\":1,\"a\":2}"), &l, "t", NULL, NULL) == BASE_OK && jdoc_count(&d, 0) == 2,
         "a key twice, when that is allowed");
  jdoc_close(&d);
}

static void test_strings(void) {
  static const struct {
    const char *text, *decoded;
    size_t len;
  } cases[] = {{"\"abc\"", "abc", 3},
               {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
               {"\"x\\u00e9y\\ud83d\\ude00z\"", "x\xC3\xA9y\xF0\x9F\x98\x80z", 9},
               {"\"a\\u0000b\"", "a\0b", 3},
               {"\"0123456789abcdef\\n0123456789abcdef\"", "0123456789abcdef\n0123456789abcdef", 33}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    jdoc d;
    if (open_text(&d, cases[i].text, NULL)) {
      TAP_OK(false, "%s", cases[i].text);
      continue;
    }
    TAP_OK(base_slice_equal(jdoc_text(&d, 0), (base_slice){cases[i].decoded, cases[i].len}), "%s", cases[i].text);
    jdoc_close(&d);
  }
}

/* ---- walking ---- */

static void test_walking(void) {
  static const char text[] = " {\"a\":[10,{\"b\":[]},\"s\\n\"],\"x/y\":{\"~\":1,\"\":2},\"e\\u0301\":null} ";
  jdoc d;
  TAP_OK(open_text(&d, text, NULL) == BASE_OK, "a document");
  TAP_OK(jdoc_kind_at(&d, 0) == JDOC_OBJECT && jdoc_count(&d, 0) == 3 && d.n_nodes == 16, "its shape: %zu", d.n_nodes);
  uint32_t a = jdoc_find(&d, 0, BASE_LITERAL("a"));
  TAP_OK(jdoc_kind_at(&d, a) == JDOC_ARRAY && jdoc_count(&d, a) == 3, "a member");
  TAP_OK(jdoc_find(&d, 0, BASE_LITERAL("b")) == JDOC_NONE, "members inside are not the object's");
  TAP_OK(base_slice_equal(jdoc_raw(&d, a + 1), BASE_LITERAL("10")), "an item");
  static const struct {
    const char *pointer, *raw;
  } cases[] = {{"/a/0", "10"}, {"/a/1/b", "[]"}, {"/x~1y/~0", "1"}, {"/x~1y/", "2"}, {"/e\xCC\x81", "null"}, {"/a/3", NULL},
               {"/a/01", NULL}, {"/a/-", NULL}, {"/a/0/0", NULL}, {"a", NULL}, {"/", NULL}, {"/a/1/b/0", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t at = jdoc_at_pointer(&d, 0, base_slice_of(cases[i].pointer));
    bool ok = cases[i].raw == NULL ? at == JDOC_NONE
                                   : at != JDOC_NONE && base_slice_equal(jdoc_raw(&d, at), base_slice_of(cases[i].raw));
    TAP_OK(ok, "%s", cases[i].pointer);
  }
  TAP_OK(jdoc_at_pointer(&d, 0, BASE_LITERAL("")) == 0, "the empty pointer is the whole");
  base_buf b = {0};
  jdoc_put(&b, &d, 0);
  TAP_OK(strcmp(b.ptr, "{\"a\":[10,{\"b\":[]},\"s\\n\"],\"x/y\":{\"~\":1,\"\":2},\"e\xCC\x81\":null}") == 0, "written: %s", b.ptr);
  base_buf_clear(&b);
  jdoc_put_pointer(&b, BASE_LITERAL("a~/b"));
  TAP_OK(strcmp(b.ptr, "/a~0~1b") == 0, "a pointer: %s", b.ptr);
  base_buf_free(&b);
  jdoc_close(&d);
}

/* ---- equality ---- */

static bool equal_texts(const char *a, const char *b) {
  jdoc x, y;
  uint64_t steps = 1000000;
  bool opened = !open_text(&x, a, NULL);
  opened = !open_text(&y, b, NULL) && opened;
  bool equal = opened && jdoc_equal(&x, 0, &y, 0, &steps);
  TAP_OK(opened && (!equal || jdoc_hash(&x, 0) == jdoc_hash(&y, 0)), "equal values, equal hashes: %s %s", a, b);
  jdoc_close(&x);
  jdoc_close(&y);
  return equal;
}

static void test_equal(void) {
  static const struct {
    const char *a, *b;
    bool equal;
  } cases[] = {{"1", "1.0", true}, {"1", "10e-1", true}, {"0", "-0.0", true}, {"1", "1.0000000000000000000001", false},
               {"1e400", "10e399", true}, {"1e400", "1e401", false}, {"9007199254740993", "9007199254740992", false},
               {"1", "true", false}, {"0", "false", false}, {"\"a\"", "\"\\u0061\"", true}, {"\"\"", "null", false},
               {"[1,2]", "[2,1]", false}, {"[1]", "[1,2]", false}, {"[]", "{}", false},
               {"{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1.0}", true}, {"{\"a\":1}", "{\"b\":1}", false},
               {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
               {"[{\"a\":{\"x\":1,\"y\":2},\"b\":3},4]", "[{\"b\":3,\"a\":{\"y\":2,\"x\":1}},4]", true},
               {"[{\"a\":{\"x\":1,\"y\":2},\"b\":3},4]", "[{\"b\":3,\"a\":{\"y\":2,\"x\":1}},5]", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    TAP_OK(equal_texts(cases[i].a, cases[i].b) == cases[i].equal, "%s and %s", cases[i].a, cases[i].b);
}

/* ---- numbers ---- */

static jdoc_number number(const char *text) {
  return jdoc_number_of(base_slice_of(text));
}

static void test_order(void) {
  static const char *const ascending[] = {"-1e999999999", "-2", "-1.5", "-1", "-1e-999999999", "0", "1e-400", "0.1",
                                          "0.10000000000000000001", "1", "9.99", "10", "1e2", "123456789012345678901234567890",
                                          "123456789012345678901234567891", "1e308", "1e309"};
  size_t n = sizeof ascending / sizeof ascending[0];
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      jdoc_number a = number(ascending[i]), b = number(ascending[j]);
      TAP_OK(jdoc_number_compare(&a, &b) == (i > j) - (i < j), "%s and %s", ascending[i], ascending[j]);
    }
}

static void test_multiples(void) {
  static const struct {
    const char *n, *of;
    bool is;
  } cases[] = {{"0", "7", true}, {"4.5", "1.5", true}, {"35", "1.5", false}, {"0.0075", "0.0001", true}, {"0.00751", "0.0001", false},
               {"1e308", "0.123456789", false}, {"1e308", "0.5", true}, {"12391239123", "1e-8", true}, {"1e-9", "1e-8", false},
               {"-6", "3", true}, {"1e999999999", "1024", true}, {"1e9", "1024", false}, {"1e10", "1024", true},
               {"1e999999999", "3", false}, {"3e999999999", "3", true}, {"0.3", "0.1", true}, {"1.1", "0.1", true},
               {"100", "1e2", true}, {"10", "1e2", false}, {"12345678901234567890123456789", "12345678901234567890123456789", true},
               {"24691357802469135780246913578", "12345678901234567890123456789", true},
               {"24691357802469135780246913579", "12345678901234567890123456789", false},
               {"152415787532388367504953515625", "123456789012345", false},
               {"152415787532388367501905199875019052100", "12345678901234567890", true},
               {"152415787532388367501905199875019052101", "12345678901234567890", false},
               {"340282366920938463463374607431768211456", "18446744073709551616", true},
               {"340282366920938463463374607431768211455", "18446744073709551615", true},
               {"340282366920938463463374607431768211457", "18446744073709551616", false},
               {"1e40", "1099511627776", true}, {"1e39", "1099511627776000000000000000000000000000000", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    jdoc_number n = number(cases[i].n), of = number(cases[i].of);
    TAP_OK(jdoc_number_is_multiple(&n, &of) == cases[i].is, "%s by %s", cases[i].n, cases[i].of);
  }
}

/* A random long number times a small one has both as divisors, and one more has neither. */
static void test_long_multiples(void) {
  base_rng rng;
  base_rng_seed(&rng, 7);
  for (int i = 0; i < 200; i++) {
    char of[600], n[700];
    size_t len = 20 + base_rng_below(&rng, 500);
    uint32_t factor = 2 + base_rng_below(&rng, 1000000), carry = 0;
    for (size_t k = 0; k < len; k++) of[k] = (char)('0' + (k == 0) + (int)base_rng_below(&rng, 9));
    of[len] = 0;
    n[len + 8] = 0;
    for (size_t k = len + 8; k > 0; k--) {
      uint64_t v = carry + (k > 8 ? (uint64_t)(of[k - 9] - '0') * factor : 0);
      n[k - 1] = (char)('0' + v % 10);
      carry = (uint32_t)(v / 10);
    }
    jdoc_number a = number(n), b = number(of);
    TAP_OK(jdoc_number_is_multiple(&a, &b), "%s by %s", n, of);
    n[len + 7] = (char)(n[len + 7] == '9' ? '8' : n[len + 7] + 1);
    a = number(n);
    TAP_OK(!jdoc_number_is_multiple(&a, &b), "%s not by %s", n, of);
  }
}

static void test_integers(void) {
  static const struct {
    const char *text;
    bool integer;
    size_t value;
  } cases[] = {{"0", true, 0}, {"1.0", true, 1}, {"1e3", true, 1000}, {"1.5e1", true, 15}, {"1.5", false, 0}, {"15e-1", false, 0},
               {"-1", true, SIZE_MAX}, {"1e-400", false, 0}, {"18446744073709551615", true, SIZE_MAX}, {"1e99", true, SIZE_MAX},
               {"0e99999", true, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    jdoc_number n = number(cases[i].text);
    size_t v = SIZE_MAX;
    bool fits = jdoc_number_to_size(&n, &v);
    TAP_OK(jdoc_number_is_integer(&n) == cases[i].integer, "%s", cases[i].text);
    TAP_OK(fits == (cases[i].integer && !n.negative) && (!fits || v == cases[i].value), "%s as a size", cases[i].text);
  }
}

/* ---- limits ---- */

static void test_depth(void) {
  base_buf b = {0};
  jdoc d;
  enum { DEEP = 10000 };
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, i % 2 ? "{\"a\":" : "[");
  for (int i = DEEP; i > 0; i--) base_buf_putc(&b, i % 2 ? ']' : '}');
  TAP_OK(open_text(&d, b.ptr, NULL) == BASE_EFORMAT, "a value is missing inside");
  base_buf_clear(&b);
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, i % 2 ? "{\"a\":" : "[");
  base_buf_puts(&b, "1");
  for (int i = DEEP; i > 0; i--) base_buf_putc(&b, i % 2 ? ']' : '}');
  TAP_OK(open_text(&d, b.ptr, NULL) == BASE_OK, "10,000 deep");
  TAP_OK(jdoc_equal(&d, 0, &d, 0, NULL) && jdoc_hash(&d, 0) != 0, "compared");
  jdoc_close(&d);
  jdoc_limits few = {.depth = 9999};
  TAP_OK(jdoc_open(&d, (base_slice){b.ptr, b.len}, &few, "t", NULL, NULL) == BASE_ELIMIT, "the limit holds");
  few = (jdoc_limits){.nodes = 100};
  TAP_OK(jdoc_open(&d, (base_slice){b.ptr, b.len}, &few, "t", NULL, NULL) == BASE_ELIMIT, "so does that on values");
  few = (jdoc_limits){.bytes = 100};
  TAP_OK(jdoc_open(&d, (base_slice){b.ptr, b.len}, &few, "t", NULL, NULL) == BASE_ELIMIT, "and that on bytes");
  base_buf_free(&b);
}

static void test_many_keys(void) {
  base_buf b = {0};
  jdoc d;
  enum { MANY = 100000 };
  base_buf_putc(&b, '{');
  for (int i = 0; i < MANY; i++) base_buf_printf(&b, "%s\"key%d\":%d", i ? "," : "", i, i);
  base_buf_putc(&b, '}');
  TAP_OK(open_text(&d, b.ptr, NULL) == BASE_OK && jdoc_count(&d, 0) == MANY, "100,000 keys");
  jdoc_close(&d);
  b.len--;
  base_buf_puts(&b, ",\"ke\\u00799999\":1}");
  base_error err = {0};
  TAP_OK(open_text(&d, b.ptr, &err) == BASE_EFORMAT && strstr(err.text, "twice") != NULL, "one of them twice");
  base_buf_free(&b);
}

/* Keys that fall into the same few places of the table that finds duplicates. */
static void test_hostile_keys(void) {
  base_buf b = {0};
  jdoc d;
  char key[24], last[24] = "";
  enum { MANY = 2000, SLOTS = 4096 };
  base_buf_putc(&b, '{');
  for (int i = 0, n = 0; n < MANY; i++) {
    (void)base_format(key, sizeof key, "k%d", i);
    if (jdoc_text_hash(base_slice_of(key)) % SLOTS != 0) continue;
    base_buf_printf(&b, "%s\"%s\":0", n++ ? "," : "", key);
    memcpy(last, key, sizeof key);
  }
  base_buf_puts(&b, "}");
  TAP_OK(open_text(&d, b.ptr, NULL) == BASE_OK, "keys that collide");
  jdoc_close(&d);
  b.len--;
  base_buf_printf(&b, ",\"%s\":1}", last);
  base_error err = {0};
  TAP_OK(open_text(&d, b.ptr, &err) == BASE_EFORMAT && strstr(err.text, "twice") != NULL, "one of them twice");
  base_buf_free(&b);
}

static void test_in_place(void) {
  jdoc_node node[8];
  char decoded[8];
  jdoc_space space = {node, 8, decoded, 8};
  jdoc d;
  size_t before = counted_allocations;
  TAP_OK(jdoc_read(&d, BASE_LITERAL("{\"a\":[1,2],\"\\u0062\":\"\\n\"}"), NULL, &space, "t", NULL) == BASE_OK, "it fits");
  TAP_OK(jdoc_find(&d, 0, BASE_LITERAL("b")) != JDOC_NONE, "a decoded key");
  TAP_OK(jdoc_read(&d, BASE_LITERAL("[1,2,3,4,5,6,7,8]"), NULL, &space, "t", NULL) == BASE_ELIMIT, "too many values");
  TAP_OK(jdoc_read(&d, BASE_LITERAL("\"\\n12345678\""), NULL, &space, "t", NULL) == BASE_ELIMIT, "too long a string");
  TAP_OK(jdoc_read(&d, BASE_LITERAL("{\"a\":1,\"a\":1}"), NULL, &space, "t", NULL) == BASE_EFORMAT, "a key twice");
  TAP_OK(!COUNTING || counted_allocations == before, "nothing is allocated");
}

static void test_memory(void) {
  static const char text[] =
      "[\"\\n\",{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9},\",,,,,,,,,,,,,,,,,,,,,,,,,,,,\"]";
  failing f;
  base_status st = BASE_ENOMEM;
  jdoc d;
  int n = 0;
  for (; st != BASE_OK && n < 50; n++) {
    base_allocator a = failing_allocator(&f, n);
    st = jdoc_open(&d, base_slice_of(text), NULL, "t", &a, NULL);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && f.held == 0), "allocation %d", n);
    if (st == BASE_OK) jdoc_close(&d);
    TAP_OK(f.held == 0, "nothing is held");
  }
  TAP_OK(n > 3, "there were allocations");
}

int main(void) {
  test_accepted();
  test_refused();
  test_repeated_keys();
  test_strings();
  test_walking();
  test_equal();
  test_order();
  test_multiples();
  test_long_multiples();
  test_integers();
  test_depth();
  test_many_keys();
  test_hostile_keys();
  test_in_place();
  test_memory();
  return tap_done("jdoc");
}
