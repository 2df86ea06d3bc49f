#!/usr/bin/env python3
"""Renders every *.jinja of a folder with several conversations and compares with Python's jinja2, set up as Hugging Face
transformers sets it up. A conversation that a template refuses must be refused by both.

Needs the package jinja2 (3.1.6 or later).   tools/measure_chat.py build/tests/chat_cases FOLDER
"""
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = 1763733600
TOOL = {"type": "function", "function": {"name": "weather", "description": "Says the \"weather\" <now>.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Name of a city"},
                                     "days": {"type": "integer", "default": 3}}, "required": ["city"]}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "You are   helpful.\n"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "call12345", "type": "function", "function": {
    "name": "weather", "arguments": {"city": "Zürich", "days": 2}}}]}
ANSWER = {"role": "tool", "name": "weather", "tool_call_id": "call12345", "content": "{\"sun\": true}"}
CASES = {
    "one": {"messages": [user("Hi there")], "add_generation_prompt": True},
    "turns": {"messages": [user("Hi <|im_end|> there"), assistant(" yes "), user("and\n\nnow? 🚀")], "add_generation_prompt": True},
    "closed": {"messages": [user("a"), assistant("b")], "add_generation_prompt": False},
    "system": {"messages": [SYSTEM, user("x"), assistant("y"), user("z")], "add_generation_prompt": True},
    "think": {"messages": [user("x"), assistant("<think>\nhm\n</think>\n\nyes"), user("z")], "add_generation_prompt": True},
    "no_think": {"messages": [user("x")], "add_generation_prompt": True, "enable_thinking": False},
    "tools": {"messages": [SYSTEM, user("Weather?")], "tools": [TOOL], "add_generation_prompt": True},
    "called": {"messages": [user("Weather?"), CALL, ANSWER], "tools": [TOOL, TOOL], "add_generation_prompt": True},
    "answered": {"messages": [SYSTEM, user("Weather?"), CALL, ANSWER, assistant("Sun."), user("Thanks")], "tools": [TOOL],
                 "add_generation_prompt": True},
    "order": {"messages": [assistant("first"), user("then")], "add_generation_prompt": True},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "in parts"}]}], "add_generation_prompt": True},
    "empty": {"messages": [], "add_generation_prompt": True},
}


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def reference(source, variables):
    def fail(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = fail
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(f)
    given = {"tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>"} | variables
    try:
        return env.from_string(source).render(**given)
    except Exception as e:  # whatever a template raises is a refusal
        return e


def ours(program, path, variables, folder):
    json_path = pathlib.Path(folder) / "variables.json"
    json_path.write_text(json.dumps(variables))
    done = subprocess.run([program, str(path), str(json_path), str(NOW)], capture_output=True)
    return done.stdout.decode() if done.returncode == 0 else Exception(done.stderr.decode().strip())


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    same = refused = wrong = 0
    templates = sorted(folder.glob("*.jinja"))
    with tempfile.TemporaryDirectory() as scratch:
        for path in templates:
            source = path.read_text()
            for name, variables in CASES.items():
                a, b = reference(source, variables), ours(program, path, variables, scratch)
                if isinstance(a, Exception) and isinstance(b, Exception):
                    refused += 1
                    if "-v" in sys.argv:
                        print(f"{path.name}, {name}: refused\n  reference {a!r:.200}\n  ours      {b!r:.300}")
                elif a == b:
                    same += 1
                else:
                    wrong += 1
                    print(f"{path.name}, {name}:\n  reference {a!r:.700}\n  ours      {b!r:.700}")
    print(f"{len(templates)} templates, {len(CASES)} conversations: {same} equal, {refused} refused by both, {wrong} different")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
