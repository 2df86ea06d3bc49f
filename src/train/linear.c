/* What the bag (bag.c) and the tagger (tagger.c) share: a linear model over hashed features learns from rows drawn at
 * random, by Adam (Kingma, Ba 2015) in large batches, with a rate that falls to zero. What is kept is the mean of a few
 * such runs: it is a linear model, too, and a steadier one (docs/experiments.md, 27). */
#include <math.h>
#include <string.h>

#include "train/net.h"

enum { BATCH = 256, RUNS = 4 };
static const float RATE = 0.02f;
static const double BETA1 = 0.9;

void train_linear_carve(train_linear *l, base_arena *a, size_t size, size_t n_rows) {
  l->size = size;
  l->w = base_arena_take(a, size, sizeof *l->w);
  l->g = base_arena_take(a, size, sizeof *l->g);
  l->m = base_arena_take(a, size, sizeof *l->m);
  l->v = base_arena_take(a, size, sizeof *l->v);
  l->mean = base_arena_take(a, size, sizeof *l->mean);
  l->order = base_arena_take(a, n_rows, sizeof *l->order);
  l->sample = base_arena_take(a, 1, sizeof *l->sample);
}

/* Adam over all parameters. They are many more than a batch touches, but a step costs less than the batch's texts. */
static void step(train_linear *l, const cpu_kernels *k, size_t number, size_t steps) {
  float rate = RATE * (1.0f - (float)(number - 1) / (float)steps);
  float c1 = (float)(1.0 / (1.0 - pow(BETA1, (double)number)));
  float c2 = (float)(1.0 / (1.0 - pow(l->beta2, (double)number)));
  k->adamw(l->w, l->g, l->m, l->v, l->size, rate, (float)BETA1, (float)l->beta2, 1e-8f, 0.0f, c1, c2, 1.0f);
  memset(l->g, 0, l->size * sizeof *l->g);
}

static void run_once(train_linear *l, const data_set *set, const uint32_t *rows, size_t n_rows,
                     const train_options *o, base_rng *rng) {
  size_t batches = (n_rows + BATCH - 1) / BATCH, steps = batches * l->epochs, done = 0;
  memcpy(l->order, rows, n_rows * sizeof *rows);
  for (uint32_t e = 0; e < l->epochs; e++) {
    base_rng_shuffle(rng, l->order, n_rows);
    for (size_t i = 0; i < n_rows; i++) {
      data_draw(set, l->order[i], o->bag_swap_rate, rng, l->sample);
      l->noise(o, l->sample, rng);
      l->learn(l->user, l->sample, 1.0f / BATCH, rng);
      if ((i + 1) % BATCH == 0 || i + 1 == n_rows) step(l, o->kernels, ++done, steps);
    }
  }
}

void train_linear_run(train_linear *l, const data_set *set, const uint32_t *rows, size_t n_rows,
                      const train_options *o, base_rng *rng) {
  size_t bytes = l->size * sizeof *l->w;
  for (int i = 0; i < RUNS; i++) {
    memset(l->w, 0, bytes);
    memset(l->m, 0, bytes);
    memset(l->v, 0, bytes);
    run_once(l, set, rows, n_rows, o, rng);
    o->kernels->axpy(1.0f / RUNS, l->w, l->size, l->mean);
  }
  memcpy(l->w, l->mean, bytes);
}
