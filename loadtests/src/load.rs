//! Load: what is asked for, who is asked about, how it is sent, what came of it, and where it was measured.
//!
//! Everything is drawn from a serial number, so that the same run asks the same. Nobody in it exists.
pub mod answers;
pub mod arrivals;
pub mod audit;
pub mod bench;
pub mod bills;
pub mod codec;
pub mod copies;
pub mod core_link;
pub mod drive;
pub mod echo;
pub mod evidence;
pub mod faults;
pub mod history;
pub mod judge;
pub mod latency;
pub mod machine;
pub mod national;
pub mod pgbench;
pub mod populate;
pub mod population;
pub mod processor;
pub mod progress;
pub mod reconcile;
pub mod results;
pub mod scenario;
pub mod sealing;
pub mod shims;
pub mod sink;
pub mod site;

/// A name for a run that no other has: the second in which it began, in seven characters.
pub fn run_name() -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut second = jiff::Timestamp::now().as_second().unsigned_abs();
    let mut name = Vec::new();
    for _ in 0..7 {
        let digit = usize::try_from(second % 36).ok().and_then(|at| DIGITS.get(at));
        name.push(digit.copied().unwrap_or(b'0'));
        second /= 36;
    }
    name.reverse();
    String::from_utf8_lossy(&name).into_owned()
}
