/* A policy's document to the struct: first held against the schema, so that what follows need not ask twice, then
 * read key by key, then looked at for what a schema cannot say. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "constrain/constrain.h"
#include "policy/policy.h"

enum { MOST_BYTES = 1 << 20 };

static const char *const task_names[] = {"action", "text", "extract"};
static const char *const risk_names[] = {"none", "reversible", "discloses", "money", "irreversible", "safety"};

const char *policy_task_name(policy_task t) { return t < POLICY_TASKS ? task_names[t] : ""; }

void policy_init(policy *p) {
  *p = (policy){.at_most_wrong = 0.02f,
                .text_confidence = -1.0f,
                .risk = {POLICY_ACT, POLICY_ACT, POLICY_ACT, POLICY_CONFIRM, POLICY_CONFIRM, POLICY_CONFIRM},
                .max_tokens = 512,
                .attempts = 3,
                .calls_a_minute = 30,
                .request_nano_usd = 20000000,
                .day_nano_usd = 500000000,
                .month_nano_usd = 5000000000,
                .local_ms = 10000,
                .cloud_ms = 15000,
                .latency_ms = {20000, 30000, 30000},
                .offline = {POLICY_LOCAL, POLICY_DEFER, POLICY_DEFER},
                .keep_hours = 48,
                .ledger_days = 90,
                .ledger_mb = 64};
  guard_rules_init(&p->personal);
  base_format(p->version, sizeof p->version, "default");
  for (size_t i = 0; i < POLICY_TASKS; i++) p->cloud_for[i] = true;
}

/* ---- values that the schema has checked: absent keys leave what is there ---- */

static int word_index(const json_t *word, const char *const *words, int n) {
  const char *text = json_string_value(word);
  for (int i = 0; text != NULL && i < n; i++)
    if (strcmp(text, words[i]) == 0) return i;
  return -1;
}

static void take_answer(const json_t *from, const char *key, policy_answer *out) {
  static const char *const words[] = {"act", "confirm", "refuse"};
  int i = word_index(json_object_get(from, key), words, 3);
  if (i >= 0) *out = (policy_answer)i;
}

static void take_text(const json_t *from, const char *key, char *out, size_t size) {
  const char *text = json_string_value(json_object_get(from, key));
  if (text != NULL) base_format(out, size, "%s", text);
}

static void take_bool(const json_t *from, const char *key, bool *out) {
  const json_t *v = json_object_get(from, key);
  if (v != NULL) *out = json_is_true(v);
}

static void take_count(const json_t *from, const char *key, uint32_t *out) {
  const json_t *v = json_object_get(from, key);
  if (v != NULL) *out = (uint32_t)json_number_value(v);
}

static void take_share(const json_t *from, const char *key, float *out) {
  const json_t *v = json_object_get(from, key);
  if (v != NULL) *out = (float)json_number_value(v);
}

static void take_money(const json_t *from, const char *key, int64_t *nano_usd) {
  const json_t *v = json_object_get(from, key);
  if (v != NULL) *nano_usd = (int64_t)llround(json_number_value(v) * 1e9);
}

/* ---- sections ---- */

static size_t take_names(const json_t *list, char out[][POLICY_NAME_BYTES]) {
  size_t n = json_array_size(list);
  for (size_t i = 0; i < n; i++)
    base_format(out[i], POLICY_NAME_BYTES, "%s", json_string_value(json_array_get(list, i)));
  return n;
}

static void take_packs(policy *p, const json_t *packs) {
  p->lists_packs = json_object_get(packs, "allow") != NULL;
  p->n_packs = take_names(json_object_get(packs, "allow"), p->packs);
  p->n_denied = take_names(json_object_get(packs, "deny"), p->denied);
}

