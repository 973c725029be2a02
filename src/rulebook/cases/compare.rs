//! What came out beside what was expected, and as JSON for other programs.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Case, Expect};
use crate::domain::money::Fen;
use crate::domain::rules::{AccumulatorName, IdentityChoice, NATIONAL_AMOUNTS, Package};
use crate::domain::verdict::{Breakdown, LayerPay, Outcome, Verdict};

/// An accumulator's name, with `life:` before those of a lifetime.
pub(super) fn accumulator_word(accumulator: &AccumulatorName) -> String {
    let AccumulatorName { life, name } = accumulator;
    if *life { format!("life:{name}") } else { name.clone() }
}

/// How a verdict differs from what a case expects, by name with both figures. Empty where it does not.
pub fn differences(package: &Package, expect: &Expect, verdict: &Verdict) -> Vec<String> {
    if let Some(reason) = &expect.declined {
        return match verdict {
            Verdict::Declined(decline) if decline.reason.code() == reason => Vec::new(),
            Verdict::Declined(_) | Verdict::Settled(_) | Verdict::Needs { .. } => {
                vec![format!("expected declined {reason}, got {}", told(package, verdict))]
            }
        };
    }
    if let Some((wanted, wanted_base)) = expect.needs {
        return match verdict {
            Verdict::Needs { layer, base }
                if *layer == wanted && wanted_base.is_none_or(|wanted| wanted == *base) =>
            {
                Vec::new()
            }
            Verdict::Needs { .. } | Verdict::Settled(_) | Verdict::Declined(_) => {
                let base = wanted_base.map_or_else(|| "any".to_owned(), |base| base.to_string());
                let layer = layer_name(package, wanted);
                vec![format!("expected needs {layer} base {base}, got {}", told(package, verdict))]
            }
        };
    }
    match verdict {
        Verdict::Settled(outcome) => {
            let mut found = Differences { list: Vec::new() };
            found.outcome(package, expect, outcome);
            found.list
        }
        Verdict::Declined(_) | Verdict::Needs { .. } => {
            vec![format!("expected settled, got {}", told(package, verdict))]
        }
    }
}

fn told(package: &Package, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Settled(_) => "settled".to_owned(),
        Verdict::Declined(decline) => {
            format!("declined {} ({})", decline.reason.code(), decline.subject)
        }
        Verdict::Needs { layer, base } => {
            format!("needs {} base {base}", layer_name(package, *layer))
        }
    }
}

fn layer_name(package: &Package, layer: u16) -> &str {
    package.layer(layer).map_or("?", |layer| layer.name.as_str())
}

struct Differences {
    list: Vec<String>,
}

impl Differences {
    fn fen(&mut self, name: &str, expected: Fen, got: Fen, tolerance: Fen) {
        let off = expected.get().abs_diff(got.get());
        if tolerance.get().unsigned_abs() < off {
            self.list.push(format!("{name}: expected {expected}, got {got}"));
        }
    }

    fn layers(
        &mut self,
        names: (&Package, &str),
        expected: &[(u16, Fen)],
        got: (&[LayerPay], fn(&LayerPay) -> Fen),
        tolerance: Fen,
    ) {
        let ((package, what), (pays, figure)) = (names, got);
        for (layer, expected) in expected {
            let pay = pays.iter().find(|pay| pay.layer == *layer).map_or(Fen::ZERO, figure);
            let name = format!("{what}.{}", layer_name(package, *layer));
            self.fen(&name, *expected, pay, tolerance);
        }
    }

