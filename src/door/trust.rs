//! Whom we trust: our own certificate, whose clients may come, which certificates were revoked; read again when a file changes.
//!
//! What cannot be read leaves things as they are, and is told: a certificate that was renewed by half must not stop a counter.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;

use super::callers::{Book, BookFault, Callers, KeyFiles};
use super::seals::{self, Seal};
use super::tokens::Tokens;
use crate::config::{Kept, Tls};
use crate::server::Greeter;

/// Who may call and how they show it, as files say; watched.
#[derive(Debug)]
pub struct Trust {
    files: Tls,
    greeter: Arc<Greeter>,
    callers: Arc<Callers>,
    seen: Vec<Seen>,
    /// The keys that the callers file names, each as it was before it was read.
    keys: Vec<(PathBuf, Seen)>,
}

/// A file as it was when it was looked at.
pub type Seen = Option<(SystemTime, u64)>;

/// What cannot be taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It is not there, or cannot be read.
    #[error("read {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A private key that others may read, or a file of theirs to change who may call.
    #[error("read {}: others may read or change it (mode {mode:03o}); see to its mode", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not PEM, or without what should be in it.
    #[error("read {}: {what}", .path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What was looked for, and what came instead.
        what: String,
    },
    /// Certificate and key do not belong together, or nobody is trusted.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
    /// Whom we trust.
    #[error("set up whose clients are trusted")]
    Clients(#[source] rustls::server::VerifierBuilderError),
    /// The callers file.
    #[error("read {}", .path.display())]
    Callers {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: BookFault,
    },
    /// Not a key of the kind that the callers file says.
    #[error("read {}: not {what}, in hexadecimal", .path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// The identity provider's keys.
    #[error("read {}: not a JWK set", .path.display())]
    Keys {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Trust {
    /// Reads all files.
    pub fn open(files: &Tls, callers: &Arc<Callers>) -> Result<Self, TrustError> {
        let (seen, mut keys) = (seen(files), Vec::new());
        let config = read(files, callers, &mut keys)?;
        let greeter = Arc::new(Greeter::new(config));
        Ok(Self { files: files.clone(), greeter, callers: Arc::clone(callers), seen, keys })
    }

    /// What greets connections.
    pub fn greeter(&self) -> Arc<Greeter> {
        Arc::clone(&self.greeter)
    }

    /// Reads all files again where one has changed since; true where that was so.
    pub fn look_again(&mut self) -> Result<bool, TrustError> {
        let seen = seen(&self.files);
        let is_same = |(path, seen): &(PathBuf, Seen)| looked_at(path) == *seen;
        if seen == self.seen && self.keys.iter().all(is_same) {
            return Ok(false);
        }
        // Remembered in any case: the same fault is told once.
        self.seen = seen;
        self.keys.clear();
        let config = read(&self.files, &self.callers, &mut self.keys)?;
        self.greeter.exchange(config);
        Ok(true)
    }
}

/// Looks at the files every so often, for ever.
pub async fn watch(mut trust: Trust) {
    loop {
        tokio::time::sleep(crate::limits::TRUST_LOOK_INTERVAL).await;
        let looked = tokio::task::spawn_blocking(move || {
            let told = trust.look_again();
            (trust, told)
        });
        let Ok((again, told)) = looked.await else { return };
        trust = again;
        match told {
            Ok(false) => {}
            Ok(true) => tracing::info!("Certificates, revocations and callers were read again"),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::error!(error, "Certificates, revocations and callers stay as they were");
            }
        }
    }
}

fn seen(files: &Tls) -> Vec<Seen> {
    let Tls { cert, key, client_ca, crl, callers, oidc } = files;
    let jwks = oidc.as_ref().map(|oidc| &oidc.jwks_file);
    let others = [client_ca.as_ref(), crl.as_ref(), callers.as_ref(), jwks];
    [Some(cert), Some(key)].into_iter().chain(others).map(|path| looked_at(path?)).collect()
}

fn looked_at(path: &Path) -> Seen {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// Reads everything before anything is exchanged.
fn read(
    files: &Tls,
    callers: &Callers,
    keys: &mut Vec<(PathBuf, Seen)>,
) -> Result<ServerConfig, TrustError> {
    let Tls { cert, key, client_ca, crl, callers: book, oidc } = files;
    let chain = certificates(cert)?;
    let private = private_key(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?;
    let lists = crl.as_deref().map(revocation_lists).transpose()?.unwrap_or_default();
    let revoked = revoked(&lists).map_err(|what| pem_fault(crl.as_deref(), what))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(ca)? {
                roots.add(root).map_err(TrustError::Tls)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .with_crls(lists)
                .only_check_end_entity_revocation();
            // Whoever brings a token has no certificate.
            let verifier = if oidc.is_some() { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(TrustError::Clients)?)
        }
    };
    let config = builder.with_single_cert(chain, private).map_err(TrustError::Tls)?;
    let book = match book {
        None => Book::default(),
        Some(path) => book_of(path, keys)?,
    };
    let tokens = oidc.as_ref().map(|oidc| {
        let jwks = text(&oidc.jwks_file)?;
        let tokens = Tokens::new(&jwks, &oidc.issuer, &oidc.audience);
        tokens.map_err(|source| TrustError::Keys { path: oidc.jwks_file.clone(), source })
    });
    let tokens = tokens.transpose()?;
    callers.take_book(book);
    callers.take_tokens(tokens);
    callers.revoke(revoked);
    Ok(config)
}

/// A callers file with the keys that it names, beside it.
pub fn book_of(path: &Path, keys: &mut Vec<(PathBuf, Seen)>) -> Result<Book, TrustError> {
    let mut book = Book::read(&text(path)?)
        .map_err(|source| TrustError::Callers { path: path.to_path_buf(), source })?;
    let beside = path.parent().unwrap_or(Path::new("."));
    let mut read = |path: &Path| {
        let path = beside.join(path);
        keys.push((path.clone(), looked_at(&path)));
        well_kept(&path, Kept::Secret)?;
        text(&path).map(|text| (path, text))
    };
    let no_key = |path, what| TrustError::Key { path, what };
    let (files, own) = book.key_files();
    let own = match own {
        None => None,
        Some(own) => {
            let (path, text) = read(own)?;
            Some(seals::own_key(&text).ok_or_else(|| no_key(path, "a private key of SM2"))?)
        }
    };
    let mut seals = Vec::with_capacity(files.len());
    for KeyFiles { hospital, means, key, body } in files {
        let (path, text) = read(key)?;
        let what = "a public key of SM2, or a secret of 32 bytes at least";
        let seal = Seal::new(*means, &text, own.as_ref()).ok_or_else(|| no_key(path, what))?;
        let seal = match body {
            None => seal,
            Some(body) => {
                let (path, text) = read(body)?;
                seal.with_body(&text).ok_or_else(|| no_key(path, "a key of SM4"))?
            }
        };
        seals.push((hospital.clone(), seal));
    }
    for (hospital, seal) in seals {
        book.seal(hospital, seal);
    }
    Ok(book)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(path)?).collect();
    let read = read.map_err(|error| pem_fault(Some(path), told(&error)))?;
    if read.is_empty() {
        return Err(pem_fault(Some(path), "no certificate is in it".to_owned()));
    }
    Ok(read)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TrustError> {
    well_kept(path, Kept::Secret)?;
    PrivateKeyDer::from_pem_slice(&bytes(path)?)
        .map_err(|error| pem_fault(Some(path), told(&error)))
}

fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TrustError> {
    let read: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_slice_iter(&bytes(path)?).collect();
    let read = read.map_err(|error| pem_fault(Some(path), told(&error)))?;
    if read.is_empty() {
        return Err(pem_fault(Some(path), "no revocation list is in it".to_owned()));
    }
    Ok(read)
}

/// The serial numbers of all lists, by which calls on connections that are there already are told.
fn revoked(lists: &[CertificateRevocationListDer<'static>]) -> Result<BTreeSet<Vec<u8>>, String> {
    let mut serials = BTreeSet::new();
    for list in lists {
        let list = CertificateList::from_der(list).map_err(|error| error.to_string())?;
        let revoked = list.tbs_cert_list.revoked_certificates.unwrap_or_default();
        serials.extend(revoked.iter().map(|one| one.serial_number.as_bytes().to_vec()));
    }
    Ok(serials)
}

/// Looked at each time: a file that is exchanged may come with another mode.
fn well_kept(path: &Path, kept: Kept) -> Result<(), TrustError> {
    let file = |source| TrustError::File { path: path.to_path_buf(), source };
    match kept.open_mode(path).map_err(file)? {
        None => Ok(()),
        Some(mode) => Err(TrustError::Open { path: path.to_path_buf(), mode }),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TrustError> {
    well_kept(path, Kept::Trusted)?;
    fs::read(path).map_err(|source| TrustError::File { path: path.to_path_buf(), source })
}

fn text(path: &Path) -> Result<String, TrustError> {
    well_kept(path, Kept::Trusted)?;
    fs::read_to_string(path).map_err(|source| TrustError::File { path: path.to_path_buf(), source })
}

/// Never what is in the file.
fn told(error: &pem::Error) -> String {
    if matches!(error, pem::Error::NoItemsFound) {
        return "nothing of the kind is in it".to_owned();
    }
    format!("not PEM ({error})")
}

fn pem_fault(path: Option<&Path>, what: String) -> TrustError {
    TrustError::Pem { path: path.map(Path::to_path_buf).unwrap_or_default(), what }
}
