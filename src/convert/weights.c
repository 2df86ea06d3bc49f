/* convert/weights: safetensors (huggingface/safetensors): eight bytes of length, a JSON header, the numbers.
 * Every byte of the data belongs to exactly one tensor; what claims otherwise is refused. */
#include "convert/weights.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 8 << 20, MAX_INDEX = 16 << 20, MAX_SHARDS = 1024 };

typedef struct dtype_row {
  const char *name;
  size_t bytes;
  bool readable;
  gguf_tensor_type type;
} dtype_row;

static const dtype_row dtypes[] = {
    {"F32", 4, true, GGUF_T_F32},  {"F16", 2, true, GGUF_T_F16},     {"BF16", 2, true, GGUF_T_BF16},
    {"F64", 8, true, GGUF_T_F64},  {"I8", 1, true, GGUF_T_I8},       {"I16", 2, true, GGUF_T_I16},
    {"I32", 4, true, GGUF_T_I32},  {"I64", 8, true, GGUF_T_I64},     {"U8", 1, false, GGUF_T_I8},
    {"BOOL", 1, false, GGUF_T_I8}, {"U16", 2, false, GGUF_T_I16},    {"U32", 4, false, GGUF_T_I32},
    {"U64", 8, false, GGUF_T_I64}, {"F8_E4M3", 1, false, GGUF_T_I8}, {"F8_E5M2", 1, false, GGUF_T_I8},
};

static const dtype_row *find_dtype(const char *name) {
  for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
    if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
  }
  return NULL;
}

/* ---- JSON files ---- */

json_t *convert_parse_json(const char *text, size_t len, const char *name, base_error *err) {
  json_error_t where;
  json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
  if (root == NULL) {
    (void)base_fail(err, BASE_EFORMAT, name, "line %d, column %d: %s", where.line, where.column, where.text);
    return NULL;
  }
  if (json_is_object(root)) return root;
  (void)base_fail(err, BASE_EFORMAT, name, "this is no JSON object");
  json_decref(root);
  return NULL;
}

/* The number that begins at s, all of it. *whole: of digits alone. */
static size_t number_at(const char *s, const char *end, bool *whole) {
  size_t n = 0;
  *whole = true;
  for (; s + n < end && s[n] != '\0' && strchr("0123456789+-.eE", s[n]) != NULL; n++)
    *whole = *whole && s[n] >= '0' && s[n] <= '9';
  return n;
}

void convert_soften_integers(char *s, size_t len) {
  enum { HOLDS = 18 };
  const char *end = s + len;
  bool quoted = false, whole;
  for (; s < end; s++) {
    if (*s == '"') quoted = !quoted;
    if (quoted && *s == '\\' && s + 1 < end) s++;
    if (quoted || *s < '0' || *s > '9') continue;
    size_t n = number_at(s, end, &whole);
    if (whole && n > HOLDS) {
      char exponent[HOLDS];
      (void)base_format(exponent, sizeof exponent, "e%zu", n - 1);
      memset(s + 1, ' ', n - 1);
      memcpy(s + 1, exponent, strlen(exponent));
    }
    s += n - 1;
  }
}

json_t *convert_load_json(const char *path, size_t max_bytes, base_error *err) {
  base_buf text = {0};
  json_t *root = NULL;
  if (os_read_file(path, max_bytes, &text, err) == BASE_OK) {
    if (text.len > 0) convert_soften_integers(text.ptr, text.len);
    root = convert_parse_json(text.ptr, text.len, path, err);
  }
  base_buf_free(&text);
  return root;
}

base_status convert_join(char *out, size_t out_size, const char *dir, const char *name, base_error *err) {
  if (base_format(out, out_size, "%s/%s", dir, name)) return BASE_OK;
  return base_fail(err, BASE_ELIMIT, name, "the path is too long");
}

/* ---- one file ---- */

