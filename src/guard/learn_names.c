/* Learning names: sentences drawn from the grammar, with the spans that it knows, train a structured averaged
 * perceptron (Collins 2002) with a margin. */
#include <string.h>

#include "guard/learn.h"

static bool spell(guard_learned *l, guard_drawn *d) {
  uint32_t dice = base_rng_below(&l->rng, 100);
  for (size_t i = 0; i < d->len; i++) {
    char c = d->text[i];
    if (dice < 3 && c >= 'A' && c <= 'Z') d->text[i] = (char)(c + 32);
    if (dice >= 97 && c >= 'a' && c <= 'z') d->text[i] = (char)(c - 32);
  }
  return true;
}

static void mark_gold(guard_learned *l, const guard_view *v, size_t n) {
  const guard_drawn *d = &l->drawn;
  for (size_t i = 0; i < n; i++) {
    uint32_t at = v->at[l->model.words[i].start];
    l->gold[i] = 0;
    for (size_t s = 0; s < d->n; s++)
      if (at >= d->span[s].start && at < d->span[s].end) {
        bool first = i == 0 || v->at[l->model.words[i - 1].start] < d->span[s].start;
        l->gold[i] = (uint8_t)(1 + 2 * d->span[s].tag + !first);
      }
  }
}

/* Forgets some words, so that shapes and neighbours have to do for names never seen. */
static void forget(guard_learned *l, size_t n) {
  for (size_t i = 0; i < n; i++) {
    guard_word *w = &l->model.words[i];
    uint32_t dice = base_rng_below(&l->rng, 100);
    uint64_t fresh = base_rng_next(&l->rng);
    if (w->shape >= 0x1000U || (w->shape & 0x300U) == 0x100U) continue;
    if (dice < (l->gold[i] > 0 ? 35U : 25U)) {
      w->hash = fresh;
      if (dice % 4 < 3) w->lists = 0;
    }
  }
}

static size_t draw_sentence(guard_learned *l, base_slice item, bool learning) {
  guard_view v;
  size_t at = 0;
  guard_grammar_draw(&l->grammar, item, &l->rng, &l->drawn);
  (void)spell(l, &l->drawn);
  if (!guard_learn_view(l, (base_slice){l->drawn.text, l->drawn.len}, &v)) return 0;
  size_t n = guard_words(&v, &at, l->model.words, GUARD_LEARN_WORDS);
  l->model.list_key = l->list_key;
  l->model.list_bits = l->list_bits;
  guard_model_look_up(&l->model, l->model.words, n);
  mark_gold(l, &v, n);
  if (learning) forget(l, n);
  for (size_t i = 0; i < n; i++)
    (void)guard_name_features(&v, l->model.words, n, i, l->feature[i]);
  return n;
}

static size_t n_features(void) { /* always the same number */
  static const uint8_t text[GUARD_AHEAD + 1] = {'a'};
  static const uint32_t at[2] = {0, 1};
  uint32_t bucket[GUARD_NAME_FEATURES];
  guard_word w = {0, 1, 0, 0, 0};
  guard_view v = {{"a", 1}, text, text, at, 1, 0};
  return guard_name_features(&v, &w, 1, 0, bucket);
}

static void score_sentence(guard_learned *l, size_t n, size_t features, float margin) {
  for (size_t i = 0; i < n; i++) {
    float *s = l->model.score[i];
    memset(s, 0, GUARD_TAG_ROOM * sizeof *s);
    for (size_t f = 0; f < features; f++) {
      const float *row = l->name + (size_t)l->feature[i][f] * GUARD_TAG_ROOM;
      for (size_t t = 0; t < GUARD_TAG_ROOM; t++) s[t] += row[t];
    }
    for (size_t t = 0; t < GUARD_TAGS; t++)
      if (margin > 0.0F && t != l->gold[i]) s[t] += margin;
  }
  guard_best_path((const float (*)[GUARD_TAG_ROOM])l->model.score,
                  (const float (*)[GUARD_TAG_ROOM])l->model.move, n, l->model.back, l->model.path);
}

/* Weights and their sums over time: average = weight - sum / steps. */
static void correct(guard_learned *l, size_t n, size_t features, float step) {
  for (size_t i = 0; i < n; i++) {
    uint8_t want = l->gold[i], got = l->model.path[i];
    if (i > 0) {
      uint8_t want0 = l->gold[i - 1], got0 = l->model.path[i - 1];
      if (want != got || want0 != got0) {
        l->model.move[want0][want] += 1.0F, l->move_sum[want0][want] += step;
        l->model.move[got0][got] -= 1.0F, l->move_sum[got0][got] -= step;
      }
    }
    if (want == got) continue;
    for (size_t f = 0; f < features; f++) {
      size_t row = (size_t)l->feature[i][f] * GUARD_TAG_ROOM;
      l->name[row + want] += 1.0F, l->name_sum[row + want] += step;
      l->name[row + got] -= 1.0F, l->name_sum[row + got] -= step;
    }
  }
}

static float judge_names(guard_learned *l, const guard_list *list, size_t features) {
  size_t right = 0, wanted = 0, given = 0;
  for (int row = 0; row < GUARD_JUDGED; row++) {
    size_t n = draw_sentence(l, guard_learn_choose(l, list, true), false);
    score_sentence(l, n, features, 0.0F);
    for (size_t i = 0; i < n; i++) {
      bool begins = l->gold[i] % 2 == 1, claimed = l->model.path[i] % 2 == 1, same = begins && claimed;
      wanted += begins;
      given += claimed;
      for (size_t k = i; same && k < n; k++) {
        same = l->gold[k] == l->model.path[k];
        if (k > i && (l->gold[k] == 0 || l->gold[k] % 2 == 1)) break;
      }
      right += same;
    }
  }
  return wanted + given > 0 ? 2.0F * (float)right / (float)(wanted + given) : 0.0F;
}

base_status guard_learn_names(guard_learned *l, const guard_learn_options *o, guard_learn_report *r,
                              base_error *err) {
  int at = guard_grammar_find(&l->grammar, BASE_LITERAL("sentences"));
  if (at < 0) return base_fail(err, BASE_ENOTFOUND, "packs/guard", "there is no list [sentences]");
  const guard_list *list = &l->grammar.list[at];
  size_t features = n_features();
  uint64_t steps = (uint64_t)o->sentences * o->passes;
  for (uint64_t step = 1; step <= steps; step++) {
    size_t n = draw_sentence(l, guard_learn_choose(l, list, false), true);
    score_sentence(l, n, features, 3.0F);
    correct(l, n, features, (float)step);
  }
  for (size_t i = 0; i < GUARD_NAME_BUCKETS * GUARD_TAG_ROOM; i++)
    l->name[i] -= l->name_sum[i] / (float)steps;
  for (size_t i = 0; i < GUARD_TAG_ROOM * GUARD_TAG_ROOM; i++)
    (&l->model.move[0][0])[i] -= (&l->move_sum[0][0])[i] / (float)steps;
  r->templates = list->n;
  r->drawn += steps;
  r->judged += GUARD_JUDGED;
  r->name_f1 = judge_names(l, list, features);
  return BASE_OK;
}
