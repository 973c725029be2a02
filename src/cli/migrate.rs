//! `onestop migrate`: brings the schema up to date and ends, for those who release in two steps.
use super::database::Database;
use super::{Failure, out};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(Arguments {}: Arguments, config: &Config) -> Result<(), Failure> {
    super::block_on_database(migrate(config))
}

async fn migrate(config: &Config) -> Result<(), anyhow::Error> {
    let database = Database::open(config).await?;
    let applied = database.migrate().await;
    let name = database.name.clone();
    database.stop().await?;
    let applied = applied?;
    out::line(&format!(
        "数据库结构已是最新，本次执行 {applied} 项迁移（{name}）。\n\
         The schema is up to date; {applied} migration(s) were applied ({name})."
    ));
    Ok(())
}
