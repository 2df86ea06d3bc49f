#!/usr/bin/env python3
"""Encodes the texts of NAME.gguf.inp with NAME.gguf for every pair in a folder and compares the ids with NAME.gguf.out.
llama3_tiktoken.model, when it is there, stands for the vocabulary of ggml-vocab-llama-bpe.

  tools/measure_tok.py build/tests/vocab_cases FOLDER
"""
import pathlib
import subprocess
import sys

SEPARATOR = "\n__ggml_vocab_test__\n"


def encode(command, texts):
    data = b"".join(b"%d\n" % len(t) + t for t in texts)
    done = subprocess.run(command, input=data, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.decode().strip()}")
    return [[int(i) for i in line.split()] for line in done.stdout.decode().split("\n")[:-1]]


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    right = total = files = 0
    for inp in sorted(folder.glob("*.gguf.inp")):
        gguf = inp.with_suffix("")
        command = [program, str(gguf)]
        if not gguf.exists() and "llama-bpe" in gguf.name:
            command = [program, str(folder / "llama3_tiktoken.model"), "llama-bpe"]
        if not pathlib.Path(command[1]).exists():
            print(f"{gguf.name}: no vocabulary in the folder, skipped")
            continue
        texts = inp.read_bytes().decode().split(SEPARATOR)
        texts[-1] = texts[-1].removesuffix("\n")
        wanted = [[int(i) for i in line.split()] for line in gguf.with_suffix(".gguf.out").read_text().split("\n")[:len(texts)]]
        got = encode(command, [t.encode() for t in texts])
        same = sum(a == b for a, b in zip(wanted, got))
        for text, a, b in zip(texts, wanted, got):
            if a != b:
                print(f"{gguf.name}: {text!r}\n  wanted {a}\n  got    {b}")
        print(f"{gguf.name}: {same} of {len(texts)} texts exact")
        right, total, files = right + same, total + len(texts), files + 1
    if files == 0:
        raise SystemExit(f"{folder}: no vocabulary with texts (NAME.gguf, NAME.gguf.inp, NAME.gguf.out) is here")
    print(f"{files} vocabularies: {right} of {total} texts exact")
    sys.exit(right != total)


main()
