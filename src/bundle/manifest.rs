//! What a bundle says of itself: whose it is, which files it has, and who made it.

use jiff::civil::Date;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::text::{hex, unhex};
use crate::domain::seal::head::key_id;

/// The file of the manifest, and that of its signature.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Who signed the manifest.
pub const SIGNATURE_FILE: &str = "manifest.sig";
/// The heads of the month, and the one before them.
pub const HEADS_FILE: &str = "heads.jsonl";
/// The format in words.
pub const FORMAT_FILE: &str = "FORMAT.md";

/// What goes before the manifest when it is signed.
pub const SIGNED_DOMAIN: &[u8] = b"onestop-bundle-manifest-v1\0";

/// What is in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub format: String,
    /// The insured region.
    pub region: String,
    /// The month, as in 2026-10.
    pub month: String,
    /// Up to which day of it.
    pub through: Date,
    /// When it was made.
    pub made_at: String,
    /// By which release.
    pub made_by: String,
    /// How many leaves.
    pub leaves: u64,
    /// How many of them are settlements and reversals, which are shown.
    pub shown: u64,
    /// How many are postings, which are shown too.
    pub postings: u64,
    /// The days, each with how many leaves it has and in how many files.
    pub days: Vec<DayFiles>,
    /// The rule packages that decided, by their hashes.
    pub packages: Vec<String>,
    /// All files but this one and its signature.
    pub files: Vec<FileEntry>,
}

/// A day of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayFiles {
    /// Which day.
    pub day: Date,
    /// How many leaves.
    pub leaves: u64,
    /// In how many files.
    pub parts: u64,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// Who signed a manifest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    key_id: String,
    public_key: String,
    signature: String,
}

/// What is signed.
pub fn signed_bytes(manifest: &[u8]) -> Vec<u8> {
    [SIGNED_DOMAIN, manifest].concat()
}

/// The file of a signature.
pub fn signature_file(public_key: &[u8; 32], signature: &[u8; 64]) -> Vec<u8> {
    let signature = Signature {
        key_id: hex(&key_id(public_key)),
        public_key: hex(public_key),
        signature: hex(signature),
    };
    serde_json::to_vec(&signature).unwrap_or_default()
}

/// The key that signed a manifest; nothing where none did.
pub fn signer(manifest: &[u8], signature_file: &[u8]) -> Option<[u8; 32]> {
    let file: Signature = serde_json::from_slice(signature_file).ok()?;
    let public_key = unhex(&file.public_key)?;
    let signature: [u8; 64] = unhex(&file.signature)?;
    if self::signature_file(&public_key, &signature) != signature_file {
        return None;
    }
    let key = UnparsedPublicKey::new(&ED25519, public_key.as_slice());
    key.verify(&signed_bytes(manifest), &signature).is_ok().then_some(public_key)
}

/// The file of some leaves of a day.
pub fn part_name(day: Date, part: u64) -> String {
    format!("days/{day}/{part:05}.leaves")
}

/// The file of a rule package.
pub fn package_name(hash: &str) -> String {
    format!("packages/{hash}.package")
}
