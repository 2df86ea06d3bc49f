/* Steering and risk. A text is an attack when any of these says so, from the surest to the least sure:
 *
 *   phrases    those of injection.def, over the folded text (guard_scan)
 *   disguise   words shifted by a constant (ROT), spaced out, or with digits for letters, that read as attack words
 *   transcript a dialogue written out with its speakers, to be gone on with
 *   payload    a long run of base64, hex or binary digits that decodes to words: hidden text has one purpose
 *   conflict   the app's instructions forbid or hide something, and the request is about that (conflict.c)
 *   model      the topic score over a window of words */
#include <math.h>
#include <string.h>

#include "guard/model.h"

enum { MAX_PAYLOAD = 2048, LEAST_PAYLOAD = 16 };

static const char *const risk_names[GUARD_RISKS] = {"payment", "legal", "medical", "self_harm"};

const char *guard_risk_name(guard_risk r) { return (unsigned)r < GUARD_RISKS ? risk_names[r] : ""; }

static base_slice folded(const guard_view *v, size_t start, size_t end) {
  return (base_slice){(const char *)v->low + start, end - start};
}

/* ---- disguised words ---- */

static const char *const attack_words[] = {"ignore",       "disregard", "previous", "instruction",
                                           "instructions", "password",  "reveal",   "secret",
                                           "prompt",       "override",  "system",   "forget"};

/* 0 none, 1 one of the words itself, 2 the word with every letter moved by the same step, 3 the word backwards. */
static int disguise_of(const uint8_t *w, size_t n) {
  for (size_t k = 0; k < sizeof attack_words / sizeof attack_words[0]; k++) {
    const char *word = attack_words[k];
    if (strlen(word) != n) continue;
    unsigned step = (unsigned)(w[0] + 26 - word[0]) % 26;
    size_t moved = 0, back = 0;
    for (size_t i = 0; i < n; i++) {
      moved += w[i] >= 'a' && w[i] <= 'z' && (unsigned)(w[i] + 26 - word[i]) % 26 == step;
      back += w[i] == (uint8_t)word[n - 1 - i];
    }
    if (moved == n) return step == 0 ? 1 : 2;
    if (back == n) return 3;
  }
  return 0;
}

/* A digit or mark that stands for a letter, or the letter itself. */
static uint8_t unleet(uint8_t c) {
  static const char from[] = "013457@$!", to[] = "oieastasi";
  const char *at = c != 0 ? strchr(from, c) : NULL;
  return at != NULL ? (uint8_t)to[at - from] : c;
}

/* Two or more disguised words make an attack; so does one spelled with digits or spaced out, as nobody writes
 * "p4ssw0rd" or "i g n o r e" by chance, beside another attack word. */
static bool is_disguised(const guard_view *v) {
  size_t hidden = 0, open = 0;
  for (size_t i = 0; i < v->n; i++) {
    uint8_t word[16];
    size_t n = 0, at = i, digits = 0;
    if (i > 0 && v->low[i - 1] > ' ') continue;
    bool spaced = guard_is_alnum(v->low[i]) && v->low[i + 1] == ' ' && guard_is_alnum(v->low[i + 2]) &&
                  v->low[i + 3] == ' ';
    for (; n < sizeof word && v->low[at] > ' '; at += spaced ? 2 : 1) {
      if (spaced && v->low[at + 1] > ' ') break;
      word[n] = unleet(v->low[at]);
      digits += word[n] != v->low[at] && guard_is_alnum(v->low[at]);
      n++;
    }
    while (n > 0 && !(word[n - 1] >= 'a' && word[n - 1] <= 'z')) n--;
    int kind = disguise_of(word, n);
    hidden += kind > 1 || (kind == 1 && (spaced || digits > 0));
    open += kind == 1 && !spaced && digits == 0;
    if (spaced) i = at;
  }
  return hidden >= 2 || (hidden == 1 && open >= 1);
}

/* ---- payloads ---- */

typedef struct payload {
  char text[MAX_PAYLOAD];
  size_t n;
} payload;

