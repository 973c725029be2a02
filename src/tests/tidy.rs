//! The house rules as a test: arrows between modules, sizes, words that have one place, documents, SQL files.
use std::path::Path;

const LINES_MAX: usize = 700;

/// Who may name whom, beside itself. The path of a call goes down this list and never up:
/// main → cli → door → app → {store, core_link, rulebook, statement, keys} → domain. The server around the services knows none of them.
const ARROWS: &[(&str, &[&str])] = &[
    // Only in tests and in fuzz targets: every way in from outside.
    ("fuzz", &["cli", "server", "door", "app", "rulebook", "statement", "bundle", "domain"]),
    ("main", &["cli"]),
    (
        "cli",
        &[
            "server",
            "door",
            "app",
            "store",
            "core_link",
            "core_sim",
            "rulebook",
            "statement",
            "bundle",
            "keys",
            "domain",
            "config",
            "telemetry",
            "limits",
        ],
    ),
    ("server", &["config", "limits", "telemetry"]),
    // A door hashes a credential as it reads it, so that no identity number gets past it; and it adds its services to the
    // server, which knows no door.
    ("door", &["server", "app", "config", "keys", "domain", "limits", "telemetry"]),
    (
        "app",
        &[
            "store",
            "core_link",
            "rulebook",
            "statement",
            "bundle",
            "keys",
            "domain",
            "limits",
            "telemetry",
        ],
    ),
    // The edges never name each other: what one knows reaches another through `app`.
    ("store", &["domain", "limits"]),
    ("core_link", &["domain", "limits"]),
    // No part of the gateway: it stands for a core of somebody else's, and shares the contract with the link to it.
    ("core_sim", &["core_link", "rulebook", "domain", "limits"]),
    ("rulebook", &["domain", "limits"]),
    ("statement", &["domain", "limits"]),
    // What is handed to an auditor, and how it is verified without any of the others.
    ("bundle", &["domain", "limits"]),
    ("keys", &["domain", "limits"]),
    ("domain", &[]),
    ("config", &["limits"]),
    ("telemetry", &["config", "limits"]),
    ("limits", &[]),
];

/// A word, where alone it may stand (beginnings of paths), and what to write instead.
const BANNED: &[(&str, &[&str], &str)] = &[
    ("println!", &["build.rs"], "cli::out"),
    ("print!(", &[], "cli::out"),
    ("stdout()", &["src/cli/", "loadtests/"], "cli::out"),
    ("SystemTime::now", &["src/app", "loadtests/"], "the time, told by app"),
    // The client's own clock, for the date of a list that bears none.
    (
        "Timestamp::now",
        &["src/app", "src/cli/import.rs", "src/tests/", "loadtests/"],
        "the time, told by app",
    ),
    ("Zoned::now", &["src/app", "loadtests/"], "the time, told by app"),
    ("env::var", &["src/config.rs", "src/tests/", "build.rs", "loadtests/"], "a key of config"),
    ("unbounded_channel", &[], "a bounded channel, its size in limits"),
    ("#[ignore", &[], "a test that runs"),
    ("#[should_panic", &[], "a test that looks at the error"),
    ("#[allow(", &[], "#[expect(…, reason = …)]"),
    ("todo!(", &[], "the thing itself"),
    ("unsafe {", &[], "safe code"),
    ("usize::MAX)", &["src/domain/"], "a limit from limits"),
    // Faults that a client calls for are a sandbox's: no other server may have a way to them.
    (
        "sandbox::",
        &["src/cli/sandbox", "src/cli/mod.rs"],
        "nothing: what a sandbox does is for no other server",
    ),
    ("rehearsed(", &["src/door/", "src/cli/sandbox/"], "the error itself"),
];

/// In `domain` nothing waits, reads a clock, does I/O, or knows a wire format.
const BANNED_IN_DOMAIN: &[&str] = &[
    "tokio",
    "tonic",
    "prost",
    "tokio_postgres",
    "deadpool_postgres",
    "tracing",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::thread",
    "Instant",
    "SystemTime",
    "async fn",
    "f32",
    "f64",
];

/// A file of the repository: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

#[test]
fn the_house_is_tidy() {
    let sources = repository();
    assert!(sources.iter().any(|source| source.path == "src/domain/mod.rs"), "found the sources");
    let faults = faults(&sources);
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
}

fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        let extension = source.path.rsplit('.').next().unwrap_or_default();
        match extension {
            "rs" => {
                check_arrows(source, &mut faults);
                check_words(source, &mut faults);
                check_spans(source, &mut faults);
                check_opening(source, &mut faults);
                check_length(source, &mut faults);
            }
            "sql" => {
                check_used(source, sources, &mut faults);
                check_length(source, &mut faults);
            }
            "proto" => check_length(source, &mut faults),
            "md" => check_title(source, &mut faults),
            _ => {}
        }
    }
    faults
}

