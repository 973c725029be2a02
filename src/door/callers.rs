//! Who is calling: names in certificates and tokens become callers with a role, and only those do that somebody wrote down.
//!
//! A hospital is who its certificate says, since its code is all that it reaches. How far an insurer or a bureau reaches, and who
//! administers, stands in the callers file:
//!
//! ```toml
//! [[insurer]]
//! name = "resident-office"
//! schemes = ["resident"]          # none named: all
//! regions = ["520200"]            # with all that lies in it
//!
//! [[bureau]]
//! name = "finance"
//! regions = ["520000"]            # "000000" is everywhere
//!
//! [[administrator]]
//! name = "operations"
//!
//! [[hospital]]                    # only where its budget is another than the usual
//! name = "H52020000001"
//! per_second = 2000
//! at_once = 512
//! signature = "sm2"               # its national messages must be signed: "sm2" or "hmac-sha256"
//! key_file = "H52020000001.pub"   # its public key, or the secret that both sides have; hexadecimal, beside this file
//! sm4_key_file = "H52020000001.sm4" # and its bodies may be encrypted
//!
//! [signatures]
//! sm2_key_file = "gateway.sm2"    # our own key, which signs the answers to those who sign by SM2
//! clock_minutes = 10              # how far the clock of who signs may be from ours
//! ```
//!
//! `per_second` and `at_once` may stand with any caller. Key files are nobody's but the gateway's (mode 600), and read again when
//! they change.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Deserialize;

use super::budgets::{Budget, Budgets, Exceeded, Within};
use super::seals::{Means, Seal};
use super::tokens::{TokenFault, Tokens};
use super::words;
use crate::app::{Caller, Reach, Role};
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::standing::Scheme;
use crate::limits;
use crate::server::peer::{Certificate, NAME_PREFIX};

/// Everybody who may call. What it holds is exchanged while calls go on.
#[derive(Debug, Default)]
pub struct Callers {
    book: ArcSwap<Book>,
    revoked: ArcSwap<BTreeSet<Vec<u8>>>,
    tokens: ArcSwap<Option<Tokens>>,
    budgets: Budgets,
    /// Who calls where nobody is told apart: a development server on loopback.
    development: Option<String>,
}

/// Those who have more than their name to say how far they reach.
#[derive(Clone, Debug, Default)]
pub struct Book {
    insurers: BTreeMap<String, Arc<Reach>>,
    bureaus: BTreeMap<String, Arc<Reach>>,
    administrators: BTreeSet<String>,
    /// By the whole name, without its beginning: `hospital:H52020000001`.
    budgets: BTreeMap<String, Budget>,
    /// Where the keys of hospitals that sign are.
    key_files: Vec<KeyFiles>,
    /// Where our own is.
    own_key_file: Option<PathBuf>,
    seals: BTreeMap<HospitalCode, Arc<Seal>>,
    clock_max: Option<Duration>,
}

/// Where a hospital's keys are, as the callers file says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// Whose.
    pub hospital: HospitalCode,
    /// How it signs.
    pub means: Means,
    /// What its signatures are looked at with.
    pub key: PathBuf,
    /// What its bodies are encrypted with, if they may be.
    pub body: Option<PathBuf>,
}

/// How the messages of a hospital are signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// By what.
    pub seal: Arc<Seal>,
    /// How far its clock may be from ours.
    pub clock_max: Duration,
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Neither a certificate nor a token.
    Nothing,
    /// The certificate was revoked.
    Revoked,
    /// Nobody of this name is written down.
    Name,
    /// The token does not hold.
    Token(TokenFault),
}

