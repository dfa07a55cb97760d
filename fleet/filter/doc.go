// Package filter understands the questions that people ask about computers: "which are not on Bureautique 7?"
//
//	query := { term }                  all terms must be true
//	term  := [ "-" ] ( test | word )   "-" negates
//	test  := name ( ":" | "=" | "<" | "<=" | ">" | ">=" ) value
//	value := characters without space | '"' { character | '\"' | '\\' } '"'
//
//	room:S104  site:zola  tag:portable  state:pending  runs:Bureautique@7  runs:none  -runs:Bureautique  link<=100
//	unseen>30d  memory<4G  disk<256G  unfinished:yes  offline:no  task:failed  model:"OptiPlex 3060"  S104-1
//
// A word without a test is looked for in everything that a computer is called by. Capitals make no difference. Numbers of
// memory and disks have the suffixes K, M, G and T, powers of 1024 for memory and of 1000 for disks as their makers count;
// times have m, h, d and w.
//
// Guaranteed: a query of up to 1,000 characters is parsed or refused with the place of the mistake, whatever it holds, and
// is asked of a computer in time that is linear in both. Not guaranteed: an order among what matches; that belongs to who
// asks.
package filter
