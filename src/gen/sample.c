/* gen/sample: from logits to a token. Vocabularies have up to 256k entries and few of them matter, so nothing is
 * sorted: each filter only moves a cut, the worst token that is still kept, found by selection (Hoare's Find). The
 * largest logit of each block of 32 is taken once; all later looks skip the blocks that are below the cut.
 * 8,192 tokens with the usual filters take 7 us, greedy 2 us; 152k take 67 and 32 us (Intel Xeon, AVX-512).
 *
 * Order: equal logits stand in the order of their ids. Sums of probabilities are doubles over floats in a fixed
 * order, so that they are the same everywhere. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "gen/gen.h"

/* BLOCK is a word of the mask. */
enum { BLOCK = 32, DEFAULT_PENALTY_TOKENS = 64 };

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
  uint32_t *counts; /* [vocab] scratch; untouched unless there are penalties, as 150,000 tokens take 600 kB */
  float *peak;      /* [blocks] the largest allowed logit of each block; -INFINITY: none */
  float *order;     /* [blocks] scratch */
  double *sum;      /* [blocks] of s->weight */
};

/* What the steps work on. */
typedef struct view {
  const float *logits;
  const uint32_t *mask;
  const float *peak;
  size_t vocab;
} view;

static size_t blocks_of(size_t n) { return (n + BLOCK - 1) / BLOCK; }

/* ---- memory ---- */

