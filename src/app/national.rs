//! What the national door asks besides settling: persons by a number that says nothing, operators signing in, stays that are put
//! together call by call, and which message asked for what.

use std::sync::Arc;

use jiff::civil::Date;
use tracing::instrument;

use super::entry::bill_sha256;
use super::settle::commit_failed;
use super::{
    Act, Answer, App, AppError, Caller, Claim, CredentialHash, Found, Of, Outcome, Person, Quote,
    Refusal, SettleRequest, Settled,
};
use crate::domain::bill::{CatalogueClass, ChargeLine};
use crate::domain::ids::{
    HospitalCode, LineId, OperatorId, PersonId, PersonNumber, RegionCode, RequestId, SignNumber,
    StayId,
};
use crate::domain::ledger::Entry;
use crate::domain::money::{Fen, Rate};
use crate::domain::prepare::coverage_of;
use crate::domain::rules::Package;
use crate::domain::split::{NetLine, Split};
use crate::store::national::With;
use crate::store::{self, What, national as kept};

pub use crate::rulebook::dictionary::{Dictionary, FundCode, Share};
pub use crate::store::national::{Admission, Discharge, Message, Shown, Stay};

/// The characters of a person's number but for the first: digits and capitals that are not taken for one another.
const NUMBER_CHARACTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many there are.
const NUMBER_LENGTH: usize = 19;
/// How often something is looked at again that somebody else did at the same moment.
const ATTEMPTS_MAX: usize = 4;

/// A person as a hospital sees them.
#[derive(Debug)]
pub struct Holder {
    /// Their number.
    pub number: PersonNumber,
    /// What they showed.
    pub credential: CredentialHash,
    /// Who they are.
    pub person: Person,
    /// Their name; empty where none is registered. Never to be logged.
    pub name: String,
}

/// What came of settling a stay.
#[derive(Clone, Debug)]
pub struct StaySettled {
    /// The outcome.
    pub settled: Settled,
    /// Was it held to a quote?
    pub bound: bool,
}

/// What the catalogue and the rules say of one charge line, as far as they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Its class.
    pub class: Option<CatalogueClass>,
    /// Its ceiling price, in millionths of a yuan.
    pub ceiling_price_e6: Option<i64>,
    /// The patient's first share.
    pub advance_ratio: Option<Rate>,
    /// In scope, advance self-pay, over limit, out of catalogue.
    pub parts: Option<[Fen; 4]>,
}

impl App {
    /// The number by which hospitals know a person.
    pub fn person_number(&self, person: PersonId) -> Result<PersonNumber, AppError> {
        let mark = self.keys.person_mark(&person.get().to_string());
        let characters = mark.iter().take(NUMBER_LENGTH).map(|byte| {
            let place = usize::from(byte & 0x1f);
            NUMBER_CHARACTERS.get(place).copied().map_or('0', char::from)
        });
        let number: String = std::iter::once('P').chain(characters).collect();
        PersonNumber::new(&number).ok_or(AppError::Unbalanced)
    }

    /// Who somebody is by what they show, on a day or today; their number is kept, so that it can be shown instead from now on.
    #[instrument(name = "national person", skip_all)]
    pub async fn holder(
        &self,
        caller: &Caller,
        credential: CredentialHash,
        on: Option<Date>,
    ) -> Result<Holder, AppError> {
        let person = self.standing(caller, &credential, on).await?;
        let id = person.snapshot.standing.person;
        let number = self.person_number(id)?;
        let shown = Shown { kind: credential.kind, hash: credential.hash };
        let told = kept::tell_person(&self.pool, &number, &shown).await;
        told.map_err(AppError::store("keep a person's number"))?;
        let sealed = kept::sealed_name(&self.pool, id).await;
        let sealed = sealed.map_err(AppError::store("read a person's name"))?;
        let open = |sealed: Vec<u8>| self.keys.open_name(&sealed, &id.get().to_string()).ok();
        let name = sealed.and_then(open).unwrap_or_default();
        if !name.is_empty() {
            self.record_access(caller, id, (What::Name, None)).await?;
        }
        Ok(Holder { number, credential, person, name })
    }

