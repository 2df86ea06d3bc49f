/* What several commands do: open the engine, show an answer, tell a failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

int cli_fail(const mn_error *err) {
  if (err->where[0] != '\0') fprintf(stderr, "minnow: %s: %s\n", err->where, err->text);
  else fprintf(stderr, "minnow: %s\n", err->text);
  return CLI_FAILED;
}

static const char *or_environment(const char *given, const char *name) {
  const char *found = given != NULL ? given : getenv(name);
  return found != NULL && found[0] != '\0' ? found : NULL;
}

/* A contact a line, into the engine. */
static int read_contacts(mn_engine *mn, const char *path) {
  base_buf text = {0};
  base_slice line;
  const char **names = NULL;
  size_t n = 0, most = 1;
  mn_error err = {0};
  if (cli_read_text(path, &text) != CLI_GO) return CLI_FAILED;
  for (size_t i = 0; i < text.len; i++) most += text.ptr[i] == '\n';
  names = calloc(most, sizeof *names);
  base_slice rest = {text.len ? text.ptr : "", text.len};
  while (names != NULL && base_slice_split(&rest, '\n', &line)) {
    line = base_slice_trim(line);
    if (line.len == 0) continue;
    names[n++] = line.ptr;
    text.ptr[(size_t)(line.ptr - text.ptr) + line.len] = '\0'; /* the line's end, or the text's */
  }
  int st = names != NULL ? mn_contacts(mn, names, n, &err) : MN_ENOMEM;
  if (names == NULL) err = (mn_error){MN_ENOMEM, "contacts", "no memory for the names"};
  free(names);
  base_buf_free(&text);
  return st == MN_OK ? CLI_GO : cli_fail(&err);
}

const char *cli_packs_folder(const char *given) { return or_environment(given, "MINNOW_PACKS"); }

int cli_open_engine(mn_engine **mn, cli_house *house) {
  mn_engine_options o;
  mn_error err = {0};
  mn_engine_options_init(&o);
  if (house->model != NULL && mn_model_open(&house->opened, house->model, NULL, &err) != MN_OK) return cli_fail(&err);
  o.model = house->opened;
  o.probe = house->probe;
  o.router = house->router;
  o.packs_dir = cli_packs_folder(house->packs);
  o.policy = or_environment(house->policy, "MINNOW_POLICY");
  o.ledger = or_environment(house->ledger, "MINNOW_LEDGER");
  o.cloud_key = or_environment(NULL, "MINNOW_CLOUD_KEY");
  o.device = or_environment(NULL, "MINNOW_DEVICE");
  o.device_tier = or_environment(NULL, "MINNOW_TIER");
  o.kernels = or_environment(NULL, "MINNOW_KERNELS");
  house->kept = o.ledger != NULL;
  if (mn_engine_open(mn, &o, &err) != MN_OK) return cli_fail(&err);
  return house->contacts != NULL ? read_contacts(*mn, house->contacts) : CLI_GO;
}

void cli_warn_policy(const mn_engine *mn) {
  mn_error err = {0};
  if (mn_policy_problem(mn, &err) == MN_OK) return;
  fprintf(stderr, "minnow: the policy %s stays in force: %s: %s\n", mn_policy_version(mn), err.where, err.text);
}

void cli_close_engine(mn_engine *mn, cli_house *house) {
  mn_engine_close(mn);
  mn_model_close(house->opened);
}

const char *cli_ledger(const char *command, const char *given) {
  const char *path = or_environment(given, "MINNOW_LEDGER");
  if (path == NULL) (void)cli_usage(command, "name the ledger with --ledger FILE or $MINNOW_LEDGER", NULL);
  return path;
}

bool cli_has_ledger(const char *path) {
  if (os_exists(path)) return true;
  fprintf(stderr, "minnow: %s: there is no ledger here yet\n", path);
  return false;
}

const char *cli_percent(double share, char out[16]) {
  (void)base_format(out, 16, "%.0f %%", share * 100.0);
  return out;
}

static const char *where_of(const mn_outcome *o) {
  const char *source = mn_outcome_source(o);
  if (strcmp(source, "rule") == 0) return "on this device, by a rule";
  return strcmp(source, "device") == 0 ? "on this device" : "in the cloud";
}

static void show_action(const mn_action *a) {
  char percent[16];
  printf("action      %s%s%s%s%s\n", cli_decision_colour(a->decision), a->title, cli_plain(),
         a->summary[0] != '\0' ? ": " : "", a->summary);
  printf("            %s%s %s %s  %s, %s, %s%s\n", cli_dim(), a->pack, a->name, a->arguments, a->decision,
         a->risk, cli_percent((double)a->confidence, percent), cli_plain());
}

/* Only what models here said has a confidence. */
static bool has_confidence(const mn_outcome *o) {
  return strcmp(mn_outcome_source(o), "device") == 0 && mn_outcome_confidence(o) > 0.0f;
}

void cli_show_outcome(const mn_outcome *o, bool kept) {
  char percent[16];
  mn_timings t = mn_outcome_timings(o);
  const char *decision = mn_outcome_decision(o);
  printf("decision    %s%s%s\n", cli_decision_colour(decision), decision, cli_plain());
  for (size_t i = 0; i < mn_outcome_actions(o); i++) {
    mn_action a = mn_outcome_action(o, i);
    show_action(&a);
  }
  if (mn_outcome_text(o)[0] != '\0') printf("text        %s\n", mn_outcome_text(o));
  if (mn_outcome_answer(o)[0] != '\0') printf("answer      %s\n", mn_outcome_answer(o));
  if (has_confidence(o)) printf("confidence  %s\n", cli_percent((double)mn_outcome_confidence(o), percent));
  printf("where       %s\n", where_of(o));
  printf("why         %s (%s)\n", mn_outcome_why(o), mn_outcome_reason(o));
  if (mn_outcome_detail(o)[0] != '\0') printf("            %s%s%s\n", cli_dim(), mn_outcome_detail(o), cli_plain());
  if (kept) printf("id          %s\n", mn_outcome_id(o));
  printf("time        %.2f ms: guard %.2f, gate %.2f, pack %.2f, valid %.2f", t.total_us / 1000.0,
         t.guard_us / 1000.0, t.gate_us / 1000.0, t.pack_us / 1000.0, t.valid_us / 1000.0);
  if (t.cloud_us > 0) printf(", cloud %.2f", t.cloud_us / 1000.0);
  putchar('\n');
}
