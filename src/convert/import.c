/* convert/import: a Hugging Face folder to GGUF: configuration to metadata, tokenizer to its keys, every
 * tensor renamed by name.def, turned around where llama.cpp's files want it, and streamed into the target's
 * types. */
#include <math.h>
#include <string.h>

#include "convert/family.h"
#include "convert/llama2c.h"
#include "convert/recode.h"
#include "convert/vocab.h"
#include "convert/weights.h"

typedef struct import {
  const char *dir;
  const convert_target *target;
  const convert_hooks *hooks;
  convert_config config;
  convert_weights weights;
  convert_vocab vocab;
  convert_model_facts facts;
  bool *used; /* [weights.n] */
  convert_job *jobs;
  size_t n_jobs, cap_jobs;
  convert_run run;
  uint64_t all;
  gguf_writer *w;
} import;

/* ---- metadata ---- */

static base_slice last_part(const char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/') len--;
  size_t start = len;
  while (start > 0 && path[start - 1] != '/') start--;
  return (base_slice){path + start, len - start};
}

/* The pooling of a sentence encoder stands in a file of its own; CLS or mean. */
static base_status read_pooling(import *m, uint32_t *pooling, base_error *err) {
  char path[4096];
  *pooling = 1;
  base_status status = convert_join(path, sizeof path, m->dir, "1_Pooling/config.json", err);
  if (status || !os_exists(path)) return status;
  json_t *root = convert_load_json(path, 1 << 20, err);
  if (root == NULL) return BASE_EFORMAT;
  if (json_is_true(json_object_get(root, "pooling_mode_cls_token")))
    *pooling = 2;
  else if (!json_is_true(json_object_get(root, "pooling_mode_mean_tokens")))
    status =
        base_fail(err, BASE_EUNSUPPORTED, path, "the pooling is neither of the first token nor the mean");
  json_decref(root);
  return status;
}

static base_status read_config(import *m, base_error *err) {
  char path[4096];
  uint32_t pooling = 0;
  base_status status = convert_join(path, sizeof path, m->dir, "config.json", err);
  if (status) return status;
  json_t *root = convert_load_json(path, 16 << 20, err);
  if (root == NULL) return err != NULL && err->code ? err->code : BASE_EFORMAT;
  const char *name = json_string_value(json_object_get(root, "_name_or_path"));
  base_slice title = last_part(name != NULL && name[0] != 0 ? name : m->dir);
  const convert_family *family = convert_find_family(root, path, err);
  status = family != NULL ? BASE_OK : BASE_EUNSUPPORTED;
  if (!status) {
    gguf_put_string(m->w, "general.architecture", base_slice_of(family->arch));
    gguf_put_string(m->w, "general.name", title);
    status = read_pooling(m, &pooling, err);
  }
  if (!status) status = convert_config_read(&m->config, root, pooling, m->w, path, err);
  json_decref(root);
  return status;
}

/* ---- tensors ---- */

/* Room for one more job; jobs keep their place: the most there can be was counted before. */
static convert_job *new_job(import *m, const char *name, base_error *err) {
  convert_job *job = &m->jobs[m->n_jobs];
  if (m->n_jobs == m->cap_jobs) {
    (void)base_fail(err, BASE_ELIMIT, name, "one tensor more than the %zu that were counted", m->cap_jobs);
    return NULL;
  }
  if (!base_format(job->name, sizeof job->name, "%s", name)) {
    (void)base_fail(err, BASE_ELIMIT, name, "a tensor's name has at most %zu bytes", sizeof job->name - 1);
    return NULL;
  }
  m->n_jobs++;
  job->run = &m->run;
  return job;
}

/* Chooses the type, counts the bytes and puts the tensor. */
static base_status put_job(import *m, convert_job *job, int n_dims, const uint64_t *dim, base_error *err) {
  bool fallback;
  size_t row;
  job->type = convert_choose_type(m->target, &m->facts, base_slice_of(job->name), n_dims, dim,
                                  job->source.type, &fallback);
  if (fallback)
    convert_note(m->hooks, "%s has rows of %llu, which do not fit its blocks; it becomes %s", job->name,
                 (unsigned long long)dim[0], gguf_tensor_type_name(job->type));
  if (!gguf_row_bytes(job->type, dim[0], &row))
    return base_fail(err, BASE_EFORMAT, job->name, "impossible shape");
  m->all += row * (job->source.count / dim[0]);
  gguf_put_made_tensor(m->w, job->name, job->type, n_dims, dim, convert_make_tensor, job);
  return BASE_OK;
}

/* The checkpoint's tensor of that name, with or without the prefixes that some checkpoints have. */
static const convert_weight *find_weight(import *m, const char *hf) {
  static const char *const prefixes[] = {"", "bert.", "model.", "language_model."};
  char name[160];
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    if (!base_format(name, sizeof name, "%s%s", prefixes[i], hf)) continue;
    const convert_weight *t = convert_weights_find(&m->weights, name);
    if (t == NULL) continue;
    m->used[t - m->weights.items] = true;
    return t;
  }
  return NULL;
}

