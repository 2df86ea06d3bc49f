/* pack: one app's brain. The manifest (actions, slots, risks, questions), the source folder as training rows,
 * and a built file opened: a sentence to a drafted action with typed, normalised arguments. See docs/pack.md.
 */
#ifndef PACK_PACK_H
#define PACK_PACK_H

#include "base/base.h"
#include "data/data.h"
#include "gguf/gguf.h"
#include "head/head.h"
#include "value/value.h"

typedef enum pack_risk {
  PACK_NONE,
  PACK_REVERSIBLE,
  PACK_DISCLOSES,
  PACK_MONEY,
  PACK_IRREVERSIBLE,
  PACK_SAFETY
} pack_risk;
const char *pack_risk_name(pack_risk r); /* "none", "reversible", ... */

typedef enum pack_slot_type {
  PACK_TEXT,
  PACK_LIST,
  PACK_ENUM,
  PACK_INTEGER,
  PACK_NUMBER,
  PACK_PERCENT,
  PACK_ORDINAL,
  PACK_DATETIME,
  PACK_DATE,
  PACK_TIME,
  PACK_INTERVAL,
  PACK_DURATION,
  PACK_RECURRENCE,
  PACK_MONEY_AMOUNT,
  PACK_TEMPERATURE,
  PACK_PHONE,
  PACK_EMAIL
} pack_slot_type;

enum { PACK_MAX_ACTIONS = 64, PACK_MAX_SLOTS = 64, PACK_MAX_ARGUMENTS = 4096, PACK_MAX_MORNING = 16 };

typedef struct pack_slot {
  const char *name, *ask;
  pack_slot_type type;
  value_resolve resolve;
  /* dates and times: words of a request that make a bare hour one of the morning */
  const char *morning[PACK_MAX_MORNING];
  size_t n_morning;
  char currency[4];
  const char **value, **saying; /* enum: [n_sayings] canonical value of each way to say it, longest saying
                                   first; lower-case */
  size_t n_sayings;
  const char *schema; /* JSON object that narrows the argument, or NULL */
} pack_slot;

typedef struct pack_action {
  const char *name, *title;
  pack_risk risk;
  uint64_t slots, required, any_of; /* bit sets over the manifest's slots */
  int any_of_first; /* slot whose question is put when none of any_of is there; -1 without any_of */
  const char *ask[PACK_MAX_SLOTS]; /* the action's own question for a slot, or NULL */
  const char *schema;              /* JSON Schema of the arguments, derived */
} pack_action;

typedef struct pack_manifest {
  const char *name, *version, *title, *app_id, *app_versions;
  bool is_gate;
  size_t n_slots, n_actions, n_packs;
  pack_slot slot[PACK_MAX_SLOTS];
  pack_action action[PACK_MAX_ACTIONS];
  const char *packs[PACK_MAX_ACTIONS]; /* of a gate: the packs it chooses between, in label order */
  const char *json; /* canonical text, as stored in the file: compact, keys in the source's order, "schema" in
                       every action */
} pack_manifest;

/* Reads pack.json's text. Unknown keys, undeclared slots, a required slot that is not among the action's, an
 * unknown type or risk: BASE_EFORMAT naming the place. `where`: the file. */
base_status pack_manifest_open(pack_manifest **out, base_slice json, const char *where,
                               const base_allocator *a, base_error *err);
void pack_manifest_close(pack_manifest *m);
int pack_find_slot(const pack_manifest *m, base_slice name); /* -1 when absent */
int pack_find_action(const pack_manifest *m, base_slice name);

/* ---- source folders ---- */

