/* tok/presplit: the scanners. Each looks at one place and says how much its expression matches there, or how far it is
 * certain that no match begins; alternatives are tried in the order of the expression, as backtracking engines do. No
 * scanner looks at a stretch of text more than a few times, so a rule takes linear time. */
#include "tok/presplit.h"

#include "tok/unicode.h"

#include <string.h>

typedef struct place {
  const char *text;
  size_t at, end;
} place;

/* len bytes that match, or that begin no match; at least 1. */
typedef struct found {
  bool match;
  size_t len;
} found;

typedef found scan_fn(place p);

static found matched(place p, size_t to) {
  return (found){true, to - p.at};
}

static found no_match(place p) {
  return (found){false, tok_char_at(p.text, p.at, p.end).n};
}

static tok_char look(place p, size_t at) {
  return tok_char_at(p.text, at, p.end);
}

/* The end of the run of characters of these classes from `at`. */
static size_t run_of(place p, size_t at, uint32_t bits) {
  for (tok_char c = look(p, at); (c.bit & bits) != 0; c = look(p, at)) at += c.n;
  return at;
}

static bool is_newline(uint32_t c) {
  return c == '\r' || c == '\n';
}

static bool between(uint32_t c, uint32_t low, uint32_t high) {
  return c >= low && c <= high;
}

static size_t run_of_newlines(place p, size_t at, bool slash) {
  while (at < p.end && (is_newline((unsigned char)p.text[at]) || (slash && p.text[at] == '/'))) at++;
  return at;
}

#define ANY (~TOK_BIT(END))

/* ---- pieces that several expressions share ---- */

