#!/usr/bin/env python3
"""Makes tests/lm/: a tiny random checkpoint of every family as a GGUF file, and golden.gguf with what the reference
implementation says of each: logits of the last prompt tokens and 64 greedy tokens (decoders), pooled vectors
(encoders). The reference is Hugging Face transformers in float32, one full pass for each token, no cache. OpenELM,
MobileLLM's layer sharing and Minnow's own causal trunk are not in transformers: the first and the last are written
out below in torch, the second is a transformers Llama whose list of layers names each layer twice.

  python3 -m venv venv && venv/bin/pip install torch transformers gguf
  venv/bin/python tools/golden_lm.py tests/lm

golden_keys.gguf has the same of files whose weights are another's and whose keys differ (VARIANTS); to make it alone:

  venv/bin/python tools/golden_lm.py tests/lm keys

Names and keys are those of llama.cpp's conversion. Seeds are tried in order until the greedy tokens are varied and
no choice is close, so that the comparison does not hang on the last bits."""
import sys
import warnings
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()

PROMPT, GREEDY, LOGITS, VOCAB = 24, 64, 6, 256
CLOSE, VARIED = 0.001, 24  # smallest lead of a greedy choice, of the spread of logits; distinct tokens of the 64


# ---- weights ----

def randomise(model, seed, gain, embedding=1.0, last_norm=0.0):
    """Spread-out weights that are exact in F16, norms and biases in F32."""
    g = torch.Generator().manual_seed(seed)
    done = set()
    for name, p in model.named_parameters():
        if id(p) in done:
            continue
        done.add(id(p))
        r = torch.randn(p.shape, generator=g)
        with torch.no_grad():
            if p.dim() == 2:
                scale = embedding if "embed" in name else gain / p.shape[1] ** 0.5
                p.copy_((r * scale).half().float())
            elif "bias" in name:
                p.copy_(0.2 * r)
            else:
                p.copy_(p + 0.2 * r + (last_norm if name == "model.norm.weight" else 0.0))


def permute(w, heads):
    """Rows of a query or key projection in the order that llama's files have them: rotated pairs side by side."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


class File:
    """A GGUF file of one architecture; values under the architecture's prefix."""

    def __init__(self, path, arch):
        self.w, self.arch = gguf.GGUFWriter(path, arch), arch

    def keys(self, **values):
        for key, v in values.items():
            key = f"{self.arch}." + key.replace("__", ".")
            if isinstance(v, bool):
                self.w.add_bool(key, v)
            elif isinstance(v, str):
                self.w.add_string(key, v)
            elif isinstance(v, list):
                self.w.add_array(key, v)
            elif isinstance(v, float):
                self.w.add_float32(key, v)
            else:
                self.w.add_uint32(key, v)

    def tensor(self, name, t):
        a = t.detach().numpy()
        self.w.add_tensor(name, np.ascontiguousarray(a.astype(np.float16 if a.ndim == 2 else np.float32)))

    def close(self):
        self.w.write_header_to_file()
        self.w.write_kv_data_to_file()
        self.w.write_tensors_to_file()
        self.w.close()


# ---- decoders of transformers ----

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
         "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}
GEMMA2_NAMES = NAMES | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                        "post_feedforward_layernorm": "post_ffw_norm"}


def base_keys(c):
    keys = dict(context_length=c.max_position_embeddings, embedding_length=c.hidden_size,
                block_count=c.num_hidden_layers, feed_forward_length=c.intermediate_size,
                attention__head_count=c.num_attention_heads, attention__head_count_kv=c.num_key_value_heads,
                attention__layer_norm_rms_epsilon=float(c.rms_norm_eps))
    if getattr(c, "head_dim", None):
        keys |= dict(attention__key_length=c.head_dim, attention__value_length=c.head_dim)
    return keys


