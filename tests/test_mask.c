/* mask: which texts a schema lets through byte by byte, masks against commits, taking back, what is forced, what is
 * refused, every allocation made to fail. */
#include <stdlib.h>

#include "mask_vocab.h"
#include "mask_way.h"

/* How far a text comes: its length when it may end there, its length + 1 when it may not end, else the first byte that
 * is refused. */
static size_t reach(mask_run *run, const char *text) {
  mask_run_reset(run);
  for (size_t i = 0; text[i] != '\0'; i++)
    if (mask_run_commit_bytes(run, (base_slice){text + i, 1}) != BASE_OK) return i;
  return strlen(text) + !mask_run_may_end(run);
}

typedef struct text_case {
  const char *schema, *text;
  int stops; /* at this byte; -1: the text is let through and may end; -2: all its bytes, but it may not end */
} text_case;

static const text_case cases[] = {
    {"{}", "{\"a\": [1, \"x\", null]}", -1}, {"{}", "{\"a\": 1, \"a\"", 11}, {"false", "1", 0}, {"{}", "01", 1},
    {"{}", "\"\\u000a\\n\\/\\\"\\\\\"", -1}, {"{}", "\"\\u0041", 5}, {"{}", "\"\n", 1}, {"{}", "{\"a\":  1}", 6},
    {"{\"type\":\"integer\"}", "12", -1}, {"{\"type\":\"integer\"}", "12.0", -1}, {"{\"type\":\"integer\"}", "12.05", 4},
    {"{\"type\":\"integer\"}", "1e2", 1}, {"{\"type\":\"number\"}", "-1.5e+10", -1}, {"{\"type\":\"number\"}", "1.", -2},
    {"{\"minimum\":10,\"maximum\":20}", "9", 0}, {"{\"minimum\":10,\"maximum\":20}", "20", -1},
    {"{\"minimum\":10,\"maximum\":20}", "21", 1}, {"{\"minimum\":10,\"maximum\":20}", "1", -2},
    {"{\"minimum\":10,\"maximum\":20}", "20.01", 4}, {"{\"exclusiveMinimum\":0}", "0", -2}, {"{\"exclusiveMinimum\":0}", "-", 0},
    {"{\"minimum\":0,\"maximum\":1}", "0.5e-07", -1}, {"{\"minimum\":0,\"maximum\":1}", "0.5e+", 4},
    {"{\"minimum\":-5.5,\"maximum\":-3}", "-5.6", 3}, {"{\"minimum\":-5.5,\"maximum\":-3}", "-4", -1},
    {"{\"multipleOf\":7}", "21", -1}, {"{\"multipleOf\":7}", "22", -2}, {"{\"multipleOf\":0.01}", "1.234", 4},
    {"{\"multipleOf\":0.25}", "1.26", 3}, {"{\"multipleOf\":5,\"minimum\":11,\"maximum\":14}", "1", 0},
    {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "25", -1}, {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "26", 1},
    {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "\"ac", 2}, {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "{\"a\": 2}", -1},
    {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "{\"a\": 3", 6}, {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "[1]", -1},
    {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "[]", 1}, {"{\"enum\":[1,25,\"ab\",null,[1],{\"a\":2}]}", "true", 0},
    {"{\"const\":\"a\\nb\"}", "\"a\\nb\"", -1}, {"{\"const\":\"a\\nb\"}", "\"a\\u000ab\"", -1}, {"{\"const\":\"a\\nb\"}", "\"a\\t", 3},
    {"{\"minLength\":2,\"maxLength\":3}", "\"a\"", 2}, {"{\"minLength\":2,\"maxLength\":3}", "\"\xC3\xA4\xC3\xB6\"", -1},
    {"{\"minLength\":2,\"maxLength\":3}", "\"abcd", 4}, {"{\"pattern\":\"^a+b$\"}", "\"aab\"", -1},
    {"{\"pattern\":\"^a+b$\"}", "\"ac", 2}, {"{\"pattern\":\"^a+b$\",\"maxLength\":3}", "\"aaa", 3},
    {"{\"pattern\":\"^(?!ab)\"}", "\"ab", 2}, {"{\"format\":\"date\"}", "\"2023-02-29", 10}, {"{\"format\":\"date\"}", "\"2024-02-29\"", -1},
    {"{\"format\":\"ipv4\"}", "\"256", 3}, {"{\"format\":\"uuid\"}", "\"g", 1}, {"{\"format\":\"date-time\"}", "\"2024-01-01T00:00:00Z\"", -1},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\"],\"additionalProperties\":false}", "{\"b\": 1}", 7},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\"],\"additionalProperties\":false}", "{\"b\": 1, \"a\": 2}", -1},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\"],\"additionalProperties\":false}", "{\"c", 2},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}", "{\"a\": 1, \"a", 10},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}", "{\"a\": 1, \"b\": 2,", 15},
    {"{\"type\":\"object\",\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\\", 3},
    {"{\"patternProperties\":{\"^x\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":\"boolean\"}}", "{\"xa\": null, \"a\": true}", -1},
    {"{\"patternProperties\":{\"^x\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":\"boolean\"}}", "{\"xa\": t", 7},
    {"{\"propertyNames\":{\"maxLength\":2}}", "{\"abc", 4}, {"{\"minProperties\":2}", "{\"a\": 1}", 7},
    {"{\"propertyNames\":{\"enum\":[\"a\",\"b\"]}}", "{\"b\": 1, \"a\": 1,", 15}, {"{\"propertyNames\":{\"enum\":[\"a\",\"b\"]}}", "{\"b\": 1, \"b", 10},
    {"{\"propertyNames\":{\"enum\":[\"a\",\"b\"]},\"properties\":{\"c\":{}}}", "{\"a\": 1, \"c", 10},
    {"{\"maxProperties\":1,\"required\":[\"a\"]}", "{\"b", 2}, {"{\"maxProperties\":1,\"required\":[\"a\"]}", "{\"a\": 1,", 7},
    {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\": 1}", 7}, {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\": 1, \"b\": 2}", -1},
    {"{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\": 1}", 7},
    {"{\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"type\":\"string\"}}", "[null, \"a\"]", -1},
    {"{\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"type\":\"string\"}}", "[null, 1", 7}, {"{\"minItems\":1,\"maxItems\":2}", "[]", 1},
    {"{\"minItems\":1,\"maxItems\":2}", "[1, 2,", 5}, {"{\"uniqueItems\":true}", "[1, 1.0]", 7}, {"{\"uniqueItems\":true}", "[{\"a\": 1, \"b\": 2}, {\"b\": 2, \"a\": 1}", 34},
    {"{\"type\":\"array\",\"contains\":{\"type\":\"null\"}}", "[1, 2]", 5}, {"{\"type\":\"array\",\"contains\":{\"type\":\"null\"}}", "[1, null]", -1},
    {"{\"type\":\"array\",\"contains\":{\"const\":1},\"maxContains\":1}", "[1, 1]", 5},
    {"{\"anyOf\":[{},{\"maxLength\":1}]}", "\"abc\"", -1}, {"{\"anyOf\":[{\"pattern\":\"ZZ$\",\"maxLength\":2},true]}", "\"abc\"", -1},
    {"{\"allOf\":[{\"anyOf\":[{},{\"maxLength\":1}]},{\"maxLength\":2}]}", "\"abc", 3},
    {"{\"pattern\":\"ZZZZ$\",\"maxLength\":4}", "\"\\n", 1}, {"{\"pattern\":\"ZZZZ$\",\"maxLength\":5}", "\"\\nZZZZ\"", -1},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\",\"maxLength\":1}]}", "\"ab", 2}, {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}", "t", 0},
    {"{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}", "{\"a\": 1, \"b\"", 11}, {"{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}],\"type\":\"object\"}", "{}", 1},
    {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"}},\"required\":[\"v\"]},{\"properties\":{\"k\":{\"const\":\"b\"},\"v\":false}}],\"type\":\"object\"}", "{\"k\": \"b\", \"v\"", 13},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":5}}},{\"properties\":{\"a\":{\"maximum\":7}}}]}", "{\"a\": 8", 6},
    {"{\"not\":{\"type\":\"string\"}}", "\"", 0}, {"{\"not\":{\"enum\":[\"a\",\"b\"]}}", "\"a\"", 2}, {"{\"not\":{\"enum\":[\"a\",\"b\"]}}", "\"ab\"", -1},
    {"{\"not\":{\"required\":[\"a\"]}}", "{\"a\"", 3}, {"{\"not\":{\"enum\":[10]}}", "10.00", -2},
    {"{\"if\":{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"type\":\"object\"}", "{\"a\": 1}", 7},
    {"{\"if\":{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"type\":\"object\"}", "{\"a\": 2}", -1},
    {"{\"$defs\":{\"t\":{\"properties\":{\"c\":{\"$ref\":\"#/$defs/t\"}},\"additionalProperties\":false}},\"$ref\":\"#/$defs/t\"}", "{\"c\": {\"c\": {\"d", 14},
    {"{\"$id\":\"http://x/a\",\"$defs\":{\"t\":{\"$id\":\"b\",\"$anchor\":\"n\",\"type\":\"null\"}},\"$ref\":\"b#n\"}", "null", -1},
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"properties\":{\"m\":{\"$ref\":\"http://json-schema.org/draft-04/schema#/properties/multipleOf\"}}}",
     "{\"m\": 0", -2}, {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"http://json-schema.org/draft-07/schema#\"} ", "{\"type\": \"nu", -2},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"http://json-schema.org/draft-07/schema#\"} ", "{\"type\": \"x", 10},
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"minimum\":1,\"exclusiveMinimum\":true}", "1", -2},
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"type\":\"integer\"}", "1.", 1},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":[{\"type\":\"null\"}],\"additionalItems\":false}", "[null,", 5},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"dependencies\":{\"a\":[\"b\"]}}", "{\"a\": 1}", 7},
    {"{\"properties\":{\"a\":{}},\"unevaluatedProperties\":false}", "{\"b\": 1}", 7}, {"{\"format\":\"iri\"}", "\"no iri\"", 7},
};

