//! The binary. Everything is in the library, so that tests run the same code.
use std::process::ExitCode;

/// The system's allocator holds up settlements that run at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    onestop::cli::run()
}
