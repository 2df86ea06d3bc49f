/* mask/text: automata over the bytes of JSON strings, states made on demand. A state is where each part stands: the
 * spelling (UTF-8, escapes), the trie of the strings that enums or property names give, each regular expression, the
 * number of characters.
 *
 *   between characters --"--> closed         --lead byte--> in UTF-8 --last byte--> between characters
 *                      --\--> escape --n t r b f " \ /--> between characters
 *                             escape --u--> 0 --> 0 --> 0 or 1 --> hex digit --> between characters          */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"

enum {
  MORE_1 = 1, MORE_2, MORE_3, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4,
  ESCAPE, ESCAPE_U, ESCAPE_U0, ESCAPE_U00, ESCAPE_U000, ESCAPE_U001
};

const text_state mask_text_dead_state = {0};

/* ---- the trie ---- */

static uint32_t add_node(mask_pool *p, text_trie *t, uint32_t first, uint32_t last) {
  trie_node *grown = mask_pool_grow(p, t->nodes, sizeof *grown, t->n_nodes, &t->cap_nodes);
  if (grown == NULL) return TRIE_OFF;
  t->nodes = grown;
  t->nodes[t->n_nodes] = (trie_node){.first = first, .last = last};
  return t->n_nodes++;
}

static bool add_edge(mask_pool *p, text_trie *t, uint8_t byte, uint32_t to) {
  struct trie_edge *grown = mask_pool_grow(p, t->edges, sizeof *grown, t->n_edges, &t->cap_edges);
  if (grown == NULL) return false;
  t->edges = grown;
  t->edges[t->n_edges++] = (struct trie_edge){byte, to};
  return true;
}

/* Breadth first, a level of bytes at a time; strings are sorted and without repeats. */
bool mask_text_build_trie(mask_pool *p, text_trie *t, const base_slice *sorted, uint32_t count) {
  if (count == 0) return true;
  if (add_node(p, t, 0, count) == TRIE_OFF) return false;
  size_t depth = 0;
  for (uint32_t level = 0, level_end = 1; level < t->n_nodes; depth++) {
    for (; level < level_end; level++) {
      uint32_t at = t->nodes[level].first, last = t->nodes[level].last;
      t->nodes[level].child = t->n_edges;
      t->nodes[level].depth = (uint32_t)depth;
      if (sorted[at].len == depth) {
        t->nodes[level].ends = true;
        at++;
      }
      while (at < last) {
        uint32_t from = at;
        char byte = sorted[at].ptr[depth];
        while (at < last && sorted[at].ptr[depth] == byte) at++;
        uint32_t node_index = add_node(p, t, from, at);
        if (node_index == TRIE_OFF || !add_edge(p, t, (uint8_t)byte, node_index)) return false;
        t->nodes[level].n_children++;
      }
    }
    level_end = t->n_nodes;
  }
  return true;
}

static uint32_t trie_step(const text_trie *t, uint32_t at, uint8_t byte) {
  if (at == TRIE_OFF || t->n_nodes == 0) return TRIE_OFF;
  const trie_node *n = &t->nodes[at];
  const struct trie_edge *e = t->edges + n->child;
  uint32_t low = 0, high = n->n_children;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (e[middle].byte == byte) return e[middle].to;
    if (e[middle].byte < byte) low = middle + 1;
    else high = middle;
  }
  return TRIE_OFF;
}

/* ---- what a state means for a value ---- */

static bool has_member(const text_local *l, const text_trie *t, uint32_t at) {
  return at != TRIE_OFF && l->members[t->nodes[at].last] > l->members[t->nodes[at].first];
}

static bool is_member(const text_local *l, const text_trie *t, uint32_t at) {
  if (at == TRIE_OFF || !t->nodes[at].ends) return false;
  uint32_t string = t->nodes[at].first;
  return l->members[string + 1] > l->members[string];
}

static bool local_is_alive(text_automaton *t, const text_local *l, const text_state *s) {
  uint32_t needs = 0;
  if (l->members != NULL && !has_member(l, &t->trie, s->trie)) return false;
  for (uint32_t i = 0; i < l->n_regex; i++) {
    if (s->regex[l->regex[i]] == REGEX_DEAD) return false;
    if (l->max_length == MASK_NONE || s->lexical != TEXT_CHAR) continue;
    uint32_t more = regex_needs(t->regexes[l->regex[i]], s->regex[l->regex[i]]);
    if (more > needs) needs = more;
  }
  return l->max_length == MASK_NONE || (uint64_t)s->count + needs <= l->max_length;
}

