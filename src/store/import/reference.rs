//! Hospitals and catalogue items: spans that concern everybody.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::parse::{self, Refusal};
use super::rows::{CatalogueRow, HospitalRow, Line, RejectReason};
use super::spans::{Span, Spans};
use super::work::Work;
use super::{Batch, Rules};
use crate::domain::bill::CatalogueClass;
use crate::domain::ids::{HospitalCode, ItemCode, RegionCode};
use crate::domain::money::{RATE_ONE, Rate, parse_price_e6};
use crate::store::error::StoreError;
use crate::store::row;

/// What is said of a hospital.
#[derive(Clone, PartialEq)]
pub(super) struct Rated {
    region: RegionCode,
    level: i16,
    name: String,
}

/// What is said of an item.
#[derive(Clone, PartialEq)]
pub(super) struct Listed {
    class: CatalogueClass,
    advance_ratio: Option<Rate>,
    ceilings_e6: [Option<i64>; 3],
    amount_name: Option<String>,
    name: String,
}

pub(super) type ItemKey = (ItemCode, RegionCode);

pub(super) async fn take_hospitals(
    work: &Work<'_>,
    rules: &Rules<'_>,
    rows: &[Line<HospitalRow>],
) -> Result<Batch, StoreError> {
    let codes: BTreeSet<&str> = rows.iter().map(|line| line.row.hospital_code.as_str()).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let sql = include_str!("../sql/import/load_hospital.sql");
    let mut spans = Spans::new();
    for read in &work.query(sql, &[&codes, &work.list.import_id]).await? {
        let reader = work.reader(read);
        let what = Rated {
            region: reader.region("region")?,
            level: reader.get("level")?,
            name: reader.get("name")?,
        };
        let span = Span { from: reader.get("valid_from")?, to: reader.get("valid_to")?, what };
        spans.load(reader.text("hospital_code", HospitalCode::new)?, span, reader.get("listed")?);
    }
    let mut batch = Batch::default();
    for Line { line, row } in rows {
        match read_hospital(rules, row) {
            Ok((code, span)) => batch.count(*line, spans.place(code, span)),
            Err(refusal) => {
                spans.protect(|code: &HospitalCode| code.as_str() == row.hospital_code);
                batch.reject(*line, refusal);
            }
        }
    }
    write_hospitals(work, &spans).await?;
    let changes: Vec<_> = spans
        .moved()
        .map(|(code, held)| {
            (held.was.as_ref().map(|span| rated_json(code, span)), rated_json(code, &held.span))
        })
        .collect();
    work.log_reference(&changes).await?;
    Ok(batch)
}

pub(super) async fn take_catalogue(
    work: &Work<'_>,
    rules: &Rules<'_>,
    rows: &[Line<CatalogueRow>],
) -> Result<Batch, StoreError> {
    let keys: BTreeSet<(&str, &str)> =
        rows.iter().map(|line| (line.row.item_code.as_str(), line.row.region.as_str())).collect();
    let (codes, regions): (Vec<&str>, Vec<&str>) = keys.into_iter().unzip();
    let sql = include_str!("../sql/import/load_catalogue.sql");
    let mut spans = Spans::new();
    for read in &work.query(sql, &[&codes, &regions, &work.list.import_id]).await? {
        let reader = work.reader(read);
        let what = Listed {
            class: reader.text("class", row::class)?,
            advance_ratio: reader
                .get::<Option<i64>>("advance_ratio_billionths")?
                .map(Rate::from_billionths),
            ceilings_e6: [
                reader.get("ceiling_price_level_1_e6")?,
                reader.get("ceiling_price_level_2_e6")?,
                reader.get("ceiling_price_level_3_e6")?,
            ],
            amount_name: reader.get("amount_name")?,
            name: reader.get("name")?,
        };
        let span = Span { from: reader.get("valid_from")?, to: reader.get("valid_to")?, what };
        let key: ItemKey = (reader.text("item_code", ItemCode::new)?, reader.region("region")?);
        spans.load(key, span, reader.get("listed")?);
    }
    let mut batch = Batch::default();
    for Line { line, row } in rows {
        match read_item(rules, row) {
            Ok((key, span)) => batch.count(*line, spans.place(key, span)),
            Err(refusal) => {
                spans.protect(|(code, _): &ItemKey| code.as_str() == row.item_code);
                batch.reject(*line, refusal);
            }
        }
    }
    write_catalogue(work, &spans).await?;
    let changes: Vec<_> = spans
        .moved()
        .map(|(key, held)| {
            (held.was.as_ref().map(|span| listed_json(key, span)), listed_json(key, &held.span))
        })
        .collect();
    work.log_reference(&changes).await?;
    Ok(batch)
}

