/* Brains as a whole: any text gives a sane answer, the same one from every kernel table; what is wrong in a file is
 * named. With an argument it writes a tiny brain there, as the fuzz corpus has one:
 * build/tests/test_brain tests/corpus/brain/tiny */
#include "counting.h"
#include "failing.h"
#include "head/internal.h"
#include "tiny_brain.h"

/* ---- whole brains ---- */

typedef struct opened {
  void *block;
  gguf_file *file;
  head_brain *brain;
  head_scratch *scratch;
} opened;

static base_status open_brain(opened *o, const base_buf *bytes, base_error *err) {
  *o = (opened){.block = tiny_aligned(bytes)};
  base_status st = gguf_open_bytes(&o->file, o->block, bytes->len, "tiny", NULL, err);
  if (!st) st = head_brain_open(&o->brain, o->file, NULL, NULL, err);
  if (!st) o->scratch = head_scratch_new(&head_brain_trunk(o->brain)->shape, 48, NULL);
  return st;
}

static void close_brain(opened *o) {
  head_scratch_free(o->scratch);
  head_brain_close(o->brain);
  gguf_close(o->file);
  free(o->block);
}

static bool is_probability(float p) { return p >= 0.0f && p <= 1.0f; }

/* What must hold of any answer of any brain. */
static bool sane(const head_brain *b, const head_result *r, base_slice text) {
  const head_weights *w = head_brain_weights(b);
  bool good = r->label < w->n_labels && r->runner_up < w->n_labels && r->n_spans <= HEAD_MAX_SPANS;
  good = good && is_probability(r->probability) && is_probability(r->confidence) && r->log_path <= 0.0f;
  for (size_t i = 0; i < r->n_spans && good; i++) {
    const head_span *s = &r->spans[i];
    good = s->start < s->end && s->end <= text.len && s->slot < w->n_slots && is_probability(s->probability);
    good = good && (i == 0 || s->start >= r->spans[i - 1].end) && w->allowed[r->label * w->n_slots + s->slot];
  }
  return good;
}

static void run_all_tables(const opened *o, const char *what, base_slice text, bool truncated) {
  head_result first, r;
  memset(&first, 0, sizeof first);
  memset(&r, 0, sizeof r);
  head_brain_run(o->brain, cpu_named("scalar"), text, o->scratch, &first);
  TAP_OK(sane(o->brain, &first, text), "%s: a sane answer, confidence %g", what, (double)first.confidence);
  TAP_OK(first.truncated == truncated, "%s: %s", what, truncated ? "cut" : "whole");
  for (size_t i = 0; cpu_available(i) != NULL; i++) {
    head_brain_run(o->brain, cpu_available(i), text, o->scratch, &r);
    bool same = r.label == first.label && r.n_spans == first.n_spans && r.truncated == first.truncated;
    same = same && memcmp(&r.confidence, &first.confidence, sizeof r.confidence) == 0;
    same = same && memcmp(r.features, first.features, sizeof r.features) == 0;
    same = same && memcmp(r.spans, first.spans, r.n_spans * sizeof r.spans[0]) == 0;
    TAP_OK(same, "%s: %s gives other bits", what, cpu_available(i)->name);
  }
}

/* Texts that nobody types: `unit` again and again. */
static void long_text(const opened *o, const char *what, const char *unit, size_t unit_len, size_t len,
                      bool truncated) {
  char *text = malloc(len);
  for (size_t i = 0; i < len; i++) text[i] = unit[i % unit_len];
  run_all_tables(o, what, (base_slice){text, len}, truncated);
  free(text);
}

