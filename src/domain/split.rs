//! The split of charge lines into the amounts that the layers look at. See `settlement-rules/README.md` §5.

use super::bill::CatalogueClass;
use super::money::{Fen, RATE_ONE, Rate, round_scaled};
use super::rules::{AmountId, NATIONAL_AMOUNTS, Package};

/// A charge line with its refunds added up, and what the catalogue says of its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetLine {
    /// The class.
    pub class: CatalogueClass,
    /// Quantity × price.
    pub amount: Fen,
    /// How many, in ten-thousandths.
    pub quantity_e4: i64,
    /// Ceiling price of one, in millionths of a yuan.
    pub ceiling_price_e6: Option<i64>,
    /// The item's own advance ratio.
    pub advance_ratio: Option<Rate>,
    /// The declared amount that the item counts under.
    pub declared: Option<AmountId>,
}

/// The amounts of a bill, line by line.
#[derive(Debug)]
pub struct Split<'a> {
    package: &'a Package,
    national: [Fen; NATIONAL_AMOUNTS.len()],
    declared: Vec<Fen>,
}

impl<'a> Split<'a> {
    /// Of a bill without lines.
    pub const fn new(package: &'a Package) -> Self {
        Self { package, national: [Fen::ZERO; NATIONAL_AMOUNTS.len()], declared: Vec::new() }
    }

    /// Adds a line. Nothing where an amount does not fit.
    #[inline]
    pub fn add(&mut self, line: &NetLine) -> Option<()> {
        let mut parts = split(self.package, line)?;
        if let Some(amount) = line.declared {
            self.take_declared(amount, &mut parts)?;
        }
        for (sum, part) in self.national.iter_mut().zip(parts) {
            *sum = sum.checked_add(part)?;
        }
        Some(())
    }

    /// Puts the part that a declared amount counts under there instead.
    fn take_declared(&mut self, amount: AmountId, parts: &mut Parts) -> Option<()> {
        let name = self.package.amounts.get(usize::from(amount))?;
        let part = parts.get_mut(usize::from(name.counts_as))?;
        self.declared.resize(self.package.amounts.len(), Fen::ZERO);
        let sum = self.declared.get_mut(usize::from(amount))?;
        *sum = sum.checked_add(*part)?;
        *part = Fen::ZERO;
        Some(())
    }

    /// The sums, indexed by [`AmountId`]. Nothing where an amount does not fit.
    pub fn amounts(self) -> Option<Vec<Fen>> {
        let mut amounts = self.declared;
        amounts.resize(self.package.amounts.len(), Fen::ZERO);
        for (amount, sum) in amounts.iter_mut().zip(self.national) {
            *amount = amount.checked_add(sum)?;
        }
        Some(amounts)
    }
}

/// In scope, advance self-pay, over limit and out of catalogue, as in [`NATIONAL_AMOUNTS`].
type Parts = [Fen; NATIONAL_AMOUNTS.len()];

/// The parts of one line.
#[inline]
fn split(package: &Package, line: &NetLine) -> Option<Parts> {
    let class_ratio = match line.class {
        CatalogueClass::A => Rate::ZERO,
        CatalogueClass::B => package.class_b_advance,
        CatalogueClass::C => return Some([Fen::ZERO, Fen::ZERO, Fen::ZERO, line.amount]),
    };
    let over_limit = match line.ceiling_price_e6 {
        None => Fen::ZERO,
        Some(price_e6) => {
            let at_ceiling = price_times_quantity(price_e6, line.quantity_e4, package)?;
            line.amount.checked_sub(at_ceiling)?.max(Fen::ZERO)
        }
    };
    let within = line.amount.checked_sub(over_limit)?;
    let advance = within.share(line.advance_ratio.unwrap_or(class_ratio), package.rounding)?;
    let in_scope = within.checked_sub(advance)?;
    Some([in_scope, advance, over_limit, Fen::ZERO])
}

/// Millionths of a yuan × ten-thousandths, to the fen.
fn price_times_quantity(price_e6: i64, quantity_e4: i64, package: &Package) -> Option<Fen> {
    // e6 yuan × e4 is e10 yuan, which is e8 fen; ten more make the billionths that the one rounding place takes.
    const { assert!(RATE_ONE == 1_000_000_000) };
    let narrow = price_e6.checked_mul(quantity_e4).and_then(|exact| exact.checked_mul(10));
    let exact = match narrow {
        Some(exact) => i128::from(exact),
        None => i128::from(price_e6).checked_mul(i128::from(quantity_e4))?.checked_mul(10)?,
    };
    round_scaled(exact, package.rounding)
}
