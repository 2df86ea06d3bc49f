/* cloud: one question to a service that speaks OpenAI's chat completions or Anthropic's messages, and the
 * answer, or why there is none. Keeps to a deadline, a budget and a rate; retries what may be retried; stops
 * calling a service that fails. What a user wrote goes in as guard_clean only.
 *
 *   cloud_ask
 *      | breaker_allows ------- the service keeps failing, or there is no network ---> CLOUD_UNAVAILABLE
 *      | rate_allows ---------- too many calls this minute ---------------------------> CLOUD_LIMITED
 *      | budget.reserve ------- a cap would be passed ---------------------------------> CLOUD_OVER_BUDGET
 *      v
 *   transport.perform, dialect parser, budget.settle
 *      | answer read -----------------------------------------------------------------> CLOUD_ANSWERED
 *      | its model would not answer ---------------------------------------------------> CLOUD_DECLINED
 *      | the request is refused (4xx) -------------------------------------------------> CLOUD_REFUSED
 *      | 429, 5xx, reset, unreadable answer, no connection
 *      v
 *   may_retry ---------------- no attempt or no time left ---> CLOUD_TIMED_OUT, _LIMITED, _FAILED, _UNREADABLE
 *      | pause: Retry-After, or a doubling wait with jitter
 *      +--> from the top */
#ifndef CLOUD_CLOUD_H
#define CLOUD_CLOUD_H

#include "base/base.h"
#include "guard/guard.h"

typedef enum cloud_dialect { CLOUD_OPENAI, CLOUD_ANTHROPIC } cloud_dialect;

/* How a question ended. */
typedef enum cloud_outcome {
#define CLOUD_OUTCOME(name, word, text) CLOUD_##name,
#include "cloud/outcome.def"
#undef CLOUD_OUTCOME
  CLOUD_OUTCOMES
} cloud_outcome;
const char *cloud_outcome_word(cloud_outcome o); /* "answered" */
const char *cloud_outcome_text(cloud_outcome o); /* one phrase */

/* ---- what the outside lends: each with a default, each replaceable by an app or a test ---- */

typedef struct cloud_call {
  const char *url;
  const char *const *headers; /* "Name: value", n_headers of them */
  size_t n_headers;
  base_slice body;
  uint32_t connect_ms, total_ms;
  const char *ca_file; /* certificates to trust instead of the system's, or NULL */
} cloud_call;

typedef struct cloud_reply {
  int status;             /* HTTP; 0 when no reply came */
  int64_t retry_after_ms; /* -1 when the service did not say */
  bool connected;         /* a connection was made, so the service may have seen the request */
  bool timed_out;
  bool untrusted; /* its certificate was not accepted */
  char text[160]; /* what went wrong, for people; never holds a header */
} cloud_reply;

/* Sends one request; hands the body to `on_bytes` as it comes (false stops the transfer). Always fills `reply`;
 * an error is for what has nothing to do with the service (no memory, no HTTP library on this machine). */
typedef struct cloud_transport {
  base_status (*perform)(void *ctx, const cloud_call *call, bool (*on_bytes)(void *to, base_slice bytes),
                         void *to, cloud_reply *reply, base_error *err);
  void *ctx;
} cloud_transport;
/* HTTP by libcurl, which is loaded at the first call and not before. */
const cloud_transport *cloud_transport_curl(void);

typedef struct cloud_clock {
  int64_t (*now_ms)(void *ctx); /* monotonic */
  void (*sleep_ms)(void *ctx, uint32_t ms);
  void *ctx;
} cloud_clock;

/* Money is set aside before each attempt and settled after it; a failure to set aside stops the question. */
typedef struct cloud_budget {
  base_status (*reserve)(void *ctx, int64_t nano_usd, int64_t *reservation, base_error *err);
  base_status (*settle)(void *ctx, int64_t reservation, int64_t nano_usd, base_error *err);
  void *ctx;
} cloud_budget;

/* ---- prices ---- */

/* In 1e-9 US dollars a million tokens. */
typedef struct cloud_price {
  int64_t input, output;
} cloud_price;
/* From a dated price file: {"date":"2026-11-21","currency":"USD","models":{"NAME":{"input":0.15,"output":0.6}}},
 * US dollars a million tokens. The longest name that begins the model's is taken ("gpt-4o-mini" for
 * "gpt-4o-mini-2024-07-18"). date [11] gets the file's date. BASE_ENOTFOUND names a model without a price. */
