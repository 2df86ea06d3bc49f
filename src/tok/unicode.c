/* tok/unicode: categories and folding by binary search in the generated tables; ASCII without a search. */
#include "tok/unicode.h"

#include "tok/unicode_table.h"

enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3, REPLACEMENT = 0xFFFD };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static tok_class ascii_class(uint32_t c) {
  if (c >= 'a' && c <= 'z') return TOK_C_LOWER;
  if (c >= 'A' && c <= 'Z') return TOK_C_UPPER;
  if (c >= '0' && c <= '9') return TOK_C_NUMBER;
  if (c == ' ' || (c >= '\t' && c <= '\r')) return TOK_C_SPACE;
  if (c < ' ' || c == 0x7F) return TOK_C_OTHER;
  bool symbol = c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '`' ||
                c == '|' || c == '~';
  return symbol ? TOK_C_SYMBOL : TOK_C_PUNCTUATION;
}

static tok_class class_of(uint32_t c) {
  if (c < 0x80) return ascii_class(c);
  size_t low = 0, high = COUNT(tok_class_start); /* the last start that is not after c */
  while (high - low > 1) {
    size_t mid = (low + high) / 2;
    if (tok_class_start[mid] >> 4 <= c) {
      low = mid;
    } else {
      high = mid;
    }
  }
  return (tok_class)(tok_class_start[low] & 15);
}

tok_char tok_char_at(const char *text, size_t at, size_t end) {
  if (at >= end) return (tok_char){0, TOK_BIT(END), 0};
  uint32_t c = (unsigned char)text[at];
  size_t n = 1;
  if (c >= 0x80) {
    n = base_utf8_decode(text + at, end - at, &c);
    if (n == 0) return (tok_char){REPLACEMENT, TOK_BIT(SYMBOL), 1};
  }
  return (tok_char){c, 1U << class_of(c), n};
}

/* Hangul syllables decompose by arithmetic (Unicode, section 3.12). */
static size_t fold_hangul(uint32_t c, uint32_t out[3]) {
  uint32_t index = c - HANGUL_FIRST, tail = index % 28;
  out[0] = 0x1100 + index / (21 * 28);
  out[1] = 0x1161 + index % (21 * 28) / 28;
  out[2] = 0x11A7 + tail;
  return tail > 0 ? 3 : 2;
}

size_t tok_fold(uint32_t c, uint32_t out[3]) {
  out[0] = c;
  if (c < 0x80) {
    if (c >= 'A' && c <= 'Z') out[0] = c + 32;
    return 1;
  }
  if (c >= HANGUL_FIRST && c <= HANGUL_LAST) return fold_hangul(c, out);
  if (class_of(c) == TOK_C_NONSPACING) return 0;
  for (size_t i = 0; i < COUNT(tok_fold_several) && tok_fold_several[i].from <= c; i++) {
    if (tok_fold_several[i].from != c) continue;
    size_t n = 0;
    while (n < 3 && tok_fold_several[i].to[n] != 0) {
      out[n] = tok_fold_several[i].to[n];
      n++;
    }
    return n;
  }
  size_t low = 0, high = COUNT(tok_fold_run); /* the first run that does not end before c */
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (tok_fold_run[mid].last < c) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  if (low == COUNT(tok_fold_run) || c < tok_fold_run[low].first) return 1;
  if ((c - tok_fold_run[low].first) % (uint32_t)tok_fold_run[low].step != 0) return 1;
  out[0] = (uint32_t)((int32_t)c + tok_fold_run[low].delta);
  return 1;
}