/// "src/store/sql/x.rs" belongs to "store", "src/main.rs" to "main".
fn module(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let module = rest.split('/').next()?.trim_end_matches(".rs");
    (module != "tests" && module != "lib").then_some(module)
}

fn check_arrows(source: &Source, faults: &mut Vec<String>) {
    let Some(module) = module(&source.path) else { return };
    let allowed = ARROWS.iter().find(|(from, _)| *from == module).map(|(_, to)| *to);
    let Some(allowed) = allowed else {
        faults.push(format!("{}: module {module} has no place in ARROWS", source.path));
        return;
    };
    let root = if module == "main" { "onestop::" } else { "crate::" };
    for (number, line) in code_lines(&source.text) {
        for named in names_after(line, root) {
            let known = ARROWS.iter().any(|(from, _)| *from == named);
            if known && named != module && !allowed.contains(&named) {
                let path = &source.path;
                faults.push(format!("{path}:{number}: {module} must not name {named}"));
            }
        }
    }
    if module == "domain" {
        for (number, line) in code_lines(&source.text) {
            for word in BANNED_IN_DOMAIN.iter().filter(|word| has_word(line, word)) {
                faults.push(format!("{}:{number}: {word} has no place in domain", source.path));
            }
        }
    }
}

/// Names right after `root`, grouped ones too: `crate::{app, store::x}`.
fn names_after<'line>(line: &'line str, root: &str) -> Vec<&'line str> {
    let name = |text: &'line str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    };
    let mut names = Vec::new();
    for (start, _) in line.match_indices(root) {
        let rest = &line[start + root.len()..];
        match rest.strip_prefix('{') {
            None => names.push(name(rest)),
            Some(group) => names.extend(group.split(',').map(|part| name(part.trim_start()))),
        }
    }
    names
}

fn check_words(source: &Source, faults: &mut Vec<String>) {
    // This file names them all.
    if source.path == "src/tests/tidy.rs" {
        return;
    }
    for (number, line) in code_lines(&source.text) {
        for (word, places, instead) in BANNED {
            let here = places.iter().any(|place| source.path.starts_with(place));
            if line.contains(word) && !here {
                let path = &source.path;
                faults.push(format!("{path}:{number}: instead of {word} write {instead}"));
            }
        }
    }
}

/// A span takes no arguments of its function by itself: they would print who somebody is.
fn check_spans(source: &Source, faults: &mut Vec<String>) {
    if module(&source.path).is_none() {
        return;
    }
    for (at, _) in source.text.match_indices("#[instrument") {
        let rest = &source.text[at..];
        let attribute = rest.split_once(")]").map_or(rest, |(attribute, _)| attribute);
        if !attribute.contains("skip_all") {
            let number = source.text[..at].lines().count() + 1;
            faults.push(format!("{}:{number}: #[instrument] without skip_all", source.path));
        }
    }
}

/// Every module says first what it is, the crate by its map; a `tests.rs` is what its parent is.
fn check_opening(source: &Source, faults: &mut Vec<String>) {
    let opens = ["//!", "#![doc = include_str!("].iter().any(|how| source.text.starts_with(how));
    if !source.path.ends_with("/tests.rs") && !opens {
        faults.push(format!("{}: does not open with //!", source.path));
    }
}

fn check_length(source: &Source, faults: &mut Vec<String>) {
    let lines = source.text.lines().count();
    if LINES_MAX < lines {
        faults.push(format!("{}: has {lines} lines, more than {LINES_MAX}", source.path));
    }
}

/// Exactly one title, on the first line.
fn check_title(source: &Source, faults: &mut Vec<String>) {
    let mut fenced = false;
    let mut titles = 0;
    for line in source.text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        titles += usize::from(!fenced && line.starts_with("# "));
    }
    if titles != 1 || !source.text.starts_with("# ") {
        faults.push(format!("{}: has {titles} titles; one, on the first line", source.path));
    }
}

/// A statement that nobody runs is not tested by anybody. Migrations are embedded by their folder.
fn check_used(source: &Source, sources: &[Source], faults: &mut Vec<String>) {
    let (folder, name) = source.path.rsplit_once('/').unwrap_or_default();
    let used = sources.iter().filter(|user| user.path.ends_with(".rs")).any(|user| {
        user.text.contains(&format!("{name}\""))
            || user.text.contains(&format!("embed_migrations!(\"{folder}\")"))
    });
    if !used {
        faults.push(format!("{}: nothing includes it", source.path));
    }
}

