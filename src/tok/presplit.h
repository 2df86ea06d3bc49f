/* tok/presplit: a family's rule for cutting text into the pieces inside which byte pairs are merged. The
 * rules are published as regular expressions, one after the other: each cuts the pieces of the one before
 * into its matches and what lies between them. Here each expression is a scanner. */
#ifndef TOK_PRESPLIT_H
#define TOK_PRESPLIT_H

#include "base/base.h"

typedef struct tok_rule tok_rule;

/* NULL when no rule has this name (`tokenizer.ggml.pre`). */
const tok_rule *tok_rule_find(base_slice name);
bool tok_rule_whole_words(const tok_rule *r); /* a piece that is a token is taken unmerged */
bool tok_rule_adds_bos(const tok_rule *r);    /* where the file does not say */

/* Calls `each` with every piece of the text in order; they cover it. Stops when it returns false, and returns
 * that. */
typedef bool tok_piece_fn(void *ctx, const char *piece, size_t len);
bool tok_rule_split(const tok_rule *r, const char *text, size_t len, tok_piece_fn *each, void *ctx);

#endif
