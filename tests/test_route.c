/* Routers: figures against values worked out by hand, thresholds against their promise, each part against what it must
 * be able to learn, a whole router on made-up prompts with subjects it never saw, and files that are wrong. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "failing.h"
#include "minnow.h"
#include "route/internal.h"
#include "tiny_brain.h"

static char folder[64];
static const char *in_folder(const char *name) {
  static char path[4][160];
  static int next;
  char *p = path[next++ % 4];
  base_format(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static bool near(double a, double b, double by) { return fabs(a - b) <= by; }

static void write_text(const char *path, const char *text, size_t len) {
  FILE *f = fopen(path, "wb");
  TAP_OK(f != NULL && fwrite(text, 1, len, f) == len && fclose(f) == 0, "writing %s", path);
}

/* ---- figures ---- */

static void test_curve(void) {
  enum { N = 20 };
  route_row row[N];
  float score[N];
  uint32_t order[N];
  route_curve c;
  for (size_t i = 0; i < N; i++) { /* weak right on ten, strong on all: a gap of a half */
    row[i] = (route_row){.weak = i >= 10, .strong = true};
    score[i] = (float)(N - i);
  }
  route_curve_of(row, score, N, order, &c); /* all of the gap after half of the calls */
  TAP_OK(near(c.weak, 0.5, 1e-12) && near(c.strong, 1.0, 1e-12), "accuracies %g %g", c.weak, c.strong);
  TAP_OK(near(c.apgr, 0.75, 1e-12) && near(c.cpt50, 25, 1e-9) && near(c.cpt80, 40, 1e-9), "oracle: %g %g %g", c.apgr,
         c.cpt50, c.cpt80);
  for (size_t i = 0; i < N; i++) score[i] = 1.0f;
  route_curve_of(row, score, N, order, &c);
  TAP_OK(near(c.apgr, 0.75, 1e-12), "ties go in the order of the rows: %g", c.apgr);
  for (size_t i = 0; i < N; i++) score[i] = (float)i;
  route_curve_of(row, score, N, order, &c);
  TAP_OK(near(c.apgr, 0.25, 1e-12) && near(c.cpt50, 75, 1e-9) && near(c.cpt80, 90, 1e-9), "the worst: %g %g %g",
         c.apgr, c.cpt50, c.cpt80);
  for (size_t i = 0; i < N; i++) row[i].weak = true;
  route_curve_of(row, score, N, order, &c);
  TAP_OK(isnan(c.apgr) && isnan(c.cpt50), "no gap, no figure");
  const float p[4] = {0.9f, 0.9f, 0.1f, 0.1f};
  const bool event[4] = {true, false, false, false};
  TAP_OK(near(route_ece(p, event, 4), (fabs(1.8 - 1) + 0.2) / 4, 1e-6), "ECE %g", route_ece(p, event, 4));
}

static void test_threshold(void) {
  enum { N = 10 };
  float score[N];
  bool right[N];
  uint32_t order[N];
  for (size_t i = 0; i < N; i++) {
    score[i] = (float)(i + 1) / 10.0f;
    right[i] = i < 6; /* the four that score highest are wrong */
  }
  /* (wrong + 1) / 11 <= 0.3: two may be wrong, so the third wrong one, 0.9, is the first to go */
  float t = route_threshold(score, right, N, 0.3, true, 0.0, order);
  TAP_OK(near((double)t, 0.9, 1e-6), "expected: %g", (double)t);
  /* P(Bin(10, 0.3) <= 0) = 0.028, P(<= 1) = 0.149: at delta 0.1 none may be wrong */
  t = route_threshold(score, right, N, 0.3, false, 0.1, order);
  TAP_OK(near((double)t, 0.7, 1e-6), "nine times in ten: %g", (double)t);
  TAP_OK(route_threshold(score, right, N, 0.05, true, 0.0, order) == 0.0f, "too few rows: everything goes");
  for (size_t i = 0; i < N; i++) right[i] = true;
  TAP_OK(route_threshold(score, right, N, 0.3, true, 0.0, order) == 2.0f, "nothing wrong: everything stays");
}

