/* Words to one of an enum's values: said exactly, said among other words, or said with a typing error. Two values
 * that fit equally well are no answer. */
#include <string.h>

#include "pack/internal.h"

enum { MAX_WORDS_BYTES = 160, MAX_TYPO_BYTES = 32 };

/* Lower-case words between single spaces, one before and one behind; articles are left out. */
typedef struct plain {
  char text[MAX_WORDS_BYTES];
  size_t len;
} plain;

static bool is_article(const char *word, size_t n) {
  return (n == 3 && memcmp(word, "the", 3) == 0) || (n == 2 && memcmp(word, "an", 2) == 0) || (n == 1 && word[0] == 'a');
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

/* Edits (a letter more, less or other, two swapped: Damerau 1964, each pair once) between a and b, both at most
 * MAX_TYPO_BYTES long. */
static size_t edits(const char *a, size_t n, const char *b, size_t m) {
  size_t row[3][MAX_TYPO_BYTES + 1];
  for (size_t j = 0; j <= m; j++) row[0][j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= m; j++) {
      now[j] = least(least(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least(now[j], earlier[j - 2] + 1);
    }
  }
  return row[n % 3][m];
}

/* Typing errors that a word of n letters may have. */
static size_t allowed_edits(size_t n) { return n < 4 ? 0 : n < 7 ? 1 : 2; }

/* The fewest typing errors that make one of the words, or all of them, the saying; SIZE_MAX when too many. */
static size_t typos(const plain *words, const plain *saying) {
  const char *said = saying->text + 1;
  size_t n = saying->len - 2, best = SIZE_MAX, allowed = allowed_edits(n);
  if (allowed == 0 || n > MAX_TYPO_BYTES) return SIZE_MAX;
  for (size_t start = 1, end; start < words->len; start = end + 1) {
    const char *space = memchr(words->text + start, ' ', words->len - start);
    end = (size_t)(space - words->text);
    if (end - start < 4 || end - start > MAX_TYPO_BYTES) continue;
    best = least(best, edits(words->text + start, end - start, said, n));
  }
  size_t whole = words->len - 2;
  if (whole <= MAX_TYPO_BYTES) best = least(best, edits(words->text + 1, whole, said, n));
  return best <= allowed ? best : SIZE_MAX;
}

int pack_enum_find(const pack_slot *slot, base_slice text) {
  plain words, saying;
  int contained = -1, typed = -1;
  size_t fewest = SIZE_MAX, longest = 0;
  bool tie = false;
  if (!make_plain(text, &words)) return -1;
  for (size_t i = 0; i < slot->n_sayings; i++) {
    if (!make_plain(base_slice_of(slot->saying[i]), &saying)) continue;
    if (saying.len == words.len && memcmp(saying.text, words.text, words.len) == 0) return (int)i;
    if (saying.len > longest && contains(&words, &saying)) {
      contained = (int)i;
      longest = saying.len;
    }
    size_t errors = contained < 0 ? typos(&words, &saying) : SIZE_MAX;
    if (errors > fewest || errors == SIZE_MAX) continue;
    if (errors < fewest) tie = false;
    else tie = tie || strcmp(slot->value[typed], slot->value[i]) != 0;
    if (errors < fewest) typed = (int)i;
    fewest = errors;
  }
  if (contained >= 0) return contained;
  return tie ? -1 : typed;
}
