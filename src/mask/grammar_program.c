/* mask/grammar_program: what a grammar may not be, and its rules as a program over bytes. */
#include <stdio.h>

#include "mask/grammar.h"

enum { MAX_OPS = 1 << 20, MAX_EFFORT = 1 << 22, MAX_DEPTH = 4000, MAX_SETTLING = 1 << 25 };

/* ---- what is refused ---- */

static base_status refuse_rule(const grammar_rule *r, base_status code, const char *what, base_error *err) {
  char where[32];
  snprintf(where, sizeof where, "line %u", r->line);
  int len = r->name.len < 80 ? (int)r->name.len : 80;
  return base_fail(err, code, where, "the rule \"%.*s\" %s", len, r->name.ptr, what);
}

static void reach(grammar *g, const grammar_part *p, uint32_t *queue, uint32_t *n) {
  if (p->kind == GRAMMAR_CALL && !g->rules[p->rule].reached) {
    g->rules[p->rule].reached = true;
    queue[(*n)++] = p->rule;
  }
  for (const grammar_part *c = p->child; c != NULL; c = c->next) reach(g, c, queue, n);
}

static base_status check_reach(grammar *g, base_error *err) {
  uint32_t *queue = mask_pool_take(g->pool, g->n_rules * sizeof *queue), n = 1;
  if (queue == NULL) return base_fail(err, g->pool->failed, "grammar", "out of memory");
  for (uint32_t i = 0; i < g->n_rules; i++)
    if (g->rules[i].body == NULL) return refuse_rule(&g->rules[i], BASE_EFORMAT, "is not defined", err);
  g->rules[0].reached = true;
  queue[0] = 0;
  for (uint32_t i = 0; i < n; i++) reach(g, g->rules[queue[i]].body, queue, &n);
  return BASE_OK;
}

/* empty: may the part be the empty text; otherwise: has it a text at all, as far as is known of the rules? */
static bool holds(grammar *g, const grammar_part *p, bool empty) {
  const grammar_part *c = p->child;
  g->effort++;
  switch (p->kind) {
    case GRAMMAR_TEXT: return !empty || p->text.len == 0;
    case GRAMMAR_CLASS: return !empty;
    case GRAMMAR_CALL: return empty ? g->rules[p->rule].empty : g->rules[p->rule].ends;
    case GRAMMAR_REPEAT: return p->min == 0 || holds(g, c, empty);
    case GRAMMAR_SEQ:
      while (c != NULL && holds(g, c, empty)) c = c->next;
      return c == NULL;
    case GRAMMAR_ANY_OF:
      while (c != NULL && !holds(g, c, empty)) c = c->next;
      return c != NULL;
  }
  return false;
}

/* Forwards and backwards by turns: rules mostly lead to those near them. */
static void settle(grammar *g) {
  bool back = false;
  for (bool more = true; more && g->effort < MAX_SETTLING; back = !back) {
    more = false;
    for (uint32_t k = 0; k < g->n_rules; k++) {
      grammar_rule *r = &g->rules[back ? g->n_rules - 1 - k : k];
      bool empty = r->empty || holds(g, r->body, true), ends = r->ends || holds(g, r->body, false);
      more = more || empty != r->empty || ends != r->ends;
      r->empty = empty;
      r->ends = ends;
    }
  }
}

/* Everything that may stand at the very beginning of p; a rule that is under way there is left recursive. */
static base_status check_left(grammar *g, const grammar_part *p, uint32_t depth, base_error *err) {
  base_status status = BASE_OK;
  if (depth > MAX_DEPTH) return base_fail(err, BASE_ELIMIT, "grammar", "rules begin with one another too many deep");
  if (p->kind == GRAMMAR_CALL) {
    grammar_rule *r = &g->rules[p->rule];
    if (r->colour == 1)
      return refuse_rule(r, BASE_EUNSUPPORTED, "is left recursive: it begins with itself; use a repetition", err);
    if (r->colour == 2) return BASE_OK;
    r->colour = 1;
    status = check_left(g, r->body, depth + 1, err);
    r->colour = 2;
    return status;
  }
  for (const grammar_part *c = p->child; c != NULL && status == BASE_OK; c = c->next) {
    status = check_left(g, c, depth + 1, err);
    if (p->kind == GRAMMAR_SEQ && !holds(g, c, true)) break;
  }
  return status;
}

