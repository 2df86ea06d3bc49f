#!/usr/bin/env python3
"""Real weights: llama2.c's 260K-parameter story teller, converted, must tell at temperature 0 the story that an independent
reading of the checkpoint (below, numpy in float32, one token after another) tells; exactly with --type F32. Then what
cheaper weights and caches cost: how many tokens of that story they give before the first that differs.
  tools/measure_stories.py build/minnow DATA/models      (needs numpy; DATA: README.md, "Measuring")"""
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TOKENS = 220


class Checkpoint:
    """llama2.c's first format: seven int32, then float32 tensors by kind, layers inside."""

    def __init__(self, path):
        raw = path.read_bytes()
        self.d, self.ff, self.layers, self.heads, self.kv, vocab, self.context = struct.unpack("7i", raw[:28])
        self.hd, self.at, self.f = self.d // self.heads, 0, np.frombuffer(raw, np.float32, offset=28)
        L, d, kvd = self.layers, self.d, self.kv * self.hd
        self.embed = self.take(abs(vocab), d)
        self.norm1, self.wq, self.wk, self.wv = self.take(L, d), self.take(L, d, d), self.take(L, kvd, d), self.take(L, kvd, d)
        self.wo, self.norm2 = self.take(L, d, d), self.take(L, d)
        self.w1, self.w2, self.w3 = self.take(L, self.ff, d), self.take(L, d, self.ff), self.take(L, self.ff, d)
        self.last = self.take(d)
        self.at += self.context * self.hd  # tables of cosines and sines
        self.head = self.embed if vocab > 0 else self.take(-vocab, d)
        self.keys = [[] for _ in range(L)]
        self.values = [[] for _ in range(L)]

    def take(self, *shape):
        n = int(np.prod(shape))
        self.at += n
        return self.f[self.at - n:self.at].reshape(shape)

    def rotate(self, x, pos):
        x = x.reshape(-1, self.hd // 2, 2)
        angle = pos * 10000.0 ** (-np.arange(0, self.hd, 2) / self.hd)
        c, s = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        return np.stack([x[..., 0] * c - x[..., 1] * s, x[..., 0] * s + x[..., 1] * c], -1).reshape(-1, self.hd)

    def forward(self, token, pos):
        def norm(x, w):
            return x / np.sqrt((x * x).mean() + np.float32(1e-5)) * w
        h = self.embed[token].copy()
        for i in range(self.layers):
            n = norm(h, self.norm1[i])
            q = self.rotate(self.wq[i] @ n, pos)
            self.keys[i].append(self.rotate(self.wk[i] @ n, pos))
            self.values[i].append((self.wv[i] @ n).reshape(-1, self.hd))
            k, v = (np.repeat(np.array(x), self.heads // self.kv, 1) for x in (self.keys[i], self.values[i]))
            s = np.einsum("hd,thd->ht", q, k) / np.float32(self.hd ** 0.5)
            p = np.exp(s - s.max(1, keepdims=True))
            h += self.wo[i] @ np.einsum("ht,thd->hd", p / p.sum(1, keepdims=True), v).reshape(-1)
            n = norm(h, self.norm2[i])
            g = self.w1[i] @ n
            h += self.w2[i] @ (g / (1 + np.exp(-g)) * (self.w3[i] @ n))
        return self.head @ norm(h, self.last)


def pieces_of(path, vocab):
    raw, at, out = path.read_bytes(), 4, []
    for _ in range(vocab):
        (n,) = struct.unpack_from("i", raw, at + 4)
        out.append(raw[at + 8:at + 8 + n])
        at += 8 + n
    return out


def story(folder):
    """The bytes of each token after BOS, greedily."""
    model = Checkpoint(folder / "stories260K.bin")
    pieces, token, out = pieces_of(folder / "tok512.bin", len(model.embed)), 1, []
    for pos in range(TOKENS):
        nxt = int(model.forward(token, pos).argmax())
        if nxt in (1, 2):
            break
        piece = pieces[nxt]
        if piece.startswith(b"<0x") and piece.endswith(b">"):
            piece = bytes([int(piece[3:5], 16)])
        out.append(piece[1:] if token == 1 and piece.startswith(b" ") else piece)
        token = nxt
    return out


def told(program, model, *options):
    command = [program, "generate", "-m", str(model), "-n", str(TOKENS), "--temp", "0", "--quiet", "-p", "", *options]
    return subprocess.run(command, check=True, capture_output=True).stdout.strip()


def tokens_in_common(pieces, text):
    n, at = 0, 0
    for piece in pieces:
        if text[at:at + len(piece)] != piece:
            break
        n, at = n + 1, at + len(piece)
    return n


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    pieces = story(folder)
    text = b"".join(pieces).strip()
    print(f"{len(pieces)} tokens: {text.decode()[:120]}...")
    failed = False
    with tempfile.TemporaryDirectory() as tmp:
        for kind, kv in (("F32", "f32"), ("F32", "f16"), ("F32", "q8"), ("F16", "f16"), ("Q8_0", "f16"), ("Q8_0", "q8"),
                         ("Q4_0", "f16")):
            model = Path(tmp) / f"{kind}.gguf"
            if not model.exists():
                subprocess.run([program, "convert", "--type", kind, folder / "stories260K.bin", "--tokenizer",
                                folder / "tok512.bin", model], check=True, capture_output=True)
            out = told(program, model, "--kv", kv)
            same = out == text
            failed |= kind == "F32" and kv == "f32" and not same
            n = len(pieces) if same else tokens_in_common(pieces, out)
            print(f"{kind} weights, {kv} cache: {n} of {len(pieces)} tokens{'' if same else ', then another story'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
