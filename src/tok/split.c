/* tok/split: text to words, without a vocabulary. The words are what a person would underline: letters,
 * numbers, single signs. Anything may come in; every byte that is no white space is in exactly one word. */
#include "tok/split.h"

#include <string.h>

typedef enum char_class { SPACE, LETTER, DIGIT, APOSTROPHE, OTHER } char_class;

/* Ideographs and kana are written without spaces; each is a word of its own. */
static bool is_ideograph(uint32_t c) {
  return (c >= 0x2E80 && c <= 0x9FFF && !(c >= 0x3100 && c <= 0x31BF)) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

/* The class of the character at s and its length; a byte that is not UTF-8 is OTHER. */
static char_class classify(const char *s, size_t len, size_t *n) {
  unsigned char b = (unsigned char)s[0];
  uint32_t c;
  *n = 1;
  if (b < 0x80) {
    if ((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')) return LETTER;
    if (b >= '0' && b <= '9') return DIGIT;
    if (b == ' ' || (b >= '\t' && b <= '\r')) return SPACE;
    return b == '\'' ? APOSTROPHE : OTHER;
  }
  size_t got = base_utf8_decode(s, len, &c);
  if (got == 0) return OTHER;
  *n = got;
  if (base_utf8_is_space(c)) return SPACE;
  if (c == 0x2019) return APOSTROPHE;
  return base_utf8_is_letter(c) && !is_ideograph(c) ? LETTER : OTHER;
}

/* The end of the run of `class` that begins at pos. */
static size_t run_end(const tok_walk *w, size_t pos, char_class class) {
  size_t n;
  while (pos < w->len && classify(w->text + pos, w->len - pos, &n) == class) pos += n;
  return pos;
}

bool tok_walk_next(tok_walk *w, tok_unit *unit) {
  size_t n;
  size_t start = run_end(w, w->pos, SPACE);
  if (start >= w->len) {
    w->pos = w->len;
    return false;
  }
  unit->start = start;
  unit->spaced = start > w->pos || start == 0;
  if (unit->spaced) w->after_letters = false;
  char_class class = classify(w->text + start, w->len - start, &n);
  size_t end = start + n;
  bool letters = class == LETTER;
  if (class == APOSTROPHE && w->after_letters) {
    size_t joined = run_end(w, end, LETTER);
    letters = joined > end;
    end = joined;
  } else if (class == LETTER || class == DIGIT) {
    end = run_end(w, end, class);
  }
  w->after_letters = letters;
  w->pos = end;
  unit->end = end;
  return true;
}

size_t tok_split(const char *text, size_t len, tok_word *words, size_t max_words) {
  tok_walk walk = {text, len < UINT32_MAX ? len : UINT32_MAX, 0, false};
  tok_unit unit;
  size_t n = 0;
  while (n < max_words && tok_walk_next(&walk, &unit)) {
    words[n++] = (tok_word){(uint32_t)unit.start, (uint32_t)unit.end, 0};
  }
  return n;
}

bool tok_piece_next(const char *text, size_t *at, const tok_unit *unit, tok_piece *piece) {
  size_t pos = *at, len = 0;
  if (pos >= unit->end) return false;
  if (pos == unit->start && unit->spaced) piece->bytes[len++] = ' ';
  while (pos < unit->end) {
    unsigned char b = (unsigned char)text[pos];
    if (b < 0x80) {
      if (len == TOK_MAX_TOKEN_BYTES) break;
      piece->bytes[len++] = b >= 'A' && b <= 'Z' ? (unsigned char)(b + 32) : b;
      pos++;
      continue;
    }
    uint32_t c;
    char lowered[4] = {(char)b, 0, 0, 0};
    size_t n = base_utf8_decode(text + pos, unit->end - pos, &c), m = 1;
    if (n > 0) m = base_utf8_encode(base_utf8_lower(c), lowered);
    if (len + m > TOK_MAX_TOKEN_BYTES) break;
    memcpy(piece->bytes + len, lowered, m);
    len += m;
    pos += n > 0 ? n : 1;
  }
  piece->len = len;
  *at = pos;
  return true;
}

uint8_t tok_case_of(const char *word, size_t len) {
  size_t letters = 0, upper = 0;
  bool first_upper = false;
  for (size_t at = 0; at < len;) {
    uint32_t c = (unsigned char)word[at];
    size_t n = c < 0x80 ? 1 : base_utf8_decode(word + at, len - at, &c);
    at += n > 0 ? n : 1;
    if (n == 0 || !base_utf8_is_letter(c)) continue;
    bool is_upper = base_utf8_lower(c) != c;
    if (letters == 0) first_upper = is_upper;
    letters++;
    upper += is_upper;
  }
  if (letters >= 2 && upper == letters) return TOK_CASE_UPPER;
  return first_upper ? TOK_CASE_TITLE : TOK_CASE_LOWER;
}
