/* A pack's source folder to training rows: its own sentences and near misses, and what the packs beside it
 * do, which this one does not. A gate's rows are the sentences of the packs it chooses between. */
#include <string.h>

#include "os/os.h"
#include "pack/internal.h"

enum { MAX_SOURCE_BYTES = 16 << 20, MAX_PATH_BYTES = 1024 };

/* Sentences seen, by a hash of their words. One that a pack acts on is never also a row of "none"; in a gate it is the
 * other way round: what its negatives name ("stop", "go back") only means something with an app open. */
typedef struct seen_set {
  uint64_t *hash; /* open addressing; 0 is free */
  size_t n, cap;  /* cap is a power of two */
} seen_set;

typedef struct source {
  data_set *set;
  const base_allocator *allocator;
  base_error *err;
  const pack_manifest *own;
  const char *folder;
  seen_set seen;
  pack_sentence sentence;
} source;

/* ---- seen sentences ---- */

/* Words of letters and digits, lower-cased for ASCII. Never 0. */
static uint64_t hash_of(base_slice text) {
  uint64_t h = BASE_HASH_START;
  bool gap = false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
    bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || ((unsigned char)c & 0x80);
    if (word && gap) h = base_hash(h, " ", 1);
    if (word) h = base_hash(h, &c, 1);
    gap = !word && c != '\'';
  }
  return h != 0 ? h : 1;
}

static bool seen_has(const seen_set *s, uint64_t h) {
  if (s->cap == 0) return false;
  for (size_t i = (size_t)h & (s->cap - 1); s->hash[i] != 0; i = (i + 1) & (s->cap - 1))
    if (s->hash[i] == h) return true;
  return false;
}

static void seen_put(seen_set *s, uint64_t h) {
  size_t i = (size_t)h & (s->cap - 1);
  while (s->hash[i] != 0 && s->hash[i] != h)
    i = (i + 1) & (s->cap - 1);
  s->n += s->hash[i] == 0;
  s->hash[i] = h;
}

static base_status seen_add(source *s, base_slice text) {
  if (s->seen.n * 2 >= s->seen.cap) {
    seen_set larger = {.cap = s->seen.cap > 0 ? 2 * s->seen.cap : 4096};
    larger.hash = base_calloc(s->allocator, larger.cap, sizeof *larger.hash);
    if (larger.hash == NULL) return base_fail(s->err, BASE_ENOMEM, s->folder, "no memory for the sentences");
    for (size_t i = 0; i < s->seen.cap; i++)
      if (s->seen.hash[i] != 0) seen_put(&larger, s->seen.hash[i]);
    base_free(s->allocator, s->seen.hash, s->seen.cap * sizeof *s->seen.hash);
    s->seen = larger;
  }
  seen_put(&s->seen, hash_of(text));
  return BASE_OK;
}

/* ---- files ---- */

static base_status path_of(const source *s, const char *beside, const char *file, char path[MAX_PATH_BYTES]) {
  bool fits = beside == NULL ? base_format(path, MAX_PATH_BYTES, "%s/%s", s->folder, file)
                             : base_format(path, MAX_PATH_BYTES, "%s/../%s/%s", s->folder, beside, file);
  return fits ? BASE_OK : base_fail(s->err, BASE_ELIMIT, file, "the path is too long");
}

/* A file of this folder (pack NULL) or of the one beside it. */
static base_status read_file(const source *s, const char *beside, const char *file, char path[MAX_PATH_BYTES],
                             base_buf *out) {
  base_status st = path_of(s, beside, file, path);
  return st ? st : os_read_file(path, MAX_SOURCE_BYTES, out, s->err);
}

static base_status read_manifest(const source *s, const char *beside, pack_manifest **out) {
  char path[MAX_PATH_BYTES];
  base_buf file = {.allocator = s->allocator};
  *out = NULL;
  base_status st = read_file(s, beside, "pack.json", path, &file);
  if (!st) st = pack_manifest_open(out, (base_slice){file.ptr, file.len}, path, s->allocator, s->err);
  base_buf_free(&file);
  return st;
}

/* ---- value lists ---- */

/* Lists of several packs lie in one set: "music/song". */
static int list_of(const source *s, const char *prefix, base_slice name) {
  char full[160];
  if (!base_format(full, sizeof full, "%s%s%.*s", prefix != NULL ? prefix : "", prefix != NULL ? "/" : "",
                   (int)name.len, name.ptr))
    return -1;
  return data_list_of(s->set, base_slice_of(full));
}

