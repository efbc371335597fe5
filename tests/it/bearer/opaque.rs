//! Tokens that their issuer is asked about.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use http::StatusCode;
use rstest::rstest;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::*;

/// An issuer that answers questions as it is told, and writes them down.
struct Asked {
    base: String,
    state: Arc<Answers>,
}

struct Answers {
    answer: Mutex<(u16, String)>,
    questions: Mutex<Vec<String>>,
    /// How many answers may go out.
    places: Semaphore,
    waiting: AtomicUsize,
}

const FREE: usize = 10_000;

async fn answer(State(state): State<Arc<Answers>>, request: Request) -> (StatusCode, String) {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 65_536).await.expect("a body");
    let authorization = parts.headers.get("authorization");
    let authorization = authorization.map_or("", |it| it.to_str().expect("text"));
    let question = format!(
        "{} {} {authorization} {}",
        parts.method,
        parts.uri,
        String::from_utf8_lossy(&body)
    );
    state.questions.lock().expect("whole").push(question);
    state.waiting.fetch_add(1, Ordering::SeqCst);
    let place = state.places.acquire().await.expect("open");
    place.forget();
    let (status, text) = state.answer.lock().expect("whole").clone();
    (StatusCode::from_u16(status).expect("a status"), text)
}

impl Asked {
    async fn start() -> Self {
        let state = Arc::new(Answers {
            answer: Mutex::new((200, String::new())),
            questions: Mutex::default(),
            places: Semaphore::new(FREE),
            waiting: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, state }
    }

    fn says(&self, status: u16, answer: &Value) {
        *self.state.answer.lock().expect("whole") = (status, answer.to_string());
    }

    fn questions(&self) -> Vec<String> {
        self.state.questions.lock().expect("whole").clone()
    }

    async fn broker(&self, profile: &str, more: &str) -> Broker {
        let base = &self.base;
        let place = match profile {
            "introspection" => format!(
                "issuer = \"https://issuer.example\"\nintrospection_endpoint = \"{base}/introspect\"\naudiences = [\"orders\"]"
            ),
            "github" => format!("api = \"{base}\""),
            _ => format!("endpoint = \"{base}/tokeninfo\"\naudiences = [\"our-client\"]"),
        };
        let client = match profile {
            "google_access_token" => "",
            _ => "client_id = \"our-client\"\nclient_secret = { env = \"CLIENT_SECRET\" }",
        };
        trusting(&format!(
            "profile = \"{profile}\"\n{place}\n{client}\n{more}"
        ))
        .await
    }
}

fn active() -> Value {
    json!({
        "active": true, "iss": "https://issuer.example", "aud": "orders", "sub": "ana", "client_id": "shop",
        "scope": "read write", "exp": NOW + 3_600, "username": "ana", "groups": ["staff"],
    })
}

#[tokio::test]
async fn an_issuer_is_asked_once_and_again_when_its_word_is_old() {
    let asked = Asked::start().await;
    let broker = asked.broker("introspection", "").await;
    asked.says(200, &active());
    let authorization = [("authorization", "Bearer opaque-1")];
    for _ in 0..3 {
        let (status, headers) = ask(&broker, &authorization).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(header(&headers, "x-groups"), "staff");
    }
    let questions = asked.questions();
    assert_eq!(questions.len(), 1, "{questions:?}");
    // RFC 7662 §2.1, with Basic as RFC 6749 §2.3.1 has it.
    let question = &questions[0];
    assert!(
        question.starts_with("POST /introspect Basic "),
        "{question}"
    );
    assert!(
        question.ends_with(" token=opaque-1&token_type_hint=access_token"),
        "{question}"
    );
    broker.advance(Duration::from_secs(29)).await;
    assert_eq!(shown(&broker, "opaque-1").await, StatusCode::ACCEPTED);
    assert_eq!(asked.questions().len(), 1);
    asked.says(200, &json!({"active": false}));
    broker.advance(Duration::from_secs(2)).await;
    assert_eq!(shown(&broker, "opaque-1").await, StatusCode::UNAUTHORIZED);
    assert_eq!(asked.questions().len(), 2);
    // A "no" counts for ten seconds.
    asked.says(200, &active());
    assert_eq!(shown(&broker, "opaque-1").await, StatusCode::UNAUTHORIZED);
    broker.advance(Duration::from_secs(11)).await;
    assert_eq!(shown(&broker, "opaque-1").await, StatusCode::ACCEPTED);
}

#[rstest]
#[case::good(200, active(), StatusCode::ACCEPTED)]
#[case::without_issuer_and_end(200, with(&active(), json!({"iss": null, "exp": null})), StatusCode::ACCEPTED)]
#[case::inactive(200, json!({"active": false}), StatusCode::UNAUTHORIZED)]
#[case::active_as_text(200, with(&active(), json!({"active": "true"})), StatusCode::UNAUTHORIZED)]
#[case::active_as_number(200, with(&active(), json!({"active": 1})), StatusCode::UNAUTHORIZED)]
#[case::no_word(200, with(&active(), json!({"active": null})), StatusCode::UNAUTHORIZED)]
#[case::another_issuer(200, with(&active(), json!({"iss": "https://other.example"})), StatusCode::UNAUTHORIZED)]
#[case::another_audience(200, with(&active(), json!({"aud": "invoices"})), StatusCode::UNAUTHORIZED)]
#[case::no_audience(200, with(&active(), json!({"aud": null})), StatusCode::UNAUTHORIZED)]
#[case::over(200, with(&active(), json!({"exp": NOW - 61})), StatusCode::UNAUTHORIZED)]
#[case::bound_to_a_key(200, with(&active(), json!({"cnf": {"jkt": "x"}})), StatusCode::UNAUTHORIZED)]
#[case::nobody(200, with(&active(), json!({"sub": null})), StatusCode::UNAUTHORIZED)]
#[case::we_are_not_known(401, json!({"error": "invalid_client"}), StatusCode::SERVICE_UNAVAILABLE)]
#[case::broken(500, json!({}), StatusCode::SERVICE_UNAVAILABLE)]
#[case::a_list(200, json!([true]), StatusCode::SERVICE_UNAVAILABLE)]
#[tokio::test]
async fn an_answer_is_believed_as_far_as_it_goes(
    #[case] status: u16,
    #[case] answer: Value,
    #[case] expected: StatusCode,
) {
    let asked = Asked::start().await;
    let broker = asked.broker("introspection", "").await;
    asked.says(status, &answer);
    assert_eq!(shown(&broker, "opaque-1").await, expected);
    // Trouble is asked about again at once; a refusal is not.
    asked.says(200, &active());
    let again = shown(&broker, "opaque-1").await;
    assert_eq!(
        again == StatusCode::ACCEPTED,
        expected != StatusCode::UNAUTHORIZED || status != 200
    );
}

#[tokio::test]
async fn nobody_is_asked_about_what_can_be_read() {
    let asked = Asked::start().await;
    let broker = asked.broker("introspection", "").await;
    asked.says(200, &active());
    let token = signed(&with(&active(), json!({"iss": "https://issuer.example"})));
    for token in [&*token, "a.b.c", "a.b.c.d.e"] {
        assert_eq!(shown(&broker, token).await, StatusCode::UNAUTHORIZED);
    }
    assert!(asked.questions().is_empty());
    let broker = asked.broker("introspection", "also_signed = \"yes\"").await;
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    assert_eq!(asked.questions().len(), 1);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_asks() {
    let asked = Asked::start().await;
    let broker = asked.broker("introspection", "").await;
    asked.says(200, &active());
    asked.state.places.forget_permits(FREE);
    let all = async {
        let each = (0..20).map(|_| shown(&broker, "opaque-1"));
        futures(each).await
    };
    let release = async {
        while asked.state.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        asked.state.places.add_permits(FREE);
    };
    let (statuses, ()) = tokio::join!(all, release);
    assert!(
        statuses.iter().all(|it| *it == StatusCode::ACCEPTED),
        "{statuses:?}"
    );
    assert_eq!(asked.questions().len(), 1);
}

/// They do not wait for the same trouble one behind the other; who comes later asks again.
#[tokio::test]
async fn many_who_ask_at_once_share_the_trouble() {
    let asked = Asked::start().await;
    let broker = asked.broker("introspection", "").await;
    asked.says(500, &json!({}));
    asked.state.places.forget_permits(FREE);
    let all = async {
        let each = (0..20).map(|_| shown(&broker, "opaque-1"));
        futures(each).await
    };
    let release = async {
        while asked.state.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        asked.state.places.add_permits(FREE);
    };
    let (statuses, ()) = tokio::join!(all, release);
    let expected = [StatusCode::SERVICE_UNAVAILABLE; 20];
    assert_eq!(statuses, expected);
    // One that came when all before it were answered would ask for itself; none of these did more than that.
    let questions = asked.questions().len();
    assert!(questions < 20, "{questions} questions");
    asked.says(200, &active());
    assert_eq!(shown(&broker, "opaque-1").await, StatusCode::ACCEPTED);
    assert_eq!(asked.questions().len(), questions + 1);
}

/// All of them at once.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|context| {
        let mut done = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => done = false,
                }
            }
        }
        if done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    let results = waiting.into_iter().filter_map(|(_, result)| result);
    results.collect()
}

