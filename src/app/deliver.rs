//! Tells the insurance core what was settled: each entry in the order of its person, once as far as the core can tell, and never lost.
//!
//! One gateway on a database delivers; where it ends another one goes on. What was sent and not answered is asked for before anything
//! of that person is sent again. While the core is away nothing is looked for: what waits is only moved out of the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use self::plan::{Plan, plan};
use super::{App, AppError, now};
use crate::core_link::{CoreLink, CoreLinkError, Held, Parcel, Told, backoff};
use crate::domain::ids::{HospitalCode, PackageHash, PersonId, RequestId};
use crate::domain::ledger::Entry;
use crate::domain::record::{Body, Record};
use crate::domain::rules::Package;
use crate::limits;
use crate::store::outbox::{
    BOOKED_TWICE, Deliveries, DeliveryKey, DeliveryState, Lag, Note, Open, delivery_lag,
};
use crate::store::trueup::stuck_true_up_count;

mod plan;

/// Where an outbox begins.
const FIRST_PLACE: &str = "(0,0)";

/// What is open, as the deliverer counted it last; nothing where another gateway delivers.
#[derive(Debug, Default)]
pub struct DeliveryGauges {
    open: AtomicU64,
    oldest_s: AtomicU64,
    dead: AtomicU64,
    twice: AtomicU64,
    stuck: AtomicU64,
}

impl DeliveryGauges {
    /// Entries that the core does not have yet; the age of the oldest in seconds; how many of them are dead letters; entries that the
    /// core booked more than once; true-ups that are stuck.
    pub fn read(&self) -> [u64; 5] {
        let gauges = [&self.open, &self.oldest_s, &self.dead, &self.twice, &self.stuck];
        gauges.map(|gauge| gauge.load(Ordering::Relaxed))
    }
}

/// An entry on its way in this round.
#[derive(Clone, Debug)]
struct Sending {
    open: Open,
    parcel: Parcel,
}

