/* minnow chat: a conversation with a language model. Each turn reads only what is new; Ctrl-C ends the answer and
 * not the program; when the conversation outgrows the context its oldest turns are forgotten, which is said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* RESERVE: the share of the context that is kept for the answer, one over it. */
enum { RESERVE = 4, PATH_BYTES = 1024 };

typedef struct chatting {
  cli_model model;
  base_buf system; /* what the model is told first; may be empty */
  const char *tools_file;
  base_buf tools;  /* functions that it may call */
  cli_line *line;
  mn_model *m;
  mn_session *s;
  uint32_t context;
  uint64_t seed, turn;
  cli_bar bar;
  bool person; /* stdin is a terminal */
  base_buf input;
} chatting;

/* ---- what is said about the conversation ---- */

static void note(const char *text) { printf("%s%s%s\n", cli_dim(), text, cli_plain()); }

static int tell(const mn_error *err) {
  (void)fflush(stdout);
  return cli_fail(err);
}

static bool has_system(const mn_session *s) {
  const char *role = mn_session_role(s, 0);
  return role != NULL && strcmp(role, "system") == 0;
}

/* ---- answering ---- */

static bool on_token(void *ctx, const mn_token *t) {
  chatting *c = ctx;
  cli_bar_clear(&c->bar);
  cli_put_text((base_slice){t->text, t->text_len});
  if (t->text_len > 0 && fflush(stdout) != 0) return false;
  return !os_interrupted();
}

static bool on_progress(void *ctx, uint32_t done, uint32_t total) {
  chatting *c = ctx;
  cli_bar_draw(&c->bar, (double)done / (double)total);
  return !os_interrupted();
}

/* Takes out the oldest turn: its question and what came up to the next one. False when only one is left. */
static bool forget_oldest(mn_session *s) {
  size_t first = has_system(s) ? 1 : 0, end = first + 1, n = mn_session_messages(s);
  while (end < n && strcmp(mn_session_role(s, end), "user") != 0) end++;
  if (end >= n) return false;
  mn_session_remove(s, first, end - first);
  return true;
}

static int make_room(chatting *c) {
  mn_error err = {0};
  size_t n = 0, before = mn_session_messages(c->s);
  for (;;) {
    if (mn_session_tokens(c->s, &n, &err) != MN_OK) return tell(&err);
    if (n < c->context - c->context / RESERVE || !forget_oldest(c->s)) break;
  }
  size_t gone = before - mn_session_messages(c->s);
  if (gone > 0)
    printf("%s(the conversation fills the context of %u tokens: the oldest %zu messages are forgotten)%s\n", cli_dim(),
           c->context, gone, cli_plain());
  return CLI_GO;
}

static void close_answer(const chatting *c, const mn_generated *g) {
  if (g->n_calls > 0 && g->text_len == 0) return;
  if (g->text_len == 0 || g->text[g->text_len - 1] != '\n') putchar('\n');
  if (g->finish == MN_FINISH_CANCELLED) note("(stopped)");
  if (g->finish == MN_FINISH_LENGTH) note("(cut: -n tokens; say \"go on\")");
  if (g->finish == MN_FINISH_CONTEXT) note("(cut: the context is full; the oldest messages will be forgotten)");
  if (c->person)
    printf("%s%u of %u tokens read, %u written in %.1f s%s\n\n", cli_dim(), g->prompt_tokens - g->cached_tokens,
           g->prompt_tokens, g->generated_tokens, (double)(g->prompt_us + g->generate_us) / 1e6, cli_plain());
  (void)fflush(stdout);
}

