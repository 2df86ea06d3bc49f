/* handoff: the loop. Guard, gate, pack, validation, decision, for one request that may hold several actions.
 * It only decides; it never does anything itself. The order of steps and the ways out are drawn in loop.c. */
#ifndef HANDOFF_HANDOFF_H
#define HANDOFF_HANDOFF_H

#include "base/base.h"
#include "cloud/cloud.h"
#include "cpu/cpu.h"
#include "guard/guard.h"
#include "ledger/ledger.h"
#include "pack/pack.h"
#include "policy/policy.h"

/* Decisions, from the least to the most cautious; a request takes the most cautious of its parts. */
typedef enum handoff_decision {
  HANDOFF_ACT,
  HANDOFF_ANSWER,
  HANDOFF_CONFIRM,
  HANDOFF_ASK,
  HANDOFF_HANDOFF,
  HANDOFF_DEFER,
  HANDOFF_REFUSE
} handoff_decision;
const char *handoff_decision_name(handoff_decision d); /* "act", ... */

/* Why; the codes of `reason` in the JSON output. */
typedef enum handoff_reason {
#define HANDOFF_REASON(name, code, text, said) HANDOFF_##name,
#include "handoff/reason.def"
#undef HANDOFF_REASON
  HANDOFF_REASONS
} handoff_reason;
const char *handoff_reason_code(handoff_reason r);
const char *handoff_reason_text(handoff_reason r); /* one phrase */
const char *handoff_reason_said(handoff_reason r); /* a sentence for the user; may be empty */

enum { HANDOFF_MAX_ACTIONS = 8, HANDOFF_MAX_TEXT = 512, HANDOFF_MAX_SUMMARY = 512 };

typedef struct handoff_action {
  const pack *pack;
  int action;
  float confidence;
  handoff_decision decision;          /* act, confirm or ask */
  int missing, unclear;               /* the slot that is asked for, or -1 */
  char arguments[PACK_MAX_ARGUMENTS]; /* JSON object */
  char summary[HANDOFF_MAX_SUMMARY];  /* the arguments as a person reads them; may be empty */
  char prompt[HANDOFF_MAX_TEXT];      /* the question or confirmation to put; empty for act */
} handoff_action;

typedef struct handoff_outcome {
  handoff_decision decision;
  handoff_reason reason;
  float confidence; /* of the least certain part */
  bool by_rule;     /* no model was asked */
  size_t n_actions;
  handoff_action action[HANDOFF_MAX_ACTIONS];
  size_t n_used; /* packs whose brains were asked */
  const pack *used[HANDOFF_MAX_ACTIONS + 1];
  char text[HANDOFF_MAX_TEXT]; /* the question to put, the thing to confirm, or what was not covered; may be
                                  empty */
  uint64_t ns_guard, ns_gate, ns_pack, ns_valid, ns_total;
} handoff_outcome;

/* Everything the loop needs, made once. Packs are borrowed. */
typedef struct handoff_loop handoff_loop;
/* gate: a pack whose manifest is_gate, or NULL: then every request needs an open pack. packs in any order; a
 * gate label without a pack is BASE_EMISMATCH. */
base_status handoff_loop_open(handoff_loop **out, const pack *gate, const pack *const *packs, size_t n_packs,
                              const cpu_kernels *k, const base_allocator *a, base_error *err);
void handoff_loop_close(handoff_loop *l);
/* From now on this policy's packs, risks and confidence. Borrowed; NULL: that of policy_init. */
void handoff_loop_obey(handoff_loop *l, const policy *p);
/* `open_pack` is the app in front (only its brain is asked) or NULL. Bad text is an error, everything else an
 * outcome. No allocation. One thread at a time. */
base_status handoff_run(handoff_loop *l, base_slice text, const pack *open_pack, const value_datetime *now,
                        handoff_outcome *out, base_error *err);

/* ---- the whole way of a request: device, cloud, ledger. The stages are drawn in flow.c ---- */

/* A language model on this device. Writes an answer, or a JSON document that fits `schema`, and how sure it is of it:
 * with a probe the calibrated probability that it is right. `complaint`: what was wrong with the try before, or
 * empty. */
typedef struct handoff_writing {
  base_slice text, context, instructions, schema, complaint; /* context: of a request */
  uint32_t max_tokens, deadline_ms;
} handoff_writing;
typedef struct handoff_writer {
  const char *model; /* its name; NULL: there is none */
  float enough;      /* confidence from which on its answers stand, where the policy says nothing else */
  base_status (*write)(void *ctx, const handoff_writing *w, base_buf *out, float *confidence, base_error *err);
  void *ctx;
} handoff_writer;

