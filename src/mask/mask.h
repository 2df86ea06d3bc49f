/* mask: which tokens may come next so that the text can still become what a rule asks for.
 *
 * A rule is compiled from a JSON Schema, a regular expression, a GBNF grammar, or a form in which several documents
 * stand. For JSON Schema it
 * is an exact validator that runs on bytes: one frame for each open object or array, in it what every subschema that
 * applies to the value still says (holds, fails, open), and automata for strings, numbers and keys. A byte is refused
 * as soon as it makes the document's truth impossible; so is a closing bracket behind which it would be false. All of
 * it is built when first needed and kept, so that compiling is cheap. What one can only know at the end of a value
 * (not, uniqueItems, oneOf whose branches overlap) is decided there: mask_rule_notes lists those places.
 *
 * The vocabulary is a trie of bytes. A mask is the walk of the trie from the present state; subtrees whose answer
 * does not depend on the document (the inside of a string) are kept as tables, whole masks by state.
 *
 * What text a schema allows: the document alone without white space around it; white space by option; strings with
 * the escapes \" \\ \/ \b \f \n \r \t and \u00XX for control characters only (keys: the shortest spelling); numbers
 * with an exponent only where bounds allow any magnitude; no key twice. One thread at a time per rule. */
#ifndef MASK_MASK_H
#define MASK_MASK_H

#include "base/base.h"

/* ---- the vocabulary ---- */

typedef struct mask_vocab mask_vocab;

/* Token id stands for piece(ctx, id), asked once for each id in order and borrowed until the call returns: bytes,
 * which need not be UTF-8; an empty piece (control tokens) is never in a mask. Pieces over 512 bytes are never
 * allowed. Takes some 20 ms and 12 MB for 128,000 tokens. Immutable but for tables that rules fill in: one thread at a
 * time. */
base_status mask_vocab_open(mask_vocab **out, size_t n_tokens, base_slice (*piece)(void *ctx, uint32_t id), void *ctx,
                            const base_allocator *a, base_error *err);
void mask_vocab_close(mask_vocab *v); /* NULL is harmless */

/* ---- rules ---- */

typedef struct mask_rule mask_rule;

typedef enum mask_space {
  MASK_SPACE_SINGLE, /* one space may follow a comma and a colon, as json.dumps writes */
  MASK_SPACE_NONE,
  MASK_SPACE_ANY /* up to 20 of space, tab and line ends wherever JSON allows them inside the document */
} mask_space;

typedef enum mask_order {
  MASK_ORDER_ANY,
  /* As `properties` lists them, then those that it does not list. Schemas that apply to one object are read as they
   * stand in the text, references where they stand; a name counts where it is first; `not` and `if` list nothing. */
  MASK_ORDER_SCHEMA
} mask_order;

typedef struct mask_options {
  mask_space space;
  mask_order order;    /* of an object's properties */
  bool ignore_formats; /* formats are annotations only */
  bool account;        /* the rule is for its notes alone: they are all of mask_when, and refusals are notes too */
  size_t max_bytes;    /* memory of a rule and its runs' tables; 0: 192 MiB */
} mask_options;

/* options may be NULL. BASE_EFORMAT: not JSON, or a keyword whose value has no meaning; BASE_EUNSUPPORTED: something
 * that can neither be enforced nor checked; BASE_ELIMIT: over a bound. err->where is the place in the schema. */
base_status mask_schema(mask_rule **out, base_slice json, const mask_options *o, const base_allocator *a,
                        base_error *err);
/* The whole text matches an ECMA-262 expression (see regex/regex.h). */
base_status mask_regex(mask_rule **out, base_slice pattern, const mask_options *o, const base_allocator *a,
                       base_error *err);
void mask_rule_close(mask_rule *r); /* NULL is harmless; after its runs */

/* The text is what the rule `root` of a GBNF grammar says (llama.cpp's notation): strings, character classes, . for
 * any character, groups, |, * + ? {m} {m,} {m,n}, # to the end of a line. Undefined rules are refused by name, and of
 * those that root leads to the ones without any text and left recursive ones; rules that nothing uses are let be. A
 * run fails with BASE_ELIMIT where more than 16,384 places in the grammar fit the text at once, or the rule's memory
 * is used up. */
base_status mask_grammar(mask_rule **out, base_slice text, const mask_options *o, const base_allocator *a,
                         base_error *err);

