//! What a hospital signs its national messages with, and encrypts them: HMAC-SHA-256, or SM2 with SM3; SM4 for bodies.
//!
//! Only the primitives. What is signed, and when a signature counts, is in `src/door/national/signature.rs`. No key is ever printed.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use ring::hmac;
use serde::Deserialize;
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};

/// How a hospital signs, as the callers file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A secret that both sides have.
    HmacSha256,
    /// Each side has a key of its own, and knows the other's public one.
    Sm2,
}

/// What one hospital's messages are signed with, and may be encrypted.
pub struct Seal {
    signing: Signing,
    body: Option<[u8; BLOCK_BYTES]>,
}

enum Signing {
    Hmac(hmac::Key),
    Sm2 { theirs: Box<VerifyingKey>, ours: Option<Arc<SigningKey>> },
}

/// A key of SM4, and one of its blocks.
pub const BLOCK_BYTES: usize = 16;

/// The fewest bytes of a secret that both sides have.
const SECRET_BYTES_MIN: usize = 32;

/// Whose signature it is, where nobody says otherwise. [GM/T 0009-2012]
const SIGNER: &str = "1234567812345678";

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal")
            .field("means", &self.means())
            .field("encrypts", &self.body.is_some())
            .finish_non_exhaustive()
    }
}

impl Seal {
    /// Of a key in hexadecimal: the secret that both sides have, or the hospital's public point. Nothing where it is none.
    pub fn new(means: Means, key: &str, ours: Option<&Arc<SigningKey>>) -> Option<Self> {
        let key = bytes_of(key)?;
        let signing = match means {
            Means::HmacSha256 if key.len() < SECRET_BYTES_MIN => return None,
            Means::HmacSha256 => Signing::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &key)),
            Means::Sm2 => {
                let theirs = VerifyingKey::from_sec1_bytes(SIGNER, &key).ok()?;
                Signing::Sm2 { theirs: Box::new(theirs), ours: ours.cloned() }
            }
        };
        Some(Self { signing, body: None })
    }

    /// The same, whose bodies may be encrypted too, by a key in hexadecimal.
    pub fn with_body(self, key: &str) -> Option<Self> {
        let body = Some(bytes_of(key)?.try_into().ok()?);
        Some(Self { body, ..self })
    }

    /// How it signs.
    pub const fn means(&self) -> Means {
        match &self.signing {
            Signing::Hmac(_) => Means::HmacSha256,
            Signing::Sm2 { .. } => Means::Sm2,
        }
    }

    /// May bodies be encrypted?
    pub const fn encrypts(&self) -> bool {
        self.body.is_some()
    }

    /// Is this the hospital's signature of what is said?
    pub fn is_signed(&self, said: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature) else { return false };
        match &self.signing {
            Signing::Hmac(key) => hmac::verify(key, said, &signature).is_ok(),
            Signing::Sm2 { theirs, .. } => Signature::from_slice(&signature)
                .is_ok_and(|signature| theirs.verify(said, &signature).is_ok()),
        }
    }

    /// Our own signature; nothing where we have no key.
    pub fn sign(&self, said: &[u8]) -> Option<String> {
        match &self.signing {
            Signing::Hmac(key) => Some(BASE64.encode(hmac::sign(key, said))),
            Signing::Sm2 { ours, .. } => {
                let signature: Signature = ours.as_ref()?.try_sign(said).ok()?;
                Some(BASE64.encode(signature.to_bytes()))
            }
        }
    }

    /// Encrypts a body, with sixteen bytes that were never used before.
    pub fn encrypt(&self, plain: &[u8], start: [u8; BLOCK_BYTES]) -> Option<String> {
        let cipher = cbc::Encryptor::<sm4::Sm4>::new(&self.body?.into(), &start.into());
        let mut sealed = start.to_vec();
        sealed.extend(cipher.encrypt_padded_vec::<Pkcs7>(plain));
        Some(BASE64.encode(sealed))
    }

    /// Decrypts a body. Only ever one whose signature holds: what is told of a body that can not be read must tell a stranger nothing.
    pub fn decrypt(&self, text: &str) -> Option<Vec<u8>> {
        let sealed = BASE64.decode(text).ok()?;
        let (start, sealed) = sealed.split_first_chunk::<BLOCK_BYTES>()?;
        let cipher = cbc::Decryptor::<sm4::Sm4>::new(&self.body?.into(), start.into());
        cipher.decrypt_padded_vec::<Pkcs7>(sealed).ok()
    }
}

