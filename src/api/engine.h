/* Private to api/: what an engine holds, shared by engine.c and outcome.c. */
#ifndef API_ENGINE_H
#define API_ENGINE_H

#include "api/api.h"
#include "handoff/handoff.h"
#include "route/route.h"

enum { ENGINE_MAX_PACKS = 64 };

/* What decides beside the packs: the owner's policy, guard, ledger, cloud (house.c). */
typedef struct api_house {
  policy policy;            /* in force */
  char policy_path[512];    /* "": the default policy */
  int64_t policy_modified;  /* of the file that was last read, in force or not */
  uint64_t looked_ns;       /* when it was last looked at */
  base_error policy_problem;
  gguf_file *guard_file;
  guard *guard;
  ledger *ledger;
  cloud *cloud;
  cloud_budget budget;
  char request_id[LEDGER_ID_BYTES]; /* of the request that is running: whose money it is */
  base_buf key;
  uint64_t device;
  char tier[16];
  int (*check)(void *ctx, const char *pack, const char *action, const char *json, char *why, size_t why_size);
  void *check_ctx;
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
/* Reads the policy again when its file changed; what cannot be read or used leaves the old one in force. */
void api_house_look(mn_engine *mn);
handoff_means api_house_means(mn_engine *mn);
/* One request through all its stages; the result is in mn->done. */
base_status api_house_run(mn_engine *mn, const handoff_request *r, base_error *err);

/* The model as what writes text on this device; none for NULL (writer.c). */
handoff_writer api_writer(mn_model *m);

/* The pack of this name; NULL: none. */
const pack *api_find_pack(const mn_engine *mn, const char *name);

/* One block with everything of mn->done. `id`: 16 hex digits. */
base_status api_make_outcome(mn_engine *mn, const char *id, mn_outcome **out, base_error *err);

#endif