static void take_confidence(policy *p, json_t *confidence) {
  const char *name;
  json_t *share;
  take_share(confidence, "at_most_wrong", &p->at_most_wrong);
  take_share(confidence, "text", &p->text_confidence);
  json_object_foreach(json_object_get(confidence, "packs"), name, share) {
    policy_target *t = &p->target[p->n_targets++];
    base_format(t->pack, sizeof t->pack, "%s", name);
    t->at_most_wrong = (float)json_number_value(share);
  }
}

static base_status take_personal(policy *p, json_t *personal, const char *where, base_error *err) {
  static const char *const words[] = {"keep", "redact", "allow"};
  const char *name;
  json_t *rule;
  take_share(personal, "threshold", &p->personal.threshold);
  json_object_foreach(personal, name, rule) {
    guard_class c;
    if (strcmp(name, "threshold") == 0) continue;
    if (!guard_class_find(base_slice_of(name), &c))
      return base_fail(err, BASE_EFORMAT, where, "/personal_data: \"%s\" is no class; docs/guard.md lists them",
                       name);
    p->personal.of[c] = (guard_rule)word_index(rule, words, 3);
  }
  return BASE_OK;
}

static void take_cloud(policy *p, const json_t *cloud) {
  const json_t *tasks = json_object_get(cloud, "tasks");
  const char *dialect = json_string_value(json_object_get(cloud, "dialect"));
  take_bool(cloud, "enabled", &p->cloud);
  take_bool(cloud, "may_act", &p->cloud_may_act);
  take_bool(cloud, "stream", &p->stream);
  p->anthropic = dialect != NULL && strcmp(dialect, "anthropic") == 0;
  take_text(cloud, "endpoint", p->endpoint, sizeof p->endpoint);
  take_text(cloud, "model", p->model, sizeof p->model);
  take_text(cloud, "key_file", p->key_file, sizeof p->key_file);
  take_text(cloud, "ca_file", p->ca_file, sizeof p->ca_file);
  take_text(cloud, "prices", p->prices, sizeof p->prices);
  take_count(cloud, "max_tokens", &p->max_tokens);
  take_count(cloud, "attempts", &p->attempts);
  take_count(cloud, "calls_a_minute", &p->calls_a_minute);
  if (tasks == NULL) return;
  for (size_t t = 0; t < POLICY_TASKS; t++) p->cloud_for[t] = false;
  for (size_t i = 0; i < json_array_size(tasks); i++) {
    int t = word_index(json_array_get(tasks, i), task_names, POLICY_TASKS);
    if (t >= 0) p->cloud_for[t] = true;
  }
}

static void take_times(policy *p, const json_t *deadlines, const json_t *offline) {
  static const char *const words[] = {"local", "defer", "refuse"};
  take_count(deadlines, "local", &p->local_ms);
  take_count(deadlines, "cloud", &p->cloud_ms);
  take_count(offline, "keep_hours", &p->keep_hours);
  take_bool(offline, "keep_values", &p->keep_values);
  for (size_t t = 0; t < POLICY_TASKS; t++) {
    int what = word_index(json_object_get(offline, task_names[t]), words, 3);
    take_count(deadlines, task_names[t], &p->latency_ms[t]);
    if (what >= 0) p->offline[t] = (policy_offline)what;
  }
}

static void take_flags(policy *p, json_t *flags) {
  const char *name;
  json_t *flag;
  json_object_foreach(flags, name, flag) {
    policy_rollout *f = &p->flag[p->n_flags++];
    f->percent = 100.0f;
    base_format(f->name, sizeof f->name, "%s", name);
    take_share(flag, "percent", &f->percent);
    take_bool(flag, "off", &f->off);
  }
}

