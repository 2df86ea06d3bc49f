/* The engine: finds the packs, maps them, opens the loop, answers requests. Every pack is checked when the
 * engine opens, so that a request cannot fail on a file. */
#include <string.h>

#include "api/engine.h"

enum { MAX_PATH = 1024 };

void mn_engine_options_init(mn_engine_options *o) { *o = (mn_engine_options){.size = sizeof *o}; }

void mn_request_init(mn_request *r) { *r = (mn_request){.size = sizeof *r}; }

/* ---- finding the packs ---- */

static bool has_gate(const char *dir) {
  char path[MAX_PATH];
  return base_format(path, sizeof path, "%s/gate.gguf", dir) && os_exists(path);
}

/* The folder of the shipped gate. */
static base_status find_packs_dir(char *out, size_t out_size, base_error *err) {
  base_status st = api_shipped_file("gate.gguf", out, out_size, err);
  if (!st) *strrchr(out, '/') = '\0';
  return st;
}

/* ---- opening them ---- */

typedef struct pack_loader {
  mn_engine *mn;
  const char *dir;
  const tok_bpe *shared; /* of the first pack opened: packs of one trunk share its tokenizer */
} pack_loader;

static base_status add_pack(mn_engine *mn, pack *p, const char *path, base_error *err) {
  const char *name = pack_manifest_of(p)->name;
  if (pack_manifest_of(p)->is_gate) {
    if (mn->gate != NULL)
      return base_fail(err, BASE_EMISMATCH, path, "this is a second gate; keep one in the folder");
    mn->gate = p;
    return BASE_OK;
  }
  for (size_t i = 0; i < mn->n_packs; i++)
    if (strcmp(pack_manifest_of(mn->packs[i])->name, name) == 0)
      return base_fail(err, BASE_EMISMATCH, path,
                       "there is another pack named \"%s\" in the folder; keep one", name);
  if (mn->n_packs == ENGINE_MAX_PACKS)
    return base_fail(err, BASE_ELIMIT, path, "there are more than %d packs in the folder", ENGINE_MAX_PACKS);
  mn->packs[mn->n_packs++] = p;
  return BASE_OK;
}

static base_status load_pack(pack_loader *l, const char *name, base_error *err) {
  char path[MAX_PATH];
  pack *p = NULL;
  if (!base_format(path, sizeof path, "%s/%s", l->dir, name))
    return base_fail(err, BASE_ELIMIT, name, "the path to this pack is too long");
  base_status st = pack_open(&p, path, l->shared, &l->mn->allocator, err);
  if (st) return st;
  if (l->shared == NULL) l->shared = head_brain_tok(pack_brain(p));
  st = add_pack(l->mn, p, path, err);
  if (st) pack_close(p);
  return st;
}

/* Every NAME.gguf but the gate, which is loaded first, the trunk that packs are trained from, and the guard's model. */
static base_status load_entry(void *ctx, const char *name, base_error *err) {
  base_slice s = base_slice_of(name), suffix = BASE_LITERAL(".gguf");
  if (s.len <= suffix.len || s.ptr[0] == '.' ||
      !base_slice_equal(base_slice_sub(s, s.len - suffix.len, s.len), suffix))
    return BASE_OK;
  if (strcmp(name, "gate.gguf") == 0 || strcmp(name, "trunk.gguf") == 0 || strcmp(name, "guard.gguf") == 0)
    return BASE_OK;
  return load_pack(ctx, name, err);
}

static base_status load_packs(mn_engine *mn, const char *dir, base_error *err) {
  pack_loader l = {.mn = mn, .dir = dir};
  base_status st = BASE_OK;
  if (!os_is_dir(dir)) return base_fail(err, BASE_ENOTFOUND, dir, "this folder of packs does not exist");
  if (has_gate(dir)) st = load_pack(&l, "gate.gguf", err);
  if (!st) st = os_list_dir(dir, load_entry, &l, err);
  if (!st && mn->n_packs == 0)
    st = base_fail(err, BASE_ENOTFOUND, dir,
                   "no built packs (NAME.gguf) are here; build them with minnow train packs/NAME");
  return st;
}

static void hash_version(uint64_t *hash, const pack *p) {
  const pack_manifest *m = pack_manifest_of(p);
  *hash = base_hash(*hash, m->name, strlen(m->name) + 1);
  *hash = base_hash(*hash, m->version, strlen(m->version) + 1);
}

