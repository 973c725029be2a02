//! The key files: made once, read only where nobody else could, and the envelope file changed as a whole or not at all.
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use super::envelope::Envelope;
use super::seal::{SALT_FILE, SEAL_FILE};
use super::{KEY_LEN, KeysError, random_bytes};

pub(super) const CREDENTIAL_FILE: &str = "credential.key";
pub(super) const ENVELOPE_FILE: &str = "envelope.keys";
pub(super) const QUOTE_FILE: &str = "quote.key";

/// A file that is to take another one's place ends so.
const MAKING: &str = "making";

/// Makes all keys in a new folder. Whole or not at all: the folder appears under its name once it is complete.
pub fn init(dir: &Path) -> Result<(), KeysError> {
    let dir = &std::path::absolute(dir).map_err(failed("resolve folder", dir))?;
    if let Some(repository) = dir.ancestors().find(|folder| folder.join(".git").exists()) {
        let repository = repository.to_path_buf();
        return Err(KeysError::InRepository { dir: dir.clone(), repository });
    }
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(KeysError::Exists(dir.clone()));
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(failed("make folder", parent))?;
    }
    let making = dir.with_extension(format!("making-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&making).map_err(failed("make folder", &making))?;
    let made = write_all(&making).and_then(|()| {
        // Takes the place of an empty folder, and of nothing else.
        fs::rename(&making, dir).map_err(|source| {
            if source.kind() == std::io::ErrorKind::DirectoryNotEmpty {
                KeysError::Exists(dir.clone())
            } else {
                failed("make folder", dir)(source)
            }
        })
    });
    if made.is_err() {
        // What is left of it holds keys that nothing was ever sealed with.
        fs::remove_dir_all(&making).map_err(failed("remove folder", &making))?;
    }
    made
}

/// Adds an envelope key, which seals from now on, and says its id. All that were there stay; servers that run notice it.
pub fn rotate(dir: &Path) -> Result<u32, KeysError> {
    let _folder = hold(dir)?;
    let (text, envelope) = read_envelope(dir)?;
    let newest = envelope.ids().into_iter().max();
    let id = newest.and_then(|id| id.checked_add(1)).ok_or(KeysError::NoIdLeft)?;
    let key = SecretBox::new(Box::new(random_bytes::<KEY_LEN>(&SystemRandom::new())?));
    let held = text.expose_secret().trim_end();
    let grown = format!("{held}\n{id} {}\n", BASE64.encode(key.expose_secret()));
    replace(dir, ENVELOPE_FILE, &SecretString::from(grown))?;
    Ok(id)
}

/// A key that is no longer in the file, for as long as it may have to be put back.
pub struct TakenOut {
    dir: PathBuf,
    pub(super) line: SecretString,
}

impl std::fmt::Debug for TakenOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TakenOut").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Takes an envelope key out of the file; never the one that seals. Whoever asks for it has seen that nothing is sealed by it.
pub fn take_out(dir: &Path, id: u32) -> Result<TakenOut, KeysError> {
    let _folder = hold(dir)?;
    let (text, envelope) = read_envelope(dir)?;
    if envelope.newest.id == id {
        return Err(KeysError::NewestKey(id));
    }
    if envelope.find(id).is_none() {
        return Err(KeysError::UnknownKey(id));
    }
    let is_it = |line: &str| line.split_once(' ').and_then(|(of, _)| of.parse().ok()) == Some(id);
    let of_lines = |it: bool| {
        let lines = text.expose_secret().lines().filter(|line| is_it(line) == it);
        SecretString::from(lines.map(|line| format!("{line}\n")).collect::<String>())
    };
    replace(dir, ENVELOPE_FILE, &of_lines(false))?;
    Ok(TakenOut { dir: dir.to_path_buf(), line: of_lines(true) })
}

impl TakenOut {
    /// Puts it back before all others, so that it opens and does not seal.
    pub fn put_back(self) -> Result<(), KeysError> {
        let Self { dir, line } = self;
        let _folder = hold(&dir)?;
        let (text, _) = read_envelope(&dir)?;
        let whole = format!("{}{}", line.expose_secret(), text.expose_secret());
        replace(&dir, ENVELOPE_FILE, &SecretString::from(whole))
    }
}

/// The envelope file's text, and its keys.
pub(super) fn read_envelope(dir: &Path) -> Result<(SecretString, Envelope), KeysError> {
    let path = dir.join(ENVELOPE_FILE);
    let text = read_guarded(&path)?;
    let envelope = Envelope::parse(&path, text.expose_secret())?;
    Ok((text, envelope))
}

/// Reads a key file, unless others could have read or changed it. A group may read: that is how an orchestrator mounts it.
pub(super) fn read_guarded(path: &Path) -> Result<SecretString, KeysError> {
    let found = fs::metadata(path).map_err(failed("find key file", path))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o037 != 0 {
        return Err(KeysError::Open { path: path.to_path_buf(), mode });
    }
    fs::read_to_string(path).map(SecretString::from).map_err(failed("read key file", path))
}

fn write_all(dir: &Path) -> Result<(), KeysError> {
    let all = [
        (CREDENTIAL_FILE, ""),
        (ENVELOPE_FILE, "1 "),
        (QUOTE_FILE, ""),
        (SALT_FILE, ""),
        (SEAL_FILE, "seed "),
    ];
    for (name, prefix) in all {
        write_key(dir, name, &fresh(prefix)?)?;
    }
    Ok(())
}

/// A line with a new key.
pub(super) fn fresh(prefix: &str) -> Result<SecretString, KeysError> {
    let key = SecretBox::new(Box::new(random_bytes::<KEY_LEN>(&SystemRandom::new())?));
    Ok(SecretString::from(format!("{prefix}{}\n", BASE64.encode(key.expose_secret()))))
}

/// Writes a key file that was not there.
pub(super) fn write_key(dir: &Path, name: &str, line: &SecretString) -> Result<(), KeysError> {
    let path = dir.join(name);
    write_new(&path, 0o600, line).map_err(failed("write key file", &path))?;
    Ok(())
}

/// Writes a file that was not there, down to the disk.
fn write_new(path: &Path, mode: u32, text: &SecretString) -> std::io::Result<fs::File> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

/// Puts another file in the place of the one that is there, at once. Whoever could read that one can read this one.
pub(super) fn replace(dir: &Path, name: &str, text: &SecretString) -> Result<(), KeysError> {
    let (path, making) = (dir.join(name), dir.join(format!("{name}.{MAKING}")));
    let before = fs::metadata(&path).map_err(failed("find key file", &path))?;
    match fs::remove_file(&making) {
        // Of a run that was killed: nothing was ever sealed with what only this file holds.
        Ok(()) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed("remove key file", &making)(source)),
    }
    let put = || {
        let mode = 0o600 | (before.permissions().mode() & 0o040);
        let file = write_new(&making, mode, text)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        fs::rename(&making, &path)?;
        fs::File::open(dir)?.sync_all()
    };
    let replaced = put().map_err(failed("replace key file", &path));
    if replaced.is_err() {
        fs::remove_file(&making).ok();
    }
    replaced
}

/// One change of the files at a time, until it is dropped.
pub(super) fn hold(dir: &Path) -> Result<fs::File, KeysError> {
    let folder = fs::File::open(dir).map_err(failed("open folder", dir))?;
    let held = rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive);
    held.map_err(|errno| failed("lock folder", dir)(errno.into()))?;
    Ok(folder)
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> KeysError + use<> {
    let path = path.to_path_buf();
    move |source| KeysError::File { doing, path: path.clone(), source }
}
