//! What a statement is of: whose settlements, of which days.

use jiff::civil::Date;

use super::clearing_type;
use crate::domain::bill::Care;
use crate::domain::ids::{HospitalCode, RegionCode};
use crate::domain::standing::Scheme;

/// What a statement is of. Whatever is not named is not looked at: all of it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The hospital that settled.
    pub hospital: Option<HospitalCode>,
    /// The insured region, with all that lies in it.
    pub region: Option<RegionCode>,
    /// The scheme. [insutype]
    pub scheme: Option<Scheme>,
    /// [clr_type]
    pub clearing_type: Option<String>,
    /// [setl_optins, clr_optins]
    pub clearing_agency: Option<String>,
    /// One payer of the package, such as a commercial underwriter: only what its layers pay is compared.
    pub payer: Option<String>,
    /// Only reversals, or only what is none. [refd_setl_flag]
    pub refund: Option<bool>,
    /// First accounting day.
    pub first_day: Date,
    /// Last accounting day.
    pub last_day: Date,
}

/// What a settlement shows of what a scope asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The hospital.
    pub hospital: HospitalCode,
    /// The insured region.
    pub region: RegionCode,
    /// The scheme.
    pub scheme: Scheme,
    /// As it is recorded; may be empty.
    pub clearing_type: String,
    /// As it is recorded; may be empty.
    pub clearing_agency: String,
    /// The kind of care.
    pub care: Care,
    /// Its accounting day.
    pub day: Date,
}

/// Why a settlement is not of a scope, its day apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// It is another hospital's.
    Hospital,
    /// It is of another insured region.
    Region,
    /// It is of another scheme.
    Scheme,
    /// It is cleared in another way, or by another agency.
    Clearing,
}

impl Scope {
    /// The lowest and the highest code of what lies in the region.
    pub fn regions(&self) -> Option<(RegionCode, RegionCode)> {
        let region = self.region?;
        let code = region.get();
        let within = if code == 0 {
            999_999
        } else if code.is_multiple_of(10_000) {
            9_999
        } else if code.is_multiple_of(100) {
            99
        } else {
            0
        };
        Some((region, RegionCode::from_number(code.checked_add(within)?)?))
    }

    /// Why a settlement does not belong, its day apart; nothing where it does.
    pub fn outside(&self, shown: &Shown) -> Option<Outside> {
        let Self { hospital, region, scheme, clearing_type: clearing, clearing_agency, .. } = self;
        let other =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_some_and(|own| own != is);
        if hospital.as_ref().is_some_and(|own| *own != shown.hospital) {
            Some(Outside::Hospital)
        } else if region.is_some_and(|own| !shown.region.lies_in(own)) {
            Some(Outside::Region)
        } else if scheme.is_some_and(|own| own != shown.scheme) {
            Some(Outside::Scheme)
        } else if other(clearing, clearing_type(&shown.clearing_type, shown.care))
            || other(clearing_agency, &shown.clearing_agency)
        {
            Some(Outside::Clearing)
        } else {
            None
        }
    }

    /// Does a day lie in it?
    pub fn has_day(&self, day: Date) -> bool {
        self.first_day <= day && day <= self.last_day
    }

    /// The same words for the same scope, its days apart: what is closed is closed for these.
    pub fn key(&self) -> String {
        let Self {
            hospital, region, scheme, clearing_type, clearing_agency, payer, refund, ..
        } = self;
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let parts = [
            hospital.as_ref().map(ToString::to_string).unwrap_or_default(),
            region.as_ref().map(ToString::to_string).unwrap_or_default(),
            scheme.map(Scheme::word).unwrap_or_default().to_owned(),
            text(clearing_type),
            text(clearing_agency),
            text(payer),
            refund.map(|refund| if refund { "1" } else { "0" }).unwrap_or_default().to_owned(),
        ];
        parts.join("|")
    }
}

impl Outside {
    /// Its stable code, as the reason why a row is bad.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Hospital => "OTHER_HOSPITAL",
            Self::Region => "OTHER_REGION",
            Self::Scheme => "OTHER_SCHEME",
            Self::Clearing => "OTHER_CLEARING",
        }
    }
}
