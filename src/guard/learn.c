/* Learning the guard's model: texts drawn from the grammar train a structured averaged perceptron with a
 * margin (names) and logistic scores with Adagrad (topics). One thread and our own random numbers: the same
 * sources give the same bytes. A tenth of the templates and of the ordinary lines is held out, for the
 * report. */
#include <math.h>
#include <string.h>

#include "guard/grammar.h"

enum { MAX_LISTED = 1 << 16, MAX_WORDS = 256, HELD_OUT = 10, JUDGED = 4000 };
#define LEAN 2.0F /* what O loses, so that more names are found: recall counts for more */
enum { LEAST_VOTES = 3 }; /* what is rarer has no bucket */

/* Scores from here on are attacks: chosen on ordinary dialogues and requests, of which fewer than two in a hundred lie
 * above; from outside, on mails, tables and answers with code (docs/experiments.md). */
#define ATTACK_LIMIT 0.135F
#define OUTSIDE_LIMIT 0.3F

struct guard_learned {
  base_allocator allocator;
  /* what is saved */
  int8_t name_weight[GUARD_NAME_BUCKETS * GUARD_TAG_ROOM], text_weight[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM];
  uint32_t list_key[MAX_LISTED];
  uint8_t list_bits[MAX_LISTED];
  /* what learns */
  float name[GUARD_NAME_BUCKETS * GUARD_TAG_ROOM], name_sum[GUARD_NAME_BUCKETS * GUARD_TAG_ROOM];
  float move_sum[GUARD_TAG_ROOM][GUARD_TAG_ROOM];
  float text[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM], text_square[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM],
      text_sum[GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM]; /* over the passes that are averaged */
  float bias_square[GUARD_TOPIC_ROOM];
  int8_t mark[GUARD_TEXT_BUCKETS];  /* whose a bucket is */
  uint32_t votes[GUARD_TEXT_BUCKETS];
  guard_model model; /* move, text_bias, lists and working memory are used while learning */
  uint32_t feature[MAX_WORDS][GUARD_NAME_FEATURES];
  uint8_t gold[MAX_WORDS];
  uint8_t fold[GUARD_DRAWN_BYTES + GUARD_AHEAD], low[GUARD_DRAWN_BYTES + GUARD_AHEAD];
  uint32_t at[GUARD_DRAWN_BYTES + GUARD_AHEAD];
  guard_drawn drawn;
  base_rng rng;
  guard_grammar grammar;
};

void guard_learn_options_init(guard_learn_options *o) {
  *o = (guard_learn_options){.size = sizeof *o, .seed = 1, .sentences = 40000, .texts = 40000, .passes = 15};
}

void guard_learned_free(guard_learned *l) {
  if (l == NULL) return;
  base_allocator a = l->allocator;
  guard_grammar_free(&l->grammar);
  base_free(&a, l, sizeof *l);
}

static bool view_of(guard_learned *l, base_slice text, guard_view *v) {
  if (text.len > GUARD_DRAWN_BYTES)
    text.len = base_utf8_offset(text.ptr, GUARD_DRAWN_BYTES, GUARD_DRAWN_BYTES / 4);
  return guard_fold(text, l->fold, l->low, l->at, v, NULL) == BASE_OK;
}

/* ---- word lists ---- */

static void list_word(guard_learned *l, uint64_t hash, unsigned bit) {
  uint32_t key = (uint32_t)(hash >> 32);
  size_t lo = 0, n = l->model.n_listed, hi = n;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (l->list_key[mid] < key) lo = mid + 1;
    else hi = mid;
  }
  if (lo == n || l->list_key[lo] != key) {
    if (n == MAX_LISTED) return;
    memmove(l->list_key + lo + 1, l->list_key + lo, (n - lo) * sizeof *l->list_key);
    memmove(l->list_bits + lo + 1, l->list_bits + lo, n - lo);
    l->list_key[lo] = key;
    l->list_bits[lo] = 0;
    l->model.n_listed++;
  }
  l->list_bits[lo] = (uint8_t)(l->list_bits[lo] | 1U << bit);
}

