// Package agent is the life of a PC between its network boot and its own system: it proves the server, introduces the
// PC, does the tasks it is given, and ends in one way. imaging/DESIGN.md has the state diagram.
//
//	prove the server --> stage two --> key --> hello --+--> enrolled --> wait for a task --> do it --> ending
//	                                            ^      |                      ^                |
//	                                            +-- pending, refused, alarm   +---- stay ------+
//
// A deploy, reset or staging whose task names a multicast session takes part in it (together.go); without it, and where it
// ends, frames are fetched by HTTPS.
//
// Started from the disk's own menu it resets without the server (alone.go), by a standing grant and the cache partition;
// a mark that stands is resumed first, whatever was chosen:
//
//	disks --> key, grant, mark --> alone --+--> proof --> the disk
//	                                       +--> cannot: server within 30 s --> wish --> task
//	                                                    none: the disk as it is, unless a mark stands
//
// Beside deploys, resets, captures and stagings it looks (verify.go, inventory), wipes a disk (wipe.go, package wipe), runs
// scripts that people have approved (script.go, package script) and switches off.
//
// What only a PC has (disks, firmware, drivers) comes in as fields of PC, so that all of this runs in a test against
// image files; cmd/ardoise-agent wires it to the real ones, and imaging/agent/boot is PID 1.
//
// Guaranteed: nothing is opened for writing before the task's signature, the computer it is for, its nonce, the rule for
// the disk and the signed hash of the manifest were checked, the countdown has passed and the server has not cancelled.
// Nothing is reported done before it was read back. Not guaranteed: that a task is not handed out twice; doing it twice
// writes nothing the second time.
package agent