/* 's|'t|'re|'ve|'m|'ll|'d at `at`: its bytes, or 0. With any_case as (?i:...), where U+017F is an s. */
static size_t contraction(place p, size_t at, bool any_case) {
  char low[2] = {0, 0};
  if (at >= p.end || p.text[at] != '\'') return 0;
  if (any_case && p.end - at >= 3 && memcmp(p.text + at + 1, "\xC5\xBF", 2) == 0) return 3;
  for (size_t i = 0; i < 2 && at + 1 + i < p.end; i++) {
    char c = p.text[at + 1 + i];
    low[i] = (char)(any_case && c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  if (low[0] != 0 && strchr("stmd", low[0]) != NULL) return 2;
  bool two = (low[0] == 'r' && low[1] == 'e') || (low[0] == 'v' && low[1] == 'e') ||
             (low[0] == 'l' && low[1] == 'l');
  return two ? 3 : 0;
}

/* \s+(?!\S)|\s+ at white space: all of a run that ends the text, else all but its last character. */
static found space_run(place p) {
  size_t last = p.at, at = p.at;
  for (tok_char c = look(p, at); c.bit == TOK_BIT(SPACE); c = look(p, at)) {
    last = at;
    at += c.n;
  }
  return matched(p, at == p.end || last == p.at ? at : last);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at white space: up to the last newline of the run when there is one. */
static found space_or_newlines(place p) {
  size_t after_newline = 0, at = p.at;
  for (tok_char c = look(p, at); c.bit == TOK_BIT(SPACE); c = look(p, at)) {
    at += c.n;
    if (is_newline(c.c)) after_newline = at;
  }
  return after_newline > 0 ? matched(p, after_newline) : space_run(p);
}

/* ---- GPT-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ ---- */

static found scan_gpt2(place p) {
  size_t at = p.at, n = contraction(p, at, false);
  if (n > 0) return matched(p, at + n);
  tok_char c = look(p, at);
  if (c.c == ' ') c = look(p, ++at);
  if (c.bit & TOK_LETTERS) return matched(p, run_of(p, at, TOK_LETTERS));
  if (c.bit == TOK_BIT(NUMBER)) return matched(p, run_of(p, at, TOK_BIT(NUMBER)));
  if ((c.bit & (TOK_BIT(SPACE) | TOK_BIT(END))) != 0) return space_run(p);
  return matched(p, run_of(p, at, ANY & ~(TOK_LETTERS | TOK_BIT(NUMBER) | TOK_BIT(SPACE))));
}

/* ---- the family of Llama 3: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?LETTERS|\p{N}{1,DIGITS}
 *      | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ ---- */

typedef struct llama3_form {
  size_t digits;
  bool marks;       /* LETTERS is [\p{L}\p{M}]+, and marks are no signs */
  bool cased;       /* LETTERS breaks before an upper-case letter that follows lower case */
  bool contraction; /* at the front, else (cased) behind letters */
  bool suffix;
  bool slash; /* [\r\n/]* behind signs */
} llama3_form;

/* [UPPER]*[LOWER]+|[UPPER]+[LOWER]* where UPPER is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], LOWER [\p{Ll}\p{Lm}\p{Lo}\p{M}].
 * `first` allows the first alternative, `second` the second. The end of the match, or `at` when there is none. */
static size_t cased_run(place p, size_t at, bool first, bool second) {
  uint32_t both = TOK_BIT(MODIFIER) | TOK_BIT(LETTER) | TOK_MARKS;
  uint32_t lower = both | TOK_BIT(LOWER), upper = both | TOK_BIT(UPPER) | TOK_BIT(TITLE);
  size_t end = at, after_both = at;
  for (tok_char c = look(p, end); (c.bit & upper) != 0; c = look(p, end)) {
    end += c.n;
    if (c.bit & both) after_both = end;
  }
  size_t all = run_of(p, end, lower);
  if (first && all > end) return all;
  if (first && after_both > at) return after_both;
  return second && end > at ? all : at;
}

static size_t letters(place p, size_t at, const llama3_form *f) {
  return run_of(p, at, f->marks ? TOK_LETTERS | TOK_MARKS : TOK_LETTERS);
}

/* [^\r\n\p{L}\p{N}]?LETTERS; p.at when it does not match. */
static size_t prefixed_letters(place p, const llama3_form *f) {
  tok_char c = look(p, p.at);
  bool prefix = (c.bit & (TOK_LETTERS | TOK_BIT(NUMBER))) == 0 && !is_newline(c.c);
  size_t after = p.at + c.n, end;
  if (!f->cased) {
    if (prefix && (end = letters(p, after, f)) > after) return end;
    return letters(p, p.at, f);
  }
  if (prefix && (end = cased_run(p, after, true, false)) > after) return end;
  if ((end = cased_run(p, p.at, true, false)) > p.at) return end;
  if (prefix && (end = cased_run(p, after, false, true)) > after) return end;
  return cased_run(p, p.at, false, true);
}

static found scan_llama3_form(place p, const llama3_form *f) {
  size_t at = p.at, n = f->contraction ? contraction(p, at, true) : 0;
  if (n > 0) return matched(p, at + n);
  size_t end = prefixed_letters(p, f);
  if (end > at) return matched(p, end + (f->suffix ? contraction(p, end, true) : 0));
  tok_char c = look(p, at);
  if (c.bit == TOK_BIT(NUMBER)) {
    for (size_t i = 0; i < f->digits && c.bit == TOK_BIT(NUMBER); i++, c = look(p, at)) at += c.n;
    return matched(p, at);
  }
  uint32_t signs = ANY & ~(TOK_LETTERS | TOK_BIT(NUMBER) | TOK_BIT(SPACE));
  if (f->marks && !f->cased) signs &= ~TOK_MARKS;
  if (c.c == ' ') c = look(p, ++at);
  if (c.bit & signs) return matched(p, run_of_newlines(p, run_of(p, at, signs), f->slash));
  return look(p, p.at).bit == TOK_BIT(SPACE) ? space_or_newlines(p) : no_match(p);
}

static found scan_llama3(place p) {
  static const llama3_form form = {.digits = 3, .contraction = true};
  return scan_llama3_form(p, &form);
}

static found scan_qwen2(place p) {
  static const llama3_form form = {.digits = 1, .contraction = true};
  return scan_llama3_form(p, &form);
}

static found scan_qwen35(place p) {
  static const llama3_form form = {.digits = 1, .contraction = true, .marks = true};
  return scan_llama3_form(p, &form);
}

static found scan_gpt4o(place p) {
  static const llama3_form form = {.digits = 3, .cased = true, .suffix = true, .slash = true};
  return scan_llama3_form(p, &form);
}

static found scan_tekken(place p) {
  static const llama3_form form = {.digits = 1, .cased = true, .slash = true};
  return scan_llama3_form(p, &form);
}

/* ---- DeepSeek ---- */

/* [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
 * ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static found scan_deepseek3(place p) {
  tok_char c = look(p, p.at);
  uint32_t signs = TOK_BIT(PUNCTUATION) | TOK_BIT(SYMBOL), letter = TOK_LETTERS | TOK_MARKS;
  size_t at = p.at + c.n, end = at;
  if (c.c < 0x80 && (c.bit & signs) != 0) {
    while (end < p.end && between((unsigned char)p.text[end] | 0x20U, 'a', 'z')) end++;
    if (end > at) return matched(p, end);
  }
  bool prefix = (c.bit & (TOK_LETTERS | signs)) == 0 && !is_newline(c.c);
  if (prefix && (end = run_of(p, at, letter)) > at) return matched(p, end);
  if ((end = run_of(p, p.at, letter)) > p.at) return matched(p, end);
  size_t from = c.c == ' ' ? at : p.at;
  if ((end = run_of(p, from, signs)) > from) return matched(p, run_of_newlines(p, end, false));
  return c.bit == TOK_BIT(SPACE) ? space_or_newlines(p) : no_match(p);
}

/* [\r\n] */
static found scan_newline(place p) {
  return is_newline((unsigned char)p.text[p.at]) ? matched(p, p.at + 1) : no_match(p);
}

/* \s?CLASS+ for a test of characters. */
static found spaced_run(place p, bool (*in)(tok_char c)) {
  tok_char c = look(p, p.at);
  size_t from = p.at + (c.bit == TOK_BIT(SPACE) && !in(c) ? c.n : 0), end = from;
  for (c = look(p, end); c.n > 0 && in(c); c = look(p, end)) end += c.n;
  return end > from ? matched(p, end) : no_match(p);
}

static bool is_letter(tok_char c) {
  return (c.bit & TOK_LETTERS) != 0;
}

static bool is_punctuation(tok_char c) {
  return c.bit == TOK_BIT(PUNCTUATION);
}

typedef struct range {
  uint32_t low, high;
} range;

/* The letters with case that deepseek-llm's expression lists. */
static const range cased_ranges[] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},       {0xD8, 0xF6},
    {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},     {0x295, 0x2AF},     {0x370, 0x373},
    {0x376, 0x377},     {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
    {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
    {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},
    {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
    {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},
    {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},
    {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},
    {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},
    {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
    {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
};

static bool is_cased(tok_char c) {
  for (size_t i = 0; i < sizeof cased_ranges / sizeof cased_ranges[0] && c.c >= cased_ranges[i].low; i++) {
    if (c.c <= cased_ranges[i].high) return true;
  }
  return false;
}

/* [!-/:-~！-／：-～‘-‟　-。]: as it stands, with the letters between ':' and '~'. */
static bool is_listed_sign(tok_char c) {
  return between(c.c, 0x21, 0x2F) || between(c.c, 0x3A, 0x7E) || between(c.c, 0xFF01, 0xFF0F) ||
         between(c.c, 0xFF1A, 0xFF5E) || between(c.c, 0x2018, 0x201F) || between(c.c, 0x3000, 0x3002);
}

static found scan_cased(place p) {
  return spaced_run(p, is_cased);
}

static found scan_ascii_punctuation(place p) {
  return spaced_run(p, is_listed_sign);
}

static found scan_letters(place p) {
  return spaced_run(p, is_letter);
}

static found scan_p(place p) {
  return spaced_run(p, is_punctuation);
}

/* \s+$ */
static found scan_final_space(place p) {
  size_t end = run_of(p, p.at, TOK_BIT(SPACE));
  if (end == p.at) return no_match(p);
  return (found){end == p.end, end - p.at};
}

/* ---- runs of one kind of character ---- */

static found plain_run(place p, bool (*in)(tok_char c)) {
  size_t end = p.at;
  for (tok_char c = look(p, end); c.n > 0 && in(c); c = look(p, end)) end += c.n;
  return end > p.at ? matched(p, end) : no_match(p);
}

/* [一-龥ࠀ-一가-퟿]+ */
static bool is_cjk(tok_char c) {
  return between(c.c, 0x800, 0x9FA5) || between(c.c, 0xAC00, 0xD7FF);
}

static found scan_cjk(place p) {
  return plain_run(p, is_cjk);
}

/* [一-龥぀-ゟ゠-ヿ]+ */
static bool is_han_kana(tok_char c) {
  return between(c.c, 0x4E00, 0x9FA5) || between(c.c, 0x3040, 0x30FF);
}

static found scan_han_kana(place p) {
  return plain_run(p, is_han_kana);
}

/* [\p{P}\$\+<=>\^~\|]+: of the signs of ASCII all but '`' */
static bool is_sign(tok_char c) {
  return c.bit == TOK_BIT(PUNCTUATION) || (c.c < 0x80 && c.bit == TOK_BIT(SYMBOL) && c.c != '`');
}

static bool is_sign_or_tick(tok_char c) {
  return is_sign(c) || c.c == '`';
}

static found scan_punctuation(place p) {
  return plain_run(p, is_sign);
}

static found scan_punctuation_tick(place p) {
  return plain_run(p, is_sign_or_tick);
}

/* \p{N}{1,most} */
static found numbers(place p, size_t most) {
  size_t at = p.at;
  tok_char c = look(p, at);
  for (size_t i = 0; i < most && c.bit == TOK_BIT(NUMBER); i++, c = look(p, at)) at += c.n;
  return at > p.at ? matched(p, at) : no_match(p);
}

static found scan_number(place p) {
  return numbers(p, 1);
}

static found scan_3_numbers(place p) {
  return numbers(p, 3);
}

static found scan_numbers(place p) {
  return numbers(p, SIZE_MAX);
}

/* [0-9][0-9][0-9] */
static found scan_3_digits(place p) {
  for (size_t i = 0; i < 3; i++) {
    if (p.at + i >= p.end || !base_utf8_is_digit((unsigned char)p.text[p.at + i])) return no_match(p);
  }
  return matched(p, p.at + 3);
}

/* [^(\s|.,!?…。，、।۔،)], behind one space at most */
static bool is_bloom(tok_char c) {
  static const uint32_t stops[] = {'(',    ')',    '|',    '.',    ',',   '!',   '?',
                                   0x2026, 0x3002, 0xFF0C, 0x3001, 0x964, 0x6D4, 0x60C};
  if (c.bit == TOK_BIT(SPACE)) return false;
  for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
    if (c.c == stops[i]) return false;
  }
  return true;
}

static found scan_bloom(place p) {
  place after = p;
  if (p.text[p.at] == ' ') after.at++;
  found f = after.at < p.end ? plain_run(after, is_bloom) : (found){false, 0};
  return f.match ? matched(p, after.at + f.len) : no_match(p);
}

/* ---- rules ---- */

enum { MAX_SCANS = 6 };

struct tok_rule {
  const char *names;
  bool whole_words, adds_bos;
  scan_fn *scan[MAX_SCANS + 1]; /* NULL behind the last */
};

static const tok_rule rules[] = {
#define TOK_RULE(names, whole_words, adds_bos, ...) {names, whole_words, adds_bos, {__VA_ARGS__, NULL}},
#include "tok/presplit_rule.def"
#undef TOK_RULE
};

const tok_rule *tok_rule_find(base_slice name) {
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    base_slice rest = base_slice_of(rules[i].names), one;
    while (base_slice_split(&rest, ' ', &one)) {
      if (base_slice_equal(one, name)) return &rules[i];
    }
  }
  return NULL;
}

bool tok_rule_whole_words(const tok_rule *r) {
  return r->whole_words;
}

bool tok_rule_adds_bos(const tok_rule *r) {
  return r->adds_bos;
}

/* Cuts one piece by the scanner at `scan`, and its pieces by those behind it. */
static bool split_by(scan_fn *const *scan, const char *text, size_t len, tok_piece_fn *each, void *ctx) {
  if (*scan == NULL) return len == 0 || each(ctx, text, len);
  place p = {text, 0, len};
  size_t gap = 0;
  while (p.at < len) {
    found f = (*scan)(p);
    if (f.match) {
      if (!split_by(scan + 1, text + gap, p.at - gap, each, ctx)) return false;
      if (!split_by(scan + 1, text + p.at, f.len, each, ctx)) return false;
      gap = p.at + f.len;
    }
    p.at += f.len;
  }
  return split_by(scan + 1, text + gap, len - gap, each, ctx);
}

bool tok_rule_split(const tok_rule *r, const char *text, size_t len, tok_piece_fn *each, void *ctx) {
  return split_by(r->scan, text, len, each, ctx);
}
