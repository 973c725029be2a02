//! A synthetic world for the gateway: persons, hospitals, a catalogue, published examples as bills, and one day for each region.
//!
//! The same seed gives the same bytes. Packages are read as plain TOML, so that what is settled does not depend on how the
//! engine reads them. Nobody in it exists.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::civil::Date;
use onestop::door::wire::settlement::v1::SettleRequest;

use crate::numbers;

mod examples;
mod package;
mod region;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Persons in each region.
    pub persons: u32,
    /// Bills of each region's day.
    pub bills: u32,
    /// What chance begins with.
    pub seed: u64,
}

/// The world, before it is written.
#[derive(Debug, Default)]
pub struct World {
    persons: u32,
    rows: BTreeMap<&'static str, Vec<Vec<String>>>,
    /// Files of bills, by name.
    bills: BTreeMap<String, Vec<SettleRequest>>,
    expected: Vec<Expected>,
    reversals: Vec<[String; 3]>,
    /// Examples that are not whole bills, and why.
    pub passed_over: Vec<String>,
}

/// What a published example says that the patient pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The request that settles it.
    pub request_id: String,
    /// Its hospital.
    pub hospital_code: String,
    /// What it is called where it is written down.
    pub name: String,
    /// What is published, in fen.
    pub patient_fen: i64,
    /// How far ours may be off where the figure was printed rounded.
    pub tolerance_fen: i64,
}

/// A person of nobody's, and where they are insured.
#[derive(Debug, Clone)]
pub struct Insured<'a> {
    pub birth: Date,
    pub region: &'a str,
    pub scheme: &'a str,
    pub facts: String,
    pub identities: Vec<String>,
}

const HEADERS: [(&str, &[&str]); 5] = [
    ("person", &["identity_number", "name", "birth_date"]),
    ("coverage", &["credential", "scheme", "insured_region", "valid_from", "valid_to", "facts"]),
    ("identity", &["credential", "code", "region", "valid_from", "valid_to"]),
    ("hospital", &["hospital_code", "name", "region", "level", "valid_from", "valid_to"]),
    (
        "catalogue",
        &[
            "item_code",
            "region",
            "valid_from",
            "valid_to",
            "catalogue_class",
            "advance_ratio",
            "ceiling_price_level_1",
            "ceiling_price_level_2",
            "ceiling_price_level_3",
            "amount_name",
            "name",
        ],
    ),
];

/// Long before any package: what is on a list from this day on was always so.
const ALWAYS: &str = "2000-01-01";

impl World {
    /// All of it, from a folder of rule packages.
    pub fn of(rules: &Path, size: Size) -> Result<World, anyhow::Error> {
        let mut world = World::default();
        for folder in folders(&rules.join("examples"))? {
            examples::add(&mut world, &folder)?;
        }
        region::add_catalogue(&mut world, size.seed);
        for region in folders(rules)? {
            // The others hold examples.
            if !folder_name(&region).bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            for scheme in folders(&region)? {
                for period in folders(&scheme)? {
                    region::add(&mut world, &period, size)?;
                }
            }
        }
        Ok(world)
    }

    /// Writes it as CSV lists and JSON lines.
    pub fn write(&self, out: &Path) -> Result<(), anyhow::Error> {
        fs::create_dir_all(out).with_context(|| format!("make folder {}", out.display()))?;
        for (list, header) in HEADERS {
            let rows = self.rows.get(list).map_or(&[][..], Vec::as_slice);
            write_csv(&out.join(format!("{list}.csv")), header, rows)?;
        }
        for (name, bills) in &self.bills {
            let path = out.join(format!("{name}.jsonl"));
            let mut text = String::new();
            for bill in bills {
                text.push_str(&serde_json::to_string(bill)?);
                text.push('\n');
            }
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        let expected: Vec<Vec<String>> = self
            .expected
            .iter()
            .map(|expected| {
                let Expected { request_id, hospital_code, name, patient_fen, tolerance_fen } =
                    expected.clone();
                let (patient, tolerance) = (patient_fen.to_string(), tolerance_fen.to_string());
                vec![request_id, hospital_code, name, patient, tolerance]
            })
            .collect();
        let header = ["request_id", "hospital_code", "name", "patient_fen", "tolerance_fen"];
        write_csv(&out.join("examples.expected.csv"), &header, &expected)?;
        let header = ["request_id", "hospital_code", "original_request_id"];
        let reversals: Vec<Vec<String>> = self.reversals.iter().map(|row| row.to_vec()).collect();
        write_csv(&out.join("reversals.csv"), &header, &reversals)
    }

    /// How many rows and bills there are, by file.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let rows = self.rows.iter().map(|(list, rows)| (format!("{list}.csv"), rows.len()));
        let bills = self.bills.iter().map(|(name, bills)| (format!("{name}.jsonl"), bills.len()));
        rows.chain(bills).collect()
    }

    /// Adds a person with coverage and identities; returns the identity number.
    fn person(&mut self, insured: &Insured<'_>) -> String {
        let index = self.persons;
        self.persons = index.saturating_add(1);
        let number = numbers::identity_number(index, insured.birth);
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        self.row("person", cells(&[&number, &numbers::name(index), &insured.birth.to_string()]));
        let Insured { region, scheme, facts, identities, .. } = insured;
        self.row("coverage", cells(&[&number, scheme, region, ALWAYS, "", facts]));
        for code in identities {
            self.row("identity", cells(&[&number, code, region, ALWAYS, ""]));
        }
        number
    }

    /// Adds a hospital, unless it is there.
    fn hospital(&mut self, code: &str, region: &str, level: i64) {
        let rows = self.rows.entry("hospital").or_default();
        if !rows.iter().any(|row| row.first().is_some_and(|known| known == code)) {
            let name = format!("测试医院{code}");
            let level = level.to_string();
            let cells = [code, &name, region, &level, ALWAYS, ""];
            rows.push(cells.into_iter().map(str::to_owned).collect());
        }
    }

    fn row(&mut self, list: &'static str, cells: Vec<String>) {
        self.rows.entry(list).or_default().push(cells);
    }
}

/// Every example's figure, as [`World::write`] wrote it.
pub fn read_expected(file: &Path) -> Result<Vec<Expected>, anyhow::Error> {
    let reading = || format!("read {}", file.display());
    let mut expected = Vec::new();
    for record in csv::Reader::from_path(file).with_context(reading)?.records() {
        let record = record.with_context(reading)?;
        let cell = |at: usize| record.get(at).unwrap_or_default().to_owned();
        expected.push(Expected {
            request_id: cell(0),
            hospital_code: cell(1),
            name: cell(2),
            patient_fen: cell(3).parse().with_context(reading)?,
            tolerance_fen: cell(4).parse().with_context(reading)?,
        });
    }
    Ok(expected)
}

fn write_csv(path: &Path, header: &[&str], rows: &[Vec<String>]) -> Result<(), anyhow::Error> {
    let writing = || format!("write {}", path.display());
    let mut writer = csv::Writer::from_path(path).with_context(writing)?;
    writer.write_record(header).with_context(writing)?;
    for row in rows {
        writer.write_record(row).with_context(writing)?;
    }
    writer.flush().with_context(writing)
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, anyhow::Error> {
    let reading = || format!("read folder {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn folder_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
