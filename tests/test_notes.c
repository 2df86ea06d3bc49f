/* What masks leave to the end, through mn_schema_explain: each keyword with its path and when it is decided, in a schema
 * of any size; references that depend on the way, masks against the validator. */
#include <stdlib.h>

#include "constrain/constrain.h"
#include "mask_vocab.h"
#include "minnow.h"
#include "tap.h"

typedef struct seen {
  size_t n, wrong;
  const char *const *expected; /* "path keyword when"; NULL: only counted */
} seen;

static void on_note(void *ctx, const mn_schema_note *n) {
  seen *s = ctx;
  char line[200];
  (void)base_format(line, sizeof line, "%s %s %s", n->path, n->keyword, n->decided);
  bool fine = s->expected == NULL || (s->expected[s->n] != NULL && strcmp(line, s->expected[s->n]) == 0 && n->reason[0] != '\0');
  if (!fine) printf("# %s\n", line);
  s->wrong += !fine;
  s->n += s->expected == NULL || s->expected[s->n] != NULL;
}

static void expect(const char *schema, const char *const *expected, size_t count) {
  seen s = {.expected = expected};
  mn_error err = {0};
  mn_schema_explain_options o;
  mn_schema_explain_report r;
  mn_schema_explain_options_init(&o);
  o.note = on_note;
  o.note_ctx = &s;
  TAP_OK(mn_schema_explain(schema, strlen(schema), &o, &r, &err) == MN_OK, "%s: %s", err.where, err.text);
  TAP_OK(s.n == count && s.wrong == 0 && r.at_end_of_value + r.at_end_of_document + r.at_bracket + r.never == count, "%.60s: %zu notes, %zu wrong", schema, s.n, s.wrong);
}

static void test_paths(void) {
  static const char *const all[] = {
      "/allOf/0/oneOf oneOf end of value", "/allOf/0/oneOf/0/required required closing bracket",
      "/allOf/0/oneOf/1/required required closing bracket", "/properties/a~1b/not not end of value", "/properties/c/items/if if end of value",
      "/properties/c/contains contains end of value", "/properties/c/uniqueItems uniqueItems end of value",
      "/properties/f/format format end of document", "/dependentSchemas/a~1b dependentSchemas end of value",
      "/dependentSchemas/a~1b/required required closing bracket",
      "/unevaluatedProperties unevaluatedProperties end of document", NULL};
  expect("{\"allOf\":[{\"oneOf\":[{\"required\":[\"x\"]},{\"required\":[\"y\"]}]}],\"properties\":{\"a/b\":{\"not\":{\"const\":1}},\"c\":{\"items\":{\"if\":{\"minimum\":3},"
         "\"then\":{\"maximum\":5}},\"contains\":{\"const\":4},\"uniqueItems\":true},\"f\":{\"format\":\"iri\"},\"apart\":{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\"}]}},"
         "\"dependentSchemas\":{\"a/b\":{\"required\":[\"c\"]}},\"unevaluatedProperties\":false}",
         all, 11);
  static const char *const none[] = {NULL};
  expect("{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[1,2]}},\"oneOf\":[{\"type\":\"object\"},{\"type\":\"null\"}]}", none, 0);
}

/* What waits for a bracket, and what nothing checks. */
static void test_account(void) {
  static const char *const all[] = {
      "/properties/a/minItems minItems closing bracket", "/properties/b/minProperties minProperties closing bracket",
      "/properties/b/dependentRequired/x dependentRequired closing bracket", "/properties/c/format format never",
      "/properties/c/contentEncoding contentEncoding never", "/properties/d/then then never", "/properties/d/minLenght minLenght never",
      "/required required closing bracket", NULL};
  expect("{\"title\":\"all\",\"properties\":{\"a\":{\"minItems\":1,\"maxItems\":2},\"b\":{\"minProperties\":1,\"dependentRequired\":{\"x\":[\"y\"]}},"
         "\"c\":{\"format\":\"colour\",\"contentEncoding\":\"base64\"},\"d\":{\"then\":{},\"minLenght\":3,\"x-ours\":1}},\"required\":[\"a\"]}",
         all, 8);
  static const char *const seven[] = {"/properties/a/minLength minLength never", "/properties/b/dependentRequired dependentRequired never", NULL};
  expect("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"definitions\":{\"s\":{\"type\":\"string\"}},\"properties\":{\"a\":{\"$ref\":"
         "\"#/definitions/s\",\"minLength\":2},\"b\":{\"dependentRequired\":{}}}}", seven, 2);
}

