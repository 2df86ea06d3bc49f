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

MN_API const char *mn_version(void);

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

typedef struct mn_engine_options {
  size_t size;
  const char *packs_dir; /* folder of built packs and gate.gguf; NULL: the shipped ones */
  const char *kernels;   /* a kernel table: "scalar", "avx2", "avx512vnni", "neondot"; NULL: the best */
  /* All memory comes from here; NULL: malloc. `resize` is realloc told the old size; size 0 frees. */
  void *(*resize)(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes);
  void *resize_ctx;
  /* Local wall time as seconds since 1970-01-01 00:00 on that clock; NULL: the system's clock and zone. */
  int64_t (*local_seconds)(void *ctx);
  void *clock_ctx;
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
} mn_request;

MN_API void mn_request_init(mn_request *r);

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
MN_API size_t mn_outcome_actions(const mn_outcome *o);
MN_API mn_action mn_outcome_action(const mn_outcome *o, size_t index); /* all NULL past the end */
MN_API mn_timings mn_outcome_timings(const mn_outcome *o);
MN_API const char *mn_outcome_json(const mn_outcome *o); /* the documented JSON object, one line */

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

#ifdef __cplusplus
}
#endif

#endif
