//! Why something went wrong, for logs: the error and its causes, without what they quote.

use std::error::Error;

/// The error and its causes. Only the first line of each: the database's details, on further lines, quote rows.
pub(in crate::door) fn of(error: &dyn Error) -> String {
    let mut chain: Vec<String> = Vec::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().to_owned();
        if chain.last() != Some(&line) {
            chain.push(line);
        }
        next = error.source();
    }
    chain.join(": ")
}
