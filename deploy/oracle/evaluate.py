#!/usr/bin/env python3
"""Settle cases of a rule package, exactly as settlement-rules/README.md says.

    evaluate.py PATH…      prints one JSON line for each case of every package below PATH

Amounts are whole fen (int) or, before they are rounded, exact fen (Fraction). There is no float.
Comments name the section of the README that a step comes from.
"""

import functools
import json
import os
import re
import sys
import tomllib
from fractions import Fraction

KINDS = ("in_scope", "advance", "over_limit", "out_of_catalogue")
PARTS = ("base", "pay", "deductible", "excess", "cut")
ONE = Fraction(1)
ZERO = Fraction(0)


class Declined(Exception):
    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Needs(Exception):
    def __init__(self, layer, base):
        super().__init__(layer)
        self.layer = layer
        self.base = base


class Malformed(Exception):
    """The package or case does not follow the format."""


# --- §1 figures ---------------------------------------------------------------------------------

AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]{1,2})?")
RATIO = re.compile(r"-?[0-9]+(\.[0-9]{1,9})?")


@functools.lru_cache(maxsize=65536)
def fen(text):
    """An amount in yuan as whole fen."""
    if not isinstance(text, str) or not AMOUNT.fullmatch(text):
        raise Malformed(f"not an amount: {text!r}")
    value = Fraction(text) * 100
    return value.numerator


@functools.lru_cache(maxsize=65536)
def number(text):
    """A ratio, weight, factor, quantity or number fact."""
    if not isinstance(text, str) or not RATIO.fullmatch(text):
        raise Malformed(f"not a ratio: {text!r}")
    return Fraction(text)


def rounded(value, mode):
    """Whole fen. Of a negative value the size is rounded: half_up away from zero, down towards it."""
    if isinstance(value, int):
        return value
    size, denominator = abs(value.numerator), value.denominator
    if denominator == 1:
        return value.numerator
    whole, rest = divmod(size, denominator)
    if mode == "half_up":
        whole += 2 * rest >= denominator
    elif mode == "half_even":
        whole += 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
    elif mode == "up":
        whole += 1
    elif mode != "down":
        raise Malformed(f"no such rounding: {mode!r}")
    return -whole if value.numerator < 0 else whole


def rounded_ratio(value):
    """Half-up to nine decimals (§7)."""
    if value.denominator == 1:
        return value
    return Fraction(rounded(value * 10**9, "half_up"), 10**9)


def no_float(text):
    raise Malformed(f"numbers with a point stand in quotes: {text}")


def load(path):
    with open(path, encoding="utf-8") as file:
        return tomllib.loads(file.read(), parse_float=no_float)


# --- §2 the package -----------------------------------------------------------------------------


class Package:
    def __init__(self, table):
        self.table = table
        self.region = table.get("region", "000000")
        self.rounding = table.get("rounding", "half_up")
        self.identities = [row["code"] for row in table.get("identity", [])]
        self.payers = {row["name"]: row["kind"] for row in table.get("payer", [])}
        self.declared = {row["name"]: row["counts_as"] for row in table.get("amount", [])}
        self.kind_of = {**{kind: kind for kind in KINDS}, **self.declared}
        self.indexes = {row["name"]: row["amount"] for row in table.get("index", [])}
        self.facts = {row["name"]: row for row in table.get("fact", [])}
        self.class_b = number(table["class_b"]["advance"])
        self.moves = table.get("move", [])
        self.layers = table.get("layer", [])
        self.choice = table.get("identity_choice", "cascade")
        self.rank = table.get("identity_rank", [])
        self.reversed_counts = table.get("reversed_stay_counts", False)


def fact_value(kind, text):
    if kind == "number":
        return number(text)
    if kind == "yuan":
        return fen(text)
    if kind == "flag":
        if isinstance(text, bool):
            return text
        if text not in ("true", "false"):
            raise Malformed(f"not a flag: {text!r}")
        return text == "true"
    return text


# --- §10 the bill of a case ---------------------------------------------------------------------


