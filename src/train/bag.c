/* Trains the bag: multinomial logistic regression over hashed n-grams by Adam (Kingma, Ba 2015) in large
 * batches, features dropped at random, a rate that falls to zero; then int8, a scale a bucket. Its targets are not
 * smoothed: that costs it a point alone (docs/experiments.md, 15). */
#include <math.h>
#include <string.h>

#include "train/net.h"

enum { EPOCHS = 12, BATCH = 256, MAX_WORDS = 256 };
static const float RATE = 0.02f, FEATURE_DROP = 0.3f;

typedef struct bag_training {
  const train_net *n;
  const data_set *set;
  const train_options *o;
  size_t size;          /* of the parameters: weights [buckets][labels], then biases [labels] */
  float *w, *g, *m, *v; /* [size] parameters, gradients, Adam's moments */
  float *idf, *p;       /* [buckets], [labels] */
  uint32_t *order;
  tok_word *words;
  head_bag_features *f;
  data_sample *sample;
} bag_training;

static void carve(bag_training *t, base_arena *a, size_t labels, size_t n_rows) {
  size_t f = sizeof(float), b = HEAD_BAG_BUCKETS;
  t->size = (b + 1) * labels;
  t->w = base_arena_take(a, t->size, f);
  t->g = base_arena_take(a, t->size, f);
  t->m = base_arena_take(a, t->size, f);
  t->v = base_arena_take(a, t->size, f);
  t->idf = base_arena_take(a, b, f);
  t->p = base_arena_take(a, labels, f);
  t->order = base_arena_take(a, n_rows, sizeof *t->order);
  t->words = base_arena_take(a, MAX_WORDS, sizeof *t->words);
  t->f = base_arena_take(a, 1, sizeof *t->f);
  t->sample = base_arena_take(a, 1, sizeof *t->sample);
}

static void read_text(bag_training *t, base_slice text) {
  size_t n = tok_split(text.ptr, text.len, t->words, MAX_WORDS);
  head_bag_read(text, t->words, n, HEAD_BAG_BUCKETS, t->f);
}

/* Rows that contain each bucket, then log(rows / those): buckets of swapped-in values are counted too, by
 * drawing every row once. */
static void count_idf(bag_training *t, const uint32_t *rows, size_t n_rows, base_rng *rng) {
  size_t used = 0;
  memset(t->idf, 0, HEAD_BAG_BUCKETS * sizeof *t->idf);
  for (size_t i = 0; i < n_rows; i++) {
    data_draw(t->set, rows[i], t->o->bag_swap_rate, rng, t->sample);
    if (t->sample->label == DATA_NO_LABEL) continue;
    read_text(t, (base_slice){t->sample->text, t->sample->len});
    used++;
    for (size_t j = 0; j < t->f->n; j++) t->idf[t->f->bucket[j]] += 1.0f;
  }
  for (size_t i = 0; i < HEAD_BAG_BUCKETS; i++)
    if (t->idf[i] > 0.0f) t->idf[i] = logf(1.0f + (float)used / t->idf[i]);
}

/* One row's gradient, added: p = softmax(W x + b); dW = (p - target) x. Dropped features leave the others
 * larger. */
static void learn(bag_training *t, uint16_t gold, size_t labels, const cpu_kernels *k, float scale,
                  base_rng *rng) {
  head_bag_features *f = t->f;
  float norm = head_bag_norm(f, t->idf) / (1.0f - FEATURE_DROP);
  size_t kept = 0, bias = HEAD_BAG_BUCKETS * labels;
  for (size_t i = 0; i < f->n; i++)
    if (base_rng_unit(rng) >= FEATURE_DROP) f->bucket[kept++] = f->bucket[i];
  memcpy(t->p, t->w + bias, labels * sizeof(float));
  for (size_t i = 0; i < kept; i++)
    k->axpy(t->idf[f->bucket[i]] * norm, t->w + f->bucket[i] * labels, labels, t->p);
  k->softmax(t->p, labels);
  t->p[gold] -= 1.0f;
  for (size_t i = 0; i < kept; i++)
    k->axpy(t->idf[f->bucket[i]] * norm * scale, t->p, labels, t->g + f->bucket[i] * labels);
  k->axpy(scale, t->p, labels, t->g + bias);
}

