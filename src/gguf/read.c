/* gguf/read: checks the whole structure of a file once, when it is opened; afterwards every slice and pointer
 * handed out is known to lie inside it. Tables are sized by counts that the file's own length has justified,
 * and names are found by binary search: a file can be made to collide in a hash, but not to unsort. */
#include "gguf/file.h"

#include <string.h>

/* The fewest bytes a key with its value, and a tensor's entry, can take in a file. */
enum { MIN_VALUE_BYTES = 8 + 1 + 4 + 1, MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8 };
/* What a parse step needs. */
typedef struct parser {
  gguf_file *f;
  base_cursor c;
  uint32_t version;
  base_error *err;
} parser;

static base_status fail_truncated(const parser *p, const char *what) {
  return base_fail(p->err, BASE_EFORMAT, p->f->path, "the file ends inside %s", what);
}

/* ---- order ---- */

static bool key_before(const void *file, uint32_t a, uint32_t b) {
  const gguf_file *f = file;
  return base_slice_compare(f->values[a].key, f->values[b].key) < 0;
}

static bool offset_before(const void *file, uint32_t a, uint32_t b) {
  const gguf_file *f = file;
  return f->tensor_offset[a] < f->tensor_offset[b];
}

/* 0 .. n - 1 into v, sorted. */
static void sort_indices(const gguf_file *f, uint32_t *v, size_t n, base_before *before) {
  for (size_t i = 0; i < n; i++) v[i] = (uint32_t)i;
  base_sort_u32(v, n, before, f);
}

/* ---- header ---- */

static base_status parse_header(parser *p) {
  base_cursor *c = &p->c;
  uint32_t magic = base_cursor_u32(c);
  if (c->failed) return fail_truncated(p, "its first four bytes; this is no GGUF file");
  if (magic != GGUF_MAGIC) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path,
                     "this is no GGUF file: it does not begin with \"GGUF\"");
  }
  p->version = base_cursor_u32(c);
  uint64_t n_tensors = base_cursor_u64(c), n_values = base_cursor_u64(c);
  if (c->failed) return fail_truncated(p, "the header");
  if (p->version == 0x02000000 || p->version == 0x03000000) {
    return base_fail(p->err, BASE_EUNSUPPORTED, p->f->path,
                     "the file is big-endian; only little-endian is read");
  }
  if (p->version < 2 || p->version > 3) {
    return base_fail(p->err, BASE_EUNSUPPORTED, p->f->path, "GGUF version %u; versions 2 and 3 are read",
                     (unsigned)p->version);
  }
  size_t rest = c->len - c->pos;
  if (n_values > rest / MIN_VALUE_BYTES) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path, "%llu metadata keys do not fit in a file of %zu bytes",
                     (unsigned long long)n_values, c->len);
  }
  if (n_tensors > rest / MIN_TENSOR_BYTES) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path, "%llu tensors do not fit in a file of %zu bytes",
                     (unsigned long long)n_tensors, c->len);
  }
  if (n_values > GGUF_MAX_ENTRIES || n_tensors > GGUF_MAX_ENTRIES) {
    return base_fail(p->err, BASE_ELIMIT, p->f->path,
                     "%llu keys and %llu tensors; at most %d of each are read", (unsigned long long)n_values,
                     (unsigned long long)n_tensors, (int)GGUF_MAX_ENTRIES);
  }
  p->f->version = p->version;
  p->f->n_values = (size_t)n_values;
  p->f->n_tensors = (size_t)n_tensors;
  return BASE_OK;
}

/* ---- metadata ---- */

static bool bools_ok(const unsigned char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] > 1) return false;
  }
  return true;
}

static void skip_strings(base_cursor *c, uint64_t count) {
  base_cursor at = *c; /* a copy that no pointer reaches stays in registers */
  for (uint64_t i = 0; i < count && !at.failed; i++) (void)gguf_next_string(&at);
  *c = at;
}

