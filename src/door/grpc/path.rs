//! Both ends of a settlement's way through this process, bytes to claim and answer to bytes.

use bytes::Bytes;
use prost::Message as _;

use super::super::wire::settlement::v1 as wire;
use super::{answer, convert};
use crate::app::{Answer, CredentialHash, SettleRequest};

/// Reads an encoded request to settle; nothing where it is refused.
pub fn settle_request(
    hash: &(dyn Fn(u8, &str) -> CredentialHash + Sync),
    bytes: &Bytes,
) -> Option<SettleRequest> {
    let message = wire::SettleRequest::decode(bytes.clone()).ok()?;
    convert::settle(hash, message).ok()
}

/// The encoded answer of a settlement.
pub fn settle_response(answer: &Answer) -> Option<Vec<u8>> {
    let settlement = answer::settlement(answer).ok()?;
    let outcome = Some(wire::settle_response::Outcome::Settlement(settlement));
    Some(wire::SettleResponse { outcome, repeat: answer.repeat }.encode_to_vec())
}