    /// What stands for a person by their number: ours, or else the registry's own.
    pub async fn credential_of(&self, number: &PersonNumber) -> Result<CredentialHash, AppError> {
        let shown = kept::find_person(&self.pool, number).await;
        let shown = shown.map_err(AppError::store("look up a person's number"))?;
        Ok(match shown {
            Some(Shown { kind, hash }) => CredentialHash { kind, hash },
            None => self.registered_number(number),
        })
    }

    fn registered_number(&self, number: &PersonNumber) -> CredentialHash {
        const PERSON_NUMBER: u8 = 2;
        self.credential(PERSON_NUMBER, &super::normalize_credential(number.as_str()))
    }

    /// Signs an operator in for today. Who is signed in keeps their number.
    pub async fn sign_in(
        &self,
        caller: &Caller,
        (hospital, operator): (&HospitalCode, &OperatorId),
    ) -> Result<SignNumber, AppError> {
        caller.allow(Act::Settle, Of::Hospital(hospital))?;
        self.known_hospital(hospital).await?;
        for _ in 0..ATTEMPTS_MAX {
            let number = format!("{:016X}", self.random_u64()?);
            let number = SignNumber::new(&number).ok_or(AppError::Random)?;
            let day = self.now().day;
            let signed = kept::sign_in(&self.pool, (hospital, operator), day, &number).await;
            if let Some(number) = signed.map_err(commit_failed)? {
                return Ok(number);
            }
        }
        Err(AppError::Contended)
    }

    /// Signs an operator out.
    pub async fn sign_out(
        &self,
        caller: &Caller,
        who: (&HospitalCode, &OperatorId),
        number: &SignNumber,
    ) -> Result<(), AppError> {
        caller.allow(Act::Settle, Of::Hospital(who.0))?;
        let out = kept::sign_out(&self.pool, who, number).await;
        let out = out.map_err(commit_failed)?;
        if out { Ok(()) } else { Err(Refusal::SignInUnknown.into()) }
    }

    /// Whether an operator is signed in for today.
    pub async fn is_signed_in(
        &self,
        who: (&HospitalCode, &OperatorId),
        number: &SignNumber,
    ) -> Result<bool, AppError> {
        let signed = kept::is_signed_in(&self.pool, who, number, self.now().day).await;
        signed.map_err(AppError::store("look up a sign-in"))
    }

    async fn known_hospital(&self, hospital: &HospitalCode) -> Result<(), AppError> {
        let known = store::is_hospital(&self.pool, hospital).await;
        let known = known.map_err(AppError::store("find a hospital"))?;
        if known { Ok(()) } else { Err(Refusal::HospitalUnknown.into()) }
    }

    /// Sixteen bytes that were never used before.
    pub fn fresh_block(&self) -> Result<[u8; 16], AppError> {
        let block = u128::from(self.random_u64()?) << 64 | u128::from(self.random_u64()?);
        Ok(block.to_be_bytes())
    }

    /// An id for a stay that nobody has.
    pub fn new_stay(&self) -> Result<StayId, AppError> {
        let ms = self.now().at.as_millisecond().cast_unsigned();
        let id = format!("Z{ms:011X}{:016X}", self.random_u64()?);
        StayId::new(&id).ok_or(AppError::Random)
    }

    /// Admits to a stay. The same message again gives the same stay.
    #[instrument(name = "admit", skip_all, fields(hospital.code = %message.hospital, request.id = %message.request.logged()))]
    pub async fn admit(
        &self,
        caller: &Caller,
        message: Message<'_>,
        admission: &Admission,
    ) -> Result<StayId, AppError> {
        caller.allow(Act::Settle, Of::Hospital(message.hospital))?;
        self.known_hospital(message.hospital).await?;
        let admitted = kept::admit(&self.pool, message, admission).await;
        if admitted.map_err(commit_failed)? {
            return Ok(admission.stay.clone());
        }
        let stay = self.told_before(message, "2401").await?;
        stay.ok_or_else(|| Refusal::RequestIdReused.into())
    }

