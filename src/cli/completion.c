/* What generate and chat share about tools: files of JSON, and an answer in OpenAI's shape. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { MAX_FILE = 64 << 20 };

int cli_read_text(const char *path, base_buf *out) {
  base_error err = {0};
  mn_error said = {.code = MN_EFORMAT, .text = "this file is empty or no text"};
  if (os_read_file(path, MAX_FILE, out, &err) != BASE_OK) {
    said.code = (int)err.code;
    (void)base_format(said.where, sizeof said.where, "%s", err.where);
    (void)base_format(said.text, sizeof said.text, "%s", err.text);
    return cli_fail(&said);
  }
  if (out->len > 0 && strlen(out->ptr) == out->len) return CLI_GO;
  (void)base_format(said.where, sizeof said.where, "%s", path);
  return cli_fail(&said);
}

static const char *finish_reason(const mn_generated *g) {
  switch (g->finish) {
    case MN_FINISH_TOOL_CALLS: return "tool_calls";
    case MN_FINISH_LENGTH: case MN_FINISH_CONTEXT: case MN_FINISH_DEADLINE: return "length";
    default: return "stop";
  }
}

static void put_calls(base_buf *b, const mn_generated *g) {
  for (size_t i = 0; i < g->n_calls; i++) {
    base_buf_puts(b, i == 0 ? ",\"tool_calls\":[{\"id\":" : ",{\"id\":");
    base_buf_json(b, base_slice_of(g->calls[i].id));
    base_buf_puts(b, ",\"type\":\"function\",\"function\":{\"name\":");
    base_buf_json(b, base_slice_of(g->calls[i].name));
    base_buf_puts(b, ",\"arguments\":");
    base_buf_json(b, base_slice_of(g->calls[i].arguments));
    base_buf_puts(b, i + 1 < g->n_calls ? "}}" : "}}]");
  }
}

static void put_usage(base_buf *b, const mn_generated *g) {
  base_buf_printf(b, "\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u,",
                  g->prompt_tokens, g->generated_tokens, g->prompt_tokens + g->generated_tokens);
  base_buf_printf(b, "\"prompt_tokens_details\":{\"cached_tokens\":%u}}", g->cached_tokens);
}

void cli_put_completion(const mn_generated *g, const char *model, int64_t unix_seconds) {
  base_buf b = {0};
  uint64_t id = 0;
  os_random_bytes(&id, sizeof id);
  base_buf_printf(&b, "{\"id\":\"chatcmpl-%016llx\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":",
                  (unsigned long long)id, (long long)unix_seconds);
  base_buf_json(&b, base_slice_of(model));
  base_buf_puts(&b, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  if (g->n_calls > 0 && g->text_len == 0) base_buf_puts(&b, "null");
  else base_buf_json(&b, (base_slice){g->text, g->text_len});
  put_calls(&b, g);
  base_buf_printf(&b, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"%s\"}],", finish_reason(g));
  put_usage(&b, g);
  base_buf_puts(&b, "}");
  puts(b.ptr != NULL ? b.ptr : "");
  base_buf_free(&b);
}