static void test_promise(void) {
  enum { N = 2000 };
  static float score[N];
  static bool right[N];
  base_rng rng;
  base_error err = {0};
  route_conformal c;
  base_rng_seed(&rng, 7);
  for (size_t i = 0; i < N; i++) {
    score[i] = base_rng_unit(&rng);
    right[i] = base_rng_unit(&rng) > 0.6f * score[i];
  }
  TAP_OK(!route_conformal_try(score, right, N, 0.1, 0.1, 300, 1, NULL, &c, &err), "%s", err.text);
  TAP_OK(c.mean_risk <= 0.102 && c.mean_risk > 0.09, "expected risk %g", c.mean_risk);
  TAP_OK(c.sure_risk < c.mean_risk && c.sure_violated < c.violated && c.sure_kept < c.kept,
         "the sure one is more careful: %g %g", c.sure_risk, c.sure_violated);
  TAP_OK(c.sure_violated < 0.25, "and seldom above: %g", c.sure_violated); /* the half that looks has its own noise */
  TAP_OK(near(c.kept, sqrt(0.1 / 0.3), 0.06), "keeps what the law of the rows allows: %g", c.kept);
}

/* ---- a prompt to features ---- */

static void test_features(void) {
  static route_gram gram[ROUTE_MAX_GRAMS];
  static uint32_t scratch[ROUTE_MAX_GRAMS];
  float f[ROUTE_SURFACE];
  size_t n = route_grams_read(BASE_LITERAL("The cat saw the cat"), gram, scratch), twice = 0;
  for (size_t i = 0; i < n; i++) twice += gram[i].count > 1.5f;
  TAP_OK(n == 6 && twice == 3, "the, cat, saw, the cat, cat saw, saw the: %zu, twice %zu", n, twice);
  for (size_t i = 1; i < n; i++) TAP_OK(gram[i].bucket > gram[i - 1].bucket, "sorted");
  TAP_OK(route_grams_read(BASE_LITERAL(" . a !"), gram, scratch) == 0, "no words");
  route_surface_read(BASE_LITERAL("How many are NOT 12?\nA. one\nB. 22\nC. all of the above\nAnswer:"), f);
  TAP_OK(f[8] == 3.0f && f[7] == 1.0f && f[4] == 16.0f && f[5] == 2.0f && f[26] == 1.0f && f[21] == 1.0f && f[9] == 2.0f,
         "options %g, with digits %g, %g to %g", (double)f[8], (double)f[7], (double)f[5], (double)f[4]);
  route_surface_read((base_slice){"", 0}, f);
  for (size_t i = 0; i < ROUTE_SURFACE; i++) TAP_OK(isfinite(f[i]), "feature %zu of nothing", i);
  char *long_text = malloc(200000);
  for (size_t i = 0; i < 200000; i++) long_text[i] = (char)(i * 2654435761u >> 13);
  n = route_grams_read((base_slice){long_text, 200000}, gram, scratch);
  route_surface_read((base_slice){long_text, 200000}, f);
  TAP_OK(n <= ROUTE_MAX_GRAMS && f[0] == (float)ROUTE_MAX_PROMPT_BYTES, "a long one is cut");
  free(long_text);
}

