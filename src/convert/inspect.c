/* convert/inspect: a file's contents as JSON, for people and programs: what it says about itself, its
 * tensors, and the memory that running it takes. */
#include <string.h>

#include "convert/convert.h"
#include "convert/weights.h"
#include "gguf/gguf.h"

enum { SHOWN_ITEMS = 8, SHOWN_TEXT = 400, TOTALS = 64 };

/* ---- metadata ---- */

static const char *const kinds[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "string", "array", "u64", "i64", "f64"};

static const char *kind_of(gguf_type type) {
  return (size_t)type < sizeof kinds / sizeof kinds[0] ? kinds[type] : "?";
}

/* JSON has no infinities; they and not-a-numbers become null. */
static void put_real(base_buf *j, double v, int digits) {
  if (v - v == 0)
    base_buf_printf(j, "%.*g", digits, v);
  else
    base_buf_puts(j, "null");
}

/* One scalar of `type` at the cursor. */
static void put_scalar(base_buf *j, gguf_type type, base_cursor *c) {
  switch (type) {
    case GGUF_U8: base_buf_printf(j, "%u", base_cursor_u8(c)); break;
    case GGUF_I8: base_buf_printf(j, "%d", (int8_t)base_cursor_u8(c)); break;
    case GGUF_U16: base_buf_printf(j, "%u", base_cursor_u16(c)); break;
    case GGUF_I16: base_buf_printf(j, "%d", (int16_t)base_cursor_u16(c)); break;
    case GGUF_U32: base_buf_printf(j, "%lu", (unsigned long)base_cursor_u32(c)); break;
    case GGUF_I32: base_buf_printf(j, "%ld", (long)(int32_t)base_cursor_u32(c)); break;
    case GGUF_U64: base_buf_printf(j, "%llu", (unsigned long long)base_cursor_u64(c)); break;
    case GGUF_I64: base_buf_printf(j, "%lld", (long long)(int64_t)base_cursor_u64(c)); break;
    case GGUF_F32: put_real(j, (double)base_cursor_f32(c), 9); break;
    case GGUF_F64: put_real(j, base_cursor_f64(c), 17); break;
    case GGUF_BOOL: base_buf_puts(j, base_cursor_u8(c) ? "true" : "false"); break;
    case GGUF_STRING: base_buf_json(j, gguf_next_string(c)); break;
    default: base_buf_puts(j, "null"); break;
  }
}

static void put_value(base_buf *j, const gguf_value *v) {
  base_cursor c = base_cursor_of(v->bytes, v->len);
  base_buf_puts(j, "{\"key\":");
  base_buf_json(j, v->key);
  if (v->type == GGUF_STRING) {
    base_buf_puts(j, ",\"type\":\"string\",\"value\":");
    base_buf_json(j, (base_slice){(const char *)v->bytes, v->len < SHOWN_TEXT ? v->len : SHOWN_TEXT});
    if (v->len > SHOWN_TEXT) base_buf_printf(j, ",\"cut\":true,\"bytes\":%zu", v->len);
  } else if (v->type != GGUF_ARRAY) {
    base_buf_printf(j, ",\"type\":\"%s\",\"value\":", kind_of(v->type));
    put_scalar(j, v->type, &c);
  } else {
    base_buf_printf(j, ",\"type\":\"%s[]\",\"count\":%llu,\"value\":[", kind_of(v->element),
                    (unsigned long long)v->count);
    for (uint64_t i = 0; i < v->count && i < SHOWN_ITEMS; i++) {
      if (i > 0) base_buf_putc(j, ',');
      put_scalar(j, v->element, &c);
    }
    base_buf_puts(j, v->count > SHOWN_ITEMS ? "],\"cut\":true" : "]");
  }
  base_buf_putc(j, '}');
}

/* ---- tensors ---- */

typedef struct total {
  const char *type;
  uint64_t tensors, elements, bytes;
} total;

typedef struct totals {
  total item[TOTALS];
  size_t n;
  uint64_t tensors, elements, bytes;
} totals;

