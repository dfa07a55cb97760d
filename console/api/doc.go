// Package api is how orders reach the daemon: JSON over HTTP over a Unix socket in the data folder, for its owner alone.
//
//	GET  /v1/status                     what runs, since when, at which addresses
//	GET  /v1/computers[/{ref}]          ref: name, id, code or MAC address
//	POST /v1/computers/approve          Approve -> Computer
//	POST /v1/computers/{ref}/{verb}     refuse, rename, rekey, chainload, wake
//	POST /v1/computers/{ref}/token      TokenOrder -> job.RunningToken, once
//	GET  /v1/rooms[/{name}]
//	PUT  /v1/rooms/{name}               RoomChange -> Room, made if need be;  DELETE forgets one without computers
//	POST /v1/place                      Placement -> Room: puts computers into a room, or out of theirs
//	GET  /v1/masters[/{ref}]            ref: NAME or NAME@V
//	POST /v1/plan                       Order -> Plan: what it would do, and what is lost
//	POST /v1/jobs                       Order -> Job
//	GET  /v1/jobs[/{id}]                one: with the report of its multicast session, timeline included
//	GET  /v1/jobs/{id}/watch            Job as JSON lines, one at each change, until the job is over; how its session stands
//	POST /v1/jobs/{id}/cancel           Cancel -> Job
//	GET  /v1/events                     ?computer= ?job=
//	GET  /v1/doctor                     checks of what the daemon lives in
//
// Who may speak is decided twice: the socket's mode is 0600, and the kernel's word on the peer (SO_PEERCRED, unix(7))
// must name the daemon's user or root. That user is who an order is by. Errors are Error with a status of 4xx or 5xx.
//
// Guaranteed: nothing here listens on a network. Not guaranteed: the API's stability, until roles and a console exist.
package api
