/* tool/form: how a model writes a call, seen in what its template makes of a conversation with calls:
 *
 *   ...assistant\n <tool_call>\n{"name": " probe_one ", "arguments":  {"probe_key": ...} }\n</tool_call> <|im_end|>
 *                  opening                          middle                              last             end of turn
 *
 * A second conversation, with two calls, says what stands between them. */
#include <string.h>

#include "tool/internal.h"

enum { MAX_TRIGGER = 64, MAX_LOOKED_AT = 4096 };

static const char probe_tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"probe_tool\",\"description\":\"Probes.\","
    "\"parameters\":{\"type\":\"object\","
    "\"properties\":{\"probe_key\":{\"type\":\"string\",\"description\":\"A key.\"}},"
    "\"required\":[\"probe_key\"]}}}]";

#define PROBE_ARGUMENTS "{\"probe_key\": \"probe_value\"}"
#define FIRST_NAME "probe_one"
#define SECOND_NAME "probe_two"
#define FIRST_ID "probeid01" /* nine letters and digits: some templates take no other */
#define SECOND_ID "probeid02"

typedef struct probe {
  const chat_template *t;
  const tok_vocab *v;
  base_slice bos, eos;
  const base_allocator *a;
} probe;

static size_t find(base_slice text, size_t from, base_slice what) {
  if (what.len == 0 || from >= text.len) return SIZE_MAX;
  const char *found = memmem(text.ptr + from, text.len - from, what.ptr, what.len);
  return found != NULL ? (size_t)(found - text.ptr) : SIZE_MAX;
}

static bool has(base_slice text, const char *what) { return find(text, 0, base_slice_of(what)) != SIZE_MAX; }

static base_slice from(base_slice text, size_t at) { return base_slice_sub(text, at, text.len); }

static size_t common(base_slice a, base_slice b) {
  size_t n = 0, most = a.len < b.len ? a.len : b.len;
  while (n < most && a.ptr[n] == b.ptr[n]) n++;
  return n;
}

/* ---- conversations ---- */

typedef enum probe_kind { PROBE_QUESTION, PROBE_SYSTEM, PROBE_ONE_CALL, PROBE_TWO_CALLS } probe_kind;

/* Only what is wrong with our side is a failure; a template may refuse what it likes: *said is then false. */
static base_status say(const probe *p, probe_kind kind, bool tools, const tool_form *f, chat_prompt *out,
                       bool *said) {
  const base_slice arguments = BASE_LITERAL(PROBE_ARGUMENTS);
  const chat_call calls[] = {{BASE_LITERAL(FIRST_ID), BASE_LITERAL(FIRST_NAME), arguments, f->text_arguments},
                             {BASE_LITERAL(SECOND_ID), BASE_LITERAL(SECOND_NAME), arguments,
                              f->text_arguments}};
  const base_slice question = BASE_LITERAL("probe_question"), result = BASE_LITERAL("probe_result");
  chat_message m[5] = {{.role = BASE_LITERAL("user"), .content = question}};
  size_t n = 1, n_calls = kind == PROBE_ONE_CALL ? 1 : kind == PROBE_TWO_CALLS ? 2 : 0;
  base_error err = {0};
  if (kind == PROBE_SYSTEM) {
    m[1] = m[0];
    m[0] = (chat_message){.role = BASE_LITERAL("system"), .content = question};
    n = 2;
  }
  if (n_calls > 0)
    m[n++] = (chat_message){.role = BASE_LITERAL("assistant"), .calls = calls, .n_calls = n_calls,
                            .empty_text = f->empty_text};
  for (size_t i = 0; i < n_calls; i++)
    m[n++] = (chat_message){.role = BASE_LITERAL("tool"), .content = result, .name = calls[i].name,
                            .tool_call_id = calls[i].id};
  chat_input in = {.size = sizeof in,
                   .messages = m,
                   .n_messages = n,
                   .tools = tools ? base_slice_of(probe_tools) : (base_slice){"", 0},
                   .add_generation_prompt = n_calls == 0,
                   .bos_token = p->bos,
                   .eos_token = p->eos};
  base_status st = chat_render(p->t, &in, out, p->a, &err);
  *said = st == BASE_OK;
  return st == BASE_ENOMEM ? st : BASE_OK;
}

