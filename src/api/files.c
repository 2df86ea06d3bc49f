/* mn_quantize, mn_convert, mn_export, mn_inspect: the public side of convert. */
#include "api/api.h"
#include "convert/convert.h"
#include "gguf/gguf.h"
#include "lm/lm.h"
#include "os/os.h"

struct mn_inspection {
  base_buf json;
};

void mn_convert_options_init(mn_convert_options *o) {
  *o = (mn_convert_options){.size = sizeof *o};
}

typedef base_status job_fn(const char *in, const char *out, const mn_convert_options *o,
                           const convert_hooks *hooks, base_error *err);

static base_status quantize(const char *in, const char *out, const mn_convert_options *o,
                            const convert_hooks *hooks, base_error *err) {
  if (o->type == NULL)
    return base_fail(err, BASE_EARGUMENT, "mn_quantize", "a type to quantise to is needed");
  return convert_quantize(in, out, o->type, hooks, err);
}

static base_status import(const char *in, const char *out, const mn_convert_options *o,
                          const convert_hooks *hooks, base_error *err) {
  return convert_import(in, o->tokenizer, out, o->type, hooks, err);
}

static base_status export(const char *in, const char *out, const mn_convert_options *o,
                          const convert_hooks *hooks, base_error *err) {
  return convert_export(in, out, o->type, hooks, err);
}

/* What the three calls share: options, threads, the error. */
static int run(job_fn *job, const char *in, const char *out, const mn_convert_options *given,
               mn_error *out_err) {
  base_error err = {0};
  mn_convert_options o;
  os_pool *pool = NULL;
  mn_convert_options_init(&o);
  base_status st = api_take_struct(&o, sizeof o, given, "mn_convert_options", &err);
  if (!st && (in == NULL || out == NULL))
    st = base_fail(&err, BASE_EARGUMENT, "convert", "an input and an output are needed");
  if (!st) st = api_take_threads(o.threads, &o.threads, &err);
  if (!st) st = os_pool_open(&pool, (int)o.threads, &err);
  convert_hooks hooks = {.pool = pool, .progress = o.progress, .note = o.note, .ctx = o.ctx};
  if (!st) st = job(in, out, &o, &hooks, &err);
  os_pool_close(pool);
  return api_result(st, &err, out_err);
}

int mn_quantize(const char *in, const char *out, const mn_convert_options *o, mn_error *err) {
  return run(quantize, in, out, o, err);
}

int mn_convert(const char *in, const char *out, const mn_convert_options *o, mn_error *err) {
  return run(import, in, out, o, err);
}

int mn_export(const char *in, const char *out_dir, const mn_convert_options *o, mn_error *err) {
  return run(export, in, out_dir, o, err);
}

/* What the engine would take for a file that it can run goes into the object, whose last brace is opened
 * again. Files that it cannot run have no such key. */
static void add_engine(base_buf *json, const char *path, uint64_t context) {
  gguf_file *f;
  lm_memory need;
  lm_options o = {.context = context <= UINT32_MAX ? (uint32_t)context : UINT32_MAX};
  if (gguf_open(&f, path, NULL, NULL) != BASE_OK) return;
  if (lm_need(&need, NULL, f, &o, NULL) == BASE_OK && json->len > 0) {
    json->len--;
    base_buf_printf(json,
                    ",\"engine\":{\"mapped_bytes\":%zu,\"weights_bytes\":%zu,\"cache_bytes\":%zu,"
                    "\"scratch_bytes\":%zu,\"total_bytes\":%zu}}",
                    need.mapped_bytes, need.weights_bytes, need.cache_bytes, need.scratch_bytes,
                    need.total_bytes);
  }
  gguf_close(f);
}

int mn_inspect(const char *path, uint64_t context, mn_inspection **out, mn_error *out_err) {
  base_error err = {0};
  base_status st = BASE_OK;
  mn_inspection *i = NULL;
  if (path == NULL || out == NULL) st = base_fail(&err, BASE_EARGUMENT, "mn_inspect", "a file is needed");
  if (!st) i = base_calloc(NULL, 1, sizeof *i);
  if (!st && i == NULL) st = base_fail(&err, BASE_ENOMEM, path, "no memory to read the file");
  if (!st) st = convert_inspect(path, context, &i->json, &err);
  if (!st) add_engine(&i->json, path, context);
  if (!st && i->json.failed) st = base_fail(&err, BASE_ENOMEM, path, "no memory for the description");
  if (st) {
    mn_inspection_free(i);
    i = NULL;
  }
  if (out != NULL) *out = i;
  return api_result(st, &err, out_err);
}

const char *mn_inspection_json(const mn_inspection *i) {
  return i->json.ptr;
}

void mn_inspection_free(mn_inspection *i) {
  if (i == NULL) return;
  base_buf_free(&i->json);
  base_free(NULL, i, sizeof *i);
}
