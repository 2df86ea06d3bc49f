/* convert/config: config.json to the metadata that llama.cpp's converter writes, and back. key.def has the
 * plain numbers; rotary scaling, windows and defaults are here. */
#include <math.h>
#include <string.h>

#include "convert/family.h"

static const convert_family families[] = {
#define CONVERT_FAMILY(id, arch, class_name, model_type) {id, arch, class_name, model_type},
#include "convert/family.def"
#undef CONVERT_FAMILY
};

static const convert_name names[] = {
#define CONVERT_NAME(families, gguf, hf, flags) {families, gguf, hf, flags},
#include "convert/name.def"
#undef CONVERT_NAME
};

enum { REAL, WHOLE };

static const convert_key keys[] = {
#define CONVERT_KEY(families, kind, gguf, hf, needed) {families, kind == WHOLE, gguf, hf, needed, !(needed)},
#include "convert/key.def"
#undef CONVERT_KEY
};
enum { KEYS = sizeof keys / sizeof keys[0] };

const convert_key *convert_keys(size_t *count) {
  *count = KEYS;
  return keys;
}

/* Which of the classes of an architecture: a window makes it Mistral, repeated layers MobileLLM. */
const convert_family *convert_find_arch(const gguf_file *f, base_error *err) {
  base_slice arch;
  const char *type = NULL;
  if (gguf_get_string(f, "general.architecture", &arch, err) != BASE_OK) return NULL;
  if (gguf_find(f, "llama.attention.sliding_window") != NULL) type = "mistral";
  if (gguf_find(f, "llama.block_repeat") != NULL) type = "mobilellm";
  for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
    if (!base_slice_equal(arch, base_slice_of(families[i].arch))) continue;
    if (families[i].bit == LLAMA && type != NULL && strcmp(type, families[i].model_type) != 0) continue;
    return &families[i];
  }
  (void)base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "the architecture \"%.*s\" is not known",
                  arch.len > 60 ? 60 : (int)arch.len, arch.ptr);
  return NULL;
}

base_status convert_refuse_pack(const gguf_file *f, base_error *err) {
  base_slice arch;
  const gguf_value *causal = gguf_find(f, "minnow.attention.causal");
  bool writes = causal != NULL && causal->type == GGUF_BOOL && causal->bytes[0] != 0;
  if (writes || gguf_get_string(f, "general.architecture", &arch, NULL) != BASE_OK ||
      !base_slice_equal(arch, BASE_LITERAL("minnow")))
    return BASE_OK;
  return base_fail(err, BASE_EUNSUPPORTED, gguf_path(f),
                   "this is a pack or a trunk that understands; minnow train makes those from their sources");
}

const convert_name *convert_names(size_t *count) {
  *count = sizeof names / sizeof names[0];
  return names;
}

uint32_t convert_window_period(const convert_family *f) { return f->bit == GEMMA3 ? 6 : f->bit == GEMMA2 ? 2 : 0; }

bool convert_window_of(uint32_t period, uint32_t layer) { return period == 0 || (layer + 1) % period != 0; }

bool convert_name_has_layer(const convert_name *n) {
  return strchr(n->gguf, '#') != NULL;
}

bool convert_fill_name(char *out, size_t out_size, const char *pattern, uint32_t layer) {
  const char *mark = strchr(pattern, '#');
  if (mark == NULL) return base_format(out, out_size, "%s", pattern);
  return base_format(out, out_size, "%.*s%u%s", (int)(mark - pattern), pattern, (unsigned)layer, mark + 1);
}

/* ---- reading config.json ---- */

typedef struct reader {
  convert_config *c;
  const json_t *root;
  gguf_writer *w;
  const char *where;
  base_error *err;
  base_status status; /* sticky */
} reader;

static void fail(reader *r, base_status code, const char *key, const char *what) {
  if (r->status) return;
  r->status = base_fail(r->err, code, r->where, "the key \"%s\" %s", key, what);
}

static bool present(const json_t *object, const char *key) {
  const json_t *v = json_object_get(object, key);
  return v != NULL && !json_is_null(v);
}

/* A whole number from 1 to 2^31 - 1; `otherwise` when it is absent, and absent is an error when `otherwise`
 * is 0. */