static void test_texts(mask_vocab *v) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const text_case *c = &cases[i];
    mask_rule *rule = NULL;
    mask_run *run = NULL;
    base_error err = {0};
    base_status status = mask_schema(&rule, base_slice_of(c->schema), NULL, NULL, &err);
    TAP_OK(status == BASE_OK, "%s: %s %s", c->schema, err.where, err.text);
    if (status == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK) {
      size_t expected = c->stops >= 0 ? (size_t)c->stops : strlen(c->text) + (c->stops == -2);
      size_t got = reach(run, c->text);
      TAP_OK(got == expected, "%s on %s: %zu, not %zu", c->schema, c->text, got, expected);
      TAP_OK(mask_run_failed(run) == BASE_OK, "%s failed", c->schema);
    }
    mask_run_close(run);
    mask_rule_close(rule);
  }
}

/* At every byte of each text: the mask has exactly the tokens that can be committed. */
static void test_agreement(mask_vocab *v) {
  size_t checked = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mask_rule *rule = NULL;
    mask_run *run = NULL;
    if (mask_schema(&rule, base_slice_of(cases[i].schema), NULL, NULL, NULL) != BASE_OK) continue;
    if (mask_run_open(&run, rule, v, NULL, NULL) != BASE_OK) continue;
    for (const char *at = cases[i].text; mask_run_mask(run) != NULL; at++) {
      size_t wrong = mask_disagreements(run, MASK_N_TOKENS);
      TAP_OK(wrong == 0, "%s before %s: %zu tokens", cases[i].schema, at, wrong);
      checked += MASK_N_TOKENS;
      if (*at == '\0' || mask_run_commit_bytes(run, (base_slice){at, 1}) != BASE_OK) break;
    }
    mask_run_close(run);
    mask_rule_close(rule);
  }
  TAP_OK(checked > 100000, "%zu tokens", checked);
}

