//! One keep-alive connection, HTTP/1.1, blocking: a call costs a write, a read, and the parse of a head.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(30);
/// What the buffer begins with; it grows with the answers.
const BUFFER_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 32;

/// A connection of its own.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// All of the body.
    pub body: &'a [u8],
}

/// A head: status, its own length, the body's.
struct Head {
    status: u16,
    head_bytes: usize,
    body_bytes: usize,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends a whole request and reads the whole answer. After an error the connection is of no more use.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        let head = loop {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            match self.stream.read(&mut self.buffer[filled..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                bytes => filled += bytes,
            }
            match head(&self.buffer[..filled])? {
                Some(head) if filled >= head.head_bytes + head.body_bytes => break head,
                _ => {}
            }
        };
        if filled > head.head_bytes + head.body_bytes {
            return Err(invalid("more than was asked for"));
        }
        Ok(Answer { status: head.status, body: &self.buffer[head.head_bytes..filled] })
    }
}

/// The head of an answer, once it is there. A body without a length is refused: Stella's server always names it.
fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(parsed) = response.parse(bytes) else { return Err(invalid("not HTTP/1.1")) };
    let httparse::Status::Complete(head_bytes) = parsed else { return Ok(None) };
    let body_bytes = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| invalid("no Content-Length"))?;
    Ok(Some(Head { status: response.code.unwrap_or(0), head_bytes, body_bytes }))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Answers each request of a connection with the next of `answers`, in pieces.
    fn ask(answers: &'static [&'static [&'static str]]) -> Vec<Result<(u16, String), String>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for pieces in answers {
                let _ = stream.read(&mut [0; 1000]).unwrap();
                for piece in *pieces {
                    stream.write_all(piece.as_bytes()).unwrap();
                    // So that each piece is read on its own.
                    thread::sleep(Duration::from_millis(5));
                }
            }
        });
        let mut connection = Connection::open(address).unwrap();
        let asked = answers.iter().map(|_| {
            let answer = connection.ask(b"GET / HTTP/1.1\r\n\r\n").map_err(|error| error.to_string())?;
            Ok((answer.status, String::from_utf8_lossy(answer.body).into_owned()))
        });
        let asked = asked.collect();
        server.join().unwrap();
        asked
    }

    #[test]
    fn answers_come_in_any_pieces() {
        let found = ask(&[
            &["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 4\r\n\r\nab", "cd"],
            &["HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"],
        ]);
        assert_eq!(found, [Ok((200, "abcd".to_owned())), Ok((503, String::new()))]);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (answer, why) in [
            (&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] as &'static [_], "no Content-Length"),
            (&["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab"], "more than was asked for"),
            (&["SSH-2.0\r\n"], "not HTTP/1.1"),
        ] {
            let found = ask(vec![answer].leak());
            assert_eq!(found, [Err(why.to_owned())]);
        }
    }
}