static uint32_t whole(reader *r, const json_t *object, const char *key, uint32_t otherwise) {
  const json_t *v = json_object_get(object, key);
  if (!present(object, key)) {
    if (otherwise == 0) fail(r, BASE_EFORMAT, key, "is missing");
    return otherwise;
  }
  json_int_t n = json_integer_value(v);
  if (!json_is_integer(v) || n < 1 || n > INT32_MAX) {
    fail(r, BASE_EFORMAT, key, "is no whole number above 0");
    return otherwise;
  }
  return (uint32_t)n;
}

static double real(reader *r, const json_t *object, const char *key, double otherwise) {
  const json_t *v = json_object_get(object, key);
  if (!present(object, key)) return otherwise;
  double x = json_number_value(v);
  if (json_is_number(v) && x > 0 && x < 1e30) return x;
  fail(r, BASE_EFORMAT, key, "is no number above 0");
  return otherwise;
}

static const char *text(const json_t *object, const char *key) {
  const char *s = json_string_value(json_object_get(object, key));
  return s != NULL ? s : "";
}

static const char *full_key(const convert_config *c, const char *rest, char out[128]) {
  (void)base_format(out, 128, "%s.%s", c->family->arch, rest);
  return out;
}

static void put_u32(reader *r, const char *rest, uint32_t v) {
  char key[128];
  gguf_put_u32(r->w, full_key(r->c, rest, key), v);
}

static void put_f32(reader *r, const char *rest, double v) {
  char key[128];
  gguf_put_f32(r->w, full_key(r->c, rest, key), (float)v);
}

static void put_bool(reader *r, const char *rest, bool v) {
  char key[128];
  gguf_put_bool(r->w, full_key(r->c, rest, key), v);
}

static void put_text(reader *r, const char *rest, const char *v) {
  char key[128];
  gguf_put_string(r->w, full_key(r->c, rest, key), base_slice_of(v));
}

const convert_family *convert_find_family(const json_t *root, const char *where, base_error *err) {
  const char *class_name = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
  const char *type = text(root, "model_type");
  for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
    if (class_name != NULL ? strcmp(class_name, families[i].class_name) == 0
                           : strcmp(type, families[i].model_type) == 0)
      return &families[i];
  }
  (void)base_fail(err, BASE_EUNSUPPORTED, where,
                  "the architecture \"%.60s\" (model_type \"%.40s\") is not known",
                  class_name != NULL ? class_name : "", type);
  return NULL;
}

static void read_keys(reader *r) {
  for (size_t i = 0; i < KEYS; i++) {
    if ((keys[i].families & r->c->family->bit) == 0) continue;
    if (!present(r->root, keys[i].hf)) {
      if (keys[i].needed) fail(r, BASE_EFORMAT, keys[i].hf, "is missing");
    } else if (keys[i].whole) {
      put_u32(r, keys[i].gguf, whole(r, r->root, keys[i].hf, 1));
    } else {
      put_f32(r, keys[i].gguf, real(r, r->root, keys[i].hf, 1));
    }
  }
}

/* Positive factors of the rotary frequencies, at most half a head. */
static size_t read_factors(reader *r, const json_t *object, const char *key, float *out) {
  const json_t *list = json_object_get(object, key);
  size_t n = json_array_size(list);
  if (n == 0 || n > CONVERT_MAX_ROPE) {
    fail(r, BASE_EFORMAT, key, "is no list of rotary factors");
    return 0;
  }
  for (size_t i = 0; i < n; i++) {
    out[i] = (float)json_number_value(json_array_get(list, i));
    if (!(out[i] > 0)) fail(r, BASE_EFORMAT, key, "holds something that is no number above 0");
  }
  return n;
}

/* Llama 3.1's scaling (Dubey et al. 2024): frequency i of n/2 is divided by 1, by `factor`, or by what lies
 * between. */
void convert_llama3_factors(float *out, size_t n, double base, double factor, double low, double high,
                            double original) {
  for (size_t i = 0; i < n; i++) {
    double wave = 6.283185307179586 * pow(base, (double)i / (double)n);
    if (wave < original / high) {
      out[i] = 1.0F;
    } else if (wave > original / low) {
      out[i] = (float)factor;
    } else {
      double smooth = (original / wave - low) / (high - low);
      out[i] = (float)(1.0 / ((1.0 - smooth) / factor + smooth));
    }
  }
}

