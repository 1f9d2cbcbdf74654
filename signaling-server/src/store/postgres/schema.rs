//! The tables.

use tokio_postgres::Client;

use super::answer::{Failure, PATIENCE, count};

/// The version of the tables. A program refuses tables that a later one has changed.
const VERSION: i32 = 1;

/// The key of the lock under which one process makes the tables while others wait: `signalin` in ASCII.
const MAKING: i64 = i64::from_be_bytes(*b"signalin");

/// Payloads are mostly encrypted, so nothing is gained by compressing them.
const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS signaling_store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    salt bytea NOT NULL,
    bytes bigint NOT NULL DEFAULT 0,
    logs bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS signaling_logs (
    name text COLLATE "C" PRIMARY KEY,
    base bigint NOT NULL,
    last bigint NOT NULL,
    bytes bigint NOT NULL,
    owner bytea NOT NULL,
    used bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS signaling_entries (
    log text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (log, seq)
);
CREATE TABLE IF NOT EXISTS signaling_owners (
    owner bytea PRIMARY KEY,
    bytes bigint NOT NULL
);
ALTER TABLE signaling_entries ALTER COLUMN payload SET STORAGE EXTERNAL;
"#;

/// Has the session keep what is acknowledged, and makes the tables where there are none. The salt of
/// the store.
pub(super) async fn prepare(client: &mut Client) -> Result<u128, Failure> {
    let patience = PATIENCE.as_millis();
    client
        .batch_execute(&format!(
            "SET client_min_messages = warning; \
             SET statement_timeout = {patience}; \
             SET idle_in_transaction_session_timeout = {patience}; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'"
        ))
        .await?;
    let transaction = client.transaction().await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING])
        .await?;
    let there = transaction
        .query_one("SELECT to_regclass('signaling_store') IS NOT NULL", &[])
        .await?;
    if !there.try_get::<_, bool>(0)? {
        transaction.batch_execute(TABLES).await?;
        let salt = fastrand::u128(..).to_be_bytes();
        transaction
            .execute(
                "INSERT INTO signaling_store (version, salt) VALUES ($1, $2)",
                &[&VERSION, &&salt[..]],
            )
            .await?;
    }
    let store = transaction
        .query_one("SELECT version, salt FROM signaling_store", &[])
        .await?;
    let found: i32 = store.try_get(0)?;
    if found != VERSION {
        let known = VERSION;
        return Err(Failure::Version { found, known });
    }
    let salt = id(store.try_get(1)?)?;
    transaction.commit().await?;
    Ok(salt)
}

/// The size of all logs in bytes, and their number.
pub(super) async fn size(client: &Client) -> Result<(u64, u64), Failure> {
    let size = "SELECT bytes, logs FROM signaling_store";
    let row = client.query_one(size, &[]).await?;
    Ok((count(&row, 0)?, count(&row, 1)?))
}

/// The space that the entries take on the server's disk, in bytes.
pub(super) async fn disk_space(client: &Client) -> Result<u64, Failure> {
    let space = "SELECT pg_total_relation_size('signaling_entries')";
    count(&client.query_one(space, &[]).await?, 0)
}

/// Gives space that is not used to whoever writes next, and to the disk where it can be.
pub(super) async fn compact(client: &Client) -> Result<(), Failure> {
    client.batch_execute("SET statement_timeout = 0").await?;
    for table in ["signaling_entries", "signaling_logs", "signaling_owners"] {
        client.batch_execute(&format!("VACUUM {table}")).await?;
    }
    let patience = PATIENCE.as_millis();
    client
        .batch_execute(&format!("SET statement_timeout = {patience}"))
        .await?;
    Ok(())
}

/// A salt or an owner, as it stands in a table.
pub(super) fn id(bytes: &[u8]) -> Result<u128, Failure> {
    let bytes = bytes.try_into().map_err(|_| Failure::Number)?;
    Ok(u128::from_be_bytes(bytes))
}
