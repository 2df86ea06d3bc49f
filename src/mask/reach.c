/* mask/reach: sets of texts that a state of a string takes as a whole, so that a walk of the vocabulary need not look
 * at them one by one. A slice is a set of kinds of bytes; worked out is how many characters of it, whichever they are,
 * may follow a state: breadth first over the states that they lead to. */
#include "mask/internal.h"

/* Longer texts than MOST are looked at one by one, unless any length may follow. */
enum { MOST = 24, ENDLESS = 255, MAX_STATES = 96, MANY_CLASSES = 56 };
enum { SLICES = 8 }; /* those of work_out and one of the state's own */

#define KINDS(first, last) ((~UINT64_C(0) >> (63 - (last))) & (~UINT64_C(0) << (first)))
#define LOWER KINDS(0, 25)
#define LETTERS KINDS(0, 51)
#define WORDS (KINDS(0, 52) | UINT64_C(3) << (BYTE_MARK + 1)) /* letters, digits, - and _ */
#define SPACE (UINT64_C(1) << BYTE_MARK)
#define ESCAPES (UINT64_C(1) << BYTE_ESCAPE)
#define WIDE (UINT64_C(1) << BYTE_WIDE)
#define WIDE_SPACE (UINT64_C(1) << BYTE_WIDE_SPACE)
#define ALL KINDS(0, 62)

/* Where the characters of some kinds lead. */
typedef struct edge {
  text_state *to;
  uint64_t kinds;
} edge;

typedef struct text_reach {
  uint64_t kinds; /* of which any byte, character or escape may come next */
  edge *edges;
  uint32_t n_edges, cap_edges;
  bool sliced; /* what follows is worked out */
  uint64_t slice[SLICES];
  uint8_t length[SLICES]; /* so many characters */
  uint32_t needs[SLICES]; /* of each state behind them */
  uint32_t n;
} text_reach;

/* ---- one character ---- */

/* False: no text goes on in `to`. A key for which not all is as it was is judged anew. */
static bool add_edge(text_reach *r, const text_state *from, text_state *to, uint64_t kind) {
  if (to == &mask_text_dead || (to->automaton->is_key && to->alive != from->alive)) return false;
  for (uint32_t i = 0; i < r->n_edges; i++) {
    if (r->edges[i].to != to) continue;
    r->edges[i].kinds |= kind;
    return true;
  }
  edge *grown = mask_pool_grow(&from->automaton->rule->pool, r->edges, sizeof *grown, r->n_edges, &r->cap_edges);
  if (grown == NULL) return false;
  r->edges = grown;
  r->edges[r->n_edges++] = (edge){to, kind};
  return true;
}

typedef struct wide {
  text_reach *r;
  const text_state *from;
  uint64_t stamp;
  uint64_t refused; /* kinds */
} wide;

/* Every character of several bytes that goes on from s, which is between characters or behind n bytes of one. Bytes of
 * one class lead to the same, but where they may become a space it matters which they are. */
static void add_wide(wide *w, text_state *s, uint8_t *bytes, uint32_t n) {
  bool seen[256] = {false}, near_space = n == 0 || mask_wide_kinds(bytes, n) != WIDE;
  if (!near_space && s->stamp == w->stamp) return;
  if (!near_space) s->stamp = w->stamp;
  (void)mask_text_step(s, 0x80); /* so that there are classes */
  for (uint32_t b = n > 0 ? 0x80 : 0xC2; b < (n > 0 ? 0xC0 : 0xF5); b++) {
    uint8_t class = s->automaton->class_of[b];
    bool counts;
    bytes[n] = (uint8_t)b;
    uint64_t kinds = mask_wide_kinds(bytes, n + 1);
    if ((seen[class] && kinds == WIDE) || mask_text_spell(s->lexical, (uint8_t)b, false, &counts) >= TEXT_CLOSED)
      continue;
    seen[class] = seen[class] || kinds == WIDE;
    text_state *next = mask_text_step(s, (uint8_t)b);
    if (next == &mask_text_dead) w->refused |= kinds;
    else if (next->lexical != TEXT_CHAR) add_wide(w, next, bytes, n + 1);
    else if (!add_edge(w->r, w->from, next, kinds)) w->refused |= kinds;
  }
}

