//! A real browser for tests: headless Chromium with a profile in a temporary directory, ended when dropped.
//! Where the machine has none the caller gets `None` and a printed reason.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A browser that shows one page.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Shows `url`; it goes on doing so until it is dropped.
    pub fn show(url: &str) -> Option<Self> {
        let Some(program) = find() else {
            println!("skipped: no Chromium (chromium, chromium-browser or google-chrome in PATH)");
            return None;
        };
        let profile = tempfile::Builder::new().prefix("inlet-chromium-").tempdir().expect("a directory");
        let process = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            // It is to ask nobody anything on its own.
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-quic", "--disable-extensions", "--disable-default-apps", "--no-pings"])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        Some(Self { process, _profile: profile })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names
        .iter()
        .find_map(|name| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()))
}
