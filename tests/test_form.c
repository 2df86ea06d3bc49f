/* mask_form: which texts a form lets through byte by byte, masks against commits, control tokens, where words end, what
 * is forced and refused, every allocation made to fail. */
#include <stdlib.h>

#include "mask_vocab.h"
#include "mask_way.h"

/* The bytes and pieces of mask_vocab.h without the byte 0xFF, and more pieces, some of control tokens. */
static const char *const more_pieces[] = {"<tool", "_call>", "<tool_call>", "</tool_call>", "\xFF[TOOL_CALLS]", "\xFF[ARGS]", "\xFF[OTHER]",
                                          "ok <tool_call>\n{\"", "\"}}\n</", "}]", ">\n<", "f\", \"", "{\"name", "get_", "lo <", "\": {}}"};
enum { N_MORE = sizeof more_pieces / sizeof *more_pieces, N_TOKENS = MASK_N_TOKENS + N_MORE };

static base_slice piece(void *ctx, uint32_t id) {
  if (id == 0xFF) return (base_slice){"", 0};
  return id < MASK_N_TOKENS ? mask_piece(ctx, id) : base_slice_of(more_pieces[id - MASK_N_TOKENS]);
}

#define TEXT(s) {s, sizeof(s) - 1}
static const mask_part parts[] = {
    {TEXT("get_time"), TEXT("{\"type\":\"object\",\"properties\":{\"zone\":{\"enum\":[\"utc\",\"cet\"]}},\"additionalProperties\":false}")},
    {TEXT("get"), TEXT("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"a\"],\"additionalProperties\":false,"
                       "\"$defs\":{\"n\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":99}}}")},
    {TEXT("say"), TEXT("{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"],\"additionalProperties\":false}")}};

static const mask_form forms[] = {
    {.words = true, .trigger = TEXT("<tool_call>"), .opening = TEXT("<tool_call>\n{\"name\": \""), .middle = TEXT("\", \"arguments\": "),
     .last = TEXT("}\n</tool_call>"), .between = TEXT("\n<tool_call>\n{\"name\": \""), .parts = parts, .n_parts = 3},
    {.opening = TEXT("<tool_call>\n{\"name\": \""), .middle = TEXT("\", \"arguments\": "), .last = TEXT("}\n</tool_call>"),
     .parts = parts, .n_parts = 3},
    {.words = true, .at_start = true, .trigger = TEXT("{\"name\": \""), .opening = TEXT("{\"name\": \""),
     .middle = TEXT("\", \"parameters\": "), .last = TEXT("}"), .parts = parts, .n_parts = 3},
    {.words = true, .trigger = TEXT("\xFF[TOOL_CALLS]"), .opening = TEXT("\xFF[TOOL_CALLS][{\"name\": \""),
     .middle = TEXT("\", \"arguments\": "), .last = TEXT("}"), .between = TEXT(", {\"name\": \""), .end = TEXT("]"), .parts = parts, .n_parts = 3},
    {.opening = TEXT("\xFF[TOOL_CALLS]"), .middle = TEXT("\xFF[ARGS]"), .between = TEXT("\xFF[TOOL_CALLS]"), .parts = parts, .n_parts = 1},
    {.words = true, .trigger = TEXT("ababac"), .opening = TEXT("ababac!"), .middle = TEXT("("), .last = TEXT(")"), .end = TEXT("; end"),
     .between = TEXT("; next "), .parts = parts, .n_parts = 3},
};

typedef struct text_case {
  size_t form;
  const char *text;
  int stops; /* at this byte; -1: let through and may end; -2: all its bytes, but it may not end */
  int words; /* bytes that are words for certain; -1: as many as there are */
} text_case;

