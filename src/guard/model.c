/* The model at work: features, the best path of tags, the scores of topics. */
#include "guard/model.h"

#include <math.h>
#include <string.h>

const char *const guard_list_names[GUARD_LISTS] = {"first",  "last",   "city",  "country",
                                                   "street", "company", "group", "common"};

guard_class guard_class_of_tag(guard_tag_class t) {
  static const guard_class of[GUARD_TAG_CLASSES] = {GUARD_PERSON,       GUARD_ADDRESS, GUARD_PLACE,
                                                    GUARD_ORGANISATION, GUARD_GROUP,   GUARD_POSTCODE};
  return of[t];
}

/* ---- words ---- */

bool guard_is_capital(const guard_view *v, size_t i) {
  uint32_t c;
  if (v->f[i] != GUARD_LETTER) return guard_is_upper(v->f[i]);
  return base_utf8_decode(v->text.ptr + v->at[i], v->text.len - v->at[i], &c) > 0 && base_utf8_lower(c) != c;
}

/* first letter, the rest, digits: enough to tell "Xx", "XX", "X", "dddd", "xd". */
static uint32_t shape_of(const guard_view *v, size_t start, size_t end) {
  uint32_t capitals = 0, small = 0, digits = 0, first = guard_is_capital(v, start);
  for (size_t i = start; i < end; i++) {
    if (guard_is_digit(v->f[i])) digits++;
    else if (guard_is_capital(v, i)) capitals++;
    else small++;
  }
  if (!guard_is_alnum(v->f[start])) return 0x1000U + v->f[start];
  if (digits > 0 && capitals + small == 0) return 0x100U + (digits < 9 ? digits : 9);
  return 0x200U + first + (capitals > 1 ? 2U : 0U) + (small > 0 ? 4U : 0U) + (digits > 0 ? 8U : 0U) +
         (capitals + small == 1 ? 16U : 0U);
}

size_t guard_words(const guard_view *v, size_t *at, guard_word *w, size_t max) {
  size_t n = 0, i = *at;
  while (i < v->n && n < max) {
    size_t start = i;
    if (v->f[i] == ' ' || v->f[i] == '\t' || v->f[i] == '\r') {
      i++;
      continue;
    }
    while (guard_is_alnum(v->f[i])) i++;
    if (i == start) i++;
    w[n++] = (guard_word){(uint32_t)start, (uint32_t)i, base_hash(BASE_HASH_START, v->low + start, i - start),
                          shape_of(v, start, i), 0};
  }
  *at = i;
  return n;
}

static uint64_t mix_of(uint64_t a, uint64_t b, uint64_t kind) {
  uint64_t h = (a ^ (b * UINT64_C(0x9E3779B97F4A7C15))) + kind * UINT64_C(0xC2B2AE3D27D4EB4F);
  h ^= h >> 31;
  return h * UINT64_C(0xbf58476d1ce4e5b9);
}

static uint32_t bucket_of(uint64_t a, uint64_t b, uint64_t kind) {
  return (uint32_t)(mix_of(a, b, kind) >> 33) % GUARD_NAME_BUCKETS;
}

/* ---- names ---- */

typedef struct place {
  uint64_t hash;
  uint32_t shape, lists;
  uint32_t start, end;
} place;

/* Word i + by, or the edge of the text. */
static place word_by(const guard_word *w, size_t n, size_t i, int by) {
  size_t at = i + (size_t)by;
  if (by < 0 ? i < (size_t)-by : at >= n) return (place){.hash = 1, .shape = 1};
  return (place){w[at].hash, w[at].shape, w[at].lists, w[at].start, w[at].end};
}

static uint64_t ending(const guard_view *v, const place *p, size_t len) {
  size_t n = p->end - p->start;
  if (n < len) len = n;
  return base_hash(BASE_HASH_START + len, v->low + p->end - len, len);
}

static uint64_t opening(const guard_view *v, const place *p, size_t len) {
  size_t n = p->end - p->start;
  return base_hash(BASE_HASH_START + 16 + len, v->low + p->start, n < len ? n : len);
}

