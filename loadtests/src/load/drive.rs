//! Sends a scenario at a server, in one thread, and counts what comes back.
//!
//! A closed loop asks again when it is answered. An open loop sends when it is time, and counts latency from then, so that a server
//! that stalls is not spared the requests that it kept waiting.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::answers::{self, Class};
use super::arrivals::Schedule;
use super::bills::{Desk, Stay};
use super::codec::Encoded;
use super::latency::Latencies;
use super::progress::Progress;
use super::results::{Step, Unexpected};
use super::scenario::{Arrivals, Ask, Load, Scenario};

/// Settlements that may still be repeated or reversed.
const RECENT_MAX: usize = 4_096;
/// Requests of an open loop under way at once; more wait here, their time running.
const UNDER_WAY_MAX: usize = 16_384;
/// Kinds of unexpected answers that are kept with a sample.
const UNEXPECTED_MAX: usize = 50;
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a step warms up, and how long it counts.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub warm_up: Duration,
    pub measured: Duration,
}

/// An answer as a client got it, for who compares it with what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub asked_at: Instant,
    pub at: Instant,
    pub ask: Ask,
    pub request_id: String,
    pub hospital_code: String,
    pub class: Class,
}

/// Asks a server.
#[derive(Debug)]
pub struct Driver {
    desk: Desk,
    round: Vec<Ask>,
    channels: Vec<Channel>,
    check: bool,
    expected: Vec<String>,
    counting: Cell<bool>,
    state: RefCell<State>,
    /// Every answer, where somebody wants them.
    journal: Option<RefCell<Vec<Heard>>>,
}

#[derive(Debug, Default)]
struct State {
    event: u64,
    serial: u64,
    recent: VecDeque<(u64, String)>,
    answered: u64,
    latencies: BTreeMap<&'static str, Latencies>,
    outcomes: BTreeMap<String, u64>,
    unexpected: BTreeMap<String, Unexpected>,
}

/// What one event sends.
struct Event {
    ask: Ask,
    serial: u64,
    stay: Stay,
    bytes: Bytes,
}

impl Driver {
    /// Connects. `first` is the first stay's serial number: a later run on one database goes on where the last one ended.
    pub async fn connect(
        scenario: &Scenario,
        server: &str,
        (run, first): (&str, u64),
    ) -> Result<Driver, anyhow::Error> {
        Driver::connect_as(scenario, (server, None), (run, first)).await
    }

