//! One call: the bytes that are sent, and what a right answer says.

use std::{io::Write as _, net::SocketAddr};

use serde::Serialize;

use super::connection::Answer;
use crate::Failure;

/// How much of a wrong answer is shown.
const EXCERPT_CHARS: usize = 200;

/// A call, ready to be sent as often as one likes.
pub struct Call {
    /// The whole request.
    pub request: Vec<u8>,
    right: Right,
}

/// What must stand where in the body of an answer. Comparing bytes is all the work that a sample may cost the generator.
struct Right {
    at: usize,
    bytes: Vec<u8>,
}

/// The bytes of a request with a JSON body.
pub fn json(
    method: &str,
    address: SocketAddr,
    path: &str,
    body: &impl Serialize,
) -> Result<Vec<u8>, Failure> {
    request(method, address, path, "", &serde_json::to_vec(body)?)
}

/// The bytes of a request; `headers` are whole lines.
pub fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    write!(
        bytes,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    bytes.extend_from_slice(body);
    Ok(bytes)
}

impl Call {
    /// A request, the answer to which has `bytes` from byte `at` of its body on.
    pub fn new(request: Vec<u8>, at: usize, bytes: Vec<u8>) -> Self {
        Self { request, right: Right { at, bytes } }
    }

    /// `GET /healthz`: the least that the server answers.
    pub fn health(address: SocketAddr) -> Self {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
        Self::new(request.into_bytes(), 0, b"ok\n".to_vec())
    }

    /// Whether it is the right answer.
    pub fn check(&self, answer: Answer<'_>) -> Result<(), String> {
        let found = answer.body.get(self.right.at..).unwrap_or_default();
        if answer.status == 200 && found.starts_with(&self.right.bytes) {
            return Ok(());
        }
        let shown: String = String::from_utf8_lossy(answer.body).chars().take(EXCERPT_CHARS).collect();
        Err(format!("status {}: {shown}", answer.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_answer_is_a_sample() {
        let call = Call::new(Vec::new(), 3, b"[1,2]".to_vec());
        let check = |status, body: &str| call.check(Answer { status, body: body.as_bytes() });
        assert_eq!(check(200, "xyz[1,2]}"), Ok(()));
        for (status, body) in
            [(503, "xyz[1,2]}"), (200, "xyz[1,3]}"), (200, "xyz[1,2"), (200, ""), (200, "x")]
        {
            assert!(check(status, body).unwrap_err().contains(body), "{status} {body}");
        }
    }
}
