/* mask/finish: a short way from where a text stands to where it may end. Depth first over the places where there is a
 * choice (which value, which key, another item or the end), what closes soonest first; inside a string, a key or a
 * number breadth first over bytes. Ways over a length are given up, and the length grows until there is one. */
#include <string.h>

#include "mask/grammar.h"

enum { MAX_CHOICES = 4096, MAX_NODES = 16384, FIRST_LENGTH = 32, MAX_STEPS = 300000, SEEN = 1 << 15 };
/* Ways out of one string or key that are tried; names of an object; how often one state is gone through where the texts
 * behind it may differ; how many beginnings of a number, of one length, are followed: all of them lead somewhere. */
enum { MAX_WAYS = 3, MAX_NAMES = 8, OFTEN = 64, NUMBERS = 24, LONGEST_NUMBER = 64 };

/* A place with a choice: which of its ways is next. */
typedef struct choice {
  point p;
  size_t len; /* of the text */
  uint32_t next;
} choice;

/* A byte of a string, key or number, and the way to it. */
typedef struct leaf_node {
  point p;
  uint32_t parent;
  uint16_t depth;
  uint8_t byte;
} leaf_node;

/* Made when a way is first looked for, and kept by the run. */
struct mask_finisher {
  mask_run *run;
  choice *choices;
  uint32_t n, cap;
  leaf_node *nodes;
  uint32_t n_nodes, cap_nodes;
  uint32_t n_seen, searches;
  uint32_t steps, allowed_steps;
  size_t most;   /* the text may become so long */
  bool too_long; /* the last search came to that */
  char way[MASK_MAX_PIECE * 8];
  uint64_t seen[SEEN]; /* hashes of states, each with its search; 0: empty */
};
typedef struct mask_finisher finisher;

static bool grow(finisher *f, void **array, size_t unit, uint32_t count, uint32_t *cap) {
  const base_allocator *a = f->run->allocator;
  if (count < *cap) return true;
  uint32_t to = *cap == 0 ? 64 : 2 * *cap;
  void *grown = a->resize(a->ctx, *array, *cap * unit, to * unit);
  if (grown == NULL) return false;
  *array = grown;
  *cap = to;
  return true;
}

static bool step(finisher *f, point *p, size_t at, uint8_t b) {
  f->run->text.ptr[at] = (char)b;
  f->steps++;
  mask_enter(f->run, p);
  return mask_step(f->run, p, at);
}

/* ---- inside a string, key, number or literal; in a rule without frames ---- */

static uint64_t leaf_hash(const point *p) {
  uint64_t h = mask_mix(p->mode, p->count);
  switch (p->mode) {
    case MODE_STRING: case MODE_KEY: return mask_mix(h, p->in.text->id);
    case MODE_FORM: return mask_mix_bytes(h, &p->in.form, sizeof p->in.form);
    case MODE_PATTERN: return mask_mix(h, p->in.pattern);
    case MODE_GRAMMAR: return mask_mix(h, (uintptr_t)p->in.grammar);
    default: return mask_mix(h, (uintptr_t)p->in.number);
  }
}

/* Is it seen less than `times` times? Counts it. */
static bool is_new(finisher *f, const point *p, uint32_t times) {
  for (uint32_t i = 0; i < times; i++) {
    uint64_t key = mask_mix(leaf_hash(p), (uint64_t)f->searches << 32 | i) | 1;
    uint32_t at = (uint32_t)(key >> 20) & (SEEN - 1);
    while (f->seen[at] != 0 && f->seen[at] != key) at = (at + 1) & (SEEN - 1);
    if (f->seen[at] == key) continue;
    f->seen[at] = key;
    f->n_seen++;
    return true;
  }
  return false;
}

static uint8_t class_of(const mask_run *run, const point *p, uint8_t b) {
  if (p->mode == MODE_PATTERN) return regex_class(run->rule->whole, b);
  if (p->mode == MODE_GRAMMAR) return run->rule->grammar->class_of[b];
  return p->in.text->automaton->n_classes > 0 ? p->in.text->automaton->class_of[b] : b;
}

