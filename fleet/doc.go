// Package fleet decides: which computers there are, which of them are who they say, what each has to do and whether it
// was done. It knows no HTTP, no SQL and no packets; it is asked by the console's APIs and by the boot server.
//
// The state of a computer:
//
//	(seen by PXE)          hello              a person approves its code,
//	  unknown  ---------> pending  -------- or a room's window lets it in -----> enrolled <---+
//	                         |                   ^                              |  |    |      | dismissed
//	                         |                   | hello                  rekey |  |    +-> alarm: another key claimed to
//	     imported list -> expected --------------+ <----------------------------+  |        be this computer
//	                         |                                                     |
//	                         +---- a person refuses ----> refused <----- refuse ---+
//
// A refusal is taken back by forgetting the key: the computer is then pending at its next hello. A record that is forgotten
// takes key, grant, token, label and place with it, and what waits for the computer is cancelled in the same Change; while a
// task of it runs it stays. Who comes back is new. What lies on its disk, a grant for resets of that disk too, stays there: a
// computer that is given away is wiped first.
//
// Unknown and pending computers live in memory and are bounded: a flood of invented PCs costs neither disk space nor the
// place of a real one. Everything else is committed to the Store before anybody is told of it.
//
// A room's enrolment window is open for a time and for a number of computers, which is counted in the same decision that
// lets one in; one room of a site has one, and only who comes from the site's networks is let in. It opens no record that
// has a key: whatever claims to be somebody known is judged as without it.
//
// Whom a computer without a known key looks like is judged within the site whose networks it says hello from: a copied
// board number in another school is neither an alarm there nor a way to its record. Administrators are told, and may say
// that the computer was moved; so are they when an enrolled computer says hello from another site than its own.
//
// The state of a task:
//
//	waiting --handed out--> running --proven--> done
//	 ^ |                      |  ^
//	 | |                      |  +-- handed out again, with a fresh nonce, whenever its computer asks again
//	 | +--cancel, expiry,     +----failure, no progress----> failed
//	 |    an order instead-+  +----cancel before a write--+    |
//	 |                     v                              v    | tries and time are left
//	 |                  cancelled <-----------------------+    |
//	 +---------------------------------------------------------+
//
// A cancel ends what can be ended and leaves alone whose disk is being written; it is refused only where that is all.
//
// Each arrow is one Change, committed whole or not at all, with the events that tell of it. The daemon may be killed at
// any instruction: what was committed is what happened, and the agent's next request goes on from there. An order that
// takes the place of others cancels what waits in the same Change that makes its own tasks.
//
// What is known of a disk follows its tasks:
//
//	deploy, reset   handed out: nothing is proven ---------> done: the version; nothing written: as before
//	wipe            handed out: nothing is proven ---------> written, done, or not heard of again: no version, no proof, no
//	                                                         grant, no token; nothing written: as before
//	script          that may write, handed out: nothing ---> nothing; cancelled before it began: as before
//	verify          nothing changes: it is compared with what it was proven to hold
//
// A reset makes a disk equal to what its computer was proven to hold when the task is first handed out, not when it was
// ordered. That was proven of one disk: a rule that chooses another one is refused, when it is ordered and when it is handed
// out, unless a version is named, which makes it a deployment by another way. Where several disks fit and none is named, an
// order means the one that was proven to hold something; a wipe names it.
//
// A computer has at most one task that is due and one whose time has yet to come. Rooms say when their computers are reset and
// what is each computer's own on its disk; a clock orders their nights, each once, and wakes who is asleep. A name that two
// computers of a room would have, or an answer file that Windows' set-up would stop at, keeps a computer from its task, with
// the reason.
//
// Memory has the jobs that are not over and the newest, all that are newer than some number; the Archive has 20,000 and every
// wipe, with who the computer was then: name, maker, model, serial number and room, whatever becomes of its record.
//
// A version is needed by computers that hold it or are unfinished with it, by tasks, and by the rooms and schedules whose
// references mean it now.
//
// Schedules are orders with a window of days and hours on the clock of the wall:
//
//	        At                                  Until
//	--------|===================================|-------------------->
//	        given, and Done for this day,       not given any more: that is told, and Done for this day
//	        however late; its tasks expire at Until
//
// The job and Done are kept in one Change. What they mean, a channel or a filter for instance, is looked up when they are
// given. Who cannot take it is named in the job. Whom another order keeps busy is owed its task until the window ends: it
// is given within ten minutes of being free, with others who are; what is owed at the end is let pass, and the other order
// is named. An hour that the clocks leave out or repeat is used once.
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
// Sites are schools: a room of a named one is SITE/ROOM; a computer is of its room's, else of the one that it was given to,
// else of the one whose networks have its address. The site without a name is always there.
//
// A computer is woken through the server's own interfaces and through helpers, machines in rooms' networks that ask us for
// work. Which ones is decided by its last address, among the helpers of its own site:
//
//	in a network of the server              its own interfaces; and the helpers whose network has it, too
//	in the networks of some helpers         these
//	in none of them, or not known           all helpers of its site
//
// Computers of a room are woken 200 ms after each other, since power supplies that charge together trip its breaker; rooms do not
// wait for each other. Only the first of each is waited for: what goes wrong with the others is logged.
//
// What a helper has not said to be done waits in memory for two minutes, and is told again when it asks again; a restart of
// the daemon drops it, and tasks wake their computers three times. Where no network of the server or of a helper that is
// connected has the address, the event and the plan say so.
//
// Listings hold the lock for some hundred computers at a time, so that answers to firmware and reports of agents do not wait
// for a page with a region; but what uses a version, and who is in the wrong site, are asked of all computers at once (Uses,
// Strays); maps are drawn from the records themselves (Sights), not from copies; records are found by
// name, key, address, UUID and serial number without looking at others.
//
// Details of events and refusals are English: each is one format, given whole to event or refuse, with what it is about as
// its arguments. By that format console/notices finds the arguments again and says them in the language of the reader.
//
// Guaranteed: a task is handed only to the key it is for; a key never replaces another without a person; a deploy is
// done only when the agent says that it was read back and proven, a wipe when it brings what can be certified; what a
// computer runs is forgotten before its disk may change; a wish, a token and a proof cannot do more than reset or reinstall
// the computer they come from; a helper learns the MAC addresses of its site's computers that are to be woken, and orders
// nothing; a script runs as two people have read it, by its hash. Not guaranteed: who people are, and what they may do,
// which their callers judge; that a computer is as its proof says, which is its own word; that a boot request comes from the
// computer whose address it bears; nothing but "agent or disk" depends on it, and the boot-loop guard, which forged requests
// can hold up for an hour at a time.
package fleet
