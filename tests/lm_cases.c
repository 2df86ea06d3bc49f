/* Writes the tiny language model for tests that run the program: lm_cases FILE [VARIANT [no-chat]]. */
#include "tiny_lm.h"

int main(int argc, char **argv) {
  base_error err = {0};
  size_t variant = 1;
  if (argc < 2 || (argc > 2 && !base_parse_size(base_slice_of(argv[2]), &variant))) return 2;
  if (tiny_lm_write(argv[1], variant, argc < 4, &err) == BASE_OK) return 0;
  fprintf(stderr, "%s: %s\n", err.where, err.text);
  return 1;
}
