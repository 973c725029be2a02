//! `onestop settle`, `reverse` and `find`: a billing desk in a terminal. Proto JSON in, slips out.
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::client::{self, Ended, ServerArguments, Told};
use super::place;
use super::progress::Progress;
use super::slip::{self, Lang, Subject, yuan};
use super::{Failure, out};
use crate::config::Config;
use crate::door::wire::settlement::v1::{
    Bill, GetSettlementRequest, MovedThing, QuoteMoved, QuoteRequest, Quoted, RequestKey,
    ReverseRequest, SettleRequest, SettleResponse, Tombstone, get_settlement_request,
    get_settlement_response, quote_response, reverse_request, reverse_response, settle_response,
    settlement_service_client::SettlementServiceClient,
};

/// After a call that records nothing.
const ASK_AGAIN: &str = "查询和预结算不记账，请再试一次\n  asking records nothing; ask again";

/// Nothing was reversed: the request id was never seen, and is barred from now on.
const EXIT_BARRED: u8 = 3;

type Client = SettlementServiceClient<Channel>;

/// What all three share.
#[derive(Debug, clap::Args)]
pub(super) struct Shared {
    #[command(flatten)]
    server: ServerArguments,
    /// In which languages slips are printed.
    #[arg(long, value_enum, default_value = "both")]
    lang: Lang,
    /// One JSON object a line instead of slips.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Proto JSON of onestop.settlement.v1.SettleRequest, one or many in a file; "-" is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Quote first, print what would be paid, and settle bound to the quote.
    #[arg(long)]
    quote: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("target").required(true))]
pub(super) struct ReverseArguments {
    /// The reversal's own request id.
    #[arg(long)]
    request_id: String,
    /// The hospital that settled.
    #[arg(long)]
    hospital: String,
    /// The settlement to reverse.
    #[arg(long, group = "target")]
    settlement_id: Option<String>,
    /// The request to reverse. One that was never seen is barred (a tombstone), and the command ends with 3.
    #[arg(long, group = "target")]
    original_request_id: Option<String>,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, clap::Args)]
pub(super) struct FindArguments {
    /// By the settlement's id.
    #[arg(long, conflicts_with_all = ["hospital", "request_id"], required_unless_present = "request_id")]
    settlement_id: Option<String>,
    /// By the hospital's own request id, together with --request-id.
    #[arg(long, requires = "request_id")]
    hospital: Option<String>,
    /// By the hospital's own request id, together with --hospital.
    #[arg(long, requires = "hospital")]
    request_id: Option<String>,
    #[command(flatten)]
    shared: Shared,
}

/// What there is to say about one request.
#[derive(Debug)]
enum Answer {
    /// Settled, reversed or found: the slip, and the answer as it came.
    Good { slip: String, json: Value },
    /// Nothing was reversed: the request was barred instead.
    Barred { slip: String, json: Value },
    /// Read, and not settled.
    Bad { kind: &'static str, told: Told, json: Option<Value> },
}

pub(super) fn run(
    arguments: Arguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    // All of it is read before anything is sent, so that a fault in the last line settles nothing.
    let mut requests = Vec::new();
    for file in &arguments.files {
        requests.append(&mut read(file)?);
    }
    let Arguments { quote, shared, .. } = arguments;
    shared.with_desks(configured, async |mut desks, shared| {
        let mut code = 0;
        // Slips tell how far it is; JSON mostly goes to a file.
        let progress =
            shared.json.then(|| Progress::new("settle", requests.iter().map(|_| 1).sum()));
        for (done, request) in (1_u64..).zip(requests) {
            let hospital = request.bill.as_ref().map_or("", |bill| &bill.hospital_code);
            let mut client = desks.of(hospital)?;
            code = settle(&mut client, request, quote, shared).await?.max(code);
            if let Some(progress) = &progress {
                progress.at(done);
            }
        }
        if let Some(progress) = progress {
            progress.clear();
        }
        Ok(code)
    })
}

pub(super) fn run_reverse(
    arguments: ReverseArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let ReverseArguments {
        request_id,
        hospital,
        settlement_id,
        original_request_id,
        reason,
        shared,
    } = arguments;
    let target = settlement_id
        .map(reverse_request::Target::SettlementId)
        .or(original_request_id.map(reverse_request::Target::OriginalRequestId));
    let request = ReverseRequest {
        request_id,
        hospital_code: hospital,
        target,
        reason,
        operator_id: String::new(),
    };
    shared.with_desks(configured, async |mut desks, shared| {
        reverse(&mut desks.of(&request.hospital_code)?, request, shared).await
    })
}

pub(super) fn run_find(
    arguments: FindArguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let FindArguments { settlement_id, hospital, request_id, shared } = arguments;
    let asked_by = hospital.clone().unwrap_or_default();
    let by_request = || {
        let (hospital_code, request_id) = (hospital?, request_id?);
        Some(get_settlement_request::Key::Request(RequestKey { hospital_code, request_id }))
    };
    let key = settlement_id.map(get_settlement_request::Key::SettlementId).or_else(by_request);
    let request = GetSettlementRequest { key };
    shared.with_desks(configured, async |mut desks, shared| {
        find(&mut desks.of(&asked_by)?, request, shared).await
    })
}

/// Clients, one for each certificate.
struct Desks<'a> {
    address: String,
    server: &'a ServerArguments,
    clients: BTreeMap<String, Client>,
}