static bool local_accepts(const text_automaton *t, const text_local *l, const text_state *s) {
  if (l->members != NULL && !is_member(l, &t->trie, s->trie)) return false;
  for (uint32_t i = 0; i < l->n_regex; i++)
    if (!regex_accepts(t->regexes[l->regex[i]], s->regex[l->regex[i]])) return false;
  return s->count >= l->min_length && (l->max_length == MASK_NONE || s->count <= l->max_length);
}

static bool is_free(const text_automaton *t, const text_state *s) {
  if (t->count_cap > 0) return false;
  for (uint32_t i = 0; i < t->n_locals; i++) {
    if (t->locals[i].members != NULL) return false;
    for (uint32_t k = 0; k < t->locals[i].n_regex; k++)
      if (!regex_is_all(t->regexes[t->locals[i].regex[k]], s->regex[t->locals[i].regex[k]])) return false;
  }
  return true;
}

/* A lower bound of the characters that all locals together still need. */
static uint32_t needs_of(text_automaton *t, const text_state *s) {
  uint32_t needs = 0;
  if (t->max_length == MASK_NONE) return 0;
  for (uint32_t i = 0; i < t->n_regexes; i++) {
    uint32_t one = regex_needs(t->regexes[i], s->regex[i]);
    if (one > needs) needs = one;
  }
  return needs; /* within an escape: settle_escape */
}

/* Settles what a state of a value means; false when nothing can come of it. */
static bool judge(text_automaton *t, text_state *s) {
  mask_rule *r = t->rule;
  plan *p = t->plan;
  uint64_t small[16] = {0}, *failed = p->words <= 8 ? small : mask_take(r, 2 * p->words * sizeof *failed), *refusing;
  bool any = false, fatal = false;
  if (failed == NULL) return false;
  refusing = failed + p->words;
  memcpy(failed, t->own_failed, p->words * sizeof *failed);
  memcpy(refusing, t->own_failed, p->words * sizeof *failed);
  for (uint32_t i = 0; i < t->n_locals; i++) {
    if (!local_is_alive(t, &t->locals[i], s)) {
      bit_set(failed, t->locals[i].local);
      any = true;
    }
    if (!local_accepts(t, &t->locals[i], s)) bit_set(refusing, t->locals[i].local);
  }
  if (any) {
    /* the others are open, whatever they are: done nothing */
    uint64_t none[16] = {0}, *done = p->words <= 16 ? none : mask_take(r, p->words * sizeof *done);
    if (done == NULL || mask_plan_is_lost(r, p, failed, done)) return false;
  }
  if (s->lexical == TEXT_CHAR) {
    s->failed = mask_plan_judge(r, p, refusing, NULL, &fatal);
    s->may_close = !fatal && r->failed == BASE_OK;
    s->is_free = is_free(t, s);
  }
  s->needs = needs_of(t, s);
  return true;
}

/* ---- states ---- */

/* The state that equals `like`, whose arrays may lie on the stack. */
static text_state *intern(text_automaton *t, const text_state *like) {
  mask_rule *r = t->rule;
  uint64_t key = mask_mix(like->lexical | (uint64_t)like->trie << 8, like->count);
  if (t->n_regexes > 0) key = mask_mix_bytes(key, like->regex, t->n_regexes * sizeof *like->regex);
  for (uint32_t i = 0; i < t->n_subs; i++)
    key = mask_mix(key, like->subs[i] == &mask_text_dead ? 0 : like->subs[i]->id);
  text_state *s = mask_map_get(&t->states, key);
  if (s != NULL) return s;
  s = mask_take(r, sizeof *s);
  uint32_t *regexes = mask_take(r, t->n_regexes * sizeof *regexes);
  text_state **subs = mask_take(r, t->n_subs * sizeof *subs);
  if (r->failed != BASE_OK || s == NULL) return &mask_text_dead;
  *s = *like;
  s->automaton = t;
  s->regex = regexes;
  s->subs = subs;
  s->next = NULL;
  s->reach = NULL;
  s->stamp = 0;
  s->is_free = s->may_close = false;
  s->failed = NULL;
  s->id = ++r->ids;
  if (t->n_regexes > 0) memcpy(regexes, like->regex, t->n_regexes * sizeof *regexes);
  if (t->n_subs > 0) memcpy(subs, like->subs, t->n_subs * sizeof *subs);
  s->alive = 1;
  for (uint32_t i = 0; i < t->n_regexes; i++) s->alive = mask_mix(s->alive, regexes[i] != REGEX_DEAD);
  for (uint32_t i = 0; i < t->n_subs; i++) s->alive = mask_mix(s->alive, subs[i] != &mask_text_dead);
  text_state *kept = t->is_key || judge(t, s) ? s : &mask_text_dead;
  if (t->is_key) s->may_close = s->lexical == TEXT_CHAR;
  if (r->failed != BASE_OK) return &mask_text_dead;
  if (!mask_map_put(&t->states, &r->pool, key, kept)) mask_fail(r, r->pool.failed);
  return kept;
}

