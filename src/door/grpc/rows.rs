//! Rows of lists on the wire to rows of the registry, every field by name. The registry says what is wrong with one.

use super::super::wire::registry::v1 as wire;
use super::super::words;
use super::convert::{Invalid, begin_date, begin_region};
use crate::app::registry::{
    Begin, CatalogueRow, CoverageRow, HospitalRow, IdentityRow, Line, OpeningRow, PersonRow,
    Refused, Reject, RowKind, Rows, Summary,
};

/// Reads what opens an import, and how many rows will come; 0 means that nobody knows.
pub(super) fn begin(begin: wire::ImportBegin) -> Result<(Begin, u64), Invalid> {
    let wire::ImportBegin { import_id, kind, full, list_date, source, row_count, region } = begin;
    let list_date = begin_date("begin.list_date", &list_date)?;
    let region = begin_region("begin.region", &region)?;
    let kind = kind_of(kind).ok_or_else(|| Invalid::unknown("begin.kind"))?;
    Ok((Begin { import_id, kind, full, list_date, source, region }, row_count))
}

fn kind_of(kind: i32) -> Option<RowKind> {
    match wire::RowKind::try_from(kind).ok()? {
        wire::RowKind::Unspecified => None,
        wire::RowKind::Person => Some(RowKind::Person),
        wire::RowKind::Coverage => Some(RowKind::Coverage),
        wire::RowKind::Identity => Some(RowKind::Identity),
        wire::RowKind::Hospital => Some(RowKind::Hospital),
        wire::RowKind::Catalogue => Some(RowKind::Catalogue),
        wire::RowKind::Opening => Some(RowKind::Opening),
    }
}

/// No rows yet, of a kind.
pub(super) fn none_of(kind: RowKind) -> Rows {
    match kind {
        RowKind::Person => Rows::Persons(Vec::new()),
        RowKind::Coverage => Rows::Coverage(Vec::new()),
        RowKind::Identity => Rows::Identities(Vec::new()),
        RowKind::Hospital => Rows::Hospitals(Vec::new()),
        RowKind::Catalogue => Rows::Catalogue(Vec::new()),
        RowKind::Opening => Rows::Openings(Vec::new()),
    }
}

/// Adds a row; nothing where it is empty or of another kind than the list.
pub(super) fn push(rows: &mut Rows, row: wire::ImportRow) -> Option<()> {
    use wire::import_row::Row;
    let wire::ImportRow { line, row } = row;
    match (rows, row?) {
        (Rows::Persons(rows), Row::Person(row)) => rows.push(Line { line, row: person(row) }),
        (Rows::Coverage(rows), Row::Coverage(row)) => rows.push(Line { line, row: coverage(row) }),
        (Rows::Identities(rows), Row::Identity(row)) => {
            rows.push(Line { line, row: identity(row) });
        }
        (Rows::Hospitals(rows), Row::Hospital(row)) => rows.push(Line { line, row: hospital(row) }),
        (Rows::Catalogue(rows), Row::Catalogue(row)) => {
            rows.push(Line { line, row: catalogue(row) });
        }
        (Rows::Openings(rows), Row::Opening(row)) => rows.push(Line { line, row: opening(row) }),
        (
            Rows::Persons(_)
            | Rows::Coverage(_)
            | Rows::Identities(_)
            | Rows::Hospitals(_)
            | Rows::Catalogue(_)
            | Rows::Openings(_),
            _,
        ) => return None,
    }
    Some(())
}

fn person(row: wire::PersonRow) -> PersonRow {
    let wire::PersonRow {
        identity_number,
        person_number,
        card_token,
        passport,
        mother_identity_number,
        name,
        birth_date,
    } = row;
    PersonRow {
        identity_number,
        person_number,
        card_token,
        passport,
        mother_identity_number,
        name,
        birth_date,
    }
}

fn coverage(row: wire::CoverageRow) -> CoverageRow {
    let wire::CoverageRow { credential, scheme, insured_region, valid_from, valid_to, facts } = row;
    CoverageRow { credential, scheme, insured_region, valid_from, valid_to, facts }
}

fn identity(row: wire::IdentityRow) -> IdentityRow {
    let wire::IdentityRow { credential, code, region, valid_from, valid_to } = row;
    IdentityRow { credential, code, region, valid_from, valid_to }
}

fn hospital(row: wire::HospitalRow) -> HospitalRow {
    let wire::HospitalRow { hospital_code, name, region, level, valid_from, valid_to } = row;
    HospitalRow { hospital_code, name, region, level, valid_from, valid_to }
}

fn catalogue(row: wire::CatalogueRow) -> CatalogueRow {
    let wire::CatalogueRow {
        item_code,
        region,
        valid_from,
        valid_to,
        catalogue_class,
        advance_ratio,
        ceiling_price_level_1,
        ceiling_price_level_2,
        ceiling_price_level_3,
        amount_name,
        name,
    } = row;
    let ceiling_prices = [ceiling_price_level_1, ceiling_price_level_2, ceiling_price_level_3];
    CatalogueRow {
        item_code,
        region,
        valid_from,
        valid_to,
        catalogue_class,
        advance_ratio,
        ceiling_prices,
        amount_name,
        name,
    }
}

fn opening(row: wire::OpeningRow) -> OpeningRow {
    let wire::OpeningRow {
        entry_id,
        credential,
        insured_region,
        scheme,
        policy_year,
        name,
        amount,
    } = row;
    OpeningRow { entry_id, credential, insured_region, scheme, policy_year, name, amount }
}

// === out ===

/// A row that was not taken.
pub(super) fn reject(reject: &Reject) -> wire::ImportResponse {
    let Reject { line, reason, field } = reject;
    let (zh, en) = reason.texts();
    response(wire::import_response::Part::Reject(wire::ImportReject {
        line: *line,
        reason: reason.name().to_owned(),
        field: (*field).to_owned(),
        message_zh: zh.to_owned(),
        message_en: en.to_owned(),
    }))
}

/// How far it is.
pub(super) fn progress(read: u64, expected: u64, durable: u64) -> wire::ImportResponse {
    response(wire::import_response::Part::Progress(wire::ImportProgress {
        rows_read: read,
        rows_expected: expected,
        rows_durable: durable,
    }))
}

/// What it did.
pub(super) fn summary(
    summary: &Summary,
    resumed: u64,
    finished_before: bool,
) -> wire::ImportResponse {
    let Summary { added, changed, unchanged, rejected, ended } = *summary;
    response(wire::import_response::Part::Summary(wire::ImportSummary {
        added,
        changed,
        unchanged,
        rejected,
        ended,
        resumed,
        finished_before,
    }))
}

fn response(part: wire::import_response::Part) -> wire::ImportResponse {
    wire::ImportResponse { part: Some(part) }
}

/// The field of the opening that the registry refused, as the contract calls it.
pub(super) fn refused_field(field: &str) -> String {
    format!("begin.{field}")
}

/// The code of a list that the registry refused, and the field that stands in the way.
pub(super) const fn refused(refused: Refused) -> (&'static str, &'static str) {
    match refused {
        Refused::Field(field) => (words::LIST_REFUSED, field),
        Refused::Empty => (words::LIST_EMPTY, "full"),
        Refused::DatedAhead => (words::LIST_DATED_AHEAD, "list_date"),
        Refused::Older => (words::LIST_OLDER, "list_date"),
    }
}
