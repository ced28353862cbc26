//! How a campaign was called, and on what machine.

/// How it was called, without where things are on this machine.
pub(crate) fn command(words: impl Iterator<Item = String>) -> String {
    const PLACES: [&str; 2] = ["--root", "--report"];
    let mut told = vec!["campaign".to_owned()];
    let mut place = false;
    for word in words {
        let named = word.split('=').next().is_some_and(|name| PLACES.contains(&name));
        if !named && !place {
            told.push(word.clone());
        }
        place = named && !word.contains('=');
    }
    told.join(" ")
}

/// The machine in a line.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    let memory = read("/proc/meminfo");
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = total
        .and_then(|total| total.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or_default();
    format!(
        "{cpus} CPUs ({model}), {} GiB; everything on it, the load and the faults included",
        kib / 1024 / 1024
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_how_it_was_called_and_not_where() {
        let words = [
            "--minutes",
            "60",
            "--report",
            "/a/b.md",
            "--root=/c",
            "--root",
            "/d",
            "--rate=17",
        ];
        let told = command(words.iter().map(ToString::to_string));
        assert_eq!(told, "campaign --minutes 60 --rate=17");
    }
}
