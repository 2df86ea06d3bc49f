/* minnow.h from outside: options and structs, errors, outcomes that outlive the engine, reproducible JSON,
 * every allocation made to fail, two engines side by side, no allocation before the outcome. */
#include <jansson.h>
#include <math.h>

#include "tiny.h"

#include "failing.h"

#define NOW "2026-03-02T21:15:00"

static mn_engine *open_engine(const tiny *files) {
  mn_engine_options o;
  mn_engine *mn = NULL;
  mn_error err = {0};
  mn_engine_options_init(&o);
  o.packs_dir = files->dir;
  TAP_OK(mn_engine_open(&mn, &o, &err) == MN_OK && mn != NULL, "%s: %s", err.where, err.text);
  return mn;
}

static mn_outcome *ask(mn_engine *mn, const char *text, const char *open_pack, const char *now) {
  mn_request r;
  mn_outcome *out = NULL;
  mn_error err = {0};
  mn_request_init(&r);
  r.text = text;
  r.pack = open_pack;
  r.now = now;
  TAP_OK(mn_do(mn, &r, &out, &err) == MN_OK && out != NULL, "%s: %s", text, err.text);
  return out;
}

static void expect_failure(mn_engine *mn, const char *text, size_t len, const char *open_pack,
                           const char *now, int status) {
  mn_request r;
  mn_outcome *out = NULL;
  mn_error err = {0};
  mn_request_init(&r);
  r.text = text;
  r.text_len = len;
  r.pack = open_pack;
  r.now = now;
  int st = mn_do(mn, &r, &out, &err);
  TAP_OK(st == status && out == NULL && err.code == status && err.text[0] != '\0', "status %d: %s: %s", st,
         err.where, err.text);
}

static void test_engine(const tiny *files) {
  mn_engine *mn = open_engine(files);
  TAP_OK(mn_engine_packs(mn) == TINY_PACKS - 1, "four packs besides the gate");
  TAP_OK(strcmp(mn_engine_pack_name(mn, 0), "clock") == 0, "sorted by name: %s", mn_engine_pack_name(mn, 0));
  TAP_OK(strcmp(mn_engine_pack_version(mn, 0), "0.0.1") == 0, "its version");
  TAP_OK(strstr(mn_engine_pack_manifest(mn, 0), "set_alarm") != NULL, "its manifest");
  TAP_OK(mn_engine_pack_name(mn, 99) == NULL && mn_engine_pack_manifest(mn, 99) == NULL &&
             mn_engine_pack_version(mn, 99) == NULL,
         "nothing past the end");
  TAP_OK(mn_engine_kernels(mn)[0] != '\0', "kernels %s", mn_engine_kernels(mn));
  mn_network(mn, false); /* nothing without a cloud */
  mn_engine_close(mn);
  mn_engine_close(NULL);
  mn_outcome_free(NULL);
  TAP_OK(strcmp(mn_version(), MN_VERSION) == 0, "the library is the header's");
}

static void test_open_failures(const tiny *files) {
  static const struct {
    const char *dir, *kernels;
    size_t size;
    int status;
  } cases[] = {{"/nowhere/at/all", NULL, sizeof(mn_engine_options), MN_ENOTFOUND},
               {"tests/tiny", NULL, sizeof(mn_engine_options), MN_ENOTFOUND},
               {NULL, "abacus", sizeof(mn_engine_options), MN_EUNSUPPORTED},
               {NULL, NULL, 0, MN_EARGUMENT},
               {NULL, NULL, 1 << 20, MN_EARGUMENT}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mn_engine_options o;
    mn_engine *mn = NULL;
    mn_error err = {0}, kept = {.code = MN_EIO, .text = "first"};
    mn_engine_options_init(&o);
    o.packs_dir = cases[i].dir != NULL ? cases[i].dir : files->dir;
    o.kernels = cases[i].kernels;
    o.size = cases[i].size;
    int st = mn_engine_open(&mn, &o, &err);
    TAP_OK(st == cases[i].status && mn == NULL && err.text[0] != '\0', "case %zu: %d, %s: %s", i, st,
           err.where, err.text);
    TAP_OK(mn_engine_open(&mn, &o, &kept) == cases[i].status && kept.code == MN_EIO &&
               strcmp(kept.text, "first") == 0,
           "case %zu: the first failure sticks", i);
    TAP_OK(mn_engine_open(&mn, &o, NULL) == cases[i].status, "case %zu: no error is asked for", i);
  }
}

