/* mask/memo, private: what a walk of the trie gives inside a string, kept. The inside of a string does not depend on
 * what is around it; only where the string ends does the document come in again. */
#ifndef MASK_MEMO_H
#define MASK_MEMO_H

#include "mask/internal.h"

/* A place in the trie where the closing quote has been read. */
typedef struct memo_exit {
  uint32_t at;      /* trie node of the quote */
  uint32_t length;  /* characters from the start to there */
  text_state *state; /* before the quote; NULL in tables of the vocabulary */
} memo_exit;

/* Exits behind which the same follows, their subtrees laid over each other: a trie of what may stand behind the
 * quote, each node with all the tokens that end there. Depth first, like the vocabulary. */
typedef struct memo_tails {
  uint32_t n;
  uint8_t *byte;
  uint16_t *depth; /* 1 for the first byte behind the quote */
  uint32_t *end, *first, *token;
  uint32_t n_direct; /* the first tokens, which end with the quote itself: token[0] .. */
} memo_tails;

/* Tokens from .. to - 1 (in sorted order), all of which stay inside; a token adds its length less `minus` characters. */
typedef struct memo_range {
  uint32_t from, to;
  int32_t plus; /* what the state then needs, less what lies before */
} memo_range;

typedef struct memo {
  memo_range *range;
  uint32_t n_ranges;
  uint32_t *words; /* of memos of the whole trie: all its tokens as a mask */
  uint32_t *token; /* tokens that stay inside, with how many characters they add and then need */
  uint16_t *length;
  uint32_t n_tokens;
  memo_exit *exit; /* sorted by state */
  uint32_t n_exits;
  memo_tails tails; /* of the exits from shared .. shared_end - 1; empty: there are few */
  uint32_t shared, shared_end;
  uint32_t least_shared; /* the least number of characters before those exits */
} memo;

/* Collects into pool memory. `inside` steps: returns false when the byte may not come; sets *closed at the quote. */
typedef struct memo_builder {
  const mask_vocab *v;
  mask_pool *pool;
  memo *m;
  uint32_t cap_tokens, cap_exits, cap_ranges;
} memo_builder;

/* The table of plain strings from the subtree of trie node `at` (MASK_NONE: the whole trie). NULL: no memory. */
const memo *mask_memo_free(mask_vocab *v, uint32_t at, bool key);
/* Tokens that stay inside a plain string and have at most n characters, as a mask. */
const uint32_t *mask_memo_at_most(mask_vocab *v, uint32_t n, bool key);
bool mask_memo_add_token(memo_builder *b, uint32_t node, uint32_t length);
bool mask_memo_add_range(memo_builder *b, uint32_t from, uint32_t to, int32_t plus);
bool mask_memo_add_exit(memo_builder *b, uint32_t node, uint32_t length, text_state *state);
/* Sorts the exits and lays the largest group of them over each other. */
bool mask_memo_finish(memo_builder *b);

enum { MEMO_LENGTHS = 48 }; /* at_most has tables up to here; more characters than any but a few tokens have */

#endif
