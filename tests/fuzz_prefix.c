/* Fuzz target: a file with what was read of a prompt. The stand-in model takes any cache of the right length; what is
 * looked for are reads behind the end and an engine that is left with tokens it does not hold. Seeds:
 * tests/corpus/prefix, written by tools/prefix_corpus.py. */
#include "fake_lm.h"
#include "os/os.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool write_file(const char *path, const uint8_t *data, size_t size) {
  FILE *f = fopen(path, "wb");
  bool fine = f != NULL && fwrite(data, 1, size, f) == size;
  if (f != NULL) fine = fclose(f) == 0 && fine;
  return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint32_t prompt[6] = {1, 2, 3, 4, 5, 6};
  static tok_vocab *vocab;
  char path[64];
  fake_lm m;
  gen_engine *e = NULL;
  gen_job *j = NULL;
  size_t common = 0;
  gen_backend b = fake_backend(&m);
  gen_options o = {0};
  gen_request r = {.prompt = prompt, .n_prompt = 6, .max_tokens = 2};
  if (vocab == NULL) vocab = fake_vocab();
  (void)base_format(path, sizeof path, "/tmp/minnow-fuzz-prefix-%ld", (long)getpid());
  if (vocab == NULL || !write_file(path, data, size) || gen_engine_open(&e, &b, vocab, &o, NULL)) abort();
  base_status st = gen_prefix_load(e, path, prompt, 6, &common, NULL);
  if (common > 6 || (st && m.n[0] + m.n[1] + m.n[2] > 0)) abort();
  if (gen_job_new(&j, e, &r, NULL)) abort();
  while (gen_engine_step(e)) {}
  if (gen_job_stats(j).cached > 5) abort();
  gen_job_free(j);
  gen_engine_close(e);
  (void)os_remove(path, NULL);
  return 0;
}
