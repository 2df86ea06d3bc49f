/* gen/sample: from logits to a token. Vocabularies have up to 256k entries and few of them matter, so nothing
 * is sorted that will not be looked at: each filter only moves a cut, the worst token that is still kept, and
 * scans go in blocks that skip all below it.
 *
 * Order: equal logits stand in the order of their ids. Sums of probabilities are doubles over floats, by
 * falling logits for top-p and by ids for the draw, so that they are the same everywhere. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "gen/gen.h"

/* FIRST_GUESS: how many of the best top-p looks at before it asks for GROWTH times as many. BLOCK is a word of
 * the mask. */
enum { BLOCK = 32, DEFAULT_PENALTY_TOKENS = 64, FIRST_GUESS = 64, GROWTH = 8 };

/* Below this a temperature counts as 0: dividing by it would overflow. */
#define COLDEST 1e-5f

typedef struct candidate {
  float logit;
  uint32_t token;
} candidate;

struct gen_sampler {
  base_allocator allocator;
  const cpu_kernels *kernels;
  size_t vocab, block_bytes;
  void *block;      /* holds the arrays */
  candidate *kept;  /* [vocab] */
  float *weight;    /* [vocab] */
  float *raw;       /* [vocab] the model's logits, when log-probabilities are wanted */
  uint32_t *counts; /* [vocab] all 0 between calls */
};

/* What the steps work on. */
typedef struct view {
  const float *logits;
  const uint32_t *mask;
  size_t vocab;
} view;

/* ---- memory ---- */

static void carve(gen_sampler *s, base_arena *arena, size_t vocab) {
  s->kept = base_arena_take(arena, vocab, sizeof *s->kept);
  s->weight = base_arena_take(arena, vocab, sizeof *s->weight);
  s->raw = base_arena_take(arena, vocab, sizeof *s->raw);
  s->counts = base_arena_take(arena, vocab, sizeof *s->counts);
}

static size_t block_bytes(size_t vocab) {
  base_arena arena;
  gen_sampler counted;
  base_arena_init(&arena, NULL, 0);
  carve(&counted, &arena, vocab);
  return arena.used;
}

size_t gen_sampler_bytes(size_t vocab) { return sizeof(gen_sampler) + block_bytes(vocab); }

base_status gen_sampler_new(gen_sampler **out, size_t vocab, const cpu_kernels *kernels,
                            const base_allocator *allocator, base_error *err) {
  base_arena arena;
  *out = NULL;
  gen_sampler *s = base_calloc(allocator, 1, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, "sampler", "no memory for a sampler");
  s->allocator = allocator != NULL ? *allocator : *base_allocator_libc();
  s->kernels = kernels;
  s->vocab = vocab;
  s->block_bytes = block_bytes(vocab);
  s->block = base_alloc(&s->allocator, s->block_bytes);
  if (s->block == NULL) {
    gen_sampler_free(s);
    return base_fail(err, BASE_ENOMEM, "sampler", "no memory to sample from %zu tokens", vocab);
  }
  base_arena_init(&arena, s->block, s->block_bytes);
  carve(s, &arena, vocab);
  memset(s->counts, 0, vocab * sizeof *s->counts);
  *out = s;
  return BASE_OK;
}

void gen_sampler_free(gen_sampler *s) {
  if (s == NULL) return;
  base_allocator a = s->allocator;
  base_free(&a, s->block, s->block_bytes);
  base_free(&a, s, sizeof *s);
}

/* ---- settings ---- */

static base_status check_range(const char *name, float value, float low, float high, base_error *err) {
  if (value >= low && value <= high) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, name, "%g is out of its range, %g to %g", (double)value, (double)low,
                   (double)high);
}

base_status gen_sampling_check(const gen_sampling *s, base_error *err) {
  base_status st = check_range("temperature", s->temperature, 0.0f, 100.0f, err);
  if (!st) st = check_range("top_p", s->top_p, 0.0f, 1.0f, err);
  if (!st) st = check_range("min_p", s->min_p, 0.0f, 1.0f, err);
  if (!st) st = check_range("repeat penalty", s->repeat, 0.0f, 100.0f, err);
  if (!st) st = check_range("frequency penalty", s->frequency, -100.0f, 100.0f, err);
  if (!st) st = check_range("presence penalty", s->presence, -100.0f, 100.0f, err);
  return st;
}

/* ---- scanning ---- */

