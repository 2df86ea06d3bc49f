/* convert/llama2c: a checkpoint is seven int32 (width, hidden, layers, heads, key heads, vocabulary, length;
 * a negative vocabulary means an output matrix of its own), then floats, kind by kind over all layers. Its
 * queries and keys lie in pairs, as llama's GGUF files have them. The tokenizer is a count of bytes, then for
 * each token a score, a length and its bytes. */
#include "convert/llama2c.h"

#include <string.h>

#include "convert/vocab.h"
#include "os/os.h"

enum { SPACE_BYTES = 3, HEADER_BYTES = 28, KINDS = 12 };

typedef struct shape {
  uint32_t width, hidden, layers, heads, kv_heads, vocab, length, head_dim;
  bool own_output;
} shape;

/* One kind of tensor in the file's order. rows 0: a vector. */
typedef struct kind {
  const char *name; /* '#': one a layer; NULL: skipped */
  uint64_t rows, cols;
  bool layered;
} kind;

typedef struct checkpoint {
  const char *path;
  os_map map;
  shape s;
  convert_vocab vocab;
  convert_job *jobs;
  size_t n_jobs, cap_jobs;
  convert_run run;
  gguf_writer *w;
} checkpoint;

static base_status read_shape(checkpoint *c, base_error *err) {
  base_cursor cursor = base_cursor_of(c->map.ptr, c->map.len);
  int32_t v[7];
  for (int i = 0; i < 7; i++) v[i] = (int32_t)base_cursor_u32(&cursor);
  shape *s = &c->s;
  s->own_output = v[5] < 0;
  if (v[5] != INT32_MIN && v[5] < 0) v[5] = -v[5];
  for (int i = 0; i < 7; i++) {
    if (cursor.failed || v[i] < 1 || v[i] > 1 << 20)
      return base_fail(err, BASE_EFORMAT, c->path,
                       "this is no checkpoint of llama2.c: number %d of its header is impossible", i);
  }
  *s = (shape){(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3],
               (uint32_t)v[4], (uint32_t)v[5], (uint32_t)v[6], 0,
               s->own_output};
  if (s->width % s->heads != 0 || s->heads % s->kv_heads != 0 || s->layers > 1024)
    return base_fail(err, BASE_EFORMAT, c->path,
                     "this is no checkpoint of llama2.c: its heads do not divide its width");
  s->head_dim = s->width / s->heads;
  return BASE_OK;
}

static void list_kinds(const shape *s, kind *k) {
  uint64_t d = s->width, kv = (uint64_t)s->kv_heads * s->head_dim, f = s->hidden;
  const kind all[KINDS] = {{"token_embd.weight", s->vocab, d, false},
                           {"blk.#.attn_norm.weight", 0, d, true},
                           {"blk.#.attn_q.weight", d, d, true},
                           {"blk.#.attn_k.weight", kv, d, true},
                           {"blk.#.attn_v.weight", kv, d, true},
                           {"blk.#.attn_output.weight", d, d, true},
                           {"blk.#.ffn_norm.weight", 0, d, true},
                           {"blk.#.ffn_gate.weight", f, d, true},
                           {"blk.#.ffn_down.weight", d, f, true},
                           {"blk.#.ffn_up.weight", f, d, true},
                           {"output_norm.weight", 0, d, false},
                           {NULL, 0, (uint64_t)s->length * (s->head_dim / 2) * 2, false}}; /* rotary tables */
  memcpy(k, all, sizeof all);
}

