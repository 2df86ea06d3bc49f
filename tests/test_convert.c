/* convert: every family from a synthetic Hugging Face folder to GGUF and back and to GGUF again, with the
 * same bytes; what is turned around on the way; quantising; the rules of the mixes; malformed folders, each with the
 * sentence it must get (test_convert_bytes has single files); every allocation made to fail. */
#include "convert/convert.h"
#include "convert/family.h"
#include "convert/recode.h"
#include "convert/vocab.h"
#include "convert/weights.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/minnow-convert-XXXXXX";

static const char *path_of(const char *name, char out[256]) {
  (void)base_format(out, 256, "%s/%s", root, name);
  return out;
}

static void save(const char *folder, const char *name, const void *bytes, size_t len) {
  char path[512];
  os_writer *w;
  (void)base_format(path, sizeof path, "%s/%s", root, folder);
  if (os_mkdir(path, NULL)) abort();
  (void)base_format(path, sizeof path, "%s/%s/%s", root, folder, name);
  if (os_writer_open(&w, path, NULL) || os_writer_add(w, bytes, len, NULL) || os_writer_commit(w, NULL))
    abort();
}

static void save_text(const char *folder, const char *name, const char *text) {
  save(folder, name, text, strlen(text));
}

static bool same_files(const char *a, const char *b) {
  char path[256];
  base_buf x = {0}, y = {0};
  bool same = os_read_file(path_of(a, path), 64 << 20, &x, NULL) == BASE_OK &&
              os_read_file(path_of(b, path), 64 << 20, &y, NULL) == BASE_OK && x.len == y.len && x.len > 0 &&
              memcmp(x.ptr, y.ptr, x.len) == 0;
  base_buf_free(&x);
  base_buf_free(&y);
  return same;
}

/* ---- safetensors from a list of names and shapes ---- */

typedef struct folder {
  base_buf header, data;
  uint64_t seed;
} folder;