/* One byte of the string's content (decoded) goes through the parts. */
static void feed(text_automaton *t, text_state *s, uint8_t byte) {
  s->trie = trie_step(&t->trie, s->trie, byte);
  for (uint32_t i = 0; i < t->n_regexes; i++) s->regex[i] = regex_next(t->regexes[i], s->regex[i], byte);
  if ((byte & 0xC0) != 0x80 && s->count < t->count_cap) s->count++;
}

static bool lead_byte(text_state *s, uint8_t b) {
  if (b < 0xC2 || b > 0xF4) return false;
  s->lexical = b < 0xE0 ? MORE_1 : b == 0xE0 ? AFTER_E0 : b == 0xED ? AFTER_ED : b < 0xF0 ? MORE_2
               : b == 0xF0 ? AFTER_F0 : b == 0xF4 ? AFTER_F4 : MORE_3;
  return true;
}

static bool continuation(text_state *s, uint8_t b) {
  static const struct {
    uint8_t low, high, next;
  } rule[] = {{0, 0, 0},          {0x80, 0xBF, TEXT_CHAR}, {0x80, 0xBF, MORE_1}, {0x80, 0xBF, MORE_2},
              {0xA0, 0xBF, MORE_1}, {0x80, 0x9F, MORE_1},    {0x90, 0xBF, MORE_2}, {0x80, 0x8F, MORE_2}};
  if (b < rule[s->lexical].low || b > rule[s->lexical].high) return false;
  s->lexical = rule[s->lexical].next;
  return true;
}

static int hex_of(uint8_t b, bool lower_only) {
  if (b >= '0' && b <= '9') return b - '0';
  if (b >= 'a' && b <= 'f') return b - 'a' + 10;
  return b >= 'A' && b <= 'F' && !lower_only ? b - 'A' + 10 : -1;
}

/* Bytes of an escape. *content: the character it stands for, once it is complete; -1 before. */
static bool escape_byte(text_state *s, uint8_t b, bool key, int *content) {
  static const char letters[] = "ntrbf\"\\/", meaning[] = "\n\t\r\b\f\"\\/";
  *content = -1;
  if (s->lexical == ESCAPE) {
    if (b == 'u') {
      s->lexical = ESCAPE_U;
      return true;
    }
    const char *at = b == 0 ? NULL : strchr(letters, b);
    if (at == NULL || (key && b == '/')) return false;
    *content = meaning[at - letters];
  } else if (s->lexical < ESCAPE_U00) {
    if (b != '0') return false;
    s->lexical++;
    return true;
  } else if (s->lexical == ESCAPE_U00) {
    if (b != '0' && b != '1') return false;
    s->lexical = b == '0' ? ESCAPE_U000 : ESCAPE_U001;
    return true;
  } else {
    int digit = hex_of(b, key);
    int c = s->lexical == ESCAPE_U000 ? digit : 16 + digit;
    /* a key has one spelling, so that equal keys are equal bytes */
    if (digit < 0 || (key && c != 0 && c != 11 && c >= 8 && c <= 13)) return false;
    *content = c;
  }
  s->lexical = TEXT_CHAR;
  return true;
}

bool mask_text_in_escape(const text_state *s) {
  return s->lexical >= ESCAPE;
}

uint32_t mask_text_spell(uint32_t lexical, uint8_t byte, bool key, bool *counts) {
  text_state s = {.lexical = lexical};
  int content;
  *counts = false;
  if (lexical >= ESCAPE) return escape_byte(&s, byte, key, &content) ? s.lexical : TEXT_BAD;
  if (lexical != TEXT_CHAR) return continuation(&s, byte) ? s.lexical : TEXT_BAD;
  if (byte == '"') return TEXT_CLOSED;
  *counts = true;
  if (byte == '\\') return ESCAPE;
  if (byte < 0x20 || (byte >= 0x80 && !lead_byte(&s, byte))) return TEXT_BAD;
  return s.lexical;
}