static void read_longrope(reader *r, const json_t *p) {
  convert_config *c = r->c;
  uint32_t context = whole(r, r->root, "max_position_embeddings", 0);
  const json_t *holder = present(p, "original_max_position_embeddings") ? p : r->root;
  uint32_t original = whole(r, holder, "original_max_position_embeddings", 0);
  if (r->status) return;
  double scale = (double)context / (double)original;
  c->n_long = read_factors(r, p, "long_factor", c->rope_long);
  c->n_short = read_factors(r, p, "short_factor", c->rope_short);
  put_text(r, "rope.scaling.type", "longrope");
  put_u32(r, "rope.scaling.original_context_length", original);
  put_f32(r, "rope.scaling.attn_factor", scale > 1.0 ? sqrt(1.0 + log(scale) / log((double)original)) : 1.0);
}

/* YaRN's may be null, where the lengths say it. */
static double scaling_factor(reader *r, const json_t *p) {
  static const char original[] = "original_max_position_embeddings";
  if (!json_is_null(json_object_get(p, "factor")) || !present(p, original)) return real(r, p, "factor", 1.0);
  return real(r, r->root, "max_position_embeddings", 1.0) / real(r, p, original, 1.0);
}

static double yarn_magnitude(double factor, double mscale) {
  return factor > 1.0 ? 1.0 + 0.1 * mscale * log(factor) : 1.0;
}

/* YaRN's ramp and magnitude where they are not the paper's. `mscale` is DeepSeek's way of giving the magnitude. */
static void read_yarn(reader *r, const json_t *p) {
  double factor = scaling_factor(r, p), all = real(r, p, "mscale_all_dim", 0.0);
  if (present(p, "attention_factor"))
    put_f32(r, "rope.scaling.yarn_attn_factor", real(r, p, "attention_factor", 1.0));
  else if (present(p, "mscale") && all > 0.0)
    put_f32(r, "rope.scaling.yarn_attn_factor",
            yarn_magnitude(factor, real(r, p, "mscale", 1.0)) / yarn_magnitude(factor, all));
  if (present(p, "beta_fast")) put_f32(r, "rope.scaling.yarn_beta_fast", real(r, p, "beta_fast", 32.0));
  if (present(p, "beta_slow")) put_f32(r, "rope.scaling.yarn_beta_slow", real(r, p, "beta_slow", 1.0));
  if (json_is_false(json_object_get(p, "truncate"))) put_bool(r, "rope.scaling.yarn_truncate", false);
}

/* One set of rotary parameters: the old rope_scaling or the new rope_parameters. "dynamic" changes nothing up to
 * max_position_embeddings, and beyond that no model is run. */
static void read_scaling(reader *r, const json_t *p, double base) {
  const char *type = present(p, "rope_type") ? text(p, "rope_type") : text(p, "type");
  if (r->status || p == NULL || json_is_null(p) || type[0] == 0) return; /* head_dim bounds tables here */
  if (strcmp(type, "default") == 0 || strcmp(type, "dynamic") == 0) return;
  if (strcmp(type, "linear") == 0 || strcmp(type, "yarn") == 0) {
    put_text(r, "rope.scaling.type", type);
    put_f32(r, "rope.scaling.factor", scaling_factor(r, p));
    if (present(p, "original_max_position_embeddings"))
      put_u32(r, "rope.scaling.original_context_length", whole(r, p, "original_max_position_embeddings", 0));
    if (strcmp(type, "yarn") == 0) read_yarn(r, p);
  } else if (strcmp(type, "llama3") == 0) {
    r->c->n_freqs = r->c->head_dim / 2;
    convert_llama3_factors(r->c->rope_freqs, r->c->n_freqs, base, real(r, p, "factor", 8),
                           real(r, p, "low_freq_factor", 1), real(r, p, "high_freq_factor", 4),
                           real(r, p, "original_max_position_embeddings", 8192));
  } else if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0) {
    read_longrope(r, p);
  } else {
    r->status =
        base_fail(r->err, BASE_EUNSUPPORTED, r->where, "the rotary scaling \"%.40s\" is not known", type);
  }
}

