//! A whole gateway for a test: a database of its own, rules that the test wrote, real gRPC on a free port.

use std::net::SocketAddr;
use std::sync::Arc;

use onestop::app::{self, App, Publication};
use onestop::core_link::CoreLink;
use onestop::domain::ids::identity_number_is_valid;
use onestop::door::callers::Callers;
use onestop::door::grpc;
use onestop::door::wire;
use onestop::door::wire::registry::v1 as registry;
use onestop::door::wire::registry::v1::registry_service_client::RegistryServiceClient;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use onestop::door::wire::settlement::v1::{
    Bill, CareType, CatalogueClass, ChargeLine, Credential, CredentialKind, Referral,
};
use onestop::keys::{self, Keys};
use onestop::rulebook::RuleBook;
use onestop::server::{self, Services, Serving};
use onestop::telemetry::Metrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic_types::{ErrorDetail, StatusExt as _};

use crate::folder::Folder;
use crate::harness::Database;

pub(crate) const HOSPITAL: &str = "H52020000001";
pub(crate) const OTHER_HOSPITAL: &str = "H52020000002";
/// Names that no log may show.
pub(crate) const NAMES: [&str; 3] = ["张三丰", "李清照", "王昭君"];

/// Three layers with figures that are easy to follow. Nobody published them.
pub(crate) const PACKAGE: &str = r#"
id = "520200-resident-2024"
title = { zh = "测试政策", en = "Rules of a test" }
region = "520200"
scheme = "resident"
in_force = { from = "2024-01-01", to = "2024-12-31" }
source = { grade = "assumed", note = "Written for a test." }

[[identity]]
code = "low_income"
zh = "低保对象"
en = "low-income"

[[payer]]
name = "basic_pool"
zh = "基本医保统筹"
en = "basic pool"
kind = "fund"
books_to = "basic_pool"

[[payer]]
name = "critical_illness"
zh = "大病保险"
en = "critical-illness insurance"
kind = "fund"
books_to = "critical_illness"

[[payer]]
name = "medical_aid"
zh = "医疗救助"
en = "medical aid"
kind = "fund"
books_to = "medical_aid"

[class_b]
advance = "0.10"

[[layer]]
name = "basic"
payer = "basic_pool"
base = { in_scope = "1" }

[layer.deductible]
amount = "400.00"

[[layer.curve]]
ratio = "BASIC_RATIO"

[[layer]]
name = "critical"
payer = "critical_illness"
span = "year"
accumulate = "entered"
against = "curve"
base = { in_scope = "1" }

[layer.deductible]
amount = "5000.00"

[[layer.curve]]
ratio = "0.60"

[[layer]]
name = "aid"
payer = "medical_aid"
who = { identity = ["low_income"] }
base = { in_scope = "1" }

[[layer.curve]]
ratio = "0.70"

[[layer.ceiling]]
span = "year"
amount = "50000.00"
"#;

pub(crate) struct Gateway {
    pub(crate) database: Database,
    pub(crate) app: Arc<App>,
    pub(crate) rules: Folder,
    pub(crate) desk: SettlementServiceClient<Channel>,
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
    keys: Folder,
    stop: CancellationToken,
}

impl Gateway {
    /// Started, with rules published and nobody registered.
    pub(crate) async fn bare() -> Self {
        Self::ruled_by(&PACKAGE.replace("BASIC_RATIO", "0.70")).await
    }

    /// The same by rules of one's own.
    pub(crate) async fn ruled_by(package: &str) -> Self {
        let keys = Folder::new("keys");
        keys::init(&keys.path().join("keys")).unwrap();
        Self::on(Database::new().await, keys, package).await
    }

    /// Another gateway on the same database with the same keys, and rules of its own.
    pub(crate) async fn beside(&self, package: &str) -> Self {
        let keys = Folder::new("keys");
        let (from, to) = (self.keys.path().join("keys"), keys.path().join("keys"));
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        Self::on(self.database.again(), keys, package).await
    }

