//! Working days: weekends, holidays and the weekends that are worked instead.
//!
//! From the arrangements of the General Office of the State Council, as published for each year:
//! * 2024: 国办发明电〔2023〕7号, 2023-10-25
//! * 2025: 国办发明电〔2024〕12号, 2024-11-12
//! * 2026: 国办发明电〔2025〕7号, 2025-11-04
//!
//! Of another year only the weekends are known; what is counted over such a year is assumed, and says so.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday, date};

/// A year that was published.
struct Year {
    year: i16,
    /// Days off, first and last.
    off: &'static [(Date, Date)],
    /// Saturdays and Sundays that are worked.
    worked: &'static [Date],
}

/// A day so many working days later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub day: Date,
    /// Does it rest on a year of which the holidays are not known?
    pub assumed: bool,
}

const YEARS: [Year; 3] = [
    Year {
        year: 2024,
        off: &[
            (date(2024, 1, 1), date(2024, 1, 1)),
            (date(2024, 2, 10), date(2024, 2, 17)),
            (date(2024, 4, 4), date(2024, 4, 6)),
            (date(2024, 5, 1), date(2024, 5, 5)),
            (date(2024, 6, 10), date(2024, 6, 10)),
            (date(2024, 9, 15), date(2024, 9, 17)),
            (date(2024, 10, 1), date(2024, 10, 7)),
        ],
        worked: &[
            date(2024, 2, 4),
            date(2024, 2, 18),
            date(2024, 4, 7),
            date(2024, 4, 28),
            date(2024, 5, 11),
            date(2024, 9, 14),
            date(2024, 9, 29),
            date(2024, 10, 12),
        ],
    },
    Year {
        year: 2025,
        off: &[
            (date(2025, 1, 1), date(2025, 1, 1)),
            (date(2025, 1, 28), date(2025, 2, 4)),
            (date(2025, 4, 4), date(2025, 4, 6)),
            (date(2025, 5, 1), date(2025, 5, 5)),
            (date(2025, 5, 31), date(2025, 6, 2)),
            (date(2025, 10, 1), date(2025, 10, 8)),
        ],
        worked: &[
            date(2025, 1, 26),
            date(2025, 2, 8),
            date(2025, 4, 27),
            date(2025, 9, 28),
            date(2025, 10, 11),
        ],
    },
    Year {
        year: 2026,
        off: &[
            (date(2026, 1, 1), date(2026, 1, 3)),
            (date(2026, 2, 15), date(2026, 2, 23)),
            (date(2026, 4, 4), date(2026, 4, 6)),
            (date(2026, 5, 1), date(2026, 5, 5)),
            (date(2026, 6, 19), date(2026, 6, 21)),
            (date(2026, 9, 25), date(2026, 9, 27)),
            (date(2026, 10, 1), date(2026, 10, 7)),
        ],
        worked: &[
            date(2026, 1, 4),
            date(2026, 2, 14),
            date(2026, 2, 28),
            date(2026, 5, 9),
            date(2026, 9, 20),
            date(2026, 10, 10),
        ],
    },
];

fn known(year: i16) -> Option<&'static Year> {
    YEARS.iter().find(|known| known.year == year)
}

/// Is a day worked; and is that known, or assumed from the weekday alone?
pub fn is_workday(day: Date) -> (bool, bool) {
    let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    match known(day.year()) {
        Some(year) => {
            let off = year.off.iter().any(|(first, last)| *first <= day && day <= *last);
            ((!weekend && !off) || year.worked.contains(&day), true)
        }
        None => (!weekend, false),
    }
}

/// The day that is the `workdays`-th working day after another; nothing where the calendar ends before.
pub fn workdays_after(day: Date, workdays: u16) -> Option<Due> {
    let mut due = Due { day, assumed: false };
    let mut left = workdays;
    while 0 < left {
        due.day = due.day.checked_add(1.day()).ok()?;
        let (worked, known) = is_workday(due.day);
        due.assumed |= !known;
        if worked {
            left = left.saturating_sub(1);
        }
    }
    Some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was published says how many days each holiday has, and which weekends are worked.
    #[test]
    fn each_year_is_as_it_was_published() {
        let check = |year: i16, days_off: usize, worked: usize| {
            let known = known(year).unwrap();
            let days = known.off.iter().map(|(first, last)| {
                assert!(first <= last && first.year() == year && last.year() == year);
                usize::try_from(first.until(*last).unwrap().get_days()).unwrap() + 1
            });
            assert_eq!(days.sum::<usize>(), days_off, "{year}");
            assert_eq!(known.worked.len(), worked, "{year}");
            for day in known.worked {
                assert!(matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday), "{day}");
                assert!(!known.off.iter().any(|(first, last)| first <= day && day <= last));
            }
        };
        check(2024, 28, 8);
        check(2025, 28, 5);
        check(2026, 33, 6);
    }

    #[test]
    fn holidays_are_not_worked_and_some_weekends_are() {
        let check = |day: Date, expected| assert_eq!(is_workday(day), expected, "{day}");
        check(date(2026, 2, 13), (true, true));
        check(date(2026, 2, 14), (true, true));
        check(date(2026, 2, 15), (false, true));
        check(date(2026, 2, 23), (false, true));
        check(date(2026, 2, 24), (true, true));
        check(date(2025, 10, 8), (false, true));
        check(date(2025, 10, 9), (true, true));
        check(date(2024, 2, 9), (true, true));
        // Nobody published it yet.
        check(date(2027, 10, 1), (true, false));
        check(date(2027, 10, 2), (false, false));
    }

    #[test]
    fn thirty_working_days_go_over_holidays_and_say_where_they_are_assumed() {
        let due = |day, workdays| workdays_after(day, workdays).unwrap();
        // July and August 2024 have no holidays: six weeks.
        let six_weeks = Due { day: date(2024, 8, 9), assumed: false };
        assert_eq!(due(date(2024, 6, 30), 30), six_weeks);
        // From the end of January 2026: nine days off at Spring Festival, two Saturdays worked.
        assert_eq!(due(date(2026, 1, 31), 30), Due { day: date(2026, 3, 19), assumed: false });
        assert_eq!(due(date(2026, 9, 24), 1), Due { day: date(2026, 9, 28), assumed: false });
        assert!(due(date(2026, 12, 31), 1).assumed && due(date(2023, 12, 29), 1).assumed);
        assert_eq!(due(date(2026, 6, 30), 0), Due { day: date(2026, 6, 30), assumed: false });
        assert_eq!(workdays_after(Date::MAX, 1), None);
    }
}
