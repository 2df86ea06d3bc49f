/* head: small outputs on the trunk. `classify` gives a label, `tag` gives spans by a linear-chain CRF
 * (Lafferty et al. 2001) whose tags are masked to those the label allows, and a calibrated probe gives the
 * probability that the whole answer is right. A brain is a trunk with its heads and tokenizer, out of one
 * GGUF file. */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "gguf/gguf.h"
#include "model/model.h"
#include "tok/tok.h"

enum {
  HEAD_MAX_LABELS = 512,
  HEAD_MAX_SLOTS = 120,
  HEAD_MAX_TAGS = 1 + 2 * HEAD_MAX_SLOTS, /* O, then B and I of each slot: 1 + 2 slot, 2 + 2 slot */
  HEAD_MAX_SPANS = 32,
  HEAD_MAX_WORDS = 255,
  HEAD_FEATURES = 15,      /* what the confidence probe may look at, see decode.c */
  HEAD_FEATURE_ANSWER_ODDS = 12, /* of them: log odds of p(label) p(tags), and of p(label) alone */
  HEAD_FEATURE_LABEL_ODDS = 13,
  HEAD_FEATURES_FIRST = 12, /* of files made before the log odds were among them */
  HEAD_RISKS = 8,          /* points of the risk curve */
  HEAD_BAG_BUCKETS = 16384,
  HEAD_MAX_FEATURES = 2048, /* n-grams of one text that count */
  HEAD_TAGGER_BUCKETS = 65536, /* at most; a file says how many it has */
  HEAD_WORD_FEATURES = 48, /* of one word that count */
  HEAD_VALUE_WORDS = 8     /* a longer slot value is not remembered */
};

/* The linear classifier over hashed n-grams that stands beside the trunk (bag.c). buckets 0: none. */
typedef struct head_bag {
  uint32_t buckets;
  const float *idf;     /* [buckets] inverse document frequency in training; 0: never seen */
  const int8_t *weight; /* [buckets][n_labels] */
  const float *scale;   /* [buckets] */
  const float *bias;    /* [n_labels] */
} head_bag;

/* The linear tagger over hashed features of words, beside the trunk's tag head (tagger.c). buckets 0: none. */
typedef struct head_tagger {
  uint32_t buckets;
  const int8_t *weight; /* [buckets][n_tags] */
  const float *scale;   /* [buckets] */
  size_t n_values;      /* slot values seen in training */
  const uint32_t *value;     /* [n_values] their hashes, growing */
  const uint8_t *value_slot; /* [n_values] */
} head_tagger;

/* Parameters of both heads, all float, borrowed. n_tags = 1 + 2 n_slots. */
typedef struct head_weights {
  uint32_t d, n_labels, n_slots;
  const float *pool_query;   /* [d]: attention pooling over the tokens */
  const float *classify;     /* [n_labels][3 d]: over class token, attention-pooled and mean hidden state */
  const float *classify_bias; /* [n_labels] */
  const float *tag;          /* [n_tags][2 d]: over a word's first and last token */
  const float *tag_bias;     /* [n_tags] */
  const float *transition;   /* [n_tags][n_tags], from row to column */
  const float *start;        /* [n_tags] */
  const float *label_tag;    /* [n_labels][n_tags]: a bias of each label on each tag */
  const uint8_t *allowed;    /* [n_labels][n_slots], 1 when the label may have the slot */
  head_bag bag;
  head_tagger tagger;
} head_weights;

/* How raw scores become probabilities. Stored in the file. */
typedef struct head_calibration {
  float temperature, bag_weight; /* logits = trunk's / temperature + bag_weight * log softmax of the bag's */
  float slots_weight, path_weight; /* + what the tags say about labels that come close, times these; see joint.c */
  float tag_scale, tagger_weight;  /* a tag's score = the trunk's * tag_scale + tagger_weight * the tagger's */
  float move_scale;                /* of the transitions */
  float mean[HEAD_FEATURES], inv_std[HEAD_FEATURES];
  float weight[HEAD_FEATURES], bias; /* logistic probe on the standardised features */
  float act_threshold;             /* confidence from which at most `target` is wrong of what is answered */
  float target;
  uint32_t n_risks;                /* 0 in files made before there was a curve */
  float risk_share[HEAD_RISKS];    /* growing; act_threshold's are `target` and itself */
  float risk_threshold[HEAD_RISKS]; /* confidence from which at most that share is wrong, falling; above 1: none */
  float oos_threshold;             /* label probability under which the text is out of scope; 0 never */
  /* 1 + the label that stands for out of scope, answered only when no other reaches oos_threshold among the rest,
   * however likely it is itself; 0: labels are all alike */
  uint32_t none_plus_1;
} head_calibration;

