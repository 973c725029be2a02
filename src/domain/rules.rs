//! A rule package, resolved: names are indexes, figures are scaled integers, every figure knows its clause and source.
//!
//! The format and its meaning are in `settlement-rules/README.md`; the fields here follow it key by key.

pub mod check;
mod figures;
mod marks;

use jiff::civil::Date;

use super::ids::{PackageHash, RegionCode};
use super::money::{Fen, Rate, Rounding};
use super::standing::Scheme;
use super::verdict::{Action, Column, Outcome};

pub use self::figures::{
    Amount, AmountValue, Condition, Place, Ratio, RatioValue, Reference, Row, Rows, Span, Transfer,
};
pub use self::marks::{Marks, When};

/// The rules of one insured region, scheme and period.
#[derive(Clone, Debug)]
pub struct Package {
    /// Unique; a new one for every change.
    pub id: String,
    /// For print.
    pub title: Words,
    /// The insured region.
    pub region: RegionCode,
    /// The scheme.
    pub scheme: Scheme,
    /// First discharge date.
    pub from: Date,
    /// Last discharge date.
    pub to: Date,
    /// No settlement before this day may use it.
    pub known_from: Date,
    /// The package that it replaces.
    pub supersedes: Option<String>,
    /// Why no package covers the days before.
    pub hole_before: Option<String>,
    /// SHA-256 over its canonical form.
    pub hash: PackageHash,
    /// How amounts are brought to the fen.
    pub rounding: Rounding,
    /// Which day decides the policy year.
    pub year_by: DayOf,
    /// Which day decides coverage and identities.
    pub standing_on: DayOf,
    /// How one of several identities is chosen.
    pub identity_choice: IdentityChoice,
    /// Days of coverage needed before admission.
    pub waiting_days: u16,
    /// Does a reversed stay still count as an n-th stay?
    pub reversed_stay_counts: bool,
    /// Is a stay taken that ended before one already settled?
    pub late_stay_accepted: bool,
    /// What figures cite.
    pub documents: Vec<Document>,
    /// Identities that conditions name, best first.
    pub identities: Vec<NamedCode>,
    /// Who pays.
    pub payers: Vec<Payer>,
    /// Amounts: the four national ones first, then the package's own.
    pub amounts: Vec<AmountName>,
    /// Figures that others refer to.
    pub indexes: Vec<Index>,
    /// Facts beyond the built-in ones.
    pub facts: Vec<FactName>,
    /// Groups of diagnoses.
    pub diseases: Vec<DiseaseGroup>,
    /// The patient's first share of class B.
    pub class_b_advance: Rate,
    /// Its clause.
    pub class_b_clause: ClauseId,
    /// Before the layers.
    pub moves: Vec<Move>,
    /// In the order in which they pay.
    pub layers: Vec<Layer>,
    /// How many of the first layers never look at the identity: they are the same for every one that is tried.
    pub layers_shared: LayerId,
    /// What is counted over stays.
    pub accumulators: Vec<AccumulatorName>,
    /// Every place that a step may point to.
    pub clauses: Vec<Clause>,
}

/// Index into [`Package::clauses`].
pub type ClauseId = u16;
/// Index into [`Package::amounts`].
pub type AmountId = u16;
/// Index into [`Package::layers`].
pub type LayerId = u16;
/// Index into [`Package::accumulators`].
pub type AccumulatorId = u16;

/// The four national amounts, by their place in [`Package::amounts`].
pub const NATIONAL_AMOUNTS: [&str; 4] = ["in_scope", "advance", "over_limit", "out_of_catalogue"];
/// The place of what the funds may look at.
pub const IN_SCOPE: AmountId = 0;
/// The place of the patient's first share.
pub const ADVANCE: AmountId = 1;
/// The place of what is above the ceiling price.
pub const OVER_LIMIT: AmountId = 2;
/// The place of class C.
pub const OUT_OF_CATALOGUE: AmountId = 3;

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// A code with its names.
#[derive(Clone, Debug)]
pub struct NamedCode {
    /// As the registry holds it.
    pub code: String,
    /// For print.
    pub words: Words,
}

