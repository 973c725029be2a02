//! Those who were here lately, packed, in two generations: when the younger is full it becomes the older, and who was in the older and
//! not seen since is let go.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Credential;
use super::packed::{Packed, Words, pack, unpack};
use crate::domain::ids::PersonId;
use crate::domain::standing::PersonSnapshot;
use crate::limits;

/// What is held of them, all under one lock.
#[derive(Debug, Default)]
pub(super) struct Recent {
    younger: Generation,
    older: Generation,
    words: Words,
    /// Persons as they will be once what is on its way is written: on them the next settlement is decided, and on nothing else.
    pub(super) ahead: HashMap<PersonId, Arc<PersonSnapshot>>,
    /// Changed while the registry is read: what it says of them is not to be believed.
    pub(super) touched: Option<Vec<PersonId>>,
    /// Everybody may have changed while it is read.
    pub(super) spoiled: bool,
}

#[derive(Debug, Default)]
struct Generation {
    persons: HashMap<PersonId, Packed>,
    /// Only of those whom the registry does not know.
    credentials: HashMap<Credential, PersonId>,
    weight: usize,
}

impl Recent {
    /// Whose a credential is.
    pub(super) fn person_of(&mut self, credential: &Credential) -> Option<PersonId> {
        if let Some(person) = self.younger.credentials.get(credential) {
            return Some(*person);
        }
        let person = self.older.credentials.remove(credential)?;
        self.shows(*credential, person);
        Some(person)
    }

    /// From now on it is known whose a credential is.
    pub(super) fn shows(&mut self, credential: Credential, person: PersonId) {
        let known = self.younger.credentials.insert(credential, person);
        let more = if known.is_none() { CREDENTIAL_WEIGHT } else { 0 };
        self.younger.weight = self.younger.weight.saturating_add(more);
    }

    /// A person with all they have used.
    pub(super) fn get(&mut self, person: PersonId) -> Option<PersonSnapshot> {
        if !self.younger.persons.contains_key(&person) {
            let packed = self.older.take(person)?;
            self.keep(person, packed);
        }
        unpack(self.younger.persons.get(&person)?, &self.words)
    }

    /// Keeps a person as they now are.
    pub(super) fn put(&mut self, known: &PersonSnapshot) {
        let person = known.standing.person;
        self.take(person);
        if let Some(packed) = pack(known, &mut self.words) {
            self.keep(person, packed);
        }
    }

    /// Lets go of a person.
    pub(super) fn take(&mut self, person: PersonId) {
        for generation in [&mut self.younger, &mut self.older] {
            generation.take(person);
        }
    }

    /// The registry that is being read is of before this person changed.
    pub(super) fn touch(&mut self, person: PersonId) {
        if let Some(touched) = &mut self.touched {
            touched.push(person);
        }
    }

    /// Lets go of everybody.
    pub(super) fn clear(&mut self) {
        self.ahead = HashMap::new();
        self.younger = Generation::default();
        self.older = Generation::default();
    }

    /// How many persons are held, and what they take, about.
    pub(super) fn held(&self) -> (usize, usize) {
        [&self.younger, &self.older].into_iter().fold(
            (0, 0),
            |(persons, bytes): (usize, usize), generation| {
                (
                    persons.saturating_add(generation.persons.len()),
                    bytes.saturating_add(generation.weight),
                )
            },
        )
    }

    fn keep(&mut self, person: PersonId, packed: Packed) {
        if limits::RECENT_PERSONS_BYTES_MAX / 2 <= self.younger.weight {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.weight = self.younger.weight.saturating_add(weight(&packed));
        self.younger.persons.insert(person, packed);
    }
}

impl Generation {
    fn take(&mut self, person: PersonId) -> Option<Packed> {
        let taken = self.persons.remove(&person)?;
        self.weight = self.weight.saturating_sub(weight(&taken));
        Some(taken)
    }
}

/// What a credential takes in memory, about.
const CREDENTIAL_WEIGHT: usize = 48;

/// What a person takes in memory, about: the bytes, and their place in a table of which up to half is empty.
fn weight(packed: &Packed) -> usize {
    packed.len().saturating_add(56)
}
