/* Private to guard/: texts drawn from the grammar of packs/guard. */
#ifndef GUARD_GRAMMAR_H
#define GUARD_GRAMMAR_H

#include "guard/guard.h"
#include "guard/model.h"

typedef struct guard_list {
  base_slice name;
  int tag; /* guard_tag_class of the spans it makes, or -1 */
  base_slice *item;
  size_t n, cap;
} guard_list;
typedef struct guard_grammar {
  guard_list *list;
  size_t n, cap;
  const base_allocator *allocator;
} guard_grammar;

enum { GUARD_DRAWN_SPANS = 32, GUARD_DRAWN_BYTES = 2000 };
typedef struct guard_drawn_span {
  uint32_t start, end;
  int tag; /* guard_tag_class */
} guard_drawn_span;
typedef struct guard_drawn {
  char text[GUARD_DRAWN_BYTES];
  size_t len, n;
  guard_drawn_span span[GUARD_DRAWN_SPANS];
} guard_drawn;

/* Borrows the sources' bytes. Free it also after a failure. */
base_status guard_grammar_read(guard_grammar *g, const guard_source_text *sources, size_t n,
                               const base_allocator *a, base_error *err);
void guard_grammar_free(guard_grammar *g);
int guard_grammar_find(const guard_grammar *g, base_slice name); /* -1 when absent */
void guard_grammar_draw(const guard_grammar *g, base_slice item, base_rng *rng, guard_drawn *d);

#endif
