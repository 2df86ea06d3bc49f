/* The cascade's probe through the public header, on a model of random weights: its answers to some questions become rows,
 * the rows a probe, and an engine with that probe lets stand what the probe is sure of and nothing else. */
#include <jansson.h>

#include "minnow.h"
#include "os/os.h"
#include "tap.h"
#include "tiny_lm.h"

enum { QUESTIONS = 60, FEATURES = 62, TOKENS = 24 };

typedef struct question {
  char text[64];
  char *said; /* by the model alone */
  float feature[FEATURES], sure;
} question;

static char folder[] = "/tmp/minnow-test-probe-XXXXXX";
static question all[QUESTIONS];

static const char *in_folder(const char *name) {
  static char path[4][128];
  static int at;
  char *out = path[at++ % 4];
  base_format(out, sizeof path[0], "%s/%s", folder, name);
  return out;
}

static void write_file(const char *name, const char *text) {
  FILE *f = fopen(in_folder(name), "wb");
  if (f == NULL) abort();
  fputs(text, f);
  fclose(f);
}

static mn_model *open_model(const char *name) {
  mn_model *m = NULL;
  mn_error err = {0};
  TAP_OK(mn_model_open(&m, in_folder(name), NULL, &err) == MN_OK, "%s: %s", name, err.text);
  return m;
}

static int open_engine(mn_engine **mn, mn_model *m, const char *policy, const char *probe, mn_error *err) {
  mn_engine_options o;
  mn_engine_options_init(&o);
  o.model = m;
  o.packs_dir = "packs";
  o.policy = in_folder(policy);
  o.probe = probe ? in_folder(probe) : NULL;
  return mn_engine_open(mn, &o, err);
}

static mn_outcome *ask(mn_engine *mn, const char *text) {
  mn_request r;
  mn_error err = {0};
  mn_outcome *o = NULL;
  mn_request_init(&r);
  r.text = text;
  r.task = "text";
  TAP_OK(mn_do(mn, &r, &o, &err) == MN_OK, "%s: %s", text, err.text);
  return o;
}

/* ---- rows ---- */

static void ask_alone(mn_model *m) {
  mn_engine *mn = NULL;
  mn_error err = {0};
  TAP_OK(open_engine(&mn, m, "policy.json", NULL, &err) == MN_OK, "engine: %s", err.text);
  for (int i = 0; i < QUESTIONS; i++) {
    base_format(all[i].text, sizeof all[i].text, "tell me what number %d of the sea is like", i * 37);
    mn_outcome *o = ask(mn, all[i].text);
    all[i].said = strdup(mn_outcome_answer(o));
    all[i].sure = mn_outcome_confidence(o);
    mn_outcome_free(o);
  }
  mn_engine_close(mn);
}

