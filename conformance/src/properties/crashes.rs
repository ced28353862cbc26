//! What is asked of a broker when something is killed.

use crate::failure::Result;
use crate::receiver::Kind;
use crate::rig::Rig;

const HELD: usize = 10;
const MESSAGES: usize = 60;

pub(super) async fn of_a_receiver(rig: &mut Rig) -> Result<String> {
    let ids = rig.hold(HELD, &[0]).await?;
    let [first, second] = &mut rig.replicas;
    first.app.kill();
    second.gate(true).await?;
    // The gate of a new process is open.
    first.app_up().await?;
    rig.all_recovered(&ids).await?;
    Ok(format!("{0} of {0} handled", ids.len()))
}

pub(super) async fn of_a_replica(rig: &mut Rig) -> Result<String> {
    let ids = rig.hold(HELD, &[0]).await?;
    let [first, second] = &mut rig.replicas;
    first.sidecar.process.kill();
    first.app.kill();
    second.gate(true).await?;
    first.up().await?;
    rig.all_recovered(&ids).await?;
    Ok(format!("{0} of {0} handled", ids.len()))
}

pub(super) async fn nobody_reads(rig: &mut Rig) -> Result<String> {
    stop_reading(rig).await;
    let ids = rig.sender.ids(Kind::Plain, MESSAGES);
    rig.sender.send_each(&ids).await?;
    rig.settle().await?;
    rig.all_recovered(&ids).await?;
    Ok(format!("{MESSAGES} of {MESSAGES} handled"))
}

/// What waits for a reader that comes back must not stand in the way of what comes after it.
pub(super) async fn readers_come_back(rig: &mut Rig) -> Result<String> {
    stop_reading(rig).await;
    let waiting = rig.sender.ids(Kind::Plain, 4 * MESSAGES);
    rig.sender.send_each(&waiting).await?;
    rig.settle().await?;
    let ids = rig.sender.ids(Kind::Plain, MESSAGES);
    rig.sender.send_each(&ids).await?;
    rig.all_recovered(&ids).await?;
    Ok(format!("{MESSAGES} of {MESSAGES} handled"))
}

pub(super) async fn of_the_broker(rig: &mut Rig) -> Result<String> {
    let ids = rig.sender.ids(Kind::Plain, 10 * MESSAGES);
    let repeated = rig.send_through_a_crash(&ids).await?;
    rig.all_recovered(&ids).await?;
    Ok(format!("{0} of {0} handled, {repeated} publishes repeated", ids.len()))
}

pub(super) async fn of_the_broker_while_nobody_reads(rig: &mut Rig) -> Result<String> {
    stop_reading(rig).await;
    let ids = rig.sender.ids(Kind::Plain, MESSAGES);
    rig.sender.send_each(&ids).await?;
    rig.broker.kill().await?;
    rig.settle().await?;
    rig.all_recovered(&ids).await?;
    Ok(format!("{MESSAGES} of {MESSAGES} handled"))
}

/// Ends both replicas as a deployment does that is scaled to none.
async fn stop_reading(rig: &mut Rig) {
    let [first, second] = &mut rig.replicas;
    tokio::join!(first.stop(), second.stop());
}
