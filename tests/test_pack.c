/* Packs: manifests and source folders that are right and wrong in one place each, the shipped sources, drafts
 * of every slot type, built files whose parts disagree, every allocation of opening made to fail. */
#include "constrain/constrain.h"
#include "counting.h"
#include "failing.h"
#include "os/os.h"
#include "pack/internal.h"
#include "pack/open.h"
#include "tiny_pack.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *const shipped[] = {"clock",    "calendar", "messages", "contacts", "email",
                                      "music",    "weather",  "maps",     "lists",    "home",
                                      "settings", "money",    "gate"};
enum { SHIPPED = 13 };

/* ---- manifests ---- */

/* The tiny manifest with one piece replaced. */
static char *edited(const char *from, const char *to) {
  const char *at = strstr(tiny_pack_manifest, from);
  base_buf b = {0};
  TAP_OK(at != NULL, "%s is in the manifest", from);
  if (at == NULL) at = tiny_pack_manifest;
  base_buf_add(&b, tiny_pack_manifest, (size_t)(at - tiny_pack_manifest));
  base_buf_puts(&b, to);
  base_buf_puts(&b, at + strlen(from));
  return b.ptr;
}

static void test_manifest(void) {
  base_error err = {0};
  pack_manifest *m = NULL, *again = NULL;
  TAP_OK(pack_manifest_open(&m, BASE_LITERAL(tiny_pack_manifest), "t", NULL, &err) == BASE_OK, "%s: %s",
         err.where, err.text);
  if (m == NULL) return;
  TAP_OK(m->n_slots == 17 && m->n_actions == 4 && !m->is_gate, "counts");
  TAP_OK(strcmp(m->slot[0].name, "time") == 0 && m->slot[0].resolve == VALUE_FUTURE &&
             m->slot[0].type == PACK_DATETIME,
         "time");
  TAP_OK(m->action[0].slots == 7 && m->action[0].required == 1 && m->action[0].any_of == 0, "ring's slots");
  TAP_OK(strcmp(m->action[0].ask[0], "When should it ring?") == 0 && m->action[0].ask[1] == NULL,
         "ring's question");
  TAP_OK(m->action[1].any_of_first == pack_find_slot(m, BASE_LITERAL("phone")),
         "the first of any_of, not the lowest");
  TAP_OK(m->action[2].risk == PACK_MONEY && strcmp(pack_risk_name(PACK_SAFETY), "safety") == 0, "risks");
  TAP_OK(strcmp(m->slot[4].saying[0], "audio call") == 0, "longest saying first: %s", m->slot[4].saying[0]);
  TAP_OK(pack_find_action(m, BASE_LITERAL("stop")) == 3 && pack_find_action(m, BASE_LITERAL("x")) == -1,
         "finding");
  TAP_OK(strstr(m->action[0].schema, "\"required\":[\"time\"]") != NULL, "%s", m->action[0].schema);
  TAP_OK(strstr(m->action[1].schema, "\"anyOf\"") != NULL &&
             strstr(m->action[1].schema, "[\"voice\",\"video\"]") != NULL,
         "%s", m->action[1].schema);
  TAP_OK(pack_manifest_open(&again, base_slice_of(m->json), "t", NULL, &err) == BASE_OK, "%s: %s", err.where,
         err.text);
  TAP_OK(again != NULL && strcmp(m->json, again->json) == 0, "the stored text gives itself");
  pack_manifest_close(again);
  pack_manifest_close(m);
}

