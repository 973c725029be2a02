//! Compares what is stored with what was sealed, and with what others keep of it, and names what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::close::{change_leaf_id, shanghai_day_end};
use super::{Place, SealError, failed};
use crate::app::answer::sha256;
use crate::app::entry::column_that_differs;
use crate::app::{shanghai, shanghai_day_start};
use crate::bundle::roots::{self, Roots};
use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::record::Record;
use crate::domain::rules::Package;
use crate::domain::seal::Hash;
use crate::domain::seal::head::SignedHead;
use crate::domain::seal::leaf::Kind;
use crate::domain::seal::tree::Tree;
use crate::keys::SealKeys;
use crate::limits;
use crate::rulebook::parse;
use crate::store::{self, Block, ChangeKey, Pool, WholeSettlement};

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    /// Of one region, or of all.
    pub region: Option<RegionCode>,
    /// Between two days, both of them too.
    pub days: (Date, Date),
    /// What others keep.
    pub roots: Option<&'a Roots>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many days, each region's counted, open ones too.
    pub days: usize,
    /// How many leaves.
    pub leaves: u64,
    /// What differs, in the order in which it was found, at most as many as are told.
    pub differences: Vec<Difference>,
    /// How many differ in all.
    pub differences_count: usize,
}

/// Something that is not what was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of which region.
    pub region: RegionCode,
    /// Of which day.
    pub day: Date,
    /// What.
    pub what: What,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The head's signature is not that of a key of ours.
    Signature,
    /// The head does not name the head of the day before.
    Chain,
    /// There is no head of this day, though there is one before and one after it, or others keep one.
    NoHead,
    /// Others keep another head.
    OtherRoot,
    /// The leaves are not those that the head was signed for.
    Leaves,
    /// A row is gone.
    Gone(String),
    /// A row is not what was sealed.
    Changed(String, &'static str),
    /// A row is in the day and was not sealed with it.
    Unsealed(String),
    /// The rule package behind a row is gone, or not what its hash says.
    Package(String, PackageHash),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, day, what } = self;
        write!(f, "{region} {day}: ")?;
        match what {
            What::Signature => {
                f.write_str("SIGNATURE: the head was not signed by a key of ours 封印签名无效")
            }
            What::Chain => {
                f.write_str("CHAIN: the head does not follow the day before 封印与前一日不衔接")
            }
            What::NoHead => f.write_str("NO_HEAD: the day has no head 该日没有封印"),
            What::OtherRoot => {
                f.write_str("OTHER_ROOT: another head was published 与已公布的封印不同")
            }
            What::Leaves => {
                f.write_str("LEAVES: the leaves are not those that were signed 封印内容与签名不符")
            }
            What::Gone(leaf) => write!(f, "GONE: {leaf} was sealed and is gone 已封印的记录不存在"),
            What::Changed(leaf, column) => {
                write!(f, "CHANGED: {leaf}, {column} is not what was sealed 记录的该项与封印时不同")
            }
            What::Unsealed(leaf) => {
                write!(
                    f,
                    "UNSEALED: {leaf} is in the day and was not sealed with it 记录不在该日封印之内"
                )
            }
            What::Package(leaf, hash) => {
                write!(
                    f,
                    "PACKAGE: {leaf}, rule package {hash} is gone or not what its hash says 政策包缺失或被改动"
                )
            }
        }
    }
}

/// Recomputes days from the rows behind their leaves.
pub async fn check_seals(
    pool: &Pool,
    keys: &SealKeys,
    check: &Check<'_>,
    progress: &dyn Fn(u64),
) -> Result<Checked, SealError> {
    let mut checking =
        Checking { pool, keys, packages: BTreeMap::new(), checked: Checked::default(), progress };
    let (from, to) = check.days;
    let before = from.yesterday().unwrap_or(from);
    let heads = store::final_heads(pool, check.region, (before, to)).await.map_err(failed)?;
    checking.chain(&heads, from);
    checking.published(&heads, check);
    for signed in heads.iter().filter(|signed| from <= signed.head.day) {
        checking.day(signed, true).await?;
    }
    let state = store::seal_state(pool).await.map_err(failed)?;
    for (signed, _) in &state.open {
        let wanted = check.region.is_none_or(|region| region == signed.head.region);
        if wanted && from <= signed.head.day && signed.head.day <= to {
            checking.day(signed, false).await?;
        }
    }
    let closed: BTreeSet<Date> =
        heads.iter().map(|signed| signed.head.day).filter(|day| from <= *day).collect();
    for day in &closed {
        checking.unsealed(*day, check.region).await?;
    }
    // Days are closed for all regions at once: up to the last one each day of a region in which anything is has a head.
    let last = state.last.iter().map(|signed| signed.head.day).max();
    if let Some(last) = last {
        checking.unheaded((from, to.min(last)), &closed, check.region).await?;
    }
    Ok(checking.checked)
}