def put_decoder(f, model, names, heads, kv_heads, llama, plus_one):
    """model.state_dict() under llama.cpp's names."""
    tied = model.lm_head.weight is model.model.embed_tokens.weight
    for key, t in model.state_dict().items():
        parts = key.removeprefix("model.").split(".")
        kind = parts[-1]
        if parts[0] == "lm_head":
            if not tied:
                f.tensor("output.weight", t)
        elif parts[0] == "embed_tokens":
            f.tensor("token_embd.weight", t)
        elif parts[0] == "norm":
            f.tensor("output_norm.weight", t + plus_one)
        else:
            i, name = int(parts[1]), names[".".join(parts[2:-1])]
            if llama and name in ("attn_q", "attn_k"):
                t = permute(t, heads if name == "attn_q" else kv_heads)
            if name.endswith("norm"):
                t = t + plus_one
            f.tensor(f"blk.{i}.{name}.{kind}", t)


def hf(arch, config_class, model_class, config, keys, gain=1.6, names=NAMES, plus_one=0.0, repeat=1, extra=None,
       embedding=1.0, last_norm=0.0):
    """A maker of (model, writer of its file)."""
    def make(seed):
        c = config_class(**(dict(vocab_size=VOCAB, attn_implementation="eager", pad_token_id=None, bos_token_id=None,
                                 eos_token_id=None) | config))
        model = model_class(c).float().eval()
        randomise(model, seed, gain, embedding, last_norm)
        layers = c.num_hidden_layers
        stored = list(model.model.layers)
        model.model.layers = nn.ModuleList(x for x in stored for _ in range(repeat))
        c.num_hidden_layers = layers * repeat  # transformers runs so many

        def write(path):
            f = File(path, arch)
            if repeat > 1:
                f.keys(block_repeat=repeat)
            model.model.layers, c.num_hidden_layers = nn.ModuleList(stored), layers
            f.keys(**(base_keys(c) | keys))
            if extra:
                extra(f, model)
            put_decoder(f, model, names, c.num_attention_heads, c.num_key_value_heads,
                        arch == "llama", plus_one)
            f.close()
        return model, write
    return make


def shape(layers, heads=4, kv=2, d=32, ff=64, hd=None, context=128, **more):
    out = dict(hidden_size=d, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv,
               intermediate_size=ff, max_position_embeddings=context, rms_norm_eps=1e-5) | more
    return out | ({"head_dim": hd} if hd else {})


def rope(**p):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0} | p}


def put_llama3_factors(f, model):
    """As llama.cpp's conversion has them: what the plain frequencies are divided by."""
    inv = model.model.rotary_emb.inv_freq
    plain = 500000.0 ** -(torch.arange(len(inv)).float() / len(inv))
    f.tensor("rope_freqs.weight", plain / inv)


LONG = [1.0 + 0.7 * i for i in range(6)]
SHORT = [1.0 + 0.1 * i for i in range(6)]


def put_longrope(f, model):
    f.tensor("rope_factors_long.weight", torch.tensor(LONG))
    f.tensor("rope_factors_short.weight", torch.tensor(SHORT))


# ---- decoders that transformers does not have ----

