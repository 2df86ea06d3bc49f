/* Rules against steering by input. A request is cut into words; each phrase of injection.def is tried at each
 * word. Nothing downstream obeys text, so a miss costs little; a false alarm refuses an honest request, which
 * is why a message's body may say what it likes.
 *
 *   request -> tags? --yes--> GUARD_INJECTION                                   (has_tag)
 *              |no
 *              v
 *           phrase at word i? --no--> GUARD_FINE                               (phrase_fits)
 *              |yes
 *              v
 *           i lies in a message's body? --yes--> next word                      (in_body)
 *              |no
 *              v
 *           GUARD_INJECTION */
#include <string.h>

#include "guard/internal.h"

enum { MAX_WORDS = 512, OVERLAP = 24, MAX_GAP = 3 }; /* words read at a time; those read again with the next ones */

static const char *const tags[] = {
#define GUARD_TAG(text) text,
#define GUARD_MARK(text)
#define GUARD_PHRASE(pattern)
#include "guard/injection.def"
#undef GUARD_TAG
#undef GUARD_MARK
#undef GUARD_PHRASE
};

static const char marks[] =
#define GUARD_TAG(text)
#define GUARD_MARK(text) text "|"
#define GUARD_PHRASE(pattern)
#include "guard/injection.def"
#undef GUARD_TAG
#undef GUARD_MARK
#undef GUARD_PHRASE
    "";

static const char *const phrases[] = {
#define GUARD_TAG(text)
#define GUARD_MARK(text)
#define GUARD_PHRASE(pattern) pattern,
#include "guard/injection.def"
#undef GUARD_TAG
#undef GUARD_MARK
#undef GUARD_PHRASE
};

/* Words that open a request whose rest is somebody's words: a message, a note, a title. */
static const char *const carriers[] = {
    "text", "txt",    "send", "message", "msg",    "tell",   "email", "mail", "reply",   "write",
    "say",  "remind", "note", "add",     "play",   "search", "find",  "call", "forward", "answer",
    "ask",  "create", "make", "put",     "listen", "let",    "take",  "jot",  "record"};
/* Words before the carrier that mean nothing. */
static const char *const openers[] = {"please", "hey",   "hi",    "ok",  "okay", "so",   "um",
                                      "can",    "could", "would", "you", "will", "just", "now",
                                      "minnow", "i",     "want",  "to",  "d",    "like", "need"};
/* What ends a body and starts a new order. */
static const char *const breaks[] = {"and", "then", "also", "but", ".", "!", "?", ";", "now"};

#define ONE_OF(word, list) one_of(word, list, sizeof(list) / sizeof(list)[0])

static bool one_of(base_slice word, const char *const *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (base_slice_equal_nocase(word, base_slice_of(list[i]))) return true;
  return false;
}

static bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (unsigned char)c >= 0x80;
}

static bool has_tag(base_slice text) {
  for (size_t i = 0; i < text.len; i++) {
    if (is_word_byte(text.ptr[i]) || text.ptr[i] == ' ') continue; /* no tag begins so */
    for (size_t t = 0; t < sizeof tags / sizeof tags[0]; t++)
      if (base_slice_equal_nocase(base_slice_sub(text, i, i + strlen(tags[t])), base_slice_of(tags[t]))) return true;
  }
  return false;
}

/* Ordinary letters are in words, so only where another character begins is looked at. */
bool guard_has_mark(base_slice text, const char *any) {
  for (size_t i = 0; i < text.len; i++) {
    if ((unsigned char)text.ptr[i] < 0xC0) continue;
    for (const char *w = any; *w != '\0';) {
      size_t n = strcspn(w, "|");
      if (n > 0 && n <= text.len - i && memcmp(text.ptr + i, w, n) == 0) return true;
      w += n + (w[n] == '|');
    }
  }
  return false;
}

bool guard_steers_in_script(base_slice text) { return guard_has_mark(text, marks); }

/* Runs of letters and digits; every other visible byte is a word of its own, but quotes and hyphens, which
 * are left out. */