base_status mask_grammar_check(grammar *g, base_error *err) {
  const grammar_part root = {.kind = GRAMMAR_CALL, .rule = 0};
  base_status status = check_reach(g, err);
  if (status != BASE_OK) return status;
  settle(g);
  if (g->effort >= MAX_SETTLING)
    return base_fail(err, BASE_ELIMIT, "grammar", "its rules lead to one another in too many steps");
  for (uint32_t i = 0; i < g->n_rules; i++)
    if (g->rules[i].reached && !g->rules[i].ends)
      return refuse_rule(&g->rules[i], BASE_EFORMAT, "never ends: no text fulfils it", err);
  /* beginnings that root does not lead to may be reached behind other text */
  for (uint32_t i = 0; i < g->n_rules && status == BASE_OK; i++) {
    grammar_part call = root;
    call.rule = i;
    if (g->rules[i].reached) status = check_left(g, &call, 0, err);
  }
  return status;
}

/* ---- the program ---- */

typedef struct writer {
  grammar *g;
  uint32_t effort; /* parts written: repetitions write theirs again */
  base_status failed;
} writer;

static uint32_t put(writer *w, grammar_op op) {
  grammar *g = w->g;
  if (w->failed != BASE_OK) return 0;
  if (g->n_ops == MAX_OPS) {
    w->failed = BASE_ELIMIT;
    return 0;
  }
  grammar_op *grown = mask_pool_grow(g->pool, g->ops, sizeof *grown, g->n_ops, &g->cap_ops);
  if (grown == NULL) {
    w->failed = g->pool->failed;
    return 0;
  }
  g->ops = grown;
  g->ops[g->n_ops] = op;
  return g->n_ops++;
}

static void put_byte(writer *w, uint8_t first, uint8_t last) {
  put(w, (grammar_op){.kind = OP_BYTE, .first = first, .last = last, .a = w->g->n_ops + 1});
}

/* One of several ways: each begins with a split to itself and the next one, and ends in a jump to where all end. The
 * jumps are chained until then. */
typedef struct ways {
  uint32_t split, jumps;
} ways;

static void begin_way(writer *w, ways *s, bool last) {
  s->split = MASK_NONE;
  if (!last) s->split = put(w, (grammar_op){.kind = OP_SPLIT, .a = w->g->n_ops + 1});
}

static void end_way(writer *w, ways *s) {
  if (s->split == MASK_NONE) return;
  uint32_t jump = put(w, (grammar_op){.kind = OP_JUMP, .a = s->jumps});
  if (w->failed != BASE_OK) return;
  s->jumps = jump;
  w->g->ops[s->split].b = w->g->n_ops;
}

static void join_ways(writer *w, uint32_t jump) {
  while (w->failed == BASE_OK && jump != MASK_NONE) {
    uint32_t next = w->g->ops[jump].a;
    w->g->ops[jump].a = w->g->n_ops;
    jump = next;
  }
}

