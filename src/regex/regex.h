/* regex: ECMA-262 regular expressions (the "u" flavour that JSON Schema asks for) as automata over UTF-8 bytes.
 *
 * The pattern becomes a term of an algebra with intersection and complement; a state of the automaton is the
 * term that remains to be matched, the next state its derivative by a byte (Brzozowski 1964; Owens, Reppy and
 * Turon 2009). States are made when they are first reached, so compiling is cheap, matching is one table look-up
 * a byte, and look-ahead, which is an intersection, costs nothing special. Counted repetition is a counter in
 * the term, not copies of it.
 *
 * Refused with BASE_EUNSUPPORTED: back-references, look-behind, anchors, word boundaries or look-ahead in what is
 * counted over 16 times. Refused with BASE_ELIMIT: patterns whose term or nesting passes the bounds. An automaton
 * that needs more states, memory or work than its bounds (about a second in all) fails while matching: see
 * regex_failed. */
#ifndef REGEX_REGEX_H
#define REGEX_REGEX_H

#include "base/base.h"

typedef struct regex regex;

typedef struct regex_options {
  bool whole;         /* the pattern must match all of the text; otherwise it is searched for */
  bool lenient;       /* also \A \Z \z, a leading (?i), POSIX-like escapes of letters that ECMA-262 refuses */
  uint32_t max_states; /* 0: 10,000 */
  size_t max_bytes;    /* memory of terms and states; 0: 16 MiB */
} regex_options;

/* options may be NULL (search, strict). The pattern must be UTF-8. On failure err->text names the byte offset. */
base_status regex_open(regex **out, base_slice pattern, const regex_options *o, const base_allocator *a,
                       base_error *err);
void regex_close(regex *r); /* NULL is harmless */

/* Does the pattern match the text (searched, or whole)? Linear in the text. BASE_ELIMIT when the automaton
 * passes its bound, BASE_ENOMEM; `matched` is then false. One thread at a time: states are made on the way. */
base_status regex_match(regex *r, base_slice text, bool *matched);

/* ---- the automaton, byte by byte ---- */

enum { REGEX_DEAD = 0, REGEX_START = 1 };

/* The state after one more byte; REGEX_DEAD when no text with this beginning can match (where the pattern has
 * look-ahead, death is found by a bounded search and may in rare cases show later). REGEX_DEAD also after a
 * failure. */
uint32_t regex_next(regex *r, uint32_t state, uint8_t byte);
bool regex_accepts(const regex *r, uint32_t state);
bool regex_is_all(const regex *r, uint32_t state); /* every continuation (in UTF-8) matches */
/* Whatever follows, the state does not become dead: the pattern may still be found further on. False: not certain. */
bool regex_never_dies(const regex *r, uint32_t state);
/* Bytes of one class are told apart by no state. */
uint8_t regex_class(const regex *r, uint8_t byte);
/* Characters that are at least still needed to match; 0 for accepting states. A lower bound: the search for it
 * is bounded. Only for states between characters. */
uint32_t regex_needs(regex *r, uint32_t state);
/* BASE_ELIMIT or BASE_ENOMEM once the automaton could not make a state it needed; sticks. */
base_status regex_failed(const regex *r);
size_t regex_states(const regex *r);
size_t regex_bytes(const regex *r); /* memory held */

#endif
