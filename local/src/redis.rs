//! A word with Redis: one command, one answer.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Sends a command that a line or a text answers. A line comes with its first character (`+PONG`, `-ERR …`), a text
/// without its length.
pub async fn ask(port: u16, password: &str, command: &str) -> Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let request = format!("AUTH {password}\r\n{command}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let authenticated = line(&mut stream).await?;
    // A Redis that cannot serve yet says so to either.
    if !authenticated.starts_with('+') {
        return Ok(authenticated);
    }
    let answer = line(&mut stream).await?;
    let Some(length) = answer.strip_prefix('$') else {
        return Ok(answer);
    };
    let length = length
        .parse()
        .map_err(|_| Error::new(ErrorKind::InvalidData, format!("it answers {answer:?}")))?;
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

async fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// How often each command was called, from `INFO commandstats`.
pub fn calls(commandstats: &str) -> impl Iterator<Item = (&str, f64)> {
    commandstats.lines().filter_map(|line| {
        let (command, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let calls = figures.split(',').find_map(|figure| figure.strip_prefix("calls="))?;
        Some((command, calls.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn calls_are_read_by_command() {
        let text = "# Commandstats\r\ncmdstat_xadd:calls=21,usec=340,usec_per_call=16.19,rejected_calls=0,failed_calls=0\r\n\
                    cmdstat_config|get:calls=1,usec=3,usec_per_call=3.00,rejected_calls=0,failed_calls=0\r\n\r\n";
        assert_eq!(Vec::from_iter(calls(text)), [("xadd", 21.0), ("config|get", 1.0)]);
    }

    #[tokio::test]
    async fn a_text_is_read_to_its_end_and_an_error_is_an_answer() {
        for (answer, read) in [
            ("+OK\r\n$12\r\none\r\ntwo\r\n..\r\n", "one\r\ntwo\r\n.."),
            ("+OK\r\n-ERR unknown\r\n", "-ERR unknown"),
            ("-WRONGPASS invalid\r\n-NOAUTH\r\n", "-WRONGPASS invalid"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 64];
                let length = stream.read(&mut request).await.unwrap();
                assert_eq!(&request[..length], b"AUTH p\r\nINFO\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            };
            let (asked, ()) = tokio::join!(ask(port, "p", "INFO"), serve);
            assert_eq!(asked.unwrap(), read);
        }
    }
}
