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

/// Nothing of a verifier is left out by a bundle that stops short.
#[test]
fn the_seeds_of_bundles_verify() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtests/fuzz/seeds/bundles");
    let counts = |name: &str| {
        let verified = bundle_of(&std::fs::read(seeds.join(name)).unwrap());
        verified.map(|of| (of.leaves, of.settlements, of.reversals, of.postings))
    };
    assert_eq!(counts("leaves-one"), Some((1, 1, 0, 0)));
    assert_eq!(counts("leaves-day"), Some((4, 1, 1, 1)));
}
