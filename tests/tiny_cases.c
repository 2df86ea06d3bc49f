/* Helper of the build: tiny_cases FOLDER trains the packs of tests/tiny into an empty folder that is there. */
#include "tiny.h"

int main(int argc, char **argv) {
  tiny t;
  (void)tiny_make;
  (void)tiny_remove;
  (void)tap_done;
  if (argc != 2 || !base_format(t.dir, sizeof t.dir, "%s", argv[1])) return 2;
  return tiny_fill(&t) ? 0 : 1;
}