static base_status open_parts(mn_engine *mn, const mn_engine_options *o, base_error *err) {
  char found[MAX_PATH];
  const char *dir = o->packs_dir;
  base_status st = api_take_kernels(o->kernels, &mn->kernels, err);
  if (!st && dir == NULL) {
    st = find_packs_dir(found, sizeof found, err);
    dir = found;
  }
  if (!st) st = load_packs(mn, dir, err);
  if (!st)
    st = handoff_loop_open(&mn->loop, mn->gate, (const pack *const *)mn->packs, mn->n_packs, mn->kernels,
                           &mn->allocator, err);
  if (!st) st = api_house_open(mn, o, dir, err);
  if (st) return st;
  mn->versions_hash = base_hash(BASE_HASH_START, MN_VERSION, sizeof MN_VERSION);
  if (mn->gate != NULL) hash_version(&mn->versions_hash, mn->gate);
  for (size_t i = 0; i < mn->n_packs; i++)
    hash_version(&mn->versions_hash, mn->packs[i]);
  return BASE_OK;
}

int mn_engine_open(mn_engine **out, const mn_engine_options *options, mn_error *error) {
  base_error err = {0};
  mn_engine_options o;
  mn_engine *mn = NULL;
  mn_engine_options_init(&o);
  *out = NULL;
  base_status st = api_take_struct(&o, sizeof o, options, "engine options", &err);
  if (st) return api_result(st, &err, error);
  base_allocator a = o.resize != NULL ? (base_allocator){o.resize, o.resize_ctx} : *base_allocator_libc();
  mn = base_calloc(&a, 1, sizeof *mn);
  if (mn == NULL)
    return api_result(base_fail(&err, BASE_ENOMEM, "engine", "no memory for an engine"), &err, error);
  mn->allocator = a;
  mn->json.allocator = &mn->allocator;
  mn->local_seconds = o.local_seconds;
  mn->clock_ctx = o.clock_ctx;
  st = open_parts(mn, &o, &err);
  if (st) mn_engine_close(mn);
  else *out = mn;
  return api_result(st, &err, error);
}

void mn_engine_close(mn_engine *mn) {
  if (mn == NULL) return;
  base_allocator a = mn->allocator;
  api_house_close(mn);
  handoff_loop_close(mn->loop);
  /* the gate goes last: the others may share its tokenizer; without one, the first pack's */
  for (size_t i = mn->n_packs; i > 0; i--)
    pack_close(mn->packs[i - 1]);
  if (mn->gate != NULL) pack_close(mn->gate);
  base_buf_free(&mn->json);
  base_free(&a, mn, sizeof *mn);
}

size_t mn_engine_packs(const mn_engine *mn) { return mn->n_packs; }

const char *mn_engine_pack_name(const mn_engine *mn, size_t index) {
  return index < mn->n_packs ? pack_manifest_of(mn->packs[index])->name : NULL;
}

const char *mn_engine_pack_version(const mn_engine *mn, size_t index) {
  return index < mn->n_packs ? pack_manifest_of(mn->packs[index])->version : NULL;
}

const char *mn_engine_pack_manifest(const mn_engine *mn, size_t index) {
  return index < mn->n_packs ? pack_manifest_of(mn->packs[index])->json : NULL;
}

const char *mn_engine_kernels(const mn_engine *mn) { return mn->kernels->name; }

/* ---- one request ---- */

/* Years 1 to 9999 in seconds since 1970. */
static bool in_calendar(int64_t seconds) {
  return seconds >= INT64_C(-62135596800) && seconds <= INT64_C(253402300799);
}

static value_datetime from_seconds(int64_t seconds) {
  int64_t day = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    day--;
  }
  return (value_datetime){.date = value_civil_from_days(day),
                          .time = {(int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60)},
                          .has_date = true,
                          .has_time = true};
}

