//! The command line as a client: connects, tries again what is safe, and tells people why a call was refused.
//!
//! Everything it sends again is idempotent: a quote and a look-up change nothing, a settle or a reversal carries its request id.
mod causes;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt as _};

use super::{Failure, out};
use crate::config::{Config, Kept};
use crate::door::wire::settlement::v1::Declined;
use crate::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use crate::limits;

/// Where the server is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerArguments {
    /// The server, such as http://127.0.0.1:50051; by default where the configuration says that it listens.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// For https: the authority that signed the server's certificate (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_CA")]
    pub ca: Option<PathBuf>,
    /// For https: the certificate by which we are known (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_CERT", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", env = "ONESTOP_CLIENT_KEY", requires = "cert")]
    pub key: Option<PathBuf>,
    /// For who calls for several hospitals: a folder with hospital-CODE.pem and hospital-CODE.key of each, as `keys issue` names them.
    #[arg(long, value_name = "FOLDER", env = "ONESTOP_CLIENT_CERTS", conflicts_with = "cert")]
    pub certs: Option<PathBuf>,
}

/// Why a message was not taken, or a bill not settled; as told by the server, in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Stable, UPPER_SNAKE_CASE.
    pub code: String,
    /// The field or rule it concerns; may be empty.
    pub field: String,
    /// Chinese; may be empty when the server said nothing in Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// What else was said, such as the settlement that stands in the way.
    pub more: Vec<(String, String)>,
}

/// How a call ended that has no answer.
#[derive(Debug)]
pub enum Ended {
    /// The server read the message and does not take it.
    Refused(Told),
    /// The server could not do it now, and did nothing, whenever it was asked.
    NothingDone(Told),
    /// Nobody knows whether the server saw it.
    Unanswered(Status),
}

/// Why a call may be sent again, for people: Chinese, English.
pub type Safe = (&'static str, &'static str);

/// Settles.
pub const SETTLES_ONCE: Safe = ("同一请求号只结算一次", "the same request id settles once");
/// Reverses.
pub const REVERSES_ONCE: Safe = ("同一请求号只撤销一次", "the same request id reverses once");
/// Quotes and look-ups.
pub const RECORDS_NOTHING: Safe = ("查询和预结算不记账", "asking books nothing");

/// What the server says where it could not do a call and did nothing of it.
pub(super) const NOTHING_DONE: [&str; 5] =
    ["BUDGET_EXCEEDED", "BUSY", "DEPENDENCY_AWAY", "RULES_MOVED", "DEADLINE_PASSED"];

impl ServerArguments {
    /// The same as a hospital, where each has a certificate of its own.
    pub fn of_hospital(&self, hospital: &str) -> ServerArguments {
        let Some(folder) = &self.certs else { return self.clone() };
        let file = |kind: &str| Some(folder.join(format!("hospital-{hospital}.{kind}")));
        ServerArguments { cert: file("pem"), key: file("key"), ..self.clone() }
    }
}

/// The address as given, or where the configuration says that the server listens.
pub(super) fn address(
    arguments: &ServerArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<String, Failure> {
    match &arguments.server {
        Some(server) => Ok(server.clone()),
        None => {
            let configured = configured()?;
            let scheme = if configured.tls.is_some() { "https" } else { "http" };
            Ok(format!("{scheme}://{}", configured.listen))
        }
    }
}

/// A channel that connects with the first call, so that a server which is just starting is waited for like any other.
pub fn channel(address: &str, arguments: &ServerArguments) -> Result<Channel, Failure> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|error| Failure::Usage(format!("--server {address}: not an address ({error})")))?;
    let mut endpoint = endpoint
        .connect_timeout(limits::CLIENT_CONNECT_MAX)
        .http2_keep_alive_interval(limits::KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    if address.starts_with("https://") {
        let Some(ca) = &arguments.ca else {
            return Err(Failure::Usage("https needs --ca FILE".to_owned()));
        };
        let pem = |path: &std::path::Path| {
            std::fs::read(path).with_context(|| format!("read {}", path.display()))
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(ca)?));
        if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
            let open = Kept::Secret.open_mode(key).ok().flatten();
            if let Some(mode) = open {
                return Err(Failure::Usage(format!(
                    "--key {}: others may read or change it (mode {mode:03o}); chmod 600 it 他人可读写该私钥文件，请执行 chmod 600",
                    key.display()
                )));
            }
            tls = tls.identity(Identity::from_pem(pem(cert)?, pem(key)?));
        }
        endpoint = endpoint.tls_config(tls).map_err(|error| {
            let error = anyhow::Error::new(error);
            match causes::of(&format!("{error:#} {error:?}")) {
                Some((zh, en)) => Failure::Usage(format!("{zh} {en} ({error:#})")),
                None => Failure::Other(error.context("use the certificates 无法使用所给证书")),
            }
        })?;
    }
    Ok(endpoint.connect_lazy())
}

/// A client for settlements on that channel.
pub fn settlements(channel: Channel) -> SettlementServiceClient<Channel> {
    SettlementServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
}

