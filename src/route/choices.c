/* More numbers of a question and its options: how alike the options are, how the question is built and ends, who speaks
 * and of what. What makes a question hard in subjects never seen is rather here than in its words. */
#include <string.h>

#include "route/internal.h"

enum { MOST_OPTIONS = 10, OPTION_WORDS = 64, QUESTION_WORDS = 512, WORD_BYTES = 16 };
enum { COMPARED = 6 }; /* features of compare_options, which come first */

typedef struct bag {
  uint64_t hash[OPTION_WORDS]; /* each word once */
  size_t n, all;
} bag;

typedef struct reading {
  bag option[MOST_OPTIONS];
  size_t options, longest, shortest, commas, numeric, capitals, quantifiers;
  uint64_t asked[QUESTION_WORDS]; /* each word of the question once */
  size_t distinct, words, letters, long_words, numbers, first_person, you, people, romans, names;
} reading;

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The next word, small, cut to WORD_BYTES - 1 letters; false at the end. *i moves behind it, *start to where it
 * begins. */
static bool next_word(base_slice s, size_t *i, size_t *start, char word[WORD_BYTES], uint64_t *hash) {
  while (*i < s.len && !route_is_wordy(s.ptr[*i])) (*i)++;
  *start = *i;
  *hash = BASE_HASH_START;
  for (size_t n = 0; *i < s.len && route_is_wordy(s.ptr[*i]); (*i)++) {
    char c = is_upper(s.ptr[*i]) ? (char)(s.ptr[*i] + 32) : s.ptr[*i];
    *hash = base_hash(*hash, &c, 1);
    if (n + 1 < WORD_BYTES) word[n++] = c;
    word[n] = '\0';
  }
  return *i > *start;
}

static bool is_one_of(const char *word, const char *list) { /* "|a|b|" */
  char key[WORD_BYTES + 2];
  base_format(key, sizeof key, "|%s|", word);
  return strstr(list, key) != NULL;
}

static bool has_hash(const uint64_t *list, size_t n, uint64_t h) {
  for (size_t i = 0; i < n; i++)
    if (list[i] == h) return true;
  return false;
}

/* A word with a capital that begins no sentence. */
static bool is_name(base_slice s, size_t start, size_t end) {
  if (!is_upper(s.ptr[start]) || end < start + 2 || start < 2) return false;
  return strchr(".!?", s.ptr[start - 2]) == NULL || s.ptr[start - 1] != ' ';
}

static void read_question(base_slice q, reading *r) {
  char word[WORD_BYTES];
  uint64_t h;
  for (size_t i = 0, start; next_word(q, &i, &start, word, &h);) {
    r->words++;
    r->letters += i - start;
    r->long_words += i - start >= 9;
    r->numbers += is_digit(word[0]);
    r->first_person += is_one_of(word, "|i|me|my|we|");
    r->you += is_one_of(word, "|you|your|");
    r->people += is_one_of(word, "|he|she|his|her|man|woman|");
    r->names += is_name(q, start, i);
    bool roman = true;
    for (size_t k = start; k < i; k++) roman = roman && strchr("IVX", q.ptr[k]) != NULL;
    r->romans += roman;
    if (r->distinct < QUESTION_WORDS && !has_hash(r->asked, r->distinct, h)) r->asked[r->distinct++] = h;
  }
}

static bool is_numeric(base_slice s) { /* a short one with a digit: "12 km", "x^2 + 1" */
  bool digit = false;
  if (s.len > 12) return false;
  for (size_t i = 0; i < s.len; i++) digit = digit || is_digit(s.ptr[i]);
  return digit;
}

static void read_option(base_slice s, reading *r) {
  bag *b = &r->option[r->options];
  char word[WORD_BYTES];
  uint64_t h;
  bool capital = false;
  *b = (bag){.n = 0};
  for (size_t i = 0, start; next_word(s, &i, &start, word, &h);) {
    b->all++;
    capital = capital || (start > 0 && is_upper(s.ptr[start]) && i > start + 1);
    r->quantifiers += is_one_of(word, "|only|both|neither|all|none|some|");
    if (b->n < OPTION_WORDS && !has_hash(b->hash, b->n, h)) b->hash[b->n++] = h;
  }
  r->shortest = r->options == 0 || s.len < r->shortest ? s.len : r->shortest;
  r->longest = s.len > r->longest ? s.len : r->longest;
  r->commas += s.len > 0 && memchr(s.ptr, ',', s.len) != NULL;
  r->numeric += is_numeric(s);
  r->capitals += capital;
  r->options++;
}

