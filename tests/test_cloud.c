/* The cloud client with a service, a clock and a purse of its own: what is asked, what is read, when it tries
 * again, when it stops. The real HTTP library is tested by cloud.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/cloud.h"
#include "failing.h"
#include "scripted_cloud.h"
#include "tap.h"

typedef scripted_world world;
static cloud_transport transport = {scripted_perform, NULL};
static cloud_clock fake_clock = {scripted_clock_now, scripted_clock_sleep, NULL};
static cloud_budget purse = {scripted_reserve, scripted_settle, NULL};
static guard *watch;
static guard_clean *words;

static guard_clean *clean(const char *text) {
  guard_rules rules;
  guard_clean *out = NULL;
  guard_vault *vault = guard_vault_new(NULL);
  guard_rules_init(&rules);
  guard_clean_make(watch, base_slice_of(text), &rules, vault, &out, NULL, NULL);
  guard_vault_free(vault);
  return out;
}

static cloud_options options(world *w, const scripted *script, size_t n) {
  *w = (world){.script = script, .n = n, .now_ms = 5000, .purse = INT64_MAX / 2};
  transport.ctx = fake_clock.ctx = purse.ctx = w;
  return (cloud_options){.endpoint = "https://cloud.test/v1/",
                         .model = "small-1",
                         .key = BASE_LITERAL("secret-key"),
                         .price = {150000000, 600000000}, /* 0.15 and 0.60 USD a million */
                         .transport = &transport,
                         .clock = &fake_clock,
                         .budget = &purse,
                         .seed = 7};
}

static cloud_question question(void) {
  static cloud_message message;
  message = (cloud_message){CLOUD_USER, words};
  return (cloud_question){.messages = &message, .n_messages = 1};
}

static cloud_answer asked(cloud *c, const cloud_question *q, cloud_outcome expected, const char *what) {
  cloud_answer a;
  base_error err = {0};
  base_status st = cloud_ask(c, q, &a, &err);
  TAP_OK(st == BASE_OK && a.outcome == expected, "%s: %s %s (%s)", what, cloud_outcome_word(a.outcome), a.why,
         err.text);
  return a;
}

#define OPEN(c, o) TAP_OK(cloud_open(&(c), &(o), NULL) == BASE_OK, "open")
#define GOOD \
  "{\"model\":\"small-1-2026\",\"choices\":[{\"message\":{\"content\":\"Lima\"},\"finish_reason\":\"stop\"}]," \
  "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":3}}"

/* ---- requests and replies ---- */

static void test_openai(void) {
  static const scripted script[] = {
      {.status = 200, .body = GOOD},
      {.status = 200,
       .body = "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"set\","
               "\"arguments\":\"{\\\"t\\\":1}\"}}]}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"}};
  world w;
  cloud *c = NULL;
  cloud_options o = options(&w, script, 2);
  OPEN(c, o);
  cloud_question q = question();
  q.instructions = BASE_LITERAL("Be \"brief\".");
  q.schema = BASE_LITERAL("{\"type\":\"object\",\"properties\":{},\"required\":[],\"additionalProperties\":false}");
  cloud_answer a = asked(c, &q, CLOUD_ANSWERED, "answer");
  TAP_OK(a.text.ptr && strcmp(a.text.ptr, "Lima") == 0, "its text");
  TAP_OK(strcmp(a.model, "small-1-2026") == 0 && a.tokens_in == 20 && a.tokens_out == 3, "who and how many");
  TAP_OK(a.cost_nano_usd == 20 * 150 + 3 * 600 && w.settled == a.cost_nano_usd && w.reserved == 0, "cost: %lld",
         (long long)a.cost_nano_usd);
  TAP_OK(w.most_reserved >= a.cost_nano_usd, "more was set aside");
  TAP_OK(strstr(w.seen, "\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\"") != NULL, "system: %s", w.seen);
  TAP_OK(strstr(w.seen, "\"model\":\"small-1\"") && strstr(w.seen, "\"additionalProperties\":false},\"strict\":true"),
         "schema");
  TAP_OK(strstr(w.seen, "[EMAIL_1]") && !strstr(w.seen, "bob@example.com"), "only cleaned text");
  TAP_OK(strstr(w.headers, "Authorization: Bearer secret-key\n") != NULL, "key");
  TAP_OK(strstr(w.headers, "User-Agent: minnow\n") != NULL, "name");
  cloud_answer_free(&a);
  q = question();
  q.tools = BASE_LITERAL("[{\"type\":\"function\",\"function\":{\"name\":\"set\"}}]");
  a = asked(c, &q, CLOUD_ANSWERED, "tool call");
  TAP_OK(a.tool_name.ptr && strcmp(a.tool_name.ptr, "set") == 0 && strcmp(a.tool_arguments.ptr, "{\"t\":1}") == 0,
         "its arguments");
  cloud_answer_free(&a);
  cloud_close(c);
}

