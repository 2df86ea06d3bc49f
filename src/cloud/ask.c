/* A question to the cloud: the loop drawn in cloud.h. */
#include <stdio.h>
#include <string.h>

#include "cloud/internal.h"
#include "os/os.h"

enum { DEFAULT_TOKENS = 512, DEFAULT_DEADLINE_MS = 15000, LEAST_CALL_MS = 50, MOST_DOUBLINGS = 5 };

static const char *const words[] = {
#define CLOUD_OUTCOME(name, word, text) word,
#include "cloud/outcome.def"
#undef CLOUD_OUTCOME
};
static const char *const texts[] = {
#define CLOUD_OUTCOME(name, word, text) text,
#include "cloud/outcome.def"
#undef CLOUD_OUTCOME
};
const char *cloud_outcome_word(cloud_outcome o) { return o < CLOUD_OUTCOMES ? words[o] : ""; }
const char *cloud_outcome_text(cloud_outcome o) { return o < CLOUD_OUTCOMES ? texts[o] : ""; }

/* ---- opening ---- */

static int64_t system_now(void *ctx) {
  (void)ctx;
  return (int64_t)(os_monotonic_ns() / 1000000);
}

static void system_sleep(void *ctx, uint32_t ms) {
  (void)ctx;
  os_sleep_ms(ms);
}

static const cloud_clock system_clock = {system_now, system_sleep, NULL};

/* A key and what a user wrote go over a plain connection only inside this machine. */
static bool may_be_plain(base_slice host) {
  static const char *const local[] = {"127.0.0.1", "localhost", "[::1]"};
  for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
    base_slice name = base_slice_of(local[i]);
    if (!base_slice_starts(host, name)) continue;
    char next = host.len > name.len ? host.ptr[name.len] : '/';
    if (next == ':' || next == '/') return true;
  }
  return false;
}

static base_status check_endpoint(const char *endpoint, base_error *err) {
  base_slice all = base_slice_of(endpoint), plain = BASE_LITERAL("http://"), safe = BASE_LITERAL("https://");
  for (size_t i = 0; i < all.len; i++)
    if ((unsigned char)all.ptr[i] <= ' ' || (unsigned char)all.ptr[i] >= 127)
      return base_fail(err, BASE_EARGUMENT, "endpoint", "\"%s\" is no address", endpoint);
  if (base_slice_starts(all, safe) && all.len > safe.len) return BASE_OK;
  if (base_slice_starts(all, plain) && may_be_plain(base_slice_sub(all, plain.len, all.len))) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, "endpoint",
                   "\"%s\" must begin with https:// (http:// only to this machine)", endpoint);
}

static base_status keep_key(cloud *c, base_slice key, base_error *err) {
  const char *name = c->o.dialect == CLOUD_ANTHROPIC ? "x-api-key: " : "Authorization: Bearer ";
  if (key.len == 0) return BASE_OK;
  for (size_t i = 0; i < key.len; i++)
    if ((unsigned char)key.ptr[i] <= ' ' || (unsigned char)key.ptr[i] >= 127)
      return base_fail(err, BASE_EARGUMENT, "key", "the key has a blank or a character that is not ASCII");
  c->key_bytes = strlen(name) + key.len + 1;
  c->key = base_alloc(&c->allocator, c->key_bytes);
  if (c->key == NULL) return base_fail(err, BASE_ENOMEM, "key", "no memory for the key");
  memcpy(c->key, name, strlen(name));
  memcpy(c->key + strlen(name), key.ptr, key.len);
  c->key[c->key_bytes - 1] = '\0';
  return BASE_OK;
}

static void fill_in(cloud_options *o) {
  if (o->connect_ms == 0) o->connect_ms = 3000;
  if (o->max_attempts == 0) o->max_attempts = 3;
  if (o->backoff_ms == 0) o->backoff_ms = 250;
  if (o->breaker_failures == 0) o->breaker_failures = 4;
  if (o->breaker_ms == 0) o->breaker_ms = 10000;
  if (o->max_answer_bytes == 0) o->max_answer_bytes = 1 << 20;
  if (o->transport == NULL) o->transport = cloud_transport_curl();
  if (o->clock == NULL) o->clock = &system_clock;
}