/* What an escape that has begun still needs: as much as the least that it can be. False: it cannot be ended. */
static bool settle_escape(text_state *s) {
  uint32_t least = MASK_NONE;
  for (const char *b = "nu\"\\trbf/0123456789abcdefABCDEF"; *b != '\0'; b++) {
    const text_state *next = mask_text_step(s, (uint8_t)*b);
    if (next != &mask_text_dead && next->needs < least) least = next->needs;
  }
  if (least == MASK_NONE) return false;
  s->needs = least;
  return true;
}

static bool advance(text_automaton *t, text_state *s, uint8_t byte) {
  int content = -1;
  if (s->lexical == TEXT_CHAR) {
    if (byte == '\\') {
      s->lexical = ESCAPE;
      return true;
    }
    if (byte < 0x20 || byte == '"') return false;
    if (byte >= 0x80 && !lead_byte(s, byte)) return false;
    content = byte;
  } else if (s->lexical < ESCAPE) {
    if (!continuation(s, byte)) return false;
    content = byte;
  } else if (!escape_byte(s, byte, t->is_key, &content)) {
    return false;
  }
  if (content >= 0) feed(t, s, (uint8_t)content);
  return true;
}

static text_state *make_next(text_state *from, uint8_t byte) {
  text_automaton *t = from->automaton;
  uint32_t regexes[32], *more = t->n_regexes <= 32 ? regexes : mask_take(t->rule, t->n_regexes * sizeof *more);
  text_state *subs[8], **more_subs = t->n_subs <= 8 ? subs : mask_take(t->rule, t->n_subs * sizeof *more_subs);
  if (more == NULL || more_subs == NULL) return &mask_text_dead;
  text_state s = *from;
  s.regex = more;
  s.subs = more_subs;
  if (t->n_regexes > 0) memcpy(more, from->regex, t->n_regexes * sizeof *more);
  for (uint32_t i = 0; i < t->n_subs; i++)
    more_subs[i] = from->subs[i] == &mask_text_dead ? from->subs[i] : mask_text_step(from->subs[i], byte);
  if (!advance(t, &s, byte)) return &mask_text_dead;
  for (uint32_t i = 0; i < t->n_regexes; i++)
    if (regex_failed(t->regexes[i]) != BASE_OK) {
      mask_fail(t->rule, regex_failed(t->regexes[i]));
      return &mask_text_dead;
    }
  text_state *next = intern(t, &s);
  bool plain = t->is_key ? t->n_regexes + t->n_subs == 0 : t->n_locals == 0;
  if (next != &mask_text_dead && next->lexical >= ESCAPE && !plain && !settle_escape(next)) return &mask_text_dead;
  return next;
}

/* ---- classes of bytes ---- */

/* What UTF-8 and JSON make of a byte outside of escapes. */
static uint8_t spelling_class(uint32_t b) {
  if (b < 0x80) return b < 0x20 ? 0 : b == '"' ? 1 : b == '\\' ? 2 : 3;
  if (b < 0xC2) return b < 0x90 ? 4 : b < 0xA0 ? 5 : b < 0xC0 ? 6 : 0;
  if (b < 0xF0) return b < 0xE0 ? 7 : b == 0xE0 ? 8 : b == 0xED ? 9 : 10;
  return b == 0xF0 ? 11 : b < 0xF4 ? 12 : b == 0xF4 ? 13 : 0;
}

/* Splits the classes by `key`. */
static void refine(text_automaton *t, const uint8_t key[256]) {
  enum { SLOTS = 512 };
  uint32_t pair[SLOTS];
  uint8_t class_of[SLOTS];
  memset(pair, 0xFF, sizeof pair);
  t->n_classes = 0;
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t both = (uint32_t)t->class_of[b] << 8 | key[b], at = (both * 0x9E3779B1u) >> 23;
    while (pair[at] != both && pair[at] != MASK_NONE) at = (at + 1) & (SLOTS - 1);
    if (pair[at] == MASK_NONE) {
      pair[at] = both;
      class_of[at] = (uint8_t)t->n_classes++;
    }
    t->class_of[b] = class_of[at];
  }
}