static base_status read_value_line(source *s, const pack_lines *l, const char *prefix) {
  if (l->section.len == 0)
    return base_fail(s->err, BASE_EFORMAT, l->path, "line %zu: a value before the first [list]", l->number);
  for (size_t i = 0; i < l->line.len; i++)
    if (l->line.ptr[i] == '{' || l->line.ptr[i] == '}')
      return base_fail(s->err, BASE_EFORMAT, l->path, "line %zu: a value has no braces", l->number);
  int list = list_of(s, prefix, l->section);
  if (list < 0) return base_fail(s->err, BASE_ELIMIT, l->path, "line %zu: no room for the list", l->number);
  return data_list_add(s->set, list, l->line, s->err);
}

static base_status read_values(source *s, const char *beside, const char *prefix) {
  char path[MAX_PATH_BYTES];
  base_buf file = {.allocator = s->allocator};
  base_status st = read_file(s, beside, "values.txt", path, &file);
  pack_lines l = {.rest = {file.ptr, file.len}, .path = path};
  while (!st && pack_lines_next(&l, &st, s->err)) {
    if (!l.heading) st = read_value_line(s, &l, prefix);
    else if (list_of(s, prefix, l.section) < 0)
      st = base_fail(s->err, BASE_ELIMIT, path, "line %zu: bad list", l.number);
  }
  base_buf_free(&file);
  return st;
}

/* ---- sentences ---- */

/* How the sentences of a pack become rows. */
typedef enum use { USE_OWN, USE_NONE, USE_GATE } use;

/* The list of a span, joined by its value. {slot:value} makes the slot's list when values.txt has none. */
static base_status span_list(source *s, const char *prefix, const pack_lines *l,
                             const pack_sentence_span *span, const char *slot, int *list) {
  size_t before = s->set->n_lists;
  base_slice value = {s->sentence.text + span->start, span->end - span->start};
  *list = list_of(s, prefix, span->list);
  if (*list < 0)
    return base_fail(s->err, BASE_ELIMIT, l->path, "line %zu: no room for a value list", l->number);
  if (s->set->n_lists != before && !base_slice_equal(span->list, base_slice_of(slot)))
    return base_fail(s->err, BASE_EFORMAT, l->path, "line %zu: there is no list [%.*s] in values.txt",
                     l->number, (int)span->list.len, span->list.ptr);
  return data_list_add(s->set, *list, value, s->err);
}

static base_status add_row(source *s, const pack_manifest *m, use how, int label, const pack_lines *l) {
  const pack_sentence *sentence = &s->sentence;
  data_span spans[DATA_MAX_SPANS];
  base_error detail = {0};
  size_t n = how == USE_NONE ? 0 : sentence->n_spans;
  base_slice text = {sentence->text, sentence->len};
  if (how != USE_OWN && seen_has(&s->seen, hash_of(text))) return BASE_OK;
  for (size_t i = 0; i < n; i++) {
    const pack_sentence_span *span = &sentence->span[i];
    int list = DATA_NO_LIST;
    base_status st = BASE_OK;
    if (span->list.ptr != NULL)
      st = span_list(s, how == USE_GATE ? m->name : NULL, l, span, m->slot[span->slot].name, &list);
    if (st) return st;
    spans[i] =
        (data_span){span->start, span->end, (uint16_t)(how == USE_GATE ? 0 : span->slot), (uint16_t)list};
  }
  base_status st = data_add(s->set, text, label, spans, n, &detail);
  if (st) return base_fail(s->err, st, l->path, "line %zu: %s", l->number, detail.text);
  s->set->rows[s->set->n_rows - 1].generated = how == USE_NONE;
  return how == USE_OWN ? seen_add(s, text) : BASE_OK;
}

/* label: of the rows, or -1: their action's. */
static base_status read_sentences(source *s, const char *beside, const pack_manifest *m, use how, int label) {
  char path[MAX_PATH_BYTES];
  base_buf file = {.allocator = s->allocator};
  base_status st = read_file(s, beside, "sentences.txt", path, &file);
  pack_lines l = {.rest = {file.ptr, file.len}, .path = path};
  while (!st && pack_sentences_next(&l, m, &s->sentence, &st, s->err))
    st = add_row(s, m, how, label >= 0 ? label : l.action, &l);
  for (size_t i = 0; i < m->n_actions && !st; i++)
    if (!(l.seen >> i & 1))
      st = base_fail(s->err, BASE_EFORMAT, path, "there is no section [%s]", m->action[i].name);
  base_buf_free(&file);
  return st;
}

