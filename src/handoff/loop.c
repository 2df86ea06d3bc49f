/* The loop, drawn. A request comes in at the top and leaves at one of the decisions; each arrow has its
 * function.
 *
 *            text
 *             | guard_request ------- not text, empty, too long ------> error
 *             v
 *          cleaned
 *             | guard_scan ---------- steers the assistant -----------> refuse / injection
 *             v
 *            gate   (handoff_split_spans: the gate's brain over the whole text finds the parts)
 *             | ------------------- more than the models read --------> handoff / too_long
 *             |
 *     one part|many parts
 *             |     \ each part's words, again through the gate
 *             v      v
 *        handoff_decide_part
 *             | choose_pack -------- "none", or too unlikely ---------> handoff / no_pack, open_ended
 *             | handoff_part_decide - the pack's brain says "none" ---> handoff / no_pack, open_ended, not_this_app
 *             v
 *         act, confirm, ask, handoff of that part (part.c)
 *             | handoff_split_was_whole: many parts that were one request after all
 *             | handoff_split_joints: one part that fails, but its pieces between "and"s are all sure
 *             | handoff_split_parts: one of many parts, likewise
 *             v
 *          combine -- the most cautious decision of all parts ---------> act | confirm | ask | handoff
 *                  \- some parts have an action, others are handed off -> handoff / partly_covered
 *
 * With an open pack choose_pack is skipped: the gate only finds the parts. */
#include <string.h>

#include "handoff/internal.h"

/* ---- making it ---- */

static base_status bind_gate(handoff_loop *l, const pack *const *packs, size_t n_packs, base_error *err) {
  const pack_manifest *m = pack_manifest_of(l->gate);
  const head_brain *b = pack_brain(l->gate);
  const head_weights *w = head_brain_weights(b);
  if (!m->is_gate) return base_fail(err, BASE_EMISMATCH, m->name, "this pack is not a gate");
  if (w->n_labels > PACK_MAX_ACTIONS)
    return base_fail(err, BASE_ELIMIT, m->name, "a gate has at most %d labels", PACK_MAX_ACTIONS);
  for (size_t label = 0; label < w->n_labels; label++) {
    base_slice name = head_brain_label(b, label);
    for (size_t i = 0; i < n_packs; i++)
      if (base_slice_equal(name, base_slice_of(pack_manifest_of(packs[i])->name)))
        l->by_label[label] = packs[i];
    if (l->by_label[label] == NULL && !base_slice_equal(name, BASE_LITERAL(PACK_LABEL_NONE)))
      return base_fail(err, BASE_EMISMATCH, m->name,
                       "the gate chooses pack \"%.*s\", which is not there; add it or train the gate again",
                       (int)name.len, name.ptr);
  }
  for (size_t slot = 0; slot < w->n_slots && l->part_slot < 0; slot++)
    if (base_slice_equal(head_brain_slot(b, slot), BASE_LITERAL(PACK_SLOT_PART))) l->part_slot = (int)slot;
  return BASE_OK;
}

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

static void cover_shape(model_shape *all, const model_shape *s) {
  all->vocab = larger(all->vocab, s->vocab);
  all->d = larger(all->d, s->d);
  all->layers = larger(all->layers, s->layers);
  all->heads = larger(all->heads, s->heads);
  all->kv_heads = larger(all->kv_heads, s->kv_heads);
  all->head_dim = larger(all->head_dim, s->head_dim);
  all->ff = larger(all->ff, s->ff);
  all->max_tokens = larger(all->max_tokens, s->max_tokens);
}

base_status handoff_loop_open(handoff_loop **out, const pack *gate, const pack *const *packs, size_t n_packs,
                              const cpu_kernels *k, const base_allocator *a, base_error *err) {
  model_shape largest = {0};
  base_status st = BASE_OK;
  if (a == NULL) a = base_allocator_libc();
  handoff_loop *l = base_calloc(a, 1, sizeof *l);
  if (l == NULL) return base_fail(err, BASE_ENOMEM, "engine", "no memory for the loop");
  l->allocator = *a;
  l->kernels = k;
  l->gate = gate;
  l->part_slot = -1;
  policy_init(&l->plain);
  l->policy = &l->plain;
  if (gate != NULL) {
    st = bind_gate(l, packs, n_packs, err);
    cover_shape(&largest, &head_brain_trunk(pack_brain(gate))->shape);
  }
  for (size_t i = 0; i < n_packs; i++)
    cover_shape(&largest, &head_brain_trunk(pack_brain(packs[i]))->shape);
  if (!st) {
    l->scratch = head_scratch_new(&largest, largest.max_tokens, a);
    if (l->scratch == NULL)
      st = base_fail(err, BASE_ENOMEM, "engine", "no memory for the models' working space");
  }
  if (st) {
    handoff_loop_close(l);
    return st;
  }
  *out = l;
  return BASE_OK;
}

void handoff_loop_close(handoff_loop *l) {
  if (l == NULL) return;
  base_allocator a = l->allocator;
  head_scratch_free(l->scratch);
  base_free(&a, l, sizeof *l);
}

void handoff_loop_obey(handoff_loop *l, const policy *p) { l->policy = p != NULL ? p : &l->plain; }

/* ---- the gate ---- */

static void ask_gate(handoff_loop *l, base_slice text, head_result *r) {
  uint64_t start = os_monotonic_ns();
  head_brain_run(pack_brain(l->gate), l->kernels, text, l->scratch, r);
  l->out->ns_gate += os_monotonic_ns() - start;
}

/* The pack that a gate's answer names, or NULL; how sure the gate is of its choice, whichever it is. */
static const pack *choose_pack(const handoff_loop *l, const head_result *r, float *probability) {
  const pack *p = l->by_label[r->label];
  *probability = r->probability;
  if (p == NULL || r->probability >= head_brain_calibration(pack_brain(l->gate))->oos_threshold) return p;
  *probability = 1.0f - r->probability;
  return NULL;
}

