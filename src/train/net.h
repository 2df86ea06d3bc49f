/* Private to train/: parameters, the tape of a forward pass, and the passes themselves. */
#ifndef TRAIN_NET_H
#define TRAIN_NET_H

#include "train/train.h"

/* ---- parameters: one flat array each for weights, gradients, moments; a parameter is an offset ---- */

typedef struct train_param {
  char name[40];
  size_t offset, rows, cols; /* matrix [rows][cols], or a vector with rows 1 */
  bool decay;                /* weight decay applies: matrices of the trunk and heads, no norms and biases */
  bool head;                 /* learns at the full rate, the trunk at trunk_rate of it */
} train_param;

enum { TRAIN_MAX_PARAMS = MODEL_MAX_LAYERS * 6 + 32 };

typedef struct train_layer_params {
  int attn_norm, qkv, attn_out, ffn_norm, gate_up, ffn_down; /* indices of train_net.param */
} train_layer_params;

struct train_net {
  model_shape shape;
  uint32_t n_labels, n_slots; /* 0 while there are no heads */
  const base_allocator *allocator;
  train_param param[TRAIN_MAX_PARAMS];
  size_t n_params, size; /* size: floats in all */
  float *w, *g, *m, *v;  /* [size] weights, gradients, AdamW moments */
  float *average;        /* [size] moving average of w */
  uint8_t *allowed;      /* [n_labels][n_slots] */
  int embedding, case_embedding, output_norm;
  train_layer_params layer[MODEL_MAX_LAYERS];
  int mlm_dense, mlm_bias; /* -1 outside pretraining */
  int pool_query, classify, classify_bias, tag, tag_bias, transition, start, label_tag; /* -1 without heads */
  head_bag bag; /* trained beside the trunk; points into bag_block */
  void *bag_block;
  size_t bag_bytes;
  head_tagger tagger; /* likewise, in tagger_block */
  void *tagger_block;
  size_t tagger_bytes;
  /* quantised copies that a writer borrows */
  void *saved;
  size_t saved_bytes;
};

static inline float *train_w(const train_net *n, int p) { return n->w + n->param[p].offset; }
static inline float *train_g(const train_net *n, int p) { return n->g + n->param[p].offset; }

base_status train_net_add_heads(train_net *n, uint32_t n_labels, uint32_t n_slots, const uint8_t *allowed,
                                uint64_t seed, base_error *err);
/* The heads' weights out of a file, after train_net_add_heads. */
base_status train_net_load_heads(train_net *n, const gguf_file *f, base_error *err);
base_status train_net_add_mlm(train_net *n, uint64_t seed, base_error *err);
void train_net_drop_mlm(train_net *n);
/* The heads as head/ decodes them. */
head_weights train_net_heads(const train_net *n);

/* ---- a batch: sequences back to back ---- */

typedef struct train_batch {
  size_t n_seqs, n_tokens, n_words;
  size_t max_seqs, max_tokens, max_words;
  size_t *seq;         /* [n_seqs + 1] first token of each sequence */
  size_t *seq_word;    /* [n_seqs + 1] first word of each sequence */
  uint16_t *ids;       /* [n_tokens] */
  uint8_t *cases;      /* [n_tokens] */
  tok_word *words;     /* [n_words], first_token within its sequence */
  uint16_t *tags;      /* [n_words] gold tags */
  uint16_t *label;     /* [n_seqs] gold, or DATA_NO_LABEL: no classify loss */
  uint16_t *tag_label; /* [n_seqs] label whose slots the tags are masked to, or DATA_NO_LABEL: no tag loss */
  /* pretraining */
  size_t n_masked;
  uint32_t *masked; /* [n_masked] token positions */
  uint16_t *target; /* [n_masked] their true ids */
  void *block;      /* all of the arrays */
} train_batch;

base_status train_batch_new(train_batch *b, size_t max_seqs, size_t max_tokens, const base_allocator *a,
                            base_error *err);
void train_batch_free(train_batch *b, const base_allocator *a);
void train_batch_clear(train_batch *b);
/* Appends an encoded text; false when it does not fit. */
bool train_batch_add(train_batch *b, const tok_result *tok);

/* ---- the tape: what forward leaves for backward ---- */

typedef struct train_layer_tape {
  float *h;             /* [t][d] input */
  float *inv_rms1, *n1; /* [t], [t][d] */
  float *qkv;           /* [t][qkv], q and k rotated */
  float *probs;         /* attention probabilities: sequence by sequence, head by head, [len][len] */
  float *attended;      /* [t][heads*hd] */
  float *mid;           /* [t][d] after attention */
  float *inv_rms2, *n2;
  float *gate_up, *act; /* [t][2 ff], [t][ff] */
} train_layer_tape;

typedef struct train_tape {
  const cpu_kernels *k;
  os_pool *pool;
  size_t max_tokens, max_len; /* of a batch, of one sequence */
  train_layer_tape layer[MODEL_MAX_LAYERS];
  float *last, *inv_rms, *hidden;      /* before and after the output norm */
  float *dh, *dn, *dbig, *dact, *dqkv; /* gradients: [t][d], [t][d], [t][2 ff], [t][ff], [t][qkv] */
  float *rope_cos, *rope_sin;
  float *gemm;          /* scratch of all workers */
  float *attention;     /* per worker [max_len] */
  size_t *probs_at;     /* [max_seqs] offset of a sequence's probabilities */
  float dropout;        /* 0 while evaluating */
  uint64_t dropout_key; /* one a step */
  void *block;
  size_t block_bytes;
} train_tape;

