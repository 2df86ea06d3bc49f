/* mask/grammar: GBNF, the notation of llama.cpp's grammars, read into parts. A line is a rule, `name ::= body`; inside
 * parentheses, behind | and behind ::= a body may go on in the next line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mask/grammar.h"

enum {
  MAX_TEXT = 1 << 20,
  MAX_RULES = 4096,
  MAX_NESTING = 200,
  MAX_MARKS = 8,
  MAX_REPEATS = 100000,
  LAST_CHARACTER = 0x10FFFF
};

typedef struct reader {
  grammar *g;
  const char *at, *end;
  uint32_t line, nesting;
  base_error *err;
  base_status status;
} reader;

static bool refuse(reader *r, base_status code, const char *what) {
  char where[32];
  snprintf(where, sizeof where, "line %u", r->line);
  if (r->status == BASE_OK) r->status = base_fail(r->err, code, where, "%s", what);
  return false;
}

static void *take(reader *r, size_t bytes) {
  void *out = mask_pool_take(r->g->pool, bytes);
  if (out == NULL) refuse(r, r->g->pool->failed, "the grammar takes more memory than there is or may be used");
  return out;
}

static int peek(const reader *r) {
  return r->at < r->end ? (unsigned char)*r->at : -1;
}

static void skip_space(reader *r, bool lines) {
  for (; r->at < r->end; r->at++) {
    if (*r->at == '#') {
      while (r->at + 1 < r->end && r->at[1] != '\n') r->at++;
    } else if (*r->at == '\n' && lines) {
      r->line++;
    } else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
      return;
    }
  }
}

static bool take_mark(reader *r, const char *mark) {
  size_t len = strlen(mark);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, mark, len) != 0) return false;
  r->at += len;
  return true;
}

/* ---- names ---- */

