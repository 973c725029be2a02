//! Trues up what was settled while the insurance core did not answer: asks it for each of a person's provisional settlements, in order.
//!
//! Where the core says the same, the settlement stands. Where not, it is taken back and settled anew, and so is every later settlement of
//! the person whose decision depends on what changed; what did not change is left. All of a person is one transaction. What is in the
//! ledger is never edited: the old entry, its reversal and the new one stand there, with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use tracing::instrument;

use super::answer::sha256;
use super::layers::Asked;
use super::{Act, Answer, App, AppError, Caller, Now, Of, entry, now, shanghai_day_start};
use crate::core_link::{CoreLink, backoff};
use crate::domain::cascade::Inputs;
use crate::domain::ids::{HospitalCode, PersonId, PersonNumber, RequestId, SettlementId};
use crate::domain::ledger::{Entry, MovedEntry};
use crate::domain::money::Fen;
use crate::domain::record::{Body, Record};
use crate::domain::rules::Package;
use crate::domain::verdict::{Breakdown, LayerPay, Outcome, Reason};
use crate::limits;
use crate::store::What;
use crate::store::outbox::Deliveries;
use crate::store::trueup::{
    Corrected, Correction, InForce, TrueUpState, TruedUp, correction_of, corrections, due_true_ups,
    in_force, write_true_ups,
};

/// The reason of both entries that a true-up writes.
pub const TRUE_UP: &str = "TRUE_UP";

/// By how much what a person has used differs from what later settlements were decided on: by region, scheme, year and name.
#[derive(Debug, Default)]
struct Drift(BTreeMap<(String, &'static str, i16, String), Fen>);

impl Drift {
    /// What of it an entry's accumulator holds.
    fn of(&self, entry: &Entry, year: i16, name: &str) -> Fen {
        let key = (entry.insured_region.to_string(), entry.scheme.word(), year, name.to_owned());
        self.0.get(&key).copied().unwrap_or_default()
    }

    /// An entry moves otherwise than it did.
    fn add(&mut self, entry: &Entry, moved: &[MovedEntry], sign: i64) -> Option<()> {
        for moved in moved {
            let region = entry.insured_region.to_string();
            let key = (region, entry.scheme.word(), moved.year, moved.name.clone());
            let by = if sign < 0 { moved.by.checked_neg()? } else { moved.by };
            let drift = self.0.entry(key).or_default();
            *drift = drift.checked_add(by)?;
        }
        Some(())
    }

    /// What a decision would look at now.
    fn applied(&self, entry: &Entry, package: &Package, inputs: &Inputs) -> Option<Inputs> {
        let mut now = inputs.clone();
        for (name, before) in package.accumulators.iter().zip(&mut now.before) {
            let year = if name.life { 0 } else { entry.year };
            *before = before.checked_add(self.of(entry, year, &name.name))?;
        }
        Some(now)
    }
}

/// How deciding anew ended.
enum Anew {
    /// What the core now says.
    Decided(Box<(Inputs, Outcome)>),
    /// The core does not say.
    Silent,
    /// It can not be decided any more.
    Stuck(Reason),
}

/// A correction, and whose it is as hospitals know them.
#[derive(Clone, Debug)]
pub struct TrueUp {
    /// The person.
    pub person: PersonNumber,
    /// What was corrected.
    pub corrected: Corrected,
}

/// True-ups, and behind which one more are to be asked for, if there are more.
#[derive(Clone, Debug)]
pub struct TrueUps {
    /// The oldest first.
    pub listed: Vec<TrueUp>,
    /// Where the list goes on.
    pub next: Option<TrueUpPage>,
}

/// From where on true-ups are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrueUpPage {
    at: Timestamp,
    after: Option<SettlementId>,
}

impl TrueUpPage {
    /// The most characters it has in writing.
    pub const LENGTH_MAX: usize = 20 + 1 + SettlementId::LENGTH_MAX;

    /// From a day on.
    pub fn from_day(day: Option<Date>) -> Self {
        let at = day.and_then(shanghai_day_start).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { at, after: None }
    }

    /// Reads what an earlier list said.
    pub fn from_text(text: &str) -> Option<Self> {
        let (at, after) = text.split_once('.')?;
        let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
        Some(Self { at, after: Some(SettlementId::new(after)?) })
    }
}

impl fmt::Display for TrueUpPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.as_ref().map_or("", SettlementId::as_str);
        write!(formatter, "{}.{after}", self.at.as_microsecond())
    }
}

