/* Private to api/: what an engine holds, shared by engine.c and outcome.c. */
#ifndef API_ENGINE_H
#define API_ENGINE_H

#include "api/api.h"
#include "handoff/handoff.h"

enum { ENGINE_MAX_PACKS = 64 };

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
  handoff_outcome run; /* of the last request; outcomes copy out of it */
  base_buf json;       /* kept between requests */
};

/* One block with everything of mn->run. `id`: 16 hex digits. */
base_status api_make_outcome(mn_engine *mn, const char *id, mn_outcome **out, base_error *err);

#endif