base_status cloud_open(cloud **out, const cloud_options *o, base_error *err) {
  const base_allocator *a = o->allocator ? o->allocator : base_allocator_libc();
  if (o->endpoint == NULL || o->model == NULL)
    return base_fail(err, BASE_EARGUMENT, "cloud", "an endpoint and a model are needed");
  base_status st = check_endpoint(o->endpoint, err);
  if (st) return st;
  cloud *c = base_calloc(a, 1, sizeof *c);
  if (c == NULL) return base_fail(err, BASE_ENOMEM, "cloud", "no memory for the service");
  c->allocator = *a;
  c->o = *o;
  fill_in(&c->o);
  size_t len = strlen(o->endpoint);
  while (len > 0 && o->endpoint[len - 1] == '/') len--;
  if (!base_format(c->endpoint, sizeof c->endpoint, "%.*s/%s", (int)len, o->endpoint,
                   o->dialect == CLOUD_ANTHROPIC ? "messages" : "chat/completions") ||
      !base_format(c->model, sizeof c->model, "%s", o->model) ||
      !base_format(c->ca_file, sizeof c->ca_file, "%s", o->ca_file ? o->ca_file : ""))
    st = base_fail(err, BASE_ELIMIT, "cloud", "the endpoint, model or certificate path is too long");
  if (!st) st = keep_key(c, o->key, err);
  c->o.key = (base_slice){0};
  c->closed_at = INT64_MIN;
  c->calls_left = (double)o->per_minute;
  c->filled_at = c->o.clock->now_ms(c->o.clock->ctx);
  base_rng_seed(&c->rng, o->seed);
  if (st)
    cloud_close(c);
  else
    *out = c;
  return st;
}

void cloud_close(cloud *c) {
  if (c == NULL) return;
  if (c->key != NULL) {
    volatile char *key = c->key; /* written, whatever the compiler thinks of it */
    for (size_t i = 0; i < c->key_bytes; i++) key[i] = 0;
    base_free(&c->allocator, c->key, c->key_bytes);
  }
  base_allocator a = c->allocator;
  base_free(&a, c, sizeof *c);
}

static int64_t now(const cloud *c) { return c->o.clock->now_ms(c->o.clock->ctx); }

bool cloud_available(const cloud *c) { return cloud_breaker_allows(c, now(c)); }

void cloud_network(cloud *c, bool online) { cloud_breaker_tell(c, online, !online, now(c)); }

/* ---- one question ---- */

typedef struct asking {
  cloud *c;
  cloud_question q;
  cloud_answer *answer;
  base_buf body;
  cloud_complaint complaint; /* of the service, at the last attempt */
  int64_t began, until;
  uint32_t waits;
} asking;

static cloud_outcome because(asking *a, cloud_outcome o, const char *detail) {
  base_format(a->answer->why, sizeof a->answer->why, "%s%s%s", cloud_outcome_text(o), detail[0] ? ": " : "",
              detail);
  return o;
}

static int64_t most_cost(const asking *a) {
  return cloud_cost(&a->c->o.price, cloud_most_tokens_in(&a->q), a->q.max_tokens);
}

/* What an attempt has cost. Without the service's own count it is nothing where the service refused or was
 * never reached, and otherwise all that was set aside: it may have been charged. */
static int64_t attempt_cost(const asking *a, const cloud_reading *r, const cloud_reply *reply) {
  if (r->counted) return cloud_cost(&a->c->o.price, r->tokens_in, r->tokens_out);
  if (!reply->connected || reply->status >= 400) return 0;
  return most_cost(a);
}

static void account(asking *a, const cloud_reading *r, int64_t cost) {
  a->answer->tokens_in += r->tokens_in;
  a->answer->tokens_out += r->tokens_out;
  a->answer->cost_nano_usd += cost;
  if (a->answer->first_byte_ms == 0 && r->first_byte_at)
    a->answer->first_byte_ms = (uint32_t)(r->first_byte_at - a->began);
}

