/* Generating: a session's job in the model's engine, its events handed to the caller.
 *
 * Whoever needs a token takes the turn and, when none is there, runs a step for everybody; callbacks run
 * without the turn, so that a slow one holds up nobody else. The turn goes round in the order of asking, so
 * that several callers fill one batch together. */
#include <string.h>

#include "api/model.h"

void mn_generate_options_init(mn_generate_options *o) { *o = (mn_generate_options){.size = sizeof *o}; }
void mn_generated_init(mn_generated *g) { *g = (mn_generated){.size = sizeof *g}; }

/* ---- starting ---- */

static gen_sampling sampling_of(const mn_generate_options *o) {
  return (gen_sampling){.temperature = o->temperature,
                        .top_k = o->top_k,
                        .top_p = o->top_p,
                        .min_p = o->min_p,
                        .repeat = o->repeat_penalty,
                        .frequency = o->frequency_penalty,
                        .presence = o->presence_penalty,
                        .penalty_tokens = o->penalty_tokens,
                        .seed = o->seed};
}

static base_status prompt_tokens(mn_session *s, const mn_generate_options *o, bool open_answer, base_error *err) {
  if (o->prompt == NULL) return api_session_tokens(s, open_answer, err);
  tok_input in = {.text = o->prompt,
                  .len = o->prompt_len > 0 ? o->prompt_len : strlen(o->prompt),
                  .flags = TOK_ADD_SPECIAL | (o->special ? TOK_PARSE_SPECIAL : 0u)};
  s->ids.n = 0;
  return api_model_encode(s->model, &s->scratch, &in, &s->ids, err);
}

static base_status take_stops(const mn_generate_options *o, base_slice stops[GEN_MAX_STOPS], base_error *err) {
  if (o->n_stops > GEN_MAX_STOPS)
    return base_fail(err, BASE_ELIMIT, "stop", "more than %d stop strings", (int)GEN_MAX_STOPS);
  for (size_t i = 0; i < o->n_stops; i++) stops[i] = base_slice_of(o->stops[i]);
  return BASE_OK;
}

static void reset(mn_session *s, const mn_generate_options *o) {
  s->options = *o;
  s->chat = o->prompt == NULL;
  s->over = s->stopped = s->stepped = false;
  s->progress = UINT32_MAX;
  s->tokens_lost = false;
  s->n_events = s->answer_ids.n = 0;
  s->sure = s->shown = 0;
  api_calls_free(&s->calls, &s->model->bound.bounded);
  base_buf_clear(&s->words);
  base_buf_clear(&s->answer);
  base_buf_clear(&s->fresh);
  atomic_store(&s->cancel, false);
}

/* Under the turn: what the file has of the prompt. It is written again when that is less than half. */
static base_status load_cache(mn_session *s, const char *path, base_error *err) {
  size_t common;
  s->cache[0] = '\0';
  s->cache_error = (base_error){0};
  if (path == NULL) return BASE_OK;
  base_status st = gen_prefix_load(s->model->gen, path, s->ids.id, s->ids.n, &common, err);
  if (st || common >= s->ids.n - s->ids.n / 2) return st;
  if (base_format(s->cache, sizeof s->cache, "%s", path)) return BASE_OK;
  s->cache[0] = '\0';
  return base_fail(err, BASE_ELIMIT, "cache", "the path to the cache is too long");
}

/* Under the turn, as soon as the prompt is read. A prompt whose place was taken meanwhile is not written. */
static void save_cache(mn_session *s) {
  uint32_t done, total;
  gen_job_progress(s->job, &done, &total);
  bool over = gen_job_finish(s->job) != GEN_GOING;
  if (s->cache[0] == '\0' || (done < total && !over)) return;
  if (!over || gen_job_finish(s->job) <= GEN_CONTEXT) {
    base_error err = {0};
    base_status st = gen_prefix_save(s->model->gen, s->cache, s->ids.id, s->ids.n, &err);
    if (st && st != BASE_EARGUMENT) s->cache_error = err;
  }
  s->cache[0] = '\0';
}

