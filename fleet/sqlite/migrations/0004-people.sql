CREATE TABLE people (
  id         TEXT PRIMARY KEY,
  login      TEXT NOT NULL UNIQUE COLLATE NOCASE,
  oidc       TEXT UNIQUE,        -- NULL while no provider's account is theirs
  hash       TEXT NOT NULL,      -- argon2id; '' without a password
  invitation TEXT UNIQUE,        -- SHA-256 of the link's secret; NULL without one
  doc        TEXT NOT NULL
) STRICT;

CREATE TABLE logins (            -- sessions of people; those of multicast have the table sessions
  hash   TEXT PRIMARY KEY,       -- SHA-256 of the cookie
  person TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,
  doc    TEXT NOT NULL
) STRICT;
CREATE INDEX logins_by_person ON logins(person);

CREATE TABLE api_tokens (
  id     TEXT PRIMARY KEY,
  hash   TEXT NOT NULL UNIQUE,   -- SHA-256
  person TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,
  doc    TEXT NOT NULL
) STRICT;
CREATE INDEX api_tokens_by_person ON api_tokens(person);

CREATE TABLE audit (
  number  INTEGER PRIMARY KEY,
  time    INTEGER NOT NULL,      -- nanoseconds since 1970, UTC
  who     TEXT NOT NULL,
  via     TEXT NOT NULL,
  address TEXT NOT NULL,
  action  TEXT NOT NULL,
  what    TEXT NOT NULL,
  site    TEXT NOT NULL COLLATE NOCASE, -- '*': the house as a whole
  room    TEXT NOT NULL,
  result  TEXT NOT NULL,
  detail  TEXT NOT NULL,
  hash    TEXT NOT NULL          -- SHA-256 of the hash of the entry before and of what stands here
) STRICT;
CREATE INDEX audit_by_who ON audit(who);
CREATE INDEX audit_by_who_action ON audit(who, action);
CREATE INDEX audit_by_action ON audit(action);
CREATE INDEX audit_by_what ON audit(what);
CREATE INDEX audit_by_site ON audit(site);
CREATE INDEX audit_by_site_who ON audit(site, who);
CREATE INDEX audit_by_site_action ON audit(site, action);

-- INSERT OR REPLACE removes the old row without asking the trigger of DELETE: the number has to be the next.
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
WHEN NEW.number IS NOT (SELECT COALESCE(MAX(number), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows, by the next number'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is not rewritten'); END;

CREATE TABLE requests (
  number   INTEGER PRIMARY KEY,
  computer TEXT NOT NULL,        -- its record may be forgotten before the request is
  room     TEXT NOT NULL COLLATE NOCASE,
  site     TEXT NOT NULL COLLATE NOCASE,
  state    TEXT NOT NULL,
  doc      TEXT NOT NULL
) STRICT;
CREATE INDEX requests_by_state ON requests(state);
CREATE INDEX requests_by_room ON requests(room, state);
CREATE INDEX requests_by_computer ON requests(computer, state);

CREATE TABLE labels (
  computer TEXT PRIMARY KEY REFERENCES computers(id) ON DELETE CASCADE,
  token    TEXT NOT NULL UNIQUE  -- as it is printed: a sheet that is printed again shows the same
) STRICT;
