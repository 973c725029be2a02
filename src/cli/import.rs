//! `onestop import`: a CSV list to the registry, row by row, with what was not taken written beside it.
//!
//! Sending a list again changes nothing: its name is its hash, and the server passes over what it has taken already. So a
//! stream that breaks is simply sent again, and so is a command that was interrupted.
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::client::{self, ServerArguments};
use super::progress::Progress;
use super::{EXIT_INTERRUPTED, Failure, out};
use crate::config::Config;
use crate::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use crate::door::wire::registry::v1::{
    ImportBegin, ImportProgress, ImportReject, ImportRequest, ImportSummary, import_request,
    import_response,
};
use crate::limits;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod lines;
pub mod rejects;
pub mod rows;

use lines::Records;
use rejects::{Reject, Rejects};
use rows::{Header, Kind, Unreadable};

/// Some rows were rejected, the others were taken.
const EXIT_REJECTED: u8 = 2;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What the rows are.
    #[arg(value_enum)]
    pub kind: Kind,
    /// CSV in UTF-8; its headers are the contract's field names, in any order.
    pub file: PathBuf,
    /// The list is complete: what is no longer on it ends on the list's date.
    #[arg(long, requires = "region", requires = "list_date")]
    pub full: bool,
    /// The region of which it is the full list, six digits.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The list's own date, such as 2024-06-30; by default the day on which the file was written.
    #[arg(long, value_name = "DATE")]
    pub list_date: Option<jiff::civil::Date>,
    /// Who issued the list; by default the file's name.
    #[arg(long)]
    pub source: Option<String>,
    /// Where rejected rows are written; by default FILE.rejects.csv.
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    #[command(flatten)]
    pub server: ServerArguments,
}

/// A list that was looked through once, and is ready to be sent.
#[derive(Debug, Clone)]
pub struct List {
    pub file: PathBuf,
    pub header: Header,
    pub begin: ImportBegin,
}

/// How an import ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// Every row was read; the rejects of this side count too.
    Whole(ImportSummary),
    /// Ctrl-C; so many rows are durable.
    Interrupted(u64),
}

/// Why one attempt ended without a summary.
enum Broken {
    Status(Status),
    Here(anyhow::Error),
}

pub(super) fn run(
    arguments: Arguments,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let list = look_through(&arguments)?;
    let address = client::address(&arguments.server, configured)?;
    let beside = || PathBuf::from(format!("{}.rejects.csv", arguments.file.display()));
    let path = arguments.rejects.clone().unwrap_or_else(beside);
    let mut rejects = Rejects::new(&list, path)?;
    let imported = super::block_on(async {
        let channel = client::channel(&address, &arguments.server)?;
        send(&list, channel, &mut rejects).await
    });
    let passed_over = match &imported {
        Ok(Imported::Whole(summary)) => summary.resumed,
        // Not all rows were looked at, so that an older file may still hold the truth.
        Ok(Imported::Interrupted(_)) | Err(_) => u64::MAX,
    };
    rejects.finish(passed_over)?;
    match imported? {
        Imported::Whole(summary) => conclude(&list, &summary, &rejects),
        Imported::Interrupted(durable) => {
            out::error(&format!(
                "interrupted; {durable} rows are durable. The same command goes on where this one stopped. \
                 已中断，{durable} 行已入库；重新执行同一命令即可续传"
            ));
            Err(Failure::Answered(EXIT_INTERRUPTED))
        }
    }
}

fn conclude(list: &List, summary: &ImportSummary, rejects: &Rejects) -> Result<(), Failure> {
    let ImportSummary { added, changed, unchanged, rejected, ended, resumed, finished_before } =
        summary;
    let kind = rows_of(list);
    // What an earlier run did must not look as if it were done again.
    let earlier = if *finished_before {
        "上次已完成，本次未作改动 done before, nothing changed this time; 上次结果 the earlier run: "
    } else {
        ""
    };
    out::line(&format!(
        "{kind}: {earlier}added 新增 {added}, changed 变更 {changed}, unchanged 未变 {unchanged}, ended 终止 {ended}, \
         rejected 拒收 {rejected}, taken before 此前已入库 {resumed}"
    ));
    if *rejected == 0 {
        return Ok(());
    }
    out::line(&format!("rejected rows 拒收明细: {}", rejects.path().display()));
    Err(Failure::Answered(EXIT_REJECTED))
}

