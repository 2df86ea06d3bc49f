/* convert/config_write: metadata back to config.json, in the words that both old and new versions of
 * transformers read. */
#include <math.h>
#include <string.h>

#include "convert/family.h"

typedef struct writer {
  convert_config *c;
  const gguf_file *f;
  json_t *root;
  base_error *err;
  base_status status; /* sticky */
} writer;

static void set(writer *w, json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value) != 0 && !w->status)
    w->status = base_fail(w->err, BASE_ENOMEM, "config.json", "no memory for the key \"%s\"", key);
}

static void add(writer *w, json_t *list, json_t *value) {
  if (json_array_append_new(list, value) != 0 && !w->status)
    w->status = base_fail(w->err, BASE_ENOMEM, "config.json", "no memory for a list");
}

static const char *full(const writer *w, const char *rest, char out[128]) {
  (void)base_format(out, 128, "%s.%s", w->c->family->arch, rest);
  return out;
}

static bool has(const writer *w, const char *rest) {
  char key[128];
  return gguf_find(w->f, full(w, rest, key)) != NULL;
}

static bool is_false(const writer *w, const char *rest) {
  char key[128];
  const gguf_value *v = gguf_find(w->f, full(w, rest, key));
  return v != NULL && v->type == GGUF_BOOL && v->bytes[0] == 0;
}

/* 0 when it is absent and may be; absent or of another type is an error when needed. */
static uint32_t whole(writer *w, const char *rest, bool needed) {
  char key[128];
  uint32_t v = 0;
  if (!needed && !has(w, rest)) return 0;
  base_status status = gguf_get_u32(w->f, full(w, rest, key), &v, w->err);
  if (status && !w->status) w->status = status;
  return v;
}

static float real(writer *w, const char *rest, float otherwise) {
  char key[128];
  float v = otherwise;
  if (!has(w, rest)) return otherwise;
  base_status status = gguf_get_f32(w->f, full(w, rest, key), &v, w->err);
  if (status && !w->status) w->status = status;
  return v;
}

/* The shortest decimal number that gives the same float: 1e-05, not 9.9999997e-06. */
static json_t *json_float(float v) {
  char text[40];
  double d = (double)v;
  for (int digits = 1; digits <= 9; digits++) {
    (void)base_format(text, sizeof text, "%.*g", digits, (double)v);
    if (base_parse_double(base_slice_of(text), &d) && (float)d == v) break;
  }
  return json_real(d);
}

static void write_keys(writer *w) {
  size_t n;
  const convert_key *keys = convert_keys(&n);
  for (size_t i = 0; i < n; i++) {
    char key[128];
    if ((keys[i].families & w->c->family->bit) == 0) continue;
    if (!has(w, keys[i].gguf)) {
      if (keys[i].needed && !w->status)
        w->status = base_fail(w->err, BASE_EFORMAT, gguf_path(w->f), "the key \"%s\" is missing",
                              full(w, keys[i].gguf, key));
      else if (keys[i].null_when_absent)
        set(w, w->root, keys[i].hf, json_null());
    } else if (keys[i].whole) {
      set(w, w->root, keys[i].hf, json_integer(whole(w, keys[i].gguf, true)));
    } else {
      set(w, w->root, keys[i].hf, json_float(real(w, keys[i].gguf, 0)));
    }
  }
}

/* ---- rotary scaling ---- */

/* llama3's scaling is stored as divisors only; its four numbers are found again when they are the usual ones.
 */
static json_t *find_llama3(writer *w, const gguf_tensor *t, float base) {
  size_t n = (size_t)t->dim[0];
  const float *have = t->data;
  float largest = 0, guess[CONVERT_MAX_ROPE];
  json_t *p = json_object();
  for (size_t i = 0; i < n && i < CONVERT_MAX_ROPE && t->type == GGUF_T_F32; i++)
    largest = have[i] > largest ? have[i] : largest;
  for (unsigned k = 0; k < 15 && n <= CONVERT_MAX_ROPE && t->type == GGUF_T_F32; k++) {
    uint32_t original = 1u << (k == 0 ? 13 : k < 9 ? k + 4 : k + 5); /* 8192 is everybody's */
    bool same = true;
    convert_llama3_factors(guess, n, (double)base, (double)largest, 1.0, 4.0, original);
    for (size_t i = 0; i < n; i++) same = same && fabsf(guess[i] - have[i]) <= 1e-5F * guess[i];
    if (!same) continue;
    set(w, p, "rope_type", json_string("llama3"));
    set(w, p, "factor", json_float(largest));
    set(w, p, "low_freq_factor", json_real(1.0));
    set(w, p, "high_freq_factor", json_real(4.0));
    set(w, p, "original_max_position_embeddings", json_integer(original));
    return p;
  }
  json_decref(p);
  if (!w->status)
    w->status = base_fail(w->err, BASE_EUNSUPPORTED, "rope_freqs.weight",
                          "these rotary factors have no known scaling");
  return NULL;
}

