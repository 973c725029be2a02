//! The pay for a burden: a ratio or bands above a deductible, exactly, in billionths of a fen.

use smallvec::SmallVec;

use super::super::money::{Fen, Rate, round_scaled};
use super::super::rules::{
    Before, Bounds, Change, ClauseId, Curve, Deductible, OnTransfer, Transfer,
};
use super::Halt;
use super::figures::View;

/// A curve with its figures looked up for one bill.
pub(super) struct Resolved {
    pub(super) deductible: Fen,
    pub(super) taken: Option<Taken>,
    bands: SmallVec<[Slice; 6]>,
    on_gross: bool,
    whole: Option<Bounds>,
}

/// A deductible, and the clauses behind it.
pub(super) struct Taken {
    deductible: Fen,
    pub(super) clause: ClauseId,
    /// What the factor of the n-th stay did, from the second stay on.
    pub(super) nth_stay: Option<NthStay>,
}

/// The deductible before and after the factor of the n-th stay.
pub(super) struct NthStay {
    pub(super) clause: ClauseId,
    pub(super) before: Fen,
    pub(super) factor: Rate,
    pub(super) after: Fen,
}

/// One band: up to where, at which ratio.
struct Slice {
    to: Option<Fen>,
    ratio: Rate,
    clause: ClauseId,
}

/// What one band pays of a part of the burden.
pub(super) struct BandPay {
    pub(super) clause: ClauseId,
    pub(super) slice: Fen,
    pub(super) ratio: Rate,
    pub(super) pay: Fen,
}

/// What the policy year holds from before.
pub(super) struct Earlier {
    pub(super) burden: Fen,
    pub(super) paid: Fen,
    pub(super) against_paid: bool,
}

impl Resolved {
    #[inline]
    pub(super) fn new<'a>(
        view: &View<'a>,
        curve: &'a Curve,
        changes: &[&'a Change],
        deductible_used: Fen,
    ) -> Result<Self, Halt> {
        let rules = curve.deductible.as_ref();
        let taken =
            rules.map(|rules| deductible_of(view, rules, changes, deductible_used)).transpose()?;
        let deductible = taken.as_ref().map_or(Fen::ZERO, |taken| taken.deductible);
        let row = view.first(&curve.rows)?;
        let (on_gross, whole) = (curve.on_gross, curve.whole);
        let mut resolved = Self { deductible, taken, bands: SmallVec::new(), on_gross, whole };
        for band in &row.value {
            let to = match &band.to {
                None => None,
                Some(amount) => Some(view.amount(amount)?.0),
            };
            let (mut ratio, clause) = view.ratio(&band.ratio)?;
            for change in changes {
                if let Some(ratio_change) = &change.ratio {
                    ratio = view.change_ratio(ratio, ratio_change)?;
                }
            }
            resolved.bands.push(Slice { to, ratio: ratio.clamp(Rate::ZERO, Rate::ONE), clause });
        }
        Ok(resolved)
    }

    /// F(t), to the fen.
    fn paid_for(&self, view: &View<'_>, burden: Fen) -> Option<Fen> {
        if burden <= self.deductible {
            return Some(Fen::ZERO);
        }
        let exact = match self.whole {
            Some(bounds) => self.whole_exact(burden, bounds)?,
            None => {
                let (from, to) = self.limits(burden)?;
                self.slices(from, to).try_fold(0_i128, |sum, (slice, length)| {
                    let pay =
                        i128::from(length.get()).checked_mul(slice.ratio.billionths().into())?;
                    sum.checked_add(pay)
                })?
            }
        };
        round_scaled(exact, view.rounding)
    }

    /// The part of the band axis that a burden covers.
    fn limits(&self, burden: Fen) -> Option<(Fen, Fen)> {
        if self.on_gross {
            Some((self.deductible, burden))
        } else {
            Some((Fen::ZERO, burden.checked_sub(self.deductible)?.max(Fen::ZERO)))
        }
    }

    /// Every band that meets a part of the band axis, with how much of it.
    fn slices(&self, from: Fen, to: Fen) -> impl Iterator<Item = (&Slice, Fen)> {
        let mut reached = Fen::ZERO;
        self.bands.iter().filter_map(move |slice| {
            let low = reached.max(from);
            let high = slice.to.map_or(to, |bound| bound.min(to));
            reached = slice.to.unwrap_or(reached);
            let length = high.checked_sub(low)?;
            (Fen::ZERO < length).then_some((slice, length))
        })
    }

    fn whole_exact(&self, burden: Fen, bounds: Bounds) -> Option<i128> {
        let excess = burden.checked_sub(self.deductible)?.max(Fen::ZERO);
        let slice = self.reached(burden, excess, bounds)?;
        i128::from(excess.get()).checked_mul(slice.ratio.billionths().into())
    }

    fn reached(&self, burden: Fen, excess: Fen, bounds: Bounds) -> Option<&Slice> {
        let measure = if self.on_gross { burden } else { excess };
        self.bands.iter().find(|slice| {
            slice.to.is_none_or(|bound| match bounds {
                Bounds::Inclusive => measure <= bound,
                Bounds::Exclusive => measure < bound,
            })
        })
    }

