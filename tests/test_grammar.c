/* mask_grammar: which texts a GBNF grammar lets through byte by byte, masks against commits, deep nesting, what is
 * refused and how, bounds, every allocation made to fail. */
#include <stdlib.h>

#include "mask_vocab.h"
#include "mask_way.h"

static const char arithmetic[] =
    "# sums of products\n"
    "root  ::= expr \"\\n\"?\n"
    "expr  ::= term (ws [-+] ws term)*\n"
    "term  ::= factor (ws [*/] ws factor)*\n"
    "factor ::= num | (\"(\" ws expr ws  # over a line's end\n   \")\")\n"
    "num   ::= \"-\"? [0-9]+ (\".\" [0-9]{1,3})?\n"
    "ws    ::= \" \"*\n";

static const char json[] =
    "root   ::= object\n"
    "value  ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n\n"
    "object ::=\n  \"{\" ws (\n            string \":\" ws value\n    (\",\" ws string \":\" ws value)*\n  )? \"}\" ws\n\n"
    "array  ::=\n  \"[\" ws (\n            value\n    (\",\" ws value)*\n  )? \"]\" ws\n\n"
    "string ::=\n  \"\\\"\" (\n    [^\"\\\\\\x7F\\x00-\\x1F] |\n"
    "    \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4})\n  )* \"\\\"\" ws\n\n"
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws\n\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";

typedef struct text_case {
  const char *grammar, *text;
  int stops; /* at this byte; -1: the text is let through and may end; -2: all its bytes, but it may not end */
} text_case;

static const text_case cases[] = {
    {"root ::= \"a\"\nb ::= b | \"x\"\nc ::= c\n", "a", -1}, /* nothing uses b and c */
    {arithmetic, "1 + 2*(3.25 - -4)", -1}, {arithmetic, "1 +", -2}, {arithmetic, "1 + * 2", 4}, {arithmetic, "1.2345", 5},
    {arithmetic, "(1))", 3}, {arithmetic, "7\n", -1}, {arithmetic, "7\n\n", 2}, {arithmetic, "", -2},
    {json, "{\"a\": [1, -2.5e+12, \"\\u00e9\xC3\xA9\"], \"b\":{}}", -1}, {json, "[1]", 0}, {json, "{\"a\" 1", 5},
    {json, "{\"a\": 01", 7}, {json, "{\"a\n", 3}, {json, "{\"a\": tru}", 9}, {json, "{\"a\": \"\xC3\"", 8}, {json, "{\"\\x", 3},
    {"root ::= \"\"", "", -1}, {"root ::= \"\"", "a", 0}, {"root ::= ", "", -1}, {"root ::= | \"a\"", "a", -1},
    {"root ::= (\"\"* | (\"a\"?)*)*", "aaa", -1}, {"root ::= (\"a\"*)+ \"b\"", "aab", -1}, {"root ::= ((\"a\"?){0,3})* \"b\"", "aaaaab", -1},
    {"root ::= \"ab\"{2}", "abab", -1}, {"root ::= \"ab\"{2}", "ababa", 4}, {"root ::= \"a\"{2,}", "a", -2}, {"root ::= \"a\"{2,}", "aaaa", -1},
    {"root ::= \"a\"{1,3}", "aaa", -1}, {"root ::= \"a\"{1,3}", "aaaa", 3}, {"root ::= \"a\"{0} \"b\"", "a", 0}, {"root ::= \"a\"{0,2} \"b\"", "aab", -1},
    {"root ::= \"a\"{,2} \"b\"", "aaa", 2}, {"root ::= \"a\"?? \"b\"", "ab", -1},
    {"root ::= .", "\n", -1}, {"root ::= .", "\xE2\x82\xAC", -1}, {"root ::= .", "\xE2\x82", -2}, {"root ::= .", "\xED\xA0", 1},
    {"root ::= .", "\x80", 0}, {"root ::= .", "\xF4\x90", 1}, {"root ::= .", "\xF4\x8F\xBF\xBF", -1}, {"root ::= .", "\xC0", 0}, {"root ::= .", "\xE0\x80", 1},
    {"root ::= [^a]", "a", 0}, {"root ::= [^a]", "\xF0\x9F\x98\x80", -1}, {"root ::= [^\\x00-\\uFFFF]", "\xEF", 0}, {"root ::= [^\\x00-\\uFFFF]", "\xF0\x90\x80\x80", -1},
    {"root ::= [\xC3\xA4-\xC3\xB6]", "\xC3\xA5", -1}, {"root ::= [\xC3\xA4-\xC3\xB6]", "\xC3\xB7", 1}, {"root ::= [a-]", "-", -1}, {"root ::= [\\]\\\\]+", "]\\", -1},
    {"root ::= [\\u3040-\\u309F]+", "\xE3\x81\x82", -1}, {"root ::= [\\u3040-\\u309F]+", "\xE3\x82\xA0", 2}, {"root ::= [\\U0001F600-\\U0001F64F]", "\xF0\x9F\x99\x8F", -1},
    {"root ::= [\\U0001F600-\\U0001F64F]", "\xF0\x9F\x99\x90", 3}, {"root ::= \"\\xE9\\t\\u20AC\"", "\xC3\xA9\t\xE2\x82\xAC", -1},
    {"root ::= a\na ::= \"x\" a | \"y\"", "xxxy", -1}, {"root ::= a\r\na ::= \"(\" a \")\" a |", "(()(", -2}, {"root ::= a\na ::= \"(\" a \")\" a |", "(()())()", -1},
    {"root ::= a \"c\"\na ::= \"b\" | \"bb\"", "bbc", -1}, {"root ::= \"a\" root \"a\" | \"b\"", "aabaa", -1}, {"root ::= \"a\" root \"a\" | \"b\"", "aabaaa", 5},
};

