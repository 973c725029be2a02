//! The canonical, versioned bytes of all that a decision saw and gave.
//!
//! They are hashed once and never re-serialised: replay, reconciliation, seals and bundles all read these bytes. A record names
//! a person by `person_id` alone and holds facts, never diagnoses. Reading is strict: bytes that are not exactly what writing
//! would give are no record.

mod bill;
mod blank;
pub(crate) mod bytes;
mod decision;

use jiff::Timestamp;
use jiff::civil::Date;

use super::cascade::{Inputs, Traced, decide};
use super::ids::{
    HospitalCode, PackageHash, PersonId, RegionCode, RequestId, SettlementId, StayId,
};
use super::rules::Package;
use super::standing::Scheme;
use super::verdict::{Outcome, Verdict};

pub use self::bill::{lines_to_bytes, write_bill};
pub use self::blank::{Hidden, blank, fill, stand_in};
use self::bytes::{Reader, Writer};

/// The version of the bytes that we write.
const VERSION: u64 = 1;

/// What a record is of: a settlement, a reversal, or a settlement of which the core has not decided its layers yet.
const SETTLED: u64 = 0;
const REVERSED: u64 = 1;
const PROVISIONAL: u64 = 2;

/// Room for a record: most need no more.
const RECORD_BYTES: usize = 2_048;

/// All that a decision saw and gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose, where, when, by which rules.
    pub header: Header,
    /// What was decided, and from what.
    pub body: Body,
}

/// Whose, where, when, by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The settlement or reversal.
    pub settlement: SettlementId,
    /// The hospital's key.
    pub request: RequestId,
    /// Whose.
    pub person: PersonId,
    /// Where.
    pub hospital: HospitalCode,
    /// Which stay.
    pub stay: StayId,
    /// Which part of it.
    pub stay_part: i16,
    /// Its first day.
    pub admission: Date,
    /// Its last day.
    pub discharge: Date,
    /// Whose rules.
    pub insured_region: RegionCode,
    /// Whose catalogue.
    pub treatment_region: RegionCode,
    /// By which scheme.
    pub scheme: Scheme,
    /// In which policy year.
    pub year: i16,
    /// The rules.
    pub package: PackageHash,
    /// Version of the standing that was seen.
    pub standing_version: i64,
    /// Version of the accumulators that was seen.
    pub ledger_version: i64,
    /// When, in whole microseconds.
    pub settled_at: Timestamp,
    /// The charge lines, by their hash.
    pub lines_sha256: [u8; 32],
}

/// What was decided, and from what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A settlement.
    Settled {
        /// What the cascade looked at.
        inputs: Inputs,
        /// What it gave, with its trace.
        outcome: Outcome,
    },
    /// A reversal.
    Reversed {
        /// The settlement that it undoes.
        reverses: SettlementId,
        /// The hash of that settlement's record.
        record_sha256: [u8; 32],
        /// The same amounts the other way round.
        outcome: Outcome,
    },
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A version that we do not know.
    #[error("the record has an unknown version")]
    Version,
    /// Bytes that writing would never give.
    #[error("the record is not in canonical form")]
    NotCanonical,
}

/// What replaying a record shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The same bytes again.
    Same,
    /// The rules give another answer from what was seen.
    Differs,
    /// The record was decided by another package.
    OtherPackage,
    /// A reversal holds no decision of its own.
    Reversal,
}

