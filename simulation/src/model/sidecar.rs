//! The sidecar of one process: state, publish, invoke. It dies with its process.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::App;
use seedwork_runtime::sidecar::{Event, Invoked, SidecarError, Stored};
use seedwork_runtime::{Expect, Sidecar};

use crate::life::Life;
use crate::model::broker;
use crate::world::Part;

/// The sidecar of a process.
pub struct SimulatedSidecar(pub Arc<Life>);

fn unavailable(doing: &str, why: String) -> SidecarError {
    SidecarError::Unavailable {
        doing: doing.to_owned(),
        source: why.into(),
    }
}

/// Dapr joins its own prefix to a key with `||` and refuses a key that holds it.
fn not_reserved(key: &str) -> Result<(), SidecarError> {
    if key.contains("||") {
        return Err(unavailable(&format!("use the key {key}"), "it holds ||".to_owned()));
    }
    Ok(())
}

#[async_trait]
impl Sidecar for SimulatedSidecar {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        let Self(life) = self;
        not_reserved(key)?;
        let before = life.before(Part::Store).await;
        before.map_err(|why| unavailable(&format!("read {key}"), why))?;
        Ok(life.world().stores.get(life.proc().app(), key))
    }

    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        let Self(life) = self;
        not_reserved(key)?;
        let doing = || format!("write {key}");
        let before = life.before(Part::Store).await;
        before.map_err(|why| unavailable(&doing(), why))?;
        let (world, app) = (life.world(), life.proc().app());
        let put = world.stores.put(app, key, value.clone(), &expect);
        if put.is_ok() {
            world.effects.written(app, key, &value);
            world.note(|| format!("{} writes {key}", life.proc()));
            let answered = life.answered(Part::Store).await;
            answered.map_err(|why| unavailable(&doing(), why))?;
        }
        put
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
        let Self(life) = self;
        let doing = "publish";
        let before = life.before(Part::Broker).await;
        before.map_err(|why| unavailable(doing, why))?;
        life.world().note(|| {
            let Event {
                event_type, subject, ..
            } = &event;
            format!("{} publishes {event_type} of {subject}", life.proc())
        });
        crate::laws::published(life.world(), life.proc(), &event);
        broker::publish(life.world(), topic, event);
        let answered = life.answered(Part::Broker).await;
        answered.map_err(|why| unavailable(doing, why))
    }

    async fn invoke_get(&self, app: App, path: &str) -> Result<Invoked, SidecarError> {
        let Self(life) = self;
        let doing = || format!("ask {app} for {path}");
        let before = life.before(Part::Neighbour).await;
        before.map_err(|why| unavailable(&doing(), why))?;
        let world = life.world();
        if world.any_running(app).is_none() {
            return Err(unavailable(&doing(), format!("{app} is down")));
        }
        Ok(world.post.page(app, path))
    }

    async fn invoke_get_as(&self, app: App, path: &str, _: Option<&str>) -> Result<Invoked, SidecarError> {
        // The pages of this world ask nobody who they are.
        self.invoke_get(app, path).await
    }

    async fn invoke_post_as(
        &self,
        app: App,
        path: &str,
        _authorization: Option<&str>,
        _key: &str,
        _body: &serde_json::Value,
    ) -> Result<Invoked, SidecarError> {
        // No page of this world takes a POST.
        let Invoked { status, .. } = self.invoke_get(app, path).await?;
        let status = if status == 200 { 405 } else { 404 };
        Ok(Invoked {
            status,
            body: Vec::new(),
        })
    }

    async fn ready(&self) -> Result<(), SidecarError> {
        Ok(())
    }
}