static base_status new_job(mn_session *s, const mn_generate_options *o, bool read_only, base_error *err) {
  base_slice stops[GEN_MAX_STOPS];
  base_status st = take_stops(o, stops, err);
  if (!st) st = api_tools_choose(s, o, err);
  if (!st) st = prompt_tokens(s, o, !read_only, err);
  gen_request r = {.prompt = s->ids.id,
                   .n_prompt = s->ids.n,
                   .max_tokens = o->max_tokens,
                   .sampling = sampling_of(o),
                   .stops = stops,
                   .n_stops = o->n_stops,
                   .logprobs = o->logprobs,
                   .n_logprobs = o->n_top,
                   .ignore_end = o->ignore_end,
                   .read_only = read_only,
                   .lookup = o->lookup,
                   .shift = o->shift,
                   .deadline_ns = o->deadline_ms > 0 ? os_monotonic_ns() + o->deadline_ms * UINT64_C(1000000) : 0,
                   .trace = read_only ? NULL : s->trace,
                   .cancel = &s->cancel};
  if (!st && !read_only) st = api_rule_compile(s, o, err);
  os_turn_take(s->model->turn);
  if (!st) st = api_rule_start(s, err);
  if (!st) st = load_cache(s, o->cache, err);
  r.rule = s->rule.run;
  if (!st) st = gen_job_new(&s->job, s->model->gen, &r, err);
  if (st) api_rule_close(s);
  os_turn_give(s->model->turn);
  return st;
}

static base_status start(mn_session *s, const mn_generate_options *given, bool read_only, base_error *err) {
  mn_generate_options o;
  mn_generate_options_init(&o);
  if (s->job != NULL) return base_fail(err, BASE_EARGUMENT, "session", "it is generating already");
  base_status st = api_take_struct(&o, sizeof o, given, "generate options", err);
  if (!st && o.n_top > GEN_MAX_LOGPROBS)
    st = base_fail(err, BASE_ELIMIT, "n_top", "%u alternatives are asked for; at most %d are possible", o.n_top,
                   (int)GEN_MAX_LOGPROBS);
  if (st) return st;
  reset(s, &o);
  return new_job(s, &o, read_only, err);
}

/* ---- delivering ---- */

/* Under the turn: copies the events that are there. True when there is something to tell. */
static bool collect(mn_session *s) {
  s->n_events = 0;
  base_buf_clear(&s->fresh);
  while (s->n_events < API_MAX_EVENTS && gen_job_next(s->job, &s->events[s->n_events])) {
    base_slice *text = &s->events[s->n_events++].text;
    base_buf_add(&s->fresh, text->ptr, text->len);
    base_buf_putc(&s->fresh, '\0');
  }
  if (s->rule.tools) s->sure = mask_run_words(s->rule.run, &(bool){false});
  s->over = s->n_events == 0 && gen_job_finish(s->job) != GEN_GOING;
  return s->n_events > 0 || s->over;
}

static size_t fill_top(const mn_session *s, const gen_logprobs *l, mn_token_prob top[GEN_MAX_LOGPROBS]) {
  for (uint32_t i = 0; i < l->n; i++) {
    base_slice piece = tok_vocab_piece(s->model->vocab, l->top[i].token);
    top[i] = (mn_token_prob){
        .id = l->top[i].token, .logprob = l->top[i].logprob, .text = piece.ptr, .text_len = piece.len};
  }
  return l->n;
}

/* For the next turn; without memory there is nothing to keep. */
static void note_token(mn_session *s, uint32_t token) {
  if (!s->chat || token == GEN_NO_TOKEN) return;
  if (api_ids_reserve(&s->answer_ids, s->answer_ids.n + 1, &s->model->bound.bounded))
    s->answer_ids.id[s->answer_ids.n++] = token;
  else s->tokens_lost = true;
}

/* What of the answer may be shown by now: words, up to where a call may have begun. */
static void show_words(mn_session *s, mn_token *t) {
  size_t end = s->sure < s->answer.len ? s->sure : s->answer.len;
  base_buf_clear(&s->words);
  if (end > s->shown) base_buf_add(&s->words, s->answer.ptr + s->shown, end - s->shown);
  t->text = s->words.len > 0 ? s->words.ptr : "";
  t->text_len = s->words.len;
  s->shown += s->words.len;
}

