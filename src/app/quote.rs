//! A quote binds: its token is signed over the bill, the snapshot's versions, the package and what was answered.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::instrument;

use super::answer::sha256;
use super::entry::{bill_sha256, breakdown_of};
use super::finance::budgets;
use super::settle::{Decided, Decision};
use super::{Act, App, AppError, Caller, Claim, Of, Outcome, Refusal};
use crate::domain::cascade::Told;
use crate::domain::finance::budget::RunDry;
use crate::domain::ids::{PackageHash, PersonId};
use crate::domain::money::Fen;
use crate::domain::rules::{LayerId, Package};
use crate::domain::verdict;
use crate::limits;
use crate::store::What;

/// What would be paid now.
#[derive(Clone, Debug)]
pub struct Quote {
    /// What was decided.
    pub outcome: verdict::Outcome,
    /// The age that the rules went by, where the day of birth is known.
    pub age: Option<i64>,
    /// What the personal account held before.
    pub account_balance: Fen,
    /// By which rules.
    pub package: Arc<Package>,
    /// The policy year.
    pub year: i16,
    /// Binds the answer.
    pub token: Vec<u8>,
    /// Until when it does.
    pub valid_until: Timestamp,
    /// Funds that have not enough left for it.
    pub run_dry: Vec<RunDry>,
}

/// What moved between a quote and its settlement.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Who the person is.
    pub standing: bool,
    /// What they have used.
    pub accumulators: bool,
    /// The rules.
    pub package: bool,
    /// The hospital or the catalogue.
    pub catalogue: bool,
    /// What was quoted for the patient to pay.
    pub quoted_patient_pay: Fen,
    /// What it would be now.
    pub now: Box<Quote>,
}

/// What the insurance core said of its layers when a bill was quoted, and where it said nothing: a settlement that is bound by the quote
/// goes by that, whatever the core says meanwhile or whether it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Promise {
    /// By which package its layers are numbered.
    pub(super) package: [u8; 32],
    /// The layers that it decided.
    pub(super) told: Vec<ToldLayer>,
    /// Layers that were decided without it.
    pub(super) provisional: Vec<LayerId>,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    valid_until_s: i64,
    bill_sha256: [u8; 32],
    person: i64,
    standing_version: i64,
    ledger_version: i64,
    reference_sha256: [u8; 32],
    outcome_sha256: [u8; 32],
    patient_pay_fen: i64,
    promise: Promise,
}

/// Without layers of an insurance core, and with some.
const TOKEN_VERSIONS: [u8; 2] = [1, 3];
/// Of the first version; the second one says more behind it.
pub(super) const SIGNED_BYTES: usize = 1 + 5 * 8 + 4 * 32;
const SIGNATURE_BYTES: usize = 32;

impl App {
    /// Says what would be paid now. Records nothing but that it was asked.
    #[instrument(name = "quote", skip_all, fields(hospital.code = %claim.bill.hospital, stay.id = %claim.bill.stay.logged()))]
    pub async fn quote(&self, caller: &Caller, claim: &Claim) -> Result<Outcome<Quote>, AppError> {
        caller.allow(Act::Quote, Of::Hospital(&claim.bill.hospital))?;
        tracing::debug!(caller.name = %caller.name, "Quote asked for");
        let now = self.now();
        claim.bill.check(now.day, limits::CHARGE_LINES_MAX).map_err(Refusal::Bill)?;
        let asking = (None, self.patient_until(caller.deadline), None);
        // Only where nobody else writes is what is held in memory what is recorded.
        let remembered = if self.pool.is_alone() { self.remember(claim, None) } else { None };
        let remembered = match remembered {
            Some(snapshot) => Some(snapshot),
            None => self.recall(claim, None).await?,
        };
        if let Some(snapshot) = remembered.filter(|snapshot| snapshot.stay_in_force.is_none())
            && let Decision::Decided(decided) =
                self.decide(claim, &snapshot, now.day, asking).await?
            && let dry = self.run_dry(&decided, &now)
            && budgets::declined(&dry).is_none()
        {
            self.note_access(caller, decided.person, (What::Quote, None)).await?;
            let seen = (snapshot.reference_sha256(), now.at);
            let quote = self.bind(claim, *decided, seen);
            return Ok(Outcome::Decided(Quote { run_dry: budgets::flagged(dry, false), ..quote }));
        }
        let snapshot = self.read(claim, None).await?;
        if let Some((settlement, person)) = snapshot.stay_in_force {
            self.note_access(caller, person, (What::Settlement, Some(&settlement))).await?;
            return Err(Refusal::StaySettled(Some(settlement)).into());
        }
        match self.decide(claim, &snapshot, now.day, asking).await? {
            Decision::Declined(decline) => {
                if let Some(person) = &snapshot.person {
                    let person = person.standing.person;
                    self.note_access(caller, person, (What::Decline, None)).await?;
                }
                Ok(Outcome::Declined(decline))
            }
            Decision::Decided(decided) => {
                let dry = self.run_dry(&decided, &now);
                if let Some(decline) = budgets::declined(&dry) {
                    self.note_access(caller, decided.person, (What::Decline, None)).await?;
                    return Ok(Outcome::Declined(decline));
                }
                self.note_access(caller, decided.person, (What::Quote, None)).await?;
                let seen = (snapshot.reference_sha256(), now.at);
                let quote = self.bind(claim, *decided, seen);
                Ok(Outcome::Decided(Quote { run_dry: budgets::flagged(dry, false), ..quote }))
            }
        }
    }

