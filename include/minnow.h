/* Minnow: an on-device-first AI runtime. A sentence in, typed and validated actions out, or an honest
 * "not here".
 *
 *   mn_error err = {0};
 *   mn_engine *mn = NULL;
 *   mn_outcome *out = NULL;
 *   if (mn_engine_open(&mn, NULL, &err)) return fail(&err);
 *   mn_request req;
 *   mn_request_init(&req);
 *   req.text = "wake me at 7 and text Emma good night";
 *   if (mn_do(mn, &req, &out, &err)) return fail(&err);
 *   for (size_t i = 0; i < mn_outcome_actions(out); i++) run(mn_outcome_action(out, i));
 *   mn_outcome_free(out);
 *   mn_engine_close(mn);
 *
 * Every call returns MN_OK or a status and describes failures in a caller-owned mn_error, which may be NULL.
 * Nothing here exits, prints, or reads the environment. Two engines never share state; one engine serves one
 * thread at a time. All text is UTF-8. Structs that callers fill start with `size`; their _init function sets
 * it. */
#ifndef MINNOW_H
#define MINNOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MN_API __attribute__((visibility("default")))
#else
#define MN_API
#endif

#define MN_VERSION "0.1.0"

MN_API const char *mn_version(void); /* of the library at run time, as MN_VERSION */

/* ---- errors ---- */

typedef enum mn_status {
  MN_OK,
  MN_EARGUMENT,    /* bad argument */
  MN_ENOMEM,       /* out of memory */
  MN_EIO,          /* input or output failed */
  MN_ENOTFOUND,    /* not found */
  MN_EFORMAT,      /* malformed data */
  MN_ELIMIT,       /* over a limit */
  MN_EUNSUPPORTED, /* not supported */
  MN_EMISMATCH,    /* parts do not fit together */
  MN_ECANCELLED    /* cancelled */
} mn_status;

/* Zero it before use. The first failure sticks. */
typedef struct mn_error {
  int code;       /* an mn_status */
  char where[96]; /* the file, field or line it is about; may be empty */
  char text[256]; /* one sentence: what is wrong and what to do */
} mn_error;

/* ---- the engine ---- */

typedef struct mn_engine mn_engine;
typedef struct mn_model mn_model; /* a language model, further down */

typedef struct mn_engine_options {
  size_t size;
  const char *packs_dir; /* folder of built packs and gate.gguf; NULL: the shipped ones */
  const char *kernels;   /* a kernel table: "scalar", "avx2", "avx512vnni", "amx", "neondot"; NULL: the best */
  /* All memory comes from here; NULL: malloc. `resize` is realloc told the old size; size 0 frees. */
  void *(*resize)(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes);
  void *resize_ctx;
  /* Local wall time as seconds since 1970-01-01 00:00 on that clock; NULL: the system's clock and zone. */
  int64_t (*local_seconds)(void *ctx);
  void *clock_ctx;
  /* What may be done and what may leave the device (docs/policy.md). The file is read again when it changes; one
   * that is broken leaves the old one in force (mn_policy_problem). NULL: the default policy, without a cloud. */
  const char *policy;
  const char *ledger;      /* file of decisions, spending and deferred requests; NULL: none is kept. A policy that
                              allows the cloud needs one: its caps hold across restarts */
  const char *cloud_key;   /* the service's key; NULL: the policy's key_file */
  const char *device;      /* an id of this device that stays, for rollouts; NULL: only what is on for all */
  const char *device_tier; /* class of device in reports: "low", "high"; NULL: none */
  /* The app's own check: does the account exist, do the items add up? MN_OK or MN_EMISMATCH, with a sentence for the
   * user in `why`. action and pack are NULL for answers. NULL: no check. */
  int (*check)(void *ctx, const char *pack, const char *action, const char *json, char *why, size_t why_size);
  void *check_ctx;
  mn_model *model; /* answers text and extraction on this device; borrowed until the engine is closed. NULL: none */
  const char *router; /* a file of mn_route_train: text whose probability of needing the cloud is at least the file's
                         threshold goes there at once, where the policy lets it. NULL: none */
  const char *probe; /* a file of mn_route_calibrate over mn_route_answers of this model: says how likely an answer of
                        it is right, and from where on it stands when the policy says nothing else. NULL: none */
  /* Whether `value` is known to the app as a `kind` ("account", "contact"): 1 yes, 0 no, -1 cannot tell. Asked by the
   * "exists" checks of schemas (docs/checks.md). NULL: nothing can be told */
  int (*exists)(void *ctx, const char *kind, const char *value);
  void *exists_ctx;
} mn_engine_options;

MN_API void mn_engine_options_init(mn_engine_options *o);
/* Maps every pack; options may be NULL. */
MN_API int mn_engine_open(mn_engine **out, const mn_engine_options *o, mn_error *err);
MN_API void mn_engine_close(mn_engine *mn); /* NULL is harmless */
MN_API size_t mn_engine_packs(const mn_engine *mn);
/* A pack's manifest as JSON (docs/pack.md), its name and version; NULL past the end. Owned by the engine. */
MN_API const char *mn_engine_pack_name(const mn_engine *mn, size_t index);
MN_API const char *mn_engine_pack_version(const mn_engine *mn, size_t index);
MN_API const char *mn_engine_pack_manifest(const mn_engine *mn, size_t index);
MN_API const char *mn_engine_kernels(const mn_engine *mn); /* name of the kernel table in use */

/* ---- one request ---- */

