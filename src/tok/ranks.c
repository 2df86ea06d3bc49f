/* tok/ranks: a vocabulary out of tiktoken's rank files, lines of "base64 rank". Such a file has no list of merges: any
 * two tokens merge whose bytes together are a token. So every way to cut a token in two tokens becomes a merge. */
#include "tok/vocab.h"

#include <string.h>

enum { MAX_BYTES = 256 };

typedef struct ranks {
  const char *name;
  base_error *err;
  tok_vocab *v;
} ranks;

static int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 with padding; 0 when it is malformed, empty or too long. */
static size_t decode_base64(base_slice s, unsigned char out[MAX_BYTES]) {
  size_t n = 0;
  uint32_t bits = 0;
  int held = 0;
  if (s.len % 4 != 0 || s.len / 4 * 3 > MAX_BYTES) return 0;
  for (int pad = 0; pad < 2 && s.len > 0 && s.ptr[s.len - 1] == '='; pad++) s.len--;
  for (size_t i = 0; i < s.len; i++) {
    int value = sextet(s.ptr[i]);
    if (value < 0) return 0;
    bits = bits << 6 | (uint32_t)value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[n++] = (unsigned char)(bits >> held);
  }
  return n;
}

static base_status read_line(ranks *r, base_slice line, size_t id) {
  unsigned char bytes[MAX_BYTES];
  base_slice rest = line, text;
  size_t rank, len = 0;
  bool ok = base_slice_split(&rest, ' ', &text) && (len = decode_base64(text, bytes)) > 0 &&
            base_parse_size(rest, &rank);
  if (!ok) {
    return base_fail(r->err, BASE_EFORMAT, r->name, "line %zu is not a token in base64 and its rank", id + 1);
  }
  if (rank != id) {
    return base_fail(r->err, BASE_EFORMAT, r->name, "line %zu has rank %zu; the ranks must count up from 0",
                     id + 1, rank);
  }
  tok_vocab_add(r->v, bytes, len, TOK_TYPE_NORMAL);
  if (!tok_vocab_index(r->v, (uint32_t)id)) {
    return base_fail(r->err, BASE_EFORMAT, r->name, "line %zu cannot be filed: too many tokens collide",
                     id + 1);
  }
  if (len == 1) r->v->byte_id[bytes[0]] = (uint32_t)id;
  return BASE_OK;
}

/* Where there are lines, each has a token; how many bytes they can have at most. */
static size_t count_lines(base_slice file, size_t *bytes) {
  base_slice line;
  size_t n = 0;
  *bytes = 0;
  while (base_slice_split(&file, '\n', &line)) {
    if (line.len == 0) continue;
    n++;
    *bytes += line.len;
  }
  return n;
}

/* Calls for each cut of a token into two tokens; counts them, and adds them when `add`. False when one cannot
 * be filed. */
static bool cut(const tok_vocab *v, tok_vocab *add, uint32_t id, size_t *n) {
  base_slice s = tok_vocab_piece(v, id);
  for (size_t i = 1; i < s.len; i++) {
    uint32_t left = tok_vocab_find(v, base_slice_sub(s, 0, i));
    uint32_t right = left != TOK_NONE ? tok_vocab_find(v, base_slice_sub(s, i, s.len)) : TOK_NONE;
    if (right == TOK_NONE) continue;
    ++*n;
    if (add != NULL && !tok_vocab_add_merge(add, left, right, id)) return false;
  }
  return true;
}

static base_status read_lines(ranks *r, base_slice file) {
  base_status status = BASE_OK;
  base_slice line;
  for (size_t id = 0; base_slice_split(&file, '\n', &line) && status == BASE_OK;) {
    if (line.len > 0) status = read_line(r, line, id++);
  }
  return status;
}

static void add_specials(ranks *r, const base_slice *special, size_t n_special) {
  tok_vocab *v = r->v;
  for (size_t i = 0; i < n_special; i++) {
    v->special[v->n_special++] = v->n;
    tok_vocab_add(v, special[i].ptr, special[i].len, TOK_TYPE_CONTROL);
  }
  static const char *const bos[] = {"<|begin_of_text|>", "<|startoftext|>", NULL};
  static const char *const eos[] = {"<|end_of_text|>", "<|endoftext|>", NULL};
  tok_vocab_sort_specials(v);
  tok_vocab_find_named(v, bos, &v->specials.bos);
  tok_vocab_find_named(v, eos, &v->specials.eos);
  tok_vocab_find_markers(v);
}

/* Opens twice: the first time without merges, to count them. */
static base_status open_with(ranks *r, base_slice file, const tok_rule *rule, size_t n_merges,
                             const base_slice *special, size_t n_special, const base_allocator *allocator) {
  tok_vocab_sizes sizes = {.n_merges = n_merges, .n_special = n_special};
  size_t added = 0;
  sizes.n = count_lines(file, &sizes.blob_bytes) + n_special;
  for (size_t i = 0; i < n_special; i++) sizes.blob_bytes += special[i].len;
  base_status status = tok_vocab_new(&r->v, &sizes, r->name, allocator, r->err);
  if (status) return status;
  r->v->rule = rule;
  r->v->specials.add_bos = tok_rule_adds_bos(rule);
  status = read_lines(r, file);
  for (uint32_t id = 0; n_merges > 0 && status == BASE_OK && id < r->v->n; id++) {
    if (!cut(r->v, r->v, id, &added)) {
      status = base_fail(r->err, BASE_EFORMAT, r->name, "token %u cannot be filed: too many merges collide",
                         (unsigned)id);
    }
  }
  if (status == BASE_OK) add_specials(r, special, n_special);
  return status;
}

base_status tok_vocab_open_ranks(tok_vocab **out, base_slice file, const char *name, const char *rule_name,
                                 const base_slice *special, size_t n_special, const base_allocator *allocator,
                                 base_error *err) {
  ranks r = {.name = name, .err = err};
  size_t n_merges = 0;
  *out = NULL;
  const tok_rule *rule = tok_rule_find(base_slice_of(rule_name));
  if (rule == NULL)
    return base_fail(err, BASE_EUNSUPPORTED, name, "the pre-split rule \"%s\" is not known", rule_name);
  for (size_t i = 0; i < n_special; i++) {
    if (special[i].len == 0 || special[i].len > MAX_BYTES)
      return base_fail(err, BASE_EARGUMENT, name, "special token %zu has no name or too long a one", i);
  }
  base_status status = open_with(&r, file, rule, 0, special, n_special, allocator);
  if (status) goto done;
  for (uint32_t id = 0; id < r.v->n - n_special; id++) (void)cut(r.v, NULL, id, &n_merges);
  tok_vocab_close(r.v);
  r.v = NULL;
  status = open_with(&r, file, rule, n_merges, special, n_special, allocator);
done:
  if (status) {
    tok_vocab_close(r.v);
    return status;
  }
  *out = r.v;
  return BASE_OK;
}
