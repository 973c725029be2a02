//! The national interface's codes, region by region: `<region>/dictionary.toml` over that of the prefecture, of the province, and
//! the national one that is compiled in. What no dictionary knows is told as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Faults, refused};
use super::load::read_text;
use super::read::{Node, Shape, Table, read, unknown};
use crate::domain::ids::RegionCode;
use crate::domain::standing::Scheme;
use crate::domain::verdict::Column;

/// The name of a dictionary's file.
pub const DICTIONARY_FILE: &str = "dictionary.toml";

const NATIONAL: &str = include_str!("dictionary/national.toml");
const NATIONAL_FILE: &str = "the national dictionary";

const ROOT: Shape = Shape { name: "dictionary", keys: &["fund", "identity", "cumulative"] };
const FUND: Shape =
    Shape { name: "fund", keys: &["layer", "payer", "column", "scheme", "fund_pay_type", "name"] };
const IDENTITY: Shape = Shape { name: "identity", keys: &["code", "psn_idet_type"] };
const CUMULATIVE: Shape = Shape { name: "cumulative", keys: &["name", "cum_type_code"] };

/// Words of columns besides those of [`Column`].
const COLUMNS_BESIDE: [&str; 2] = ["hospital", "account"];
/// Codes are short: the widest field of the interface that holds one.
const CODE_LENGTH_MAX: usize = 40;
const NAME_LENGTH_MAX: usize = 200;

/// A fund as the interface names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundCode<'a> {
    /// Its code, `fund_pay_type`.
    pub code: &'a str,
    /// Its name, `fund_pay_type_name`.
    pub name: &'a str,
}

/// By what a fund is looked up: the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Layer,
    Payer,
    Column,
}

/// Code and name of each fund, by the name under which it is looked up.
type Named = BTreeMap<String, (String, String)>;

/// What one file says.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    funds: BTreeMap<(By, Option<Scheme>), Named>,
    identities: BTreeMap<String, String>,
    cumulative: BTreeMap<String, String>,
}

/// The dictionaries of a folder.
#[derive(Clone, Debug, Default)]
pub struct Dictionaries {
    regions: BTreeMap<RegionCode, Arc<Part>>,
    national: Arc<Part>,
}

/// The codes that hold in one region.
#[derive(Clone, Debug)]
pub struct Dictionary {
    /// The narrowest first.
    parts: Vec<Arc<Part>>,
}

/// A payer's share, as a package names it.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// The layer's name.
    pub layer: &'a str,
    /// The payer's name.
    pub payer: &'a str,
    /// For print.
    pub payer_zh: &'a str,
    /// The package's own code; may be empty.
    pub fund_pay_type: &'a str,
    /// The word of the column it is booked to.
    pub column: &'a str,
    /// The scheme.
    pub scheme: Scheme,
}

impl Dictionary {
    /// The fund of a share: as a dictionary says of its layer or payer, as its package says, or as a dictionary says of its column.
    pub fn fund<'a>(&'a self, share: &Share<'a>) -> FundCode<'a> {
        let said = |by: By, name: &str| {
            self.parts.iter().find_map(|part| {
                let of = |scheme| part.funds.get(&(by, scheme))?.get(name);
                let (code, name) = of(Some(share.scheme)).or_else(|| of(None))?;
                Some(FundCode { code, name })
            })
        };
        let of_share = |code| FundCode { code, name: share.payer_zh };
        let own = || (!share.fund_pay_type.is_empty()).then(|| of_share(share.fund_pay_type));
        let nobody = || of_share("999997");
        said(By::Layer, share.layer)
            .or_else(|| said(By::Payer, share.payer))
            .or_else(own)
            .or_else(|| said(By::Column, share.column))
            .unwrap_or_else(nobody)
    }

    /// The code of an identity; the identity's own where none is known.
    pub fn identity<'a>(&'a self, code: &'a str) -> &'a str {
        self.parts.iter().find_map(|part| part.identities.get(code)).map_or(code, String::as_str)
    }

    /// The code of what is counted; its own name where none is known.
    pub fn cumulative<'a>(&'a self, name: &'a str) -> &'a str {
        self.parts.iter().find_map(|part| part.cumulative.get(name)).map_or(name, String::as_str)
    }
}

impl Dictionaries {
    /// The codes of a region.
    pub fn of(&self, region: RegionCode) -> Dictionary {
        let wider = [region.get(), region.prefecture() * 100, region.province() * 10_000];
        let mut parts: Vec<Arc<Part>> = Vec::new();
        let mut last = None;
        for code in wider.into_iter().filter_map(RegionCode::from_number) {
            if last != Some(code) {
                parts.extend(self.regions.get(&code).map(Arc::clone));
            }
            last = Some(code);
        }
        parts.push(Arc::clone(&self.national));
        Dictionary { parts }
    }
}