static size_t reach(mask_run *run, const char *text) {
  mask_run_reset(run);
  for (size_t i = 0; text[i] != '\0'; i++)
    if (mask_run_commit_bytes(run, (base_slice){text + i, 1}) != BASE_OK) return i;
  return strlen(text) + !mask_run_may_end(run);
}

static mask_run *open_run(mask_rule **rule, mask_vocab *v, const char *grammar) {
  mask_run *run = NULL;
  base_error err = {0};
  base_status status = mask_grammar(rule, base_slice_of(grammar), NULL, NULL, &err);
  TAP_OK(status == BASE_OK, "%s: %s %s", grammar, err.where, err.text);
  if (status == BASE_OK) TAP_OK(mask_run_open(&run, *rule, v, NULL, NULL) == BASE_OK, "run");
  return run;
}

static void test_texts(mask_vocab *v) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const text_case *c = &cases[i];
    mask_rule *rule = NULL;
    mask_run *run = open_run(&rule, v, c->grammar);
    if (run != NULL) {
      size_t expected = c->stops >= 0 ? (size_t)c->stops : strlen(c->text) + (c->stops == -2);
      size_t got = reach(run, c->text);
      TAP_OK(got == expected, "%s on %s: %zu, not %zu", c->grammar, c->text, got, expected);
      TAP_OK(mask_run_failed(run) == BASE_OK, "%s failed", c->grammar);
    }
    mask_run_close(run);
    mask_rule_close(rule);
  }
}

static void test_agreement(mask_vocab *v) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mask_rule *rule = NULL;
    mask_run *run = open_run(&rule, v, cases[i].grammar);
    size_t wrong = 0;
    for (const char *at = cases[i].text; run != NULL; at++) {
      wrong += mask_disagreements(run, MASK_N_TOKENS);
      if (*at == '\0' || mask_run_commit_bytes(run, (base_slice){at, 1}) != BASE_OK) break;
    }
    TAP_OK(wrong == 0, "%s on %s: %zu tokens", cases[i].grammar, cases[i].text, wrong);
    mask_run_close(run);
    mask_rule_close(rule);
  }
}