/* A file that is cut anywhere, or that is something else, is refused with a sentence. */
static void test_bad_pack(const tiny *files) {
  char path[128], dir[] = "/tmp/minnow-bad-XXXXXX", out[128];
  base_buf bytes = {0};
  tiny bad = {{0}};
  if (mkdtemp(dir) == NULL) {
    TAP_SKIP("no folder for broken packs");
    return;
  }
  (void)base_format(bad.dir, sizeof bad.dir, "%s", dir);
  (void)base_format(path, sizeof path, "%s/clock.gguf", files->dir);
  (void)base_format(out, sizeof out, "%s/clock.gguf", dir);
  TAP_OK(os_read_file(path, 1 << 24, &bytes, NULL) == BASE_OK, "a pack's bytes");
  for (size_t step = 0; step < 24; step++) {
    os_writer *w = NULL;
    mn_engine_options o;
    mn_engine *mn = NULL;
    mn_error err = {0};
    mn_engine_options_init(&o);
    o.packs_dir = dir;
    TAP_OK(os_writer_open(&w, out, NULL) == BASE_OK &&
               os_writer_add(w, bytes.ptr, bytes.len * step / 24, NULL) == BASE_OK &&
               os_writer_commit(w, NULL) == BASE_OK,
           "written");
    int st = mn_engine_open(&mn, &o, &err);
    TAP_OK(st != MN_OK && mn == NULL && err.text[0] != '\0', "%zu of 24 parts: %s", step, err.text);
  }
  base_buf_free(&bytes);
  tiny_remove(&bad);
}

static void test_do(mn_engine *mn) {
  mn_outcome *o = ask(mn, "set an alarm for 7:30 and text Emma good night", NULL, NOW);
  TAP_OK(mn_outcome_actions(o) == 2, "two actions: %s", mn_outcome_json(o));
  if (mn_outcome_actions(o) != 2) {
    mn_outcome_free(o);
    return;
  }
  mn_action a = mn_outcome_action(o, 0), none = mn_outcome_action(o, 2);
  TAP_OK(strcmp(a.pack, "clock") == 0 && strcmp(a.name, "set_alarm") == 0 &&
             strcmp(a.title, "Set an alarm") == 0,
         "%s %s", a.pack, a.name);
  TAP_OK(strcmp(a.arguments, "{\"time\":\"2026-03-03T07:30:00\"}") == 0, "%s", a.arguments);
  TAP_OK(strcmp(a.summary, "time tomorrow at 7:30") == 0, "%s", a.summary);
  TAP_OK(strcmp(a.risk, "reversible") == 0 && a.confidence > 0.0f && a.confidence <= 1.0f, "%s", a.risk);
  TAP_OK(none.pack == NULL && none.arguments == NULL, "nothing past the end");
  TAP_OK(strcmp(mn_outcome_source(o), "device") == 0 && mn_outcome_why(o)[0] != '\0', "on the device");
  TAP_OK(strlen(mn_outcome_id(o)) == 16, "an id");
  mn_timings t = mn_outcome_timings(o);
  TAP_OK(t.total_us + 5 >= t.guard_us + t.gate_us + t.pack_us + t.valid_us,
         "the stages are within the whole");
  mn_outcome_free(o);
  o = ask(mn, "unlock the front door", "home", NOW);
  a = mn_outcome_action(o, 0);
  TAP_OK(strcmp(mn_outcome_decision(o), "confirm") == 0 && strcmp(a.decision, "confirm") == 0,
         "safety is confirmed");
  TAP_OK(strcmp(a.prompt, "Unlock a door: front door?") == 0 && strcmp(mn_outcome_text(o), a.prompt) == 0,
         "%s", a.prompt);
  mn_outcome_free(o);
}

