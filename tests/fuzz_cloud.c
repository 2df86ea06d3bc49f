/* Fuzz target: any bytes as what a service answers. The first byte says the dialect, whether it is a stream, the size of
 * the pieces, whether a list was asked for, and the status. Every question ends, with an outcome, bounded text and settled money. */
#include <stdlib.h>

#include "scripted_cloud.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

typedef struct bytes {
  scripted_world world;
  const char *body;
  size_t len, piece;
  int status;
} bytes;

static base_status perform(void *ctx, const cloud_call *call, bool (*on_bytes)(void *to, base_slice piece), void *to,
                           cloud_reply *reply, base_error *err) {
  bytes *b = ctx;
  (void)call, (void)err;
  reply->connected = true;
  reply->retry_after_ms = -1;
  reply->status = b->status;
  for (size_t at = 0; at < b->len; at += b->piece)
    if (!on_bytes(to, (base_slice){b->body + at, b->len - at < b->piece ? b->len - at : b->piece})) break;
  return BASE_OK;
}

static bool on_text(void *ctx, base_slice piece, bool restarted) {
  size_t *heard = ctx;
  *heard = restarted ? piece.len : *heard + piece.len;
  return true;
}

static guard_clean *clean_text(void) {
  static guard_clean *clean;
  if (clean == NULL) {
    guard_options o;
    guard *g = NULL;
    guard_rules rules;
    guard_vault *v = guard_vault_new(NULL);
    guard_options_init(&o);
    guard_rules_init(&rules);
    require(v != NULL && guard_open(&g, &o, NULL) == BASE_OK);
    require(guard_clean_make(g, BASE_LITERAL("hello"), &rules, v, &clean, NULL, NULL) == BASE_OK);
    guard_vault_free(v);
    guard_close(g);
  }
  return clean;
}

static void check(const cloud_answer *a, size_t limit) {
  require((unsigned)a->outcome < CLOUD_OUTCOMES && a->attempts >= 1 && a->attempts <= 2);
  require(a->text.len <= limit && a->tool_arguments.len <= limit && a->tool_name.len <= limit);
  require(a->cost_nano_usd >= 0 && (a->outcome == CLOUD_ANSWERED || a->why[0] != '\0'));
  if (a->outcome == CLOUD_ANSWERED && a->text.len > 0) require(base_utf8_valid(a->text.ptr, a->text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int statuses[] = {200, 200, 200, 429, 500, 400, 200, 204};
  enum { LIMIT = 65536 };
  size_t heard = 0;
  cloud *c = NULL;
  cloud_answer a = {0};
  if (size < 1) return 0;
  bytes b = {.world = {.purse = INT64_MAX / 2}, .body = (const char *)data + 1, .len = size - 1,
             .piece = data[0] & 4 ? 1 : data[0] & 8 ? 7 : size, .status = statuses[data[0] >> 5]};
  cloud_transport transport = {perform, &b};
  cloud_clock clock = {scripted_clock_now, scripted_clock_sleep, &b.world};
  cloud_budget purse = {scripted_reserve, scripted_settle, &b.world};
  cloud_options o = {.dialect = data[0] & 1 ? CLOUD_ANTHROPIC : CLOUD_OPENAI, .endpoint = "https://cloud.test/v1",
                     .model = "big-1", .transport = &transport, .clock = &clock, .budget = &purse,
                     .price = {150000000, 600000000}, .max_attempts = 2, .max_answer_bytes = LIMIT};
  cloud_message message = {CLOUD_USER, clean_text()};
  cloud_question q = {.messages = &message, .n_messages = 1, .stream = data[0] & 2, .on_text = on_text, .on_text_ctx = &heard};
  if (data[0] & 16) q.schema = BASE_LITERAL("{\"type\":\"array\",\"items\":{\"type\":\"number\"}}");
  require(cloud_open(&c, &o, NULL) == BASE_OK);
  base_status st = cloud_ask(c, &q, &a, NULL);
  require(st == BASE_OK && b.world.reserved == 0 && b.world.settled >= 0);
  check(&a, LIMIT);
  cloud_answer_free(&a);
  cloud_close(c);
  return 0;
}
