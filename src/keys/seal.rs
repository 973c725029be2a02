//! The keys of seals: one signs heads of days (Ed25519), one makes salts, each in a file of its own.
//!
//! The one that signs rotates: of a retired one only its public half is kept, so that nobody signs by it again. The one that makes
//! salts does not: every leaf ever sealed depends on it. Neither is ever printed.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::{ExposeSecret as _, SecretString};

use super::{KEY_LEN, KeysError, decode, files, random_bytes, tag};
use crate::domain::seal::head::{Head, KeyId, SignedHead, key_id};
use crate::domain::seal::leaf::{Kind, Parts, commitment, content_hash, leaf_hash};

/// The key that signs, and the public halves of those before it.
pub(super) const SEAL_FILE: &str = "seal.keys";
/// The key of salts.
pub(super) const SALT_FILE: &str = "seal-salt.key";

/// The keys of seals.
pub struct SealKeys {
    salt: hmac::Key,
    pair: Ed25519KeyPair,
    public: [u8; KEY_LEN],
    retired: Vec<[u8; KEY_LEN]>,
}

/// What is shown of a leaf beside its bytes: its salt, and the commitment to what is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salted {
    /// The salt of the leaf.
    pub salt: [u8; 32],
    /// The commitment to what is hidden.
    pub commitment: [u8; 32],
    /// The hash of its content.
    pub content: [u8; 32],
    /// The hash of the leaf.
    pub hash: [u8; 32],
}

/// Names persons, each by a pseudonym that nobody else gives them: it is made for one purpose, and its key is forgotten after it.
pub struct Pseudonyms(hmac::Key);

impl SealKeys {
    /// Loads the keys of a folder; nothing where it has none, as one that is older than seals.
    pub fn load(dir: &Path) -> Result<Option<Self>, KeysError> {
        if !dir.join(SEAL_FILE).exists() && !dir.join(SALT_FILE).exists() {
            return Ok(None);
        }
        let path = dir.join(SALT_FILE);
        let text = files::read_guarded(&path)?;
        let salt =
            decode(text.expose_secret().trim()).ok_or(KeysError::NotAKey { path, line: 1 })?;
        let path = dir.join(SEAL_FILE);
        let text = files::read_guarded(&path)?;
        let bad = |line: usize| KeysError::NotAKey { path: path.clone(), line };
        let lines: Vec<&str> = text.expose_secret().lines().collect();
        let (last, before) = lines.split_last().ok_or_else(|| bad(1))?;
        let seed = last.strip_prefix("seed ").and_then(decode).ok_or_else(|| bad(lines.len()))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret());
        let pair = pair.map_err(|_| bad(lines.len()))?;
        let retired = before.iter().zip(1..).map(|(line, number)| {
            let public = line.strip_prefix("public ").and_then(|text| BASE64.decode(text).ok());
            public.and_then(|public| public.try_into().ok()).ok_or_else(|| bad(number))
        });
        let retired = retired.collect::<Result<_, _>>()?;
        let public = public_of(&pair);
        let salt = hmac::Key::new(hmac::HMAC_SHA256, salt.expose_secret());
        Ok(Some(Self { salt, pair, public, retired }))
    }

    /// The id of the key that signs.
    pub fn id(&self) -> KeyId {
        key_id(&self.public)
    }

    /// The public half of the key that signs.
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// The public halves of all keys that ever signed, the one in force last.
    pub fn public_keys(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.retired.iter().chain([&self.public])
    }

    /// Signs a head.
    pub fn sign(&self, head: Head) -> SignedHead {
        let signature = self.sign_bytes(&head.to_bytes());
        SignedHead { head, public_key: self.public, signature }
    }

    /// Signs bytes that begin by saying what they are.
    pub fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(message);
        let mut bytes = [0; 64];
        // Both are 64 bytes long, whatever happens: Ed25519.
        for (to, from) in bytes.iter_mut().zip(signature.as_ref()) {
            *to = *from;
        }
        bytes
    }

    /// Salts a leaf's bytes, always in the same way, and hashes it.
    pub fn salted(&self, kind: Kind, leaf_id: &str, parts: &Parts) -> Salted {
        let salt = self.salt_of(b'1', leaf_id);
        let commitment = commitment(&self.salt_of(b'2', leaf_id), &parts.hidden);
        let content = content_hash(&salt, &commitment, &parts.shown);
        Salted { salt, commitment, content, hash: leaf_hash(kind, &content) }
    }

    fn salt_of(&self, what: u8, leaf_id: &str) -> [u8; 32] {
        let mut message = Vec::with_capacity(64);
        message.push(what);
        message.extend_from_slice(leaf_id.as_bytes());
        tag(&self.salt, &message)
    }
}

impl std::fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealKeys").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Pseudonyms {
    /// Under a key of their own.
    pub fn new() -> Result<Self, KeysError> {
        let key: [u8; KEY_LEN] = random_bytes(&SystemRandom::new())?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// A person's.
    pub fn of(&self, person: i64) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] =
            tag(&self.0, &person.to_be_bytes());
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(redacted)")
    }
}

/// Makes the keys of seals in a folder of keys that has none; false where it has them. Never overwrites.
pub fn init_seals(dir: &Path) -> Result<bool, KeysError> {
    let _folder = files::hold(dir)?;
    let mut made = false;
    for (name, line) in [(SALT_FILE, files::fresh("")?), (SEAL_FILE, files::fresh("seed ")?)] {
        if !dir.join(name).exists() {
            files::write_key(dir, name, &line)?;
            made = true;
        }
    }
    Ok(made)
}

/// Retires the key that signs and makes another one; gives their public halves. A server signs by the new one once it is started again.
pub fn rotate_seals(dir: &Path) -> Result<([u8; 32], [u8; 32]), KeysError> {
    let _folder = files::hold(dir)?;
    let before = SealKeys::load(dir)?.ok_or_else(|| KeysError::NoSealKeys(dir.to_path_buf()))?;
    let mut text: String =
        before.public_keys().map(|public| format!("public {}\n", BASE64.encode(public))).collect();
    text.push_str(files::fresh("seed ")?.expose_secret());
    files::replace(dir, SEAL_FILE, &SecretString::from(text))?;
    let after = SealKeys::load(dir)?.ok_or_else(|| KeysError::NoSealKeys(dir.to_path_buf()))?;
    Ok((before.public, after.public))
}

fn public_of(pair: &Ed25519KeyPair) -> [u8; KEY_LEN] {
    let mut public = [0; KEY_LEN];
    // Both are 32 bytes long, whatever happens: Ed25519.
    for (to, from) in public.iter_mut().zip(pair.public_key().as_ref()) {
        *to = *from;
    }
    public
}