typedef struct mn_request {
  size_t size;
  const char *text; /* what the user typed or said */
  size_t text_len;  /* 0: text is terminated */
  const char *pack; /* the open app's pack: only its brain is asked; NULL: the gate chooses */
  const char *now;  /* ISO 8601 local time "2026-11-21T09:30:00"; NULL: the engine's clock */
  const char *task; /* "action"; "text": an answer in words; "extract": a document that fits `schema`. NULL: action */
  const char *instructions; /* text, extract: the app's own words to a model; NULL: none */
  const char *schema;       /* extract: JSON Schema of the document */
  /* What the request is about: a screen, a document, a message. Always data: it chooses no action, and models are told
   * to follow nothing in it. One that tries to steer the assistant has the request refused (reason "injection"); an
   * action that has one is not saved for later: the screen is gone by then. NULL: none */
  const char *context;
  size_t context_len; /* 0: context is terminated */
} mn_request;

MN_API void mn_request_init(mn_request *r); /* fills in `size`; everything else is zero, the default */

typedef struct mn_outcome mn_outcome;

/* One action the app may run. Strings live as long as the outcome. */
typedef struct mn_action {
  const char *pack, *name, *title;
  const char *arguments; /* JSON object that fits the action's schema */
  const char *risk;      /* none, reversible, discloses, money, irreversible, safety */
  const char *decision;  /* what was decided for this one: act, confirm, ask */
  const char *summary;   /* the arguments for a person: "time tomorrow at 7:00, label gym"; may be "" */
  const char *prompt;    /* the question or confirmation to put to the user; "" for act */
  float confidence;
} mn_action;

typedef struct mn_timings {
  uint32_t guard_us, gate_us, pack_us, valid_us, total_us;
  uint32_t cloud_us;
} mn_timings;

/* Text that is empty, too long, not UTF-8 or has control characters is an error; whatever else was said gives
 * an outcome. */
MN_API int mn_do(mn_engine *mn, const mn_request *r, mn_outcome **out, mn_error *err);
MN_API void mn_outcome_free(mn_outcome *o); /* NULL is harmless */
MN_API const char *mn_outcome_id(const mn_outcome *o);
/* act, answer, confirm, ask, handoff, defer, refuse */
MN_API const char *mn_outcome_decision(const mn_outcome *o);
MN_API const char *mn_outcome_source(const mn_outcome *o);   /* device, rule, cloud */
MN_API const char *mn_outcome_reason(const mn_outcome *o);   /* a code; docs/do.md lists them */
MN_API const char *mn_outcome_why(const mn_outcome *o);      /* the reason in plain words */
MN_API float mn_outcome_confidence(const mn_outcome *o);     /* 0..1: that the whole answer is right */
MN_API const char *mn_outcome_text(const mn_outcome *o);     /* a question or sentence to show; may be "" */
MN_API const char *mn_outcome_answer(const mn_outcome *o);   /* the answer's text or document; "" for actions */
MN_API size_t mn_outcome_actions(const mn_outcome *o);
MN_API mn_action mn_outcome_action(const mn_outcome *o, size_t index); /* all NULL past the end */
MN_API mn_timings mn_outcome_timings(const mn_outcome *o);
/* What lies behind the reason, for whoever runs the app ("cloud: the service refused the request: HTTP 401"); may
 * quote the user's values; may be "" */
MN_API const char *mn_outcome_detail(const mn_outcome *o);
MN_API const char *mn_outcome_json(const mn_outcome *o); /* the documented JSON object, one line */

/* ---- policy, ledger, queue (docs/policy.md, docs/ledger.md) ---- */

/* A text that was made for the caller. */
typedef struct mn_text mn_text;
MN_API const char *mn_text_chars(const mn_text *t);
MN_API void mn_text_free(mn_text *t); /* NULL is harmless */

/* The names of the user's contact list: persons wherever they stand in what would leave (docs/guard.md). Replaces the
 * list before; copied. */
MN_API int mn_contacts(mn_engine *mn, const char *const *names, size_t n, mn_error *err);

/* Is this file a policy? A failure names the place. */
MN_API int mn_policy_check(const char *path, mn_error *err);
/* What its shares mean for the packs of a folder (NULL: the shipped ones), a line a pack: the share of answers that
 * may be wrong, the confidence from which the pack acts on its own, and where that comes from. */
MN_API int mn_policy_shares(const char *path, const char *packs_dir, mn_text **out, mn_error *err);
MN_API const char *mn_policy_schema(void); /* JSON Schema of a policy */
MN_API const char *mn_policy_version(const mn_engine *mn);
/* MN_OK, or why the policy on disk is not in force. */
MN_API int mn_policy_problem(const mn_engine *mn, mn_error *err);
/* Whether a feature is on for this device; a flag that the policy does not name is on. */
MN_API bool mn_flag(const mn_engine *mn, const char *name);

/* How an outcome turned out. action_json: for MN_FEEDBACK_CORRECT what would have been right, a JSON object, or NULL;
 * what may not leave the device is not stored either. */
typedef enum mn_feedback_kind { MN_FEEDBACK_OK, MN_FEEDBACK_UNDO, MN_FEEDBACK_CORRECT } mn_feedback_kind;
MN_API int mn_feedback(mn_engine *mn, const char *id, mn_feedback_kind kind, const char *action_json, mn_error *err);

