/* Private to guard/: the folded view of a text that rules read, and what rules report. */
#ifndef GUARD_INTERNAL_H
#define GUARD_INTERNAL_H

#include "guard/guard.h"

/* One byte a character: ASCII as it is, look-alikes folded to ASCII, zero-width characters left out, any other
 * letter GUARD_LETTER, any other mark GUARD_MARK. Behind the end are eight zero bytes, so that a rule may look
 * ahead without asking. */
enum { GUARD_LETTER = 0x80, GUARD_MARK = 0x81, GUARD_AHEAD = 8 };
typedef struct guard_view {
  base_slice text;
  const uint8_t *f;   /* [n] folded, case kept */
  const uint8_t *low; /* [n] the same in lower case, also with look-alike letters of other scripts in ASCII */
  const uint32_t *at; /* [n + 1] byte in the text of each character; at[n] = text.len */
  size_t n;
  size_t hidden; /* zero-width and direction characters that were left out */
} guard_view;

/* Fails on bytes that are not UTF-8. Arrays have room for text.len + GUARD_AHEAD. */
base_status guard_fold(base_slice text, uint8_t *f, uint8_t *low, uint32_t *at, guard_view *v, base_error *err);
void guard_show_hidden(base_slice text, uint8_t *out); /* the bytes with each hidden character as blanks; as many */

static inline bool guard_is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static inline bool guard_is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
static inline bool guard_is_alpha(uint8_t c) {
  return (c >= 'a' && c <= 'z') || guard_is_upper(c) || c == GUARD_LETTER;
}
static inline bool guard_is_alnum(uint8_t c) { return guard_is_digit(c) || guard_is_alpha(c); }

typedef struct guard_hits {
  guard_span *span;
  size_t n, max;
  bool full;
} guard_hits;
/* Characters [i, end) of the view as a span. */
void guard_hit(guard_hits *h, const guard_view *v, size_t i, size_t end, guard_class c, float confidence,
               const char *what);

/* True when one of the words ("a|b|two words", lower case) stands within `reach` characters before i. */
bool guard_near(const guard_view *v, size_t i, size_t reach, const char *words);
bool guard_starts(const guard_view *v, size_t i, const char *lower); /* low[i..] begins so */
/* Whether [start, end) is one of "|a|b|", lower case, of at most 21 bytes each. */
bool guard_is_listed(const guard_view *v, size_t start, size_t end, const char *list);

/* Each tries to read a value that begins at i, reports it, and says how many characters it took (0: none). */
size_t guard_rule_number(const guard_view *v, size_t i, guard_hits *h); /* number.c: at a digit, + or ( */
size_t guard_rule_word(const guard_view *v, size_t i, guard_hits *h);   /* word.c: where a word begins */
size_t guard_rule_strict(const guard_view *v, size_t i, guard_hits *h); /* of number: those with check digits */
size_t guard_rule_random(const guard_view *v, size_t i, guard_hits *h); /* secret.c: what no other rule knew */
size_t guard_rule_secret(const guard_view *v, size_t i, guard_hits *h); /* secret.c: where a word begins */
void guard_rules_run(const guard_view *v, guard_hits *h);               /* find.c: all of them over the text */

/* injection.c; the text as it was written: is one of "a|b" of other scripts anywhere, and is one there that steers? */
bool guard_has_mark(base_slice text, const char *any);
bool guard_steers_in_script(base_slice text);

/* check.c: check digits. Digits are values 0..9. */
bool guard_luhn(const uint8_t *d, size_t n);
bool guard_mod97(const uint8_t *alnum, size_t n); /* ISO 7064 over IBAN order: ASCII letters and digits */
const char *guard_national_id(const uint8_t *d, size_t n, const guard_view *v, size_t i, size_t end);
const char *guard_national_word(const uint8_t *w, size_t n); /* upper-case letters and digits */

/* conflict.c: what an app's instructions forbid and hide, and whether a request is about that */
enum { GUARD_MAX_STEMS = 128 };
typedef struct guard_stems {
  uint64_t hash[GUARD_MAX_STEMS]; /* of the first letters of words */
  size_t n;
} guard_stems;
typedef struct guard_instructions {
  guard_stems forbidden, guarded;
  uint64_t domains; /* bits of domain.def */
  bool hides_word, hides_person;
  uint64_t key; /* of the text they were read from, 0: none */
} guard_instructions;
/* Leaves `out` as it is when its key says that it was read from this text (64 bits of it: an app's own texts, no
 * attacker's). */
void guard_read_instructions(const guard_view *v, guard_instructions *out);
bool guard_conflicts(const guard_instructions *in, const guard_view *v);

struct guard {
  base_allocator allocator;
  size_t max_bytes;
  uint8_t *fold, *low; /* [max_bytes + GUARD_AHEAD] */
  uint32_t *at;        /* [max_bytes + 1] */
  guard_span *span;    /* [GUARD_MAX_SPANS] */
  void *block;
  size_t block_bytes;
  guard_instructions told; /* the last that were read: an app has the same ones all day */
  struct guard_contacts *contacts;
  struct guard_model *model;
};

#endif
