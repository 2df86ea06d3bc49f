/* mask/grammar, private. A grammar as text becomes parts (grammar.c), parts become a program of bytes
 * (grammar_program.c), and a text runs it as a set of stacks (grammar_run.c). Everything lies in the rule's pool. */
#ifndef MASK_GRAMMAR_H
#define MASK_GRAMMAR_H

#include "mask/internal.h"

typedef enum grammar_kind {
  GRAMMAR_TEXT,
  GRAMMAR_CLASS,  /* one character of ranges, sorted and apart */
  GRAMMAR_CALL,   /* rule `rule` */
  GRAMMAR_SEQ,    /* children one behind the other */
  GRAMMAR_ANY_OF, /* one of the children */
  GRAMMAR_REPEAT  /* the only child, min to max times (max MASK_NONE: no bound) */
} grammar_kind;

typedef struct grammar_range {
  uint32_t first, last;
} grammar_range;

typedef struct grammar_part {
  grammar_kind kind;
  struct grammar_part *child, *next;
  base_slice text;
  grammar_range *ranges;
  uint32_t n_ranges, rule, min, max;
} grammar_part;

typedef struct grammar_rule {
  base_slice name;
  grammar_part *body; /* NULL: used, not defined */
  uint32_t line, start; /* where it is first named; its place in the program */
  bool reached, empty, ends; /* from root; may be the empty text; has a text at all */
  uint8_t colour; /* of the search for left recursion: 0 not seen, 1 under way, 2 done */
} grammar_rule;

typedef enum grammar_op_kind { OP_BYTE, OP_JUMP, OP_SPLIT, OP_CALL, OP_RETURN } grammar_op_kind;

typedef struct grammar_op {
  uint8_t kind, first, last; /* OP_BYTE: first..last, then a */
  uint32_t a, b; /* OP_SPLIT: both; OP_CALL: a is the place called, b where it comes back to */
} grammar_op;

/* A place in the program and where it returns to: interned, so that equal stacks are the same pointer. */
typedef struct grammar_stack {
  struct grammar_stack *up;
  uint32_t at, id;
  uint64_t seen; /* the closure that came by last */
} grammar_stack;

/* All places where the text so far may be: interned like stacks. `next` is by class of byte, NULL where not made. */
struct grammar_state {
  uint32_t n_stacks;
  bool accepts;
  grammar_stack **stacks;
  struct grammar_state *next[];
};

struct grammar {
  mask_pool *pool;
  grammar_rule *rules;
  uint32_t n_rules, cap_rules;
  mask_map rule_by_name;
  grammar_op *ops;
  uint32_t n_ops, cap_ops;
  uint8_t class_of[256];
  uint32_t n_classes;
  uint32_t effort; /* of the checks */
  /* the run */
  mask_map stacks, states;
  grammar_state *start;
  grammar_stack **work, **found; /* scratch of one closure */
  uint32_t n_work, n_found, n_stacks;
  bool accepts;
  uint64_t closures;
  base_status failed; /* sticks */
};

/* Refuses rules that are undefined, and of those that root leads to the left recursive and endless ones; then fills in
 * ops. */
base_status mask_grammar_check(grammar *g, base_error *err);
base_status mask_grammar_program(grammar *g, base_error *err);
/* Scratch and the state of the empty text. */
bool mask_grammar_ready(grammar *g);

#endif
