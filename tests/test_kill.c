/* kill -9 in every state of a request: a process that runs one stops itself after a stage, between setting money aside and
 * settling, and during the call; it is killed there; then the ledger is opened again. The budget counts whatever may have
 * been charged and never passes its cap, what was saved is there once, nothing is answered twice. And two processes that
 * empty one queue at once. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flow_house.h"

enum { LEASE_S = 60, MAX_REQUESTS = 128, QUEUED = 24 };

/* Where the process stops: after so many stages, or inside one. */
typedef enum halt { AT_STAGE, AFTER_RESERVE, IN_CALL, AFTER_REPLY, AFTER_SETTLE, AFTER_DONE, HALTS } halt;
static const char *const halt_names[] = {"stage", "after reserve", "in the call", "after the reply", "after settle",
                                         "after the queue's end"};

/* What the processes and the test see together. */
typedef struct shared {
  _Atomic int64_t charged; /* by the service, for every call that reached it */
  _Atomic int answered[MAX_REQUESTS];
  _Atomic int calls;
} shared;

typedef struct scene {
  house h;
  shared *all;
  ledger_caps caps;
  halt where;
  size_t after; /* stages */
  bool unreachable;
  char id[LEDGER_ID_BYTES];
  cloud_budget purse;
  cloud_transport transport;
  int64_t now_s; /* the queue's clock */
} scene;

static const char said[] =
    "{\"choices\":[{\"message\":{\"content\":\"yes\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}";
static const int64_t cost = 9 * 150 + 2 * 600; /* of `said` at the prices below */

static void halt_here(const scene *s, halt where) {
  if (s->where == where) raise(SIGSTOP);
}

static base_status reserve(void *ctx, int64_t nano_usd, int64_t *reservation, base_error *err) {
  scene *s = ctx;
  base_status st =
      ledger_reserve(s->h.ledger, base_slice_of(s->id), &s->caps, nano_usd, os_unix_seconds(), reservation, err);
  if (!st) halt_here(s, AFTER_RESERVE);
  return st;
}

static base_status settle(void *ctx, int64_t reservation, int64_t nano_usd, base_error *err) {
  scene *s = ctx;
  base_status st = ledger_settle(s->h.ledger, reservation, nano_usd, err);
  halt_here(s, AFTER_SETTLE);
  return st;
}

static base_status perform(void *ctx, const cloud_call *call, bool (*on_bytes)(void *to, base_slice bytes), void *to,
                           cloud_reply *reply, base_error *err) {
  scene *s = ctx;
  (void)call, (void)err;
  if (s->unreachable) {
    base_format(reply->text, sizeof reply->text, "could not connect");
    return BASE_OK;
  }
  s->all->calls++;
  s->all->charged += cost; /* from here on the service has it */
  halt_here(s, IN_CALL);
  reply->connected = true;
  reply->retry_after_ms = -1;
  reply->status = 200;
  (void)on_bytes(to, base_slice_of(said));
  halt_here(s, AFTER_REPLY);
  return BASE_OK;
}

/* ---- a process ---- */

static void path_of(const scene *s, char path[128]) { base_format(path, 128, "%s/kill.db", s->h.folder); }

static bool open_all(scene *s) {
  char path[128];
  base_error err = {0};
  path_of(s, path);
  policy_init(&s->h.policy);
  s->h.policy.cloud = true;
  base_format(s->h.policy.model, sizeof s->h.policy.model, "big-1");
  s->h.policy.keep_text = true;
  s->purse = (cloud_budget){reserve, settle, s};
  s->transport = (cloud_transport){perform, s};
  cloud_options o = {.endpoint = "https://cloud.test/v1", .model = "big-1", .transport = &s->transport,
                     .budget = &s->purse, .price = {150000000, 600000000}, .max_attempts = 1};
  base_status st = cloud_open(&s->h.cloud, &o, &err);
  if (!st) st = ledger_open(&s->h.ledger, path, NULL, &err);
  if (st) printf("open: %s: %s\n", err.where, err.text);
  return st == BASE_OK;
}