/* How far a search goes: plain characters, one of each class; of all characters one of each class; all of them, and
 * each state OFTEN. */
typedef enum effort { PLAIN, CLASSES, EVERYTHING } effort;

/* The bytes to try from p: those that end it first. */
static uint32_t bytes_to_try(const mask_run *run, const point *p, effort how, uint8_t out[256]) {
  static const char order[] = "\"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_./: @";
  bool seen[256] = {false}, taken[256] = {false};
  uint32_t n = 0;
  if (p->mode == MODE_LITERAL) {
    out[0] = (uint8_t)*p->in.rest;
    return 1;
  }
  if (p->mode == MODE_NUMBER) {
    memcpy(out, "}],0123456789.-+eE", 18);
    return 18;
  }
  bool text = p->mode == MODE_STRING || p->mode == MODE_KEY, by_class = how != EVERYTHING && p->mode != MODE_FORM;
  if (text && mask_text_in_escape(p->in.text)) {
    memcpy(out, "\"\\/nrtbfu0123456789abcdef", 24);
    return 24;
  }
  for (uint32_t i = 0; i < sizeof order - 1 + 256; i++) {
    uint8_t b = i < sizeof order - 1 ? (uint8_t)order[i] : (uint8_t)(i - (sizeof order - 1));
    uint8_t class = by_class ? class_of(run, p, b) : b;
    if (taken[b] || seen[class] || (text && how == PLAIN && (b >= 0x80 || b == '\\'))) continue;
    seen[class] = taken[b] = true;
    out[n++] = b;
  }
  return n;
}

static void spell_way(finisher *f, uint32_t node_index, size_t at) {
  for (uint32_t i = node_index; i != 0; i = f->nodes[i].parent)
    f->run->text.ptr[at + f->nodes[i].depth - 1] = (char)f->nodes[i].byte;
}

static bool add_node(finisher *f, const point *p, uint32_t parent, uint8_t byte) {
  void *array = f->nodes;
  if (f->n_nodes == MAX_NODES || !grow(f, &array, sizeof *f->nodes, f->n_nodes, &f->cap_nodes)) return false;
  f->nodes = array;
  f->nodes[f->n_nodes++] =
      (leaf_node){*p, parent, parent == MASK_NONE ? 0 : (uint16_t)(f->nodes[parent].depth + 1), byte};
  return true;
}

/* The skip-th shortest way out of what p stands in, into f->way; how long, 0: none. Texts that lead to one state differ
 * where items or keys are compared: then it is gone through more than once. */
static size_t leaf_way(finisher *f, const point *p, size_t at, uint32_t skip, effort how) {
  uint32_t times = how == EVERYTHING ? OFTEN : 1;
  f->searches++;
  if (f->n_seen > SEEN / 4) {
    memset(f->seen, 0, sizeof f->seen);
    f->n_seen = 0;
  }
  uint32_t level = 0, at_level = 0; /* nodes so deep */
  f->n_nodes = 0;
  f->too_long = false;
  if (!add_node(f, p, MASK_NONE, 0)) return 0;
  for (uint32_t i = 0; i < f->n_nodes && f->steps < f->allowed_steps; i++) {
    uint8_t bytes[256];
    size_t depth = f->nodes[i].depth;
    f->too_long = at + depth + 1 > f->most || depth + 1 >= sizeof f->way;
    if (f->too_long) return 0;
    at_level = depth == level ? at_level + 1 : 0;
    level = (uint32_t)depth;
    if (p->mode == MODE_NUMBER && depth > LONGEST_NUMBER) return 0; /* zeros behind a point have no end */
    if (p->mode == MODE_NUMBER && at_level > NUMBERS) continue;
    spell_way(f, i, at);
    uint32_t n = bytes_to_try(f->run, &f->nodes[i].p, how, bytes);
    for (uint32_t k = 0; k < n; k++) {
      point next = f->nodes[i].p;
      if (!step(f, &next, at + depth, bytes[k])) continue;
      if ((next.mode != p->mode || mask_point_may_end(f->run, &next)) && skip-- == 0) {
        memcpy(f->way, f->run->text.ptr + at, depth + 1);
        return depth + 1;
      }
      if (next.mode == p->mode && is_new(f, &next, times) && !add_node(f, &next, i, bytes[k])) return 0;
    }
  }
  return 0;
}

