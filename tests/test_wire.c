/* No value of a class that is kept leaves the device or is written down: requests made of templates, values and disguises,
 * by every way that text takes, with a service that keeps every byte and a ledger that keeps text. The values are looked
 * for by themselves (kept_values.h), not by the guard. usage: test_wire [REQUESTS [TEXTS.jsonl...]]; texts: rows with
 * "spans" of presidio's form, or "prompt", "user_input". */
#include <jansson.h>

#include "flow_house.h"
#include "kept_values.h"

enum { BATCH = 400, MAX_BODY = 4096 };

typedef enum way_out {
  BY_TEXT, BY_ACTION, BY_CONTEXT, BY_EXTRACTION, BY_QUEUE, BY_CHECK, BY_TOOL, BY_FEEDBACK, BY_INSTRUCTIONS, BY_SCHEMA, WAYS
} way_out;
static const char *const way_names[] = {"text",  "action", "context",  "extraction",   "queue",
                                        "check", "tool",   "feedback", "instructions", "schema"};

typedef struct wires {
  house h;
  base_rng rng;
  kept_value sent[BATCH];
  size_t n_sent;
  char body[MAX_BODY]; /* what the service says */
  scripted script;
  char complaint[200]; /* what the app's check says */
  char *folded;
  size_t folded_room;
  size_t requests, calls, refused, found[WAYS], by_class[GUARD_CLASSES], by_disguise[KEPT_DISGUISES];
} wires;

static const char *const templates[] = {
    "%s%s", "my %s%s, is that right?", "please write a letter about %s%s to the bank", "what is the limit of %s%s",
    "translate into French: I lost my %s%s yesterday", "{\"note\": \"%s%s\", \"ok\": true}", "explain why %s%s was refused",
    "first line\nsecond line %s%s\nthird line", "Why does the shop want %s%s?", "a poem with %s%s in every verse",
    "<p>%s%s</p>", "summarise: Dear sirs, %s%s belongs to me. Yours", "\"%s%s\"", "(%s%s)", "it was %s%s, I think",
    "| field | value |\n|---|---|\n| x | %s%s |", "compare %s%s and the other one", "draft: regards, %s%s"};

static bool leaked(wires *w, const char *bytes, size_t len, const kept_value *v) {
  if (w->folded_room < len + 1) {
    w->folded_room = 2 * len + 1024;
    w->folded = realloc(w->folded, w->folded_room);
    if (w->folded == NULL) abort();
  }
  return kept_inside(v, w->folded, kept_fold(bytes, len, w->folded));
}

/* ---- one request ---- */

static base_status complains(void *ctx, const char *app, const char *action, base_slice value, base_error *err) {
  wires *w = ctx;
  (void)app, (void)action, (void)value;
  return w->complaint[0] ? base_fail(err, BASE_EMISMATCH, "check", "%s", w->complaint) : BASE_OK;
}

static void script_for(wires *w, way_out way, const char *value) {
  base_buf said = {0};
  w->script = (scripted){.status = 200, .body = w->body, .unreachable = way == BY_QUEUE};
  w->complaint[0] = '\0';
  if (way == BY_CHECK) base_format(w->complaint, sizeof w->complaint, "there is nothing like %s here", value);
  base_buf_json(&said, base_slice_of(value));
  if (way == BY_TOOL) {
    base_buf inner = {0};
    base_buf_printf(&inner, "{\"time\":%s}", said.ptr);
    base_buf_clear(&said);
    base_buf_json(&said, (base_slice){inner.ptr, inner.len});
    base_format(w->body, sizeof w->body,
                "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"clock__set_alarm\","
                "\"arguments\":%s}}]}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}", said.ptr);
    base_buf_free(&inner);
  } else {
    base_format(w->body, sizeof w->body, "%s",
                "{\"choices\":[{\"message\":{\"content\":\"{}\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}");
  }
  base_buf_free(&said);
}

