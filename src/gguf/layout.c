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

/* Elements and bytes of one block; false for a type we do not know. */
static bool block_of(uint32_t type, size_t *elements, size_t *bytes) {
  *elements = 1;
  switch (type) {
    case GGUF_T_F32:
    case GGUF_T_I32: *bytes = 4; return true;
    case GGUF_T_F16:
    case GGUF_T_BF16:
    case GGUF_T_I16: *bytes = 2; return true;
    case GGUF_T_I8: *bytes = 1; return true;
    case GGUF_T_Q8_0:
      *elements = 32;
      *bytes = 34;
      return true; /* a half float scale and 32 int8 */
    default: return false;
  }
}

bool gguf_tensor_type_known(uint32_t type) {
  size_t elements, bytes;
  return block_of(type, &elements, &bytes);
}

bool gguf_tensor_bytes(uint32_t type, int n_dims, const uint64_t *dim, size_t *bytes) {
  size_t block_elements, total;
  if (!block_of(type, &block_elements, &total) || dim[0] % block_elements != 0) return false;
  for (int i = 0; i < n_dims; i++) {
    uint64_t n = i == 0 ? dim[0] / block_elements : dim[i];
    if (n == 0 || n > SIZE_MAX || !base_mul_size(total, (size_t)n, &total)) return false;
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

int gguf_name_compare(base_slice a, base_slice b) {
  int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
  if (order != 0) return order;
  return a.len < b.len ? -1 : a.len > b.len;
}
