/* mn_eval: a file's answers on labelled rows, judged and timed. */
#include <stdlib.h>

#include "api/api.h"
#include "eval/eval.h"
#include "os/os.h"
#include "pack/pack.h"

void mn_eval_options_init(mn_eval_options *o) { *o = (mn_eval_options){.size = sizeof *o}; }

typedef struct measuring {
  const cpu_kernels *k;
  gguf_file *file;
  head_brain *brain;
  head_scratch *scratch;
  data_set rows;
  eval_tally tally;
  uint64_t *ns; /* [rows] one text from bytes to answer */
  size_t n_ns, ns_cap;
  int none_label;
} measuring;

/* Labels and slots in the file's order come first, so that the rows' indices are the file's. Names the file
 * does not know get indices behind, which no answer can match. */
static base_status know_names(measuring *m, base_error *err) {
  const head_weights *w = head_brain_weights(m->brain);
  for (size_t i = 0; i < w->n_labels; i++)
    if (data_name(&m->rows, &m->rows.labels, head_brain_label(m->brain, i)) != (int)i)
      return base_fail(err, BASE_EFORMAT, gguf_path(m->file), "the file names a label twice");
  for (size_t i = 0; i < w->n_slots; i++)
    if (data_name(&m->rows, &m->rows.slots, head_brain_slot(m->brain, i)) != (int)i)
      return base_fail(err, BASE_EFORMAT, gguf_path(m->file), "the file names a slot twice");
  m->none_label = data_find_name(&m->rows.labels, BASE_LITERAL(PACK_LABEL_NONE));
  if (m->none_label < 0) m->none_label = data_find_name(&m->rows.labels, BASE_LITERAL(DATA_OOS_LABEL));
  return BASE_OK;
}

/* The label of a row counts as out of scope when the file cannot answer it. */
static uint16_t gold_of(const measuring *m, const data_row *row, bool oos) {
  if (oos || row->label >= head_brain_weights(m->brain)->n_labels) return DATA_NO_LABEL;
  return row->label == m->none_label ? DATA_NO_LABEL : row->label;
}

static base_status judge_rows(measuring *m, size_t first, bool oos, base_error *err) {
  float threshold = head_brain_calibration(m->brain)->oos_threshold;
  base_status st = BASE_OK;
  for (size_t i = first; i < m->rows.n_rows && !st; i++) {
    const data_row *row = &m->rows.rows[i];
    head_result got;
    uint64_t started = os_monotonic_ns();
    head_brain_run(m->brain, m->k, row->text, m->scratch, &got);
    m->ns[m->n_ns++] = os_monotonic_ns() - started;
    st = eval_add(&m->tally, gold_of(m, row, oos), m->rows.spans + row->first_span, row->n_spans, &got,
                  m->none_label, threshold, err);
  }
  return st;
}

static base_status judge(measuring *m, const mn_eval_options *o, base_error *err) {
  head_result warm;
  base_status st = data_read_jsonl(&m->rows, o->data, err);
  size_t in_scope = m->rows.n_rows;
  if (!st && o->oos != NULL) st = data_read_jsonl(&m->rows, o->oos, err);
  if (st) return st;
  m->ns_cap = m->rows.n_rows;
  m->ns = base_calloc(base_allocator_libc(), m->ns_cap + 1, sizeof *m->ns);
  if (m->ns == NULL) return base_fail(err, BASE_ENOMEM, o->data, "no memory for %zu rows", m->rows.n_rows);
  for (size_t i = 0; i < in_scope && i < 20; i++)
    head_brain_run(m->brain, m->k, m->rows.rows[i].text, m->scratch, &warm);
  size_t all = m->rows.n_rows;
  m->rows.n_rows = in_scope;
  st = judge_rows(m, 0, false, err);
  m->rows.n_rows = all;
  return st ? st : judge_rows(m, in_scope, true, err);
}

static int by_size(const void *pa, const void *pb) {
  const uint64_t *a = pa, *b = pb;
  return *a < *b ? -1 : *a > *b;
}

static void fill_report(measuring *m, mn_eval_report *r) {
  static const double coverage[4] = {0.8, 0.9, 0.95, 1.0};
  eval_tally *t = &m->tally;
  eval_bin bins[EVAL_BINS];
  size_t acted = 0, wrong = 0;
  float threshold = head_brain_calibration(m->brain)->act_threshold;
  *r = (mn_eval_report){.rows = t->rows, .oos_rows = t->oos};
  r->intent_accuracy = eval_label_accuracy(t);
  r->slot_f1 = eval_slot_f1(t);
  r->exact_match = eval_exact(t);
  r->oos_recall = eval_oos_recall(t);
  r->oos_precision = eval_oos_precision(t);
  r->ece = eval_ece(t->item, t->rows, bins);
  r->auroc = eval_auroc(t->item, t->rows); /* sorts the items */
  for (int i = 0; i < EVAL_BINS; i++) {
    r->bin[i].count = bins[i].count;
    r->bin[i].confidence = bins[i].confidence;
    r->bin[i].accuracy = bins[i].accuracy;
  }
  for (int i = 0; i < 4; i++) r->risk_at[i] = eval_risk_at(t->item, t->rows, coverage[i]);
  for (size_t i = 0; i < t->rows; i++) {
    if (!t->item[i].answered || t->item[i].confidence < threshold) continue;
    acted++;
    wrong += !t->item[i].right;
  }
  r->act_threshold = (double)threshold;
  r->acted_share = t->rows ? (double)acted / (double)t->rows : 0.0;
  r->acted_wrong = acted ? (double)wrong / (double)acted : 0.0;
  qsort(m->ns, m->n_ns, sizeof *m->ns, by_size);
  if (m->n_ns == 0) return;
  r->p50_us = (double)m->ns[m->n_ns / 2] * 1e-3;
  r->p99_us = (double)m->ns[(m->n_ns * 99) / 100] * 1e-3;
}

static base_status run(measuring *m, const mn_eval_options *o, base_error *err) {
  if (o->model == NULL || o->data == NULL)
    return base_fail(err, BASE_EARGUMENT, "eval", "a model file and a data file are needed");
  base_status st = api_take_kernels(o->kernels, &m->k, err);
  if (!st) st = gguf_open(&m->file, o->model, NULL, err);
  if (!st) st = head_brain_open(&m->brain, m->file, NULL, NULL, err);
  if (st) return st;
  const model_shape *shape = &head_brain_trunk(m->brain)->shape;
  m->scratch = head_scratch_new(shape, shape->max_tokens, NULL);
  if (m->scratch == NULL) return base_fail(err, BASE_ENOMEM, o->model, "no memory for the model");
  st = know_names(m, err);
  return st ? st : judge(m, o, err);
}

int mn_eval(const mn_eval_options *given, mn_eval_report *report, mn_error *out_err) {
  base_error err = {0};
  mn_eval_options o;
  measuring m = {0};
  mn_eval_options_init(&o);
  data_init(&m.rows, NULL);
  base_status st = api_take_struct(&o, sizeof o, given, "mn_eval_options", &err);
  if (!st && report == NULL) st = base_fail(&err, BASE_EARGUMENT, "mn_eval", "a report to fill is needed");
  if (!st) st = run(&m, &o, &err);
  if (!st) fill_report(&m, report);
  base_free(base_allocator_libc(), m.ns, (m.ns_cap + 1) * sizeof *m.ns);
  eval_free(&m.tally);
  head_scratch_free(m.scratch);
  head_brain_close(m.brain);
  gguf_close(m.file);
  data_free(&m.rows);
  return api_result(st, &err, out_err);
}
