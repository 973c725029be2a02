//! A gateway with some settlements, and what seals them and hands out evidence, by times that a test chooses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use onestop::app::bundle::{Made, MonthOf, make_bundle};
use onestop::app::finance::Finance;
use onestop::app::seal::{Check, Sealed, Sealer, check_seals};
use onestop::app::{Now, Role, now, shanghai};
use onestop::bundle::roots::{self, Roots};
use onestop::domain::finance::{Account, AccountKind, Draft, Fund, Line, PostingKind};
use onestop::domain::ids::RegionCode;
use onestop::domain::money::Fen;
use onestop::domain::seal::head::SignedHead;
use onestop::door::wire::settlement::v1 as wire;
use onestop::keys::{Keys, SealKeys};
use onestop::store::final_heads;

use crate::finance::{of, reach};
use crate::folder::Folder;
use crate::gateway::{Gateway, HOSPITAL, bill};

pub(crate) const REGION: &str = "520200";
const OTHER_REGION: &str = "520300";

pub(crate) struct Sealing {
    pub(crate) gateway: Gateway,
    pub(crate) keys: Arc<SealKeys>,
    pub(crate) folder: Folder,
    pub(crate) sealer: Sealer,
    /// What was settled, in its order; the last one is a reversal of the first.
    pub(crate) ids: Vec<String>,
    /// The day in which it was.
    pub(crate) day: Date,
}

impl Sealing {
    /// What a gateway has settled.
    pub(crate) fn over(gateway: Gateway) -> Self {
        let keys = Arc::new(SealKeys::load(&gateway.keys_dir()).unwrap().unwrap());
        let folder = Folder::new("seal");
        let sealer = Sealer::new(gateway.database.pool.clone(), Arc::clone(&keys), None);
        let sealer = sealer.lagging(Duration::ZERO);
        let day = now().day;
        Self { gateway, keys, folder, sealer, ids: Vec::new(), day }
    }

    /// Five settlements of two persons, and a reversal.
    pub(crate) async fn start() -> Self {
        let mut sealing = Self::over(Gateway::start().await);
        for (number, person) in [0, 1, 1, 1, 1].into_iter().enumerate() {
            sealing.settle(number, person).await;
        }
        let reverse = wire::ReverseRequest {
            request_id: "V0".to_owned(),
            hospital_code: HOSPITAL.to_owned(),
            target: Some(wire::reverse_request::Target::OriginalRequestId("R0".to_owned())),
            reason: "charged twice 重复收费".to_owned(),
            ..wire::ReverseRequest::default()
        };
        let answer = sealing.gateway.desk.clone().reverse(reverse).await.unwrap().into_inner();
        let Some(wire::reverse_response::Outcome::Reversal(reversal)) = answer.outcome else {
            panic!("{answer:?}")
        };
        sealing.ids.push(reversal.settlement_id);
        sealing
    }

    /// Settles one more stay of a person.
    pub(crate) async fn settle(&mut self, number: usize, person: usize) {
        let settle = wire::SettleRequest {
            request_id: format!("R{number}"),
            bill: Some(bill(person, &format!("Z{number}"), &format!("2024-06-{:02}", 10 + number))),
            quote_token: Vec::new(),
        };
        let answer = self.gateway.desk.clone().settle(settle).await.unwrap().into_inner();
        let Some(wire::settle_response::Outcome::Settlement(settlement)) = answer.outcome else {
            panic!("{answer:?}")
        };
        self.ids.push(settlement.settlement_id);
    }

    /// Posts an advance of our region, and what another region pays back to it, whose lines are of both; gives the ids of both.
    pub(crate) async fn post(&self) -> [String; 2] {
        let line = |kind, (region, counterparty): (&str, &str), fen| {
            let region = RegionCode::new(region).unwrap();
            let account = Account::new(kind, Fund::MedicalAid, region, counterparty).unwrap();
            Line { account, amount: Fen::new(fen) }
        };
        let advance = vec![
            line(AccountKind::HospitalAdvance, (REGION, HOSPITAL), 10_000),
            line(AccountKind::Treasury, (REGION, ""), -10_000),
        ];
        let back = vec![
            line(AccountKind::Treasury, (REGION, ""), 500),
            line(AccountKind::RegionClearing, (REGION, OTHER_REGION), -500),
            line(AccountKind::RegionClearing, (OTHER_REGION, REGION), 500),
            line(AccountKind::Treasury, (OTHER_REGION, ""), -500),
        ];
        let said = ("doc 7", "as Zhao San asked for");
        [
            self.posted(Draft::new(PostingKind::Advance, advance, None, said).unwrap()).await,
            self.posted(Draft::new(PostingKind::RegionSettlement, back, None, said).unwrap()).await,
        ]
    }

    async fn posted(&self, draft: Draft) -> String {
        let keys = Keys::load(&self.gateway.keys_dir()).unwrap();
        let province = reach(&[], "520000");
        let [zhang, li] = ["zhang", "li"].map(|name| of(name, Role::Bureau(province.clone())));
        let by = |caller| Finance::beside(&self.gateway.database.pool, &keys, caller);
        let proposal = by(&zhang).propose(draft).await.unwrap();
        by(&li).agree(&proposal.id).await.unwrap().id
    }