/* How services end an answer, in both dialects, whole and as a stream. The clients of openai (3.54) and anthropic (2.12) for
 * Python take these replies, and read the same out of them. */
#define SAID(content, why) \
  "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," content "},\"finish_reason\":\"" why "\"}]," \
  "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}"
#define DELTA(content) "data: {\"choices\":[{\"index\":0,\"delta\":{" content "},\"finish_reason\":null}],\"usage\":null}\n\n"
#define LAST(why) "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}]}\n\n"
#define COUNTED "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n"
#define CALL(index, id, rest) "\"tool_calls\":[{\"index\":" index id ",\"function\":{" rest "}}]"
#define MESSAGE(content, why) \
  "{\"type\":\"message\",\"content\":[" content "],\"stop_reason\":\"" why "\",\"usage\":{\"input_tokens\":9,\"output_tokens\":2}}"
#define SENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define STARTED \
  SENT("message_start", ",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\"," \
                        "\"stop_reason\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}")
#define BLOCK(at, what) SENT("content_block_start", ",\"index\":" at ",\"content_block\":{" what "}")
#define PIECE(at, json) SENT("content_block_delta", ",\"index\":" at ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"" json "\"}")
#define STOPPED(why) \
  SENT("message_delta", ",\"delta\":{\"stop_reason\":\"" why "\"},\"usage\":{\"output_tokens\":2}") SENT("message_stop", "")

