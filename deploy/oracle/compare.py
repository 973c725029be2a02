#!/usr/bin/env python3
"""Compare `onestop rules decide` with the oracle, case by case, to the fen.

    compare.py [--onestop BINARY] [--show N] FOLDER…

The binary's path may also stand in $ONESTOP. The first N differences (10) are printed in full.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import evaluate


def same_keys(answer, expected):
    """The answer without what the oracle says nothing about."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return {name: same_keys(answer.get(name, "(absent)"), expected[name]) for name in expected}
    if isinstance(expected, list) and isinstance(answer, list):
        return [same_keys(a, e) for a, e in zip(answer, expected)] + answer[len(expected):]
    return answer


def differences(answer, expected):
    found = []
    for name, wanted in expected.items():
        got = answer.get(name, "(absent)")
        if name == "counted" and isinstance(got, dict):
            got = {key: amount for key, amount in got.items() if amount != 0}
        else:
            got = same_keys(got, wanted)
        # 1 == True in Python, and a float is never right
        if json.dumps(got, sort_keys=True) != json.dumps(wanted, sort_keys=True):
            found.append((name, wanted, got))
    return found


class Comparison:
    def __init__(self, show):
        self.passed = self.failed = 0
        self.show = show
        self.started = self.reported = time.monotonic()
        self.package_path = self.package = None
        self.file_path = self.cases = None
        self.seen = {}

    def progress(self):
        now = time.monotonic()
        if now - self.reported >= 2:
            self.reported = now
            seconds = int(now - self.started)
            print(f"{seconds} s: {self.passed} passed, {self.failed} failed", file=sys.stderr, flush=True)

    def fail(self, package, file, case, *lines):
        self.failed += 1
        if self.failed <= self.show:
            print(f"DIFFERS {package}\n   file {file}\n   case {case}")
            for line in lines:
                print("  ", line)
            sys.stdout.flush()

    def expected(self, package_path, file_path, position):
        if package_path != self.package_path:
            self.package = evaluate.Package(evaluate.load(package_path))
            self.package_path = package_path
        if file_path != self.file_path:
            self.cases = evaluate.load(file_path).get("case", [])
            self.file_path = file_path
        case = self.cases[position]
        return case["name"], evaluate.settle(self.package, case)

    def line(self, text):
        try:
            answer = json.loads(text)
            package, file, name = answer["package"], answer["file"], answer["case"]
        except (ValueError, KeyError, TypeError):
            self.fail("?", "?", "?", f"not a line of `rules decide`: {text.strip()}")
            return
        real = os.path.realpath(file)
        position = self.seen.get(real, 0)
        self.seen[real] = position + 1
        try:
            own_name, expected = self.expected(os.path.realpath(package), real, position)
        except Exception as error:  # whatever it is, it is one failed case and not the end
            self.fail(package, file, name, f"the oracle failed: {type(error).__name__}: {error}", f"onestop: {text.strip()}")
            return
        if own_name != name:
            self.fail(package, file, name, f"case {position + 1} of the file is {own_name!r}")
            return
        found = differences(answer, expected)
        if not found:
            self.passed += 1
            return
        lines = []
        for field, wanted, got in found:
            lines.append(f"{field}:")
            lines.append(f"    oracle  {json.dumps(wanted, ensure_ascii=False)}")
            lines.append(f"    onestop {json.dumps(got, ensure_ascii=False)}")
        lines.append(f"all of oracle:  {json.dumps(expected, ensure_ascii=False)}")
        lines.append(f"all of onestop: {text.strip()}")
        self.fail(package, file, name, *lines)

    def missing(self, folders):
        """Every case must have had its line."""
        for package in evaluate.packages_below(folders):
            for file in evaluate.case_files(package):
                seen = self.seen.get(os.path.realpath(file), 0)
                for case in evaluate.load(file).get("case", [])[seen:]:
                    self.fail(package, file, case["name"], "onestop printed no line for this case")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onestop", default=os.environ.get("ONESTOP"), help="path of the binary; default $ONESTOP")
    parser.add_argument("--show", type=int, default=10, help="how many differences to print in full")
    parser.add_argument("folder", nargs="+")
    options = parser.parse_args()
    if not options.onestop:
        parser.error("no binary: set ONESTOP or give --onestop")
    comparison = Comparison(options.show)
    with tempfile.TemporaryFile() as complaints:
        command = [options.onestop, "rules", "decide", *options.folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, encoding="utf-8") as process:
            for text in process.stdout:
                if text.strip():
                    comparison.line(text)
                comparison.progress()
        comparison.missing(options.folder)
        if process.returncode != 0 or comparison.failed:
            complaints.seek(0)
            tail = complaints.read()[-4000:].decode("utf-8", "replace").strip()
            if tail:
                print(f"onestop's standard error ends:\n{tail}")
        if process.returncode != 0:
            comparison.failed += 1
            print(f"onestop ended with code {process.returncode}")
    print(f"{comparison.passed} passed, {comparison.failed} failed")
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(main())
