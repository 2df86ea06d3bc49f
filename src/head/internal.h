/* Private to head/: the scratch and the pieces that decode.c and crf.c share. */
#ifndef HEAD_INTERNAL_H
#define HEAD_INTERNAL_H

#include "head/head.h"

/* The CRF of one sentence over K compacted tags. Log domain; impossible moves are HEAD_NEVER. */
#define HEAD_NEVER (-1e30f)

typedef struct head_crf {
  size_t n, k;             /* words, tags */
  uint16_t tags[HEAD_MAX_TAGS];
  float *emit;             /* [n][k] */
  float *move;             /* [k][k], transposed: move[to * k + from] */
  float *start;            /* [k] */
  float *alpha, *beta;     /* [n][k] */
  float *row;              /* [k] */
  uint8_t *back;           /* [n][k] Viterbi predecessors */
  uint8_t *path;           /* [n] best tags, compacted */
  float log_z, best;
} head_crf;

struct head_scratch {
  base_allocator allocator;
  void *block;
  size_t bytes;
  tok_result tok;
  model_scratch *model;
  const float *hidden; /* of the last decode, borrowed, with its tokens */
  const tok_result *decoded;
  float *pooled;       /* [3 d] */
  float *attention;    /* [tokens] pooling weights */
  float *trunk_logits; /* [labels] */
  float *bag_logs;     /* [labels] */
  float *logits;       /* [labels] of both together */
  head_bag_features *features;
  float *probabilities; /* [labels] */
  head_crf crf;
};

void head_crf_moves(const head_weights *w, uint32_t label, head_crf *c);
void head_crf_viterbi(head_crf *c);
void head_crf_forward(const cpu_kernels *k, head_crf *c);  /* alpha, log_z */
void head_crf_backward(const cpu_kernels *k, head_crf *c); /* beta */

#endif
