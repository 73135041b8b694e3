//! A client of QEMU's monitor protocol: a JSON object a line, a greeting first, events in between.
//!
//! QEMU answers only when its main loop runs, that is when all devices are there: an answer means that it is ready.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::QmpError;

/// A connection that has exchanged greetings.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Waits for the greeting and leaves negotiation mode. `patience` bounds this and every later answer.
    pub fn new(stream: UnixStream, patience: Duration) -> Result<Client, QmpError> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        let greeting = client.receive()?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Malformed {
                line: greeting.to_string(),
            });
        }
        client.execute("qmp_capabilities")?;
        Ok(client)
    }

    /// Executes a command without arguments and returns its result.
    pub fn execute(&mut self, command: &str) -> Result<Value, QmpError> {
        let mut line = json!({ "execute": command }).to_string();
        line.push('\n');
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(closed)?;
        loop {
            let answer = self.receive()?;
            if let Some(error) = answer.get("error") {
                let description = error["desc"]
                    .as_str()
                    .unwrap_or("no reason given")
                    .to_owned();
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    description,
                });
            }
            match answer.get("return") {
                Some(result) => return Ok(result.clone()),
                None if answer.get("event").is_some() => {}
                None => {
                    return Err(QmpError::Malformed {
                        line: answer.to_string(),
                    });
                }
            }
        }
    }

    /// Fails unless the machine waits for its first `cont`.
    pub fn expect_prelaunch(&mut self) -> Result<(), QmpError> {
        const EXPECTED: &str = "prelaunch";
        match self.execute("query-status")?["status"].as_str() {
            Some(EXPECTED) => Ok(()),
            state => Err(QmpError::State {
                state: state.unwrap_or("unknown").to_owned(),
                expected: EXPECTED,
            }),
        }
    }

    fn receive(&mut self) -> Result<Value, QmpError> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).map_err(closed)? == 0 {
            return Err(QmpError::Closed);
        }
        serde_json::from_str(&line).map_err(|_| QmpError::Malformed {
            line: line.trim_end().to_owned(),
        })
    }
}

/// A connection that breaks off says no more than one that is closed.
fn closed(error: std::io::Error) -> QmpError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => QmpError::Closed,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => QmpError::Io(std::io::Error::new(
            ErrorKind::TimedOut,
            "it did not answer in time",
        )),
        _ => QmpError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}"#;

    /// A server that greets and then, for each command, expects its name and answers with the given lines.
    fn with_server(
        script: &'static [(&'static str, &'static str)],
        client: impl FnOnce(UnixStream),
    ) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut stream = BufReader::new(theirs);
            writeln!(stream.get_mut(), "{GREETING}\r").unwrap();
            for (command, answer) in script {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                let request: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(request["execute"], *command);
                write!(stream.get_mut(), "{answer}\r\n").unwrap();
            }
        });
        client(ours);
        server.join().unwrap();
    }

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn commands_are_answered_past_events() {
        with_server(
            &[
                ("qmp_capabilities", r#"{"return": {}}"#),
                (
                    "query-status",
                    r#"{"return": {"status": "prelaunch", "running": false}}"#,
                ),
                (
                    "cont",
                    concat!(r#"{"event": "RESUME"}"#, "\r\n", r#"{"return": {}}"#),
                ),
            ],
            |stream| {
                let mut client = Client::new(stream, PATIENCE).unwrap();
                client.expect_prelaunch().unwrap();
                assert_eq!(client.execute("cont").unwrap(), json!({}));
            },
        );
    }

    #[test]
    fn refusals_and_wrong_states_are_errors() {
        with_server(
            &[
                ("qmp_capabilities", r#"{"return": {}}"#),
                ("query-status", r#"{"return": {"status": "running"}}"#),
                (
                    "cont",
                    r#"{"error": {"class": "GenericError", "desc": "not now"}}"#,
                ),
            ],
            |stream| {
                let mut client = Client::new(stream, PATIENCE).unwrap();
                assert!(
                    matches!(client.expect_prelaunch(), Err(QmpError::State { state, .. }) if state == "running")
                );
                assert!(
                    matches!(client.execute("cont"), Err(QmpError::Refused { description, .. }) if description == "not now")
                );
            },
        );
    }

    #[test]
    fn an_end_instead_of_an_answer_is_an_error() {
        with_server(&[("qmp_capabilities", r#"{"return": {}}"#)], |stream| {
            let mut client = Client::new(stream, PATIENCE).unwrap();
            assert!(matches!(client.execute("cont"), Err(QmpError::Closed)));
        });
    }

    #[test]
    fn silence_and_noise_are_errors() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(matches!(
            Client::new(ours, Duration::from_millis(50)),
            Err(QmpError::Io(_))
        ));
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"SSH-2.0\r\n").unwrap();
        assert!(
            matches!(Client::new(ours, PATIENCE), Err(QmpError::Malformed { line }) if line == "SSH-2.0")
        );
    }
}
