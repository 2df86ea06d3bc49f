/* Private to api/: what an engine holds, shared by engine.c and outcome.c. */
#ifndef API_ENGINE_H
#define API_ENGINE_H

#include "api/api.h"
#include "handoff/handoff.h"
#include "gen/gen.h"
#include "route/route.h"

enum { ENGINE_MAX_PACKS = 64 };

/* A language model that says how sure it is (writer.c, probe.c). */
typedef struct api_answerer {
  mn_model *model; /* NULL: none */
  bool has_probe;
  route_probe probe;
} api_answerer;

enum { API_FEATURES = 14 + 2 * GEN_TRACE_STATE };
/* One answer with the features of it that a probe judges, in the order of probe.c. */
base_status api_write(mn_model *m, const handoff_writing *w, base_buf *out, float feature[API_FEATURES],
                      base_error *err);
void api_answer_features(const gen_trace *t, const mn_generated *g, const handoff_writing *w, float out[API_FEATURES]);
/* The name of these features of this model's: "answer1/" and the model's fingerprint. */
void api_feature_set(mn_model *m, char out[ROUTE_SET_BYTES]);
/* Reads a probe that was made for these features of this model's. */
base_status api_open_probe(api_answerer *a, const char *path, base_error *err);

/* What decides beside the packs: the owner's policy, guard, ledger, cloud (house.c). */
typedef struct api_house {
  policy policy;            /* in force */
  char policy_path[512];    /* "": the default policy */
  int64_t policy_modified;  /* of the file that was last read, in force or not */
  int64_t key_modified;     /* of the key's file, likewise; 0: there is none */
  uint64_t looked_ns;       /* when it was last looked at */
  base_error policy_problem;
  gguf_file *guard_file;
  guard *guard;
  ledger *ledger;
  cloud *cloud;
  cloud_budget budget;
  char request_id[LEDGER_ID_BYTES]; /* of the request that is running: whose money it is */
  base_buf key; /* the app's own; empty: the policy's file has it */
  uint64_t device;
  char tier[16];
  int (*check)(void *ctx, const char *pack, const char *action, const char *json, char *why, size_t why_size);
  void *check_ctx;
  int (*exists)(void *ctx, const char *kind, const char *value);
  void *exists_ctx;
  api_answerer answerer;
  handoff_writer writer;
  gguf_file *router_file;
  route_router *router; /* NULL: none */
} api_house;

struct mn_engine {
  base_allocator allocator;
  const cpu_kernels *kernels;
  int64_t (*local_seconds)(void *ctx); /* NULL: the system's clock */
  void *clock_ctx;
  pack *gate; /* NULL: none */
  pack *packs[ENGINE_MAX_PACKS];
  size_t n_packs;
  uint64_t versions_hash; /* of this library and of every pack's name and version */
  handoff_loop *loop;
  api_house house;
  handoff_flow *flow;         /* used again for each request */
  const handoff_result *done; /* of the last request; outcomes copy out of it */
  base_buf json;       /* kept between requests */
};

base_status api_house_open(mn_engine *mn, const mn_engine_options *o, const char *packs_dir, base_error *err);
void api_house_close(mn_engine *mn);
/* The policy in a file (house.c). */
base_status api_read_policy(const char *path, policy *out, base_error *err);
/* One request through all its stages; the result is in mn->done. */
base_status api_house_run(mn_engine *mn, const handoff_request *r, base_error *err);

/* The answerer as what writes text on this device; none without a model (writer.c). */
handoff_writer api_writer(api_answerer *a);

/* The pack of this name; NULL: none. */
const pack *api_find_pack(const mn_engine *mn, const char *name);

/* One block with everything of mn->done. `id`: 16 hex digits. */
base_status api_make_outcome(mn_engine *mn, const char *id, mn_outcome **out, base_error *err);

#endif