static void test_ends(void) {
  static const struct {
    const char *what, *body;
    cloud_dialect dialect;
    bool stream, cut;
    cloud_outcome outcome;
    const char *text, *tool, *arguments;
  } cases[] = {
      {"refusal", SAID("\"content\":null,\"refusal\":\"I cannot help.\"", "stop"), CLOUD_OPENAI, 0, 0, CLOUD_DECLINED, "", "", ""},
      {"filter", SAID("\"content\":\"Half\"", "content_filter"), CLOUD_OPENAI, 0, 0, CLOUD_DECLINED, "Half", "", ""},
      {"length", SAID("\"content\":\"Half\"", "length"), CLOUD_OPENAI, 0, 1, CLOUD_ANSWERED, "Half", "", ""},
      {"parts", SAID("\"content\":[{\"type\":\"thinking\",\"thinking\":[]},{\"type\":\"text\",\"text\":\"Lima\"}]", "stop"), CLOUD_OPENAI,
       0, 0, CLOUD_ANSWERED, "Lima", "", ""},
      {"streamed refusal", DELTA("\"role\":\"assistant\",\"refusal\":\"I \"") DELTA("\"refusal\":\"cannot.\"") LAST("stop") COUNTED
       "data: [DONE]\n\n", CLOUD_OPENAI, 1, 0, CLOUD_DECLINED, "", "", ""},
      {"streamed call",
       DELTA("\"role\":\"assistant\",\"content\":null," CALL("0", ",\"id\":\"c1\",\"type\":\"function\"", "\"name\":\"set\",\"arguments\":\"\""))
       DELTA(CALL("0", "", "\"arguments\":\"{\\\"t\\\"\"")) DELTA(CALL("0", "", "\"arguments\":\":1}\""))
       DELTA(CALL("1", ",\"id\":\"c2\"", "\"name\":\"other\",\"arguments\":\"{}\"")) LAST("tool_calls") COUNTED "data: [DONE]\n\n",
       CLOUD_OPENAI, 1, 0, CLOUD_ANSWERED, "", "set", "{\"t\":1}"},
      {"no end mark", DELTA("\"content\":\"Lima\"") LAST("stop"), CLOUD_OPENAI, 1, 0, CLOUD_ANSWERED, "Lima", "", ""},
      {"broken off", DELTA("\"content\":\"Li\""), CLOUD_OPENAI, 1, 0, CLOUD_UNREADABLE, "Li", "", ""},
      {"declined", MESSAGE("", "refusal"), CLOUD_ANTHROPIC, 0, 0, CLOUD_DECLINED, "", "", ""},
      {"full window", MESSAGE("{\"type\":\"text\",\"text\":\"Half\"}", "model_context_window_exceeded"), CLOUD_ANTHROPIC, 0, 1,
       CLOUD_ANSWERED, "Half", "", ""},
      {"exact input", MESSAGE("{\"type\":\"text\",\"text\":\"So: \"},{\"type\":\"tool_use\",\"name\":\"pay\",\"input\":{\"a\": 1.1}},"
       "{\"type\":\"tool_use\",\"name\":\"other\",\"input\":{}}", "tool_use"), CLOUD_ANTHROPIC, 0, 0, CLOUD_ANSWERED, "So: ", "pay",
       "{\"a\": 1.1}"},
      {"streamed calls", STARTED BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
       SENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"So.\"}")
       BLOCK("1", "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"pay\",\"input\":{}") PIECE("1", "{\\\"a\\\":") PIECE("1", "1.1}")
       SENT("content_block_stop", ",\"index\":1") SENT("ping", "")
       BLOCK("2", "\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"other\",\"input\":{}") PIECE("2", "{\\\"b\\\":2}") STOPPED("tool_use"),
       CLOUD_ANTHROPIC, 1, 0, CLOUD_ANSWERED, "So.", "pay", "{\"a\":1.1}"},
      {"streamed decline", STARTED STOPPED("refusal"), CLOUD_ANTHROPIC, 1, 0, CLOUD_DECLINED, "", "", ""},
      {"overloaded in a stream", STARTED SENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
       CLOUD_ANTHROPIC, 1, 0, CLOUD_UNREADABLE, "", "", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const scripted script[] = {{.status = 200, .body = cases[i].body, .piece = 7}};
    world w;
    cloud *c = NULL;
    cloud_options o = options(&w, script, 1);
    o.dialect = cases[i].dialect;
    o.max_attempts = 1;
    OPEN(c, o);
    cloud_question q = question();
    q.stream = cases[i].stream;
    cloud_answer a = asked(c, &q, cases[i].outcome, cases[i].what);
    TAP_OK(strcmp(a.text.len ? a.text.ptr : "", cases[i].text) == 0, "%s: text \"%s\"", cases[i].what, a.text.len ? a.text.ptr : "");
    TAP_OK(strcmp(a.tool_name.len ? a.tool_name.ptr : "", cases[i].tool) == 0 &&
               strcmp(a.tool_arguments.len ? a.tool_arguments.ptr : "", cases[i].arguments) == 0,
           "%s: call %s %s", cases[i].what, a.tool_name.len ? a.tool_name.ptr : "", a.tool_arguments.len ? a.tool_arguments.ptr : "");
    TAP_OK(a.cut == cases[i].cut && w.reserved == 0, "%s: cut %d", cases[i].what, a.cut);
    bool counted = cases[i].outcome != CLOUD_UNREADABLE && strcmp(cases[i].what, "no end mark") != 0;
    TAP_OK(!counted || (a.tokens_in == 9 && a.tokens_out == 2), "%s: %d and %d tokens", cases[i].what, (int)a.tokens_in, (int)a.tokens_out);
    cloud_answer_free(&a);
    cloud_close(c);
  }
}

/* What services say of errors: a word of theirs in the detail, never their sentence; no second try where none can help;
 * the other name for max_tokens where the first is refused. */
