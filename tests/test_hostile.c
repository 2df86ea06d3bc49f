/* Schemas and instances made to hurt, through the public header: each ends in a bounded time and memory, right or with one
 * sentence that names a place. The 100 MB are made here. */
#include <string.h>
#include <time.h>

#include "minnow.h"
#include "os/os.h"
#include "tap.h"

enum { MB = 1 << 20, SECONDS = 120 }; /* of the processor's time, for one of them, under a sanitizer or emulated */

static uint64_t used_ms(void) { return (uint64_t)clock() * 1000 / CLOCKS_PER_SEC; }

/* Memory held, and the most of it. */
typedef struct meter {
  size_t held, most;
} meter;

static void *metered(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes) {
  meter *m = ctx;
  m->held += new_bytes - old_bytes;
  if (m->held > m->most) m->most = m->held;
  return base_allocator_libc()->resize(NULL, ptr, old_bytes, new_bytes);
}

static bool is_sentence(const mn_error *err) { return strlen(err->text) > 10 && strchr(err->text, '\n') == NULL; }

/* Compiles, checks and explains; what has to come of it. `most_mb` bounds the validator's memory. */
static void run(const char *name, base_slice schema, base_slice instance, int compiled, int checked, size_t most_mb) {
  meter m = {0};
  mn_schema *s = NULL;
  mn_error err = {0}, why = {0};
  mn_schema_options o;
  mn_schema_explain_report report;
  uint64_t start = used_ms();
  mn_schema_options_init(&o);
  o.resize = metered;
  o.resize_ctx = &m;
  int st = mn_schema_open(&s, schema.ptr, schema.len, &o, &err);
  TAP_OK(st == compiled && (st == MN_OK || is_sentence(&err)), "%s: %d: %s: %s", name, st, err.where, err.text);
  if (st == MN_OK) {
    err = (mn_error){0};
    st = mn_schema_check(s, instance.ptr, instance.len, NULL, &err);
    TAP_OK(st == checked && (st == MN_OK || is_sentence(&err)), "%s: %d: %s: %s", name, st, err.where, err.text);
  }
  mn_schema_close(s);
  TAP_OK(m.held == 0 && m.most <= most_mb * MB, "%s: %zu MB, %zu bytes held", name, m.most / MB, m.held);
  st = mn_schema_explain(schema.ptr, schema.len, NULL, &report, &why);
  TAP_OK(st == MN_OK ? report.bytes <= (size_t)192 * MB : is_sentence(&why), "%s as masks: %s: %s", name, why.where, why.text);
  uint64_t ms = used_ms() - start;
  TAP_OK(ms < SECONDS * 1000, "%s: %llu ms", name, (unsigned long long)ms);
  printf("# %s: %llu ms, %zu MB; %s\n", name, (unsigned long long)ms, m.most / MB, why.text[0] != '\0' ? why.text : "masks");
}

static base_slice of(const base_buf *b) { return (base_slice){b->ptr, b->len}; }

static void repeat(base_buf *b, const char *text, size_t times) {
  size_t len = strlen(text);
  for (size_t i = 0; i < times; i++) base_buf_add(b, text, len);
}

/* ---- schemas ---- */

