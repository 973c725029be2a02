//! What must hold among packages: every day of a region and scheme has one, and only one that applies.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::domain::rules::Package;

/// Checks packages against each other. Each finding comes with the place of the package that it is about.
pub fn check_set(packages: &[&Package]) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, package) in packages.iter().enumerate() {
        if by_id.insert(&package.id, at).is_some() {
            let en = format!("the id `{}` is used by another package", package.id);
            findings
                .push((at, finding("", en, format!("编号 `{}` 已被另一政策包使用", package.id))));
        }
    }
    let set = Set { packages, by_id };
    set.supersedes(&mut findings);
    set.periods(&mut findings);
    findings
}

fn finding(clause: &str, en: String, zh: String) -> Finding {
    Finding::error(0, clause, en, zh)
}

struct Set<'a> {
    packages: &'a [&'a Package],
    by_id: BTreeMap<&'a str, usize>,
}

impl Set<'_> {
    fn get(&self, at: usize) -> Option<&Package> {
        self.packages.get(at).copied()
    }

    /// All packages that one replaces, directly or through others.
    fn replaced_by(&self, at: usize) -> BTreeSet<usize> {
        let mut replaced = BTreeSet::new();
        let mut next = self.earlier(at);
        while let Some(earlier) = next {
            if !replaced.insert(earlier) {
                break;
            }
            next = self.earlier(earlier);
        }
        replaced
    }

    fn earlier(&self, at: usize) -> Option<usize> {
        let id = self.get(at)?.supersedes.as_deref()?;
        self.by_id.get(id).copied()
    }

    fn supersedes(&self, findings: &mut Vec<(usize, Finding)>) {
        for (at, package) in self.packages.iter().enumerate() {
            let Some(id) = &package.supersedes else { continue };
            let earlier = self.earlier(at).and_then(|earlier| self.get(earlier));
            let fits = earlier.is_some_and(|earlier| {
                earlier.region == package.region && earlier.scheme == package.scheme
            });
            if !fits {
                let en = format!("`{id}` is no package of this region and scheme");
                let zh = format!("`{id}` 不是本地区本险种的政策包");
                findings.push((at, finding("supersedes", en, zh)));
            } else if self.replaced_by(at).contains(&at) {
                let en = "packages supersede each other in a circle".to_owned();
                findings.push((at, finding("supersedes", en, "政策包循环替代".to_owned())));
            }
        }
    }

    fn periods(&self, findings: &mut Vec<(usize, Finding)>) {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            groups.entry((package.region, package.scheme)).or_default().push(at);
        }
        for mut group in groups.into_values() {
            group.sort_by_key(|at| self.get(*at).map(|package| (package.from, package.to)));
            self.overlaps(&group, findings);
            self.holes(&group, findings);
        }
    }

    fn overlaps(&self, group: &[usize], findings: &mut Vec<(usize, Finding)>) {
        for (place, one) in group.iter().enumerate() {
            for other in group.iter().skip(place.saturating_add(1)) {
                let (Some(a), Some(b)) = (self.get(*one), self.get(*other)) else { continue };
                let apart = a.to < b.from || b.to < a.from;
                let replaces = self.replaced_by(*one).contains(other)
                    || self.replaced_by(*other).contains(one);
                if !apart && !replaces {
                    let en = format!("it overlaps `{}`, and neither supersedes the other", a.id);
                    let zh = format!("与 `{}` 期间重叠，且互不替代", a.id);
                    findings.push((*other, finding("in_force", en, zh)));
                }
            }
        }
    }

    fn holes(&self, group: &[usize], findings: &mut Vec<(usize, Finding)>) {
        let mut covered_to = None;
        for at in group {
            let Some(package) = self.get(*at) else { continue };
            if let Some(last) = covered_to {
                let next = jiff::civil::Date::tomorrow(last).unwrap_or(last);
                if next < package.from && package.hole_before.is_none() {
                    let en = format!("no package covers the days from {next} on before this one");
                    let zh = format!("自 {next} 起至本包之前没有政策包");
                    findings.push((*at, finding("in_force", en, zh)));
                }
            }
            covered_to = covered_to.max(Some(package.to));
        }
    }
}
