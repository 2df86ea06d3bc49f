/* Where the files lie that are shipped with the library: the packs, the gate, the trunk. */
#include "api/api.h"
#include "os/os.h"

#ifndef MN_DATA_DIR
#define MN_DATA_DIR "/usr/local/share/minnow"
#endif

base_status api_shipped_file(const char *name, char *out, size_t out_size, base_error *err) {
  char program[1024];
  if (os_program_dir(program, sizeof program, NULL) == BASE_OK) {
    if (base_format(out, out_size, "%s/packs/%s", program, name) && os_exists(out)) return BASE_OK;
    if (base_format(out, out_size, "%s/../share/minnow/packs/%s", program, name) && os_exists(out))
      return BASE_OK;
  }
  if (base_format(out, out_size, MN_DATA_DIR "/packs/%s", name) && os_exists(out)) return BASE_OK;
  return base_fail(err, BASE_ENOTFOUND, name,
                   "this is neither in the folder packs beside the program nor in " MN_DATA_DIR
                   "/packs; "
                   "name the folder to use");
}
