//! What the registry says of everybody, as small as it goes: numbers in a few long lists, words once.
//!
//! Only of those who have used nothing yet is this all there is; of whoever has, what they used is read, and then they are held among
//! the recent ones.

use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::Credential;
use crate::domain::ids::{PersonId, RegionCode};
use crate::domain::standing::{Coverage, Identity, PersonSnapshot, Scheme, Standing};
use crate::store::row;

/// Days are counted from here, as PostgreSQL does.
pub(super) const EPOCH: Date = jiff::civil::date(2000, 1, 1);
/// No such day: an open end, or a birth nobody knows.
pub(super) const NO_DAY: i32 = i32::MIN;
/// Lists that are looked through by a hash are cut into so many parts, each of a handful.
const PARTS_BITS: u32 = 20;
/// Spans of so many persons are looked through from where those of the first of them begin.
const PERSONS_BESIDE: u32 = 16;
/// Kinds of credentials need so many bits of a person's place.
const KIND_SHIFT: u32 = 29;

/// Beside a standing's version: this person has used something.
const HAS_USED: u32 = 1 << 31;

/// A person's row.
#[derive(Clone, Copy, Debug)]
struct Person {
    person: i64,
    birth: i32,
    /// None, where the standing does not fit in here; `HAS_USED` beside it of who has a history.
    standing_version: u32,
}

/// A span of coverage, of the person at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct CoverageSpan {
    pub(super) place: u32,
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) region: u16,
    pub(super) facts: u16,
    pub(super) scheme: u16,
}

/// A span of an identity, of the person at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdentitySpan {
    pub(super) place: u32,
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) code: u16,
    pub(super) region: u16,
    pub(super) source: u16,
}

/// A credential and, in its last bits, its kind and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    hash: [u8; 16],
    whose: u32,
}

/// All persons, each at a place of its own.
#[derive(Debug, Default)]
pub(super) struct Heads {
    persons: Vec<Person>,
    parts: Vec<u32>,
}

/// Words, each once.
#[derive(Debug, Default)]
struct Words {
    words: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u16>,
}

/// Spans by place, with the words in them.
#[derive(Debug)]
pub(super) struct Spans<S> {
    spans: Vec<S>,
    begins: Vec<u32>,
    words: Words,
    /// Whose spans do not fit in here.
    unfit: Vec<u32>,
}

/// Credentials, by what is shown.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    shown: Vec<Shown>,
    parts: Vec<u32>,
}

/// The registry as of one moment.
#[derive(Debug)]
pub(super) struct Registry {
    heads: Heads,
    credentials: Credentials,
    coverage: Spans<CoverageSpan>,
    identities: Spans<IdentitySpan>,
    /// A bit for each person of whom more is to be known than is held here.
    outdated: Vec<AtomicU64>,
}

impl Heads {
    /// For so many, about.
    pub(super) fn with_capacity(persons: usize) -> Self {
        Self { persons: Vec::with_capacity(persons), parts: Vec::new() }
    }

    /// Adds a person: who has used something, or nothing yet. One whose version does not fit is known by credential alone.
    pub(super) fn add(&mut self, person: i64, birth: i32, version: i64, has_used: bool) {
        let fits = u32::try_from(version).ok().filter(|version| *version < HAS_USED);
        let mark = if has_used { HAS_USED } else { 0 };
        let standing_version = fits.map_or(0, |version| version | mark);
        self.persons.push(Person { person, birth, standing_version });
    }

    /// All of them, from halves.
    pub(super) fn of([one, other]: [Self; 2]) -> Self {
        let mut persons = one.persons;
        persons.extend(other.persons);
        persons.sort_unstable_by_key(|person| mixed(person.person));
        let parts = parts(&persons, |person| mixed(person.person));
        Self { persons, parts }
    }

    /// How many.
    pub(super) fn persons(&self) -> usize {
        self.persons.len()
    }

    /// Where a person is.
    fn place(&self, person: i64) -> Option<u32> {
        place_in(person, part(&self.persons, &self.parts, mixed(person))?)
    }