static void take_all(policy *p, const json_t *root) {
  const json_t *ledger = json_object_get(root, "ledger"), *budget = json_object_get(root, "budget");
  take_text(root, "version", p->version, sizeof p->version);
  take_packs(p, json_object_get(root, "packs"));
  for (size_t r = 0; r < POLICY_RISKS; r++)
    take_answer(json_object_get(root, "risk"), risk_names[r], &p->risk[r]);
  for (int d = 0; d < GUARD_RISKS; d++)
    take_answer(json_object_get(root, "domains"), guard_risk_name((guard_risk)d), &p->domain[d]);
  take_confidence(p, json_object_get(root, "confidence"));
  take_cloud(p, json_object_get(root, "cloud"));
  take_money(budget, "request_usd", &p->request_nano_usd);
  take_money(budget, "day_usd", &p->day_nano_usd);
  take_money(budget, "month_usd", &p->month_nano_usd);
  take_times(p, json_object_get(root, "deadline_ms"), json_object_get(root, "offline"));
  take_flags(p, json_object_get(root, "flags"));
  take_bool(ledger, "keep_text", &p->keep_text);
  take_count(ledger, "days", &p->ledger_days);
  take_count(ledger, "max_mb", &p->ledger_mb);
}

/* ---- what a schema cannot say ---- */

static base_status check_sense(const policy *p, const char *where, base_error *err) {
  if (p->cloud && (p->endpoint[0] == '\0' || p->model[0] == '\0'))
    return base_fail(err, BASE_EFORMAT, where, "/cloud: \"enabled\" needs \"endpoint\" and \"model\"");
  for (size_t i = 0; i < p->n_packs; i++)
    for (size_t k = 0; k < p->n_denied; k++)
      if (strcmp(p->packs[i], p->denied[k]) == 0)
        return base_fail(err, BASE_EFORMAT, where, "/packs: \"%s\" is both allowed and denied", p->packs[i]);
  if (p->request_nano_usd > p->day_nano_usd || p->day_nano_usd > p->month_nano_usd)
    return base_fail(err, BASE_EFORMAT, where,
                     "/budget: a request's cap is above the day's, or the day's above the month's");
  return BASE_OK;
}

/* "prices.json" -> "FOLDER/prices.json" */
static base_status place(char *path, const char *folder, const char *where, base_error *err) {
  char placed[POLICY_PATH_BYTES];
  if (path[0] == '\0' || path[0] == '/' || folder[0] == '\0') return BASE_OK;
  if (!base_format(placed, sizeof placed, "%s/%s", folder, path))
    return base_fail(err, BASE_ELIMIT, where, "the path \"%s\" is too long", path);
  base_format(path, POLICY_PATH_BYTES, "%s", placed);
  return BASE_OK;
}

static base_status place_all(policy *p, const char *folder, const char *where, base_error *err) {
  base_status st = place(p->key_file, folder, where, err);
  if (!st) st = place(p->ca_file, folder, where, err);
  return st ? st : place(p->prices, folder, where, err);
}

static base_status check_schema(base_slice json, const char *where, base_error *err) {
  constrain_schema *s = NULL;
  base_error inner = {0};
  base_status st = constrain_schema_open(&s, base_slice_of(policy_schema()), "policy schema", NULL, err);
  if (st) return st;
  st = constrain_check(s, json, &inner);
  constrain_schema_close(s);
  if (!st) return BASE_OK;
  return base_fail(err, st == BASE_ENOMEM ? st : BASE_EFORMAT, where, "%s: %s", inner.where, inner.text);
}

base_status policy_read(policy *out, base_slice json, const char *where, const char *folder, base_error *err) {
  policy p;
  json_error_t said;
  if (json.len > MOST_BYTES) return base_fail(err, BASE_ELIMIT, where, "a policy has at most 1 MiB");
  json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &said);
  if (root == NULL) return base_fail(err, BASE_EFORMAT, where, "line %d: %s", said.line, said.text);
  policy_init(&p);
  base_status st = check_schema(json, where, err);
  if (!st) take_all(&p, root);
  if (!st) st = take_personal(&p, json_object_get(root, "personal_data"), where, err);
  if (!st) st = check_sense(&p, where, err);
  if (!st) st = place_all(&p, folder, where, err);
  if (!st) *out = p;
  json_decref(root);
  return st;
}
