//! What is timed, each over the same bills again and again.
use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use onestop::domain::cascade::Traced;
use zen_engine::Variable;

use crate::bills::Drawn;
use crate::openfisca::{Asked, OpenFisca};
use crate::ours::{Case, Pays, Rules};
use crate::zen::Zen;

/// The size of the bills that more is measured of.
pub(crate) const USUAL: usize = 50;

/// Bills of one size, ready for everybody.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) lines: usize,
    cases: RefCell<Vec<Case>>,
    inputs: Vec<Variable>,
    sums: Vec<Variable>,
    texts: Vec<String>,
    /// What onestop says.
    pub(crate) want: Vec<Pays>,
}

/// Measures once, and tells picoseconds each.
type Measure<'a> = Box<dyn FnMut() -> Result<u64, anyhow::Error> + 'a>;

/// One row of the table.
pub(crate) struct Contender<'a> {
    pub(crate) peer: &'static str,
    pub(crate) what: String,
    pub(crate) lines: usize,
    pub(crate) beside: String,
    pub(crate) measure: Measure<'a>,
}

impl Ready {
    pub(crate) fn of(drawn: &[Drawn], lines: usize, rules: &Rules) -> Result<Ready, anyhow::Error> {
        let cases = drawn.iter().map(|drawn| Case::of(drawn, &rules.best));
        let mut cases: Vec<Case> = cases.collect::<Result<_, _>>()?;
        let want = cases.iter_mut().map(|case| case.pays(&rules.best));
        let want = want.collect::<Result<_, _>>()?;
        let with_sums = drawn.iter().zip(&cases);
        let sums = with_sums.map(|(drawn, case)| drawn.facts_of_sums(case.sums()).into());
        Ok(Ready {
            lines,
            want,
            sums: sums.collect(),
            inputs: drawn.iter().map(|drawn| drawn.facts().into()).collect(),
            texts: drawn.iter().map(|drawn| drawn.facts().to_string()).collect(),
            cases: RefCell::new(cases),
        })
    }

    /// What zen says, from the lines and from the sums.
    pub(crate) fn zen_pays(&self, zen: &Zen) -> Result<[Vec<Pays>; 2], anyhow::Error> {
        let whole = self.inputs.iter().map(|input| zen.pays(&zen.whole, input));
        let layers = self.sums.iter().map(|input| zen.pays(&zen.layers, input));
        Ok([whole.collect::<Result<_, _>>()?, layers.collect::<Result<_, _>>()?])
    }
}

/// Rows of onestop's.
pub(crate) fn ours<'a>(ready: &'a Ready, rules: &'a Rules, least: Duration) -> Vec<Contender<'a>> {
    let mut rows = Vec::new();
    let lines = ready.lines;
    let mut row = |what: &str, beside: String, measure: Measure<'a>| {
        rows.push(Contender { peer: "onestop", what: what.to_owned(), lines, beside, measure });
    };
    for (trace, traced) in [("with trace", Traced::Yes), ("without trace", Traced::No)] {
        if lines == USUAL {
            let measure = move || {
                each_case(ready, least, |case| {
                    black_box(case.decide(&rules.best, traced));
                })
            };
            row(&format!("sums given, {trace}"), beside_sums(), Box::new(measure));
        }
        let measure = move || {
            each_case(ready, least, |case| {
                black_box(case.split_and_decide(&rules.best, traced));
            })
        };
        row(&format!("lines, {trace}"), beside_lines(lines), Box::new(measure));
        if lines == USUAL {
            let measure = move || {
                each_case(ready, least, |case| {
                    black_box(case.split_and_decide(&rules.ranked, traced));
                })
            };
            let what = format!("lines, one identity by rank, {trace}");
            row(&what, beside_lines(lines), Box::new(measure));
        }
    }
    let measure = move || {
        each_case(ready, least, |case| {
            black_box(case.prepare_and_decide(&rules.best, Traced::Yes));
        })
    };
    let what = "guards, facts, catalogue and lines, with trace";
    row(what, beside_lines(lines), Box::new(measure));
    rows
}

