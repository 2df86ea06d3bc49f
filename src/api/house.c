/* What an engine has beside its packs: the owner's policy, kept fresh; guard; ledger; cloud with a budget that the
 * ledger holds. */
#include <string.h>

#include "api/engine.h"
#include "os/os.h"

enum { MAX_POLICY_BYTES = 1 << 20, MAX_KEY_BYTES = 4096, LOOK_EVERY_NS = 1000000000 };

/* ---- money: the policy's caps, the ledger's memory ---- */

static base_status reserve(void *ctx, int64_t nano_usd, int64_t *reservation, base_error *err) {
  api_house *h = ctx;
  ledger_caps caps = {h->policy.request_nano_usd, h->policy.day_nano_usd, h->policy.month_nano_usd};
  return ledger_reserve(h->ledger, base_slice_of(h->request_id), &caps, nano_usd, os_unix_seconds(), reservation, err);
}

static base_status settle(void *ctx, int64_t reservation, int64_t nano_usd, base_error *err) {
  api_house *h = ctx;
  return ledger_settle(h->ledger, reservation, nano_usd, err);
}

/* ---- the cloud that a policy names ---- */

/* The app's key, else the file's, read anew each time: keys are changed. */
static base_status read_key(const api_house *h, const policy *p, base_buf *key, base_error *err) {
  base_status st = BASE_OK;
  if (h->key.len > 0) {
    base_buf_add(key, h->key.ptr, h->key.len);
    return key->failed ? base_fail(err, BASE_ENOMEM, "cloud key", "no memory for the key") : BASE_OK;
  }
  if (p->key_file[0] == '\0') return BASE_OK;
  st = os_read_file(p->key_file, MAX_KEY_BYTES, key, err);
  while (!st && key->len > 0 && (unsigned char)key->ptr[key->len - 1] <= ' ') key->len--;
  if (!st && key->len == 0) st = base_fail(err, BASE_EFORMAT, p->key_file, "the key's file is empty");
  return st;
}

static void forget_key(base_buf *key) {
  if (key->ptr != NULL) memset(key->ptr, 0, key->len);
  base_buf_free(key);
}

/* A service on this machine costs nothing unless the prices say so. */
static base_status read_price(const policy *p, cloud_price *out, base_error *err) {
  char shipped[1024], date[11];
  const char *path = p->prices;
  base_buf text = {0};
  base_error why = {0};
  base_status st = BASE_OK;
  *out = (cloud_price){0};
  if (path[0] == '\0') {
    st = api_shipped_file("prices.json", shipped, sizeof shipped, err);
    path = shipped;
  }
  if (!st) st = os_read_file(path, MAX_POLICY_BYTES, &text, err);
  if (!st) st = cloud_price_read((base_slice){text.ptr, text.len}, path, p->model, out, date, &why);
  base_buf_free(&text);
  if (st == BASE_ENOTFOUND && why.code && strncmp(p->endpoint, "http://", 7) == 0) return BASE_OK;
  return why.code ? base_fail(err, st, why.where, "%s", why.text) : st;
}

static base_status open_cloud(mn_engine *mn, const policy *p, cloud **out, base_error *err) {
  api_house *h = &mn->house;
  cloud_price price = {0};
  base_buf key = {.allocator = &mn->allocator};
  *out = NULL;
  if (!p->cloud) return BASE_OK;
  if (h->ledger == NULL)
    return base_fail(err, BASE_EARGUMENT, "policy",
                     "a policy that allows the cloud needs a ledger: its spending caps are kept there");
  base_status st = read_key(h, p, &key, err);
  if (!st) st = read_price(p, &price, err);
  h->budget = (cloud_budget){reserve, settle, h};
  cloud_options o = {.dialect = p->anthropic ? CLOUD_ANTHROPIC : CLOUD_OPENAI,
                     .endpoint = p->endpoint,
                     .model = p->model,
                     .key = {key.ptr, key.len},
                     .ca_file = p->ca_file[0] ? p->ca_file : NULL,
                     .price = price,
                     .max_attempts = p->attempts,
                     .per_minute = p->calls_a_minute,
                     .budget = &h->budget,
                     .seed = os_monotonic_ns(),
                     .allocator = &mn->allocator};
  if (!st) st = cloud_open(out, &o, err);
  forget_key(&key);
  return st;
}

/* ---- the policy ---- */

/* "a/b/policy.json" -> "a/b"; "policy.json" -> "" */
static void folder_of(const char *path, char *out, size_t size) {
  const char *slash = strrchr(path, '/');
  base_format(out, size, "%.*s", slash ? (int)(slash - path) : 0, path);
}