typedef struct head_span {
  uint32_t start, end; /* bytes in the text */
  uint16_t slot;
  float probability; /* smallest marginal of its words */
} head_span;

typedef struct head_result {
  uint16_t label, runner_up;
  float probability, runner_up_probability; /* tempered; of the labels in scope where one stands for the rest */
  float confidence;                         /* P(label and all spans right) */
  float log_path;                           /* log P(tags | text, label) */
  float features[HEAD_FEATURES];
  size_t n_spans;
  head_span spans[HEAD_MAX_SPANS];
  bool truncated; /* the text was longer than the model reads */
} head_result;

/* ---- decoding, shared by the engine and the trainer ---- */

typedef struct head_scratch head_scratch;
/* For at most max_tokens tokens and any number of labels and slots within the limits above. */
head_scratch *head_scratch_new(const model_shape *largest, size_t max_tokens, const base_allocator *a);
void head_scratch_free(head_scratch *s);
/* The tokenizer's arrays inside the scratch. */
tok_result *head_scratch_tokens(head_scratch *s);

/* The input of the classify head: pooled [3 d] = class token, attention-pooled (weights [t], softmax of
 * pool_query . h) and mean hidden state. */
void head_pool(const head_weights *w, const cpu_kernels *k, const float *hidden, size_t t, float *attention,
               float *pooled);
/* Hidden states [t][d] of tokens `tok` of `text` to a result. No allocation. The hidden states must live until the
 * scratch's next decode: head_decode_without reads them again. */
void head_decode(const head_weights *w, const head_calibration *c, const cpu_kernels *k, const float *hidden,
                 base_slice text, const tok_result *tok, head_scratch *s, head_result *out);
/* The last decode's text once more, answered as if `label` were not among the labels: the likeliest other one with its
 * own spans. Probabilities stay those of all labels. `w`, `c` and `out` are those of that decode, which leaves what no
 * label changes in `out`; there is more than one label. */
void head_decode_without(const head_weights *w, const head_calibration *c, const cpu_kernels *k, uint16_t label,
                         head_scratch *s, head_result *out);
/* Of the last decode, all [n_labels]: probabilities, the trunk's logits, the log probabilities of the bag
 * alone. */
const float *head_label_probabilities(const head_scratch *s);
const float *head_trunk_logits(const head_scratch *s);
const float *head_bag_logs(const head_scratch *s);

/* What the tags say about each label, [n_labels] each. slots: how much more likely the words are with the slots that
 * the label allows than with none; path: log probability of the best reading. Of the few labels whose logit in the
 * last decode comes close to the best; all others get the least of those. */
void head_label_evidence(const head_weights *w, const head_calibration *c, const cpu_kernels *k, head_scratch *s,
                         float *slots, float *path);

/* The CRF of the last decode's words over the tags that `label` allows, scores set, nothing summed yet; the scratch's
 * until its next decode. For fitting how trunk and tagger mix. */
struct head_crf *head_tag_scores(const head_weights *w, const head_calibration *c, const cpu_kernels *k, uint32_t label,
                                 head_scratch *s);

/* Confidence from features by the probe. */
float head_confidence(const head_calibration *c, const float features[HEAD_FEATURES]);
/* The confidence to act from when at most `share` of what is acted on may be wrong: that of the largest share on the
 * risk curve which is no more; above 1 where no such share was reached. Without a curve `target` itself has
 * the stored threshold. For another share that moves to 1 - share: of answers whose calibrated probability of being
 * right is at least 1 - share, at most that share is wrong. It only rises for a stricter share and falls for a laxer
 * one. */
float head_act_threshold(const head_calibration *c, float share);
/* The identity: temperature 1, no bag, confidence = p(label) * p(path), thresholds 0. */
void head_calibration_init(head_calibration *c);

/* ---- the bag ---- */

typedef struct head_bag_features {
  size_t n, n_words; /* the first n_words are single words */
  uint32_t bucket[HEAD_MAX_FEATURES];      /* distinct */
  uint8_t seen[(HEAD_BAG_BUCKETS + 7) / 8]; /* a bit a bucket, while reading */
} head_bag_features;

/* Buckets of words, word pairs and triples, and of 3 to 5 letters within words. */
void head_bag_read(base_slice text, const tok_word *words, size_t n_words, uint32_t buckets,
                   head_bag_features *f);
/* What a feature's idf is multiplied by, so that a text's vector has length 10. */
float head_bag_norm(const head_bag_features *f, const float *idf);
/* Scores [n_labels]; returns the share of words never seen in training. */
float head_bag_score(const head_bag *b, size_t n_labels, const head_bag_features *f, float *logits);

