/* mask, private. Three layers: nodes are the schema as it is written, one for each subschema; plans are what is
 * asked of one value, the set of nodes that apply to it; the machine runs plans on bytes.
 *
 *   schema.c  JSON Schema to nodes (refs.c, note.c)   plan.c    nodes to plans, truth of a plan, situations
 *   text.c, reach.c  automata of strings and keys     number.c  automata of numbers
 *   machine.c one byte: frames, keys, items           walk.c    the trie, masks, tables
 *   order.c   room for a key, the schema's order
 *   inside.c  the trie inside strings and keys        memo.c    what is kept of that
 *   run.c     a text: commit, roll back, forced
 *   grammar*.c  GBNF, which shares the walk and the run alone
 *   form.c      literals around documents, each of which is a rule of its own */
#ifndef MASK_INTERNAL_H
#define MASK_INTERNAL_H

#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "mask/mask.h"
#include "regex/regex.h"

enum { MASK_NONE = 0xFFFFFFFF };

/* ---- memory that lives as long as its owner, in chunks; a mark can be gone back to ---- */

typedef struct mask_pool {
  const base_allocator *allocator;
  struct mask_chunk *first, *at;
  size_t used, held, limit;
  base_status failed; /* sticks */
} mask_pool;

typedef struct mask_mark {
  struct mask_chunk *at;
  size_t used;
} mask_mark;

void mask_pool_init(mask_pool *p, const base_allocator *a, size_t limit);
void *mask_pool_take(mask_pool *p, size_t bytes); /* zeroed, 8-byte aligned; NULL sets failed */
mask_mark mask_pool_mark(const mask_pool *p);
void mask_pool_back(mask_pool *p, mask_mark m);
void mask_pool_free(mask_pool *p);
/* Doubles an array in the pool (the old one is lost to it until it is freed). */
void *mask_pool_grow(mask_pool *p, void *old, size_t unit, uint32_t count, uint32_t *cap);

/* A map from 64-bit hashes to pointers, open addressing, in a pool. Hashes are taken as identity. */
typedef struct mask_map {
  struct mask_map_slot {
    uint64_t key;
    void *value;
  } *slot;
  uint32_t cap, count;
} mask_map;

void *mask_map_get(const mask_map *m, uint64_t key);
bool mask_map_put(mask_map *m, mask_pool *p, uint64_t key, void *value);
uint64_t mask_mix(uint64_t h, uint64_t value);
uint64_t mask_mix_bytes(uint64_t h, const void *bytes, size_t len);

/* ---- nodes ---- */

enum { NODE_ANY = 0, NODE_NEVER = 1 };
#define KIND_BIT(kind) (1u << (kind))
enum { KINDS_ALL = 127 };

typedef enum group_kind {
  GROUP_ALL,  /* allOf, $ref */
  GROUP_ANY,
  GROUP_ONE,
  GROUP_NOT,
  GROUP_IF,  /* children: if, then, else (NODE_ANY where missing) */
  GROUP_KEY  /* dependentSchemas: children[0] when the object has key */
} group_kind;

typedef struct group {
  group_kind kind;
  uint32_t *child;
  uint32_t n_children;
  base_slice key;
} group;

typedef struct property {
  base_slice name;
  uint32_t node;
  uint32_t place; /* among those of its schema, as they are written */
} property;

typedef struct key_pattern {
  uint32_t regex; /* in rule->regexes */
  uint32_t node;
} key_pattern;

typedef struct dependency {
  base_slice key;
  base_slice *needs;
  uint32_t n_needs;
} dependency;

typedef struct number_rule {
  bool has_min, has_max, min_open, max_open, has_step;
  jdoc_number min, max, step;
} number_rule;