base_status api_read_policy(const char *path, policy *out, base_error *err) {
  char folder[512];
  base_buf text = {0};
  base_status st = os_read_file(path, MAX_POLICY_BYTES, &text, err);
  folder_of(path, folder, sizeof folder);
  if (!st) st = policy_read(out, (base_slice){text.ptr ? text.ptr : "", text.len}, path, folder, err);
  base_buf_free(&text);
  return st;
}

/* What the owner's file says, or the default; notes when that file was changed last. */
static base_status read_wanted(api_house *h, policy *out, base_error *err) {
  policy_init(out);
  if (h->policy_path[0] == '\0') return BASE_OK;
  h->policy_modified = os_modified_ns(h->policy_path);
  return api_read_policy(h->policy_path, out, err);
}

static int64_t key_modified(const api_house *h, const policy *p) {
  return h->key.len == 0 && p->key_file[0] ? os_modified_ns(p->key_file) : 0;
}

/* All or nothing: the policy and the cloud it names come into force together. */
static base_status take_policy(mn_engine *mn, const policy *fresh, base_error *err) {
  api_house *h = &mn->house;
  cloud *service = NULL;
  h->key_modified = key_modified(h, fresh);
  base_status st = open_cloud(mn, fresh, &service, err);
  if (st) return st;
  cloud_close(h->cloud);
  h->cloud = service;
  h->policy = *fresh;
  return BASE_OK;
}

/* Reads the policy again when its file changed; what cannot be read or used leaves the old one in force. */
static void look_at_policy(mn_engine *mn) {
  api_house *h = &mn->house;
  uint64_t now = os_monotonic_ns();
  policy fresh;
  if (h->policy_path[0] == '\0' || now - h->looked_ns < LOOK_EVERY_NS) return;
  h->looked_ns = now;
  if (os_modified_ns(h->policy_path) == h->policy_modified && key_modified(h, &h->policy) == h->key_modified) return;
  h->policy_problem = (base_error){0};
  if (!read_wanted(h, &fresh, &h->policy_problem)) (void)take_policy(mn, &fresh, &h->policy_problem);
}

/* ---- opening and closing ---- */

static base_status open_guard(mn_engine *mn, const char *packs_dir, base_error *err) {
  api_house *h = &mn->house;
  char path[1024];
  guard_options g;
  guard_options_init(&g);
  g.allocator = &mn->allocator;
  g.max_bytes = GUARD_MAX_BYTES;
  base_status st = BASE_OK;
  if (base_format(path, sizeof path, "%s/guard.gguf", packs_dir) && os_exists(path))
    st = gguf_open(&h->guard_file, path, &mn->allocator, err);
  g.model = h->guard_file;
  return st ? st : guard_open(&h->guard, &g, err);
}

static base_status open_router(mn_engine *mn, const char *path, base_error *err) {
  api_house *h = &mn->house;
  if (path == NULL) return BASE_OK;
  base_status st = gguf_open(&h->router_file, path, &mn->allocator, err);
  return st ? st : route_router_open(&h->router, h->router_file, &mn->allocator, err);
}

static base_status keep_text(char *out, size_t size, const char *text, const char *what, base_error *err) {
  if (base_format(out, size, "%s", text ? text : "")) return BASE_OK;
  return base_fail(err, BASE_ELIMIT, what, "it is too long");
}

base_status api_house_open(mn_engine *mn, const mn_engine_options *o, const char *packs_dir, base_error *err) {
  api_house *h = &mn->house;
  policy wanted;
  h->check = o->check;
  h->check_ctx = o->check_ctx;
  h->exists = o->exists;
  h->exists_ctx = o->exists_ctx;
  h->answerer.model = o->model;
  h->key.allocator = &mn->allocator;
  if (o->device) h->device = base_hash(BASE_HASH_START, o->device, strlen(o->device));
  base_status st = keep_text(h->policy_path, sizeof h->policy_path, o->policy, "policy", err);
  if (!st) st = keep_text(h->tier, sizeof h->tier, o->device_tier, "device tier", err);
  if (!st && o->cloud_key) base_buf_puts(&h->key, o->cloud_key);
  if (!st && h->key.failed) st = base_fail(err, BASE_ENOMEM, "cloud key", "no memory for the key");
  if (!st) st = open_guard(mn, packs_dir, err);
  if (!st) st = open_router(mn, o->router, err);
  if (!st && o->probe != NULL) st = api_open_probe(&h->answerer, o->probe, err);
  h->writer = api_writer(&h->answerer);
  if (!st) st = handoff_flow_new(&mn->flow, &mn->allocator, err);
  if (!st) st = read_wanted(h, &wanted, err);
  if (st) return st;
  ledger_options kept = {.allocator = &mn->allocator,
                         .retention_s = (int64_t)wanted.ledger_days * 86400,
                         .max_bytes = (uint64_t)wanted.ledger_mb << 20,
                         .keep_text = wanted.keep_text};
  if (o->ledger) st = ledger_open(&h->ledger, o->ledger, &kept, err);
  return st ? st : take_policy(mn, &wanted, err);
}

