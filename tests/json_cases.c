/* Helper of tools/json_suite.sh: reads each file named on the command line and prints "accepted FILE" or
 * "refused FILE: why". */
#include "jdoc/jdoc.h"
#include "os/os.h"

#include <stdio.h>

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    base_error err = {0};
    os_map map;
    jdoc d;
    if (os_map_open(&map, argv[i], &err)) {
      printf("unread %s: %s\n", argv[i], err.text);
      continue;
    }
    jdoc_limits l = {.repeated_keys = true};
    base_status st = jdoc_open(&d, (base_slice){map.ptr, map.len}, &l, "file", NULL, &err);
    printf(st ? "refused %s: %s\n" : "accepted %s%s\n", argv[i], err.text);
    if (!st) jdoc_close(&d);
    os_map_close(&map);
  }
  return 0;
}
