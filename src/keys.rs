//! Edge: the keys. Credentials become keyed hashes, names are sealed in envelopes, quote tokens are signed.
//!
//! Keys lie in files outside the repository, 0600 in a 0700 folder. They are never printed. The credential key does not
//! rotate, since every stored hash depends on it; the envelope file holds several keys by id, so that it can.
pub mod authority;

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

const CREDENTIAL_FILE: &str = "credential.key";
const ENVELOPE_FILE: &str = "envelope.keys";
const QUOTE_FILE: &str = "quote.key";

/// Our form of sealed bytes: version, id of the key-encryption key, nonce and wrapped data key, nonce and text.
const SEALED_VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;
const KEY_ID_LEN: usize = 4;
const WRAPPED_LEN: usize = KEY_LEN + TAG_LEN;

/// The keys in force.
pub struct Keys {
    credential: hmac::Key,
    quote: hmac::Key,
    /// By id; the last one seals, all of them open.
    envelope: Vec<(u32, LessSafeKey)>,
    random: SystemRandom,
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("make keys in {}: it already holds something, and keys are never overwritten", .0.display())]
    Exists(PathBuf),
    #[error("make keys in {}: it lies inside the repository {}", .dir.display(), .repository.display())]
    InRepository { dir: PathBuf, repository: PathBuf },
    #[error("{doing} {}", .path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("load key file {}: others may read or change it (mode {mode:03o}); chmod 600 it", .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("load key file {}, line {line}: not a key", .path.display())]
    NotAKey { path: PathBuf, line: usize },
    #[error("ask the system for random bytes")]
    Random,
    #[error("open sealed bytes: {0}")]
    Sealed(&'static str),
    #[error("seal bytes with key {0}")]
    Seal(u32),
}

/// Makes all keys in a new folder. Whole or not at all: the folder appears under its name once it is complete.
pub fn init(dir: &Path) -> Result<(), KeysError> {
    let file = |doing, path: &Path| {
        let path = path.to_path_buf();
        move |source| KeysError::File { doing, path, source }
    };
    let dir = &std::path::absolute(dir).map_err(file("resolve folder", dir))?;
    if let Some(repository) = dir.ancestors().find(|folder| folder.join(".git").exists()) {
        let repository = repository.to_path_buf();
        return Err(KeysError::InRepository { dir: dir.clone(), repository });
    }
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(KeysError::Exists(dir.clone()));
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(file("make folder", parent))?;
    }
    let making = dir.with_extension(format!("making-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&making).map_err(file("make folder", &making))?;
    let made = write_all(&making).and_then(|()| {
        // Takes the place of an empty folder, and of nothing else.
        fs::rename(&making, dir).map_err(|source| {
            if source.kind() == std::io::ErrorKind::DirectoryNotEmpty {
                KeysError::Exists(dir.clone())
            } else {
                file("make folder", dir)(source)
            }
        })
    });
    if made.is_err() {
        // What is left of it holds keys that nothing was ever sealed with.
        fs::remove_dir_all(&making).map_err(file("remove folder", &making))?;
    }
    made
}

impl Keys {
    /// Loads the keys that [`init`] made.
    pub fn load(dir: &Path) -> Result<Keys, KeysError> {
        let single = |name: &str| {
            let path = dir.join(name);
            let text = read_guarded(&path)?;
            let key =
                decode(text.expose_secret().trim()).ok_or(KeysError::NotAKey { path, line: 1 })?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret()))
        };
        let path = dir.join(ENVELOPE_FILE);
        let text = read_guarded(&path)?;
        let mut envelope: Vec<(u32, LessSafeKey)> = Vec::new();
        for (index, line) in text.expose_secret().lines().enumerate() {
            let key = envelope_line(line).filter(|(id, _)| envelope.iter().all(|(k, _)| k != id));
            let line = index.saturating_add(1);
            envelope.push(key.ok_or(KeysError::NotAKey { path: path.clone(), line })?);
        }
        if envelope.is_empty() {
            return Err(KeysError::NotAKey { path, line: 1 });
        }
        Ok(Keys {
            credential: single(CREDENTIAL_FILE)?,
            quote: single(QUOTE_FILE)?,
            envelope,
            random: SystemRandom::new(),
        })
    }

    /// What stands for a credential in the database. Identity numbers can be enumerated, so the hash is keyed.
    pub fn credential_hash(&self, kind: u8, normalized: &str) -> [u8; 32] {
        let mut message = vec![kind];
        message.extend_from_slice(normalized.as_bytes());
        tag(&self.credential, &message)
    }

    /// By which a database knows the credential key that it is kept under; says nothing of the key.
    pub fn credential_fingerprint(&self) -> [u8; 32] {
        // A credential's message begins with its kind, a small number: no credential has this hash.
        tag(&self.credential, b"onestop credential key, fingerprint 1")
    }

    /// What stands for a person towards hospitals: the same for ever, and says nothing of who it is.
    pub fn person_mark(&self, person_id: &str) -> [u8; 32] {
        // No credential's message begins so: see above.
        let message = format!("onestop person number, 1\n{person_id}");
        tag(&self.credential, message.as_bytes())
    }

    /// Signs a quote token's bytes.
    pub fn sign_token(&self, bytes: &[u8]) -> [u8; 32] {
        tag(&self.quote, bytes)
    }

    /// Whether `signature` is ours, in constant time.
    pub fn verify_token(&self, bytes: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.quote, bytes, signature).is_ok()
    }

    /// Seals a person's name. It opens for that person only.
    pub fn seal_name(&self, name: &str, person_id: &str) -> Result<Vec<u8>, KeysError> {
        self.seal(name.as_bytes(), person_id.as_bytes())
    }

    /// Opens what [`Keys::seal_name`] sealed.
    pub fn open_name(&self, sealed: &[u8], person_id: &str) -> Result<String, KeysError> {
        let plain = self.open(sealed, person_id.as_bytes())?;
        String::from_utf8(plain).map_err(|_| KeysError::Sealed("not text"))
    }

    /// Encrypts under a fresh data key, wrapped by the newest key-encryption key. `aad` says what the bytes belong to.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeysError> {
        let Some((id, wrapping)) = self.envelope.last() else { return Err(KeysError::Random) };
        let failed = |_| KeysError::Seal(*id);
        let data_key = SecretBox::new(Box::new(self.random_bytes::<KEY_LEN>()?));
        let mut sealed = vec![SEALED_VERSION];
        sealed.extend_from_slice(&id.to_be_bytes());

        let nonce = self.random_bytes::<NONCE_LEN>()?;
        let mut wrapped = *data_key.expose_secret();
        let head = Aad::from(sealed.clone());
        let unique = Nonce::assume_unique_for_key(nonce);
        let tag =
            wrapping.seal_in_place_separate_tag(unique, head, &mut wrapped).map_err(failed)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&wrapped);
        sealed.extend_from_slice(tag.as_ref());

        let nonce = self.random_bytes::<NONCE_LEN>()?;
        let mut text = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        cipher(data_key.expose_secret())
            .ok_or(KeysError::Seal(*id))?
            .seal_in_place_append_tag(unique, Aad::from(aad), &mut text)
            .map_err(failed)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Decrypts what [`Keys::seal`] sealed for the same `aad`, under any key still in the file.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeysError> {
        let short = || KeysError::Sealed("too short");
        let (head, rest) = sealed.split_at_checked(1 + KEY_ID_LEN).ok_or_else(short)?;
        let (version, id) = head.split_first().ok_or_else(short)?;
        if *version != SEALED_VERSION {
            return Err(KeysError::Sealed("a version that we do not know"));
        }
        let id = u32::from_be_bytes(id.try_into().map_err(|_| short())?);
        let (_, wrapping) = self
            .envelope
            .iter()
            .find(|(known, _)| *known == id)
            .ok_or(KeysError::Sealed("under a key that is not in the file"))?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(short)?;
        let (wrapped, rest) = rest.split_first_chunk::<WRAPPED_LEN>().ok_or_else(short)?;
        let (text_nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(short)?;

        let altered = |_| KeysError::Sealed("altered, or sealed for something else");
        let mut wrapped = SecretBox::new(Box::new(*wrapped));
        let data_key = {
            use secrecy::ExposeSecretMut as _;
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = wrapping
                .open_in_place(nonce, Aad::from(head), wrapped.expose_secret_mut())
                .map_err(altered)?;
            cipher(opened).ok_or_else(short)?
        };
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*text_nonce);
        let plain_len =
            data_key.open_in_place(nonce, Aad::from(aad), &mut text).map_err(altered)?.len();
        text.truncate(plain_len);
        Ok(text)
    }

    fn random_bytes<const N: usize>(&self) -> Result<[u8; N], KeysError> {
        random_bytes(&self.random)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.envelope.iter().map(|(id, _)| id).collect();
        f.debug_struct("Keys").field("envelope_key_ids", &ids).finish_non_exhaustive()
    }
}

