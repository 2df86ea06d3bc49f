/* regex, private: the syntax tree, the terms and the automaton on them. */
#ifndef REGEX_INTERNAL_H
#define REGEX_INTERNAL_H

#include "regex/regex.h"

/* ---- sets of code points ---- */

typedef struct regex_range {
  uint32_t first, last;
} regex_range;

/* Sorted and merged after regex_set_normalise. */
typedef struct regex_set {
  regex_range *ranges;
  uint32_t count, cap;
} regex_set;

/* ---- syntax tree: nodes in one growing array, children by index ---- */

typedef enum regex_kind {
  REGEX_N_EMPTY,  /* matches the empty text */
  REGEX_N_SET,    /* one character of set */
  REGEX_N_CAT,    /* children in order */
  REGEX_N_ALT,    /* one of the children */
  REGEX_N_REPEAT, /* child, min..max times */
  REGEX_N_BEGIN,  /* ^ */
  REGEX_N_END,    /* $ */
  REGEX_N_WORD,   /* \b; negated: \B */
  REGEX_N_AHEAD   /* (?=child); negated: (?!child) */
} regex_kind;

enum { REGEX_UNBOUNDED = UINT32_MAX, REGEX_NONE = UINT32_MAX };

typedef struct regex_node {
  regex_kind kind;
  bool negated;
  bool impure; /* has an anchor, a word boundary or look-ahead in it */
  bool looks_back; /* has ^ or a word boundary in it: what it matches depends on what came before */
  bool later_looks_back; /* in a sequence: something behind it does */
  uint32_t min, max;
  uint32_t child, next; /* first child; next sibling */
  uint32_t set;         /* index into sets */
} regex_node;

typedef struct regex_tree {
  regex_node *nodes;
  uint32_t n_nodes, cap_nodes;
  regex_set *sets;
  uint32_t n_sets, cap_sets;
  uint32_t root;
  const base_allocator *allocator;
} regex_tree;

base_status regex_parse(regex_tree *tree, base_slice pattern, bool lenient, base_error *err);
void regex_tree_free(regex_tree *tree);

/* False when memory ran out. */
bool regex_set_add(regex_set *s, uint32_t first, uint32_t last, const base_allocator *a);
void regex_set_normalise(regex_set *s);
bool regex_set_negate(regex_set *s, const base_allocator *a);
void regex_set_free(regex_set *s, const base_allocator *a);
/* Adds the code points of \p{name}; sets *known to false for a property this engine does not have. */
bool regex_set_add_property(regex_set *s, base_slice name, bool *known, const base_allocator *a);

/* ---- terms: hash-consed, so equal terms have equal numbers ---- */

typedef enum regex_op {
  REGEX_T_VOID,  /* no text */
  REGEX_T_EMPTY, /* the empty text */
  REGEX_T_ALL,   /* every text in UTF-8 */
  REGEX_T_BYTE,  /* one byte of byte set a */
  REGEX_T_CAT,   /* a then b */
  REGEX_T_REP,   /* a, min..max times */
  REGEX_T_OR,    /* list of `b` terms from lists[a] */
  REGEX_T_AND,   /* the same, intersected */
  REGEX_T_NOT,   /* complement of a over all bytes */
  REGEX_T_LOOP   /* what loops[a] is, in which this term may stand again behind a character */
} regex_op;

typedef struct regex_term {
  uint8_t op;
  bool nullable;
  bool logical; /* has AND or NOT in it: not void only by trying */
  uint16_t depth;
  uint32_t a, b, min, max;
} regex_term;

typedef struct regex_bytes_set {
  uint64_t bits[4];
} regex_bytes_set;

typedef struct regex_state {
  uint32_t term;
  uint32_t *next; /* by class of byte; NULL until first used; REGEX_NONE: not made yet */
  uint32_t needs; /* see regex_needs; REGEX_NONE: not known yet */
  uint8_t alive;  /* 0 not known, 1 yes, 2 no */
} regex_state;

struct regex {
  const base_allocator *allocator;
  size_t held, max_bytes;
  uint64_t work; /* terms and states that were looked at; see REGEX_MAX_WORK */
  uint32_t max_states;
  base_status failed;

  regex_term *terms;
  uint32_t n_terms, cap_terms;
  uint32_t *lists;
  uint32_t n_lists, cap_lists;
  uint32_t *loops; /* by number of a LOOP: its term */
  uint32_t n_loops, cap_loops, loops_depth; /* loops_depth: of all of them together */
  uint32_t *buckets; /* hash of terms, open addressing, REGEX_NONE empty */
  uint32_t n_buckets;
  struct regex_memo {
    uint32_t term, byte_class, result;
  } *memo; /* derivatives, direct-mapped; only a cache */
  uint32_t n_memo;

  regex_bytes_set *sets;
  uint32_t n_sets, cap_sets;
  uint8_t byte_class[256], representative[256];
  uint32_t any; /* the term for one character */
  uint32_t n_classes; /* 0 until all byte sets are known */

  regex_state *states;
  uint32_t n_states, cap_states;
  uint32_t *state_of; /* by term; REGEX_NONE */
  uint32_t cap_state_of;
};

/* The three that always exist. */
enum { REGEX_VOID = 0, REGEX_EMPTY = 1, REGEX_ALL = 2 };

/* Bounds what making states may take in all: about a second. */
enum { REGEX_MAX_WORK = 20000000 };
/* False: the bound is passed, and the regex has failed. */
bool regex_works(regex *r, uint32_t amount);

/* Smart constructors: they keep terms in a normal form. After a failure (r->failed) they give REGEX_VOID. */
uint32_t regex_term_bytes(regex *r, const regex_bytes_set *set);
uint32_t regex_term_cat(regex *r, uint32_t a, uint32_t b);
uint32_t regex_term_or(regex *r, uint32_t a, uint32_t b);
uint32_t regex_term_and(regex *r, uint32_t a, uint32_t b);
uint32_t regex_term_not(regex *r, uint32_t a);
uint32_t regex_term_repeat(regex *r, uint32_t a, uint32_t min, uint32_t max);
uint32_t regex_term_set(regex *r, const regex_set *s); /* one character of the set, as UTF-8 */
/* A term that is said later what it is: whether it takes the empty text has to be known. */
uint32_t regex_term_loop(regex *r, bool nullable);
void regex_term_define(regex *r, uint32_t loop, uint32_t is);
uint32_t regex_term_derive(regex *r, uint32_t term, uint32_t byte_class);
uint32_t regex_term_text(regex *r, uint32_t a); /* what of `a` is UTF-8: needed around a complement */
bool regex_terms_init(regex *r);
void regex_terms_free(regex *r);
void regex_terms_classify(regex *r); /* after the last byte set was made */
void *regex_grow(regex *r, void *ptr, size_t unit, uint32_t *cap, uint32_t need);

/* Syntax tree to the term for the whole text. */
base_status regex_translate(regex *r, const regex_tree *tree, bool whole, uint32_t *term, base_error *err);

#endif