static void test_bad_manifests(void) {
  static const char *const edits[][2] = {
      {"\"name\":\"desk\"", "\"name\":\"Desk\""},
      {"\"name\":\"desk\"", "\"name\":\"none\""},
      {"\"name\":\"desk\",", ""},
      {"\"1.2.3\"", "\"1.2\""},
      {"\"1.2.3\"", "\"1..3\""},
      {"\"title\":\"Desk\",", ""},
      {"\"title\":\"Desk\"", "\"title\":\"\""},
      {"\"title\":\"Desk\"", "\"titel\":\"Desk\""},
      {"\"app\":{\"id\"", "\"app\":{\"ident\""},
      {"\"type\":\"datetime\"", "\"type\":\"moment\""},
      {"\"type\":\"datetime\",", ""},
      {"\"resolve\":\"future\"", "\"resolve\":\"later\""},
      {"\"morning\":[\"wake\",\"get up\"]", "\"morning\":\"wake\""},
      {"\"morning\":[\"wake\",\"get up\"]", "\"morning\":[]"},
      {"\"morning\":[\"wake\",\"get up\"]", "\"morning\":[\"Wake\"]"},
      {"\"morning\":[\"wake\",\"get up\"]", "\"morning\":[7]"},
      {"\"type\":\"text\"", "\"type\":\"text\",\"morning\":[\"wake\"]"},
      {"\"type\":\"recurrence\"", "\"type\":\"recurrence\",\"values\":{}"},
      {"\"type\":\"text\"", "\"type\":\"text\",\"resolve\":\"past\""},
      {"\"type\":\"text\"", "\"type\":\"text\",\"currency\":\"USD\""},
      {"\"type\":\"text\"", "\"type\":\"text\",\"help\":\"x\""},
      {"\"type\":\"text\"", "\"type\":\"enum\""},
      {"\"audio call\"", "\"Audio call\""},
      {"\"audio call\"", "\" audio\""},
      {"\"audio call\"", "\"voice\""},
      {"\"audio call\"", "\"video\""},
      {"\"audio call\"", "5"},
      {"[\"voice\",\"audio call\",\"call\"]", "[]"},
      {"\"EUR\"", "\"EURO\""},
      {"\"EUR\"", "\"QQQ\""},
      {"{\"minimum\":1}", "{\"least\":1}"},
      {"{\"minimum\":1}", "1"},
      {"\"count\":{", "\"Count\":{"},
      {"\"name\":\"ring\"", "\"name\":\"none\""},
      {"\"name\":\"ring\"", "\"name\":\"stop\""},
      {"\"name\":\"ring\"", "\"name\":\"ring it\""},
      {"\"risk\":\"money\"", "\"risk\":\"mony\""},
      {"\"risk\":\"money\",", ""},
      {"[\"time\",\"repeat\",\"person\"]", "[\"time\",\"repeat\",\"persons\"]"},
      {"[\"time\",\"repeat\",\"person\"]", "[\"time\",\"time\",\"person\"]"},
      {"[\"time\",\"repeat\",\"person\"]", "\"time\""},
      {"\"required\":[\"time\"]", "\"required\":[\"phone\"]"},
      {"\"required\":[\"time\"],", ""},
      {"\"any_of\":[\"phone\",\"person\"]", "\"any_of\":[]"},
      {"\"any_of\":[\"phone\",\"person\"]", "\"any_of\":[\"time\"]"},
      {"\"ask\":{\"time\":", "\"ask\":{\"mode\":"},
      {"\"ask\":{\"phone\":\"Which number?\"}", "\"ask\":{\"phone\":\"\"}"},
      {"\"ask\":{\"phone\":\"Which number?\"}", "\"schema\":{}"},
      {"\"slots\":[],\"required\":[]", "\"slots\":[],\"required\":[],\"extra\":1"},
      {"\"version\":", "\"kind\":\"door\",\"version\":"},
      {"\"version\":", "\"kind\":\"gate\",\"version\":"},
      {"\"version\":", "\"name\":\"desk\",\"version\":"},
      {"{\"name\"", "[{\"name\""},
  };
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    char *text = edited(edits[i][0], edits[i][1]);
    pack_manifest *m = NULL;
    base_error err = {0};
    base_status st = pack_manifest_open(&m, base_slice_of(text), "pack.json", NULL, &err);
    TAP_OK(st != BASE_OK && m == NULL && strcmp(err.where, "pack.json") == 0 && err.text[0] != 0, "%s for %s",
           edits[i][1], edits[i][0]);
    pack_manifest_close(m);
    free(text);
  }
}

static void test_gate_manifest(void) {
  static const char good[] =
      "{\"name\":\"gate\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[\"a\",\"b\"]}";
  static const char *const bad[] = {
      "{\"name\":\"gate\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[]}",
      "{\"name\":\"gate\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[\"a\",\"a\"]}",
      "{\"name\":\"gate\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[\"../a\"]}",
      "{\"name\":\"gate\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[1]}",
      "{\"name\":\"g\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[\"a\"],\"app\":1}",
      "",
      "null",
      "{}",
      "[]",
      "{",
      "\xff"};
  pack_manifest *m = NULL;
  TAP_OK(
      pack_manifest_open(&m, BASE_LITERAL(good), "t", NULL, NULL) == BASE_OK && m->is_gate && m->n_packs == 2,
      "a gate");
  pack_manifest_close(m);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    TAP_OK(pack_manifest_open(&m, base_slice_of(bad[i]), "t", NULL, NULL) != BASE_OK && m == NULL, "%s",
           bad[i]);
}

static void test_manifest_memory(void) {
  base_status st = BASE_ENOMEM;
  int n = 0;
  for (; st != BASE_OK && n < 500; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    pack_manifest *m = NULL;
    st = pack_manifest_open(&m, BASE_LITERAL(tiny_pack_manifest), "t", &a, NULL);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && m == NULL && f.held == 0), "allocation %d: %s", n,
           base_status_text(st));
    pack_manifest_close(m);
    TAP_OK(f.held == 0, "nothing is held");
  }
  TAP_OK(st == BASE_OK && n > 5, "%d allocations", n);
}

/* ---- source folders ---- */

typedef struct folder {
  char dir[64], at[128];
} folder;

static void write_file(const char *dir, const char *name, const char *text) {
  char path[256];
  os_writer *w = NULL;
  (void)base_format(path, sizeof path, "%s/%s", dir, name);
  base_status st = os_writer_open(&w, path, NULL);
  if (!st) st = os_writer_add(w, text, strlen(text), NULL);
  if (!st) st = os_writer_commit(w, NULL);
  TAP_OK(st == BASE_OK, "write %s", path);
}

static void make_pack(const folder *f, const char *name, const char *manifest, const char *sentences,
                      const char *values, const char *negatives) {
  char dir[128];
  (void)base_format(dir, sizeof dir, "%s/%s", f->dir, name);
  TAP_OK(os_mkdir(dir, NULL) == BASE_OK, "make %s", dir);
  write_file(dir, "pack.json", manifest);
  write_file(dir, "sentences.txt", sentences);
  write_file(dir, "values.txt", values);
  write_file(dir, "negatives.txt", negatives);
}

static base_status remove_one(void *ctx, const char *name, base_error *err) {
  char path[512];
  (void)base_format(path, sizeof path, "%s/%s", (const char *)ctx, name);
  if (os_is_dir(path)) {
    (void)os_list_dir(path, remove_one, path, err);
    (void)rmdir(path);
    return BASE_OK;
  }
  return os_remove(path, err);
}

static void remove_folder(folder *f) {
  (void)os_list_dir(f->dir, remove_one, f->dir, NULL);
  (void)rmdir(f->dir);
}

