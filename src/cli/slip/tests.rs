use unicode_width::UnicodeWidthStr as _;

use super::paper::WIDTH;
use super::*;

fn layer(
    layer: &str,
    (zh, en): (&str, &str),
    [pay_fen, base_fen, deductible_fen]: [i64; 3],
) -> LayerPay {
    LayerPay {
        layer: layer.to_owned(),
        payer: layer.to_owned(),
        name_zh: zh.to_owned(),
        name_en: en.to_owned(),
        kind: PayerKind::Fund.into(),
        fund_pay_type: String::new(),
        base_fen,
        deductible_fen,
        pay_fen,
        assumed: layer == "tilted_aid",
        provisional: false,
    }
}

fn step(
    layer: &str,
    (clause, action): (&str, &str),
    (base_fen, rate, amount_fen): (i64, &str, i64),
) -> Step {
    Step {
        layer: layer.to_owned(),
        action: action.to_owned(),
        clause: clause.to_owned(),
        base_fen,
        rate: rate.to_owned(),
        amount_fen,
        left_fen: 0,
        source: Some(Source {
            document: "关于健全重特大疾病医疗保险和救助制度的实施意见".to_owned(),
            number: "渝府办发〔2022〕1号".to_owned(),
            article: "第三条".to_owned(),
            grade: SourceGrade::Reprint.into(),
        }),
    }
}

fn settlement() -> Settlement {
    Settlement {
        settlement_id: "S01000000000000000000000000001".to_owned(),
        request_id: "R-A01".to_owned(),
        hospital_code: "H990001".to_owned(),
        stay_id: "ST-A01".to_owned(),
        stay_part: 2,
        settled_at: "2024-06-30T10:00:00.000123+08:00".to_owned(),
        accounting_day: "2024-06-30".to_owned(),
        admission_date: "2024-06-20".to_owned(),
        discharge_date: "2024-06-30".to_owned(),
        state: SettlementState::Settled.into(),
        breakdown: Some(Breakdown {
            total_fen: 5_200_000,
            out_of_catalogue_fen: 200_000,
            in_scope_fen: 5_000_000,
            deductible_paid_fen: 30_000,
            basic_pool_pay_fen: 3_479_000,
            medical_aid_pay_fen: 1_064_700,
            tilted_aid_pay_fen: 93_780,
            fund_pay_total_fen: 4_637_480,
            patient_pay_fen: 562_520,
            account_pay_fen: 100_000,
            cash_pay_fen: 462_520,
            layers: vec![
                layer("basic", ("基本医保统筹", "basic pool"), [3_479_000, 5_000_000, 30_000]),
                layer("medical_aid", ("医疗救助", "medical aid"), [1_064_700, 1_521_000, 0]),
                layer("tilted_aid", ("倾斜救助", "tilted aid"), [93_780, 456_300, 300_000]),
            ],
            fixed_benefits: vec![layer(
                "mutual",
                ("职工医疗互助", "union mutual aid"),
                [50_000, 0, 0],
            )],
            may_apply_for: vec![layer(
                "temporary",
                ("临时救助", "temporary relief"),
                [12_300, 0, 0],
            )],
            trace: vec![
                step("basic", ("basic.deductible[2]", "deductible"), (5_000_000, "", 30_000)),
                step("basic", ("basic.tilt[1]", "tilt"), (0, "", 0)),
                step("basic", ("basic.curve[1].ratio", "band"), (4_970_000, "0.70", 3_479_000)),
                step("basic", ("basic", "pay"), (5_000_000, "", 3_479_000)),
                step(
                    "medical_aid",
                    ("medical_aid.curve[1].ratio", "band"),
                    (1_521_000, "0.70", 1_064_700),
                ),
            ],
            package: Some(PackageReference {
                package_id: "example-a01".to_owned(),
                package_hash: "0123456789abcdef0123".to_owned(),
                title_zh: "示例 A01 重庆渝北 2023".to_owned(),
                title_en: "Example A01 Yubei, Chongqing, 2023".to_owned(),
                ..PackageReference::default()
            }),
            identities_used: vec!["low_income_edge".to_owned()],
            ..Breakdown::default()
        }),
        ..Settlement::default()
    }
}