static base_status grow(convert_weights *w, size_t more, base_error *err) {
  if (more == 0) return BASE_OK;
  convert_weight *items = base_grow(NULL, w->items, &w->cap, w->n + more, sizeof *items);
  if (items == NULL) return base_fail(err, BASE_ENOMEM, "safetensors", "no memory for the list of tensors");
  w->items = items;
  return BASE_OK;
}

/* Shape and the number of elements. */
static base_status read_shape(convert_weight *t, const json_t *shape, const char *path, base_error *err) {
  size_t n = json_array_size(shape), elements = 1;
  if (!json_is_array(shape) || n > CONVERT_MAX_DIMS)
    return base_fail(err, BASE_EFORMAT, path, "tensor \"%.100s\" has no shape of at most %d dimensions",
                     t->name, (int)CONVERT_MAX_DIMS);
  for (size_t i = 0; i < n; i++) {
    const json_t *d = json_array_get(shape, i);
    json_int_t v = json_integer_value(d);
    if (!json_is_integer(d) || v < 0 || (uint64_t)v > SIZE_MAX ||
        !base_mul_size(elements, (size_t)v, &elements))
      return base_fail(err, BASE_EFORMAT, path, "tensor \"%.100s\" has an impossible shape", t->name);
    t->shape[i] = (uint64_t)v;
  }
  t->n_dims = (int)n;
  t->elements = elements;
  return BASE_OK;
}

static base_status read_entry(convert_weight *t, const json_t *entry, base_slice data, const char *path,
                              base_error *err) {
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  const json_t *offsets = json_object_get(entry, "data_offsets");
  const dtype_row *row = dtype != NULL ? find_dtype(dtype) : NULL;
  size_t want;
  if (row == NULL)
    return base_fail(err, BASE_EUNSUPPORTED, path, "tensor \"%.100s\" has the unknown dtype %.20s", t->name,
                     dtype != NULL ? dtype : "(none)");
  t->dtype = row->name;
  t->readable = row->readable;
  t->type = row->type;
  base_status status = read_shape(t, json_object_get(entry, "shape"), path, err);
  if (status) return status;
  const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
  json_int_t from = json_integer_value(first), to = json_integer_value(last);
  if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) || from < 0 ||
      to < from || (uint64_t)to > data.len)
    return base_fail(err, BASE_EFORMAT, path, "tensor \"%.100s\" does not lie inside the file", t->name);
  if (!base_mul_size((size_t)t->elements, row->bytes, &want) || want != (size_t)(to - from))
    return base_fail(err, BASE_EFORMAT, path,
                     "tensor \"%.100s\" has %lld bytes, which its shape does not give", t->name,
                     (long long)(to - from));
  t->data = (const unsigned char *)data.ptr + from;
  t->bytes = want;
  return BASE_OK;
}

