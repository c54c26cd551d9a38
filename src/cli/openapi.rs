//! `inlet openapi`: the description that the running daemon serves at `/openapi.json`.

use std::process::ExitCode;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    super::output::say(&serde_json::to_string_pretty(&crate::http::openapi())?);
    Ok(ExitCode::SUCCESS)
}