static size_t cut_words(base_slice text, base_slice *words) {
  size_t n = 0;
  for (size_t i = 0, end; i < text.len && n < MAX_WORDS; i = end) {
    end = i + 1;
    if (is_word_byte(text.ptr[i])) {
      while (end < text.len && is_word_byte(text.ptr[end]))
        end++;
    } else if (text.ptr[i] == ' ' || text.ptr[i] == '"' || text.ptr[i] == '\'' || text.ptr[i] == '-') {
      continue;
    }
    words[n++] = base_slice_sub(text, i, end);
  }
  return n;
}

/* One pattern word, "a|b~|c", against a word. */
static bool word_fits(base_slice pattern, base_slice word) {
  base_slice option;
  while (base_slice_split(&pattern, '|', &option)) {
    if (option.len > 1 && option.ptr[option.len - 1] == '~') {
      size_t stem = option.len - 1;
      if (word.len >= stem &&
          base_slice_equal_nocase(base_slice_sub(word, 0, stem), base_slice_sub(option, 0, stem)))
        return true;
    } else if (base_slice_equal_nocase(option, word)) {
      return true;
    }
  }
  return false;
}

/* Does the rest of a pattern fit the words from here on? Recursion is as deep as the pattern has words. */
static bool phrase_fits(base_slice pattern, const base_slice *words, size_t n) {
  base_slice piece;
  pattern = base_slice_trim(pattern);
  if (!base_slice_split(&pattern, ' ', &piece) || piece.len == 0) return true;
  if (piece.ptr[0] == '*') {
    for (size_t skip = 0; skip <= MAX_GAP && skip <= n; skip++)
      if (phrase_fits(pattern, words + skip, n - skip)) return true;
    return false;
  }
  if (piece.ptr[0] == '?') {
    if (phrase_fits(pattern, words, n)) return true;
    piece = base_slice_sub(piece, 1, piece.len);
  }
  return n > 0 && word_fits(piece, words[0]) && phrase_fits(pattern, words + 1, n - 1);
}

/* The letters that a pattern can begin with, bit 0 for "a"; ~0 when its first word may be missing or is no letter's.
 * Most words of a request begin no phrase, and asking this first makes a scan eight times faster (46 us to 6 for 200
 * characters). */
static uint32_t first_letters(base_slice pattern) {
  base_slice piece, option;
  uint32_t letters = 0;
  if (!base_slice_split(&pattern, ' ', &piece) || piece.len == 0 || piece.ptr[0] == '*' || piece.ptr[0] == '?')
    return ~UINT32_C(0);
  while (base_slice_split(&piece, '|', &option)) {
    if (option.len == 0 || option.ptr[0] < 'a' || option.ptr[0] > 'z') return ~UINT32_C(0);
    letters |= UINT32_C(1) << (option.ptr[0] - 'a');
  }
  return letters;
}

static bool may_begin(uint32_t letters, base_slice word) {
  char c = (char)(word.ptr[0] | 0x20);
  return letters == ~UINT32_C(0) || (c >= 'a' && c <= 'z' && (letters >> (c - 'a') & 1) != 0);
}

/* True when the request opens by sending, noting or playing something and nothing since has begun a new order. */
static bool in_body(const base_slice *words, size_t at) {
  size_t first = 0;
  while (first < at && (ONE_OF(words[first], openers) || words[first].ptr[0] == ','))
    first++;
  if (first >= at || !ONE_OF(words[first], carriers)) return false;
  return !ONE_OF(words[at - 1], breaks);
}

static bool has_phrase(const base_slice *words, size_t n, bool opens) {
  for (size_t p = 0; p < sizeof phrases / sizeof phrases[0]; p++) {
    base_slice pattern = base_slice_of(phrases[p]);
    uint32_t letters = first_letters(pattern);
    for (size_t i = 0; i < n; i++)
      if (may_begin(letters, words[i]) && phrase_fits(pattern, words + i, n - i) && !(opens && in_body(words, i)))
        return true;
  }
  return false;
}

guard_finding guard_scan(base_slice cleaned) {
  base_slice words[MAX_WORDS];
  if (has_tag(cleaned) || guard_steers_in_script(cleaned)) return GUARD_INJECTION;
  for (size_t from = 0;;) {
    size_t n = cut_words(base_slice_sub(cleaned, from, cleaned.len), words);
    if (has_phrase(words, n, from == 0)) return GUARD_INJECTION;
    if (n < MAX_WORDS) return GUARD_FINE;
    from = (size_t)(words[n - OVERLAP].ptr - cleaned.ptr);
  }
}
