//! Takes changes of persons and their standing from the insurance core: in its order, by the same import as lists, from where it was.
//!
//! The cursor moves once a batch is durable. A batch that was taken and not noted is taken again, which changes nothing.

use std::convert::Infallible;

use super::{App, AppError, Caller, Role, now};
use crate::core_link::backoff;
use crate::core_link::changes::{Changed, CoverageChange, IdentityChange, PersonChange};
use crate::core_link::{CoreLink, CoreLinkError};
use crate::limits;
use crate::store::feed::{Feed, Rejected, feed, note_feed};
use crate::store::import::{
    BATCH_ROWS_MAX, Begin, Begun, CoverageRow, IdentityRow, Line, PersonRow, Reject, RowKind, Rows,
    Taken,
};

/// Why no more changes are taken for now.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("ask the core for changes")]
    Core(#[source] CoreLinkError),
    #[error("take changes of the core")]
    Here(#[source] AppError),
    /// Somebody else takes them too, or what was taken is not known: the cursor is read anew.
    #[error("another gateway takes changes of the core")]
    Elsewhere,
}

impl App {
    /// Takes changes for as long as it is let, where that is configured.
    pub(super) async fn pull(&self, core: &CoreLink) -> Infallible {
        let mut attempts: u32 = 0;
        loop {
            if core.tells_changes() {
                match self.pull_once(core, &mut attempts).await {
                    // It ended what never ends: it is opened again.
                    Ok(()) => {}
                    Err(error) => {
                        let error = super::deliver::chain_of(&error);
                        tracing::debug!(error, "No changes come from the insurance core");
                    }
                }
                attempts = attempts.saturating_add(1);
            }
            let pause = backoff::pause(attempts, self.random_u64().unwrap_or(0));
            tokio::time::sleep(pause).await;
        }
    }

    async fn pull_once(&self, core: &CoreLink, attempts: &mut u32) -> Result<(), Interrupted> {
        let store = |step| move |source| Interrupted::Here(AppError::Store { step, source });
        let Feed { mut cursor, .. } =
            feed(&self.pool).await.map_err(store("read how far the core told"))?;
        let mut changes = core.changes(&cursor).await.map_err(Interrupted::Core)?;
        while let Some(changed) = changes.next(BATCH_ROWS_MAX).await.map_err(Interrupted::Core)? {
            let last = changed.cursors().last().map_or(String::new(), |last| (*last).to_owned());
            let (count, rejected) = self.take_changes(&cursor, changed).await?;
            let noted = note_feed(&self.pool, (&cursor, &last), (count, &rejected), now().at);
            if !noted.await.map_err(store("note how far the core told"))? {
                return Err(Interrupted::Elsewhere);
            }
            if !rejected.is_empty() {
                tracing::warn!(
                    changes = rejected.len(),
                    "Changes of the insurance core could not be taken; onestop core status counts them"
                );
            }
            cursor = last;
            *attempts = 0;
        }
        Ok(())
    }

    /// Takes changes as a list; says how many they were, and which could not be taken.
    async fn take_changes(
        &self,
        after: &str,
        changed: Changed,
    ) -> Result<(usize, Vec<Rejected>), Interrupted> {
        let cursors: Vec<String> = changed.cursors().into_iter().map(str::to_owned).collect();
        let (kind, rows) = rows(changed);
        let today = self.now().day;
        let last = cursors.last().map_or("", String::as_str);
        // Cut otherwise, or on another day, it is another list.
        let named = format!("{after}\n{last}\n{}\n{today}", kind.word());
        let list = Begin {
            import_id: format!("core-{}", short_hash(&named)),
            kind,
            full: false,
            list_date: today,
            source: "insurance core".to_owned(),
            region: None,
        };
        let caller = Caller {
            name: "insurance-core".to_owned(),
            role: Role::Core,
            door: "core",
            purpose: None,
            deadline: None,
        };
        let (import, begun) = self.import(&caller, list).await.map_err(Interrupted::Here)?;
        let mut rejects: Vec<Reject> = Vec::new();
        match begun {
            Begun::From(0) => match import.take(0, &rows).await.map_err(Interrupted::Here)? {
                Taken::Durable(batch) => rejects = batch.rejects,
                Taken::Elsewhere(_) => return Err(Interrupted::Elsewhere),
            },
            // It was taken, and we ended before that was noted.
            Begun::From(_) | Begun::Finished(_) => {}
            Begun::Refused(_) => return Err(Interrupted::Elsewhere),
        }
        import.finish().await.map_err(Interrupted::Here)?;
        let rejected = rejects.into_iter().filter_map(|reject| {
            let place = usize::try_from(reject.line.checked_sub(1)?).ok()?;
            let cursor = cursors.get(place)?.clone();
            Some(Rejected { cursor, kind, reason: reject.reason, field: reject.field })
        });
        Ok((cursors.len(), rejected.collect()))
    }
}

/// Enough of a hash to name a list by.
fn short_hash(text: &str) -> String {
    let hash = super::answer::sha256(text.as_bytes());
    hash.iter().take(limits::CORE_LIST_NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn rows(changed: Changed) -> (RowKind, Rows) {
    match changed {
        Changed::Persons(all) => (RowKind::Person, Rows::Persons(lines(all, person))),
        Changed::Coverage(all) => (RowKind::Coverage, Rows::Coverage(lines(all, coverage))),
        Changed::Identities(all) => (RowKind::Identity, Rows::Identities(lines(all, identity))),
    }
}

fn lines<C, R>(all: Vec<(String, C)>, row: fn(C) -> R) -> Vec<Line<R>> {
    (1..).zip(all).map(|(line, (_, change))| Line { line, row: row(change) }).collect()
}

fn person(change: PersonChange) -> PersonRow {
    let PersonChange {
        identity_number,
        person_number,
        card_token,
        passport,
        mother_identity_number,
        name,
        birth_date,
    } = change;
    PersonRow {
        identity_number,
        person_number,
        card_token,
        passport,
        mother_identity_number,
        name,
        birth_date,
    }
}

fn coverage(change: CoverageChange) -> CoverageRow {
    let CoverageChange { credential, scheme, insured_region, valid_from, valid_to, facts } = change;
    CoverageRow { credential, scheme, insured_region, valid_from, valid_to, facts }
}

fn identity(change: IdentityChange) -> IdentityRow {
    let IdentityChange { credential, code, region, valid_from, valid_to } = change;
    IdentityRow { credential, code, region, valid_from, valid_to }
}
