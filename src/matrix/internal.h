/* Private to matrix: what its sources share. */
#ifndef MATRIX_INTERNAL_H
#define MATRIX_INTERNAL_H

#include "matrix/matrix.h"
#include "quant/quant.h"

static inline bool matrix_is_float(gguf_tensor_type type) {
  return type == GGUF_T_F32 || type == GGUF_T_F16 || type == GGUF_T_BF16;
}

#endif
