/* Fuzz target: any bytes through finding, redacting and restoring, steering and risk, under rules that the first two
 * bytes choose. */
#include "guard_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  check_input(data, size);
  return 0;
}
