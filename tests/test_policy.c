/* Policies read, refused with the place, and asked. */
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"
#include "tap.h"

static base_status reads(policy *p, const char *json, base_error *err) {
  *err = (base_error){0};
  return policy_read(p, base_slice_of(json), "policy.json", "/etc/app", err);
}

static void test_defaults(void) {
  policy p;
  base_error err;
  TAP_OK(reads(&p, "{\"version\":\"1\"}", &err) == BASE_OK, "the smallest: %s", err.text);
  TAP_OK(!p.cloud && p.risk[3] == POLICY_CONFIRM && p.risk[0] == POLICY_ACT, "no cloud, money confirmed");
  TAP_OK(p.personal.of[GUARD_CARD] == GUARD_KEEP && p.personal.of[GUARD_EMAIL] == GUARD_REDACT, "guard's own rules");
  TAP_OK(policy_allows_pack(&p, "clock") && policy_flag(&p, "anything", 1), "all packs, all flags");
}

static void test_all(void) {
  static const char text[] =
      "{\"version\":\"2026-11\",\"packs\":{\"allow\":[\"clock\",\"music\"],\"deny\":[\"money\"]},"
      "\"risk\":{\"discloses\":\"confirm\",\"safety\":\"refuse\"},\"domains\":{\"medical\":\"refuse\"},"
      "\"confidence\":{\"at_most_wrong\":0.05,\"packs\":{\"clock\":0.001},\"text\":0.5},"
      "\"personal_data\":{\"email\":\"keep\",\"place\":\"redact\",\"threshold\":0.5},"
      "\"cloud\":{\"enabled\":true,\"tasks\":[\"text\"],\"dialect\":\"anthropic\",\"endpoint\":\"https://x/v1\","
      "\"model\":\"m\",\"key_file\":\"key\",\"prices\":\"/abs/prices.json\",\"max_tokens\":100,\"attempts\":2},"
      "\"budget\":{\"request_usd\":0.001,\"day_usd\":0.25,\"month_usd\":5},"
      "\"deadline_ms\":{\"cloud\":4000,\"text\":9000},"
      "\"offline\":{\"action\":\"defer\",\"text\":\"refuse\",\"keep_hours\":3},"
      "\"flags\":{\"cloud\":{\"percent\":50},\"defer\":{\"off\":true}},"
      "\"ledger\":{\"keep_text\":true,\"days\":7,\"max_mb\":2}}";
  policy p;
  base_error err;
  TAP_OK(reads(&p, text, &err) == BASE_OK, "all keys: %s: %s", err.where, err.text);
  TAP_OK(!policy_allows_pack(&p, "phone") && policy_allows_pack(&p, "music") && !policy_allows_pack(&p, "money"),
         "packs");
  TAP_OK(p.risk[2] == POLICY_CONFIRM && p.risk[5] == POLICY_REFUSE && p.domain[GUARD_MEDICAL] == POLICY_REFUSE,
         "risk and domains");
  TAP_OK(p.personal.of[GUARD_EMAIL] == GUARD_KEEP && p.personal.of[GUARD_PLACE] == GUARD_REDACT, "personal data");
  TAP_OK(p.anthropic && p.cloud_for[POLICY_TEXT] && !p.cloud_for[POLICY_ACTION], "cloud");
  TAP_OK(strcmp(p.key_file, "/etc/app/key") == 0 && strcmp(p.prices, "/abs/prices.json") == 0, "paths: %s",
         p.key_file);
  TAP_OK(p.request_nano_usd == 1000000 && p.day_nano_usd == 250000000, "money in whole units");
  TAP_OK(p.cloud_ms == 4000 && p.latency_ms[POLICY_TEXT] == 9000 && p.offline[POLICY_TEXT] == POLICY_NO, "times");
  TAP_OK(p.keep_text && p.ledger_days == 7, "ledger");
  TAP_OK(policy_share(&p, "music") == p.at_most_wrong, "a pack without a share of its own");
  TAP_OK(policy_share(&p, "clock") == 0.001f, "a pack with one");
  int on = 0;
  for (uint64_t device = 1; device <= 10000; device++) on += policy_flag(&p, "cloud", device);
  TAP_OK(on > 4800 && on < 5200, "half of the devices: %d", on);
  TAP_OK(policy_flag(&p, "cloud", 77) == policy_flag(&p, "cloud", 77) && !policy_flag(&p, "defer", 77), "kill switch");
  TAP_OK(!policy_flag(&p, "cloud", 0) && policy_flag(&p, "other", 0), "without an id nothing that is not on for all");
}

static void test_refused(void) {
  static const struct {
    const char *json, *says;
  } bad[] = {{"", "line"},
             {"[]", "object"},
             {"{}", "version"},
             {"{\"version\":\"1\",\"verson\":2}", "verson"},
             {"{\"version\":\"1\",\"version\":\"2\"}", "line"},
             {"{\"version\":\"1\",\"risk\":{\"money\":\"maybe\"}}", "/risk/money"},
             {"{\"version\":\"1\",\"personal_data\":{\"emial\":\"keep\"}}", "emial"},
             {"{\"version\":\"1\",\"personal_data\":{\"email\":\"show\"}}", "/personal_data/email"},
             {"{\"version\":\"1\",\"cloud\":{\"enabled\":true}}", "endpoint"},
             {"{\"version\":\"1\",\"budget\":{\"request_usd\":2,\"day_usd\":1}}", "budget"},
             {"{\"version\":\"1\",\"budget\":{\"day_usd\":-1}}", "/budget/day_usd"},
             {"{\"version\":\"1\",\"packs\":{\"allow\":[\"a\"],\"deny\":[\"a\"]}}", "both"},
             {"{\"version\":\"1\",\"flags\":{\"x\":{\"percent\":101}}}", "/flags/x/percent"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    policy p;
    char all[400];
    base_error err;
    policy_init(&p);
    base_format(p.version, sizeof p.version, "kept");
    base_status st = reads(&p, bad[i].json, &err);
    base_format(all, sizeof all, "%s %s", err.where, err.text);
    TAP_OK(st == BASE_EFORMAT && strstr(all, bad[i].says) != NULL, "%s -> %s", bad[i].json, all);
    TAP_OK(strcmp(p.version, "kept") == 0, "what was in force stays");
  }
}

static void test_published(void) {
  char text[16384] = "";
  FILE *f = fopen("docs/policy.schema.json", "rb");
  size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
  if (f) fclose(f);
  while (n && text[n - 1] == '\n') n--;
  TAP_OK(n == strlen(policy_schema()) && memcmp(text, policy_schema(), n) == 0,
         "docs/policy.schema.json is what minnow policy schema prints");
}

int main(void) {
  test_defaults();
  test_all();
  test_refused();
  test_published();
  return tap_done("test_policy");
}