static void count(totals *t, const char *type, uint64_t elements, uint64_t bytes) {
  size_t i = 0;
  while (i < t->n && strcmp(t->item[i].type, type) != 0) i++;
  if (i == TOTALS) return;
  if (i == t->n) t->item[t->n++] = (total){.type = type};
  t->item[i].tensors++;
  t->item[i].elements += elements;
  t->item[i].bytes += bytes;
  t->tensors++;
  t->elements += elements;
  t->bytes += bytes;
}

static void put_tensor(base_buf *j, base_slice name, const char *type, int n_dims, const uint64_t *dim,
                       uint64_t bytes) {
  base_buf_puts(j, "{\"name\":");
  base_buf_json(j, name);
  base_buf_printf(j, ",\"type\":\"%s\",\"shape\":[", type);
  for (int i = 0; i < n_dims; i++) base_buf_printf(j, "%s%llu", i > 0 ? "," : "", (unsigned long long)dim[i]);
  base_buf_printf(j, "],\"bytes\":%llu}", (unsigned long long)bytes);
}

static void put_totals(base_buf *j, const totals *t) {
  base_buf_puts(j, "],\"totals\":[");
  for (size_t i = 0; i < t->n; i++) {
    base_buf_printf(j, "%s{\"type\":\"%s\",\"tensors\":%llu,\"elements\":%llu,\"bytes\":%llu}",
                    i > 0 ? "," : "", t->item[i].type, (unsigned long long)t->item[i].tensors,
                    (unsigned long long)t->item[i].elements, (unsigned long long)t->item[i].bytes);
  }
  base_buf_printf(j, "],\"parameters\":%llu", (unsigned long long)t->elements);
}

/* ---- memory ---- */

static bool find_number(const gguf_file *f, base_slice arch, const char *rest, uint64_t *out) {
  char key[128];
  uint32_t v;
  if (!base_format(key, sizeof key, "%.*s.%s", (int)arch.len, arch.ptr, rest)) return false;
  if (gguf_get_u32(f, key, &v, NULL) != BASE_OK) return false;
  *out = v;
  return true;
}

/* Key and value heads of all layers together: one number for all layers, or an array with one each. */
static uint64_t all_kv_heads(const gguf_file *f, base_slice arch, uint64_t layers, uint64_t heads) {
  char key[128];
  uint64_t one = heads, sum = 0;
  const gguf_value *v = NULL;
  if (base_format(key, sizeof key, "%.*s.attention.head_count_kv", (int)arch.len, arch.ptr))
    v = gguf_find(f, key);
  if (v != NULL && v->type == GGUF_ARRAY && (v->element == GGUF_I32 || v->element == GGUF_U32)) {
    base_cursor c = base_cursor_of(v->bytes, v->len);
    for (uint64_t i = 0; i < v->count && i < layers; i++) sum += base_cursor_u32(&c);
    return sum;
  }
  (void)find_number(f, arch, "attention.head_count_kv", &one);
  return one * layers;
}

/* Bytes of a half-float cache for `context` tokens, when every layer keeps all of them; 0 when the metadata
 * does not say. A sliding window or an int8 cache needs less. */
static uint64_t cache_bytes(const gguf_file *f, base_slice arch, uint64_t context) {
  uint64_t layers, heads = 0, width, key_length, value_length;
  if (!find_number(f, arch, "block_count", &layers) || layers > 65536) return 0;
  if (!find_number(f, arch, "attention.head_count", &heads) || heads == 0) {
    if (!find_number(f, arch, "attention.key_length", &width)) return 0;
  }
  if (!find_number(f, arch, "attention.key_length", &key_length)) {
    if (heads == 0 || !find_number(f, arch, "embedding_length", &width)) return 0;
    key_length = width / heads;
  }
  if (!find_number(f, arch, "attention.value_length", &value_length)) value_length = key_length;
  double bytes = (double)all_kv_heads(f, arch, layers, heads) * (double)(key_length + value_length) * 2.0 *
                 (double)context;
  return bytes < 0x1p62 ? (uint64_t)bytes : 0;
}