static base_status finish(scene *s, handoff_flow *f, const handoff_request *r) {
  base_error err = {0};
  base_status st = BASE_OK;
  handoff_means m = means_of(&s->h);
  m.check = (handoff_check){0};
  handoff_flow_start(f, &m, r);
  for (size_t i = 1; !st && handoff_flow_at(f) != HANDOFF_AT_END; i++) {
    st = handoff_flow_step(f, &err);
    if (s->where == AT_STAGE && i == s->after) raise(SIGSTOP);
  }
  return st;
}

/* As the engine runs its queue: taken, answered, out of it, and only then handed to the app. */
static base_status run_queue(scene *s, handoff_flow *f) {
  base_buf part[LEDGER_PARTS] = {0}, *text = &part[LEDGER_TEXT];
  ledger_deferred d;
  base_status st = BASE_OK;
  while (!st && !(st = ledger_queue_take(s->h.ledger, s->now_s, LEASE_S, &d, part, NULL))) {
    base_format(s->id, sizeof s->id, "%s", d.id);
    handoff_request r = {.id = d.id, .task = POLICY_TEXT, .text = {text->ptr, text->len}, .deferred = true};
    st = finish(s, f, &r);
    if (!st && handoff_flow_result(f)->source != HANDOFF_CLOUD) {
      st = ledger_queue_retry(s->h.ledger, base_slice_of(d.id), s->now_s + LEASE_S, NULL);
    } else if (!st) {
      base_status gone = ledger_queue_done(s->h.ledger, base_slice_of(d.id), NULL);
      halt_here(s, AFTER_DONE);
      if (!gone) s->all->answered[atoi(d.id + 2)]++;
    }
    base_buf_clear(text);
  }
  for (int i = 0; i < LEDGER_PARTS; i++) base_buf_free(&part[i]);
  return st;
}

/* A child's whole life; exit status 0 when it came through. */
static int live(scene *s, const char *id, bool from_queue) {
  handoff_flow *f = NULL;
  if (!open_all(s) || handoff_flow_new(&f, NULL, NULL)) return 1;
  base_format(s->id, sizeof s->id, "%s", id);
  handoff_request r = {.id = s->id, .task = POLICY_TEXT, .text = base_slice_of("the capital of Peru, for bob@example.com")};
  base_status st = from_queue ? run_queue(s, f) : finish(s, f, &r);
  handoff_flow_free(f);
  end(&s->h);
  return st != BASE_OK && st != BASE_ENOTFOUND;
}

static pid_t start(scene *s, const char *id, bool from_queue) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) _exit(live(s, id, from_queue));
  return pid;
}