static void add_tensor(folder *f, const char *name, uint64_t rows, uint64_t cols) {
  size_t n = (size_t)((rows > 0 ? rows : 1) * cols), from = f->data.len;
  base_rng rng;
  base_rng_seed(&rng, ++f->seed);
  for (size_t i = 0; i < n; i++) {
    float v = base_rng_normal(&rng) * 0.1F;
    base_buf_add(&f->data, &v, sizeof v);
  }
  base_buf_printf(&f->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", f->header.len > 0 ? "," : "{", name);
  if (rows > 0) base_buf_printf(&f->header, "%llu,", (unsigned long long)rows);
  base_buf_printf(&f->header, "%llu],\"data_offsets\":[%zu,%zu]}", (unsigned long long)cols, from,
                  f->data.len);
}

static void save_weights(folder *f, const char *name) {
  base_buf file = {0};
  base_buf_puts(&f->header, "}");
  uint64_t len = f->header.len;
  base_buf_add(&file, &len, 8);
  base_buf_add(&file, f->header.ptr, f->header.len);
  base_buf_add(&file, f->data.ptr, f->data.len);
  save(name, "model.safetensors", file.ptr, file.len);
  base_buf_free(&file);
  base_buf_free(&f->header);
  base_buf_free(&f->data);
}

/* ---- families ---- */

enum { D = 8, FF = 12, HEADS = 2, KV = 1, HD = 4, ROWS = 70, CTX = 16, LAYERS = 2 };

#define LLAMA_CONFIG                                                                                  \
  "\"hidden_size\":8,\"intermediate_size\":12,\"num_hidden_layers\":2,\"num_attention_heads\":2,"     \
  "\"num_key_value_heads\":1,\"max_position_embeddings\":16,\"rms_norm_eps\":1e-5,\"vocab_size\":70," \
  "\"rope_theta\":20000.0,\"hidden_act\":\"silu\","

static const struct {
  const char *name;
  unsigned bit;
  const char *config;
} models[] = {
    {"llama", LLAMA,
     "{" LLAMA_CONFIG "\"architectures\":[\"LlamaForCausalLM\"],\"_name_or_path\":\"org/Tiny Llama\"}"},
    {"mistral", LLAMA, "{" LLAMA_CONFIG "\"architectures\":[\"MistralForCausalLM\"],\"sliding_window\":4}"},
    {"mobilellm", LLAMA,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"MobileLLMForCausalLM\"],\"share_embedding\":true,\"layer_sharing\":true}"},
    {"llama3", LLAMA,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"LlamaForCausalLM\"],\"rope_parameters\":{\"rope_type\":\"llama3\","
     "\"rope_theta\":500000.0,\"factor\":32.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
     "\"original_max_position_embeddings\":8192}}"},
    {"llama3short", LLAMA,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"LlamaForCausalLM\"],\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
     "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":64}}"},
    {"llama3long", LLAMA,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"LlamaForCausalLM\"],\"rope_parameters\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
     "\"rope_theta\":2.3e9,\"original_max_position_embeddings\":524288}}"},
    {"linear", LLAMA,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"LlamaForCausalLM\"],\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}}"},
    {"yarn", QWEN2,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Qwen2ForCausalLM\"],\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
     "\"original_max_position_embeddings\":8}}"},
    {"yarnmore", QWEN3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4,\"rope_parameters\":{\"rope_type\":\"yarn\","
     "\"rope_theta\":10000.0,\"factor\":4.0,\"attention_factor\":0.75,\"beta_fast\":16.0,\"beta_slow\":2.0}}"},
    {"yarnnull", QWEN3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4,\"rope_scaling\":{\"type\":\"yarn\","
     "\"factor\":null,\"original_max_position_embeddings\":8}}"},
    {"mscale", QWEN3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4,\"rope_scaling\":{\"type\":\"yarn\","
     "\"factor\":4.0,\"mscale\":0.5,\"mscale_all_dim\":1.0}}"},
    {"dynamic", QWEN3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4,\"rope_parameters\":null,"
     "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}}"},
    {"qwen2", QWEN2,
     "{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"tie_word_embeddings\":true}"},
    {"qwen3", QWEN3, "{" LLAMA_CONFIG "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4}"},
    {"qwen2window", QWEN2,
     "{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"use_sliding_window\":true,\"sliding_window\":4,"
     "\"max_window_layers\":1,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"truncate\":false}}"},
    {"qwen2off", QWEN2,
     "{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"use_sliding_window\":false,"
     "\"sliding_window\":4,\"max_window_layers\":0}"},
    {"qwen2late", QWEN2,
     "{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"use_sliding_window\":true}"},
    {"qwen3all", QWEN3,
     "{" LLAMA_CONFIG "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4,\"use_sliding_window\":true,"
     "\"sliding_window\":4,\"max_window_layers\":0}"},
    {"qwen3types", QWEN3,
     "{" LLAMA_CONFIG "\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":4,\"use_sliding_window\":true,"
     "\"layer_types\":[\"sliding_attention\",\"full_attention\"]}"},
    {"gemma", GEMMA, "{" LLAMA_CONFIG "\"architectures\":[\"GemmaForCausalLM\"],\"head_dim\":4}"},
    {"gemma2", GEMMA2,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Gemma2ForCausalLM\"],\"sliding_window\":4,\"attn_logit_softcapping\":50.0,"
     "\"final_logit_softcapping\":30.0,\"query_pre_attn_scalar\":24}"},
    {"gemma2types", GEMMA2,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Gemma2ForCausalLM\"],\"sliding_window\":4,\"layer_types\":[\"full_attention\","
     "\"sliding_attention\"]}"},
    {"gemma3", GEMMA3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Gemma3ForCausalLM\"],\"sliding_window\":4,\"query_pre_attn_scalar\":4,"
     "\"rope_local_base_freq\":5000.0,\"sliding_window_pattern\":2}"},
    {"gemma3see", GEMMA3,
     "{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"model_type\":\"gemma3\",\"text_config\":{" LLAMA_CONFIG
     "\"sliding_window\":4,\"query_pre_attn_scalar\":4,\"head_dim\":4,\"sliding_window_pattern\":2}}"},
    {"phi3", PHI3, "{" LLAMA_CONFIG "\"architectures\":[\"Phi3ForCausalLM\"],\"sliding_window\":8}"},
    {"phi3long", PHI3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Phi3ForCausalLM\"],\"original_max_position_embeddings\":8,\"rope_scaling\":"
     "{\"type\":\"longrope\",\"long_factor\":[1.5,2.5],\"short_factor\":[1.0,1.1]}}"},
    {"phi4", PHI3,
     "{" LLAMA_CONFIG
     "\"architectures\":[\"Phi3ForCausalLM\"],\"partial_rotary_factor\":0.5,\"original_max_position_embeddings\":8,"
     "\"rope_scaling\":{\"type\":\"longrope\",\"long_factor\":[1.5],\"short_factor\":[1.1]}}"},
    {"minnow", MINNOW,
     "{" LLAMA_CONFIG "\"architectures\":[\"MinnowForCausalLM\"],\"num_kv_shared_layers\":1,"
     "\"tie_word_embeddings\":true}"},
    {"openelm", OPENELM,
     "{\"architectures\":[\"OpenELMForCausalLM\"],\"model_dim\":8,\"num_transformer_layers\":2,\"head_dim\":"
     "4,"
     "\"max_context_length\":16,\"rope_freq_constant\":10000,\"vocab_size\":70,\"num_query_heads\":[2,3],"
     "\"num_kv_heads\":[1,1],\"ffn_multipliers\":[1.5,2.0],\"ffn_dim_divisor\":4,\"share_input_output_"
     "layers\":true}"},
    {"bert", BERT,
     "{\"architectures\":[\"BertModel\"],\"hidden_size\":8,\"intermediate_size\":12,\"num_hidden_layers\":2,"
     "\"num_attention_heads\":2,\"max_position_embeddings\":16,\"layer_norm_eps\":1e-12,\"vocab_size\":70}"},
    {"nomic", NOMIC,
     "{\"architectures\":[\"NomicBertModel\"],\"n_embd\":8,\"n_inner\":12,\"n_layer\":2,\"n_head\":2,\"n_"
     "positions\":16,"
     "\"layer_norm_epsilon\":1e-12,\"rotary_emb_base\":1000,\"activation_function\":\"swiglu\",\"vocab_"
     "size\":70}"},
    {"nomic5", NOMIC,
     "{\"architectures\":[\"NomicBertModel\"],\"hidden_size\":8,\"intermediate_size\":12,\"num_hidden_layers\":2,"
     "\"num_attention_heads\":2,\"max_position_embeddings\":16,\"layer_norm_eps\":1e-12,\"hidden_act\":\"silu\","
     "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":2000.0},\"vocab_size\":70}"},
};
enum { MODELS = sizeof models / sizeof models[0] };

static bool ends(const char *s, const char *tail) {
  size_t n = strlen(s), k = strlen(tail);
  return n >= k && strcmp(s + n - k, tail) == 0;
}

/* The shape of a tensor by its name in GGUF; rows 0: a vector. */
static void shape_of(const char *gguf, bool elm, uint32_t layer, uint64_t *rows, uint64_t *cols) {
  uint64_t q = (elm && layer == 1 ? 3 : HEADS) * HD, kv = KV * HD, ff = elm ? (layer == 1 ? 16 : 12) : FF;
  *rows = 0;
  *cols = D;
  if (strstr(gguf, "q_norm") || strstr(gguf, "k_norm"))
    *cols = HD;
  else if (strstr(gguf, "norm"))
    return;
  else if (strstr(gguf, "token_embd") || strcmp(gguf, "output.weight") == 0)
    *rows = ROWS;
  else if (strstr(gguf, "position_embd"))
    *rows = CTX;
  else if (strstr(gguf, "token_types"))
    *rows = 2;
  else if (strstr(gguf, "attn_qkv"))
    *rows = elm ? q + 2 * kv : strstr(gguf, "nomic") ? 3 * q : q + 2 * kv;
  else if (strstr(gguf, "attn_q"))
    *rows = q;
  else if (strstr(gguf, "attn_k") || strstr(gguf, "attn_v"))
    *rows = kv;
  else if (strstr(gguf, "attn_output"))
    *rows = D, *cols = q;
  else if (strstr(gguf, "ffn_down"))
    *rows = D, *cols = ff;
  else
    *rows = ff;
  if (ends(gguf, ".bias")) {
    *cols = *rows > 0 ? *rows : *cols;
    *rows = 0;
  }
}