static void put_memory(base_buf *j, const gguf_file *f, uint64_t weights, uint64_t context) {
  base_slice arch = {NULL, 0};
  uint64_t cache = 0;
  if (gguf_get_string(f, "general.architecture", &arch, NULL) == BASE_OK) {
    if (context == 0) (void)find_number(f, arch, "context_length", &context);
    cache = cache_bytes(f, arch, context);
  }
  base_buf_printf(j, ",\"memory\":{\"weights_bytes\":%llu", (unsigned long long)weights);
  if (cache > 0)
    base_buf_printf(j, ",\"context\":%llu,\"cache_f16_bytes\":%llu", (unsigned long long)context,
                    (unsigned long long)cache);
  base_buf_puts(j, "}}");
}

/* ---- files ---- */

static void inspect_gguf(const gguf_file *f, uint64_t context, base_buf *j) {
  totals sum = {.n = 0};
  base_buf_puts(j, "{\"file\":");
  base_buf_json(j, base_slice_of(gguf_path(f)));
  base_buf_printf(j, ",\"format\":\"gguf\",\"version\":%u,\"metadata\":[", (unsigned)gguf_version(f));
  for (size_t i = 0; i < gguf_value_count(f); i++) {
    if (i > 0) base_buf_putc(j, ',');
    put_value(j, gguf_value_at(f, i));
  }
  base_buf_puts(j, "],\"tensors\":[");
  for (size_t i = 0; i < gguf_tensor_count(f); i++) {
    const gguf_tensor *t = gguf_tensor_at(f, i);
    const char *type = gguf_tensor_type_name(t->type);
    if (i > 0) base_buf_putc(j, ',');
    put_tensor(j, t->name, type, t->n_dims, t->dim, t->bytes);
    count(&sum, type, t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3], t->bytes);
  }
  put_totals(j, &sum);
  put_memory(j, f, sum.bytes, context);
}

static void inspect_weights(const convert_weights *w, const char *path, base_buf *j) {
  totals sum = {.n = 0};
  base_buf_puts(j, "{\"file\":");
  base_buf_json(j, base_slice_of(path));
  base_buf_puts(j, ",\"format\":\"safetensors\",\"metadata\":[");
  const char *key;
  json_t *v;
  bool first = true;
  json_object_foreach(json_object_get(w->shards[0].header, "__metadata__"), key, v) {
    if (!json_is_string(v)) continue;
    base_buf_puts(j, first ? "{\"key\":" : ",{\"key\":");
    base_buf_json(j, base_slice_of(key));
    base_buf_puts(j, ",\"type\":\"string\",\"value\":");
    base_buf_json(j, (base_slice){json_string_value(v), json_string_length(v)});
    base_buf_putc(j, '}');
    first = false;
  }
  base_buf_puts(j, "],\"tensors\":[");
  for (size_t i = 0; i < w->n; i++) {
    const convert_weight *t = &w->items[i];
    if (i > 0) base_buf_putc(j, ',');
    put_tensor(j, base_slice_of(t->name), t->dtype, t->n_dims, t->shape, t->bytes);
    count(&sum, t->dtype, t->elements, t->bytes);
  }
  put_totals(j, &sum);
  base_buf_printf(j, ",\"memory\":{\"weights_bytes\":%llu}}", (unsigned long long)sum.bytes);
}

base_status convert_inspect(const char *path, uint64_t context, base_buf *json, base_error *err) {
  os_map map;
  base_status status = os_map_open(&map, path, err);
  if (status) return status;
  bool weights = convert_looks_like_weights(map.ptr, map.len);
  os_map_close(&map);
  if (weights) {
    convert_weights w = {0};
    status = convert_weights_open_file(&w, path, err);
    if (!status) inspect_weights(&w, path, json);
    convert_weights_close(&w);
  } else {
    gguf_file *f;
    status = gguf_open(&f, path, NULL, err);
    if (!status) inspect_gguf(f, context, json);
    gguf_close(f);
  }
  if (!status && json->failed) status = base_fail(err, BASE_ENOMEM, path, "no memory for the description");
  return status;
}
