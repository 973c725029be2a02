//! The canonical bytes of a bill, for the hash that tells two requests apart, and of its charge lines, which are kept.

use std::ops::Range;

use super::super::bill::{Bill, CatalogueClass, ChargeLine};
use super::super::ids::LineId;
use super::bytes::Writer;
use super::decision::write_date;

/// Room for a bill but for its lines, and for a line: most need no more.
const HEAD_BYTES: usize = 256;
const LINE_BYTES: usize = 64;

/// Appends everything that a bill says, and tells where its charge lines stand: those bytes are [`lines_to_bytes`].
pub fn write_bill(bytes: &mut Vec<u8>, bill: &Bill) -> Range<usize> {
    let Bill {
        hospital,
        stay,
        stay_part,
        scheme,
        admission,
        discharge,
        care,
        referral,
        transferred_from,
        diagnoses,
        facts,
        lines,
        total,
        account_balance,
        operator,
    } = bill;
    bytes.reserve(lines.len().saturating_mul(LINE_BYTES).saturating_add(HEAD_BYTES));
    let mut writer = Writer::behind(std::mem::take(bytes));
    writer.text(hospital.as_str());
    writer.text(stay.as_str());
    writer.signed(i64::from(*stay_part));
    writer.text(scheme.map_or("", super::super::standing::Scheme::word));
    write_date(&mut writer, *admission);
    write_date(&mut writer, *discharge);
    writer.text(care.word());
    writer.text(referral.word());
    writer.text(transferred_from.as_ref().map_or("", |stay| stay.as_str()));
    writer.length(diagnoses.len());
    diagnoses.iter().for_each(|diagnosis| writer.text(diagnosis));
    writer.length(facts.len());
    for (name, value) in facts {
        writer.text(name);
        writer.text(value);
    }
    let begin = writer.len();
    write_lines(&mut writer, lines);
    let end = writer.len();
    writer.fen(*total);
    writer.fen(*account_balance);
    writer.text(operator.as_ref().map_or("", |operator| operator.as_str()));
    *bytes = writer.into_bytes();
    begin..end
}

/// The canonical bytes of charge lines.
pub fn lines_to_bytes(lines: &[ChargeLine]) -> Vec<u8> {
    let mut writer = Writer::with_room(lines.len().saturating_mul(LINE_BYTES));
    write_lines(&mut writer, lines);
    writer.into_bytes()
}

fn write_lines(writer: &mut Writer, lines: &[ChargeLine]) {
    writer.length(lines.len());
    for ChargeLine { id, item, quantity_e4, unit_price_e6, amount, class, refund_of, charged_on } in
        lines
    {
        writer.text_bytes(id.as_bytes());
        writer.text_bytes(item.as_bytes());
        writer.signed(*quantity_e4);
        writer.signed(*unit_price_e6);
        writer.fen(*amount);
        writer.number(match class {
            None => 0,
            Some(CatalogueClass::A) => 1,
            Some(CatalogueClass::B) => 2,
            Some(CatalogueClass::C) => 3,
        });
        writer.text_bytes(refund_of.as_ref().map(LineId::as_bytes).unwrap_or_default());
        write_date(writer, *charged_on);
    }
}
