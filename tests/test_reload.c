/* A policy that changes under an open engine: a valid one is in force within a second, a broken one leaves the old one and
 * is told, flags and their kill switch take effect, rollouts reach their share of devices. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "minnow.h"
#include "os/os.h"
#include "policy/policy.h"
#include "tap.h"

typedef struct place {
  char folder[64], policy[96], ledger[96], key[96];
  mn_engine *mn;
} place;

static void put_at(const char *path, const char *text) {
  base_error err = {0};
  os_writer *w = NULL;
  base_status st = os_writer_open(&w, path, &err);
  if (!st) st = os_writer_add(w, text, strlen(text), &err);
  if (st) os_writer_abort(w);
  else st = os_writer_commit(w, &err);
  TAP_OK(st == BASE_OK, "%s", err.text);
}

static void put(const place *p, const char *text) { put_at(p->policy, text); }

static bool open_engine(place *p, mn_error *err) {
  mn_engine_options o;
  mn_engine_options_init(&o);
  o.packs_dir = "packs";
  o.policy = p->policy;
  o.ledger = p->ledger;
  o.device = "device-1";
  return mn_engine_open(&p->mn, &o, err) == MN_OK;
}

/* A request, which is when the engine looks at the file; decision and reason to `said`. */
static const char *ask(place *p, const char *text, char said[96]) {
  mn_request r;
  mn_outcome *o = NULL;
  mn_error err = {0};
  mn_request_init(&r);
  r.text = text;
  r.now = "2026-03-02T21:15:00";
  int st = mn_do(p->mn, &r, &o, &err);
  TAP_OK(st == MN_OK, "%s: %s", text, err.text);
  (void)base_format(said, 96, "%s/%s", o ? mn_outcome_decision(o) : "", o ? mn_outcome_reason(o) : "");
  mn_outcome_free(o);
  return said;
}

/* Asks until the version is in force; how long that took, in ms. */
static int64_t wait_for(place *p, const char *version) {
  char said[96];
  uint64_t start = os_monotonic_ns();
  while (os_monotonic_ns() - start < 5000000000u) {
    ask(p, "what time is it", said);
    if (strcmp(mn_policy_version(p->mn), version) == 0) return (int64_t)((os_monotonic_ns() - start) / 1000000);
    usleep(20000);
  }
  return -1;
}

static void test_reload(place *p) {
  char said[96];
  mn_error err = {0};
  TAP_OK(strcmp(mn_policy_version(p->mn), "one") == 0 && mn_policy_problem(p->mn, NULL) == MN_OK, "the first");
  TAP_OK(strncmp(ask(p, "set an alarm for 7:30", said), "act/", 4) == 0, "acts: %s", said);
  put(p, "{\"version\": \"two\", \"packs\": {\"deny\": [\"clock\"]}}");
  int64_t ms = wait_for(p, "two");
  TAP_OK(ms >= 0 && ms <= 1500, "in force after %lld ms", (long long)ms);
  TAP_OK(strcmp(ask(p, "set an alarm for 7:30", said), "refuse/not_allowed") == 0, "the clock is denied: %s", said);

  static const char *const broken[] = {"{\"version\": \"three\"", "{\"version\": \"three\", \"risk\": {\"money\": \"never\"}}",
                                       "", "{\"version\": \"three\", \"cloud\": {\"enabled\": true}}"};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    put(p, broken[i]);
    usleep(1100000);
    TAP_OK(strcmp(ask(p, "set an alarm for 7:30", said), "refuse/not_allowed") == 0, "broken %zu: the old one stays: %s", i,
           said);
    err = (mn_error){0};
    TAP_OK(mn_policy_problem(p->mn, &err) != MN_OK && err.text[0] != '\0' && strstr(err.where, "policy.json"),
           "and it says so: %s: %s", err.where, err.text);
    TAP_OK(strcmp(mn_policy_version(p->mn), "two") == 0, "version %s", mn_policy_version(p->mn));
  }
  TAP_OK(unlink(p->policy) == 0, "the file goes");
  usleep(1100000);
  TAP_OK(strcmp(ask(p, "set an alarm for 7:30", said), "refuse/not_allowed") == 0 && mn_policy_problem(p->mn, NULL) != MN_OK,
         "gone: the old one stays");
  put(p, "{\"version\": \"four\"}");
  TAP_OK(wait_for(p, "four") >= 0 && mn_policy_problem(p->mn, NULL) == MN_OK, "a good one mends it");
  TAP_OK(strncmp(ask(p, "set an alarm for 7:30", said), "act/", 4) == 0, "and the clock is back: %s", said);
}

