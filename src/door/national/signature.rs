//! Whether a message is its hospital's own word, said now and for the first time; and our own word under the answers to it.
//!
//! Only for hospitals whose callers file says so. What is signed is told in `src/door/national/README.md`, with an example that a test
//! here holds to be true.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::envelope::{self, Answer, Envelope};
use super::fault::Fault;
use super::field::{Invalid, InvalidReason};
use super::json::{self, Json, Object, Written};
use super::words;
use crate::app::{Now, shanghai};
use crate::door::callers::{Callers, Signed};
use crate::door::seals::{BLOCK_BYTES, Means, Seal};
use crate::limits;

/// What signed messages said under which id, for as long as their clock may say.
#[derive(Debug, Default)]
pub(super) struct Heard {
    held: Mutex<Generations>,
}

/// The newer half and the older one: forgotten in turn, so that nothing needs to be looked through.
#[derive(Debug, Default)]
struct Generations {
    since: Timestamp,
    newer: HashMap<Short, Short>,
    older: HashMap<Short, Short>,
}

/// The first half of a SHA-256.
type Short = [u8; 16];

/// How an answer is to be signed, and whether it is to be encrypted.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    signed: Signed,
    encrypted: bool,
}

/// The word of each means. [signtype]
const fn word(means: Means) -> &'static str {
    match means {
        Means::HmacSha256 => "HMACSHA256",
        Means::Sm2 => "SM2",
    }
}

impl Reply {
    /// As the hospital signs; not encrypted before we know that it can.
    pub(super) const fn plain(signed: Signed) -> Self {
        Self { signed, encrypted: false }
    }

    /// Encrypts an answer's output where the message was, and signs the whole, where we have a key. `start` was never used before.
    pub(super) fn finish(&self, answer: &mut Answer, start: [u8; BLOCK_BYTES]) {
        let Self { signed: Signed { seal, .. }, encrypted } = self;
        if let Some(output) = answer.output.as_ref().filter(|_| *encrypted) {
            // Without its key nothing would have been decrypted.
            let sealed = seal.encrypt(output.as_str().as_bytes(), start).unwrap_or_default();
            answer.output = Written::of(&sealed);
            answer.enctype = "SM4";
        }
        answer.signtype = word(seal.means());
        match seal.sign(&said_by_us(answer)) {
            Some(signature) => answer.cainfo = signature,
            None => answer.signtype = "",
        }
    }
}

/// Whether a message is its hospital's own word: signed as agreed, by a clock that is near ours, and opened. `rest` is all of it but
/// the input, and `body` how it was sent.
pub(super) fn open(
    (callers, reply): (&Callers, &mut Reply),
    mut envelope: Envelope,
    (rest, body): (&Object, &[u8]),
    now: &Now,
) -> Result<Envelope, Fault> {
    let signed = reply.signed.clone();
    is_signed(callers, &signed.seal, &envelope, (rest, body))?;
    is_now(rest, now, signed.clock_max)?;
    let Some(sealed) = envelope.sealed.take() else { return Ok(envelope) };
    let plain = signed.seal.decrypt(&sealed).ok_or(Fault::Plain(words::BODY_NOT_DECRYPTED))?;
    let Some(Json::Object(input)) = json::read(&plain) else {
        return Err(Fault::Plain(words::BODY_NOT_DECRYPTED));
    };
    reply.encrypted = true;
    envelope.take_input(input)
}

fn is_signed(
    callers: &Callers,
    seal: &Seal,
    envelope: &Envelope,
    (rest, body): (&Object, &[u8]),
) -> Result<(), Fault> {
    let text = |name: &str| match rest.get(name) {
        Some(Json::Text(text) | Json::Number(text)) => text.as_str(),
        Some(Json::Null | Json::Flag(_) | Json::List(_) | Json::Object(_)) | None => "",
    };
    let signature = text("cainfo");
    if signature.is_empty() {
        return Err(Fault::Plain(words::SIGNATURE_MISSING));
    }
    if !["", word(seal.means())].contains(&text("signtype")) {
        let (field, reason) = ("signtype".to_owned(), InvalidReason::ValueUnknown);
        return Err(Fault::Envelope(Invalid { field, reason }));
    }
    let said = said(rest, body).ok_or(Fault::Plain(words::SIGNATURE_WRONG))?;
    if seal.is_signed(&said, signature) {
        return Ok(());
    }
    let of_another = callers.is_of_another(&envelope.hospital, &said, signature);
    Err(Fault::Plain(if of_another { words::SIGNATURE_OF_ANOTHER } else { words::SIGNATURE_WRONG }))
}