impl App {
    /// A page of what was trued up of a hospital's settlements, the oldest first.
    #[instrument(name = "list true-ups", skip_all, fields(hospital.code = %hospital))]
    pub async fn true_ups(
        &self,
        caller: &Caller,
        hospital: &HospitalCode,
        from: &TrueUpPage,
    ) -> Result<TrueUps, AppError> {
        caller.allow(Act::ReadSettlement, Of::Hospital(hospital))?;
        let (from, most) = ((from.at, from.after.as_ref()), limits::TRUE_UPS_LISTED_MAX);
        let listed = corrections(&self.pool, Some(hospital), from, most).await;
        let listed = listed.map_err(AppError::store("list what was trued up"))?;
        // Together: each waits for the group in which it is recorded.
        let seen = listed.iter().map(|corrected| {
            let seen = (What::Settlement, Some(&corrected.original));
            self.note_access(caller, corrected.person, seen)
        });
        futures_util::future::try_join_all(seen).await?;
        let last = listed.last().filter(|_| most <= listed.len());
        let next = last
            .map(|last| TrueUpPage { at: last.corrected_at, after: Some(last.original.clone()) });
        let shown = |corrected: Corrected| {
            Ok(TrueUp { person: self.person_number(corrected.person)?, corrected })
        };
        let listed = listed.into_iter().map(shown).collect::<Result<_, AppError>>()?;
        Ok(TrueUps { listed, next })
    }

    /// How what is answered was corrected since, if it was. Whoever sees the settlement may see this.
    pub async fn correction_of(&self, answer: &Answer) -> Result<Option<Corrected>, AppError> {
        if answer.reversed_by.is_none() {
            return Ok(None);
        }
        let Entry { person, settlement, .. } = answer.entry.as_ref();
        let found = correction_of(&self.pool, *person, settlement).await;
        found.map_err(AppError::store("look for what was trued up"))
    }

    /// Trues up persons who are due, while the core answers. Says how many were looked at.
    pub(super) async fn true_up(
        &self,
        _lead: &Deliveries,
        core: &CoreLink,
    ) -> Result<usize, AppError> {
        if !core.quotes() {
            return Ok(0);
        }
        let due = due_true_ups(&self.pool, now().at, limits::TRUE_UP_PERSONS_MAX).await;
        let due = due.map_err(AppError::store("look for what is to be trued up"))?;
        let count = due.len();
        let all = futures_util::stream::iter(due)
            .map(|person| self.true_up_person(core, person))
            .buffer_unordered(limits::TRUE_UPS_AT_ONCE);
        let ended: Vec<Result<(), AppError>> = all.collect().await;
        ended.into_iter().collect::<Result<(), AppError>>()?;
        Ok(count)
    }

