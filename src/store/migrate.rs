//! Brings the schema up to date, safely when several instances start at once.

use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, Socket};

use super::error::{Operation, StoreError};

mod embedded {
    refinery::embed_migrations!("src/store/migrations");
}

/// Any number, the same for ever: whoever migrates this database holds it.
const MIGRATION_LOCK: i64 = 0x6f6e_6573_746f_7001;

/// Applies what is missing, as the owner of the database. The migration tool takes no lock of its own, so ours makes
/// instances that start together go one after the other; the later ones find nothing to do.
pub async fn migrate<T>(config: &Config, tls: T) -> Result<usize, StoreError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let failed = |source| StoreError::Statement { operation: Operation::Migrate, source };
    let (mut client, connection) = config.connect(tls).await.map_err(failed)?;
    let driver = tokio::spawn(connection);
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await.map_err(failed)?;
    let report = embedded::migrations::runner()
        .set_abort_divergent(true)
        .run_async(&mut client)
        .await
        .map_err(|source| StoreError::Migrate { source })?;
    // Ending the session gives the lock back, also where the line above failed.
    drop(client);
    match driver.await {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => tracing::warn!("The connection that migrated did not end as it should"),
    }
    Ok(report.applied_migrations().len())
}
