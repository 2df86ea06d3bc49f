/* regex/parse: ECMA-262 pattern syntax to a tree. Recursive descent over code points; nesting is bounded, so a
 * pattern of a million brackets is refused and does not run out of stack. */
#include "regex/internal.h"

#include <string.h>

enum { MAX_NESTING = 250, MAX_NODES = 200000, MAX_REPEAT = 1000000, LAST_POINT = 0x10FFFF };

typedef struct parser {
  regex_tree *tree;
  const char *text;
  size_t len, pos;
  bool lenient, ignore_case;
  uint32_t nesting, groups;
  base_status status;
  base_error *err;
} parser;

static uint32_t parse_alternatives(parser *p);

static uint32_t bad(parser *p, base_status code, const char *what) {
  if (p->status == BASE_OK)
    p->status = base_fail(p->err, code, "pattern", "the expression has %s at byte %zu", what, p->pos);
  return REGEX_NONE;
}

static uint32_t no_memory(parser *p) {
  if (p->status == BASE_OK) p->status = base_fail(p->err, BASE_ENOMEM, "pattern", "out of memory");
  return REGEX_NONE;
}

static bool more(const parser *p) {
  return p->status == BASE_OK && p->pos < p->len;
}

static bool at(const parser *p, char c) {
  return more(p) && p->text[p->pos] == c;
}

static bool take(parser *p, const char *s) {
  size_t n = strlen(s);
  if (!more(p) || p->len - p->pos < n || memcmp(p->text + p->pos, s, n) != 0) return false;
  p->pos += n;
  return true;
}

static uint32_t take_point(parser *p) {
  uint32_t c = 0;
  size_t n = base_utf8_decode(p->text + p->pos, p->len - p->pos, &c);
  if (n == 0) {
    bad(p, BASE_EFORMAT, "bytes that are not UTF-8");
    p->pos = p->len;
    return 0;
  }
  p->pos += n;
  return c;
}

/* ---- nodes ---- */

static uint32_t new_node(parser *p, regex_kind kind) {
  regex_tree *t = p->tree;
  if (p->status != BASE_OK) return REGEX_NONE;
  if (t->n_nodes >= MAX_NODES) return bad(p, BASE_ELIMIT, "more parts than are allowed");
  if (t->n_nodes == t->cap_nodes) {
    uint32_t cap = t->cap_nodes == 0 ? 32 : 2 * t->cap_nodes;
    void *grown = t->allocator->resize(t->allocator->ctx, t->nodes, t->cap_nodes * sizeof(regex_node),
                                       cap * sizeof(regex_node));
    if (grown == NULL) return no_memory(p);
    t->nodes = grown;
    t->cap_nodes = cap;
  }
  t->nodes[t->n_nodes] = (regex_node){.kind = kind, .child = REGEX_NONE, .next = REGEX_NONE, .set = REGEX_NONE};
  return t->n_nodes++;
}

/* Takes the set over, also on failure. */
static uint32_t new_set_node(parser *p, regex_set *take_set) {
  regex_tree *t = p->tree;
  uint32_t node = new_node(p, REGEX_N_SET);
  if (node != REGEX_NONE && t->n_sets == t->cap_sets) {
    uint32_t cap = t->cap_sets == 0 ? 16 : 2 * t->cap_sets;
    void *grown = t->allocator->resize(t->allocator->ctx, t->sets, t->cap_sets * sizeof(regex_set),
                                       cap * sizeof(regex_set));
    if (grown == NULL) {
      node = no_memory(p);
    } else {
      t->sets = grown;
      t->cap_sets = cap;
    }
  }
  if (node == REGEX_NONE) {
    regex_set_free(take_set, t->allocator);
    return REGEX_NONE;
  }
  regex_set_normalise(take_set);
  t->nodes[node].set = t->n_sets;
  t->sets[t->n_sets++] = *take_set;
  return node;
}