/* Bytes that spelling, regular expressions, the trie and the automata of propertyNames do not tell apart. */
static void classify(text_automaton *t) {
  uint8_t key[256];
  for (uint32_t b = 0; b < 256; b++) t->class_of[b] = spelling_class(b);
  memset(key, 0, sizeof key);
  for (uint32_t i = 0; i < t->trie.n_edges; i++) key[t->trie.edges[i].byte] = t->trie.edges[i].byte;
  refine(t, key);
  for (uint32_t i = 0; i < t->n_regexes; i++) {
    for (uint32_t b = 0; b < 256; b++) key[b] = regex_class(t->regexes[i], (uint8_t)b);
    refine(t, key);
  }
  for (uint32_t i = 0; i < t->n_subs; i++) {
    if (t->subs_start[i] == &mask_text_dead) continue;
    text_automaton *sub = t->subs_start[i]->automaton;
    if (sub->n_classes == 0) classify(sub);
    refine(t, sub->class_of);
  }
}

enum { IN_ESCAPE = 30 };

static uint32_t escape_class(uint8_t b) {
  static const char marks[] = "\"\\/nrtu";
  if (b >= '0' && b <= '9') return 8u + b - '0';
  if (b >= 'a' && b <= 'f') return 18u + b - 'a';
  if (b >= 'A' && b <= 'F') return 24u + b - 'A';
  const char *at = b == 0 ? NULL : strchr(marks, b);
  return at == NULL ? 0 : 1 + (uint32_t)(at - marks);
}

text_state *mask_text_step(text_state *s, uint8_t byte) {
  text_automaton *t = s->automaton;
  if (s->next == NULL) {
    if (t->n_classes == 0) classify(t);
    s->next = mask_take(t->rule, (s->lexical >= ESCAPE ? IN_ESCAPE : t->n_classes) * sizeof *s->next);
    if (s->next == NULL) return &mask_text_dead;
  }
  text_state **next = &s->next[s->lexical >= ESCAPE ? escape_class(byte) : t->class_of[byte]];
  if (*next == NULL) {
    text_state *made = make_next(s, byte);
    if (t->rule->failed != BASE_OK) return &mask_text_dead;
    *next = made;
  }
  return *next;
}

static text_state *start_at(text_automaton *t, uint32_t trie) {
  mask_rule *r = t->rule;
  text_state s = {.trie = trie};
  s.regex = mask_take(r, t->n_regexes * sizeof *s.regex);
  s.subs = t->subs_start;
  if (s.regex == NULL) return &mask_text_dead;
  for (uint32_t i = 0; i < t->n_regexes; i++) s.regex[i] = REGEX_START;
  return intern(t, &s);
}

text_state *mask_text_start(text_automaton *t) {
  if (t->start == NULL) t->start = start_at(t, t->trie.n_nodes > 0 ? 0 : TRIE_OFF);
  return t->start;
}

text_state *mask_text_nameless(text_state *s) {
  text_state like = *s;
  if (s->trie == TRIE_OFF) return s;
  like.trie = TRIE_OFF;
  return intern(s->automaton, &like);
}

/* ---- making automata ---- */

int mask_compare_slices(const void *x, const void *y) {
  return base_slice_compare(*(const base_slice *)x, *(const base_slice *)y);
}

static uint32_t find_string(const text_automaton *t, base_slice s) {
  const base_slice *found =
      t->n_strings == 0 ? NULL : bsearch(&s, t->strings, t->n_strings, sizeof s, mask_compare_slices);
  return found != NULL ? (uint32_t)(found - t->strings) : MASK_NONE;
}

/* The strings of all enums, sorted, each once. */
static bool gather_strings(mask_rule *r, text_automaton *t) {
  const plan *p = t->plan;
  uint32_t n = 0, kept = 0;
  for (uint32_t i = 0; i < p->n_locals; i++) n += p->locals[i].n->has_enum ? p->locals[i].n->n_values : 0;
  if (n == 0) return true;
  t->strings = mask_take(r, n * sizeof *t->strings);
  if (t->strings == NULL) return false;
  n = 0;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *d = p->locals[i].n;
    for (uint32_t k = 0; d->has_enum && k < d->n_values; k++)
      if (jdoc_kind_at(&r->doc, d->values[k]) == JDOC_STRING) t->strings[n++] = jdoc_text(&r->doc, d->values[k]);
  }
  if (n > 1) qsort(t->strings, n, sizeof *t->strings, mask_compare_slices);
  for (uint32_t i = 0; i < n; i++)
    if (kept == 0 || mask_compare_slices(&t->strings[kept - 1], &t->strings[i]) != 0)
      t->strings[kept++] = t->strings[i];
  t->n_strings = kept;
  if (mask_text_build_trie(&r->pool, &t->trie, t->strings, kept)) return true;
  mask_fail(r, r->pool.failed);
  return false;
}