static void test_texts(bool bag) {
  static const char request[] = "Wake me at 7:30, and play \"Caf\xc3\xa9 del Mar\"!";
  enum { LONG = 65536 };
  opened o;
  base_error err = {0};
  base_buf bytes = tiny_brain(&TINY_SHAPE, 5, 3, bag, 90);
  TAP_OK(open_brain(&o, &bytes, &err) == BASE_OK, "%s: %s", err.where, err.text);
  run_all_tables(&o, "nothing", (base_slice){NULL, 0}, false);
  run_all_tables(&o, "a request", BASE_LITERAL("wake me at seven"), false);
  run_all_tables(&o, "another", BASE_LITERAL(request), false);
  long_text(&o, "64 KB of one letter", "a", 1, LONG, true);
  long_text(&o, "64 KB of short words", "a ", 2, LONG, true);
  long_text(&o, "64 KB of blanks", " ", 1, LONG, false);
  long_text(&o, "64 KB of zeros", "\0", 1, LONG, true);
  long_text(&o, "64 KB of bad UTF-8", "\xff\xc3\xe2\x82 \xf0\x9f", 7, LONG, true);
  long_text(&o, "64 KB of control bytes", "\x01\x1b[2J\r\n\t\x7f", 9, LONG, true);
  long_text(&o, "64 KB of requests", request, sizeof request - 1, LONG, true);
  TAP_OK(head_brain_label(o.brain, 4).len == 6 && head_brain_label(o.brain, 5).len == 0, "names of labels");
  TAP_OK(head_brain_slot(o.brain, 2).len == 5 && head_brain_slot(o.brain, 3).len == 0, "names of slots");
  TAP_OK((head_brain_weights(o.brain)->bag.buckets != 0) == bag, "a bag or none");
  base_rng rng;
  base_rng_seed(&rng, 35);
  for (int i = 0; i < 300; i++) { /* random bytes, exactly as long as their block */
    size_t len = base_rng_below(&rng, 120);
    char *text = malloc(len ? len : 1);
    for (size_t k = 0; k < len; k++) text[k] = (char)base_rng_below(&rng, 256);
    head_result r;
    head_brain_run(o.brain, cpu_best(), (base_slice){text, len}, o.scratch, &r);
    TAP_OK(sane(o.brain, &r, (base_slice){text, len}), "random bytes %d", i);
    free(text);
  }
  size_t before = counted_allocations;
  for (int i = 0; i < 20; i++) {
    head_result r;
    head_brain_run(o.brain, cpu_best(), BASE_LITERAL(request), o.scratch, &r);
  }
  size_t after = counted_allocations;
  if (COUNTING) TAP_OK(before > 0 && after == before, "%zu allocations in a request", after - before);
  close_brain(&o);
  base_buf_free(&bytes);
}

/* One label, no slots: intents alone, the least there is. */
static void test_least_brain(void) {
  base_buf bytes = tiny_brain(&TINY_SHAPE, 1, 0, false, 93);
  opened o;
  base_error err = {0};
  head_result r;
  TAP_OK(open_brain(&o, &bytes, &err) == BASE_OK, "%s: %s", err.where, err.text);
  run_all_tables(&o, "the least brain", BASE_LITERAL("wake me at seven"), false);
  head_brain_run(o.brain, cpu_best(), BASE_LITERAL("wake me at seven"), o.scratch, &r);
  TAP_OK(r.label == 0 && r.runner_up == 0 && r.probability == 1.0f && r.n_spans == 0 && r.log_path == 0.0f,
         "certain");
  close_brain(&o);
  base_buf_free(&bytes);
}

static void test_shared_tokenizer(void) {
  base_buf bytes = tiny_brain(&TINY_SHAPE, 5, 3, false, 90);
  opened o;
  head_brain *shared = NULL;
  head_result a, b;
  base_error err = {0};
  tok_bpe *same = tiny_brain_tok(), *other = NULL;
  base_slice line = BASE_LITERAL("something else, else something");
  tok_bpe_train(&other, &line, 1, 280, NULL, NULL);
  TAP_OK(open_brain(&o, &bytes, &err) == BASE_OK, "%s", err.text);
  head_brain_run(o.brain, cpu_best(), BASE_LITERAL("wake me at seven"), o.scratch, &a);
  for (int i = 0; i < 2; i++) {
    const tok_bpe *given = i == 0 ? same : other;
    TAP_OK(head_brain_open(&shared, o.file, given, NULL, &err) == BASE_OK, "%s", err.text);
    TAP_OK((head_brain_tok(shared) == given) == (i == 0), "a tokenizer is shared when it is the same");
    head_brain_run(shared, cpu_best(), BASE_LITERAL("wake me at seven"), o.scratch, &b);
    TAP_OK(a.label == b.label && memcmp(&a.confidence, &b.confidence, sizeof a.confidence) == 0,
           "the same answer");
    head_brain_close(shared);
  }
  tok_bpe_close(same);
  tok_bpe_close(other);
  close_brain(&o);
  base_buf_free(&bytes);
}

static void test_allocation_failures(void) {
  base_buf bytes = tiny_brain(&TINY_SHAPE, 5, 3, true, 91);
  void *block = tiny_aligned(&bytes);
  gguf_file *f = NULL;
  TAP_OK(gguf_open_bytes(&f, block, bytes.len, "tiny", NULL, NULL) == BASE_OK, "opened");
  base_status st = BASE_ENOMEM;
  int n = 0;
  for (; n < 50 && st; n++) {
    failing fail;
    base_allocator a = failing_allocator(&fail, n);
    base_error err = {0};
    head_brain *b = NULL;
    st = head_brain_open(&b, f, NULL, &a, &err);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && err.text[0] && b == NULL), "failure %d: %s", n, err.text);
    head_brain_close(b);
    TAP_OK(fail.held == 0, "failure %d leaves %zu bytes", n, fail.held);
  }
  TAP_OK(st == BASE_OK && n > 2, "opened after %d", n);
  for (n = 0; n < 3; n++) {
    failing fail;
    base_allocator a = failing_allocator(&fail, n);
    head_scratch *s = head_scratch_new(&TINY_SHAPE, 48, &a);
    TAP_OK((s != NULL) == (n == 2), "a scratch is two blocks");
    head_scratch_free(s);
    TAP_OK(fail.held == 0, "%zu bytes left", fail.held);
  }
  gguf_close(f);
  free(block);
  base_buf_free(&bytes);
}