static bool deliver_one(mn_session *s, const gen_event *e, const char *text) {
  mn_token_prob top[GEN_MAX_LOGPROBS];
  mn_token t = {.size = sizeof t, .id = e->token, .text = text, .text_len = e->text.len};
  if (s->options.logprobs && e->token != GEN_NO_TOKEN) {
    t.has_logprob = true;
    t.logprob = e->logprobs.chosen;
    t.top = top;
    t.n_top = fill_top(s, &e->logprobs, top);
  }
  base_buf_add(&s->answer, text, e->text.len);
  note_token(s, e->token);
  if (s->rule.tools && !s->answer.failed) show_words(s, &t);
  return s->rule.hold || s->options.token == NULL || s->options.token(s->options.ctx, &t);
}

/* Without the turn. False when the caller wants no more. */
static bool deliver(mn_session *s) {
  const char *text = s->fresh.ptr;
  if (s->fresh.failed) return false;
  for (size_t i = 0; i < s->n_events; i++) {
    if (!deliver_one(s, &s->events[i], text)) return false;
    text += s->events[i].text.len + 1;
  }
  s->n_events = 0;
  return true;
}

static bool tell_progress(mn_session *s, uint32_t done, uint32_t total) {
  if (s->options.progress == NULL || done == s->progress || s->progress == total) return true;
  s->progress = done;
  return s->options.progress(s->options.ctx, done, total);
}

/* ---- running ---- */

/* All of what this session has to do until there is something to tell. Gives the turn back while nobody can go
 * on: those who could have not taken their tokens yet. */
static void wait_for_events(mn_session *s, uint32_t *done, uint32_t *total) {
  os_turn_take(s->model->turn);
  gen_job_progress(s->job, done, total);
  uint32_t before = *done;
  while (!collect(s) && *done == before) {
    if (gen_engine_step(s->model->gen)) save_cache(s);
    else {
      os_turn_give(s->model->turn);
      os_sleep_ms(1);
      os_turn_take(s->model->turn);
    }
    gen_job_progress(s->job, done, total);
  }
  os_turn_give(s->model->turn);
}

static void run(mn_session *s) {
  while (!s->over && !s->stopped) {
    uint32_t done, total;
    wait_for_events(s, &done, &total);
    s->stopped = !tell_progress(s, done, total) || !deliver(s);
  }
}

/* ---- ending ---- */

static const char *finish_name(mn_finish f) {
  static const char *const names[] = {"", "stop", "length", "context", "cancelled", "deadline", "tool_calls"};
  return names[f];
}

static mn_finish finish_of(const mn_session *s) {
  if (s->stopped) return MN_FINISH_CANCELLED;
  switch (gen_job_finish(s->job)) {
    case GEN_STOP: return MN_FINISH_STOP;
    case GEN_LENGTH: return MN_FINISH_LENGTH;
    case GEN_CONTEXT: return MN_FINISH_CONTEXT;
    case GEN_DEADLINE: return MN_FINISH_DEADLINE;
    default: return MN_FINISH_CANCELLED;
  }
}

static void report(mn_session *s, mn_generated *g) {
  gen_stats t = gen_job_stats(s->job);
  mn_generated_init(g);
  g->finish = finish_of(s);
  g->finish_name = finish_name(g->finish);
  g->text = s->answer.len > 0 ? s->answer.ptr : "";
  g->text_len = s->answer.len;
  g->prompt_tokens = t.prompt;
  g->cached_tokens = t.cached;
  g->generated_tokens = t.generated;
  g->drafted_tokens = t.drafted;
  g->accepted_tokens = t.accepted;
  g->forced_tokens = t.forced;
  g->attempts = 1;
  g->wait_us = t.wait_ns / 1000;
  g->prompt_us = t.prompt_ns / 1000;
  g->generate_us = t.generate_ns / 1000;
}

