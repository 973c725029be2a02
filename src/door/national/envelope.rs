//! The national envelope: one table of its fields is the validator, and what the tests are made of.

use jiff::civil::DateTime;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::fault::{Fault, Told};
use super::field::{Invalid, InvalidReason};
use super::json::{self, Json, Object, Written};
use crate::app::{Now, shanghai};
use crate::domain::ids::{HospitalCode, OperatorId, RegionCode, RequestId, SignNumber};
use crate::limits;

/// A field of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// The most characters it may have.
    pub(super) longest: usize,
    /// Must it be there?
    pub(super) needed: bool,
    /// What it holds.
    pub(super) kind: Kind,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Visible ASCII without spaces.
    Id,
    /// Any script, no control characters.
    Text,
    /// Six digits.
    Region,
    /// `2024-06-30 09:30:00`.
    Time,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// What the transaction is told.
    Input,
}

const fn needed(name: &'static str, longest: usize, kind: Kind) -> Field {
    Field { name, longest, needed: true, kind }
}

const fn optional(name: &'static str, longest: usize, kind: Kind) -> Field {
    Field { name, longest, needed: false, kind }
}

/// All of them, in the order in which they are looked at. What else there is is not looked at.
pub(super) const FIELDS: &[Field] = &[
    needed("infno", 5, Kind::Id),
    needed("msgid", 30, Kind::Id),
    needed("mdtrtarea_admvs", 6, Kind::Region),
    // Needed where the input names a person.
    optional("insuplc_admdvs", 6, Kind::Region),
    needed("recer_sys_code", 10, Kind::Text),
    optional("dev_no", 100, Kind::Text),
    optional("dev_safe_info", 2_000, Kind::Text),
    optional("cainfo", 1_024, Kind::Text),
    optional("signtype", 10, Kind::Text),
    needed("infver", 6, Kind::Id),
    needed("opter_type", 3, Kind::OneOf(&["1", "2", "3"])),
    needed("opter", 30, Kind::Id),
    needed("opter_name", 50, Kind::Text),
    needed("inf_time", 19, Kind::Time),
    needed("fixmedins_code", 12, Kind::Id),
    needed("fixmedins_name", 200, Kind::Text),
    optional("sign_no", 30, Kind::Id),
    optional("fixmedins_soft_fcty", 200, Kind::Text),
    // Of those whose hospital has a key for it.
    optional("enc_type", 10, Kind::OneOf(&["SM4"])),
    needed("input", 0, Kind::Input),
];

/// The input where it is encrypted.
const SEALED_INPUT: Field = needed("input", limits::NATIONAL_BODY_BYTES_MAX, Kind::Text);

/// A message that can be looked at.
#[derive(Debug)]
pub(super) struct Envelope {
    /// Which transaction. [infno]
    pub(super) transaction: String,
    /// The hospital's key. [msgid]
    pub(super) request: RequestId,
    /// [mdtrtarea_admvs]
    pub(super) treatment: RegionCode,
    /// [insuplc_admdvs]
    pub(super) insured: Option<RegionCode>,
    /// [opter]
    pub(super) operator: OperatorId,
    /// [fixmedins_code]
    pub(super) hospital: HospitalCode,
    /// [sign_no]
    pub(super) sign: Option<SignNumber>,
    /// What the transaction is told; nothing yet, where it is encrypted.
    pub(super) input: Object,
    /// The same, where it is encrypted.
    pub(super) sealed: Option<String>,
}

impl Envelope {
    /// With what was encrypted.
    pub(super) fn take_input(self, input: Object) -> Result<Self, Fault> {
        if self.insured.is_none() && names_a_person(&input) {
            return Err(of("insuplc_admdvs", InvalidReason::Missing));
        }
        Ok(Self { input, ..self })
    }

    /// What tells this message from another: which transaction, and what it is told.
    pub(super) fn body_sha256(&self) -> [u8; 32] {
        let Self { transaction, input, .. } = self;
        let body = format!("{transaction}\n{}", json::canonical(input));
        Sha256::digest(body.as_bytes()).into()
    }
}

/// Reads an envelope, or names the first field that does not fit. Takes the input out of it.
pub(super) fn read(message: &mut Object) -> Result<Envelope, Fault> {
    let envelope = without_input(message)?;
    let (input, sealed) = match message.remove("input") {
        Some(Json::Object(input)) => (input, None),
        Some(Json::Text(sealed)) => (Object::new(), Some(sealed)),
        Some(Json::Null | Json::Flag(_) | Json::Number(_) | Json::List(_)) | None => {
            return Err(of("input", InvalidReason::WrongType));
        }
    };
    Envelope { sealed, ..envelope }.take_input(input)
}

