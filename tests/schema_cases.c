/* Helper of tools/schema_suite.sh: runs files of the JSON Schema test suite.
 *   schema_cases DRAFT REMOTES FILE...
 * DRAFT is 7 or 2020-12, REMOTES the folder that http://localhost:1234/ stands for. Prints for each file
 * "FILE passed failed", and for each failure "fail FILE: group: test". */
#include "constrain/constrain.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct remotes {
  const char *folder;
  base_buf file[256];
  size_t n;
} remotes;

static base_status find_remote(void *ctx, base_slice uri, base_slice *text) {
  static const char base[] = "http://localhost:1234/";
  remotes *r = ctx;
  char path[1024];
  if (!base_slice_starts(uri, base_slice_of(base)) || r->n == 256) return BASE_ENOTFOUND;
  base_slice rest = base_slice_sub(uri, sizeof base - 1, uri.len);
  if (!base_format(path, sizeof path, "%s/%.*s", r->folder, (int)rest.len, rest.ptr)) return BASE_ENOTFOUND;
  if (!os_exists(path) || os_is_dir(path)) return BASE_ENOTFOUND;
  base_buf *b = &r->file[r->n];
  if (os_read_file(path, 1 << 20, b, NULL)) return BASE_ENOTFOUND;
  r->n++;
  *text = (base_slice){b->ptr, b->len};
  return BASE_OK;
}

typedef struct suite {
  const char *file, *label;
  constrain_options options;
  size_t passed, failed;
} suite;

static base_slice member_text(const jdoc *d, uint32_t object, const char *key) {
  uint32_t v = jdoc_find(d, object, base_slice_of(key));
  return v != JDOC_NONE && jdoc_kind_at(d, v) == JDOC_STRING ? jdoc_text(d, v) : (base_slice){0};
}

static void run_test(suite *s, const constrain_schema *schema, const jdoc *d, uint32_t group, uint32_t test, const base_error *refused) {
  uint32_t data = jdoc_find(d, test, BASE_LITERAL("data")), valid = jdoc_find(d, test, BASE_LITERAL("valid"));
  base_slice about = member_text(d, group, "description"), what = member_text(d, test, "description");
  base_error err = *refused;
  base_status st = BASE_EFORMAT;
  jdoc instance;
  if (schema != NULL && !(st = jdoc_open(&instance, jdoc_raw(d, data), NULL, "data", NULL, &err))) {
    st = constrain_validate(schema, &instance, NULL, NULL, &err);
    jdoc_close(&instance);
  }
  bool wanted = jdoc_kind_at(d, valid) == JDOC_TRUE, right = schema != NULL && st == (wanted ? BASE_OK : BASE_EMISMATCH);
  s->passed += right;
  s->failed += !right;
  if (!right)
    printf("fail %s: %.*s: %.*s (%s%s%s)\n", s->label, (int)about.len, about.ptr, (int)what.len, what.ptr, err.text,
           err.text[0] ? "; " : "", wanted ? "should be valid" : "should not be valid");
}

static void run_group(suite *s, const jdoc *d, uint32_t group) {
  uint32_t schema = jdoc_find(d, group, BASE_LITERAL("schema")), tests = jdoc_find(d, group, BASE_LITERAL("tests"));
  base_error err = {0};
  constrain_schema *compiled = NULL;
  (void)constrain_schema_compile(&compiled, jdoc_raw(d, schema), &s->options, "schema", NULL, &err);
  uint32_t t = tests + 1;
  for (uint32_t n = jdoc_count(d, tests); n > 0; n--, t = jdoc_next(d, t)) run_test(s, compiled, d, group, t, &err);
  constrain_schema_close(compiled);
}

int main(int argc, char **argv) {
  static remotes r;
  size_t failed = 0;
  if (argc < 4) return 2;
  r.folder = argv[2];
  for (int i = 3; i < argc; i++) {
    base_buf text = {0};
    base_error err = {0};
    jdoc d;
    suite s = {.file = argv[i], .label = strrchr(argv[i], '/') != NULL ? strrchr(argv[i], '/') + 1 : argv[i]};
    const char *optional = strstr(argv[i], "optional/");
    if (optional != NULL) s.label = optional;
    s.options = (constrain_options){.draft = strcmp(argv[1], "7") == 0 ? CONSTRAIN_DRAFT7 : CONSTRAIN_DRAFT2020,
                                    .ignore_formats = strstr(argv[i], "optional/format/") == NULL,
                                    .assert_content = strstr(argv[i], "optional/content") != NULL,
                                    .find = find_remote,
                                    .find_ctx = &r};
    if (os_read_file(argv[i], 1 << 24, &text, &err) || jdoc_open(&d, (base_slice){text.ptr, text.len}, NULL, argv[i], NULL, &err)) {
      fprintf(stderr, "schema_cases: %s: %s\n", err.where, err.text);
      return 2;
    }
    uint32_t g = 1;
    for (uint32_t n = jdoc_count(&d, 0); n > 0; n--, g = jdoc_next(&d, g)) run_group(&s, &d, g);
    printf("%s %zu %zu\n", s.label, s.passed, s.failed);
    failed += s.failed;
    jdoc_close(&d);
    base_buf_free(&text);
  }
  for (size_t i = 0; i < r.n; i++) base_buf_free(&r.file[i]);
  return failed > 0;
}
