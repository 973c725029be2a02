//! Every fault has its line, its clause and its message; what is good comes back from its canonical form.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::explain::{Language, explain};
use super::fault::Fault;
use super::load::{load, load_file, package_files};
use super::lock::Lock;
use super::parse::{parse, parse_canonical};
use super::{Reload, RuleBook, cases, shapes};
use crate::domain::cascade::Traced;
use crate::domain::rules::check::{check, set::check_set};
use crate::domain::rules::{ClauseId, Grade, Package};
use crate::domain::verdict::{Action, Step, Verdict};
use jiff::civil::date;

const GOOD: &str = include_str!("tests/good.toml");

fn rules_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("settlement-rules")
}

fn package(text: &str) -> Package {
    let (parsed, faults) = parse("p.toml", text);
    parsed.unwrap_or_else(|| panic!("{faults:?}")).package
}

/// All faults of a text, parser's and checker's.
fn faults_of(text: &str) -> Vec<String> {
    let (parsed, faults) = parse("p.toml", text);
    let print = |fault: &Fault| {
        assert!(!fault.message_zh.is_empty(), "{fault}");
        format!("{}: {}: {}", fault.line, fault.clause, fault.message_en)
    };
    let mut found: Vec<String> = faults.iter().map(print).collect();
    for finding in parsed.iter().flat_map(|parsed| check(&parsed.package)) {
        assert!(!finding.message.zh.is_empty());
        found.push(format!("{}: {}: {}", finding.line, finding.clause, finding.message.en));
    }
    found
}

/// What of the good package is replaced, by what, and the fault that must be reported.
const FAULTS: &[(&str, &str, &str)] = &[
    // Syntax and types.
    (
        "region = \"520200\"",
        "region = ",
        "3: : this is no TOML: string values must be quoted, expected literal string",
    ),
    ("scheme = \"resident\"", "id = \"b\"", "4: : this is no TOML: duplicate key"),
    (
        "from = \"2024-01-01\"",
        "from = 2024-01-01",
        "5: in_force: text in quotes is wanted here, not a date without quotes",
    ),
    (
        "\"0.10\"",
        "0.10",
        "34: class_b: text in quotes is wanted here, not a number with a point and without quotes",
    ),
    ("[class_b]", "[class_c]", "33: : unknown key `class_c`; did you mean `class_b`?"),
    ("advance = \"0.10\"", "", "33: class_b: `advance` is missing"),
    ("payer = \"pool\"", "payer = \"pol\"", "38: basic: unknown payer `pol`; did you mean `pool`?"),
    (
        "[\"low_income\"]",
        "[\"poor\"]",
        "56: basic.tilt[1]: unknown identity `poor`; known are low_income",
    ),
    (
        "{ in_scope = \"1\" }",
        "{ inscope = \"1\" }",
        "39: basic: unknown amount `inscope`; did you mean `in_scope`?",
    ),
    (
        "yuan = \"100.00\"",
        "yuan = \"100.005\"",
        "43: basic.deductible[1]: an amount is yuan with at most two decimals, such as \"3000.00\"",
    ),
    ("level = [1]", "level = [4]", "43: basic.deductible[1]: a level is 1, 2 or 3"),
    // Figures and sources.
    (
        "ratio = \"0.80\"",
        "ratio = \"1.2\"",
        "52: basic.curve[1].band[3]: the ratio 1.2 is not within 0 and 1",
    ),
    (
        "source = { document = \"d1\", article = \"1\" }",
        "",
        "33: class_b: the figure has no source",
    ),
    ("article = \"1\" }", "grade = \"assumed\" }", "6: : an assumed figure needs a `note`"),
    // Tables.
    ("    { yuan = \"400.00\" },\n", "", "43: basic.deductible[1]: no row holds for: level 3"),
    ("level = [2]", "level = [1]", "44: basic.deductible[2]: this can never be the first to hold"),
    ("\"60000.00\"", "\"30000.00\"", "51: basic.curve[1].band[2]: the bands do not rise"),
    (
        "{ ratio = \"0.80\" }",
        "{ to = \"90000.00\", ratio = \"0.80\" }",
        "52: basic.curve[1].band[3]: the last band has a `to`",
    ),
    ("to = \"30000.00\", ", "", "50: basic.curve[1].band[1]: `to` is missing"),
    (
        "\"7600.00\"",
        "{ of = \"index.half\" }",
        "25: index.income: indexes refer to each other in a circle: income → half → income",
    ),
    // Layers.
    (
        "take = \"order\"\n",
        "",
        "59: critical: `take` is missing: the pay can come out of more than one amount",
    ),
    ("accumulate = \"entered\"\n", "", "59: critical: `accumulate` is missing"),
    ("against = \"curve\"\n", "", "59: critical: `against` is missing"),
    (
        "against = \"curve\"\n",
        "against = \"curve\"\nexternal = true\n",
        "59: critical: a layer has exactly one of `curve`, `target`, `fixed` and `external`",
    ),
    (
        "against = \"curve\"",
        "against = \"curve\"\nband_mode = \"whole\"",
        "59: critical: `bounds` is missing: in whole mode it matters whose the bound is",
    ),
    (
        "[layer.deductible]",
        "who = { nothing_from = [\"critical\"] }\n[layer.deductible]",
        "41: basic: unknown earlier layer `critical`",
    ),
    (
        "name = \"critical\"",
        "name = \"critical\"\nwho = { nothing_from = [\"basic\"] }",
        "59: critical: a cliff: the layer is on only while another pays nothing",
    ),
    (
        "    { yuan = \"400.00\" },\n]",
        "    { of = \"index.income\", max = \"400.00\" },\n]\nfloor = \"400.01\"",
        "47: basic.deductible.floor: the floor is above every amount of its table, so none counts unless a change raises it",
    ),
];

