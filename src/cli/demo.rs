//! `inlet demo`: a tour of a worker that has just been started on an empty directory. Every step is a call of the API that
//! anybody can make, shown with its answer. The worker and the directory are `main`'s to make and to remove.

use super::output::{cell, say};
use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;

/// Arguments of `inlet demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet demo --keep")]
pub struct Arguments {
    /// Go on running at the end, until Ctrl-C, so that the API can be tried.
    #[arg(long)]
    pub keep: bool,
}

/// Far above what a call of the tour takes.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A question, an answer from another address that quotes it, and one that lost its references.
const MAILS: [&str; 3] = [
    "From: Ann Ash <ann@maple.example>\r\nTo: help@oak.example\r\nSubject: Where is my order?\r\n\
     Message-ID: <order-1@maple.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\n\
     Hello,\r\n\r\nmy order 1207 has not come. Where is it?\r\n\r\n-- \r\nAnn Ash\r\nMaple Ltd.\r\n",
    "From: help@oak.example\r\nTo: Ann Ash <ann@maple.example>\r\nSubject: Re: Where is my order?\r\n\
     Message-ID: <answer-1@oak.example>\r\nIn-Reply-To: <order-1@maple.example>\r\n\
     Date: Mon, 2 Mar 2026 11:00:00 +0000\r\n\r\nIt leaves today.\r\n\r\n\
     On Mon, 2 Mar 2026 at 10:00, Ann Ash <ann@maple.example> wrote:\r\n> my order 1207 has not come. Where is it?\r\n",
    "From: Ann Ash <ann@maple.example>\r\nTo: help@oak.example\r\nSubject: Re: Where is my order?\r\n\
     Message-ID: <thanks-1@maple.example>\r\nReferences: <order-1@maple.example> <answer-1@oak.example>\r\n\
     Date: Mon, 2 Mar 2026 12:00:00 +0000\r\n\r\nThank you!\r\n\r\n\
     On Mon, 2 Mar 2026 at 11:00, help@oak.example wrote:\r\n> It leaves today.\r\n",
];

/// Shows what a worker does, step by step.
///
/// # Errors
/// A step that the worker did not take, in words.
pub async fn tour(url: &str, key: &str) -> anyhow::Result<()> {
    let guide = Guide { url, key, http: Client::builder().no_proxy().timeout(CALL_LIMIT).build()? };
    say("Inlet takes messages from mailboxes and webhooks and keeps them as conversations.\n");

    say("1. A chat widget. Its surface takes the generic body; this one takes it unsigned.");
    let order = json!({"name": "demo widget", "type": "chat", "inbound": {"provider": "inlet", "allowUnsigned": true}});
    let widget = guide.ask(Method::POST, "/v1/surfaces", &order).await?;
    let message = json!({
        "externalThreadId": "visitor-7", "externalMessageId": "m-1", "content": "Do you ship to Vienna?",
        "participant": {"name": "Ben", "email": "ben@birch.example"},
    });
    let hook = format!("/v1/webhooks/{}", cell(&widget, "id"));
    guide.ask(Method::POST, &hook, &message).await?;

    say("\n2. The same message again, as a provider sends it whose answer got lost. It is stored once.");
    guide.ask(Method::POST, &hook, &message).await?;

    say("\n3. Three mails, the last one first: a question, its answer, and thanks.");
    let order = json!({"name": "demo mail", "type": "webhook", "inbound": {"provider": "rfc822", "allowUnsigned": true}});
    let mail = guide.ask(Method::POST, "/v1/surfaces", &order).await?;
    let hook = format!("/v1/webhooks/{}", cell(&mail, "id"));
    for raw in MAILS.iter().rev() {
        guide.post_mail(&hook, raw).await?;
    }

    say("\n4. What became of it: two conversations.");
    let list = guide.ask(Method::GET, "/v1/messaging/conversations", &Value::Null).await?;
    let rows = list.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    for row in &rows {
        let who = cell(row, "participantName");
        say(&format!("   {}: \"{}\", {} messages", who, cell(row, "subject"), cell(row, "messageCount")));
    }
    if rows.len() != 2 {
        bail!("there should be two conversations");
    }

    say(
        "\n5. The mails in their order, each as its writer wrote it: quoted history and signatures stand apart.",
    );
    let thread = rows.iter().find(|row| cell(row, "surfaceId") == cell(&mail, "id")).context("no mail")?;
    let path = format!("/v1/messaging/conversations/{}/messages", cell(thread, "id"));
    let messages = guide.ask(Method::GET, &path, &Value::Null).await?;
    for message in messages.get("data").and_then(Value::as_array).into_iter().flatten() {
        say(&format!("   {}: {}", cell(message, "sentAt"), cell(message, "content").replace('\n', " / ")));
    }
    say(
        "\nThat was it. A mailbox of yours: README.md, \"A mailbox\". Your own widget: `inlet surfaces add --help`.",
    );
    Ok(())
}

struct Guide<'a> {
    url: &'a str,
    key: &'a str,
    http: Client,
}

impl Guide<'_> {
    /// Calls, and shows the call and what is short of the answer.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.url)).bearer_auth(self.key);
        let mut shown = String::new();
        if !body.is_null() {
            shown = format!(" {body}");
            request = request.json(body);
        }
        say(&format!("   {method} {path}{shown}"));
        self.answer(request).await
    }

    async fn post_mail(&self, path: &str, raw: &'static str) -> anyhow::Result<Value> {
        let subject = raw.lines().find(|line| line.starts_with("Message-ID:")).unwrap_or_default();
        say(&format!("   POST {path} (message/rfc822, {subject})"));
        let request = self.http.post(format!("{}{path}", self.url)).header("Content-Type", "message/rfc822");
        self.answer(request.body(raw)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.context("the worker does not answer")?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or(Value::Null);
        if !status.is_success() {
            bail!("the worker answered {status}: {answer}");
        }
        let text = answer.to_string();
        let short = if text.chars().count() > 200 { "(a long answer)".to_owned() } else { text };
        say(&format!("   -> {} {short}", status.as_u16()));
        Ok(answer)
    }
}
