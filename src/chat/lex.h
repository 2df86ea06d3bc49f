/* chat/lex: the tokens inside a tag, and the white space around tags. What the parser and the lexer share. */
#ifndef CHAT_LEX_H
#define CHAT_LEX_H

#include "chat/node.h"

typedef enum lex_kind {
  TOKEN_END,
  TOKEN_NAME,
  TOKEN_STRING,
  TOKEN_INT,
  TOKEN_FLOAT,
  TOKEN_OPERATOR
} lex_kind;

typedef struct lex_token {
  lex_kind kind;
  base_slice text; /* a string's without its quotes */
} lex_token;

typedef struct chat_lexer {
  chat_run *r;
  base_slice src;
  size_t at;
  lex_token now; /* inside a tag: the token to look at */
  char closer;   /* of the tag: '%' or '}' */
  int brackets;  /* open inside the tag */
  int nesting;   /* of expressions and blocks */
  bool soft;     /* in a branch, which may never be taken: a filter or test that is not known is no error yet */
  const chat_node *unknown; /* the first one elsewhere */
} chat_lexer;

/* Reads the next token inside a tag into `now`; TOKEN_END is the end of the tag, behind which white space is
 * dropped as the tag asks. Failures stick in the run. */
void chat_lex_next(chat_lexer *p);
/* Behind a tag that ended in `sign` ('-', '+' or 0): drops all white space, or one newline behind a block or
 * comment. */
void chat_lex_end_tag(chat_lexer *p, char sign, bool block);
/* The characters of a string token. */
base_slice chat_lex_unescape(chat_lexer *p, base_slice s);
/* Zeroed memory of the run; NULL, with the run failed, when there is none. */
void *chat_lex_take(chat_lexer *p, size_t count, size_t bytes);

static inline bool chat_lex_failed(const chat_lexer *p) {
  return p->r->status != BASE_OK;
}

static inline bool chat_lex_is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The character `ahead` of the place, or 0. */
static inline char chat_lex_peek(const chat_lexer *p, size_t ahead) {
  return p->at + ahead < p->src.len ? p->src.ptr[p->at + ahead] : '\0';
}

#endif
