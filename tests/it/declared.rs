//! Surfaces that a configuration file declares, and mail that `inlet import` takes, by the real program.

use crate::cli::Installation;
use crate::servers::dovecot::read_mbox;
use crate::servers::worker::KEY;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

const DECLARED: &str = r#"
[[surfaces]]
name = "widget"
type = "webhook"
[surfaces.config]
match = { reopenDays = 3 }
[surfaces.inbound]
provider = "inlet"
secret = "env:WIDGET_SECRET"

[[surfaces]]
name = "archive"
type = "email"
"#;

fn surfaces(installation: &Installation, secret: &str) -> Vec<Value> {
    let variables = [("INLET_API_KEY", KEY), ("WIDGET_SECRET", secret), ("INLET_CONFIG", "inlet.toml")];
    let daemon = installation.start(&variables);
    let url = daemon.url.clone();
    let asked = [("INLET_API_KEY", KEY), ("INLET_URL", url.as_str())];
    let listed = installation.run(&["surfaces", "list", "--json"], &asked);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mut surfaces = listed["data"].as_array().unwrap().clone();
    for surface in &mut surfaces {
        // The port is another one at every start.
        surface.as_object_mut().unwrap().remove("webhookUrl");
    }
    surfaces.sort_by_key(|surface| surface["name"].to_string());
    surfaces
}

#[test]
fn declared_surfaces_are_made_once_and_changed_when_the_file_does() {
    let installation = Installation::new();
    fs::write(installation.folder().join("inlet.toml"), DECLARED).unwrap();
    let first = surfaces(&installation, "a-secret-of-the-widget-1");
    assert_eq!(first.len(), 2);
    assert_eq!((&first[0]["name"], &first[1]["name"]), (&json!("archive"), &json!("widget")));
    assert_eq!(first[1]["config"]["match"]["reopenDays"], 3);
    assert!(!first[1].to_string().contains("a-secret"), "{}", first[1]);
    let again = surfaces(&installation, "a-secret-of-the-widget-1");
    assert_eq!(again, first, "nothing has changed, not even the time of the change");
    let changed = DECLARED.replace("reopenDays = 3", "reopenDays = 4");
    fs::write(installation.folder().join("inlet.toml"), changed).unwrap();
    let after = surfaces(&installation, "a-secret-of-the-widget-1");
    assert_eq!(after[1]["config"]["match"]["reopenDays"], 4);
    assert_eq!((&after[1]["id"], &after[0]), (&first[1]["id"], &first[0]));
}

#[test]
fn a_declaration_that_cannot_be_used_ends_the_start_and_names_surface_and_key() {
    let installation = Installation::new();
    let start = |text: &str, secret: &str| {
        fs::write(installation.folder().join("inlet.toml"), text).unwrap();
        let variables = [("INLET_CONFIG", "inlet.toml"), ("WIDGET_SECRET", secret)];
        let output = installation.run(&["serve"], &variables);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let unset = start(&DECLARED.replace("WIDGET_SECRET", "NOT_SET"), "x");
    assert!(unset.contains("widget") && unset.contains("secret"), "{unset}");
    let short = start(DECLARED, "canary");
    assert!(short.contains("widget") && !short.contains("canary"), "{short}");
    let unknown = start(&DECLARED.replace("secret =", "sekret = 1\nsecret ="), "a-secret-of-the-widget-1");
    assert!(unknown.contains("widget") && unknown.contains("sekret"), "{unknown}");
    let misspelt =
        start(&DECLARED.replace("type = \"email\"", "kind = \"email\""), "a-secret-of-the-widget-1");
    assert!(misspelt.contains("kind") && misspelt.contains("inlet.toml"), "{misspelt}");
}

#[test]
fn the_demo_shows_a_tour_and_leaves_nothing_behind() {
    let installation = Installation::new();
    let place = installation.folder().join("tmp");
    fs::create_dir(&place).unwrap();
    let output = installation.run(&["demo"], &[("TMPDIR", place.to_str().unwrap())]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    for shown in [
        "Ben: \"-\", 1 messages",
        "Where is my order?\", 3 messages",
        "my order 1207 has not come. Where is it?",
        ": It leaves today.",
        ": Thank you!",
    ] {
        assert!(printed.contains(shown), "no {shown} in:\n{printed}");
    }
    assert!(!printed.contains("wrote:"), "{printed}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    assert!(!installation.folder().join("data").exists());
}

#[test]
fn mail_in_files_is_imported_once_however_often() {
    let installation = Installation::new();
    fs::write(installation.folder().join("inlet.toml"), DECLARED).unwrap();
    surfaces(&installation, "a-secret-of-the-widget-1");
    let mut mbox = String::new();
    for number in 1..=700 {
        let subject = number / 10;
        write!(
            mbox,
            "From ann@example.com Mon Mar  2 10:00:00 2026\nMessage-ID: <{number}@import.example>\n\
             In-Reply-To: <root{subject}@import.example>\nFrom: ann@example.com\nTo: desk@example.com\n\
             Subject: matter {subject}\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n\nText {number}.\n>From here on.\n\n"
        )
        .unwrap();
    }
    fs::write(installation.folder().join("archive.mbox"), &mbox).unwrap();
    let maildir = installation.folder().join("Maildir");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
    // Five that are in the mbox as well, and one that is not.
    for (number, mail) in read_mbox(&installation.folder().join("archive.mbox")).iter().take(5).enumerate() {
        fs::write(maildir.join("cur").join(format!("{number}.a:2,S")), mail).unwrap();
    }
    let new = "Message-ID: <new@import.example>\nFrom: ben@example.com\nSubject: new\n\nNew.\n";
    fs::write(maildir.join("new").join("9.b"), new).unwrap();
    let variables = [("INLET_CONFIG", "inlet.toml"), ("WIDGET_SECRET", "a-secret-of-the-widget-1")];
    let import = || {
        let arguments = ["import", "archive.mbox", "Maildir", "--surface", "archive", "--json"];
        let output = installation.run(&arguments, &variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let first = import();
    assert_eq!(
        (&first["read"], &first["stored"], &first["duplicates"]),
        (&json!(706), &json!(701), &json!(5))
    );
    let again = import();
    assert_eq!((&again["stored"], &again["duplicates"]), (&json!(0), &json!(706)));
    // Beside a running daemon, which shows them.
    let daemon = installation.start(&[("INLET_API_KEY", KEY)]);
    assert_eq!(import()["stored"], 0);
    let output = std::process::Command::new("curl")
        .args(["--silent", "--header", &format!("Authorization: Bearer {KEY}")])
        .arg(format!("{}/v1/messaging/conversations?limit=1", daemon.url))
        .output();
    let Ok(output) = output else { return println!("skipped: curl is not installed") };
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(page["pagination"]["totalCount"], 72, "{page}");
}
