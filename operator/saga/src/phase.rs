//! Which phase may follow which. The rule that the resource's schema enforces is generated from this table.

use seedwork::Phase;

/// Every move from one phase to another that a single write can make. A test explores the engine and demands exactly
/// these.
pub const PHASE_MOVES: [(Phase, Phase); 7] = [
    (Phase::Running, Phase::Compensating),
    (Phase::Running, Phase::Completed),
    (Phase::Compensating, Phase::Compensated),
    (Phase::Compensating, Phase::Stalled),
    (Phase::Completed, Phase::Compensating),
    (Phase::Stalled, Phase::Compensating),
    (Phase::Stalled, Phase::Compensated),
];

/// Whether a write may show `to` where `from` was shown. Nothing shown yet, or [`Phase::Pending`], allows any: a
/// payment restored from the archive starts where it ended. Staying is always allowed.
pub fn allowed(from: Option<Phase>, to: Phase) -> bool {
    match from {
        None | Some(Phase::Pending) => true,
        Some(
            from @ (Phase::Running | Phase::Compensating | Phase::Completed | Phase::Compensated | Phase::Stalled),
        ) => from == to || PHASE_MOVES.contains(&(from, to)),
    }
}