/* An array's elements, after its type and count; each is checked to lie in the file. */
static base_status parse_elements(parser *p, gguf_value *v) {
  base_cursor *c = &p->c;
  size_t rest = c->len - c->pos, start = c->pos;
  size_t each = v->element == GGUF_STRING ? 8 : gguf_element_bytes(v->element);
  if (each == 0) {
    return base_fail(p->err, v->element == GGUF_ARRAY ? BASE_EUNSUPPORTED : BASE_EFORMAT, p->f->path,
                     "key \"%.*s\" is an array of type %u, which is not read", (int)v->key.len, v->key.ptr,
                     (unsigned)v->element);
  }
  if (v->count > rest / each) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path,
                     "key \"%.*s\" has %llu elements, which do not fit in the file", (int)v->key.len,
                     v->key.ptr, (unsigned long long)v->count);
  }
  if (v->element == GGUF_STRING) {
    skip_strings(c, v->count);
  } else {
    base_cursor_skip(c, (size_t)v->count * each);
  }
  v->bytes = c->ptr + start;
  v->len = c->pos - start;
  return BASE_OK;
}

static base_status parse_value(parser *p, size_t index) {
  base_cursor *c = &p->c;
  gguf_value *v = &p->f->values[index];
  v->key = gguf_next_string(c);
  uint32_t type = base_cursor_u32(c);
  if (c->failed) return fail_truncated(p, "the metadata keys");
  if (!gguf_name_ok(v->key, GGUF_MAX_KEY)) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path, "key number %zu is empty, too long or not printable",
                     index);
  }
  v->type = (gguf_type)type;
  size_t bytes = gguf_element_bytes(type);
  if (bytes > 0) {
    v->bytes = base_cursor_bytes(c, bytes);
    v->len = bytes;
  } else if (type == GGUF_STRING) {
    base_slice s = gguf_next_string(c);
    v->bytes = (const unsigned char *)s.ptr;
    v->len = s.len;
  } else if (type == GGUF_ARRAY) {
    uint32_t element = base_cursor_u32(c);
    v->element = (gguf_type)element;
    v->count = base_cursor_u64(c);
    if (!c->failed) {
      base_status status = parse_elements(p, v);
      if (status) return status;
    }
  } else {
    return base_fail(p->err, BASE_EFORMAT, p->f->path, "key \"%.*s\" has type %u, which GGUF does not know",
                     (int)v->key.len, v->key.ptr, (unsigned)type);
  }
  if (c->failed) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path, "the file ends inside the value of key \"%.*s\"",
                     (int)v->key.len, v->key.ptr);
  }
  if ((v->type == GGUF_BOOL || (v->type == GGUF_ARRAY && v->element == GGUF_BOOL)) &&
      !bools_ok(v->bytes, v->len)) {
    return base_fail(p->err, BASE_EFORMAT, p->f->path,
                     "key \"%.*s\" holds a truth value that is neither 0 nor 1", (int)v->key.len, v->key.ptr);
  }
  return BASE_OK;
}

static base_status parse_values(parser *p) {
  gguf_file *f = p->f;
  for (size_t i = 0; i < f->n_values; i++) {
    base_status status = parse_value(p, i);
    if (status) return status;
  }
  sort_indices(f, f->value_order, f->n_values, key_before);
  for (size_t i = 1; i < f->n_values; i++) {
    base_slice a = f->values[f->value_order[i - 1]].key, b = f->values[f->value_order[i]].key;
    if (base_slice_equal(a, b)) {
      return base_fail(p->err, BASE_EFORMAT, f->path, "key \"%.*s\" is there twice", (int)a.len, a.ptr);
    }
  }
  return BASE_OK;
}

static base_status read_alignment(parser *p) {
  gguf_file *f = p->f;
  uint32_t alignment;
  f->alignment = GGUF_DEFAULT_ALIGNMENT;
  if (gguf_find(f, "general.alignment") == NULL) return BASE_OK;
  base_status status = gguf_get_u32(f, "general.alignment", &alignment, p->err);
  if (status) return status;
  if (alignment < 32 || alignment > GGUF_MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0) {
    return base_fail(p->err, BASE_EFORMAT, f->path,
                     "the alignment is %u; powers of two from 32 to %d are read", (unsigned)alignment,
                     (int)GGUF_MAX_ALIGNMENT);
  }
  f->alignment = alignment;
  return BASE_OK;
}

