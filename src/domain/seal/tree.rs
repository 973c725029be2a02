//! The tree over a day's leaves, kept as its peaks: it grows leaf by leaf and holds no more than one hash a level.
//!
//! The shape is that of RFC 6962: the left half is the largest power of two that is smaller than the whole, and nothing is doubled.

use sha2::{Digest as _, Sha256};

use super::{Hash, NODE};

/// A tree that grows at its right end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The roots of the whole subtrees, from the left, each with its height; each is higher than the next.
    peaks: Vec<(u32, Hash)>,
    leaves: u64,
}

impl Tree {
    /// How many leaves it has.
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Adds a leaf, by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.join(0, leaf);
    }

    /// Adds a whole subtree of two to the `height` leaves; nothing happens, and false is told, where it would not stand in its place.
    #[must_use]
    pub fn push_subtree(&mut self, height: u32, root: Hash) -> bool {
        let size = 1_u64.checked_shl(height);
        let fits = size.is_some_and(|size| self.leaves.checked_rem(size) == Some(0));
        if fits {
            self.join(height, root);
        }
        fits
    }

    /// Adds another tree behind this one; only where this one is empty or its lowest subtree is higher than all of the other is the
    /// whole the tree over all the leaves.
    pub fn append(&mut self, other: &Self) {
        other.peaks.iter().for_each(|(height, root)| self.join(*height, *root));
    }

    fn join(&mut self, height: u32, root: Hash) {
        let size = 1_u64.checked_shl(height).unwrap_or(0);
        self.leaves = self.leaves.saturating_add(size);
        let (mut height, mut root) = (height, root);
        while let Some((_, left)) = self.peaks.pop_if(|(high, _)| *high == height) {
            root = node(&left, &root);
            height = height.saturating_add(1);
        }
        self.peaks.push((height, root));
    }

    /// The root; that of no leaves is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().map(|(_, root)| *root);
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(last, |right, left| node(&left, &right))
    }
}

impl Extend<Hash> for Tree {
    fn extend<T: IntoIterator<Item = Hash>>(&mut self, leaves: T) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([NODE]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let (pairs, _) = text.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| std::str::from_utf8(pair).unwrap().to_owned();
        pairs.iter().map(|pair| u8::from_str_radix(&byte(pair), 16).unwrap()).collect()
    }

    fn shown(hash: Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn leaf(bytes: &[u8]) -> Hash {
        Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
    }

    /// The tree as RFC 6962 defines it, from the top.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            more => {
                let half = more.len().next_power_of_two() / 2;
                node(&by_definition(&more[..half]), &by_definition(&more[half..]))
            }
        }
    }

    /// The leaves and roots of Certificate Transparency's reference implementation.
    #[test]
    fn the_roots_are_those_of_rfc_6962() {
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        assert_eq!(
            shown(tree.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (text, root) in leaves.iter().zip(roots) {
            tree.push(leaf(&hex(text)));
            assert_eq!(shown(tree.root()), root);
        }
    }

    #[test]
    fn any_number_of_leaves_is_the_tree_of_the_definition_also_in_subtrees() {
        let leaves: Vec<Hash> = (0_u32..70).map(|number| leaf(&number.to_be_bytes())).collect();
        for count in 0..leaves.len() {
            let mut tree = Tree::default();
            tree.extend(leaves[..count].iter().copied());
            assert_eq!(tree.root(), by_definition(&leaves[..count]), "{count}");
            let mut parts = Tree::default();
            for part in leaves[..count].chunks(8) {
                match part.len() {
                    8 => assert!(parts.push_subtree(3, by_definition(part))),
                    _ => {
                        let mut last = Tree::default();
                        last.extend(part.iter().copied());
                        parts.append(&last);
                    }
                }
            }
            assert_eq!(parts, tree);
        }
        let mut tree = Tree::default();
        tree.push(leaves[0]);
        assert!(!tree.push_subtree(1, leaves[1]), "it would not be whole");
    }
}