typedef struct refused_case {
  const char *schema;
  base_status code;
} refused_case;

static const refused_case refused[] = {
    {"{", BASE_EFORMAT}, {"1", BASE_EFORMAT}, {"{\"type\":\"strin\"}", BASE_EFORMAT}, {"{\"properties\":[]}", BASE_EFORMAT},
    {"{\"minLength\":-1}", BASE_EFORMAT}, {"{\"multipleOf\":0}", BASE_EFORMAT}, {"{\"items\":3}", BASE_EFORMAT},
    {"{\"pattern\":\"(\"}", BASE_EFORMAT}, {"{\"pattern\":\"(a)\\\\1\"}", BASE_EUNSUPPORTED}, {"{\"$ref\":\"#/x\"}", BASE_EUNSUPPORTED},
    {"{\"$ref\":\"http://elsewhere/x\"}", BASE_EUNSUPPORTED}, {"{\"$ref\":\"#\"}", BASE_EUNSUPPORTED},
    {"{\"allOf\":[{\"anyOf\":[{\"$ref\":\"#\"}]}]}", BASE_EUNSUPPORTED}, {"{\"required\":[1]}", BASE_EFORMAT}};

static void test_refused(void) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    mask_rule *rule = NULL;
    base_error err = {0};
    base_status status = mask_schema(&rule, base_slice_of(refused[i].schema), NULL, NULL, &err);
    TAP_OK(status == refused[i].code && rule == NULL && err.text[0] != '\0', "%s: %d %s", refused[i].schema, (int)status, err.text);
    mask_rule_close(rule);
  }
}