static void read_rope(reader *r) {
  const json_t *p = json_object_get(r->root, "rope_parameters"), *local = NULL;
  bool gemma3 = r->c->family->bit == GEMMA3;
  if (json_object_get(p, "full_attention") != NULL) {
    local = json_object_get(p, "sliding_attention");
    p = json_object_get(p, "full_attention");
  }
  if (!json_is_object(p)) p = NULL;
  double base = real(r, present(p, "rope_theta") ? p : r->root, "rope_theta", gemma3 ? 1e6 : 10000.0);
  put_f32(r, "rope.freq_base", base);
  if (gemma3) {
    double near = local != NULL ? real(r, local, "rope_theta", 10000.0)
                                : real(r, r->root, "rope_local_base_freq", 10000.0);
    if (near != 10000.0) put_f32(r, "rope.freq_base_swa", near);
  }
  double part = real(r, present(p, "partial_rotary_factor") ? p : r->root, "partial_rotary_factor", 1.0);
  if (part != 1.0 && r->c->family->bit != PHI3)
    fail(r, BASE_EUNSUPPORTED, "partial_rotary_factor", "is not 1");
  if ((r->c->family->bit & (LLAMA | PHI3)) != 0)
    put_u32(r, "rope.dimension_count", (uint32_t)((double)r->c->head_dim * part));
  read_scaling(r, p != NULL ? p : json_object_get(r->root, "rope_scaling"), base);
}

/* ---- windows ---- */

/* Whether the list that says it layer by layer is there; what it says goes to `windowed`. */
static bool read_layer_types(reader *r, bool *windowed) {
  const json_t *types = json_object_get(r->root, "layer_types");
  if (!present(r->root, "layer_types")) return false;
  if (json_array_size(types) != r->c->layers) fail(r, BASE_EFORMAT, "layer_types", "is no list with one word a layer");
  for (uint32_t i = 0; i < r->c->layers && !r->status; i++) {
    const char *type = json_string_value(json_array_get(types, i));
    windowed[i] = type != NULL && strcmp(type, "sliding_attention") == 0;
    if (!windowed[i] && (type == NULL || strcmp(type, "full_attention") != 0))
      fail(r, BASE_EUNSUPPORTED, "layer_types", "has something that is neither full_attention nor sliding_attention");
  }
  return true;
}

static bool has_period(const bool *windowed, uint32_t layers, uint32_t period) {
  for (uint32_t i = 0; i < layers; i++)
    if (windowed[i] != convert_window_of(period, i)) return false;
  return true;
}

/* Nothing where it is the family's usual way, a period where there is one, else layer by layer. */
static void put_pattern(reader *r, const bool *windowed) {
  static const char rest[] = "attention.sliding_window_pattern";
  uint32_t layers = r->c->layers, first_full = 0;
  char key[128];
  while (first_full < layers && windowed[first_full]) first_full++;
  if (has_period(windowed, layers, convert_window_period(r->c->family))) return;
  if (first_full < layers && has_period(windowed, layers, first_full + 1)) put_u32(r, rest, first_full + 1);
  else gguf_put_bools(r->w, full_key(r->c, rest, key), windowed, layers);
}

static void read_gemma_windows(reader *r) {
  bool windowed[CONVERT_MAX_LAYERS];
  uint32_t period = whole(r, r->root, "sliding_window_pattern", convert_window_period(r->c->family));
  if (!read_layer_types(r, windowed))
    for (uint32_t i = 0; i < r->c->layers; i++) windowed[i] = convert_window_of(period, i);
  if (!r->status) put_pattern(r, windowed);
}

/* Only with use_sliding_window, and then from a layer on; defaults are those of transformers' Qwen2Config. */
static void read_qwen_windows(reader *r) {
  bool windowed[CONVERT_MAX_LAYERS], any = false;
  bool wanted = json_is_true(json_object_get(r->root, "use_sliding_window"));
  const json_t *most = json_object_get(r->root, "max_window_layers");
  json_int_t from = most != NULL ? json_integer_value(most) : 28;
  if (json_is_null(json_object_get(r->root, "sliding_window"))) wanted = false;
  if (wanted && most != NULL && (!json_is_integer(most) || from < 0))
    fail(r, BASE_EFORMAT, "max_window_layers", "is no whole number");
  if (!read_layer_types(r, windowed))
    for (uint32_t i = 0; i < r->c->layers; i++) windowed[i] = wanted && i >= from;
  for (uint32_t i = 0; i < r->c->layers && !r->status; i++) any = any || windowed[i];
  if (!any) return;
  if (!wanted) fail(r, BASE_EFORMAT, "layer_types", "has sliding_attention, and use_sliding_window says no");
  put_u32(r, "attention.sliding_window", whole(r, r->root, "sliding_window", 4096));
  put_pattern(r, windowed);
}

