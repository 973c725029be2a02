//! The split of charge lines into the amounts that the layers look at. See `settlement-rules/README.md` §5.

use super::bill::CatalogueClass;
use super::money::{Fen, RATE_ONE, Rate, round_scaled};
use super::rules::{ADVANCE, AmountId, IN_SCOPE, OUT_OF_CATALOGUE, OVER_LIMIT, Package};

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

/// Adds a line to the amounts of a bill, which are indexed by [`AmountId`]. Nothing where an amount does not fit.
pub fn add_line(package: &Package, amounts: &mut [Fen], line: &NetLine) -> Option<()> {
    let [in_scope, advance, over_limit, out_of_catalogue] = split(package, line)?;
    let declared = line.declared.map(|amount| (amount, counts_as(package, amount)));
    let mut add = |kind: AmountId, part: Fen| -> Option<()> {
        if part == Fen::ZERO {
            return Some(());
        }
        let place = match declared {
            Some((amount, Some(counted))) if counted == kind => amount,
            Some(_) | None => kind,
        };
        let sum = amounts.get_mut(usize::from(place))?;
        *sum = sum.checked_add(part)?;
        Some(())
    };
    add(IN_SCOPE, in_scope)?;
    add(ADVANCE, advance)?;
    add(OVER_LIMIT, over_limit)?;
    add(OUT_OF_CATALOGUE, out_of_catalogue)
}

fn counts_as(package: &Package, amount: AmountId) -> Option<AmountId> {
    package.amounts.get(usize::from(amount)).map(|name| name.counts_as)
}

/// In scope, advance self-pay, over limit and out of catalogue, of one line.
fn split(package: &Package, line: &NetLine) -> Option<[Fen; 4]> {
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
    let exact = i128::from(price_e6).checked_mul(i128::from(quantity_e4))?.checked_mul(10)?;
    const { assert!(RATE_ONE == 1_000_000_000) };
    round_scaled(exact, package.rounding)
}
