//! What the cluster needs of the machine: programs, a user, folders, processes.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ClusterError;

const LOG_TAIL_LINES: usize = 20;

/// The folder with `initdb` and `postgres`.
pub(super) struct Programs {
    pub(super) folder: PathBuf,
}

/// Whom PostgreSQL runs as; it refuses to run as root.
#[derive(Debug)]
pub(super) struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl Programs {
    /// The newest release found; for existing data, the release that wrote them.
    pub(super) fn find(more: &[PathBuf], data: &Path) -> Result<Programs, ClusterError> {
        let release = fs::read_to_string(data.join("PG_VERSION"));
        let release = release.map(|text| text.trim().to_owned()).ok();
        let mut candidates = Vec::new();
        for parent in ["/usr/lib/postgresql", "/usr", "/usr/local"] {
            candidates.extend(releases(Path::new(parent)));
        }
        candidates.extend(more.iter().cloned());
        candidates
            .extend(["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        let fits = |folder: &PathBuf| {
            folder.join("initdb").exists()
                && folder.join("postgres").exists()
                && release
                    .as_ref()
                    .is_none_or(|release| release_of(folder).as_ref() == Some(release))
        };
        match candidates.iter().find(|folder| fits(folder)) {
            Some(folder) => Ok(Programs { folder: folder.clone() }),
            None => Err(ClusterError::NoPrograms {
                wanted: release
                    .map_or_else(String::new, |release| format!(" of release {release}")),
                looked: "/usr/lib/postgresql/*/bin, PATH and the usual folders".to_owned(),
            }),
        }
    }
}

impl User {
    /// `None` unless we are root. Otherwise who owns the data, else `postgres`, else `nobody`.
    pub(super) fn choose(data: &Path) -> Result<Option<User>, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find = |fits: &dyn Fn(&User) -> bool| users.lines().filter_map(User::parse).find(fits);
        let owner = fs::metadata(data).ok().map(|data| data.uid());
        owner
            .and_then(|owner| find(&|user| user.uid == owner && user.uid != 0))
            .or_else(|| find(&|user| user.name == "postgres"))
            .or_else(|| find(&|user| user.name == "nobody"))
            .map(Some)
            .ok_or(ClusterError::NoUser)
    }

    /// "postgres:x:101:104:…".
    fn parse(line: &str) -> Option<User> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(User { name, uid, gid })
    }
}

/// A program with an environment of its own, as another user where given.
pub(super) fn command(program: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.current_dir("/").stdin(Stdio::null());
    if let Some(User { uid, gid, .. }) = user {
        // The standard library drops root's other groups itself.
        command.gid(*gid).uid(*uid);
    }
    command
}

/// Makes the folder and gives it its one true name, by which `/proc` will know it.
pub(super) fn make_folder(folder: &Path) -> Result<PathBuf, ClusterError> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(at("make folder", parent))?;
    }
    make_private(folder, None)?;
    folder.canonicalize().map_err(at("resolve folder", folder))
}

/// Makes a folder that only its owner can enter.
pub(super) fn make_private(folder: &Path, user: Option<&User>) -> Result<(), ClusterError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(at("make folder", folder)(error));
        }
        Ok(()) | Err(_) => {}
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(at("close folder", folder))?;
    match user {
        Some(user) => hand_over(folder, user),
        None => Ok(()),
    }
}

pub(super) fn hand_over(folder: &Path, user: &User) -> Result<(), ClusterError> {
    chown(folder, Some(user.uid), Some(user.gid)).map_err(at("hand over folder", folder))
}

/// Every folder above must let the user pass.
pub(super) fn check_reachable(folder: &Path, user: &User) -> Result<(), ClusterError> {
    for ancestor in folder.ancestors().skip(1) {
        let found = fs::metadata(ancestor).map_err(at("look at folder", ancestor))?;
        let may_pass = if found.uid() == user.uid {
            0o100
        } else if found.gid() == user.gid {
            0o010
        } else {
            0o001
        };
        if found.mode() & may_pass == 0 {
            return Err(ClusterError::Unreachable {
                user: user.name.clone(),
                folder: folder.to_path_buf(),
                ancestor: ancestor.to_path_buf(),
            });
        }
    }
    Ok(())
}

/// Held by the system until we end, however we end.
pub(super) fn lock(folder: &Path) -> Result<File, ClusterError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(at("open lock", &path))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ClusterError::Taken(folder.to_path_buf())),
        Err(error) => Err(at("lock", &path)(error.into())),
    }
}

/// An empty log; the one before is kept beside it.
pub(super) fn fresh_log(path: &Path) -> Result<File, ClusterError> {
    if path.exists() {
        let before = path.with_extension("log.1");
        fs::rename(path, &before).map_err(at("keep log", path))?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(at("open log", path))
}

/// The last lines of a log.
pub(super) fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<_> = text.lines().rev().take(LOG_TAIL_LINES).collect();
    lines.reverse();
    lines.join("\n")
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), ClusterError> {
    gone(fs::remove_file(path)).map_err(at("remove", path))
}

pub(super) fn remove_folder_if_there(path: &Path) -> Result<(), ClusterError> {
    gone(fs::remove_dir_all(path)).map_err(at("remove", path))
}

/// All process ids that we can see.
pub(super) fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether the process works in the folder. Every process of PostgreSQL does, in its data folder; a zombie works nowhere.
pub(super) fn works_in(pid: i32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(()) | Err(_) => removed,
    }
}

/// `parent/15/bin` and `parent/pgsql-15/bin`, newest first.
fn releases(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let release = name.to_str()?.trim_start_matches("pgsql-").parse().ok()?;
            Some((release, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// "postgres (PostgreSQL) 15.18 (Debian …)" gives "15".
fn release_of(folder: &Path) -> Option<String> {
    let output = command(&folder.join("postgres"), None).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    Some(version.split('.').next()?.to_owned())
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ClusterError {
    let path = path.to_path_buf();
    move |source| ClusterError::Folder { doing, path, source }
}

/// How much memory there is for us: the machine's, or what a container is given.
pub(super) fn memory_mib() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let given = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let given = given.and_then(|text| text.trim().parse::<u64>().ok());
    Some((kib / 1_024).min(given.map_or(u64::MAX, |bytes| bytes >> 20)))
}
