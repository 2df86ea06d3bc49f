/* The folded view: what the eye reads in a text, a byte a character, so that rules need not know Unicode. Evasion by
 * zero-width characters, full-width or mathematical letters, other scripts' digits, unusual blanks and dashes ends
 * here; so does what JSON writes as an escape (a number broken over lines inside of a schema or a tree of a screen). */
#include "guard/internal.h"

/* Shown as nothing: soft hyphen, joiners, direction marks, variation selectors, tags. */
static bool is_hidden(uint32_t c) {
  return c == 0xAD || c == 0x34F || c == 0x61C || c == 0x180E || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) ||
         c == 0xFEFF || (c >= 0xE0000 && c <= 0xE01EF);
}

/* First digits (zeros) of the decimal digits of other scripts (Unicode 15, Nd). */
static const uint32_t zeros[] = {0x660,  0x6F0,  0x7C0,  0x966,  0x9E6,  0xA66,  0xAE6,  0xB66, 0xBE6,
                                 0xC66,  0xCE6,  0xD66,  0xE50,  0xED0,  0xF20,  0x1040, 0x17E0, 0x1810,
                                 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0xFF10};

static int other_digit(uint32_t c) {
  for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
    if (c >= zeros[i] && c <= zeros[i] + 9) return (int)(c - zeros[i]);
  return -1;
}

/* Mathematical alphabets lie in runs of 52: A-Z, a-z. */
static uint8_t math_letter(uint32_t c) {
  uint32_t k = (c - 0x1D400) % 52;
  return (uint8_t)(k < 26 ? 'A' + k : 'a' + (k - 26));
}

static uint8_t punctuation(uint32_t c) {
  if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xFE58 || c == 0xFE63) return '-';
  if (c == 0x2018 || c == 0x2019 || c == 0x2BC || c == 0xB4) return '\'';
  if (c >= 0x201C && c <= 0x201F) return '"';
  if (c == 0x2024 || c == 0x3002 || c == 0xFF61 || c == 0xB7) return '.';
  if (c == 0x2044 || c == 0x2215) return '/';
  if (c == 0xFE6B) return '@';
  return GUARD_MARK;
}

static uint8_t fold_wide(uint32_t c) {
  int digit;
  if (c >= 0xFF01 && c <= 0xFF5E) return (uint8_t)(c - 0xFF01 + '!');
  if (base_utf8_is_space(c) || c == 0x85) return ' ';
  if (c >= 0x1D400 && c <= 0x1D6A3) return math_letter(c);
  if ((digit = other_digit(c)) >= 0) return (uint8_t)('0' + digit);
  return base_utf8_is_letter(c) ? GUARD_LETTER : punctuation(c);
}

/* Latin letters with marks read as the letter without: enough for phrases, the letters of Western Europe. */
static const char latin1[] = "aaaaaaaceeeeiiiidnooooo ouuuuypsaaaaaaaceeeeiiiidnooooo ouuuuypy";

static uint8_t look_alike(uint32_t c) {
  if (c >= 0xC0 && c <= 0xFF) return c == 0xD7 || c == 0xF7 ? GUARD_MARK : (uint8_t)latin1[c - 0xC0];
  switch (c) {
#define GUARD_LOOKS(code, letter) \
  case code: return letter;
#include "guard/fold.def"
#undef GUARD_LOOKS
  default: return GUARD_LETTER;
  }
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of JSON's escape at i, and the character it means; 0 where there is none. A line end or tab counts inside of
 * a number alone, since passwords and paths have backslashes of their own. Surrogates stay as they are. */
static size_t escape_at(base_slice text, size_t i, uint32_t *c) {
  if (text.ptr[i] != '\\' || i + 1 >= text.len) return 0;
  char name = text.ptr[i + 1];
  if (name == 'n' || name == 't' || name == 'r') {
    bool inside = i > 0 && guard_is_alnum((uint8_t)text.ptr[i - 1]) && i + 2 < text.len &&
                  guard_is_digit((uint8_t)text.ptr[i + 2]);
    *c = '\n';
    return inside ? 2 : 0;
  }
  if (name == '/') {
    *c = '/';
    return 2;
  }
  if (name != 'u' || i + 6 > text.len) return 0;
  uint32_t code = 0;
  for (size_t k = 2; k < 6; k++) {
    int digit = hex_of(text.ptr[i + k]);
    if (digit < 0) return 0;
    code = code << 4 | (uint32_t)digit;
  }
  if (code >= 0xD800 && code <= 0xDFFF) return 0;
  *c = code;
  return 6;
}

static uint8_t lower(uint8_t c) { return guard_is_upper(c) ? (uint8_t)(c + 32) : c; }

base_status guard_fold(base_slice text, uint8_t *f, uint8_t *low, uint32_t *at, guard_view *v,
                       base_error *err) {
  size_t n = 0, step;
  *v = (guard_view){.text = text, .f = f, .low = low, .at = at};
  for (size_t i = 0; i < text.len; i += step) {
    uint32_t c = (unsigned char)text.ptr[i];
    size_t escaped = escape_at(text, i, &c);
    step = escaped ? escaped : 1;
    at[n] = (uint32_t)i;
    if (c < 0x80) {
      f[n] = c == 0 ? GUARD_MARK : (uint8_t)c;
      low[n] = lower(f[n]);
      n++;
      continue;
    }
    if (!escaped) step = base_utf8_decode(text.ptr + i, text.len - i, &c);
    if (step == 0) return base_fail(err, BASE_EFORMAT, "text", "byte %zu is not UTF-8", i + 1);
    if (is_hidden(c)) {
      v->hidden++;
      continue;
    }
    f[n] = fold_wide(c);
    low[n] = f[n] == GUARD_LETTER ? look_alike(c) : lower(f[n]);
    n++;
  }
  at[n] = (uint32_t)text.len;
  for (size_t i = 0; i < GUARD_AHEAD; i++)
    f[n + i] = low[n + i] = 0;
  v->n = n;
  return BASE_OK;
}

void guard_show_hidden(base_slice text, uint8_t *out) {
  uint32_t c;
  for (size_t i = 0, step; i < text.len; i += step) {
    step = base_utf8_decode(text.ptr + i, text.len - i, &c);
    if (step == 0) step = 1; /* guard_fold has refused such bytes */
    bool hidden = step > 1 && is_hidden(c);
    for (size_t k = i; k < i + step; k++) out[k] = hidden ? ' ' : (uint8_t)text.ptr[k];
  }
}
