/* Fuzz target: tools, a choice and an answer. The input's first byte chooses a template, then come tools up to a NUL and a
 * choice up to a NUL; what follows drives a walk through the rule: at each step one of the tokens that the mask allows.
 * Beyond not crashing: an answer that may end is read, its calls name tools and fit, and another rendering of the
 * conversation takes them. */
#include <stdlib.h>

#include "mask_vocab.h"
#include "tool/tool.h"

enum { MAX_STEPS = 160 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
  if (!ok) abort();
}

#define HEAD "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}<s>{{ m.role }}:{{ m.content or '' }}"
#define TAIL "<end>{% endfor %}{% if add_generation_prompt %}<s>assistant:{% endif %}"
static const char *const templates[] = {
    HEAD "{% for c in m.tool_calls or [] %}<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}</tool_call>{% endfor %}" TAIL,
    HEAD "{% if m.tool_calls %}{{ raise_exception('two') if m.tool_calls | length > 1 }}{\"name\": \"{{ m.tool_calls[0].function.name }}\", \"parameters\": "
         "{{ m.tool_calls[0].function.arguments | tojson }}}{% endif %}" TAIL,
    HEAD "{% if m.tool_calls %}<call>[{% for c in m.tool_calls %}{% if not loop.first %}, {% endif %}{\"name\": \"{{ c.function.name }}\", \"arguments\": "
         "{{ c.function.arguments | tojson }}, \"id\": \"{{ c.id }}\"}{% endfor %}]{% endif %}" TAIL,
    HEAD TAIL};
enum { TEMPLATES = sizeof templates / sizeof *templates, CONTROL = 256 + MASK_N_PIECES };

static base_slice piece(void *ctx, uint32_t id) {
  if (id == CONTROL) return BASE_LITERAL("\xFF<call>");
  return id == 0xFF ? (base_slice){"", 0} : mask_piece(ctx, id);
}

/* Every byte is a token. */
static tok_vocab *open_tokens(void) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const base_slice control[] = {BASE_LITERAL("<s>"), BASE_LITERAL("<end>"), BASE_LITERAL("<|im_end|>"), BASE_LITERAL("<call>")};
  base_buf ranks = {0};
  tok_vocab *v = NULL;
  for (unsigned b = 0; b < 256; b++) base_buf_printf(&ranks, "%c%c== %u\n", digits[b >> 2], digits[(b & 3) << 4], b);
  require(tok_vocab_open_ranks(&v, (base_slice){ranks.ptr, ranks.len}, "bytes", "llama-bpe", control, 4, NULL, NULL) == BASE_OK);
  base_buf_free(&ranks);
  return v;
}

static base_slice take(const uint8_t **at, const uint8_t *end) {
  const uint8_t *zero = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL, *from = *at;
  *at = zero != NULL ? zero + 1 : end;
  return (base_slice){(const char *)from, (size_t)((zero != NULL ? zero : end) - from)};
}

static void read_back(const tool_form *f, const tool_set *s, mask_run *run) {
  tool_answer o;
  bool called;
  base_error err = {0};
  size_t words = mask_run_words(run, &called);
  base_status st = tool_answer_read(&o, f, s, mask_run_text(run), words, called, 1, NULL, &err);
  require(st == BASE_OK || st == BASE_ELIMIT || st == BASE_ENOMEM);
  if (st != BASE_OK) return;
  require((o.n_calls > 0) == called);
  const chat_message m[] = {{.role = BASE_LITERAL("user"), .content = BASE_LITERAL("x")},
                            {.role = BASE_LITERAL("assistant"), .content = o.words, .calls = o.calls, .n_calls = o.n_calls},
                            {.role = BASE_LITERAL("tool"), .content = BASE_LITERAL("y"), .tool_call_id = o.n_calls > 0 ? o.calls[0].id : (base_slice){"", 0}}};
  tool_prompt p;
  require(tool_prompt_make(&p, f, s, m, 3, NULL, NULL) == BASE_OK && p.n_messages > 0);
  tool_prompt_free(&p);
  tool_answer_free(&o);
}

static void walk(const tool_form *f, const tool_set *s, mask_run *run, const uint8_t *drive, size_t size) {
  for (size_t i = 0; i < size && i < MAX_STEPS; i++) {
    const uint32_t *mask = mask_run_mask(run);
    uint32_t n = 0, pick = CONTROL + 1;
    for (uint32_t t = 0; mask != NULL && t <= CONTROL; t++) n += mask[t >> 5] >> (t & 31) & 1;
    if (n == 0) return;
    n = drive[i] == 0xFF && (mask[CONTROL >> 5] >> (CONTROL & 31) & 1) ? n - 1 : drive[i] % n; /* 0xFF: the trigger */
    for (uint32_t t = 0; t <= CONTROL && pick > CONTROL; t++)
      if ((mask[t >> 5] >> (t & 31) & 1) && n-- == 0) pick = t;
    if (mask_run_commit(run, pick) != BASE_OK) {
      require(mask_run_failed(run) != BASE_OK);
      return;
    }
    if (mask_run_may_end(run)) read_back(f, s, run);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *end = data + size, *at = data + 1;
  tool_set *s = NULL;
  tool_form *f = NULL;
  chat_template *t = NULL;
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  mask_vocab *v = NULL;
  static tool_choice c;
  base_error err = {0};
  if (size < 2 || size > 1 << 14) return 0;
  base_slice tools = take(&at, end), choice = take(&at, end);
  if (tool_set_open(&s, tools, NULL, &err) != BASE_OK) {
    require(s == NULL && err.text[0] != '\0');
    return 0;
  }
  tok_vocab *tokens = open_tokens();
  require(chat_template_open(&t, base_slice_of(templates[data[0] % TEMPLATES]), NULL, &err) == BASE_OK);
  require(tool_form_open(&f, t, tokens, BASE_LITERAL("<s>"), BASE_LITERAL("<end>"), NULL, &err) == BASE_OK);
  base_status st = tool_choice_read(&c, s, choice, NULL, &err);
  require(st == BASE_OK || err.text[0] != '\0');
  if (st == BASE_OK && !c.none && tool_set_count(s) > 0) st = tool_rule(&rule, f, s, &c, data[0] >= 128, (mask_order)(data[0] & 1), NULL, &err);
  require(st == BASE_OK || err.text[0] != '\0');
  if (rule != NULL && mask_vocab_open(&v, CONTROL + 1, piece, NULL, NULL, NULL) == BASE_OK &&
      mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK)
    walk(f, s, run, at, (size_t)(end - at));
  mask_run_close(run);
  mask_rule_close(rule);
  mask_vocab_close(v);
  tool_form_close(f);
  chat_template_close(t);
  tok_vocab_close(tokens);
  tool_set_close(s);
  return 0;
}