typedef struct node {
  uint32_t at; /* value in the document */
  uint8_t kinds; /* KIND_BIT of the kinds of values that may be */
  uint8_t asserts; /* kinds on which something else than the kind is asked, groups not counted */
  bool integer, strict_integer; /* a number must be whole; 1.0 is none (draft 4) */
  bool has_enum, unique;
  group *groups;
  uint32_t n_groups;
  uint32_t *values; /* enum and const, scalars only: values in the document */
  uint32_t n_values;
  number_rule *number;
  uint32_t min_length, max_length; /* characters; MASK_NONE: no bound */
  uint32_t regexes[3];             /* pattern, format and what contradicts nothing; MASK_NONE */
  uint32_t n_regexes;
  uint32_t *prefix, n_prefix;
  uint32_t items, contains, min_contains, max_contains, min_items, max_items;
  property *properties; /* sorted by name */
  uint32_t *in_order;   /* the same as they are written: places in `properties` */
  uint32_t n_properties;
  uint32_t groups_before; /* groups that stand before `properties` */
  key_pattern *patterns;
  uint32_t n_patterns;
  uint32_t additional, names; /* nodes; MASK_NONE */
  uint32_t min_properties, max_properties;
  base_slice *required;
  uint32_t n_required;
  dependency *dependencies;
  uint32_t n_dependencies;
} node;

/* A note that has no path yet. */
typedef struct mask_place {
  uint32_t at; /* value in the document */
  mask_when when;
  bool may_fail;
  const char *keyword, *reason;
} mask_place;

typedef struct mask_note_list {
  mask_place *place; /* in the order of the document once they have paths */
  const char **path; /* NULL: not worked out */
  uint32_t count, cap;
  bool may_fail, by_validator; /* one of them may; is checked by the validator alone */
} mask_note_list;

/* ---- plans ---- */

/* A set of bits; its words follow from its owner's sizes. */
typedef uint64_t *bits;
static inline bool bit_has(const uint64_t *b, uint32_t i) { return b[i >> 6] >> (i & 63) & 1; }
static inline void bit_set(uint64_t *b, uint32_t i) { b[i >> 6] |= UINT64_C(1) << (i & 63); }
static inline uint32_t bit_words(uint32_t n) { return (n + 63) / 64; }

typedef struct local_group {
  group_kind kind;
  uint32_t *child; /* locals; LOCAL_TRUE, LOCAL_FALSE */
  uint32_t n_children;
  base_slice key;
} local_group;

enum { LOCAL_TRUE = 0xFFFFFFFE, LOCAL_FALSE = 0xFFFFFFFD };

/* One node that speaks about the value, with its subschemas that speak about the same value. */
typedef struct local {
  const node *n;
  local_group *groups;
  uint32_t n_groups;
} local;

struct situation;

typedef struct beginning {
  bool known, dead;
  const uint64_t *failed; /* literals: roots that are false of them; NULL: none */
  struct text_state *text;
  struct number_state *number;
  struct situation *situation;
} beginning;

/* What is asked of a value. The roots below n_all must hold or the document fails; of the others it is reported which
 * hold. `one_needed`: the document also fails when none of these holds. */
typedef struct plan {
  uint32_t *roots, n_roots, n_all;
  bool one_needed;
  uint32_t *root_local; /* local, LOCAL_TRUE, LOCAL_FALSE */
  local *locals;
  uint32_t n_locals, words;
  bool plain; /* no groups, no root that is false of all: a root is true when its local's own part is */
  beginning starts[7];
  mask_map situations, numbers;
  struct object_names *names;
  uint64_t id;
} plan;

/* An open object or array: which locals have failed for certain, which hold for certain. */
typedef struct situation {
  plan *plan;
  jdoc_kind kind;
  uint64_t *failed, *done;
  bool dead;
  bool plain; /* nothing but the plan's single local: shortcuts apply */
  uint64_t *vital, *vital_known; /* locals whose failure is the document's */
  mask_map slots; /* keys and items: struct slot */
  mask_map free_by; /* by which patterns are alive: see mask_key_may_be_free */
} situation;

/* What a key or an item's place asks of the value behind it. */
typedef struct link {
  uint32_t root, local;
  bool counts; /* contains: counts when true; otherwise: fails the local when false */
} link;

typedef struct slot {
  situation *after; /* the parent's situation once the key or item has come; NULL: it may not */
  plan *plan;
  link *links;
  uint32_t n_links;
  bool simple; /* no counting: all roots true means that nothing changes */
} slot;