impl App {
    /// Delivers for as long as this gateway leads, and waits to lead where another one does, until told to stop. Does nothing where no
    /// core is configured.
    pub async fn deliver(self: Arc<Self>, stop: CancellationToken) {
        let Some(core) = self.core.clone() else { return };
        while !stop.is_cancelled() {
            match Deliveries::lead(&self.pool).await {
                Ok(Some(lead)) => {
                    tracing::info!("This gateway tells the insurance core what is settled");
                    let ended = tokio::select! {
                        ended = self.lead(&lead, &core, &stop) => ended,
                        // Whoever delivers takes what the core tells; that never ends by itself.
                        never = self.pull(&core) => match never {},
                    };
                    if let Err(error) = ended {
                        let error = chain_of(&error);
                        tracing::warn!(
                            error,
                            "Telling the insurance core was interrupted; it is begun anew"
                        );
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let error = chain_of(&error);
                    tracing::debug!(error, "Nobody can be found who tells the insurance core");
                }
            }
            rest(&stop, limits::DELIVERY_LEAD_INTERVAL).await;
        }
    }

    async fn lead(
        &self,
        lead: &Deliveries,
        core: &CoreLink,
        stop: &CancellationToken,
    ) -> Result<(), AppError> {
        let doubted = lead.doubt_sent(now().at).await.map_err(failed("doubt what was sent"))?;
        if 0 < doubted {
            tracing::info!(entries = doubted, "What an earlier gateway sent is asked for first");
        }
        let mut counted: Option<Instant> = None;
        let mut from_place = FIRST_PLACE.to_owned();
        while !stop.is_cancelled() {
            if counted.is_none_or(|at| limits::DELIVERY_LAG_INTERVAL < at.elapsed()) {
                self.count_open().await?;
                counted = Some(Instant::now());
            }
            let moved = lead.move_in(&from_place, now().at).await;
            let moved = moved.map_err(failed("move what is to be told"))?;
            let cut_short = moved.rows == limits::DELIVERY_MOVE_MAX;
            let whole = !cut_short && from_place == FIRST_PLACE;
            from_place =
                moved.last_place.filter(|_| cut_short).unwrap_or_else(|| FIRST_PLACE.to_owned());
            if !whole {
                // Nothing is sent until all that could be seen is moved: something earlier of the same person may lie further on.
                continue;
            }
            let told = if core.is_there() { self.round(lead, core).await? } else { 0 };
            let trued_up = self.true_up(lead, core).await?;
            if moved.rows == 0 && told == 0 && trued_up == 0 {
                rest(stop, limits::DELIVERY_LOOK_INTERVAL).await;
            }
        }
        Ok(())
    }

    /// Asks for what is not known and sends what is due. Says how many entries it was about.
    async fn round(&self, lead: &Deliveries, core: &CoreLink) -> Result<usize, AppError> {
        let at = now().at;
        let open = lead.take_due(at).await.map_err(failed("look for what is due"))?;
        let Plan { ask, send, settle } = plan(open, at);
        lead.note(at, &settle).await.map_err(failed("note what waits"))?;
        let asked = self.ask(lead, core, &ask).await?;
        let sent = self.send(lead, core, send).await?;
        Ok(asked.saturating_add(sent).saturating_add(settle.len()))
    }

    /// Asks the core what it has of what nobody heard the end of.
    async fn ask(
        &self,
        lead: &Deliveries,
        core: &CoreLink,
        unknown: &[Open],
    ) -> Result<usize, AppError> {
        for some in unknown.chunks(limits::CORE_PUSH_ENTRIES_MAX) {
            let keys: Vec<DeliveryKey> = some.iter().map(|open| open.key.clone()).collect();
            let entries = lead.entries(&keys).await.map_err(failed("read what is to be told"))?;
            let known: BTreeMap<&str, &Entry> =
                entries.iter().map(|entry| (entry.settlement.as_str(), entry)).collect();
            let asked: Vec<(&Open, &Entry)> = some
                .iter()
                .filter_map(|open| Some((open, *known.get(open.key.settlement.as_str())?)))
                .collect();
            let keys: Vec<(HospitalCode, RequestId)> = asked
                .iter()
                .map(|(_, entry)| (entry.hospital.clone(), entry.request.clone()))
                .collect();
            let held = core.ask(&keys).await;
            let at = now().at;
            let notes: Vec<Note> = match held {
                Ok(held) => asked
                    .iter()
                    .zip(held)
                    .map(|((open, entry), held)| note_of_held(open, entry, held, at))
                    .collect(),
                Err(error) => {
                    let still = |(open, _): &(&Open, &Entry)| {
                        let code = error.code().to_owned();
                        self.again(open, DeliveryState::Unknown, Some(code), at)
                    };
                    asked.iter().map(still).collect()
                }
            };
            lead.note(at, &notes).await.map_err(failed("note what the core has"))?;
        }
        Ok(unknown.len())
    }

    /// Sends what is due, several messages at once and each person in one of them.
    async fn send(
        &self,
        lead: &Deliveries,
        core: &CoreLink,
        send: Vec<Open>,
    ) -> Result<usize, AppError> {
        if send.is_empty() {
            return Ok(0);
        }
        let count = send.len();
        let keys: Vec<DeliveryKey> = send.iter().map(|open| open.key.clone()).collect();
        let entries = lead.entries(&keys).await.map_err(failed("read what is to be told"))?;
        let mut parcels = self.parcels(entries).await?;
        let at = now().at;
        // Written before it is sent: whoever goes on after us must know that it may have been.
        let sent: Vec<Note> = send.iter().map(|open| note(open, DeliveryState::Sent, at)).collect();
        lead.note(at, &sent).await.map_err(failed("note what is sent"))?;
        let sending = send.into_iter().filter_map(|open| {
            let parcel = parcels.remove(open.key.settlement.as_str())?;
            Some(Sending { open, parcel })
        });
        let messages = messages(sending.collect());
        let told = futures_util::stream::iter(messages)
            .map(|message| self.push(lead, core, message))
            .buffer_unordered(limits::CORE_PUSHES_AT_ONCE);
        let ended: Vec<Result<(), AppError>> = told.collect().await;
        ended.into_iter().collect::<Result<(), AppError>>()?;
        Ok(count)
    }

    async fn push(
        &self,
        lead: &Deliveries,
        core: &CoreLink,
        message: Vec<Sending>,
    ) -> Result<(), AppError> {
        let parcels: Vec<Parcel> = message.iter().map(|sending| sending.parcel.clone()).collect();
        let notes = match core.push(&parcels).await {
            Ok(told) => self.notes_of_told(&message, told),
            Err(error) if error.is_of_the_message() && 1 < message.len() => {
                self.push_alone(core, &message).await
            }
            Err(error) => self.notes_of_error(&message, &error),
        };
        lead.note(now().at, &notes).await.map_err(failed("note what the core took"))
    }

    /// One entry that can not be read keeps its neighbours back no longer than this.
    async fn push_alone(&self, core: &CoreLink, message: &[Sending]) -> Vec<Note> {
        let mut notes: Vec<Note> = Vec::with_capacity(message.len());
        for sending in message {
            let person = sending.open.key.person;
            let mut before = notes.iter().rev().take_while(|note| note.key.person == person);
            let stuck = before.any(|note| note.state != DeliveryState::Confirmed);
            let alone = std::slice::from_ref(sending);
            if stuck {
                notes.extend(self.notes_of_told(alone, vec![Told::NotTried]));
                continue;
            }
            notes.extend(match core.push(std::slice::from_ref(&sending.parcel)).await {
                Ok(told) => self.notes_of_told(alone, told),
                Err(error) => self.notes_of_error(alone, &error),
            });
        }
        notes
    }

    fn notes_of_told(&self, message: &[Sending], told: Vec<Told>) -> Vec<Note> {
        let at = now().at;
        let mut refused: Option<PersonId> = None;
        let each = message.iter().zip(told).map(|(sending, told)| {
            let open = &sending.open;
            match told {
                Told::Taken { reference } => Note {
                    reference,
                    tried: true,
                    ..note(open, DeliveryState::Confirmed, at)
                },
                Told::Refused { code } => {
                    refused = Some(open.key.person);
                    let (hospital, settlement) =
                        (&sending.parcel.entry.hospital, &open.key.settlement);
                    tracing::warn!(%hospital, %settlement, "The insurance core refuses a settlement");
                    let state = DeliveryState::Refused;
                    Note { code: Some(code), tried: true, ..note(open, state, at) }
                }
                Told::NotTried if refused == Some(open.key.person) => {
                    note(open, DeliveryState::Held, at)
                }
                Told::NotTried => self.again(open, DeliveryState::Waiting, None, at),
                Told::Unknown => {
                    let code = Some("CORE_SAYS_NOTHING".to_owned());
                    self.again(open, DeliveryState::Unknown, code, at)
                }
            }
        });
        each.collect()
    }

    fn notes_of_error(&self, message: &[Sending], error: &CoreLinkError) -> Vec<Note> {
        let at = now().at;
        let code = error.code().to_owned();
        if error.is_of_the_message()
            && let [alone] = message
        {
            let code = Some("CORE_CAN_NOT_READ_IT".to_owned());
            let state = DeliveryState::Refused;
            return vec![Note { code, tried: true, ..note(&alone.open, state, at) }];
        }
        let state = if error.is_undone() { DeliveryState::Waiting } else { DeliveryState::Unknown };
        let again = |sending: &Sending| self.again(&sending.open, state, Some(code.clone()), at);
        message.iter().map(again).collect()
    }

    /// Tried once more, and due after a pause.
    fn again(
        &self,
        open: &Open,
        state: DeliveryState,
        code: Option<String>,
        at: Timestamp,
    ) -> Note {
        let random = self.random_u64().unwrap_or(0);
        let pause = backoff::pause(open.attempts.saturating_add(1), random);
        Note { next_at: after(at, pause), code, tried: true, ..note(open, state, at) }
    }

    /// Entries with what belongs to them, by settlement.
    async fn parcels(&self, entries: Vec<Entry>) -> Result<BTreeMap<String, Parcel>, AppError> {
        let mut packages: BTreeMap<PackageHash, Arc<Package>> = BTreeMap::new();
        let mut parcels = BTreeMap::new();
        for entry in entries {
            let package = match packages.get(&entry.package) {
                Some(package) => Arc::clone(package),
                None => {
                    let package = self.package(&entry.package).await?;
                    packages.insert(entry.package, Arc::clone(&package));
                    package
                }
            };
            let person = self.person_number(entry.person)?;
            let clauses = clauses(&entry, &package)?;
            parcels.insert(entry.settlement.to_string(), Parcel { entry, person, clauses });
        }
        Ok(parcels)
    }

    async fn count_open(&self) -> Result<(), AppError> {
        let lag = delivery_lag(&self.pool).await.map_err(failed("count what is open"))?;
        let (lag, twice): (Vec<Lag>, Vec<Lag>) = lag.into_iter().partition(Lag::is_open);
        let count = |of: &[Lag]| of.iter().map(|of| of.entries).fold(0, u64::saturating_add);
        let dead = lag.iter().filter(|of| of.state == DeliveryState::Refused.word());
        let dead = dead.map(|of| of.entries).fold(0, u64::saturating_add);
        let oldest = lag.iter().filter_map(|of| of.oldest_at).min();
        let age = oldest.map_or(0, |oldest| now().at.duration_since(oldest).as_secs());
        let stuck = stuck_true_up_count(&self.pool).await;
        let stuck = stuck.map_err(failed("count true-ups that are stuck"))?;
        self.delivery.open.store(count(&lag), Ordering::Relaxed);
        self.delivery.twice.store(count(&twice), Ordering::Relaxed);
        self.delivery.stuck.store(stuck, Ordering::Relaxed);
        self.delivery.dead.store(dead, Ordering::Relaxed);
        self.delivery.oldest_s.store(u64::try_from(age).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

/// The clauses behind an entry, each once, in the order of the decision.
fn clauses(entry: &Entry, package: &Package) -> Result<Vec<String>, AppError> {
    let settlement = entry.settlement.clone();
    let record = Record::from_bytes(&entry.record)
        .map_err(|source| AppError::Record { settlement, source })?;
    let Body::Settled { outcome, .. } = &record.body else { return Ok(Vec::new()) };
    let mut clauses: Vec<String> = Vec::new();
    for step in &outcome.trace {
        if let Some(clause) = package.clause(step.clause)
            && !clauses.contains(&clause.name)
        {
            clauses.push(clause.name.clone());
        }
    }
    Ok(clauses)
}

/// Messages of whole persons, as full as they may be.
fn messages(sending: Vec<Sending>) -> Vec<Vec<Sending>> {
    let mut messages: Vec<Vec<Sending>> = Vec::new();
    let mut of_person: Vec<Sending> = Vec::new();
    let mut put = |of_person: &mut Vec<Sending>| {
        if of_person.is_empty() {
            return;
        }
        let fits = |message: &&mut Vec<Sending>| {
            message.len().saturating_add(of_person.len()) <= limits::CORE_PUSH_ENTRIES_MAX
        };
        match messages.last_mut().filter(fits) {
            Some(message) => message.append(of_person),
            None => messages.push(std::mem::take(of_person)),
        }
    };
    for one in sending {
        if of_person.last().is_some_and(|last| last.open.key.person != one.open.key.person) {
            put(&mut of_person);
        }
        of_person.push(one);
    }
    put(&mut of_person);
    messages
}

fn note_of_held(open: &Open, entry: &Entry, held: Held, at: Timestamp) -> Note {
    let Held { settlement, record_sha256, reference, times } = held;
    let Some(settlement) = settlement else {
        // It never came there: it is sent again.
        return note(open, DeliveryState::Waiting, at);
    };
    if settlement != entry.settlement || record_sha256 != entry.record_sha256 {
        let (hospital, settlement) = (&entry.hospital, &entry.settlement);
        tracing::warn!(%hospital, %settlement, "The insurance core has another settlement under its request id");
        let code = Some("CORE_HAS_ANOTHER".to_owned());
        return Note { code, reference, ..note(open, DeliveryState::Refused, at) };
    }
    if 1 < times {
        let (hospital, settlement) = (&entry.hospital, &entry.settlement);
        tracing::warn!(%hospital, %settlement, times, "The insurance core booked a settlement more than once");
    }
    let code = (1 < times).then(|| BOOKED_TWICE.to_owned());
    Note { code, reference, ..note(open, DeliveryState::Confirmed, at) }
}

fn note(open: &Open, state: DeliveryState, at: Timestamp) -> Note {
    let key = open.key.clone();
    Note { key, state, next_at: at, code: None, reference: None, tried: false }
}

pub(super) fn after(at: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause).ok().and_then(|pause| at.checked_add(pause).ok()).unwrap_or(at)
}

fn failed(step: &'static str) -> impl FnOnce(crate::store::StoreError) -> AppError {
    AppError::store(step)
}

/// An error with what led to it.
pub(super) fn chain_of(error: &dyn std::error::Error) -> String {
    // Only the first line of each: the database's details, on further lines, quote rows.
    let first = |error: &dyn std::error::Error| {
        error.to_string().lines().next().unwrap_or_default().to_owned()
    };
    let mut text = first(error);
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {}", first(cause)));
        source = cause.source();
    }
    text
}

async fn rest(stop: &CancellationToken, span: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(span) => {}
    }
}
