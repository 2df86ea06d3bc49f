#!/usr/bin/env python3
"""Makes tests/vocab: a small vocabulary of each kind, texts, and the ids that the reference implementations give them; and
the seeds of the fuzz targets, tests/corpus/{vocab,encode}.
Or compares the program with the references on many random texts.

Needs the packages tokenizers and sentencepiece.
  tools/vocab_golden.py                                        writes tests/vocab
  tools/vocab_golden.py --compare build/tests/vocab_cases N    N random texts a vocabulary and rule
"""
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "vocab"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CASED = r"[^\r\n\p{L}\p{N}]?" + UP + "*" + LOW + "+%s|" + r"[^\r\n\p{L}\p{N}]?" + UP + "+" + LOW + "*%s|"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
RULES = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "gpt-2": [GPT2],
    "starcoder": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "dbrx": [LLAMA3],
    "qwen2": [LLAMA3.replace("{1,3}", "")],
    "qwen35": [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
               r"\s*[\r\n]+|\s+(?!\S)|\s+"],
    "gpt-4o": [CASED % (SUFFIX, SUFFIX) + r"\p{N}{1,3}" + TAIL],
    "tekken": [CASED % ("", "") + r"\p{N}" + TAIL],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
                    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
                    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "bloom": [r" ?[^(\s|[.,!?…。，、।۔،])]+"],
    "viking": [r"\p{N}", r" ?[^(\s|[.,!?…。，、।۔،])]+"],
}
WHOLE_WORDS = {"llama-bpe", "tekken"}

# ---- texts ----

SAMPLES = ["Hello world", "I've 'told HE'LL we'Re it'ſ", "camelCaseWords HTTPServer ABC aB Ab", "  two  spaces\t\ttabs \n\n\nlines \r\n x",
           "3 33 333 3333 33333.5 ½ ² Ⅷ ৩৪", "Привет мир, как дела?", "中文字符，测试。カタカナ ひらがな 한국어", "🚀 👨‍👩‍👧‍👦 ✅ ❤️", "naïve café Ünïcödé Ǆ ǅ ǆ",
           "a\u0301e\u0308 o\u0302\u0323", "नमस्ते दुनिया ក្រុម สวัสดี", "x = {'a': [1, 2], \"b\": (3)}; // c++ <tag/> $5 + 10% ~ ^ `q`", "مرحبا بالعالم، ١٢٣",
           "\u2581mark \u00a0nbsp\u3000wide \u200bzero", "!!! ??? ... --- ***\n/// end", "don't  stop\n  it", " lead", "trail ", "\n", " ", "", "a" * 60,
           "the The THE tHe thE. the, the! (the) [the] {the}"]
RANGES = [(0x20, 0x7E)] * 6 + [(0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xE7F),
                               (0x1100, 0x11FF), (0x1780, 0x17FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x4EFF),
                               (0xAC00, 0xADFF), (0xFE00, 0xFFEF), (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF)]


def known(c):
    return unicodedata.category(c) not in ("Cn", "Cs", "Co")


def random_text(rng):
    parts = []
    for _ in range(rng.randint(1, 8)):
        kind = rng.random()
        if kind < 0.3:
            s = rng.choice(SAMPLES)
            a = rng.randint(0, len(s))
            parts.append(s[a:a + rng.randint(0, 12)])
        elif kind < 0.5:
            parts.append(rng.choice([" ", "\n", "\t", "\r\n", "'", "\u3000", "\u00a0", "/", "."]) * rng.randint(1, 4))
        else:
            low, high = rng.choice(RANGES)
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
    return "".join(c for c in "".join(parts) if known(c))


def texts_of(seed, n):
    rng = random.Random(seed)
    return [random_text(rng) for _ in range(n)]


# ---- GGUF ----

def value(v):
    if isinstance(v, bool):
        return 7, struct.pack("<?", v)
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, str):
        v = v.encode()
        return 8, struct.pack("<Q", len(v)) + v
    kind, items = v
    if kind == "s":
        return 9, struct.pack("<IQ", 8, len(items)) + b"".join(value(i)[1] for i in items)
    code, form = {"f": (6, "<f"), "i": (5, "<i"), "b": (0, "<B")}[kind]
    return 9, struct.pack("<IQ", code, len(items)) + b"".join(struct.pack(form, i) for i in items)


