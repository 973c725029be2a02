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
use crate::store::trueup::{
    Corrected, StuckTrueUp, corrections, retry_stuck_true_ups, stuck_true_ups, true_up_counts,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Says how much the core does not have yet, and since when.
    Status(Printed),
    /// Lists what the core refused, with how much waits behind each, and what it booked more than once.
    Dead(Printed),
    /// Has what the core refused sent again, once its cause is mended: one settlement, or all.
    Replay {
        /// The settlement.
        #[arg(required_unless_present_any = ["all", "trueups"], conflicts_with_all = ["all", "trueups"])]
        settlement: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with = "trueups")]
        all: bool,
        /// Not those, but true-ups that are stuck.
        #[arg(long)]
        trueups: bool,
    },
    /// Lists what was trued up: what a hospital has to collect or pay back, and for which stay.
    Trueups {
        /// Of this hospital alone.
        #[arg(long, value_name = "CODE")]
        hospital: Option<String>,
        /// From this day on, such as 2024-06-30.
        #[arg(long, value_name = "DATE", conflicts_with = "stuck")]
        from: Option<Date>,
        /// Not those, but what can not be trued up until somebody looks at it.
        #[arg(long, conflicts_with = "hospital")]
        stuck: bool,
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
            more(letters.len());
        }
        Command::Replay { trueups: true, .. } => {
            let again = super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(retry_stuck_true_ups(pool, app::now().at).await?)
            }))?;
            out::line(&format!("{again} 笔将重新核对 will be trued up again"));
        }
        Command::Replay { settlement, .. } => {
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
        Command::Trueups { stuck: true, printed, .. } => {
            let most = limits::DEAD_LETTERS_LISTED_MAX;
            let listed = super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(stuck_true_ups(pool, most).await?)
            }))?;
            stuck(&listed, printed.format);
            more(listed.len());
        }
        Command::Trueups { hospital, from, stuck: _, printed } => {
            let unfit = || Failure::Usage("not a hospital code 不是定点医药机构编号".to_owned());
            let hospital =
                hospital.map(|code| HospitalCode::new(&code).ok_or_else(unfit)).transpose()?;
            let from = from.and_then(app::shanghai_day_start).unwrap_or(Timestamp::UNIX_EPOCH);
            let most = limits::DEAD_LETTERS_LISTED_MAX;
            let corrected = super::block_on_database(on_database(&config, async |pool: &Pool| {
                Ok(corrections(pool, hospital.as_ref(), (from, None), most).await?)
            }))?;
            trued_up(&corrected, printed.format);
            more(corrected.len());
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

/// Says on the error stream that a list was cut.
fn more(listed: usize) {
    if limits::DEAD_LETTERS_LISTED_MAX <= listed {
        out::error(&format!("只列出前 {listed} 条 only the first {listed} are listed"));
    }
}

fn stuck(listed: &[StuckTrueUp], format: Format) {
    if format == Format::Text {
        out::line("结算编号 settlement\t医院 hospital\t就诊 stay\t原因 code\t时间 since");
    }
    for StuckTrueUp { settlement, hospital, stay, code, since } in listed {
        let since = time(*since);
        match format {
            Format::Text => {
                out::line(&format!("{settlement}\t{hospital}\t{stay}\t{code}\t{since}"));
            }
            Format::Json => out::line(
                &json!({
                    "settlementId": settlement.as_str(), "hospitalCode": hospital.as_str(),
                    "stayId": stay.as_str(), "code": code, "since": since,
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