/// What is wrong with a callers file.
#[derive(Debug, thiserror::Error)]
pub enum BookFault {
    /// Not TOML, or not of this form.
    #[error("{}", .0.message())]
    Form(toml::de::Error),
    /// A name that cannot stand in a certificate.
    #[error("{0:?} is no name: small letters, digits and hyphens, at most 40")]
    Name(String),
    /// Written down twice.
    #[error("{0:?} is there twice")]
    Twice(String),
    /// Not six digits.
    #[error("{0:?} is no region: six digits")]
    Region(String),
    /// Neither of the schemes.
    #[error("{0:?} is no scheme: \"resident\" or \"employee\"")]
    Scheme(String),
    /// Without a region nobody reaches anything.
    #[error("{0:?} has no region")]
    Regionless(String),
    /// A signature is nothing without a key, nor a key without a signature.
    #[error(
        "{0:?} has not what it needs to sign: signature and key_file go together, and sm4_key_file with them"
    )]
    Keyless(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    insurer: Vec<Reaching>,
    #[serde(default)]
    bureau: Vec<Reaching>,
    #[serde(default)]
    administrator: Vec<Named>,
    #[serde(default)]
    hospital: Vec<Hospital>,
    #[serde(default)]
    signatures: Signatures,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signatures {
    sm2_key_file: Option<PathBuf>,
    clock_minutes: Option<NonZeroU8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hospital {
    name: String,
    per_second: Option<NonZeroU32>,
    at_once: Option<NonZeroU32>,
    signature: Option<Means>,
    key_file: Option<PathBuf>,
    sm4_key_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reaching {
    name: String,
    #[serde(default)]
    schemes: Vec<String>,
    regions: Vec<String>,
    per_second: Option<NonZeroU32>,
    at_once: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    per_second: Option<NonZeroU32>,
    at_once: Option<NonZeroU32>,
}

impl Unknown {
    /// Its stable word.
    pub(in crate::door) const fn code(self) -> &'static str {
        match self {
            Self::Nothing => words::CALLER_UNKNOWN,
            Self::Revoked => words::CERTIFICATE_REVOKED,
            Self::Name => words::CALLER_NOT_LISTED,
            Self::Token(TokenFault::OutOfTime) => words::TOKEN_OUT_OF_TIME,
            Self::Token(
                TokenFault::Unreadable
                | TokenFault::KeyUnknown
                | TokenFault::Forged
                | TokenFault::NotForUs
                | TokenFault::Roleless,
            ) => words::TOKEN_INVALID,
        }
    }
}

impl Book {
    /// Reads a callers file.
    pub fn read(text: &str) -> Result<Self, BookFault> {
        let File { insurer, bureau, administrator, hospital, signatures } =
            toml::from_str(text).map_err(BookFault::Form)?;
        let mut book = Self::default();
        let mut budgets = BTreeMap::new();
        let lists =
            [("insurer", insurer, &mut book.insurers), ("bureau", bureau, &mut book.bureaus)];
        for (kind, list, to) in lists {
            for reaching in list {
                let name = name(&reaching.name)?;
                if to.insert(name.clone(), Arc::new(reach(&reaching)?)).is_some() {
                    return Err(BookFault::Twice(name));
                }
                let Reaching { per_second, at_once, .. } = reaching;
                budgets.insert(format!("{kind}:{name}"), budget(per_second, at_once));
            }
        }
        for Named { name: given, per_second, at_once } in administrator {
            let name = name(&given)?;
            if !book.administrators.insert(name.clone()) {
                return Err(BookFault::Twice(name));
            }
            budgets.insert(format!("administrator:{name}"), budget(per_second, at_once));
        }
        for Hospital { name, per_second, at_once, signature, key_file, sm4_key_file } in hospital {
            let Some(hospital) = HospitalCode::new(&name) else {
                return Err(BookFault::Name(name));
            };
            match (signature, key_file, sm4_key_file) {
                (None, None, None) => {}
                (Some(means), Some(key), body) => {
                    book.key_files.push(KeyFiles { hospital, means, key, body });
                }
                _ => return Err(BookFault::Keyless(name)),
            }
            let named = format!("hospital:{name}");
            if budgets.insert(named, budget(per_second, at_once)).is_some() {
                return Err(BookFault::Twice(name));
            }
        }
        let Signatures { sm2_key_file: own_key_file, clock_minutes } = signatures;
        let clock_max =
            clock_minutes.map(|minutes| Duration::from_secs(u64::from(minutes.get()) * 60));
        Ok(Self { budgets, own_key_file, clock_max, ..book })
    }

    /// Where the keys of those who sign are, and our own.
    pub fn key_files(&self) -> (&[KeyFiles], Option<&PathBuf>) {
        (&self.key_files, self.own_key_file.as_ref())
    }

    /// From now on this hospital's messages are signed by this.
    pub fn seal(&mut self, hospital: HospitalCode, seal: Seal) {
        self.seals.insert(hospital, Arc::new(seal));
    }

    /// The role of a name such as `urn:onestop:bureau:finance`.
    fn role(&self, name: &str) -> Option<Role> {
        let (kind, name) = name.strip_prefix(NAME_PREFIX)?.split_once(':')?;
        match kind {
            "hospital" => HospitalCode::new(name).map(Role::Hospital),
            "insurer" => self.insurers.get(name).cloned().map(Role::Insurer),
            "bureau" => self.bureaus.get(name).cloned().map(Role::Bureau),
            "administrator" => self.administrators.contains(name).then_some(Role::Administrator),
            _ => None,
        }
    }
}

impl Callers {
    /// Nobody is told apart: all are this one. For a development server on loopback.
    pub fn development(name: &str) -> Self {
        Self { development: Some(name.to_owned()), ..Self::default() }
    }

    /// From now on those who are written down here.
    pub fn take_book(&self, book: Book) {
        self.book.store(Arc::new(book));
    }

    /// From now on certificates of these serial numbers are good for nothing, on connections that are there already too.
    pub fn revoke(&self, serials: BTreeSet<Vec<u8>>) {
        self.revoked.store(Arc::new(serials));
    }

    /// From now on tokens are looked at so; nothing: none are taken.
    pub fn take_tokens(&self, tokens: Option<Tokens>) {
        self.tokens.store(Arc::new(tokens));
    }

    /// How the national messages of a hospital are signed; nothing where they need not be.
    pub fn signed(&self, hospital: &HospitalCode) -> Option<Signed> {
        let book = self.book.load();
        let seal = Arc::clone(book.seals.get(hospital)?);
        Some(Signed { seal, clock_max: book.clock_max.unwrap_or(limits::SIGNED_CLOCK_MAX) })
    }

    /// Is this the signature of another hospital that signs alike? Only so many are tried: it helps whoever mixed up two keys.
    pub fn is_of_another(&self, hospital: &HospitalCode, said: &[u8], signature: &str) -> bool {
        let book = self.book.load();
        let Some(means) = book.seals.get(hospital).map(|seal| seal.means()) else { return false };
        let alike = |(other, seal): &(&HospitalCode, &Arc<Seal>)| {
            *other != hospital && seal.means() == means
        };
        let others = book.seals.iter().filter(alike).take(limits::OTHER_KEYS_TRIED_MAX);
        others.into_iter().any(|(_, seal)| seal.is_signed(said, signature))
    }

    /// Counts a call of somebody who was found.
    pub fn spend(&self, caller: &Caller) -> Result<Within, Exceeded> {
        if caller.role == Role::Development {
            return Ok(Within::uncounted());
        }
        // All of an office spend from one purse, whoever of them it is.
        let name = caller.name.split_once('/').map_or(caller.name.as_str(), |(office, _)| office);
        let budget = self.book.load().budgets.get(name).copied().unwrap_or_default();
        self.budgets.spend(name, budget)
    }

    /// Who is calling by this door, by the certificate of the connection, or else by a token.
    pub fn find(
        &self,
        door: &'static str,
        certificate: Option<&Certificate>,
        token: Option<&str>,
    ) -> Result<Caller, Unknown> {
        let caller = |name: &str, role| Caller {
            name: name.to_owned(),
            role,
            door,
            purpose: None,
            deadline: None,
        };
        if let Some(name) = &self.development {
            return Ok(caller(name, Role::Development));
        }
        let book = self.book.load();
        let known = |name: &str| {
            let role = book.role(name).ok_or(Unknown::Name)?;
            Ok(caller(name.strip_prefix(NAME_PREFIX).unwrap_or(name), role))
        };
        if let Some(certificate) = certificate {
            if self.revoked.load().contains(&certificate.serial) {
                return Err(Unknown::Revoked);
            }
            return known(&certificate.name);
        }
        let Some(token) = token else { return Err(Unknown::Nothing) };
        let tokens = self.tokens.load();
        let tokens = tokens.as_ref().as_ref().ok_or(Unknown::Nothing)?;
        let (name, person) = tokens.read(token).map_err(Unknown::Token)?;
        let caller = known(&name)?;
        // Who of an office it was belongs into the record.
        Ok(Caller { name: format!("{}/{person}", caller.name), ..caller })
    }
}

fn budget(per_second: Option<NonZeroU32>, at_once: Option<NonZeroU32>) -> Budget {
    let usual = Budget::default();
    let at_once = at_once.and_then(|count| usize::try_from(count.get()).ok());
    Budget {
        per_second: per_second.unwrap_or(usual.per_second),
        at_once: at_once.unwrap_or(usual.at_once),
    }
}

fn name(text: &str) -> Result<String, BookFault> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=40).contains(&text.len()) && text.bytes().all(plain);
    if fits { Ok(text.to_owned()) } else { Err(BookFault::Name(text.to_owned())) }
}

fn reach(reaching: &Reaching) -> Result<Reach, BookFault> {
    let Reaching { name, schemes, regions, .. } = reaching;
    let scheme =
        |word: &String| Scheme::from_word(word).ok_or_else(|| BookFault::Scheme(word.clone()));
    let region =
        |text: &String| RegionCode::new(text).ok_or_else(|| BookFault::Region(text.clone()));
    if regions.is_empty() {
        return Err(BookFault::Regionless(name.clone()));
    }
    Ok(Reach {
        schemes: schemes.iter().map(scheme).collect::<Result<_, _>>()?,
        regions: regions.iter().map(region).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests;