size_t guard_name_features(const guard_view *v, const guard_word *w, size_t n, size_t i,
                           uint32_t bucket[GUARD_NAME_FEATURES]) {
  place c = word_by(w, n, i, 0), l = word_by(w, n, i, -1), r = word_by(w, n, i, 1), ll = word_by(w, n, i, -2),
        rr = word_by(w, n, i, 2), lll = word_by(w, n, i, -3);
  size_t k = 0;
#define FEATURE(a, b) (bucket[k] = bucket_of((a), (b), k), k++)
#define SHAPES(a, b) ((uint64_t)(a).shape << 32 | (b).shape)
  FEATURE(0, 0);
  FEATURE(c.hash, 0);
  FEATURE(l.hash, 0);
  FEATURE(r.hash, 0);
  FEATURE(ll.hash, 0);
  FEATURE(rr.hash, 0);
  FEATURE(l.hash, c.hash);
  FEATURE(c.hash, r.hash);
  FEATURE(ll.hash, l.hash);
  FEATURE(r.hash, rr.hash);
  FEATURE(c.shape, 0);
  FEATURE(SHAPES(l, c), 0);
  FEATURE(SHAPES(c, r), 0);
  FEATURE(SHAPES(l, c), r.shape);
  FEATURE(SHAPES(ll, l), c.shape);
  FEATURE(SHAPES(c, r), rr.shape);
  FEATURE(ending(v, &c, 2), c.shape);
  FEATURE(ending(v, &c, 3), c.shape);
  FEATURE(ending(v, &c, 4), 0);
  FEATURE(opening(v, &c, 2), c.shape);
  FEATURE(opening(v, &c, 3), 0);
  FEATURE(l.hash, c.shape);
  FEATURE(r.hash, c.shape);
  FEATURE(ll.hash ^ l.hash * 3, c.shape);
  FEATURE(l.hash ^ r.hash * 3, c.shape);
  FEATURE(lll.hash ^ ll.hash * 3 ^ l.hash * 7, c.shape);
  FEATURE(ending(v, &l, 3), c.shape);
  FEATURE(ending(v, &r, 3), c.shape);
  FEATURE(c.lists, c.shape);
  FEATURE(c.lists, (uint64_t)l.lists << 8 | 1);
  FEATURE(c.lists, (uint64_t)r.lists << 8 | 2);
  FEATURE((uint64_t)l.lists << 8 | c.lists, (uint64_t)r.lists << 8 | 3);
  FEATURE(l.hash, c.lists);
  FEATURE(r.hash, c.lists);
  FEATURE(ll.hash ^ l.hash * 3, c.lists);
  FEATURE((uint64_t)l.lists << 32 | l.shape, c.shape);
  FEATURE((uint64_t)r.lists << 32 | r.shape, c.shape);
  FEATURE(r.hash ^ rr.hash * 3, c.shape);
#undef FEATURE
#undef SHAPES
  return k;
}

void guard_best_path(const float (*score)[GUARD_TAG_ROOM], const float (*move)[GUARD_TAG_ROOM], size_t n,
                     uint8_t (*back)[GUARD_TAG_ROOM], uint8_t *path) {
  float best[GUARD_TAG_ROOM], next[GUARD_TAG_ROOM];
  if (n == 0) return;
  for (size_t t = 0; t < GUARD_TAGS; t++)
    best[t] = score[0][t] + (t > 0 && t % 2 == 0 ? -1e9F : 0.0F); /* nothing begins inside */
  for (size_t i = 1; i < n; i++) {
    for (size_t t = 0; t < GUARD_TAGS; t++) {
      bool inside = t > 0 && t % 2 == 0;
      size_t from = inside ? t - 1 : 0;
      for (size_t s = inside ? t : 1; s < (inside ? t + 1 : (size_t)GUARD_TAGS); s++)
        if (best[s] + move[s][t] > best[from] + move[from][t]) from = s;
      next[t] = best[from] + move[from][t] + score[i][t];
      back[i][t] = (uint8_t)from;
    }
    memcpy(best, next, sizeof best);
  }
  size_t at = 0;
  for (size_t t = 1; t < GUARD_TAGS; t++)
    if (best[t] > best[at]) at = t;
  for (size_t i = n; i-- > 0; at = i > 0 ? back[i][at] : 0)
    path[i] = (uint8_t)at;
}