/* ---- keys ---- */

/* The names in an order of which p's key may become one: what is required and missing, then a few others. The
 * index-th of them. */
static uint32_t name_to_try(mask_run *run, const point *p, uint32_t index) {
  const plan *of = p->top->s->plan;
  const object_names *names = of->names;
  if (p->in.text->trie == TRIE_OFF || p->in.text->lexical != TEXT_CHAR) return MASK_NONE;
  const trie_node *t = &names->automaton->trie.nodes[p->in.text->trie];
  for (uint32_t i = 0; i < of->n_locals; i++) {
    if (bit_has(p->top->s->failed, i) || of->locals[i].n->n_required == 0 ||
        !mask_local_may_hold(run->rule, p->top->s, i))
      continue;
    for (uint32_t k = 0; k < of->locals[i].n->n_required; k++) {
      uint32_t name = names->required[i][k];
      if (name < t->first || name >= t->last || bit_has(p->top->words, name)) continue;
      if (names->order != NULL && !mask_name_is_possible(run, p->top, name)) continue;
      if (index-- == 0) return name;
    }
  }
  if (index >= MAX_NAMES) return MASK_NONE;
  for (uint32_t i = t->first; i < t->last; i++)
    if (mask_name_is_possible(run, p->top, i) && index-- == 0) return i;
  return MASK_NONE;
}

static size_t spell_rest(finisher *f, const point *p, uint32_t name) {
  const object_names *names = p->top->s->plan->names;
  base_slice text = names->name[name];
  size_t n = 0;
  for (size_t k = names->automaton->trie.nodes[p->in.text->trie].depth; k < text.len && n + 8 < sizeof f->way; k++)
    n += mask_spell_key_byte((unsigned char)text.ptr[k], f->way + n);
  f->way[n++] = '"';
  return n;
}

/* The index-th of a few ways out of what c stands in. */
static size_t some_way(finisher *f, const choice *c, uint32_t index) {
  bool number = c->p.mode == MODE_NUMBER;
  size_t n = 0;
  if (index >= (number ? 1 : MAX_WAYS)) return 0;
  for (effort how = PLAIN; index == 0 && how < EVERYTHING; how++) {
    n = leaf_way(f, &c->p, c->len, 0, how);
    if (n > 0 || f->too_long || number) return n;
  }
  return leaf_way(f, &c->p, c->len, index, EVERYTHING);
}

static size_t key_way(finisher *f, const choice *c) {
  uint32_t name = name_to_try(f->run, &c->p, c->next), n = 0;
  if (name != MASK_NONE) return spell_rest(f, &c->p, name);
  while (n < c->next && name_to_try(f->run, &c->p, n) != MASK_NONE) n++;
  return some_way(f, c, c->next - n);
}

/* ---- the ways from a place ---- */

/* The next way from c, in f->way; its length, 0: there are no more. */
static size_t next_way(finisher *f, choice *c) {
  static const char value[] = "0ntf123456789-\"[{";
  const char *ways = NULL;
  switch (c->p.mode) {
    case MODE_VALUE: ways = value; break;
    case MODE_FIRST_ITEM: ways = "]0ntf123456789-\"[{"; break;
    case MODE_FIRST_KEY: ways = "}\""; break;
    case MODE_NEXT_KEY: ways = "\""; break;
    case MODE_COLON: ways = ":"; break;
    case MODE_AFTER: ways = c->p.top->s->kind == JDOC_OBJECT ? "}," : "],"; break;
    case MODE_KEY: return key_way(f, c);
    case MODE_END: return 0;
    default: return some_way(f, c, c->next);
  }
  if (c->next >= strlen(ways)) return 0;
  f->way[0] = ways[c->next];
  return 1;
}

