//! Numbers as variable-length integers, everything else with its length in front. Each value has one spelling.

use super::super::money::Fen;

/// Writes canonical bytes.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// Reads them back, and refuses every other spelling.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// The most items that any list of a record may have. A record that says more is not read further.
const ITEMS_MAX: u64 = 100_000;

impl Writer {
    /// With room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// Goes on behind what is there.
    pub(crate) const fn behind(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    #[inline]
    pub(crate) fn number(&mut self, number: u64) {
        let mut rest = number;
        while 0x7f < rest {
            self.bytes.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
            rest >>= 7;
        }
        self.bytes.push(u8::try_from(rest).unwrap_or(0));
    }

    /// Small amounts of either sign take few bytes.
    pub(crate) fn signed(&mut self, number: i64) {
        let zigzag = number.wrapping_shl(1) ^ number.wrapping_shr(63);
        self.number(zigzag.cast_unsigned());
    }

    pub(crate) fn fen(&mut self, fen: Fen) {
        self.signed(fen.get());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.text_bytes(text.as_bytes());
    }

    /// The same of text that lies there as bytes.
    #[inline]
    pub(crate) fn text_bytes(&mut self, text: &[u8]) {
        self.length(text.len());
        self.bytes.extend_from_slice(text);
    }

    pub(crate) fn hash(&mut self, hash: &[u8; 32]) {
        self.bytes.extend_from_slice(hash);
    }

    pub(crate) fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// Nothing, or a number that is written one higher.
    pub(crate) fn option(&mut self, number: Option<u64>) {
        self.number(number.map_or(0, |number| number.saturating_add(1)));
    }
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..10_u32 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let low = u64::from(byte & 0x7f);
            let shifted = low.checked_shl(place.checked_mul(7)?)?;
            if shifted.checked_shr(place.checked_mul(7)?)? != low {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let zigzag = self.number()?;
        let half = (zigzag >> 1).cast_signed();
        Some(if zigzag & 1 == 0 { half } else { !half })
    }

    pub(crate) fn fen(&mut self) -> Option<Fen> {
        self.signed().map(Fen::new)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    /// The same of bytes that are no text.
    pub(crate) fn block(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (block, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(block)
    }

    pub(crate) fn hash(&mut self) -> Option<[u8; 32]> {
        let (hash, rest) = self.rest.split_first_chunk::<32>()?;
        self.rest = rest;
        Some(*hash)
    }

    /// A list, item by item.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = self.number().filter(|length| *length <= ITEMS_MAX)?;
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(item(self)?);
        }
        Some(items)
    }

    pub(crate) fn option(&mut self) -> Option<Option<u64>> {
        let number = self.number()?;
        Some(number.checked_sub(1))
    }

    pub(crate) fn small(&mut self) -> Option<u16> {
        u16::try_from(self.number()?).ok()
    }

    pub(crate) fn small_option(&mut self) -> Option<Option<u16>> {
        match self.option()? {
            None => Some(None),
            Some(number) => u16::try_from(number).ok().map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::MAX] {
            let mut writer = Writer::with_room(16);
            writer.number(number);
            let bytes = writer.into_bytes();
            assert_eq!(Reader::new(&bytes).number(), Some(number));
        }
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut writer = Writer::with_room(16);
            writer.signed(number);
            let bytes = writer.into_bytes();
            assert_eq!(Reader::new(&bytes).signed(), Some(number));
        }
    }

    #[test]
    fn a_number_too_long_is_no_number() {
        assert_eq!(Reader::new(&[0xff; 11]).number(), None);
        assert_eq!(Reader::new(&[0x80]).number(), None);
    }
}
