//! Verifies one file of leaves: its hash, each leaf's place in the tree, and each settlement by deciding it anew.

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::{Fault, Shared};
use crate::bundle::entry::{self, Leaf, Pseudonym, Shown};
use crate::bundle::manifest::FileEntry;
use crate::bundle::read::Archive;
use crate::domain::money::Fen;
use crate::domain::record::{self, Body, Record, Replay};
use crate::domain::rules::{Bearer, Package};
use crate::domain::seal::leaf::{Kind, ShownPosting, ShownSettlement};
use crate::domain::seal::tree::Tree;
use crate::domain::verdict::{Column, Outcome};

/// A file of leaves.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) day: Date,
    pub(super) leaves: u64,
    pub(super) entry: FileEntry,
}

/// What a file that verifies leaves to be compared with others.
#[derive(Debug, Default)]
pub(super) struct PartDone {
    pub(super) tree: Tree,
    pub(super) records: Vec<Seen>,
    /// The postings, by the beginnings of the hashes of their ids.
    pub(super) postings: Vec<[u8; 16]>,
    pub(super) totals_fen: [i128; 3],
}

/// An id, without room for more than there is in it: bucket, time, randomness.
pub(super) type ShortId = (i16, i64, u64);

/// What is kept of a record that verifies.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: ShortId,
    /// The settlement that it undoes.
    pub(super) reverses: Option<ShortId>,
    /// What it does, or, of a settlement, what undoing it must do.
    pub(super) undone: [u8; 16],
    pub(super) pseudonym: Pseudonym,
    pub(super) ledger_version: i64,
    /// By which rules and in which year it was counted.
    pub(super) rules: [u8; 8],
    /// Of a settlement: what was used before, and after it.
    pub(super) used: Option<([u8; 8], [u8; 8])>,
}

