//! The commands of README.md, run as they stand there against a daemon and a real mailbox. Only what a
//! reader has to fill in (server, account) is put in.

use crate::cli::Installation;
use crate::servers::dovecot;
use std::path::Path;
use std::process::{Command, Stdio};

const MAIL: &[u8] = b"From: Ben <ben@example.org>\r\nTo: support@example.org\r\nSubject: Broken lamp\r\n\
Message-ID: <lamp-1@example.org>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\nMy lamp is broken.\r\n";

/// The `sh` blocks below a heading.
fn commands_below(heading: &str) -> String {
    let readme = include_str!("../../README.md");
    let section = readme.split(heading).nth(1).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let blocks: Vec<&str> =
        section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    blocks.concat()
}

fn run(commands: &str, url: &str, key: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_inlet")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .env_clear()
        .envs([("PATH", path.as_str()), ("INLET_URL", url), ("INLET_API_KEY", key), ("INLET_LOG", "warn")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

fn is_missing(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err();
    if missing {
        println!("skipped: {program} is not installed");
    }
    missing
}

#[test]
fn a_message_from_a_website_arrives_by_the_commands_of_the_readme() {
    if is_missing("curl") {
        return;
    }
    let (installation, key) = (Installation::new(), "a-key-for-the-commands-of-the-readme");
    let daemon = installation.start(&[("INLET_API_KEY", key)]);
    let printed =
        run(&commands_below("### A message from a website"), &daemon.url, key, installation.folder());
    assert!(printed.contains("\"accepted\":1"), "{printed}");
    assert!(printed.contains("\"participantEmail\":\"ann@example.org\""), "{printed}");
    assert!(printed.contains("\"messageCount\":1"), "{printed}");
}

#[test]
fn a_mail_arrives_by_the_commands_of_the_readme() {
    let Some(dovecot) = dovecot::dovecot() else { return };
    let user = dovecot.user();
    user.deliver("INBOX", &[MAIL]);
    let (installation, key) = (Installation::new(), "a-key-for-the-commands-of-the-readme");
    let certificate = installation.folder().join("mail-server.pem");
    std::fs::write(&certificate, &dovecot.certificate).unwrap();
    let daemon = installation.start(&[
        ("INLET_API_KEY", key),
        ("INLET__NETWORK__ALLOW_PRIVATE_HOSTS", "true"),
        ("INLET__TLS__EXTRA_CA", "[\"mail-server.pem\"]"),
    ]);
    let commands = commands_below("### A mailbox")
        .replace("imap.example.org", "localhost")
        .replace("993", &dovecot.tls_port.to_string())
        .replace(
            "\"imapUsername\": \"support@example.org\"",
            &format!("\"imapUsername\": \"{}\", \"imapSecure\": true", user.name),
        )
        .replace("the password", dovecot::PASSWORD);
    let printed = run(&commands, &daemon.url, key, installation.folder());
    assert!(printed.contains("imap  ok"), "{printed}");
    assert!(printed.lines().any(|line| line.split_whitespace().eq(["lastError", "-"])), "{printed}");
    assert!(printed.lines().any(|line| line.split_whitespace().eq(["active", "true"])), "{printed}");
    let shown = run(
        "curl --silent --header \"Authorization: Bearer $INLET_API_KEY\" \"$INLET_URL/v1/messaging/conversations\"",
        &daemon.url,
        key,
        installation.folder(),
    );
    assert!(shown.contains("\"subject\":\"Broken lamp\""), "{shown}");
}
