//! What one layer does to one bill, for one identity. It changes nothing: `run` applies it.

use smallvec::SmallVec;

use super::super::money::{Fen, Rate, round_scaled};
use super::super::rules::{
    Before, Bound, CeilingChange, Change, Curve, Formula, Goal, Layer, LayerId, Part, Share,
    Target, Term,
};
use super::super::verdict::{Action, Step};
use super::curve::{Earlier, Resolved};
use super::figures::View;
use super::run::{Done, Run};
use super::{Halt, Told};

/// What a layer would do. Filled in place: to hand it on by value costs more than most layers do.
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

/// The changes that hold for a bill.
type Changes<'r> = SmallVec<[&'r Change; 4]>;

/// A layer at work on a bill.
struct Worker<'a, 'r> {
    run: &'r Run<'a>,
    view: View<'r>,
    layer: &'r Layer,
    out: &'r mut Computed,
}

impl Computed {
    /// A layer that is not for this patient, which is what each is until it is worked out.
    pub(super) fn skipped(layer: LayerId, identity: Option<u16>) -> Self {
        Self {
            layer,
            identity,
            kind: Kind::Skipped,
            done: Done::default(),
            may_apply: Fen::ZERO,
            target: None,
            assumed: false,
            steps: Vec::new(),
        }
    }

    /// Works a layer out as skipped so far.
    pub(super) fn work_out<'r>(
        &'r mut self,
        run: &'r Run<'_>,
        layer: &'r Layer,
    ) -> Result<(), Halt> {
        let view = run.view(self.identity, layer.rounding);
        if !view.meets(&layer.who)? {
            return Ok(());
        }
        Worker { run, view, layer, out: self }.compute()
    }
}

