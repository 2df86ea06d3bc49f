/* ledger: what was decided and what it cost, in one SQLite file (WAL) that survives a kill at any instruction.
 * Events are written by a thread of the ledger's own, off the request's path. Budgets and deferred requests
 * are written before the call returns, because money and promises must not be lost. Text reaches the file only
 * as guard_clean. One ledger may be used from several threads, and one file by several processes. */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "base/base.h"
#include "guard/guard.h"

typedef struct ledger ledger;

typedef struct ledger_options {
  const base_allocator *allocator; /* NULL: libc. SQLite brings its own */
  int64_t retention_s;             /* older events are deleted; 0: 90 days */
  uint64_t max_bytes;              /* of the file: then the oldest events are deleted; 0: 64 MiB */
  bool keep_text;                  /* store the cleaned text of requests; off by default */
} ledger_options;

/* Opens or makes the file at `path`. What is no ledger, or a newer version's, is BASE_EFORMAT and left as it
 * is. options may be NULL. */
base_status ledger_open(ledger **out, const char *path, const ledger_options *options, base_error *err);
void ledger_close(ledger *l); /* writes what is waiting; NULL is harmless */

/* ---- events ---- */

enum {
  LEDGER_ID_BYTES = 48,
  LEDGER_NAME_BYTES = 64,
  LEDGER_TEXT_BYTES = 1024 /* a longer cleaned text is cut at a character */
};

/* Stages of a request whose time is kept, in the order they run. */
typedef enum ledger_stage {
#define LEDGER_STAGE(name, column) LEDGER_##name,
#include "ledger/stage.def"
#undef LEDGER_STAGE
  LEDGER_STAGES
} ledger_stage;

typedef struct ledger_event {
  char id[LEDGER_ID_BYTES]; /* unique; the outcome's id */
  int64_t at_ms;            /* Unix time of the user's action */
  char kind[16];            /* "action", "text", "extract" */
  char decision[16], source[16], reason[32];
  char pack[LEDGER_NAME_BYTES], pack_version[32];
  char model[LEDGER_NAME_BYTES];  /* that gave the answer: a pack, a file, or a cloud model */
  char prompt_hash[24];           /* of the prompt template; "" when none was used */
  char policy[24];                /* version of the policy */
  char tier[16];                  /* class of device, as the app names it: "low", "high" */
  float confidence;               /* 0..1 */
  uint32_t stage_us[LEDGER_STAGES];
  uint32_t total_us;              /* from the user's action to the result */
  uint32_t tokens_in, tokens_out; /* of the cloud, all attempts */
  uint32_t attempts;              /* calls to the cloud, retries included */
  int64_t cost_nano_usd;          /* 1e-9 US dollars, all attempts */
  bool online, repaired;
  /* an incident's kind ("safety", "abuse", "validator") and what happened; "" when none */
  char incident[16], incident_detail[LEDGER_NAME_BYTES];
} ledger_event;

/* Hands an event to the writing thread: copies it, allocates nothing, never waits for a disk. While another process
 * holds the file the writer tries again; once LEDGER_WAITING events have not been written by then, what comes is lost
 * after a moment's wait (10 ms), and ledger_flush says how many. A request that was deferred has one event: what
 * becomes of it later replaces the decision and adds to tokens, attempts and cost, and its time runs from the user's
 * action. text may be NULL and is stored only when the options say so. */
enum { LEDGER_WAITING = 256 };
void ledger_write(ledger *l, const ledger_event *e, const guard_clean *text);
/* Waits until everything handed over is in the file, at most some 5 seconds for another process. The first failure of
 * the writing thread is told here and then forgotten. */
base_status ledger_flush(ledger *l, base_error *err);

typedef enum ledger_feedback_kind { LEDGER_OK, LEDGER_UNDO, LEDGER_CORRECT } ledger_feedback_kind;
/* How an event turned out, later. action: for LEDGER_CORRECT what would have been right, as JSON, or NULL. A
 * second report replaces the first. BASE_ENOTFOUND when the ledger has no such event. */
base_status ledger_feedback(ledger *l, base_slice id, ledger_feedback_kind kind, const guard_clean *action,
                            int64_t at_ms, base_error *err);

/* Deletes what retention and size cap say; also done now and then by the writing thread. */
base_status ledger_prune(ledger *l, int64_t now_ms, base_error *err);

