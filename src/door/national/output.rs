//! What was decided or recorded, as the national interface names it. Every amount is in every answer, and none is ever null.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::json::Yuan;
use super::{care, person};
use crate::app::national::{Dictionary, FundCode, Share};
use crate::app::{AppError, Corrected, shanghai};
use crate::domain::bill::Care;
use crate::domain::ids::PersonNumber;
use crate::domain::money::{Fen, RATE_ONE, Rate, Rounding, round_scaled};
use crate::domain::reconcile::clearing_type;
use crate::domain::rules::{Bearer, Package};
use crate::domain::verdict::{Action, Breakdown, LayerPay, Outcome, Step};
use crate::limits;

/// What a settlement is besides its amounts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// [mdtrt_id]
    pub(super) stay: &'a str,
    /// Empty for a quote. [setl_id]
    pub(super) settlement: &'a str,
    /// [psn_no]
    pub(super) person: &'a PersonNumber,
    /// [med_type]
    pub(super) care_code: &'a str,
    /// What kind of care that is.
    pub(super) care: Care,
    /// [setl_time]
    pub(super) at: Timestamp,
    /// [medins_setl_id]
    pub(super) request: &'a str,
    /// Is it a reversal? [refd_setl_flag]
    pub(super) is_reversal: bool,
    /// Was it reversed? [vali_flag]
    pub(super) is_reversed: bool,
    /// The kind of what the patient showed, where it is known. [mdtrt_cert_type]
    pub(super) shown: Option<u8>,
    /// What it takes the place of. [exp_content]
    pub(super) supersedes: Option<&'a str>,
    /// How it was trued up. [exp_content]
    pub(super) corrected: Option<&'a Corrected>,
    /// How old the patient was, and what the personal account held before. Of a reversal that is told with what it reverses.
    pub(super) patient: Option<(Option<i64>, Fen)>,
}

/// What was decided or recorded.
#[derive(Debug, Serialize)]
pub(super) struct Settlement<'a> {
    setldetail: Vec<Detail<'a>>,
    setlinfo: Info<'a>,
}

/// The whole of it, fields by name.
#[derive(Debug)]
struct Info<'a> {
    said: [(&'static str, Cow<'a, str>); 23],
    computed: [(&'static str, String); 4],
    amounts: [(&'static str, Fen); 19],
}

/// What a layer paid.
#[derive(Debug, Serialize)]
struct Detail<'a> {
    crt_payb_lmt_amt: String,
    fund_pay_type: &'a str,
    fund_pay_type_name: &'a str,
    fund_payamt: Yuan,
    inscp_scp_amt: Yuan,
    setl_proc_info: String,
}

impl Serialize for Info<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut info = serializer.serialize_map(None)?;
        for (name, text) in &self.said {
            info.serialize_entry(name, text)?;
        }
        for (name, text) in &self.computed {
            info.serialize_entry(name, text)?;
        }
        for (name, fen) in &self.amounts {
            info.serialize_entry(name, &Yuan(*fen))?;
        }
        info.end()
    }
}

/// `setlinfo` and `setldetail`.
pub(super) fn settlement<'a>(
    head: &Head<'a>,
    (outcome, package): (&Outcome, &'a Package),
    dictionary: &'a Dictionary,
) -> Result<Settlement<'a>, AppError> {
    let details = outcome.layers.iter().map(|pay| detail(pay, (outcome, package), dictionary));
    let setldetail = details.collect::<Result<_, AppError>>()?;
    let amounts = &outcome.breakdown;
    let (age, balance) = match head.patient {
        Some((age, before)) => {
            let left = before.checked_sub(amounts.account).ok_or(AppError::Unbalanced)?;
            (age.unwrap_or(0), left.to_string())
        }
        None => (0, "0".to_owned()),
    };
    let setlinfo = Info {
        said: said(head, package),
        computed: [
            ("age", age.to_string()),
            ("balc", balance),
            ("exp_content", beside(head, (outcome, package), dictionary)?),
            ("pool_prop_selfpay", pool_ratio(amounts)),
        ],
        amounts: national(amounts).ok_or(AppError::Unbalanced)?,
    };
    Ok(Settlement { setldetail, setlinfo })
}