/* The order in which a plan's objects are written: see order.c. */
typedef struct object_order {
  uint32_t *rank;       /* by name: its place; MASK_NONE: behind all that have one */
  uint32_t n;           /* names that have one */
  uint32_t **due, *n_due; /* by local: the places of what it requires, ascending */
  bool depends, least;  /* a local has dependentRequired, minProperties */
} object_order;

/* Names that a plan's objects know: sorted, as a trie whose nodes span ranges of them. */
typedef struct object_names {
  base_slice *name;
  uint32_t n_names;
  struct text_automaton *automaton;
  struct text_state **state; /* by name: where the automaton is behind it; made when asked for */
  bool bounded;              /* a local has maxProperties */
  uint32_t **pattern; /* by local: for each of its patterns the expression, as the automaton numbers them */
  uint32_t *sub;      /* by local: which automaton of propertyNames; MASK_NONE */
  bool *listed;       /* by local: propertyNames is an enum, all of which are names */
  uint32_t **required; /* by local: names, as numbers */
  object_order *order; /* NULL: any */
} object_names;

/* ---- strings ---- */

typedef struct trie_node {
  uint32_t first, last; /* the strings below it are first..last - 1 in sorted order */
  uint32_t child, n_children; /* in trie.edges */
  uint32_t depth;
  bool ends; /* string `first` ends here */
} trie_node;

enum { TEXT_CHAR = 0 }; /* text_state.lexical between characters */

typedef struct text_trie {
  trie_node *nodes;
  uint32_t n_nodes, cap_nodes;
  struct trie_edge {
    uint8_t byte;
    uint32_t to;
  } *edges;
  uint32_t n_edges, cap_edges;
} text_trie;

enum { TRIE_OFF = 0xFFFFFFFF };

typedef struct text_local {
  uint32_t local;
  uint32_t regex[3], n_regex; /* in the automaton's list */
  uint32_t min_length, max_length;
  uint32_t *members; /* members[i]: how many of the trie's strings before i are in the enum; NULL: no enum */
} text_local;

/* An automaton over the bytes of a JSON string behind its opening quote. For keys it also tells names apart. */
typedef struct text_state text_state;

typedef struct text_automaton {
  struct mask_rule *rule;
  plan *plan; /* of a value; NULL: keys */
  const uint64_t *own_failed;
  text_trie trie;
  base_slice *strings;
  uint32_t n_strings;
  regex **regexes;
  uint32_t n_regexes;
  struct text_state **subs_start; /* keys: automata of propertyNames */
  uint32_t n_subs;
  text_local *locals;
  uint32_t n_locals;
  uint32_t count_cap; /* characters are counted in the state up to here */
  /* Lengths that hold for all: counted outside the states, so that states, and what is known of them, are shared by
   * all places in the string. */
  uint32_t min_length, max_length;
  bool is_key;
  uint8_t class_of[256]; /* bytes that no state between or inside characters tells apart, see text_state.next */
  uint32_t n_classes;    /* 0: not worked out */
  text_state *start;     /* made when asked for */
  mask_map states;
} text_automaton;

struct text_state {
  text_automaton *automaton;
  /* by class of byte, in escapes by what the byte is there; NULL: not made; &mask_text_dead */
  struct text_state **next;
  uint32_t lexical;         /* between characters, in UTF-8, in an escape */
  uint32_t trie, count;
  uint32_t *regex;
  struct text_state **subs;
  bool may_close;            /* a value: the closing quote may come */
  bool is_free;              /* only "may it close" sets it apart from any text */
  const uint64_t *failed;    /* then the roots that are false; NULL: none */
  struct text_reach *reach;  /* reach.c; NULL: not worked out */
  uint64_t stamp;            /* of a search in reach.c */
  uint32_t needs; /* characters that must follow, at least; where there is a max_length */
  uint64_t id;
  uint64_t alive;            /* keys: a hash of which patterns may still match */
};

extern const text_state mask_text_dead_state;
#define mask_text_dead (*(text_state *)(uintptr_t)&mask_text_dead_state)

