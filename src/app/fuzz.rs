//! A shell whose database is not there, for the fuzz targets: whatever comes is read up to where it would be looked up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::date;

use super::entry::bill_sha256;
use super::quote::SIGNED_BYTES;
use super::{App, Claim, CredentialHash, Refusal};
use crate::domain::bill::{Bill, Care, Referral};
use crate::domain::ids::{HospitalCode, StayId};
use crate::domain::money::Fen;
use crate::keys::{self, Keys};
use crate::rulebook::RuleBook;
use crate::store::{Pool, PoolSettings};
use crate::telemetry::Metrics;

/// One with the rules of the repository, keys of its own, and no database.
pub fn app() -> Result<App, anyhow::Error> {
    let rules = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/settlement-rules"));
    let rulebook = RuleBook::open(rules, false).context("load the rules")?;
    let folder = std::env::temp_dir().join(format!("onestop-fuzz-keys-{}", std::process::id()));
    keys::init(&folder).context("make keys")?;
    let keys = Keys::load(&folder);
    std::fs::remove_dir_all(&folder).context("remove the keys")?;
    let mut nowhere = tokio_postgres::Config::new();
    nowhere.host_path("/nowhere").user("nobody");
    let wait = Duration::from_millis(100);
    let settings = PoolSettings { wait_max: wait, create_max: wait, ..PoolSettings::default() };
    let pool = Pool::new(nowhere, tokio_postgres::NoTls, &settings).context("make a pool")?;
    Ok(App::new(pool, Arc::new(rulebook), keys.context("load the keys")?, Metrics::unexported()))
}

/// A quote token as it came, and the same as if we had signed it for one bill.
pub fn quote_token(app: &App, bytes: &[u8]) {
    let Some(claim) = claim() else { return };
    let at = Timestamp::UNIX_EPOCH;
    assert!(app.read_token(&claim, bytes, at).is_err(), "nobody signs for us");
    let signed = |bytes: &[u8]| {
        let mut signed = bytes.to_vec();
        signed.extend_from_slice(&app.keys.sign_token(bytes));
        app.read_token(&claim, &signed, at)
    };
    match signed(bytes) {
        Ok(token) => assert_eq!(token.to_bytes(), bytes, "a token has one spelling"),
        Err(Refusal::TokenForged) => {
            assert!(bytes.len() != SIGNED_BYTES || bytes.first() != Some(&1), "it is one of ours");
        }
        Err(_) => {}
    }
    // The hash stands behind the version and five numbers.
    let mut ours = bytes.to_vec();
    if let Some(hash) = ours.get_mut(41..73) {
        hash.copy_from_slice(&bill_sha256(&claim));
        if let Ok(token) = signed(&ours) {
            assert_eq!(token.to_bytes(), ours, "a token has one spelling");
        }
    }
}

fn claim() -> Option<Claim> {
    let day = date(2024, 6, 30);
    let bill = Bill {
        hospital: HospitalCode::new("H52020000001")?,
        stay: StayId::new("S1")?,
        stay_part: 0,
        scheme: None,
        admission: day,
        discharge: day,
        care: Care::Inpatient,
        referral: Referral::None,
        transferred_from: None,
        diagnoses: Vec::new(),
        facts: Vec::new(),
        lines: Vec::new(),
        total: Fen::ZERO,
        account_balance: Fen::ZERO,
        operator: None,
    };
    Some(Claim::new(CredentialHash { kind: 1, hash: [0; 32] }, bill))
}