/// The texts of `setlinfo`. What we do not know is empty, a number that we do not know "0".
fn said<'a>(head: &Head<'a>, package: &Package) -> [(&'static str, Cow<'a, str>); 23] {
    const NOTHING: Cow<'_, str> = Cow::Borrowed("");
    let flag = |yes: bool| Cow::from(if yes { "1" } else { "0" });
    let by_identity_number = head.shown == Some(person::IDENTITY_NUMBER);
    let shown = |code: &'static str| Cow::from(if by_identity_number { code } else { "" });
    let region = package.region.to_string();
    [
        ("mdtrt_id", head.stay.into()),
        ("setl_id", head.settlement.into()),
        ("psn_no", head.person.as_str().into()),
        ("psn_name", NOTHING),
        ("psn_cert_type", shown("01")),
        ("certno", NOTHING),
        ("gend", NOTHING),
        ("naty", NOTHING),
        ("brdy", NOTHING),
        ("insutype", care::scheme_code(package.scheme).into()),
        ("psn_type", NOTHING),
        ("cvlserv_flag", "0".into()),
        ("setl_time", time(head.at).into()),
        ("mdtrt_cert_type", shown("02")),
        ("med_type", head.care_code.into()),
        ("acct_mulaid_pay", "0".into()),
        ("medins_setl_id", head.request.into()),
        ("clr_optins", region.clone().into()),
        ("clr_way", NOTHING),
        ("clr_type", clearing_type("", head.care).into()),
        ("refd_setl_flag", flag(head.is_reversal)),
        ("vali_flag", flag(!head.is_reversed)),
        ("insuplc_admdvs", region.into()),
    ]
}

/// The amounts of `setlinfo`.
pub(super) fn national(amounts: &Breakdown) -> Option<[(&'static str, Fen); 19]> {
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
    } = *amounts;
    let [basic, civil, enterprise, critical, large, soldier, aid, tilted, other] = paid;
    Some([
        ("medfee_sumamt", total),
        ("fulamt_ownpay_amt", out_of_catalogue),
        ("overlmt_selfpay", over_limit),
        ("preselfpay_amt", advance),
        ("inscp_scp_amt", in_scope),
        ("act_pay_dedc", deductible),
        ("hifp_pay", basic),
        ("cvlserv_pay", civil),
        ("hifes_pay", enterprise),
        ("hifmi_pay", critical),
        ("hifob_pay", large),
        ("hifdm_pay", soldier),
        ("maf_pay", aid),
        // The second aid has a fund line of its own and no field.
        ("oth_pay", tilted.checked_add(other)?),
        ("fund_pay_sumamt", amounts.fund_total()?),
        ("hosp_part_amt", hospital_borne),
        ("psn_part_amt", amounts.patient()?),
        ("acct_pay", account),
        ("psn_cash_pay", cash),
    ])
}

/// What share of what it looked at beyond the deductible the basic pool paid, to four decimals; "0" where that is nothing.
fn pool_ratio(amounts: &Breakdown) -> String {
    let [basic, ..] = amounts.paid;
    let looked_at = amounts.in_scope.checked_sub(amounts.deductible).map_or(0, Fen::get);
    let exact = || {
        let scaled = i128::from(basic.get()).checked_mul(i128::from(RATE_ONE))?;
        // Billionths of ten-thousandths, for the one place that rounds.
        scaled.checked_mul(10_000)?.checked_div(i128::from(looked_at))
    };
    let share = exact().and_then(|exact| round_scaled(exact, Rounding::HalfUp));
    share.map_or_else(|| "0".to_owned(), |share| Decimal::new(share.get(), 4).to_string())
}

