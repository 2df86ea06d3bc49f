/* minnow generate: goes on from a text, token by token. The text goes to stdout as it comes; a summary to
 * stderr. With --json one object at the end: with messages, tools or a response format OpenAI's. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { MAX_PROMPT = 64 << 20, DEFAULT_TOKENS = 256 };

typedef struct generating {
  cli_model model;
  const char *prompt, *prompt_file, *system;
  bool json, chat, raw, special, ignore_end, shift, quiet;
  uint32_t logprobs, deadline_ms;
  const char *schema_file, *grammar_file, *regex;
  const char *messages_file, *tools_file, *tool_choice, *format_file;
  bool single_call, schema_order;
  const char *order;
  base_buf schema, messages, tools, format;
  bool wants_logprobs;
  cli_list stops;
  /* running */
  cli_bar bar;
  base_buf tokens; /* JSON, with --logprobs */
  bool shown;      /* text is on stdout */
} generating;

/* ---- the prompt ---- */

static int fail_reading(const char *where, const char *text) {
  mn_error err = {.code = MN_EIO};
  (void)base_format(err.where, sizeof err.where, "%s", where);
  (void)base_format(err.text, sizeof err.text, "%s", text);
  return cli_fail(&err);
}

static int read_stdin(base_buf *out) {
  char chunk[4096];
  size_t n;
  while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
    base_buf_add(out, chunk, n);
    if (out->len > MAX_PROMPT) return fail_reading("stdin", "the prompt is longer than 64 MB");
  }
  return ferror(stdin) != 0 || out->failed ? fail_reading("stdin", "the prompt could not be read") : CLI_GO;
}

/* One source: -p, a file, words, or stdin. */
static int read_prompt(const generating *g, const cli_list *words, base_buf *out) {
  base_error err = {0};
  base_buf_puts(out, "");
  if ((g->prompt != NULL) + (g->prompt_file != NULL) + (words->n > 0) > 1)
    return cli_usage("generate", "the prompt is given twice", NULL);
  if (g->prompt != NULL) base_buf_puts(out, g->prompt);
  else if (g->prompt_file != NULL && os_read_file(g->prompt_file, MAX_PROMPT, out, &err))
    return fail_reading(err.where, err.text);
  for (size_t i = 0; i < words->n; i++) base_buf_printf(out, "%s%s", i > 0 ? " " : "", words->item[i]);
  if (g->prompt == NULL && g->prompt_file == NULL && words->n == 0 && g->messages_file == NULL) return read_stdin(out);
  return CLI_GO;
}

/* The files of rules, tools and messages; one rule at most. */
static int read_files(generating *g) {
  const char *file = g->schema_file != NULL ? g->schema_file : g->grammar_file;
  if ((g->schema_file != NULL) + (g->grammar_file != NULL) + (g->regex != NULL) + (g->format_file != NULL) > 1)
    return cli_usage("generate", "--schema, --grammar, --regex and --response-format exclude each other", NULL);
  int status = file != NULL ? cli_read_text(file, &g->schema) : CLI_GO;
  if (status == CLI_GO && g->format_file != NULL) status = cli_read_text(g->format_file, &g->format);
  if (status == CLI_GO && g->tools_file != NULL) status = cli_read_text(g->tools_file, &g->tools);
  if (status == CLI_GO && g->messages_file != NULL) status = cli_read_text(g->messages_file, &g->messages);
  return status;
}

/* ---- output ---- */

static void put_prob(base_buf *b, uint32_t id, base_slice text, float logprob) {
  base_buf_printf(b, "{\"id\":%u,\"text\":", id);
  base_buf_json(b, text);
  base_buf_printf(b, ",\"logprob\":%.6f", (double)logprob);
}

static void add_logprobs(base_buf *b, const mn_token *t) {
  if (b->len > 0) base_buf_putc(b, ',');
  put_prob(b, t->id, (base_slice){t->text, t->text_len}, t->logprob);
  base_buf_puts(b, ",\"top\":[");
  for (size_t i = 0; i < t->n_top; i++) {
    if (i > 0) base_buf_putc(b, ',');
    put_prob(b, t->top[i].id, (base_slice){t->top[i].text, t->top[i].text_len}, t->top[i].logprob);
    base_buf_putc(b, '}');
  }
  base_buf_puts(b, "]}");
}