/* Of a ledger's file; no engine is needed. format: "text", "json", "csv". */
MN_API int mn_report(const char *ledger, int64_t since_unix_s, const char *format, mn_text **out, mn_error *err);
/* Deferred requests. format: "text" for a person, "json": an object a line (docs/ledger.md). */
MN_API int mn_queue_list(const char *ledger, const char *format, mn_text **out, mn_error *err);
/* Removes one, or with a NULL id all; *dropped says how many. */
MN_API int mn_queue_drop(const char *ledger, const char *id, size_t *dropped, mn_error *err);
/* Asks the cloud for what was deferred, oldest first, until there is no more or it cannot be reached; `each` gets the
 * outcomes, which are freed after it returns; where the cloud could not be asked, the last one's decision is still
 * "defer". Expired ones are dropped. Each is asked as it was, with its instructions, schema, context and local time,
 * all cleaned; where the policy keeps values (offline.keep_values) its answer has them, elsewhere placeholders, and
 * mn_outcome_text says so. */
MN_API int mn_queue_run(mn_engine *mn, void (*each)(void *ctx, const mn_outcome *o), void *ctx, size_t *answered,
                        mn_error *err);
/* The app knows that the network came or went. */
MN_API void mn_network(mn_engine *mn, bool online);

/* ---- training ---- */

typedef struct mn_progress {
  const char *phase; /* pretrain, train, calibrate, save */
  uint64_t step, steps;
  uint32_t epoch, epochs;
  double elapsed_s, eta_s;
  float loss, learning_rate;
  bool validated; /* the next are fresh; 0..1, on held-out rows */
  float label_accuracy, slot_f1, exact_match, best;
} mn_progress;

typedef struct mn_train_options {
  size_t size;
  /* What to train, one of: a pack's source folder; labelled rows; unlabelled text alone (a trunk). */
  const char *pack_dir;
  const char *nlu_file;        /* JSONL rows {"text","intent","spans":[[start,end,slot],...]} */
  const char *const *unlabelled; /* text files, one text a line: masked-token pretraining */
  size_t n_unlabelled;
  const char *valid_file;      /* held-out rows for nlu_file; NULL: a share of the rows */
  const char *oos_file;        /* more rows for nlu_file, all out of scope, whatever their intent says */
  const char *out;             /* NULL for a pack: beside its folder, NAME.gguf */
  const char *trunk;           /* where to start from; NULL: the shipped trunk, or for text a fresh one */
  const char *checkpoint;      /* NULL: OUT.checkpoint, removed when done */
  uint64_t seed;               /* 0: 1 */
  uint32_t threads;            /* 0: one a core */
  uint32_t epochs;             /* 0: the recipe's */
  float target;                /* share of acted-on answers that may be wrong; 0: 0.02 */
  bool (*progress)(void *ctx, const mn_progress *p); /* false cancels and keeps the checkpoint */
  void *progress_ctx;
  const char *refit; /* of a pack: trunk and heads stay those of its built file, and only what stands beside them is
                        fitted anew: "all" (n-grams, tagger, calibration), "calibration"; NULL: trained anew */
} mn_train_options;

typedef struct mn_train_report {
  size_t train_rows, valid_rows;
  uint32_t epochs_run;
  double seconds;
  float label_accuracy, slot_f1, exact_match;          /* held-out rows, float weights */
  float label_accuracy_i8, slot_f1_i8, exact_match_i8; /* the int8 file */
  float ece, act_threshold, acted_share, acted_wrong;
  uint64_t bytes;
  char out[256];
} mn_train_report;

MN_API void mn_train_options_init(mn_train_options *o);
/* Writes the file whole or not at all; the same inputs, options and seed give the same bytes. */
MN_API int mn_train(const mn_train_options *o, mn_train_report *report, mn_error *err);

/* ---- measuring ---- */

typedef struct mn_eval_options {
  size_t size;
  const char *model;    /* a built pack or a file from mn_train */
  const char *data;     /* JSONL rows */
  const char *oos;      /* rows that are out of scope, or NULL */
  const char *kernels;  /* NULL: the best */
} mn_eval_options;

typedef struct mn_eval_report {
  size_t rows, oos_rows;
  double intent_accuracy, slot_f1, exact_match; /* of in-scope rows, 0..1 */
  double oos_recall, oos_precision;
  double ece, auroc;                            /* of P(whole answer right), all rows */
  double p50_us, p99_us;                        /* one text through tokenizer, trunk and heads, one thread */
  struct {
    size_t count;
    double confidence, accuracy;
  } bin[15];                                    /* reliability, equal-width bins */
  double risk_at[4];                            /* share wrong among the most confident 80, 90, 95, 100 % */
  double act_threshold, acted_share, acted_wrong; /* at the threshold stored in the file */
} mn_eval_report;

MN_API void mn_eval_options_init(mn_eval_options *o);
/* Figures of a file on labelled rows, with one thread. A row or a key that cannot be read is named in the error. */
MN_API int mn_eval(const mn_eval_options *o, mn_eval_report *report, mn_error *err);

/* ---- model files: what is in one, other quantisations, other formats ---- */

typedef struct mn_convert_options {
  size_t size;
  const char *type;      /* element type: F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_1 Q5_0 Q4_K_M Q4_1 Q4_0 Q3_K_M Q2_K */
  const char *tokenizer; /* mn_convert: the tokenizer file that belongs to a checkpoint of llama2.c */
  uint32_t threads;      /* 0: one a core; the bytes written do not depend on it */
  /* Between pieces of work, in bytes of the output; false cancels and leaves nothing behind. */
  bool (*progress)(void *ctx, const char *tensor, uint64_t done, uint64_t all);
  void (*note)(void *ctx, const char *text); /* a sentence about a choice that was made */
  void *ctx;
} mn_convert_options;

