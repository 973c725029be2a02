//! Who is calling and what they may do, over real connections: certificates, revocation, renewal, tokens, and every method by every role.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use onestop::app::{Act, AppError, Caller, Denied, Refusal, Role};
use onestop::config::{Oidc, Tls};
use onestop::domain::ids::{HospitalCode, OperatorId, RequestId, StayId};
use onestop::door::callers::Callers;
use onestop::door::grpc;
use onestop::door::trust::Trust;
use onestop::door::wire;
use onestop::door::wire::access::v1 as access;
use onestop::door::wire::reconciliation::v1 as reconciliation;
use onestop::door::wire::reconciliation::v1::reconciliation_service_client::ReconciliationServiceClient;
use onestop::door::wire::registry::v1 as registry;
use onestop::door::wire::settlement::v1 as settlement;
use onestop::door::wire::settlement::v1::settlement_service_client::SettlementServiceClient;
use onestop::keys::authority::{self, AUTHORITY_CERTIFICATE, For, REVOKED};
use onestop::server::{self, Services, Serving};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::folder::Folder;
use crate::gateway::{
    Gateway, HOSPITAL, OTHER_HOSPITAL, begin, bill, identity_number, item, refused,
};

const CALLERS: &str = r#"
[[insurer]]
name = "office"
schemes = ["resident"]
regions = ["520200"]

[[insurer]]
name = "elsewhere"
regions = ["110000"]

[[bureau]]
name = "finance"
regions = ["520000"]

[[bureau]]
name = "elsewhere"
regions = ["110000"]

[[administrator]]
name = "operations"
"#;

/// A server with TLS before the gateway of a test.
struct Door {
    folder: Folder,
    address: String,
    trust: Trust,
    stop: CancellationToken,
}

