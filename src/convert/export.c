/* convert/export: GGUF to a Hugging Face folder: the way of import backwards, by the same tables. */
#include <string.h>

#include "convert/family.h"
#include "convert/recode.h"
#include "convert/vocab.h"
#include "convert/weights.h"

/* One tensor of the checkpoint: one of ours, or two halves. */
typedef struct piece {
  char name[128];
  convert_job part[2];
  int parts, n_dims;
  uint64_t shape[4]; /* as the checkpoint has it */
  uint64_t bytes;
} piece;

typedef struct exporter {
  const gguf_file *f;
  const char *dir;
  gguf_tensor_type wanted; /* of matrices, when `chosen` */
  bool chosen;
  convert_config config;
  piece *pieces;
  size_t n, cap;
  bool *used; /* [tensors of f] */
  convert_run run;
  uint64_t all;
  base_error *err;
} exporter;

static const char *dtype_of(gguf_tensor_type type) {
  return type == GGUF_T_F32 ? "F32" : type == GGUF_T_F16 ? "F16" : "BF16";
}

static gguf_tensor_type type_for(const exporter *x, const gguf_tensor *t) {
  if (t->n_dims > 1 && x->chosen) return x->wanted;
  if (t->type == GGUF_T_F32 || t->type == GGUF_T_F16 || t->type == GGUF_T_BF16) return t->type;
  return GGUF_T_F16;
}

static piece *find_piece(exporter *x, const char *name) {
  for (size_t i = x->n; i > 0 && i + 2 > x->n; i--) {
    if (strcmp(x->pieces[i - 1].name, name) == 0) return &x->pieces[i - 1];
  }
  return NULL;
}

/* The checkpoint's tensor that `t` becomes, or the second half of. */
static base_status add_tensor(exporter *x, const convert_name *n, const gguf_tensor *t, const char *hf) {
  piece *p = (n->flags & SECOND) != 0 ? find_piece(x, hf) : NULL;
  bool second = p != NULL;
  if (p == NULL) {
    if (x->n == x->cap) return base_fail(x->err, BASE_ELIMIT, hf, "too many tensors");
    p = &x->pieces[x->n++];
    (void)base_format(p->name, sizeof p->name, "%s", hf);
    p->n_dims = t->n_dims;
    for (int i = 0; i < t->n_dims; i++) p->shape[i] = t->dim[t->n_dims - 1 - i];
  } else {
    if (p->parts != 1 || t->n_dims != p->n_dims || t->dim[0] != p->shape[1])
      return base_fail(x->err, BASE_EMISMATCH, hf, "the halves of this tensor do not fit together");
    p->shape[0] += t->dim[1];
  }
  convert_job *job = &p->part[p->parts++];
  size_t row;
  uint64_t rows = t->dim[1] * t->dim[2] * t->dim[3];
  (void)base_format(job->name, sizeof job->name, "%.*s", (int)t->name.len, t->name.ptr);
  job->type = second ? p->part[0].type : type_for(x, t);
  job->run = &x->run;
  job->source =
      (convert_source){.type = t->type, .data = t->data, .cols = t->dim[0], .count = t->dim[0] * rows};
  if ((n->flags & ROTARY) != 0) {
    if (x->config.head_dim == 0 || x->config.head_dim % 2 != 0 ||
        (t->n_dims > 1 ? t->dim[1] : t->dim[0]) % x->config.head_dim != 0)
      return base_fail(x->err, BASE_EMISMATCH, job->name, "its rows are no whole number of heads of %u",
                       (unsigned)x->config.head_dim);
    job->source.head_rows = x->config.head_dim;
    if (t->n_dims == 1) job->source.cols = 1;
    if (t->n_dims == 1 && gguf_block_elements(t->type) > 1)
      return base_fail(x->err, BASE_EUNSUPPORTED, job->name, "a vector in blocks cannot be turned around");
  }
  if ((n->flags & PLUS_ONE) != 0) job->source.add = -1.0F;
  if (!gguf_row_bytes(job->type, t->dim[0], &row))
    return base_fail(x->err, BASE_EFORMAT, job->name, "impossible shape");
  p->bytes += row * rows;
  x->all += row * rows;
  return BASE_OK;
}

