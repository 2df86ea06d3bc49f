/* What the guard adds to a request: each of its questions alone and all together, on texts of 200 characters.
 * CSV as bench_request: figure, unit, least, median, p99, runs. Run from the root of the tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "guard/guard.h"
#include "os/os.h"

enum { ROUNDS = 2000 };

static const char *const texts[] = {
    "Hello, my name is Anna Kowalska and I live at 12 Hill Street in Boston; please send the statement for "
    "my card "
    "ending in 1111 to anna.k@example.org or call me on 555 012 3456 tomorrow at 7, it is urgent",
    "remind me tomorrow at half past six to call the dentist about the appointment on friday, then text Emma "
    "that I will "
    "be twenty minutes late for dinner and add milk, eggs and two loaves of bread to my shopping list",
    "Meeting notes from the project call: Dmitri will send the figures to the team in Rotterdam by 12 March, "
    "Aisha Bello "
    "from Northwind Logistics asked for the invoice again and the budget of 12,500 euros was approved"};
enum { TEXTS = sizeof texts / sizeof texts[0] };

typedef enum part { FIND, CLEAN, INJECTION, INSTRUCTED, RISK, ALL, PARTS } part;
static const char *const names[PARTS] = {"guard_find (200 characters)", "guard_clean_make (200 characters)",
                                         "guard_injection (200 characters)",
                                         "guard_injection beside instructions that forbid nine fields",
                                         "guard_risk_of (200 characters)",
                                         "find + injection + risk (200 characters)"};

static const char told[] =
    "You are the assistant of a garden centre. Be kind and brief, and answer in the language of the customer. Never discuss "
    "politics, religion, medicine, the law or finance. Topics such as space travel, artificial intelligence, mathematics and "
    "video games are off limits as well, to keep the talk about plants, tools and opening hours.";

static void ask(guard *g, part p, base_slice text) {
  static guard_span spans[256];
  size_t n;
  guard_attack attack;
  guard_risks risks;
  if (p == FIND || p == ALL) (void)guard_find(g, text, spans, 256, &n, NULL);
  if (p == INJECTION || p == ALL)
    (void)guard_injection(g, text, GUARD_FROM_USER, (base_slice){"", 0}, &attack, NULL);
  if (p == INSTRUCTED)
    (void)guard_injection(g, text, GUARD_FROM_USER, (base_slice){told, sizeof told - 1}, &attack, NULL);
  if (p == RISK || p == ALL) (void)guard_risk_of(g, text, &risks, NULL);
  if (p == CLEAN) {
    guard_rules r;
    guard_clean *c = NULL;
    guard_vault *v = guard_vault_new(NULL);
    guard_rules_init(&r);
    (void)guard_clean_make(g, text, &r, v, &c, NULL, NULL);
    guard_clean_free(c);
    guard_vault_free(v);
  }
}

int main(void) {
  guard_options o;
  guard *g = NULL;
  gguf_file *model = NULL;
  base_error err = {0};
  static double us[ROUNDS * TEXTS];
  guard_options_init(&o);
  if (gguf_open(&model, "packs/guard.gguf", NULL, &err) == BASE_OK) o.model = model;
  if (err.code != BASE_OK || guard_open(&g, &o, &err) != BASE_OK) {
    fprintf(stderr, "bench_guard: %s: %s\n", err.where, err.text);
    return 1;
  }
  figures_head();
  for (part p = FIND; p < PARTS; p++) {
    size_t n = 0;
    for (int round = -20; round < ROUNDS; round++)
      for (size_t i = 0; i < TEXTS; i++) {
        base_slice text = base_slice_sub(base_slice_of(texts[i]), 0, 200);
        uint64_t started = os_monotonic_ns();
        ask(g, p, text);
        if (round >= 0) us[n++] = (double)(os_monotonic_ns() - started) * 1e-3;
      }
    figures_row(names[p], "us", us, n);
  }
  guard_close(g);
  gguf_close(model);
  return 0;
}
