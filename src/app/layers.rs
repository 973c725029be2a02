//! Layers that the insurance core decides: asked for one after the other, within the desk's patience.
//!
//! Where it does not answer in time our own rules decide that layer, provisionally; where it says that it does not decide it, they
//! decide it for good. A layer is decided by one of the two for all identities that are tried.

use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::App;
use super::quote::{Promise, ToldLayer};
use crate::core_link::{CoreLink, Question};
use crate::domain::cascade::{Inputs, Told, Traced, decide, decide_asking};
use crate::domain::ids::{HospitalCode, PersonId, RequestId};
use crate::domain::money::Fen;
use crate::domain::rules::{LayerId, Package};
use crate::domain::verdict::{Decline, Outcome, Reason, Verdict};
use crate::limits;

/// What a question to the core is about, beside what the decision looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Where.
    pub(super) hospital: &'a HospitalCode,
    /// The request that is settled, where one is.
    pub(super) request: Option<&'a RequestId>,
    /// Whose.
    pub(super) person: PersonId,
    /// Last day of the stay.
    pub(super) discharge: Date,
    /// Until when the core is waited for; nothing: not at all.
    pub(super) until: Option<Instant>,
    /// What it said when the bill was quoted, which binds.
    pub(super) promise: Option<&'a Promise>,
}

/// Who still decides what.
struct Open {
    /// Layers that the core is asked for.
    asked: Vec<LayerId>,
    /// Layers that it was asked for in vain.
    provisional: Vec<LayerId>,
}

impl Open {
    /// From now on our own rules decide the layer.
    fn leave(&mut self, layer: LayerId, inputs: &mut Inputs, in_vain: bool) {
        self.asked.retain(|asked| *asked != layer);
        inputs.told.retain(|told| told.layer != layer);
        if in_vain {
            self.provisional.push(layer);
        }
    }
}

impl App {
    /// Until when somebody who comes now waits for the core, over all that they ask.
    pub(super) fn patient_until(&self, deadline: Option<Instant>) -> Option<Instant> {
        let core = self.core.as_ref()?;
        let until = Instant::now().checked_add(core.patience());
        [until, deadline].into_iter().flatten().min()
    }

    /// Decides, asking the core for the layers that are its own. What it told stands in `inputs` then.
    pub(super) async fn layers(
        &self,
        of: &Asked<'_>,
        package: &Package,
        inputs: &mut Inputs,
    ) -> Result<Outcome, Decline> {
        let Some(core) = &self.core else { return alone(package, inputs) };
        let mut open = Open { asked: layers_of(core, package), provisional: Vec::new() };
        if open.asked.is_empty() {
            return alone(package, inputs);
        }
        // Each question ends with an answer or one layer less to ask for.
        for _ in 0..=limits::CORE_QUESTIONS_A_BILL_MAX {
            let (layer, base) = match decide_asking(package, inputs, Traced::Yes, &open.asked) {
                Verdict::Settled(mut outcome) => {
                    outcome.provisional = open.provisional;
                    return Ok(*outcome);
                }
                Verdict::Declined(decline) if decline.reason == Reason::ToldAboveLeft => {
                    // What can not be is no answer.
                    tracing::warn!(layer = %decline.subject, "The insurance core tells more than is left");
                    for layer in std::mem::take(&mut open.asked) {
                        open.leave(layer, inputs, true);
                    }
                    continue;
                }
                Verdict::Declined(decline) => return Err(decline),
                Verdict::Needs { layer, base } => (layer, base),
            };
            if !open.asked.contains(&layer) {
                return Err(nobody_tells(package, layer));
            }
            if of.promise.is_some_and(|promise| promise.provisional.contains(&layer)) {
                open.leave(layer, inputs, true);
                continue;
            }
            match self.told(core, of, (package, inputs), (layer, base)).await {
                Ok(Some((pay, deductible))) => {
                    inputs.told.push(Told { layer, base: Some(base), pay, deductible });
                }
                Ok(None) => open.leave(layer, inputs, false),
                Err(()) => open.leave(layer, inputs, true),
            }
        }
        for layer in std::mem::take(&mut open.asked) {
            open.leave(layer, inputs, true);
        }
        let mut outcome = alone(package, inputs)?;
        outcome.provisional = open.provisional;
        Ok(outcome)
    }

    /// Nothing: the core does not decide it. An error: it did not say.
    async fn told(
        &self,
        core: &CoreLink,
        of: &Asked<'_>,
        (package, inputs): (&Package, &Inputs),
        (layer, base): (LayerId, Fen),
    ) -> Result<Option<(Fen, Fen)>, ()> {
        let promised = of.promise.map_or(&[][..], |promise| &promise.told);
        let is_it = |told: &&ToldLayer| (told.layer, told.base) == (layer, base);
        if let Some(told) = promised.iter().find(is_it) {
            return Ok(Some((told.pay, told.deductible)));
        }
        let person = self.person_number(of.person).map_err(|_| ())?;
        let question = Question {
            hospital: of.hospital,
            request: of.request,
            person: &person,
            discharge: of.discharge,
            package,
            inputs,
            layer,
            base,
        };
        let patience = of
            .until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        let told = core.quote_layer(&question, patience).await;
        told.map_err(|error| {
            tracing::debug!(
                code = error.code(),
                "The insurance core does not tell what a layer pays"
            );
        })
    }
}

/// The layers of a package that the core decides.
pub(super) fn layers_of(core: &CoreLink, package: &Package) -> Vec<LayerId> {
    let layers = package.layers.iter().zip(0..);
    let asked = layers.filter(|(layer, _)| core.decides(package.region, &layer.name));
    asked.map(|(_, id)| id).collect()
}

fn alone(package: &Package, inputs: &Inputs) -> Result<Outcome, Decline> {
    match decide(package, inputs, Traced::Yes) {
        Verdict::Settled(outcome) => Ok(*outcome),
        Verdict::Declined(decline) => Err(decline),
        Verdict::Needs { layer, .. } => Err(nobody_tells(package, layer)),
    }
}

fn nobody_tells(package: &Package, layer: LayerId) -> Decline {
    let name = package.layer(layer).map_or(String::new(), |layer| layer.name.clone());
    Decline::new(Reason::NobodyTells, name)
}
