/* Private to head/: the scratch and the pieces that decode.c, crf.c and joint.c share. */
#ifndef HEAD_INTERNAL_H
#define HEAD_INTERNAL_H

#include "head/head.h"

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
  float *logits;       /* [labels] of both together, and of what the tags say */
  float *slot_evidence, *path_evidence; /* [labels] */
  head_bag_features *features;
  head_tag_features *tag_features;
  float *probabilities; /* [labels] */
  head_crf crf;
};

#endif
