//! Every way in from outside as one function of bytes, for the fuzz targets of `loadtests/fuzz` and for the test that runs their seeds.
//! In nothing that is shipped.
//!
//! A function returns whatever is refused; that it panics, or that one of its assertions does not hold, is a find.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::app::{self, App};
use crate::bundle;
use crate::cli::import;
use crate::domain::record::{Body as Recorded, Record, promised_bytes, reversed};
use crate::domain::rules::Package;
use crate::door::callers::{Book, Callers};
use crate::door::national::{self, Settings};
use crate::door::tokens::Tokens;
use crate::rulebook;
use crate::server::peer::Certificate;

/// A way in.
pub type Target = fn(&[u8]);

/// All of them, by the name of their folder in `loadtests/fuzz/seeds`.
pub const TARGETS: [(&str, Target); 13] = [
    ("envelopes", envelopes),
    ("transactions", transactions),
    ("bills", crate::door::fuzz::bills),
    ("packages", packages),
    ("dictionaries", dictionaries),
    ("callers", callers),
    ("tokens", tokens),
    ("quotes", quotes),
    ("records", records),
    ("imports", imports),
    ("statements", crate::statement::fuzz::file),
    ("banks", app::finance::fuzz::bank_file),
    ("bundles", bundles),
];

/// The packages by which records are decided again.
const PACKAGES: [&str; 3] = [
    include_str!("../settlement-rules/520200/resident/2024/package.toml"),
    include_str!("../settlement-rules/220200/resident/2026/package.toml"),
    include_str!("../settlement-rules/examples/features/target-share-year/package.toml"),
];

/// The transactions of the national door, as the first byte of an input chooses them.
const TRANSACTIONS: [&str; 20] = [
    "9001", "9002", "1101", "2401", "2402", "2301", "2302", "2303", "2304", "2305", "2601", "5203",
    "5204", "5206", "0000", "3201", "3202", "9101", "9102", "OS01",
];

/// A national door with nothing behind it.
struct Desk {
    runtime: Runtime,
    app: Arc<App>,
    router: axum::Router,
}

/// A message of the national door, from its first byte on.
pub fn envelopes(bytes: &[u8]) {
    crate::door::fuzz::canonical(bytes);
    post(bytes.to_vec());
}

/// The input of a transaction in an envelope that is good; the first byte says of which.
pub fn transactions(bytes: &[u8]) {
    let Some((choice, input)) = bytes.split_first() else { return };
    let Some(transaction) = TRANSACTIONS.get(usize::from(choice.wrapping_sub(b'a'))) else {
        return;
    };
    let mut body = format!(
        r#"{{"infno":"{transaction}","msgid":"H5202000000120240630093000001","mdtrtarea_admvs":"520201",
        "insuplc_admdvs":"520200","recer_sys_code":"ONESTOP","infver":"V1.0","opter_type":"1","opter":"desk-1",
        "opter_name":"desk","inf_time":"2024-06-30 09:30:00","fixmedins_code":"H52020000001","fixmedins_name":"h",
        "input":"#
    )
    .into_bytes();
    body.extend_from_slice(input);
    body.push(b'}');
    post(body);
}

/// A rule package, with its cases behind it.
pub fn packages(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        rulebook::fuzz::package(text);
    }
}

/// A dictionary of the national interface's codes.
pub fn dictionaries(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        rulebook::fuzz::dictionary(text);
    }
}

/// A callers file; its first line is also the name in a certificate, which only those have who are let in.
pub fn callers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let name = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
    let callers = Callers::default();
    if let Ok(book) = Book::read(text) {
        callers.take_book(book);
    }
    let certificate = Certificate { name: name.to_owned(), serial: vec![1] };
    if let Ok(caller) = callers.find("fuzz", Some(&certificate), None) {
        assert!(name.ends_with(&caller.name), "{name} became {}", caller.name);
        callers.spend(&caller).ok();
    }
}

/// A token as it comes; a key set; and a header and claims that are signed by a key we know.
pub fn tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&[7; 32]) else { return };
    let key = BASE64.encode(pair.public_key());
    let ours = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": key}]});
    let Ok(tokens) = Tokens::new(&ours.to_string(), "https://idp", "onestop") else { return };
    assert!(tokens.read(text).is_err(), "nobody signs for the provider");
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"EdDSA"}"#, text));
    let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = BASE64.encode(pair.sign(signed.as_bytes()));
    let token = format!("{signed}.{signature}");
    if let Ok((_, person)) = tokens.read(&token) {
        assert!(person.len() <= 80 && person.is_ascii(), "{person}");
    }
    if let Ok(theirs) = Tokens::new(text, "https://idp", "onestop") {
        theirs.read(&token).ok();
    }
    let callers = Callers::default();
    callers.take_tokens(Some(tokens));
    callers.find("fuzz", None, Some(&token)).ok();
}

