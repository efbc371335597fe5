-- Assertions that machines have authenticated with, until they would be refused for their age.
CREATE TABLE client_assertion (
    tenant      TEXT NOT NULL,
    assertion   BLOB NOT NULL CHECK (length(assertion) = 32),
    valid_until INTEGER NOT NULL,
    PRIMARY KEY (tenant, assertion)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_assertion_valid ON client_assertion (valid_until);

-- Tokens of ours that are not to be taken any more, until they end by themselves. Processes follow the sequence.
CREATE TABLE revoked_token (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      TEXT NOT NULL,
    -- `iss` and `jti`.
    issuer      TEXT NOT NULL,
    token       TEXT NOT NULL,
    valid_until INTEGER NOT NULL,
    UNIQUE (tenant, issuer, token)
) STRICT;

CREATE INDEX revoked_token_valid ON revoked_token (valid_until);
