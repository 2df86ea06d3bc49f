/* Trains the tagger: multinomial logistic regression of each word's tag over hashed features, among the tags that the
 * row's label allows (linear.c). A slot value that only one row has is not recognised while
 * learning from that row, so that recognised values mean as much in training as in use. */
#include <stdlib.h>
#include <string.h>

#include "train/net.h"

static const float FEATURE_DROP = 0.3f;

/* A slot value of the rows as they are written, and in how many places. */
typedef struct known_value {
  head_tag_value v;
  uint32_t count;
} known_value;

typedef struct tagger_training {
  const train_net *n;
  const data_set *set;
  const train_options *o;
  size_t tags;
  train_linear linear;  /* [buckets][tags] */
  known_value *value;   /* [n_values], sorted by hash, then slot */
  uint32_t *value_hash; /* [n_values] */
  uint8_t *value_slot;
  size_t n_values;
  head_tagger known;    /* the values, for head_tagger_read_values */
  tok_word *words;
  uint16_t *gold;
  head_tag_features *f;
} tagger_training;

static void carve(tagger_training *t, base_arena *a, size_t n_rows) {
  size_t spans = t->set->n_spans + 1;
  t->tags = 1 + 2 * (size_t)t->n->n_slots;
  train_linear_carve(&t->linear, a, t->o->tagger_buckets * t->tags, n_rows);
  t->value = base_arena_take(a, spans, sizeof *t->value);
  t->value_hash = base_arena_take(a, spans, sizeof *t->value_hash);
  t->value_slot = base_arena_take(a, spans, 1);
  t->words = base_arena_take(a, HEAD_MAX_WORDS, sizeof *t->words);
  t->gold = base_arena_take(a, HEAD_MAX_WORDS, sizeof *t->gold);
  t->f = base_arena_take(a, 1, sizeof *t->f);
}

/* ---- slot values ---- */

static int by_value(const void *pa, const void *pb) {
  const known_value *a = pa, *b = pb;
  if (a->v.hash != b->v.hash) return a->v.hash < b->v.hash ? -1 : 1;
  return (int)a->v.slot - (int)b->v.slot;
}

/* The sample's text into words with features and gold tags; its slot values into `own`. Returns how many those are. */
static size_t read_sample(tagger_training *t, const data_sample *s, head_tag_value own[DATA_MAX_SPANS]) {
  size_t n = tok_split(s->text, s->len, t->words, HEAD_MAX_WORDS), n_own = 0;
  head_tagger_read((base_slice){s->text, s->len}, t->words, n, t->o->tagger_buckets, t->f);
  train_tag_words(t->words, n, s->spans, s->n_spans, t->gold);
  for (size_t i = 0, end; i < n; i = end) {
    end = i + 1;
    if (t->gold[i] == 0) continue;
    while (end < n && t->gold[end] != 0 && t->gold[end] % 2 == 0) end++;
    if (n_own < DATA_MAX_SPANS && end - i <= HEAD_VALUE_WORDS)
      own[n_own++] = (head_tag_value){head_tagger_value(t->f, i, end), (uint16_t)((t->gold[i] - 1) / 2)};
  }
  return n_own;
}

static void count_values(tagger_training *t, const uint32_t *rows, size_t n_rows) {
  head_tag_value own[DATA_MAX_SPANS];
  base_rng unused = {{1, 2, 3, 4}};
  size_t n = 0, kept = 0;
  for (size_t i = 0; i < n_rows; i++) {
    data_draw(t->set, rows[i], 0.0f, &unused, t->linear.sample);
    size_t n_own = read_sample(t, t->linear.sample, own);
    for (size_t k = 0; k < n_own && n < t->set->n_spans; k++) t->value[n++] = (known_value){own[k], 1};
  }
  if (n > 1) qsort(t->value, n, sizeof *t->value, by_value);
  for (size_t i = 0; i < n; i++) {
    if (kept > 0 && by_value(&t->value[kept - 1], &t->value[i]) == 0) t->value[kept - 1].count++;
    else t->value[kept++] = t->value[i];
  }
  for (size_t i = 0; i < kept; i++) {
    t->value_hash[i] = t->value[i].v.hash;
    t->value_slot[i] = (uint8_t)t->value[i].v.slot;
  }
  t->n_values = kept;
  t->known = (head_tagger){.n_values = kept, .value = t->value_hash, .value_slot = t->value_slot};
}

/* Keeps those of the sample's values that no other place has. */
static size_t only_here(const tagger_training *t, head_tag_value *own, size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    const known_value key = {own[i], 0};
    const known_value *found = t->n_values ? bsearch(&key, t->value, t->n_values, sizeof key, by_value) : NULL;
    if (found != NULL && found->count == 1) own[kept++] = own[i];
  }
  return kept;
}

