//! Tokens of people, signed by an identity provider that we trust (OpenID Connect): who they are and for whom they act.
//!
//! The provider's keys come from a file (a JWK set), which is read again when it changes: the gateway fetches nothing.

use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use crate::domain::ids::identity_number_is_valid;

/// How tokens are looked at.
pub struct Tokens {
    keys: Vec<(Option<String>, Algorithm, DecodingKey)>,
    issuer: String,
    audience: String,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a signed token of a kind that we take.
    Unreadable,
    /// Signed by nobody we know.
    KeyUnknown,
    /// The signature does not fit.
    Forged,
    /// Past its time, or before it.
    OutOfTime,
    /// Of another issuer, or for somebody else.
    NotForUs,
    /// It does not say for whom its holder acts.
    Roleless,
}

/// What we read of a token.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// For whom the holder acts, such as `urn:onestop:bureau:finance`.
    onestop: Option<String>,
}

impl Tokens {
    /// Takes the keys of a JWK set. Symmetric ones are passed over: whoever can check with them could sign.
    pub fn new(jwks: &str, issuer: &str, audience: &str) -> Result<Self, serde_json::Error> {
        let set: JwkSet = serde_json::from_str(jwks)?;
        let keys = set.keys.iter().filter_map(|key| {
            let algorithm = match &key.algorithm {
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                AlgorithmParameters::EllipticCurve(_) => Algorithm::ES256,
                AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
                AlgorithmParameters::OctetKey(_) => return None,
            };
            let decoding = DecodingKey::from_jwk(key).ok()?;
            Some((key.common.key_id.clone(), algorithm, decoding))
        });
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Ok(Self { keys: keys.collect(), issuer, audience })
    }

    /// For whom the holder of a token acts, and who it is.
    pub fn read(&self, token: &str) -> Result<(String, String), TokenFault> {
        let header = decode_header(token).map_err(|_| TokenFault::Unreadable)?;
        let fits = |(id, algorithm, _): &&(Option<String>, Algorithm, DecodingKey)| {
            *algorithm == header.alg && (header.kid.is_none() || header.kid == *id)
        };
        let (_, algorithm, key) = self.keys.iter().find(fits).ok_or(TokenFault::KeyUnknown)?;
        let mut validation = Validation::new(*algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        let claims =
            decode::<Claims>(token, key, &validation).map_err(|error| fault(error.kind()))?;
        let Claims { sub, onestop } = claims.claims;
        // It goes into records and logs: no name or number of a person belongs there that is longer or stranger than an id.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@|:".contains(&byte);
        let fits = (1..=80).contains(&sub.len()) && sub.bytes().all(plain);
        let fits = fits && !identity_number_is_valid(&sub.to_ascii_uppercase());
        let name = onestop.filter(|_| fits).ok_or(TokenFault::Roleless)?;
        Ok((name, sub))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, issuer, audience } = self;
        write!(f, "Tokens({} keys, {issuer}, {audience})", keys.len())
    }
}

fn fault(kind: &jsonwebtoken::errors::ErrorKind) -> TokenFault {
    use jsonwebtoken::errors::ErrorKind;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may add kinds; all others are unreadable"
    )]
    match kind {
        ErrorKind::InvalidSignature => TokenFault::Forged,
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => TokenFault::OutOfTime,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenFault::NotForUs,
        _ => TokenFault::Unreadable,
    }
}