static void test_deep(mask_vocab *v) {
  enum { DEEP = 1000 };
  mask_rule *rule = NULL;
  mask_run *run = open_run(&rule, v, json);
  bool ok = run != NULL && mask_run_commit_bytes(run, BASE_LITERAL("{\"a\": ")) == BASE_OK;
  for (int i = 0; i < DEEP && ok; i++) ok = mask_run_commit_bytes(run, BASE_LITERAL("[")) == BASE_OK && mask_run_mask(run) != NULL;
  TAP_OK(ok && mask_disagreements(run, MASK_N_TOKENS) == 0, "%d deep", DEEP);
  for (int i = 0; i < DEEP && ok; i++) ok = !mask_run_may_end(run) && mask_run_commit_bytes(run, BASE_LITERAL("]")) == BASE_OK;
  TAP_OK(ok && mask_run_commit_bytes(run, BASE_LITERAL("]")) == BASE_EMISMATCH, "one bracket too many");
  TAP_OK(ok && mask_run_commit_bytes(run, BASE_LITERAL("}")) == BASE_OK && mask_run_may_end(run), "the end");
  if (ok) mask_run_rollback(run, DEEP + 1);
  TAP_OK(ok && mask_disagreements(run, MASK_N_TOKENS) == 0 && mask_run_failed(run) == BASE_OK, "taken back");
  mask_run_close(run);
  mask_rule_close(rule);
}

/* A list written as right recursion keeps no stack: memory does not grow with the text. */
static void test_flat(mask_vocab *v) {
  mask_rule *rule = NULL;
  mask_run *run = open_run(&rule, v, "root ::= \"a\" (\"b\" | root)");
  bool ok = run != NULL && mask_run_commit_bytes(run, BASE_LITERAL("aaaa")) == BASE_OK;
  size_t before = ok ? mask_rule_bytes(rule) : 0;
  for (int i = 0; i < 20000 && ok; i++) ok = mask_run_commit_bytes(run, BASE_LITERAL("a")) == BASE_OK;
  TAP_OK(ok && mask_rule_bytes(rule) == before, "%zu bytes grew", before);
  mask_run_close(run);
  mask_rule_close(rule);
}

static void test_forced(mask_vocab *v) {
  char out[16];
  mask_rule *rule = NULL;
  mask_run *run = open_run(&rule, v, "root ::= \"yes, \" (\"I\" | \"we\") \" do\"");
  size_t n = run == NULL ? 0 : mask_run_forced(run, out, sizeof out);
  TAP_OK(n == 5 && memcmp(out, "yes, ", 5) == 0, "%zu forced", n);
  TAP_OK(run != NULL && mask_run_commit_bytes(run, BASE_LITERAL("yes, w")) == BASE_OK && mask_run_forced(run, out, sizeof out) == 4, "e do");
  TAP_OK(run != NULL && mask_run_commit_bytes(run, BASE_LITERAL("e do")) == BASE_OK && mask_run_must_end(run), "must end");
  mask_run_close(run);
  mask_rule_close(rule);
}

typedef struct refused_case {
  const char *grammar;
  base_status code;
  const char *where, *text; /* text: a part of the sentence */
} refused_case;

