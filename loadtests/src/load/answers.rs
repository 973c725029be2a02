//! What an answer says, read no further than needed: its kind, and the settlement's id.
use std::borrow::Cow;

use bytes::Bytes;
use onestop::door::wire::settlement::v1 as wire;
use prost::Message as _;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::scenario::Ask;

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// "settled", "repeat", "quoted", "reversed", "tombstone", "moved", "declined REASON", "refused CODE REASON".
    pub word: Cow<'static, str>,
    /// Of the settlement, where there is one.
    pub settlement_id: Option<String>,
    /// For people, where something is unexpected.
    pub message: String,
}

/// As many fields of the contract's messages as we look at; the others are passed over.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    settlement: Option<Named>,
    #[prost(message, optional, tag = "2")]
    other: Option<Named>,
    #[prost(message, optional, tag = "3")]
    moved: Option<Nothing>,
    #[prost(bool, tag = "4")]
    repeat: bool,
}

/// A reversal's answer has its "repeat" where a settlement's has what moved.
#[derive(Clone, PartialEq, prost::Message)]
struct ReverseAnswer {
    #[prost(message, optional, tag = "1")]
    reversal: Option<Named>,
    #[prost(message, optional, tag = "2")]
    tombstone: Option<Nothing>,
    #[prost(bool, tag = "3")]
    repeat: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct QuoteAnswer {
    #[prost(message, optional, tag = "1")]
    quoted: Option<Nothing>,
    #[prost(message, optional, tag = "2")]
    declined: Option<Named>,
}

/// `Settlement.settlement_id` and `Declined.reason` are both field 1.
#[derive(Clone, PartialEq, prost::Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

impl Class {
    fn plain(word: impl Into<Cow<'static, str>>) -> Class {
        Class { word: word.into(), settlement_id: None, message: String::new() }
    }

    fn of_settlement(word: &'static str, named: Named) -> Class {
        Class { settlement_id: Some(named.name), ..Class::plain(word) }
    }

    /// The class that is meant to come of what was asked.
    pub fn expected(&self, ask: Ask) -> bool {
        let expected = match ask {
            Ask::Quote => "quoted",
            Ask::Settle => "settled",
            Ask::Repeat => "repeat",
            Ask::Reverse => "reversed",
        };
        self.word == expected
    }

    /// What an answer, or a refusal, comes to.
    pub fn of(ask: Ask, answer: &Result<Bytes, Status>) -> Class {
        match answer {
            Ok(bytes) => Class::of_answer(ask, bytes).unwrap_or_else(|error| Class {
                message: error.to_string(),
                ..Class::plain("unreadable")
            }),
            Err(status) => Class::of_refusal(status),
        }
    }

    fn of_answer(ask: Ask, bytes: &[u8]) -> Result<Class, prost::DecodeError> {
        let declined = |named: Named| Class::plain(format!("declined {}", named.name));
        Ok(match ask {
            Ask::Quote => match QuoteAnswer::decode(bytes)? {
                QuoteAnswer { quoted: Some(_), .. } => Class::plain("quoted"),
                QuoteAnswer { declined: Some(named), .. } => declined(named),
                QuoteAnswer { quoted: None, declined: None } => Class::plain("empty"),
            },
            Ask::Settle | Ask::Repeat => match Answer::decode(bytes)? {
                Answer { settlement: Some(named), repeat, .. } => {
                    Class::of_settlement(if repeat { "repeat" } else { "settled" }, named)
                }
                Answer { other: Some(named), .. } => declined(named),
                Answer { moved: Some(_), .. } => Class::plain("moved"),
                Answer { settlement: None, other: None, moved: None, .. } => Class::plain("empty"),
            },
            Ask::Reverse => match ReverseAnswer::decode(bytes)? {
                ReverseAnswer { reversal: Some(named), repeat, .. } => {
                    let word = if repeat { "repeated reversal" } else { "reversed" };
                    Class::of_settlement(word, named)
                }
                ReverseAnswer { tombstone: Some(_), .. } => Class::plain("tombstone"),
                ReverseAnswer { reversal: None, tombstone: None, .. } => Class::plain("empty"),
            },
        })
    }

