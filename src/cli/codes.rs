//! `onestop codes`: every code that a client can be told, in both languages, for people and for programs.
use anyhow::Context as _;
use clap::ValueEnum;

use super::{Failure, out};
use crate::door::codes::{self, Coded, Said};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How the list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// Markdown.
    Md,
    /// For programs.
    Csv,
}

const HEADER: [&str; 10] = [
    "code",
    "national",
    "said_of",
    "meaning_zh",
    "meaning_en",
    "done_zh",
    "done_en",
    "again_zh",
    "again_en",
    "again",
];

/// What holds for all of them.
const PREFACE: [(&str, &str); 4] = [
    (
        "gRPC 的 code 在 google.rpc.ErrorInfo 的 reason（错误）或 Declined 的 reason（不予结算）中；国家接口的错误码在 err_msg 开头的方括号中。",
        "By gRPC a code is the reason in google.rpc.ErrorInfo (an error) or in Declined (an answer); by the national door it stands in brackets in err_msg.",
    ),
    (
        "“未办理”只说本次：此前超时的一次可能已经办成，先按原编号查询。",
        "\"Nothing was done\" is said of this attempt: an earlier one that timed out may have been done; ask by the same id.",
    ),
    (
        "没有应答（超时、连接中断、没有 code 的错误）即结果未知：按原编号查询，或原样重发，切勿换号，也不要当作失败。",
        "No answer (a time-out, a cut connection, an error without a code) means an unknown outcome: ask by the same id, or send it again unchanged; \
         never under a new id, and never as if it had failed.",
    ),
    (
        "QUOTE_MOVED 在 gRPC 中是应答 QuoteMoved，附新的金额和凭据。",
        "QUOTE_MOVED is an answer by gRPC, QuoteMoved, with the amounts now and a new token.",
    ),
];

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let written = written(arguments.format).map_err(Failure::Other)?;
    out::line(written.trim_end());
    Ok(())
}

/// The whole list.
pub fn written(format: Format) -> Result<String, anyhow::Error> {
    let list = codes::list();
    match format {
        Format::Text => Ok(text(&list)),
        Format::Md => Ok(markdown(&list)),
        Format::Csv => csv(&list).context("write CSV"),
    }
}

fn text(list: &[Coded]) -> String {
    let mut text = String::new();
    for (zh, en) in PREFACE {
        text.push_str(&format!("{zh}\n{en}\n"));
    }
    for coded in list {
        let Coded { word, said, meaning: (zh, en), .. } = coded;
        let row = match said {
            Said::OfACall => "",
            Said::OfARow => "  （导入的一行 a row of an import）",
            Said::OfACommand => "  （本机命令或日志 a command at the machine, or the log）",
        };
        let national = national(coded);
        let (done, again) = (coded.done.texts(), coded.again.texts());
        text.push_str(&format!(
            "\n{word}  {national}{row}\n  {zh}\n  {en}\n  办理 done:  {} / {}\n  重发 again: {} / {}\n",
            done.0, done.1, again.0, again.1,
        ));
    }
    text
}

fn markdown(list: &[Coded]) -> String {
    let mut text = "# 错误码 · Error codes\n".to_owned();
    for (zh, en) in PREFACE {
        text.push_str(&format!("\n* {zh}\n  {en}"));
    }
    text.push_str("\n\n| code | 国家接口 national | 含义与处理 meaning | 办理 done | 重发 send again |\n|---|---|---|---|---|\n");
    for coded in list {
        let (zh, en) = coded.meaning;
        let (done, again) = (coded.done.texts(), coded.again.texts());
        text.push_str(&format!(
            "| `{}` | {} | {zh}<br>{en} | {}<br>{} | {}<br>{} |\n",
            coded.word,
            national(coded),
            done.0,
            done.1,
            again.0,
            again.1,
        ));
    }
    text
}

fn csv(list: &[Coded]) -> Result<String, anyhow::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for coded in list {
        let said = match coded.said {
            Said::OfACall => "call",
            Said::OfARow => "row",
            Said::OfACommand => "command",
        };
        let (zh, en) = coded.meaning;
        let (done, again) = (coded.done.texts(), coded.again.texts());
        let word = format!("{:?}", coded.again);
        let national = national(coded);
        let row = [coded.word, &national, said, zh, en, done.0, done.1, again.0, again.1, &word];
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn national(coded: &Coded) -> String {
    coded.national.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client;
    use crate::door::codes::{Again, Done};

    #[test]
    fn every_format_has_every_code_in_both_languages() {
        for format in [Format::Text, Format::Md, Format::Csv] {
            let written = written(format).unwrap();
            for coded in codes::list() {
                for part in [coded.word, coded.meaning.0, coded.meaning.1] {
                    let quoted = part.replace('"', "\"\"");
                    assert!(written.contains(part) || written.contains(&quoted), "{part}");
                }
                assert!(coded.national.iter().all(|code| written.contains(code.as_str())));
            }
        }
        assert!(written(Format::Text).unwrap().contains("BUSY  OS-SYS-001"));
    }

    /// What commands name stands in the list, and whatever else looks like a code in what they say.
    #[test]
    fn what_commands_name_is_in_the_list() {
        let said = [
            include_str!("../app/bundle.rs"),
            include_str!("../app.rs"),
            include_str!("../app/seal.rs"),
            include_str!("../app/seal/close.rs"),
            include_str!("../bundle/roots.rs"),
            include_str!("keys.rs"),
        ];
        let is_code = |word: &&str| {
            word.contains('_') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        let mut named: Vec<&str> = said
            .iter()
            .flat_map(|text| text.split('"'))
            .filter_map(|text| text.split_once(':').map(|(word, _)| word))
            .filter(is_code)
            .collect();
        named.sort_unstable();
        named.dedup();
        let commands = codes::list().into_iter().filter(|coded| coded.said == Said::OfACommand);
        let mut listed: Vec<&str> = commands.map(|coded| coded.word).collect();
        listed.sort_unstable();
        assert_eq!(named, listed);
    }

    /// Our own client goes by the same.
    #[test]
    fn what_our_client_sends_again_is_what_the_list_says() {
        let again: Vec<&str> = codes::list()
            .iter()
            .filter(|coded| coded.done == Done::Nothing && coded.again == Again::Unchanged)
            .map(|coded| coded.word)
            .collect();
        for word in client::NOTHING_DONE {
            assert!(again.contains(&word), "{word}");
        }
    }
}
