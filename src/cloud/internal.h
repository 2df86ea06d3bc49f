/* cloud's inside: the service's state between questions, and one attempt's reply as it is read. */
#ifndef CLOUD_INTERNAL_H
#define CLOUD_INTERNAL_H

#include <jansson.h>

#include "cloud/cloud.h"

struct cloud {
  base_allocator allocator;
  cloud_options o; /* strings point into the fields below */
  char endpoint[512], model[96], ca_file[512];
  char *key; /* "Authorization: Bearer ..." or "x-api-key: ...", wiped on close; NULL when there is none */
  size_t key_bytes;
  base_rng rng;
  bool completion_tokens; /* the service wants max_completion_tokens, and has said so */
  /* breaker */
  uint32_t failures; /* questions in a row */
  uint32_t opened;   /* times in a row, for the doubling */
  int64_t closed_at; /* the clock's ms until which nothing is called */
  /* rate: a bucket that refills steadily */
  double calls_left;
  int64_t filled_at;
};

/* One attempt's body while it comes in. */
typedef struct cloud_reading {
  const cloud *c;
  const cloud_question *q;
  cloud_answer *answer;
  base_buf body;      /* all of it, or for a stream the line that is not whole yet */
  bool streamed;      /* the reply is a stream of events */
  bool over;          /* the stream's end mark was seen */
  bool stopped;       /* the caller cancelled */
  bool too_long;
  bool unreadable;
  bool declined;      /* the model would not answer, or a filter cut it off */
  int64_t call_block; /* Anthropic: the stream's block that is the first call; -1: none yet */
  bool restarted;     /* tell on_text so at the next piece */
  uint64_t tokens_in, tokens_out;
  bool counted;       /* the service told its counts */
  int64_t first_byte_at;
} cloud_reading;

/* dialect.c: the request's body. */
base_status cloud_write_request(const cloud *c, const cloud_question *q, base_buf *out, base_error *err);
/* answer.c: a whole JSON reply, or one event of a stream, into r->answer. */
void cloud_read_reply(cloud_reading *r);
void cloud_read_event(cloud_reading *r, base_slice json);
/* What a service says of an error: its word for it ("model_not_found"; "": none) and what can be done. Its sentences
 * are not read out: they may quote the key. */
typedef struct cloud_complaint {
  char word[48];
  bool wants_completion_tokens; /* "max_tokens" is not what its model takes */
} cloud_complaint;
void cloud_read_error(const cloud_reading *r, cloud_complaint *out);
/* schema.c: a schema with an object at its root, as services want it; and the answer out of that object. */
void cloud_put_schema(base_slice schema, base_buf *out);
void cloud_unwrap(base_slice schema, base_buf *answer);
/* Whether it is inside the part of JSON Schema that OpenAI's "strict" takes. */
bool cloud_schema_is_strict(base_slice schema);
/* stream.c: bytes of a stream into events. */
bool cloud_stream_bytes(void *reading, base_slice bytes);

/* breaker.c */
bool cloud_breaker_allows(const cloud *c, int64_t now_ms);
void cloud_breaker_tell(cloud *c, bool answered, bool unreachable, int64_t now_ms);
bool cloud_rate_allows(cloud *c, int64_t now_ms);

#endif
