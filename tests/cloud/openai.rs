//! OpenAI and its copies.

use crate::fake::{Behaviour, Fake};

#[tokio::test]
async fn the_fake_takes_only_its_key() {
    let fake = Fake::start();
    let answer = reqwest::get(fake.url("/openai/v1/models")).await.unwrap();
    assert_eq!(answer.status(), 401);
    fake.set("/openai", Behaviour::Status { status: 429, retry_after: Some(7) });
    let answer = reqwest::get(fake.url("/openai/v1/models")).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
}