MN_API void mn_convert_options_init(mn_convert_options *o);
/* GGUF to GGUF with other element types; `type` is needed. Any type may become any other. */
MN_API int mn_quantize(const char *in, const char *out, const mn_convert_options *o, mn_error *err);
/* A Hugging Face folder or a checkpoint of llama2.c to GGUF; `type` NULL: F16. */
MN_API int mn_convert(const char *in, const char *out, const mn_convert_options *o, mn_error *err);
/* GGUF to a Hugging Face folder; `type` (F32, F16, BF16) NULL: floats stay, the rest becomes F16. */
MN_API int mn_export(const char *in, const char *out_dir, const mn_convert_options *o, mn_error *err);

/* What a GGUF or safetensors file holds: metadata, tensors, memory needed with a cache for `context` tokens (0: as many
 * as the model was trained for). */
typedef struct mn_inspection mn_inspection;
MN_API int mn_inspect(const char *path, uint64_t context, mn_inspection **out, mn_error *err);
MN_API const char *mn_inspection_json(const mn_inspection *i); /* the documented object (docs/files.md) */
MN_API void mn_inspection_free(mn_inspection *i);              /* NULL is harmless */

/* ---- language models: any GGUF file of a known family (minnow inspect FILE says whether) ----
 *
 *   mn_model *m = NULL;
 *   mn_session *s = NULL;
 *   mn_generated g;
 *   if (mn_model_open(&m, "model.gguf", NULL, &err) || mn_session_open(&s, m, &err)) return fail(&err);
 *   mn_session_add(s, "user", "Why is the sky blue?", &err);
 *   mn_generate_options o;
 *   mn_generate_options_init(&o);
 *   o.token = print_it;
 *   mn_generated_init(&g);
 *   if (mn_generate(s, &o, &g, &err)) return fail(&err);
 *
 * Threads: a model's sessions may be used from any threads, each session by one thread at a time. Calls of
 * mn_generate that run at the same time share the passes over the weights; what one of them gets has the same
 * bits as if it ran alone. Callbacks come on the thread that made the call. mn_session_cancel may come from
 * any thread. Open and close the model, and close sessions, when nothing runs on them. */

typedef struct mn_session mn_session;

typedef struct mn_model_options {
  size_t size;
  uint32_t context;       /* tokens that a session's prompt and answer can have together; 0: what the model was
                             made for, at most 4096 */
  uint32_t sessions;      /* how many are kept in memory at once; others wait or are read again; 0: 1 */
  uint32_t threads;       /* 0: one a processor */
  uint32_t block;         /* tokens read in one pass; 0: 128 */
  uint32_t drafts;        /* guessed tokens that a pass may check; 0: none, `lookup` has no effect; 16 is good */
  const char *kv;         /* keys and values as "f16", "q8" or "f32"; NULL: f16 */
  const char *kernels;    /* as in mn_engine_options */
  uint64_t memory_bytes;  /* hard bound on what is needed; 0: none */
  bool reference;         /* 32-bit floats throughout: slow and exact */
  bool (*progress)(void *ctx, double share); /* of loading, 0..1; false gives up */
  void *progress_ctx;
  void *(*resize)(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes); /* as in mn_engine_options */
  void *resize_ctx;
} mn_model_options;

/* What running a file with these options takes. Weights that are used where they lie in the file are `mapped`:
 * the system reads them when they are needed and may drop them again. */
/* What is read in the file's own pages; weights packed for the kernels; keys and values; vocabulary, working memory and
 * half a megabyte for template and texts. A bound of total_bytes is enough to open the model and to answer. */
typedef struct mn_memory {
  size_t size;
  uint64_t mapped_bytes, weights_bytes, cache_bytes, scratch_bytes, total_bytes;
} mn_memory;

typedef struct mn_model_info {
  size_t size;
  const char *architecture, *name; /* as long as the model is open; name may be "" */
  const char *chat_template;       /* its hash and first characters; NULL: none that can be used, no chat */
  const char *kernels;
  uint64_t parameters, tensor_bytes;
  uint32_t vocab, layers, width, context, trained_context, sessions, threads;
  const char *chat_problem; /* where chat_template is NULL: which template it is and what is wrong with it; else NULL */
} mn_model_info;

MN_API void mn_model_options_init(mn_model_options *o);
MN_API void mn_model_info_init(mn_model_info *i);
MN_API void mn_memory_init(mn_memory *m);
/* Reads the file's tables alone. options may be NULL. */
MN_API int mn_model_need(const char *path, const mn_model_options *o, mn_memory *out, mn_error *err);
MN_API int mn_model_open(mn_model **out, const char *path, const mn_model_options *o, mn_error *err);
MN_API void mn_model_close(mn_model *m); /* its sessions must be closed before; NULL is harmless */
MN_API int mn_model_about(const mn_model *m, mn_model_info *out, mn_error *err);
/* Text to token ids, as mn_generate has them from a prompt. At most `room` are written; *n is how many there
 * are (MN_ELIMIT when that is more). */
MN_API int mn_model_tokens(mn_model *m, const char *text, size_t text_len, uint32_t *ids, size_t room,
                           size_t *n, mn_error *err);

/* A conversation, or just a place to generate from. */
MN_API int mn_session_open(mn_session **out, mn_model *m, mn_error *err);
MN_API void mn_session_close(mn_session *s); /* NULL is harmless */
/* Adds a message: role "system", "user", "assistant" or "tool". All is copied. */
MN_API int mn_session_add(mn_session *s, const char *role, const char *content, mn_error *err);
MN_API size_t mn_session_messages(const mn_session *s);
/* NULL past the end; until the session changes. */
MN_API const char *mn_session_role(const mn_session *s, size_t index);
MN_API const char *mn_session_content(const mn_session *s, size_t index);
/* Takes `count` messages out, from `index` on; what is not there is not missed. */
MN_API void mn_session_remove(mn_session *s, size_t index, size_t count);
/* Functions that the model may call: OpenAI's `tools`, a JSON array of {"type":"function","function":{"name",
 * "description","parameters"}} (docs/generate.md). NULL or []: none. They stand in the prompt of each answer. */
