/* Helper for measuring: rows {"name","schema","tests":[{"valid","data"}]} of a JSONL file, each schema compiled and each
 * test judged. maskbench_cases FILE: prints refused schemas and verdicts that differ from "valid", then counts and times. */
#include "constrain/constrain.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct tally {
  size_t rows, refused, tests, wrongly_valid, wrongly_invalid, stopped;
  uint64_t compile_ns, check_ns, worst_ns, bytes;
} tally;

static base_slice name_of(const jdoc *d) {
  uint32_t v = jdoc_find(d, 0, BASE_LITERAL("name"));
  return v != JDOC_NONE ? jdoc_text(d, v) : (base_slice){0};
}

static void judge(tally *t, const jdoc *row, const constrain_schema *s, uint32_t test, size_t index) {
  base_slice name = name_of(row);
  jdoc d;
  base_error err = {0};
  bool wanted = jdoc_kind_at(row, jdoc_find(row, test, BASE_LITERAL("valid"))) == JDOC_TRUE;
  base_slice data = jdoc_raw(row, jdoc_find(row, test, BASE_LITERAL("data")));
  uint64_t start = os_monotonic_ns();
  base_status st = jdoc_open(&d, data, NULL, "data", NULL, &err);
  if (!st) {
    st = constrain_validate(s, &d, NULL, NULL, &err);
    jdoc_close(&d);
  }
  uint64_t ns = os_monotonic_ns() - start;
  t->check_ns += ns;
  t->bytes += data.len;
  t->tests++;
  if (ns > t->worst_ns) t->worst_ns = ns;
  t->wrongly_valid += st == BASE_OK && !wanted;
  t->wrongly_invalid += st == BASE_EMISMATCH && wanted;
  t->stopped += st != BASE_OK && st != BASE_EMISMATCH;
  if (st != (wanted ? BASE_OK : BASE_EMISMATCH))
    printf("differs %.*s %zu %s %s: %s\n", (int)name.len, name.ptr, index, wanted ? "should fit" : "should not fit", err.where, err.text);
}

static void run_row(tally *t, base_slice line) {
  jdoc row;
  base_error err = {0};
  constrain_schema *s = NULL;
  if (jdoc_open(&row, line, NULL, "row", NULL, &err)) {
    printf("unread %s\n", err.text);
    return;
  }
  base_slice name = name_of(&row);
  uint64_t start = os_monotonic_ns();
  base_status st = constrain_schema_compile(&s, jdoc_raw(&row, jdoc_find(&row, 0, BASE_LITERAL("schema"))), NULL, "schema", NULL, &err);
  uint64_t ns = os_monotonic_ns() - start;
  t->rows++;
  t->compile_ns += ns;
  if (ns > t->worst_ns) t->worst_ns = ns;
  t->refused += st != BASE_OK;
  if (st) printf("refused %.*s %s\n", (int)name.len, name.ptr, err.text);
  uint32_t tests = jdoc_find(&row, 0, BASE_LITERAL("tests")), v = tests + 1;
  for (uint32_t i = 0, n = st ? 0 : jdoc_count(&row, tests); i < n; i++, v = jdoc_next(&row, v)) judge(t, &row, s, v, i);
  constrain_schema_close(s);
  jdoc_close(&row);
}

int main(int argc, char **argv) {
  tally t = {0};
  base_error err = {0};
  os_map map;
  if (argc != 2 || os_map_open(&map, argv[1], &err)) return 2;
  base_slice rest = {map.ptr, map.len}, line;
  while (base_slice_split(&rest, '\n', &line))
    if (line.len > 0) run_row(&t, line);
  printf("rows %zu refused %zu; tests %zu wrongly valid %zu wrongly invalid %zu stopped %zu\n", t.rows, t.refused, t.tests, t.wrongly_valid,
         t.wrongly_invalid, t.stopped);
  printf("compile %.1f us a schema, check %.2f us a test (%.1f MB/s), slowest %.1f ms, peak memory %.1f MB\n", (double)t.compile_ns / 1e3 / (double)t.rows,
         (double)t.check_ns / 1e3 / (double)t.tests, (double)t.bytes * 1e3 / (double)t.check_ns, (double)t.worst_ns / 1e6,
         (double)os_peak_memory_bytes() / 1e6);
  os_map_close(&map);
  return 0;
}
