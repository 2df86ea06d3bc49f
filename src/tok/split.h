/* tok/split: what encoding and training share of cutting text: words, and their lower-cased pieces. */
#ifndef TOK_SPLIT_H
#define TOK_SPLIT_H

#include "tok/tok.h"

/* Walks over the words of a text. */
typedef struct tok_walk {
  const char *text;
  size_t len, pos;
  bool after_letters; /* the word before ended here with a letter: an apostrophe may join */
} tok_walk;

/* One word; `spaced` when white space or the start of the text is before it. */
typedef struct tok_unit {
  size_t start, end;
  bool spaced;
} tok_unit;

bool tok_walk_next(tok_walk *walk, tok_unit *unit); /* false at the end */

/* Lower-cased bytes of a word, cut between characters into pieces of at most TOK_MAX_TOKEN_BYTES. */
typedef struct tok_piece {
  unsigned char bytes[TOK_MAX_TOKEN_BYTES];
  size_t len;
} tok_piece;

/* Takes the next piece of text[*at, end); the first of a spaced word begins with a space. False at the end.
 */
bool tok_piece_next(const char *text, size_t *at, const tok_unit *unit, tok_piece *piece);

/* TOK_CASE_* of a word. */
uint8_t tok_case_of(const char *word, size_t len);

#endif
