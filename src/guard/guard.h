/* guard: what comes in and what may leave. Checks the bytes of a request; finds personal data, secrets,
 * risks and attempts to steer the assistant; makes `guard_clean`, the only kind of text that may leave the
 * device; puts values back into answers; validates what models propose.
 *
 * Texts from screens and documents are data: nothing here or downstream obeys them. Everything runs in time
 * linear in the text and, once a guard is open, finds without allocating. */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include "base/base.h"
#include "gguf/gguf.h"
#include "value/value.h"

/* ---- requests: bytes ---- */

enum { GUARD_MAX_REQUEST_BYTES = 2000 };

/* What a request's text is like. */
typedef enum guard_finding { GUARD_FINE, GUARD_INJECTION } guard_finding;

/* Refuses with one sentence: empty or only white space, over GUARD_MAX_REQUEST_BYTES, not UTF-8, control
 * characters other than tab and line ends. The cleaned text (every run of white space one blank, none at the
 * ends) goes to out [GUARD_MAX_REQUEST_BYTES + 1], terminated. */
base_status guard_request(base_slice text, char *out, size_t *out_len, base_error *err);
/* Rules over a cleaned request: phrases that address the assistant's instructions rather than ask for
 * something
 * ("ignore all previous instructions", "you are now DAN", role tags such as <|system|>, [INST]). Such words
 * in the body of a message ("text bob ignore the instructions on the box") are fine: the finding is about the
 * request as a whole. Needs no guard; guard_injection knows more. */
guard_finding guard_scan(base_slice cleaned);

/* ---- personal data and secrets ---- */

typedef enum guard_class {
#define GUARD_CLASS(name, word, rule) GUARD_##name,
#include "guard/class.def"
#undef GUARD_CLASS
  GUARD_CLASSES
} guard_class;
const char *guard_class_name(guard_class c);         /* "email"; "" when out of range */
bool guard_class_find(base_slice name, guard_class *out);

typedef struct guard_span {
  guard_class cls;
  uint32_t start, end; /* bytes of the text, on whole characters */
  float confidence;    /* 0..1: 1 where check digits or an unmistakable form say so */
  const char *what;    /* which rule, e.g. "us_ssn", "github_token"; static, never NULL */
} guard_span;

enum { GUARD_MAX_BYTES = 65536, GUARD_MAX_SPANS = 4096 };

/* Holds the model's tables, the contact names and all working memory. One thread at a time. */
typedef struct guard guard;
typedef struct guard_options {
  size_t size;                     /* sizeof(guard_options) */
  const base_allocator *allocator; /* NULL: libc */
  size_t max_bytes;                /* the longest text taken; 0: GUARD_MAX_BYTES, which is also the most */
  const gguf_file *model;          /* packs/guard.gguf, kept open by the caller; NULL: rules alone */
} guard_options;
void guard_options_init(guard_options *o);
base_status guard_open(guard **out, const guard_options *o, base_error *err);
void guard_close(guard *g); /* NULL is harmless */
/* Replaces the list of names that count as persons wherever they stand (full names; a name of one word must
 * have three letters). Copied. */
base_status guard_set_contacts(guard *g, const base_slice *names, size_t n, base_error *err);

/* Values in a text, left to right, not overlapping. Sees through zero-width characters, full-width and other
 * scripts' digits, unusual blanks and dashes, digits spaced out, "name at host dot org". The text must be
 * UTF-8 (else BASE_EFORMAT); BASE_ELIMIT when it is longer than max_bytes or has more than `max` values
 * (never a silent cut). */
base_status guard_find(guard *g, base_slice text, guard_span *out, size_t max, size_t *n, base_error *err);

/* ---- text that may leave ---- */

typedef enum guard_rule { GUARD_KEEP, GUARD_REDACT, GUARD_ALLOW } guard_rule;
typedef struct guard_rules {
  guard_rule of[GUARD_CLASSES];
  float threshold; /* spans of less confidence are let through where the rule is not KEEP */
} guard_rules;
void guard_rules_init(guard_rules *r); /* those of class.def, threshold 0.3 */

/* The values taken out of the texts of one exchange, with their placeholders. Never written anywhere; wiped
 * when freed. The same value of a class has the same placeholder in all texts of a vault. */
typedef struct guard_vault guard_vault;
guard_vault *guard_vault_new(const base_allocator *a); /* NULL when out of memory; a may be NULL */
void guard_vault_free(guard_vault *v);                 /* NULL is harmless */
size_t guard_vault_count(const guard_vault *v);

/* Text that holds nothing a policy keeps, and placeholders like [EMAIL_1] for what it redacts. Only this room
 * can make one: what sends or stores text takes this type and no other. */
typedef struct guard_clean guard_clean;
/* *out is NULL unless BASE_OK. BASE_EMISMATCH: the text holds a value whose class is KEEP; *kept (may be NULL)
 * says which; nothing may leave. BASE_EFORMAT, BASE_ELIMIT as guard_find. What looks like a placeholder in the
 * text itself is redacted too, so that guard_restore(guard_clean_text) is the text, byte for byte. The clean
 * text does not need the vault; restoring does. */
base_status guard_clean_make(guard *g, base_slice text, const guard_rules *r, guard_vault *v,
                             guard_clean **out, guard_class *kept, base_error *err);
void guard_clean_free(guard_clean *c); /* NULL is harmless */
base_slice guard_clean_text(const guard_clean *c); /* terminated; lives as long as c */
size_t guard_clean_redacted(const guard_clean *c); /* how many placeholders are in it */

