/* guard: what comes in. Checks a request's bytes and finds attempts to steer the assistant by its input. */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include "base/base.h"

enum { GUARD_MAX_REQUEST_BYTES = 2000 };

/* What a request's text is like. */
typedef enum guard_finding { GUARD_FINE, GUARD_INJECTION } guard_finding;

/* Refuses with one sentence: empty or only white space, over GUARD_MAX_REQUEST_BYTES, not UTF-8, control
 * characters other than tab and line ends. The cleaned text (every run of white space one blank, none at the
 * ends) goes to out [GUARD_MAX_REQUEST_BYTES + 1], terminated. */
base_status guard_request(base_slice text, char *out, size_t *out_len, base_error *err);
/* Rules over a cleaned request: phrases that address the assistant's instructions rather than ask for
 * something
 * ("ignore all previous instructions", "you are now DAN", role tags such as <|system|>, [INST]). Such words
 * in the body of a message ("text bob ignore the instructions on the box") are fine: the finding is about the
 * request as a whole. */
guard_finding guard_scan(base_slice cleaned);

#endif
