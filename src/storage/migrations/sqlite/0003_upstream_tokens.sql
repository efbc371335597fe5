-- What a provider gave for a session beside its word: as long as the session, at the longest.
CREATE TABLE upstream_tokens (
    session       BLOB PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    tenant        TEXT NOT NULL,
    provider      TEXT NOT NULL,
    -- Sealed.
    access_token  BLOB NOT NULL,
    refresh_token BLOB,
    -- Of a refresh; the sign-in's own stands in its session.
    id_token      BLOB,
    expires_at    INTEGER,
    granted_at    INTEGER NOT NULL,
    -- When the person is to be looked at again.
    due_at        INTEGER,
    failures      INTEGER NOT NULL DEFAULT 0,
    -- One more with each process that takes a refresh on, and with each sign-in: who writes must have the newest.
    generation    INTEGER NOT NULL DEFAULT 0,
    leased_until  INTEGER,
    -- Waits to be taken out and revoked.
    ended_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX upstream_tokens_ended ON upstream_tokens (ended_at) WHERE ended_at IS NOT NULL;