static bool add_escapes(text_reach *r, text_state *s) {
  static const char letters[] = "nrtbf\"\\/", hex[] = "0123456789abcdef";
  text_state *mark = mask_text_step(s, '\\'), *four = mark;
  bool key = s->automaton->is_key;
  if (mark == &mask_text_dead) return false;
  for (size_t i = 0; i + (key ? 2 : 1) < sizeof letters; i++)
    if (!add_edge(r, s, mask_text_step(mark, (uint8_t)letters[i]), ESCAPES)) return false;
  for (const char *b = "u00"; *b != '\0' && four != &mask_text_dead; b++) four = mask_text_step(four, (uint8_t)*b);
  for (uint32_t c = 0; c < 32; c++) {
    if (key && c >= 8 && c <= 13 && c != 11) continue; /* a key spells these by letters */
    text_state *last = four == &mask_text_dead ? four : mask_text_step(four, c < 16 ? '0' : '1');
    if (last == &mask_text_dead || !add_edge(r, s, mask_text_step(last, (uint8_t)hex[c & 15]), ESCAPES)) return false;
  }
  return true;
}

static void add_plain(text_reach *r, text_state *s) {
  uint64_t refused = 0;
  int8_t of_class[256] = {0};
  for (uint32_t b = 0x20; b < 0x80; b++) {
    if (b == '"' || b == '\\') continue;
    uint64_t kind = UINT64_C(1) << mask_byte_kind((uint8_t)b);
    text_state *next = mask_text_step(s, (uint8_t)b);
    int8_t *known = &of_class[s->automaton->class_of[b]];
    if (*known < 0 || !add_edge(r, s, next, kind)) *known = -1;
    if (*known < 0) refused |= kind;
  }
  r->kinds &= ~refused;
}

/* What one more character does to s. NULL: no memory. */
static text_reach *reach_of(text_state *s) {
  mask_rule *rule = s->automaton->rule;
  if (s->reach != NULL) return s->reach;
  text_reach *r = mask_pool_take(&rule->pool, sizeof *r);
  if (r == NULL) {
    mask_fail(rule, rule->pool.failed);
    return NULL;
  }
  r->kinds = ALL;
  add_plain(r, s);
  if (!add_escapes(r, s)) r->kinds &= ~ESCAPES;
  wide w = {.r = r, .from = s, .stamp = ++rule->ids};
  uint8_t bytes[5];
  /* an expression that tells apart half of Unicode is better asked about the characters that there are tokens for */
  if (s->automaton->n_classes > MANY_CLASSES) w.refused = WIDE | WIDE_SPACE;
  else add_wide(&w, s, bytes, 0);
  r->kinds &= ~w.refused;
  return s->reach = r;
}

/* Kinds that lead back to s and nowhere else. */
static uint64_t kinds_that_stay(const text_reach *r, const text_state *s) {
  uint64_t kinds = r->kinds;
  for (uint32_t i = 0; i < r->n_edges; i++)
    if (r->edges[i].to != s) kinds &= ~r->edges[i].kinds;
  return kinds;
}

/* ---- slices ---- */

typedef struct spread {
  text_state *list[MAX_STATES];
  uint32_t n;
  bool full;
} spread;

static void add_behind(spread *to, const text_reach *r, uint64_t kinds, uint64_t stamp) {
  for (uint32_t i = 0; i < r->n_edges; i++) {
    text_state *next = r->edges[i].to;
    if ((r->edges[i].kinds & kinds) == 0 || next->stamp == stamp) continue;
    next->stamp = stamp;
    if (to->n == MAX_STATES) to->full = true;
    else to->list[to->n++] = next;
  }
}

