#include "convert/convert.h"
base_status convert_export(const char *in, const char *out_dir, const char *target, const convert_hooks *hooks,
                           base_error *err) {
  (void)out_dir; (void)target; (void)hooks;
  return base_fail(err, BASE_EUNSUPPORTED, in, "not yet");
}
