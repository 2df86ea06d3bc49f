/* What a service says, read: a whole reply, or one event of a stream, in either dialect. What is not as the
 * dialect has it makes the reply unreadable; nothing is guessed. */
#include <string.h>

#include "cloud/internal.h"
#include "jdoc/jdoc.h"

static bool is(const json_t *word, const char *what) {
  const char *text = json_string_value(word);
  return text != NULL && strcmp(text, what) == 0;
}

static void add_text(cloud_reading *r, const json_t *piece) {
  base_slice text = {json_string_value(piece), json_string_length(piece)};
  if (text.len == 0) return;
  base_buf_add(&r->answer->text, text.ptr, text.len);
  if (r->q->on_text != NULL && !r->stopped) {
    r->stopped = !r->q->on_text(r->q->on_text_ctx, text, r->restarted);
    r->restarted = false;
  }
}

/* A text, or a list of parts of which some are texts. */
static void add_content(cloud_reading *r, const json_t *content) {
  size_t i;
  json_t *part;
  add_text(r, content);
  json_array_foreach(content, i, part)
    if (is(json_object_get(part, "type"), "text")) add_text(r, json_object_get(part, "text"));
}

static void add_string(base_buf *out, const json_t *piece) {
  if (json_is_string(piece)) base_buf_add(out, json_string_value(piece), json_string_length(piece));
}

static void take_model(cloud_reading *r, const json_t *model) {
  if (json_is_string(model) && r->answer->model[0] == '\0')
    base_format(r->answer->model, sizeof r->answer->model, "%s", json_string_value(model));
}

static uint64_t count_of(const json_t *usage, const char *key) {
  json_int_t n = json_integer_value(json_object_get(usage, key));
  return n > 0 ? (uint64_t)n : 0;
}

/* ---- OpenAI ---- */

/* Only the first call counts: a second one in the same reply is not acted on. */
static void openai_call(cloud_reading *r, const json_t *calls) {
  const json_t *call = json_array_get(calls, 0);
  if (call == NULL || json_integer_value(json_object_get(call, "index")) != 0) return;
  const json_t *function = json_object_get(call, "function");
  add_string(&r->answer->tool_name, json_object_get(function, "name"));
  add_string(&r->answer->tool_arguments, json_object_get(function, "arguments"));
}

static void openai_usage(cloud_reading *r, const json_t *usage) {
  if (!json_is_object(usage)) return;
  r->tokens_in = count_of(usage, "prompt_tokens");
  r->tokens_out = count_of(usage, "completion_tokens");
  r->counted = true;
}

/* message: "message" of a whole reply, "delta" of an event */
static void openai_choice(cloud_reading *r, const json_t *root, const char *message) {
  const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
  const json_t *said = json_object_get(choice, message);
  take_model(r, json_object_get(root, "model"));
  openai_usage(r, json_object_get(root, "usage"));
  add_content(r, json_object_get(said, "content"));
  openai_call(r, json_object_get(said, "tool_calls"));
  const json_t *refusal = json_object_get(said, "refusal"), *why = json_object_get(choice, "finish_reason");
  if (json_string_length(refusal) > 0 || is(why, "content_filter")) r->declined = true;
  if (is(why, "length")) r->answer->cut = true;
  if (json_is_string(why)) r->over = true; /* counts may follow; some services leave out the end mark */
}

/* ---- Anthropic ---- */

static void anthropic_usage(cloud_reading *r, const json_t *usage) {
  if (!json_is_object(usage)) return;
  uint64_t in = count_of(usage, "input_tokens");
  if (in) r->tokens_in = in;
  if (json_object_get(usage, "output_tokens")) r->tokens_out = count_of(usage, "output_tokens");
  r->counted = true;
}

static void anthropic_stop(cloud_reading *r, const json_t *why) {
  if (is(why, "max_tokens") || is(why, "model_context_window_exceeded")) r->answer->cut = true;
  if (is(why, "refusal")) r->declined = true;
}

/* A call's input as it was sent: read into numbers and written again, 1.1 would be 1.1000000000000001. */
static void add_input(cloud_reading *r, size_t block) {
  static const jdoc_limits limits = {.repeated_keys = true};
  char at[48];
  jdoc d = {0};
  base_format(at, sizeof at, "/content/%zu/input", block);
  base_slice body = {r->body.ptr, r->body.len};
  uint32_t input = JDOC_NONE;
  if (jdoc_open(&d, body, &limits, "answer", &r->c->allocator, NULL) == BASE_OK)
    input = jdoc_at_pointer(&d, 0, base_slice_of(at));
  if (input != JDOC_NONE) {
    base_slice raw = jdoc_raw(&d, input);
    base_buf_add(&r->answer->tool_arguments, raw.ptr, raw.len);
  }
  jdoc_close(&d);
}