/* ---- tensors ---- */

static base_status parse_tensor(parser *p, size_t index) {
  base_cursor *c = &p->c;
  gguf_file *f = p->f;
  gguf_tensor *t = &f->tensors[index];
  t->name = gguf_next_string(c);
  uint32_t n_dims = base_cursor_u32(c);
  if (c->failed) return fail_truncated(p, "the list of tensors");
  if (!gguf_name_ok(t->name, GGUF_MAX_NAME)) {
    return base_fail(p->err, BASE_EFORMAT, f->path,
                     "the name of tensor number %zu is empty, over %d bytes or not printable", index,
                     (int)GGUF_MAX_NAME);
  }
  int name_len = (int)t->name.len;
  const char *name = t->name.ptr;
  if (n_dims < 1 || n_dims > GGUF_MAX_DIMS) {
    return base_fail(p->err, BASE_EFORMAT, f->path, "tensor \"%.*s\" has %u dimensions; 1 to %d are possible",
                     name_len, name, (unsigned)n_dims, (int)GGUF_MAX_DIMS);
  }
  t->n_dims = (int)n_dims;
  for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) t->dim[i] = i < n_dims ? base_cursor_u64(c) : 1;
  uint32_t type = base_cursor_u32(c);
  t->type = (gguf_tensor_type)type;
  uint64_t offset = f->tensor_offset[index] = base_cursor_u64(c);
  if (c->failed) return fail_truncated(p, "the list of tensors");
  if (!gguf_tensor_type_known(type)) {
    const char *known_as = gguf_foreign_type_name(type);
    return base_fail(p->err, BASE_EUNSUPPORTED, f->path, "tensor \"%.*s\" has element type %u%s%s%s, which is not read",
                     name_len, name, (unsigned)type, known_as != NULL ? " (" : "", known_as != NULL ? known_as : "",
                     known_as != NULL ? ")" : "");
  }
  if (!gguf_tensor_bytes(type, t->n_dims, t->dim, &t->bytes)) {
    return base_fail(p->err, BASE_EFORMAT, f->path, "tensor \"%.*s\" has an impossible shape", name_len,
                     name);
  }
  if (offset % f->alignment != 0) {
    return base_fail(p->err, BASE_EFORMAT, f->path,
                     "tensor \"%.*s\" lies at offset %llu, which is not aligned to %llu", name_len, name,
                     (unsigned long long)offset, (unsigned long long)f->alignment);
  }
  return BASE_OK;
}

static bool name_before(const void *file, uint32_t a, uint32_t b) {
  const gguf_file *f = file;
  return base_slice_compare(f->tensors[a].name, f->tensors[b].name) < 0;
}

base_status gguf_sort_tensors(gguf_file *f, base_error *err) {
  sort_indices(f, f->tensor_order, f->n_tensors, name_before);
  for (size_t i = 1; i < f->n_tensors; i++) {
    base_slice a = f->tensors[f->tensor_order[i - 1]].name, b = f->tensors[f->tensor_order[i]].name;
    if (base_slice_equal(a, b))
      return base_fail(err, BASE_EFORMAT, f->path, "tensor \"%.*s\" is there twice", (int)a.len, a.ptr);
  }
  return BASE_OK;
}

static base_status parse_tensors(parser *p) {
  gguf_file *f = p->f;
  for (size_t i = 0; i < f->n_tensors; i++) {
    base_status status = parse_tensor(p, i);
    if (status) return status;
  }
  return gguf_sort_tensors(f, p->err);
}

/* Every tensor inside the data section, none over another, nothing behind the last but padding.
 * `order` has room for all tensors and ends up sorted by offset. */