/* ---- control tokens in a text ---- */

/* Calls `each` for every control or end token in the text, in order; false from it stops. */
static base_status scan(const probe *p, base_slice text, bool (*each)(void *ctx, size_t at, uint32_t id),
                        void *ctx) {
  tok_scratch scratch = {.allocator = p->a};
  tok_input in = {.text = text.ptr, .len = text.len, .flags = TOK_PARSE_SPECIAL | TOK_CONTINUE};
  size_t room = tok_encode_bound(p->v, text.len), n = 0, at = 0;
  uint32_t *ids = base_alloc(p->a, room * sizeof *ids + 1);
  base_status st = ids != NULL ? tok_encode(p->v, &scratch, &in, ids, room, &n, NULL) : BASE_ENOMEM;
  for (size_t i = 0; st == BASE_OK && i < n; i++) {
    if (tok_vocab_type(p->v, ids[i]) != TOK_TYPE_CONTROL && !tok_vocab_is_eog(p->v, ids[i])) continue;
    base_slice name = tok_vocab_piece(p->v, ids[i]);
    size_t found = find(text, at, name);
    if (found == SIZE_MAX) continue; /* an unknown token stands for other text */
    if (!each(ctx, found, ids[i])) break;
    at = found + name.len;
  }
  base_free(p->a, ids, room * sizeof *ids + 1);
  tok_scratch_free(&scratch);
  return st;
}

typedef struct ending {
  const tok_vocab *v;
  size_t at;
} ending;

static bool note_end(void *ctx, size_t at, uint32_t id) {
  ending *e = ctx;
  if (!tok_vocab_is_eog(e->v, id)) return true;
  e->at = at;
  return false;
}

typedef struct marking {
  const tok_vocab *v;
  base_slice text;
  size_t done;
  base_buf *out;
  bool ends; /* has an end token, with which no answer goes on */
} marking;

static bool mark_control(void *ctx, size_t at, uint32_t id) {
  marking *m = ctx;
  base_buf_add(m->out, m->text.ptr + m->done, at - m->done);
  base_buf_putc(m->out, (char)0xFF);
  m->done = at;
  m->ends |= tok_vocab_is_eog(m->v, id);
  return true;
}

/* The text as a literal: 0xFF before each control token. */
static base_status put_literal(const probe *p, base_slice text, base_buf *out) {
  marking m = {.v = p->v, .text = text, .out = out};
  base_buf_clear(out);
  base_status st = scan(p, text, mark_control, &m);
  if (st == BASE_OK) base_buf_add(out, text.ptr + m.done, text.len - m.done);
  if (st == BASE_OK && m.ends) st = BASE_EUNSUPPORTED;
  return st != BASE_OK ? st : out->failed ? BASE_ENOMEM : BASE_OK;
}

/* ---- where things stand ---- */

/* Where a and b part; when that is within a tag, before it. */
static size_t parting(base_slice a, base_slice b) {
  size_t at = common(a, b);
  if (at == a.len) return at;
  for (size_t i = at; i > 0 && a.ptr[i - 1] != '>' && a.ptr[i - 1] != ']' && a.ptr[i - 1] != '\n'; i--)
    if (a.ptr[i - 1] == '<' || a.ptr[i - 1] == '[') return i - 1;
  return at;
}