static void test_forest(void) {
  enum { N = 400, DENSE = 3 };
  static float value[DENSE * N], y[N];
  static uint32_t which[N];
  route_table t = {.n = N, .dense = DENSE, .value = value};
  route_growth g = {.trees = 80, .leaves = 4, .least = 10, .rate = 0.1, .ridge = 1.0, .share = 1.0, .seed = 3};
  static int32_t feature[80 * 7], feature2[80 * 7];
  static float threshold[80 * 7], leaf[80 * 7], leaf2[80 * 7], threshold2[80 * 7];
  static uint32_t left[80 * 7], left2[80 * 7];
  route_forest f = {.feature = feature, .threshold = threshold, .left = left, .value = leaf};
  route_forest again = {.feature = feature2, .threshold = threshold2, .left = left2, .value = leaf2};
  base_rng rng;
  double error = 0.0, plain = 0.0;
  base_rng_seed(&rng, 5);
  for (size_t i = 0; i < DENSE * N; i++) value[i] = base_rng_unit(&rng);
  for (size_t i = 0; i < N; i++) { /* an exclusive or of two features: no linear rule gets it; one that is noise */
    y[i] = (value[i] > 0.5f) != (value[N + i] > 0.3f) ? 1.0f : 0.0f;
    which[i] = (uint32_t)i;
  }
  void *scratch = malloc(route_grow_bytes(N, DENSE));
  route_forest_grow(&f, &g, &t, which, 300, y, NULL, scratch);
  route_forest_grow(&again, &g, &t, which, 300, y, NULL, scratch);
  for (size_t i = 300; i < N; i++) {
    double e = (double)(route_forest_score(&f, value + i, N) - y[i]);
    error += e * e;
    plain += (double)((f.base - y[i]) * (f.base - y[i]));
  }
  TAP_OK(error < 0.2 * plain, "exclusive or on rows never seen: %.2f of %.2f is left", error, plain);
  TAP_OK(memcmp(feature, feature2, sizeof feature) == 0 && memcmp(leaf, leaf2, sizeof leaf) == 0, "the same trees again");
  for (size_t i = 0; i < N; i++) y[i] = 0.25f;
  route_forest_grow(&f, &g, &t, which, N, y, NULL, scratch);
  TAP_OK(route_forest_score(&f, value, N) == 0.25f, "a constant: %g", (double)route_forest_score(&f, value, N));
  free(scratch);
}

/* Two features carry the answer, of which one has a tail; a third never moves, a fourth is noise. */
static void test_line(void) {
  enum { N = 300, DENSE = 4 };
  static float value[DENSE * N], y[N], by_row[N];
  static uint32_t which[N];
  float mean[DENSE], inv_std[DENSE], weight[DENSE];
  route_table t = {.n = N, .dense = DENSE, .value = value};
  route_line l = {mean, inv_std, weight, 0.0f};
  base_rng rng;
  double error = 0.0, plain = 0.0;
  base_rng_seed(&rng, 9);
  for (size_t i = 0; i < N; i++) {
    float log_length = 4.0f + base_rng_normal(&rng), other = base_rng_normal(&rng);
    value[i] = expf(log_length) - 1.0f;
    value[N + i] = other > 0.0f ? expf(other) - 1.0f : 1.0f - expf(-other);
    value[2 * N + i] = 7.0f;
    value[3 * N + i] = base_rng_unit(&rng);
    y[i] = 1.0f + 0.5f * (log_length - 4.0f) - 0.25f * other;
    by_row[i] = i < 150 ? 1.0f : 0.5f;
    which[i] = (uint32_t)i;
  }
  double *scratch = malloc(route_line_scratch(DENSE) * sizeof *scratch);
  route_line_fit(&l, &t, which, 200, y, by_row, 1.0, scratch);
  for (size_t i = 200; i < N; i++) {
    double e = (double)(route_line_score(&l, value + i, DENSE, N) - y[i]);
    error += e * e;
    plain += (double)((l.bias - y[i]) * (l.bias - y[i]));
  }
  TAP_OK(error < 0.05 * plain, "rows never seen: %.3f of %.3f is left", error, plain);
  TAP_OK(weight[2] == 0.0f && fabsf(weight[3]) < 0.05f, "what says nothing weighs %g, %g", (double)weight[2],
         (double)weight[3]);
  route_line_fit(&l, &t, which, 200, y, NULL, 1e9, scratch);
  TAP_OK(near((double)route_line_score(&l, value, DENSE, N), (double)l.bias, 1e-3), "much ridge leaves the mean");
  free(scratch);
}