/// A quote token.
pub fn quotes(bytes: &[u8]) {
    if let Some(desk) = desk() {
        app::fuzz::quote_token(&desk.app, bytes);
    }
}

/// A settlement's record: it has one spelling, can be reversed, and decided again.
pub fn records(bytes: &[u8]) {
    let Ok(record) = Record::from_bytes(bytes) else { return };
    assert_eq!(record.to_bytes(), bytes, "a record has one spelling");
    promised_bytes(record.outcome());
    if let (Some(outcome), Recorded::Settled { .. }) = (reversed(record.outcome()), &record.body) {
        let body = Recorded::Reversed {
            reverses: record.header.settlement.clone(),
            record_sha256: [0; 32],
            outcome,
        };
        let reversal = Record { header: record.header.clone(), body };
        let again = Record::from_bytes(&reversal.to_bytes());
        assert_eq!(again.as_ref(), Ok(&reversal), "what is written is read");
    }
    for package in rules() {
        let mut record = record.clone();
        record.header.package = package.hash;
        record.replay(package);
    }
}

/// A CSV list, from its text to what the registry takes of it; the first byte says of which kind.
pub fn imports(bytes: &[u8]) {
    let Some((kind, rows)) = import::fuzz::rows(bytes) else { return };
    app::registry::fuzz::read(&crate::door::fuzz::rows(kind.wire(), rows));
}

/// An evidence bundle; the first byte says what of it comes from outside.
pub fn bundles(bytes: &[u8]) {
    bundle_of(bytes);
}

fn bundle_of(bytes: &[u8]) -> Option<bundle::verify::Verified> {
    static PACKED: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let packages = PACKED.get_or_init(|| {
        let parsed = PACKAGES.iter().filter_map(|text| rulebook::parse::parse("fuzz", text).0);
        parsed.map(|parsed| (parsed.package.hash.to_string(), parsed.canonical)).collect()
    });
    // Read once, and found again by their bytes.
    let read = |canonical: &[u8]| {
        let hash = packages.iter().find(|(_, bytes)| bytes == canonical).map(|(hash, _)| hash)?;
        rules().iter().find(|package| package.hash.to_string() == *hash).cloned()
    };
    bundle::fuzz::bundle(bytes, bundle::fuzz::Rules { packages, read: &read })
}

fn rules() -> &'static [Package] {
    static RULES: OnceLock<Vec<Package>> = OnceLock::new();
    RULES.get_or_init(|| {
        let parsed = PACKAGES.iter().filter_map(|text| rulebook::parse::parse("fuzz", text).0);
        parsed.map(|parsed| parsed.package).collect()
    })
}

fn desk() -> Option<&'static Desk> {
    static DESK: OnceLock<Option<Desk>> = OnceLock::new();
    let open = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let app = Arc::new(runtime.block_on(async { app::fuzz::app() }).ok()?);
        let callers = Arc::new(Callers::development("fuzz"));
        let router = national::router(&app, Settings { callers, sign_in_needed: false });
        Some(Desk { runtime, app, router })
    };
    let desk = DESK.get_or_init(open);
    assert!(desk.is_some(), "the rules are read, and keys are made");
    desk.as_ref()
}

/// Sends a message by the national door. Whatever it is, an envelope answers, and never says that something broke down here.
fn post(body: Vec<u8>) {
    let Some(desk) = desk() else { return };
    let answered = desk.runtime.block_on(async {
        let request = Request::post("/fsi/api").body(Body::from(body)).ok()?;
        let response = desk.router.clone().oneshot(request).await.ok()?;
        let body = to_bytes(response.into_body(), usize::from(u16::MAX)).await.ok()?;
        serde_json::from_slice::<Value>(&body).ok()
    });
    let code = answered.as_ref().and_then(|answer| answer.get("infcode")?.as_i64());
    assert!(matches!(code, Some(0 | -1)), "{answered:?}");
    let said = answered.as_ref().and_then(|answer| answer.get("err_msg")?.as_str());
    assert!(said.is_some_and(|said| !said.starts_with("[INTERNAL]")), "{answered:?}");
}

#[cfg(test)]
mod tests;
