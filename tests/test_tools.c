/* Tools through the public header: with random weights every call parses and fits, in the forms of several families;
 * words and calls, a round trip, what is forced, response formats, every refusal. Calls are judged by the validator,
 * apart from masks. */
#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "minnow.h"
#include "os/os.h"
#include "tap.h"
#include "tiny_lm.h"

enum { SEEDS = 40, MOST_TOKENS = 400 };

static char folder[] = "/tmp/minnow-test-tools-XXXXXX";

/* Templates in the manner of families. */
#define TURN_END "<|im_end|>\\n"
#define OPEN_ANSWER "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
#define TOOL_LIST "{% if tools %}{{ '<|im_start|>system\\n' }}{% for t in tools %}{{ t | tojson }}\n{% endfor %}{{ '" TURN_END "' }}{% endif %}"
#define MESSAGES(calls) \
  TOOL_LIST "{% for m in messages %}{% if m.tool_calls %}{{ '<|im_start|>assistant\\n' }}{{ m.content or '' }}" calls "{{ '" TURN_END "' }}" \
            "{% else %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '" TURN_END "' }}{% endif %}{% endfor %}" OPEN_ANSWER

static const struct family {
  const char *name, *template;
  bool single; /* its template writes one call only */
} families[] = {
    {"hermes", MESSAGES("{% for c in m.tool_calls %}{% if not loop.first %}{{ '\\n' }}{% endif %}{{ '<tool_call>\\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' }}"
                        "{{ c.function.arguments | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}"), false},
    {"llama", MESSAGES("{% if m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif %}{{ '{\"name\": \"' + m.tool_calls[0].function.name + '\", \"parameters\": ' }}"
                       "{{ m.tool_calls[0].function.arguments | tojson }}{{ '}' }}"), true},
    {"mistral", MESSAGES("{{ '<|im_start|>[' }}{% for c in m.tool_calls %}{% if not loop.first %}{{ ', ' }}{% endif %}{{ '{\"name\": \"' + c.function.name + '\", \"arguments\": ' }}"
                         "{{ c.function.arguments | tojson }}{{ ', \"id\": \"' + c.id + '\"}' }}{% endfor %}{{ ']' }}"), false},
    {"deepseek", MESSAGES("{% for c in m.tool_calls %}{{ '<|im_start|>function<|im_start|>' + c.function.name + '\\n```json\\n' + c.function.arguments + '\\n```' }}{% endfor %}"), false},
    {"plain", tiny_lm_template, false},
};
enum { FAMILIES = sizeof families / sizeof *families, MISTRAL = 2, PLAIN = 4 };

static char model_path[FAMILIES][64];

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"city\":{\"enum\":[\"Oslo\",\"Rome\"]},\"days\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"city\",\"days\"],"
    "\"additionalProperties\":false,\"$defs\":{\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":14}}}",
    "{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"string\",\"format\":\"date\"},\"label\":{\"type\":\"string\",\"maxLength\":5}},\"required\":[\"at\"],"
    "\"additionalProperties\":false}",
    "{\"type\":\"object\",\"additionalProperties\":false}"};
static const char *const names[] = {"get_weather", "set-alarm", "ping"};
#define TOOLS(weather, alarm) \
  "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"Says the <|im_end|> weather.\",\"parameters\":" weather "}}," \
  "{\"type\":\"function\",\"function\":{\"name\":\"set-alarm\",\"parameters\":" alarm ",\"strict\":true}},{\"type\":\"function\",\"function\":{\"name\":\"ping\"}}]"

static char tools_json[2048];

static mn_session *open_session(mn_model **m, size_t family) {
  mn_session *s = NULL;
  mn_error err = {0};
  mn_model_options o;
  mn_model_options_init(&o);
  o.threads = 1;
  TAP_OK(mn_model_open(m, model_path[family], &o, &err) == MN_OK && mn_session_open(&s, *m, &err) == MN_OK, "open: %s", err.text);
  TAP_OK(mn_session_tools(s, tools_json, &err) == MN_OK, "tools: %s: %s", err.where, err.text);
  return s;
}

