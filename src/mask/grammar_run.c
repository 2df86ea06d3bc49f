/* mask/grammar_run: a text under a grammar. A state is the set of all places where the text may be, each with the
 * stack of places to return to. Both are interned, so that masks can be kept by state; states are made when first
 * needed. A call in last place leaves nothing on the stack, so that a list written as right recursion stays flat. */
#include "mask/grammar.h"

enum { MAX_PLACES = 1 << 14 };

static const grammar_state dead_state;
#define DEAD ((grammar_state *)(uintptr_t)&dead_state)

static bool fail(grammar *g, base_status code) {
  if (g->failed == BASE_OK) g->failed = code;
  return false;
}

static void *take(grammar *g, size_t bytes) {
  void *out = mask_pool_take(g->pool, bytes);
  if (out == NULL) fail(g, g->pool->failed);
  return out;
}

static grammar_stack *stack_of(grammar *g, uint32_t at, grammar_stack *up) {
  uint64_t key = mask_mix(mask_mix(3, at), up == NULL ? 0 : up->id);
  grammar_stack *s = mask_map_get(&g->stacks, key);
  if (s != NULL) return s;
  s = take(g, sizeof *s);
  if (s == NULL) return NULL;
  *s = (grammar_stack){.up = up, .at = at, .id = ++g->n_stacks};
  if (mask_map_put(&g->stacks, g->pool, key, s)) return s;
  fail(g, g->pool->failed);
  return NULL;
}

static bool visit(grammar *g, uint32_t at, grammar_stack *up) {
  grammar_stack *s = stack_of(g, at, up);
  if (s == NULL) return false;
  if (s->seen == g->closures) return true;
  s->seen = g->closures;
  if (g->n_work == MAX_PLACES) return fail(g, BASE_ELIMIT);
  g->work[g->n_work++] = s;
  return true;
}

static bool visit_call(grammar *g, const grammar_op *op, grammar_stack *up) {
  if (g->ops[op->b].kind == OP_RETURN) return visit(g, op->a, up);
  grammar_stack *back = stack_of(g, op->b, up);
  return back != NULL && visit(g, op->a, back);
}

static bool visit_return(grammar *g, grammar_stack *up) {
  if (up != NULL) return visit(g, up->at, up->up);
  g->accepts = true;
  return true;
}

static void begin_closure(grammar *g) {
  g->closures++;
  g->n_work = g->n_found = 0;
  g->accepts = false;
}

/* From all places of g->work to those that wait for a byte. */
static bool close_over(grammar *g) {
  bool ok = true;
  for (uint32_t i = 0; i < g->n_work && ok; i++) {
    grammar_stack *s = g->work[i];
    const grammar_op *op = &g->ops[s->at];
    switch ((grammar_op_kind)op->kind) {
      case OP_BYTE: g->found[g->n_found++] = s; break;
      case OP_JUMP: ok = visit(g, op->a, s->up); break;
      case OP_SPLIT: ok = visit(g, op->a, s->up) && visit(g, op->b, s->up); break;
      case OP_CALL: ok = visit_call(g, op, s->up); break;
      case OP_RETURN: ok = visit_return(g, s->up); break;
    }
  }
  return ok;
}

/* The state of the places found. The order in which they were found does not matter to its key. */
static grammar_state *state_of(grammar *g) {
  uint64_t sum = 0;
  if (g->n_found == 0 && !g->accepts) return DEAD;
  for (uint32_t i = 0; i < g->n_found; i++) sum += mask_mix(17, g->found[i]->id);
  uint64_t key = mask_mix(mask_mix(sum, g->n_found), g->accepts);
  grammar_state *s = mask_map_get(&g->states, key);
  if (s != NULL) return s;
  s = take(g, sizeof *s + g->n_classes * sizeof(grammar_state *));
  grammar_stack **stacks = take(g, g->n_found * sizeof *stacks);
  if (s == NULL || stacks == NULL) return NULL;
  for (uint32_t i = 0; i < g->n_found; i++) stacks[i] = g->found[i];
  s->stacks = stacks;
  s->n_stacks = g->n_found;
  s->accepts = g->accepts;
  if (mask_map_put(&g->states, g->pool, key, s)) return s;
  fail(g, g->pool->failed);
  return NULL;
}

bool mask_grammar_ready(grammar *g) {
  g->work = take(g, MAX_PLACES * sizeof(grammar_stack *));
  g->found = take(g, MAX_PLACES * sizeof(grammar_stack *));
  if (g->failed != BASE_OK) return false;
  begin_closure(g);
  if (!visit(g, g->rules[0].start, NULL) || !close_over(g)) return false;
  g->start = state_of(g);
  return g->failed == BASE_OK;
}

grammar_state *mask_grammar_start(const grammar *g) {
  return g->start;
}

grammar_state *mask_grammar_step(grammar *g, grammar_state *s, uint8_t byte) {
  grammar_state **next = &s->next[g->class_of[byte]];
  if (*next == NULL && g->failed == BASE_OK) {
    bool ok = true;
    begin_closure(g);
    for (uint32_t i = 0; i < s->n_stacks && ok; i++) {
      const grammar_op *op = &g->ops[s->stacks[i]->at];
      if (byte >= op->first && byte <= op->last) ok = visit(g, op->a, s->stacks[i]->up);
    }
    if (ok && close_over(g)) *next = state_of(g);
  }
  return *next == DEAD ? NULL : *next;
}

bool mask_grammar_accepts(const grammar_state *s) {
  return s->accepts;
}

base_status mask_grammar_failed(const grammar *g) {
  return g->failed;
}
