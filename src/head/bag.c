/* The bag: a linear classifier over hashed n-grams of the text's words and letters (as in fastText, Joulin et
 * al. 2016, and vowpal wabbit's hashing trick). It knows exact words and spellings, which a small trunk
 * blurs, and it tells how much of a text was never seen in training. */
#include <math.h>
#include <string.h>

#include "head/internal.h"

enum { MAX_WORD_BYTES = 40 };

static uint32_t bucket_of(uint64_t h, uint32_t buckets) {
  h ^= h >> 29;
  h *= UINT64_C(0xbf58476d1ce4e5b9);
  return (uint32_t)((h >> 32) % buckets);
}

/* Each bucket counts once a text. */
static void put(head_bag_features *f, uint64_t h, uint32_t buckets) {
  uint32_t at = bucket_of(h, buckets);
  uint8_t bit = (uint8_t)(1u << (at % 8));
  if (f->n == HEAD_MAX_FEATURES || (f->seen[at / 8] & bit)) return;
  f->seen[at / 8] |= bit;
  f->bucket[f->n++] = at;
}

/* The word between marks, ASCII lower-cased: "<wake>". Long words are cut. */
static size_t marked(base_slice text, const tok_word *w, char out[MAX_WORD_BYTES + 2]) {
  size_t n = 0;
  out[n++] = '<';
  for (uint32_t i = w->start; i < w->end && n <= MAX_WORD_BYTES; i++) {
    char c = text.ptr[i];
    out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
  }
  out[n++] = '>';
  return n;
}

void head_bag_read(base_slice text, const tok_word *words, size_t n_words, uint32_t buckets,
                   head_bag_features *f) {
  uint64_t before = 0, before2 = 0;
  char word[MAX_WORD_BYTES + 2];
  f->n = 0;
  memset(f->seen, 0, sizeof f->seen);
  for (size_t i = 0; i < n_words; i++) { /* words first: the share of unseen ones looks at these alone */
    size_t n = marked(text, &words[i], word);
    put(f, base_hash(BASE_HASH_START, word, n), buckets);
  }
  f->n_words = f->n;
  for (size_t i = 0; i < n_words; i++) {
    size_t n = marked(text, &words[i], word);
    uint64_t h = base_hash(BASE_HASH_START, word, n);
    uint64_t two = base_hash(h ^ 1, &before, sizeof before),
             three = base_hash(two ^ 2, &before2, sizeof before2);
    put(f, two, buckets);
    if (i > 0) put(f, three, buckets);
    before2 = before;
    before = h;
    for (size_t size = 3; size <= 5; size++)
      for (size_t at = 0; at + size <= n && n > 3; at++)
        put(f, base_hash(BASE_HASH_START ^ size, word + at, size), buckets);
  }
}

float head_bag_norm(const head_bag_features *f, const float *idf) {
  float sum = 0.0f;
  for (size_t i = 0; i < f->n; i++) sum += idf[f->bucket[i]] * idf[f->bucket[i]];
  return sum > 0.0f ? 10.0f / sqrtf(sum) : 0.0f;
}

float head_bag_score(const head_bag *b, size_t n_labels, const head_bag_features *f, float *logits) {
  float norm = head_bag_norm(f, b->idf);
  size_t unseen = 0;
  for (size_t j = 0; j < n_labels; j++) logits[j] = b->bias[j];
  for (size_t i = 0; i < f->n; i++) {
    uint32_t at = f->bucket[i];
    float value = b->idf[at] * norm * b->scale[at];
    const int8_t *row = b->weight + (size_t)at * n_labels;
    if (i < f->n_words && b->idf[at] == 0.0f) unseen++;
    if (value == 0.0f) continue;
    for (size_t j = 0; j < n_labels; j++) logits[j] += value * (float)row[j];
  }
  return f->n_words ? (float)unseen / (float)f->n_words : 1.0f;
}