fn tag(key: &hmac::Key, message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(key, message);
    let mut bytes = [0; 32];
    // Both are 32 bytes long, whatever happens: HMAC-SHA-256.
    for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    bytes
}

fn random_bytes<const N: usize>(random: &SystemRandom) -> Result<[u8; N], KeysError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| KeysError::Random)?;
    Ok(bytes)
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

fn decode(text: &str) -> Option<SecretBox<[u8; KEY_LEN]>> {
    let bytes = BASE64.decode(text).ok()?;
    Some(SecretBox::new(Box::new(bytes.try_into().ok()?)))
}

/// "7 base64": the key's id, and the key.
fn envelope_line(line: &str) -> Option<(u32, LessSafeKey)> {
    let (id, key) = line.split_once(' ')?;
    Some((id.parse().ok()?, cipher(decode(key.trim())?.expose_secret())?))
}

fn write_all(dir: &Path) -> Result<(), KeysError> {
    let random = SystemRandom::new();
    for (name, prefix) in [(CREDENTIAL_FILE, ""), (ENVELOPE_FILE, "1 "), (QUOTE_FILE, "")] {
        let key = SecretBox::new(Box::new(random_bytes::<KEY_LEN>(&random)?));
        let line = SecretString::from(format!("{prefix}{}\n", BASE64.encode(key.expose_secret())));
        let path = dir.join(name);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(line.expose_secret().as_bytes())?;
                file.sync_all()
            })
            .map_err(|source| KeysError::File { doing: "write key file", path, source })?;
    }
    Ok(())
}

/// Reads a key file, unless others could have read or changed it. A group may read: that is how an orchestrator mounts it.
fn read_guarded(path: &Path) -> Result<SecretString, KeysError> {
    let doing = |doing| {
        let path = path.to_path_buf();
        move |source| KeysError::File { doing, path, source }
    };
    let mode = fs::metadata(path).map_err(doing("find key file"))?.permissions().mode() & 0o777;
    if mode & 0o037 != 0 {
        return Err(KeysError::Open { path: path.to_path_buf(), mode });
    }
    fs::read_to_string(path).map(SecretString::from).map_err(doing("read key file"))
}

#[cfg(test)]
mod tests;