struct Checking<'a> {
    pool: &'a Pool,
    keys: &'a SealKeys,
    packages: BTreeMap<PackageHash, Option<Arc<Package>>>,
    checked: Checked,
    progress: &'a dyn Fn(u64),
}

impl Checking<'_> {
    fn differs(&mut self, (region, day): Place, what: What) {
        let checked = &mut self.checked;
        checked.differences_count = checked.differences_count.saturating_add(1);
        if checked.differences.len() < limits::SEAL_DIFFERENCES_TOLD {
            checked.differences.push(Difference { region, day, what });
        }
    }

    /// Each head names the one of the day before, and no day is left out.
    fn chain(&mut self, heads: &[SignedHead], from: Date) {
        for pair in heads.windows(2) {
            let [one, next] = pair else { continue };
            let (one, next) = (&one.head, &next.head);
            if one.region != next.region {
                continue;
            }
            let mut expected = one.day.tomorrow().unwrap_or(Date::MAX);
            while expected < next.day {
                self.differs((one.region, expected), What::NoHead);
                expected = expected.tomorrow().unwrap_or(Date::MAX);
            }
            if next.previous != one.hash() {
                self.differs((next.region, next.day), What::Chain);
            }
        }
        for signed in heads.iter().filter(|signed| from <= signed.head.day) {
            if !self.is_ours(signed) {
                self.differs((signed.head.region, signed.head.day), What::Signature);
            }
        }
    }

    fn is_ours(&self, signed: &SignedHead) -> bool {
        let ours = self.keys.public_keys().any(|key| *key == signed.public_key);
        ours && roots::is_signed(signed)
    }

    fn published(&mut self, heads: &[SignedHead], check: &Check<'_>) {
        let Some(roots) = check.roots else { return };
        let (from, to) = check.days;
        let here: BTreeMap<Place, Hash> = heads
            .iter()
            .map(|signed| ((signed.head.region, signed.head.day), signed.head.hash()))
            .collect();
        for ((region, day), kept) in roots {
            let wanted = check.region.is_none_or(|wanted| wanted == *region);
            if !wanted || *day < from || to < *day {
                continue;
            }
            match here.get(&(*region, *day)) {
                None => self.differs((*region, *day), What::NoHead),
                Some(hash) if *hash != kept.head.hash() => {
                    self.differs((*region, *day), What::OtherRoot);
                }
                Some(_) => {}
            }
        }
    }

    async fn day(&mut self, signed: &SignedHead, is_closed: bool) -> Result<(), SealError> {
        let place = (signed.head.region, signed.head.day);
        if !is_closed && !self.is_ours(signed) {
            self.differs(place, What::Signature);
        }
        let (mut tree, mut next_block) = (Tree::default(), 0_i32);
        let mut sealed = BTreeSet::new();
        loop {
            let block = store::seal_leaves(self.pool, place, next_block).await;
            let Some(block) = block.map_err(failed)? else { break };
            next_block = block.block.saturating_add(1);
            tree.extend(block.hashes.iter().copied());
            self.rows(&block).await?;
            let count = u64::try_from(block.ids.len()).unwrap_or(0);
            self.checked.leaves = self.checked.leaves.saturating_add(count);
            (self.progress)(self.checked.leaves);
            sealed.extend(block.ids);
        }
        if (tree.leaves(), tree.root()) != (signed.head.leaves, signed.head.root) {
            self.differs(place, What::Leaves);
        }
        if is_closed {
            let ids = store::settlement_ids_of_day(self.pool, place).await.map_err(failed)?;
            for id in ids {
                if !sealed.contains(&format!("s{id}")) {
                    self.differs(place, What::Unsealed(id));
                }
            }
        }
        self.checked.days = self.checked.days.saturating_add(1);
        Ok(())
    }

    /// Compares the rows behind some leaves.
    async fn rows(&mut self, block: &Block) -> Result<(), SealError> {
        let place = (block.region, block.day);
        let ids: Vec<&str> = block.ids.iter().filter_map(|id| id.strip_prefix('s')).collect();
        let rows = store::settlements_of(self.pool, &ids).await.map_err(failed)?;
        let rows: BTreeMap<&str, &WholeSettlement> =
            rows.iter().map(|row| (row.sealed.settlement.as_str(), row)).collect();
        let others = self.others(block).await?;
        for (id, sealed) in block.ids.iter().zip(&block.hashes) {
            let Some(settlement) = id.strip_prefix('s') else {
                match others.get(id) {
                    None => self.differs(place, What::Gone(id.clone())),
                    Some((hash, column)) if hash != sealed => {
                        self.differs(place, What::Changed(id.clone(), column));
                    }
                    Some(_) => {}
                }
                continue;
            };
            match rows.get(settlement) {
                None => self.differs(place, What::Gone(settlement.to_owned())),
                Some(row) => self.row(place, row, sealed).await?,
            }
        }
        Ok(())
    }

    /// The hashes of the other rows behind some leaves, and which column it is that differs where one is not what was sealed.
    async fn others(
        &self,
        block: &Block,
    ) -> Result<BTreeMap<String, (Hash, &'static str)>, SealError> {
        let place = (block.region, block.day);
        let mut others = BTreeMap::new();
        let keys: Vec<ChangeKey> = block.ids.iter().filter_map(|id| change_key(id)).collect();
        for row in store::changes_of(self.pool, &keys).await.map_err(failed)? {
            let id = row.leaf_id();
            let hash = self.keys.salted(Kind::RegistryChange, &id, &row.parts()).hash;
            let hash = if (row.region, row.day()) == place { hash } else { [0; 32] };
            others.insert(id, (hash, "registry_change"));
        }
        let ids: Vec<&str> = block.ids.iter().filter_map(|id| posting_of(id)).collect();
        for row in store::postings_of(self.pool, &ids).await.map_err(failed)? {
            let id = row.leaf_id();
            let hash = self.keys.salted(Kind::Posting, &id, &row.parts()).hash;
            let hash = if (row.region, row.accounting_day) == place { hash } else { [0; 32] };
            others.insert(id, (hash, row.column_that_differs().unwrap_or("record")));
        }
        Ok(others)
    }

    async fn row(
        &mut self,
        place: Place,
        row: &WholeSettlement,
        sealed: &Hash,
    ) -> Result<(), SealError> {
        let id = &row.sealed.settlement;
        let hash =
            self.keys.salted(Kind::Settlement, &row.sealed.leaf_id(), &row.sealed.parts()).hash;
        if (row.sealed.region, row.sealed.accounting_day) != place {
            self.differs(place, What::Changed(id.clone(), "insured_region, accounting_day"));
            return Ok(());
        }
        let differs = column_of(self.pool, &mut self.packages, row).await?;
        match differs {
            Differs::Column(column) => self.differs(place, What::Changed(id.clone(), column)),
            Differs::Package(package) => self.differs(place, What::Package(id.clone(), package)),
            Differs::Nothing if hash != *sealed => {
                self.differs(place, What::Changed(id.clone(), "record"));
            }
            Differs::Nothing => {}
        }
        Ok(())
    }

    /// What stands in days that have no head: in a region that was never sealed, or before its first day.
    async fn unheaded(
        &mut self,
        (from, to): (Date, Date),
        closed: &BTreeSet<Date>,
        region: Option<RegionCode>,
    ) -> Result<(), SealError> {
        for of in store::unheaded(self.pool, region, (from, to)).await.map_err(failed)? {
            // Postings of days that other regions have closed were compared one by one.
            if of.leaf.starts_with('p') && closed.contains(&of.day) {
                continue;
            }
            let what = match of.leaves.checked_sub(1) {
                Some(0) | None => of.leaf,
                Some(more) => format!("{} (and {more} more 另有 {more} 条)", of.leaf),
            };
            self.differs((of.region, of.day), What::Unsealed(what));
        }
        let mut at = shanghai_day_start(from).unwrap_or(Timestamp::UNIX_EPOCH);
        while let Some(next) = store::next_change(self.pool, at).await.map_err(failed)? {
            let day = shanghai(next).date();
            let (false, Some(end)) = (to < day, shanghai_day_end(day)) else { break };
            if !closed.contains(&day) {
                self.unsealed(day, region).await?;
            }
            at = end;
        }
        Ok(())
    }

    /// Changes of the registry and postings that no leaf of their day is of.
    async fn unsealed(&mut self, day: Date, region: Option<RegionCode>) -> Result<(), SealError> {
        let (Some(from), Some(to)) = (shanghai_day_start(day), shanghai_day_end(day)) else {
            return Ok(());
        };
        let keys = store::unsealed_changes(self.pool, (from, to)).await.map_err(failed)?;
        let postings = store::postings_of_day(self.pool, day).await.map_err(failed)?;
        if keys.is_empty() && postings.is_empty() {
            return Ok(());
        }
        let known = store::leaf_ids_of_day(self.pool, day).await.map_err(failed)?;
        let known: BTreeSet<String> = known.into_iter().collect();
        let unsealed: Vec<ChangeKey> =
            keys.into_iter().filter(|key| !known.contains(&change_leaf_id(*key))).collect();
        let mut found = Vec::new();
        for some in unsealed.chunks(limits::SEAL_READ_ROWS) {
            let rows = store::changes_of(self.pool, some).await.map_err(failed)?;
            found.extend(rows.iter().map(|row| (row.region, row.leaf_id())));
        }
        let postings = postings.iter().map(|row| (row.region, row.leaf_id()));
        found.extend(postings.filter(|(_, leaf)| !known.contains(leaf)));
        for (of, leaf) in found {
            if region.is_none_or(|region| region == of) {
                self.differs((of, day), What::Unsealed(leaf));
            }
        }
        Ok(())
    }
}