fn rows_of(list: &List) -> String {
    let file = list.file.file_name().unwrap_or(list.file.as_os_str());
    format!("import {}", file.to_string_lossy())
}

/// Reads the file once: its header, how many rows can be sent, and its hash, which names the import.
pub fn look_through(arguments: &Arguments) -> Result<List, Failure> {
    let file = &arguments.file;
    let fault = |what: String| Failure::Usage(format!("{}: {what}", file.display()));
    if arguments.region.is_some() && !arguments.full {
        return Err(Failure::Usage("--region is for --full lists".to_owned()));
    }
    let opened = File::open(file).map_err(|error| fault(error.to_string()))?;
    let mut csv = Records::new(Hashing { inner: opened, hash: Sha256::new() });
    let headers = csv.headers().map_err(|error| fault(error.to_string()))?;
    let header = Header::read(arguments.kind, headers).map_err(fault)?;
    let mut record = csv::ByteRecord::new();
    let mut row_count = 0_u64;
    let spinner = Progress::new("reading the list", 0);
    while let Some(line) = csv.read(&mut record).map_err(|error| fault(error.to_string()))? {
        match header.row(line, &record) {
            Ok(_) => row_count = row_count.saturating_add(1),
            // What is not sent would count as no longer on the list, and end.
            Err(Unreadable { field, message_zh, message_en, .. }) if arguments.full => {
                return Err(fault(format!(
                    "line {line} {field}: {message_en} {message_zh}; a full list must be readable as a whole"
                )));
            }
            // Told when it is its turn.
            Err(_) => {}
        }
        spinner.at(row_count);
    }
    spinner.clear();
    let begin = begin(arguments, csv.into_inner().hash, row_count)?;
    Ok(List { file: file.clone(), header, begin })
}

fn begin(
    arguments: &Arguments,
    mut hash: Sha256,
    row_count: u64,
) -> Result<ImportBegin, anyhow::Error> {
    let Arguments { kind, file, full, region, list_date, source, .. } = arguments;
    let region = region.clone().unwrap_or_default();
    let list_date = match list_date {
        Some(date) => date.to_string(),
        None => written_on(file).with_context(|| reading(file))?.to_string(),
    };
    let name = || {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.chars().take(100).collect()
    };
    if *full {
        // The same rows as the full list of another day, or of another region, are another list.
        hash.update(format!("\0full {region} {list_date}"));
    }
    let import_id = format!("{}-{}", kind.word(), BASE64.encode(hash.finalize()));
    Ok(ImportBegin {
        import_id,
        kind: kind.wire().into(),
        full: *full,
        list_date,
        source: source.clone().unwrap_or_else(name),
        row_count,
        region,
    })
}

/// The day on which a file was last written, in Asia/Shanghai.
fn written_on(file: &Path) -> Result<jiff::civil::Date, anyhow::Error> {
    let written = jiff::Timestamp::try_from(std::fs::metadata(file)?.modified()?)?;
    Ok(written.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date())
}