static void test_complaints(void) {
  static const char key[] = "{\"error\":{\"message\":\"Incorrect API key provided: secret-key\",\"type\":\"invalid_request_error\","
                            "\"param\":null,\"code\":\"invalid_api_key\"}}";
  static const char quota[] = "{\"error\":{\"message\":\"You exceeded your quota\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}";
  static const char busy[] = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
  static const char odd[] = "{\"error\":{\"message\":\"no\",\"code\":\"secret key: bob@example.com\",\"type\":\"secret-key\"}}";
  static const char name[] = "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                             "'max_completion_tokens' instead.\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}";
  static const scripted script[] = {{.status = 401, .body = key}, {.status = 429, .body = quota}, {.status = 529, .body = busy},
                                    {.status = 529, .body = busy}, {.status = 529, .body = busy}, {.status = 400, .body = odd},
                                    {.status = 400, .body = name}, {.status = 200, .body = GOOD}, {.status = 200, .body = GOOD},
                                    {.status = 400, .body = name}};
  static const struct {
    cloud_outcome outcome;
    uint32_t attempts;
    const char *why;
  } cases[] = {{CLOUD_REFUSED, 1, "HTTP 401 (invalid_api_key)"}, {CLOUD_REFUSED, 1, "HTTP 429 (insufficient_quota)"},
               {CLOUD_LIMITED, 3, "HTTP 529 (overloaded_error)"}, {CLOUD_REFUSED, 1, "HTTP 400"}, {CLOUD_ANSWERED, 2, ""},
               {CLOUD_ANSWERED, 1, ""}, {CLOUD_REFUSED, 1, "HTTP 400 (unsupported_parameter)"}};
  world w;
  cloud *c = NULL;
  cloud_options o = options(&w, script, sizeof script / sizeof *script);
  OPEN(c, o);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cloud_question q = question();
    cloud_answer a = asked(c, &q, cases[i].outcome, "complaint");
    size_t len = strlen(a.why), end = strlen(cases[i].why);
    TAP_OK(len >= end && strcmp(a.why + len - end, cases[i].why) == 0 && a.attempts == cases[i].attempts, "%u attempts: %s", a.attempts, a.why);
    TAP_OK(strstr(a.why, "secret") == NULL, "nothing quoted");
    TAP_OK((strstr(w.seen, "\"max_completion_tokens\":512") != NULL) == (i >= 4), "the bound's name at %d: %s", (int)i, w.seen);
    cloud_answer_free(&a);
  }
  cloud_close(c);
}

/* Schemas that OpenAI's strict takes are asked for strictly; a root that is no object is put into one, and the answer comes
 * out of it, by either dialect. */
static void test_schemas(void) {
#define CLOSED(more) "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]" more "}},\"required\":[\"a\"],\"additionalProperties\":false}"
  static const struct {
    const char *schema;
    bool strict, wrapped;
  } cases[] = {{CLOSED(""), true, false},
               {CLOSED(",\"format\":\"date\",\"description\":\"when\""), true, false},
               {CLOSED(",\"format\":\"currency\""), false, false},
               {CLOSED(",\"minLength\":1"), false, false},
               {"{\"type\":\"object\",\"properties\":{\"a\":{}},\"required\":[\"a\"]}", false, false},
               {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\"],\"additionalProperties\":false}", false, false},
#define TWO(required) "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":" required ",\"additionalProperties\":false}"
               {TWO("[\"b\",\"a\"]"), true, false},
               {TWO("[\"a\",\"c\"]"), false, false},
               {TWO("[\"a\",\"a\"]"), false, false},
               {TWO("{\"a\":1,\"b\":2}"), false, false},
               {"{\"type\":\"object\"}", false, false},
               {"{\"type\":\"array\",\"items\":" CLOSED("") "}", true, true},
               {"{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/a\"},\"$defs\":{\"a\":{\"type\":\"integer\"}}}", false, true},
               {"{\"allOf\":[{\"type\":\"object\"}]}", false, true},
               {"true", false, true}};
  static const char whole[] = "{\"choices\":[{\"message\":{\"content\":\"{\\\"answer\\\":[1.10]}\"}}],\"usage\":{\"prompt_tokens\":1}}";
  static const char block[] = MESSAGE("{\"type\":\"tool_use\",\"name\":\"answer\",\"input\":{\"answer\":[1.10]}}", "tool_use");
  for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
    bool anthropic = i % 2 != 0;
    const char *schema = cases[i / 2].schema;
    const scripted script[] = {{.status = 200, .body = anthropic ? block : whole}};
    world w;
    cloud *c = NULL;
    cloud_options o = options(&w, script, 1);
    o.dialect = anthropic ? CLOUD_ANTHROPIC : CLOUD_OPENAI;
    OPEN(c, o);
    cloud_question q = question();
    q.schema = base_slice_of(schema);
    cloud_answer a = asked(c, &q, CLOUD_ANSWERED, schema);
    const char *expected = cases[i / 2].wrapped ? "[1.10]" : "{\"answer\":[1.10]}";
    TAP_OK(a.text.ptr && strcmp(a.text.ptr, expected) == 0, "%s: %s", schema, a.text.ptr ? a.text.ptr : "");
    TAP_OK(strstr(w.seen, schema) != NULL, "it is sent: %s", w.seen);
    TAP_OK((strstr(w.seen, "{\"type\":\"object\",\"properties\":{\"answer\":") != NULL) == cases[i / 2].wrapped, "in an object: %s", w.seen);
    TAP_OK(anthropic || strstr(w.seen, cases[i / 2].strict ? "\"strict\":true" : "\"strict\":false"), "strictly: %s", w.seen);
    cloud_answer_free(&a);
    cloud_close(c);
  }
}

