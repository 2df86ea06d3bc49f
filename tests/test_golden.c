/* The golden sentences of every built pack, written apart from its training sentences: once with the app
 * open, once through the gate. Shares right per pack go to stdout; below the floor of tests/golden_floor.txt
 * ("NAME OPEN GATE", per cent) the test fails. test_golden -v also shows what went wrong. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/engine.h"
#include "tap.h"

typedef struct score {
  size_t rows, open_right, gate_right;
  size_t new_rows, new_open_right, new_gate_right; /* of rows that training has not seen word for word */
} score;

static bool verbose;

/* Does the outcome do what the row says? The row's pack is `name`. */
static bool is_right(const handoff_outcome *run, const char *name, json_t *row, bool open_app) {
  const char *action = json_string_value(json_object_get(row, "action"));
  const char *asked = json_string_value(json_object_get(row, "ask"));
  size_t ours = 0;
  for (size_t i = 0; i < run->n_actions; i++)
    ours += strcmp(pack_manifest_of(run->action[i].pack)->name, name) == 0;
  if (action == NULL) return ours == 0 && (!open_app || run->decision == HANDOFF_HANDOFF);
  if (run->n_actions != 1 || ours != 1) return false;
  const handoff_action *a = &run->action[0];
  const pack_manifest *m = pack_manifest_of(a->pack);
  if (strcmp(m->action[a->action].name, action) != 0) return false;
  int slot = a->missing >= 0 ? a->missing : a->unclear;
  if ((asked != NULL) != (slot >= 0) || (asked != NULL && strcmp(m->slot[slot].name, asked) != 0))
    return false;
  json_t *got = json_loads(a->arguments, 0, NULL);
  bool same = json_equal(got, json_object_get(row, "arguments")) == 1;
  json_decref(got);
  return same;
}

static bool ask(mn_engine *mn, const char *name, json_t *row, bool open_app) {
  mn_request r;
  mn_outcome *out = NULL;
  mn_error err = {0};
  mn_request_init(&r);
  r.text = json_string_value(json_object_get(row, "text"));
  r.now = json_string_value(json_object_get(row, "now"));
  r.pack = open_app ? name : NULL;
  int st = mn_do(mn, &r, &out, &err);
  bool right = st == MN_OK && is_right(&mn->done->out, name, row, open_app);
  if (!right && verbose) {
    char *wanted = json_dumps(row, JSON_COMPACT);
    printf("  %s %s: wanted %s\n    got %s\n", name, open_app ? "open" : "gate", wanted,
           out ? mn_outcome_json(out) : err.text);
    free(wanted);
  }
  mn_outcome_free(out);
  return right;
}

/* Lower-case letters, digits and single blanks: what differs only in case or punctuation is the same sentence. */
static uint64_t hash_words(const char *text, size_t len) {
  uint64_t h = BASE_HASH_START;
  bool gap = false, any = false;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
    bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
    if (!letter) {
      gap = gap || c == ' ';
      continue;
    }
    if (gap && any) h = base_hash(h, " ", 1);
    h = base_hash(h, &c, 1);
    gap = false;
    any = true;
  }
  return h;
}

/* Golden sentences are written apart from the training sentences, but short ones ("turn off wifi") meet. What
 * training has seen, under whatever label, shows memory rather than skill, so it is counted apart. */
static bool is_seen(const data_set *training, const char *text) {
  uint64_t h = hash_words(text, strlen(text));
  for (size_t i = 0; i < training->n_rows; i++)
    if (hash_words(training->rows[i].text.ptr, training->rows[i].text.len) == h) return true;
  return false;
}

static void count(score *s, bool open_right, bool gate_right, bool seen) {
  s->rows++;
  s->open_right += open_right;
  s->gate_right += gate_right;
  if (seen) return;
  s->new_rows++;
  s->new_open_right += open_right;
  s->new_gate_right += gate_right;
}

static void add(score *all, const score *s) {
  all->rows += s->rows;
  all->open_right += s->open_right;
  all->gate_right += s->gate_right;
  all->new_rows += s->new_rows;
  all->new_open_right += s->new_open_right;
  all->new_gate_right += s->new_gate_right;
}