    /// Where so many persons are, in order. Every part is touched before any is searched: so they are waited for together, where one after
    /// the other each would be waited for alone.
    pub(super) fn places(&self, persons: &[i64]) -> Vec<Option<u32>> {
        let found = |person: &i64| part(&self.persons, &self.parts, mixed(*person));
        let parts: Vec<_> = persons.iter().map(found).collect();
        let firsts = parts.iter().flatten().filter_map(|(_, part)| part.first());
        std::hint::black_box(firsts.fold(0, |all, first| all ^ first.birth));
        parts.into_iter().zip(persons).map(|(part, person)| place_in(*person, part?)).collect()
    }

    fn at(&self, place: u32) -> Option<&Person> {
        self.persons.get(usize::try_from(place).ok()?)
    }
}

impl Words {
    /// A word's number; nothing once there are too many.
    fn number(&mut self, word: &str) -> Option<u16> {
        if let Some(number) = self.numbers.get(word) {
            return Some(*number);
        }
        let number = u16::try_from(self.words.len()).ok()?;
        self.words.push(word.into());
        self.numbers.insert(word.into(), number);
        Some(number)
    }

    fn text(&self, number: u16) -> Option<&str> {
        self.words.get(usize::from(number)).map(|word| &**word)
    }
}

impl<S> Spans<S> {
    /// For so many, about.
    pub(super) fn with_capacity(spans: usize) -> Self {
        Self {
            spans: Vec::with_capacity(spans),
            begins: Vec::new(),
            words: Words::default(),
            unfit: Vec::new(),
        }
    }

    /// A word's number; nothing once there are too many.
    pub(super) fn word(&mut self, word: &str) -> Option<u16> {
        self.words.number(word)
    }

    /// Adds a span of the person at a place, made from that place. None says that theirs do not fit in here.
    pub(super) fn add(&mut self, place: u32, span: Option<impl FnOnce(u32) -> S>) {
        match span {
            Some(at) => self.spans.push(at(place)),
            None => self.unfit.push(place),
        }
    }

    fn sorted(mut self, place: impl Fn(&S) -> u32) -> Self {
        self.begins = begins(&self.spans, place);
        self.words.numbers = HashMap::new();
        self.spans.shrink_to_fit();
        self
    }
}

// Sorted as the database gives them, so that what is decided, and why, does not depend on where it was read.

impl Spans<CoverageSpan> {
    /// All of them are there.
    pub(super) fn coverage(mut self) -> Self {
        self.spans.sort_unstable_by(|one, other| {
            let key = |span: &CoverageSpan| (span.place, scheme_word(span.scheme), span.from);
            key(one).cmp(&key(other))
        });
        self.sorted(|span| span.place)
    }
}

impl Spans<IdentitySpan> {
    /// All of them are there.
    pub(super) fn identities(mut self) -> Self {
        let words = &self.words;
        let word = |number| words.text(number).unwrap_or("");
        self.spans.sort_unstable_by(|one, other| {
            let key =
                |span: &IdentitySpan| (span.place, word(span.code), word(span.region), span.from);
            key(one).cmp(&key(other))
        });
        self.sorted(|span| span.place)
    }
}

impl Credentials {
    /// For so many, about.
    pub(super) fn with_capacity(credentials: usize) -> Self {
        Self { shown: Vec::with_capacity(credentials), parts: Vec::new() }
    }

    /// Adds one of the person at a place.
    pub(super) fn add(&mut self, (hash, kind): Credential, place: u32) {
        self.shown.push(Shown { hash, whose: place | (u32::from(kind) << KIND_SHIFT) });
    }

    /// All of them are there.
    pub(super) fn sorted(mut self) -> Self {
        self.shown.sort_unstable();
        self.parts = parts(&self.shown, |shown| head(&shown.hash));
        self.shown.shrink_to_fit();
        self
    }
}

