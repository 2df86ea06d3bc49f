/* mask in the schema's order: the texts let through are those that are valid and in order, no more and no fewer, on
 * every object of a few properties; masks agree with commits and lead to no dead end. */
#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "mask_vocab.h"
#include "mask_way.h"

/* The order of the objects in `schema`: the names that it lists, first to last. */
typedef struct order_case {
  const char *schema, *order;
  bool late; /* something is decided at the end of a value: a dead end is possible */
} order_case;

static const order_case cases[] = {
    {"{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{\"type\":\"integer\"},\"c\":{}},\"required\":[\"a\"]}", "bac", false},
    {"{\"type\":\"object\",\"properties\":{\"c\":{},\"b\":{},\"a\":{}},\"required\":[\"a\",\"c\"],\"additionalProperties\":false}", "cba", false},
    {"{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}},\"required\":[\"c\"],\"minProperties\":2}", "ba", false},
    {"{\"type\":\"object\",\"properties\":{\"c\":{},\"a\":{},\"b\":{}},\"additionalProperties\":false,\"minProperties\":2}", "cab", false},
    {"{\"type\":\"object\",\"properties\":{\"c\":{},\"a\":{},\"b\":{}},\"maxProperties\":2,\"required\":[\"b\"]}", "cab", false},
    {"{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}},\"patternProperties\":{\"^x\":{\"type\":\"integer\"}},\"additionalProperties\":false}", "ba", false},
    {"{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{},\"c\":{}},\"dependentRequired\":{\"a\":[\"b\"],\"b\":[\"c\"]}}", "bac", false},
    {"{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{},\"c\":{}},\"dependentRequired\":{\"c\":[\"b\"],\"x\":[\"a\"]}}", "bac", false},
    {"{\"type\":\"object\",\"allOf\":[{\"$ref\":\"#/$defs/base\"}],\"properties\":{\"a\":{}},\"$defs\":{\"base\":{\"properties\":{\"c\":{},\"b\":{}},"
     "\"required\":[\"b\"]}}}", "cba", false},
    {"{\"type\":\"object\",\"properties\":{\"a\":{}},\"allOf\":[{\"properties\":{\"c\":{},\"a\":{}}},{\"properties\":{\"b\":{}}}]}", "acb", false},
    {"{\"type\":\"object\",\"anyOf\":[{\"properties\":{\"c\":{},\"a\":{}},\"required\":[\"a\"]},{\"properties\":{\"b\":{},\"a\":{}},\"required\":[\"b\"]}]}",
     "cab", false},
    {"{\"type\":\"object\",\"anyOf\":[{\"properties\":{\"c\":{},\"a\":{}},\"required\":[\"c\"],\"additionalProperties\":false},"
     "{\"properties\":{\"b\":{},\"a\":{}},\"required\":[\"a\"],\"additionalProperties\":false}]}", "cab", false},
    {"{\"type\":\"object\",\"anyOf\":[true,{\"properties\":{\"c\":{},\"b\":{}}}],\"properties\":{\"a\":{}}}", "cba", false},
    {"{\"type\":\"object\",\"oneOf\":[{\"properties\":{\"b\":{\"const\":1}},\"required\":[\"b\"]},{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]}]}",
     "ba", true},
    {"{\"type\":\"object\",\"not\":{\"properties\":{\"c\":{}},\"required\":[\"c\"]},\"properties\":{\"b\":{},\"a\":{}}}", "ba", true},
    {"{\"type\":\"object\",\"if\":{\"properties\":{\"c\":{\"const\":1}},\"required\":[\"c\"]},\"then\":{\"properties\":{\"b\":{}},\"required\":[\"b\"]},"
     "\"properties\":{\"a\":{},\"c\":{}}}", "bac", true},
    {"{\"type\":\"object\",\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}},\"properties\":{\"b\":{},\"a\":{}}}", "ba", true},
    {"{\"enum\":[{\"b\":1,\"a\":1},{\"c\":1,\"a\":\"s\"}]}", "bac", false},
    {"{\"type\":\"object\",\"propertyNames\":{\"enum\":[\"a\",\"b\"]},\"properties\":{\"b\":{}},\"required\":[\"a\"]}", "b", false},
    {"{\"type\":\"object\",\"properties\":{\"c\":{},\"b\":{},\"a\":{}},\"unevaluatedProperties\":false}", "cba", true},
};

enum { N_CASES = sizeof cases / sizeof *cases };

static const mask_options in_order = {.order = MASK_ORDER_SCHEMA};

