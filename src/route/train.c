/* Makes a router. Rows fall into five folds, of subjects or of rows. A part (words, a line, a forest) is
 * fitted without one fold or without two: its predictions of a fold it did not see fit the calibration, and with two
 * folds left out, the calibration is judged on a fold that none of it saw. Fits are jobs of one thread each, so any
 * number of threads gives the same bits.
 *
 *   route_judge: fits without {a} and without {a, b} -> for each a: calibration from the others, scores of a
 *   route_train: fits without {a} and one with all   -> calibration from all, the parts of the whole */
#include <math.h>
#include <string.h>

#include "route/internal.h"

enum { FOLDS = 5, ALL = FOLDS, PARTS = 4, JOBS = PARTS * FOLDS * (FOLDS + 1) };
static const double WORDS_RIDGE = 8.0, LINE_RIDGE = 20000.0;
static const route_growth growth = {.trees = 250, .leaves = 6, .least = 100,
                                    .rate = 0.04, .ridge = 5.0, .share = 0.1, .bag = 0.5};
static const double SURFACE_SHARE = 0.25; /* of the surface's own features, for the forest that sees no others */
enum { TREES = 250, NODES = 2 * 6 - 1 };

/* Each part predicts the gap: strong right minus weak right. Their weights are fixed, because weights fitted on some
 * subjects are worse for others. Words tell subjects apart, which helps where subjects are those of the training. */
enum { WORDS, LINE, FOREST, SURFACE }; /* SURFACE: a forest on the surface alone, without the trunk */
static const double shares[2][PARTS] = {
    [false] = {[WORDS] = 0.6, [LINE] = 0.2, [FOREST] = 0.3, [SURFACE] = 0.1},
    [true] = {[WORDS] = 0.2, [LINE] = 0.6, [FOREST] = 0.3, [SURFACE] = 0.3}}; /* by_subject */

typedef struct job {
  int part, a, b; /* folds left out, a <= b; ALL, ALL: none */
} job;

typedef struct worker {
  route_words words;
  route_line line;
  route_forest forest;
  float *words_scratch;
  double *line_scratch;
  void *grow_scratch;
  uint32_t *which;
} worker;

typedef struct training {
  const route_rows *rows;
  const route_options *o;
  const double *share; /* [PARTS] */
  route_table t;
  const base_allocator *allocator;
  uint8_t *fold;     /* [n] */
  float *y;          /* [n] the gap */
  float *by_row;     /* [n] weights of rows: many of one subject count for less each */
  bool *need;        /* [n] weak wrong, strong right */
  float *guess;      /* [PARTS][FOLDS][FOLDS][n]: part, folds left out, row */
  float *x;          /* [n][PARTS] */
  float *sum;        /* [n] */
  bool *event;       /* [n] */
  uint32_t *order;   /* [n] */
  worker *worker;
  route_words words; /* of all rows */
  route_line line;
  route_forest forest; /* FOREST's trees, then SURFACE's */
  job job[JOBS];
  size_t n_jobs, first;
  void *block;
  size_t block_bytes;
} training;

typedef struct calibration {
  double slope, offset;
} calibration;

/* ---- memory ---- */

static route_forest carve_forest(base_arena *a, size_t trees) {
  route_forest f = {.nodes = NODES};
  size_t n = trees * f.nodes;
  f.feature = base_arena_take(a, n, sizeof *f.feature);
  f.threshold = base_arena_take(a, n, sizeof *f.threshold);
  f.left = base_arena_take(a, n, sizeof *f.left);
  f.value = base_arena_take(a, n, sizeof *f.value);
  return f;
}

static route_words carve_words(base_arena *a) {
  route_words w = {0};
  w.idf = base_arena_take(a, ROUTE_BUCKETS, sizeof *w.idf);
  w.weight = base_arena_take(a, ROUTE_BUCKETS, sizeof *w.weight);
  return w;
}

