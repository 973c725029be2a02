//! What is unusual: nobody says that it is wrong, and somebody should look. Each says why, and by which threshold.

use std::collections::BTreeMap;

use super::flow::{By, Flow, Key, Measure, Mismatch};
use crate::domain::finance::Fund;
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::money::Fen;

/// A hospital's share of a fund stands out when it grew by so many parts of ten thousand, and to twice what it was. Nobody published it.
pub const SHARE_GROWTH_E4: i64 = 1_000;
/// A stay begun within so many days after another one is a repeated one. Nobody published it for all.
pub const READMITTED_DAYS: i32 = 10;
/// So many parts of ten thousand of a poor patient's bill may be out of the catalogue. Regions set their own; for all nobody published it.
pub const OUT_OF_CATALOGUE_E4: i64 = 1_000;
/// A pay within one part in so many below a ceiling is just under it. Nobody published it. The store has the same figure.
pub const NEAR_CEILING_ONE_IN: i64 = 50;
const WHOLE_E4: i128 = 10_000;

/// Which entries a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Reversals, and what came of true-ups.
    Reversals,
    /// Those that rest on assumed figures.
    Assumed,
    /// Poor patients' bills with much that is out of the catalogue.
    OutOfCatalogue,
    /// Stays begun soon after another.
    Readmitted,
    /// A pay just under a ceiling.
    NearCeiling,
}

/// A threshold, as it is stated on the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// What it is for.
    pub word: &'static str,
    /// What it says, in Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Did nobody publish it?
    pub assumed: bool,
}

/// A hospital whose share of a fund stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of which fund.
    pub fund: Fund,
    /// Which.
    pub hospital: HospitalCode,
    /// The insured region.
    pub region: RegionCode,
    /// Granted now.
    pub granted: Fen,
    /// In parts of ten thousand, now.
    pub share_e4: i64,
    /// In the month before.
    pub share_before_e4: i64,
}

/// All thresholds.
pub const THRESHOLDS: [Threshold; 8] = [
    Threshold {
        word: "late",
        zh: "应付日：医院与地区约定的工作日；未约定的按三十个工作日推定，放假安排未公布的年份只计周末",
        en: "Due: the working days that a region agreed; thirty where it did not, and weekends alone in years without published holidays",
        assumed: true,
    },
    Threshold {
        word: "deposit_overdue",
        zh: "质保金：次年六月三十日前返还（推定）",
        en: "Deposits: released by 30 June of the next year (assumed)",
        assumed: true,
    },
    Threshold {
        word: "share",
        zh: "医院占比：较上月升高十个百分点以上且达到两倍（推定）",
        en: "A hospital's share: up by at least ten points and to twice the month before (assumed)",
        assumed: true,
    },
    Threshold {
        word: "readmitted",
        zh: "重复住院：出院后十日内再次入院（推定）",
        en: "Repeated stays: admitted within ten days after a discharge (assumed)",
        assumed: true,
    },
    Threshold {
        word: "near_ceiling",
        zh: "贴近封顶：支付额在封顶线以下百分之二以内；封顶线取自政策包，该口径为推定",
        en: "Just under a ceiling: within two in a hundred below it; the ceiling is the package's, how near is assumed",
        assumed: true,
    },
    Threshold {
        word: "out_of_catalogue",
        zh: "救助对象目录外费用占比超过百分之十（推定，各地另有规定的从其规定）",
        en: "A poor patient's bill with more than ten in a hundred out of the catalogue (assumed; regions set their own)",
        assumed: true,
    },
    Threshold {
        word: "pooling",
        zh: "统筹层次：各基金按地市统筹，直辖市按全市（推定）；实行省级统筹的，同省跨地市的应付、垫付和可用余额与此不同",
        en: "Pools: each fund by prefecture, and by the whole of a municipality (assumed); where a province pools, what its prefectures owe each other and have at hand differs",
        assumed: true,
    },
    Threshold {
        word: "assumed",
        zh: "推定参数：政策包中来源等级为 assumed 的数字",
        en: "Assumed figures: those of rule packages of which the source is graded assumed",
        assumed: false,
    },
];

impl Which {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::All,
        Self::Reversals,
        Self::Assumed,
        Self::OutOfCatalogue,
        Self::Readmitted,
        Self::NearCeiling,
    ];

    /// Its word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Reversals => "reversals",
            Self::Assumed => "assumed",
            Self::OutOfCatalogue => "out_of_catalogue",
            Self::Readmitted => "readmitted",
            Self::NearCeiling => "near_ceiling",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|which| which.word() == word)
    }
}

