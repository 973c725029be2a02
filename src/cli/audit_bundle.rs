//! `onestop audit seal|roots|bundle|verify`: seals days, compares what is stored with what was sealed, and hands out and verifies evidence.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::civil::Date;

use super::database::on_database;
use super::progress::Progress;
use super::{Failure, out};
use crate::app::bundle::{BundleError, MonthOf, make_bundle, verify_bundle};
use crate::app::seal::{Check, Checked, Sealer, check_seals};
use crate::bundle::roots::{self, Roots};
use crate::bundle::verify::Verified;
use crate::config::Config;
use crate::domain::ids::RegionCode;
use crate::keys::{KeysError, SealKeys};
use crate::store::{self, Pool};

/// Something was altered, or does not verify.
const EXIT_DIFFERS: u8 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct SealArguments {
    /// Compares instead of sealing.
    #[arg(long)]
    check: bool,
    /// With --check: only this day; by default all.
    #[arg(long, value_name = "DATE", requires = "check")]
    day: Option<Date>,
    /// With --check: only this insured region; by default all.
    #[arg(long, value_name = "CODE", requires = "check", value_parser = region)]
    region: Option<RegionCode>,
    /// With --check: roots that were kept, as `onestop audit roots` prints them; by default those of the configuration.
    #[arg(long, value_name = "FILE", requires = "check")]
    roots: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct RootsArguments {
    /// Only of this insured region.
    #[arg(long, value_name = "CODE", value_parser = region)]
    region: Option<RegionCode>,
    /// From this day on.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Up to and with this day.
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
}

#[derive(Debug, clap::Args)]
pub(super) struct BundleArguments {
    /// Which month, such as 2026-10.
    #[arg(long, value_name = "MONTH", value_parser = month)]
    month: Date,
    /// Of which insured region.
    #[arg(long, value_name = "CODE", value_parser = region)]
    region: RegionCode,
    /// Where it is put. A file that is there is replaced once the bundle is whole.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take a month that is not over up to the last day that is closed.
    #[arg(long)]
    so_far: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArguments {
    /// The bundle.
    #[arg(value_name = "BUNDLE")]
    file: PathBuf,
    /// Roots that somebody else kept, as `onestop audit roots` prints them. Without them a bundle can only be seen to agree with itself.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// The bundle may end before the roots do: it was made before the month was over.
    #[arg(long, requires = "roots")]
    so_far: bool,
}

fn region(text: &str) -> Result<RegionCode, String> {
    RegionCode::new(text).ok_or_else(|| "six digits, such as 520200 六位数字".to_owned())
}

/// The first day of a month.
fn month(text: &str) -> Result<Date, String> {
    let first = format!("{text}-01").parse().ok().filter(|_| text.len() == 7);
    first.ok_or_else(|| "a month such as 2026-10 形如 2026-10 的月份".to_owned())
}

fn keys_of(config: &Config) -> Result<SealKeys, anyhow::Error> {
    let keys = SealKeys::load(&config.keys_dir).context("load the keys of seals")?;
    Ok(keys.ok_or_else(|| KeysError::NoSealKeys(config.keys_dir.clone()))?)
}

pub(super) fn seal(arguments: &SealArguments, config: &Config) -> Result<(), Failure> {
    let keys = keys_of(config)?;
    if arguments.check {
        return check(arguments, config, &keys);
    }
    let roots_file = config.seals.roots_file.clone();
    let (leaves, days) = super::block_on_database(on_database(config, async |pool: &Pool| {
        let mut sealer = Sealer::new(pool.clone(), Arc::new(keys), roots_file).by_database_clock();
        let progress = Progress::new("seal 封印", 0);
        let (mut leaves, mut days) = (0_usize, 0_usize);
        loop {
            let sealed = sealer.tick(&crate::app::now()).await?;
            anyhow::ensure!(
                !sealed.by_others,
                "a server seals at this moment; nothing is left to do here 服务正在封印"
            );
            leaves = leaves.saturating_add(sealed.leaves);
            days = days.saturating_add(sealed.days);
            progress.at(u64::try_from(leaves).unwrap_or(u64::MAX));
            if sealed.is_up_to_date {
                progress.clear();
                return Ok((leaves, days));
            }
        }
    }))?;
    out::line(&format!(
        "已封印 {leaves} 条，结束 {days} 个（地区×日）。\nSealed {leaves} leaves, closed {days} days of regions."
    ));
    Ok(())
}

fn check(arguments: &SealArguments, config: &Config, keys: &SealKeys) -> Result<(), Failure> {
    let file = arguments.roots.as_ref().or(config.seals.roots_file.as_ref());
    let roots = file.map(|file| read_roots(file)).transpose()?;
    let days = arguments.day.map_or((Date::MIN, Date::MAX), |day| (day, day));
    let check = Check { region: arguments.region, days, roots: roots.as_ref() };
    let checked = super::block_on_database(on_database(config, async |pool: &Pool| {
        let progress = Progress::new("check 核对", 0);
        let checked = check_seals(pool, keys, &check, &|leaves| progress.at(leaves)).await?;
        progress.clear();
        Ok(checked)
    }))?;
    let Checked { days, leaves, differences, differences_count } = checked;
    for difference in &differences {
        out::line(&difference.to_string());
    }
    let told = differences.len();
    if told < differences_count {
        out::line(&format!("… {} more 另有更多", differences_count.saturating_sub(told)));
    }
    let (against, against_en) = if roots.is_some() {
        ("并与外部保存的封印比对", "with")
    } else {
        ("未与外部保存的封印比对", "without")
    };
    out::line(&format!(
        "已核对 {days} 个（地区×日）、{leaves} 条（{against}），发现差异 {differences_count} 处。\n\
         Checked {days} days of regions, {leaves} leaves, {against_en} roots that are kept; {differences_count} differ.",
    ));
    if days == 0 {
        out::error("nothing is sealed of this region and these days 所选地区和日期没有封印");
        return Err(Failure::Answered(EXIT_DIFFERS));
    }
    if differences_count == 0 { Ok(()) } else { Err(Failure::Answered(EXIT_DIFFERS)) }
}

pub(super) fn roots(arguments: &RootsArguments, config: &Config) -> Result<(), Failure> {
    let days = (arguments.from.unwrap_or(Date::MIN), arguments.to.unwrap_or(Date::MAX));
    let heads = super::block_on_database(on_database(config, async |pool: &Pool| {
        store::final_heads(pool, arguments.region, days).await.context("read the heads")
    }))?;
    heads.iter().for_each(|signed| out::line(&roots::to_line(signed)));
    Ok(())
}

pub(super) fn bundle(arguments: &BundleArguments, config: &Config) -> Result<(), Failure> {
    let keys = keys_of(config)?;
    let BundleArguments { month, region, out: target, so_far } = arguments;
    let of = MonthOf { region: *region, month: *month, so_far: *so_far };
    let made = super::block_on_database(on_database(config, async |pool: &Pool| {
        let progress = LateProgress::new("bundle 证据包");
        let made = make_bundle((pool, &keys), of, target, &|at, all| progress.at(at, all)).await;
        progress.clear();
        Ok(made)
    }))?;
    match made {
        Ok(made) => {
            out::line(&format!(
                "证据包已写入 {0}：截至 {1}，{2} 条，其中结算与撤销 {3} 条、记账 {5} 条，{4} 字节。\n\
                 Wrote {0}: through {1}, {2} leaves, {3} of them settlements and reversals, {5} postings, {4} bytes.",
                target.display(),
                made.through,
                made.leaves,
                made.shown,
                made.bytes,
                made.postings
            ));
            Ok(())
        }
        Err(error @ (BundleError::NotSealed { .. } | BundleError::NotAsSealed { .. })) => {
            out::error(&error.to_string());
            Err(Failure::Answered(EXIT_DIFFERS))
        }
        Err(error) => Err(Failure::Other(error.into())),
    }
}

pub(super) fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let roots = arguments.roots.as_deref().map(read_roots).transpose()?;
    can_be_read(&arguments.file)?;
    let progress = LateProgress::new("verify 验证");
    let verified = verify_bundle(&arguments.file, roots.as_ref(), &|at, all| progress.at(at, all));
    progress.clear();
    match verified {
        Ok(verified) => {
            out::line(&said_of(&verified));
            if verified.roots_go_on_to.is_some() && !arguments.so_far {
                return Err(Failure::Answered(EXIT_DIFFERS));
            }
            Ok(())
        }
        Err(fault) => {
            out::line(&format!("不能验证 DOES NOT VERIFY: {fault}"));
            Err(Failure::Answered(EXIT_DIFFERS))
        }
    }
}

fn said_of(verified: &Verified) -> String {
    let Verified {
        region,
        month,
        through,
        days,
        leaves,
        settlements,
        reversals,
        reversals_of_others,
        postings,
        persons,
        links,
        totals_fen: [total, funds, patients],
        days_in_roots,
        roots_go_on_to,
        is_signer_known,
    } = verified;
    let mut against = match days_in_roots {
        None => "仅内部一致：未与他人保存的封印核对（--roots）。\n\
                 Self-consistent only: not compared with roots that somebody else keeps (--roots)."
            .to_owned(),
        Some(found) => format!(
            "与他人保存的封印一致（{found} 日）。\nIt agrees with the roots that somebody else keeps ({found} days)."
        ),
    };
    if let Some(last) = roots_go_on_to {
        against.push_str(&format!(
            "\n!! 不完整 INCOMPLETE: the bundle ends on {through}, the roots go on to {last}: what was sealed in between is not in it; \
             ask for the whole month (or --so-far) 证据包止于 {through}，而封印清单至 {last}：其间内容不在包内，请索取整月（或加 --so-far）"
        ));
    }
    if !is_signer_known {
        against.push_str(
            "\n注意 Note: the key that signed the manifest signed no head here or in the roots: it came later, or is a stranger's; what is \
             sealed is proven all the same, pseudonyms are not 清单签名密钥未签署过所见封印：密钥后来更换，或出自他人；封印内容仍得证，化名不得证",
        );
    }
    format!(
        "验证通过 VERIFIES: {region} {month}，截至 {through}\n\
         日 days {days} · 叶 leaves {leaves} · 结算 settlements {settlements} · 撤销 reversals {reversals}（跨月 of other months \
         {reversals_of_others}）· 记账 postings {postings} · 化名 pseudonyms {persons} · 衔接 links {links}\n\
         总额 total {} · 基金与其他 funds {} · 个人 patients {}\n{against}",
        yuan(*total),
        yuan(*funds),
        yuan(*patients),
    )
}

fn yuan(fen: i128) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

/// A file that can not be read says nothing of what is in it.
fn can_be_read(file: &Path) -> Result<(), Failure> {
    let opened = std::fs::File::open(file).and_then(|file| file.metadata());
    let why = match opened {
        Ok(of) if of.is_file() => return Ok(()),
        Ok(_) => "it is no file 不是文件".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Failure::Usage(format!("can not read {} 无法读取: {why}", file.display())))
}

fn read_roots(file: &Path) -> Result<Roots, Failure> {
    let roots = roots::read(file).context("read the roots that are kept")?;
    if roots.is_empty() {
        let file = file.display();
        return Err(Failure::Usage(format!("{file} holds no roots 文件中没有封印")));
    }
    Ok(roots)
}

/// Progress whose end is known once it has begun.
struct LateProgress {
    what: &'static str,
    progress: std::cell::OnceCell<Progress>,
}

impl LateProgress {
    const fn new(what: &'static str) -> Self {
        Self { what, progress: std::cell::OnceCell::new() }
    }

    fn at(&self, at: u64, all: u64) {
        self.progress.get_or_init(|| Progress::new(self.what, all)).at(at);
    }

    fn clear(&self) {
        if let Some(progress) = self.progress.get() {
            progress.clear();
        }
    }
}
