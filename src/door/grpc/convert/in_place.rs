//! A bill read where its bytes lie: no text is copied before it is looked at, and an id is not copied at all.
//!
//! What is read here is what decoding and converting would give. Whatever is unusual is not read: a field twice, a wire type that
//! does not belong there, a value that does not fit. Then the message is decoded and converted, which alone knows how to refuse.

use super::super::super::wire::settlement::v1 as wire;
use super::bill::{care, class, diagnoses, facts_of, part, referral_of, scheme_of};
use super::field::plain_date;
use super::{Hash, shown};
use crate::app::{Claim, SettleRequest};
use crate::domain::bill::{Bill, ChargeLine};
use crate::domain::ids::{HospitalCode, ItemCode, LineId, OperatorId, RequestId, StayId};
use crate::domain::money::{Fen, parse_price_e6, parse_quantity_e4};
use jiff::civil::Date;

/// The fields of a message, one after the other.
#[derive(Clone)]
struct Fields<'a> {
    rest: &'a [u8],
}

/// What a field holds.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// A text field or a message in a message, which may be there once.
#[derive(Clone, Copy, Default)]
struct Once<'a>(Option<&'a [u8]>);

/// Reads a request to settle.
pub(super) fn settle(hash: Hash<'_>, bytes: &[u8]) -> Option<SettleRequest> {
    let [mut request, mut bill, mut quote_token] = [Once::default(); 3];
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => request.set(value)?,
            2 => bill.set(value)?,
            3 => quote_token.set(value)?,
            _ => {}
        }
    }
    Some(SettleRequest {
        request: RequestId::from_bytes(request.get())?,
        claim: claim(hash, bill.0?)?,
        quote_token: quote_token.get().to_vec(),
    })
}

/// Reads a request for a quote.
pub(super) fn quote(hash: Hash<'_>, bytes: &[u8]) -> Option<Claim> {
    let mut bill = Once::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            bill.set(value)?;
        }
    }
    claim(hash, bill.0?)
}

/// A bill's fields but for its charges, as they lie there.
#[derive(Clone, Default)]
struct Head<'a> {
    hospital: Once<'a>,
    stay: Once<'a>,
    stay_part: u64,
    credential: Once<'a>,
    scheme: Once<'a>,
    admission: Once<'a>,
    discharge: Once<'a>,
    care: u64,
    referral: u64,
    transferred_from: Once<'a>,
    diagnoses: Vec<String>,
    facts: Vec<wire::Fact>,
    lines: usize,
    total: u64,
    account_balance: u64,
    operator: Once<'a>,
}

fn claim(hash: Hash<'_>, bytes: &[u8]) -> Option<Claim> {
    let head = head(bytes)?;
    let discharge = plain_date(head.discharge.get())?;
    let Head { hospital, stay, stay_part, credential: shown, scheme, admission, .. } = head;
    let bill = Bill {
        hospital: HospitalCode::from_bytes(hospital.get())?,
        stay: StayId::from_bytes(stay.get())?,
        stay_part: part(low(stay_part)).ok()?,
        scheme: scheme.optional(|scheme| scheme_of(std::str::from_utf8(scheme).ok()?).ok())?,
        admission: plain_date(admission.get())?,
        discharge,
        care: care(low(head.care).cast_signed()).ok()?,
        referral: referral_of(low(head.referral).cast_signed()).ok()?,
        transferred_from: head.transferred_from.optional(StayId::from_bytes)?,
        diagnoses: diagnoses(head.diagnoses).ok()?,
        facts: facts_of(head.facts).ok()?,
        lines: lines(Fields::of(bytes), head.lines, discharge)?,
        total: Fen::new(head.total.cast_signed()),
        account_balance: Fen::new(head.account_balance.cast_signed()),
        operator: head.operator.optional(OperatorId::from_bytes)?,
    };
    Some(Claim::new(credential(hash, shown.0?)?, bill))
}

/// Looks at all fields, and counts the charges.
fn head(bytes: &[u8]) -> Option<Head<'_>> {
    let mut head = Head::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => head.hospital.set(value)?,
            2 => head.stay.set(value)?,
            3 => head.stay_part = value.number()?,
            4 => head.credential.set(value)?,
            5 => head.scheme.set(value)?,
            6 => head.admission.set(value)?,
            7 => head.discharge.set(value)?,
            8 => head.care = value.number()?,
            9 => head.referral = value.number()?,
            10 => head.transferred_from.set(value)?,
            11 => head.diagnoses.push(value.text()?.to_owned()),
            12 => head.facts.push(fact(value.bytes()?)?),
            13 => {
                value.bytes()?;
                head.lines = head.lines.saturating_add(1);
            }
            14 => head.total = value.number()?,
            15 => head.account_balance = value.number()?,
            16 => head.operator.set(value)?,
            _ => {}
        }
    }
    Some(head)
}