static void make_weights(unsigned bit, const char *name) {
  folder f = {.seed = 1};
  size_t n;
  const convert_name *names = convert_names(&n);
  bool tied = strcmp(name, "mobilellm") == 0 || strcmp(name, "qwen2") == 0 || bit == MINNOW ||
              (bit & (GEMMA | GEMMA2 | GEMMA3 | OPENELM)) != 0;
  for (uint32_t layer = 0; layer < LAYERS; layer++) {
    for (size_t i = 0; i < n; i++) {
      char hf[128];
      uint64_t rows, cols;
      bool layered = convert_name_has_layer(&names[i]);
      if ((names[i].families & bit) == 0 || (!layered && layer > 0) || (names[i].flags & SECOND) != 0)
        continue;
      if (bit == MINNOW && layer == 1 && (strstr(names[i].gguf, "attn_k") || strstr(names[i].gguf, "attn_v")))
        continue; /* its last layer reads the other's */
      if (tied && strcmp(names[i].gguf, "output.weight") == 0) continue;
      if (ends(names[i].gguf, ".bias") && (names[i].flags & OPTIONAL) != 0 && bit != QWEN2 &&
          strcmp(name, "yarn") != 0 && strcmp(name, "mistral") != 0)
        continue;
      if (!convert_fill_name(hf, sizeof hf, names[i].hf, layer)) abort();
      if (strcmp(name, "gemma3see") == 0) {
        memmove(hf + strlen("language_model."), hf, strlen(hf) + 1);
        memcpy(hf, "language_model.", strlen("language_model."));
      }
      shape_of(names[i].gguf, bit == OPENELM, layer, &rows, &cols);
      if ((names[i].flags & FIRST) != 0) rows *= 2;
      add_tensor(&f, hf, rows, cols);
    }
  }
  if (strcmp(name, "gemma3see") == 0) add_tensor(&f, "vision_tower.post_layernorm.weight", 0, D);
  save_weights(&f, name);
}

/* What transformers writes for "as long as you like": more than 64 bits hold. */
#define NO_LIMIT "1000000000000000019884624838656"

/* A byte-level tokenizer of 66 tokens; the embedding has four rows more. */
static void make_tokenizer(base_buf *out, const char *presplit) {
  base_buf_puts(out, "{\"model\":{\"type\":\"BPE\",\"vocab\":{");
  for (int i = 0; i < 62; i++)
    base_buf_printf(out, "%s\"%c%c\":%d", i > 0 ? "," : "", 'a' + i % 26, 'a' + i / 26, i);
  base_buf_puts(out,
                "},\"merges\":[\"a "
                "a\",[\"b\",\"a\"]]},\"added_tokens\":[{\"id\":62,\"content\":\"<s>\",\"special\":true},"
                "{\"id\":63,\"content\":\"</"
                "s>\",\"special\":true},{\"id\":65,\"content\":\"<tool>\",\"special\":false}],");
  base_buf_printf(out, "\"pre_tokenizer\":%s,\"decoder\":{\"type\":\"ByteLevel\"}}", presplit);
}

static void make_folder(size_t i) {
  base_buf tokenizer = {0};
  make_tokenizer(&tokenizer, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}");
  save_text(models[i].name, "config.json", models[i].config);
  save(models[i].name, "tokenizer.json", tokenizer.ptr, tokenizer.len);
  save_text(models[i].name, "tokenizer_config.json",
            "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},\"chat_template\":\"{{ x }}\","
            "\"model_max_length\":" NO_LIMIT "}");
  make_weights(models[i].bit, models[i].name);
  base_buf_free(&tokenizer);
}

static base_status import(const char *in, const char *out, const char *type, base_error *err) {
  char a[256], b[256];
  return convert_import(path_of(in, a), NULL, path_of(out, b), type, NULL, err);
}

static void test_families(void) {
  static const char *const types[] = {"F32", "F16", "BF16"};
  for (size_t i = 0; i < MODELS; i++) {
    make_folder(i);
    for (size_t k = 0; k < 3; k++) {
      char a[256], b[256];
      base_error err = {0};
      base_status status = import(models[i].name, "one.gguf", types[k], &err);
      TAP_OK(status == BASE_OK, "%s to GGUF: %s: %s", models[i].name, err.where, err.text);
      status = convert_export(path_of("one.gguf", a), path_of("back", b), NULL, NULL, &err);
      TAP_OK(status == BASE_OK, "%s from GGUF: %s: %s", models[i].name, err.where, err.text);
      status = import("back", "two.gguf", types[k], &err);
      TAP_OK(status == BASE_OK, "%s to GGUF again: %s: %s", models[i].name, err.where, err.text);
      TAP_OK(same_files("one.gguf", "two.gguf"), "%s as %s comes back with the same bytes", models[i].name,
             types[k]);
    }
  }
}

/* ---- what happens to the numbers ---- */

static const float *floats_of(const gguf_file *f, const char *name) {
  const gguf_tensor *t = gguf_find_tensor(f, name);
  return t != NULL && t->type == GGUF_T_F32 ? t->data : NULL;
}

static const float *weights_of(const convert_weights *w, const char *name) {
  const convert_weight *t = convert_weights_find(w, name);
  return t != NULL ? (const float *)(const void *)t->data : NULL;
}

static float at(const float *m, int row, int col) {
  float v;
  memcpy(&v, (const char *)m + ((size_t)row * D + (size_t)col) * sizeof v, sizeof v);
  return v;
}

