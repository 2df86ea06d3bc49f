/* The request's body in the words of the service: OpenAI's chat completions, or Anthropic's messages. */
#include "cloud/internal.h"
#include "jdoc/jdoc.h"

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
static void put_anthropic_tool(const jdoc *d, uint32_t function, base_buf *out) {
  uint32_t description = jdoc_member(d, function, "description"), schema = jdoc_member(d, function, "parameters");
  base_slice name = jdoc_raw(d, jdoc_member(d, function, "name"));
  base_buf_puts(out, "{\"name\":");
  base_buf_add(out, name.ptr, name.len);
  if (description != JDOC_NONE) put_raw(out, "description", jdoc_raw(d, description));
  put_raw(out, "input_schema", schema != JDOC_NONE ? jdoc_raw(d, schema) : BASE_LITERAL("{\"type\":\"object\"}"));
  base_buf_putc(out, '}');
}

static base_status put_anthropic_tools(base_slice tools, base_buf *out, base_error *err) {
  jdoc d = {0};
  base_status st = jdoc_open(&d, tools, NULL, "tools", NULL, err);
  if (!st && jdoc_kind_at(&d, 0) != JDOC_ARRAY)
    st = base_fail(err, BASE_EARGUMENT, "tools", "tools must be a JSON array");
  put_key(out, "tools");
  base_buf_putc(out, '[');
  for (uint32_t tool = 1, n = st ? 0 : jdoc_count(&d, 0); n > 0 && !st; n--, tool = jdoc_next(&d, tool)) {
    uint32_t function = jdoc_member(&d, tool, "function");
    if (tool > 1) base_buf_putc(out, ',');
    if (jdoc_member(&d, function, "name") != JDOC_NONE) put_anthropic_tool(&d, function, out);
    else st = base_fail(err, BASE_EARGUMENT, "tools", "a tool is {\"type\":\"function\",\"function\":{\"name\":...}}");
  }
  base_buf_putc(out, ']');
  jdoc_close(&d);
  return st;
}

/* "auto", "required", "none" or {"type":"function","function":{"name":...}} as Anthropic has it. */
static base_status put_anthropic_choice(base_slice choice, base_buf *out, base_error *err) {
  jdoc d = {0};
  base_status st = jdoc_open(&d, choice, NULL, "tool_choice", NULL, err);
  if (st) return st;
  uint32_t name = jdoc_member(&d, jdoc_member(&d, 0, "function"), "name");
  if (name != JDOC_NONE) {
    base_slice raw = jdoc_raw(&d, name);
    base_buf_printf(out, ",\"tool_choice\":{\"type\":\"tool\",\"name\":%.*s}", (int)raw.len, raw.ptr);
  } else if (jdoc_kind_at(&d, 0) == JDOC_STRING) {
    const char *type = jdoc_is_text(&d, 0, "required") ? "any" : jdoc_is_text(&d, 0, "none") ? "none" : "auto";
    base_buf_printf(out, ",\"tool_choice\":{\"type\":\"%s\"}", type);
  }
  jdoc_close(&d);
  return BASE_OK;
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
    if (!st && q->tool_choice.len) st = put_anthropic_choice(q->tool_choice, out, err);
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