static route_line carve_line(base_arena *a, size_t dense) {
  route_line l = {0};
  l.mean = base_arena_take(a, dense, sizeof *l.mean);
  l.inv_std = base_arena_take(a, dense, sizeof *l.inv_std);
  l.weight = base_arena_take(a, dense, sizeof *l.weight);
  return l;
}

static void carve(training *g, base_arena *a, size_t threads) {
  size_t n = g->rows->n;
  worker one, *list = base_arena_take(a, threads, sizeof *list);
  g->fold = base_arena_take(a, n, 1);
  g->y = base_arena_take(a, n, sizeof *g->y);
  g->by_row = base_arena_take(a, n, sizeof *g->by_row);
  g->need = base_arena_take(a, n, sizeof *g->need);
  g->guess = base_arena_take(a, PARTS * FOLDS * FOLDS * n, sizeof(float));
  g->x = base_arena_take(a, n * PARTS, sizeof(float));
  g->sum = base_arena_take(a, n, sizeof(float));
  g->event = base_arena_take(a, n, sizeof *g->event);
  g->order = base_arena_take(a, n > g->rows->n_subjects ? n : g->rows->n_subjects, sizeof *g->order);
  for (size_t i = 0; i < threads; i++) {
    one.words = carve_words(a);
    one.line = carve_line(a, g->t.dense);
    one.forest = carve_forest(a, TREES);
    one.words_scratch = base_arena_take(a, 3 * ROUTE_BUCKETS + n, sizeof(float));
    one.line_scratch = base_arena_take(a, route_line_scratch(g->t.dense), sizeof(double));
    one.grow_scratch = base_arena_take(a, route_grow_bytes(n, g->t.dense), 1);
    one.which = base_arena_take(a, n, sizeof *one.which);
    if (list != NULL) list[i] = one;
  }
  g->words = carve_words(a);
  g->line = carve_line(a, g->t.dense);
  g->forest = carve_forest(a, 2 * TREES);
  g->worker = list;
}

/* ---- folds ---- */

static void draw_folds(training *g) {
  base_rng rng;
  size_t n = g->o->by_subject ? g->rows->n_subjects : g->rows->n;
  base_rng_seed(&rng, g->o->seed);
  for (size_t i = 0; i < n; i++) g->order[i] = (uint32_t)i;
  base_rng_shuffle(&rng, g->order, n);
  if (!g->o->by_subject) {
    for (size_t i = 0; i < n; i++) g->fold[g->order[i]] = (uint8_t)(i % FOLDS);
    return;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t r = 0; r < g->rows->n; r++)
      if (g->rows->row[r].subject == g->order[i]) g->fold[r] = (uint8_t)(i % FOLDS);
}

/* What each row is to learn, and how much it counts: one over the root of its subject's rows. */
static void set_targets(training *g) {
  const route_rows *rows = g->rows;
  memset(g->order, 0, rows->n_subjects * sizeof *g->order);
  for (size_t i = 0; i < rows->n; i++) g->order[rows->row[i].subject]++;
  for (size_t i = 0; i < rows->n; i++) {
    const route_row *r = &rows->row[i];
    g->y[i] = (float)(r->strong - r->weak);
    g->need[i] = !r->weak && r->strong;
    g->by_row[i] = 1.0f / sqrtf((float)g->order[r->subject]);
  }
}

static base_status check_rows(const route_rows *rows, bool by_subject, base_error *err) {
  size_t gap = 0;
  for (size_t i = 0; i < rows->n; i++) gap += rows->row[i].weak != rows->row[i].strong;
  if (rows->n < 20 * FOLDS)
    return base_fail(err, BASE_EFORMAT, "route", "%zu rows are too few to learn from; %d at least", rows->n,
                     20 * FOLDS);
  if (by_subject && rows->n_subjects < 2 * FOLDS)
    return base_fail(err, BASE_EFORMAT, "route",
                     "%zu subjects are too few to hold some out; %d at least, or hold out rows instead",
                     rows->n_subjects, 2 * FOLDS);
  if (gap == 0)
    return base_fail(err, BASE_EFORMAT, "route", "both models are right on the same rows: there is nothing to learn");
  return BASE_OK;
}