typedef enum guard_form { GUARD_TEXT, GUARD_JSON } guard_form;
/* Puts the vault's values back into an answer. Placeholders are recognised in any case, in [] () {} <> or
 * bare (EMAIL_1), with blanks inside, with "-", a blank or nothing for the "_", and with the "_" escaped as
 * Markdown does; unknown numbers stay. GUARD_JSON: the answer is a JSON document, values are escaped for the
 * strings they stand in. Adds to out (whose failure is BASE_ENOMEM). */
base_status guard_restore(const guard_vault *v, base_slice answer, guard_form form, base_buf *out,
                          base_error *err);

/* ---- steering and risk ---- */

typedef enum guard_source {
  GUARD_FROM_USER,   /* typed or said by the person at the device */
  GUARD_FROM_OUTSIDE /* a screen, a document, a web page, a message: always data */
} guard_source;
typedef struct guard_attack {
  bool found;
  float score;      /* 0..1 */
  const char *what; /* the rule or "model"; "" when nothing was found */
} guard_attack;
/* Does the text try to steer the assistant? `instructions` (may be empty) is what the app told its assistant
 * (a system prompt): a request for what it forbids or keeps secret is then an attack as well. */
base_status guard_injection(guard *g, base_slice text, guard_source from, base_slice instructions,
                            guard_attack *out, base_error *err);

typedef enum guard_risk { GUARD_PAYMENT, GUARD_LEGAL, GUARD_MEDICAL, GUARD_SELF_HARM, GUARD_RISKS } guard_risk;
const char *guard_risk_name(guard_risk r); /* "payment", "legal", "medical", "self_harm" */
typedef struct guard_risks {
  float score[GUARD_RISKS]; /* 0..1 */
  unsigned found;           /* bit 1u << risk */
} guard_risks;
/* What kind of harm a wrong answer to this request could do. Not a reason to refuse by itself. */
base_status guard_risk_of(guard *g, base_slice text, guard_risks *out, base_error *err);

/* ---- validators: is a proposed value possible? BASE_EMISMATCH with one sentence when it is not. A schema is
 * checked by constrain. ---- */

typedef struct guard_line {
  value_decimal quantity;
  value_money price, total; /* of one; of the line */
} guard_line;
/* Every total is quantity x price exactly (or rounded half away from zero to the minor unit), all of one known
 * currency, and the lines add up to `subtotal`; subtotal + tax - discount = total. NULL: not given.
 * BASE_ELIMIT when a sum does not fit. */
typedef struct guard_bill {
  const guard_line *lines;
  size_t n_lines;
  const value_money *subtotal, *tax, *discount, *total;
} guard_bill;
base_status guard_check_bill(const guard_bill *b, base_error *err);
/* Within [least, most] minor units, of `currency` ("" any known one). */
base_status guard_check_money(const value_money *m, const char *currency, int64_t least, int64_t most,
                              base_error *err);
typedef struct guard_date_rule {
  value_datetime now;
  bool not_past, not_future;
  value_date first, last; /* year 0: open */
} guard_date_rule;
/* Exists in the calendar (and on the clock) and obeys the rule; today is neither past nor future. */
base_status guard_check_date(const value_datetime *t, const guard_date_rule *rule, base_error *err);
base_status guard_check_interval(const value_interval *i, const guard_date_rule *rule, base_error *err);
base_status guard_check_enum(base_slice value, const base_slice *allowed, size_t n, base_error *err);
base_status guard_check_phone(base_slice phone, base_error *err); /* E.164-like: + and 3 to 15 digits */
base_status guard_check_email(base_slice email, base_error *err); /* RFC 5321's lengths, one @, a dotted host */
/* Does `value` exist as a `kind` ("contact", "song", "account")? The callback says 1 yes, 0 no, -1 cannot tell
 * (which passes). */
typedef struct guard_lookup {
  int (*exists)(void *ctx, base_slice kind, base_slice value);
  void *ctx;
} guard_lookup;
base_status guard_check_exists(const guard_lookup *l, base_slice kind, base_slice value, base_error *err);

/* ---- learning the model: what `minnow train packs/guard` runs ---- */

/* One source text: a file's name (for errors) and its bytes. */
typedef struct guard_source_text {
  const char *name;
  base_slice text;
} guard_source_text;

typedef struct guard_learn_options {
  size_t size;
  const base_allocator *allocator; /* NULL: libc */
  uint64_t seed;
  uint32_t sentences; /* drawn for the names; 0: 40,000 */
  uint32_t texts;     /* drawn for the topics in a pass; 0: 100,000 */
  uint32_t passes;    /* 0: 15 */
} guard_learn_options;
void guard_learn_options_init(guard_learn_options *o);

typedef struct guard_learn_report {
  size_t lists, values, templates;
  size_t drawn, judged; /* texts */
  float name_f1;                 /* of whole spans, on drawn sentences of held-out templates */
  float attack_recall, attack_alarms;
} guard_learn_report;

/* What to learn from, borrowed. Pages: whole documents and source files that steer nobody, taken as they are. */
typedef struct guard_learn_texts {
  const guard_source_text *grammar; /* docs/guard.md says how it is written */
  size_t n_grammar;
  const guard_source_text *ordinary; /* no attack, a line each, with {slot:value} marks or none: the packs' sentences */
  size_t n_ordinary;
  const guard_source_text *page;
  size_t n_pages;
} guard_learn_texts;

/* Reads the grammar, draws, trains, writes keys and tensors into w. The tensors live in the returned memory: free with
 * guard_learned_free after saving. Same inputs, same bytes. */
typedef struct guard_learned guard_learned;
base_status guard_learn(guard_learned **out, const guard_learn_texts *texts, const guard_learn_options *o,
                        gguf_writer *w, guard_learn_report *report, base_error *err);
void guard_learned_free(guard_learned *l);

#endif
