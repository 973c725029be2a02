//! Explains differences batch by batch: each is decided again from its record, under what was known then and what is known now.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use jiff::civil::Date;

use super::{Progress, Reconciling, Step};
use crate::app::AppError;
use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::prepare::identity_counts;
use crate::domain::reconcile::{
    Amounts, Explanation, Known, Revised, Unexplained, Variants, explain,
};
use crate::domain::record::Record;
use crate::domain::rules::{DayOf, Package};
use crate::domain::standing::{Scheme, within};
use crate::limits;
use crate::rulebook::parse::parse_canonical;
use crate::store as edge;
use crate::store::reconcile::{self as store, ToExplain, Why};

/// Packages by hash, with the ways to miss their clauses; nothing where one is not to be had.
type Rules = BTreeMap<PackageHash, Option<Arc<Variants>>>;

/// Packages of a region and scheme that were in force on a day.
type InForce = BTreeMap<(RegionCode, Scheme, Date), Vec<Arc<Package>>>;

/// What explaining has read so far. A statement is mostly of one package.
#[derive(Default)]
struct Read {
    rules: Rules,
    in_force: InForce,
}

impl Reconciling<'_> {
    /// Explains whatever is not explained yet.
    pub(super) async fn explain(
        &self,
        key: i64,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), AppError> {
        let statement = self.statement(key, crate::app::Act::Reconcile).await?;
        // They are explained in their order, so that what was done is what comes first.
        let mut after = statement.explained;
        let mut read = Read::default();
        let payer = statement.scope.payer.clone();
        while after < statement.differences {
            let window = (after, limits::EXPLAIN_BATCH_ROWS);
            let batch = store::unexplained(self.pool, key, window).await;
            let batch = batch.map_err(AppError::store("read differences to explain"))?;
            let Some(last) = batch.last().map(|last| last.number) else { break };
            self.read_rules(&batch, &mut read).await?;
            let payer = payer.clone();
            let work = tokio::task::spawn_blocking(move || {
                let explained = all_explained(&batch, &read, payer.as_deref());
                (read, explained)
            });
            let explained;
            (read, explained) = work.await.map_err(|_| AppError::Unbalanced)?;
            let noted =
                store::note_explanations(self.pool, key, &explained, &self.caller.name).await;
            noted.map_err(AppError::store("note why figures differ"))?;
            after = last;
            let of = Some(statement.differences);
            tell(Progress { step: Step::Explain, done: after, of });
        }
        Ok(())
    }

    /// Reads the packages behind a batch, each once.
    async fn read_rules(&self, batch: &[ToExplain], read: &mut Read) -> Result<(), AppError> {
        for why in batch.iter().filter_map(|difference| difference.ours.as_ref()) {
            if let Entry::Vacant(place) = read.rules.entry(why.package) {
                let found = edge::find_package(self.pool, &why.package).await;
                let canonical = found.map_err(AppError::store("read a rule package"))?;
                let package = canonical.and_then(|bytes| parse_canonical(&bytes).ok());
                let rules = package.map(|package| Arc::new(Variants::of(Arc::new(package))));
                place.insert(rules);
            }
            let Ok(record) = Record::from_bytes(&why.record) else { continue };
            let place = (why.region, why.scheme, record.header.discharge);
            if read.in_force.contains_key(&place) {
                continue;
            }
            let (region, scheme, discharge) = place;
            let found = edge::packages_of(self.pool, (region, scheme), discharge).await;
            let found = found.map_err(AppError::store("read rule packages"))?;
            let packages = found.iter().filter_map(|bytes| parse_canonical(bytes).ok());
            read.in_force.insert(place, packages.map(Arc::new).collect());
        }
        Ok(())
    }
}

fn all_explained(
    batch: &[ToExplain],
    read: &Read,
    payer: Option<&str>,
) -> Vec<(u64, &'static str, String)> {
    batch
        .iter()
        .map(|difference| {
            let explanation = explained(difference, read, payer);
            (difference.number, explanation.word(), explanation.detail())
        })
        .collect()
}

fn explained(difference: &ToExplain, read: &Read, payer: Option<&str>) -> Explanation {
    let ToExplain { number: _, class, refund, theirs, ours, bad_line } = difference;
    let record = ours.as_ref().and_then(|why| Record::from_bytes(&why.record).ok());
    let theirs = theirs.map(|theirs| if *refund { negated(&theirs) } else { theirs });
    let mut known =
        Known { class: Some(*class), theirs, payer, bad_line: *bad_line, ..Known::default() };
    let Some(why) = ours.as_ref().filter(|_| bad_line.is_none()) else { return explain(&known) };
    let Some(record) = &record else {
        return Explanation::NotExplainable(Unexplained::NothingToReplay);
    };
    let rules = read.rules.get(&why.package).and_then(Option::as_ref);
    let header = &record.header;
    let place = (why.region, why.scheme, header.discharge);
    known.record = Some(record);
    known.rules = rules.map(|rules| &**rules);
    known.others = read.in_force.get(&place).map(Vec::as_slice).unwrap_or_default();
    known.reversed = why.reversed;
    known.provisional = why.provisional;
    known.revised = rules.and_then(|rules| revised(why, &rules.package, record));
    explain(&known)
}

/// The identities that count by what is known now, where any was recorded after the settlement.
fn revised(why: &Why, package: &Package, record: &Record) -> Option<Revised> {
    let day = match package.standing_on {
        DayOf::Discharge => record.header.discharge,
        DayOf::Admission => record.header.admission,
    };
    let held = why.identities.as_ref()?.iter().filter(|identity| {
        within(day, identity.from, identity.to) && identity_counts(why.region, identity.region)
    });
    Some(Revised { codes: held.map(|identity| identity.code.clone()).collect() })
}

fn negated(amounts: &Amounts) -> Amounts {
    Amounts::default().less(amounts).unwrap_or_default()
}