/* Schemas have values in what they allow. */
static base_slice schema_with(const char *text) {
  static char schema[2 * MAX_BODY];
  base_buf said = {0};
  base_buf_json(&said, base_slice_of(text));
  base_format(schema, sizeof schema, "{\"type\":\"object\",\"properties\":{\"x\":{\"enum\":[%s]}}}", said.ptr);
  base_buf_free(&said);
  return base_slice_of(schema);
}

static handoff_request shape(way_out way, const char *text) {
  static const char any[] = "{\"type\":\"object\"}";
  policy_task task = way == BY_ACTION || way == BY_TOOL ? POLICY_ACTION
                     : way == BY_EXTRACTION || way == BY_CHECK || way == BY_SCHEMA ? POLICY_EXTRACT : POLICY_TEXT;
  bool elsewhere = way == BY_CHECK || way == BY_TOOL || way == BY_FEEDBACK || way == BY_CONTEXT || way >= BY_INSTRUCTIONS;
  handoff_request r = request_of(task, elsewhere ? "explain how vaccines work" : text);
  if (task == POLICY_EXTRACT) r.schema = way == BY_SCHEMA ? schema_with(text) : base_slice_of(any);
  if (way == BY_CONTEXT) r.context = base_slice_of(text);
  if (way == BY_INSTRUCTIONS) r.instructions = base_slice_of(text);
  return r;
}

/* As the engine stores what an app reports. */
static void report_back(wires *w, const char *id, const char *text) {
  guard_vault *v = guard_vault_new(NULL);
  guard_clean *c = NULL;
  base_status st = guard_clean_make(w->h.guard, base_slice_of(text), &w->h.policy.personal, v, &c, NULL, NULL);
  if (ledger_flush(w->h.ledger, NULL)) TAP_OK(false, "flush");
  if (st == BASE_OK || st == BASE_EMISMATCH)
    st = ledger_feedback(w->h.ledger, base_slice_of(id), LEDGER_CORRECT, c, 5, NULL);
  TAP_OK(st == BASE_OK, "feedback: %s", base_status_text(st));
  guard_clean_free(c);
  guard_vault_free(v);
}

static const handoff_result *send(wires *w, handoff_flow *f, const handoff_request *r) {
  base_error err = {0};
  base_status st = BASE_OK;
  handoff_means m = means_of(&w->h);
  m.check = (handoff_check){complains, w};
  w->h.wire[0] = '\0';
  w->h.world.now_ms += 10000000; /* the breaker has closed again */
  handoff_flow_start(f, &m, r);
  while (!st && handoff_flow_at(f) != HANDOFF_AT_END) st = handoff_flow_step(f, &err);
  TAP_OK(st == BASE_OK || st == BASE_ELIMIT || st == BASE_EFORMAT, "%s: %s", err.where, err.text);
  w->requests++;
  return handoff_flow_result(f);
}

static void one(wires *w, handoff_flow *f, size_t i) {
  static const guard_class kept[] = {GUARD_SECRET, GUARD_CARD,        GUARD_IBAN,     GUARD_ACCOUNT,
                                     GUARD_CRYPTO, GUARD_NATIONAL_ID, GUARD_PASSPORT, GUARD_LICENCE};
  char value[KEPT_DISGUISED], text[MAX_BODY], id[24];
  kept_value *v = &w->sent[w->n_sent++];
  kept_make(&w->rng, kept[base_rng_below(&w->rng, 8)], v);
  kept_disguise d = (kept_disguise)base_rng_below(&w->rng, KEPT_DISGUISES);
  way_out way = (way_out)(i % WAYS);
  kept_disguised(v, d, value);
  base_format(text, sizeof text, templates[base_rng_below(&w->rng, sizeof templates / sizeof *templates)], v->named, value);
  script_for(w, way, text);
  handoff_request r = shape(way, text);
  base_format(id, sizeof id, "w-%zu", i);
  r.id = id;
  const handoff_result *got = send(w, f, &r);
  w->refused += got->out.reason == HANDOFF_REASON_PRIVATE;
  w->calls += got->attempts;
  if (way == BY_FEEDBACK) report_back(w, id, text);
  if (!leaked(w, w->h.wire, strlen(w->h.wire), v)) return;
  w->found[way]++;
  w->by_class[v->cls]++;
  w->by_disguise[d]++;
  if (w->found[way] <= 20) printf("on the wire (%s, %s, %s): %s\n", way_names[way], guard_class_name(v->cls), kept_disguise_name(d), text);
}