static void add_range(parser *p, regex_set *s, uint32_t first, uint32_t last) {
  if (!regex_set_add(s, first, last, p->tree->allocator)) no_memory(p);
  if (!p->ignore_case) return;
  for (uint32_t c = 'a'; c <= 'z'; c++) {
    uint32_t upper = c - 'a' + 'A';
    if (c >= first && c <= last && !regex_set_add(s, upper, upper, p->tree->allocator)) no_memory(p);
    if (upper >= first && upper <= last && !regex_set_add(s, c, c, p->tree->allocator)) no_memory(p);
  }
}

static uint32_t point_node(parser *p, uint32_t c) {
  regex_set s = {0};
  add_range(p, &s, c, c);
  return new_set_node(p, &s);
}

/* ---- escapes ---- */

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `digits` hex digits; false and nothing taken when they are not there. */
static bool take_hex(parser *p, size_t digits, uint32_t *value) {
  uint32_t v = 0;
  if (p->len - p->pos < digits) return false;
  for (size_t i = 0; i < digits; i++) {
    int h = hex_value(p->text[p->pos + i]);
    if (h < 0) return false;
    v = 16 * v + (uint32_t)h;
  }
  p->pos += digits;
  *value = v;
  return true;
}

static uint32_t take_unicode_escape(parser *p) {
  uint32_t value = 0, low = 0;
  if (take(p, "{")) {
    size_t digits = 0;
    for (; more(p) && hex_value(p->text[p->pos]) >= 0; p->pos++, digits++) {
      value = 16 * value + (uint32_t)hex_value(p->text[p->pos]);
      if (value > LAST_POINT) return bad(p, BASE_EFORMAT, "a code point over 10FFFF");
    }
    if (digits == 0 || !take(p, "}")) return bad(p, BASE_EFORMAT, "a \\u{...} that is not closed");
    return value;
  }
  if (!take_hex(p, 4, &value)) return bad(p, BASE_EFORMAT, "a \\u without four hexadecimal digits");
  size_t before = p->pos;
  if (value >= 0xD800 && value <= 0xDBFF && take(p, "\\u") && take_hex(p, 4, &low) && low >= 0xDC00 && low <= 0xDFFF)
    return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
  p->pos = before;
  return value;
}