/* ---- words in which documents stand: what a model says that may call tools ----
 *
 *   text := WORDS  or  [WORDS] opening CALL (between CALL)* end        CALL := name middle DOCUMENT last
 *
 * WORDS is any text in UTF-8 in which the trigger does not occur; with `at_start` the trigger counts only at the
 * text's beginning, behind white space, and words that begin otherwise go on as they like. A byte 0xFF begins the name
 * of a control token (the piece of such a token is 0xFF and its name): no other text has one, so that literals may ask
 * for control tokens. */

typedef struct mask_part {
  base_slice name;     /* bytes that `middle` does not begin with; no two alike */
  base_slice document; /* a JSON Schema */
} mask_part;

typedef struct mask_form {
  bool words;         /* words may come before the first call, or instead of calls */
  bool at_start;
  base_slice trigger; /* with words: the beginning of `opening`, at most 64 bytes */
  base_slice opening, middle, last, end; /* opening and middle have at least a byte */
  base_slice between; /* empty: one call at most */
  const mask_part *parts;
  size_t n_parts;     /* 1 to 512 */
} mask_form;

/* Everything is copied. err->where is the part's name and the place in its schema. The notes are those of all parts. */
base_status mask_form_open(mask_rule **out, const mask_form *form, const mask_options *o, const base_allocator *a,
                           base_error *err);

/* When a keyword is decided that is not enforced byte by byte. The last three are noted in an account alone. */
typedef enum mask_when {
  MASK_AT_VALUES_END,   /* the mask refuses the last byte of a value that does not fit */
  MASK_AT_DOCUMENTS_END, /* by the validator alone */
  MASK_AT_BRACKET,      /* the closing bracket waits for it, and what it waits for can come */
  MASK_NEVER,           /* nothing checks it */
  MASK_REFUSED          /* no rule can be made of it */
} mask_when;

/* A keyword that is not enforced byte by byte. */
typedef struct mask_note {
  const char *path;    /* JSON Pointer into the schema */
  const char *keyword;
  const char *reason;
  mask_when when;
  bool may_fail; /* a text may come to where nothing can make it right: a dead end, or what the validator refuses */
} mask_note;
size_t mask_rule_notes(const mask_rule *r);
bool mask_rule_may_fail(const mask_rule *r); /* one of them may */
/* All NULL past the end, and when there is no memory for the paths, which are worked out at the first call. */
mask_note mask_rule_note(mask_rule *r, size_t i);
size_t mask_rule_bytes(const mask_rule *r);             /* memory held at present */
size_t mask_rule_schemas(const mask_rule *r);           /* subschemas compiled */

/* ---- one text under a rule ---- */

typedef struct mask_run mask_run;

base_status mask_run_open(mask_run **out, mask_rule *r, mask_vocab *v, const base_allocator *a, base_error *err);
void mask_run_close(mask_run *run); /* NULL is harmless */
void mask_run_reset(mask_run *run); /* to the empty text; tables are kept */

/* Bit id % 32 of word id / 32: token id may come next. Valid until the next call on this run. NULL when something ran
 * out (memory, a bound): mask_run_failed says what. A mask without a bit and a text that may not end is a dead end,
 * which only what mask_rule_notes lists can lead to. */
const uint32_t *mask_run_mask(mask_run *run);
/* Takes a token, which the mask need not have been asked about: BASE_EMISMATCH (nothing changes) when it may not come
 * next. */
base_status mask_run_commit(mask_run *run, uint32_t token);
/* The same for bytes. */
base_status mask_run_commit_bytes(mask_run *run, base_slice bytes);
bool mask_run_may_end(mask_run *run);        /* the text so far is complete; it may still be allowed to go on */
bool mask_run_must_end(mask_run *run);       /* complete, and nothing may follow */
base_slice mask_run_text(const mask_run *run); /* all bytes so far */
size_t mask_run_commits(const mask_run *run);  /* how many can be taken back */
void mask_run_rollback(mask_run *run, size_t commits); /* takes back the last ones; clamped */
base_status mask_run_failed(const mask_run *run);
size_t mask_run_bytes(const mask_run *run); /* memory held: frames, text, masks */
bool mask_run_decides_late(const mask_run *run); /* its rule has notes: a text may come to where no end fits */
/* Bytes that make the text complete, few but not always the fewest (*len 0: it may end as it is); they are not taken.
 * False: no way was found within `room` bytes and a bound of work (some milliseconds). */
bool mask_run_finish(mask_run *run, char *out, size_t room, size_t *len);
/* The bytes that must follow, as many as are certain (at most room); 0 where there is a choice. They are not taken. */
size_t mask_run_forced(mask_run *run, char *out, size_t room);
/* Of a form: how many bytes at the beginning are words, whatever follows. *called: a call has begun there. */
size_t mask_run_words(mask_run *run, bool *called);

#endif
