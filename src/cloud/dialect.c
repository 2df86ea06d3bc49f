/* The request's body in the words of the service: OpenAI's chat completions, or Anthropic's messages. */
#include <string.h>

#include "cloud/internal.h"

/* Bytes a token may stand for at least, and what a message costs beside its text. */
enum { TOKENS_A_MESSAGE = 16, TOKENS_A_QUESTION = 64 };

static const char answer_tool[] = "answer"; /* how a schema is put to a service that has only tools */

uint64_t cloud_most_tokens_in(const cloud_question *q) {
  uint64_t n = TOKENS_A_QUESTION + q->instructions.len + q->tools.len + q->tool_choice.len + q->schema.len;
  for (size_t i = 0; i < q->n_messages; i++) n += TOKENS_A_MESSAGE + guard_clean_text(q->messages[i].text).len;
  return n;
}

static void put_key(base_buf *out, const char *key) {
  base_buf_printf(out, ",\"%s\":", key);
}

static void put_raw(base_buf *out, const char *key, base_slice json) {
  put_key(out, key);
  base_buf_add(out, json.ptr, json.len);
}

static void put_message(base_buf *out, bool first, const char *role, base_slice text) {
  base_buf_printf(out, "%s{\"role\":\"%s\",\"content\":", first ? "" : ",", role);
  base_buf_json(out, text);
  base_buf_putc(out, '}');
}

static void put_messages(const cloud_question *q, bool with_system, base_buf *out) {
  bool first = true;
  put_key(out, "messages");
  base_buf_putc(out, '[');
  if (with_system && q->instructions.len) {
    put_message(out, true, "system", q->instructions);
    first = false;
  }
  for (size_t i = 0; i < q->n_messages; i++) {
    const char *role = q->messages[i].role == CLOUD_ASSISTANT ? "assistant" : "user";
    put_message(out, first, role, guard_clean_text(q->messages[i].text));
    first = false;
  }
  base_buf_putc(out, ']');
}

static void put_response_format(base_slice schema, base_buf *out) {
  base_buf_puts(out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":");
  size_t start = out->len;
  cloud_put_schema(schema, out);
  bool strict = !out->failed && cloud_schema_is_strict((base_slice){out->ptr + start, out->len - start});
  base_buf_printf(out, ",\"strict\":%s}}", strict ? "true" : "false");
}

static void write_openai(const cloud *c, const cloud_question *q, base_buf *out) {
  put_messages(q, true, out);
  base_buf_printf(out, ",\"%s\":%u", c->completion_tokens ? "max_completion_tokens" : "max_tokens", q->max_tokens);
  if (q->tools.len) put_raw(out, "tools", q->tools);
  if (q->tools.len && q->tool_choice.len) put_raw(out, "tool_choice", q->tool_choice);
  if (q->schema.len) put_response_format(q->schema, out);
  if (q->stream) base_buf_puts(out, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
}

/* OpenAI's tools become {"name","description","input_schema"}. */
static base_status put_anthropic_tools(base_slice tools, base_buf *out, base_error *err) {
  json_error_t said;
  json_t *list = json_loadb(tools.ptr, tools.len, 0, &said), *tool;
  size_t i;
  if (!json_is_array(list)) {
    json_decref(list);
    return base_fail(err, BASE_EARGUMENT, "tools", "tools must be a JSON array");
  }
  json_t *made = json_array();
  json_array_foreach(list, i, tool) {
    json_t *f = json_object_get(tool, "function");
    json_t *schema = json_object_get(f, "parameters"), *one = json_object();
    json_object_set(one, "name", json_object_get(f, "name"));
    if (json_object_get(f, "description")) json_object_set(one, "description", json_object_get(f, "description"));
    if (schema)
      json_object_set(one, "input_schema", schema);
    else
      json_object_set_new(one, "input_schema", json_pack("{ss}", "type", "object"));
    json_array_append_new(made, one);
  }
  char *text = json_dumps(made, JSON_COMPACT);
  if (text != NULL) put_raw(out, "tools", base_slice_of(text));
  json_decref(made);
  json_decref(list);
  if (text == NULL) return base_fail(err, BASE_ENOMEM, "tools", "no memory for the tools");
  json_free_t release;
  json_get_alloc_funcs(NULL, &release);
  release(text);
  return BASE_OK;
}

/* "auto", "required", "none" or {"type":"function","function":{"name":...}} as Anthropic has it. */
static void put_anthropic_choice(base_slice choice, base_buf *out) {
  json_t *c = json_loadb(choice.ptr, choice.len, JSON_DECODE_ANY, NULL);
  const char *word = json_string_value(c);
  const char *name = json_string_value(json_object_get(json_object_get(c, "function"), "name"));
  if (name != NULL) {
    base_buf_puts(out, ",\"tool_choice\":{\"type\":\"tool\",\"name\":");
    base_buf_json(out, base_slice_of(name));
    base_buf_putc(out, '}');
  } else if (word != NULL && strcmp(word, "required") == 0) {
    base_buf_puts(out, ",\"tool_choice\":{\"type\":\"any\"}");
  } else if (word != NULL) {
    base_buf_printf(out, ",\"tool_choice\":{\"type\":\"%s\"}", strcmp(word, "none") == 0 ? "none" : "auto");
  }
  json_decref(c);
}

static base_status write_anthropic(const cloud_question *q, base_buf *out, base_error *err) {
  base_status st = BASE_OK;
  if (q->instructions.len) {
    put_key(out, "system");
    base_buf_json(out, q->instructions);
  }
  put_messages(q, false, out);
  base_buf_printf(out, ",\"max_tokens\":%u", q->max_tokens);
  if (q->schema.len) { /* the answer is the argument of a tool that must be called */
    base_buf_printf(out, ",\"tools\":[{\"name\":\"%s\",\"input_schema\":", answer_tool);
    cloud_put_schema(q->schema, out);
    base_buf_printf(out, "}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"%s\"}", answer_tool);
  } else if (q->tools.len) {
    st = put_anthropic_tools(q->tools, out, err);
    if (!st && q->tool_choice.len) put_anthropic_choice(q->tool_choice, out);
  }
  if (q->stream) base_buf_puts(out, ",\"stream\":true");
  return st;
}

base_status cloud_write_request(const cloud *c, const cloud_question *q, base_buf *out, base_error *err) {
  base_status st = BASE_OK;
  base_buf_puts(out, "{\"model\":");
  base_buf_json(out, base_slice_of(c->model));
  if (c->o.dialect == CLOUD_ANTHROPIC)
    st = write_anthropic(q, out, err);
  else
    write_openai(c, q, out);
  base_buf_putc(out, '}');
  if (!st && out->failed) st = base_fail(err, BASE_ENOMEM, "cloud", "no memory for the request");
  return st;
}
