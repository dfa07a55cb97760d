// Package room runs the built program in a room of network namespaces: one sends a session, many receive it, and the
// network and the people are as bad as they come. Every disk is compared with the master, byte by byte and by `ardoise
// master verify`.
//
//	server --- switch ---+--- 1 % lost          +--- multicast is eaten
//	                     +--- 20 Mb/s           +--- its power is cut
//	                     +--- comes late        +--- forges packets
//	                     +--- its disk is full
//
// Times are not judged here, only that everything ends well: scripts/roombench measures. Limits are some thirty times what
// a run takes on an idle machine.
//
// Source: DESIGN.md of imaging/multicast, who says what and what bad input gets.
package room