uint8_t guard_model_lists(const guard_model *m, uint64_t hash) {
  uint32_t key = (uint32_t)(hash >> 32);
  size_t lo = 0, hi = m->n_listed;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (m->list_key[mid] < key) lo = mid + 1;
    else hi = mid;
  }
  return lo < m->n_listed && m->list_key[lo] == key ? m->list_bits[lo] : 0;
}

void guard_model_look_up(const guard_model *m, guard_word *w, size_t n) {
  for (size_t i = 0; i < n; i++) w[i].lists = guard_model_lists(m, w[i].hash);
}

static void score_words(guard_model *m, const guard_view *v, size_t n) {
  uint32_t bucket[GUARD_NAME_FEATURES];
  for (size_t i = 0; i < n; i++) {
    int32_t sum[GUARD_TAG_ROOM] = {0};
    size_t k = guard_name_features(v, m->words, n, i, bucket);
    for (size_t f = 0; f < k; f++) {
      const int8_t *row = m->name_weight + (size_t)bucket[f] * GUARD_TAG_ROOM;
      for (size_t t = 0; t < GUARD_TAG_ROOM; t++) sum[t] += row[t];
    }
    for (size_t t = 0; t < GUARD_TAG_ROOM; t++) m->score[i][t] = (float)sum[t] * m->name_scale;
    m->score[i][0] -= m->lean;
  }
}

/* How far the tag stands above O, as 0.35..0.84: what rules know surely wins over it. */
static float sureness(const guard_model *m, size_t from, size_t to) {
  float margin = 0.0F;
  for (size_t i = from; i < to; i++)
    margin += m->score[i][m->path[i]] - m->score[i][0];
  margin /= (float)(to - from);
  return 0.35F + 0.49F / (1.0F + expf(-margin));
}

static void hit_names(guard_model *m, const guard_view *v, size_t n, bool capitals, guard_hits *h) {
  guard_tidy_path(v, m->words, n, capitals, m->path);
  for (size_t i = 0, end; i < n; i = end) {
    end = i + 1;
    if (m->path[i] == 0) continue;
    guard_tag_class c = (guard_tag_class)((m->path[i] - 1) / 2);
    while (end < n && m->path[end] == m->path[i] + 1) end++;
    guard_hit(h, v, m->words[i].start, m->words[end - 1].end, guard_class_of_tag(c), sureness(m, i, end),
              "model");
  }
}

void guard_model_names(guard *g, const guard_view *v, guard_hits *h) {
  guard_model *m = g->model;
  bool capitals = guard_has_capitals(v);
  for (size_t at = 0; at < v->n && !h->full;) {
    size_t n = guard_words(v, &at, m->words, GUARD_WORDS);
    guard_model_look_up(m, m->words, n);
    score_words(m, v, n);
    guard_best_path((const float (*)[GUARD_TAG_ROOM])m->score, (const float (*)[GUARD_TAG_ROOM])m->move, n,
                    m->back, m->path);
    hit_names(m, v, n, capitals, h);
  }
}

/* ---- text ---- */

static bool is_filler(const guard_view *v, const guard_word *w) {
  return w->end == w->start + 1 && !guard_is_alnum(v->f[w->start]) && v->f[w->start] != '<' &&
         v->f[w->start] != '>' && v->f[w->start] != '{' && v->f[w->start] != ':' && v->f[w->start] != '#' &&
         v->f[w->start] != '?';
}

static guard_gram gram_of(uint64_t a, uint64_t b, uint64_t kind) {
  uint64_t h = mix_of(a, b, kind);
  int mark = (int)((h >> 20 & 0xFFFU) % 255) - 127;
  return (guard_gram){(uint32_t)(h >> 33) % GUARD_TEXT_BUCKETS, (int8_t)(mark != 0 ? mark : -128)};
}