#define LAMP_MANIFEST                                                                                      \
  "{\"name\":\"lamp\",\"version\":\"1.0.0\",\"title\":\"L\",\"app\":{\"id\":\"l\"},\"slots\":{\"room\":{"  \
  "\"type\":\"text\"},"                                                                                    \
  "\"level\":{\"type\":\"percent\"}},\"actions\":[{\"name\":\"on\",\"title\":\"On\",\"risk\":\"none\","    \
  "\"slots\":[\"room\"],"                                                                                  \
  "\"required\":[]},{\"name\":\"dim\",\"title\":\"Dim\",\"risk\":\"none\",\"slots\":[\"room\",\"level\"]," \
  "\"required\":[]}]}"
#define BELL_MANIFEST                                                                                        \
  "{\"name\":\"bell\",\"version\":\"1.0.0\",\"title\":\"B\",\"app\":{\"id\":\"b\"},\"slots\":{\"person\":{"  \
  "\"type\":\"text\"}},"                                                                                     \
  "\"actions\":[{\"name\":\"ring\",\"title\":\"R\",\"risk\":\"none\",\"slots\":[\"person\"],\"required\":[]" \
  "}]}"
#define LAMP_SENTENCES                                                                              \
  "# two actions\n[on]\nlight the {room:hall}\nLight on\n[dim]\ndim {room@inner:den} to {level=40 " \
  "percent}, please\n"
#define LAMP_VALUES "[room]\nkitchen\n\n[inner]\nattic\n"

static void make_source(folder *f, const char *sentences, const char *values, const char *negatives) {
  (void)base_format(f->dir, sizeof f->dir, "/tmp/minnow-pack-XXXXXX");
  TAP_OK(mkdtemp(f->dir) != NULL, "a folder");
  (void)base_format(f->at, sizeof f->at, "%s/lamp", f->dir);
  make_pack(f, "lamp", LAMP_MANIFEST, sentences, values, negatives);
  make_pack(f, "bell", BELL_MANIFEST, "[ring]\nring {person:Ana}\nlight ON!\n", "", "light the lamp\n");
  make_pack(f, "gate",
            "{\"name\":\"gate\",\"version\":\"1.0.0\",\"title\":\"G\",\"kind\":\"gate\",\"packs\":[\"bell\","
            "\"lamp\"]}",
            "", "", "what is new\nlight on\n");
}

static bool has_row(const data_set *s, const char *text, const char *label, bool generated, size_t spans) {
  for (size_t i = 0; i < s->n_rows; i++)
    if (base_slice_equal(s->rows[i].text, base_slice_of(text)))
      return base_slice_equal(s->labels.name[s->rows[i].label], base_slice_of(label)) &&
             s->rows[i].generated == generated && s->rows[i].n_spans == spans;
  return false;
}

static void test_source(void) {
  folder f;
  data_set s;
  pack_manifest *m = NULL;
  uint8_t *allowed = NULL;
  base_error err = {0};
  make_source(&f, LAMP_SENTENCES, LAMP_VALUES, "lamp for sale\n");
  data_init(&s, NULL);
  TAP_OK(pack_source_read(f.at, &m, &s, NULL, &err) == BASE_OK, "%s: %s", err.where, err.text);
  TAP_OK(s.n_rows == 6 && s.labels.n == 3 && s.slots.n == 2 && s.n_lists == 2, "%zu rows", s.n_rows);
  TAP_OK(has_row(&s, "light the hall", "on", false, 1) && has_row(&s, "Light on", "on", false, 0),
         "own sentences");
  TAP_OK(has_row(&s, "dim den to 40 percent, please", "dim", false, 2), "two spans");
  TAP_OK(has_row(&s, "lamp for sale", "none", false, 0), "a near miss");
  TAP_OK(has_row(&s, "ring Ana", "none", true, 0), "a sibling's sentence");
  TAP_OK(has_row(&s, "what is new", "none", true, 0), "the gate's near miss");
  TAP_OK(!has_row(&s, "light ON!", "none", true, 0), "what this pack does is no near miss of it");
  int room = data_list_of(&s, BASE_LITERAL("room")), inner = data_list_of(&s, BASE_LITERAL("inner"));
  TAP_OK(s.lists[room].values.n == 2 && s.lists[inner].values.n == 2, "values joined their lists");
  TAP_OK(s.spans[1].list == inner && s.spans[2].list == DATA_NO_LIST && s.spans[2].slot == 1,
         "lists of spans");
  TAP_OK(pack_allowed_slots(m, &s, &allowed, NULL, &err) == BASE_OK, "allowed");
  static const uint8_t expected[] = {1, 0, 1, 1, 0, 0};
  TAP_OK(memcmp(allowed, expected, sizeof expected) == 0, "allowed slots");
  base_free(base_allocator_libc(), allowed, sizeof expected);
  pack_manifest_close(m);
  data_free(&s);
  remove_folder(&f);
}

