//! Persons in memory, so that most decisions need not read: what the registry says of everybody, and all of those who were here
//! lately.
//!
//! What is held may be behind: another gateway writes too. So a settlement that was decided on it is verified by its commit, which
//! compares the versions, and nothing is declined or refused on it. What this process itself changes is changed or let go here before
//! whoever asked for it is told.

mod load;
mod near;
mod packed;
mod recent;
mod registry;

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
// Only looked into, never walked through: no order of theirs reaches an answer.
use hashbrown::{DefaultHashBuilder, HashSet};

use self::recent::Recent;
use self::registry::Registry;
use super::commit::Seen;
use super::pool::Pool;
use crate::domain::ids::{HospitalCode, PersonId, RequestId};
use crate::domain::ledger::Entry;
use crate::domain::standing::{PersonSnapshot, Standing};
use crate::limits;

pub(super) use self::load::spawn as load;
pub use self::near::bring_near;

/// What a patient shows, as it is looked for: enough of its keyed hash that no two are alike, and its kind.
type Credential = ([u8; 16], u8);

/// Where persons are held.
#[derive(Debug, Default)]
pub(super) struct Persons {
    registry: ArcSwapOption<Registry>,
    recent: Mutex<Recent>,
    /// Grows whenever something held may have become wrong.
    changes: AtomicU64,
    /// Grows whenever somebody is let go: what was read of them before may be of before.
    dropped: AtomicU64,
    requests: Mutex<Requests>,
    loading: AtomicBool,
    /// How many persons were read since the registry was whom it does not have as they are.
    missed: AtomicUsize,
    /// Was the registry ever asked for?
    wanted: AtomicBool,
    /// Was what first visits read ever brought near?
    near: AtomicBool,
}

/// Request ids that were used up lately, as hashes: who comes with one of them again is better read than decided in vain.
#[derive(Debug, Default)]
struct Requests {
    hasher: DefaultHashBuilder,
    younger: HashSet<u64>,
    older: HashSet<u64>,
}

/// What is held of all persons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonsHeld {
    /// Persons of the registry that are held.
    pub registered: usize,
    /// Persons held with all they have used.
    pub recent: usize,
    /// Bytes of all of it, about.
    pub bytes: usize,
}

impl Persons {
    /// A person as far as is known; `ahead` for whoever is told by a commit whether it was right: as they will be once what is on
    /// its way is written.
    pub(super) fn known(
        &self,
        (hash, kind): (&[u8; 32], u8),
        ahead: bool,
    ) -> Option<Arc<PersonSnapshot>> {
        let credential = short(hash, kind);
        let registry = self.registry.load();
        let place = registry.as_ref().and_then(|registry| registry.find(&credential));
        let mut recent = self.lock();
        let person = match (&*registry, place) {
            (Some(registry), Some(place)) => registry.person(place),
            (Some(_) | None, _) => recent.person_of(&credential),
        }?;
        if let Some(known) = recent.ahead.get(&person).filter(|_| ahead) {
            return Some(Arc::clone(known));
        }
        if let Some(known) = recent.get(person) {
            return Some(Arc::new(known));
        }
        drop(recent);
        let (registry, place) = (registry.as_ref()?, place?);
        registry.snapshot(place).map(Arc::new)
    }

    /// Who shows this, and their standing when the registry was read.
    pub(super) fn standing(&self, (hash, kind): (&[u8; 32], u8)) -> Option<Standing> {
        let registry = self.registry.load();
        let registry = registry.as_ref()?;
        registry.standing(registry.find(&short(hash, kind))?)
    }