static int answer_once(chatting *c, size_t *n_calls) {
  mn_generate_options o;
  mn_generated g;
  mn_error err = {0};
  int status = make_room(c);
  if (status != CLI_GO) return status;
  mn_generate_options_init(&o);
  mn_generated_init(&g);
  cli_model_sampling(&c->model, &o);
  o.cache = NULL; /* it keeps the system message, not what people say */
  o.seed = c->seed + c->turn++;
  o.token = on_token;
  o.progress = on_progress;
  o.ctx = c;
  c->bar = cli_bar_start("reading");
  os_clear_interrupt();
  int st = cli_model_generate(c->s, &o, &g, &err);
  cli_bar_clear(&c->bar);
  os_clear_interrupt();
  if (st != MN_OK) {
    mn_session_remove(c->s, mn_session_messages(c->s) - 1, 1); /* the question that has no answer */
    return tell(&err);
  }
  close_answer(c, &g);
  *n_calls = g.n_calls;
  return CLI_GO;
}

/* Shows a call and takes its result from the person. False: there is none. */
static bool take_result(chatting *c, const mn_tool_call *call) {
  base_buf json = {0};
  base_slice text;
  mn_error err = {0};
  cli_put_text(base_slice_of(call->name));
  putchar('(');
  cli_put_text(base_slice_of(call->arguments));
  puts(")");
  (void)fflush(stdout);
  bool there = cli_line_read(c->line, "result: ", &text) == CLI_LINE_DONE;
  base_buf_puts(&json, "{\"role\":\"tool\",\"tool_call_id\":");
  base_buf_json(&json, base_slice_of(call->id));
  base_buf_puts(&json, ",\"content\":");
  base_buf_json(&json, text);
  base_buf_puts(&json, "}");
  there = there && !json.failed && mn_session_add_json(c->s, json.ptr, &err) == MN_OK;
  base_buf_free(&json);
  return there;
}

/* The results of all calls of the last message. */
static bool take_results(chatting *c, size_t n_calls) {
  const mn_tool_call *calls;
  size_t at = mn_session_messages(c->s) - 1;
  for (size_t i = 0; i < n_calls; i++)
    if (mn_session_calls(c->s, at, &calls) <= i || !take_result(c, &calls[i])) return false;
  return true;
}

/* An answer, with results of the functions that it calls, until it calls none. */
static int answer(chatting *c) {
  size_t n_calls = 0, before = mn_session_messages(c->s);
  int status = answer_once(c, &n_calls);
  while (status == CLI_GO && n_calls > 0) {
    if (!take_results(c, n_calls)) {
      if (before <= mn_session_messages(c->s))
        mn_session_remove(c->s, before - 1, mn_session_messages(c->s) - before + 1);
      note("(a call without a result: the question is taken back)");
      return CLI_GO;
    }
    status = answer_once(c, &n_calls);
  }
  return status;
}

/* Reads the system message now, from the cache file when there is one. */
static int prepare(chatting *c) {
  mn_generate_options o;
  mn_error err = {0};
  if (c->system.len == 0) return CLI_GO;
  mn_generate_options_init(&o);
  o.cache = c->model.cache;
  o.progress = on_progress;
  o.ctx = c;
  c->bar = cli_bar_start("reading");
  int st = mn_session_prepare(c->s, &o, NULL, &err);
  cli_bar_clear(&c->bar);
  return st == MN_OK ? CLI_GO : tell(&err);
}

static int start_over(chatting *c) {
  mn_error err = {0};
  mn_session_remove(c->s, 0, mn_session_messages(c->s));
  if (c->system.len == 0) return CLI_GO;
  return mn_session_add(c->s, "system", c->system.ptr, &err) == MN_OK ? CLI_GO : tell(&err);
}

/* ---- commands ---- */

static int reset(chatting *c, const char *rest) {
  (void)rest;
  int status = start_over(c);
  if (status == CLI_GO) note("(a new conversation)");
  return status;
}

static int set_system(chatting *c, const char *rest) {
  base_buf_clear(&c->system);
  base_buf_puts(&c->system, rest);
  int status = reset(c, "");
  return status == CLI_GO ? prepare(c) : status;
}

