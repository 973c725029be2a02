//! The list of everything a client can be told: from the tables that the doors themselves speak by.

use super::national;
use super::words::{self, advice};
use crate::app::registry::RejectReason;

pub use super::words::advice::{Again, Done};

/// A code, what it means, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    /// Stable: the reason in `google.rpc.ErrorInfo`, in `Declined`, or of a row.
    pub word: &'static str,
    /// The national door's codes of the same; none where it never says it.
    pub national: Vec<String>,
    /// Where it is said.
    pub said: Said,
    /// Meaning and what to do, Chinese and English.
    pub meaning: (&'static str, &'static str),
    /// Was anything done?
    pub done: Done,
    /// May it be sent again?
    pub again: Again,
}

/// Where a code is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// As an answer or an error of a call.
    OfACall,
    /// Of a row of an import, whose other rows are taken.
    OfARow,
    /// By a command at the machine, or in the server's log.
    OfACommand,
}

/// Every code: those of calls, then those of rows, then those of commands.
pub fn list() -> Vec<Coded> {
    let calls = words::all().filter_map(|word| {
        let words::Words { zh, en } = words::of(word);
        let advice::Advice { done, again } = advice::of(word)?;
        let national = national::codes::all_of(word);
        Some(Coded { word, national, said: Said::OfACall, meaning: (zh, en), done, again })
    });
    let rows = RejectReason::ALL.into_iter().map(|reason| Coded {
        word: reason.name(),
        national: Vec::new(),
        said: Said::OfARow,
        meaning: reason.texts(),
        done: Done::Nothing,
        again: Again::OnceMended,
    });
    let commands = words::commands::TABLE.iter().map(|(word, zh, en, done, again)| Coded {
        word,
        national: Vec::new(),
        said: Said::OfACommand,
        meaning: (zh, en),
        done: *done,
        again: *again,
    });
    calls.chain(rows).chain(commands).collect()
}

impl Done {
    /// Chinese and English.
    pub const fn texts(self) -> (&'static str, &'static str) {
        let words::Words { zh, en } = self.words();
        (zh, en)
    }
}

impl Again {
    /// Chinese and English.
    pub const fn texts(self) -> (&'static str, &'static str) {
        let words::Words { zh, en } = self.words();
        (zh, en)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_a_door_can_say_is_in_the_list() {
        let list = list();
        let calls: Vec<_> = list.iter().filter(|coded| coded.said == Said::OfACall).collect();
        // The words' own test sees that none is missing there.
        let words: Vec<&str> = calls.iter().map(|coded| coded.word).collect();
        assert_eq!(words, words::all().collect::<Vec<_>>());
        let codes: Vec<&String> = calls.iter().flat_map(|coded| &coded.national).collect();
        let once: BTreeSet<&String> = codes.iter().copied().collect();
        assert_eq!(once.len(), codes.len(), "a code of two words");
        for code in ["OS-ENV-004", "OS-INP-004", "OS-DEC-019", "OS-REF-018", "OS-SYS-006"] {
            assert!(codes.iter().any(|known| *known == code), "{code}");
        }
        assert!(!codes.iter().any(|code| *code == "OS-SYS-999"));
    }
}