impl Registry {
    /// Of parts that are each whole.
    pub(super) fn new(
        mut heads: Heads,
        credentials: Credentials,
        coverage: Spans<CoverageSpan>,
        identities: Spans<IdentitySpan>,
    ) -> Self {
        for place in coverage.unfit.iter().chain(&identities.unfit) {
            // Known by credential alone.
            let held = usize::try_from(*place).ok().and_then(|place| heads.persons.get_mut(place));
            if let Some(held) = held {
                held.standing_version = 0;
            }
        }
        let words = heads.persons.len().div_ceil(64);
        let outdated = std::iter::repeat_with(AtomicU64::default).take(words).collect();
        let registry = Self { heads, credentials, coverage, identities, outdated };
        for (place, person) in (0_u32..).zip(&registry.heads.persons) {
            if person.standing_version == 0 || person.standing_version & HAS_USED != 0 {
                registry.outdate_place(place);
            }
        }
        registry
    }

    // === Asking ===

    /// Whose a credential is, by place.
    pub(super) fn find(&self, (hash, kind): &Credential) -> Option<u32> {
        let Credentials { shown, parts } = &self.credentials;
        let (_, part) = part(shown, parts, head(hash))?;
        let is_it =
            |shown: &&Shown| shown.hash == *hash && shown.whose >> KIND_SHIFT == u32::from(*kind);
        part.iter().find(is_it).map(|shown| shown.whose & ((1 << KIND_SHIFT) - 1))
    }

    /// Who is at a place.
    pub(super) fn person(&self, place: u32) -> Option<PersonId> {
        PersonId::new(self.heads.at(place)?.person)
    }

    /// What is known of the person at a place; nothing where more is to be known.
    pub(super) fn snapshot(&self, place: u32) -> Option<PersonSnapshot> {
        if self.is_outdated(place) {
            return None;
        }
        Some(PersonSnapshot {
            standing: self.standing(place)?,
            ledger_version: 1,
            used: Vec::new(),
            stays: Vec::new(),
            newest: None,
        })
    }

    /// The version of the standing of the person at a place; nothing where it is not held.
    pub(super) fn version(&self, place: u32) -> Option<i64> {
        let held = self.heads.at(place)?;
        (held.standing_version != 0).then(|| i64::from(held.standing_version & !HAS_USED))
    }

    /// The standing of the person at a place, as of when the registry was read: right where its version still is.
    pub(super) fn standing(&self, place: u32) -> Option<Standing> {
        let held = self.heads.at(place)?;
        let version = self.version(place)?;
        let Spans { spans, begins, .. } = &self.coverage;
        let coverage = spans_of(spans, begins, place, |span| span.place)?;
        let Spans { spans, begins, .. } = &self.identities;
        let identities = spans_of(spans, begins, place, |span| span.place)?;
        Some(Standing {
            person: PersonId::new(held.person)?,
            version,
            birth: day(held.birth)?,
            coverage: coverage.map(|span| self.coverage_of(span)).collect::<Option<_>>()?,
            identities: identities.map(|span| self.identity_of(span)).collect::<Option<_>>()?,
        })
    }

    /// From now on more is to be known of this person than is held here.
    pub(super) fn outdate(&self, person: PersonId) {
        if let Some(place) = self.heads.place(person.get()) {
            self.outdate_place(place);
        }
    }

    /// The same, by place.
    pub(super) fn outdate_place(&self, place: u32) {
        if let Some(word) = self.outdated_word(place) {
            word.fetch_or(1 << (place % 64), Ordering::AcqRel);
        }
    }

    fn is_outdated(&self, place: u32) -> bool {
        self.outdated_word(place)
            .is_none_or(|word| word.load(Ordering::Acquire) & (1 << (place % 64)) != 0)
    }

    fn outdated_word(&self, place: u32) -> Option<&AtomicU64> {
        self.outdated.get(usize::try_from(place / 64).ok()?)
    }

    /// How many persons are held.
    pub(super) fn persons(&self) -> usize {
        self.heads.persons()
    }

