/* mn_schema: JSON Schemas for callers, and the folder of documents that they may refer to. */
#include <string.h>

#include "api/api.h"
#include "constrain/constrain.h"
#include "os/os.h"

enum { MAX_REMOTE_BYTES = 1 << 26, MAX_REMOTES = 4096 };

/* A file of the folder: its text is read when it is asked for, or to learn its $id. */
typedef struct remote {
  char *path;
  size_t path_bytes;
  base_buf text;
  base_buf id; /* without a '#' at the end */
} remote;

struct mn_schema {
  base_allocator allocator;
  mn_schema_options options;
  constrain_schema *compiled;
  remote *remote;
  size_t n_remotes, cap_remotes;
  bool listed; /* the folder has been looked through */
  base_buf uri;
};

void mn_schema_options_init(mn_schema_options *o) {
  *o = (mn_schema_options){.size = sizeof *o};
}

void mn_schema_check_options_init(mn_schema_check_options *o) {
  *o = (mn_schema_check_options){.size = sizeof *o};
}

/* ---- the folder ---- */

static remote *add_remote(mn_schema *s, const char *path) {
  remote *grown = base_grow(&s->allocator, s->remote, &s->cap_remotes, s->n_remotes + 1, sizeof *grown);
  if (grown == NULL) return NULL;
  s->remote = grown;
  remote *r = &s->remote[s->n_remotes];
  *r = (remote){
      .path_bytes = strlen(path) + 1, .text = {.allocator = &s->allocator}, .id = {.allocator = &s->allocator}};
  r->path = base_alloc(&s->allocator, r->path_bytes);
  if (r->path == NULL) return NULL;
  memcpy(r->path, path, r->path_bytes);
  s->n_remotes++;
  return r;
}

static remote *find_path(mn_schema *s, const char *path) {
  for (size_t i = 0; i < s->n_remotes; i++)
    if (strcmp(s->remote[i].path, path) == 0) return &s->remote[i];
  return NULL;
}

/* Its $id (or id), when it is JSON and has one. */
static base_status learn_id(mn_schema *s, remote *r) {
  jdoc d;
  base_status st = jdoc_open(&d, (base_slice){r->text.ptr, r->text.len}, NULL, r->path, &s->allocator, NULL);
  if (st) return st == BASE_ENOMEM ? st : BASE_OK; /* it may be refused when it is needed */
  for (int old = 0; old < 2 && r->id.len == 0 && jdoc_kind_at(&d, 0) == JDOC_OBJECT; old++) {
    uint32_t v = jdoc_find(&d, 0, base_slice_of(old ? "id" : "$id"));
    if (v == JDOC_NONE || jdoc_kind_at(&d, v) != JDOC_STRING) continue;
    base_slice id = jdoc_text(&d, v);
    if (id.len > 0 && id.ptr[id.len - 1] == '#') id.len--;
    base_buf_add(&r->id, id.ptr, id.len);
  }
  jdoc_close(&d);
  return r->id.failed ? BASE_ENOMEM : BASE_OK;
}

static void free_remote(const base_allocator *a, remote *r) {
  base_free(a, r->path, r->path_bytes);
  base_buf_free(&r->text);
  base_buf_free(&r->id);
}