    fn outcome(&mut self, package: &Package, expect: &Expect, outcome: &Outcome) {
        let pay: fn(&LayerPay) -> Fen = |pay| pay.pay;
        let deductible: fn(&LayerPay) -> Fen = |pay| pay.deductible;
        let exact = Fen::ZERO;
        self.layers((package, "pay"), &expect.pay, (&outcome.layers, pay), expect.tolerance);
        let named = (package, "deductible");
        self.layers(named, &expect.deductible, (&outcome.layers, deductible), exact);
        self.layers((package, "fixed"), &expect.fixed, (&outcome.fixed, pay), exact);
        self.layers((package, "may_apply"), &expect.may_apply, (&outcome.may_apply, pay), exact);
        if let Some(expected) = expect.patient {
            let patient = outcome.breakdown.patient().unwrap_or_default();
            self.fen("patient", expected, patient, expect.tolerance);
        }
        for (at, expected) in &expect.amounts {
            let name = NATIONAL_AMOUNTS.get(usize::from(*at)).copied().unwrap_or("?");
            let got = national(&outcome.breakdown, *at);
            self.fen(&format!("amounts.{name}"), *expected, got, exact);
        }
        for (slot, expected) in &expect.counted {
            let name = package.accumulators.get(usize::from(*slot)).map(accumulator_word);
            let moved = outcome.moved.iter().find(|moved| moved.slot == *slot);
            let got = moved.map_or(Fen::ZERO, |moved| moved.by);
            self.fen(&format!("counted.{}", name.unwrap_or_default()), *expected, got, exact);
        }
        if let Some(expected) = &expect.identity {
            let got = identity(package, outcome);
            if got != Some(expected.as_str()) {
                let got = got.unwrap_or("one for each layer");
                self.list.push(format!("identity: expected \"{expected}\", got \"{got}\""));
            }
        }
        for expected in &expect.because {
            let met = outcome.trace.iter().any(|step| {
                package.clause(step.clause).is_some_and(|clause| clause.name == *expected)
            });
            if !met {
                self.list.push(format!("because: {expected} is not in the trace"));
            }
        }
    }
}

fn national(breakdown: &Breakdown, at: u16) -> Fen {
    match at {
        0 => breakdown.in_scope,
        1 => breakdown.advance,
        2 => breakdown.over_limit,
        _ => breakdown.out_of_catalogue,
    }
}

/// The identity that counted, empty for none; nothing where each layer has its own.
fn identity<'p>(package: &'p Package, outcome: &Outcome) -> Option<&'p str> {
    if package.identity_choice == IdentityChoice::Layer {
        return None;
    }
    let used = outcome.identities_used.iter().find(|used| used.layer.is_none());
    let place = used.and_then(|used| used.identity);
    let code = place.and_then(|place| package.identities.get(usize::from(place)));
    Some(code.map_or("", |identity| identity.code.as_str()))
}

/// A verdict as one JSON object, for the comparison with other programs.
pub fn json(package: &Package, package_file: &str, case: &Case, verdict: &Verdict) -> Json {
    let mut line = json!({ "package": package_file, "file": case.file, "case": case.name });
    let fields = match verdict {
        Verdict::Declined(decline) => {
            json!({ "verdict": "declined", "reason": decline.reason.code() })
        }
        Verdict::Needs { layer, base } => {
            let layer = layer_name(package, *layer);
            json!({ "verdict": "needs", "layer": layer, "base": base.get() })
        }
        Verdict::Settled(outcome) => settled(package, outcome),
    };
    if let (Json::Object(line), Json::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    line
}

fn settled(package: &Package, outcome: &Outcome) -> Json {
    let breakdown = &outcome.breakdown;
    let pays = |pays: &[LayerPay]| -> Vec<Json> {
        let pay = |pay: &LayerPay| json!({ "layer": layer_name(package, pay.layer), "pay": pay.pay.get() });
        pays.iter().map(pay).collect()
    };
    let layers: Vec<Json> = outcome
        .layers
        .iter()
        .map(|pay| {
            json!({
                "layer": layer_name(package, pay.layer),
                "base": pay.base.get(),
                "deductible": pay.deductible.get(),
                "pay": pay.pay.get(),
            })
        })
        .collect();
    let counted: BTreeMap<String, i64> = outcome
        .moved
        .iter()
        .filter(|moved| moved.by != Fen::ZERO)
        .filter_map(|moved| {
            let name = package.accumulators.get(usize::from(moved.slot))?;
            Some((accumulator_word(name), moved.by.get()))
        })
        .collect();
    json!({
        "verdict": "settled",
        "amounts": {
            "total": breakdown.total.get(),
            "in_scope": breakdown.in_scope.get(),
            "advance": breakdown.advance.get(),
            "over_limit": breakdown.over_limit.get(),
            "out_of_catalogue": breakdown.out_of_catalogue.get(),
        },
        "layers": layers,
        "fixed": pays(&outcome.fixed),
        "may_apply": pays(&outcome.may_apply),
        "counted": counted,
        "patient": breakdown.patient().unwrap_or_default().get(),
        "cash": breakdown.cash.get(),
        "hospital": breakdown.hospital_borne.get(),
        "identity": identity(package, outcome),
    })
}
