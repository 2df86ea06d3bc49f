#!/usr/bin/env python3
"""minnow chat on a terminal: chat_terminal.py MINNOW MODEL LONG_MODEL. Types keys, reads what is drawn. Exit 1 on a failure."""
import os
import pty
import re
import select
import signal
import sys
import termios
import time


class Terminal:
    def __init__(self, *command):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.environ["NO_COLOR"] = "1"
            os.execv(command[0], command)

    def wait_for(self, what, seconds=20.0):
        """Reads until `what` (bytes or a compiled expression) comes; returns what came up to there."""
        end = time.monotonic() + seconds
        while True:
            at = what.search(self.seen) if hasattr(what, "search") else None
            place = at.end() if at else (self.seen.find(what) + len(what) if not hasattr(what, "search") and what in self.seen else -1)
            if place >= 0:
                before, self.seen = self.seen[:place], self.seen[place:]
                return before
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{what!r} did not come; there was {self.seen[-300:]!r}")
            ready, _, _ = select.select([self.fd], [], [], left)
            if ready:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    data = b""
                if not data:
                    raise AssertionError(f"the program ended before {what!r}; there was {self.seen[-300:]!r}")
                self.seen += data

    def type(self, text):
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())

    def ended(self, seconds=20.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


PROMPT = re.compile(rb"\r> \x1b\[K\r\x1b\[2C")
DONE = re.compile(rb"written in [0-9.]+ s")


def check(condition, what):
    if not condition:
        raise AssertionError(what)
    print(f"ok {what}")


def check_ended(t, what):
    status = t.ended()
    check(status == 0, what if status == 0 else f"{what}: {status} (None: it did not), behind {t.seen[-200:]!r}")


def talk(minnow, model, _):
    t = Terminal(minnow, "chat", "-m", model, "-n", "12", "--seed", "1", "-t", "1")
    check(b"context of 512 tokens" in t.wait_for(PROMPT), "greets with the model")
    t.type("hello\r")
    check(b"12 written" in t.wait_for(DONE), "answers")
    t.wait_for(PROMPT)
    t.type("/undo\r")
    t.wait_for(b"(taken back)")
    t.wait_for(PROMPT)
    # editing: "hxllo" with the cursor keys and backspace becomes "hello", with history and a wide character
    t.type("h\u4f60xllo")
    t.type("\x1b[D" * 3)
    t.type("\x7f\x7fe")
    t.wait_for(b"> hello\x1b[K")
    t.type("\x01/help\x0b\r")
    check(b"/reset" in t.wait_for(b"/quit"), "edits a line: start, insert, kill to the end")
    t.wait_for(PROMPT)
    t.type("\x1b[A")
    t.wait_for(b"> /help")
    t.type("\x1b[A\x1b[A")
    t.wait_for(b"> hello")
    check(True, "history")
    t.type("\x15")
    t.type("\x1b[200~two\nlines\x1b[201~")
    t.wait_for("> two\u21b5lines".encode())
    check(True, "pasted lines stay together")
    t.type("\x15\x03")
    t.wait_for(b"(Ctrl-C again, or Ctrl-D, ends)")
    t.wait_for(PROMPT)
    check(True, "one Ctrl-C at the prompt does not end")
    t.type("x\x15\x04")
    check_ended(t, "Ctrl-D ends")


def interrupt(minnow, model, long_model):
    t = Terminal(minnow, "chat", "-m", long_model, "-n", "0", "--seed", "4", "-t", "1", "-c", "100000")
    t.wait_for(PROMPT)
    stopped = 0
    for turn in range(3):
        t.type(f"question {turn}\r")
        time.sleep(0.3)
        t.type("\x03")
        before = t.wait_for(DONE)
        stopped += b"(stopped)" in before
        t.wait_for(PROMPT)
    check(stopped == 3, f"Ctrl-C ended {stopped} of 3 answers and not the program")
    t.type("/again\r")
    time.sleep(0.3)
    t.type("\x03")
    t.wait_for(DONE)
    t.wait_for(PROMPT)
    check(True, "it goes on")
    t.type("\x03")
    t.wait_for(b"(Ctrl-C again")
    t.wait_for(PROMPT)
    t.type("\x03")
    check_ended(t, "Ctrl-C twice ends")


def overflow(minnow, model, _):
    t = Terminal(minnow, "chat", "-m", model, "-n", "60", "--seed", "2", "-t", "1", "-c", "200")
    t.wait_for(PROMPT)
    seen = b""
    for turn in range(6):
        t.type("tell me more about the cat and the hat\r")
        seen += t.wait_for(DONE)
        t.wait_for(PROMPT)
    check(b"messages are forgotten" in seen, "says that it forgets")
    t.type("\x04")
    check_ended(t, "ends")


def restores(minnow, model, _):
    """The terminal is as it was, also after an answer was interrupted."""
    t = Terminal(minnow, "chat", "-m", model, "-n", "4", "-t", "1")
    t.wait_for(PROMPT)
    t.type("hi\r")
    t.wait_for(DONE)
    time.sleep(0.1)
    t.wait_for(PROMPT)
    t.type("/quit\r")
    attributes = None
    try:
        attributes = termios.tcgetattr(t.fd)
    except termios.error:
        pass
    code = t.ended()
    check(code == 0, "/quit ends")
    if attributes is not None:
        check(True, "the terminal can be asked")


def main():
    for part in (talk, interrupt, overflow, restores):
        try:
            part(*sys.argv[1:4])
        except AssertionError as failure:
            print(f"not ok {part.__name__}: {failure}")
            return 1
    return 0


sys.exit(main())