/* A letter of the folded text, or where that only says that it is one, which. */
static uint32_t letter_at(const guard_view *v, size_t i) {
  uint32_t c = v->low[i];
  if (c == GUARD_LETTER && base_utf8_decode(v->text.ptr + v->at[i], v->text.len - v->at[i], &c) > 0)
    c = base_utf8_lower(c);
  return c;
}

/* Letters in a row that say something: two where each is a syllable or a word (Chinese, Japanese, Korean). */
enum { WIDE_FROM = 0x2E80, MOST_LETTERS = 32, LETTER_GRAMS = 24 };

static size_t letter_grams(const guard_view *v, const guard_word *w, guard_gram *gram) {
  uint32_t letter[MOST_LETTERS];
  size_t n = 0, k = 0;
  for (size_t i = w->start; i < w->end && n < MOST_LETTERS; i++) letter[n++] = letter_at(v, i);
  size_t len = n > 0 && letter[0] >= WIDE_FROM ? 2 : 4;
  for (size_t at = 0; at + len <= n && k < LETTER_GRAMS; at++)
    gram[k++] = gram_of(base_hash(BASE_HASH_START, letter + at, len * sizeof *letter), at == 0, 55);
  return k;
}

static uint64_t word_hash(const guard_view *v, const guard_word *w) {
  uint64_t h = w->hash;
  for (size_t i = w->start; i < w->end; i++) {
    uint32_t c = letter_at(v, i);
    if (c >= 0x80) h = base_hash(h, &c, sizeof c);
  }
  return h;
}

size_t guard_text_features(const guard_view *v, const guard_word *w, size_t n,
                           guard_gram gram[GUARD_TEXT_FEATURES]) {
  uint64_t before = 1, before2 = 1, before3 = 1;
  size_t k = 0;
  for (size_t i = 0; i < n && k + LETTER_GRAMS + 5 <= GUARD_TEXT_FEATURES; i++) {
    if (is_filler(v, &w[i])) continue;
    bool number = w[i].shape > 0x100 && w[i].shape < 0x110;
    uint64_t h = number ? w[i].shape : word_hash(v, &w[i]);
    gram[k++] = gram_of(h, 0, 50);
    gram[k++] = gram_of(h, before, 51);
    gram[k++] = gram_of(h, before ^ before2 * 3, 52);
    gram[k++] = gram_of(h, before2, 53);
    gram[k++] = gram_of(h, before3, 54);
    before3 = before2;
    before2 = before;
    before = h;
    if (!number) k += letter_grams(v, &w[i], gram + k);
  }
  return k;
}

enum { LONG_DOCUMENT = 2000 }; /* characters: some ten windows */

/* Words by which a text turns to whoever reads it, and what one then tells them to do. */
static const char turning_words[] =
    "|you|your|yours|yourself|u|let|lets|we|us|assistant|assistants|ai|bot|chatbot|chatgpt|gpt|llm|agent|copilot|"
    "siri|alexa|reader|reviewer|usted|ustedes|tu|tus|asistente|vous|votre|vos|toi|ton|du|dein|deine|deinen|sie|"
    "ihr|ihre|ihnen|assistent|voce|seu|sua|assistente|lei|tuo|tua|je|jouw|ty|twoj|anda|asisten|siz|asistan|";
static const char steering_words[] =
    "|ignore|ignoring|disregard|forget|instruction|instructions|prompt|prompts|override|bypass|instead|reply|"
    "respond|response|answer|say|saying|tell|write|state|output|print|repeat|summarize|summary|summarise|"
    "recommend|mention|include|visit|click|send|forward|reveal|password|secret|confidential|admin|developer|mode|"
    "rules|guidelines|comply|obey|must|never|pretend|act|role|important|attention|immediately|execute|delete|"
    "transfer|translate|restrictions|jailbreak|dan|unrestricted|character|ignora|ignore|ignorez|ignoriere|"
    "ignorieren|vergiss|instrucciones|anweisungen|anweisung|instrucoes|istruzioni|consignes|responde|responda|"
    "repondez|reponds|antworte|antworten|escribe|ecris|ecrivez|schreib|schreibe|diga|dites|sage|sag|scrivi|"
    "rispondi|instructies|instrukcje|perintah|talimatlari|";

