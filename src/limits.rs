//! Every limit, by name, with its reason; the compiler checks how they relate. What has no limit here has none at all,
//! and that is a fault.
use std::num::NonZeroU32;
use std::time::Duration;

// === Messages ===

/// More than any stay seen in the wild (5 000 is the largest we were told of), and still decided well inside [`RESPONSE_MAX`].
pub const CHARGE_LINES_MAX: usize = 10_000;

/// A charge line on the wire with every text at its widest is about 190 bytes; rounded up to leave room for new fields.
pub const CHARGE_LINE_BYTES_MAX: usize = 256;

/// A bill without its lines: diagnoses, facts, ids, and a quote token.
pub const BILL_HEAD_BYTES_MAX: usize = 64 * 1024;

/// The largest message taken or sent. Half as much again as the largest bill, so that a bill of 10 001 lines still reaches
/// us and is refused by name instead of by size.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// HTTP/2 headers of one call. Ours carry a trace context and a deadline, nothing more.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// The head of one call by the national door is held to the same, and to so many headers. Whatever is a hundred headers or 400 KiB is
/// refused by the HTTP library before the door sees it.
pub const NATIONAL_HEADERS_MAX: usize = 64;

/// The address of a national message. It says nothing: hospitals send all messages to one, or a transaction's name is in it.
pub const NATIONAL_URI_BYTES_MAX: usize = 2 * 1024;

/// Facts of one bill. No package in the wild asks for more than a handful.
pub const FACTS_MAX: usize = 50;

/// A fact's name, as rule packages and the registry may write it.
pub const FACT_NAME_LENGTH_MAX: usize = 40;

/// A fact's value: a number, a word, an amount.
pub const FACT_VALUE_LENGTH_MAX: usize = 100;

/// Diagnoses of one stay; the national form has room for one principal and some twenty others.
pub const DIAGNOSES_MAX: usize = 64;

/// An ICD-10 code with its national extensions has ten characters.
pub const DIAGNOSIS_CODE_LENGTH_MAX: usize = 20;

/// Parts of one stay: settled midway every day for two years.
pub const STAY_PARTS_MAX: i16 = 730;

/// A credential: tokens of electronic ones are the longest. The registry takes as many.
pub const CREDENTIAL_LENGTH_MAX: usize = 100;

/// Why a settlement was reversed, in somebody's words.
pub const REVERSAL_REASON_LENGTH_MAX: usize = 200;

/// A question who looked at a person's data: a credential and where to go on.
pub const ACCESS_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// One message of an import. A thousand of them wait in memory for their transaction, for each list on its way in.
pub const IMPORT_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes set aside for what the national door answers: a settlement has three to four thousand. A longer one takes more.
pub const NATIONAL_ANSWER_BYTES_USUAL: usize = 4_096;

/// The body of one call by the national door. Its JSON is several times as wide as our messages; so charge lines come in batches.
pub const NATIONAL_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much more of a message that is too large is read and dropped, so that its sender comes to read why it is refused.
pub const NATIONAL_SKIPPED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How much of a message that is too large is looked at for what it is: `infno` stands in front in all that were seen.
pub const NATIONAL_BEGIN_BYTES_SEEN: usize = 1_024;

/// Charge lines in one batch. Hospitals send a hundred at a time.
pub const NATIONAL_FEE_ROWS_MAX: usize = 1_000;

/// A charge line in the national interface's JSON, with every field at its widest.
pub const NATIONAL_FEE_ROW_BYTES_MAX: usize = 3 * 1024;

/// How deep a national message's values may lie in each other; the standard's have four.
pub const NATIONAL_DEPTH_MAX: usize = 16;

/// What the national answer has room for in the steps of one layer, `setl_proc_info`.
pub const NATIONAL_STEPS_LENGTH_MAX: usize = 4_000;

/// Signed messages that are remembered for as long as their clock may say, at some fifty bytes each.
pub const SIGNED_MESSAGES_REMEMBERED_MAX: usize = 262_144;

/// Keys of other hospitals that are tried on a signature that does not hold: each by SM2 takes half a millisecond.
pub const OTHER_KEYS_TRIED_MAX: usize = 8;

/// A statement's text once it is unpacked: ten million rows of a hundred bytes, twice.
pub const STATEMENT_TEXT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// A statement's file as it is sent, packed or plain: ten million rows in a ZIP.
pub const STATEMENT_FILE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A text of a statement's scope: codes, and the name of a payer.
pub const SCOPE_TEXT_LENGTH_MAX: usize = 100;

