//! What went wrong, and what the hospital is told of it: a stable code in front of a text in both languages. The one place where
//! faults become answers, and where they are logged, once.

use axum::http::StatusCode;

use super::codes;
use super::field::{Invalid, InvalidReason};
use super::words;
use crate::app::{AppError, ErrorKind, Moved, Refusal};
use crate::domain::ids::LineId;
use crate::domain::verdict::Decline;
use crate::door::cause;

/// Why a message was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// A field of the envelope.
    Envelope(Invalid),
    /// A field of its input.
    Input(Invalid),
    /// What has a word of its own, and no field.
    Plain(&'static str),
    /// The same, and what it is about: nothing of anybody.
    About(&'static str, String),
    /// The bill can not be settled.
    Declined(Decline),
    /// The quote no longer holds.
    QuoteMoved(Box<Moved>),
    /// The shell did not do it.
    App(AppError),
    /// The same, of a bill: by the ids of its lines the hospital knows them.
    Bill(AppError, Vec<LineId>),
    /// It was begun, and its end is not known in time.
    Late,
    /// Our own code broke down on it.
    Panicked,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The status of the HTTP answer.
    pub(super) status: StatusCode,
    /// [err_msg]
    pub(super) message: String,
}

impl From<AppError> for Fault {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::App(refusal.into())
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::Input(invalid)
    }
}

impl Fault {
    /// A bill that is declined, with its lines as the hospital knows them.
    pub(super) fn declined(decline: &Decline, lines: &[LineId]) -> Self {
        let subject = field_of(&decline.subject, lines);
        Self::Declined(Decline { reason: decline.reason, subject })
    }

    /// Who must act; the label in metrics and logs.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Envelope(_) | Self::Input(_) | Self::Declined(_) | Self::QuoteMoved(_) => {
                ErrorKind::Caller
            }
            Self::Plain(words::BUSY | words::BUDGET_EXCEEDED) => ErrorKind::Busy,
            Self::Plain(_) | Self::About(..) => ErrorKind::Caller,
            Self::App(error) | Self::Bill(error, _) => error.kind(),
            Self::Late => ErrorKind::Dependency,
            Self::Panicked => ErrorKind::Bug,
        }
    }

    /// The word in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Declined(_) => "declined",
            Self::QuoteMoved(_) => "moved",
            Self::Envelope(_)
            | Self::Input(_)
            | Self::Plain(_)
            | Self::About(..)
            | Self::App(_)
            | Self::Bill(..)
            | Self::Late
            | Self::Panicked => self.kind().word(),
        }
    }

    /// The stable word of what is wrong.
    fn word(&self) -> &'static str {
        match self {
            Self::Envelope(invalid) | Self::Input(invalid) => invalid.reason.code(),
            Self::Plain(word) | Self::About(word, _) => word,
            Self::Declined(decline) => decline.reason.code(),
            Self::QuoteMoved(_) => words::QUOTE_MOVED,
            Self::App(error) | Self::Bill(error, _) => word_of(error),
            Self::Late => words::OUTCOME_UNKNOWN,
            Self::Panicked => words::INTERNAL,
        }
    }

    /// What the hospital is told. Says nothing of what lies behind it.
    pub(super) fn told(&self) -> Told {
        let word = self.word();
        let status = if [words::BUSY, words::BUDGET_EXCEEDED].contains(&word) {
            StatusCode::SERVICE_UNAVAILABLE
        } else if [words::MESSAGE_TOO_LARGE, words::FILE_TOO_LARGE_FOR_MESSAGE].contains(&word) {
            StatusCode::PAYLOAD_TOO_LARGE
        } else if word == words::HEAD_TOO_LARGE {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        } else {
            // As hospitals expect: whatever is an answer comes with it.
            StatusCode::OK
        };
        let message = match self {
            Self::Envelope(invalid) => of_field("ENV", invalid),
            Self::Input(invalid) => of_field("INP", invalid),
            Self::Plain(_) | Self::Late | Self::Panicked => text(word, "", ""),
            Self::About(_, about) => text(word, about, ""),
            Self::Declined(decline) => text(word, &decline.subject, ""),
            Self::QuoteMoved(moved) => of_moved(moved),
            Self::App(error) => of_error(word, error, &[]),
            Self::Bill(error, lines) => of_error(word, error, lines),
        };
        Told { status, message }
    }

    /// Says in the log that it happened, and never to whom.
    pub(super) fn log(&self, transaction: &str) {
        let (reason, kind) = (self.word(), self.kind().word());
        let cause = match self {
            Self::App(error) | Self::Bill(error, _) => cause::of(error),
            Self::Envelope(invalid) | Self::Input(invalid) => invalid.field.clone(),
            Self::About(_, about) => about.clone(),
            Self::Plain(_)
            | Self::Declined(_)
            | Self::QuoteMoved(_)
            | Self::Late
            | Self::Panicked => String::new(),
        };
        match self.kind() {
            ErrorKind::Caller => {
                tracing::info!(transaction, error.kind = kind, reason, cause, "Refused a call");
            }
            ErrorKind::Busy => {
                tracing::warn!(transaction, error.kind = kind, reason, cause, "Too busy");
            }
            ErrorKind::Dependency => {
                tracing::error!(transaction, error.kind = kind, reason, cause, "Cut off");
            }
            ErrorKind::Bug => {
                tracing::error!(transaction, error.kind = kind, reason, cause, "Our own fault");
            }
        }
    }
}

