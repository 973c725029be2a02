//! Requests as bytes, made from a serial number: the same number gives the same bytes, so that a repeat needs no memory.
//!
//! Charge lines are encoded once, as a few hundred templates; what differs from bill to bill (who, where, when) is encoded in
//! front of them. The fields of a protobuf message may stand in any order, so the two halves are one message.
use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use onestop::door::wire::settlement::v1::{
    Bill, CareType, CatalogueClass, ChargeLine, Credential, CredentialKind, Referral,
    ReverseRequest, SettleRequest, reverse_request,
};
use prost::Message as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::population::{
    HOT_PERSONS, HOT_REGION, ITEMS, Item, REGION, hospital_code, item, mixed, number,
};
use super::scenario::{Bills, LineShare};

/// How many sets of charge lines there are; each bill has one of them.
const TEMPLATES: u32 = 256;
/// A stay lasts five nights, so that so many fit into the package's year, one after the other.
const NIGHTS: u32 = 4;
pub const PASSES_MAX: u64 = 366 / 5;
const YEAR_BEGINS: Date = date(2024, 1, 1);
/// Stays of one hot person.
const HOT_STAYS_MAX: u64 = 2_048;
/// When the hot person comes, within the package that pays for it.
const HOT_DAY: Date = date(2017, 6, 15);

/// The fields of `Bill`, `SettleRequest` and `QuoteRequest` that stand in front of others' bytes, as protobuf tags.
const BILL_OF_SETTLE: u8 = 2 << 3 | 2;
const BILL_OF_QUOTE: u8 = 1 << 3 | 2;

/// Makes the requests of a run.
#[derive(Debug)]
pub struct Desk {
    templates: Vec<Template>,
    persons: u32,
    hot: bool,
    one_hospital: bool,
    /// What tells the ids of this run from those of another.
    run: String,
    /// Walks through all persons, neighbours far apart.
    stride: u64,
}

#[derive(Debug)]
struct Template {
    tail: Bytes,
    level: u32,
}

/// Who is treated where and when, by serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    pub person: u32,
    pub hospital_code: String,
    pub admission: Date,
    pub discharge: Date,
    pub stay_id: String,
    pub request_id: String,
    template: usize,
}

impl Desk {
    /// `run` names the run in every id: at most seven characters, unlike for any two runs on one database.
    pub fn new(bills: &Bills, (persons, hot): (u32, bool), run: &str) -> Desk {
        let mut random = Pcg64Mcg::seed_from_u64(2024);
        let templates =
            (0..TEMPLATES).map(|at| Template::draw(bills, (at, hot), &mut random)).collect();
        let run = run.chars().take(7).collect();
        let one_hospital = bills.one_hospital;
        Desk { templates, persons, hot, run, one_hospital, stride: stride(persons) }
    }

    /// The `serial`-th stay. Persons are drawn without replacement; who comes again in a later pass comes in later days.
    pub fn stay(&self, serial: u64) -> Stay {
        let (pass, place) = (serial / u64::from(self.persons), serial % u64::from(self.persons));
        let walked = place * self.stride % u64::from(self.persons);
        let person = u32::try_from(walked).unwrap_or(0);
        let template = usize::try_from(serial % u64::from(TEMPLATES)).unwrap_or(0);
        let level = self.templates.get(template).map_or(1, |template| template.level);
        let of_place = u32::try_from(mixed(person, pass) % 1_000_000).unwrap_or(0);
        let of_place = if self.one_hospital { 0 } else { of_place };
        let region = if self.hot { HOT_REGION } else { REGION };
        let hospital_code = hospital_code(region, level, of_place);
        let (person, admission, discharge) = if self.hot {
            // One person for all, until there are more stays than anybody has in a year: then it is another one's turn, or what is
            // measured is how long a list gets.
            let crowd = serial / HOT_STAYS_MAX % u64::from(HOT_PERSONS);
            (self.persons + u32::try_from(crowd).unwrap_or(0), HOT_DAY, HOT_DAY)
        } else {
            let day = i32::try_from(pass % PASSES_MAX).unwrap_or(0) * 5;
            let admission = YEAR_BEGINS.checked_add(day.days()).unwrap_or(YEAR_BEGINS);
            let discharge = admission.checked_add(i64::from(NIGHTS).days()).unwrap_or(admission);
            (person, admission, discharge)
        };
        // As hospitals make them: the hospital, the time, a serial number.
        let told =
            format!("{}{}{serial:09X}", hospital_code.get(1..).unwrap_or_default(), self.run);
        Stay {
            person,
            hospital_code,
            admission,
            discharge,
            stay_id: format!("ST{told}"),
            request_id: format!("MS{told}"),
            template,
        }
    }