static int by_place(const void *pa, const void *pb) {
  const convert_weight *a = pa, *b = pb;
  if (a->data != b->data) return a->data < b->data ? -1 : 1;
  return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static int by_name(const void *pa, const void *pb) {
  return strcmp(((const convert_weight *)pa)->name, ((const convert_weight *)pb)->name);
}

/* The tensors from `first` on cover the data without gap or overlap. */
static base_status check_cover(convert_weights *w, size_t first, base_slice data, const char *path,
                               base_error *err) {
  const unsigned char *end = (const unsigned char *)data.ptr;
  if (w->n > first) qsort(w->items + first, w->n - first, sizeof *w->items, by_place);
  for (size_t i = first; i < w->n; i++) {
    const convert_weight *t = &w->items[i];
    if (t->data < end)
      return base_fail(err, BASE_EFORMAT, path, "tensor \"%.100s\" overlaps the one before it", t->name);
    if (t->data > end)
      return base_fail(err, BASE_EFORMAT, path, "a gap lies before tensor \"%.100s\"", t->name);
    end = t->data + t->bytes;
  }
  if (end != (const unsigned char *)data.ptr + data.len)
    return base_fail(err, BASE_EFORMAT, path, "bytes follow the last tensor");
  return BASE_OK;
}

bool convert_looks_like_weights(const void *bytes, size_t len) {
  base_cursor c = base_cursor_of(bytes, len);
  uint64_t header = base_cursor_u64(&c);
  return !c.failed && header >= 2 && header <= len - 8 && base_cursor_u8(&c) == '{';
}

/* Adds the tensors of one file; *header stays with the caller. */
static base_status add_bytes(convert_weights *w, json_t **header, const void *bytes, size_t len,
                             const char *path, base_error *err) {
  base_cursor c = base_cursor_of(bytes, len);
  uint64_t n = base_cursor_u64(&c);
  if (c.failed || n > len - 8) return base_fail(err, BASE_EFORMAT, path, "the file ends inside its header");
  if (n > MAX_HEADER)
    return base_fail(err, BASE_ELIMIT, path, "the header has %llu bytes; at most %d are read",
                     (unsigned long long)n, (int)MAX_HEADER);
  *header = convert_parse_json((const char *)bytes + 8, (size_t)n, path, err);
  if (*header == NULL) return BASE_EFORMAT;
  base_slice data = {(const char *)bytes + 8 + n, len - 8 - (size_t)n};
  size_t first = w->n;
  base_status status = grow(w, json_object_size(*header), err);
  if (status) return status;
  const char *name;
  json_t *entry;
  json_object_foreach(*header, name, entry) {
    if (strcmp(name, "__metadata__") == 0) continue;
    convert_weight *t = &w->items[w->n];
    *t = (convert_weight){.name = name};
    status = read_entry(t, entry, data, path, err);
    if (status) return status;
    w->n++;
  }
  return check_cover(w, first, data, path, err);
}

static convert_shard *new_shard(convert_weights *w, base_error *err) {
  convert_shard *grown = base_grow(NULL, w->shards, &w->cap_shards, w->n_shards + 1, sizeof *grown);
  if (grown == NULL) {
    (void)base_fail(err, BASE_ENOMEM, "safetensors", "no memory for the list of files");
    return NULL;
  }
  w->shards = grown;
  convert_shard *s = &w->shards[w->n_shards++];
  memset(s, 0, sizeof *s);
  return s;
}

static base_status add_file(convert_weights *w, const char *path, const char *name, base_error *err) {
  convert_shard *s = new_shard(w, err);
  if (s == NULL) return BASE_ENOMEM;
  (void)base_format(s->name, sizeof s->name, "%s", name);
  base_status status = os_map_open(&s->map, path, err);
  return status ? status : add_bytes(w, &s->header, s->map.ptr, s->map.len, path, err);
}

/* Sorted by name, and none twice. */
static base_status finish(convert_weights *w, const char *path, base_error *err) {
  if (w->n > 0) qsort(w->items, w->n, sizeof *w->items, by_name);
  for (size_t i = 1; i < w->n; i++) {
    if (by_name(&w->items[i - 1], &w->items[i]) == 0)
      return base_fail(err, BASE_EFORMAT, path, "tensor \"%.100s\" is there twice", w->items[i].name);
  }
  return BASE_OK;
}

base_status convert_weights_open_file(convert_weights *w, const char *path, base_error *err) {
  base_status status = add_file(w, path, "", err);
  return status ? status : finish(w, path, err);
}

base_status convert_weights_open_bytes(convert_weights *w, const void *bytes, size_t len, const char *name,
                                       base_error *err) {
  convert_shard *s = new_shard(w, err);
  if (s == NULL) return BASE_ENOMEM;
  base_status status = add_bytes(w, &s->header, bytes, len, name, err);
  return status ? status : finish(w, name, err);
}

/* ---- shards ---- */

static bool has_shard(const convert_weights *w, const char *name) {
  for (size_t i = 0; i < w->n_shards; i++) {
    if (strcmp(w->shards[i].name, name) == 0) return true;
  }
  return false;
}

/* A shard is a safetensors file of the same folder: a plain name, so that an index cannot name itself,
 * another index or a file elsewhere. */
static bool shard_name_ok(const char *name) {
  size_t len = strlen(name), tail = strlen(".safetensors");
  return len > tail && len < 200 && strchr(name, '/') == NULL &&
         strcmp(name + len - tail, ".safetensors") == 0;
}

/* The index and the files agree on every tensor's place. */
static base_status check_index(const convert_weights *w, json_t *map, const char *path, base_error *err) {
  const char *name;
  json_t *file;
  json_object_foreach(map, name, file) {
    const convert_weight *t = convert_weights_find(w, name);
    if (t == NULL)
      return base_fail(err, BASE_EMISMATCH, path, "tensor \"%.100s\" is in none of the files", name);
    for (size_t i = 0; i < w->n_shards; i++) {
      if (strcmp(w->shards[i].name, json_string_value(file)) != 0) continue;
      if (json_object_get(w->shards[i].header, name) == NULL)
        return base_fail(err, BASE_EMISMATCH, path, "tensor \"%.100s\" is not in %.80s", name,
                         w->shards[i].name);
    }
  }
  return BASE_OK;
}

static base_status open_shards(convert_weights *w, const char *dir, const char *index, base_error *err) {
  json_t *root = convert_load_json(index, MAX_INDEX, err), *map, *file;
  const char *name;
  char path[4096];
  base_status status = BASE_OK;
  if (root == NULL) return BASE_EFORMAT;
  map = json_object_get(root, "weight_map");
  if (!json_is_object(map))
    status = base_fail(err, BASE_EFORMAT, index, "the key \"weight_map\" is no object");
  json_object_foreach(map, name, file) {
    const char *shard = json_string_value(file);
    if (status) break;
    if (shard == NULL || !shard_name_ok(shard)) {
      status = base_fail(err, BASE_EFORMAT, index,
                         "tensor \"%.100s\" is said to lie in \"%.60s\", which is no name of a "
                         "safetensors file beside the index",
                         name, shard != NULL ? shard : "?");
    } else if (!has_shard(w, shard)) {
      if (w->n_shards == MAX_SHARDS)
        status = base_fail(err, BASE_ELIMIT, index, "more than %d files", (int)MAX_SHARDS);
      if (!status) status = convert_join(path, sizeof path, dir, shard, err);
      if (!status) status = add_file(w, path, shard, err);
    }
  }
  if (!status) status = finish(w, index, err);
  if (!status) status = check_index(w, map, index, err);
  json_decref(root);
  return status;
}

base_status convert_weights_open_dir(convert_weights *w, const char *dir, base_error *err) {
  char single[4096], index[4096];
  base_status status = convert_join(single, sizeof single, dir, "model.safetensors", err);
  if (!status) status = convert_join(index, sizeof index, dir, "model.safetensors.index.json", err);
  if (status) return status;
  if (os_exists(index)) return open_shards(w, dir, index, err);
  if (os_exists(single)) return convert_weights_open_file(w, single, err);
  return base_fail(err, BASE_ENOTFOUND, dir,
                   "there is neither model.safetensors nor model.safetensors.index.json");
}

void convert_weights_close(convert_weights *w) {
  for (size_t i = 0; i < w->n_shards; i++) {
    json_decref(w->shards[i].header);
    os_map_close(&w->shards[i].map);
  }
  base_free(NULL, w->shards, w->cap_shards * sizeof *w->shards);
  base_free(NULL, w->items, w->cap * sizeof *w->items);
  memset(w, 0, sizeof *w);
}

const convert_weight *convert_weights_find(const convert_weights *w, const char *name) {
  for (size_t low = 0, high = w->n; low < high;) {
    size_t mid = low + (high - low) / 2;
    int order = strcmp(name, w->items[mid].name);
    if (order == 0) return &w->items[mid];
    if (order < 0)
      high = mid;
    else
      low = mid + 1;
  }
  return NULL;
}