/// Calls until there is an answer, a refusal, or the attempts are used up. Only for calls that may be sent twice.
pub async fn patiently<T, F>(
    (what, safe): (&str, Safe),
    call: impl FnMut() -> F,
) -> Result<T, Ended>
where
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    patiently_from(limits::CLIENT_BACKOFF_FIRST, (what, safe), call).await
}

async fn patiently_from<T, F>(
    mut wait: Duration,
    (what, safe): (&str, Safe),
    mut call: impl FnMut() -> F,
) -> Result<T, Ended>
where
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    let mut attempt = 1;
    // What one attempt did may stand, though a later one did nothing.
    let mut nothing_done = true;
    loop {
        let answered = match tokio::time::timeout(limits::CLIENT_CALL_MAX, call()).await {
            Ok(answered) => answered,
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        };
        let status = match answered {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => status,
        };
        if !may_try_again(&status) {
            return Err(ended(status));
        }
        let told = told(&status).filter(|told| NOTHING_DONE.contains(&told.code.as_str()));
        nothing_done &= told.is_some();
        if attempt == limits::CLIENT_ATTEMPTS_MAX {
            let told = told.filter(|_| nothing_done);
            return Err(told.map_or(Ended::Unanswered(status), Ended::NothingDone));
        }
        let pause = wait.max(asked_to_wait(&status)).min(limits::CLIENT_BACKOFF_MAX);
        let (pause_ms, (zh, en)) = (pause.as_millis(), safe);
        out::error(&format!(
            "{what}: no answer ({}); sent again unchanged in {pause_ms} ms, which is safe: {en}. \
             未得到应答，{pause_ms} 毫秒后原样重发：{zh} ({attempt}/{})",
            describe(&status),
            limits::CLIENT_ATTEMPTS_MAX,
        ));
        tokio::time::sleep(pause).await;
        wait = wait.saturating_mul(2);
        attempt = attempt.saturating_add(1);
    }
}

/// Could the same message be answered differently in a moment? A client's own time-out comes back as `Cancelled`, and a server
/// that was killed in mid-call as `Unknown`, or as `Internal` from the protocol: ours always says more than that.
pub fn may_try_again(status: &Status) -> bool {
    match status.code() {
        Code::Unknown => told(status).is_none(),
        Code::Internal => {
            told(status).is_none() && status.message().starts_with("h2 protocol error")
        }
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

fn asked_to_wait(status: &Status) -> Duration {
    status.get_details_retry_info().and_then(|retry| retry.retry_delay).unwrap_or(Duration::ZERO)
}

/// A refusal names its reason; a status without one is a server that did not get so far.
fn ended(status: Status) -> Ended {
    match told(&status) {
        Some(told) => Ended::Refused(told),
        None => Ended::Unanswered(status),
    }
}

/// The google.rpc details of a refusal, if it has any.
pub fn told(status: &Status) -> Option<Told> {
    let mut told = Told { en: status.message().to_owned(), ..Told::default() };
    let mut field_message = String::new();
    for detail in status.get_error_details_vec() {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                told.code = info.reason;
                let mut metadata: Vec<_> = info.metadata.into_iter().collect();
                metadata.sort();
                for (key, value) in metadata {
                    match key.as_str() {
                        "message_zh" => told.zh = value,
                        "message_en" => told.en = value,
                        "field" => told.field = value,
                        _ => told.more.push((key, value)),
                    }
                }
            }
            ErrorDetail::BadRequest(bad) => {
                if let Some(violation) = bad.field_violations.into_iter().next() {
                    told.field = violation.field;
                    field_message = violation.description;
                }
            }
            ErrorDetail::LocalizedMessage(message) if message.locale.starts_with("zh") => {
                told.zh = message.message;
            }
            ErrorDetail::LocalizedMessage(message) => told.en = message.message,
            // The others carry nothing that a desk could act on.
            ErrorDetail::RetryInfo(_)
            | ErrorDetail::DebugInfo(_)
            | ErrorDetail::QuotaFailure(_)
            | ErrorDetail::PreconditionFailure(_)
            | ErrorDetail::RequestInfo(_)
            | ErrorDetail::ResourceInfo(_)
            | ErrorDetail::Help(_)
            | _ => {}
        }
    }
    if told.en.is_empty() {
        told.en = field_message;
    }
    (!told.code.is_empty()).then_some(told)
}

impl Told {
    /// A decline says the same things as a refusal does.
    pub fn declined(declined: &Declined) -> Told {
        let Declined { reason, subject, message_zh, message_en, transient } = declined;
        let more = if *transient {
            vec![(
                "transient".to_owned(),
                "原因消除后可原样重发 / may be sent again unchanged once the cause is mended"
                    .to_owned(),
            )]
        } else {
            Vec::new()
        };
        Told {
            code: reason.clone(),
            field: subject.clone(),
            zh: message_zh.clone(),
            en: message_en.clone(),
            more,
        }
    }

