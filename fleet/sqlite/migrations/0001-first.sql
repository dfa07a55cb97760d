CREATE TABLE computers (
  id   TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  key  TEXT UNIQUE,              -- NULL while it has none
  doc  TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
  id     TEXT PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  doc    TEXT NOT NULL
) STRICT;

CREATE TABLE tasks (
  id       TEXT PRIMARY KEY,
  job      TEXT NOT NULL REFERENCES jobs(id),
  computer TEXT NOT NULL,        -- its record may be forgotten before the task is
  active   INTEGER NOT NULL,
  doc      TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_by_job ON tasks(job);
CREATE INDEX tasks_active ON tasks(active) WHERE active = 1;

CREATE TABLE events (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  time     INTEGER NOT NULL,     -- nanoseconds since 1970, UTC
  kind     TEXT NOT NULL,
  severity TEXT NOT NULL,
  computer TEXT NOT NULL,
  mac      TEXT NOT NULL,
  job      TEXT NOT NULL,
  task     TEXT NOT NULL,
  detail   TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_computer ON events(computer, number);
CREATE INDEX events_by_job ON events(job, number);
