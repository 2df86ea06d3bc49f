/* Routers and probes for users: training, figures, scores. */
#include <stdlib.h>

#include "api/api.h"
#include "route/route.h"

enum { SPLITS = 200, MAX_SEED = INT32_MAX };
static const float AT_MOST_WRONG = 0.2f;
static const double DELTA = 0.1;

void mn_route_options_init(mn_route_options *o) { *o = (mn_route_options){.size = sizeof *o}; }
void mn_route_report_init(mn_route_report *r) { *r = (mn_route_report){.size = sizeof *r}; }
void mn_probe_report_init(mn_probe_report *r) { *r = (mn_probe_report){.size = sizeof *r}; }

/* ---- options to a run ---- */

typedef struct run {
  mn_route_options o;
  route_options inner;
  route_rows rows;
  char trunk[1024];
} run;

static base_status open_run(run *r, const mn_route_options *given, base_error *err) {
  mn_route_options *o = &r->o;
  mn_route_options_init(o);
  base_status st = api_take_struct(o, sizeof *o, given, "mn_route_options", err);
  if (st) return st;
  if (o->data == NULL) return base_fail(err, BASE_EARGUMENT, "route", "a file of rows is needed");
  if (o->at_most_wrong == 0.0f) o->at_most_wrong = AT_MOST_WRONG;
  if (!(o->at_most_wrong > 0.0f && o->at_most_wrong < 1.0f))
    return base_fail(err, BASE_EARGUMENT, "route", "the share that may be wrong has to lie between 0 and 1");
  if (o->seed > MAX_SEED) return base_fail(err, BASE_EARGUMENT, "route", "a seed is at most %d", MAX_SEED);
  r->inner = (route_options){.trunk = o->trunk,
                             .seed = o->seed ? o->seed : 1,
                             .by_subject = !o->by_row,
                             .alpha = (double)o->at_most_wrong,
                             .progress = o->progress,
                             .progress_ctx = o->progress_ctx};
  st = api_take_kernels(o->kernels, &r->inner.kernels, err);
  if (!st) st = api_take_threads(o->threads, &o->threads, err);
  if (!st && o->trunk == NULL) {
    st = api_shipped_file("trunk.gguf", r->trunk, sizeof r->trunk, err);
    r->inner.trunk = r->trunk;
  }
  if (!st) st = os_pool_open(&r->inner.pool, (int)o->threads, err);
  return st ? st : route_rows_read(&r->rows, o->data, err);
}

static void close_run(run *r) {
  os_pool_close(r->inner.pool);
  route_rows_free(&r->rows);
}

/* ---- reports ---- */

static mn_route_curve curve_of(const route_curve *c) { return (mn_route_curve){c->apgr, c->cpt50, c->cpt80}; }

static void fill(const route_report *in, mn_route_report *out) {
  out->rows = in->rows;
  out->subjects = in->subjects;
  out->weak = in->router.weak;
  out->strong = in->router.strong;
  out->router = curve_of(&in->router);
  out->random = curve_of(&in->random);
  out->length = curve_of(&in->length);
  out->subject_mean = curve_of(&in->subject_mean);
  out->words = curve_of(&in->words);
  out->line = curve_of(&in->line);
  out->trees = curve_of(&in->trees);
  out->ece = in->ece;
  out->threshold = (double)in->threshold;
  out->kept = in->kept;
}

