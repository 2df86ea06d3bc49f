/* Private to train/: what pretraining and supervised training share: the clock of a run, checkpoints, and the
 * measuring of rows. */
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include "eval/eval.h"
#include "train/net.h"

/* The state that a checkpoint keeps beside the arrays of the net. */
typedef struct train_run {
  uint64_t step, steps;
  uint32_t epoch, epochs, stale; /* stale: validations without a better score */
  float best;                    /* best score so far; below 0 before the first */
  double seconds;                /* spent in earlier sessions */
  base_rng rng;
} train_run;

/* Identifies what a checkpoint belongs to: options, shape, names, rows. */
uint64_t train_fingerprint(const train_net *n, const data_set *set, const train_options *o);
/* `best` [n->size]: the best weights so far; NULL where a run keeps none. A missing checkpoint leaves everything as
 * it is; one of another run is BASE_EMISMATCH. */
base_status train_checkpoint_save(const train_net *n, const train_run *run, const float *best,
                                  uint64_t fingerprint, const char *path, base_error *err);
base_status train_checkpoint_load(train_net *n, train_run *run, float *best, uint64_t fingerprint,
                                  const char *path, base_error *err);

/* Clock and reporting. */
typedef struct train_clock {
  const train_options *o;
  train_run *run;
  const char *phase;
  uint64_t started_ns, last_report_ns, first_step;
  double loss; /* running mean */
  bool loss_set;
} train_clock;
void train_clock_start(train_clock *c, const char *phase, const train_options *o, train_run *run);
double train_clock_seconds(const train_clock *c);
/* Reports at most ten times a second, or always when p->validated. False: cancelled. */
bool train_clock_tick(train_clock *c, double loss, float rate, const train_progress *validated);

/* ---- measuring rows ---- */

/* What one row's answer was like. */
typedef struct train_judged {
  float features[HEAD_FEATURES];
  float confidence;
  bool in_scope, right, label_right, answered;
  uint16_t gold;
} train_judged;

typedef struct train_judge {
  train_net *n;            /* its float weights answer when brain is NULL */
  const head_brain *brain; /* an int8 file */
  const tok_bpe *tok;
  const train_options *o;
  head_calibration calibration;
  int none_label, part_slot; /* with a part_slot the gold answer is one part: the whole text */
  train_tape *tape;
  train_batch *one; /* a batch of one sequence */
  head_scratch *scratch;
} train_judge;

/* Answers one text. */
void train_judge_answer(train_judge *j, const head_weights *heads, base_slice text, head_result *out);
/* What each row's labels were scored by, [n][labels] each. */
typedef struct train_scores {
  float *trunk_logits, *bag_logs;
  float *slots, *path; /* what the tags say, as head_label_evidence */
} train_scores;

/* Answers rows[i] of the set as they are written. `judged` [n] and `scores` may be NULL, and so may pairs of its
 * arrays. */
base_status train_judge_rows(train_judge *j, const data_set *set, const uint32_t *rows, size_t n,
                             eval_tally *tally, train_judged *judged, const train_scores *scores, base_error *err);

/* ---- calibration ---- */

/* Temperature and weight of the bag by the smallest log loss of the gold labels, over a grid. */
void train_fit_mixture(head_calibration *c, const train_judged *judged, const train_scores *scores, size_t n,
                       size_t labels);
/* Weights of what the tags say about the label, in the same way, on top of that mixture. */
void train_fit_evidence(head_calibration *c, const train_judged *judged, const train_scores *scores, size_t n,
                        size_t labels);
/* How trunk and tagger mix, and how much moves count, by the smallest log loss of the gold tags of rows[i], over a
 * grid. Nothing to do without a tagger. */
base_status train_fit_tags(train_judge *j, const data_set *set, const uint32_t *rows, size_t n, head_calibration *c,
                           base_error *err);
/* The label probability under which to call a text out of scope: the largest that costs at most half a percent of
 * in-scope accuracy, and 0 when no row is out of scope and by_threshold is false; or, with by_threshold and at least 20
 * rows out of scope, the smallest that finds seven in ten of them. */
float train_fit_oos(const train_judged *judged, size_t n, bool by_threshold);
/* The probe: logistic regression of `right` on the standardised features (ridge, Newton). cross [n] gets the
 * confidences of a two-fold cross-fit, where no row is judged by a probe that saw it. */
base_status train_fit_probe(head_calibration *c, const train_judged *judged, size_t n, float *cross,
                            base_error *err);

/* The risk curve of judged items, sorted by falling confidence: the threshold of each share of a fixed list. */
void train_fit_risks(head_calibration *c, const eval_item *items, size_t n);

/* ---- trust (trust.c): the same for a pack, whose own rows are few ---- */

enum { TRUST_DRAWS = 5 }; /* of each held-out phrasing: as it is written, and with other values and noise */

typedef struct train_trusted {
  float odds;       /* log odds of label and path */
  float confidence; /* by a line that did not see the row */
  bool right;       /* the same action with the same values, articles in front of them aside */
  uint32_t fold;
} train_trusted;

/* Answers the rows of an action among rows[i], TRUST_DRAWS times each. out: [n * TRUST_DRAWS]; *n_out: those that the
 * pack answered with an action. */
base_status train_trust_rows(train_judge *j, const data_set *set, const uint32_t *rows, size_t n, train_trusted *out,
                             size_t *n_out, base_error *err);
/* Probe, threshold and risk curve out of them, and out of what is known of other packs; fills in t[i].confidence. */
void train_fit_trust(head_calibration *c, train_trusted *t, size_t n);

/* All the model's keys and tensors into a writer: int8 trunk, heads (when there are any), calibration,
 * tokenizer. */
base_status train_put(train_net *n, const tok_bpe *tok, const data_set *names, const head_calibration *c,
                      gguf_writer *w, base_error *err);

#endif