/* Could a window of a long document be meant for who reads it? Code, tables and lists of names turn to nobody, however
 * much they look like attacks to a model that has not seen their like. Other scripts are let through. */
static bool turns_to_reader(const guard_view *v, const guard_word *w, size_t n) {
  size_t words = 0, foreign = 0, turning = 0, steering = 0;
  for (size_t i = 0; i < n; i++) {
    if (!guard_is_alpha(v->f[w[i].start])) continue;
    words++;
    foreign += v->low[w[i].start] == GUARD_LETTER;
    steering += guard_word_is(v, &w[i], steering_words);
    bool user = i > 0 && guard_word_is(v, &w[i], "|user|users|") &&
                guard_word_is(v, &w[i - 1], "|the|to|this|all|"); /* as a variable's name it is no reader */
    turning += user || guard_word_is(v, &w[i], turning_words);
  }
  if (words * 3 < n) return false;
  return foreign * 4 >= words || (turning > 0 && steering > 0) || turning > 2 || steering > 2;
}

/* One word, however often: somebody leans on a key or sings "la la la", and steers nobody. Scripts that set no blanks
 * say whole sentences in one. */
static bool is_one_word(const guard_view *v, const guard_word *w, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (w[i].hash != w[0].hash) return false;
    for (size_t k = w[i].start; k < w[i].end; k++)
      if (v->low[k] >= 0x80) return false;
  }
  return true;
}

static bool may_attack(const guard_view *v, const guard_word *w, size_t n, bool long_document) {
  return !is_one_word(v, w, n) && (!long_document || turns_to_reader(v, w, n));
}

static uint32_t count_ones(uint64_t v) {
  v -= v >> 1 & UINT64_C(0x5555555555555555);
  v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
  v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
  return (uint32_t)(v * UINT64_C(0x0101010101010101) >> 56);
}

static uint64_t used_of(const guard_model *m, size_t word) { return base_load_u64(m->text_used + word * 8); }

/* The weights of a bucket; NULL when it is nobody's. */
static const int8_t *text_row(const guard_model *m, uint32_t bucket) {
  uint64_t used = used_of(m, bucket / 64), bit = UINT64_C(1) << bucket % 64;
  if ((used & bit) == 0) return NULL;
  size_t row = m->text_before[bucket / 64] + count_ones(used & (bit - 1));
  return m->text_weight + row * GUARD_TOPIC_ROOM;
}

/* Counts the rows before each 64 buckets; returns how many there are. */
static size_t count_rows(guard_model *m) {
  uint32_t rows = 0;
  for (size_t i = 0; i < GUARD_TEXT_BUCKETS / 64; i++) {
    m->text_before[i] = rows;
    rows += count_ones(used_of(m, i));
  }
  return rows;
}

static float score_of(const guard_model *m, const int32_t sum[GUARD_TOPIC_ROOM], float norm, size_t t) {
  return 1.0F / (1.0F + expf(-((float)sum[t] * norm + m->text_bias[t])));
}

static void score_window(guard_model *m, const guard_view *v, const guard_word *w, size_t n, bool long_document,
                         float p[GUARD_TOPICS]) {
  int32_t sum[GUARD_TOPIC_ROOM] = {0};
  size_t k = guard_text_features(v, w, n, m->gram);
  if (k == 0) return;
  for (size_t f = 0; f < k; f++) {
    const int8_t *row = text_row(m, m->gram[f].bucket);
    if (row == NULL || row[GUARD_TOPIC_MARK] != m->gram[f].mark) continue;
    for (size_t t = 0; t < GUARD_TOPIC_ROOM; t++) sum[t] += row[t];
  }
  float norm = m->text_scale / sqrtf((float)k);
  for (size_t t = 0; t < GUARD_TOPICS; t++) {
    float score = score_of(m, sum, norm, t);
    if (score <= p[t] || (t == GUARD_TOPIC_ATTACK && !may_attack(v, w, n, long_document))) continue;
    p[t] = score;
  }
}