class Bill:
    """What a case says, with the amounts after split and moves (§5)."""

    def __init__(self, package, case):
        self.package = package
        self.level = case.get("level", 1)
        self.place = case.get("place", "local")
        self.referral = case.get("referral", "none")
        self.care = case.get("care", "inpatient")
        self.age = case.get("age")
        self.diseases = case.get("diseases", [])
        self.held = case.get("identities", [])
        self.account_balance = fen(case.get("account_balance", "0"))
        self.hospital = case.get("hospital")
        here = package.region if self.place == "local" else None
        self.treatment_region = case.get("treatment_region", here)
        self.before = {key: fen(text) for key, text in case.get("before", {}).items()}
        for key, text in case.get("before_life", {}).items():
            self.before["life:" + key] = fen(text)
        self.given = {name: fen(text) for name, text in case.get("given", {}).items()}

        self.facts = {}
        told = case.get("facts", {})
        for name, row in package.facts.items():
            text = told.get(name, row.get("default"))
            if text is None:
                raise Declined("FACT_MISSING")
            self.facts[name] = fact_value(row["kind"], text)

        # §3: inpatient stays count each other, and so does every other kind of care
        stays = case.get("stays", [])
        counting = [
            stay for stay in stays
            if stay.get("care", "inpatient") == self.care
            and (package.reversed_counts or not stay.get("reversed", False))
        ]
        self.nth = 1 + len(counting)
        self.nth_same_level = 1 + sum(stay.get("level", 1) == self.level for stay in counting)
        self.transfer = "none"
        self.earlier_deductible = 0
        if "transferred_from" in case:
            earlier = stays[case["transferred_from"] - 1]
            level = earlier.get("level", 1)
            self.transfer = "up" if level < self.level else "down" if level > self.level else "level"
            self.earlier_deductible = fen(earlier.get("deductible", "0"))

        self.gross = {name: 0 for name in package.kind_of}
        for name, text in case.get("amounts", {}).items():
            if name not in self.gross:
                raise Malformed(f"no such amount: {name}")
            self.gross[name] += fen(text)
        for line in case.get("lines", []):
            self.add_line(line)
        self.total = sum(self.gross.values())
        moving = Moment(self, None, package.rounding)
        for move in package.moves:
            if "when" in move and not moving.holds(move["when"]):
                continue
            moved = rounded(moving.ratio(move["ratio"]) * self.gross[move["from"]], package.rounding)
            self.gross[move["from"]] -= moved
            self.gross[move["to"]] += moved

    def add_line(self, line):
        """§5.2 and §5.3"""
        package = self.package
        amount = fen(line["amount"])
        parts = dict.fromkeys(KINDS, 0)
        if line["class"] == "C":
            parts["out_of_catalogue"] = amount
        else:
            if "ceiling_price" in line:
                allowed = number(line.get("quantity", "1")) * fen(line["ceiling_price"])
                parts["over_limit"] = max(0, amount - rounded(allowed, package.rounding))
            if "advance" in line:
                share = number(line["advance"])
            else:
                share = package.class_b if line["class"] == "B" else ZERO
            rest = amount - parts["over_limit"]
            parts["advance"] = rounded(share * rest, package.rounding)
            parts["in_scope"] = rest - parts["advance"]
        name = line.get("name")
        for kind in KINDS:
            into = name if name is not None and package.declared[name] == kind else kind
            self.gross[into] += parts[kind]

    def of_kind(self, kind):
        return sum(value for name, value in self.gross.items() if self.package.kind_of[name] == kind)

    def measure(self, name):
        return self.total if name == "total" else self.of_kind("in_scope")


# --- §3 and §4 conditions, amounts, ratios ------------------------------------------------------


def within(value, bounds, read=lambda bound: bound):
    if "at_least" in bounds and value < read(bounds["at_least"]):
        return False
    return not ("below" in bounds and value >= read(bounds["below"]))


def every(parts):
    """False if any part is, else unknown if any is."""
    parts = list(parts)
    if False in parts:
        return False
    return None if None in parts else True


def opposite(told):
    return None if told is None else not told