static void test_bad_requests(mn_engine *mn) {
  char *big = malloc(100001);
  memset(big, 'a', 100000);
  big[100000] = '\0';
  expect_failure(mn, NULL, 0, NULL, NOW, MN_EARGUMENT);
  expect_failure(mn, "", 0, NULL, NOW, MN_EARGUMENT);
  expect_failure(mn, " \n ", 0, NULL, NOW, MN_EARGUMENT);
  expect_failure(mn, big, 0, NULL, NOW, MN_ELIMIT);
  expect_failure(mn, "a\xFF", 0, NULL, NOW, MN_EFORMAT);
  expect_failure(mn, "a\0b", 3, NULL, NOW, MN_EFORMAT);
  expect_failure(mn, "a\x1B[2J", 0, NULL, NOW, MN_EFORMAT);
  expect_failure(mn, "wake me", 0, "kettle", NOW, MN_ENOTFOUND);
  expect_failure(mn, "wake me", 0, NULL, "tomorrow", MN_EARGUMENT);
  expect_failure(mn, "wake me", 0, NULL, "2026-02-30T10:00:00", MN_EARGUMENT);
  expect_failure(mn, "wake me", 0, NULL, "10:00:00", MN_EARGUMENT);
  mn_request r;
  mn_outcome *out = NULL;
  mn_request_init(&r);
  r.size = 3;
  TAP_OK(mn_do(mn, &r, &out, NULL) == MN_EARGUMENT, "a struct that was not filled");
  free(big);
}

/* ---- JSON ---- */

static bool has_keys(const json_t *object, const char *const *keys, size_t n) {
  bool fine = json_object_size(object) == n;
  for (size_t i = 0; i < n; i++)
    fine = fine && json_object_get(object, keys[i]) != NULL;
  return fine;
}

static void test_json(mn_engine *mn) {
  static const char *const top[] = {"request_id", "decision", "source",     "reason",  "confidence",
                                    "actions",    "text",     "timings_us", "versions"};
  static const char *const action[] = {"pack", "name", "arguments", "confidence", "risk"};
  static const char *const timings[] = {"guard", "gate", "pack", "valid", "cloud", "total"};
  static const char *const versions[] = {"minnow", "gate", "packs", "policy", "model"};
  mn_outcome *o = ask(mn, "set an alarm for 7:30 and text Emma good night", NULL, NOW);
  json_t *j = json_loads(mn_outcome_json(o), JSON_REJECT_DUPLICATES, NULL);
  TAP_OK(j != NULL && strchr(mn_outcome_json(o), '\n') == NULL, "one line of JSON: %s", mn_outcome_json(o));
  TAP_OK(has_keys(j, top, 9), "the documented keys");
  TAP_OK(has_keys(json_array_get(json_object_get(j, "actions"), 1), action, 5), "an action's keys");
  TAP_OK(has_keys(json_object_get(j, "timings_us"), timings, 6), "the stages");
  TAP_OK(has_keys(json_object_get(j, "versions"), versions, 5), "the versions");
  TAP_OK(json_object_size(json_object_get(json_object_get(j, "versions"), "packs")) == 2,
         "the two packs that were asked");
  TAP_OK(strcmp(json_string_value(json_object_get(j, "request_id")), mn_outcome_id(o)) == 0, "the same id");
  json_decref(j);
  mn_outcome_free(o);
}

/* Everything but the timings. */
static json_t *without_timings(const mn_outcome *o) {
  json_t *j = json_loads(mn_outcome_json(o), 0, NULL);
  json_object_del(j, "timings_us");
  return j;
}

static void test_reproducible(const tiny *files) {
  mn_engine *one = open_engine(files), *two = open_engine(files);
  mn_outcome *a = ask(one, "wake me at 7", NULL, NOW), *b = ask(two, "wake me at 7", NULL, NOW);
  json_t *x = without_timings(a), *y = without_timings(b);
  TAP_OK(json_equal(x, y) == 1, "two engines, one answer: %s %s", mn_outcome_json(a), mn_outcome_json(b));
  json_decref(x);
  json_decref(y);
  mn_engine_close(one);
  TAP_OK(strcmp(mn_outcome_action(a, 0).name, "set_alarm") == 0, "an outcome outlives its engine");
  mn_outcome_free(a);
  a = ask(two, "wake me at 7", "clock", NOW);
  TAP_OK(strcmp(mn_outcome_id(a), mn_outcome_id(b)) != 0, "another pack, another id");
  mn_outcome_free(a);
  mn_outcome_free(b);
  a = ask(two, "wake me at 7", NULL, NULL);
  b = ask(two, "wake me at 7", NULL, NULL);
  TAP_OK(strcmp(mn_outcome_id(a), mn_outcome_id(b)) != 0, "without a time ids are random");
  mn_outcome_free(a);
  mn_outcome_free(b);
  mn_engine_close(two);
}