/// All of it but its input, which was looked at too.
fn without_input(message: &Object) -> Result<Envelope, Fault> {
    let mut texts = [""; FIELDS.len()];
    let mut is_encrypted = false;
    for (field, place) in FIELDS.iter().zip(&mut texts) {
        // The type is the last one before it that is looked at.
        let sealed = field.kind == Kind::Input && is_encrypted;
        let looked_at = if sealed { &SEALED_INPUT } else { field };
        let value = message.get(field.name);
        let text = check(looked_at, value).map_err(|reason| of(field.name, reason))?;
        is_encrypted = is_encrypted || (field.name == "enc_type" && text == "SM4");
        *place = text;
    }
    let text = |name: &str| {
        let mut named = FIELDS.iter().zip(texts).filter(|(field, _)| field.name == name);
        named.next().map_or("", |(_, text)| text)
    };
    let unfit = |name: &'static str| move || of(name, InvalidReason::NotPlain);
    Ok(Envelope {
        transaction: text("infno").to_owned(),
        request: RequestId::new(text("msgid")).ok_or_else(unfit("msgid"))?,
        treatment: region(text("mdtrtarea_admvs")).ok_or_else(unfit("mdtrtarea_admvs"))?,
        insured: region(text("insuplc_admdvs")),
        operator: OperatorId::new(text("opter")).ok_or_else(unfit("opter"))?,
        hospital: HospitalCode::new(text("fixmedins_code")).ok_or_else(unfit("fixmedins_code"))?,
        sign: SignNumber::new(text("sign_no")),
        input: Object::new(),
        sealed: None,
    })
}

/// The region of treatment as far as it can be read: the number of the answer begins with it, whatever else is wrong.
pub(super) fn region_of(message: &Object) -> Option<RegionCode> {
    match message.get("mdtrtarea_admvs")? {
        Json::Text(text) | Json::Number(text) => region(text),
        Json::Null | Json::Flag(_) | Json::List(_) | Json::Object(_) => None,
    }
}

/// The number of the transaction as far as it can be read, for logs: never anything else that somebody wrote there.
pub(super) fn transaction_of(message: &Object) -> Option<String> {
    let field = FIELDS.first()?;
    let text = check(field, message.get(field.name)).ok()?;
    text.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| text.to_owned())
}

fn region(text: &str) -> Option<RegionCode> {
    RegionCode::new(text)
}

fn of(name: &str, reason: InvalidReason) -> Fault {
    Fault::Envelope(Invalid { field: name.to_owned(), reason })
}

/// The text of a field that fits; empty where it is not there and need not be, or holds the input.
pub(super) fn check<'a>(field: &Field, value: Option<&'a Json>) -> Result<&'a str, InvalidReason> {
    let text: &str = match (value, field.kind) {
        (None | Some(Json::Null), _) => "",
        (Some(Json::Object(_)), Kind::Input) => return Ok(""),
        (Some(Json::Text(text)), Kind::Input) if text.is_empty() => "",
        (Some(Json::Text(_) | Json::Number(_)), Kind::Input)
        | (Some(Json::Flag(_) | Json::List(_) | Json::Object(_)), _) => {
            return Err(InvalidReason::WrongType);
        }
        (
            Some(Json::Text(text) | Json::Number(text)),
            Kind::Id | Kind::Text | Kind::Region | Kind::Time | Kind::OneOf(_),
        ) => text,
    };
    if text.is_empty() {
        return if field.needed { Err(InvalidReason::Missing) } else { Ok("") };
    }
    if field.longest < text.chars().count() {
        return Err(InvalidReason::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidReason::NotPlain);
    }
    let fits = match field.kind {
        Kind::Text | Kind::Input => Ok(()),
        Kind::Id => visible(text).then_some(()).ok_or(InvalidReason::NotPlain),
        Kind::Region => region(text).map(|_| ()).ok_or(InvalidReason::ValueUnknown),
        Kind::Time => time(text).map(|_| ()).ok_or(InvalidReason::NotADate),
        Kind::OneOf(known) => {
            known.contains(&text).then_some(()).ok_or(InvalidReason::ValueUnknown)
        }
    };
    fits.map(|()| text)
}

