//! Seals: what makes it impossible to change a day that is over without anybody noticing.
//!
//! Each settlement, posting and change of the registry is a leaf of the tree of its insured region and accounting day ([`leaf`]). The
//! tree has the shape of RFC 6962 ([`tree`]); its root stands in a head ([`head`]) that is signed, names the head before it, and is
//! published. Nothing here signs, draws randomness or knows a key: who has them hands in salts and takes away bytes to sign.

pub mod head;
pub mod leaf;
pub mod tree;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What goes before a leaf, a node, a commitment and the content of a leaf, so that none is ever taken for another.
const LEAF: u8 = 0x00;
const NODE: u8 = 0x01;
const COMMITMENT: u8 = 0x02;
const CONTENT: u8 = 0x03;
