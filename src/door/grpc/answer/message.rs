//! A message written once, straight into its bytes, exactly as the generated code would encode it.

use std::fmt::Display;
use std::io::Write as _;

/// The bytes of a message so far. Fields must come in the order of their numbers.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// How a field's bytes are to be read.
const VARINT: u32 = 0;
const LENGTH_IN_FRONT: u32 = 2;

impl Message {
    /// With room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A text; nothing where it is empty.
    #[inline]
    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.data(field, text.as_bytes());
    }

    /// Bytes; nothing where there are none.
    #[inline]
    pub(super) fn data(&mut self, field: u32, data: &[u8]) {
        if !data.is_empty() {
            self.item(field, data);
        }
    }

    /// One of a list of texts, also where it is empty.
    #[inline]
    pub(super) fn item(&mut self, field: u32, item: &[u8]) {
        self.key(field, LENGTH_IN_FRONT);
        self.varint(u64::try_from(item.len()).unwrap_or(0));
        self.bytes.extend_from_slice(item);
    }

    /// What something reads as; nothing where that is empty.
    pub(super) fn shown(&mut self, field: u32, what: impl Display) {
        let before = self.bytes.len();
        self.key(field, LENGTH_IN_FRONT);
        let begin = self.bytes.len();
        // Memory takes all that is written.
        write!(self.bytes, "{what}").ok();
        if self.bytes.len() == begin {
            self.bytes.truncate(before);
        } else {
            self.put_length_in_front(begin);
        }
    }

    /// A number of either sign; nothing where it is zero.
    #[inline]
    pub(super) fn signed(&mut self, field: u32, number: i64) {
        self.number(field, number.cast_unsigned());
    }

    /// A number; nothing where it is zero.
    #[inline]
    pub(super) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.key(field, VARINT);
            self.varint(number);
        }
    }

    /// One of a closed set.
    #[inline]
    pub(super) fn one_of(&mut self, field: u32, one: impl Into<i32>) {
        self.signed(field, i64::from(one.into()));
    }

    /// Yes; nothing where it is no.
    #[inline]
    pub(super) fn flag(&mut self, field: u32, flag: bool) {
        self.number(field, u64::from(flag));
    }

    /// A message in this one, also where it says nothing.
    #[inline]
    pub(super) fn within<E>(
        &mut self,
        field: u32,
        write: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.key(field, LENGTH_IN_FRONT);
        let begin = self.bytes.len();
        write(self)?;
        self.put_length_in_front(begin);
        Ok(())
    }

    /// A number without a field: one of a packed list.
    #[inline]
    pub(super) fn varint(&mut self, number: u64) {
        let mut rest = number;
        while 0x7f < rest {
            self.bytes.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
            rest >>= 7;
        }
        self.bytes.push(u8::try_from(rest).unwrap_or(0));
    }

    #[inline]
    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    /// Says in front of what was written from `begin` on how long it is: only then is it known.
    #[inline]
    fn put_length_in_front(&mut self, begin: usize) {
        let end = self.bytes.len();
        self.varint(u64::try_from(end - begin).unwrap_or(0));
        let width = self.bytes.len() - end;
        if let Some(written) = self.bytes.get_mut(begin..) {
            written.rotate_right(width);
        }
    }
}