class Moment:
    """One bill, one identity tried, one rounding, and what earlier layers paid."""

    def __init__(self, bill, identity, rounding, done=None):
        self.bill = bill
        self.identity = identity
        self.rounding = rounding
        self.done = done if done is not None else {}

    def age(self):
        if self.bill.age is None:
            raise Declined("FACT_MISSING")
        return self.bill.age

    def holds(self, condition):
        told = self.told(condition)
        if told is None:
            raise Declined("FACT_MISSING")
        return told

    def told(self, condition):
        """§3: True, False, or None where it hangs on an age that is not known."""
        return every(self.told_key(key, value) for key, value in condition.items())

    def told_key(self, key, value):
        bill = self.bill
        if key == "identity":
            return self.identity in value
        if key in ("level", "place", "referral", "care", "transfer", "hospital"):
            return getattr(bill, key) in value
        if key == "age":
            return None if bill.age is None else within(bill.age, value)
        if key == "stay":
            return within(bill.nth, value)
        if key == "stay_same_level":
            return within(bill.nth_same_level, value)
        if key == "disease":
            return any(group in value for group in bill.diseases)
        if key == "treatment_region":
            region = bill.treatment_region
            return region is not None and any(region.startswith(start) for start in value)
        if key == "fact":
            return all(self.holds_fact(name, wanted) for name, wanted in value.items())
        if key == "nothing_from":
            return all(self.done[name].pay == 0 for name in value)
        if key == "any":
            return opposite(every(opposite(self.told(condition)) for condition in value))
        if key == "not":
            return opposite(self.told(value))
        raise Malformed(f"no such condition: {key}")

    def holds_fact(self, name, wanted):
        kind = self.bill.package.facts[name]["kind"]
        value = self.bill.facts[name]
        if kind == "flag":
            return value == wanted
        if kind == "choice":
            return value in wanted
        return within(value, wanted, fen if kind == "yuan" else Fraction)

    def row(self, rows):
        for row in rows:
            if "when" not in row or self.holds(row["when"]):
                return row
        raise Declined("NO_ROW_MATCHES")

    def amount(self, value):
        if isinstance(value, str):
            return fen(value)
        if isinstance(value, list):
            value = self.row(value)
        if "yuan" in value:
            return fen(value["yuan"])
        result = rounded(self.reference(value["of"]) * number(value.get("times", "1")), self.rounding)
        result += fen(value.get("plus", "0"))
        if "min" in value:
            result = max(result, fen(value["min"]))
        if "max" in value:
            result = min(result, fen(value["max"]))
        return result

    def reference(self, name):
        """In fen; of an age or a number, in fen when times is yuan for one."""
        bill = self.bill
        if name == "age":
            return self.age() * 100
        if name == "account_balance":
            return bill.account_balance
        if name == "total":
            return bill.total
        start, _, rest = name.partition(".")
        if start == "index":
            own = Moment(bill, self.identity, bill.package.rounding, self.done)
            return own.amount(bill.package.indexes[rest])
        if start == "gross":
            return bill.gross[rest]
        if start == "fact":
            kind = bill.package.facts[rest]["kind"]
            if kind == "yuan":
                return bill.facts[rest]
            if kind == "number":
                return bill.facts[rest] * 100
        raise Malformed(f"no such reference: {name}")

    def ratio(self, value):
        if isinstance(value, str):
            return number(value)
        if isinstance(value, list):
            value = self.row(value)
        if "ratio" in value:
            return number(value["ratio"])
        per = value["per"]
        count = self.age() if per == "age" else self.bill.facts[per.removeprefix("fact.")]
        result = number(value["base"]) + number(value["each"]) * count
        if "min" in value:
            result = max(result, number(value["min"]))
        if "max" in value:
            result = min(result, number(value["max"]))
        return min(max(result, ZERO), ONE)

    # §7: first times, then plus; or replace

    def changed_amount(self, value, change):
        if "replace" in change:
            value = self.amount(change["replace"])
        else:
            if "times" in change:
                value = rounded(value * number(change["times"]), self.rounding)
            if "plus" in change:
                value += fen(change["plus"])
        return max(0, value)

    def changed_ratio(self, value, changes):
        for change in changes:
            if "replace" in change:
                value = rounded_ratio(self.ratio(change["replace"]))
            else:
                if "times" in change:
                    value = rounded_ratio(value * number(change["times"]))
                if "plus" in change:
                    value = rounded_ratio(value + number(change["plus"]))
        return min(max(value, ZERO), ONE)


# --- §6 layers ----------------------------------------------------------------------------------


class Outcome:
    """What one layer did on this bill."""

    def __init__(self):
        self.applied = False
        self.fixed = False
        self.base = self.pay = self.deductible = self.excess = self.cut = 0
        self.may_apply = None
        self.taken = {}
        self.counted = {}