/// Sends the list until the server has read all of it, again from the start where the stream breaks.
pub async fn send(
    list: &List,
    channel: Channel,
    rejects: &mut Rejects,
) -> Result<Imported, Failure> {
    let what = rows_of(list);
    let mut sending = Sending {
        client: RegistryServiceClient::new(channel),
        list,
        rejects,
        progress: Progress::new(&what, list.begin.row_count),
        durable: 0,
    };
    let mut wait = limits::CLIENT_BACKOFF_FIRST;
    let mut attempt = 1;
    loop {
        let before = sending.durable;
        let status = match sending.attempt().await {
            Ok(imported) => {
                sending.progress.clear();
                return Ok(imported);
            }
            Err(Broken::Here(error)) => return Err(Failure::Other(error.context(what))),
            Err(Broken::Status(status)) => status,
        };
        if let Some(told) = client::told(&status).filter(|_| !client::may_try_again(&status)) {
            sending.progress.clear();
            out::line(&told.for_people(&format!("{what} 拒收 Refused")));
            return Err(Failure::Answered(super::EXIT_FAILED));
        }
        if before < sending.durable {
            (wait, attempt) = (limits::CLIENT_BACKOFF_FIRST, 1);
        }
        if !may_resume(&status) || attempt == limits::CLIENT_ATTEMPTS_MAX {
            let said = client::describe(&status);
            return Err(Failure::Other(anyhow::anyhow!(
                "{what}: {said}; {} rows are durable, the same command goes on from there",
                sending.durable
            )));
        }
        out::error(&format!(
            "{what}: the stream broke ({}); sent again, which is safe: rows already taken change nothing. \
             连接中断，自动续传 ({attempt}/{})",
            client::describe(&status),
            limits::CLIENT_ATTEMPTS_MAX
        ));
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(limits::CLIENT_BACKOFF_MAX);
        attempt = attempt.saturating_add(1);
    }
}

/// A connection that reached its age, or a server that went away, shows as one of these too.
fn may_resume(status: &Status) -> bool {
    client::may_try_again(status) || matches!(status.code(), Code::Unknown | Code::Internal)
}

struct Sending<'a> {
    client: RegistryServiceClient<Channel>,
    list: &'a List,
    rejects: &'a mut Rejects,
    progress: Progress,
    durable: u64,
}

impl Sending<'_> {
    async fn attempt(&mut self) -> Result<Imported, Broken> {
        let (rows, taken) = mpsc::channel(limits::CLIENT_ROWS_AHEAD_MAX);
        let (bad_rows, mut bad) = mpsc::channel(limits::CLIENT_ROWS_AHEAD_MAX);
        let list = self.list.clone();
        // It keeps its end of the stream when it fails: a stream that ends well would say that the list is complete.
        let mut reading: JoinHandle<Result<(), (anyhow::Error, mpsc::Sender<ImportRequest>)>> =
            tokio::task::spawn_blocking(move || read_rows(&list, rows, &bad_rows));
        let call = self.client.import(ReceiverStream::new(taken));
        let mut answers = call.await.map_err(Broken::Status)?.into_inner();
        let mut read = false;
        loop {
            tokio::select! {
                answer = answers.message() => match answer.map_err(Broken::Status)?.and_then(|answer| answer.part) {
                    Some(import_response::Part::Progress(progress)) => self.progressed(&progress),
                    Some(import_response::Part::Reject(reject)) => self.reject(&reject.into())?,
                    Some(import_response::Part::Summary(mut summary)) => {
                        while let Some(reject) = bad.recv().await {
                            self.reject(&reject)?;
                        }
                        summary.rejected = summary.rejected.max(self.rejected());
                        return Ok(Imported::Whole(summary));
                    }
                    None => return Err(Broken::Status(Status::unavailable("the stream ended without a summary"))),
                },
                Some(reject) = bad.recv() => self.reject(&reject)?,
                outcome = &mut reading, if !read => {
                    read = true;
                    // Dropping the answers first cancels the call; then the rows' end may go.
                    match outcome.context("read the file").map_err(Broken::Here)? {
                        Ok(()) => {}
                        Err((error, rows)) => {
                            drop(answers);
                            drop(rows);
                            return Err(Broken::Here(error));
                        }
                    }
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.context("listen for Ctrl-C").map_err(Broken::Here)?;
                    self.progress.clear();
                    return Ok(Imported::Interrupted(self.durable));
                }
            }
        }
    }

    fn progressed(&mut self, progress: &ImportProgress) {
        self.durable = self.durable.max(progress.rows_durable);
        self.progress.at(progress.rows_read);
    }

    fn reject(&mut self, reject: &Reject) -> Result<(), Broken> {
        self.rejects.add(reject).map_err(Broken::Here)
    }

    fn rejected(&self) -> u64 {
        u64::try_from(self.rejects.count()).unwrap_or(u64::MAX)
    }
}