fn github() -> Value {
    json!({
        "id": 1, "token": null, "scopes": ["repo", "user"], "app": {"client_id": "our-client", "name": "Doorward"},
        "user": {"login": "ada", "id": 4711, "name": "Ada"},
    })
}

#[rstest]
#[case::ours(200, github(), StatusCode::ACCEPTED)]
#[case::another_apps(200, with(&github(), json!({"app": {"client_id": "other"}})), StatusCode::UNAUTHORIZED)]
#[case::no_app(200, with(&github(), json!({"app": null})), StatusCode::UNAUTHORIZED)]
#[case::nobody(200, with(&github(), json!({"user": null})), StatusCode::UNAUTHORIZED)]
#[case::not_found(404, json!({"message": "Not Found"}), StatusCode::UNAUTHORIZED)]
#[case::too_often(429, json!({}), StatusCode::SERVICE_UNAVAILABLE)]
#[tokio::test]
async fn github_says_whether_a_token_is_our_apps(
    #[case] status: u16,
    #[case] answer: Value,
    #[case] expected: StatusCode,
) {
    let asked = Asked::start().await;
    let broker = asked.broker("github", "").await;
    asked.says(status, &answer);
    let (found, headers) = ask(&broker, &[("authorization", "Bearer gho_16C7e42F292c69")]).await;
    assert_eq!(found, expected);
    let questions = asked.questions();
    let question = &questions[0];
    assert!(
        question.starts_with("POST /applications/our-client/token Basic "),
        "{question}"
    );
    assert!(
        question.ends_with("{\"access_token\":\"gho_16C7e42F292c69\"}"),
        "{question}"
    );
    if expected == StatusCode::ACCEPTED {
        assert_eq!(header(&headers, "x-name"), "Ada");
    }
}

