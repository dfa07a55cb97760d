// Package sqlite keeps a fleet in one SQLite 3 file ("Database File Format", "Write-Ahead Logging" of its documentation),
// through a driver in pure Go.
//
//	computers(id, name, key, doc)   rooms(name, doc)   jobs(id, number, doc)   tasks(id, job, computer, active, doc)   events(...)
//	records(kind, id, doc): sites, enrolment windows, schedules, saved filters, scripts
//	people(id, login, oidc, hash, invitation, doc)   logins(hash, person, doc)   api_tokens(id, hash, person, doc)   audit(...)
//	requests(number, computer, room, site, state, doc)   labels(computer, token)   sessions(id, number, doc)
//
// The newest 20,000 jobs are kept, and all that are not over or wiped something; and the newest million events. A page of
// these walks one index, the narrowest, from where the page before ended.
//
// What is looked up or must be unique is a column; the rest of a record is the JSON in doc, so that a new field needs no
// migration. user_version counts the migrations that have run; they are embedded, numbered files and run once, in one
// transaction each.
//
// The audit log is never shortened. Triggers refuse to change or remove its entries and to add any but the next one, whatever
// program asks; who may write the file can take them away, and is found by the chain of hashes (fleet/people).
//
// Guaranteed: a Commit that returned nil survives a power cut (write-ahead log, synchronous = FULL); one that did not
// return is there whole or not at all. One connection writes; readers never wait for it. Not guaranteed: that two
// daemons may share a file; the lock on the data folder keeps them apart.
package sqlite