class Run:
    """The cascade as far as it has gone."""

    def __init__(self, bill):
        self.bill = bill
        self.left = dict(bill.gross)
        self.done = {}
        self.counted = {}

    def holds_before(self, key):
        """An accumulator, with what earlier layers of this bill counted."""
        return self.bill.before.get(key, 0) + self.counted.get(key, 0)

    def paid(self, names=None):
        if names is None:
            names = self.done
        return sum(self.done[name].pay for name in names if not self.done[name].fixed)

    def accept(self, layer, outcome):
        self.done[layer["name"]] = outcome
        for name, amount in outcome.taken.items():
            self.left[name] -= amount
        for key, amount in outcome.counted.items():
            self.counted[key] = self.counted.get(key, 0) + amount

    def named(self, name):
        """A name in `base`."""
        if name in self.left:
            return self.left[name]
        if name == "total":
            return self.bill.total
        if name == "paid":
            return self.paid()
        start, _, rest = name.partition(".")
        if start == "gross":
            return self.bill.gross[rest]
        if rest in PARTS:
            return getattr(self.done[start], rest)
        raise Malformed(f"no such name in base: {name}")

    def layer(self, layer, identity):
        bill, name = self.bill, layer["name"]
        rounding = layer.get("rounding", bill.package.rounding)
        moment = Moment(bill, identity, rounding, self.done)
        out = Outcome()
        out.fixed = "fixed" in layer
        if "who" in layer and not moment.holds(layer["who"]):
            return out
        out.applied = True
        year = layer.get("span", "stay") == "year"
        ceilings = layer.get("ceiling", [])
        told = name in bill.given and not out.fixed
        tilt, adjusts = {}, []
        if not told:  # §10: of a layer that is told nothing else is looked at
            tilt = next((t for t in layer.get("tilt", []) if "when" not in t or moment.holds(t["when"])), {})
            adjusts = [a for a in layer.get("adjust", []) if "when" not in a or moment.holds(a["when"])]
        changes = [tilt, *adjusts]
        target = layer.get("target")
        counted_layers = 0

        # base
        if out.fixed:
            x = 0
        elif target is not None:
            x = out.base = bill.measure(target["measure"])
            counted_layers = self.paid(target.get("counts"))
        else:
            weighed = sum((number(w) * self.named(n) for n, w in layer["base"].items()), ZERO)
            x = out.base = rounded(max(ZERO, weighed), rounding)

        # what may be taken
        take_from = layer.get("take_from")
        if take_from is None:
            base = layer.get("base", {})
            take_from = [n for n in self.left if n in base and number(base[n]) > 0]
        all_left = sum(self.left[n] for n in take_from)

        if layer.get("external", False) and not told:
            raise Needs(name, out.base)

        if told:
            pay = bill.given[name]
            if pay < 0 or pay > all_left:
                raise Declined("TOLD_ABOVE_LEFT")
            out.excess = x
        else:
            if out.fixed:
                pay = max(0, moment.amount(layer["fixed"]["amount"]))
            elif target is not None:
                out.excess = x
                pay = self.target_pay(layer, moment, x, counted_layers, year)
            else:
                for ceiling in ceilings:
                    if ceiling.get("of", "pay") != "cost" or not moment.holds(ceiling.get("when", {})):
                        continue
                    x = min(x, self.ceiling_left(layer, ceiling, max(0, moment.amount(ceiling["amount"]))))
                pay = self.curve_pay(layer, moment, changes, out, x, year)
            wanted = pay
            for ceiling in ceilings:
                if ceiling.get("of", "pay") != "pay" or not moment.holds(ceiling.get("when", {})):
                    continue
                if "up_to" in ceiling:
                    up_to = ceiling["up_to"]
                    most = rounded(moment.ratio(up_to["share"]) * bill.measure(up_to["measure"]), rounding)
                    most = max(0, most - self.paid(up_to.get("counts")))
                else:
                    change = tilt.get("ceiling", {})
                    if change == "none":
                        continue
                    most = max(0, moment.amount(ceiling["amount"]))
                    most = self.ceiling_left(layer, ceiling, moment.changed_amount(most, change))
                pay = min(pay, most)
            out.cut = wanted - pay
            if not out.fixed:
                pay = min(pay, all_left)

        # application
        if "by_application" in layer and moment.holds(layer["by_application"]):
            out.may_apply = pay
            out.cut = 0
            return out

        out.pay = pay
        if not out.fixed:
            out.taken = self.take(layer, take_from, all_left, pay)
        out.counted = self.counts(layer, out, x, counted_layers, year)
        return out

    def target_pay(self, layer, moment, measure, counted, year):
        target, name = layer["target"], layer["name"]
        if year:
            measure += self.holds_before(name + ".measure")
            counted += self.holds_before(name + ".counted")
        if "share" in target:
            wanted = rounded(moment.ratio(target["share"]) * measure, moment.rounding)
        else:
            wanted = measure - moment.amount(target["keep_at_most"])
        return max(0, wanted - counted)

    def curve_pay(self, layer, moment, changes, out, x, year):
        name = layer["name"]
        deductible = self.deductible(layer, moment, changes)
        curve = self.curve(layer, moment, changes, deductible)
        if year:
            before = self.holds_before(f"{name}.{layer['accumulate']}")
            pay = rounded(curve(before + x), moment.rounding)
            if layer["against"] == "curve":
                pay -= rounded(curve(before), moment.rounding)
            else:
                pay -= self.holds_before(name + ".paid")
            out.deductible = min(before + x, deductible) - min(before, deductible)
        else:
            pay = rounded(curve(x), moment.rounding)
            out.deductible = min(x, deductible)
        out.excess = x - out.deductible
        return max(0, pay)

    def deductible(self, layer, moment, changes):
        bill = self.bill
        table = layer.get("deductible", {})
        value = max(0, moment.amount(table["amount"])) if "amount" in table else 0
        for change in changes:
            if "deductible" in change:
                value = moment.changed_amount(value, change["deductible"])
        if "nth" in table:
            nth = bill.nth if table["nth"]["counts"] == "all" else bill.nth_same_level
            factors = table["nth"]["factors"]
            value = max(0, rounded(value * number(factors[min(nth, len(factors)) - 1]), moment.rounding))
        if "floor" in table:
            value = max(value, moment.amount(table["floor"]))
        if bill.transfer != "none":
            how = table.get("transfer", {}).get(bill.transfer, "full")
            if how == "difference":
                value = max(0, value - bill.earlier_deductible)
            elif how == "waived":
                value = 0
        if "yearly_cap" in table:
            taken = self.holds_before(layer["name"] + ".deductible")
            value = min(value, max(0, moment.amount(table["yearly_cap"]) - taken))
        return value

    def curve(self, layer, moment, changes, deductible):
        """F, exact."""
        ratio_changes = [change["ratio"] for change in changes if "ratio" in change]
        row = moment.row(layer["curve"])
        if "bands" not in row:
            ratio = moment.changed_ratio(moment.ratio(row["ratio"]), ratio_changes)
            return lambda t: ratio * max(0, t - deductible)
        bands = [
            (
                moment.amount(band["to"]) if "to" in band else None,
                moment.changed_ratio(moment.ratio(band["ratio"]), ratio_changes),
            )
            for band in row["bands"]
        ]
        gross = layer.get("bands_on", "excess") == "gross"

        def slices(t):
            top, bottom = (t, deductible) if gross else (max(0, t - deductible), 0)
            pay, low = ZERO, 0
            for to, ratio in bands:
                high = top if to is None else min(top, to)
                pay += ratio * max(0, high - max(low, bottom))
                if to is not None:
                    low = to
            return pay

        def whole(t):
            excess = max(0, t - deductible)
            reached = t if gross else excess
            inclusive = layer.get("bounds", "inclusive") == "inclusive"
            for to, ratio in bands:
                if to is None or reached < to or (inclusive and reached == to):
                    return ratio * excess
            raise Malformed("the last band has a bound")

        return whole if layer.get("band_mode", "slice") == "whole" else slices

    @staticmethod
    def pool_of(layer, ceiling):
        """The accumulator of a ceiling, or None."""
        span = ceiling.get("span", "stay")
        if "up_to" in ceiling or span == "stay":
            return None
        cost = "cost." if ceiling.get("of", "pay") == "cost" else ""
        key = f"pool.{cost}{ceiling.get('pool', layer['name'])}"
        return "life:" + key if span == "life" else key

    def ceiling_left(self, layer, ceiling, amount):
        pool = self.pool_of(layer, ceiling)
        return amount if pool is None else max(0, amount - self.holds_before(pool))

    def take(self, layer, take_from, all_left, pay):
        taken = dict.fromkeys(take_from, 0)
        missing = pay
        if layer.get("take", "order") == "order":
            for name in take_from:
                taken[name] = min(missing, self.left[name])
                missing -= taken[name]
        elif pay > 0:
            for name in take_from:
                taken[name] = pay * self.left[name] // all_left
                missing -= taken[name]
            for name in take_from:
                if missing > 0 and self.left[name] > taken[name]:
                    taken[name] += 1
                    missing -= 1
        if missing != 0:
            raise AssertionError("the pay was not taken")
        return taken

    def counts(self, layer, out, x, counted_layers, year):
        name = layer["name"]
        counted = {}
        if year and "target" in layer:
            counted[name + ".measure"] = x
            counted[name + ".counted"] = counted_layers + out.pay
        elif year:
            if layer["accumulate"] == "entered":
                counted[name + ".entered"] = x
            else:
                counted[name + ".kept"] = x - out.pay
            counted[name + ".paid"] = out.pay
        for ceiling in layer.get("ceiling", []):
            pool = self.pool_of(layer, ceiling)
            if pool is not None:  # a pool that two ceilings of the layer name grows once
                counted[pool] = x if ceiling.get("of", "pay") == "cost" else out.pay
        if "yearly_cap" in layer.get("deductible", {}):
            counted[name + ".deductible"] = out.deductible
        return counted


