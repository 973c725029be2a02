//! The books, as bureaus keep them and hospitals and insurers read them.

mod books;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::super::wire::clearing::v1 as wire;
use super::super::wire::clearing::v1::clearing_service_server::ClearingService;
use super::call;
use crate::app::App;

/// The service, in front of the shell.
#[derive(Debug)]
pub struct Clearing {
    /// What answers.
    pub app: Arc<App>,
}

/// Each call twice: of a server, and of a command on the database itself.
macro_rules! calls {
    ($(($call:ident, $method:literal, $request:ident, $answer:ident)),* $(,)?) => {
        #[tonic::async_trait]
        impl ClearingService for Clearing {
            $(
                async fn $call(
                    &self,
                    request: Request<wire::$request>,
                ) -> Result<Response<wire::$answer>, Status> {
                    let app = Arc::clone(&self.app);
                    let method = concat!("onestop.clearing.v1.ClearingService/", $method);
                    call::answer(method, request, async move |caller, message| {
                        books::$call(app.finance(&caller), message).await
                    })
                    .await
                }
            )*
        }

        /// The same calls for a command on the database itself, answered as a server answers them.
        pub mod here {
            use tonic::Status;

            use super::super::super::wire::clearing::v1 as wire;
            use super::super::status::{Unanswered, to_status};
            use super::books;
            use crate::app::finance::{BookFault, Finance};

            /// Where the books contradict themselves; no server is asked for that.
            pub async fn check(finance: Finance<'_>) -> Result<Vec<BookFault>, Status> {
                let checked = finance.check().await;
                checked.map_err(|error| to_status(&Unanswered::from(error), "Check"))
            }

            $(
                #[doc = concat!("As ", $method, " of the service.")]
                pub async fn $call(
                    finance: Finance<'_>,
                    message: wire::$request,
                ) -> Result<wire::$answer, Status> {
                    let answered = books::$call(finance, message).await;
                    answered.map_err(|unanswered| to_status(&unanswered, $method))
                }
            )*
        }
    };
}

calls!(
    (make_statements, "MakeStatements", MakeStatementsRequest, ListStatementsResponse),
    (list_statements, "ListStatements", ListStatementsRequest, ListStatementsResponse),
    (get_statement, "GetStatement", StatementKey, Statement),
    (approve_statement, "ApproveStatement", StatementKey, Statement),
    (withdraw_statement, "WithdrawStatement", WithdrawStatementRequest, Statement),
    (set_terms, "SetTerms", SetTermsRequest, SetTermsResponse),
    (set_account, "SetAccount", SetAccountRequest, Account),
    (confirm_account, "ConfirmAccount", Account, Account),
    (make_payment_file, "MakePaymentFile", MakePaymentFileRequest, PaymentFile),
    (get_payment_file, "GetPaymentFile", PaymentFileKey, PaymentFile),
    (confirm_payments, "ConfirmPayments", ConfirmPaymentsRequest, ConfirmPaymentsResponse),
    (list_payments, "ListPayments", ListPaymentsRequest, ListPaymentsResponse),
    (get_ageing, "GetAgeing", GetAgeingRequest, GetAgeingResponse),
    (list_claims, "ListClaims", ListClaimsRequest, ListClaimsResponse),
    (propose_posting, "ProposePosting", ProposePostingRequest, Proposal),
    (agree_posting, "AgreePosting", ProposalKey, Posting),
    (withdraw_posting, "WithdrawPosting", ProposalKey, WithdrawPostingResponse),
    (list_proposals, "ListProposals", ListProposalsRequest, ListProposalsResponse),
    (list_postings, "ListPostings", ListPostingsRequest, ListPostingsResponse),
    (get_balance, "GetBalance", GetBalanceRequest, GetBalanceResponse),
    (list_budgets, "ListBudgets", ListBudgetsRequest, ListBudgetsResponse),
    (set_budget_rule, "SetBudgetRule", SetBudgetRuleRequest, SetBudgetRuleResponse),
);