/* ---- what was written down ---- */

static size_t in_file(wires *w, const char *path) {
  base_buf file = {0};
  size_t n = 0;
  if (!os_exists(path)) return 0;
  TAP_OK(!os_read_file(path, 1 << 28, &file, NULL), "%s", path);
  char *folded = malloc(file.len + 1);
  if (folded == NULL) abort();
  size_t len = kept_fold(file.ptr, file.len, folded);
  for (size_t i = 0; i < w->n_sent; i++)
    if (kept_inside(&w->sent[i], folded, len)) {
      n++;
      if (n <= 20) printf("in the ledger: %s %s\n", guard_class_name(w->sent[i].cls), w->sent[i].plain);
    }
  free(folded);
  base_buf_free(&file);
  return n;
}

static size_t written_down(wires *w) {
  char path[128];
  size_t n = 0;
  TAP_OK(!ledger_flush(w->h.ledger, NULL), "flush");
  base_format(path, sizeof path, "%s/ledger.db", w->h.folder);
  n += in_file(w, path);
  base_format(path, sizeof path, "%s/ledger.db-wal", w->h.folder);
  return n + in_file(w, path);
}

static void fresh(wires *w) {
  begin(&w->h, &w->script, 1);
  w->h.policy.keep_text = true;
  w->n_sent = 0;
}

static size_t batch(wires *w, handoff_flow *f, size_t from, size_t n) {
  fresh(w);
  for (size_t i = 0; i < n; i++) one(w, f, from + i);
  size_t found = written_down(w);
  end(&w->h);
  return found;
}

/* The looking itself has to work: with everything allowed the values are found, on the wire and in the ledger. */
static void test_control(wires *w, handoff_flow *f) {
  char value[KEPT_DISGUISED], text[MAX_BODY];
  fresh(w);
  for (int c = 0; c < GUARD_CLASSES; c++) w->h.policy.personal.of[c] = GUARD_ALLOW;
  for (int d = 0; d < KEPT_DISGUISES; d++) {
    kept_value *v = &w->sent[w->n_sent++];
    kept_make(&w->rng, GUARD_CARD, v);
    kept_disguised(v, (kept_disguise)d, value);
    base_format(text, sizeof text, "what is the limit of %s", value);
    script_for(w, BY_TEXT, text);
    handoff_request r = shape(BY_TEXT, text);
    send(w, f, &r);
    TAP_OK(leaked(w, w->h.wire, strlen(w->h.wire), v), "%s is seen on the wire", kept_disguise_name((kept_disguise)d));
  }
  TAP_OK(written_down(w) == KEPT_DISGUISES, "and in the ledger");
  end(&w->h);
}

/* ---- texts of a data set ---- */

/* The classes of presidio's rows whose values are kept. */
static bool kept_entity(const char *type) {
  static const char *const types[] = {"CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_DRIVER_LICENSE", "US_BANK_NUMBER",
                                      "US_PASSPORT", "CRYPTO", "US_ITIN"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(type, types[i]) == 0) return true;
  return false;
}

