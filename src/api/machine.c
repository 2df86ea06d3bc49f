/* What the options of public calls ask of the machine: kernels and threads. */
#include "api/api.h"
#include "os/os.h"

enum { MOST_THREADS = 256 }; /* what os opens */

base_status api_take_kernels(const char *name, const cpu_kernels **out, base_error *err) {
  *out = name != NULL ? cpu_named(name) : cpu_best();
  if (*out != NULL) return BASE_OK;
  return base_fail(err, BASE_EUNSUPPORTED, "kernels", "this machine has no kernel table named \"%.40s\"", name);
}

base_status api_take_threads(uint32_t asked, uint32_t *out, base_error *err) {
  uint32_t processors = (uint32_t)os_cpu_count();
  if (asked > MOST_THREADS)
    return base_fail(err, BASE_EARGUMENT, "threads", "%u are more than the %d that are possible", (unsigned)asked,
                     (int)MOST_THREADS);
  *out = asked > 0 ? asked : processors < MOST_THREADS ? processors : MOST_THREADS;
  return BASE_OK;
}

uint64_t api_file_bytes(const char *path) {
  os_map map = {0};
  if (os_map_open(&map, path, NULL) != BASE_OK) return 0;
  uint64_t bytes = map.len;
  os_map_close(&map);
  return bytes;
}