/* Bit j: entry start + j is allowed and above `bar`. NaN is above nothing. */
static uint32_t block_above(const view *v, size_t start, float bar) {
  const float *x = v->logits + start;
  size_t n = v->vocab - start < BLOCK ? v->vocab - start : BLOCK;
  uint32_t any = 0, bits = 0, allowed = v->mask != NULL ? v->mask[start / BLOCK] : UINT32_MAX;
  if (allowed == 0) return 0;
  if (n == BLOCK) {
    for (size_t j = 0; j < BLOCK; j++) any |= (uint32_t)(x[j] > bar);
    if (any == 0) return 0;
  }
  for (size_t j = 0; j < n; j++) bits |= (uint32_t)(x[j] > bar) << j;
  return bits & allowed;
}

/* Of bits that are not all 0. */
static uint32_t lowest_bit(uint32_t bits) { return (uint32_t)__builtin_ctz(bits); }

/* ---- the best k ---- */

static bool worse(candidate a, candidate b) {
  return a.logit < b.logit || (a.logit == b.logit && a.token > b.token);
}

/* A heap with the worst at the root: puts `c` where it belongs below `at`. */
static void sift(candidate *heap, size_t n, size_t at, candidate c) {
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= n) break;
    if (child + 1 < n && worse(heap[child + 1], heap[child])) child++;
    if (!worse(heap[child], c)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = c;
}