/// Why a record does not verify: in which field, in English and Chinese.
type Why = (&'static str, (&'static str, &'static str));

impl Part {
    /// Verifies the file; tells what is to be compared with others.
    pub(super) fn verify(&self, archive: &mut Archive, shared: &Shared) -> Result<PartDone, Fault> {
        let mut stream = archive.stream(&self.entry.name)?;
        let mut done = PartDone::default();
        let mut buffer = Vec::new();
        for at in 0..self.leaves {
            stream.leaf(&mut buffer)?;
            let number = || format!("leaf {at}");
            let leaf = entry::read(&buffer).ok_or_else(|| {
                Fault::of_file(&self.entry.name, ("it is not a leaf", "不是有效的叶子"))
                    .at(&number())
            })?;
            done.tree.push(leaf.hash());
            match leaf {
                Leaf::Shown(shown) if shown.kind == Kind::Settlement => {
                    let (seen, totals) =
                        self.record(&shown, shared).map_err(|(id, (field, why))| {
                            let record = id.unwrap_or_else(number);
                            Fault::of_file(&self.entry.name, why).at(&record).in_field(field)
                        })?;
                    done.records.push(seen);
                    for (sum, fen) in done.totals_fen.iter_mut().zip(totals) {
                        *sum = sum.saturating_add(i128::from(fen.get()));
                    }
                }
                Leaf::Shown(shown) if shown.kind == Kind::Posting => {
                    let posting = self.posting(&shown, shared).map_err(|(id, (field, why))| {
                        let record = id.unwrap_or_else(number);
                        Fault::of_file(&self.entry.name, why).at(&record).in_field(field)
                    })?;
                    done.postings.push(posting);
                }
                Leaf::Shown(_) => {
                    let why =
                        ("a leaf is shown that this release can not read", "该叶子的内容不受支持");
                    return Err(Fault::of_file(&self.entry.name, why)
                        .at(&number())
                        .in_field("kind"));
                }
                Leaf::Hash(Kind::Posting, _) => {
                    let why = ("a posting is not shown", "记账未披露");
                    return Err(Fault::of_file(&self.entry.name, why).at(&number()));
                }
                Leaf::Hash(Kind::Settlement, _) => {
                    let why = ("a settlement is not shown", "结算记录未披露");
                    return Err(Fault::of_file(&self.entry.name, why).at(&number()));
                }
                Leaf::Hash(Kind::RegistryChange, _) => {}
            }
        }
        stream.end(&self.entry)?;
        Ok(done)
    }

    fn record(
        &self,
        shown: &Shown<'_>,
        shared: &Shared,
    ) -> Result<(Seen, [Fen; 3]), (Option<String>, Why)> {
        let unread = |field| (None, (field, ("it is not in canonical form", "不是规范格式")));
        let row = ShownSettlement::read(shown.bytes).ok_or_else(|| unread("row"))?;
        let bytes = record::stand_in(row.record).ok_or_else(|| unread("record"))?;
        let record = Record::from_bytes(&bytes).map_err(|_| unread("record"))?;
        let id = record.header.settlement.to_string();
        let seen = self.check(shown, &row, &record, shared);
        seen.map_err(|why| (Some(id), why))
    }

    /// A posting: of this region and day, and balanced within each fund.
    fn posting(
        &self,
        shown: &Shown<'_>,
        shared: &Shared,
    ) -> Result<[u8; 16], (Option<String>, Why)> {
        let unread = ("posting", ("it is not in canonical form", "不是规范格式"));
        let posting = ShownPosting::read(shown.bytes).ok_or((None, unread))?;
        let checked = || {
            check_that(posting.region == shared.region, "region", OTHER_PLACE)?;
            check_that(posting.accounting_day == self.day, "accounting_day", OTHER_PLACE)?;
            let posted = jiff::tz::offset(8).to_datetime(posting.posted_at).date();
            check_that(
                self.day <= posted,
                "posted_at",
                ("it is dated ahead", "记账日期晚于登记时间"),
            )?;
            check_that(posting.is_posting(), "lines", ("it does not balance", "借贷不平"))
        };
        checked().map_err(|why| (Some(posting.posting.clone()), why))?;
        Ok(short(posting.posting.as_bytes()))
    }

    fn check(
        &self,
        shown: &Shown<'_>,
        row: &ShownSettlement<'_>,
        record: &Record,
        shared: &Shared,
    ) -> Result<(Seen, [Fen; 3]), Why> {
        let header = &record.header;
        let day = jiff::tz::offset(8).to_datetime(header.settled_at).date();
        check_that(header.insured_region == shared.region, "insured_region", OTHER_PLACE)?;
        // Later only where its own day was closed already.
        check_that(day <= self.day, "settled_at", OTHER_PLACE)?;
        check_that(row.accounting_day == self.day, "accounting_day", OTHER_PLACE)?;
        check_that(["final", "provisional"].contains(&row.state), "state", UNKNOWN_WORD)?;
        let missing = (
            "package",
            ("the rule package behind it is not in the bundle", "证据包中缺少其政策包"),
        );
        let package = shared.packages.get(&header.package).ok_or(missing)?;
        let fits = package.region == header.insured_region
            && package.scheme == header.scheme
            && package.covers(header.discharge);
        check_that(
            fits,
            "package",
            ("the rule package is not one for this stay", "政策包不适用于该次就诊"),
        )?;
        let outcome = record.outcome();
        check_that(balances(outcome), "amounts", ("the amounts do not add up", "金额不平"))?;
        check_that(
            is_booked(outcome, package),
            "layers",
            ("the layers are not what the columns say", "各层支付与分项不符"),
        )?;
        let (reverses, undone, used) = match &record.body {
            Body::Settled { inputs, .. } => {
                match record.replay(package) {
                    Replay::Same => {}
                    Replay::Differs | Replay::OtherPackage | Replay::Reversal => {
                        return Err((
                            "decision",
                            ("deciding it anew gives another answer", "重新计算的结果与记录不同"),
                        ));
                    }
                }
                let facts = &inputs.facts;
                check_that(row.level == i64::from(facts.level), "hospital_level", NOT_RECORDED)?;
                check_that(row.care == facts.care.word(), "care_type", NOT_RECORDED)?;
                check_that(row.referral == facts.referral.word(), "referral", NOT_RECORDED)?;
                let pays = outcome.layers.iter().chain(&outcome.fixed);
                let assumed =
                    package.advance_is_assumed(outcome) || pays.into_iter().any(|pay| pay.assumed);
                check_that(row.assumed == assumed, "assumed", NOT_RECORDED)?;
                let undone = record::reversed(outcome).ok_or(OVERFLOW)?;
                (None, undone, Some(used_around(record, &inputs.before)))
            }
            Body::Reversed { reverses, .. } => {
                let reverses = reverses.parts().ok_or(("reverses", UNKNOWN_WORD))?;
                (Some(reverses), outcome.clone(), None)
            }
        };
        let id = header.settlement.parts().ok_or(("settlement_id", UNKNOWN_WORD))?;
        let breakdown = &outcome.breakdown;
        let funds = sum_of(breakdown.paid).ok_or(OVERFLOW)?;
        let patient = breakdown.account.checked_add(breakdown.cash).ok_or(OVERFLOW)?;
        let seen = Seen {
            id,
            reverses,
            undone: short(&record::effect_bytes(&undone)),
            pseudonym: shown.pseudonym,
            ledger_version: header.ledger_version,
            rules: eight(format!("{} {}", header.package, header.year).as_bytes()),
            used,
        };
        Ok((seen, [breakdown.total, funds, patient]))
    }
}

const OTHER_PLACE: (&str, &str) = ("it belongs to another region or day", "属于其他参保地或结算日");
const UNKNOWN_WORD: (&str, &str) = ("it is nothing that this release knows", "取值不受支持");
const NOT_RECORDED: (&str, &str) = ("it is not what the record says", "与记录不符");
const OVERFLOW: Why = ("amounts", ("the amounts do not fit", "金额溢出"));

fn check_that(
    holds: bool,
    field: &'static str,
    why: (&'static str, &'static str),
) -> Result<(), Why> {
    if holds { Ok(()) } else { Err((field, why)) }
}

fn sum_of(all: impl IntoIterator<Item = Fen>) -> Option<Fen> {
    all.into_iter().try_fold(Fen::ZERO, Fen::checked_add)
}

/// Do the national amounts add up?
fn balances(outcome: &Outcome) -> bool {
    let of = &outcome.breakdown;
    let charges = sum_of([of.out_of_catalogue, of.over_limit, of.advance, of.in_scope]);
    let shares = sum_of(of.paid.into_iter().chain([of.hospital_borne, of.account, of.cash]));
    charges == Some(of.total) && shares == Some(of.total)
}

/// Does each column get what the layers that book to it pay?
fn is_booked(outcome: &Outcome, package: &Package) -> bool {
    let of = &outcome.breakdown;
    let bearer = |layer: u16| {
        let payer = package.layer(layer).and_then(|layer| package.payer_of(layer));
        payer.map(|payer| payer.bearer)
    };
    let pays: Option<Vec<(Bearer, Fen)>> =
        outcome.layers.iter().map(|pay| Some((bearer(pay.layer)?, pay.pay))).collect();
    let Some(pays) = pays else { return false };
    let sum = |is_it: &dyn Fn(Bearer) -> bool| {
        sum_of(pays.iter().filter(|(bearer, _)| is_it(*bearer)).map(|(_, pay)| *pay))
    };
    let columns = Column::ALL.into_iter().zip(of.paid).all(|(column, paid)| {
        let books = |bearer| matches!(bearer, Bearer::Fund(to) | Bearer::Other(to) if to == column);
        sum(&books) == Some(paid)
    });
    columns
        && sum(&|bearer| bearer == Bearer::Hospital) == Some(of.hospital_borne)
        && sum(&|bearer| bearer == Bearer::Account) == Some(of.account)
}

/// What was used before a settlement, and after it.
fn used_around(record: &Record, before: &[Fen]) -> ([u8; 8], [u8; 8]) {
    let mut after = before.to_vec();
    for moved in &record.outcome().moved {
        if let Some(fen) = after.get_mut(usize::from(moved.slot)) {
            *fen = fen.checked_add(moved.by).unwrap_or(*fen);
        }
    }
    let digest = |used: &[Fen]| {
        let bytes: Vec<u8> = used.iter().flat_map(|fen| fen.get().to_be_bytes()).collect();
        eight(&bytes)
    };
    (digest(before), digest(&after))
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = short(bytes);
    [a, b, c, d, e, f, g, h]
}

fn short(bytes: &[u8]) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    hash.first_chunk().copied().unwrap_or_default()
}