/* ---- files that are wrong ---- */

static void refuse(const base_buf *good, tiny_edit e, const char *needle) {
  base_buf bytes = tiny_edited(good, &e);
  opened o;
  base_error err = {0};
  base_status st = open_brain(&o, &bytes, &err);
  TAP_OK(st != BASE_OK && o.brain == NULL && strstr(err.text, needle),
         "%s changed (%d): '%s' not in '%s: %s'", e.name, (int)e.change, needle, err.where, err.text);
  close_brain(&o);
  base_buf_free(&bytes);
}

static void test_wrong_files(const base_buf *good) {
  static const char *const tensors[] = {"head.pool.query", "head.classify.weight", "head.classify.bias",
                                        "head.tag.weight", "head.tag.bias",        "head.tag.transition",
                                        "head.tag.start",  "head.label_tag",       "head.allowed"};
  static const char *const bag[] = {"head.bag.weight", "head.bag.scale", "head.bag.idf", "head.bag.bias"};
  static const char *const keys[] = {"minnow.head.labels", "minnow.head.slots", "minnow.calibration"};
  static const char risk[] = "minnow.risk", none[] = "minnow.head.none";
  static const char *const weights[] = {"minnow.tags", "minnow.head.evidence"};
  static const char *const tagger[] = {"head.tagger.weight", "head.tagger.scale", "head.tagger.value", "head.tagger.value_slot"};
  for (size_t i = 0; i < 4; i++) {
    if (i % 2 == 1) refuse(good, (tiny_edit){.name = tagger[i], .change = TINY_DROP}, tagger[i]);
    if (i != 2) refuse(good, (tiny_edit){.name = tagger[i], .change = TINY_WIDER}, tagger[i]);
    if (i == 0) refuse(good, (tiny_edit){.name = tagger[i], .change = TINY_LONGER}, tagger[1]);
    refuse(good, (tiny_edit){.name = tagger[i], .change = TINY_TYPE, .number = i == 1 ? GGUF_T_I8 : GGUF_T_F32}, tagger[i]);
  }
  refuse(good, (tiny_edit){.name = none, .change = TINY_STRING}, none);
  refuse(good, (tiny_edit){.name = none, .change = TINY_NUMBER, .number = 5}, "none of the 5 labels");
  for (size_t i = 0; i < 2; i++) {
    refuse(good, (tiny_edit){.name = weights[i], .change = TINY_STRING}, weights[i]);
    refuse(good, (tiny_edit){.name = weights[i], .change = TINY_NUMBER, .number = 1}, "1 numbers");
    refuse(good, (tiny_edit){.name = weights[i], .change = TINY_FILL, .bits = 0x7fc00000}, "number 0");
    refuse(good, (tiny_edit){.name = weights[i], .change = TINY_FILL, .bits = 0xbf800000}, "number 0");
  }
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0] + 4; i++) {
    const char *name = i < 4 ? bag[i] : tensors[i - 4];
    bool bytes = strcmp(name, "head.allowed") == 0 || i == 0;
    if (i > 0) refuse(good, (tiny_edit){.name = name, .change = TINY_DROP}, name);
    refuse(good, (tiny_edit){.name = name, .change = TINY_WIDER}, name);
    refuse(good, (tiny_edit){.name = name, .change = TINY_LONGER}, name);
    refuse(good, (tiny_edit){.name = name, .change = TINY_TYPE, .number = bytes ? GGUF_T_F32 : GGUF_T_I8},
           name);
  }
  for (size_t i = 0; i < 3; i++) {
    refuse(good, (tiny_edit){.name = keys[i], .change = TINY_DROP}, keys[i]);
    refuse(good, (tiny_edit){.name = keys[i], .change = TINY_STRING}, keys[i]);
  }
  refuse(good, (tiny_edit){.name = keys[0], .change = TINY_NUMBER, .number = 0}, "0 labels");
  refuse(good, (tiny_edit){.name = keys[0], .change = TINY_NUMBER, .number = 4}, "head.");
  refuse(good, (tiny_edit){.name = keys[1], .change = TINY_NUMBER, .number = 2}, "head.tag.weight");
  refuse(good, (tiny_edit){.name = keys[2], .change = TINY_NUMBER, .number = 41}, "41 numbers");
  refuse(good, (tiny_edit){.name = risk, .change = TINY_STRING}, risk);
  refuse(good, (tiny_edit){.name = risk, .change = TINY_NUMBER, .number = 3}, "3 numbers");
  refuse(good, (tiny_edit){.name = risk, .change = TINY_FILL, .bits = 0x3f000000}, "point 1");
  refuse(good, (tiny_edit){.name = risk, .change = TINY_FILL, .bits = 0x7fc00000}, "point 0");
  refuse(good, (tiny_edit){.name = keys[2], .change = TINY_FILL, .bits = 0x7fc00000}, "not finite");
  refuse(good, (tiny_edit){.name = keys[2], .change = TINY_FILL, .bits = 0xff800000}, "not finite");
  refuse(good, (tiny_edit){.name = keys[2], .change = TINY_FILL, .bits = 0}, "temperature");
  refuse(good, (tiny_edit){.name = "tokenizer.ggml.tokens", .change = TINY_DROP}, "tokenizer.ggml.tokens");
}