/// The name of a file that comes by the national door.
pub const FILE_NAME_LENGTH_MAX: usize = 200;

/// The largest sum that is compared: a hundred thousand of the largest bills.
pub const SUM_FEN_MAX: i64 = 1_000_000_000_000_000;

/// Bad rows in one answer.
pub const BAD_ROWS_TOLD_MAX: usize = 1_000;

/// One message of a statement's stream: a chunk of its file.
pub const STATEMENT_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// One line of a statement: its cells have at most some two hundred characters, and a remark a few hundred.
pub const STATEMENT_LINE_BYTES_MAX: usize = 8 * 1024;

/// What is read of a statement at once.
pub const STATEMENT_BUFFER_BYTES: usize = 64 * 1024;

/// Rows of a statement: a province's day, several times over.
pub const STATEMENT_ROWS_MAX: u64 = 20_000_000;

/// Rows of a statement in one transaction: copied in bulk, a fraction of a second's work to redo.
pub const STATEMENT_BATCH_ROWS: usize = 20_000;

/// Rows of a statement that are gone through before it is told how far that is: a fraction of a second's work.
pub const SURVEY_TOLD_ROWS: u64 = 100_000;

/// Statements that are listed at once.
pub const STATEMENTS_LISTED_MAX: i64 = 1_000;

/// Bad rows of a statement that are listed by line; more are counted.
pub const STATEMENT_BAD_ROWS_LISTED_MAX: u64 = 10_000;

/// Rows of both sides that are fetched, or differences that are explained, at once.
pub const RECONCILE_FETCH_ROWS: i32 = 10_000;

/// Differences that are explained in one transaction.
pub const EXPLAIN_BATCH_ROWS: i64 = 1_000;

// === Time ===

/// How far the clock of a hospital that signs may be from ours where the callers file says nothing else.
pub const SIGNED_CLOCK_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a billing desk waits for us. Past this its system treats the outcome as unknown.
pub const RESPONSE_MAX: Duration = Duration::from_millis(2_000);

/// How long a call waits for a database connection before it is refused as overload.
pub const POOL_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long a national message may take to arrive once its head has.
pub const NATIONAL_BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Until when work on a national call may begin: hospital systems wait half a minute at least.
pub const NATIONAL_BEGIN_MAX: Duration = Duration::from_millis(7_000);

/// When a national call is answered at the latest: where it is not known what becomes of it, that is said.
pub const NATIONAL_ANSWER_MAX: Duration = Duration::from_millis(9_000);

/// How long one statement on the path of a settlement may run. Two of them and the wait fit in [`RESPONSE_MAX`].
pub const STATEMENT_TIMEOUT: Duration = Duration::from_millis(800);

/// How long a statement waits for another's lock: short, since the loser decides again from a fresh snapshot.
pub const LOCK_TIMEOUT: Duration = Duration::from_millis(400);

/// A transaction that sits idle this long has lost its client; it must not hold its locks.
pub const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_millis(5_000);

/// How long a new connection to the database may take to open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);

/// One statement of an import batch: many rows at once, and nobody stands at a desk for it.
pub const IMPORT_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a quote binds: a patient walks from the ward to the counter and queues there.
pub const QUOTE_VALID: Duration = Duration::from_secs(30 * 60);

/// How long something may still be written after its connection was lost: its statement runs to its end.
pub const UNHEARD_MAX: Duration = Duration::from_secs(30);

/// How long a group of records of who looked at persons' data collects, where nobody waits for it. With the time that it takes to write
/// one, records are durable within 200 ms. Short: a large group takes a core from everybody for as long as it is written, and the slowest
/// quotes are those that came meanwhile.
pub const ACCESS_LINGER: Duration = Duration::from_millis(10);

/// How long a quote waits for room where as many records wait as may, before it is refused as overload.
pub const ACCESS_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long an answer waits for the record of it, which must be durable first.
pub const ACCESS_DURABLE_MAX: Duration = Duration::from_millis(1_000);

/// How long what waits may take to be written once we are told to stop and every call is answered.
pub const ACCESS_FLUSH_MAX: Duration = Duration::from_secs(5);

/// When to come again after a refusal for overload: the queue at the database is short, and drains in this time.
pub const RETRY_WHEN_BUSY: Duration = Duration::from_millis(500);