    /// Discharges from a stay. The same message again changes nothing.
    #[instrument(name = "discharge", skip_all, fields(hospital.code = %message.hospital, request.id = %message.request.logged()))]
    pub async fn discharge(
        &self,
        caller: &Caller,
        message: Message<'_>,
        stay: &StayId,
        discharge: &Discharge,
    ) -> Result<(), AppError> {
        caller.allow(Act::Settle, Of::Hospital(message.hospital))?;
        let written = kept::discharge(&self.pool, message, stay, discharge).await;
        if written.map_err(commit_failed)? {
            return Ok(());
        }
        self.told_before(message, "2402").await.map(|_| ())
    }

    /// The stay of the very same message before; refused where its id was used for something else, or is barred.
    async fn told_before(
        &self,
        message: Message<'_>,
        transaction: &str,
    ) -> Result<Option<StayId>, AppError> {
        let Some(earlier) = self.message_of(message.hospital, message.request).await? else {
            return Err(AppError::Contended);
        };
        if earlier.reversed_by.is_some() {
            return Err(Refusal::RequestReversed.into());
        }
        let same =
            earlier.transaction == transaction && earlier.body_sha256 == Some(message.body_sha256);
        if same { Ok(earlier.stay) } else { Err(Refusal::RequestIdReused.into()) }
    }

    async fn message_of(
        &self,
        hospital: &HospitalCode,
        request: &RequestId,
    ) -> Result<Option<kept::Request>, AppError> {
        let found = kept::find_request(&self.pool, hospital, request).await;
        found.map_err(AppError::store("find a request"))
    }

    /// Reverses an admission by its message, seen or not: what was never seen is refused from now on.
    #[instrument(name = "reverse admission", skip_all, fields(hospital.code = %message.hospital, request.id = %message.request.logged()))]
    pub async fn reverse_admission(
        &self,
        caller: &Caller,
        message: Message<'_>,
        original: &RequestId,
        person: &PersonNumber,
    ) -> Result<(), AppError> {
        if original == message.request {
            return Err(Refusal::RequestIdReused.into());
        }
        for _ in 0..ATTEMPTS_MAX {
            if let Some(earlier) = self.message_of(message.hospital, message.request).await? {
                let same = earlier.reverses.as_ref() == Some(original);
                return if same { Ok(()) } else { Err(Refusal::RequestIdReused.into()) };
            }
            let stay = match self.to_cancel(caller, message.hospital, original).await {
                // Between the two looks the very same message may have been done: look again.
                Err(AppError::Refused(Refusal::StayCancelled | Refusal::AlreadyBarred))
                    if self.message_of(message.hospital, message.request).await?.is_some() =>
                {
                    continue;
                }
                stay => stay?,
            };
            if let Some(stay) = &stay {
                self.is_of(stay, person)?;
            }
            let stay = stay.as_ref().map(|stay| &stay.admission.stay);
            let reversed = kept::reverse_admission(&self.pool, message, original, stay).await;
            if reversed.map_err(commit_failed)? {
                return Ok(());
            }
        }
        Err(AppError::Contended)
    }

    /// The stay whose admission may be reversed; nothing where it was never seen.
    async fn to_cancel(
        &self,
        caller: &Caller,
        hospital: &HospitalCode,
        original: &RequestId,
    ) -> Result<Option<Stay>, AppError> {
        let Some(admitted) = self.message_of(hospital, original).await? else {
            // What a mistyped hospital never sent was not reversed by barring it there.
            self.known_hospital(hospital).await?;
            return Ok(None);
        };
        if admitted.reversed_by.is_some() {
            let seen = admitted.stay.is_some();
            return Err(if seen { Refusal::StayCancelled } else { Refusal::AlreadyBarred }.into());
        }
        let stay = admitted.stay.filter(|_| admitted.transaction == "2401");
        let stay = stay.ok_or(Refusal::ReversesAReversal)?;
        let found = self.stay(caller, (hospital, &stay)).await?;
        self.is_open(caller, &found).await?;
        Ok(Some(found))
    }

    /// A stay that is not cancelled.
    pub async fn stay(
        &self,
        caller: &Caller,
        of_stay: (&HospitalCode, &StayId),
    ) -> Result<Stay, AppError> {
        Ok(self.stay_with(caller, of_stay, None, With::Nothing).await?.0)
    }

    /// A stay that is not cancelled, with its charge lines in the order of their upload, and with what a request asked of it.
    pub async fn charged_stay(
        &self,
        caller: &Caller,
        of_stay: (&HospitalCode, &StayId),
        request: Option<&RequestId>,
    ) -> Result<(Stay, Vec<ChargeLine>), AppError> {
        self.stay_with(caller, of_stay, request, With::Lines).await
    }