/* As files were before there were log odds among the features, and before there was a risk curve. */
static void test_older_files(const base_buf *good) {
  static const tiny_edit older[] = {{.name = "minnow.calibration", .change = TINY_NUMBER, .number = 42},
                                    {.name = "minnow.risk", .change = TINY_DROP}};
  for (size_t i = 0; i < 2; i++) {
    base_buf bytes = tiny_edited(good, &older[i]);
    opened o;
    base_error err = {0};
    TAP_OK(open_brain(&o, &bytes, &err) == BASE_OK, "without %s as it is: %s", older[i].name, err.text);
    if (o.brain != NULL) {
      const head_calibration *c = head_brain_calibration(o.brain);
      TAP_OK(c->weight[HEAD_FEATURES - 1] == 0.0f && (c->n_risks == 0) == (i == 1), "what is missing is nothing");
    }
    close_brain(&o);
    base_buf_free(&bytes);
  }
}

/* Weights of any bits: every answer still has the form of one. */
static void test_any_bits(const base_buf *good) {
  static const uint32_t bits[] = {0x7fc00000, 0xffc00000, 0x7f800000, 0xff800000, 0x7f7fffff,
                                  0xff7fffff, 0x00000001, 0x80808080, 0x7e967699, 0xf149f2ca};
  static const char *const names[] = {
      "head.pool.query", "head.classify.weight", "head.classify.bias", "head.tag.weight",
      "head.tag.bias",   "head.tag.transition",  "head.tag.start",     "head.label_tag",
      "head.allowed",    "head.bag.weight",      "head.bag.scale",     "head.bag.idf",
      "head.bag.bias",   "token_embd.scale",     "output_norm.weight", "blk.0.attn_qkv.scale",
      "head.tagger.weight", "head.tagger.scale", "head.tagger.value", "head.tagger.value_slot"};
  static const char text[] = "wake me at 7:30 and play the music at nine";
  for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
      base_buf bytes =
          tiny_edited(good, &(tiny_edit){.name = names[n], .change = TINY_FILL, .bits = bits[i]});
      opened o;
      head_result r;
      base_error err = {0};
      TAP_OK(open_brain(&o, &bytes, &err) == BASE_OK, "%s of %08x: %s", names[n], (unsigned)bits[i],
             err.text);
      for (size_t k = 0; o.brain != NULL && cpu_available(k) != NULL; k++) {
        head_brain_run(o.brain, cpu_available(k), BASE_LITERAL(text), o.scratch, &r);
        bool form =
            is_probability(r.probability) && is_probability(r.confidence) && r.n_spans <= HEAD_MAX_SPANS;
        for (size_t s = 0; s < r.n_spans; s++)
          form = form && r.spans[s].start < r.spans[s].end && r.spans[s].end < sizeof text &&
                 is_probability(r.spans[s].probability) && r.spans[s].slot < 3;
        TAP_OK(form && r.label < 5, "%s of %08x: p %g, confidence %g", names[n], (unsigned)bits[i],
               (double)r.probability, (double)r.confidence);
      }
      close_brain(&o);
      base_buf_free(&bytes);
    }
}

static int write_tiny(const char *path) {
  base_buf bytes = tiny_brain(&TINY_SHAPE, 3, 2, false, 1);
  FILE *f = fopen(path, "wb");
  bool fine = f != NULL && fwrite(bytes.ptr, 1, bytes.len, f) == bytes.len;
  if (f != NULL) fine = fclose(f) == 0 && fine;
  base_buf_free(&bytes);
  return fine ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc > 1) return write_tiny(argv[1]);
  test_texts(false);
  test_texts(true);
  test_least_brain();
  test_shared_tokenizer();
  test_allocation_failures();
  base_buf good = tiny_brain(&TINY_SHAPE, 5, 3, true, 92);
  test_wrong_files(&good);
  test_older_files(&good);
  test_any_bits(&good);
  base_buf_free(&good);
  return tap_done("test_brain");
}
