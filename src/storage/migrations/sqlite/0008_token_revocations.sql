-- Tokens of trusted issuers that are no longer taken. Every process reads what was added after the last sequence
-- that it knows.
CREATE TABLE token_revocation (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant       TEXT NOT NULL,
    -- What is named: one token by `jti`, a subject, or the issuer alone.
    kind         TEXT NOT NULL CHECK (kind IN ('token', 'subject', 'issuer')),
    issuer       TEXT NOT NULL,
    name         TEXT NOT NULL,
    -- For subjects and issuers: tokens that were issued by then.
    issued_until INTEGER,
    -- From then on nothing that is meant can be good.
    needed_until INTEGER NOT NULL
) STRICT;
CREATE INDEX token_revocation_over ON token_revocation (needed_until);
