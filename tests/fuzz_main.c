/* Replays a fuzz target without libFuzzer: every file of a corpus folder, then seeded mutations of them. Each
 * input lies in a block of exactly its size, so that a sanitizer sees the first byte read too many. */
#include "os/os.h"

#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { MUTATIONS = 3000, MAX_INPUT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct corpus {
  const char *folder;
  base_buf *input;
  size_t count, cap;
} corpus;

static base_status load(void *ctx, const char *name, base_error *err) {
  corpus *c = ctx;
  char path[1024];
  if (!base_format(path, sizeof path, "%s/%s", c->folder, name))
    return base_fail(err, BASE_ELIMIT, name, "long name");
  if (c->count == c->cap) {
    c->cap = c->cap > 0 ? 2 * c->cap : 64;
    c->input = realloc(c->input, c->cap * sizeof *c->input);
    if (c->input == NULL) abort();
  }
  c->input[c->count] = (base_buf){0};
  return os_read_file(path, MAX_INPUT, &c->input[c->count++], err);
}

static void feed(const char *bytes, size_t len) {
  uint8_t *exact = malloc(len > 0 ? len : 1);
  if (exact == NULL) abort();
  if (len > 0) memcpy(exact, bytes, len);
  (void)LLVMFuzzerTestOneInput(exact, len);
  free(exact);
}

static size_t below(base_rng *rng, size_t bound) {
  return bound > 0 ? base_rng_below(rng, (uint32_t)bound) : 0;
}

/* One small change: a bit, a byte, an interesting number, a cut, a doubled or a foreign piece. */
static void mutate(base_buf *b, const corpus *c, base_rng *rng) {
  static const uint64_t numbers[] = {0,
                                     1,
                                     31,
                                     32,
                                     63,
                                     64,
                                     127,
                                     255,
                                     256,
                                     65535,
                                     65536,
                                     0x7FFFFFFF,
                                     0x80000000,
                                     0xFFFFFFFF,
                                     0x100000000,
                                     0x7FFFFFFFFFFFFFFF,
                                     0xFFFFFFFFFFFFFFFF};
  size_t at = below(rng, b->len), n = below(rng, b->len - at + 1);
  const base_buf *other = &c->input[below(rng, c->count)];
  switch (base_rng_below(rng, 6)) {
    case 0:
      if (b->len > 0) b->ptr[at] = (char)(b->ptr[at] ^ (1 << base_rng_below(rng, 8)));
      break;
    case 1:
      if (b->len > 0) b->ptr[at] = (char)base_rng_below(rng, 256);
      break;
    case 2: {
      uint64_t v = numbers[base_rng_below(rng, sizeof numbers / sizeof numbers[0])];
      size_t width = (size_t)1 << base_rng_below(rng, 4);
      if (b->len - at >= width) memcpy(b->ptr + at, &v, width);
      break;
    }
    case 3: b->len = at; break;
    case 4:
      if (n > 0) memmove(b->ptr + at, b->ptr + at + n, b->len - at - n);
      b->len -= n;
      break;
    default: {
      size_t from = below(rng, other->len), len = below(rng, other->len - from + 1);
      if (b->len + len < MAX_INPUT && len > 0) base_buf_add(b, other->ptr + from, len);
      break;
    }
  }
}

int main(int argc, char **argv) {
  base_error err = {0};
  base_rng rng;
  base_rng_seed(&rng, 1);
  const char *folder = argc > 1 ? argv[1] : "tests/corpus";
  corpus c = {.folder = folder};
  if (os_is_dir(folder))
    TAP_OK(os_list_dir(folder, load, &c, &err) == BASE_OK, "%s: %s", err.where, err.text);
  for (size_t i = 0; i < c.count; i++) {
    feed(c.input[i].ptr, c.input[i].len);
    TAP_OK(true, "survived");
  }
  if (c.count == 0) TAP_SKIP("%s holds no inputs", folder);
  feed("", 0);
  base_buf b = {0};
  for (int i = 0; i < MUTATIONS && c.count > 0; i++) {
    const base_buf *from = &c.input[below(&rng, c.count)];
    base_buf_clear(&b);
    base_buf_add(&b, from->ptr, from->len);
    for (uint32_t k = base_rng_below(&rng, 6) + 1; k > 0; k--) mutate(&b, &c, &rng);
    feed(b.ptr, b.len);
  }
  TAP_OK(true, "survived the mutations");
  base_buf_free(&b);
  for (size_t i = 0; i < c.count; i++) base_buf_free(&c.input[i]);
  free(c.input);
  char name[64];
  const char *slash = strrchr(folder, '/');
  (void)base_format(name, sizeof name, "replay_%s", slash != NULL ? slash + 1 : folder);
  return tap_done(name);
}