static void open_both(const char *name, gguf_file **f, convert_weights *w) {
  char path[256];
  base_error err = {0};
  memset(w, 0, sizeof *w);
  if (import(name, "one.gguf", "F32", &err) || gguf_open(f, path_of("one.gguf", path), NULL, &err) ||
      convert_weights_open_dir(w, path_of(name, path), &err)) {
    printf("%s: %s\n", err.where, err.text);
    abort();
  }
}

/* What a configuration says of rotary positions, as keys; NAN: there is no such key. */
static void test_rotary_keys(void) {
  static const struct {
    const char *model, *key;
    float value;
  } rows[] = {
      {"yarnmore", "qwen3.rope.scaling.yarn_attn_factor", 0.75F},
      {"yarnmore", "qwen3.rope.scaling.yarn_beta_fast", 16},
      {"yarnmore", "qwen3.rope.scaling.yarn_beta_slow", 2},
      {"mscale", "qwen3.rope.scaling.yarn_attn_factor", 0.939124F}, /* (1 + ln(4) / 20) / (1 + ln(4) / 10) */
      {"yarn", "qwen2.rope.scaling.yarn_attn_factor", NAN},
      {"yarnnull", "qwen3.rope.scaling.factor", 2},
      {"dynamic", "qwen3.rope.freq_base", 20000},
      {"dynamic", "qwen3.rope.scaling.factor", NAN},
      {"nomic5", "nomic-bert.rope.freq_base", 2000},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    gguf_file *f;
    convert_weights w;
    float v = NAN;
    open_both(rows[i].model, &f, &w);
    bool there = gguf_get_f32(f, rows[i].key, &v, NULL) == BASE_OK;
    TAP_OK(isnan(rows[i].value) ? !there : fabsf(v - rows[i].value) <= 1e-6F * rows[i].value, "%s: %s is %g",
           rows[i].model, rows[i].key, (double)v);
    convert_weights_close(&w);
    gguf_close(f);
  }
}

/* What a configuration says of windows, as keys: the window (0: no key), and of each layer whether it has it (NULL: no
 * array, the window is every layer's or the family's own pattern says it). */