/// A message that was held back, or comes from a clock that is wrong, is not what the hospital says now.
fn is_now(rest: &Object, now: &Now, most: Duration) -> Result<(), Fault> {
    let Some(Json::Text(text)) = rest.get("inf_time") else {
        return Err(Fault::Plain(words::SIGNATURE_WRONG));
    };
    let ours = shanghai(now.at).datetime();
    let apart = envelope::time(text).map(|theirs| ours.duration_since(theirs).unsigned_abs());
    if apart.is_some_and(|apart| apart <= most) {
        return Ok(());
    }
    let ours = ours.strftime("%Y-%m-%d %H:%M:%S");
    let minutes = most.as_secs() / 60;
    let about = format!("inf_time {text}, {ours}, {minutes} min");
    Err(Fault::About(words::CLOCK_DIFFERS, about))
}

/// What a hospital signs: every field of the envelope but `cainfo` and `input` that is not empty, by the bytes of its name, each in a
/// line of its own; then the input as it was sent. Nothing where that could be read in two ways.
fn said(rest: &Object, body: &[u8]) -> Option<Vec<u8>> {
    let mut said = Vec::with_capacity(body.len());
    for (name, value) in rest {
        let text = match value {
            Json::Null => continue,
            Json::Text(text) | Json::Number(text) => text.clone(),
            Json::Flag(_) | Json::List(_) | Json::Object(_) => value.canonical(),
        };
        if ["cainfo", "input"].contains(&name.as_str()) || text.is_empty() {
            continue;
        }
        if name.contains('=') || name.chars().chain(text.chars()).any(char::is_control) {
            return None;
        }
        line(&mut said, name, &text);
    }
    said.extend_from_slice(b"input=");
    said.extend_from_slice(json::member(body, "input")?.as_bytes());
    Some(said)
}

/// The same of an answer, whose output stands in the place of the input.
fn said_by_us(answer: &Answer) -> Vec<u8> {
    let mut said = Vec::new();
    for (name, text) in answer.signed() {
        if !text.is_empty() {
            line(&mut said, name, text);
        }
    }
    said.extend_from_slice(b"output=");
    if let Some(output) = &answer.output {
        said.extend_from_slice(output.as_str().as_bytes());
    }
    said
}

fn line(said: &mut Vec<u8>, name: &str, text: &str) {
    for part in [name, "=", text, "\n"] {
        said.extend_from_slice(part.as_bytes());
    }
}

impl Heard {
    /// Whether a message may be what it says: nothing else was done under its id of late.
    pub(super) fn is_first(&self, envelope: &Envelope) -> Result<(), Fault> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, said) = shorts(envelope);
        let before = held.newer.get(&id).or_else(|| held.older.get(&id));
        if before.is_none_or(|before| *before == said) {
            return Ok(());
        }
        Err(Fault::Plain(words::MESSAGE_REPLAYED))
    }

    /// Remembers what was done, for twice as long as a clock may be wrong: until then what was signed could come again.
    pub(super) fn remember(&self, envelope: &Envelope, reply: &Reply, now: &Now) {
        let (id, said) = shorts(envelope);
        let window = reply.signed.clock_max.saturating_mul(2);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.at.duration_since(held.since).unsigned_abs();
        if window <= age || limits::SIGNED_MESSAGES_REMEMBERED_MAX / 2 <= held.newer.len() {
            held.older = std::mem::take(&mut held.newer);
            held.since = now.at;
        }
        held.newer.insert(id, said);
    }
}

/// The id of a message, and what it says but for when it was sent: whoever sends it again says when anew, and signs that.
fn shorts(envelope: &Envelope) -> (Short, Short) {
    let Envelope { hospital, request, .. } = envelope;
    let id = Sha256::digest(format!("{hospital}\n{}", request.as_str()));
    (short(&id), short(&envelope.body_sha256()))
}

fn short(hash: &[u8]) -> Short {
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