static base_status add_name(exporter *x, const convert_name *n, uint32_t layer) {
  char gguf[96], hf[128];
  if (!convert_fill_name(gguf, sizeof gguf, n->gguf, layer) ||
      !convert_fill_name(hf, sizeof hf, n->hf, layer))
    return base_fail(x->err, BASE_ELIMIT, n->gguf, "the name is too long");
  const gguf_tensor *t = gguf_find_tensor(x->f, gguf);
  if (t == NULL && (n->flags & OPTIONAL) != 0) return BASE_OK;
  if (t == NULL)
    return base_fail(x->err, BASE_EFORMAT, gguf_path(x->f), "the tensor \"%s\" is missing", gguf);
  x->used[t - gguf_tensor_at(x->f, 0)] = true;
  return add_tensor(x, n, t, hf);
}

static base_status add_all(exporter *x) {
  size_t n, tensors = gguf_tensor_count(x->f);
  const convert_name *names = convert_names(&n);
  base_status status = BASE_OK;
  for (size_t i = 0; i < n && !status; i++) {
    if ((names[i].families & x->config.family->bit) != 0 && !convert_name_has_layer(&names[i]))
      status = add_name(x, &names[i], 0);
  }
  for (uint32_t layer = 0; layer < x->config.layers && !status; layer++) {
    for (size_t i = 0; i < n && !status; i++) {
      if ((names[i].families & x->config.family->bit) != 0 && convert_name_has_layer(&names[i]))
        status = add_name(x, &names[i], layer);
    }
  }
  for (size_t i = 0; i < tensors && !status; i++) {
    base_slice name = gguf_tensor_at(x->f, i)->name;
    if (!x->used[i] && !base_slice_starts(name, BASE_LITERAL("rope_f")))
      status = base_fail(x->err, BASE_EUNSUPPORTED, gguf_path(x->f),
                         "the tensor \"%.*s\" is not known in this architecture", (int)name.len, name.ptr);
  }
  return status;
}

/* ---- model.safetensors ---- */

static void build_header(const exporter *x, base_buf *b) {
  uint64_t at = 0;
  base_buf_puts(b, "{\"__metadata__\":{\"format\":\"pt\"}");
  for (size_t i = 0; i < x->n; i++) {
    const piece *p = &x->pieces[i];
    base_buf_puts(b, ",");
    base_buf_json(b, base_slice_of(p->name));
    base_buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_of(p->part[0].type));
    for (int k = 0; k < p->n_dims; k++)
      base_buf_printf(b, "%s%llu", k > 0 ? "," : "", (unsigned long long)p->shape[k]);
    base_buf_printf(b, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                    (unsigned long long)(at + p->bytes));
    at += p->bytes;
  }
  base_buf_puts(b, "}");
  while (!b->failed && b->len % 8 != 0) base_buf_putc(b, ' ');
}

static base_status emit_to_writer(void *ctx, const void *bytes, size_t len, base_error *err) {
  return os_writer_add(ctx, bytes, len, err);
}

static base_status save_weights(exporter *x) {
  char path[4096];
  base_buf header = {0};
  os_writer *w = NULL;
  unsigned char length[8];
  base_status status = convert_join(path, sizeof path, x->dir, "model.safetensors", x->err);
  build_header(x, &header);
  for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
  if (!status && header.failed) status = base_fail(x->err, BASE_ENOMEM, path, "no memory for the header");
  if (!status) status = os_writer_open(&w, path, x->err);
  if (!status) status = os_writer_add(w, length, sizeof length, x->err);
  if (!status) status = os_writer_add(w, header.ptr, header.len, x->err);
  for (size_t i = 0; i < x->n && !status; i++) {
    for (int k = 0; k < x->pieces[i].parts && !status; k++)
      status = convert_recode(&x->pieces[i].part[k], emit_to_writer, w, x->err);
  }
  if (w != NULL && !status)
    status = os_writer_commit(w, x->err);
  else
    os_writer_abort(w);
  base_buf_free(&header);
  return status;
}

