/* Cuts a text into tokens, looks words up in the lexicon, and the small questions parsers ask of tokens.
 * Offsets are 16 bits: a text is cut at VALUE_FIND_LIMIT bytes before it comes here. */
#include "value/internal.h"

#include <string.h>

static const value_word lexicon[] = {
#define VALUE_WORD(text, cls, val, cls2, val2) {text, VALUE_W_##cls, VALUE_W_##cls2, val, val2},
#include "value/lexicon.def"
#undef VALUE_WORD
};
enum { LEXICON_COUNT = sizeof lexicon / sizeof lexicon[0], WORD_MAX = 24 };

size_t value_lexicon_size(void) {
  return LEXICON_COUNT;
}
const value_word *value_lexicon_at(size_t index) {
  return index < LEXICON_COUNT ? &lexicon[index] : NULL;
}

static int word_compare(const char *text, const char *lower, size_t len) {
  int order = strncmp(text, lower, len);
  return order != 0 ? order : text[len] != '\0';
}

static uint16_t lexicon_find(const char *lower, size_t len) {
  size_t low = 0, high = LEXICON_COUNT;
  while (low < high) {
    size_t mid = (low + high) / 2;
    int order = word_compare(lexicon[mid].text, lower, len);
    if (order == 0) return (uint16_t)mid;
    if (order < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return VALUE_NO_LEX;
}

/* One letter too many, too few, wrong, or two neighbours swapped. */
static bool one_slip(const char *a, size_t a_len, const char *b, size_t b_len) {
  size_t i = 0, j = 0;
  if (a_len > b_len + 1 || b_len > a_len + 1) return false;
  while (i < a_len && i < b_len && a[i] == b[i]) i++;
  while (j < a_len - i && j < b_len - i && a[a_len - 1 - j] == b[b_len - 1 - j]) j++;
  if (a_len - i - j <= 1 && b_len - i - j <= 1) return true;
  return a_len == b_len && a_len - i - j == 2 && a[i] == b[i + 1] && a[i + 1] == b[i];
}

/* Only words that name days, months and numbers, so that "later" or "hours" never turn into something else. */
static uint16_t lexicon_near(const char *lower, size_t len) {
  if (len < 6 || len >= WORD_MAX) return VALUE_NO_LEX;
  for (size_t i = 0; i < LEXICON_COUNT; i++) {
    const value_word *w = &lexicon[i];
    bool named = w->cls == VALUE_W_MONTH || w->cls == VALUE_W_WEEKDAY || w->cls == VALUE_W_RELDAY ||
                 w->cls == VALUE_W_TEEN || w->cls == VALUE_W_TENS || w->cls == VALUE_W_SCALE ||
                 w->cls == VALUE_W_PART;
    size_t w_len = strlen(w->text);
    if (named && w_len >= 6 && w->text[0] == lower[0] && one_slip(w->text, w_len, lower, len))
      return (uint16_t)i;
  }
  return VALUE_NO_LEX;
}

static char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Length of the letter at p, 0 when there is none. */
static size_t letter_at(const char *p, size_t len) {
  uint32_t c = 0;
  if ((p[0] >= 'a' && p[0] <= 'z') || (p[0] >= 'A' && p[0] <= 'Z')) return 1;
  if ((unsigned char)p[0] < 0x80) return 0;
  size_t n = base_utf8_decode(p, len, &c);
  return n > 1 && c != 0xB0 && c != 0xBA && c < 0x2000 && base_utf8_is_letter(c) ? n : 0;
}

/* Length of an apostrophe (ASCII or U+2019) at p. */
static size_t apostrophe_at(const char *p, size_t len) {
  if (p[0] == '\'') return 1;
  return len >= 3 && memcmp(p, "\xE2\x80\x99", 3) == 0 ? 3 : 0;
}

/* A word runs over an apostrophe between letters ("o'clock"), but not over a final "'s". */
static size_t word_length(const char *p, size_t len) {
  size_t at = 0;
  while (at < len) {
    size_t n = letter_at(p + at, len - at), quote = 0;
    if (n == 0) {
      quote = apostrophe_at(p + at, len - at);
      if (quote == 0 || at + quote >= len) break;
      n = letter_at(p + at + quote, len - at - quote);
      bool possessive = n == 1 && lower_ascii(p[at + quote]) == 's' &&
                        (at + quote + 1 >= len || letter_at(p + at + quote + 1, len - at - quote - 1) == 0);
      if (n == 0 || possessive) break;
    }
    at += quote + n;
  }
  return at;
}

static uint16_t word_lookup(const char *p, size_t len, bool loose) {
  char lower[WORD_MAX];
  if (len >= WORD_MAX) return VALUE_NO_LEX;
  for (size_t i = 0; i < len; i++) lower[i] = lower_ascii(p[i]);
  uint16_t found = lexicon_find(lower, len);
  return found == VALUE_NO_LEX && loose ? lexicon_near(lower, len) : found;
}

/* Words people write with a digit, "2moro", "2nite": their length; 0 when there is none at p. */
static size_t texted_length(const char *p, size_t len, uint16_t *lex) {
  char lower[WORD_MAX];
  size_t n = 1;
  if (p[0] != '2' || len < 4) return 0;
  while (n < len && n < WORD_MAX && letter_at(p + n, len - n) == 1) n++;
  if (n < 4 || n >= WORD_MAX || (n < len && is_digit(p[n]))) return 0;
  for (size_t i = 0; i < n; i++) lower[i] = lower_ascii(p[i]);
  *lex = lexicon_find(lower, n);
  return *lex != VALUE_NO_LEX ? n : 0;
}

size_t value_scan_text(base_slice text, bool loose, value_token *tok, size_t max) {
  size_t n = 0, at = 0;
  bool glued = false;
  if (text.len > VALUE_FIND_LIMIT) text.len = VALUE_FIND_LIMIT;
  while (at < text.len && n < max) {
    const char *p = text.ptr + at;
    size_t left = text.len - at, len = 1;
    uint32_t c = 0;
    if (*p == ' ' || (*p >= '\t' && *p <= '\r')) {
      at++;
      glued = false;
      continue;
    }
    size_t bytes = base_utf8_decode(p, left, &c);
    if (bytes > 1 && base_utf8_is_space(c)) {
      at += bytes;
      glued = false;
      continue;
    }
    tok[n] = (value_token){.start = (uint16_t)at, .lex = VALUE_NO_LEX, .kind = VALUE_T_SIGN, .glued = glued};
    size_t texted = glued ? 0 : texted_length(p, left, &tok[n].lex);
    if (texted > 0) {
      len = texted;
      tok[n].kind = VALUE_T_WORD;
    } else if (is_digit(*p)) {
      while (len < left && is_digit(p[len])) len++;
      tok[n].kind = VALUE_T_DIGITS;
    } else if (letter_at(p, left) > 0) {
      len = word_length(p, left);
      tok[n].kind = VALUE_T_WORD;
      tok[n].lex = word_lookup(p, len, loose);
    } else if (bytes > 1) {
      len = bytes;
    }
    tok[n++].len = (uint16_t)len;
    at += len;
    glued = true;
  }
  return n;
}

bool value_is(const value_scan *s, size_t i, value_class cls, int *val) {
  if (i >= s->n || s->tok[i].lex == VALUE_NO_LEX) return false;
  const value_word *w = &lexicon[s->tok[i].lex];
  if (w->cls != cls && w->cls2 != cls) return false;
  if (val != NULL) *val = w->cls == cls ? w->val : w->val2;
  return true;
}

bool value_word_is(const value_scan *s, size_t i, const char *lower) {
  if (i >= s->n || s->tok[i].kind == VALUE_T_DIGITS) return false;
  const char *p = s->text.ptr + s->tok[i].start;
  if (lower_ascii(*p) != *lower) return false;
  size_t len = s->tok[i].len, k = 0;
  while (k < len && lower[k] != '\0' && lower_ascii(p[k]) == lower[k]) k++;
  return k == len && lower[k] == '\0';
}

bool value_any(const value_scan *s, size_t i, const char *words) {
  if (i >= s->n || s->tok[i].kind == VALUE_T_DIGITS) return false;
  const char *p = s->text.ptr + s->tok[i].start;
  for (size_t len = s->tok[i].len; *words != '\0'; words += *words == '|') {
    size_t n = strcspn(words, "|"), k = 0;
    while (n == len && k < len && lower_ascii(p[k]) == words[k]) k++;
    if (n == len && k == len) return true;
    words += n;
  }
  return false;
}

bool value_sign_is(const value_scan *s, size_t i, char c) {
  return i < s->n && s->tok[i].kind == VALUE_T_SIGN && s->tok[i].len == 1 && s->text.ptr[s->tok[i].start] == c;
}

bool value_digits(const value_scan *s, size_t i, size_t min_len, size_t max_len, int *out) {
  if (i >= s->n || s->tok[i].kind != VALUE_T_DIGITS) return false;
  size_t len = s->tok[i].len;
  if (len < min_len || len > max_len || len > 9) return false;
  int v = 0;
  for (size_t k = 0; k < len; k++) v = v * 10 + (s->text.ptr[s->tok[i].start + k] - '0');
  *out = v;
  return true;
}

bool value_glued(const value_scan *s, size_t i) {
  return i < s->n && s->tok[i].glued;
}

/* One word of a phrase against one token; the token may carry a plural s when `plural`. */
static bool word_equal(const value_scan *s, size_t i, const char *word, size_t len, bool plural) {
  if (i >= s->n || s->tok[i].kind == VALUE_T_DIGITS) return false;
  const char *p = s->text.ptr + s->tok[i].start;
  size_t t_len = s->tok[i].len;
  if (len == 1 && *word == '\'' && apostrophe_at(p, t_len) == t_len) return true;
  if (t_len != len) {
    bool has_s = plural && t_len == len + 1 && lower_ascii(p[t_len - 1]) == 's';
    bool has_es =
        plural && t_len == len + 2 && lower_ascii(p[t_len - 2]) == 'e' && lower_ascii(p[t_len - 1]) == 's';
    if (!has_s && !has_es) return false;
  }
  for (size_t k = 0; k < len; k++)
    if (lower_ascii(p[k]) != word[k]) return false;
  return true;
}

char value_first(const value_scan *s, size_t i) {
  return i < s->n ? lower_ascii(s->text.ptr[s->tok[i].start]) : '\0';
}

size_t value_match(const value_scan *s, size_t at, const char *phrase) {
  /* Tables of phrases are walked at every token: most end on their first letter. */
  if (at >= s->n || lower_ascii(s->text.ptr[s->tok[at].start]) != *phrase) return 0;
  for (;;) {
    size_t len = strcspn(phrase, " ");
    if (!word_equal(s, at, phrase, len, phrase[len] == '\0' && len > 1)) return 0;
    at++;
    if (phrase[len] == '\0') return at;
    phrase += len + 1;
  }
}

size_t value_skip_sign(const value_scan *s, size_t at, char c) {
  return value_sign_is(s, at, c) ? at + 1 : at;
}

base_status value_refuse(base_slice text, const char *what, base_error *err) {
  int shown = text.len > 40 ? 40 : (int)text.len;
  return base_fail(err, BASE_EFORMAT, "value", "\"%.*s\" is not %s", shown, text.len > 0 ? text.ptr : "", what);
}

void value_over(const value_scan *s) {
  if (s->over != NULL) *s->over = true;
}

base_status value_reading_refuse(const value_reading *r, const char *what, base_error *err) {
  if (!r->over) return value_refuse(r->scan.text, what, err);
  return base_fail(err, BASE_ELIMIT, "value", "%s of more than 18 digits cannot be held", what);
}

static bool is_filler(const value_scan *s, size_t i) {
  return value_is(s, i, VALUE_W_FILLER, NULL) || value_sign_is(s, i, ',') || value_sign_is(s, i, '.') ||
         value_sign_is(s, i, '!') || value_sign_is(s, i, '?') || value_sign_is(s, i, '"');
}

base_status value_reading_open(value_reading *r, base_slice text, const value_context *cx, const char *what,
                               base_error *err) {
  text = base_slice_trim(text);
  if (text.len > VALUE_READ_LIMIT)
    return base_fail(err, BASE_ELIMIT, "value", "%s is longer than %d bytes", what, VALUE_READ_LIMIT);
  if (text.len == 0 || !base_utf8_valid(text.ptr, text.len)) return value_refuse(text, what, err);
  r->scan = (value_scan){.text = text, .tok = r->tok, .loose = true, .cx = cx};
  r->scan.n = value_scan_text(text, true, r->tok, VALUE_READ_LIMIT);
  r->at = 0;
  r->over = false;
  r->scan.over = &r->over;
  /* "a quarter", "a hundred" and ".5" keep their opening; parsers that know it are tried from `at` on. */
  while (r->at + 1 < r->scan.n && is_filler(&r->scan, r->at) && !value_word_is(&r->scan, r->at, "a") &&
         !value_word_is(&r->scan, r->at, "an") && !value_sign_is(&r->scan, r->at, '.'))
    r->at++;
  while (r->scan.n > r->at + 1 && is_filler(&r->scan, r->scan.n - 1)) r->scan.n--;
  if (r->scan.n > r->at + 2 && value_word_is(&r->scan, r->scan.n - 2, "or") &&
      value_any(&r->scan, r->scan.n - 1, "so|thereabouts"))
    r->scan.n -= 2;
  return BASE_OK;
}
