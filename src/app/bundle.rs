//! Makes evidence bundles, and verifies them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use super::seal::{Differs, SealError, change_key, column_of, posting_of};
use super::{AppError, now};
use crate::bundle::entry::{Leaf, Shown};
use crate::bundle::manifest::{
    DayFiles, FORMAT_FILE, HEADS_FILE, Manifest, package_name, part_name, signature_file,
    signed_bytes,
};
use crate::bundle::roots::{self, Roots};
use crate::bundle::verify::{self, Fault, Verified};
use crate::bundle::write::{BundleWriter, WriteFault};
use crate::bundle::{FORMAT, FORMAT_TEXT, PART_LEAVES};
use crate::domain::ids::{PackageHash, RegionCode};
use crate::domain::record;
use crate::domain::rules::Package;
use crate::domain::seal::Hash;
use crate::domain::seal::head::SignedHead;
use crate::domain::seal::leaf::{Kind, PostingRow};
use crate::keys::{KeysError, Pseudonyms, Salted, SealKeys};
use crate::rulebook::parse;
use crate::store::{self, Block, ChangeKey, Pool, StoreError, WholeSettlement};

/// A month of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthOf {
    /// The insured region.
    pub region: RegionCode,
    /// Any day of the month.
    pub month: Date,
    /// Whether a month that is not over will do, up to the last day that is closed.
    pub so_far: bool,
}

/// A bundle that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Up to which day.
    pub through: Date,
    /// How many leaves.
    pub leaves: u64,
    /// How many of them are settlements and reversals.
    pub shown: u64,
    /// How many of them are postings.
    pub postings: u64,
    /// How large it is.
    pub bytes: u64,
}