static void test_choices(void) {
  float f[ROUTE_SURFACE];
  const float *c = f + ROUTE_LOOKS;
  route_surface_read(BASE_LITERAL("Statement 1 is true. Do you and Ann think so?\nA. True, True\nB. False, False\nC. True, False\n"
                                  "D. none of Bob's\nAnswer:"),
                     f);
  /* {true} {false} {true false} {none of bob s}: likenesses 0, 1/2, 1/2, 0, 0, 0 */
  TAP_OK(near((double)c[0], 1.0 / 6, 1e-6) && c[1] == 0.5f && c[2] == 0.0f, "likeness of options: %g %g %g", (double)c[0],
         (double)c[1], (double)c[2]);
  TAP_OK(near((double)c[3], 1.5 / 4, 1e-6) && c[4] == 1.0f && near((double)c[5], 6.0 / 8, 1e-6),
         "words shared with the question %g, range %g, distinct %g", (double)c[3], (double)c[4], (double)c[5]);
  TAP_OK(c[6] == 3.0f && c[7] == 1.0f && c[8] == 2.0f && c[12] == 1.0f && c[16] == 0.0f && c[18] == 1.0f,
         "commas %g, numbers %g, sentences %g, a question mark %g, you %g", (double)c[6], (double)c[7], (double)c[8],
         (double)c[12], (double)c[18]);
  TAP_OK(near((double)c[26], 0.1, 1e-6) && c[25] == 4.0f && c[27] == 1.0f, "names %g, options with one %g, none %g",
         (double)c[26], (double)c[25], (double)c[27]);
}

static void test_solve(void) {
  double a[ROUTE_MAX_DIMS][ROUTE_MAX_DIMS] = {{4, 0, 0}, {2, 5, 0}, {1, 3, 6}}, b[3] = {4 + 4 + 3, 2 + 10 + 9, 1 + 6 + 18};
  route_solve(a, b, 3);
  TAP_OK(near(b[0], 1, 1e-12) && near(b[1], 2, 1e-12) && near(b[2], 3, 1e-12), "solved: %g %g %g", b[0], b[1], b[2]);
}

/* ---- rows ---- */

static const char *const topics[] = {"rivers", "stars", "music", "bread", "ships", "birds",
                                     "glass", "money", "laws", "roots", "words", "maps"};

/* Long sums are what the weak model fails at, whatever the topic. */
static size_t make_rows(const char *path, size_t n) {
  base_buf out = {0};
  base_rng rng;
  base_rng_seed(&rng, 11);
  for (size_t i = 0; i < n; i++) {
    bool hard = base_rng_below(&rng, 2), luck = base_rng_below(&rng, 10) == 0;
    const char *topic = topics[i % 12];
    base_buf_printf(&out, "{\"subject\": \"%s\", \"prompt\": \"", topic);
    if (hard)
      base_buf_printf(&out, "Compute %u times %u for the %s.", base_rng_below(&rng, 900), base_rng_below(&rng, 900), topic);
    else
      base_buf_printf(&out, "Name something about %s that many people like.", topic);
    base_buf_printf(&out, "\", \"weak\": %s, \"strong\": true}\n", hard != luck ? "false" : "true");
  }
  write_text(path, out.ptr, out.len);
  base_buf_free(&out);
  return n;
}