base_status train_tape_new(train_tape *tape, const train_net *n, size_t max_seqs, size_t max_tokens,
                           size_t max_len, const train_options *o, base_error *err);
void train_tape_free(train_tape *tape, const base_allocator *a);

/* Hidden states of the batch into tape->hidden [n_tokens][d]. */
void train_forward(const train_net *n, const train_batch *b, train_tape *tape);
/* From gradients of the hidden states, tape->dn [n_tokens][d], to gradients of the trunk's parameters
 * (added). */
void train_backward(train_net *n, const train_batch *b, train_tape *tape);

/* x *= mask / (1 - p), the mask a function of key and index alone, so backward repeats it. */
void train_dropout(float *x, size_t count, float p, uint64_t key);

/* C (+)= op(A) op(B) on the tape's pool and scratch. */
void train_gemm(const train_tape *tape, bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
                size_t lda, const float *b, size_t ldb, float *c, size_t ldc, bool add);

/* ---- losses: forward and backward at once; gradients of hidden states are added to tape->dn ---- */

typedef struct train_head_work train_head_work; /* buffers of the two heads for one batch */
base_status train_head_work_new(train_head_work **out, const train_net *n, size_t max_seqs, size_t max_words,
                                const base_allocator *a, base_error *err);
void train_head_work_free(train_head_work *w);

typedef struct train_loss {
  double classify, tag, consistency; /* mean a sequence */
} train_loss;

/* With o->consistency > 0 the batch's second half repeats its first. */
train_loss train_head_loss(train_net *n, const train_batch *b, train_tape *tape, train_head_work *work,
                           const train_options *o);
/* Masked-token cross entropy, mean a masked token; *correct counts right guesses. With backward false only
 * measures. work: train_mlm_work(n, max) floats. */
double train_mlm_loss(train_net *n, const train_batch *b, train_tape *tape, float *work, bool backward,
                      size_t *correct);
size_t train_mlm_work(const train_net *n, size_t max_masked);

/* ---- a linear model over hashed features (linear.c), for the next two ---- */

/* Changes a drawn sample, as o's rates say. */
typedef void train_noise_fn(const train_options *o, data_sample *s, base_rng *rng);
/* Adds the gradient of one sample's loss, times scale, to the g of `user`'s train_linear. */
typedef void train_learn_fn(void *user, const data_sample *s, float scale, base_rng *rng);

typedef struct train_linear {
  uint32_t epochs;
  double beta2; /* of Adam */
  train_noise_fn *noise;
  train_learn_fn *learn;
  void *user;
  size_t size;          /* the rest is carved */
  float *w, *g, *m, *v; /* [size] parameters, gradients, Adam's moments */
  float *mean;          /* [size] of the parameters after each run */
  uint32_t *order;      /* [n_rows] */
  data_sample *sample;
} train_linear;

/* Takes what follows `user` out of zeroed memory. */
void train_linear_carve(train_linear *l, base_arena *a, size_t size, size_t n_rows);
void train_linear_run(train_linear *l, const data_set *set, const uint32_t *rows, size_t n_rows,
                      const train_options *o, base_rng *rng);

/* ---- the bag (bag.c): trained by itself on `rows` of the set, then held in n->bag ---- */
base_status train_bag_fit(train_net *n, const data_set *set, const uint32_t *rows, size_t n_rows,
                          const train_options *o, base_error *err);

/* ---- the tagger (tagger.c), the same way, in n->tagger; nothing for a net without slots ---- */
base_status train_tagger_fit(train_net *n, const data_set *set, const uint32_t *rows, size_t n_rows,
                             const train_options *o, base_error *err);

/* -log p(gold) of one word with w [buckets][n_tags]: p = softmax over the k allowed tags of `up` times the sum of its
 * features' rows. Its gradient, times `scale`, is added to g. */
float train_tagger_word(const float *w, float *g, size_t n_tags, const head_word_features *x, const uint16_t *tags,
                        size_t k, uint16_t gold, float up, float scale, const cpu_kernels *kernels);

/* Rows of a table to int8, a scale a row. */
void train_quantise_rows(const float *w, size_t rows, size_t cols, int8_t *q, float *scale);

/* Gold tags of words: B for a span's first word, I for its others, 0 outside. */
void train_tag_words(const tok_word *words, size_t n_words, const data_span *spans, size_t n_spans, uint16_t *tags);
/* The noises of o on a drawn sample. */
void train_noise(const train_options *o, data_sample *s, base_rng *rng);
/* Of them only the assistant called by name first. */
void train_address(const train_options *o, data_sample *s, base_rng *rng);

/* ---- optimiser ---- */

/* Muon for the trunk's matrices (o->muon): one step of parameter `index`; work: train_muon_work floats. */
bool train_muon_applies(const train_net *n, size_t index);
size_t train_muon_work(const train_net *n, int threads);
void train_muon_step(train_net *n, size_t index, const cpu_kernels *k, os_pool *pool, float rate, float decay,
                     float grad_scale, float *work);

/* One AdamW step number `step` (1..) with the gradients' norm clipped, then the gradients are zeroed and the
 * average moved. Returns the norm before clipping. With o->muon the trunk's matrices take a Muon step instead
 * and need `muon_work`. */
double train_step(train_net *n, const train_options *o, uint64_t step, float rate, float *muon_work);
/* Linear warm-up, then cosine down to 2 % of 1. */
float train_schedule(uint64_t step, uint64_t steps, float warmup);
/* Exchanges weights and their average, to evaluate or save the average. */
void train_swap_average(train_net *n);

#endif