static bool count_pieces(void *ctx, base_slice piece, bool restarted) {
  int *n = ctx;
  (void)piece;
  *n += restarted ? 100 : 1;
  return *n < 50 || *n >= 100;
}

#define EVENT(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\r\n\r\n"
#define END "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"

static void test_stream(void) {
  static const scripted script[] = {
      {.status = 200, .body = ": hello\n\n" EVENT("Li") EVENT("ma") END, .piece = 1},
      {.status = 200, .body = EVENT("Li"), .broken_off = true},
      {.status = 200, .body = EVENT("Li") EVENT("ma") END, .piece = 7},
      {.status = 200, .body = EVENT("Li") "data: {nonsense\n\n"}};
  world w;
  cloud *c = NULL;
  int pieces = 0;
  cloud_options o = options(&w, script, 4);
  OPEN(c, o);
  cloud_question q = question();
  q.stream = true;
  q.on_text = count_pieces;
  q.on_text_ctx = &pieces;
  cloud_answer a = asked(c, &q, CLOUD_ANSWERED, "byte by byte");
  TAP_OK(strcmp(a.text.ptr, "Lima") == 0 && pieces == 2 && a.tokens_in == 9, "in two pieces: %d", pieces);
  cloud_answer_free(&a);
  pieces = 0;
  a = asked(c, &q, CLOUD_ANSWERED, "broken off, then whole");
  TAP_OK(strcmp(a.text.ptr, "Lima") == 0 && pieces == 102 && a.attempts == 2, "told to start again: %d", pieces);
  TAP_OK(a.cost_nano_usd > 9 * 150 + 2 * 600, "what was broken off may have been charged");
  cloud_answer_free(&a);
  q.on_text = NULL;
  a = asked(c, &q, CLOUD_UNREADABLE, "nonsense in a stream");
  TAP_OK(a.attempts == 3, "tried three times: %u", a.attempts);
  cloud_answer_free(&a);
  cloud_close(c);
}