static bool is_ordered(const char *order, base_slice text) {
  jdoc d = {0};
  size_t last = 0, listed = strlen(order);
  bool fine = jdoc_open(&d, text, NULL, "text", NULL, NULL) == BASE_OK;
  uint32_t n = fine && jdoc_kind_at(&d, 0) == JDOC_OBJECT ? jdoc_count(&d, 0) : 0;
  for (uint32_t k = 1; n > 0; n--, k = jdoc_next(&d, k + 1)) {
    base_slice key = jdoc_text(&d, k);
    const char *at = key.len == 1 ? strchr(order, key.ptr[0]) : NULL;
    size_t place = at != NULL ? (size_t)(at - order) : listed;
    fine = fine && place >= last;
    last = place;
  }
  jdoc_close(&d);
  return fine;
}

static bool is_valid(const constrain_schema *s, base_slice text) {
  jdoc d = {0};
  bool valid = jdoc_open(&d, text, NULL, "text", NULL, NULL) == BASE_OK && constrain_validate(s, &d, NULL, NULL, NULL) == BASE_OK;
  jdoc_close(&d);
  return valid;
}

static bool is_let_through(mask_run *run, base_slice text) {
  mask_run_reset(run);
  return mask_run_commit_bytes(run, text) == BASE_OK && mask_run_may_end(run);
}

typedef struct enumeration {
  const order_case *c;
  const constrain_schema *validator;
  mask_run *run;
  size_t tried, taken, wrong;
} enumeration;

static void try_text(enumeration *e, const base_buf *b) {
  base_slice text = {b->ptr, b->len};
  bool expected = is_valid(e->validator, text) && is_ordered(e->c->order, text), got = is_let_through(e->run, text);
  e->tried++;
  e->taken += got;
  if (expected != got && e->wrong++ < 3) TAP_OK(false, "%s on %.*s: %d", e->c->schema, (int)b->len, b->ptr, got);
}

/* All objects that begin with what b holds. */
static void enumerate(enumeration *e, base_buf *b, unsigned used) {
  static const char *const keys[] = {"a", "b", "c", "x"}, *const values[] = {"1", "\"s\""};
  size_t len = b->len;
  base_buf_putc(b, '}');
  try_text(e, b);
  b->len = len;
  for (unsigned k = 0; k < 4; k++)
    for (unsigned v = 0; v < 2 && !(used >> k & 1); v++) {
      base_buf_printf(b, "%s\"%s\": %s", used > 0 ? ", " : "", keys[k], values[v]);
      enumerate(e, b, used | 1u << k);
      b->len = len;
    }
}

static void test_all_small_objects(mask_vocab *v) {
  for (size_t i = 0; i < N_CASES; i++) {
    mask_rule *rule = NULL;
    mask_run *run = NULL;
    constrain_schema *validator = NULL;
    base_error err = {0};
    base_buf b = {0};
    base_slice schema = base_slice_of(cases[i].schema);
    TAP_OK(mask_schema(&rule, schema, &in_order, NULL, &err) == BASE_OK, "%s: %s", cases[i].schema, err.text);
    TAP_OK(constrain_schema_compile(&validator, schema, NULL, "schema", NULL, NULL) == BASE_OK, "%s", cases[i].schema);
    TAP_OK(mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "run");
    enumeration e = {.c = &cases[i], .validator = validator, .run = run};
    base_buf_putc(&b, '{');
    enumerate(&e, &b, 0);
    TAP_OK(e.wrong == 0 && e.tried == 633 && e.taken > 0, "%s: %zu of %zu wrong, %zu taken", cases[i].schema, e.wrong, e.tried, e.taken);
    base_buf_free(&b);
    mask_run_close(run);
    mask_rule_close(rule);
    constrain_schema_close(validator);
  }
}

/* ---- at random ---- */

static bool is_in(const uint32_t *mask, uint32_t t) { return mask[t >> 5] >> (t & 31) & 1; }

/* Ends where it may one time in four, or, when the text is long, by the way that mask_run_finish knows. */
static bool one_text(mask_run *run, base_rng *rng, bool compare) {
  char way[2048];
  size_t len;
  mask_run_reset(run);
  for (int n = 0; n <= 40; n++) {
    uint32_t copy[(MASK_N_TOKENS + 31) / 32], choice[MASK_N_TOKENS], count = 0;
    if (mask_run_may_end(run) && base_rng_below(rng, 4) == 0) return true;
    const uint32_t *mask = mask_run_mask(run);
    if (mask == NULL) return false;
    memcpy(copy, mask, sizeof copy);
    if (compare && mask_disagreements(run, MASK_N_TOKENS) > 0) return false;
    for (uint32_t t = 0; t < MASK_N_TOKENS; t++)
      if (is_in(copy, t)) choice[count++] = t;
    if (count == 0) return mask_run_may_end(run);
    if (n == 40) return mask_run_finish(run, way, sizeof way, &len) && (len == 0 || mask_run_commit_bytes(run, (base_slice){way, len}) == BASE_OK);
    if (mask_run_commit(run, choice[base_rng_below(rng, count)]) != BASE_OK) return false;
  }
  return false;
}

