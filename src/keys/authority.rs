//! A certificate authority of our own: for a demo, a sandbox, or a place that has none. Where there is one, its certificates do as
//! well: what counts is a URI such as `urn:onestop:hospital:H52020000001` among a certificate's names.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use jiff::civil::Date;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::der::Decode as _;

/// The authority's private key, in its folder. Whoever has it can be anybody.
const AUTHORITY_KEY: &str = "authority.key";
/// Its certificate, which servers and clients trust.
pub const AUTHORITY_CERTIFICATE: &str = "authority.pem";
/// What it revoked, signed.
pub const REVOKED: &str = "revoked.pem";
/// The same for ourselves, to sign it anew: serial number and day a line.
const REVOKED_LIST: &str = "revoked.list";
/// How the authority calls itself.
const NAME: &str = "onestop authority";
const AUTHORITY_YEARS: i16 = 10;

/// A day as certificates have it. Its type is of a library that we do not otherwise need, and so has no name here.
macro_rules! day {
    ($date:expr) => {{
        let date: Date = $date;
        let [month, day] = [date.month(), date.day()].map(|part| u8::try_from(part).unwrap_or(1));
        date_time_ymd(date.year().into(), month, day)
    }};
}

/// Why no certificate was made, or none revoked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Nothing is ever overwritten.
    #[error("make {}: it is there already", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{doing} {}", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A key that others may use.
    #[error("read {}: others may read or change it (mode {mode:03o}); chmod 600 it", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is no certificate, or not one of ours.
    #[error("read {}: no certificate is in it", .0.display())]
    NoCertificate(PathBuf),
    /// A name that does not fit into a certificate.
    #[error("{0:?} does not fit into a certificate")]
    Name(String),
    /// The system gives no randomness.
    #[error("ask the system for randomness")]
    System,
    /// The certificate could not be made.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
}

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug)]
pub enum For<'a> {
    /// A server, under these names and addresses.
    Server(&'a [String]),
    /// A caller, by its whole name: `urn:onestop:bureau:finance`.
    Caller(&'a str),
}

/// Where a certificate and its key were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, 0600.
    pub key: PathBuf,
}

/// Makes an authority in a folder that has none, with nothing revoked.
pub fn init(dir: &Path, today: Date) -> Result<(), AuthorityError> {
    if dir.join(AUTHORITY_KEY).exists() {
        return Err(AuthorityError::Exists(dir.join(AUTHORITY_KEY)));
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(file("make folder", dir))?;
    let key = KeyPair::generate()?;
    let certificate = authority(today)?.self_signed(&key)?;
    write(&dir.join(AUTHORITY_CERTIFICATE), 0o644, &certificate.pem())?;
    write(&dir.join(REVOKED_LIST), 0o600, "")?;
    sign_revoked(dir, &key, today)?;
    // Last: what has a key is whole.
    write(&dir.join(AUTHORITY_KEY), 0o600, &key.serialize_pem())
}

/// Makes a certificate, good for so many days, and its key: `stem.pem` and `stem.key` in a folder.
pub fn issue(
    dir: &Path,
    whom: For<'_>,
    (into, stem): (&Path, &str),
    (today, days): (Date, i32),
) -> Result<Issued, AuthorityError> {
    let issuer = Issuer::new(authority(today)?, authority_key(dir)?);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = day!(today.saturating_sub(1.day()));
    params.not_after = day!(today.saturating_add(days.days()));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = rcgen::DistinguishedName::new();
    let text = |text: &str| {
        Ia5String::try_from(text.to_owned()).map_err(|_| AuthorityError::Name(text.to_owned()))
    };
    match whom {
        For::Server(names) => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.distinguished_name.push(DnType::CommonName, "onestop server");
            for name in names {
                params.subject_alt_names.push(match name.parse::<IpAddr>() {
                    Ok(address) => SanType::IpAddress(address),
                    Err(_) => SanType::DnsName(text(name)?),
                });
            }
        }
        For::Caller(name) => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = vec![SanType::URI(text(name)?)];
        }
    }
    let certificate = params.signed_by(&key, &issuer)?;
    fs::create_dir_all(into).map_err(file("make folder", into))?;
    let issued = Issued {
        certificate: into.join(format!("{stem}.pem")),
        key: into.join(format!("{stem}.key")),
    };
    write(&issued.key, 0o600, &key.serialize_pem())?;
    write(&issued.certificate, 0o644, &certificate.pem())?;
    Ok(issued)
}