    /// The same as whoever these certificates say.
    pub async fn connect_as(
        scenario: &Scenario,
        (server, tls): (&str, Option<&ClientTlsConfig>),
        (run, first): (&str, u64),
    ) -> Result<Driver, anyhow::Error> {
        let mut channels = Vec::new();
        for _ in 0..scenario.connections {
            let endpoint = Endpoint::from_shared(server.to_owned()).context("read the address")?;
            let mut endpoint = endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true);
            if let Some(tls) = tls {
                endpoint = endpoint.tls_config(tls.clone()).context("use the certificates")?;
            }
            let channel = endpoint.connect().await;
            channels.push(channel.with_context(|| format!("connect to {server}"))?);
        }
        let desk = Desk::new(&scenario.bills, (scenario.persons, scenario.hot_person), run);
        Ok(Driver {
            desk,
            round: scenario.mix.round(),
            channels,
            check: scenario.check,
            expected: scenario.expected.clone(),
            counting: Cell::new(false),
            state: RefCell::new(State { serial: first, ..State::default() }),
            journal: None,
        })
    }

    /// The same, and every answer is kept.
    pub fn with_journal(self) -> Driver {
        Driver { journal: Some(RefCell::default()), ..self }
    }

    /// The same, and this answer is no error either.
    pub fn expecting(mut self, word: &str) -> Driver {
        self.expected.push(word.to_owned());
        self
    }

    /// How many requests were sent so far.
    pub fn sent(&self) -> u64 {
        self.state.borrow().event
    }

    /// Goes on with the stays from here.
    pub fn go_on_from(&self, serial: u64) {
        let mut state = self.state.borrow_mut();
        if state.serial != serial {
            state.serial = serial;
        }
    }

    /// All answers that were kept.
    pub fn journal(&self) -> Vec<Heard> {
        self.journal.as_ref().map_or_else(Vec::new, RefCell::take)
    }

    /// The serial number of the next stay.
    pub fn serial(&self) -> u64 {
        self.state.borrow().serial
    }

    /// How many bytes a request has on average.
    pub fn request_bytes_mean(&self) -> usize {
        self.desk.request_bytes_mean()
    }

    /// One answer to one settlement, as bytes: what a bare echo gives back.
    pub async fn sample(&self) -> Result<Bytes, anyhow::Error> {
        let stay = self.desk.stay(self.next_serial());
        let answer = self.call(0, Ask::Settle, self.desk.settle(&stay)).await;
        let class = Class::of(Ask::Settle, &answer);
        anyhow::ensure!(class.word == "settled", "a sample was {}: {}", class.word, class.message);
        answer.context("settle a sample")
    }

    fn next_serial(&self) -> u64 {
        let mut state = self.state.borrow_mut();
        let serial = state.serial;
        state.serial += 1;
        serial
    }

    fn next(&self) -> Event {
        let (ask, earlier) = {
            let mut state = self.state.borrow_mut();
            let at = state.event % u64::try_from(self.round.len()).unwrap_or(1);
            state.event += 1;
            let ask = usize::try_from(at).ok().and_then(|at| self.round.get(at)).copied();
            match ask.unwrap_or(Ask::Settle) {
                // The newest may still be on its way to somebody else; older ones have settled.
                Ask::Repeat => (Ask::Repeat, state.recent.front().cloned()),
                Ask::Reverse => (Ask::Reverse, state.recent.pop_front()),
                ask @ (Ask::Quote | Ask::Settle) => (ask, None),
            }
        };
        let (ask, serial, settlement) = match (ask, earlier) {
            (Ask::Repeat | Ask::Reverse, Some((serial, settlement))) => (ask, serial, settlement),
            // Nobody is quoted who is settled in this very moment.
            (Ask::Quote, _) => (Ask::Quote, self.serial() + 2_048, String::new()),
            (Ask::Settle | Ask::Repeat | Ask::Reverse, _) => {
                (Ask::Settle, self.next_serial(), String::new())
            }
        };
        let stay = self.desk.stay(serial);
        let bytes = match ask {
            Ask::Quote => self.desk.quote(&stay),
            Ask::Settle | Ask::Repeat => self.desk.settle(&stay),
            Ask::Reverse => self.desk.reverse(&stay, &settlement),
        };
        Event { ask, serial, stay, bytes }
    }

    async fn call(&self, place: usize, ask: Ask, bytes: Bytes) -> Result<Bytes, Status> {
        let path = match ask {
            Ask::Quote => "/onestop.settlement.v1.SettlementService/Quote",
            Ask::Settle | Ask::Repeat => "/onestop.settlement.v1.SettlementService/Settle",
            Ask::Reverse => "/onestop.settlement.v1.SettlementService/Reverse",
        };
        let channel = self.channels.get(place % self.channels.len().max(1));
        let channel = channel.cloned().ok_or_else(|| Status::unavailable("no connection"))?;
        let mut client = Grpc::new(channel);
        let call = async {
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = PathAndQuery::from_static(path);
            client.unary(Request::new(bytes), path, Encoded).await
        };
        match tokio::time::timeout(ANSWER_MAX, call).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("no answer")),
        }
    }

    /// Sends one event and counts its answer, its time running since `begun`.
    async fn send(&self, place: usize, begun: Instant) {
        let Event { ask, serial, stay, bytes } = self.next();
        let answer = self.call(place, ask, bytes).await;
        let took = begun.elapsed();
        let mut class = Class::of(ask, &answer);
        if self.check
            && let Ok(bytes) = &answer
            && let Err(broken) = answers::check(ask, bytes)
        {
            class.word = broken.into();
        }
        self.count((ask, took), (serial, &stay), &class);
        if let Some(journal) = &self.journal {
            let Stay { request_id, hospital_code, .. } = stay;
            let (asked_at, at) = (begun, Instant::now());
            let heard = Heard { asked_at, at, ask, request_id, hospital_code, class };
            journal.borrow_mut().push(heard);
        }
    }

    fn count(&self, (ask, took): (Ask, Duration), (serial, stay): (u64, &Stay), class: &Class) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if self.counting.get() {
            state.answered += 1;
            if let Some(latencies) = state.latencies.get_mut(ask.word()) {
                latencies.record(took);
            }
            match state.outcomes.get_mut(&*class.word) {
                Some(count) => *count += 1,
                None => {
                    state.outcomes.insert(class.word.clone().into_owned(), 1);
                }
            }
        }
        if ask == Ask::Settle
            && let Some(settlement_id) = &class.settlement_id
        {
            state.recent.push_back((serial, settlement_id.clone()));
            if RECENT_MAX < state.recent.len() {
                state.recent.pop_front();
            }
        }
        if !class.expected(ask) && !self.expected.iter().any(|word| *word == class.word) {
            let word = format!("{}: {}", ask.word(), class.word);
            if let Some(known) = state.unexpected.get_mut(&word) {
                known.count += 1;
            } else if state.unexpected.len() < UNEXPECTED_MAX {
                let (request_id, message) = (stay.request_id.clone(), class.message.clone());
                let sample = Unexpected { what: word.clone(), count: 1, request_id, message };
                state.unexpected.insert(word, sample);
            }
        }
    }

    fn begin(&self) -> Result<(), anyhow::Error> {
        let mut state = self.state.borrow_mut();
        state.answered = 0;
        state.outcomes.clear();
        state.unexpected.clear();
        state.latencies.clear();
        for ask in [Ask::Quote, Ask::Settle, Ask::Repeat, Ask::Reverse] {
            state.latencies.insert(ask.word(), Latencies::new()?);
        }
        Ok(())
    }

    fn end(&self, measured: Duration) -> Step {
        let mut state = self.state.borrow_mut();
        let per_second = |count: u64| {
            let ms = u64::try_from(measured.as_millis()).unwrap_or(0).max(1);
            count * 1_000 / ms
        };
        let latencies = std::mem::take(&mut state.latencies).into_iter();
        let latencies = latencies.map(|(ask, of)| (ask.to_owned(), of.summary()));
        Step {
            measured_ms: u64::try_from(measured.as_millis()).unwrap_or(0),
            answered: state.answered,
            answered_per_second: per_second(state.answered),
            settled_per_second: per_second(state.outcomes.get("settled").copied().unwrap_or(0)),
            latencies: latencies.filter(|(_, summary)| summary.count != 0).collect(),
            outcomes: std::mem::take(&mut state.outcomes),
            unexpected: std::mem::take(&mut state.unexpected).into_values().collect(),
            next_serial: state.serial,
            ..Step::default()
        }
    }

    /// Waits out the warm-up, then counts for as long as said, and shows how it goes.
    async fn count_for(&self, span: Span, label: &str) -> Duration {
        let progress = Progress::new(label, span.warm_up + span.measured);
        progress.watch(span.warm_up, || self.told()).await;
        self.counting.set(true);
        let begun = Instant::now();
        progress.watch(span.measured, || self.told()).await;
        self.counting.set(false);
        begun.elapsed()
    }

    fn told(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.event, state.unexpected.values().map(|unexpected| unexpected.count).sum())
    }
}