static void test_flags(place *p) {
  put(p, "{\"version\": \"five\", \"flags\": {\"new_look\": {\"percent\": 100}, \"old_look\": {\"percent\": 0}}}");
  TAP_OK(wait_for(p, "five") >= 0, "flags");
  TAP_OK(mn_flag(p->mn, "new_look") && !mn_flag(p->mn, "old_look") && mn_flag(p->mn, "unknown"), "as the policy says");
  put(p, "{\"version\": \"six\", \"flags\": {\"new_look\": {\"percent\": 100, \"off\": true}}}");
  TAP_OK(wait_for(p, "six") >= 0 && !mn_flag(p->mn, "new_look"), "the kill switch");
}

static void test_rollout(void) {
  policy p;
  policy_init(&p);
  p.n_flags = 1;
  for (int percent = 0; percent <= 100; percent += 25) {
    int on = 0, later = 0;
    for (int device = 0; device < 4000; device++) {
      char id[24];
      base_format(id, sizeof id, "device-%d", device);
      uint64_t hash = base_hash(BASE_HASH_START, id, strlen(id));
      p.flag[0] = (policy_rollout){.name = "new_look", .percent = (float)percent};
      bool now = policy_flag(&p, "new_look", hash);
      p.flag[0].percent = (float)(percent + 25);
      on += now;
      later += now && !policy_flag(&p, "new_look", hash);
    }
    TAP_OK(on >= percent * 40 - 120 && on <= percent * 40 + 120, "%d of 4000 at %d %%", on, percent);
    TAP_OK(later == 0, "who has it keeps it when more get it");
  }
}

/* A key's file that changes brings a new key; one that goes, or holds none, leaves the service as it was and is told. */
static void test_key(place *p) {
  mn_error err = {0};
  char prices[128], said[96];
  base_format(prices, sizeof prices, "%s/prices.json", p->folder);
  put_at(prices, "{\"date\":\"2026-11-21\",\"currency\":\"USD\",\"models\":{\"m\":{\"input\":0.1,\"output\":0.4}}}");
  put_at(p->key, "first-key\n");
  put(p, "{\"version\": \"keyed\", \"cloud\": {\"enabled\": true, \"endpoint\": \"http://127.0.0.1:1/v1\", \"model\": \"m\", "
         "\"key_file\": \"key\", \"prices\": \"prices.json\"}}");
  TAP_OK(wait_for(p, "keyed") >= 0 && mn_policy_problem(p->mn, NULL) == MN_OK, "a key");
  put_at(p->key, "second key\n"); /* no service takes a blank in one: it was read again */
  usleep(1100000);
  ask(p, "what time is it", said);
  TAP_OK(mn_policy_problem(p->mn, &err) != MN_OK && strstr(err.text, "key"), "a bad one is told: %s", err.text);
  put_at(p->key, "third-key\n");
  usleep(1100000);
  ask(p, "what time is it", said);
  TAP_OK(mn_policy_problem(p->mn, NULL) == MN_OK, "a good one mends it");
}

/* An engine that cannot read its policy does not start with another one. */
static void test_start(place *p) {
  mn_error err = {0};
  mn_engine_close(p->mn);
  p->mn = NULL;
  put(p, "{\"version\": 7}");
  TAP_OK(!open_engine(p, &err) && p->mn == NULL && strstr(err.where, "policy.json"), "broken at the start: %s: %s", err.where,
         err.text);
}

int main(void) {
  static place p = {.folder = "/tmp/minnow-reload-XXXXXX"};
  char command[128];
  mn_error err = {0};
  if (mkdtemp(p.folder) != NULL) {
    base_format(p.policy, sizeof p.policy, "%s/policy.json", p.folder);
    base_format(p.key, sizeof p.key, "%s/key", p.folder);
    base_format(p.ledger, sizeof p.ledger, "%s/ledger.db", p.folder);
    put(&p, "{\"version\": \"one\"}");
    bool open = open_engine(&p, &err);
    TAP_OK(open, "%s: %s", err.where, err.text);
    if (open) {
      test_reload(&p);
      test_flags(&p);
      test_key(&p);
      test_start(&p);
    }
    mn_engine_close(p.mn);
  }
  test_rollout();
  base_format(command, sizeof command, "rm -rf '%s'", p.folder);
  TAP_OK(system(command) == 0, "tidied");
  return tap_done("test_reload");
}
