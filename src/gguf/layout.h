/* gguf/layout: what reader and writer share: sizes of element types and the numbers of the format. */
#ifndef GGUF_LAYOUT_H
#define GGUF_LAYOUT_H

#include "gguf/gguf.h"

enum { GGUF_MAX_DIMS = 4, GGUF_MAX_NAME = 64, GGUF_DEFAULT_ALIGNMENT = 32, GGUF_OUR_ALIGNMENT = 64 };
enum { GGUF_MAX_ALIGNMENT = 65536, GGUF_MAX_KEY = 65535 };

#define GGUF_MAGIC UINT32_C(0x46554747) /* "GGUF" */

/* Bytes of one metadata element of a fixed size; 0 for strings, arrays and unknown types. */
size_t gguf_element_bytes(uint32_t type);
/* Bytes of a tensor. False when the type is unknown, dim[0] is no whole number of blocks, or it overflows. */
bool gguf_tensor_bytes(uint32_t type, int n_dims, const uint64_t *dim, size_t *bytes);
bool gguf_tensor_type_known(uint32_t type);
/* The name of a type that others write and nothing here reads; NULL when it is not known either. */
const char *gguf_foreign_type_name(uint32_t type);
/* Keys and tensor names: UTF-8, not empty, no control characters. */
bool gguf_name_ok(base_slice name, size_t max_len);

#endif
