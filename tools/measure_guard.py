#!/usr/bin/env python3
"""Measures the guard on labelled data that is not part of the repository (docs/guard.md, "Measuring").

usage: measure_guard.py GUARD_CASES MODEL DATA_FOLDER [--record] [--show WHAT]

Personal data: spans as presidio-research's SpanEvaluator counts them: every class is one ("PII"), skip words and marks do
not count, spans of one class with only such between are one, a span is right when intersection over union is 0.9 or more
(0.7 beside it). F2 weighs recall twice. The model is not trained on any of these rows; rules and the grammar were written after reading two thirds of the templates
and attacks, so a third, chosen by a hash before, is given apart ("unread").
Steering: recall on attacks, alarms on ordinary requests and on whole files. --show shows nothing of what is to stay unread."""
import collections
import glob
import hashlib
import json
import os
import random
import re
import subprocess
import sys

CLASS = {"PERSON": "person", "STREET_ADDRESS": "address", "GPE": "place", "ORGANIZATION": "organisation",
         "CREDIT_CARD": "card", "DATE_TIME": "date", "TITLE": "title", "PHONE_NUMBER": "phone", "AGE": "age",
         "NRP": "group", "ZIP_CODE": "postcode", "EMAIL_ADDRESS": "email", "DOMAIN_NAME": "url", "IBAN_CODE": "iban",
         "US_SSN": "national_id", "IP_ADDRESS": "ip", "US_DRIVER_LICENSE": "licence"}
SAME = {"birth_date": "date", "address": "location", "place": "location", "postcode": "location"}
# presidio-research's own skip words; spaCy's English stop words that can stand inside a value are added
SKIP = set("""'s street st. st de rue via and a the or do as of day address country state city zip po apt unit corner p.o.
box suite mr. mrs. miss year years y/o month months old morning noon afternoon night evening this first last week weeks weekend
days age ago inc inc. ltd to in is it on at for by with from my your his her our their we i you he she they me us be are was
were not no so an but if""".split())
TOKEN = re.compile(r"\w+|[^\w\s]")


def unread(text):
    return int(hashlib.sha256(text.strip().encode()).hexdigest(), 16) % 3 == 0


def run(program, model, texts, extra=()):
    lines = "".join(json.dumps(t) + "\n" for t in texts)
    out = subprocess.run([program, model, *extra], input=lines, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.split("\n") if line]


def to_chars(text, spans):
    """Byte spans to character spans."""
    raw = text.encode()
    return [(len(raw[:s].decode(errors="ignore")), len(raw[:e].decode(errors="ignore")), c) for s, e, c, *_ in spans]


def significant(token):
    return token.lower() not in SKIP and any(ch.isalnum() for ch in token)


def merged(text, spans, generic):
    """Token-aligned spans of one class, neighbours joined, reduced to their significant tokens."""
    tokens = [(m.start(), m.end(), m.group()) for m in TOKEN.finditer(text)]
    tag = ["O"] * len(tokens)
    for s, e, c in spans:
        c = SAME.get(c, c)
        for i, (a, b, _) in enumerate(tokens):
            if a < e and b > s:
                tag[i] = "PII" if generic else c
    out, i = [], 0
    while i < len(tokens):
        if tag[i] == "O":
            i += 1
            continue
        j, end = i, i
        while j < len(tokens):
            if tag[j] == tag[i]:
                end = j
            elif tag[j] != "O" or significant(tokens[j][2]):
                break
            j += 1
        content = [t for t in tokens[i:end + 1] if significant(t[2])]
        if content:
            out.append((content[0][0], content[-1][1], tag[i]))
        i = end + 1
    return out


def iou(a, b):
    inter = min(a[1], b[1]) - max(a[0], b[0])
    return 0.0 if inter <= 0 else inter / (max(a[1], b[1]) - min(a[0], b[0]))


def match(gold, found, least):
    """tp, predicted, annotated as SpanEvaluator counts: one or several overlapping predictions may make a hit."""
    tp, used = 0, set()
    for g in gold:
        over = [i for i, f in enumerate(found) if f[2] == g[2] and iou(g, f) > 0]
        used.update(over)
        if not over:
            continue
        both = sum(min(g[1], found[i][1]) - max(g[0], found[i][0]) for i in over)
        union = max([g[1]] + [found[i][1] for i in over]) - min([g[0]] + [found[i][0] for i in over])
        tp += both / union >= least
    return tp, len(found), len(gold)