/// What stands beside the bill, as compact JSON: fixed benefits, aid that may be applied for, and how it stands with the insurance core.
/// Empty where there is none.
fn beside(
    head: &Head<'_>,
    (outcome, package): (&Outcome, &Package),
    dictionary: &Dictionary,
) -> Result<String, AppError> {
    let named = |pays: &[LayerPay]| -> Result<Vec<Value>, AppError> {
        let line = |pay: &LayerPay| {
            let fund = fund_of(pay, package, dictionary)?;
            Ok(json!({ "fund_pay_type": fund.code, "name": fund.name, "amt": pay.pay.to_string() }))
        };
        pays.iter().map(line).collect()
    };
    let (fixed, may_apply) = (named(&outcome.fixed)?, named(&outcome.may_apply)?);
    let mut beside = Map::new();
    if !fixed.is_empty() || !may_apply.is_empty() {
        beside.insert("fixed_benefits".to_owned(), Value::Array(fixed));
        beside.insert("may_apply_for".to_owned(), Value::Array(may_apply));
    }
    if !outcome.provisional.is_empty() {
        let layers = outcome.provisional.iter().filter_map(|layer| package.layer(*layer));
        let names: Vec<&str> = layers.map(|layer| layer.name.as_str()).collect();
        beside.insert("provisional".to_owned(), Value::from(names));
    }
    if let Some(superseded) = head.supersedes {
        beside.insert("supersedes_setl_id".to_owned(), Value::from(superseded));
    }
    if let Some(corrected) = head.corrected {
        beside.insert("trued_up".to_owned(), Value::Object(true_up(corrected)));
    }
    let is_empty = beside.is_empty();
    Ok(if is_empty { String::new() } else { Value::Object(beside).to_string() })
}

/// What a hospital must know of a true-up: what took the settlement back and what took its place, and by how much they differ.
pub(super) fn true_up(corrected: &Corrected) -> Map<String, Value> {
    let texts = [
        ("setl_id", corrected.original.to_string()),
        ("reversal_setl_id", corrected.reversal.to_string()),
        ("new_setl_id", corrected.new.to_string()),
        ("because_of_setl_id", corrected.because_of.to_string()),
        ("setl_time", time(corrected.corrected_at)),
        ("psn_cash_pay", corrected.patient_collect.to_string()),
        ("fund_pay_sumamt", corrected.fund_more.to_string()),
    ];
    texts.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect()
}

/// A line of `setldetail`: what a layer paid, hospital and personal account included.
fn detail<'a>(
    pay: &LayerPay,
    (outcome, package): (&Outcome, &'a Package),
    dictionary: &'a Dictionary,
) -> Result<Detail<'a>, AppError> {
    let lost = || AppError::PackageLost(package.hash.to_string());
    let fund = fund_of(pay, package, dictionary)?;
    let steps = outcome.trace.iter().filter(|step| step.layer == Some(pay.layer));
    // The rules look at the tightest limit last; one that did not bind is not recorded.
    let binding = steps.clone().rfind(|step| step.action == Action::Ceiling);
    Ok(Detail {
        crt_payb_lmt_amt: binding.map_or_else(|| "0".to_owned(), |step| step.amount.to_string()),
        fund_pay_type: fund.code,
        fund_pay_type_name: fund.name,
        fund_payamt: Yuan(pay.pay),
        inscp_scp_amt: Yuan(pay.base),
        setl_proc_info: steps_of(steps, package).ok_or_else(lost)?,
    })
}

/// The fund of a layer.
fn fund_of<'a>(
    pay: &LayerPay,
    package: &'a Package,
    dictionary: &'a Dictionary,
) -> Result<FundCode<'a>, AppError> {
    let lost = || AppError::PackageLost(package.hash.to_string());
    let layer = package.layer(pay.layer).ok_or_else(lost)?;
    let payer = package.payer_of(layer).ok_or_else(lost)?;
    let column = match payer.bearer {
        Bearer::Fund(column) | Bearer::Other(column) => column.word(),
        Bearer::Hospital => "hospital",
        Bearer::Account => "account",
    };
    Ok(dictionary.fund(&Share {
        layer: &layer.name,
        payer: &payer.name,
        payer_zh: &payer.words.zh,
        fund_pay_type: &payer.fund_pay_type,
        column,
        scheme: package.scheme,
    }))
}

/// A step of a layer with its clause.
#[derive(Debug, Serialize)]
struct Told<'a> {
    act: &'static str,
    amt: Yuan,
    art: &'a str,
    base: Yuan,
    clause: &'a str,
    left: Yuan,
    rate: String,
}

