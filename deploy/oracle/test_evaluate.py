"""Examples computed by hand from the sentences of settlement-rules/README.md.

    python3 -m unittest        in this folder
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import unittest
from contextlib import redirect_stdout
from fractions import Fraction

import compare
import evaluate
import generate

HERE = os.path.dirname(os.path.abspath(__file__))

HEAD = """
class_b = { advance = "0.10" }
payer = [
    { name = "fund", kind = "fund" }, { name = "other", kind = "other" },
    { name = "house", kind = "hospital" }, { name = "account", kind = "account" },
]
identity = [ { code = "destitute" }, { code = "low_income" } ]
"""


def settle(package, case="", head=HEAD):
    package = evaluate.Package(tomllib.loads(head + package))
    return evaluate.settle(package, tomllib.loads(case))


def pays(answer):
    return {row["layer"]: row["pay"] for row in answer["layers"]}


def basic(more="", curve='ratio = "0.5"', base='{ in_scope = "1" }', top=""):
    """One layer `basic`; `top` are keys of the layer, `more` its other sections."""
    return f'{top_of()}{top}\nbase = {base}\n{more}\n[[layer.curve]]\n{curve}\n'


def top_of(name="basic", payer="fund"):
    return f'[[layer]]\nname = "{name}"\npayer = "{payer}"\n'


class Figures(unittest.TestCase):
    def test_roundings(self):
        half, three_halves = Fraction(1, 2), Fraction(3, 2)
        self.assertEqual([evaluate.rounded(half, m) for m in ("half_up", "half_even", "down", "up")], [1, 0, 0, 1])
        self.assertEqual([evaluate.rounded(three_halves, m) for m in ("half_up", "half_even", "down", "up")], [2, 2, 1, 2])
        self.assertEqual(evaluate.rounded(Fraction(1, 3), "up"), 1)
        self.assertEqual(evaluate.rounded(Fraction(2, 3), "half_up"), 1)
        self.assertEqual(evaluate.rounded(-half, "half_up"), -1)

    def test_amounts_have_two_decimals_and_are_text(self):
        self.assertEqual(evaluate.fen("3000.00"), 300000)
        self.assertEqual(evaluate.fen("0.1"), 10)
        for wrong in ("1.001", "1e2", " 1", "", 1):
            with self.assertRaises(evaluate.Malformed):
                evaluate.fen(wrong)

    def test_floats_are_refused(self):
        with self.assertRaises(evaluate.Malformed):
            tomllib.loads("a = 1.5", parse_float=evaluate.no_float)


class Split(unittest.TestCase):
    def amounts(self, case, package=""):
        return settle(package, case)["amounts"]

    def test_class_b_with_its_own_advance_and_a_ceiling_price(self):
        # 3 × 10.00 allowed of 100.00: 70.00 above; 30 % of 30.00 = 9.00; 21.00 in scope
        got = self.amounts(
            'lines = [{ class = "B", amount = "100.00", quantity = "3", ceiling_price = "10.00", advance = "0.30" }]')
        self.assertEqual(got, {"total": 10000, "in_scope": 2100, "advance": 900, "over_limit": 7000, "out_of_catalogue": 0})

    def test_class_a_has_no_advance_and_class_c_is_out_of_catalogue(self):
        got = self.amounts('lines = [{ class = "A", amount = "10.00" }, { class = "C", amount = "5.00", advance = "0.5" }]')
        self.assertEqual(got, {"total": 1500, "in_scope": 1000, "advance": 0, "over_limit": 0, "out_of_catalogue": 500})

    def test_each_line_is_rounded(self):
        # class B of 0.05: 10 % is half a fen, twice
        case = 'lines = [{ class = "B", amount = "0.05" }, { class = "B", amount = "0.05" }]'
        self.assertEqual(self.amounts(case)["advance"], 2)
        self.assertEqual(settle("", case, 'rounding = "down"\n' + HEAD)["amounts"]["advance"], 0)

    def test_only_the_part_of_its_kind_goes_to_a_declared_amount(self):
        package = ('[[amount]]\nname = "implant"\ncounts_as = "in_scope"\n' + basic(base='{ implant = "1" }', curve='ratio = "1"'))
        got = settle(package, 'lines = [{ class = "B", amount = "100.00", name = "implant" }]')
        self.assertEqual(got["amounts"]["in_scope"], 9000)  # counted under its kind
        self.assertEqual(pays(got), {"basic": 9000})

    def test_a_move_comes_before_the_layers(self):
        package = ('[[move]]\nfrom = "in_scope"\nto = "advance"\nratio = "0.1"\nwhen = { referral = ["unfiled"] }\n'
                   + basic('[layer.deductible]\namount = "100.00"'))
        got = settle(package, 'referral = "unfiled"\namounts = { in_scope = "1000.00" }')
        self.assertEqual((got["amounts"]["in_scope"], got["amounts"]["advance"]), (90000, 10000))
        self.assertEqual(pays(got), {"basic": 40000})
        self.assertEqual(pays(settle(package, 'amounts = { in_scope = "1000.00" }')), {"basic": 45000})

    def test_moves_follow_one_another(self):
        package = ('[[move]]\nfrom = "in_scope"\nto = "advance"\nratio = "0.5"\n'
                   '[[move]]\nfrom = "advance"\nto = "over_limit"\nratio = "0.5"\n')
        got = settle(package, 'amounts = { in_scope = "100.00" }')["amounts"]
        self.assertEqual((got["in_scope"], got["advance"], got["over_limit"]), (5000, 2500, 2500))


class Conditions(unittest.TestCase):
    def holds(self, condition, case, head=""):
        package = head + basic(top=f"who = {condition}")
        return bool(settle(package, case + '\namounts = { in_scope = "1.00" }')["layers"])

    def test_ages_and_levels(self):
        self.assertTrue(self.holds("{ age = { at_least = 60, below = 70 } }", "age = 60"))
        self.assertFalse(self.holds("{ age = { at_least = 60, below = 70 } }", "age = 70"))
        self.assertTrue(self.holds("{ level = [1, 2] }", ""))
        self.assertTrue(self.holds("{}", ""))

    def test_stays_count_their_own_care_and_not_reversed_ones(self):
        case = ('stays = [{ level = 2, care = "inpatient" }, { level = 1, care = "outpatient" },'
                ' { level = 1, care = "inpatient", reversed = true }]')
        self.assertTrue(self.holds("{ stay = { at_least = 2, below = 3 } }", case))
        self.assertTrue(self.holds("{ stay_same_level = { below = 2 } }", case))
        self.assertTrue(self.holds("{ stay = { at_least = 2, below = 3 } }", case + '\ncare = "outpatient"'))
        self.assertTrue(self.holds("{ stay = { at_least = 3, below = 4 } }", case, "reversed_stay_counts = true\n"))

    def test_transfer_is_from_a_lower_level_up(self):
        case = 'level = 2\nstays = [{ level = 1 }, { level = 3 }, { level = 2 }]\ntransferred_from = '
        for number, name in ((1, "up"), (2, "down"), (3, "level")):
            self.assertTrue(self.holds(f'{{ transfer = ["{name}"] }}', case + str(number)))
        self.assertTrue(self.holds('{ transfer = ["none"] }', ""))

    def test_any_and_not(self):
        condition = '{ any = [{ level = [3] }, { place = ["outside"] }], not = { care = ["outpatient"] } }'
        self.assertTrue(self.holds(condition, 'place = "outside"'))
        self.assertFalse(self.holds(condition, ""))
        self.assertFalse(self.holds(condition, 'level = 3\ncare = "outpatient"'))

    def test_an_unknown_age_is_told_by_the_other_parts(self):
        old = "age = { at_least = 60 }"
        for condition, told in (
            (f"{{ {old} }}", None), (f"{{ not = {{ {old} }} }}", None),
            (f"{{ {old}, level = [2] }}", None), (f"{{ level = [2], {old} }}", None),
            (f"{{ {old}, level = [1] }}", False), (f"{{ level = [1], {old} }}", False),
            (f"{{ any = [{{ {old} }}, {{ level = [2] }}] }}", True), (f"{{ any = [{{ level = [2] }}, {{ {old} }}] }}", True),
            (f"{{ any = [{{ {old} }}, {{ level = [1] }}] }}", None), (f"{{ any = [{{ level = [1] }}, {{ {old} }}] }}", None),
            (f"{{ not = {{ {old}, level = [1] }} }}", True), (f"{{ not = {{ any = [{{ {old} }}, {{ level = [2] }}] }} }}", False),
            (f"{{ not = {{ {old} }}, level = [1] }}", False),
        ):
            with self.subTest(condition):
                if told is None:
                    got = settle(basic(top=f"who = {condition}"), "level = 2")
                    self.assertEqual(got, {"verdict": "declined", "reason": "FACT_MISSING"})
                else:
                    self.assertEqual(self.holds(condition, "level = 2"), told)

    def test_regions_begin(self):
        self.assertTrue(self.holds('{ treatment_region = ["5202"] }', 'treatment_region = "520201"'))
        self.assertFalse(self.holds('{ treatment_region = ["5202"] }', ""))

    def test_facts_by_kind(self):
        head = ('fact = [{ name = "retired", kind = "flag", default = "false" }, { name = "n", kind = "number", default = "4" },'
                ' { name = "income", kind = "yuan", default = "4999.99" }, { name = "form", kind = "choice", default = "a" }]\n')
        condition = '{ fact = { retired = false, n = { at_least = 4 }, income = { below = "5000.00" }, form = ["a"] } }'
        self.assertTrue(self.holds(condition, "", head))
        for fact in ('retired = "true"', 'n = "3"', 'income = "5000.00"', 'form = "b"'):
            self.assertFalse(self.holds(condition, f"facts = {{ {fact} }}", head))

    def test_a_fact_without_default_is_needed(self):
        got = settle('fact = [{ name = "n", kind = "number" }]\n' + basic())
        self.assertEqual(got, {"verdict": "declined", "reason": "FACT_MISSING"})

    def test_no_row_is_a_decline(self):
        got = settle(basic(curve='ratio = [{ when = { level = [3] }, ratio = "0.5" }]'), "level = 1")
        self.assertEqual(got, {"verdict": "declined", "reason": "NO_ROW_MATCHES"})


class Amounts(unittest.TestCase):
    def fixed(self, amount, case="", head=""):
        got = settle(f'{head}{top_of()}fixed = {{ amount = {amount} }}', case)
        return got["fixed"][0]["pay"]

    def test_of_times_plus_min_max(self):
        head = '[[index]]\nname = "income"\namount = { of = "index.wage", times = "0.5" }\n[[index]]\nname = "wage"\namount = "0.05"\n'
        # 0.05 × 0.5 rounds to 0.03
        self.assertEqual(self.fixed('{ of = "index.income", plus = "1.00" }', head=head), 103)
        self.assertEqual(self.fixed('{ of = "index.income", min = "0.10" }', head=head), 10)
        self.assertEqual(self.fixed('{ of = "index.income", plus = "1.00", max = "0.50" }', head=head), 50)

    def test_ages_and_numbers_are_times_yuan(self):
        self.assertEqual(self.fixed('{ of = "age", times = "1.50" }', "age = 61"), 9150)
        head = 'fact = [{ name = "n", kind = "number", default = "3" }]\n'
        self.assertEqual(self.fixed('{ of = "fact.n", times = "0.005" }', head=head), 2)

    def test_rows(self):
        rows = '[{ when = { level = [1] }, yuan = "400.00" }, { of = "total", times = "0.1" }]'
        case = 'amounts = { out_of_catalogue = "7.00" }\nlevel = '
        self.assertEqual(self.fixed(rows, case + "1"), 40000)
        self.assertEqual(self.fixed(rows, case + "2"), 70)

    def test_a_linear_ratio(self):
        package = basic(curve='ratio = { base = "0.75", per = "age", each = "0.002", max = "0.85" }')
        case = 'amounts = { in_scope = "1000.00" }\nage = '
        self.assertEqual(pays(settle(package, case + "40")), {"basic": 83000})
        self.assertEqual(pays(settle(package, case + "60")), {"basic": 85000})


BANDS = ('bands = [{ to = "100.00", ratio = "0.5" }, { to = "200.00", ratio = "0.6" }, { ratio = "0.7" }]')


class Curve(unittest.TestCase):
    def pay(self, t, top="", more='[layer.deductible]\namount = "50.00"'):
        return pays(settle(basic(more, BANDS, top=top), f'amounts = {{ in_scope = "{t}" }}'))["basic"]

    def test_slices_on_excess(self):
        # 250 of excess: 50 + 60 + 35
        self.assertEqual(self.pay("300.00"), 14500)

    def test_slices_on_gross_above_the_deductible(self):
        # 50…100 at 0.5, 100…200 at 0.6, 200…300 at 0.7: 25 + 60 + 70
        self.assertEqual(self.pay("300.00", 'bands_on = "gross"'), 15500)

    def test_whole_bands_and_their_bounds(self):
        whole = 'band_mode = "whole"\nbounds = '
        self.assertEqual(self.pay("150.00", whole + '"inclusive"'), 5000)
        self.assertEqual(self.pay("150.00", whole + '"exclusive"'), 6000)
        self.assertEqual(self.pay("150.01", whole + '"inclusive"'), 6001)  # 100.01 × 0.6 = 60.006
        # gross 200.00 reaches the second or third band; the excess is 150.00
        self.assertEqual(self.pay("200.00", 'bands_on = "gross"\n' + whole + '"inclusive"'), 9000)
        self.assertEqual(self.pay("200.00", 'bands_on = "gross"\n' + whole + '"exclusive"'), 10500)
        self.assertEqual(self.pay("50.00", whole + '"inclusive"'), 0)

    def test_it_is_rounded_once(self):
        # three slices of 0.01, 0.01, 0.01 at 0.5: 1.5 fen, not 3 × 1
        curve = 'bands = [{ to = "0.01", ratio = "0.5" }, { to = "0.02", ratio = "0.5" }, { ratio = "0.5" }]'
        got = settle(basic(curve=curve), 'amounts = { in_scope = "0.03" }')
        self.assertEqual(pays(got), {"basic": 2})

    def test_weights_may_be_negative_but_the_base_is_not(self):
        package = basic(base='{ in_scope = "1.5", advance = "-1" }', top='take_from = ["in_scope"]')
        got = settle(package, 'amounts = { in_scope = "10.00", advance = "5.00" }')
        self.assertEqual(got["layers"], [{"layer": "basic", "base": 1000, "deductible": 0, "pay": 500}])
        self.assertEqual(settle(package, 'amounts = { advance = "5.00" }')["layers"][0]["base"], 0)

    def test_the_layer_s_own_rounding(self):
        case = 'amounts = { in_scope = "0.01" }'
        self.assertEqual(pays(settle(basic(), case)), {"basic": 1})
        self.assertEqual(pays(settle(basic(top='rounding = "down"'), case)), {"basic": 0})


class Years(unittest.TestCase):
    def run_year(self, accumulate, against, before, x="200.00", curve=BANDS):
        package = basic('[layer.deductible]\namount = "50.00"', curve,
                        top=f'span = "year"\naccumulate = "{accumulate}"\nagainst = "{against}"')
        return settle(package, f'amounts = {{ in_scope = "{x}" }}\nbefore = {{ {before} }}')

    def test_against_the_curve(self):
        # b = 30: the deductible still takes 20; F(230) = 50 + 48 = 98, F(30) = 0
        got = self.run_year("entered", "curve", '"basic.entered" = "30.00", "basic.paid" = "9.00"')
        self.assertEqual(got["layers"], [{"layer": "basic", "base": 20000, "deductible": 2000, "pay": 9800}])
        self.assertEqual(got["counted"], {"basic.entered": 20000, "basic.paid": 9800})

    def test_against_what_was_paid(self):
        got = self.run_year("entered", "paid", '"basic.entered" = "30.00", "basic.paid" = "9.00"')
        self.assertEqual(pays(got), {"basic": 8900})
        got = self.run_year("entered", "paid", '"basic.paid" = "500.00"')
        self.assertEqual(pays(got), {"basic": 0})

    def test_kept_counts_what_entered_less_the_pay(self):
        # F(200) = 50 + 30 = 80
        got = self.run_year("kept", "curve", "")
        self.assertEqual(got["counted"], {"basic.kept": 12000, "basic.paid": 8000})

    def test_against_the_curve_rounds_both_ends(self):
        # F(51.01) = 0.505 → 0.51; F(50.01) = 0.005 → 0.01
        got = self.run_year("entered", "curve", '"basic.entered" = "50.01"', "1.00")
        self.assertEqual(pays(got), {"basic": 50})


class Deductible(unittest.TestCase):
    STAY = 'stays = [{ level = 2, deductible = "300.00" }]\nlevel = 2\namounts = { in_scope = "1000.00" }\n'

    def taken(self, table, case=STAY, more=""):
        got = settle(basic(f'[layer.deductible]\n{table}\n{more}'), case)
        return got["layers"][0]["deductible"]

    def test_nth_and_floor(self):
        nth = 'amount = "400.00"\nnth = { counts = "same_level", factors = ["1", "0.75", "0.5"] }'
        self.assertEqual(self.taken(nth), 30000)
        self.assertEqual(self.taken(nth, 'amounts = { in_scope = "1000.00" }'), 40000)
        four = 'stays = [{}, {}, {}, {}]\namounts = { in_scope = "1000.00" }'
        self.assertEqual(self.taken(nth, four), 20000)  # the last factor repeats
        self.assertEqual(self.taken(nth + '\nfloor = "350.00"'), 35000)

    def test_transfer(self):
        table = 'amount = "400.00"\ntransfer = { up = "difference", down = "waived" }'
        case = 'amounts = { in_scope = "1000.00" }\nstays = [{ level = 2, deductible = "300.00" }]\ntransferred_from = 1\nlevel = '
        self.assertEqual(self.taken(table, case + "3"), 10000)
        self.assertEqual(self.taken(table, case + "1"), 0)
        self.assertEqual(self.taken(table, case + "2"), 40000)  # full by default

    def test_a_waived_transfer_is_below_the_floor(self):
        case = self.STAY + "transferred_from = 1"
        self.assertEqual(self.taken('amount = "400.00"\nfloor = "50.00"\ntransfer = { level = "waived" }', case), 0)

    def test_yearly_cap_counts_what_was_really_taken(self):
        table = 'amount = "400.00"\nyearly_cap = "1000.00"'
        got = settle(basic(f"[layer.deductible]\n{table}"), 'amounts = { in_scope = "90.00" }')
        self.assertEqual(got["counted"], {"basic.deductible": 9000})
        self.assertEqual(self.taken(table, self.STAY + 'before = { "basic.deductible" = "850.00" }'), 15000)

    def test_tilt_then_adjustments(self):
        more = ('[[layer.tilt]]\nwhen = { identity = ["low_income"] }\ndeductible = { times = "0.5" }\n'
                '[[layer.tilt]]\ndeductible = { replace = "1.00" }\n'
                '[[layer.adjust]]\nwhen = { level = [2] }\ndeductible = { plus = "10.00" }\n'
                '[[layer.adjust]]\nwhen = { level = [3] }\ndeductible = { plus = "99.00" }\n')
        self.assertEqual(self.taken('amount = "400.00"', self.STAY + 'identities = ["low_income"]', more), 1100)
        chosen = "identity_choice = 'layer'\n" + basic('[layer.deductible]\namount = "400.00"\n' + more)
        self.assertEqual(settle(chosen, self.STAY)["layers"][0]["deductible"], 1100)
        ranked = "identity_choice = 'rank'\nidentity_rank = ['low_income']\n" + basic('[layer.deductible]\namount = "400.00"\n' + more)
        self.assertEqual(settle(ranked, self.STAY + 'identities = ["low_income"]')["layers"][0]["deductible"], 21000)


class Ratios(unittest.TestCase):
    def test_changes_are_ordered_and_clamped_at_the_end(self):
        more = '[[layer.tilt]]\nratio = { times = "0.5", plus = "0.8" }\n[[layer.adjust]]\nratio = { plus = "-0.35" }\n'
        # 0.5 → 0.25 → 1.05 → 0.70
        got = settle(basic(more), 'amounts = { in_scope = "100.00" }')
        self.assertEqual(pays(got), {"basic": 7000})

    def test_nine_decimals_half_up(self):
        package = basic('[[layer.tilt]]\nratio = { times = "0.5" }\n', 'ratio = "0.000000001"')
        # 0.0000000005 → 0.000000001; of 10 million yuan that is one fen
        got = settle(package, 'amounts = { in_scope = "10000000.00" }')
        self.assertEqual(pays(got), {"basic": 1})


class Ceilings(unittest.TestCase):
    def test_what_does_not_enter_stays_left(self):
        more = '[[layer.ceiling]]\nof = "cost"\nspan = "year"\namount = "100.00"\n'
        got = settle(basic(more), 'amounts = { in_scope = "500.00" }\nbefore = { "pool.cost.basic" = "40.00" }')
        self.assertEqual(got["layers"], [{"layer": "basic", "base": 50000, "deductible": 0, "pay": 3000}])
        self.assertEqual(got["counted"], {"pool.cost.basic": 6000})
        self.assertEqual(got["patient"], 47000)

    def test_layers_share_a_lifetime_pool(self):
        ceiling = '[[layer.ceiling]]\nspan = "life"\npool = "aid"\namount = "100.00"\n'
        package = basic(ceiling) + top_of("second") + 'base = { in_scope = "1" }\n[[layer.curve]]\nratio = "0.5"\n' + ceiling
        got = settle(package, 'amounts = { in_scope = "140.00" }\nbefore_life = { "pool.aid" = "10.00" }')
        # 70, and 35 of the 20 that the pool has left
        self.assertEqual(pays(got), {"basic": 7000, "second": 2000})
        self.assertEqual(got["counted"], {"life:pool.aid": 9000})

    def test_a_lifted_ceiling_still_counts(self):
        more = ('[[layer.ceiling]]\nspan = "year"\namount = "10.00"\n[[layer.ceiling]]\nup_to = { share = "0.4", measure = "total" }\n'
                '[[layer.tilt]]\nceiling = "none"\n')
        got = settle(basic(more), 'amounts = { in_scope = "100.00" }\nbefore = { "pool.basic" = "9.00" }')
        self.assertEqual(pays(got), {"basic": 4000})
        self.assertEqual(got["counted"], {"pool.basic": 4000})

    def test_cut_is_what_the_ceilings_cut_off_together(self):
        package = (basic('[[layer.ceiling]]\nspan = "stay"\namount = "30.00"\n[[layer.ceiling]]\nspan = "stay"\namount = "20.00"\n')
                   + top_of("rest") + 'base = { "basic.cut" = "1" }\ntake_from = ["in_scope"]\n[[layer.curve]]\nratio = "1"\n')
        got = settle(package, 'amounts = { in_scope = "100.00" }')
        self.assertEqual(pays(got), {"basic": 2000, "rest": 3000})

    def test_up_to_with_the_layers_counted(self):
        package = (basic() + top_of("more") + 'base = { in_scope = "1" }\n[[layer.curve]]\nratio = "1"\n'
                   '[[layer.ceiling]]\nup_to = { share = "0.9", measure = "in_scope" }\n')
        self.assertEqual(pays(settle(package, 'amounts = { in_scope = "100.00" }')), {"basic": 5000, "more": 4000})


class Taking(unittest.TestCase):
    def left(self, take, pay, amounts):
        package = (top_of() + f'external = true\nbase = {{ in_scope = "1", advance = "1", over_limit = "1" }}\ntake = "{take}"\n')
        for name in ("in_scope", "advance", "over_limit"):
            package += top_of("rest_" + name) + f'base = {{ {name} = "1" }}\n[[layer.curve]]\nratio = "1"\n'
        got = pays(settle(package, f'given = {{ basic = "{pay}" }}\namounts = {{ {amounts} }}'))
        return [got["rest_" + name] for name in ("in_scope", "advance", "over_limit")]

    def test_order(self):
        amounts = 'in_scope = "1.00", advance = "1.00", over_limit = "1.00"'
        self.assertEqual(self.left("order", "1.50", amounts), [0, 50, 100])

    def test_proportional(self):
        amounts = 'in_scope = "0.01", advance = "0.02", over_limit = "0.03"'
        # of 4 fen: 0, 1, 2 by the floor; the fen missing comes from the first
        self.assertEqual(self.left("proportional", "0.04", amounts), [0, 1, 1])


class OtherLayers(unittest.TestCase):
    def test_who_does_not_hold(self):
        package = (basic(top='who = { level = [3] }\nspan = "year"\naccumulate = "entered"\nagainst = "curve"')
                   + top_of("next") + 'base = { "basic.base" = "1", in_scope = "0.1" }\n[[layer.curve]]\nratio = "1"\n')
        got = settle(package, 'amounts = { in_scope = "100.00" }')
        self.assertEqual(pays(got), {"next": 1000})
        self.assertEqual(got["counted"], {})

    def test_target_share_and_keep(self):
        target = top_of("aid") + 'take_from = ["in_scope"]\ntarget = { measure = "in_scope", '
        case = 'amounts = { in_scope = "100.00", out_of_catalogue = "50.00" }'
        got = settle(basic() + target + 'share = "0.9" }', case)
        self.assertEqual(got["layers"][1], {"layer": "aid", "base": 10000, "deductible": 0, "pay": 4000})
        self.assertEqual(pays(settle(basic() + target + 'keep_at_most = "30.00" }', case))["aid"], 2000)
        self.assertEqual(pays(settle(basic() + target + 'keep_at_most = "60.00" }', case))["aid"], 0)

    def test_target_over_a_year(self):
        package = basic() + top_of("aid") + 'span = "year"\ntake_from = ["in_scope"]\ntarget = { measure = "in_scope", share = "0.9" }\n'
        got = settle(package, 'amounts = { in_scope = "100.00" }\nbefore = { "aid.measure" = "200.00", "aid.counted" = "200.00" }')
        # 0.9 × 300 − (50 + 200) = 20
        self.assertEqual(pays(got)["aid"], 2000)
        self.assertEqual(got["counted"], {"aid.measure": 10000, "aid.counted": 7000})

    def test_fixed_benefits_are_beside_the_bill(self):
        package = (top_of("gift") + 'fixed = { amount = "10400.00" }\n[[layer.ceiling]]\nspan = "year"\namount = "400.00"\n'
                   + basic(base='{ paid = "1", in_scope = "1" }'))
        got = settle(package, 'amounts = { in_scope = "100.00" }')
        self.assertEqual(got["fixed"], [{"layer": "gift", "pay": 40000}])
        self.assertEqual((pays(got), got["patient"]), ({"basic": 5000}, 5000))
        self.assertEqual(got["counted"], {"pool.gift": 40000})

    def test_external_needs_and_is_refused_above_what_is_left(self):
        package = top_of() + 'external = true\nbase = { in_scope = "1" }\n'
        case = 'amounts = { in_scope = "100.00" }\n'
        self.assertEqual(settle(package, case), {"verdict": "needs", "layer": "basic", "base": 10000})
        self.assertEqual(pays(settle(package, case + 'given = { basic = "100.00" }')), {"basic": 10000})
        self.assertEqual(settle(package, case + 'given = { basic = "100.01" }'),
                         {"verdict": "declined", "reason": "TOLD_ABOVE_LEFT"})

    def test_given_skips_deductible_and_ceilings_but_counts(self):
        package = basic('[layer.deductible]\namount = "50.00"\n[[layer.ceiling]]\nspan = "stay"\namount = "1.00"\n',
                        top='span = "year"\naccumulate = "entered"\nagainst = "curve"')
        got = settle(package, 'amounts = { in_scope = "100.00" }\ngiven = { basic = "80.00" }')
        self.assertEqual(got["layers"], [{"layer": "basic", "base": 10000, "deductible": 0, "pay": 8000}])
        self.assertEqual(got["counted"], {"basic.entered": 10000, "basic.paid": 8000})

    def test_of_a_given_layer_no_figure_is_asked(self):
        case = 'amounts = { in_scope = "100.00" }\ngiven = { basic = "80.00" }'
        young = 'when = { age = { below = 6 } }\nratio = { plus = "0.1" }\n'
        self.assertEqual(pays(settle(basic("[[layer.adjust]]\n" + young + "[[layer.tilt]]\n" + young), case)), {"basic": 8000})
        target = top_of() + 'take_from = ["in_scope"]\ntarget = { measure = "total", keep_at_most = { of = "age" } }\n'
        self.assertEqual(pays(settle(target, case)), {"basic": 8000})

    def test_by_application(self):
        package = (basic('[[layer.ceiling]]\nspan = "year"\namount = "30.00"\n', top='by_application = { level = [3] }')
                   + top_of("next") + 'who = { nothing_from = ["basic"] }\nbase = { "basic.cut" = "1", in_scope = "1" }\n'
                   '[[layer.curve]]\nratio = "0.1"\n')
        got = settle(package, 'level = 3\namounts = { in_scope = "100.00" }')
        self.assertEqual(got["may_apply"], [{"layer": "basic", "pay": 3000}])
        self.assertEqual((pays(got), got["counted"], got["patient"]), ({"next": 1000}, {}, 9000))
        got = settle(package, 'level = 2\namounts = { in_scope = "100.00" }')
        self.assertEqual((pays(got), got["may_apply"]), ({"basic": 3000}, []))

    def test_accounts_and_waivers(self):
        package = (basic() + top_of("waiver", "house") + 'base = { in_scope = "1" }\n[[layer.curve]]\nratio = "0.5"\n'
                   + top_of("own", "account") + 'base = { in_scope = "1" }\n[[layer.curve]]\nratio = "1"\n'
                   '[[layer.ceiling]]\nspan = "stay"\namount = { of = "account_balance" }\n')
        got = settle(package, 'account_balance = "15.00"\namounts = { in_scope = "100.00" }')
        self.assertEqual(pays(got), {"basic": 5000, "waiver": 2500, "own": 1500})
        self.assertEqual((got["patient"], got["cash"], got["hospital"]), (2500, 1000, 2500))


IDENTITIES = (basic('[[layer.tilt]]\nwhen = { identity = ["destitute"] }\nratio = { replace = "0.9" }\n')
              + top_of("aid") + 'who = { identity = ["low_income"] }\nbase = { out_of_catalogue = "1" }\n[[layer.curve]]\nratio = "1"\n')


class Identities(unittest.TestCase):
    CASE = 'identities = ["low_income", "unknown", "destitute"]\namounts = { in_scope = "100.00", out_of_catalogue = "30.00" }'

    def test_cascade(self):
        # destitute keeps 10 + 30, low-income 50 + 0
        got = settle(IDENTITIES, self.CASE)
        self.assertEqual((got["identity"], got["patient"], pays(got)), ("destitute", 4000, {"basic": 9000}))

    def test_layer(self):
        got = settle("identity_choice = 'layer'\n" + IDENTITIES, self.CASE)
        self.assertEqual((got["identity"], got["patient"]), (None, 1000))
        self.assertEqual(pays(got), {"basic": 9000, "aid": 3000})

    def test_rank(self):
        got = settle("identity_choice = 'rank'\nidentity_rank = ['low_income', 'destitute']\n" + IDENTITIES, self.CASE)
        self.assertEqual((got["identity"], got["patient"]), ("low_income", 5000))

    def test_of_equals_the_first_counts_and_none_is_last(self):
        case = 'amounts = { in_scope = "100.00" }\nidentities = '
        self.assertEqual(settle(basic(), case + '["low_income", "destitute"]')["identity"], "destitute")
        self.assertEqual(settle(basic(), case + '["low_income"]')["identity"], "low_income")
        self.assertEqual(settle(basic(), case + "[]")["identity"], "")

    def test_fixed_benefits_weigh_in_the_cascade(self):
        package = IDENTITIES + top_of("gift") + 'who = { identity = ["low_income"] }\nfixed = { amount = "20.00" }\n'
        self.assertEqual(settle(package, self.CASE)["identity"], "low_income")


class Tools(unittest.TestCase):
    def test_packages_parse_and_are_the_same_again(self):
        with tempfile.TemporaryDirectory() as folder:
            generate.main("7", "200", os.path.join(folder, "a"))
            generate.main("7", "5", os.path.join(folder, "b"), "40")
            for part in ("package.toml", os.path.join("cases", "random.toml")):
                with open(os.path.join(folder, "a", "40", part)) as one, open(os.path.join(folder, "b", "40", part)) as two:
                    self.assertEqual(one.read(), two.read())
            verdicts = set()
            ids = set()
            count = 0
            for path in evaluate.packages_below([os.path.join(folder, "a")]):
                table = evaluate.load(path)
                ids.add(table["id"])
                package = evaluate.Package(table)
                for file in evaluate.case_files(path):
                    for case in evaluate.load(file)["case"]:
                        verdicts.add(evaluate.settle(package, case)["verdict"])
                        count += 1
            self.assertEqual((count, len(ids)), (200, 40))
            self.assertIn("settled", verdicts)

    def test_compare_finds_one_fen(self):
        expected = {"verdict": "settled", "layers": [{"layer": "a", "pay": 1}], "counted": {"a.paid": 1}}
        same = {"verdict": "settled", "layers": [{"layer": "a", "pay": 1, "more": 2}], "counted": {"a.paid": 1, "b.paid": 0}}
        self.assertEqual(compare.differences(same, expected), [])
        for field, value in (("layers", [{"layer": "a", "pay": 2}]), ("layers", []), ("counted", {"a.paid": 1, "b.paid": 1}),
                             ("counted", {}), ("layers", [{"layer": "a", "pay": 1}, {"layer": "b", "pay": 0}])):
            self.assertEqual([row[0] for row in compare.differences({**same, field: value}, expected)], [field])

    def test_the_oracle_agrees_with_itself_and_not_with_another(self):
        with tempfile.TemporaryDirectory() as folder:
            generate.main("3", "20", os.path.join(folder, "packages"))
            script = os.path.join(folder, "binary")
            for change, words in (("cat", "20 passed, 0 failed"), ("sed 1d", "19 failed"), ("sed 's/\"verdict\"/\"v\"/'", "20 failed")):
                with open(script, "w") as file:
                    file.write(f'#!/bin/sh\nshift 2\n"{sys.executable}" "{HERE}/evaluate.py" "$@" | {change}\n')
                os.chmod(script, 0o755)
                done = subprocess.run(
                    [sys.executable, os.path.join(HERE, "compare.py"), "--onestop", script, os.path.join(folder, "packages")],
                    capture_output=True, text=True, check=False)
                last = done.stdout.splitlines()[-1]
                if change != "sed 1d":
                    self.assertIn(words, last)
                else:
                    self.assertNotIn(" 0 failed", last)
                self.assertEqual(done.returncode, 0 if change == "cat" else 1)

    def test_evaluate_prints_a_line_for_each_case(self):
        with tempfile.TemporaryDirectory() as folder:
            generate.main("3", "12", folder)
            with redirect_stdout(io.StringIO()) as out:
                evaluate.main([folder])
            self.assertEqual(len([json.loads(line) for line in out.getvalue().splitlines()]), 12)


if __name__ == "__main__":
    unittest.main()
