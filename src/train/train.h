/* train: makes the files that model/ and head/ run. Hand-written forward and backward passes in float, AdamW,
 * Muon, masked-token pretraining of a trunk, supervised training of heads with the trunk, calibration, int8
 * files, checkpoints. The same inputs, options and seed give the same bytes for any number of threads. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "data/data.h"
#include "gguf/gguf.h"
#include "head/head.h"
#include "model/model.h"
#include "os/os.h"
#include "tok/tok.h"

/* What a training run tells its caller from time to time. */
typedef struct train_progress {
  const char *phase;    /* "pretrain", "train", "calibrate", "save" */
  uint64_t step, steps; /* done and planned */
  uint32_t epoch, epochs;
  double elapsed_s, eta_s;
  float loss; /* running mean */
  float learning_rate;
  bool validated; /* the metrics below are fresh */
  float label_accuracy, slot_f1,
      exact_match; /* on held-out rows, 0..1; for pretraining label_accuracy is of masked tokens */
  float best;      /* best score so far */
} train_progress;

typedef struct train_options {
  /* how it is run */
  os_pool *pool;              /* NULL: one thread */
  const cpu_kernels *kernels; /* NULL: cpu_best() */
  const base_allocator *allocator;
  uint64_t seed;
  const char *checkpoint; /* path to save to and resume from, or NULL */
  bool (*progress)(void *ctx,
                   const train_progress *p); /* false cancels; the last whole epoch's checkpoint stays */
  void *progress_ctx;
  /* recipe; train_options_init sets what measured best (docs/experiments.md) */
  uint32_t epochs, batch_rows;     /* sequences a step */
  uint32_t max_tokens;             /* a longer text is cut, at most the trunk's */
  float learning_rate, trunk_rate; /* of the heads; of the trunk as a share of it */
  float warmup;                    /* share of the steps */
  float decay, beta2, clip;        /* AdamW weight decay, second moment, gradient norm limit */
  bool muon;                       /* the trunk's matrices learn by Muon instead of AdamW */
  float dropout, head_dropout;
  float label_smoothing;
  float average; /* decay of the moving average of weights that is evaluated and saved; 0 off */
  float bpe_dropout, typo_rate, lower_rate,
      speech_rate;     /* per sample: BPE-dropout; letters mistyped; all lower case; punctuation dropped */
  float address_rate;  /* an assistant is called by a name first */
  float swap_rate;     /* a span's value is swapped for another of its list */
  float bag_swap_rate; /* the same where the bag learns */
  bool bag_noise;      /* the bag learns with all noises; else only from rows that call the assistant by a name */
  uint32_t tagger_buckets; /* size of the tagger's table, at most HEAD_TAGGER_BUCKETS; 0: no tagger */
  float join_rate;     /* two rows joined into one request (a gate learns where one ends) */
  float mask_rate;     /* pretraining: share of words masked */
  float consistency; /* R-Drop (Wu et al. 2021): weight of the divergence between two dropout passes; 0 off */
  uint32_t patience; /* validations without a better score before stopping; 0 never stops early */
  uint32_t limit_generated; /* at most so many generated rows an epoch, drawn anew each; 0 all */
  float valid_share;        /* of phrasings held out when no validation set is given */
  float target;             /* share of acted-on answers that may be wrong, for the threshold */
  /* of a pack: each answer that its confidence was fitted to, for looking at; may be NULL */
  void (*evidence)(void *ctx, float log_odds, bool right);
  void *evidence_ctx;
} train_options;

void train_options_init(train_options *o);                    /* supervised, from labelled rows */
void train_options_init_pack(train_options *o, bool is_gate); /* supervised, from a pack's folder */
void train_options_init_pretrain(train_options *o);           /* masked tokens */

/* A net: all parameters of a trunk with heads, in float. */
typedef struct train_net train_net;

/* A fresh trunk, random from `seed`, with no heads. */
base_status train_net_new(train_net **out, const model_shape *shape, uint64_t seed, const base_allocator *a,
                          base_error *err);
/* The trunk of a file (int8 weights become floats). */
base_status train_net_load(train_net **out, const gguf_file *f, const base_allocator *a, base_error *err);
void train_net_free(train_net *n);
const model_shape *train_net_shape(const train_net *n);

/* Masked-token pretraining (Devlin et al. 2019; whole words) on the rows' texts; every 200th row is held out
 * for validation. */
base_status train_pretrain(train_net *n, const tok_bpe *tok, const data_set *text, const train_options *o,
                           base_error *err);

/* What came out of a supervised run. Metrics on held-out rows, 0..1. */
typedef struct train_report {
  size_t train_rows, valid_rows;
  uint32_t epochs_run;
  double seconds;
  float label_accuracy, slot_f1, exact_match;          /* float weights */
  float label_accuracy_i8, slot_f1_i8, exact_match_i8; /* after quantisation */
  float ece, act_threshold, acted_share, acted_wrong;
} train_report;

/* Which slots each label may have, [labels][slots] of the data set's names; NULL: those seen together in the
 * rows. */
typedef struct train_spec {
  const uint8_t *allowed;
  int none_label; /* label of rows out of scope, or -1 */
  bool none_by_threshold; /* that label is answered only where no other is likely enough: its rows are an example of
                             what lies outside, not a share of it that says how common that is */
  int part_slot;  /* for join_rate: the slot that covers each joined part, or -1 */
  bool pack;      /* an app's actions: confidence and risk curve start from what other packs' rows said (trust.c) */
} train_spec;

/* Trains heads (new ones, for the set's labels and slots) and trunk, calibrates and quantises. `valid` may be
 * NULL: then a share of phrasings is held out. Writes model metadata, tensors and tokenizer into `w`, which
 * borrows from the net until saved; the caller adds its own keys and saves. */
base_status train_fit(train_net *n, const tok_bpe *tok, const data_set *set, const data_set *valid,
                      const train_spec *spec, const train_options *o, gguf_writer *w, train_report *report,
                      base_error *err);

/* As train_fit without the epochs: `n` is the net of `made` (train_net_load), the heads are those of `made` too, and
 * only what stands beside them is fitted: bag, tagger and calibration, or the calibration alone (mixture, confidence,
 * risk curve). `made` is borrowed until the writer has saved. BASE_EMISMATCH when it was trained for other labels or
 * slots than the set has. */
typedef enum train_refit_what { TRAIN_REFIT_ALL, TRAIN_REFIT_CALIBRATION } train_refit_what;
base_status train_refit(train_net *n, const gguf_file *made, const tok_bpe *tok, const data_set *set,
                        const data_set *valid, train_refit_what what, const train_spec *spec, const train_options *o,
                        gguf_writer *w, train_report *report, base_error *err);

/* A trunk alone into a writer (int8). Borrows from the net until saved. */
base_status train_net_put(train_net *n, const tok_bpe *tok, gguf_writer *w, base_error *err);

#endif
