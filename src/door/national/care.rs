//! The national codes of schemes and kinds of care, and how a patient came to be treated away from home.

use super::field::{self, Invalid, InvalidReason};
use super::input::Node;
use super::json::{self, Object};
use crate::domain::bill::{Care, Referral};
use crate::domain::ids::RegionCode;
use crate::domain::money::Fen;
use crate::domain::standing::Scheme;
use crate::limits;

/// [insutype]
pub(super) fn scheme(code: &str) -> Option<Scheme> {
    match code {
        "310" => Some(Scheme::Employee),
        // The rural and the urban scheme were merged into that of residents.
        "380" | "390" | "391" => Some(Scheme::Resident),
        _ => None,
    }
}

/// The code of a scheme.
pub(super) const fn scheme_code(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Employee => "310",
        Scheme::Resident => "390",
    }
}

/// [med_type]
pub(super) fn care(code: &str) -> Option<Care> {
    match code {
        // Outpatient, registration, emergency, accident, maternity.
        "11" | "12" | "13" | "19" | "51" => Some(Care::Outpatient),
        "14" => Some(Care::OutpatientChronic),
        // Inpatient, referred out, from emergency, maternity.
        "21" | "23" | "24" | "52" => Some(Care::Inpatient),
        _ => None,
    }
}

/// The code of a kind of care whose own was never told.
pub(super) const fn care_code(care: Care) -> &'static str {
    match care {
        Care::Inpatient => "21",
        Care::Outpatient => "11",
        Care::OutpatientChronic => "14",
    }
}

/// What `exp_content` tells beyond the standard: `{"referral":"filed","facts":{"name":"value"},"account_balance":"12.00"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// How the patient was referred, where it is said.
    pub(super) referral: Option<Referral>,
    /// Facts that the rules of the region ask for.
    pub(super) facts: Vec<(String, String)>,
    /// What the personal account holds.
    pub(super) account_balance: Option<Fen>,
}

/// Reads `exp_content`. Some hospitals write other things there: what is no object says nothing.
pub(super) fn extras(node: &Node<'_>) -> Result<Extras, Invalid> {
    let text = node.text("exp_content", EXTRAS_LENGTH_MAX)?;
    let Some(object) = json::object(text) else { return Ok(Extras::default()) };
    of_object(&object)
}

/// The most characters of `exp_content`.
pub(super) const EXTRAS_LENGTH_MAX: usize = 4_000;

fn of_object(object: &Object) -> Result<Extras, Invalid> {
    let node = Node::within("exp_content".to_owned(), object);
    let referral = node.word("referral", |word| {
        Referral::ALL.into_iter().find(|referral| referral.word() == word)
    })?;
    let facts = node.pairs("facts")?;
    if limits::FACTS_MAX < facts.len() {
        return Err(node.invalid("facts", InvalidReason::TooMany));
    }
    // A fact's name is somebody's own text: it stands in no fault, and so in no log.
    for (name, value) in &facts {
        let named = field::id(name, limits::FACT_NAME_LENGTH_MAX, |name| {
            name.bytes().all(|byte| byte.is_ascii_graphic()).then_some(())
        });
        named.map_err(|reason| node.invalid("facts", reason))?;
        field::plain_text(value, limits::FACT_VALUE_LENGTH_MAX)
            .map_err(|reason| node.invalid("facts", reason))?;
    }
    Ok(Extras { referral, facts, account_balance: node.money("account_balance")? })
}

/// How the patient was referred: as is said, or as the kind of care says. Nothing where it must be said and is not: away from the
/// insured prefecture nobody may guess that none was needed.
pub(super) fn referral(
    said: Option<Referral>,
    care_code: &str,
    (insured, treatment): (Option<RegionCode>, RegionCode),
) -> Option<Referral> {
    let away = insured.is_some_and(|insured| insured.prefecture() != treatment.prefecture());
    match (said, care_code) {
        (Some(referral), _) => Some(referral),
        (None, "23") => Some(Referral::Filed),
        (None, "24") => Some(Referral::Emergency),
        (None, _) if away => None,
        (None, _) => Some(Referral::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_told_are_those_that_are_taken() {
        for kind in Care::ALL {
            assert_eq!(care(care_code(kind)), Some(kind));
        }
        for one in [Scheme::Resident, Scheme::Employee] {
            assert_eq!(scheme(scheme_code(one)), Some(one));
        }
        for unknown in ["", "9901", "53", "041"] {
            assert_eq!((care(unknown), scheme(unknown)), (None, None));
        }
    }

    #[test]
    fn a_referral_is_said_or_follows_and_is_never_guessed_away_from_home() {
        let region = |text: &str| RegionCode::new(text).unwrap();
        let check = |said, code: &str, insured: Option<&str>, expected| {
            let regions = (insured.map(region), region("520201"));
            assert_eq!(referral(said, code, regions), expected, "{said:?} {code} {insured:?}");
        };
        check(None, "21", Some("520200"), Some(Referral::None));
        check(None, "21", None, Some(Referral::None));
        check(None, "21", Some("520300"), None);
        check(None, "23", Some("520300"), Some(Referral::Filed));
        check(None, "24", Some("110000"), Some(Referral::Emergency));
        check(Some(Referral::Unfiled), "23", Some("110000"), Some(Referral::Unfiled));
        check(Some(Referral::None), "21", Some("110000"), Some(Referral::None));
    }

    #[test]
    fn what_is_told_beyond_the_standard_is_read_strictly_and_else_left_alone() {
        let read = |text: &str| {
            let input =
                Object::from([("exp_content".to_owned(), json::Json::Text(text.to_owned()))]);
            extras(&Node::within("data".to_owned(), &input))
        };
        assert_eq!(read("").unwrap(), Extras::default());
        assert_eq!(read("备注").unwrap(), Extras::default());
        let all =
            r#"{"referral":"long_term","facts":{"years_insured":3},"account_balance":"1.20"}"#;
        let expected = Extras {
            referral: Some(Referral::LongTerm),
            facts: vec![("years_insured".to_owned(), "3".to_owned())],
            account_balance: Some(Fen::new(120)),
        };
        assert_eq!(read(all).unwrap(), expected);
        let check = |text: &str, field: &str, reason| {
            assert_eq!(read(text).unwrap_err(), Invalid { field: field.to_owned(), reason });
        };
        check(r#"{"referral":"yes"}"#, "exp_content.referral", InvalidReason::ValueUnknown);
        check(r#"{"facts":[]}"#, "exp_content.facts", InvalidReason::WrongType);
        check(r#"{"facts":{"a":""}}"#, "exp_content.facts", InvalidReason::Missing);
        check(
            r#"{"account_balance":1.234}"#,
            "exp_content.account_balance",
            InvalidReason::TooManyDecimals,
        );
    }
}
