use super::super::convert::InvalidReason;
use super::*;
use crate::domain::ids::SettlementId;
use crate::door::budgets::Exceeded;
use crate::door::callers::Unknown;
use crate::door::tokens::TokenFault;

/// A status as a client reads it: code, reason, field, whether to come again, both languages.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "somebody else's enum; what we never send fails the test"
)]
fn read(unanswered: &Unanswered) -> (Code, String, Option<String>, bool, Vec<(String, String)>) {
    let status = to_status(unanswered, "Settle");
    let (mut reason, mut field, mut retry, mut languages) = (None, None, false, Vec::new());
    for detail in status.get_error_details_vec() {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                assert_eq!(info.domain, "onestop");
                reason = Some(info.reason);
            }
            ErrorDetail::BadRequest(bad) => field = Some(bad.field_violations[0].field.clone()),
            ErrorDetail::RetryInfo(info) => retry = info.retry_delay.is_some(),
            ErrorDetail::LocalizedMessage(text) => languages.push((text.locale, text.message)),
            other => panic!("{other:?}"),
        }
    }
    (status.code(), reason.unwrap(), field, retry, languages)
}

#[test]
fn every_error_says_who_must_act_and_how() {
    let check = |unanswered: Unanswered, code: Code, reason: &str, retry: bool| {
        let (had_code, had_reason, _, had_retry, languages) = read(&unanswered);
        assert_eq!((had_code, had_reason.as_str(), had_retry), (code, reason, retry));
        let locales: Vec<_> = languages.iter().map(|(locale, _)| locale.as_str()).collect();
        assert_eq!(locales, ["zh-CN", "en"]);
    };
    let app = |error: AppError| Unanswered::App(error);
    let invalid = Invalid { field: "request_id".to_owned(), reason: InvalidReason::Missing };
    check(invalid.into(), Code::InvalidArgument, "FIELD_MISSING", false);
    let reused = app(Refusal::RequestIdReused.into());
    check(reused, Code::AlreadyExists, "REQUEST_ID_REUSED", false);
    let unknown = app(Refusal::SettlementUnknown.into());
    check(unknown, Code::NotFound, "SETTLEMENT_UNKNOWN", false);
    check(app(AppError::Contended), Code::ResourceExhausted, "BUSY", true);
    check(app(AppError::RulesMoved), Code::Unavailable, "RULES_MOVED", true);
    check(app(AppError::Unbalanced), Code::Internal, "INTERNAL", false);
    let malformed =
        <crate::door::wire::settlement::v1::Bill as prost::Message>::decode(&[0x0a][..]);
    check(malformed.unwrap_err().into(), Code::InvalidArgument, "MESSAGE_MALFORMED", false);
    check(Unanswered::TooLarge(9), Code::InvalidArgument, "MESSAGE_TOO_LARGE", false);
    check(Unanswered::Panicked, Code::Internal, "INTERNAL", false);
    let unknown = |why| Unanswered::NotLetIn(NotLetIn::Unknown(why));
    check(unknown(Unknown::Nothing), Code::Unauthenticated, "CALLER_UNKNOWN", false);
    check(unknown(Unknown::Revoked), Code::Unauthenticated, "CERTIFICATE_REVOKED", false);
    check(unknown(Unknown::Name), Code::Unauthenticated, "CALLER_NOT_LISTED", false);
    let token = |fault| unknown(Unknown::Token(fault));
    check(token(TokenFault::OutOfTime), Code::Unauthenticated, "TOKEN_OUT_OF_TIME", false);
    check(token(TokenFault::Forged), Code::Unauthenticated, "TOKEN_INVALID", false);
    let exceeded = NotLetIn::Exceeded(Exceeded { retry: limits::RETRY_WHEN_BUSY });
    check(Unanswered::NotLetIn(exceeded), Code::ResourceExhausted, "BUDGET_EXCEEDED", true);
    let queued = AppError::DeadlinePassed.into();
    check(queued, Code::DeadlineExceeded, "DEADLINE_PASSED", false);
    check(Unanswered::DeadlinePassed, Code::DeadlineExceeded, "DEADLINE_PASSED", false);
}

#[test]
fn the_settlement_in_the_way_is_named_for_programs_and_people() {
    let newer = SettlementId::compose(1, 2, 3);
    let status = to_status(&Unanswered::App(Refusal::NotNewest(newer.clone()).into()), "Reverse");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains(newer.as_str()));
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["settlement_id"], newer.as_str());
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "settlement_id");
}

#[test]
fn a_fault_of_ours_tells_the_client_nothing_of_what_lies_behind_it() {
    let status = to_status(&Unanswered::App(AppError::PackageLost("abc".to_owned())), "Settle");
    assert!(!format!("{status:?}").contains("abc"));
}