#[test]
fn each_fault_has_its_line_clause_and_message() {
    assert_eq!(faults_of(GOOD), Vec::<String>::new());
    for (from, to, expected) in FAULTS {
        assert!(GOOD.contains(from), "{from}");
        let found = faults_of(&GOOD.replacen(from, to, 1));
        assert!(found.iter().any(|fault| fault == expected), "{to}\n{expected}\n{found:#?}");
    }
}

#[test]
fn a_floor_that_some_amount_reaches_is_no_fault() {
    let floor = |rows: &str| faults_of(&GOOD.replacen("    { yuan = \"400.00\" },\n]", rows, 1));
    let none = Vec::<String>::new();
    assert_eq!(floor("    { yuan = \"400.00\" },\n]\nfloor = \"400.00\""), none);
    // How much an index makes is not known.
    assert_eq!(floor("    { of = \"index.income\" },\n]\nfloor = \"9999.00\""), none);
    assert_eq!(floor("    { yuan = \"400.00\" },\n]\nfloor = { of = \"index.income\" }"), none);
}

#[test]
fn large_and_deep_files_are_refused() {
    let large = format!("{GOOD}\n# {}", "x".repeat(5 << 20));
    assert!(faults_of(&large).concat().contains("at most 1048576 are read"));
    for (open, close) in [("[", "]"), ("{ a = ", "}")] {
        let deep = format!("{GOOD}\nx = {}{}", open.repeat(70), close.repeat(70));
        assert!(!faults_of(&deep).is_empty());
        let deep = format!("{GOOD}\nx = {}", open.repeat(100_000));
        assert!(!faults_of(&deep).is_empty());
    }
}

#[test]
fn packages_are_checked_against_each_other() {
    let one = package(GOOD);
    let check = |change: &dyn Fn(&mut Package), expected: &[&str]| {
        let mut two = one.clone();
        two.id = "two".to_owned();
        change(&mut two);
        let found: Vec<String> =
            check_set(&[&one, &two]).into_iter().map(|(_, finding)| finding.message.en).collect();
        assert_eq!(found, expected);
    };
    let later = |two: &mut Package| (two.from, two.to) = (date(2025, 1, 1), date(2025, 12, 31));
    check(&later, &[]);
    check(&|_| (), &["it overlaps `test-2024`, and neither supersedes the other"]);
    check(&|two| two.supersedes = Some("test-2024".to_owned()), &[]);
    let names_nothing = |two: &mut Package| {
        later(two);
        two.supersedes = Some("none".to_owned());
    };
    check(&names_nothing, &["`none` is no package of this region and scheme"]);
    let hole = |two: &mut Package| (two.from, two.to) = (date(2025, 2, 1), date(2025, 12, 31));
    check(&hole, &["no package covers the days from 2025-01-01 on before this one"]);
    let same_id = |two: &mut Package| {
        later(two);
        two.id = "test-2024".to_owned();
    };
    check(&same_id, &["the id `test-2024` is used by another package"]);
}

