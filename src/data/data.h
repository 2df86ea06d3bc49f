/* data: labelled sentences in memory, as training and measuring need them. Rows come from JSONL files here
 * and from pack folders in pack/. A span's value can be swapped for another of its value list. */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include "base/base.h"

enum { DATA_NO_LIST = 0xffff, DATA_NO_LABEL = 0xffff, DATA_MAX_SPANS = 32, DATA_MAX_TEXT = 2048 };

/* The label of rows that are out of scope in labelled files. */
#define DATA_OOS_LABEL "oos"

typedef struct data_span {
  uint32_t start, end; /* bytes in the text, start < end, not overlapping, in order */
  uint16_t slot;       /* index of data_set.slots */
  uint16_t list;       /* index of data_set.lists, or DATA_NO_LIST: never swapped */
} data_span;

typedef struct data_row {
  base_slice text; /* owned by the set; valid UTF-8, not terminated */
  uint16_t label;  /* index of data_set.labels, or DATA_NO_LABEL */
  bool generated;  /* synthesised, e.g. a near miss: never counted in validation */
  uint32_t first_span, n_spans;
  uint32_t phrasing; /* rows of equal phrasing differ only in slot values: kept on one side of a split */
} data_row;

/* An interned list of names: labels, slots, or the values of a list. */
typedef struct data_names {
  base_slice *name;
  size_t n, cap;
} data_names;

typedef struct data_list {
  base_slice name;
  data_names values;
} data_list;

typedef struct data_set {
  data_row *rows;
  size_t n_rows, rows_cap;
  data_span *spans;
  size_t n_spans, spans_cap;
  data_names labels, slots;
  data_list *lists;
  size_t n_lists, lists_cap;
  struct data_block *blocks; /* text lives here */
  const base_allocator *allocator;
} data_set;

void data_init(data_set *s, const base_allocator *a); /* a may be NULL */
void data_free(data_set *s);
/* Copies text into the set; a slice with ptr NULL when out of memory. */
base_slice data_keep(data_set *s, base_slice text);
/* Index of a name, added when new; -1 when out of memory or over 65,000. data_find_name never adds: -1 when
 * absent. */
int data_name(data_set *s, data_names *names, base_slice name);
int data_find_name(const data_names *names, base_slice name);
/* Index of a list by name, added when new; -1 when out of memory. */
int data_list_of(data_set *s, base_slice name);
base_status data_list_add(data_set *s, int list, base_slice value, base_error *err);
/* Spans are checked: in order, inside, not overlapping, on character boundaries. Fills phrasing from the text
 * with spans replaced by their slot, lower-cased, punctuation dropped. */
base_status data_add(data_set *s, base_slice text, int label, const data_span *spans, size_t n_spans,
                     base_error *err);

/* Rows {"text","intent","spans":[[start,end,slot],...]}, offsets in characters; "spans" may be missing and in
 * any order; a key given twice is refused. A bad line, and a file without rows, is refused with file:line and
 * the reason; rows before it stay in the set. */
base_status data_read_jsonl(data_set *s, const char *path, base_error *err);
/* One text a line, no labels; blank lines are skipped; what is too long is cut between characters. */
base_status data_read_lines(data_set *s, const char *path, base_error *err);
/* Gives every slot a list with the values its spans have in rows [0, n_rows), and sets the spans' lists. For
 * data without value lists of its own. */
base_status data_lists_from_spans(data_set *s, base_error *err);

/* One drawing of a row: each span with a list is, with probability swap, given another value of that list.
 * Written to the caller's arrays. */
typedef struct data_sample {
  char text[DATA_MAX_TEXT];
  size_t len;
  uint16_t label;
  data_span spans[DATA_MAX_SPANS];
  size_t n_spans;
} data_sample;
void data_draw(const data_set *s, size_t row, float swap, base_rng *rng, data_sample *out);

/* In-place augmentations of a sample, keeping its spans right. */
void data_noise_case(data_sample *s); /* all lower case */
/* Sentence punctuation outside spans dropped, as a recogniser of speech would give it. */
void data_noise_punctuation(data_sample *s);
/* Letters at this rate: left out, doubled, swapped with the next, or the neighbouring key. */
void data_noise_typo(data_sample *s, float rate, base_rng *rng);
/* Puts a call for an assistant in front ("hey siri", "alexa"), which means nothing; a text with no room stays. */
void data_noise_address(data_sample *s, base_rng *rng);
/* Joins two samples with words between (" and ", " then "...); spans become one each of slot `part` over
 * either half. The first alone when both do not fit. The label is the first's. */
void data_join(const data_sample *a, const data_sample *b, base_slice between, uint16_t part_slot,
               data_sample *out);

#endif