/// The steps of a layer with their clauses, as compact JSON that has room in the field; how many are left out is said.
fn steps_of<'a>(steps: impl Iterator<Item = &'a Step>, package: &Package) -> Option<String> {
    const ROOM_FOR_THE_REST: usize = 20;
    let mut written = Vec::with_capacity(limits::NATIONAL_STEPS_LENGTH_MAX);
    written.push(b'[');
    let mut length = ROOM_FOR_THE_REST;
    let mut left_out = 0_usize;
    for step in steps {
        let Step { layer: _, action, clause, base, rate, amount, left } = step;
        let clause = package.clause(*clause)?;
        let told = Told {
            act: action.word(),
            amt: Yuan(*amount),
            art: clause.source.as_ref().map_or("", |source| source.article.as_str()),
            base: Yuan(*base),
            clause: &clause.name,
            left: Yuan(*left),
            rate: rate.map_or(String::new(), |rate| rate.to_string()),
        };
        let before = written.len();
        comma(&mut written);
        serde_json::to_writer(&mut written, &told).ok()?;
        let told = written.get(before..).and_then(|told| std::str::from_utf8(told).ok())?;
        let longer = length.saturating_add(told.chars().count());
        if left_out == 0 && longer <= limits::NATIONAL_STEPS_LENGTH_MAX {
            length = longer;
        } else {
            written.truncate(before);
            left_out = left_out.saturating_add(1);
        }
    }
    if 0 < left_out {
        comma(&mut written);
        written.extend_from_slice(format!("{{\"more\":{left_out}}}").as_bytes());
    }
    written.push(b']');
    String::from_utf8(written).ok()
}

/// Between two of a list.
fn comma(list: &mut Vec<u8>) {
    if list.len() > 1 {
        list.push(b',');
    }
}

/// `yyyy-MM-dd HH:mm:ss` in Asia/Shanghai.
pub(super) fn time(at: Timestamp) -> String {
    shanghai(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A day that may be missing.
pub(super) fn day(day: Option<Date>) -> String {
    day.map_or(String::new(), |day| day.to_string())
}

/// A ratio to four decimals.
pub(super) fn ratio(rate: Rate) -> String {
    Decimal::new(rate.billionths(), 9).round_dp(4).normalize().to_string()
}

/// An integer of so many decimals.
pub(super) fn scaled(number: i64, decimals: u32) -> String {
    Decimal::new(number, decimals).normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pools_share_is_that_of_what_it_looked_at() {
        let check = |[in_scope, deductible, basic]: [i64; 3], expected: &str| {
            let mut amounts = Breakdown {
                in_scope: Fen::new(in_scope),
                deductible: Fen::new(deductible),
                ..Breakdown::default()
            };
            amounts.paid[0] = Fen::new(basic);
            assert_eq!(pool_ratio(&amounts), expected);
        };
        check([3_450_000, 40_000, 2_387_000], "0.7000");
        // Of a reversal it is the same.
        check([-3_450_000, -40_000, -2_387_000], "0.7000");
        check([300, 0, 200], "0.6667");
        check([100, 100, 0], "0");
    }

    #[test]
    fn steps_that_have_no_room_are_counted() {
        let package = crate::app::example_package();
        let step = Step {
            layer: Some(0),
            action: Action::Band,
            clause: 0,
            base: Fen::new(12_345),
            rate: Some(Rate::ONE),
            amount: Fen::new(12_345),
            left: Fen::ZERO,
        };
        let few = steps_of([step; 2].iter(), &package).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Value>>(&few).unwrap().len(), 2);
        let many = steps_of(vec![step; 500].iter(), &package).unwrap();
        assert!(many.chars().count() <= limits::NATIONAL_STEPS_LENGTH_MAX);
        let many: Vec<Value> = serde_json::from_str(&many).unwrap();
        let told = many.last().unwrap()["more"].as_u64().unwrap();
        assert_eq!(told, u64::try_from(500 - (many.len() - 1)).unwrap());
    }

    #[test]
    fn numbers_are_shown_as_they_were_sent() {
        assert_eq!(scaled(10_000, 4), "1");
        assert_eq!(scaled(-12_500, 4), "-1.25");
        assert_eq!(ratio(Rate::from_billionths(333_333_333)), "0.3333");
    }
}
