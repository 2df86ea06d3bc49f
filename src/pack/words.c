/* The words of a value, before they are read: what a span stopped short of, and what was taken back in the same
 * breath. */
#include "pack/internal.h"

static bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || ((unsigned char)c & 0x80) != 0;
}

/* Where `tail` ends when the text goes on with it, as whole words, from `at`; 0 when it does not. */
static size_t goes_on(base_slice text, size_t at, const char *tail) {
  base_slice words = base_slice_of(tail);
  size_t end = at + words.len;
  bool whole = end >= text.len || !is_word_byte(text.ptr[end]);
  return whole && base_slice_equal_nocase(base_slice_sub(text, at, end), words) ? end : 0;
}

bool pack_words_have(base_slice text, const char *phrase) {
  for (size_t at = 0; at < text.len; at++)
    if ((at == 0 || !is_word_byte(text.ptr[at - 1])) && goes_on(text, at, phrase) > 0) return true;
  return false;
}

/* Pictures and their joiners, which say nothing about a time or an amount. */
static bool is_picture(uint32_t c) {
  return (c >= 0x2190 && c <= 0x2bff) || (c >= 0x1f000 && c <= 0x1faff) || (c >= 0xfe00 && c <= 0xfe0f) || c == 0x200d;
}

base_slice pack_words_without_pictures(base_slice words) {
  size_t keep = 0;
  for (size_t at = 0; at < words.len;) {
    uint32_t c;
    size_t n = base_utf8_decode(words.ptr + at, words.len - at, &c);
    if (n == 0) return words;
    at += n;
    if (!is_picture(c) && c != ' ') keep = at;
  }
  return base_slice_sub(words, 0, keep);
}

static bool ends_with(base_slice s, const char *ending) {
  base_slice e = base_slice_of(ending);
  return s.len >= e.len && base_slice_equal_nocase(base_slice_sub(s, s.len - e.len, s.len), e);
}

size_t pack_words_end_of_time(base_slice text, size_t start, size_t end) {
  /* what a time may go on with, and how the span then ends */
  static const struct {
    const char *behind, *tail;
  } tails[] = {{"", " am"},    {"", " a m"},     {"", " a.m."},   {"", " a. m."}, {" a", " m"},    {" a.", " m."},
               {"", " pm"},    {"", " p m"},     {"", " p.m."},   {"", " p. m."}, {" p", " m"},    {" p.", " m."},
               {"", " o'clock"}, {"", " oclock"}, {"", " o clock"}, {" o", " clock"}};
  base_slice words = base_slice_sub(text, start, end);
  for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
    size_t further = ends_with(words, tails[i].behind) ? goes_on(text, end, tails[i].tail) : 0;
    if (further > 0) return further;
  }
  return end;
}

static size_t skip_pauses(base_slice text, size_t at) {
  while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == ',')) at++;
  return at;
}

/* Where a word that takes back what was just said ends, when one begins at `at`; 0 when none does. */
static size_t end_of_turn(base_slice text, size_t at) {
  static const char *const turns[] = {"no",      "wait",   "sorry",     "actually",     "rather",
                                      "or rather", "i mean", "make it", "make that", "scratch that"};
  for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
    size_t end = goes_on(text, at, turns[i]);
    if (end > 0) return end;
  }
  return 0;
}

bool pack_words_take_back(base_slice between) {
  size_t at = skip_pauses(between, 0), end = 0;
  while (at < between.len && (end = end_of_turn(between, at)) > 0) at = skip_pauses(between, end);
  return end > 0;
}

base_slice pack_words_corrected(base_slice words) {
  for (size_t at = words.len; at-- > 1;) {
    size_t end = words.ptr[at - 1] == ' ' ? end_of_turn(words, at) : 0;
    if (end > 0) return base_slice_sub(words, skip_pauses(words, end), words.len);
  }
  return base_slice_sub(words, words.len, words.len);
}