    async fn stay_with(
        &self,
        caller: &Caller,
        of_stay: (&HospitalCode, &StayId),
        request: Option<&RequestId>,
        with: With,
    ) -> Result<(Stay, Vec<ChargeLine>), AppError> {
        caller.allow(Act::Settle, Of::Hospital(of_stay.0))?;
        let found = kept::find_stay(&self.pool, of_stay, request, with).await;
        let found = found.map_err(AppError::store("find a stay"))?.ok_or(Refusal::StayUnknown)?;
        if found.0.cancelled { Err(Refusal::StayCancelled.into()) } else { Ok(found) }
    }

    /// Refuses a stay that is settled. The refusal names the settlement, so it is recorded as a look at it.
    pub async fn is_open(&self, caller: &Caller, stay: &Stay) -> Result<(), AppError> {
        let Some(settlement) = &stay.settlement else { return Ok(()) };
        if let Some(person) = self.person_of(stay).await? {
            self.note_access(caller, person, (What::Settlement, Some(settlement))).await?;
        }
        Err(Refusal::StaySettled(Some(settlement.clone())).into())
    }

    async fn person_of(&self, stay: &Stay) -> Result<Option<PersonId>, AppError> {
        let Shown { kind, hash } = &stay.admission.shown;
        let person = store::person_of(&self.pool, hash, *kind).await;
        person.map_err(AppError::store("find a person"))
    }

    /// Whether a stay is this person's: by the number that was told, or the one that was shown.
    pub fn is_of(&self, stay: &Stay, number: &PersonNumber) -> Result<(), AppError> {
        let Admission { person, shown, .. } = &stay.admission;
        let registered = || {
            let CredentialHash { kind, hash } = self.registered_number(number);
            shown.kind == kind && shown.hash == hash
        };
        let same = person == number || registered();
        if same { Ok(()) } else { Err(Refusal::PersonDiffers.into()) }
    }

    /// Whether a settlement is this person's: by the number that was told, or the registry's own.
    pub async fn is_settled_for(
        &self,
        entry: &Entry,
        number: &PersonNumber,
    ) -> Result<(), AppError> {
        if self.person_number(entry.person)? == *number {
            return Ok(());
        }
        let CredentialHash { kind, hash } = self.registered_number(number);
        let found = store::standing(&self.pool, &hash, kind).await;
        let found = found.map_err(AppError::store("read a standing"))?;
        let same = found.is_some_and(|found| found.standing.person == entry.person);
        if same { Ok(()) } else { Err(Refusal::PersonDiffers.into()) }
    }

    /// Records that the charge lines of a stay are told: durable before they are.
    #[instrument(name = "charges", skip_all, fields(stay.id = %stay.admission.stay.logged()))]
    pub async fn charges_told(&self, caller: &Caller, stay: &Stay) -> Result<(), AppError> {
        let person = self.person_of(stay).await?;
        let seen = (What::Charges, stay.settlement.as_ref());
        self.record_access(caller, person.ok_or(Refusal::PersonUnknown)?, seen).await
    }

    /// Adds charge lines to a stay, all or none. What is there already must say the same.
    pub async fn add_lines(
        &self,
        caller: &Caller,
        (hospital, stay): (&HospitalCode, &StayId),
        request: &RequestId,
        lines: &[ChargeLine],
    ) -> Result<(), AppError> {
        caller.allow(Act::Settle, Of::Hospital(hospital))?;
        let of_stay = (hospital, stay);
        let ids: Vec<&LineId> = lines.iter().map(|line| &line.id).collect();
        for _ in 0..ATTEMPTS_MAX {
            let there = kept::lines_named(&self.pool, of_stay, &ids).await;
            let there = there.map_err(AppError::store("read charge lines"))?;
            let mut fresh = Vec::with_capacity(lines.len());
            for line in lines {
                match there.iter().find(|there| there.id == line.id) {
                    None => fresh.push(line),
                    Some(there) if there == line => {}
                    Some(_) => return Err(Refusal::LineIdReused(line.id.clone()).into()),
                }
            }
            if fresh.is_empty() {
                return Ok(());
            }
            let added = kept::add_fees(&self.pool, of_stay, request, &fresh).await;
            if added.map_err(commit_failed)? == fresh.len() {
                return Ok(());
            }
            // Somebody else added some of them at this moment: look what they say.
        }
        Err(AppError::Contended)
    }