/// What of a row does not follow from its record.
#[derive(Debug)]
pub(in crate::app) enum Differs {
    Nothing,
    Column(&'static str),
    Package(PackageHash),
}

/// Compares all columns of a row with its record.
pub(in crate::app) async fn column_of(
    pool: &Pool,
    packages: &mut BTreeMap<PackageHash, Option<Arc<Package>>>,
    row: &WholeSettlement,
) -> Result<Differs, SealError> {
    let entry = match &row.entry {
        Ok(entry) => entry,
        Err(column) => return Ok(Differs::Column(column)),
    };
    if sha256(&entry.record) != entry.record_sha256 {
        return Ok(Differs::Column("record"));
    }
    let Ok(record) = Record::from_bytes(&entry.record) else {
        return Ok(Differs::Column("record"));
    };
    let hash = record.header.package;
    if let std::collections::btree_map::Entry::Vacant(vacant) = packages.entry(hash) {
        let found = store::find_package(pool, &hash).await.map_err(failed)?;
        let package = found.filter(|bytes| parse::hash_of(bytes) == hash);
        vacant.insert(package.and_then(|bytes| parse::parse_canonical(&bytes).ok()).map(Arc::new));
    }
    let Some(Some(package)) = packages.get(&hash) else { return Ok(Differs::Package(hash)) };
    let differs = column_that_differs(entry, &record, package);
    Ok(differs.map_or(Differs::Nothing, Differs::Column))
}

/// Which change of the registry a leaf is of.
pub(in crate::app) fn change_key(leaf_id: &str) -> Option<ChangeKey> {
    let mut parts = leaf_id.strip_prefix('r')?.split('/');
    let key =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(key)
}

/// Which posting a leaf is of.
pub(in crate::app) fn posting_of(leaf_id: &str) -> Option<&str> {
    let (posting, _) = leaf_id.strip_prefix('p')?.split_once('/')?;
    Some(posting)
}