static void test_at_random(mask_vocab *v) {
  base_rng rng;
  base_rng_seed(&rng, 5);
  for (size_t i = 0; i < N_CASES; i++) {
    mask_rule *rule = NULL;
    mask_run *run = NULL;
    constrain_schema *validator = NULL;
    base_slice schema = base_slice_of(cases[i].schema);
    size_t ended = 0, wrong = 0;
    TAP_OK(mask_schema(&rule, schema, &in_order, NULL, NULL) == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "run");
    TAP_OK(constrain_schema_compile(&validator, schema, NULL, "schema", NULL, NULL) == BASE_OK, "%s", cases[i].schema);
    for (int n = 0; n < 40; n++) {
      if (!one_text(run, &rng, n < 4)) continue;
      ended++;
      wrong += !is_valid(validator, mask_run_text(run)) || !is_ordered(cases[i].order, mask_run_text(run));
    }
    TAP_OK(wrong == 0 && (ended == 40 || (cases[i].late && ended > 10)), "%s: %zu ended, %zu wrong", cases[i].schema, ended, wrong);
    mask_run_close(run);
    mask_rule_close(rule);
    constrain_schema_close(validator);
  }
}

/* ---- inside objects, and what must follow ---- */

static void test_nested(mask_vocab *v) {
  static const char schema[] = "{\"type\":\"object\",\"properties\":{\"z\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":"
                               "{\"b\":{\"type\":\"null\"},\"a\":{\"type\":\"null\"}},\"required\":[\"a\",\"b\"],\"additionalProperties\":false},"
                               "\"minItems\":1,\"maxItems\":1}},\"required\":[\"z\"],\"additionalProperties\":false}";
  static const char only[] = "{\"z\": [{\"b\": null, \"a\": null}]}";
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  mask_options o = in_order;
  char out[64];
  TAP_OK(mask_schema(&rule, base_slice_of(schema), &o, NULL, NULL) == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "run");
  TAP_OK(is_let_through(run, base_slice_of(only)), "in order");
  TAP_OK(!is_let_through(run, BASE_LITERAL("{\"z\": [{\"a\": null, \"b\": null}]}")), "out of order");
  mask_run_close(run);
  mask_rule_close(rule);
  o.space = MASK_SPACE_NONE;
  TAP_OK(mask_schema(&rule, base_slice_of(schema), &o, NULL, NULL) == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK, "run");
  size_t n = mask_run_forced(run, out, sizeof out);
  TAP_OK(n == 27 && memcmp(out, "{\"z\":[{\"b\":null,\"a\":null}]}", n) == 0, "forced %.*s", (int)n, out);
  mask_run_close(run);
  mask_rule_close(rule);
}

/* Five hundred required names among two thousand: masks and ways to an end take a bounded time. */
static void test_many(mask_vocab *v) {
  base_buf b = {0};
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  char way[40000];
  size_t len = 0;
  base_buf_puts(&b, "{\"type\":\"object\",\"properties\":{");
  for (int i = 0; i < 2000; i++) base_buf_printf(&b, "%s\"p%d\":{\"type\":\"integer\"}", i > 0 ? "," : "", i);
  base_buf_puts(&b, "},\"required\":[");
  for (int i = 0; i < 500; i++) base_buf_printf(&b, "%s\"p%d\"", i > 0 ? "," : "", 2 * (i * 7 % 500));
  base_buf_puts(&b, "]}");
  TAP_OK(mask_schema(&rule, (base_slice){b.ptr, b.len}, &in_order, NULL, NULL) == BASE_OK, "schema");
  TAP_OK(mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK && mask_run_mask(run) != NULL, "run");
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("{\"p0\": 1, \"p1\": 1, \"p2\": 1, \"p")) == BASE_OK && mask_run_mask(run) != NULL, "begun");
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("5")) != BASE_OK, "p4 is left out");
  TAP_OK(mask_run_commit_bytes(run, BASE_LITERAL("4\": 1, \"p5")) == BASE_OK, "p4, p5");
  TAP_OK(mask_run_finish(run, way, sizeof way, &len) && mask_run_commit_bytes(run, (base_slice){way, len}) == BASE_OK && mask_run_may_end(run), "a way of %zu", len);
  mask_run_close(run);
  mask_rule_close(rule);
  base_buf_free(&b);
}

static base_status open_rule(mask_rule **out, const base_allocator *a) {
  return mask_schema(out, base_slice_of(cases[8].schema), &in_order, a, NULL);
}

static void test_memory(void) {
  const mask_way way = {MASK_N_TOKENS, mask_piece, open_rule, "{\"c\": 1, \"b\": [2], \"a\": 12, \"q\": [1, 2]}"};
  mask_way_without_memory(&way, NULL, 20, 5000);
}

int main(void) {
  mask_vocab *v = NULL;
  TAP_OK(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK, "vocabulary");
  test_all_small_objects(v);
  test_at_random(v);
  test_nested(v);
  test_many(v);
  test_memory();
  mask_vocab_close(v);
  return tap_done("order");
}