/* ---- near misses ---- */

static base_status add_negative(source *s, const pack_lines *l, int label, bool sibling) {
  base_error detail = {0};
  if (l->heading)
    return base_fail(s->err, BASE_EFORMAT, l->path, "line %zu: there are no sections here", l->number);
  if (seen_has(&s->seen, hash_of(l->line))) {
    if (sibling || s->own->is_gate) return BASE_OK;
    return base_fail(s->err, BASE_EFORMAT, l->path, "line %zu: '%.*s' is also a training sentence", l->number,
                     (int)(l->line.len < 80 ? l->line.len : 80), l->line.ptr);
  }
  base_status st = data_add(s->set, l->line, label, NULL, 0, &detail);
  if (st) return base_fail(s->err, st, l->path, "line %zu: %s", l->number, detail.text);
  s->set->rows[s->set->n_rows - 1].generated = sibling;
  return s->own->is_gate ? seen_add(s, l->line) : BASE_OK;
}

static base_status read_negatives(source *s, const char *beside, int label) {
  char path[MAX_PATH_BYTES];
  base_buf file = {.allocator = s->allocator};
  base_status st = read_file(s, beside, "negatives.txt", path, &file);
  pack_lines l = {.rest = {file.ptr, file.len}, .path = path};
  while (!st && pack_lines_next(&l, &st, s->err))
    st = add_negative(s, &l, label, beside != NULL);
  base_buf_free(&file);
  return st;
}

/* ---- a pack and the packs beside it ---- */

/* What a sibling does is "none" here. A gate does nothing, and what it names as nobody's business is not this
 * pack's. */
static base_status read_sibling(void *ctx, const char *name, base_error *err) {
  source *s = ctx;
  char path[MAX_PATH_BYTES];
  pack_manifest *m = NULL;
  (void)err;
  base_status st = path_of(s, name, "pack.json", path);
  if (st || !os_exists(path)) return st;
  int none = (int)s->own->n_actions;
  st = read_manifest(s, name, &m);
  if (!st && strcmp(m->name, s->own->name) != 0)
    st = m->is_gate ? read_negatives(s, name, none) : read_sentences(s, name, m, USE_NONE, none);
  pack_manifest_close(m);
  return st;
}

static base_status name_all(source *s) {
  const pack_manifest *m = s->own;
  bool ok = true;
  for (size_t i = 0; i < m->n_actions; i++)
    ok = ok && data_name(s->set, &s->set->labels, base_slice_of(m->action[i].name)) >= 0;
  for (size_t i = 0; i < m->n_packs; i++)
    ok = ok && data_name(s->set, &s->set->labels, base_slice_of(m->packs[i])) >= 0;
  ok = ok && data_name(s->set, &s->set->labels, BASE_LITERAL(PACK_LABEL_NONE)) >= 0;
  for (size_t i = 0; i < m->n_slots; i++)
    ok = ok && data_name(s->set, &s->set->slots, base_slice_of(m->slot[i].name)) >= 0;
  if (m->is_gate) ok = ok && data_name(s->set, &s->set->slots, BASE_LITERAL(PACK_SLOT_PART)) >= 0;
  return ok ? BASE_OK : base_fail(s->err, BASE_ENOMEM, s->folder, "no memory for the names");
}

/* A list that is no slot's and that no sentence swaps from is a slip of the pen: misspelt here or there. */
static base_status check_lists(const source *s) {
  for (size_t i = 0; i < s->set->n_lists; i++) {
    bool used = pack_find_slot(s->own, s->set->lists[i].name) >= 0;
    for (size_t k = 0; k < s->set->n_spans && !used; k++)
      used = s->set->spans[k].list == i;
    if (!used)
      return base_fail(s->err, BASE_EFORMAT, s->folder, "values.txt: no sentence uses the list [%.*s]",
                       (int)s->set->lists[i].name.len, s->set->lists[i].name.ptr);
  }
  return BASE_OK;
}

static base_status read_pack_rows(source *s) {
  char beside[MAX_PATH_BYTES];
  base_status st = read_values(s, NULL, NULL);
  if (!st) st = read_sentences(s, NULL, s->own, USE_OWN, -1);
  if (!st) st = check_lists(s);
  if (!st) st = read_negatives(s, NULL, (int)s->own->n_actions);
  if (!st && !base_format(beside, sizeof beside, "%s/..", s->folder))
    st = base_fail(s->err, BASE_ELIMIT, s->folder, "the path is too long");
  return st ? st : os_list_dir(beside, read_sibling, s, s->err);
}