/* All that is refused is listed, though the first is the failure. */
static void test_refused(void) {
  static const char *const all[] = {"/properties/a/pattern pattern refused", "/properties/b/$ref $ref refused", "/properties/c/type type refused",
                                    "/properties/d/not not end of value", "/properties/e/allOf/0 0 refused", NULL};
  static const char schema[] = "{\"properties\":{\"a\":{\"pattern\":\"(a)\\\\1\"},\"b\":{\"$ref\":\"#/x\"},\"c\":{\"type\":\"strng\"},"
                               "\"d\":{\"not\":{\"const\":1}},\"e\":{\"allOf\":[{\"$ref\":\"#/properties/e\"}]}}}";
  seen s = {.expected = all};
  mn_error err = {0};
  mn_schema_explain_options o;
  mn_schema_explain_report r;
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  mask_options account = {.account = true};
  mn_schema_explain_options_init(&o);
  o.note = on_note;
  o.note_ctx = &s;
  TAP_OK(mn_schema_explain(schema, strlen(schema), &o, &r, &err) == MN_EUNSUPPORTED, "refused");
  TAP_OK(s.n == 5 && s.wrong == 0 && r.refused == 4, "%zu notes, %zu wrong, %zu refused", s.n, s.wrong, r.refused);
  TAP_OK(strcmp(err.where, "/properties/a/pattern") == 0 && strstr(err.text, "back-reference") != NULL, "%s: %s", err.where, err.text);
  TAP_OK(mask_schema(&rule, BASE_LITERAL("{}"), &account, NULL, NULL) == BASE_OK, "an account");
  TAP_OK(mask_run_open(&run, rule, NULL, NULL, NULL) == BASE_EARGUMENT && run == NULL, "is no rule");
  mask_rule_close(rule);
}

/* A note behind very many others counts too. */
static void test_many(void) {
  enum { MANY = 20000 };
  base_buf b = {0};
  mask_rule *rule = NULL;
  base_buf_puts(&b, "{\"properties\":{");
  for (int i = 0; i < MANY; i++) base_buf_printf(&b, "\"p%d\":{\"not\":{\"const\":%d}},", i, i);
  base_buf_puts(&b, "\"last\":{\"format\":\"iri\"}}}");
  expect(b.ptr, NULL, MANY + 1);
  TAP_OK(mask_schema(&rule, (base_slice){b.ptr, b.len}, NULL, NULL, NULL) == BASE_OK && mask_rule_may_fail(rule), "schema");
  TAP_OK(mask_rule_note(rule, MANY + 1).path == NULL && strcmp(mask_rule_note(rule, MANY).path, "/properties/last/format") == 0, "the last");
  mask_rule_close(rule);
  base_buf_free(&b);
}

/* ---- references that depend on the way ---- */