fn visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A time of exactly nineteen characters.
pub(super) fn time(text: &str) -> Option<DateTime> {
    let plain = text.len() == 19
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            10 => byte == b' ',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if plain { text.parse().ok() } else { None }
}

/// Does any part of the input name a person?
fn names_a_person(input: &Object) -> bool {
    let named = |object: &Object| {
        object.get("psn_no").is_some_and(|number| match number {
            Json::Text(text) | Json::Number(text) => !text.is_empty(),
            Json::Null | Json::Flag(_) | Json::List(_) | Json::Object(_) => false,
        })
    };
    let in_part = |part: &Json| match part {
        Json::Object(object) => named(object),
        Json::List(items) => items.iter().any(|item| match item {
            Json::Object(object) => named(object),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => false,
        }),
        Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) => false,
    };
    named(input) || input.values().any(in_part)
}

// === answers ===

/// What is answered.
#[derive(Debug)]
pub(super) enum Answered {
    /// It was done.
    Done {
        /// The output; nothing where the standard has none.
        output: Option<Written>,
        /// What the hospital should know besides. [warn_msg]
        warning: String,
    },
    /// It was not.
    Refused(Told),
}

/// The number of an answer: where, when, and which one. [inf_refmsgid]
pub(super) fn reference(region: Option<RegionCode>, received: &Now, sequence: u64) -> String {
    let time = shanghai(received.at).strftime("%Y%m%d%H%M%S");
    let region = region.map_or_else(|| "000000".to_owned(), |region| region.to_string());
    format!("{region}{time}{:010}", sequence % 10_000_000_000)
}

/// What an envelope takes besides its output.
const ANSWER_BYTES_USUAL: usize = 512;

/// An answer's envelope.
#[derive(Debug, Default, Serialize)]
pub(super) struct Answer {
    /// What signs it, where it is signed.
    pub(super) cainfo: String,
    /// How its output is encrypted, where it is.
    pub(super) enctype: &'static str,
    err_msg: String,
    inf_refmsgid: String,
    infcode: i8,
    /// The output; nothing where the standard has none.
    #[serde(skip)]
    pub(super) output: Option<Written>,
    refmsg_time: String,
    respond_time: String,
    /// By which means it is signed, where it is.
    pub(super) signtype: &'static str,
    warn_msg: String,
}

impl Answer {
    /// Says what was answered, to a message that was received then, now.
    pub(super) fn new(
        reference: String,
        (received, now): (&Now, &Now),
        answered: Answered,
    ) -> Self {
        let (infcode, output, warn_msg, err_msg) = match answered {
            Answered::Done { output, warning } => (0, output, warning, String::new()),
            Answered::Refused(told) => (-1, None, String::new(), told.message),
        };
        Self {
            inf_refmsgid: reference,
            refmsg_time: milliseconds(received),
            respond_time: milliseconds(now),
            infcode,
            output,
            warn_msg,
            err_msg,
            ..Self::default()
        }
    }

    /// Every field that is signed, by the bytes of its name; the output follows them.
    pub(super) fn signed(&self) -> [(&'static str, &str); 8] {
        let infcode = if self.infcode == 0 { "0" } else { "-1" };
        [
            ("enctype", self.enctype),
            ("err_msg", &self.err_msg),
            ("inf_refmsgid", &self.inf_refmsgid),
            ("infcode", infcode),
            ("refmsg_time", &self.refmsg_time),
            ("respond_time", &self.respond_time),
            ("signtype", self.signtype),
            ("warn_msg", &self.warn_msg),
        ]
    }

    /// As it goes out: the output is written already, and stands last.
    pub(super) fn body(&self) -> Vec<u8> {
        let output = self.output.as_ref().map_or("", Written::as_str);
        let mut body = Vec::with_capacity(output.len().saturating_add(ANSWER_BYTES_USUAL));
        // Texts and a number can always be written.
        serde_json::to_writer(&mut body, self).unwrap_or_default();
        if !output.is_empty() {
            body.pop();
            for part in [",\"output\":", output, "}"] {
                body.extend_from_slice(part.as_bytes());
            }
        }
        body
    }
}

/// `yyyyMMddHHmmssSSS` in Asia/Shanghai.
fn milliseconds(now: &Now) -> String {
    let local = shanghai(now.at);
    format!("{}{:03}", local.strftime("%Y%m%d%H%M%S"), local.millisecond())
}

#[cfg(test)]
mod tests;