#[test]
fn canonical_forms_come_back() {
    for path in package_files(&rules_folder(), &mut Vec::new()) {
        let (entry, faults) = load_file(&path);
        let entry = entry.unwrap_or_else(|| panic!("{faults:?}"));
        let back = parse_canonical(&entry.canonical).unwrap();
        assert_eq!(back.hash, entry.package.hash);
        let without_lines = |package: &Package| {
            let mut package = package.clone();
            package.clauses.iter_mut().for_each(|clause| clause.line = 0);
            format!("{package:?}")
        };
        assert_eq!(without_lines(&back), without_lines(&entry.package), "{}", path.display());
    }
    let reformatted = GOOD.replace(" = ", "=").replace("[class_b]", "# said\n[class_b]");
    assert_eq!(package(&reformatted).hash, package(GOOD).hash);
    assert_ne!(package(&GOOD.replace("0.60", "0.61")).hash, package(GOOD).hash);
}

#[test]
fn no_single_change_makes_the_parser_panic() {
    let places: Vec<usize> = GOOD.char_indices().map(|(at, _)| at).collect();
    for at in places {
        for put in ["", "\"", "9", "[", "}", ".", "\n", "层"] {
            let mut text = GOOD.to_owned();
            let end = at + GOOD[at..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(at..end, put);
            let (parsed, faults) = parse("p.toml", &text);
            assert!(parsed.is_some() || !faults.is_empty());
            drop(parsed.map(|parsed| check(&parsed.package)));
        }
    }
}

#[test]
fn clauses_are_named_after_their_place() {
    let package = package(GOOD);
    let names: Vec<&str> = package.clauses.iter().map(|clause| clause.name.as_str()).collect();
    for name in
        ["basic.deductible[2]", "basic.curve[1].band[2]", "basic.tilt[1]", "index.half", "class_b"]
    {
        assert!(names.contains(&name), "{name} {names:?}");
    }
    let band = names.iter().position(|name| *name == "basic.curve[1].band[1]").unwrap();
    let band = package.clause(ClauseId::try_from(band).unwrap()).unwrap();
    assert_eq!((band.figures.as_str(), band.line), ("60 % up to 30 000.00", 50));
    let slots: Vec<&str> = package.accumulators.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(slots, ["critical.entered", "critical.paid"]);
}

#[test]
fn shipped_packages_fit_the_schema_and_it_knows_the_same_keys() {
    let text = std::fs::read_to_string(rules_folder().join("package.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    for shape in shapes::ALL {
        let properties = &schema["$defs"][shape.name]["properties"];
        let properties = properties.as_object().unwrap_or_else(|| panic!("{}", shape.name));
        let mut known: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut keys = shape.keys.to_vec();
        known.sort_unstable();
        keys.sort_unstable();
        assert_eq!(known, keys, "{}", shape.name);
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in package_files(&rules_folder(), &mut Vec::new()) {
        let (entry, faults) = load_file(&path);
        let entry = entry.unwrap_or_else(|| panic!("{faults:?}"));
        let document = serde_json::from_slice(&entry.canonical).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    }
}

#[test]
fn the_shipped_rules_load() {
    let (packages, faults) = load(&rules_folder(), true);
    assert!(!super::refused(&faults), "{faults:#?}");
    assert!(!packages.entries.is_empty());
}

#[test]
fn every_worked_example_comes_out_as_it_says() {
    let (packages, _) = load(&rules_folder(), true);
    let mut passed = 0_usize;
    for entry in &packages.entries {
        let (cases, faults) = cases::beside(entry);
        assert!(faults.is_empty(), "{faults:#?}");
        for case in cases {
            let verdict = case.decide(&entry.package, Traced::Yes);
            let differences =
                cases::differences(&entry.package, case.expect.as_ref().unwrap(), &verdict);
            assert!(differences.is_empty(), "{}:{}: {differences:?}", case.file, case.line);
            passed += 1;
        }
    }
    assert!(100 < passed, "{passed}");
}

#[test]
fn the_factor_of_the_nth_stay_is_traced_with_what_it_was_applied_to() {
    let nth = "]\nnth = { counts = \"all\", factors = [\"1\", \"0.75\"] }\nfloor = \"350.00\"\n\n[[layer.curve]]";
    let package = package(&GOOD.replacen("]\n\n[[layer.curve]]", nth, 1));
    let case = "[[case]]\nname = \"second\"\nlevel = 3\nstays = [ { level = 3 } ]\n\
                amounts = { in_scope = \"20000.00\" }\n";
    let (cases, faults) = cases::parse_file(&package, "c.toml", case);
    assert!(faults.is_empty(), "{faults:#?}");
    let Verdict::Settled(outcome) = cases[0].decide(&package, Traced::Yes) else {
        panic!("it does not settle")
    };
    let print = |step: &Step| {
        let clause = package.clause(step.clause).map_or("", |clause| clause.name.as_str());
        let rate = step.rate.map_or("-".to_owned(), |rate| rate.to_string());
        format!("{clause}: {} {rate} {}", step.base.get(), step.amount.get())
    };
    let steps = outcome.trace.iter().filter(|step| step.action == Action::Deductible);
    let expected =
        ["basic.deductible.nth: 40000 0.75 30000", "basic.deductible[3]: 2000000 - 35000"];
    assert_eq!(steps.map(print).collect::<Vec<_>>(), expected);
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("onestop-rules-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(path.join("520200/resident/2024")).unwrap();
        Self(path)
    }

    fn put(&self, text: &str) {
        self.put_at("520200/resident/2024", text);
    }

    fn put_at(&self, place: &str, text: &str) {
        std::fs::create_dir_all(self.0.join(place)).unwrap();
        std::fs::write(self.0.join(place).join("package.toml"), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_locked_package_may_neither_change_nor_go() {
    let folder = Folder::new("lock");
    folder.put(GOOD);
    let (packages, _) = load(&folder.0, false);
    let mut lock = Lock::default();
    assert_eq!(lock.add(&packages.entries), ["test-2024"]);
    lock.write(&folder.0).unwrap();
    assert_eq!(load(&folder.0, false).1, []);
    folder.put(&GOOD.replace("0.60", "0.61"));
    let faults = load(&folder.0, false).1;
    assert!(faults[0].message_en.contains("write a new one with `supersedes`"), "{faults:?}");
    folder.put(&GOOD.replace("test-2024", "other"));
    let faults = load(&folder.0, false).1;
    assert!(faults[0].message_en.contains("its package is gone"), "{faults:?}");
}

#[test]
fn a_draft_beside_a_lock_does_not_come_into_force() {
    let folder = Folder::new("draft");
    folder.put(GOOD);
    let open = || RuleBook::open(&folder.0, true);
    assert_eq!(open().unwrap().unlocked_at_start().len(), 1);
    let mut lock = Lock::default();
    lock.add(&load(&folder.0, false).0.entries);
    lock.write(&folder.0).unwrap();
    // Examples are in no lock.
    folder.put_at("examples/one", &GOOD.replace("\"test-2024\"", "\"example\""));
    let book = open().unwrap();
    assert!(book.unlocked_at_start().is_empty());
    let draft = GOOD.replace("\"test-2024\"", "\"draft\"\nsupersedes = \"test-2024\"");
    folder.put_at("520200/resident/2024-b", &draft);
    let named =
        "`draft` is not in rules.lock, so it does not come into force; run `onestop rules lock`";
    let refused = open().unwrap_err().to_string();
    assert!(
        refused.contains("2024-b/package.toml:1: error") && refused.contains(named),
        "{refused}"
    );
    let refused = |book: &RuleBook| match book.reload() {
        Reload::Refused { errors, .. } => errors[0].to_string(),
        Reload::Swapped(_) => panic!("it was taken"),
    };
    let told = refused(&book);
    assert!(told.contains(named), "{told}");
    assert_eq!(book.packages().entries.len(), 2);
    // That the lock is gone lets it in neither.
    let lock_file = folder.0.join(super::lock::FILE);
    std::fs::remove_file(&lock_file).unwrap();
    assert!(refused(&book).contains("is not in rules.lock"));
    lock.add(&load(&folder.0, false).0.entries);
    lock.write(&folder.0).unwrap();
    assert!(matches!(book.reload(), Reload::Swapped(_)));
    assert_eq!(book.packages().entries.len(), 3);
}

#[test]
fn a_bad_set_leaves_the_old_one_in_force() {
    let folder = Folder::new("watch");
    folder.put("id = ");
    let refused = RuleBook::open(&folder.0, false).unwrap_err();
    assert!(refused.to_string().contains("package.toml:1"), "{refused}");
    folder.put(GOOD);
    let book = Arc::new(RuleBook::open(&folder.0, false).unwrap());
    let first = book.packages().entries[0].package.hash;
    let (sender, reports) = mpsc::channel();
    let watching = book.watch(|_| Ok(()), move |reload| sender.send(reload).unwrap()).unwrap();
    let wait = Duration::from_secs(20);
    folder.put("id = ");
    assert!(matches!(reports.recv_timeout(wait).unwrap(), Reload::Refused { .. }));
    assert!(book.by_hash(first).is_some());
    folder.put(&GOOD.replace("0.60", "0.61"));
    assert!(matches!(reports.recv_timeout(wait).unwrap(), Reload::Swapped(_)));
    assert!(book.by_hash(first).is_none());
    assert_eq!(book.reloads(), (1, 1));
    drop(watching);
}

#[test]
fn a_warning_is_not_counted_or_told_as_a_refusal() {
    let folder = Folder::new("warned");
    let cliff = GOOD.replacen(
        "name = \"critical\"",
        "name = \"critical\"\nwho = { nothing_from = [\"basic\"] }",
        1,
    );
    // An overlap with a second package is an error beside the two warnings.
    let beside = folder.0.join("520200/resident/2024-b");
    std::fs::create_dir_all(&beside).unwrap();
    folder.put(&cliff);
    let book = RuleBook::open(&folder.0, false).unwrap();
    assert_eq!(book.warnings_at_start(), 1);
    let other = cliff.replace("id = \"test-2024\"", "id = \"b\"");
    std::fs::write(beside.join("package.toml"), other).unwrap();
    let refused = RuleBook::open(&folder.0, false).unwrap_err();
    assert!(refused.errors.iter().all(Fault::is_error), "{refused}");
    let text = refused.to_string();
    let head = format!("the rule packages are refused, errors: {}\n", refused.errors.len());
    assert!(text.starts_with(&head) && !text.contains("cliff"), "{text}");
    let Reload::Refused { errors, warnings } = book.reload() else { panic!("{text}") };
    assert_eq!((&errors, warnings.len()), (&refused.errors, 2));
    assert!(!warnings.iter().any(Fault::is_error));
    std::fs::remove_dir_all(&beside).unwrap();
    let Reload::Swapped(warnings) = book.reload() else { panic!("{text}") };
    assert!(warnings.len() == 1 && warnings[0].message_en.contains("cliff"), "{warnings:?}");
}

#[test]
fn the_chinese_printout_has_no_english_figures_and_names_the_rest() {
    const ENGLISH: [&str; 9] = [
        "up to ",
        "at most ",
        "at least ",
        "not below ",
        "no ceiling",
        "in_scope",
        "waived",
        "ratio ",
        "deductible ",
    ];
    let mut assumed = 0;
    for path in package_files(&rules_folder(), &mut Vec::new()) {
        let (entry, _) = load_file(&path);
        let package = entry.unwrap().package;
        let text = explain(&package, Language::Zh);
        let (_, list) = text.split_once("== 假定的数字 ==").unwrap();
        for clause in &package.clauses {
            let Some(source) = &clause.source else { continue };
            if source.grade != Grade::Assumed {
                continue;
            }
            let head = format!("  {}  ", clause.name);
            let line = list.lines().find(|line| line.starts_with(&head)).unwrap();
            // The author's note may be in any language.
            let figures = line.strip_prefix(&head).unwrap();
            let figures = figures.strip_suffix(source.note.trim_end()).unwrap();
            let english = ENGLISH.iter().find(|word| figures.contains(**word));
            assert_eq!(english, None, "{}: {line}", path.display());
            assumed += 1;
        }
    }
    assert!(0 < assumed);
    // The last of three deductibles has no condition of its own.
    let good = package(GOOD);
    for (language, rest) in
        [(Language::Zh, "其余情形: 400.00 元"), (Language::En, "otherwise: 400.00 yuan")]
    {
        let text = explain(&good, language);
        assert!(text.contains(rest), "{text}");
    }
}

#[test]
fn the_package_known_last_is_chosen() {
    let folder = Folder::new("choose");
    folder.put(GOOD);
    let later = GOOD.replace(
        "id = \"test-2024\"",
        "id = \"b\"\nsupersedes = \"test-2024\"\nknown_from = \"2024-06-01\"",
    );
    let beside = folder.0.join("520200/resident/2024-b");
    std::fs::create_dir_all(&beside).unwrap();
    std::fs::write(beside.join("package.toml"), later).unwrap();
    let book = RuleBook::open(&folder.0, false).unwrap();
    let region = crate::domain::ids::RegionCode::new("520200").unwrap();
    let scheme = crate::domain::standing::Scheme::Resident;
    let choose = |discharge, known_on| {
        book.choose(region, scheme, discharge, known_on).map(|package| package.id.clone())
    };
    let (march, july) = (date(2024, 3, 1), date(2024, 7, 1));
    assert_eq!(choose(march, march).as_deref(), Some("test-2024"));
    assert_eq!(choose(march, july).as_deref(), Some("b"));
    assert_eq!(choose(date(2025, 1, 1), july), None);
}
