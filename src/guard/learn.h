/* Private to guard/: what the files that learn share. learn.c reads the sources and writes the file, learn_names.c
 * makes the weights of names, learn_topics.c those of topics. */
#ifndef GUARD_LEARN_H
#define GUARD_LEARN_H

#include "guard/grammar.h"

enum { GUARD_MAX_LISTED = 1 << 16, GUARD_LEARN_WORDS = 256, GUARD_HELD_OUT = 10, GUARD_JUDGED = 4000 };

/* A line of a pack, which no attack is in. */
typedef struct guard_ordinary {
  base_slice line;
  bool money; /* says nothing about payment */
} guard_ordinary;

/* One block: what is saved, what learns, and working memory. */
struct guard_learned {
  base_allocator allocator;
  /* what is saved */
  int8_t name_weight[GUARD_NAME_BUCKETS * GUARD_TAG_ROOM], text_weight[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM];
  uint8_t text_used[GUARD_TEXT_BUCKETS / 8];
  uint32_t list_key[GUARD_MAX_LISTED];
  uint8_t list_bits[GUARD_MAX_LISTED];
  /* what learns */
  float name[GUARD_NAME_BUCKETS * GUARD_TAG_ROOM], name_sum[GUARD_NAME_BUCKETS * GUARD_TAG_ROOM];
  float move_sum[GUARD_TAG_ROOM][GUARD_TAG_ROOM];
  float text[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM], text_square[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM],
      text_sum[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM]; /* over the passes that are averaged */
  float bias_square[GUARD_TOPIC_ROOM];
  int8_t mark[GUARD_TEXT_BUCKETS]; /* whose a bucket is */
  uint32_t votes[GUARD_TEXT_BUCKETS];
  guard_model model; /* move, text_bias, lists and working memory are used while learning */
  uint32_t feature[GUARD_LEARN_WORDS][GUARD_NAME_FEATURES];
  uint8_t gold[GUARD_LEARN_WORDS];
  uint8_t fold[GUARD_DRAWN_BYTES + GUARD_AHEAD], low[GUARD_DRAWN_BYTES + GUARD_AHEAD];
  uint32_t at[GUARD_DRAWN_BYTES + GUARD_AHEAD];
  guard_drawn drawn;
  base_rng rng;
  guard_grammar grammar;
  guard_ordinary *line; /* of the packs */
  size_t n_lines;
  const guard_source_text *page; /* borrowed */
  size_t n_pages;
};

/* The view of a text, of its first GUARD_DRAWN_BYTES; false when it is not UTF-8. Lives until the next. */
bool guard_learn_view(guard_learned *l, base_slice text, guard_view *v);
/* A line without its {slot:value} marks into d; false for an empty line, a comment, a header. */
bool guard_learn_plain(base_slice line, guard_drawn *d);
/* An item of a list: one of those held out for the report, or one of the others. */
base_slice guard_learn_choose(guard_learned *l, const guard_list *list, bool held);

base_status guard_learn_names(guard_learned *l, const guard_learn_options *o, guard_learn_report *r, base_error *err);
void guard_learn_topics(guard_learned *l, const guard_learn_options *o, guard_learn_report *r);

#endif
