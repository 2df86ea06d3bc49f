/* gguf/layout: sizes of element types and the rules for names. */
#include "gguf/layout.h"

#include <string.h>

size_t gguf_element_bytes(uint32_t type) {
  switch (type) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_BOOL: return 1;
    case GGUF_U16:
    case GGUF_I16: return 2;
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_F32: return 4;
    case GGUF_U64:
    case GGUF_I64:
    case GGUF_F64: return 8;
    default: return 0;
  }
}

/* ---- tensor element types ---- */

typedef struct type_row {
  const char *name;
  uint32_t number;
  unsigned short elements, bytes;
} type_row;

static const type_row types[] = {
#define GGUF_TENSOR_TYPE(name, number, elements, bytes) {#name, number, elements, bytes},
#include "gguf/tensor_type.def"
#undef GGUF_TENSOR_TYPE
};

static const type_row *find_type(uint32_t number) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].number == number) return &types[i];
  }
  return NULL;
}

bool gguf_tensor_type_known(uint32_t type) {
  return find_type(type) != NULL;
}

const char *gguf_tensor_type_name(gguf_tensor_type type) {
  const type_row *row = find_type((uint32_t)type);
  return row != NULL ? row->name : "?";
}

const char *gguf_foreign_type_name(uint32_t type) {
  switch (type) {
#define GGUF_FOREIGN_TYPE(name, number) case number: return name;
#include "gguf/foreign_type.def"
#undef GGUF_FOREIGN_TYPE
    default: return NULL;
  }
}

bool gguf_tensor_type_find(base_slice name, gguf_tensor_type *out) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (!base_slice_equal_nocase(base_slice_of(types[i].name), name)) continue;
    *out = (gguf_tensor_type)types[i].number;
    return true;
  }
  return false;
}

size_t gguf_block_elements(gguf_tensor_type type) {
  const type_row *row = find_type((uint32_t)type);
  return row != NULL ? row->elements : 0;
}

size_t gguf_block_bytes(gguf_tensor_type type) {
  const type_row *row = find_type((uint32_t)type);
  return row != NULL ? row->bytes : 0;
}

bool gguf_row_bytes(gguf_tensor_type type, uint64_t n, size_t *bytes) {
  const type_row *row = find_type((uint32_t)type);
  if (row == NULL || n == 0 || n % row->elements != 0 || n / row->elements > SIZE_MAX) return false;
  return base_mul_size((size_t)(n / row->elements), row->bytes, bytes);
}

bool gguf_tensor_bytes(uint32_t type, int n_dims, const uint64_t *dim, size_t *bytes) {
  size_t total;
  if (!gguf_row_bytes((gguf_tensor_type)type, dim[0], &total)) return false;
  for (int i = 1; i < n_dims; i++) {
    if (dim[i] == 0 || dim[i] > SIZE_MAX || !base_mul_size(total, (size_t)dim[i], &total)) return false;
  }
  *bytes = total;
  return true;
}

bool gguf_name_ok(base_slice name, size_t max_len) {
  if (name.len == 0 || name.len > max_len) return false;
  for (size_t i = 0; i < name.len; i++) {
    unsigned char c = (unsigned char)name.ptr[i];
    if (c < 0x20 || c == 0x7F) return false;
  }
  return base_utf8_valid(name.ptr, name.len);
}