/* Words of two letters are in every list and tell nothing, but where streets are abbreviated. */
static void list_text(guard_learned *l, base_slice text, unsigned bit, bool small_only) {
  guard_view v;
  size_t at = 0;
  if (!view_of(l, text, &v)) return;
  while (at < v.n) {
    size_t n = guard_words(&v, &at, l->model.words, GUARD_WORDS);
    for (size_t i = 0; i < n; i++) {
      const guard_word *w = &l->model.words[i];
      bool letters = guard_is_alpha(v.f[w->start]), small = w->shape == 0x204U || w->shape == 0x210U + 4U;
      if (!letters || (small_only && !small)) continue;
      if (w->end - w->start > 2 || small_only || bit == 4) list_word(l, w->hash, bit);
    }
  }
}

/* ---- ordinary lines, with their {slot:value} marks taken off ---- */

static bool plain_line(base_slice line, guard_drawn *d) {
  d->len = d->n = 0;
  line = base_slice_trim(line);
  if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == '[') return false;
  for (size_t i = 0; i < line.len && d->len < sizeof d->text; i++) {
    const char *shut = line.ptr[i] == '{' ? memchr(line.ptr + i, '}', line.len - i) : NULL;
    if (shut == NULL) {
      if (line.ptr[i] != '}') d->text[d->len++] = line.ptr[i];
      continue;
    }
    size_t end = (size_t)(shut - line.ptr), from = i + 1;
    for (size_t p = i; p < end; p++)
      if (line.ptr[p] == ':' || line.ptr[p] == '=') {
        from = p + 1;
        break;
      }
    i = from - 1;
  }
  return d->len > 0;
}

/* ---- names ---- */

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
  if (!view_of(l, (base_slice){l->drawn.text, l->drawn.len}, &v)) return 0;
  size_t n = guard_words(&v, &at, l->model.words, MAX_WORDS);
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

/* A template that is held out for the report. */
static base_slice choose(guard_learned *l, const guard_list *list, bool held) {
  size_t n = list->n, kept = n / HELD_OUT;
  if (held) return list->item[base_rng_below(&l->rng, (uint32_t)(kept > 0 ? kept : 1)) * HELD_OUT];
  size_t i = base_rng_below(&l->rng, (uint32_t)n);
  if (n >= HELD_OUT && i % HELD_OUT == 0) i++;
  return list->item[i < n ? i : n - 1];
}