static int undo(chatting *c, const char *rest) {
  size_t n = mn_session_messages(c->s), first = has_system(c->s) ? 1 : 0;
  (void)rest;
  if (n <= first) return note("(there is nothing to take back)"), CLI_GO;
  while (n > first && strcmp(mn_session_role(c->s, n - 1), "user") != 0) n--;
  mn_session_remove(c->s, n - 1, mn_session_messages(c->s) - n + 1);
  note("(taken back)");
  return CLI_GO;
}

static int again(chatting *c, const char *rest) {
  size_t n = mn_session_messages(c->s);
  (void)rest;
  while (n > 0 && strcmp(mn_session_role(c->s, n - 1), "assistant") == 0) mn_session_remove(c->s, --n, 1);
  if (n == 0 || strcmp(mn_session_role(c->s, n - 1), "user") != 0)
    return note("(there is no question to answer)"), CLI_GO;
  return answer(c);
}

static int save(chatting *c, const char *rest) {
  mn_error err = {0};
  if (rest[0] == '\0') return note("(/save FILE says where to)"), CLI_GO;
  if (mn_session_save(c->s, rest, &err) != MN_OK) return tell(&err);
  printf("%s(%zu messages in %s)%s\n", cli_dim(), mn_session_messages(c->s), rest, cli_plain());
  return CLI_GO;
}

static int load(chatting *c, const char *rest) {
  mn_error err = {0};
  if (rest[0] == '\0') return note("(/load FILE says where from)"), CLI_GO;
  if (mn_session_load(c->s, rest, &err) != MN_OK) return tell(&err);
  printf("%s(%zu messages)%s\n", cli_dim(), mn_session_messages(c->s), cli_plain());
  return CLI_GO;
}

static int help(chatting *c, const char *rest) {
  (void)c;
  (void)rest;
  puts(cli_notes("chat"));
  return CLI_GO;
}

static int quit(chatting *c, const char *rest) {
  (void)c;
  (void)rest;
  return CLI_DONE;
}

static int command(chatting *c, const char *line) {
  static const struct {
    const char *name;
    int (*run)(chatting *c, const char *rest);
  } commands[] = {{"/reset", reset}, {"/system", set_system}, {"/undo", undo}, {"/again", again}, {"/save", save},
                  {"/load", load},   {"/help", help},         {"/quit", quit}, {"/exit", quit}};
  size_t len = strcspn(line, " ");
  const char *rest = line + len + strspn(line + len, " ");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strlen(commands[i].name) == len && strncmp(commands[i].name, line, len) == 0) return commands[i].run(c, rest);
  printf("%s(there is no command %.*s; /help lists them)%s\n", cli_dim(), (int)(len < 40 ? len : 40), line,
         cli_plain());
  return CLI_GO;
}

/* ---- the loop ---- */

static int say(chatting *c) {
  mn_error err = {0};
  base_slice text = base_slice_trim((base_slice){c->input.ptr, c->input.len});
  if (text.len == 0) return CLI_GO;
  if (strlen(c->input.ptr) != c->input.len) return note("(a message cannot contain a 0 byte)"), CLI_GO;
  if (text.ptr[0] == '/') {
    c->input.ptr[text.ptr + text.len - c->input.ptr] = '\0';
    return command(c, text.ptr);
  }
  if (mn_session_add(c->s, "user", c->input.ptr, &err) != MN_OK) return tell(&err);
  return answer(c);
}

/* One message: lines, as long as they end with a backslash. */
static cli_line_end read_message(chatting *c, cli_line *l) {
  base_slice line;
  cli_line_end end;
  base_buf_clear(&c->input);
  base_buf_puts(&c->input, "");
  for (;;) {
    end = cli_line_read(l, c->input.len > 0 ? "... " : "> ", &line);
    bool more = end == CLI_LINE_DONE && line.len > 0 && line.ptr[line.len - 1] == '\\';
    base_buf_add(&c->input, line.ptr, more ? line.len - 1 : line.len);
    if (!more) return end;
    base_buf_putc(&c->input, '\n');
  }
}

