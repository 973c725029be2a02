//! A rule package from its text: every name becomes its index, every figure gets its clause and its source.

mod change;
mod condition;
mod figure;
mod formula;
mod head;
mod layer;

pub(super) use figure::{grouped, percent};
pub(super) use head::read_date;

use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::fault::{Fault, Faults};
use super::read::{self, Node, Shape, Table, Value, unknown};
use super::shapes;
use crate::domain::ids::PackageHash;
use crate::domain::rules::{
    AccumulatorId, AccumulatorName, Clause, ClauseId, FactKind, Grade, LayerId, Package, Source,
};

/// What the hash of a package begins with, so that it is never taken for the hash of something else.
const HASH_DOMAIN: &[u8] = b"onestop-rule-package-v1\0";

/// A package and the bytes its hash stands for.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The package.
    pub package: Package,
    /// Its canonical form, which [`parse_canonical`] reads.
    pub canonical: Vec<u8>,
    /// The line of its `id`, for faults that mean the package as such.
    pub id_line: u32,
}

/// Reads a package from TOML. Nothing where it is refused; warnings come beside a good one.
pub fn parse(file: &str, text: &str) -> (Option<Parsed>, Vec<Fault>) {
    let mut faults = Faults::new(file);
    let Some(root) = read::read(text, &mut faults) else { return (None, faults.into_list()) };
    let canonical = root.canonical();
    let (package, faults) = resolve(&root, hash_of(&canonical), faults);
    let id = if let Value::Table(keys) = &root.value { keys.get("id") } else { None };
    let id_line = id.map_or(root.line, |id| id.line);
    (package.map(|package| Parsed { package, canonical, id_line }), faults)
}

/// Reads a package back from its canonical form. The lines of its clauses are 0: nobody knows them any more.
pub fn parse_canonical(bytes: &[u8]) -> Result<Package, Vec<Fault>> {
    let mut faults = Faults::new("canonical form");
    let Some(root) = read::read_canonical(bytes, &mut faults) else {
        return Err(faults.into_list());
    };
    let (package, faults) = resolve(&root, hash_of(bytes), faults);
    package.ok_or(faults)
}

/// The hash of a canonical form.
pub fn hash_of(canonical: &[u8]) -> PackageHash {
    PackageHash(Sha256::new().chain_update(HASH_DOMAIN).chain_update(canonical).finalize().into())
}

fn resolve(root: &Node, hash: PackageHash, faults: Faults) -> (Option<Package>, Vec<Fault>) {
    let mut parser = Parser::new(faults);
    let package = parser.package(root, hash);
    let package = if parser.faults.refused() { None } else { package };
    (package, parser.faults.into_list())
}

/// What is known while a package is read.
struct Parser {
    faults: Faults,
    names: Names,
    clauses: Vec<Clause>,
    clause_names: BTreeMap<String, ClauseId>,
    accumulators: Vec<AccumulatorName>,
    /// Has any condition so far asked for the identity?
    identity_asked: bool,
    layers_shared: LayerId,
}

/// The names of a package, in its order.
#[derive(Default)]
struct Names {
    documents: Vec<(String, Option<Grade>)>,
    identities: Vec<String>,
    payers: Vec<String>,
    amounts: Vec<String>,
    indexes: Vec<String>,
    facts: Vec<(String, FactKind)>,
    diseases: Vec<String>,
    layers: Vec<String>,
    fixed_layers: Vec<bool>,
}

/// Where the parser stands: the clause it fills and the nearest source.
#[derive(Clone)]
struct Spot {
    name: String,
    line: u32,
    source: Option<Rc<Source>>,
    clause: ClauseId,
    reach: Reach,
}

/// What a condition may look at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Reach {
    identities: bool,
    layers: usize,
}

impl Parser {
    fn new(faults: Faults) -> Self {
        Self {
            faults,
            names: Names::default(),
            clauses: Vec::new(),
            clause_names: BTreeMap::new(),
            accumulators: Vec::new(),
            identity_asked: false,
            layers_shared: 0,
        }
    }

    fn error(&mut self, line: u32, spot: &Spot, en: impl Into<String>, zh: impl Into<String>) {
        self.faults.error(line, &spot.name, (en.into(), zh.into()));
    }