static float judge_names(guard_learned *l, const guard_list *list, size_t features) {
  size_t right = 0, wanted = 0, given = 0;
  for (int row = 0; row < JUDGED; row++) {
    size_t n = draw_sentence(l, choose(l, list, true), false);
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

static base_status learn_names(guard_learned *l, const guard_learn_options *o, guard_learn_report *r,
                               base_error *err) {
  int at = guard_grammar_find(&l->grammar, BASE_LITERAL("sentences"));
  if (at < 0) return base_fail(err, BASE_ENOTFOUND, "packs/guard", "there is no list [sentences]");
  const guard_list *list = &l->grammar.list[at];
  size_t features = n_features();
  uint64_t steps = (uint64_t)o->sentences * o->passes;
  for (uint64_t step = 1; step <= steps; step++) {
    size_t n = draw_sentence(l, choose(l, list, false), true);
    score_sentence(l, n, features, 3.0F);
    correct(l, n, features, (float)step);
  }
  for (size_t i = 0; i < GUARD_NAME_BUCKETS * GUARD_TAG_ROOM; i++)
    l->name[i] -= l->name_sum[i] / (float)steps;
  for (size_t i = 0; i < GUARD_TAG_ROOM * GUARD_TAG_ROOM; i++)
    (&l->model.move[0][0])[i] -= (&l->move_sum[0][0])[i] / (float)steps;
  r->templates = list->n;
  r->drawn += steps;
  r->judged += JUDGED;
  r->name_f1 = judge_names(l, list, features);
  return BASE_OK;
}

/* ---- topics ---- */

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

/* A window of the drawn text. */
static size_t read_text(guard_learned *l, bool attack, bool learning) {
  guard_view v;
  size_t at = 0, from = 0;
  if (!view_of(l, (base_slice){l->drawn.text, l->drawn.len}, &v)) return 0;
  size_t n = guard_words(&v, &at, l->model.words, GUARD_WORDS);
  if (n > GUARD_TEXT_WINDOW && !attack) from = base_rng_below(&l->rng, (uint32_t)(n - GUARD_TEXT_WINDOW + 1));
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

typedef struct ordinary {
  base_slice line;
  bool money; /* says nothing about payment */
} ordinary;

static size_t take_ordinary(const guard_source_text *sources, size_t n, ordinary *out) {
  size_t count = 0;
  guard_drawn d;
  for (size_t i = 0; i < n; i++) {
    base_slice rest = sources[i].text, line;
    bool money = strstr(sources[i].name, "money") != NULL;
    while (base_slice_split(&rest, '\n', &line)) {
      if (!plain_line(line, &d)) continue;
      if (out != NULL) out[count] = (ordinary){line, money};
      count++;
    }
  }
  return count;
}

/* What is drawn, in a hundred. */
static const struct mixing {
  uint32_t share;
  const char *list;
  size_t topic;
} mixing[] = {{26, "attack", GUARD_TOPIC_ATTACK},
              {5, "payment", GUARD_TOPIC_RISK + GUARD_PAYMENT},
              {5, "legal", GUARD_TOPIC_RISK + GUARD_LEGAL},
              {5, "medical", GUARD_TOPIC_RISK + GUARD_MEDICAL},
              {5, "self_harm", GUARD_TOPIC_RISK + GUARD_SELF_HARM},
              {18, "document", GUARD_TOPICS},
              {6, "sentences", GUARD_TOPICS}};
enum { MIXINGS = sizeof mixing / sizeof mixing[0], LINES_FROM = 78 }; /* between: [ordinary]; then the packs' lines */

typedef struct drawing {
  const ordinary *lines;
  size_t n_lines;
  size_t topic, mute; /* GUARD_TOPICS: none; a topic that the text says nothing about */
} drawing;

static const guard_list *list_to_draw(guard_learned *l, uint32_t dice, size_t *topic) {
  uint32_t at = 0;
  *topic = GUARD_TOPICS;
  for (size_t i = 0; i < MIXINGS; i++) {
    int list = guard_grammar_find(&l->grammar, base_slice_of(mixing[i].list));
    if (dice >= at && dice < at + mixing[i].share && list >= 0) {
      *topic = mixing[i].topic;
      return &l->grammar.list[list];
    }
    at += mixing[i].share;
  }
  int list = guard_grammar_find(&l->grammar, BASE_LITERAL("ordinary"));
  return list >= 0 ? &l->grammar.list[list] : NULL;
}

/* One text: of a topic's list, of what is ordinary, or of the packs. Returns its features. */
static size_t draw_text(guard_learned *l, drawing *d, bool held) {
  uint32_t dice = base_rng_below(&l->rng, 100);
  d->mute = d->topic = GUARD_TOPICS;
  if (dice >= LINES_FROM && d->n_lines > HELD_OUT) {
    size_t i = base_rng_below(&l->rng, (uint32_t)(d->n_lines / HELD_OUT)) * HELD_OUT;
    if (!held) i += 1 + base_rng_below(&l->rng, HELD_OUT - 1);
    (void)plain_line(d->lines[i].line, &l->drawn);
    if (d->lines[i].money) d->mute = GUARD_TOPIC_RISK + GUARD_PAYMENT;
  } else {
    const guard_list *list = list_to_draw(l, dice, &d->topic);
    if (list == NULL || list->n == 0) return 0;
    guard_grammar_draw(&l->grammar, choose(l, list, held), &l->rng, &l->drawn);
  }
  return read_text(l, d->topic == GUARD_TOPIC_ATTACK, !held);
}

static void judge_topics(guard_learned *l, drawing *d, guard_learn_report *r) {
  size_t others = 0, alarms = 0, attacks = 0, found = 0;
  for (size_t i = 0; i < GUARD_TOPIC_ROOM; i++) l->model.threshold[i] = 0.5F;
  l->model.threshold[GUARD_TOPIC_ATTACK] = ATTACK_LIMIT;
  l->model.threshold[GUARD_LIMIT_OUTSIDE] = OUTSIDE_LIMIT;
  for (int row = 0; row < JUDGED; row++) {
    grams k = known_grams(l, draw_text(l, d, true));
    bool alarm = k.all > 0 && topic_score(l, k, GUARD_TOPIC_ATTACK) >= ATTACK_LIMIT;
    bool attack = d->topic == GUARD_TOPIC_ATTACK;
    attacks += attack;
    found += attack && alarm;
    others += !attack;
    alarms += !attack && alarm;
  }
  r->attack_recall = attacks > 0 ? (float)found / (float)attacks : 0.0F;
  r->attack_alarms = others > 0 ? (float)alarms / (float)others : 0.0F;
}

static void learn_topics(guard_learned *l, const guard_learn_options *o, drawing *d, guard_learn_report *r) {
  for (uint32_t i = 0; i < o->texts; i++) vote(l, draw_text(l, d, false));
  for (size_t i = 0; i < GUARD_TEXT_BUCKETS; i++)
    if (l->votes[i] < LEAST_VOTES) l->mark[i] = 0;
  for (uint32_t pass = 0; pass < o->passes; pass++) {
    for (uint32_t i = 0; i < o->texts; i++) {
      grams k = known_grams(l, draw_text(l, d, false));
      for (size_t t = 0; t < GUARD_TOPICS && k.all > 0; t++)
        if (t != d->mute) learn_topic(l, k, t, t == d->topic ? 1.0F : 0.0F);
    }
    for (size_t i = 0; pass >= o->passes / 2 && i < GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM; i++)
      l->text_sum[i] += l->text[i];
  }
  for (size_t i = 0; i < GUARD_TEXT_BUCKETS * GUARD_TOPIC_ROOM; i++)
    l->text[i] = l->text_sum[i] / (float)(o->passes - o->passes / 2);
  judge_topics(l, d, r);
  r->drawn += (size_t)o->texts * (o->passes + 1);
  r->judged += JUDGED;
}

/* ---- the file ---- */

static float quantise(const float *w, int8_t *q, size_t n) {
  float largest = 1e-6F;
  for (size_t i = 0; i < n; i++)
    if (fabsf(w[i]) > largest) largest = fabsf(w[i]);
  for (size_t i = 0; i < n; i++) q[i] = (int8_t)lrintf(w[i] / largest * 127.0F);
  return largest / 127.0F;
}

static void put_all(guard_learned *l, gguf_writer *w) {
  const uint64_t names[] = {GUARD_TAG_ROOM, GUARD_NAME_BUCKETS},
                 text[] = {GUARD_TOPIC_ROOM, GUARD_TEXT_BUCKETS}, move[] = {GUARD_TAG_ROOM, GUARD_TAG_ROOM},
                 topics[] = {GUARD_TOPIC_ROOM}, listed[] = {l->model.n_listed};
  gguf_put_string(w, "general.architecture", BASE_LITERAL("minnow-guard"));
  gguf_put_u32(w, "minnow.guard.version", GUARD_MODEL_VERSION);
  gguf_put_f32(w, "minnow.guard.name_scale", quantise(l->name, l->name_weight, sizeof l->name_weight));
  gguf_put_f32(w, "minnow.guard.text_scale", quantise(l->text, l->text_weight, sizeof l->text_weight));
  for (size_t i = 0; i < GUARD_TEXT_BUCKETS; i++)
    l->text_weight[i * GUARD_TOPIC_ROOM + GUARD_TOPIC_MARK] = l->mark[i];
  gguf_put_f32(w, "minnow.guard.lean", l->model.lean);
  gguf_put_tensor(w, "names.weight", GGUF_T_I8, 2, names, l->name_weight);
  gguf_put_tensor(w, "names.move", GGUF_T_F32, 2, move, l->model.move);
  gguf_put_tensor(w, "text.weight", GGUF_T_I8, 2, text, l->text_weight);
  gguf_put_tensor(w, "text.bias", GGUF_T_F32, 1, topics, l->model.text_bias);
  gguf_put_tensor(w, "text.threshold", GGUF_T_F32, 1, topics, l->model.threshold);
  gguf_put_tensor(w, "lists.key", GGUF_T_I32, 1, listed, l->list_key);
  gguf_put_tensor(w, "lists.bits", GGUF_T_I8, 1, listed, l->list_bits);
}

static void read_lists(guard_learned *l, const ordinary *lines, size_t n_lines, guard_learn_report *r) {
  guard_drawn *d = &l->drawn;
  for (unsigned bit = 0; bit < GUARD_LISTS; bit++) {
    int at = guard_grammar_find(&l->grammar, base_slice_of(guard_list_names[bit]));
    for (size_t i = 0; at >= 0 && i < l->grammar.list[at].n; i++)
      list_text(l, l->grammar.list[at].item[i], bit, false);
  }
  for (size_t i = 0; i < n_lines; i++)
    if (plain_line(lines[i].line, d)) list_text(l, (base_slice){d->text, d->len}, GUARD_LISTS - 1, true);
  int at = guard_grammar_find(&l->grammar, BASE_LITERAL("sentences"));
  for (size_t i = 0; at >= 0 && i < l->grammar.list[at].n; i++)
    if (plain_line(l->grammar.list[at].item[i], d))
      list_text(l, (base_slice){d->text, d->len}, GUARD_LISTS - 1, true);
  r->lists = l->grammar.n;
  for (size_t i = 0; i < l->grammar.n; i++) r->values += l->grammar.list[i].n;
}

base_status guard_learn(guard_learned **out, const guard_source_text *sources, size_t n_sources,
                        const guard_source_text *plain, size_t n_plain, const guard_learn_options *o,
                        gguf_writer *w, guard_learn_report *report, base_error *err) {
  const base_allocator *a = o->allocator != NULL ? o->allocator : base_allocator_libc();
  size_t n_lines = take_ordinary(plain, n_plain, NULL);
  ordinary *lines = base_calloc(a, n_lines + 1, sizeof *lines);
  guard_learned *l = base_calloc(a, 1, sizeof *l);
  base_status st = BASE_OK;
  *out = NULL;
  *report = (guard_learn_report){0};
  if (lines == NULL || l == NULL) {
    base_free(a, l, l != NULL ? sizeof *l : 0);
    st = base_fail(err, BASE_ENOMEM, "packs/guard", "no memory to learn");
    goto done;
  }
  l->allocator = *a;
  l->model.lean = LEAN;
  base_rng_seed(&l->rng, o->seed);
  (void)take_ordinary(plain, n_plain, lines);
  st = guard_grammar_read(&l->grammar, sources, n_sources, &l->allocator, err);
  if (!st) read_lists(l, lines, n_lines, report);
  if (!st) st = learn_names(l, o, report, err);
  drawing d = {.lines = lines, .n_lines = n_lines};
  if (!st) learn_topics(l, o, &d, report);
  if (!st) put_all(l, w);
  if (st) guard_learned_free(l);
  else *out = l;
done:
  base_free(a, lines, lines != NULL ? (n_lines + 1) * sizeof *lines : 0);
  return st;
}