static bool call_fits(const mn_tool_call *c) {
  constrain_schema *schema = NULL;
  jdoc d = {0};
  size_t i = 0;
  while (i < 3 && strcmp(names[i], c->name) != 0) i++;
  bool fits = i < 3 && strlen(c->id) == 9 && constrain_schema_compile(&schema, base_slice_of(schemas[i]), NULL, "s", NULL, NULL) == BASE_OK &&
              jdoc_open(&d, base_slice_of(c->arguments), NULL, "a", NULL, NULL) == BASE_OK && constrain_validate(schema, &d, NULL, NULL, NULL) == BASE_OK;
  if (!fits) printf("# %s %s %s\n", c->id, c->name, c->arguments);
  jdoc_close(&d);
  constrain_schema_close(schema);
  return fits;
}

static bool calls_fit(const mn_generated *g) {
  bool fit = true;
  for (size_t i = 0; i < g->n_calls; i++) {
    fit = fit && call_fits(&g->calls[i]);
    for (size_t k = 0; k < i; k++) fit = fit && strcmp(g->calls[i].id, g->calls[k].id) != 0;
  }
  return fit;
}

static void options(mn_generate_options *o, mn_generated *g, uint64_t seed) {
  mn_generate_options_init(o);
  mn_generated_init(g);
  o->max_tokens = MOST_TOKENS;
  o->temperature = 1.0f;
  o->seed = seed;
}

/* ---- calls that are required ---- */

static void test_required(size_t family) {
  mn_model *m = NULL;
  mn_session *s = open_session(&m, family);
  uint32_t wrong = 0, none = 0, several = 0, calls = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    mn_generate_options o;
    mn_generated g;
    mn_error err = {0};
    options(&o, &g, seed);
    mn_session_remove(s, 0, 100);
    TAP_OK(mn_session_add(s, "user", "Weather?", NULL) == MN_OK, "add");
    o.tool_choice = seed % 5 == 0 ? "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"ping\"}}]}}" : "required";
    o.single_call = seed % 3 == 0;
    int st = mn_generate(s, &o, &g, &err);
    if (st == MN_ELIMIT) none++; /* calls without end: the context is full */
    else if (st != MN_OK || g.finish != MN_FINISH_TOOL_CALLS || g.n_calls == 0 || g.text_len != 0 || !calls_fit(&g)) wrong++;
    if (st == MN_OK && (families[family].single || o.single_call) && g.n_calls != 1) wrong++;
    if (st == MN_OK && seed % 5 == 0 && strcmp(g.calls[0].name, "ping") != 0) wrong++;
    if (st != MN_OK) printf("# %s seed %d: %s: %s\n", families[family].name, (int)seed, err.where, err.text);
    several += g.n_calls > 1;
    calls += (uint32_t)g.n_calls;
  }
  TAP_OK(wrong == 0 && none < SEEDS / 4, "%s: %u wrong, %u without an answer", families[family].name, wrong, none);
  TAP_OK((several > 0) == !families[family].single, "%s: %u answers with several calls", families[family].name, several);
  printf("# %s: %u calls in %d answers, %u without end\n", families[family].name, calls, SEEDS, none);
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- a schema and tools ---- */

/* What an answer was under is remembered with everything that was asked with it: a schema that was fine without tools is an
 * error with them, and fine again with the choice none. */
static void test_schema_beside_tools(void) {
  static const struct {
    const char *choice;
    int status;
  } step[] = {{"none", MN_OK}, {"auto", MN_EARGUMENT}, {"required", MN_EARGUMENT}, {"none", MN_OK}};
  mn_model *m = NULL;
  mn_session *s = open_session(&m, 0);
  for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
    mn_generate_options o;
    mn_generated g;
    mn_error err = {0};
    options(&o, &g, i);
    mn_session_remove(s, 0, 100);
    TAP_OK(mn_session_add(s, "user", "Weather?", NULL) == MN_OK, "add");
    o.schema = "{\"type\":\"boolean\"}";
    o.tool_choice = step[i].choice;
    int st = mn_generate(s, &o, &g, &err);
    TAP_OK(st == step[i].status, "a schema with the choice %s: %d %s", step[i].choice, st, err.text);
    TAP_OK(st == MN_OK || strstr(err.text, "cannot call tools") != NULL, "said: %s", err.text);
  }
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- words and calls ---- */

typedef struct shown {
  base_buf text;
} shown;

