//! Who is at the other end of a connection, as its certificate says.

use std::net::SocketAddr;
use std::sync::Arc;

use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The other end of a connection. Every call that comes by it carries one.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// What it showed; nothing without TLS, or where it showed none.
    pub certificate: Option<Arc<Certificate>>,
}

/// What of a client's certificate says who it is. That somebody we trust signed it was looked at before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The name that one of our roles has.
    pub name: String,
    /// Its serial number, by which it can be revoked.
    pub serial: Vec<u8>,
}

/// Why a certificate does not say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not a certificate.
    #[error("not an X.509 certificate")]
    Unreadable,
    /// Without a URI that begins as ours do.
    #[error("no URI among its names begins with {NAME_PREFIX}")]
    Nameless,
    /// With several: which one counts would be a guess.
    #[error("several URIs among its names begin with {NAME_PREFIX}")]
    SeveralNames,
}

/// How the name of every caller begins, in certificates and tokens: `urn:onestop:hospital:H52020000001`.
pub const NAME_PREFIX: &str = "urn:onestop:";

impl Certificate {
    /// Reads the name and the serial number.
    pub fn read(der: &[u8]) -> Result<Self, CertificateFault> {
        let certificate =
            x509_cert::Certificate::from_der(der).map_err(|_| CertificateFault::Unreadable)?;
        let tbs = &certificate.tbs_certificate;
        let names = tbs.get::<SubjectAltName>().map_err(|_| CertificateFault::Unreadable)?;
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let mut ours = names.iter().filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => {
                Some(uri.as_str()).filter(|uri| uri.starts_with(NAME_PREFIX))
            }
            GeneralName::OtherName(_)
            | GeneralName::Rfc822Name(_)
            | GeneralName::DnsName(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::IpAddress(_)
            | GeneralName::RegisteredId(_) => None,
        });
        let name = ours.next().ok_or(CertificateFault::Nameless)?.to_owned();
        if ours.next().is_some() {
            return Err(CertificateFault::SeveralNames);
        }
        Ok(Self { name, serial: tbs.serial_number.as_bytes().to_vec() })
    }
}