static void test_window_keys(void) {
  static const struct {
    const char *model, *window_key, *layers_key;
    uint32_t window;
    const char *layers;
  } rows[] = {
#define QWEN2_KEYS "qwen2.attention.sliding_window", "qwen2.attention.sliding_window_pattern"
#define QWEN3_KEYS "qwen3.attention.sliding_window", "qwen3.attention.sliding_window_pattern"
      {"qwen2window", QWEN2_KEYS, 4, "\0\1"},
      {"qwen2off", QWEN2_KEYS, 0, NULL},
      {"qwen2late", QWEN2_KEYS, 0, NULL},
      {"qwen3all", QWEN3_KEYS, 4, NULL},
      {"gemma2types", "gemma2.attention.sliding_window", "gemma2.attention.sliding_window_pattern", 4, "\0\1"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    gguf_file *f;
    convert_weights w;
    uint32_t window = 0;
    open_both(rows[i].model, &f, &w);
    (void)gguf_get_u32(f, rows[i].window_key, &window, NULL);
    const gguf_value *v = gguf_find(f, rows[i].layers_key);
    TAP_OK(window == rows[i].window, "%s: a window of %u", rows[i].model, (unsigned)window);
    TAP_OK(rows[i].layers == NULL ? v == NULL : v != NULL && v->count == 2 && memcmp(v->bytes, rows[i].layers, 2) == 0,
           "%s: which layers have it", rows[i].model);
    convert_weights_close(&w);
    gguf_close(f);
  }
  gguf_file *f;
  convert_weights w;
  uint32_t window = 0, period = 0;
  open_both("qwen3types", &f, &w);
  TAP_OK(!gguf_get_u32(f, "qwen3.attention.sliding_window", &window, NULL) && window == 4096 &&
             !gguf_get_u32(f, "qwen3.attention.sliding_window_pattern", &period, NULL) && period == 2,
         "a window of %u on all but every %uth layer", (unsigned)window, (unsigned)period);
  convert_weights_close(&w);
  gguf_close(f);
  open_both("qwen2window", &f, &w);
  const gguf_value *v = gguf_find(f, "qwen2.rope.scaling.yarn_truncate");
  TAP_OK(v != NULL && v->type == GGUF_BOOL && v->bytes[0] == 0, "YaRN without rounding");
  convert_weights_close(&w);
  gguf_close(f);
}

/* Tokens added to a tokenizer: their types, and those that the embedding has no row for. */
static void test_added_tokens(void) {
  static const struct {
    size_t id;
    const char *text;
    int32_t type;
  } rows[] = {{62, "<s>", TOKEN_CONTROL},
              {65, "<tool>", TOKEN_USER},
              {67, "<|fim_prefix|>", TOKEN_CONTROL},
              {68, "<b>", TOKEN_USER},
              {69, "<unused7>", TOKEN_CONTROL}};
  char path[256];
  base_error err = {0};
  convert_vocab v;
  save_text("llama", "tokenizer_config.json",
            "{\"bos_token\":\"<s>\",\"mask_token\":\"<image>\",\"added_tokens_decoder\":{\"67\":{\"content\":"
            "\"<|fim_prefix|>\",\"special\":false},\"68\":{\"content\":\"<b>\"},\"69\":{\"content\":\"<unused7>\"},"
            "\"70\":{\"content\":\"<image>\",\"special\":true}}}");
  TAP_OK(import("llama", "one.gguf", "F32", &err) == BASE_OK, "%s: %s", err.where, err.text);
  convert_vocab_init(&v);
  TAP_OK(convert_vocab_read(&v, path_of("llama", path), &err) == BASE_OK && v.n == 71, "%s: %s", err.where, err.text);
  TAP_OK(v.special[SPECIAL_MASK] == 70, "the added token is known");
  TAP_OK(convert_vocab_pad(&v, 70, "llama", &err) == BASE_OK && v.n == 70 && v.special[SPECIAL_MASK] < 0, "%s", err.text);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    TAP_OK(base_slice_equal(convert_vocab_text(&v, rows[i].id), base_slice_of(rows[i].text)) &&
               v.tokens[rows[i].id].type == rows[i].type,
           "%s is %d", rows[i].text, (int)v.tokens[rows[i].id].type);
  TAP_OK(convert_vocab_pad(&v, 61, "llama", &err) == BASE_EMISMATCH, "a token of the model itself has no row");
  convert_vocab_free(&v);
  make_folder(0);
}

static void test_numbers(void) {
  gguf_file *f;
  convert_weights w;
  open_both("llama", &f, &w);
  const float *q = floats_of(f, "blk.1.attn_q.weight"),
              *from = weights_of(&w, "model.layers.1.self_attn.q_proj.weight");
  /* head of 4 rows: row 0, then its partner 2, then 1 and 3 */
  TAP_OK(at(q, 1, 3) == at(from, 2, 3) && at(q, 2, 5) == at(from, 1, 5) && at(q, 5, 0) == at(from, 6, 0) &&
             at(q, 7, 7) == at(from, 7, 7),
         "queries of llama lie in pairs");
  const float *v = floats_of(f, "blk.1.attn_v.weight");
  TAP_OK(at(v, 2, 1) == at(weights_of(&w, "model.layers.1.self_attn.v_proj.weight"), 2, 1), "values stay");
  base_slice text;
  TAP_OK(gguf_get_string(f, "general.name", &text, NULL) == BASE_OK &&
             base_slice_equal(text, BASE_LITERAL("Tiny Llama")),
         "name");
  uint64_t n;
  base_cursor items;
  TAP_OK(gguf_get_strings(f, "tokenizer.ggml.tokens", &n, &items, NULL) == BASE_OK && n == ROWS,
         "padded tokens");
  uint32_t id = 0;
  TAP_OK(gguf_get_u32(f, "tokenizer.ggml.eos_token_id", &id, NULL) == BASE_OK && id == 63, "end of text");
  convert_weights_close(&w);
  gguf_close(f);

  open_both("gemma", &f, &w);
  TAP_OK(at(floats_of(f, "output_norm.weight"), 0, 3) == at(weights_of(&w, "model.norm.weight"), 0, 3) + 1.0F,
         "gemma's gains");
  convert_weights_close(&w);
  gguf_close(f);

  open_both("openelm", &f, &w);
  from = weights_of(&w, "transformer.layers.1.ffn.proj_1.weight");
  TAP_OK(at(floats_of(f, "blk.1.ffn_gate.weight"), 2, 1) == at(from, 2, 1) &&
             at(floats_of(f, "blk.1.ffn_up.weight"), 2, 1) == at(from, 18, 1),
         "openelm's halves");
  convert_weights_close(&w);
  gguf_close(f);

  open_both("llama3", &f, &w);
  const float *factors = floats_of(f, "rope_freqs.weight");
  TAP_OK(factors != NULL && factors[0] == 1.0F && factors[1] > 1.0F && factors[1] <= 32.0F,
         "llama3's factors");
  convert_weights_close(&w);
  gguf_close(f);
}

/* ---- quantising ---- */

static void make_gguf(const char *name, uint64_t cols, const char *arch) {
  static float numbers[512 * 16];
  char path[256];
  base_rng rng;
  gguf_writer *w = gguf_writer_new(NULL);
  uint64_t dim[2] = {cols, 16};
  bool bools[2] = {true, false};
  int32_t ints[2] = {-1, 7};
  base_rng_seed(&rng, 5);
  for (size_t i = 0; i < 512 * 16; i++) numbers[i] = base_rng_normal(&rng);
  gguf_put_string(w, "general.architecture", base_slice_of(arch));
  gguf_put_u32(w, "llama.block_count", 2);
  gguf_put_bool(w, "a.bool", true);
  gguf_put_f64(w, "a.double", 0.25);
  gguf_put_u64(w, "a.long", UINT64_C(1) << 40);
  gguf_put_i32s(w, "a.ints", ints, 2);
  gguf_put_bools(w, "a.bools", bools, 2);
  gguf_put_tensor(w, "token_embd.weight", GGUF_T_F32, 2, dim, numbers);
  gguf_put_tensor(w, "blk.0.attn_norm.weight", GGUF_T_F32, 1, dim, numbers);
  gguf_put_tensor(w, "blk.0.attn_q.weight", GGUF_T_F32, 2, dim, numbers);
  gguf_put_tensor(w, "blk.1.ffn_down.weight", GGUF_T_F32, 2, dim, numbers);
  if (gguf_writer_save(w, path_of(name, path), NULL)) abort();
  gguf_writer_free(w);
}

static void count_note(void *ctx, const char *text) {
  int *notes = ctx;
  *notes += strstr(text, "do not fit") != NULL;
}

static bool never(void *ctx, const char *tensor, uint64_t done, uint64_t all) {
  (void)ctx;
  return tensor[0] == 0 || done > all;
}

static base_status quantize(const char *in, const char *out, const char *type, const convert_hooks *hooks,
                            base_error *err) {
  char a[256], b[256];
  return convert_quantize(path_of(in, a), path_of(out, b), type, hooks, err);
}

static gguf_tensor_type type_in(const char *file, const char *tensor) {
  char path[256];
  gguf_file *f;
  if (gguf_open(&f, path_of(file, path), NULL, NULL)) return GGUF_T_I8;
  const gguf_tensor *t = gguf_find_tensor(f, tensor);
  gguf_tensor_type type = t != NULL ? t->type : GGUF_T_I8;
  gguf_close(f);
  return type;
}

static void test_quantize(void) {
  static const char *const types[] = {"F32",  "F16",  "BF16", "Q8_0",   "Q4_0",   "Q4_1",  "Q5_0",
                                      "Q5_1", "Q2_K", "q6_k", "Q3_K_M", "Q4_K_M", "Q5_K_M"};
  base_error err = {0};
  make_gguf("in.gguf", 512, "llama");
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    os_pool *pool;
    if (os_pool_open(&pool, 3, NULL)) abort();
    convert_hooks hooks = {.pool = pool};
    TAP_OK(quantize("in.gguf", "a.gguf", types[i], NULL, &err) == BASE_OK &&
               quantize("in.gguf", "b.gguf", types[i], &hooks, &err) == BASE_OK &&
               same_files("a.gguf", "b.gguf"),
           "%s: the same bytes with three threads: %s", types[i], err.text);
    TAP_OK(quantize("a.gguf", "b.gguf", "Q8_0", NULL, &err) == BASE_OK, "%s becomes Q8_0: %s", types[i],
           err.text);
    TAP_OK(type_in("a.gguf", "blk.0.attn_norm.weight") == GGUF_T_F32, "norms stay");
    os_pool_close(pool);
  }
  TAP_OK(type_in("a.gguf", "token_embd.weight") == GGUF_T_Q6_K &&
             type_in("a.gguf", "blk.0.attn_q.weight") == GGUF_T_Q5_K &&
             type_in("a.gguf", "blk.1.ffn_down.weight") == GGUF_T_Q6_K,
         "the mix of Q5_K_M");
  int notes = 0;
  convert_hooks hooks = {.note = count_note, .ctx = &notes};
  make_gguf("odd.gguf", 160, "llama");
  TAP_OK(quantize("odd.gguf", "b.gguf", "Q4_K_M", &hooks, &err) == BASE_OK && notes == 2 &&
             type_in("b.gguf", "blk.0.attn_q.weight") == GGUF_T_Q5_0 &&
             type_in("b.gguf", "token_embd.weight") == GGUF_T_Q8_0,
         "rows of 160 fall back (%d notes)", notes);
  char path[256];
  (void)os_remove(path_of("none.gguf", path), NULL);
  hooks = (convert_hooks){.progress = never};
  TAP_OK(quantize("in.gguf", "none.gguf", "Q8_0", &hooks, &err) == BASE_ECANCELLED && !os_exists(path),
         "cancelled");
  err = (base_error){0};
  TAP_OK(quantize("in.gguf", "none.gguf", "Q9", NULL, &err) == BASE_EARGUMENT && strstr(err.text, "Q4_K_M"),
         "%s", err.text);
  make_gguf("pack.gguf", 512, "minnow");
  err = (base_error){0};
  TAP_OK(
      quantize("pack.gguf", "none.gguf", "Q8_0", NULL, &err) == BASE_EUNSUPPORTED && strstr(err.text, "pack"),
      "%s", err.text);
  TAP_OK(convert_import("/no/such", NULL, path, NULL, NULL, NULL) == BASE_ENOTFOUND, "no folder");
}

