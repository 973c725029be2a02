//! Budgets: what a fund was given for a year, what was granted of it, and what a desk gets when it runs dry.

use jiff::civil::Date;
use jiff::{Span, ToSpan as _};

use super::account::Fund;
use crate::domain::ids::RegionCode;
use crate::domain::money::Fen;

/// A forecast looks at what was granted on so many days before today.
pub const FORECAST_DAYS: i64 = 28;

/// A fund of a region in a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Which fund.
    pub fund: Fund,
    /// Whose; all that lies in it draws on it.
    pub region: RegionCode,
    /// The year, by accounting days.
    pub year: i16,
    /// What it was given.
    pub appropriated: Fen,
    /// What settlements granted.
    pub granted: Fen,
    /// What was paid to hospitals.
    pub paid: Fen,
    /// What settlements granted on the [`FORECAST_DAYS`] days before today.
    pub granted_lately: Fen,
    /// What a desk gets when nothing is left.
    pub when_dry: WhenDry,
}

/// What a desk gets where a fund has not enough left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDry {
    /// It is settled, and the answer says so. The rule where nobody said anything: a patient's right does not end with a budget.
    #[default]
    SettleAndFlag,
    /// It is settled.
    Settle,
    /// It is declined.
    Decline,
}

/// When a fund runs dry, were each day like the average of the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// It lasts to the year's end.
    Lasts,
    /// On this day.
    On(Date),
    /// It has.
    Dry,
}

/// What is left of a budget, as a gateway holds it in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which fund.
    pub fund: Fund,
    /// Whose.
    pub region: RegionCode,
    /// The year.
    pub year: i16,
    /// How much, below zero where more was granted.
    pub left: Fen,
    /// What a desk gets when it is not enough.
    pub when_dry: WhenDry,
}

/// A fund that has not enough left for what it is to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunDry {
    /// Which.
    pub fund: Fund,
    /// Of which region's budget.
    pub region: RegionCode,
    /// What then.
    pub when_dry: WhenDry,
}

impl WhenDry {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SettleAndFlag, Self::Settle, Self::Decline];

    /// Its word in records and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SettleAndFlag => "settle_and_flag",
            Self::Settle => "settle",
            Self::Decline => "decline",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|when| when.word() == word)
    }
}

impl Budget {
    /// What is left, below zero where more was granted than given.
    pub fn left(&self) -> Fen {
        self.appropriated.checked_sub(self.granted).unwrap_or(Fen::new(i64::MIN))
    }

    /// When it runs dry, in a straight line from the last [`FORECAST_DAYS`] days. A fund that granted nothing lately lasts.
    pub fn forecast(&self, today: Date) -> Forecast {
        let left = i128::from(self.left().get());
        if left <= 0 {
            return Forecast::Dry;
        }
        let lately = i128::from(self.granted_lately.get());
        if lately <= 0 {
            return Forecast::Lasts;
        }
        let days =
            left.checked_mul(i128::from(FORECAST_DAYS)).and_then(|of| of.checked_div(lately));
        let days = days.and_then(|days| i64::try_from(days).ok());
        let days = days.and_then(|days| Span::new().try_days(days).ok());
        let day = days.and_then(|days| today.checked_add(days).ok());
        day.filter(|day| day.year() == self.year).map_or(Forecast::Lasts, Forecast::On)
    }

    /// The days that a forecast looks at: first and last, today not among them, since it is not over.
    pub fn lately(today: Date) -> (Date, Date) {
        let first = today.checked_sub(FORECAST_DAYS.days()).unwrap_or(Date::MIN);
        (first, today.checked_sub(1.day()).unwrap_or(Date::MIN))
    }
}

