//! `onestop core`: how far the insurance core is behind, what it refused, and what was trued up. At the machine itself; it works on the
//! database beside servers.
use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::database::on_database;
use super::{Failure, out};
use crate::app::{self, shanghai};
use crate::config::Config;
use crate::domain::ids::{HospitalCode, SettlementId};
use crate::limits;
use crate::store::Pool;
use crate::store::feed::{Feed, feed};
use crate::store::outbox::{DeadLetter, Lag, dead_letters, delivery_lag, replay_dead};
use crate::store::trueup::{Corrected, corrections, true_up_counts};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Says how much the core does not have yet, and since when.
    Status(Printed),
    /// Lists what the core refused, and how much waits behind each.
    Dead(Printed),
    /// Has what the core refused sent again, once its cause is mended: one settlement, or all.
    Replay {
        /// The settlement.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        settlement: Option<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
    /// Lists what was trued up: what a hospital has to collect or pay back, and for which stay.
    Trueups {
        /// Of this hospital alone.
        #[arg(long, value_name = "CODE")]
        hospital: Option<String>,
        /// From this day on, such as 2024-06-30.
        #[arg(long, value_name = "DATE")]
        from: Option<Date>,
        #[command(flatten)]
        printed: Printed,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Printed {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(
    command: Command,
    configured: impl FnOnce() -> Result<Config, Failure>,
) -> Result<(), Failure> {
    let config = configured()?;
    match command {
        Command::Status(printed) => {
            let (lag, true_ups, feed) =
                super::block_on_database(on_database(&config, async |pool: &Pool| {
                    Ok((delivery_lag(pool).await?, true_up_counts(pool).await?, feed(pool).await?))
                }))?;
            status(&lag, (&true_ups, &feed), printed.format);
        }
        Command::Dead(printed) => {
            let most = limits::DEAD_LETTERS_LISTED_MAX;
            let letters = super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(dead_letters(pool, most).await?)
            }))?;
            dead(&letters, printed.format);
        }
        Command::Replay { settlement, all: _ } => {
            let unfit = || Failure::Usage("not a settlement id 不是结算编号".to_owned());
            let settlement =
                settlement.map(|id| SettlementId::new(&id).ok_or_else(unfit)).transpose()?;
            let again = super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(replay_dead(pool, settlement.as_ref(), app::now().at).await?)
            }))?;
            out::line(&format!("{again} 条将重新发送 will be sent again"));
            if again == 0 && settlement.is_some() {
                return Err(Failure::Answered(super::EXIT_FAILED));
            }
        }
        Command::Trueups { hospital, from, printed } => {
            let unfit = || Failure::Usage("not a hospital code 不是定点医药机构编号".to_owned());
            let hospital =
                hospital.map(|code| HospitalCode::new(&code).ok_or_else(unfit)).transpose()?;
            let from = from.and_then(app::shanghai_day_start).unwrap_or(Timestamp::UNIX_EPOCH);
            let most = limits::DEAD_LETTERS_LISTED_MAX;
            let corrected = super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(corrections(pool, hospital.as_ref(), (from, None), most).await?)
            }))?;
            trued_up(&corrected, printed.format);
        }
    }
    Ok(())
}

fn time(at: Timestamp) -> String {
    shanghai(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn status(lag: &[Lag], (true_ups, feed): (&[(String, u64)], &Feed), format: Format) {
    let oldest = |of: &Lag| of.oldest_at.map(time);
    match format {
        Format::Text => {
            out::line("状态 state\t条数 entries\t最早记录 oldest");
            for of in lag.iter().filter(|of| 0 < of.entries) {
                let oldest = oldest(of).unwrap_or_default();
                out::line(&format!("{}\t{}\t{oldest}", of.state, of.entries));
            }
            for (state, count) in true_ups {
                out::line(&format!("核对 true-up {state}\t{count}\t"));
            }
            let Feed { cursor, told, rejected, .. } = feed;
            out::line(&format!("变更 changes\t{told}\t{cursor}"));
            out::line(&format!("变更未收 changes rejected\t{rejected}\t"));
        }
        Format::Json => {
            let lag = lag.iter().map(
                |of| json!({"state": of.state, "entries": of.entries, "oldestAt": oldest(of)}),
            );
            let counts = true_ups.iter().map(|(state, count)| (state.clone(), json!(count)));
            let counts: serde_json::Map<_, _> = counts.collect();
            let told = json!({
                "delivery": lag.collect::<Vec<_>>(), "trueUps": counts,
                "changes": {"cursor": feed.cursor, "told": feed.told, "rejected": feed.rejected,
                    "changedAt": feed.changed_at.map(time)},
            });
            out::line(&told.to_string());
        }
    }
}

fn dead(letters: &[DeadLetter], format: Format) {
    if format == Format::Text {
        out::line(
            "结算编号 settlement\t医院 hospital\t报文 request\t原因 code\t次数 attempts\t时间 refused at\t其后等待 held",
        );
    }
    for letter in letters {
        let DeadLetter { key, hospital, request, attempts, refused_at, code, held } = letter;
        let (settlement, at) = (&key.settlement, time(*refused_at));
        match format {
            Format::Text => out::line(&format!(
                "{settlement}\t{hospital}\t{request}\t{code}\t{attempts}\t{at}\t{held}"
            )),
            Format::Json => out::line(
                &json!({
                    "settlementId": settlement.as_str(), "hospitalCode": hospital.as_str(),
                    "requestId": request.as_str(), "code": code, "attempts": attempts,
                    "refusedAt": at, "held": held,
                })
                .to_string(),
            ),
        }
    }
}

fn trued_up(corrected: &[Corrected], format: Format) {
    if format == Format::Text {
        out::line(
            "时间 at\t医院 hospital\t就诊 stay\t原结算 was\t新结算 is\t患者补收(+)退还(-) patient\t基金增减 funds",
        );
    }
    for one in corrected {
        let at = time(one.corrected_at);
        match format {
            Format::Text => out::line(&format!(
                "{at}\t{}\t{}\t{}\t{}\t{}\t{}",
                one.hospital, one.stay, one.original, one.new, one.patient_collect, one.fund_more
            )),
            Format::Json => out::line(
                &json!({
                    "correctedAt": at, "hospitalCode": one.hospital.as_str(),
                    "stayId": one.stay.as_str(), "dischargeDate": one.discharge.to_string(),
                    "personId": one.person.get().to_string(),
                    "settlementId": one.original.as_str(),
                    "reversalSettlementId": one.reversal.as_str(),
                    "newSettlementId": one.new.as_str(),
                    "becauseOfSettlementId": one.because_of.as_str(),
                    "patientCollectFen": one.patient_collect.get(),
                    "fundMoreFen": one.fund_more.get(),
                })
                .to_string(),
            ),
        }
    }
}