static void anthropic_reply(cloud_reading *r, const json_t *root) {
  size_t i;
  json_t *block;
  const json_t *content = json_object_get(root, "content");
  take_model(r, json_object_get(root, "model"));
  anthropic_usage(r, json_object_get(root, "usage"));
  anthropic_stop(r, json_object_get(root, "stop_reason"));
  json_array_foreach(content, i, block) {
    if (is(json_object_get(block, "type"), "text")) add_text(r, json_object_get(block, "text"));
    if (!is(json_object_get(block, "type"), "tool_use") || r->answer->tool_name.len) continue;
    add_string(&r->answer->tool_name, json_object_get(block, "name"));
    add_input(r, i);
  }
}

static void anthropic_event(cloud_reading *r, const json_t *root) {
  const json_t *type = json_object_get(root, "type"), *delta = json_object_get(root, "delta");
  if (is(type, "message_start")) {
    const json_t *message = json_object_get(root, "message");
    take_model(r, json_object_get(message, "model"));
    anthropic_usage(r, json_object_get(message, "usage"));
  } else if (is(type, "content_block_start")) {
    const json_t *block = json_object_get(root, "content_block");
    if (is(json_object_get(block, "type"), "tool_use") && r->call_block < 0) {
      r->call_block = json_integer_value(json_object_get(root, "index"));
      add_string(&r->answer->tool_name, json_object_get(block, "name"));
    }
  } else if (is(type, "content_block_delta")) {
    add_text(r, json_object_get(delta, "text"));
    if (json_integer_value(json_object_get(root, "index")) == r->call_block)
      add_string(&r->answer->tool_arguments, json_object_get(delta, "partial_json"));
  } else if (is(type, "message_delta")) {
    anthropic_usage(r, json_object_get(root, "usage"));
    anthropic_stop(r, json_object_get(delta, "stop_reason"));
  } else if (is(type, "message_stop")) {
    r->over = true;
  } else if (is(type, "error")) {
    r->unreadable = true;
  }
}

/* ---- both ---- */

/* A schema asked for as a tool comes back as its arguments; what was put into an object, in it. */
static void unwrap(cloud_reading *r) {
  cloud_answer *a = r->answer;
  if (!r->q->schema.len) return;
  if (r->c->o.dialect == CLOUD_ANTHROPIC && a->tool_name.len > 0) {
    base_buf_clear(&a->text);
    base_buf_add(&a->text, a->tool_arguments.ptr, a->tool_arguments.len);
    base_buf_clear(&a->tool_name);
    base_buf_clear(&a->tool_arguments);
  }
  cloud_unwrap(r->q->schema, &a->text);
}

/* A code, and no part of the key, whatever a service sends back. */
static bool plain_word(const cloud *c, const char *text) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  size_t len = text != NULL ? strlen(text) : 0;
  return len > 0 && len <= 40 && strspn(text, letters) == len && (c->key == NULL || strstr(c->key, text) == NULL);
}

void cloud_read_error(const cloud_reading *r, cloud_complaint *out) {
  json_t *root = r->body.len ? json_loadb(r->body.ptr, r->body.len, 0, NULL) : NULL;
  const json_t *error = json_object_get(root, "error");
  const char *code = json_string_value(json_object_get(error, "code"));
  const char *type = json_string_value(json_object_get(error, "type"));
  const char *text = json_string_value(json_object_get(error, "message"));
  *out = (cloud_complaint){0};
  if (!plain_word(r->c, code)) code = type;
  if (plain_word(r->c, code)) base_format(out->word, sizeof out->word, "%s", code);
  out->wants_completion_tokens = text != NULL && strstr(text, "max_completion_tokens") != NULL;
  json_decref(root);
}

void cloud_read_event(cloud_reading *r, base_slice text) {
  json_t *root = json_loadb(text.ptr, text.len, 0, NULL);
  if (!json_is_object(root) || json_object_get(root, "error"))
    r->unreadable = true;
  else if (r->c->o.dialect == CLOUD_ANTHROPIC)
    anthropic_event(r, root);
  else
    openai_choice(r, root, "delta");
  json_decref(root);
}

void cloud_read_reply(cloud_reading *r) {
  if (!r->streamed) {
    json_t *root = r->body.len ? json_loadb(r->body.ptr, r->body.len, 0, NULL) : NULL;
    if (!json_is_object(root))
      r->unreadable = true;
    else if (r->c->o.dialect == CLOUD_ANTHROPIC)
      anthropic_reply(r, root);
    else
      openai_choice(r, root, "message");
    json_decref(root);
    r->over = true;
  }
  unwrap(r);
  bool said = r->answer->text.len > 0 || r->answer->tool_name.len > 0;
  if (!r->over || (!said && !r->declined)) r->unreadable = true;
}
