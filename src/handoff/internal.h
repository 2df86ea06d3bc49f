/* Private to handoff/: one part of a request on its way to a decision, and the sentences for people. */
#ifndef HANDOFF_INTERNAL_H
#define HANDOFF_INTERNAL_H

#include "handoff/handoff.h"
#include "constrain/constrain.h"
#include "jdoc/jdoc.h"

/* One request of those that a text holds. */
typedef struct handoff_part {
  base_slice text; /* inside the loop's copy of the request */
  handoff_decision decision;
  handoff_reason reason;
  float confidence;
  bool sure;       /* enough to act on, as far as confidence goes */
  bool has_action; /* `action` is something for the app: act, confirm or ask */
  bool reluctant;  /* the pack would rather have left it: never acted on without a yes */
  size_t n_spans;  /* values that the pack found */
  bool lists_two;  /* a list slot has several */
  bool says_twice; /* a slot for one value has several */
  handoff_action action;
} handoff_part;

struct handoff_loop {
  base_allocator allocator;
  const cpu_kernels *kernels;
  const pack *gate;                       /* NULL: none */
  const pack *by_label[PACK_MAX_ACTIONS]; /* the gate's labels; NULL for "none" */
  int part_slot;                          /* of the gate, or -1: it never splits */
  policy plain;         /* what is obeyed unless something else is said */
  const policy *policy; /* never NULL */
  head_scratch *scratch;
  handoff_outcome *out; /* of the request that is running */
  value_context context;
  bool conditional; /* the request as a whole */
  char text[GUARD_MAX_REQUEST_BYTES + 1]; /* the cleaned request */
  head_result gate_result, part_gate, result;
  pack_draft draft;
  head_result repaired_result;
  handoff_part part[HANDOFF_MAX_ACTIONS], whole;
};

/* Runs the pack's brain on the part's text, drafts and decides. `gate`: what chose the pack; NULL when its app is open.
 * False when the pack does not cover the text. */
bool handoff_part_decide(handoff_loop *l, handoff_part *part, const pack *p, const head_result *gate);

/* The same with the pack that the gate names: decides in any case. `gate`: what it said of this very text, or
 * NULL to ask it. With an open pack the gate is not asked. */
void handoff_decide_part(handoff_loop *l, handoff_part *part, const head_result *gate, const pack *open_pack);

/* Probability that a request is this pack's to read (belong.c), by the gate that chose it (NULL: the app is open) and
 * by the pack's own answer; and the one that it takes to act when at most `share` may be wrong. */
float handoff_belongs(const head_result *gate, const head_result *read);
float handoff_belongs_enough(const head_result *gate, float share);

/* ---- words that say how a request is meant (word.c) ---- */

/* What each kind says stands in scope.def and proviso.def. */
typedef enum handoff_word {
  SCOPE_ALL, SCOPE_TAKES, SCOPE_GIVES, SCOPE_OPEN, SCOPE_OPENS, SCOPE_ASKS, SCOPE_HOW_TO, SCOPE_WAY, SCOPE_POINTS,
  SCOPE_WHEN,
  PROVISO_LEAD, PROVISO_NOT, PROVISO_KEPT, PROVISO_ENDS, PROVISO_IF, PROVISO_WHEN, PROVISO_SOMEBODY, PROVISO_ASKS,
  PROVISO_POLITE
} handoff_word;
/* A letter or an apostrophe: "don't" is one word. */
bool handoff_is_of_word(char c);
/* Where a word of this kind that begins at `at` ends; 0 when none does. */
size_t handoff_match_word(base_slice text, size_t at, handoff_word kind);

/* ---- how much a request is about (scope.c) ---- */

/* Whether an action that takes away or discloses is meant for all there is. text: what the spans are of. */
bool handoff_asks_for_all(base_slice text, const head_result *r, const pack_manifest *m, const pack_action *a);
/* What asks to take something away, read as an action that adds, sets or shows. */
bool handoff_is_contrary(base_slice text, const pack_action *a);
/* A question, read as an action that changes something. */
bool handoff_is_question(base_slice text, const pack_action *a);
/* What points at a screen or a document ("what is this about"): packs do not see those. */
bool handoff_points_at_context(base_slice text);
/* Whether words are asked for, a poem or a translation, which no app has. */
bool handoff_is_open_ended(base_slice text);