/* Calls out of an answer, and the words before them. */
static void report_calls(const mn_session *s, mn_generated *g) {
  if (s->calls.n == 0) return;
  g->finish = MN_FINISH_TOOL_CALLS;
  g->finish_name = finish_name(g->finish);
  g->calls = s->calls.call;
  g->n_calls = s->calls.n;
  g->text = s->words.len > 0 ? s->words.ptr : "";
  g->text_len = s->words.len;
}

/* The text says all that the tokens say. */
static bool is_whole(const mn_session *s, const mn_generated *g) {
  if (s->tokens_lost || s->options.shift) return false;
  if (g->finish == MN_FINISH_TOOL_CALLS) return true;
  return g->finish == MN_FINISH_LENGTH || g->finish == MN_FINISH_CONTEXT ||
         (g->finish == MN_FINISH_STOP && s->options.n_stops == 0);
}

/* Ends the job and says how it went; the answer stays. */
static base_status end(mn_session *s, mn_generated *g, base_error *err) {
  if (s->job == NULL) return base_fail(err, BASE_EARGUMENT, "session", "it is not generating");
  base_status st = gen_job_status(s->job, err);
  if (!st && s->cache_error.code != BASE_OK)
    st = base_fail(err, s->cache_error.code, s->cache_error.where, "%s", s->cache_error.text);
  if (!st && (s->answer.failed || s->fresh.failed)) st = API_OUT_OF_MEMORY(err, "answer");
  os_turn_take(s->model->turn);
  if (gen_job_finish(s->job) == GEN_GOING) s->stopped = true;
  report(s, g);
  if (!st) st = api_rule_check(s, g->finish, err);
  if (!st) report_calls(s, g);
  s->sure = SIZE_MAX; /* a trigger that was begun and not ended is words too */
  s->held = s->rule.hold;
  s->ruled = s->rule.rule != NULL;
  s->tooled = s->rule.tools;
  gen_job_free(s->job);
  s->job = NULL;
  api_rule_close(s);
  os_turn_give(s->model->turn);
  return st;
}

/* Puts the answer where it belongs: to the caller whose rule held it back, and among the messages. */
static base_status hand_over(mn_session *s, const mn_generated *g, base_error *err) {
  mn_token t = {.size = sizeof t, .id = UINT32_MAX, .text = g->text, .text_len = g->text_len};
  bool late = s->tooled && !s->held && !s->stopped && g->n_calls == 0 && s->shown < g->text_len;
  api_calls calls = {0};
  if (late) {
    t.text += s->shown;
    t.text_len -= s->shown;
  }
  if ((s->held || late) && s->options.token != NULL) (void)s->options.token(s->options.ctx, &t);
  if (!s->chat) return BASE_OK;
  api_session_keep(s, is_whole(s, g));
  if (g->n_calls > 0 && api_calls_dup(&calls, &s->calls, &s->model->bound.bounded))
    return API_OUT_OF_MEMORY(err, "answer");
  return api_session_append_message(s, BASE_LITERAL("assistant"), (base_slice){g->text, g->text_len},
                                    (base_slice){"", 0}, &calls, err);
}

static base_status attempt(mn_session *s, const mn_generate_options *o, mn_generated *g, base_error *err) {
  base_status st = start(s, o, false, err);
  if (st) return st;
  run(s);
  return end(s, g, err);
}

/* ---- a second attempt ---- */

static void complain(base_buf *out, const base_error *why) {
  base_buf_printf(out, "That does not fit: %s%s%s. Answer again.", why->where, why->where[0] != '\0' ? ": " : "",
                  why->text);
}

/* Behind a text: the answer, what is wrong with it, and the text's place to go on from again. */
static base_status retry_text(mn_session *s, mn_generate_options *o, const base_error *why, mn_generated *g,
                              base_error *err) {
  base_buf text = {.allocator = &s->model->bound.bounded};
  base_buf_add(&text, o->prompt, o->prompt_len > 0 ? o->prompt_len : strlen(o->prompt));
  base_buf_add(&text, s->answer.ptr, s->answer.len);
  base_buf_putc(&text, '\n');
  complain(&text, why);
  base_buf_putc(&text, '\n');
  o->prompt = text.ptr;
  o->prompt_len = text.len;
  base_status st = text.failed ? API_OUT_OF_MEMORY(err, "prompt") : attempt(s, o, g, err);
  base_buf_free(&text);
  return st;
}