static json_t *factors_of(writer *w, const char *name) {
  const gguf_tensor *t = gguf_find_tensor(w->f, name);
  json_t *list = json_array();
  if (t == NULL || t->type != GGUF_T_F32) {
    if (!w->status)
      w->status =
          base_fail(w->err, BASE_EFORMAT, gguf_path(w->f), "the tensor \"%s\" is missing or not F32", name);
    return list;
  }
  for (uint64_t i = 0; i < t->dim[0]; i++)
    add(w, list, json_float(((const float *)t->data)[i]));
  return list;
}

static json_t *scaling_of(writer *w, float base) {
  char key[128];
  base_slice type = {NULL, 0};
  const gguf_tensor *divisors = gguf_find_tensor(w->f, "rope_freqs.weight");
  if (divisors != NULL) return find_llama3(w, divisors, base);
  if (!has(w, "rope.scaling.type") && gguf_find_tensor(w->f, "rope_factors_long.weight") != NULL)
    type = BASE_LITERAL("longrope"); /* as llama.cpp writes phi3 */
  else if (!has(w, "rope.scaling.type") ||
           gguf_get_string(w->f, full(w, "rope.scaling.type", key), &type, NULL) ||
           base_slice_equal(type, BASE_LITERAL("none")))
    return NULL;
  json_t *p = json_object();
  set(w, p, "rope_type", json_stringn(type.ptr, type.len));
  if (base_slice_equal(type, BASE_LITERAL("longrope"))) {
    set(w, p, "type", json_string("longrope"));
    set(w, p, "long_factor", factors_of(w, "rope_factors_long.weight"));
    set(w, p, "short_factor", factors_of(w, "rope_factors_short.weight"));
    set(w, w->root, "original_max_position_embeddings",
        json_integer(whole(w, "rope.scaling.original_context_length", true)));
    return p;
  }
  set(w, p, "factor", json_float(real(w, "rope.scaling.factor", 1.0F)));
  if (has(w, "rope.scaling.original_context_length"))
    set(w, p, "original_max_position_embeddings",
        json_integer(whole(w, "rope.scaling.original_context_length", true)));
  if (has(w, "rope.scaling.yarn_attn_factor"))
    set(w, p, "attention_factor", json_float(real(w, "rope.scaling.yarn_attn_factor", 1.0F)));
  if (has(w, "rope.scaling.yarn_beta_fast"))
    set(w, p, "beta_fast", json_float(real(w, "rope.scaling.yarn_beta_fast", 32.0F)));
  if (has(w, "rope.scaling.yarn_beta_slow"))
    set(w, p, "beta_slow", json_float(real(w, "rope.scaling.yarn_beta_slow", 1.0F)));
  if (is_false(w, "rope.scaling.yarn_truncate")) set(w, p, "truncate", json_false());
  return p;
}

/* ---- families ---- */

/* Whether a layer has a window: by the period of the file or the family, or layer by layer. */
static bool has_window(writer *w, uint32_t layer) {
  static const char rest[] = "attention.sliding_window_pattern";
  char key[128];
  const gguf_value *v = gguf_find(w->f, full(w, rest, key));
  if (v == NULL) return convert_window_of(convert_window_period(w->c->family), layer);
  if (v->type != GGUF_ARRAY) return convert_window_of(whole(w, rest, true), layer);
  if (v->element == GGUF_BOOL && layer < v->count) return v->bytes[layer] != 0;
  if (!w->status)
    w->status = base_fail(w->err, BASE_EFORMAT, gguf_path(w->f), "the key \"%s\" says nothing of layer %u", key,
                          (unsigned)layer);
  return false;
}

static void write_layer_types(writer *w) {
  json_t *types = json_array();
  for (uint32_t i = 0; i < w->c->layers; i++)
    add(w, types, json_string(has_window(w, i) ? "sliding_attention" : "full_attention"));
  set(w, w->root, "layer_types", types);
}

/* transformers before version 4.52 knows max_window_layers alone: right where the windows are all at the end. */
static void write_qwen_windows(writer *w) {
  uint32_t first = 0, window = whole(w, "attention.sliding_window", false);
  if (window == 0) return;
  while (first < w->c->layers && !has_window(w, first)) first++;
  set(w, w->root, "use_sliding_window", json_true());
  set(w, w->root, "sliding_window", json_integer(window));
  set(w, w->root, "max_window_layers", json_integer(first));
  write_layer_types(w);
}