/// Which day of a stay decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOf {
    /// The last.
    Discharge,
    /// The first.
    Admission,
}

/// How one of several identities is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityChoice {
    /// The one with the least left to the patient over the whole bill.
    Cascade,
    /// In each layer the one with the highest pay.
    Layer,
    /// The first of this list, by index, that the person holds.
    Rank(Vec<u16>),
}

/// A document that figures cite.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its id in the package.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its number.
    pub number: String,
    /// When it was issued, as text.
    pub issued: String,
    /// Where it was read.
    pub url: String,
    /// Grade of the figures that cite it and say nothing else.
    pub grade: Option<Grade>,
}

/// How good a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// A government page or official paper.
    Official,
    /// A reprint of an official text.
    Reprint,
    /// A secondary source.
    Secondary,
    /// Nobody published it.
    Assumed,
}

/// Where a figure comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Index into [`Package::documents`].
    pub document: Option<u16>,
    /// Article in it.
    pub article: String,
    /// How good it is.
    pub grade: Grade,
    /// Where an assumed figure comes from.
    pub note: String,
}

/// A place in the package that a step may point to.
#[derive(Clone, Debug)]
pub struct Clause {
    /// Named after its place: `critical.tilt[1]`.
    pub name: String,
    /// Its line in the file.
    pub line: u32,
    /// Where its figures come from; nothing for places without figures.
    pub source: Option<Source>,
    /// What it says, for print.
    pub figures: String,
}

/// Who pays.
#[derive(Clone, Debug)]
pub struct Payer {
    /// Its name in the package.
    pub name: String,
    /// For print.
    pub words: Words,
    /// Who bears it.
    pub bearer: Bearer,
    /// The national code of the fund; may be empty.
    pub fund_pay_type: String,
}

/// Who bears what a layer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// An insurance or aid fund, booked to this column.
    Fund(Column),
    /// Charity, mutual aid, a county's own purse, booked to this column.
    Other(Column),
    /// The hospital.
    Hospital,
    /// The patient's personal account.
    Account,
}

/// An amount of the bill.
#[derive(Clone, Debug)]
pub struct AmountName {
    /// Its name.
    pub name: String,
    /// The national amount under which it counts.
    pub counts_as: AmountId,
}

/// A figure that others refer to.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its amount.
    pub amount: Amount,
}

/// A fact beyond the built-in ones.
#[derive(Clone, Debug)]
pub struct FactName {
    /// Its name.
    pub name: String,
    /// What it can be.
    pub kind: FactKind,
    /// What it is where nothing is said.
    pub default: Option<FactValue>,
    /// True: the person's coverage says it; false: the bill does.
    pub from_registry: bool,
}

/// What a fact can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A whole number, not negative.
    Number,
    /// Yes or no.
    Flag,
    /// One of these.
    Choice(Vec<String>),
    /// An amount.
    Yuan,
}

/// What a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactValue {
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// The place in the list of choices.
    Choice(u16),
    /// An amount.
    Yuan(Fen),
}

/// A group of diagnoses.
#[derive(Clone, Debug)]
pub struct DiseaseGroup {
    /// Its name.
    pub name: String,
    /// Codes, each standing for everything that begins with it.
    pub codes: Vec<String>,
}

/// A part of one amount that becomes another before the layers.
#[derive(Clone, Debug)]
pub struct Move {
    /// When it is done.
    pub when: When,
    /// Out of what.
    pub from: AmountId,
    /// Into what.
    pub to: AmountId,
    /// How much.
    pub ratio: Ratio,
    /// Its clause.
    pub clause: ClauseId,
}

