-- Sites, enrolment windows, schedules, saved filters and scripts: few, and read whole when the daemon starts.
CREATE TABLE records (
  kind TEXT NOT NULL,
  id   TEXT NOT NULL COLLATE NOCASE,
  doc  TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;

-- Where it was when it happened: who looks after one school sees what happened there.
ALTER TABLE events ADD COLUMN site TEXT NOT NULL DEFAULT '*' COLLATE NOCASE;
ALTER TABLE events ADD COLUMN room TEXT NOT NULL DEFAULT '' COLLATE NOCASE;
CREATE INDEX events_by_site ON events(site, number);
CREATE INDEX events_by_site_and_kind ON events(site, kind, number);
CREATE INDEX events_by_room ON events(room, number);
CREATE INDEX events_by_kind ON events(kind, number);
CREATE INDEX events_by_time ON events(time);
CREATE INDEX events_not_info ON events(severity, number) WHERE severity <> 'info';