static bool is_name_byte(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static base_slice take_name(reader *r) {
  const char *from = r->at;
  while (is_name_byte(peek(r))) r->at++;
  return (base_slice){from, (size_t)(r->at - from)};
}

static uint32_t rule_of(reader *r, base_slice name) {
  grammar *g = r->g;
  uint64_t key = mask_mix_bytes(5, name.ptr, name.len);
  uintptr_t known = (uintptr_t)mask_map_get(&g->rule_by_name, key);
  if (known != 0) return (uint32_t)known - 1;
  if (g->n_rules == MAX_RULES) {
    refuse(r, BASE_ELIMIT, "a grammar may have 4096 rules");
    return MASK_NONE;
  }
  grammar_rule *grown = mask_pool_grow(g->pool, g->rules, sizeof *grown, g->n_rules, &g->cap_rules);
  if (grown == NULL || !mask_map_put(&g->rule_by_name, g->pool, key, (void *)(uintptr_t)(g->n_rules + 1))) {
    refuse(r, g->pool->failed, "the grammar takes more memory than there is or may be used");
    return MASK_NONE;
  }
  g->rules = grown;
  g->rules[g->n_rules] = (grammar_rule){.name = name, .line = r->line};
  return g->n_rules++;
}

/* ---- characters ---- */

static bool take_hex(reader *r, int digits, uint32_t *out) {
  *out = 0;
  for (int i = 0; i < digits; i++, r->at++) {
    int c = peek(r);
    int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    if (c < 0 || digit < 0) return refuse(r, BASE_EFORMAT, "\\x wants 2 hexadecimal digits, \\u 4 and \\U 8");
    *out = *out << 4 | (uint32_t)digit;
  }
  if (*out > LAST_CHARACTER || (*out >= 0xD800 && *out <= 0xDFFF))
    return refuse(r, BASE_EFORMAT, "an escape names no character of Unicode");
  return true;
}

static bool take_escape(reader *r, uint32_t *out) {
  static const char from[] = "nrt\"\\[]-^'/", to[] = "\n\r\t\"\\[]-^'/";
  int c = peek(r);
  if (c >= 0) r->at++;
  if (c == 'x') return take_hex(r, 2, out);
  if (c == 'u') return take_hex(r, 4, out);
  if (c == 'U') return take_hex(r, 8, out);
  const char *known = c > 0 ? strchr(from, c) : NULL;
  if (known == NULL)
    return refuse(r, BASE_EFORMAT, "an escape that is none of \\n \\r \\t \\\\ \\\" \\[ \\] \\x \\u \\U");
  *out = (unsigned char)to[known - from];
  return true;
}

/* One character of UTF-8; overlong ones, surrogates and bytes that begin none are refused. */
static bool take_utf8(reader *r, uint32_t *out) {
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  uint32_t c = (unsigned char)*r->at++;
  int more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : -1;
  if (more < 0) return refuse(r, BASE_EFORMAT, "the grammar is not UTF-8");
  if (more > 0) c &= 0x3Fu >> more;
  for (int i = 0; i < more; i++) {
    int b = peek(r);
    if (b < 0x80 || b > 0xBF) return refuse(r, BASE_EFORMAT, "the grammar is not UTF-8");
    c = c << 6 | ((uint32_t)b & 0x3F);
    r->at++;
  }
  if (c < least[more] || c > LAST_CHARACTER || (c >= 0xD800 && c <= 0xDFFF))
    return refuse(r, BASE_EFORMAT, "the grammar is not UTF-8");
  *out = c;
  return true;
}

static bool take_character(reader *r, uint32_t *out) {
  int c = peek(r);
  if (c < 0 || c == '\n') return refuse(r, BASE_EFORMAT, "a string or character class is not closed in its line");
  if (c != '\\') return take_utf8(r, out);
  r->at++;
  return take_escape(r, out);
}

static size_t put_utf8(uint32_t c, char *out) {
  static const uint8_t head[] = {0, 0xC0, 0xE0, 0xF0};
  int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  out[0] = (char)(head[more] | c >> (6 * more));
  for (int i = 1; i <= more; i++) out[i] = (char)(0x80 | ((c >> (6 * (more - i))) & 0x3F));
  return (size_t)more + 1;
}

static grammar_part *new_part(reader *r, grammar_kind kind) {
  grammar_part *p = take(r, sizeof *p);
  if (p != NULL) p->kind = kind;
  return p;
}

/* Behind the opening quote. */
static grammar_part *read_text(reader *r) {
  const char *close = r->at;
  while (close < r->end && *close != '"' && *close != '\n') close += 1 + (*close == '\\');
  grammar_part *p = new_part(r, GRAMMAR_TEXT);
  /* no spelling of a character is shorter than the character, but for \xFF and its like: 4 bytes, 2 then */
  char *text = p == NULL ? NULL : take(r, (size_t)(close - r->at) + 4);
  if (text == NULL) return NULL;
  p->text.ptr = text;
  while (!take_mark(r, "\"")) {
    uint32_t c;
    if (!take_character(r, &c)) return NULL;
    p->text.len += put_utf8(c, text + p->text.len);
  }
  return p;
}

/* ---- classes ---- */

static int by_first(const void *a, const void *b) {
  const grammar_range *x = a, *y = b;
  return (x->first > y->first) - (x->first < y->first);
}

static uint32_t merge(grammar_range *range, uint32_t n) {
  uint32_t kept = 0;
  qsort(range, n, sizeof *range, by_first);
  for (uint32_t i = 0; i < n; i++) {
    if (kept > 0 && range[i].first <= range[kept - 1].last + 1) {
      if (range[i].last > range[kept - 1].last) range[kept - 1].last = range[i].last;
    } else {
      range[kept++] = range[i];
    }
  }
  return kept;
}

/* All other characters; range has room for one more. */
static uint32_t complement(grammar_range *range, uint32_t n) {
  uint32_t from = 0, kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    grammar_range one = range[i];
    if (one.first > from) range[kept++] = (grammar_range){from, one.first - 1};
    from = one.last + 1;
  }
  if (from <= LAST_CHARACTER) range[kept++] = (grammar_range){from, LAST_CHARACTER};
  return kept;
}

static uint32_t without_surrogates(grammar_range *range, uint32_t n) {
  uint32_t kept = complement(range, n);
  range[kept++] = (grammar_range){0xD800, 0xDFFF};
  return complement(range, merge(range, kept));
}