static const refused_case refused[] = {
    {"", BASE_EFORMAT, "line 1", "\"root\" is not defined"}, {"a ::= \"x\"", BASE_EFORMAT, "line 1", "\"root\" is not defined"},
    {"root ::= \"a\"\n\nb ::= c \"x\"", BASE_EFORMAT, "line 3", "\"c\" is not defined"}, {"root ::= \"a\"\n  nope", BASE_EFORMAT, "line 2", "::="},
    {"root ::= \"a\" |\n  nope", BASE_EFORMAT, "line 2", "\"nope\" is not defined"}, {"root ::= root \"a\" | \"b\"", BASE_EUNSUPPORTED, "line 1", "\"root\" is left recursive"},
    {"root ::= a\na ::= \"\"* b\nb ::= [x]? a \"y\" | \"z\"", BASE_EUNSUPPORTED, "line 2", "\"a\" is left recursive"},
    {"root ::= \"x\" a\na ::= a \"y\" | \"z\"", BASE_EUNSUPPORTED, "line 2", "\"a\" is left recursive"},
    {"root ::= \"x\" | a\na ::= \"y\" a", BASE_EFORMAT, "line 2", "\"a\" never ends"}, {"root ::= \"a", BASE_EFORMAT, "line 1", "not closed"},
    {"root ::= [a", BASE_EFORMAT, "line 1", "not closed"}, {"root ::= (\"a\"\n", BASE_EFORMAT, "line 2", "parenthesis"}, {"root ::= []", BASE_EFORMAT, "line 1", "no character"},
    {"root ::= [^\\x00-\\U0010FFFF]", BASE_EFORMAT, "line 1", "no character"}, {"root ::= [z-a]", BASE_EFORMAT, "line 1", "ends before"}, {"root ::= \"\\q\"", BASE_EFORMAT, "line 1", "escape"},
    {"root ::= \"\\xg0\"", BASE_EFORMAT, "line 1", "hexadecimal"}, {"root ::= \"\\uD800\"", BASE_EFORMAT, "line 1", "Unicode"}, {"root ::= \"\xFF\"", BASE_EFORMAT, "line 1", "UTF-8"},
    {"root ::= \"a\"*********", BASE_ELIMIT, "line 1", "8 marks"}, {"root ::= \"\\", BASE_EFORMAT, "line 1", "escape"}, {"root ::= \"a\"{}", BASE_EFORMAT, "line 1", "braces"}, {"root ::= \"a\"{2", BASE_EFORMAT, "line 1", "braces"}, {"root ::= \"a\"{3,2}", BASE_EFORMAT, "line 1", "upper bound"},
    {"root ::= \"a\"{999999}", BASE_ELIMIT, "line 1", "100000"}, {"root ::= ((\"a\"{99999}){99999}){99999}", BASE_ELIMIT, "grammar", "too large"},
    {"root ::= ((\"\"{99999}){99999}){99999}", BASE_ELIMIT, "grammar", "too large"}, {"root ::= \"a\"\nroot ::= \"b\"", BASE_EFORMAT, "line 2", "twice"},
    {"root ::= \"a\" )", BASE_EFORMAT, "line 1", "no rule goes on"}, {"root ::= * \"a\"", BASE_EFORMAT, "line 1", "no rule goes on"}, {"root = \"a\"", BASE_EFORMAT, "line 1", "::="}, {"::= \"a\"", BASE_EFORMAT, "line 1", "name"},
};

static void test_refused(void) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    const refused_case *c = &refused[i];
    mask_rule *rule = NULL;
    base_error err = {0};
    base_status status = mask_grammar(&rule, base_slice_of(c->grammar), NULL, NULL, &err);
    TAP_OK(status == c->code && rule == NULL, "%s: %d", c->grammar, (int)status);
    TAP_OK(strcmp(err.where, c->where) == 0 && strstr(err.text, c->text) != NULL, "%s: %s: %s", c->grammar, err.where, err.text);
    mask_rule_close(rule);
  }
}

static void test_bounds(mask_vocab *v) {
  static char deep[1001 * 2 + 64];
  base_error err = {0};
  mask_rule *rule = NULL;
  strcpy(deep, "root ::= ");
  for (int i = 0; i < 1000; i++) strcat(deep, "(");
  TAP_OK(mask_grammar(&rule, base_slice_of(deep), NULL, NULL, &err) == BASE_ELIMIT && rule == NULL, "%s", err.text);
  /* each a may begin one more of many ways to share the text out: places without end */
  mask_run *run = open_run(&rule, v, "root ::= s*\ns ::= \"a\" s s \"b\" | \"a\" s \"c\" | \"a\"");
  base_status status = BASE_OK;
  for (int i = 0; i < 100000 && run != NULL && status == BASE_OK; i++) status = mask_run_commit_bytes(run, BASE_LITERAL("a"));
  TAP_OK(status == BASE_ELIMIT && mask_run_failed(run) == BASE_ELIMIT, "%d", (int)status);
  TAP_OK(run != NULL && mask_run_mask(run) == NULL, "no mask behind a failure");
  mask_run_close(run);
  mask_rule_close(rule);
}

static base_status open_rule(mask_rule **out, const base_allocator *a) {
  return mask_grammar(out, base_slice_of(json), NULL, a, NULL);
}

static void test_memory(void) {
  const mask_way way = {MASK_N_TOKENS, mask_piece, open_rule, "{\"a\": [1, \"\xC3\xA9\"]}"};
  mask_way_without_memory(&way, NULL, 20, 5000);
}

int main(void) {
  mask_vocab *v = NULL;
  TAP_OK(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK, "vocabulary");
  test_texts(v);
  test_agreement(v);
  test_deep(v);
  test_flat(v);
  test_forced(v);
  test_refused();
  test_bounds(v);
  test_memory();
  mask_vocab_close(v);
  return tap_done("grammar");
}
