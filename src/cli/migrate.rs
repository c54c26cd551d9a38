//! `inlet migrate`.

use crate::config::Config;
use crate::site::Site;
use std::process::ExitCode;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let site = Site::open(config).await?;
    super::output::say(&format!("the schema of the {} store is up to date", site.store.engine()));
    site.store.close().await;
    Ok(ExitCode::SUCCESS)
}
