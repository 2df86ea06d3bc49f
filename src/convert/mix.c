/* convert/mix: the element type of each tensor, by the rules of llama.cpp's quantiser (llama-quant.cpp) for
 * models without experts and without an importance matrix. */
#include "convert/recode.h"

#include <string.h>

static const convert_target targets[] = {
#define CONVERT_TARGET(name, file_type, type, help) {#name, file_type, GGUF_T_##type},
#include "convert/target.def"
#undef CONVERT_TARGET
};

const convert_target *convert_find_target(const char *name, base_error *err) {
  char known[192] = "";
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
    if (base_slice_equal_nocase(base_slice_of(name), base_slice_of(targets[i].name))) return &targets[i];
    size_t at = strlen(known);
    (void)base_format(known + at, sizeof known - at, "%s%s", at > 0 ? ", " : "", targets[i].name);
  }
  (void)base_fail(err, BASE_EARGUMENT, name, "this is no type to convert to; there are %s", known);
  return NULL;
}

static uint32_t optional_u32(const gguf_file *f, base_slice arch, const char *rest, uint32_t otherwise) {
  char key[128];
  uint32_t v = otherwise;
  if (!base_format(key, sizeof key, "%.*s.%s", (int)arch.len, arch.ptr, rest)) return otherwise;
  return gguf_get_u32(f, key, &v, NULL) == BASE_OK ? v : otherwise;
}

convert_model_facts convert_facts_of(const gguf_file *f) {
  convert_model_facts facts = {0};
  base_slice arch;
  facts.has_output = gguf_find_tensor(f, "output.weight") != NULL;
  if (gguf_get_string(f, "general.architecture", &arch, NULL) != BASE_OK) return facts;
  facts.layers = optional_u32(f, arch, "block_count", 0);
  facts.heads = optional_u32(f, arch, "attention.head_count", 0);
  facts.kv_heads = optional_u32(f, arch, "attention.head_count_kv", facts.heads);
  return facts;
}

static bool contains(base_slice s, const char *part) {
  size_t len = strlen(part);
  for (size_t i = 0; i + len <= s.len; i++) {
    if (memcmp(s.ptr + i, part, len) == 0) return true;
  }
  return false;
}

static bool ends(base_slice s, const char *tail) {
  size_t len = strlen(tail);
  return s.len >= len && memcmp(s.ptr + s.len - len, tail, len) == 0;
}

static bool is(base_slice s, const char *text) {
  return base_slice_equal(s, base_slice_of(text));
}

/* N of "blk.N."; 0 for other tensors. */
static uint32_t layer_of(base_slice name) {
  int64_t layer = 0;
  base_slice rest = name, piece;
  if (!base_slice_split(&rest, '.', &piece) || !is(piece, "blk")) return 0;
  if (!base_slice_split(&rest, '.', &piece) || !base_parse_int(piece, &layer)) return 0;
  return layer >= 0 && layer <= (int64_t)UINT32_MAX ? (uint32_t)layer : 0;
}

/* The first and the last eighth of the layers and every third between get more bits. */
static bool more_bits(uint32_t layer, uint32_t layers) {
  uint32_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * (uint64_t)layers / 8 || (layer - eighth) % 3 == 2;
}

/* Matrices only; norms, positions and token types stay as they are. */
static bool is_quantised(base_slice name, int n_dims) {
  return n_dims >= 2 && ends(name, "weight") && !contains(name, "_norm.weight") &&
         !is(name, "position_embd.weight") && !is(name, "token_types.weight");
}

/* A mix's type for a tensor that is neither embedding nor output. */
static gguf_tensor_type mixed(uint32_t file_type, gguf_tensor_type type, const convert_model_facts *m,
                              base_slice name) {
  enum { Q2_K = 10, Q3_K_M = 12, Q4_K_M = 15, Q5_K_M = 17 };
  uint32_t layer = layer_of(name);
  bool more = more_bits(layer, m->layers), medium = file_type == Q4_K_M || file_type == Q5_K_M;
  if (contains(name, "attn_v.weight")) {
    bool grouped = m->kv_heads > 0 && m->heads / m->kv_heads >= 4;
    if (file_type == Q2_K) return grouped ? GGUF_T_Q4_K : GGUF_T_Q3_K;
    if (file_type == Q3_K_M) return layer < 2 ? GGUF_T_Q5_K : GGUF_T_Q4_K;
    return medium && more ? GGUF_T_Q6_K : type;
  }
  if (contains(name, "ffn_down")) {
    if (file_type == Q2_K) return GGUF_T_Q3_K;
    if (file_type == Q3_K_M) return layer < m->layers / 16 ? GGUF_T_Q5_K : GGUF_T_Q4_K;
    return medium && more ? GGUF_T_Q6_K : type;
  }
  if (contains(name, "attn_output.weight")) {
    if (file_type == Q2_K) return GGUF_T_Q3_K;
    return file_type == Q3_K_M ? GGUF_T_Q4_K : type;
  }
  if (contains(name, "attn_qkv.weight")) {
    if (file_type == Q3_K_M) return GGUF_T_Q4_K;
    if (file_type == Q4_K_M) return GGUF_T_Q5_K;
    if (file_type == Q5_K_M) return GGUF_T_Q6_K;
  }
  return type;
}

/* The nearest type for rows that are no whole number of the wanted type's blocks. llama.cpp takes IQ4_NL
 * where this takes Q4_0, of the same size. */
static gguf_tensor_type fall_back(gguf_tensor_type wanted, uint64_t row) {
  gguf_tensor_type type = GGUF_T_F16;
  switch (wanted) {
    case GGUF_T_Q2_K:
    case GGUF_T_Q3_K: type = GGUF_T_Q4_0; break;
    case GGUF_T_Q4_K: type = GGUF_T_Q5_0; break;
    case GGUF_T_Q5_K: type = GGUF_T_Q5_1; break;
    case GGUF_T_Q6_K: type = GGUF_T_Q8_0; break;
    default: break;
  }
  return row % gguf_block_elements(type) == 0 ? type : GGUF_T_F16;
}

gguf_tensor_type convert_choose_type(const convert_target *target, const convert_model_facts *facts,
                                     base_slice name, int n_dims, const uint64_t *dim,
                                     gguf_tensor_type current, bool *fallback) {
  gguf_tensor_type type = target->type;
  size_t bytes;
  *fallback = false;
  if (current == GGUF_T_I8 || current == GGUF_T_I16 || current == GGUF_T_I32 || current == GGUF_T_I64)
    return current;
  if (!is_quantised(name, n_dims)) return GGUF_T_F32;
  if (gguf_block_elements(type) > 1) {
    bool head = is(name, "output.weight") || (!facts->has_output && is(name, "token_embd.weight"));
    if (!head) {
      type = mixed(target->file_type, type, facts, name);
    } else if (dim[0] % gguf_block_elements(type) != 0) {
      type = GGUF_T_Q8_0;
    } else if (type != GGUF_T_Q8_0) {
      type = GGUF_T_Q6_K;
    }
  }
  if (gguf_row_bytes(type, dim[0], &bytes)) return type;
  *fallback = true;
  return fall_back(type, dim[0]);
}