MN_API int mn_session_tools(mn_session *s, const char *json, mn_error *err);
/* Adds a message as OpenAI's API has it, a JSON object: {"role","content"}, of an assistant also "tool_calls", of a
 * tool {"role":"tool","tool_call_id","content"}; or an array of such, all or none. */
MN_API int mn_session_add_json(mn_session *s, const char *json, mn_error *err);

typedef struct mn_tool_call {
  const char *id, *name;
  const char *arguments; /* a JSON object that fits the function's parameters */
} mn_tool_call;

/* The calls of a message: how many; *calls until the session changes. */
MN_API size_t mn_session_calls(const mn_session *s, size_t index, const mn_tool_call **calls);
/* How many tokens the messages are, with the beginning of an answer. */
MN_API int mn_session_tokens(mn_session *s, size_t *n, mn_error *err);
/* The messages as a file, one object as mn_session_add_json takes it a line; loading puts them in place of what is
 * there. */
MN_API int mn_session_save(const mn_session *s, const char *path, mn_error *err);
MN_API int mn_session_load(mn_session *s, const char *path, mn_error *err);
/* Ends what the session is generating, within one token. From any thread. */
MN_API void mn_session_cancel(mn_session *s);

typedef struct mn_token_prob {
  uint32_t id;
  float logprob;     /* natural logarithm, of the model's own distribution: before penalties and temperature */
  const char *text;  /* the token's bytes, maybe not UTF-8 */
  size_t text_len;
} mn_token_prob;

typedef struct mn_token {
  size_t size;
  uint32_t id;      /* UINT32_MAX: no token, but text that was held back until the end */
  const char *text; /* whole characters to show now, terminated; often "" */
  size_t text_len;
  bool has_logprob;
  float logprob;    /* as in mn_token_prob */
  const mn_token_prob *top; /* the most likely ones, best first */
  size_t n_top;
} mn_token;

typedef struct mn_generate_options {
  size_t size;
  /* What to go on from: text as it is, or NULL: the session's messages in the model's chat template. */
  const char *prompt;
  size_t prompt_len;      /* 0: prompt is terminated */
  bool special;           /* names of control tokens in the prompt ("<|im_start|>") are those tokens */
  uint32_t max_tokens;    /* 0: as many as fit */
  /* Sampling: llama.cpp's filters in llama.cpp's order (docs/generate.md). All 0: greedy. */
  float temperature, top_p, min_p;
  uint32_t top_k;
  float repeat_penalty, frequency_penalty, presence_penalty;
  uint32_t penalty_tokens; /* the last so many; 0: 64 */
  uint64_t seed;           /* the same seed, options and prompt give the same tokens, on every machine */
  const char *const *stops;
  size_t n_stops;
  bool ignore_end;         /* the model's end tokens do not end it */
  bool logprobs;
  uint32_t n_top;          /* with logprobs: how many alternatives, at most 20 */
  bool lookup;             /* guess from the text itself and check guesses in one pass: the same output */
  bool shift;              /* a full context forgets its older half instead of ending (docs/generate.md) */
  uint32_t deadline_ms;    /* ends it after so long; 0: never */
  const char *cache;       /* a file that keeps what was read of the prompt for other runs; NULL: none */
  bool (*token)(void *ctx, const mn_token *t);                       /* false ends it */
  bool (*progress)(void *ctx, uint32_t done, uint32_t total);        /* tokens of the prompt; false ends it */
  void *ctx;
  /* A rule, at most one: the answer is what it allows and ends only where it is complete; else the call fails
   * (MN_EMISMATCH, MN_ELIMIT when it was cut, MN_ECANCELLED when it was stopped or late) and what `token` was given is
   * no answer. A JSON Schema's answer is checked once more as a whole. Where the rule has places that can only be
   * checked at the end (minnow schema explain lists them) nothing is shown before that, and one answer that does not
   * fit is sent back to the model with what is wrong. */
  const char *schema; /* JSON Schema */
  const char *regex;  /* the whole answer matches this ECMA-262 expression */
  const char *grammar; /* a grammar in GBNF (docs/schema.md) */
  /* OpenAI's response_format, a JSON object of type text, json_object or json_schema: another way to give `schema`. */
  const char *response_format;
  /* Of a session with tools: "auto" (NULL too), "none", "required", or OpenAI's objects that name functions. A call's
   * arguments always fit their schema; a rule as above goes with "none" alone. Words are shown as they come, calls are
   * in the result. */
  const char *tool_choice;
  bool single_call; /* one call at most: OpenAI's parallel_tool_calls false */
  /* Objects have the properties that their schema lists first, in its order (docs/schema.md): of `schema`,
   * `response_format` and the arguments of calls. Otherwise in any order. */
  bool schema_order;
} mn_generate_options;

typedef enum mn_finish {
  MN_FINISH_STOP = 1,  /* the model ended, or a stop string came */
  MN_FINISH_LENGTH,    /* max_tokens */
  MN_FINISH_CONTEXT,   /* the context is full */
  MN_FINISH_CANCELLED, /* by a callback or mn_session_cancel */
  MN_FINISH_DEADLINE,
  MN_FINISH_TOOL_CALLS /* the model called functions */
} mn_finish;