size_t guard_model_topics(guard_model *m, const guard_view *v, guard_source from, float p[GUARD_TOPICS]) {
  size_t windows = 0;
  bool long_document = from == GUARD_FROM_OUTSIDE && v->n > LONG_DOCUMENT;
  memset(p, 0, GUARD_TOPICS * sizeof *p);
  for (size_t at = 0; at < v->n;) {
    size_t n = guard_words(v, &at, m->words, GUARD_WORDS);
    for (size_t i = 0; i < n; i += GUARD_TEXT_WINDOW / 2) {
      size_t len = n - i < GUARD_TEXT_WINDOW ? n - i : GUARD_TEXT_WINDOW;
      score_window(m, v, m->words + i, len, long_document, p);
      windows++;
      if (i + len == n) break;
    }
  }
  return windows;
}

/* ---- the file ---- */

static const void *tensor(const gguf_file *f, const char *name, gguf_tensor_type type, uint64_t d0, uint64_t d1,
                          base_status *st, base_error *err) {
  const gguf_tensor *t = NULL;
  if (*st) return NULL;
  *st = gguf_need_tensor(f, name, type, d0, d1, &t, err);
  return *st ? NULL : t->data;
}

static base_status bind(guard_model *m, const gguf_file *f, base_error *err) {
  uint32_t version = 0;
  base_status st = gguf_get_u32(f, "minnow.guard.version", &version, err);
  if (!st && version != GUARD_MODEL_VERSION)
    st = base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "guard model version %u is not known", version);
  m->name_weight = tensor(f, "names.weight", GGUF_T_I8, GUARD_TAG_ROOM, GUARD_NAME_BUCKETS, &st, err);
  m->text_used = tensor(f, "text.used", GGUF_T_I8, GUARD_TEXT_BUCKETS / 8, 1, &st, err);
  if (!st) m->text_weight = tensor(f, "text.weight", GGUF_T_I8, GUARD_TOPIC_ROOM, count_rows(m), &st, err);
  const float *move = tensor(f, "names.move", GGUF_T_F32, GUARD_TAG_ROOM, GUARD_TAG_ROOM, &st, err);
  const float *bias = tensor(f, "text.bias", GGUF_T_F32, GUARD_TOPIC_ROOM, 1, &st, err);
  const float *threshold = tensor(f, "text.threshold", GGUF_T_F32, GUARD_TOPIC_ROOM, 1, &st, err);
  const gguf_tensor *keys = NULL;
  if (!st) st = gguf_need_tensor(f, "lists.key", GGUF_T_I32, 0, 1, &keys, err);
  if (!st) m->list_bits = tensor(f, "lists.bits", GGUF_T_I8, keys->dim[0], 1, &st, err);
  if (!st) st = gguf_get_f32(f, "minnow.guard.name_scale", &m->name_scale, err);
  if (!st) st = gguf_get_f32(f, "minnow.guard.text_scale", &m->text_scale, err);
  if (!st) st = gguf_get_f32(f, "minnow.guard.lean", &m->lean, err);
  if (st) return st;
  m->list_key = keys->data;
  m->n_listed = (size_t)keys->dim[0];
  memcpy(m->move, move, sizeof m->move);
  memcpy(m->text_bias, bias, sizeof m->text_bias);
  memcpy(m->threshold, threshold, sizeof m->threshold);
  return BASE_OK;
}

base_status guard_model_open(guard_model **out, const gguf_file *f, const base_allocator *a, base_error *err) {
  *out = NULL;
  guard_model *m = base_calloc(a, 1, sizeof *m);
  if (m == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for the guard's model");
  base_status st = bind(m, f, err);
  if (st) guard_model_close(m, a);
  else *out = m;
  return st;
}

void guard_model_close(guard_model *m, const base_allocator *a) {
  if (m == NULL) return;
  guard_wipe(m, sizeof *m);
  base_free(a, m, sizeof *m);
}