static base_status place_tensors(parser *p, uint32_t *order) {
  gguf_file *f = p->f;
  size_t mask = (size_t)f->alignment - 1, padded;
  size_t data_start = !base_add_size(p->c.pos, mask, &padded) ? SIZE_MAX : padded & ~mask;
  size_t data_len = data_start < f->bytes.len ? f->bytes.len - data_start : 0, end = 0;
  sort_indices(f, order, f->n_tensors, offset_before);
  for (size_t i = 0; i < f->n_tensors; i++) {
    gguf_tensor *t = &f->tensors[order[i]];
    uint64_t offset = f->tensor_offset[order[i]];
    if (offset > data_len || t->bytes > data_len - offset) {
      return base_fail(p->err, BASE_EFORMAT, f->path,
                       "tensor \"%.*s\" (%zu bytes) reaches beyond the end of the file", (int)t->name.len,
                       t->name.ptr, t->bytes);
    }
    if (offset < end) {
      return base_fail(p->err, BASE_EFORMAT, f->path, "tensor \"%.*s\" overlaps the one before it",
                       (int)t->name.len, t->name.ptr);
    }
    t->data = f->bytes.ptr + data_start + (size_t)offset;
    end = (size_t)offset + t->bytes;
  }
  if (data_len > end && data_len - end > mask) {
    return base_fail(p->err, BASE_EFORMAT, f->path, "%zu bytes follow the last tensor", data_len - end);
  }
  return BASE_OK;
}

/* ---- opening ---- */

static base_status fail_memory(const parser *p) {
  return base_fail(p->err, BASE_ENOMEM, p->f->path, "no memory to open the file");
}

static base_status parse(parser *p) {
  gguf_file *f = p->f;
  base_status status = parse_header(p);
  if (status) return status;
  f->values = gguf_table(f, f->n_values, sizeof *f->values);
  f->value_order = gguf_table(f, f->n_values, sizeof *f->value_order);
  if (f->values == NULL || f->value_order == NULL) return fail_memory(p);
  status = parse_values(p);
  if (status) return status;
  status = read_alignment(p);
  if (status) return status;
  f->tensors = gguf_table(f, f->n_tensors, sizeof *f->tensors);
  f->tensor_order = gguf_table(f, f->n_tensors, sizeof *f->tensor_order);
  f->tensor_offset = gguf_table(f, f->n_tensors, sizeof *f->tensor_offset);
  uint32_t *by_offset = gguf_table(f, f->n_tensors, sizeof *by_offset);
  if (f->tensors == NULL || f->tensor_order == NULL || f->tensor_offset == NULL || by_offset == NULL) {
    status = fail_memory(p);
    goto done;
  }
  status = parse_tensors(p);
  if (status) goto done;
  status = place_tensors(p, by_offset);
done:
  gguf_free_table(f, by_offset, f->n_tensors, sizeof *by_offset);
  return status;
}

/* Takes over the map, also when it fails. */
static base_status open_map(gguf_file **out, os_map map, base_slice bytes, const char *path,
                            const base_allocator *allocator, base_error *err) {
  base_status status;
  if (allocator == NULL) allocator = base_allocator_libc();
  gguf_file *f = base_calloc(allocator, 1, sizeof *f);
  if (f == NULL) {
    os_map_close(&map);
    return base_fail(err, BASE_ENOMEM, path, "no memory to open the file");
  }
  f->allocator = *allocator;
  f->map = map;
  f->bytes = bytes;
  size_t path_bytes = strlen(path) + 1;
  f->path = base_alloc(allocator, path_bytes);
  if (f->path == NULL) {
    status = base_fail(err, BASE_ENOMEM, path, "no memory to open the file");
    goto done;
  }
  f->path_bytes = path_bytes;
  memcpy(f->path, path, path_bytes);
  parser p = {.f = f, .c = base_cursor_of(bytes.ptr, bytes.len), .err = err};
  status = parse(&p);
done:
  if (status) {
    gguf_close(f);
    return status;
  }
  *out = f;
  return BASE_OK;
}

base_status gguf_open_one(gguf_file **out, const char *path, const base_allocator *allocator, base_error *err) {
  os_map map;
  *out = NULL;
  base_status status = os_map_open(&map, path, err);
  if (status) return status;
  return open_map(out, map, (base_slice){map.ptr, map.len}, path, allocator, err);
}

base_status gguf_open(gguf_file **out, const char *path, const base_allocator *allocator, base_error *err) {
  base_status status = gguf_open_one(out, path, allocator, err);
  if (!status) status = gguf_open_parts(*out, err);
  if (!status) return BASE_OK;
  gguf_close(*out);
  *out = NULL;
  return status;
}

