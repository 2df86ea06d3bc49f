/* convert/quantize: a GGUF file with other element types. */
#include <string.h>

#include "convert/family.h"
#include "convert/recode.h"
#include "quant/quant.h"

/* Keys that the writer or the new types decide. */
static bool is_replaced(base_slice key) {
  static const char *const keys[] = {"general.alignment", "general.file_type",
                                     "general.quantization_version"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    if (base_slice_equal(key, base_slice_of(keys[i]))) return true;
  }
  return base_slice_starts(key, BASE_LITERAL("split."));
}

static void put_keys(gguf_writer *w, const gguf_file *f, const convert_target *target) {
  for (size_t i = 0; i < gguf_value_count(f); i++) {
    const gguf_value *v = gguf_value_at(f, i);
    if (!is_replaced(v->key)) gguf_put_value(w, v);
  }
  gguf_put_u32(w, "general.file_type", target->file_type);
  gguf_put_u32(w, "general.quantization_version", 2);
}

/* One job a tensor; *all adds up the bytes. */
static base_status put_tensors(gguf_writer *w, const gguf_file *f, const convert_target *target,
                               convert_job *jobs, convert_run *run, const convert_hooks *hooks, uint64_t *all,
                               base_error *err) {
  convert_model_facts facts = convert_facts_of(f);
  for (size_t i = 0; i < gguf_tensor_count(f); i++) {
    const gguf_tensor *t = gguf_tensor_at(f, i);
    convert_job *job = &jobs[i];
    bool fallback;
    size_t row;
    (void)base_format(job->name, sizeof job->name, "%.*s", (int)t->name.len, t->name.ptr);
    job->type = convert_choose_type(target, &facts, t->name, t->n_dims, t->dim, t->type, &fallback);
    if (fallback) {
      convert_note(hooks, "%s has rows of %llu, which do not fit its blocks; it becomes %s", job->name,
                   (unsigned long long)t->dim[0], gguf_tensor_type_name(job->type));
    }
    uint64_t rows = t->dim[1] * t->dim[2] * t->dim[3];
    if (!gguf_row_bytes(job->type, t->dim[0], &row))
      return base_fail(err, BASE_EFORMAT, job->name, "impossible shape");
    job->source =
        (convert_source){.type = t->type, .data = t->data, .cols = t->dim[0], .count = t->dim[0] * rows};
    job->run = run;
    *all += row * rows;
    gguf_put_made_tensor(w, job->name, job->type, t->n_dims, t->dim, convert_make_tensor, job);
  }
  return BASE_OK;
}

base_status convert_quantize(const char *in, const char *out, const char *target_name,
                             const convert_hooks *hooks, base_error *err) {
  static const convert_hooks none;
  gguf_file *f = NULL;
  gguf_writer *w = NULL;
  convert_job *jobs = NULL;
  convert_run run = {0};
  uint64_t all = 0;
  size_t n_jobs = 0;
  if (hooks == NULL) hooks = &none;
  const convert_target *target = convert_find_target(target_name, err);
  base_status status = target != NULL ? gguf_open(&f, in, NULL, err) : BASE_EARGUMENT;
  if (status) return status;
  status = convert_refuse_pack(f, err);
  if (status) goto done;
  n_jobs = gguf_tensor_count(f) + 1;
  w = gguf_writer_new(NULL);
  jobs = base_calloc(NULL, n_jobs, sizeof *jobs);
  if (w == NULL || jobs == NULL) {
    status = base_fail(err, BASE_ENOMEM, in, "no memory to convert the file");
    goto done;
  }
  put_keys(w, f, target);
  status = put_tensors(w, f, target, jobs, &run, hooks, &all, err);
  if (!status) status = convert_run_open(&run, hooks, all, err);
  if (!status) status = gguf_writer_save(w, out, err);
done:
  convert_run_close(&run);
  base_free(NULL, jobs, n_jobs * sizeof *jobs);
  gguf_writer_free(w);
  gguf_close(f);
  return status;
}