typedef struct mn_generated {
  size_t size;
  mn_finish finish;
  const char *finish_name;  /* "stop", "length", "context", "cancelled", "deadline", "tool_calls" */
  const char *text;         /* all of it, calls left out; until the session's next call */
  size_t text_len;
  uint32_t prompt_tokens, cached_tokens; /* cached: of the prompt, those that needed no reading */
  uint32_t generated_tokens, drafted_tokens, accepted_tokens;
  uint32_t forced_tokens;   /* of the generated ones, those about which the rule left no choice */
  uint32_t attempts;        /* 2: the first answer did not fit and was sent back */
  uint64_t wait_us, prompt_us, generate_us; /* for a place; until the first token; from then on */
  const mn_tool_call *calls; /* until the session's next call */
  size_t n_calls;
} mn_generated;

MN_API void mn_generate_options_init(mn_generate_options *o);
MN_API void mn_generated_init(mn_generated *g);
/* Generates until an end. With a NULL prompt the answer becomes a message of the session, also when it was
 * cancelled, as far as it was shown. options may be NULL. */
MN_API int mn_generate(mn_session *s, const mn_generate_options *o, mn_generated *out, mn_error *err);
/* Only reads: the messages so far (or o->prompt), so that the next mn_generate need not. */
MN_API int mn_session_prepare(mn_session *s, const mn_generate_options *o, mn_generated *out, mn_error *err);

/* The same without waiting, for one thread that runs many sessions: mn_generate_start, then mn_model_step until
 * mn_generate_done, then mn_generate_end. Callbacks come from mn_model_step, which runs one batch for all. */
MN_API int mn_generate_start(mn_session *s, const mn_generate_options *o, mn_error *err);
MN_API bool mn_model_step(mn_model *m); /* false: nothing is left to do */
MN_API bool mn_generate_done(const mn_session *s);
MN_API int mn_generate_end(mn_session *s, mn_generated *out, mn_error *err); /* cancels what still runs */

/* ---- routing: which prompts a weaker model may answer (docs/route.md) ---- */

typedef struct mn_route_options {
  size_t size;
  const char *data;     /* JSONL rows {"prompt","weak","strong","subject"?}: was either model right */
  const char *out;      /* mn_route_train: the router's file */
  const char *trunk;    /* NULL: the shipped one; it becomes part of the file */
  const char *kernels;  /* as in mn_engine_options */
  uint32_t threads;     /* 0: one a processor; no figure and no byte depends on it */
  uint64_t seed;        /* 0: 1 */
  bool by_row;          /* rows are held out whatever their subject; otherwise whole subjects */
  float at_most_wrong;  /* share of all requests that may be answered here and wrong; 0: 0.2 */
  bool (*progress)(void *ctx, const char *phase, size_t done, size_t all); /* false cancels */
  void *progress_ctx;
} mn_route_options;

typedef struct mn_route_curve {
  double apgr, cpt50, cpt80; /* as RouteLLM defines them: deciles of the score, trapezoid; percent. NAN: never */
} mn_route_curve;

typedef struct mn_route_report {
  size_t size;
  size_t rows, subjects;
  double weak, strong;  /* accuracy of either model alone */
  mn_route_curve router, random, length, subject_mean; /* the last from the other folds of the same rows */
  mn_route_curve words, line, trees;                   /* the parts alone; 0 for a router's file */
  double ece;           /* of the probability that the strong model is needed, 15 bins */
  double threshold, kept; /* hands off from this probability on; share under it */
  /* Over 200 random halves, one to set the threshold, one to look: risk is the share of all requests answered here and
   * wrong. First the threshold whose expected risk is bounded, then the one that is right nine times in ten. */
  double risk, risk_violated, risk_kept, sure_risk, sure_violated, sure_kept;
  double p50_us, p99_us; /* one score by one thread; 0 without a router's file */
  uint64_t bytes;        /* of the file */
} mn_route_report;

MN_API void mn_route_options_init(mn_route_options *o);
MN_API void mn_route_report_init(mn_route_report *r);
/* Writes the file whole or not at all; the same rows, trunk and seed give the same bytes. The report is of held-out
 * rows (of the folds that mix and calibration were fitted on). */
MN_API int mn_route_train(const mn_route_options *o, mn_route_report *report, mn_error *err);
/* A router's figures on rows. router NULL: five folds of the rows, each scored by a router trained on the others. */
MN_API int mn_route_eval(const char *router, const mn_route_options *o, mn_route_report *report, mn_error *err);

/* Used by one thread at a time. */
typedef struct mn_router mn_router;
MN_API int mn_router_open(mn_router **out, const char *path, mn_error *err);
MN_API void mn_router_close(mn_router *r); /* NULL is harmless */
/* The probability that the strong model is needed: the weak one would be wrong and the strong one right. text_len 0:
 * terminated. Allocates nothing. */
MN_API float mn_router_score(mn_router *r, const char *text, size_t text_len);
MN_API float mn_router_threshold(const mn_router *r); /* from here on its maker would hand off */

/* Asks a model on this device the questions of `data` and writes what mn_route_calibrate reads: for each answer the
 * features that the engine's probe judges, and whether it was right. JSONL rows
 * {"prompt","answer","instructions"?,"context"?,"schema"?}: the answer a text or a list of texts of which any will
 * do, with a schema the document. max_tokens 0: 512. progress is told bytes; false cancels. rows, right (may be
 * NULL): how many were written, and were right. */