/* ---- learning ---- */

float train_tagger_word(const float *w, float *g, size_t n_tags, const head_word_features *x, const uint16_t *tags,
                        size_t k, uint16_t gold, float up, float scale, const cpu_kernels *kernels) {
  float p[HEAD_MAX_TAGS] = {0}, of_gold = 0.0f;
  for (uint32_t i = 0; i < x->n; i++) {
    const float *row = w + x->bucket[i] * n_tags;
    for (size_t j = 0; j < k; j++) p[j] += up * row[tags[j]];
  }
  float log_z = kernels->logsumexp(p, k);
  for (size_t j = 0; j < k; j++)
    if (tags[j] == gold) of_gold = p[j];
  kernels->softmax(p, k);
  for (size_t j = 0; j < k; j++)
    if (tags[j] == gold) p[j] -= 1.0f;
  for (uint32_t i = 0; i < x->n; i++) {
    float *row = g + x->bucket[i] * n_tags;
    for (size_t j = 0; j < k; j++) row[tags[j]] += up * scale * p[j];
  }
  return log_z - of_gold;
}

static void drop_features(head_word_features *x, base_rng *rng) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < x->n; i++)
    if (base_rng_unit(rng) >= FEATURE_DROP) x->bucket[kept++] = x->bucket[i];
  x->n = kept;
}

static void learn(void *user, const data_sample *s, float scale, base_rng *rng) {
  tagger_training *t = user;
  head_tag_value own[DATA_MAX_SPANS];
  uint16_t tags[HEAD_MAX_TAGS];
  head_weights heads = train_net_heads(t->n);
  if (s->label == DATA_NO_LABEL) return;
  size_t k = head_allowed_tags(&heads, s->label, tags);
  if (k < 2) return;
  size_t hidden = only_here(t, own, read_sample(t, s, own));
  head_tagger_read_values(&t->known, own, hidden, t->f);
  for (size_t i = 0; i < t->f->n_words; i++) {
    drop_features(&t->f->word[i], rng);
    train_tagger_word(t->linear.w, t->linear.g, t->tags, &t->f->word[i], tags, k, t->gold[i],
                      1.0f / (1.0f - FEATURE_DROP), scale, t->o->kernels);
  }
}

/* ---- the result ---- */

static base_status keep(train_net *n, const tagger_training *t, base_error *err) {
  base_arena a;
  size_t b = t->o->tagger_buckets, bytes = t->linear.size + b * sizeof(float) + t->n_values * 5 + 512;
  void *block = base_alloc(n->allocator, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the tagger");
  base_free(n->allocator, n->tagger_block, n->tagger_bytes);
  n->tagger_block = block;
  n->tagger_bytes = bytes;
  base_arena_init(&a, block, bytes);
  int8_t *weight = base_arena_take(&a, t->linear.size, 1);
  float *scale = base_arena_take(&a, b, sizeof *scale);
  uint32_t *value = base_arena_take(&a, t->n_values, sizeof *value);
  uint8_t *slot = base_arena_take(&a, t->n_values, 1);
  train_quantise_rows(t->linear.w, b, t->tags, weight, scale);
  if (t->n_values) {
    memcpy(value, t->value_hash, t->n_values * sizeof *value);
    memcpy(slot, t->value_slot, t->n_values);
  }
  n->tagger = (head_tagger){(uint32_t)b, weight, scale, t->n_values, value, slot};
  return BASE_OK;
}

base_status train_tagger_fit(train_net *n, const data_set *set, const uint32_t *rows, size_t n_rows,
                             const train_options *o, base_error *err) {
  tagger_training t = {.n = n, .set = set, .o = o};
  t.linear = (train_linear){.epochs = 8, .beta2 = 0.99, .noise = train_noise, .learn = learn, .user = &t};
  base_arena a;
  base_rng rng;
  if (n->n_slots == 0 || o->tagger_buckets == 0) return BASE_OK;
  base_arena_init(&a, NULL, 0);
  carve(&t, &a, n_rows);
  size_t bytes = a.used + 64;
  void *block = base_calloc(n->allocator, 1, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the tagger");
  base_arena_init(&a, block, bytes);
  carve(&t, &a, n_rows);
  base_rng_seed(&rng, o->seed ^ UINT64_C(0x746167676572));
  count_values(&t, rows, n_rows);
  train_linear_run(&t.linear, set, rows, n_rows, o, &rng);
  base_status st = keep(n, &t, err);
  base_free(n->allocator, block, bytes);
  return st;
}