static void test_anthropic(void) {
  static const scripted script[] = {
      {.status = 200,
       .body = "{\"model\":\"c-1\",\"content\":[{\"type\":\"text\",\"text\":\"Lima\"}],\"stop_reason\":\"max_tokens\","
               "\"usage\":{\"input_tokens\":8,\"output_tokens\":4}}"},
      {.status = 200,
       .body = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c-1\",\"usage\":"
               "{\"input_tokens\":8,\"output_tokens\":1}}}\n\n"
               "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"answer\"}}\n\n"
               "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\"\"}}\n\n"
               "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\":2}\"}}\n\n"
               "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":6}}\n\n"
               "data: {\"type\":\"message_stop\"}\n\n"}};
  world w;
  cloud *c = NULL;
  cloud_options o = options(&w, script, 2);
  o.dialect = CLOUD_ANTHROPIC;
  OPEN(c, o);
  cloud_question q = question();
  q.instructions = BASE_LITERAL("brief");
  cloud_answer a = asked(c, &q, CLOUD_ANSWERED, "messages");
  TAP_OK(strcmp(a.text.ptr, "Lima") == 0 && a.cut && a.tokens_out == 4, "text, cut at the limit");
  TAP_OK(strstr(w.headers, "x-api-key: secret-key\n") && strstr(w.headers, "anthropic-version"), "headers");
  TAP_OK(strstr(w.seen, ",\"system\":\"brief\"") != NULL, "system: %s", w.seen);
  cloud_answer_free(&a);
  q.schema = BASE_LITERAL("{\"type\":\"object\"}");
  q.stream = true;
  a = asked(c, &q, CLOUD_ANSWERED, "a schema as a tool, streamed");
  TAP_OK(a.text.ptr && strcmp(a.text.ptr, "{\"a\":2}") == 0 && a.tool_name.len == 0, "unwrapped");
  TAP_OK(a.tokens_in == 8 && a.tokens_out == 6, "counts");
  cloud_answer_free(&a);
  q.schema = (base_slice){0};
  q.tools = BASE_LITERAL("[{\"type\":\"function\",\"function\":{\"name\":\"set\",\"parameters\":{\"type\":\"object\"}}}]");
  q.tool_choice = BASE_LITERAL("{\"type\":\"function\",\"function\":{\"name\":\"set\"}}");
  a = asked(c, &q, CLOUD_ANSWERED, "tools");
  TAP_OK(strstr(w.seen, "\"name\":\"set\"") && strstr(w.seen, "\"input_schema\":{\"type\":\"object\"}") &&
             strstr(w.seen, "\"tool_choice\":{\"type\":\"tool\",\"name\":\"set\"}"),
         "translated: %s", w.seen);
  cloud_answer_free(&a);
  static const struct {
    const char *tools, *choice, *where;
  } wrong[] = {{"{}", "\"auto\"", "tools"},     {"[{\"type\":\"function\"}]", "\"auto\"", "tools"},
               {"[7]", "\"auto\"", "tools"},    {"[", "\"auto\"", "tools"},
               {"[]", "auto", "tool_choice"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    base_error err = {0};
    size_t before = w.calls;
    q.tools = base_slice_of(wrong[i].tools);
    q.tool_choice = base_slice_of(wrong[i].choice);
    base_status st = cloud_ask(c, &q, &a, &err);
    TAP_OK(st != BASE_OK && strcmp(err.where, wrong[i].where) == 0 && w.calls == before, "%s %s: %s: %s",
           wrong[i].tools, wrong[i].choice, err.where, err.text);
    cloud_answer_free(&a);
  }
  cloud_close(c);
}

/* ---- retries ---- */

