//! Short text kept in its place: an id needs no allocation, and comparing two touches nothing else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU8;

/// Visible ASCII of one to `N` characters.
///
/// No character of it is zero, so that the bytes with zeros behind them order and compare as the text does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    length: NonZeroU8,
}

impl<const N: usize> Text<N> {
    /// Takes visible ASCII, not empty and not too long.
    #[inline]
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let length = NonZeroU8::new(u8::try_from(text.len()).ok()?)?;
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        // Without a way out half way, so that a machine looks at many at once.
        let visible = text.iter().fold(true, |fits, byte| fits & byte.is_ascii_graphic());
        visible.then_some(Self { bytes, length })
    }

    /// Of so many characters as there may be, all of them visible ASCII.
    pub(super) fn filled(bytes: [u8; N]) -> Self {
        debug_assert!(bytes.iter().all(u8::is_ascii_graphic));
        let length = u8::try_from(N).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MAX);
        Self { bytes, length }
    }

    /// The characters.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length.get())).unwrap_or_default()
    }

    /// The text.
    #[inline]
    pub(super) fn as_str(&self) -> &str {
        // ASCII is always text.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const N: usize> Hash for Text<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_fits_is_taken() {
        for bad in ["", "six ch", "tab\t", "é", "seven77", "\0"] {
            assert!(Text::<6>::new(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", Text::<6>::new(b"a\"b").unwrap()), r#""a\"b""#);
        // Nothing takes no room of its own.
        assert_eq!(size_of::<Option<Text<30>>>(), 31);
    }

    proptest! {
        /// As its text: order, equality, hash, and the characters that are taken.
        #[test]
        fn it_is_what_its_text_is(one in "[!-~]{0,8}|\\PC{0,4}", other in "[!-~]{1,8}") {
            let text = Text::<7>::new(one.as_bytes());
            let fits = (1..=7).contains(&one.len()) && one.bytes().all(|byte| byte.is_ascii_graphic());
            prop_assert_eq!(text.as_ref().map(Text::as_str), fits.then_some(one.as_str()));
            let other_text = Text::<7>::new(other.as_bytes());
            if let (Some(text), Some(other_text)) = (text, other_text) {
                prop_assert_eq!(text.cmp(&other_text), one.cmp(&other));
                prop_assert_eq!(text == other_text, one == other);
            }
        }
    }
}