static void test_gate_source(void) {
  folder f;
  data_set s;
  pack_manifest *m = NULL;
  base_error err = {0};
  make_source(&f, LAMP_SENTENCES, LAMP_VALUES, "lamp for sale\n");
  (void)base_format(f.at, sizeof f.at, "%s/gate/", f.dir);
  data_init(&s, NULL);
  TAP_OK(pack_source_read(f.at, &m, &s, NULL, &err) == BASE_OK, "%s: %s", err.where, err.text);
  TAP_OK(s.labels.n == 3 && s.slots.n == 1 && base_slice_equal(s.slots.name[0], BASE_LITERAL("part")),
         "names");
  TAP_OK(has_row(&s, "ring Ana", "bell", false, 1) && has_row(&s, "light the hall", "lamp", false, 1),
         "the packs' sentences");
  TAP_OK(has_row(&s, "what is new", "none", false, 0) && has_row(&s, "light on", "none", false, 0),
         "its near misses");
  TAP_OK(!has_row(&s, "Light on", "lamp", false, 0) && !has_row(&s, "lamp for sale", "none", false, 0),
         "and no others");
  int list = data_list_of(&s, BASE_LITERAL("lamp/room"));
  TAP_OK(s.lists[list].values.n == 2, "lists by pack");
  pack_manifest_close(m);
  data_free(&s);
  uint64_t a = 0, b = 0;
  TAP_OK(pack_source_hash(f.at, &a, NULL) == BASE_OK && pack_source_hash(f.at, &b, NULL) == BASE_OK && a == b,
         "a hash");
  char bell[160];
  (void)base_format(bell, sizeof bell, "%s/bell", f.dir);
  write_file(bell, "values.txt", "[person]\nBen\n");
  TAP_OK(pack_source_hash(f.at, &b, NULL) == BASE_OK && a != b, "another value, another hash");
  remove_folder(&f);
}

