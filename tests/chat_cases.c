/* Helper of tools/measure_chat.py: renders the template in the first file with the variables (JSON) in the second, at
 * the local time in seconds of the third argument. Standard output gets the prompt; with a fourth argument, the marks
 * too: a character '1' for each byte that came from the conversation, else '0', behind a newline. */
#include "chat/chat.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  base_error err = {0};
  base_buf source = {0}, variables = {0};
  chat_template *t = NULL;
  chat_prompt p = {0};
  if (argc < 4) return 2;
  base_status st = os_read_file(argv[1], 1 << 24, &source, &err);
  if (!st) st = os_read_file(argv[2], 1 << 24, &variables, &err);
  if (!st) st = chat_template_open(&t, (base_slice){source.ptr, source.len}, NULL, &err);
  chat_input in = {.size = sizeof in, .bos_token = BASE_LITERAL("<s>"), .eos_token = BASE_LITERAL("</s>")};
  in.variables = (base_slice){variables.ptr, variables.len};
  in.unix_seconds = strtoll(argv[3], NULL, 10);
  if (!st) st = chat_render(t, &in, &p, NULL, &err);
  if (st) {
    fprintf(stderr, "%s: %s\n", err.where, err.text);
    return 1;
  }
  fwrite(p.text.ptr, 1, p.text.len, stdout);
  if (argc > 4) {
    printf("\n");
    for (size_t at = 0, span = 0; at < p.text.len; at++) {
      while (span < p.n_untrusted && p.untrusted[span].end <= at) span++;
      printf("%d", span < p.n_untrusted && p.untrusted[span].start <= at);
    }
  }
  chat_template_close(t);
  chat_prompt_free(&p);
  base_buf_free(&source);
  base_buf_free(&variables);
  return 0;
}
