CREATE TABLE sessions (
  id     TEXT PRIMARY KEY,
  number INTEGER NOT NULL,       -- of the job that it is named after
  doc    TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_number ON sessions(number);