/* ---- budget: reserve before a call, settle after it ---- */

/* In 1e-9 US dollars; a negative cap means no limit. Days and months are those of UTC. */
typedef struct ledger_caps {
  int64_t request, day, month;
} ledger_caps;

/* Sets `amount` aside for a request's next call: durable when this returns BASE_OK, so that a crash during the
 * call counts it as spent. BASE_ELIMIT, naming the cap, when it would be exceeded; BASE_EIO when another process holds
 * the file for more than half a second. `request_id` holds all attempts of one request together. */
base_status ledger_reserve(ledger *l, base_slice request_id, const ledger_caps *caps, int64_t amount,
                           int64_t now_s, int64_t *reservation, base_error *err);
/* What the call really cost (0 when it surely never reached the service). Once a reservation; a second
 * settling is BASE_ENOTFOUND. Where another process holds the file it is written later, before ledger_flush returns. */
base_status ledger_settle(ledger *l, int64_t reservation, int64_t actual, base_error *err);
/* Settled and reserved money of now's day and month. */
base_status ledger_spent(ledger *l, int64_t now_s, int64_t *day, int64_t *month, base_error *err);

/* ---- deferred requests ---- */

typedef struct ledger_deferred {
  char id[LEDGER_ID_BYTES];
  char kind[16], reason[32];
  char pack[LEDGER_NAME_BYTES]; /* of the open app; "": none */
  char local_time[24];          /* "2026-11-21T09:30:00", what "tomorrow" was said at; "": not known */
  int64_t at_s, expires_s, next_s; /* next_s: not to be tried before */
  uint32_t attempts;
  uint32_t withheld; /* placeholders in its texts whose values are nowhere any more */
} ledger_deferred;

/* The texts that a request has. */
typedef enum ledger_part { LEDGER_TEXT, LEDGER_INSTRUCTIONS, LEDGER_SCHEMA, LEDGER_CONTEXT, LEDGER_PARTS } ledger_part;

/* Saves a request for later; durable when it returns; waits half a second at most. The same id again changes nothing.
 * Parts that are NULL are empty. */
base_status ledger_defer(ledger *l, const ledger_deferred *d, const guard_clean *const part[LEDGER_PARTS],
                         base_error *err);
/* Takes the request that has waited longest of those that may be tried now: nobody else gets it for lease_s
 * seconds. Its texts are added to `part`. BASE_ENOTFOUND (err untouched) when there is none. */
base_status ledger_queue_take(ledger *l, int64_t now_s, int64_t lease_s, ledger_deferred *out,
                              base_buf part[LEDGER_PARTS], base_error *err);
/* Answered: it leaves the queue. BASE_ENOTFOUND when it was not there, so that nothing is answered twice. */
base_status ledger_queue_done(ledger *l, base_slice id, base_error *err);
/* Not answered: counts an attempt and gives it back, not to be tried before next_s. */
base_status ledger_queue_retry(ledger *l, base_slice id, int64_t next_s, base_error *err);
/* Removes one, or with an empty id all. How many went: *dropped. */
base_status ledger_queue_drop(ledger *l, base_slice id, size_t *dropped, base_error *err);
/* Removes those whose time is over; their events become a handoff for the reason "expired". */
base_status ledger_queue_expire(ledger *l, int64_t now_s, size_t *expired, base_error *err);
/* Calls `each` for every request, oldest first. */
base_status ledger_queue_list(ledger *l,
                              base_status (*each)(void *ctx, const ledger_deferred *d, base_slice text,
                                                  base_error *err),
                              void *ctx, base_error *err);

/* ---- reports ---- */

typedef enum ledger_format { LEDGER_AS_TEXT, LEDGER_AS_JSON, LEDGER_AS_CSV } ledger_format;
/* Events since since_ms, appended to `out`: latency percentiles (nearest rank) by stage and in all, share of
 * device and cloud, success by device tier, reasons for handing off, cost per successful task, incidents by
 * model and prompt. A task is an event that gave the user something (act, confirm, answer); it is successful
 * unless it was undone or corrected later. docs/ledger.md has the fields. */
base_status ledger_report(ledger *l, int64_t since_ms, ledger_format format, base_buf *out, base_error *err);

#endif
