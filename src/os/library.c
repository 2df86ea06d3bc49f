/* os/library: shared libraries that are needed only sometimes, loaded when they are. */
#include <dlfcn.h>
#include <string.h>

#include "os/os.h"

base_status os_library_open(os_library **out, const char *name, base_error *err) {
  void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == NULL)
    return base_fail(err, BASE_ENOTFOUND, name, "this library is not installed; install it with the system's packages");
  *out = handle;
  return BASE_OK;
}

base_status os_library_symbol(os_library *l, const char *symbol, void *to, base_error *err) {
  void *found = dlsym(l, symbol);
  if (found == NULL) return base_fail(err, BASE_ENOTFOUND, symbol, "the library has no such function");
  memcpy(to, &found, sizeof found); /* POSIX: a function's address fits */
  return BASE_OK;
}
