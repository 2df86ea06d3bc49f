/* Words to one of an enum's values: said exactly, said among other words, or said with a typing error. Two
 * values that fit equally well are no answer. */
#include <string.h>

#include "pack/internal.h"

enum { MAX_WORDS_BYTES = 160, MAX_TYPO_BYTES = 32 };

/* Lower-case words between single spaces, one before and one behind; articles are left out. */
typedef struct plain {
  char text[MAX_WORDS_BYTES];
  size_t len;
} plain;

static bool is_article(const char *word, size_t n) {
  return (n == 3 && memcmp(word, "the", 3) == 0) || (n == 2 && memcmp(word, "an", 2) == 0) ||
         (n == 1 && word[0] == 'a');
}

static void end_word(plain *p, size_t start) {
  if (p->len == start) return;
  if (is_article(p->text + start, p->len - start)) p->len = start;
  else p->text[p->len++] = ' ';
}

/* False when it does not fit. */
static bool make_plain(base_slice s, plain *p) {
  size_t start = p->len = 1;
  p->text[0] = ' ';
  for (size_t at = 0; at < s.len;) {
    uint32_t c = 0;
    size_t n = base_utf8_decode(s.ptr + at, s.len - at, &c);
    if (p->len + 6 > sizeof p->text) return false;
    at += n > 0 ? n : 1;
    if (n > 0 && (c == '\'' || c == 0x2019)) continue;
    if (n > 0 && (base_utf8_is_letter(c) || base_utf8_is_digit(c))) {
      p->len += base_utf8_encode(base_utf8_lower(c), p->text + p->len);
    } else {
      end_word(p, start);
      start = p->len;
    }
  }
  end_word(p, start);
  return p->len > 1;
}

static bool contains(const plain *words, const plain *saying) {
  return memmem(words->text, words->len, saying->text, saying->len) != NULL;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Edits (a letter more, less or other, two swapped: Damerau 1964, each pair once) between a and b, both at
 * most MAX_TYPO_BYTES long. */
static size_t edits(const char *a, size_t n, const char *b, size_t m) {
  size_t row[3][MAX_TYPO_BYTES + 1];
  for (size_t j = 0; j <= m; j++)
    row[0][j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= m; j++) {
      now[j] = least(least(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = least(now[j], earlier[j - 2] + 1);
    }
  }
  return row[n % 3][m];
}

/* Typing errors that a word of n letters may have. */
static size_t allowed_edits(size_t n) { return n < 4 ? 0 : n < 7 ? 1 : 2; }

/* Typing errors between said words and a saying, both without the spaces around; SIZE_MAX when too many. */
static size_t typos(const char *words, size_t len, const plain *saying) {
  size_t n = saying->len - 2, allowed = allowed_edits(n);
  if (len < 4 || allowed == 0 || len > MAX_TYPO_BYTES || n > MAX_TYPO_BYTES) return SIZE_MAX;
  if (len > n + allowed || n > len + allowed) return SIZE_MAX;
  size_t errors = edits(words, len, saying->text + 1, n);
  return errors <= allowed ? errors : SIZE_MAX;
}

/* The same for the one of several words that comes closest. */
static size_t word_typos(const plain *words, const plain *saying) {
  size_t best = SIZE_MAX;
  for (size_t start = 1, end; start < words->len; start = end + 1) {
    const char *space = memchr(words->text + start, ' ', words->len - start);
    end = (size_t)(space - words->text);
    best = least(best, typos(words->text + start, end - start, saying));
  }
  return best;
}

/* The best way so far to read the words, and whether another value is as good. */
typedef struct candidate {
  int saying;
  size_t errors, len;
  bool tie;
} candidate;

static void offer(candidate *c, const pack_slot *slot, size_t i, size_t errors, size_t len) {
  if (errors == SIZE_MAX || errors > c->errors) return;
  bool better = errors < c->errors;
  if (!better) c->tie = c->tie || strcmp(slot->value[c->saying], slot->value[i]) != 0;
  else *c = (candidate){(int)i, errors, len, false};
}

/* The words with typing errors count before a shorter saying among them: "vdieo call" is no "call". */
int pack_enum_find(const pack_slot *slot, base_slice text) {
  plain words, saying;
  int contained = -1;
  size_t longest = 0;
  candidate whole = {-1, SIZE_MAX, 0, false}, word = {-1, SIZE_MAX, 0, false};
  if (!make_plain(text, &words)) return -1;
  for (size_t i = 0; i < slot->n_sayings; i++) {
    if (!make_plain(base_slice_of(slot->saying[i]), &saying)) continue;
    if (saying.len == words.len && memcmp(saying.text, words.text, words.len) == 0) return (int)i;
    if (saying.len > longest && contains(&words, &saying)) {
      contained = (int)i;
      longest = saying.len;
    }
    offer(&whole, slot, i, typos(words.text + 1, words.len - 2, &saying), saying.len);
    offer(&word, slot, i, word_typos(&words, &saying), saying.len);
  }
  if (whole.saying >= 0 && !whole.tie && whole.len > longest) return whole.saying;
  if (contained >= 0) return contained;
  return word.saying >= 0 && !word.tie ? word.saying : -1;
}