static void read_llama(reader *r) {
  convert_config *c = r->c;
  unsigned bit = c->family->bit;
  c->kv_heads = whole(r, r->root, "num_key_value_heads", c->heads);
  if (c->hidden % c->heads != 0 && !present(r->root, "head_dim"))
    fail(r, BASE_EFORMAT, "num_attention_heads", "does not divide hidden_size");
  c->head_dim = whole(r, r->root, "head_dim", c->hidden / c->heads > 0 ? c->hidden / c->heads : 1);
  if (c->head_dim % 2 != 0 || c->head_dim > 2 * CONVERT_MAX_ROPE || c->heads % c->kv_heads != 0)
    fail(r, BASE_EFORMAT, "num_key_value_heads", "or head_dim does not fit the number of heads");
  put_u32(r, "attention.head_count_kv", c->kv_heads);
  put_u32(r, "attention.key_length", c->head_dim);
  put_u32(r, "attention.value_length", c->head_dim);
  read_rope(r);
  if ((bit & (GEMMA2 | GEMMA3)) != 0) {
    double scalar = real(r, r->root, "query_pre_attn_scalar", (double)c->head_dim);
    if (scalar != (double)c->head_dim) put_f32(r, "attention.scale", 1.0 / sqrt(scalar));
    read_gemma_windows(r);
  }
  if ((bit & (QWEN2 | QWEN3)) != 0) read_qwen_windows(r);
  if (bit == MINNOW) put_bool(r, "attention.causal", true);
  if (json_is_true(json_object_get(r->root, "layer_sharing"))) put_u32(r, "block_repeat", 2);
  const char *act = text(r->root, "hidden_act");
  if (act[0] != 0 && strcmp(act, "silu") != 0 && (bit & (GEMMA | GEMMA2 | GEMMA3)) == 0)
    fail(r, BASE_EUNSUPPORTED, "hidden_act", "is not silu");
}

/* OpenELM: numbers of heads and widths of feed-forward differ between layers. */
static void read_openelm(reader *r) {
  convert_config *c = r->c;
  int32_t queries[CONVERT_MAX_LAYERS], pairs[CONVERT_MAX_LAYERS], widths[CONVERT_MAX_LAYERS];
  const json_t *q = json_object_get(r->root, "num_query_heads"),
               *kv = json_object_get(r->root, "num_kv_heads");
  const json_t *m = json_object_get(r->root, "ffn_multipliers");
  double divisor = real(r, r->root, "ffn_dim_divisor", 256);
  char key[128];
  if (json_array_size(q) != c->layers || json_array_size(kv) != c->layers ||
      json_array_size(m) != c->layers) {
    fail(r, BASE_EFORMAT, "num_query_heads",
         "or num_kv_heads or ffn_multipliers is no list with one number a layer");
    return;
  }
  for (uint32_t i = 0; i < c->layers; i++) {
    double width = json_number_value(json_array_get(m, i)) * (double)c->hidden;
    double rounded = floor((width + divisor / 2) / divisor) * divisor;
    if (rounded < 0.9 * width) rounded += divisor;
    if (!(rounded >= 1 && rounded < 1e9))
      fail(r, BASE_EFORMAT, "ffn_multipliers", "gives an impossible width");
    widths[i] = r->status ? 1 : (int32_t)(rounded < divisor ? divisor : rounded);
    queries[i] = (int32_t)json_integer_value(json_array_get(q, i));
    pairs[i] = (int32_t)json_integer_value(json_array_get(kv, i));
    if (queries[i] < 1 || pairs[i] < 1)
      fail(r, BASE_EFORMAT, "num_query_heads", "holds something that is no number above 0");
  }
  c->head_dim = whole(r, r->root, "head_dim", 0);
  gguf_put_i32s(r->w, full_key(c, "feed_forward_length", key), widths, c->layers);
  gguf_put_i32s(r->w, full_key(c, "attention.head_count", key), queries, c->layers);
  gguf_put_i32s(r->w, full_key(c, "attention.head_count_kv", key), pairs, c->layers);
  put_f32(r, "attention.layer_norm_rms_epsilon", 1e-6);
}

static void read_encoder(reader *r, uint32_t pooling) {
  put_bool(r, "attention.causal", false);
  put_u32(r, "pooling_type", pooling);
  if (r->c->family->bit == NOMIC) {
    const char *act = text(r->root, "activation_function");
    if (strcmp(act, "swiglu") != 0) fail(r, BASE_EUNSUPPORTED, "activation_function", "is not swiglu");
    if (real(r, r->root, "rotary_emb_fraction", 1.0) != 1.0)
      fail(r, BASE_EUNSUPPORTED, "rotary_emb_fraction", "is not 1");
  }
}

