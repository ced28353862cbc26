//! A word with Redis: one command, one answer.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Sends a command; a list that it answers comes in one row. What it refuses is an error in its own words.
pub async fn ask(port: u16, password: &str, command: &str) -> Result<Vec<String>> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let request = format!("AUTH {password}\r\n{command}\r\n");
    stream.write_all(request.as_bytes()).await?;
    // A Redis that cannot serve yet says so to either.
    answer(&mut stream).await?;
    answer(&mut stream).await
}

async fn answer(stream: &mut BufReader<TcpStream>) -> Result<Vec<String>> {
    let (mut answer, mut to_come) = (Vec::new(), 1);
    while to_come > 0 {
        to_come -= 1;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).ok_or(ErrorKind::UnexpectedEof)?;
        let unknown = || Error::new(ErrorKind::InvalidData, format!("it answers {line:?}"));
        let length = || rest.parse::<usize>().map_err(|_| unknown());
        match (kind, rest) {
            ("-", _) => return Err(Error::other(rest)),
            ("+" | ":", _) => answer.push(rest.to_owned()),
            // What is not there.
            ("$" | "*", "-1") => answer.push(String::new()),
            ("$", _) => {
                let mut text = vec![0; length()?];
                stream.read_exact(&mut text).await?;
                answer.push(String::from_utf8_lossy(&text).into_owned());
                stream.read_exact(&mut [0; 2]).await?;
            }
            ("*", _) => to_come += length()?,
            _ => return Err(unknown()),
        }
    }
    Ok(answer)
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
    async fn an_answer_is_read_to_its_end_and_a_refusal_is_an_error() {
        let groups = "+OK\r\n*2\r\n*4\r\n$4\r\nname\r\n$3\r\nbff\r\n$7\r\npending\r\n:3\r\n$-1\r\n";
        for (answer, read) in [
            ("+OK\r\n$12\r\none\r\ntwo\r\n..\r\n", Ok(vec!["one\r\ntwo\r\n.."])),
            (groups, Ok(vec!["name", "bff", "pending", "3", ""])),
            ("+OK\r\n*0\r\n", Ok(vec![])),
            ("+OK\r\n-ERR unknown\r\n", Err("ERR unknown")),
            ("-WRONGPASS invalid\r\n-NOAUTH\r\n", Err("WRONGPASS invalid")),
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
            let read = read.map(|read| read.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(asked.map_err(|error| error.to_string()), read.map_err(str::to_owned));
        }
    }
}
