/* Learning the guard's model: reads the sources and the word lists, has names and topics learnt, and writes the file.
 * One thread and our own random numbers: the same sources give the same bytes. A tenth of the templates, of the
 * packs' lines and of the pages is held out, for the report. */
#include <math.h>
#include <string.h>

#include "guard/learn.h"

#define LEAN 2.0F /* what O loses, so that more names are found: recall counts for more */

void guard_learn_options_init(guard_learn_options *o) {
  *o = (guard_learn_options){.size = sizeof *o, .seed = 1, .sentences = 40000, .texts = 100000, .passes = 15};
}

void guard_learned_free(guard_learned *l) {
  if (l == NULL) return;
  base_allocator a = l->allocator;
  guard_grammar_free(&l->grammar);
  base_free(&a, l->line, l->line != NULL ? (l->n_lines + 1) * sizeof *l->line : 0);
  base_free(&a, l, sizeof *l);
}

bool guard_learn_view(guard_learned *l, base_slice text, guard_view *v) {
  if (text.len > GUARD_DRAWN_BYTES)
    text.len = base_utf8_offset(text.ptr, GUARD_DRAWN_BYTES, GUARD_DRAWN_BYTES / 4);
  return guard_fold(text, l->fold, l->low, l->at, v, NULL) == BASE_OK;
}