    /// The bill of a stay as bytes, without its tag.
    fn bill(&self, stay: &Stay) -> (Vec<u8>, &[u8]) {
        let head = Bill {
            hospital_code: stay.hospital_code.clone(),
            stay_id: stay.stay_id.clone(),
            credential: Some(Credential {
                kind: CredentialKind::IdentityNumber.into(),
                number: number(stay.person),
            }),
            admission_date: stay.admission.to_string(),
            discharge_date: stay.discharge.to_string(),
            ..Bill::default()
        };
        let tail = self.templates.get(stay.template).map_or(&[][..], |template| &template.tail);
        (head.encode_to_vec(), tail)
    }

    /// A request to settle the stay.
    pub fn settle(&self, stay: &Stay) -> Bytes {
        let (head, tail) = self.bill(stay);
        let mut bytes = BytesMut::with_capacity(head.len() + tail.len() + 48);
        let named =
            SettleRequest { request_id: stay.request_id.clone(), ..SettleRequest::default() };
        bytes.put_slice(&named.encode_to_vec());
        put_bill(&mut bytes, BILL_OF_SETTLE, &head, tail);
        bytes.freeze()
    }

    /// A request to quote the stay.
    pub fn quote(&self, stay: &Stay) -> Bytes {
        let (head, tail) = self.bill(stay);
        let mut bytes = BytesMut::with_capacity(head.len() + tail.len() + 16);
        put_bill(&mut bytes, BILL_OF_QUOTE, &head, tail);
        bytes.freeze()
    }

    /// A request to reverse what settled the stay.
    pub fn reverse(&self, stay: &Stay, settlement_id: &str) -> Bytes {
        let request = ReverseRequest {
            request_id: format!("RV{}", stay.request_id.get(2..).unwrap_or_default()),
            hospital_code: stay.hospital_code.clone(),
            target: Some(reverse_request::Target::SettlementId(settlement_id.to_owned())),
            reason: "load".to_owned(),
            operator_id: "desk-01".to_owned(),
        };
        request.encode_to_vec().into()
    }

    /// How many bytes a request to settle has on average.
    pub fn request_bytes_mean(&self) -> usize {
        let all: usize =
            (0..u64::from(TEMPLATES)).map(|at| self.settle(&self.stay(at)).len()).sum();
        all / usize::try_from(TEMPLATES).unwrap_or(1)
    }
}

fn put_bill(bytes: &mut BytesMut, tag: u8, head: &[u8], tail: &[u8]) {
    bytes.put_u8(tag);
    prost::encoding::encode_varint(u64::try_from(head.len() + tail.len()).unwrap_or(0), bytes);
    bytes.put_slice(head);
    bytes.put_slice(tail);
}

