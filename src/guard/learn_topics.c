/* Learning topics: texts drawn from the grammar, lines of the packs and windows of whole pages train logistic scores
 * over n-grams with Adagrad. */
#include <math.h>
#include <string.h>

#include "guard/learn.h"

enum { LEAST_VOTES = 3 }; /* what is rarer has no bucket */

/* Scores from here on are attacks: chosen on ordinary dialogues and requests, of which fewer than two in a hundred lie
 * above; from outside, for a single window (steer.c), on mails, tables, code and whole files (docs/experiments.md). */
#define ATTACK_LIMIT 0.15F
#define OUTSIDE_LIMIT 0.4F

/* A text's n-grams: the first `known` have a bucket of their own; the rest only make the text longer. */
typedef struct grams {
  size_t known, all;
} grams;

static float topic_score(const guard_learned *l, grams k, size_t t) {
  float sum = 0.0F;
  for (size_t f = 0; f < k.known; f++) sum += l->text[(size_t)l->model.gram[f].bucket * GUARD_TOPIC_ROOM + t];
  return 1.0F / (1.0F + expf(-(sum / sqrtf((float)(k.all > 0 ? k.all : 1)) + l->model.text_bias[t])));
}

/* Some words become ones that nobody knows, more of them where no attack is: what is strange is no attack. */
static void forget_words(guard_learned *l, size_t n, bool attack) {
  uint32_t most = attack ? 25U : 70U, share = base_rng_below(&l->rng, most);
  for (size_t i = 0; i < n; i++) {
    guard_word *w = &l->model.words[i];
    if (base_rng_below(&l->rng, 100) >= share) continue;
    w->hash = base_rng_next(&l->rng);
    w->end = w->start; /* no letters */
    w->shape = 0;
  }
}

/* A window of the drawn text; of an attack its end, because orders hidden in documents stand behind what hides them. */
static size_t read_text(guard_learned *l, bool attack, bool learning) {
  guard_view v;
  size_t at = 0, from = 0;
  if (!guard_learn_view(l, (base_slice){l->drawn.text, l->drawn.len}, &v)) return 0;
  size_t n = guard_words(&v, &at, l->model.words, GUARD_WORDS);
  if (n > GUARD_TEXT_WINDOW)
    from = attack ? n - GUARD_TEXT_WINDOW : base_rng_below(&l->rng, (uint32_t)(n - GUARD_TEXT_WINDOW + 1));
  n = n - from < GUARD_TEXT_WINDOW ? n - from : GUARD_TEXT_WINDOW;
  memmove(l->model.words, l->model.words + from, n * sizeof *l->model.words);
  if (learning) forget_words(l, n, attack);
  return guard_text_features(&v, l->model.words, n, l->model.gram);
}

/* Each n-gram votes for its bucket's mark, so that it goes to one that is there more often than all others together
 * (Boyer, Moore 1991), or to a frequent one. */
static void vote(guard_learned *l, size_t k) {
  for (size_t f = 0; f < k; f++) {
    guard_gram g = l->model.gram[f];
    if (l->votes[g.bucket] == 0) l->mark[g.bucket] = g.mark;
    if (l->mark[g.bucket] == g.mark) l->votes[g.bucket]++;
    else l->votes[g.bucket]--;
  }
}

static grams known_grams(guard_learned *l, size_t k) {
  grams out = {0, k};
  for (size_t f = 0; f < k; f++)
    if (l->mark[l->model.gram[f].bucket] == l->model.gram[f].mark) l->model.gram[out.known++] = l->model.gram[f];
  return out;
}

