-- What the provider calls a session and its person, as digests. Sessions begun before have neither: they end as
-- they would have.
ALTER TABLE session ADD COLUMN upstream_session BLOB CHECK (length(upstream_session) = 32);
ALTER TABLE session ADD COLUMN upstream_subject BLOB CHECK (length(upstream_subject) = 32);

CREATE INDEX session_upstream_session ON session (tenant, upstream_session)
    WHERE upstream_session IS NOT NULL AND ended_at IS NULL;
CREATE INDEX session_upstream_subject ON session (tenant, upstream_subject)
    WHERE upstream_subject IS NOT NULL AND ended_at IS NULL;

-- Logout tokens that were used, until they would be refused for their age.
CREATE TABLE logout_token (
    tenant      TEXT NOT NULL,
    token       BLOB NOT NULL CHECK (length(token) = 32),
    provider    TEXT NOT NULL,
    valid_until INTEGER NOT NULL,
    PRIMARY KEY (tenant, token)
) STRICT, WITHOUT ROWID;

CREATE INDEX logout_token_provider ON logout_token (tenant, provider, valid_until);
CREATE INDEX logout_token_valid ON logout_token (valid_until);

-- Sessions and persons that a provider said had ended: a login that was under way then begins no session.
CREATE TABLE upstream_logout (
    tenant   TEXT NOT NULL,
    name     BLOB NOT NULL CHECK (length(name) = 32),
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX upstream_logout_ended ON upstream_logout (ended_at);
