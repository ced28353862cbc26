//! `local logs`: the end of the log of one part or of all, and what is added to it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::tail;
use crate::error::{During, Error, Result};
use crate::layout::{self, Layout};
use crate::out::say;
use crate::settings::Profile;

/// Prints the last `lines` of a part's log (of every part's, without a name), then, if asked, whatever comes.
pub async fn logs(root: &Path, profiles: &[Profile], part: Option<&str>, lines: usize, follow: bool) -> Result<()> {
    let mut known: Vec<(String, PathBuf)> = Vec::new();
    for profile in profiles {
        let folder = layout::logs(Layout::new(root, *profile).state());
        for file in fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            let name = file
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            known.push((name, file));
        }
    }
    known.sort();
    if known.is_empty() {
        return Err(Error::advice("there are no logs: nothing was ever started here"));
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
    fn the_tail_is_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        fs::write(&file, "1\n2\n3\n").unwrap();
        assert_eq!(tail(&file, 2), ["2", "3"]);
        assert_eq!(tail(&file, 9), ["1", "2", "3"]);
        assert!(tail(&folder.path().join("none"), 2).is_empty());
    }
}