static void push(candidate *heap, size_t n, candidate c) {
  size_t at = n;
  for (; at > 0 && worse(c, heap[(at - 1) / 2]); at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
  heap[at] = c;
}

/* The k best into s->kept, best first; returns how many there are. Later entries of an equal logit are worse,
 * so that "above the worst" is all a full heap asks for. */
static size_t keep_best(gen_sampler *s, const view *v, size_t k) {
  candidate *heap = s->kept;
  size_t n = 0;
  float bar = -INFINITY;
  if (k > v->vocab) k = v->vocab;
  for (size_t start = 0; start < v->vocab; start += BLOCK) {
    for (uint32_t bits = block_above(v, start, bar); bits != 0; bits &= bits - 1) {
      size_t id = start + lowest_bit(bits);
      candidate c = {v->logits[id], (uint32_t)id};
      if (n < k) push(heap, n++, c);
      else if (c.logit > heap[0].logit) sift(heap, n, 0, c);
      if (n == k) bar = heap[0].logit;
    }
  }
  for (size_t left = n; left > 1; left--) {
    candidate last = heap[left - 1];
    heap[left - 1] = heap[0];
    sift(heap, left - 1, 0, last);
  }
  return n;
}

static candidate best_of(const view *v) {
  candidate best = {-INFINITY, GEN_NO_TOKEN};
  for (size_t start = 0; start < v->vocab; start += BLOCK) {
    for (uint32_t bits = block_above(v, start, best.logit); bits != 0; bits &= bits - 1) {
      size_t id = start + lowest_bit(bits);
      if (v->logits[id] > best.logit) best = (candidate){v->logits[id], (uint32_t)id};
    }
  }
  return best;
}

/* ---- filters: each moves the cut ---- */

/* All that are not worse than the cut into s->kept, by ids. */
static size_t gather(gen_sampler *s, const view *v, candidate cut) {
  size_t n = 0;
  /* strictly above the next smaller float is: not below the cut */
  float bar = nextafterf(cut.logit, -INFINITY);
  for (size_t start = 0; start < v->vocab; start += BLOCK) {
    for (uint32_t bits = block_above(v, start, bar); bits != 0; bits &= bits - 1) {
      size_t id = start + lowest_bit(bits);
      candidate c = {v->logits[id], (uint32_t)id};
      if (!worse(c, cut)) s->kept[n++] = c;
    }
  }
  return n;
}

/* s->weight = exp((logit - max) * factor) of the n kept; returns their sum. */
static double weigh(gen_sampler *s, size_t n, float max, float factor) {
  double total = 0.0;
  for (size_t i = 0; i < n; i++) s->weight[i] = (s->kept[i].logit - max) * factor;
  s->kernels->exp(s->weight, n, s->weight);
  for (size_t i = 0; i < n; i++) total += (double)s->weight[i];
  return total;
}

/* The index of the first of n sorted candidates at which their sum reaches `enough`; n when it does not. */
static size_t reaches(gen_sampler *s, size_t n, float max, double enough) {
  double sum = 0.0;
  (void)weigh(s, n, max, 1.0f);
  for (size_t i = 0; i < n; i++) {
    sum += (double)s->weight[i];
    if (sum >= enough) return i;
  }
  return n;
}

static candidate cut_by_top_p(gen_sampler *s, const view *v, const gen_sampling *how, candidate cut, float max) {
  double enough = weigh(s, gather(s, v, cut), max, 1.0f) * (double)how->top_p;
  size_t limit = how->top_k > 0 && how->top_k < v->vocab ? how->top_k : v->vocab;
  for (size_t k = FIRST_GUESS;; k *= GROWTH) {
    if (k > limit) k = limit;
    size_t n = keep_best(s, v, k), at = reaches(s, n, max, enough);
    if (at < n) return s->kept[at];
    if (n < k || k == limit) return cut; /* rounding left a sliver: all are kept */
  }
}

static candidate cut_of(gen_sampler *s, const view *v, const gen_sampling *how, candidate best) {
  candidate cut = {-FLT_MAX, GEN_NO_TOKEN};
  if (how->top_k > 0 && how->top_k < v->vocab) cut = s->kept[keep_best(s, v, how->top_k) - 1];
  if (how->top_p > 0.0f && how->top_p < 1.0f) cut = cut_by_top_p(s, v, how, cut, best.logit);
  if (how->min_p > 0.0f) {
    candidate least = {best.logit + cpu_logf(how->min_p), GEN_NO_TOKEN};
    if (least.logit > best.logit) least.logit = best.logit;
    if (worse(cut, least)) cut = least;
  }
  return cut;
}

/* ---- the draw ---- */

/* A number in [0, 1) that belongs to this seed and position. */
static double unit_of(uint64_t seed, uint64_t position) {
  base_rng rng;
  base_rng_seed(&rng, seed ^ (position * UINT64_C(0xd1b54a32d192ed03)));
  return (double)(base_rng_next(&rng) >> 11) * 0x1p-53;
}

/* The token under which the cumulated weight of the n kept passes unit * total. */
static uint32_t draw(const gen_sampler *s, size_t n, double total, double unit) {
  double sum = 0.0, target = unit * total;
  uint32_t last = GEN_NO_TOKEN;
  for (size_t i = 0; i < n; i++) {
    if (!(s->weight[i] > 0.0f)) continue;
    sum += (double)s->weight[i];
    last = s->kept[i].token;
    if (sum > target) break;
  }
  return last;
}

static uint32_t choose(gen_sampler *s, const view *v, const gen_sampling *how, uint64_t position) {
  candidate best = best_of(v);
  if (best.token == GEN_NO_TOKEN || how->temperature < COLDEST || best.logit > FLT_MAX) return best.token;
  size_t n = gather(s, v, cut_of(s, v, how, best));
  double total = weigh(s, n, best.logit, 1.0f / how->temperature);
  return draw(s, n, total, unit_of(how->seed, position));
}

/* ---- penalties ---- */

static void penalise(float *logit, uint32_t count, const gen_sampling *how) {
  if (how->repeat > 0.0f) *logit = *logit > 0.0f ? *logit / how->repeat : *logit * how->repeat;
  *logit -= (float)count * how->frequency + how->presence;
}

static void apply_penalties(gen_sampler *s, float *logits, const gen_sampling *how, const uint32_t *history,
                            size_t n) {
  bool repeat = how->repeat > 0.0f && how->repeat != 1.0f;
  size_t last = how->penalty_tokens > 0 ? how->penalty_tokens : DEFAULT_PENALTY_TOKENS;
  if (!repeat && how->frequency == 0.0f && how->presence == 0.0f) return;
  size_t begin = n > last ? n - last : 0;
  for (size_t i = begin; i < n; i++) s->counts[history[i]]++;
  for (size_t i = begin; i < n; i++) {
    uint32_t id = history[i];
    if (s->counts[id] > 0) penalise(&logits[id], s->counts[id], how);
    s->counts[id] = 0;
  }
}

/* ---- log-probabilities ---- */

/* Before anything changes the logits. Returns the logarithm of the sum that they are measured against. */
static float list_best(gen_sampler *s, const float *logits, gen_logprobs *out) {
  view all = {logits, NULL, s->vocab};
  float sum = s->kernels->logsumexp(logits, s->vocab);
  size_t n = out->n < GEN_MAX_LOGPROBS ? out->n : GEN_MAX_LOGPROBS;
  if (n > 0) n = keep_best(s, &all, n);
  out->n = (uint32_t)n;
  for (size_t i = 0; i < n; i++) out->top[i] = (gen_logprob){s->kept[i].token, s->kept[i].logit - sum};
  return sum;
}

uint32_t gen_sample(gen_sampler *s, float *logits, const uint32_t *mask, const gen_sampling *how,
                    const uint32_t *history, size_t n_history, uint64_t position, gen_logprobs *logprobs) {
  view v = {logits, mask, s->vocab};
  float sum = 0.0f;
  if (logprobs != NULL) {
    sum = list_best(s, logits, logprobs);
    memcpy(s->raw, logits, s->vocab * sizeof *logits);
  }
  apply_penalties(s, logits, how, history, n_history);
  uint32_t token = choose(s, &v, how, position);
  if (logprobs != NULL) logprobs->chosen = token != GEN_NO_TOKEN ? s->raw[token] - sum : 0.0f;
  return token;
}