impl Desks<'_> {
    /// The one of a hospital; all are the same where there is but one certificate.
    fn of(&mut self, hospital: &str) -> Result<Client, Failure> {
        let own = if self.server.certs.is_some() { hospital } else { "" };
        if let Some(client) = self.clients.get(own) {
            return Ok(client.clone());
        }
        let channel = client::channel(&self.address, &self.server.of_hospital(own))?;
        let client = client::settlements(channel);
        self.clients.insert(own.to_owned(), client.clone());
        Ok(client)
    }
}

impl Shared {
    /// Runs `work` with desks; it ends with the code that `work` gives, after the answers were printed.
    fn with_desks(
        self,
        configured: impl FnOnce() -> Result<Config, Failure>,
        work: impl AsyncFnOnce(Desks<'_>, &Shared) -> Result<u8, Failure>,
    ) -> Result<(), Failure> {
        let address = client::address(&self.server, configured)?;
        let desks = Desks { address, server: &self.server, clients: BTreeMap::new() };
        let code = super::block_on(work(desks, &self))?;
        if code == 0 { Ok(()) } else { Err(Failure::Answered(code)) }
    }

    /// Prints one answer; gives the code that the process ends with.
    fn show(&self, request_id: &str, answer: Answer) -> u8 {
        let code = match &answer {
            Answer::Good { .. } => 0,
            Answer::Barred { .. } => EXIT_BARRED,
            Answer::Bad { .. } => super::EXIT_FAILED,
        };
        match answer {
            Answer::Good { json, .. } | Answer::Barred { json, .. } if self.json => {
                out::line(&json!({ "requestId": request_id, "answer": json }).to_string());
            }
            Answer::Good { slip, .. } | Answer::Barred { slip, .. } => out::line(&slip),
            Answer::Bad { told, json, .. } if self.json => {
                let mut line = json!({ "requestId": request_id });
                match json {
                    Some(answer) => line["answer"] = answer,
                    None => line["refused"] = told.to_json(),
                }
                out::line(&line.to_string());
            }
            Answer::Bad { kind, told, .. } => {
                out::line(&told.for_people(&format!("{request_id} {kind}")));
            }
        }
        code
    }
}

/// The requests of a file: one, or many after each other.
fn read(file: &std::path::Path) -> Result<Vec<SettleRequest>, Failure> {
    let fault = |what: String| Failure::Usage(format!("{}: {what}", file.display()));
    let mut text = String::new();
    if file == std::path::Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
    } else {
        text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    }
    parse(&text).map_err(fault)
}

fn parse(text: &str) -> Result<Vec<SettleRequest>, String> {
    // Windows marks its files as UTF-8, which is not JSON.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let requests: Result<Vec<SettleRequest>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    let requests = requests.map_err(|error| unread(text, &error))?;
    if requests.is_empty() {
        return Err("文件中没有结算请求。\n  It holds no request.".to_owned());
    }
    Ok(requests)
}

/// A fault of the JSON, with the field it lies in where one was begun.
fn unread(text: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let (zh, en) = match place::path_at(text, line, column) {
        path if path.is_empty() => (String::new(), String::new()),
        path => {
            let path = without_values(&path);
            (format!("，字段 {path}"), format!(", field {path}"))
        }
    };
    format!(
        "第 {line} 行第 {column} 列{zh}：不是有效的 SettleRequest（proto JSON），未发送任何请求，请更正。\n  \
         This is not a SettleRequest in proto JSON, and nothing was sent{en}: {}",
        without_values(&error.to_string())
    )
}