    /// How many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        fn of<T>(list: &Vec<T>) -> usize {
            list.capacity().saturating_mul(size_of::<T>())
        }
        let Self { heads, credentials, coverage, identities, outdated } = self;
        let lists = [of(&heads.persons), of(&credentials.shown), of(&coverage.spans)];
        let begins = [&heads.parts, &credentials.parts, &coverage.begins, &identities.begins];
        let begins = begins.map(of);
        let rest = of(&identities.spans).saturating_add(of(outdated));
        lists.iter().chain(&begins).fold(rest, |sum, list| sum.saturating_add(*list))
    }

    fn coverage_of(&self, span: &CoverageSpan) -> Option<Coverage> {
        let text = |number| self.coverage.words.text(number);
        Some(Coverage {
            scheme: Scheme::from_word(scheme_word(span.scheme))?,
            region: RegionCode::new(text(span.region)?)?,
            valid_from: day(span.from)??,
            valid_to: day(span.to)?,
            facts: row::facts(text(span.facts)?)?,
        })
    }

    fn identity_of(&self, span: &IdentitySpan) -> Option<Identity> {
        let text = |number| self.identities.words.text(number);
        Some(Identity {
            code: text(span.code)?.to_owned(),
            region: RegionCode::new(text(span.region)?)?,
            valid_from: day(span.from)??,
            valid_to: day(span.to)?,
            source: text(span.source)?.to_owned(),
        })
    }
}

/// Where a person is who can only be in this part.
fn place_in(person: i64, (first, part): (usize, &[Person])) -> Option<u32> {
    let offset = part.iter().position(|held| held.person == person)?;
    u32::try_from(first.checked_add(offset)?).ok()
}

/// The number that stands for a scheme.
pub(super) fn scheme_number(word: &str) -> Option<u16> {
    Scheme::from_word(word).map(|scheme| match scheme {
        Scheme::Employee => 0,
        Scheme::Resident => 1,
    })
}

const fn scheme_word(number: u16) -> &'static str {
    match number {
        0 => Scheme::Employee.word(),
        _ => Scheme::Resident.word(),
    }
}

/// A day by its number; nothing inside where there is none, nothing at all where it is none that can be.
fn day(number: i32) -> Option<Option<Date>> {
    if number == NO_DAY {
        return Some(None);
    }
    EPOCH.checked_add(number.days()).ok().map(Some)
}