#[test]
fn a_slip_in_both_languages() {
    let settlement = settlement();
    let bill = Bill {
        admission_date: "2024-06-20".to_owned(),
        discharge_date: "2024-06-30".to_owned(),
        ..Bill::default()
    };
    let slip = print(Subject::Settlement(&settlement, true, &[]), Some(&bill), Lang::Both);
    for line in slip.lines() {
        assert!(line.width() <= WIDTH, "{} columns: {line}", line.width());
    }
    // Amounts stand in one column in both languages, marks and wide characters notwithstanding.
    let columns: Vec<_> = slip
        .lines()
        .filter(|line| line.ends_with("34,790.00") && line.contains("300.00"))
        .map(|line| line.width())
        .collect();
    assert_eq!(columns, [WIDTH, WIDTH]);
    insta::assert_snapshot!(slip);
}

#[test]
fn an_assumed_figure_shows_as_assumed() {
    let settlement = settlement();
    let of = |lang| print(Subject::Settlement(&settlement, false, &[]), None, lang);
    assert_eq!(of(Lang::Zh).matches("【假定】").count(), 1);
    assert_eq!(of(Lang::En).matches("[assumed]").count(), 1);
}

#[test]
fn a_provisional_settlement_says_so_in_both_languages_and_within_the_paper() {
    let mut settlement = settlement();
    settlement.set_state(SettlementState::Provisional);
    let breakdown = settlement.breakdown.as_mut().unwrap();
    breakdown.provisional = true;
    breakdown.layers[0].provisional = true;
    let slip = print(Subject::Settlement(&settlement, false, &[]), None, Lang::Both);
    for said in ["（暂定）", "【暂定】", "(provisional)", "[provisional]", "hospital will tell you"]
    {
        assert!(slip.contains(said), "{said}");
    }
    for line in slip.lines() {
        assert!(line.width() <= WIDTH, "{} columns: {line}", line.width());
    }
}

#[test]
fn what_is_said_beside_an_answer_stands_on_its_slip() {
    let notice = Notice {
        code: "FUND_SHORT".to_owned(),
        subject: "medical_aid".to_owned(),
        message_zh: "医疗救助（520200）：本年度预算余额不足，本次已照常办理，请医保经办机构留意。"
            .to_owned(),
        message_en: "medical_aid of 520200: not enough is left of this year's budget".to_owned(),
    };
    let settlement = settlement();
    let quoted = Quoted {
        breakdown: settlement.breakdown.clone(),
        notices: vec![notice.clone()],
        ..Quoted::default()
    };
    let notices = [notice];
    for subject in [Subject::Quoted(&quoted), Subject::Settlement(&settlement, false, &notices)] {
        let slip = print(subject, None, Lang::Both);
        assert!(slip.contains("医疗救助（520200）：本年度预算余额不足"), "{slip}");
        assert!(slip.contains("medical_aid of 520200: not enough"), "{slip}");
        for line in slip.lines() {
            assert!(line.width() <= WIDTH, "{} columns: {line}", line.width());
        }
    }
}

#[test]
fn both_groupings_add_up_also_when_reversed() {
    let check = |sign: i64| {
        let mut breakdown = settlement().breakdown.unwrap();
        for fen in [
            &mut breakdown.total_fen,
            &mut breakdown.out_of_catalogue_fen,
            &mut breakdown.basic_pool_pay_fen,
            &mut breakdown.medical_aid_pay_fen,
            &mut breakdown.tilted_aid_pay_fen,
            &mut breakdown.patient_pay_fen,
        ] {
            *fen *= sign;
        }
        let list = SettlementList::of(&breakdown);
        let total = list.pool_fen + list.supplementary_fen + list.aid_fen + list.burden_fen;
        assert_eq!(total, breakdown.total_fen);
        assert_eq!(list.burden_fen, list.other_fen + breakdown.patient_pay_fen);
        assert_eq!(list.burden_fen, list.self_pay_fen + list.own_expense_fen);
        assert_eq!(list.own_expense_fen, sign * 200_000);
    };
    check(1);
    check(-1);
}
