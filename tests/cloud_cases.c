/* The cloud client over the real HTTP library against cloud_double.py: cloud_cases PORT TLS_PORT CERTIFICATE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/cloud.h"
#include "os/os.h"
#include "tap.h"

static guard_clean *words;

static cloud_answer asked(cloud_options *o, const char *port, const char *fault, bool stream,
                          uint32_t deadline_ms) {
  char endpoint[128];
  cloud *c = NULL;
  cloud_answer a = {0};
  cloud_message message = {CLOUD_USER, words};
  base_error err = {0};
  base_format(endpoint, sizeof endpoint, "%s127.0.0.1:%s/%s/v1", o->ca_file || !o->model ? "https://" : "http://",
              port, fault);
  o->endpoint = endpoint;
  o->model = "double-1";
  o->key = BASE_LITERAL("secret-key");
  o->backoff_ms = 20;
  cloud_question q = {.messages = &message, .n_messages = 1, .stream = stream, .deadline_ms = deadline_ms};
  base_status st = cloud_open(&c, o, &err);
  if (!st) st = cloud_ask(c, &q, &a, &err);
  TAP_OK(st == BASE_OK, "%s: %s", fault, err.text);
  cloud_close(c);
  return a;
}

static void test_faults(const char *port) {
  static const struct {
    const char *fault;
    bool stream;
    cloud_outcome outcome;
    uint32_t attempts, deadline_ms, least_ms;
  } cases[] = {{"good", false, CLOUD_ANSWERED, 1, 5000, 0},
               {"good+s", true, CLOUD_ANSWERED, 1, 5000, 0},
               {"slow", false, CLOUD_ANSWERED, 1, 5000, 350},
               {"drip", true, CLOUD_ANSWERED, 1, 5000, 0},
               {"dripforever", true, CLOUD_TIMED_OUT, 1, 600, 500},
               {"reset", false, CLOUD_FAILED, 3, 5000, 0},
               {"resetonce", false, CLOUD_ANSWERED, 2, 5000, 0},
               {"broken", true, CLOUD_UNREADABLE, 3, 5000, 0},
               {"brokenonce", true, CLOUD_ANSWERED, 2, 5000, 0},
               {"short", false, CLOUD_FAILED, 3, 5000, 0},
               {"429", false, CLOUD_LIMITED, 1, 800, 0},
               {"429once", false, CLOUD_ANSWERED, 2, 5000, 1000},
               {"500", false, CLOUD_FAILED, 3, 5000, 0},
               {"500once", false, CLOUD_ANSWERED, 2, 5000, 0},
               {"401", false, CLOUD_REFUSED, 1, 5000, 0},
               {"redirect", false, CLOUD_REFUSED, 1, 5000, 0},
               {"nojson", false, CLOUD_UNREADABLE, 3, 5000, 0},
               {"garbage", false, CLOUD_FAILED, 3, 5000, 0},
               {"hang", false, CLOUD_TIMED_OUT, 1, 400, 350}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cloud_options o = {.model = ""};
    cloud_answer a = asked(&o, port, cases[i].fault, cases[i].stream, cases[i].deadline_ms);
    bool broken = a.outcome == CLOUD_FAILED || a.outcome == CLOUD_UNREADABLE;
    bool same = a.outcome == cases[i].outcome ||
                (broken && (cases[i].outcome == CLOUD_FAILED || cases[i].outcome == CLOUD_UNREADABLE));
    TAP_OK(same && a.attempts == cases[i].attempts, "%s: %s after %u attempts (%s)", cases[i].fault,
           cloud_outcome_word(a.outcome), a.attempts, a.why);
    TAP_OK(a.total_ms >= cases[i].least_ms && a.total_ms <= cases[i].deadline_ms + 500, "%s: %u ms",
           cases[i].fault, a.total_ms);
    if (a.outcome == CLOUD_ANSWERED)
      TAP_OK(a.text.ptr && strcmp(a.text.ptr, "Lima") == 0 && a.tokens_in == 20, "%s: the answer", cases[i].fault);
    TAP_OK(strstr(a.why, "secret-key") == NULL, "%s: no key in what is said", cases[i].fault);
    cloud_answer_free(&a);
  }
}

static void test_connections(const char *tls_port, const char *certificate) {
  cloud_options stranger = {.model = NULL}, known = {.model = NULL, .ca_file = certificate}, nobody = {.model = ""};
  cloud_answer a = asked(&stranger, tls_port, "good", false, 3000);
  TAP_OK(a.outcome == CLOUD_UNTRUSTED && a.attempts == 1 && a.cost_nano_usd == 0, "unknown certificate: %s", a.why);
  cloud_answer_free(&a);
  a = asked(&known, tls_port, "good", false, 3000);
  TAP_OK(a.outcome == CLOUD_ANSWERED, "known certificate: %s", a.why);
  cloud_answer_free(&a);
  a = asked(&nobody, "1", "good", false, 3000);
  TAP_OK(a.outcome == CLOUD_UNAVAILABLE && a.cost_nano_usd == 0, "nobody listens: %s", a.why);
  cloud_answer_free(&a);
}

int main(int argc, char **argv) {
  guard *watch = NULL;
  guard_options o;
  guard_rules rules;
  if (argc != 4) return 2;
  guard_options_init(&o);
  guard_rules_init(&rules);
  if (guard_open(&watch, &o, NULL)) return 1;
  guard_vault *vault = guard_vault_new(NULL);
  guard_clean_make(watch, BASE_LITERAL("the capital of Peru"), &rules, vault, &words, NULL, NULL);
  test_faults(argv[1]);
  test_connections(argv[2], argv[3]);
  guard_vault_free(vault);
  guard_clean_free(words);
  guard_close(watch);
  return tap_done("cloud");
}
