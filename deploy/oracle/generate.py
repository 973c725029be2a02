#!/usr/bin/env python3
"""Write random valid rule packages with random cases.

    generate.py SEED COUNT FOLDER [FIRST]

writes COUNT cases, five to a package, as FOLDER/<n>/package.toml and FOLDER/<n>/cases/random.toml, with n from FIRST
(default 1). What package n holds depends on SEED and n alone, so one package can be written again by itself.
"""

import os
import random
import re
import sys

CASES_PER_PACKAGE = 5

KINDS = ["in_scope", "advance", "over_limit", "out_of_catalogue"]
LAYER_NAMES = ["basic", "critical", "large", "servant", "aid", "tilted", "relief", "extra", "top_up", "mutual"]
IDENTITIES = ["low_income", "destitute", "orphan", "disabled", "near_poor"]
BOOKS = ["basic_pool", "civil_servant", "enterprise_supplement", "critical_illness", "large_amount", "disabled_soldier",
         "medical_aid", "tilted_aid", "other"]
HOSPITALS = ["H52020100001", "H52020300002", "H11010500003"]
CARES = ["inpatient", "outpatient", "outpatient_chronic"]
REFERRALS = ["none", "filed", "unfiled", "emergency", "long_term"]
PLACES = ["local", "province", "outside"]
STAY_KEYS = {"stay", "stay_same_level", "transfer"}
REGION_KEYS = {"place", "treatment_region"}


# --- TOML ---------------------------------------------------------------------------------------