static void test_bad_sources(void) {
  static const struct {
    const char *sentences, *values, *negatives, *needle;
  } cases[] = {
      {"[on]\nlight {rom:hall}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: slot 'rom' is not declared"},
      {"[on]\nlight {level:5%}\n[dim]\nx\n", LAMP_VALUES, "",
       "line 2: slot 'level' is not among the action's"},
      {"[on]\nlight {room:}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: the value in"},
      {"[on]\nlight {room: hall}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: the value in"},
      {"[on]\nlight {room}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: '{room}' is not"},
      {"[on]\nlight {room@:hall}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: '{room@:hall}' names no value list"},
      {"[on]\nlight {room@inner=hall}\n[dim]\nx\n", LAMP_VALUES, "", "names no value list"},
      {"[on]\nlight {room@outer:hall}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: there is no list [outer]"},
      {"[on]\nlight {room:hall\n[dim]\nx\n", LAMP_VALUES, "", "line 2: a '{' without '}'"},
      {"[on]\nlight room:hall}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: a '}' without '{'"},
      {"[on]\nlight {room:{hall}}\n[dim]\nx\n", LAMP_VALUES, "", "line 2: a '{' without '}'"},
      {"[on]\nlight {room:hall}s\n[dim]\nx\n", LAMP_VALUES, "",
       "line 2: the value 'hall' begins or ends inside a word"},
      {"[on]\n\xff\n[dim]\nx\n", LAMP_VALUES, "", "line 2: this is not UTF-8"},
      {"[on]\na\x01z\n[dim]\nx\n", LAMP_VALUES, "", "line 2: this is not UTF-8"},
      {"x\n[on]\ny\n[dim]\nx\n", LAMP_VALUES, "", "line 1: a sentence before"},
      {"[off]\nx\n", LAMP_VALUES, "", "line 1: [off] is no action"},
      {"[on]\nx\n[on]\ny\n", LAMP_VALUES, "", "line 3: a second section [on]"},
      {"[on\nx\n", LAMP_VALUES, "", "line 1: a section's heading"},
      {"[on]\nx\n", LAMP_VALUES, "", "there is no section [dim]"},
      {LAMP_SENTENCES, "hall\n", "", "values.txt: line 1: a value before"},
      {LAMP_SENTENCES, "[inner]\na{b\n", "", "values.txt: line 2: a value has no braces"},
      {LAMP_SENTENCES, LAMP_VALUES "[spare]\nx\n", "", "no sentence uses the list [spare]"},
      {LAMP_SENTENCES, LAMP_VALUES, "fine\nLight on.\n", "line 2: 'Light on.' is also a training sentence"},
      {LAMP_SENTENCES, LAMP_VALUES, "[none]\nx\n", "line 1: there are no sections"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    folder f;
    data_set s;
    pack_manifest *m = NULL;
    base_error err = {0};
    char whole[400];
    make_source(&f, cases[i].sentences, cases[i].values, cases[i].negatives);
    data_init(&s, NULL);
    base_status st = pack_source_read(f.at, &m, &s, NULL, &err);
    (void)base_format(whole, sizeof whole, "%s: %s", err.where, err.text);
    TAP_OK(st == BASE_EFORMAT && m == NULL && strstr(whole, cases[i].needle) != NULL, "wanted '%s', got '%s'",
           cases[i].needle, whole);
    data_free(&s);
    remove_folder(&f);
  }
  data_set s;
  pack_manifest *m = NULL;
  data_init(&s, NULL);
  TAP_OK(pack_source_read("/nonexistent/pack", &m, &s, NULL, NULL) != BASE_OK && m == NULL, "no folder");
  data_free(&s);
}

static void test_source_memory(void) {
  folder f;
  base_status st = BASE_ENOMEM;
  make_source(&f, LAMP_SENTENCES, LAMP_VALUES, "lamp for sale\n");
  for (int n = 0; st != BASE_OK && n < 2000; n++) {
    failing fail;
    base_allocator a = failing_allocator(&fail, n);
    data_set s;
    pack_manifest *m = NULL;
    data_init(&s, &a);
    st = pack_source_read(f.at, &m, &s, &a, NULL);
    TAP_OK(st == BASE_OK || m == NULL, "allocation %d", n);
    pack_manifest_close(m);
    data_free(&s);
    TAP_OK(fail.held == 0, "allocation %d: %zu bytes are held", n, fail.held);
  }
  TAP_OK(st == BASE_OK, "it succeeds in the end");
  remove_folder(&f);
}

/* The sources in the repository: every action has what the figures in the README say. */
static void test_shipped(void) {
  size_t actions = 0;
  for (size_t i = 0; i < SHIPPED; i++) {
    char path[64];
    data_set s;
    pack_manifest *m = NULL;
    base_error err = {0};
    (void)base_format(path, sizeof path, "packs/%s", shipped[i]);
    data_init(&s, NULL);
    TAP_OK(pack_source_read(path, &m, &s, NULL, &err) == BASE_OK, "%s: %s", err.where, err.text);
    if (m != NULL) {
      TAP_OK(strcmp(m->name, shipped[i]) == 0, "%s is called %s", path, m->name);
      actions += m->n_actions;
    }
    pack_manifest_close(m);
    data_free(&s);
  }
  TAP_OK(actions >= 70, "%zu actions", actions);
}

/* ---- drafts ---- */

/* A pack without a brain: drafting needs none. */
static void make_drafting(struct pack *p, const char *manifest) {
  base_error err = {0};
  *p = (struct pack){.allocator = *base_allocator_libc()};
  TAP_OK(pack_manifest_open(&p->manifest, base_slice_of(manifest), "t", NULL, &err) == BASE_OK, "%s",
         err.text);
  for (size_t i = 0; i < p->manifest->n_actions; i++) {
    base_slice schema = base_slice_of(p->manifest->action[i].schema);
    TAP_OK(constrain_schema_open(&p->schema[i], schema, "s", NULL, &err) == BASE_OK, "%s", err.text);
  }
}

static void drop_drafting(struct pack *p) {
  for (size_t i = 0; i < p->manifest->n_actions; i++)
    constrain_schema_close(p->schema[i]);
  pack_manifest_close(p->manifest);
}

/* "call <person:Anna's> at noon" to the text and a result with its spans; each next one is less probable. */
static void read_marks(const pack_manifest *m, const char *marked, char *text, head_result *r) {
  size_t len = 0;
  memset(r, 0, sizeof *r);
  for (const char *c = marked; *c != 0;) {
    if (*c != '<') {
      text[len++] = *c++;
      continue;
    }
    const char *colon = strchr(c, ':'), *end = strchr(c, '>');
    int slot = pack_find_slot(m, (base_slice){c + 1, (size_t)(colon - c - 1)});
    TAP_OK(slot >= 0, "a slot in %s", marked);
    size_t n = (size_t)(end - colon - 1);
    r->spans[r->n_spans] =
        (head_span){(uint32_t)len, (uint32_t)(len + n), (uint16_t)slot, 0.9f - 0.1f * (float)r->n_spans};
    r->n_spans++;
    memcpy(text + len, colon + 1, n);
    len += n;
    c = end + 1;
  }
  text[len] = 0;
}

static const value_context NOON = {.now = {{2026, 11, 20}, {12, 0, 0}, true, true},
                                   .default_currency = "USD"};

static void expect(const struct pack *p, const char *action, const char *marked, const char *arguments,
                   const char *missing, const char *unclear) {
  char text[512];
  head_result r;
  pack_draft d;
  read_marks(p->manifest, marked, text, &r);
  r.label = (uint16_t)pack_find_action(p->manifest, base_slice_of(action));
  size_t before = counted_allocations;
  pack_draft_action(p, base_slice_of(text), &r, &NOON, &d);
  TAP_OK(!COUNTING || counted_allocations == before, "a draft allocates");
  TAP_OK(strcmp(d.arguments, arguments) == 0, "%s: %s, wanted %s", marked, d.arguments, arguments);
  TAP_OK(d.missing == (missing ? pack_find_slot(p->manifest, base_slice_of(missing)) : -1), "%s: missing %d",
         marked, d.missing);
  TAP_OK(d.unclear == (unclear ? pack_find_slot(p->manifest, base_slice_of(unclear)) : -1), "%s: unclear %d",
         marked, d.unclear);
  TAP_OK(d.valid, "%s: %s: %s", marked, d.problem.where, d.problem.text);
  TAP_OK((d.unclear >= 0) == (d.problem.code != BASE_OK), "%s: a problem when unclear", marked);
}

static void test_drafts(void) {
  struct pack p;
  make_drafting(&p, tiny_pack_manifest);
  expect(&p, "stop", "stop it", "{}", NULL, NULL);
  expect(&p, "ring", "wake <person:Ana> <time:tomorrow> please <time:at 7 am>",
         "{\"time\":\"2026-11-21T07:00:00\",\"person\":\"Ana\"}", NULL, NULL);
  expect(&p, "ring", "wake me", "{}", "time", NULL);
  expect(&p, "ring", "Wake me at <time:7>", "{\"time\":\"2026-11-21T07:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:7>", "{\"time\":\"2026-11-20T19:00:00\"}", NULL, NULL);
  expect(&p, "ring", "i have to get up at <time:half past six>", "{\"time\":\"2026-11-21T06:30:00\"}", NULL, NULL);
  expect(&p, "ring", "awakening at <time:7>", "{\"time\":\"2026-11-20T19:00:00\"}", NULL, NULL);
  expect(&p, "ring", "wake me at <time:2>", "{\"time\":\"2026-11-20T14:00:00\"}", NULL, NULL);
  expect(&p, "ring", "wake me at <time:blue o'clock>", "{}", NULL, "time");
  expect(&p, "ring", "wake me <repeat:every weekday at 7 am>",
         "{\"time\":\"2026-11-23T07:00:00\",\"repeat\":\"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE="
         "0\"}",
         NULL, NULL);
  expect(&p, "ring", "wake me <repeat:every day at 2 pm>",
         "{\"time\":\"2026-11-20T14:00:00\",\"repeat\":\"FREQ=DAILY;BYHOUR=14;BYMINUTE=0\"}", NULL, NULL);
  expect(&p, "ring", "wake me <repeat:every friday>", "{\"repeat\":\"FREQ=WEEKLY;BYDAY=FR\"}", "time", NULL);
  expect(&p, "call", "call <person:Anna's>", "{\"person\":\"Anna\"}", NULL, NULL);
  expect(&p, "call", "call <person:\"Jos\xC3\xA9\",>", "{\"person\":\"Jos\xC3\xA9\"}", NULL, NULL);
  expect(&p, "call", "call <person:O'Neil \"Doc\" Ray>", "{\"person\":\"O'Neil \\\"Doc\\\" Ray\"}", NULL,
         NULL);
  expect(&p, "call", "call <person:Ana> or <person:Ben>", "{\"person\":\"Ana\"}", NULL, NULL);
  drop_drafting(&p);
}

/* Spans that stop short, and what was said instead of what was said before. */
static void test_words(void) {
  struct pack p;
  make_drafting(&p, tiny_pack_manifest);
  expect(&p, "ring", "ring at <time:seven thirty> a m", "{\"time\":\"2026-11-21T07:30:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:seven thirty a> m please", "{\"time\":\"2026-11-21T07:30:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:8 o> clock", "{\"time\":\"2026-11-20T20:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:8> <time:p.m.>", "{\"time\":\"2026-11-20T20:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:8> amber", "{\"time\":\"2026-11-20T20:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:8 pm \xF0\x9F\x98\xB4 \xE2\x9D\xA4\xEF\xB8\x8F>", "{\"time\":\"2026-11-20T20:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:\xF0\x9F\x98\xB4>", "{}", NULL, "time");
  expect(&p, "call", "call <person:Ana \xF0\x9F\x98\xB4>", "{\"person\":\"Ana \xF0\x9F\x98\xB4\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:7 no 8>", "{\"time\":\"2026-11-20T20:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:7 am>, sorry, <time:8 am>", "{\"time\":\"2026-11-21T08:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:7 am, no, wait, 9 am>", "{\"time\":\"2026-11-21T09:00:00\"}", NULL, NULL);
  expect(&p, "ring", "ring at <time:noon no way>", "{}", NULL, "time");
  expect(&p, "ring", "ring at <time:no>", "{}", NULL, "time");
  expect(&p, "ring", "ring <repeat:every monday> at <time:7>",
         "{\"time\":\"2026-11-23T07:00:00\",\"repeat\":\"FREQ=WEEKLY;BYDAY=MO\"}", NULL, NULL);
  expect(&p, "call", "call <person:Ana> no <person:Ben>", "{\"person\":\"Ben\"}", NULL, NULL);
  expect(&p, "call", "call <person:Ana> i mean <person:Ben>", "{\"person\":\"Ben\"}", NULL, NULL);
  expect(&p, "fill", "add <items:milk>, no wait, <items:eggs> and <items:tea>", "{\"items\":[\"eggs\",\"tea\"]}", NULL, NULL);
  drop_drafting(&p);
}

static void test_other_drafts(void) {
  struct pack p;
  make_drafting(&p, tiny_pack_manifest);
  expect(&p, "call", "call", "{}", "phone", NULL);
  expect(&p, "call", "call <phone:555 0142> <mode:on Face Time>", "{\"phone\":\"5550142\"}", NULL, "mode");
  expect(&p, "call", "call <person:...>", "{}", NULL, "person");
  expect(&p, "fill", "add <items:milk> and <items:mac and cheese>",
         "{\"items\":[\"milk\",\"mac and cheese\"]}", NULL, NULL);
  expect(&p, "fill", "add <items:milk, two eggs, and bread and butter.>",
         "{\"items\":[\"milk\",\"two eggs\",\"bread\",\"butter\"]}", NULL, NULL);
  expect(&p, "fill", "<items:x> <count:three> <size:1.50> <level:forty percent> <rank:the second>",
         "{\"items\":[\"x\"],\"count\":3,\"size\":1.5,\"level\":40,\"rank\":2}", NULL, NULL);
  expect(&p, "fill",
         "<items:x> <day:tomorrow> <clock:half past six> <period:yesterday's> <length:an hour and a half>",
         "{\"items\":[\"x\"],\"day\":\"2026-11-21\",\"clock\":\"06:30:00\",\"period\":{\"start\":\"2026-11-"
         "19\",\"end\":\"2026-11-20\"},"
         "\"length\":\"PT1H30M\"}",
         NULL, NULL);
  expect(&p, "fill",
         "<items:x> <amount:1,249.50> <heat:21 degrees celsius> <phone:+1 (555) 123-4567> <email:A@b.org>",
         "{\"items\":[\"x\"],\"amount\":{\"currency\":\"EUR\",\"minor\":124950},\"heat\":{\"value\":21,"
         "\"unit\":\"C\"},"
         "\"phone\":\"+15551234567\",\"email\":\"A@b.org\"}",
         NULL, NULL);
  drop_drafting(&p);
}

/* Arguments that are read but not allowed, and results that no sane model gives. */
static void test_hostile_results(void) {
  struct pack p;
  char text[8192];
  head_result r;
  pack_draft d;
  make_drafting(&p, tiny_pack_manifest);
  read_marks(p.manifest, "<items:x> <count:0>", text, &r);
  r.label = 2;
  pack_draft_action(&p, base_slice_of(text), &r, &NOON, &d);
  TAP_OK(!d.valid && d.missing < 0 && d.unclear < 0 && strcmp(d.problem.where, "/count") == 0, "count 0: %s",
         d.problem.where);
  r.label = 4;
  pack_draft_action(&p, base_slice_of(text), &r, &NOON, &d);
  TAP_OK(d.action == -1 && !d.valid && strcmp(d.arguments, "{}") == 0, "none");
  r.label = 60000;
  pack_draft_action(&p, base_slice_of(text), &r, &NOON, &d);
  TAP_OK(d.action == -1, "a label that is not there");
  r.label = 2;
  r.n_spans = 100000;
  r.spans[1] = (head_span){500, 600, 3, 0.5f};
  r.spans[2] = (head_span){3, 2, 3, 0.5f};
  r.spans[3] = (head_span){0, 1, 999, 0.5f};
  pack_draft_action(&p, base_slice_of(text), &r, &NOON, &d);
  TAP_OK(d.valid && strcmp(d.arguments, "{\"items\":[\"x\"]}") == 0, "spans outside: %s", d.arguments);
  memset(text, '"', sizeof text - 1);
  text[0] = text[sizeof text - 2] = 'a';
  text[sizeof text - 1] = 0;
  r.n_spans = 1;
  r.spans[0] = (head_span){0, sizeof text - 1, 3, 0.5f};
  pack_draft_action(&p, base_slice_of(text), &r, &NOON, &d);
  TAP_OK(!d.valid && d.problem.code == BASE_ELIMIT && strcmp(d.arguments, "{}") == 0, "too long: %s",
         d.problem.text);
  memset(text, 0xff, 16);
  r.spans[0] = (head_span){0, 4, 3, 0.5f};
  pack_draft_action(&p, (base_slice){text, 16}, &r, &NOON, &d);
  TAP_OK(d.valid && base_utf8_valid(d.arguments, strlen(d.arguments)), "bytes that are no text");
  drop_drafting(&p);
}

static void test_enums(void) {
  static const char *const cases[][2] = {
      {"video", "video"},
      {"Video!", "video"},
      {"a video call", "video"},
      {"the call", "voice"},
      {"by video please", "video"},
      {"vidoe", "video"},
      {"vdieo call", "video"},
      {"FaceTme", "video"},
      {"audio-call", "voice"},
      {"vois", NULL},
      {"blue", NULL},
      {"", NULL},
      {"!!!", NULL},
      {"a", NULL},
      {"video call not audio", "video"},
      {"\xff\xfe", NULL},
  };
  pack_manifest *m = NULL;
  TAP_OK(pack_manifest_open(&m, BASE_LITERAL(tiny_pack_manifest), "t", NULL, NULL) == BASE_OK, "manifest");
  const pack_slot *slot = &m->slot[pack_find_slot(m, BASE_LITERAL("mode"))];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int got = pack_enum_find(slot, base_slice_of(cases[i][0]));
    const char *value = got >= 0 ? slot->value[got] : NULL;
    TAP_OK((value == NULL) == (cases[i][1] == NULL) && (value == NULL || strcmp(value, cases[i][1]) == 0),
           "'%s' is %s", cases[i][0], value ? value : "nothing");
  }
  pack_manifest_close(m);
}