/// Lines that are not wholly comment, numbered from one.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn repository() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    collect(root, root, &mut sources);
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "data"].contains(&name) {
                collect(root, &path, sources);
            }
        } else if [".rs", ".sql", ".proto", ".md"].iter().any(|end| name.ends_with(end)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path, text });
        }
    }
}

/// The checks themselves: each line of `files` is a path and a text, and `want` is what is found.
fn check(files: &[(&str, &str)], want: &[&str]) {
    let sources: Vec<_> = files
        .iter()
        .map(|(path, text)| Source { path: (*path).to_owned(), text: (*text).to_owned() })
        .collect();
    assert_eq!(faults(&sources), want);
}

#[test]
fn an_arrow_upwards_or_sideways_is_found() {
    check(&[("src/app/settle.rs", "//! x\nuse crate::store::Pool;\nuse crate::domain::Fen;")], &[]);
    check(&[("src/cli/serve.rs", "//! x\nuse crate::{door, store::Pool};")], &[]);
    check(
        &[("src/store/pool.rs", "//! x\nuse crate::{domain::Fen, rulebook};\n// crate::app::x")],
        &["src/store/pool.rs:2: store must not name rulebook"],
    );
    check(
        &[("src/app.rs", "//! x\nlet x = crate::door::wire::settlement::v1::Bill::default();")],
        &["src/app.rs:2: app must not name door"],
    );
    check(
        &[("src/domain/bill.rs", "//! x\nuse crate::limits;\nuse std::fs;\nfn f(tonicity: u8) {}")],
        &[
            "src/domain/bill.rs:2: domain must not name limits",
            "src/domain/bill.rs:3: std::fs has no place in domain",
        ],
    );
    check(
        &[("src/main.rs", "//! x\nonestop::cli::run();\nonestop::store::x();")],
        &["src/main.rs:3: main must not name store"],
    );
    check(&[("src/new.rs", "//! x")], &["src/new.rs: module new has no place in ARROWS"]);
}

#[test]
fn a_word_out_of_its_place_is_found() {
    check(&[("src/config.rs", "//! x\nstd::env::vars_os()"), ("src/config/tests.rs", "")], &[]);
    check(
        &[("src/app.rs", "//! x\nlet x = std::env::var(\"X\");\nTimestamp::now();\n// println!")],
        &["src/app.rs:2: instead of env::var write a key of config"],
    );
    check(
        &[
            ("src/cli/serve.rs", "//! x\nuse super::sandbox::faults;"),
            ("src/cli/sandbox/front.rs", "//! x\nrehearsed(x)"),
        ],
        &[
            "src/cli/serve.rs:2: instead of sandbox:: write nothing: what a sandbox does is for no other server",
        ],
    );
    check(
        &[("src/store/x.rs", "//! x\n    Timestamp::now();\n    println!(\"x\");")],
        &[
            "src/store/x.rs:2: instead of Timestamp::now write the time, told by app",
            "src/store/x.rs:3: instead of println! write cli::out",
        ],
    );
}

#[test]
fn a_span_that_would_print_its_arguments_is_found() {
    let skipping =
        "//! x\n#[instrument(\n    name = \"settle\",\n    skip_all,\n)]\nasync fn f() {}";
    check(&[("src/app/settle.rs", skipping)], &[]);
    check(
        &[("src/app/settle.rs", "//! x\n#[instrument(name = \"settle\")]\nasync fn f(x: Bill) {}")],
        &["src/app/settle.rs:2: #[instrument] without skip_all"],
    );
}

#[test]
fn long_untitled_and_unused_files_are_found() {
    let long = "//! x\n".repeat(LINES_MAX + 1);
    check(&[("src/keys.rs", &long)], &["src/keys.rs: has 701 lines, more than 700"]);
    check(&[("src/keys.rs", "fn f() {}")], &["src/keys.rs: does not open with //!"]);
    check(&[("README.md", "# One\n```\n# comment\n```\n## Two")], &[]);
    check(&[("a.md", "# One\n# Two")], &["a.md: has 2 titles; one, on the first line"]);
    check(&[("a.md", "text")], &["a.md: has 0 titles; one, on the first line"]);
    let used =
        "//! x\nconst A: &str = include_str!(\"sql/a.sql\");\nembed_migrations!(\"src/store/m\");";
    let files =
        [("src/store/x.rs", used), ("src/store/sql/a.sql", ""), ("src/store/m/V1__a.sql", "")];
    check(&files, &[]);
    check(&[("src/store/sql/b.sql", "")], &["src/store/sql/b.sql: nothing includes it"]);
}