static void test_no_schema(void) {
  static const char *const texts[] = {"", "{", "nonsense", "[]", "7", "\"\xFF\"", "{\"type\":\"thing\"}", "{\"a\":1}{", "{\"$ref\":5}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    run("no schema", base_slice_of(texts[i]), BASE_LITERAL("1"), MN_EFORMAT, 0, 1);
}

/* Each refers to itself without a property or item between. */
static void test_no_progress(void) {
  static const char *const texts[] = {
      "{\"$ref\":\"#\"}", "{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#\"}]}}}", "{\"not\":{\"$ref\":\"#\"}}",
      "{\"if\":{\"$ref\":\"#\"}}", "{\"$dynamicAnchor\":\"a\",\"$dynamicRef\":\"#a\"}", "{\"dependentSchemas\":{\"a\":{\"$ref\":\"#\"}}}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    run(texts[i], base_slice_of(texts[i]), BASE_LITERAL("{\"a\":1}"), MN_OK, MN_ELIMIT, 2);
}

/* 2^40 ways through the schema; the same through $ref, where each is written once. */
static void test_exponential(void) {
  base_buf b = {0};
  base_buf_puts(&b, "{\"$ref\":\"#/$defs/a0\",\"$defs\":{");
  for (int i = 0; i < 40; i++) base_buf_printf(&b, "\"a%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/a%d\"},{\"$ref\":\"#/$defs/a%d\"}]},", i, i + 1, i + 1);
  base_buf_puts(&b, "\"a40\":{\"type\":\"null\"}}}");
  run("2^40 ways", of(&b), BASE_LITERAL("1"), MN_OK, MN_ELIMIT, 16);
  run("2^40 ways, the first fits", of(&b), BASE_LITERAL("null"), MN_OK, MN_OK, 16);
  base_buf_free(&b);
}

static void test_expressions(void) {
  static const char *const patterns[] = {
      "^(a|a)*$", "^(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "[ab]*a[ab]{18}$", "^(.*a){25}$", "((((((((a{9}){9}){9}){9}){9}){9}){9}){9})", "^(?=.*a)(?=.*b)(?=.*c)(?=.*d)(?=.*e)(?=.*f).{9,}$",
      "(?!.*(ab|cd){30}.*(ef|gh){30}).*", "\\p{L}{1,500}\\p{N}{1,500}", "^(a?){60}a{60}$", "(a{1,999}){1,999}"};
  base_buf text = {0}, schema = {0};
  base_buf_puts(&text, "\"");
  repeat(&text, "ab", 20000);
  base_buf_puts(&text, "!\"");
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    mn_schema *s = NULL;
    mn_error err = {0};
    meter m = {0};
    mn_schema_options o;
    mn_schema_options_init(&o);
    o.resize = metered;
    o.resize_ctx = &m;
    base_buf_clear(&schema);
    base_buf_puts(&schema, "{\"pattern\":");
    base_buf_json(&schema, base_slice_of(patterns[i]));
    base_buf_puts(&schema, "}");
    uint64_t start = used_ms();
    int st = mn_schema_open(&s, schema.ptr, schema.len, &o, &err);
    if (st == MN_OK) st = mn_schema_check(s, text.ptr, text.len, NULL, &err);
    mn_schema_close(s);
    TAP_OK(st == MN_OK || is_sentence(&err), "%s: %d: %s", patterns[i], st, err.text);
    TAP_OK(m.held == 0 && m.most < (size_t)256 * MB, "%s: %zu MB", patterns[i], m.most / MB);
    mn_schema_explain_report report;
    err = (mn_error){0};
    st = mn_schema_explain(schema.ptr, schema.len, NULL, &report, &err);
    TAP_OK(st == MN_OK || is_sentence(&err), "%s as masks: %s", patterns[i], err.text);
    uint64_t ms = used_ms() - start;
    TAP_OK(ms < SECONDS * 1000, "%s: %llu ms", patterns[i], (unsigned long long)ms);
  }
  base_buf_free(&text);
  base_buf_free(&schema);
}

