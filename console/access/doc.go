// Package access says what one person may see and do in the house: what the HTTP API and the pages of the console have in
// common. Neither asks the fleet, the masters or the store themselves.
//
//	socket (SO_PEERCRED) --\
//	API token -------------- people.Caller --> House.For --> Desk --> fleet, masters, people, requests
//	session cookie --------/                                  |
//	                                                          +--> audit log: who, from where, what, how it ended
//
// A Desk is made for one caller and one request. It hands out wire types, the same for JSON and for pages, and errors
// that ErrorOf puts into the words of console/notices.
//
// Guaranteed: what lies outside the caller's sites and rooms is not found, as if it did not exist: computers, rooms, jobs
// (a job with computers in two places shows each of its readers his own), events, sessions, requests and the names in
// refusals; a change is made only where the role allows it, and its result is told to the audit log, also when it was
// refused. Not guaranteed: that the entry is there, for it is a commit of its own after the change, and a kill between the
// two leaves a change without (what goes wrong there is logged); that two people do not find out from each other's effects that somebody else is there, as by a
// name that is taken or by a master's size; names of computers and versions of masters are one for all sites.
package access