static base_status put_tensor(checkpoint *c, const convert_target *target, const convert_hooks *hooks,
                              const kind *k, uint32_t layer, const unsigned char *data, base_error *err) {
  convert_model_facts facts = {c->s.layers, c->s.heads, c->s.kv_heads, c->s.own_output};
  convert_job *job = &c->jobs[c->n_jobs++];
  uint64_t dim[2] = {k->cols, k->rows};
  int n_dims = k->rows > 0 ? 2 : 1;
  bool fallback;
  size_t row;
  const char *mark = strchr(k->name, '#');
  if (mark == NULL)
    (void)base_format(job->name, sizeof job->name, "%s", k->name);
  else
    (void)base_format(job->name, sizeof job->name, "blk.%u%s", (unsigned)layer, mark + 1);
  job->source = (convert_source){
      .type = GGUF_T_F32, .data = data, .cols = k->cols, .count = k->cols * (k->rows > 0 ? k->rows : 1)};
  job->type =
      convert_choose_type(target, &facts, base_slice_of(job->name), n_dims, dim, GGUF_T_F32, &fallback);
  if (fallback)
    convert_note(hooks, "%s has rows of %llu, which do not fit its blocks; it becomes %s", job->name,
                 (unsigned long long)k->cols, gguf_tensor_type_name(job->type));
  if (!gguf_row_bytes(job->type, k->cols, &row))
    return base_fail(err, BASE_EFORMAT, job->name, "impossible shape");
  c->run.all += row * (job->source.count / k->cols);
  job->run = &c->run;
  gguf_put_made_tensor(c->w, job->name, job->type, n_dims, dim, convert_make_tensor, job);
  return BASE_OK;
}

/* All tensors in the file's order; what the shape says and the file's length agree. */
static base_status put_tensors(checkpoint *c, const convert_target *target, const convert_hooks *hooks,
                               base_error *err) {
  kind kinds[KINDS + 1];
  base_cursor cursor = base_cursor_of(c->map.ptr, c->map.len);
  base_cursor_skip(&cursor, HEADER_BYTES);
  list_kinds(&c->s, kinds);
  kinds[KINDS] = (kind){"output.weight", c->s.vocab, c->s.width, false};
  c->cap_jobs = (size_t)c->s.layers * KINDS + KINDS;
  c->jobs = base_calloc(NULL, c->cap_jobs, sizeof *c->jobs);
  if (c->jobs == NULL) return base_fail(err, BASE_ENOMEM, c->path, "no memory for the tensors");
  for (size_t i = 0; i < KINDS + (c->s.own_output ? 1 : 0); i++) {
    for (uint32_t layer = 0; layer < (kinds[i].layered ? c->s.layers : 1); layer++) {
      uint64_t count = kinds[i].cols * (kinds[i].rows > 0 ? kinds[i].rows : 1);
      const unsigned char *data = base_cursor_bytes(&cursor, (size_t)count * 4);
      if (data == NULL)
        return base_fail(err, BASE_EFORMAT, c->path, "the file ends inside %s",
                         kinds[i].name != NULL ? kinds[i].name : "the rotary tables");
      base_status status =
          kinds[i].name != NULL ? put_tensor(c, target, hooks, &kinds[i], layer, data, err) : BASE_OK;
      if (status) return status;
    }
  }
  if (cursor.pos != cursor.len) return base_fail(err, BASE_EFORMAT, c->path, "bytes follow the last tensor");
  return BASE_OK;
}

/* Token text as GGUF has it: blanks as U+2581, bytes 3..258 as <0xNN>. */
static base_status put_token(checkpoint *c, uint32_t id, base_slice text, float score, const char *where,
                             base_error *err) {
  static const char *const first[3] = {"<unk>", "<s>", "</s>"};
  int32_t type = id == 0 ? TOKEN_UNKNOWN : id < 3 ? TOKEN_CONTROL : id < 259 ? TOKEN_BYTE : TOKEN_NORMAL;
  base_buf shown = {0};
  if (id < 3)
    base_buf_puts(&shown, first[id]);
  else if (id < 259)
    base_buf_printf(&shown, "<0x%02X>", (unsigned)(id - 3));
  for (size_t i = 0; id >= 259 && i < text.len; i++) {
    if (text.ptr[i] == ' ')
      base_buf_add(&shown, "\xE2\x96\x81", SPACE_BYTES);
    else
      base_buf_putc(&shown, text.ptr[i]);
  }
  base_status status = BASE_OK;
  if (shown.len > 0 && !base_utf8_valid(shown.ptr, shown.len))
    status = base_fail(err, BASE_EFORMAT, where, "token %u is not UTF-8", (unsigned)id);
  if (!status)
    status = convert_vocab_set(&c->vocab, id, (base_slice){shown.ptr, shown.len}, score, type, where, err);
  base_buf_free(&shown);
  return status;
}