/* One that cannot be read is none: the next who asks for it is told so again. */
static base_status read_remote(mn_schema *s, const char *path, remote **out, base_error *err) {
  *out = find_path(s, path);
  if (*out != NULL) return BASE_OK;
  remote *r = add_remote(s, path);
  if (r == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory for the document");
  base_status st = os_read_file(path, MAX_REMOTE_BYTES, &r->text, err);
  if (!st) st = learn_id(s, r);
  if (!st) *out = r;
  else free_remote(&s->allocator, &s->remote[--s->n_remotes]);
  return st;
}

typedef struct listing {
  mn_schema *s;
  const char *folder;
  int depth;
} listing;

/* Every .json file of a folder and the folders in it. */
static base_status list_entry(void *ctx, const char *name, base_error *err) {
  listing *l = ctx;
  char path[1024];
  remote *ignored;
  size_t n = strlen(name);
  if (l->s->n_remotes >= MAX_REMOTES)
    return base_fail(err, BASE_ELIMIT, l->folder, "there are more than %d documents", MAX_REMOTES);
  if (!base_format(path, sizeof path, "%s/%s", l->folder, name))
    return base_fail(err, BASE_ELIMIT, name, "its path is too long");
  if (os_is_dir(path)) {
    listing inner = {l->s, path, l->depth + 1};
    return l->depth < 16 ? os_list_dir(path, list_entry, &inner, err) : BASE_OK;
  }
  if (n < 5 || strcmp(name + n - 5, ".json") != 0) return BASE_OK;
  return read_remote(l->s, path, &ignored, err);
}

/* Where a document with that URI would lie: DIR/host/path, DIR/path, each also with ".json". */
static base_status find_by_path(mn_schema *s, base_slice uri, base_slice *text, base_error *err) {
  const char *dir = s->options.remote_dir;
  size_t start = 0;
  for (size_t i = 0; i + 3 <= uri.len && start == 0; i++)
    if (memcmp(uri.ptr + i, "://", 3) == 0) start = i + 3;
  base_slice with_host = base_slice_sub(uri, start, uri.len), host = with_host, path = with_host;
  if (start > 0) (void)base_slice_split(&path, '/', &host);
  base_slice tails[2] = {with_host, path};
  for (int i = 0; i < 4; i++) {
    char full[1024];
    remote *r;
    base_slice tail = tails[i / 2];
    if (tail.len == 0 || memchr(tail.ptr, 0, tail.len) != NULL) continue;
    if (!base_format(full, sizeof full, "%s/%.*s%s", dir, (int)tail.len, tail.ptr, i % 2 ? ".json" : "")) continue;
    if (strstr(full + strlen(dir), "..") != NULL || !os_exists(full) || os_is_dir(full)) continue;
    base_status st = read_remote(s, full, &r, err);
    if (!st) *text = (base_slice){r->text.ptr, r->text.len};
    return st;
  }
  return BASE_ENOTFOUND;
}

static base_status find_by_id(mn_schema *s, base_slice uri, base_slice *text, base_error *err) {
  if (!s->listed) {
    listing l = {s, s->options.remote_dir, 0};
    base_status st = os_list_dir(s->options.remote_dir, list_entry, &l, err);
    if (st) return st;
    s->listed = true;
  }
  for (size_t i = 0; i < s->n_remotes; i++) {
    const remote *r = &s->remote[i];
    if (r->id.len == 0 || !base_slice_equal((base_slice){r->id.ptr, r->id.len}, uri)) continue;
    *text = (base_slice){r->text.ptr, r->text.len};
    return BASE_OK;
  }
  return BASE_ENOTFOUND;
}

static base_status find_document(void *ctx, base_slice uri, base_slice *text) {
  mn_schema *s = ctx;
  base_status st = BASE_ENOTFOUND;
  if (s->options.find != NULL) {
    const char *found = NULL;
    size_t len = 0;
    base_buf_clear(&s->uri);
    base_buf_add(&s->uri, uri.ptr, uri.len);
    if (s->uri.failed) return BASE_ENOMEM;
    st = (base_status)s->options.find(s->options.find_ctx, s->uri.ptr, &found, &len);
    if (!st) *text = (base_slice){found, len};
  }
  if (st == BASE_ENOTFOUND && s->options.remote_dir != NULL) {
    st = find_by_path(s, uri, text, NULL);
    if (st == BASE_ENOTFOUND) st = find_by_id(s, uri, text, NULL);
  }
  return st;
}

/* ---- opening and checking ---- */

static base_status read_draft(const char *name, constrain_draft *out, base_error *err) {
  static const struct {
    const char *name;
    constrain_draft draft;
  } drafts[] = {{"4", CONSTRAIN_DRAFT4},
                {"6", CONSTRAIN_DRAFT6},
                {"7", CONSTRAIN_DRAFT7},
                {"2019-09", CONSTRAIN_DRAFT2019},
                {"2020-12", CONSTRAIN_DRAFT2020}};
  *out = CONSTRAIN_BY_SCHEMA;
  if (name == NULL) return BASE_OK;
  for (size_t i = 0; i < sizeof drafts / sizeof drafts[0]; i++)
    if (strcmp(name, drafts[i].name) == 0) {
      *out = drafts[i].draft;
      return BASE_OK;
    }
  return base_fail(err, BASE_EARGUMENT, "draft", "\"%.40s\" is none of 4, 6, 7, 2019-09, 2020-12", name);
}

static base_status open_schema(mn_schema **out, base_slice json, const mn_schema_options *given, base_error *err) {
  mn_schema_options o;
  constrain_options inner = {0};
  mn_schema_options_init(&o);
  base_status st = api_take_struct(&o, sizeof o, given, "mn_schema_options", err);
  if (!st) st = read_draft(o.draft, &inner.draft, err);
  if (st) return st;
  base_allocator a = o.resize != NULL ? (base_allocator){o.resize, o.resize_ctx} : *base_allocator_libc();
  mn_schema *s = base_calloc(&a, 1, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, "schema", "no memory for the schema");
  s->allocator = a;
  s->options = o;
  s->uri.allocator = &s->allocator;
  inner.ignore_formats = o.no_formats;
  inner.assert_content = o.content;
  inner.find = find_document;
  inner.find_ctx = s;
  inner.uri = base_slice_of(o.uri);
  st = constrain_schema_compile(&s->compiled, json, &inner, "schema", &a, err);
  if (st) mn_schema_close(s);
  else *out = s;
  return st;
}

int mn_schema_open(mn_schema **out, const char *json, size_t len, const mn_schema_options *o, mn_error *err) {
  base_error inner = {0};
  *out = NULL;
  return api_result(open_schema(out, (base_slice){json, len}, o, &inner), &inner, err);
}

void mn_schema_close(mn_schema *s) {
  if (s == NULL) return;
  base_allocator a = s->allocator;
  constrain_schema_close(s->compiled);
  for (size_t i = 0; i < s->n_remotes; i++) free_remote(&a, &s->remote[i]);
  base_buf_free(&s->uri);
  if (s->remote != NULL) base_free(&a, s->remote, s->cap_remotes * sizeof *s->remote);
  base_free(&a, s, sizeof *s);
}

static void pass_on(void *ctx, const constrain_failure *f) {
  const mn_schema_check_options *o = ctx;
  mn_schema_failure out = {f->instance, f->keyword, f->location, f->text};
  o->report(o->report_ctx, &out);
}

static base_status check(const mn_schema *s, base_slice json, const mn_schema_check_options *given, base_error *err) {
  mn_schema_check_options o;
  jdoc d;
  mn_schema_check_options_init(&o);
  base_status st = api_take_struct(&o, sizeof o, given, "mn_schema_check_options", err);
  if (st) return st;
  jdoc_limits limits = {.repeated_keys = !o.unique_keys};
  st = jdoc_open(&d, json, &limits, "instance", &s->allocator, err);
  if (st) return st;
  constrain_run_options run = {
      .all = o.all, .steps = o.steps, .report = o.report != NULL ? pass_on : NULL, .report_ctx = &o};
  st = constrain_validate(s->compiled, &d, &run, &s->allocator, err);
  jdoc_close(&d);
  return st;
}

int mn_schema_check(const mn_schema *s, const char *json, size_t len, const mn_schema_check_options *o, mn_error *err) {
  base_error inner = {0};
  return api_result(check(s, (base_slice){json, len}, o, &inner), &inner, err);
}