/* count_inside: lengths are part of the states (names of properties). */
text_automaton *mask_text_of_plan(struct mask_rule *r, plan *p, const uint64_t *own_failed, bool count_inside);
text_automaton *mask_text_of_keys(struct mask_rule *r, object_names *names, regex **regexes, uint32_t n_regexes,
                                  text_state **subs, uint32_t n_subs);
text_state *mask_text_start(text_automaton *t);
text_state *mask_text_nameless(text_state *s); /* the same in a key that is no name; &mask_text_dead on failure */
bool mask_text_in_escape(const text_state *s);
text_state *mask_text_step(text_state *s, uint8_t byte);
/* May whatever is made of these kinds of bytes (see mask_byte_kind) and has at most `height` characters follow s? Then
 * *needs is what each of the states behind such a text needs, where there is a max_length. False also where it is not
 * easily seen. s is between characters. */
bool mask_text_takes_all(text_state *s, uint64_t kinds, uint32_t height, uint32_t *needs);
int mask_compare_slices(const void *a, const void *b); /* of base_slice, by base_slice_compare: for qsort, bsearch */
bool mask_text_build_trie(mask_pool *p, text_trie *t, const base_slice *sorted, uint32_t count);

/* ---- numbers ---- */

typedef struct number_state {
  plan *plan;
  struct number_state *next[16]; /* by character: digits, . - + e E */
  uint8_t phase;
  bool negative, nonzero; /* the sign is -; a digit other than 0 was there */
  bool shrinks;           /* only a negative exponent may follow */
  bool may_end;
  const uint64_t *failed; /* then the roots that are false; NULL: none */
  uint64_t *lost, *open;  /* locals that cannot hold any more; that still depend on the digits */
  const char *text;       /* the digits so far, kept while a local is open */
  uint32_t len;
} number_state;

extern const number_state mask_number_dead_state;
#define mask_number_dead (*(number_state *)(uintptr_t)&mask_number_dead_state)

number_state *mask_number_start(struct mask_rule *r, plan *p, const uint64_t *own_failed);
number_state *mask_number_step(struct mask_rule *r, number_state *s, uint8_t byte);

/* ---- truth ---- */

/* Roots of p that are false when these locals' own parts are false (the others true): bits of roots, NULL when none
 * is; sets *fatal when the document fails. `keys` tells which keys there are (GROUP_KEY); may be NULL. */
const uint64_t *mask_plan_judge(struct mask_rule *r, plan *p, const uint64_t *own_failed, const uint64_t *seen,
                                bool *fatal);
/* The same while some own parts are still open: only certain failure. own_done: hold for certain. */
bool mask_plan_is_lost(struct mask_rule *r, plan *p, const uint64_t *own_failed, const uint64_t *own_done);
plan *mask_plan_of(struct mask_rule *r, const uint32_t *roots, uint32_t n_roots, uint32_t n_all, bool one_needed);
beginning *mask_plan_start(struct mask_rule *r, plan *p, jdoc_kind kind);
situation *mask_situation_of(struct mask_rule *r, plan *p, jdoc_kind kind, const uint64_t *failed,
                             const uint64_t *done);
/* Could the document still be right if local i held? Not so below `not`. */
bool mask_local_may_hold(struct mask_rule *r, situation *s, uint32_t i);
object_names *mask_plan_names(struct mask_rule *r, plan *p);
uint32_t mask_names_find(const object_names *names, base_slice name); /* MASK_NONE */
/* The names that `properties` of p's schemas declare, some more than once (out NULL: only how many); their order. */
uint32_t mask_order_names(struct mask_rule *r, const plan *p, base_slice *out);
bool mask_order_make(struct mask_rule *r, const plan *p, object_names *names);
/* s with more locals failed and done (either may be NULL). */
situation *mask_situation_with(struct mask_rule *r, situation *s, const uint64_t *failed, const uint64_t *done);
/* Slot of a key (name or MASK_NONE, with the patterns it matches and the names rules it fails) or of an item. */
slot *mask_slot_of_key(struct mask_rule *r, situation *s, uint32_t name, text_state *key);
slot *mask_slot_of_item(struct mask_rule *r, situation *s, uint32_t index);
bool mask_key_may_be_free(struct mask_rule *r, situation *s, const text_state *key);

