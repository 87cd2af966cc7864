//! The protocol of Redis (RESP2) as a test speaks it to one server, with nothing in between.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::value::Value;

/// A connection to one server.
pub struct Wire(BufReader<TcpStream>);

// === impl Wire ===

impl Wire {
    /// Connects; the error says why not.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends `words` and returns the answer; the error is that of the connection or of the server.
    pub fn command(&mut self, words: &[&str]) -> Result<Value, String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            let _ = write!(request, "${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.0.read_line(&mut line).map_err(|error| error.to_string())?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).ok_or("the connection ended")?;
        let number = || rest.parse::<i64>().map_err(|_| format!("{line}: no number"));
        match kind {
            "+" => Ok(Value::Bytes(rest.to_owned().into())),
            "-" => Err(rest.to_owned()),
            ":" => Ok(Value::Int(number()?)),
            "$" => match usize::try_from(number()?) {
                Err(_) => Ok(Value::Nil),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.0.read_exact(&mut bytes).map_err(|error| error.to_string())?;
                    bytes.truncate(length);
                    Ok(Value::Bytes(bytes.into()))
                }
            },
            "*" => (0..number()?).map(|_| self.answer()).collect::<Result<_, _>>().map(Value::List),
            _ => Err(format!("{line}: no answer of Redis")),
        }
    }
}

/// The text of a reply; empty where it is none.
pub(super) fn text(value: &Value) -> String {
    value.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}