static base_status perform(asking *a, cloud_reading *r, cloud_reply *reply, base_error *err) {
  const cloud *c = a->c;
  const char *headers[5] = {"Content-Type: application/json", "Expect:", "User-Agent: minnow"};
  size_t n = 3; /* some gateways turn away who has no name */
  if (c->key != NULL) headers[n++] = c->key;
  if (c->o.dialect == CLOUD_ANTHROPIC) headers[n++] = "anthropic-version: 2023-06-01";
  int64_t left = a->until - now(c);
  cloud_call call = {.url = c->endpoint,
                     .headers = headers,
                     .n_headers = n,
                     .body = {a->body.ptr, a->body.len},
                     .total_ms = (uint32_t)left,
                     .connect_ms = left < c->o.connect_ms ? (uint32_t)left : c->o.connect_ms,
                     .ca_file = c->ca_file[0] ? c->ca_file : NULL};
  *reply = (cloud_reply){.retry_after_ms = -1};
  return c->o.transport->perform(c->o.transport->ctx, &call, cloud_stream_bytes, r, reply, err);
}

static cloud_outcome judge(asking *a, const cloud_reading *r, const cloud_reply *reply) {
  char status[96];
  const char *word = a->complaint.word;
  base_format(status, sizeof status, "HTTP %d%s%s%s", reply->status, word[0] ? " (" : "", word, word[0] ? ")" : "");
  if (r->stopped) return because(a, CLOUD_CANCELLED, "");
  if (reply->untrusted) return because(a, CLOUD_UNTRUSTED, reply->text);
  if (!reply->connected && !reply->timed_out) return because(a, CLOUD_UNAVAILABLE, reply->text);
  if (reply->timed_out) return because(a, CLOUD_TIMED_OUT, reply->text);
  if (reply->status == 429 && strcmp(word, "insufficient_quota") == 0) return because(a, CLOUD_REFUSED, status);
  if (reply->status == 429 || reply->status == 529) return because(a, CLOUD_LIMITED, status);
  if (reply->status >= 500 || reply->status == 408) return because(a, CLOUD_FAILED, status);
  if (reply->status >= 300) return because(a, CLOUD_REFUSED, status);
  if (r->too_long) return because(a, CLOUD_UNREADABLE, "the answer is too long");
  if (reply->text[0]) return because(a, CLOUD_FAILED, reply->text); /* broken off in the middle */
  if (r->declined) return because(a, CLOUD_DECLINED, "");
  if (r->unreadable) return because(a, CLOUD_UNREADABLE, "");
  a->answer->why[0] = '\0';
  return CLOUD_ANSWERED;
}

/* One attempt: reserved, made, read, settled. */
static base_status attempt(asking *a, cloud_reply *reply, cloud_outcome *outcome, base_error *err) {
  const cloud_budget *budget = a->c->o.budget;
  cloud_reading r = {.c = a->c, .q = &a->q, .answer = a->answer, .call_block = -1};
  base_error no = {0};
  int64_t reservation = 0;
  if (budget != NULL && budget->reserve(budget->ctx, most_cost(a), &reservation, &no)) {
    *outcome = because(a, CLOUD_OVER_BUDGET, no.text);
    return BASE_OK;
  }
  r.restarted = a->answer->attempts > 0;
  r.body.allocator = &a->c->allocator;
  a->answer->attempts++;
  base_buf_clear(&a->answer->text);
  base_buf_clear(&a->answer->tool_name);
  base_buf_clear(&a->answer->tool_arguments);
  a->answer->cut = false;
  base_status st = perform(a, &r, reply, err);
  if (!st && reply->status >= 200 && reply->status < 300 && !r.stopped && !r.too_long) cloud_read_reply(&r);
  a->complaint = (cloud_complaint){0};
  if (!st && reply->status >= 400) cloud_read_error(&r, &a->complaint);
  a->answer->status = reply->status;
  int64_t cost = st ? 0 : attempt_cost(a, &r, reply);
  account(a, &r, cost);
  if (budget != NULL) { /* if it cannot be settled it stays reserved, which is never too little */
    base_status settled = budget->settle(budget->ctx, reservation, cost, NULL);
    (void)settled;
  }
  if (!st) *outcome = judge(a, &r, reply);
  bool no_memory = r.body.failed || a->answer->text.failed || a->answer->tool_name.failed ||
                   a->answer->tool_arguments.failed;
  if (!st && no_memory) st = base_fail(err, BASE_ENOMEM, "cloud", "no memory for the answer");
  base_buf_free(&r.body);
  return st;
}