/* ---- what a request takes back, or hangs on something (proviso.c) ---- */

/* Whether the part begins with a "don't" without which the pack reads the same action. Overwrites
 * l->repaired_result. */
bool handoff_passes_over_not(handoff_loop *l, const handoff_part *part, const pack *p);
/* Whether a condition stands outside of the values ("if it rains", "when I get home"); questions are none ("check
 * if"). */
bool handoff_has_condition(base_slice text, const head_result *r);
/* One in front holds for all parts of the request. */
bool handoff_begins_with_condition(base_slice text);

/* ---- where one request ends (split.c) ---- */

/* Cuts the request at the spans of l->gate_result into l->part. Returns how many there are, which may be more
 * than there is room for. */
size_t handoff_split_spans(handoff_loop *l, base_slice text);
/* True when the decided l->part [n] were never separate requests; l->whole then is the one they are. */
bool handoff_split_was_whole(handoff_loop *l, base_slice text, size_t n, const pack *open_pack);
/* For a text taken as one and decided without an action that is sure, in l->part[0]: decides pieces of it
 * between words that join. Returns how many parts l->part then has: 1 and unchanged when not all are sure. */
size_t handoff_split_joints(handoff_loop *l, base_slice text, const pack *open_pack);
/* The same for each of l->part [n] that is not sure: cut in two where both sides are. Returns how many there are
 * then. */
size_t handoff_split_parts(handoff_loop *l, size_t n, const pack *open_pack);

/* ---- sentences (say.c) ---- */

/* What a sentence needs to know of a drafted action. */
typedef struct handoff_said {
  const pack_manifest *manifest;
  const pack_action *action;
  base_slice text; /* the spans are of this */
  const head_result *result; /* NULL: there are no spans, a service made the call */
  const char *arguments; /* JSON object */
  const value_context *context;
} handoff_said;

/* "time tomorrow at 7:00, label gym". */
void handoff_say_summary(const handoff_said *s, char *out, size_t out_size);
/* "Send $20 to Emma?" */
void handoff_say_confirm(const handoff_said *s, char *out, size_t out_size);
/* An action's summary, and its prompt when it is to be confirmed, from the arguments alone: no spans are left of what a
 * service called, or of what was decided earlier. */
void handoff_say_action(handoff_action *a, const value_datetime *now);
/* The action's question for a slot, else the slot's, else a plain one. */
void handoff_say_ask(const handoff_said *s, int slot, char *out, size_t out_size);
/* The same after naming the words that could not be read. */
void handoff_say_unclear(const handoff_said *s, int slot, char *out, size_t out_size);

/* ---- the cloud's words (remote.c) ---- */

/* Tools in OpenAI's form for the actions of packs that the policy allows: "pack__action". Nothing where there are
 * none. */
void handoff_put_tools(const policy *rules, const pack *const *packs, size_t n, base_buf *out);
/* A called tool and its arguments, values put back, to an action that fits its schema, the policy and the app's
 * check. BASE_EMISMATCH says what does not. */
base_status handoff_take_call(const handoff_means *m, base_slice name, base_slice arguments, const value_datetime *now,
                              handoff_action *out, base_error *err);
/* What the cloud is told of a task behind the app's own words, cleaned; and a hash that changes when our text does. */
void handoff_put_instructions(const handoff_request *r, base_slice app_words, base_buf *out);
uint64_t handoff_prompt_version(void);

/* ---- what a schema cannot say of a document (check.c) ---- */

typedef struct handoff_judge {
  const value_datetime *now; /* NULL: not known, and nothing is past or future */
  guard_lookup lookup;
  const base_allocator *allocator;
} handoff_judge;
/* The checks of a schema on a document. BASE_EMISMATCH names the check, the place and what does not hold. */
base_status handoff_check_document(const handoff_judge *judge, const jdoc *schema, const jdoc *doc, base_error *err);
/* Whether a schema's checks are what docs/checks.md says: BASE_EARGUMENT with the place. */
base_status handoff_check_checks(const jdoc *schema, const base_allocator *a, base_error *err);
/* The schema as models and services get it: without the checks. */
void handoff_put_schema(const jdoc *schema, base_buf *out);

#endif