static const text_case cases[] = {
    {0, "", -1, 0}, {0, "Hello, \xC3\xA9\"{}\n", -1, -1}, {0, "a <tool", -1, 2}, {0, "a <tool ", -1, -1}, {0, "\xFF", 0, 0}, {0, "a\x80", 1, 1}, {0, "\xE2\x82", -2, -1}, {0, "\xED\xA0", 1, 1}, {0, "\xF0\x9F\x98\x80<", -1, 4},
    {0, "ok <tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": 12}}\n</tool_call>", -1, 3},
    {0, "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": 100", 49, 0}, {0, "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>", -1, 0},
    {0, "<<tool_call> {", 12, 1}, {0, "<tool_call>\n{\"name\": \"set", 23, 0}, {0, "<tool_call>\n{\"name\": \"get_x", 26, 0}, {0, "<tool_call>\n{\"name\": \"ge\"", 24, 0},
    {0, "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>\n", -2, 0},
    {0, "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>x", 62, 0},
    {0, "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"say\", \"arguments\": {\"text\": \"<tool_call>\"}}\n</tool_call>", -1, 0},
    {1, "", -2, 0}, {1, "Hello", 0, 0}, {1, "<tool_call>\n{\"name\": \"say\", \"arguments\": {\"text\": \"\"}}\n</tool_call>\n", 67, 0},
    {2, " \n{\"name\": \"say\", \"parameters\": {\"text\": \"x\"}}", -1, 2}, {2, "{\"age\": 3}", -1, -1}, {2, "{\"name", -1, 0}, {2, "Well: {\"name\": \"say\"", -1, -1},
    {2, "{\"name\": \"bob\"}", 10, 0}, {2, "{\"name\": \"say\", \"parameters\": {\"text\": \"x\"}}}", 44, 0},
    {3, "So: \xFF[TOOL_CALLS][{\"name\": \"get_time\", \"arguments\": {\"zone\": \"utc\"}}]", -1, 4}, {3, "\xFF[OTHER]", 2, 0}, {3, "[TOOL_CALLS]", -1, -1},
    {3, "\xFF[TOOL_CALLS][{\"name\": \"get_time\", \"arguments\": {}}, {\"name\": \"get\", \"arguments\": {\"a\": 1}}]", -1, 0},
    {3, "\xFF[TOOL_CALLS][{\"name\": \"get_time\", \"arguments\": {}}", -2, 0}, {3, "\xFF[TOOL_CALLS][{\"name\": \"get_time\", \"arguments\": {}},]", 52, 0},
    {4, "\xFF[TOOL_CALLS]get_time\xFF[ARGS]{\"zone\": \"cet\"}\xFF[TOOL_CALLS]get_time\xFF[ARGS]{}", -1, 0}, {4, "\xFF[TOOL_CALLS]get_time[", 21, 0},
    {5, "ababababac!get({\"a\": 0}); end", -1, 4}, {5, "ababab", -1, 2}, {5, "ababac!get({\"a\": 0})", -2, 0}, {5, "ababac!get({\"a\": 0}); next say({\"text\": \"\"}); end", -1, 0},
    {5, "ababac!get({\"a\": 0}); x", 22, 0}, {5, "ababac!get({\"a\": 0}); end ", 25, 0},
};

static mask_run *open_run(mask_rule **rule, mask_vocab *v, const mask_form *f) {
  mask_run *run = NULL;
  base_error err = {0};
  base_status status = mask_form_open(rule, f, NULL, NULL, &err);
  TAP_OK(status == BASE_OK, "%s: %s", err.where, err.text);
  if (status == BASE_OK) TAP_OK(mask_run_open(&run, *rule, v, NULL, NULL) == BASE_OK, "run");
  return run;
}

static size_t reach(mask_run *run, const char *text) {
  for (size_t i = 0; text[i] != '\0'; i++)
    if (mask_run_commit_bytes(run, (base_slice){text + i, 1}) != BASE_OK) return i;
  return strlen(text) + !mask_run_may_end(run);
}

static void test_texts(mask_vocab *v) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const text_case *c = &cases[i];
    mask_rule *rule = NULL;
    mask_run *run = open_run(&rule, v, &forms[c->form]);
    size_t len = strlen(c->text), expected = c->stops >= 0 ? (size_t)c->stops : len + (c->stops == -2);
    size_t got = run != NULL ? reach(run, c->text) : SIZE_MAX;
    TAP_OK(got == expected, "%s: %zu, not %zu", c->text, got, expected);
    bool called = false;
    size_t words = run != NULL ? mask_run_words(run, &called) : SIZE_MAX;
    TAP_OK(words == (c->words >= 0 ? (size_t)c->words : len), "%s: %zu words, not %d", c->text, words, c->words);
    mask_run_close(run);
    mask_rule_close(rule);
  }
}