def rms(x, w, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w


def rotate(x, base, start=0):
    """x [heads][t][hd], pairs (i, i + hd/2)."""
    t, hd = x.shape[-2:]
    angle = torch.arange(start, start + t)[:, None].float() * base ** -(torch.arange(hd // 2) / (hd // 2))
    a, b = x[..., :hd // 2], x[..., hd // 2:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def heads_of(x, hd):
    return x.view(x.shape[0], -1, hd).transpose(0, 1)  # [heads][t][hd]


def attend(q, k, v):
    k, v = (x.repeat_interleave(q.shape[0] // x.shape[0], 0) for x in (k, v))
    s = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    s = s.masked_fill(torch.ones(s.shape[-2:]).triu(1).bool(), float("-inf"))
    return (s.softmax(-1) @ v).transpose(0, 1).flatten(1)


class Trunk(nn.Module):
    """OpenELM (Mehta et al. 2024: heads and widths differ by layer, norms on queries and keys) and Minnow's causal
    trunk (the last layers read the keys and values of the last one that has its own)."""

    def __init__(self, d, hd, heads, kv, ff, shared=0, qk_norm=False):
        super().__init__()
        self.hd, self.heads, self.kv, self.ff, self.shared = hd, heads, kv, ff, shared
        self.embed, self.norm = nn.Embedding(VOCAB, d), nn.Parameter(torch.ones(d))
        self.layers = nn.ModuleList()
        for i, (h, g, width) in enumerate(zip(heads, kv, ff)):
            layer, own = nn.Module(), i < len(heads) - shared
            layer.norm1, layer.norm2 = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
            if qk_norm:
                layer.q_norm, layer.k_norm = nn.Parameter(torch.ones(hd)), nn.Parameter(torch.ones(hd))
            layer.q = nn.Linear(d, h * hd, bias=False)
            if own:
                layer.k, layer.v = nn.Linear(d, g * hd, bias=False), nn.Linear(d, g * hd, bias=False)
            layer.o = nn.Linear(h * hd, d, bias=False)
            layer.gate, layer.up = nn.Linear(d, width, bias=False), nn.Linear(d, width, bias=False)
            layer.down = nn.Linear(width, d, bias=False)
            self.layers.append(layer)

    def forward(self, ids):
        h, kv = self.embed(ids), None
        for x in self.layers:
            n = rms(h, x.norm1, 1e-6)
            q = heads_of(x.q(n), self.hd)
            if hasattr(x, "q_norm"):
                q = rms(q, x.q_norm, 1e-6)
            if hasattr(x, "k"):
                k, v = heads_of(x.k(n), self.hd), heads_of(x.v(n), self.hd)
                kv = rotate(rms(k, x.k_norm, 1e-6) if hasattr(x, "k_norm") else k, 10000.0), v
            h = h + x.o(attend(rotate(q, 10000.0), *kv))
            n = rms(h, x.norm2, 1e-6)
            h = h + x.down(F.silu(x.gate(n)) * x.up(n))
        return rms(h, self.norm, 1e-6) @ self.embed.weight.T

    def put(self, f, fused):
        f.keys(context_length=128, embedding_length=self.embed.weight.shape[1], block_count=len(self.layers),
               attention__key_length=self.hd, attention__value_length=self.hd,
               attention__layer_norm_rms_epsilon=1e-6, rope__freq_base=10000.0)
        f.tensor("token_embd.weight", self.embed.weight)
        f.tensor("output_norm.weight", self.norm)
        for i, x in enumerate(self.layers):
            parts = {"attn_norm": x.norm1, "ffn_norm": x.norm2, "attn_output": x.o.weight, "ffn_gate": x.gate.weight,
                     "ffn_up": x.up.weight, "ffn_down": x.down.weight}
            if fused:
                parts["attn_qkv"] = torch.cat([x.q.weight, x.k.weight, x.v.weight])
            else:
                parts |= {"attn_q": x.q.weight}
                parts |= {"attn_k": x.k.weight, "attn_v": x.v.weight} if hasattr(x, "k") else {}
            if hasattr(x, "q_norm"):
                parts |= {"attn_q_norm": x.q_norm, "attn_k_norm": x.k_norm}
            for name, t in parts.items():
                f.tensor(f"blk.{i}.{name}.weight", t)


def openelm(seed):
    m = Trunk(32, 8, [3, 4, 6], [1, 2, 3], [32, 64, 96], qk_norm=True).eval()
    randomise(m, seed, 1.6)

    def write(path):
        f = File(path, "openelm")
        f.keys(attention__head_count=m.heads, attention__head_count_kv=m.kv, feed_forward_length=m.ff)
        m.put(f, fused=True)
        f.close()
    return m, write


def minnow(seed):
    m = Trunk(32, 8, [4] * 8, [2] * 8, [32] * 8, shared=3).eval()
    randomise(m, seed, 1.4)

    def write(path):
        f = File(path, "minnow")
        f.keys(attention__head_count=4, attention__head_count_kv=2, feed_forward_length=32, attention__causal=True,
               attention__shared_kv_layers=3)
        m.put(f, fused=False)
        f.close()
    return m, write


# ---- encoders ----

def encoder_keys(c, pooling):
    return dict(context_length=c.max_position_embeddings, embedding_length=c.hidden_size,
                block_count=c.num_hidden_layers, feed_forward_length=c.intermediate_size,
                attention__head_count=c.num_attention_heads, attention__layer_norm_epsilon=1e-12,
                attention__causal=False, pooling_type=pooling)


BERT = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
        "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
        "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
NOMIC = {"self_attn.o_proj": "attn_output", "post_attention_layernorm": "attn_output_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "post_mlp_layernorm": "layer_output_norm"}
EMBEDDINGS = {"word_embeddings.weight": "token_embd.weight", "position_embeddings.weight": "position_embd.weight",
              "token_type_embeddings.weight": "token_types.weight", "LayerNorm.weight": "token_embd_norm.weight",
              "LayerNorm.bias": "token_embd_norm.bias"}


def encoder(arch, config_class, model_class, names, pooling, **config):
    def make(seed):
        c = config_class(**(dict(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                 intermediate_size=64, max_position_embeddings=64, layer_norm_eps=1e-12,
                                 type_vocab_size=2, attn_implementation="eager") | config))
        model = model_class(c, add_pooling_layer=False).float().eval()
        randomise(model, seed, 1.2)

        def write(path):
            f = File(path, arch)
            f.keys(**encoder_keys(c, pooling))
            if arch == "nomic-bert":
                f.keys(rope__freq_base=float(c.rope_parameters["rope_theta"]))
            sd = model.state_dict()
            for key, t in sd.items():
                if key.startswith("embeddings."):
                    name = EMBEDDINGS[key.removeprefix("embeddings.")]
                    f.tensor(name, t[0] if name == "token_types.weight" and arch == "none" else t)
                    continue
                i, rest = key.removeprefix("encoder.").removeprefix("layer.").removeprefix("layers.").split(".", 1)
                part, kind = rest.rsplit(".", 1)
                if part == "self_attn.q_proj":
                    t = torch.cat([sd[key.replace("q_proj", x)] for x in ("q_proj", "k_proj", "v_proj")])
                    f.tensor(f"blk.{i}.attn_qkv.weight", t)
                elif part in names:
                    f.tensor(f"blk.{i}.{names[part]}.{kind}", t)
            f.close()
        return model, write
    make.pooling = pooling
    return make


# ---- the cases ----

T = transformers
CASES = {
    "llama": hf("llama", T.LlamaConfig, T.LlamaForCausalLM, shape(2, **rope()), dict(rope__freq_base=10000.0)),
    "llama3": hf("llama", T.LlamaConfig, T.LlamaForCausalLM, shape(2, tie_word_embeddings=True, **rope(
        rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)), dict(rope__freq_base=500000.0, rope__dimension_count=8),
        extra=put_llama3_factors),
    "llama-bias": hf("llama", T.LlamaConfig, T.LlamaForCausalLM, shape(2, attention_bias=True, mlp_bias=True, **rope(
        rope_type="linear", factor=4.0)), dict(rope__freq_base=10000.0, rope__scaling__type="linear",
                                               rope__scaling__factor=4.0)),
    "mistral": hf("llama", T.MistralConfig, T.MistralForCausalLM, shape(2, hd=16, sliding_window=9, **rope()),
                  dict(rope__freq_base=10000.0, attention__sliding_window=9)),
    "mobilellm": hf("llama", T.LlamaConfig, T.LlamaForCausalLM, shape(2, kv=1, tie_word_embeddings=True, **rope()),
                    dict(rope__freq_base=10000.0), repeat=2),
    "qwen2": hf("qwen2", T.Qwen2Config, T.Qwen2ForCausalLM, shape(2, **rope(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32)),
        dict(rope__freq_base=10000.0, rope__scaling__type="yarn", rope__scaling__factor=4.0,
             rope__scaling__original_context_length=32)),
    "qwen3": hf("qwen3", T.Qwen3Config, T.Qwen3ForCausalLM, shape(2, hd=16, tie_word_embeddings=True, **rope(
        rope_theta=1e6)), dict(rope__freq_base=1e6)),
    "gemma": hf("gemma", T.GemmaConfig, T.GemmaForCausalLM, shape(2, kv=1, hd=16, **rope()), {}, plus_one=1.0, gain=2.5,
                embedding=0.4),
    # small embeddings, or the token itself would always win; a large last norm, so that the cap on logits shows
    "gemma2": hf("gemma2", T.Gemma2Config, T.Gemma2ForCausalLM, shape(
        3, hd=16, ff=32, sliding_window=9, query_pre_attn_scalar=16, attn_logit_softcapping=5.0,
        final_logit_softcapping=6.0, **rope()),
        dict(attention__sliding_window=9, attn_logit_softcapping=5.0, final_logit_softcapping=6.0),
        names=GEMMA2_NAMES, plus_one=1.0, gain=1.5,
                embedding=0.05, last_norm=8.0),
    "gemma3": hf("gemma3", T.Gemma3TextConfig, T.Gemma3ForCausalLM, shape(
        7, kv=1, hd=8, ff=32, sliding_window=9, query_pre_attn_scalar=8, rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}),
        dict(attention__sliding_window=9, rope__freq_base=1e6, rope__scaling__type="linear",
             rope__scaling__factor=8.0), names=GEMMA2_NAMES, plus_one=1.0, gain=2.5,
                embedding=0.1, last_norm=8.0),
    "phi3": hf("phi3", T.Phi3Config, T.Phi3ForCausalLM, shape(
        2, heads=2, kv=1, context=128, original_max_position_embeddings=16, sliding_window=40, **rope(
            rope_type="longrope", long_factor=LONG, short_factor=SHORT, partial_rotary_factor=0.75,
            original_max_position_embeddings=16)),
        dict(rope__freq_base=10000.0, rope__dimension_count=12, rope__scaling__type="longrope",
             rope__scaling__original_context_length=16, attention__sliding_window=40,
             rope__scaling__attn_factor=float((1 + np.log(128 / 16) / np.log(16)) ** 0.5)), extra=put_longrope),
    "openelm": openelm,
    "minnow": minnow,
    "bert": encoder("bert", T.BertConfig, T.BertModel, BERT, 2),
    "nomic-bert": encoder("nomic-bert", T.NomicBertConfig, T.NomicBertModel, NOMIC, 1,
                          rope_parameters={"rope_type": "default", "rope_theta": 1000.0}),
}


# ---- what the reference says ----

def logits_of(model, ids):
    if isinstance(model, Trunk):
        return model(ids)
    return model(input_ids=ids[None], use_cache=False).logits[0]


def decode(model, prompt):
    """Logits of the last prompt tokens, the greedy tokens, and the smallest lead of a choice."""
    first, ids, lead = logits_of(model, prompt)[-LOGITS:], prompt, 1e9
    for _ in range(GREEDY):
        last = logits_of(model, ids)[-1]
        top = last.topk(2).values
        lead = min(lead, float((top[0] - top[1]) / (last.max() - last.min())))
        ids = torch.cat([ids, last.argmax()[None]])
    return first, ids[len(prompt):], lead


def pooled(model, ids, pooling):
    hidden = model(input_ids=ids[None]).last_hidden_state[0]
    return hidden.mean(0) if pooling == 1 else hidden[0]


@torch.no_grad()
def case(name, make, folder, golden):
    prompt = torch.randint(0, VOCAB, (PROMPT,), generator=torch.Generator().manual_seed(7))
    for seed in range(1, 400):
        model, write = make(seed)
        if hasattr(make, "pooling"):
            golden[f"{name}.vector"] = pooled(model, prompt, make.pooling).numpy()
            break
        logits, greedy, lead = decode(model, prompt)
        if lead > CLOSE and len(set(greedy.tolist())) >= VARIED:
            golden[f"{name}.logits"], golden[f"{name}.greedy"] = logits.numpy(), greedy.int().numpy()
            print(f"{name}: seed {seed}, smallest lead {100 * lead:.2f} %, {len(set(greedy.tolist()))} different tokens, "
                  f"logits {logits.min():.2f} to {logits.max():.2f}")
            break
    else:
        raise SystemExit(f"{name}: no seed gives varied tokens")
    golden[f"{name}.prompt"] = prompt.int().numpy()
    write(folder / f"{name}.gguf")


# ---- the weights of one case under other keys ----

def qwen2(**config):
    return T.Qwen2ForCausalLM(T.Qwen2Config(**(dict(vocab_size=VOCAB, attn_implementation="eager", pad_token_id=None)
                                              | shape(2) | config))).float().eval()


YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
VARIANTS = {  # of qwen2.gguf; tests/test_lm.c has the keys
    "qwen2-window": lambda: qwen2(use_sliding_window=True, sliding_window=6, max_window_layers=1, **rope(**YARN)),
    "qwen2-truncate": lambda: qwen2(**rope(truncate=False, beta_slow=0.07, **YARN)),
}


def load_qwen2(model, path):
    stored = {t.name: torch.from_numpy(np.array(t.data)).float() for t in gguf.GGUFReader(path).tensors}
    with torch.no_grad():
        for key, p in model.named_parameters():
            parts = key.removeprefix("model.").split(".")
            name = {"lm_head": "output", "embed_tokens": "token_embd", "norm": "output_norm"}.get(parts[0])
            name = name or f"blk.{parts[1]}." + NAMES[".".join(parts[2:-1])]
            p.copy_(stored[f"{name}.{parts[-1]}"])
    return model


@torch.no_grad()
def variants(folder):
    golden = {}
    plain = load_qwen2(qwen2(**rope(**YARN)), folder / "qwen2.gguf")
    prompt = torch.randint(0, VOCAB, (PROMPT,), generator=torch.Generator().manual_seed(7))
    without = decode(plain, prompt)[0]
    for name, make in VARIANTS.items():
        logits, greedy, lead = decode(load_qwen2(make(), folder / "qwen2.gguf"), prompt)
        apart = float((logits - without).abs().max() / logits.abs().max())
        print(f"{name}: smallest lead {100 * lead:.2f} %, {len(set(greedy.tolist()))} different tokens, "
              f"{apart:.3f} away from the weights' own keys")
        golden |= {f"{name}.prompt": prompt.int().numpy(), f"{name}.logits": logits[-2:].numpy(),
                   f"{name}.greedy": greedy.int().numpy()}
    save(folder / "golden_keys.gguf", golden)


def main():
    folder, only = Path(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    golden = {}
    for name, make in CASES.items():
        if not only or name in only:
            case(name, make, folder, golden)
    if golden:
        save(folder / "golden.gguf", golden)
    if not only or "keys" in only:
        variants(folder)


def save(path, golden):
    w = gguf.GGUFWriter(path, "golden")
    w.add_string("golden.reference", f"transformers {transformers.__version__}, torch {torch.__version__}, float32")
    for name, a in golden.items():
        w.add_tensor(name, np.ascontiguousarray(a))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