/* ---- grammars ---- */

typedef struct grammar grammar;
typedef struct grammar_state grammar_state;

base_status mask_grammar_open(grammar **out, base_slice text, mask_pool *pool, base_error *err);
grammar_state *mask_grammar_start(const grammar *g);
/* NULL: the byte may not come next, or something ran out. */
grammar_state *mask_grammar_step(grammar *g, grammar_state *s, uint8_t byte);
bool mask_grammar_accepts(const grammar_state *s);
base_status mask_grammar_failed(const grammar *g);

/* ---- forms ---- */

typedef struct form form;

/* Where a text is outside of its documents; see form.c. */
typedef struct form_place {
  uint16_t phase, at, first, last;
} form_place;

/* ---- the rule ---- */

struct mask_rule {
  const base_allocator *allocator;
  mask_options options;
  mask_pool pool;
  char *text; /* the schema, copied */
  size_t text_len;
  jdoc doc;
  int draft; /* 4, 6, 7, 2019, 2020 */
  node **nodes;
  uint32_t n_nodes, cap_nodes;
  uint32_t *node_at; /* by value of the document */
  regex **regexes;
  base_slice *regex_text;
  uint32_t n_regexes, cap_regexes;
  mask_map regex_by_text;
  mask_note_list notes;
  constrain_schema *validator; /* when notes ask for it */
  plan *root;
  mask_map plans;
  uint8_t *truth; /* scratch: one for each local of the largest plan */
  uint32_t cap_truth;
  uint32_t *stamp_of, *local_of, stamp; /* scratch by node, while a plan is built */
  mask_map failed_sets;
  uint64_t ids;
  base_status failed;
  base_error error;
  regex *whole; /* a rule that is one expression */
  struct grammar *grammar; /* a rule that is a grammar; in the pool */
  form *form;              /* a rule that is a form; in the pool */
};

/* ---- the machine ---- */

/* A key that no name is, where it stands in the text, quotes not counted. */
typedef struct free_key {
  uint32_t start, len;
  struct free_key *next;
} free_key;

typedef struct item_hash {
  uint64_t hash;
  struct item_hash *next;
} item_hash;

/* An open object or array, or the place of the whole document. Never changed once made: a step makes a new one, so
 * that all states of a walk and of the past stand side by side. */
typedef struct frame {
  struct frame *up;
  bool exact; /* here or further out items are compared, so that a walk has to know the text exactly */
  situation *s;  /* NULL: the place of the document */
  slot *slot;    /* of the value in progress */
  uint64_t hash; /* 0: not worked out */
  uint32_t count, start, n_words;
  uint32_t passed; /* of an object in order: names of lower rank can not come any more */
  free_key *keys;
  item_hash *items;
  uint64_t words[]; /* object: names that were seen; array with contains: how many items count, by local */
} frame;

typedef enum mode {
  MODE_VALUE, MODE_STRING, MODE_NUMBER, MODE_LITERAL,
  MODE_FIRST_KEY, /* behind { */
  MODE_NEXT_KEY,  /* behind , in an object */
  MODE_KEY,       /* in a key */
  MODE_COLON,     /* behind a key */
  MODE_FIRST_ITEM, /* behind [ */
  MODE_AFTER,     /* behind a value in an object or array */
  MODE_END,       /* behind the document */
  MODE_PATTERN,   /* the rule is one regular expression */
  MODE_GRAMMAR,   /* the rule is a grammar */
  MODE_FORM       /* outside of a form's documents */
} mode;

typedef struct point {
  frame *top;
  union {
    text_state *text;
    number_state *number;
    const char *rest; /* of a literal */
    uint32_t pattern;
    struct grammar_state *grammar;
    form_place form;
  } in;
  const uint64_t *failed; /* of a literal, when it ends */
  uint32_t start;         /* of the key or value in progress */
  uint32_t count;         /* characters of the string so far */
  uint8_t mode, gap;      /* gap: white space so far */
  uint16_t part;          /* in a form's document: its part, counted from 1 */
} point;

