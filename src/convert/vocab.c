/* convert/vocab: the tokenizer in memory, what a folder says around it, and its keys in GGUF. */
#include "convert/vocab.h"

#include <string.h>

#include "convert/weights.h"

static const struct {
  const char *hf, *gguf;
} specials[SPECIALS] = {
#define X(id, hf, gguf) {hf, gguf},
    CONVERT_SPECIALS(X)
#undef X
};

static const struct {
  const char *name;
  bool digits;
  const char *expression;
} presplits[] = {
#define CONVERT_PRESPLIT(name, digits, expression) {name, digits, expression},
#include "convert/presplit.def"
#undef CONVERT_PRESPLIT
};

bool convert_presplit(size_t index, const char **name, bool *digits, const char **expression) {
  if (index >= sizeof presplits / sizeof presplits[0]) return false;
  *name = presplits[index].name;
  *digits = presplits[index].digits;
  *expression = presplits[index].expression;
  return true;
}

const char *convert_special_name(int special) {
  return specials[special].hf;
}

const char *convert_special_key(int special) {
  return specials[special].gguf;
}

void convert_vocab_init(convert_vocab *v) {
  *v = (convert_vocab){.add_bos = -1, .add_eos = -1, .add_space_prefix = -1, .remove_extra_spaces = -1};
  for (int i = 0; i < SPECIALS; i++) v->special[i] = -1;
}

void convert_vocab_free(convert_vocab *v) {
  base_free(NULL, v->tokens, v->cap * sizeof *v->tokens);
  base_buf_free(&v->text);
  base_buf_free(&v->merge_text);
  base_buf_free(&v->charsmap);
  base_buf_free(&v->chat_template);
  convert_vocab_init(v);
}

static base_status grow(convert_vocab *v, size_t n, base_error *err) {
  if (n > v->cap) {
    convert_token *tokens = base_grow(NULL, v->tokens, &v->cap, n, sizeof *tokens);
    if (tokens == NULL) return base_fail(err, BASE_ENOMEM, "tokenizer", "no memory for %zu tokens", n);
    v->tokens = tokens;
  }
  for (; v->n < n; v->n++) v->tokens[v->n] = (convert_token){.len = SIZE_MAX, .type = TOKEN_UNUSED};
  return BASE_OK;
}

base_status convert_vocab_set(convert_vocab *v, uint64_t id, base_slice text, float score, int32_t type,
                              const char *where, base_error *err) {
  if (id >= CONVERT_MAX_TOKENS)
    return base_fail(err, BASE_ELIMIT, where, "token \"%.*s\" has the id %llu; at most %d tokens are read",
                     text.len > 60 ? 60 : (int)text.len, text.ptr, (unsigned long long)id,
                     (int)CONVERT_MAX_TOKENS);
  base_status status = id >= v->n ? grow(v, (size_t)id + 1, err) : BASE_OK;
  if (status) return status;
  convert_token *t = &v->tokens[id];
  base_slice had = convert_vocab_text(v, (size_t)id);
  if (t->len != SIZE_MAX && !base_slice_equal(had, text))
    return base_fail(err, BASE_EFORMAT, where, "the tokens \"%.*s\" and \"%.*s\" both have the id %llu",
                     had.len > 60 ? 60 : (int)had.len, had.ptr, text.len > 60 ? 60 : (int)text.len, text.ptr,
                     (unsigned long long)id);
  if (t->len == SIZE_MAX) {
    t->at = v->text.len;
    t->len = text.len;
    base_buf_add(&v->text, text.ptr, text.len);
    if (v->text.failed) return base_fail(err, BASE_ENOMEM, where, "no memory for the tokens");
  }
  t->score = score;
  t->type = type;
  return BASE_OK;
}

base_slice convert_vocab_text(const convert_vocab *v, size_t id) {
  const convert_token *t = &v->tokens[id];
  if (id >= v->n || t->len == SIZE_MAX || t->len == 0) return (base_slice){"", 0};
  return (base_slice){v->text.ptr + t->at, t->len};
}

int64_t convert_vocab_find(const convert_vocab *v, base_slice text) {
  if (text.ptr == NULL) return -1;
  for (size_t i = 0; i < v->n; i++) {
    if (v->tokens[i].len == text.len && base_slice_equal(convert_vocab_text(v, i), text)) return (int64_t)i;
  }
  return -1;
}