/// When to come again while something that we depend on is away.
pub const RETRY_WHEN_AWAY: Duration = Duration::from_millis(2_000);

/// How often an import tells how far it is, at most.
pub const IMPORT_PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// How often the private cluster is looked at. Until it runs again every call is refused as an outage, so the sooner the better.
pub const CLUSTER_WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// The first pause after a start of the private cluster that failed; it doubles each time.
pub const CLUSTER_RESTART_BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// How often in a row the private cluster is started again before we end, and say why: a full disk mends itself no sooner.
pub const CLUSTER_RESTARTS_MAX: u32 = 6;

/// How often a fence looks whether what was under way before it has ended: as long as a group of commits takes.
pub const FENCE_LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long a fence waits for what was under way. No commit runs as long; whatever does is looked at by somebody.
pub const FENCE_WAIT_MAX: Duration = Duration::from_secs(60);

// === Work at once ===

/// Database connections of one server. PostgreSQL commits fastest with a few per core; more only queue inside it.
pub const POOL_CONNECTIONS_MAX: usize = 32;

/// Connections that the private cluster takes: the pool, and some for people and tests.
pub const CLUSTER_CONNECTIONS_MAX: usize = 200;

/// Snapshots of one group: the gain flattens here, and the last of a group waits for all of it.
pub const READ_GROUP_MAX: usize = 64;

/// The least of one group, where more wait: fewer share too little of what a statement costs.
pub const READ_GROUP_MIN: usize = 4;

/// Groups of snapshots read at once.
pub const READERS_MAX: usize = 4;

/// Groups of histories read at once: whoever was here before comes this way, and where their pages are in nobody's memory a disk brings
/// several in as fast as one.
pub const HISTORY_READERS_MAX: usize = 6;

/// Groups of stays of the national door read at once.
pub const NATIONAL_READERS_MAX: usize = 2;

/// Snapshots that wait for their group.
pub const READ_BACKLOG_MAX: usize = 4_096;

/// Persons of the registry that are held in memory, at about 80 bytes each: half a gigabyte.
pub const REGISTRY_PERSONS_HELD_MAX: usize = 6_000_000;

/// How many persons must have been read one by one, since the registry in memory does not have them as they are, before it is read again:
/// so many, and one in [`REGISTRY_BEHIND_SHARE`] of those whom it has. It is read beside the old one, so that both are held for a while.
pub const REGISTRY_BEHIND_MIN: usize = 500;
/// See [`REGISTRY_BEHIND_MIN`].
pub const REGISTRY_BEHIND_SHARE: usize = 16;

/// How long after a failure the registry is read into memory again.
pub const REGISTRY_READ_PAUSE: Duration = Duration::from_secs(5);

/// Blocks of a file that are brought near by one statement: 32 MiB, which the slowest disk reads before a statement may run no longer.
pub const NEAR_BLOCKS: i64 = 4_096;

/// What those who were here lately take in memory, with all that they have used: some 260 bytes each for the
/// first stay and 70 for each further one, so that about half a million fit.
pub const RECENT_PERSONS_BYTES_MAX: usize = 160 * 1024 * 1024;

/// Request ids that are remembered as used up, at some sixteen bytes each: what a hospital sends again it mostly sends at once.
pub const RECENT_REQUESTS_MAX: usize = 262_144;

/// Rows of the catalogue that are held in memory, at about 600 bytes each. The national lists have some 300 000 items.
pub const CATALOGUE_ROWS_HELD_MAX: usize = 1_000_000;

/// How often the catalogue is read again, at most, while lists of items come in batch by batch.
pub const CATALOGUE_READ_INTERVAL: Duration = Duration::from_millis(500);

/// Entries of one group, whatever the disk, where so many wait: a smaller one saves nobody time.
pub const COMMIT_GROUP_MIN: usize = 64;

/// Entries of one group: what a disk that takes 2 ms to sync makes worth waiting for.
pub const COMMIT_GROUP_MAX: usize = 512;

/// Groups written at once. One backend of PostgreSQL fills a core, and one writer is enough until it does.
pub const COMMIT_WRITERS_MAX: usize = 16;

/// Entries that wait for their group: at a tenth of what a machine of two cores commits, they are written before the desk gives up.
pub const COMMIT_BACKLOG_MAX: usize = 4_096;

/// Records of who looked at persons' data that are written at once.
pub const ACCESS_GROUP_MAX: usize = 2_048;