base_status gguf_open_bytes(gguf_file **out, const void *bytes, size_t len, const char *name,
                            const base_allocator *allocator, base_error *err) {
  *out = NULL;
  if (((uintptr_t)bytes & 63) != 0) {
    return base_fail(err, BASE_EARGUMENT, name, "the bytes of a GGUF file must be aligned to 64");
  }
  return open_map(out, (os_map){0}, (base_slice){bytes, len}, name, allocator, err);
}

void gguf_close(gguf_file *f) {
  if (f == NULL) return;
  base_allocator allocator = f->allocator;
  for (size_t i = 0; i < f->n_parts; i++) gguf_close(f->parts[i]);
  gguf_free_table(f, f->parts, f->n_rooms, sizeof *f->parts);
  gguf_free_table(f, f->values, f->n_values, sizeof *f->values);
  gguf_free_table(f, f->value_order, f->n_values, sizeof *f->value_order);
  gguf_free_table(f, f->tensors, f->n_tensors, sizeof *f->tensors);
  gguf_free_table(f, f->tensor_order, f->n_tensors, sizeof *f->tensor_order);
  gguf_free_table(f, f->tensor_offset, f->n_tensors, sizeof *f->tensor_offset);
  base_free(&allocator, f->path, f->path_bytes);
  os_map_close(&f->map);
  base_free(&allocator, f, sizeof *f);
}

/* ---- looking ---- */

size_t gguf_value_count(const gguf_file *f) {
  return f->n_values;
}

const gguf_value *gguf_value_at(const gguf_file *f, size_t index) {
  return index < f->n_values ? &f->values[index] : NULL;
}

size_t gguf_tensor_count(const gguf_file *f) {
  return f->n_tensors;
}

const gguf_tensor *gguf_tensor_at(const gguf_file *f, size_t index) {
  return index < f->n_tensors ? &f->tensors[index] : NULL;
}

/* The map that a tensor's bytes are in. */
static const os_map *map_of(const gguf_file *f, const void *ptr) {
  for (size_t i = 0; i < f->n_parts; i++) {
    const os_map *m = &f->parts[i]->map;
    if ((uintptr_t)ptr - (uintptr_t)m->ptr < m->len) return m;
  }
  return &f->map;
}

void gguf_fetch(const gguf_file *f, const void *ptr, size_t len) {
  os_map_fetch(map_of(f, ptr), ptr, len);
}

void gguf_forget(const gguf_file *f, const void *ptr, size_t len) {
  os_map_forget(map_of(f, ptr), ptr, len);
}

void gguf_forget_all(const gguf_file *f) {
  os_map_forget(&f->map, f->map.ptr, f->map.len);
  for (size_t i = 0; i < f->n_parts; i++) gguf_forget_all(f->parts[i]);
}

void gguf_reader_open(os_reader *r, const gguf_file *f) {
  static const os_map none; /* of several files the parts are read where they lie */
  os_reader_open(r, f->n_parts > 0 ? &none : &f->map, f->path);
}

const char *gguf_path(const gguf_file *f) {
  return f->path;
}

uint32_t gguf_version(const gguf_file *f) {
  return f->version;
}

const gguf_value *gguf_find(const gguf_file *f, const char *key) {
  base_slice want = base_slice_of(key);
  for (size_t low = 0, high = f->n_values; low < high;) {
    size_t mid = low + (high - low) / 2;
    const gguf_value *v = &f->values[f->value_order[mid]];
    int order = base_slice_compare(want, v->key);
    if (order == 0) return v;
    if (order < 0) {
      high = mid;
    } else {
      low = mid + 1;
    }
  }
  return NULL;
}

const gguf_tensor *gguf_find_tensor(const gguf_file *f, const char *name) {
  base_slice want = base_slice_of(name);
  for (size_t low = 0, high = f->n_tensors; low < high;) {
    size_t mid = low + (high - low) / 2;
    const gguf_tensor *t = &f->tensors[f->tensor_order[mid]];
    int order = base_slice_compare(want, t->name);
    if (order == 0) return t;
    if (order < 0) {
      high = mid;
    } else {
      low = mid + 1;
    }
  }
  return NULL;
}