static bool read_ranges(reader *r, grammar_part *p, uint32_t room) {
  while (!take_mark(r, "]")) {
    grammar_range one;
    if (!take_character(r, &one.first)) return false;
    one.last = one.first;
    if (r->end - r->at > 1 && r->at[0] == '-' && r->at[1] != ']') {
      r->at++;
      if (!take_character(r, &one.last)) return false;
    }
    if (one.last < one.first) return refuse(r, BASE_EFORMAT, "a range of characters that ends before it begins");
    if (p->n_ranges < room) p->ranges[p->n_ranges++] = one;
  }
  return true;
}

/* Behind the opening bracket. */
static grammar_part *read_class(reader *r) {
  bool negated = take_mark(r, "^");
  const char *close = r->at;
  while (close < r->end && *close != ']' && *close != '\n') close += 1 + (*close == '\\');
  grammar_part *p = new_part(r, GRAMMAR_CLASS);
  uint32_t room = (uint32_t)(close - r->at) + 1;
  if (p == NULL || (p->ranges = take(r, (room + 3) * sizeof *p->ranges)) == NULL) return NULL;
  if (!read_ranges(r, p, room)) return NULL;
  p->n_ranges = merge(p->ranges, p->n_ranges);
  if (negated) p->n_ranges = complement(p->ranges, p->n_ranges);
  p->n_ranges = without_surrogates(p->ranges, p->n_ranges);
  if (p->n_ranges == 0) refuse(r, BASE_EFORMAT, "a character class that no character is in");
  return p;
}

static grammar_part *any_character(reader *r) {
  grammar_part *p = new_part(r, GRAMMAR_CLASS);
  if (p == NULL || (p->ranges = take(r, 2 * sizeof *p->ranges)) == NULL) return NULL;
  p->ranges[0] = (grammar_range){0, 0xD7FF};
  p->ranges[1] = (grammar_range){0xE000, LAST_CHARACTER};
  p->n_ranges = 2;
  return p;
}

/* ---- bodies ---- */

static grammar_part *read_choice(reader *r, bool nested);

/* Behind the opening parenthesis. */
static grammar_part *read_group(reader *r) {
  if (++r->nesting > MAX_NESTING) {
    refuse(r, BASE_ELIMIT, "parentheses may be nested 200 deep");
    return NULL;
  }
  skip_space(r, true);
  grammar_part *p = read_choice(r, true);
  if (p != NULL && !take_mark(r, ")")) refuse(r, BASE_EFORMAT, "a parenthesis is not closed");
  r->nesting--;
  return p;
}

static grammar_part *read_call(reader *r) {
  base_slice name = take_name(r);
  uint32_t rule = rule_of(r, name);
  grammar_part *p = rule == MASK_NONE ? NULL : new_part(r, GRAMMAR_CALL);
  if (p != NULL) p->rule = rule;
  return p;
}

static grammar_part *read_one(reader *r) {
  if (take_mark(r, "\"")) return read_text(r);
  if (take_mark(r, "[")) return read_class(r);
  if (take_mark(r, ".")) return any_character(r);
  if (take_mark(r, "(")) return read_group(r);
  return read_call(r);
}

static bool take_count(reader *r, uint32_t *out) {
  skip_space(r, false);
  const char *from = r->at;
  for (*out = 0; peek(r) >= '0' && peek(r) <= '9'; r->at++) {
    *out = *out * 10 + (uint32_t)(*r->at - '0');
    if (*out > MAX_REPEATS) return refuse(r, BASE_ELIMIT, "a repetition may count to 100000");
  }
  if (r->at == from) return refuse(r, BASE_EFORMAT, "braces hold a number, as in {2}, {2,} or {2,5}");
  skip_space(r, false);
  return true;
}

/* Behind the opening brace. */
static bool read_braces(reader *r, uint32_t *min, uint32_t *max) {
  skip_space(r, false);
  *min = 0;
  if (peek(r) != ',' && !take_count(r, min)) return false;
  *max = *min;
  if (take_mark(r, ",")) {
    *max = MASK_NONE;
    skip_space(r, false);
    if (peek(r) != '}' && !take_count(r, max)) return false;
  }
  if (!take_mark(r, "}")) return refuse(r, BASE_EFORMAT, "braces hold a number, as in {2}, {2,} or {2,5}");
  return *max >= *min || refuse(r, BASE_EFORMAT, "a repetition whose upper bound is below its lower one");
}