/* ---- parts ---- */

static void give_away(handoff_part *part, handoff_reason reason) {
  part->decision = HANDOFF_HANDOFF;
  part->reason = reason;
  part->has_action = false;
}

void handoff_decide_part(handoff_loop *l, handoff_part *part, const head_result *gate,
                         const pack *open_pack) {
  if (open_pack != NULL) {
    if (!handoff_part_decide(l, part, open_pack, NULL)) give_away(part, HANDOFF_REASON_NOT_THIS_APP);
    return;
  }
  if (gate == NULL) {
    ask_gate(l, part->text, &l->part_gate);
    gate = &l->part_gate;
  }
  const pack *p = choose_pack(l, gate, &part->confidence);
  if (p == NULL || !handoff_part_decide(l, part, p, gate))
    give_away(part, handoff_is_open_ended(part->text) ? HANDOFF_REASON_OPEN_ENDED : HANDOFF_REASON_NO_PACK);
}

/* ---- the outcome ---- */

/* Adds words behind what is there, cut at a character when there is no room. */
static void append(char *text, size_t size, const char *separator, base_slice words) {
  size_t len = strlen(text), room, n;
  if (len > 0) len += (size_t)(base_format(text + len, size - len, "%s", separator) ? strlen(separator) : 0);
  room = size - 1 - len;
  n = words.len < room ? words.len : room;
  while (n < words.len && n > 0 && ((unsigned char)words.ptr[n] & 0xC0) == 0x80)
    n--;
  memcpy(text + len, words.ptr, n);
  text[len + n] = '\0';
}

static void combine(handoff_loop *l, const handoff_part *part, size_t n) {
  handoff_outcome *out = l->out;
  const handoff_part *worst = &part[0];
  size_t away = 0;
  out->confidence = 1.0f;
  for (size_t i = 0; i < n; i++) {
    if (part[i].decision > worst->decision) worst = &part[i];
    if (part[i].confidence < out->confidence) out->confidence = part[i].confidence;
    if (part[i].has_action) out->action[out->n_actions++] = part[i].action;
    else away++;
  }
  out->decision = worst->decision;
  out->reason = worst->reason;
  bool partly = away > 0 && out->n_actions > 0;
  if (partly) out->reason = HANDOFF_REASON_PARTLY_COVERED;
  for (size_t i = 0; i < n; i++) {
    if (partly && !part[i].has_action) append(out->text, sizeof out->text, "; ", part[i].text);
    if (!partly && part[i].has_action && part[i].decision == out->decision)
      append(out->text, sizeof out->text, " ", base_slice_of(part[i].action.prompt));
    if (out->decision == HANDOFF_ASK && out->text[0] != '\0') break; /* one question at a time */
  }
}

/* Leaves without asking a pack. */
static base_status leave(handoff_loop *l, handoff_decision d, handoff_reason r, float confidence) {
  l->out->decision = d;
  l->out->reason = r;
  l->out->confidence = confidence;
  return BASE_OK;
}

static base_status decide(handoff_loop *l, base_slice text, const pack *open_pack) {
  size_t n = 0;
  l->conditional = handoff_begins_with_condition(text);
  if (l->gate != NULL) {
    ask_gate(l, text, &l->gate_result);
    if (l->gate_result.truncated) return leave(l, HANDOFF_HANDOFF, HANDOFF_REASON_TOO_LONG, 1.0f);
    n = handoff_split_spans(l, text);
    if (n > HANDOFF_MAX_ACTIONS) return leave(l, HANDOFF_HANDOFF, HANDOFF_REASON_TOO_LONG, 1.0f);
  }
  if (n <= 1) {
    l->part[0].text = text;
    handoff_decide_part(l, &l->part[0], &l->gate_result, open_pack);
    combine(l, l->part, handoff_split_joints(l, text, open_pack));
    return BASE_OK;
  }
  for (size_t i = 0; i < n; i++)
    handoff_decide_part(l, &l->part[i], NULL, open_pack);
  if (handoff_split_was_whole(l, text, n, open_pack)) combine(l, &l->whole, 1);
  else combine(l, l->part, handoff_split_parts(l, n, open_pack));
  return BASE_OK;
}

static void outcome_clear(handoff_outcome *out) {
  out->n_actions = out->n_used = 0;
  out->by_rule = false;
  out->text[0] = '\0';
  out->ns_guard = out->ns_gate = out->ns_pack = out->ns_valid = out->ns_total = 0;
}

base_status handoff_run(handoff_loop *l, base_slice text, const pack *open_pack, const value_datetime *now,
                        handoff_outcome *out, base_error *err) {
  uint64_t start = os_monotonic_ns();
  size_t len;
  outcome_clear(out);
  l->out = out;
  l->context = (value_context){.now = *now, .resolve = VALUE_FUTURE};
  if (l->gate == NULL && open_pack == NULL)
    return base_fail(err, BASE_ENOTFOUND, "gate.gguf",
                     "there is no gate to choose a pack; name one or train packs/gate");
  base_status st = guard_request(text, l->text, &len, err);
  if (st) return st;
  base_slice cleaned = {l->text, len};
  guard_finding finding = guard_scan(cleaned);
  out->ns_guard = os_monotonic_ns() - start;
  if (finding == GUARD_INJECTION) {
    out->by_rule = true;
    st = leave(l, HANDOFF_REFUSE, HANDOFF_REASON_INJECTION, 1.0f);
  } else {
    st = decide(l, cleaned, open_pack);
  }
  out->ns_total = os_monotonic_ns() - start;
  return st;
}
