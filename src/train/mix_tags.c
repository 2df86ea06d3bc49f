/* How the trunk's tag head and the tagger mix: on held-out rows, under the gold label, the weights with the smallest
 * log loss of the gold tags as a path of the CRF. Scores of both are read once and tried with every weight of a grid.
 */
#include <string.h>

#include "train/loop.h"

/* One held-out row: where its numbers lie in the store. */
typedef struct tag_row {
  uint16_t label;
  size_t n, k;                /* words, tags */
  size_t gold, trunk, tagger; /* floats: [n] gold tags, compacted; [n][k] scores of either */
} tag_row;

typedef struct tag_rows {
  base_buf rows, store; /* tag_row; float */
  head_crf *crf;        /* the scratch's; NULL without rows */
} tag_rows;

static size_t put_floats(base_buf *store, const float *x, size_t n) {
  size_t at = store->len / sizeof *x;
  base_buf_add(store, x, n * sizeof *x);
  return at;
}

/* Gold tags of the last decode's words, as indices of the crf's; false when they are no path of it. */
static bool gold_path(const head_crf *c, const tok_result *tok, const data_span *spans, size_t n_spans, float *gold) {
  uint16_t tags[HEAD_MAX_WORDS];
  train_tag_words(tok->words, tok->n_words, spans, n_spans, tags);
  for (size_t i = 0; i < tok->n_words; i++) {
    size_t j = 0;
    while (j < c->k && c->tags[j] != tags[i]) j++;
    if (j == c->k || !head_tag_may_follow(i ? tags[i - 1] : -1, tags[i])) return false;
    gold[i] = (float)j;
  }
  return true;
}

static void read_row(train_judge *j, const head_weights *heads, const data_set *set, const data_row *row,
                     tag_rows *to) {
  static const head_calibration trunk = {.tag_scale = 1.0f, .move_scale = 1.0f}, tagger = {.tagger_weight = 1.0f};
  const tok_result *tok = head_scratch_tokens(j->scratch);
  float gold[HEAD_MAX_WORDS];
  head_result ignored;
  if (row->label == DATA_NO_LABEL || row->label == j->none_label) return;
  train_judge_answer(j, heads, row->text, &ignored);
  head_crf *c = to->crf = head_tag_scores(heads, &trunk, j->o->kernels, row->label, j->scratch);
  if (c->n == 0 || c->k < 2 || !gold_path(c, tok, set->spans + row->first_span, row->n_spans, gold)) return;
  tag_row r = {.label = row->label, .n = c->n, .k = c->k};
  r.gold = put_floats(&to->store, gold, c->n);
  r.trunk = put_floats(&to->store, c->emit, c->n * c->k);
  c = head_tag_scores(heads, &tagger, j->o->kernels, row->label, j->scratch);
  r.tagger = put_floats(&to->store, c->emit, c->n * c->k);
  base_buf_add(&to->rows, &r, sizeof r);
}

/* -log p(gold tags) of one row whose moves are set. */
static double row_loss(const tag_row *r, const float *store, const head_calibration *c, const cpu_kernels *k,
                       head_crf *crf) {
  const float *gold = store + r->gold, *trunk = store + r->trunk, *tagger = store + r->tagger;
  double score = 0.0;
  crf->n = r->n;
  for (size_t i = 0; i < r->n * r->k; i++) crf->emit[i] = c->tag_scale * trunk[i] + c->tagger_weight * tagger[i];
  for (size_t i = 0; i < r->n; i++) {
    size_t at = (size_t)gold[i];
    score += (double)crf->emit[i * r->k + at];
    score += (double)(i ? crf->move[at * r->k + (size_t)gold[i - 1]] : crf->start[at]);
  }
  head_crf_forward(k, crf);
  return (double)crf->log_z - score;
}

static double log_loss(const train_judge *j, const head_weights *heads, tag_rows *all, const head_calibration *c) {
  const tag_row *rows = (const void *)all->rows.ptr;
  size_t n = all->rows.len / sizeof *rows;
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) {
    head_crf_moves(heads, rows[i].label, c->move_scale, all->crf);
    sum += row_loss(&rows[i], (const void *)all->store.ptr, c, j->o->kernels, all->crf);
  }
  return sum;
}

base_status train_fit_tags(train_judge *j, const data_set *set, const uint32_t *rows, size_t n, head_calibration *c,
                           base_error *err) {
  enum { TRUNKS = 5, TAGGERS = 8, MOVES = 3 };
  static const float trunk[TRUNKS] = {0.3f, 0.45f, 0.6f, 0.8f, 1.0f},
                     tagger[TAGGERS] = {0.0f, 0.15f, 0.3f, 0.45f, 0.6f, 0.8f, 1.0f, 1.3f},
                     moves[MOVES] = {0.3f, 0.6f, 1.0f};
  head_weights heads = j->brain ? *head_brain_weights(j->brain) : train_net_heads(j->n);
  tag_rows all = {.rows = {.allocator = j->n->allocator}, .store = {.allocator = j->n->allocator}};
  double best = 1e300;
  if (heads.tagger.buckets == 0) return BASE_OK;
  for (size_t i = 0; i < n; i++) read_row(j, &heads, set, &set->rows[rows[i]], &all);
  base_status st = all.rows.failed || all.store.failed
                       ? base_fail(err, BASE_ENOMEM, "calibration", "no memory for the held-out rows")
                       : BASE_OK;
  for (size_t at = 0; !st && at < TRUNKS * TAGGERS * MOVES; at++) {
    head_calibration tried = *c;
    tried.tag_scale = trunk[at % TRUNKS];
    tried.tagger_weight = tagger[at / TRUNKS % TAGGERS];
    tried.move_scale = moves[at / TRUNKS / TAGGERS];
    double loss = log_loss(j, &heads, &all, &tried);
    if (loss >= best) continue;
    best = loss;
    *c = tried;
  }
  base_buf_free(&all.rows);
  base_buf_free(&all.store);
  return st;
}