/// One step of the cascade.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Index into [`Package::payers`].
    pub payer: u16,
    /// Whom it is for.
    pub who: When,
    /// True: over the policy year; false: over the stay.
    pub yearly: bool,
    /// What it looks at, each with its weight.
    pub base: Vec<(Term, Rate)>,
    /// Out of what it pays.
    pub take_from: Vec<AmountId>,
    /// True: in proportion to what is left; false: in order.
    pub proportional: bool,
    /// How it pays.
    pub formula: Formula,
    /// For whom it is not paid at the desk.
    pub by_application: Option<When>,
    /// How it is brought to the fen.
    pub rounding: Rounding,
    /// The first that holds.
    pub tilts: Vec<Change>,
    /// All that hold.
    pub adjustments: Vec<Change>,
    /// On cost and pay.
    pub ceilings: Vec<Ceiling>,
    /// What it has paid this policy year.
    pub paid_slot: Option<AccumulatorId>,
    /// Its clause.
    pub clause: ClauseId,
}

/// Something that a base may sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// What is left of an amount.
    Left(AmountId),
    /// What it was before the first layer.
    Gross(AmountId),
    /// All charges.
    Total,
    /// What all layers so far pay.
    Paid,
    /// What an earlier layer did.
    Layer(LayerId, Part),
}

/// What of an earlier layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What it looked at.
    Base,
    /// What it paid.
    Pay,
    /// The deductible taken.
    Deductible,
    /// What entered less the deductible.
    Excess,
    /// What its ceilings cut off.
    Cut,
}

/// How a layer pays.
#[derive(Clone, Debug)]
pub enum Formula {
    /// A ratio or bands above a deductible.
    Curve(Box<Curve>),
    /// What brings the patient to a target.
    Target(Box<Target>),
    /// An amount beside the bill.
    Fixed(Amount),
    /// Somebody else tells; over a year what enters is counted all the same.
    External(Option<Before>),
}

/// A ratio or bands above a deductible.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Below which nothing is paid.
    pub deductible: Option<Deductible>,
    /// The first row that holds.
    pub rows: Rows<Bands>,
    /// True: bands slice the burden; false: what is above the deductible.
    pub on_gross: bool,
    /// Whether the reached band's ratio applies to everything, and whose the bound is.
    pub whole: Option<Bounds>,
    /// What the year's accumulator holds, and where.
    pub before: Option<Before>,
}

/// Whose a bound is where the reached band's ratio applies to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// The lower band's.
    Inclusive,
    /// The upper band's.
    Exclusive,
}

/// What a year's curve starts from.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Where it is counted.
    pub slot: AccumulatorId,
    /// True: what the patient kept; false: what entered.
    pub kept: bool,
    /// True: pays up to the curve less what was paid; false: the difference of two points of the curve.
    pub against_paid: bool,
}

/// Bands, the last without a bound; a single ratio is one band.
pub type Bands = Vec<Band>;

/// One slice of a curve.
#[derive(Clone, Debug)]
pub struct Band {
    /// Up to where; nothing for the last.
    pub to: Option<Amount>,
    /// At which ratio.
    pub ratio: Ratio,
    /// Its clause.
    pub clause: ClauseId,
}

/// Below which nothing is paid.
#[derive(Clone, Debug)]
pub struct Deductible {
    /// By rows.
    pub amount: Amount,
    /// Factors by the n-th stay.
    pub nth: Option<NthFactors>,
    /// Not below this.
    pub floor: Option<Amount>,
    /// What a transfer from a lower, the same, a higher level does.
    pub transfer: [OnTransfer; 3],
    /// Clause of the transfer.
    pub transfer_clause: ClauseId,
    /// At most this in a policy year, and where it is counted.
    pub yearly_cap: Option<(Amount, AccumulatorId)>,
    /// Its clause.
    pub clause: ClauseId,
}

/// Factors by the n-th stay.
#[derive(Clone, Debug)]
pub struct NthFactors {
    /// True: stays at this level count; false: all.
    pub same_level: bool,
    /// The last one repeats.
    pub factors: Vec<Rate>,
    /// Its clause.
    pub clause: ClauseId,
}

/// What a transfer does to the deductible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTransfer {
    /// Nothing.
    Full,
    /// Less what the earlier stay took.
    Difference,
    /// None is taken.
    Waived,
}

