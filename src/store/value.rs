//! Entries as one value of the database's own type `commit_entry[]`, written straight into the message.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::commit::Write;
use crate::domain::ids::{OperatorId, SettlementId};
use crate::domain::ledger::{Entry, LayerEntry, MovedEntry};
use crate::domain::money::Fen;
use crate::domain::verdict::Breakdown;

/// Entries, in order.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) entries: &'a [&'a Write],
}

type Fault = Box<dyn Error + Sync + Send>;

/// One entry's fields, in the order of the type's.
struct Fields<'a, 'b> {
    types: std::slice::Iter<'a, tokio_postgres::types::Field>,
    out: &'b mut BytesMut,
}

impl ToSql for Group<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        let Kind::Array(element) = ty.kind() else { return Err("not an array".into()) };
        let Kind::Composite(fields) = element.kind() else { return Err("not of rows".into()) };
        // One dimension, no nulls, of this type, so many, counted from one.
        for number in [1, 0] {
            out.put_i32(number);
        }
        out.put_u32(element.oid());
        out.put_i32(i32::try_from(self.entries.len())?);
        out.put_i32(1);
        for written in self.entries {
            sized(out, |out| {
                out.put_i32(i32::try_from(fields.len())?);
                let mut fields = Fields { types: fields.iter(), out };
                write(&mut fields, &written.entry)?;
                used_after(&mut fields, written.used.as_ref())?;
                fields.put(&written.after.as_ref().map(SettlementId::as_str))?;
                let Entry { supersedes, state, .. } = written.entry.as_ref();
                fields.put(&supersedes.as_ref().map(SettlementId::as_str))?;
                fields.put(&state.word())?;
                match fields.types.next() {
                    None => Ok(()),
                    Some(field) => Err(format!("nothing for field {}", field.name()).into()),
                }
            })?;
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        ty.name() == "_commit_entry"
    }

    fn encode_format(&self, _ty: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

/// Writes a value with its length in front.
fn sized(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let at = out.len();
    out.put_i32(0);
    let from = out.len();
    write(out)?;
    let length = i32::try_from(out.len().saturating_sub(from))?;
    if let Some(place) = out.get_mut(at..from) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

impl Fields<'_, '_> {
    fn put(&mut self, value: &(dyn ToSql + Sync)) -> Result<(), Fault> {
        let field = self.types.next().ok_or("more values than fields")?;
        self.out.put_u32(field.type_().oid());
        let at = self.out.len();
        self.out.put_i32(-1);
        let from = self.out.len();
        if let IsNull::No = value.to_sql_checked(field.type_(), self.out)? {
            let length = i32::try_from(self.out.len().saturating_sub(from))?;
            if let Some(place) = self.out.get_mut(at..from) {
                place.copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }

    fn all(&mut self, values: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
        values.iter().try_for_each(|value| self.put(*value))
    }

    /// Texts of a list as an array.
    fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Result<(), Fault> {
        let texts: Vec<&str> = texts.collect();
        self.put(&texts)
    }

    fn amounts(&mut self, amounts: impl Iterator<Item = Fen>) -> Result<(), Fault> {
        let amounts: Vec<i64> = amounts.map(Fen::get).collect();
        self.put(&amounts)
    }
}

/// Every field by name: one that is added to an entry does not compile until it is written.
fn write(fields: &mut Fields<'_, '_>, entry: &Entry) -> Result<(), Fault> {
    let Entry {
        settlement,
        person,
        request,
        body_sha256,
        reverses,
        supersedes: _,
        state: _,
        hospital,
        level,
        stay,
        stay_part,
        admission,
        discharge,
        care,
        referral,
        insured_region,
        treatment_region,
        scheme,
        year,
        settled_at,
        accounting_day,
        operator,
        door,
        reason,
        breakdown,
        layers,
        fixed,
        moved,
        identities_used,
        assumed,
        package,
        standing_version,
        ledger_version,
        record,
        record_sha256,
        lines,
        lines_sha256,
    } = entry;
    fields.all(&[&person.bucket(), &person.get(), &settlement.as_str(), &hospital.as_str()])?;
    fields.all(&[&request.as_str(), &body_sha256.as_slice()])?;
    fields.all(&[
        &reverses.as_ref().map(SettlementId::as_str),
        level,
        &stay.as_str(),
        stay_part,
    ])?;
    fields.all(&[admission, discharge, &care.word(), &referral.word()])?;
    fields.all(&[&insured_region.to_string(), &treatment_region.to_string(), &scheme.word()])?;
    fields.all(&[year, settled_at, accounting_day, &operator.as_ref().map(OperatorId::as_str)])?;
    fields.all(&[door, &reason.as_deref()])?;
    national(fields, breakdown)?;
    fields.all(&[assumed, &package.0.as_slice(), standing_version, ledger_version])?;
    fields.all(&[record, &record_sha256.as_slice(), lines, &lines_sha256.as_slice()])?;
    for part in [layers, fixed] {
        paid(fields, part)?;
    }
    used(fields, moved, *year)?;
    fields.put(identities_used)
}

/// The amounts in the order of the columns.
fn national(fields: &mut Fields<'_, '_>, breakdown: &Breakdown) -> Result<(), Fault> {
    let Breakdown {
        total,
        out_of_catalogue,
        over_limit,
        advance,
        in_scope,
        deductible,
        paid,
        hospital_borne,
        account,
        cash,
    } = breakdown;
    let unfit = || Fault::from("amounts that do not add up");
    let fund_total = breakdown.fund_total().ok_or_else(unfit)?;
    let patient = breakdown.patient().ok_or_else(unfit)?;
    let before = [*total, *out_of_catalogue, *over_limit, *advance, *in_scope, *deductible];
    let after = [fund_total, *hospital_borne, patient, *account, *cash];
    before.iter().chain(paid).chain(&after).try_for_each(|amount| fields.put(&amount.get()))
}

/// Who paid, where it is booked, for which identity, how much.
fn paid(fields: &mut Fields<'_, '_>, layers: &[LayerEntry]) -> Result<(), Fault> {
    fields.texts(layers.iter().map(|layer| layer.payer.as_str()))?;
    fields.texts(layers.iter().map(|layer| layer.books_to))?;
    fields.texts(layers.iter().map(|layer| layer.identity.as_str()))?;
    fields.amounts(layers.iter().map(|layer| layer.pay))
}

/// All that the person has used, where that is known.
fn used_after(
    fields: &mut Fields<'_, '_>,
    used: Option<&BTreeMap<String, Fen>>,
) -> Result<(), Fault> {
    let (names, amounts): (Vec<&str>, Vec<i64>) =
        used.into_iter().flatten().map(|(name, fen)| (name.as_str(), fen.get())).unzip();
    fields.all(&[&used.map(|_| names), &used.map(|_| amounts)])
}

/// What moves of the policy year and of the lifetime, each by name.
fn used(fields: &mut Fields<'_, '_>, moved: &[MovedEntry], year: i16) -> Result<(), Fault> {
    if moved.iter().any(|moved| moved.year != year && moved.year != 0) {
        return Err("an accumulator of another year".into());
    }
    for span in [year, 0] {
        let mut of_span: Vec<&MovedEntry> =
            moved.iter().filter(|moved| moved.year == span).collect();
        of_span.sort_by(|one, other| one.name.cmp(&other.name));
        fields.texts(of_span.iter().map(|moved| moved.name.as_str()))?;
        fields.amounts(of_span.iter().map(|moved| moved.by))?;
    }
    Ok(())
}
