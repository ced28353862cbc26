//! With `AUTH=jwt` a client has what is its own, and nothing of anybody else.

mod cast;
mod rows;
mod streams;

use reqwest::Method;
use serde_json::Value;

use self::cast::Cast;
use self::rows::{Kind, ROWS, Row};
use crate::system::{Outcome, System, ensure, text};
use crate::traces::up_again;
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![check!(
        "with AUTH=jwt a client has what is its own and nothing of another's, on every route, field and stream",
        judged
    )]
}

async fn judged(system: &mut System) -> Outcome {
    up_again(system, &["--auth", "jwt"]).await?;
    let outcome = all(system).await;
    // The checks to come ask without a token.
    up_again(system, &[]).await?;
    outcome
}

async fn all(system: &System) -> Outcome {
    let cast = Cast::gather(system).await?;
    let ended = cast.ends_in(&cast.ana.id, 0)?;
    let forged = cast.forged()?;
    let mut broken = Vec::new();
    let mut tries = 0;
    for row in ROWS {
        for (who, token, expected) in [
            ("nobody", None, Expected::Unknown),
            ("an ended token", Some(&ended), Expected::Unknown),
            ("a forged token", Some(&forged), Expected::Unknown),
            ("another client", Some(&cast.beto.token), Expected::Refused),
            ("the owner", Some(&cast.ana.token), Expected::for_owner(row)),
            ("an operator", Some(&cast.operador), Expected::Allowed),
        ] {
            if row.kind == Kind::Reversal && expected == Expected::Allowed {
                continue;
            }
            tries += 1;
            let answer = ask(&cast, row, token).await?;
            if let Err(why) = expected.is(row, &cast, &answer) {
                let (status, body) = answer;
                let body: String = body.chars().take(200).collect();
                broken.push(format!("{} {} by {who}: {why}; {status} {body}", row.method, row.path));
            }
        }
    }
    for outcome in [
        streams::told_apart(&cast).await,
        streams::end_with_their_token(&cast).await,
    ] {
        broken.extend(outcome.err());
    }
    println!(
        "          {tries} tries on {} routes and fields, {} wrong",
        ROWS.len(),
        broken.len()
    );
    ensure(broken.is_empty(), || broken.join("\n        "))
}

/// Asks what a row asks, about Ana and her payment.
async fn ask(cast: &Cast, row: &Row, token: Option<&String>) -> Outcome<(u16, String)> {
    let method: Method = row.method.parse().map_err(text)?;
    let client = cast.ports.http();
    let mut request = client.request(method, cast.url(row.app, &cast.fill(row.path)));
    if !row.body.is_empty() {
        request = request
            .header("content-type", "application/json")
            .body(cast.fill(row.body));
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.map_err(text)?;
    let status = response.status().as_u16();
    Ok((status, response.text().await.map_err(text)?))
}

/// What is to come of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It is done, or shown.
    Allowed,
    /// It is not, and nothing is told.
    Refused,
    /// Not even looked at.
    Unknown,
}

// === impl Expected ===

impl Expected {
    fn for_owner(row: &Row) -> Self {
        match row.kind {
            Kind::Registration | Kind::Operators | Kind::Reversal => Self::Refused,
            Kind::Thing | Kind::Part | Kind::Change | Kind::Mutation => Self::Allowed,
        }
    }

    fn is(self, row: &Row, cast: &Cast, (status, body): &(u16, String)) -> Outcome {
        let status = *status;
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let shown = cast.fill(row.shows);
        let told = cast.ana.told_in(body);
        match self {
            Self::Allowed => {
                ensure((200..300).contains(&status), || "it is refused".to_owned())?;
                ensure(answer["errors"].is_null(), || "it has errors".to_owned())?;
                ensure(body.contains(&shown), || format!("it does not show {shown}"))
            }
            Self::Unknown => {
                ensure(status == 401, || "it is not 401".to_owned())?;
                ensure(told.is_none(), || format!("it tells {told:?}"))
            }
            Self::Refused => {
                let as_it_should = match row.kind {
                    Kind::Thing => status == 404,
                    Kind::Part => status == 200,
                    Kind::Change => matches!(status, 403 | 404),
                    Kind::Mutation => status == 200 && answer["errors"][0]["extensions"]["code"] == "FORBIDDEN",
                    Kind::Registration => status == 409,
                    Kind::Operators | Kind::Reversal => status == 403,
                };
                ensure(as_it_should, || format!("a {:?} is not refused like that", row.kind))?;
                // An operator's page may tell of anybody; to a client it is closed.
                ensure(told.is_none(), || format!("it tells {told:?}"))
            }
        }
    }
}
