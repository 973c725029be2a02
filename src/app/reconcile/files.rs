//! Files that come before what they are for, as the national interface has it: kept under a number of their contents.

use sha2::{Digest, Sha256};

use super::{Reconciling, StatementRefusal};
use crate::app::{Act, AppError, Of};
use crate::domain::ids::HospitalCode;
use crate::domain::reconcile::Scope;
use crate::store::reconcile as store;

impl Reconciling<'_> {
    /// Keeps a file of a hospital; the same file has the same number. (`9101`)
    pub async fn keep_file(
        &self,
        hospital: &HospitalCode,
        name: &str,
        bytes: &[u8],
    ) -> Result<i64, AppError> {
        self.caller.allow(Act::Reconcile, Of::Scope(&own(hospital)))?;
        let mut hash = Sha256::new();
        hash.update(hospital.as_bytes());
        hash.update(b"\n");
        hash.update(bytes);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        let number = i64::from_be_bytes([a & 0x7f, b, c, d, e, f, g, h]);
        let kept = store::keep_file(self.pool, (number, hospital), (name, bytes)).await;
        kept.map_err(AppError::store("keep a statement file"))?;
        Ok(number)
    }

    /// A file that a hospital sent.
    pub async fn file(&self, hospital: &HospitalCode, number: i64) -> Result<Vec<u8>, AppError> {
        self.caller.allow(Act::Reconcile, Of::Scope(&own(hospital)))?;
        let found = store::find_file(self.pool, (number, hospital)).await;
        let found = found.map_err(AppError::store("find a statement file"))?;
        found.ok_or_else(|| StatementRefusal::FileUnknown.into())
    }
}

/// All that is a hospital's own.
fn own(hospital: &HospitalCode) -> Scope {
    let day = jiff::civil::Date::ZERO;
    Scope {
        hospital: Some(hospital.clone()),
        region: None,
        scheme: None,
        clearing_type: None,
        clearing_agency: None,
        payer: None,
        refund: None,
        first_day: day,
        last_day: day,
    }
}