static bool is_between(base_slice text, const char *start, const char *end) {
  base_slice tail = base_slice_of(end);
  return text.len > strlen(start) + tail.len && base_slice_starts(text, base_slice_of(start)) &&
         base_slice_equal(base_slice_sub(text, text.len - tail.len, text.len), tail);
}

/* The same names as in llama.cpp's conversion: some of DeepSeek's, Qwen's and Gemma's are not marked. */
int32_t convert_added_type(base_slice text, bool special) {
  bool looks_special = is_between(text, "<|", "|>") || is_between(text, "<\xEF\xBD\x9C", "\xEF\xBD\x9C>") ||
                       is_between(text, "<unused", ">") || base_slice_equal(text, BASE_LITERAL("<pad>")) ||
                       base_slice_equal(text, BASE_LITERAL("<mask>"));
  return special || looks_special ? TOKEN_CONTROL : TOKEN_USER;
}

static void drop_added(convert_vocab *v, size_t rows) {
  v->n = rows;
  for (int i = 0; i < SPECIALS; i++) {
    if (v->special[i] >= (int64_t)rows) v->special[i] = -1;
  }
}

base_status convert_vocab_pad(convert_vocab *v, uint64_t rows, const char *where, base_error *err) {
  char name[32];
  if (v->n > rows && v->n_own <= rows) drop_added(v, (size_t)rows);
  if (v->n > rows)
    return base_fail(err, BASE_EMISMATCH, where,
                     "the tokenizer has %zu tokens but the embedding has %llu rows", v->n,
                     (unsigned long long)rows);
  if (rows > CONVERT_MAX_TOKENS) return base_fail(err, BASE_ELIMIT, where, "the embedding has too many rows");
  base_status status = grow(v, (size_t)rows, err);
  for (size_t i = 0; i < v->n && !status; i++) {
    if (v->tokens[i].len != SIZE_MAX) continue;
    (void)base_format(name, sizeof name, "[PAD%zu]", i);
    status = convert_vocab_set(v, i, base_slice_of(name), -1000.0F, TOKEN_UNUSED, where, err);
  }
  return status;
}

/* ---- the folder ---- */

/* A token that a configuration names: a string, or an object with its content. */
static base_slice content_of(const json_t *v) {
  if (json_is_object(v)) v = json_object_get(v, "content");
  return json_is_string(v) ? (base_slice){json_string_value(v), json_string_length(v)}
                           : (base_slice){NULL, 0};
}

static int flag_of(const json_t *v) {
  return json_is_boolean(v) ? json_is_true(v) : -1;
}

static base_status read_added(convert_vocab *v, const json_t *decoder, const char *where, base_error *err) {
  const char *key;
  json_t *entry;
  base_status status = BASE_OK;
  json_object_foreach((json_t *)decoder, key, entry) {
    int64_t id;
    base_slice text = content_of(entry);
    if (status) break;
    if (!base_parse_int(base_slice_of(key), &id) || id < 0 || text.ptr == NULL)
      return base_fail(err, BASE_EFORMAT, where, "added_tokens_decoder has a strange entry \"%.40s\"", key);
    int32_t type = convert_added_type(text, json_is_true(json_object_get(entry, "special")));
    if ((uint64_t)id < v->n && v->tokens[id].len != SIZE_MAX &&
        (v->tokens[id].type == TOKEN_UNKNOWN || v->tokens[id].type == TOKEN_BYTE))
      type = v->tokens[id].type;
    float score = (uint64_t)id < v->n && v->tokens[id].len != SIZE_MAX ? v->tokens[id].score : -1000.0F;
    status = convert_vocab_set(v, (uint64_t)id, text, score, type, where, err);
  }
  return status;
}

/* added_tokens.json, text to id, where tokenizer_config.json does not repeat it (before 2023). */
static base_status read_added_file(convert_vocab *v, const char *dir, base_error *err) {
  char path[4096];
  const char *text;
  json_t *id;
  base_status status = convert_join(path, sizeof path, dir, "added_tokens.json", err);
  if (status || !os_exists(path)) return status;
  json_t *root = convert_load_json(path, 16 << 20, err);
  if (root == NULL) return BASE_EFORMAT;
  json_object_foreach(root, text, id) {
    if (!json_is_integer(id) || json_integer_value(id) < 0)
      status = base_fail(err, BASE_EFORMAT, path, "token \"%.60s\" has no id", text);
    else if ((size_t)json_integer_value(id) >= v->n_own)
      status = convert_vocab_set(v, (uint64_t)json_integer_value(id), base_slice_of(text), -1000.0F,
                                 convert_added_type(base_slice_of(text), false), path, err);
    if (status) break;
  }
  json_decref(root);
  return status;
}