/* The questions with their right answers: what the model says where it is surer than usual, something else elsewhere. */
static size_t write_questions(float usual) {
  base_buf rows = {0};
  size_t right = 0;
  for (int i = 0; i < QUESTIONS; i++) {
    bool good = all[i].sure > usual;
    base_buf_puts(&rows, "{\"prompt\":");
    base_buf_json(&rows, base_slice_of(all[i].text));
    base_buf_puts(&rows, ",\"answer\":[\"never that\",");
    base_buf_json(&rows, base_slice_of(good ? all[i].said : "nor this"));
    base_buf_puts(&rows, "]}\n");
    right += good;
  }
  write_file("questions.jsonl", rows.ptr);
  base_buf_free(&rows);
  return right;
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static float median_sure(void) {
  float sorted[QUESTIONS];
  for (int i = 0; i < QUESTIONS; i++) sorted[i] = all[i].sure;
  qsort(sorted, QUESTIONS, sizeof *sorted, by_size);
  return sorted[QUESTIONS / 2];
}

static void read_features(void) {
  base_buf file = {0};
  base_slice line;
  int i = 0;
  TAP_OK(!os_read_file(in_folder("answers.jsonl"), 1 << 24, &file, NULL), "the rows");
  base_slice rest = {file.ptr, file.len};
  for (; i < QUESTIONS && base_slice_split(&rest, '\n', &line); i++) {
    json_t *row = json_loadb(line.ptr, line.len, 0, NULL), *list = json_object_get(row, "features");
    TAP_OK(json_array_size(list) == FEATURES, "row %d has %zu features", i, json_array_size(list));
    for (size_t k = 0; k < FEATURES; k++) all[i].feature[k] = (float)json_number_value(json_array_get(list, k));
    json_decref(row);
  }
  TAP_OK(i == QUESTIONS, "%d rows", i);
  base_buf_free(&file);
}

/* ---- the tests ---- */

static void test_rows(mn_model *m) {
  mn_error err = {0};
  size_t rows = 0, right = 0;
  ask_alone(m);
  size_t expected = write_questions(median_sure());
  int st = mn_route_answers(m, in_folder("questions.jsonl"), in_folder("answers.jsonl"), TOKENS, NULL, NULL, &rows, &right, &err);
  TAP_OK(st == MN_OK && rows == QUESTIONS && right == expected, "%s: %zu rows, %zu right of %zu", err.text, rows, right, expected);
  read_features();
  for (int i = 1; i < QUESTIONS; i++)
    if (memcmp(all[i].feature + 14, all[0].feature + 14, 48 * sizeof(float)) == 0) TAP_OK(false, "states of %d and 0 agree", i);
}

static void test_cascade(mn_model *m) {
  mn_error err = {0};
  mn_probe_report report;
  mn_probe *probe = NULL;
  mn_engine *mn = NULL;
  int stood = 0, right = 0;
  mn_probe_report_init(&report);
  int st = mn_route_calibrate(in_folder("answers.jsonl"), in_folder("probe.gguf"), 0.2f, &report, &err);
  TAP_OK(st == MN_OK && report.features == FEATURES, "calibrated: %s", err.text);
  TAP_OK(report.log_loss < report.base_log_loss && report.risk <= 0.25 && report.sure_violated <= 0.25,
         "loss %.3f of %.3f, risk %.3f, violated %.2f", report.log_loss, report.base_log_loss, report.risk, report.sure_violated);
  TAP_OK(mn_probe_open(&probe, in_folder("probe.gguf"), &err) == MN_OK && mn_probe_features(probe) == FEATURES, "%s", err.text);
  TAP_OK(open_engine(&mn, m, "policy.json", "probe.gguf", &err) == MN_OK, "engine: %s", err.text);
  for (int i = 0; i < QUESTIONS && mn != NULL; i++) {
    float expected = mn_probe_score(probe, all[i].feature);
    mn_outcome *o = ask(mn, all[i].text);
    bool stands = strcmp(mn_outcome_reason(o), "answered") == 0;
    TAP_OK(mn_outcome_confidence(o) == expected, "%d: %s: confidence %.6f, the probe says %.6f", i,
           mn_outcome_reason(o), (double)mn_outcome_confidence(o), (double)expected);
    TAP_OK(stands == (expected >= mn_probe_threshold(probe)), "%d: %s at %.3f", i, mn_outcome_reason(o), (double)expected);
    stood += stands;
    right += stands && all[i].sure > median_sure();
    mn_outcome_free(o);
  }
  TAP_OK(stood > QUESTIONS / 8 && stood < QUESTIONS, "%d of %d stand", stood, QUESTIONS);
  TAP_OK(stood - right <= QUESTIONS / 5, "%d of them are wrong", stood - right);
  mn_engine_close(mn);
  mn_probe_close(probe);
  mn = NULL;
  TAP_OK(open_engine(&mn, m, "bold.json", "probe.gguf", &err) == MN_OK, "a policy that takes anything: %s", err.text);
  for (int i = 0; i < 4; i++) {
    mn_outcome *o = ask(mn, all[i].text);
    TAP_OK(strcmp(mn_outcome_reason(o), "answered") == 0, "what the policy says comes before the probe's threshold");
    mn_outcome_free(o);
  }
  mn_engine_close(mn);
}

static void test_misfits(mn_model *m) {
  static const struct {
    const char *row, *says;
  } bad[] = {{"{\"prompt\":\"a\"}", "no \"answer\""},
             {"{\"answer\":\"a\"}", "no \"prompt\""},
             {"{\"prompt\":7,\"answer\":\"a\"}", "must be a text"},
             {"{\"prompt\":\"a\",\"answer\":[1]}", "list of texts"},
             {"[1]", "JSON object"},
             {"{\"prompt\":", "line 1"}};
  mn_error err = {0};
  mn_engine *mn = NULL;
  mn_model *other = open_model("other.gguf");
  TAP_OK(open_engine(&mn, other, "policy.json", "probe.gguf", &err) == MN_EMISMATCH && mn == NULL, "another model: %s", err.text);
  err = (mn_error){0};
  TAP_OK(open_engine(&mn, NULL, "policy.json", "probe.gguf", &err) == MN_EARGUMENT, "no model: %s", err.text);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    err = (mn_error){0};
    write_file("bad.jsonl", bad[i].row);
    int st = mn_route_answers(m, in_folder("bad.jsonl"), in_folder("none.jsonl"), 4, NULL, NULL, NULL, NULL, &err);
    TAP_OK(st == MN_EFORMAT && strstr(err.text, bad[i].says) != NULL && !os_exists(in_folder("none.jsonl")), "%s: %s",
           bad[i].row, err.text);
  }
  mn_model_close(other);
}