    /// What the layer pays for what enters now, given what the policy year holds.
    pub(super) fn pay(
        &self,
        view: &View<'_>,
        entering: Fen,
        earlier: Option<&Earlier>,
    ) -> Option<Fen> {
        let Some(earlier) = earlier else {
            return self.paid_for(view, entering).map(|pay| pay.max(Fen::ZERO));
        };
        let upto = self.paid_for(view, earlier.burden.checked_add(entering)?)?;
        let already =
            if earlier.against_paid { earlier.paid } else { self.paid_for(view, earlier.burden)? };
        upto.checked_sub(already).map(|pay| pay.max(Fen::ZERO))
    }

    /// The deductible taken out of what enters now.
    pub(super) fn deductible_taken(&self, entering: Fen, before: Fen) -> Option<Fen> {
        let upto = before.checked_add(entering)?.min(self.deductible);
        upto.checked_sub(before.min(self.deductible))
    }

    /// The slices that what enters now falls into, for the trace.
    pub(super) fn bands_met(&self, view: &View<'_>, entering: Fen, before: Fen) -> Vec<BandPay> {
        let met = || -> Option<Vec<BandPay>> {
            let burden = before.checked_add(entering)?;
            if let Some(bounds) = self.whole {
                let excess = burden.checked_sub(self.deductible)?.max(Fen::ZERO);
                let slice = self.reached(burden, excess, bounds)?;
                let pay = excess.share(slice.ratio, view.rounding)?;
                return Some(vec![BandPay {
                    clause: slice.clause,
                    slice: excess,
                    ratio: slice.ratio,
                    pay,
                }]);
            }
            let (from, to) = self.limits(burden)?;
            let from = from.max(self.limits(before)?.1);
            let pays = self.slices(from, to).filter_map(|(slice, length)| {
                let pay = length.share(slice.ratio, view.rounding)?;
                Some(BandPay { clause: slice.clause, slice: length, ratio: slice.ratio, pay })
            });
            Some(pays.collect())
        };
        met().unwrap_or_default()
    }
}

/// The deductible of this stay or year: table, changes, n-th factor, floor, transfer, what is left of the yearly cap.
fn deductible_of<'a>(
    view: &View<'a>,
    rules: &'a Deductible,
    changes: &[&'a Change],
    used: Fen,
) -> Result<Taken, Halt> {
    let (amount, clause) = view.amount(&rules.amount)?;
    let mut deductible = amount.max(Fen::ZERO);
    let mut nth_stay = None;
    for change in changes {
        if let Some(amount_change) = &change.deductible {
            deductible = view.change_amount(deductible, amount_change)?;
        }
    }
    if let Some(nth) = &rules.nth {
        let stay = if nth.same_level { view.facts.stay_same_level } else { view.facts.stay };
        let place = usize::try_from(stay.saturating_sub(1)).unwrap_or(0);
        let factor = nth.factors.get(place).or(nth.factors.last()).copied().unwrap_or(Rate::ONE);
        let before = deductible;
        deductible = before.share(factor, view.rounding).ok_or(Halt::Overflow)?.max(Fen::ZERO);
        // The first stay has nothing of the n-th in it.
        if 0 < place {
            view.note(nth.clause);
            nth_stay = Some(NthStay { clause: nth.clause, before, factor, after: deductible });
        }
    }
    if let Some(floor) = &rules.floor {
        deductible = deductible.max(view.amount(floor)?.0);
    }
    deductible = on_transfer(view, rules, deductible)?;
    if let Some((cap, _)) = &rules.yearly_cap {
        let room = view.amount(cap)?.0.checked_sub(used).ok_or(Halt::Overflow)?;
        deductible = deductible.min(room.max(Fen::ZERO));
    }
    Ok(Taken { deductible, clause, nth_stay })
}

fn on_transfer(view: &View<'_>, rules: &Deductible, deductible: Fen) -> Result<Fen, Halt> {
    let [up, level, down] = rules.transfer;
    let what = match view.facts.transfer {
        Transfer::None => return Ok(deductible),
        Transfer::Up => up,
        Transfer::Level => level,
        Transfer::Down => down,
    };
    match what {
        OnTransfer::Full => Ok(deductible),
        OnTransfer::Waived => {
            view.note(rules.transfer_clause);
            Ok(Fen::ZERO)
        }
        OnTransfer::Difference => {
            view.note(rules.transfer_clause);
            let rest =
                deductible.checked_sub(view.facts.transfer_deductible).ok_or(Halt::Overflow)?;
            Ok(rest.max(Fen::ZERO))
        }
    }
}

impl Before {
    /// What the policy year holds, by accumulator.
    pub(super) fn read(self, held: Fen, paid: Fen) -> Earlier {
        Earlier { burden: held.max(Fen::ZERO), paid, against_paid: self.against_paid }
    }
}