/* Follows the next way from the last choice; takes the choice back when there is none. */
static bool advance(finisher *f) {
  choice *c = &f->choices[f->n - 1];
  point p = c->p;
  size_t len = c->len, n = next_way(f, c);
  c->next++;
  if (n == 0) {
    f->n--;
    return true;
  }
  if (len + n > f->most || f->n == MAX_CHOICES) return true;
  for (size_t i = 0; i < n; i++)
    if (!step(f, &p, len + i, (uint8_t)f->way[i])) return true;
  void *array = f->choices;
  if (!grow(f, &array, sizeof *f->choices, f->n, &f->cap)) return false;
  f->choices = array;
  f->choices[f->n++] = (choice){p, len + n, 0};
  return true;
}

/* What is being followed lies in the text, but for what searches wrote over it. */
static bool search(finisher *f, size_t *len) {
  void *array = f->choices;
  if (!grow(f, &array, sizeof *f->choices, 0, &f->cap)) return false;
  f->choices = array;
  f->choices[0] = (choice){f->run->now, f->run->len, 0};
  f->n = 1;
  while (f->n > 0 && f->steps < f->allowed_steps && mask_run_failed(f->run) == BASE_OK) {
    if (mask_point_may_end(f->run, &f->choices[f->n - 1].p)) {
      *len = f->choices[f->n - 1].len - f->run->len;
      return true;
    }
    if (!advance(f)) return false;
  }
  return false;
}

static finisher *open_finisher(mask_run *run) {
  if (run->finisher == NULL) run->finisher = base_calloc(run->allocator, 1, sizeof *run->finisher);
  if (run->finisher == NULL) return NULL;
  run->finisher->run = run;
  run->finisher->steps = 0;
  return run->finisher;
}

void mask_finisher_close(mask_run *run) {
  finisher *f = run->finisher;
  if (f == NULL) return;
  base_free(run->allocator, f->choices, f->cap * sizeof *f->choices);
  base_free(run->allocator, f->nodes, f->cap_nodes * sizeof *f->nodes);
  base_free(run->allocator, f, sizeof *f);
  run->finisher = NULL;
}

size_t mask_finisher_bytes(const mask_run *run) {
  const finisher *f = run->finisher;
  return f == NULL ? 0 : sizeof *f + f->cap * sizeof *f->choices + f->cap_nodes * sizeof *f->nodes;
}

bool mask_run_finish(mask_run *run, char *out, size_t room, size_t *len) {
  finisher *f = open_finisher(run);
  bool found = false;
  size_t length = run->finish_hint > 0 ? run->finish_hint + FIRST_LENGTH : FIRST_LENGTH;
  mask_mark mark = mask_pool_mark(&run->pool);
  *len = 0;
  if (mask_run_failed(run) != BASE_OK || !mask_run_reserve(run, run->len + room + MASK_MAX_PIECE)) return false;
  while (f != NULL && !found && f->steps < MAX_STEPS && mask_run_failed(run) == BASE_OK) {
    if (length > room) length = room;
    f->most = run->len + length;
    f->allowed_steps = f->steps + (length == room ? MAX_STEPS : MAX_STEPS / 16);
    found = search(f, len);
    if (length == room) break;
    length *= 3;
  }
  if (found) {
    run->finish_hint = *len;
    if (*len > 0) memcpy(out, run->text.ptr + run->len, *len);
  }
  mask_pool_back(&run->pool, mark);
  mask_enter(run, &run->now);
  return found;
}
