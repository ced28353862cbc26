//! How far this replica has brought the running payments, ahead of their records or not.
//!
//! A write to the API server is the dearest thing in a payment, so a success between two answers that must be written is acted
//! on at once, and written only if the payment has not ended soon after (ADR 6). Nothing that is held here is needed for
//! correctness: a replica that forgets asks the last recorded step again, its participant repeats its stored answer, and so on up
//! to the same point. Four rules make that true. The engine keeps them (`operator/saga/src/ahead.rs`); here is what each is good
//! for:
//!
//! 1. *Money is asked for by a recorded compare-and-swap, always.* [`saga::may_wait`] allows nothing past that step, and without
//!    its word [`Recorded::run_ahead`](crate::record::Recorded::run_ahead) gives nothing to publish with. So what a replica
//!    forgets is never that money was asked for.
//! 2. *What turns a payment round undoes every step that may have been issued, recorded or not.* So nobody has to know how far
//!    another replica went, nor what one that died had published.
//! 3. *A success of a step proves all earlier ones, on any replica.* So the answer to what was asked for here may come to a
//!    replica that never heard of it, and it goes on from there.
//! 4. *Policies and deadlines are in the resource from its creation.* So whoever takes over decides by the same ones.
//!
//! What is held saves a read at each answer, a write at each answer that may wait, and a message about each place that a payment
//! soon leaves. And it shows how long answers take now, which is what keeps an overload from feeding itself.
//!
//! ```text
//! held      where each payment stands, and on which record
//! catch_up  what went ahead of its record is written soon after
//! news      where a payment stays is told
//! load      how long answers take now: when to ask again, and how many payments to begin
//! ```

mod catch_up;
#[cfg(test)]
mod fixture;
mod held;
mod load;
mod news;

pub(crate) use self::catch_up::BEHIND;
pub use self::catch_up::catch_up;
pub use self::held::Held;
