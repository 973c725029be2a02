//! The file of roots: one line of JSON for each final head, kept by whoever wants to know one day that nothing was altered.
//!
//! It only grows. A line is exactly what writing its head would give; anything else is no line.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::text::{hex, unhex};
use crate::domain::ids::RegionCode;
use crate::domain::seal::head::{Head, SignedHead, key_id};

/// What every line begins to say.
const FORMAT: &str = "onestop-seal-head-v1";

/// A head as a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: String,
    region: String,
    day: Date,
    leaves: u64,
    root: String,
    previous: String,
    sealed_at: String,
    key_id: String,
    public_key: String,
    signature: String,
    head: String,
}

/// What is wrong with a file of roots.
#[derive(Debug, thiserror::Error)]
pub enum RootsFault {
    /// It can not be read or written.
    #[error("{doing} the roots in {}", .path.display())]
    File {
        /// What was done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A line that is none.
    #[error("read the roots in {}, line {line}: it is not a signed head 该行不是有效的封印", .path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// Two heads of one day.
    #[error(
        "ROOTS_DIFFER: of region {region}, {day} another head was published than the one that is here 参保地 {region} {day} 已公布的封印与此处的不同"
    )]
    Differs {
        /// Of which region.
        region: RegionCode,
        /// Of which day.
        day: Date,
    },
}

/// The heads of a file, by region and day.
pub type Roots = BTreeMap<(RegionCode, Date), SignedHead>;

/// A final head as a line, without its end.
pub fn to_line(signed: &SignedHead) -> String {
    let SignedHead { head, public_key, signature } = signed;
    let line = Line {
        format: FORMAT.to_owned(),
        region: head.region.to_string(),
        day: head.day,
        leaves: head.leaves,
        root: hex(&head.root),
        previous: hex(&head.previous),
        sealed_at: head.sealed_at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        key_id: hex(&head.key),
        public_key: hex(public_key),
        signature: hex(signature),
        head: hex(&head.hash()),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The final head of a line; nothing where it is not what writing would give. Whether it is signed is not looked at.
pub fn from_line(text: &str) -> Option<SignedHead> {
    let line: Line = serde_json::from_str(text).ok()?;
    let public_key = unhex(&line.public_key)?;
    let head = Head {
        is_final: true,
        region: RegionCode::new(&line.region)?,
        day: line.day,
        leaves: line.leaves,
        root: unhex(&line.root)?,
        previous: unhex(&line.previous)?,
        sealed_at: line.sealed_at.parse::<Timestamp>().ok()?,
        key: key_id(&public_key),
    };
    let signed = SignedHead { head, public_key, signature: unhex(&line.signature)? };
    (to_line(&signed) == text).then_some(signed)
}

/// Did the key that a head names sign it?
pub fn is_signed(signed: &SignedHead) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, signed.public_key.as_slice());
    signed.head.key == key_id(&signed.public_key)
        && key.verify(&signed.head.to_bytes(), &signed.signature).is_ok()
}

/// Reads a file of roots: every line a signed head, and no two of one day that differ.
pub fn read(path: &Path) -> Result<Roots, RootsFault> {
    let file = File::open(path).map_err(failed("open", path))?;
    let mut roots = Roots::new();
    for (text, number) in BufReader::new(file).lines().zip(1..) {
        let text = text.map_err(failed("read", path))?;
        let bad = || RootsFault::Line { path: path.to_path_buf(), line: number };
        let signed = from_line(&text).filter(is_signed).ok_or_else(bad)?;
        let (region, day) = (signed.head.region, signed.head.day);
        let hash = signed.head.hash();
        let before = roots.insert((region, day), signed);
        if before.is_some_and(|before| before.head.hash() != hash) {
            return Err(RootsFault::Differs { region, day });
        }
    }
    Ok(roots)
}

/// Adds the heads that are not in the file, down to the disk; says how many. The file is made where there is none. What a writer that was
/// killed left of its last line is taken away first.
pub fn publish(path: &Path, heads: &[SignedHead]) -> Result<usize, RootsFault> {
    let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
    let mut file = opened.map_err(failed("open", path))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|errno| failed("lock", path)(errno.into()))?;
    cut_half_line(&mut file).map_err(failed("mend", path))?;
    let known = read(path)?;
    let mut text = String::new();
    let mut added = 0_usize;
    for signed in heads {
        let (region, day) = (signed.head.region, signed.head.day);
        match known.get(&(region, day)) {
            Some(before) if before.head.hash() == signed.head.hash() => {}
            Some(_) => return Err(RootsFault::Differs { region, day }),
            None => {
                text.push_str(&to_line(signed));
                text.push('\n');
                added = added.saturating_add(1);
            }
        }
    }
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(failed("add to", path))?;
    Ok(added)
}

fn cut_half_line(file: &mut File) -> std::io::Result<()> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    if whole < text.len() {
        file.set_len(u64::try_from(whole).unwrap_or(0))?;
    }
    Ok(())
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> RootsFault + use<> {
    let path = path.to_path_buf();
    move |source| RootsFault::File { doing, path: path.clone(), source }
}
