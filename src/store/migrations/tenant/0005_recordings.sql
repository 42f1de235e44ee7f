-- What is known of an object besides its name, as JSON: how long a recording is, what nobody heard of it,
-- whether it is where it belongs yet.
ALTER TABLE media ADD COLUMN facts TEXT NOT NULL DEFAULT '{}';
