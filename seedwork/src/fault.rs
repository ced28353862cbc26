//! One classification of what can go wrong; each edge (HTTP, Dapr, reconcile) maps it in one place.

/// What kind of thing went wrong. The message is for our logs; what a client reads is made at the edge.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The input breaks a rule; the sentences say which. Repeating it cannot help.
    #[error("rejected: {}", .0.join("; "))]
    Rejected(Vec<String>),
    /// The thing asked for does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// Somebody else changed it first, or it is another thing under the same key.
    #[error("conflict: {0}")]
    Conflict(String),
    /// A part we depend on does not answer now; a repeat may succeed.
    #[error("unavailable: {context}")]
    Unavailable {
        /// What was being done.
        context: String,
        /// Why it failed.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Ours to mend.
    #[error("bug: {context}")]
    Bug {
        /// What was being done.
        context: String,
        /// Why it failed.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

// === impl Fault ===

impl Fault {
    /// A part that does not answer now, with the error that says so.
    pub fn unavailable(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable {
            context: context.into(),
            source: Some(source.into()),
        }
    }

    /// A state that our own code should have made impossible.
    pub fn bug(context: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Bug {
            context: context.into(),
            source: Some(source.into()),
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::NotFound(_) => false,
            Self::Conflict(_) | Self::Unavailable { .. } | Self::Bug { .. } => true,
        }
    }

    /// The whole chain in one line, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and what caused it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_all_that_caused_it() {
        let lost = std::io::Error::other(Fault::unavailable("read", "the disk is gone"));
        let fault = Fault::bug("failed to look", lost);
        assert_eq!(
            fault.chain(),
            "bug: failed to look: unavailable: read: the disk is gone"
        );
        assert_eq!(Fault::NotFound("x".to_owned()).chain(), "not found: x");
    }
}