fn word_of(error: &AppError) -> &'static str {
    match error {
        AppError::Refused(refusal) => refusal.code(),
        AppError::OutcomeUnknown { .. } => words::OUTCOME_UNKNOWN,
        AppError::DeadlinePassed => words::DEADLINE_PASSED,
        AppError::RulesMoved => words::RULES_MOVED,
        AppError::Store { .. }
        | AppError::Contended
        | AppError::Record { .. }
        | AppError::PackageLost(_)
        | AppError::Random
        | AppError::Unbalanced => match error.kind() {
            ErrorKind::Busy => words::BUSY,
            ErrorKind::Dependency => words::DEPENDENCY_AWAY,
            ErrorKind::Caller | ErrorKind::Bug => words::INTERNAL,
        },
    }
}

/// `[code] Chinese · English`, with what it is about behind each.
fn text(word: &str, about: &str, settlement: &str) -> String {
    let words = words::of(word);
    let (mut zh, mut en) = (words.zh.to_owned(), words.en.to_owned());
    if !about.is_empty() {
        zh.push_str(&format!("（{about}）"));
        en.push_str(&format!(" ({about})"));
    }
    if !settlement.is_empty() {
        zh.push_str(&format!("（结算编号：{settlement}）"));
        en.push_str(&format!(" (settlement {settlement})"));
    }
    format!("[{}] {zh} · {en}", codes::of(word))
}

fn of_error(word: &str, error: &AppError, lines: &[LineId]) -> String {
    let AppError::Refused(refusal) = error else { return text(word, "", "") };
    let settlement = refusal.settlement().map(ToString::to_string).unwrap_or_default();
    let mut about = field_of(refusal.field(), lines);
    let more = refusal.about();
    if !more.is_empty() {
        about.push_str(&format!(": {more}"));
    }
    text(word, &about, &settlement)
}

fn of_moved(moved: &Moved) -> String {
    let was = moved.quoted_patient_pay;
    let now = moved.now.outcome.breakdown.patient().unwrap_or_default();
    text(words::QUOTE_MOVED, &format!("psn_part_amt {was} → {now}"), "")
}

/// What is wrong with a field, in a few words.
fn of_field(group: &str, invalid: &Invalid) -> String {
    let Invalid { field, reason } = invalid;
    let (zh, en) = match reason {
        InvalidReason::Missing => (format!("缺少 {field}"), format!("{field} is missing")),
        InvalidReason::WrongType => {
            (format!("{field} 类型不对"), format!("{field} is of another type than wanted"))
        }
        InvalidReason::TooLong => (format!("{field} 过长"), format!("{field} is too long")),
        InvalidReason::ValueUnknown => {
            (format!("{field} 取值不在允许范围"), format!("{field} has a value that is not known"))
        }
        InvalidReason::NotPlain => (
            format!("{field} 含有不允许的字符"),
            format!("{field} has characters that do not belong there"),
        ),
        InvalidReason::NotARegion => {
            (format!("{field} 应为六位数字"), format!("{field} is not six digits"))
        }
        InvalidReason::NotADate => {
            (format!("{field} 不是有效的日期或时间"), format!("{field} is no date or time"))
        }
        InvalidReason::NotADecimal => {
            (format!("{field} 不是有效的数字"), format!("{field} is no plain decimal"))
        }
        InvalidReason::TooManyDecimals => {
            (format!("{field} 小数位数过多"), format!("{field} has too many decimals"))
        }
        InvalidReason::OutOfRange => {
            (format!("{field} 超出允许范围"), format!("{field} is out of range"))
        }
        InvalidReason::IdentityLength => (
            format!("{field} 位数不对，身份证号码应为 18 位"),
            format!("{field} has not the 18 characters of an identity number"),
        ),
        InvalidReason::CheckDigit => {
            (format!("{field} 校验位不符"), format!("{field} has a check digit that does not fit"))
        }
        InvalidReason::TooMany => (format!("{field} 条数过多"), format!("{field} has too many")),
        InvalidReason::Duplicate => (format!("{field} 重复"), format!("{field} is there twice")),
    };
    format!("[OS-{group}-{:03}] {zh} · {en}", codes::number(*reason))
}