static base_status read_gate_rows(source *s) {
  base_status st = read_negatives(s, NULL, (int)s->own->n_packs);
  for (size_t i = 0; i < s->own->n_packs && !st; i++) {
    pack_manifest *m = NULL;
    st = read_manifest(s, s->own->packs[i], &m);
    if (!st && (m->is_gate || strcmp(m->name, s->own->packs[i]) != 0))
      st = base_fail(s->err, BASE_EMISMATCH, s->folder, "the pack in folder %s is called %s",
                     s->own->packs[i], m->name);
    if (!st) st = read_values(s, m->name, m->name);
    if (!st) st = read_sentences(s, m->name, m, USE_GATE, (int)i);
    pack_manifest_close(m);
  }
  return st;
}

base_status pack_source_read(const char *folder, pack_manifest **manifest, data_set *set,
                             const base_allocator *a, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  *manifest = NULL;
  source *s = base_calloc(a, 1, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, folder, "no memory to read the pack");
  *s = (source){.set = set, .allocator = a, .err = err, .folder = folder};
  base_status st = read_manifest(s, NULL, manifest);
  s->own = *manifest;
  if (!st) st = name_all(s);
  if (!st) st = s->own->is_gate ? read_gate_rows(s) : read_pack_rows(s);
  base_free(a, s->seen.hash, s->seen.cap * sizeof *s->seen.hash);
  base_free(a, s, sizeof *s);
  if (!st) return BASE_OK;
  pack_manifest_close(*manifest);
  *manifest = NULL;
  return st;
}

/* ---- what training needs besides rows ---- */

base_status pack_allowed_slots(const pack_manifest *m, const data_set *set, uint8_t **allowed,
                               const base_allocator *a, base_error *err) {
  size_t labels = set->labels.n, slots = set->slots.n > 0 ? set->slots.n : 1;
  *allowed = base_calloc(a != NULL ? a : base_allocator_libc(), labels, slots);
  if (*allowed == NULL) return base_fail(err, BASE_ENOMEM, m->name, "no memory for the labels' slots");
  for (size_t i = 0; i < labels && m->is_gate; i++)
    (*allowed)[i * slots] = 1;
  for (size_t i = 0; i < m->n_actions; i++)
    for (size_t k = 0; k < m->n_slots; k++)
      (*allowed)[i * slots + k] = (uint8_t)(m->action[i].slots >> k & 1);
  return BASE_OK;
}

static base_status hash_files(const source *s, const char *beside, uint64_t *hash) {
  static const char *const files[] = {"pack.json", "sentences.txt", "values.txt", "negatives.txt"};
  base_status st = BASE_OK;
  for (size_t i = 0; i < sizeof files / sizeof files[0] && !st; i++) {
    char path[MAX_PATH_BYTES];
    base_buf file = {.allocator = s->allocator};
    st = path_of(s, beside, files[i], path);
    if (!st && os_exists(path)) {
      st = os_read_file(path, MAX_SOURCE_BYTES, &file, s->err);
      uint64_t len = file.len;
      *hash = base_hash(base_hash(*hash, files[i], strlen(files[i])), &len, sizeof len);
      *hash = base_hash(*hash, file.ptr, file.len);
    }
    base_buf_free(&file);
  }
  return st;
}

base_status pack_source_hash(const char *folder, uint64_t *hash, base_error *err) {
  source s = {.allocator = base_allocator_libc(), .folder = folder, .err = err};
  pack_manifest *m = NULL;
  *hash = BASE_HASH_START;
  base_status st = read_manifest(&s, NULL, &m);
  if (!st) st = hash_files(&s, NULL, hash);
  for (size_t i = 0; !st && i < m->n_packs; i++)
    st = hash_files(&s, m->packs[i], hash);
  pack_manifest_close(m);
  return st;
}

void pack_put(const pack_manifest *m, uint64_t source_hash, gguf_writer *w) {
  char digits[17];
  base_format(digits, sizeof digits, "%016llx", (unsigned long long)source_hash);
  gguf_put_string(w, PACK_KEY("manifest"), base_slice_of(m->json));
  gguf_put_string(w, PACK_KEY("name"), base_slice_of(m->name));
  gguf_put_string(w, PACK_KEY("version"), base_slice_of(m->version));
  gguf_put_string(w, PACK_KEY("source"), base_slice_of(digits));
}