    /// How far changes have come; to be asked before what is read is read.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// How often somebody was let go; to be asked before who is to be kept is read.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Acquire)
    }

    /// Keeps a person as just read, unless somebody changed meanwhile.
    pub(super) fn learn(
        &self,
        (hash, kind): (&[u8; 32], u8),
        read: &Arc<PersonSnapshot>,
        (changes, dropped): (u64, u64),
    ) {
        let credential = short(hash, kind);
        let registry = self.registry.load();
        let place = registry.as_ref().and_then(|registry| registry.find(&credential));
        if let Some(registry) = &*registry {
            let held = place.and_then(|place| registry.version(place));
            if held != Some(read.standing.version) {
                self.missed.fetch_add(1, Ordering::AcqRel);
            }
        }
        let mut recent = self.lock();
        if (self.changes(), self.dropped()) != (changes, dropped) {
            return;
        }
        let older = |held: PersonSnapshot| {
            read.ledger_version < held.ledger_version
                || read.standing.version < held.standing.version
        };
        if recent.get(read.standing.person).is_some_and(older) {
            return;
        }
        recent.put(read);
        if place.is_none() {
            recent.shows(credential, read.standing.person);
        }
    }

    /// Are so many of those who come others than the registry in memory has, or changed since, that it is to be read again? An import
    /// leaves that behind.
    pub(super) fn is_behind(&self) -> bool {
        let registry = self.registry.load();
        let Some(registry) = &*registry else { return false };
        let share = registry.persons() / limits::REGISTRY_BEHIND_SHARE;
        share.max(limits::REGISTRY_BEHIND_MIN) <= self.missed.load(Ordering::Acquire)
    }

    /// Was this request used up lately, as far as is known?
    pub(super) fn was_seen(&self, hospital: &HospitalCode, request: Option<&RequestId>) -> bool {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        request.is_some_and(|request| {
            let hash = requests.hasher.hash_one((hospital, request));
            requests.younger.contains(&hash) || requests.older.contains(&hash)
        })
    }

    /// From now on this request is known to be used up.
    pub(super) fn use_up(&self, hospital: &HospitalCode, request: &RequestId) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if limits::RECENT_REQUESTS_MAX / 2 <= requests.younger.len() {
            requests.older = std::mem::take(&mut requests.younger);
        }
        let hash = requests.hasher.hash_one((hospital, request));
        requests.younger.insert(hash);
    }

    /// An entry that was decided on this person is on its way: the next one is decided on what it will make of them.
    pub(super) fn go_ahead(&self, entry: &Entry, seen: Seen) {
        let Seen { mut person, changes, .. } = seen;
        let mut recent = self.lock();
        // Taken out first: whoever holds the only one moves it without a copy.
        recent.ahead.remove(&entry.person);
        if self.changes() == changes && Arc::make_mut(&mut person).move_by(entry) {
            recent.ahead.insert(entry.person, person);
        }
    }

    /// An entry is written: so is what was ahead, unless more is on its way.
    pub(super) fn written(&self, entry: &Entry) {
        let mut recent = self.lock();
        self.outdate(&mut recent, entry.person);
        recent.take(entry.person);
        // Not what something else that was decided at the same moment would have made of them.
        let whole = |known: &Arc<PersonSnapshot>| known.newest.as_ref() == Some(&entry.settlement);
        if recent.ahead.get(&entry.person).is_some_and(whole)
            && let Some(known) = recent.ahead.remove(&entry.person)
        {
            recent.put(&known);
        } else {
            self.dropped.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// An entry was not written, or nobody knows: the person must be read.
    pub(super) fn failed(&self, entry: &Entry) {
        let mut recent = self.lock();
        self.outdate(&mut recent, entry.person);
        recent.ahead.remove(&entry.person);
        recent.take(entry.person);
        self.dropped.fetch_add(1, Ordering::AcqRel);
    }

    /// The registry as it is, and the one that is being read, know less of this person than there is. Under the lock: a registry comes
    /// into its place under it.
    fn outdate(&self, recent: &mut Recent, person: PersonId) {
        if let Some(registry) = &*self.registry.load() {
            registry.outdate(person);
        }
        recent.touch(person);
    }

    /// Lets go of persons that were changed.
    pub(super) fn forget(&self, persons: impl IntoIterator<Item = PersonId>) {
        let mut recent = self.lock();
        self.changes.fetch_add(1, Ordering::AcqRel);
        for person in persons {
            self.outdate(&mut recent, person);
            recent.ahead.remove(&person);
            recent.take(person);
        }
    }

    /// Lets go of everybody, and reads the registry again where it was held.
    pub(super) fn forget_all(&self, pool: &Pool) {
        {
            let mut recent = self.lock();
            self.changes.fetch_add(1, Ordering::AcqRel);
            recent.clear();
            if recent.touched.is_some() {
                // What is being read now is of before.
                recent.spoiled = true;
            }
            self.registry.store(None);
        }
        if self.wanted.load(Ordering::Acquire) {
            load(pool);
        }
    }

    /// What is held.
    pub(super) fn held(&self) -> PersonsHeld {
        let (registered, bytes) =
            self.registry.load().as_ref().map_or((0, 0), |held| (held.persons(), held.bytes()));
        let (recent, recent_bytes) = self.lock().held();
        PersonsHeld { registered, recent, bytes: bytes.saturating_add(recent_bytes) }
    }

    /// Is it the first time that somebody asks for what first visits read to be brought near?
    fn is_far(&self) -> bool {
        !self.near.swap(true, Ordering::AcqRel)
    }

    /// From now on who changes is remembered, until the registry that is being read is there.
    fn begin_load(&self) -> bool {
        self.wanted.store(true, Ordering::Release);
        let first = !self.loading.swap(true, Ordering::AcqRel);
        if first {
            self.lock().touched = Some(Vec::new());
            self.missed.store(0, Ordering::Release);
        }
        first
    }

    /// Puts a registry in place, without those who changed while it was read; or gives up.
    /// True where it must be read again.
    fn end_load(&self, registry: Option<Registry>) -> bool {
        let mut recent = self.lock();
        let touched = recent.touched.take().unwrap_or_default();
        let spoiled = std::mem::take(&mut recent.spoiled);
        if let (Some(registry), false) = (registry, spoiled) {
            touched.into_iter().for_each(|person| registry.outdate(person));
            self.registry.store(Some(Arc::new(registry)));
        }
        self.loading.store(false, Ordering::Release);
        spoiled
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        // Nothing in here can panic half way.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn short(hash: &[u8; 32], kind: u8) -> Credential {
    let mut short = [0; 16];
    short.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    (short, kind)
}
