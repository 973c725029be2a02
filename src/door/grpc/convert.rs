//! Wire messages to domain types, strictly: every field by name, and the first that does not fit is named with its reason.

mod bill;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::door::grpc) mod fuzz;
mod in_place;

use bytes::Bytes;
use jiff::civil::Date;
use prost::Message as _;

use super::super::field::{self, Place, at, credential_number, date, id, optional, plain_text};
use super::super::wire::settlement::v1 as wire;
use crate::app::{Claim, CredentialHash, ReverseRequest, SettleRequest, Target, TrueUpPage};
use crate::domain::ids::{HospitalCode, OperatorId, RegionCode, RequestId, SettlementId};
use crate::limits;

use super::status::Unanswered;

use self::bill::claim;
pub(super) use super::super::field::{Invalid, InvalidReason};

/// Hashes a credential of a kind.
pub(super) type Hash<'a> = &'a (dyn Fn(u8, &str) -> CredentialHash + Sync);

/// How a settlement is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// By its id.
    Settlement(SettlementId),
    /// By the hospital's own request.
    Request(HospitalCode, RequestId),
}

/// Reads an encoded request to settle.
pub(super) fn settle_of(hash: Hash<'_>, bytes: Bytes) -> Result<SettleRequest, Unanswered> {
    if let Some(request) = in_place::settle(hash, &bytes) {
        return Ok(request);
    }
    let message = wire::SettleRequest::decode(bytes)?;
    settle(hash, message).map_err(Unanswered::Invalid)
}

/// Reads an encoded request for a quote.
pub(super) fn quote_of(hash: Hash<'_>, bytes: Bytes) -> Result<Claim, Unanswered> {
    if let Some(claim) = in_place::quote(hash, &bytes) {
        return Ok(claim);
    }
    let message = wire::QuoteRequest::decode(bytes)?;
    quote(hash, message).map_err(Unanswered::Invalid)
}

/// Reads a request for a quote.
fn quote(hash: Hash<'_>, request: wire::QuoteRequest) -> Result<Claim, Invalid> {
    let wire::QuoteRequest { bill } = request;
    claim(hash, bill)
}

/// Reads a request to settle.
fn settle(hash: Hash<'_>, request: wire::SettleRequest) -> Result<SettleRequest, Invalid> {
    let wire::SettleRequest { request_id, bill, quote_token } = request;
    Ok(SettleRequest {
        request: request_of("request_id", &request_id)?,
        claim: claim(hash, bill)?,
        quote_token,
    })
}

/// Reads a request to reverse.
pub(super) fn reverse(request: wire::ReverseRequest) -> Result<ReverseRequest, Invalid> {
    use wire::reverse_request::Target as Named;
    let wire::ReverseRequest { request_id, hospital_code, target, reason, operator_id } = request;
    let request = request_of("request_id", &request_id)?;
    let hospital = hospital_of("hospital_code", &hospital_code)?;
    let target = match target {
        None => return Err(Invalid::new("settlement_id", InvalidReason::Missing)),
        Some(Named::SettlementId(settlement)) => {
            Target::Settlement(settlement_of("settlement_id", &settlement)?)
        }
        Some(Named::OriginalRequestId(original)) => {
            Target::Request(request_of("original_request_id", &original)?)
        }
    };
    let reason = optional(&reason, |text| plain_text(text, limits::REVERSAL_REASON_LENGTH_MAX))
        .map_err(at(Place::Field("reason")))?;
    let operator = optional(&operator_id, |text| id(text, OperatorId::LENGTH_MAX, OperatorId::new))
        .map_err(at(Place::Field("operator_id")))?;
    Ok(ReverseRequest { request, hospital, target, reason, operator })
}

/// Reads by what a settlement is looked for.
pub(super) fn wanted(request: wire::GetSettlementRequest) -> Result<Wanted, Invalid> {
    use wire::get_settlement_request::Key;
    let wire::GetSettlementRequest { key } = request;
    match key {
        None => Err(Invalid::new("settlement_id", InvalidReason::Missing)),
        Some(Key::SettlementId(settlement)) => {
            settlement_of("settlement_id", &settlement).map(Wanted::Settlement)
        }
        Some(Key::Request(wire::RequestKey { hospital_code, request_id })) => Ok(Wanted::Request(
            hospital_of("request.hospital_code", &hospital_code)?,
            request_of("request.request_id", &request_id)?,
        )),
    }
}

