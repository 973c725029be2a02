//! Both ends of a settlement's way through this process, bytes to request and answer to bytes, for those who measure it.

use bytes::Bytes;

use super::{answer, convert};
use crate::app::{Answer, CredentialHash, SettleRequest};

/// Reads an encoded request to settle; nothing where it is refused.
pub fn settle_request(
    hash: &(dyn Fn(u8, &str) -> CredentialHash + Sync),
    bytes: &Bytes,
) -> Option<SettleRequest> {
    convert::settle_of(hash, bytes.clone()).ok()
}

/// The encoded answer of a settlement.
pub fn settle_response(answer: &Answer) -> Option<Vec<u8>> {
    answer::settled(answer::OF_SETTLE, answer).ok()
}