static base_status read_tokenizer(checkpoint *c, const char *path, base_error *err) {
  base_buf bytes = {0};
  base_status status = os_read_file(path, CONVERT_MAX_TOKENIZER, &bytes, err);
  base_cursor cursor = base_cursor_of(bytes.ptr, bytes.len);
  (void)base_cursor_u32(&cursor); /* the longest token */
  for (uint32_t id = 0; id < c->s.vocab && !status; id++) {
    float score = base_cursor_f32(&cursor);
    uint32_t len = base_cursor_u32(&cursor);
    const char *text = base_cursor_bytes(&cursor, len);
    if (text == NULL || !(score - score == 0))
      status = base_fail(err, BASE_EFORMAT, path, "the file ends at token %u; the checkpoint has %u",
                         (unsigned)id, (unsigned)c->s.vocab);
    else
      status = put_token(c, id, (base_slice){text, len}, score, path, err);
  }
  if (!status && cursor.pos != cursor.len)
    status = base_fail(err, BASE_EMISMATCH, path, "there are more tokens than the checkpoint's %u",
                       (unsigned)c->s.vocab);
  base_buf_free(&bytes);
  c->vocab.model = "llama";
  c->vocab.pre = "default";
  c->vocab.special[SPECIAL_UNK] = 0;
  c->vocab.special[SPECIAL_BOS] = 1;
  c->vocab.special[SPECIAL_EOS] = 2;
  c->vocab.add_bos = c->vocab.add_space_prefix = 1;
  c->vocab.add_eos = 0;
  return status;
}

static void put_keys(checkpoint *c, const convert_target *target) {
  const shape *s = &c->s;
  gguf_put_string(c->w, "general.architecture", BASE_LITERAL("llama"));
  gguf_put_u32(c->w, "general.file_type", target->file_type);
  gguf_put_u32(c->w, "general.quantization_version", 2);
  gguf_put_u32(c->w, "llama.context_length", s->length);
  gguf_put_u32(c->w, "llama.embedding_length", s->width);
  gguf_put_u32(c->w, "llama.feed_forward_length", s->hidden);
  gguf_put_u32(c->w, "llama.block_count", s->layers);
  gguf_put_u32(c->w, "llama.attention.head_count", s->heads);
  gguf_put_u32(c->w, "llama.attention.head_count_kv", s->kv_heads);
  gguf_put_f32(c->w, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
  gguf_put_f32(c->w, "llama.rope.freq_base", 10000.0F);
  gguf_put_u32(c->w, "llama.rope.dimension_count", s->head_dim);
  gguf_put_u32(c->w, "llama.vocab_size", s->vocab);
}

base_status convert_import_llama2c(const char *path, const char *tokenizer, const char *out,
                                   const convert_target *target, const convert_hooks *hooks,
                                   base_error *err) {
  checkpoint c = {.path = path};
  convert_run buffers = {0};
  convert_vocab_init(&c.vocab);
  base_status status = os_map_open(&c.map, path, err);
  if (status) return status;
  c.w = gguf_writer_new(NULL);
  if (c.w == NULL) status = base_fail(err, BASE_ENOMEM, path, "no memory to convert");
  if (!status) status = read_shape(&c, err);
  if (!status) status = read_tokenizer(&c, tokenizer, err);
  if (!status) put_keys(&c, target);
  if (!status) status = convert_vocab_put(&c.vocab, c.w, err);
  if (!status) status = put_tensors(&c, target, hooks, err);
  if (!status) status = convert_run_open(&buffers, hooks, c.run.all, err);
  if (!status) {
    c.run = buffers;
    status = gguf_writer_save(c.w, out, err);
  }
  convert_run_close(&buffers);
  base_free(NULL, c.jobs, c.cap_jobs * sizeof *c.jobs);
  convert_vocab_free(&c.vocab);
  gguf_writer_free(c.w);
  os_map_close(&c.map);
  return status;
}