    /// For people: `kind` is what happened, in both languages.
    pub fn for_people(&self, kind: &str) -> String {
        let mut text = format!("{kind}: {}", self.code);
        if !self.field.is_empty() {
            text.push_str(&format!(" [{}]", self.field));
        }
        for line in [&self.zh, &self.en] {
            if !line.is_empty() {
                text.push_str(&format!("\n  {line}"));
            }
        }
        for (key, value) in &self.more {
            text.push_str(&format!("\n  {key}: {value}"));
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let more: serde_json::Map<String, Value> =
            self.more.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        json!({
            "code": self.code, "field": self.field,
            "messageZh": self.zh, "messageEn": self.en, "more": more,
        })
    }
}

/// A status in a few words, with what it mostly is from; transport errors hide their cause a level down.
pub fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    // Whoever is answered by the gateway itself is told by that.
    match causes::of(&text).filter(|_| told(status).is_none()) {
        Some((zh, en)) => format!("{zh} {en} ({text})"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::door::wire::settlement::v1::SettleRequest;

    #[test]
    fn a_refusal_is_told_with_code_field_and_both_languages() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "STAY_SETTLED",
            "onestop",
            [
                ("message_zh".to_owned(), "本次就诊已经结算".to_owned()),
                ("settlement_id".to_owned(), "S1".to_owned()),
            ],
        );
        details.add_bad_request_violation("bill.stay_id", "settled already");
        let status =
            Status::with_error_details(Code::FailedPrecondition, "the stay is settled", details);
        let told = told(&status).unwrap();
        assert_eq!(
            told.for_people("拒绝 Refused"),
            "拒绝 Refused: STAY_SETTLED [bill.stay_id]\n  本次就诊已经结算\n  the stay is settled\n  settlement_id: S1"
        );
        assert!(super::told(&Status::internal("plain")).is_none());
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_what_was_refused_is_not() {
        let mut calls = 0;
        let answer = patiently_from(Duration::ZERO, ("settle R1", SETTLES_ONCE), || {
            calls += 1;
            let answer = if calls < 3 {
                Err(Status::unavailable("starting"))
            } else {
                Ok(tonic::Response::new(7))
            };
            std::future::ready(answer)
        })
        .await;
        assert_eq!((answer.unwrap(), calls), (7, 3));

        let mut calls = 0;
        let answer = patiently_from(Duration::ZERO, ("settle R1", SETTLES_ONCE), || {
            calls += 1;
            std::future::ready(Err::<tonic::Response<()>, _>(Status::invalid_argument("no")))
        })
        .await;
        assert!(matches!(answer, Err(Ended::Unanswered(_))));
        assert_eq!(calls, 1);
    }

    /// A server that is killed in mid-call, at each of three moments, is called again.
    #[tokio::test]
    async fn a_server_that_goes_away_in_mid_call_is_called_again() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        // Nothing; settings (an empty frame) and then nothing; what is no HTTP/2 at all.
        const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
        for said in [&b""[..], SETTINGS, &[0xff; 64]] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut seen = [0; 1_024];
                    assert_ne!(stream.read(&mut seen).await.unwrap(), 0);
                    stream.write_all(said).await.unwrap();
                }
            });
            let client = settlements(channel(&address, &ServerArguments::default()).unwrap());
            let mut calls = 0;
            let ended = patiently_from(Duration::ZERO, ("settle R1", SETTLES_ONCE), || {
                calls += 1;
                let mut client = client.clone();
                async move { client.settle(SettleRequest::default()).await }
            });
            let ended = ended.await.unwrap_err();
            assert!(matches!(ended, Ended::Unanswered(_)), "{ended:?}");
            assert_eq!(calls, limits::CLIENT_ATTEMPTS_MAX, "{ended:?}");
        }
        for transport in
            [Status::unknown("transport error"), Status::internal("h2 protocol error: http2 error")]
        {
            assert!(may_try_again(&transport), "{transport:?}");
        }
        let said = Status::with_error_details(
            Code::Internal,
            "h2 protocol error",
            ErrorDetails::with_error_info("INTERNAL", "onestop", []),
        );
        assert!(!may_try_again(&said) && !may_try_again(&Status::internal("failed to decode")));
    }

    #[tokio::test]
    async fn where_nothing_was_done_nobody_is_told_that_it_is_not_known() {
        let moved = || {
            let details = ErrorDetails::with_error_info("RULES_MOVED", "onestop", []);
            Status::with_error_details(Code::Unavailable, "nothing was done", details)
        };
        let ended = patiently_from(Duration::ZERO, ("settle R1", SETTLES_ONCE), || {
            std::future::ready(Err::<tonic::Response<()>, _>(moved()))
        });
        let ended = ended.await.unwrap_err();
        assert!(
            matches!(&ended, Ended::NothingDone(told) if told.code == "RULES_MOVED"),
            "{ended:?}"
        );
        // One attempt of which nothing is known is enough.
        let mut calls = 0;
        let ended = patiently_from(Duration::ZERO, ("settle R1", SETTLES_ONCE), || {
            calls += 1;
            let status = if calls == 1 { Status::unknown("transport error") } else { moved() };
            std::future::ready(Err::<tonic::Response<()>, _>(status))
        });
        let ended = ended.await.unwrap_err();
        assert!(matches!(ended, Ended::Unanswered(_)), "{ended:?}");
    }
}