# --- §8 identities, and the answer --------------------------------------------------------------


def patient(run):
    """The account is part of what the patient pays."""
    kinds = run.bill.package.payers
    paid = 0
    for layer in run.bill.package.layers:
        out = run.done[layer["name"]]
        if not out.fixed and kinds[layer["payer"]] != "account":
            paid += out.pay
    return run.bill.total - paid


def cascade(bill, identity):
    run = Run(bill)
    for layer in bill.package.layers:
        run.accept(layer, run.layer(layer, identity))
    return run


def settle(package, case):
    try:
        bill = Bill(package, case)
        held = [code for code in package.identities if code in bill.held]
        if package.choice == "rank":
            identity = next((code for code in package.rank if code in held), "")
            run = cascade(bill, identity)
        elif package.choice == "layer":
            identity = None
            run = Run(bill)
            for layer in package.layers:
                best = None
                for code in [*held, ""]:
                    out = run.layer(layer, code)
                    if best is None or out.pay > best.pay:
                        best = out
                run.accept(layer, best)
        else:
            best = None
            for code in [*held, ""]:
                tried = cascade(bill, code)
                fixed = sum(out.pay for out in tried.done.values() if out.fixed)
                cost = patient(tried) - fixed
                if best is None or cost < best:
                    best, identity, run = cost, code, tried
    except Declined as declined:
        return {"verdict": "declined", "reason": declined.reason}
    except Needs as needs:
        return {"verdict": "needs", "layer": needs.layer, "base": needs.base}

    amounts = {"total": bill.total, **{kind: bill.of_kind(kind) for kind in KINDS}}
    answer = {"verdict": "settled", "amounts": amounts, "layers": [], "fixed": [], "may_apply": []}
    of_kind = dict.fromkeys(("fund", "other", "hospital", "account"), 0)
    for layer in package.layers:
        name = layer["name"]
        out = run.done[name]
        if not out.applied:
            continue
        if out.may_apply is not None:
            answer["may_apply"].append({"layer": name, "pay": out.may_apply})
        elif out.fixed:
            answer["fixed"].append({"layer": name, "pay": out.pay})
        else:
            answer["layers"].append(
                {"layer": name, "base": out.base, "deductible": out.deductible, "pay": out.pay}
            )
            of_kind[package.payers[layer["payer"]]] += out.pay
    answer["counted"] = {key: run.counted[key] for key in sorted(run.counted) if run.counted[key] != 0}
    answer["patient"] = patient(run)
    answer["cash"] = answer["patient"] - of_kind["account"]
    answer["hospital"] = of_kind["hospital"]
    answer["identity"] = identity
    return answer


# --- files --------------------------------------------------------------------------------------


def packages_below(paths):
    for path in paths:
        if os.path.isfile(path):
            yield path
            continue
        for folder, subfolders, files in os.walk(path):
            subfolders.sort()
            if "package.toml" in files:
                yield os.path.join(folder, "package.toml")


def case_files(package_path):
    folder = os.path.join(os.path.dirname(package_path), "cases")
    if not os.path.isdir(folder):
        return []
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".toml")]


def main(paths):
    for package_path in packages_below(paths):
        package = Package(load(package_path))
        for file in case_files(package_path):
            for case in load(file).get("case", []):
                line = {"package": package_path, "file": file, "case": case["name"], **settle(package, case)}
                print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