    async fn true_up_person(&self, core: &CoreLink, person: PersonId) -> Result<(), AppError> {
        let now = self.now();
        let read = in_force(&self.pool, person, now.at).await;
        let read = read.map_err(AppError::store("read what is in force of a person"))?;
        let Some(chain) = read.filter(|chain| chain.entries.iter().any(|(_, pending)| *pending))
        else {
            return Ok(());
        };
        let trued_up = self.chain(core, &chain, &now).await?;
        let waits = trued_up.states.iter().any(|(_, state)| *state == TrueUpState::Pending);
        let next_at = if waits { self.later(now.at) } else { now.at };
        let written = write_true_ups(&self.pool, person, &trued_up, (now.at, next_at)).await;
        if !written.map_err(AppError::store("write what was trued up"))? {
            // The person moved meanwhile, or the day was fenced: they are read again in a moment.
            let again = postponed(&chain, TrueUpState::Pending, "MOVED");
            let written =
                write_true_ups(&self.pool, person, &again, (now.at, self.later(now.at))).await;
            written.map_err(AppError::store("put a true-up off"))?;
        } else {
            for correction in &trued_up.corrections {
                let (hospital, settlement) = (&correction.new.hospital, &correction.original);
                let because_of = &correction.because_of;
                tracing::info!(%hospital, %settlement, %because_of, "A settlement was trued up");
            }
        }
        Ok(())
    }

    fn later(&self, at: Timestamp) -> Timestamp {
        let pause = backoff::pause(4, self.random_u64().unwrap_or(0));
        super::deliver::after(at, pause)
    }

    /// Decides everything from the first provisional settlement on anew, as far as it may have changed.
    async fn chain(
        &self,
        core: &CoreLink,
        chain: &InForce,
        now: &Now,
    ) -> Result<TruedUp, AppError> {
        let mut trued_up = TruedUp::default();
        let mut drift = Drift::default();
        let mut because_of: Option<SettlementId> = None;
        let mut versions = (chain.standing_version, chain.ledger_version);
        for (original, pending) in &chain.entries {
            if !pending && because_of.is_none() {
                continue;
            }
            let settlement = original.settlement.clone();
            let record = Record::from_bytes(&original.record)
                .map_err(|source| AppError::Record { settlement: settlement.clone(), source })?;
            let Body::Settled { inputs, outcome } = &record.body else { continue };
            let package = self.package(&original.package).await?;
            let now_seen = drift.applied(original, &package, inputs);
            let now_seen = now_seen.ok_or(AppError::Unbalanced)?;
            if !pending && now_seen.before == inputs.before {
                continue;
            }
            let (inputs, anew) = match self.anew(core, original, &package, now_seen).await {
                Anew::Decided(decided) => *decided,
                Anew::Silent => {
                    return Ok(postponed(chain, TrueUpState::Pending, "CORE_SILENT"));
                }
                Anew::Stuck(reason) => {
                    tracing::error!(%settlement, reason = reason.code(), "A true-up needs somebody to look at it");
                    return Ok(postponed(chain, TrueUpState::Stuck, reason.code()));
                }
            };
            // What one that stood counts must be the same too: later ones go by it.
            if pays_same(outcome, &anew) && (*pending || outcome.moved == anew.moved) {
                if *pending {
                    trued_up.states.push((settlement, TrueUpState::Confirmed));
                }
                continue;
            }
            let because = if *pending { None } else { because_of.clone() };
            let because = because.unwrap_or(settlement.clone());
            let body = Body::Settled { inputs, outcome: anew };
            let correction =
                self.correction((original, &record), (&package, body), (now, versions), because)?;
            versions.1 = versions.1.saturating_add(2);
            let moved = drift.add(original, &original.moved, -1);
            moved
                .and_then(|()| drift.add(original, &correction.new.moved, 1))
                .ok_or(AppError::Unbalanced)?;
            if *pending {
                trued_up.states.push((settlement.clone(), TrueUpState::Corrected));
            }
            because_of = because_of.or(Some(settlement));
            trued_up.corrections.push(correction);
        }
        Ok(trued_up)
    }