/* The label of rows that the pack must not act on; always the last label. */
#define PACK_LABEL_NONE "none"
/* A gate's only slot: each of several requests in one text. */
#define PACK_SLOT_PART "part"
#define PACK_KEY(name) "minnow.pack." name
/* Reads folder/pack.json, sentences.txt, values.txt, negatives.txt into rows: labels are the actions in
 * manifest order, then "none"; slots in manifest order; lists have the names they have in values.txt. Errors
 * name file and line. What the packs beside this one do, this one does not: their sentences, and the
 * negatives of a gate beside it, are rows of "none", marked `generated`, without spans; but a sentence that
 * this pack acts on is never a row of "none". For a gate: labels are its packs in order, then "none"; rows
 * are the packs' sentences, and of "none" its own negatives.txt alone, since a pack's negatives may be other
 * packs' business. The spans there only say what may be swapped: they all carry slot 0, PACK_SLOT_PART, and
 * lists are called "music/song". A sentence that the gate's negatives name is none of a pack's. */
base_status pack_source_read(const char *folder, pack_manifest **manifest, data_set *set,
                             const base_allocator *a, base_error *err);
/* allowed [labels][slots] for train_spec, from the manifest and the set that pack_source_read made; the
 * caller frees with base_free(a, p, labels * max(slots,1)). */
base_status pack_allowed_slots(const pack_manifest *m, const data_set *set, uint8_t **allowed,
                               const base_allocator *a, base_error *err);
/* Metadata of a built pack into a writer: "minnow.pack.manifest" (JSON), "minnow.pack.name",
 * "minnow.pack.version", "minnow.pack.source" (16 hex digits: FNV of the source files). */
void pack_put(const pack_manifest *m, uint64_t source_hash, gguf_writer *w);
base_status pack_source_hash(const char *folder, uint64_t *hash, base_error *err);

/* ---- built packs ---- */

typedef struct pack pack;
/* Maps the file, binds the brain, compiles the schemas; refuses a file whose labels or slots and manifest
 * disagree. No part is left that could fail later. A `shared` tokenizer (may be NULL) has to outlive the
 * pack. */
base_status pack_open(pack **out, const char *path, const tok_bpe *shared, const base_allocator *a,
                      base_error *err);
/* The same over bytes the caller keeps alive (64-byte aligned). `name` is used in errors. */
base_status pack_open_bytes(pack **out, const void *bytes, size_t len, const char *name,
                            const tok_bpe *shared, const base_allocator *a, base_error *err);
void pack_close(pack *p);
const pack_manifest *pack_manifest_of(const pack *p);
const head_brain *pack_brain(const pack *p);
/* Arguments that came from elsewhere against an action's schema: as constrain_check. */
base_status pack_check(const pack *p, size_t action, base_slice arguments, base_error *err);

/* What a sentence asks of a pack, drafted and checked. No allocation to make one. */
typedef struct pack_draft {
  int action;                         /* index, or -1: nothing this pack does */
  char arguments[PACK_MAX_ARGUMENTS]; /* JSON object, keys in manifest order; "{}" when there are none */
  int missing;                        /* first required slot that is missing, or -1 */
  int unclear;                        /* first slot whose words could not be read as its type, or -1 */
  bool valid;         /* the arguments fit the action's schema (required ones aside when missing >= 0) */
  base_error problem; /* why not valid, or why unclear */
} pack_draft;
/* Spans of `r` (bytes of `text`) to arguments; `cx` gives now, the currency and the rule for hours, slots the rest.
 * Values are normalised by value/. Texts lose surrounding quotes and punctuation; in slots that name people (person,
 * people, name, to, artist) also an ending "'s". Several spans: of a date or time slot they are read together, in
 * order; of a list all count; of any other slot the most probable one that can be read. A span before another of its
 * slot with nothing but "no, i mean" between is taken back. A list's span is one item, unless it has commas: then it
 * is split there, and at an "and" in its last piece. A point in time to come of an action that is to repeat is the
 * first that fits ("every weekday", said on a Friday evening, begins on Monday); a required one that is not said is
 * taken from a recurrence that has a time of day. An enum is said exactly, or within other words, or with one or two
 * typing errors. */
void pack_draft_action(const pack *p, base_slice text, const head_result *r, const value_context *cx,
                       pack_draft *out);

#endif