/// What a parser says without the values that it quotes: a number in the wrong place says who somebody is, and so does a name.
fn without_values(said: &str) -> String {
    let mut shown = String::with_capacity(said.len());
    let mut letters = said.chars();
    while let Some(letter) = letters.next() {
        shown.push(letter);
        if letter == '"' {
            while let Some(inner) = letters.next() {
                match inner {
                    '"' => break,
                    '\\' => drop(letters.next()),
                    _ => {}
                }
            }
            shown.push_str("…\"");
        }
    }
    // A parser's own words have few digits, and are English.
    let quoted =
        |word: &str| !word.is_ascii() || 6 <= word.chars().filter(char::is_ascii_digit).count();
    let words = shown.split_inclusive(|letter: char| !letter.is_alphanumeric());
    let words = words.map(|word| {
        let end = word.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        if quoted(end) { word.replacen(end, "…", 1) } else { word.to_owned() }
    });
    words.collect()
}

/// Settles one request; gives the code to end with.
async fn settle(
    client: &mut Client,
    mut request: SettleRequest,
    quote: bool,
    shared: &Shared,
) -> Result<u8, Failure> {
    let id = request.request_id.clone();
    if quote {
        match quoted(client, request.bill.clone(), &id).await? {
            Ok(quoted) => {
                if !shared.json {
                    let subject = Subject::Quoted(&quoted);
                    out::line(&slip::print(subject, request.bill.as_ref(), shared.lang));
                }
                request.quote_token = quoted.quote_token;
            }
            Err(answer) => return Ok(shared.show(&id, answer)),
        }
    }
    let what = format!("settle {id}");
    let response = client::patiently((&what, client::SETTLES_ONCE), || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.settle(request).await }
    });
    let answer = match response.await {
        Ok(response) => settled(&response, request.bill.as_ref(), shared)?,
        Err(Ended::Refused(told)) => refused(told),
        Err(ended) => return Err(unanswered(&what, &ended, &find_hint(&request))),
    };
    Ok(shared.show(&id, answer))
}

/// The quote, or the answer to print instead.
async fn quoted(
    client: &mut Client,
    bill: Option<Bill>,
    id: &str,
) -> Result<Result<Quoted, Answer>, Failure> {
    let what = format!("quote for {id}");
    let response = client::patiently((&what, client::RECORDS_NOTHING), || {
        let (mut client, bill) = (client.clone(), bill.clone());
        async move { client.quote(QuoteRequest { bill }).await }
    });
    match response.await {
        Ok(response) => {
            let json = to_json(&response)?;
            Ok(match response.outcome {
                Some(quote_response::Outcome::Quoted(quoted)) => Ok(quoted),
                Some(quote_response::Outcome::Declined(declined)) => {
                    Err(declined_answer(Told::declined(&declined), json))
                }
                None => return Err(no_outcome(&what)),
            })
        }
        Err(Ended::Refused(told)) => Ok(Err(refused(told))),
        Err(ended) => Err(unanswered(&what, &ended, ASK_AGAIN)),
    }
}

fn settled(
    response: &SettleResponse,
    bill: Option<&Bill>,
    shared: &Shared,
) -> Result<Answer, Failure> {
    let json = to_json(response)?;
    match &response.outcome {
        Some(settle_response::Outcome::Settlement(settlement)) => {
            let subject = Subject::Settlement(settlement, response.repeat, &response.notices);
            Ok(Answer::Good { slip: slip::print(subject, bill, shared.lang), json })
        }
        Some(settle_response::Outcome::Declined(declined)) => {
            Ok(declined_answer(Told::declined(declined), json))
        }
        Some(settle_response::Outcome::QuoteMoved(moved)) => Ok(Answer::Bad {
            kind: "报价已变动 Quote moved",
            told: quote_moved(moved),
            json: Some(json),
        }),
        None => Err(no_outcome("settle")),
    }
}

fn quote_moved(moved: &QuoteMoved) -> Told {
    let names: Vec<_> = moved.moved().map(|thing: MovedThing| thing.as_str_name()).collect();
    let now = moved.now.as_ref().and_then(|now| now.breakdown.as_ref());
    let now = now.map_or(String::new(), |now| yuan(now.patient_pay_fen));
    let quoted = yuan(moved.quoted_patient_pay_fen);
    Told {
        code: "QUOTE_MOVED".to_owned(),
        field: "quote_token".to_owned(),
        zh: format!("报价后情况有变，未结算：原报个人负担 {quoted} 元，现为 {now} 元"),
        en: format!(
            "things moved since the quote, nothing was settled: patient pay was {quoted}, would now be {now}"
        ),
        more: vec![("moved".to_owned(), names.join(", "))],
    }
}

