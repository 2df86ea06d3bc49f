#!/usr/bin/env python3
"""A service that answers badly on purpose: cloud_double.py FOLDER [--tls CERT KEY].

Listens on 127.0.0.1 at a port of the system's choice, which it writes to FOLDER/port once it is ready. The first
part of a request's path names what happens ("/slow/v1/chat/completions"; FAULTS below), and "+NAME" after it
keeps apart counters of tests that use the same fault. Every byte that came in goes to FOLDER/seen, so that a test
can prove what was never sent. FOLDER/count/NAME holds how many requests a name had.
"""
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

folder = sys.argv[1]
lock = threading.Lock()
counts = {}

USAGE = {"prompt_tokens": 20, "completion_tokens": 3}


def answer(text, **more):
    return json.dumps({"model": "double-1", "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                       "usage": USAGE, **more}).encode()


def block(text, asked):
    """Anthropic's: text, or the one tool that has to be called with it as its input."""
    if "tool_choice" in asked:
        return {"type": "tool_use", "id": "t1", "name": asked["tool_choice"]["name"], "input": json.loads(text)}
    return {"type": "text", "text": text}


def message(text, asked):
    return json.dumps({"model": "double-2", "role": "assistant", "content": [block(text, asked)], "stop_reason": "end_turn",
                       "usage": {"input_tokens": 20, "output_tokens": 3}}).encode()


def message_events(text):
    events = [{"type": "message_start", "message": {"model": "double-2", "usage": {"input_tokens": 20, "output_tokens": 1}}},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
              *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ch}} for ch in text),
              {"type": "content_block_stop", "index": 0},
              {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
              {"type": "message_stop"}]
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def http(status, body, *headers):
    head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close",
            "Content-Type: application/json", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def event(text):
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
STREAM_END = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n"


def reset(c):
    """Closes with RST instead of FIN."""
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def good(c, body, n):
    """Says back what follows SAY in the last message, else "Lima"; in OpenAI's or Anthropic's words, whole or as a stream."""
    text = "Lima"
    try:
        asked = json.loads(body)
        said = asked["messages"][-1]["content"]
        if said.startswith("SAY "):
            text = said[4:]
        if "system" in asked:
            stream = asked.get("stream") and "tool_choice" not in asked
            c.sendall(STREAM_HEAD + message_events(text) if stream else http(200, message(text, asked)))
            return
        if asked.get("stream"):
            c.sendall(STREAM_HEAD + b"".join(event(ch) for ch in text) + STREAM_END)
            return
    except (ValueError, KeyError, IndexError, TypeError):
        pass
    c.sendall(http(200, answer(text)))


def slow_first(c, body, n):
    time.sleep(0.4)
    good(c, body, n)


def drip(c, body, n):
    c.sendall(STREAM_HEAD)
    for part in [event("Li"), event("ma"), STREAM_END]:
        for i in range(0, len(part), 40):
            c.sendall(part[i:i + 40])
            time.sleep(0.01)


def drip_body(c, body, n):
    """A whole answer, a few bytes at a time."""
    said = http(200, answer("Lima"))
    for i in range(0, len(said), 30):
        c.sendall(said[i:i + 30])
        time.sleep(0.02)


def drip_forever(c, body, n):
    c.sendall(STREAM_HEAD)
    for _ in range(3000):
        c.sendall(event("a"))
        time.sleep(0.02)


def broken_stream(c, body, n):
    c.sendall(STREAM_HEAD + event("Li"))
    time.sleep(0.02)
    reset(c)


def cut_short(c, body, n):
    c.sendall(http(200, answer("Lima"))[:-9])


def hang(c, body, n):
    time.sleep(30)


def once(first):
    """Only the first request fails."""
    def f(c, body, n):
        (first if n == 1 else good)(c, body, n)
    return f


def refuse(status, *headers):
    def f(c, body, n):
        c.sendall(http(status, b'{"error":{"message":"no"}}', *headers))
    return f


def says(text):
    def f(c, body, n):
        c.sendall(http(200, answer(text)))
    return f


FAULTS = {
    "good": good,
    "slow": slow_first,
    "drip": drip,
    "dripbody": drip_body,
    "dripforever": drip_forever,
    "reset": lambda c, body, n: reset(c),
    "resetonce": once(lambda c, body, n: reset(c)),
    "broken": broken_stream,
    "brokenonce": once(broken_stream),
    "short": cut_short,
    "429": refuse(429, "Retry-After: 1"),
    "429once": once(refuse(429, "Retry-After: 1")),
    "500": refuse(500),
    "500once": once(refuse(500)),
    "400": refuse(400),
    "401": refuse(401),
    "redirect": refuse(302, "Location: http://127.0.0.1:1/elsewhere"),
    "nojson": lambda c, body, n: c.sendall(http(200, b"<html>busy</html>")),
    "garbage": lambda c, body, n: c.sendall(b"\x00\x01\x02 what"),
    "wrongschema": says('{"nonsense":true}'),
    "wrongsum": says('{"items":[{"total":"1.00"},{"total":"2.00"}],"total":"4.00"}'),
    "hang": hang,
}


def read_request(c):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = c.recv(65536)
        if not piece:
            return data, b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        piece = c.recv(65536)
        if not piece:
            break
        body += piece
    return head, body


def serve(c, context):
    try:
        if context:
            c = context.wrap_socket(c, server_side=True)
        c.settimeout(60)
        head, body = read_request(c)
        path = head.split(b" ")[1].decode() if b" " in head else "/"
        name = path.split("/")[1]
        with lock:
            counts[name] = n = counts.get(name, 0) + 1
            with open(f"{folder}/seen", "ab") as f:
                f.write(head + b"\r\n\r\n" + body + b"\n")
            with open(f"{folder}/count/{name}", "w") as f:
                f.write(str(n))
        FAULTS[name.split("+")[0]](c, body, n)
    except (OSError, KeyError, IndexError, ValueError):
        pass
    finally:
        c.close()


def main():
    context = None
    if "--tls" in sys.argv:
        at = sys.argv.index("--tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[at + 1], sys.argv[at + 2])
    os.makedirs(f"{folder}/count", exist_ok=True)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    with open(f"{folder}/port.new", "w") as f:
        f.write(str(listener.getsockname()[1]))
    os.rename(f"{folder}/port.new", f"{folder}/port")
    while True:
        c, _ = listener.accept()
        threading.Thread(target=serve, args=(c, context), daemon=True).start()


main()
