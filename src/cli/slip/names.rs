//! Chinese names of identities. The contract carries codes only, and a package may word its own name a little differently; so
//! a slip prints the code beside the name, and the code alone where it is not known here.

const NAMES: [(&str, &str); 19] = [
    ("accident_hardship_worker", "意外致困职工"),
    ("aid_recipient", "医疗救助对象"),
    ("deep_hardship_worker", "深度困难职工"),
    ("destitute", "特困人员"),
    ("edge_at_risk", "边缘易致贫人口"),
    ("extreme_poverty", "特困人员"),
    ("illness_poverty", "因病致贫重病患者"),
    ("low_income", "低保对象"),
    ("low_income_edge", "低保边缘家庭成员"),
    ("monitored", "防止返贫致贫监测对象"),
    ("orphan", "孤儿"),
    ("out_of_poverty", "已脱贫人口"),
    ("registered_poor", "建档立卡贫困人口"),
    ("relative_hardship_worker", "相对困难职工"),
    ("returned_to_poverty", "返贫致贫人口"),
    ("severely_disabled", "重度残疾人"),
    ("sudden_hardship", "突发严重困难人口"),
    ("unattended_child", "事实无人抚养儿童"),
    ("unstable_out_of_poverty", "脱贫不稳定人口"),
];

/// The name that goes with a code, where it is known.
pub(super) fn zh_of(code: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The code and the Chinese name of every identity in the packages below a folder.
    fn gather(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, found);
            } else if path.file_name().is_some_and(|name| name == "package.toml") {
                let package: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
                for identity in
                    package.get("identity").and_then(|all| all.as_array()).into_iter().flatten()
                {
                    let text = |key: &str| identity[key].as_str().unwrap().to_owned();
                    found.push((text("code"), text("zh")));
                }
            }
        }
    }

    #[test]
    fn every_code_of_the_packages_has_a_name_that_a_package_gives_it() {
        let mut found = Vec::new();
        gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("settlement-rules"), &mut found);
        for (code, _) in &found {
            assert!(zh_of(code).is_some(), "{code} has no name here");
        }
        for (code, name) in NAMES {
            assert!(found.contains(&(code.to_owned(), name.to_owned())), "{code} {name}");
        }
    }
}