static base_status start(training *g, const route_rows *rows, const route_options *o, const gguf_file *trunk,
                         base_error *err) {
  size_t threads = (size_t)os_pool_threads(o->pool);
  base_arena a;
  *g = (training){.rows = rows, .o = o, .share = shares[o->by_subject],
                  .allocator = o->allocator ? o->allocator : base_allocator_libc()};
  base_status st = check_rows(rows, o->by_subject, err);
  if (!st) st = route_table_make(&g->t, rows, o, trunk, err);
  if (st) return st;
  base_arena_init(&a, NULL, 0);
  carve(g, &a, threads);
  g->block_bytes = a.used;
  g->block = a.overflow ? NULL : base_alloc(g->allocator, g->block_bytes);
  if (g->block == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory to train on %zu rows", rows->n);
  base_arena_init(&a, g->block, g->block_bytes);
  carve(g, &a, threads);
  set_targets(g);
  draw_folds(g);
  return BASE_OK;
}

static void finish(training *g) {
  if (g->allocator == NULL) return;
  base_free(g->allocator, g->block, g->block_bytes);
  route_table_free(&g->t);
}

/* ---- jobs ---- */

static float *guesses(const training *g, int part, int a, int b) {
  return g->guess + ((size_t)(part * FOLDS + a) * FOLDS + (size_t)b) * g->rows->n;
}

static void guess_rows(const training *g, const job *j, const worker *w) {
  float *out = guesses(g, j->part, j->a, j->b);
  for (size_t i = 0; i < g->rows->n; i++) {
    const float *x = g->t.value + i;
    const route_gram *gram = g->t.gram + g->t.start[i];
    if (g->fold[i] != j->a && g->fold[i] != j->b) continue;
    out[i] = j->part == WORDS  ? route_words_score(&w->words, gram, g->t.start[i + 1] - g->t.start[i])
             : j->part == LINE ? route_line_score(&w->line, x, g->t.dense, g->t.n)
                               : route_forest_score(&w->forest, x, g->t.n);
  }
}

/* Where a part's trees stand among those of the whole. */
static route_forest trees_of(const training *g, int part) {
  route_forest f = g->forest;
  size_t from = part == SURFACE ? (size_t)TREES * f.nodes : 0;
  f.feature += from;
  f.threshold += from;
  f.left += from;
  f.value += from;
  return f;
}

static void grow(const training *g, const job *j, const uint32_t *which, size_t m, route_forest *f, void *scratch) {
  route_growth how = growth;
  how.seed = g->o->seed * 1000 + (uint64_t)(j->part * 100 + j->a * 10 + j->b);
  if (how.least > m / 10) how.least = (uint32_t)(m / 10);
  how.features = ROUTE_SURFACE;
  if (j->part == SURFACE) how.share = SURFACE_SHARE;
  else how.features += (uint32_t)(g->t.dense - ROUTE_SURFACE) / ROUTE_MEANS; /* the whole prompt's state */
  route_forest_grow(f, &how, &g->t, which, m, g->y, g->by_row, scratch);
}

/* Each fit's constant is the mean of what it saw: lowest where the fold left out needs help most. The order of rows of
 * several folds must not hang on that, and calibration has a constant of its own: so they are dropped. */
static void run_job(void *ctx, size_t index, int who) {
  training *g = ctx;
  const job *j = &g->job[g->first + index];
  worker *w = &g->worker[who];
  bool whole = j->a == ALL;
  size_t m = 0;
  for (size_t i = 0; i < g->rows->n; i++)
    if (g->fold[i] != j->a && g->fold[i] != j->b) w->which[m++] = (uint32_t)i;
  if (j->part == WORDS) {
    route_words *words = whole ? &g->words : &w->words;
    route_words_fit(words, &g->t, w->which, m, g->y, WORDS_RIDGE, w->words_scratch);
    words->bias = 0.0f;
  } else if (j->part == LINE) {
    route_line *line = whole ? &g->line : &w->line;
    route_line_fit(line, &g->t, w->which, m, g->y, g->by_row, LINE_RIDGE, w->line_scratch);
    line->bias = 0.0f;
  } else {
    route_forest all = trees_of(g, j->part), *forest = whole ? &all : &w->forest;
    grow(g, j, w->which, m, forest, w->grow_scratch);
    forest->base = 0.0f;
  }
  if (!whole) guess_rows(g, j, w);
}

static void plan(training *g, int a, int b) {
  for (int p = 0; p < PARTS; p++) g->job[g->n_jobs++] = (job){p, a, b};
}

static base_status run_jobs(training *g, base_error *err) {
  size_t batch = 2 * (size_t)os_pool_threads(g->o->pool);
  for (g->first = 0; g->first < g->n_jobs; g->first += batch) {
    size_t left = g->n_jobs - g->first;
    if (g->o->progress != NULL && !g->o->progress(g->o->progress_ctx, "fit", g->first, g->n_jobs))
      return base_fail(err, BASE_ECANCELLED, "route", "stopped");
    os_pool_run(g->o->pool, run_job, g, left < batch ? left : batch);
  }
  return BASE_OK;
}

/* ---- calibration of the parts' sum ---- */

/* Predictions of rows outside fold `out` (ALL: of all rows) by parts that saw neither them nor `out`: x, and their
 * indices in order. */
static size_t gather(training *g, int out) {
  size_t m = 0;
  for (size_t i = 0; i < g->rows->n; i++) {
    int f = g->fold[i], a = f, b = f;
    if (f == out) continue;
    if (out != ALL) {
      a = f < out ? f : out;
      b = f < out ? out : f;
    }
    for (int p = 0; p < PARTS; p++) g->x[m * PARTS + (size_t)p] = guesses(g, p, a, b)[i];
    g->order[m++] = (uint32_t)i;
  }
  return m;
}

static float mix(const training *g, const float *x) {
  double sum = 0.0;
  for (int p = 0; p < PARTS; p++) sum += g->share[p] * (double)x[p];
  return (float)sum;
}

static calibration fit_calibration(training *g, int out) {
  double logistic[2];
  size_t m = gather(g, out);
  for (size_t i = 0; i < m; i++) {
    g->sum[i] = mix(g, g->x + i * PARTS);
    g->event[i] = g->need[g->order[i]];
  }
  route_logistic(g->sum, g->event, NULL, m, 1, 1e-3, logistic);
  /* the order is the mix's, whatever the calibration says */
  return (calibration){logistic[0] > 0.0 ? logistic[0] : 1e-6, logistic[1]};
}

float route_probability(float slope, float offset, float sum) {
  return 1.0f / (1.0f + cpu_expf(-(slope * sum + offset)));
}

/* Probabilities of the rows of fold `of` (ALL: of every row) from fits without their fold. */
static void score_fold(const training *g, const calibration *w, int of, float *score) {
  for (size_t i = 0; i < g->rows->n; i++) {
    float x[PARTS];
    int f = g->fold[i];
    if (of != ALL && f != of) continue;
    for (int p = 0; p < PARTS; p++) x[p] = guesses(g, p, f, f)[i];
    score[i] = route_probability((float)w->slope, (float)w->offset, mix(g, x));
  }
}

/* ---- figures ---- */

/* The mean gap of a row's subject in the four fifths of the rows that the row is not in. */
static void subject_means(const route_rows *rows, uint64_t seed, uint32_t *order, float *score, double (*sum)[2]) {
  base_rng rng;
  base_rng_seed(&rng, seed ^ UINT64_C(0x5ab1ec7));
  for (size_t i = 0; i < rows->n; i++) order[i] = (uint32_t)i;
  base_rng_shuffle(&rng, order, rows->n);
  for (size_t fold = 0; fold < FOLDS; fold++) {
    memset(sum, 0, rows->n_subjects * sizeof *sum);
    for (size_t i = 0; i < rows->n; i++) {
      const route_row *r = &rows->row[order[i]];
      if (i % FOLDS == fold) continue;
      sum[r->subject][0] += r->strong - r->weak;
      sum[r->subject][1] += 1.0;
    }
    for (size_t i = fold; i < rows->n; i += FOLDS) {
      const double *s = sum[rows->row[order[i]].subject];
      score[order[i]] = s[1] > 0.0 ? (float)(s[0] / s[1]) : 0.0f;
    }
  }
}

typedef struct measuring {
  uint32_t *order;
  float *score;
  double (*sum)[2];
  bool *need;
} measuring;

static void carve_measuring(measuring *m, base_arena *a, const route_rows *rows) {
  m->order = base_arena_take(a, rows->n, sizeof *m->order);
  m->score = base_arena_take(a, rows->n, sizeof *m->score);
  m->need = base_arena_take(a, rows->n, sizeof *m->need);
  m->sum = base_arena_take(a, rows->n_subjects, sizeof *m->sum);
}

base_status route_judge_scores(const route_rows *rows, const float *score, uint64_t seed, const base_allocator *a,
                               route_report *out, base_error *err) {
  measuring m;
  base_arena arena;
  base_rng rng;
  if (a == NULL) a = base_allocator_libc();
  base_arena_init(&arena, NULL, 0);
  carve_measuring(&m, &arena, rows);
  size_t bytes = arena.used;
  void *block = base_alloc(a, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory for %zu rows", rows->n);
  base_arena_init(&arena, block, bytes);
  carve_measuring(&m, &arena, rows);
  out->rows = rows->n;
  out->subjects = rows->n_subjects;
  for (size_t i = 0; i < rows->n; i++) m.need[i] = !rows->row[i].weak && rows->row[i].strong;
  out->ece = route_ece(score, m.need, rows->n);
  route_curve_of(rows->row, score, rows->n, m.order, &out->router);
  base_rng_seed(&rng, seed);
  for (size_t i = 0; i < rows->n; i++) m.score[i] = base_rng_unit(&rng);
  route_curve_of(rows->row, m.score, rows->n, m.order, &out->random);
  for (size_t i = 0; i < rows->n; i++) m.score[i] = (float)rows->row[i].prompt.len;
  route_curve_of(rows->row, m.score, rows->n, m.order, &out->length);
  subject_means(rows, seed, m.order, m.score, m.sum);
  route_curve_of(rows->row, m.score, rows->n, m.order, &out->subject_mean);
  base_free(a, block, bytes);
  return BASE_OK;
}

/* The curve of the parts `from` to `to`, summed. Not of the probabilities: each fold has a calibration of its own,
 * and a fold whose subjects need help more often is calibrated on others that need it less. */
static void curve_of_parts(training *g, int from, int to, route_curve *out) {
  for (size_t i = 0; i < g->rows->n; i++) {
    g->sum[i] = 0.0f;
    for (int p = from; p <= to; p++) g->sum[i] += (float)g->share[p] * guesses(g, p, g->fold[i], g->fold[i])[i];
  }
  route_curve_of(g->rows->row, g->sum, g->rows->n, g->order, out);
}

/* Threshold, share kept, and what whole and halves do. `score` on rows unseen by their fits. */
static void judge_parts(training *g, const float *score, route_report *out) {
  size_t n = g->rows->n, kept = 0;
  for (size_t i = 0; i < n; i++) g->event[i] = g->rows->row[i].weak;
  out->threshold = route_threshold(score, g->event, n, g->o->alpha, true, 0.0, g->order);
  for (size_t i = 0; i < n; i++) kept += score[i] < out->threshold;
  out->kept = (double)kept / (double)n;
  curve_of_parts(g, WORDS, SURFACE, &out->router);
  curve_of_parts(g, WORDS, WORDS, &out->words);
  curve_of_parts(g, LINE, LINE, &out->line);
  curve_of_parts(g, FOREST, SURFACE, &out->trees);
}

base_status route_judge(const route_rows *rows, const route_options *o, route_report *out, float *score,
                        base_error *err) {
  training g = {0};
  gguf_file *trunk = NULL;
  float *mine = NULL;
  *out = (route_report){0};
  base_status st = gguf_open(&trunk, o->trunk, o->allocator, err);
  if (!st) st = start(&g, rows, o, trunk, err);
  for (int a = 0; a < FOLDS && !st; a++)
    for (int b = a; b < FOLDS; b++) plan(&g, a, b);
  if (!st) st = run_jobs(&g, err);
  if (!st && score == NULL) {
    score = mine = base_alloc(g.allocator, rows->n * sizeof *mine);
    if (mine == NULL) st = base_fail(err, BASE_ENOMEM, "route", "no memory for %zu rows", rows->n);
  }
  for (int a = 0; a < FOLDS && !st; a++) {
    calibration w = fit_calibration(&g, a);
    score_fold(&g, &w, a, score);
  }
  if (!st) st = route_judge_scores(rows, score, o->seed, g.allocator, out, err);
  if (!st) judge_parts(&g, score, out);
  if (mine != NULL) base_free(g.allocator, mine, rows->n * sizeof *mine);
  finish(&g);
  gguf_close(trunk);
  return st;
}

/* ---- the file ---- */

/* The parts of all rows, with their shares in what they add to the sum. */
static void join(training *g, const calibration *w, route_parts *p) {
  route_forest *f = &g->forest;
  for (size_t i = 0; i < ROUTE_BUCKETS; i++) g->words.weight[i] *= (float)g->share[WORDS];
  for (size_t i = 0; i < g->t.dense; i++) g->line.weight[i] *= (float)g->share[LINE];
  f->trees = 2 * TREES;
  for (size_t i = 0; i < (size_t)f->trees * f->nodes; i++)
    f->value[i] *= (float)g->share[i < (size_t)TREES * f->nodes ? FOREST : SURFACE];
  *p = (route_parts){.words = g->words, .line = g->line, .dense = (uint32_t)g->t.dense, .forest = *f,
                     .slope = (float)w->slope, .offset = (float)w->offset, .threshold = p->threshold};
}

base_status route_train(const route_rows *rows, const route_options *o, const char *path, route_report *out,
                        base_error *err) {
  training g = {0};
  gguf_file *trunk = NULL;
  route_parts p = {0};
  float *score = NULL;
  *out = (route_report){0};
  base_status st = gguf_open(&trunk, o->trunk, o->allocator, err);
  if (!st) st = start(&g, rows, o, trunk, err);
  for (int a = 0; a <= FOLDS && !st; a++) plan(&g, a, a);
  if (!st) st = run_jobs(&g, err);
  if (!st) {
    score = base_alloc(g.allocator, rows->n * sizeof *score);
    if (score == NULL) st = base_fail(err, BASE_ENOMEM, "route", "no memory for %zu rows", rows->n);
  }
  if (!st) {
    calibration w = fit_calibration(&g, ALL);
    score_fold(&g, &w, ALL, score);
    st = route_judge_scores(rows, score, o->seed, g.allocator, out, err);
    if (!st) judge_parts(&g, score, out);
    p.threshold = out->threshold;
    if (!st) join(&g, &w, &p);
  }
  if (!st) st = route_parts_save(&p, trunk, path, g.allocator, err);
  if (score != NULL) base_free(g.allocator, score, rows->n * sizeof *score);
  finish(&g);
  gguf_close(trunk);
  return st;
}