/* target 0 or 1; Adagrad (Duchi et al. 2011). */
static void learn_topic(guard_learned *l, grams k, size_t t, float target) {
  const float rate = 0.5F, decay = 1e-6F;
  float error = topic_score(l, k, t) - target, g = error / sqrtf((float)k.all);
  for (size_t f = 0; f < k.known; f++) {
    size_t at = (size_t)l->model.gram[f].bucket * GUARD_TOPIC_ROOM + t;
    float slope = g + decay * l->text[at];
    l->text_square[at] += slope * slope;
    l->text[at] -= rate * slope / (sqrtf(l->text_square[at]) + 0.05F);
  }
  l->bias_square[t] += error * error;
  l->model.text_bias[t] -= 0.1F * error / (sqrtf(l->bias_square[t]) + 0.05F);
}

/* What is drawn, in a hundred: of lists of the grammar, then windows of pages, then lines of the packs; the rest is
 * of [ordinary]. */
static const struct mixing {
  uint32_t share;
  const char *list;
  size_t topic;
} mixing[] = {{24, "attack", GUARD_TOPIC_ATTACK},
              {3, "payment", GUARD_TOPIC_RISK + GUARD_PAYMENT},
              {3, "legal", GUARD_TOPIC_RISK + GUARD_LEGAL},
              {3, "medical", GUARD_TOPIC_RISK + GUARD_MEDICAL},
              {3, "self_harm", GUARD_TOPIC_RISK + GUARD_SELF_HARM},
              {20, "document", GUARD_TOPICS},
              {4, "sentences", GUARD_TOPICS}};
enum { MIXINGS = sizeof mixing / sizeof mixing[0], LINES = 14, PAGES = 14 };
enum { STRETCH_BYTES = GUARD_DRAWN_BYTES - 4 }; /* of a page; its ends move to where characters begin */

/* What a text is to be learnt as: GUARD_TOPICS for none, and for no topic that it says nothing about. */
typedef struct aim {
  size_t topic, mute;
} aim;

static const guard_list *list_named(const guard_learned *l, const char *name) {
  int at = guard_grammar_find(&l->grammar, base_slice_of(name));
  return at >= 0 && l->grammar.list[at].n > 0 ? &l->grammar.list[at] : NULL;
}

/* The list that the dice say, or [ordinary]. */
static const guard_list *list_to_draw(const guard_learned *l, uint32_t dice, size_t *topic) {
  uint32_t at = 0;
  *topic = GUARD_TOPICS;
  for (size_t i = 0; i < MIXINGS; at += mixing[i++].share) {
    const guard_list *list = list_named(l, mixing[i].list);
    if (dice < at || dice >= at + mixing[i].share || list == NULL) continue;
    *topic = mixing[i].topic;
    return list;
  }
  return list_named(l, "ordinary");
}

/* One of n, from the tenth that is held out or from the rest. n is more than GUARD_HELD_OUT. */
static size_t draw_index(guard_learned *l, size_t n, bool held) {
  size_t i = base_rng_below(&l->rng, (uint32_t)(n / GUARD_HELD_OUT)) * GUARD_HELD_OUT;
  return held ? i : i + 1 + base_rng_below(&l->rng, GUARD_HELD_OUT - 1);
}

static void draw_line(guard_learned *l, aim *to, bool held) {
  const guard_ordinary *line = &l->line[draw_index(l, l->n_lines, held)];
  (void)guard_learn_plain(line->line, &l->drawn);
  if (line->money) to->mute = GUARD_TOPIC_RISK + GUARD_PAYMENT;
}

/* Where the character begins that byte `at` lies in: at most three bytes before, whatever the bytes are. */
static size_t character_from(base_slice text, size_t at) {
  if (at >= text.len) return text.len;
  for (int back = 0; back < 3 && at > 0 && ((unsigned char)text.ptr[at] & 0xC0U) == 0x80U; back++) at--;
  return at;
}

/* A stretch of a page, cut on whole characters; every tenth stretch is held out. */
static void draw_page(guard_learned *l, bool held) {
  size_t stretches = 0, i;
  for (size_t p = 0; p < l->n_pages; p++) stretches += l->page[p].text.len / STRETCH_BYTES + 1;
  i = stretches > GUARD_HELD_OUT ? draw_index(l, stretches, held) : base_rng_below(&l->rng, (uint32_t)stretches);
  const guard_source_text *page = l->page;
  for (; i > page->text.len / STRETCH_BYTES; page++) i -= page->text.len / STRETCH_BYTES + 1;
  size_t from = character_from(page->text, i * STRETCH_BYTES),
         end = character_from(page->text, (i + 1) * STRETCH_BYTES);
  l->drawn.len = end - from;
  memcpy(l->drawn.text, page->text.ptr + from, l->drawn.len);
}

