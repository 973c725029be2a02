//! Who looked at whose data, for those who must know it, page by page.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::super::field::{Invalid, InvalidReason, Place as At, at, date, optional};
use super::super::wire::access::v1 as wire;
use super::super::wire::access::v1::access_service_server::AccessService;
use super::{answer, call, convert};
use crate::app::{App, CredentialHash, Days, Listed, Page, Place};
use crate::domain::ids::SettlementId;

/// The service, in front of the shell.
#[derive(Debug)]
pub struct Access {
    /// What answers.
    pub app: Arc<App>,
}

#[tonic::async_trait]
impl AccessService for Access {
    async fn list_accesses(
        &self,
        request: Request<wire::ListAccessesRequest>,
    ) -> Result<Response<wire::ListAccessesResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.access.v1.AccessService/ListAccesses";
        call::answer(method, request, async move |caller, message| {
            let (credential, page) = asked(&|kind, number| app.credential(kind, number), message)?;
            Ok(listed(&app.accesses(&caller, &credential, page).await?))
        })
        .await
    }
}

/// Reads whose accesses are asked for, and which page of them.
fn asked(
    hash: convert::Hash<'_>,
    request: wire::ListAccessesRequest,
) -> Result<(CredentialHash, Page), Invalid> {
    let wire::ListAccessesRequest { credential, from_date, to_date, page_size, page_token } =
        request;
    let fields = ["credential", "credential.kind", "credential.number"];
    let credential = convert::credential(hash, fields, credential)?;
    let from = optional(&from_date, date).map_err(at(At::Field("from_date")))?;
    let to = optional(&to_date, date).map_err(at(At::Field("to_date")))?;
    let after = match page_token.as_slice() {
        [] => None,
        token => Some(
            place_of(token)
                .ok_or_else(|| Invalid::new("page_token", InvalidReason::ValueUnknown))?,
        ),
    };
    let most = Some(page_size).filter(|size| *size != 0);
    Ok((credential, Page { days: Days { from, to }, after, most }))
}

fn listed(listed: &Listed) -> wire::ListAccessesResponse {
    let Listed { accesses, next } = listed;
    let accesses = accesses.iter().map(|access| wire::Access {
        at: answer::time(access.at),
        caller_name: access.caller_name.clone(),
        caller_kind: access.caller_kind.to_string(),
        door: access.door.to_string(),
        what: access.what.word().to_owned(),
        settlement_id: access.settlement.as_ref().map_or(String::new(), SettlementId::to_string),
        purpose: access.purpose.clone().unwrap_or_default(),
    });
    wire::ListAccessesResponse {
        accesses: accesses.collect(),
        next_page_token: next.map(token_of).unwrap_or_default(),
    }
}

/// A place as a token. Nothing of a person is in it: with another one it is but a moment.
fn token_of(place: Place) -> Vec<u8> {
    let Place { at, id } = place;
    [at.as_microsecond().to_be_bytes(), id.to_be_bytes()].concat()
}

fn place_of(token: &[u8]) -> Option<Place> {
    let (at_us, id) = token.split_first_chunk::<8>()?;
    let id = <[u8; 8]>::try_from(id).ok()?;
    let at = Timestamp::from_microsecond(i64::from_be_bytes(*at_us)).ok()?;
    Some(Place { at, id: i64::from_be_bytes(id) })
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::settlement::v1 as settlement;
    use super::*;

    fn read(
        change: impl FnOnce(&mut wire::ListAccessesRequest),
    ) -> Result<(CredentialHash, Page), Invalid> {
        let number = "11010519491231002X".to_owned();
        let mut request = wire::ListAccessesRequest {
            credential: Some(settlement::Credential { kind: 1, number }),
            ..wire::ListAccessesRequest::default()
        };
        change(&mut request);
        asked(&|kind, _| CredentialHash { kind, hash: [7; 32] }, request)
    }

    #[test]
    fn a_page_is_read_strictly_and_its_token_is_the_place_where_the_last_one_ended() {
        let (_, page) = read(|_| {}).unwrap();
        assert_eq!(page, Page::default());
        let at = Timestamp::from_microsecond(1_719_705_600_000_001).unwrap();
        let place = Place { at, id: -5 };
        let (_, page) = read(|request| {
            request.from_date = "2024-06-01".to_owned();
            request.page_size = 7;
            request.page_token = token_of(place);
        })
        .unwrap();
        let from = Some(jiff::civil::date(2024, 6, 1));
        let days = Days { from, to: None };
        assert_eq!(page, Page { days, after: Some(place), most: Some(7) });
        let refused = |change: &dyn Fn(&mut wire::ListAccessesRequest)| {
            let Invalid { field, reason } = read(change).unwrap_err();
            (field, reason)
        };
        let named = |field: &str, reason| (field.to_owned(), reason);
        assert_eq!(
            refused(&|request| request.credential = None),
            named("credential", InvalidReason::Missing)
        );
        assert_eq!(
            refused(&|request| request.to_date = "2024-6-1".to_owned()),
            named("to_date", InvalidReason::NotADate)
        );
        for bad in [vec![1], vec![0; 15], vec![0; 17], vec![0x7f; 16]] {
            assert_eq!(
                refused(&|request| request.page_token = bad.clone()),
                named("page_token", InvalidReason::ValueUnknown)
            );
        }
    }
}