static bool gather_members(mask_rule *r, text_automaton *t, text_local *l, const node *n) {
  l->members = mask_take(r, (t->n_strings + 1u) * sizeof *l->members);
  if (l->members == NULL) return false;
  for (uint32_t k = 0; k < n->n_values; k++)
    if (jdoc_kind_at(&r->doc, n->values[k]) == JDOC_STRING)
      l->members[find_string(t, jdoc_text(&r->doc, n->values[k])) + 1] = 1;
  for (uint32_t i = 0; i < t->n_strings; i++) l->members[i + 1] += l->members[i];
  return true;
}

static uint32_t regex_slot(text_automaton *t, regex *r) {
  for (uint32_t i = 0; i < t->n_regexes; i++)
    if (t->regexes[i] == r) return i;
  t->regexes[t->n_regexes] = r;
  return t->n_regexes++;
}

static bool gather_local(mask_rule *r, text_automaton *t, uint32_t index) {
  const node *n = t->plan->locals[index].n;
  text_local *l = &t->locals[t->n_locals];
  *l = (text_local){.local = index, .min_length = n->min_length, .max_length = n->max_length};
  for (uint32_t k = 0; k < n->n_regexes; k++) l->regex[l->n_regex++] = regex_slot(t, r->regexes[n->regexes[k]]);
  if (n->has_enum && !gather_members(r, t, l, n)) return false;
  if (n->min_length > t->count_cap) t->count_cap = n->min_length;
  if (n->max_length < MASK_NONE - 1 && n->max_length + 1 > t->count_cap) t->count_cap = n->max_length + 1;
  t->n_locals++;
  return true;
}

/* Every local must hold: their lengths become the automaton's. */
static void count_outside(text_automaton *t) {
  for (uint32_t i = 0; i < t->n_locals; i++) {
    text_local *l = &t->locals[i];
    if (l->min_length > t->min_length) t->min_length = l->min_length;
    if (l->max_length < t->max_length) t->max_length = l->max_length;
    l->min_length = 0;
    l->max_length = MASK_NONE;
  }
  t->count_cap = 0;
}

text_automaton *mask_text_of_plan(mask_rule *r, plan *p, const uint64_t *own_failed, bool count_inside) {
  text_automaton *t = mask_take(r, sizeof *t);
  uint32_t n_regexes = 0;
  if (t == NULL) return NULL;
  *t = (text_automaton){.rule = r, .plan = p, .own_failed = own_failed, .max_length = MASK_NONE};
  for (uint32_t i = 0; i < p->n_locals; i++) n_regexes += p->locals[i].n->n_regexes;
  t->regexes = mask_take(r, (n_regexes + 1) * sizeof(regex *));
  t->locals = mask_take(r, (p->n_locals + 1) * sizeof *t->locals);
  if (r->failed != BASE_OK || !gather_strings(r, t)) return NULL;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    if (bit_has(own_failed, i) || !(p->locals[i].n->asserts & KIND_BIT(JDOC_STRING))) continue;
    if (!gather_local(r, t, i)) return NULL;
  }
  if (!count_inside && p->plain && p->n_all == p->n_roots) count_outside(t);
  return t;
}

text_automaton *mask_text_of_keys(mask_rule *r, object_names *names, regex **regexes, uint32_t n_regexes,
                                  text_state **subs, uint32_t n_subs) {
  text_automaton *t = mask_take(r, sizeof *t);
  if (t == NULL) return NULL;
  *t = (text_automaton){.rule = r,
                        .is_key = true,
                        .max_length = MASK_NONE,
                        .strings = names->name,
                        .n_strings = names->n_names,
                        .regexes = regexes,
                        .n_regexes = n_regexes,
                        .subs_start = subs,
                        .n_subs = n_subs};
  if (!mask_text_build_trie(&r->pool, &t->trie, t->strings, t->n_strings)) {
    mask_fail(r, r->pool.failed);
    return NULL;
  }
  return t;
}