def key(name):
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def inline(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    if not value:
        return "{}"
    return "{ " + ", ".join(f"{key(name)} = {inline(item)}" for name, item in value.items()) + " }"


SECTIONS = {"class_b", "deductible", "target", "fixed"}
ARRAYS = {"document", "identity", "payer", "amount", "index", "fact", "disease", "move", "layer", "curve", "tilt", "adjust",
          "ceiling", "case"}


def is_section(name, value, where):
    if isinstance(value, dict):
        return name in SECTIONS and (name == "class_b" or where == "layer")
    if isinstance(value, list) and name in ARRAYS and all(isinstance(item, dict) for item in value):
        if name in ("curve", "tilt", "adjust", "ceiling"):
            return where == "layer"
        return where == ""
    return False


def document(table, where="", lines=None):
    """Plain keys first, then sections: so that each key lands in its table."""
    lines = [] if lines is None else lines
    for name, value in table.items():
        if not is_section(name, value, where):
            lines.append(f"{key(name)} = {inline(value)}")
    for name, value in table.items():
        if is_section(name, value, where):
            path = f"{where}.{name}" if where else name
            for item in value if isinstance(value, list) else [value]:
                lines.append("")
                lines.append(f"[[{path}]]" if isinstance(value, list) else f"[{path}]")
                document(item, path, lines)
    return lines


# --- random figures -----------------------------------------------------------------------------


def yuan(fen):
    sign, size = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{size // 100}.{size % 100:02}"


def decimal(units, places):
    """units / 10**places as text without needless zeros"""
    sign, size = ("-", -units) if units < 0 else ("", units)
    whole, rest = divmod(size, 10**places)
    text = f"{rest:0{places}}".rstrip("0") if places else ""
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"


class Generator:
    def __init__(self, seed, n):
        self.random = random.Random(f"{seed}:{n}")
        self.n = n
        self.seed = seed
        self.moving = False  # within a move: no identity, no layers
        self.earlier = []  # earlier layers that `nothing_from` may name
        self.package = {}

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, items):
        return self.random.choice(items)

    def some(self, items, least=1):
        return self.random.sample(items, self.random.randint(min(least, len(items)), len(items)))

    # figures

    def bill_fen(self):
        """An amount as bills hold it."""
        r = self.random
        scale = r.randrange(12)
        if scale == 0:
            return 0
        if scale <= 2:
            return r.randint(1, 9)
        if scale == 3:
            return r.randint(10, 99_99)
        if scale <= 5:
            return r.randint(100_00, 5_000_00)
        if scale <= 8:
            return r.randint(1_000_00, 300_000_00)
        if scale == 9:
            return r.randint(1, 200_000) * 10 + 5  # halves of a fen at ratios of one decimal
        if scale == 10:
            return r.randint(1, 300) * 1_000_00
        return r.randint(1_000_000_00, 100_000_000_00)

    def limit_fen(self):
        """A deductible, bound or ceiling."""
        r = self.random
        scale = r.randrange(10)
        if scale == 0:
            return r.randint(1, 50)
        if scale == 1:
            return r.randint(1, 100_00)
        if scale <= 4:
            return r.randint(1, 40) * 100_00
        if scale <= 6:
            return r.randint(1, 60) * 1_000_00
        if scale == 7:
            return r.randint(1_00, 20_000_00)
        if scale == 8 or self.chance(60):
            return r.randint(1, 50) * 10_000_00
        return r.randint(1_000_000_00, 50_000_000_00)

    def deductible_fen(self):
        """A deductible that most bills exceed."""
        return self.limit_fen() if self.chance(30) else self.random.randint(0, 40) * 50_00

    def so_far_fen(self):
        """What an accumulator holds from before."""
        return self.bill_fen() if self.chance(30) else self.random.randint(0, 5_000_00)

    def share(self):
        """A plain ratio as text."""
        r = self.random
        scale = r.randrange(10)
        if scale == 0:
            return self.pick(["0", "1", "0.5", "0.50", "1.0"])
        if scale <= 5:
            return decimal(r.randint(1, 20) * 5, 2)
        if scale <= 7:
            return decimal(r.randint(1, 999), 3)
        return decimal(r.randint(1, 10**9 - 1), 9)

    def weight(self, base=True):
        r = self.random
        scale = r.randrange(10)
        if scale <= 5:
            return "1"
        if scale == 6:
            return decimal(r.randint(1, 99), 2)
        if scale == 7:
            return decimal(r.randint(1, 3 * 10**9), 9)
        if scale == 8 and base:
            return decimal(-r.randint(1, 200), 2)
        return self.pick(["0.5", "2", "1.5", "0"])

    # conditions (§3)

    def free(self, used):
        """Keys that a condition may still use beside those in `used`."""
        keys = ["level", "place", "referral", "care", "age", "stay", "stay_same_level", "transfer", "hospital",
                "treatment_region"]
        if not self.moving and self.package.get("identity"):
            keys += ["identity"] * 4
        if self.package.get("disease"):
            keys += ["disease"] * 2
        if not self.moving and self.earlier:
            keys += ["nothing_from"] * 2
        for fact in self.package.get("fact", []):
            keys.append("fact:" + fact["name"])
        used = set(used)
        for group in (STAY_KEYS, REGION_KEYS):
            if used & group:
                used |= group
        return [name for name in keys if name not in used]

    def ranges(self, bounds, text=str):
        """Two or three ranges that never overlap; together they leave something out, or nothing."""
        low, high = sorted(self.random.sample(bounds, 2))
        return [{"below": text(low)}, {"at_least": text(low), "below": text(high)}, {"at_least": text(high)}]

    def values(self, name):
        """Conditions on one key of which at most one holds, and which together leave something out."""
        r = self.random
        if name == "identity":
            codes = [row["code"] for row in self.package["identity"]]
            r.shuffle(codes)
            if len(codes) > 2 and self.chance(30):
                return [{"identity": codes[:2]}] + [{"identity": [code]} for code in codes[2:]]
            return [{"identity": [code]} for code in codes]
        plain = {"level": [1, 2, 3], "place": PLACES, "referral": REFERRALS, "care": CARES,
                 "transfer": ["none", "up", "level", "down"], "hospital": HOSPITALS}
        if name in plain:
            values = r.sample(plain[name], len(plain[name]))
            if len(values) > 2 and self.chance(25):
                return [{name: values[:2]}]
            return [{name: [value]} for value in values[:-1]]
        if name == "age":
            found = [{"age": bounds} for bounds in self.ranges([6, 18, 35, 60, 65, 70, 80], int)]
        elif name in ("stay", "stay_same_level"):
            found = [{name: bounds} for bounds in self.ranges([2, 3, 4], int)]
        elif name == "disease":
            return [{"disease": [group["name"]]} for group in self.package["disease"]]
        elif name == "treatment_region":
            return [{name: [start]} for start in r.sample(self.region_starts, len(self.region_starts))]
        elif name == "nothing_from":
            return [{name: self.some(self.earlier)[:2]}]
        else:
            fact = next(row for row in self.package["fact"] if "fact:" + row["name"] == name)
            if fact["kind"] == "flag":
                return [{"fact": {fact["name"]: self.chance(50)}}]
            if fact["kind"] == "choice":
                return [{"fact": {fact["name"]: [value]}} for value in fact["values"][:-1]]
            if fact["kind"] == "number":
                found = [{"fact": {fact["name"]: bounds}} for bounds in self.ranges([3, 4, 5, 10, 20], int)]
            else:
                found = [{"fact": {fact["name"]: bounds}} for bounds in self.ranges([1, 100_00, 5000_00, 9999_99], yuan)]
        r.shuffle(found)
        return found[:2]

    def condition(self, used=()):
        """A condition that can hold and can fail; returns it with its keys."""
        name = self.pick(self.free(used))
        keys = {name}
        condition = self.pick(self.values(name))
        shape = self.random.randrange(10)
        rest = self.free({*used, name} | (STAY_KEYS if name in STAY_KEYS else set())
                         | (REGION_KEYS if name in REGION_KEYS else set()))
        rest = [other for other in rest if not (other.startswith("fact:") and name.startswith("fact:"))]
        if shape <= 5 or not rest:
            return condition, keys
        other = self.pick(rest)
        keys.add(other)
        second = self.pick(self.values(other))
        if shape == 6:
            return {**condition, **second}, keys
        if shape == 7:
            return {"any": [condition, second]}, keys
        if shape == 8:
            return {**condition, "not": second}, keys
        return {"not": {"any": [condition, second]}}, keys

    def rows(self, make, used):
        """A list of rows, the last without `when`; make(used) gives a row's keys."""
        if self.chance(35):
            condition, keys = self.condition(used)
            used = {*used, *keys}
            rows = [{"when": condition, **make(used)}]
        else:
            name = self.pick(self.free(used))
            conditions = self.some(self.values(name))[:3]
            used = {*used, name}
            rows = [{"when": condition, **make(used)} for condition in conditions]
        rows.append(make(used))
        return rows

    # amounts and ratios (§4)

    def reference(self, in_index=None):
        names = ["age", "account_balance", "total", "gross." + self.pick(self.amount_names)]
        for fact in self.package.get("fact", []):
            if fact["kind"] in ("number", "yuan"):
                names.append("fact." + fact["name"])
        for row in self.package.get("index", []) if in_index is None else in_index:
            names += ["index." + row["name"]] * 3
        return self.pick(names)

    def amount_of(self, fen, in_index=None):
        of = self.reference(in_index)
        table = {"of": of}
        if self.chance(85):
            if of == "age" or self.is_number(of):
                table["times"] = decimal(self.random.randint(1, 500_000), self.pick([0, 1, 3]))
            else:
                table["times"] = decimal(self.random.randint(1, 2 * 10**5), 5)
        if self.chance(40):
            table["plus"] = yuan(self.random.choice([1, 1, -1]) * fen())
        if self.chance(40) or table.get("plus", "").startswith("-"):
            table["min"] = yuan(fen() if self.chance(60) else 0)
        if self.chance(40):
            table["max"] = yuan(max(fen(), round_up(table.get("min", "0"))))
        return table

    def is_number(self, reference):
        return any("fact." + row["name"] == reference and row["kind"] == "number" for row in self.package.get("fact", []))

    def amount(self, fen, used=(), in_index=None):
        shape = self.random.randrange(20)
        if shape <= 10:
            return yuan(fen())
        if shape == 11:
            table = {"yuan": yuan(fen())}
            if self.chance(50):
                table["source"] = self.source()
            return table
        if shape <= 15:
            return self.amount_of(fen, in_index)

        def make(_):
            return {"yuan": yuan(fen())} if self.chance(75) else self.amount_of(fen, in_index)

        return self.rows(make, used)

    def linear(self):
        """A linear ratio that its min and max keep within 0 and 1."""
        numbers = ["fact." + row["name"] for row in self.package.get("fact", []) if row["kind"] == "number"]
        return {
            "base": decimal(self.random.randint(0, 100), 2),
            "per": self.pick(["age", *numbers]),
            "each": decimal(self.random.choice([1, 1, -1]) * self.random.randint(1, 9999), self.pick([4, 6])),
            "min": decimal(self.random.randint(0, 50), 2),
            "max": decimal(self.random.randint(50, 100), 2),
        }

    def ratio(self, used=()):
        shape = self.random.randrange(20)
        if shape <= 13:
            return self.share()
        if shape == 14:
            return {"ratio": self.share()}
        if shape <= 16:
            return self.linear()

        def make(_):
            return {"ratio": self.share()} if self.chance(80) else self.linear()

        return self.rows(make, used)

    def source(self):
        shape = self.random.randrange(3)
        if shape == 0:
            return {"grade": "assumed", "note": "random"}
        if shape == 1:
            return {"document": "d1", "article": "1"}
        return {"document": "d1", "article": "2(3)", "grade": self.pick(["official", "reprint", "secondary"])}

    # the package (§2)

    def make(self):
        r = self.random
        number = 110000 + (self.n * 7919) % 880000
        self.region = str(number)
        self.region_starts = [self.region[:4], "99" + self.region[2:4], self.region[:2] + "99"]
        self.region_starts = [start for i, start in enumerate(self.region_starts) if start not in self.region_starts[:i]]
        self.year = self.pick([2022, 2023, 2024, 2025])
        p = self.package = {}
        p["id"] = f"random-{self.seed}-{self.n}"
        p["title"] = {"zh": f"随机 {self.n}", "en": f"random {self.n}"}
        p["region"] = self.region
        p["scheme"] = self.pick(["resident", "employee"])
        p["in_force"] = {"from": f"{self.year}-01-01", "to": f"{self.year}-12-31"}
        if self.chance(70):
            p["rounding"] = self.pick(["half_up", "half_even", "down", "up"])
        if self.chance(20):
            p["year"] = self.pick(["discharge", "admission"])
        choice = self.pick(["cascade", "layer", "rank", None])
        if choice:
            p["identity_choice"] = choice
        if choice == "rank":
            p["identity_rank"] = []
        if self.chance(30):
            p["reversed_stay_counts"] = self.chance(70)
        p["source"] = {"grade": "assumed", "note": "random"}
        p["document"] = [{"id": "d1", "title": "Random", "grade": "official"}]
        codes = r.sample(IDENTITIES, r.choice([0, 1, 2, 2, 3, 4]) if choice != "rank" else r.randint(1, 4))
        if codes:
            p["identity"] = [{"code": code, "zh": code, "en": code} for code in codes]
        if choice == "rank":
            p["identity_rank"] = r.sample(codes, len(codes))
        p["payer"] = []
        for i in range(r.randint(2, 4)):
            kind = "fund" if i == 0 else self.pick(["fund", "other", "hospital"])
            payer = {"name": f"payer{i}", "zh": "付", "en": f"payer {i}", "kind": kind}
            if kind in ("fund", "other"):
                payer["books_to"] = self.pick(BOOKS)
            p["payer"].append(payer)
        p["payer"].append({"name": "own_account", "zh": "个人账户", "en": "account", "kind": "account"})
        self.payers = [row["name"] for row in p["payer"][:-1]]
        self.fund_payers = [row["name"] for row in p["payer"] if row["kind"] in ("fund", "other")]
        declared = r.sample(["implant", "special_drug", "bed"], r.choice([0, 0, 1, 1, 2, 3]))
        if declared:
            p["amount"] = [{"name": name, "counts_as": self.pick(KINDS)} for name in declared]
        self.amount_names = KINDS + declared
        self.kind_of = {**{kind: kind for kind in KINDS}, **{row["name"]: row["counts_as"] for row in p.get("amount", [])}}

        facts = []
        if self.chance(40):
            facts.append({"name": "years_insured", "kind": "number"})
        if self.chance(25):
            facts.append({"name": "retired", "kind": "flag"})
        if self.chance(25):
            facts.append({"name": "form", "kind": "choice", "values": ["a", "b", "c"][: r.randint(2, 3)]})
        if self.chance(25):
            facts.append({"name": "worth", "kind": "yuan"})
        for fact in facts:
            if self.chance(50):
                fact["default"] = self.fact_text(fact)
            if self.chance(50):
                fact["from"] = self.pick(["registry", "bill"])
        if facts:
            p["fact"] = facts
        groups = r.sample(["major", "rare", "chronic"], r.choice([0, 0, 1, 2]))
        if groups:
            p["disease"] = [{"name": name, "codes": [f"C{10 + i}", f"I{60 + i}"]} for i, name in enumerate(groups)]

        indexes = []
        for name in r.sample(["income", "wage", "allowance"], r.choice([0, 0, 1, 2, 3])):
            indexes.append({"name": name, "amount": self.amount(self.limit_fen, in_index=list(indexes))})
        if indexes:
            p["index"] = r.sample(indexes, len(indexes))
        p["class_b"] = {"advance": self.share()}
        self.make_moves()
        self.make_layers()
        return p

    def make_moves(self):
        moves = []
        self.moving = True
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 3])):
            start = self.pick(self.amount_names)
            to = self.pick([name for name in self.amount_names if self.kind_of[name] != self.kind_of[start]])
            move, used = {"from": start, "to": to}, set()
            if self.chance(60):
                move["when"], used = self.condition()
            move["ratio"] = self.ratio(used)
            moves.append(move)
        self.moving = False
        if moves:
            self.package["move"] = moves

    # layers (§6)

    def make_layers(self):
        r = self.random
        self.counters = []  # accumulators that a case may begin with
        self.life_counters = []
        self.layers_told = []  # (name, external)
        self.kinds = {}  # layer name -> curve, target, fixed, external
        self.pools = ["shared", "big"]
        layers = []
        for name in r.sample(LAYER_NAMES, r.choice([1, 2, 3, 3, 4, 5, 6])):
            self.earlier = [other for other in self.kinds if self.kinds[other] != "fixed"]
            kind = r.choices(["curve", "target", "fixed", "external"], [70, 14, 9, 7])[0]
            layer = {"name": name, "payer": self.pick(self.payers)}
            used = set()
            if self.chance(35):
                layer["who"], used = self.condition()
            getattr(self, "make_" + kind)(layer, used)
            if self.chance(25):
                layer["rounding"] = self.pick(["half_up", "half_even", "down", "up"])
            if self.chance(15):
                layer["source"] = self.source()
            self.kinds[name] = kind
            layers.append(layer)
            if kind != "fixed" and "by_application" not in layer:
                self.layers_told.append((name, kind == "external"))
        if self.chance(40):
            layers.append(self.account_layer())
        self.package["layer"] = layers
        self.counters = sorted(set(self.counters))
        self.life_counters = sorted(set(self.life_counters))

    def account_layer(self):
        names = self.some(self.amount_names)
        layer = {"name": "account", "payer": "own_account", "base": {name: "1" for name in names}}
        if len(names) > 1:
            layer["take"] = self.pick(["order", "proportional"])
            layer["take_from"] = self.random.sample(names, len(names))
        layer["curve"] = [{"ratio": "1"}]
        layer["ceiling"] = [{"of": "pay", "span": "stay", "amount": {"of": "account_balance"}}]
        return layer

    def add_take(self, layer, must):
        names = [name for name, weight in layer.get("base", {}).items()
                 if name in self.amount_names and not weight.startswith("-") and weight != "0"]
        if must or not names or self.chance(40):
            names = self.some(self.amount_names)[:3]
            if names and "base" in layer and self.chance(50):
                own = [name for name in layer["base"] if name in self.amount_names]
                names = own or names
            layer["take_from"] = self.random.sample(names, len(names))
            names = layer["take_from"]
        if len(names) > 1 or self.chance(10):
            layer["take"] = self.pick(["order", "proportional"])

    def base(self):
        r = self.random
        base = {}
        if self.chance(90):
            for name in self.some(self.amount_names)[: r.choice([1, 1, 2, 3])]:
                base[name] = self.weight()
        others = ["total", "gross." + self.pick(self.amount_names)]
        if self.kinds:
            others.append("paid")
        parts = {"curve": ["base", "pay", "deductible", "excess", "cut"], "target": ["base", "pay", "cut"],
                 "external": ["base", "pay"]}
        for name, kind in self.kinds.items():
            for part in parts.get(kind, []):
                others.append(f"{name}.{part}")
        while not base or self.chance(25):
            base[self.pick(others)] = self.weight()
        return base

    def add_year(self, layer):
        if self.chance(40):
            layer["span"] = "year"
            layer["accumulate"] = self.pick(["entered", "entered", "kept"])
            if not layer.get("external", False):
                layer["against"] = self.pick(["curve", "paid"])
            self.counters += [f"{layer['name']}.{layer['accumulate']}", f"{layer['name']}.paid"]
            return True
        if self.chance(20):
            layer["span"] = "stay"
        return False

    def make_curve(self, layer, used):
        layer["base"] = self.base()
        year = self.add_year(layer)
        self.add_take(layer, False)
        if self.chance(65):
            layer["deductible"] = self.make_deductible(layer, used, year)
        layer["curve"] = self.make_rows_of_curve(used)
        if any("bands" in row for row in layer["curve"]):
            if self.chance(60):
                layer["bands_on"] = self.pick(["excess", "gross"])
            if self.chance(35):
                layer["band_mode"] = "whole"
                layer["bounds"] = self.pick(["inclusive", "exclusive"])
        self.add_ceilings(layer, used, True)
        self.add_changes(layer, used)
        if self.chance(10):
            layer["by_application"], _ = self.condition(used)

    def make_deductible(self, layer, used, year):
        r = self.random
        table = {"amount": self.amount(self.deductible_fen, used)}
        if not year and self.chance(35):
            factors = [decimal(n, 2) for n in sorted((r.randint(0, 100) for _ in range(r.randint(1, 3))), reverse=True)]
            if self.chance(50):
                factors[0] = "1"
            table["nth"] = {"counts": self.pick(["all", "same_level"]), "factors": factors}
        if self.chance(20):
            table["floor"] = self.amount(self.deductible_fen, used)
        if not year and self.chance(35):
            table["transfer"] = {kind: self.pick(["full", "difference", "waived"])
                                 for kind in self.some(["up", "level", "down"])}
        if not year and self.chance(25):
            table["yearly_cap"] = self.amount(self.limit_fen, used)
            self.counters.append(layer["name"] + ".deductible")
        return table

    def make_rows_of_curve(self, used):
        if self.chance(55):
            return [self.make_curve_value(used)]
        return self.rows(self.make_curve_value, used)

    def make_curve_value(self, used):
        if self.chance(50):
            return {"ratio": self.ratio(used)}
        bounds = sorted({self.limit_fen() for _ in range(self.random.randint(1, 4))})
        bands = []
        for i, bound in enumerate(bounds):
            to = yuan(bound)
            low = bounds[i - 1] + 1 if i else 1
            shape = self.random.randrange(20)
            if shape == 0:
                to = {"yuan": to}
            elif shape == 1 and bound > low:
                to = [{"when": self.condition(used)[0], "yuan": yuan(self.random.randint(low, bound))}, {"yuan": to}]
            bands.append({"to": to, "ratio": self.ratio(used)})
        bands.append({"ratio": self.ratio(used)})
        return {"bands": bands}

    def add_ceilings(self, layer, used, cost):
        ceilings = []
        outer = used
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 3])):
            # A ceiling's own condition narrows its rows: they must not ask the same thing again.
            used, condition = outer, None
            if self.chance(30):
                condition, keys = self.condition(outer)
                used = {*outer, *keys}
            if self.kinds and "fixed" not in layer and self.chance(15):
                up_to = {"share": self.ratio(used), "measure": self.pick(["in_scope", "total"])}
                if self.earlier and self.chance(50):
                    up_to["counts"] = self.some(self.earlier)
                ceiling = {"up_to": up_to}
            else:
                of = self.pick(["pay", "cost"]) if cost else "pay"
                ceiling = {"of": of, "span": self.pick(["stay", "year", "life"])}
                if of == "pay" and self.chance(40):
                    del ceiling["of"]
                if ceiling["span"] != "stay":
                    pool = layer["name"]
                    if self.chance(50):
                        pool = ceiling["pool"] = self.pick(self.pools)
                    counter = f"pool.cost.{pool}" if of == "cost" else f"pool.{pool}"
                    (self.counters if ceiling["span"] == "year" else self.life_counters).append(counter)
                ceiling["amount"] = self.amount(self.limit_fen, used)
            if condition is not None:
                ceiling["when"] = condition
            ceilings.append(ceiling)
        if ceilings:
            layer["ceiling"] = ceilings

    def amount_change(self, used):
        if self.chance(30):
            return {"replace": self.amount(self.limit_fen, used)}
        change = {}
        if self.chance(65):
            change["times"] = decimal(self.random.randint(0, 150), 2) if self.chance(70) else self.pick(["0.5", "0.3333"])
        if not change or self.chance(40):
            change["plus"] = yuan(self.random.choice([1, -1]) * self.limit_fen())
        return change

    def ratio_change(self):
        if self.chance(20):
            return {"replace": self.share()}
        change = {}
        if self.chance(50):
            change["times"] = self.pick(["0.9", "1.1", "0.5", "0.333333333", "1.25"])
        if not change or self.chance(60):
            change["plus"] = decimal(self.random.randint(-40, 40), 2)
        return change

    def change(self, layer, used):
        change = {}
        if "deductible" in layer and self.chance(60):
            change["deductible"] = self.amount_change(used)
        if not change or self.chance(60):
            change["ratio"] = self.ratio_change()
        return change

    def ceiling_change(self, layer, used):
        """For a layer whose pay ceilings a tilt can change, else None."""
        lifted = [c for c in layer.get("ceiling", []) if c.get("of", "pay") == "pay" and "up_to" not in c]
        if not lifted:
            return None
        return "none" if self.chance(40) else self.amount_change(used)

    def add_changes(self, layer, used):
        if self.chance(40):
            name = self.pick(self.free(used))
            tilts = []
            for condition in self.some(self.values(name))[:3]:
                tilts.append({"when": condition, **self.change(layer, {*used, name})})
            if self.chance(15):
                tilts.append(self.change(layer, {*used, name}))
            for tilt in tilts:
                ceiling = self.ceiling_change(layer, {*used, name})
                if ceiling is not None and self.chance(50):
                    tilt["ceiling"] = ceiling
            layer["tilt"] = tilts
        if self.chance(30):
            layer["adjust"] = []
            for _ in range(self.random.randint(1, 3)):
                condition, keys = self.condition(used)
                adjust = {"when": condition} if self.chance(90) else {}
                layer["adjust"].append({**adjust, **self.change(layer, {*used, *keys})})

    def make_target(self, layer, used):
        target = {"measure": self.pick(["in_scope", "total"])}
        if self.chance(60):
            target["share"] = self.ratio(used)
        else:
            target["keep_at_most"] = self.amount(self.limit_fen, used)
        if self.earlier and self.chance(50):
            target["counts"] = self.some(self.earlier)
        layer["target"] = target
        if self.chance(40):
            layer["span"] = "year"
            self.counters += [layer["name"] + ".measure", layer["name"] + ".counted"]
        self.add_take(layer, True)
        self.add_ceilings(layer, used, False)
        if self.chance(10):
            layer["by_application"], _ = self.condition(used)

    def make_fixed(self, layer, used):
        layer["payer"] = self.pick(self.fund_payers)
        layer["fixed"] = {"amount": self.amount(self.limit_fen, used)}
        self.add_ceilings(layer, used, False)

    def make_external(self, layer, used):
        layer["external"] = True
        layer["base"] = self.base()
        self.add_year(layer)
        self.add_take(layer, False)

    # cases (§10)

    def fact_text(self, fact):
        r = self.random
        if fact["kind"] == "number":
            return str(r.choice([0, 1, 3, 4, 5, 10, r.randint(0, 45)]))
        if fact["kind"] == "flag":
            return self.pick(["true", "false"])
        if fact["kind"] == "choice":
            return self.pick(fact["values"])
        return yuan(r.choice([0, 1, 100_00, 4999_99, 5000_00, self.bill_fen()]))

    def case(self, number):
        r, p = self.random, self.package
        case = {"name": f"case {number}"}
        if self.chance(50):
            case["discharge"] = f"{self.year}-{r.randint(2, 12):02}-{r.randint(1, 28):02}"
        if self.chance(85):
            case["level"] = r.randint(1, 3)
        case["place"] = self.pick(PLACES)
        if self.chance(50):
            case["treatment_region"] = {
                "local": self.region, "province": self.region[:2] + "9901", "outside": "99" + self.region[2:]
            }[case["place"]]
            if case["place"] == "province" and self.region[2:4] == "99":
                del case["treatment_region"]
        if case["place"] == "local" and self.chance(50):
            del case["place"]
        if self.chance(60):
            case["referral"] = self.pick(REFERRALS)
        if self.chance(60):
            case["care"] = self.pick(CARES)
        if self.chance(85):  # a day of birth may be unknown, also where the package asks for it
            case["age"] = r.choice([0, 17, 18, 59, 60, 65, 70, 99, r.randint(0, 105)])
        if self.chance(40):
            case["hospital"] = self.pick([*HOSPITALS, "H99999900009"])
        if p.get("disease") and self.chance(60):
            case["diseases"] = self.some([row["name"] for row in p["disease"]])
        codes = [row["code"] for row in p.get("identity", [])]
        if codes and self.chance(75):
            case["identities"] = self.some(codes)
        facts = {}
        for fact in p.get("fact", []):
            if self.chance(50 if "default" in fact else 98):
                facts[fact["name"]] = self.fact_text(fact)
        if facts:
            case["facts"] = facts
        if self.chance(60):
            case["account_balance"] = yuan(self.bill_fen())
        if self.chance(60):
            case["stays"] = []
            for _ in range(r.randint(1, 4)):
                stay = {"level": r.randint(1, 3), "care": r.choice([case.get("care", "inpatient"), *CARES]),
                        "deductible": yuan(self.limit_fen())}
                if self.chance(30):
                    stay["reversed"] = self.chance(60)
                case["stays"].append(stay)
            standing = [i for i, stay in enumerate(case["stays"], 1) if not stay.get("reversed")]
            if standing and self.chance(45):
                case["transferred_from"] = self.pick(standing)
        before = {name: yuan(self.so_far_fen()) for name in self.counters if self.chance(60)}
        if before:
            case["before"] = before
        before = {name: yuan(self.so_far_fen()) for name in self.life_counters if self.chance(60)}
        if before:
            case["before_life"] = before
        given = {}
        for name, external in self.layers_told:
            if self.chance(93 if external else 2):
                given[name] = yuan(r.choice([0, 0, 1, r.randint(0, 10_00), r.randint(0, 500_00)]) if self.chance(95) else self.bill_fen())
        if given:
            case["given"] = given
        if self.chance(55):
            case["amounts"] = {name: yuan(self.bill_fen()) for name in self.some(self.amount_names, 3)}
        else:
            case["lines"] = [self.line() for _ in range(r.randint(1, 6))]
        return case

    def line(self):
        line = {"class": self.pick(["A", "B", "B", "C"]), "amount": yuan(self.bill_fen())}
        if self.chance(40):
            line["advance"] = self.share()
        if self.chance(40):
            quantity = self.random.choice([1, 2, 3, 10, 100])
            line["quantity"] = str(quantity)
            if self.chance(30):
                line["quantity"] = decimal(self.random.randint(1, 5000), 3)
            line["ceiling_price"] = yuan(self.bill_fen())
        declared = [row["name"] for row in self.package.get("amount", [])]
        if declared and self.chance(50):
            line["name"] = self.pick(declared)
        return line


def round_up(text):
    """Fen of a written amount."""
    return int(text.replace(".", "")) if "." in text else int(text) * 100


def write(seed, n, cases, folder):
    generator = Generator(seed, n)
    package = generator.make()
    text = "\n".join(document(package)) + "\n"
    case_table = {"case": [generator.case(i) for i in range(1, CASES_PER_PACKAGE + 1)][:cases]}
    place = os.path.join(folder, str(n))
    os.makedirs(os.path.join(place, "cases"))
    with open(os.path.join(place, "package.toml"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(place, "cases", "random.toml"), "w", encoding="utf-8") as file:
        file.write("\n".join(document(case_table)) + "\n")


def main(seed, count, folder, first=1):
    n = int(first)
    left = int(count)
    while left > 0:
        write(seed, n, min(left, CASES_PER_PACKAGE), folder)
        left -= CASES_PER_PACKAGE
        n += 1


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
