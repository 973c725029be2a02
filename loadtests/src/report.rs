//! What came of a synthetic world: answers against published figures, sums, and the identities that every answer must keep.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use onestop::cli::slip::yuan;
use onestop::door::wire::settlement::v1::{
    Breakdown, PayerKind, SettleResponse, Settlement, settle_response,
};

use crate::synthesize::Expected;

/// One line of `onestop settle --json`.
#[derive(Debug)]
pub struct Answered {
    /// The request.
    pub request_id: String,
    /// Its answer; none where it was refused.
    pub answer: Option<SettleResponse>,
    /// The code of a refusal or a decline.
    pub code: Option<String>,
}

/// What is counted over all answers.
#[derive(Debug, Default)]
pub struct Summary {
    regions: BTreeMap<String, RegionSum>,
    verdicts: BTreeMap<String, u64>,
    payers: BTreeMap<(String, String), i64>,
    repeats: u64,
    /// Identities that were looked at.
    pub checked: u64,
    /// Those that did not hold, with their request.
    pub broken: Vec<String>,
}

#[derive(Debug, Default)]
struct RegionSum {
    settled: u64,
    total_fen: i64,
    funds_fen: i64,
    patient_fen: i64,
}

/// Reads answers, in the order in which they came.
pub fn read(file: &Path) -> Result<Vec<Answered>, anyhow::Error> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let mut answers = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let what = || format!("read {}, line {number}", file.display());
        answers.push(answered(line).with_context(what)?);
    }
    Ok(answers)
}

fn answered(line: &str) -> Result<Answered, anyhow::Error> {
    let line: serde_json::Value = serde_json::from_str(line)?;
    let Some(request_id) = line.get("requestId").and_then(|id| id.as_str()) else {
        bail!("requestId is missing");
    };
    let answer: Option<SettleResponse> =
        line.get("answer").map(|answer| serde_json::from_value(answer.clone())).transpose()?;
    let refused = line.pointer("/refused/code").and_then(|code| code.as_str());
    let code = match answer.as_ref().and_then(|answer| answer.outcome.as_ref()) {
        Some(settle_response::Outcome::Settlement(_)) => None,
        Some(settle_response::Outcome::Declined(declined)) => {
            Some(format!("declined {}", declined.reason))
        }
        Some(settle_response::Outcome::QuoteMoved(_)) => Some("quote moved".to_owned()),
        None => Some(format!("refused {}", refused.unwrap_or("without a code"))),
    };
    Ok(Answered { request_id: request_id.to_owned(), answer, code })
}

impl Answered {
    fn settlement(&self) -> Option<&Settlement> {
        match self.answer.as_ref()?.outcome.as_ref()? {
            settle_response::Outcome::Settlement(settlement) => Some(settlement),
            settle_response::Outcome::Declined(_) | settle_response::Outcome::QuoteMoved(_) => None,
        }
    }

    fn breakdown(&self) -> Option<&Breakdown> {
        self.settlement()?.breakdown.as_ref()
    }
}

/// Published figures beside ours, as a table; and whether all of them agree.
pub fn compare(expected: &[Expected], answers: &[Answered]) -> (String, bool) {
    let mut table = format!(
        "{:<10} {:>14} {:>14}  {:<4} published example\n",
        "request", "published", "ours", "ok"
    );
    let mut all_agree = !expected.is_empty();
    for Expected { request_id, name, patient_fen, tolerance_fen, .. } in expected {
        let answer = answers.iter().find(|answer| answer.request_id == *request_id);
        let ours = answer.and_then(Answered::breakdown).map(|breakdown| breakdown.patient_pay_fen);
        let agrees = ours.is_some_and(|ours| (ours - patient_fen).abs() <= *tolerance_fen);
        all_agree &= agrees;
        let code = answer.and_then(|answer| answer.code.clone());
        let ours = ours.map_or_else(|| code.unwrap_or("no answer".to_owned()), yuan);
        let ok = if agrees { "yes" } else { "NO" };
        let published = yuan(*patient_fen);
        // Writing to a String cannot fail.
        writeln!(table, "{request_id:<10} {published:>14} {ours:>14}  {ok:<4} {name}").ok();
    }
    (table, all_agree)
}