/* At every byte of each text, in one run for all texts of a form: tables of one part are not taken for another's. */
static void test_agreement(mask_vocab *v) {
  for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
    mask_rule *rule = NULL;
    mask_run *run = open_run(&rule, v, &forms[f]);
    size_t wrong = 0, places = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && run != NULL; i++) {
      mask_run_reset(run);
      for (const char *at = cases[i].text; cases[i].form == f; at++, places++) {
        wrong += mask_disagreements(run, N_TOKENS);
        if (*at == '\0' || mask_run_commit_bytes(run, (base_slice){at, 1}) != BASE_OK) break;
      }
    }
    TAP_OK(wrong == 0 && places > 0, "form %zu: %zu tokens in %zu places", f, wrong, places);
    mask_run_close(run);
    mask_rule_close(rule);
  }
}

static void test_forced(mask_vocab *v) {
  char out[64];
  mask_rule *rule = NULL;
  mask_run *run = open_run(&rule, v, &forms[4]);
  static const char all[] = "\xFF[TOOL_CALLS]get_time\xFF[ARGS]{";
  size_t n = run == NULL ? 0 : mask_run_forced(run, out, sizeof out);
  TAP_OK(n == sizeof all - 1 && memcmp(out, all, n) == 0, "%zu forced", n);
  mask_run_close(run);
  mask_rule_close(rule);
  run = open_run(&rule, v, &forms[1]);
  bool ok = run != NULL && mask_run_commit_bytes(run, BASE_LITERAL("<tool_call>\n{\"name\": \"say\", \"arguments\": {\"text\": \"\"}}\n</tool_call>")) == BASE_OK;
  TAP_OK(ok && mask_run_must_end(run), "one call and no more");
  mask_run_close(run);
  mask_rule_close(rule);
  mask_form none = {.opening = TEXT("<"), .middle = TEXT(">")};
  mask_part twice[] = {{TEXT("a"), TEXT("{}")}, {TEXT("a"), TEXT("{}")}}, broken[] = {{TEXT("fine"), TEXT("{}")}, {TEXT("f"), TEXT("{\"type\":7}")}};
  base_error err = {0};
  TAP_OK(mask_form_open(&rule, &none, NULL, NULL, NULL) == BASE_ELIMIT, "no part");
  none.parts = twice;
  none.n_parts = 2;
  TAP_OK(mask_form_open(&rule, &none, NULL, NULL, NULL) == BASE_EARGUMENT && rule == NULL, "a name twice");
  none.parts = broken;
  TAP_OK(mask_form_open(&rule, &none, NULL, NULL, &err) == BASE_EFORMAT && strncmp(err.where, "f: ", 3) == 0, "%s: %s", err.where, err.text);
  none.parts = parts;
  none.words = true;
  none.trigger = (base_slice)TEXT("x");
  TAP_OK(mask_form_open(&rule, &none, NULL, NULL, NULL) == BASE_EARGUMENT, "a trigger that begins nothing");
}

static base_status open_rule(mask_rule **out, const base_allocator *a) {
  return mask_form_open(out, &forms[0], NULL, a, NULL);
}

static void test_memory(void) {
  const mask_way way = {N_TOKENS, piece, open_rule,
                        "ok <tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": 12}}\n</tool_call>"};
  mask_way_without_memory(&way, NULL, 20, 5000);
}

int main(void) {
  mask_vocab *v = NULL;
  TAP_OK(mask_vocab_open(&v, N_TOKENS, piece, NULL, NULL, NULL) == BASE_OK, "vocabulary");
  test_texts(v);
  test_agreement(v);
  test_forced(v);
  test_memory();
  mask_vocab_close(v);
  return tap_done("form");
}
