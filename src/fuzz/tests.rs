use std::path::Path;

use super::*;

/// Every seed, and every input that ever was a find, through its target, as it is built for everybody.
#[test]
fn no_seed_breaks_anything() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtests/fuzz/seeds");
    for (name, target) in TARGETS {
        let mut seeds: Vec<_> = std::fs::read_dir(seeds.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            target(&std::fs::read(&seed).unwrap());
        }
    }
}

/// The rules' own files are seeds too, and all of them are good.
#[test]
fn packages_and_their_cases_are_seeds() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("settlement-rules");
    let files = rulebook::load::package_files(&rules, &mut Vec::new());
    assert!(50 < files.len());
    for file in files {
        packages(&std::fs::read(&file).unwrap());
    }
}