/* True when it stopped, and was killed; false when it came to its end. */
static bool kill_where_it_stops(pid_t pid) {
  int status = 0;
  TAP_OK(pid > 0 && waitpid(pid, &status, WUNTRACED) == pid, "a process");
  if (!WIFSTOPPED(status)) {
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ends well (%d)", status);
    return false;
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return true;
}

/* ---- after it ---- */

typedef struct saved {
  const char *id;
  size_t all, same;
} saved;

static base_status count_saved(void *ctx, const ledger_deferred *d, base_slice text, base_error *err) {
  saved *n = ctx;
  (void)text, (void)err;
  n->all++;
  n->same += n->id != NULL && strcmp(d->id, n->id) == 0;
  return BASE_OK;
}

static saved saved_of(scene *s, const char *id) {
  char path[128];
  ledger *l = NULL;
  base_error err = {0};
  saved n = {.id = id};
  int64_t day = 0, month = 0;
  base_buf report = {0};
  path_of(s, path);
  base_status st = ledger_open(&l, path, NULL, &err);
  if (!st) st = ledger_spent(l, os_unix_seconds(), &day, &month, &err);
  if (!st) st = ledger_queue_list(l, count_saved, &n, &err);
  if (!st) st = ledger_report(l, 0, LEDGER_AS_JSON, &report, &err);
  ledger_close(l);
  base_buf_free(&report);
  TAP_OK(st == BASE_OK, "the ledger opens: %s: %s", err.where, err.text);
  TAP_OK(day >= s->all->charged, "%lld counted, %lld may have been charged", (long long)day, (long long)s->all->charged);
  TAP_OK(s->caps.day < 0 || (day <= s->caps.day && s->all->charged <= s->caps.day), "%lld of a cap of %lld", (long long)day,
         (long long)s->caps.day);
  return n;
}

/* One request, killed there, asked again by an app that heard nothing. */
static void kill_request(scene *s, halt where, size_t after, bool unreachable, int number) {
  char id[LEDGER_ID_BYTES], what[64];
  base_format(id, sizeof id, "k-%d", number);
  base_format(what, sizeof what, "%s %zu%s", halt_names[where], after, unreachable ? ", no network" : "");
  s->where = where;
  s->after = after;
  s->unreachable = unreachable;
  size_t before = saved_of(s, NULL).all;
  bool killed = kill_where_it_stops(start(s, id, false));
  saved held = saved_of(s, id);
  TAP_OK(killed || where == AT_STAGE, "%s: it stopped", what);
  TAP_OK(held.same <= 1 && held.all == before + held.same, "%s: saved at most once", what);
  TAP_OK(unreachable || held.same == 0, "%s: not saved", what);
  s->where = HALTS;
  int calls = s->all->calls;
  TAP_OK(!kill_where_it_stops(start(s, id, false)), "%s: asked again", what);
  held = saved_of(s, id);
  TAP_OK(held.same == (unreachable ? 1u : 0u), "%s: saved %zu times", what, held.same);
  TAP_OK(s->all->calls == calls + !unreachable, "%s: one more call", what);
}

static void test_requests(scene *s) {
  int number = 0;
  s->caps = (ledger_caps){-1, -1, -1};
  for (size_t after = 1; after <= 8; after++)
    for (int unreachable = 0; unreachable < 2; unreachable++) kill_request(s, AT_STAGE, after, unreachable, number++);
  for (int where = AFTER_RESERVE; where <= AFTER_SETTLE; where++) kill_request(s, (halt)where, 0, false, number++);
}

/* What was saved above, taken by processes that are killed in every state: each is answered once at most, and none is lost
 * before its answer was there. */
static void test_queue(scene *s) {
  size_t waiting = saved_of(s, NULL).all;
  TAP_OK(waiting == 8, "%zu saved requests", waiting);
  s->unreachable = false;
  s->now_s = os_unix_seconds() + 1;
  for (size_t k = 0; k < 10; k++) {
    bool last = k == 9;
    s->where = k < 5 ? AT_STAGE : last ? AFTER_DONE : (halt)(AFTER_RESERVE + (k - 5));
    s->after = k + 1;
    TAP_OK(kill_where_it_stops(start(s, "", true)), "%s %zu: stopped", halt_names[s->where], s->after);
    size_t left = saved_of(s, NULL).all;
    TAP_OK(left == waiting - last, "%s %zu: %zu of %zu are left", halt_names[s->where], s->after, left, waiting);
    waiting = left;
    s->now_s += LEASE_S + 1;
  }
  s->where = HALTS;
  TAP_OK(!kill_where_it_stops(start(s, "", true)), "the rest is answered");
  TAP_OK(saved_of(s, NULL).all == 0, "and gone");
  size_t answered = 0;
  for (int i = 0; i < MAX_REQUESTS; i++) {
    TAP_OK(s->all->answered[i] <= 1, "k-%d: answered %d times", i, s->all->answered[i]);
    answered += (size_t)s->all->answered[i];
  }
  /* the one whose process died between its end in the queue and the app is in the ledger, not with the app */
  TAP_OK(answered == 7, "%zu answered", answered);
}

/* Many rounds of killed calls: the cap holds, and what is left of it is used. */
static void test_cap(scene *s) {
  int64_t day = 0, month = 0;
  char path[128];
  ledger *l = NULL;
  path_of(s, path);
  TAP_OK(!ledger_open(&l, path, NULL, NULL) && !ledger_spent(l, os_unix_seconds(), &day, &month, NULL), "spent so far");
  ledger_close(l);
  s->caps = (ledger_caps){-1, day + 3000000, -1};
  int calls = s->all->calls, killed = 0;
  for (int i = 0; i < 24; i++) {
    s->where = (halt)(AFTER_RESERVE + i % 4);
    char id[LEDGER_ID_BYTES];
    base_format(id, sizeof id, "c-%d", i);
    killed += kill_where_it_stops(start(s, id, false));
    (void)saved_of(s, NULL);
  }
  TAP_OK(s->all->calls > calls && killed < 24, "%d calls, %d killed, then no money", s->all->calls - calls, killed);
}

/* ---- two at once ---- */

static void save_some(scene *s) {
  guard_vault *v = guard_vault_new(NULL);
  guard_clean *c = NULL;
  base_error err = {0};
  TAP_OK(open_all(s), "open");
  base_status st = guard_clean_make(s->h.guard, base_slice_of("the capital of Peru"), &s->h.policy.personal, v, &c, NULL, &err);
  for (int i = 0; i < QUEUED && !st; i++) {
    ledger_deferred d = {.at_s = s->now_s, .next_s = s->now_s, .expires_s = s->now_s + 86400};
    base_format(d.id, sizeof d.id, "q-%d", 64 + i);
    base_format(d.kind, sizeof d.kind, "text");
    const guard_clean *const part[LEDGER_PARTS] = {c};
    st = ledger_defer(s->h.ledger, &d, part, &err);
    if (!st) st = ledger_defer(s->h.ledger, &d, part, &err); /* the same id again is the same request */
  }
  TAP_OK(st == BASE_OK, "%s", err.text);
  guard_clean_free(c);
  guard_vault_free(v);
  end(&s->h);
}

static void test_two(scene *s) {
  pid_t pid[2];
  s->caps = (ledger_caps){-1, -1, -1};
  s->where = HALTS;
  s->now_s = os_unix_seconds();
  char path[128];
  ledger *l = NULL;
  size_t dropped = 0;
  path_of(s, path);
  TAP_OK(!ledger_open(&l, path, NULL, NULL) && !ledger_queue_drop(l, (base_slice){0}, &dropped, NULL), "an empty queue");
  ledger_close(l);
  save_some(s);
  int calls = s->all->calls;
  for (int i = 0; i < 2; i++) pid[i] = start(s, "", true);
  for (int i = 0; i < 2; i++) TAP_OK(!kill_where_it_stops(pid[i]), "process %d", i);
  /* on a slow machine one process may hold the file for half a second: the other puts its request back, and nothing is
   * called for it; later it is taken again */
  size_t put_back = saved_of(s, NULL).all;
  TAP_OK(put_back < QUEUED / 2, "%zu of %d put back", put_back, QUEUED);
  s->now_s += LEASE_S + 1;
  if (put_back > 0) TAP_OK(!kill_where_it_stops(start(s, "", true)), "those that were put back");
  for (int i = 0; i < QUEUED; i++)
    TAP_OK(s->all->answered[64 + i] == 1, "q-%d: answered %d times", 64 + i, s->all->answered[64 + i]);
  TAP_OK(s->all->calls == calls + QUEUED && saved_of(s, NULL).all == 0, "one call each, none left");
}

int main(void) {
  static scene s;
  s.all = mmap(NULL, sizeof *s.all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  s.where = HALTS;
  if (s.all != MAP_FAILED && open_house(&s.h)) {
    test_requests(&s);
    test_queue(&s);
    test_cap(&s);
    test_two(&s);
  }
  close_house(&s.h);
  return tap_done("test_kill");
}
