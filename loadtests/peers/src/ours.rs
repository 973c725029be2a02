//! The reference: onestop's own decision on a drawn bill.
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::civil::{Date, date};
use onestop::domain::bill::{Bill, Care, CatalogueEntry, ChargeLine, Referral};
use onestop::domain::cascade::{Inputs, Traced, decide};
use onestop::domain::ids::{HospitalCode, ItemCode, LineId, PersonId, RegionCode, StayId};
use onestop::domain::money::{Fen, Rate};
use onestop::domain::prepare::{Frozen, prepare};
use onestop::domain::rules::{ADVANCE, IN_SCOPE, IdentityChoice, Package};
use onestop::domain::split::{NetLine, Split};
use onestop::domain::standing::{
    Coverage, Hospital, Identity, PersonSnapshot, Scheme, Standing, Used,
};
use onestop::domain::verdict::Verdict;
use onestop::rulebook::load;

use crate::bills::{DISCHARGE, Drawn, Line, Sums};

/// Basic insurance, critical illness with three bands and a tilt, aid with a yearly ceiling.
const PACKAGE: &str = "../../settlement-rules/examples/features/take-in-scope-first/package.toml";
const REGION: &str = "990101";
const HOSPITAL: &str = "H9901001";
const ALWAYS: Date = date(2000, 1, 1);

/// What every layer pays and what is left to the patient, in fen.
pub(crate) type Pays = [i64; 4];

/// The names of [`Pays`].
pub(crate) const PAYS: [&str; 4] = ["basic", "critical", "aid", "patient"];

/// The package as it is, and with identities by rank, which tries one identity only, as the peers do.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) best: Package,
    pub(crate) ranked: Package,
}

/// Everything that a decision looks at, as the store gives it.
#[derive(Debug)]
struct Snapshot {
    bill: Bill,
    person: PersonSnapshot,
    hospital: Hospital,
    catalogue: Vec<CatalogueEntry>,
}

/// A bill at each stage of a decision.
#[derive(Debug)]
pub(crate) struct Case {
    snapshot: Snapshot,
    /// The lines as the catalogue has classed them.
    lines: Vec<NetLine>,
    /// Guarded, with facts and sums.
    inputs: Inputs,
}

impl Rules {
    pub(crate) fn read() -> Result<Rules, anyhow::Error> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE);
        let (entry, faults) = load::load_file(&file);
        let Some(entry) = entry else { bail!("{PACKAGE} is refused: {faults:?}") };
        let best = entry.package.as_ref().clone();
        let all = (0..).zip(&best.identities).map(|(index, _)| index).collect();
        let ranked = Package { identity_choice: IdentityChoice::Rank(all), ..best.clone() };
        Ok(Rules { best, ranked })
    }
}

impl Snapshot {
    fn of(drawn: &Drawn) -> Result<Snapshot, anyhow::Error> {
        let discharge: Date = DISCHARGE.parse().context("a day")?;
        let hospital = hospital(drawn)?;
        let catalogue = drawn.lines.iter().enumerate().map(|(number, line)| entry(number, line));
        Ok(Snapshot {
            bill: bill(drawn, &hospital, discharge)?,
            person: person(drawn, discharge)?,
            hospital,
            catalogue: catalogue.collect::<Result<_, anyhow::Error>>()?,
        })
    }

    /// Guards, facts and the split.
    fn prepare(&self, package: &Package) -> Option<Inputs> {
        let Snapshot { bill, person, hospital, catalogue } = self;
        let coverage = person.standing.coverage.first()?;
        let catalogue: Vec<_> = catalogue.iter().map(Some).collect();
        prepare(Frozen { bill, person, hospital, coverage, catalogue: &catalogue, package }).ok()
    }
}

impl Case {
    pub(crate) fn of(drawn: &Drawn, package: &Package) -> Result<Case, anyhow::Error> {
        let snapshot = Snapshot::of(drawn)?;
        let inputs = snapshot.prepare(package).context("a drawn bill is declined")?;
        Ok(Case { snapshot, lines: drawn.lines.iter().map(net_line).collect(), inputs })
    }

    /// The sums that the split comes to.
    pub(crate) fn sums(&self) -> Sums {
        let amounts = &self.inputs.amounts;
        let of = |amount: u16| amounts.get(usize::from(amount)).map_or(0, |fen| fen.get());
        Sums {
            total_fen: self.snapshot.bill.total.get(),
            in_scope_fen: of(IN_SCOPE),
            advance_fen: of(ADVANCE),
        }
    }

    /// The layers alone.
    pub(crate) fn decide(&self, package: &Package, traced: Traced) -> Verdict {
        decide(package, &self.inputs, traced)
    }

    /// Splits every line and runs the layers.
    pub(crate) fn split_and_decide(&mut self, package: &Package, traced: Traced) -> Verdict {
        let mut split = Split::new(package);
        for line in &self.lines {
            let _fits = split.add(line);
        }
        self.inputs.amounts = split.amounts().unwrap_or_default();
        decide(package, &self.inputs, traced)
    }

    /// All that a settlement does between the store's answer and its own: guards, facts, catalogue, split, layers.
    pub(crate) fn prepare_and_decide(&self, package: &Package, traced: Traced) -> Option<Verdict> {
        let inputs = self.snapshot.prepare(package)?;
        Some(decide(package, &inputs, traced))
    }

