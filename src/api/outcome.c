/* What a request came to: one block that holds every string, so that it outlives the engine, and its JSON. */
#include <string.h>

#include "api/engine.h"

struct mn_outcome {
  base_allocator allocator;
  void *block; /* what holds this, of `bytes`; alignment puts the outcome a little behind its start */
  size_t bytes;
  const char *id, *decision, *source, *reason, *why, *text, *answer, *detail, *json;
  float confidence;
  size_t n_actions;
  mn_action *actions;
  mn_timings timings;
};

/* ---- JSON: keys and their order are documented in docs/do.md ---- */

static uint32_t microseconds(uint64_t ns) { return (uint32_t)((ns + 500) / 1000); }

static void put_string(base_buf *b, const char *key, const char *value) {
  base_buf_printf(b, "\"%s\":", key);
  base_buf_json(b, base_slice_of(value));
  base_buf_putc(b, ',');
}

static void put_actions(base_buf *b, const handoff_outcome *run) {
  base_buf_puts(b, "\"actions\":[");
  for (size_t i = 0; i < run->n_actions; i++) {
    const handoff_action *a = &run->action[i];
    const pack_manifest *m = pack_manifest_of(a->pack);
    base_buf_puts(b, i > 0 ? ",{" : "{");
    put_string(b, "pack", m->name);
    put_string(b, "name", m->action[a->action].name);
    base_buf_printf(b, "\"arguments\":%s,\"confidence\":%.4f,\"risk\":\"%s\"}", a->arguments,
                    (double)a->confidence, pack_risk_name(m->action[a->action].risk));
  }
  base_buf_puts(b, "],");
}

static void put_versions(base_buf *b, const mn_engine *mn) {
  base_buf_puts(b, "\"versions\":{");
  put_string(b, "minnow", MN_VERSION);
  if (mn->gate != NULL) put_string(b, "gate", pack_manifest_of(mn->gate)->version);
  else base_buf_puts(b, "\"gate\":null,");
  base_buf_puts(b, "\"packs\":{");
  for (size_t i = 0; i < mn->done->out.n_used; i++) {
    const pack_manifest *m = pack_manifest_of(mn->done->out.used[i]);
    if (i > 0) base_buf_putc(b, ',');
    base_buf_json(b, base_slice_of(m->name));
    base_buf_putc(b, ':');
    base_buf_json(b, base_slice_of(m->version));
  }
  base_buf_puts(b, "},");
  put_string(b, "policy", mn->house.policy.version);
  base_buf_puts(b, "\"model\":");
  base_buf_json(b, base_slice_of(mn->done->model));
  base_buf_puts(b, "}");
}

/* What a question to the cloud took; only where one was asked. */
static void put_cloud(base_buf *b, const handoff_result *r) {
  if (r->attempts == 0) return;
  base_buf_printf(b, ",\"cloud\":{\"attempts\":%u,\"tokens_in\":%llu,\"tokens_out\":%llu,\"cost_usd\":%.9f}",
                  r->attempts, (unsigned long long)r->tokens_in, (unsigned long long)r->tokens_out,
                  (double)r->cost_nano_usd * 1e-9);
}

static const char *answer_of(const mn_engine *mn) { return mn->done->answer.ptr ? mn->done->answer.ptr : ""; }

static void put_answer(base_buf *b, const mn_engine *mn) {
  if (mn->done->out.decision != HANDOFF_ANSWER) return;
  base_buf_puts(b, ",\"answer\":");
  base_buf_json(b, base_slice_of(answer_of(mn)));
}

static void write_json(mn_engine *mn, const char *id) {
  const handoff_outcome *run = &mn->done->out;
  base_buf *b = &mn->json;
  base_buf_clear(b);
  base_buf_putc(b, '{');
  put_string(b, "request_id", id);
  put_string(b, "decision", handoff_decision_name(run->decision));
  put_string(b, "source", handoff_source_name(mn->done->source));
  put_string(b, "reason", handoff_reason_code(run->reason));
  base_buf_printf(b, "\"confidence\":%.4f,", (double)run->confidence);
  put_actions(b, run);
  put_string(b, "text", run->text);
  base_buf_printf(b,
                  "\"timings_us\":{\"guard\":%u,\"gate\":%u,\"pack\":%u,\"valid\":%u,\"total\":%u,\"cloud\":%u},",
                  microseconds(run->ns_guard), microseconds(run->ns_gate), microseconds(run->ns_pack),
                  microseconds(run->ns_valid), microseconds(run->ns_total), microseconds(mn->done->ns_cloud));
  put_versions(b, mn);
  put_answer(b, mn);
  put_cloud(b, mn->done);
  if (mn->done->detail[0] != '\0') {
    base_buf_puts(b, ",\"detail\":");
    base_buf_json(b, base_slice_of(mn->done->detail));
  }
  base_buf_putc(b, '}');
}

