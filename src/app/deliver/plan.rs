//! What a round does with what is open: each person in order, and nothing past what stands in the way.

use jiff::Timestamp;

use super::note;
use crate::store::outbox::{DeliveryState, Note, Open};

/// What a round does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What the core is asked for.
    pub(super) ask: Vec<Open>,
    /// What is sent, persons one after the other and each in order.
    pub(super) send: Vec<Open>,
    /// What waits behind something else, so that it is not looked for again before its time.
    pub(super) settle: Vec<Note>,
}

/// Plans a round; `open` holds persons one after the other and each in order.
pub(super) fn plan(open: Vec<Open>, at: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for of_person in open.chunk_by(|one, other| one.key.person == other.key.person) {
        of_one(&mut plan, of_person, at);
    }
    plan
}

fn of_one(plan: &mut Plan, open: &[Open], at: Timestamp) {
    let unknown = open.iter().take_while(|one| one.state == DeliveryState::Unknown);
    let unknown_due: Vec<&Open> = unknown.clone().filter(|one| one.next_at <= at).collect();
    if open.first().is_some_and(|first| first.state == DeliveryState::Unknown) {
        // Asked for before anything of the person is sent; what follows is looked at again with the last of them.
        let last = unknown.map(|one| one.next_at).max();
        let known_at = last.filter(|last| at < *last).unwrap_or(at);
        plan.ask.extend(unknown_due.into_iter().cloned());
        if at < known_at {
            wait(plan, open, DeliveryState::Waiting, known_at);
        }
        return;
    }
    for (place, one) in open.iter().enumerate() {
        match one.state {
            DeliveryState::Waiting | DeliveryState::Held if one.next_at <= at => {
                plan.send.push(one.clone());
            }
            DeliveryState::Waiting | DeliveryState::Held | DeliveryState::Unknown => {
                return wait(plan, rest(open, place), DeliveryState::Waiting, one.next_at);
            }
            DeliveryState::Refused => {
                return wait(plan, rest(open, place), DeliveryState::Held, at);
            }
            // It is on its way: what came of it says how it goes on.
            DeliveryState::Sent | DeliveryState::Confirmed => return,
        }
    }
}

fn rest(open: &[Open], place: usize) -> &[Open] {
    open.get(place..).unwrap_or_default()
}

/// Whatever would be looked for again before `next_at` is not.
fn wait(plan: &mut Plan, open: &[Open], state: DeliveryState, next_at: Timestamp) {
    let behind = open.iter().filter(|one| one.state == DeliveryState::Waiting);
    let early = behind.filter(|one| one.next_at < next_at || state == DeliveryState::Held);
    plan.settle.extend(early.map(|one| note(one, state, next_at)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{PersonId, SettlementId};
    use crate::store::outbox::DeliveryKey;

    /// "7w" is something of person 7 that waits and is due; capitals are due later.
    fn check(open: &str, want: &str) {
        let at = Timestamp::from_second(1_000).unwrap();
        let open = open.split_whitespace().zip(0..).map(|(one, nth)| {
            let (person, state) = one.split_at(one.len() - 1);
            let due_s = if state.chars().all(char::is_uppercase) { 2_000 } else { 500 };
            let person = PersonId::new(person.parse().unwrap()).unwrap();
            let settlement = SettlementId::compose(person.bucket(), nth, 0);
            let state = *DeliveryState::ALL
                .iter()
                .find(|of| of.word().starts_with(&state.to_lowercase()))
                .unwrap();
            let next_at = Timestamp::from_second(due_s).unwrap();
            Open { key: DeliveryKey { person, settlement }, state, attempts: 0, next_at }
        });
        let Plan { ask, send, settle } = plan(open.collect(), at);
        let nth = |key: &DeliveryKey| key.settlement.parts().unwrap().1;
        let mut said: Vec<String> = Vec::new();
        said.extend(ask.iter().map(|open| format!("ask {}", nth(&open.key))));
        said.extend(send.iter().map(|open| format!("send {}", nth(&open.key))));
        said.extend(settle.iter().map(|note| {
            format!("{} {} {}", note.state.word(), nth(&note.key), note.next_at.as_second())
        }));
        assert_eq!(said.join(", "), want);
    }

    #[test]
    fn persons_go_in_order_and_what_stands_in_the_way_holds_the_rest() {
        check("", "");
        check("7w 7w 8w", "send 0, send 1, send 2");
        // What nobody knows of is asked for first.
        check("7u 7w 8w", "ask 0, send 2");
        check("7u 7u 7w", "ask 0, ask 1");
        check("7U 7w 8w", "send 2, waiting 1 2000");
        check("7w 7W 7w", "send 0, waiting 2 2000");
        check("7w 7u", "send 0");
        // A dead letter holds what comes after it, and nobody else.
        check("7r 7w 7W 8w", "send 3, held 1 1000, held 2 1000");
        check("7r 7h 7w", "held 2 1000");
        // What was held behind one that is there no more goes on.
        check("7h 7w", "send 0, send 1");
        check("7s 7w", "");
    }
}