impl<'r> Worker<'_, 'r> {
    /// Works out the layer. The order of the steps is the README's, §6.
    fn compute(mut self) -> Result<(), Halt> {
        self.out.kind = self.kind()?;
        if self.out.kind == Kind::Application {
            self.out.may_apply = self.out.done.pay;
            self.out.done.pay = Fen::ZERO;
            self.out.done.cut = Fen::ZERO;
        }
        self.out.assumed = self.view.assumed.get();
        Ok(())
    }

    fn kind(&mut self) -> Result<Kind, Halt> {
        let layer = self.layer;
        match &layer.formula {
            Formula::Fixed(amount) => {
                let (amount, clause) = self.view.amount(amount)?;
                let amount = amount.max(Fen::ZERO);
                self.step(Action::Fixed, clause, Figures(amount, None, amount));
                self.out.done.pay = amount;
                self.pay_ceilings()?;
                return Ok(Kind::Fixed);
            }
            Formula::External(_) => self.base()?,
            Formula::Curve(curve) => self.curve(curve)?,
            Formula::Target(rules) => self.target(rules)?,
        }
        if !self.told()? {
            self.pay_ceilings()?;
        }
        let Done { base, pay, .. } = self.out.done;
        let pay = pay.min(self.run.available(layer));
        self.out.done.pay = pay;
        if let Some(condition) = &layer.by_application
            && self.view.meets(condition)?
        {
            self.step(Action::Application, layer.clause, Figures(base, None, pay));
            return Ok(Kind::Application);
        }
        Ok(Kind::Netted)
    }

    fn step(&mut self, action: Action, clause: u16, Figures(base, rate, amount): Figures) {
        if self.run.traced() {
            let left = self.run.left_to_patient();
            self.out.steps.push(Step {
                layer: Some(self.out.layer),
                action,
                clause,
                base,
                rate,
                amount,
                left,
            });
        }
    }

    /// The weighted sum that the layer looks at, not below nothing, to the fen. All of it enters, unless something keeps it out.
    fn base(&mut self) -> Result<(), Halt> {
        let mut exact = 0_i128;
        for (term, weight) in &self.layer.base {
            let part = i128::from(self.term(*term).get()).checked_mul(weight.billionths().into());
            exact = part.and_then(|part| exact.checked_add(part)).ok_or(Halt::Overflow)?;
        }
        let base = round_scaled(exact.max(0), self.layer.rounding).ok_or(Halt::Overflow)?;
        self.step(Action::Base, self.layer.clause, Figures(base, None, base));
        (self.out.done.base, self.out.done.entered) = (base, base);
        Ok(())
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

    fn curve(&mut self, curve: &'r Curve) -> Result<(), Halt> {
        self.base()?;
        let base = self.out.done.base;
        if self.run.is_told(self.out.layer, base)? {
            return Ok(());
        }
        let entered = self.entry_ceilings(base)?;
        let mut changes = Changes::new();
        self.changes(&mut changes)?;
        let used = curve.deductible.as_ref().and_then(|rules| rules.yearly_cap.as_ref());
        let used = used.map_or(Fen::ZERO, |(_, slot)| self.run.held(*slot));
        let resolved = Resolved::new(&self.view, curve, &changes, used)?;
        let earlier = curve.before.map(|before| self.earlier(before));
        let held = earlier.as_ref().map_or(Fen::ZERO, |earlier| earlier.burden);
        let pay = resolved.pay(&self.view, entered, earlier.as_ref()).ok_or(Halt::Overflow)?;
        let deductible = resolved.deductible_taken(entered, held).ok_or(Halt::Overflow)?;
        let excess = entered.checked_sub(deductible).ok_or(Halt::Overflow)?;
        if self.run.traced() {
            if let Some(nth) = resolved.taken.as_ref().and_then(|taken| taken.nth_stay.as_ref()) {
                let figures = Figures(nth.before, Some(nth.factor), nth.after);
                self.step(Action::Deductible, nth.clause, figures);
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
        self.out.done = Done { base, entered, pay, deductible, excess, cut: Fen::ZERO };
        Ok(())
    }

    fn earlier(&self, before: Before) -> Earlier {
        let paid = self.layer.paid_slot.map_or(Fen::ZERO, |slot| self.run.held(slot));
        before.read(self.run.held(before.slot), paid)
    }

    /// The first tilt that holds, then every adjustment that does.
    fn changes(&mut self, changes: &mut Changes<'r>) -> Result<(), Halt> {
        for tilt in &self.layer.tilts {
            if self.view.meets(&tilt.when)? {
                self.view.note(tilt.clause);
                self.step(Action::Tilt, tilt.clause, Figures(Fen::ZERO, None, Fen::ZERO));
                changes.push(tilt);
                break;
            }
        }
        for adjustment in &self.layer.adjustments {
            if self.view.meets(&adjustment.when)? {
                self.view.note(adjustment.clause);
                self.step(
                    Action::Adjustment,
                    adjustment.clause,
                    Figures(Fen::ZERO, None, Fen::ZERO),
                );
                changes.push(adjustment);
            }
        }
        Ok(())
    }

    fn entry_ceilings(&mut self, base: Fen) -> Result<Fen, Halt> {
        let mut entered = base;
        for ceiling in &self.layer.ceilings {
            let Bound::Cost(amount, slot) = &ceiling.bound else { continue };
            if !self.view.meets(&ceiling.when)? {
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

    fn pay_ceilings(&mut self) -> Result<(), Halt> {
        let before = self.out.done.pay;
        let mut pay = before;
        let lift = self.ceiling_change()?;
        for ceiling in &self.layer.ceilings {
            if !self.view.meets(&ceiling.when)? {
                continue;
            }
            let room = match &ceiling.bound {
                Bound::Cost(..) => continue,
                Bound::UpTo(share) => self.room_up_to(share)?,
                Bound::Pay(amount, slot) => {
                    // Of a ceiling that is lifted nobody asks the amount.
                    if let Some(CeilingChange::None) = lift {
                        continue;
                    }
                    let mut amount = self.view.amount(amount)?.0;
                    if let Some(CeilingChange::Amount(change)) = lift {
                        amount = self.view.change_amount(amount, change)?;
                    }
                    let held = slot.map_or(Fen::ZERO, |slot| self.run.held(slot));
                    amount.checked_sub(held).ok_or(Halt::Overflow)?
                }
            };
            let room = room.max(Fen::ZERO);
            if room < pay {
                self.view.note(ceiling.clause);
                self.step(Action::Ceiling, ceiling.clause, Figures(pay, None, room));
                pay = room;
            }
        }
        self.out.done.pay = pay;
        self.out.done.cut = before.checked_sub(pay).ok_or(Halt::Overflow)?;
        Ok(())
    }

    /// What the tilt that holds does to the ceilings on pay.
    fn ceiling_change(&self) -> Result<Option<&'r CeilingChange>, Halt> {
        for tilt in &self.layer.tilts {
            if self.view.meets(&tilt.when)? {
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

    fn target(&mut self, rules: &'r Target) -> Result<(), Halt> {
        let measure = self.run.measure(rules.of_total);
        let counted = self.run.paid_by(&rules.counts)?;
        let (measure_before, counted_before) =
            rules.slots.map_or((Fen::ZERO, Fen::ZERO), |(measure, counted)| {
                (self.run.held(measure), self.run.held(counted))
            });
        self.out.target = Some((measure, counted));
        // What somebody told needs no figures of ours.
        if self.run.is_told(self.out.layer, measure)? {
            self.out.done = Done { base: measure, ..Done::default() };
            return Ok(());
        }
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
        self.out.done =
            Done { base: measure, entered: measure, pay, excess: measure, ..Done::default() };
        Ok(())
    }

    /// Takes what somebody else told, if anybody did or must.
    fn told(&mut self) -> Result<bool, Halt> {
        let (layer, base) = (self.out.layer, self.out.done.base);
        let Some(&Told { pay, deductible, .. }) = self.run.told(layer, base) else {
            return if matches!(self.layer.formula, Formula::External(_)) {
                Err(Halt::Needs(layer, base))
            } else {
                Ok(false)
            };
        };
        if pay < Fen::ZERO || self.run.available(self.layer) < pay {
            return Err(Halt::ToldAboveLeft(layer));
        }
        let excess = base.checked_sub(deductible).ok_or(Halt::Overflow)?;
        if deductible < Fen::ZERO || (deductible != Fen::ZERO && excess < pay) {
            return Err(Halt::ToldAboveLeft(layer));
        }
        if deductible != Fen::ZERO {
            self.step(Action::Deductible, self.layer.clause, Figures(base, None, deductible));
        }
        self.out.done = Done { base, entered: base, pay, deductible, excess, cut: Fen::ZERO };
        self.step(Action::Told, self.layer.clause, Figures(base, None, pay));
        Ok(true)
    }
}
