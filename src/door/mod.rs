//! Edge in: who is calling, what they ask, and errors turned into answers. Sees the wire; nothing below it does.
pub mod budgets;
pub mod callers;
mod cause;
pub mod codes;
mod field;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod grpc;
pub mod national;
pub mod outage;
pub mod seals;
pub mod tokens;
pub mod trust;
pub mod wire;
mod words;

/// The words of a stable code in Chinese and English, for whoever says it elsewhere.
pub(crate) fn words_of(code: &str) -> (&'static str, &'static str) {
    let words = words::of(code);
    (words.zh, words.en)
}
