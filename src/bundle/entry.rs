//! A leaf in a file of a bundle: its length, then what it is of and either its hash alone or all that may be shown of it.

use crate::domain::seal::Hash;
use crate::domain::seal::leaf::{Kind, content_hash, leaf_hash};

/// Only the hash is given.
const FORM_HASH: u8 = 0;
/// All that may be shown is given.
const FORM_SHOWN: u8 = 1;

/// Stands for a person in one bundle, and in no other.
pub type Pseudonym = [u8; 16];

/// A leaf as it stands in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// Of what is not disclosed: the hash of its content.
    Hash(Kind, Hash),
    /// Of what is.
    Shown(Shown<'a>),
}

/// A leaf that is disclosed, but for what is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// What it is of.
    pub kind: Kind,
    /// Its salt.
    pub salt: Hash,
    /// The commitment to what is hidden.
    pub commitment: Hash,
    /// Whose it is.
    pub pseudonym: Pseudonym,
    /// What is shown.
    pub bytes: &'a [u8],
}

impl Leaf<'_> {
    /// Appends it, its length first.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut leaf = Vec::new();
        match self {
            Self::Hash(kind, hash) => {
                leaf.extend_from_slice(&[kind.number(), FORM_HASH]);
                leaf.extend_from_slice(hash);
            }
            Self::Shown(Shown { kind, salt, commitment, pseudonym, bytes }) => {
                leaf.reserve(bytes.len().saturating_add(128));
                leaf.extend_from_slice(&[kind.number(), FORM_SHOWN]);
                leaf.extend_from_slice(salt);
                leaf.extend_from_slice(commitment);
                leaf.extend_from_slice(pseudonym);
                leaf.extend_from_slice(bytes);
            }
        }
        let length = u32::try_from(leaf.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&leaf);
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Hash(kind, content) => leaf_hash(*kind, content),
            Self::Shown(Shown { kind, salt, commitment, pseudonym: _, bytes }) => {
                leaf_hash(*kind, &content_hash(salt, commitment, bytes))
            }
        }
    }
}

/// Reads what stands behind the length; nothing where it is no leaf.
pub fn read(leaf: &[u8]) -> Option<Leaf<'_>> {
    let ([kind, form], rest) = leaf.split_first_chunk::<2>()?;
    let kind = Kind::from_number(*kind)?;
    match *form {
        FORM_HASH => Some(Leaf::Hash(kind, rest.try_into().ok()?)),
        FORM_SHOWN => {
            let (salt, rest) = rest.split_first_chunk::<32>()?;
            let (commitment, rest) = rest.split_first_chunk::<32>()?;
            let (pseudonym, bytes) = rest.split_first_chunk::<16>()?;
            let (salt, commitment, pseudonym) = (*salt, *commitment, *pseudonym);
            Some(Leaf::Shown(Shown { kind, salt, commitment, pseudonym, bytes }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_read_back_with_the_same_hash() {
        let shown = Shown {
            kind: Kind::Settlement,
            salt: [1; 32],
            commitment: [2; 32],
            pseudonym: [3; 16],
            bytes: b"shown",
        };
        for leaf in [Leaf::Shown(shown), Leaf::Hash(Kind::RegistryChange, [4; 32])] {
            let mut bytes = Vec::new();
            leaf.write(&mut bytes);
            let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
            assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
            assert_eq!(read(rest), Some(leaf));
        }
        let other = Leaf::Shown(Shown { pseudonym: [9; 16], ..shown });
        assert_eq!(other.hash(), Leaf::Shown(shown).hash(), "a pseudonym is not sealed");
        let content = content_hash(&shown.salt, &shown.commitment, shown.bytes);
        assert_eq!(Leaf::Hash(shown.kind, content).hash(), other.hash(), "shown or not, the same");
        assert_ne!(Leaf::Hash(Kind::RegistryChange, content).hash(), other.hash());
        for bad in [&[][..], &[1], &[1, 0, 5], &[9, 0], &[1, 2], &[1, 1, 0]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
