/* What a prompt looks like: hashed words and pairs, and numbers about lengths, digits, punctuation and phrases;
 * choices.c has more of them. The options of a multiple choice question are lines that begin "A. " to "J. "; a prompt
 * without any is all question. */
#include <math.h>
#include <string.h>

#include "route/internal.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static char lower(char c) { return is_upper(c) ? (char)(c + 32) : c; }
bool route_is_wordy(char c) {
  return is_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z') || c == '_' || (unsigned char)c >= 0x80;
}

/* ---- words and pairs ---- */

static uint32_t bucket_of(uint64_t h) {
  h ^= h >> 29;
  h *= UINT64_C(0xbf58476d1ce4e5b9);
  return (uint32_t)(h >> 32) % ROUTE_BUCKETS;
}

/* Heap sort: in place, no recursion, never quadratic. */
static void sift(uint32_t *a, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && a[child + 1] > a[child]) child++;
    if (a[at] >= a[child]) return;
    uint32_t x = a[at];
    a[at] = a[child];
    a[child] = x;
  }
}

static void sort(uint32_t *a, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift(a, i, n);
  for (size_t end = n; end-- > 1;) {
    uint32_t x = a[0];
    a[0] = a[end];
    a[end] = x;
    sift(a, 0, end);
  }
}

static size_t hash_all(base_slice p, uint32_t *out) {
  uint64_t before = 0;
  size_t n = 0;
  for (size_t i = 0; i < p.len && n + 2 <= ROUTE_MAX_GRAMS;) {
    size_t start = i;
    uint64_t h = BASE_HASH_START;
    for (; i < p.len && route_is_wordy(p.ptr[i]); i++) {
      char c = lower(p.ptr[i]);
      h = base_hash(h, &c, 1);
    }
    if (i == start) i++;
    if (i - start < 2) continue;
    out[n++] = bucket_of(h);
    if (before) out[n++] = bucket_of(base_hash(h ^ 1, &before, sizeof before));
    before = h;
  }
  return n;
}

size_t route_grams_read(base_slice prompt, route_gram gram[ROUTE_MAX_GRAMS], uint32_t scratch[ROUTE_MAX_GRAMS]) {
  size_t n = hash_all(base_slice_sub(prompt, 0, ROUTE_MAX_PROMPT_BYTES), scratch), kept = 0;
  sort(scratch, n);
  for (size_t i = 0, j; i < n; i = j) {
    for (j = i; j < n && scratch[j] == scratch[i]; j++) {
    }
    gram[kept++] = (route_gram){scratch[i], 1.0f + cpu_logf((float)(j - i))};
  }
  return kept;
}

/* ---- numbers ---- */

enum { MOST_OPTIONS = 10 }; /* A to J */

typedef struct parts {
  base_slice question, option[MOST_OPTIONS];
  size_t n, most, least; /* options and the bytes of the longest and the shortest */
  double sum, squares;
  size_t numbers, catch_all, truths; /* options with a digit; "all of the above"; "True" or "False" */
} parts;

bool route_has(base_slice s, const char *word) {
  size_t n = strlen(word);
  for (size_t i = 0; i + n <= s.len; i++) {
    size_t j = 0;
    while (j < n && lower(s.ptr[i + j]) == word[j]) j++;
    if (j == n) return true;
  }
  return false;
}

static bool starts(base_slice s, const char *word) { return route_has(base_slice_sub(s, 0, strlen(word)), word); }

static bool is_option(base_slice line) {
  return line.len >= 3 && line.ptr[0] >= 'A' && line.ptr[0] <= 'J' && line.ptr[1] == '.' && line.ptr[2] == ' ';
}

static void count_option(parts *p, base_slice text) {
  bool digit = false;
  for (size_t i = 0; i < text.len; i++) digit = digit || is_digit(text.ptr[i]);
  p->least = p->n == 0 || text.len < p->least ? text.len : p->least;
  p->most = text.len > p->most ? text.len : p->most;
  p->sum += (double)text.len;
  p->squares += (double)text.len * (double)text.len;
  p->numbers += digit;
  p->catch_all += route_has(text, "ll of the") || route_has(text, "none of") || route_has(text, "both ");
  p->truths += starts(text, "true") || starts(text, "false");
  if (p->n < MOST_OPTIONS) p->option[p->n] = text;
  p->n++;
}

static void take_apart(base_slice prompt, parts *p) {
  base_slice rest = prompt, line;
  *p = (parts){.question = prompt};
  while (base_slice_split(&rest, '\n', &line)) {
    if (is_option(line)) {
      if (p->n == 0) p->question.len = (size_t)(line.ptr - prompt.ptr);
      count_option(p, base_slice_sub(line, 3, line.len));
    }
  }
  p->question = base_slice_trim(p->question);
}

typedef struct counts {
  size_t digits, uppers, lines, dollars, asks, blanks, signs, words, letters;
} counts;

static counts count(base_slice s) {
  counts c = {0};
  for (size_t i = 0; i < s.len; i++) {
    char b = s.ptr[i];
    c.digits += is_digit(b);
    c.uppers += is_upper(b);
    c.lines += b == '\n';
    c.dollars += b == '$';
    c.asks += b == '?';
    c.blanks += b == '_';
    c.signs += b != '\0' && strchr("+-*/=^()", b) != NULL;
    c.letters += route_is_wordy(b);
    c.words += route_is_wordy(b) && (i == 0 || !route_is_wordy(s.ptr[i - 1]));
  }
  return c;
}

void route_surface_read(base_slice prompt, float *out) {
  prompt = base_slice_sub(prompt, 0, ROUTE_MAX_PROMPT_BYTES);
  parts p;
  take_apart(prompt, &p);
  base_slice q = p.question;
  counts all = count(prompt), in = count(q);
  double n = p.n ? (double)p.n : 1.0, mean = p.sum / n, variance = p.squares / n - mean * mean;
  double length = (double)prompt.len + 1.0, asked = (double)q.len + 1.0;
  const double looks[ROUTE_LOOKS] = {
      (double)prompt.len,
      (double)all.words,
      (double)q.len,
      (double)in.words,
      (double)p.most,
      (double)p.least,
      mean,
      (double)p.numbers,
      (double)p.n,
      (double)in.digits,
      (double)all.digits / length,
      (double)in.lines,
      (double)in.dollars,
      (double)in.asks,
      (double)in.blanks,
      (double)(route_has(q, " not ") + route_has(q, "except") + route_has(q, "least")),
      route_has(q, "statement 1"),
      (double)all.signs / length,
      starts(q, "which"),
      route_has(q, "which of the following"),
      starts(q, "what"),
      route_has(q, "how many") || route_has(q, "how much"),
      route_has(q, "according to"),
      route_has(q, "this question refers"),
      (double)in.uppers / asked,
      (double)all.letters / ((double)all.words + 1.0),
      (double)p.catch_all,
      variance > 0.0 ? sqrt(variance) : 0.0,
      (double)p.truths,
      starts(q, "a ") || starts(q, "an ") || starts(q, "in "),
      route_has(q, "most likely") || route_has(q, "best "),
      route_has(q, "find ") || route_has(q, "calculate") || route_has(q, "compute") ||
          route_has(q, "what is the value"),
  };
  double choices[ROUTE_CHOICES];
  route_choices_read(q, p.option, p.n < MOST_OPTIONS ? p.n : MOST_OPTIONS, prompt, choices);
  for (size_t i = 0; i < ROUTE_LOOKS; i++) out[i] = (float)looks[i];
  for (size_t i = 0; i < ROUTE_CHOICES; i++) out[ROUTE_LOOKS + i] = (float)choices[i];
}