static void write_gemma(writer *w) {
  bool third = w->c->family->bit == GEMMA3;
  float scale = real(w, "attention.scale", 0);
  set(w, w->root, "hidden_activation", json_string("gelu_pytorch_tanh"));
  set(w, w->root, "hidden_act", json_string("gelu_pytorch_tanh"));
  if (w->c->family->bit == GEMMA) return;
  double scalar = scale > 0 ? 1.0 / ((double)scale * (double)scale) : (double)w->c->head_dim;
  scalar = fabs(scalar - round(scalar)) < 1e-3 * scalar ? round(scalar) : scalar;
  set(w, w->root, "query_pre_attn_scalar",
      scalar == round(scalar) ? json_integer((json_int_t)scalar) : json_real(scalar));
  write_layer_types(w);
  if (third) set(w, w->root, "rope_local_base_freq", json_float(real(w, "rope.freq_base_swa", 10000.0F)));
}

static void write_llama(writer *w) {
  convert_config *c = w->c;
  float base = real(w, "rope.freq_base", 10000.0F);
  c->kv_heads = whole(w, "attention.head_count_kv", false);
  if (c->kv_heads == 0) c->kv_heads = c->heads;
  c->head_dim = whole(w, "attention.key_length", false);
  if (c->head_dim == 0) c->head_dim = c->heads > 0 ? c->hidden / c->heads : 0;
  set(w, w->root, "num_key_value_heads", json_integer(c->kv_heads));
  set(w, w->root, "head_dim", json_integer(c->head_dim));
  set(w, w->root, "rope_theta", json_float(base));
  uint32_t rotated = whole(w, "rope.dimension_count", false);
  if (c->family->bit == PHI3 && rotated != 0 && c->head_dim != 0 && rotated != c->head_dim)
    set(w, w->root, "partial_rotary_factor", json_real((double)rotated / (double)c->head_dim));
  json_t *scaling = scaling_of(w, base);
  if (scaling != NULL) set(w, w->root, "rope_scaling", scaling);
  if ((c->family->bit & (GEMMA | GEMMA2 | GEMMA3)) != 0)
    write_gemma(w);
  else
    set(w, w->root, "hidden_act", json_string("silu"));
  if ((c->family->bit & (QWEN2 | QWEN3)) != 0) write_qwen_windows(w);
  if (c->family->bit == LLAMA || c->family->bit == QWEN3)
    set(w, w->root, "attention_bias", json_boolean(gguf_find_tensor(w->f, "blk.0.attn_q.bias") != NULL));
  if (c->family->bit == LLAMA)
    set(w, w->root, "mlp_bias", json_boolean(gguf_find_tensor(w->f, "blk.0.ffn_down.bias") != NULL));
  if (whole(w, "block_repeat", false) == 2) {
    set(w, w->root, "layer_sharing", json_true());
    set(w, w->root, "share_embedding", json_boolean(c->tied));
  }
}

/* An array of i32 or u32 with one number a layer, or one number for all. */
static uint32_t layer_number(writer *w, const char *rest, uint32_t layer) {
  char key[128];
  const gguf_value *v = gguf_find(w->f, full(w, rest, key));
  if (v == NULL || v->type != GGUF_ARRAY) return whole(w, rest, true);
  base_cursor c = base_cursor_of(v->bytes, v->len);
  base_cursor_skip(&c, (size_t)layer * 4);
  uint32_t n = v->element == GGUF_I32 || v->element == GGUF_U32 ? base_cursor_u32(&c) : 0;
  if ((c.failed || n == 0) && !w->status)
    w->status = base_fail(w->err, BASE_EFORMAT, gguf_path(w->f), "the key \"%s\" has no number for layer %u",
                          key, (unsigned)layer);
  return n;
}

static void write_openelm(writer *w) {
  json_t *queries = json_array(), *pairs = json_array(), *widths = json_array();
  for (uint32_t i = 0; i < w->c->layers; i++) {
    uint32_t width = layer_number(w, "feed_forward_length", i);
    add(w, queries, json_integer(layer_number(w, "attention.head_count", i)));
    add(w, pairs, json_integer(layer_number(w, "attention.head_count_kv", i)));
    add(w, widths, json_real((double)width / (double)w->c->hidden));
  }
  set(w, w->root, "num_query_heads", queries);
  set(w, w->root, "num_kv_heads", pairs);
  set(w, w->root, "ffn_multipliers", widths);
  set(w, w->root, "ffn_dim_divisor", json_integer(1));
  set(w, w->root, "ffn_with_glu", json_true());
  set(w, w->root, "normalize_qk_projections", json_true());
  set(w, w->root, "activation_fn_name", json_string("swish"));
  set(w, w->root, "normalization_layer_name", json_string("rms_norm"));
  set(w, w->root, "share_input_output_layers", json_boolean(w->c->tied));
}