static const struct {
  const char *name, *schema;
  size_t notes;
  const char *texts[4];
} dynamic[] = {
    {"the document has the anchor", "{\"$dynamicAnchor\":\"n\",\"$ref\":\"tree\",\"unevaluatedProperties\":true,\"properties\":{\"data\":{\"type\":\"integer\"}},"
     "\"$defs\":{\"t\":{\"$id\":\"tree\",\"$dynamicAnchor\":\"n\",\"type\":\"object\",\"properties\":{\"data\":true,\"kids\":{\"type\":\"array\",\"items\":{\"$dynamicRef\":\"#n\"}}}}}}",
     0, {"{\"kids\": [{\"data\": 1}]}", "{\"kids\": [{\"data\": \"x\"}]}", "{\"kids\": [3]}", "{\"data\": null}"}},
    {"one resource has it", "{\"$ref\":\"list\",\"$defs\":{\"l\":{\"$id\":\"list\",\"type\":\"array\",\"items\":{\"$dynamicRef\":\"#i\"},\"$defs\":{\"d\":{\"$dynamicAnchor\":\"i\",\"type\":\"null\"}}}}}",
     0, {"[null]", "[1]", "[]", "{}"}},
    {"two have it", "{\"anyOf\":[{\"$ref\":\"texts\"},{\"$ref\":\"numbers\"}],\"$defs\":{\"l\":{\"$id\":\"list\",\"type\":\"array\",\"items\":{\"$dynamicRef\":\"#i\"},"
     "\"$defs\":{\"d\":{\"$dynamicAnchor\":\"i\"}}},\"t\":{\"$id\":\"texts\",\"$ref\":\"list\",\"$defs\":{\"d\":{\"$dynamicAnchor\":\"i\",\"type\":\"string\"}}},"
     "\"n\":{\"$id\":\"numbers\",\"$ref\":\"list\",\"$defs\":{\"d\":{\"$dynamicAnchor\":\"i\",\"type\":\"number\"}}}}}",
     1, {"[\"a\", \"b\"]", "[\"a\", 1]", "[1, 2]", "[true]"}},
    {"recursive", "{\"$schema\":\"https://json-schema.org/draft/2019-09/schema\",\"$id\":\"http://x/a\",\"$recursiveAnchor\":true,\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/b\"}],"
     "\"$defs\":{\"b\":{\"$id\":\"b\",\"$recursiveAnchor\":true,\"type\":\"object\",\"additionalProperties\":{\"$recursiveRef\":\"#\"}}}}",
     0, {"{\"a\": null}", "{\"a\": {\"b\": null}}", "{\"a\": 1}", "{}"}},
};

static bool mask_takes(mask_rule *rule, mask_vocab *v, const char *text) {
  mask_run *run = NULL;
  bool takes = mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK;
  for (; takes && *text != '\0'; text++) takes = mask_run_commit_bytes(run, (base_slice){text, 1}) == BASE_OK;
  takes = takes && mask_run_may_end(run);
  mask_run_close(run);
  return takes;
}

static bool is_valid(const char *schema, const char *text) {
  constrain_schema *s = NULL;
  jdoc d = {0};
  base_error err = {0};
  TAP_OK(constrain_schema_compile(&s, base_slice_of(schema), NULL, "schema", NULL, &err) == BASE_OK, "%s: %s", err.where, err.text);
  TAP_OK(jdoc_open(&d, base_slice_of(text), NULL, "text", NULL, NULL) == BASE_OK, "%s", text);
  bool valid = s != NULL && constrain_validate(s, &d, NULL, NULL, NULL) == BASE_OK;
  jdoc_close(&d);
  constrain_schema_close(s);
  return valid;
}

static void test_dynamic(mask_vocab *v) {
  for (size_t i = 0; i < sizeof dynamic / sizeof *dynamic; i++) {
    mask_rule *rule = NULL;
    base_error err = {0};
    base_status status = mask_schema(&rule, base_slice_of(dynamic[i].schema), NULL, NULL, &err);
    TAP_OK(status == BASE_OK, "%s: %s: %s", dynamic[i].name, err.where, err.text);
    if (status != BASE_OK) continue;
    TAP_OK(mask_rule_notes(rule) == dynamic[i].notes, "%s: %zu notes", dynamic[i].name, mask_rule_notes(rule));
    for (size_t k = 0; k < 4; k++) {
      bool valid = is_valid(dynamic[i].schema, dynamic[i].texts[k]), takes = mask_takes(rule, v, dynamic[i].texts[k]);
      TAP_OK(valid == takes, "%s: %s: valid %d, taken %d", dynamic[i].name, dynamic[i].texts[k], valid, takes);
    }
    mask_rule_close(rule);
  }
}

int main(void) {
  mask_vocab *v = NULL;
  TAP_OK(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK, "vocabulary");
  test_paths();
  test_account();
  test_refused();
  test_many();
  test_dynamic(v);
  mask_vocab_close(v);
  return tap_done("notes");
}