struct mask_run {
  const base_allocator *allocator;
  mask_rule *whole; /* what the run was opened with */
  mask_rule *rule;  /* the same, or of a form the part of the point in work: mask_enter */
  mask_vocab *vocab;
  mask_pool pool; /* frames */
  point now;
  frame **roots; /* one for each part of a form, else one */
  base_buf text;
  size_t len; /* of text that counts: a walk writes behind it */
  bool vague; /* a walk that stands for many texts: a key that ends in it is like no other, see add_free_key */
  struct past {
    point now;
    size_t len;
    mask_mark mark;
  } *past;
  uint32_t n_past, cap_past;
  struct mask_tables *tables; /* masks by state */
  size_t finish_hint;         /* how long the last way to an end was */
  struct mask_finisher *finisher; /* finish.c; NULL: not used yet */
  base_status failed;
};

void mask_finisher_close(mask_run *run);
size_t mask_finisher_bytes(const mask_run *run);
/* Room for so many bytes of text. False: run->failed. */
bool mask_run_reserve(mask_run *run, size_t len);

/* Makes run->rule the one that p stands in. */
static inline void mask_enter(mask_run *run, const point *p);
/* Takes text.ptr[at], the byte at the end of the text so far. False: it may not come next; p is then spoilt. */
bool mask_step(mask_run *run, point *p, size_t at);
/* Do the lengths of a value's string let it be in state s after count characters; may it end there? */
static inline bool mask_length_allows(const text_state *s, uint32_t count) {
  return s->automaton->max_length == MASK_NONE || (uint64_t)count + s->needs <= s->automaton->max_length;
}
static inline bool mask_text_may_close(const text_state *s, uint32_t count) {
  return s->may_close && count >= s->automaton->min_length &&
         (s->automaton->max_length == MASK_NONE || count <= s->automaton->max_length);
}
/* May the key that has come to k still end as one that may be here? */
bool mask_key_is_alive(mask_run *run, const frame *f, text_state *k);
/* The situation once a key comes (a name, or MASK_NONE for one that is none), before what its own schema says: count
 * and order. NULL: it may not come. */
situation *mask_situation_for_key(mask_run *run, const frame *f, uint32_t name);
/* How many of local i's required names are missing, `but` not counted. */
uint32_t mask_frame_misses(const frame *f, uint32_t i, uint32_t but);
/* frame.passed behind a key. */
uint32_t mask_order_behind(const object_order *o, uint32_t name);
/* Scratch for a set of locals, zeroed; small plans use the caller's words. */
uint64_t *mask_local_set(mask_run *run, const plan *p, uint64_t *small, uint32_t n_small);
/* May name i come? */
bool mask_name_is_possible(mask_run *run, const frame *f, uint32_t i);
bool mask_point_may_end(const mask_run *run, const point *p);
/* Writes one character of a key (or more than one: UTF-8 byte by byte) as keys are spelt; returns how many bytes. */
size_t mask_spell_key_byte(unsigned char c, char out[6]);
text_state *mask_state_of_name(mask_rule *r, object_names *names, uint32_t i);
uint64_t mask_frame_hash(const mask_run *run, frame *f);
/* How a JSON string is spelt, without anything asked of it: the state behind a byte, TEXT_CLOSED behind the quote,
 * TEXT_BAD. *counts: a character began. */
enum { TEXT_CLOSED = 100, TEXT_BAD };
uint32_t mask_text_spell(uint32_t lexical, uint8_t byte, bool key, bool *counts);
uint32_t *mask_tables_find(mask_run *run, const point *p);
void mask_tables_close(mask_run *run);
size_t mask_tables_bytes(const mask_run *run);

