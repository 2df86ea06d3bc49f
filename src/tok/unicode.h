/* tok/unicode: characters with their general category, one step at a time through any bytes. */
#ifndef TOK_UNICODE_H
#define TOK_UNICODE_H

#include "base/base.h"

/* Order as in unicode_table.h. SPACE is White_Space, whatever the category. */
typedef enum tok_class {
  TOK_C_OTHER,
  TOK_C_UPPER,
  TOK_C_LOWER,
  TOK_C_TITLE,
  TOK_C_MODIFIER,
  TOK_C_LETTER,
  TOK_C_NONSPACING,
  TOK_C_MARK,
  TOK_C_NUMBER,
  TOK_C_PUNCTUATION,
  TOK_C_SYMBOL,
  TOK_C_SPACE,
  TOK_C_END /* no character: the text is over */
} tok_class;

/* Sets of classes, as bits. */
#define TOK_BIT(name) (1U << TOK_C_##name)
#define TOK_LETTERS (TOK_BIT(UPPER) | TOK_BIT(LOWER) | TOK_BIT(TITLE) | TOK_BIT(MODIFIER) | TOK_BIT(LETTER))
#define TOK_MARKS (TOK_BIT(NONSPACING) | TOK_BIT(MARK))

/* The character at a place: its code point, class as a bit, and bytes (0 at the end). A byte that is not
 * UTF-8 is one U+FFFD, a symbol. */
typedef struct tok_char {
  uint32_t c, bit;
  size_t n;
} tok_char;

tok_char tok_char_at(const char *text, size_t at, size_t end);
/* NFD without nonspacing marks, in lower case: 0 to 3 characters. */
size_t tok_fold(uint32_t c, uint32_t out[3]);

#endif
