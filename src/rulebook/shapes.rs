//! Every table of the format with its keys. The published schema is tested to know the same ones.

use super::read::Shape;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident $word:literal [$($key:literal),* $(,)?];)*) => {
        $($(#[$doc])* pub const $name: Shape = Shape { name: $word, keys: &[$($key),*] };)*
        /// All of them.
        pub const ALL: &[Shape] = &[$($name),*];
    };
}

shapes! {
    /// The package itself.
    PACKAGE "package" [
        "id", "title", "region", "scheme", "in_force", "known_from", "supersedes", "hole_before", "rounding", "year",
        "standing_on", "identity_choice", "identity_rank", "waiting_days", "reversed_stay_counts", "late_stay",
        "source", "document", "identity", "payer", "amount", "index", "fact", "disease", "class_b", "move", "layer",
    ];
    /// A text in both languages.
    TITLE "title" ["zh", "en"];
    /// First and last day.
    IN_FORCE "in_force" ["from", "to"];
    /// Where a figure comes from.
    SOURCE "source" ["document", "article", "grade", "note"];
    /// A document.
    DOCUMENT "document" ["id", "title", "number", "issued", "url", "grade"];
    /// An identity.
    IDENTITY "identity" ["code", "zh", "en", "source"];
    /// Who pays.
    PAYER "payer" ["name", "zh", "en", "kind", "books_to", "fund_pay_type", "source"];
    /// A declared amount.
    AMOUNT "declared_amount" ["name", "counts_as", "source"];
    /// A figure that others refer to.
    INDEX "index" ["name", "amount", "source"];
    /// A fact.
    FACT "fact" ["name", "kind", "values", "default", "from", "source"];
    /// A group of diagnoses.
    DISEASE "disease" ["name", "codes", "source"];
    /// The first share of class B.
    CLASS_B "class_b" ["advance", "source"];
    /// A move.
    MOVE "move" ["when", "from", "to", "ratio", "source"];
    /// A layer.
    LAYER "layer" [
        "name", "payer", "who", "span", "base", "take", "take_from", "accumulate", "against", "bands_on", "band_mode",
        "bounds", "by_application", "rounding", "deductible", "curve", "target", "fixed", "external", "ceiling",
        "tilt", "adjust", "source",
    ];
    /// A condition.
    CONDITION "condition" [
        "identity", "level", "place", "referral", "care", "age", "stay", "stay_same_level", "transfer", "disease",
        "hospital", "treatment_region", "fact", "nothing_from", "any", "not",
    ];
    /// From, inclusive, to, exclusive.
    SPAN "span" ["at_least", "below"];
    /// An amount that stands by itself.
    AMOUNT_VALUE "amount_value" ["yuan", "of", "times", "plus", "min", "max", "source"];
    /// An amount in a list.
    AMOUNT_ROW "amount_row" ["when", "yuan", "of", "times", "plus", "min", "max", "source"];
    /// A ratio that stands by itself.
    RATIO_VALUE "ratio_value" ["ratio", "base", "per", "each", "min", "max", "source"];
    /// A ratio in a list.
    RATIO_ROW "ratio_row" ["when", "ratio", "base", "per", "each", "min", "max", "source"];
    /// A deductible.
    DEDUCTIBLE "deductible" ["amount", "nth", "floor", "transfer", "yearly_cap", "source"];
    /// Factors by the n-th stay.
    NTH "nth" ["counts", "factors", "source"];
    /// What a transfer does.
    TRANSFER "transfer" ["up", "level", "down", "source"];
    /// A row of a curve.
    CURVE "curve" ["when", "ratio", "bands", "source"];
    /// A band.
    BAND "band" ["to", "ratio", "source"];
    /// A ceiling.
    CEILING "ceiling" ["of", "span", "pool", "amount", "when", "up_to", "source"];
    /// An upper target.
    UP_TO "up_to" ["share", "measure", "counts", "source"];
    /// A target.
    TARGET "target" ["measure", "share", "keep_at_most", "counts", "source"];
    /// A fixed benefit.
    FIXED "fixed" ["amount", "source"];
    /// A tilt.
    TILT "tilt" ["when", "deductible", "ratio", "ceiling", "source"];
    /// An adjustment.
    ADJUST "adjust" ["when", "deductible", "ratio", "source"];
    /// A change of a figure.
    CHANGE "change" ["times", "plus", "replace", "source"];
}

/// A file of cases.
pub const CASE_FILE: Shape = Shape { name: "case_file", keys: &["case"] };
/// A case.
pub const CASE: Shape = Shape {
    name: "case",
    keys: &[
        "name",
        "note",
        "discharge",
        "admission",
        "level",
        "place",
        "referral",
        "care",
        "age",
        "diseases",
        "identities",
        "facts",
        "account_balance",
        "hospital",
        "treatment_region",
        "stays",
        "transferred_from",
        "before",
        "before_life",
        "given",
        "amounts",
        "lines",
        "expect",
    ],
};
/// An earlier stay.
pub const CASE_STAY: Shape =
    Shape { name: "case_stay", keys: &["level", "care", "deductible", "reversed"] };
/// A charge line.
pub const CASE_LINE: Shape = Shape {
    name: "case_line",
    keys: &["class", "amount", "advance", "quantity", "ceiling_price", "name"],
};
/// What must come out.
pub const EXPECT: Shape = Shape {
    name: "expect",
    keys: &[
        "pay",
        "patient",
        "deductible",
        "fixed",
        "may_apply",
        "amounts",
        "counted",
        "identity",
        "because",
        "tolerance",
        "declined",
        "needs",
    ],
};
/// Which layer must be told.
pub const NEEDS: Shape = Shape { name: "needs", keys: &["layer", "base"] };