/// Reads the dictionaries of a folder of rule packages, with all faults at once.
pub fn load(folder: &Path) -> (Dictionaries, Vec<Fault>) {
    let (national, mut faults) = parse(NATIONAL_FILE, NATIONAL);
    let mut regions = BTreeMap::new();
    // A folder that can not be read is named where its packages are looked for.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.path().join(DICTIONARY_FILE);
        let name = entry.file_name();
        let Some(region) = name.to_str().and_then(RegionCode::new).filter(|_| file.exists()) else {
            continue;
        };
        match read_text(&file) {
            Err(unread) => faults.extend(unread),
            Ok(text) => {
                let (part, found) = parse(&file.display().to_string(), &text);
                faults.extend(found);
                regions.insert(region, Arc::new(part));
            }
        }
    }
    (Dictionaries { regions, national: Arc::new(national) }, faults)
}

/// Reads one file. What it says is whole only where nothing is refused.
pub(super) fn parse(file: &str, text: &str) -> (Part, Vec<Fault>) {
    let mut faults = Faults::new(file);
    let mut part = Part::default();
    if let Some(root) = read(text, &mut faults)
        && let Some(root) = faults.table(&root, "", &ROOT)
    {
        for node in entries(&root, "fund", &mut faults) {
            fund(node, &mut part, &mut faults);
        }
        for node in entries(&root, "identity", &mut faults) {
            let keys = ["code", "psn_idet_type"];
            pair(node, ("identity", &IDENTITY, keys), &mut part.identities, &mut faults);
        }
        for node in entries(&root, "cumulative", &mut faults) {
            let keys = ["name", "cum_type_code"];
            pair(node, ("cumulative", &CUMULATIVE, keys), &mut part.cumulative, &mut faults);
        }
    }
    let list = faults.into_list();
    (if refused(&list) { Part::default() } else { part }, list)
}

fn entries<'a>(root: &Table<'a>, key: &str, faults: &mut Faults) -> &'a [Node] {
    root.get(key).map_or(&[], |node| faults.list(node, key))
}

fn fund(node: &Node, part: &mut Part, faults: &mut Faults) {
    let clause = "fund";
    let Some(table) = faults.table(node, clause, &FUND) else { return };
    let named: Vec<(By, &Node)> =
        [(By::Layer, "layer"), (By::Payer, "payer"), (By::Column, "column")]
            .into_iter()
            .filter_map(|(by, key)| table.get(key).map(|node| (by, node)))
            .collect();
    let [(by, named)] = named.as_slice() else {
        let en = "exactly one of `layer`, `payer` and `column` is wanted".to_owned();
        faults.error(table.line, clause, (en, "应恰好写 layer、payer、column 之一".to_owned()));
        return;
    };
    let Some(name) = faults.filled(named, clause) else { return };
    let columns: Vec<&str> =
        Column::ALL.into_iter().map(Column::word).chain(COLUMNS_BESIDE).collect();
    if *by == By::Column && !columns.contains(&name) {
        faults.error(named.line, clause, unknown("column", "列", name, &columns));
    }
    let scheme = table.get("scheme").and_then(|node| {
        let words = [Scheme::Resident, Scheme::Employee].map(Scheme::word);
        faults.word(node, clause, ("scheme", "险种"), &words)?;
        faults.text(node, clause).and_then(Scheme::from_word)
    });
    let code = faults.needed(&table, "fund_pay_type", clause);
    let code = code.and_then(|node| code_of(node, clause, faults));
    let print = faults.needed(&table, "name", clause);
    let print = print.and_then(|node| faults.filled(node, clause));
    let (Some(code), Some(print)) = (code, print) else { return };
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        let en = format!("`{code}` is no fund code: six digits are wanted");
        faults.error(table.line, clause, (en, format!("`{code}` 不是基金代码，应为六位数字")));
    }
    if NAME_LENGTH_MAX < print.chars().count() {
        let en = format!("the name has more than {NAME_LENGTH_MAX} characters");
        faults.error(table.line, clause, (en, format!("名称超过 {NAME_LENGTH_MAX} 字")));
    }
    let fund = (code.to_owned(), print.to_owned());
    if part.funds.entry((*by, scheme)).or_default().insert(name.to_owned(), fund).is_some() {
        twice(table.line, clause, name, faults);
    }
}