/// Revokes a certificate: from the next look at the list on nobody who shows it is let in. Revoking it again changes nothing.
pub fn revoke(dir: &Path, certificate: &Path, today: Date) -> Result<(), AuthorityError> {
    let pem = fs::read(certificate).map_err(file("read", certificate))?;
    let none = || AuthorityError::NoCertificate(certificate.to_path_buf());
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| none())?;
    let read = x509_cert::Certificate::from_der(&der).map_err(|_| none())?;
    let serial = hex(read.tbs_certificate.serial_number.as_bytes());
    let list = dir.join(REVOKED_LIST);
    let mut text = fs::read_to_string(&list).map_err(file("read", &list))?;
    if !text.lines().any(|line| line.split(' ').next() == Some(serial.as_str())) {
        text.push_str(&format!("{serial} {today}\n"));
        replace(&list, 0o600, &text)?;
    }
    sign_revoked(dir, &authority_key(dir)?, today)
}

/// Signs the list of what is revoked.
fn sign_revoked(dir: &Path, key: &KeyPair, today: Date) -> Result<(), AuthorityError> {
    let path = dir.join(REVOKED_LIST);
    let list = fs::read_to_string(&path).map_err(file("read", &path))?;
    let revoked = list.lines().filter_map(|line| {
        let (serial, on) = line.split_once(' ')?;
        Some(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&unhex(serial)?),
            revocation_time: day!(on.parse().ok()?),
            reason_code: None,
            invalidity_date: None,
        })
    });
    let params = CertificateRevocationListParams {
        this_update: day!(today),
        next_update: day!(today.saturating_add(AUTHORITY_YEARS.years())),
        // It only ever grows.
        crl_number: SerialNumber::from(u64::try_from(list.len()).unwrap_or(u64::MAX).max(1)),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let issuer = Issuer::new(authority(today)?, key);
    replace(&dir.join(REVOKED), 0o644, &params.signed_by(&issuer)?.pem()?)
}

/// What the authority says of itself; the same each time, so that it can be made again from its key.
fn authority(today: Date) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = day!(today.saturating_sub(1.day()));
    params.not_after = day!(today.saturating_add(AUTHORITY_YEARS.years()));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn authority_key(dir: &Path) -> Result<KeyPair, AuthorityError> {
    let path = dir.join(AUTHORITY_KEY);
    let about = fs::metadata(&path).map_err(file("find", &path))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(AuthorityError::Open { path, mode });
    }
    let pem = fs::read_to_string(&path).map_err(file("read", &path))?;
    Ok(KeyPair::from_pem(&pem)?)
}

fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AuthorityError::System)?;
    // Positive, and without a zero in front that some would leave out.
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().filter(|_| whole)
}

/// A new file, never over one that is there.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), AuthorityError> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut opened = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(AuthorityError::Exists(path.to_path_buf()));
        }
        opened => opened.map_err(file("write", path))?,
    };
    let written = opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all());
    written.map_err(file("write", path))
}

/// In the place of one that is there, whole or not at all.
fn replace(path: &Path, mode: u32, text: &str) -> Result<(), AuthorityError> {
    let making = path.with_extension(format!("making-{}", std::process::id()));
    write(&making, mode, text)?;
    fs::rename(&making, path).map_err(file("write", path))
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AuthorityError + use<> {
    let path = path.to_path_buf();
    move |source| AuthorityError::File { doing, path, source }
}
