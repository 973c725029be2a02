//! The head of a day's tree: the few bytes that are signed, chained and published.

use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::Hash;
use crate::domain::ids::RegionCode;

/// What the bytes of a head begin with.
const DOMAIN: &[u8; 21] = b"onestop-seal-head-v1\0";

/// Which key signed: the beginning of the SHA-256 of its public half.
pub type KeyId = [u8; 8];

/// What is said of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Is the day over, so that nothing more comes?
    pub is_final: bool,
    /// The insured region.
    pub region: RegionCode,
    /// The accounting day.
    pub day: Date,
    /// How many leaves.
    pub leaves: u64,
    /// The root over them.
    pub root: Hash,
    /// The hash of the head before: of a final one that of the day before, of another one the last of the same day. Zeros before the first.
    pub previous: Hash,
    /// When it was sealed, in whole microseconds.
    pub sealed_at: Timestamp,
    /// Which key signs it.
    pub key: KeyId,
}

/// A head with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// What is said.
    pub head: Head,
    /// The key that signed, its public half.
    pub public_key: [u8; 32],
    /// Ed25519 over [`Head::to_bytes`].
    pub signature: [u8; 64],
}

/// The id of a key.
pub fn key_id(public_key: &[u8; 32]) -> KeyId {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(public_key).into();
    [a, b, c, d, e, f, g, h]
}

impl Head {
    /// The bytes that are signed: all of fixed width, numbers with the highest byte first, the day as in 2026-10-31.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every field by name: one that is added does not compile until it is signed.
        let Self { is_final, region, day, leaves, root, previous, sealed_at, key } = self;
        let mut bytes = DOMAIN.to_vec();
        bytes.push(u8::from(*is_final));
        bytes.extend_from_slice(&region.get().to_be_bytes());
        bytes.extend_from_slice(day.to_string().as_bytes());
        bytes.extend_from_slice(&leaves.to_be_bytes());
        bytes.extend_from_slice(root);
        bytes.extend_from_slice(previous);
        bytes.extend_from_slice(&sealed_at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(key);
        bytes
    }

    /// By which the next head names it.
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.to_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn head() -> Head {
        Head {
            is_final: true,
            region: RegionCode::new("520200").unwrap(),
            day: date(2026, 10, 31),
            leaves: 7,
            root: [1; 32],
            previous: [2; 32],
            sealed_at: "2026-11-01T00:02:03.000004Z".parse().unwrap(),
            key: [3; 8],
        }
    }

    #[test]
    fn every_field_is_signed() {
        let bytes = head().to_bytes();
        assert_eq!(bytes.len(), 21 + 1 + 4 + 10 + 8 + 32 + 32 + 8 + 8);
        let others = [
            Head { is_final: false, ..head() },
            Head { region: RegionCode::new("520201").unwrap(), ..head() },
            Head { day: date(2026, 10, 30), ..head() },
            Head { leaves: 8, ..head() },
            Head { root: [9; 32], ..head() },
            Head { previous: [9; 32], ..head() },
            Head { sealed_at: "2026-11-01T00:02:03.000005Z".parse().unwrap(), ..head() },
            Head { key: [9; 8], ..head() },
        ];
        for other in others {
            assert_ne!(other.to_bytes(), bytes, "{other:?}");
            assert_ne!(other.hash(), head().hash());
        }
    }
}