static void carve(gen_sampler *s, base_arena *arena, size_t vocab) {
  s->kept = base_arena_take(arena, vocab, sizeof *s->kept);
  s->weight = base_arena_take(arena, vocab, sizeof *s->weight);
  s->raw = base_arena_take(arena, vocab, sizeof *s->raw);
  s->counts = base_arena_take(arena, vocab, sizeof *s->counts);
  s->peak = base_arena_take(arena, blocks_of(vocab), sizeof *s->peak);
  s->order = base_arena_take(arena, blocks_of(vocab), sizeof *s->order);
  s->sum = base_arena_take(arena, blocks_of(vocab), sizeof *s->sum);
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

/* Eight lanes, so that the compiler can keep them in registers; NaN is larger than nothing. */
static float peak_of_full(const float *x) {
  float lane[8], best = -INFINITY;
  for (size_t j = 0; j < 8; j++) lane[j] = -INFINITY;
  for (size_t i = 0; i < BLOCK; i += 8)
    for (size_t j = 0; j < 8; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
  for (size_t j = 0; j < 8; j++) best = lane[j] > best ? lane[j] : best;
  return best;
}

static float peak_of_some(const float *x, size_t n, uint32_t allowed) {
  float best = -INFINITY;
  for (size_t j = 0; j < n; j++)
    if ((allowed >> j & 1) != 0 && x[j] > best) best = x[j];
  return best;
}

static view look(gen_sampler *s, const float *logits, const uint32_t *mask) {
  for (size_t b = 0; b < blocks_of(s->vocab); b++) {
    size_t start = b * BLOCK, n = s->vocab - start < BLOCK ? s->vocab - start : BLOCK;
    uint32_t allowed = mask != NULL ? mask[b] : UINT32_MAX;
    if (allowed == 0) s->peak[b] = -INFINITY;
    else if (allowed == UINT32_MAX && n == BLOCK) s->peak[b] = peak_of_full(logits + start);
    else s->peak[b] = peak_of_some(logits + start, n, allowed);
  }
  return (view){logits, mask, s->peak, s->vocab};
}

/* Bit j: entry start + j is allowed and above `bar`. NaN is above nothing. */
static uint32_t block_above(const view *v, size_t start, float bar) {
  const float *x = v->logits + start;
  size_t n = v->vocab - start < BLOCK ? v->vocab - start : BLOCK;
  uint32_t bits = 0, allowed = v->mask != NULL ? v->mask[start / BLOCK] : UINT32_MAX;
  if (!(v->peak[start / BLOCK] > bar)) return 0;
  for (size_t j = 0; j < n; j++) bits |= (uint32_t)(x[j] > bar) << j;
  return bits & allowed;
}

/* Of bits that are not all 0. */
static uint32_t lowest_bit(uint32_t bits) { return (uint32_t)__builtin_ctz(bits); }

static bool worse(candidate a, candidate b) {
  return a.logit < b.logit || (a.logit == b.logit && a.token > b.token);
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

/* ---- weights ---- */

static double sum_block(const float *w, size_t n) {
  double lane[4] = {0.0, 0.0, 0.0, 0.0};
  for (size_t j = 0; j < n; j++) lane[j % 4] += (double)w[j];
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* s->weight = exp((logit - max) * factor) of the n kept; returns their sum. */
static double weigh(gen_sampler *s, size_t n, float max, float factor) {
  double total = 0.0;
  for (size_t i = 0; i < n; i++) s->weight[i] = (s->kept[i].logit - max) * factor;
  s->kernels->exp(s->weight, n, s->weight);
  for (size_t b = 0; b < blocks_of(n); b++) {
    size_t left = n - b * BLOCK;
    s->sum[b] = sum_block(s->weight + b * BLOCK, left < BLOCK ? left : BLOCK);
    total += s->sum[b];
  }
  return total;
}

/* ---- selection: expected linear time whatever the logits, the pivots being drawn ---- */

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

/* The k-th largest of n floats, k from 1; no NaN among them. */
static float kth_largest(float *x, size_t n, size_t k) {
  uint32_t random = 1;
  size_t low = 0, high = n;
  for (;;) {
    float pivot = x[low + next_random(&random) % (high - low)];
    size_t at = low, end = high; /* [low, at) above, [at, i) equal, [end, high) below */
    for (size_t i = low; i < end;) {
      float value = x[i];
      if (value > pivot) {
        x[i++] = x[at];
        x[at++] = value;
      } else if (value < pivot) {
        x[i] = x[--end];
        x[end] = value;
      } else {
        i++;
      }
    }
    if (k <= at) high = at;
    else if (k <= end) return pivot;
    else low = end;
  }
}

static void swap(gen_sampler *s, size_t i, size_t j) {
  candidate c = s->kept[i];
  float w = s->weight[i];
  s->kept[i] = s->kept[j];
  s->weight[i] = s->weight[j];
  s->kept[j] = c;
  s->weight[j] = w;
}

/* The pivot to its place among the kept [low, high), the better ones before it; returns the place. */
static size_t partition(gen_sampler *s, size_t low, size_t high, size_t pivot) {
  size_t at = low;
  swap(s, pivot, high - 1);
  for (size_t i = low; i + 1 < high; i++)
    if (worse(s->kept[high - 1], s->kept[i])) swap(s, i, at++);
  swap(s, at, high - 1);
  return at;
}

/* The k-th best of the n kept, k from 1. */
static candidate kth_best(gen_sampler *s, size_t n, size_t k) {
  uint32_t random = 1;
  for (size_t low = 0, high = n;;) {
    size_t at = partition(s, low, high, low + next_random(&random) % (high - low));
    if (at + 1 == k) return s->kept[at];
    if (at + 1 > k) high = at;
    else low = at + 1;
  }
}

/* The first of the n kept, from the best on, at which the sum of weights reaches `enough`; the worst when none. */
static candidate reaches(gen_sampler *s, size_t n, double enough) {
  uint32_t random = 1;
  double before = 0.0;
  candidate last = s->kept[0];
  for (size_t low = 0, high = n; low < high;) {
    size_t at = partition(s, low, high, low + next_random(&random) % (high - low));
    double better = 0.0;
    for (size_t i = low; i < at; i++) better += (double)s->weight[i];
    last = s->kept[at];
    if (before + better >= enough && at > low) {
      high = at;
      continue;
    }
    before += better + (double)s->weight[at];
    if (before >= enough) return last;
    low = at + 1;
  }
  return last;
}

/* ---- filters: each moves the cut ---- */

static const candidate all_kept = {-FLT_MAX, GEN_NO_TOKEN};

/* The k-th largest peak is a bar that at least k entries reach, and few more. */
static candidate cut_by_top_k(gen_sampler *s, const view *v, size_t k) {
  size_t blocks = blocks_of(v->vocab);
  candidate bar = all_kept;
  if (k >= v->vocab) return all_kept;
  if (k <= blocks) {
    memcpy(s->order, v->peak, blocks * sizeof *s->order);
    float peak = kth_largest(s->order, blocks, k);
    if (peak > -FLT_MAX) bar.logit = peak;
  }
  size_t n = gather(s, v, bar);
  return n > k ? kth_best(s, n, k) : bar;
}

static candidate cut_of(gen_sampler *s, const view *v, const gen_sampling *how, candidate best) {
  candidate cut = all_kept;
  if (how->top_k > 0) cut = cut_by_top_k(s, v, how->top_k);
  if (how->top_p > 0.0f && how->top_p < 1.0f) {
    size_t n = gather(s, v, cut);
    double total = weigh(s, n, best.logit, 1.0f);
    cut = reaches(s, n, total * (double)how->top_p);
  }
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

/* The token under which the cumulated weight of the n kept passes unit * total. The sums inside a block may round
 * otherwise than the block's own: then it is the block's last. */
static uint32_t draw(const gen_sampler *s, size_t n, double total, double unit) {
  double sum = 0.0, target = unit * total;
  size_t block = 0, last = 0, blocks = blocks_of(n);
  while (block + 1 < blocks && !(sum + s->sum[block] > target)) sum += s->sum[block++];
  for (size_t i = block * BLOCK; i < n && i < (block + 1) * BLOCK; i++) {
    if (!(s->weight[i] > 0.0f)) continue;
    sum += (double)s->weight[i];
    last = i;
    if (sum > target) break;
  }
  return s->kept[last].token;
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
  for (size_t i = begin; i < n; i++) s->counts[history[i]] = 0;
  for (size_t i = begin; i < n; i++) s->counts[history[i]]++;
  for (size_t i = begin; i < n; i++) {
    uint32_t id = history[i];
    if (s->counts[id] > 0) penalise(&logits[id], s->counts[id], how);
    s->counts[id] = 0;
  }
}

/* ---- log-probabilities ---- */

/* The `count` best of the kept in order, to the front; count is at most GEN_MAX_LOGPROBS. */
static void sort_best(gen_sampler *s, size_t n, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (size_t k = i + 1; k < n; k++)
      if (worse(s->kept[i], s->kept[k])) swap(s, i, k);
}

/* Before anything changes the logits. Returns the logarithm of the sum that they are measured against. */
static float list_best(gen_sampler *s, const float *logits, gen_logprobs *out) {
  view v = look(s, logits, NULL);
  float sum = s->kernels->logsumexp(logits, s->vocab);
  size_t wanted = out->n < GEN_MAX_LOGPROBS ? out->n : GEN_MAX_LOGPROBS, n = 0;
  if (wanted > 0) n = gather(s, &v, cut_by_top_k(s, &v, wanted));
  if (n < wanted) wanted = n;
  sort_best(s, n, wanted);
  out->n = (uint32_t)wanted;
  for (size_t i = 0; i < wanted; i++) out->top[i] = (gen_logprob){s->kept[i].token, s->kept[i].logit - sum};
  return sum;
}

uint32_t gen_sample(gen_sampler *s, float *logits, const uint32_t *mask, const gen_sampling *how,
                    const uint32_t *history, size_t n_history, uint64_t position, gen_logprobs *logprobs) {
  float sum = 0.0f;
  if (logprobs != NULL) {
    sum = list_best(s, logits, logprobs);
    memcpy(s->raw, logits, s->vocab * sizeof *logits);
  }
  apply_penalties(s, logits, how, history, n_history);
  view v = look(s, logits, mask);
  uint32_t token = choose(s, &v, how, position);
  if (logprobs != NULL) logprobs->chosen = token != GEN_NO_TOKEN ? s->raw[token] - sum : 0.0f;
  return token;
}