fn tokeninfo() -> Value {
    json!({
        "aud": "our-client", "azp": "our-client", "sub": "110", "scope": "openid email", "exp": (NOW + 600).to_string(),
        "expires_in": "600", "email": "ada@gmail.com", "email_verified": "true", "access_type": "online",
    })
}

#[rstest]
#[case::ours(200, tokeninfo(), StatusCode::ACCEPTED)]
#[case::another_apps(200, with(&tokeninfo(), json!({"aud": "other"})), StatusCode::UNAUTHORIZED)]
#[case::over(200, with(&tokeninfo(), json!({"exp": (NOW - 61).to_string()})), StatusCode::UNAUTHORIZED)]
#[case::invalid(400, json!({"error": "invalid_token"}), StatusCode::UNAUTHORIZED)]
#[tokio::test]
async fn google_says_for_whom_an_access_token_is(
    #[case] status: u16,
    #[case] answer: Value,
    #[case] expected: StatusCode,
) {
    let asked = Asked::start().await;
    let broker = asked.broker("google_access_token", "").await;
    asked.says(status, &answer);
    let (found, headers) = ask(&broker, &[("authorization", "Bearer ya29.a0AfB")]).await;
    assert_eq!(found, expected);
    assert_eq!(
        asked.questions(),
        ["GET /tokeninfo?access_token=ya29.a0AfB  "]
    );
    if expected == StatusCode::ACCEPTED {
        assert_eq!(header(&headers, "x-email"), "ada@gmail.com");
    }
}