/* Values that the shipped sentences swap into slots of a type: nearly all can be read, and what is read is valid. */
static void test_shipped_values(void) {
  size_t total = 0, unread = 0, invalid = 0;
  for (size_t i = 0; i + 1 < SHIPPED; i++) {
    char path[64];
    struct pack p;
    data_set s;
    pack_manifest *m = NULL;
    (void)base_format(path, sizeof path, "packs/%s", shipped[i]);
    data_init(&s, NULL);
    if (pack_source_read(path, &m, &s, NULL, NULL) == BASE_OK) {
      make_drafting(&p, m->json);
      for (size_t k = 0; k < s.n_rows; k++)
        for (uint32_t j = 0; j < s.rows[k].n_spans; j++) {
          const data_span *span = &s.spans[s.rows[k].first_span + j];
          if (m->slot[span->slot].type <= PACK_LIST || s.rows[k].label >= m->n_actions) continue;
          head_result r = {.label = s.rows[k].label, .n_spans = 1};
          pack_draft d;
          r.spans[0] = (head_span){span->start, span->end, span->slot, 0.9f};
          pack_draft_action(&p, s.rows[k].text, &r, &NOON, &d);
          total++;
          unread += d.unclear >= 0;
          invalid += d.unclear < 0 && !d.valid;
        }
      drop_drafting(&p);
    }
    pack_manifest_close(m);
    data_free(&s);
  }
  printf("# of %zu typed values in the shipped sentences %zu cannot be read, %zu are not valid\n", total,
         unread, invalid);
  TAP_OK(total > 2000 && unread * 50 < total && invalid * 500 < total,
         "of %zu values %zu unread, %zu invalid", total, unread, invalid);
}