static void test_mix(void) {
  static const struct {
    const char *target, *name;
    uint32_t kv_heads;
    gguf_tensor_type want;
  } rows[] = {{"Q4_K_M", "blk.0.attn_v.weight", 8, GGUF_T_Q6_K},
              {"Q4_K_M", "blk.4.attn_v.weight", 8, GGUF_T_Q4_K},
              {"Q4_K_M", "blk.6.ffn_down.weight", 8, GGUF_T_Q6_K},
              {"Q4_K_M", "blk.5.ffn_down.weight", 8, GGUF_T_Q4_K},
              {"Q4_K_M", "blk.31.ffn_down.weight", 8, GGUF_T_Q6_K},
              {"Q4_K_M", "blk.9.attn_qkv.weight", 8, GGUF_T_Q5_K},
              {"Q4_K_M", "output.weight", 8, GGUF_T_Q6_K},
              {"Q4_K_M", "token_embd.weight", 8, GGUF_T_Q4_K},
              {"Q2_K", "blk.3.attn_v.weight", 8, GGUF_T_Q4_K},
              {"Q2_K", "blk.3.attn_v.weight", 32, GGUF_T_Q3_K},
              {"Q2_K", "blk.3.ffn_down.weight", 8, GGUF_T_Q3_K},
              {"Q2_K", "blk.3.ffn_up.weight", 8, GGUF_T_Q2_K},
              {"Q3_K_M", "blk.1.attn_v.weight", 8, GGUF_T_Q5_K},
              {"Q3_K_M", "blk.2.attn_v.weight", 8, GGUF_T_Q4_K},
              {"Q3_K_M", "blk.1.ffn_down.weight", 8, GGUF_T_Q5_K},
              {"Q3_K_M", "blk.2.ffn_down.weight", 8, GGUF_T_Q4_K},
              {"Q3_K_M", "blk.2.attn_output.weight", 8, GGUF_T_Q4_K},
              {"Q8_0", "output.weight", 8, GGUF_T_Q8_0},
              {"Q4_0", "output.weight", 8, GGUF_T_Q6_K},
              {"F16", "output.weight", 8, GGUF_T_F16},
              {"Q4_0", "token_types.weight", 8, GGUF_T_F32},
              {"F16", "blk.0.attn_norm.weight", 8, GGUF_T_F32}};
  uint64_t dim[4] = {4096, 4096, 1, 1};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    convert_model_facts facts = {.layers = 32, .heads = 32, .kv_heads = rows[i].kv_heads, .has_output = true};
    bool fallback;
    gguf_tensor_type type = convert_choose_type(convert_find_target(rows[i].target, NULL), &facts,
                                                base_slice_of(rows[i].name), 2, dim, GGUF_T_F16, &fallback);
    TAP_OK(type == rows[i].want && !fallback, "%s of %s is %s", rows[i].name, rows[i].target,
           gguf_tensor_type_name(type));
  }
}

/* ---- malformed input ---- */

static const struct {
  const char *index, *text;
} bad_indices[] = {
    {"{}", "\"weight_map\" is no object"},
    {"{\"weight_map\":{\"a\":\"model.safetensors.index.json\"}}", "no name of a safetensors file"},
    {"{\"weight_map\":{\"a\":\"../llama/model.safetensors\"}}", "no name of a safetensors file"},
    {"{\"weight_map\":{\"a\":7}}", "no name of a safetensors file"},
    {"{\"weight_map\":{\"a\":\"missing.safetensors\"}}", "No such file"},
    {"{\"weight_map\":{\"a\":\"model.safetensors\"}}", "in none of the files"},
    {"{\"weight_map\":{\"model.norm.weight\":\"model.safetensors\",\"lm_head.weight\":\"copy.safetensors\"}}",
     "is there twice"},
};