    /// Whether all these charge lines are in a stay already, or this very request brought them: then there is nothing to add, and it
    /// is no matter whether the stay is settled.
    pub async fn has_lines(
        &self,
        caller: &Caller,
        of_stay: (&HospitalCode, &StayId),
        request: &RequestId,
        lines: &[ChargeLine],
    ) -> Result<bool, AppError> {
        caller.allow(Act::Settle, Of::Hospital(of_stay.0))?;
        let lines: Vec<&ChargeLine> = lines.iter().collect();
        let sent = kept::are_sent(&self.pool, of_stay, request, &lines).await;
        sent.map_err(AppError::store("find charge lines"))
    }

    /// Whether this very request cancelled charge lines of a stay before.
    pub async fn has_cancelled(
        &self,
        caller: &Caller,
        of_stay: (&HospitalCode, &StayId),
        request: &RequestId,
    ) -> Result<bool, AppError> {
        caller.allow(Act::Settle, Of::Hospital(of_stay.0))?;
        let cancelled = kept::has_cancelled(&self.pool, of_stay, request).await;
        cancelled.map_err(AppError::store("find cancelled charge lines"))
    }

    /// Cancels charge lines of a stay, those named or all, and tells which.
    pub async fn cancel_lines(
        &self,
        caller: &Caller,
        of_stay: (&HospitalCode, &StayId),
        request: &RequestId,
        named: Option<&[LineId]>,
    ) -> Result<Vec<LineId>, AppError> {
        caller.allow(Act::Settle, Of::Hospital(of_stay.0))?;
        let cancelled = kept::cancel_fees(&self.pool, of_stay, request, named).await;
        cancelled.map_err(commit_failed)
    }

    /// Quotes a stay, and keeps what binds the quote with it.
    pub async fn quote_stay(
        &self,
        caller: &Caller,
        request: &RequestId,
        claim: &Claim,
    ) -> Result<Outcome<Quote>, AppError> {
        let quoted = self.quote(caller, claim).await?;
        if let Outcome::Decided(quote) = &quoted {
            let of_stay = (&claim.bill.hospital, &claim.bill.stay);
            let bound = (&bill_sha256(claim), quote.token.as_slice());
            let kept = kept::keep_quote(&self.pool, of_stay, request, bound).await;
            kept.map_err(AppError::store("keep a quote"))?;
        }
        Ok(quoted)
    }

