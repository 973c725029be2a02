//! What is recorded: a settlement, also by the hospital's own message; the charge lines of a stay; what a person has used.
//! [5203, 5204, 5206, OS01]

use serde_json::{Value, json};

use super::care;
use super::fault::Fault;
use super::field::InvalidReason;
use super::input::part;
use super::output;
use super::settle;
use super::transactions::{Call, Done};
use crate::app::{Found, Refusal, TrueUp, TrueUpPage, TrueUps};
use crate::domain::ids::{PersonNumber, RequestId, SettlementId, StayId};

/// A settlement by its id; beyond the standard also by the message that asked for it, since whoever got no answer has no id. [5203]
pub(super) async fn settlement(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let settlement = node.id("setl_id", SettlementId::LENGTH_MAX, SettlementId::new)?;
    let person = node.id("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    let request = node.id("medins_setl_id", RequestId::LENGTH_MAX, RequestId::new)?;
    let request = match request {
        Some(request) => Some(request),
        None => node.id("msgid", RequestId::LENGTH_MAX, RequestId::new)?,
    };
    let found = match (settlement, request) {
        (Some(settlement), _) => call.app.settlement(call.caller, &settlement).await?,
        (None, Some(request)) => {
            call.app.settlement_of_request(call.caller, call.hospital(), &request).await?
        }
        (None, None) => return Err(node.invalid("setl_id", InvalidReason::Missing).into()),
    };
    match found {
        // As if it were not there, also where the caller reaches further than the hospital it speaks for.
        Found::Answer(answer) if answer.entry.hospital != *call.hospital() => {
            Err(Refusal::SettlementUnknown.into())
        }
        Found::Answer(answer) => {
            // Who has lost everything but the message need not know whose it was.
            if let Some(person) = &person {
                call.app.is_settled_for(&answer.entry, person).await?;
            }
            settle::of_answer(&call, &answer, None).await
        }
        Found::Tombstone(_) => Err(Refusal::RequestReversed.into()),
    }
}

/// What was trued up of the hospital's settlements, from a day on, the oldest first. Ours alone: the standard has none. [OS01]
pub(super) async fn true_ups(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let page = node.id("page_token", TrueUpPage::LENGTH_MAX, TrueUpPage::from_text)?;
    let page = match page {
        Some(page) => page,
        None => TrueUpPage::from_day(node.day("begndate")?),
    };
    let TrueUps { listed, next } = call.app.true_ups(call.caller, call.hospital(), &page).await?;
    let rows = listed.iter().map(|TrueUp { person, corrected }| {
        let mut row = output::true_up(corrected);
        row.insert("psn_no".to_owned(), Value::from(person.as_str()));
        row.insert("mdtrt_id".to_owned(), Value::from(corrected.stay.as_str()));
        row.insert("dscgTime".to_owned(), Value::from(corrected.discharge.to_string()));
        Value::Object(row)
    });
    let rows = rows.collect::<Vec<_>>();
    match next {
        None => Done::with("trueups", rows),
        Some(next) => Done::of(&json!({ "trueups": rows, "next_page_token": next.to_string() })),
    }
}

/// The charge lines of a stay, with what the catalogue says of them. [5204]
pub(super) async fn fees(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let person = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    let id = node.needed("mdtrt_id", StayId::LENGTH_MAX, StayId::new)?;
    let of_stay = (call.hospital(), &id);
    let (stay, lines) = call.app.charged_stay(call.caller, of_stay, None).await?;
    call.app.is_of(&stay, &person)?;
    call.app.charges_told(call.caller, &stay).await?;
    let settlement = stay.settlement.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut rows = super::fees::rows(&call, &stay, lines).await?;
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.insert("mdtrt_id".to_owned(), Value::from(id.as_str()));
        row.insert("setl_id".to_owned(), Value::from(settlement.as_str()));
        row.insert("psn_no".to_owned(), Value::from(person.as_str()));
    }
    // The standard's output is the list itself, without a name.
    Done::of(&rows)
}

/// What a person has used in a policy year: of the month that is asked for, or of this one. [5206]
pub(super) async fn cumulative(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "data")?;
    let number = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    let month = node.word("cum_ym", month)?;
    let credential = call.app.credential_of(&number).await?;
    let person = call.app.standing(call.caller, &credential, None).await?;
    let year = month.map_or(person.on.year(), |(year, _)| year);
    let month = month.map_or(person.on.month(), |(_, month)| month);
    let counted = person.snapshot.used.iter().filter(|used| used.year == year || used.year == 0);
    let rows = counted.map(|used| {
        let dictionary = call.app.dictionary(used.region);
        json!({
            "insutype": care::scheme_code(used.scheme),
            "year": used.year.to_string(),
            "cum_ym": format!("{year:04}{month:02}"),
            "cum_type_code": dictionary.cumulative(&used.name),
            "cum": used.amount.to_string(),
        })
    });
    Done::with("cuminfo", rows.collect::<Vec<_>>())
}

/// `yyyyMM`.
pub(super) fn month(text: &str) -> Option<(i16, i8)> {
    let plain = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month) = text.split_at_checked(4).filter(|_| plain)?;
    let month: i8 = month.parse().ok()?;
    (1..=12).contains(&month).then_some((year.parse().ok()?, month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_six_digits() {
        assert_eq!(month("202406"), Some((2024, 6)));
        for bad in ["202413", "202400", "2024-6", "20246", "２０２４"] {
            assert_eq!(month(bad), None, "{bad}");
        }
    }
}