/// Rows of zen-engine's.
pub(crate) fn zens<'a>(ready: &'a Ready, zen: &'a Zen, least: Duration) -> Vec<Contender<'a>> {
    let mut rows = Vec::new();
    let lines = ready.lines;
    let bills = ready.inputs.len();
    let mut row = |what: &str, beside: String, measure: Measure<'a>| {
        rows.push(Contender { peer: "zen-engine", what: what.to_owned(), lines, beside, measure });
    };
    if lines == USUAL {
        let measure =
            move || rounds(bills, least, || zen.evaluate(&zen.layers, &ready.sums, false));
        row("sums given", beside_sums(), Box::new(measure));
        let measure =
            move || rounds(bills, least, || zen.evaluate(&zen.whole, &ready.inputs, true));
        row("lines, input ready, with trace", beside_lines(lines), Box::new(measure));
    }
    let measure = move || rounds(bills, least, || zen.evaluate(&zen.whole, &ready.inputs, false));
    row("lines, input ready", beside_lines(lines), Box::new(measure));
    let measure = move || rounds(bills, least, || zen.evaluate_texts(&ready.texts));
    row("lines, from JSON", beside_lines(lines), Box::new(measure));
    rows
}

/// Rows of OpenFisca's.
pub(crate) fn openfiscas(
    lines: usize,
    openfisca: &RefCell<OpenFisca>,
    least: Duration,
) -> Vec<Contender<'_>> {
    let least_ms = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
    let usual = lines == USUAL;
    let all = [
        ("sums given, one at a time", "sums", 1, usual),
        ("sums given, 1 000 at once", "sums", 1_000, usual),
        ("sums given, 100 000 at once", "sums", 100_000, usual),
        ("lines, one at a time", "lines", 1, true),
        ("lines, one at a time, from a situation of the Web API", "situation", 1, usual),
        ("lines, 1 000 at once", "lines", 1_000, true),
        ("lines, 100 000 at once", "lines", 100_000, usual),
    ];
    let rows = all.into_iter().filter(|(.., wanted)| *wanted).map(|(what, how, at_once, _)| {
        let asked = Asked { how, lines, at_once };
        let measure = move || openfisca.borrow_mut().time(asked, least_ms);
        Contender {
            peer: "OpenFisca",
            what: what.to_owned(),
            lines,
            beside: if how == "sums" { beside_sums() } else { beside_lines(lines) },
            measure: Box::new(measure),
        }
    });
    rows.collect()
}

fn beside_sums() -> String {
    format!("onestop, sums given, with trace, {USUAL} lines")
}

fn beside_lines(lines: usize) -> String {
    format!("onestop, lines, with trace, {lines} lines")
}

fn each_case(
    ready: &Ready,
    least: Duration,
    mut settle: impl FnMut(&mut Case),
) -> Result<u64, anyhow::Error> {
    let mut cases = ready.cases.borrow_mut();
    rounds(cases.len(), least, || {
        cases.iter_mut().for_each(&mut settle);
        Ok(())
    })
}

/// Whole rounds over the bills for at least so long; one round before it is not measured. Picoseconds of the processor for one
/// bill, so that neighbours who take the processor are not counted; of the clock where the kernel does not tell.
fn rounds(
    bills: usize,
    least: Duration,
    mut round: impl FnMut() -> Result<(), anyhow::Error>,
) -> Result<u64, anyhow::Error> {
    round()?;
    let (begun, used) = (Instant::now(), processor_ns());
    let mut done = 0_u128;
    while begun.elapsed() < least {
        round()?;
        done += u128::try_from(bills).unwrap_or(1);
    }
    let took_ns = match (used, processor_ns()) {
        (Some(before), Some(after)) => u128::from(after.saturating_sub(before)),
        (None | Some(_), None | Some(_)) => begun.elapsed().as_nanos(),
    };
    Ok(u64::try_from(took_ns * 1_000 / done.max(1)).unwrap_or(u64::MAX))
}

/// What this thread has had of the processor so far.
fn processor_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
