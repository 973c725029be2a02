//! Spans that succeed each other: an open one lasts until the next of its key begins, and none overlaps another.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::civil::Date;

/// Days, and what is said of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span<A> {
    pub(super) from: Date,
    pub(super) to: Option<Date>,
    pub(super) what: A,
}

/// A span as it is now, and as it was read.
#[derive(Clone, Debug)]
pub(super) struct Held<A> {
    pub(super) span: Span<A>,
    pub(super) was: Option<Span<A>>,
    /// Does this import list it?
    pub(super) listed: bool,
    was_listed: bool,
}

/// All spans that a batch concerns, by key and first day.
#[derive(Debug)]
pub(super) struct Spans<K, A> {
    held: BTreeMap<K, BTreeMap<Date, Held<A>>>,
}

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    Added,
    Changed,
    Unchanged,
    Overlaps,
}

impl<K: Ord, A: Clone + PartialEq> Spans<K, A> {
    pub(super) const fn new() -> Self {
        Self { held: BTreeMap::new() }
    }

    /// Takes what the database holds.
    pub(super) fn load(&mut self, key: K, span: Span<A>, listed: bool) {
        let held = Held { was: Some(span.clone()), listed, was_listed: listed, span };
        self.held.entry(key).or_default().insert(held.span.from, held);
    }

    /// Takes what a row says.
    pub(super) fn place(&mut self, key: K, mut span: Span<A>) -> Placed {
        let line = self.held.entry(key).or_default();
        let next = line
            .range((Bound::Excluded(span.from), Bound::Unbounded))
            .next()
            .map(|(from, _)| *from);
        if span.to.is_none() {
            // An open row says that it goes on, so that what succeeds it is on the list as well.
            let later = (Bound::Excluded(span.from), Bound::Unbounded);
            line.range_mut(later).for_each(|(_, held)| held.listed = true);
        }
        span.to = span.to.or_else(|| next.and_then(|next| next.yesterday().ok()));
        let reaches_next = next.is_some_and(|next| span.to.is_none_or(|to| next <= to));
        if let Some(held) = line.get_mut(&span.from) {
            held.listed = true;
            return match (held.span == span, reaches_next) {
                (true, _) => Placed::Unchanged,
                (false, true) => Placed::Overlaps,
                (false, false) => {
                    held.span = span;
                    Placed::Changed
                }
            };
        }
        if reaches_next {
            return Placed::Overlaps;
        }
        if let Some((_, before)) = line.range_mut(..span.from).next_back() {
            if before.span.to.is_some_and(|to| span.from <= to) {
                before.listed = true;
                return Placed::Overlaps;
            }
            if before.span.to.is_none() {
                before.span.to = span.from.yesterday().ok();
            }
        }
        line.insert(span.from, Held { span, was: None, listed: true, was_listed: false });
        Placed::Added
    }

    /// A row that could not be read names these keys: a full list must not end what it may well carry.
    pub(super) fn protect(&mut self, of: impl Fn(&K) -> bool) {
        for (_, line) in self.held.iter_mut().filter(|(key, _)| of(key)) {
            line.values_mut().for_each(|held| held.listed = true);
        }
    }

    /// Those that differ from what was read.
    pub(super) fn moved(&self) -> impl Iterator<Item = (&K, &Held<A>)> {
        self.all().filter(|(_, held)| held.was.as_ref() != Some(&held.span))
    }

    /// Those that do not differ, and that this import is the first full list to carry.
    pub(super) fn newly_listed(&self) -> impl Iterator<Item = (&K, &Held<A>)> {
        self.all().filter(|(_, held)| {
            held.listed && !held.was_listed && held.was.as_ref() == Some(&held.span)
        })
    }

    fn all(&self) -> impl Iterator<Item = (&K, &Held<A>)> {
        self.held.iter().flat_map(|(key, line)| line.values().map(move |held| (key, held)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        format!("2024-{text}").parse().unwrap()
    }

    /// Places rows of "from to what" one after the other, and prints what came of each and what stands in the end.
    fn check(held: &[&str], rows: &[&str], outcomes: &[Placed], stands: &[&str]) {
        let parse = |row: &&str| {
            let parts: Vec<_> = row.split(' ').collect();
            let to = (parts[1] != "-").then(|| day(parts[1]));
            Span { from: day(parts[0]), to, what: parts[2].to_owned() }
        };
        let mut spans = Spans::new();
        held.iter().for_each(|row| spans.load((), parse(row), false));
        let came: Vec<_> = rows.iter().map(|row| spans.place((), parse(row))).collect();
        assert_eq!(came, outcomes, "{rows:?}");
        let expected: Vec<_> = stands.iter().map(parse).collect();
        assert_eq!(
            spans.all().map(|(_, held)| held.span.clone()).collect::<Vec<_>>(),
            expected,
            "{rows:?}"
        );
    }

    #[test]
    fn spans_succeed_each_other() {
        use Placed::{Added, Changed, Overlaps, Unchanged};
        check(&[], &["01-01 - a"], &[Added], &["01-01 - a"]);
        check(&["01-01 - a"], &["01-01 - a"], &[Unchanged], &["01-01 - a"]);
        check(&["01-01 - a"], &["01-01 - b"], &[Changed], &["01-01 - b"]);
        check(&["01-01 - a"], &["01-01 03-31 a"], &[Changed], &["01-01 03-31 a"]);
        check(&["01-01 - a"], &["04-01 - b"], &[Added], &["01-01 03-31 a", "04-01 - b"]);
        // The same file once more: the open span is known to last until the next.
        check(
            &["01-01 03-31 a", "04-01 - b"],
            &["01-01 - a", "04-01 - b"],
            &[Unchanged, Unchanged],
            &["01-01 03-31 a", "04-01 - b"],
        );
        // In whatever order they come.
        check(&[], &["04-01 - b", "01-01 - a"], &[Added, Added], &["01-01 03-31 a", "04-01 - b"]);
        check(&["01-01 06-30 a"], &["04-01 - b"], &[Overlaps], &["01-01 06-30 a"]);
        check(&["04-01 - b"], &["01-01 04-01 a"], &[Overlaps], &["04-01 - b"]);
        check(
            &["01-01 03-31 a", "04-01 - b"],
            &["01-01 04-01 a"],
            &[Overlaps],
            &["01-01 03-31 a", "04-01 - b"],
        );
    }
}
