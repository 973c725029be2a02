//! The edge to the insurance core: says what was settled, asks what the core has and what a layer pays. Waits never longer than it is
//! told to, and not at all where the core was just seen to be away.
//!
//! It decides nothing and keeps nothing: what is sent when, and what is made of an answer, is the shell's.

pub mod backoff;
mod breaker;
pub mod changes;
mod convert;
pub mod wire;

use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};

use self::breaker::Breaker;
use self::wire::core::v1 as core;
use self::wire::core::v1::core_service_client::CoreServiceClient;
use crate::domain::ids::{HospitalCode, RegionCode, RequestId};
use crate::domain::money::Fen;
use crate::limits;

pub use self::convert::{Held, Parcel, Question, Told, transfer_word};

/// Where the core is, how we show who we are, and what it decides.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// Such as `http://127.0.0.1:50061`; anywhere else than on this machine by https.
    pub address: String,
    /// By https: the authority of the core's certificate, and our own certificate and key, PEM.
    pub tls: Option<CoreTls>,
    /// How long a desk waits for it.
    pub patience: Duration,
    /// Which layers it decides.
    pub decides: Vec<Decides>,
    /// Are changes of persons and their standing taken from it?
    pub changes: bool,
}

/// Certificates and a key, PEM.
#[derive(Clone)]
pub struct CoreTls {
    /// Who vouches for the core; nothing: the system's authorities are not asked, and the call fails.
    pub ca: Vec<u8>,
    /// Our certificate and key, where the core asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A layer that the core decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decides {
    /// Whose rules: the insured region, six digits.
    pub region: String,
    /// The layer's name in the package.
    pub layer: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CoreLinkError {
    /// It was seen to be away a moment ago: nothing was sent.
    #[error("the core is away")]
    Away,
    /// It was not answered, and nobody knows what was done.
    #[error("the core did not answer")]
    Unknown(#[source] Box<Status>),
    /// The core says that it did nothing.
    #[error("the core did nothing")]
    NotDone(#[source] Box<Status>),
    /// It answered in time, and what it said makes no sense.
    #[error("the core answered something that can not be read: {0}")]
    Unreadable(&'static str),
    /// The address or the certificates can not be used.
    #[error("set up the link to the core")]
    SetUp(#[source] tonic::transport::Error),
}

/// The link to one core. One for the life of the process.
#[derive(Debug)]
pub struct CoreLink {
    settings: CoreSettings,
    channel: Channel,
    /// A core that takes what it is told may still be too slow for a desk: each has a breaker of its own.
    telling: Breaker,
    quoting: Breaker,
    quotes: Semaphore,
}

impl std::fmt::Debug for CoreTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CoreTls(redacted)")
    }
}

impl CoreLinkError {
    /// Did the core say that the message itself can not be taken? Then it never will be.
    pub fn is_of_the_message(&self) -> bool {
        match self {
            Self::NotDone(status) => status.code() == Code::InvalidArgument,
            Self::Away | Self::Unknown(_) | Self::Unreadable(_) | Self::SetUp(_) => false,
        }
    }

    /// Is it sure that nothing was done?
    pub fn is_undone(&self) -> bool {
        match self {
            Self::Away | Self::NotDone(_) | Self::SetUp(_) => true,
            Self::Unknown(_) | Self::Unreadable(_) => false,
        }
    }

    /// For records and metrics: a closed set of words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Away => "CORE_AWAY",
            Self::Unknown(_) => "CORE_SILENT",
            Self::NotDone(_) => "CORE_DID_NOTHING",
            Self::Unreadable(_) => "CORE_UNREADABLE",
            Self::SetUp(_) => "CORE_NOT_SET_UP",
        }
    }
}

impl CoreLink {
    /// Sets the link up; connects when first used, and again whenever it was cut.
    pub fn new(settings: CoreSettings) -> Result<Self, CoreLinkError> {
        let mut endpoint = Endpoint::from_shared(settings.address.clone())
            .map_err(CoreLinkError::SetUp)?
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            // A channel that loses its peer in a partition notices by nothing else.
            .http2_keep_alive_interval(limits::KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(limits::KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if let Some(tls) = &settings.tls {
            let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca));
            if let Some((cert, key)) = &tls.identity {
                config = config.identity(Identity::from_pem(cert, key));
            }
            endpoint = endpoint.tls_config(config).map_err(CoreLinkError::SetUp)?;
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            settings,
            telling: Breaker::default(),
            quoting: Breaker::default(),
            quotes: Semaphore::new(limits::CORE_QUOTES_AT_ONCE),
        })
    }

    /// Does the core decide this layer?
    pub fn decides(&self, region: RegionCode, layer: &str) -> bool {
        let region = region.to_string();
        self.settings.decides.iter().any(|of| of.region == region && of.layer == layer)
    }

