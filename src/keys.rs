//! Edge: the keys. Credentials become keyed hashes, names are sealed in envelopes, quote tokens are signed.
//!
//! Keys lie in files outside the repository, 0600 in a 0700 folder. They are never printed. The credential key does not
//! rotate, since every stored hash depends on it; the envelope file holds several keys by id, so that it can. A new one is noticed
//! while we serve.
pub mod authority;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use ring::aead::{Aad, NONCE_LEN, Nonce};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};

mod envelope;
mod files;
mod seal;

use envelope::{Envelope, cipher};
use files::{CREDENTIAL_FILE, QUOTE_FILE};

pub use files::{TakenOut, init, rotate, take_out};
pub use seal::{Pseudonyms, Salted, SealKeys, init_seals, rotate_seals};

/// Files are written in several steps; a change is read when none has come for this long.
const QUIET: Duration = Duration::from_millis(300);

/// Our form of sealed bytes: version, id of the key-encryption key, nonce and wrapped data key, nonce and text.
const SEALED_VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;
const KEY_ID_LEN: usize = 4;
const WRAPPED_LEN: usize = KEY_LEN + TAG_LEN;

/// How sealed bytes begin: the version, and the id of the key that wraps theirs.
pub type SealedHead = [u8; 1 + KEY_ID_LEN];

/// The keys in force.
pub struct Keys {
    dir: PathBuf,
    credential: hmac::Key,
    quote: hmac::Key,
    envelope: ArcSwap<Envelope>,
    /// One at a time reads the envelope file, so that what was read last is what counts.
    reading: Mutex<()>,
    random: SystemRandom,
}

/// What became of reading the envelope file again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The ids of the keys in force; the last one seals.
    pub ids: Vec<u32>,
    /// Were they others before?
    pub changed: bool,
}

/// Keeps a watch going.
#[derive(Debug)]
pub struct Watching {
    _watcher: RecommendedWatcher,
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
    #[error(
        "load key file: key {0} is another one than before, and what it sealed could no longer be opened 密钥 {0} 与先前不同，已封存的内容将无法打开"
    )]
    Replaced(u32),
    #[error("retire key {0}: it is not in the file 文件中没有密钥 {0}")]
    UnknownKey(u32),
    #[error(
        "retire key {0}: it is the newest one, which seals; run `onestop keys rotate` first 密钥 {0} 是最新的，仍用于加密，请先运行 `onestop keys rotate`"
    )]
    NewestKey(u32),
    #[error(
        "find the keys of seals in {}: there are none; make them with `onestop keys seal init` 没有封印密钥，请运行 `onestop keys seal init`",
        .0.display()
    )]
    NoSealKeys(PathBuf),
    #[error("make an envelope key: no id is left 密钥编号已用尽")]
    NoIdLeft,
}