static score run_pack(mn_engine *mn, const char *name) {
  char path[128];
  base_buf file = {0};
  score s = {0};
  (void)base_format(path, sizeof path, "packs/%s/golden.jsonl", name);
  TAP_OK(os_read_file(path, 1 << 20, &file, NULL) == BASE_OK, "%s is there", path);
  data_set training;
  pack_manifest *m = NULL;
  base_error err = {0};
  char folder[128];
  (void)base_format(folder, sizeof folder, "packs/%s", name);
  data_init(&training, NULL);
  TAP_OK(pack_source_read(folder, &m, &training, NULL, &err) == BASE_OK, "%s: %s", err.where, err.text);
  base_slice rest = {file.ptr, file.len}, line;
  while (base_slice_split(&rest, '\n', &line)) {
    if (base_slice_trim(line).len == 0) continue;
    json_t *row = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    TAP_OK(json_is_object(row), "%s: %.*s", path, (int)line.len, line.ptr);
    bool open_right = ask(mn, name, row, true), gate_right = ask(mn, name, row, false);
    count(&s, open_right, gate_right, is_seen(&training, json_string_value(json_object_get(row, "text"))));
    json_decref(row);
  }
  pack_manifest_close(m);
  data_free(&training);
  base_buf_free(&file);
  return s;
}

static double percent(size_t part, size_t all) { return all > 0 ? 100.0 * (double)part / (double)all : 0.0; }

/* The two floors of a pack; 0 when the file does not name it. */
static void read_floor(const char *name, double *open_floor, double *gate_floor) {
  base_buf file = {0};
  *open_floor = *gate_floor = 0.0;
  if (os_exists("tests/golden_floor.txt"))
    TAP_OK(os_read_file("tests/golden_floor.txt", 1 << 16, &file, NULL) == BASE_OK, "floors");
  base_slice rest = {file.ptr, file.len}, line, word[3] = {{0}};
  while (base_slice_split(&rest, '\n', &line)) {
    size_t n = 0;
    while (n < 3 && base_slice_split(&line, ' ', &word[n]))
      n++;
    if (n != 3 || !base_slice_equal(word[0], base_slice_of(name))) continue;
    TAP_OK(base_parse_double(word[1], open_floor) && base_parse_double(word[2], gate_floor),
           "the floor of %s", name);
  }
  base_buf_free(&file);
}

static void judge(const char *name, const score *s) {
  double open_floor, gate_floor, open_share = percent(s->open_right, s->rows),
                                 gate_share = percent(s->gate_right, s->rows);
  read_floor(name, &open_floor, &gate_floor);
  printf(
      "golden %-9s %3zu rows: app open %5.1f %%, gate %5.1f %%; %3zu not in training: %5.1f %%, %5.1f %%\n",
      name, s->rows, open_share, gate_share, s->new_rows, percent(s->new_open_right, s->new_rows),
      percent(s->new_gate_right, s->new_rows));
  TAP_OK(open_share >= open_floor, "%s: app open %.1f %%, floor %.1f %%", name, open_share, open_floor);
  TAP_OK(gate_share >= gate_floor, "%s: through the gate %.1f %%, floor %.1f %%", name, gate_share,
         gate_floor);
}

int main(int argc, char **argv) {
  mn_engine_options o;
  mn_engine *mn = NULL;
  mn_error err = {0};
  score all = {0};
  verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
  mn_engine_options_init(&o);
  o.packs_dir = getenv("MINNOW_PACKS") != NULL ? getenv("MINNOW_PACKS") : "packs";
  char gate[512];
  (void)base_format(gate, sizeof gate, "%s/gate.gguf", o.packs_dir);
  if (!os_exists(gate)) {
    TAP_SKIP("no built packs in %s", o.packs_dir);
    return tap_done("test_golden");
  }
  TAP_OK(mn_engine_open(&mn, &o, &err) == MN_OK, "%s: %s", err.where, err.text);
  for (size_t i = 0; mn != NULL && i < mn_engine_packs(mn); i++) {
    score s = run_pack(mn, mn_engine_pack_name(mn, i));
    judge(mn_engine_pack_name(mn, i), &s);
    add(&all, &s);
  }
  judge("all", &all);
  mn_engine_close(mn);
  return tap_done("test_golden");
}
