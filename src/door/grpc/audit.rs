//! A month of the books, as bureaus look at it.

mod month;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::super::wire::audit::v1 as wire;
use super::super::wire::audit::v1::audit_service_server::AuditService;
use super::call;
use crate::app::App;

/// The service, in front of the shell.
#[derive(Debug)]
pub struct Audit {
    /// What answers.
    pub app: Arc<App>,
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn get_fund_flow(
        &self,
        request: Request<wire::GetFundFlowRequest>,
    ) -> Result<Response<wire::FundFlow>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.audit.v1.AuditService/GetFundFlow";
        call::answer(method, request, async move |caller, message| {
            month::get_fund_flow(app.audit(&caller), message).await
        })
        .await
    }

    async fn list_entries(
        &self,
        request: Request<wire::ListEntriesRequest>,
    ) -> Result<Response<wire::ListEntriesResponse>, Status> {
        let app = Arc::clone(&self.app);
        let method = "onestop.audit.v1.AuditService/ListEntries";
        call::answer(method, request, async move |caller, message| {
            month::list_entries(app.audit(&caller), message).await
        })
        .await
    }
}

/// The same calls for a command on the database itself, answered as a server answers them.
pub mod here {
    use tonic::Status;

    use super::super::super::wire::audit::v1 as wire;
    use super::super::status::to_status;
    use super::month;
    use crate::app::audit::Audit;

    /// As GetFundFlow of the service.
    pub async fn get_fund_flow(
        audit: Audit<'_>,
        message: wire::GetFundFlowRequest,
    ) -> Result<wire::FundFlow, Status> {
        let answered = month::get_fund_flow(audit, message).await;
        answered.map_err(|unanswered| to_status(&unanswered, "GetFundFlow"))
    }

    /// As ListEntries of the service.
    pub async fn list_entries(
        audit: Audit<'_>,
        message: wire::ListEntriesRequest,
    ) -> Result<wire::ListEntriesResponse, Status> {
        let answered = month::list_entries(audit, message).await;
        answered.map_err(|unanswered| to_status(&unanswered, "ListEntries"))
    }
}
