/* tok/wordpiece: BERT's tokenizer. Text is cleaned and folded (no control characters, no accents, lower
 * case), cut at white space, punctuation and ideographs, and each word is spelled by the longest tokens that
 * fit, from the left. A token that begins a word begins with a space here (U+2581 in the file). */
#include "tok/unicode.h"
#include "tok/vocab.h"

#include <string.h>

enum { MAX_WORD_CHARS = 100 };

/* A word of at most MAX_WORD_CHARS characters behind its space. */
typedef struct word {
  char bytes[1 + 4 * (MAX_WORD_CHARS + 3)];
  size_t len, chars;
  bool too_long;
} word;

size_t tok_wordpiece_bytes(const tok_vocab *v, size_t len) {
  (void)v;
  (void)len;
  return 1; /* words are on the stack, tokens go straight out */
}

static bool is_ideograph(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

/* BERT calls every ASCII sign punctuation. */
static bool is_punctuation(tok_char c) {
  return c.bit == TOK_BIT(PUNCTUATION) || (c.c < 0x80 && c.bit == TOK_BIT(SYMBOL));
}

/* The longest token that the text at `at` begins with; its length, 0 when there is none. */
static size_t longest(const tok_vocab *v, const char *bytes, size_t len, uint32_t *id) {
  uint64_t h = TOK_HASH_START;
  size_t best = 0;
  for (size_t n = 1; n <= len && n <= v->max_piece; n++) {
    h = tok_hash_step(h, (unsigned char)bytes[n - 1]);
    uint32_t found = tok_vocab_lookup(v, h, bytes, n);
    if (found == TOK_NONE) continue;
    best = n;
    *id = found;
  }
  return best;
}

/* All of the word, or one unknown token. */
static void end_word(const tok_vocab *v, word *w, tok_sink *out) {
  tok_sink before = *out;
  bool known = !w->too_long;
  uint32_t id = TOK_NONE;
  for (size_t at = 0, n; known && at < w->len; at += n) {
    n = longest(v, w->bytes + at, w->len - at, &id);
    known = n > (at == 0 ? 1 : 0); /* a space alone begins no word */
    if (known) tok_emit(out, id);
  }
  if (w->chars > 0 && !known) {
    *out = before;
    if (v->specials.unk != TOK_NONE) tok_emit(out, v->specials.unk);
  }
  *w = (word){.bytes = {' '}, .len = 1};
}

static void add_char(word *w, uint32_t c) {
  w->chars++;
  if (w->chars > MAX_WORD_CHARS) {
    w->too_long = true;
    return;
  }
  w->len += base_utf8_encode(c, w->bytes + w->len);
}

bool tok_encode_wordpiece(const tok_vocab *v, tok_scratch *s, const char *text, size_t len, tok_sink *out) {
  word w = {.bytes = {' '}, .len = 1};
  (void)s;
  for (size_t at = 0; at < len;) {
    tok_char c = tok_char_at(text, at, len);
    at += c.n;
    if (c.bit == TOK_BIT(SPACE)) {
      if (w.chars > 0) end_word(v, &w, out);
      continue;
    }
    if (c.bit == TOK_BIT(OTHER) || c.c == 0xFFFD) continue; /* control, format, unassigned, private */
    bool alone = is_punctuation(c) || is_ideograph(c.c);
    if (alone && w.chars > 0) end_word(v, &w, out);
    uint32_t folded[3];
    size_t n = tok_fold(c.c, folded);
    for (size_t i = 0; i < n; i++) add_char(&w, folded[i]);
    if (alone) end_word(v, &w, out);
  }
  if (w.chars > 0) end_word(v, &w, out);
  return true;
}
