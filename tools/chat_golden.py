#!/usr/bin/env python3
"""Writes tests/chat_golden.txt and tests/corpus/chat (a template, a zero byte, variables): templates that use each construct, variables, and what Python's jinja2, set up as Hugging
Face transformers sets it up, makes of them. The templates are our own.

Needs the package jinja2 (3.1.6 or later).   tools/chat_golden.py > tests/chat_golden.txt
"""
import json
import pathlib
import sys

from measure_chat import CASES, reference

CHATML = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "Tools:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=-1, seen=false) %}
{%- for m in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if not ns.seen and m.role == "user" and m.content is string and not(m.content.startswith('<tool>') and m.content.endswith('</tool>')) %}
        {%- set ns.seen = true %}{%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- if m.content is string %}{%- set content = m.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (m.role == "user") or (m.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + m.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif m.role == "assistant" %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>' + m.role }}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}{{- '\\n<think>' + thought.strip('\\n') + '</think>' }}{%- endif %}
        {{- '\\n' + content }}
        {%- if m.tool_calls %}
            {%- for call in m.tool_calls %}
                {%- if call.function %}{%- set call = call.function %}{%- endif %}
                {{- '\\n<tool_call>\\n{"name": "' ~ call.name ~ '", "arguments": ' ~ (call.arguments if call.arguments is string else call.arguments | tojson) ~ '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif m.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<response>' + content + '</response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""
HEADERS = """{{ bos_token }}
{%- if not date is defined %}{% set date = strftime_now("%d %b %Y") %}{% endif -%}
{% macro head(role='user', end="\\n\\n") %}<|h|>{{ role }}<|/h|>{{ end }}{% endmacro %}
{% if messages and messages[0]['role'] == 'system' %}
  {% set system = messages[0]['content'] | trim %}
  {% set messages = messages[1:] %}
{% else %}
  {%- set system = "" %}
{% endif %}
{{ head("system") }}Today: {{ date }}
{{ system }}<|eot|>
{% for message in messages %}
  {% if not (message.role == 'tool' or 'tool_calls' in message) %}
{{- head(message['role'], end='\\n') + message['content'] | trim + '<|eot|>' }}
  {% elif 'tool_calls' in message %}
    {% if not message.tool_calls|length == 1 %}{{ raise_exception("one call at a time") }}{% endif %}
    {% set call = message.tool_calls[0].function %}
    {{ head('assistant') }}{{ call.name }}({% for name, value in call.arguments | items %}{{ name + '="' + value|string + '"' }}{% if not loop.last %}, {% endif %}{% endfor %})<|eom|>
  {% else %}
    {{ head('tool') }}{{ message.content | tojson }}
  {% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ head('assistant') }}{% endif %}"""
INST = """{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate: ' ~ m.role) }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

SNIPPETS = r"""
{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 % 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }}
{{ 1.5 + 1 }} {{ 1e3 }} {{ 0.1 + 0.2 }} {{ 1e22 }} {{ 1.0 }} {{ 3.0 * 2 }} {{ 7.5 // 2 }} {{ 1e-7 }} {{ 123456789.125 }}
{{ "a" + 'b' ~ 1 ~ none ~ true }} {{ "x" * 3 }} {{ 'it\'s \n "q" \u00e9 \x41 \\ \d' }} {{ "a" "b" }}
{{ [1, 2, 'x', [none, true], {'k': 1.5}] }} {{ {'a': "it's", 'b': 'q"' , 1: 2} }} {{ (1, ) | list }} {{ [] }} {{ {} }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ "a" < "b" }} {{ not 1 }} {{ 1 and 0 }} {{ 0 or 'x' }} {{ none or false }} {{ 'a' in 'cab' }} {{ 3 not in [1, 2] }} {{ 'k' in {'k': 1} }}
{{ 'yes' if 1 else 'no' }} {{ 'yes' if 0 }} {{ 'a' if 0 else 'b' if 0 else 'c' }}
{{ undefined_thing }}|{{ undefined_thing is defined }}|{{ undefined_thing is not defined }}|{{ undefined_thing | default('d') }}|{{ '' | default('d', true) }}|{{ x.y | default('z') }}
{{ undefined_thing.member }}
{{ "a" + 1 }}
{{ [1,2,3][-1] }} {{ [1,2,3][1:] }} {{ [1,2,3][:-1] }} {{ [1,2,3][::-1] }} {{ [1,2,3,4][::2] }} {{ 'héllo'[1:3] }} {{ 'héllo'[::-1] }} {{ 'abc'[0] }} {{ [1][5] }} {{ [1,2][5:] }}
{{ "  a b ".strip() }}|{{ "xxaxx".strip('x') }}|{{ "  a ".lstrip() }}|{{ " a  ".rstrip() }}|{{ "a,b,c".split(',') }}|{{ " a  b ".split() }}|{{ "a,b,c".split(',', 1) }}|{{ "a,b,c".rsplit(',', 1)[0] }}
{{ "Ab éÀ".upper() }} {{ "Ab ÉÀ".lower() }} {{ "heLLo wORLD".title() }} {{ "heLLo".capitalize() }} {{ "aXbX".replace('X', '--') }} {{ "aXbX" | replace('X', '', 1) }} {{ "abc".find('c') }} {{ "abc".find('z') }} {{ "abca".rfind('a') }} {{ "banana".count('an') }}
{{ "a\nb\r\nc".splitlines() }} {{ ", ".join(['a', 'b']) }} {{ "abc".startswith('ab') }} {{ "abc".endswith(('x', 'c')) }} {{ "123".isdigit() }} {{ "12a".isdigit() }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(reverse=true) }} {{ [1, 2, 3] | sum }} {{ [1, 5, 2] | max }} {{ [1, 5, 2] | min }} {{ [1, 1, 2] | unique | list }} {{ 'abc' | reverse }} {{ [1,2] | reverse | list }} {{ [1,2,3] | first }} {{ [1,2,3] | last }}
{{ ['a', 'b'] | join('-') }} {{ [1, none] | join }} {{ items | map(attribute='n') | join(',') }} {{ items | map('upper') | list if false }} {{ ['a'] | map('upper') | list }} {{ items | selectattr('n', 'equalto', 2) | map(attribute='s') | list }} {{ items | rejectattr('n', '>', 1) | list | length }} {{ [0, 1, 2] | select | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2] | reject('eq', 1) | list }}
{{ 'a' | length }} {{ 'héé' | length }} {{ items | count }} {{ " x " | trim }} {{ "3" | int + 1 }} {{ "x" | int }} {{ "2.5" | float }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ -3 | abs }} {{ 5 | string + 'x' }}
{{ {'b': 1, 'a': [1, "é\n\"<>&"]} | tojson }} {{ {'b': 1, 'a': [1, {'c': []}]} | tojson(indent=2) }} {{ [1.5, true, none] | tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ 'é' | tojson(ensure_ascii=true) }}
{{ "a\nb\n\nc" | indent }}|{{ "a\nb" | indent(2, true) }}|{{ "a\n\nb" | indent(2, blank=true) }}
{% for k, v in {'x': 1, 'y': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for k in {'x': 1} %}{{ k }}{% endfor %}{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}{{ {'a': 1}.get('b', 'none') }}{{ {'a': 1}.get('a') }}{{ {'a': 1}.keys() | list }}{{ {'a': 1}.values() | list }}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }},{% endfor %}{{ range(2, 9, 3) | list }}
{% for i in [] %}x{% else %}empty{% endfor %}{% for i in [1, 2, 3] if i != 2 %}{{ loop.index }}:{{ i }} {% else %}none{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% set t %}in {{ a }}{% endset %}{{ t }}{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}
{% for i in [1, 2] %}{{ i }}{% break %}{% else %}broken{% endfor %}{% for i in [1, 2] %}{% continue %}{% else %}skipped{% endfor %}{% for i in [1, 2] %}{% if loop.last %}{% break %}{% endif %}{% else %}never{% endfor %}{% for i in [1] %}{{ loop.depth }}{{ loop.depth0 }}{{ loop is mapping }}{{ loop['index'] }}{% endfor %}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}
{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=5, a=4) }}{{ m() }}{% macro r(n) %}{% if n > 0 %}{{ n }}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(3) }}{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in{% endcall %}
{% filter upper %}abc {{ 'd' }}{% endfilter %}{% raw %}{{ not }} {% this %}{% endraw %}{# a comment #}{#- another -#}  x
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 'a' is string }} {{ 1 is number }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ {} is mapping }} {{ [] is iterable }} {{ [] is sequence }} {{ none is none }} {{ true is true }} {{ 1 is true }} {{ 'a' is eq 'a' }} {{ 2 is gt 1 }} {{ 1 is in [1] }} {{ 'A' is upper }} {{ 'a' is not lower }}
{{ raise_exception('because ' ~ 1) }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %B %A %j %y %b %a %p %I %%') }} {{ strftime_now('%-d %-m %e') }}
{{ '{}|{0}'.format(1) if false }}{{ '<{}{{}}|{}>'.format('a', 1) }} {{ '{1}{0}{1}{k}'.format('a', none, k=[1]) }} {% set s = ':x' %}{{ '<|eos{}|>'.format(s) }}
{{ '{}{}'.format(1) }}
{% if 1 if 1 %}{% endif %}
{% if false %}{% filter nofilter %}{% endfilter %}{% endif %}
{% if false %}{{ 1 | from_json }}{{ 1 is notest }}{% elif ([] | from_json if false) %}{% else %}branch{% endif %}{{ (1 | nofilter) if false else 'choice' }}
{% if true %}{{ '[]' | from_json }}{% endif %}
{% if false %}{% for i in [1] %}{{ i | nofilter }}{% endfor %}{% endif %}
{% macro m() %}{% if false %}{{ 1 | nofilter }}{% endif %}{% endmacro %}{{ m() }}{% set t %}{{ (1 is notest) if 0 }}{% endset %}x
{% macro m() %}{{ 1 | nofilter }}{% endmacro %}x
{{ 'a<b'|safe + '<i>' + [1]|tojson }} {{ '<'|safe ~ '<' }} {{ '<' + ('&'|safe)|upper }} {{ ('x'|safe)|replace('x', '<') + '<' }} {{ ['<'|safe, '<'|e] }} {{ ('<a '|safe).strip() + '<' }} {{ '<'|e|e }} {{ ('<'|safe)[0] + '>' }} {{ ('<b>'|safe).split('b')[0] + '&' }} {{ ('<'|safe) * 2 + '"' }} {{ ('-'|safe).join(['<', '>'|safe]) }} {{ ('<'|safe)|trim + '<' }} {{ ('<'|safe)|string + '<' }} {{ ('<'|safe)|list|join + '<' }} {{ ('a<'|safe)|indent + '<' }} {{ ('a<'|safe)|reverse + '<' }}
{{ [1, 2] | map('string') | tojson }}
{{ [1, 2] | select | length }}
{% if messages | selectattr('role', 'equalto', 'nobody') %}always true{% endif %}{% set g = [1, 2, 3] | select %}{{ 2 in g }}{{ g | list }}{{ g | list }}{% set h = [1, 2] | reverse %}{{ h | first }}{{ h | first }}{{ h | first is defined }}{{ ([1] | select)[0] is defined }}{{ [1] | select is sequence }}{{ x.items() is sequence }}{{ {'a': 1}.items()[0] is defined }}{{ {'a': 1} | items | list }}{{ {'a': 1}.items() | length }}
{{ ([1] | select)[1:] }}
{{ {'a': 1}.items() | tojson }}
{{ range(3) | tojson }}
{{ (1, 2) }} {{ (1,) }} {{ () }} {{ (1, 2) == [1, 2] }} {{ (1, 2) + (3,) }} {{ (1, 2)[1:] }} {{ (1, 2) | tojson }} {{ [undefined_thing] }} {{ range(4)[1] }} {{ range(5)[1:3] | list }} {{ 5 | round }} {{ 2.675 | round(2) }} {{ true | round }} {{ 1 is sameas true }} {{ 'foo\'s (bar) x-ray' | title }} {{ "foo's" .title() }} {{ 'a\r\nb\x0bc\u2028d' | indent }} {{ 'a\x0bb\u2028c\x85d'.splitlines() }} {{ ' a  b '.split(none, 1) }}
{{ (1, 2) + [3] }}
{{ 'ab'.startswith(['a']) }}
{{ [[1], [1]] | unique | list }}
{{ [] in {} }}
{{ {[]: 1} }}
{{ undefined_thing | int }}
{{ [1] | indent }}
{{ dict(a=1, b='x') }} {{ '<a>' | e }} {{ [1, 2] + [3] }} {{ [0] * 3 }} {{ 'a' ~ [1] }} {{ "%" }} {{ '{{' }} {{ "}}" }}
"""
BLOCKS = ["  {% if true %}\n  a\n  {% endif %}\n  b\n", "x\n   {%- if true -%}   \n a \n {%- endif -%}  \n y", "{% if true +%}\n a{% endif %}\n\n\nb\n\n",
          "  {{ 1 }}\n  {#- c -#}  \n  {{ 2 }}\n", "\t{%+ if true %}\tx\n\t{% endif %}y", "a\r\nb{% if true %}\r\nc{% endif %}\n", "{{ 1 -}}  \n\n {{- 2 }}\n {{ 3 }}",
          "{% set x = [\n1,\n2] %}{{ x }}\n{# {{ hidden }} {% broken #}\nz", "x\n  {% raw %}\n{{ no }}\n   {% endraw %}\ny", "{% raw -%}\n a {%- endraw -%}\n b", "x {%- raw %}\n\n{{ {% endraw %} y", "{% raw %}a\n  {%+ endraw %}\n  {{ 1 }}",
          "{%- for m in messages %}\n{{ m.role }}\n{%- endfor %}\n", "{{\n'a'\n}}", ""]
BROKEN = ["{{ 1", "{% if %}x{% endif %}", "{% if 1 %}x", "{% for x y %}{% endfor %}", "{{ 'a }}", "{{ a | nofilter }}", "{{ a is notest }}", "{% unknown %}",
          "{{ 1 + }}", "{{ (1 }}", "{{ [1, }}", "{% endif %}", "{# no end", "{{ a.1b }}", "{% set = 1 %}", "{{ f(a=1, 2) }}", "{{ ? }}", "{% macro m( %}{% endmacro %}",
          "{{ 1 // 0 }}", "{{ none + 1 }}", "{{ nothing() }}", "{% set a.b = 1 %}", "{% for a, b in [1] %}{% endfor %}", "{{ [1, 'a'] | sort }}"]


def put(template, variables):
    result = reference(template, variables)
    for name, text in (("T", template), ("V", json.dumps(variables)), ("R", "") if isinstance(result, Exception) else ("O", result)):
        data = text.encode()
        sys.stdout.buffer.write(b"%s %d\n" % (name.encode(), len(data)) + data + b"\n")


for template in (CHATML, HEADERS, INST):
    for variables in CASES.values():
        put(template, variables)
VARIABLES = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "x": {}, "items": [{"n": 1, "s": "one"}, {"n": 2, "s": "two"}]}
for template in SNIPPETS.strip().split("\n") + BLOCKS + BROKEN:
    put(template, VARIABLES)

seeds = pathlib.Path(__file__).resolve().parent.parent / "tests" / "corpus" / "chat"
seeds.mkdir(parents=True, exist_ok=True)
inputs = [(t, CASES["answered"]) for t in (CHATML, HEADERS, INST)] + [(t, VARIABLES) for t in SNIPPETS.strip().split("\n") + BLOCKS]
for i, (template, variables) in enumerate(inputs):
    (seeds / f"{i:02}").write_bytes(template.encode() + b"\0" + json.dumps(variables).encode())
