-- Keys that programs show. Of a key itself only its digest is here.
CREATE TABLE api_key (
    tenant       TEXT NOT NULL,
    id           BLOB NOT NULL CHECK (length(id) = 16),
    name         TEXT NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    -- Whose it is; none: its own.
    owner        BLOB,
    -- JSON lists. No apps: all.
    apps         TEXT NOT NULL,
    groups       TEXT NOT NULL,
    roles        TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    used         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, owner) REFERENCES user (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX api_key_digest ON api_key (digest);
-- A name can be given again when its key was revoked.
CREATE UNIQUE INDEX api_key_name ON api_key (tenant, name) WHERE revoked_at IS NULL;

-- What was done to keys, by whatever process, for every process to hear of. Kept: it is little, and tells later
-- what happened.
CREATE TABLE api_key_change (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    key     BLOB NOT NULL,
    name    TEXT NOT NULL,
    what    TEXT NOT NULL CHECK (what IN ('created', 'renewed', 'revoked')),
    done_at INTEGER NOT NULL
) STRICT;
