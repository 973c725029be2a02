//! Credentials of nobody: well formed, with the right check digit, and in an area that no real number has.
use jiff::civil::Date;

/// No province of China begins with 99.
pub const SYNTHETIC_AREA: &str = "99";

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// The identity number of the `index`-th synthetic person born on a day; unlike for any two indexes below ten million.
pub fn identity_number(index: u32, birth: Date) -> String {
    let (area, order) = (index / 1_000 % 10_000, index % 1_000);
    let digits = format!(
        "{SYNTHETIC_AREA}{area:04}{:04}{:02}{:02}{order:03}",
        birth.year(),
        birth.month(),
        birth.day()
    );
    let check = check_digit(&digits);
    format!("{digits}{check}")
}

/// GB 11643: the weighted sum of the first 17 digits, modulo 11.
fn check_digit(digits: &str) -> char {
    let sum: u32 = digits
        .chars()
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit.to_digit(10).unwrap_or(0).saturating_mul(weight))
        .sum();
    let place = usize::try_from(sum % 11).unwrap_or(0);
    CHECKS.get(place).copied().unwrap_or('0')
}

/// A name of nobody: "测试甲0001".
pub fn name(index: u32) -> String {
    const STEMS: [char; 10] = ['甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸'];
    let stem = usize::try_from(index % 10).ok().and_then(|at| STEMS.get(at)).unwrap_or(&'甲');
    format!("测试{stem}{index:04}")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use onestop::domain::ids::identity_number_is_valid;

    use super::*;

    #[test]
    fn a_known_check_digit() {
        assert_eq!(check_digit("11010519491231002"), 'X');
    }

    #[test]
    fn numbers_are_valid_unlike_and_of_nobody() {
        let mut numbers: Vec<_> = (0..25_000)
            .map(|index| {
                let month = i8::try_from(index % 12).unwrap() + 1;
                identity_number(index, date(1990, month, 28))
            })
            .collect();
        assert!(numbers.iter().all(|number| identity_number_is_valid(number)));
        assert!(numbers.iter().all(|number| number.starts_with(SYNTHETIC_AREA)));
        // Every check digit is met.
        for check in CHECKS {
            assert!(numbers.iter().any(|number| number.ends_with(check)), "{check}");
        }
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 25_000);
    }
}