static void test_bad_indices(void) {
  char path[256];
  make_weights(LLAMA, "shards");
  base_buf copy = {0};
  if (os_read_file(path_of("shards/model.safetensors", path), 1 << 20, &copy, NULL)) abort();
  save("shards", "copy.safetensors", copy.ptr, copy.len);
  base_buf_free(&copy);
  for (size_t i = 0; i < sizeof bad_indices / sizeof bad_indices[0]; i++) {
    convert_weights w = {0};
    base_error err = {0};
    save_text("shards", "model.safetensors.index.json", bad_indices[i].index);
    base_status status = convert_weights_open_dir(&w, path_of("shards", path), &err);
    TAP_OK(status != BASE_OK && strstr(err.text, bad_indices[i].text), "%s: %s", bad_indices[i].index,
           err.text);
    convert_weights_close(&w);
  }
}

static const struct {
  const char *config, *text;
} bad_configs[] = {
    {"", "line 1"},
    {"[]", "no JSON object"},
    {"{}", "architecture \"\""},
    {"{\"architectures\":[\"FooForCausalLM\"]}", "\"FooForCausalLM\""},
    {"{\"model_type\":\"t5\"}", "model_type \"t5\""},
    {"{\"architectures\":[\"LlamaForCausalLM\"]}", "\"num_hidden_layers\" is missing"},
    {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":-1}",
     "\"num_hidden_layers\" is no whole number"},
    {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":1e9}",
     "\"num_hidden_layers\" is no whole number"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2}", "duplicate"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"LlamaForCausalLM\"],\"rope_scaling\":{\"type\":\"spiral\"}}",
     "\"spiral\""},
    {"{" LLAMA_CONFIG "\"architectures\":[\"LlamaForCausalLM\"],\"rope_scaling\":{\"type\":\"longrope\"}}",
     "is missing"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"LlamaForCausalLM\"],\"head_dim\":3}", "does not fit"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"LlamaForCausalLM\"],\"head_dim\":100000000}", "does not fit"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"use_sliding_window\":true,"
     "\"max_window_layers\":-1}",
     "\"max_window_layers\" is no whole number"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"use_sliding_window\":true,\"sliding_window\":0,"
     "\"max_window_layers\":0}",
     "\"sliding_window\""},
    {"{" LLAMA_CONFIG "\"architectures\":[\"Qwen2ForCausalLM\"],\"layer_types\":[\"full_attention\","
     "\"sliding_attention\"]}",
     "use_sliding_window says no"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"Gemma2ForCausalLM\"],\"sliding_window\":4,\"layer_types\":[]}",
     "one word a layer"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"Gemma2ForCausalLM\"],\"sliding_window\":4,\"layer_types\":"
     "[\"full_attention\",\"linear_attention\"]}",
     "neither full_attention"},
    {"{" LLAMA_CONFIG "\"architectures\":[\"Phi3ForCausalLM\"]}", "qkv_proj.weight\" is missing"},
};

static void test_bad_configs(void) {
  for (size_t i = 0; i < sizeof bad_configs / sizeof bad_configs[0]; i++) {
    base_error err = {0};
    save_text("llama", "config.json", bad_configs[i].config);
    base_status status = import("llama", "none.gguf", NULL, &err);
    TAP_OK(status != BASE_OK && strstr(err.text, bad_configs[i].text), "%s: %s: %s", bad_configs[i].config,
           err.where, err.text);
  }
  make_folder(0);
}

/* ---- llama2.c ---- */

static void put_i32(base_buf *b, int32_t v) {
  base_buf_add(b, &v, 4);
}

/* width 8, hidden 12, one layer, two heads, one key head, 260 tokens, 16 positions; `cut` bytes fewer. */
static void make_checkpoint(int32_t vocab, size_t cut) {
  static const int32_t head[6] = {8, 12, 1, 2, 1, 0};
  base_buf b = {0}, t = {0};
  for (int i = 0; i < 5; i++) put_i32(&b, head[i]);
  put_i32(&b, vocab);
  put_i32(&b, 16);
  int tokens = vocab < 0 ? -vocab : vocab;
  size_t floats = (size_t)tokens * 8 * (vocab < 0 ? 2 : 1) + 8 + 64 + 32 + 32 + 64 + 8 + 96 * 3 + 8 + 16 * 4;
  for (size_t i = 0; i < floats; i++) {
    float v = (float)(i % 97) * 0.01F;
    base_buf_add(&b, &v, 4);
  }
  put_i32(&t, 5);
  for (int i = 0; i < tokens; i++) {
    put_i32(&t, 0);
    put_i32(&t, 2);
    base_buf_add(&t, " x", 2);
  }
  save("llama2c", "model.bin", b.ptr, b.len - cut);
  save("llama2c", "tok.bin", t.ptr, t.len);
  base_buf_free(&b);
  base_buf_free(&t);
}

static void test_llama2c(void) {
  char a[256], b[256], c[256];
  static const struct {
    int32_t vocab;
    size_t cut;
    const char *text; /* NULL: fine */
  } rows[] = {{260, 0, NULL},
              {-260, 0, NULL},
              {260, 4, "ends inside the rotary tables"},
              {-260, 4, "ends inside output.weight"},
              {INT32_MIN, 0, "impossible"}};
  for (size_t i = 0; i < 5; i++) {
    base_error err = {0};
    make_checkpoint(rows[i].vocab == INT32_MIN ? 260 : rows[i].vocab, rows[i].cut);
    if (rows[i].vocab == INT32_MIN)
      save("llama2c", "model.bin", "\x08\0\0\0\x08\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\x80\x10\0\0\0",
           28);
    base_status status = convert_import(path_of("llama2c/model.bin", a), path_of("llama2c/tok.bin", b),
                                        path_of("c.gguf", c), "F32", NULL, &err);
    bool ok = rows[i].text == NULL ? status == BASE_OK : status != BASE_OK && strstr(err.text, rows[i].text);
    TAP_OK(ok, "checkpoint %zu: %s: %s", i, err.where, err.text);
    if (rows[i].text == NULL)
      TAP_OK((type_in("c.gguf", "output.weight") == GGUF_T_F32) == (rows[i].vocab < 0),
             "output of checkpoint %zu", i);
  }
  base_error err = {0};
  make_checkpoint(260, 0);
  TAP_OK(convert_import(path_of("llama2c/model.bin", a), NULL, c, "F32", NULL, &err) != BASE_OK &&
             strstr(err.text, "--tokenizer"),
         "%s", err.text);
}

