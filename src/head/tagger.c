/* The tagger: a linear model over hashed features of a word, its spelling, its neighbours and the slot values of
 * training that it is part of (the features of Ratnaparkhi 1996 and of named-entity taggers since, hashed). It stands
 * beside the trunk's tag head as the bag beside its classify head: what a small trunk blurs, it knows by heart. */
#include <string.h>

#include "head/internal.h"

enum { MAX_AFFIX = 4, MAX_SHAPE = 12, EDGE = 3 };

/* What a feature is about goes into its hash, so that the same word before and behind are two features. */
typedef enum kind {
  ANY_WORD, WORD, BEFORE, BEHIND, BEFORE_2, BEHIND_2, PAIR_BEFORE, PAIR_BEHIND, PAIR_AROUND, PAIR_BEFORE_2,
  PAIR_BEHIND_2, TRIPLE, PREFIX, SUFFIX, SHAPE, SHAPE_BEFORE, SHAPE_BEHIND, SHAPES, FROM_START, FROM_END, VALUE,
  VALUE_LENGTH
} kind;

static uint64_t mix(uint64_t a, uint64_t b) { return base_hash(a, &b, sizeof b); }

static void put(head_tag_features *f, size_t word, kind what, uint64_t h) {
  head_word_features *to = &f->word[word];
  h = mix(h, (uint64_t)what);
  h ^= h >> 29;
  h *= UINT64_C(0xbf58476d1ce4e5b9);
  if (to->n < HEAD_WORD_FEATURES) to->bucket[to->n++] = (uint32_t)((h >> 32) % f->buckets);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static uint64_t hash_lower(const char *s, size_t n) {
  uint64_t h = BASE_HASH_START;
  for (size_t i = 0; i < n; i++) {
    char c = lower(s[i]);
    h = base_hash(h, &c, 1);
  }
  return h;
}

/* "McCartney" is AaAa: runs of capitals, small letters, digits as one sign each, other bytes as they are. */
static uint64_t hash_shape(const char *s, size_t n) {
  uint64_t h = BASE_HASH_START;
  char last = 0;
  for (size_t i = 0, put_down = 0; i < n && put_down < MAX_SHAPE; i++) {
    char c = s[i];
    if (c >= 'A' && c <= 'Z') c = 'A';
    else if ((c >= 'a' && c <= 'z') || (c & 0x80)) c = 'a';
    else if (c >= '0' && c <= '9') c = '0';
    if (c == last) continue;
    h = base_hash(h, &c, 1);
    last = c;
    put_down++;
  }
  return h;
}

/* Hashes of words and shapes, two places of padding before the first and behind the last. */
typedef struct window {
  const uint64_t *word, *shape;
} window;

static void put_neighbours(head_tag_features *f, size_t i, const window *at) {
  const uint64_t *w = at->word, *s = at->shape;
  put(f, i, ANY_WORD, 0);
  put(f, i, WORD, w[0]);
  put(f, i, BEFORE, w[-1]);
  put(f, i, BEHIND, w[1]);
  put(f, i, BEFORE_2, w[-2]);
  put(f, i, BEHIND_2, w[2]);
  put(f, i, PAIR_BEFORE, mix(w[-1], w[0]));
  put(f, i, PAIR_BEHIND, mix(w[0], w[1]));
  put(f, i, PAIR_AROUND, mix(w[-1], w[1]));
  put(f, i, PAIR_BEFORE_2, mix(w[-2], w[-1]));
  put(f, i, PAIR_BEHIND_2, mix(w[1], w[2]));
  put(f, i, TRIPLE, mix(mix(w[-1], w[0]), w[1]));
  put(f, i, SHAPE, s[0]);
  put(f, i, SHAPE_BEFORE, s[-1]);
  put(f, i, SHAPE_BEHIND, s[1]);
  put(f, i, SHAPES, mix(s[-1], s[0]));
}

static void put_spelling(head_tag_features *f, size_t i, base_slice word) {
  for (size_t n = 1; n <= MAX_AFFIX && n <= word.len; n++) {
    put(f, i, PREFIX, hash_lower(word.ptr, n) + n);
    put(f, i, SUFFIX, hash_lower(word.ptr + word.len - n, n) + n);
  }
}

void head_tagger_read(base_slice text, const tok_word *words, size_t n_words, uint32_t buckets, head_tag_features *f) {
  uint64_t shape[HEAD_MAX_WORDS + 4];
  f->buckets = buckets;
  f->n_words = n_words = n_words < HEAD_MAX_WORDS ? n_words : HEAD_MAX_WORDS;
  for (size_t i = 0; i < n_words + 4; i++) f->hash[i] = shape[i] = i < 2 ? 1 : 2;
  for (size_t i = 0; i < n_words; i++) {
    size_t len = words[i].end - words[i].start;
    f->hash[i + 2] = hash_lower(text.ptr + words[i].start, len);
    shape[i + 2] = hash_shape(text.ptr + words[i].start, len);
  }
  for (size_t i = 0; i < n_words; i++) {
    size_t left = n_words - 1 - i;
    f->word[i].n = 0;
    put_neighbours(f, i, &(window){f->hash + i + 2, shape + i + 2});
    put_spelling(f, i, base_slice_sub(text, words[i].start, words[i].end));
    put(f, i, FROM_START, i < EDGE ? i : EDGE);
    put(f, i, FROM_END, left < EDGE ? left : EDGE);
  }
}

uint32_t head_tagger_value(const head_tag_features *f, size_t from, size_t to) {
  uint64_t h = BASE_HASH_START;
  for (size_t i = from; i < to; i++) h = mix(h, f->hash[i + 2]);
  return (uint32_t)(h >> 32);
}

/* The first of the values at or behind `hash`. */
static size_t find_value(const head_tagger *t, uint32_t hash) {
  size_t low = 0, high = t->n_values;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (t->value[middle] < hash) low = middle + 1;
    else high = middle;
  }
  return low;
}

static bool is_hidden(const head_tag_value *hidden, size_t n, head_tag_value v) {
  for (size_t i = 0; i < n; i++)
    if (hidden[i].hash == v.hash && hidden[i].slot == v.slot) return true;
  return false;
}

void head_tagger_read_values(const head_tagger *t, const head_tag_value *hidden, size_t n_hidden,
                             head_tag_features *f) {
  for (size_t from = 0; from < f->n_words && t->n_values > 0; from++)
    for (size_t to = from + 1; to <= f->n_words && to - from <= HEAD_VALUE_WORDS; to++) {
      uint32_t hash = head_tagger_value(f, from, to);
      for (size_t v = find_value(t, hash); v < t->n_values && t->value[v] == hash; v++) {
        uint64_t slot = t->value_slot[v], length = to - from < 4 ? to - from : 4;
        if (is_hidden(hidden, n_hidden, (head_tag_value){hash, (uint16_t)slot})) continue;
        for (size_t i = from; i < to; i++) {
          uint64_t place = slot * 2 + (i > from);
          put(f, i, VALUE, place);
          put(f, i, VALUE_LENGTH, (place * 2 + (i + 1 == to)) * 8 + length);
        }
      }
    }
}

float head_tagger_score(const head_tagger *t, size_t n_tags, const head_word_features *f, size_t tag) {
  float sum = 0.0f;
  for (size_t i = 0; i < f->n; i++) sum += t->scale[f->bucket[i]] * (float)t->weight[f->bucket[i] * n_tags + tag];
  return sum;
}