    fn of_refusal(status: &Status) -> Class {
        let reason = status.get_details_error_info().map_or(String::new(), |info| info.reason);
        let word = format!("refused {:?} {reason}", status.code()).trim_end().to_owned();
        Class { message: status.message().to_owned(), ..Class::plain(word) }
    }
}

/// Decodes an answer whole and adds its amounts up. What does not hold is named.
pub fn check(ask: Ask, bytes: &[u8]) -> Result<(), String> {
    let unreadable = |error: prost::DecodeError| format!("unreadable: {error}");
    let breakdown = match ask {
        Ask::Quote => match wire::QuoteResponse::decode(bytes).map_err(unreadable)?.outcome {
            Some(wire::quote_response::Outcome::Quoted(quoted)) => quoted.breakdown,
            Some(wire::quote_response::Outcome::Declined(_)) | None => return Ok(()),
        },
        Ask::Settle | Ask::Repeat => {
            match wire::SettleResponse::decode(bytes).map_err(unreadable)?.outcome {
                Some(wire::settle_response::Outcome::Settlement(settlement)) => {
                    settlement.breakdown
                }
                Some(
                    wire::settle_response::Outcome::Declined(_)
                    | wire::settle_response::Outcome::QuoteMoved(_),
                )
                | None => return Ok(()),
            }
        }
        Ask::Reverse => match wire::ReverseResponse::decode(bytes).map_err(unreadable)?.outcome {
            Some(wire::reverse_response::Outcome::Reversal(reversal)) => reversal.breakdown,
            Some(wire::reverse_response::Outcome::Tombstone(_)) | None => return Ok(()),
        },
    };
    let Some(breakdown) = breakdown else { return Err("no breakdown".to_owned()) };
    match crate::report::identities(&breakdown).into_iter().find(|(_, holds)| !holds) {
        Some((name, _)) => Err(format!("does not hold: {name}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(repeat: bool) -> Bytes {
        let settlement =
            wire::Settlement { settlement_id: "S1".to_owned(), ..wire::Settlement::default() };
        let outcome = Some(wire::settle_response::Outcome::Settlement(settlement));
        wire::SettleResponse { outcome, repeat, notices: Vec::new() }.encode_to_vec().into()
    }

    fn check_word(ask: Ask, answer: &Result<Bytes, Status>, word: &str, expected: bool) {
        let class = Class::of(ask, answer);
        assert_eq!((&*class.word, class.expected(ask)), (word, expected));
    }

    #[test]
    fn answers_are_classed() {
        check_word(Ask::Settle, &Ok(settled(false)), "settled", true);
        check_word(Ask::Settle, &Ok(settled(true)), "repeat", false);
        check_word(Ask::Repeat, &Ok(settled(true)), "repeat", true);
        let declined = wire::Declined { reason: "NOT_COVERED".to_owned(), ..Default::default() };
        let outcome = Some(wire::quote_response::Outcome::Declined(declined));
        let bytes = wire::QuoteResponse { outcome }.encode_to_vec().into();
        check_word(Ask::Quote, &Ok(bytes), "declined NOT_COVERED", false);
        let tombstone = wire::reverse_response::Outcome::Tombstone(wire::Tombstone::default());
        let reversed = wire::ReverseResponse { outcome: Some(tombstone), repeat: true };
        check_word(Ask::Reverse, &Ok(reversed.encode_to_vec().into()), "tombstone", false);
        let refused = Err(Status::resource_exhausted("busy"));
        check_word(Ask::Settle, &refused, "refused ResourceExhausted", false);
        check_word(Ask::Settle, &Ok(Bytes::from_static(b"\xff\xff")), "unreadable", false);
        assert_eq!(
            Class::of(Ask::Settle, &Ok(settled(false))).settlement_id.as_deref(),
            Some("S1")
        );
    }

    #[test]
    fn amounts_that_do_not_add_up_are_named() {
        let breakdown = wire::Breakdown { total_fen: 1, ..Default::default() };
        let settlement =
            wire::Settlement { breakdown: Some(breakdown), ..wire::Settlement::default() };
        let outcome = Some(wire::settle_response::Outcome::Settlement(settlement));
        let bytes = wire::SettleResponse { outcome, ..Default::default() }.encode_to_vec();
        assert!(check(Ask::Settle, &bytes).unwrap_err().contains("total ="));
        assert!(check(Ask::Settle, &settled(false)).unwrap_err().contains("no breakdown"));
    }
}
