//! What one layer does to one bill, for one identity. It changes nothing: `run` applies it.

use smallvec::SmallVec;

use super::super::money::{Fen, Rate, round_scaled};
use super::super::rules::{
    Before, Bound, CeilingChange, Change, Curve, Formula, Goal, Layer, LayerId, Part, Share,
    Target, Term,
};
use super::super::verdict::{Action, Step};
use super::Halt;
use super::curve::{Earlier, Resolved};
use super::figures::View;
use super::run::{Done, Run};

/// What a layer would do.
#[derive(Clone, Debug)]
pub(super) struct Computed {
    pub(super) layer: LayerId,
    pub(super) identity: Option<u16>,
    pub(super) kind: Kind,
    /// What entered, what it paid and the rest, as later layers may refer to it.
    pub(super) done: Done,
    /// What it would pay by application.
    pub(super) may_apply: Fen,
    /// Measure and counted pay of a target.
    pub(super) target: Option<(Fen, Fen)>,
    pub(super) assumed: bool,
    pub(super) steps: Vec<Step>,
}

/// What becomes of a layer's pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not for this patient: counts nothing.
    Skipped,
    /// Taken out of what is left.
    Netted,
    /// Beside the bill.
    Fixed,
    /// Not paid at the desk.
    Application,
}

/// What a step looked at, at which ratio, and what came out.
struct Figures(Fen, Option<Rate>, Fen);

/// A layer at work on a bill.
pub(super) struct Worker<'a, 'r> {
    pub(super) run: &'r Run<'a>,
    pub(super) view: View<'r>,
    pub(super) id: LayerId,
    pub(super) layer: &'r Layer,
    steps: Vec<Step>,
}

impl<'a, 'r> Worker<'a, 'r> {
    pub(super) fn new(
        run: &'r Run<'a>,
        id: LayerId,
        layer: &'r Layer,
        identity: Option<u16>,
    ) -> Self {
        Self { run, view: run.view(identity, layer.rounding), id, layer, steps: Vec::new() }
    }

    /// Works out the layer. The order of the steps is the README's, §6.
    pub(super) fn compute(mut self) -> Result<Computed, Halt> {
        if !self.view.holds(&self.layer.who)? {
            return Ok(self.computed(Kind::Skipped, Done::default(), None));
        }
        let layer = self.layer;
        let mut target = None;
        let mut done = match &layer.formula {
            Formula::Fixed(amount) => {
                let (amount, clause) = self.view.amount(amount)?;
                let amount = amount.max(Fen::ZERO);
                self.step(Action::Fixed, clause, Figures(amount, None, amount));
                Done { pay: amount, ..Done::default() }
            }
            Formula::External(_) => {
                let base = self.base()?;
                Done { base, entered: base, ..Done::default() }
            }
            Formula::Curve(curve) => self.curve(curve)?,
            Formula::Target(rules) => {
                let (done, counted) = self.target(rules)?;
                target = Some((done.base, counted));
                done
            }
        };
        if matches!(layer.formula, Formula::Fixed(_)) {
            self.pay_ceilings(&mut done)?;
            return Ok(self.computed(Kind::Fixed, done, target));
        }
        let told = self.told(&mut done)?;
        if !told {
            self.pay_ceilings(&mut done)?;
        }
        done.pay = done.pay.min(self.run.available(layer));
        if let Some(condition) = &layer.by_application
            && self.view.holds(condition)?
        {
            self.step(Action::Application, layer.clause, Figures(done.base, None, done.pay));
            return Ok(self.computed(Kind::Application, done, target));
        }
        Ok(self.computed(Kind::Netted, done, target))
    }

    fn computed(self, kind: Kind, mut done: Done, target: Option<(Fen, Fen)>) -> Computed {
        let mut may_apply = Fen::ZERO;
        if kind == Kind::Application {
            may_apply = done.pay;
            done.pay = Fen::ZERO;
            done.cut = Fen::ZERO;
        }
        Computed {
            layer: self.id,
            identity: self.view.identity,
            kind,
            done,
            may_apply,
            target,
            assumed: self.view.assumed.get(),
            steps: self.steps,
        }
    }

    fn step(&mut self, action: Action, clause: u16, Figures(base, rate, amount): Figures) {
        if self.run.traced() {
            let left = self.run.left_to_patient();
            self.steps.push(Step {
                layer: Some(self.id),
                action,
                clause,
                base,
                rate,
                amount,
                left,
            });
        }
    }