/* ---- built files ---- */

static void open_edited(const base_buf *good, const tiny_edit *e) {
  base_buf bytes = tiny_edited(good, e);
  void *block = tiny_aligned(&bytes);
  pack *p = NULL;
  base_error err = {0};
  base_status st = pack_open_bytes(&p, block, bytes.len, "edited.gguf", NULL, NULL, &err);
  TAP_OK(st != BASE_OK && p == NULL && err.where[0] != 0 && err.text[0] != 0, "%s: %s: %s", e->name,
         err.where, err.text);
  pack_close(p);
  free(block);
  base_buf_free(&bytes);
}

static void test_built(void) {
  base_buf bytes = tiny_pack_bytes(tiny_pack_manifest, NULL, false);
  void *block = tiny_aligned(&bytes);
  pack *p = NULL;
  base_error err = {0};
  TAP_OK(pack_open_bytes(&p, block, bytes.len, "tiny", NULL, NULL, &err) == BASE_OK, "%s: %s", err.where,
         err.text);
  if (p != NULL) {
    const model_trunk *trunk = head_brain_trunk(pack_brain(p));
    head_scratch *scratch = head_scratch_new(&trunk->shape, trunk->shape.max_tokens, NULL);
    head_result r;
    pack_draft d;
    base_slice text = BASE_LITERAL("wake Anna's brother at 7 am, milk and eggs, 555 0142");
    head_brain_run(pack_brain(p), cpu_best(), text, scratch, &r);
    for (uint16_t label = 0; label < 5; label++) {
      r.label = label;
      pack_draft_action(p, text, &r, &NOON, &d);
      TAP_OK(label == 4 ? d.action == -1 : d.action == label, "label %u", label);
    }
    head_scratch_free(scratch);
  }
  pack_close(p);
  static const tiny_edit edits[] = {
      {PACK_KEY("manifest"), TINY_DROP, 0, 0},   {PACK_KEY("manifest"), TINY_STRING, 0, 0},
      {PACK_KEY("name"), TINY_DROP, 0, 0},       {PACK_KEY("name"), TINY_STRING, 0, 0},
      {PACK_KEY("version"), TINY_STRING, 0, 0},  {PACK_KEY("version"), TINY_DROP, 0, 0},
      {PACK_KEY("source"), TINY_DROP, 0, 0},     {PACK_KEY("source"), TINY_STRING, 0, 0},
      {"minnow.head.labels", TINY_NUMBER, 4, 0}, {"minnow.head.slots", TINY_NUMBER, 16, 0},
      {"head.allowed", TINY_DROP, 0, 0},         {"head.classify.weight", TINY_LONGER, 0, 0},
  };
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++)
    open_edited(&bytes, &edits[i]);
  free(block);
  base_buf_free(&bytes);
}

