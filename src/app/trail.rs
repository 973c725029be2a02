//! Each read of a person's data leaves a record: who read it, by which door, what and, where they told, what for.
//!
//! A standing or a settlement that is looked up is answered once its record is durable. A quote, which is answered from memory, leaves
//! it in a bounded queue: it is durable within 200 ms, and when we stop all of them are written. A settlement or a reversal is its
//! own record.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use tracing::instrument;

use super::{Act, App, AppError, Caller, CredentialHash, Of, Refusal, shanghai_day_start};
use crate::domain::ids::{PersonId, SettlementId};
use crate::limits;
use crate::store::{self, Access, Listed, Place, Pool, StoreError, What};

/// Which days are asked about, in Asia/Shanghai; each end counts, and may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// From this day on.
    pub from: Option<Date>,
    /// Up to and with this day.
    pub to: Option<Date>,
}

/// Which of those who looked are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// On which days.
    pub days: Days,
    /// After which place in the list; nothing: from its beginning.
    pub after: Option<Place>,
    /// At most so many; nothing, or more than may be: as many as may be.
    pub most: Option<u32>,
}

impl App {
    /// Who looked at a person's data, oldest first, a page of them. Asking leaves a record too.
    #[instrument(name = "list accesses", skip_all)]
    pub async fn accesses(
        &self,
        caller: &Caller,
        credential: &CredentialHash,
        page: Page,
    ) -> Result<Listed, AppError> {
        accesses(&self.pool, caller, credential, page).await
    }

    /// Waits until the record of every read is durable, for as long as that may take when we stop; says whether it is.
    pub async fn finish(&self) -> bool {
        store::flush_accesses(&self.pool).await
    }

    /// Records what is about to be answered; durable when it returns.
    pub(super) async fn record_access(
        &self,
        caller: &Caller,
        person: PersonId,
        (what, settlement): (What, Option<&SettlementId>),
    ) -> Result<(), AppError> {
        let access = access(caller, person, (what, settlement));
        store::record_access(&self.pool, access).await.map_err(failed)
    }

    /// Has what is about to be answered recorded with others, a moment later.
    pub(super) async fn note_access(
        &self,
        caller: &Caller,
        person: PersonId,
        (what, settlement): (What, Option<&SettlementId>),
    ) -> Result<(), AppError> {
        let access = access(caller, person, (what, settlement));
        store::note_access(&self.pool, access).await.map_err(failed)
    }
}

/// The same for a command that runs beside servers.
pub async fn accesses(
    pool: &Pool,
    caller: &Caller,
    credential: &CredentialHash,
    page: Page,
) -> Result<Listed, AppError> {
    caller.allow(Act::ReadAccesses, Of::Anybody)?;
    let found = store::standing(pool, &credential.hash, credential.kind).await;
    let found = found.map_err(AppError::store("find a person"))?;
    let sees = |of: Of<'_>| caller.allow(Act::ReadAccesses, of).is_ok();
    // Whoever is another's is answered like one who is not there.
    let found = found.filter(|person| sees(Of::Person(person))).ok_or(Refusal::PersonUnknown)?;
    let person = found.standing.person;
    let Page { days, after, most } = page;
    let (begin, before) = days.span();
    // The place may be anybody's word; the days are what was asked for.
    let after = after.map_or(begin, |after| after.max(begin));
    let most = most.and_then(|most| usize::try_from(most).ok());
    let most = most.map_or(limits::ACCESSES_PAGE_MAX, |most| most.min(limits::ACCESSES_PAGE_MAX));
    let listed = store::accesses_of(pool, person, (after, before), most).await;
    let listed = listed.map_err(AppError::store("read who looked at a person's data"))?;
    let access = access(caller, person, (What::Accesses, None));
    store::record_access(pool, access).await.map_err(failed)?;
    Ok(listed)
}

/// Has a look at a settlement of somebody's recorded before it is told, also by a command on the database itself.
pub(super) async fn looked(
    pool: &Pool,
    caller: &Caller,
    person: PersonId,
    settlement: &SettlementId,
) -> Result<(), AppError> {
    let access = access(caller, person, (What::Settlement, Some(settlement)));
    store::record_access(pool, access).await.map_err(failed)
}

fn failed(source: StoreError) -> AppError {
    AppError::Store { step: "record who looks at a person's data", source }
}

fn access(
    caller: &Caller,
    person: PersonId,
    (what, settlement): (What, Option<&SettlementId>),
) -> Access {
    Access {
        person,
        at: super::now().at,
        caller_name: caller.name.clone(),
        caller_kind: caller.role.word().into(),
        door: caller.door.into(),
        what,
        settlement: settlement.cloned(),
        purpose: caller.purpose.clone(),
    }
}

impl Days {
    /// After a place in the list, past all that was before the first day, and before a moment.
    fn span(self) -> (Place, Timestamp) {
        let from = self.from.and_then(shanghai_day_start).unwrap_or(Timestamp::UNIX_EPOCH);
        let after = Place { at: from.checked_sub(1.microsecond()).unwrap_or(from), id: i64::MAX };
        let next = self.to.and_then(|day| day.checked_add(1.day()).ok());
        // A thousand years from now nobody has looked yet, and the database knows that day.
        let never = jiff::civil::date(3000, 1, 1);
        let before = shanghai_day_start(next.unwrap_or(never)).unwrap_or(Timestamp::MAX);
        (after, before)
    }
}

/// What a read is for, as a word of a closed kind: letters, `-` and `_`, so that it can hold nobody's number.
pub fn is_purpose(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_';
    begins && text.len() <= 40 && text.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_are_those_of_shanghai_and_both_ends_count() {
        let days = |from, to| {
            let (Place { at, id }, before) = Days { from, to }.span();
            assert_eq!(id, i64::MAX);
            (at, before)
        };
        // After the last access of the moment before.
        let (from, before) = days(Some(date(2024, 6, 30)), Some(date(2024, 6, 30)));
        assert_eq!(from.to_string(), "2024-06-29T15:59:59.999999Z");
        assert_eq!(before.to_string(), "2024-06-30T16:00:00Z");
        let (from, before) = days(None, None);
        assert_eq!(from.to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(before.to_string(), "2999-12-31T16:00:00Z");
    }

    #[test]
    fn a_purpose_is_a_word_without_digits() {
        let widest = "a".repeat(40);
        for good in ["audit", "complaint-review", "re_check", &widest] {
            assert!(is_purpose(good), "{good}");
        }
        let long = "a".repeat(41);
        for bad in ["", "-audit", "Audit", "audit 1", "p11010519491231002x", "审计", &long] {
            assert!(!is_purpose(bad), "{bad}");
        }
    }
}
