/* mask_run_finish: from every place in a text there is a short way to a valid end, whatever the rule asks for. */
#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "mask_vocab.h"
#include "mask_way.h"

typedef struct finish_case {
  const char *schema, *text; /* the text is valid; all its beginnings are finished */
  size_t most;               /* a way is at most so long */
} finish_case;

static const finish_case cases[] = {
    {"{}", "{\"a\": [1, \"x\", null, {\"b\": -1.5e3}]}", 8},
    {"{\"type\":\"string\",\"minLength\":200}", "\"abc\"", 202},
    {"{\"type\":\"integer\",\"minimum\":1000000}", "1234567", 8},
    {"{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":0.001}", "0.0005", 8},
    {"{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":50}", "56", 4},
    {"{\"type\":\"integer\",\"maximum\":50}", "49.0000", 2},
    {"{\"enum\":[\"red\",[1,{\"a\":2}],{\"b\":null}]}", "[1, {\"a\": 2}]", 24},
    {"{\"format\":\"uuid\",\"type\":\"string\"}", "\"123e4567-e89b-12d3-a456-426614174000\"", 40},
    {"{\"format\":\"date-time\",\"type\":\"string\"}", "\"2024-02-29T10:00:00.5+01:00\"", 30},
    {"{\"format\":\"email\",\"type\":\"string\"}", "\"a.b@c.de\"", 10},
    {"{\"type\":\"string\",\"pattern\":\"^(\\\\S+\\\\s+){3}\\\\S+$\",\"maxLength\":40}", "\"aa bb cc dd\"", 12},
    {"{\"type\":\"object\",\"required\":[\"name\",\"a\\\"b\",\"third\"],\"properties\":{\"name\":{\"minLength\":3},\"other\":{}}}",
     "{\"other\": 1, \"name\": \"xyz\", \"a\\\"b\": 0, \"third\": [[]]}", 64},
    {"{\"type\":\"object\",\"minProperties\":3,\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\": \"x\", \"b\": \"\", \"c\": \"z\"}", 32},
    {"{\"type\":\"object\",\"minProperties\":2,\"patternProperties\":{\"^x_[a-z]$\":{\"type\":\"null\"}},\"additionalProperties\":false}",
     "{\"x_a\": null, \"x_b\": null}", 32},
    {"{\"type\":\"array\",\"uniqueItems\":true,\"minItems\":4,\"items\":{\"type\":\"string\",\"maxLength\":2}}", "[\"a\", \"b\", \"c\", \"d\"]", 24},
    {"{\"type\":\"array\",\"uniqueItems\":true,\"minItems\":3,\"items\":{\"enum\":[1,2,3,4,\"x\"]},\"maxItems\":4}", "[3, 1, \"x\", 2]", 10},
    {"{\"type\":\"array\",\"contains\":{\"const\":7},\"minContains\":2,\"maxItems\":4,\"items\":{\"type\":\"integer\"}}", "[1, 7, 2, 7]", 12},
    {"{\"type\":\"array\",\"minItems\":30,\"items\":{\"type\":\"boolean\"}}", "[true, false]", 0},
    {"{\"$defs\":{\"n\":{\"type\":\"object\",\"required\":[\"c\"],\"properties\":{\"c\":{\"anyOf\":[{\"$ref\":\"#/$defs/n\"},{\"type\":\"null\"}]}}}},"
     "\"$ref\":\"#/$defs/n\"}", "{\"c\": {\"c\": {\"c\": null}}}", 16},
    {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"},\"v\":{\"type\":\"integer\"}},\"required\":[\"k\",\"v\"],\"type\":\"object\"},"
     "{\"properties\":{\"k\":{\"const\":\"b\"}},\"required\":[\"k\"],\"type\":\"object\",\"maxProperties\":1}]}", "{\"k\": \"a\", \"v\": 12}", 20},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"if\":{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},"
     "\"then\":{\"required\":[\"b\"]},\"else\":{\"required\":[\"c\"]}}", "{\"a\": 1, \"b\": 2}", 24},
    {"{\"type\":\"object\",\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\": 1, \"b\": 2}", 16},
    {"{\"not\":{\"enum\":[0,null,true,false,\"\"]}}", "\"ab\"", 4},
    {"{\"properties\":{\"a\":{}},\"unevaluatedProperties\":false,\"type\":\"object\"}", "{\"a\": 1}", 8}};

