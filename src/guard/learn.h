/* learn: makes the guard's model file from the texts of packs/guard. Used by `minnow train packs/guard`. */
#ifndef GUARD_LEARN_H
#define GUARD_LEARN_H

#include "guard/guard.h"

/* One source text: a file's name (for errors) and its bytes. */
typedef struct guard_source_text {
  const char *name;
  base_slice text;
} guard_source_text;

typedef struct guard_learn_options {
  size_t size;
  const base_allocator *allocator; /* NULL: libc */
  uint64_t seed;
  uint32_t sentences; /* drawn for the names; 0: 40,000 */
  uint32_t texts;     /* drawn for the topics; 0: 40,000 */
  uint32_t passes;    /* 0: 6 */
} guard_learn_options;
void guard_learn_options_init(guard_learn_options *o);

typedef struct guard_learn_report {
  size_t lists, values, templates;
  size_t drawn, judged; /* texts */
  float name_f1;                 /* of whole spans, on drawn sentences of held-out templates */
  float attack_recall, attack_alarms;
} guard_learn_report;

/* Reads the grammar (docs/guard.md), draws, trains, writes keys and tensors into w. `ordinary`: more texts that
 * are no attack, a line each (the packs' sentences), with {slot:value} marks or none. The tensors live in the
 * returned memory: free with guard_learned_free after saving. Same inputs, same bytes. */
typedef struct guard_learned guard_learned;
base_status guard_learn(guard_learned **out, const guard_source_text *sources, size_t n_sources,
                        const guard_source_text *ordinary, size_t n_ordinary, const guard_learn_options *o,
                        gguf_writer *w, guard_learn_report *report, base_error *err);
void guard_learned_free(guard_learned *l);

#endif
