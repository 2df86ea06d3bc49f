/* Drawing a row with other slot values, and the noises that make written sentences look like what people type
 * and what speech recognisers give. All keep the spans right. */
#include <string.h>

#include "data/data.h"

/* ---- building a sample piece by piece ---- */

static bool append(data_sample *out, base_slice piece) {
  if (out->len + piece.len > sizeof out->text) return false;
  if (piece.len) memcpy(out->text + out->len, piece.ptr, piece.len);
  out->len += piece.len;
  return true;
}

static base_slice value_of(const data_set *s, const data_row *row, const data_span *span, float swap,
                           base_rng *rng) {
  base_slice own = base_slice_sub(row->text, span->start, span->end);
  if (span->list == DATA_NO_LIST || base_rng_unit(rng) >= swap) return own;
  const data_names *values = &s->lists[span->list].values;
  return values->n ? values->name[base_rng_below(rng, (uint32_t)values->n)] : own;
}

void data_draw(const data_set *s, size_t index, float swap, base_rng *rng, data_sample *out) {
  const data_row *row = &s->rows[index];
  uint32_t at = 0;
  out->len = out->n_spans = 0;
  out->label = row->label;
  for (uint32_t i = 0; i < row->n_spans; i++) {
    const data_span *span = &s->spans[row->first_span + i];
    bool fits = append(out, base_slice_sub(row->text, at, span->start));
    size_t start = out->len;
    fits = fits && append(out, value_of(s, row, span, swap, rng));
    if (!fits) return; /* over-long after swapping: what is there stays, whole */
    out->spans[out->n_spans++] = (data_span){(uint32_t)start, (uint32_t)out->len, span->slot, span->list};
    at = span->end;
  }
  append(out, base_slice_sub(row->text, at, row->text.len));
}

/* ---- noises ---- */

void data_noise_case(data_sample *s) {
  for (size_t i = 0; i < s->len; i++)
    if (s->text[i] >= 'A' && s->text[i] <= 'Z') s->text[i] = (char)(s->text[i] + 32);
}

/* Removes bytes [at, at+n) outside spans, moving the spans behind. */
static void cut(data_sample *s, size_t at, size_t n) {
  memmove(s->text + at, s->text + at + n, s->len - at - n);
  s->len -= n;
  for (size_t i = 0; i < s->n_spans; i++) {
    if (s->spans[i].start > at) s->spans[i].start -= (uint32_t)n;
    if (s->spans[i].end > at) s->spans[i].end -= (uint32_t)n;
  }
}

static bool inside_span(const data_sample *s, size_t at) {
  for (size_t i = 0; i < s->n_spans; i++)
    if (at >= s->spans[i].start && at < s->spans[i].end) return true;
  return false;
}

void data_noise_punctuation(data_sample *s) {
  for (size_t i = s->len; i-- > 0;) {
    char c = s->text[i];
    bool ends = i + 1 == s->len || s->text[i + 1] == ' ';
    if ((c == '.' || c == ',' || c == '?' || c == '!' || c == ';' || c == ':') && ends && !inside_span(s, i))
      cut(s, i, 1);
  }
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Letters left and right on a QWERTY keyboard. */
static char neighbour(char c, base_rng *rng) {
  static const char rows[] = " qwertyuiop asdfghjkl zxcvbnm ";
  const char *at = strchr(rows, c | 0x20);
  if (at == NULL) return c;
  char other = base_rng_below(rng, 2) ? at[1] : at[-1];
  return other == ' ' ? c : other;
}

/* Doubles the letter at `at`; false when there is no room. */
static bool insert(data_sample *s, size_t at) {
  if (s->len == sizeof s->text) return false;
  memmove(s->text + at + 1, s->text + at, s->len - at);
  s->len++;
  for (size_t i = 0; i < s->n_spans; i++) {
    if (s->spans[i].start > at) s->spans[i].start++;
    if (s->spans[i].end > at) s->spans[i].end++;
  }
  return true;
}

/* True when a span begins or ends between bytes at - 1 and at. */
static bool span_edge(const data_sample *s, size_t at) {
  for (size_t i = 0; i < s->n_spans; i++)
    if (s->spans[i].start == at || s->spans[i].end == at) return true;
  return false;
}

void data_noise_typo(data_sample *s, float rate, base_rng *rng) {
  for (size_t i = 1; i + 1 < s->len; i++) { /* the first letter of a word is rarely mistyped */
    if (!is_letter(s->text[i]) || !is_letter(s->text[i - 1]) || base_rng_unit(rng) >= rate) continue;
    switch (base_rng_below(rng, 4)) {
      case 0: { /* swapped with the next */
        char next = s->text[i + 1];
        if (!is_letter(next) || span_edge(s, i + 1)) break;
        s->text[i + 1] = s->text[i];
        s->text[i] = next;
        break;
      }
      case 1: /* left out, unless it is the whole of a span that begins within a word */
        if (!span_edge(s, i) || !span_edge(s, i + 1)) cut(s, i, 1);
        break;
      case 2:
        insert(s, i);
        i++;
        break;
      default:
        s->text[i] = neighbour(s->text[i], rng);
    }
  }
}

void data_noise_address(data_sample *s, base_rng *rng) {
  static const char *const calls[] = {"hey siri ", "ok google ", "hey google ",   "alexa ",     "hey alexa ",
                                      "alexa, ",   "computer, ", "hey computer ", "cortana ",   "hey bixby ",
                                      "olly ",     "hey olly ",  "jarvis, ",      "assistant ", "hey minnow ",
                                      "minnow, ",  "hello ",     "hey "};
  base_slice call = base_slice_of(calls[base_rng_below(rng, sizeof calls / sizeof calls[0])]);
  if (s->len + call.len > sizeof s->text) return;
  memmove(s->text + call.len, s->text, s->len);
  memcpy(s->text, call.ptr, call.len);
  s->len += call.len;
  for (size_t i = 0; i < s->n_spans; i++) {
    s->spans[i].start += (uint32_t)call.len;
    s->spans[i].end += (uint32_t)call.len;
  }
}

/* ---- joining ---- */

static bool join_part(const data_sample *from, uint16_t slot, data_sample *out) {
  size_t start = out->len;
  if (from->len == 0 || !append(out, (base_slice){from->text, from->len})) return false;
  out->spans[out->n_spans++] = (data_span){(uint32_t)start, (uint32_t)out->len, slot, DATA_NO_LIST};
  return true;
}

void data_join(const data_sample *a, const data_sample *b, base_slice between, uint16_t part_slot,
               data_sample *out) {
  out->len = out->n_spans = 0;
  out->label = a->label;
  join_part(a, part_slot, out);
  size_t alone = out->len;
  if (!append(out, between) || !join_part(b, part_slot, out)) out->len = alone;
}
