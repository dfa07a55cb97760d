// Package sessions runs the multicast sessions that the fleet's tasks share: it starts the sender of a session when the
// first computer joins, lets in who belongs there, divides the uplink, watches what goes on and keeps it for people.
//
// Sources: sections 8, 10 and 11 of the project's design; DESIGN.md of imaging/multicast; RFC 9110 section 15.5 (404, 410).
//
//	fleet: which tasks share a session
//	   |  Begin, who is left
//	   v
//	Manager -- one run each --> session.Server --> fan --+--> socket on eth0.10 ==> room
//	   ^   |                        ^                    +--> socket on eth0.20 ==> room
//	   |   +-- every second: caps, sample, marks --> Report --> Store
//	Serve: who joins with what, once a task of his runs (the console's agent API asks)
//
// A run outlives its server: a session that has ended because nobody came any more, or with the daemon, begins again with
// the next join, with a new secret and number, and its report goes on. A run ends when all its tasks are over.
//
// Packets leave by the interfaces of those who have joined, and by no other: a session never reaches a network where
// nobody takes part in it. Who is not in a network of ours takes part by HTTPS, unless routers forward multicast.
//
// People are told which networks multicast does not reach, in which a switch sends it to every port, and in which somebody else
// sends packets to a session, with its key or without. What a session says last is told, too, however short it was.
//
// Guaranteed: a computer gets nothing of a session that its running task does not name, nor before it has joined, and joins
// with the manifest of its task alone; what it says of itself is no name that people see. The limit of the uplink is for
// multicast and for what is fetched by HTTPS together: each may have what the other leaves, and half in any case. What a
// report keeps is bounded, whatever happens for however long. Not guaranteed: that a computer gets nothing of the other
// masters of its own session, which share their packets' key; the limit in the first second of a session that begins beside
// others, which find out then.
package sessions
