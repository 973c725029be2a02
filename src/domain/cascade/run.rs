//! The state of one pass over the layers: what is left, what each layer did, what was counted.

use std::cell::Cell;

use smallvec::{SmallVec, smallvec};

use super::super::money::{Fen, Rounding};
use super::super::rules::{
    ADVANCE, AccumulatorId, AmountId, Bearer, Bound, Formula, IN_SCOPE, Layer, LayerId, Marks,
    OUT_OF_CATALOGUE, OVER_LIMIT, Package,
};
use super::super::verdict::{
    Action, Breakdown, COLUMNS, Column, IdentityUsed, LayerPay, Moved, Outcome, Step,
};
use super::figures::View;
use super::layer::{Computed, Kind};
use super::{Facts, Halt, Inputs, Told, Traced};

/// What a layer did, as later layers may refer to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) base: Fen,
    /// What entered, after the entry ceilings.
    pub(super) entered: Fen,
    pub(super) pay: Fen,
    pub(super) deductible: Fen,
    pub(super) excess: Fen,
    pub(super) cut: Fen,
}

/// One pass over the layers.
#[derive(Clone, Debug)]
pub(super) struct Run<'a> {
    package: &'a Package,
    inputs: &'a Inputs,
    traced: Traced,
    /// Whose pay somebody else must tell.
    asked: &'a [LayerId],
    gross: SmallVec<[Fen; 8]>,
    shown: Marks,
    total: Fen,
    in_scope: Fen,
    left: SmallVec<[Fen; 8]>,
    left_to_patient: Fen,
    paid: Fen,
    done: SmallVec<[Done; 8]>,
    counted: SmallVec<[Fen; 16]>,
    layers: SmallVec<[LayerPay; 8]>,
    fixed: SmallVec<[LayerPay; 2]>,
    may_apply: SmallVec<[LayerPay; 2]>,
    identities: SmallVec<[IdentityUsed; 4]>,
    trace: Vec<Step>,
}

impl<'a> Run<'a> {
    /// Before anything is done.
    pub(super) fn new(
        package: &'a Package,
        inputs: &'a Inputs,
        traced: Traced,
        asked: &'a [LayerId],
    ) -> Self {
        let Facts { level, place, referral, care, transfer, .. } = inputs.facts;
        Self {
            package,
            inputs,
            traced,
            asked,
            gross: SmallVec::from_slice(&inputs.amounts),
            shown: Marks::shown(level, (place, referral), care, transfer),
            total: Fen::ZERO,
            in_scope: Fen::ZERO,
            left: SmallVec::new(),
            left_to_patient: Fen::ZERO,
            paid: Fen::ZERO,
            done: SmallVec::new(),
            counted: smallvec![Fen::ZERO; package.accumulators.len()],
            layers: SmallVec::new(),
            fixed: SmallVec::new(),
            may_apply: SmallVec::new(),
            identities: SmallVec::new(),
            trace: Vec::new(),
        }
    }

    /// Adds the bill up and does the moves.
    pub(super) fn start(&mut self) -> Result<(), Halt> {
        // Of another package than the one that decides: what it does not know would be in the total and in no part of it.
        if self.package.amounts.len() < self.inputs.amounts.len() {
            return Err(Halt::Overflow);
        }
        self.total = sum(&self.inputs.amounts)?;
        self.left_to_patient = self.total;
        self.gross.resize(self.package.amounts.len(), Fen::ZERO);
        self.moves()?;
        self.in_scope = self.of_kind(IN_SCOPE)?;
        self.left.extend_from_slice(&self.gross);
        Ok(())
    }

    fn moves(&mut self) -> Result<(), Halt> {
        for rule in &self.package.moves {
            let view = self.view(None, self.package.rounding);
            if !view.meets(&rule.when)? {
                continue;
            }
            let (ratio, _) = view.plain_ratio(&rule.ratio)?;
            let from = self.gross.get(usize::from(rule.from)).copied().unwrap_or_default();
            let moved = from.share(ratio, self.package.rounding).ok_or(Halt::Overflow)?;
            if let Some(place) = self.gross.get_mut(usize::from(rule.from)) {
                *place = from.checked_sub(moved).ok_or(Halt::Overflow)?;
            }
            if let Some(place) = self.gross.get_mut(usize::from(rule.to)) {
                *place = place.checked_add(moved).ok_or(Halt::Overflow)?;
            }
            if self.traced() {
                let (action, left) = (Action::Move, self.left_to_patient);
                let rate = Some(ratio);
                self.trace.push(Step {
                    layer: None,
                    action,
                    clause: rule.clause,
                    base: from,
                    rate,
                    amount: moved,
                    left,
                });
            }
        }
        Ok(())
    }

