/* Fuzz target: any bytes as a safetensors file. What opens covers its data without gap or overlap. */
#include "convert/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  convert_weights w = {0};
  base_error err = {0};
  base_status status = convert_weights_open_bytes(&w, data, size, "fuzz", &err);
  require(status == BASE_OK || err.text[0] != 0);
  size_t sum = 0;
  for (size_t i = 0; i < w.n && status == BASE_OK; i++) {
    const convert_weight *t = &w.items[i];
    volatile unsigned char sink = 0;
    for (size_t k = 0; k < t->bytes; k++) sink = (unsigned char)(sink ^ t->data[k]);
    require(convert_weights_find(&w, t->name) == t);
    require(t->n_dims <= CONVERT_MAX_DIMS);
    sum += t->bytes;
  }
  require(status != BASE_OK || sum <= size);
  convert_weights_close(&w);
  return 0;
}
