/* What the options of public calls ask of the machine: kernels and threads. */
#include "api/api.h"
#include "os/os.h"

base_status api_take_kernels(const char *name, const cpu_kernels **out, base_error *err) {
  *out = name != NULL ? cpu_named(name) : cpu_best();
  if (*out != NULL) return BASE_OK;
  return base_fail(err, BASE_EUNSUPPORTED, "kernels", "this machine has no kernel table named \"%.40s\"", name);
}

base_status api_take_threads(uint32_t asked, uint32_t *out, base_error *err) {
  uint32_t processors = (uint32_t)os_cpu_count();
  if (asked > OS_MAX_WORKERS)
    return base_fail(err, BASE_EARGUMENT, "threads", "%u are more than the %d that are possible", (unsigned)asked,
                     (int)OS_MAX_WORKERS);
  *out = asked > 0 ? asked : processors < OS_MAX_WORKERS ? processors : OS_MAX_WORKERS;
  return BASE_OK;
}

uint64_t api_file_bytes(const char *path) {
  os_map map = {0};
  if (os_map_open(&map, path, NULL) != BASE_OK) return 0;
  uint64_t bytes = map.len;
  os_map_close(&map);
  return bytes;
}