impl Door {
    async fn open(gateway: &Gateway, oidc: Option<Oidc>) -> Self {
        let folder = Folder::new("door");
        let dir = folder.path().join("authority");
        authority::init(&dir, today()).unwrap();
        let server = authority::issue(
            &dir,
            For::Server(&["localhost".to_owned()]),
            (&dir, "server"),
            (today(), 2),
        );
        let server = server.unwrap();
        let book = folder.path().join("callers.toml");
        std::fs::write(&book, CALLERS).unwrap();
        let files = Tls {
            cert: server.certificate,
            key: server.key,
            client_ca: Some(dir.join(AUTHORITY_CERTIFICATE)),
            crl: Some(dir.join(REVOKED)),
            callers: Some(book),
            oidc,
        };
        let callers = Arc::new(Callers::default());
        let trust = Trust::open(&files, &callers).unwrap();
        let greeter = Some(trust.greeter());
        let mut services = Services::default();
        services.add(grpc::settlement_service(&gateway.app, &callers));
        services.add(grpc::registry_service(&gateway.app, &callers));
        services.add(grpc::access_service(&gateway.app, &callers));
        services.add(grpc::reconciliation_service(&gateway.app, &callers));
        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let stop = CancellationToken::new();
        let told = stop.clone();
        tokio::spawn(async move {
            let serving = Serving {
                listener,
                greeter,
                descriptors: wire::FILE_DESCRIPTOR_SET,
                state: watch::channel(false).0,
                stop: told,
                drain_max: Duration::from_millis(100),
            };
            server::serve(services, serving).await.unwrap();
        });
        Self { folder, address, trust, stop }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    fn tls(&self) -> ClientTlsConfig {
        let pem = std::fs::read(self.authority().join(AUTHORITY_CERTIFICATE)).unwrap();
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
    }

    /// Connects as somebody; nothing: without a certificate.
    async fn connect(&self, name: Option<&str>) -> Result<Channel, tonic::transport::Error> {
        let mut tls = self.tls();
        if let Some(name) = name {
            let into = self.folder.path().join("clients");
            let stem = name.replace(':', "-");
            if !into.join(format!("{stem}.pem")).exists() {
                authority::issue(
                    &self.authority(),
                    For::Caller(name),
                    (&into, &stem),
                    (today(), 2),
                )
                .unwrap();
            }
            let read = |kind: &str| std::fs::read(into.join(format!("{stem}.{kind}"))).unwrap();
            tls = tls.identity(Identity::from_pem(read("pem"), read("key")));
        }
        Endpoint::from_shared(self.address.clone())
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect()
            .await
    }

    async fn as_caller(&self, name: &str) -> Channel {
        self.connect(Some(name)).await.unwrap()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn today() -> jiff::civil::Date {
    onestop::app::now().day
}

fn credential(number: usize) -> settlement::Credential {
    settlement::Credential {
        kind: settlement::CredentialKind::IdentityNumber.into(),
        number: identity_number(number),
    }
}

fn standing_of(number: usize) -> settlement::GetStandingRequest {
    let on_date = "2024-06-30".to_owned();
    settlement::GetStandingRequest { credential: Some(credential(number)), on_date }
}

async fn standing(channel: &Channel, number: usize) -> Result<(), tonic::Status> {
    let mut desk = SettlementServiceClient::new(channel.clone());
    desk.get_standing(standing_of(number)).await.map(|_| ())
}

async fn list_accesses(channel: &Channel, number: usize) -> Result<(), tonic::Status> {
    let credential = Some(credential(number));
    let request = access::ListAccessesRequest { credential, ..Default::default() };
    let mut client = access::access_service_client::AccessServiceClient::new(channel.clone());
    client.list_accesses(request).await.map(|_| ())
}

async fn find(channel: &Channel, id: &str) -> Result<settlement::Settlement, tonic::Status> {
    use settlement::get_settlement_request::Key;
    use settlement::get_settlement_response::Outcome;
    let request = settlement::GetSettlementRequest { key: Some(Key::SettlementId(id.to_owned())) };
    let mut client = SettlementServiceClient::new(channel.clone());
    let answer = client.get_settlement(request).await?.into_inner();
    let Some(Outcome::Settlement(found)) = answer.outcome else { panic!("{answer:?}") };
    Ok(found)
}

async fn settle(
    channel: &Channel,
    request: &str,
    bill: settlement::Bill,
) -> Result<String, tonic::Status> {
    let request = settlement::SettleRequest {
        request_id: request.to_owned(),
        bill: Some(bill),
        quote_token: Vec::new(),
    };
    let answer = SettlementServiceClient::new(channel.clone()).settle(request).await?.into_inner();
    let Some(settlement::settle_response::Outcome::Settlement(settled)) = answer.outcome else {
        panic!("{answer:?}")
    };
    Ok(settled.settlement_id)
}

async fn import(
    gateway: &Gateway,
    channel: &Channel,
    kind: registry::RowKind,
) -> Result<Vec<String>, tonic::Status> {
    use registry::import_request::Part;
    let row = if kind == registry::RowKind::Person {
        registry::import_row::Row::Person(registry::PersonRow {
            identity_number: identity_number(0),
            name: "另一个名字".to_owned(),
            ..registry::PersonRow::default()
        })
    } else if kind == registry::RowKind::Identity {
        registry::import_row::Row::Identity(registry::IdentityRow {
            credential: identity_number(0),
            code: "low_income".to_owned(),
            region: "520200".to_owned(),
            valid_from: "2024-01-01".to_owned(),
            valid_to: "2024-12-31".to_owned(),
        })
    } else {
        item("X09", "A", "2020-01-01")
    };
    let id = format!("A{}", gateway.database.pool.round_trips());
    let row = registry::ImportRow { line: 1, row: Some(row) };
    let parts = [Part::Begin(begin(&id, kind)), Part::Row(row)];
    let messages = parts.map(|part| registry::ImportRequest { part: Some(part) });
    let mut client = registry::registry_service_client::RegistryServiceClient::new(channel.clone());
    let mut answers = client.import(tokio_stream::iter(messages)).await?.into_inner();
    let mut rejects = Vec::new();
    while let Some(answer) = answers.message().await? {
        if let Some(registry::import_response::Part::Reject(reject)) = answer.part {
            rejects.push(reject.reason);
        }
    }
    Ok(rejects)
}

fn told<T>(answered: &Result<T, tonic::Status>) -> char {
    match answered {
        Ok(_) => '+',
        Err(status) if status.code() == Code::PermissionDenied => '.',
        Err(status) if status.code() == Code::NotFound => '?',
        Err(status) => panic!("{status:?}"),
    }
}

/// Every method by every role, on its own data and on another's: "+" answered, "." not allowed, "?" as if it were not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_by_every_role_on_its_own_and_on_anothers() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let check = async |name: &str, (person, expected): (usize, &str)| {
        let channel = door.as_caller(name).await;
        let mut desk = SettlementServiceClient::new(channel.clone());
        let mut line = String::new();
        for hospital in [HOSPITAL, OTHER_HOSPITAL] {
            let stem = gateway.database.pool.round_trips();
            let of = |stay: &str| settlement::Bill {
                hospital_code: hospital.to_owned(),
                ..bill(person, &format!("{stay}{stem}"), "2024-06-01")
            };
            let quote = settlement::QuoteRequest { bill: Some(of("Q")) };
            line.push(told(&desk.quote(quote).await));
            // One that is there in any case, for what is looked up and reversed.
            let id = settle(&gateway.channel, &format!("G{stem}"), of("G")).await.unwrap();
            line.push(told(&settle(&channel, &format!("S{stem}"), of("S")).await));
            line.push(told(&find(&channel, &id).await));
            let reverse = settlement::ReverseRequest {
                request_id: format!("V{stem}"),
                hospital_code: hospital.to_owned(),
                target: Some(settlement::reverse_request::Target::OriginalRequestId(format!(
                    "N{stem}"
                ))),
                reason: "test".to_owned(),
                operator_id: "desk-1".to_owned(),
            };
            line.push(told(&desk.reverse(reverse).await));
            line.push(' ');
        }
        line.push(told(&standing(&channel, person).await));
        line.push(told(&list_accesses(&channel, person).await));
        line.push(told(&import(&gateway, &channel, registry::RowKind::Identity).await));
        line.push(told(&import(&gateway, &channel, registry::RowKind::Catalogue).await));
        let all = reconciliation::ListStatementsRequest::default();
        let mut reconciling = ReconciliationServiceClient::new(channel);
        line.push(told(&reconciling.list_statements(all).await));
        assert_eq!(line, expected, "{name} on person {person}");
    };
    // Quote, settle, get, reverse at one hospital and at another; standing, accesses, import of persons, of the
    // catalogue; statements, of which each sees its own.
    check(&format!("urn:onestop:hospital:{HOSPITAL}"), (0, "++++ ..?. +...+")).await;
    check("urn:onestop:insurer:office", (0, "..+. ..+. +.+.+")).await;
    check("urn:onestop:insurer:elsewhere", (0, "..?. ..?. ?.+.+")).await;
    check("urn:onestop:bureau:finance", (0, "..+. ..+. +++++")).await;
    check("urn:onestop:bureau:elsewhere", (0, "..?. ..?. ??+++")).await;
    check("urn:onestop:administrator:operations", (0, ".... .... ...+.")).await;
}

/// By the same words whether there is such a hospital or not, and in both languages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_what_is_not_theirs_and_nothing_of_whose_it_is() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let hospital = door.as_caller(&format!("urn:onestop:hospital:{HOSPITAL}")).await;
    for other in [OTHER_HOSPITAL, "H99999999999"] {
        let bill =
            settlement::Bill { hospital_code: other.to_owned(), ..bill(0, "Z1", "2024-06-30") };
        let status = settle(&hospital, "R1", bill).await.unwrap_err();
        let told = refused(&status);
        assert_eq!((told.code, told.reason.as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
        assert_eq!(told.field, "bill.hospital_code");
        let about = format!("({other}; role hospital, act settle)");
        assert!(status.message().ends_with(&about), "{status:?}");
    }
    let insurer = door.as_caller("urn:onestop:insurer:office").await;
    let status = settle(&insurer, "R1", bill(0, "Z1", "2024-06-30")).await.unwrap_err();
    let told = refused(&status);
    assert_eq!((told.reason.as_str(), told.field.as_str()), ("NOT_ALLOWED", ""));
    assert!(status.message().ends_with("(role insurer, act settle)"), "{status:?}");
}

/// A settlement and its reversal, as each of those sees them who may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bureau_sees_where_the_money_came_from_and_no_clinical_detail() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let hospital = door.as_caller(&format!("urn:onestop:hospital:{HOSPITAL}")).await;
    let insurer = door.as_caller("urn:onestop:insurer:office").await;
    let bureau = door.as_caller("urn:onestop:bureau:finance").await;
    let settled = settle(&hospital, "R1", bill(0, "Z1", "2024-06-30")).await.unwrap();
    let reverse = settlement::ReverseRequest {
        request_id: "V1".to_owned(),
        hospital_code: HOSPITAL.to_owned(),
        target: Some(settlement::reverse_request::Target::SettlementId(settled.clone())),
        reason: "test".to_owned(),
        operator_id: "desk-1".to_owned(),
    };
    SettlementServiceClient::new(hospital.clone()).reverse(reverse).await.unwrap();
    let reversed = find(&hospital, &settled).await.unwrap().reversed_by_settlement_id;
    for (id, is_decided) in [(settled, true), (reversed, false)] {
        let whole = find(&hospital, &id).await.unwrap();
        assert_eq!(find(&insurer, &id).await.unwrap(), whole);
        let mut cut = whole.clone();
        let breakdown = cut.breakdown.as_mut().unwrap();
        assert!(breakdown.layers.iter().all(|layer| !layer.layer.is_empty()), "{breakdown:?}");
        let has_sources = breakdown.trace.iter().any(|step| step.source.is_some());
        assert_eq!(has_sources, is_decided, "a reversal decides nothing");
        // By the fund in place of what the rules call a layer.
        let of_fund = |name: &str| {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (layer, rest) = name.split_at(end);
            let fund = match layer {
                "basic" => "basic_pool",
                "critical" => "critical_illness",
                "aid" => "medical_aid",
                other => other,
            };
            format!("{fund}{rest}")
        };
        for layer in &mut breakdown.layers {
            layer.layer = of_fund(&layer.layer);
        }
        for step in &mut breakdown.trace {
            step.layer = of_fund(&step.layer);
            step.clause = of_fund(&step.clause);
        }
        assert_ne!(cut, whole);
        // All else is told: every amount, who paid it, by which rules, and the hash of the record.
        assert_eq!(find(&bureau, &id).await.unwrap(), cut);
    }
}

/// What a person has used, as each of those sees it who may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bureau_sees_what_was_used_by_fund_and_no_layer() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let hospital = door.as_caller(&format!("urn:onestop:hospital:{HOSPITAL}")).await;
    settle(&hospital, "R1", bill(0, "Z1", "2024-06-30")).await.unwrap();
    let used = async |name: &str| {
        let mut desk = SettlementServiceClient::new(door.as_caller(name).await);
        let answer = desk.get_standing(standing_of(0)).await.unwrap().into_inner();
        let used = answer.accumulators.into_iter();
        used.map(|used| (used.name, used.amount_fen)).collect::<Vec<_>>()
    };
    let whole = used("urn:onestop:insurer:office").await;
    let names: Vec<_> = whole.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["critical.entered", "critical.paid", "pool.aid"]);
    let funds = ["critical_illness.entered", "critical_illness.paid", "pool.medical_aid"];
    let by_fund: Vec<_> =
        funds.into_iter().zip(whole).map(|(fund, (_, fen))| (fund.to_owned(), fen)).collect();
    assert_eq!(used("urn:onestop:bureau:finance").await, by_fund);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_about_a_region_that_the_caller_does_not_reach_is_rejected() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let elsewhere = door.as_caller("urn:onestop:bureau:elsewhere").await;
    let rejects = import(&gateway, &elsewhere, registry::RowKind::Identity).await.unwrap();
    assert_eq!(rejects, ["REGION_NOT_YOURS"]);
    let own = door.as_caller("urn:onestop:bureau:finance").await;
    assert_eq!(
        import(&gateway, &own, registry::RowKind::Identity).await.unwrap(),
        Vec::<String>::new()
    );
}