/* ---- the tagger ---- */

typedef struct head_word_features {
  uint32_t n, bucket[HEAD_WORD_FEATURES];
} head_word_features;

typedef struct head_tag_features {
  uint32_t buckets;
  size_t n_words;
  uint64_t hash[HEAD_MAX_WORDS + 4]; /* of the words in lower case, two places of padding on both sides */
  head_word_features word[HEAD_MAX_WORDS];
} head_tag_features;

typedef struct head_tag_value {
  uint32_t hash;
  uint16_t slot;
} head_tag_value;

/* Features of each word: itself, its spelling, two words to either side, its place. */
void head_tagger_read(base_slice text, const tok_word *words, size_t n_words, uint32_t buckets, head_tag_features *f);
/* The hash of words [from, to) as a slot value. */
uint32_t head_tagger_value(const head_tag_features *f, size_t from, size_t to);
/* Adds which of training's slot values a word is part of. `hidden` are passed over: training must not recognise a value
 * by the very sentence that it is learning from. */
void head_tagger_read_values(const head_tagger *t, const head_tag_value *hidden, size_t n_hidden, head_tag_features *f);
float head_tagger_score(const head_tagger *t, size_t n_tags, const head_word_features *f, size_t tag);

/* ---- linear-chain CRF over the tags a label allows ---- */

/* Tags allowed for a label, compacted: O first, then B, I of each allowed slot. Returns their number. */
size_t head_allowed_tags(const head_weights *w, uint32_t label, uint16_t tags[HEAD_MAX_TAGS]);
/* True when tag b may follow tag a in BIO (an I follows only B or I of its slot); a < 0 is the start. */
bool head_tag_may_follow(int a, int b);

/* One sentence over its label's k compacted tags, all in the log domain; impossible moves are HEAD_NEVER. The caller
 * brings the arrays (back and path for Viterbi alone, beta for the backward pass alone) and fills n and emit. */
#define HEAD_NEVER (-1e30f)

typedef struct head_crf {
  size_t n, k;                  /* words, tags */
  uint16_t tags[HEAD_MAX_TAGS]; /* which tags the compacted ones are */
  float *emit;                  /* [n][k] */
  float *move;                  /* [k][k], transposed: move[to * k + from] */
  float *start;                 /* [k] */
  float *alpha, *beta;          /* [n][k]: scores of all paths that end in a tag, and of all that go on from it */
  float *row;                   /* [k] */
  uint8_t *back;                /* [n][k] Viterbi predecessors */
  uint8_t *path;                /* [n] best tags, compacted */
  float log_z, best;            /* log of the partition function; score of the best path */
} head_crf;

/* k, tags, start, move; scores of moves times `scale` */
void head_crf_moves(const head_weights *w, uint32_t label, float scale, head_crf *c);
void head_crf_viterbi(head_crf *c);                                      /* path, best; uses alpha */
void head_crf_forward(const cpu_kernels *k, head_crf *c);                /* alpha, log_z */
void head_crf_backward(const cpu_kernels *k, head_crf *c);               /* beta */

/* ---- brains ---- */

typedef struct head_brain head_brain;
/* Binds trunk, heads, calibration, names and tokenizer. `shared` (may be NULL) is used instead of the file's
 * tokenizer when their fingerprints agree. The file must stay open. */
base_status head_brain_open(head_brain **out, const gguf_file *f, const tok_bpe *shared,
                            const base_allocator *a, base_error *err);
void head_brain_close(head_brain *b);
const model_trunk *head_brain_trunk(const head_brain *b);
const tok_bpe *head_brain_tok(const head_brain *b);
const head_weights *head_brain_weights(const head_brain *b);
const head_calibration *head_brain_calibration(const head_brain *b);
base_slice head_brain_label(const head_brain *b, size_t label); /* empty past the end */
base_slice head_brain_slot(const head_brain *b, size_t slot);
/* Text to result: tokens, trunk, heads. No allocation; text is at most 64 KiB, what is beyond the model's
 * tokens is not read and sets `truncated`. */
void head_brain_run(const head_brain *b, const cpu_kernels *k, base_slice text, head_scratch *s,
                    head_result *out);
/* What the last run's text means if it does not mean `label`; see head_decode_without. No pass of the trunk. */
void head_brain_run_without(const head_brain *b, const cpu_kernels *k, uint16_t label, head_scratch *s,
                            head_result *out);
/* The same as head_brain_run under another calibration than the file's: for fitting one. */
void head_brain_run_with(const head_brain *b, const head_calibration *c, const cpu_kernels *k,
                         base_slice text, head_scratch *s, head_result *out);

#endif
