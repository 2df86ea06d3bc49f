/* tok/shown: strings of a vocabulary file as they may stand in a message. */
#ifndef TOK_SHOWN_H
#define TOK_SHOWN_H

#include "base/base.h"

enum { TOK_SHOWN_BYTES = 40 };

/* At most TOK_SHOWN_BYTES of a string, bytes that are not printable ASCII as '?', "..." where it was cut. */
typedef struct tok_shown {
  char text[TOK_SHOWN_BYTES + 4];
} tok_shown;

tok_shown tok_show(base_slice s);

#endif
