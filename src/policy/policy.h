/* policy: what the app's owner allows. Which packs and domains, what may leave the device and in which form, what
 * is acted on, confirmed or refused, what the cloud may cost, and what happens without a network. A policy is a
 * JSON document that fits policy_schema(); read, it is one plain struct that nothing changes. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/base.h"
#include "guard/guard.h"

/* What a request is for. */
typedef enum policy_task { POLICY_ACTION, POLICY_TEXT, POLICY_EXTRACT, POLICY_TASKS } policy_task;
const char *policy_task_name(policy_task t); /* "action", "text", "extract" */

/* What may be done with an action of a class of risk (pack.h), and with a request of a domain. */
typedef enum policy_answer { POLICY_ACT, POLICY_CONFIRM, POLICY_REFUSE } policy_answer;

/* What a request that needs the cloud becomes without one: the best that the device has, however unsure; a
 * promise to answer later; or an honest no. */
typedef enum policy_offline { POLICY_LOCAL, POLICY_DEFER, POLICY_NO } policy_offline;

enum {
  POLICY_RISKS = 6, /* none, reversible, discloses, money, irreversible, safety */
  POLICY_MAX_NAMES = 64,
  POLICY_MAX_FLAGS = 32,
  POLICY_NAME_BYTES = 64,
  POLICY_PATH_BYTES = 512
};

typedef struct policy_target {
  char pack[POLICY_NAME_BYTES];
  float at_most_wrong;
} policy_target;

typedef struct policy_rollout {
  char name[POLICY_NAME_BYTES];
  float percent; /* of devices, 0..100 */
  bool off;      /* the kill switch */
} policy_rollout;

typedef struct policy {
  char version[24];
  /* packs */
  bool lists_packs; /* only those of `packs` */
  size_t n_packs, n_denied;
  char packs[POLICY_MAX_NAMES][POLICY_NAME_BYTES], denied[POLICY_MAX_NAMES][POLICY_NAME_BYTES];
  policy_answer risk[POLICY_RISKS];
  policy_answer domain[GUARD_RISKS];
  float at_most_wrong; /* share of acted-on answers that may be wrong */
  size_t n_targets;
  policy_target target[POLICY_MAX_NAMES];
  float text_confidence; /* a local text answer under it is handed on; below 0: what the model's probe says, or 0.7 */
  /* what leaves */
  guard_rules personal;
  bool cloud, cloud_for[POLICY_TASKS];
  bool cloud_may_act; /* an action that the cloud proposes needs no yes where its risk does not */
  bool anthropic;     /* the dialect; otherwise OpenAI's */
  char endpoint[POLICY_PATH_BYTES], model[96], key_file[POLICY_PATH_BYTES], ca_file[POLICY_PATH_BYTES],
      prices[POLICY_PATH_BYTES];
  bool stream;        /* answers are asked for as a stream, and put together here */
  uint32_t max_tokens, attempts, calls_a_minute;
  int64_t request_nano_usd, day_nano_usd, month_nano_usd; /* -1: no cap */
  uint32_t local_ms, cloud_ms;         /* deadlines of the two slow stages */
  uint32_t latency_ms[POLICY_TASKS];   /* deadline of a whole request */
  policy_offline offline[POLICY_TASKS];
  uint32_t keep_hours; /* a deferred request expires */
  bool keep_values;    /* and is saved with the values that would be redacted, so that its answer gets them back */
  /* flags, ledger */
  size_t n_flags;
  policy_rollout flag[POLICY_MAX_FLAGS];
  bool keep_text;
  uint32_t ledger_days, ledger_mb;
} policy;

/* The policy of an owner who wrote none: all packs, money and what cannot be undone confirmed, no cloud. */
void policy_init(policy *p);
/* Reads a document of at most 1 MiB. What does not fit the schema, or does not fit together, is BASE_EFORMAT with
 * the place (a JSON Pointer behind the file's name) and what was expected; *out is then as it was. Relative paths
 * are relative to `folder` (may be empty). */
base_status policy_read(policy *out, base_slice json, const char *where, const char *folder, base_error *err);
const char *policy_schema(void); /* JSON Schema draft 2020-12 of the document, terminated */

bool policy_allows_pack(const policy *p, const char *name);
/* Whether a feature is on for this device: stable for a device and a flag, spread evenly over devices. A flag
 * that the policy does not name is on. Device 0 has no id: for it is on what is on for all. */
bool policy_flag(const policy *p, const char *name, uint64_t device);
/* The share of wrong ones among the answers acted on alone that the owner allows this pack. head_act_threshold has the
 * confidence that goes with it. */
float policy_share(const policy *p, const char *pack);

#endif