/// Records that wait for their group: what twenty thousand quotes a second leave in most of a second.
pub const ACCESS_BACKLOG_MAX: usize = 16_384;

/// Records that are listed at once, each with a caller's name and little else: a fraction of a message.
pub const ACCESSES_PAGE_MAX: usize = 2_000;

/// How often a settlement is decided again because its snapshot moved, before it is refused as busy. Each try takes a few
/// milliseconds; between two gateways that meet on one person each is lost every other time, so that all are in one of 65 000.
pub const DECIDE_ATTEMPTS_MAX: usize = 16;

/// Client connections at once. A hospital's interface server keeps a few; a province has some thousand hospitals.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Client connections at once from one address, or one network of IPv6. A proxy in front of many hospitals needs more: it is configured.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;

/// Calls a second of one caller where the callers file says nothing else: more than a large hospital's desks send, and a batch of its
/// own goes slower.
pub const CALLER_RATE_PER_SECOND: NonZeroU32 = match NonZeroU32::new(500) {
    Some(rate) => rate,
    None => NonZeroU32::MIN,
};

/// Calls of one caller at once where the callers file says nothing else.
pub const CALLER_CALLS_AT_ONCE: usize = 128;

/// Callers whose calls are counted at once.
pub const CALLERS_COUNTED_MAX: usize = 65_536;

/// Connections that were greeted and that nobody has taken yet.
pub const CONNECTIONS_READY_MAX: usize = 64;

/// How long a connection may take to greet by TLS.
pub const GREETING_MAX: Duration = Duration::from_secs(5);

/// How long an HTTP/1 connection may rest between two calls, or take for the head of one. Hospital systems keep a connection for some
/// seconds; whoever dribbles a head holds one no longer than that.
pub const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the other end of a connection may take nothing of what it asked for.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// How long a gRPC message may take to arrive and be answered: far longer than any answer, so that only those are cut that dribble.
pub const GRPC_CALL_MAX: Duration = Duration::from_secs(30);

/// What is read ahead of an HTTP/1 connection: the head of a call must fit.
pub const HTTP_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How long accepting rests after it failed.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often certificates, revocations and callers are looked at.
pub const TRUST_LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// National calls at once. Each holds its message in memory, and the database is kept busy by far fewer.
pub const NATIONAL_CALLS_MAX: usize = 256;

/// Calls at once on one connection.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 256;

/// Rows of an import in one transaction: large enough to make the commit cheap, small enough to redo.
pub const IMPORT_BATCH_ROWS: usize = 1_000;

/// Persons whose sealed values are sealed anew in one transaction: their rows are locked for some milliseconds.
pub const RESEAL_BATCH_PERSONS: usize = 500;

/// How often a batch is tried again that meets persons whom an import holds, [`RETRY_WHEN_BUSY`] apart.
pub const RESEAL_ATTEMPTS_MAX: usize = 120;

/// Bytes of a result file that go out at once.
pub const RESULT_CHUNK_BYTES: usize = 64 * 1024;

/// Answers of an import that wait for a slow reader; past this the import waits too.
pub const IMPORT_ANSWERS_WAITING: usize = 256;

// === The insurance core ===

/// Entries in one message to the core: a few hundred kilobytes.
pub const CORE_PUSH_ENTRIES_MAX: usize = 200;

/// Messages to the core that are on their way at once.
pub const CORE_PUSHES_AT_ONCE: usize = 8;

/// Rows that are moved out of the outbox at once: some tenths of a second.
pub const DELIVERY_MOVE_MAX: usize = 4_000;

/// Entries that are looked for at once; more are due in the next round.
pub const DELIVERY_DUE_MAX: usize = 2_000;

/// Entries of one person in one round.
pub const DELIVERY_OF_A_PERSON_MAX: usize = 50;

/// How often the deliverer looks where there was nothing to do.
pub const DELIVERY_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How often who does not lead looks whether somebody still does.
pub const DELIVERY_LEAD_INTERVAL: Duration = Duration::from_secs(1);

/// How often what is open is counted for the gauges.
pub const DELIVERY_LAG_INTERVAL: Duration = Duration::from_secs(5);

/// How long the core may take to answer a push or a question of what it has.
pub const CORE_CALL_MAX: Duration = Duration::from_secs(10);

/// How long a desk waits for the core to tell what a layer pays, where nothing else is configured.
pub const CORE_PATIENCE: Duration = Duration::from_millis(300);