static void test_rows(void) {
  static const struct {
    const char *text, *says;
  } wrong[] = {
      {"", "no rows"},
      {"\n\n", "no rows"},
      {"[]\n", "line 1"},
      {"{\"prompt\":1,\"weak\":true,\"strong\":true}", "\"prompt\" must be a string"},
      {"{\"prompt\":\"a\",\"weak\":1,\"strong\":true}", "true or false"},
      {"{\"prompt\":\"a\",\"weak\":true}", "true or false"},
      {"{\"prompt\":\"a\",\"weak\":true,\"strong\":true,\"subject\":3}", "\"subject\" must be"},
      {"{\"prompt\":\"a\",\"weak\":true,\"strong\":true}\n{\"prompt\":", "line 2"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    route_rows rows = {0};
    base_error err = {0};
    write_text(in_folder("bad.jsonl"), wrong[i].text, strlen(wrong[i].text));
    base_status st = route_rows_read(&rows, in_folder("bad.jsonl"), &err);
    TAP_OK(st == BASE_EFORMAT && strstr(err.text, wrong[i].says) != NULL && rows.n == 0, "%s: %s", wrong[i].text,
           err.text);
    route_rows_free(&rows);
  }
  route_rows rows = {0};
  base_error err = {0};
  const char *good = "{\"prompt\":\"a\\nb\",\"weak\":true,\"strong\":false,\"extra\":[1]}\n\n{\"strong\":true,\"prompt\":"
                     "\"\",\"weak\":false,\"subject\":\"x\"}\n";
  write_text(in_folder("good.jsonl"), good, strlen(good));
  TAP_OK(!route_rows_read(&rows, in_folder("good.jsonl"), &err) && rows.n == 2 && rows.n_subjects == 2, "%s", err.text);
  if (rows.n == 2)
    TAP_OK(base_slice_equal(rows.row[0].prompt, BASE_LITERAL("a\nb")) && rows.row[0].weak && !rows.row[0].strong &&
               base_slice_equal(rows.subject[rows.row[1].subject], BASE_LITERAL("x")),
           "what the rows say");
  route_rows_free(&rows);
}

/* ---- a whole router ---- */

static bool same_file(const char *a, const char *b) {
  base_buf x = {0}, y = {0};
  bool same = !os_read_file(a, 1 << 24, &x, NULL) && !os_read_file(b, 1 << 24, &y, NULL) && x.len == y.len &&
              memcmp(x.ptr, y.ptr, x.len) == 0;
  base_buf_free(&x);
  base_buf_free(&y);
  return same;
}

static void test_train(const route_rows *rows, const char *trunk, const char *out) {
  base_error err = {0};
  route_report report;
  os_pool *pool = NULL;
  route_options o = {.trunk = trunk, .kernels = cpu_best(), .seed = 1, .by_subject = true, .alpha = 0.1};
  TAP_OK(!route_judge(rows, &o, &report, NULL, &err), "%s", err.text);
  TAP_OK(report.router.apgr > 0.68 && report.words.apgr > 0.6, "subjects never seen: APGR %.3f, words alone %.3f",
         report.router.apgr, report.words.apgr);
  TAP_OK(near(report.random.apgr, 0.5, 0.08) && near(report.subject_mean.apgr, 0.5, 0.12),
         "chance %.3f and subject mean %.3f say nothing here", report.random.apgr, report.subject_mean.apgr);
  TAP_OK(report.ece < 0.1 && report.threshold > 0.1f && report.threshold < 0.95f && report.kept > 0.4 && report.kept < 0.7,
         "ECE %.3f, threshold %.3f keeps %.3f", report.ece, (double)report.threshold, report.kept);
  TAP_OK(!route_train(rows, &o, out, &report, &err), "%s", err.text);
  TAP_OK(!os_pool_open(&pool, 3, &err), "%s", err.text);
  o.pool = pool;
  o.kernels = cpu_named("scalar");
  TAP_OK(!route_train(rows, &o, in_folder("again.gguf"), &report, &err) && same_file(out, in_folder("again.gguf")),
         "the same bytes with three threads and plain kernels %s", err.text);
  os_pool_close(pool);
}

static bool no_patience(void *ctx, const char *phase, size_t done, size_t all) {
  (void)phase, (void)done, (void)all;
  return (*(int *)ctx)-- > 0;
}

static void test_refused(const route_rows *rows, const char *trunk) {
  base_error err = {0};
  route_report report;
  int calls = 2;
  route_options o = {.trunk = trunk, .kernels = cpu_best(), .seed = 1, .by_subject = true, .alpha = 0.1,
                     .progress = no_patience, .progress_ctx = &calls};
  TAP_OK(route_train(rows, &o, in_folder("none.gguf"), &report, &err) == BASE_ECANCELLED &&
             !os_exists(in_folder("none.gguf")),
         "cancelled leaves nothing: %s", err.text);
  route_rows few = *rows;
  few.n = 50;
  o.progress = NULL;
  err = (base_error){0};
  TAP_OK(route_judge(&few, &o, &report, NULL, &err) == BASE_EFORMAT && strstr(err.text, "too few"), "%s", err.text);
  few = *rows;
  few.n_subjects = 3;
  err = (base_error){0};
  TAP_OK(route_judge(&few, &o, &report, NULL, &err) == BASE_EFORMAT && strstr(err.text, "subjects"), "%s", err.text);
}

static void test_router(const char *path) {
  base_error err = {0};
  gguf_file *f = NULL;
  route_router *r = NULL;
  TAP_OK(!gguf_open(&f, path, NULL, &err) && !route_router_open(&r, f, NULL, &err), "%s", err.text);
  if (r == NULL) return;
  base_slice hard = BASE_LITERAL("Compute 417 times 388 for the clouds."),
             easy = BASE_LITERAL("Name something about clouds that many people like.");
  float p = route_router_score(r, cpu_best(), hard), q = route_router_score(r, cpu_best(), easy);
  TAP_OK(p > 0.6f && q < 0.4f && route_router_threshold(r) > q && route_router_threshold(r) < 1.0f,
         "hard %.3f, easy %.3f, threshold %.3f", (double)p, (double)q, (double)route_router_threshold(r));
  for (const char *const *k = (const char *const[]){"scalar", "avx2", "avx512vnni", "neondot", NULL}; *k; k++)
    if (cpu_named(*k) != NULL) TAP_OK(route_router_score(r, cpu_named(*k), hard) == p, "the same bits by %s", *k);
  static const char *const odd[] = {"", "\xff\xfe", "A. \nB. \nC. ", "\n\n\n"};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    float s = route_router_score(r, cpu_best(), base_slice_of(odd[i]));
    TAP_OK(s >= 0.0f && s <= 1.0f, "a probability for odd text %zu", i);
  }
  mn_router *given = NULL;
  mn_error said = {0};
  TAP_OK(mn_router_open(&given, path, &said) == MN_OK && mn_router_score(given, hard.ptr, 0) == p &&
             mn_router_score(given, easy.ptr, easy.len) == q && mn_router_threshold(given) == route_router_threshold(r),
         "the same for an app: %s", said.text);
  mn_router_close(given);
  TAP_OK(mn_router_open(&given, in_folder("trunk.gguf"), &said) != MN_OK && given == NULL && said.text[0] != '\0',
         "a trunk is no router: %s", said.text);
  mn_router_close(NULL);
  route_router_close(r);
  gguf_close(f);
}