static bool show(void *ctx, const mn_token *t) {
  base_buf_add(&((shown *)ctx)->text, t->text, t->text_len);
  return true;
}

/* The trigger is a control token here, which random weights write now and then. */
static void test_auto(void) {
  mn_model *m = NULL;
  mn_session *s = open_session(&m, MISTRAL);
  uint32_t wrong = 0, called = 0, words = 0, cut = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    mn_generate_options o;
    mn_generated g;
    mn_error err = {0};
    shown w = {0};
    options(&o, &g, seed);
    mn_session_remove(s, 0, 100);
    TAP_OK(mn_session_add(s, "user", "Weather?", NULL) == MN_OK, "add");
    o.temperature = 3.0f;
    o.max_tokens = 200;
    o.single_call = true;
    o.token = show;
    o.ctx = &w;
    int st = mn_generate(s, &o, &g, &err);
    cut += st == MN_ELIMIT;
    if (st != MN_OK && st != MN_ELIMIT) wrong++;
    base_slice seen = base_slice_trim((base_slice){w.text.ptr, w.text.len}), said = base_slice_trim((base_slice){g.text, g.text_len});
    if (st == MN_OK && !base_slice_equal(seen, said)) wrong++;
    if (st == MN_OK && !base_utf8_valid(g.text, g.text_len)) wrong++;
    if (st == MN_OK && g.n_calls > 0) called += g.finish == MN_FINISH_TOOL_CALLS && calls_fit(&g) && g.text_len > 0;
    if (st == MN_OK && g.n_calls == 0) words += g.finish != MN_FINISH_TOOL_CALLS && g.text_len > 0;
    const mn_tool_call *kept = NULL;
    if (st == MN_OK && mn_session_calls(s, 1, &kept) != g.n_calls) wrong++;
    base_buf_free(&w.text);
  }
  TAP_OK(wrong == 0 && called > 2 && words > 2, "%u wrong, %u called, %u words, %u cut", wrong, called, words, cut);
  printf("# auto: %u called, %u in words, %u cut in a call\n", called, words, cut);
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- a round trip ---- */