pub(super) fn read_hospital(
    rules: &Rules<'_>,
    row: &HospitalRow,
) -> Result<(HospitalCode, Span<Rated>), Refusal> {
    let HospitalRow { hospital_code, name, region, level, valid_from, valid_to } = row;
    let code =
        HospitalCode::new(hospital_code).ok_or((RejectReason::TextUnfit, "hospital_code"))?;
    let level = i16::try_from(*level).ok().filter(|level| (1..=3).contains(level));
    let what = Rated {
        region: parse::region(rules, "region", region)?,
        level: level.ok_or((RejectReason::LevelUnknown, "level"))?,
        name: parse::text("name", name, 200)?.to_owned(),
    };
    Ok((code, parse::span(valid_from, valid_to, what)?))
}

pub(super) fn read_item(
    rules: &Rules<'_>,
    row: &CatalogueRow,
) -> Result<(ItemKey, Span<Listed>), Refusal> {
    let CatalogueRow {
        item_code,
        region,
        valid_from,
        valid_to,
        catalogue_class,
        advance_ratio,
        ceiling_prices,
        amount_name,
        name,
    } = row;
    let code = ItemCode::new(item_code).ok_or((RejectReason::TextUnfit, "item_code"))?;
    let region = parse::region(rules, "region", region)?;
    let ratio =
        |text: &str| Rate::parse(text).filter(|ratio| (0..=RATE_ONE).contains(&ratio.billionths()));
    let advance_ratio = match advance_ratio.as_str() {
        "" => None,
        text => Some(ratio(text).ok_or((RejectReason::RatioOutOfRange, "advance_ratio"))?),
    };
    let fields = ["ceiling_price_level_1", "ceiling_price_level_2", "ceiling_price_level_3"];
    let mut ceilings_e6 = [None; 3];
    for ((ceiling, text), field) in ceilings_e6.iter_mut().zip(ceiling_prices).zip(fields) {
        if !text.is_empty() {
            let price = parse_price_e6(text).filter(|price| 0 <= *price);
            *ceiling = Some(price.ok_or((RejectReason::PriceUnreadable, field))?);
        }
    }
    if !amount_name.is_empty() && !parse::is_code(amount_name, false) {
        return Err((RejectReason::CodeUnreadable, "amount_name"));
    }
    let what = Listed {
        class: row::class(catalogue_class)
            .ok_or((RejectReason::ClassUnknown, "catalogue_class"))?,
        advance_ratio,
        ceilings_e6,
        amount_name: Some(amount_name.clone()).filter(|name| !name.is_empty()),
        name: parse::text("name", name, 200)?.to_owned(),
    };
    Ok(((code, region), parse::span(valid_from, valid_to, what)?))
}