static base_status open_bytes(const base_buf *b, const base_allocator *a, base_error *err) {
  void *block = tiny_aligned(b);
  gguf_file *f = NULL;
  route_router *r = NULL;
  base_status st = gguf_open_bytes(&f, block, b->len, "router", a, err);
  if (!st) st = route_router_open(&r, f, a, err);
  route_router_close(r);
  gguf_close(f);
  free(block);
  return st;
}

static void test_files(const char *path) {
  static const tiny_edit edits[] = {
      {.name = "route.version", .change = TINY_DROP},
      {.name = "route.version", .change = TINY_NUMBER, .number = 1},
      {.name = "route.slope", .change = TINY_DROP},
      {.name = "route.offset", .change = TINY_STRING},
      {.name = "route.threshold", .change = TINY_DROP},
      {.name = "route.words.bias", .change = TINY_DROP},
      {.name = "route.words.idf", .change = TINY_DROP},
      {.name = "route.words.idf", .change = TINY_WIDER},
      {.name = "route.words.weight", .change = TINY_FILL, .bits = 0x7fc00000},
      {.name = "route.line.bias", .change = TINY_DROP},
      {.name = "route.line.mean", .change = TINY_DROP},
      {.name = "route.line.inv_std", .change = TINY_WIDER},
      {.name = "route.line.weight", .change = TINY_FILL, .bits = 0x7f800000},
      {.name = "route.trees.base", .change = TINY_DROP},
      {.name = "route.trees.feature", .change = TINY_FILL, .bits = 100000},
      {.name = "route.trees.feature", .change = TINY_FILL, .bits = 0xfffffff0},
      {.name = "route.trees.feature", .change = TINY_TYPE},
      {.name = "route.trees.left", .change = TINY_FILL, .bits = 0},
      {.name = "route.trees.left", .change = TINY_FILL, .bits = 1000},
      {.name = "route.trees.left", .change = TINY_LONGER},
      {.name = "route.trees.threshold", .change = TINY_FILL, .bits = 0x7f800000},
      {.name = "route.trees.value", .change = TINY_DROP},
      {.name = "token_embd.weight", .change = TINY_DROP},
  };
  base_buf file = {0};
  base_error err = {0};
  TAP_OK(!os_read_file(path, 1 << 24, &file, &err) && !open_bytes(&file, NULL, &err), "%s", err.text);
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    base_buf bad = tiny_edited(&file, &edits[i]);
    err = (base_error){0};
    base_status st = open_bytes(&bad, NULL, &err);
    TAP_OK(st != BASE_OK && err.text[0] != '\0', "%s, change %d is refused", edits[i].name, (int)edits[i].change);
    base_buf_free(&bad);
  }
  for (int n = 0; n < 1000; n++) {
    failing left;
    base_allocator a = failing_allocator(&left, n);
    err = (base_error){0};
    base_status st = open_bytes(&file, &a, &err);
    TAP_OK(left.held == 0 && (st == BASE_OK || st == BASE_ENOMEM), "opening without memory, %d: %s", n, err.text);
    if (st == BASE_OK) break;
  }
  base_buf_free(&file);
}

