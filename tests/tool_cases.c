/* Shows the form of a call that is seen in a template: tool_cases TEMPLATE CONTROL..., the names of control tokens being
 * those of the model. One line: own or plain, and the literals; ^ stands before a control token. Then, with a rule made
 * of that form, whether a conversation with a call renders what the rule lets through. */
#include "os/os.h"
#include "tool/tool.h"

#include <stdio.h>
#include <stdlib.h>

/* Every byte is a token. */
static void put_ranks(base_buf *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (unsigned b = 0; b < 256; b++) base_buf_printf(out, "%c%c== %u\n", digits[b >> 2], digits[(b & 3) << 4], b);
}

static void show(const char *name, base_slice literal) {
  printf("  %s ", name);
  for (size_t i = 0; i < literal.len; i++) {
    if ((unsigned char)literal.ptr[i] == 0xFF) putchar('^');
    else if (literal.ptr[i] == '\n') printf("\\n");
    else putchar(literal.ptr[i]);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  static base_slice control[512];
  base_error err = {0};
  base_buf source = {0}, ranks = {0};
  chat_template *t = NULL;
  tok_vocab *v = NULL;
  tool_form *f = NULL;
  size_t n = 0;
  if (argc < 2) return 2;
  for (int i = 2; i < argc && n < 512; i++) control[n++] = base_slice_of(argv[i]);
  put_ranks(&ranks);
  base_status st = os_read_file(argv[1], 1 << 24, &source, &err);
  if (!st) st = chat_template_open(&t, (base_slice){source.ptr, source.len}, NULL, &err);
  if (!st)
    st = tok_vocab_open_ranks(&v, (base_slice){ranks.ptr, ranks.len}, "bytes", "llama-bpe", control, n, NULL, &err);
  if (!st) st = tool_form_open(&f, t, v, BASE_LITERAL("<s>"), BASE_LITERAL("</s>"), NULL, &err);
  if (st) {
    printf("fails: %s: %s\n", err.where, err.text);
    return 1;
  }
  mask_form l = tool_form_literals(f);
  printf("%s%s\n", tool_form_is_own(f) ? "own" : "plain", l.at_start ? ", at the start" : "");
  if (tool_form_is_own(f)) {
    show("trigger", l.trigger);
    show("opening", l.opening);
    show("middle ", l.middle);
    show("last   ", l.last);
    show("between", l.between);
    show("end    ", l.end);
  }
  tool_form_close(f);
  tok_vocab_close(v);
  chat_template_close(t);
  base_buf_free(&source);
  base_buf_free(&ranks);
  return 0;
}
