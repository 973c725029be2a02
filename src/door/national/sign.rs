//! Operators sign in for a day and out again. [9001, 9002]

use serde_json::json;

use super::fault::Fault;
use super::input::part;
use super::output;
use super::transactions::{Call, Done};
use super::words;
use crate::domain::ids::{OperatorId, SignNumber};

/// Signs an operator in; who is signed in keeps their number. [9001]
pub(super) async fn sign_in(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "signIn")?;
    let operator = node.needed("opter_no", OperatorId::LENGTH_MAX, OperatorId::new)?;
    // Where from is of no use to us, and is not kept.
    node.text("mac", 20)?;
    node.text("ip", 40)?;
    let number = call.app.sign_in(call.caller, (call.hospital(), &operator)).await?;
    let time = output::time(call.app.now().at);
    let signed = json!({ "sign_time": time, "sign_no": number.as_str() });
    Done::with("signinoutb", signed)
}

/// Signs an operator out. [9002]
pub(super) async fn sign_out(call: Call<'_>) -> Result<Done, Fault> {
    let node = part(&call.envelope.input, "signOut")?;
    let operator = node.needed("opter_no", OperatorId::LENGTH_MAX, OperatorId::new)?;
    let number = node.needed("sign_no", SignNumber::LENGTH_MAX, SignNumber::new)?;
    call.app.sign_out(call.caller, (call.hospital(), &operator), &number).await?;
    let signed = json!({ "sign_time": output::time(call.app.now().at) });
    Done::with("signoutoutb", signed)
}

/// Whether whoever calls is signed in for today.
pub(super) async fn check(call: Call<'_>) -> Result<(), Fault> {
    let not_signed_in = Fault::Plain(words::NOT_SIGNED_IN);
    let Some(number) = &call.envelope.sign else { return Err(not_signed_in) };
    let who = (call.hospital(), &call.envelope.operator);
    if call.app.is_signed_in(who, number).await? { Ok(()) } else { Err(not_signed_in) }
}