static int talk(chatting *c, cli_line *l) {
  bool warned = false;
  int status = CLI_GO, last = CLI_DONE;
  while (status != CLI_DONE) {
    cli_line_end end = read_message(c, l);
    if (end == CLI_LINE_EOF) break;
    if (end == CLI_LINE_INTERRUPT && warned) break;
    warned = end == CLI_LINE_INTERRUPT;
    if (warned) {
      note("(Ctrl-C again, or Ctrl-D, ends)");
      continue;
    }
    status = say(c);
    last = status == CLI_FAILED ? CLI_FAILED : CLI_DONE; /* what went wrong was said; a person tries again */
    if (status == CLI_FAILED && !c->person) break;
  }
  return c->person ? CLI_DONE : last;
}

static int greet(const chatting *c) {
  mn_model_info i;
  mn_error err = {0};
  mn_model_info_init(&i);
  if (mn_model_about(c->m, &i, &err) != MN_OK) return tell(&err);
  if (i.chat_template == NULL) {
    fprintf(stderr, "minnow: %s; minnow generate goes on from a text\n", i.chat_problem);
    return CLI_FAILED;
  }
  if (c->person)
    printf("%s%s, %.0f million parameters, context of %u tokens. /help lists commands, Ctrl-D ends.%s\n", cli_dim(),
           i.name[0] != '\0' ? i.name : i.architecture, (double)i.parameters / 1e6, i.context, cli_plain());
  return CLI_GO;
}

static int chat(chatting *c) {
  mn_model_info i;
  mn_error err = {0};
  cli_line *l = cli_line_open();
  int status = l != NULL ? CLI_GO : tell(&(mn_error){.code = MN_ENOMEM, .text = "no memory for a line"});
  mn_model_info_init(&i);
  if (status == CLI_GO && (mn_session_open(&c->s, c->m, &err) != MN_OK || mn_model_about(c->m, &i, &err) != MN_OK))
    status = tell(&err);
  c->context = i.context;
  c->line = l;
  if (status == CLI_GO && c->tools.len > 0 && mn_session_tools(c->s, c->tools.ptr, &err) != MN_OK) status = tell(&err);
  if (status == CLI_GO) status = greet(c);
  if (status == CLI_GO) status = start_over(c);
  if (status == CLI_GO) status = prepare(c);
  if (status == CLI_GO) status = talk(c, l);
  mn_session_close(c->s);
  cli_line_close(l);
  return status;
}

int cli_chat(int argc, char **argv) {
  chatting c = {0};
  const char *system = NULL;
  cli_list words;
  cli_option options[CLI_MODEL_OPTIONS + 3];
  size_t n = cli_model_options(&c.model, "chat", options);
  options[n++] = (cli_option){"--system", CLI_TEXT, &system, "TEXT", "what the model is told first"};
  options[n++] =
      (cli_option){"--tools", CLI_TEXT, &c.tools_file, "FILE", "functions that it may call; you type their results"};
  int status = cli_parse("chat", options, n, argc, argv, &words);
  if (status == CLI_GO && words.n > 0) status = cli_usage("chat", "this word is not expected:", words.item[0]);
  if (status != CLI_GO) return status;
  c.person = os_is_terminal(STDIN_FILENO);
  c.seed = c.model.seed;
  if (c.seed == 0) os_random_bytes(&c.seed, sizeof c.seed);
  base_buf_puts(&c.system, system != NULL ? system : "");
  if (c.tools_file != NULL) status = cli_read_text(c.tools_file, &c.tools);
  if (status != CLI_GO) return status;
  os_catch_interrupts();
  status = cli_model_open(&c.model, &c.m);
  if (status == CLI_GO) status = chat(&c);
  mn_model_close(c.m);
  base_buf_free(&c.input);
  base_buf_free(&c.system);
  base_buf_free(&c.tools);
  return status;
}