    /// The layers that no identity can change.
    pub(super) fn shared_layers(&mut self) -> Result<(), Halt> {
        self.layers_until(usize::from(self.package.layers_shared), None)
    }

    /// All layers that are not done yet, with the same identity.
    pub(super) fn other_layers(&mut self, identity: Option<u16>) -> Result<(), Halt> {
        self.layers_until(self.package.layers.len(), identity)?;
        self.identities.push(IdentityUsed { layer: None, identity });
        Ok(())
    }

    /// Is every layer done?
    pub(super) fn is_done(&self) -> bool {
        self.done.len() == self.package.layers.len()
    }

    fn layers_until(&mut self, end: usize, identity: Option<u16>) -> Result<(), Halt> {
        let package = self.package;
        for (id, layer) in package.layers.iter().enumerate().take(end).skip(self.done.len()) {
            let id = LayerId::try_from(id).map_err(|_| Halt::Overflow)?;
            let mut computed = Computed::skipped(id, identity);
            computed.work_out(self, layer)?;
            self.apply(layer, &mut computed)?;
        }
        Ok(())
    }

    /// Every layer with the identity for which it pays most.
    pub(super) fn all_layers_each_at_its_best(&mut self, held: &[u16]) -> Result<(), Halt> {
        let package = self.package;
        for (id, layer) in package.layers.iter().enumerate() {
            let id = LayerId::try_from(id).map_err(|_| Halt::Overflow)?;
            let mut best: Option<Computed> = None;
            for identity in held.iter().copied().map(Some).chain([None]) {
                let mut computed = Computed::skipped(id, identity);
                computed.work_out(self, layer)?;
                if best.as_ref().is_none_or(|best| best.done.pay < computed.done.pay) {
                    best = Some(computed);
                }
            }
            let Some(mut best) = best else { continue };
            if best.kind != Kind::Skipped {
                self.identities.push(IdentityUsed { layer: Some(id), identity: best.identity });
            }
            self.apply(layer, &mut best)?;
        }
        Ok(())
    }

    fn apply(&mut self, layer: &Layer, computed: &mut Computed) -> Result<(), Halt> {
        let Computed { layer: id, kind, done, may_apply, target, assumed, steps, identity: _ } =
            computed;
        let (id, kind, done) = (*id, *kind, &*done);
        self.done.push(*done);
        let mut pay = LayerPay {
            layer: id,
            base: done.base,
            deductible: done.deductible,
            pay: done.pay,
            assumed: *assumed,
        };
        self.trace.append(steps);
        match kind {
            Kind::Skipped => return Ok(()),
            Kind::Application => {
                pay.pay = *may_apply;
                self.may_apply.push(pay);
                return Ok(());
            }
            Kind::Fixed => self.fixed.push(pay),
            Kind::Netted => {
                self.take(layer, done.pay)?;
                self.paid = self.paid.checked_add(done.pay).ok_or(Halt::Overflow)?;
                self.left_to_patient =
                    self.left_to_patient.checked_sub(done.pay).ok_or(Halt::Overflow)?;
                self.layers.push(pay);
            }
        }
        if self.traced() {
            let (action, left) = (Action::Pay, self.left_to_patient);
            let (clause, base) = (layer.clause, done.entered);
            self.trace.push(Step {
                layer: Some(id),
                action,
                clause,
                base,
                rate: None,
                amount: done.pay,
                left,
            });
        }
        self.count(layer, done, *target)
    }

    /// Takes the pay out of what is left.
    fn take(&mut self, layer: &Layer, pay: Fen) -> Result<(), Halt> {
        let mut rest = pay;
        if layer.proportional {
            let all = i128::from(self.available(layer).get());
            for amount in &layer.take_from {
                let Some(left) = self.left.get_mut(usize::from(*amount)) else { continue };
                let product =
                    i128::from(pay.get()).checked_mul(left.get().into()).ok_or(Halt::Overflow)?;
                let share = product.checked_div(all).and_then(|share| i64::try_from(share).ok());
                let share = Fen::new(share.unwrap_or(0));
                *left = left.checked_sub(share).ok_or(Halt::Overflow)?;
                rest = rest.checked_sub(share).ok_or(Halt::Overflow)?;
            }
        }
        let most_each = if layer.proportional { Fen::new(1) } else { rest };
        for amount in &layer.take_from {
            let Some(left) = self.left.get_mut(usize::from(*amount)) else { continue };
            let taken = rest.min(*left).min(most_each);
            *left = left.checked_sub(taken).ok_or(Halt::Overflow)?;
            rest = rest.checked_sub(taken).ok_or(Halt::Overflow)?;
        }
        if rest == Fen::ZERO { Ok(()) } else { Err(Halt::Overflow) }
    }