    /// What the very same message was answered with before. The stay must have been read with its request id.
    pub async fn settled_before(
        &self,
        caller: &Caller,
        message: Message<'_>,
        stay: &Stay,
    ) -> Result<Option<Box<Answer>>, AppError> {
        if stay.asked.is_empty() {
            return Ok(None);
        }
        let found = self.settlement_of_request(caller, message.hospital, message.request).await;
        let mut answer = match found {
            Ok(Found::Answer(answer)) => answer,
            Ok(Found::Tombstone(_)) => return Err(Refusal::RequestReversed.into()),
            Err(AppError::Refused(Refusal::RequestUnknown)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let asked = (message.body_sha256, answer.entry.body_sha256);
        if answer.entry.reverses.is_some() || !stay.asked.contains(&asked) {
            return Err(Refusal::RequestIdReused.into());
        }
        answer.repeat = true;
        Ok(Some(answer))
    }

    /// Settles a stay: held to its newest quote where that was of the very same bill.
    pub async fn settle_stay(
        &self,
        caller: &Caller,
        message: Message<'_>,
        (stay, claim): (&Stay, Claim),
    ) -> Result<StaySettled, AppError> {
        let bill_sha256 = bill_sha256(&claim);
        let of_stay = &stay.admission.stay;
        let noted = kept::note_settle(&self.pool, message, of_stay, &bill_sha256).await;
        if !noted.map_err(AppError::store("note a request to settle"))? {
            return Err(Refusal::StayCancelled.into());
        }
        let quoted = stay.quote.as_ref().filter(|(quoted, _)| *quoted == bill_sha256);
        let quote_token = quoted.map(|(_, token)| token.clone()).unwrap_or_default();
        let bound = !quote_token.is_empty();
        let request = SettleRequest { request: message.request.clone(), claim, quote_token };
        match self.settle(caller, &request).await {
            Ok(settled) => Ok(StaySettled { settled, bound }),
            // Barred on its way by whoever reversed the admission: then it is that which is told.
            Err(error @ AppError::Refused(Refusal::RequestReversed)) => {
                self.stay(caller, (message.hospital, of_stay)).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// What the catalogue and the rules say of the lines of a claim, one by one. Settles nothing and declines nothing.
    pub async fn priced(&self, caller: &Caller, claim: &Claim) -> Result<Vec<Priced>, AppError> {
        caller.allow(Act::Quote, Of::Hospital(&claim.bill.hospital))?;
        let snapshot = self.read(claim, None).await?;
        let coverage =
            snapshot.person.as_deref().and_then(|person| coverage_of(&claim.bill, person).ok());
        let package = coverage.and_then(|coverage| {
            let (region, scheme) = (coverage.region, coverage.scheme);
            self.rulebook.choose(region, scheme, claim.bill.discharge, self.now().day)
        });
        let priced = claim.bill.lines.iter().enumerate().map(|(place, line)| {
            let Some(entry) = snapshot.catalogue.get(place) else { return Priced::default() };
            let net = NetLine {
                class: entry.class,
                amount: line.amount,
                quantity_e4: line.quantity_e4,
                ceiling_price_e6: entry.ceiling_price_e6,
                advance_ratio: entry.advance_ratio,
                declared: None,
            };
            Priced {
                class: Some(entry.class),
                ceiling_price_e6: entry.ceiling_price_e6,
                advance_ratio: ratio_of(&net, package.as_ref()),
                parts: package.as_ref().and_then(|package| parts_of(package, net)),
            }
        });
        Ok(priced.collect())
    }

    /// The codes of a region, over those of its prefecture, its province and the nation.
    pub fn dictionary(&self, region: RegionCode) -> Dictionary {
        self.rulebook.dictionary(region)
    }
}

fn ratio_of(net: &NetLine, package: Option<&Arc<Package>>) -> Option<Rate> {
    match net.class {
        CatalogueClass::C => Some(Rate::ONE),
        CatalogueClass::A => Some(net.advance_ratio.unwrap_or(Rate::ZERO)),
        CatalogueClass::B => net.advance_ratio.or(package.map(|package| package.class_b_advance)),
    }
}

/// The parts of one line. A refund has those of what it refunds, the other way round.
fn parts_of(package: &Package, net: NetLine) -> Option<[Fen; 4]> {
    let refund = net.amount < Fen::ZERO;
    let turned = |fen: Fen| if refund { fen.checked_neg() } else { Some(fen) };
    let quantity_e4 = if refund { net.quantity_e4.checked_neg()? } else { net.quantity_e4 };
    let mut split = Split::new(package);
    split.add(&NetLine { amount: turned(net.amount)?, quantity_e4, ..net })?;
    let amounts = split.amounts()?;
    let [in_scope, advance, over_limit, out, ..] = amounts.as_slice() else { return None };
    Some([turned(*in_scope)?, turned(*advance)?, turned(*over_limit)?, turned(*out)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::answer::example_package;

    #[test]
    fn a_refund_has_the_parts_of_what_it_refunds_the_other_way_round() {
        let package = example_package();
        let line = NetLine {
            class: CatalogueClass::B,
            amount: Fen::new(10_000),
            quantity_e4: 10_000,
            ceiling_price_e6: Some(80_000_000),
            advance_ratio: Some(Rate::from_billionths(100_000_000)),
            declared: None,
        };
        let parts = parts_of(&package, line).unwrap();
        assert_eq!(parts.map(Fen::get), [7_200, 800, 2_000, 0]);
        let refund = NetLine { amount: Fen::new(-10_000), quantity_e4: -10_000, ..line };
        let parts = parts_of(&package, refund).unwrap();
        assert_eq!(parts.map(Fen::get), [-7_200, -800, -2_000, 0]);
    }
}