/* ---- what a file holds ---- */

static void test_inspect(void) {
  static const char *const files[] = {"in.gguf", "llama/model.safetensors"};
  for (size_t i = 0; i < 2; i++) {
    char path[256];
    base_buf j = {0};
    base_error err = {0};
    base_status status = convert_inspect(path_of(files[i], path), 128, &j, &err);
    json_t *json = status == BASE_OK ? json_loads(j.ptr, JSON_REJECT_DUPLICATES, NULL) : NULL;
    TAP_OK(json != NULL && json_array_size(json_object_get(json, "tensors")) > 3, "%s as JSON: %s", files[i],
           err.text);
    TAP_OK(json_integer_value(json_object_get(json_object_get(json, "memory"), "weights_bytes")) > 1000,
           "memory of %s", files[i]);
    json_decref(json);
    base_buf_free(&j);
  }
  base_buf j = {0};
  char path[256];
  save_text("x", "empty", "");
  TAP_OK(convert_inspect(path_of("x/empty", path), 0, &j, NULL) == BASE_EFORMAT, "an empty file");
  base_buf_free(&j);
}

/* ---- every allocation made to fail once: the Makefile has the linker wrap realloc, which ours all go through ---- */

typedef struct memory_state {
  int left; /* requests that still succeed; -1: all */
  bool failed;
} memory_state;
static memory_state memory = {.left = -1};

static bool may_allocate(void) {
  if (memory.left < 0) return true;
  if (memory.left-- > 0) return true;
  memory = (memory_state){.left = -1, .failed = true}; /* one failure; then there is memory again */
  return false;
}

void *__real_realloc(void *ptr, size_t bytes);
void *__wrap_realloc(void *ptr, size_t bytes);
void *__wrap_realloc(void *ptr, size_t bytes) { return may_allocate() ? __real_realloc(ptr, bytes) : NULL; }

static void *json_allocate(size_t bytes) { return may_allocate() ? malloc(bytes) : NULL; }

typedef struct job {
  const char *what;
  base_status (*work)(base_error *err);
  const char *made[4]; /* files, up to a NULL */
} job;

static base_status do_import(base_error *err) { return import("llama", "whole.gguf", "F16", err); }

static base_status do_export(base_error *err) {
  char a[256], b[256];
  return convert_export(path_of("whole.gguf", a), path_of("out", b), NULL, NULL, err);
}

static base_status do_quantize(base_error *err) {
  char a[256], b[256];
  return convert_quantize(path_of("in.gguf", a), path_of("q8.gguf", b), "Q8_0", NULL, err);
}

static base_status do_inspect(base_error *err) {
  char path[256];
  base_buf j = {0};
  base_status status = convert_inspect(path_of("whole.gguf", path), 128, &j, err);
  memory.left = -1;
  if (!status) save("out", "json", j.ptr, j.len);
  base_buf_free(&j);
  return status;
}

static void read_made(const job *j, base_buf *all) {
  char path[256];
  base_buf one = {0};
  base_buf_clear(all);
  for (size_t i = 0; j->made[i] != NULL; i++) {
    if (os_read_file(path_of(j->made[i], path), 64 << 20, &one, NULL)) base_buf_puts(all, "missing");
    base_buf_add(all, one.ptr, one.len);
  }
  base_buf_free(&one);
}

static bool fails_well(const job *j, int n, const base_buf *good, base_buf *now) {
  base_error err = {0};
  memory = (memory_state){.left = n};
  base_status status = j->work(&err);
  memory.left = -1;
  if (status != BASE_OK) return memory.failed && err.text[0] != 0;
  read_made(j, now);
  return now->len == good->len && memcmp(now->ptr, good->ptr, good->len) == 0;
}

/* A failure is said; what claims to be done is done, byte for byte as with enough memory. */
static void test_failing_allocations(void) {
  static const job jobs[] = {
      {"import", do_import, {"whole.gguf"}},
      {"export", do_export, {"out/config.json", "out/model.safetensors", "out/tokenizer.json"}},
      {"quantize", do_quantize, {"q8.gguf"}},
      {"inspect", do_inspect, {"out/json"}},
  };
  json_set_alloc_funcs(json_allocate, free);
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
    base_buf good = {0}, now = {0};
    base_error err = {0};
    int bad = 0, n = 0;
    TAP_OK(jobs[i].work(&err) == BASE_OK, "%s: %s", jobs[i].what, err.text);
    read_made(&jobs[i], &good);
    do {
      if (!fails_well(&jobs[i], n, &good, &now) && bad++ < 5) printf("%s: allocation %d\n", jobs[i].what, n);
      n++;
    } while (memory.failed);
    TAP_OK(bad == 0 && n > 10, "%s: %d of %d failing allocations are told wrongly", jobs[i].what, bad, n);
    base_buf_free(&good);
    base_buf_free(&now);
  }
  json_set_alloc_funcs(malloc, free);
}

static void remove_all(void) {
  char command[64];
  if (base_format(command, sizeof command, "rm -rf %s", root) && system(command) != 0)
    printf("left %s\n", root);
}

int main(void) {
  if (mkdtemp(root) == NULL) return 1;
  test_families();
  test_rotary_keys();
  test_window_keys();
  test_added_tokens();
  test_numbers();
  test_quantize();
  test_mix();
  test_bad_indices();
  test_bad_configs();
  test_llama2c();
  test_inspect();
  test_failing_allocations();
  remove_all();
  return tap_done("convert");
}
