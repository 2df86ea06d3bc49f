/* mask/memo, private: what a walk of the trie gives inside a string, kept. The inside of a string does not depend on
 * what is around it; only where the string ends does the document come in again. */
#ifndef MASK_MEMO_H
#define MASK_MEMO_H

#include <string.h>

#include "mask/internal.h"

/* A place in the trie where the closing quote has been read. */
typedef struct memo_exit {
  uint32_t at;       /* trie node of the quote */
  uint32_t length;   /* characters from the start to there */
  text_state *state; /* before the quote; NULL in tables of the vocabulary, and where the quote may not come */
} memo_exit;

/* Exits behind which the same follows, their subtrees laid over each other: a trie of what may stand behind the
 * quote, each node with all the tokens that end there. Depth first, like the vocabulary. */
typedef struct memo_tails {
  uint32_t n;
  uint8_t *byte;
  uint16_t *depth; /* 1 for the first byte behind the quote */
  uint32_t *end, *first, *token;
  uint32_t *exit;    /* by place in token: whose token it is */
  uint32_t n_direct; /* the first tokens, which end with the quote itself: token[0] .. */
} memo_tails;

/* Tokens from .. to - 1 (in sorted order), all of which stay inside, behind which `needs` characters must follow. */
typedef struct memo_range {
  uint32_t from, to, needs;
} memo_range;

/* The tokens of all ranges that need the same, as a mask. */
typedef struct memo_group {
  uint32_t needs;
  uint32_t *words;
} memo_group;

enum { MEMO_GROUPS = 4 };

/* Of the whole trie: ranges or groups, and the exits are those of the vocabulary's table for plain strings, in its
 * order, each with the state before its quote. Of a subtree: tokens one by one, and exits of its own. */
typedef struct memo {
  memo_range *range;
  uint32_t n_ranges;
  memo_group group[MEMO_GROUPS]; /* n_groups 0: there were too many */
  uint32_t n_groups;
  uint32_t *token; /* tokens that stay inside, with how many characters they add and then need */
  uint16_t *length;
  uint32_t n_tokens;
  memo_exit *exit;
  uint32_t n_exits;
  uint32_t shared; /* an exit that stands for the largest number of exits behind which the same follows */
  const memo_tails *tails; /* of all exits that are like it, and of others; NULL: there are few */
} memo;

/* Collects into pool memory. */
typedef struct memo_builder {
  const mask_vocab *v;
  mask_pool *pool;
  memo *m;
  uint32_t cap_tokens, cap_exits, cap_ranges;
} memo_builder;

/* The table of plain strings from the subtree of trie node `at` (MASK_NONE: the whole trie). NULL: no memory. */
const memo *mask_memo_free(mask_vocab *v, uint32_t at, bool key);
/* Tokens that stay inside a plain string and have at most n characters, as a mask. NULL: no memory. Where n is large a
 * few tokens are too many: v->very_long says which to look at. */
const uint32_t *mask_memo_at_most(mask_vocab *v, uint32_t n, bool key);
bool mask_memo_add_tokens(memo_builder *b, uint32_t from, uint32_t to, uint32_t length); /* in sorted order */
bool mask_memo_add_range(memo_builder *b, uint32_t from, uint32_t to, uint32_t needs);
bool mask_memo_add_exit(memo_builder *b, uint32_t node, uint32_t length, text_state *state);
/* Finds the exits behind which the same follows; lays them over each other. */
bool mask_memo_finish(memo_builder *b);
/* Puts the ranges of a memo of the whole trie into groups. */
bool mask_memo_group(memo_builder *b, const uint32_t *inside);
/* Do two exits lead to the same, whatever the document? */
bool mask_memo_alike(const memo_exit *a, const memo_exit *b);

enum { MEMO_LENGTHS = 48 }; /* at_most has tables up to here; more characters than any but a few tokens have */

/* ---- the walk's tables ---- */

enum { MAX_MASKS = 768 };

typedef struct kept_mask {
  uint64_t key;
  uint32_t *words;
} kept_mask;

/* Masks by the hash of their state; when full, the oldest goes. */
typedef struct mask_tables {
  kept_mask kept[MAX_MASKS];
  uint32_t n_kept, oldest;
  uint32_t bucket[2 * 1024]; /* open addressing; 0 empty, else index + 1 */
  point *points, *tail_points; /* by depth */
  mask_map memos;
  mask_pool pool; /* of the memos */
  uint8_t *pass;  /* scratch by exit: its tokens may come */
  uint32_t cap_pass;
} mask_tables;

static inline void mask_allow(const uint32_t *token, uint32_t from, uint32_t to, uint32_t *words) {
  for (uint32_t i = from; i < to; i++) words[token[i] >> 5] |= 1u << (token[i] & 31);
}

/* The text as it is when the trie's node has been reached. */
static inline void mask_spell_node(mask_run *run, uint32_t at) {
  const mask_vocab *v = run->vocab;
  memcpy(run->text.ptr + run->len, v->pieces[v->token[v->first[at]]].ptr, v->depth[at]);
}

/* The nodes first..last - 1; points[depth of first - 1] is the state they start from. */
void mask_walk_nodes(mask_run *run, uint32_t first, uint32_t last, uint32_t *words);
/* Allows the tokens below node `at` (MASK_NONE: all) from p, which is in a string or key. False: it cannot do so. */
bool mask_walk_inside(mask_run *run, const point *p, uint32_t at, uint32_t *words);

#endif