    /// What everyone pays.
    pub(crate) fn pays(&mut self, package: &Package) -> Result<Pays, anyhow::Error> {
        let Verdict::Settled(outcome) = self.split_and_decide(package, Traced::Yes) else {
            bail!("a drawn bill is not settled");
        };
        let mut pays = [0; 4];
        for layer in &outcome.layers {
            let pay = pays.get_mut(usize::from(layer.layer)).context("one of three layers")?;
            *pay = layer.pay.get();
        }
        pays[3] = outcome.breakdown.patient().context("an amount that fits")?.get();
        Ok(pays)
    }
}

fn bill(drawn: &Drawn, hospital: &Hospital, discharge: Date) -> Result<Bill, anyhow::Error> {
    let lines =
        drawn.lines.iter().enumerate().map(|(number, line)| charge(number, line, discharge));
    Ok(Bill {
        hospital: hospital.code.clone(),
        stay: StayId::new("ST1").context("a stay")?,
        stay_part: 0,
        scheme: Some(Scheme::Resident),
        admission: discharge,
        discharge,
        care: Care::Inpatient,
        referral: Referral::None,
        transferred_from: None,
        diagnoses: vec!["I63.9".to_owned()],
        facts: Vec::new(),
        lines: lines.collect::<Result<_, anyhow::Error>>()?,
        total: Fen::new(drawn.lines.iter().map(|line| line.amount_fen).sum()),
        account_balance: Fen::ZERO,
        operator: None,
    })
}

fn charge(number: usize, line: &Line, day: Date) -> Result<ChargeLine, anyhow::Error> {
    Ok(ChargeLine {
        id: LineId::new(&number.to_string()).context("a line id")?,
        item: item(number)?,
        quantity_e4: line.quantity_e4,
        unit_price_e6: line.price_fen * 10_000,
        amount: Fen::new(line.amount_fen),
        class: Some(line.class),
        refund_of: None,
        charged_on: day,
    })
}

fn item(number: usize) -> Result<ItemCode, anyhow::Error> {
    ItemCode::new(&format!("ITEM{number:04}")).context("an item")
}

fn entry(number: usize, line: &Line) -> Result<CatalogueEntry, anyhow::Error> {
    let NetLine { class, ceiling_price_e6, advance_ratio, .. } = net_line(line);
    let (valid_from, valid_to) = (ALWAYS, None);
    let item = item(number)?;
    let amount_name = None;
    Ok(CatalogueEntry {
        item,
        valid_from,
        valid_to,
        class,
        advance_ratio,
        ceiling_price_e6,
        amount_name,
    })
}

fn net_line(line: &Line) -> NetLine {
    let ratio = |percent: i64| Rate::from_billionths(percent * 10_000_000);
    NetLine {
        class: line.class,
        amount: Fen::new(line.amount_fen),
        quantity_e4: line.quantity_e4,
        ceiling_price_e6: line.ceiling_price_fen.map(|fen| fen * 10_000),
        advance_ratio: line.advance_percent.map(ratio),
        declared: None,
    }
}

fn hospital(drawn: &Drawn) -> Result<Hospital, anyhow::Error> {
    Ok(Hospital {
        code: HospitalCode::new(HOSPITAL).context("a hospital")?,
        region: region()?,
        level: drawn.level,
        valid_from: ALWAYS,
        valid_to: None,
    })
}

fn region() -> Result<RegionCode, anyhow::Error> {
    RegionCode::new(REGION).context("a region")
}

fn person(drawn: &Drawn, discharge: Date) -> Result<PersonSnapshot, anyhow::Error> {
    let region = region()?;
    let (scheme, valid_from, valid_to) = (Scheme::Resident, ALWAYS, None);
    let coverage = Coverage { scheme, region, valid_from, valid_to, facts: Vec::new() };
    let identities = drawn.identities.iter().map(|code| Identity {
        code: (*code).to_owned(),
        region,
        valid_from,
        valid_to,
        source: "drawn".to_owned(),
    });
    let standing = Standing {
        person: PersonId::new(1).context("a person")?,
        version: 1,
        birth: Some(date(1980, 1, 1)),
        coverage: vec![coverage],
        identities: identities.collect(),
    };
    let used = [("critical.entered", drawn.entered_fen), ("pool.aid", drawn.aid_fen)];
    let used = used.map(|(name, fen)| Used {
        region,
        scheme,
        year: discharge.year(),
        name: name.to_owned(),
        amount: Fen::new(fen),
    });
    let (used, stays, newest) = (used.to_vec(), Vec::new(), None);
    Ok(PersonSnapshot { standing, ledger_version: 1, used, stays, newest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bills;

    /// Bills that stop half way would be quick for nothing.
    #[test]
    fn drawn_bills_are_paid_in_every_layer_and_add_up() {
        let rules = Rules::read().unwrap();
        let mut paying = [0; 4];
        for drawn in bills::draw(1, 256, 50) {
            let mut case = Case::of(&drawn, &rules.best).unwrap();
            let pays = case.pays(&rules.best).unwrap();
            assert_eq!(pays.iter().sum::<i64>(), case.sums().total_fen);
            assert_eq!(pays, case.pays(&rules.ranked).unwrap(), "low income never costs more");
            for (count, pay) in paying.iter_mut().zip(pays) {
                *count += i32::from(0 < pay);
            }
        }
        assert!(paying.iter().all(|count| 32 < *count), "{paying:?}");
    }
}
