//! A simulated insurance core in this process, with a database and rules of its own, and a gateway linked to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onestop::core_link::wire::core::v1::ChangesResponse;
use onestop::core_link::wire::core::v1::changes_response::Change;
use onestop::core_link::wire::core_sim::v1 as sim;
use onestop::core_link::wire::core_sim::v1::simulator_service_client::SimulatorServiceClient;
use onestop::core_link::{CoreLink, CoreSettings, Decides};
use onestop::core_sim::Simulator;
use onestop::door::wire;
use onestop::rulebook::RuleBook;
use onestop::server::{self, Services, Serving};
use onestop::store::outbox::{DeliveryState, delivery_lag};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::folder::Folder;
use crate::gateway::{Gateway, write_package};
use crate::harness;

pub(crate) struct Core {
    pub(crate) address: String,
    control: SimulatorServiceClient<Channel>,
    simulator: Simulator,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
    _rules: Folder,
}

/// Serves a simulator until it is told to stop.
fn serve(simulator: &Simulator, listener: TcpListener) -> (CancellationToken, JoinHandle<()>) {
    let mut services = Services::default();
    services.add(simulator.core_service());
    services.add(simulator.simulator_service());
    let stop = CancellationToken::new();
    let serving = Serving {
        listener,
        greeter: None,
        descriptors: wire::FILE_DESCRIPTOR_SET,
        state: watch::channel(false).0,
        stop: stop.clone(),
        drain_max: Duration::from_millis(100),
    };
    let served = async move {
        server::serve(services, serving).await.unwrap();
    };
    (stop, tokio::spawn(served))
}

impl Core {
    /// Serves, by rules of its own.
    pub(crate) async fn start(package: &str) -> Self {
        let rules = Folder::new("core-rules");
        write_package(&rules, "2024", package);
        let rulebook = RuleBook::open(rules.path(), false).unwrap();
        let database = harness::connect(&harness::empty("template0").await).await;
        let simulator = Simulator::open(database, rulebook).await.unwrap();
        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = Some(serve(&simulator, listener));
        let control = SimulatorServiceClient::connect(address.clone()).await.unwrap();
        Self { address, control, simulator, serving, _rules: rules }
    }

    /// Nobody listens there any more.
    pub(crate) async fn go_away(&mut self) {
        let (stop, served) = self.serving.take().unwrap();
        stop.cancel();
        served.await.unwrap();
    }

    /// It listens where it did, with what it had.
    pub(crate) async fn come_back(&mut self) {
        let listen: SocketAddr = self.address.strip_prefix("http://").unwrap().parse().unwrap();
        self.serving = Some(serve(&self.simulator, server::bind(listen).await.unwrap()));
    }

    /// Tells these changes from now on; gives the cursor of the last one.
    pub(crate) async fn tells(&self, changes: Vec<Change>) -> String {
        let said = |change| ChangesResponse { cursor: String::new(), change: Some(change) };
        let changes = changes.into_iter().map(said).collect();
        let told = self.control.clone().add_changes(sim::AddChangesRequest { changes }).await;
        told.unwrap().into_inner().cursor
    }

    /// Does so from now on.
    pub(crate) async fn faults(&self, faults: sim::Faults) {
        self.control.clone().set_faults(faults).await.unwrap();
    }

    /// Settlement ids in the order in which they were booked.
    pub(crate) async fn booked(&self) -> Vec<String> {
        let booked = self.control.clone().get_booked(sim::GetBookedRequest {}).await.unwrap();
        booked.into_inner().booked.into_iter().map(|booked| booked.settlement_id).collect()
    }

    /// What links a gateway to it, where it decides these layers of 520200.
    pub(crate) fn link(&self, layers: &[&str]) -> CoreLink {
        let decides = layers
            .iter()
            .map(|layer| Decides { region: "520200".to_owned(), layer: (*layer).to_owned() });
        let settings = CoreSettings {
            address: self.address.clone(),
            tls: None,
            patience: Duration::from_millis(300),
            decides: decides.collect(),
            changes: true,
        };
        CoreLink::new(settings).unwrap()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.serving {
            stop.cancel();
        }
    }
}

/// What delivers for a gateway; cut off where it stands when dropped, as by a kill.
pub(crate) struct Deliverer {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Deliverer {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&gateway.app).deliver(stop.clone()));
        Self { task, stop }
    }

    /// Ends it cleanly.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks until it holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(60), "still waiting until {what}");
        tokio::task::yield_now().await;
    }
}

/// How many entries are in a state; "unmoved" ones lie in the outbox.
pub(crate) async fn open(gateway: &Gateway, state: &str) -> u64 {
    let lag = delivery_lag(&gateway.database.pool).await.unwrap();
    lag.iter().filter(|of| of.state == state).map(|of| of.entries).sum()
}

/// Waits until the core has all.
pub(crate) async fn all_confirmed(gateway: &Gateway) {
    until("the core has all", || async {
        let lag = delivery_lag(&gateway.database.pool).await.unwrap();
        lag.iter().filter(|of| of.is_open()).all(|of| of.entries == 0)
    })
    .await;
}

pub(crate) async fn reaches(gateway: &Gateway, state: DeliveryState, entries: u64) {
    until(state.word(), || async { open(gateway, state.word()).await == entries }).await;
}