/// A change to a layer's figures.
#[derive(Clone, Debug)]
pub struct Change {
    /// For whom.
    pub when: When,
    /// Of the deductible.
    pub deductible: Option<AmountChange>,
    /// Of every ratio.
    pub ratio: Option<RatioChange>,
    /// Of every ceiling on pay.
    pub ceiling: Option<CeilingChange>,
    /// Its clause.
    pub clause: ClauseId,
}

/// A change of an amount.
#[derive(Clone, Debug)]
pub enum AmountChange {
    /// Times, then plus.
    Scale(Rate, Fen),
    /// Another value.
    Replace(Amount),
}

/// A change of a ratio.
#[derive(Clone, Debug)]
pub enum RatioChange {
    /// Times, then plus.
    Scale(Rate, Rate),
    /// Another value.
    Replace(Ratio),
}

/// A change of the ceilings on pay.
#[derive(Clone, Debug)]
pub enum CeilingChange {
    /// They are lifted.
    None,
    /// Another amount.
    Amount(AmountChange),
}

/// A bound on what enters or what is paid.
#[derive(Clone, Debug)]
pub struct Ceiling {
    /// For whom.
    pub when: When,
    /// Of what.
    pub bound: Bound,
    /// Its clause.
    pub clause: ClauseId,
}

/// What a ceiling bounds.
#[derive(Clone, Debug)]
pub enum Bound {
    /// Cost that enters, less what the pool holds.
    Cost(Amount, Option<AccumulatorId>),
    /// Pay, less what the pool holds.
    Pay(Amount, Option<AccumulatorId>),
    /// This layer and the counted ones together.
    UpTo(Share),
}

/// A share of the bill that some layers pay together.
#[derive(Clone, Debug)]
pub struct Share {
    /// How much.
    pub share: Ratio,
    /// True: of all charges; false: of what is in scope.
    pub of_total: bool,
    /// Whose pay counts.
    pub counts: Vec<LayerId>,
}

/// What brings the patient to a target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub goal: Goal,
    /// True: of all charges; false: of what is in scope.
    pub of_total: bool,
    /// Whose pay counts.
    pub counts: Vec<LayerId>,
    /// Over a year: where the measure and the counted pay are held.
    pub slots: Option<(AccumulatorId, AccumulatorId)>,
    /// Its clause.
    pub clause: ClauseId,
}

/// Which target.
#[derive(Clone, Debug)]
pub enum Goal {
    /// At least this share is paid.
    Share(Ratio),
    /// The patient keeps at most this.
    KeepAtMost(Amount),
}

/// Something that is counted over stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccumulatorName {
    /// True: over the lifetime; false: over the policy year.
    pub life: bool,
    /// Its name.
    pub name: String,
}

impl Package {
    /// The clause of an id.
    pub fn clause(&self, id: ClauseId) -> Option<&Clause> {
        self.clauses.get(usize::from(id))
    }

    /// The layer of an id.
    pub fn layer(&self, id: LayerId) -> Option<&Layer> {
        self.layers.get(usize::from(id))
    }

    /// Who pays a layer.
    pub fn payer_of(&self, layer: &Layer) -> Option<&Payer> {
        self.payers.get(usize::from(layer.payer))
    }

    /// Do the figures of a clause rest on an assumption?
    pub fn is_assumed(&self, id: ClauseId) -> bool {
        let source = self.clause(id).and_then(|clause| clause.source.as_ref());
        source.is_some_and(|source| source.grade == Grade::Assumed)
    }

    /// Does an advance self-pay rest on an assumption: on the class-B ratio, or on a move?
    pub fn advance_is_assumed(&self, outcome: &Outcome) -> bool {
        let moves = outcome.trace.iter().filter(|step| step.action == Action::Move);
        let moved = || moves.clone().any(|step| self.is_assumed(step.clause));
        outcome.breakdown.advance != Fen::ZERO && (self.is_assumed(self.class_b_clause) || moved())
    }

    /// Is a discharge date within its period?
    pub fn covers(&self, discharge: Date) -> bool {
        self.from <= discharge && discharge <= self.to
    }
}

impl Grade {
    /// Its word in rule packages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Reprint => "reprint",
            Self::Secondary => "secondary",
            Self::Assumed => "assumed",
        }
    }
}