static base_status read_template(convert_vocab *v, const json_t *config, const char *dir, base_error *err) {
  const json_t *t = json_object_get(config, "chat_template");
  char path[4096];
  base_status status = convert_join(path, sizeof path, dir, "chat_template.jinja", err);
  if (status) return status;
  if (json_is_array(t)) {
    json_t *entry;
    size_t i;
    const json_t *list = t;
    t = NULL;
    json_array_foreach(list, i, entry) {
      const char *name = json_string_value(json_object_get(entry, "name"));
      if (name != NULL && strcmp(name, "default") == 0) t = json_object_get(entry, "template");
    }
  }
  if (json_is_string(t)) {
    base_buf_add(&v->chat_template, json_string_value(t), json_string_length(t));
    if (v->chat_template.failed)
      status = base_fail(err, BASE_ENOMEM, path, "no memory for the chat template");
  } else if (os_exists(path)) {
    status = os_read_file(path, 1 << 20, &v->chat_template, err);
  }
  return status;
}

static base_status read_config(convert_vocab *v, const char *dir, base_error *err) {
  char path[4096];
  base_status status = convert_join(path, sizeof path, dir, "tokenizer_config.json", err);
  if (status) return status;
  if (!os_exists(path)) return read_template(v, NULL, dir, err);
  json_t *root = convert_load_json(path, 16 << 20, err);
  if (root == NULL) return BASE_EFORMAT;
  status = read_added(v, json_object_get(root, "added_tokens_decoder"), path, err);
  for (int i = 0; i < SPECIALS && !status; i++) {
    base_slice text = content_of(json_object_get(root, specials[i].hf));
    if (text.ptr != NULL) v->special[i] = convert_vocab_find(v, text);
  }
  if (flag_of(json_object_get(root, "add_bos_token")) >= 0)
    v->add_bos = flag_of(json_object_get(root, "add_bos_token"));
  if (flag_of(json_object_get(root, "add_eos_token")) >= 0)
    v->add_eos = flag_of(json_object_get(root, "add_eos_token"));
  if (flag_of(json_object_get(root, "add_prefix_space")) >= 0 && strcmp(v->model, "llama") == 0)
    v->add_space_prefix = flag_of(json_object_get(root, "add_prefix_space"));
  if (!status) status = read_template(v, root, dir, err);
  json_decref(root);
  return status;
}

/* Ids in config.json count where the tokenizer's own files are silent. */
static base_status read_ids(convert_vocab *v, const char *dir, base_error *err) {
  static const struct {
    int special;
    const char *key;
  } rows[] = {{SPECIAL_BOS, "bos_token_id"}, {SPECIAL_EOS, "eos_token_id"}, {SPECIAL_PAD, "pad_token_id"}};
  char path[4096];
  base_status status = convert_join(path, sizeof path, dir, "config.json", err);
  if (status || !os_exists(path)) return status;
  json_t *root = convert_load_json(path, 16 << 20, err);
  if (root == NULL) return BASE_EFORMAT;
  for (size_t i = 0; i < 3; i++) {
    const json_t *id = json_object_get(root, rows[i].key);
    if (json_is_array(id)) id = json_array_get(id, 0);
    if (v->special[rows[i].special] < 0 && json_is_integer(id) && json_integer_value(id) >= 0 &&
        (uint64_t)json_integer_value(id) < v->n)
      v->special[rows[i].special] = (int64_t)json_integer_value(id);
  }
  json_decref(root);
  return BASE_OK;
}

/* The tokens behind those of tokenizer.model stand in whichever of the files beside it somebody wrote last. */
static base_status read_added_beside(convert_vocab *v, const char *dir, const char *json, base_error *err) {
  base_status status = read_added_file(v, dir, err);
  if (status || !os_exists(json)) return status;
  json_t *root = convert_load_json(json, CONVERT_MAX_TOKENIZER, err);
  if (root == NULL) return BASE_EFORMAT;
  status = convert_vocab_read_added(v, root, v->n_own, json, err);
  json_decref(root);
  return status;
}