static size_t values_of(wires *w, const json_t *row, kept_value *out, size_t max) {
  const json_t *spans = json_object_get(row, "spans");
  size_t n = 0;
  (void)w;
  for (size_t i = 0; i < json_array_size(spans) && n < max; i++) {
    const json_t *s = json_array_get(spans, i);
    const char *type = json_string_value(json_object_get(s, "entity_type"));
    const char *value = json_string_value(json_object_get(s, "entity_value"));
    if (type == NULL || value == NULL || !kept_entity(type) || strlen(value) >= KEPT_BYTES) continue;
    out[n] = (kept_value){.cls = GUARD_ACCOUNT, .named = ""};
    base_format(out[n].plain, sizeof out[n].plain, "%s", value);
    kept_fold(value, strlen(value), out[n++].key);
  }
  return n;
}

static void send_rows(wires *w, handoff_flow *f, const char *path) {
  base_buf file = {0};
  base_slice line;
  size_t rows = 0, values = 0, out = 0;
  TAP_OK(!os_read_file(path, 1 << 26, &file, NULL), "%s", path);
  base_slice rest = {file.len ? file.ptr : "", file.len};
  while (base_slice_split(&rest, '\n', &line)) {
    kept_value v[32];
    json_t *row = json_loadb(line.ptr, line.len, 0, NULL);
    const char *text = json_string_value(json_object_get(row, "full_text"));
    if (text == NULL) text = json_string_value(json_object_get(row, "prompt"));
    if (text == NULL) text = json_string_value(json_object_get(row, "user_input"));
    size_t n = values_of(w, row, v, 32);
    for (int way = BY_TEXT; text != NULL && way <= BY_CONTEXT; way++) {
      script_for(w, (way_out)way, "");
      handoff_request r = shape((way_out)way, text);
      send(w, f, &r);
      for (size_t i = 0; i < n; i++)
        if (leaked(w, w->h.wire, strlen(w->h.wire), &v[i])) {
          out++;
          printf("on the wire (%s): %s in %s\n", way_names[way], v[i].plain, text);
        }
    }
    for (size_t i = 0; i < n && w->n_sent < BATCH; i++) w->sent[w->n_sent++] = v[i];
    rows += text != NULL;
    values += n;
    json_decref(row);
  }
  base_buf_free(&file);
  printf("%s: %zu rows, %zu kept values, %zu on the wire\n", path, rows, values, out);
  TAP_OK(rows > 0 && out == 0, "%s: %zu values on the wire", path, out);
}

int main(int argc, char **argv) {
  static wires w;
  handoff_flow *f = NULL;
  size_t wanted = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 2400, on_wire = 0, down = 0;
  base_rng_seed(&w.rng, 20261121);
  w.h.kept.keep_text = true;
  if (open_house(&w.h) && !handoff_flow_new(&f, NULL, NULL)) {
    test_control(&w, f);
    size_t before = w.requests;
    w.calls = w.refused = 0;
    for (size_t i = 0; i < wanted; i += BATCH) down += batch(&w, f, i, wanted - i < BATCH ? wanted - i : BATCH);
    for (int i = 0; i < WAYS; i++) on_wire += w.found[i];
    printf("fuzzed: %zu requests, %zu refused as private, %zu calls, %zu values on the wire, %zu in the ledger\n",
           w.requests - before, w.refused, w.calls, on_wire, down);
    for (int c = 0; c < GUARD_CLASSES; c++)
      if (w.by_class[c]) printf("  %s: %zu\n", guard_class_name((guard_class)c), w.by_class[c]);
    for (int d = 0; d < KEPT_DISGUISES; d++)
      if (w.by_disguise[d]) printf("  %s: %zu\n", kept_disguise_name((kept_disguise)d), w.by_disguise[d]);
    TAP_OK(on_wire == 0 && down == 0, "%zu on the wire, %zu written down", on_wire, down);
    TAP_OK(w.calls > wanted / 8 && w.refused > wanted / 4, "the ways are gone");
    for (int i = 2; i < argc; i++) {
      fresh(&w);
      send_rows(&w, f, argv[i]);
      TAP_OK(written_down(&w) == 0, "%s: nothing written down", argv[i]);
      end(&w.h);
    }
  }
  handoff_flow_free(f);
  free(w.folded);
  close_house(&w.h);
  return tap_done("test_wire");
}
