//! The envelope keys of one moment: the last one seals, all of them open.
use std::path::Path;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::{KeysError, decode};

/// All keys of the file. There is always one that seals.
pub(super) struct Envelope {
    older: Vec<EnvelopeKey>,
    pub(super) newest: EnvelopeKey,
}

/// A key-encryption key.
pub(super) struct EnvelopeKey {
    pub(super) id: u32,
    pub(super) key: LessSafeKey,
    /// By which two keys are told apart.
    fingerprint: [u8; 32],
}

impl Envelope {
    /// Reads the text of the file, a key a line: "7 base64". No id stands there twice.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, KeysError> {
        let bad = |line| KeysError::NotAKey { path: path.to_path_buf(), line };
        let mut keys: Vec<EnvelopeKey> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let key = EnvelopeKey::read(line).filter(|key| keys.iter().all(|k| k.id != key.id));
            keys.push(key.ok_or_else(|| bad(index.saturating_add(1)))?);
        }
        let newest = keys.pop().ok_or_else(|| bad(1))?;
        Ok(Self { older: keys, newest })
    }

    /// The key of an id.
    pub(super) fn find(&self, id: u32) -> Option<&EnvelopeKey> {
        self.all().find(|key| key.id == id)
    }

    /// In the order of the file.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.all().map(|key| key.id).collect()
    }

    /// An id under which another key stands here than there.
    pub(super) fn contradicts(&self, other: &Self) -> Option<u32> {
        let mut both = self.all().filter_map(|key| Some((key, other.find(key.id)?)));
        both.find(|(key, held)| key.fingerprint != held.fingerprint).map(|(key, _)| key.id)
    }

    fn all(&self) -> impl Iterator<Item = &EnvelopeKey> {
        self.older.iter().chain([&self.newest])
    }
}

impl EnvelopeKey {
    fn read(line: &str) -> Option<Self> {
        let (id, key) = line.split_once(' ')?;
        let bytes = decode(key.trim())?;
        let fingerprint = Sha256::digest(bytes.expose_secret()).into();
        Some(Self { id: id.parse().ok()?, key: cipher(bytes.expose_secret())?, fingerprint })
    }
}

/// The cipher of a key.
pub(super) fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}
