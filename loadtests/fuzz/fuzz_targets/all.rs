//! All fuzz targets in one program; `ONESTOP_FUZZ_TARGET` says which one it is.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use onestop::fuzz::{TARGETS, Target};

/// The target of this run; without one there is nothing to run, and that is said before anything is.
fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let wanted = std::env::var("ONESTOP_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(name, _)| *name == wanted);
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        let Some((_, target)) = found else {
            panic!("ONESTOP_FUZZ_TARGET must be one of {}", names.join(", "));
        };
        *target
    })
}

fuzz_target!(|bytes: &[u8]| target()(bytes));