static bool on_token(void *ctx, const mn_token *t) {
  generating *g = ctx;
  cli_bar_clear(&g->bar);
  if (t->has_logprob) add_logprobs(&g->tokens, t);
  if (!g->json) {
    cli_put_text((base_slice){t->text, t->text_len});
    g->shown |= t->text_len > 0;
    if (t->text_len > 0 && fflush(stdout) != 0) return false; /* nobody reads any more */
  }
  return !os_interrupted();
}

static bool on_progress(void *ctx, uint32_t done, uint32_t total) {
  generating *g = ctx;
  cli_bar_draw(&g->bar, (double)done / (double)total);
  return !os_interrupted();
}

static void put_json(const generating *g, const mn_generated *r) {
  base_buf b = {0};
  base_buf_puts(&b, "{\"text\":");
  base_buf_json(&b, (base_slice){r->text, r->text_len});
  base_buf_printf(&b, ",\"finish\":\"%s\",\"prompt_tokens\":%u,\"cached_tokens\":%u,\"generated_tokens\":%u",
                  r->finish_name, r->prompt_tokens, r->cached_tokens, r->generated_tokens);
  base_buf_printf(&b, ",\"drafted_tokens\":%u,\"accepted_tokens\":%u,\"forced_tokens\":%u,\"attempts\":%u",
                  r->drafted_tokens, r->accepted_tokens, r->forced_tokens, r->attempts);
  base_buf_printf(&b, ",\"timings_us\":{\"prompt\":%llu,\"generate\":%llu}", (unsigned long long)r->prompt_us,
                  (unsigned long long)r->generate_us);
  if (g->wants_logprobs) base_buf_printf(&b, ",\"tokens\":[%s]", g->tokens.len > 0 ? g->tokens.ptr : "");
  base_buf_puts(&b, "}");
  puts(b.ptr != NULL ? b.ptr : "");
  base_buf_free(&b);
}

/* Calls for a person: one a line, as a name and an object. */
static void put_calls(const mn_generated *r) {
  base_buf b = {0};
  for (size_t i = 0; i < r->n_calls; i++) {
    base_buf_printf(&b, "%s%s(%s)", i > 0 || r->text_len > 0 ? "\n" : "", r->calls[i].name, r->calls[i].arguments);
  }
  cli_put_text((base_slice){b.ptr, b.len});
  base_buf_free(&b);
}

static double per_second(uint32_t n, uint64_t us) { return us > 0 ? (double)n * 1e6 / (double)us : 0.0; }

static void put_summary(const mn_generated *r) {
  uint32_t fresh = r->prompt_tokens - r->cached_tokens, later = r->generated_tokens > 0 ? r->generated_tokens - 1 : 0;
  fprintf(stderr, "minnow: prompt %u tokens", r->prompt_tokens);
  if (r->cached_tokens > 0) fprintf(stderr, " (%u kept from before)", r->cached_tokens);
  fprintf(stderr, " in %.1f ms, %.0f/s; %u generated in %.1f ms, %.1f/s", (double)r->prompt_us / 1000.0,
          per_second(fresh, r->prompt_us), r->generated_tokens, (double)r->generate_us / 1000.0,
          per_second(later, r->generate_us));
  if (r->forced_tokens > 0) fprintf(stderr, ", %u of them without a choice", r->forced_tokens);
  if (r->attempts > 1) fputs("; the first answer did not fit", stderr);
  if (r->drafted_tokens > 0) fprintf(stderr, "; %u of %u guesses right", r->accepted_tokens, r->drafted_tokens);
  fprintf(stderr, "; ended by %s\n", r->finish_name);
}

static void put_result(const generating *g, mn_model *m, const mn_generated *r) {
  mn_model_info i;
  mn_model_info_init(&i);
  if (g->json && g->chat && (g->tools_file != NULL || g->messages_file != NULL || g->format_file != NULL)) {
    (void)mn_model_about(m, &i, NULL);
    cli_put_completion(r, i.name != NULL && i.name[0] != '\0' ? i.name : g->model.file, os_unix_seconds());
  } else if (g->json) {
    put_json(g, r);
  } else {
    put_calls(r);
    putchar('\n');
  }
  (void)fflush(stdout);
  if (!g->quiet) put_summary(r);
}