/// Sends every row that can be read, and tells of those that cannot. A receiver that has gone ends it.
fn read_rows(
    list: &List,
    rows: mpsc::Sender<ImportRequest>,
    bad: &mpsc::Sender<Reject>,
) -> Result<(), (anyhow::Error, mpsc::Sender<ImportRequest>)> {
    let opened = File::open(&list.file).with_context(|| reading(&list.file));
    let mut csv = match opened {
        Ok(file) => Records::new(file),
        Err(error) => return Err((error, rows)),
    };
    let part = |part| ImportRequest { part: Some(part) };
    if rows.blocking_send(part(import_request::Part::Begin(list.begin.clone()))).is_err() {
        return Ok(());
    }
    let mut record = csv::ByteRecord::new();
    loop {
        let line = match csv.read(&mut record).with_context(|| reading(&list.file)) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) => return Err((error, rows)),
        };
        let gone = match list.header.row(line, &record) {
            Ok(row) => rows.blocking_send(part(import_request::Part::Row(row))).is_err(),
            Err(unreadable) => bad.blocking_send(Reject::unreadable(line, unreadable)).is_err(),
        };
        if gone {
            return Ok(());
        }
    }
}

impl Reject {
    fn unreadable(line: u64, unreadable: Unreadable) -> Reject {
        let Unreadable { reason, field, message_zh, message_en } = unreadable;
        Reject { line, field, reason: reason.to_owned(), message_zh, message_en }
    }
}

impl From<ImportReject> for Reject {
    fn from(reject: ImportReject) -> Reject {
        let ImportReject { line, reason, field, message_zh, message_en } = reject;
        Reject { line, field, reason, message_zh, message_en }
    }
}

fn reading(file: &Path) -> String {
    format!("read {}", file.display())
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(bytes) = buffer.get(..count) {
            self.hash.update(bytes);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(file: &Path) -> Arguments {
        Arguments {
            kind: Kind::Identity,
            file: file.to_path_buf(),
            full: false,
            region: None,
            list_date: None,
            source: None,
            rejects: None,
            server: ServerArguments::default(),
        }
    }

    #[test]
    fn a_list_is_named_by_its_content_and_by_what_it_is_the_full_list_of() {
        let folder = std::env::temp_dir().join(format!("onestop-import-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("aid.csv");
        std::fs::write(&file, "credential,code\nP1,low_income\nP2,low_income\n").unwrap();
        let plain = look_through(&arguments(&file)).unwrap().begin;
        assert_eq!((plain.row_count, plain.source.as_str()), (2, "aid.csv"));
        assert!(plain.import_id.starts_with("identity-") && plain.import_id.len() <= 64);
        assert_eq!(look_through(&arguments(&file)).unwrap().begin.import_id, plain.import_id);

        let full = |date: &str| {
            let full = Arguments {
                full: true,
                region: Some("520200".to_owned()),
                list_date: Some(date.parse().unwrap()),
                ..arguments(&file)
            };
            look_through(&full).unwrap().begin.import_id
        };
        assert_ne!(full("2024-06-30"), plain.import_id);
        assert_ne!(full("2024-06-30"), full("2024-07-31"));

        std::fs::write(&file, "credential,code\nP1,low_income\nP2\n").unwrap();
        assert_ne!(look_through(&arguments(&file)).unwrap().begin.import_id, plain.import_id);
        let full = Arguments { full: true, ..arguments(&file) };
        let Err(Failure::Usage(fault)) = look_through(&full) else {
            panic!("a hole in a full list")
        };
        assert!(fault.contains("line 3"), "{fault}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
