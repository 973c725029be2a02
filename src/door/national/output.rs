//! What was decided or recorded, as the national interface names it. Every amount is in every answer, and none is ever null.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{care, person};
use crate::app::national::{Dictionary, FundCode, Share};
use crate::app::{AppError, shanghai};
use crate::domain::bill::Care;
use crate::domain::ids::PersonNumber;
use crate::domain::money::{Fen, RATE_ONE, Rate, Rounding, round_scaled};
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
    /// How old the patient was, and what the personal account held before. Of a reversal that is told with what it reverses.
    pub(super) patient: Option<(Option<i64>, Fen)>,
}

/// `setlinfo` and `setldetail`.
pub(super) fn settlement(
    head: &Head<'_>,
    (outcome, package): (&Outcome, &Package),
    dictionary: &Dictionary,
) -> Result<Map<String, Value>, AppError> {
    let details: Result<Vec<Value>, AppError> =
        outcome.layers.iter().map(|pay| detail(pay, (outcome, package), dictionary)).collect();
    let mut info = info(head, &outcome.breakdown, package)?;
    let beside = beside(outcome, package, dictionary)?;
    info.insert("exp_content".to_owned(), Value::from(beside));
    Ok(Map::from_iter([
        ("setlinfo".to_owned(), Value::Object(info)),
        ("setldetail".to_owned(), Value::Array(details?)),
    ]))
}

fn info(
    head: &Head<'_>,
    amounts: &Breakdown,
    package: &Package,
) -> Result<Map<String, Value>, AppError> {
    let mut info = Map::new();
    for (name, text) in said(head, package) {
        info.insert(name.to_owned(), Value::from(text));
    }
    if let Some((age, account_balance)) = head.patient {
        info.insert("age".to_owned(), Value::from(age.unwrap_or(0).to_string()));
        let left = account_balance.checked_sub(amounts.account).ok_or(AppError::Unbalanced)?;
        info.insert("balc".to_owned(), Value::from(left.to_string()));
    }
    for (name, fen) in national(amounts).ok_or(AppError::Unbalanced)? {
        info.insert(name.to_owned(), Value::from(fen.to_string()));
    }
    info.insert("pool_prop_selfpay".to_owned(), Value::from(pool_ratio(amounts)));
    Ok(info)
}

/// The texts of `setlinfo`. What we do not know is empty, a number that we do not know "0".
fn said(head: &Head<'_>, package: &Package) -> [(&'static str, String); 25] {
    let flag = |yes: bool| if yes { "1" } else { "0" }.to_owned();
    let nothing = String::new;
    let by_identity_number = head.shown == Some(person::IDENTITY_NUMBER);
    let shown = |code: &str| if by_identity_number { code.to_owned() } else { String::new() };
    [
        ("mdtrt_id", head.stay.to_owned()),
        ("setl_id", head.settlement.to_owned()),
        ("psn_no", head.person.to_string()),
        ("psn_name", nothing()),
        ("psn_cert_type", shown("01")),
        ("certno", nothing()),
        ("gend", nothing()),
        ("naty", nothing()),
        ("brdy", nothing()),
        ("age", "0".to_owned()),
        ("insutype", care::scheme_code(package.scheme).to_owned()),
        ("psn_type", nothing()),
        ("cvlserv_flag", "0".to_owned()),
        ("setl_time", time(head.at)),
        ("mdtrt_cert_type", shown("02")),
        ("med_type", head.care_code.to_owned()),
        ("balc", "0".to_owned()),
        ("acct_mulaid_pay", "0".to_owned()),
        ("medins_setl_id", head.request.to_owned()),
        ("clr_optins", package.region.to_string()),
        ("clr_way", nothing()),
        ("clr_type", care::clearing_type(head.care).to_owned()),
        ("refd_setl_flag", flag(head.is_reversal)),
        ("vali_flag", flag(!head.is_reversed)),
        ("insuplc_admdvs", package.region.to_string()),
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

/// What stands beside the bill, as compact JSON: fixed benefits, and aid that may be applied for. Empty where there is none.
fn beside(
    outcome: &Outcome,
    package: &Package,
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
    if fixed.is_empty() && may_apply.is_empty() {
        return Ok(String::new());
    }
    Ok(json!({ "fixed_benefits": fixed, "may_apply_for": may_apply }).to_string())
}

/// A line of `setldetail`: what a layer paid, hospital and personal account included.
fn detail(
    pay: &LayerPay,
    (outcome, package): (&Outcome, &Package),
    dictionary: &Dictionary,
) -> Result<Value, AppError> {
    let lost = || AppError::PackageLost(package.hash.to_string());
    let fund = fund_of(pay, package, dictionary)?;
    let steps = outcome.trace.iter().filter(|step| step.layer == Some(pay.layer));
    // The rules look at the tightest limit last; one that did not bind is not recorded.
    let binding = steps.clone().rfind(|step| step.action == Action::Ceiling);
    let limit_left = binding.map_or_else(|| "0".to_owned(), |step| step.amount.to_string());
    Ok(json!({
        "fund_pay_type": fund.code,
        "fund_pay_type_name": fund.name,
        "inscp_scp_amt": pay.base.to_string(),
        "crt_payb_lmt_amt": limit_left,
        "fund_payamt": pay.pay.to_string(),
        "setl_proc_info": steps_of(steps, package).ok_or_else(lost)?,
    }))
}

/// The fund of a layer.
fn fund_of(
    pay: &LayerPay,
    package: &Package,
    dictionary: &Dictionary,
) -> Result<FundCode, AppError> {
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

/// The steps of a layer with their clauses, as compact JSON that has room in the field; how many are left out is said.
fn steps_of<'a>(steps: impl Iterator<Item = &'a Step>, package: &Package) -> Option<String> {
    const ROOM_FOR_THE_REST: usize = 20;
    let mut written: Vec<String> = Vec::new();
    let mut length = ROOM_FOR_THE_REST;
    let mut left_out = 0_usize;
    for step in steps {
        let Step { layer: _, action, clause, base, rate, amount, left } = step;
        let clause = package.clause(*clause)?;
        let article = clause.source.as_ref().map_or("", |source| source.article.as_str());
        let text = json!({
            "act": action.word(),
            "clause": clause.name,
            "base": base.to_string(),
            "rate": rate.map_or(String::new(), |rate| rate.to_string()),
            "amt": amount.to_string(),
            "left": left.to_string(),
            "art": article,
        })
        .to_string();
        let longer = length.saturating_add(text.chars().count()).saturating_add(1);
        if left_out == 0 && longer <= limits::NATIONAL_STEPS_LENGTH_MAX {
            length = longer;
            written.push(text);
        } else {
            left_out = left_out.saturating_add(1);
        }
    }
    if 0 < left_out {
        written.push(format!("{{\"more\":{left_out}}}"));
    }
    Some(format!("[{}]", written.join(",")))
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
