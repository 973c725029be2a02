//! Read in place is decoded and converted, or nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::app::CredentialHash;

/// Tells kinds and numbers apart.
fn hash(kind: u8, normalized: &str) -> CredentialHash {
    let mut hash = [kind; 32];
    for (byte, letter) in hash.iter_mut().zip(normalized.bytes()) {
        *byte = byte.wrapping_mul(31).wrapping_add(letter);
    }
    CredentialHash { kind, hash }
}

/// What decoding and converting gives.
fn converted(bytes: &[u8]) -> Option<SettleRequest> {
    super::super::settle(&hash, wire::SettleRequest::decode(bytes).ok()?).ok()
}

fn check(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let read = settle(&hash, bytes);
    if let Some(read) = &read {
        let told =
            |request: &SettleRequest| format!("{request:?} {:?}", request.claim.credential.hash);
        let converted = converted(bytes);
        prop_assert_eq!(Some(told(read)), converted.as_ref().map(told), "{:02x?}", bytes);
    }
    Ok(read.is_some())
}

fn line() -> impl Strategy<Value = wire::ChargeLine> {
    let texts = (
        "[!-~]{1,30}",
        "[A-Z0-9]{1,50}",
        "-?[0-9]{1,3}(\\.[0-9]{1,4})?",
        "[0-9]{1,4}(\\.[0-9]{1,6})?",
    );
    let refund_of = prop_oneof![Just(String::new()), "[0-9]{1,3}"];
    let charged_on = prop_oneof![Just(String::new()), Just("2024-06-02".to_owned())];
    (texts, any::<i64>(), 0..4, refund_of, charged_on).prop_map(
        |((line_id, item_code, quantity, unit_price), amount_fen, class, refund_of, charged_on)| {
            wire::ChargeLine {
                line_id,
                item_code,
                quantity,
                unit_price,
                amount_fen,
                catalogue_class: class,
                refund_of_line_id: refund_of,
                charged_on,
            }
        },
    )
}

prop_compose! {
    fn bill()(
        lines in vec(line(), 0..4),
        facts in vec(("[a-z]{1,9}", "\\PC{1,9}"), 0..3),
        diagnosis_codes in vec("[A-Z][0-9]{2}(\\.[0-9])?", 0..3),
        ids in ("[!-~]{1,12}", "[!-~]{1,30}", "[!-~]{0,30}", "[!-~]{0,30}"),
        scheme in prop_oneof![Just(""), Just("resident"), Just("employee")],
        (care_type, referral, stay_part) in (1..4, 1..6, 0_u32..731),
        (total_fen, account_balance_fen) in any::<(i64, i64)>(),
        number in prop_oneof![Just("11010519491231002x".to_owned()), "[ A-Z0-9]{1,20}"],
        kind in 1..6,
    ) -> wire::Bill {
        let (hospital_code, stay_id, transferred_from_stay_id, operator_id) = ids;
        let facts = facts.into_iter().map(|(name, value)| wire::Fact { name, value }).collect();
        wire::Bill {
            hospital_code,
            stay_id,
            stay_part,
            credential: Some(wire::Credential { kind, number }),
            scheme: scheme.to_owned(),
            admission_date: "2024-06-01".to_owned(),
            discharge_date: "2024-06-10".to_owned(),
            care_type,
            referral,
            transferred_from_stay_id,
            diagnosis_codes,
            facts,
            lines,
            total_fen,
            account_balance_fen,
            operator_id,
        }
    }
}

/// An encoded request with something done to its bytes.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let request = ("[!-~]{1,30}", bill(), vec(any::<u8>(), 0..3));
    let encoded = request.prop_map(|(request_id, bill, quote_token)| {
        wire::SettleRequest { request_id, bill: Some(bill), quote_token }.encode_to_vec()
    });
    let at = any::<prop::sample::Index>();
    (encoded, at, any::<u8>(), 0..6, vec(any::<u8>(), 0..6)).prop_map(
        |(mut bytes, at, byte, what, more)| {
            let place = at.index(bytes.len());
            match what {
                0 => bytes[place] = byte,
                1 => bytes[place] ^= 1 << (byte % 8),
                2 => bytes.truncate(place),
                3 => bytes.insert(place, byte),
                4 => bytes.extend(more),
                _ => {
                    bytes.remove(place);
                }
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn a_bill_as_it_is_sent_is_read_in_place(bill in bill(), more in vec(any::<u8>(), 0..9)) {
        let converted = super::super::claim(&hash, Some(bill.clone()));
        let request = wire::SettleRequest {
            request_id: "R1".to_owned(),
            bill: Some(bill.clone()),
            quote_token: more.clone(),
        };
        // Unknown fields of a later contract are passed over, at each depth.
        let mut bytes = request.encode_to_vec();
        bytes.extend([0xf8, 0x07, 0x01]);
        prop_assert_eq!(check(&bytes)?, converted.is_ok());
        let quoted = quote(&hash, &wire::QuoteRequest { bill: Some(bill) }.encode_to_vec());
        prop_assert_eq!(quoted.map(|claim| claim.bill), converted.ok().map(|claim| claim.bill));
    }

    #[test]
    fn whatever_is_done_to_the_bytes_nothing_else_is_read(bytes in spoilt()) {
        check(&bytes)?;
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..64)) {
        check(&bytes)?;
    }

    /// Fields of the head may come in two messages that are one, and lines before the day that they are charged on.
    #[test]
    fn fields_may_stand_in_any_order(bill in bill()) {
        let lines = wire::Bill { lines: bill.lines.clone(), ..wire::Bill::default() };
        let mut body = lines.encode_to_vec();
        body.extend(wire::Bill { lines: Vec::new(), ..bill.clone() }.encode_to_vec());
        let mut bytes = vec![0x12];
        prost::encoding::encode_varint(body.len() as u64, &mut bytes);
        bytes.extend(body);
        bytes.extend([0x0a, 0x02, b'R', b'1']);
        prop_assert_eq!(check(&bytes)?, super::super::claim(&hash, Some(bill)).is_ok());
    }
}

/// One after the other what is unusual: it is left to whoever decodes.
#[test]
fn what_is_unusual_is_not_read_in_place() {
    let bill = |more: &[u8]| {
        let mut bytes = vec![0x12, u8::try_from(more.len()).unwrap()];
        bytes.extend(more);
        bytes
    };
    for bytes in [
        // No bill; a text as a number; a group; a field numbered zero; cut off; a text that is none; a text twice.
        vec![],
        vec![0x08, 0x01],
        bill(&[0x0b, 0x0c]),
        bill(&[0x02, 0x00]),
        bill(&[0x0a, 0x05, b'a']),
        bill(&[0x5a, 0x01, 0xff]),
        bill(&[0x0a, 0x01, b'a', 0x0a, 0x01, b'b']),
        // A number of eleven bytes, and one whose tenth has too much.
        bill(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        bill(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
    ] {
        assert!(settle(&hash, &bytes).is_none(), "{bytes:02x?}");
    }
}
