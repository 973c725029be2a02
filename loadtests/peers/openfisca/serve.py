"""Computes and times the bills of a folder, one request a line on standard input, one answer a line on standard output.

    {"do": "settle", "lines": 50}                                  who pays what of each bill, in fen
    {"do": "time", "how": "lines", "lines": 50, "at_once": 1000, "least_ms": 300}
                                                                   picoseconds of the processor for one bill

`how` is what a simulation is built from: `lines` and `sums` from arrays that are ready, `situation` from a dictionary as
the Web API takes it.
"""

import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy
from openfisca_core.periods import period
from openfisca_core.simulations import SimulationBuilder

from onestop_layers import ThreeLayers

PAYS = ["basic_pay", "critical_pay", "aid_pay", "patient_pay"]
SUMS = ["total", "in_scope", "advance"]


class Bills:
    """Bills as columns."""

    def __init__(self, path: Path, system: ThreeLayers) -> None:
        bills = [json.loads(line) for line in path.read_text().splitlines()]
        self.day = period(bills[0]["discharge"])
        self.stays = {
            "hospital_level": numpy.array([bill["level"] for bill in bills]),
            "low_income": numpy.array(["low_income" in bill["identities"] for bill in bills]),
            "critical_entered_before": numpy.array([bill["before"]["criticalEntered"] for bill in bills]),
            "aid_paid_before": numpy.array([bill["before"]["aidPaid"] for bill in bills]),
        }
        lines = [line for bill in bills for line in bill["lines"]]

        def column(name, missing):
            return numpy.array([line.get(name, missing) for line in lines])

        self.lines = {
            "catalogue_class": column("class", "A"),
            "amount": column("amount", 0),
            "quantity": column("quantity", 0),
            "ceiling_price": column("ceilingPrice", numpy.inf),
            "own_advance_ratio": column("advanceRatio", -1),
        }
        # Input that is ready has its classes as OpenFisca holds them.
        classes = system.get_variable("catalogue_class").possible_values
        self.lines["catalogue_class"] = classes.encode(self.lines["catalogue_class"])
        self.of = numpy.repeat(numpy.arange(len(bills)), [len(bill["lines"]) for bill in bills])
        self.situations = [situation(bill) for bill in bills]

    def __len__(self) -> int:
        return len(self.situations)

    def slice(self, first: int, count: int) -> "Columns":
        """`count` bills from a place on, from the beginning again where they end."""
        places = (first + numpy.arange(count)) % len(self)
        each = numpy.searchsorted(self.of, [0, 1])[1]
        rows = (places[:, None] * each + numpy.arange(each)).ravel()
        return Columns(
            self.day,
            {name: values[places] for name, values in self.stays.items()},
            {name: values[rows] for name, values in self.lines.items()},
            numpy.repeat(numpy.arange(count), each),
        )


class Columns:
    """What one simulation looks at, ready."""

    def __init__(self, day, stays, lines, of) -> None:
        self.day, self.stays, self.lines, self.of = day, stays, lines, of
        self.sums = {}


def situation(bill) -> dict:
    """As the Web API takes it."""
    day = bill["discharge"]
    names = {
        "catalogue_class": "class",
        "amount": "amount",
        "quantity": "quantity",
        "ceiling_price": "ceilingPrice",
        "own_advance_ratio": "advanceRatio",
    }
    lines = {
        f"l{place}": {ours: {day: line[theirs]} for ours, theirs in names.items() if theirs in line}
        for place, line in enumerate(bill["lines"])
    }
    stay = {
        "lines": list(lines),
        "hospital_level": {day: bill["level"]},
        "low_income": {day: "low_income" in bill["identities"]},
        "critical_entered_before": {day: bill["before"]["criticalEntered"]},
        "aid_paid_before": {day: bill["before"]["aidPaid"]},
    }
    return {"charge_lines": lines, "stays": {"s": stay}}


def of_columns(system, columns: Columns, given: bool):
    """A simulation of columns; where sums are given, of one empty line a stay."""
    count = len(columns.stays["hospital_level"])
    of = numpy.arange(count) if given else columns.of
    builder = SimulationBuilder()
    builder.create_entities(system)
    builder.declare_person_entity("charge_line", numpy.arange(len(of)))
    stays = builder.declare_entity("stay", numpy.arange(count))
    builder.join_with_persons(stays, of, numpy.zeros(len(of), dtype=int))
    simulation = builder.build(system)
    inputs = {**columns.stays, **(columns.sums if given else columns.lines)}
    for name, values in inputs.items():
        simulation.set_input(name, columns.day, values)
    return simulation


def pays(simulation, day):
    return [simulation.calculate(name, day) for name in PAYS]


def fen(values):
    """Half-up, from what the simulation holds."""
    return numpy.floor(values.astype(numpy.float64) * 100 + 0.5).astype(int).tolist()


def settle(system, bills: Bills):
    columns = bills.slice(0, len(bills))
    return list(zip(*[fen(values) for values in pays(of_columns(system, columns, False), columns.day)]))


def work(system, bills: Bills, how: str, at_once: int):
    """A list of things to do, each of which settles `at_once` bills."""
    if how == "situation":
        return [
            lambda facts=facts: pays(SimulationBuilder().build_from_dict(system, facts), bills.day)
            for facts in bills.situations
        ]
    parts = [bills.slice(first, at_once) for first in range(len(bills) if at_once == 1 else 1)]
    for columns in parts if how == "sums" else []:
        simulation = of_columns(system, columns, False)
        columns.sums = {name: simulation.calculate(name, columns.day) for name in SUMS}
    return [lambda part=part: pays(of_columns(system, part, how == "sums"), bills.day) for part in parts]


def measure(todo, at_once: int, least_ms: int) -> int:
    """Whole rounds over the bills, for at least so long; one round before it is not measured."""
    for each in todo:
        each()
    begun, used = time.perf_counter_ns(), time.process_time_ns()
    done = 0
    while time.perf_counter_ns() - begun < least_ms * 1_000_000:
        for each in todo:
            each()
        done += at_once * len(todo)
    return (time.process_time_ns() - used) * 1_000 // done


def main() -> None:
    # It warns that these rules are no package of their own.
    logging.getLogger("openfisca_core").setLevel(logging.ERROR)
    folder = Path(sys.argv[1])
    system = ThreeLayers()
    bills, ready = {}, {}
    numbers = ["openfisca-core", "numpy"]
    versions = {"python": sys.version.split()[0], **{name: version(name) for name in numbers}}
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        size = asked["lines"]
        if size not in bills:
            bills[size] = Bills(folder / f"bills-{size}.jsonl", system)
        if asked["do"] == "settle":
            answer = settle(system, bills[size])
        else:
            how, at_once = asked["how"], asked["at_once"]
            if (size, how, at_once) not in ready:
                ready[size, how, at_once] = work(system, bills[size], how, at_once)
            answer = measure(ready[size, how, at_once], at_once, asked["least_ms"])
        print(json.dumps(answer), flush=True)


main()
