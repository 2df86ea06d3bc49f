/* Private to guard/: what the model and the contact list add to the rules.
 *
 * The model is two linear classifiers over hashed features, small enough to stay in the cache and a tenth of
 * the time that a pass of the trunk takes (docs/guard.md has both figures):
 *
 *   names   a word's features (itself, its neighbours, shapes, endings, word lists) -> scores of BIO tags;
 *           the best path under first-order transitions. Structured averaged perceptron (Collins 2002).
 *   text    n-grams of words and letters -> one logistic score a topic: attack, and the risks. A row of weights
 *           belongs to one n-gram and carries a mark of it, so that words never learnt say nothing; a bucket that
 *           is nobody's has no row.
 *
 * Features are the same here and in learn.c, which makes the file from packs/guard. */
#ifndef GUARD_MODEL_H
#define GUARD_MODEL_H

#include "guard/internal.h"

base_status guard_view_of(guard *g, base_slice text, guard_view *v, base_error *err);
base_status guard_find_in(guard *g, const guard_view *v, guard_hits *h, base_error *err);
void guard_wipe(void *bytes, size_t n); /* zeroes, whatever the compiler thinks of it */

/* contacts.c */
typedef struct guard_contacts guard_contacts;
void guard_contacts_free(guard_contacts *c, const base_allocator *a);
void guard_contacts_run(guard *g, const guard_view *v, guard_hits *h);

/* ---- words of the view ---- */

typedef struct guard_word {
  uint32_t start, end; /* characters of the view */
  uint64_t hash;       /* of the lower-case word; a line end is a word of its own */
  uint32_t shape;      /* capitals, letters, digits and their number */
  uint8_t lists;       /* bit set: word lists of the model that know it */
} guard_word;

static inline bool guard_word_is(const guard_view *v, const guard_word *w, const char *list) { /* "|a|b|" */
  return guard_is_listed(v, w->start, w->end, list);
}

enum { GUARD_WORDS = 512 }; /* read at a time */
/* From character *at on; moves *at behind the last. */
size_t guard_words(const guard_view *v, size_t *at, guard_word *w, size_t max);

/* ---- names ---- */

typedef enum guard_tag_class {
  GUARD_TAG_PERSON,
  GUARD_TAG_ADDRESS,
  GUARD_TAG_PLACE,
  GUARD_TAG_ORGANISATION,
  GUARD_TAG_GROUP,
  GUARD_TAG_POSTCODE,
  GUARD_TAG_CLASSES
} guard_tag_class;
enum {
  GUARD_TAGS = 1 + 2 * GUARD_TAG_CLASSES, /* O, then B and I of each class */
  GUARD_TAG_ROOM = 16,                    /* a row of weights, padded */
  GUARD_NAME_BUCKETS = 1 << 17,
  GUARD_NAME_FEATURES = 40,
  GUARD_LISTS = 8
};
guard_class guard_class_of_tag(guard_tag_class t);
extern const char *const guard_list_names[GUARD_LISTS];
/* Buckets of word i's features. */
size_t guard_name_features(const guard_view *v, const guard_word *w, size_t n, size_t i,
                           uint32_t bucket[GUARD_NAME_FEATURES]);
/* The best path of tags; score [n][GUARD_TAG_ROOM], move [from][to]. back: room for n rows. */
void guard_best_path(const float (*score)[GUARD_TAG_ROOM], const float (*move)[GUARD_TAG_ROOM], size_t n,
                     uint8_t (*back)[GUARD_TAG_ROOM], uint8_t *path);

/* ---- text ---- */

typedef enum guard_topic {
  GUARD_TOPIC_ATTACK,
  GUARD_TOPIC_RISK, /* and on: the risks in guard_risk's order */
  GUARD_TOPICS = GUARD_TOPIC_RISK + GUARD_RISKS
} guard_topic;
/* Where the limit of attacks from outside stands among the topics' limits: nobody typed a document, and a long one
 * has many windows, each of which may be an alarm by chance. */
enum { GUARD_LIMIT_OUTSIDE = GUARD_TOPICS };
enum {
  GUARD_TOPIC_ROOM = 6, /* a row of weights: topics and the mark */
  GUARD_TOPIC_MARK = GUARD_TOPIC_ROOM - 1, /* the lane of a row that says whose it is; 0: nobody's */
  GUARD_TEXT_BUCKETS = 1 << 18,
  GUARD_TEXT_FEATURES = 2048,
  GUARD_TEXT_WINDOW = 64, /* words looked at together, moved on by half */
};
typedef struct guard_gram {
  uint32_t bucket;
  int8_t mark; /* never 0 */
} guard_gram;
/* A window's n-grams, each as often as it stands there. */
size_t guard_text_features(const guard_view *v, const guard_word *w, size_t n,
                           guard_gram gram[GUARD_TEXT_FEATURES]);

/* ---- the model ---- */

enum { GUARD_MODEL_VERSION = 4 };

typedef struct guard_model {
  const int8_t *name_weight;      /* [GUARD_NAME_BUCKETS][GUARD_TAG_ROOM] */
  const uint8_t *text_used;       /* a bit for each of GUARD_TEXT_BUCKETS, the lowest first: it has a row */
  const int8_t *text_weight;      /* [buckets that have one][GUARD_TOPIC_ROOM], in order */
  uint32_t text_before[GUARD_TEXT_BUCKETS / 64]; /* rows before the first of each 64 buckets */
  const uint32_t *list_key;       /* [n_listed] sorted halves of hashes */
  const uint8_t *list_bits;       /* [n_listed] */
  size_t n_listed;
  float name_scale, text_scale, lean; /* lean: what O loses, so that more is found */
  float move[GUARD_TAG_ROOM][GUARD_TAG_ROOM];
  float text_bias[GUARD_TOPIC_ROOM], threshold[GUARD_TOPIC_ROOM];
  /* working memory */
  guard_word words[GUARD_WORDS];
  float score[GUARD_WORDS][GUARD_TAG_ROOM];
  uint8_t back[GUARD_WORDS][GUARD_TAG_ROOM], path[GUARD_WORDS];
  guard_gram gram[GUARD_TEXT_FEATURES];
} guard_model;

base_status guard_model_open(guard_model **out, const gguf_file *f, const base_allocator *a, base_error *err);
void guard_model_close(guard_model *m, const base_allocator *a);
uint8_t guard_model_lists(const guard_model *m, uint64_t hash);
/* Marks in each word the lists that know it. */
void guard_model_look_up(const guard_model *m, guard_word *w, size_t n);
bool guard_is_capital(const guard_view *v, size_t i);
/* names.c. capitals: the text uses them */
bool guard_has_capitals(const guard_view *v);
void guard_tidy_path(const guard_view *v, const guard_word *w, size_t n, bool capitals, uint8_t *path);
void guard_model_names(guard *g, const guard_view *v, guard_hits *h);
/* The largest score of each topic over all windows, 0..1; of attacks in a long document over those that turn to a
 * reader. Returns how many windows there were. */
size_t guard_model_topics(guard_model *m, const guard_view *v, guard_source from, float p[GUARD_TOPICS]);

#endif
