/* What the loop costs around its models: a request's time without the gate's and the packs', the guard on 200 characters,
 * and what a ledger adds to the request's way. CSV: figure, unit, min, median, p99, runs. Run from the root of the tree. */
#include "figures.h"
#include "flow_house.h"

enum { ROUNDS = 20, MAX_LINES = 256, MAX_TIMES = MAX_LINES * ROUNDS };

/* One request to its end, in microseconds. */
static double ask(house *h, handoff_flow *f, const char *text, bool with_ledger, const handoff_outcome **out) {
  handoff_means m = means_of(h);
  handoff_request r = request_of(POLICY_ACTION, text);
  base_error err = {0};
  static unsigned long number;
  char id[24];
  base_format(id, sizeof id, "b-%lu", number++);
  r.id = id;
  if (!with_ledger) m.ledger = NULL;
  uint64_t start = os_monotonic_ns();
  handoff_flow_start(f, &m, &r);
  while (handoff_flow_at(f) != HANDOFF_AT_END && handoff_flow_step(f, &err) == BASE_OK) {
  }
  double us = (double)(os_monotonic_ns() - start) * 1e-3;
  *out = &handoff_flow_result(f)->out;
  return us;
}

/* Pairs, one with a ledger and one without, that differ in nothing else. */
static void bench_requests(house *h, handoff_flow *f, char lines[MAX_LINES][512], size_t n) {
  static double around[MAX_TIMES], with[MAX_TIMES], without[MAX_TIMES];
  size_t count = 0;
  for (int round = -1; round < ROUNDS; round++)
    for (size_t i = 0; i < n; i++) {
      double us[2], models = 0.0;
      for (int turn = 0; turn < 2; turn++) { /* who comes second finds everything in the caches: take turns */
        const handoff_outcome *out;
        bool ledger_on = (turn + round) % 2 != 0;
        us[ledger_on] = ask(h, f, lines[i], ledger_on, &out);
        if (ledger_on) models = (double)(out->ns_gate + out->ns_pack) * 1e-3;
      }
      if (round < 0) continue;
      around[count] = us[1] - models;
      with[count] = us[1];
      without[count++] = us[0];
      if (i % 16 == 0) (void)ledger_flush(h->ledger, NULL); /* a person does not ask faster than a disk writes */
    }
  figures_row("loop around the models", "us", around, count);
  figures_row("request with a ledger", "us", with, count);
  figures_row("request without a ledger", "us", without, count);
}

static void bench_guard(house *h, handoff_flow *f, char lines[MAX_LINES][512], size_t n) {
  static double us[MAX_TIMES];
  size_t count = 0;
  for (int round = -1; round < ROUNDS; round++)
    for (size_t i = 0; i < n; i++) {
      const handoff_outcome *out;
      char text[1024] = "";
      for (size_t k = i, at = 0; at < 200; k++, at = strlen(text))
        base_format(text + at, sizeof text - at, "%s%s", at ? ", " : "", lines[k % n]);
      text[200] = '\0';
      (void)ask(h, f, text, true, &out);
      if (round >= 0) us[count++] = (double)out->ns_guard * 1e-3;
    }
  figures_row("guard in the loop on 200 characters", "us", us, count);
}

int main(void) {
  static house h;
  static char lines[MAX_LINES][512];
  size_t n = figures_requests(lines, MAX_LINES);
  handoff_flow *f = NULL;
  static const scripted nobody[] = {{.unreachable = true}};
  if (n == 0 || !open_house(&h) || handoff_flow_new(&f, NULL, NULL)) return 1;
  begin(&h, nobody, 1);
  h.policy.cloud = false;
  figures_head();
  bench_requests(&h, f, lines, n);
  bench_guard(&h, f, lines, n);
  end(&h);
  handoff_flow_free(f);
  close_house(&h);
  (void)tap_done; /* the output is a table */
  return tap_failed != 0;
}
