//! Who a person is: their number, how they are insured, and the identities that a rule may favour. [1101]

use jiff::civil::Date;
use serde_json::{Value, json};

use super::care;
use super::fault::Fault;
use super::field::{self, InvalidReason};
use super::input::{Node, part};
use super::output;
use super::transactions::{Call, Done};
use crate::app::CredentialHash;
use crate::app::national::Holder;
use crate::domain::ids::PersonNumber;
use crate::domain::standing::{Coverage, Identity, PersonSnapshot};
use crate::limits;

/// What a patient can show, as numbered in the contract.
pub(super) const IDENTITY_NUMBER: u8 = 1;
const CARD_TOKEN: u8 = 3;

/// Finds a person by what they show, or by the number that was told before. [1101]
pub(super) async fn find(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let (credential, identity_number) = shown(&call, &node).await?;
    let on = node.day("begntime")?;
    let holder = call.app.holder(call.caller, credential, on).await?;
    let Holder { number, person, name, .. } = &holder;
    let snapshot = &person.snapshot;
    let covered = snapshot.standing.coverage_on(person.on);
    let dictionary = covered.map(|coverage| coverage.region).next().or(call.envelope.insured);
    let dictionary = call.app.dictionary(dictionary.unwrap_or(call.envelope.treatment));
    let coverage: Vec<Value> = snapshot.standing.coverage_on(person.on).map(coverage_of).collect();
    let identities = snapshot.standing.identities_on(person.on);
    let identities: Vec<Value> = identities
        .map(|identity| identity_of(identity, dictionary.identity(&identity.code)))
        .collect();
    let base = base_of((number, name), snapshot, &identity_number, call.app.now().day);
    Done::of(&json!({ "baseinfo": base, "insuinfo": coverage, "idetinfo": identities }))
}

/// What the patient shows, and their identity number where that is it.
async fn shown(call: &Call<'_>, node: &Node<'_>) -> Result<(CredentialHash, String), Fault> {
    let number = node.id("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    if let Some(number) = number {
        return Ok((call.app.credential_of(&number).await?, String::new()));
    }
    let kind = node.word("mdtrt_cert_type", |kind| match kind {
        "02" => Some(IDENTITY_NUMBER),
        "01" | "03" => Some(CARD_TOKEN),
        _ => None,
    })?;
    let kind = node.must("mdtrt_cert_type", kind)?;
    let text = node.text("mdtrt_cert_no", limits::CREDENTIAL_LENGTH_MAX)?;
    let number = field::credential_number(text, kind == IDENTITY_NUMBER);
    let number = number.map_err(|reason: InvalidReason| node.invalid("mdtrt_cert_no", reason))?;
    let credential = call.app.credential(kind, &number);
    Ok((credential, if kind == IDENTITY_NUMBER { number } else { String::new() }))
}

fn base_of(
    (number, name): (&PersonNumber, &str),
    snapshot: &PersonSnapshot,
    identity_number: &str,
    today: Date,
) -> Value {
    let birth = snapshot.standing.birth;
    let age = birth.map_or(0, |birth| years_between(birth, today));
    json!({
        "psn_no": number.as_str(),
        "psn_cert_type": if identity_number.is_empty() { "" } else { "01" },
        "certno": identity_number,
        "psn_name": name,
        "gend": gender(identity_number),
        "naty": "",
        "brdy": birth.map_or(String::new(), |birth| birth.to_string()),
        "age": age.to_string(),
    })
}

/// By the last digit but one of an identity number: odd is 1, a man.
fn gender(identity_number: &str) -> &'static str {
    match identity_number.as_bytes().get(16) {
        None => "",
        Some(digit) if digit % 2 == 1 => "1",
        Some(_) => "2",
    }
}

/// Whole years.
fn years_between(birth: Date, today: Date) -> i16 {
    let years = today.year().saturating_sub(birth.year());
    let before = (today.month(), today.day()) < (birth.month(), birth.day());
    years.saturating_sub(i16::from(before)).max(0)
}

fn coverage_of(coverage: &Coverage) -> Value {
    let fact = |wanted: &str| {
        let found = coverage.facts.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    json!({
        "balc": "0",
        "insutype": care::scheme_code(coverage.scheme),
        "psn_type": fact("psn_type"),
        "psn_insu_stas": "1",
        "psn_insu_date": coverage.valid_from.to_string(),
        "paus_insu_date": output::day(coverage.valid_to),
        "cvlserv_flag": "0",
        "insuplc_admdvs": coverage.region.to_string(),
        "emp_name": "",
    })
}

fn identity_of(identity: &Identity, code: &str) -> Value {
    json!({
        "psn_idet_type": code,
        "psn_type_lv": "",
        "memo": format!("{}（{}）", identity.code, identity.source),
        "begntime": identity.valid_from.to_string(),
        "endtime": output::day(identity.valid_to),
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn ages_and_genders_are_those_of_the_day_and_the_digit() {
        assert_eq!(years_between(date(1990, 7, 1), date(2024, 6, 30)), 33);
        assert_eq!(years_between(date(1990, 6, 30), date(2024, 6, 30)), 34);
        assert_eq!(years_between(date(2024, 7, 1), date(2024, 6, 30)), 0);
        assert_eq!(gender("11010519491231002X"), "2");
        assert_eq!(gender("11010519491231001X"), "1");
        assert_eq!(gender(""), "");
    }
}
