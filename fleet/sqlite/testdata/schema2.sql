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
CREATE TABLE sessions (
  id     TEXT PRIMARY KEY,
  number INTEGER NOT NULL,       -- of the job that it is named after
  doc    TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_number ON sessions(number);
INSERT INTO computers VALUES('c0000000001', 'S104-01', 'k1', '{"ID":"c0000000001","Name":"S104-01","State":"enrolled","Key":"k1","WeakKey":false,"KeyStored":true,"MACs":["52:54:00:00:00:01"],"Inventory":{"UUID":"4c4c4544-0042-4a10-8054-b7c04f5a0001","Serial":"SN-0001","BoardSerial":"","Manufacturer":"Acme","Model":"Desk 5","Firmware":"","UEFI":false,"SecureBoot":false,"TPM":"","CPU":"","Cores":0,"MemoryBytes":0,"Disks":[{"Path":"/dev/nvme0n1","Size":274877906944,"SectorSize":512,"Model":"Fast","Serial":"D-1","Bus":"nvme","Rotational":false,"Removable":false,"ReadOnly":false}],"NICs":null},"Created":"2026-11-20T14:02:00Z","ApprovedBy":"marie","LastSeen":"2026-11-20T14:02:00Z","Stage":"agent","Style":"G","Chainload":false,"BootLoop":false,"Runs":{"Master":"win11","Version":7,"Manifest":"aa07","At":"2026-11-20T14:02:00Z","Task":"1-1"},"Mark":null,"MarkOnDisk":false,"Claim":null,"Code":"","Address":""}');
INSERT INTO computers VALUES('c0000000002', 'S104-02', 'k2', '{"ID":"c0000000002","Name":"S104-02","State":"enrolled","Key":"k2","WeakKey":false,"KeyStored":false,"MACs":["52:54:00:00:00:02"],"Inventory":{"UUID":"4c4c4544-0042-4a10-8054-b7c04f5a0002","Serial":"","BoardSerial":"","Manufacturer":"","Model":"","Firmware":"","UEFI":false,"SecureBoot":false,"TPM":"","CPU":"","Cores":0,"MemoryBytes":0,"Disks":[{"Path":"/dev/nvme0n1","Size":274877906944,"SectorSize":512,"Model":"Fast","Serial":"D-1","Bus":"nvme","Rotational":false,"Removable":false,"ReadOnly":false}],"NICs":null},"Created":"2026-11-20T14:02:00Z","ApprovedBy":"marie","LastSeen":"2026-11-20T14:02:00Z","Stage":"","Style":"","Chainload":false,"BootLoop":false,"Runs":null,"Mark":null,"MarkOnDisk":false,"Claim":null,"Code":"","Address":""}');
INSERT INTO jobs VALUES('1', 1, '{"ID":"1","Kind":"deploy","OrderedBy":"marie","Created":"2026-11-20T14:02:00Z","Expires":"2026-11-27T14:02:00Z","Master":"win11","Version":7,"Manifest":"aa07","Note":"","AsIs":false,"Disk":{},"Countdown":10,"Ending":"disk"}');
INSERT INTO jobs VALUES('2', 2, '{"ID":"2","Kind":"capture","OrderedBy":"marie","Created":"2026-11-20T14:02:00Z","Expires":"2026-11-27T14:02:00Z","Master":"new","Version":0,"Manifest":"","Note":"","AsIs":false,"Disk":{},"Countdown":0,"Ending":"disk"}');
INSERT INTO tasks VALUES('1-1', '1', 'c0000000001', 0, '{"ID":"1-1","Job":"1","Computer":"c0000000001","State":"done","Created":"2026-11-20T14:02:00Z","Started":"2026-11-20T14:02:00Z","Ended":"2026-11-20T14:02:00Z","Nonce":"n1","Handouts":1,"CancelAsked":false,"Wrote":true,"Before":null,"Outcome":{"Code":"ok","Detail":"","ReadBytes":0,"WrittenBytes":0,"StoredBytes":0,"NewBytes":0,"Seconds":0,"ProvenAt":"2026-11-20T14:02:00Z"},"Publishing":null,"Published":null,"Progress":null,"ProgressAt":"0001-01-01T00:00:00Z"}');
INSERT INTO tasks VALUES('2-1', '2', 'c0000000002', 1, '{"ID":"2-1","Job":"2","Computer":"c0000000002","State":"waiting","Created":"2026-11-20T14:02:00Z","Started":"0001-01-01T00:00:00Z","Ended":"0001-01-01T00:00:00Z","Nonce":"","Handouts":0,"CancelAsked":false,"Wrote":false,"Before":null,"Outcome":null,"Publishing":null,"Published":null,"Progress":null,"ProgressAt":"0001-01-01T00:00:00Z"}');
INSERT INTO events VALUES(1, 1795183320000000000, 'done', 'info', 'c0000000001', '', '1', '1-1', 'deploy win11@7: ok');
INSERT INTO sessions VALUES('1', 1, '{"id":"1"}');
PRAGMA user_version = 2;