static void test_wide(void) {
  enum { WIDE = 100000 };
  base_buf s = {0}, v = {0};
  base_buf_puts(&s, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
  base_buf_puts(&v, "{");
  for (int i = 0; i < WIDE; i++) {
    base_buf_printf(&s, "%s\"property %d\":{\"type\":\"integer\",\"not\":{\"const\":%d}}", i > 0 ? "," : "", i, i + 1);
    base_buf_printf(&v, "%s\"property %d\":%d", i > 0 ? "," : "", i, i);
  }
  base_buf_puts(&s, "},\"required\":[\"property 7\"]}");
  base_buf_puts(&v, "}");
  run("100,000 properties", of(&s), of(&v), MN_OK, MN_OK, 160);
  base_buf_free(&s);
  base_buf_free(&v);
}

static void deep(base_buf *b, const char *open, const char *inside, const char *close, size_t depth) {
  base_buf_clear(b);
  repeat(b, open, depth);
  base_buf_puts(b, inside);
  repeat(b, close, depth);
}

static void test_deep(void) {
  enum { DEPTH = 10000 };
  base_buf s = {0}, v = {0};
  deep(&s, "{\"items\":", "{\"type\":\"null\"}", "}", DEPTH);
  deep(&v, "[", "null", "]", DEPTH);
  run("items 10,000 deep", of(&s), of(&v), MN_OK, MN_OK, 64);
  deep(&v, "[", "1", "]", DEPTH);
  run("items 10,000 deep, the last is wrong", of(&s), of(&v), MN_OK, MN_EMISMATCH, 64);
  deep(&s, "{\"not\":", "true", "}", DEPTH);
  run("not 10,000 deep", of(&s), BASE_LITERAL("1"), MN_OK, MN_OK, 64);
  deep(&s, "{\"allOf\":[", "{\"type\":\"null\"}", "]}", DEPTH / 2 - 1);
  run("allOf 5,000 deep", of(&s), BASE_LITERAL("null"), MN_OK, MN_OK, 64);
  deep(&v, "[", "", "]", 20000);
  run("an instance 20,000 deep", BASE_LITERAL("{}"), of(&v), MN_OK, MN_ELIMIT, 64);
  run("a schema 20,000 deep", of(&v), BASE_LITERAL("1"), MN_ELIMIT, 0, 64);
  deep(&v, "{\"a\":", "1", "}", DEPTH);
  run("recursion 10,000 deep", BASE_LITERAL("{\"type\":[\"object\",\"integer\"],\"properties\":{\"a\":{\"$ref\":\"#\"}},\"unevaluatedProperties\":false}"), of(&v), MN_OK,
      MN_OK, 64);
  base_buf_free(&s);
  base_buf_free(&v);
}

/* ---- instances of 100 MB ---- */

static void test_large(void) {
  static const char item[] = "{\"id\":1234567,\"name\":\"some one with a name of some length\",\"tags\":[\"a\",\"b\"]},";
  base_buf v = {0};
  base_buf_puts(&v, "[");
  repeat(&v, item, (size_t)100 * 1000 * 1000 / (sizeof item - 1));
  base_buf_puts(&v, "{\"id\":\"x\"}]");
  run("100 MB of objects", BASE_LITERAL("{\"items\":{\"properties\":{\"id\":{\"type\":\"integer\",\"minimum\":1},\"name\":{\"maxLength\":40}},\"required\":[\"id\"]}}"), of(&v), MN_OK,
      MN_EMISMATCH, 400);
  base_buf_clear(&v);
  base_buf_puts(&v, "\"");
  repeat(&v, "0123456789\xC3\xA4\\u00e4", (size_t)100 * 1000 * 1000 / 18);
  base_buf_puts(&v, "\"");
  run("a string of 100 MB", BASE_LITERAL("{\"maxLength\":1000000000,\"pattern\":\"^[0-9\\u00e4]*$\"}"), of(&v), MN_OK, MN_OK, 400);
  base_buf_clear(&v);
  base_buf_puts(&v, "1");
  repeat(&v, "0123456789", (size_t)10 * 1000 * 1000);
  run("a number of 100 MB", BASE_LITERAL("{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":1}"), of(&v), MN_OK, MN_EMISMATCH, 64);
  base_buf_free(&v);
}

int main(void) {
  test_no_schema();
  test_no_progress();
  test_exponential();
  test_expressions();
  test_wide();
  test_deep();
  test_large();
  return tap_done("hostile");
}