/// A step of about 0.618 of all that meets every person once.
fn stride(persons: u32) -> u64 {
    let persons = u64::from(persons);
    let mut stride = (persons * 618 / 1_000).max(1);
    while greatest_common_divisor(stride, persons) != 1 {
        stride += 1;
    }
    stride
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Template {
    fn draw(bills: &Bills, (at, hot): (u32, bool), random: &mut Pcg64Mcg) -> Template {
        let sizes: Vec<_> = bills
            .lines
            .iter()
            .map(|LineShare { from, to, share }| (*share, (*from, *to)))
            .collect();
        let (from, to) = by_share(&sizes, at).unwrap_or((1, 1));
        let count = random.random_range(from..=to);
        let [one, two, three] = bills.hospital_level_shares;
        let level = by_share(&[(one, 1), (two, 2), (three, 3)], at.wrapping_mul(97)).unwrap_or(1);
        // Neighbours on a bill are no neighbours in the catalogue, and no item stands twice.
        let first = random.random_range(0..ITEMS);
        let lines: Vec<_> =
            (0..count).map(|line| charge(line, &item((first + line * 7) % ITEMS), level)).collect();
        let care = if hot { CareType::OutpatientChronic } else { CareType::Inpatient };
        let tail = Bill {
            scheme: "resident".to_owned(),
            care_type: care.into(),
            referral: Referral::None.into(),
            diagnosis_codes: vec!["J18.9".to_owned(), "I10".to_owned()],
            total_fen: lines.iter().map(|line| line.amount_fen).sum(),
            lines,
            operator_id: "desk-01".to_owned(),
            ..Bill::default()
        };
        Template { tail: tail.encode_to_vec().into(), level }
    }
}

/// What a place in a round of all shares falls to.
fn by_share<T: Copy>(shares: &[(u32, T)], at: u32) -> Option<T> {
    let all: u32 = shares.iter().map(|(share, _)| share).sum();
    // Spread over the round: neighbouring places fall to unlike shares.
    let mut at = at.wrapping_mul(37) % all.max(1);
    for (share, what) in shares {
        if at < *share {
            return Some(*what);
        }
        at -= share;
    }
    None
}

fn charge(number: u32, item: &Item, level: u32) -> ChargeLine {
    let percent = i64::from(90 + (number * 7 + level * 5) % 25);
    let price_fen = (item.price_fen * percent / 100).max(1);
    let tenths = i64::from(5 + number * 5 % 40);
    let class = match item.class {
        'A' => CatalogueClass::A,
        'B' => CatalogueClass::B,
        _ => CatalogueClass::C,
    };
    ChargeLine {
        line_id: (number + 1).to_string(),
        item_code: item.code.clone(),
        quantity: format!("{}.{}", tenths / 10, tenths % 10),
        unit_price: format!("{}.{:02}", price_fen / 100, price_fen % 100),
        // Half a fen goes up.
        amount_fen: (price_fen * tenths + 5) / 10,
        catalogue_class: class.into(),
        ..ChargeLine::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use onestop::door::wire::settlement::v1::QuoteRequest;

    use super::*;

    fn desk(persons: u32, hot: bool) -> Desk {
        let lines = vec![LineShare { from: 50, to: 50, share: 1 }];
        let bills = Bills { lines, hospital_level_shares: [30, 50, 20], one_hospital: false };
        Desk::new(&bills, (persons, hot), "K3ZQ81A")
    }

    #[test]
    fn ids_are_unlike_and_fit() {
        let desk = desk(1_000, false);
        let mut ids = BTreeSet::new();
        for serial in (0..3_000).chain(5_000_000_000..5_000_000_100) {
            let stay = desk.stay(serial);
            for id in [&stay.stay_id, &stay.request_id] {
                assert!(id.len() <= 30, "{id}");
                assert!(ids.insert(id.clone()), "{id}");
            }
        }
    }

    #[test]
    fn a_pass_meets_every_person_once_and_stays_do_not_meet() {
        let desk = desk(1_000, false);
        let persons = |pass: u64| -> BTreeSet<u32> {
            (pass * 1_000..pass * 1_000 + 1_000).map(|serial| desk.stay(serial).person).collect()
        };
        assert_eq!((persons(0).len(), persons(3).len()), (1_000, 1_000));
        let mut last = date(2023, 12, 31);
        for pass in 0..PASSES_MAX {
            let stay = desk.stay(pass * 1_000);
            assert!(last < stay.admission && stay.admission < stay.discharge, "{stay:?}");
            last = stay.discharge;
        }
        assert!(last <= date(2024, 12, 31));
    }

    #[test]
    fn the_two_halves_are_one_message() {
        let desk = desk(1_000, false);
        let stay = desk.stay(12);
        let settle = SettleRequest::decode(desk.settle(&stay)).unwrap();
        let quote = QuoteRequest::decode(desk.quote(&stay)).unwrap();
        assert_eq!(settle.bill, quote.bill);
        let bill = settle.bill.unwrap();
        assert_eq!((settle.request_id, bill.stay_id), (stay.request_id, stay.stay_id));
        assert_eq!(bill.lines.len(), 50);
        assert_eq!(bill.total_fen, bill.lines.iter().map(|line| line.amount_fen).sum::<i64>());
        let items: BTreeSet<_> = bill.lines.iter().map(|line| &line.item_code).collect();
        assert_eq!(items.len(), 50);
        assert_eq!(bill.credential.unwrap().number, number(stay.person));
    }

    #[test]
    fn the_hot_person_is_always_the_same() {
        let desk = desk(1_000, true);
        assert!((0..2_048).all(|serial| desk.stay(serial).person == 1_000));
        assert_eq!(desk.stay(2_048).person, 1_001);
        let bill = SettleRequest::decode(desk.settle(&desk.stay(7))).unwrap().bill.unwrap();
        assert_eq!(bill.care_type(), CareType::OutpatientChronic);
    }
}
