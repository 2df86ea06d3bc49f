#!/usr/bin/env python3
"""Makes tests/corpus/lm/: one layer or two of every shape of language model, a few kilobytes each, for the fuzz target
of lm to start from.   venv/bin/pip install gguf; venv/bin/python tools/corpus_lm.py tests/corpus/lm"""
import sys
from pathlib import Path

import gguf
import numpy as np

D, HD, VOCAB = 16, 4, 8
KEYS = {"context_length": 8, "embedding_length": D, "block_count": 1, "feed_forward_length": 16,
        "attention.head_count": 2, "attention.head_count_kv": 1, "attention.key_length": HD}
RMS = {"attention.layer_norm_rms_epsilon": 1e-5}
ENDS = {"token_embd": (VOCAB, D), "output_norm": (D,)}
ATTENTION = {"attn_q": (2 * HD, D), "attn_k": (HD, D), "attn_v": (HD, D), "attn_output": (D, 2 * HD)}
FUSED = {"attn_qkv": (4 * HD, D), "attn_output": (D, 2 * HD)}
NORMS = {"attn_norm": (D,), "ffn_norm": (D,)}
GATED = {"ffn_gate": (16, D), "ffn_up": (16, D), "ffn_down": (D, 16)}
QK = {"attn_q_norm": (HD,), "attn_k_norm": (HD,)}
POST = {"post_attention_norm": (D,), "post_ffw_norm": (D,)}
AFTER = {"attn_output_norm": (D,), "layer_output_norm": (D,)}
EMBED = {"token_embd": (VOCAB, D), "token_types": (2, D), "token_embd_norm": (D,)}
PLAIN = {"ffn_up": (16, D), "ffn_down": (D, 16)}
LONG = {"rope_factors_long": (2,), "rope_factors_short": (2,)}

CASES = {  # name: (architecture, keys, tensors outside layers, tensors of a layer)
    "llama": ("llama", RMS | {"attention.sliding_window": 2}, ENDS | {"output": (VOCAB, D), "rope_freqs": (2,)},
              ATTENTION | NORMS | GATED),
    "mobilellm": ("llama", RMS | {"block_repeat": 2, "rope.scaling.type": "linear", "rope.scaling.factor": 2.0}, ENDS,
                  ATTENTION | NORMS | GATED),
    "qwen3": ("qwen3", RMS | {"rope.scaling.type": "yarn", "rope.scaling.factor": 2.0}, ENDS,
              ATTENTION | NORMS | GATED | QK),
    "gemma2": ("gemma2", RMS | {"attention.sliding_window": 2, "attn_logit_softcapping": 5.0,
                                "final_logit_softcapping": 5.0}, ENDS, ATTENTION | NORMS | GATED | POST),
    "gemma3": ("gemma3", RMS | {"attention.sliding_window": 2}, ENDS, ATTENTION | NORMS | GATED | POST | QK),
    "phi3": ("phi3", RMS | {"rope.scaling.type": "longrope", "rope.scaling.original_context_length": 4}, ENDS | LONG,
             FUSED | NORMS | {"ffn_up": (32, D), "ffn_down": (D, 16)}),
    "openelm": ("openelm", RMS | {"attention.head_count": [2], "attention.head_count_kv": [1],
                                  "feed_forward_length": [16]}, ENDS, FUSED | NORMS | GATED | QK),
    "minnow": ("minnow", RMS | {"attention.causal": True, "block_count": 2, "attention.shared_kv_layers": 1}, ENDS,
               ATTENTION | NORMS | GATED),
    "bert": ("bert", {"attention.layer_norm_epsilon": 1e-5, "attention.head_count_kv": 2, "pooling_type": 1},
             EMBED | {"position_embd": (8, D)},
             ATTENTION | {"attn_k": (2 * HD, D), "attn_v": (2 * HD, D)} | AFTER | PLAIN),
    "nomic": ("nomic-bert", {"attention.layer_norm_epsilon": 1e-5, "pooling_type": 3, "rope.freq_base": 1000.0}, EMBED,
              FUSED | AFTER | GATED),
}


def put_key(w, key, v):
    put = {bool: w.add_bool, str: w.add_string, list: w.add_array, float: w.add_float32, int: w.add_uint32}
    put[type(v)](key, v)


def put_tensor(w, name, shape, rng):
    a = 1 + 0.1 * rng.standard_normal(shape) if len(shape) == 1 else 0.5 * rng.standard_normal(shape)
    w.add_tensor(name + ".weight", a.astype(np.float32 if len(shape) == 1 else np.float16))
    if w.arch in ("bert", "nomic-bert") and len(shape) == 1:
        w.add_tensor(name + ".bias", (0.1 * rng.standard_normal(shape)).astype(np.float32))


def make(path, arch, keys, outside, inside, rng):
    w = gguf.GGUFWriter(path, arch)
    keys = KEYS | keys
    for key, v in keys.items():
        put_key(w, f"{arch}.{key}", v)
    for name, shape in outside.items():
        put_tensor(w, name, shape, rng)
    for i in range(keys["block_count"]):
        for name, shape in inside.items():
            if i < keys["block_count"] - keys.get("attention.shared_kv_layers", 0) or name not in ("attn_k", "attn_v"):
                put_tensor(w, f"blk.{i}.{name}", shape, rng)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for name, (arch, keys, outside, inside) in CASES.items():
        make(folder / name, arch, keys, outside, inside, rng)


if __name__ == "__main__":
    main()