/// Which funds have not enough left for what they are to pay somebody insured in a region. A fund without a budget is not judged.
pub fn run_dry(
    held: &[Left],
    (region, year): (RegionCode, i16),
    pays: impl Iterator<Item = (Fund, Fen)>,
) -> Vec<RunDry> {
    let mut dry = Vec::new();
    for (fund, pay) in pays.filter(|(_, pay)| Fen::ZERO < *pay) {
        let of = held.iter().filter(|left| {
            left.fund == fund && left.year == year && region.lies_in(left.region) && left.left < pay
        });
        dry.extend(of.map(|left| RunDry { fund, region: left.region, when_dry: left.when_dry }));
    }
    dry
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn budget(appropriated: i64, granted: i64, lately: i64) -> Budget {
        Budget {
            fund: Fund::MedicalAid,
            region: RegionCode::new("520200").unwrap(),
            year: 2026,
            appropriated: Fen::new(appropriated),
            granted: Fen::new(granted),
            paid: Fen::ZERO,
            granted_lately: Fen::new(lately),
            when_dry: WhenDry::default(),
        }
    }

    #[test]
    fn a_fund_runs_dry_in_a_straight_line() {
        let today = date(2026, 6, 30);
        let check = |(given, granted, lately), expected| {
            let budget = budget(given, granted, lately);
            assert_eq!(budget.forecast(today), expected, "{given} {granted} {lately}");
        };
        check((1_000, 1_000, 280), Forecast::Dry);
        check((1_000, 1_001, 0), Forecast::Dry);
        check((0, 0, 0), Forecast::Dry);
        // Ten a day: 95 last nine days and a half.
        check((1_000, 905, 280), Forecast::On(date(2026, 7, 9)));
        check((1_000, 995, 280), Forecast::On(today));
        check((1_000, 500, 0), Forecast::Lasts);
        check((1_000, 500, -5), Forecast::Lasts);
        check((1_000_000, 500, 280), Forecast::Lasts);
        check((i64::MAX, 0, 1), Forecast::Lasts);
        assert_eq!(Budget::lately(today), (date(2026, 6, 2), date(2026, 6, 29)));
    }

    #[test]
    fn a_desk_is_told_of_every_budget_that_is_too_small_for_it() {
        let left = |region: &str, fund, fen, when_dry| Left {
            fund,
            region: RegionCode::new(region).unwrap(),
            year: 2026,
            left: Fen::new(fen),
            when_dry,
        };
        let held = [
            left("520200", Fund::MedicalAid, 100, WhenDry::SettleAndFlag),
            left("520000", Fund::MedicalAid, 50, WhenDry::Decline),
            left("530000", Fund::MedicalAid, 0, WhenDry::Decline),
            left("520200", Fund::TiltedAid, -1, WhenDry::Settle),
        ];
        let check = |pays: &[(Fund, i64)], year, expected: &[&str]| {
            let region = RegionCode::new("520201").unwrap();
            let pays = pays.iter().map(|(fund, fen)| (*fund, Fen::new(*fen)));
            let dry = run_dry(&held, (region, year), pays);
            let told: Vec<_> = dry
                .iter()
                .map(|dry| format!("{} {} {}", dry.fund.word(), dry.region, dry.when_dry.word()))
                .collect();
            assert_eq!(told, expected);
        };
        check(&[(Fund::MedicalAid, 50)], 2026, &[]);
        check(&[(Fund::MedicalAid, 51)], 2026, &["medical_aid 520000 decline"]);
        check(
            &[(Fund::MedicalAid, 101), (Fund::TiltedAid, 1)],
            2026,
            &[
                "medical_aid 520200 settle_and_flag",
                "medical_aid 520000 decline",
                "tilted_aid 520200 settle",
            ],
        );
        check(&[(Fund::MedicalAid, 101), (Fund::TiltedAid, 1)], 2027, &[]);
        // What takes nothing is never declined, and a reversal gives back.
        check(&[(Fund::TiltedAid, 0), (Fund::MedicalAid, -500)], 2026, &[]);
        check(&[(Fund::BasicResident, 500)], 2026, &[]);
    }
}
