-- Keys that sign what we issue, by tenant. Who signs and who is shown follows from the times alone.
CREATE TABLE signing_key (
    tenant          TEXT NOT NULL,
    -- The thumbprint of the public half (RFC 7638).
    kid             TEXT NOT NULL,
    algorithm       TEXT NOT NULL,
    -- A JWK (RFC 7517): what is shown does not depend on what can be opened.
    public_key      TEXT NOT NULL,
    -- Sealed: PKCS#8 in base64.
    private_key     BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    signs_from      INTEGER NOT NULL,
    signs_until     INTEGER,
    published_until INTEGER,
    PRIMARY KEY (tenant, kid)
) STRICT, WITHOUT ROWID;

-- One number for all keys, so that every process can ask each second whether anything has changed.
CREATE TABLE signing_key_change (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO signing_key_change VALUES (1, 1);

CREATE TRIGGER signing_key_added AFTER INSERT ON signing_key BEGIN
    UPDATE signing_key_change SET number = number + 1;
END;
CREATE TRIGGER signing_key_changed AFTER UPDATE ON signing_key BEGIN
    UPDATE signing_key_change SET number = number + 1;
END;
CREATE TRIGGER signing_key_removed AFTER DELETE ON signing_key BEGIN
    UPDATE signing_key_change SET number = number + 1;
END;