MN_API int mn_route_answers(mn_model *m, const char *data, const char *out, uint32_t max_tokens,
                            bool (*progress)(void *ctx, size_t done, size_t all), void *ctx, size_t *rows,
                            size_t *right, mn_error *err);

/* Features of a model's own answer to the probability that it is right. */
typedef struct mn_probe mn_probe;
typedef struct mn_probe_report {
  size_t size;
  size_t rows, right, features;
  double ece, log_loss, base_log_loss; /* nats, cross-fitted over five folds; base: the share right alone */
  double threshold;                    /* answers under it are handed off */
  double risk, risk_violated, risk_kept, sure_risk, sure_violated, sure_kept; /* as in mn_route_report */
} mn_probe_report;
MN_API void mn_probe_report_init(mn_probe_report *r);
/* From JSONL rows {"features":[1 to 64 numbers],"right":bool,"set"?}; at_most_wrong as above. "set" names the
 * features; all rows have the same. */
MN_API int mn_route_calibrate(const char *data, const char *out, float at_most_wrong, mn_probe_report *report,
                              mn_error *err);
MN_API int mn_probe_open(mn_probe **out, const char *path, mn_error *err);
MN_API void mn_probe_close(mn_probe *p); /* NULL is harmless */
MN_API size_t mn_probe_features(const mn_probe *p);
MN_API float mn_probe_threshold(const mn_probe *p);
/* features [mn_probe_features]; values that are no numbers give 0. */
MN_API float mn_probe_score(const mn_probe *p, const float *features);

/* ---- vectors of texts: GGUF files of encoders (bert, nomic-bert) ---- */

/* Used by one thread at a time. */
typedef struct mn_embedder mn_embedder;

typedef struct mn_embedder_options {
  size_t size;
  uint32_t context;       /* tokens of the longest text; 0: what the model was made for, at most 4096 */
  uint32_t threads;       /* 0: one a processor */
  const char *kernels;    /* as in mn_engine_options */
  uint64_t memory_bytes;  /* hard bound on weights and working memory, the vocabulary aside; 0: none */
  bool cut;               /* a text that is too long loses its end; else it is refused with MN_ELIMIT */
  bool reference;         /* 32-bit floats throughout: slow and exact */
  void *(*resize)(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes); /* as in mn_engine_options */
  void *resize_ctx;
} mn_embedder_options;

MN_API void mn_embedder_options_init(mn_embedder_options *o);
/* options may be NULL. */
MN_API int mn_embedder_open(mn_embedder **out, const char *path, const mn_embedder_options *o, mn_error *err);
MN_API void mn_embedder_close(mn_embedder *e); /* NULL is harmless */
MN_API uint32_t mn_embedder_width(const mn_embedder *e);   /* values of a vector */
MN_API uint32_t mn_embedder_context(const mn_embedder *e); /* tokens of the longest text, marks included */
/* The vector of a text (text_len 0: terminated) into out [width], of length 1: the dot product of two is their
 * cosine. The same bits whatever the number of threads. */
MN_API int mn_embed(mn_embedder *e, const char *text, size_t text_len, float *out, size_t room, mn_error *err);

/* ---- speed ---- */

/* Zero means default. */
typedef struct mn_bench_options {
  size_t size;
  const char *kernels;       /* as in mn_engine_options */
  uint32_t threads;          /* 0: one a processor */
  uint32_t prompt, generate; /* mn_bench_engine: tokens read at once and tokens generated; 0: not measured */
  uint32_t samples;          /* 0: 7; the median is reported */
  uint64_t bytes;            /* mn_bench_bandwidth: the block that is read, shared by the threads; 0: 256 MiB */
  bool (*stop)(void *ctx);   /* asked between two samples; true ends with MN_ECANCELLED */
  void *stop_ctx;
} mn_bench_options;

typedef struct mn_bench_rate {
  double median, min, max; /* tokens a second */
} mn_bench_rate;

typedef struct mn_bench_report {
  uint32_t threads;
  const char *kernels;
  double open_ms, first_token_ms;  /* file opened and packed; and one token through it */
  mn_bench_rate prefill, decode;
  double weight_bytes;             /* read for one token */
  double bandwidth;                /* bytes a second, measured over a block as large, at most 1 GiB */
  uint64_t file_bytes, resident_bytes; /* tensors; memory of the process behind the first token */
} mn_bench_report;

MN_API void mn_bench_options_init(mn_bench_options *o);
MN_API int mn_bench_bandwidth(const mn_bench_options *o, double *bytes_per_second, mn_error *err);
/* Operations of one core in registers, a product and a sum counted as two. */
MN_API int mn_bench_peak(const mn_bench_options *o, double *i8_per_second, double *f32_per_second, mn_error *err);
/* Tokens are made up: speed does not depend on them. */
MN_API int mn_bench_engine(const char *model, const mn_bench_options *o, mn_bench_report *report, mn_error *err);
/* A llama file of random weights: shape "10M", "45M", "135M", "500M" or "1.1B", type as "Q8_0", "Q4_0", "Q4_K_M". */
MN_API int mn_bench_shape(const char *shape, const char *type, const char *path, mn_error *err);

/* ---- JSON Schema ---- */

typedef struct mn_schema mn_schema;