def gguf(keys):
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys))
    for k, v in keys.items():
        kind, data = value(v)
        out += struct.pack("<Q", len(k)) + k.encode() + struct.pack("<I", kind) + data
    return out + b"\0" * (-len(out) % 32)


# ---- vocabularies, each as GGUF keys and a function from text to ids ----

def corpus():
    rng = random.Random(7)
    lines = (ROOT / "docs" / "architecture.md").read_text().split("\n") + SAMPLES * 20
    return [x for x in lines if x] + [random_text(rng) for _ in range(200)]


def train_bpe(lines):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|start|>", "<|end|>", "<|pad|>"]
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=700, special_tokens=special,
                                                     initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    import json
    model = json.loads(t.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return tokens, merges, special


def bpe_keys(bpe, rule):
    tokens, merges, special = bpe
    return {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": rule,
            "tokenizer.ggml.tokens": ("s", tokens), "tokenizer.ggml.token_type": ("i", [3 if t in special else 1 for t in tokens]),
            "tokenizer.ggml.merges": ("s", merges), "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 1,
            "tokenizer.ggml.padding_token_id": 2, "tokenizer.ggml.add_bos_token": False}


def bpe_reference(bpe, rule):
    tokens, merges, _ = bpe
    t = Tokenizer(models.BPE(vocab={x: i for i, x in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges],
                             ignore_merges=rule in WHOLE_WORDS))
    splits = [pre_tokenizers.Split(Regex(x), "isolated") for x in RULES[rule]]
    t.pre_tokenizer = pre_tokenizers.Sequence(splits + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return lambda text: t.encode(text, add_special_tokens=False).ids


def sentencepieces(lines, kind):
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        (d / "text").write_text("\n".join(x.replace("\n", " ").replace("\r", " ") for x in lines))
        (d / "rule.tsv").write_text("41 30A\tE5\nFB01\t66 69\n2026\t2E 2E 2E\n9\t20\nA\t20\nD\t20\n3000\t20\nA0\t20\nFF21\t41\n")
        more = {"bpe": {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False},
                "unigram": {"normalization_rule_tsv": str(d / "rule.tsv")}}[kind]
        sentencepiece.SentencePieceTrainer.train(input=str(d / "text"), model_prefix=str(d / "m"), model_type=kind,
                                                 vocab_size=1300 if kind == "bpe" else 900, character_coverage=0.98,
                                                 minloglevel=2, num_threads=1, **more)
        return sentencepiece.SentencePieceProcessor(model_file=str(d / "m.model"))


def sp_keys(sp, model):
    n = sp.get_piece_size()
    types = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 5 if sp.is_unused(i) else 1 for i in range(n)]
    keys = {"general.architecture": "llama", "tokenizer.ggml.model": model,
            "tokenizer.ggml.tokens": ("s", [sp.id_to_piece(i) for i in range(n)]),
            "tokenizer.ggml.scores": ("f", [sp.get_score(i) for i in range(n)]), "tokenizer.ggml.token_type": ("i", types),
            "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0}
    if model == "t5":
        from sentencepiece import sentencepiece_model_pb2 as pb
        m = pb.ModelProto.FromString(sp.serialized_model_proto())
        keys["tokenizer.ggml.precompiled_charsmap"] = ("b", list(m.normalizer_spec.precompiled_charsmap))
        keys["tokenizer.ggml.remove_extra_whitespaces"] = m.normalizer_spec.remove_extra_whitespaces
    return keys


def wordpiece(lines):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=900, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    vocab = t.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    texts = [x if x.startswith("[") and x.endswith("]") and len(x) > 2 else x[2:] if x.startswith("##") else "\u2581" + x for x in tokens]
    keys = {"general.architecture": "bert", "tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": ("s", texts),
            "tokenizer.ggml.token_type": ("i", [3 if i < 5 else 1 for i in range(len(tokens))]), "tokenizer.ggml.unknown_token_id": 1,
            "tokenizer.ggml.cls_token_id": 2, "tokenizer.ggml.seperator_token_id": 3}
    return keys, lambda text: t.encode(text, add_special_tokens=False).ids


def vocabularies():
    """(file, rule or None, keys, reference) of each."""
    lines = corpus()
    bpe = train_bpe(lines)
    for rule in RULES:
        yield "bpe", rule, bpe_keys(bpe, rule), bpe_reference(bpe, rule)
    for name, kind, model in (("spm", "bpe", "llama"), ("unigram", "unigram", "t5")):
        sp = sentencepieces(lines, kind)
        yield name, None, sp_keys(sp, model), sp.encode
    keys, reference = wordpiece(lines)
    yield "wordpiece", None, keys, reference


# ---- seeds of the fuzz targets ----

def seeds():
    folder = ROOT / "tests" / "corpus"
    texts = {"encode": [t.encode() for t in SAMPLES] + [bytes(range(256)), b"\xff\xfe\xc3", b"<|start|>x<|end|>[CLS]</s>"],
             "vocab": []}
    tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab", "\u2581a", "<0x41>", "\u2581", "\u0120a"]
    types = [2, 3, 3, 1, 1, 1, 1, 6, 1, 4]
    common = {"tokenizer.ggml.tokens": ("s", tokens), "tokenizer.ggml.token_type": ("i", types),
              "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.add_bos_token": True}
    scores = {"tokenizer.ggml.scores": ("f", [-float(i) for i in range(len(tokens))])}
    m = sentencepieces(corpus(), "unigram")
    charsmap = sp_keys(m, "t5")["tokenizer.ggml.precompiled_charsmap"]
    for model, more in (("gpt2", {"tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.merges": ("s", ["a b"])}), ("llama", scores),
                        ("llama", scores | {"general.architecture": "phi3"}), ("bert", {}), ("t5", scores),
                        ("t5", scores | {"tokenizer.ggml.precompiled_charsmap": charsmap, "tokenizer.ggml.remove_extra_whitespaces": True}),
                        ("gpt2", {"tokenizer.ggml.pre": "unknown", "tokenizer.ggml.merges": ("s", [])})):
        texts["vocab"].append(gguf({"tokenizer.ggml.model": model} | common | more))
    for name, inputs in texts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(inputs):
            (folder / name / f"{i:02}").write_bytes(data)


# ---- what is called ----

def write():
    OUT.mkdir(exist_ok=True)
    texts = SAMPLES + texts_of(1, 25)
    (OUT / "texts.bin").write_bytes(b"".join(b"%d\n" % len(t.encode()) + t.encode() for t in texts))
    lines = []
    for name, rule, keys, reference in vocabularies():
        if rule in (None, "default"):
            (OUT / f"{name}.gguf").write_bytes(gguf(keys))
        lines.append(f"{name} {rule or '-'}")
        lines += [" ".join(map(str, reference(t))) for t in texts]
    (OUT / "expected.txt").write_text("\n".join(lines) + "\n")
    seeds()


def compare(program, n):
    texts = [t for t in texts_of(99, n)]
    data = b"".join(b"%d\n" % len(t.encode()) + t.encode() for t in texts)
    wrong = 0
    with tempfile.NamedTemporaryFile() as f:
        for name, rule, keys, reference in vocabularies():
            pathlib.Path(f.name).write_bytes(gguf(keys))
            done = subprocess.run([program, f.name], input=data, capture_output=True)
            got = [[int(i) for i in line.split()] for line in done.stdout.decode().split("\n")[:-1]]
            bad = [(t, reference(t), g) for t, g in zip(texts, got) if reference(t) != g]
            wrong += len(bad) + (len(got) != len(texts))
            print(f"{name} {rule or ''}: {len(got) - len(bad)} of {len(texts)} equal {done.stderr.decode()}")
            for t, a, b in bad[:3]:
                print(f"  {t!r}\n    reference {a}\n    ours      {b}")
    sys.exit(wrong != 0)


if len(sys.argv) > 1 and sys.argv[1] == "--compare":
    compare(sys.argv[2], int(sys.argv[3]))
else:
    write()