static void test_retries(void) {
  static const scripted later[] = {{.status = 429, .retry_after_ms = 2000}, {.status = 200, .body = GOOD}};
  static const scripted too_late[] = {{.status = 429, .retry_after_ms = 60000}};
  static const scripted broken[] = {{.status = 500}};
  static const scripted refused[] = {{.status = 400, .body = "{}"}};
  static const scripted hangs[] = {{.status = 0, .times_out = true}};
  static const scripted nonsense[] = {{.status = 200, .body = "<html>"}};
  static const scripted stranger[] = {{.untrusted = true}};
  const struct {
    const char *name;
    const scripted *script;
    size_t n;
    cloud_outcome outcome;
    uint32_t attempts;
    bool free;
  } cases[] = {{"Retry-After is kept", later, 2, CLOUD_ANSWERED, 2, false},
               {"Retry-After beyond the deadline", too_late, 1, CLOUD_LIMITED, 1, true},
               {"500", broken, 1, CLOUD_FAILED, 3, true},
               {"400", refused, 1, CLOUD_REFUSED, 1, true},
               {"hangs", hangs, 1, CLOUD_TIMED_OUT, 1, false},
               {"no JSON", nonsense, 1, CLOUD_UNREADABLE, 3, false},
               {"certificate", stranger, 1, CLOUD_UNTRUSTED, 1, true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    world w;
    cloud *c = NULL;
    cloud_options o = options(&w, cases[i].script, cases[i].n);
    OPEN(c, o);
    cloud_question q = question();
    cloud_answer a = asked(c, &q, cases[i].outcome, cases[i].name);
    TAP_OK(a.attempts == cases[i].attempts && w.calls == a.attempts, "%s: %u attempts", cases[i].name, a.attempts);
    TAP_OK((a.cost_nano_usd == 0) == cases[i].free && w.reserved == 0, "%s: cost %lld", cases[i].name,
           (long long)a.cost_nano_usd);
    TAP_OK(a.total_ms <= 15100, "%s: in time: %u ms", cases[i].name, a.total_ms);
    TAP_OK(a.outcome == CLOUD_ANSWERED || a.why[0], "%s: says why", cases[i].name);
    TAP_OK(strstr(a.why, "secret-key") == NULL, "no key in a message");
    if (i == 0) TAP_OK(w.slept_ms >= 2000, "waited: %lld", (long long)w.slept_ms);
    cloud_answer_free(&a);
    cloud_close(c);
  }
}

static void test_breaker(void) {
  static const scripted script[] = {{.unreachable = true}};
  world w;
  cloud *c = NULL;
  cloud_options o = options(&w, script, 1);
  OPEN(c, o);
  cloud_question q = question();
  cloud_answer a = asked(c, &q, CLOUD_UNAVAILABLE, "no network");
  size_t calls = w.calls;
  TAP_OK(!cloud_available(c), "open at once");
  for (int i = 0; i < 1000; i++) {
    cloud_answer_free(&a);
    a = asked(c, &q, CLOUD_UNAVAILABLE, "still");
    w.now_ms += 5;
  }
  TAP_OK(w.calls == calls && a.attempts == 0, "no storm of probes: %zu calls", w.calls - calls);
  cloud_answer_free(&a);
  w.now_ms += 10000;
  TAP_OK(cloud_available(c), "one may try");
  a = asked(c, &q, CLOUD_UNAVAILABLE, "in vain");
  cloud_answer_free(&a);
  w.now_ms += 10001;
  TAP_OK(!cloud_available(c), "the wait doubles");
  cloud_network(c, true);
  TAP_OK(cloud_available(c), "the app says that the network is back");
  static const scripted fine[] = {{.status = 200, .body = GOOD}};
  w.script = fine;
  a = asked(c, &q, CLOUD_ANSWERED, "back");
  cloud_answer_free(&a);
  static const scripted broken[] = {{.status = 503}};
  w.script = broken;
  for (int i = 0; i < 4; i++) {
    TAP_OK(cloud_available(c), "closed for %d failures", i);
    a = asked(c, &q, CLOUD_FAILED, "503");
    cloud_answer_free(&a);
  }
  TAP_OK(!cloud_available(c), "open after four");
  cloud_close(c);
}

static void test_limits(void) {
  static const scripted fine[] = {{.status = 200, .body = GOOD}};
  world w;
  cloud *c = NULL;
  cloud_options o = options(&w, fine, 1);
  o.per_minute = 3;
  OPEN(c, o);
  cloud_question q = question();
  cloud_answer a;
  for (int i = 0; i < 3; i++) {
    a = asked(c, &q, CLOUD_ANSWERED, "under the rate");
    cloud_answer_free(&a);
  }
  a = asked(c, &q, CLOUD_LIMITED, "over the rate");
  TAP_OK(w.calls == 3 && cloud_available(c), "not called, and the breaker is not to blame");
  cloud_answer_free(&a);
  w.now_ms += 20001;
  a = asked(c, &q, CLOUD_ANSWERED, "one more after twenty seconds");
  cloud_answer_free(&a);
  w.now_ms += 20001;
  w.purse = w.settled + 1000;
  a = asked(c, &q, CLOUD_OVER_BUDGET, "no money");
  TAP_OK(w.calls == 4 && strstr(a.why, "purse"), "not called: %s", a.why);
  cloud_answer_free(&a);
  cloud_close(c);

  o = options(&w, fine, 1);
  o.max_answer_bytes = 20;
  OPEN(c, o);
  a = asked(c, &q, CLOUD_UNREADABLE, "too long");
  cloud_answer_free(&a);
  cloud_close(c);
}

/* ---- wrong use, prices, memory ---- */

static void test_wrong_use(void) {
  static const scripted fine[] = {{.status = 200, .body = GOOD}};
  static const char *const bad[] = {"http://example.com/v1", "ftp://x", "https://", "http://127.0.0.1.evil.com/",
                                    "http://localhost@evil.com/", "https://a b"};
  world w;
  cloud *c = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    base_error err = {0};
    cloud_options o = options(&w, fine, 1);
    o.endpoint = bad[i];
    TAP_OK(cloud_open(&c, &o, &err) == BASE_EARGUMENT && err.text[0], "endpoint %s", bad[i]);
  }
  cloud_options o = options(&w, fine, 1);
  o.key = BASE_LITERAL("two\r\nInjected: header");
  TAP_OK(cloud_open(&c, &o, NULL) == BASE_EARGUMENT, "a key cannot bring headers along");
  o = options(&w, fine, 1);
  o.endpoint = "http://127.0.0.1:8080/v1";
  TAP_OK(cloud_open(&c, &o, NULL) == BASE_OK, "plain to this machine");
  cloud_close(c);
}