/* Adam over all parameters. They are many more than a batch touches, but a step costs less than the batch's
 * texts. */
static void step(bag_training *t, const cpu_kernels *k, size_t number, size_t steps) {
  float rate = RATE * (1.0f - (float)(number - 1) / (float)steps);
  float c1 = (float)(1.0 / (1.0 - pow(0.9, (double)number))),
        c2 = (float)(1.0 / (1.0 - pow(0.999, (double)number)));
  k->adamw(t->w, t->g, t->m, t->v, t->size, rate, 0.9f, 0.999f, 1e-8f, 0.0f, c1, c2, 1.0f);
  memset(t->g, 0, t->size * sizeof(float));
}

static void run(bag_training *t, const uint32_t *rows, size_t n_rows, size_t labels, const cpu_kernels *k,
                base_rng *rng) {
  size_t batches = (n_rows + BATCH - 1) / BATCH, done = 0;
  memcpy(t->order, rows, n_rows * sizeof *rows);
  for (int e = 0; e < EPOCHS; e++) {
    train_shuffle(t->order, n_rows, rng);
    for (size_t i = 0; i < n_rows; i++) {
      data_draw(t->set, t->order[i], t->o->bag_swap_rate, rng, t->sample);
      if (t->o->address_rate > 0.0f && base_rng_unit(rng) < t->o->address_rate) data_noise_address(t->sample, rng);
      if (t->sample->label != DATA_NO_LABEL) {
        read_text(t, (base_slice){t->sample->text, t->sample->len});
        learn(t, t->sample->label, labels, k, 1.0f / BATCH, rng);
      }
      if ((i + 1) % BATCH == 0 || i + 1 == n_rows) step(t, k, ++done, batches * EPOCHS);
    }
  }
}

/* Rows of the table to int8, and all of it into the net's own block. */
static base_status keep(train_net *n, const bag_training *t, size_t labels, base_error *err) {
  base_arena a;
  size_t f = sizeof(float), b = HEAD_BAG_BUCKETS, bytes = b * labels + 2 * b * f + labels * f + 512;
  void *block = base_alloc(n->allocator, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the bag");
  base_free(n->allocator, n->bag_block, n->bag_bytes);
  n->bag_block = block;
  n->bag_bytes = bytes;
  base_arena_init(&a, block, bytes);
  int8_t *weight = base_arena_take(&a, b * labels, 1);
  float *scale = base_arena_take(&a, b, f), *idf = base_arena_take(&a, b, f),
        *bias = base_arena_take(&a, labels, f);
  train_quantise_rows(t->w, b, labels, weight, scale);
  memcpy(idf, t->idf, b * f);
  memcpy(bias, t->w + b * labels, labels * f);
  n->bag = (head_bag){HEAD_BAG_BUCKETS, idf, weight, scale, bias};
  return BASE_OK;
}

base_status train_bag_fit(train_net *n, const data_set *set, const uint32_t *rows, size_t n_rows,
                          const train_options *o, base_error *err) {
  bag_training t = {.n = n, .set = set, .o = o};
  size_t labels = n->n_labels;
  base_arena a;
  base_rng rng;
  base_arena_init(&a, NULL, 0);
  carve(&t, &a, labels, n_rows);
  size_t bytes = a.used + 64;
  void *block = base_calloc(n->allocator, 1, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the bag");
  base_arena_init(&a, block, bytes);
  carve(&t, &a, labels, n_rows);
  base_rng_seed(&rng, o->seed ^ UINT64_C(0x626167));
  count_idf(&t, rows, n_rows, &rng);
  run(&t, rows, n_rows, labels, o->kernels, &rng);
  base_status st = keep(n, &t, labels, err);
  base_free(n->allocator, block, bytes);
  return st;
}