/* How many characters of these kinds may follow s, whichever they are; *to holds the states behind them. */
static uint8_t length_of(text_state *s, uint64_t kinds, spread *to) {
  mask_rule *rule = s->automaton->rule;
  text_state *level[MAX_STATES + 1] = {s};
  uint32_t n_level = 1;
  to->n = 0;
  to->full = false;
  for (uint32_t length = 0; length < MOST; length++) {
    uint32_t before = to->n;
    uint64_t stamp;
    for (uint32_t i = 0; i < n_level; i++) {
      const text_reach *r = reach_of(level[i]);
      if (r == NULL || (kinds & ~r->kinds) != 0) return (uint8_t)length;
    }
    /* reach_of marks states for itself, so the list is marked again */
    stamp = ++rule->ids;
    for (uint32_t i = 0; i < to->n; i++) to->list[i]->stamp = stamp;
    for (uint32_t i = 0; i < n_level; i++) add_behind(to, level[i]->reach, kinds, stamp);
    if (to->full) return (uint8_t)(length + 1);
    n_level = to->n - before;
    if (n_level == 0) return ENDLESS;
    for (uint32_t i = 0; i < n_level; i++) level[i] = to->list[before + i];
  }
  return MOST;
}

/* Any text may follow, and what follows it. */
static bool takes_any_text(const text_state *s) {
  const text_automaton *t = s->automaton;
  if (t->count_cap > 0) return false;
  for (uint32_t i = 0; i < t->n_locals; i++)
    if (t->locals[i].members != NULL) return false;
  for (uint32_t i = 0; i < t->n_regexes; i++)
    if (!regex_never_dies(t->regexes[i], s->regex[i])) return false;
  for (uint32_t i = 0; i < t->n_subs; i++)
    if (s->subs[i] == &mask_text_dead || !takes_any_text(s->subs[i])) return false;
  return true;
}

static void add_slice(text_reach *r, const text_state *s, uint64_t kinds, uint8_t length, const spread *to) {
  bool bounded = s->automaton->max_length != MASK_NONE;
  uint32_t needs = bounded && to->n > 0 ? to->list[0]->needs : 0;
  bool alike = !bounded || !to->full;
  for (uint32_t i = 1; bounded && i < to->n; i++) alike = alike && to->list[i]->needs == needs;
  if (length == 0 || !alike) return;
  r->slice[r->n] = kinds;
  r->length[r->n] = length;
  r->needs[r->n++] = needs;
}

static void work_out(text_reach *r, text_state *s) {
  static const uint64_t slices[] = {
      ALL,   ALL & ~(SPACE | WIDE_SPACE | ESCAPES), ALL & ~(ESCAPES | WIDE_SPACE | WIDE), WORDS | SPACE, WORDS,
      LOWER, KINDS(BYTE_DIGIT, BYTE_DIGIT)};
  uint64_t covered = kinds_that_stay(r, s);
  spread to = {.list = {s}, .n = 1};
  r->sliced = true;
  if (covered != 0) add_slice(r, s, covered, ENDLESS, &to);
  for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
    if ((slices[i] & ~r->kinds) != 0 || (slices[i] & ~covered) == 0) continue;
    uint8_t length = length_of(s, slices[i], &to);
    uint32_t before = r->n;
    add_slice(r, s, slices[i], length, &to);
    if (r->n > before && length >= MOST) covered |= slices[i];
  }
}

bool mask_text_takes_all(text_state *s, uint64_t kinds, uint32_t height, uint32_t *needs) {
  *needs = 0;
  if ((kinds & ~ALL) != 0) return false;
  if (s->automaton->max_length == MASK_NONE && takes_any_text(s)) return true;
  text_reach *r = reach_of(s);
  if (r == NULL) return false;
  if (!r->sliced) work_out(r, s);
  if (s->automaton->rule->failed != BASE_OK) return false;
  for (uint32_t i = 0; i < r->n; i++) {
    if ((kinds & ~r->slice[i]) != 0 || r->length[i] < height) continue;
    *needs = r->needs[i];
    return true;
  }
  return false;
}
