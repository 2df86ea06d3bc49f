/* The schema validator: every keyword on both sides of its edge, exact numbers, formats, strict JSON, refused
 * schemas, no allocation in a check, every allocation of a compilation made to fail. */
#include "constrain/constrain.h"
#include "counting.h"
#include "failing.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* ---- instances ---- */

static base_status check(const char *schema, const char *instance, base_error *err) {
  constrain_schema *s = NULL;
  base_error open_err = {0};
  base_status st = constrain_schema_open(&s, base_slice_of(schema), "test", NULL, &open_err);
  TAP_OK(st == BASE_OK, "%s: %s: %s", schema, open_err.where, open_err.text);
  if (st) return st;
  st = constrain_check(s, base_slice_of(instance), err);
  constrain_schema_close(s);
  return st;
}

/* Instances with '~' between; NULL is none. */
static void judge(const char *schema, const char *valid, const char *invalid) {
  const char *lists[2] = {valid, invalid};
  for (int i = 0; i < 2 && lists[i] != NULL; i++) {
    base_slice rest = base_slice_of(lists[i]), one;
    char instance[512];
    while (base_slice_split(&rest, '~', &one)) {
      base_error err = {0};
      (void)base_format(instance, sizeof instance, "%.*s", (int)one.len, one.ptr);
      base_status st = check(schema, instance, &err), wanted = i == 0 ? BASE_OK : BASE_EMISMATCH;
      TAP_OK(st == wanted && err.code == wanted, "%s: %s gave %s (%s: %s)", schema, instance,
             base_status_text(st), err.where, err.text);
    }
  }
}