    /// Are changes of persons and their standing taken from it?
    pub const fn tells_changes(&self) -> bool {
        self.settings.changes
    }

    /// How long a desk waits for the core.
    pub const fn patience(&self) -> Duration {
        self.settings.patience
    }

    /// Would a push be tried now?
    pub fn is_there(&self) -> bool {
        self.telling.would_allow(Instant::now())
    }

    /// Would the core be asked for a layer now?
    pub fn quotes(&self) -> bool {
        self.quoting.would_allow(Instant::now())
    }

    /// Tells entries, and says what became of each, in their order.
    pub async fn push(&self, parcels: &[Parcel]) -> Result<Vec<Told>, CoreLinkError> {
        let entries = parcels.iter().map(convert::entry).collect();
        let mut client = self.client();
        let push = client.push(Request::new(core::PushRequest { entries }));
        let answered = self.called((&self.telling, limits::CORE_CALL_MAX), push).await?;
        if answered.answers.len() != parcels.len() {
            return Err(CoreLinkError::Unreadable("as many answers as entries"));
        }
        Ok(answered.answers.into_iter().map(convert::told).collect())
    }

    /// What the core has for request ids, in their order.
    pub async fn ask(
        &self,
        keys: &[(HospitalCode, RequestId)],
    ) -> Result<Vec<Held>, CoreLinkError> {
        let key = |(hospital, request): &(HospitalCode, RequestId)| core::RequestKey {
            hospital_code: hospital.to_string(),
            request_id: request.to_string(),
        };
        let keys_asked = keys.iter().map(key).collect();
        let mut client = self.client();
        let ask = client.ask(Request::new(core::AskRequest { keys: keys_asked }));
        let answered = self.called((&self.telling, limits::CORE_CALL_MAX), ask).await?;
        if answered.answers.len() != keys.len() {
            return Err(CoreLinkError::Unreadable("as many answers as keys"));
        }
        answered.answers.into_iter().map(convert::held).collect()
    }

    /// What a layer pays by the core, and what it takes off first, within `patience`; nothing where the core does not decide it.
    pub async fn quote_layer(
        &self,
        question: &Question<'_>,
        patience: Duration,
    ) -> Result<Option<(Fen, Fen)>, CoreLinkError> {
        // Nobody waits in a line for a core that is too slow already.
        let Ok(_place) = self.quotes.try_acquire() else { return Err(CoreLinkError::Away) };
        let mut client = self.client();
        let quote = client.quote_layer(Request::new(convert::question(question)));
        let answered = self.called((&self.quoting, patience), quote).await?;
        match answered.outcome {
            Some(core::quote_layer_response::Outcome::PayFen(fen)) => {
                Ok(Some((Fen::new(fen), Fen::new(answered.deductible_fen))))
            }
            Some(core::quote_layer_response::Outcome::NotDecided(_)) => Ok(None),
            None => Err(CoreLinkError::Unreadable("what a layer pays")),
        }
    }

    fn client(&self) -> CoreServiceClient<Channel> {
        CoreServiceClient::new(self.channel.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }

    /// Waits for a call no longer than `patience`, unless its breaker is open, and tells the breaker how it ended.
    async fn called<T>(
        &self,
        (breaker, patience): (&Breaker, Duration),
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CoreLinkError> {
        if !breaker.allow(Instant::now()) {
            return Err(CoreLinkError::Away);
        }
        let ended = tokio::time::timeout(patience, call).await;
        let ended = ended.unwrap_or_else(|_| Err(Status::deadline_exceeded("nobody waits longer")));
        match ended {
            Ok(answer) => {
                breaker.succeeded();
                Ok(answer.into_inner())
            }
            Err(status) if is_of_the_message(&status) => {
                // It is there, and reads what it is sent.
                breaker.succeeded();
                Err(CoreLinkError::NotDone(Box::new(status)))
            }
            Err(status) => {
                if breaker.failed(Instant::now()) {
                    tracing::warn!(code = ?status.code(), "The insurance core is away; it is tried again in a moment");
                }
                let status = Box::new(status);
                Err(if did_nothing(&status) {
                    CoreLinkError::NotDone(status)
                } else {
                    CoreLinkError::Unknown(status)
                })
            }
        }
    }
}

fn is_of_the_message(status: &Status) -> bool {
    status.code() == Code::InvalidArgument
}

/// Codes by which the contract says that nothing was done. All else may hide a booking.
fn did_nothing(status: &Status) -> bool {
    match status.code() {
        Code::InvalidArgument
        | Code::Unimplemented
        | Code::Unauthenticated
        | Code::PermissionDenied => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => false,
    }
}