    /// The same, linked to an insurance core.
    pub(crate) async fn linked(package: &str, core: CoreLink) -> Self {
        let keys = Folder::new("keys");
        keys::init(&keys.path().join("keys")).unwrap();
        Self::put_together(Database::new().await, keys, package, Some(core)).await
    }

    /// On a database that is there.
    pub(crate) async fn on(database: Database, keys: Folder, package: &str) -> Self {
        Self::put_together(database, keys, package, None).await
    }

    async fn put_together(
        database: Database,
        keys: Folder,
        package: &str,
        core: Option<CoreLink>,
    ) -> Self {
        let rules = Folder::new("rules");
        write_package(&rules, "2024", package);
        let rulebook = RuleBook::open(rules.path(), false).unwrap();
        let loaded = Keys::load(&keys.path().join("keys")).unwrap();
        let metrics = Metrics::unexported();
        let app = App::new(database.pool.clone(), Arc::new(rulebook), loaded, metrics);
        let app = match core {
            Some(core) => app.linked(core),
            None => app,
        };
        let app = Arc::new(app);
        publish(&app).await;

        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let told = stop.clone();
        let mut services = Services::default();
        let callers = Arc::new(Callers::development("development"));
        services.add(grpc::settlement_service(&app, &callers));
        services.add(grpc::registry_service(&app, &callers));
        services.add(grpc::access_service(&app, &callers));
        services.add(grpc::reconciliation_service(&app, &callers));
        services.add(grpc::clearing_service(&app, &callers));
        services.add(grpc::audit_service(&app, &callers));
        tokio::spawn(async move {
            let serving = Serving {
                listener,
                greeter: None,
                descriptors: wire::FILE_DESCRIPTOR_SET,
                state: watch::channel(false).0,
                stop: told,
                drain_max: std::time::Duration::from_millis(100),
            };
            server::serve(services, serving).await.unwrap();
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let desk = SettlementServiceClient::new(channel.clone());
        Self { database, app, rules, desk, channel, address, keys, stop }
    }

    /// Where its keys lie.
    pub(crate) fn keys_dir(&self) -> std::path::PathBuf {
        self.keys.path().join("keys")
    }

    /// The same, with two hospitals, four items and three persons: the first with low income, the third insured elsewhere.
    pub(crate) async fn start() -> Self {
        let gateway = Self::bare().await;
        gateway.furnish().await;
        gateway
    }

    /// Registers those hospitals and items.
    pub(crate) async fn furnish_hospitals(&self) {
        self.take(registry::RowKind::Hospital, hospitals()).await;
        self.take(registry::RowKind::Catalogue, items()).await;
    }

    /// Registers those hospitals, items and persons.
    pub(crate) async fn furnish(&self) {
        self.furnish_hospitals().await;
        let persons = (0..3).map(|number| {
            registry::import_row::Row::Person(registry::PersonRow {
                identity_number: identity_number(number),
                name: NAMES[number].to_owned(),
                ..registry::PersonRow::default()
            })
        });
        self.take(registry::RowKind::Person, persons.collect()).await;
        let coverage = (0..3).map(|number| {
            let region = if number == 2 { "110000" } else { "520200" };
            registry::import_row::Row::Coverage(registry::CoverageRow {
                credential: identity_number(number),
                scheme: "resident".to_owned(),
                insured_region: region.to_owned(),
                valid_from: "2020-01-01".to_owned(),
                ..registry::CoverageRow::default()
            })
        });
        self.take(registry::RowKind::Coverage, coverage.collect()).await;
        self.grant_low_income(0).await;
    }

    /// Grants a person low income for the year, as the bureau's list does.
    pub(crate) async fn grant_low_income(&self, number: usize) {
        let row = registry::import_row::Row::Identity(registry::IdentityRow {
            credential: identity_number(number),
            code: "low_income".to_owned(),
            region: "520200".to_owned(),
            valid_from: "2024-01-01".to_owned(),
            valid_to: "2024-12-31".to_owned(),
        });
        self.take(registry::RowKind::Identity, vec![row]).await;
    }

    /// Imports rows that are all good through the real stream.
    pub(crate) async fn take(
        &self,
        kind: registry::RowKind,
        rows: Vec<registry::import_row::Row>,
    ) -> registry::ImportSummary {
        let id = format!("{kind:?}-{}", self.database.pool.round_trips());
        let (rejects, summary) = self.import(begin(&id, kind), rows).await.unwrap();
        assert_eq!(rejects, []);
        summary
    }

    /// Imports rows; gives what was rejected and the summary.
    pub(crate) async fn import(
        &self,
        begin: registry::ImportBegin,
        rows: Vec<registry::import_row::Row>,
    ) -> Result<(Vec<registry::ImportReject>, registry::ImportSummary), tonic::Status> {
        use registry::import_request::Part;
        let rows = rows
            .into_iter()
            .zip(1..)
            .map(|(row, line)| Part::Row(registry::ImportRow { line, row: Some(row) }));
        let parts: Vec<_> = std::iter::once(Part::Begin(begin)).chain(rows).collect();
        self.send(parts).await
    }

    /// Sends parts of an import as they are.
    pub(crate) async fn send(
        &self,
        parts: Vec<registry::import_request::Part>,
    ) -> Result<(Vec<registry::ImportReject>, registry::ImportSummary), tonic::Status> {
        use registry::import_response::Part;
        let messages = parts.into_iter().map(|part| registry::ImportRequest { part: Some(part) });
        let mut client = RegistryServiceClient::new(self.channel.clone());
        let mut answers =
            client.import(tokio_stream::iter(messages.collect::<Vec<_>>())).await?.into_inner();
        let mut rejects = Vec::new();
        while let Some(answer) = answers.message().await? {
            match answer.part.unwrap() {
                Part::Progress(_) => {}
                Part::Reject(reject) => rejects.push(reject),
                Part::Summary(summary) => {
                    assert!(answers.message().await?.is_none(), "the summary is last");
                    return Ok((rejects, summary));
                }
            }
        }
        panic!("an import ended without a word")
    }

    /// How many rows every table holds, but for the records of who looked: those come a moment after what was looked at.
    pub(crate) async fn rows(&self) -> Vec<(String, i64)> {
        let owner = self.database.owner().await;
        let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r'
            AND relnamespace = 'public'::regnamespace AND relname <> 'access_record' ORDER BY 1";
        let mut counts = Vec::new();
        for row in owner.query(tables, &[]).await.unwrap() {
            let table: String = row.get(0);
            let count = owner.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await;
            counts.push((table, count.unwrap().get(0)));
        }
        counts
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Publishes what the rulebook holds, as the server does.
pub(crate) async fn publish(app: &App) {
    let published = app::publish(&app.pool, &app.rulebook.packages()).await.unwrap();
    assert!(matches!(published, Publication::Published(_)), "{published:?}");
}

/// Writes a package of these tests for a period.
pub(crate) fn write_package(rules: &Folder, period: &str, text: &str) {
    let folder = rules.path().join("520200/resident").join(period);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("package.toml"), text).unwrap();
}

/// An identity number that is valid, for the `number`-th person born on a day.
pub(crate) fn identity_number(number: usize) -> String {
    let stem = format!("52020119900101{number:03}");
    "0123456789X"
        .chars()
        .map(|check| format!("{stem}{check}"))
        .find(|id| identity_number_is_valid(id))
        .unwrap()
}

pub(crate) fn begin(id: &str, kind: registry::RowKind) -> registry::ImportBegin {
    registry::ImportBegin {
        import_id: id.to_owned(),
        kind: kind.into(),
        list_date: "2024-01-01".to_owned(),
        source: "六盘水市医疗保障局".to_owned(),
        ..registry::ImportBegin::default()
    }
}

pub(crate) fn hospitals() -> Vec<registry::import_row::Row> {
    let hospital = |code: &str| {
        registry::import_row::Row::Hospital(registry::HospitalRow {
            hospital_code: code.to_owned(),
            name: "六盘水市人民医院".to_owned(),
            region: "520201".to_owned(),
            level: 2,
            valid_from: "2020-01-01".to_owned(),
            valid_to: String::new(),
        })
    };
    vec![hospital(HOSPITAL), hospital(OTHER_HOSPITAL)]
}

/// An item of a class from a day on.
pub(crate) fn item(code: &str, class: &str, from: &str) -> registry::import_row::Row {
    registry::import_row::Row::Catalogue(registry::CatalogueRow {
        item_code: code.to_owned(),
        region: "520000".to_owned(),
        valid_from: from.to_owned(),
        catalogue_class: class.to_owned(),
        name: "项目".to_owned(),
        ..registry::CatalogueRow::default()
    })
}

pub(crate) fn items() -> Vec<registry::import_row::Row> {
    vec![
        item("A01", "A", "2020-01-01"),
        item("B01", "B", "2020-01-01"),
        item("C01", "C", "2020-01-01"),
    ]
}

/// A line of whole yuan.
pub(crate) fn line(id: &str, item: &str, yuan: i64) -> ChargeLine {
    ChargeLine {
        line_id: id.to_owned(),
        item_code: item.to_owned(),
        quantity: "1".to_owned(),
        unit_price: yuan.to_string(),
        amount_fen: yuan * 100,
        catalogue_class: CatalogueClass::Unspecified.into(),
        refund_of_line_id: String::new(),
        charged_on: String::new(),
    }
}

/// A stay of one day of a person: 30 000 of class A, 5 000 of class B, 1 000 of class C.
pub(crate) fn bill(person: usize, stay: &str, day: &str) -> Bill {
    Bill {
        hospital_code: HOSPITAL.to_owned(),
        stay_id: stay.to_owned(),
        stay_part: 0,
        credential: Some(Credential {
            kind: CredentialKind::IdentityNumber.into(),
            number: identity_number(person),
        }),
        scheme: String::new(),
        admission_date: day.to_owned(),
        discharge_date: day.to_owned(),
        care_type: CareType::OutpatientChronic.into(),
        referral: Referral::None.into(),
        transferred_from_stay_id: String::new(),
        diagnosis_codes: vec!["I21.0".to_owned()],
        facts: Vec::new(),
        lines: vec![line("1", "A01", 30_000), line("2", "B01", 5_000), line("3", "C01", 1_000)],
        total_fen: 3_600_000,
        account_balance_fen: 0,
        operator_id: "desk-1".to_owned(),
    }
}

/// A refusal as a client reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: tonic::Code,
    pub(crate) reason: String,
    pub(crate) field: String,
    pub(crate) settlement: String,
}

/// Reads a refusal, which must speak both languages.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "somebody else's enum; what we never send fails the test"
)]
pub(crate) fn refused(status: &tonic::Status) -> Refused {
    let (mut reason, mut field, mut settlement) = (String::new(), String::new(), String::new());
    let mut languages = Vec::new();
    for detail in status.get_error_details_vec() {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                reason = info.reason;
                settlement = info.metadata.get("settlement_id").cloned().unwrap_or_default();
            }
            ErrorDetail::BadRequest(bad) => field = bad.field_violations[0].field.clone(),
            ErrorDetail::LocalizedMessage(text) => {
                assert!(!text.message.is_empty());
                languages.push(text.locale);
            }
            ErrorDetail::RetryInfo(_) => {}
            other => panic!("nobody sends {other:?}"),
        }
    }
    assert_eq!(languages, ["zh-CN", "en"], "{status:?}");
    Refused { code: status.code(), reason, field, settlement }
}