/* As two messages that are taken out afterwards. */
static base_status retry_chat(mn_session *s, mn_generate_options *o, const base_error *why, mn_generated *g,
                              base_error *err) {
  base_buf text = {.allocator = &s->model->bound.bounded};
  size_t before = s->n_messages;
  complain(&text, why);
  base_status st = text.failed ? API_OUT_OF_MEMORY(err, "prompt") : BASE_OK;
  if (!st) st = api_session_append(s, BASE_LITERAL("assistant"), (base_slice){s->answer.ptr, s->answer.len}, err);
  if (!st) st = api_session_append(s, BASE_LITERAL("user"), (base_slice){text.ptr, text.len}, err);
  if (!st) st = attempt(s, o, g, err);
  mn_session_remove(s, before, s->n_messages - before);
  base_buf_free(&text);
  return st;
}

static base_status retry(mn_session *s, const mn_generate_options *given, const base_error *why, mn_generated *g,
                         base_error *err) {
  mn_generate_options o;
  mn_generate_options_init(&o);
  base_status st = api_take_struct(&o, sizeof o, given, "generate options", err);
  if (st) return st;
  o.seed++;
  st = o.prompt != NULL ? retry_text(s, &o, why, g, err) : retry_chat(s, &o, why, g, err);
  g->attempts = 2;
  return st;
}

/* ---- the calls ---- */

int mn_generate(mn_session *s, const mn_generate_options *o, mn_generated *out, mn_error *error) {
  base_error err = {0};
  mn_generated g;
  mn_generated_init(&g);
  base_status st = attempt(s, o, &g, &err);
  if (st == BASE_EMISMATCH && s->ruled && s->held) {
    base_error why = err;
    err = (base_error){0};
    st = retry(s, o, &why, &g, &err);
  }
  if (!st) st = hand_over(s, &g, &err);
  if (g.finish != 0 && out != NULL) {
    base_status given = api_give_struct(out, &g, sizeof g, "generated", st ? NULL : &err);
    if (!st) st = given;
  }
  return api_result(st, &err, error);
}

int mn_session_prepare(mn_session *s, const mn_generate_options *o, mn_generated *out, mn_error *error) {
  base_error err = {0};
  mn_generated g;
  base_status st = start(s, o, true, &err);
  if (!st) {
    run(s);
    st = end(s, &g, &err);
  }
  if (!st && out != NULL) st = api_give_struct(out, &g, sizeof g, "generated", &err);
  return api_result(st, &err, error);
}

/* ---- without waiting ---- */

int mn_generate_start(mn_session *s, const mn_generate_options *o, mn_error *error) {
  base_error err = {0};
  base_status st = start(s, o, false, &err);
  if (!st) s->stepped = true;
  return api_result(st, &err, error);
}

bool mn_model_step(mn_model *m) {
  os_turn_take(m->turn);
  bool more = gen_engine_step(m->gen);
  os_turn_give(m->turn);
  for (mn_session *s = m->sessions; s != NULL; s = s->next) {
    uint32_t done = 0, total = 0;
    if (!s->stepped || s->over || s->stopped) continue;
    os_turn_take(m->turn);
    gen_job_progress(s->job, &done, &total);
    save_cache(s);
    more |= collect(s);
    os_turn_give(m->turn);
    s->stopped = !tell_progress(s, done, total) || !deliver(s);
    if (s->stopped) mn_session_cancel(s);
  }
  return more;
}

bool mn_generate_done(const mn_session *s) { return s->job == NULL || s->over || s->stopped; }

int mn_generate_end(mn_session *s, mn_generated *out, mn_error *error) {
  base_error err = {0};
  mn_generated g;
  base_status st = end(s, &g, &err);
  s->stepped = false;
  if (!st) st = hand_over(s, &g, &err);
  if (!st && out != NULL) st = api_give_struct(out, &g, sizeof g, "generated", &err);
  return api_result(st, &err, error);
}