def f2(tp, predicted, annotated):
    p, r = tp / max(predicted, 1), tp / max(annotated, 1)
    return p, r, 5 * p * r / max(4 * p + r, 1e-9)


def score(rows, found, generic, least):
    total = collections.Counter()
    for row, spans in zip(rows, found):
        gold = merged(row["full_text"], [(s["start_position"], s["end_position"], CLASS[s["entity_type"]]) for s in row["spans"]], generic)
        guess = merged(row["full_text"], spans, generic)
        for c in {x[2] for x in gold + guess}:
            tp, p, a = match([x for x in gold if x[2] == c], [x for x in guess if x[2] == c], least)
            total[c, "tp"] += tp
            total[c, "p"] += p
            total[c, "a"] += a
    return total


def measure_pii(program, model, path, show):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    answers = run(program, model, [r["full_text"] for r in rows])
    found = [to_chars(r["full_text"], a["spans"]) for r, a in zip(rows, answers)]
    figures = {}
    for least in (0.9, 0.7):
        t = score(rows, found, True, least)
        p, r, f = f2(t["PII", "tp"], t["PII", "p"], t["PII", "a"])
        figures[f"f2_iou{least}"], figures[f"precision_iou{least}"], figures[f"recall_iou{least}"] = f, p, r
        at = [i for i, row in enumerate(rows) if unread(str(row["template_id"]))]
        t = score([rows[i] for i in at], [found[i] for i in at], True, least)
        p, r, f = f2(t["PII", "tp"], t["PII", "p"], t["PII", "a"])
        figures[f"unread_f2_iou{least}"], figures[f"unread_precision_iou{least}"], figures[f"unread_recall_iou{least}"] = f, p, r
    t = score(rows, found, False, 0.7)
    for c in sorted({c for c, _ in t}):
        figures[f"{c}_precision"], figures[f"{c}_recall"], figures[f"{c}_f2"] = f2(t[c, "tp"], t[c, "p"], t[c, "a"])
    if show:
        for row, spans in zip(rows, found):
            gold = merged(row["full_text"], [(s["start_position"], s["end_position"], "x") for s in row["spans"]], True)
            guess = merged(row["full_text"], spans, True)
            if not unread(str(row["template_id"])) and match(gold, guess, 0.9) != (len(gold), len(gold), len(gold)):
                print(repr(row["full_text"][:300]))
                print("   want", [row["full_text"][s:e] for s, e, _ in gold])
                print("   have", [(row["full_text"][s:e], c) for s, e, c in spans])
    return figures


def lines_of(path):
    out = []
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        if line and line[0] not in "#[":
            out.append(re.sub(r"\{[^}:=]*[:=]([^}]*)\}", r"\1", line))
    return out


def measure_steering(program, model, path, show):
    lines = list(open(path, encoding="utf-8"))
    rows = [json.loads(line) for line in lines]
    figures = {"rows": len(rows)}
    for name, texts in (("alone", [r["user_input"] for r in rows]),
                        ("with_instructions", [{"text": r["user_input"], "instructions": r["test_case_prompt"]} for r in rows])):
        a = run(program, model, texts)
        hit = [x["attack"]["found"] for x in a]
        figures[f"recall_{name}"] = sum(hit) / len(hit)
        apart = [h for h, line in zip(hit, lines) if unread(line)]
        figures[f"unread_recall_{name}"] = sum(apart) / max(len(apart), 1)
        kinds = collections.defaultdict(list)
        for r, h in zip(rows, hit):
            kinds[r["injection_type"]].append(h)
        for k, v in kinds.items():
            figures[f"recall_{name}_{k}"] = sum(v) / len(v)
        if show:
            for r, x, line in zip(rows, a, lines):
                if not x["attack"]["found"] and not unread(line):
                    print(name, f"{x['attack']['score']:.2f}", r["injection_variant"], r["user_input"][:160].replace("\n", " "))
    return figures