/* ---- the block ---- */

/* A copy in the arena; NULL while it only counts. */
static const char *keep(base_arena *arena, const char *text, size_t len) {
  char *copy = base_arena_take(arena, len + 1, 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

static const char *keep_text(base_arena *arena, const char *text) { return keep(arena, text, strlen(text)); }

static mn_action keep_action(base_arena *arena, const handoff_action *a) {
  const pack_manifest *m = pack_manifest_of(a->pack);
  return (mn_action){.pack = keep_text(arena, m->name),
                     .name = keep_text(arena, m->action[a->action].name),
                     .title = keep_text(arena, m->action[a->action].title),
                     .arguments = keep_text(arena, a->arguments),
                     .risk = pack_risk_name(m->action[a->action].risk),
                     .decision = handoff_decision_name(a->decision),
                     .summary = keep_text(arena, a->summary),
                     .prompt = keep_text(arena, a->prompt),
                     .confidence = a->confidence};
}

/* Runs twice: to size the block, then to fill it. */
static mn_outcome *lay_out(base_arena *arena, const mn_engine *mn, const char *id) {
  const handoff_outcome *run = &mn->done->out;
  mn_outcome filled = {.n_actions = run->n_actions,
                       .confidence = run->confidence,
                       .decision = handoff_decision_name(run->decision),
                       .source = handoff_source_name(mn->done->source),
                       .reason = handoff_reason_code(run->reason),
                       .why = handoff_reason_text(run->reason)};
  mn_outcome *o = base_arena_take(arena, 1, sizeof *o);
  filled.actions = base_arena_take(arena, run->n_actions + 1, sizeof *filled.actions);
  for (size_t i = 0; i < run->n_actions; i++) {
    mn_action action = keep_action(arena, &run->action[i]);
    if (filled.actions != NULL) filled.actions[i] = action;
  }
  filled.id = keep_text(arena, id);
  filled.text = keep_text(arena, run->text);
  filled.answer = keep_text(arena, answer_of(mn));
  filled.detail = keep_text(arena, mn->done->detail);
  filled.json = keep(arena, mn->json.ptr, mn->json.len);
  filled.timings =
      (mn_timings){microseconds(run->ns_guard), microseconds(run->ns_gate), microseconds(run->ns_pack),
                   microseconds(run->ns_valid), microseconds(run->ns_total), microseconds(mn->done->ns_cloud)};
  if (o != NULL) *o = filled;
  return o;
}

base_status api_make_outcome(mn_engine *mn, const char *id, mn_outcome **out, base_error *err) {
  base_arena arena;
  write_json(mn, id);
  if (mn->json.failed) return base_fail(err, BASE_ENOMEM, "outcome", "no memory for the answer");
  base_arena_init(&arena, NULL, 0);
  (void)lay_out(&arena, mn, id);
  size_t bytes = arena.used;
  void *block = base_alloc(&mn->allocator, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "outcome", "no memory for the answer");
  base_arena_init(&arena, block, bytes);
  mn_outcome *o = lay_out(&arena, mn, id);
  o->allocator = mn->allocator;
  o->block = block;
  o->bytes = bytes;
  *out = o;
  return BASE_OK;
}

void mn_outcome_free(mn_outcome *o) {
  if (o == NULL) return;
  base_allocator a = o->allocator;
  base_free(&a, o->block, o->bytes);
}

/* ---- reading it ---- */

const char *mn_outcome_id(const mn_outcome *o) { return o->id; }
const char *mn_outcome_decision(const mn_outcome *o) { return o->decision; }
const char *mn_outcome_source(const mn_outcome *o) { return o->source; }
const char *mn_outcome_reason(const mn_outcome *o) { return o->reason; }
const char *mn_outcome_why(const mn_outcome *o) { return o->why; }
float mn_outcome_confidence(const mn_outcome *o) { return o->confidence; }
const char *mn_outcome_text(const mn_outcome *o) { return o->text; }
size_t mn_outcome_actions(const mn_outcome *o) { return o->n_actions; }
mn_timings mn_outcome_timings(const mn_outcome *o) { return o->timings; }
const char *mn_outcome_answer(const mn_outcome *o) { return o->answer; }
const char *mn_outcome_detail(const mn_outcome *o) { return o->detail; }
const char *mn_outcome_json(const mn_outcome *o) { return o->json; }

mn_action mn_outcome_action(const mn_outcome *o, size_t index) {
  return index < o->n_actions ? o->actions[index] : (mn_action){0};
}
