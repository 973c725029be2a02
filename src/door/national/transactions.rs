//! Which transaction a message is, and what every one of them has at hand.

use std::collections::BTreeMap;

use serde::Serialize;

use super::envelope::Envelope;
use super::fault::Fault;
use super::json::Written;
use super::{Settings, fees, inputs, person, query, settle, sign, statements, stay, words};
use crate::app::national::Message;
use crate::app::{App, Caller};
use crate::domain::ids::HospitalCode;

/// One message, and who answers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// What answers.
    pub(super) app: &'a App,
    /// Who is calling, and until when they wait.
    pub(super) caller: &'a Caller,
    /// What is asked.
    pub(super) envelope: &'a Envelope,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    /// The output; nothing where the standard has none.
    pub(super) output: Option<Written>,
    /// What the hospital should know besides.
    pub(super) warning: String,
    /// The word in metrics and spans.
    pub(super) outcome: &'static str,
}

impl Call<'_> {
    /// The hospital.
    pub(super) const fn hospital(&self) -> &HospitalCode {
        &self.envelope.hospital
    }

    /// The hospital's key to this message, with what it says: the same id with another input is another message.
    pub(super) fn message(&self) -> Message<'_> {
        let Envelope { request, hospital, .. } = self.envelope;
        Message { hospital, request, body_sha256: self.envelope.body_sha256() }
    }
}

impl Done {
    /// Done, and the standard has no output for it.
    pub(super) const fn alone() -> Self {
        Self { output: None, warning: String::new(), outcome: "done" }
    }

    /// Done, with this part of the output.
    pub(super) fn with(name: &str, part: impl Serialize) -> Result<Self, Fault> {
        Self::of(&BTreeMap::from([(name, part)]))
    }

    /// Done, with this output.
    pub(super) fn of(output: &impl Serialize) -> Result<Self, Fault> {
        let output = Written::of(output).ok_or(Fault::Panicked)?;
        Ok(Self { output: Some(output), ..Self::alone() })
    }
}

/// Does what a message asks.
pub(super) async fn answer(call: Call<'_>, settings: &Settings) -> Result<Done, Fault> {
    let Envelope { transaction, input, .. } = call.envelope;
    inputs::check(transaction, input)?;
    match transaction.as_str() {
        "9001" => return sign::sign_in(call).await,
        "9002" => return sign::sign_out(call).await,
        _ => {}
    }
    if settings.sign_in_needed {
        sign::check(call).await?;
    }
    match transaction.as_str() {
        "1101" => person::find(call).await,
        "2401" => stay::admit(call).await,
        "2402" => stay::discharge(call).await,
        "2301" => fees::upload(call).await,
        "2302" => fees::cancel(call).await,
        "2303" => settle::quote(call).await,
        "2304" => settle::settle(call).await,
        "2305" => settle::reverse(call).await,
        "2601" => settle::compensate(call).await,
        "3201" => statements::totals(call).await,
        "3202" => statements::detail(call).await,
        "9101" => statements::upload(call).await,
        "9102" => statements::download(call).await,
        "5203" => query::settlement(call).await,
        "5204" => query::fees(call).await,
        "5206" => query::cumulative(call).await,
        "OS01" => query::true_ups(call).await,
        _ => Err(Fault::Plain(words::TRANSACTION_UNKNOWN)),
    }
}