/* Documents are compared as JSON; what a schema refuses is no row. */
static void test_documents(mn_model *m) {
  mn_error err = {0};
  size_t rows = 0, right = 0;
  write_file("documents.jsonl", "{\"prompt\":\"a\",\"schema\":{\"const\":{\"a\":1,\"b\":[2]}},\"answer\":{\"b\":[2.0],\"a\":1}}\n"
                                "{\"prompt\":\"a\",\"schema\":{\"const\":{\"a\":1}},\"answer\":{\"a\":2}}\n"
                                "{\"prompt\":\"a\",\"schema\":{\"type\":\"array\",\"minItems\":400,\"items\":{\"const\":1}},\"answer\":[]}\n");
  int st = mn_route_answers(m, in_folder("documents.jsonl"), in_folder("none.jsonl"), 40, NULL, NULL, &rows, &right, &err);
  TAP_OK(st == MN_OK && rows == 2 && right == 1, "%s: %zu rows, %zu right", err.text, rows, right);
}

/* A document that the time was too short for is late, not a model that failed. */
static void test_late(mn_model *m) {
  static const struct {
    const char *policy, *reason;
  } cases[] = {{"late.json", "timeout"}, {"policy.json", "model_failed"}};
  for (int i = 0; i < 2; i++) {
    mn_engine *mn = NULL;
    mn_error err = {0};
    mn_outcome *o = NULL;
    mn_request r;
    mn_request_init(&r);
    r.text = "all numbers";
    r.task = "extract";
    r.schema = "{\"type\":\"array\",\"minItems\":5000,\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9}}";
    TAP_OK(open_engine(&mn, m, cases[i].policy, NULL, &err) == MN_OK && mn_do(mn, &r, &o, &err) == MN_OK, "%s", err.text);
    if (o != NULL)
      TAP_OK(strcmp(mn_outcome_reason(o), cases[i].reason) == 0, "%s: %s: %s", cases[i].policy, mn_outcome_reason(o), mn_outcome_detail(o));
    mn_outcome_free(o);
    mn_engine_close(mn);
  }
}

int main(void) {
  base_error err = {0};
  if (mkdtemp(folder) == NULL) return 1;
  write_file("policy.json", "{\"version\":\"1\",\"cloud\":{\"max_tokens\":24}}");
  write_file("late.json", "{\"version\":\"1\",\"cloud\":{\"max_tokens\":100000},\"deadline_ms\":{\"local\":1}}");
  write_file("bold.json", "{\"version\":\"1\",\"cloud\":{\"max_tokens\":24},\"confidence\":{\"text\":0}}");
  TAP_OK(!tiny_lm_write(in_folder("tiny.gguf"), 1, true, TINY_LM_CONTEXT, &err) &&
             !tiny_lm_write(in_folder("other.gguf"), 2, true, TINY_LM_CONTEXT, &err),
         "%s", err.text);
  mn_model *m = open_model("tiny.gguf");
  if (m != NULL) {
    test_rows(m);
    test_cascade(m);
    test_misfits(m);
    test_documents(m);
    test_late(m);
  }
  mn_model_close(m);
  for (int i = 0; i < QUESTIONS; i++) free(all[i].said);
  char command[128];
  base_format(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) printf("could not remove %s\n", folder);
  return tap_done("test_probe");
}