/// As many clients at once, each asking again when it is answered. Must run in a local set.
pub async fn closed(
    driver: &Rc<Driver>,
    clients: usize,
    span: Span,
) -> Result<Step, anyhow::Error> {
    driver.begin()?;
    let stop = Rc::new(Cell::new(false));
    let mut tasks = Vec::new();
    for place in 0..clients {
        let (driver, stop) = (Rc::clone(driver), Rc::clone(&stop));
        tasks.push(tokio::task::spawn_local(async move {
            while !stop.get() {
                driver.send(place, Instant::now()).await;
            }
        }));
    }
    let measured = driver.count_for(span, &format!("{clients} client(s)")).await;
    stop.set(true);
    for task in tasks {
        task.await.context("wait for a client")?;
    }
    Ok(Step { clients: Some(clients), ..driver.end(measured) })
}

/// Requests when it is time. Must run in a local set.
pub async fn open(
    driver: &Rc<Driver>,
    (arrivals, rate_per_second): (Arrivals, u32),
    span: Span,
) -> Result<Step, anyhow::Error> {
    driver.begin()?;
    // A thread of its own keeps the time, to some 60 µs: the runtime's timers go by milliseconds.
    let (tell, mut told) = mpsc::channel::<Instant>(UNDER_WAY_MAX);
    let total = span.warm_up + span.measured;
    let pacer = std::thread::spawn(move || {
        let begun = Instant::now();
        for due in Schedule::new(arrivals, rate_per_second, 1).take_while(|due| *due < total) {
            let due = begun + due;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if tell.blocking_send(due).is_err() {
                return;
            }
        }
    });
    let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let sending = {
        let (driver, room) = (Rc::clone(driver), Arc::clone(&room));
        tokio::task::spawn_local(async move {
            let mut place = 0_usize;
            while let Some(due) = told.recv().await {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
                let driver = Rc::clone(&driver);
                place = place.wrapping_add(1);
                tokio::task::spawn_local(async move {
                    driver.send(place, due).await;
                    drop(permit);
                });
            }
        })
    };
    let measured = driver.count_for(span, &format!("{rate_per_second} a second")).await;
    sending.await.context("wait for the sender")?;
    // What is still under way has its answer or its end within ANSWER_MAX.
    let all = u32::try_from(UNDER_WAY_MAX).unwrap_or(u32::MAX);
    drop(room.acquire_many(all).await.context("wait for the last answers")?);
    pacer.join().map_err(|_| anyhow::anyhow!("the pacer panicked"))?;
    Ok(Step { rate_per_second: Some(rate_per_second), ..driver.end(measured) })
}

/// Runs one step: a load with one number of clients, or a rate.
pub async fn run(driver: &Rc<Driver>, load: &Load) -> Result<Step, anyhow::Error> {
    let span = |warm_up: u32, measured: u32| {
        let [warm_up, measured] =
            [warm_up, measured].map(|count| Duration::from_secs(count.into()));
        Span { warm_up, measured }
    };
    match load {
        Load::Closed { clients, warm_up_seconds, measured_seconds } => {
            let clients = clients.first().copied().unwrap_or(1);
            closed(driver, clients, span(*warm_up_seconds, *measured_seconds)).await
        }
        Load::Open { rate_per_second, warm_up_seconds, measured_seconds, arrivals } => {
            let span = span(*warm_up_seconds, *measured_seconds);
            open(driver, (*arrivals, *rate_per_second), span).await
        }
    }
}