typedef struct mn_schema_options {
  size_t size;
  /* of documents whose $schema is missing or unknown: 4, 6, 7, 2019-09, 2020-12; NULL: 2020-12 */
  const char *draft;
  const char *uri;        /* of the schema itself, for the references in it; NULL: none */
  const char *remote_dir; /* folder of other documents, known by their $id or by path (docs/schema.md); NULL: none */
  /* A document with that absolute URI, which has to live as long as the schema; MN_ENOTFOUND when there is none. Asked
   * before remote_dir; nothing is ever fetched. */
  int (*find)(void *ctx, const char *uri, const char **text, size_t *len);
  void *find_ctx;
  bool no_formats; /* formats are not checked */
  bool content;    /* contentEncoding and contentMediaType are */
  void *(*resize)(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes); /* as in mn_engine_options */
  void *resize_ctx;
} mn_schema_options;

typedef struct mn_schema_failure {
  const char *instance; /* JSON Pointer of the value, "" for the whole */
  const char *keyword;  /* JSON Pointer of the keyword, through the references that led there */
  const char *location; /* URI and pointer of the keyword where it stands */
  const char *expected; /* in words */
} mn_schema_failure;

typedef struct mn_schema_check_options {
  size_t size;
  bool all;         /* report every failure, not only the first */
  bool unique_keys; /* refuse an instance that has a key twice in an object; otherwise every member has to fit */
  void (*report)(void *ctx, const mn_schema_failure *f); /* its texts live during the call */
  void *report_ctx;
  uint64_t steps; /* most work, about one keyword on one value each; 0: 50 million and 16 for each value */
} mn_schema_check_options;

MN_API void mn_schema_options_init(mn_schema_options *o);
/* Compiles a schema of draft 2020-12 or 7 (4, 6 and 2019-09 too), at most 64 MiB; options may be NULL. */
MN_API int mn_schema_open(mn_schema **out, const char *json, size_t len, const mn_schema_options *o, mn_error *err);
MN_API void mn_schema_close(mn_schema *s); /* NULL is harmless */
MN_API void mn_schema_check_options_init(mn_schema_check_options *o);
/* MN_OK: valid. MN_EMISMATCH: not valid; err names the first failure. MN_EFORMAT: not JSON. MN_ELIMIT: over 256 MiB,
 * 16,384 deep or the steps. Options may be NULL. One check of a schema at a time. */
MN_API int mn_schema_check(const mn_schema *s, const char *json, size_t len, const mn_schema_check_options *o,
                           mn_error *err);

/* ---- what of a schema masks enforce ---- */

typedef struct mn_schema_note {
  const char *path;    /* JSON Pointer into the schema */
  const char *keyword;
  const char *reason;
  /* "closing bracket": it waits for this, which can come; "end of value": the mask refuses the value's last
   * byte; "end of document": the document's; "never": nothing checks it; "refused": no rule can be made of the
   * schema. */
  const char *decided;
} mn_schema_note;

typedef struct mn_schema_explain_options {
  size_t size;
  bool no_formats; /* formats are annotations */
  void (*note)(void *ctx, const mn_schema_note *n); /* may be NULL; its texts live during the call */
  void *note_ctx;
} mn_schema_explain_options;

typedef struct mn_schema_explain_report {
  size_t schemas;            /* subschemas compiled */
  size_t bytes;              /* memory, before any text */
  size_t at_end_of_value, at_end_of_document, at_bracket, never, refused; /* notes of each kind */
} mn_schema_explain_report;

MN_API void mn_schema_explain_options_init(mn_schema_explain_options *o);
/* Notes all that is not enforced byte by byte. Fails with the first place in the schema of which no rule can be made,
 * when all such places have been noted, and when the schema is no JSON or over a bound. */
MN_API int mn_schema_explain(const char *json, size_t len, const mn_schema_explain_options *o,
                             mn_schema_explain_report *report, mn_error *err);

/* ---- measuring token masks: MaskBench's procedure ---- */

typedef struct mn_schema_bench_options {
  size_t size;
  const char *file;      /* JSONL rows {"name","schema","tests":[{"valid","data"}]} */
  const char *tokenizer; /* a GGUF file with a tokenizer, or a file of tiktoken ranks (split as Llama 3 does) */
  const char *only;      /* the row of this name alone; NULL: all */
  size_t limit;          /* rows; 0: all */
  bool any_space;        /* masks allow any white space, not only what json.dumps writes */
  bool check_masks;      /* also try tokens that a mask refused, and count where a commit disagrees */
  /* Called for each row that does not pass: what went wrong in a word or two, and where. */
  void (*failure)(void *ctx, const char *name, const char *what, const char *detail);
  void *failure_ctx;
} mn_schema_bench_options;

typedef struct mn_schema_bench_spread {
  double mean_us, p50_us, p90_us, p99_us, p999_us, max_us;
} mn_schema_bench_spread;

typedef struct mn_schema_bench_report {
  size_t schemas, tests, tokens;
  size_t passing;          /* every instance was judged right by its tokens */
  size_t passing_with_end; /* and by whether the text may end there */
  size_t not_compiled, accepts_invalid, refuses_valid, ran_out, wrong_end;
  size_t disagreements;    /* between mask and commit; must be 0 */
  size_t most_bytes;       /* of one schema with its tables */
  size_t peak_bytes;       /* of the process */
  mn_schema_bench_spread mask, compile; /* one mask with its commit; one schema */
} mn_schema_bench_report;

MN_API void mn_schema_bench_options_init(mn_schema_bench_options *o);
/* MaskBench's procedure: for each instance of each schema, token by token, the full mask, a look whether the token is
 * in it, and a commit (docs/schema.md). One thread. A schema that cannot be compiled is counted; rows that cannot be
 * read are an error that names the line. */
MN_API int mn_schema_bench(const mn_schema_bench_options *o, mn_schema_bench_report *report, mn_error *err);

#ifdef __cplusplus
}
#endif

#endif