/* ---- running ---- */

static int set_messages(const generating *g, mn_session *s, const base_buf *prompt, mn_generate_options *o) {
  mn_error err = {0};
  if (!g->chat) {
    o->prompt = prompt->ptr;
    o->prompt_len = prompt->len;
    return CLI_GO;
  }
  if (strlen(prompt->ptr) != prompt->len) return fail_reading("prompt", "a message cannot contain a 0 byte");
  if (g->system != NULL && mn_session_add(s, "system", g->system, &err) != MN_OK) return cli_fail(&err);
  if (g->tools_file != NULL && mn_session_tools(s, g->tools.ptr, &err) != MN_OK) return cli_fail(&err);
  if (g->messages_file != NULL && mn_session_add_json(s, g->messages.ptr, &err) != MN_OK) return cli_fail(&err);
  if (g->messages_file != NULL && prompt->len == 0) return CLI_GO;
  return mn_session_add(s, "user", prompt->ptr, &err) == MN_OK ? CLI_GO : cli_fail(&err);
}

static int generate(generating *g, mn_model *m, const base_buf *prompt) {
  mn_generate_options o;
  mn_generated r;
  mn_error err = {0};
  mn_session *s = NULL;
  if (mn_session_open(&s, m, &err) != MN_OK) return cli_fail(&err);
  mn_generate_options_init(&o);
  mn_generated_init(&r);
  cli_model_sampling(&g->model, &o);
  o.special = g->special;
  o.stops = g->stops.item;
  o.n_stops = g->stops.n;
  o.ignore_end = g->ignore_end;
  o.shift = g->shift;
  o.logprobs = g->wants_logprobs;
  o.n_top = g->logprobs;
  o.regex = g->regex;
  if (g->schema_file != NULL) o.schema = g->schema.ptr;
  if (g->grammar_file != NULL) o.grammar = g->schema.ptr;
  if (g->format_file != NULL) o.response_format = g->format.ptr;
  o.tool_choice = g->tool_choice;
  o.single_call = g->single_call;
  o.schema_order = g->schema_order;
  o.deadline_ms = g->deadline_ms;
  o.token = on_token;
  o.progress = on_progress;
  o.ctx = g;
  g->bar = cli_bar_start("reading");
  int status = set_messages(g, s, prompt, &o);
  if (status == CLI_GO && cli_model_generate(s, &o, &r, &err) != MN_OK) {
    if (g->shown) puts("");
    (void)fflush(stdout);
    status = cli_fail(&err);
  }
  cli_bar_clear(&g->bar);
  if (status == CLI_GO) {
    put_result(g, m, &r);
    status = r.finish == MN_FINISH_CANCELLED ? CLI_FAILED : CLI_DONE;
  }
  mn_session_close(s);
  base_buf_free(&g->tokens);
  return status;
}

static int check(generating *g, const char *logprobs) {
  int64_t n = 0;
  if (g->messages_file != NULL || g->tools_file != NULL) g->chat = true;
  if (g->raw && g->chat)
    return cli_usage("generate", "--raw and messages (--chat, --messages, --tools) exclude each other", NULL);
  if (g->system != NULL && !g->chat) return cli_usage("generate", "--system needs --chat", NULL);
  if (g->tools_file == NULL && (g->tool_choice != NULL || g->single_call))
    return cli_usage("generate", "--tool-choice and --single-call need --tools", NULL);
  if (g->order != NULL && strcmp(g->order, "schema") != 0 && strcmp(g->order, "any") != 0)
    return cli_usage("generate", "--order is schema or any, not", g->order);
  if (g->order != NULL && g->schema_file == NULL && g->tools_file == NULL && g->format_file == NULL)
    return cli_usage("generate", "--order needs --schema, --tools or --response-format", NULL);
  g->schema_order = g->order != NULL && strcmp(g->order, "schema") == 0;
  if (logprobs == NULL) return CLI_GO;
  if (!base_parse_int(base_slice_of(logprobs), &n) || n < 0 || n > 20)
    return cli_usage("generate", "--logprobs takes 0 to 20, not", logprobs);
  if (!g->json) return cli_usage("generate", "--logprobs needs --json", NULL);
  g->wants_logprobs = true;
  g->logprobs = (uint32_t)n;
  return CLI_GO;
}