/// Why a bundle was not made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The days are not all closed yet.
    #[error("NOT_SEALED: {}", not_sealed(*.through))]
    NotSealed {
        /// Up to which day they are.
        through: Option<Date>,
    },
    /// What is stored is not what was sealed: a bundle of it would not verify.
    #[error(
        "NOT_AS_SEALED: {day}: {what}; `onestop audit seal --check` tells all of it 与封印不符，请运行 `onestop audit seal --check`"
    )]
    NotAsSealed {
        /// On which day.
        day: Date,
        /// What.
        what: String,
    },
    /// The file can not be written.
    #[error(transparent)]
    Write(#[from] WriteFault),
    /// No pseudonyms can be made.
    #[error("make pseudonyms")]
    Keys(#[from] KeysError),
    /// The rows could not be read.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Writes the bundle of a month into a file, and tells how far it is: leaves written, of all.
pub async fn make_bundle(
    (pool, keys): (&Pool, &SealKeys),
    of: MonthOf,
    target: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<Made, BundleError> {
    let (first, last) = (of.month.first_of_month(), of.month.last_of_month());
    let from = first.yesterday().unwrap_or(first);
    let heads = store::final_heads(pool, Some(of.region), (from, last)).await.map_err(failed)?;
    let through = heads.last().map(|signed| signed.head.day).filter(|day| first <= *day);
    let Some(through) = through.filter(|day| of.so_far || *day == last) else {
        return Err(BundleError::NotSealed { through });
    };
    let days: Vec<&SignedHead> = heads.iter().filter(|signed| first <= signed.head.day).collect();
    let mut making = Making {
        pool,
        keys,
        writer: BundleWriter::create(target)?,
        pseudonyms: Pseudonyms::new()?,
        packages: BTreeMap::new(),
        written: 0,
        shown: 0,
        postings: 0,
        all: days.iter().map(|signed| signed.head.leaves).sum(),
        progress,
    };
    making.writer.add(FORMAT_FILE, FORMAT_TEXT.as_bytes())?;
    let lines: String = heads.iter().map(|signed| roots::to_line(signed) + "\n").collect();
    making.writer.add(HEADS_FILE, lines.as_bytes())?;
    let mut told = Vec::new();
    for signed in days {
        told.push(making.day(signed).await?);
    }
    let packages = making.add_packages().await?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        region: of.region.to_string(),
        month: first.strftime("%Y-%m").to_string(),
        through,
        made_at: now().at.to_string(),
        made_by: format!("onestop {}", env!("CARGO_PKG_VERSION")),
        leaves: making.written,
        shown: making.shown,
        postings: making.postings,
        days: told,
        packages,
        files: Vec::new(),
    };
    let (leaves, shown, postings) = (making.written, making.shown, making.postings);
    let sign = |bytes: &[u8]| {
        let signature = keys.sign_bytes(&signed_bytes(bytes));
        signature_file(keys.public_key(), &signature)
    };
    let bytes = making.writer.finish(manifest, sign)?;
    Ok(Made { through, leaves, shown, postings, bytes })
}

struct Making<'a> {
    pool: &'a Pool,
    keys: &'a SealKeys,
    writer: BundleWriter,
    pseudonyms: Pseudonyms,
    packages: BTreeMap<PackageHash, Option<Arc<Package>>>,
    written: u64,
    shown: u64,
    postings: u64,
    all: u64,
    progress: &'a dyn Fn(u64, u64),
}

impl Making<'_> {
    /// Writes the leaves of a day, in as many files as it takes.
    async fn day(&mut self, signed: &SignedHead) -> Result<DayFiles, BundleError> {
        let (region, day) = (signed.head.region, signed.head.day);
        let (mut next_block, mut in_day, mut parts) = (0_i32, 0_u64, 0_u64);
        let mut buffer = Vec::new();
        loop {
            let block = store::seal_leaves(self.pool, (region, day), next_block).await;
            let Some(block) = block.map_err(failed)? else { break };
            next_block = block.block.saturating_add(1);
            let rows = self.rows(&block).await?;
            let postings = self.postings(&block).await?;
            let changes = self.changes(&block).await?;
            for (id, sealed) in block.ids.iter().zip(&block.hashes) {
                if in_day.checked_rem(PART_LEAVES) == Some(0) {
                    self.writer.end();
                    self.writer.begin(&part_name(day, parts))?;
                    parts = parts.saturating_add(1);
                }
                buffer.clear();
                if id.starts_with('p') {
                    let row = postings.get(id);
                    let row = row
                        .ok_or_else(|| differs(day, &format!("posting {id} is gone 记账不存在")))?;
                    self.posting(row, sealed, &mut buffer)?;
                } else if id.starts_with('r') {
                    let known = changes.get(id).filter(|salted| salted.hash == *sealed);
                    let salted =
                        known.ok_or_else(|| differs(day, &format!("registry change {id}")))?;
                    Leaf::Hash(Kind::RegistryChange, salted.content).write(&mut buffer);
                } else {
                    self.leaf(day, (id, sealed), &rows, &mut buffer)?;
                }
                self.writer.write(&buffer)?;
                in_day = in_day.saturating_add(1);
            }
            self.written = self.written.saturating_add(u64::try_from(block.ids.len()).unwrap_or(0));
            (self.progress)(self.written, self.all);
        }
        self.writer.end();
        if in_day != signed.head.leaves {
            return Err(differs(day, "the leaves are not as many as were sealed 条目数与封印不符"));
        }
        Ok(DayFiles { day, leaves: in_day, parts })
    }

    /// The settlements behind some leaves, each compared with its own record.
    async fn rows(
        &mut self,
        block: &Block,
    ) -> Result<BTreeMap<String, WholeSettlement>, BundleError> {
        let ids: Vec<&str> = block.ids.iter().filter_map(|id| id.strip_prefix('s')).collect();
        let rows = store::settlements_of(self.pool, &ids).await.map_err(failed)?;
        let mut found = BTreeMap::new();
        for row in rows {
            let id = &row.sealed.settlement;
            match column_of(self.pool, &mut self.packages, &row).await? {
                Differs::Nothing => {}
                Differs::Column(column) => {
                    return Err(differs(block.day, &format!("settlement {id}, {column}")));
                }
                Differs::Package(package) => {
                    return Err(differs(
                        block.day,
                        &format!("settlement {id}, rule package {package}"),
                    ));
                }
            }
            found.insert(row.sealed.leaf_id(), row);
        }
        Ok(found)
    }

    fn leaf(
        &mut self,
        day: Date,
        (id, sealed): (&str, &Hash),
        rows: &BTreeMap<String, WholeSettlement>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), BundleError> {
        let row = rows
            .get(id)
            .ok_or_else(|| differs(day, &format!("settlement {id} is gone 结算不存在")))?;
        let parts = row.sealed.parts();
        let salted = self.keys.salted(Kind::Settlement, id, &parts);
        if salted.hash != *sealed {
            return Err(differs(day, &format!("settlement {id}")));
        }
        let hidden = record::blank(&row.sealed.record).map(|(_, hidden)| hidden);
        let person = hidden.map_or(0, |hidden| hidden.person);
        let shown = Shown {
            kind: Kind::Settlement,
            salt: salted.salt,
            commitment: salted.commitment,
            pseudonym: self.pseudonyms.of(person),
            bytes: &parts.shown,
        };
        Leaf::Shown(shown).write(buffer);
        self.shown = self.shown.saturating_add(1);
        Ok(())
    }

    /// The postings behind some leaves, by the leaves' ids.
    async fn postings(&self, block: &Block) -> Result<BTreeMap<String, PostingRow>, BundleError> {
        let ids: Vec<&str> = block.ids.iter().filter_map(|id| posting_of(id)).collect();
        let rows = store::postings_of(self.pool, &ids).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| (row.leaf_id(), row)).collect())
    }

    /// The hashes of the changes of the registry behind some leaves, by the leaves' ids: they are not shown.
    async fn changes(&self, block: &Block) -> Result<BTreeMap<String, Salted>, BundleError> {
        let keys: Vec<ChangeKey> = block.ids.iter().filter_map(|id| change_key(id)).collect();
        let rows = store::changes_of(self.pool, &keys).await.map_err(failed)?;
        let salted = rows.iter().map(|row| {
            let id = row.leaf_id();
            let salted = self.keys.salted(Kind::RegistryChange, &id, &row.parts());
            (id, salted)
        });
        Ok(salted.collect())
    }

    /// A posting, compared with its own record.
    fn posting(
        &mut self,
        row: &PostingRow,
        sealed: &Hash,
        buffer: &mut Vec<u8>,
    ) -> Result<(), BundleError> {
        let parts = row.parts();
        let salted = self.keys.salted(Kind::Posting, &row.leaf_id(), &parts);
        let column = row.column_that_differs();
        if salted.hash != *sealed || column.is_some() {
            let what = format!("posting {}, {}", row.posting, column.unwrap_or("record"));
            return Err(differs(row.accounting_day, &what));
        }
        let shown = Shown {
            kind: Kind::Posting,
            salt: salted.salt,
            commitment: salted.commitment,
            // It is nobody's.
            pseudonym: [0; 16],
            bytes: &parts.shown,
        };
        Leaf::Shown(shown).write(buffer);
        self.postings = self.postings.saturating_add(1);
        Ok(())
    }

    /// Writes the rule packages that decided; their hashes.
    async fn add_packages(&mut self) -> Result<Vec<String>, BundleError> {
        let mut names = Vec::new();
        for hash in self.packages.keys().copied().collect::<Vec<_>>() {
            let found = store::find_package(self.pool, &hash).await.map_err(failed)?;
            let name = hash.to_string();
            // It was there when the first settlement was compared with it.
            let bytes = found.ok_or(SealError::App(AppError::PackageLost(name.clone())))?;
            self.writer.add(&package_name(&name), &bytes)?;
            names.push(name);
        }
        Ok(names)
    }
}

/// Verifies a bundle, against roots that somebody else keeps where there are some.
pub fn verify_bundle(
    path: &Path,
    roots: Option<&Roots>,
    progress: &dyn Fn(u64, u64),
) -> Result<Verified, Fault> {
    let read = |bytes: &[u8]| parse::parse_canonical(bytes).ok();
    verify::verify(path, roots, &read, progress)
}

fn not_sealed(through: Option<Date>) -> String {
    through.map_or_else(
        || {
            "no day of this region and month is closed and sealed; is it an insured region of this gateway? \
             该参保地该月没有已截止封印之日，请核对参保地代码（六位，结算所记的参保地）"
                .to_owned()
        },
        |day| {
            format!(
                "the month is sealed through {day}; with --so-far it is taken up to there \
                 该月封印至 {day}，加 --so-far 可先出至该日"
            )
        },
    )
}

fn differs(day: Date, what: &str) -> BundleError {
    BundleError::NotAsSealed { day, what: what.to_owned() }
}

fn failed(source: StoreError) -> BundleError {
    BundleError::Seal(SealError::App(AppError::Store { step: "make a bundle", source }))
}
