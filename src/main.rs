//! The `inlet` program: reads the command line and the configuration, then runs the daemon or a command.

use clap::Parser as _;
use inlet::app::{App, Ended};
use inlet::cli::{self, Arguments, Command, EXIT_FAILED, EXIT_USAGE, output};
use inlet::config::{self, Config};
use inlet::lifecycle::{Lifecycle, ServiceState, Signals, notify_service_manager};
use inlet::site::FirstKey;
use inlet::telemetry;
use secrecy::ExposeSecret as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything makes a TLS configuration. Fails only if a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Arguments { config, command } = Arguments::parse();
    let command = command.unwrap_or(Command::Serve);
    let config = match config::load(&config::Sources::of_process(config)) {
        Ok(config) => config,
        Err(error) => return usage(&error),
    };
    if let Err(error) = telemetry::start_logs(&config.log) {
        return usage(&format!("`log.filter`: {error}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let code = match command {
        Command::Serve => runtime.block_on(serve(config)),
        Command::Demo(arguments) => runtime.block_on(demo(&arguments)),
        command => runtime.block_on(cli::run(command, config)),
    };
    // What hangs in a blocking call does not keep the process.
    runtime.shutdown_background();
    code
}

fn usage(error: &dyn std::fmt::Display) -> ExitCode {
    output::complain(&error.to_string());
    ExitCode::from(EXIT_USAGE)
}

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    output::complain(&error.to_string());
    ExitCode::from(EXIT_FAILED)
}

async fn serve(config: Config) -> ExitCode {
    allow_open_files();
    let life = Lifecycle::default();
    match Signals::catch() {
        Ok(signals) => drop(tokio::spawn(life.clone().obey(signals))),
        Err(error) => return failed(&error),
    }
    let metrics = match telemetry::start_metrics() {
        Ok(metrics) => metrics,
        Err(error) => return failed(&error),
    };
    // A signal during a long migration ends the start at once: its transaction rolls back.
    let app = tokio::select! {
        started = App::start(config, metrics) => started,
        () = life.stopping.cancelled() => return ExitCode::SUCCESS,
    };
    let app = match app {
        Ok(app) => app,
        Err(error) => return failed(&error),
    };
    greet(&app);
    notify_service_manager(ServiceState::Ready);
    let stopping = life.stopping.clone();
    tokio::spawn(async move {
        stopping.cancelled().await;
        notify_service_manager(ServiceState::Stopping);
    });
    match app.run(&life).await {
        Ended::Finished => tracing::info!("stopped; nothing was in flight any more"),
        Ended::Dropped => tracing::warn!("stopped; what was in flight will be done again"),
        Ended::Broken => return ExitCode::from(EXIT_FAILED),
    }
    ExitCode::SUCCESS
}

/// Runs a worker on an empty directory for the length of the tour; the configuration of this machine is left alone.
async fn demo(arguments: &cli::demo::Arguments) -> ExitCode {
    let name = format!("inlet-demo-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let outcome = tour(arguments, &directory).await;
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        tracing::warn!(%error, directory = %directory.display(), "the demo's directory was not removed");
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

async fn tour(arguments: &cli::demo::Arguments, directory: &std::path::Path) -> anyhow::Result<()> {
    let mut config = Config::default();
    config.data.dir = directory.to_owned();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    let app = App::start(config, telemetry::start_metrics()?).await?;
    let FirstKey::Made(key) = app.first_key() else { anyhow::bail!("{} is not empty", directory.display()) };
    let (url, key) = (app.url().to_owned(), key.clone());
    let life = Lifecycle::default();
    let mut signals = Signals::catch()?;
    let until = life.clone();
    let running = tokio::spawn(async move { app.run(&until).await });
    let key = key.expose_secret();
    let mut outcome = tokio::select! {
        outcome = cli::demo::tour(&url, key) => outcome,
        _ = signals.next() => Ok(()),
    };
    if arguments.keep && outcome.is_ok() {
        output::say(&format!("\nThe API stays at {url} with the key {key} until Ctrl-C."));
        signals.next().await;
    }
    life.stopping.cancel();
    if running.await? == Ended::Broken {
        outcome = outcome.and(Err(anyhow::anyhow!("the worker broke off")));
    }
    outcome
}

/// A mailbox in IDLE is an open connection: takes as many open files as the system lets this process have.
#[cfg(unix)]
fn allow_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(not(unix))]
fn allow_open_files() {}

/// Says where the API is and, this once, the key that was made.
fn greet(app: &App) {
    let url = app.url();
    tracing::info!(%url, "ready");
    let mut lines = vec![format!("Inlet is ready at {url} (API description: {url}/openapi.json)")];
    match app.first_key() {
        FirstKey::Made(key) => {
            let key = key.expose_secret();
            lines.push(format!("The first API key, shown only now: {key}"));
            lines.push(format!("Try it: curl -H 'Authorization: Bearer {key}' {url}/v1/surfaces"));
        }
        FirstKey::ConfiguredButDead => {
            lines.push("The key in INLET_API_KEY was revoked or has expired: it does not work.".to_owned());
        }
        FirstKey::Exists | FirstKey::Configured => {}
    }
    output::say(&lines.join("\n"));
}