/* ECMA-262 WhiteSpace and LineTerminator. */
static const regex_range spaces[] = {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                     {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                     {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
static const regex_range digits_09[] = {{'0', '9'}};
static const regex_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const regex_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static void add_ranges(parser *p, regex_set *s, const regex_range *ranges, size_t count, bool negated) {
  regex_set part = {0};
  const base_allocator *a = p->tree->allocator;
  bool fine = true;
  for (size_t i = 0; i < count; i++) fine = fine && regex_set_add(&part, ranges[i].first, ranges[i].last, a);
  if (fine && negated) fine = regex_set_negate(&part, a);
  for (uint32_t i = 0; fine && i < part.count; i++)
    fine = regex_set_add(s, part.ranges[i].first, part.ranges[i].last, a);
  regex_set_free(&part, a);
  if (!fine) no_memory(p);
}

static void add_property(parser *p, regex_set *s, bool negated) {
  regex_set part = {0};
  const base_allocator *a = p->tree->allocator;
  bool known = false;
  size_t start = p->pos + 1;
  if (!take(p, "{")) {
    bad(p, BASE_EFORMAT, "a \\p without {name}");
    return;
  }
  while (more(p) && !at(p, '}')) p->pos++;
  base_slice name = {p->text + start, p->pos - start};
  if (!take(p, "}")) {
    bad(p, BASE_EFORMAT, "a \\p{...} that is not closed");
    return;
  }
  bool fine = regex_set_add_property(&part, name, &known, a);
  regex_set_normalise(&part);
  if (fine && !known) bad(p, BASE_EUNSUPPORTED, "a Unicode property that is not supported before it ends");
  if (fine && known) add_ranges(p, s, part.ranges, part.count, negated);
  if (!fine) no_memory(p);
  regex_set_free(&part, a);
}

/* \d \D \w \W \s \S \p \P: true when the letter (already taken) is one of them. */
static bool add_class_escape(parser *p, uint32_t c, regex_set *s) {
  switch (c) {
    case 'd': case 'D': add_ranges(p, s, digits_09, 1, c == 'D'); return true;
    case 'w': case 'W': add_ranges(p, s, words, 4, c == 'W'); return true;
    case 's': case 'S': add_ranges(p, s, spaces, sizeof spaces / sizeof *spaces, c == 'S'); return true;
    case 'p': case 'P': add_property(p, s, c == 'P'); return true;
    default: return false;
  }
}

/* An escape that stands for one character; `c` is what followed the backslash. */
static uint32_t escaped_point(parser *p, uint32_t c, bool in_class) {
  uint32_t value = 0;
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'f': return '\f';
    case 'v': return '\v';
    case '0':
      if (more(p) && p->text[p->pos] >= '0' && p->text[p->pos] <= '9') return bad(p, BASE_EFORMAT, "an octal escape");
      return 0;
    case 'c':
      if (more(p) && ((p->text[p->pos] | 32) >= 'a' && (p->text[p->pos] | 32) <= 'z'))
        return (uint32_t)(p->text[p->pos++] & 31);
      return bad(p, BASE_EFORMAT, "a \\c without a letter");
    case 'x':
      if (take_hex(p, 2, &value)) return value;
      return bad(p, BASE_EFORMAT, "a \\x without two hexadecimal digits");
    case 'u': return take_unicode_escape(p);
    case 'b':
      if (in_class) return '\b';
      break;
    default: break;
  }
  if (c >= '1' && c <= '9') return bad(p, BASE_EUNSUPPORTED, "a back-reference, which no automaton can follow,");
  if (c == 'k') return bad(p, BASE_EUNSUPPORTED, "a named back-reference, which no automaton can follow,");
  bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
  if (!letter || p->lenient) return c;
  return bad(p, BASE_EFORMAT, "an escape that ECMA-262 does not know");
}

/* ---- character classes ---- */

/* One member of [...]: a character (returned), or a whole set added to s (REGEX_NONE returned). */
static uint32_t class_member(parser *p, regex_set *s) {
  uint32_t c = take_point(p);
  if (c != '\\') return c;
  if (!more(p)) return bad(p, BASE_EFORMAT, "a backslash at its end");
  c = take_point(p);
  if (add_class_escape(p, c, s)) return REGEX_NONE;
  return escaped_point(p, c, true);
}

static uint32_t parse_class(parser *p) {
  regex_set s = {0};
  bool negated = take(p, "^");
  while (more(p) && !at(p, ']')) {
    uint32_t first = class_member(p, &s);
    if (p->status != BASE_OK) break;
    if (first == REGEX_NONE) continue;
    /* a dash before the end or before a class such as \d is itself */
    size_t dash = p->pos;
    if (at(p, '-') && p->pos + 1 < p->len && p->text[p->pos + 1] != ']') {
      p->pos++;
      uint32_t last = class_member(p, &s);
      if (p->status != BASE_OK) break;
      if (last == REGEX_NONE) {
        add_range(p, &s, '-', '-');
        last = first;
      }
      if (last < first) {
        p->pos = dash;
        bad(p, BASE_EFORMAT, "a range that is out of order");
        break;
      }
      add_range(p, &s, first, last);
    } else {
      add_range(p, &s, first, first);
    }
  }
  if (p->status == BASE_OK && !take(p, "]")) bad(p, BASE_EFORMAT, "a class that is not closed");
  if (p->status == BASE_OK && negated && !regex_set_negate(&s, p->tree->allocator)) no_memory(p);
  if (p->status != BASE_OK) {
    regex_set_free(&s, p->tree->allocator);
    return REGEX_NONE;
  }
  return new_set_node(p, &s);
}

/* ---- atoms ---- */

static uint32_t parse_group(parser *p) {
  uint32_t node, look = REGEX_NONE;
  if (++p->nesting > MAX_NESTING) return bad(p, BASE_ELIMIT, "groups nested deeper than 250");
  if (take(p, "?=") || take(p, "?!")) {
    look = new_node(p, REGEX_N_AHEAD);
    if (look != REGEX_NONE) p->tree->nodes[look].negated = p->text[p->pos - 1] == '!';
  } else if (take(p, "?<=") || take(p, "?<!")) {
    return bad(p, BASE_EUNSUPPORTED, "look-behind, which is not supported,");
  } else if (take(p, "?<") || (p->lenient && take(p, "?P<"))) {
    while (more(p) && !at(p, '>')) p->pos++;
    if (!take(p, ">")) return bad(p, BASE_EFORMAT, "a group name that is not closed");
  } else if (at(p, '?') && !take(p, "?:")) {
    return bad(p, BASE_EFORMAT, "an unknown kind of group");
  }
  node = parse_alternatives(p);
  if (p->status == BASE_OK && !take(p, ")")) return bad(p, BASE_EFORMAT, "a group that is not closed");
  p->nesting--;
  if (look == REGEX_NONE || node == REGEX_NONE) return node;
  p->tree->nodes[look].child = node;
  p->tree->nodes[look].impure = true;
  p->tree->nodes[look].looks_back = p->tree->nodes[node].looks_back;
  return look;
}

static uint32_t assertion(parser *p, regex_kind kind, bool negated) {
  uint32_t node = new_node(p, kind);
  if (node == REGEX_NONE) return node;
  p->tree->nodes[node].negated = negated;
  p->tree->nodes[node].impure = true;
  p->tree->nodes[node].looks_back = kind == REGEX_N_BEGIN || kind == REGEX_N_WORD;
  return node;
}

static uint32_t parse_escape(parser *p) {
  regex_set s = {0};
  if (!more(p)) return bad(p, BASE_EFORMAT, "a backslash at its end");
  uint32_t c = take_point(p);
  if (c == 'b' || c == 'B') return assertion(p, REGEX_N_WORD, c == 'B');
  if (p->lenient && c == 'A') return assertion(p, REGEX_N_BEGIN, false);
  if (p->lenient && (c == 'Z' || c == 'z')) return assertion(p, REGEX_N_END, false);
  if (add_class_escape(p, c, &s)) return new_set_node(p, &s);
  c = escaped_point(p, c, false);
  return p->status == BASE_OK ? point_node(p, c) : REGEX_NONE;
}

static uint32_t parse_atom(parser *p) {
  regex_set s = {0};
  uint32_t c = take_point(p);
  if (p->status != BASE_OK) return REGEX_NONE;
  switch (c) {
    case '(': return parse_group(p);
    case '[': return parse_class(p);
    case '\\': return parse_escape(p);
    case '^': return assertion(p, REGEX_N_BEGIN, false);
    case '$': return assertion(p, REGEX_N_END, false);
    case '.':
      add_ranges(p, &s, line_ends, 3, true);
      return new_set_node(p, &s);
    case '*': case '+': case '?':
      p->pos--;
      return bad(p, BASE_EFORMAT, "nothing to repeat");
    default: return point_node(p, c);
  }
}

/* ---- quantifiers ---- */

static bool take_count(parser *p, uint32_t *value) {
  size_t start = p->pos;
  uint64_t v = 0;
  while (more(p) && p->text[p->pos] >= '0' && p->text[p->pos] <= '9') {
    v = 10 * v + (uint64_t)(p->text[p->pos++] - '0');
    if (v > MAX_REPEAT) v = MAX_REPEAT + 1;
  }
  *value = (uint32_t)v;
  return p->pos > start;
}

/* {n}, {n,}, {n,m}; a brace that is none of these is an ordinary character, as in ECMA-262's Annex B. */
static bool take_braces(parser *p, uint32_t *min, uint32_t *max) {
  size_t start = p->pos;
  p->pos++;
  bool fine = take_count(p, min);
  *max = *min;
  if (fine && take(p, ",") && !take_count(p, max)) *max = REGEX_UNBOUNDED;
  if (fine && take(p, "}")) return true;
  p->pos = start;
  return false;
}

static bool take_quantifier(parser *p, uint32_t *min, uint32_t *max) {
  if (!more(p)) return false;
  *min = 0;
  *max = REGEX_UNBOUNDED;
  if (take(p, "*")) return true;
  if (take(p, "+")) {
    *min = 1;
    return true;
  }
  if (take(p, "?")) {
    *max = 1;
    return true;
  }
  return at(p, '{') && take_braces(p, min, max);
}

static uint32_t parse_quantified(parser *p) {
  uint32_t atom = parse_atom(p), min = 0, max = 0;
  if (atom == REGEX_NONE || !take_quantifier(p, &min, &max)) return atom;
  if (max < min) return bad(p, BASE_EFORMAT, "a repetition whose bounds are out of order");
  if (min > MAX_REPEAT || (max > MAX_REPEAT && max != REGEX_UNBOUNDED))
    return bad(p, BASE_ELIMIT, "a repetition of more than 1,000,000");
  take(p, "?"); /* lazy or greedy: the same language */
  uint32_t node = new_node(p, REGEX_N_REPEAT), again;
  if (node == REGEX_NONE) return node;
  regex_node *n = &p->tree->nodes[node];
  n->child = atom;
  n->min = min;
  n->max = max;
  n->impure = p->tree->nodes[atom].impure;
  n->looks_back = p->tree->nodes[atom].looks_back;
  if (take_quantifier(p, &again, &again)) return bad(p, BASE_EFORMAT, "a repetition of a repetition");
  return node;
}

/* Hangs `child` behind `last` under `parent`. */
static void append(parser *p, uint32_t parent, uint32_t *last, uint32_t child) {
  regex_node *nodes = p->tree->nodes;
  if (*last == REGEX_NONE) nodes[parent].child = child;
  else nodes[*last].next = child;
  *last = child;
  nodes[parent].impure = nodes[parent].impure || nodes[child].impure;
  nodes[parent].looks_back = nodes[parent].looks_back || nodes[child].looks_back;
}

/* Tells each item of a sequence whether a later one looks back. */
static void mark_later(regex_tree *t, uint32_t sequence) {
  uint32_t last = REGEX_NONE;
  for (uint32_t i = t->nodes[sequence].child; i != REGEX_NONE; i = t->nodes[i].next)
    if (t->nodes[i].looks_back) last = i;
  for (uint32_t i = t->nodes[sequence].child; last != REGEX_NONE && i != last; i = t->nodes[i].next)
    t->nodes[i].later_looks_back = true;
}

static uint32_t parse_sequence(parser *p) {
  uint32_t node = new_node(p, REGEX_N_CAT), last = REGEX_NONE;
  while (node != REGEX_NONE && more(p) && !at(p, '|') && !at(p, ')')) {
    uint32_t item = parse_quantified(p);
    if (item == REGEX_NONE) return REGEX_NONE;
    append(p, node, &last, item);
  }
  if (p->status != BASE_OK) return REGEX_NONE;
  mark_later(p->tree, node);
  return node;
}

static uint32_t parse_alternatives(parser *p) {
  uint32_t first = parse_sequence(p), last = REGEX_NONE;
  if (first == REGEX_NONE || !at(p, '|')) return first;
  uint32_t node = new_node(p, REGEX_N_ALT);
  if (node == REGEX_NONE) return node;
  append(p, node, &last, first);
  while (take(p, "|")) {
    uint32_t next = parse_sequence(p);
    if (next == REGEX_NONE) return next;
    append(p, node, &last, next);
  }
  return p->status == BASE_OK ? node : REGEX_NONE;
}

base_status regex_parse(regex_tree *tree, base_slice pattern, bool lenient, base_error *err) {
  parser p = {.tree = tree, .text = pattern.ptr, .len = pattern.len, .lenient = lenient, .err = err};
  if (pattern.len > 1 << 20) return base_fail(err, BASE_ELIMIT, "pattern", "the expression is longer than 1 MiB");
  if (lenient && take(&p, "(?i)")) p.ignore_case = true;
  tree->root = parse_alternatives(&p);
  if (p.status == BASE_OK && p.pos < p.len) bad(&p, BASE_EFORMAT, "a ) without a (");
  return p.status;
}

void regex_tree_free(regex_tree *t) {
  for (uint32_t i = 0; i < t->n_sets; i++) regex_set_free(&t->sets[i], t->allocator);
  base_free(t->allocator, t->sets, t->cap_sets * sizeof(regex_set));
  base_free(t->allocator, t->nodes, t->cap_nodes * sizeof(regex_node));
  t->nodes = NULL;
  t->sets = NULL;
}
