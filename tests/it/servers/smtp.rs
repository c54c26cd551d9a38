//! A mail server that takes one mail and remembers what it was told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// A server that takes one mail; gives all that it heard.
pub fn mail_sink(offers: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut heard = String::new();
        let mut is_mail = false;
        reader.get_mut().write_all(b"220 sink\r\n").unwrap();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 0 {
            let answer = match line.split_whitespace().next().unwrap_or_default() {
                "." => "250 taken\r\n".to_owned(),
                _ if is_mail => String::new(),
                "EHLO" => format!("250-sink\r\n{offers}250 8BITMIME\r\n"),
                "AUTH" => "235 in\r\n".to_owned(),
                "DATA" => "354 go on\r\n".to_owned(),
                "QUIT" => "221 bye\r\n".to_owned(),
                _ => "250 ok\r\n".to_owned(),
            };
            is_mail = (is_mail || line.starts_with("DATA")) && line != ".\r\n";
            heard.push_str(&line);
            line.clear();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
        drop(sender.send(heard));
    });
    (port, receiver)
}