    /// Signs a decision, with the hospital and the catalogue that it saw, and when.
    pub(super) fn bind(
        &self,
        claim: &Claim,
        decided: Decided,
        (reference_sha256, at): ([u8; 32], Timestamp),
    ) -> Quote {
        let valid_s = i64::try_from(limits::QUOTE_VALID.as_secs()).unwrap_or(0);
        let valid_until_s = at.as_second().saturating_add(valid_s);
        let token = token_of(claim, &decided, reference_sha256, valid_until_s);
        let mut bytes = token.to_bytes();
        let signature = self.keys.sign_token(&bytes);
        bytes.extend_from_slice(&signature);
        Quote {
            outcome: decided.outcome,
            age: decided.inputs.facts.age,
            account_balance: decided.inputs.facts.account_balance,
            package: decided.package,
            year: decided.year,
            token: bytes,
            valid_until: Timestamp::from_second(valid_until_s).unwrap_or(at),
            run_dry: Vec::new(),
        }
    }

    /// Reads a token that must be ours, fresh and of this bill.
    pub(super) fn read_token(
        &self,
        claim: &Claim,
        bytes: &[u8],
        at: Timestamp,
    ) -> Result<Token, Refusal> {
        let length = bytes.len().checked_sub(SIGNATURE_BYTES);
        let signed = length.and_then(|length| bytes.split_at_checked(length));
        let (signed, signature) = signed.ok_or(Refusal::TokenForged)?;
        if !self.keys.verify_token(signed, signature) {
            return Err(Refusal::TokenForged);
        }
        let token = Token::from_bytes(signed).ok_or(Refusal::TokenForged)?;
        if token.valid_until_s < at.as_second() {
            return Err(Refusal::TokenStale);
        }
        if token.bill_sha256 != bill_sha256(claim) {
            return Err(Refusal::TokenOfAnotherBill);
        }
        Ok(token)
    }

    /// What moved since the quote, where the amounts are no longer the quoted ones.
    pub(super) fn moved(
        &self,
        claim: &Claim,
        token: &Token,
        decided: &Decided,
        (reference_sha256, at): ([u8; 32], Timestamp),
    ) -> Option<Moved> {
        let now = token_of(claim, decided, reference_sha256, token.valid_until_s);
        if now.outcome_sha256 == token.outcome_sha256 && now.person == token.person {
            return None;
        }
        Some(Moved {
            standing: now.standing_version != token.standing_version || now.person != token.person,
            accumulators: now.ledger_version != token.ledger_version,
            package: now.promise.package != token.promise.package,
            catalogue: now.reference_sha256 != token.reference_sha256,
            quoted_patient_pay: Fen::new(token.patient_pay_fen),
            now: Box::new(self.bind(claim, decided.clone(), (reference_sha256, at))),
        })
    }
}

