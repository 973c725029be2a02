//! Settlements by the national JSON door, as a hospital sends them: who it is, the admission, the charge lines, then what settles.
//!
//! Each message is one HTTP request on one of so many connections; what the server's processor spends is counted message by message.
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use onestop::door::wire::settlement::v1::{Bill, ChargeLine, SettleRequest};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::bills::{Desk, Stay};
use super::population::REGION;
use super::processor::used_us;

/// What one kind of message took, over all stays.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub messages: u64,
    pub elapsed: Duration,
    /// Of the server's processor, for each.
    pub server_ns: u64,
}

/// Stays on their way through a hospital.
#[derive(Debug)]
pub struct Hospital {
    address: SocketAddr,
    server: u32,
    connections: usize,
    patients: Vec<Patient>,
}

#[derive(Debug)]
struct Patient {
    stay: Stay,
    bill: Bill,
    psn_no: String,
    mdtrt_id: String,
}

impl Hospital {
    /// Who is treated: these stays of the desk.
    pub fn new(
        (address, server): (SocketAddr, u32),
        connections: usize,
        (desk, serials): (&Desk, std::ops::Range<u64>),
    ) -> Result<Hospital, anyhow::Error> {
        let patients = serials.map(|serial| {
            let stay = desk.stay(serial);
            let request = SettleRequest::decode(desk.settle(&stay)).context("read a request")?;
            let bill = request.bill.context("a request has a bill")?;
            Ok(Patient { stay, bill, psn_no: String::new(), mdtrt_id: String::new() })
        });
        let patients = patients.collect::<Result<_, anyhow::Error>>()?;
        Ok(Hospital { address, server, connections, patients })
    }

    /// Asks who they are (1101) and admits them (2401).
    pub async fn admit(&mut self) -> Result<(), anyhow::Error> {
        let asked: Vec<_> = self.patients.iter().map(Patient::who).collect();
        let (found, _) = self.send("1101", asked).await?;
        for (patient, output) in self.patients.iter_mut().zip(found) {
            patient.psn_no = text(&output, "/baseinfo/psn_no")?;
        }
        let asked: Vec<_> = self.patients.iter().map(Patient::admission).collect();
        let (admitted, _) = self.send("2401", asked).await?;
        for (patient, output) in self.patients.iter_mut().zip(admitted) {
            patient.mdtrt_id = text(&output, "/result/mdtrt_id")?;
        }
        Ok(())
    }

    /// Sends their charge lines (2301).
    pub async fn charge(&self) -> Result<Took, anyhow::Error> {
        Ok(self.send("2301", self.patients.iter().map(Patient::fees).collect()).await?.1)
    }

    /// Settles (2304).
    pub async fn settle(&self) -> Result<Took, anyhow::Error> {
        Ok(self.send("2304", self.patients.iter().map(Patient::settle).collect()).await?.1)
    }

    /// One message for each, all of which must be done; their outputs in order.
    async fn send(
        &self,
        infno: &str,
        inputs: Vec<Value>,
    ) -> Result<(Vec<Value>, Took), anyhow::Error> {
        let bodies = self.patients.iter().zip(inputs);
        let bodies: Vec<Bytes> =
            bodies.map(|(patient, input)| patient.envelope(infno, input)).collect();
        let mut senders = Vec::new();
        for _ in 0..self.connections {
            senders.push(connect(self.address).await?);
        }
        let answers = Rc::new(RefCell::new(vec![Bytes::new(); bodies.len()]));
        let (next, bodies) = (Rc::new(Cell::new(0)), Rc::new(bodies));
        let (before, began) = (used_us(self.server), Instant::now());
        let desks = senders.into_iter().map(|mut sender| {
            let (next, bodies, answers) =
                (Rc::clone(&next), Rc::clone(&bodies), Rc::clone(&answers));
            async move {
                loop {
                    let place: usize = next.get();
                    let Some(body) = bodies.get(place) else {
                        return Ok::<(), anyhow::Error>(());
                    };
                    next.set(place + 1);
                    let answer = post(&mut sender, body.clone()).await?;
                    if let Some(kept) = answers.borrow_mut().get_mut(place) {
                        *kept = answer;
                    }
                }
            }
        });
        try_join_all(desks).await?;
        let elapsed = began.elapsed();
        let messages = u64::try_from(bodies.len()).unwrap_or(u64::MAX);
        let server_ns = used_us(self.server).saturating_sub(before) * 1_000 / messages.max(1);
        let outputs: Result<Vec<Value>, anyhow::Error> =
            answers.borrow().iter().map(|answer| output(infno, answer)).collect();
        Ok((outputs?, Took { messages, elapsed, server_ns }))
    }
}