    /// The weighted sum that the layer looks at, not below nothing, to the fen.
    fn base(&mut self) -> Result<Fen, Halt> {
        let mut exact = 0_i128;
        for (term, weight) in &self.layer.base {
            let part = i128::from(self.term(*term).get()).checked_mul(weight.billionths().into());
            exact = part.and_then(|part| exact.checked_add(part)).ok_or(Halt::Overflow)?;
        }
        let base = round_scaled(exact.max(0), self.layer.rounding).ok_or(Halt::Overflow)?;
        self.step(Action::Base, self.layer.clause, Figures(base, None, base));
        Ok(base)
    }

    fn term(&self, term: Term) -> Fen {
        match term {
            Term::Left(amount) => self.run.left(amount),
            Term::Gross(amount) => {
                self.view.gross.get(usize::from(amount)).copied().unwrap_or_default()
            }
            Term::Total => self.view.total,
            Term::Paid => self.run.paid(),
            Term::Layer(layer, part) => {
                let done = self.view.done.get(usize::from(layer)).copied().unwrap_or_default();
                match part {
                    Part::Base => done.base,
                    Part::Pay => done.pay,
                    Part::Deductible => done.deductible,
                    Part::Excess => done.excess,
                    Part::Cut => done.cut,
                }
            }
        }
    }

    fn curve(&mut self, curve: &'r Curve) -> Result<Done, Halt> {
        let base = self.base()?;
        if self.run.told(self.id, base).is_some() {
            return Ok(Done { base, entered: base, ..Done::default() });
        }
        let entered = self.entry_ceilings(base)?;
        let changes = self.changes()?;
        let used = curve.deductible.as_ref().and_then(|rules| rules.yearly_cap.as_ref());
        let used = used.map_or(Fen::ZERO, |(_, slot)| self.run.held(*slot));
        let resolved = Resolved::new(&self.view, curve, &changes, used)?;
        let earlier = curve.before.map(|before| self.earlier(before));
        let held = earlier.as_ref().map_or(Fen::ZERO, |earlier| earlier.burden);
        let pay = resolved.pay(&self.view, entered, earlier.as_ref()).ok_or(Halt::Overflow)?;
        let deductible = resolved.deductible_taken(entered, held).ok_or(Halt::Overflow)?;
        let excess = entered.checked_sub(deductible).ok_or(Halt::Overflow)?;
        if self.run.traced() {
            if let Some((clause, factor)) = resolved.taken.as_ref().and_then(|taken| taken.nth_stay)
            {
                let figures = Figures(entered, Some(factor), resolved.deductible);
                self.step(Action::Deductible, clause, figures);
            }
            if let Some(clause) = resolved.taken.as_ref().map(|taken| taken.clause) {
                self.step(Action::Deductible, clause, Figures(entered, None, deductible));
            }
            for band in resolved.bands_met(&self.view, entered, held) {
                self.step(
                    Action::Band,
                    band.clause,
                    Figures(band.slice, Some(band.ratio), band.pay),
                );
            }
        }
        Ok(Done { base, entered, pay, deductible, excess, cut: Fen::ZERO })
    }

    fn earlier(&self, before: Before) -> Earlier {
        let paid = self.layer.paid_slot.map_or(Fen::ZERO, |slot| self.run.held(slot));
        before.read(self.run.held(before.slot), paid)
    }

    /// The first tilt that holds, then every adjustment that does.
    fn changes(&mut self) -> Result<SmallVec<[&'r Change; 4]>, Halt> {
        let mut changes = SmallVec::new();
        for tilt in &self.layer.tilts {
            if self.view.holds(&tilt.when)? {
                self.view.note(tilt.clause);
                self.step(Action::Tilt, tilt.clause, Figures(Fen::ZERO, None, Fen::ZERO));
                changes.push(tilt);
                break;
            }
        }
        for adjustment in &self.layer.adjustments {
            if self.view.holds(&adjustment.when)? {
                self.view.note(adjustment.clause);
                self.step(
                    Action::Adjustment,
                    adjustment.clause,
                    Figures(Fen::ZERO, None, Fen::ZERO),
                );
                changes.push(adjustment);
            }
        }
        Ok(changes)
    }

    fn entry_ceilings(&mut self, base: Fen) -> Result<Fen, Halt> {
        let mut entered = base;
        for ceiling in &self.layer.ceilings {
            let Bound::Cost(amount, slot) = &ceiling.bound else { continue };
            if !self.view.holds(&ceiling.when)? {
                continue;
            }
            let held = slot.map_or(Fen::ZERO, |slot| self.run.held(slot));
            let room =
                self.view.amount(amount)?.0.checked_sub(held).ok_or(Halt::Overflow)?.max(Fen::ZERO);
            if room < entered {
                self.view.note(ceiling.clause);
                self.step(Action::EntryCeiling, ceiling.clause, Figures(entered, None, room));
                entered = room;
            }
        }
        Ok(entered)
    }