/// One of ours to one of theirs.
fn pair(
    node: &Node,
    (clause, shape, [ours, theirs]): (&str, &Shape, [&str; 2]),
    into: &mut BTreeMap<String, String>,
    faults: &mut Faults,
) {
    let Some(table) = faults.table(node, clause, shape) else { return };
    let ours = faults.needed(&table, ours, clause).and_then(|node| faults.filled(node, clause));
    let theirs = faults.needed(&table, theirs, clause);
    let theirs = theirs.and_then(|node| code_of(node, clause, faults));
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
    if into.insert(ours.to_owned(), theirs.to_owned()).is_some() {
        twice(table.line, clause, ours, faults);
    }
}

fn code_of<'a>(node: &'a Node, clause: &str, faults: &mut Faults) -> Option<&'a str> {
    let code = faults.filled(node, clause)?;
    let fits = code.len() <= CODE_LENGTH_MAX && code.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        let en = format!("a code has at most {CODE_LENGTH_MAX} visible ASCII characters");
        let zh = format!("代码应为不超过 {CODE_LENGTH_MAX} 个半角字符");
        faults.error(node.line, clause, (en, zh));
    }
    fits.then_some(code)
}

fn twice(line: u32, clause: &str, name: &str, faults: &mut Faults) {
    let message = (format!("`{name}` is there twice"), format!("`{name}` 重复"));
    faults.error(line, clause, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        let (_, faults) = parse("d.toml", text);
        faults.iter().map(|fault| format!("{}: {}", fault.line, fault.message_en)).collect()
    }

    fn share<'a>(layer: &'a str, own: &'a str) -> Share<'a> {
        Share {
            layer,
            payer: "medical_aid",
            payer_zh: "医疗救助",
            fund_pay_type: own,
            column: "medical_aid",
            scheme: Scheme::Resident,
        }
    }

    #[test]
    fn the_national_one_is_good_and_knows_every_column() {
        let (part, faults) = parse(NATIONAL_FILE, NATIONAL);
        assert!(faults.is_empty(), "{faults:?}");
        let dictionary = Dictionary { parts: vec![Arc::new(part)] };
        for column in Column::ALL.into_iter().map(Column::word).chain(COLUMNS_BESIDE) {
            let share = Share { column, ..share("x", "") };
            let fund = dictionary.fund(&share);
            assert_ne!(fund.name, share.payer_zh, "{column}");
        }
    }

    #[test]
    fn the_narrowest_that_says_something_wins() {
        let said = |code: &str, by: &str| {
            let text = format!("[[fund]]\n{by}\nfund_pay_type = \"{code}\"\nname = \"x\"\n");
            Arc::new(parse("d.toml", &text).0)
        };
        let region = |text: &str| RegionCode::new(text).unwrap();
        let regions = [
            (region("520000"), said("610101", "layer = \"aid\"")),
            (region("520200"), said("610109", "payer = \"medical_aid\"")),
        ];
        let national = Arc::new(parse(NATIONAL_FILE, NATIONAL).0);
        let all = Dictionaries { regions: regions.into_iter().collect(), national };
        let code = |at: &str, layer: &'static str, own: &'static str| {
            all.of(region(at)).fund(&share(layer, own)).code.to_owned()
        };
        assert_eq!(code("110000", "aid", ""), "610100");
        assert_eq!(code("110000", "aid", "610104"), "610104");
        assert_eq!(code("520300", "aid", "610104"), "610101");
        assert_eq!(code("520201", "other", "610104"), "610109");
        // What nobody knows is told as it is.
        assert_eq!(all.of(region("520201")).identity("somebody_new"), "somebody_new");
        assert_eq!(all.of(region("520201")).identity("low_income"), "1");
        assert_eq!(all.of(region("520201")).cumulative("critical.entered"), "critical.entered");
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let check = |text: &str, expected: &[&str]| assert_eq!(faults_of(text), expected, "{text}");
        check("fund = 1", &["1: a list is wanted here, not a number without quotes"]);
        check(
            "[[fund]]\nfund_pay_type = \"610100\"\nname = \"x\"",
            &["1: exactly one of `layer`, `payer` and `column` is wanted"],
        );
        check(
            "[[fund]]\ncolumn = \"aid\"\nfund_pay_type = \"610100\"\nname = \"x\"",
            &["2: unknown column `aid`"],
        );
        check(
            "[[fund]]\nlayer = \"aid\"\nfund_pay_type = \"61\"\nname = \"x\"",
            &["1: `61` is no fund code: six digits are wanted"],
        );
        check("[[identity]]\ncode = \"a\"", &["1: `psn_idet_type` is missing"]);
        let twice = "[[identity]]\ncode = \"a\"\npsn_idet_type = \"1\"\n";
        check(&twice.repeat(2), &["4: `a` is there twice"]);
        check(
            "[[cumulative]]\nname = \"a\"\ncum_type_code = \"一\"",
            &["3: a code has at most 40 visible ASCII characters"],
        );
    }
}
