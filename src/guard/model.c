/* The model: see model.h. Without a file there are rules alone. */
#include "guard/model.h"

struct guard_model {
  const gguf_file *file;
};

base_status guard_model_open(guard_model **out, const gguf_file *f, guard *g, base_error *err) {
  (void)g;
  *out = NULL;
  return base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "no guard model is known yet");
}

void guard_model_close(guard_model *m, const base_allocator *a) { base_free(a, m, m != NULL ? sizeof *m : 0); }

void guard_model_names(guard *g, const guard_view *v, guard_hits *h) { (void)g, (void)v, (void)h; }
