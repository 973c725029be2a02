#!/usr/bin/env python3
"""Verifies an evidence bundle of onestop, but for deciding anew, with nothing but Python's own library: verify_bundle.py BUNDLE [ROOTS]

Written from src/bundle/FORMAT.md alone. Ends with 0 where all holds, with 2 and the first file, record and field that does not, or where the
bundle ends before the roots do, and with 64 where a file can not be read.
"""
import hashlib
import json
import sys
import zipfile
from collections import Counter
from datetime import date, datetime, timedelta

ZEROS, EPOCH, PART = bytes(32), datetime(1970, 1, 1), 1 << 14


def need(holds, *where):
    if not holds:
        raise ValueError(", ".join(str(part) for part in where))


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Ed25519 as in RFC 8032, 5.1.7.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(p, q):
    (x, y), (u, v) = p, q
    d = D * x * u * y * v
    return (x * v + u * y) * pow(1 + d, -1, P) % P, (y * v + x * u) * pow(1 - d, -1, P) % P


def times(scalar, p):
    q = (0, 1)
    for bit in bin(scalar)[2:]:
        q = add(q, q)
        q = add(q, p) if bit == "1" else q
    return q


def point(data):
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    need(y < P and x * x % P == square and (x or not sign), "a key or signature is no point of the curve")
    return P - x if x & 1 != sign else x, y


def is_signed(key, message, signature):
    base, r, s = point((4 * pow(5, -1, P) % P).to_bytes(32, "little")), signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return len(signature) == 64 and s < L and times(s, base) == add(point(r), times(h, point(key)))