/// The longest that may be configured: the desk still has its answer in time.
pub const CORE_PATIENCE_MAX: Duration = Duration::from_millis(900);

/// Questions to the core at once; one more is answered as if the core were slow.
pub const CORE_QUOTES_AT_ONCE: usize = 256;

/// The first pause after the core did not do it; each further one is twice as long, up to the longest, and shortened by chance.
pub const CORE_BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
pub const CORE_BACKOFF_MAX: Duration = Duration::from_secs(60);

/// After so many failures in a row nobody calls the core for a while.
pub const CORE_BREAKER_FAILURES: u32 = 5;

/// For so long; then one call tries whether it is back.
pub const CORE_BREAKER_OPEN: Duration = Duration::from_secs(2);

/// What the core says as a code or reference is kept up to here.
pub const CORE_CODE_LENGTH_MAX: usize = 64;

/// Layers of one bill that the core may be asked for, over all identities that are tried.
pub const CORE_QUESTIONS_A_BILL_MAX: usize = 16;

/// After a change of the core the next ones are waited for so long, to be taken together.
pub const CORE_CHANGES_PAUSE: Duration = Duration::from_millis(50);

/// Where the core's changes go on is said in at most so many characters.
pub const CORE_CURSOR_LENGTH_MAX: usize = 200;

/// Bytes of a hash that name a list of the core's changes.
pub const CORE_LIST_NAME_BYTES: usize = 24;

/// Persons who are trued up in one round, so many of them at once.
pub const TRUE_UP_PERSONS_MAX: usize = 64;

/// At once.
pub const TRUE_UPS_AT_ONCE: usize = 8;

/// Corrections that a hospital is told of at once.
pub const TRUE_UPS_LISTED_MAX: usize = 1_000;

/// Dead letters that one list shows.
pub const DEAD_LETTERS_LISTED_MAX: usize = 10_000;

// === The books ===

/// Statements and postings at once in a list.
pub const CLEARING_PAGE_MAX: u32 = 500;

/// Sums of a balance at once: a month of a province by hospital, or a day by entry.
pub const BALANCE_ROWS_MAX: u32 = 20_000;

/// Groups of a month that an audit adds up: a province by county, hospital, scheme, class and kind of care.
pub const AUDIT_GROUPS_MAX: u32 = 40_000;

/// Lines of a fund flow in one answer.
pub const AUDIT_LINES_MAX: usize = 9_000;

/// What a line takes at most: its amounts below zero, its names as long as they may be.
const AUDIT_LINE_BYTES_MAX: usize = 400;

/// Alarms in one answer, the worst first; it says how many more there are.
pub const AUDIT_ALARMS_MAX: usize = 1_000;

/// Entries of a month at once in a list; each leaves a record of the look.
pub const AUDIT_PAGE_MAX: u32 = 500;

/// Settlements of a claim at once, as the national interface has it.
pub const CLAIMS_PAGE_MAX: u32 = 100;

/// Payments of one file to a bank.
pub const PAYMENT_LINES_MAX: u32 = 5_000;

/// What a bank sends back at most: a row for each payment of a file.
pub const BANK_FILE_BYTES_MAX: usize = 1_000_000;

/// How often a gateway looks at what budgets have left.
pub const BUDGET_LOOK_INTERVAL: Duration = Duration::from_secs(20);

/// How old what it holds of them may become.
pub const BUDGET_AGE_MAX: Duration = Duration::from_secs(60);

// === Seals and bundles ===

/// How often what was settled since is sealed. With [`SEAL_LAG`] it is sealed within a minute.
pub const SEAL_INTERVAL: Duration = Duration::from_secs(20);

/// How long after it was made a settlement is surely visible: far longer than a commit takes. What comes later is found when its day is
/// closed.
pub const SEAL_LAG: Duration = Duration::from_secs(20);

/// How long after its end a day is closed: whatever was decided in it has been written, or never will be.
pub const SEAL_DAY_GRACE: Duration = Duration::from_secs(120);

/// How many days a server closes at once by itself: a longer pause than that, or a clock that jumped, is for somebody to look at.
pub const SEAL_DAYS_AT_ONCE: i32 = 3;

/// Leaves of one row of the table of leaves.
pub const SEAL_BLOCK_LEAVES: usize = 4_096;

