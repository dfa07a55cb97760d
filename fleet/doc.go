// Package fleet decides: which computers there are, which of them are who they say, what each has to do and whether it
// was done. It knows no HTTP, no SQL and no packets; it is asked by the console's APIs and by the boot server.
//
// The state of a computer:
//
//	(seen by PXE)          hello              a person approves its code
//	  unknown  ---------> pending  ----------------------------------------> enrolled <---+
//	                         |                                                |    |      | dismissed
//	                         +---- a person refuses ----> refused <-- refuse -+    +-> alarm: another key claimed to
//	                                                                                   be this computer
//
// A refusal is taken back by forgetting the key: the computer is then pending at its next hello. Unknown and pending computers live in memory and are bounded: a flood of invented PCs costs neither disk space nor the
// place of a real one. Everything else is committed to the Store before anybody is told of it.
//
// The state of a task:
//
//	waiting --handed out--> running --proven--> done
//	   |                      |  ^
//	   |                      |  +-- handed out again, with a fresh nonce, whenever its computer asks again
//	   +--cancel, expiry--+   +----failure, no progress----> failed
//	                      v   +----cancel before a write---> cancelled
//	                  cancelled
//
// Each arrow is one Change, committed whole or not at all, with the events that tell of it. The daemon may be killed at
// any instruction: what was committed is what happened, and the agent's next request goes on from there.
//
// A reset makes a disk equal to what its computer was proven to hold when the task is first handed out, not when it was
// ordered; a computer has at most one task that is due and one whose time has yet to come. Rooms say when their computers
// are reset and what is each computer's own on its disk; a clock orders their nights, each once, and wakes who is asleep.
//
// What a computer may do without us is its standing grant:
//
//	held (proven, or being written) + room's policy + names and keys --> content --> counter, only ever growing
//
// The counter is kept before the grant is given away and begins with the seconds since 1970, so that neither a database
// that is restored nor a record that is made anew falls behind what a computer has seen. Where nothing is held, the policy
// is never, or the computer was thrown out, a grant that allows nothing takes the place of the one that it had.
//
// Tasks share a multicast session as the job is ordered: those of one deployment to two or more computers, and those of
// deployments whose masters share chunks, as long as nobody has joined the session yet; what a session that has begun
// sends is fixed, so a later job joins it only with a master that it sends. The package sessions runs them.
//
// Guaranteed: a task is handed only to the key it is for; a key never replaces another without a person; a deploy is
// done only when the agent says that it was read back and proven; what a computer runs is forgotten before its disk may
// change; a wish, a token and a proof cannot do more than reset or reinstall the computer they come from. Not
// guaranteed: that a computer is as its proof says, which is its own word; that a boot request comes from the computer
// whose address it bears; nothing but "agent or disk" depends on it, and the boot-loop guard, which forged requests can
// hold up for an hour at a time.
package fleet