/* Training and its writing with every allocation failed once. */
static void test_memory(const char *data, const char *trunk) {
  base_status st = BASE_ENOMEM;
  for (int n = 0; n < 2000 && st == BASE_ENOMEM; n++) {
    failing left;
    base_allocator a = failing_allocator(&left, n);
    base_error err = {0};
    route_report report;
    route_rows rows = {.allocator = &a};
    route_options o = {.trunk = trunk, .kernels = cpu_best(), .seed = 1, .by_subject = true, .alpha = 0.1, .allocator = &a};
    st = route_rows_read(&rows, data, &err);
    if (!st) st = route_train(&rows, &o, in_folder("memory.gguf"), &report, &err);
    route_rows_free(&rows);
    TAP_OK(left.held == 0 && (st == BASE_OK || st == BASE_ENOMEM), "allocation %d: %s, %zu held", n, err.text, left.held);
  }
  TAP_OK(st == BASE_OK, "in the end it works");
}

/* ---- probes ---- */

static void make_judged(const char *path, size_t n) {
  base_buf out = {0};
  base_rng rng;
  base_rng_seed(&rng, 3);
  for (size_t i = 0; i < n; i++) { /* right with probability sigmoid(2 a - b); the third says nothing */
    double a = (double)base_rng_normal(&rng), b = (double)base_rng_normal(&rng);
    bool right = (double)base_rng_unit(&rng) < 1.0 / (1.0 + exp(b - 2.0 * a));
    base_buf_printf(&out, "{\"features\":[%.4f,%.4f,7],\"right\":%s}\n", a, b * 10.0, right ? "true" : "false");
  }
  write_text(path, out.ptr, out.len);
  base_buf_free(&out);
}

/* Rows of which none is right, or none wrong. */
static void test_one_kind(void) {
  static const char *const kinds[] = {"false", "true"};
  for (int k = 0; k < 2; k++) {
    route_probe p;
    route_probe_report report;
    base_error err = {0};
    base_buf out = {0};
    for (int i = 0; i < 40; i++) base_buf_printf(&out, "{\"features\":[%d],\"right\":%s}\n", i, kinds[k]);
    write_text(in_folder("same.jsonl"), out.ptr, out.len);
    base_buf_free(&out);
    TAP_OK(route_probe_fit(&p, in_folder("same.jsonl"), 0.1, 1, NULL, &report, &err) == BASE_EFORMAT &&
               strstr(err.text, "nothing to tell apart") != NULL,
           "%s", err.text);
  }
}

