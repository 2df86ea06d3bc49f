/* What tests of a request's whole way stand on: the shipped packs and guard, a scripted service that is recorded, a
 * ledger of its own, a writer that says what a test wants. */
#ifndef TESTS_FLOW_HOUSE_H
#define TESTS_FLOW_HOUSE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff/handoff.h"
#include "scripted_cloud.h"
#include "tap.h"

enum { MAX_PACKS = 32 };
static const value_datetime now = {{2026, 3, 2}, {21, 15, 0}, true, true};

typedef struct house {
  pack *gate, *packs[MAX_PACKS];
  size_t n_packs;
  handoff_loop *loop;
  guard *guard;
  gguf_file *guard_file;
  ledger_options kept;
  bool rules_alone; /* the guard has no model */
  const cloud_budget *own_purse; /* or the scripted one */
  char folder[64];
  /* a test's own */
  scripted_world world;
  cloud_transport transport;
  cloud_clock clock;
  cloud_budget purse;
  cloud *cloud;
  ledger *ledger;
  policy policy;
  const char *const *writes; /* what the writer says, one a call */
  size_t n_writes, written;
  float confidence;
  float routes; /* what the router says; below 0: there is none */
  char wire[1 << 18]; /* all that was sent */
} house;

static inline base_status open_pack_file(void *ctx, const char *name, base_error *err) {
  house *h = ctx;
  char path[300];
  size_t len = strlen(name);
  if (len < 6 || strcmp(name + len - 5, ".gguf") != 0 || strcmp(name, "trunk.gguf") == 0 ||
      strcmp(name, "gate.gguf") == 0 || strcmp(name, "guard.gguf") == 0 || h->n_packs == MAX_PACKS)
    return BASE_OK;
  base_format(path, sizeof path, "packs/%s", name);
  return pack_open(&h->packs[h->n_packs++], path, head_brain_tok(pack_brain(h->gate)), NULL, err);
}

static inline bool open_house(house *h) {
  base_error err = {0};
  guard_options g;
  guard_options_init(&g);
  base_format(h->folder, sizeof h->folder, "/tmp/minnow-flow-XXXXXX");
  base_status st = mkdtemp(h->folder) ? BASE_OK : BASE_EIO;
  if (!st) st = pack_open(&h->gate, "packs/gate.gguf", NULL, NULL, &err);
  if (!st) st = os_list_dir("packs", open_pack_file, h, &err);
  if (!st)
    st = handoff_loop_open(&h->loop, h->gate, (const pack *const *)h->packs, h->n_packs, cpu_best(), NULL, &err);
  if (!st) st = gguf_open(&h->guard_file, "packs/guard.gguf", NULL, &err);
  g.model = h->rules_alone ? NULL : h->guard_file;
  if (!st) st = guard_open(&h->guard, &g, &err);
  TAP_OK(st == BASE_OK, "%s: %s", err.where, err.text);
  return st == BASE_OK;
}

static inline void close_house(house *h) {
  char command[128];
  handoff_loop_close(h->loop);
  for (size_t i = h->n_packs; i > 0; i--) pack_close(h->packs[i - 1]);
  pack_close(h->gate);
  guard_close(h->guard);
  gguf_close(h->guard_file);
  base_format(command, sizeof command, "rm -rf '%s'", h->folder);
  if (system(command)) printf("could not remove %s\n", h->folder);
}

/* ---- a test's service, ledger and writer ---- */

static inline base_status recorded(void *ctx, const cloud_call *call, bool (*on_bytes)(void *to, base_slice bytes), void *to,
                            cloud_reply *reply, base_error *err) {
  house *h = ctx;
  size_t at = strlen(h->wire);
  base_format(h->wire + at, sizeof h->wire - at, "%.*s\n", (int)call->body.len, call->body.ptr);
  return scripted_perform(&h->world, call, on_bytes, to, reply, err);
}

