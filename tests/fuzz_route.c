/* Fuzz target: a router's file with bytes changed. The input is a list of changes, four bytes each: where from (even: the
 * beginning, odd: the end, where the trees lie), how far (16 bits), and the new byte. What opens gives probabilities. The
 * input as it stands is a probe's file too. */
#include <unistd.h>

#include "os/os.h"
#include "route/internal.h"
#include "tiny_brain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

/* A stump on the prompt's length, and a tree of five nodes; words of which a few weigh something. */
static void make_parts(route_parts *p) {
  static int32_t feature[10] = {0, -1, -1, -1, -1, 40, 3, -1, -1, -1};
  static uint32_t left[10] = {1, 0, 0, 0, 0, 1, 3, 0, 0, 0};
  static float threshold[10] = {20, 0, 0, 0, 0, 0.1f, 5}, value[10] = {0, -0.5f, 0.5f, 0, 0, 0, 0, 0.1f, -0.1f, 0.2f};
  static float idf[ROUTE_BUCKETS], weight[ROUTE_BUCKETS];
  static float mean[ROUTE_MAX_DENSE], inv_std[ROUTE_MAX_DENSE], slope[ROUTE_MAX_DENSE];
  for (size_t i = 0; i < ROUTE_MAX_DENSE; i++) {
    mean[i] = inv_std[i] = 1.0f;
    slope[i] = (float)(i % 5) - 2.0f;
  }
  for (size_t i = 0; i < ROUTE_BUCKETS; i++) {
    idf[i] = 1.0f;
    weight[i] = (float)(i % 7) - 3.0f;
  }
  p->words = (route_words){idf, weight, 0.1f};
  p->line = (route_line){mean, inv_std, slope, 0.2f};
  p->dense = ROUTE_SURFACE + ROUTE_MEANS * TINY_SHAPE.d;
  p->forest = (route_forest){.trees = 2, .nodes = 5, .feature = feature, .threshold = threshold, .left = left, .value = value};
  p->slope = 1.0f;
  p->threshold = 0.5f;
}

/* Made once and kept. */
static const base_buf *the_file(void) {
  static base_buf file;
  if (file.len > 0) return &file;
  char path[64];
  route_parts p = {0};
  gguf_file *f = NULL;
  base_buf trunk = tiny_brain(&TINY_SHAPE, 0, 0, false, 1);
  void *block = tiny_aligned(&trunk);
  base_format(path, sizeof path, "/tmp/minnow-fuzz-route-%ld", (long)getpid());
  make_parts(&p);
  require(!gguf_open_bytes(&f, block, trunk.len, "trunk", NULL, NULL) && !route_parts_save(&p, f, path, NULL, NULL) &&
          !os_read_file(path, 1 << 24, &file, NULL) && !os_remove(path, NULL));
  gguf_close(f);
  free(block);
  base_buf_free(&trunk);
  return &file;
}

static bool run(void *block, size_t len) {
  static const char *const texts[] = {"", "How many?\nA. 1\nB. 2\n", "words \xff of a longer prompt, 1234567890"};
  gguf_file *f = NULL;
  route_router *r = NULL;
  base_error err = {0};
  if (gguf_open_bytes(&f, block, len, "fuzz", NULL, &err)) return false;
  base_status st = route_router_open(&r, f, NULL, &err);
  require((st == BASE_OK) == (r != NULL) && (st == BASE_OK || err.text[0] != '\0'));
  for (size_t i = 0; r != NULL && i < sizeof texts / sizeof *texts; i++) {
    float p = route_router_score(r, cpu_best(), base_slice_of(texts[i]));
    require(!(p < 0.0f) && !(p > 1.0f));
  }
  route_router_close(r);
  gguf_close(f);
  return st == BASE_OK;
}

static void run_probe(const uint8_t *data, size_t size) {
  static const float features[ROUTE_MAX_FEATURES];
  const base_buf bytes = {.ptr = (char *)(uintptr_t)data, .len = size};
  void *block = tiny_aligned(&bytes);
  gguf_file *f = NULL;
  route_probe p;
  if (!gguf_open_bytes(&f, block, size, "fuzz", NULL, NULL) && !route_probe_read(&p, f, NULL)) {
    float x = route_probe_score(&p, features);
    require(x >= 0.0f && x <= 1.0f);
  }
  gguf_close(f);
  free(block);
}

static size_t place(const base_buf *file, const uint8_t *change) {
  size_t far = (size_t)change[1] | (size_t)change[2] << 8;
  return change[0] % 2 ? file->len - 1 - far : far;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  (void)tap_done;
  (void)tiny_edited;
  static char *block; /* changed and put back: a copy for each input would take most of the time */
  const base_buf *file = the_file();
  if (block == NULL) block = tiny_aligned(file);
  for (size_t i = 0; i + 4 <= size; i += 4)
    if (place(file, data + i) < file->len) block[place(file, data + i)] = (char)data[i + 3];
  bool opens = run(block, file->len);
  require(opens || size >= 4);
  for (size_t i = 0; i + 4 <= size; i += 4)
    if (place(file, data + i) < file->len) block[place(file, data + i)] = file->ptr[place(file, data + i)];
  run_probe(data, size);
  return 0;
}
