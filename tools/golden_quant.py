#!/usr/bin/env python3
"""Makes tests/golden/quant.gguf: blocks of every tensor type with the floats that the reference gives for them.

usage: golden_quant.py OUT.gguf        (needs the Python packages gguf, which is ggml's own, and numpy)

raw.TYPE      one super-block (256 elements) of random bytes with finite scales
decoded.TYPE  what gguf.quants.dequantize makes of it
input         4096 floats of several sizes
encoded.TYPE  what gguf.quants.quantize makes of the first 1024 of them, for the types it can write
"""
import sys

import gguf
import numpy as np

TYPES = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K".split()
WRITTEN = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0".split()


def raw_block(rng, kind):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    while True:
        raw = rng.integers(0, 256, 256 // elements * size, dtype=np.uint8)
        with np.errstate(invalid="ignore", over="ignore"):
            decoded = gguf.quants.dequantize(raw, kind).astype(np.float32)
        if np.isfinite(decoded).all():
            return raw, decoded


def main():
    rng = np.random.default_rng(20261121)
    writer = gguf.GGUFWriter(sys.argv[1], "golden")
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        raw, decoded = raw_block(rng, kind)
        writer.add_tensor("raw." + name, raw, raw_dtype=kind)
        writer.add_tensor("decoded." + name, decoded)
    spread = np.exp(rng.standard_normal(128) * 0.5).repeat(32)
    x = (rng.standard_normal(4096) * spread * 0.02).astype(np.float32)
    x[32:64] = 0
    x[64:96] = np.abs(x[64:96])
    x[96] = 1e-30
    writer.add_tensor("input", x)
    for name in WRITTEN:
        kind = gguf.GGMLQuantizationType[name]
        bytes_out = gguf.quants.quantize(x[:1024], kind).view(np.uint8)
        writer.add_tensor("encoded." + name, bytes_out, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