/* Both halves of split tensors, rows turned, one added: what name.def's flags say. */
static base_status shape_source(const import *m, const convert_name *n, const convert_weight *t,
                                convert_source *s, uint64_t *dim, base_error *err) {
  uint64_t rows = t->n_dims > 1 ? t->shape[0] : t->elements;
  if ((n->flags & (FIRST | SECOND)) != 0) {
    if (t->n_dims != 2 || rows % 2 != 0)
      return base_fail(err, BASE_EFORMAT, t->name, "this tensor cannot be halved");
    s->count /= 2;
    dim[1] /= 2;
    if ((n->flags & SECOND) != 0) s->data += t->bytes / 2;
  }
  if ((n->flags & ROTARY) != 0) {
    if (rows % m->config.head_dim != 0)
      return base_fail(err, BASE_EMISMATCH, t->name,
                       "this tensor has %llu rows, no whole number of heads of %u", (unsigned long long)rows,
                       (unsigned)m->config.head_dim);
    s->head_rows = m->config.head_dim;
    s->interleave = true;
    if (t->n_dims == 1) s->cols = 1;
  }
  if ((n->flags & PLUS_ONE) != 0) s->add = 1.0F;
  return BASE_OK;
}

static base_status put_weight(import *m, const convert_name *n, uint32_t layer, base_error *err) {
  char gguf[96], hf[128];
  uint64_t dim[4];
  if (!convert_fill_name(gguf, sizeof gguf, n->gguf, layer) ||
      !convert_fill_name(hf, sizeof hf, n->hf, layer))
    return base_fail(err, BASE_ELIMIT, n->gguf, "the name is too long");
  const convert_weight *t = find_weight(m, hf);
  if (t == NULL && (n->flags & OPTIONAL) != 0) return BASE_OK;
  if (t == NULL) return base_fail(err, BASE_EFORMAT, m->dir, "the tensor \"%s\" is missing", hf);
  if (strcmp(n->gguf, "output.weight") == 0 && m->config.tied) return BASE_OK;
  if (!t->readable || (t->type != GGUF_T_F32 && t->type != GGUF_T_F16 && t->type != GGUF_T_BF16))
    return base_fail(err, BASE_EUNSUPPORTED, m->dir,
                     "tensor \"%s\" has the dtype %s; F32, F16 and BF16 are converted", hf, t->dtype);
  if (t->n_dims < 1 || t->n_dims > 4 || t->elements == 0)
    return base_fail(err, BASE_EFORMAT, m->dir, "tensor \"%s\" has no shape that can be converted", hf);
  for (int i = 0; i < t->n_dims; i++) dim[i] = t->shape[t->n_dims - 1 - i];
  convert_job *job = new_job(m, gguf, err);
  if (job == NULL) return BASE_ELIMIT;
  job->source = (convert_source){.type = t->type, .data = t->data, .cols = dim[0], .count = t->elements};
  base_status status = shape_source(m, n, t, &job->source, dim, err);
  return status ? status : put_job(m, job, t->n_dims, dim, err);
}

/* A tensor of floats that came from the configuration. */
static base_status put_floats(import *m, const char *name, const float *v, size_t n, base_error *err) {
  uint64_t dim = n;
  if (n == 0) return BASE_OK;
  convert_job *job = new_job(m, name, err);
  if (job == NULL) return BASE_ELIMIT;
  job->source = (convert_source){.type = GGUF_T_F32, .data = (const unsigned char *)v, .cols = n, .count = n};
  return put_job(m, job, 1, &dim, err);
}

/* Buffers and heads that are no part of the model proper. */
static bool is_ignored(const char *name) {
  static const char *const parts[] = {"rotary_emb.inv_freq", "position_ids", "pooler.", "cls.",
                                      "attn.masked_bias"};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (strstr(name, parts[i]) != NULL) return true;
  }
  return false;
}

static bool is_sight(const char *name) {
  return strstr(name, "vision_tower.") != NULL || strstr(name, "multi_modal_projector.") != NULL;
}

/* Tensors that nothing has taken: what is known to be left out is, anything else is refused. */
static base_status check_rest(const import *m, base_error *err) {
  size_t sight = 0;
  for (size_t i = 0; i < m->weights.n; i++) {
    const char *name = m->weights.items[i].name;
    if (m->used[i] || is_ignored(name)) continue;
    if (m->config.family->bit == GEMMA3 && is_sight(name)) sight++;
    else
      return base_fail(err, BASE_EUNSUPPORTED, m->dir, "the tensor \"%.120s\" is not known in the architecture %s",
                       name, m->config.family->class_name);
  }
  if (sight > 0) convert_note(m->hooks, "the part that sees is left out: %zu tensors", sight);
  return BASE_OK;
}