typedef struct place {
  size_t name, name_end, arguments, arguments_end;
} place;

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The call of `name` behind `start`: a name as it is, then an object of the probe's arguments. */
static bool find_call(base_slice talk, size_t start, const char *name, place *out) {
  out->name = find(talk, start, base_slice_of(name));
  if (out->name == SIZE_MAX) return false;
  out->name_end = out->name + strlen(name);
  size_t key = find(talk, out->name_end, BASE_LITERAL("\"probe_key\""));
  size_t value = find(talk, out->name_end, BASE_LITERAL("\"probe_value\""));
  if (key == SIZE_MAX || value == SIZE_MAX) return false;
  while (key > 0 && is_space(talk.ptr[key - 1])) key--;
  value += sizeof "\"probe_value\"" - 1;
  while (value < talk.len && is_space(talk.ptr[value])) value++;
  if (key == 0 || talk.ptr[key - 1] != '{' || value == talk.len || talk.ptr[value] != '}') return false;
  out->arguments = key - 1;
  out->arguments_end = value + 1;
  return out->arguments > out->name_end;
}

/* ---- ids, which a model need not write ---- */

static bool cut(base_buf *b, const char *before, const char *id, const char *behind) {
  char what[64];
  if (!base_format(what, sizeof what, "%s%s%s", before, id, behind)) return false;
  size_t at = find((base_slice){b->ptr, b->len}, 0, base_slice_of(what)), n = strlen(what);
  if (at == SIZE_MAX) return false;
  memmove(b->ptr + at, b->ptr + at + n, b->len - at - n);
  b->len -= n;
  b->ptr[b->len] = '\0';
  return true;
}

/* False when an id stands where it cannot be left out. */
static bool cut_ids(tool_form *f) {
  static const char *const around[][2] = {{", \"id\": \"", "\""}, {",\"id\":\"", "\""},
                                          {"\"id\": \"", "\", "}, {"\"id\":\"", "\","},
                                          {"\xFF[CALL_ID]", ""}, {"[CALL_ID]", ""}};
  static const char *const ids[] = {FIRST_ID, SECOND_ID};
  for (int i = 0; i < TOOL_LITERALS; i++) {
    for (size_t k = 0; k < 2; k++)
      for (size_t w = 0; w < sizeof around / sizeof around[0]; w++)
        (void)cut(&f->literal[i], around[w][0], ids[k], around[w][1]);
    if (has(tool_literal(f, i), "probe")) return false;
  }
  return true;
}

/* ---- the literals ---- */

/* What begins a call for certain: a control token, a tag, or the opening as a whole, at the answer's beginning. */
static void set_trigger(tool_form *f) {
  base_slice opening = tool_literal(f, TOOL_OPENING);
  size_t n = 0;
  bool marked = opening.len > 0 && (uint8_t)opening.ptr[0] == 0xFF;
  char close = opening.len > (size_t)marked && opening.ptr[marked] == '[' ? ']' : '>';
  const char *end = opening.len > 0 ? memchr(opening.ptr, close, opening.len) : NULL;
  if (end == NULL && opening.len > 0 && opening.ptr[0] == '<') end = opening.ptr + opening.len - 1;
  bool capitals = opening.len > 1 && opening.ptr[0] == '[' && opening.ptr[1] >= 'A' && opening.ptr[1] <= 'Z';
  bool tag = end != NULL && (marked || opening.ptr[0] == '<' || capitals);
  if (tag) n = (size_t)(end - opening.ptr) + 1;
  f->at_start = n == 0 || n > MAX_TRIGGER;
  if (f->at_start) n = opening.len < MAX_TRIGGER ? opening.len : MAX_TRIGGER;
  base_buf_clear(&f->literal[TOOL_TRIGGER]);
  base_buf_add(&f->literal[TOOL_TRIGGER], opening.ptr, n);
}

static base_slice trim_start(base_slice s) {
  while (s.len > 0 && is_space(s.ptr[0])) s = from(s, 1);
  return s;
}

/* Behind the first call's arguments: what ends the call, then what ends the calls, then the end of the turn.
 * With two calls the first part is what the ends of both have in common. */
