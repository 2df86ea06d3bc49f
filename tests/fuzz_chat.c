/* Fuzz target: a template, a zero byte, variables as JSON. Whatever they are, rendering ends within its
 * limits, spans lie in order inside the prompt, and a failure has a sentence. */
#include "chat/chat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
  size_t len = zero != NULL ? (size_t)(zero - data) : size;
  static const chat_message m = {.role = {"user", 4}, .content = {"hi", 2}};
  chat_input in = {.size = sizeof in, .messages = &m, .n_messages = 1, .add_generation_prompt = true};
  if (zero != NULL) in.variables = (base_slice){(const char *)zero + 1, size - len - 1};
  base_error err = {0};
  chat_template *t = NULL;
  chat_prompt p = {0};
  base_status st = chat_template_open(&t, (base_slice){(const char *)data, len}, NULL, &err);
  if (st == BASE_OK) st = chat_render(t, &in, &p, NULL, &err);
  require(st == BASE_OK || (err.where[0] != '\0' && err.text[0] != '\0'));
  size_t at = 0;
  for (size_t i = 0; st == BASE_OK && i < p.n_untrusted; i++) {
    require(p.untrusted[i].start >= at && p.untrusted[i].end > p.untrusted[i].start);
    at = p.untrusted[i].end;
  }
  require(st != BASE_OK || at <= p.text.len);
  chat_template_close(t);
  chat_prompt_free(&p);
  return 0;
}