    fn count(
        &mut self,
        layer: &Layer,
        done: &Done,
        target: Option<(Fen, Fen)>,
    ) -> Result<(), Halt> {
        let before = match &layer.formula {
            Formula::Curve(curve) => curve.before,
            Formula::External(before) => *before,
            Formula::Target(_) | Formula::Fixed(_) => None,
        };
        if let Some(before) = before {
            let kept = done.entered.checked_sub(done.pay).ok_or(Halt::Overflow)?;
            self.add(before.slot, if before.kept { kept } else { done.entered })?;
        }
        if let Formula::Curve(curve) = &layer.formula
            && let Some((_, slot)) =
                curve.deductible.as_ref().and_then(|rules| rules.yearly_cap.as_ref())
        {
            self.add(*slot, done.deductible)?;
        }
        if let (Formula::Target(rules), Some((measure, counted))) = (&layer.formula, target)
            && let Some((measure_slot, counted_slot)) = rules.slots
        {
            self.add(measure_slot, measure)?;
            self.add(counted_slot, counted.checked_add(done.pay).ok_or(Halt::Overflow)?)?;
        }
        if let Some(slot) = layer.paid_slot {
            self.add(slot, done.pay)?;
        }
        // A pool that several ceilings of one layer share holds the layer's pay once.
        let mut seen: SmallVec<[AccumulatorId; 8]> = SmallVec::new();
        for ceiling in &layer.ceilings {
            let (slot, by) = match &ceiling.bound {
                Bound::Cost(_, Some(slot)) => (*slot, done.entered),
                Bound::Pay(_, Some(slot)) => (*slot, done.pay),
                Bound::Cost(_, None) | Bound::Pay(_, None) | Bound::UpTo(_) => continue,
            };
            if !seen.contains(&slot) {
                seen.push(slot);
                self.add(slot, by)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, slot: AccumulatorId, by: Fen) -> Result<(), Halt> {
        let place = self.counted.get_mut(usize::from(slot)).ok_or(Halt::Overflow)?;
        *place = place.checked_add(by).ok_or(Halt::Overflow)?;
        Ok(())
    }

    /// What the answer says once every layer is done.
    pub(super) fn outcome(&mut self, by_layer: bool) -> Result<Outcome, Halt> {
        let mut breakdown = Breakdown {
            total: self.total,
            in_scope: self.in_scope,
            advance: self.of_kind(ADVANCE)?,
            over_limit: self.of_kind(OVER_LIMIT)?,
            out_of_catalogue: self.of_kind(OUT_OF_CATALOGUE)?,
            ..Breakdown::default()
        };
        breakdown.cash = self.left_to_patient;
        for pay in &self.layers {
            let column = match self.bearer(pay.layer) {
                Some(Bearer::Fund(column) | Bearer::Other(column)) => {
                    if column == Column::BasicPool {
                        breakdown.deductible = breakdown
                            .deductible
                            .checked_add(pay.deductible)
                            .ok_or(Halt::Overflow)?;
                    }
                    place_of(&mut breakdown.paid, column)
                }
                Some(Bearer::Hospital) => Some(&mut breakdown.hospital_borne),
                Some(Bearer::Account) => Some(&mut breakdown.account),
                None => None,
            };
            let column = column.ok_or(Halt::Overflow)?;
            *column = column.checked_add(pay.pay).ok_or(Halt::Overflow)?;
        }
        debug_assert!(breakdown.adds_up(), "{breakdown:?}");
        let moved = self.counted.iter().zip(0_u16..).filter(|(by, _)| **by != Fen::ZERO);
        debug_assert!(by_layer || self.identities.len() == 1);
        Ok(Outcome {
            breakdown,
            moved: moved.map(|(by, slot)| Moved { slot, by: *by }).collect(),
            layers: self.layers.to_vec(),
            fixed: self.fixed.to_vec(),
            may_apply: self.may_apply.to_vec(),
            identities_used: self.identities.to_vec(),
            trace: std::mem::take(&mut self.trace),
            provisional: Vec::new(),
        })
    }

    /// What the patient bears, less fixed benefits: what the best identity makes least.
    pub(super) fn burden(&self) -> Result<Fen, Halt> {
        let mut burden = self.left_to_patient;
        for pay in &self.layers {
            if self.bearer(pay.layer) == Some(Bearer::Account) {
                burden = burden.checked_add(pay.pay).ok_or(Halt::Overflow)?;
            }
        }
        self.fixed
            .iter()
            .try_fold(burden, |rest, fixed| rest.checked_sub(fixed.pay))
            .ok_or(Halt::Overflow)
    }

    fn bearer(&self, layer: LayerId) -> Option<Bearer> {
        self.package.payer_of(self.package.layer(layer)?).map(|payer| payer.bearer)
    }

    pub(super) fn view(&self, identity: Option<u16>, rounding: Rounding) -> View<'_> {
        View {
            package: self.package,
            facts: &self.inputs.facts,
            identity,
            shown: self.shown.with_identity(identity),
            gross: &self.gross,
            total: self.total,
            done: &self.done,
            rounding,
            assumed: Cell::new(false),
        }
    }

    pub(super) fn traced(&self) -> bool {
        self.traced == Traced::Yes
    }

    pub(super) const fn left_to_patient(&self) -> Fen {
        self.left_to_patient
    }

    pub(super) const fn paid(&self) -> Fen {
        self.paid
    }

    pub(super) fn left(&self, amount: AmountId) -> Fen {
        self.left.get(usize::from(amount)).copied().unwrap_or_default()
    }

    /// All that a layer may still take.
    pub(super) fn available(&self, layer: &Layer) -> Fen {
        let left = layer.take_from.iter().map(|amount| self.left(*amount).get());
        Fen::new(left.fold(0, i64::saturating_add))
    }

    /// What an accumulator holds, this bill's earlier layers included.
    pub(super) fn held(&self, slot: AccumulatorId) -> Fen {
        let before = self.inputs.before.get(usize::from(slot)).copied().unwrap_or_default();
        let counted = self.counted.get(usize::from(slot)).copied().unwrap_or_default();
        Fen::new(before.get().saturating_add(counted.get()))
    }

    /// What targets and upper targets measure.
    pub(super) const fn measure(&self, of_total: bool) -> Fen {
        if of_total { self.total } else { self.in_scope }
    }

    pub(super) fn paid_by(&self, layers: &[LayerId]) -> Result<Fen, Halt> {
        let pays = self.layers.iter().filter(|pay| layers.contains(&pay.layer));
        pays.map(|pay| pay.pay).try_fold(Fen::ZERO, Fen::checked_add).ok_or(Halt::Overflow)
    }

    /// What was told for a layer and a base.
    pub(super) fn told(&self, layer: LayerId, base: Fen) -> Option<&Told> {
        self.inputs
            .told
            .iter()
            .find(|told| told.layer == layer && told.base.is_none_or(|told_base| told_base == base))
    }

    /// Was it told? Where somebody else must tell it and has not, all stops. Of nothing nothing is paid, so that nobody is asked.
    pub(super) fn is_told(&self, layer: LayerId, base: Fen) -> Result<bool, Halt> {
        let told = self.told(layer, base).is_some();
        if !told && base != Fen::ZERO && self.asked.contains(&layer) {
            return Err(Halt::Needs(layer, base));
        }
        Ok(told)
    }

    fn of_kind(&self, kind: AmountId) -> Result<Fen, Halt> {
        let amounts = self.package.amounts.iter().zip(&self.gross);
        let counted = amounts.filter(|(name, _)| name.counts_as == kind);
        counted
            .map(|(_, amount)| *amount)
            .try_fold(Fen::ZERO, Fen::checked_add)
            .ok_or(Halt::Overflow)
    }
}

fn place_of(paid: &mut [Fen; COLUMNS], column: Column) -> Option<&mut Fen> {
    Column::ALL
        .iter()
        .zip(paid.iter_mut())
        .find(|(known, _)| **known == column)
        .map(|(_, place)| place)
}

fn sum(amounts: &[Fen]) -> Result<Fen, Halt> {
    amounts.iter().copied().try_fold(Fen::ZERO, Fen::checked_add).ok_or(Halt::Overflow)
}
