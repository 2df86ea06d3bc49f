/* Private to route/: what a prompt is turned into, and the parts that are fitted on it. */
#ifndef ROUTE_INTERNAL_H
#define ROUTE_INTERNAL_H

#include "model/model.h"
#include "route/route.h"
#include "tok/tok.h"

enum {
  ROUTE_BUCKETS = 1 << 17,
  ROUTE_MAX_GRAMS = 8192, /* words and pairs of one prompt that count */
  ROUTE_BINS = 64,        /* a feature's values as the trees see them */
  ROUTE_MAX_LEAVES = 16,
  ROUTE_MAX_TREES = 16384,
  ROUTE_MAX_TOKENS = 127 /* of a prompt that the trunk reads: the first and the last */
};

/* Features of the surface: first surface.c's, then choices.c's, in the order of those files. */
enum {
  ROUTE_LOOKS = 32,
  ROUTE_CHOICES = 39,
  ROUTE_SURFACE = ROUTE_LOOKS + ROUTE_CHOICES,
  ROUTE_MEANS = 3, /* of the trunk: the whole prompt, its question, its options */
  ROUTE_MAX_DENSE = ROUTE_SURFACE + ROUTE_MEANS * 512
};

typedef struct route_gram {
  uint32_t bucket;
  float count; /* 1 + log of how often */
} route_gram;

/* ---- a prompt to features ---- */

/* Lower-cased words of two bytes or more and pairs of neighbours, hashed, each bucket once, by rising bucket. */
size_t route_grams_read(base_slice prompt, route_gram gram[ROUTE_MAX_GRAMS], uint32_t scratch[ROUTE_MAX_GRAMS]);
/* Lengths, digits, punctuation and telling phrases of a question and its options "A. ...". out [ROUTE_SURFACE]. */
void route_surface_read(base_slice prompt, float *out);

/* The second half of them; options of the question. */
void route_choices_read(base_slice question, const base_slice *option, size_t n, base_slice prompt,
                        double f[ROUTE_CHOICES]);
bool route_is_wordy(char c);                    /* a letter, a digit, "_" or a byte of a longer character */
bool route_has(base_slice s, const char *word); /* ASCII case does not count; `word` is lower case */

/* The trunk with its scratch. */
typedef struct route_reader route_reader;
base_status route_reader_open(route_reader **out, const gguf_file *f, const base_allocator *a, base_error *err);
void route_reader_close(route_reader *r);
size_t route_reader_width(const route_reader *r); /* of one mean */
/* Mean hidden states of the prompt, of its question and of its options: out [ROUTE_MEANS * width]. Without options the
 * question is all of it, and the last are 0. */
void route_reader_means(route_reader *r, const cpu_kernels *k, base_slice prompt, float *out);

/* ---- all rows' features ---- */

typedef struct route_table {
  size_t n, dense;         /* rows; dense features a row */
  const size_t *start;     /* [n + 1] into gram */
  const route_gram *gram;
  const float *value;      /* [dense][n] */
  const base_allocator *allocator;
  void *block;
  size_t block_bytes;
  base_buf grams;
} route_table;

base_status route_table_make(route_table *t, const route_rows *rows, const route_options *o, const gguf_file *trunk,
                             base_error *err);
void route_table_free(route_table *t);

/* ---- words: ridge regression over weighted counts ---- */

typedef struct route_words {
  float *idf, *weight; /* [ROUTE_BUCKETS]; idf 0: too rare */
  float bias;
} route_words;

/* Of rows which[0..m); y [n]. idf and weight are the caller's memory, scratch [4 ROUTE_BUCKETS + m]. */
void route_words_fit(route_words *w, const route_table *t, const uint32_t *which, size_t m, const float *y,
                     double ridge, float *scratch);
float route_words_score(const route_words *w, const route_gram *gram, size_t n);

/* ---- a straight line over the dense features ---- */

typedef struct route_line {
  float *mean, *inv_std, *weight; /* [dense]; of squashed features */
  float bias;
} route_line;

size_t route_line_scratch(size_t dense); /* doubles */
/* Of rows which[0..m) with weights by_row [n] (NULL: 1 each); y [n]. The arrays are the caller's. */
void route_line_fit(route_line *l, const route_table *t, const uint32_t *which, size_t m, const float *y,
                    const float *by_row, double ridge, double *scratch);
/* x: the feature j of the row at x[j * stride]. */
float route_line_score(const route_line *l, const float *x, size_t dense, size_t stride);

/* ---- trees ---- */

/* nodes a tree: 2 leaves - 1, the root first. feature -1: a leaf. */
typedef struct route_forest {
  uint32_t trees, nodes;
  float base;
  int32_t *feature;
  float *threshold;  /* goes left when value <= threshold */
  uint32_t *left;    /* the right child stands behind it */
  float *value;
} route_forest;

typedef struct route_growth {
  uint32_t trees, leaves, least; /* least: rows in a leaf */
  uint32_t features;             /* only the first so many; 0: all */
  double rate, ridge, share;     /* share: of the features looked at for a split */
  double bag;                    /* share of the rows a tree sees; 0: all */
  uint64_t seed;
} route_growth;

size_t route_grow_bytes(size_t m, size_t dense); /* scratch */
/* The forest's arrays are the caller's; nodes: room a tree, at least 2 leaves - 1, which 0 becomes. by_row [n]: weights
 * of rows, their mean taken for 1; NULL: 1 each. */
void route_forest_grow(route_forest *f, const route_growth *g, const route_table *t, const uint32_t *which, size_t m,
                       const float *y, const float *by_row, void *scratch);
/* x: the feature j of the row at x[j * stride]. */
float route_forest_score(const route_forest *f, const float *x, size_t stride);

/* ---- small fits ---- */

enum { ROUTE_MAX_DIMS = ROUTE_MAX_FEATURES + 1 };
/* Solves a x = b in place, a positive definite [n][n] in rows of ROUTE_MAX_DIMS. */
void route_solve(double a[ROUTE_MAX_DIMS][ROUTE_MAX_DIMS], double *b, size_t n);
/* Logistic regression of event [m] on x [m][dims], with bias as w[dims]; ridge on the rest. Targets smoothed as Platt
 * does. keep (may be NULL) [m]: rows with 0 are left out. */
void route_logistic(const float *x, const bool *event, const uint8_t *keep, size_t m, size_t dims, double ridge,
                    double *w);

/* ---- a router's parts, as they are written and read ---- */

typedef struct route_parts {
  route_words words; /* what mixes the parts is already in weights and in the trees' values */
  route_line line;
  uint32_t dense;
  route_forest forest;
  float slope, offset; /* p = 1 / (1 + exp(-(slope (words + line + trees) + offset))) */
  float threshold;
} route_parts;

float route_probability(float slope, float offset, float sum);
/* The file: the trunk's keys and tensors, then the parts. */
base_status route_parts_save(const route_parts *p, const gguf_file *trunk, const char *path, const base_allocator *a,
                             base_error *err);

#endif
