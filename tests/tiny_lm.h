/* A llama of random weights in a GGUF file: 2 layers of width 64, a byte-level vocabulary with some merges and
 * ChatML's control tokens. Made where it is needed; the same seed gives the same file. */
#ifndef TESTS_TINY_LM_H
#define TESTS_TINY_LM_H

#include "gguf/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TINY_LM_WIDTH = 64, TINY_LM_LAYERS = 2, TINY_LM_FF = 96, TINY_LM_BYTES = 256, TINY_LM_CONTEXT = 512 };
enum { TINY_LM_END = 256, TINY_LM_START, TINY_LM_STOP, TINY_LM_FIRST_MERGE };

static const char *const tiny_lm_merges[] = {"t h", "h e", "i n", "e r", "a n", "th e", "\xC4\xA0 the", "o n",
                                             "an d", "\xC4\xA0 and"};
enum { TINY_LM_MERGES = sizeof tiny_lm_merges / sizeof tiny_lm_merges[0],
       TINY_LM_VOCAB = TINY_LM_FIRST_MERGE + TINY_LM_MERGES };

static const char tiny_lm_template[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/* GPT-2's printable stand-in for a byte. */
static size_t tiny_lm_stand_in(unsigned byte, char out[4]) {
  bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  uint32_t c = byte, before = 0;
  if (!printable) {
    for (unsigned b = 0; b < byte; b++) before += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
    c = 256 + before;
  }
  return base_utf8_encode(c, out);
}

static void tiny_lm_put_vocab(gguf_writer *w, const char *chat) {
  static char text[TINY_LM_VOCAB][32];
  base_slice token[TINY_LM_VOCAB], merge[TINY_LM_MERGES];
  uint32_t type[TINY_LM_VOCAB];
  for (unsigned b = 0; b < TINY_LM_BYTES; b++) token[b] = (base_slice){text[b], tiny_lm_stand_in(b, text[b])};
  token[TINY_LM_END] = BASE_LITERAL("<|endoftext|>");
  token[TINY_LM_START] = BASE_LITERAL("<|im_start|>");
  token[TINY_LM_STOP] = BASE_LITERAL("<|im_end|>");
  for (size_t i = 0; i < TINY_LM_MERGES; i++) {
    base_slice rest = merge[i] = base_slice_of(tiny_lm_merges[i]), left;
    (void)base_slice_split(&rest, ' ', &left);
    char *out = text[TINY_LM_FIRST_MERGE + i];
    (void)base_format(out, 32, "%.*s%.*s", (int)left.len, left.ptr, (int)rest.len, rest.ptr);
    token[TINY_LM_FIRST_MERGE + i] = base_slice_of(out);
  }
  for (uint32_t i = 0; i < TINY_LM_VOCAB; i++) type[i] = i >= TINY_LM_END && i < TINY_LM_FIRST_MERGE ? 3 : 1;
  gguf_put_string(w, "tokenizer.ggml.model", BASE_LITERAL("gpt2"));
  gguf_put_string(w, "tokenizer.ggml.pre", BASE_LITERAL("llama-bpe"));
  gguf_put_strings(w, "tokenizer.ggml.tokens", token, TINY_LM_VOCAB);
  gguf_put_strings(w, "tokenizer.ggml.merges", merge, TINY_LM_MERGES);
  gguf_put_u32s(w, "tokenizer.ggml.token_type", type, TINY_LM_VOCAB);
  gguf_put_u32(w, "tokenizer.ggml.eos_token_id", TINY_LM_STOP);
  gguf_put_u32(w, "tokenizer.ggml.bos_token_id", TINY_LM_END);
  if (chat != NULL) gguf_put_string(w, "tokenizer.chat_template", base_slice_of(chat));
}

static void tiny_lm_put(gguf_writer *w, base_rng *rng, const char *name, uint64_t in, uint64_t rows, float scale,
                        float **kept) {
  uint64_t n = in * (rows > 0 ? rows : 1), dim[2] = {in, rows};
  float *data = *kept = malloc(n * sizeof *data);
  if (data == NULL) abort();
  for (uint64_t i = 0; i < n; i++) data[i] = rows > 0 ? base_rng_normal(rng) * scale : 1.0F;
  gguf_put_tensor(w, name, GGUF_T_F32, rows > 0 ? 2 : 1, dim, data);
}

/* `variant` changes the weights; `context` is what the model claims to be made for; `chat` is its template, or NULL. */
static base_status tiny_lm_write_with(const char *path, uint64_t variant, const char *chat, uint32_t context, base_error *err) {
  static const struct {
    const char *name;
    uint32_t in, rows;
  } part[] = {{"attn_norm", 64, 0}, {"attn_q", 64, 64},    {"attn_k", 64, 32},  {"attn_v", 64, 32},
              {"attn_output", 64, 64}, {"ffn_norm", 64, 0}, {"ffn_gate", 64, TINY_LM_FF}, {"ffn_up", 64, TINY_LM_FF},
              {"ffn_down", TINY_LM_FF, 64}};
  float *kept[2 + TINY_LM_LAYERS * 9];
  size_t n = 0;
  base_rng rng;
  char name[64];
  gguf_writer *w = gguf_writer_new(NULL);
  base_rng_seed(&rng, variant);
  gguf_put_string(w, "general.architecture", BASE_LITERAL("llama"));
  gguf_put_string(w, "general.name", BASE_LITERAL("tiny"));
  gguf_put_u32(w, "llama.context_length", context);
  gguf_put_u32(w, "llama.embedding_length", TINY_LM_WIDTH);
  gguf_put_u32(w, "llama.block_count", TINY_LM_LAYERS);
  gguf_put_u32(w, "llama.feed_forward_length", TINY_LM_FF);
  gguf_put_u32(w, "llama.attention.head_count", 4);
  gguf_put_u32(w, "llama.attention.head_count_kv", 2);
  gguf_put_u32(w, "llama.rope.dimension_count", 16);
  gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
  tiny_lm_put_vocab(w, chat);
  tiny_lm_put(w, &rng, "token_embd.weight", TINY_LM_WIDTH, TINY_LM_VOCAB, 0.3F, &kept[n++]);
  /* control tokens get the logit 0, which is never among the 40 likeliest: answers are as long as is asked for */
  memset(kept[0] + TINY_LM_END * TINY_LM_WIDTH, 0, 3 * TINY_LM_WIDTH * sizeof(float));
  for (int layer = 0; layer < TINY_LM_LAYERS; layer++) {
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
      (void)base_format(name, sizeof name, "blk.%d.%s.weight", layer, part[i].name);
      tiny_lm_put(w, &rng, name, part[i].in, part[i].rows, 0.2F, &kept[n++]);
    }
  }
  tiny_lm_put(w, &rng, "output_norm.weight", TINY_LM_WIDTH, 0, 1.0F, &kept[n++]);
  base_status st = gguf_writer_save(w, path, err);
  gguf_writer_free(w);
  while (n > 0) free(kept[--n]);
  return st;
}

static inline base_status tiny_lm_write(const char *path, uint64_t variant, bool chat, uint32_t context, base_error *err) {
  return tiny_lm_write_with(path, variant, chat ? tiny_lm_template : NULL, context, err);
}

#endif