base_status mask_form_read(form **out, const mask_form *in, const mask_options *o, mask_rule *r, base_error *err);
size_t mask_form_parts(const form *f);
mask_rule *mask_form_part(const form *f, size_t i);
void mask_form_close(form *f);
void mask_form_start(mask_run *run, point *p);
bool mask_form_step(mask_run *run, point *p, uint8_t b);
void mask_form_after(mask_run *run, point *p); /* behind a document */
bool mask_form_may_end(const form *f, const point *p);
/* Bytes that change nothing in words at p, as mask_byte_kind has them; 0 elsewhere. */
uint64_t mask_form_stays(const form *f, const point *p);

static inline void mask_enter(mask_run *run, const point *p) {
  if (run->whole->form != NULL) run->rule = p->part > 0 ? mask_form_part(run->whole->form, p->part - 1u) : run->whole;
}

/* ---- the vocabulary: a trie, its nodes depth first ---- */

enum { MASK_MAX_PIECE = 512 };

/* Bytes fall into 64 kinds, so that what lies below a node is one word: letters by themselves, digits together, the
 * most frequent marks, escapes, other marks, characters beyond ASCII (those that \s means by themselves, as patterns
 * often tell them apart), and what is no content of a string. */
enum { BYTE_DIGIT = 52, BYTE_MARK = 53, BYTE_WIDE_SPACE = 59, BYTE_ESCAPE, BYTE_OTHER, BYTE_WIDE, BYTE_BAD };
uint32_t mask_byte_kind(uint8_t b); /* BYTE_WIDE for what begins a character beyond ASCII */
/* The kinds of characters beyond ASCII that these bytes, at least one, begin or are: BYTE_WIDE and BYTE_WIDE_SPACE. */
uint64_t mask_wide_kinds(const uint8_t *bytes, uint32_t n);

struct mask_vocab {
  const base_allocator *allocator;
  uint32_t n_tokens, n_nodes, n_words;
  size_t bytes;
  uint8_t *byte;    /* by node */
  uint16_t *depth;  /* 1 for the first byte */
  uint32_t *end;    /* behind the last node below it */
  /* the first token at or below the node, in sorted order; behind the last node: how many there are */
  uint32_t *first;
  uint32_t *token;  /* by sorted order. Those that end at node i come first: see mask_node_tokens */
  base_slice *pieces; /* by id */
  char *text;
  size_t text_len;
  void *block;
  /* by node: kinds of bytes below it, see mask_byte_kind, when the node's byte comes between characters; BYTE_BAD for
   * what ends a string or has no place in one: what is behind that is not counted */
  uint64_t *below;
  uint8_t *height; /* by node: the most bytes below it that begin a character */
  uint32_t *kids, *kid; /* children of node i: kid[kids[i]] .. kid[kids[i + 1] - 1], by byte; the root's come last */
  uint16_t *length; /* by sorted order of the tokens: characters, of those that lie inside a string */
  mask_map free_by_node; /* memo.c: insides of strings of which nothing is asked, by trie node */
  uint32_t **at_most; /* memo.c: masks of tokens inside a string with at most so many characters */
  uint32_t *very_long, n_very_long; /* memo.c: tokens inside a string longer than those masks tell, in sorted order */
  mask_pool pool;     /* of these tables */
};

/* The child of a node by a byte (of the root: at MASK_NONE); MASK_NONE: none. */
uint32_t mask_vocab_child(const mask_vocab *v, uint32_t at, uint8_t byte);

base_status mask_schema_compile(mask_rule *r, base_error *err);
int mask_draft_of(const jdoc *d); /* by $schema; 2020 where it is missing or unknown */
bool mask_notes_locate(mask_rule *r);
const char *mask_format_pattern(base_slice name); /* NULL: no format that is enforced */
void mask_fail(mask_rule *r, base_status code); /* the first failure sticks */
void *mask_take(mask_rule *r, size_t bytes);    /* from the rule's pool, zeroed; NULL: the rule has failed */

/* How many tokens end at node i: they are token[first[i]], token[first[i] + 1] ... */
static inline uint32_t mask_node_tokens(const mask_vocab *v, uint32_t i) {
  /* the next node is the first child, if there is one, and then its first token is the first that is longer */
  return v->first[i + 1] - v->first[i];
}

#endif