static void test_keywords(void) {
  judge("true", "1~null~{}", NULL);
  judge("{}", "1~null~{}~[]~\"a\"", NULL);
  judge("{\"type\":\"string\"}", "\"\"~\"a\"", "1~null~[]");
  judge("{\"type\":\"integer\"}", "1~-0~1.0~10e-1~1e3", "1.5~\"1\"~1e-1~true");
  judge("{\"type\":\"number\"}", "1~1.5", "\"1\"~true");
  judge("{\"type\":[\"integer\",\"null\"]}", "1~null", "1.5~[]");
  judge("{\"type\":[\"integer\",\"number\"]}", "1~1.5", "null");
  judge("{\"type\":\"boolean\"}", "true~false", "0~null");
  judge("{\"type\":\"object\"}", "{}", "[]");
  judge("{\"type\":\"array\"}", "[]~[1]", "{}");
  judge("{\"enum\":[\"on\",2,null,{\"a\":[1]}]}", "\"on\"~2.0~null~{\"a\": [1]}~\"\\u006fn\"",
        "\"off\"~3~{\"a\":[2]}~{}");
  judge("{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2,\"a\":1}", "{\"a\":1}~{\"a\":1,\"b\":2,\"c\":3}~1");
  judge("{\"properties\":{\"a\":{\"type\":\"string\"}},\"additionalProperties\":false}", "{}~{\"a\":\"x\"}~1",
        "{\"a\":1}~{\"b\":1}");
  judge("{\"properties\":{\"a\":{}},\"additionalProperties\":{\"type\":\"integer\"}}", "{\"a\":null,\"b\":1}",
        "{\"b\":\"x\"}");
  judge("{\"required\":[\"a\",\"b\"]}", "{\"a\":1,\"b\":2}~[]", "{}~{\"a\":1}");
  judge("{\"minProperties\":1,\"maxProperties\":2}", "{\"a\":1}~{\"a\":1,\"b\":2}",
        "{}~{\"a\":1,\"b\":2,\"c\":3}");
  judge("{\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2}", "[1]~[1,2]",
        "[]~[1,2,3]~[\"a\"]");
  judge("{\"uniqueItems\":true}", "[]~[1,2]~[1,\"1\"]~[{\"a\":1},{\"a\":2}]",
        "[1,1.0]~[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]");
  judge("{\"minLength\":2,\"maxLength\":3}", "\"ab\"~\"\xC3\xA9\xC3\xA9\xC3\xA9\"~\"\\ud83d\\ude00b\"",
        "\"a\"~\"abcd\"~\"\\ud83d\\ude00\"");
  judge("{\"minimum\":0,\"maximum\":100}", "0~100~99.999~1e2~-0.0", "-1~100.001~1e3~-1e-9");
  judge("{\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", "0.5~1e-300~0.999999999999999999999",
        "0~1~0.0~10e-1~-1");
  judge("{\"multipleOf\":5}", "0~5~-10~1e400~15.0", "1~5.5~-3");
  judge("{\"multipleOf\":7}", "7~77777777777777777777777777777777777777~0.7e1", "8~1e70");
  judge("{\"anyOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
        "{\"a\":1}~{\"b\":1}~{\"a\":1,\"b\":1}", "{}~{\"c\":1}");
  judge("{\"allOf\":[{\"type\":\"integer\"},{\"minimum\":1}]}", "1", "0~1.5");
  judge("{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "1~2.5", "2~1.5");
  judge("{\"not\":{\"const\":0}}", "1~\"0\"", "0~0.0~-0");
  judge("{\"properties\":{\"a\":false}}", "{}", "{\"a\":1}");
  judge(
      "{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[1],\"$schema\":\"s\",\"$id\":\"i\","
      "\"$comment\":\"c\"}",
      "1", NULL);
}

/* Numbers are compared as decimals, not as doubles. */
static void test_exact_numbers(void) {
  judge("{\"maximum\":0.3}", "0.3~0.30~3e-1~0.29999999999999999999999",
        "0.30000000000000000001~0.3000000000000000166");
  judge("{\"minimum\":9007199254740993}", "9007199254740993~9007199254740993.0",
        "9007199254740992~9007199254740992.9");
  judge("{\"const\":100000000000000000000000000000000}", "1e32~100000000000000000000000000000000.0",
        "100000000000000000000000000000001");
  judge("{\"maximum\":1e999999999}", "1e999999998~5", NULL);
  judge("{\"type\":\"integer\"}", "123456789012345678901234567890~1.5e1",
        "123456789012345678901234567890.5~15e-1");
}

static void test_formats(void) {
  judge("{\"format\":\"date\"}", "\"2026-11-22\"~\"2024-02-29\"~5",
        "\"2026-02-29\"~\"2026-13-01\"~\"2026-1-1\"~\"0000-01-01\"~\"2026-11-22T07:00:00\"~\"1900-02-29\"");
  judge("{\"format\":\"local-date-time\"}",
        "\"2026-11-22T07:00:00\"~\"2026-11-22\"~\"2026-11-22T07:00:00.25\"",
        "\"2026-11-22T07:00\"~\"2026-11-22T24:00:00\"~\"2026-11-22T07:00:00Z\"~\"2026-11-22 "
        "07:00:00\"~\"07:00:00\"~\"2026-11-22T07:00:00.\"");
  judge("{\"format\":\"local-time\"}", "\"07:00:00\"~\"23:59:59\"", "\"7:00:00\"~\"07:60:00\"~\"07:00\"");
  judge("{\"format\":\"duration\"}", "\"PT1H30M\"~\"P14D\"~\"P1Y2M3DT4H5M6S\"~\"P2W\"~\"PT0S\"",
        "\"P\"~\"PT\"~\"P1H\"~\"1H\"~\"PT1M1H\"~\"-PT1H\"~\"PT1.5H\"~\"P1D1D\"");
  judge(
      "{\"format\":\"rrule\"}",
      "\"FREQ=WEEKLY;INTERVAL=2;BYDAY=FR\"~\"FREQ=DAILY\"~\"FREQ=MONTHLY;BYMONTHDAY=-1\"~\"FREQ=MONTHLY;"
      "BYDAY=-1FR,2MO\"~\"FREQ=DAILY;BYHOUR=7;BYMINUTE=0\"~\"FREQ=DAILY;UNTIL=20261231T000000Z\"~\"FREQ="
      "DAILY;COUNT=3\"",
      "\"\"~\"INTERVAL=2\"~\"FREQ=OFTEN\"~\"FREQ=DAILY;\"~\"FREQ=DAILY;FREQ=DAILY\"~\"FREQ=DAILY;BYHOUR=24\"~"
      "\"FREQ=WEEKLY;BYDAY=XX\"~\"FREQ=DAILY;COUNT=3;UNTIL=20261231\"~\"FREQ=DAILY;BYMONTHDAY=0\"~\"FREQ="
      "DAILY;INTERVAL=0\"~\"FREQ=DAILY;INTERVAL=1,2\"~\"FREQ=DAILY;UNTIL=20260231\"~\"FREQ=DAILY;X=1\"");
  judge("{\"format\":\"email\"}", "\"a@b.org\"~\"emma.jones+x@mail.example.co.uk\"",
        "\"a\"~\"a@b\"~\"@b.org\"~\"a@b..org\"~\".a@b.org\"~\"a b@c.org\"~\"a@b@c.org\"");
  judge("{\"format\":\"phone\"}", "\"+15551234567\"~\"911\"",
        "\"12\"~\"+\"~\"555-1234\"~\"1234567890123456\"");
  judge("{\"format\":\"currency\"}", "\"USD\"~\"EUR\"", "\"usd\"~\"US\"~\"EURO\"");
}

/* What the outermost object requires is not asked of a part; everything else is. */
static void test_parts(void) {
  static const char schema[] =
      "{\"required\":[\"a\"],\"anyOf\":[{\"required\":[\"b\"]}],\"properties\":{\"c\":{\"required\":[\"d\"]}}"
      "}";
  constrain_schema *s = NULL;
  TAP_OK(constrain_schema_open(&s, base_slice_of(schema), "t", NULL, NULL) == BASE_OK, "a schema");
  TAP_OK(constrain_check(s, BASE_LITERAL("{}"), NULL) == BASE_EMISMATCH, "the whole requires");
  TAP_OK(constrain_check_part(s, BASE_LITERAL("{}"), NULL) == BASE_OK, "a part does not");
  TAP_OK(constrain_check(s, BASE_LITERAL("{\"a\":1}"), NULL) == BASE_EMISMATCH, "an alternative is required");
  TAP_OK(constrain_check_part(s, BASE_LITERAL("{\"c\":{}}"), NULL) == BASE_EMISMATCH,
         "objects inside are whole");
  TAP_OK(constrain_check_part(s, BASE_LITERAL("{"), NULL) == BASE_EFORMAT, "a part is JSON too");
  constrain_schema_close(s);
}

/* ---- refused ---- */

static void test_bad_json(void) {
  static const char *const bad[] = {"",
                                    " ",
                                    "{",
                                    "}",
                                    "[1,]",
                                    "{\"a\":1,}",
                                    "{a:1}",
                                    "{\"a\" 1}",
                                    "{\"a\":1,\"a\":2}",
                                    "{\"a\":1,\"\\u0061\":2}",
                                    "01",
                                    "1.",
                                    ".5",
                                    "1e",
                                    "+1",
                                    "-",
                                    "NaN",
                                    "Infinity",
                                    "nul",
                                    "truee",
                                    "\"\\x\"",
                                    "\"\\ud800\"",
                                    "\"\\ud800\\u0041\"",
                                    "\"\\udc00\"",
                                    "\"\x80\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"a\nb\"",
                                    "\"",
                                    "\"\\",
                                    "\"\\u12",
                                    "1 2",
                                    "[1 2]",
                                    "'a'",
                                    "[",
                                    "{\"a\"",
                                    "{\"a\":",
                                    "\x01"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    base_error err = {0};
    TAP_OK(check("true", bad[i], &err) == BASE_EFORMAT && err.text[0] != 0, "instance %s", bad[i]);
    constrain_schema *s = NULL;
    TAP_OK(constrain_schema_open(&s, base_slice_of(bad[i]), "t", NULL, NULL) != BASE_OK && s == NULL,
           "schema %s", bad[i]);
  }
}

static void test_limits(void) {
  base_error err = {0};
  char deep[256];
  for (int depth = 63; depth <= 65; depth++) {
    memset(deep, '[', (size_t)depth);
    memset(deep + depth, ']', (size_t)depth);
    deep[2 * depth] = 0;
    TAP_OK((check("true", deep, &err) == BASE_OK) == (depth <= 64), "%d deep", depth);
  }
  base_buf big = {0};
  base_buf_puts(&big, "{");
  for (int i = 0; i < 1100; i++)
    base_buf_printf(&big, "%s\"k%d\":%d", i ? "," : "", i, i);
  base_buf_puts(&big, "}");
  TAP_OK(check("true", big.ptr, &err) == BASE_ELIMIT, "too many keys");
  base_buf_clear(&big);
  base_buf_puts(&big, "[");
  for (int i = 0; i < 40000; i++)
    base_buf_puts(&big, i ? ",1" : "1");
  base_buf_puts(&big, "]");
  TAP_OK(check("true", big.ptr, &err) == BASE_ELIMIT, "too long");
  big.ptr[2002] = ']';
  big.ptr[2003] = 0;
  TAP_OK(check("{\"uniqueItems\":true}", big.ptr, &err) == BASE_EMISMATCH, "too many items to compare");
  base_buf_free(&big);
}

static void test_bad_schemas(void) {
  static const char *const bad[] = {"1",
                                    "[]",
                                    "\"string\"",
                                    "null",
                                    "{\"pattern\":\"a\"}",
                                    "{\"$ref\":\"#/x\"}",
                                    "{\"format\":\"unheard-of\"}",
                                    "{\"format\":\"regex\"}",
                                    "{\"type\":\"text\"}",
                                    "{\"type\":[]}",
                                    "{\"type\":1}",
                                    "{\"type\":[1]}",
                                    "{\"enum\":1}",
                                    "{\"properties\":[]}",
                                    "{\"properties\":{\"a\":1}}",
                                    "{\"required\":\"a\"}",
                                    "{\"required\":[1]}",
                                    "{\"additionalProperties\":1}",
                                    "{\"minItems\":-1}",
                                    "{\"minItems\":\"1\"}",
                                    "{\"maxLength\":1.5}",
                                    "{\"minimum\":\"0\"}",
                                    "{\"multipleOf\":0}",
                                    "{\"multipleOf\":-2}",
                                    "{\"anyOf\":[]}",
                                    "{\"anyOf\":{}}",
                                    "{\"oneOf\":[1]}",
                                    "{\"not\":[]}",
                                    "{\"format\":1}",
                                    "{\"uniqueItems\":1}",
                                    "{\"items\":[{}]}",
                                    "{\"minimum\":1,\"minimum\":2}"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    base_error err = {0};
    constrain_schema *s = NULL;
    base_status st = constrain_schema_open(&s, base_slice_of(bad[i]), "test", NULL, &err);
    TAP_OK(st == BASE_EFORMAT && s == NULL && err.text[0] != 0, "%s", bad[i]);
    constrain_schema_close(s);
  }
}

/* ---- errors and memory ---- */

static void test_paths(void) {
  static const char schema[] =
      "{\"properties\":{\"people\":{\"items\":{\"type\":\"string\"}},\"n\":{\"maximum\":3}},\"required\":["
      "\"n\"]}";
  static const struct {
    const char *instance, *where, *text;
  } cases[] = {{"{}", "/", "\"n\" is required"},
               {"{\"n\":4}", "/n", "this must be at most 3"},
               {"{\"n\":1,\"people\":[\"a\",5]}", "/people/1", "this must be a string"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    base_error err = {0};
    TAP_OK(check(schema, cases[i].instance, &err) == BASE_EMISMATCH, "%s", cases[i].instance);
    TAP_OK(strcmp(err.where, cases[i].where) == 0 && strcmp(err.text, cases[i].text) == 0, "%s: %s: %s",
           cases[i].instance, err.where, err.text);
  }
}

static void test_memory(void) {
  static const char schema[] =
      "{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{},{\"type\":\"string\"}]},\"b\":{}},\"not\":{"
      "\"const\":1}}";
  failing f;
  base_status st = BASE_ENOMEM;
  constrain_schema *s = NULL;
  int n = 0;
  for (; st != BASE_OK && n < 100; n++) {
    base_allocator a = failing_allocator(&f, n);
    st = constrain_schema_open(&s, base_slice_of(schema), "t", &a, NULL);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && s == NULL && f.held == 0), "allocation %d", n);
    if (st == BASE_OK) {
      size_t before = counted_allocations;
      TAP_OK(constrain_check(s, BASE_LITERAL("{\"a\":\"x\",\"b\":[1,{\"c\":null}]}"), NULL) == BASE_OK,
             "valid");
      TAP_OK(!COUNTING || counted_allocations == before, "a check allocates");
      constrain_schema_close(s);
      TAP_OK(f.held == 0, "nothing is held");
    }
  }
  TAP_OK(n > 2, "there were allocations");
}

int main(void) {
  test_keywords();
  test_exact_numbers();
  test_formats();
  test_parts();
  test_bad_json();
  test_limits();
  test_bad_schemas();
  test_paths();
  test_memory();
  return tap_done("constrain");
}