base_status convert_vocab_read(convert_vocab *v, const char *dir, base_error *err) {
  char model[4096], json[4096];
  base_buf bytes = {0};
  base_status status = convert_join(model, sizeof model, dir, "tokenizer.model", err);
  if (!status) status = convert_join(json, sizeof json, dir, "tokenizer.json", err);
  if (status) return status;
  if (os_exists(model)) {
    status = os_read_file(model, CONVERT_MAX_TOKENIZER, &bytes, err);
    if (!status) status = convert_vocab_read_model(v, bytes.ptr, bytes.len, model, err);
    v->n_own = v->n;
    if (!status) status = read_added_beside(v, dir, json, err);
  } else if (os_exists(json)) {
    json_t *root = convert_load_json(json, CONVERT_MAX_TOKENIZER, err);
    status = root != NULL ? convert_vocab_read_json(v, root, json, err) : BASE_EFORMAT;
    json_decref(root);
  } else {
    status = base_fail(err, BASE_ENOTFOUND, dir, "there is neither tokenizer.json nor tokenizer.model");
  }
  if (!status) status = read_config(v, dir, err);
  if (!status) status = read_ids(v, dir, err);
  base_buf_free(&bytes);
  return status;
}

/* ---- GGUF ---- */

static void put_flag(gguf_writer *w, const char *key, int flag) {
  if (flag >= 0) gguf_put_bool(w, key, flag != 0);
}

static base_status put_lists(const convert_vocab *v, gguf_writer *w, base_error *err) {
  size_t most = v->n > v->n_merges ? v->n : v->n_merges;
  base_slice *texts = base_calloc(NULL, most + 1, sizeof *texts),
             rest = {v->merge_text.ptr, v->merge_text.len};
  float *scores = base_calloc(NULL, v->n + 1, sizeof *scores);
  int32_t *types = base_calloc(NULL, v->n + 1, sizeof *types);
  base_status status = BASE_OK;
  if (texts == NULL || scores == NULL || types == NULL) {
    status = base_fail(err, BASE_ENOMEM, "tokenizer", "no memory for %zu tokens", v->n);
    goto done;
  }
  for (size_t i = 0; i < v->n; i++) {
    texts[i] = convert_vocab_text(v, i);
    scores[i] = v->tokens[i].score;
    types[i] = v->tokens[i].type;
  }
  gguf_put_strings(w, "tokenizer.ggml.tokens", texts, v->n);
  if (strcmp(v->model, "llama") == 0 || strcmp(v->model, "t5") == 0)
    gguf_put_f32s(w, "tokenizer.ggml.scores", scores, v->n);
  gguf_put_i32s(w, "tokenizer.ggml.token_type", types, v->n);
  if (strcmp(v->model, "gpt2") == 0) {
    for (size_t i = 0; i < v->n_merges; i++) (void)base_slice_split(&rest, 0, &texts[i]);
    gguf_put_strings(w, "tokenizer.ggml.merges", texts, v->n_merges);
  }
done:
  base_free(NULL, texts, (most + 1) * sizeof *texts);
  base_free(NULL, scores, (v->n + 1) * sizeof *scores);
  base_free(NULL, types, (v->n + 1) * sizeof *types);
  return status;
}

base_status convert_vocab_put(const convert_vocab *v, gguf_writer *w, base_error *err) {
  gguf_put_string(w, "tokenizer.ggml.model", base_slice_of(v->model));
  gguf_put_string(w, "tokenizer.ggml.pre", base_slice_of(v->pre));
  base_status status = put_lists(v, w, err);
  if (status) return status;
  for (int i = 0; i < SPECIALS; i++) {
    char key[64];
    (void)base_format(key, sizeof key, "tokenizer.ggml.%s", specials[i].gguf);
    if (v->special[i] >= 0) gguf_put_u32(w, key, (uint32_t)v->special[i]);
  }
  if (strcmp(v->model, "bert") == 0) gguf_put_u32(w, "tokenizer.ggml.token_type_count", 2);
  put_flag(w, "tokenizer.ggml.add_bos_token", v->add_bos);
  put_flag(w, "tokenizer.ggml.add_eos_token", v->add_eos);
  put_flag(w, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
  put_flag(w, "tokenizer.ggml.remove_extra_whitespaces", v->remove_extra_spaces);
  if (v->charsmap.len > 0) {
    gguf_value map = {.key = BASE_LITERAL("tokenizer.ggml.precompiled_charsmap"),
                      .type = GGUF_ARRAY,
                      .element = GGUF_U8,
                      .count = v->charsmap.len,
                      .bytes = (const unsigned char *)v->charsmap.ptr,
                      .len = v->charsmap.len};
    gguf_put_value(w, &map);
  }
  if (v->chat_template.len > 0)
    gguf_put_string(w, "tokenizer.chat_template", (base_slice){v->chat_template.ptr, v->chat_template.len});
  return BASE_OK;
}