static base_status read_now(const mn_engine *mn, const char *iso, value_datetime *now, base_error *err) {
  os_local_time t;
  base_status st;
  if (iso != NULL) {
    st = value_parse_datetime(base_slice_of(iso), now, NULL);
    if (st || !now->has_date)
      return base_fail(err, BASE_EARGUMENT, "now", "\"%.60s\" is not a local time like 2026-11-21T09:30:00",
                       iso);
    now->has_time = true; /* a day alone begins at midnight */
    return BASE_OK;
  }
  if (mn->local_seconds != NULL) {
    int64_t seconds = mn->local_seconds(mn->clock_ctx);
    if (!in_calendar(seconds))
      return base_fail(err, BASE_EARGUMENT, "clock", "it is in no year from 1 to 9999");
    *now = from_seconds(seconds);
  } else {
    st = os_local_time_of(os_unix_seconds(), &t, err);
    if (st) return st;
    *now = (value_datetime){{t.year, t.month, t.day}, {t.hour, t.minute, t.second}, true, true};
  }
  return BASE_OK;
}

const pack *api_find_pack(const mn_engine *mn, const char *name) {
  for (size_t i = 0; i < mn->n_packs; i++)
    if (strcmp(pack_manifest_of(mn->packs[i])->name, name) == 0) return mn->packs[i];
  return NULL;
}

static base_status find_pack(const mn_engine *mn, const char *name, const pack **out, base_error *err) {
  *out = name ? api_find_pack(mn, name) : NULL;
  if (name == NULL || *out != NULL) return BASE_OK;
  return base_fail(err, BASE_ENOTFOUND, "pack", "there is no pack named \"%.60s\"; minnow packs lists them",
                   name);
}

/* With a given time everything is reproducible, the id too; otherwise it is random. */
static void make_id(const mn_engine *mn, const mn_request *r, base_slice text, base_slice context, char out[17]) {
  uint64_t id;
  if (r->now != NULL) {
    const char *open_pack = r->pack != NULL ? r->pack : "";
    id = base_hash(mn->versions_hash, text.ptr, text.len);
    id = base_hash(id, "", 1);
    if (context.len > 0) id = base_hash(id, context.ptr, context.len);
    id = base_hash(id, open_pack, strlen(open_pack) + 1);
    id = base_hash(id, r->now, strlen(r->now));
  } else {
    os_random_bytes(&id, sizeof id);
  }
  (void)base_format(out, 17, "%016llx", (unsigned long long)id);
}

static base_status read_task(const mn_request *r, handoff_request *out, base_error *err) {
  const char *name = r->task != NULL ? r->task : policy_task_name(POLICY_ACTION);
  for (out->task = POLICY_ACTION; out->task < POLICY_TASKS; out->task++)
    if (strcmp(name, policy_task_name(out->task)) == 0) break;
  if (out->task == POLICY_TASKS)
    return base_fail(err, BASE_EARGUMENT, "task", "\"%.20s\" is none of action, text, extract", name);
  if ((out->task == POLICY_EXTRACT) != (r->schema != NULL))
    return base_fail(err, BASE_EARGUMENT, "schema", "an extraction has a schema, and nothing else has");
  out->instructions = base_slice_of(r->instructions);
  out->schema = base_slice_of(r->schema);
  out->context = (base_slice){r->context, r->context ? r->context_len ? r->context_len : strlen(r->context) : 0};
  return BASE_OK;
}

static base_status answer(mn_engine *mn, const mn_request *given, mn_outcome **out, base_error *err) {
  mn_request r;
  value_datetime now;
  const pack *open_pack;
  char id[17];
  mn_request_init(&r);
  base_status st = api_take_struct(&r, sizeof r, given, "request", err);
  if (!st && r.text == NULL) st = base_fail(err, BASE_EARGUMENT, "request", "there is no text");
  if (!st) st = find_pack(mn, r.pack, &open_pack, err);
  if (!st) st = read_now(mn, r.now, &now, err);
  if (st) return st;
  base_slice text = {r.text, r.text_len > 0 ? r.text_len : strlen(r.text)};
  handoff_request request = {.id = id, .text = text, .open_pack = open_pack, .now = &now};
  st = read_task(&r, &request, err);
  if (st) return st;
  make_id(mn, &r, text, request.context, id);
  st = api_house_run(mn, &request, err);
  return st ? st : api_make_outcome(mn, id, out, err);
}

int mn_do(mn_engine *mn, const mn_request *r, mn_outcome **out, mn_error *error) {
  base_error err = {0};
  *out = NULL;
  return api_result(answer(mn, r, out, &err), &err, error);
}
