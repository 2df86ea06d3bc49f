/* What a service says, read: a whole reply, or one event of a stream, in either dialect. What is not as the
 * dialect has it makes the reply unreadable; nothing is guessed. */
#include <string.h>

#include "cloud/internal.h"

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
  add_text(r, json_object_get(said, "content"));
  openai_call(r, json_object_get(said, "tool_calls"));
  if (is(json_object_get(choice, "finish_reason"), "length")) r->answer->cut = true;
}

/* ---- Anthropic ---- */

static bool schema_as_tool(const cloud_reading *r) { return r->q->schema.len > 0; }

static void anthropic_usage(cloud_reading *r, const json_t *usage) {
  if (!json_is_object(usage)) return;
  uint64_t in = count_of(usage, "input_tokens");
  if (in) r->tokens_in = in;
  if (json_object_get(usage, "output_tokens")) r->tokens_out = count_of(usage, "output_tokens");
  r->counted = true;
}

static void anthropic_reply(cloud_reading *r, const json_t *root) {
  size_t i;
  json_t *block;
  const json_t *content = json_object_get(root, "content");
  take_model(r, json_object_get(root, "model"));
  anthropic_usage(r, json_object_get(root, "usage"));
  if (is(json_object_get(root, "stop_reason"), "max_tokens")) r->answer->cut = true;
  json_array_foreach(content, i, block) {
    if (is(json_object_get(block, "type"), "text")) add_text(r, json_object_get(block, "text"));
    if (!is(json_object_get(block, "type"), "tool_use") || r->answer->tool_name.len) continue;
    char *input = json_dumps(json_object_get(block, "input"), JSON_COMPACT | JSON_ENCODE_ANY);
    if (input == NULL) continue;
    add_string(&r->answer->tool_name, json_object_get(block, "name"));
    base_buf_puts(&r->answer->tool_arguments, input);
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(input);
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
    if (is(json_object_get(block, "type"), "tool_use") && r->answer->tool_name.len == 0)
      add_string(&r->answer->tool_name, json_object_get(block, "name"));
  } else if (is(type, "content_block_delta")) {
    add_text(r, json_object_get(delta, "text"));
    add_string(&r->answer->tool_arguments, json_object_get(delta, "partial_json"));
  } else if (is(type, "message_delta")) {
    anthropic_usage(r, json_object_get(root, "usage"));
    if (is(json_object_get(delta, "stop_reason"), "max_tokens")) r->answer->cut = true;
  } else if (is(type, "message_stop")) {
    r->over = true;
  } else if (is(type, "error")) {
    r->unreadable = true;
  }
}

/* ---- both ---- */

/* A schema asked for as a tool comes back as its arguments. */
static void unwrap(cloud_reading *r) {
  cloud_answer *a = r->answer;
  if (r->c->o.dialect != CLOUD_ANTHROPIC || !schema_as_tool(r) || a->tool_name.len == 0) return;
  base_buf_clear(&a->text);
  base_buf_add(&a->text, a->tool_arguments.ptr, a->tool_arguments.len);
  base_buf_clear(&a->tool_name);
  base_buf_clear(&a->tool_arguments);
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
  if (!r->over || (r->answer->text.len == 0 && r->answer->tool_name.len == 0)) r->unreadable = true;
}
