//! The broker: Redis streams.

use super::Context;
use crate::part::{Part, Readiness};

/// Redis, on 127.0.0.1 only. Its settings are written by [`config`], so that its password is on no command line.
pub(super) fn redis(context: &Context) -> Part {
    let port = context.settings.ports.redis();
    Part::new("redis", &context.tools.redis)
        .arg(context.layout.redis_config().display().to_string())
        .ports([port])
        .ready(Readiness::Redis {
            port,
            password: context.tokens.redis.clone(),
        })
}

/// The text of its configuration file.
pub(crate) fn config(context: &Context) -> String {
    format!(
        "\
bind 127.0.0.1
port {port}
requirepass {password}
dir \"{data}\"
# Every message goes to the log before its publisher is answered, so a kill loses nothing. The log is synced once a
# second: a power cut may lose that second, which is allowed, since whoever sent a message asks again. `always` would
# cost each message a sync for a promise that nobody here relies on.
appendonly yes
appendfsync everysec
# It would overwrite its environment with a title, and with it the mark by which `local` recognises its own.
set-proc-title no
# The log is the only store; snapshots would be a second one.
save \"\"
",
        port = context.settings.ports.redis(),
        password = context.tokens.redis,
        data = context.layout.data().display(),
    )
}