static grammar_part *read_repeats(reader *r, grammar_part *p) {
  for (uint32_t n = 0; p != NULL; n++) {
    uint32_t min = 0, max = MASK_NONE;
    if (take_mark(r, "+")) min = 1;
    else if (take_mark(r, "?")) max = 1;
    else if (take_mark(r, "{")) {
      if (!read_braces(r, &min, &max)) return NULL;
    } else if (!take_mark(r, "*")) break;
    if (n == MAX_MARKS) {
      refuse(r, BASE_ELIMIT, "a part may have 8 marks of repetition");
      return NULL;
    }
    grammar_part *whole = new_part(r, GRAMMAR_REPEAT);
    if (whole == NULL) return NULL;
    whole->child = p;
    whole->min = min;
    whole->max = max;
    p = whole;
    skip_space(r, r->nesting > 0);
  }
  return p;
}

static grammar_part *read_sequence(reader *r, bool nested) {
  grammar_part *seq = new_part(r, GRAMMAR_SEQ);
  if (seq == NULL) return NULL;
  for (grammar_part **last = &seq->child; r->status == BASE_OK; last = &(*last)->next) {
    int c = peek(r);
    if (c != '"' && c != '[' && c != '.' && c != '(' && !is_name_byte(c)) break;
    grammar_part *one = read_one(r);
    skip_space(r, nested);
    one = read_repeats(r, one);
    if (one == NULL) return NULL;
    *last = one;
    skip_space(r, nested);
  }
  return seq;
}

static grammar_part *read_choice(reader *r, bool nested) {
  grammar_part *all = new_part(r, GRAMMAR_ANY_OF);
  if (all == NULL) return NULL;
  for (grammar_part **last = &all->child; r->status == BASE_OK; last = &(*last)->next) {
    *last = read_sequence(r, nested);
    if (*last == NULL) return NULL;
    if (!take_mark(r, "|")) break;
    skip_space(r, true);
  }
  return all;
}

static bool read_rule(reader *r) {
  base_slice name = take_name(r);
  if (name.len == 0) return refuse(r, BASE_EFORMAT, "a rule begins with its name: letters, digits, - and _");
  skip_space(r, false);
  if (!take_mark(r, "::=")) return refuse(r, BASE_EFORMAT, "::= is missing behind a rule's name");
  uint32_t rule = rule_of(r, name);
  if (rule == MASK_NONE) return false;
  if (r->g->rules[rule].body != NULL) return refuse(r, BASE_EFORMAT, "a rule is defined twice");
  r->g->rules[rule].line = r->line;
  skip_space(r, true);
  grammar_part *body = read_choice(r, false);
  if (body == NULL || r->status != BASE_OK) return false;
  r->g->rules[rule].body = body; /* the array may have moved meanwhile */
  if (peek(r) != '\n' && peek(r) != -1) return refuse(r, BASE_EFORMAT, "a character that no rule goes on with");
  skip_space(r, true);
  return true;
}

base_status mask_grammar_open(grammar **out, base_slice text, mask_pool *pool, base_error *err) {
  if (text.len > MAX_TEXT) return base_fail(err, BASE_ELIMIT, "grammar", "a grammar may be 1 MiB long");
  grammar *g = mask_pool_take(pool, sizeof *g);
  char *copy = mask_pool_take(pool, text.len + 1);
  if (g == NULL || copy == NULL) return base_fail(err, pool->failed, "grammar", "out of memory");
  if (text.len > 0) memcpy(copy, text.ptr, text.len);
  g->pool = pool;
  reader r = {.g = g, .at = copy, .end = copy + text.len, .line = 1, .err = err};
  rule_of(&r, BASE_LITERAL("root"));
  skip_space(&r, true);
  while (r.at < r.end && r.status == BASE_OK) read_rule(&r);
  base_status status = r.status;
  if (status == BASE_OK) status = mask_grammar_check(g, err);
  if (status == BASE_OK) status = mask_grammar_program(g, err);
  if (status == BASE_OK && !mask_grammar_ready(g))
    status = base_fail(err, g->failed, "grammar", "the grammar takes more memory or places at once than there are");
  if (status == BASE_OK) *out = g;
  return status;
}