impl Keys {
    /// Loads the keys that [`init`] made.
    pub fn load(dir: &Path) -> Result<Keys, KeysError> {
        let single = |name: &str| {
            let path = dir.join(name);
            let text = files::read_guarded(&path)?;
            let key =
                decode(text.expose_secret().trim()).ok_or(KeysError::NotAKey { path, line: 1 })?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret()))
        };
        let (_, envelope) = files::read_envelope(dir)?;
        Ok(Keys {
            dir: dir.to_path_buf(),
            credential: single(CREDENTIAL_FILE)?,
            quote: single(QUOTE_FILE)?,
            envelope: ArcSwap::from_pointee(envelope),
            reading: Mutex::new(()),
            random: SystemRandom::new(),
        })
    }

    /// Reads the envelope file again. One that can not be taken changes nothing.
    pub fn reload(&self) -> Result<Reloaded, KeysError> {
        // Nothing in here can panic half way.
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, read) = files::read_envelope(&self.dir)?;
        let held = self.envelope.load_full();
        if let Some(id) = read.contradicts(&held) {
            return Err(KeysError::Replaced(id));
        }
        let reloaded = Reloaded { ids: read.ids(), changed: read.ids() != held.ids() };
        if reloaded.changed {
            self.envelope.store(Arc::new(read));
        }
        Ok(reloaded)
    }

    /// Watches the folder, takes new envelope keys as they appear, and tells what became of it where there is anything to tell. It
    /// ends when what it returns is dropped.
    pub fn watch(
        self: &Arc<Self>,
        report: impl Fn(Result<Reloaded, KeysError>) + Send + 'static,
    ) -> notify::Result<Watching> {
        let (sender, changes) = std::sync::mpsc::sync_channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading a file is an event too, and our own reload would start the next one for ever.
                let reading = event.as_ref().is_ok_and(|event| event.kind.is_access());
                if !reading {
                    // One change that waits is as good as many.
                    sender.try_send(()).ok();
                }
            })?;
        watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
        let keys = Arc::clone(self);
        std::thread::Builder::new()
            .name("keys-watch".to_owned())
            .spawn(move || {
                // The sender goes with the watcher, and then this ends.
                while changes.recv().is_ok() {
                    while changes.recv_timeout(QUIET).is_ok() {}
                    let reloaded = keys.reload();
                    if reloaded.as_ref().map_or(true, |reloaded| reloaded.changed) {
                        report(reloaded);
                    }
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Watching { _watcher: watcher })
    }

    /// The ids of the envelope keys in force; the last one seals.
    pub fn envelope_ids(&self) -> Vec<u32> {
        self.envelope.load().ids()
    }

    /// How all begins that is sealed by the newest key.
    pub fn newest_head(&self) -> SealedHead {
        head_of(self.envelope.load().newest.id)
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

    /// What stands for the number of a bank account, so that one may be compared with another and neither is told.
    pub fn account_mark(&self, number: &str) -> [u8; 32] {
        // No credential's message begins so: see above.
        let message = format!("onestop account number, 1\n{}", number.to_ascii_uppercase());
        tag(&self.credential, message.as_bytes())
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
        let envelope = self.envelope.load();
        let wrapping = &envelope.newest;
        let failed = |_| KeysError::Seal(wrapping.id);
        let data_key = SecretBox::new(Box::new(self.random_bytes::<KEY_LEN>()?));
        let mut sealed = head_of(wrapping.id).to_vec();

        let nonce = self.random_bytes::<NONCE_LEN>()?;
        let mut wrapped = *data_key.expose_secret();
        let head = Aad::from(sealed.clone());
        let unique = Nonce::assume_unique_for_key(nonce);
        let tag =
            wrapping.key.seal_in_place_separate_tag(unique, head, &mut wrapped).map_err(failed)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&wrapped);
        sealed.extend_from_slice(tag.as_ref());

        let nonce = self.random_bytes::<NONCE_LEN>()?;
        let mut text = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        cipher(data_key.expose_secret())
            .ok_or(KeysError::Seal(wrapping.id))?
            .seal_in_place_append_tag(unique, Aad::from(aad), &mut text)
            .map_err(failed)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Decrypts what [`Keys::seal`] sealed for the same `aad`, under any key still in the file.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeysError> {
        let short = || KeysError::Sealed("too short");
        let (head, rest) = sealed.split_first_chunk().ok_or_else(short)?;
        let id = sealed_by(head).ok_or(KeysError::Sealed("a version that we do not know"))?;
        let envelope = self.envelope_with(id);
        let wrapping = envelope
            .find(id)
            .map(|wrapping| &wrapping.key)
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
                .open_in_place(nonce, Aad::from(head.as_slice()), wrapped.expose_secret_mut())
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

    /// Seals what is sealed anew, by the newest key.
    pub fn reseal(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeysError> {
        let plain = SecretSlice::from(self.open(sealed, aad)?);
        self.seal(plain.expose_secret(), aad)
    }

    /// The keys of this moment; read again where one is asked for that came after they were read.
    fn envelope_with(&self, id: u32) -> Arc<Envelope> {
        let held = self.envelope.load_full();
        if held.find(id).is_some() {
            return held;
        }
        // Why a file can not be taken is told by the watch.
        self.reload().ok();
        self.envelope.load_full()
    }

    fn random_bytes<const N: usize>(&self) -> Result<[u8; N], KeysError> {
        random_bytes(&self.random)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.envelope_ids();
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

fn decode(text: &str) -> Option<SecretBox<[u8; KEY_LEN]>> {
    let bytes = BASE64.decode(text).ok()?;
    Some(SecretBox::new(Box::new(bytes.try_into().ok()?)))
}

/// By which key something is sealed, from how it begins; nothing where it is in no form of ours.
pub fn sealed_by(head: &SealedHead) -> Option<u32> {
    let [version, a, b, c, d] = *head;
    (version == SEALED_VERSION).then_some(u32::from_be_bytes([a, b, c, d]))
}

fn head_of(id: u32) -> SealedHead {
    let [a, b, c, d] = id.to_be_bytes();
    [SEALED_VERSION, a, b, c, d]
}

#[cfg(test)]
mod tests;
