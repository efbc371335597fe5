-- Times are microseconds since 1970-01-01 UTC. Handles are SHA-256 digests, ids 16 random bytes. A migration
-- that has been published is never edited: write the next one.

-- A person in one tenant, for ever.
CREATE TABLE user (
    tenant     TEXT NOT NULL,
    id         BLOB NOT NULL CHECK (length(id) = 16),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- How a provider knows a person. The keys are the preset's canonical ones; `issuer` and `subject` are what
-- the documents said, kept for operators.
CREATE TABLE identity (
    tenant      TEXT NOT NULL,
    issuer_key  TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    issuer      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    user        BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, issuer_key, subject_key),
    FOREIGN KEY (tenant, user) REFERENCES user (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_user ON identity (tenant, user);

CREATE TABLE session (
    id       BLOB PRIMARY KEY CHECK (length(id) = 16),
    tenant   TEXT NOT NULL,
    user     BLOB NOT NULL,
    handle   BLOB NOT NULL CHECK (length(handle) = 32),
    data     TEXT NOT NULL,
    -- Sealed, for `id_token_hint`.
    id_token BLOB,
    began_at INTEGER NOT NULL,
    used_at  INTEGER NOT NULL,
    idle     INTEGER NOT NULL,
    ends_at  INTEGER NOT NULL,
    -- Kept for a while after its end, so that a late save finds something that refuses it.
    ended_at INTEGER,
    FOREIGN KEY (tenant, user) REFERENCES user (tenant, id)
) STRICT;

CREATE UNIQUE INDEX session_handle ON session (tenant, handle);
CREATE INDEX session_user ON session (tenant, user, began_at);
CREATE INDEX session_over ON session (min(ends_at, used_at + idle));
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE app_session (
    handle   BLOB PRIMARY KEY CHECK (length(handle) = 32),
    tenant   TEXT NOT NULL,
    session  BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    app      TEXT NOT NULL,
    host     TEXT NOT NULL,
    began_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX app_session_session ON app_session (session);

-- The sequence that every process follows to forget what it remembers.
CREATE TABLE ended_session (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant   TEXT NOT NULL,
    session  BLOB NOT NULL,
    ended_at INTEGER NOT NULL
) STRICT;

CREATE INDEX ended_session_ended ON ended_session (ended_at);

CREATE TABLE login_attempt (
    state           BLOB PRIMARY KEY CHECK (length(state) = 32),
    cookie          BLOB NOT NULL CHECK (length(cookie) = 32),
    tenant          TEXT NOT NULL,
    provider        TEXT NOT NULL,
    issuer          TEXT,
    issuer_promised INTEGER NOT NULL,
    -- Sealed.
    nonce           BLOB NOT NULL,
    code_verifier   BLOB NOT NULL,
    -- The sign-in of an app host that it answers.
    sign_in         BLOB,
    network         TEXT NOT NULL,
    began_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX login_attempt_network ON login_attempt (network, began_at);
CREATE INDEX login_attempt_began ON login_attempt (began_at);

-- A sign-in that an app host asked for, and the ticket that answered it.
CREATE TABLE sign_in (
    id        BLOB PRIMARY KEY CHECK (length(id) = 32),
    tenant    TEXT NOT NULL,
    app       TEXT NOT NULL,
    host      TEXT NOT NULL,
    target    TEXT NOT NULL,
    binding   BLOB NOT NULL CHECK (length(binding) = 32),
    network   TEXT NOT NULL,
    began_at  INTEGER NOT NULL,
    ticket    BLOB UNIQUE CHECK (length(ticket) = 32),
    session   BLOB,
    issued_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_network ON sign_in (network, began_at);
CREATE INDEX sign_in_began ON sign_in (began_at);

CREATE TABLE sign_out (
    id       BLOB PRIMARY KEY CHECK (length(id) = 32),
    tenant   TEXT NOT NULL,
    onward   BLOB NOT NULL,
    began_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_out_began ON sign_out (began_at);

-- How many anonymous requests wait, in all (network '*') and by network. Kept by triggers, so that a flood is
-- counted without counting rows.
CREATE TABLE waiting (
    kind    TEXT NOT NULL,
    network TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (kind, network)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_number ON waiting (kind, number);

CREATE TRIGGER login_attempt_begun AFTER INSERT ON login_attempt BEGIN
    INSERT INTO waiting VALUES ('login_attempt', '*', 1), ('login_attempt', new.network, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER login_attempt_gone AFTER DELETE ON login_attempt BEGIN
    UPDATE waiting SET number = number - 1 WHERE kind = 'login_attempt' AND network IN ('*', old.network);
    DELETE FROM waiting WHERE kind = 'login_attempt' AND network = old.network AND number = 0;
END;

CREATE TRIGGER sign_in_begun AFTER INSERT ON sign_in BEGIN
    INSERT INTO waiting VALUES ('sign_in', '*', 1), ('sign_in', new.network, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER sign_in_gone AFTER DELETE ON sign_in BEGIN
    UPDATE waiting SET number = number - 1 WHERE kind = 'sign_in' AND network IN ('*', old.network);
    DELETE FROM waiting WHERE kind = 'sign_in' AND network = old.network AND number = 0;
END;

-- Written to find out whether writing works.
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL) STRICT;

INSERT INTO probe VALUES (1, 0);
