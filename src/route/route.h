/* route: which questions a weaker model on this device may answer, and which need a stronger one elsewhere. A
 * router is learnt from prompts with whether each model was right, and gives the probability that the strong one
 * is needed. Three regressors stand side by side: ridge regression over hashed words and word pairs, ridge regression
 * and boosted trees (Friedman 2001) over features of the surface and the trunk's mean hidden state; how their sum
 * becomes a probability (Platt 1999) is fitted on rows that they did not see.
 *
 * Figures are RouteLLM's (Ong et al. 2024). Thresholds come from conformal risk control (Angelopoulos et al.
 * 2022). A probe turns features of a model's own answer into the probability that the answer is right. */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "gguf/gguf.h"
#include "os/os.h"

enum {
  ROUTE_MAX_ROWS = 1 << 20,
  ROUTE_MAX_SUBJECTS = 4096,
  ROUTE_MAX_PROMPT_BYTES = 1 << 16, /* what is beyond is not read */
  ROUTE_MAX_FEATURES = 64,          /* of a probe */
  ROUTE_SET_BYTES = 64              /* of the name of its features */
};

/* ---- rows ---- */

typedef struct route_row {
  base_slice prompt;
  uint32_t subject; /* index into the names; rows without one share the name "" */
  bool weak, strong; /* was it right */
} route_row;

typedef struct route_rows {
  const base_allocator *allocator; /* NULL: libc */
  route_row *row;
  size_t n, cap;
  base_slice *subject;
  size_t n_subjects, subject_cap;
  base_buf text; /* what the slices point into */
} route_rows;

/* JSONL rows {"prompt","weak","strong","subject"?}; other members are not looked at. Errors name the line. `rows` is
 * zeroed but for its allocator. */
base_status route_rows_read(route_rows *rows, const char *path, base_error *err);
void route_rows_free(route_rows *rows);

/* ---- figures ---- */

/* Sending the d tenths of the rows with the highest score to the strong model: the share of the gap between the
 * two models' accuracy that this recovers. */
typedef struct route_curve {
  double weak, strong;  /* accuracy of either alone */
  double recovered[11]; /* after d tenths */
  double apgr;          /* area under it, trapezoid; 0.5 by chance */
  double cpt50, cpt80;  /* percent of calls that recover 50 and 80 %, between deciles by a straight line; NAN: never */
} route_curve;

/* Of `n` rows, score [n]; ties in the order of the rows. order: scratch [n]. Rows on which both models are equally
 * good have no gap: all of it is NAN. */
void route_curve_of(const route_row *row, const float *score, size_t n, uint32_t *order, route_curve *out);
/* Expected calibration error over 15 equal-width bins (Guo et al. 2017): probabilities [n] against events [n]. */
double route_ece(const float *probability, const bool *event, size_t n);

/* The highest threshold t so that answering on the device what has score < t, and handing off the rest, gives a wrong
 * answer on at most a share `alpha` of all requests; t in (0, 2], 2: everything stays, 0: everything goes.
 * expected: (wrong + 1) / (n + 1) <= alpha, which bounds the expectation over requests exchangeable with these
 * (Angelopoulos et al. 2022, theorem 1 with loss at most 1). Otherwise with probability 1 - delta over these rows, by
 * the exact binomial bound (Bates et al. 2021). order: scratch [n]. */
float route_threshold(const float *score, const bool *weak_right, size_t n, double alpha, bool expected, double delta,
                      uint32_t *order);

/* Many random halves, one to set the threshold and one to look: how often the risk seen is above alpha. */
typedef struct route_conformal {
  double alpha, mean_risk, violated, kept; /* kept: share answered here */
  double sure_risk, sure_violated, sure_kept; /* the same for the threshold at delta */
} route_conformal;
base_status route_conformal_try(const float *score, const bool *weak_right, size_t n, double alpha, double delta,
                                size_t splits, uint64_t seed, const base_allocator *a, route_conformal *out,
                                base_error *err);

/* ---- routers ---- */

typedef struct route_router route_router;
/* Reads and checks all of it; the file must stay open. */
base_status route_router_open(route_router **out, const gguf_file *f, const base_allocator *a, base_error *err);
void route_router_close(route_router *r); /* NULL is harmless */
/* The probability that the strong model is needed: the weak one would be wrong and the strong one right. Any bytes will
 * do. No allocation; one thread at a time. Every instruction set gives the same bits. */
float route_router_score(route_router *r, const cpu_kernels *k, base_slice prompt);
/* From which probability on the file's maker would hand off. */
float route_router_threshold(const route_router *r);

/* ---- training ---- */

typedef struct route_options {
  const char *trunk;  /* a GGUF file with a trunk and its tokenizer; its bytes become part of the router */
  const cpu_kernels *kernels;
  os_pool *pool;      /* may be NULL; the result does not depend on it */
  const base_allocator *allocator;
  uint64_t seed;
  bool by_subject;    /* held-out rows are of subjects never seen; otherwise any rows */
  double alpha;       /* share of requests that may be answered here and wrong */
  bool (*progress)(void *ctx, const char *phase, size_t done, size_t all); /* false cancels */
  void *progress_ctx;
} route_options;

/* How a router does on rows that neither its parts nor its mix nor its calibration saw. */
typedef struct route_report {
  size_t rows, subjects;
  route_curve router, random, length, subject_mean, words, line, trees;
  double ece;
  float threshold;
  double kept; /* share of rows under the threshold */
} route_report;

/* Five folds, each scored by a router made of the other four (which hold out folds of their own for mix and
 * calibration). by_subject says how folds are drawn. `score` (may be NULL) gets the probabilities [rows]. The subject
 * mean is that of the other folds of rows, drawn without regard to subject. */
base_status route_judge(const route_rows *rows, const route_options *o, route_report *out, float *score,
                        base_error *err);
/* The figures of given scores on rows, with the baselines. */
base_status route_judge_scores(const route_rows *rows, const float *score, uint64_t seed, const base_allocator *a,
                               route_report *out, base_error *err);
/* Fits on all rows and writes the file. The same rows, trunk and seed give the same bytes. out: figures on held-out
 * rows of the folds behind mix and calibration; they flatter by two fitted numbers. */
base_status route_train(const route_rows *rows, const route_options *o, const char *path, route_report *out,
                        base_error *err);

/* ---- probes: features of an answer to the probability that it is right ---- */

typedef struct route_probe {
  uint32_t n;
  char set[ROUTE_SET_BYTES]; /* which features these are, and of which model; "": nobody said */
  float mean[ROUTE_MAX_FEATURES], inv_std[ROUTE_MAX_FEATURES], weight[ROUTE_MAX_FEATURES], bias;
  float threshold; /* confidence from which on at most alpha of all answers are wrong and given */
  float alpha;
} route_probe;

typedef struct route_probe_report {
  size_t rows, right;
  double ece, log_loss, base_log_loss; /* cross-fitted over five folds; base: the share of right answers alone */
  double ridge;                        /* that had the least log loss */
  route_conformal conformal;
} route_probe_report;

/* JSONL rows {"features":[numbers],"right":bool,"set":"name"?}, all of one length and one set. Logistic regression by
 * Newton's method, the ridge being the best of a few; the report is cross-fitted. */
base_status route_probe_fit(route_probe *p, const char *path, double alpha, uint64_t seed, const base_allocator *a,
                            route_probe_report *out, base_error *err);
float route_probe_score(const route_probe *p, const float *features);
base_status route_probe_save(const route_probe *p, const char *path, const base_allocator *a, base_error *err);
base_status route_probe_read(route_probe *p, const gguf_file *f, base_error *err);

#endif