def alarms(program, model, texts, show, told=()):
    """`told`: instructions of apps; each text is tried with one of them, drawn by a fixed seed, as well."""
    a = run(program, model, texts)
    if show:
        for t, x in zip(texts, a):
            if x["attack"]["found"]:
                print(f"{x['attack']['score']:.2f}", x["attack"]["what"], t[:140])
    figures = {"rows": len(texts), "false_alarms": share_found(a)}
    if told:
        draw = random.Random(5)
        figures["false_alarms_with_instructions"] = share_found(
            run(program, model, [{"text": t, "instructions": draw.choice(told)} for t in texts]))
    return figures


def whole_files(*patterns, every=1):
    """Texts of files, those in UTF-8, the first 60,000 characters of each."""
    out = []
    for path in sorted(p for pattern in patterns for p in glob.glob(pattern))[::every]:
        try:
            out.append(open(path, encoding="utf-8").read()[:60000])
        except (OSError, UnicodeDecodeError):
            pass
    return [t for t in out if t.strip()]


def measure_documents(program, model):
    """Whole files as text from outside, none of which steers anybody. Extracts of this tree's own are learnt from."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sets = {"own_documents": whole_files(f"{root}/*.md", f"{root}/docs/*.md"), "own_sources": whole_files(f"{root}/src/*/*.[ch]"),
            "python_library": whole_files(os.path.dirname(os.__file__) + "/*.py"),
            "c_headers": whole_files("/usr/include/*.h", "/usr/include/*/*.h", every=10),
            "package_documents": whole_files("/usr/share/doc/*/README", "/usr/share/doc/*/copyright", every=2)}
    figures = {}
    for name, texts in sets.items():
        figures[f"{name}_files"], figures[f"{name}_alarms"] = len(texts), share_found(run(program, model, texts, ("outside",)))
    return figures


def share_found(answers):
    return sum(x["attack"]["found"] for x in answers) / max(len(answers), 1)


def main():
    program, model, data = sys.argv[1:4]
    show = sys.argv[sys.argv.index("--show") + 1] if "--show" in sys.argv else ""
    results = []
    guard = os.path.join(data, "guard") if os.path.isdir(os.path.join(data, "guard")) else data
    part = os.environ.get("GUARD_PART", "dev")
    steering = f"{guard}/purplellama_injection.{part}.jsonl"
    told = sorted({json.loads(line)["test_case_prompt"] for line in open(steering, encoding="utf-8")})
    for m, name in ((model, "rules and model"), ("-", "rules alone")):
        results.append(("guard/presidio_synth", name, measure_pii(program, m, f"{guard}/presidio_synth.{part}.jsonl", show == "pii" and m != "-")))
        results.append(("guard/purplellama_injection", name, measure_steering(program, m, steering, show == "steer" and m != "-")))
        xs = [json.loads(line) for line in open(f"{guard}/xstest.{part}.jsonl", encoding="utf-8")]
        results.append(("guard/xstest safe half", name, alarms(program, m, [r["prompt"] for r in xs if r["label"] == "safe"], show == "xstest" and m != "-", told)))
    results.append(("guard/documents", "rules and model", measure_documents(program, model)))
    if os.path.isdir(os.path.join(data, "nlu")):
        texts = []
        for f in ("snips.train", "home.train", "clinc150.val", "slurp.devel"):
            rows = [json.loads(line) for line in open(os.path.join(data, "nlu", f + ".jsonl"), encoding="utf-8")]
            texts += [r["text"] for r in rows][::5]
        talk = [line.strip() for line in open(os.path.join(data, "text", "task_dialogue.txt"), encoding="utf-8")][::40]
        results.append(("nlu sets", "rules and model", alarms(program, model, texts, show == "nlu", told)))
        results.append(("task dialogue", "rules and model", alarms(program, model, talk, show == "talk", told)))
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import quality
    for data_set, split, figures in results:
        print(data_set, "|", split)
        print("   ", ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()))
        if "--record" in sys.argv:
            quality.record(data_set, split, "make measure-guard", figures)


if __name__ == "__main__":
    main()