    /// Seals as at a moment so many hours from now.
    pub(crate) async fn tick_in(&mut self, hours: i64) -> Sealed {
        self.fenced(hours).await;
        self.sealer.tick(&in_hours(hours)).await.unwrap()
    }

    /// Seals as at such a moment until days are closed.
    pub(crate) async fn close_in(&mut self, hours: i64) -> Sealed {
        self.fenced(hours).await;
        closing(&mut self.sealer, hours).await
    }

    /// Has the days fenced that will be over by then, which the database's own clock does not say.
    pub(crate) async fn fenced(&self, hours: i64) {
        let owner = self.gateway.database.owner().await;
        let fence = "INSERT INTO accounting_fence (day, fenced_by) VALUES ($1, 'test') ON CONFLICT DO NOTHING";
        owner.execute(fence, &[&in_hours(hours - 24).day]).await.unwrap();
    }

    /// Seals all that is there.
    pub(crate) async fn tick(&mut self) -> Sealed {
        self.sealer.tick(&in_hours(0)).await.unwrap()
    }

    /// Closes today and tomorrow.
    pub(crate) async fn close(&mut self) -> Sealed {
        let sealed = self.close_in(72).await;
        assert!(2 <= sealed.days, "{sealed:?}");
        sealed
    }

    /// All final heads of our region.
    pub(crate) async fn heads(&self) -> Vec<SignedHead> {
        let days = (Date::MIN, Date::MAX);
        final_heads(&self.gateway.database.pool, Some(region()), days).await.unwrap()
    }

    /// The roots as somebody keeps them.
    pub(crate) async fn kept(&self) -> Roots {
        let heads = self.heads().await;
        heads.into_iter().map(|signed| ((signed.head.region, signed.head.day), signed)).collect()
    }

    /// A file of them.
    pub(crate) async fn roots_file(&self) -> PathBuf {
        let path = self.folder.path().join("roots.jsonl");
        roots::publish(&path, &self.heads().await).unwrap();
        path
    }

    /// What differs from what was sealed, of all regions and days.
    pub(crate) async fn differences(&self, roots: Option<&Roots>) -> Vec<String> {
        let check = Check { region: None, days: (Date::MIN, Date::MAX), roots };
        let checked = check_seals(&self.gateway.database.pool, &self.keys, &check, &|_| {});
        let checked = checked.await.unwrap();
        assert_eq!(checked.differences.len(), checked.differences_count);
        checked.differences.iter().map(ToString::to_string).collect()
    }

    /// Makes the bundle of today's month, as far as it is closed.
    pub(crate) async fn bundle(&self, name: &str) -> (PathBuf, Made) {
        let path = self.folder.path().join(name);
        let of = MonthOf { region: region(), month: self.day, so_far: true };
        let pool = &self.gateway.database.pool;
        let made = make_bundle((pool, &self.keys), of, &path, &|_, _| {}).await.unwrap();
        (path, made)
    }

    /// Does something that nobody may, past all triggers.
    pub(crate) async fn as_superuser(&self, statement: &str) {
        let owner = self.gateway.database.owner().await;
        let past = format!("SET session_replication_role = replica; {statement}");
        owner.batch_execute(&past).await.unwrap();
    }
}

/// Seals as at a moment so many hours from now until days are closed: none is as long as a transaction is under way anywhere on the server
/// of the database, which tests share.
pub(crate) async fn closing(sealer: &mut Sealer, hours: i64) -> Sealed {
    let (mut leaves, mut days) = (0, 0);
    for _ in 0..20_000 {
        let sealed = sealer.tick(&in_hours(hours)).await.unwrap();
        (leaves, days) = (leaves + sealed.leaves, days + sealed.days);
        if 0 < days && sealed.is_up_to_date {
            return Sealed { leaves, days, ..sealed };
        }
        tokio::task::yield_now().await;
    }
    panic!("no day was closed");
}

pub(crate) fn region() -> RegionCode {
    RegionCode::new(REGION).unwrap()
}

/// So many hours from now, and in the next millisecond: what was made in this one is read only once it is over.
pub(crate) fn in_hours(hours: i64) -> Now {
    let begun = now().at.as_millisecond();
    while now().at.as_millisecond() == begun {
        std::hint::spin_loop();
    }
    let at = now().at.checked_add(hours.hours()).unwrap();
    Now { at, day: shanghai(at).date() }
}

/// Puts a copy of a posting beside it, under an id of the same moment.
pub(crate) fn copied_posting(id: &str) -> String {
    format!(
        "CREATE TEMP TABLE copied AS SELECT * FROM posting WHERE posting_id = '{id}';
         UPDATE copied SET posting_id = left(posting_id, 24) || '0000';
         INSERT INTO posting SELECT * FROM copied"
    )
}

/// Puts a copy of a settlement beside it, under an id of the same moment.
pub(crate) fn copied(id: &str) -> String {
    format!(
        "CREATE TEMP TABLE copied AS SELECT * FROM settlement WHERE settlement_id = '{id}';
         UPDATE copied SET settlement_id = left(settlement_id, 26) || '0000', stay_id = 'ZX', request_id = 'RX';
         INSERT INTO settlement SELECT * FROM copied"
    )
}
