//! Fixed-width paper: text is measured in columns, of which an East Asian character fills two.
use unicode_width::UnicodeWidthStr as _;

/// Columns of a slip: what a desk's printer and a terminal both take.
pub(super) const WIDTH: usize = 78;

/// Lines of a slip, as they come.
#[derive(Debug, Default)]
pub(super) struct Paper {
    text: String,
}

impl Paper {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    pub(super) fn rule(&mut self, of: char) {
        self.line(&of.to_string().repeat(WIDTH));
    }

    pub(super) fn centred(&mut self, text: &str) {
        let space = WIDTH.saturating_sub(text.width()) / 2;
        self.line(&format!("{}{text}", " ".repeat(space)));
    }

    /// A heading of a part.
    pub(super) fn part(&mut self, title: &str) {
        let rest = WIDTH.saturating_sub(title.width()).saturating_sub(4);
        self.line(&format!("-- {title} {}", "-".repeat(rest)));
    }

    /// A label, and an amount at the right edge.
    pub(super) fn amount(&mut self, indent: usize, label: &str, amount_fen: i64) {
        let left = format!("{}{label}", " ".repeat(indent));
        let amount = yuan(amount_fen);
        let label_width = WIDTH.saturating_sub(amount.width());
        self.line(&format!("{}{amount}", fill(&left, label_width)));
    }

    /// A label, and text that goes on below itself.
    pub(super) fn field(&mut self, label: &str, label_width: usize, text: &str) {
        let mut label = label;
        for piece in wrap(text, WIDTH.saturating_sub(label_width)) {
            self.line(&format!("{}{piece}", fill(label, label_width)));
            label = "";
        }
    }

    /// The one number that matters, in a box.
    pub(super) fn boxed(&mut self, label: &str, amount_fen: i64) {
        let inner = WIDTH.saturating_sub(2);
        let spread: String = yuan(amount_fen).chars().map(|digit| format!("{digit} ")).collect();
        let text = format!("{label}    ¥  {}", spread.trim_end());
        let left = inner.saturating_sub(text.width()) / 2;
        let edge = format!("+{}+", "=".repeat(inner));
        let empty = format!("|{}|", " ".repeat(inner));
        self.line(&edge);
        self.line(&empty);
        self.line(&format!("|{}|", fill(&format!("{}{text}", " ".repeat(left)), inner)));
        self.line(&empty);
        self.line(&edge);
    }
}

/// Fen as yuan, with thousands apart: "-1,234.50".
pub fn yuan(amount_fen: i64) -> String {
    let whole = (amount_fen.unsigned_abs() / 100).to_string();
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(place);
        if place != 0 && left % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    let sign = if amount_fen < 0 { "-" } else { "" };
    format!("{sign}{text}.{:02}", amount_fen.unsigned_abs() % 100)
}

/// Text, and blanks up to a width. Text that is wider stays whole.
pub(in crate::cli) fn fill(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Blanks, and text that ends at a width.
pub(super) fn fill_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// Breaks text into pieces of at most a width: at a blank where there is one, else between characters as Chinese does.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in words(text) {
        if width < piece.width().saturating_add(word.trim_end().width()) && !piece.is_empty() {
            pieces.push(piece.trim_end().to_owned());
            piece = String::new();
        }
        piece.push_str(word);
    }
    pieces.push(piece.trim_end().to_owned());
    pieces
}

/// Pieces that stay together: a wide character alone, a run of narrow ones with the blank after it, and a mark in 【】, which
/// a reader must not miss half of.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut previous: Option<char> = None;
    let mut in_mark = false;
    for (at, now) in text.char_indices() {
        let wide = |character: char| character.len_utf8() == 3;
        let parts = previous.is_some_and(|before| before == ' ' || wide(before) || wide(now));
        if parts
            && !in_mark
            && let Some(word) = text.get(start..at)
        {
            words.push(word);
            start = at;
        }
        in_mark = now == '【' || (in_mark && now != '】');
        previous = Some(now);
    }
    words.extend(text.get(start..));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped() {
        let check = |fen, text: &str| assert_eq!(yuan(fen), text);
        check(0, "0.00");
        check(5, "0.05");
        check(-5, "-0.05");
        check(99_999, "999.99");
        check(100_000, "1,000.00");
        check(-123_456_789_012, "-1,234,567,890.12");
        check(i64::MIN, "-92,233,720,368,547,758.08");
    }

    #[test]
    fn chinese_fills_two_columns() {
        assert_eq!(fill("医保", 6), "医保  ");
        assert_eq!(fill_left("医保a", 6), " 医保a");
        assert_eq!(wrap("基本医疗保险 fund of all", 8), ["基本医疗", "保险", "fund of", "all"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("救助【假定】医疗", 10), ["救助", "【假定】医", "疗"]);
        assert_eq!(wrap("倾斜救助a【假定】", 12), ["倾斜救助a", "【假定】"]);
    }
}
