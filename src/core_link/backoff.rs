//! How long to rest after something did not work.

use std::time::Duration;

use crate::limits;

/// The pause before the next attempt, after `attempts` that failed: twice as long each time, up to the longest, and shortened by up to
/// half by chance, so that many who failed together do not come again together. `random` is any number.
pub fn pause(attempts: u32, random: u64) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1).min(31)).unwrap_or(u32::MAX);
    let whole = limits::CORE_BACKOFF_FIRST.saturating_mul(doubled).min(limits::CORE_BACKOFF_MAX);
    let half_ms = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX) / 2;
    let less_ms = random.checked_rem(half_ms.saturating_add(1)).unwrap_or(0);
    whole.saturating_sub(Duration::from_millis(less_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_chance_takes_at_most_half() {
        let ms = |attempts, random| pause(attempts, random).as_millis();
        assert_eq!([ms(0, 0), ms(1, 0), ms(2, 0), ms(3, 0)], [500, 500, 1_000, 2_000]);
        assert_eq!([ms(20, 0), ms(u32::MAX, 0)], [60_000, 60_000]);
        assert_eq!([ms(1, 250), ms(1, 251)], [250, 500]);
        for random in 0..1_000 {
            assert!((30_000..=60_000).contains(&ms(9, random)), "{random}");
        }
    }
}
