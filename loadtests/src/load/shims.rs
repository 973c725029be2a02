//! Small libraries that are loaded before others, so that a disk is slower, or a clock steps, for one process alone.
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Delays each sync of a file by 2 ms, as a slow disk does.
pub const SLOW_SYNC: &str = include_str!("slow_sync.c");

/// Reads by how many seconds the clock is off from a file, of which each process maps the first eight bytes.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long *offset_s;
__attribute__((constructor)) static void find(void) {
    const char *name = getenv("CLOCK_STEP_FILE");
    int file = name ? open(name, O_RDONLY) : -1;
    if (file < 0) return;
    void *map = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) offset_s = map;
    close(file);
}
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (!result && clock == CLOCK_REALTIME && offset_s) time->tv_sec += *offset_s;
    return result;
}
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    if (!result) { time->tv_sec = now.tv_sec; time->tv_usec = now.tv_nsec / 1000; }
    (void)zone;
    return result;
}
"#;

/// A clock that can be set, for processes that load its library.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    object: PathBuf,
}

impl Clock {
    /// Makes one in a folder; it is right until it is set.
    pub fn make(folder: &Path) -> Result<Clock, anyhow::Error> {
        let object = build(folder, "clock_step", CLOCK)?;
        let clock = Clock { file: folder.join("clock_step"), object };
        fs::File::create(&clock.file).context("make the clock's file")?;
        clock.set(0)?;
        Ok(clock)
    }

    /// From now on it is off by so many seconds.
    pub fn set(&self, seconds: i64) -> Result<(), anyhow::Error> {
        let file =
            fs::File::options().write(true).open(&self.file).context("open the clock's file")?;
        file.write_all_at(&seconds.to_ne_bytes(), 0).context("set the clock")
    }

    /// What a process is told so that it goes by it.
    pub fn settings(&self) -> [(String, String); 2] {
        [("LD_PRELOAD", &self.object), ("CLOCK_STEP_FILE", &self.file)]
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
    }
}

/// Compiles a library.
pub fn build(folder: &Path, name: &str, source: &str) -> Result<PathBuf, anyhow::Error> {
    let (file, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    fs::write(&file, source).context("write the library")?;
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&library, &file])
        .arg("-ldl")
        .output()
        .context("run cc")?;
    ensure!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
    Ok(library)
}