static bool retriable(cloud_outcome o) {
  return o == CLOUD_UNAVAILABLE || o == CLOUD_LIMITED || o == CLOUD_FAILED || o == CLOUD_UNREADABLE;
}

/* The wait before the next attempt: what the service asked for, or a doubling one with half of it at random
 * (so that devices that failed together do not come back together). False: no time for it. */
static bool pause(asking *a, const cloud_reply *reply) {
  uint32_t doublings = a->waits < MOST_DOUBLINGS ? a->waits : MOST_DOUBLINGS;
  int64_t wait = (int64_t)a->c->o.backoff_ms << doublings;
  wait = wait / 2 + (int64_t)base_rng_below(&a->c->rng, (uint32_t)(wait / 2) + 1);
  if (reply->retry_after_ms > wait) wait = reply->retry_after_ms;
  if (now(a->c) + wait + LEAST_CALL_MS > a->until) return false;
  a->waits++;
  a->c->o.clock->sleep_ms(a->c->o.clock->ctx, (uint32_t)wait);
  return true;
}

/* OpenAI's newer models take the bound of an answer under another name only, and say so; other services know the old
 * one alone. The question is written anew, once for a service. */
static bool take_other_name(asking *a) {
  if (a->answer->outcome != CLOUD_REFUSED || !a->complaint.wants_completion_tokens || a->c->completion_tokens)
    return false;
  a->c->completion_tokens = true;
  base_buf_clear(&a->body);
  return true;
}

static base_status attempts(asking *a, base_error *err) {
  cloud_outcome *outcome = &a->answer->outcome;
  for (;;) {
    cloud_reply reply = {.retry_after_ms = -1};
    if (!cloud_rate_allows(a->c, now(a->c))) {
      *outcome = because(a, CLOUD_LIMITED, "this device's own limit");
      return BASE_OK;
    }
    base_status st = attempt(a, &reply, outcome, err);
    if (st) return st;
    if (take_other_name(a)) {
      st = cloud_write_request(a->c, &a->q, &a->body, err);
      if (st) return st;
      continue;
    }
    if (!retriable(*outcome) || a->answer->attempts >= a->c->o.max_attempts) return BASE_OK;
    if (!pause(a, &reply)) return BASE_OK;
  }
}

/* Whether the service is to blame, for the breaker. */
static void tell_breaker(asking *a) {
  cloud_outcome o = a->answer->outcome;
  if (o == CLOUD_OVER_BUDGET || o == CLOUD_CANCELLED || (o == CLOUD_LIMITED && a->answer->status == 0)) return;
  bool replied = o == CLOUD_ANSWERED || o == CLOUD_REFUSED || o == CLOUD_DECLINED;
  cloud_breaker_tell(a->c, replied, o == CLOUD_UNAVAILABLE, now(a->c));
}

base_status cloud_ask(cloud *c, const cloud_question *given, cloud_answer *out, base_error *err) {
  asking a = {.c = c, .q = *given, .answer = out};
  const base_allocator *lasting = c->o.allocator; /* the caller's own: an answer may outlive c */
  *out = (cloud_answer){
      .text.allocator = lasting, .tool_name.allocator = lasting, .tool_arguments.allocator = lasting};
  if (given->n_messages == 0) return base_fail(err, BASE_EARGUMENT, "cloud", "a question has a message");
  if (a.q.max_tokens == 0) a.q.max_tokens = DEFAULT_TOKENS;
  if (a.q.deadline_ms == 0) a.q.deadline_ms = DEFAULT_DEADLINE_MS;
  a.began = now(c);
  a.until = a.began + a.q.deadline_ms;
  if (!cloud_breaker_allows(c, a.began)) {
    out->outcome = because(&a, CLOUD_UNAVAILABLE, "not tried again yet");
    return BASE_OK;
  }
  a.body.allocator = &c->allocator;
  base_status st = cloud_write_request(c, &a.q, &a.body, err);
  if (!st) st = attempts(&a, err);
  if (!st) tell_breaker(&a);
  out->total_ms = (uint32_t)(now(c) - a.began);
  base_buf_free(&a.body);
  return st;
}

void cloud_answer_free(cloud_answer *a) {
  base_buf_free(&a->text);
  base_buf_free(&a->tool_name);
  base_buf_free(&a->tool_arguments);
}
