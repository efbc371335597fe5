//! A hand of its own in the broker's database: to count what is there, to hold its lock, to break it and to
//! mend it again.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::broker::Broker;

/// A connection that is not the broker's.
pub(crate) struct Database(SqliteConnection);

impl Database {
    /// To the database of `broker`.
    pub(crate) async fn of(broker: &Broker) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(broker.folder.path().join("doorward.db"))
            .busy_timeout(Duration::from_secs(5));
        Self(options.connect().await.expect("the database"))
    }

    /// The number of rows of a table.
    pub(crate) async fn rows(&mut self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// The one number that a question has for an answer.
    pub(crate) async fn number(&mut self, question: &str) -> i64 {
        let row = sqlx::query(AssertSqlSafe(question.to_owned()))
            .fetch_one(&mut self.0)
            .await
            .expect("a number");
        row.get(0)
    }

    /// Issuer key and subject key of everybody who has signed in.
    pub(crate) async fn people(&mut self) -> Vec<(String, String)> {
        let rows = sqlx::query("SELECT issuer_key, subject_key FROM identity ORDER BY subject_key")
            .fetch_all(&mut self.0)
            .await
            .expect("people");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Takes the right to write: nobody else can, until [`Database::unlock`].
    pub(crate) async fn lock(&mut self) {
        self.run("BEGIN IMMEDIATE").await;
    }

    /// Lets go of it.
    pub(crate) async fn unlock(&mut self) {
        self.run("ROLLBACK").await;
    }

    /// Every question to the store fails from now on.
    pub(crate) async fn break_it(&mut self) {
        for table in TABLES {
            self.run(&format!("ALTER TABLE {table} RENAME TO lost_{table}"))
                .await;
        }
    }

    /// Until here.
    pub(crate) async fn mend(&mut self) {
        for table in TABLES {
            self.run(&format!("ALTER TABLE lost_{table} RENAME TO {table}"))
                .await;
        }
    }

    pub(crate) async fn run(&mut self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut self.0)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        self.0.close().await.expect("closed");
    }
}

/// What every use-case needs one of. Triggers and references follow a renamed table.
const TABLES: [&str; 6] = [
    "session",
    "app_session",
    "ended_session",
    "sign_in",
    "sign_out",
    "probe",
];
