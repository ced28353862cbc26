//! `local logs`: the end of the log of one part or of all, and what is added to it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::tail;
use crate::error::{During, Error, Result};
use crate::layout::{self, Layout};
use crate::out::say;
use crate::settings::Profile;

/// Prints the last `lines` of a part's log (of every part's, without a name), then, if asked, whatever comes. One
/// system is meant: the one that runs, else the one that wrote last.
pub async fn logs(root: &Path, profiles: &[Profile], part: Option<&str>, lines: usize, follow: bool) -> Result<()> {
    let known = meant(root, profiles)?;
    if known.is_empty() {
        let text = "there are no logs: nothing was ever started here; `make up` starts it";
        return Err(Error::advice(text));
    }
    let chosen: Vec<(String, PathBuf)> = known
        .iter()
        .filter(|(name, _)| part.is_none_or(|part| part == name))
        .cloned()
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = known.into_iter().map(|(name, _)| name).collect();
        return Err(Error::advice(format!(
            "no log of that name; there are: {}",
            names.join(", ")
        )));
    }
    let several = chosen.len() > 1;
    let mut offsets = Vec::new();
    for (name, file) in &chosen {
        // Taken before the end is printed, so that following repeats a line rather than missing one.
        offsets.push(fs::metadata(file).map_or(0, |metadata| metadata.len()));
        if several {
            say(format!("==> {name} <=="));
        }
        for line in tail(file, lines) {
            say(line);
        }
    }
    if !follow {
        return Ok(());
    }
    loop {
        for ((name, file), offset) in chosen.iter().zip(&mut offsets) {
            for line in added(file, offset)? {
                let listened_to = if several {
                    say(format!("{name}: {line}"))
                } else {
                    say(line)
                };
                if !listened_to {
                    return Ok(());
                }
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// The logs of the system that is meant.
fn meant(root: &Path, profiles: &[Profile]) -> Result<Vec<(String, PathBuf)>> {
    if let Some(running) = Layout::running(root, profiles)? {
        return Ok(written(&running));
    }
    let all = profiles.iter().map(|profile| written(&Layout::new(root, *profile)));
    Ok(all.max_by_key(|logs| last_written(logs)).unwrap_or_default())
}

/// The logs of a system, by their names.
fn written(layout: &Layout) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(layout::logs(layout.state()))
        .into_iter()
        .flatten()
        .flatten();
    let mut logs: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter_map(|file| Some((file.file_stem()?.to_string_lossy().into_owned(), file)))
        .collect();
    logs.sort();
    logs
}

fn last_written(logs: &[(String, PathBuf)]) -> Option<SystemTime> {
    let times = logs
        .iter()
        .filter_map(|(_, file)| fs::metadata(file).ok()?.modified().ok());
    times.max()
}

/// The whole lines added since `offset`, which moves behind them. A file that shrank is read from its start.
fn added(file: &Path, offset: &mut u64) -> Result<Vec<String>> {
    let reading = || format!("read {}", file.display());
    let mut handle = fs::File::open(file).during(reading())?;
    if handle.metadata().during(reading())?.len() < *offset {
        *offset = 0;
    }
    handle.seek(SeekFrom::Start(*offset)).during(reading())?;
    let mut bytes = Vec::new();
    handle.read_to_end(&mut bytes).during(reading())?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |position| position + 1);
    *offset += u64::try_from(whole).unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes[..whole])
        .lines()
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_taken_and_a_log_that_started_anew_is_read_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        let mut offset = 0;
        fs::write(&file, "one\ntw").unwrap();
        assert_eq!(added(&file, &mut offset).unwrap(), ["one"]);
        fs::write(&file, "one\ntwo\n").unwrap();
        assert_eq!(added(&file, &mut offset).unwrap(), ["two"]);
        assert!(added(&file, &mut offset).unwrap().is_empty());
        fs::write(&file, "new\n").unwrap();
        assert_eq!(added(&file, &mut offset).unwrap(), ["new"]);
    }

    #[test]
    fn without_a_system_that_runs_the_one_that_wrote_last_is_meant() {
        let checkout = tempfile::tempdir().unwrap();
        let wrote = |profile, seconds| {
            let layout = Layout::new(checkout.path(), profile);
            layout.create().unwrap();
            let log = fs::File::create(layout::log_file(layout.state(), "bff")).unwrap();
            log.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
                .unwrap();
        };
        wrote(Profile::Up, 2);
        wrote(Profile::Demo, 3);
        wrote(Profile::Test, 1);
        let logs = meant(checkout.path(), &Profile::ALL).unwrap();
        let demo = Layout::new(checkout.path(), Profile::Demo);
        assert_eq!(logs, [("bff".to_owned(), layout::log_file(demo.state(), "bff"))]);
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        fs::write(&file, "1\n2\n3\n").unwrap();
        assert_eq!(tail(&file, 2), ["2", "3"]);
        assert_eq!(tail(&file, 9), ["1", "2", "3"]);
        assert!(tail(&folder.path().join("none"), 2).is_empty());
    }
}