    /// Decides one settlement anew from what it saw, with what the core tells now.
    async fn anew(
        &self,
        core: &CoreLink,
        original: &Entry,
        package: &Package,
        mut inputs: Inputs,
    ) -> Anew {
        let told = std::mem::take(&mut inputs.told);
        let of_core = super::layers::layers_of(core, package);
        // What somebody else told than the core stands.
        inputs.told = told.into_iter().filter(|told| !of_core.contains(&told.layer)).collect();
        let asked = Asked {
            hospital: &original.hospital,
            request: Some(&original.request),
            person: original.person,
            discharge: original.discharge,
            until: Instant::now().checked_add(limits::CORE_CALL_MAX),
            promise: None,
        };
        match self.layers(&asked, package, &mut inputs).await {
            Ok(outcome) if !outcome.provisional.is_empty() => Anew::Silent,
            Ok(outcome) => Anew::Decided(Box::new((inputs, outcome))),
            Err(decline) if decline.reason == Reason::NobodyTells => Anew::Silent,
            Err(decline) => Anew::Stuck(decline.reason),
        }
    }

    /// The two entries that take a settlement back and settle it anew.
    fn correction(
        &self,
        (original, record): (&Entry, &Record),
        (package, body): (&Package, Body),
        (now, (standing_version, ledger_version)): (&Now, (i64, i64)),
        because_of: SettlementId,
    ) -> Result<Correction, AppError> {
        let said = |ledger_version: i64| -> Result<Entry, AppError> {
            let unix_ms = entry::unix_ms(now.at);
            let random = self.random_u64()?;
            let settlement = SettlementId::compose(original.person.bucket(), unix_ms, random);
            // Nobody else asks by it: the hospital did not choose it.
            let request = RequestId::new(settlement.as_str()).ok_or(AppError::Unbalanced)?;
            Ok(Entry {
                body_sha256: sha256(format!("true-up\n{settlement}").as_bytes()),
                settlement,
                request,
                settled_at: now.at,
                accounting_day: now.day,
                operator: None,
                reason: Some(TRUE_UP.to_owned()),
                standing_version,
                ledger_version,
                ..original.clone()
            })
        };
        let (reversal, _) = entry::reversal(original, record, said(ledger_version)?)?;
        let next = said(ledger_version.saturating_add(1))?;
        let (new, _) = entry::in_place_of(original, record, (package, body), next)?;
        let less = |new: Option<Fen>, old: Option<Fen>| new?.checked_sub(old?);
        let (was, is) = (&original.breakdown, &new.breakdown);
        let collect = less(Some(is.cash), Some(was.cash)).ok_or(AppError::Unbalanced)?;
        let more = less(is.fund_total(), was.fund_total()).ok_or(AppError::Unbalanced)?;
        Ok(Correction {
            original: original.settlement.clone(),
            because_of,
            reversal: Arc::new(reversal),
            new: Arc::new(new),
            patient_collect: collect,
            fund_more: more,
        })
    }
}

/// Does everybody pay the same as before? A deductible counts where the core tells one.
fn pays_same(was: &Outcome, is: &Outcome) -> bool {
    let told = is.breakdown.deductible != Fen::ZERO;
    let national = |outcome: &Outcome| {
        let deductible = if told { outcome.breakdown.deductible } else { Fen::ZERO };
        Breakdown { deductible, ..outcome.breakdown }
    };
    let pays = |of: &[LayerPay]| -> Vec<(u16, Fen, Fen)> {
        of.iter().map(|pay| (pay.layer, pay.base, pay.pay)).collect()
    };
    national(was) == national(is)
        && pays(&was.layers) == pays(&is.layers)
        && pays(&was.fixed) == pays(&is.fixed)
        && pays(&was.may_apply) == pays(&is.may_apply)
}

/// Nothing of a person is written as long as one of theirs can not be decided: a chain has no gap.
fn postponed(chain: &InForce, state: TrueUpState, code: &str) -> TruedUp {
    let pending = chain.entries.iter().filter(|(_, pending)| *pending);
    let states = pending.map(|(entry, _)| (entry.settlement.clone(), state)).collect();
    TruedUp { corrections: Vec::new(), states, code: Some(code.to_owned()) }
}