    fn pay_ceilings(&mut self, done: &mut Done) -> Result<(), Halt> {
        let before = done.pay;
        let lift = self.ceiling_change()?;
        for ceiling in &self.layer.ceilings {
            if !self.view.holds(&ceiling.when)? {
                continue;
            }
            let room = match &ceiling.bound {
                Bound::Cost(..) => continue,
                Bound::UpTo(share) => self.room_up_to(share)?,
                Bound::Pay(amount, slot) => {
                    let mut amount = self.view.amount(amount)?.0;
                    match lift {
                        Some(CeilingChange::None) => continue,
                        Some(CeilingChange::Amount(change)) => {
                            amount = self.view.change_amount(amount, change)?
                        }
                        None => {}
                    }
                    let held = slot.map_or(Fen::ZERO, |slot| self.run.held(slot));
                    amount.checked_sub(held).ok_or(Halt::Overflow)?
                }
            };
            let room = room.max(Fen::ZERO);
            if room < done.pay {
                self.view.note(ceiling.clause);
                self.step(Action::Ceiling, ceiling.clause, Figures(done.pay, None, room));
                done.pay = room;
            }
        }
        done.cut = before.checked_sub(done.pay).ok_or(Halt::Overflow)?;
        Ok(())
    }

    /// What the tilt that holds does to the ceilings on pay.
    fn ceiling_change(&self) -> Result<Option<&'r CeilingChange>, Halt> {
        for tilt in &self.layer.tilts {
            if self.view.holds(&tilt.when)? {
                return Ok(tilt.ceiling.as_ref());
            }
        }
        Ok(None)
    }

    fn room_up_to(&self, share: &'r Share) -> Result<Fen, Halt> {
        let (ratio, _) = self.view.plain_ratio(&share.share)?;
        let most = self
            .run
            .measure(share.of_total)
            .share(ratio, self.layer.rounding)
            .ok_or(Halt::Overflow)?;
        most.checked_sub(self.run.paid_by(&share.counts)?).ok_or(Halt::Overflow)
    }

    fn target(&mut self, rules: &'r Target) -> Result<(Done, Fen), Halt> {
        let measure = self.run.measure(rules.of_total);
        let counted = self.run.paid_by(&rules.counts)?;
        let (measure_before, counted_before) =
            rules.slots.map_or((Fen::ZERO, Fen::ZERO), |(measure, counted)| {
                (self.run.held(measure), self.run.held(counted))
            });
        let measure_all = measure.checked_add(measure_before).ok_or(Halt::Overflow)?;
        let counted_all = counted.checked_add(counted_before).ok_or(Halt::Overflow)?;
        let (wanted, rate) = match &rules.goal {
            Goal::Share(ratio) => {
                let (ratio, _) = self.view.plain_ratio(ratio)?;
                (measure_all.share(ratio, self.layer.rounding).ok_or(Halt::Overflow)?, Some(ratio))
            }
            Goal::KeepAtMost(amount) => {
                let (keep, _) = self.view.amount(amount)?;
                (measure_all.checked_sub(keep).ok_or(Halt::Overflow)?, None)
            }
        };
        let pay = wanted.checked_sub(counted_all).ok_or(Halt::Overflow)?.max(Fen::ZERO);
        self.view.note(rules.clause);
        self.step(Action::Target, rules.clause, Figures(measure_all, rate, pay));
        Ok((
            Done { base: measure, entered: measure, pay, excess: measure, ..Done::default() },
            counted,
        ))
    }

    /// Takes what somebody else told, if anybody did or must.
    fn told(&mut self, done: &mut Done) -> Result<bool, Halt> {
        let Some(pay) = self.run.told(self.id, done.base) else {
            return if matches!(self.layer.formula, Formula::External(_)) {
                Err(Halt::Needs(self.id, done.base))
            } else {
                Ok(false)
            };
        };
        if pay < Fen::ZERO || self.run.available(self.layer) < pay {
            return Err(Halt::ToldAboveLeft(self.id));
        }
        *done =
            Done { base: done.base, entered: done.base, pay, excess: done.base, ..Done::default() };
        self.step(Action::Told, self.layer.clause, Figures(done.base, None, pay));
        Ok(true)
    }
}
