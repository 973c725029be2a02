//! Encoded requests of anybody, for the fuzz targets: read in place is decoded and converted, or nothing.

use jiff::civil::date;
use prost::Message as _;

use super::{CredentialHash, in_place, wire};
use crate::app::Claim;
use crate::domain::record::write_bill;
use crate::limits;

/// All that may be asked, and above all bills, each way.
pub fn bills(bytes: &[u8]) {
    let request = in_place::settle(&hash, bytes);
    let decoded = wire::SettleRequest::decode(bytes).ok();
    let converted = decoded.and_then(|message| super::settle(&hash, message).ok());
    assert!(request.is_none() || converted.is_some(), "taken in place, refused decoded");
    if let (Some(request), Some(converted)) = (request, converted) {
        let told = |claim: &Claim| format!("{claim:?} {:?}", claim.credential.hash);
        assert_eq!(told(&request.claim), told(&converted.claim));
        assert_eq!(request.request, converted.request);
        assert_eq!(request.quote_token, converted.quote_token);
        look_at(&request.claim);
    }
    let claim = in_place::quote(&hash, bytes);
    let decoded = wire::QuoteRequest::decode(bytes).ok();
    let converted = decoded.and_then(|message| super::quote(&hash, message).ok());
    assert!(claim.is_none() || converted.is_some(), "taken in place, refused decoded");
    if let (Some(claim), Some(converted)) = (claim, converted) {
        assert_eq!(claim.bill, converted.bill);
        assert_eq!(claim.credential.hash, converted.credential.hash);
    }
    if let Ok(message) = wire::ReverseRequest::decode(bytes) {
        super::reverse(message).ok();
    }
    if let Ok(message) = wire::GetSettlementRequest::decode(bytes) {
        super::wanted(message).ok();
    }
    if let Ok(message) = wire::GetStandingRequest::decode(bytes) {
        super::standing(&hash, message).ok();
    }
}

/// What is done with a bill before anything is read of a database.
fn look_at(claim: &Claim) {
    let mut written = Vec::new();
    write_bill(&mut written, &claim.bill);
    if claim.bill.check(date(2025, 1, 1), limits::CHARGE_LINES_MAX).is_ok() {
        claim.bill.net_charges().ok();
    }
}

/// Tells kinds and numbers apart.
fn hash(kind: u8, normalized: &str) -> CredentialHash {
    let mut hash = [kind; 32];
    for (byte, letter) in hash.iter_mut().zip(normalized.bytes()) {
        *byte = byte.wrapping_mul(31).wrapping_add(letter);
    }
    CredentialHash { kind, hash }
}
