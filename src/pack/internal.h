/* pack, private: JSON helpers of the manifest, the derivation of schemas, the parser of one sentence, and the
 * reading of one argument. Tests include it too. */
#ifndef PACK_INTERNAL_H
#define PACK_INTERNAL_H

#include <jansson.h>

#include "pack/pack.h"

/* ---- manifest ---- */

/* A manifest and what its pointers lead to. `m` is first: a pack_manifest pointer is a pack_document pointer.
 */
typedef struct pack_document {
  pack_manifest m;
  base_allocator allocator;
  json_t *root; /* owns most strings */
  base_buf canonical, slot_schema[PACK_MAX_SLOTS], action_schema[PACK_MAX_ACTIONS];
} pack_document;

/* The JSON Schema of an action's arguments; NULL when out of memory. New references. */
json_t *pack_schema_of_slot(const pack_slot *slot, const json_t *declaration);
json_t *pack_schema_of_action(const pack_manifest *m, const pack_action *a, const json_t *slot_schemas);

/* ---- sentences ---- */

typedef struct pack_sentence_span {
  uint32_t start, end;
  int slot;
  base_slice list; /* name of the value list, inside the line; NULL for {slot=value} */
} pack_sentence_span;

typedef struct pack_sentence {
  char text[DATA_MAX_TEXT];
  size_t len, n_spans;
  pack_sentence_span span[DATA_MAX_SPANS];
} pack_sentence;

/* Steps through the lines of a source file: comments and blank lines are skipped, "[name]" lines set
 * `section`. */
typedef struct pack_lines {
  base_slice rest, line, section;
  size_t number;
  const char *path;
  bool heading;  /* `line` is a section's heading */
  int action;    /* of sentences.txt: what the section is about */
  uint64_t seen; /* actions that had a section */
} pack_lines;

/* False at the end and on a failure, which `status` tells apart. */
bool pack_lines_next(pack_lines *l, base_status *status, base_error *err);

/* The next sentence of a sentences.txt, with its action in l->action. Refuses unknown and repeated sections.
 */
bool pack_sentences_next(pack_lines *l, const pack_manifest *m, pack_sentence *out, base_status *status,
                         base_error *err);

/* ---- arguments ---- */

/* Whether the phrase stands in the text as whole words, however the text is written (ASCII case). */
bool pack_words_have(base_slice text, const char *phrase);
/* Where a time that the span [start, end) of `text` names ends: behind an "am", "p m" or "o'clock" that the span left
 * out. */
size_t pack_words_end_of_time(base_slice text, size_t start, size_t end);
/* Without the pictures and blanks that the words of a value end in. */
base_slice pack_words_without_pictures(base_slice words);
/* What is behind the last "no", "i mean", "sorry" ... in the words of a value; empty when there is none. */
base_slice pack_words_corrected(base_slice words);
/* Whether what stands between two values is nothing but such words: the second is said instead of the first. */
bool pack_words_take_back(base_slice between);

/* The way to say an enum value that words are, or -1: exact, then the longest contained, then with a typing
 * error. */
int pack_enum_find(const pack_slot *slot, base_slice words);

#endif