class Reader:
    """Reads the words of the encoding: v varint, s signed, t text, h hash, d date."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        need(self.at + length <= len(self.data), "cut off")
        self.at += length
        return self.data[self.at - length:self.at]

    def v(self):
        number = shift = 0
        while (byte := self.take(1)[0]) > 127:
            number, shift = number | (byte & 127) << shift, shift + 7
        return number | byte << shift

    def all(self, kinds):
        signed = lambda number: number >> 1 ^ -(number & 1)
        read = {
            "v": self.v,
            "s": lambda: signed(self.v()),
            "t": lambda: self.take(self.v()).decode(),
            "h": lambda: self.take(32),
            "d": lambda: date(*(signed(self.v()) for _ in range(3))),
        }
        return [read[kind]() for kind in kinds]

    def list(self, kinds):
        return [self.all(kinds) for _ in range(self.v())]


def day_of(micros):
    return (EPOCH + timedelta(microseconds=micros, hours=8)).date()


def check_signed(heads, file):
    for line, of in enumerate(heads, 1):
        micros = (datetime.strptime(of["sealed_at"], "%Y-%m-%dT%H:%M:%S.%fZ") - EPOCH) // timedelta(microseconds=1)
        key, root, previous, signature = (bytes.fromhex(of[name]) for name in ("public_key", "root", "previous", "signature"))
        need(of["format"] == "onestop-seal-head-v1" and sha(key)[:8].hex() == of["key_id"], file, f"line {line}", "key_id")
        body = b"onestop-seal-head-v1\0\x01" + int(of["region"]).to_bytes(4, "big") + of["day"].encode()
        body += of["leaves"].to_bytes(8, "big") + root + previous + micros.to_bytes(8, "big", signed=True) + sha(key)[:8]
        need(sha(body).hex() == of["head"] and is_signed(key, body, signature), file, f"line {line}", "signature")


def check_chain(heads, file="heads.jsonl"):
    for before, head in zip(heads, heads[1:]):
        follows = date.fromisoformat(before["day"]) + timedelta(days=1) == date.fromisoformat(head["day"])
        need(follows and head["previous"] == before["head"], file, head["day"], "previous")


def root_of(leaves):
    """The root of a tree of RFC 6962: hashes are joined in pairs, and one that is left over waits for the next level."""
    while len(leaves) > 1:
        pairs = [sha(b"\x01", *pair) for pair in zip(leaves[::2], leaves[1::2])]
        leaves = pairs + leaves[len(leaves) & ~1:]
    return leaves[0] if leaves else sha()


def check_settlement(shown, pseudonym, region, day, packages):
    row = Reader(shown)
    of = Reader(row.take(row.v()))
    state, _, level, *_, accounting_day, _, _ = row.all("ttstttttdtv")
    header = of.all("vttsttsddvvtshsssh")
    version, name, request, person, _, stay, _, _, _, insured, _, _, year, package, _, ledger, micros, lines = header
    need(version == 1 and row.at == len(shown) and state in ("final", "provisional"), name, "row")
    need((request, person, stay, lines) == ("", 0, "", ZEROS), name, "it shows what is hidden")
    need(insured == int(region) and package.hex() in packages, name, "insured_region, package")
    need(day_of(micros) <= accounting_day == day, name, "accounting_day")
    reverses, before = None, None
    if of.v() == 1:
        reverses, other = of.all("th")
        need(other == ZEROS, name, "it shows what is hidden")
    else:
        of.list("s")
        need(of.v() == level, name, "hospital_level")
        of.all("vvvvssvsvtts"), of.list("vs"), of.list("v")
        before = [fen for fen, in of.list("s")]
        for _ in range(of.v()):
            _, says, *_ = of.all("vvss")
            of.all("s" * (says >> 1))
    amounts, layers, fixed, _, moved = of.all("s" * 18), *(of.list("vsssv") for _ in range(3)), of.list("vs")
    need(amounts[0] == sum(amounts[1:5]) == sum(amounts[6:]), name, "amounts")
    need(sum(layer[3] for layer in layers) == sum(amounts[6:17]), name, "layers")
    after = before and before[:]
    for slot, by in moved if before else ():
        after[slot] += by
    effect = (reverses, amounts + [layer[3] for layer in layers + fixed], moved)
    return name, (effect, (pseudonym, ledger, (package, year), before, after))


def check_posting(shown, pseudonym, region, day, _):
    of = Reader(shown)
    name, its_region, _, its_day, posted_at = of.all("tvtds")
    of.all("vtst")
    sums, lines = Counter(), of.list("ttts")
    for _, fund, _, fen in lines:
        sums[fund] += fen
    need(its_region == int(region) and its_day == day <= day_of(posted_at), name, "region, accounting_day, posted_at")
    need(lines and not any(sums.values()) and of.at == len(shown), name, "lines")
    return name, None


def check_day(bundle, head, packages, seen):
    day, hashes, parts = date.fromisoformat(head["day"]), [], 0
    while len(hashes) < head["leaves"]:
        file = f"days/{day}/{parts:05}.leaves"
        of, parts = Reader(bundle.read(file)), parts + 1
        for at in range(min(head["leaves"] - len(hashes), PART)):
            try:
                leaf = of.take(int.from_bytes(of.take(4), "big"))
                kind, is_shown = leaf[0], leaf[1]
                need(len(leaf) == 34 if (kind, is_shown) == (3, 0) else kind in (1, 2) and is_shown == 1, "kind, or not shown")
                content = sha(b"\3", leaf[2:66], leaf[82:]) if is_shown else leaf[2:]
                hashes.append(sha(b"\0\1", leaf[:1], content))
                if is_shown:
                    check = check_settlement if kind == 1 else check_posting
                    name, effect = check(leaf[82:], leaf[66:82], head["region"], day, packages)
                    need(name not in seen[kind], name, "it is there twice")
                    seen[kind][name] = effect
            except (ValueError, IndexError, OverflowError) as bad:
                raise ValueError(f"{file}, leaf {at}, {bad}") from bad
        need(of.at == len(of.data), file, "more follows")
    need(root_of(hashes).hex() == head["root"], f"days/{day}/00000.leaves", "root")
    return {"day": head["day"], "leaves": head["leaves"], "parts": parts}


def check_records(settlements):
    undone = set()
    for name, ((reverses, amounts, moved), _) in settlements.items():
        if reverses in settlements:
            undoes, before, moved_before = settlements[reverses][0]
            need(undoes is None, name, "reverses", "what it undoes is no settlement")
            negated = ([-fen for fen in before], [[slot, -by] for slot, by in moved_before])
            need(reverses not in undone and (amounts, moved) == negated, name, "amounts", f"it does not undo {reverses}")
            undone.add(reverses)
    links = sorted((link[:2], name, link[2:]) for name, (_, link) in settlements.items())
    for (one, _, (rules, _, after)), (other, name, (its_rules, before, _)) in zip(links, links[1:]):
        need(one != other, name, "ledger_version")
        follows = one[0] == other[0] and one[1] + 1 == other[1] and rules == its_rules and after and before
        need(not follows or after == before, name, "before", "it does not follow from the record before it")


def check_files(bundle):
    """The manifest, its signature, and that the files are those that it names; the manifest, and who signed it."""
    signed, raw = bundle.read("manifest.json"), bundle.read("manifest.sig")
    manifest, sig = json.loads(signed), json.loads(raw)
    key = bytes.fromhex(sig["public_key"])
    written = json.dumps({name: sig[name] for name in ("key_id", "public_key", "signature")}, separators=(",", ":"))
    need(written.encode() == raw and sha(key)[:8].hex() == sig["key_id"], "manifest.sig", "key_id")
    message = b"onestop-bundle-manifest-v1\0" + signed
    need(is_signed(key, message, bytes.fromhex(sig["signature"])), "manifest.json", "signature")
    need(manifest["format"] == "onestop-evidence-bundle-v1", "manifest.json", "format")
    known = "format region month through made_at made_by leaves shown postings days packages files"
    need(sorted(manifest) == sorted(known.split()), "manifest.json", "it has other fields")
    names = [entry["name"] for entry in manifest["files"]] + ["manifest.json", "manifest.sig"]
    need(sorted(names) == sorted(bundle.namelist()), "manifest.json", "files", "missing, added or twice",
         set(names) ^ set(bundle.namelist()))
    for entry in manifest["files"]:
        need(bundle.getinfo(entry["name"]).file_size == entry["bytes"], entry["name"], "bytes")
        need(sha(bundle.read(entry["name"])).hex() == entry["sha256"], entry["name"], "sha256")
    return manifest, sig["public_key"]


def verify(path, roots=None):
    bundle = zipfile.ZipFile(path)
    manifest, signer = check_files(bundle)
    heads = [json.loads(line) for line in bundle.read("heads.jsonl").splitlines()]
    check_signed(heads, "heads.jsonl"), check_chain(heads)
    region, month = manifest["region"], [head for head in heads if head["day"][:7] == manifest["month"]]
    need(all(head["region"] == region for head in heads), "heads.jsonl", "region")
    begins = len(heads) == len(month) + 1 or len(heads) == len(month) and heads[0]["previous"] == ZEROS.hex()
    need(month and begins and month[-1]["day"] == manifest["through"], "heads.jsonl", "day")
    notes = [] if roots else ["Self-consistent only: no roots were given."]
    if roots:
        of_region = [root for root in roots if root["region"] == region]
        check_signed(of_region, "the roots")
        kept = {root["day"]: root["head"] for root in of_region}
        need(month[-1]["day"] in kept, "heads.jsonl", month[-1]["day"], "not in the roots")
        for head in heads:
            need(kept.get(head["day"], head["head"]) == head["head"], "heads.jsonl", head["day"], "not the root")
        last = max(day for day in kept if day[:7] == manifest["month"])
        notes.append("It agrees with the roots.")
        if last > manifest["through"]:
            notes.append(f"INCOMPLETE: the bundle ends on {manifest['through']}, the roots go on to {last}")
    if signer not in {head["public_key"] for head in heads + (roots or [])}:
        notes.append("Note: the key that signed the manifest signed no head here or in the roots: pseudonyms are not proven")
    for package in manifest["packages"]:
        data = bundle.read(f"packages/{package}.package")
        need(sha(b"onestop-rule-package-v1\0", data).hex() == package, f"packages/{package}.package", "hash")
    seen = {1: {}, 2: {}}
    told = [check_day(bundle, head, manifest["packages"], seen) for head in month]
    need(told == manifest["days"], "manifest.json", "days")
    need([len(seen[1]), len(seen[2])] == [manifest["shown"], manifest["postings"]], "manifest.json", "shown, postings")
    check_records(seen[1])
    leaves = sum(head["leaves"] for head in month)
    found = f"{len(month)} days, {leaves} leaves, {len(seen[1])} settlements and reversals, {len(seen[2])} postings"
    return f"VERIFIES: {found}; decisions were not made anew", notes


def main(path, roots_path=None):
    roots = None
    try:
        open(path, "rb").close()
        if roots_path:
            with open(roots_path, "rb") as file:
                roots = [json.loads(line) for line in file]
            need(roots, roots_path, "no roots")
    except (OSError, ValueError) as bad:
        print(f"CAN NOT READ: {bad}")
        return 64
    try:
        found, notes = verify(path, roots)
    except Exception as bad:  # Whatever a damaged file leads to, it does not verify.
        print(f"DOES NOT VERIFY: {bad if isinstance(bad, ValueError) else repr(bad)}")
        return 2
    print("\n".join([found, *notes]))
    return 2 if any(note.startswith("INCOMPLETE") for note in notes) else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        print("usage: verify_bundle.py BUNDLE [ROOTS]")
        sys.exit(64)
    sys.exit(main(*sys.argv[1:]))