static base_status set_ends(const probe *p, tool_form *f, base_slice behind, base_slice between) {
  ending e = {.v = p->v, .at = SIZE_MAX};
  if (behind.len > MAX_LOOKED_AT) behind.len = MAX_LOOKED_AT;
  base_status st = scan(p, behind, note_end, &e);
  if (st != BASE_OK) return st;
  if (e.at == SIZE_MAX) return BASE_EUNSUPPORTED;
  behind.len = e.at;
  while (behind.len > 0 && is_space(behind.ptr[behind.len - 1])) behind.len--;
  size_t last = between.len > 0 ? parting(behind, between) : behind.len;
  st = put_literal(p, base_slice_sub(behind, 0, last), &f->literal[TOOL_LAST]);
  if (st == BASE_OK) st = put_literal(p, from(behind, last), &f->literal[TOOL_END]);
  if (st == BASE_OK && between.len > 0) st = put_literal(p, from(between, last), &f->literal[TOOL_BETWEEN]);
  return st;
}

/* BASE_EUNSUPPORTED: calls are not written as a name and an object. */
static base_status read_talk(const probe *p, tool_form *f, base_slice prompt, base_slice one, base_slice two) {
  /* a prompt may end with more than what comes before a call: a thought begun */
  size_t start = parting(prompt, one);
  place first, again, second;
  base_slice between = {"", 0};
  if (!find_call(one, start, FIRST_NAME, &first)) return BASE_EUNSUPPORTED;
  bool both = two.len > 0 && find_call(two, start, FIRST_NAME, &again) &&
      find_call(two, again.arguments_end, SECOND_NAME, &second);
  if (both) between = base_slice_sub(two, again.arguments_end, second.name);
  base_slice opening = trim_start(base_slice_sub(one, start, first.name));
  base_status st = put_literal(p, opening, &f->literal[TOOL_OPENING]);
  if (st == BASE_OK)
    st = put_literal(p, base_slice_sub(one, first.name_end, first.arguments), &f->literal[TOOL_MIDDLE]);
  if (st == BASE_OK) st = set_ends(p, f, from(one, first.arguments_end), between);
  if (st != BASE_OK) return st;
  if (!cut_ids(f) || opening.len == 0) return BASE_EUNSUPPORTED;
  set_trigger(f);
  return f->literal[TOOL_TRIGGER].failed ? BASE_ENOMEM : BASE_OK;
}

static const char *const plain[TOOL_LITERALS] = {"{\"tool_calls\": [{\"name\": \"", "\", \"arguments\": ",
                                                 "}", ", {\"name\": \"",
                                                 "]}", "{\"tool_calls\": "};
/* What NousResearch's Hermes and many after it are told to write. */
static const char *const tagged[TOOL_LITERALS] = {"<tool_call>\n{\"name\": \"", "\", \"arguments\": ",
                                                  "}\n</tool_call>",
                                                  "\n<tool_call>\n{\"name\": \"", "", "<tool_call>"};

static base_status set_known(tool_form *f, const char *const text[TOOL_LITERALS]) {
  f->takes_calls = false;
  f->at_start = text == plain;
  for (int i = 0; i < TOOL_LITERALS; i++) {
    base_buf_clear(&f->literal[i]);
    base_buf_puts(&f->literal[i], text[i]);
    if (f->literal[i].failed) return BASE_ENOMEM;
  }
  return BASE_OK;
}

/* ---- looking ---- */

static base_slice text_of(const chat_prompt *p) {
  return (base_slice){p->text.len > 0 ? p->text.ptr : "", p->text.len};
}

/* Calls as this template may want them; BASE_EUNSUPPORTED: not so. */
static base_status try_calls(const probe *p, tool_form *f, chat_prompt talk[3]) {
  bool said;
  base_status st = say(p, PROBE_ONE_CALL, true, f, &talk[1], &said);
  if (st != BASE_OK) return st;
  if (!said || !has(text_of(&talk[1]), "probe_result")) return BASE_EUNSUPPORTED;
  st = say(p, PROBE_TWO_CALLS, true, f, &talk[2], &said);
  if (st != BASE_OK) return st;
  return read_talk(p, f, text_of(&talk[0]), text_of(&talk[1]), said ? text_of(&talk[2]) : (base_slice){"", 0});
}

