/* Packs small enough to be trained inside a test: the sources of tests/tiny, a trunk of a few thousand
 * weights. What they learn is little, so tests that need a certain decision set the thresholds themselves.
 * The build trains them once into tiny/ of its folder, TEST_BUILD; where that folder has none, a test trains its own. */
#ifndef TESTS_TINY_H
#define TESTS_TINY_H

#include "minnow.h"
#include "os/os.h"
#include "pack/pack.h"
#include "tok/tok.h"
#include "train/train.h"

#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tiny_names[] = {"gate", "clock", "messages", "money", "home"};
enum { TINY_PACKS = 5 };

typedef struct tiny {
  char dir[64]; /* holds NAME.gguf of every pack; empty when it failed */
} tiny;

/* Every line of every source file, for the vocabulary. */
static void tiny_lines(base_buf *all) {
  static const char *const files[] = {"sentences.txt", "values.txt", "negatives.txt"};
  for (size_t p = 0; p < TINY_PACKS; p++)
    for (size_t f = 0; f < 3; f++) {
      char path[128];
      base_buf text = {0};
      (void)base_format(path, sizeof path, "tests/tiny/%s/%s", tiny_names[p], files[f]);
      if (os_exists(path) && os_read_file(path, 1 << 20, &text, NULL) == BASE_OK)
        base_buf_add(all, text.ptr, text.len);
      base_buf_free(&text);
    }
}

static bool tiny_trunk(const char *path) {
  model_shape shape = {.vocab = 600,
                       .d = 64,
                       .layers = 2,
                       .heads = 2,
                       .kv_heads = 1,
                       .head_dim = 32,
                       .ff = 96,
                       .max_tokens = 64,
                       .cases = TOK_CASE_COUNT,
                       .rope_base = 10000.0f,
                       .eps = 1e-6f};
  base_buf all = {0};
  base_slice *lines = calloc(4096, sizeof *lines), rest, line;
  size_t n = 0;
  tok_bpe *tok = NULL;
  train_net *net = NULL;
  base_error err = {0};
  gguf_writer *w = gguf_writer_new(NULL);
  tiny_lines(&all);
  rest = (base_slice){all.ptr, all.len};
  while (n < 4096 && base_slice_split(&rest, '\n', &line))
    lines[n++] = line;
  base_status st = tok_bpe_train(&tok, lines, n, shape.vocab, NULL, &err);
  if (!st) shape.vocab = (uint32_t)tok_bpe_vocab(tok);
  if (!st) st = train_net_new(&net, &shape, 5, NULL, &err);
  if (!st) st = train_net_put(net, tok, w, &err);
  if (!st) st = gguf_writer_save(w, path, &err);
  TAP_OK(st == BASE_OK, "tiny trunk: %s: %s", err.where, err.text);
  gguf_writer_free(w);
  train_net_free(net);
  tok_bpe_close(tok);
  free(lines);
  base_buf_free(&all);
  return st == BASE_OK;
}

/* One pack, measured on the rows it was trained on: there are too few to hold any out. */
static base_status tiny_pack(const tiny *t, const char *name, base_error *err) {
  char source[128], trunk[128], out[128];
  pack_manifest *m = NULL;
  data_set rows, again;
  uint8_t *allowed = NULL;
  gguf_file *f = NULL;
  tok_bpe *tok = NULL;
  train_net *net = NULL;
  train_options o;
  train_report report;
  gguf_writer *w = gguf_writer_new(NULL);
  (void)base_format(source, sizeof source, "tests/tiny/%s", name);
  (void)base_format(trunk, sizeof trunk, "%s/trunk.gguf", t->dir);
  (void)base_format(out, sizeof out, "%s/%s.gguf", t->dir, name);
  data_init(&rows, NULL);
  data_init(&again, NULL);
  base_status st = pack_source_read(source, &m, &again, NULL, err);
  pack_manifest_close(m);
  m = NULL;
  if (!st) st = pack_source_read(source, &m, &rows, NULL, err);
  if (!st) st = pack_allowed_slots(m, &rows, &allowed, NULL, err);
  if (!st) st = gguf_open(&f, trunk, NULL, err);
  if (!st) st = tok_bpe_open(&tok, f, NULL, err);
  if (!st) st = train_net_load(&net, f, NULL, err);
  train_options_init(&o);
  o.seed = 7;
  bool gate = m != NULL && m->is_gate;
  o.epochs = gate ? 60 : 40; /* a gate also learns where one request ends */
  o.patience = 0;
  o.batch_rows = 16;
  o.join_rate = gate ? 0.5f : 0.0f;
  if (!st) {
    train_spec spec = {
        .allowed = allowed, .none_label = (int)rows.labels.n - 1, .part_slot = gate ? 0 : -1};
    st = train_fit(net, tok, &rows, &again, &spec, &o, w, &report, err);
  }
  if (!st) pack_put(m, 1, w);
  if (!st) st = gguf_writer_save(w, out, err);
  gguf_writer_free(w);
  train_net_free(net);
  tok_bpe_close(tok);
  gguf_close(f);
  base_free(base_allocator_libc(), allowed, rows.labels.n * (rows.slots.n > 0 ? rows.slots.n : 1));
  pack_manifest_close(m);
  data_free(&again);
  data_free(&rows);
  return st;
}

/* Packs into an empty folder that is there. */
static bool tiny_fill(tiny *t) {
  char trunk[128];
  bool fine = base_format(trunk, sizeof trunk, "%s/trunk.gguf", t->dir) && tiny_trunk(trunk);
  for (size_t i = 0; i < TINY_PACKS && fine; i++) {
    base_error err = {0};
    fine = tiny_pack(t, tiny_names[i], &err) == BASE_OK;
    TAP_OK(fine, "train %s: %s: %s", tiny_names[i], err.where, err.text);
  }
  return fine;
}

/* The packs that the build trained, into an empty folder that is there; false when it did not. */
static bool tiny_copy(const tiny *t) {
  bool fine = os_exists(TEST_BUILD "/tiny/trained");
  for (size_t i = 0; i < TINY_PACKS && fine; i++) {
    char from[256], to[128];
    base_buf bytes = {0};
    fine = base_format(from, sizeof from, TEST_BUILD "/tiny/%s.gguf", tiny_names[i]) &&
           base_format(to, sizeof to, "%s/%s.gguf", t->dir, tiny_names[i]) &&
           os_read_file(from, 1 << 24, &bytes, NULL) == BASE_OK &&
           os_write_file(to, bytes.ptr, bytes.len, NULL) == BASE_OK;
    base_buf_free(&bytes);
  }
  return fine;
}

/* A fresh folder of packs; dir is empty when it failed. */
static void tiny_make(tiny *t) {
  (void)base_format(t->dir, sizeof t->dir, "/tmp/minnow-tiny-XXXXXX");
  if (mkdtemp(t->dir) == NULL || (!tiny_copy(t) && !tiny_fill(t))) t->dir[0] = '\0';
}

static base_status tiny_remove_one(void *ctx, const char *name, base_error *err) {
  char path[512];
  (void)base_format(path, sizeof path, "%s/%s", (const char *)ctx, name);
  return os_remove(path, err);
}

static void tiny_remove(tiny *t) {
  if (t->dir[0] == '\0') return;
  (void)os_list_dir(t->dir, tiny_remove_one, t->dir, NULL);
  (void)remove(t->dir);
}

#endif