base_status cloud_price_read(base_slice json, const char *where, const char *model, cloud_price *out,
                             char date[11], base_error *err);
int64_t cloud_cost(const cloud_price *p, uint64_t tokens_in, uint64_t tokens_out); /* rounded up */

/* ---- the service ---- */

typedef struct cloud_options {
  cloud_dialect dialect;
  const char *endpoint; /* base address, "https://api.example.com/v1"; http only to this machine */
  const char *model;
  base_slice key;       /* copied, wiped on close, never in an error; empty: none is sent */
  const char *ca_file;  /* or NULL */
  cloud_price price;
  uint32_t connect_ms;       /* 0: 3,000 */
  uint32_t max_attempts;     /* 0: 3 */
  uint32_t backoff_ms;       /* first wait; doubles to 32 times. 0: 250 */
  uint32_t breaker_failures; /* questions in a row without an answer that open the breaker. 0: 4 */
  uint32_t breaker_ms;       /* how long it stays open at first; doubles to 32 times. 0: 10,000 */
  uint32_t per_minute;       /* calls, retries included; 0: no limit */
  size_t max_answer_bytes;   /* 0: 1 MiB */
  uint64_t seed;             /* of the jitter */
  const cloud_transport *transport; /* NULL: libcurl */
  const cloud_clock *clock;         /* NULL: the system's */
  const cloud_budget *budget;       /* NULL: unlimited */
  const base_allocator *allocator;  /* NULL: libc */
} cloud_options;

typedef struct cloud cloud;
/* Everything is copied. Connects to nothing. */
base_status cloud_open(cloud **out, const cloud_options *o, base_error *err);
void cloud_close(cloud *c); /* NULL is harmless */
/* False while the breaker is open: a call now would fail without being made. Calls nothing. */
bool cloud_available(const cloud *c);
/* The app knows that the network came or went: closes the breaker, or opens it. */
void cloud_network(cloud *c, bool online);

typedef enum cloud_role { CLOUD_USER, CLOUD_ASSISTANT } cloud_role;
typedef struct cloud_message {
  cloud_role role;
  const guard_clean *text;
} cloud_message;

typedef struct cloud_question {
  base_slice instructions; /* the app's own words (system prompt), not the user's; may be empty */
  const cloud_message *messages;
  size_t n_messages;
  base_slice tools;       /* JSON array as OpenAI has it ([{"type":"function","function":{...}}]), or empty */
  base_slice tool_choice; /* JSON, or empty */
  base_slice schema;      /* JSON Schema the answer is to fit, or empty */
  uint32_t max_tokens;    /* of the answer; 0: 512 */
  uint32_t deadline_ms;   /* for all of it, waits and retries included; 0: 15,000 */
  bool stream;
  /* Progress of a streamed answer; false cancels. After a retry it starts again: restarted is true once. */
  bool (*on_text)(void *ctx, base_slice piece, bool restarted);
  void *on_text_ctx;
} cloud_question;

typedef struct cloud_answer {
  cloud_outcome outcome;
  base_buf text;      /* the answer's text; for a tool call empty */
  base_buf tool_name; /* the first call's name and arguments, or empty */
  base_buf tool_arguments;
  char model[64];     /* as the service names what answered */
  bool cut;           /* stopped at max_tokens */
  int status;         /* HTTP status of the last attempt */
  uint32_t attempts;
  uint64_t tokens_in, tokens_out; /* as the service counted; all attempts */
  int64_t cost_nano_usd;          /* all attempts; what may have been charged counts */
  uint32_t first_byte_ms, total_ms;
  char why[200];      /* for people, when there is no answer */
} cloud_answer;

/* BASE_OK with an outcome; an error only for wrong arguments, no memory, or no HTTP library. The answer's
 * buffers are the caller's: cloud_answer_free. */
base_status cloud_ask(cloud *c, const cloud_question *q, cloud_answer *out, base_error *err);
void cloud_answer_free(cloud_answer *a);
/* At most so many tokens can the question have, for reserving money: a token is at least one byte. */
uint64_t cloud_most_tokens_in(const cloud_question *q);

#endif