static bool is_valid(const constrain_schema *s, base_slice text) {
  jdoc d = {0};
  base_status st = jdoc_open(&d, text, NULL, "text", NULL, NULL);
  if (st == BASE_OK) st = constrain_validate(s, &d, NULL, NULL, NULL);
  jdoc_close(&d);
  return st == BASE_OK;
}

static void finish_here(mask_run *run, const finish_case *c, const constrain_schema *s, size_t at) {
  char out[1024];
  size_t len, held = mask_run_text(run).len;
  bool found = mask_run_finish(run, out, sizeof out, &len);
  TAP_OK(found && (c->most == 0 || len <= c->most), "%s after %.*s: %s, %zu bytes", c->schema, (int)at, c->text, found ? "found" : "no way", len);
  TAP_OK(mask_run_text(run).len == held, "nothing is taken");
  bool taken = len == 0 || mask_run_commit_bytes(run, (base_slice){out, len}) == BASE_OK;
  base_slice text = mask_run_text(run);
  TAP_OK(found && taken && mask_run_may_end(run) && is_valid(s, text), "%s: %.*s", c->schema, (int)text.len, text.ptr);
  if (taken && len > 0) mask_run_rollback(run, 1);
}

static void test_cases(mask_vocab *v) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const finish_case *c = &cases[i];
    mask_rule *rule = NULL;
    mask_run *run = NULL;
    constrain_schema *s = NULL;
    TAP_OK(mask_schema(&rule, base_slice_of(c->schema), NULL, NULL, NULL) == BASE_OK, "%s", c->schema);
    TAP_OK(constrain_schema_compile(&s, base_slice_of(c->schema), NULL, "schema", NULL, NULL) == BASE_OK, "%s", c->schema);
    TAP_OK(mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "run");
    for (size_t at = 0;; at++) {
      finish_here(run, c, s, at);
      if (c->text[at] == '\0' || mask_run_commit_bytes(run, (base_slice){c->text + at, 1}) != BASE_OK) break;
    }
    mask_run_close(run);
    mask_rule_close(rule);
    constrain_schema_close(s);
  }
}

/* Other rules; and where there is no way. */
static void test_others(mask_vocab *v) {
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  char out[64];
  size_t len;
  TAP_OK(mask_regex(&rule, BASE_LITERAL("(red|green)-[0-9]{4}"), NULL, NULL, NULL) == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "regex");
  TAP_OK(mask_run_finish(run, out, sizeof out, &len) && len == 8 && memcmp(out, "red-", 4) == 0, "%.*s", (int)len, out);
  TAP_OK(!mask_run_finish(run, out, 7, &len), "no room");
  mask_run_close(run);
  mask_rule_close(rule);
  TAP_OK(mask_grammar(&rule, BASE_LITERAL("root ::= \"(\" (root | \"x\" | \"yy\") \")\"\n"), NULL, NULL, NULL) == BASE_OK &&
             mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "grammar");
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("(((y")) == BASE_OK && mask_run_finish(run, out, sizeof out, &len), "grammar");
  TAP_OK(len == 4 && memcmp(out, "y)))", 4) == 0, "%.*s", (int)len, out);
  mask_run_close(run);
  mask_rule_close(rule);
  const char *never = "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"$ref\":\"#\"}}}";
  TAP_OK(mask_schema(&rule, base_slice_of(never), NULL, NULL, NULL) == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "endless");
  TAP_OK(!mask_run_finish(run, out, sizeof out, &len), "a document without end");
  mask_run_close(run);
  mask_rule_close(rule);
}

static base_status open_rule(mask_rule **out, const base_allocator *a) {
  return mask_schema(out, base_slice_of(cases[11].schema), NULL, a, NULL);
}

static base_status finish(mask_run *run) {
  char out[128];
  size_t len;
  return mask_run_finish(run, out, sizeof out, &len) ? BASE_OK : BASE_ENOMEM;
}

static void test_memory(void) {
  const mask_way way = {MASK_N_TOKENS, mask_piece, open_rule, ""};
  mask_way_without_memory(&way, finish, 15, 2000);
}

int main(void) {
  mask_vocab *v = NULL;
  TAP_OK(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK, "vocabulary");
  test_cases(v);
  test_others(v);
  test_memory();
  mask_vocab_close(v);
  return tap_done("finish");
}