fn token_of(
    claim: &Claim,
    decided: &Decided,
    reference_sha256: [u8; 32],
    valid_until_s: i64,
) -> Token {
    let person: PersonId = decided.person;
    let package: PackageHash = decided.package.hash;
    let told = decided.inputs.told.iter();
    Token {
        valid_until_s,
        bill_sha256: bill_sha256(claim),
        person: person.get(),
        standing_version: decided.standing_version,
        ledger_version: decided.ledger_version,
        reference_sha256,
        outcome_sha256: sha256(&breakdown_of(decided)),
        patient_pay_fen: decided.outcome.breakdown.patient().unwrap_or_default().get(),
        promise: Promise {
            package: package.0,
            told: told.filter_map(ToldLayer::of).collect(),
            provisional: decided.outcome.provisional.clone(),
        },
    }
}

impl Token {
    /// What the insurance core said, for who is bound by it.
    pub(super) const fn promise(&self) -> &Promise {
        &self.promise
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Promise { package, told, provisional } = &self.promise;
        let is_plain = told.is_empty() && provisional.is_empty();
        let [plain, more] = TOKEN_VERSIONS;
        let mut bytes = Vec::with_capacity(SIGNED_BYTES.saturating_add(SIGNATURE_BYTES));
        bytes.push(if is_plain { plain } else { more });
        for number in [
            self.valid_until_s,
            self.person,
            self.standing_version,
            self.ledger_version,
            self.patient_pay_fen,
        ] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for hash in [&self.bill_sha256, package, &self.reference_sha256, &self.outcome_sha256] {
            bytes.extend_from_slice(hash);
        }
        if !is_plain {
            // So few that each count is one byte: a bill has no more questions.
            bytes.push(u8::try_from(told.len()).unwrap_or(u8::MAX));
            for ToldLayer { layer, base, pay, deductible } in told {
                bytes.extend_from_slice(&layer.to_be_bytes());
                for fen in [base, pay, deductible] {
                    bytes.extend_from_slice(&fen.get().to_be_bytes());
                }
            }
            provisional.iter().for_each(|layer| bytes.extend_from_slice(&layer.to_be_bytes()));
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first()?;
        if !TOKEN_VERSIONS.contains(version) {
            return None;
        }
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(i64::from_be_bytes(*number))
        };
        let (valid_until_s, person) = (number()?, number()?);
        let (standing_version, ledger_version, patient_pay_fen) = (number()?, number()?, number()?);
        let mut hash = || {
            let (hash, after) = rest.split_first_chunk::<32>()?;
            rest = after;
            Some(*hash)
        };
        let (bill_sha256, package) = (hash()?, hash()?);
        let (reference_sha256, outcome_sha256) = (hash()?, hash()?);
        let (told, provisional) = match rest.split_first() {
            None => (Vec::new(), Vec::new()),
            Some((count, rest)) => promised(usize::from(*count), rest)?,
        };
        let is_plain = told.is_empty() && provisional.is_empty();
        // One spelling for each.
        if is_plain != (*version == TOKEN_VERSIONS[0]) || is_plain != rest.is_empty() {
            return None;
        }
        let promise = Promise { package, told, provisional };
        Some(Self {
            valid_until_s,
            bill_sha256,
            person,
            standing_version,
            ledger_version,
            reference_sha256,
            outcome_sha256,
            patient_pay_fen,
            promise,
        })
    }
}

/// A layer that was told for this base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToldLayer {
    pub(super) layer: LayerId,
    pub(super) base: Fen,
    pub(super) pay: Fen,
    pub(super) deductible: Fen,
}

impl ToldLayer {
    fn of(told: &Told) -> Option<Self> {
        let Told { layer, base, pay, deductible } = *told;
        Some(Self { layer, base: base?, pay, deductible })
    }
}

/// So many layers that were told, and then those that were not.
fn promised(count: usize, mut rest: &[u8]) -> Option<(Vec<ToldLayer>, Vec<LayerId>)> {
    let mut told = Vec::with_capacity(count);
    for _ in 0..count {
        let (layer, mut after) = rest.split_first_chunk::<2>()?;
        let mut fen = || {
            let (fen, left) = after.split_first_chunk::<8>()?;
            after = left;
            Some(Fen::new(i64::from_be_bytes(*fen)))
        };
        let (base, pay, deductible) = (fen()?, fen()?, fen()?);
        told.push(ToldLayer { layer: LayerId::from_be_bytes(*layer), base, pay, deductible });
        rest = after;
    }
    let (pairs, left) = rest.as_chunks::<2>();
    let provisional = pairs.iter().map(|pair| LayerId::from_be_bytes(*pair)).collect();
    left.is_empty().then_some((told, provisional))
}