base_slice guard_learn_choose(guard_learned *l, const guard_list *list, bool held) {
  size_t n = list->n, kept = n / GUARD_HELD_OUT;
  if (held) return list->item[base_rng_below(&l->rng, (uint32_t)(kept > 0 ? kept : 1)) * GUARD_HELD_OUT];
  size_t i = base_rng_below(&l->rng, (uint32_t)n);
  if (n >= GUARD_HELD_OUT && i % GUARD_HELD_OUT == 0) i++;
  return list->item[i < n ? i : n - 1];
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
    if (n == GUARD_MAX_LISTED) return;
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
  if (!guard_learn_view(l, text, &v)) return;
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

bool guard_learn_plain(base_slice line, guard_drawn *d) {
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

static size_t take_lines(const guard_source_text *sources, size_t n, guard_ordinary *out) {
  size_t count = 0;
  guard_drawn d;
  for (size_t i = 0; i < n; i++) {
    base_slice rest = sources[i].text, line;
    bool money = strstr(sources[i].name, "money") != NULL;
    while (base_slice_split(&rest, '\n', &line)) {
      if (!guard_learn_plain(line, &d)) continue;
      if (out != NULL) out[count] = (guard_ordinary){line, money};
      count++;
    }
  }
  return count;
}

/* ---- the file ---- */

static float quantise(const float *w, int8_t *q, size_t n) {
  float largest = 1e-6F;
  for (size_t i = 0; i < n; i++)
    if (fabsf(w[i]) > largest) largest = fabsf(w[i]);
  for (size_t i = 0; i < n; i++) q[i] = (int8_t)lrintf(w[i] / largest * 127.0F);
  return largest / 127.0F;
}

/* Moves the rows of buckets that are somebody's together; returns how many there are. */
static size_t keep_used_rows(guard_learned *l) {
  size_t rows = 0;
  for (size_t i = 0; i < GUARD_TEXT_BUCKETS; i++) {
    if (l->mark[i] == 0) continue;
    int8_t *row = l->text_weight + rows++ * GUARD_TOPIC_ROOM;
    memmove(row, l->text_weight + i * GUARD_TOPIC_ROOM, GUARD_TOPIC_ROOM);
    row[GUARD_TOPIC_MARK] = l->mark[i];
    l->text_used[i / 8] = (uint8_t)(l->text_used[i / 8] | 1U << i % 8);
  }
  return rows;
}

static void put_all(guard_learned *l, gguf_writer *w) {
  const uint64_t names[] = {GUARD_TAG_ROOM, GUARD_NAME_BUCKETS}, used[] = {GUARD_TEXT_BUCKETS / 8},
                 move[] = {GUARD_TAG_ROOM, GUARD_TAG_ROOM}, topics[] = {GUARD_TOPIC_ROOM},
                 listed[] = {l->model.n_listed};
  gguf_put_string(w, "general.architecture", BASE_LITERAL("minnow-guard"));
  gguf_put_u32(w, "minnow.guard.version", GUARD_MODEL_VERSION);
  gguf_put_f32(w, "minnow.guard.name_scale", quantise(l->name, l->name_weight, sizeof l->name_weight));
  gguf_put_f32(w, "minnow.guard.text_scale", quantise(l->text, l->text_weight, sizeof l->text_weight));
  const uint64_t text[] = {GUARD_TOPIC_ROOM, keep_used_rows(l)};
  gguf_put_f32(w, "minnow.guard.lean", l->model.lean);
  gguf_put_tensor(w, "names.weight", GGUF_T_I8, 2, names, l->name_weight);
  gguf_put_tensor(w, "names.move", GGUF_T_F32, 2, move, l->model.move);
  gguf_put_tensor(w, "text.used", GGUF_T_I8, 1, used, l->text_used);
  gguf_put_tensor(w, "text.weight", GGUF_T_I8, 2, text, l->text_weight);
  gguf_put_tensor(w, "text.bias", GGUF_T_F32, 1, topics, l->model.text_bias);
  gguf_put_tensor(w, "text.threshold", GGUF_T_F32, 1, topics, l->model.threshold);
  gguf_put_tensor(w, "lists.key", GGUF_T_I32, 1, listed, l->list_key);
  gguf_put_tensor(w, "lists.bits", GGUF_T_I8, 1, listed, l->list_bits);
}

static void read_lists(guard_learned *l, guard_learn_report *r) {
  guard_drawn *d = &l->drawn;
  for (unsigned bit = 0; bit < GUARD_LISTS; bit++) {
    int at = guard_grammar_find(&l->grammar, base_slice_of(guard_list_names[bit]));
    for (size_t i = 0; at >= 0 && i < l->grammar.list[at].n; i++)
      list_text(l, l->grammar.list[at].item[i], bit, false);
  }
  for (size_t i = 0; i < l->n_lines; i++)
    if (guard_learn_plain(l->line[i].line, d)) list_text(l, (base_slice){d->text, d->len}, GUARD_LISTS - 1, true);
  int at = guard_grammar_find(&l->grammar, BASE_LITERAL("sentences"));
  for (size_t i = 0; at >= 0 && i < l->grammar.list[at].n; i++)
    if (guard_learn_plain(l->grammar.list[at].item[i], d))
      list_text(l, (base_slice){d->text, d->len}, GUARD_LISTS - 1, true);
  r->lists = l->grammar.n;
  for (size_t i = 0; i < l->grammar.n; i++) r->values += l->grammar.list[i].n;
}

/* One block with the grammar and the packs' lines in it; guard_learned_free what it leaves, also after a failure. */
static base_status start(guard_learned **out, const guard_learn_texts *texts, const guard_learn_options *o,
                         base_error *err) {
  const base_allocator *a = o->allocator != NULL ? o->allocator : base_allocator_libc();
  size_t lines = take_lines(texts->ordinary, texts->n_ordinary, NULL);
  guard_learned *l = *out = base_calloc(a, 1, sizeof *l);
  if (l == NULL) return base_fail(err, BASE_ENOMEM, "packs/guard", "no memory to learn");
  l->allocator = *a;
  l->model.lean = LEAN;
  l->page = texts->page;
  l->n_pages = texts->n_pages;
  l->n_lines = lines;
  base_rng_seed(&l->rng, o->seed);
  l->line = base_calloc(a, lines + 1, sizeof *l->line);
  if (l->line == NULL) return base_fail(err, BASE_ENOMEM, "packs/guard", "no memory for %zu lines", lines);
  (void)take_lines(texts->ordinary, texts->n_ordinary, l->line);
  return guard_grammar_read(&l->grammar, texts->grammar, texts->n_grammar, &l->allocator, err);
}

base_status guard_learn(guard_learned **out, const guard_learn_texts *texts, const guard_learn_options *o,
                        gguf_writer *w, guard_learn_report *report, base_error *err) {
  guard_learned *l = NULL;
  *report = (guard_learn_report){0};
  base_status st = start(&l, texts, o, err);
  if (!st) read_lists(l, report);
  if (!st) st = guard_learn_names(l, o, report, err);
  if (!st) guard_learn_topics(l, o, report);
  if (!st) put_all(l, w);
  if (st) guard_learned_free(l);
  *out = st ? NULL : l;
  return st;
}