/// Reads whose standing is asked for, and on which day; no day means today.
pub(super) fn standing(
    hash: Hash<'_>,
    request: wire::GetStandingRequest,
) -> Result<(CredentialHash, Option<Date>), Invalid> {
    let wire::GetStandingRequest { credential: shown, on_date } = request;
    let on = optional(&on_date, date).map_err(at(Place::Field("on_date")))?;
    Ok((credential(hash, ["credential", "credential.kind", "credential.number"], shown)?, on))
}

/// Reads whose true-ups are listed, and from where on.
pub(super) fn true_ups(
    request: wire::ListTrueUpsRequest,
) -> Result<(HospitalCode, TrueUpPage), Invalid> {
    let wire::ListTrueUpsRequest { hospital_code, from_date, page_token } = request;
    let hospital = hospital_of("hospital_code", &hospital_code)?;
    let from = optional(&from_date, date).map_err(at(Place::Field("from_date")))?;
    let page =
        optional(&page_token, |text| id(text, TrueUpPage::LENGTH_MAX, TrueUpPage::from_text))
            .map_err(at(Place::Field("page_token")))?;
    Ok((hospital, page.unwrap_or_else(|| TrueUpPage::from_day(from))))
}

/// The date of a list.
pub(super) fn begin_date(field: &'static str, text: &str) -> Result<Date, Invalid> {
    date(text).map_err(at(Place::Field(field)))
}

/// The region of a list; none where it is not a full one.
pub(super) fn begin_region(field: &'static str, text: &str) -> Result<Option<RegionCode>, Invalid> {
    optional(text, |text| RegionCode::new(text).ok_or(InvalidReason::ValueUnknown))
        .map_err(at(Place::Field(field)))
}

/// What the patient showed, as a keyed hash; the number itself ends here. The fields are those of the credential, its kind and
/// its number.
pub(super) fn credential(
    hash: Hash<'_>,
    [field, kind_field, number_field]: [&'static str; 3],
    said: Option<wire::Credential>,
) -> Result<CredentialHash, Invalid> {
    let said = said.ok_or_else(|| Invalid::new(field, InvalidReason::Missing))?;
    let wire::Credential { kind, number } = said;
    shown(hash, [kind_field, number_field], (kind, &number))
}

/// The same of a kind and a number.
fn shown(
    hash: Hash<'_>,
    [kind_field, number_field]: [&'static str; 2],
    (kind, number): (i32, &str),
) -> Result<CredentialHash, Invalid> {
    use wire::CredentialKind as Kind;
    let unknown = |_| Invalid::new(kind_field, InvalidReason::ValueUnknown);
    let (kind, identity_number) = match Kind::try_from(kind).map_err(unknown)? {
        Kind::Unspecified => return Err(Invalid::new(kind_field, InvalidReason::Missing)),
        Kind::IdentityNumber => (1, true),
        Kind::PersonNumber => (2, false),
        Kind::CardToken => (3, false),
        Kind::Passport => (4, false),
        Kind::NewbornOfMother => (5, true),
    };
    let normalized =
        credential_number(number, identity_number).map_err(at(Place::Field(number_field)))?;
    Ok(hash(kind, &normalized))
}

fn request_of(field: &'static str, text: &str) -> Result<RequestId, Invalid> {
    id(text, RequestId::LENGTH_MAX, RequestId::new).map_err(at(Place::Field(field)))
}

fn hospital_of(field: &'static str, text: &str) -> Result<HospitalCode, Invalid> {
    id(text, HospitalCode::LENGTH_MAX, HospitalCode::new).map_err(at(Place::Field(field)))
}

fn settlement_of(field: &'static str, text: &str) -> Result<SettlementId, Invalid> {
    id(text, SettlementId::LENGTH_MAX, SettlementId::new).map_err(at(Place::Field(field)))
}

#[cfg(test)]
mod tests;
