// Package notices holds the sentences that a person reads on the console and on the command line, French and English.
//
// Each notice has a stable code, a severity, what happened to which computer or thing, and what to do now. {what} is
// the thing, {detail} what is known beyond the code. The PC's own screen has its own file, imaging/agent/notices.
//
// What the rooms below say beyond a code, in events, refusals, reasons and the doctor's checks, they say in English, which is
// what is kept, logged and given to programs, beside the kind or code that it is a detail of. On the way to a person who reads
// French it is taken apart again by the sentence that it was made from, and put together in French:
//
//	fleet                 "key %s approved by %s"             --> event: kind approved, detail "key 1a2b approved by marie"
//	french.txt            key %s approved by %s
//	                          clé {1} approuvée par {2~}
//	In(French, kind, ..)                                      <-- "clé 1a2b approuvée par marie"
//
// So an event of years ago is said in French, too, and no room below knows languages. A detail within a detail ({2~}) is said
// the same way, as are refusals, lists and chains of causes ("reading x: permission denied"). What nobody has put into French,
// the words of a drive or a tool, stays as it is between marks that nobody sees; HTML turns them into <i lang="en">.
//
// French has the typographic apostrophe here; the PC's own screen has the straight one, which Apostrophes replaces on the way.
//
// Guaranteed, by tests that read the sources: every refusal of fleet has a notice, every sentence of fleet, doctor and the
// agent's reasons has its French, every notice has both sentences in both languages, and no sentence blames with the word
// "error". Not guaranteed: that what the readers of file systems, the kernel and drives say is in French; that a name which
// reads like a sentence of ours stays as it is.
package notices
