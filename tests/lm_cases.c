/* Writes the tiny language model for tests that run the program: lm_cases FILE VARIANT chat|bare CONTEXT. */
#include "tiny_lm.h"

int main(int argc, char **argv) {
  base_error err = {0};
  size_t variant, context;
  if (argc != 5 || !base_parse_size(base_slice_of(argv[2]), &variant) ||
      !base_parse_size(base_slice_of(argv[4]), &context))
    return 2;
  if (tiny_lm_write(argv[1], variant, strcmp(argv[3], "chat") == 0, (uint32_t)context, &err) == BASE_OK) return 0;
  fprintf(stderr, "%s: %s\n", err.where, err.text);
  return 1;
}