/* config.json gets the type of the matrices; sentence encoders their pooling. */
static base_status save_config(exporter *x, json_t *config) {
  gguf_tensor_type type = x->n > 0 ? x->pieces[0].part[0].type : GGUF_T_F16;
  const char *name = type == GGUF_T_F32 ? "float32" : type == GGUF_T_F16 ? "float16" : "bfloat16";
  uint32_t pooling = 0;
  char key[64], folder[4096];
  if (json_object_set_new(config, "torch_dtype", json_string(name)) != 0)
    return base_fail(x->err, BASE_ENOMEM, x->dir, "no memory for config.json");
  base_status status = convert_save_json(config, x->dir, "config.json", x->err);
  (void)base_format(key, sizeof key, "%s.pooling_type", x->config.family->arch);
  if (status || gguf_find(x->f, key) == NULL || gguf_get_u32(x->f, key, &pooling, NULL) != BASE_OK)
    return status;
  json_t *root = json_pack("{s:i,s:b,s:b}", "word_embedding_dimension", (int)x->config.hidden,
                           "pooling_mode_cls_token", pooling == 2, "pooling_mode_mean_tokens", pooling == 1);
  status = convert_join(folder, sizeof folder, x->dir, "1_Pooling", x->err);
  if (!status) status = os_mkdir(folder, x->err);
  if (!status) status = convert_save_json(root, folder, "config.json", x->err);
  json_decref(root);
  return status;
}

static base_status export_all(exporter *x, const convert_hooks *hooks) {
  size_t tensors = gguf_tensor_count(x->f);
  base_status status = BASE_OK;
  json_t *config = convert_config_write(&x->config, x->f, x->err);
  if (config == NULL) return x->err->code != BASE_OK ? x->err->code : BASE_ENOMEM;
  x->cap = tensors + 1;
  x->pieces = base_calloc(NULL, x->cap, sizeof *x->pieces);
  x->used = base_calloc(NULL, x->cap, sizeof *x->used);
  if (x->pieces == NULL || x->used == NULL)
    status = base_fail(x->err, BASE_ENOMEM, x->dir, "no memory for the tensors");
  if (!status) status = add_all(x);
  if (!status) status = convert_run_open(&x->run, hooks, x->all, x->err);
  if (!status) status = os_mkdir(x->dir, x->err);
  if (!status) status = convert_vocab_export(x->f, x->dir, x->err);
  if (!status) status = save_config(x, config);
  if (!status) status = save_weights(x);
  convert_run_close(&x->run);
  base_free(NULL, x->pieces, x->cap * sizeof *x->pieces);
  base_free(NULL, x->used, x->cap * sizeof *x->used);
  json_decref(config);
  return status;
}

base_status convert_export(const char *in, const char *out_dir, const char *target_name,
                           const convert_hooks *hooks, base_error *err) {
  static const convert_hooks none;
  base_error local = {0};
  gguf_file *f = NULL;
  if (err == NULL) err = &local;
  if (hooks == NULL) hooks = &none;
  exporter x = {.dir = out_dir, .err = err};
  if (target_name != NULL) {
    const convert_target *target = convert_find_target(target_name, err);
    if (target == NULL) return BASE_EARGUMENT;
    if (target->type != GGUF_T_F32 && target->type != GGUF_T_F16 && target->type != GGUF_T_BF16)
      return base_fail(err, BASE_EARGUMENT, target_name, "safetensors are written as F32, F16 or BF16");
    x.chosen = true;
    x.wanted = target->type;
  }
  base_status status = gguf_open(&f, in, NULL, err);
  if (status) return status;
  x.f = f;
  status = convert_refuse_pack(f, err);
  if (!status) status = export_all(&x, hooks);
  gguf_close(f);
  return status;
}