/// A field of ours as the national interface calls it; a line of the bill by the id that the hospital gave it.
fn field_of(field: &str, lines: &[LineId]) -> String {
    if let Some(rest) = field.strip_prefix("bill.lines[")
        && let Some((place, _)) = rest.split_once(']')
        && let Some(line) = place.parse().ok().and_then(|place: usize| lines.get(place))
    {
        return format!("feedetl_sn {}", line.logged());
    }
    let known = FIELDS.iter().find(|(ours, _)| *ours == field);
    known.map_or(field, |(_, theirs)| theirs).to_owned()
}

const FIELDS: &[(&str, &str)] = &[
    ("scope.clearing_type", "clr_type"),
    ("scope.hospital_code", "fixmedins_code"),
    ("bill.lines", "feedetail"),
    ("bill.total_fen", "medfee_sumamt"),
    ("bill.account_balance_fen", "exp_content.account_balance"),
    ("bill.discharge_date", "dscgTime"),
    ("bill.admission_date", "begntime"),
    ("bill.scheme", "insutype"),
    ("bill.hospital_code", "fixmedins_code"),
    ("bill.credential", "psn_no"),
    ("bill.stay_id", "mdtrt_id"),
    ("request_id", "msgid"),
    ("request.request_id", "msgid"),
    ("original_request_id", "omsgid"),
    ("settlement_id", "setl_id"),
    ("hospital_code", "fixmedins_code"),
    ("credential", "psn_no"),
    ("stay_id", "mdtrt_id"),
    ("person_number", "psn_no"),
    ("sign_number", "sign_no"),
    ("quote_token", "2303"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bill::{BillFault, Faulty};
    use crate::domain::ids::SettlementId;
    use crate::domain::verdict::Reason;

    fn check(fault: &Fault, status: u16, parts: &[&str]) {
        let told = fault.told();
        assert_eq!(told.status.as_u16(), status, "{told:?}");
        for part in parts {
            assert!(told.message.contains(part), "{part:?} is not in {told:?}");
        }
    }

    #[test]
    fn a_code_stands_in_front_of_both_languages() {
        let missing = Invalid { field: "msgid".to_owned(), reason: InvalidReason::Missing };
        assert_eq!(
            Fault::Envelope(missing.clone()).told().message,
            "[OS-ENV-004] 缺少 msgid · msgid is missing"
        );
        check(&Fault::Input(missing), 200, &["[OS-INP-004] "]);
        check(&Fault::Plain(words::BUSY), 503, &["[OS-SYS-001] 系统繁忙", " · We are busy"]);
        check(&Fault::App(AppError::Contended), 503, &["[OS-SYS-001] "]);
        check(&Fault::Plain(words::MESSAGE_TOO_LARGE), 413, &["[OS-ENV-003] "]);
        check(&Fault::Late, 200, &["[OS-SYS-003] 结算结果暂时未知"]);
        check(&Fault::Panicked, 200, &["[OS-SYS-005] "]);
        check(&Fault::App(AppError::DeadlinePassed), 200, &["[OS-SYS-006] "]);
        check(&Fault::App(AppError::RulesMoved), 200, &["[OS-SYS-004] "]);
    }

    #[test]
    fn what_it_is_about_is_named_as_the_hospital_knows_it() {
        let lines = [LineId::new("F1").unwrap(), LineId::new("F2").unwrap()];
        let decline = Decline::new(Reason::ItemUnknown, "bill.lines[1].item_code");
        check(&Fault::declined(&decline, &lines), 200, &["[OS-DEC-009] ", "（feedetl_sn F2）"]);
        let faulty = Faulty { fault: BillFault::Total, field: "bill.total_fen".to_owned() };
        let refused = AppError::from(Refusal::Bill(faulty));
        check(&Fault::Bill(refused, lines.to_vec()), 200, &["[OS-BIL-010] ", "(medfee_sumamt)"]);
        let settlement = SettlementId::compose(1, 2, 3);
        let settled = Fault::from(Refusal::StaySettled(Some(settlement.clone())));
        check(&settled, 200, &["[OS-REF-004] ", "（mdtrt_id）", settlement.as_str()]);
    }
}