static inline base_status writes(void *ctx, const handoff_writing *w, base_buf *out, float *confidence, base_error *err) {
  house *h = ctx;
  (void)w, (void)err;
  base_buf_puts(out, h->writes[h->written < h->n_writes ? h->written : h->n_writes - 1]);
  h->written++;
  *confidence = h->confidence;
  return BASE_OK;
}

static inline float routes(void *ctx, base_slice text) {
  (void)text;
  return ((const house *)ctx)->routes;
}

/* The items' totals add up to the total. */
static inline base_status adds_up(void *ctx, const char *app, const char *action, base_slice value, base_error *err) {
  (void)ctx, (void)app;
  if (action == NULL && value.len > 0 && memmem(value.ptr, value.len, "\"sum\":5", 7) != NULL)
    return base_fail(err, BASE_EMISMATCH, "/sum", "the items add up to 4, not 5");
  return BASE_OK;
}

static inline void begin(house *h, const scripted *script, size_t n) {
  base_error err = {0};
  char path[128];
  policy_init(&h->policy);
  h->policy.cloud = true;
  base_format(h->policy.model, sizeof h->policy.model, "big-1");
  h->policy.offline[POLICY_ACTION] = POLICY_LOCAL;
  h->world = (scripted_world){.script = script, .n = n, .now_ms = 5000, .purse = INT64_MAX / 2};
  h->wire[0] = '\0';
  h->written = 0;
  h->n_writes = 0;
  h->routes = -1.0f;
  h->transport = (cloud_transport){recorded, h};
  h->clock = (cloud_clock){scripted_clock_now, scripted_clock_sleep, &h->world};
  h->purse = (cloud_budget){scripted_reserve, scripted_settle, &h->world};
  cloud_options o = {.endpoint = "https://cloud.test/v1", .model = "big-1", .transport = &h->transport,
                     .clock = &h->clock, .budget = h->own_purse ? h->own_purse : &h->purse, .price = {150000000, 600000000}};
  TAP_OK(!cloud_open(&h->cloud, &o, &err), "cloud: %s", err.text);
  base_format(path, sizeof path, "%s/ledger.db", h->folder);
  remove(path);
  TAP_OK(!ledger_open(&h->ledger, path, &h->kept, &err), "ledger: %s", err.text);
}

static inline void end(house *h) {
  cloud_close(h->cloud);
  ledger_close(h->ledger);
}

static inline handoff_means means_of(house *h) {
  return (handoff_means){.loop = h->loop,
                         .packs = (const pack *const *)h->packs,
                         .n_packs = h->n_packs,
                         .guard = h->guard,
                         .policy = &h->policy,
                         .cloud = h->cloud,
                         .ledger = h->ledger,
                         .writer = {h->n_writes ? "small" : NULL, 0.7f, writes, h},
                         .router = {h->routes >= 0.0f ? routes : NULL, h, 0.5f},
                         .check = {adds_up, NULL},
                         .tier = "low"};
}

static inline handoff_request request_of(policy_task task, const char *text) {
  static char ids[64][16];
  static size_t n;
  char *id = ids[n++ % 64];
  base_format(id, sizeof ids[0], "req-%zu", n);
  return (handoff_request){.id = id, .task = task, .text = base_slice_of(text), .now = &now};
}

/* Runs to the end; the stages it passed go to `way`. */
static inline handoff_flow *run(house *h, const handoff_request *r, char way[256]) {
  base_error err = {0};
  handoff_flow *f = NULL;
  handoff_means m = means_of(h);
  base_status st = handoff_flow_new(&f, NULL, &err);
  if (!st) handoff_flow_start(f, &m, r);
  way[0] = '\0';
  while (!st && handoff_flow_at(f) != HANDOFF_AT_END) {
    size_t at = strlen(way);
    base_format(way + at, 256 - at, "%s ", handoff_stage_name(handoff_flow_at(f)));
    st = handoff_flow_step(f, &err);
  }
  TAP_OK(st == BASE_OK, "%.*s: %s", (int)r->text.len, r->text.ptr, err.text);
  return f;
}


#endif