/// Why there is no answer is said in both languages, whatever the libraries of the connection call it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_says_what_is_wrong_with_its_certificate() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let one = format!("urn:onestop:hospital:{HOSPITAL}");
    for name in [&one, "urn:onestop:bureau:finance"] {
        door.as_caller(name).await;
    }
    let shown = |name: &str, kind: &str| {
        let stem = name.replace(':', "-");
        door.folder.path().join("clients").join(format!("{stem}.{kind}"))
    };
    let run = async |certificate: Option<[PathBuf; 2]>| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_onestop"));
        command.args(["clearing", "list", "--server", &door.address, "--ca"]);
        command.arg(door.authority().join(AUTHORITY_CERTIFICATE));
        if let Some([cert, key]) = certificate {
            command.arg("--cert").arg(cert).arg("--key").arg(key);
        }
        let output = command.output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let none = run(None).await;
    assert!(none.contains("证书") && none.contains("--cert"), "{none}");
    let [cert, key] = [shown(&one, "pem"), shown("urn:onestop:bureau:finance", "key")];
    let crossed = run(Some([cert, key])).await;
    assert!(
        crossed.contains("私钥与证书不是一对") && crossed.contains("check --cert and --key"),
        "{crossed}"
    );
}

/// A name is changed from where the person is insured, and from nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_is_insured_elsewhere_is_not_renamed() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    let owner = gateway.database.owner().await;
    let marks = async || {
        let marks =
            "SELECT string_agg(encode(name_mark, 'hex'), ' ' ORDER BY person_id) FROM person_head";
        owner.query_one(marks, &[]).await.unwrap().get::<_, String>(0)
    };
    let before = marks().await;
    let rename = async |caller: &str| {
        let caller = door.as_caller(caller).await;
        import(&gateway, &caller, registry::RowKind::Person).await.unwrap()
    };
    assert_eq!(rename("urn:onestop:insurer:elsewhere").await, ["REGION_NOT_YOURS"]);
    assert_eq!(marks().await, before);
    // Insured nowhere any more: whoever insured them last may, and nobody else.
    owner.batch_execute("UPDATE coverage SET valid_to = '2020-02-01'").await.unwrap();
    assert_eq!(rename("urn:onestop:insurer:elsewhere").await, ["REGION_NOT_YOURS"]);
    assert_eq!(rename("urn:onestop:insurer:office").await, Vec::<String>::new());
    assert_ne!(marks().await, before);
    // Insured nowhere at all: anybody may.
    owner.batch_execute("DELETE FROM coverage").await.unwrap();
    assert_eq!(rename("urn:onestop:insurer:elsewhere").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_no_certificate_or_one_that_names_nobody_is_not_let_in() {
    let gateway = Gateway::start().await;
    let door = Door::open(&gateway, None).await;
    // By TLS 1.3 a client hears of it with its first call.
    let let_in = match door.connect(None).await {
        Ok(channel) => standing(&channel, 0).await.is_ok(),
        Err(_) => false,
    };
    assert!(!let_in);
    let unlisted = door.as_caller("urn:onestop:insurer:nobody").await;
    let status = standing(&unlisted, 0).await.unwrap_err();
    assert_eq!(
        (status.code(), refused(&status).reason.as_str()),
        (Code::Unauthenticated, "CALLER_NOT_LISTED")
    );
    let let_in = match door.connect(Some("somebody")).await {
        Ok(channel) => standing(&channel, 0).await.is_ok(),
        Err(_) => false,
    };
    assert!(!let_in);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_stops_also_on_a_connection_that_is_there() {
    let gateway = Gateway::start().await;
    let mut door = Door::open(&gateway, None).await;
    let name = format!("urn:onestop:hospital:{HOSPITAL}");
    let channel = door.as_caller(&name).await;
    standing(&channel, 0).await.unwrap();
    let shown = door.folder.path().join("clients").join(format!("{}.pem", name.replace(':', "-")));
    authority::revoke(&door.authority(), &shown, today()).unwrap();
    assert!(door.trust.look_again().unwrap());
    let status = standing(&channel, 0).await.unwrap_err();
    assert_eq!(refused(&status).reason, "CERTIFICATE_REVOKED");
    let let_in = match door.connect(Some(&name)).await {
        Ok(channel) => standing(&channel, 0).await.is_ok(),
        Err(_) => false,
    };
    assert!(!let_in, "nor is a new connection made");
    assert!(!door.trust.look_again().unwrap(), "nothing has changed since");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_while_calls_go_on_and_a_bad_one_changes_nothing() {
    let gateway = Gateway::start().await;
    let mut door = Door::open(&gateway, None).await;
    let name = format!("urn:onestop:hospital:{HOSPITAL}");
    let before = door.as_caller(&name).await;
    standing(&before, 0).await.unwrap();
    let dir = door.authority();
    let renewed = door.folder.path().join("renewed");
    let issued = authority::issue(
        &dir,
        For::Server(&["localhost".to_owned()]),
        (&renewed, "server"),
        (today(), 9),
    )
    .unwrap();
    // By half: the certificate is there, its key is not yet.
    std::fs::rename(issued.certificate, dir.join("server.pem")).unwrap();
    assert!(door.trust.look_again().is_err());
    standing(&door.as_caller(&name).await, 0).await.unwrap();
    std::fs::rename(issued.key, dir.join("server.key")).unwrap();
    assert!(door.trust.look_again().unwrap());
    standing(&door.as_caller(&name).await, 0).await.unwrap();
    standing(&before, 0).await.unwrap();
}

/// The shell asks again, whatever the door looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_national_door_asks_of_the_shell_is_the_hospitals_own_too() {
    let gateway = Gateway::start().await;
    let (own, other) =
        (HospitalCode::new(HOSPITAL).unwrap(), HospitalCode::new(OTHER_HOSPITAL).unwrap());
    let caller = Caller {
        name: "hospital".to_owned(),
        role: Role::Hospital(own.clone()),
        door: "national",
        purpose: None,
        deadline: None,
    };
    let (operator, stay) = (OperatorId::new("desk-1").unwrap(), StayId::new("Z1").unwrap());
    let request = RequestId::new("R1").unwrap();
    let app = &gateway.app;
    let number = app.sign_in(&caller, (&own, &operator)).await.unwrap();
    let refused = [
        app.sign_in(&caller, (&other, &operator)).await.map(|_| ()),
        app.sign_out(&caller, (&other, &operator), &number).await,
        app.stay(&caller, (&other, &stay)).await.map(|_| ()),
        app.add_lines(&caller, (&other, &stay), &request, &[]).await,
        app.cancel_lines(&caller, (&other, &stay), &request, None).await.map(|_| ()),
    ];
    for refused in refused {
        let named = Some(("bill.hospital_code", OTHER_HOSPITAL.to_owned()));
        let denied = Denied { role: "hospital", act: Act::Settle, named };
        let not_allowed = Refusal::NotAllowed(denied);
        assert!(matches!(refused, Err(AppError::Refused(why)) if why == not_allowed));
    }
}

/// A token as an identity provider signs it.
fn token(key: &Ed25519KeyPair, header: &str, claims: &str) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = encode(key.sign(signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_known_by_a_token_of_a_provider_that_we_trust() {
    use base64::Engine as _;
    let gateway = Gateway::start().await;
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let folder = Folder::new("jwks");
    let jwks_file = folder.path().join("jwks.json");
    let public = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.public_key());
    let jwks = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"k1","use":"sig","x":"{public}"}}]}}"#
    );
    std::fs::write(&jwks_file, jwks).unwrap();
    let (issuer, audience) = ("https://login.example".to_owned(), "onestop".to_owned());
    let door = Door::open(&gateway, Some(Oidc { issuer, audience, jwks_file })).await;
    let channel = door.connect(None).await.unwrap();
    let ask = async |token: String| {
        let mut request = tonic::Request::new(settlement::GetStandingRequest {
            credential: Some(credential(0)),
            on_date: "2024-06-30".to_owned(),
        });
        let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let answered = SettlementServiceClient::new(channel.clone()).get_standing(request).await;
        answered.map(|_| String::new()).unwrap_or_else(|status| refused(&status).reason)
    };
    const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1"}"#;
    let claims = |expires: i64, audience: &str, role: &str| {
        let expires = jiff::Timestamp::now().as_second() + expires;
        format!(
            r#"{{"iss":"https://login.example","aud":"{audience}","sub":"u-17","exp":{expires},"onestop":"{role}"}}"#
        )
    };
    let good = claims(600, "onestop", "urn:onestop:bureau:finance");
    let check = async |token: String, expected: &str| assert_eq!(ask(token).await, expected);
    check(token(&key, HEADER, &good), "").await;
    check(
        token(&key, HEADER, &claims(600, "onestop", "urn:onestop:bureau:nobody")),
        "CALLER_NOT_LISTED",
    )
    .await;
    check(
        token(&key, HEADER, &claims(-600, "onestop", "urn:onestop:bureau:finance")),
        "TOKEN_OUT_OF_TIME",
    )
    .await;
    check(
        token(&key, HEADER, &claims(600, "others", "urn:onestop:bureau:finance")),
        "TOKEN_INVALID",
    )
    .await;
    check(token(&other, HEADER, &good), "TOKEN_INVALID").await;
    // The subject goes into logs and records.
    check(token(&key, HEADER, &good.replace("u-17", &identity_number(3))), "TOKEN_INVALID").await;
    for header in
        [r#"{"alg":"none"}"#, r#"{"alg":"HS256","kid":"k1"}"#, r#"{"alg":"EdDSA","kid":"k2"}"#, "x"]
    {
        check(token(&key, header, &good), "TOKEN_INVALID").await;
    }
    check("a.b.c".to_owned(), "TOKEN_INVALID").await;
    let status = standing(&channel, 0).await.unwrap_err();
    assert_eq!(refused(&status).reason, "CALLER_UNKNOWN");
}