/* Nomic BERT's configuration has the names of its first code; since version 5 transformers writes its usual ones. */
static const struct {
  const char *first, *usual;
} nomic_names[] = {{"n_embd", "hidden_size"},        {"n_inner", "intermediate_size"},
                   {"n_layer", "num_hidden_layers"}, {"n_head", "num_attention_heads"},
                   {"n_positions", "max_position_embeddings"}, {"layer_norm_epsilon", "layer_norm_eps"}};

/* The usual names under the first ones too, where those are missing. False without memory. */
static bool rename_nomic(json_t *root) {
  json_t *theta = json_object_get(json_object_get(root, "rope_parameters"), "rope_theta");
  int lost = 0;
  if (json_object_get(root, "hidden_size") == NULL || json_object_get(root, "n_embd") != NULL) return true;
  for (size_t i = 0; i < sizeof nomic_names / sizeof nomic_names[0]; i++) {
    json_t *v = json_object_get(root, nomic_names[i].usual);
    if (v != NULL) lost |= json_object_set(root, nomic_names[i].first, v);
  }
  if (theta != NULL) lost |= json_object_set(root, "rotary_emb_base", theta);
  if (strcmp(text(root, "hidden_act"), "silu") == 0)
    lost |= json_object_set_new(root, "activation_function", json_string("swiglu"));
  return lost == 0;
}

/* What the part about text of a model that also sees (Gemma 3 from 4B on) leaves out, as the defaults of transformers'
 * Gemma3TextConfig have it. False without memory. */
static bool complete_text_part(json_t *part) {
  static const struct {
    const char *key;
    int value;
  } defaults[] = {{"vocab_size", 262208},         {"hidden_size", 2304},       {"intermediate_size", 9216},
                  {"num_hidden_layers", 26},      {"num_attention_heads", 8},  {"num_key_value_heads", 4},
                  {"head_dim", 256},              {"sliding_window", 4096},    {"query_pre_attn_scalar", 256},
                  {"max_position_embeddings", 131072}};
  int lost = 0;
  for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
    if (json_object_get(part, defaults[i].key) == NULL)
      lost |= json_object_set_new(part, defaults[i].key, json_integer(defaults[i].value));
  }
  if (json_object_get(part, "rms_norm_eps") == NULL)
    lost |= json_object_set_new(part, "rms_norm_eps", json_real(1e-6));
  return lost == 0;
}

base_status convert_config_read(convert_config *c, json_t *root, uint32_t pooling, gguf_writer *w,
                                const char *where, base_error *err) {
  *c = (convert_config){.family = convert_find_family(root, where, err)};
  if (c->family == NULL) return BASE_EUNSUPPORTED;
  json_t *part = c->family->bit == GEMMA3 ? json_object_get(root, "text_config") : NULL;
  if ((c->family->bit == NOMIC && !rename_nomic(root)) || (json_is_object(part) && !complete_text_part(part)))
    return base_fail(err, BASE_ENOMEM, where, "no memory for the configuration");
  if (json_is_object(part)) root = part;
  reader r = {c, root, w, where, err, BASE_OK};
  bool elm = c->family->bit == OPENELM, nomic = c->family->bit == NOMIC;
  c->layers = whole(&r, root, elm ? "num_transformer_layers" : nomic ? "n_layer" : "num_hidden_layers", 0);
  c->hidden = whole(&r, root, elm ? "model_dim" : nomic ? "n_embd" : "hidden_size", 0);
  c->heads = elm ? 1 : whole(&r, root, nomic ? "n_head" : "num_attention_heads", 0);
  c->vocab = whole(&r, root, "vocab_size", 0);
  if (c->layers > CONVERT_MAX_LAYERS) fail(&r, BASE_ELIMIT, "num_hidden_layers", "is over 1024");
  if (r.status) return r.status;
  const json_t *tied = json_object_get(root, elm ? "share_input_output_layers" : "tie_word_embeddings");
  bool by_default = (c->family->bit & (GEMMA | GEMMA2 | GEMMA3 | OPENELM)) != 0;
  c->tied = tied != NULL ? json_is_true(tied) : by_default;
  if (json_is_true(json_object_get(root, "share_embedding"))) c->tied = true;
  read_keys(&r);
  put_u32(&r, "vocab_size", c->vocab);
  if (elm)
    read_openelm(&r);
  else if ((c->family->bit & (BERT | NOMIC)) != 0)
    read_encoder(&r, pooling);
  else
    read_llama(&r);
  return r.status;
}