/// Hospitals whose share of a fund of a region stands out.
pub fn shares(flow: &Flow) -> Result<Vec<Share>, Mismatch> {
    let whole = flow.lines(By::Region)?;
    let mut shares = Vec::new();
    for (key, amounts) in flow.lines(By::Hospital)? {
        let (Some(region), Some(hospital)) = (key.region, key.hospital.clone()) else { continue };
        let of_region = Key { hospital: None, ..key.clone() };
        let Some(all) = whole.get(&of_region) else { continue };
        let share = |measure| part_e4(amounts.of(measure), all.of(measure));
        let now = share(Measure::Granted);
        // Where nothing was granted before, nothing can be said of shares.
        let (Some(now), Some(before)) = (now, share(Measure::GrantedLastMonth)) else { continue };
        let grown =
            before.saturating_add(SHARE_GROWTH_E4) <= now && before.saturating_mul(2) <= now;
        if grown {
            let granted = amounts.of(Measure::Granted);
            let (share_e4, share_before_e4) = (now, before);
            shares.push(Share {
                fund: key.fund,
                hospital,
                region,
                granted,
                share_e4,
                share_before_e4,
            });
        }
    }
    Ok(shares)
}

/// A part of a whole in parts of ten thousand; nothing where the whole is not above nothing.
pub fn part_e4(part: Fen, whole: Fen) -> Option<i64> {
    if whole <= Fen::ZERO {
        return None;
    }
    let scaled = i128::from(part.get()).checked_mul(WHOLE_E4)?;
    i64::try_from(scaled.checked_div(i128::from(whole.get()))?).ok()
}

/// Ceilings on pay that stand as they are said, by payer: what a list of what is just under them is made by.
pub fn ceilings(package: &crate::domain::rules::Package) -> Vec<(String, Fen)> {
    use crate::domain::rules::{AmountValue, Bound};
    let mut found: BTreeMap<(String, Fen), ()> = BTreeMap::new();
    for layer in &package.layers {
        let Some(payer) = package.payer_of(layer) else { continue };
        for ceiling in &layer.ceilings {
            let amount = match &ceiling.bound {
                Bound::Pay(amount, _) => amount,
                Bound::Cost(..) | Bound::UpTo(_) => continue,
            };
            for row in amount {
                match row.value {
                    AmountValue::Plain(fen) if Fen::ZERO < fen => {
                        found.insert((payer.name.clone(), fen), ());
                    }
                    AmountValue::Plain(_) | AmountValue::Of { .. } => {}
                }
            }
        }
    }
    found.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::super::flow::{Granted, Period};
    use super::*;
    use crate::domain::standing::Scheme;

    fn granted(period: Period, hospital: &str, fen: i64) -> Granted {
        Granted {
            period,
            region: RegionCode::new("520201").unwrap(),
            hospital: HospitalCode::new(hospital).unwrap(),
            scheme: Scheme::Resident,
            class: String::new(),
            care: None,
            entries: 1,
            reversals: 0,
            assumed: 0,
            assumed_granted: Fen::ZERO,
            charged: Fen::ZERO,
            total: Fen::new(fen),
            funds: vec![(Fund::MedicalAid, Fen::new(fen), Fen::ZERO)],
        }
    }

    #[test]
    fn a_share_that_grows_to_twice_and_by_ten_points_stands_out() {
        let check = |before: [i64; 2], now: [i64; 2], want: Option<(i64, i64)>| {
            let all = [
                granted(Period::LastMonth, "H1", before[0]),
                granted(Period::LastMonth, "H2", before[1]),
                granted(Period::Month, "H1", now[0]),
                granted(Period::Month, "H2", now[1]),
            ];
            let flow = Flow::of(&all, &[]).unwrap();
            let found = shares(&flow).unwrap();
            let of: Vec<_> = found.iter().filter(|of| of.hospital.as_str() == "H1").collect();
            assert_eq!(of.first().map(|of| (of.share_before_e4, of.share_e4)), want);
        };
        check([10, 90], [20, 80], Some((1_000, 2_000)));
        check([10, 90], [19, 81], None);
        check([60, 40], [70, 30], None);
        check([0, 100], [10, 90], Some((0, 1_000)));
        check([0, 0], [100, 0], None);
        check([10, 90], [0, 0], None);
    }

    #[test]
    fn words_are_read_back() {
        for which in Which::ALL {
            assert_eq!(Which::from_word(which.word()), Some(which));
        }
        assert_eq!(Which::from_word(""), None);
    }
}