async fn reverse(
    client: &mut Client,
    request: ReverseRequest,
    shared: &Shared,
) -> Result<u8, Failure> {
    let what = format!("reverse {}", request.request_id);
    let response = client::patiently((&what, client::REVERSES_ONCE), || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.reverse(request).await }
    });
    let answer = match response.await {
        Ok(response) => {
            let json = to_json(&response)?;
            match &response.outcome {
                Some(reverse_response::Outcome::Reversal(reversal)) => {
                    let subject = Subject::Settlement(reversal, response.repeat, &[]);
                    Answer::Good { slip: slip::print(subject, None, shared.lang), json }
                }
                Some(reverse_response::Outcome::Tombstone(left)) => {
                    Answer::Barred { slip: nothing_reversed(left), json }
                }
                None => return Err(no_outcome(&what)),
            }
        }
        Err(Ended::Refused(told)) => refused(told),
        Err(ended) => {
            let hint = "无法确定是否已撤销：请原样重发，同一请求号只撤销一次\n  \
                        whether it was reversed is not known; send the same reversal again: a request id reverses once";
            return Err(unanswered(&what, &ended, hint));
        }
    };
    Ok(shared.show(&request.request_id, answer))
}

async fn find(
    client: &mut Client,
    request: GetSettlementRequest,
    shared: &Shared,
) -> Result<u8, Failure> {
    let name = match &request.key {
        Some(get_settlement_request::Key::SettlementId(id)) => id.clone(),
        Some(get_settlement_request::Key::Request(key)) => key.request_id.clone(),
        None => String::new(),
    };
    let what = format!("find {name}");
    let response = client::patiently((&what, client::RECORDS_NOTHING), || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.get_settlement(request).await }
    });
    let answer = match response.await {
        Ok(response) => {
            let json = to_json(&response)?;
            let slip = match &response.outcome {
                Some(get_settlement_response::Outcome::Settlement(settlement)) => {
                    slip::print(Subject::Settlement(settlement, false, &[]), None, shared.lang)
                }
                Some(get_settlement_response::Outcome::Tombstone(left)) => tombstone(left),
                None => return Err(no_outcome(&what)),
            };
            Answer::Good { slip, json }
        }
        Err(Ended::Refused(told)) => refused(told),
        Err(ended) => return Err(unanswered(&what, &ended, ASK_AGAIN)),
    };
    Ok(shared.show(&name, answer))
}

fn tombstone(left: &Tombstone) -> String {
    let Tombstone { hospital_code, original_request_id, left_at } = left;
    let left_at = slip::to_the_second(left_at);
    format!(
        "从未收到的请求，已永久作废：{hospital_code} {original_request_id}（{left_at}）\n\
         Never seen, and refused for ever from now on: {hospital_code} {original_request_id} ({left_at})"
    )
}

/// Whoever mistyped an id must not go home in the belief that something was reversed.
fn nothing_reversed(left: &Tombstone) -> String {
    let Tombstone { hospital_code, original_request_id, .. } = left;
    format!(
        "【未撤销任何结算】医院 {hospital_code} 从未以请求号 {original_request_id} 结算；该请求号已永久作废（墓碑），此后以它结算一律拒绝。\n\
         若请求号或医院写错，请核对后换一个新的撤销号，撤销正确的那一笔。\n\
         NOTHING WAS REVERSED: hospital {hospital_code} never settled anything as {original_request_id}. The request id is barred for \
         ever (a tombstone): a settle that still arrives under it is refused.\n\
         If the id or the hospital was mistyped, reverse the right one, under a new reversal id.\n{}",
        tombstone(left)
    )
}

fn refused(told: Told) -> Answer {
    Answer::Bad { kind: "拒收 Refused", told, json: None }
}

fn declined_answer(told: Told, json: Value) -> Answer {
    Answer::Bad { kind: "不予结算 Declined", told, json: Some(json) }
}

fn find_hint(request: &SettleRequest) -> String {
    let hospital = request.bill.as_ref().map_or("…", |bill| bill.hospital_code.as_str());
    let request_id = &request.request_id;
    let find = format!("onestop find --hospital {hospital} --request-id {request_id}");
    format!(
        "无法确定是否已结算：请用 `{find}` 查询，或原样重发，切勿更换请求号\n  \
         whether it settled is not known; ask with `{find}`, or send it again unchanged"
    )
}

