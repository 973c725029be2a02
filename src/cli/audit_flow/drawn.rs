//! A month as a picture: where money comes from, through funds and regions or hospitals, to whom it went or where it still lies.

use std::collections::BTreeMap;

use super::tables::{fen, fund_words};
use crate::domain::audit::Measure;
use crate::domain::finance::Fund;
use crate::domain::money::Fen;
use crate::door::wire::audit::v1 as wire;
use crate::statement::picture::{Band, GREY, Node, Picture};

/// So many regions or hospitals have a node of their own; the others share one.
const PLACES_MAX: usize = 14;

/// What comes into a fund.
const SOURCES: [(&str, Measure); 4] = [
    ("期初结余 opening", Measure::Opening),
    ("本月拨入 appropriated", Measure::Appropriated),
    ("退回 returned", Measure::Returned),
    ("期初应付 owed before", Measure::OwedBefore),
];
/// What became of what hospitals were owed, with its colour.
const OUTCOMES: [(&str, Measure, usize); 4] = [
    ("已拨付 paid", Measure::Paid, 2),
    ("质保金 withheld", Measure::Withheld, 1),
    ("冲抵预付 advance used", Measure::AdvanceUsed, 4),
    ("应付未付 still owed", Measure::Owed, 5),
];

/// Draws a month by its breakdowns by region and hospital.
pub(super) fn picture(flow: &wire::FundFlow, hospitals: bool) -> Picture {
    let by = if hospitals { "hospital" } else { "region" };
    let lines: Vec<&wire::FlowLine> = flow.lines.iter().filter(|line| line.by == by).collect();
    let place_of = |line: &wire::FlowLine| {
        if hospitals { line.hospital_code.clone() } else { line.region.clone() }
    };
    let places = places(&lines, &place_of);
    let funds: Vec<&wire::FlowLine> = flow.lines.iter().filter(|line| line.by == "fund").collect();
    let node = |label: &str, colour| Node { label: label.to_owned(), colour };
    let mut sources: Vec<Node> = SOURCES.iter().map(|(label, _)| node(label, GREY)).collect();
    sources.push(node("超支 beyond what was given", 5));
    let mut outcomes: Vec<Node> =
        OUTCOMES.iter().map(|(label, _, colour)| node(label, *colour)).collect();
    outcomes.push(node("票外补助 beside bills", 3));
    outcomes.push(node("期末结余 left in funds", 0));
    let fund_nodes = funds.iter().map(|line| node(&fund_words(&line.fund), colour_of(&line.fund)));
    let place_nodes = places.iter().map(|(label, _)| node(label, GREY));
    let columns = vec![sources, fund_nodes.collect(), place_nodes.collect(), outcomes];
    let mut bands = Vec::new();
    for (fund, line) in funds.iter().enumerate() {
        let own = lines.iter().filter(|of| of.fund == line.fund);
        let mut through = vec![Fen::ZERO; places.len()];
        for of in own {
            let name = place_of(of);
            let place = places.iter().position(|(_, names)| names.contains(&name));
            let into = place.and_then(|place| through.get_mut(place));
            if let Some(into) = into {
                *into = plus(*into, OUTCOMES.map(|(_, measure, _)| fen(of, measure)));
            }
        }
        fund_bands(&mut bands, (fund, line), &through);
    }
    for (place, (_, names)) in places.iter().enumerate() {
        for (outcome, (_, measure, colour)) in OUTCOMES.iter().enumerate() {
            let of = lines.iter().filter(|line| names.contains(&place_of(line)));
            let amount = of.fold(Fen::ZERO, |sum, line| plus(sum, [fen(line, *measure)]));
            bands.push(Band { from: (2, place), to: (3, outcome), amount, colour: *colour });
        }
    }
    let region = if flow.region.is_empty() { "" } else { &flow.region };
    Picture {
        title: format!("{} {region} 资金流向 fund flow", flow.month),
        note: format!(
            "截至 as of {}；单位：元 yuan；负数不画 what is below nothing is not drawn；「结余 left」= 拨入减支出 given less granted",
            flow.as_of
        ),
        columns,
        bands,
    }
}

/// Adds up what is above nothing.
fn plus<const N: usize>(sum: Fen, more: [Fen; N]) -> Fen {
    more.into_iter().fold(sum, |sum, of| sum.checked_add(of.max(Fen::ZERO)).unwrap_or(sum))
}

/// From where into a fund, and from it to places, to patients, or nowhere yet. What comes and what goes is the same, whatever the books say.
fn fund_bands(bands: &mut Vec<Band>, (fund, line): (usize, &wire::FlowLine), through: &[Fen]) {
    let colour = colour_of(&line.fund);
    let (mut come, mut gone) = (Fen::ZERO, Fen::ZERO);
    for (source, (_, measure)) in SOURCES.iter().enumerate() {
        let amount = fen(line, *measure).max(Fen::ZERO);
        come = plus(come, [amount]);
        bands.push(Band { from: (0, source), to: (1, fund), amount, colour });
    }
    for (place, amount) in through.iter().enumerate() {
        gone = plus(gone, [*amount]);
        bands.push(Band { from: (1, fund), to: (2, place), amount: *amount, colour });
    }
    let beside = fen(line, Measure::Benefits).max(Fen::ZERO);
    gone = plus(gone, [beside]);
    bands.push(Band { from: (1, fund), to: (3, OUTCOMES.len()), amount: beside, colour });
    let left = come.checked_sub(gone).unwrap_or_default();
    let beyond = gone.checked_sub(come).unwrap_or_default();
    bands.push(Band { from: (1, fund), to: (3, OUTCOMES.len() + 1), amount: left, colour });
    bands.push(Band { from: (0, SOURCES.len()), to: (1, fund), amount: beyond, colour });
}

/// The places that have a node each, the largest first, and one for the rest: its label, and the names that it stands for.
fn places(
    lines: &[&wire::FlowLine],
    place_of: &impl Fn(&wire::FlowLine) -> String,
) -> Vec<(String, Vec<String>)> {
    let mut sums: BTreeMap<String, Fen> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry(place_of(line)).or_default();
        *sum = plus(*sum, OUTCOMES.map(|(_, measure, _)| fen(line, measure)));
    }
    let mut all: Vec<(String, Fen)> =
        sums.into_iter().filter(|(_, sum)| Fen::ZERO < *sum).collect();
    all.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let rest = all.split_off(all.len().min(PLACES_MAX));
    let mut places: Vec<_> = all.into_iter().map(|(name, _)| (name.clone(), vec![name])).collect();
    if !rest.is_empty() {
        let label = format!("其他 {0} 处 {0} others", rest.len());
        places.push((label, rest.into_iter().map(|(name, _)| name).collect()));
    }
    places
}

/// Each fund has its colour in every picture; more funds than colours share them, and have their words.
fn colour_of(fund: &str) -> usize {
    Fund::ALL.iter().position(|of| of.word() == fund).unwrap_or(GREY) % GREY
}