static int utf8_length(uint32_t c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static void put_bytes_of_range(writer *w, uint32_t first, uint32_t last) {
  static const uint8_t head[] = {0, 0, 0xC0, 0xE0, 0xF0};
  int n = utf8_length(first);
  for (int i = 0; i < n; i++) {
    uint32_t shift = 6 * (uint32_t)(n - 1 - i), mark = i == 0 ? head[n] : 0x80, keep = i == 0 ? 0xFF : 0x3F;
    put_byte(w, (uint8_t)(mark | ((first >> shift) & keep)), (uint8_t)(mark | ((last >> shift) & keep)));
  }
}

/* Cuts what begins at `first` off where all characters up to it are one product of byte ranges; returns its end. */
static uint32_t cut(uint32_t first, uint32_t last) {
  static const uint32_t most[] = {0, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
  int n = utf8_length(first);
  if (last > most[n]) last = most[n];
  for (int i = 1; i < n; i++) {
    uint32_t low = (1u << (6 * i)) - 1;
    if ((first & ~low) == (last & ~low)) break;
    if ((first & low) != 0) return first | low;
    if ((last & low) != low) {
      /* whole blocks first; what is left of the last one comes next */
      last = (last & ~low) - 1;
    }
  }
  return last;
}

static void put_class(writer *w, const grammar_part *p) {
  ways s = {.jumps = MASK_NONE};
  for (uint32_t i = 0; i < p->n_ranges; i++) {
    uint32_t first = p->ranges[i].first, last = p->ranges[i].last;
    for (uint32_t to; first <= last && w->failed == BASE_OK; first = to + 1) {
      to = cut(first, last);
      begin_way(w, &s, i + 1 == p->n_ranges && to == last);
      put_bytes_of_range(w, first, to);
      end_way(w, &s);
    }
  }
  join_ways(w, s.jumps);
}

static void put_part(writer *w, const grammar_part *p);

static void put_repeat(writer *w, const grammar_part *p) {
  uint32_t jumps = MASK_NONE;
  for (uint32_t i = 0; i < p->min && w->failed == BASE_OK; i++) put_part(w, p->child);
  if (p->max == MASK_NONE) {
    uint32_t split = put(w, (grammar_op){.kind = OP_SPLIT, .a = w->g->n_ops + 1});
    put_part(w, p->child);
    put(w, (grammar_op){.kind = OP_JUMP, .a = split});
    if (w->failed == BASE_OK) w->g->ops[split].b = w->g->n_ops;
    return;
  }
  for (uint32_t i = p->min; i < p->max && w->failed == BASE_OK; i++) {
    put(w, (grammar_op){.kind = OP_SPLIT, .a = w->g->n_ops + 2, .b = w->g->n_ops + 1});
    uint32_t jump = put(w, (grammar_op){.kind = OP_JUMP, .a = jumps});
    if (w->failed == BASE_OK) jumps = jump;
    put_part(w, p->child);
  }
  join_ways(w, jumps);
}

static void put_choice(writer *w, const grammar_part *p) {
  ways s = {.jumps = MASK_NONE};
  for (const grammar_part *c = p->child; c != NULL && w->failed == BASE_OK; c = c->next) {
    begin_way(w, &s, c->next == NULL);
    put_part(w, c);
    end_way(w, &s);
  }
  join_ways(w, s.jumps);
}

static void put_part(writer *w, const grammar_part *p) {
  if (w->effort++ > MAX_EFFORT && w->failed == BASE_OK) w->failed = BASE_ELIMIT;
  if (w->failed != BASE_OK) return;
  switch (p->kind) {
    case GRAMMAR_TEXT:
      for (size_t i = 0; i < p->text.len; i++) put_byte(w, (uint8_t)p->text.ptr[i], (uint8_t)p->text.ptr[i]);
      break;
    case GRAMMAR_CLASS: put_class(w, p); break;
    case GRAMMAR_CALL: put(w, (grammar_op){.kind = OP_CALL, .a = p->rule, .b = w->g->n_ops + 1}); break;
    case GRAMMAR_REPEAT: put_repeat(w, p); break;
    case GRAMMAR_ANY_OF: put_choice(w, p); break;
    case GRAMMAR_SEQ:
      for (const grammar_part *c = p->child; c != NULL; c = c->next) put_part(w, c);
      break;
  }
}

/* Where a place leads without a choice. Jumps form no circle: each circle has the split of its repetition. */
static uint32_t behind_jumps(const grammar *g, uint32_t at) {
  while (g->ops[at].kind == OP_JUMP) at = g->ops[at].a;
  return at;
}

/* Calls go to places instead of rules; targets skip jumps, so that a call in last place is seen to be one. */
static void link_ops(grammar *g) {
  for (uint32_t i = 0; i < g->n_ops; i++) {
    grammar_op *op = &g->ops[i];
    if (op->kind == OP_CALL) op->a = g->rules[op->a].start;
    if (op->kind == OP_RETURN) continue;
    if (op->kind != OP_JUMP) op->a = behind_jumps(g, op->a);
    if (op->kind == OP_CALL || op->kind == OP_SPLIT) op->b = behind_jumps(g, op->b);
  }
}

/* Bytes that no range tells apart are one class. */
static void classify(grammar *g) {
  bool begins[257] = {true};
  for (uint32_t i = 0; i < g->n_ops; i++)
    if (g->ops[i].kind == OP_BYTE) begins[g->ops[i].first] = begins[g->ops[i].last + 1] = true;
  uint32_t class = 0;
  for (uint32_t b = 0; b < 256; b++) {
    class += b > 0 && begins[b];
    g->class_of[b] = (uint8_t)class;
  }
  g->n_classes = class + 1;
}

base_status mask_grammar_program(grammar *g, base_error *err) {
  writer w = {.g = g};
  for (uint32_t i = 0; i < g->n_rules && w.failed == BASE_OK; i++) {
    g->rules[i].start = g->n_ops;
    put_part(&w, g->rules[i].body);
    put(&w, (grammar_op){.kind = OP_RETURN});
  }
  if (w.failed == BASE_ELIMIT)
    return base_fail(err, BASE_ELIMIT, "grammar", "written out with its repetitions the grammar is too large");
  if (w.failed != BASE_OK) return base_fail(err, w.failed, "grammar", "out of memory");
  link_ops(g);
  classify(g);
  return BASE_OK;
}