/* A depth of 10,000, 100,000 properties: a bounded time, an answer or a sentence. */
static void test_large(mask_vocab *v) {
  base_buf b = {0};
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  base_error err = {0};
  for (int i = 0; i < 9000; i++) base_buf_puts(&b, "{\"not\":");
  base_buf_puts(&b, "{}");
  for (int i = 0; i < 9000; i++) base_buf_puts(&b, "}");
  TAP_OK(mask_schema(&rule, (base_slice){b.ptr, b.len}, NULL, NULL, &err) == BASE_ELIMIT, "deep: %s", err.text);
  base_buf_clear(&b);
  base_buf_puts(&b, "{\"additionalProperties\":false,\"properties\":{");
  for (int i = 0; i < 100000; i++) base_buf_printf(&b, "%s\"p%d\":{\"type\":\"integer\"}", i > 0 ? "," : "", i);
  base_buf_puts(&b, "}}");
  TAP_OK(mask_schema(&rule, (base_slice){b.ptr, b.len}, NULL, NULL, &err) == BASE_OK, "wide: %s", err.text);
  if (rule != NULL && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK) {
    TAP_OK(reach(run, "{\"p99999\": 1, \"p7\": 2}") == 22, "wide text");
    TAP_OK(mask_rule_bytes(rule) < (size_t)160 << 20, "%zu bytes", mask_rule_bytes(rule));
  }
  mask_run_close(run);
  mask_rule_close(rule);
  base_buf_free(&b);
}

static void test_forced_and_back(mask_vocab *v) {
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  char out[64];
  const char *schema = "{\"type\":\"object\",\"properties\":{\"name\":{\"enum\":[\"red\"]}},\"required\":[\"name\"],\"additionalProperties\":false}";
  mask_options o = {.space = MASK_SPACE_NONE};
  TAP_OK(mask_schema(&rule, base_slice_of(schema), &o, NULL, NULL) == BASE_OK, "schema");
  TAP_OK(mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "run");
  size_t n = mask_run_forced(run, out, sizeof out);
  TAP_OK(n == 14 && memcmp(out, "{\"name\":\"red\"}", 14) == 0, "forced %.*s", (int)n, out);
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("{\"na")) == BASE_OK && mask_run_text(run).len == 4, "commit");
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("mex")) == BASE_EMISMATCH && mask_run_text(run).len == 4, "refused");
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("me\":\"red\"}")) == BASE_OK && mask_run_must_end(run), "end");
  mask_run_rollback(run, 1);
  TAP_OK(mask_run_commits(run) == 1 && !mask_run_may_end(run), "back");
  mask_run_rollback(run, 9);
  TAP_OK(mask_run_text(run).len == 0 && mask_run_forced(run, out, 3) == 3, "at the start");
  mask_run_close(run);
  mask_rule_close(rule);
  TAP_OK(mask_regex(&rule, BASE_LITERAL("(ab|c)+"), NULL, NULL, NULL) == BASE_OK, "regex");
  TAP_OK(mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "regex run");
  TAP_OK(reach(run, "abcab") == 5 && reach(run, "aba") == 4 && reach(run, "aa") == 1, "regex texts");
  mask_run_close(run);
  mask_rule_close(rule);
}

static void test_notes(void) {
  mask_rule *rule = NULL;
  const char *schema = "{\"properties\":{\"a/b\":{\"uniqueItems\":true}},\"unevaluatedProperties\":false}";
  TAP_OK(mask_schema(&rule, base_slice_of(schema), NULL, NULL, NULL) == BASE_OK && mask_rule_notes(rule) == 2, "notes");
  for (size_t i = 0; rule != NULL && i < 2; i++) {
    mask_note n = mask_rule_note(rule, i);
    bool unique = strcmp(n.keyword, "uniqueItems") == 0;
    TAP_OK(strcmp(n.path, unique ? "/properties/a~1b/uniqueItems" : "/unevaluatedProperties") == 0 && (n.when == MASK_AT_VALUES_END) == unique, "%s", n.path);
  }
  mask_rule_close(rule);
}

static base_status open_rule(mask_rule **out, const base_allocator *a) {
  const char *schema = "{\"properties\":{\"a\":{\"pattern\":\"^x+$\",\"maxLength\":5},\"b\":{\"minimum\":3,\"maximum\":40}},"
                       "\"patternProperties\":{\"z\":false},\"uniqueItems\":true,\"not\":{\"required\":[\"c\",\"d\"]}}";
  return mask_schema(out, base_slice_of(schema), NULL, a, NULL);
}

static void test_memory(void) {
  const mask_way way = {MASK_N_TOKENS, mask_piece, open_rule, "{\"a\": \"xx\", \"b\": 12, \"q\": [1, 2]}"};
  mask_way_without_memory(&way, NULL, 30, 5000);
}

int main(void) {
  mask_vocab *v = NULL;
  TAP_OK(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK, "vocabulary");
  test_texts(v);
  test_agreement(v);
  test_refused();
  test_large(v);
  test_forced_and_back(v);
  test_notes();
  test_memory();
  mask_vocab_close(v);
  return tap_done("mask");
}