/* Brains that were made for another manifest. */
static void test_mismatch(void) {
  static const char *const edits[][2] = {{"\"name\":\"stop\"", "\"name\":\"halt\""},
                                         {"\"rank\"", "\"place\""},
                                         {"\"name\":\"desk\"", "\"name\":\"disk\""}};
  for (size_t i = 0; i < 4; i++) {
    pack_manifest *heads = NULL;
    base_error err = {0};
    char *other = i < 3 ? edited(edits[i][0], edits[i][1]) : NULL;
    if (other != NULL && i == 1) { /* the slot's name is in the action's list too */
      char *at = strstr(other, "\"rank\"");
      if (at != NULL) memmove(at + 7, at + 6, strlen(at + 6) + 1), memcpy(at, "\"place\"", 7);
    }
    if (other != NULL)
      TAP_OK(pack_manifest_open(&heads, base_slice_of(other), "t", NULL, &err) == BASE_OK, "%s", err.text);
    base_buf bytes = tiny_pack_bytes(tiny_pack_manifest, heads, i == 3);
    void *block = tiny_aligned(&bytes);
    pack *p = NULL;
    base_status st = pack_open_bytes(&p, block, bytes.len, "t", NULL, NULL, &err);
    TAP_OK(i == 2 ? st == BASE_OK : st == BASE_EMISMATCH && p == NULL, "case %zu: %s: %s", i, err.where,
           err.text);
    pack_close(p);
    pack_manifest_close(heads);
    free(block);
    base_buf_free(&bytes);
    free(other);
  }
  base_buf plain = tiny_brain(&TINY_SHAPE, 3, 2, true, 1);
  void *block = tiny_aligned(&plain);
  pack *p = NULL;
  TAP_OK(pack_open_bytes(&p, block, plain.len, "t", NULL, NULL, NULL) == BASE_EFORMAT && p == NULL,
         "a brain that is no pack");
  TAP_OK(pack_open(&p, "/nonexistent.gguf", NULL, NULL, NULL) != BASE_OK && p == NULL, "no file");
  free(block);
  base_buf_free(&plain);
}

static void test_open_memory(void) {
  base_buf bytes = tiny_pack_bytes(tiny_pack_manifest, NULL, false);
  void *block = tiny_aligned(&bytes);
  base_status st = BASE_ENOMEM;
  int n = 0;
  for (; st != BASE_OK && n < 2000; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    pack *p = NULL;
    st = pack_open_bytes(&p, block, bytes.len, "t", NULL, &a, NULL);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && p == NULL), "allocation %d: %s", n, base_status_text(st));
    pack_close(p);
    TAP_OK(f.held == 0, "allocation %d: %zu bytes are held", n, f.held);
  }
  TAP_OK(st == BASE_OK, "it succeeds in the end");
  for (size_t len = 0; len < bytes.len; len += len < 2000 ? 97 : 1009) {
    pack *p = NULL;
    TAP_OK(pack_open_bytes(&p, block, len, "t", NULL, NULL, NULL) != BASE_OK && p == NULL, "cut at %zu", len);
  }
  free(block);
  base_buf_free(&bytes);
}

int main(void) {
  test_manifest();
  test_bad_manifests();
  test_gate_manifest();
  test_manifest_memory();
  test_source();
  test_gate_source();
  test_bad_sources();
  test_source_memory();
  test_shipped();
  test_drafts();
  test_words();
  test_other_drafts();
  test_hostile_results();
  test_enums();
  test_shipped_values();
  test_built();
  test_mismatch();
  test_open_memory();
  return tap_done("pack");
}