/// A call without an answer; `hint` says what is not known, which is nothing where the server did nothing.
fn unanswered(what: &str, ended: &Ended, hint: &str) -> Failure {
    Failure::Other(match ended {
        Ended::Refused(told) | Ended::NothingDone(told) => {
            anyhow::anyhow!("{}", told.for_people(&format!("{what} 未办理 Not done")))
        }
        Ended::Unanswered(status) => {
            anyhow::anyhow!("{what}: {}\n  {hint}", client::describe(status))
        }
    })
}

fn no_outcome(what: &str) -> Failure {
    Failure::Other(anyhow::anyhow!(
        "{what}: an answer without an outcome; is the server newer than this client?"
    ))
}

fn to_json(message: &impl serde::Serialize) -> Result<Value, Failure> {
    message
        .serialize(serde_json::value::Serializer)
        .context("write the answer as JSON")
        .map_err(Failure::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_or_many_are_read_and_faults_are_named() {
        let one = "{\n  \"requestId\": \"R1\",\n  \"bill\": { \"totalFen\": \"100\" }\n}";
        assert_eq!(parse(one).unwrap().len(), 1);
        assert_eq!(parse(&format!("\u{feff}{one}")).unwrap().len(), 1);
        let many = "{\"requestId\":\"R1\"}\n{\"requestId\":\"R2\"}\n";
        let ids: Vec<_> = parse(many).unwrap().into_iter().map(|one| one.request_id).collect();
        assert_eq!(ids, ["R1", "R2"]);
        let check = |text: &str, part: &str| {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(part), "{fault}");
        };
        check("", "holds no request");
        check("{\"requestId\":\"R1\"}\n{\"requestIdd\":\"R2\"}", "line 2");
        check("{\"bill\":{\"totalFen\":1.5}}", "line 1");
        let last = "{\"requestId\":\"R1\",\"bill\":{\"totalFen\":\"5200000.5\"}}";
        check(last, "字段 bill.totalFen：不是有效的");
        check(last, "nothing was sent, field bill.totalFen: ");
        check("{\"bill\":{\"totalFen\":\"5200000.5\",\"stayId\":\"Z1\"}}", "field bill.totalFen: ");
        check(
            "{\"bill\":{\"lines\":[{},{\"amountFen\":\"x\"}]}}",
            "field bill.lines[1].amountFen: ",
        );
    }

    #[test]
    fn a_fault_shows_no_value_since_it_may_say_who_somebody_is() {
        let check = |text: &str, part: &str| {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(part), "{fault}");
            for secret in ["19491231", "张三丰", "H\"1"] {
                assert!(!fault.contains(secret), "{fault}");
            }
        };
        check(r#"{"bill":{"credential":"11010519491231002X"}}"#, r#"string "…""#);
        check(r#"{"bill":{"credential":{"kind":"张三丰"}}}"#, "bill.credential.kind");
        check(r#"{"bill":{"credential":110105194912310021}}"#, "bill.credential");
        check(r#"{"bill":{"credential":{"11010519491231002X":1}}}"#, "bill.credential");
        check(r#"{"bill":{"credential":"H\"1 张三丰"}}"#, r#"string "…""#);
        // What is misspelt is still named.
        check(r#"{"bill":{"totalFenn":1}}"#, "totalFenn");
    }

    #[test]
    fn who_has_no_answer_is_told_what_is_known() {
        let bill = Bill { hospital_code: "H1".to_owned(), ..Bill::default() };
        let request_id = "R1".to_owned();
        let request = SettleRequest { request_id, bill: Some(bill), ..SettleRequest::default() };
        let said = |ended: &Ended| {
            let failure = unanswered("settle R1", ended, &find_hint(&request));
            let Failure::Other(error) = failure else { panic!("{failure:?}") };
            format!("{error:#}")
        };
        let lost = said(&Ended::Unanswered(tonic::Status::unknown("transport error")));
        for part in
            ["无法确定是否已结算", "not known", "onestop find --hospital H1 --request-id R1"]
        {
            assert!(lost.contains(part), "{part:?} is not in {lost}");
        }
        let moved = Told {
            code: "RULES_MOVED".to_owned(),
            zh: "本次未办理".to_owned(),
            en: "nothing was done".to_owned(),
            ..Told::default()
        };
        let moved = said(&Ended::NothingDone(moved));
        assert!(moved.contains("本次未办理") && moved.contains("nothing was done"), "{moved}");
        assert!(!moved.contains("not known") && !moved.contains("无法确定"), "{moved}");
        assert!(!client::RECORDS_NOTHING.1.contains("settle") && !ASK_AGAIN.contains("settle"));
    }
}