/// The gateway's own key of SM2, in hexadecimal.
pub fn own_key(text: &str) -> Option<Arc<SigningKey>> {
    let key = SigningKey::from_slice(SIGNER, &bytes_of(text)?);
    key.ok().map(Arc::new)
}

/// Its public point, in hexadecimal, for hospitals.
pub fn public_of(key: &SigningKey) -> String {
    key.verifying_key().to_sec1_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes in hexadecimal, with nothing between them.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() || digits.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn what_was_signed_holds_and_nothing_else_does() {
        let own = own_key(&"1f".repeat(32)).unwrap();
        let public = public_of(&own);
        for seal in [
            Seal::new(Means::HmacSha256, SECRET, None).unwrap(),
            Seal::new(Means::Sm2, &public, Some(&own)).unwrap(),
        ] {
            let signature = seal.sign(b"said").unwrap();
            assert!(seal.is_signed(b"said", &signature), "{seal:?}");
            assert!(!seal.is_signed(b"sayd", &signature), "{seal:?}");
            for bad in ["", "!", "AAAA", &signature[1..], &BASE64.encode([0; 64])] {
                assert!(!seal.is_signed(b"said", bad), "{seal:?} {bad}");
            }
        }
        // Who has no key says nothing.
        assert!(Seal::new(Means::Sm2, &public, None).unwrap().sign(b"said").is_none());
    }

    /// The example of GM/T 0003.5-2012, appendix A.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let public = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                      ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
        let signature = bytes_of(
            "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
             b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
        );
        let seal = Seal::new(Means::Sm2, public, None).unwrap();
        assert!(seal.is_signed(b"message digest", &BASE64.encode(signature.unwrap())));
    }

    #[test]
    fn bodies_are_read_by_their_key_alone() {
        let key = "0123456789abcdeffedcba9876543210";
        let seal = || Seal::new(Means::HmacSha256, SECRET, None).unwrap();
        let sealed = seal().with_body(key).unwrap();
        for plain in ["", "{}", "sixteen bytes, .", "医疗救助"] {
            let text = sealed.encrypt(plain.as_bytes(), [7; BLOCK_BYTES]).unwrap();
            assert_eq!(sealed.decrypt(&text).unwrap(), plain.as_bytes());
        }
        // The block of GB/T 32907-2016, appendix A, behind a start of zeros.
        let block = bytes_of(key).unwrap();
        let text = sealed.encrypt(&block, [0; BLOCK_BYTES]).unwrap();
        let first = BASE64.decode(text).unwrap()[BLOCK_BYTES..2 * BLOCK_BYTES].to_vec();
        assert_eq!(first, bytes_of("681edf34d206965e86b3e94f536e4246").unwrap());
        for bad in ["", "AAAA", "!", &BASE64.encode([1; 31]), &BASE64.encode([1; 16])] {
            assert!(sealed.decrypt(bad).is_none(), "{bad}");
        }
        assert!(seal().decrypt(&sealed.encrypt(b"x", [0; BLOCK_BYTES]).unwrap()).is_none());
        assert!(seal().encrypt(b"x", [0; BLOCK_BYTES]).is_none());
    }

    #[test]
    fn keys_that_are_none_are_refused_and_none_is_printed() {
        for bad in ["", "0", "zz", &SECRET[2..], "0123456789abcdef"] {
            assert!(Seal::new(Means::HmacSha256, bad, None).is_none(), "{bad}");
            assert!(Seal::new(Means::Sm2, bad, None).is_none(), "{bad}");
            assert!(own_key(bad).is_none() || bad.len() == 64, "{bad}");
        }
        let seal = || Seal::new(Means::HmacSha256, SECRET, None).unwrap();
        assert!(seal().with_body(SECRET).is_none());
        let printed = format!("{:?}", seal().with_body(&SECRET[..32]).unwrap());
        assert_eq!(printed, "Seal { means: HmacSha256, encrypts: true, .. }");
    }
}