/// Leaves that wait to be written together.
pub const SEAL_WRITE_LEAVES: usize = 16_384;

/// Leaves sealed at one go; what is left is sealed the next time, so that a database that was never sealed does not take a core.
pub const SEAL_TICK_LEAVES_MAX: usize = 200_000;

/// Rows of the ledger that one statement reads to be sealed, about.
pub const SEAL_READ_ROWS: usize = 2_048;

/// How many times as long as it read a server's sealer then pauses, and at most: what a desk waits for comes first.
pub const SEAL_PAUSE_TIMES: u32 = 4;
/// See [`SEAL_PAUSE_TIMES`].
pub const SEAL_PAUSE_MAX: Duration = Duration::from_millis(100);

/// How many differences are named where what is stored is not what was sealed; all are counted.
pub const SEAL_DIFFERENCES_TOLD: usize = 100;

/// Bytes of one leaf of a bundle, far more than any record has: what says to be longer is not read.
pub const BUNDLE_LEAF_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of any other file of a bundle.
pub const BUNDLE_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The longest span of time that one statement reads to be sealed.
pub const SEAL_READ_SPAN_MAX: Duration = Duration::from_secs(60);

// === Connections and stopping ===

/// After this a client is asked to reconnect, so that load spreads over servers and no connection lives for ever.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long calls may still run on a connection that has reached its age. Long imports resume.
pub const CONNECTION_AGE_GRACE: Duration = Duration::from_secs(60);

/// How often an idle client is asked whether it is still there.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long it may take to answer.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepted calls may finish once we are told to stop. Then whatever is left is cut off: it either committed, and
/// the hospital can ask for it, or it did not.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long the private cluster may take to come up, crash recovery included.
pub const CLUSTER_START_MAX: Duration = Duration::from_secs(120);

/// How long the private cluster may take to write its last checkpoint when stopped.
pub const CLUSTER_STOP_MAX: Duration = Duration::from_secs(30);

// === The command line as a client ===

/// How long the command line waits for one answer: longer than the server takes to give up, so that its word is heard.
pub const CLIENT_CALL_MAX: Duration = Duration::from_secs(10);

/// How long it waits for a connection.
pub const CLIENT_CONNECT_MAX: Duration = Duration::from_secs(3);

/// How often it sends the same message before it says that the outcome is not known.
pub const CLIENT_ATTEMPTS_MAX: u32 = 6;

/// The first pause between two attempts; each further one is twice as long, up to the longest.
pub const CLIENT_BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// The longest pause.
pub const CLIENT_BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Rows of an import that lie between reading the file and the wire, and rejects that wait to be written.
pub const CLIENT_ROWS_AHEAD_MAX: usize = 512;

// === Telemetry ===

/// Spans waiting for the collector; more are dropped, so that a dead collector costs memory once and time never.
pub const SPAN_QUEUE_MAX: usize = 8_192;

/// Spans sent at once.
pub const SPAN_BATCH_MAX: usize = 512;

/// One call in so many is traced where nobody says otherwise: a province settles some hundred thousand stays a day.
pub const TRACE_ONE_IN: u32 = 100;