/* Words in common over words of either (Jaccard). */
static double likeness(const bag *a, const bag *b) {
  size_t both = 0;
  for (size_t i = 0; i < a->n; i++) both += has_hash(b->hash, b->n, a->hash[i]);
  return a->n + b->n > 0 ? (double)both / (double)(a->n + b->n - both) : 0.0;
}

static void compare_options(const reading *r, double *f) {
  double sum = 0.0, most = 0.0, least = 1.0, shared = 0.0, high = 0.0, low = 1.0;
  size_t pairs = 0, all = 0, distinct = 0;
  for (size_t i = 0; i < r->options; i++) {
    const bag *o = &r->option[i];
    size_t in_question = 0, fresh = 0;
    for (size_t k = 0; k < i; k++, pairs++) {
      double x = likeness(o, &r->option[k]);
      sum += x;
      most = x > most ? x : most;
      least = x < least ? x : least;
    }
    for (size_t w = 0; w < o->n; w++) {
      bool before = false;
      in_question += has_hash(r->asked, r->distinct, o->hash[w]);
      for (size_t k = 0; k < i && !before; k++) before = has_hash(r->option[k].hash, r->option[k].n, o->hash[w]);
      fresh += !before;
    }
    double share = o->n ? (double)in_question / (double)o->n : 0.0;
    shared += share;
    high = share > high ? share : high;
    low = share < low ? share : low;
    all += o->n;
    distinct += fresh;
  }
  f[0] = pairs ? sum / (double)pairs : 0.0;
  f[1] = most;
  f[2] = pairs ? least : 0.0;
  f[3] = r->options ? shared / (double)r->options : 0.0;
  f[4] = r->options ? high - low : 0.0;
  f[5] = all ? (double)distinct / (double)all : 0.0;
}

static size_t count_of(base_slice s, const char *any) {
  size_t n = 0;
  for (size_t i = 0; i < s.len; i++) n += s.ptr[i] != '\0' && strchr(any, s.ptr[i]) != NULL;
  return n;
}

static size_t sentences(base_slice s) {
  size_t n = 0;
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] != '\0' && strchr(".!?", s.ptr[i]) != NULL)
      n += i + 1 == s.len || s.ptr[i + 1] == ' ' || s.ptr[i + 1] == '\n';
  return n;
}

void route_choices_read(base_slice question, const base_slice *option, size_t n, base_slice prompt,
                        double f[ROUTE_CHOICES]) {
  reading r = {.options = 0};
  read_question(question, &r);
  for (size_t i = 0; i < n && i < MOST_OPTIONS; i++) read_option(option[i], &r);
  size_t option_words = 0;
  for (size_t i = 0; i < r.options; i++) option_words += r.option[i].all;
  char end = question.len ? question.ptr[question.len - 1] : ' ';
  double words = r.words ? (double)r.words : 1.0;
  compare_options(&r, f);
  const double rest[ROUTE_CHOICES - COMPARED] = {
      (double)r.commas,
      (double)r.numbers,
      (double)sentences(question),
      (double)r.letters / words,
      (double)r.long_words / words,
      (double)r.distinct / words,
      end == '?',
      end == ':',
      end == '.',
      end == '_',
      strchr("?:._", end) == NULL,
      (double)r.first_person / words,
      (double)r.you,
      (double)r.people / words,
      (double)count_of(question, "|"),
      (double)r.romans,
      (double)r.numeric,
      r.options ? (double)option_words / (double)r.options : 0.0,
      (double)r.longest / (1.0 + (double)r.shortest),
      (double)r.capitals,
      (double)r.names / words,
      (double)r.quantifiers,
      route_has(question, " if "),
      route_has(question, " would "),
      route_has(question, " should "),
      route_has(question, " most "),
      route_has(question, "why"),
      route_has(question, "how "),
      route_has(question, "true"),
      route_has(question, "false"),
      (double)count_of(question, "\""),
      (double)count_of(question, "("),
      (double)count_of(prompt, "\\"),
  };
  memcpy(f + COMPARED, rest, sizeof rest);
}