fn fact(bytes: &[u8]) -> Option<wire::Fact> {
    let [mut name, mut said] = [Once::default(); 2];
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name.set(value)?,
            2 => said.set(value)?,
            _ => {}
        }
    }
    let text = |once: Once<'_>| Some(std::str::from_utf8(once.get()).ok()?.to_owned());
    Some(wire::Fact { name: text(name)?, value: text(said)? })
}

fn credential(hash: Hash<'_>, bytes: &[u8]) -> Option<crate::app::CredentialHash> {
    let (mut kind, mut number_shown) = (0, Once::default());
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => kind = value.number()?,
            2 => number_shown.set(value)?,
            _ => {}
        }
    }
    let number = std::str::from_utf8(number_shown.get()).ok()?;
    // Whoever refuses names the fields.
    shown(hash, ["", ""], (low(kind).cast_signed(), number)).ok()
}

fn lines(mut fields: Fields<'_>, count: usize, discharge: Date) -> Option<Vec<ChargeLine>> {
    let mut lines = Vec::with_capacity(count);
    while let Some((number, value)) = fields.next()? {
        if number == 13 {
            lines.push(charge_line(value.bytes()?, discharge)?);
        }
    }
    Some(lines)
}

fn charge_line(bytes: &[u8], discharge: Date) -> Option<ChargeLine> {
    let [mut id, mut item, mut quantity, mut price, mut refund_of, mut charged_on] =
        [Once::default(); 6];
    let (mut amount, mut catalogue_class) = (0, 0);
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => id.set(value)?,
            2 => item.set(value)?,
            3 => quantity.set(value)?,
            4 => price.set(value)?,
            5 => amount = value.number()?,
            6 => catalogue_class = value.number()?,
            7 => refund_of.set(value)?,
            8 => charged_on.set(value)?,
            _ => {}
        }
    }
    Some(ChargeLine {
        id: LineId::from_bytes(id.get())?,
        item: ItemCode::from_bytes(item.get())?,
        quantity_e4: parse_quantity_e4(std::str::from_utf8(quantity.get()).ok()?)?,
        unit_price_e6: parse_price_e6(std::str::from_utf8(price.get()).ok()?)?,
        amount: Fen::new(amount.cast_signed()),
        class: class(low(catalogue_class).cast_signed()).ok()?,
        refund_of: refund_of.optional(LineId::from_bytes)?,
        charged_on: charged_on.optional(plain_date)?.unwrap_or(discharge),
    })
}

/// Numbers of 32 bits are sent as 64, and their upper half is not looked at.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

impl<'a> Fields<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next one with its number; inner nothing at the end, outer nothing where it is unusual.
    #[inline]
    #[expect(clippy::option_option, reason = "at its end a message is read, and not unusual")]
    fn next(&mut self) -> Option<Option<(u32, Value<'a>)>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let key = u32::try_from(self.varint()?).ok()?;
        let value = match key & 0x7 {
            0 => Value::Number(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        let number = key >> 3;
        if number == 0 { None } else { Some(Some((number, value))) }
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let (first, rest) = self.rest.split_first()?;
        if *first < 0x80 {
            self.rest = rest;
            return Some(u64::from(*first));
        }
        let mut number = 0_u64;
        for place in 0..10_u32 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            // The tenth byte has room for one bit.
            if place == 9 && 1 < *byte {
                return None;
            }
            number |= u64::from(byte & 0x7f) << (place * 7);
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

impl<'a> Value<'a> {
    #[inline]
    const fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    #[inline]
    const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Number(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }

    fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

impl<'a> Once<'a> {
    #[inline]
    fn set(&mut self, value: Value<'a>) -> Option<()> {
        if self.0.is_some() {
            return None;
        }
        self.0 = Some(value.bytes()?);
        Some(())
    }

    /// Empty where it is not there, as everywhere on the wire.
    fn get(self) -> &'a [u8] {
        self.0.unwrap_or_default()
    }

    /// Inner nothing where nothing is said, outer nothing where it does not fit.
    #[expect(clippy::option_option, reason = "to say nothing is not to say what does not fit")]
    fn optional<T>(self, read: impl FnOnce(&'a [u8]) -> Option<T>) -> Option<Option<T>> {
        if self.get().is_empty() { Some(None) } else { read(self.get()).map(Some) }
    }
}

#[cfg(test)]
mod tests;