static int sextet(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* RFC 4648; stops at the first character outside the alphabet. Returns characters read. */
static size_t read_base64(const guard_view *v, size_t i, payload *p) {
  uint32_t bits = 0;
  size_t start = i, held = 0;
  for (p->n = 0; p->n < MAX_PAYLOAD - 1; i++) {
    int six = sextet(v->f[i]);
    if (six < 0) break;
    bits = bits << 6 | (uint32_t)six;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    p->text[p->n++] = (char)(bits >> held & 255);
  }
  return i - start;
}

static int nibble(uint8_t low) {
  return guard_is_digit(low) ? low - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* "496e 67", "\x49\x6e", "01001001 01101110": digits of one byte each, between them at most blanks and "\x". */
static size_t read_digits_as_bytes(const guard_view *v, size_t i, bool binary, payload *p) {
  size_t start = i, per = binary ? 8 : 2;
  for (p->n = 0; p->n < MAX_PAYLOAD - 1;) {
    unsigned value = 0;
    size_t k = 0;
    for (; k < per; k++) {
      int d = nibble(v->low[i + k]);
      if (d < 0 || (binary && d > 1)) break;
      value = value * (binary ? 2 : 16) + (unsigned)d;
    }
    if (k < per) break;
    p->text[p->n++] = (char)value;
    i += per;
    while (v->f[i] == ' ' || v->f[i] == '\\' || (v->low[i] == 'x' && v->f[i - 1] == '\\')) i++;
  }
  return i - start;
}

/* Decoded bytes that are words: printable, mostly letters, with vowels. */
static bool is_words(const payload *p) {
  size_t letters = 0, vowels = 0;
  if (p->n < LEAST_PAYLOAD / 2) return false;
  for (size_t i = 0; i < p->n; i++) {
    unsigned char c = (unsigned char)p->text[i];
    if ((c < ' ' && c != '\n' && c != '\t') || c > 126) return false;
    letters += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ';
    vowels += strchr("aeiouAEIOU", c) != NULL;
  }
  return letters * 4 >= p->n * 3 && vowels * 8 >= p->n;
}

/* Runs of encoded text; *taken is how far this run goes, decoded or not. */
static bool payload_at(const guard_view *v, size_t i, payload *p, size_t *taken) {
  *taken = read_digits_as_bytes(v, i, true, p);
  if (p->n >= LEAST_PAYLOAD / 2 && is_words(p)) return true;
  size_t n = read_digits_as_bytes(v, i, false, p);
  if (n > *taken) *taken = n;
  if (p->n >= LEAST_PAYLOAD / 2 && is_words(p)) return true;
  n = read_base64(v, i, p);
  if (n > *taken) *taken = n;
  return n >= LEAST_PAYLOAD && is_words(p) && memchr(p->text, ' ', p->n) != NULL;
}

static bool has_payload(const guard_view *v) {
  payload p;
  for (size_t i = 0, taken; i < v->n; i += taken > 0 ? taken : 1) {
    taken = 0;
    if (sextet(v->f[i]) < 0 || (i > 0 && sextet(v->f[i - 1]) >= 0)) continue;
    if (payload_at(v, i, &p, &taken)) return true;
    if (taken > 32) taken -= 1; /* a run that is no payload is not read again from its middle */
    else taken = 1;
  }
  return false;
}

/* Morse: a run of groups of dots and dashes. */
static bool has_morse(const guard_view *v) {
  size_t groups = 0, marks = 0;
  for (size_t i = 0; i < v->n; i++) {
    uint8_t c = v->f[i];
    if (c == '.' || c == '-') {
      marks++;
    } else if (c == ' ' || c == '/') {
      if (marks > 5) groups = 0;
      groups += marks > 0 && marks <= 5;
      marks = 0;
      if (groups >= 8) return true;
    } else {
      groups = marks = 0;
    }
  }
  return false;
}

/* Questions and answers, or speakers, in turns: "Q: .. A: .. Q:". People send such things in documents, not
 * as a request. */
static bool is_transcript(const guard_view *v) {
  static const char *const asks[] = {"q: ", "user: ", "human: ", "question: "},
                           *const says[] = {"a: ", "assistant: ", "ai: ", "answer: ", "bot: "};
  size_t asked = 0, said = 0;
  for (size_t i = 0; i < v->n; i++) {
    if (i > 0 && v->low[i - 1] > ' ') continue;
    for (size_t k = 0; k < sizeof asks / sizeof asks[0]; k++) asked += guard_starts(v, i, asks[k]);
    for (size_t k = 0; k < sizeof says / sizeof says[0]; k++) said += guard_starts(v, i, says[k]);
  }
  return asked >= 2 && said >= 1;
}

/* ---- together ---- */

static bool by_rules(const guard_view *v, guard_source from, guard_attack *out) {
  const char *what = "";
  if (guard_scan(folded(v, 0, v->n)) == GUARD_INJECTION || guard_steers_in_script(v->text)) what = "phrase";
  else if (is_disguised(v)) what = "disguise";
  else if (from == GUARD_FROM_USER && is_transcript(v)) what = "transcript";
  else if (has_payload(v)) what = "payload";
  else if (has_morse(v)) what = "morse";
  else if (v->hidden > 8 && v->hidden * 4 > v->n && from == GUARD_FROM_OUTSIDE) what = "hidden_characters";
  if (what[0] == '\0') return false;
  *out = (guard_attack){true, 1.0F, what};
  return true;
}

/* What hides between two words instead of a blank: the phrases once more, over the text with blanks there. g->low is
 * free until the next view is made. */
static bool by_hidden_blanks(guard *g, const guard_view *v) {
  if (v->hidden == 0) return false;
  guard_show_hidden(v->text, g->low);
  return guard_scan((base_slice){(const char *)g->low, v->text.len}) == GUARD_INJECTION;
}

/* A document is an alarm when the surest of its windows is. So that long ones are no alarms by chance, the limit's log
 * odds rise with the logarithm of the windows: a document of ten needs 0.73 where one of a single window needs 0.4. */
static const float OUTSIDE_RISE = 0.6F;

/* Beside an app's instructions, which name what is forbidden, the model has to be surer: it and they together must not
 * be alarms on more than two ordinary requests in a hundred. */
static const float LIMIT_INSTRUCTED = 0.24F;

static float limit_of(const guard_model *m, guard_source from, bool instructed, size_t windows) {
  float limit = m->threshold[GUARD_TOPIC_ATTACK];
  if (instructed && limit < LIMIT_INSTRUCTED) limit = LIMIT_INSTRUCTED;
  if (from == GUARD_FROM_USER || windows == 0) return limit;
  limit = m->threshold[GUARD_LIMIT_OUTSIDE];
  return 1.0F / (1.0F + (1.0F - limit) / limit * powf((float)windows, -OUTSIDE_RISE));
}

base_status guard_injection(guard *g, base_slice text, guard_source from, base_slice instructions,
                            guard_attack *out, base_error *err) {
  guard_view v;
  float p[GUARD_TOPICS] = {0};
  base_status st = BASE_OK;
  bool may_conflict = instructions.len > 0 && from == GUARD_FROM_USER; /* a document may speak of anything */
  *out = (guard_attack){.what = ""};
  if (may_conflict && (st = guard_view_of(g, instructions, &v, err)) == BASE_OK)
    guard_read_instructions(&v, &g->told);
  if (!st) st = guard_view_of(g, text, &v, err);
  if (st || by_rules(&v, from, out)) return st;
  if (by_hidden_blanks(g, &v)) {
    *out = (guard_attack){true, 1.0F, "phrase"};
    return BASE_OK;
  }
  if (v.hidden > 0) st = guard_view_of(g, text, &v, err); /* its letters were written over */
  if (st) return st;
  if (may_conflict && guard_conflicts(&g->told, &v)) {
    *out = (guard_attack){true, 0.9F, "conflict"};
    return BASE_OK;
  }
  if (g->model == NULL) return BASE_OK;
  size_t windows = guard_model_topics(g->model, &v, from, p);
  out->score = p[GUARD_TOPIC_ATTACK];
  out->found = out->score >= limit_of(g->model, from, may_conflict, windows);
  if (out->found) out->what = "model";
  return BASE_OK;
}

/* Words that settle a risk without a model, and beside one. */
static const char *const risk_words[GUARD_RISKS] = {
    "wire transfer|bank transfer|pay with my card|credit card payment",
    "lawsuit|sue my|eviction|evict me|evicted|evict a tenant|restraining order|power of attorney",
    "chest pain|overdose|stroke symptoms|allergic reaction|dosage",
    "kill myself|killing myself|suicide|suicidal|end my life|take my own life|hurt myself|harm myself|want "
    "to die|"
    "cut myself|better off dead",
};

base_status guard_risk_of(guard *g, base_slice text, guard_risks *out, base_error *err) {
  guard_view v;
  float p[GUARD_TOPICS] = {0}, limit[GUARD_TOPICS] = {0};
  base_status st = guard_view_of(g, text, &v, err);
  *out = (guard_risks){.found = 0};
  if (st) return st;
  if (g->model != NULL) {
    (void)guard_model_topics(g->model, &v, GUARD_FROM_USER, p);
    memcpy(limit, g->model->threshold, sizeof limit);
  }
  for (unsigned r = 0; r < GUARD_RISKS; r++) {
    float score = p[GUARD_TOPIC_RISK + r];
    bool said = guard_near(&v, v.n, v.n, risk_words[r]);
    out->score[r] = said && score < 0.9F ? 0.9F : score;
    if (said || (g->model != NULL && score >= limit[GUARD_TOPIC_RISK + r])) out->found |= 1U << r;
  }
  return BASE_OK;
}