/* The template's own form, where it has one; else the one that it tells the model about; else the plain one. */
static base_status look(const probe *p, tool_form *f, chat_prompt talk[3]) {
  bool said;
  base_status st = say(p, PROBE_SYSTEM, false, f, &talk[0], &said);
  if (st != BASE_OK) return st;
  f->no_system = !said || !has(text_of(&talk[0]), "probe_question");
  st = say(p, PROBE_QUESTION, true, f, &talk[0], &said);
  if (st != BASE_OK) return st;
  if (!said || !has(text_of(&talk[0]), "probe_tool")) return set_known(f, plain);
  f->takes_tools = f->takes_calls = true;
  for (int i = 0; i < 4; i++) {
    f->empty_text = (i & 1) != 0;
    f->text_arguments = (i & 2) != 0;
    st = try_calls(p, f, talk);
    if (st != BASE_EUNSUPPORTED) return st;
  }
  if (has(text_of(&talk[0]), "<tool_call>\n{\"name\"") || has(text_of(&talk[0]), "<tool_call>{\"name\""))
    return set_known(f, tagged);
  f->takes_tools = false; /* it tells the model of a form that cannot be read here */
  return set_known(f, plain);
}

base_status tool_form_open(tool_form **out, const chat_template *t, const tok_vocab *v, base_slice bos,
                           base_slice eos,
                           const base_allocator *a, base_error *err) {
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  probe p = {t, v, bos, eos, a};
  chat_prompt talk[3] = {{.text.allocator = a}, {.text.allocator = a}, {.text.allocator = a}};
  tool_form *f = base_calloc(a, 1, sizeof *f);
  if (f == NULL) return base_fail(err, BASE_ENOMEM, "tools", "no memory");
  f->allocator = a;
  for (int i = 0; i < TOOL_LITERALS; i++) f->literal[i].allocator = a;
  base_status st = look(&p, f, talk);
  for (int i = 0; i < 3; i++) chat_prompt_free(&talk[i]);
  if (st != BASE_OK) {
    tool_form_close(f);
    return base_fail(err, st, chat_template_name(t), "%s", base_status_text(st));
  }
  *out = f;
  return BASE_OK;
}

void tool_form_close(tool_form *f) {
  if (f == NULL) return;
  for (int i = 0; i < TOOL_LITERALS; i++) base_buf_free(&f->literal[i]);
  base_free(f->allocator, f, sizeof *f);
}

bool tool_form_is_own(const tool_form *f) { return f->takes_tools; }

mask_form tool_form_literals(const tool_form *f) {
  return (mask_form){.at_start = f->at_start,
                     .trigger = tool_literal(f, TOOL_TRIGGER),
                     .opening = tool_literal(f, TOOL_OPENING),
                     .middle = tool_literal(f, TOOL_MIDDLE),
                     .last = tool_literal(f, TOOL_LAST),
                     .between = tool_literal(f, TOOL_BETWEEN),
                     .end = tool_literal(f, TOOL_END)};
}

base_status tool_rule(mask_rule **out, const tool_form *f, const tool_set *s, const tool_choice *c, bool single,
                      mask_order order, const base_allocator *a, base_error *err) {
  mask_options o = {.order = order};
  mask_form form = tool_form_literals(f);
  mask_part *parts = base_alloc(a != NULL ? a : base_allocator_libc(), TOOL_MAX_TOOLS * sizeof *parts);
  *out = NULL;
  if (parts == NULL) return base_fail(err, BASE_ENOMEM, "tools", "no memory");
  form.words = !c->required;
  if (single) form.between.len = 0;
  form.parts = parts;
  for (size_t i = 0; i < s->n; i++)
    if (c->allowed[i]) parts[form.n_parts++] = (mask_part){s->tool[i].name, s->tool[i].schema};
  base_status st = mask_form_open(out, &form, &o, a, err);
  base_free(a != NULL ? a : base_allocator_libc(), parts, TOOL_MAX_TOOLS * sizeof *parts);
  return st;
}