static void test_round_trip(size_t family) {
  mn_model *m = NULL;
  mn_session *s = open_session(&m, family);
  mn_generate_options o;
  mn_generated g;
  mn_error err = {0};
  char result[160], path[64];
  options(&o, &g, 3);
  o.tool_choice = "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}";
  o.single_call = true;
  TAP_OK(mn_session_add_json(s, "{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"Be\"},{\"type\":\"text\",\"text\":\" brief.\"}]}", &err) == MN_OK, "%s", err.text);
  TAP_OK(strcmp(mn_session_role(s, 0), "system") == 0 && strcmp(mn_session_content(s, 0), "Be brief.") == 0, "parts are put together");
  TAP_OK(mn_session_add(s, "user", "Weather in Oslo?", &err) == MN_OK, "%s", err.text);
  TAP_OK(mn_generate(s, &o, &g, &err) == MN_OK && g.n_calls == 1 && strcmp(g.calls[0].name, "get_weather") == 0, "%s: %s: %s", families[family].name, err.where, err.text);
  /* all but the arguments is without a choice; a token before a choice is left to the model */
  TAP_OK(g.forced_tokens * 3 > g.generated_tokens, "%u of %u forced", g.forced_tokens, g.generated_tokens);
  (void)base_format(result, sizeof result, "{\"role\":\"tool\",\"tool_call_id\":\"%s\",\"content\":\"4 degrees\"}", g.n_calls > 0 ? g.calls[0].id : "");
  /* where the template writes the arguments anew, their spaces may differ from what random weights wrote */
  uint32_t read = g.prompt_tokens + (family >= PLAIN - 1 ? g.generated_tokens - 12 : 0);
  TAP_OK(mn_session_add_json(s, result, &err) == MN_OK, "%s", err.text);
  o.tool_choice = "none";
  o.max_tokens = 5;
  mn_generated_init(&g);
  (void)base_format(path, sizeof path, "%s/talk.jsonl", folder);
  TAP_OK(mn_session_save(s, path, &err) == MN_OK && mn_session_load(s, path, &err) == MN_OK, "%s", err.text);
  const mn_tool_call *calls = NULL;
  TAP_OK(mn_session_messages(s) == 4 && mn_session_calls(s, 2, &calls) == 1 && call_fits(calls), "saved and loaded");
  o.tool_choice = NULL; /* with the tools the prompt begins as before */
  int st = mn_generate(s, &o, &g, &err);
  TAP_OK(st == MN_OK && mn_session_messages(s) == 5, "%s: %s", err.where, err.text);
  TAP_OK(g.cached_tokens >= read, "%s: %u of %u tokens were kept, %u had been read", families[family].name, g.cached_tokens, g.prompt_tokens, read);
  (void)os_remove(path, NULL);
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- response formats ---- */

static void test_formats(void) {
  mn_model *m = NULL;
  mn_session *s = open_session(&m, PLAIN);
  mn_generate_options o;
  mn_generated g;
  mn_error err = {0};
  TAP_OK(mn_session_tools(s, NULL, &err) == MN_OK && mn_session_add(s, "user", "A colour?", &err) == MN_OK, "%s", err.text);
  options(&o, &g, 1);
  o.response_format = "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"c\",\"strict\":true,\"schema\":{\"type\":\"object\",\"properties\":{\"c\":{\"enum\":[\"red\",\"blue\"]}},"
                      "\"required\":[\"c\"],\"additionalProperties\":false}}}";
  TAP_OK(mn_generate(s, &o, &g, &err) == MN_OK && (strcmp(g.text, "{\"c\": \"red\"}") == 0 || strcmp(g.text, "{\"c\": \"blue\"}") == 0), "%s: %s", err.text, g.text);
  o.response_format = "{\"type\":\"text\"}";
  o.max_tokens = 4;
  TAP_OK(mn_generate(s, &o, &g, &err) == MN_OK && g.generated_tokens == 4, "%s", err.text);
  o.response_format = "{\"type\":\"json_object\"}";
  o.max_tokens = 0;
  uint32_t objects = 0;
  for (o.seed = 0; o.seed < 20; o.seed++) objects += mn_generate(s, &o, &g, NULL) == MN_OK && g.text[0] == '{' && g.text[g.text_len - 1] == '}';
  TAP_OK(objects > 0, "%u of 20 are objects", objects);
  static const char *const wrong[] = {"{\"type\":\"yaml\"}", "{\"type\":\"json_schema\"}", "[]", "{\"type\":\"json_schema\",\"json_schema\":{}}"};
  for (size_t i = 0; i < 4; i++) {
    o.response_format = wrong[i];
    err = (mn_error){0};
    TAP_OK(mn_generate(s, &o, &g, &err) == MN_EARGUMENT && strncmp(err.where, "response_format", 15) == 0, "%s: %s: %s", wrong[i], err.where, err.text);
  }
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- what is refused ---- */

#define F(inner) "[{\"type\":\"function\",\"function\":{" inner "}}]"
static const struct refusal {
  const char *tools, *where;
  int status;
} refusals[] = {
    {"{", "tools", MN_EFORMAT}, {"{}", "tools", MN_EARGUMENT}, {"[1]", "tools[0]", MN_EARGUMENT}, {"[{\"type\":\"retrieval\"}]", "tools[0].type", MN_EARGUMENT},
    {"[{\"type\":\"function\"}]", "tools[0].function", MN_EARGUMENT}, {F("\"name\":\"\""), "tools[0].function.name", MN_EARGUMENT},
    {F("\"name\":\"a b\""), "tools[0].function.name", MN_EARGUMENT}, {F("\"name\":7"), "tools[0].function.name", MN_EARGUMENT},
    {F("\"name\":\"a\",\"parameters\":{\"type\":\"string\"}"), "tools[0].function.parameters", MN_EARGUMENT},
    {F("\"name\":\"a\",\"parameters\":true"), "tools[0].function.parameters", MN_EARGUMENT},
    {F("\"name\":\"a\",\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"pattern\":\"(\"}}}"), "", MN_EFORMAT},
    {F("\"name\":\"a\",\"description\":3"), "tools[0].function.description", MN_EARGUMENT},
    {"[{\"type\":\"function\",\"function\":{\"name\":\"a\"}},{\"type\":\"function\",\"function\":{\"name\":\"a\"}}]", "tools[1].function.name", MN_EARGUMENT}};

static void test_refusals(void) {
  static const struct refusal choices[] = {
      {"maybe", "tool_choice", MN_EARGUMENT}, {"{\"type\":\"function\",\"function\":{\"name\":\"fly\"}}", "tool_choice", MN_ENOTFOUND}, {"{\"type\":\"function\"}", "tool_choice", MN_EARGUMENT},
      {"{", "tool_choice", MN_EFORMAT}, {"{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[]}}", "tool_choice", MN_EARGUMENT}};
  static const struct refusal messages[] = {
      {"7", "message", MN_EFORMAT}, {"[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\"}]", "messages[1]", MN_EFORMAT}, {"{\"role\":\"robot\",\"content\":\"x\"}", "message", MN_EFORMAT}, {"{\"role\":\"user\",\"content\":5}", "message", MN_EFORMAT},
      {"{\"role\":\"user\",\"content\":\"\",\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"a\",\"arguments\":\"{}\"}}]}", "message", MN_EFORMAT},
      {"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"a\",\"arguments\":\"[]\"}}]}", "message", MN_EFORMAT},
      {"{\"role\":\"assistant\",\"tool_calls\":7}", "message", MN_EFORMAT}, {"{\"role\":\"user\",\"content\":\"a\\u0000b\"}", "message", MN_EFORMAT}};
  mn_model *m = NULL;
  mn_session *s = open_session(&m, 0);
  mn_generate_options o;
  mn_generated g;
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    mn_error err = {0};
    int st = mn_session_tools(s, refusals[i].tools, &err);
    TAP_OK(st == refusals[i].status && strncmp(err.where, refusals[i].where, strlen(refusals[i].where)) == 0 && err.text[0] != '\0', "%s: %d: %s: %s", refusals[i].tools, st, err.where, err.text);
  }
  TAP_OK(mn_session_add(s, "user", "x", NULL) == MN_OK, "the tools of before are still there");
  options(&o, &g, 1);
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
    mn_error err = {0};
    o.tool_choice = choices[i].tools;
    int st = mn_generate(s, &o, &g, &err);
    TAP_OK(st == choices[i].status && strcmp(err.where, choices[i].where) == 0, "%s: %d: %s: %s", choices[i].tools, st, err.where, err.text);
  }
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
    mn_error err = {0};
    int st = mn_session_add_json(s, messages[i].tools, &err);
    TAP_OK(st == messages[i].status && mn_session_messages(s) == 1, "%s: %d: %s: %s", messages[i].tools, st, err.where, err.text);
  }
  o.tool_choice = "required";
  o.max_tokens = 3;
  TAP_OK(mn_generate(s, &o, &g, NULL) == MN_ELIMIT && mn_session_messages(s) == 1, "a call that is cut is no answer");
  o.tool_choice = NULL;
  o.regex = "a+";
  TAP_OK(mn_generate(s, &o, &g, NULL) == MN_EARGUMENT, "a rule and tools");
  TAP_OK(mn_session_tools(s, "[]", NULL) == MN_OK, "no tools");
  o.regex = NULL;
  o.tool_choice = "required";
  TAP_OK(mn_generate(s, &o, &g, NULL) == MN_EARGUMENT, "a call is required and there are no tools");
  mn_session_close(s);
  mn_model_close(m);
}

int main(void) {
  base_error err = {0};
  if (mkdtemp(folder) == NULL) return 1;
  (void)base_format(tools_json, sizeof tools_json, TOOLS("%s", "%s"), schemas[0], schemas[1]);
  for (size_t i = 0; i < FAMILIES; i++) {
    (void)base_format(model_path[i], sizeof model_path[i], "%s/%s.gguf", folder, families[i].name);
    TAP_OK(tiny_lm_write_with(model_path[i], 1, families[i].template, 2048, &err) == BASE_OK, "model: %s", err.text);
  }
  for (size_t i = 0; i < FAMILIES; i++) test_required(i);
  for (size_t i = 0; i < FAMILIES; i++) test_round_trip(i);
  test_schema_beside_tools();
  test_auto();
  test_formats();
  test_refusals();
  for (size_t i = 0; i < FAMILIES; i++) (void)os_remove(model_path[i], NULL);
  TAP_OK(os_remove(folder, NULL) == BASE_OK, "the folder is empty");
  return tap_done("test_tools");
}