static void test_prices(void) {
  base_slice file = BASE_LITERAL("{\"date\":\"2026-11-21\",\"currency\":\"USD\",\"models\":{\"a\":{\"input\":1,\"output\":2},"
                                 "\"a-mini\":{\"input\":0.15,\"output\":0.6},\"b\":{\"input\":-1,\"output\":2}}}");
  cloud_price p;
  char date[11];
  TAP_OK(!cloud_price_read(file, "prices", "a-mini-2026", &p, date, NULL) && p.input == 150000000 &&
             p.output == 600000000 && strcmp(date, "2026-11-21") == 0,
         "the longest name wins");
  TAP_OK(cloud_price_read(file, "prices", "zz", &p, date, NULL) == BASE_ENOTFOUND, "unknown");
  TAP_OK(cloud_price_read(file, "prices", "b", &p, date, NULL) == BASE_EFORMAT, "negative");
  TAP_OK(cloud_price_read(BASE_LITERAL("{"), "prices", "b", &p, date, NULL) == BASE_EFORMAT, "no JSON");
  TAP_OK(cloud_cost(&(cloud_price){1, 0}, 1, 5) == 1 && cloud_cost(&(cloud_price){150000000, 600000000}, 1, 1) == 750,
         "rounded up");
  TAP_OK(cloud_cost(&(cloud_price){INT64_MAX / 2, 1}, UINT64_MAX, 1) > 0, "no overflow");
}

static void test_memory(void) {
  static const scripted fine[] = {{.status = 200, .body = GOOD}};
  world w;
  failing f;
  for (int n = 0; n < 200; n++) {
    cloud *c = NULL;
    cloud_options o = options(&w, fine, 1);
    base_allocator a = failing_allocator(&f, n);
    cloud_answer answer;
    cloud_question q = question();
    o.allocator = &a;
    base_status st = cloud_open(&c, &o, NULL);
    if (!st) {
      st = cloud_ask(c, &q, &answer, NULL);
      cloud_answer_free(&answer);
    }
    cloud_close(c);
    TAP_OK(f.held == 0, "%d: %zu bytes held", n, f.held);
    if (!st) return;
    TAP_OK(st == BASE_ENOMEM, "%d: %s", n, base_status_text(st));
  }
  TAP_OK(false, "never enough memory");
}

int main(void) {
  guard_options o;
  guard_options_init(&o);
  if (guard_open(&watch, &o, NULL)) return 1;
  words = clean("ask bob@example.com for the capital of Peru");
  if (words == NULL) return 1;
  test_openai();
  test_ends();
  test_complaints();
  test_schemas();
  test_stream();
  test_anthropic();
  test_retries();
  test_breaker();
  test_limits();
  test_wrong_use();
  test_prices();
  test_memory();
  guard_clean_free(words);
  guard_close(watch);
  return tap_done("test_cloud");
}
