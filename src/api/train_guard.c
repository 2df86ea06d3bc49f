/* mn_train for packs/guard: the guard's model from its grammar, with the sentences of the packs beside it as
 * requests that are no attack. The learning itself is in guard/learn.c. */
#include <string.h>

#include "api/api.h"
#include "guard/guard.h"
#include "os/os.h"

enum {
  MAX_SOURCES = 6,
  MAX_ORDINARY = 128,
  MAX_PAGES = 16,
  MAX_TEXTS = MAX_SOURCES + MAX_ORDINARY + MAX_PAGES,
  MAX_PATH_BYTES = 512,
  MAX_FILE_BYTES = 4 << 20
};

static const char *const sources[MAX_SOURCES] = {"lists.txt", "forms.txt", "templates.txt", "attacks.txt",
                                                 "ordinary.txt", "documents.txt"};

typedef struct reading {
  const char *folder;
  guard_source_text source[MAX_SOURCES], ordinary[MAX_ORDINARY], page[MAX_PAGES];
  char path[MAX_TEXTS][MAX_PATH_BYTES];
  base_buf text[MAX_TEXTS];
  size_t n_source, n_ordinary, n_page;
} reading;

bool api_is_guard_folder(const char *folder) {
  char path[MAX_PATH_BYTES];
  return folder != NULL && base_format(path, sizeof path, "%s/%s", folder, "attacks.txt") && os_exists(path);
}

static base_status take_file(reading *r, guard_source_text *out, const char *path, base_error *err) {
  size_t at = r->n_source + r->n_ordinary + r->n_page;
  base_status st = os_read_file(path, MAX_FILE_BYTES, &r->text[at], err);
  if (st) return st;
  (void)base_format(r->path[at], sizeof r->path[at], "%s", path);
  *out = (guard_source_text){r->path[at], {r->text[at].ptr != NULL ? r->text[at].ptr : "", r->text[at].len}};
  return BASE_OK;
}

static base_status take_sources(reading *r, base_error *err) {
  for (size_t i = 0; i < MAX_SOURCES; i++) {
    char path[MAX_PATH_BYTES];
    if (!base_format(path, sizeof path, "%s/%s", r->folder, sources[i]))
      return base_fail(err, BASE_ELIMIT, "guard", "the path is too long");
    base_status st = take_file(r, &r->source[r->n_source], path, err);
    if (st) return st;
    r->n_source++;
  }
  return BASE_OK;
}

static base_status take_beside(void *ctx, const char *name, base_error *err) {
  static const char *const files[] = {"sentences.txt", "negatives.txt"};
  reading *r = ctx;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[MAX_PATH_BYTES];
    if (!base_format(path, sizeof path, "%s/../%s/%s", r->folder, name, files[i]) || !os_exists(path)) continue;
    if (r->n_ordinary == MAX_ORDINARY)
      return base_fail(err, BASE_ELIMIT, path, "there are too many packs beside");
    base_status st = take_file(r, &r->ordinary[r->n_ordinary], path, err);
    if (st) return st;
    r->n_ordinary++;
  }
  return BASE_OK;
}

/* Texts of packs/guard/pages, in the order of their names. The folder may be missing. */
static base_status take_page(void *ctx, const char *name, base_error *err) {
  reading *r = ctx;
  char path[MAX_PATH_BYTES];
  if (!base_format(path, sizeof path, "%s/pages/%s", r->folder, name))
    return base_fail(err, BASE_ELIMIT, "guard", "the path is too long");
  if (r->n_page == MAX_PAGES) return base_fail(err, BASE_ELIMIT, path, "there are more than %d pages", MAX_PAGES);
  base_status st = take_file(r, &r->page[r->n_page], path, err);
  if (!st) r->n_page++;
  return st;
}

static base_status learn(const reading *r, const mn_train_options *o, const char *out,
                         guard_learn_report *report, base_error *err) {
  guard_learn_options options;
  guard_learn_texts texts = {.grammar = r->source, .n_grammar = r->n_source, .ordinary = r->ordinary,
                             .n_ordinary = r->n_ordinary, .page = r->page, .n_pages = r->n_page};
  guard_learned *learned = NULL;
  gguf_writer *w = gguf_writer_new(NULL);
  guard_learn_options_init(&options);
  if (o->seed != 0) options.seed = o->seed;
  if (o->epochs != 0) options.passes = o->epochs;
  base_status st = w != NULL ? BASE_OK : base_fail(err, BASE_ENOMEM, "guard", "no memory for the file");
  if (!st)
    st = guard_learn(&learned, &texts, &options, w, report, err);
  if (!st) st = gguf_writer_save(w, out, err);
  gguf_writer_free(w);
  guard_learned_free(learned);
  return st;
}

base_status api_train_guard(const mn_train_options *o, const char *out, train_report *report, base_error *err) {
  guard_learn_report learnt = {0};
  char beside[MAX_PATH_BYTES];
  uint64_t started = os_monotonic_ns();
  reading *r = base_calloc(base_allocator_libc(), 1, sizeof *r);
  if (r == NULL) return base_fail(err, BASE_ENOMEM, "guard", "no memory for its sources");
  r->folder = o->pack_dir;
  base_status st = base_format(beside, sizeof beside, "%s/..", o->pack_dir)
                       ? BASE_OK
                       : base_fail(err, BASE_ELIMIT, "guard", "the path is too long");
  if (!st) st = take_sources(r, err);
  if (!st) st = os_list_dir(beside, take_beside, r, err);
  if (!st && base_format(beside, sizeof beside, "%s/pages", o->pack_dir) && os_exists(beside))
    st = os_list_dir(beside, take_page, r, err);
  if (!st) st = learn(r, o, out, &learnt, err);
  report->train_rows = learnt.drawn;
  report->seconds = (double)(os_monotonic_ns() - started) * 1e-9;
  report->epochs_run = o->epochs; /* its figures are no intents and slots: tools/measure_guard.py has them */
  for (size_t i = 0; i < MAX_TEXTS; i++) base_buf_free(&r->text[i]);
  base_free(base_allocator_libc(), r, sizeof *r);
  return st;
}
