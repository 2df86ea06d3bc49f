/* Trains the bag: multinomial logistic regression over hashed n-grams (linear.c), features dropped at random; then
 * int8, a scale a bucket. Its targets are not smoothed: that costs it a point alone (docs/experiments.md, 15). */
#include <math.h>
#include <string.h>

#include "train/net.h"

enum { MAX_WORDS = 256 };
static const float FEATURE_DROP = 0.3f;

typedef struct bag_training {
  const train_net *n;
  const data_set *set;
  const train_options *o;
  train_linear linear; /* weights [buckets][labels], then biases [labels] */
  float *idf, *p;      /* [buckets], [labels] */
  tok_word *words;
  head_bag_features *f;
} bag_training;

static void carve(bag_training *t, base_arena *a, size_t n_rows) {
  size_t labels = t->n->n_labels;
  train_linear_carve(&t->linear, a, (HEAD_BAG_BUCKETS + 1) * labels, n_rows);
  t->idf = base_arena_take(a, HEAD_BAG_BUCKETS, sizeof *t->idf);
  t->p = base_arena_take(a, labels, sizeof *t->p);
  t->words = base_arena_take(a, MAX_WORDS, sizeof *t->words);
  t->f = base_arena_take(a, 1, sizeof *t->f);
}

static void read_text(bag_training *t, const data_sample *s) {
  size_t n = tok_split(s->text, s->len, t->words, MAX_WORDS);
  head_bag_read((base_slice){s->text, s->len}, t->words, n, HEAD_BAG_BUCKETS, t->f);
}

/* Rows that contain each bucket, then log(rows / those): buckets of swapped-in values are counted too, by
 * drawing every row once. */
static void count_idf(bag_training *t, const uint32_t *rows, size_t n_rows, base_rng *rng) {
  data_sample *s = t->linear.sample;
  size_t used = 0;
  memset(t->idf, 0, HEAD_BAG_BUCKETS * sizeof *t->idf);
  for (size_t i = 0; i < n_rows; i++) {
    data_draw(t->set, rows[i], t->o->bag_swap_rate, rng, s);
    if (s->label == DATA_NO_LABEL) continue;
    read_text(t, s);
    used++;
    for (size_t j = 0; j < t->f->n; j++) t->idf[t->f->bucket[j]] += 1.0f;
  }
  for (size_t i = 0; i < HEAD_BAG_BUCKETS; i++)
    if (t->idf[i] > 0.0f) t->idf[i] = logf(1.0f + (float)used / t->idf[i]);
}

/* One row's gradient, added: p = softmax(W x + b); dW = (p - target) x. Dropped features leave the others larger. */
static void learn(void *user, const data_sample *s, float scale, base_rng *rng) {
  bag_training *t = user;
  if (s->label == DATA_NO_LABEL) return;
  read_text(t, s);
  head_bag_features *f = t->f;
  const cpu_kernels *k = t->o->kernels;
  float norm = head_bag_norm(f, t->idf) / (1.0f - FEATURE_DROP), *w = t->linear.w, *g = t->linear.g;
  size_t kept = 0, labels = t->n->n_labels, bias = HEAD_BAG_BUCKETS * labels;
  for (size_t i = 0; i < f->n; i++)
    if (base_rng_unit(rng) >= FEATURE_DROP) f->bucket[kept++] = f->bucket[i];
  memcpy(t->p, w + bias, labels * sizeof(float));
  for (size_t i = 0; i < kept; i++) k->axpy(t->idf[f->bucket[i]] * norm, w + f->bucket[i] * labels, labels, t->p);
  k->softmax(t->p, labels);
  t->p[s->label] -= 1.0f;
  for (size_t i = 0; i < kept; i++)
    k->axpy(t->idf[f->bucket[i]] * norm * scale, t->p, labels, g + f->bucket[i] * labels);
  k->axpy(scale, t->p, labels, g + bias);
}

/* Rows of the table to int8, and all of it into the net's own block. */
static base_status keep(train_net *n, const bag_training *t, base_error *err) {
  base_arena a;
  size_t f = sizeof(float), b = HEAD_BAG_BUCKETS, labels = n->n_labels;
  size_t bytes = b * labels + 2 * b * f + labels * f + 512;
  void *block = base_alloc(n->allocator, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the bag");
  base_free(n->allocator, n->bag_block, n->bag_bytes);
  n->bag_block = block;
  n->bag_bytes = bytes;
  base_arena_init(&a, block, bytes);
  int8_t *weight = base_arena_take(&a, b * labels, 1);
  float *scale = base_arena_take(&a, b, f), *idf = base_arena_take(&a, b, f),
        *bias = base_arena_take(&a, labels, f);
  train_quantise_rows(t->linear.w, b, labels, weight, scale);
  memcpy(idf, t->idf, b * f);
  memcpy(bias, t->linear.w + b * labels, labels * f);
  n->bag = (head_bag){HEAD_BAG_BUCKETS, idf, weight, scale, bias};
  return BASE_OK;
}

base_status train_bag_fit(train_net *n, const data_set *set, const uint32_t *rows, size_t n_rows,
                          const train_options *o, base_error *err) {
  bag_training t = {.n = n, .set = set, .o = o};
  t.linear = (train_linear){.epochs = 12, .beta2 = 0.999, .learn = learn, .user = &t};
  t.linear.noise = o->bag_noise ? train_noise : train_address;
  base_arena a;
  base_rng rng;
  base_arena_init(&a, NULL, 0);
  carve(&t, &a, n_rows);
  size_t bytes = a.used + 64;
  void *block = base_calloc(n->allocator, 1, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the bag");
  base_arena_init(&a, block, bytes);
  carve(&t, &a, n_rows);
  base_rng_seed(&rng, o->seed ^ UINT64_C(0x626167));
  count_idf(&t, rows, n_rows, &rng);
  train_linear_run(&t.linear, set, rows, n_rows, o, &rng);
  base_status st = keep(n, &t, err);
  base_free(n->allocator, block, bytes);
  return st;
}
