//! A provider that gives out bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a provider answers at a path: status line and headers, and the body.
type Answers = HashMap<String, Vec<(String, Vec<u8>)>>;

/// A path, and the Authorization header that came with it.
pub type Asked = (String, Option<String>);

/// An HTTP server that answers from a table (the last answer of a path stays) and writes down who asked.
#[derive(Clone)]
pub struct Provider {
    pub url: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { url, answers: Arc::default(), asked: Arc::default() };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        provider
    }

    async fn serve(self, mut stream: tokio::net::TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let header = |line: &str| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .map(|(_, it)| it.to_owned())
        };
        self.asked.lock().unwrap().push((path.clone(), head.lines().find_map(header)));
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            match answers.get_mut(&path) {
                Some(list) if list.len() > 1 => list.remove(0),
                Some(list) => list[0].clone(),
                None => ("404 Not Found".to_owned(), Vec::new()),
            }
        };
        let (first, body) = answer;
        let length = if first.contains("Transfer-Encoding") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let _ = stream
            .write_all(format!("HTTP/1.1 {first}\r\n{length}Connection: close\r\n\r\n").as_bytes())
            .await;
        let _ = stream.write_all(&body).await;
    }

    /// One more answer at a path.
    pub fn answers(&self, path: &str, first: &str, body: impl Into<Vec<u8>>) {
        self.answers
            .lock()
            .unwrap()
            .entry(path.to_owned())
            .or_default()
            .push((first.to_owned(), body.into()));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}