async fn write_hospitals(
    work: &Work<'_>,
    spans: &Spans<HospitalCode, Rated>,
) -> Result<(), StoreError> {
    let moved: Vec<_> = spans.moved().collect();
    if !moved.is_empty() {
        let codes: Vec<_> = moved.iter().map(|(code, _)| code.as_str()).collect();
        let froms: Vec<_> = moved.iter().map(|(_, held)| held.span.from).collect();
        let tos: Vec<_> = moved.iter().map(|(_, held)| held.span.to).collect();
        let regions: Vec<_> =
            moved.iter().map(|(_, held)| held.span.what.region.to_string()).collect();
        let levels: Vec<_> = moved.iter().map(|(_, held)| held.span.what.level).collect();
        let names: Vec<_> = moved.iter().map(|(_, held)| held.span.what.name.as_str()).collect();
        let sql = include_str!("../sql/import/write_hospital.sql");
        work.query(sql, &[&codes, &froms, &tos, &regions, &levels, &names, &work.full_list()])
            .await?;
    }
    let listed: Vec<_> = spans.newly_listed().filter(|_| work.list.full).collect();
    if !listed.is_empty() {
        let codes: Vec<_> = listed.iter().map(|(code, _)| code.as_str()).collect();
        let froms: Vec<_> = listed.iter().map(|(_, held)| held.span.from).collect();
        let sql = include_str!("../sql/import/list_hospital.sql");
        work.query(sql, &[&codes, &froms, &work.list.import_id]).await?;
    }
    Ok(())
}

async fn write_catalogue(
    work: &Work<'_>,
    spans: &Spans<ItemKey, Listed>,
) -> Result<(), StoreError> {
    let moved: Vec<_> = spans.moved().collect();
    if !moved.is_empty() {
        let codes: Vec<_> = moved.iter().map(|((code, _), _)| code.as_str()).collect();
        let regions: Vec<_> = moved.iter().map(|((_, region), _)| region.to_string()).collect();
        let froms: Vec<_> = moved.iter().map(|(_, held)| held.span.from).collect();
        let tos: Vec<_> = moved.iter().map(|(_, held)| held.span.to).collect();
        let said: Vec<_> = moved.iter().map(|(_, held)| &held.span.what).collect();
        let classes: Vec<_> = said.iter().map(|what| row::class_letter(what.class)).collect();
        let ratios: Vec<_> =
            said.iter().map(|what| what.advance_ratio.map(Rate::billionths)).collect();
        let ceilings: [Vec<Option<i64>>; 3] = [
            said.iter().map(|what| what.ceilings_e6[0]).collect(),
            said.iter().map(|what| what.ceilings_e6[1]).collect(),
            said.iter().map(|what| what.ceilings_e6[2]).collect(),
        ];
        let [first, second, third] = &ceilings;
        let amounts: Vec<_> = said.iter().map(|what| what.amount_name.as_deref()).collect();
        let names: Vec<_> = said.iter().map(|what| what.name.as_str()).collect();
        let (sql, list) = (include_str!("../sql/import/write_catalogue.sql"), work.full_list());
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 12] = [
            &codes, &regions, &froms, &tos, &classes, &ratios, first, second, third, &amounts,
            &names, &list,
        ];
        work.query(sql, &params).await?;
    }
    let listed: Vec<_> = spans.newly_listed().filter(|_| work.list.full).collect();
    if !listed.is_empty() {
        let codes: Vec<_> = listed.iter().map(|((code, _), _)| code.as_str()).collect();
        let regions: Vec<_> = listed.iter().map(|((_, region), _)| region.to_string()).collect();
        let froms: Vec<_> = listed.iter().map(|(_, held)| held.span.from).collect();
        let sql = include_str!("../sql/import/list_catalogue.sql");
        work.query(sql, &[&codes, &regions, &froms, &work.list.import_id]).await?;
    }
    Ok(())
}

fn rated_json(code: &HospitalCode, span: &Span<Rated>) -> Value {
    let Rated { region, level, name } = &span.what;
    json!({ "hospital_code": code.as_str(), "region": region.to_string(), "level": level, "name": name,
        "valid_from": span.from, "valid_to": span.to })
}

fn listed_json((code, region): &ItemKey, span: &Span<Listed>) -> Value {
    let Listed { class, advance_ratio, ceilings_e6, amount_name, name } = &span.what;
    json!({ "item_code": code.as_str(), "region": region.to_string(), "class": row::class_letter(*class),
        "advance_ratio_billionths": advance_ratio.map(Rate::billionths), "ceiling_prices_e6": ceilings_e6,
        "amount_name": amount_name, "name": name, "valid_from": span.from, "valid_to": span.to })
}