/* The app's own check of an answer or of an action's arguments (does the account exist, do the items add up):
 * BASE_EMISMATCH with a sentence when it will not do. `action` is NULL for answers. */
typedef struct handoff_check {
  base_status (*check)(void *ctx, const char *pack, const char *action, base_slice value, base_error *err);
  void *ctx;
} handoff_check;

/* What says before any model is asked whether a text needs the cloud: the probability, and from which one on it is sent
 * there at once. score NULL: every text is tried here first. */
typedef struct handoff_router {
  float (*score)(void *ctx, base_slice text);
  void *ctx;
  float threshold;
} handoff_router;

/* What an engine has to answer with. All borrowed; NULL where there is none, and then nothing needs it. */
typedef struct handoff_means {
  handoff_loop *loop;
  const pack *const *packs;
  size_t n_packs;
  guard *guard;
  const policy *policy; /* needed */
  cloud *cloud;
  ledger *ledger;
  handoff_writer writer;
  handoff_router router;
  handoff_check check;
  guard_lookup lookup; /* what the app knows exists, for the checks of schemas; exists NULL: nothing is known */
  uint64_t device;  /* a stable hash of the device's id, for rollouts */
  const char *tier; /* class of device, for the ledger; may be NULL */
} handoff_means;

typedef struct handoff_request {
  const char *id;
  policy_task task;
  base_slice text;
  const pack *open_pack;         /* actions: as handoff_run */
  const value_datetime *now;     /* the same */
  base_slice instructions, schema; /* text and extraction: the app's own words; the answer's JSON Schema */
  base_slice context; /* a screen or a document that the request is about, or empty. Data and never orders: packs do
                         not see it, models get it as a message of its own, one that steers is an incident */
  bool deferred;      /* taken from the queue, cleaned: goes straight to the cloud; where that cannot answer now
                         the decision is defer again */
  uint32_t withheld; /* of a deferred request: placeholders in its texts whose values were not saved */
} handoff_request;

typedef enum handoff_stage {
#define HANDOFF_STAGE(name, word, bound) HANDOFF_AT_##name,
#include "handoff/stage.def"
#undef HANDOFF_STAGE
  HANDOFF_AT_END
} handoff_stage;
const char *handoff_stage_name(handoff_stage s); /* "guard" */

typedef enum handoff_source { HANDOFF_DEVICE, HANDOFF_CLOUD, HANDOFF_RULE } handoff_source;
const char *handoff_source_name(handoff_source s); /* "device" */

/* What became of a request. */
typedef struct handoff_result {
  handoff_outcome out; /* decision, reason, confidence, actions, sentence for the user, times of the local stages */
  handoff_source source;
  base_buf answer;     /* text, or the JSON document of an extraction */
  char model[96];      /* that answered */
  bool repaired;       /* an answer was asked for a second time, with what was wrong */
  uint32_t attempts;   /* calls to the cloud */
  uint64_t tokens_in, tokens_out;
  int64_t cost_nano_usd;
  uint64_t ns_cloud;
  const char *incident; /* "safety", "abuse", "validator", or NULL */
  char detail[360]; /* behind the reason, for whoever runs the app: "cloud: ... HTTP 401"; may hold the user's values;
                       may be empty */
} handoff_result;

/* A request on its way: stepped from stage to stage, so that a caller may do other things in between, and may
 * leave it at any stage. */
typedef struct handoff_flow handoff_flow;
base_status handoff_flow_new(handoff_flow **out, const base_allocator *a, base_error *err);
/* Begins with a request and forgets the one before. What means and request point to must stay until the next
 * start. Allocates nothing; nor do the stages of an action that stays on the device. */
void handoff_flow_start(handoff_flow *f, const handoff_means *means, const handoff_request *r);
/* One stage. An error is for text that is no request and for lack of memory; all else becomes the result. */
base_status handoff_flow_step(handoff_flow *f, base_error *err);
handoff_stage handoff_flow_at(const handoff_flow *f); /* HANDOFF_AT_END when there is nothing left to do */
const handoff_result *handoff_flow_result(const handoff_flow *f); /* whole at the end; until the next start */
void handoff_flow_free(handoff_flow *f);                          /* NULL is harmless */

#endif