static int64_t fixed_clock(void *ctx) { return *(int64_t *)ctx; }

static void test_clock(const tiny *files) {
  mn_engine_options o;
  mn_engine *mn = NULL;
  int64_t seconds = 1772486100; /* 2026-03-02T21:15:00 on that clock */
  mn_engine_options_init(&o);
  o.packs_dir = files->dir;
  o.local_seconds = fixed_clock;
  o.clock_ctx = &seconds;
  TAP_OK(mn_engine_open(&mn, &o, NULL) == MN_OK, "with a clock of its own");
  mn_outcome *out = ask(mn, "wake me at 7", NULL, NULL);
  TAP_OK(strstr(mn_outcome_json(out), "2026-03-03T07:00:00") != NULL, "%s", mn_outcome_json(out));
  mn_outcome_free(out);
  seconds = INT64_C(999999999999999);
  mn_request r;
  mn_request_init(&r);
  r.text = "wake me at 7";
  TAP_OK(mn_do(mn, &r, &out, NULL) == MN_EARGUMENT, "a clock in no year");
  mn_engine_close(mn);
}

/* ---- memory ---- */

static void test_allocations(const tiny *files) {
  failing f;
  base_allocator a;
  mn_engine *mn = NULL;
  mn_outcome *out = NULL;
  mn_request r;
  mn_engine_options o;
  mn_engine_options_init(&o);
  mn_request_init(&r);
  r.text = "set an alarm for 7:30 and text Emma good night";
  r.now = NOW;
  o.packs_dir = files->dir;
  int n = 0, st = MN_ENOMEM;
  for (; st != MN_OK && n < 5000; n += n < 200 ? 1 : 7) {
    mn_error err = {0};
    a = failing_allocator(&f, n);
    o.resize = a.resize;
    o.resize_ctx = a.ctx;
    st = mn_engine_open(&mn, &o, &err);
    if (st != MN_OK && (st != MN_ENOMEM || f.held != 0 || mn != NULL)) break;
  }
  TAP_OK(st == MN_OK,
         "opens after %d allocations; every failure before is out of memory with nothing held (%d, %zu)", n,
         st, f.held);
  if (st != MN_OK) return;
  f.left = 1000;
  TAP_OK(mn_do(mn, &r, &out, NULL) == MN_OK, "a first request");
  mn_outcome_free(out);
  size_t held = f.held;
  f.left = 1;
  TAP_OK(mn_do(mn, &r, &out, NULL) == MN_OK && f.left == 0,
         "a later one allocates its outcome and nothing else");
  mn_outcome_free(out);
  TAP_OK(f.held == held, "and leaves nothing behind");
  f.left = 0;
  mn_error err = {0};
  TAP_OK(mn_do(mn, &r, &out, &err) == MN_ENOMEM && out == NULL && err.code == MN_ENOMEM,
         "no memory for the outcome");
  mn_engine_close(mn);
  TAP_OK(f.held == 0, "the engine gives all back");
}

/* ---- training and measuring, briefly; test_train has the depth ---- */

static void test_train_errors(void) {
  mn_train_options t;
  mn_eval_options e;
  mn_eval_report report;
  mn_error err = {0};
  mn_train_options_init(&t);
  TAP_OK(mn_train(&t, NULL, &err) == MN_EARGUMENT && err.text[0] != '\0', "nothing to train: %s", err.text);
  err = (mn_error){0};
  t.pack_dir = "/nowhere/pack";
  TAP_OK(mn_train(&t, NULL, &err) != MN_OK && err.text[0] != '\0', "no folder: %s", err.text);
  mn_eval_options_init(&e);
  err = (mn_error){0};
  e.model = "/nowhere/pack.gguf";
  e.data = "/nowhere/rows.jsonl";
  TAP_OK(mn_eval(&e, &report, &err) != MN_OK && err.text[0] != '\0', "no file: %s", err.text);
}

int main(void) {
  tiny files;
  tiny_make(&files);
  if (files.dir[0] != '\0') {
    test_engine(&files);
    test_open_failures(&files);
    test_bad_pack(&files);
    mn_engine *mn = open_engine(&files);
    test_do(mn);
    test_bad_requests(mn);
    test_json(mn);
    mn_engine_close(mn);
    test_reproducible(&files);
    test_clock(&files);
    test_allocations(&files);
  }
  test_train_errors();
  tiny_remove(&files);
  return tap_done("test_api");
}