/* One text: of a topic's list, of what is ordinary, of a page, or of the packs. Returns its features. */
static size_t draw_text(guard_learned *l, aim *to, bool held) {
  uint32_t dice = base_rng_below(&l->rng, 100);
  *to = (aim){GUARD_TOPICS, GUARD_TOPICS};
  if (dice >= 100 - LINES && l->n_lines > GUARD_HELD_OUT) {
    draw_line(l, to, held);
  } else if (dice >= 100 - LINES - PAGES && l->n_pages > 0) {
    draw_page(l, held);
  } else {
    const guard_list *list = list_to_draw(l, dice, &to->topic);
    if (list == NULL) return 0;
    guard_grammar_draw(&l->grammar, guard_learn_choose(l, list, held), &l->rng, &l->drawn);
  }
  return read_text(l, to->topic == GUARD_TOPIC_ATTACK, !held);
}

/* Attacks found and alarms on what is held out. */
static void judge_topics(guard_learned *l, guard_learn_report *r) {
  size_t others = 0, alarms = 0, attacks = 0, found = 0;
  aim to;
  for (int row = 0; row < GUARD_JUDGED; row++) {
    grams k = known_grams(l, draw_text(l, &to, true));
    bool alarm = k.all > 0 && topic_score(l, k, GUARD_TOPIC_ATTACK) >= ATTACK_LIMIT;
    bool attack = to.topic == GUARD_TOPIC_ATTACK;
    attacks += attack;
    found += attack && alarm;
    others += !attack;
    alarms += !attack && alarm;
  }
  r->attack_recall = attacks > 0 ? (float)found / (float)attacks : 0.0F;
  r->attack_alarms = others > 0 ? (float)alarms / (float)others : 0.0F;
}

static void give_buckets(guard_learned *l, uint32_t texts) {
  aim to;
  for (uint32_t i = 0; i < texts; i++) vote(l, draw_text(l, &to, false));
  for (size_t i = 0; i < GUARD_TEXT_BUCKETS; i++)
    if (l->votes[i] < LEAST_VOTES) l->mark[i] = 0;
}

static void learn_text(guard_learned *l) {
  aim to;
  grams k = known_grams(l, draw_text(l, &to, false));
  for (size_t t = 0; t < GUARD_TOPICS && k.all > 0; t++)
    if (t != to.mute) learn_topic(l, k, t, t == to.topic ? 1.0F : 0.0F);
}

void guard_learn_topics(guard_learned *l, const guard_learn_options *o, guard_learn_report *r) {
  const size_t weights = GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM;
  const uint32_t first = o->passes / 2; /* of the passes whose mean is kept */
  give_buckets(l, o->texts);
  for (uint32_t pass = 0; pass < o->passes; pass++) {
    for (uint32_t i = 0; i < o->texts; i++) learn_text(l);
    for (size_t i = 0; pass >= first && i < weights; i++) l->text_sum[i] += l->text[i];
  }
  for (size_t i = 0; i < weights; i++) l->text[i] = l->text_sum[i] / (float)(o->passes - first);
  for (size_t i = 0; i < GUARD_TOPIC_ROOM; i++) l->model.threshold[i] = 0.5F;
  l->model.threshold[GUARD_TOPIC_ATTACK] = ATTACK_LIMIT;
  l->model.threshold[GUARD_LIMIT_OUTSIDE] = OUTSIDE_LIMIT;
  judge_topics(l, r);
  r->drawn += (size_t)o->texts * (o->passes + 1);
  r->judged += GUARD_JUDGED;
}
