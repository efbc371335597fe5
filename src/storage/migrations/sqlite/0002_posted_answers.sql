-- The answer of a provider that posts it, kept until the browser brings its cookie along: beside the attempt
-- that it answers, and gone with it.
ALTER TABLE login_attempt ADD COLUMN answer_handle BLOB CHECK (length(answer_handle) = 32);
-- Sealed.
ALTER TABLE login_attempt ADD COLUMN answer BLOB;
ALTER TABLE login_attempt ADD COLUMN answered_at INTEGER;

CREATE UNIQUE INDEX login_attempt_answer ON login_attempt (answer_handle) WHERE answer_handle IS NOT NULL;