/* What transformers has read since its version 5; older code takes the names of key.def. */
static void write_usual_nomic(writer *w) {
  json_t *rope = json_object();
  set(w, rope, "rope_type", json_string("default"));
  set(w, rope, "rope_theta", json_float(real(w, "rope.freq_base", 1000.0F)));
  set(w, w->root, "rope_parameters", rope);
  set(w, w->root, "hidden_act", json_string("silu"));
  set(w, w->root, "hidden_size", json_integer(w->c->hidden));
  set(w, w->root, "num_hidden_layers", json_integer(w->c->layers));
  set(w, w->root, "num_attention_heads", json_integer(w->c->heads));
  set(w, w->root, "intermediate_size", json_integer(whole(w, "feed_forward_length", true)));
  set(w, w->root, "max_position_embeddings", json_integer(whole(w, "context_length", true)));
  set(w, w->root, "layer_norm_eps", json_float(real(w, "attention.layer_norm_epsilon", 1e-12F)));
}

static void write_encoder(writer *w) {
  const gguf_tensor *types = gguf_find_tensor(w->f, "token_types.weight");
  set(w, w->root, "type_vocab_size", json_integer(types != NULL ? (json_int_t)types->dim[1] : 0));
  if (w->c->family->bit == BERT) {
    set(w, w->root, "hidden_act", json_string("gelu"));
    return;
  }
  write_usual_nomic(w);
  set(w, w->root, "activation_function", json_string("swiglu"));
  set(w, w->root, "rotary_emb_fraction", json_real(1.0));
  set(w, w->root, "prenorm", json_false());
  set(w, w->root, "qkv_proj_bias", json_false());
  set(w, w->root, "mlp_fc1_bias", json_false());
  set(w, w->root, "mlp_fc2_bias", json_false());
}

static void write_ids(writer *w) {
  static const struct {
    const char *gguf, *hf;
  } ids[] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
             {"tokenizer.ggml.eos_token_id", "eos_token_id"},
             {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
  for (size_t i = 0; i < 3; i++) {
    uint32_t id;
    bool there =
        gguf_find(w->f, ids[i].gguf) != NULL && gguf_get_u32(w->f, ids[i].gguf, &id, NULL) == BASE_OK;
    set(w, w->root, ids[i].hf, there ? json_integer(id) : json_null());
  }
}

json_t *convert_config_write(convert_config *c, const gguf_file *f, base_error *err) {
  writer w = {c, f, json_object(), err, BASE_OK};
  base_slice name;
  const gguf_tensor *embedding = gguf_find_tensor(f, "token_embd.weight");
  *c = (convert_config){.family = convert_find_arch(f, err)};
  if (c->family != NULL && w.root == NULL) (void)base_fail(err, BASE_ENOMEM, "config.json", "no memory for it");
  if (c->family == NULL || w.root == NULL) {
    json_decref(w.root);
    return NULL;
  }
  if (embedding == NULL)
    w.status = base_fail(err, BASE_EFORMAT, gguf_path(f), "the tensor \"token_embd.weight\" is missing");
  c->layers = whole(&w, "block_count", true);
  c->hidden = whole(&w, "embedding_length", true);
  c->heads = c->family->bit == OPENELM ? 1 : whole(&w, "attention.head_count", true);
  c->vocab = embedding != NULL ? (uint32_t)embedding->dim[1] : 0;
  c->tied = gguf_find_tensor(f, "output.weight") == NULL;
  if (!w.status && c->layers > CONVERT_MAX_LAYERS)
    w.status = base_fail(err, BASE_ELIMIT, gguf_path(f), "%u layers are too many", (unsigned)c->layers);
  if (w.status) goto done;
  json_t *classes = json_array();
  add(&w, classes, json_string(c->family->class_name));
  set(&w, w.root, "architectures", classes);
  set(&w, w.root, "model_type", json_string(c->family->model_type));
  if (gguf_find(f, "general.name") != NULL && gguf_get_string(f, "general.name", &name, NULL) == BASE_OK)
    set(&w, w.root, "_name_or_path", json_stringn(name.ptr, name.len));
  set(&w, w.root, "vocab_size", json_integer(c->vocab));
  set(&w, w.root, "tie_word_embeddings", json_boolean(c->tied));
  write_ids(&w);
  write_keys(&w);
  if (c->family->bit == OPENELM)
    write_openelm(&w);
  else if ((c->family->bit & (BERT | NOMIC)) != 0)
    write_encoder(&w);
  else
    write_llama(&w);
done:
  if (!w.status) return w.root;
  json_decref(w.root);
  return NULL;
}