static base_status put_tensors(import *m, base_error *err) {
  size_t n;
  const convert_name *names = convert_names(&n);
  base_status status = BASE_OK;
  for (size_t i = 0; i < n && !status; i++) {
    if ((names[i].families & m->config.family->bit) != 0 && !convert_name_has_layer(&names[i]))
      status = put_weight(m, &names[i], 0, err);
  }
  if (!status) status = put_floats(m, "rope_freqs.weight", m->config.rope_freqs, m->config.n_freqs, err);
  if (!status) status = put_floats(m, "rope_factors_long.weight", m->config.rope_long, m->config.n_long, err);
  if (!status)
    status = put_floats(m, "rope_factors_short.weight", m->config.rope_short, m->config.n_short, err);
  for (uint32_t layer = 0; layer < m->config.layers; layer++) {
    for (size_t i = 0; i < n && !status; i++) {
      if ((names[i].families & m->config.family->bit) != 0 && convert_name_has_layer(&names[i]))
        status = put_weight(m, &names[i], layer, err);
    }
  }
  return status ? status : check_rest(m, err);
}

/* The rows of the embedding decide how many tokens there are. */
static base_status fit_vocab(import *m, base_error *err) {
  size_t n;
  const convert_name *names = convert_names(&n);
  for (size_t i = 0; i < n; i++) {
    if ((names[i].families & m->config.family->bit) == 0 || strcmp(names[i].gguf, "token_embd.weight") != 0)
      continue;
    const convert_weight *t = find_weight(m, names[i].hf);
    if (t == NULL) continue;
    if (t->n_dims == 2) {
      size_t had = m->vocab.n;
      base_status status = convert_vocab_pad(&m->vocab, t->shape[0], m->dir, err);
      if (!status && had > m->vocab.n)
        convert_note(m->hooks, "tokens that were added behind the embedding's %zu rows are left out: %zu", m->vocab.n,
                     had - m->vocab.n);
      return status;
    }
    return base_fail(err, BASE_EFORMAT, m->dir, "the embedding \"%s\" is no matrix", names[i].hf);
  }
  return base_fail(err, BASE_EFORMAT, m->dir, "the embedding is missing");
}

static base_status prepare(import *m, base_error *err) {
  base_status status = convert_weights_open_dir(&m->weights, m->dir, err);
  if (!status) status = read_config(m, err);
  if (!status) status = convert_vocab_read(&m->vocab, m->dir, err);
  if (status) return status;
  size_t n;
  (void)convert_names(&n);
  m->cap_jobs = n * m->config.layers + n;
  if (m->cap_jobs > m->weights.n * 2 + 8) m->cap_jobs = m->weights.n * 2 + 8;
  m->used = base_calloc(NULL, m->weights.n + 1, sizeof *m->used);
  m->jobs = base_calloc(NULL, m->cap_jobs, sizeof *m->jobs);
  if (m->used == NULL || m->jobs == NULL)
    return base_fail(err, BASE_ENOMEM, m->dir, "no memory for the tensors");
  m->facts = (convert_model_facts){
      .layers = m->config.layers,
      .heads = m->config.heads,
      .kv_heads = m->config.kv_heads,
      .has_output = !m->config.tied && convert_weights_find(&m->weights, "lm_head.weight") != NULL};
  status = fit_vocab(m, err);
  if (!status) status = convert_vocab_put(&m->vocab, m->w, err);
  gguf_put_u32(m->w, "general.file_type", m->target->file_type);
  gguf_put_u32(m->w, "general.quantization_version", 2);
  return status ? status : put_tensors(m, err);
}

static base_status import_folder(const char *dir, const char *out, const convert_target *target,
                                 const convert_hooks *hooks, base_error *err) {
import m = {.dir = dir, .target = target, .hooks = hooks, .w = gguf_writer_new(NULL) };
  base_status status = BASE_OK;
  convert_vocab_init(&m.vocab);
  if (m.w == NULL) return base_fail(err, BASE_ENOMEM, dir, "no memory to convert");
  status = prepare(&m, err);
  if (!status) status = convert_run_open(&m.run, hooks, m.all, err);
  if (!status) status = gguf_writer_save(m.w, out, err);
  convert_run_close(&m.run);
  base_free(NULL, m.jobs, m.cap_jobs * sizeof *m.jobs);
  if (m.used != NULL) base_free(NULL, m.used, (m.weights.n + 1) * sizeof *m.used);
  convert_vocab_free(&m.vocab);
  convert_weights_close(&m.weights);
  gguf_writer_free(m.w);
  return status;
}

base_status convert_import(const char *in, const char *tokenizer, const char *out, const char *target_name,
                           const convert_hooks *hooks, base_error *err) {
  static const convert_hooks none;
  base_error local = {0};
  if (err == NULL) err = &local;
  if (hooks == NULL) hooks = &none;
  const convert_target *target = convert_find_target(target_name != NULL ? target_name : "F16", err);
  if (target == NULL) return BASE_EARGUMENT;
  if (os_is_dir(in)) return import_folder(in, out, target, hooks, err);
  if (!os_exists(in)) return base_fail(err, BASE_ENOTFOUND, in, "there is no such file or folder");
  if (tokenizer == NULL)
    return base_fail(err, BASE_EARGUMENT, in,
                     "this is no folder; for a llama2.c checkpoint --tokenizer FILE is needed too");
  return convert_import_llama2c(in, tokenizer, out, target, hooks, err);
}