impl Summary {
    /// Counts one answer.
    pub fn add(&mut self, answer: &Answered) {
        let verdict = answer.code.clone().unwrap_or("settled".to_owned());
        *self.verdicts.entry(verdict).or_default() += 1;
        if answer.answer.as_ref().is_some_and(|answer| answer.repeat) {
            self.repeats += 1;
        }
        let Some(breakdown) = answer.breakdown() else { return };
        let region = breakdown.package.as_ref().map(|package| package.insured_region.clone());
        let sum = self.regions.entry(region.unwrap_or_default()).or_default();
        sum.settled += 1;
        sum.total_fen += breakdown.total_fen;
        sum.funds_fen += breakdown.fund_pay_total_fen;
        sum.patient_fen += breakdown.patient_pay_fen;
        for layer in &breakdown.layers {
            let names = (layer.name_zh.clone(), layer.name_en.clone());
            *self.payers.entry(names).or_default() += layer.pay_fen;
        }
        for (name, holds) in identities(breakdown) {
            self.checked += 1;
            if !holds {
                self.broken.push(format!("{}: {name}", answer.request_id));
            }
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::from("settled, by insured region (yuan)\n");
        let mut line = |of: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            writeln!(text, "{of}").ok();
        };
        line(format_args!(
            "  {:<8} {:>7} {:>18} {:>18} {:>18}",
            "region", "settled", "total", "funds", "patients"
        ));
        for (region, sum) in &self.regions {
            let RegionSum { settled, total_fen, funds_fen, patient_fen } = sum;
            let (total, funds, patient) = (yuan(*total_fen), yuan(*funds_fen), yuan(*patient_fen));
            line(format_args!("  {region:<8} {settled:>7} {total:>18} {funds:>18} {patient:>18}"));
        }
        line(format_args!("answers, by verdict"));
        for (verdict, count) in &self.verdicts {
            line(format_args!("  {count:>7}  {verdict}"));
        }
        if self.verdicts.contains_key("declined NOBODY_TELLS") {
            line(format_args!(
                "           NOBODY_TELLS: the package leaves a layer to the insurance core, and none is connected"
            ));
        }
        line(format_args!("  {:>7}  of these answered as repeats of recorded ones", self.repeats));
        line(format_args!("paid, by payer (yuan)"));
        for ((zh, en), pay) in &self.payers {
            line(format_args!("  {:>18}  {en} {zh}", yuan(*pay)));
        }
        line(format_args!(
            "identities (total = parts, total = payers, patient = account + cash, funds = layers): {} checked, {} broken",
            self.checked,
            self.broken.len()
        ));
        for broken in &self.broken {
            line(format_args!("  {broken}"));
        }
        text
    }
}

/// What must hold in every answer, by name.
pub fn identities(breakdown: &Breakdown) -> [(&'static str, bool); 4] {
    let parts = breakdown.out_of_catalogue_fen
        + breakdown.over_limit_fen
        + breakdown.advance_self_pay_fen
        + breakdown.in_scope_fen;
    let payers =
        breakdown.fund_pay_total_fen + breakdown.patient_pay_fen + breakdown.hospital_borne_fen;
    let layers: i64 = breakdown
        .layers
        .iter()
        .filter(|layer| matches!(layer.kind(), PayerKind::Fund | PayerKind::Other))
        .map(|layer| layer.pay_fen)
        .sum();
    [
        (
            "total = out of catalogue + over limit + advance + in scope",
            breakdown.total_fen == parts,
        ),
        ("total = funds + patient + hospital", breakdown.total_fen == payers),
        (
            "patient = account + cash",
            breakdown.patient_pay_fen == breakdown.account_pay_fen + breakdown.cash_pay_fen,
        ),
        (
            "funds = sum of the layers of kind fund and other",
            breakdown.fund_pay_total_fen == layers,
        ),
    ]
}

/// The files of answers in a folder, by name.
pub fn answer_files(folder: &Path) -> Result<Vec<PathBuf>, anyhow::Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use onestop::door::wire::settlement::v1::{LayerPay, PackageReference};

    use super::*;

    fn line(request_id: &str, patient_fen: i64, cash_pay_fen: i64) -> String {
        let breakdown = Breakdown {
            total_fen: 10_000,
            in_scope_fen: 10_000,
            fund_pay_total_fen: 7_000,
            patient_pay_fen: patient_fen,
            cash_pay_fen,
            layers: vec![LayerPay {
                name_zh: "基本".to_owned(),
                name_en: "basic".to_owned(),
                kind: PayerKind::Fund.into(),
                pay_fen: 7_000,
                ..LayerPay::default()
            }],
            package: Some(PackageReference {
                insured_region: "520200".to_owned(),
                ..PackageReference::default()
            }),
            ..Breakdown::default()
        };
        let settlement = Settlement { breakdown: Some(breakdown), ..Settlement::default() };
        let answer = SettleResponse {
            outcome: Some(settle_response::Outcome::Settlement(settlement)),
            repeat: true,
            notices: Vec::new(),
        };
        serde_json::json!({ "requestId": request_id, "answer": answer }).to_string()
    }

    #[test]
    fn figures_agree_within_what_was_printed() {
        let expected = |patient_fen, tolerance_fen| Expected {
            request_id: "EX-1".to_owned(),
            hospital_code: String::new(),
            name: "one".to_owned(),
            patient_fen,
            tolerance_fen,
        };
        let answers = [answered(&line("EX-1", 3_000, 3_000)).unwrap()];
        let check = |patient_fen, tolerance_fen, agrees| {
            let (table, all) = compare(&[expected(patient_fen, tolerance_fen)], &answers);
            assert_eq!(all, agrees, "{table}");
        };
        check(3_000, 0, true);
        check(3_001, 0, false);
        check(3_001, 1, true);
        // Nothing to compare is no agreement, nor is a refusal.
        assert!(!compare(&[], &answers).1);
        let refused = answered(r#"{"requestId":"EX-1","refused":{"code":"TOTAL"}}"#).unwrap();
        let (table, all) = compare(&[expected(3_000, 0)], &[refused]);
        assert!(!all && table.contains("refused TOTAL"), "{table}");
    }

    #[test]
    fn a_broken_identity_is_named() {
        let mut summary = Summary::default();
        summary.add(&answered(&line("R1", 3_000, 3_000)).unwrap());
        summary.add(&answered(&line("R2", 3_000, 2_999)).unwrap());
        assert_eq!(summary.checked, 8);
        assert_eq!(summary.broken, ["R2: patient = account + cash"]);
        let text = summary.text();
        assert!(text.contains("140.00  basic 基本"), "{text}");
        assert!(text.contains("2  of these answered as repeats"), "{text}");
    }
}