/// How long one export may take.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long telemetry may take to flush when we stop; then it is given up.
pub const TELEMETRY_STOP_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(SEAL_INTERVAL.as_secs() + SEAL_LAG.as_secs() < 60, "sealed within a minute");
const _: () = assert!(SEAL_LAG.as_millis() < SEAL_DAY_GRACE.as_millis());
const _: () = assert!(SEAL_BLOCK_LEAVES <= SEAL_WRITE_LEAVES);
const _: () = assert!(
    CHARGE_LINES_MAX * CHARGE_LINE_BYTES_MAX + BILL_HEAD_BYTES_MAX < MESSAGE_BYTES_MAX,
    "the largest bill fits in a message",
);
const _: () = assert!(
    FACTS_MAX * (FACT_NAME_LENGTH_MAX + 4 * FACT_VALUE_LENGTH_MAX)
        + DIAGNOSES_MAX * DIAGNOSIS_CODE_LENGTH_MAX
        + 4 * CREDENTIAL_LENGTH_MAX
        < BILL_HEAD_BYTES_MAX,
    "the widest head of a bill fits",
);
const _: () = assert!(
    POOL_WAIT_MAX.as_millis() + 2 * STATEMENT_TIMEOUT.as_millis() < RESPONSE_MAX.as_millis(),
    "waiting for a connection, reading and committing end before the desk gives up",
);
const _: () = assert!(
    NATIONAL_FEE_ROWS_MAX * NATIONAL_FEE_ROW_BYTES_MAX < NATIONAL_BODY_BYTES_MAX,
    "the widest batch of charge lines fits in a body",
);
const _: () = assert!(
    NATIONAL_BEGIN_MAX.as_millis() + POOL_WAIT_MAX.as_millis() + 2 * STATEMENT_TIMEOUT.as_millis()
        < NATIONAL_ANSWER_MAX.as_millis(),
    "what was begun in time ends before it is given up",
);
const _: () = assert!(NATIONAL_ANSWER_MAX.as_millis() < DRAIN_MAX.as_millis());
const _: () = assert!(RESPONSE_MAX.as_millis() < GRPC_CALL_MAX.as_millis());
const _: () = assert!(CONNECTIONS_PER_ADDRESS_MAX < CONNECTIONS_MAX);
const _: () = assert!(LOCK_TIMEOUT.as_millis() < STATEMENT_TIMEOUT.as_millis());
const _: () = assert!(CONNECT_TIMEOUT.as_millis() < RESPONSE_MAX.as_millis());
const _: () = assert!(RESPONSE_MAX.as_millis() < IDLE_IN_TRANSACTION_TIMEOUT.as_millis());
const _: () = assert!(RESPONSE_MAX.as_millis() < DRAIN_MAX.as_millis());
const _: () = assert!(IMPORT_STATEMENT_TIMEOUT.as_millis() < CONNECTION_AGE_GRACE.as_millis());
const _: () = assert!(COMMIT_WRITERS_MAX + COMMIT_WRITERS_MAX / 4 < POOL_CONNECTIONS_MAX);
const _: () =
    assert!(READERS_MAX + HISTORY_READERS_MAX + NATIONAL_READERS_MAX <= POOL_CONNECTIONS_MAX / 2);
const _: () = assert!(STATEMENT_TIMEOUT.as_millis() < UNHEARD_MAX.as_millis());
const _: () = assert!(UNHEARD_MAX.as_millis() < FENCE_WAIT_MAX.as_millis());
const _: () = assert!(IMPORT_STATEMENT_TIMEOUT.as_millis() <= UNHEARD_MAX.as_millis());
const _: () = assert!(COMMIT_GROUP_MAX < COMMIT_BACKLOG_MAX);
const _: () = assert!(2 * ACCESS_GROUP_MAX <= ACCESS_BACKLOG_MAX);
const _: () = assert!(2 * ACCESS_LINGER.as_millis() <= 200);
const _: () = assert!(ACCESS_WAIT_MAX.as_millis() < RESPONSE_MAX.as_millis());
const _: () = assert!(2 * POOL_CONNECTIONS_MAX < CLUSTER_CONNECTIONS_MAX);
const _: () = assert!(RESPONSE_MAX.as_millis() < CLIENT_CALL_MAX.as_millis());
const _: () = assert!(CLIENT_BACKOFF_FIRST.as_millis() < CLIENT_BACKOFF_MAX.as_millis());
const _: () = assert!(KEEP_ALIVE_TIMEOUT.as_millis() < KEEP_ALIVE_INTERVAL.as_millis());
const _: () = assert!(CORE_BACKOFF_FIRST.as_millis() < CORE_BACKOFF_MAX.as_millis());
const _: () = assert!(
    POOL_WAIT_MAX.as_millis() + CORE_PATIENCE_MAX.as_millis() + STATEMENT_TIMEOUT.as_millis()
        < RESPONSE_MAX.as_millis(),
    "who waited for the core in vain still commits in time",
);
const _: () = assert!(CORE_PATIENCE.as_millis() <= CORE_PATIENCE_MAX.as_millis());
const _: () = assert!(2 * BUDGET_LOOK_INTERVAL.as_millis() < BUDGET_AGE_MAX.as_millis());
const _: () = assert!(BANK_FILE_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(
    AUDIT_LINES_MAX * AUDIT_LINE_BYTES_MAX + 500_000 < MESSAGE_BYTES_MAX,
    "a fund flow fits in a message, its alarms too",
);
const _: () = assert!(SPAN_BATCH_MAX < SPAN_QUEUE_MAX);
const _: () = assert!(EXPORT_TIMEOUT.as_millis() < TELEMETRY_STOP_MAX.as_millis());