void api_house_close(mn_engine *mn) {
  api_house *h = &mn->house;
  handoff_flow_free(mn->flow);
  cloud_close(h->cloud);
  ledger_close(h->ledger);
  guard_close(h->guard);
  gguf_close(h->guard_file);
  route_router_close(h->router);
  gguf_close(h->router_file);
  forget_key(&h->key);
}

/* ---- one request ---- */

static base_status check(void *ctx, const char *pack_name, const char *action, base_slice value, base_error *err) {
  api_house *h = ctx;
  char why[200] = "";
  base_buf text = {0};
  base_buf_add(&text, value.ptr, value.len); /* the app's check takes terminated text */
  if (text.failed) return base_fail(err, BASE_ENOMEM, "check", "no memory for the app's check");
  int st = h->check(h->check_ctx, pack_name, action, text.ptr ? text.ptr : "", why, sizeof why);
  base_buf_free(&text);
  if (st == MN_OK) return BASE_OK;
  why[sizeof why - 1] = '\0';
  return base_fail(err, BASE_EMISMATCH, "check", "%s", why[0] ? why : "the app's own check failed");
}

/* The app's answer to whether something is there; what cannot be asked is not known. */
static int exists(void *ctx, base_slice kind, base_slice value) {
  api_house *h = ctx;
  char kind_text[64], value_text[512];
  if (!base_format(kind_text, sizeof kind_text, "%.*s", (int)kind.len, kind.ptr) ||
      value.len >= sizeof value_text || !base_format(value_text, sizeof value_text, "%.*s", (int)value.len, value.ptr))
    return -1;
  return h->exists(h->exists_ctx, kind_text, value_text);
}

static float route(void *ctx, base_slice text) {
  mn_engine *mn = ctx;
  return route_router_score(mn->house.router, mn->kernels, text);
}

static handoff_means means_of(mn_engine *mn) {
  api_house *h = &mn->house;
  return (handoff_means){.loop = mn->loop,
                         .packs = (const pack *const *)mn->packs,
                         .n_packs = mn->n_packs,
                         .guard = h->guard,
                         .policy = &h->policy,
                         .cloud = h->cloud,
                         .ledger = h->ledger,
                         .writer = h->writer,
                         .router = {h->router ? route : NULL, mn, h->router ? route_router_threshold(h->router) : 0.0f},
                         .check = {h->check ? check : NULL, h},
                         .lookup = {h->exists ? exists : NULL, h},
                         .device = h->device,
                         .tier = h->tier};
}

base_status api_house_run(mn_engine *mn, const handoff_request *r, base_error *err) {
  base_status st = BASE_OK;
  look_at_policy(mn);
  handoff_means means = means_of(mn);
  base_format(mn->house.request_id, sizeof mn->house.request_id, "%s", r->id);
  handoff_flow_start(mn->flow, &means, r);
  while (!st && handoff_flow_at(mn->flow) != HANDOFF_AT_END) st = handoff_flow_step(mn->flow, err);
  if (st) return st;
  mn->done = handoff_flow_result(mn->flow);
  return BASE_OK;
}

/* ---- public: people ---- */

int mn_contacts(mn_engine *mn, const char *const *names, size_t n, mn_error *error) {
  base_error err = {0};
  base_slice *list = n ? base_calloc(&mn->allocator, n, sizeof *list) : NULL;
  if (n > 0 && list == NULL)
    return api_result(base_fail(&err, BASE_ENOMEM, "contacts", "no memory for the names"), &err, error);
  for (size_t i = 0; i < n; i++) list[i] = base_slice_of(names[i]);
  base_status st = guard_set_contacts(mn->house.guard, list, n, &err);
  base_free(&mn->allocator, list, n * sizeof *list);
  return api_result(st, &err, error);
}

/* ---- public: the network ---- */

void mn_network(mn_engine *mn, bool online) {
  if (mn->house.cloud != NULL) cloud_network(mn->house.cloud, online);
}
