//! A stay begins and ends. [2401, 2402]

use serde_json::json;

use super::care;
use super::fault::Fault;
use super::field::{Invalid, InvalidReason};
use super::input::{Node, part, parts};
use super::transactions::{Call, Done};
use crate::app::national::{Admission, Discharge, Shown};
use crate::domain::ids::{PersonNumber, StayId};
use crate::limits;

/// Admits a patient; the same message again tells the same stay. [2401]
pub(super) async fn admit(call: Call<'_>) -> Result<Done, Fault> {
    let input = &call.envelope.input;
    let node = part(input, "mdtrtinfo")?;
    let number = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    let scheme = node.word("insutype", care::scheme)?;
    let begin = node.day("begntime")?;
    let begin = node.must("begntime", begin)?;
    let care_code = node.word("med_type", |code| care::care(code).map(|_| code.to_owned()))?;
    let care_code = node.must("med_type", care_code)?;
    let diagnoses = diagnoses_of(parts(input, "diseinfo", limits::DIAGNOSES_MAX)?)?;
    let credential = call.app.credential_of(&number).await?;
    let holder = call.app.holder(call.caller, credential, Some(begin)).await?;
    let admission = Admission {
        stay: call.app.new_stay()?,
        person: holder.number,
        shown: Shown { kind: credential.kind, hash: credential.hash },
        scheme,
        care_code,
        on: begin,
        diagnoses,
    };
    let stay = call.app.admit(call.caller, call.message(), &admission).await?;
    Done::with("result", json!({ "mdtrt_id": stay.as_str() }))
}

/// Discharges a patient; the newest discharge of a stay counts. [2402]
pub(super) async fn discharge(call: Call<'_>) -> Result<Done, Fault> {
    let input = &call.envelope.input;
    let node = part(input, "dscginfo")?;
    let stay_id = node.needed("mdtrt_id", StayId::LENGTH_MAX, StayId::new)?;
    let number = node.needed("psn_no", PersonNumber::LENGTH_MAX, PersonNumber::new)?;
    let end = node.day("endtime")?;
    let end = node.must("endtime", end)?;
    let diagnoses = diagnoses_of(parts(input, "diseinfo", limits::DIAGNOSES_MAX)?)?;
    let stay = call.app.stay(call.caller, (call.hospital(), &stay_id)).await?;
    call.app.is_of(&stay, &number)?;
    if end < stay.admission.on {
        return Err(node.invalid("endtime", InvalidReason::OutOfRange).into());
    }
    // A discharge that names no diagnoses leaves those of the admission.
    let diagnoses = if diagnoses.is_empty() { stay.admission.diagnoses } else { diagnoses };
    let discharge = Discharge { on: end, diagnoses };
    call.app.discharge(call.caller, call.message(), &stay_id, &discharge).await?;
    Ok(Done::alone())
}

/// The codes of diagnoses, the principal one first, then in the hospital's own order. Their names are not kept.
fn diagnoses_of(nodes: Vec<Node<'_>>) -> Result<Vec<String>, Invalid> {
    let mut ordered = Vec::with_capacity(nodes.len());
    for node in nodes {
        let longest = limits::DIAGNOSIS_CODE_LENGTH_MAX;
        let code = node.needed("diag_code", longest, |code| {
            code.bytes().all(|byte| byte.is_ascii_graphic()).then(|| code.to_owned())
        })?;
        let principal = node.text("maindiag_flag", 3)? == "1";
        let place =
            node.decimal("diag_srt_no", 0, |text| text.parse::<u32>().ok().map(i64::from))?;
        ordered.push((!principal, place.unwrap_or(i64::MAX), code));
    }
    // Stable: who gives no places keeps their order.
    ordered.sort_by_key(|one| (one.0, one.1));
    let mut codes: Vec<String> = Vec::with_capacity(ordered.len());
    for (_, _, code) in ordered {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::national::json;

    #[test]
    fn the_principal_diagnosis_comes_first_and_each_once() {
        let check = |list: &str, expected: &[&str]| {
            let input = json::object(&format!(r#"{{"diseinfo":{list}}}"#)).unwrap();
            let codes = diagnoses_of(parts(&input, "diseinfo", 9).unwrap()).unwrap();
            assert_eq!(codes, expected);
        };
        check("[]", &[]);
        check(
            r#"[{"diag_code":"B","diag_srt_no":"2"},{"diag_code":"A","diag_srt_no":1},
                {"diag_code":"C","diag_srt_no":3,"maindiag_flag":"1"},{"diag_code":"A"}]"#,
            &["C", "A", "B"],
        );
        let input = json::object(r#"{"diseinfo":{"diag_code":"肺炎"}}"#).unwrap();
        let invalid = diagnoses_of(parts(&input, "diseinfo", 9).unwrap()).unwrap_err();
        assert_eq!(invalid.reason, InvalidReason::NotPlain);
    }
}
