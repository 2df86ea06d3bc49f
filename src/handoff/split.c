/* Where one request ends and the next begins. The gate's spans say so; two rules of caution stand beside it, since
 * "and" joins requests ("wake me at 7 and text Emma good night") as well as things ("add milk and eggs"). */
#include <string.h>

#include "handoff/internal.h"

/* Texts with more joints than this are left alone: each one costs up to two passes. */
enum { MAX_JOINTS = 4 };

/* Words without what joins them to others. */
static base_slice bare(base_slice s) {
  while (s.len > 0 && strchr(" ,;.:-", s.ptr[0]) != NULL)
    s = base_slice_sub(s, 1, s.len);
  while (s.len > 0 && strchr(" ,;:-", s.ptr[s.len - 1]) != NULL)
    s.len--;
  return s;
}

size_t handoff_split_spans(handoff_loop *l, base_slice text) {
  size_t n = 0;
  for (size_t i = 0; i < l->gate_result.n_spans; i++) {
    const head_span *span = &l->gate_result.spans[i];
    base_slice words = bare(base_slice_sub(text, span->start, span->end));
    if ((int)span->slot != l->part_slot || words.len == 0) continue;
    if (n < HANDOFF_MAX_ACTIONS) l->part[n].text = words;
    n++;
  }
  return n;
}

/* Nothing is missing, and the pack would act if the risk allows it. */
static bool is_sure(const handoff_part *part) {
  return part->has_action && part->decision <= HANDOFF_CONFIRM && part->reason != HANDOFF_REASON_UNSURE && part->sure;
}

static bool is_weak(const handoff_part *part) {
  return part->decision == HANDOFF_HANDOFF || part->reason == HANDOFF_REASON_UNSURE;
}

/* ---- parts that were one request ---- */

/* All parts ask for one and the same action, and read as a whole it is that action once, with a list of
 * several things and no other value said twice: "add milk, eggs and bread to the list". */
static bool is_one_list(const handoff_part *whole, const handoff_part *part, size_t n) {
  size_t spans = 0;
  if (!whole->has_action || whole->decision == HANDOFF_ASK || !whole->lists_two || whole->says_twice)
    return false;
  for (size_t i = 0; i < n; i++) {
    if (!part[i].has_action || part[i].action.pack != whole->action.pack) return false;
    if (part[i].action.action != whole->action.action) return false;
    spans += part[i].n_spans;
  }
  return whole->n_spans >= spans;
}

/* Only when a part fails or all are alike is the whole looked at: that costs a pass. */
bool handoff_split_was_whole(handoff_loop *l, base_slice text, size_t n, const pack *open_pack) {
  bool failed = false, alike = true;
  for (size_t i = 0; i < n; i++) {
    const handoff_part *p = &l->part[i], *first = &l->part[0];
    failed = failed || p->decision == HANDOFF_HANDOFF;
    alike = alike && p->has_action && first->has_action && p->action.pack == first->action.pack &&
            p->action.action == first->action.action;
  }
  if (!failed && !alike) return false;
  l->whole.text = text;
  handoff_decide_part(l, &l->whole, &l->gate_result, open_pack);
  return failed ? is_sure(&l->whole) : is_one_list(&l->whole, l->part, n);
}

/* ---- one request that was several ---- */

/* The next joint at or after *at: what is before it ends at *at, what is behind begins at the result; 0 when
 * there is none. */
static size_t next_joint(base_slice text, size_t *at) {
  static const char *const joints[] = {" and then ", " and also ", ", and ", " and ",
                                       " then ",     "; ",         ", ",     ". "};
  for (; *at < text.len; ++*at) {
    for (size_t i = 0; i < sizeof joints / sizeof joints[0]; i++) {
      base_slice joint = base_slice_of(joints[i]);
      if (base_slice_equal_nocase(base_slice_sub(text, *at, *at + joint.len), joint)) return *at + joint.len;
    }
  }
  return 0;
}

static size_t count_joints(base_slice text) {
  size_t n = 0;
  for (size_t at = 0, behind; (behind = next_joint(text, &at)) > 0; at = behind)
    n++;
  return n;
}

/* Decides a piece as the part of this number, if there is anything in it. */
static bool piece_is_sure(handoff_loop *l, size_t number, base_slice piece, const pack *open_pack) {
  l->part[number].text = bare(piece);
  if (l->part[number].text.len == 0) return false;
  handoff_decide_part(l, &l->part[number], NULL, open_pack);
  return is_sure(&l->part[number]);
}

/* From the left, each piece ends at the first joint where it is sure; the last one ends with the text. */
size_t handoff_split_joints(handoff_loop *l, base_slice text, const pack *open_pack) {
  const handoff_part *one = &l->part[0];
  size_t n = 0, start = 0, joints = count_joints(text);
  if (!is_weak(one) || joints == 0 || joints > MAX_JOINTS) return 1;
  l->whole = *one;
  for (size_t at = 0, behind; (behind = next_joint(text, &at)) > 0; at = behind) {
    if (n + 1 == HANDOFF_MAX_ACTIONS || !piece_is_sure(l, n, base_slice_sub(text, start, at), open_pack))
      continue;
    n++;
    start = behind;
  }
  if (n > 0 && piece_is_sure(l, n, base_slice_sub(text, start, text.len), open_pack)) return n + 1;
  l->part[0] = l->whole;
  return 1;
}

/* One of several parts that is unsure: two requests that the gate left together, when both sides of a joint are
 * sure. */
static bool split_part(handoff_loop *l, size_t n, size_t k, const pack *open_pack) {
  base_slice text = l->part[k].text;
  l->whole = l->part[k];
  for (size_t at = 0, behind; (behind = next_joint(text, &at)) > 0; at = behind) {
    if (!piece_is_sure(l, k, base_slice_sub(text, 0, at), open_pack)) continue;
    if (!piece_is_sure(l, n, base_slice_sub(text, behind, text.len), open_pack)) continue;
    handoff_part second = l->part[n];
    memmove(&l->part[k + 2], &l->part[k + 1], (n - k - 1) * sizeof *l->part);
    l->part[k + 1] = second;
    return true;
  }
  l->part[k] = l->whole;
  return false;
}

size_t handoff_split_parts(handoff_loop *l, size_t n, const pack *open_pack) {
  for (size_t k = 0; k < n && n < HANDOFF_MAX_ACTIONS; k++) {
    size_t joints = count_joints(l->part[k].text);
    if (is_weak(&l->part[k]) && joints > 0 && joints <= MAX_JOINTS && split_part(l, n, k, open_pack)) {
      n++;
      k++; /* what is behind the joint is sure */
    }
  }
  return n;
}