static void test_probe(void) {
  static const struct {
    const char *row, *says;
  } wrong[] = {{"{\"features\":[],\"right\":true}", "0 features"},
               {"{\"features\":[1,2],\"right\":1}", "true or false"},
               {"{\"features\":[\"1\"],\"right\":true}", "no number"},
               {"{\"features\":[1e99],\"right\":true}", "no number"},
               {"{\"right\":true}", "array of numbers"},
               {"{\"features\":[1],\"right\":true}", "too few"},
               {"{\"features\":[1],\"right\":true}\n{\"features\":[1,2],\"right\":true}", "line 2"}};
  route_probe p, back;
  route_probe_report report;
  base_error err = {0};
  gguf_file *f = NULL;
  make_judged(in_folder("judged.jsonl"), 1500);
  TAP_OK(!route_probe_fit(&p, in_folder("judged.jsonl"), 0.1, 1, NULL, &report, &err), "%s", err.text);
  TAP_OK(report.log_loss < 0.8 * report.base_log_loss && report.ece < 0.06, "log loss %.3f of %.3f, ECE %.3f",
         report.log_loss, report.base_log_loss, report.ece);
  TAP_OK(near((double)(p.weight[0] * p.inv_std[0]), 2.0, 0.4) && near((double)(p.weight[1] * p.inv_std[1]), -0.1, 0.03) &&
             p.inv_std[2] == 0.0f,
         "the law is found: %g %g", (double)(p.weight[0] * p.inv_std[0]), (double)(p.weight[1] * p.inv_std[1]));
  TAP_OK(report.conformal.mean_risk < 0.105 && report.conformal.kept > 0.3, "risk %.3f, keeps %.3f",
         report.conformal.mean_risk, report.conformal.kept);
  float far = route_probe_score(&p, (const float[]){1e6f, -1e6f, 7.0f}),
        edge = route_probe_score(&p, (const float[]){p.mean[0] + 3.0f / p.inv_std[0], p.mean[1] - 3.0f / p.inv_std[1], 7.0f});
  TAP_OK(near((double)far, (double)edge, 1e-6), "an answer unlike all others is no surer than the surest: %g %g", (double)far,
         (double)edge);
  TAP_OK(!route_probe_save(&p, in_folder("probe.gguf"), NULL, &err) &&
             !gguf_open(&f, in_folder("probe.gguf"), NULL, &err) && !route_probe_read(&back, f, &err) &&
             memcmp(&p, &back, sizeof p) == 0,
         "through a file: %s", err.text);
  gguf_close(f);
  const float sure[3] = {3, 0, 7}, unsure[3] = {-3, 0, 7}, none[3] = {NAN, 0, 7};
  TAP_OK(route_probe_score(&p, sure) > 0.9f && route_probe_score(&p, unsure) < 0.1f && route_probe_score(&p, none) == 0.0f,
         "sure %.3f, unsure %.3f", (double)route_probe_score(&p, sure), (double)route_probe_score(&p, unsure));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    write_text(in_folder("bad.jsonl"), wrong[i].row, strlen(wrong[i].row));
    err = (base_error){0};
    base_status st = route_probe_fit(&back, in_folder("bad.jsonl"), 0.1, 1, NULL, &report, &err);
    TAP_OK(st == BASE_EFORMAT && strstr(err.text, wrong[i].says), "%s: %s", wrong[i].row, err.text);
  }
}

int main(void) {
  route_rows rows = {0};
  base_error err = {0};
  char trunk[160], router[160], data[160];
  base_format(folder, sizeof folder, "/tmp/minnow-route-XXXXXX");
  if (mkdtemp(folder) == NULL) return 1;
  base_format(trunk, sizeof trunk, "%s/trunk.gguf", folder);
  base_format(router, sizeof router, "%s/router.gguf", folder);
  base_format(data, sizeof data, "%s/rows.jsonl", folder);
  base_buf file = tiny_brain(&TINY_SHAPE, 0, 0, false, 1);
  write_text(trunk, file.ptr, file.len);
  base_buf_free(&file);
  test_curve();
  test_threshold();
  test_promise();
  test_features();
  test_choices();
  test_line();
  test_forest();
  test_solve();
  test_rows();
  test_probe();
  test_one_kind();
  make_rows(data, 360);
  TAP_OK(!route_rows_read(&rows, data, &err), "%s", err.text);
  test_train(&rows, trunk, router);
  test_refused(&rows, trunk);
  route_rows_free(&rows);
  test_router(router);
  test_files(router);
  make_rows(data, 120);
  test_memory(data, trunk);
  char command[128];
  base_format(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) printf("could not remove %s\n", folder);
  return tap_done("test_route");
}