impl Patient {
    fn envelope(&self, infno: &str, input: Value) -> Bytes {
        // Of the stay's own numbers, so that no other message has it.
        let own = self.stay.request_id.get(2..).unwrap_or_default();
        let last = infno.get(1..).unwrap_or_default();
        let msgid: String = format!("{last}{own}").chars().take(30).collect();
        let envelope = json!({
            "infno": infno, "msgid": msgid, "mdtrtarea_admvs": REGION, "insuplc_admdvs": REGION,
            "recer_sys_code": "ONESTOP", "dev_no": "", "dev_safe_info": "", "cainfo": "", "signtype": "",
            "infver": "V1.0", "opter_type": "1", "opter": "desk-01", "opter_name": "收费员",
            "inf_time": "2024-06-30 09:30:00", "fixmedins_code": self.stay.hospital_code,
            "fixmedins_name": "医院", "sign_no": "", "input": input,
        });
        envelope.to_string().into()
    }

    fn who(&self) -> Value {
        let number = self.bill.credential.as_ref().map_or("", |shown| &shown.number);
        json!({"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": number}})
    }

    fn admission(&self) -> Value {
        json!({
            "mdtrtinfo": {"psn_no": self.psn_no, "insutype": "390", "mdtrt_cert_type": "02", "med_type": "21",
                "begntime": format!("{} 08:00:00", self.stay.admission), "ipt_no": "1", "coner_name": "", "tel": ""},
            "diseinfo": [{"diag_code": "J18.9", "diag_name": "肺炎", "maindiag_flag": "1", "diag_srt_no": "1"}],
        })
    }

    fn fees(&self) -> Value {
        let row = |line: &ChargeLine| {
            json!({
                "feedetl_sn": line.line_id, "mdtrt_id": self.mdtrt_id, "psn_no": self.psn_no, "med_type": "21",
                "fee_ocur_time": format!("{} 10:00:00", self.stay.discharge), "med_list_codg": line.item_code,
                "medins_list_codg": "X", "det_item_fee_sumamt": yuan(line.amount_fen), "cnt": line.quantity,
                "pric": line.unit_price,
            })
        };
        json!({"feedetail": self.bill.lines.iter().map(row).collect::<Vec<_>>()})
    }

    fn settle(&self) -> Value {
        json!({"data": {
            "psn_no": self.psn_no, "mdtrt_cert_type": "02", "mdtrt_cert_no": "x", "psn_setlway": "01",
            "medfee_sumamt": yuan(self.bill.total_fen), "mdtrt_id": self.mdtrt_id, "insutype": "390",
            "acct_used_flag": "0", "mid_setl_flag": "0", "dscgTime": self.stay.discharge.to_string(),
        }})
    }
}

fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, anyhow::Error> {
    let stream = TcpStream::connect(address).await.context("connect to the national door")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with its sender.
    tokio::task::spawn_local(async move { connection.await.ok() });
    Ok(sender)
}

async fn post(sender: &mut SendRequest<Full<Bytes>>, body: Bytes) -> Result<Bytes, anyhow::Error> {
    let request = Request::post("/fsi/api/service").header("host", "localhost");
    let request = request.header("content-type", "application/json").body(Full::new(body))?;
    sender.ready().await?;
    let answer = sender.send_request(request).await.context("send a message")?;
    Ok(answer.into_body().collect().await.context("read an answer")?.to_bytes())
}

/// What an answer gives, which must be that it is done.
fn output(infno: &str, answer: &[u8]) -> Result<Value, anyhow::Error> {
    let mut envelope: Value = serde_json::from_slice(answer).context("read an answer")?;
    let said = envelope.get("err_msg").and_then(Value::as_str).unwrap_or_default();
    let done = envelope.get("infcode").and_then(Value::as_i64) == Some(0);
    ensure!(done, "{infno} was refused: {said}");
    Ok(envelope.get_mut("output").map(Value::take).unwrap_or_default())
}

fn text(output: &Value, at: &str) -> Result<String, anyhow::Error> {
    let text = output.pointer(at).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("an answer has no {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_done_or_says_why_not() {
        let done = output("1101", br#"{"infcode": 0, "err_msg": "", "output": {"a": "b"}}"#);
        assert_eq!(text(&done.unwrap(), "/a").unwrap(), "b");
        let refused = output("2304", br#"{"infcode": -1, "err_msg": "[OS-ENV-004] why"}"#);
        assert!(refused.unwrap_err().to_string().contains("2304 was refused: [OS-ENV-004] why"));
        assert_eq!(yuan(100_005), "1000.05");
    }
}