/// One to one, so that neighbours part.
const fn mixed(person: i64) -> u64 {
    let mut mixed = person.cast_unsigned();
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

/// The first bytes of a keyed hash, which are as good as random.
const fn head(hash: &[u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Where each part of a list that is sorted by `key` begins, and at last its length.
fn parts<T>(sorted: &[T], key: impl Fn(&T) -> u64) -> Vec<u32> {
    let count = 1_usize << PARTS_BITS;
    let mut begins = Vec::with_capacity(count.saturating_add(1));
    for (place, of) in (0_u32..).zip(sorted) {
        let part = usize::try_from(key(of) >> (64 - PARTS_BITS)).unwrap_or(0);
        while begins.len() <= part {
            begins.push(place);
        }
    }
    begins.resize(count.saturating_add(1), u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    begins
}

/// The part of a sorted list in which something of this key is, and where it begins.
fn part<'a, T>(sorted: &'a [T], begins: &[u32], key: u64) -> Option<(usize, &'a [T])> {
    let part = usize::try_from(key >> (64 - PARTS_BITS)).ok()?;
    let first = usize::try_from(*begins.get(part)?).ok()?;
    let end = usize::try_from(*begins.get(part.checked_add(1)?)?).ok()?;
    sorted.get(first..end).map(|part| (first, part))
}

/// Where, of a list that is sorted by place, the spans of every so many persons begin: a search through all of it would look at twenty
/// places in a memory that nobody has near.
fn begins<T>(sorted: &[T], place: impl Fn(&T) -> u32) -> Vec<u32> {
    let parts = sorted.last().map_or(0, |last| (place(last) / PERSONS_BESIDE).saturating_add(1));
    let mut begins = Vec::with_capacity(usize::try_from(parts).unwrap_or(0));
    for (at, span) in (0_u32..).zip(sorted) {
        let part = usize::try_from(place(span) / PERSONS_BESIDE).unwrap_or(0);
        while begins.len() <= part {
            begins.push(at);
        }
    }
    begins
}

/// The spans of the person at a place.
fn spans_of<'a, T>(
    sorted: &'a [T],
    begins: &[u32],
    place: u32,
    place_of: impl Fn(&T) -> u32,
) -> Option<impl Iterator<Item = &'a T>> {
    let part = usize::try_from(place / PERSONS_BESIDE).ok()?;
    // Behind the last one there is nobody who has any.
    let first =
        begins.get(part).map_or(Some(sorted.len()), |first| usize::try_from(*first).ok())?;
    let spans = sorted.get(first..)?.iter();
    Some(
        spans
            .map(move |span| (place_of(span), span))
            .skip_while(move |(at, _)| *at < place)
            .take_while(move |(at, _)| *at == place)
            .map(|(_, span)| span),
    )
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn heads(persons: impl IntoIterator<Item = i64>) -> Heads {
        let mut halves = [Heads::with_capacity(0), Heads::with_capacity(0)];
        for (person, half) in persons.into_iter().zip([0, 1, 1].into_iter().cycle()) {
            halves[half].add(person, NO_DAY, 1, false);
        }
        Heads::of(halves)
    }

    /// Whose spans do not fit in here is known by what they show, and by nothing else.
    #[test]
    fn whoever_does_not_fit_is_known_by_credential_alone() {
        let heads = heads([5, 6, 7]);
        let [five, six, seven] = [5, 6, 7].map(|person| heads.place(person).unwrap());
        let mut credentials = Credentials::with_capacity(0);
        for (place, byte) in [(five, 5), (six, 6), (seven, 7)] {
            credentials.add(([byte; 16], 1), place);
        }
        let mut coverage = Spans::with_capacity(0);
        coverage.add(five, None::<fn(u32) -> CoverageSpan>);
        let mut identities = Spans::with_capacity(0);
        identities.add(seven, None::<fn(u32) -> IdentitySpan>);
        let credentials = credentials.sorted();
        let held = Registry::new(heads, credentials, coverage.coverage(), identities.identities());
        for (place, byte, fits) in [(five, 5, false), (six, 6, true), (seven, 7, false)] {
            assert_eq!(held.find(&([byte; 16], 1)), Some(place));
            assert_eq!(held.version(place).is_some(), fits);
            assert_eq!(held.standing(place).is_some(), fits);
            assert_eq!(held.snapshot(place).is_some(), fits);
        }
    }

    proptest! {
        /// Many are found together as each is alone, and who is not there is not found.
        #[test]
        fn persons_are_found_together(there in proptest::collection::hash_set(0_i64..500, 0..400)) {
            let heads = heads(there.iter().copied());
            let asked: Vec<i64> = (0..500).collect();
            for (person, place) in asked.iter().zip(heads.places(&asked)) {
                prop_assert_eq!(place, heads.place(*person));
                let found = place.and_then(|place| heads.at(place)).map(|held| held.person);
                prop_assert_eq!(found, there.contains(person).then_some(*person));
            }
        }

        /// Whoever has spans has all of theirs, in their order, and nobody has another's.
        #[test]
        fn spans_are_found_by_place(mut places in vec(0_u32..200, 0..300), persons in 200_usize..400) {
            places.sort_unstable();
            let spans: Vec<(u32, usize)> = places.into_iter().zip(0..).collect();
            let begins = begins(&spans, |(place, _)| *place);
            for place in 0..=u32::try_from(persons).unwrap() {
                let found = spans_of(&spans, &begins, place, |(place, _)| *place).unwrap();
                let wanted = spans.iter().filter(|(of, _)| *of == place);
                prop_assert!(found.eq(wanted), "{place}");
            }
        }
    }
}