/* How well thresholds keep their promise on these scores. */
static base_status try_thresholds(const run *r, const float *score, mn_route_report *out, base_error *err) {
  size_t n = r->rows.n;
  route_conformal c;
  bool *right = base_alloc(base_allocator_libc(), n);
  if (right == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory for %zu rows", n);
  for (size_t i = 0; i < n; i++) right[i] = r->rows.row[i].weak;
  base_status st = route_conformal_try(score, right, n, r->inner.alpha, DELTA, SPLITS, r->inner.seed, NULL, &c, err);
  base_free(base_allocator_libc(), right, n);
  if (st) return st;
  out->risk = c.mean_risk;
  out->risk_violated = c.violated;
  out->risk_kept = c.kept;
  out->sure_risk = c.sure_risk;
  out->sure_violated = c.sure_violated;
  out->sure_kept = c.sure_kept;
  return BASE_OK;
}

/* ---- training ---- */

int mn_route_train(const mn_route_options *given, mn_route_report *report, mn_error *out_err) {
  base_error err = {0};
  run r = {0};
  route_report in;
  mn_route_report out;
  mn_route_report_init(&out);
  base_status st = open_run(&r, given, &err);
  if (!st && r.o.out == NULL) st = base_fail(&err, BASE_EARGUMENT, "route", "a file to write is needed");
  if (!st) st = route_train(&r.rows, &r.inner, r.o.out, &in, &err);
  if (!st) fill(&in, &out);
  if (!st) out.bytes = api_file_bytes(r.o.out);
  if (!st && report != NULL) st = api_give_struct(report, &out, sizeof out, "mn_route_report", &err);
  close_run(&r);
  return api_result(st, &err, out_err);
}

/* ---- figures ---- */

static int by_time(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static base_status score_rows(const run *r, const char *path, float *score, uint64_t *ns, mn_route_report *out,
                              float *threshold, base_error *err) {
  gguf_file *f = NULL;
  route_router *router = NULL;
  size_t n = r->rows.n;
  base_status st = gguf_open(&f, path, NULL, err);
  if (!st) st = route_router_open(&router, f, NULL, err);
  for (size_t i = 0; i < n && !st; i++) {
    uint64_t start = os_monotonic_ns();
    score[i] = route_router_score(router, r->inner.kernels, r->rows.row[i].prompt);
    ns[i] = os_monotonic_ns() - start;
    if (i % 256 == 0 && r->inner.progress != NULL && !r->inner.progress(r->inner.progress_ctx, "score", i, n))
      st = base_fail(err, BASE_ECANCELLED, "route", "stopped");
  }
  if (!st) {
    *threshold = route_router_threshold(router);
    qsort(ns, n, sizeof *ns, by_time);
    out->p50_us = (double)ns[n / 2] * 1e-3;
    out->p99_us = (double)ns[n * 99 / 100] * 1e-3;
  }
  route_router_close(router);
  gguf_close(f);
  return st;
}

static base_status eval_router(const run *r, const char *path, float *score, route_report *in, mn_route_report *out,
                               base_error *err) {
  size_t n = r->rows.n, kept = 0;
  uint64_t *ns = base_alloc(base_allocator_libc(), n * sizeof *ns);
  *in = (route_report){0};
  if (ns == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory for %zu rows", n);
  base_status st = score_rows(r, path, score, ns, out, &in->threshold, err);
  if (!st) st = route_judge_scores(&r->rows, score, r->inner.seed, NULL, in, err);
  for (size_t i = 0; i < n && !st; i++) kept += score[i] < in->threshold;
  in->kept = (double)kept / (double)n;
  base_free(base_allocator_libc(), ns, n * sizeof *ns);
  return st;
}

int mn_route_eval(const char *router, const mn_route_options *given, mn_route_report *report, mn_error *out_err) {
  base_error err = {0};
  run r = {0};
  route_report in;
  mn_route_report out;
  float *score = NULL;
  mn_route_report_init(&out);
  base_status st = open_run(&r, given, &err);
  if (!st && report == NULL) st = base_fail(&err, BASE_EARGUMENT, "mn_route_eval", "a report to fill is needed");
  if (!st && (score = base_alloc(base_allocator_libc(), r.rows.n * sizeof *score)) == NULL)
    st = base_fail(&err, BASE_ENOMEM, "route", "no memory for %zu rows", r.rows.n);
  if (!st)
    st = router ? eval_router(&r, router, score, &in, &out, &err) : route_judge(&r.rows, &r.inner, &in, score, &err);
  if (!st) fill(&in, &out);
  if (!st) st = try_thresholds(&r, score, &out, &err);
  if (!st) st = api_give_struct(report, &out, sizeof out, "mn_route_report", &err);
  if (score != NULL) base_free(base_allocator_libc(), score, r.rows.n * sizeof *score);
  close_run(&r);
  return api_result(st, &err, out_err);
}

/* ---- one router ---- */

struct mn_router {
  gguf_file *file;
  route_router *inner;
};

int mn_router_open(mn_router **out, const char *path, mn_error *out_err) {
  base_error err = {0};
  mn_router *r = NULL;
  base_status st = BASE_OK;
  if (out == NULL || path == NULL) st = base_fail(&err, BASE_EARGUMENT, "mn_router_open", "a file is needed");
  if (!st && (r = base_calloc(base_allocator_libc(), 1, sizeof *r)) == NULL)
    st = base_fail(&err, BASE_ENOMEM, path, "no memory for the router");
  if (!st) st = gguf_open(&r->file, path, NULL, &err);
  if (!st) st = route_router_open(&r->inner, r->file, NULL, &err);
  if (st) {
    mn_router_close(r);
    r = NULL;
  }
  if (out != NULL) *out = r;
  return api_result(st, &err, out_err);
}

void mn_router_close(mn_router *r) {
  if (r == NULL) return;
  route_router_close(r->inner);
  gguf_close(r->file);
  base_free(base_allocator_libc(), r, sizeof *r);
}

float mn_router_score(mn_router *r, const char *text, size_t text_len) {
  base_slice s = text_len ? (base_slice){text, text_len} : base_slice_of(text);
  return route_router_score(r->inner, cpu_best(), s);
}

float mn_router_threshold(const mn_router *r) { return route_router_threshold(r->inner); }

/* ---- probes ---- */

struct mn_probe {
  route_probe inner;
};

int mn_route_calibrate(const char *data, const char *out_path, float at_most_wrong, mn_probe_report *report,
                       mn_error *out_err) {
  base_error err = {0};
  route_probe p;
  route_probe_report in;
  mn_probe_report out;
  float alpha = at_most_wrong == 0.0f ? AT_MOST_WRONG : at_most_wrong;
  base_status st = BASE_OK;
  mn_probe_report_init(&out);
  if (data == NULL || out_path == NULL || !(alpha > 0.0f && alpha < 1.0f))
    st = base_fail(&err, BASE_EARGUMENT, "mn_route_calibrate",
                   "rows, a file to write and a share between 0 and 1 are needed");
  if (!st) st = route_probe_fit(&p, data, (double)alpha, 1, NULL, &in, &err);
  if (!st) st = route_probe_save(&p, out_path, NULL, &err);
  if (!st && report != NULL) {
    const route_conformal *c = &in.conformal;
    out = (mn_probe_report){.size = sizeof out, .rows = in.rows, .right = in.right, .features = p.n, .ece = in.ece,
                            .log_loss = in.log_loss, .base_log_loss = in.base_log_loss,
                            .threshold = (double)p.threshold, .risk = c->mean_risk, .risk_violated = c->violated,
                            .risk_kept = c->kept, .sure_risk = c->sure_risk, .sure_violated = c->sure_violated,
                            .sure_kept = c->sure_kept};
    st = api_give_struct(report, &out, sizeof out, "mn_probe_report", &err);
  }
  return api_result(st, &err, out_err);
}

int mn_probe_open(mn_probe **out, const char *path, mn_error *out_err) {
  base_error err = {0};
  gguf_file *f = NULL;
  mn_probe *p = NULL;
  base_status st = BASE_OK;
  if (out == NULL || path == NULL) st = base_fail(&err, BASE_EARGUMENT, "mn_probe_open", "a file is needed");
  if (!st && (p = base_calloc(base_allocator_libc(), 1, sizeof *p)) == NULL)
    st = base_fail(&err, BASE_ENOMEM, path, "no memory for the probe");
  if (!st) st = gguf_open(&f, path, NULL, &err);
  if (!st) st = route_probe_read(&p->inner, f, &err);
  gguf_close(f);
  if (st) {
    mn_probe_close(p);
    p = NULL;
  }
  if (out != NULL) *out = p;
  return api_result(st, &err, out_err);
}

void mn_probe_close(mn_probe *p) {
  if (p != NULL) base_free(base_allocator_libc(), p, sizeof *p);
}

size_t mn_probe_features(const mn_probe *p) { return p->inner.n; }
float mn_probe_threshold(const mn_probe *p) { return p->inner.threshold; }
float mn_probe_score(const mn_probe *p, const float *features) { return route_probe_score(&p->inner, features); }