    /// Opens a table that has a clause of its own.
    fn enter<'a>(
        &mut self,
        outer: &Spot,
        name: String,
        node: &'a Node,
        shape: &Shape,
    ) -> Option<(Spot, Table<'a>)> {
        let table = self.faults.table(node, &name, shape)?;
        let clause = self.clause(&name, node.line);
        let mut spot = Spot { name, line: node.line, clause, ..outer.clone() };
        spot.source = self.source(&table, &spot);
        Some((spot, table))
    }

    /// Opens a table that belongs to the clause around it, but may have a nearer source.
    fn inside<'a>(
        &mut self,
        outer: &Spot,
        node: &'a Node,
        shape: &Shape,
    ) -> Option<(Spot, Table<'a>)> {
        let table = self.faults.table(node, &outer.name, shape)?;
        let mut spot = Spot { line: node.line, ..outer.clone() };
        spot.source = self.source(&table, &spot);
        Some((spot, table))
    }

    fn clause(&mut self, name: &str, line: u32) -> ClauseId {
        if let Some(id) = self.clause_names.get(name) {
            return *id;
        }
        let Ok(id) = ClauseId::try_from(self.clauses.len()) else {
            self.faults.error(
                line,
                name,
                ("the package has too many clauses".into(), "条款过多".into()),
            );
            return 0;
        };
        self.clauses.push(Clause {
            name: name.to_owned(),
            line,
            source: None,
            figures: String::new(),
        });
        self.clause_names.insert(name.to_owned(), id);
        id
    }

    /// Notes a figure: its clause says it and cites its nearest source. Of several figures in one clause the weakest source
    /// is cited, so that an assumed one is never taken for policy.
    fn figure(&mut self, spot: &Spot, text: &str) {
        self.figure_of(spot, text, true);
    }

    fn figure_of(&mut self, spot: &Spot, text: &str, source_needed: bool) {
        if source_needed && spot.source.is_none() {
            self.error(spot.line, spot, "the figure has no source", "数字没有来源");
        }
        let Some(clause) = self.clauses.get_mut(usize::from(spot.clause)) else { return };
        if !clause.figures.is_empty() {
            clause.figures.push_str(if text.starts_with("up to ") { " " } else { "; " });
        }
        clause.figures.push_str(text);
        let weaker = |old: &Source| spot.source.as_ref().is_some_and(|new| old.grade < new.grade);
        if clause.source.as_ref().is_none_or(weaker) {
            clause.source = spot.source.as_deref().cloned();
        }
    }

    /// The source that a table says, or the one around it.
    fn source(&mut self, table: &Table<'_>, spot: &Spot) -> Option<Rc<Source>> {
        let Some(node) = table.get("source") else { return spot.source.clone() };
        let keys = self.faults.table(node, &spot.name, &shapes::SOURCE)?;
        let document = keys.get("document").and_then(|node| {
            let ids: Vec<String> = self.names.documents.iter().map(|(id, _)| id.clone()).collect();
            self.resolve(node, spot, ("document", "文件"), &ids)
        });
        let own_grade = keys.get("grade").and_then(|node| self.grade(node, spot));
        let document_grade = document
            .and_then(|id| self.names.documents.get(usize::from(id)))
            .and_then(|(_, grade)| *grade);
        let text = |parser: &mut Self, key: &str| {
            let text = keys.get(key).and_then(|node| parser.faults.text(node, &spot.name));
            text.unwrap_or_default().to_owned()
        };
        let (article, note) = (text(self, "article"), text(self, "note"));
        let grade = own_grade.or(document_grade);
        if grade.is_none() && (document.is_some() || !keys.has("document")) && !keys.has("grade") {
            self.error(node.line, spot, "the source has no grade", "来源没有等级");
        }
        if grade == Some(Grade::Assumed) && note.trim().is_empty() {
            self.error(
                node.line,
                spot,
                "an assumed figure needs a `note`",
                "假定的数字须有 `note` 说明依据",
            );
        }
        if grade.is_some_and(|grade| grade != Grade::Assumed) && !keys.has("document") {
            self.error(node.line, spot, "the source names no document", "来源没有写明文件");
        }
        // A fault has been reported where there is no grade; the weakest one keeps later faults away.
        let grade = grade.unwrap_or(Grade::Assumed);
        Some(Rc::new(Source { document, article, grade, note }))
    }

    fn grade(&mut self, node: &Node, spot: &Spot) -> Option<Grade> {
        const GRADES: [Grade; 4] =
            [Grade::Official, Grade::Reprint, Grade::Secondary, Grade::Assumed];
        let words = GRADES.map(Grade::word);
        let at = self.faults.word(node, &spot.name, ("grade", "等级"), &words)?;
        GRADES.get(at).copied()
    }

    /// The index of a name.
    fn resolve(
        &mut self,
        node: &Node,
        spot: &Spot,
        what: (&str, &str),
        known: &[String],
    ) -> Option<u16> {
        let name = self.faults.text(node, &spot.name)?;
        self.resolve_name(name, node.line, spot, (what, known))
    }

    fn resolve_name(
        &mut self,
        name: &str,
        line: u32,
        spot: &Spot,
        known: ((&str, &str), &[String]),
    ) -> Option<u16> {
        let ((en, zh), list) = known;
        let at = list.iter().position(|candidate| candidate == name);
        if at.is_none() {
            let words: Vec<&str> = list.iter().map(String::as_str).collect();
            self.faults.error(line, &spot.name, unknown(en, zh, name, &words));
        }
        at.and_then(|at| u16::try_from(at).ok())
    }

    /// The place of an accumulator. The same name always has the same place, so pools of one name are shared.
    fn accumulator(&mut self, life: bool, name: String, spot: &Spot) -> AccumulatorId {
        let wanted = AccumulatorName { life, name };
        let at = self.accumulators.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            self.accumulators.push(wanted);
            self.accumulators.len() - 1
        });
        AccumulatorId::try_from(at).unwrap_or_else(|_| {
            self.error(spot.line, spot, "the package counts too many things", "累计项过多");
            0
        })
    }
}