impl Record {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_room(RECORD_BYTES);
        writer.number(VERSION);
        decision::write_header(&mut writer, &self.header);
        match &self.body {
            Body::Settled { inputs, outcome } => {
                writer.number(if outcome.provisional.is_empty() { SETTLED } else { PROVISIONAL });
                decision::write_inputs(&mut writer, inputs);
                decision::write_outcome(&mut writer, outcome);
                if !outcome.provisional.is_empty() {
                    writer.length(outcome.provisional.len());
                    outcome.provisional.iter().for_each(|layer| writer.number((*layer).into()));
                }
            }
            Body::Reversed { reverses, record_sha256, outcome } => {
                writer.number(REVERSED);
                writer.text(reverses.as_str());
                writer.hash(record_sha256);
                decision::write_outcome(&mut writer, outcome);
            }
        }
        writer.into_bytes()
    }

    /// Reads canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordFault> {
        let mut reader = Reader::new(bytes);
        if reader.number() != Some(VERSION) {
            return Err(RecordFault::Version);
        }
        let record = Self::read(&mut reader)
            .filter(|_| reader.is_done())
            .ok_or(RecordFault::NotCanonical)?;
        if record.to_bytes() == bytes { Ok(record) } else { Err(RecordFault::NotCanonical) }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let header = decision::read_header(reader)?;
        let body = match reader.number()? {
            SETTLED => Body::Settled {
                inputs: decision::read_inputs(reader)?,
                outcome: decision::read_outcome(reader)?,
            },
            PROVISIONAL => {
                let inputs = decision::read_inputs(reader)?;
                let mut outcome = decision::read_outcome(reader)?;
                outcome.provisional = reader.list(Reader::small)?;
                Body::Settled { inputs, outcome }
            }
            REVERSED => Body::Reversed {
                reverses: SettlementId::new(reader.text()?)?,
                record_sha256: reader.hash()?,
                outcome: decision::read_outcome(reader)?,
            },
            _ => return None,
        };
        Some(Self { header, body })
    }

    /// What was given.
    pub const fn outcome(&self) -> &Outcome {
        match &self.body {
            Body::Settled { outcome, .. } | Body::Reversed { outcome, .. } => outcome,
        }
    }

    /// Decides again from what was seen, by the recorded rules, and compares byte for byte.
    pub fn replay(&self, package: &Package) -> Replay {
        let Body::Settled { inputs, outcome: recorded } = &self.body else {
            return Replay::Reversal;
        };
        if package.hash != self.header.package {
            return Replay::OtherPackage;
        }
        let Verdict::Settled(mut outcome) = decide(package, inputs, Traced::Yes) else {
            return Replay::Differs;
        };
        // Who did not answer is no matter of the rules.
        outcome.provisional = recorded.provisional.clone();
        let again = Self {
            header: self.header.clone(),
            body: Body::Settled { inputs: inputs.clone(), outcome: *outcome },
        };
        if again.to_bytes() == self.to_bytes() { Replay::Same } else { Replay::Differs }
    }
}

/// What a quote promises, in canonical bytes: every amount, layer by layer, without the trace.
pub fn promised_bytes(outcome: &Outcome) -> Vec<u8> {
    let mut writer = Writer::with_room(RECORD_BYTES);
    decision::write_outcome(
        &mut writer,
        &Outcome {
            trace: Vec::new(),
            moved: Vec::new(),
            provisional: Vec::new(),
            ..outcome.clone()
        },
    );
    writer.into_bytes()
}

/// All that an outcome does, in canonical bytes: every amount and what moves, without the trace.
pub fn effect_bytes(outcome: &Outcome) -> Vec<u8> {
    let mut writer = Writer::with_room(RECORD_BYTES);
    decision::write_outcome(&mut writer, &Outcome { trace: Vec::new(), ..outcome.clone() });
    writer.into_bytes()
}

/// Every amount of an outcome the other way round; the trace stays with the settlement.
pub fn reversed(outcome: &Outcome) -> Option<Outcome> {
    let pays = |pays: &[super::verdict::LayerPay]| -> Option<Vec<super::verdict::LayerPay>> {
        pays.iter()
            .map(|pay| {
                let (base, deductible) = (pay.base.checked_neg()?, pay.deductible.checked_neg()?);
                Some(super::verdict::LayerPay {
                    base,
                    deductible,
                    pay: pay.pay.checked_neg()?,
                    ..*pay
                })
            })
            .collect()
    };
    let moved = outcome
        .moved
        .iter()
        .map(|moved| Some(super::verdict::Moved { slot: moved.slot, by: moved.by.checked_neg()? }));
    Some(Outcome {
        breakdown: outcome.breakdown.negated()?,
        layers: pays(&outcome.layers)?,
        fixed: pays(&outcome.fixed)?,
        may_apply: pays(&outcome.may_apply)?,
        moved: moved.collect::<Option<_>>()?,
        identities_used: outcome.identities_used.clone(),
        trace: Vec::new(),
        provisional: Vec::new(),
    })
}
