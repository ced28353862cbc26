//! Who listens on a port, to tell a person which process is in the way.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use crate::process::{self, Identity};

/// Whether nothing could listen on this port of 127.0.0.1.
pub fn taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Who listens on a TCP port, in the words of who is to end it.
pub fn held_by(port: u16) -> String {
    holder(port).map_or_else(|| "a process that is not yours".to_owned(), described)
}

/// A process in the words of who is to end it.
pub(crate) fn described(process: Identity) -> String {
    let text = format!("{} (process {})", process.name(), process.pid);
    match process.marked_as() {
        Some((state, _)) => format!("{text} of the local system in {state}"),
        None => text,
    }
}

/// The process that listens on a TCP port, if it is one of the caller's (the kernel does not tell about others').
pub(crate) fn holder(port: u16) -> Option<Identity> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_sockets(&table, port))
        .collect();
    process::all().find(|process| {
        fs::read_dir(format!("/proc/{}/fd", process.pid))
            .into_iter()
            .flatten()
            .flatten()
            .any(|descriptor| {
                fs::read_link(descriptor.path())
                    .is_ok_and(|target| sockets.iter().any(|socket| *target.to_string_lossy() == **socket))
            })
    })
}

/// The sockets of `/proc/net/tcp` in state LISTEN on a port, named as `/proc/<pid>/fd` links name them.
fn listening_sockets(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&suffix) && *state == "0A").then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_with_its_process() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(taken(port));
        assert_eq!(holder(port).map(|process| process.pid), Some(std::process::id()));
        drop(listener);
        assert!(!taken(port));
    }

    #[test]
    fn only_listening_sockets_of_that_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:426C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
             1: 0100007F:426C 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n\
             2: 0100007F:426D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n";
        assert_eq!(listening_sockets(table, 17004), ["socket:[111]"]);
    }
}