int cli_generate(int argc, char **argv) {
  generating g = {0};
  const char *logprobs = NULL;
  cli_list words;
  base_buf prompt = {0};
  mn_model *m = NULL;
  cli_option options[CLI_MODEL_OPTIONS + 25];
  size_t n = cli_model_options(&g.model, "generate", options);
  g.model.max_tokens = DEFAULT_TOKENS;
  const cli_option more[] = {
      {"-p", CLI_TEXT, &g.prompt, "TEXT", "the prompt; otherwise the words, otherwise stdin"},
      {"--prompt-file", CLI_TEXT, &g.prompt_file, "FILE", "the prompt from a file"},
      {"--chat", CLI_SWITCH, &g.chat, NULL, "the prompt is a message: put it into the model's chat template"},
      {"--system", CLI_TEXT, &g.system, "TEXT", "with --chat: the system message"},
      {"--raw", CLI_SWITCH, &g.raw, NULL, "the prompt is text as it is (the default)"},
      {"--special", CLI_SWITCH, &g.special, NULL, "names of control tokens in the prompt are those tokens"},
      {"--stop", CLI_LIST, &g.stops, "TEXT", "end before this text; may be given up to 16 times"},
      {"--schema", CLI_TEXT, &g.schema_file, "FILE", "the answer is a JSON document that fits this JSON Schema"},
      {"--order", CLI_TEXT, &g.order, "ORDER",
       "of properties under a schema: any (the default), or schema: as it lists them"},
      {"--grammar", CLI_TEXT, &g.grammar_file, "FILE", "the answer fits this grammar (GBNF)"},
      {"--regex", CLI_TEXT, &g.regex, "R", "the answer matches this regular expression (ECMA-262)"},
      {"--messages", CLI_TEXT, &g.messages_file, "FILE",
       "the conversation so far, a JSON array as OpenAI's API has it"},
      {"--tools", CLI_TEXT, &g.tools_file, "FILE", "functions that the model may call, as OpenAI's API has them"},
      {"--tool-choice", CLI_TEXT, &g.tool_choice, "C",
       "auto, none, required, or OpenAI's object that names a function"},
      {"--single-call", CLI_SWITCH, &g.single_call, NULL, "one call at most (parallel_tool_calls false)"},
      {"--response-format", CLI_TEXT, &g.format_file, "FILE", "what the answer is, as OpenAI's API has it"},
      {"--ignore-end", CLI_SWITCH, &g.ignore_end, NULL, "go on when the model ends its answer"},
      {"--shift", CLI_SWITCH, &g.shift, NULL, "when the context is full, forget its older half and go on"},
      {"--deadline-ms", CLI_COUNT, &g.deadline_ms, "MS", "end after so long"},
      {"--json", CLI_SWITCH, &g.json, NULL, "one JSON object at the end (docs/generate.md)"},
      {"--logprobs", CLI_TEXT, &logprobs, "N", "with --json: log-probabilities, and those of the N likeliest tokens"},
      {"--quiet", CLI_SWITCH, &g.quiet, NULL, "no summary on stderr"},
  };
  memcpy(options + n, more, sizeof more);
  n += sizeof more / sizeof more[0];
  int status = cli_parse("generate", options, n, argc, argv, &words);
  if (status == CLI_GO) status = check(&g, logprobs);
  if (status == CLI_GO && g.model.file == NULL) status = cli_usage("generate", "-m FILE says which model", NULL);
  if (status == CLI_GO) status = read_prompt(&g, &words, &prompt);
  if (status == CLI_GO) status = read_files(&g);
  if (status == CLI_GO) os_catch_interrupts();
  if (status == CLI_GO) status = cli_model_open(&g.model, &m);
  if (status == CLI_GO) status = generate(&g, m, &prompt);
  mn_model_close(m);
  base_buf_free(&prompt);
  base_buf_free(&g.schema);
  base_buf_free(&g.format);
  base_buf_free(&g.tools);
  base_buf_free(&g.messages);
  return status;
}
