/* Private to handoff/: a request on its way, as its stages see it. flow.c draws the machine and has the stages that
 * decide, flow_local.c those on the device, flow_cloud.c those that ask the cloud. Each stage ends by naming the next
 * in `at`. */
#ifndef HANDOFF_FLOW_H
#define HANDOFF_FLOW_H

#include "constrain/constrain.h"
#include "handoff/internal.h"

struct handoff_flow {
  base_allocator allocator;
  handoff_means m;
  handoff_request r;
  handoff_stage at;
  handoff_result result;
  uint64_t began_ns;
  int64_t began_unix_ms;
  /* the answer's schema, read once: it judges both sides */
  jdoc schema_text;
  constrain_schema *schema; /* NULL: none */
  /* what happened so far */
  bool must_confirm;  /* the domain asks for a yes */
  bool grave;         /* it is about health, law or a life */
  bool local_retried; /* the one repair of either side */
  bool cloud_retried;
  bool routed;        /* the router sent it to the cloud before any model here was asked */
  bool alone;         /* and the cloud did not answer: the device tries after all */
  bool has_draft;     /* the device has something to offer, if unsure */
  float draft_confidence;
  handoff_reason why_cloud; /* why the device did not answer, then why the cloud did not */
  char complaint[360];      /* what the answer before did not fit; as much as an error holds */
  base_buf draft;           /* the device's text */
  /* what leaves, and the way back */
  guard_vault *vault;
  guard_clean *clean, *clean_instructions, *clean_schema, *clean_context, *clean_complaint;
  guard_clean *clean_said; /* what the service answered, where it is asked again */
  cloud_answer said;
};

/* ---- stages; an error is for text that is no request and for lack of memory ---- */

base_status handoff_flow_local(handoff_flow *f, base_error *err);
base_status handoff_flow_valid(handoff_flow *f, base_error *err);
base_status handoff_flow_clean(handoff_flow *f, base_error *err);
base_status handoff_flow_cloud(handoff_flow *f, base_error *err);
base_status handoff_flow_cloud_valid(handoff_flow *f, base_error *err);

/* ---- words for what stages do ---- */

/* Decided: the next stage is the ledger's. */
handoff_stage handoff_flow_settle(handoff_flow *f, handoff_decision d, handoff_reason why);
/* The time left of a stage's own and of the whole request's. */
uint32_t handoff_flow_left_ms(const handoff_flow *f, uint32_t stage_ms);
void handoff_flow_say(handoff_flow *f, const char *text);                       /* to the user */
void handoff_flow_tell(handoff_flow *f, const char *where, const char *detail); /* to whoever runs the app */
/* Policy, its flags and the means: NULL when this request may go to the cloud, else what keeps it here. */
const char *handoff_flow_kept_here(const handoff_flow *f);
/* Where a domain wants a yes an action is not done without one, whoever read it: false when it would not have been. */
bool handoff_flow_ask_first(const handoff_flow *f, handoff_action *a);
/* Schema, its checks, and the app's check, for either side's text: BASE_EMISMATCH with what does not fit. */
base_status handoff_flow_fits(const handoff_flow *f, base_slice value, base_error *err);
/* Keeps what was wrong, for the second try. */
void handoff_flow_complain(handoff_flow *f, const base_error *misfit);

#endif
